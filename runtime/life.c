/* life.c - the table of states and events, and the small functions in its cells. */
#include "life.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../ipc/clock.h"
#include "text.h"

#define NS_PER_MS UINT64_C(1000000)

typedef void cell(struct life *life, const struct life_exit *exit);

static const char *const state_words[] = {
#define X(name, word) word,
    LIFE_STATE_MAP(X)
#undef X
};

static const char *const event_words[] = {
#define X(name, word) word,
    LIFE_EVENT_MAP(X)
#undef X
};

const char *life_state_word(unsigned state)
{
	return state < LIFE_STATES ? state_words[state] : "?";
}

const char *life_event_word(unsigned event)
{
	return event < LIFE_EVENTS ? event_words[event] : "?";
}

void life_init(struct life *life, const struct life_ops *ops, const struct cfg_process *policy)
{
	*life = (struct life){.ops = ops, .policy = policy, .since = ym_now_ns(), .status = -1};
}

void life_say(struct life *life, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(life->reason, sizeof(life->reason), fmt, ap);
	va_end(ap);
}

static void set_timer(struct life *life, int64_t ms)
{
	life->due = ms < 0 ? 0 : ym_now_ns() + (uint64_t)ms * NS_PER_MS;
	life->ops->timer(life, ms);
}

static void enter(struct life *life, enum life_state state, int64_t timer)
{
	enum life_state from = life->state;

	life->state = state;
	life->since = ym_now_ns();
	set_timer(life, timer);
	if (life->ops->changed)
		life->ops->changed(life, from);
}

static int64_t lived_ms(const struct life *life)
{
	return (int64_t)((ym_now_ns() - life->launched) / NS_PER_MS);
}

/* ---- starts that fail ------------------------------------------------------------------------ */

int64_t life_delay(const struct cfg_process *policy, unsigned failures)
{
	int64_t delay = policy->restart_delay_ms, most = policy->restart_max_delay_ms;

	for (unsigned i = 1; i < failures && delay < most && policy->restart_factor > 1; i++)
		delay = delay > most / policy->restart_factor ? most : delay * policy->restart_factor;
	return delay < most ? delay : most;
}

/* Many that failed together must not come back together. */
static int64_t jittered(int64_t ms, int64_t percent)
{
	int64_t span = ms / 100 * percent + ms % 100 * percent / 100;

	return span > 0 ? ms - (int64_t)(arc4random_uniform((uint32_t)(span < INT32_MAX ? span : INT32_MAX) + 1)) : ms;
}

static void count_failure(struct life *life)
{
	uint64_t now = ym_now_ns(), window = (uint64_t)life->policy->startretries_window_ms * NS_PER_MS;

	if (life->fails == 0 || (window && now - life->window > window)) {
		life->window = now;
		life->fails = 0;
	}
	life->fails++;
	life->failures++;
}

static void start_failed(struct life *life)
{
	/* What the machine lacks at the moment is no reason to give it up. */
	if (life->lacks)
		life->failures++;
	else
		count_failure(life);
	if (!life->lacks && life->fails > (uint64_t)life->policy->startretries)
		enter(life, LIFE_FATAL, -1);
	else
		enter(life, LIFE_BACKOFF,
		      jittered(life_delay(life->policy, life->failures), life->policy->restart_jitter));
}

/* ---- cells ----------------------------------------------------------------------------------- */

static void become_running(struct life *life)
{
	life->reason[0] = '\0';
	enter(life, LIFE_RUNNING, life->failures ? life->policy->restart_reset_ms : -1);
}

static int64_t time_to_start(const struct life *life)
{
	if (!life->waits)
		return life->policy->ready == CFG_READY_DELAY ? life->policy->ready_delay_ms
		                                              : life->policy->startsecs_ms;
	return life->policy->ready_timeout_ms ? life->policy->ready_timeout_ms : -1;
}

static void launch(struct life *life, const struct life_exit *none)
{
	(void)none;
	life->again = life->quiet = life->lacks = false;
	life->launched = ym_now_ns();
	if (!life->ops->launch(life)) {
		start_failed(life);
		return;
	}
	life->starts++;
	life->reason[0] = '\0';
	enter(life, LIFE_STARTING, time_to_start(life));
	if (!life->waits && time_to_start(life) == 0)
		become_running(life);
}

/* Somebody has looked after it: what was before does not count any more. */
static void launch_anew(struct life *life, const struct life_exit *none)
{
	life->fails = life->failures = 0;
	launch(life, none);
}

static void adopt(struct life *life, const struct life_exit *none)
{
	(void)none;
	life->launched = 0;
	life->reason[0] = '\0';
	enter(life, LIFE_RUNNING, -1);
}

static void ready(struct life *life, const struct life_exit *none)
{
	(void)none;
	/* Too late, if it is being killed for not being ready. */
	if (!life->reason[0])
		become_running(life);
}

static void start_timer(struct life *life, const struct life_exit *none)
{
	(void)none;
	if (!life->waits) {
		become_running(life);
		return;
	}
	life_say(life, "not ready after %lld ms", (long long)life->policy->ready_timeout_ms);
	life->ops->kill(life);
}

static void healthy(struct life *life, const struct life_exit *none)
{
	(void)none;
	life->failures = 0;
}

static void press(struct life *life, const struct life_exit *none)
{
	int64_t next = life->ops->press(life, life->step);

	(void)none;
	life->quiet = false;
	if (next >= 0)
		life->step++;
	set_timer(life, next);
}

