/*
 * test_life_failures.c - starts that fail, how long is waited after them, when it is enough; and which ends are none.
 */
#include "life_support.h"

#include <inttypes.h>

/* ---- starts that fail ------------------------------------------------------------------------ */

START_TEST(test_delay)
{
	static const int64_t grows[] = {500, 500, 1000, 2000, 3000, 3000};

	born();
	for (unsigned i = 0; i < COUNT(grows); i++)
		ck_assert_int_eq(life_delay(&policy, i), grows[i]);
	policy.restart_factor = 1;
	ck_assert_int_eq(life_delay(&policy, 1000), 500);
	policy.restart_factor = 10;
	policy.restart_max_delay_ms = INT64_MAX;
	ck_assert_int_eq(life_delay(&policy, 3), 50000);
	ck_assert_int_eq(life_delay(&policy, UINT_MAX), INT64_MAX);
	policy.restart_max_delay_ms = 400;
	ck_assert_int_eq(life_delay(&policy, 1), 400);
	policy.restart_delay_ms = 0;
	ck_assert_int_eq(life_delay(&policy, 5), 0);
}
END_TEST

/* Each failure waits longer; one after startretries is the last; the reason stays; a person begins anew. */
START_TEST(test_fatal)
{
	static const char *const waits[] = {"timer 500 from STARTING", "timer 1000 from STARTING",
	                                    "timer 2000 from STARTING"};

	born();
	happens(LIFE_ON_START);
	for (unsigned i = 0; i < COUNT(waits); i++) {
		done();
		happens(LIFE_ON_EXIT);
		ck_assert_str_eq(done(), waits[i]);
		ASSERT_STATE(BACKOFF);
		ck_assert_uint_eq(life.fails, i + 1);
		ck_assert_str_eq(life.reason, "exited with code 9");
		ck_assert_int_eq(life.status, 9 << 8);
		happens(LIFE_ON_TIMER);
		ASSERT_STATE(STARTING);
		ck_assert_str_eq(life.reason, "");
	}
	done();
	happens(LIFE_ON_EXIT);
	ck_assert_str_eq(done(), "timer -1 from STARTING");
	ASSERT_STATE(FATAL);
	ck_assert_uint_eq(life.fails, 4);
	ck_assert_uint_eq(life.starts, 4);
	ck_assert_str_eq(life.reason, "exited with code 9");
	happens(LIFE_ON_START);
	ASSERT_STATE(STARTING);
	done();
	happens(LIFE_ON_EXIT);
	ck_assert_str_eq(done(), "timer 500 from STARTING");
	ck_assert_uint_eq(life.fails, 1);
}
END_TEST

START_TEST(test_no_retries)
{
	born();
	policy.startretries = 0;
	happens(LIFE_ON_START);
	happens(LIFE_ON_EXIT);
	ASSERT_STATE(FATAL);
	/* As many as there can be are none too many. */
	born();
	policy.startretries = INT32_MAX;
	happens(LIFE_ON_START);
	life.fails = INT32_MAX - 1;
	happens(LIFE_ON_EXIT);
	ASSERT_STATE(BACKOFF);
	happens(LIFE_ON_TIMER);
	happens(LIFE_ON_EXIT);
	ASSERT_STATE(FATAL);
}
END_TEST

/* One that cannot even be launched has failed, too, and is no process that was started. */
START_TEST(test_cannot_launch)
{
	born();
	can_launch = false;
	ck_assert(happens(LIFE_ON_START));
	ck_assert_str_eq(done(), "launch timer 500 from STOPPED");
	ASSERT_STATE(BACKOFF);
	ck_assert_str_eq(life.reason, "cannot be started: no such file");
	ck_assert_uint_eq(life.starts, 0);
	for (int i = 0; i < 3; i++)
		happens(LIFE_ON_TIMER);
	ASSERT_STATE(FATAL);
	ck_assert_str_eq(life.reason, "cannot be started: no such file");
	/* Likewise one that is to be replaced: the reason is the last one. */
	be(LIFE_RUNNING);
	can_launch = false;
	happens(LIFE_ON_EXIT);
	ck_assert_str_eq(done(), "launch timer 500 from RUNNING");
	ASSERT_STATE(BACKOFF);
	ck_assert_str_eq(life.reason, "cannot be started: no such file");
}
END_TEST

