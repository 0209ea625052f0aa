/* test_ready.c - workers that sleep are woken by jobs, each by one, none for nothing, none too late. */
#include <sys/mman.h>

#include "yard.h"

#define WORKERS 3

struct shared {
	_Atomic unsigned wakes; /* returns from ready_sleep() */
	_Atomic unsigned done;
	_Atomic unsigned claims[8192]; /* of a slot */
};
static struct shared *shared;
static pid_t workers[WORKERS];

static void share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert((void *)shared != MAP_FAILED);
}

static void begin_ready(void)
{
	begin_yard();
	share();
}

static void begin_many(void)
{
	begin_large_yard();
	share();
}

/* ---- workers --------------------------------------------------------------------------------- */

static void work_off(struct instance *mine)
{
	struct job_report report = {.end = STORY_DONE};
	enum job_state became;
	uint32_t slot;
	uint64_t word;

	while (ready_take(mine, pool, &slot, &word)) {
		atomic_fetch_add(&shared->claims[slot], 1);
		MUST(dispatch_finish(mine, slot, word, &report, &became));
		atomic_fetch_add(&shared->done, 1);
	}
}

static void work(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	for (;;) {
		work_off(&mine);
		MUST(ready_sleep(&mine, pool, &err) == 0);
		atomic_fetch_add(&shared->wakes, 1);
	}
}

static int32_t sleeping(void)
{
	return atomic_load(&pool_row()->sleeping);
}

static bool all_asleep(size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (process_state(workers[i]) != 'S')
			return false;
	return true;
}

static void start_workers(size_t n, void (*run)(void *arg))
{
	const struct board_work work_record = {.pool = pool, .state = BOARD_WORKER_IDLE};
	int32_t before = sleeping();

	/* The sweep counts them by their rows. */
	for (size_t i = 0; i < n; i++) {
		struct board_worker_sh *row = &yard.board->workers[i];

		board_publish(&row->work, &row->work_version, &work_record);
		atomic_store(&row->used, 1);
		workers[i] = spawn(run, NULL);
	}
	WAIT_UNTIL(sleeping() == before + (int32_t)n && all_asleep(n));
}

static void kill_workers(size_t n)
{
	for (size_t i = 0; i < n; i++)
		kill_and_reap(workers[i]);
}

static void await_end(struct job_ref ref)
{
	uint64_t word;

	err = (struct ym_err){0};
	ck_assert_msg(dispatch_wait(&yard, ref, ym_deadline(PATIENCE_MS), &word, &err) == 0,
	              "job %ju waits for ever; %u workers sleep, %ju tokens %s", (uintmax_t)ref.id, sleeping(),
	              (uintmax_t)tokens(), err.text);
}

/* ---- taking ---------------------------------------------------------------------------------- */

START_TEST(a_claim_says_who_and_when)
{
	struct job_request request = request_of("x");
	struct job_ref ref;
	uint64_t before, word;

	request.timeout_ms = 5000;
	ref = submit_request(request);
	before = ym_now_ns();
	word = claim_this(ref);
	ck_assert_uint_eq(word, word_of(ref));
	ck_assert_uint_eq(word_owner(word), yard.group.slot);
	ck_assert_uint_eq(word_attempt(word), 1);
	ck_assert_uint_ge(job_of(ref)->started, before);
	ck_assert_uint_le(job_of(ref)->started, ym_now_ns());
	ck_assert_uint_eq(job_of(ref)->deadline, job_of(ref)->started + UINT64_C(5000000000));
	ck_assert_int_eq(finish(ref, word, STORY_RETRY), JOB_DELAYED);
	ck_assert_uint_eq(job_of(ref)->deadline, 0);
	/* Flags that stay with a job stay. */
	request.timeout_ms = 0;
	request.keep = true;
	ref = submit_request(request);
	ck_assert_uint_eq(word_flags(claim_this(ref)), JOB_KEEP);
	ck_assert_uint_eq(job_of(ref)->deadline, 0);
}
END_TEST

static void take_all(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	tell_step();
	WAIT_UNTIL(!(atomic_load(&pool_row()->mode) & POOL_PAUSED));
	work_off(&mine);
	leave_yard(&mine);
}

START_TEST(no_job_is_taken_twice)
{
	dispatch_mode(&yard, pool, POOL_PAUSED, 0);
	for (uint32_t i = 0; i < yard.table->slots; i++)
		submit("x");
	for (size_t i = 0; i < WORKERS; i++) {
		workers[i] = spawn(take_all, NULL);
		await_step();
	}
	dispatch_mode(&yard, pool, 0, POOL_PAUSED);
	for (size_t i = 0; i < WORKERS; i++)
		reap_well(workers[i]);
	for (uint32_t i = 0; i < yard.table->slots; i++)
		ck_assert_uint_eq(shared->claims[i], 1);
	ck_assert_uint_eq(pool_row()->ready, 0);
}
END_TEST

/* ---- waking ---------------------------------------------------------------------------------- */

