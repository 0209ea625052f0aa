/*
 * test_sweep.c - what deaths, deadlines and lost tokens leave behind is put right by one pass over the table.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "../../runtime/limit.h"
#include "yard.h"

static const char *cause = "killed by a test";
static unsigned cause_slot, killed_slot, buried_slot;
static int kills, burials;

static bool innocent; /* the next death has nothing to do with the job */

static const char *tell_cause(void *arg, unsigned slot, bool *blameless)
{
	ck_assert_ptr_eq(arg, &swept);
	ck_assert(!*blameless);
	*blameless = innocent;
	cause_slot = slot;
	return cause;
}

static void count_kill(void *arg, unsigned slot)
{
	ck_assert_ptr_eq(arg, &swept);
	killed_slot = slot;
	kills++;
}

static void count_burial(void *arg, unsigned slot)
{
	ck_assert_ptr_eq(arg, &swept);
	buried_slot = slot;
	burials++;
}

static void begin_sweep(void)
{
	begin_yard();
	swept.cause = tell_cause;
	swept.kill = count_kill;
	swept.buried = count_burial;
	swept.arg = &swept;
}

/* ---- deaths ---------------------------------------------------------------------------------- */

/* A worker that dies with its job in a state. */
static void hold_job(void *arg)
{
	enum job_state state = *(enum job_state *)arg;
	struct instance mine;
	uint32_t slot;
	uint64_t word;

	join_yard(&mine);
	word = claim(&mine, &slot);
	atomic_store(&mine.table->words[slot], word_next(word, state, word_owner(word), word_attempt(word), 0));
	tell_step();
	sleep_for_ever();
}

static void lose_worker(enum job_state state)
{
	pid_t child = spawn(hold_job, &state);

	await_step();
	kill_and_reap(child);
}

START_TEST(a_dead_workers_job_runs_again)
{
	static const enum job_state states[] = {JOB_CLAIMED, JOB_FINISHING};

	for (size_t i = 0; i < COUNT(states); i++) {
		struct job_ref ref = submit("x");
		unsigned owner;

		lose_worker(states[i]);
		ck_assert_int_eq(state_of(ref), states[i]);
		owner = word_owner(word_of(ref));
		run_sweep();
		ck_assert_int_eq(state_of(ref), JOB_READY);
		ck_assert_uint_eq(word_attempt(word_of(ref)), 1);
		ck_assert_uint_eq(word_flags(word_of(ref)), JOB_QUEUED);
		ck_assert_uint_eq(job_of(ref)->crashes, 1);
		ck_assert_str_eq(job_of(ref)->error, cause);
		ck_assert_uint_eq(cause_slot, owner);
		ck_assert_uint_eq(swept.recovered, 1);
		ck_assert_int_eq(burials, (int)i + 1);
		ck_assert_uint_eq(buried_slot, owner);
		ck_assert_uint_eq(word_attempt(claim_this(ref)), 2);
		finish(ref, word_of(ref), JOB_DONE);
		run_sweep();
		ck_assert_uint_eq(swept.recovered, 0);
		ck_assert_int_eq(burials, (int)i + 1);
	}
	ck_assert_int_eq(kills, 0);
}
END_TEST

START_TEST(a_job_that_kills_its_workers_fails)
{
	struct job_ref ref = submit_request((struct job_request){.payload = "x", .size = 1, .keep = true});
	uint64_t word;

	ck_assert_int_eq(dispatch_wait(&yard, ref, 0, &word, &err), 1);
	for (unsigned attempt = 1; attempt <= 3; attempt++) {
		ck_assert_int_eq(state_of(ref), JOB_READY);
		lose_worker(JOB_CLAIMED);
		run_sweep();
		ck_assert_uint_eq(word_attempt(word_of(ref)), attempt);
		ck_assert_uint_eq(job_of(ref)->crashes, attempt);
	}
	ck_assert_int_eq(state_of(ref), JOB_FAILED);
	ck_assert_str_eq(job_of(ref)->error, cause);
	ck_assert_uint_eq(word_flags(word_of(ref)), JOB_KEEP);
	ck_assert_uint_gt(job_of(ref)->finished, 0);
	ck_assert_uint_eq(tokens(), 0);
}
END_TEST