static void draw(int64_t delay, int64_t percent, int64_t *least, int64_t *most)
{
	*least = INT64_MAX;
	*most = INT64_MIN;
	for (int i = 0; i < 2000; i++) {
		be(LIFE_STARTING);
		policy.restart_delay_ms = policy.restart_max_delay_ms = delay;
		policy.restart_jitter = percent;
		happens(LIFE_ON_EXIT);
		*least = timer_ms < *least ? timer_ms : *least;
		*most = timer_ms > *most ? timer_ms : *most;
	}
}

START_TEST(test_jitter)
{
	int64_t least, most, month = INT64_C(30) * 86400000;

	draw(1000, 0, &least, &most);
	ck_assert(least == 1000 && most == 1000);
	draw(1000, 30, &least, &most);
	ck_assert_msg(least >= 700 && least < 720 && most <= 1000 && most > 980, "%" PRId64 "..%" PRId64, least, most);
	draw(1000, 100, &least, &most);
	ck_assert_msg(least >= 0 && least < 50 && most <= 1000 && most > 950, "%" PRId64 "..%" PRId64, least, most);
	draw(1, 100, &least, &most);
	ck_assert(least == 0 && most == 1);
	draw(0, 100, &least, &most);
	ck_assert(least == 0 && most == 0);
	draw(month, 50, &least, &most);
	ck_assert_msg(least >= month / 2 && most <= month && least < most, "%" PRId64 "..%" PRId64, least, most);
	draw(INT64_MAX, 100, &least, &most);
	ck_assert_int_ge(least, 0);
}
END_TEST

/* Is it FATAL after so many failed starts with a good one (startsecs and more) after each, `apart_ms` one from the other? */
static unsigned failures_until_fatal(int64_t window_ms, uint64_t apart_ms, bool good_between, unsigned most)
{
	born();
	policy.startretries_window_ms = window_ms;
	happens(LIFE_ON_START);
	for (unsigned i = 1; i <= most; i++) {
		done();
		ends(9, 0);
		if (life.state == LIFE_FATAL)
			return i;
		life.window -= apart_ms * MS;
		happens(LIFE_ON_TIMER);
		if (!good_between)
			continue;
		happens(LIFE_ON_TIMER);
		ASSERT_STATE(RUNNING);
		ends(9, 1001);
		ASSERT_STATE(STARTING);
	}
	return 0;
}

START_TEST(test_window)
{
	/* In a row: only a good start counts, not the time. */
	ck_assert_uint_eq(failures_until_fatal(0, 1000000, false, 20), 4);
	ck_assert_uint_eq(failures_until_fatal(0, 0, true, 20), 0);
	/* Within a time: good ones in between change nothing, the time does. */
	ck_assert_uint_eq(failures_until_fatal(60000, 1000, false, 20), 4);
	ck_assert_uint_eq(failures_until_fatal(60000, 1000, true, 20), 4);
	ck_assert_uint_eq(failures_until_fatal(60000, 30000, false, 20), 0);
	ck_assert_uint_eq(failures_until_fatal(60000, 61000, false, 20), 0);
}
END_TEST

/* It says that it is ready and ends all the same before startsecs are over: that is no good start. */
START_TEST(test_ready_is_not_lived)
{
	born();
	life.waits = true;
	happens(LIFE_ON_START);
	for (int i = 0; i < 3; i++) {
		happens(LIFE_ON_READY);
		ASSERT_STATE(RUNNING);
		ends(9, 900);
		ASSERT_STATE(BACKOFF);
		happens(LIFE_ON_TIMER);
	}
	happens(LIFE_ON_READY);
	ends(9, 900);
	ASSERT_STATE(FATAL);
}
END_TEST

/* The delay begins anew after restart_reset of health, and not before. */
START_TEST(test_health)
{
	be(LIFE_STARTING);
	ends(9, 0);
	happens(LIFE_ON_TIMER);
	ends(9, 0);
	ck_assert_uint_eq(life.failures, 2);
	happens(LIFE_ON_TIMER);
	done();
	happens(LIFE_ON_TIMER);
	ASSERT_STATE(RUNNING);
	ck_assert_str_eq(done(), "timer 7000 from STARTING");
	ends(9, 5000);
	ends(9, 0);
	ck_assert_int_eq(timer_ms, 2000);
	happens(LIFE_ON_TIMER);
	happens(LIFE_ON_TIMER);
	happens(LIFE_ON_TIMER);
	ASSERT_STATE(RUNNING);
	ck_assert_uint_eq(life.failures, 0);
	ends(9, 8000);
	ends(9, 0);
	ck_assert_int_eq(timer_ms, 500);
}
END_TEST

/* ---- ends ------------------------------------------------------------------------------------ */