START_TEST(one_job_wakes_one_worker)
{
	start_workers(WORKERS, work);
	for (unsigned i = 1; i <= 20; i++) {
		await_end(submit("x"));
		WAIT_UNTIL(sleeping() == WORKERS && tokens() == 0 && all_asleep(WORKERS));
		ck_assert_uint_eq(shared->done, i);
		ck_assert_uint_eq(shared->wakes, i);
	}
	kill_workers(WORKERS);
}
END_TEST

START_TEST(a_batch_wakes_as_many_as_it_needs)
{
	struct job_request requests[2] = {request_of("a"), request_of("b")};
	struct job_ref refs[2];

	start_workers(WORKERS, work);
	ck_assert_uint_eq(submit_jobs(&yard, requests, 2, refs, NULL, &err), 2);
	await_end(refs[0]);
	await_end(refs[1]);
	WAIT_UNTIL(sleeping() == WORKERS && tokens() == 0 && all_asleep(WORKERS));
	ck_assert_uint_eq(shared->wakes, 2);
	kill_workers(WORKERS);
}
END_TEST

START_TEST(nobody_is_woken_where_nobody_sleeps)
{
	submit("x");
	submit("x");
	ck_assert_uint_eq(tokens(), 0);
	ck_assert_int_eq(sleeping(), 0);
	/* Who comes to sleep finds them. */
	ck_assert_int_eq(ready_sleep(&yard, pool, &err), 0);
	ck_assert_int_eq(sleeping(), 0);
}
END_TEST

START_TEST(jobs_that_come_back_wake_too)
{
	struct job_ref returned = submit("x"), delayed = submit_delayed(100000), buried = submit_delayed(100000);
	uint64_t word = claim_this(returned);

	ASSERT_OK(dispatch_bury(&yard, buried, &err));
	start_workers(1, work);
	dispatch_return(&yard, returned.slot, word);
	await_end(returned);
	set_due(delayed, 1);
	run_sweep();
	await_end(delayed);
	ASSERT_OK(dispatch_kick(&yard, buried, &err));
	await_end(buried);
	ck_assert_uint_eq(swept.resent, 0);
	kill_workers(1);
}
END_TEST

/* No sweep helps here: one wake-up that is lost, and the job waits for ever. */
static void ping_pong(size_t n, unsigned rounds)
{
	start_workers(n, work);
	for (unsigned i = 0; i < rounds; i++) {
		await_end(submit("x"));
		/* From at once to when they all sleep again. */
		for (uint32_t pause = random_below(2000); pause > 0; pause--)
			atomic_signal_fence(memory_order_seq_cst);
	}
	WAIT_UNTIL(all_asleep(n) && tokens() == 0);
	ck_assert_msg(sleeping() == (int32_t)n, "%d workers are said to sleep, but %zu do", sleeping(), n);
	kill_workers(n);
}

START_TEST(no_wake_up_is_lost_by_two)
{
	ping_pong(2, 20000);
}
END_TEST

START_TEST(no_wake_up_is_lost_by_three)
{
	ping_pong(3, 20000);
}
END_TEST

/* Bursts that race with workers on their way to bed: what they leave of tokens and counts must not add up. */
START_TEST(nothing_adds_up)
{
	start_workers(2, work);
	for (unsigned round = 0; round < 2000; round++) {
		struct job_ref last = submit("x");

		for (unsigned i = 0; i < 100; i++) {
			last = submit("x");
			for (uint32_t pause = random_below(500); pause > 0; pause--)
				atomic_signal_fence(memory_order_seq_cst);
		}
		await_end(last);
	}
	WAIT_UNTIL(all_asleep(2) && tokens() == 0);
	ck_assert_msg(sleeping() <= 4, "%u workers are said to sleep, but 2 do", sleeping());
	kill_workers(2);
}
END_TEST

/* ---- sleeping -------------------------------------------------------------------------------- */

static void on_signal(int signo)
{
	(void)signo;
}

static void sleep_until_signal(void *arg)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct instance mine;

	(void)arg;
	sigaction(SIGTERM, &action, NULL);
	join_yard(&mine);
	MUST(ready_sleep(&mine, pool, &err) == 1);
	tell_step();
	MUST(ready_sleep(&mine, pool, &err) == -1 && err.class == YM_ERR_GONE);
	MUST(ready_sleep(&mine, pool, &err) == -1 && err.class == YM_ERR_GONE);
	MUST(strstr(err.text, "pool work"));
	leave_yard(&mine);
}

START_TEST(woken_by_a_signal_and_by_removal)
{
	start_workers(1, sleep_until_signal);
	kill(workers[0], SIGTERM);
	await_step();
	WAIT_UNTIL(sleeping() == 1 && all_asleep(1));
	ASSERT_OK(ym_queue_remove(atomic_load(&pool_row()->queue), &err));
	reap_well(workers[0]);
	ck_assert_int_eq(sleeping(), 0);
}
END_TEST