static void stop(struct life *life, const struct life_exit *none)
{
	life->again = false;
	life->step = 0;
	enter(life, LIFE_STOPPING, -1);
	press(life, none);
}

/* It was to retire without haste; now there is a deadline. A stop that runs already goes on as it does. */
static void stop_retiring(struct life *life, const struct life_exit *none)
{
	life->again = false;
	if (life->quiet)
		press(life, none);
}

static void retire(struct life *life, const struct life_exit *none)
{
	(void)none;
	life->again = false;
	life->quiet = true;
	life->step = 0;
	enter(life, LIFE_STOPPING, -1);
	life->ops->retire(life);
}

/* It stops already; what is new is that it is not wanted afterwards. */
static void retire_stopping(struct life *life, const struct life_exit *none)
{
	(void)none;
	life->again = false;
}

static void start_afterwards(struct life *life, const struct life_exit *none)
{
	(void)none;
	life->again = true;
}

static void rest(struct life *life, const struct life_exit *none)
{
	(void)none;
	life->fails = life->failures = 0;
	life->reason[0] = '\0';
	enter(life, LIFE_STOPPED, -1);
}

static void stay(struct life *life, const struct life_exit *none)
{
	(void)life;
	(void)none;
}

/* It has started well, but one that ends at once must not be started a thousand times a second. */
static void launch_again(struct life *life, bool excused)
{
	int64_t rest = life->launched ? life->policy->restart_delay_ms - lived_ms(life) : 0;

	if (excused || rest <= 0)
		launch(life, NULL);
	else
		enter(life, LIFE_BACKOFF, rest);
}

static bool expected(const struct life *life, int status)
{
	return status >= 0 && WIFEXITED(status) && life->policy->exitcodes[WEXITSTATUS(status)];
}

static void keep_exit(struct life *life, const struct life_exit *exit)
{
	life->status = exit->status;
	/* What was said before the end (not ready in time) is the reason of the end. */
	if (!life->reason[0])
		text_copy(life->reason, sizeof(life->reason), exit->text);
}

static void exited(struct life *life, const struct life_exit *exit)
{
	bool young = life->launched && lived_ms(life) < life->policy->startsecs_ms;

	keep_exit(life, exit);
	/* A process that was adopted is no start of ours; one without startsecs has started well in any case. */
	if (!exit->excused && (young || life->state == LIFE_STARTING)) {
		start_failed(life);
		return;
	}
	/* It had started well: failures in a row end here. To be ready is not enough, it had to live, too. */
	if (!young && life->policy->startretries_window_ms == 0)
		life->fails = 0;
	if (life->policy->autorestart == CFG_AUTORESTART_YES || exit->excused ||
	    (life->policy->autorestart == CFG_AUTORESTART_UNEXPECTED && !expected(life, exit->status)))
		launch_again(life, exit->excused);
	else
		enter(life, LIFE_EXITED, -1);
}

static void stopped(struct life *life, const struct life_exit *exit)
{
	bool again = life->again;

	life->status = exit->status;
	rest(life, NULL);
	if (again)
		launch(life, NULL);
}

/* clang-format off */
static cell *const cells[LIFE_STATES][LIFE_EVENTS] = {
	[LIFE_STOPPED] = {
		[LIFE_ON_START] = launch_anew, [LIFE_ON_STOP] = stay, [LIFE_ON_RETIRE] = stay, [LIFE_ON_ADOPT] = adopt,
	},
	[LIFE_STARTING] = {
		[LIFE_ON_STOP] = stop, [LIFE_ON_RETIRE] = retire, [LIFE_ON_READY] = ready,
		[LIFE_ON_TIMER] = start_timer, [LIFE_ON_EXIT] = exited,
	},
	[LIFE_RUNNING] = {
		[LIFE_ON_STOP] = stop, [LIFE_ON_RETIRE] = retire, [LIFE_ON_READY] = stay,
		[LIFE_ON_TIMER] = healthy, [LIFE_ON_EXIT] = exited,
	},
	[LIFE_BACKOFF] = {
		[LIFE_ON_START] = launch_anew, [LIFE_ON_STOP] = rest, [LIFE_ON_RETIRE] = rest, [LIFE_ON_TIMER] = launch,
	},
	[LIFE_STOPPING] = {
		[LIFE_ON_START] = start_afterwards, [LIFE_ON_STOP] = stop_retiring, [LIFE_ON_RETIRE] = retire_stopping,
		[LIFE_ON_PRESS] = press, [LIFE_ON_READY] = stay, [LIFE_ON_TIMER] = press, [LIFE_ON_EXIT] = stopped,
	},
	[LIFE_EXITED] = {
		[LIFE_ON_START] = launch_anew, [LIFE_ON_STOP] = rest, [LIFE_ON_RETIRE] = rest,
	},
	[LIFE_FATAL] = {
		[LIFE_ON_START] = launch_anew, [LIFE_ON_STOP] = rest, [LIFE_ON_RETIRE] = rest,
	},
};
/* clang-format on */

bool life_accepts(enum life_state state, enum life_event event)
{
	return cells[state][event] != NULL;
}

bool life_event(struct life *life, enum life_event event, const struct life_exit *exit)
{
	cell *what = cells[life->state][event];

	if (event == LIFE_ON_TIMER)
		life->due = 0;
	if (what)
		what(life, exit);
	else if (life->ops->refused)
		life->ops->refused(life, event);
	return what != NULL;
}

void life_rearm(struct life *life)
{
	uint64_t now = ym_now_ns();

	if (life->due)
		life->ops->timer(life, life->due > now ? (int64_t)((life->due - now) / NS_PER_MS) : 0);
}
