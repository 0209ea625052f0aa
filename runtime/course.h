/*
 * course.h - the course of things in a pool: what the master saw each second, and each minute.
 *
 *   offset   part
 *   0        second    last one that is written: ym_now_ns() / 10^9. Behind all its samples
 *   8        minute    likewise / 60
 *   64       64 samples, one a second; the one of second S stands at S % 64
 *   1088     64 samples, one a minute
 *
 * One writer, the master; each value in an atomic of its own. A reader takes at most COURSE_SAMPLES of the 64: what is written
 * next does not touch those, unless he stands still for seconds. Seconds without a master have no samples: all 0.
 */
#ifndef YM_RUNTIME_COURSE_H
#define YM_RUNTIME_COURSE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define COURSE_RING    64
#define COURSE_SAMPLES 60

/*
 * What a sample tells: name, word. ENDED and FAILED: attempts that ended in that time (FAILED, those that did not end well and workers
 * that died, is a part of ENDED); WAITING and RUNNING: jobs at its end.
 */
#define COURSE_MAP(X)                                                                                                  \
	X(ENDED, "ended")                                                                                              \
	X(FAILED, "failed")                                                                                            \
	X(WAITING, "waiting")                                                                                          \
	X(RUNNING, "running")

#define X(name, word) COURSE_##name,
enum course_value { COURSE_MAP(X) COURSE_VALUES };
#undef X

enum course_ring { COURSE_SECONDS, COURSE_MINUTES, COURSE_RINGS };

struct course_sample_sh {
	_Atomic uint32_t values[COURSE_VALUES];
};

struct course_sh {
	_Atomic uint64_t last[COURSE_RINGS]; /* second, minute; 0: nothing yet */
	char zeroes[48];
	struct course_sample_sh rings[COURSE_RINGS][COURSE_RING];
};
_Static_assert(sizeof(struct course_sh) == 2112, "layout above");
_Static_assert(offsetof(struct course_sh, rings) == 64, "layout above");

/* What the writer knows of what he wrote last; all zeroes at first. */
struct course_writer {
	uint64_t at[COURSE_RINGS];        /* the second, the minute that is not over */
	uint64_t totals[COURSE_RINGS][2]; /* ENDED, FAILED at its start */
};

/*
 * Note what there is at the moment `now` (ym_now_ns()): counts that only go up, and jobs. Writes a sample for
 * every second that is over; seconds in which nobody called get an equal part of what came.
 */
void course_note(struct course_sh *course, struct course_writer *writer, uint64_t now,
                 const uint64_t values[COURSE_VALUES]);

/*
 * The last `n` samples (at most COURSE_SAMPLES), the oldest first, up to the last one that is written, or, if that was long ago,
 * up to the moment `now`. Those that are not there are 0.
 */
void course_read(const struct course_sh *course, enum course_ring ring, uint64_t now, unsigned n,
                 uint32_t samples[][COURSE_VALUES]);

const char *course_word(enum course_value value);

#endif
