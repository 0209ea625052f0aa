/* test_client_death.c - the client of C programs: forked, killed, with its instance gone, and used by many threads. */
#include "../../ipc/registry.h"
#include "client_support.h"

/* ---- processes ------------------------------------------------------------------------------- */

static void use_of_parent(void *arg)
{
	struct ym_job_ref *job = arg, found;
	struct ym_submit submit = job_like("x");
	struct ym_submitted submitted;
	struct ym_pool_info pools[1];
	struct ym_err why;
	size_t which, n;

	assert_unknown(*job, YM_ERR_USAGE);
	ASSERT_IN("child", err.text);
	ASSERT_ERR(ym_client_submit(client, &submit, &submitted, &err), YM_ERR_USAGE);
	ck_assert_uint_eq(ym_client_submit_many(client, &submit, 1, &submitted, &why), 0);
	ASSERT_ERR(ym_client_master(client, NULL, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_client_wait_all(client, job, 1, 0, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_client_wait_all(client, job, 0, 0, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_client_wait_any(client, job, 1, 0, &which, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_client_find(client, job->id, &found, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_client_pools(client, pools, 1, &n, &err), YM_ERR_USAGE);
	ASSERT_OK(ym_client_close(client, &err));
	ASSERT_OK(ym_client_open(&client, "unit", directory, &err));
	put_like("the child's own");
	ASSERT_OK(ym_client_close(client, &err));
}

START_TEST(a_child_cannot_use_it)
{
	struct ym_job_ref job = put_like("x");

	run_child(use_of_parent, &job);
	ck_assert_int_eq(ym_group_usage(&yard.group), 2);
	ck_assert(ym_group_alive(&yard.group, client->instance.group.slot));
	assert_state(job, YM_JOB_WAITING);
	put_like("the parent's own");
	ck_assert_uint_eq(tokens(), 0);
}
END_TEST

/* Everything that a client writes, again and again. */
static void submit_for_ever(void *arg)
{
	static char bytes[3000];
	struct ym_submit jobs[20];
	struct ym_submitted submitted[20];

	(void)arg;
	if (ym_client_open(&client, "unit", directory, NULL) < 0)
		_exit(1);
	for (size_t i = 0; i < COUNT(jobs); i++) {
		jobs[i] = job_like("x");
		jobs[i].unique = i % 3 == 0 ? "key" : NULL;
		if (i % 5 == 0) {
			jobs[i].payload = bytes;
			jobs[i].size = sizeof(bytes);
		}
	}
	tell_step();
	for (;;) {
		size_t n = ym_client_submit_many(client, jobs, COUNT(jobs), submitted, NULL);

		for (size_t i = 0; i < n; i++) {
			ym_client_wait(client, &submitted[i].job, 0, NULL, NULL);
			ym_client_kick(client, &submitted[i].job, NULL);
			ym_client_delete(client, &submitted[i].job, NULL);
		}
	}
}

static void assert_nothing_of_the_dead(void)
{
	unsigned files = 0;

	for (uint32_t slot = 0; slot < yard.table->slots; slot++) {
		struct job_sh *job = table_job(yard.table, slot);
		enum job_state state = word_state(atomic_load(&yard.table->words[slot]));

		ck_assert_msg(state == JOB_FREE || state == JOB_READY, "slot %u is %s", slot, job_state_word(state));
		files += state != JOB_FREE && job->payload_place == JOB_PLACE_FILE;
		ck_assert(state != JOB_READY || index_linked(&yard, slot));
	}
	ck_assert_uint_eq(count_files("jobs"), files);
	ck_assert_int_eq(ym_group_usage(&yard.group), 2);
}

/* Clear the table as a worker would. */
static void run_all(void)
{
	struct job_ref ref;
	uint64_t word;

	while (try_claim(&ref, &word)) {
		finish(ref, word, STORY_DONE);
		ASSERT_OK(dispatch_delete(&yard, ref, &err));
	}
}

START_TEST(a_killed_submitter_leaves_nothing)
{
	for (int round = 0; round < 60; round++) {
		pid_t child = spawn(submit_for_ever, NULL);

		await_step();
		usleep(random_below(3000));
		kill_and_reap(child);
		/* What it has just pushed may be on its way for a moment. */
		WAIT_UNTIL((run_sweep(), swept.next == YM_NEVER || swept.pools[pool].waiting > 0));
		for (uint32_t slot = 0; slot < yard.table->slots; slot++)
			if (word_state(atomic_load(&yard.table->words[slot])) == JOB_READY)
				WAIT_UNTIL((run_sweep(), index_linked(&yard, slot)));
		assert_nothing_of_the_dead();
		run_all();
	}
}
END_TEST

static void wait_for_ever(void *arg)
{
	struct waiting *waiting = arg;
	size_t which;

	if (ym_client_open(&client, "unit", directory, NULL) < 0)
		_exit(1);
	tell_step();
	if (waiting->any)
		ym_client_wait_any(client, waiting->jobs, waiting->n, -1, &which, NULL);
	else
		ym_client_wait_all(client, waiting->jobs, waiting->n, -1, NULL);
}

START_TEST(a_killed_waiter_leaves_nothing)
{
	struct waiting waiting = {.n = 2};
	pid_t children[2];

	waiting.jobs[0] = put_like("x");
	waiting.jobs[1] = put_like("y");
	for (int i = 0; i < 2; i++) {
		waiting.any = i == 1;
		children[i] = spawn(wait_for_ever, &waiting);
		await_step();
		WAIT_UNTIL(process_state(children[i]) == 'S' &&
		           (word_flags(word_of(client_ref(&waiting.jobs[0]))) & JOB_WAITED));
	}
	kill_and_reap(children[0]);
	kill_and_reap(children[1]);
	run_sweep();
	assert_nothing_of_the_dead();
	end_job(waiting.jobs[0], STORY_DONE, NULL, 0);
	end_job(waiting.jobs[1], STORY_DONE, NULL, 0);
}
END_TEST

/* ---- an instance that is gone ---------------------------------------------------------------- */

/* As with ipcrm -a. */
static void remove_by_hand(void)
{
	int semid = yard.group.semid;

	ym_registry_remove_all(yard.group.reg);
	ck_assert_int_eq(semctl(semid, 0, IPC_RMID), 0);
}

START_TEST(a_removed_instance_is_gone)
{
	struct ym_job_ref job = put_like("x"), found;
	struct waiting one = {.n = 1, .timeout_ms = -1, .jobs = {job}},
		       any = {.n = 1, .any = true, .timeout_ms = -1, .jobs = {job}};
	struct ym_submit submit = job_like("x");
	struct ym_submitted submitted;
	struct ym_pool_info pools[1];
	size_t n;

	start_waiting(&one);
	start_waiting(&any);
	remove_by_hand();
	ck_assert_int_eq(end_waiting(&one), -1);
	ck_assert_int_eq(one.err.class, YM_ERR_GONE);
	ASSERT_IN("was removed while", one.err.text);
	ck_assert_int_eq(end_waiting(&any), -1);
	ck_assert_int_eq(any.err.class, YM_ERR_GONE);
	ASSERT_ERR(ym_client_submit(client, &submit, &submitted, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_client_wait(client, &job, 0, NULL, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_client_wait_all(client, &job, 1, 0, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_client_cancel(client, &job, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_client_find(client, 12345, &found, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_client_pools(client, pools, 1, &n, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_client_master(client, NULL, &err), YM_ERR_GONE);
	ASSERT_OK(ym_client_close(client, &err));
	ASSERT_OK(instance_leave(&yard, NULL, &err));

	yard_open(256);
	pool = add_pool("work");
	ASSERT_OK(ym_client_open(&client, "unit", directory, &err));
	/* By chance the same slot and generation: not the same job. */
	yard.table->next_id = job.id + 10;
	found = put_like("x");
	ck_assert_uint_eq(found.slot, job.slot);
	ck_assert_uint_eq(found.gen, job.gen);
	assert_unknown(job, YM_ERR_GONE);
}
END_TEST

static void *submit_patiently(void *arg)
{
	struct waiting *waiting = arg;
	struct ym_submit job = job_like("x");
	struct ym_submitted submitted;

	job.patience_ms = -1;
	waiting->answer = ym_client_submit(client, &job, &submitted, &waiting->err);
	return NULL;
}

START_TEST(who_waits_for_room_is_told_too)
{
	struct waiting waiting = {.n = 0};

	for (int i = 0; i < 256; i++)
		put_like("x");
	ck_assert_int_eq(pthread_create(&waiting.thread, NULL, submit_patiently, &waiting), 0);
	WAIT_UNTIL(atomic_load(&yard.table->space_wanted));
	remove_by_hand();
	ck_assert_int_eq(end_waiting(&waiting), -1);
	ck_assert_int_eq(waiting.err.class, YM_ERR_GONE);
	ASSERT_OK(ym_client_close(client, &err));
	ASSERT_OK(instance_leave(&yard, NULL, &err));
	yard_open(256);
	ASSERT_OK(ym_client_open(&client, "unit", directory, &err));
}
END_TEST

/* ---- threads --------------------------------------------------------------------------------- */

#define THREADS 4
#define ROUNDS  300

static void work_for_ever(void *arg)
{
	struct instance mine;
	uint32_t slot;
	uint64_t word;

	(void)arg;
	join_yard(&mine);
	for (;;) {
		struct job_report report = {.end = STORY_DONE};
		enum job_state became;

		if (!ready_take(&mine, pool, &slot, &word)) {
			MUST(ready_sleep(&mine, pool, &err) == 0);
			continue;
		}
		report.result = table_job(mine.table, slot)->payload;
		report.result_size = table_job(mine.table, slot)->payload_size;
		dispatch_finish(&mine, slot, word, &report, &became);
	}
}

/* No assertions of check: its results are not made for threads. */
static const char *use_together(unsigned number)
{
	char payload[6][32];
	struct ym_submit jobs[6];
	struct ym_submitted submitted[6];
	struct ym_job_ref refs[6], found;
	struct ym_job_progress progress;
	struct ym_job_info info;
	struct ym_job_result result;
	size_t which;

	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < COUNT(jobs); i++) {
			snprintf(payload[i], sizeof(payload[i]), "%u-%u-%u", number, round, i);
			jobs[i] = job_like(payload[i]);
			jobs[i].unique = i == 5 ? "shared by all" : NULL;
			jobs[i].patience_ms = PATIENCE_MS;
		}
		if (ym_client_submit_many(client, jobs, COUNT(jobs), submitted, NULL) != COUNT(jobs))
			return "submit_many";
		for (unsigned i = 0; i < COUNT(jobs); i++)
			refs[i] = submitted[i].job;
		if (ym_client_progress(client, &refs[0], &progress, NULL) < 0 ||
		    ym_client_look(client, &refs[1], &info, NULL) < 0 || strcmp(info.pool, "work") != 0)
			return "look";
		if (ym_client_find(client, refs[2].id, &found, NULL) != 0 || found.slot != refs[2].slot)
			return "find";
		if (ym_client_wait_any(client, refs, COUNT(jobs), PATIENCE_MS, &which, NULL) != 0)
			return "wait_any";
		if (ym_client_wait_all(client, refs, COUNT(jobs), PATIENCE_MS, NULL) != 0)
			return "wait_all";
		for (unsigned i = 0; i < 5; i++) {
			if (ym_client_wait(client, &refs[i], 0, &result, NULL) != 0 || result.state != YM_JOB_DONE ||
			    strcmp(result.data, payload[i]) != 0)
				return "result";
			ym_job_result_free(&result);
			if (ym_client_forget(client, &refs[i], NULL) != 0)
				return "forget";
		}
		ym_client_forget(client, &refs[5], NULL);
	}
	return NULL;
}

static void *run_thread(void *arg)
{
	static _Atomic unsigned numbers;

	*(const char **)arg = use_together(atomic_fetch_add(&numbers, 1));
	return NULL;
}

START_TEST(threads_share_a_client)
{
	const char *failed[THREADS] = {0};
	pthread_t threads[THREADS];
	pid_t workers[2];

	for (int i = 0; i < 2; i++)
		workers[i] = spawn(work_for_ever, NULL);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, run_thread, (void *)&failed[i]), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_msg(failed[i] == NULL, "thread %d: %s", i, failed[i]);
	for (int i = 0; i < 2; i++)
		kill_and_reap(workers[i]);
	run_sweep();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client_death");

	ADD("processes", a_child_cannot_use_it, a_killed_submitter_leaves_nothing, a_killed_waiter_leaves_nothing);
	ADD("gone", a_removed_instance_is_gone, who_waits_for_room_is_told_too);
	ADD("threads", threads_share_a_client);
	return run_suite(suite);
}
