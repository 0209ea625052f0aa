/*
 * test_rate.c - rates: how many starts are given out, in which order, and what is left when processes die or the rate
 * changes. What is counted are the moments that were given out, never how fast this machine is.
 */
#include <stdatomic.h>
#include <sys/mman.h>

#include "../../ipc/clock.h"
#include "../../runtime/rate.h"
#include "support.h"

#define MS    UINT64_C(1000000)
#define START (1000000 * MS) /* of made-up time */

static struct rate_sh *rate;

#define LOG_MAX 20000

/* What several processes saw. */
static struct log {
	_Atomic unsigned used;
	uint64_t due[LOG_MAX];
	uint64_t claimed[LOG_MAX];
	_Atomic bool stop;
} * seen;

static void *shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	return memory;
}

static void begin_rate(void)
{
	begin_test();
	rate = shared(sizeof(*rate));
	seen = shared(sizeof(*seen));
}

/* ---- one process, made-up time --------------------------------------------------------------- */

START_TEST(without_a_rate_everything_may_start)
{
	struct rate_turn turn = {0};

	ck_assert(!rate_is_set(rate));
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(rate_when(rate, &turn, START), START);
		ck_assert(rate_claim(rate, &turn, START));
	}
	rate_unclaim(rate, &turn);
	ck_assert_uint_eq(atomic_load(&rate->next), 0);
}
END_TEST

START_TEST(one_start_an_interval)
{
	struct rate_turn turn = {0};

	rate_set(rate, 10 * MS);
	ck_assert(rate_is_set(rate));
	ck_assert_uint_le(rate_when(rate, &turn, START), START);
	ck_assert(rate_claim(rate, &turn, START));
	ck_assert_uint_eq(turn.due, START);
	ck_assert(!rate_claim(rate, &turn, START));
	ck_assert_uint_eq(rate_when(rate, &turn, START), START + 10 * MS);
	ck_assert(!rate_claim(rate, &turn, START + 10 * MS - 1));
	ck_assert(rate_claim(rate, &turn, START + 10 * MS));
	ck_assert_uint_eq(turn.due, START + 10 * MS);
}
END_TEST

/* Little delays do not add up; large ones are not made good by a burst. */
START_TEST(who_comes_late)
{
	struct rate_turn turn = {0};

	rate_set(rate, 10 * MS);
	ck_assert(rate_claim(rate, &turn, START));
	ck_assert(rate_claim(rate, &turn, START + 10 * MS + RATE_LATE_NS));
	ck_assert_uint_eq(turn.due, START + 10 * MS);
	ck_assert(rate_claim(rate, &turn, START + 20 * MS + RATE_LATE_NS + 1));
	ck_assert_uint_eq(turn.due, START + 20 * MS + RATE_LATE_NS + 1);
	ck_assert(rate_claim(rate, &turn, START + 500 * MS));
	ck_assert(!rate_claim(rate, &turn, START + 505 * MS));
}
END_TEST

START_TEST(a_start_that_does_not_take_place)
{
	struct rate_turn one = {0}, two = {0};

	rate_set(rate, 10 * MS);
	ck_assert_uint_le(rate_when(rate, &one, START), START);
	ck_assert(rate_claim(rate, &one, START));
	rate_unclaim(rate, &one);
	ck_assert_uint_eq(one.ticket, START);
	ck_assert(rate_claim(rate, &two, START + 1));
	/* Twice, and after others have started, it gives nothing back. */
	rate_unclaim(rate, &one);
	ck_assert(!rate_claim(rate, &one, START + 2));
	ck_assert(rate_claim(rate, &one, START + 10 * MS + 1));
	ck_assert(rate_claim(rate, &two, START + 20 * MS + 1));
	rate_unclaim(rate, &one);
	ck_assert(!rate_claim(rate, &one, START + 20 * MS + 2));
}
END_TEST

/* Tickets stand in a row; a later comer has a later one, and one that is kept stays what it was. */
START_TEST(first_come_first_served)
{
	struct rate_turn turns[5] = {0};

	rate_set(rate, 100 * MS);
	for (unsigned i = 0; i < COUNT(turns); i++)
		ck_assert_uint_eq(rate_when(rate, &turns[i], START), START + i * 100 * MS);
	for (unsigned i = 0; i < COUNT(turns); i++)
		ck_assert_uint_eq(rate_when(rate, &turns[i], START + 1), START + i * 100 * MS);
}
END_TEST

