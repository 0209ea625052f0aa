/*
 * test_life.c - every cell of the table of states and events; readiness, stops, and other masters.
 */
#include "life_support.h"

#include <inttypes.h>

/* ---- the table ------------------------------------------------------------------------------- */

/* What is expected of each cell, kept apart from the code: the next state and all that is done. Not here: refused. */
struct cell {
	enum life_state next;
	const char *does;
};

#define STARTS(from)                                                                                                   \
	{                                                                                                              \
		LIFE_STARTING, "launch timer 1000 from " from                                                          \
	}
#define STOPS(from)                                                                                                    \
	{                                                                                                              \
		LIFE_STOPPING, "timer -1 from " from " press 0 timer 4000"                                             \
	}
#define LEAVES(from)                                                                                                   \
	{                                                                                                              \
		LIFE_STOPPING, "timer -1 from " from " retire"                                                         \
	}
#define RUNS(from)                                                                                                     \
	{                                                                                                              \
		LIFE_RUNNING, "timer -1 from " from                                                                    \
	}
#define RESTS(from)                                                                                                    \
	{                                                                                                              \
		LIFE_STOPPED, "timer -1 from " from                                                                    \
	}
#define STAYS(state)                                                                                                   \
	{                                                                                                              \
		LIFE_##state, ""                                                                                       \
	}

static const struct cell table[LIFE_STATES][LIFE_EVENTS] = {
    [LIFE_STOPPED] = {[LIFE_ON_START] = STARTS("STOPPED"),
                      [LIFE_ON_STOP] = STAYS(STOPPED),
                      [LIFE_ON_RETIRE] = STAYS(STOPPED),
                      [LIFE_ON_ADOPT] = RUNS("STOPPED")},
    [LIFE_STARTING] = {[LIFE_ON_STOP] = STOPS("STARTING"),
                       [LIFE_ON_RETIRE] = LEAVES("STARTING"),
                       [LIFE_ON_READY] = RUNS("STARTING"),
                       [LIFE_ON_TIMER] = RUNS("STARTING"),
                       [LIFE_ON_EXIT] = {LIFE_BACKOFF, "timer 500 from STARTING"}},
    [LIFE_RUNNING] = {[LIFE_ON_STOP] = STOPS("RUNNING"),
                      [LIFE_ON_RETIRE] = LEAVES("RUNNING"),
                      [LIFE_ON_READY] = STAYS(RUNNING),
                      [LIFE_ON_TIMER] = STAYS(RUNNING),
                      [LIFE_ON_EXIT] = STARTS("RUNNING")},
    [LIFE_BACKOFF] = {[LIFE_ON_START] = STARTS("BACKOFF"),
                      [LIFE_ON_STOP] = RESTS("BACKOFF"),
                      [LIFE_ON_RETIRE] = RESTS("BACKOFF"),
                      [LIFE_ON_TIMER] = STARTS("BACKOFF")},
    [LIFE_STOPPING] = {[LIFE_ON_START] = STAYS(STOPPING),
                       [LIFE_ON_STOP] = STAYS(STOPPING),
                       [LIFE_ON_RETIRE] = STAYS(STOPPING),
                       [LIFE_ON_PRESS] = {LIFE_STOPPING, "press 1 timer 300"},
                       [LIFE_ON_READY] = STAYS(STOPPING),
                       [LIFE_ON_TIMER] = {LIFE_STOPPING, "press 1 timer 300"},
                       [LIFE_ON_EXIT] = RESTS("STOPPING")},
    [LIFE_EXITED] =
	{[LIFE_ON_START] = STARTS("EXITED"), [LIFE_ON_STOP] = RESTS("EXITED"), [LIFE_ON_RETIRE] = RESTS("EXITED")},
    [LIFE_FATAL] =
	{[LIFE_ON_START] = STARTS("FATAL"), [LIFE_ON_STOP] = RESTS("FATAL"), [LIFE_ON_RETIRE] = RESTS("FATAL")},
};

static void assert_cell(enum life_state state, enum life_event event, const struct cell *cell)
{
	char refusal[80];
	bool accepted;

	snprintf(refusal, sizeof(refusal), "refused %s in %s", life_event_word(event), life_state_word(state));
	accepted = happens(event);
	ck_assert_msg(strcmp(trace, cell->does ? cell->does : refusal) == 0, "%s in %s: \"%s\", not \"%s\"",
	              life_event_word(event), life_state_word(state), trace, cell->does ? cell->does : refusal);
	ck_assert_int_eq(accepted, cell->does != NULL);
	ck_assert_int_eq(life_accepts(state, event), accepted);
	ck_assert_int_eq(life.state, cell->does ? cell->next : state);
	/* The time of the state is that of the change. */
	ck_assert_int_eq(life.since != 1, strstr(trace, "from") != NULL);
}

