/* test_sweep_time.c - what comes with time: delayed jobs, old ones, answers, and what was lost on its way. */
#include "sweeper.h"

/* ---- time ------------------------------------------------------------------------------------ */

START_TEST(delayed_until_it_is_due)
{
	struct job_ref ref = submit_delayed(60000);

	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_DELAYED);
	ck_assert_uint_eq(swept.next, job_of(ref)->due);
	set_due(ref, ym_now_ns());
	atomic_store(&pool_row()->sleeping, 1);
	run_sweep();
	ck_assert_uint_eq(word_of(ref), word_make(ref.gen, JOB_READY, 0, 0, 0));
	ck_assert_uint_eq(tokens(), 1);
	ck_assert_uint_ge(job_of(ref)->ready, job_of(ref)->due);
	run_job(ref, STORY_DONE);
}
END_TEST

START_TEST(not_before_the_clock_says_so)
{
	struct job_request request = request_of("x");
	struct timespec now;
	struct job_ref ref;
	uint64_t before;

	clock_gettime(CLOCK_REALTIME, &now);
	request.at_ms = (int64_t)now.tv_sec * 1000 + 60000;
	ref = submit_request(request);
	before = ym_now_ns();
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_DELAYED);
	ck_assert_uint_gt(swept.next, before + UINT64_C(58000000000));
	ck_assert_uint_lt(swept.next, ym_now_ns() + UINT64_C(61000000000));
	/* Both count: the moment and the delay. */
	job_of(ref)->at_ms = 1;
	set_due(ref, ym_now_ns() + UINT64_C(60000000000));
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_DELAYED);
	set_due(ref, 0);
	run_sweep();
	run_job(ref, STORY_DONE);
}
END_TEST

START_TEST(what_is_over_is_forgotten_in_time)
{
	char bytes[1000] = "long";
	struct job_request request = request_of("x");
	struct job_ref ref, buried;

	request.payload = (struct payload_source){.data = bytes, .size = sizeof(bytes)};
	request.keep = true;
	ref = submit_request(request);
	atomic_store(&yard.table->result_ttl_ns, UINT64_C(3600000000000));
	run_job(ref, STORY_DONE);
	buried = submit("y");
	ASSERT_OK(dispatch_bury(&yard, buried, &err));
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_DONE);
	ck_assert_uint_eq(count_files("jobs"), 1);
	ck_assert_uint_eq(swept.live, 1);
	atomic_store(&yard.table->result_ttl_ns, 1);
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_FREE);
	ck_assert_uint_eq(count_files("jobs"), 0);
	ck_assert_int_eq(state_of(buried), JOB_BURIED);
	ck_assert_uint_eq(swept.pools[pool].buried, 1);
	ck_assert_uint_eq(swept.live, 1);
}
END_TEST

/* ---- answers --------------------------------------------------------------------------------- */

static struct job_ref submit_with_answer(void)
{
	struct job_request request = request_of("x");

	request.reply.key = 77;
	return submit_request(request);
}

START_TEST(answers_are_sent_once)
{
	static const enum story_end ends[] = {STORY_DONE, STORY_FAILED, STORY_CANCELLED, STORY_CRASHED};

	atomic_store(&pool_row()->crashes, 1);
	for (size_t i = 0; i < COUNT(ends); i++) {
		struct job_ref ref = submit_with_answer();

		run_sweep();
		ck_assert_int_eq(calls.answers, (int)i);
		run_job(ref, ends[i]);
		run_sweep();
		ck_assert_int_eq(calls.answers, (int)i + 1);
		ck_assert_uint_eq(word_flags(word_of(ref)), 0);
		run_sweep();
		ck_assert_int_eq(calls.answers, (int)i + 1);
	}
}
END_TEST

START_TEST(an_answer_that_cannot_be_sent_yet)
{
	struct job_ref ref = submit_with_answer();

	run_job(ref, STORY_DONE);
	atomic_store(&yard.table->result_ttl_ns, UINT64_C(3600000000000));
	calls.no_answer = true;
	for (int i = 0; i < 3; i++) {
		uint64_t before = ym_now_ns();

		run_sweep();
		ck_assert_int_eq(state_of(ref), JOB_DONE);
		ck_assert_uint_eq(word_flags(word_of(ref)), JOB_REPLY);
		ck_assert_uint_gt(swept.next, before);
		ck_assert_uint_lt(swept.next, before + UINT64_C(10000000000));
	}
	/* Its slot is nobody else's before. */
	for (uint32_t i = 1; i < yard.table->slots; i++)
		ck_assert_uint_ne(submit("y").slot, ref.slot);
	calls.no_answer = false;
	run_sweep();
	ck_assert_int_eq(calls.answers, 1);
	ck_assert_uint_eq(word_flags(word_of(ref)), 0);
	ref = submit_with_answer();
	ASSERT_OK(dispatch_cancel(&yard, ref, &err));
	swept.answer = NULL;
	run_sweep();
	ck_assert_uint_eq(word_flags(word_of(ref)), 0);
}
END_TEST

/* Nobody reads the queue: the slot is not held for ever. */
START_TEST(an_answer_is_given_up_with_the_result)
{
	struct job_ref ref = submit_with_answer();

	run_job(ref, STORY_DONE);
	atomic_store(&yard.table->result_ttl_ns, 0);
	calls.no_answer = true;
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_FREE);
}
END_TEST

/* ---- lost on the way ------------------------------------------------------------------------- */

#define YOUNG_NS 20000000u