START_TEST(a_blameless_death_is_no_attempt)
{
	struct job_ref ref;

	atomic_store(&yard.table->pools[pool].attempts, 1);
	innocent = true;
	ref = submit("x");
	for (int death = 0; death < 3; death++) {
		lose_worker(JOB_CLAIMED);
		run_sweep();
		ck_assert_int_eq(state_of(ref), JOB_READY);
		ck_assert_uint_eq(word_attempt(word_of(ref)), 0);
		ck_assert_uint_eq(job_of(ref)->crashes, 0);
	}
	innocent = false;
	lose_worker(JOB_CLAIMED);
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_FAILED);
	ck_assert_uint_eq(job_of(ref)->crashes, 1);
}
END_TEST

START_TEST(a_dead_fixer_is_no_crash_of_the_job)
{
	struct job_ref ref = submit("x");

	cause = NULL;
	lose_worker(JOB_FIXING);
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_READY);
	ck_assert_uint_eq(job_of(ref)->crashes, 0);
	ck_assert_uint_gt(strlen(job_of(ref)->error), 0);
}
END_TEST

static void wait_for_end(void *arg)
{
	struct instance mine;
	uint64_t word;

	join_yard(&mine);
	tell_step();
	ck_assert_int_eq(dispatch_wait(&mine, *(struct job_ref *)arg, ym_deadline(PATIENCE_MS), &word, &err), 0);
	ASSERT_OK(instance_leave(&mine, NULL, &err));
	_exit((int)word_state(word));
}

START_TEST(who_waits_learns_of_the_failure)
{
	struct job_ref ref;
	pid_t waiter;

	atomic_store(&yard.table->pools[pool].attempts, 1);
	ref = submit("x");
	waiter = spawn(wait_for_end, &ref);
	await_step();
	WAIT_UNTIL(word_flags(word_of(ref)) & JOB_WAITED && process_state(waiter) == 'S');
	lose_worker(JOB_CLAIMED);
	run_sweep();
	ck_assert_int_eq(WEXITSTATUS(reap(waiter)), JOB_FAILED);
}
END_TEST

START_TEST(a_cancelled_job_of_a_dead_worker)
{
	struct job_ref ref = submit("x");
	enum job_state state = JOB_CLAIMED;
	pid_t child = spawn(hold_job, &state);

	await_step();
	ASSERT_OK(dispatch_cancel(&yard, ref, &err));
	kill_and_reap(child);
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_CANCELLED);
}
END_TEST

static void die_filling(void *arg)
{
	struct instance mine;
	uint64_t word;
	int64_t slot;
	char bytes[1000] = "long";

	(void)arg;
	join_yard(&mine);
	slot = table_take(mine.table, mine.group.slot, &word);
	ck_assert_int_eq(slot, 0);
	ASSERT_OK(payload_store(directory, table_job(mine.table, 0), 0, word_gen(word), bytes, sizeof(bytes), &err));
	kill(getpid(), SIGKILL);
}

START_TEST(a_dead_submitters_slot_is_free)
{
	int status = reap(spawn(die_filling, NULL));

	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(word_state(atomic_load(&yard.table->words[0])), JOB_FILLING);
	ck_assert_uint_eq(count_files("jobs"), 1);
	run_sweep();
	ck_assert_int_eq(word_state(atomic_load(&yard.table->words[0])), JOB_FREE);
	ck_assert_uint_eq(count_files("jobs"), 0);
	ck_assert_uint_eq(swept.recovered, 0);
	ck_assert_int_eq(burials, 1);
}
END_TEST

START_TEST(the_living_are_left_alone)
{
	struct job_ref ref = submit("x");
	uint64_t word = claim_this(ref), filling;
	int64_t slot = table_take(yard.table, yard.group.slot, &filling);

	run_sweep();
	ck_assert_uint_eq(word_of(ref), word);
	ck_assert_uint_eq(atomic_load(&yard.table->words[slot]), filling);
	ck_assert_uint_eq(swept.live, 2);
	ck_assert_uint_eq(swept.pools[pool].running, 1);
	atomic_store(&yard.table->words[slot], word_make(word_gen(filling), JOB_FREE, 0, 0, 0));
	finish(ref, word, JOB_DONE);
}
END_TEST