START_TEST(test_table)
{
	for (unsigned state = 0; state < LIFE_STATES; state++) {
		for (unsigned event = 0; event < LIFE_EVENTS; event++) {
			be(state);
			assert_cell(state, event, &table[state][event]);
		}
	}
}
END_TEST

/* Nobody has to listen. */
START_TEST(test_nobody_listens)
{
	struct life_ops deaf = fake_ops;

	deaf.changed = NULL;
	deaf.refused = NULL;
	for (unsigned state = 0; state < LIFE_STATES; state++) {
		for (unsigned event = 0; event < LIFE_EVENTS; event++) {
			be(state);
			life.ops = &deaf;
			ck_assert_int_eq(happens(event), table[state][event].does != NULL);
		}
	}
}
END_TEST

START_TEST(test_words)
{
	ck_assert_str_eq(life_state_word(LIFE_STOPPED), "STOPPED");
	ck_assert_str_eq(life_state_word(LIFE_FATAL), "FATAL");
	ck_assert_str_eq(life_state_word(LIFE_STATES), "?");
	ck_assert_str_eq(life_state_word(UINT_MAX), "?");
	ck_assert_str_eq(life_event_word(LIFE_ON_RETIRE), "retire");
	ck_assert_str_eq(life_event_word(LIFE_EVENTS), "?");
}
END_TEST

/* ---- readiness ------------------------------------------------------------------------------- */

START_TEST(test_not_ready)
{
	born();
	life.waits = true;
	happens(LIFE_ON_START);
	ck_assert_str_eq(done(), "launch timer 2000 from STOPPED");
	happens(LIFE_ON_TIMER);
	ck_assert_str_eq(done(), "kill");
	ASSERT_STATE(STARTING);
	/* Too late: it is dead already. */
	ck_assert(happens(LIFE_ON_READY));
	ck_assert_str_eq(done(), "");
	ASSERT_STATE(STARTING);
	/* It lived for longer than startsecs, and has not started well. The reason is ours, not the kill. */
	ends(0, 2000);
	ASSERT_STATE(BACKOFF);
	ck_assert_str_eq(life.reason, "not ready after 2000 ms");
	happens(LIFE_ON_TIMER);
	ASSERT_STATE(STARTING);
	ck_assert_str_eq(life.reason, "");
	happens(LIFE_ON_READY);
	ASSERT_STATE(RUNNING);
}
END_TEST

START_TEST(test_ready_when)
{
	/* Nobody waits for it any longer than it takes. */
	born();
	life.waits = true;
	policy.ready_timeout_ms = 0;
	happens(LIFE_ON_START);
	ck_assert_str_eq(done(), "launch timer -1 from STOPPED");
	ASSERT_STATE(STARTING);
	/* After a time. */
	born();
	policy.ready = CFG_READY_DELAY;
	happens(LIFE_ON_START);
	ck_assert_str_eq(done(), "launch timer 600 from STOPPED");
	happens(LIFE_ON_TIMER);
	ASSERT_STATE(RUNNING);
	born();
	policy.ready = CFG_READY_DELAY;
	policy.ready_delay_ms = 0;
	happens(LIFE_ON_START);
	ASSERT_STATE(RUNNING);
}
END_TEST

/* ---- stops ----------------------------------------------------------------------------------- */

START_TEST(test_stop_steps)
{
	be(LIFE_RUNNING);
	happens(LIFE_ON_STOP);
	ck_assert_str_eq(done(), "timer -1 from RUNNING press 0 timer 4000");
	/* Another stop does not make it faster, nor slower. */
	happens(LIFE_ON_STOP);
	ck_assert_str_eq(done(), "");
	happens(LIFE_ON_TIMER);
	ck_assert_str_eq(done(), "press 1 timer 300");
	happens(LIFE_ON_PRESS);
	ck_assert_str_eq(done(), "press 2 timer -1");
	/* There is nothing beyond the last step. */
	happens(LIFE_ON_PRESS);
	ck_assert_str_eq(done(), "press 2 timer -1");
	ends(9, 50000);
	ck_assert_str_eq(done(), "timer -1 from STOPPING");
	ASSERT_STATE(STOPPED);
	ck_assert_str_eq(life.reason, "");
	ck_assert_int_eq(life.status, 9 << 8);
	/* The next stop begins at its first step. */
	happens(LIFE_ON_START);
	done();
	happens(LIFE_ON_STOP);
	ck_assert_str_eq(done(), "timer -1 from STARTING press 0 timer 4000");
}
END_TEST