/* Who would draw a ticket for after the horizon draws none, so its death cannot waste that moment. */
START_TEST(nobody_reserves_far_ahead)
{
	struct rate_turn turn = {0};
	uint64_t when = 0, tickets = 0;

	rate_set(rate, 100 * MS);
	for (int i = 0; i < 1000; i++) {
		struct rate_turn dies = {0};

		when = rate_when(rate, &dies, START);
		tickets += dies.ticket != 0;
	}
	ck_assert_uint_eq(tickets, RATE_AHEAD_NS / (100 * MS) + 1);
	ck_assert_uint_eq(when, START + 100 * MS);
	/* All of them are dead. */
	ck_assert_uint_le(rate_when(rate, &turn, START), START + RATE_AHEAD_NS + 100 * MS);
	ck_assert_uint_eq(rate_when(rate, &turn, START + 2 * RATE_AHEAD_NS), START + 2 * RATE_AHEAD_NS);
	ck_assert(rate_claim(rate, &turn, START + 2 * RATE_AHEAD_NS));
}
END_TEST

/* ---- changes --------------------------------------------------------------------------------- */

START_TEST(a_shorter_interval_counts_at_once)
{
	struct rate_turn turn = {0}, other = {0};
	uint64_t now = ym_now_ns();

	rate_set(rate, 3600 * 1000 * MS);
	ck_assert(rate_claim(rate, &turn, now));
	ck_assert_uint_gt(rate_when(rate, &turn, now), now + 3500 * 1000 * MS);
	atomic_store(&rate->queue, now + 7200 * 1000 * MS);
	rate_set(rate, 20 * MS);
	ck_assert_uint_le(rate_when(rate, &turn, now), ym_now_ns() + 20 * MS);
	ck_assert_uint_le(atomic_load(&rate->next), ym_now_ns() + 20 * MS);
	rate_when(rate, &other, now);
	ck_assert_uint_le(atomic_load(&rate->queue), ym_now_ns() + RATE_AHEAD_NS + 40 * MS);
	/* It comes nearer. */
	WAIT_UNTIL(rate_claim(rate, &turn, ym_now_ns()));
}
END_TEST

/* Others may be further in time than who looks: that is no reason to bring a moment back. */
START_TEST(a_claim_after_our_look_at_the_clock_stands)
{
	struct rate_turn slow = {0}, fast = {0};
	uint64_t now = ym_now_ns();

	rate_set(rate, 500 * MS);
	ck_assert(rate_claim(rate, &fast, now));
	ck_assert_uint_eq(rate_when(rate, &slow, now - 100 * MS), now + 500 * MS);
	ck_assert_uint_eq(atomic_load(&rate->next), now + 500 * MS);
}
END_TEST

static void sleep_an_hour(void *arg)
{
	struct rate_turn turn = {0};
	uint64_t now = ym_now_ns(), when;

	(void)arg;
	ck_assert(rate_claim(rate, &turn, now));
	when = rate_when(rate, &turn, now);
	ck_assert_uint_gt(when, now + 3000 * 1000 * MS);
	tell_step();
	ck_assert_int_eq(rate_sleep(rate, &turn, when), 0);
	ck_assert_uint_le(rate_when(rate, &turn, ym_now_ns()), ym_now_ns() + 10 * MS);
}

START_TEST(a_change_wakes_the_sleepers)
{
	pid_t child;

	open_steps();
	rate_set(rate, 3600 * 1000 * MS);
	child = spawn(sleep_an_hour, NULL);
	await_step();
	WAIT_UNTIL(process_state(child) == 'S');
	rate_set(rate, 10 * MS);
	reap_well(child);
	/* A sleep that begins after the change does not sleep over it either. */
	ck_assert_int_eq(
	    rate_sleep(rate, &(struct rate_turn){.interval = 3600 * 1000 * MS}, ym_now_ns() + 3600 * 1000 * MS), 0);
}
END_TEST

static void on_signal(int signo)
{
	(void)signo;
}

static void sleep_until_a_signal(void *arg)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct rate_turn turn = {.interval = 1};

	(void)arg;
	sigaction(SIGUSR1, &action, NULL);
	tell_step();
	ck_assert_int_eq(rate_sleep(rate, &turn, ym_now_ns() + 3600 * 1000 * MS), 1);
}

