/*
 * story.h - what is kept of the attempts of a job that did not simply succeed: how each ended, what it used, what it
 * said last. Read by people (yardmaster show).
 *
 *   offset  part
 *   0       generation of the slot that it tells of, count
 *   8       the last 5 attempts x 136, a ring
 *   688     last progress note, 80
 *   768     last lines of the standard error output, 256
 *
 * One a slot of the table, written by the job's owner (FINISHING, FIXING). A story of another generation tells nothing.
 */
#ifndef YM_RUNTIME_STORY_H
#define YM_RUNTIME_STORY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#define STORY_ATTEMPTS   5
#define STORY_NOTE_MAX   80
#define STORY_OUTPUT_MAX 256
#define STORY_ERROR_MAX  72

/* How an attempt ended: name, word. */
#define STORY_END_MAP(X)                                                                                               \
	X(NONE, "-")                                                                                                   \
	X(DONE, "done")                                                                                                \
	X(RETRY, "asked for another attempt")                                                                          \
	X(FAILED, "failed")                                                                                            \
	X(CRASHED, "crashed")                                                                                          \
	X(TIMED_OUT, "timed out")                                                                                      \
	X(CANCELLED, "cancelled")                                                                                      \
	X(STOPPED, "stopped with the instance")

enum story_end {
#define X(name, word) STORY_##name,
	STORY_END_MAP(X)
#undef X
	    STORY_ENDS
};

struct story_attempt {
	uint64_t started, ended; /* ym_now_ns() */
	uint64_t done, total;    /* last progress */
	uint32_t rss_kib;        /* most memory it had (of the worker, or of the command), 0 not known */
	uint32_t user_ms, system_ms;
	int32_t pid;
	int32_t status;  /* as of waitpid, -1 not known */
	uint8_t attempt; /* its number */
	uint8_t end;     /* enum story_end */
	char unit[10];
	char error[STORY_ERROR_MAX];
};
_Static_assert(sizeof(struct story_attempt) == 136, "layout above");

struct story_sh {
	_Atomic uint32_t gen;
	uint32_t count; /* attempts told, also those that the ring has lost */
	struct story_attempt attempts[STORY_ATTEMPTS];
	char note[STORY_NOTE_MAX];
	char output[STORY_OUTPUT_MAX];
};
_Static_assert(sizeof(struct story_sh) == 1024, "layout above");

const char *story_end_word(unsigned end);

/* What somebody knows about the end of a process; zeroes: nothing. */
struct story_process {
	int status; /* as of waitpid, -1: not known */
	struct rusage usage;
	char output[STORY_OUTPUT_MAX]; /* last lines of its standard error output, "" none */
	char note[STORY_NOTE_MAX];     /* last progress note */
};

/* Add an attempt to the story of generation `gen`; `process` may be NULL. The caller owns the job. */
void story_tell(struct story_sh *story, uint32_t gen, const struct story_attempt *attempt,
                const struct story_process *process);

/* Attempts of generation `gen`, oldest first, into `out` (STORY_ATTEMPTS of them). Returns how many. */
unsigned story_read(const struct story_sh *story, uint32_t gen, struct story_attempt *out);

#endif