START_TEST(test_retire_then_stop)
{
	be(LIFE_RUNNING);
	happens(LIFE_ON_RETIRE);
	ck_assert_str_eq(done(), "timer -1 from RUNNING retire");
	ck_assert(life.quiet);
	happens(LIFE_ON_RETIRE);
	ck_assert_str_eq(done(), "");
	happens(LIFE_ON_STOP);
	ck_assert_str_eq(done(), "press 0 timer 4000");
	ASSERT_STATE(STOPPING);
	happens(LIFE_ON_STOP);
	ck_assert_str_eq(done(), "");
	happens(LIFE_ON_TIMER);
	ck_assert_str_eq(done(), "press 1 timer 300");
	/* Who presses does not ask whether it was quiet. */
	be(LIFE_RUNNING);
	happens(LIFE_ON_RETIRE);
	done();
	happens(LIFE_ON_PRESS);
	ck_assert_str_eq(done(), "press 0 timer 4000");
	happens(LIFE_ON_STOP);
	ck_assert_str_eq(done(), "");
}
END_TEST

/* Start while it stops: anew afterwards, from the beginning. The last word counts. */
START_TEST(test_restart)
{
	static const enum life_event ends_it[] = {LIFE_ON_STOP, LIFE_ON_RETIRE};

	for (size_t i = 0; i < COUNT(ends_it); i++) {
		be(LIFE_RUNNING);
		life.fails = life.failures = 2;
		happens(ends_it[i]);
		happens(LIFE_ON_START);
		done();
		happens(LIFE_ON_EXIT);
		ck_assert_str_eq(done(), "timer -1 from STOPPING launch timer 1000 from STOPPED");
		ASSERT_STATE(STARTING);
		ck_assert_uint_eq(life.fails + life.failures, 0);
		ck_assert(!life.again && !life.quiet);

		for (size_t j = 0; j < COUNT(ends_it); j++) {
			be(LIFE_RUNNING);
			happens(ends_it[i]);
			happens(LIFE_ON_START);
			happens(ends_it[j]);
			happens(LIFE_ON_EXIT);
			ASSERT_STATE(STOPPED);
			/* ... and the wish of back then is forgotten. */
			happens(LIFE_ON_START);
			happens(LIFE_ON_STOP);
			happens(LIFE_ON_EXIT);
			ASSERT_STATE(STOPPED);
		}
	}
}
END_TEST

/* ---- other masters --------------------------------------------------------------------------- */

/* Its start was somebody else's: its end is none of ours that has failed, however soon it comes. */
START_TEST(test_adopt)
{
	static const struct life_exit unknown = {.status = -1, .text = "ended"};

	born();
	life.waits = true;
	policy.startsecs_ms = INT64_C(365000) * 86400000;
	happens(LIFE_ON_ADOPT);
	ck_assert_str_eq(done(), "timer -1 from STOPPED");
	ck_assert_uint_eq(life.starts, 0);
	life_event(&life, LIFE_ON_EXIT, &unknown);
	ASSERT_STATE(STARTING);
	ck_assert_uint_eq(life.fails, 0);
	ck_assert_int_eq(life.status, -1);
	/* The next one is ours. */
	ends(9, 0);
	ASSERT_STATE(BACKOFF);
}
END_TEST

/* The image after an upgrade has the timer of the one before it, as far as it has not run. */
START_TEST(test_rearm)
{
	born();
	happens(LIFE_ON_START);
	done();
	ck_assert_uint_gt(life.due, ym_now_ns());
	life_rearm(&life);
	ck_assert_int_eq(strncmp(trace, "timer ", 6), 0);
	ck_assert_int_le(timer_ms, policy.startsecs_ms);
	ck_assert_int_gt(timer_ms, policy.startsecs_ms - 500);
	ASSERT_STATE(STARTING);
	/* It has run out meanwhile. */
	life.due = 1;
	done();
	life_rearm(&life);
	ck_assert_str_eq(done(), "timer 0");
	/* There was none. */
	life.due = 0;
	life_rearm(&life);
	ck_assert_str_eq(done(), "");
}
END_TEST

START_TEST(test_say)
{
	char long_text[2 * LIFE_REASON_MAX];

	born();
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	life_say(&life, "%s", long_text);
	ck_assert_uint_eq(strlen(life.reason), LIFE_REASON_MAX - 1);
	be(LIFE_STARTING);
	life_event(&life, LIFE_ON_EXIT, &(struct life_exit){.status = 256, .text = long_text});
	ck_assert_uint_eq(strlen(life.reason), LIFE_REASON_MAX - 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("life");
	TCase *cells = add_case(suite, "table"), *ways = add_case(suite, "readiness, stops");

	tcase_add_test(cells, test_table);
	tcase_add_test(cells, test_nobody_listens);
	tcase_add_test(cells, test_words);
	tcase_add_test(ways, test_not_ready);
	tcase_add_test(ways, test_ready_when);
	tcase_add_test(ways, test_stop_steps);
	tcase_add_test(ways, test_retire_then_stop);
	tcase_add_test(ways, test_restart);
	tcase_add_test(ways, test_adopt);
	tcase_add_test(ways, test_rearm);
	tcase_add_test(ways, test_say);
	return run_suite(suite);
}