/* ---- deadlines ------------------------------------------------------------------------------- */

static struct job_ref submit_timed(void)
{
	atomic_store(&yard.table->pools[pool].timeout_ms, 1000);
	atomic_store(&yard.table->pools[pool].timeout_grace_ms, 1000000);
	return submit("x");
}

START_TEST(first_asked_then_killed)
{
	struct job_report report = {.state = JOB_DONE, .result = "late", .result_size = 4};
	struct job_ref ref = submit_timed();
	uint64_t word = claim_this(ref), deadline = job_of(ref)->deadline, asked, next;
	enum job_state became;

	run_sweep();
	ck_assert_uint_eq(word_of(ref), word);
	ck_assert_uint_eq(swept.next, deadline);
	/* The grace counts from when it was asked, not from a deadline that has passed long ago. */
	job_of(ref)->deadline = 1;
	asked = ym_now_ns();
	run_sweep();
	ck_assert_uint_eq(word_of(ref), word | JOB_TIMED_OUT);
	next = swept.next;
	ck_assert_uint_ge(next, asked + UINT64_C(1000000000000));
	/* Nothing is written into a job that may be over by now. */
	ck_assert_uint_eq(job_of(ref)->deadline, 1);
	run_sweep();
	ck_assert_uint_eq(swept.next, next);
	/* Another master begins the grace anew. */
	sweep_free(&swept);
	run_sweep();
	ck_assert_uint_gt(swept.next, next);
	ck_assert_int_eq(kills, 0);
	ck_assert_int_eq(state_of(ref), JOB_CLAIMED);

	atomic_store(&yard.table->pools[pool].timeout_grace_ms, 0);
	run_sweep();
	ck_assert_int_eq(kills, 1);
	ck_assert_uint_eq(killed_slot, yard.group.slot);
	ck_assert_int_eq(state_of(ref), JOB_READY);
	ck_assert_uint_eq(word_attempt(word_of(ref)), 1);
	ck_assert_uint_eq(job_of(ref)->crashes, 0);
	ASSERT_IN("timed out after 1000 ms", job_of(ref)->error);
	ck_assert(!dispatch_finish(&yard, ref.slot, word, &report, &became));
	finish(ref, claim_this(ref), JOB_DONE);
}
END_TEST

struct toggler {
	_Atomic uint32_t slot;
	_Atomic int stop;
	_Atomic unsigned turns;
};

static void *toggle_waited(void *arg)
{
	struct toggler *toggler = arg;

	while (!atomic_load(&toggler->stop)) {
		uint64_t word = atomic_load(&yard.table->words[toggler->slot]);

		table_cas(yard.table, toggler->slot, &word, word ^ JOB_WAITED);
		atomic_fetch_add(&toggler->turns, 1);
	}
	return NULL;
}

/* A flag that somebody sets at the wrong moment must not hide a dead owner: the same pass buries him. */
START_TEST(flags_do_not_hide_the_dead)
{
	for (int round = 0; round < 60; round++) {
		struct job_ref ref = submit("x");
		struct toggler toggler = {.slot = ref.slot};
		pthread_t thread;

		lose_worker(JOB_CLAIMED);
		ck_assert_int_eq(pthread_create(&thread, NULL, toggle_waited, &toggler), 0);
		WAIT_UNTIL(atomic_load(&toggler.turns) > 100);
		run_sweep();
		atomic_store(&toggler.stop, 1);
		pthread_join(thread, NULL);
		ck_assert_int_eq(state_of(ref), JOB_READY);
		finish(ref, claim_this(ref), JOB_DONE);
	}
}
END_TEST

START_TEST(stopping_in_time_is_an_attempt)
{
	struct job_ref ref = submit_timed();
	uint64_t word = claim_this(ref);

	job_of(ref)->deadline = 1;
	run_sweep();
	ck_assert_uint_eq(word_flags(word_of(ref)), JOB_TIMED_OUT);
	ck_assert_int_eq(finish(ref, word, JOB_DELAYED), JOB_DELAYED);
	ck_assert_int_eq(kills, 0);
}
END_TEST