static void end_excused(int status)
{
	const struct life_exit end = {.status = status, .excused = true, .text = "it died over its job"};

	ck_assert(life_event(&life, LIFE_ON_EXIT, &end));
}

START_TEST(test_excused)
{
	/* However young: replaced at once, and no failure. */
	be(LIFE_RUNNING);
	life.launched = ym_now_ns();
	end_excused(SIGKILL);
	ck_assert_str_eq(done(), "launch timer 1000 from RUNNING");
	ASSERT_STATE(STARTING);
	ck_assert_uint_eq(life.fails, 0);
	/* ... and also if such an end would not be followed by another start. */
	be(LIFE_RUNNING);
	policy.autorestart = CFG_AUTORESTART_NO;
	end_excused(0);
	ASSERT_STATE(STARTING);
	/* It does not make good what went wrong before, unless it has lived. */
	be(LIFE_RUNNING);
	life.launched = ym_now_ns();
	life.fails = 2;
	end_excused(SIGKILL);
	ck_assert_uint_eq(life.fails, 2);
	be(LIFE_RUNNING);
	life.fails = 2;
	end_excused(SIGKILL);
	ck_assert_uint_eq(life.fails, 0);
}
END_TEST

/* It has started as soon as it was launched, and no end of it is a failed start. */
START_TEST(test_no_startsecs)
{
	born();
	policy.startsecs_ms = 0;
	policy.restart_delay_ms = 0;
	happens(LIFE_ON_START);
	ck_assert_str_eq(done(), "launch timer 0 from STOPPED timer -1 from STARTING");
	ASSERT_STATE(RUNNING);
	ends(9, 0);
	ASSERT_STATE(RUNNING);
	ck_assert_uint_eq(life.fails, 0);
	ends(0, 0);
	ASSERT_STATE(EXITED);
	/* One that has not become ready has failed all the same. */
	born();
	policy.startsecs_ms = 0;
	life.waits = true;
	happens(LIFE_ON_START);
	ASSERT_STATE(STARTING);
	ends(0, 0);
	ASSERT_STATE(BACKOFF);
}
END_TEST

static enum life_state after_exit(enum cfg_autorestart again, int status, uint64_t lived_ms)
{
	const struct life_exit end = {.status = status, .text = "it has ended"};

	be(LIFE_RUNNING);
	policy.autorestart = again;
	life.launched = ago(lived_ms);
	ck_assert(life_event(&life, LIFE_ON_EXIT, &end));
	ck_assert_int_eq(life.status, status);
	ck_assert_str_eq(life.reason, life.state == LIFE_STARTING ? "" : "it has ended");
	return life.state;
}

START_TEST(test_autorestart)
{
	static const int codes[] = {0, 7 << 8, 8 << 8, 255 << 8, SIGKILL, SIGSEGV | 0x80, -1};

	for (size_t i = 0; i < COUNT(codes); i++) {
		bool well = i < 2;

		ck_assert_int_eq(after_exit(CFG_AUTORESTART_YES, codes[i], 1001), LIFE_STARTING);
		ck_assert_int_eq(after_exit(CFG_AUTORESTART_NO, codes[i], 1001), LIFE_EXITED);
		ck_assert_int_eq(after_exit(CFG_AUTORESTART_UNEXPECTED, codes[i], 1001),
		                 well ? LIFE_EXITED : LIFE_STARTING);
		/* Too young: a failed start, whatever the code. */
		ck_assert_int_eq(after_exit(CFG_AUTORESTART_YES, codes[i], 900), LIFE_BACKOFF);
		ck_assert_int_eq(after_exit(CFG_AUTORESTART_NO, codes[i], 900), LIFE_BACKOFF);
		ck_assert_int_eq(after_exit(CFG_AUTORESTART_UNEXPECTED, codes[i], 900), LIFE_BACKOFF);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("life failures");
	TCase *failures = add_case(suite, "failed starts"), *others = add_case(suite, "ends");

	tcase_add_test(failures, test_delay);
	tcase_add_test(failures, test_fatal);
	tcase_add_test(failures, test_no_retries);
	tcase_add_test(failures, test_cannot_launch);
	tcase_add_test(failures, test_jitter);
	tcase_add_test(failures, test_window);
	tcase_add_test(failures, test_ready_is_not_lived);
	tcase_add_test(failures, test_health);
	tcase_add_test(others, test_excused);
	tcase_add_test(others, test_no_startsecs);
	tcase_add_test(others, test_autorestart);
	return run_suite(suite);
}