START_TEST(a_killed_sleeper_keeps_no_job_waiting)
{
	start_workers(2, work);
	kill_and_reap(workers[0]);
	workers[0] = workers[1];
	ck_assert_int_eq(sleeping(), 2);
	for (int i = 0; i < 20; i++) {
		await_end(submit("x"));
		WAIT_UNTIL(all_asleep(1));
	}
	ck_assert_uint_eq(shared->done, 20);
	kill_workers(1);
}
END_TEST

/* Of another program, or of a token that came too late: a look for nothing. */
START_TEST(odd_messages_do_no_harm)
{
	struct {
		long type;
		char bytes[64];
	} odd = {7, "?"};

	start_workers(1, work);
	for (size_t size = 0; size <= sizeof(odd.bytes); size += 32) {
		ASSERT_OK(ym_queue_send(atomic_load(&pool_row()->queue), &odd, size, &err));
		WAIT_UNTIL(tokens() == 0 && all_asleep(1));
	}
	await_end(submit("x"));
	kill_workers(1);
}
END_TEST

START_TEST(a_full_queue_has_tokens_enough)
{
	uint64_t full = 0;

	for (ready_nudge(&yard, pool); tokens() > full; full++)
		ready_nudge(&yard, pool);
	ck_assert_uint_gt(full, 100);
	atomic_store(&pool_row()->sleeping, 1);
	submit("x");
	ck_assert_uint_eq(tokens(), full);
}
END_TEST

/* ---- pauses ---------------------------------------------------------------------------------- */

START_TEST(a_paused_pool_starts_nothing)
{
	struct job_ref refs[WORKERS], found;
	uint64_t word;

	start_workers(WORKERS, work);
	dispatch_mode(&yard, pool, POOL_PAUSED, 0);
	for (size_t i = 0; i < WORKERS; i++)
		refs[i] = submit("x");
	ck_assert(!ready_any(&yard, pool));
	ck_assert(!try_claim(&found, &word));
	ck_assert_uint_eq(tokens(), 0);
	/* What wakes them all the same finds nothing to do. */
	ready_nudge(&yard, pool);
	WAIT_UNTIL(atomic_load(&shared->wakes) == 1 && tokens() == 0 && all_asleep(WORKERS));
	for (size_t i = 0; i < WORKERS; i++)
		ck_assert_int_eq(state_of(refs[i]), JOB_READY);
	ck_assert_uint_eq(shared->done, 0);
	dispatch_mode(&yard, pool, 0, POOL_PAUSED);
	for (size_t i = 0; i < WORKERS; i++)
		await_end(refs[i]);
	kill_workers(WORKERS);
}
END_TEST

START_TEST(a_resumed_pool_wakes_all)
{
	start_workers(WORKERS, work);
	dispatch_mode(&yard, pool, POOL_PAUSED, 0);
	dispatch_mode(&yard, pool, POOL_DRAINING, POOL_PAUSED);
	ck_assert_uint_eq(pool_row()->mode, POOL_DRAINING);
	ck_assert_int_eq(sleeping(), WORKERS);
	ck_assert_uint_eq(tokens(), 0);
	dispatch_mode(&yard, pool, POOL_PAUSED, POOL_DRAINING);
	submit("x");
	dispatch_mode(&yard, pool, 0, POOL_PAUSED);
	WAIT_UNTIL(atomic_load(&shared->wakes) >= WORKERS && sleeping() == WORKERS && all_asleep(WORKERS));
	ck_assert_uint_eq(shared->done, 1);
	/* Each once: who has looked and sleeps again is left alone. */
	ck_assert_uint_eq(shared->wakes, WORKERS);
	kill_workers(WORKERS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ready");
	TCase *tcase = yard_case(suite, "ready", begin_ready);

	tcase_add_test(tcase, a_claim_says_who_and_when);
	tcase_add_test(tcase, one_job_wakes_one_worker);
	tcase_add_test(tcase, a_batch_wakes_as_many_as_it_needs);
	tcase_add_test(tcase, nobody_is_woken_where_nobody_sleeps);
	tcase_add_test(tcase, jobs_that_come_back_wake_too);
	tcase_add_test(tcase, no_wake_up_is_lost_by_two);
	tcase_add_test(tcase, no_wake_up_is_lost_by_three);
	tcase_add_test(tcase, woken_by_a_signal_and_by_removal);
	tcase_add_test(tcase, a_killed_sleeper_keeps_no_job_waiting);
	tcase_add_test(tcase, odd_messages_do_no_harm);
	tcase_add_test(tcase, a_full_queue_has_tokens_enough);
	tcase_add_test(tcase, a_paused_pool_starts_nothing);
	tcase_add_test(tcase, a_resumed_pool_wakes_all);

	tcase = yard_case(suite, "many", begin_many);
	tcase_add_test(tcase, nothing_adds_up);
	tcase_add_test(tcase, no_job_is_taken_twice);
	return run_suite(suite);
}