START_TEST(the_last_attempt_times_out)
{
	struct job_ref ref;

	atomic_store(&yard.table->pools[pool].attempts, 1);
	ref = submit_timed();
	claim_this(ref);
	atomic_store(&yard.table->pools[pool].timeout_grace_ms, 0);
	job_of(ref)->deadline = 1;
	run_sweep();
	run_sweep();
	ck_assert_int_eq(kills, 1);
	ck_assert_int_eq(state_of(ref), JOB_FAILED);
	ASSERT_IN("timed out", job_of(ref)->error);
}
END_TEST

/* ---- time ------------------------------------------------------------------------------------ */

START_TEST(delayed_until_it_is_due)
{
	struct job_ref ref = submit_request((struct job_request){.payload = "x", .size = 1, .delay_ms = 60000});

	ck_assert_int_eq(state_of(ref), JOB_DELAYED);
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_DELAYED);
	ck_assert_uint_eq(swept.next, job_of(ref)->due);
	ck_assert_uint_eq(swept.pools[pool].delayed, 1);
	ck_assert_uint_eq(tokens(), 0);
	set_due(ref, ym_now_ns());
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_READY);
	ck_assert_uint_eq(tokens(), 1);
	finish(ref, claim_this(ref), JOB_DONE);
}
END_TEST

START_TEST(what_is_over_is_forgotten_in_time)
{
	char bytes[1000] = "long";
	struct job_ref ref =
	    submit_request((struct job_request){.payload = bytes, .size = sizeof(bytes), .keep = true});

	atomic_store(&yard.table->result_ttl_ns, UINT64_C(3600000000000));
	finish(ref, claim_this(ref), JOB_DONE);
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_DONE);
	ck_assert_uint_eq(count_files("jobs"), 1);
	ck_assert_uint_eq(swept.live, 0);
	atomic_store(&yard.table->result_ttl_ns, 1);
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_FREE);
	ck_assert_uint_eq(count_files("jobs"), 0);
}
END_TEST

/* ---- lost tokens ----------------------------------------------------------------------------- */

#define YOUNG_NS 20000000u

START_TEST(a_lost_token_is_sent_again)
{
	struct job_ref ref = submit("x");

	run_sweep();
	ck_assert_uint_eq(swept.resent, 0);
	receive(&yard);
	/* An empty queue and a young job: it may be on its way. Tried again if we were interrupted. */
	for (uint64_t now = 0, took = YOUNG_NS; took >= YOUNG_NS; took = ym_now_ns() - now) {
		if (tokens() > 0)
			receive(&yard);
		now = job_of(ref)->ready = ym_now_ns();
		run_sweep();
	}
	ck_assert_uint_eq(swept.resent, 0);
	ck_assert_uint_ne(swept.next, YM_NEVER);
	job_of(ref)->ready = 1;
	run_sweep();
	ck_assert_uint_eq(swept.resent, 1);
	ck_assert_uint_eq(tokens(), 1);
	finish(ref, claim_this(ref), JOB_DONE);
}
END_TEST

START_TEST(a_lost_token_is_sent_again_soon)
{
	struct job_ref ref = submit("x");

	receive(&yard);
	WAIT_UNTIL((run_sweep(), swept.resent == 1));
	finish(ref, claim_this(ref), JOB_DONE);
}
END_TEST

/* Others are still in the queue, but a worker has already taken a much younger job than this. */
START_TEST(a_lost_token_among_others)
{
	struct board_worker_sh *row = &yard.board->workers[2];
	struct job_ref ref = submit("x"), other;
	struct board_work work = {.pool = pool};

	receive(&yard);
	other = submit("y");
	board_publish(&row->work, &row->work_version, &work);
	job_of(ref)->ready = 1000;
	atomic_store(&row->last_ready, UINT64_C(900000000));
	run_sweep();
	ck_assert_uint_eq(swept.resent, 0);
	atomic_store(&row->last_ready, UINT64_C(1000001001));
	run_sweep();
	ck_assert_uint_eq(swept.resent, 1);
	finish(other, claim_this(other), JOB_DONE);
	finish(ref, claim_this(ref), JOB_DONE);
}
END_TEST