static void take_off_the_list(struct instance *mine)
{
	index_lock(mine);
	MUST(index_pop(mine, pool) >= 0);
	index_unlock(mine);
}

static void die_taking(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	take_off_the_list(&mine);
	kill(getpid(), SIGKILL);
}

START_TEST(a_dead_taker_leaves_a_job_in_no_list)
{
	struct job_ref ref = submit("x");

	reap(spawn(die_taking, NULL));
	ck_assert(!index_linked(&yard, ref.slot));
	WAIT_UNTIL((run_sweep(), swept.resent == 1));
	ck_assert(index_linked(&yard, ref.slot));
	run_sweep();
	ck_assert_uint_eq(swept.resent, 0);
	run_job(ref, STORY_DONE);
}
END_TEST

static void die_giving_back(void *arg)
{
	struct instance mine;
	uint32_t slot;
	uint64_t word;

	(void)arg;
	join_yard(&mine);
	MUST(ready_take(&mine, pool, &slot, &word));
	MUST(table_change(mine.table, slot, &word, JOB_READY, 0, 0));
	kill(getpid(), SIGKILL);
}

START_TEST(a_dead_pusher_leaves_a_job_in_no_list)
{
	struct job_ref ref = submit("x");

	reap(spawn(die_giving_back, NULL));
	ck_assert_int_eq(state_of(ref), JOB_READY);
	ck_assert(!index_linked(&yard, ref.slot));
	WAIT_UNTIL((run_sweep(), swept.resent == 1));
	run_job(ref, STORY_DONE);
}
END_TEST

START_TEST(a_job_on_its_way_is_left_alone)
{
	struct job_ref ref = submit("x");

	take_off_the_list(&yard);
	/* Tried again if we were interrupted. */
	for (uint64_t now = 0, took = YOUNG_NS; took >= YOUNG_NS; took = ym_now_ns() - now) {
		now = job_of(ref)->ready = ym_now_ns();
		run_sweep();
	}
	ck_assert_uint_eq(swept.resent, 0);
	ck_assert(!index_linked(&yard, ref.slot));
	ck_assert_uint_ne(swept.next, YM_NEVER);
}
END_TEST

static void sleep_and_work(void *arg)
{
	bool dies = *(bool *)arg;
	struct instance mine;
	uint32_t slot;
	uint64_t word;

	join_yard(&mine);
	MUST(ready_sleep(&mine, pool, &err) == 0);
	if (dies)
		kill(getpid(), SIGKILL);
	while (!ready_take(&mine, pool, &slot, &word))
		MUST(ready_sleep(&mine, pool, &err) == 0);
	MUST(dispatch_finish(&mine, slot, word, &(struct job_report){.end = STORY_DONE}, &(enum job_state){0}));
	leave_yard(&mine);
}

/* The one that was woken dies of it; the other one sleeps on. */
START_TEST(a_token_that_died_with_its_receiver)
{
	bool dies = true, lives = false;
	pid_t first = spawn(sleep_and_work, &dies), second;
	struct job_ref ref;

	WAIT_UNTIL(pool_row()->sleeping == 1 && process_state(first) == 'S');
	second = spawn(sleep_and_work, &lives);
	WAIT_UNTIL(pool_row()->sleeping == 2 && process_state(second) == 'S');
	ref = submit("x");
	ck_assert(WIFSIGNALED(reap(first)));
	ck_assert_int_eq(state_of(ref), JOB_READY);
	WAIT_UNTIL((run_sweep(), state_of(ref) == JOB_DONE));
	reap_well(second);
}
END_TEST

/* Sweeps for as long as any token would need to come; how many there are then. */
static uint64_t tokens_in_time(struct job_ref ref)
{
	uint64_t until = ym_now_ns() + 5 * YOUNG_NS;

	job_of(ref)->ready = 1;
	while (ym_now_ns() < until)
		run_sweep();
	return tokens();
}

START_TEST(tokens_only_where_they_help)
{
	struct job_ref ref = submit("x");

	dispatch_mode(&yard, pool, POOL_PAUSED, 0);
	ck_assert_uint_eq(tokens_in_time(ref), 0);
	dispatch_mode(&yard, pool, 0, POOL_PAUSED);
	/* One in the queue is enough. */
	ck_assert_uint_eq(tokens_in_time(ref), 1);
	claim_this(ref);
	ck_assert_int_eq(ready_sleep(&yard, pool, &err), 0);
	ck_assert_uint_eq(tokens_in_time(ref), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sweep_time");
	TCase *tcase;

	tcase = yard_case(suite, "sweep_time", begin_sweep);
	tcase_add_test(tcase, delayed_until_it_is_due);
	tcase_add_test(tcase, not_before_the_clock_says_so);
	tcase_add_test(tcase, what_is_over_is_forgotten_in_time);
	tcase_add_test(tcase, answers_are_sent_once);
	tcase_add_test(tcase, an_answer_that_cannot_be_sent_yet);
	tcase_add_test(tcase, an_answer_is_given_up_with_the_result);
	tcase_add_test(tcase, a_dead_taker_leaves_a_job_in_no_list);
	tcase_add_test(tcase, a_dead_pusher_leaves_a_job_in_no_list);
	tcase_add_test(tcase, a_job_on_its_way_is_left_alone);
	tcase_add_test(tcase, a_token_that_died_with_its_receiver);
	tcase_add_test(tcase, tokens_only_where_they_help);
	return run_suite(suite);
}
