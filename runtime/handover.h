/*
 * handover.h - what one image of the master's program leaves to the next one (upgrade.h): for each child its life and its
 * descriptors, as JSON in a memory file.
 */
#ifndef YM_RUNTIME_HANDOVER_H
#define YM_RUNTIME_HANDOVER_H

#include "child.h"

/* Of the format: another one is not taken. */
#define HANDOVER_VERSION 1

/* Numbers of a child that are handed over: field of struct handed, where it comes from in struct child. */
#define HANDED_MAP(X)                                                                                                  \
	X(state, life.state)                                                                                           \
	X(again, life.again)                                                                                           \
	X(quiet, life.quiet)                                                                                           \
	X(step, life.step)                                                                                             \
	X(failures, life.failures)                                                                                     \
	X(fails, life.fails)                                                                                           \
	X(starts, life.starts)                                                                                         \
	X(window, life.window)                                                                                         \
	X(since, life.since)                                                                                           \
	X(launched, life.launched)                                                                                     \
	X(due, life.due)                                                                                               \
	X(status, life.status)                                                                                         \
	X(killed, killed)                                                                                              \
	X(foreign, foreign)

/* ... and of its owner, who sets and reads them. */
#define HANDED_OWNER_MAP(X)                                                                                            \
	X(old)                                                                                                         \
	X(build)                                                                                                       \
	X(oldest)

struct handed {
	char unit[CFG_LONG_NAME_MAX];
	int64_t number; /* board row of a worker, number of a process */
	int64_t pid;    /* 0: none */
	struct process_fds fds;
	char *parts[PROCESS_STREAMS]; /* process_part(), two digits a byte; NULL: nothing */
	char reason[LIFE_REASON_MAX];
#define X(name, from) int64_t name;
	HANDED_MAP(X)
#undef X
#define X(name) int64_t name;
	HANDED_OWNER_MAP(X)
#undef X
};

/* A unit: was it wanted, was it up, how many workers. */
struct handed_unit {
	char name[CFG_LONG_NAME_MAX];
	int64_t wanted, up, workers;
};

struct handover {
	int64_t semid, slot; /* of the instance's group */
	int64_t registry;    /* its id; 0 may also mean: not told */
	int64_t keeper;      /* pid of a child that has its segments attached meanwhile; 0: none */
	char *pidfile;       /* NULL: none */
	int64_t pidfile_fd;
	struct handed *children;
	size_t nchildren;
	struct handed_unit *units;
	size_t nunits;
};

/* Fill in what is the child's, its descriptors still its own. False: no memory. */
bool handover_take(const struct child *child, struct handed *handed);

/* Another entry at the end, zeroed. NULL without memory. */
struct handed *handover_child(struct handover *handover);
struct handed_unit *handover_unit(struct handover *handover);
const struct handed_unit *handover_find_unit(const struct handover *handover, const char *name);

/* Make a child what it was. False: it had a process, which cannot be watched. */
bool handover_give(struct handed *handed, struct child *child);

/* A memory file, to be inherited; -1 with err. */
int handover_write(const struct handover *handover, struct ym_err *err);
/* Read it back and close it. */
int handover_read(int fd, struct handover *handover, struct ym_err *err);
void handover_free(struct handover *handover);

/* All descriptors in it: with close-on-exec, or without. */
void handover_cloexec(const struct handover *handover, bool on);

#endif