START_TEST(a_ready_job_without_a_token_is_fed)
{
	struct job_ref ref = submit("x");

	receive(&yard);
	atomic_store(&yard.table->words[ref.slot], word_make(ref.gen, JOB_READY, 0, 0, 0));
	run_sweep();
	ck_assert_uint_eq(word_flags(word_of(ref)), JOB_QUEUED);
	finish(ref, claim_this(ref), JOB_DONE);
}
END_TEST

static void die_as_feeder(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	atomic_store(&mine.table->pools[pool].feeder, mine.group.slot + 1);
	kill(getpid(), SIGKILL);
}

START_TEST(a_dead_feeder_is_replaced)
{
	struct job_ref ref;

	reap(spawn(die_as_feeder, NULL));
	atomic_store(&yard.table->pools[pool].backlog, 1);
	ref = submit("x");
	ck_assert_uint_eq(tokens(), 0);
	ck_assert_uint_eq(dispatch_feed(&yard, pool), 0);
	/* The mark is still there at a second pass: nobody feeds that long. */
	run_sweep();
	ck_assert_uint_lt(swept.next, YM_NEVER);
	ck_assert_uint_eq(tokens(), 0);
	run_sweep();
	ck_assert_uint_eq(tokens(), 1);
	ck_assert_uint_eq(yard.table->pools[pool].feeder, 0);
	finish(ref, claim_this(ref), JOB_DONE);
}
END_TEST

/* ---- limits ---------------------------------------------------------------------------------- */

static void hold_unit(void *arg)
{
	struct ym_sem sem;

	ASSERT_OK(ym_sem_get(&sem, *(key_t *)arg, 1, 0600, ym_deadline(PATIENCE_MS), &err));
	ASSERT_OK(ym_sem_try(&sem, &err));
	tell_step();
	sleep_for_ever();
}

START_TEST(a_killed_holder_frees_parked_jobs)
{
	struct ym_sem sem;
	unsigned limit = add_limit("cpu", 1, &sem);
	pid_t child = spawn(hold_unit, &sem.key);
	struct job_ref refs[2];

	await_step();
	for (size_t i = 0; i < COUNT(refs); i++) {
		refs[i] = submit("x");
		dispatch_park(&yard, refs[i].slot, claim_this(refs[i]), limit);
	}
	run_sweep();
	ck_assert_uint_eq(swept.parked_on[limit], 2);
	ck_assert_uint_eq(swept.pools[pool].parked, 2);
	ck_assert_uint_lt(swept.next, YM_NEVER);
	ck_assert_int_eq(state_of(refs[0]), JOB_PARKED);
	kill_and_reap(child);
	run_sweep();
	ck_assert_int_eq(state_of(refs[0]), JOB_READY);
	ck_assert_int_eq(state_of(refs[1]), JOB_PARKED);
	finish(refs[0], claim_this(refs[0]), JOB_DONE);
	run_sweep();
	finish(refs[1], claim_this(refs[1]), JOB_DONE);
	ym_sem_close(&sem);
}
END_TEST

/* ---- the pass itself ------------------------------------------------------------------------- */

START_TEST(an_empty_table)
{
	run_sweep();
	ck_assert_uint_eq(swept.live, 0);
	ck_assert_uint_eq(swept.next, YM_NEVER);
}
END_TEST

START_TEST(the_group_was_removed)
{
	int set = yard.group.semid;

	ck_assert_int_eq(ym_sys.semctl(set, 0, IPC_RMID, (union ym_semun){0}), 0);
	ASSERT_ERR(sweep_run(&yard, &swept, &err), YM_ERR_GONE);
	ASSERT_OK(instance_leave(&yard, NULL, &err));
	yard_open(16); /* clears up what is left */
}
END_TEST

/* ---- random kills ---------------------------------------------------------------------------- */

static _Atomic unsigned *accepted;

static void submit_without_pause(void *arg)
{
	static char bytes[600];
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	for (size_t n = 0;; n++) {
		struct job_request request = {.pool = pool, .payload = bytes, .size = n % 3 ? 8 : sizeof(bytes)};
		struct job_ref ref;

		if (n % 8 == 7)
			request.delay_ms = 1;
		if (dispatch_submit(&mine, &request, &ref, &err) == 0)
			atomic_fetch_add(accepted, 1);
		else
			ck_assert_int_eq(err.class, YM_ERR_FULL);
	}
}

