/* life_support.h - a life without a process: what it has done is written down in words, in the order in which it was. */
#ifndef YM_TESTS_LIFE_SUPPORT_H
#define YM_TESTS_LIFE_SUPPORT_H

#include <stdarg.h>

#include "../../ipc/clock.h"
#include "../../runtime/life.h"
#include "support.h"

#define MS UINT64_C(1000000)

static struct life life;
static struct cfg_process policy;
static char trace[512]; /* "launch timer 1000 from STOPPED" since done() */
static bool can_launch;
static int64_t timer_ms; /* as set last */

static inline void note(const char *fmt, ...)
{
	size_t used = strlen(trace);
	va_list ap;

	ck_assert_msg(used + 80 < sizeof(trace), "done() is missing in the test: %s", trace);
	if (used > 0)
		trace[used++] = ' ';
	va_start(ap, fmt);
	vsnprintf(trace + used, sizeof(trace) - used, fmt, ap);
	va_end(ap);
}

static inline bool fake_launch(struct life *of)
{
	note("launch");
	if (!can_launch)
		life_say(of, "cannot be started: %s", "no such file");
	return can_launch;
}

static inline int64_t fake_press(struct life *of, unsigned step)
{
	(void)of;
	note("press %u", step);
	return step == 0 ? 4000 : step == 1 ? 300 : -1;
}

static inline void fake_retire(struct life *of)
{
	(void)of;
	note("retire");
}

static inline void fake_kill(struct life *of)
{
	(void)of;
	note("kill");
}

static inline void fake_timer(struct life *of, int64_t ms)
{
	(void)of;
	note("timer %lld", (long long)ms);
	timer_ms = ms;
}

static inline void fake_changed(struct life *of, enum life_state from)
{
	ck_assert_int_ne(of->state, LIFE_STATES);
	note("from %s", life_state_word(from));
}

static inline void fake_refused(struct life *of, enum life_event event)
{
	note("refused %s in %s", life_event_word(event), life_state_word(of->state));
}

static const struct life_ops fake_ops = {
    .launch = fake_launch,
    .press = fake_press,
    .retire = fake_retire,
    .kill = fake_kill,
    .timer = fake_timer,
    .changed = fake_changed,
    .refused = fake_refused,
};

/* Anew, with a policy whose numbers are all different. */
static inline void born(void)
{
	policy = (struct cfg_process){
	    .autorestart = CFG_AUTORESTART_UNEXPECTED,
	    .exitcodes = {[0] = 1, [7] = 1},
	    .startsecs_ms = 1000,
	    .startretries = 3,
	    .restart_delay_ms = 500,
	    .restart_max_delay_ms = 3000,
	    .restart_factor = 2,
	    .restart_reset_ms = 7000,
	    .stopwaitsecs_ms = 4000,
	    .ready_delay_ms = 600,
	    .ready_timeout_ms = 2000,
	};
	life_init(&life, &fake_ops, &policy);
	can_launch = true;
	trace[0] = '\0';
	timer_ms = -2;
}

/* In a state as it comes to be: launched long ago if it runs, just now if it starts. */
static inline void be(enum life_state state)
{
	born();
	life.state = state;
	life.since = 1;
	life.launched = state == LIFE_STARTING ? ym_now_ns() : ym_now_ns() - 50000 * MS;
	life.step = state == LIFE_STOPPING;
}

static inline const char *done(void)
{
	static char last[sizeof(trace)];

	memcpy(last, trace, sizeof(trace));
	trace[0] = '\0';
	return last;
}

static inline uint64_t ago(uint64_t ms)
{
	return ym_now_ns() - ms * MS;
}

static inline bool happens(enum life_event event)
{
	static const struct life_exit nine = {.status = 9 << 8, .text = "exited with code 9"};

	return life_event(&life, event, event == LIFE_ON_EXIT ? &nine : NULL);
}

/* Its process ends, this long after it was launched. */
static inline void ends(int code, uint64_t after_ms)
{
	const struct life_exit end = {.status = code << 8, .text = "it has ended"};

	life.launched = ago(after_ms);
	ck_assert(life_event(&life, LIFE_ON_EXIT, &end));
}

#define ASSERT_STATE(expected) ck_assert_str_eq(life_state_word(life.state), #expected)

#endif
