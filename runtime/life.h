/*
 * life.h - the life of a supervised process: one table says what each event leads to in each state.
 *
 *                 start            ready / lived for startsecs            exit, not again
 *   STOPPED ---------------> STARTING ---------------------> RUNNING -----------------------> EXITED
 *      ^                      ^   | exit: a failed start        |  ^                             |
 *      | exit                 |   v                             |  | exit, again: STARTING       | start
 *   STOPPING <--- stop ---   BACKOFF --- one too many ---> FATAL --- start ---> STARTING <-------+
 *
 * Timers, ends of processes, readiness, commands and the master's wishes are events; nothing else changes a state. What
 * is to be done (launch, signals, timers) is done by the owner's functions, so the table can be tested without a process.
 * A start has failed when the process ended before it was ready or before it lived for `startsecs`; an end that has
 * another reason (a worker died over its job, or was recycled) is excused. Times are milliseconds.
 */
#ifndef YM_RUNTIME_LIFE_H
#define YM_RUNTIME_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "../config/config.h"

/* State, word for people. The words are supervisord's. */
#define LIFE_STATE_MAP(X)                                                                                              \
	X(STOPPED, "STOPPED")                                                                                          \
	X(STARTING, "STARTING")                                                                                        \
	X(RUNNING, "RUNNING")                                                                                          \
	X(BACKOFF, "BACKOFF")                                                                                          \
	X(STOPPING, "STOPPING")                                                                                        \
	X(EXITED, "EXITED")                                                                                            \
	X(FATAL, "FATAL")

/*
 * START    somebody wants it to run
 * STOP     somebody wants it to end
 * RETIRE   it is to end when it has finished what it does, however long that takes
 * PRESS    nobody wants to wait any longer for its end
 * READY    it says that it is ready
 * TIMER    the timer of the state has run out
 * EXIT     its process has ended
 * ADOPT    its process was found alive, started by an earlier master
 */
#define LIFE_EVENT_MAP(X)                                                                                              \
	X(START, "start")                                                                                              \
	X(STOP, "stop")                                                                                                \
	X(RETIRE, "retire")                                                                                            \
	X(PRESS, "press")                                                                                              \
	X(READY, "ready")                                                                                              \
	X(TIMER, "timer")                                                                                              \
	X(EXIT, "exit")                                                                                                \
	X(ADOPT, "adopt")

enum life_state {
#define X(name, word) LIFE_##name,
	LIFE_STATE_MAP(X)
#undef X
	    LIFE_STATES
};

enum life_event {
#define X(name, word) LIFE_ON_##name,
	LIFE_EVENT_MAP(X)
#undef X
	    LIFE_EVENTS
};

#define LIFE_REASON_MAX 160

struct life;

struct life_ops {
	/* Start the process. False: it could not be done, life_say() has said why. */
	bool (*launch)(struct life *life);
	/* Step 0, 1, ... of a stop. Returns the time until the next one, -1 when there is none. */
	int64_t (*press)(struct life *life, unsigned step);
	/* Ask it to end when it has finished what it does. */
	void (*retire)(struct life *life);
	/* It did not become ready in time: end it at once. */
	void (*kill)(struct life *life);
	/* TIMER after `ms`; -1: not any more. */
	void (*timer)(struct life *life, int64_t ms);
	/* The state has changed. May be NULL. */
	void (*changed)(struct life *life, enum life_state from);
	/* The event has no meaning in this state. May be NULL. */
	void (*refused)(struct life *life, enum life_event event);
};

struct life {
	const struct life_ops *ops;
	const struct cfg_process *policy;
	enum life_state state;
	bool waits;                   /* readiness comes as an event, not by living for startsecs */
	bool again;                   /* STOPPING: start anew afterwards */
	bool quiet;                   /* STOPPING: it retires, no deadline runs */
	bool lacks;                   /* launch() had no memory, process or descriptor for it: that passes */
	unsigned step;                /* STOPPING: of the stop, the next one */
	unsigned failures;            /* the delay has grown so often; 0 again after `restart_reset` of health */
	unsigned fails;               /* failed starts in the window, or in a row */
	unsigned starts;              /* processes so far */
	uint64_t window;              /* when the first of `fails` was; ym_now_ns() */
	uint64_t since;               /* of the state */
	uint64_t launched;            /* 0: not by this master */
	uint64_t due;                 /* when the timer runs out, ym_now_ns(); 0: none */
	int status;                   /* of the last exit, as waitpid() gives it; -1: not known */
	char reason[LIFE_REASON_MAX]; /* why it is in BACKOFF, EXITED or FATAL; "" else */
};

/* How a process ended. */
struct life_exit {
	int status;       /* as waitpid() gives it; -1: not known */
	bool excused;     /* there was a reason that says nothing about its start */
	const char *text; /* for people: "exited with code 2: cannot open x" */
};

void life_init(struct life *life, const struct life_ops *ops, const struct cfg_process *policy);

/* Let an event happen; `exit` only for LIFE_ON_EXIT. False when it was refused. */
bool life_event(struct life *life, enum life_event event, const struct life_exit *exit);

/* Does the table have an entry for it? */
bool life_accepts(enum life_state state, enum life_event event);

/* For launch(): why it failed. */
void life_say(struct life *life, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* After an upgrade in place: the timer that was running, as far as it has not run yet. */
void life_rearm(struct life *life);

/* Would the next start after one more failure wait so long? Without jitter. */
int64_t life_delay(const struct cfg_process *policy, unsigned failures);

const char *life_state_word(unsigned state);
const char *life_event_word(unsigned event);

#endif