START_TEST(a_signal_ends_the_sleep)
{
	pid_t child;
	int status;

	open_steps();
	rate_set(rate, 1);
	child = spawn(sleep_until_a_signal, NULL);
	await_step();
	/* As the timer of a worker does it: one signal alone could come before the sleep. */
	WAIT_UNTIL(kill(child, SIGUSR1) == 0 && (usleep(1000), waitpid(child, &status, WNOHANG) == child));
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

/* ---- many processes -------------------------------------------------------------------------- */

static void start_and_start(void *arg)
{
	struct rate_turn turn = {0};

	(void)arg;
	while (!atomic_load(&seen->stop)) {
		uint64_t now = ym_now_ns(), when = rate_when(rate, &turn, now);
		unsigned entry;

		if (when > now) {
			MUST(rate_sleep(rate, &turn, when) == 0);
			continue;
		}
		if (!rate_claim(rate, &turn, now))
			continue;
		entry = atomic_fetch_add(&seen->used, 1);
		MUST(entry < LOG_MAX);
		/* A child that is killed in here leaves an entry without `due`. */
		seen->claimed[entry] = now;
		atomic_thread_fence(memory_order_seq_cst);
		seen->due[entry] = turn.due;
	}
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Every window holds at most T / interval + 1 of them: that is, two are never closer than an interval. */
static void check_the_log(uint64_t interval)
{
	unsigned n = atomic_load(&seen->used);

	for (unsigned i = 0; i < n; i++) {
		if (seen->due[i] == 0) /* killed before it wrote it down */
			continue;
		ck_assert_uint_le(seen->due[i], seen->claimed[i]);
		ck_assert_uint_le(seen->claimed[i] - seen->due[i], RATE_LATE_NS);
	}
	qsort(seen->due, n, sizeof(seen->due[0]), by_number);
	for (unsigned i = 1; i < n; i++)
		if (seen->due[i - 1] != 0)
			ck_assert_uint_ge(seen->due[i] - seen->due[i - 1], interval);
}

START_TEST(never_more_than_the_rate)
{
	static const uint64_t intervals[] = {MS / 5, 2 * MS};
	pid_t children[4];

	for (unsigned round = 0; round < COUNT(intervals); round++) {
		atomic_store(&seen->used, 0);
		atomic_store(&seen->stop, false);
		rate_set(rate, intervals[round]);
		for (size_t i = 0; i < COUNT(children); i++)
			children[i] = spawn(start_and_start, NULL);
		WAIT_UNTIL(atomic_load(&seen->used) >= 200);
		atomic_store(&seen->stop, true);
		for (size_t i = 0; i < COUNT(children); i++)
			reap_well(children[i]);
		check_the_log(intervals[round]);
	}
}
END_TEST

/* Whoever dies wherever, the rate holds, and the others go on. */
START_TEST(killed_at_any_moment)
{
	pid_t children[4];
	uint64_t end = ym_deadline(1000);
	unsigned before;

	rate_set(rate, MS);
	for (size_t i = 0; i < COUNT(children); i++)
		children[i] = spawn(start_and_start, NULL);
	while (ym_now_ns() < end) {
		uint32_t victim = random_below(COUNT(children));

		usleep(random_below(3000));
		kill_and_reap(children[victim]);
		children[victim] = spawn(start_and_start, NULL);
	}
	before = atomic_load(&seen->used);
	WAIT_UNTIL(atomic_load(&seen->used) > before + 20);
	atomic_store(&seen->stop, true);
	for (size_t i = 0; i < COUNT(children); i++)
		reap_well(children[i]);
	check_the_log(MS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rate");
	TCase *tcase = tcase_create("rate");

	tcase_add_checked_fixture(tcase, begin_rate, end_test);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, without_a_rate_everything_may_start);
	tcase_add_test(tcase, one_start_an_interval);
	tcase_add_test(tcase, who_comes_late);
	tcase_add_test(tcase, a_start_that_does_not_take_place);
	tcase_add_test(tcase, first_come_first_served);
	tcase_add_test(tcase, nobody_reserves_far_ahead);
	tcase_add_test(tcase, a_shorter_interval_counts_at_once);
	tcase_add_test(tcase, a_claim_after_our_look_at_the_clock_stands);
	tcase_add_test(tcase, a_change_wakes_the_sleepers);
	tcase_add_test(tcase, a_signal_ends_the_sleep);
	tcase_add_test(tcase, never_more_than_the_rate);
	tcase_add_test(tcase, killed_at_any_moment);
	return run_suite(suite);
}