/* Work off everything that is ready or will be soon; how many jobs that were. */
static unsigned work_off(void)
{
	unsigned done = 0;

	for (run_sweep(); swept.live > 0; run_sweep()) {
		while (tokens() > 0) {
			struct dispatch_token token = receive(&yard);
			struct job_ref ref = {.slot = token.slot};
			uint64_t word;

			if (!dispatch_claim(&yard, token, &word))
				continue;
			ref.gen = word_gen(word);
			finish(ref, word, JOB_DONE);
			done++;
		}
	}
	return done;
}

#define PRODUCER_ROUNDS 80

START_TEST(a_killed_producer_leaves_whole_jobs_or_none)
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
		for (uint32_t slot = 0; slot < yard.table->slots; slot++) {
			enum job_state state = word_state(atomic_load(&yard.table->words[slot]));

			ck_assert_msg(state == JOB_READY || state == JOB_DELAYED || job_state_over(state), "%s is left",
			              job_state_word(state));
		}
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

static void work_without_pause(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	for (;;) {
		struct job_report report = {.state = JOB_DONE, .result = "done", .result_size = 4};
		enum job_state became;
		uint32_t slot;
		uint64_t word = claim(&mine, &slot);

		if (random_below(20) == 0)
			report.state = JOB_DELAYED;
		if (random_below(20) == 0)
			dispatch_return(&mine, slot, word);
		else
			ck_assert_msg(dispatch_finish(&mine, slot, word, &report, &became), "fenced without a reason");
	}
}

#define JOBS 4000

START_TEST(no_job_is_lost_when_workers_are_killed)
{
	pid_t workers[3];

	atomic_store(&yard.table->pools[pool].attempts, 255);
	atomic_store(&yard.table->pools[pool].backoff_ms, 1);
	atomic_store(&yard.table->result_ttl_ns, UINT64_C(3600000000000));
	for (int i = 0; i < JOBS; i++)
		submit_request((struct job_request){.payload = "x", .size = 1, .keep = true});
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

int main(void)
{
	Suite *suite = suite_create("sweep");
	TCase *tcase = yard_case(suite, "sweep", begin_sweep);

	tcase_add_test(tcase, a_dead_workers_job_runs_again);
	tcase_add_test(tcase, a_job_that_kills_its_workers_fails);
	tcase_add_test(tcase, a_blameless_death_is_no_attempt);
	tcase_add_test(tcase, a_dead_fixer_is_no_crash_of_the_job);
	tcase_add_test(tcase, who_waits_learns_of_the_failure);
	tcase_add_test(tcase, a_cancelled_job_of_a_dead_worker);
	tcase_add_test(tcase, a_dead_submitters_slot_is_free);
	tcase_add_test(tcase, the_living_are_left_alone);
	tcase_add_test(tcase, first_asked_then_killed);
	tcase_add_test(tcase, flags_do_not_hide_the_dead);
	tcase_add_test(tcase, stopping_in_time_is_an_attempt);
	tcase_add_test(tcase, the_last_attempt_times_out);
	tcase_add_test(tcase, delayed_until_it_is_due);
	tcase_add_test(tcase, what_is_over_is_forgotten_in_time);
	tcase_add_test(tcase, a_lost_token_is_sent_again);
	tcase_add_test(tcase, a_lost_token_is_sent_again_soon);
	tcase_add_test(tcase, a_lost_token_among_others);
	tcase_add_test(tcase, a_ready_job_without_a_token_is_fed);
	tcase_add_test(tcase, a_dead_feeder_is_replaced);
	tcase_add_test(tcase, a_killed_holder_frees_parked_jobs);
	tcase_add_test(tcase, an_empty_table);
	tcase_add_test(tcase, the_group_was_removed);

	tcase = yard_case(suite, "kills", begin_large_yard);
	tcase_add_test(tcase, a_killed_producer_leaves_whole_jobs_or_none);
	tcase_add_test(tcase, no_job_is_lost_when_workers_are_killed);
	return run_suite(suite);
}
