/*
 * ledger.h - what really happened: a file outside the instance to which everybody adds what he does, in one order.
 *
 * An event is one write of 32 bytes with O_APPEND: none is torn by SIGKILL, and all stand in the order in which they
 * were written. Clients, tasks (in plugins and commands), holders and those who kill write to the same file, so the
 * lines of a job together with those of its workers tell its whole story.
 */
#ifndef YM_TESTS_LEDGER_H
#define YM_TESTS_LEDGER_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

/* Kind of event, word; `value` of it. What may not come true is noted before, what must have come true after. */
#define LEDGER_MAP(X)                                                                                                  \
	X(SUBMIT, "is submitted")                    /* by a client, before; LEDGER_VALUE() */                         \
	X(ACCEPTED, "was accepted")                  /* after; value: its id */                                        \
	X(EXISTED, "was refused for its unique key") /* after; value: id of the other job */                           \
	X(DONE, "has given its result to a waiter")                                                                    \
	X(WRONG, "gave a waiter another result")                                                                       \
	X(LOST, "has no result for a waiter")                                                                          \
	X(CANCEL, "is cancelled")     /* before */                                                                     \
	X(CANCELLED, "was cancelled") /* value: its state then, enum job_state */                                      \
	X(DELETE, "is deleted")       /* before */                                                                     \
	X(DELETED, "was deleted")                                                                                      \
	X(BURY, "is buried") /* before */                                                                              \
	X(KICK, "is kicked") /* before */                                                                              \
	X(START, "starts")   /* by the task; value: first letter of its pool */                                        \
	X(END, "is done")                                                                                              \
	X(BACK, "stops, as it was asked to")                                                                           \
	X(RETRY, "asks for another attempt")                                                                           \
	X(CRASH, "kills its own process")                                                                              \
	X(HANG, "will not stop, whoever asks")                                                                         \
	X(FORGOTTEN, "was not killed long after its timeout")                                                          \
	X(BROKEN, "has a damaged payload")                                                                             \
	X(HOLD, "a holder has a unit") /* value: 1 alpha, 2 beta */                                                    \
	X(RELEASE, "a holder gives its unit back")                                                                     \
	X(STRIKE, "killed")     /* before; worker: which process */                                                    \
	X(FREEZE, "stopped")    /* likewise */                                                                         \
	X(MASTER, "master hit") /* before */                                                                           \
	X(SINGLE, "is the program")                                                                                    \
	X(DOUBLED, "is the program, beside another")                                                                   \
	X(REMOVAL, "all IPC objects were removed")                    /* before */                                     \
	X(RESET, "everything was killed, and only the store is left") /* before */                                     \
	X(SPACE, "the disk of the store was made full")               /* before; value: for so many ms */              \
	X(TORN, "found the store damaged")                            /* by a reader */                                \
	X(REFUSED, "was refused for certain")                                                                          \
	X(FULL, "not submitted") /* value: class of the error */

enum ledger_kind {
#define X(name, word) LEDGER_##name,
	LEDGER_MAP(X)
#undef X
	    LEDGER_KINDS
};

struct ledger_event {
	uint64_t ns;  /* CLOCK_MONOTONIC */
	uint32_t job; /* our own number of it, 0: none */
	uint16_t kind;
	uint16_t attempt;
	int32_t worker; /* pid of the worker, of the holder, of the victim */
	int32_t pid;    /* who wrote this */
	uint64_t value;
};
_Static_assert(sizeof(struct ledger_event) == 32, "never across a page");

/* Of SUBMIT. Keys count from 1. */
#define LEDGER_VALUE(pool, order, key)                                                                                 \
	((uint64_t)(unsigned char)(pool) | (uint64_t)(unsigned char)(order) << 8 | (uint64_t)(key) << 16)
#define LEDGER_POOL(value)  ((char)((value)&0xff))
#define LEDGER_ORDER(value) ((char)((value) >> 8 & 0xff))
#define LEDGER_KEY(value)   ((unsigned)((value) >> 16))

static inline int ledger_open(const char *path)
{
	return open(path, O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
}

static inline bool ledger_note(int fd, struct ledger_event event)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	event.ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	event.pid = getpid();
	return write(fd, &event, sizeof(event)) == (ssize_t)sizeof(event);
}

#endif
