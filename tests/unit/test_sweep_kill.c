/* test_sweep_kill.c - workers and producers killed at random, and swept up after, until all jobs are over. */
#include <sys/mman.h>

#include "yard.h"

/* ---- workers --------------------------------------------------------------------------------- */

/* Ends as those of real workers: mostly done, some of every other kind. */
static void work_without_pause(void *arg)
{
	static const enum story_end ends[] = {STORY_RETRY, STORY_CRASHED, STORY_TIMED_OUT};
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	for (;;) {
		struct job_report report = {.end = STORY_DONE, .result = "done", .result_size = 4};
		enum job_state became;
		uint32_t slot, dice = random_below(60);
		uint64_t word;

		if (!ready_take(&mine, pool, &slot, &word)) {
			MUST(ready_sleep(&mine, pool, &err) == 0);
			continue;
		}
		if (dice < COUNT(ends))
			report = (struct job_report){.end = ends[dice], .error = "no luck"};
		if (dice == 50)
			dispatch_return(&mine, slot, word);
		else
			MUST(dispatch_finish(&mine, slot, word, &report, &became));
	}
}

#define JOBS 4000

static void submit_all(void)
{
	for (int i = 0; i < JOBS; i++) {
		struct job_request request = request_of("x");
		char key[16];

		snprintf(key, sizeof(key), "%d", i);
		request.keep = true;
		request.level = i % INDEX_LEVELS;
		request.unique = i % 3 ? NULL : key;
		submit_request(request);
	}
}

START_TEST(no_job_is_lost_when_workers_are_killed)
{
	pid_t workers[3];

	atomic_store(&pool_row()->attempts, 255);
	atomic_store(&pool_row()->crashes, 255);
	atomic_store(&pool_row()->backoff_ms, 1);
	atomic_store(&pool_row()->backoff_factor, 1);
	atomic_store(&yard.table->result_ttl_ns, UINT64_C(3600000000000));
	submit_all();
	for (size_t i = 0; i < COUNT(workers); i++)
		workers[i] = spawn(work_without_pause, NULL);
	for (uint64_t give_up = ym_deadline(PATIENCE_MS);;) {
		size_t pick = random_below(COUNT(workers));

		run_sweep();
		if (swept.live == 0)
			break;
		ck_assert_msg(ym_now_ns() < give_up, "%ju jobs are not over", (uintmax_t)swept.live);
		usleep(random_below(2000));
		kill_and_reap(workers[pick]);
		workers[pick] = spawn(work_without_pause, NULL);
	}
	for (size_t i = 0; i < COUNT(workers); i++)
		kill_and_reap(workers[i]);
	for (uint32_t slot = 0; slot < JOBS; slot++) {
		ck_assert_int_eq(word_state(atomic_load(&yard.table->words[slot])), JOB_DONE);
		ck_assert_uint_eq(table_job(yard.table, slot)->id, slot + 1);
		ck_assert_mem_eq(table_job(yard.table, slot)->result, "done", 4);
	}
}
END_TEST

/* ---- producers and workers ------------------------------------------------------------------- */

static _Atomic unsigned *accepted;

static void submit_without_pause(void *arg)
{
	static char bytes[600];
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	for (size_t n = 0;; n++) {
		struct job_request request = request_of("x");
		struct job_ref ref;

		request.payload = (struct payload_source){.data = bytes, .size = n % 3 ? 8 : sizeof(bytes)};
		request.delay_ms = n % 8 == 7;
		if (submit_job(&mine, &request, &ref, &err) == 0)
			atomic_fetch_add(accepted, 1);
		else
			MUST(err.class == YM_ERR_FULL);
	}
}

/* Work off everything that is ready or will be soon; how many jobs that were. */
static unsigned work_off(void)
{
	unsigned done = 0;

	for (run_sweep(); swept.live > 0; run_sweep()) {
		struct job_ref ref;
		uint64_t word;

		for (; try_claim(&ref, &word); done++)
			MUST(finish(ref, word, STORY_DONE) == JOB_DONE);
	}
	return done;
}

#define PRODUCER_ROUNDS 80

START_TEST(a_killed_producer_in_a_full_table)
{
	unsigned done = 0;

	accepted = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int round = 0; round < PRODUCER_ROUNDS; round++) {
		unsigned before = atomic_load(accepted);
		pid_t child = spawn(submit_without_pause, NULL);

		if (round % 2)
			WAIT_UNTIL(atomic_load(accepted) != before);
		usleep(random_below(round % 2 ? 300 : 3000));
		kill_and_reap(child);
		run_sweep();
		for (uint32_t slot = 0; slot < yard.table->slots; slot++)
			ck_assert_int_ne(word_state(atomic_load(&yard.table->words[slot])), JOB_FILLING);
		done += work_off();
		/* It may have been killed between the acceptance of one more and our count. */
		ck_assert_uint_ge(done, atomic_load(accepted));
		ck_assert_uint_le(done, atomic_load(accepted) + (unsigned)round + 1);
	}
	ck_assert_uint_gt(done, PRODUCER_ROUNDS);
	atomic_store(&yard.table->result_ttl_ns, 0);
	WAIT_UNTIL((run_sweep(), count_files("jobs") == 0));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sweep_kill");
	TCase *tcase = yard_case(suite, "workers", begin_large_yard);

	tcase_add_test(tcase, no_job_is_lost_when_workers_are_killed);
	tcase = yard_case(suite, "producers", begin_yard);
	tcase_add_test(tcase, a_killed_producer_in_a_full_table);
	return run_suite(suite);
}
