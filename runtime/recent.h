/*
 * recent.h - how long things took lately: what has come to the histograms of a pool in the last minute, and in the last hour.
 *
 * Histograms only grow, so what came lately is what there is now less what there was then. Now and then, once in each period
 * of 10 seconds, and once in each of 10 minutes, the master makes a copy of the pool's sums:
 *
 *   offset   part
 *   0        begun    1: there are copies. The first ones are of nothing, for so it began
 *   64       8 copies, one a period of 10 s; the one of period P stands at P % 8
 *   23616    8 copies, one a period of 10 min
 *
 * A copy is 2944 bytes: when it was made, and of each bucket the low half of its count, which does for differences; 46 KiB a
 * pool in all. A reader begins with the copy of six periods ago: what he sees is of the last 60 s to 70 s (less by how late an
 * idle master was). If that is not there, for there was no master, or the pool is younger, he takes the next one.
 *
 * One writer, the master, who keeps nothing of it in his head: the next one goes on. `at` is 0 while a copy is written, so a
 * half-written one is not used, whoever was killed over it; and what is written next is not among what is read.
 */
#ifndef YM_RUNTIME_RECENT_H
#define YM_RUNTIME_RECENT_H

#include <stdbool.h>

#include "histogram.h"

#define RECENT_RING 8
#define RECENT_BACK 6 /* periods */

/* Name, word for programs, word for people, length of a period in s. */
#define RECENT_MAP(X)                                                                                                  \
	X(MINUTE, "last_minute", "last minute", 10)                                                                    \
	X(HOUR, "last_hour", "last hour", 600)

#define X(name, key, word, seconds) RECENT_##name,
enum recent_span { RECENT_MAP(X) RECENT_SPANS };
#undef X

struct recent_counts_sh {
	_Atomic uint32_t counts[HISTOGRAM_BUCKETS];
	_Atomic uint64_t sum_ns;
};

struct recent_copy_sh {
	_Atomic uint64_t at; /* ym_now_ns(); 0: there is none, or it is being written */
	struct recent_counts_sh wait, run;
	char zeroes[40];
};
_Static_assert(sizeof(struct recent_copy_sh) == 2944, "layout above");

struct recent_sh {
	_Atomic uint32_t begun;
	char zeroes[60];
	struct recent_copy_sh rings[RECENT_SPANS][RECENT_RING];
};
_Static_assert(sizeof(struct recent_sh) == 47168, "layout above");
_Static_assert(offsetof(struct recent_sh, rings) == 64, "layout above");

/* What came since then. */
struct recent {
	uint64_t ns; /* so long ago; 0: nobody knows */
	struct histogram wait, run;
};

/* Is a copy to be made? */
bool recent_due(const struct recent_sh *recent, uint64_t now);
/* Make those that are due, of the sums of this moment. */
void recent_note(struct recent_sh *recent, uint64_t now, const struct histogram *wait, const struct histogram *run);

/* What came lately, up to the moment `now` of which the sums are. */
void recent_read(const struct recent_sh *from, enum recent_span span, uint64_t now, const struct histogram *wait,
                 const struct histogram *run, struct recent *recent);

const char *recent_key(enum recent_span span);
const char *recent_word(enum recent_span span);

#endif
