/*
 * child.h - a supervised process: its life (life.h) tied to the loop, to a pidfd and to pipes.
 *
 * Whose process it is (a worker of a pool, a process of a program) is the owner's matter: how it is launched, asked to
 * stop, and what its lines and its end mean.
 */
#ifndef YM_RUNTIME_CHILD_H
#define YM_RUNTIME_CHILD_H

#include <uv.h>

#include "life.h"
#include "process.h"
#include "yard.h"

#define CHILD_NAME_MAX 192
#define CHILD_LAST_MAX 120

struct child;

struct child_ops {
	/* Start the process: its pid and what is to be watched of it. -1 with err. */
	pid_t (*launch)(struct child *child, struct process_fds *fds, struct ym_err *err);
	/* As in life.h. */
	int64_t (*press)(struct child *child, unsigned step);
	void (*retire)(struct child *child);
	void (*line)(struct child *child, enum process_stream stream, const char *text, size_t length);
	/* Its process has ended, but nothing was done about it yet. Returns whether the end is excused (life.h). */
	bool (*ended)(struct child *child, pid_t pid, int status, const struct rusage *usage);
	void (*changed)(struct child *child, enum life_state from);
};

struct child {
	struct life life;
	const struct child_ops *ops;
	struct yard *yard;
	struct process *process; /* NULL: none */
	uv_timer_t timer;
	bool killed;               /* by us, because it did not stop */
	bool foreign;              /* no child of this process: its exit status will not be known */
	char name[CHILD_NAME_MAX]; /* for the log: "pool mail: worker 3" */
	void (*closed)(struct child *child);
	char last[CHILD_LAST_MAX]; /* the last line, on its stderr if it wrote there: often says why it ended */
	bool complained;           /* `last` is of its stderr */
};

/* `name` is kept by the owner in child->name. */
void child_init(struct child *child, struct yard *yard, const struct child_ops *ops, const struct cfg_process *policy);

static inline bool child_event(struct child *child, enum life_event event)
{
	return life_event(&child->life, event, NULL);
}

/* Watch a living process that an earlier master (or image of this one) has started. False: it cannot be watched. */
bool child_adopt(struct child *child, pid_t pid, struct process_fds *fds);

pid_t child_pid(const struct child *child); /* 0: none */
void child_signal(struct child *child, int signo);
/* SIGKILL, because it does not stop. */
void child_kill(struct child *child);

/* If its process has ended and nobody has heard of it yet: true with how. */
bool child_has_ended(struct child *child, int *status, struct rusage *usage);

/* The other way round: a child is a part of what its owner has. */
#define child_owner(child, type, member) ((type *)(void *)((char *)(child)-offsetof(type, member)))

/* Let go of the loop. A process that still runs goes on. `closed` may free the memory. */
void child_close(struct child *child, void (*closed)(struct child *child));

#endif
