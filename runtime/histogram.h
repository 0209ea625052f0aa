/*
 * histogram.h - how long things took: counts by size, in shared memory, cheap to add to.
 *
 * Buckets are 8 steps to each power of two (a value is known to 1/8 of itself), from 1 ns to some 39 hours; what is longer is
 * in the last one. After an idea of Gil Tene (HdrHistogram).
 *
 *   struct histogram_sh   one process, and in it one thread, adds; anybody reads. Counts only go up, so a reader that sees
 *                         some of an addition is wrong by one, for a moment
 *   struct histogram      a reader's own: the sum of some
 */
#ifndef YM_RUNTIME_HISTOGRAM_H
#define YM_RUNTIME_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BITS    3 /* steps: 8 */
#define HISTOGRAM_OCTAVES 47
#define HISTOGRAM_BUCKETS ((HISTOGRAM_OCTAVES - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS)

struct histogram_sh {
	_Atomic uint64_t counts[HISTOGRAM_BUCKETS];
	_Atomic uint64_t sum_ns;
	char zeroes[56];
};
_Static_assert(sizeof(struct histogram_sh) == 2944, "whole cache lines: neighbours have other writers");

struct histogram {
	uint64_t counts[HISTOGRAM_BUCKETS];
	uint64_t n, sum_ns;
};

/* Bucket of a value. */
static inline unsigned histogram_bucket(uint64_t ns)
{
	unsigned octave;

	if (ns < 1u << HISTOGRAM_BITS)
		return (unsigned)ns;
	octave = 63 - (unsigned)__builtin_clzll(ns);
	if (octave >= HISTOGRAM_OCTAVES)
		return HISTOGRAM_BUCKETS - 1;
	return (octave - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS |
	       ((unsigned)(ns >> (octave - HISTOGRAM_BITS)) & ((1u << HISTOGRAM_BITS) - 1));
}

/* One writer: no need for a locked add. */
static inline void histogram_bump(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by, memory_order_relaxed);
}

static inline void histogram_add(struct histogram_sh *histogram, uint64_t ns)
{
	histogram_bump(&histogram->counts[histogram_bucket(ns)], 1);
	histogram_bump(&histogram->sum_ns, ns);
}

/*
 * Everything goes over to another one. Nobody adds to `from` meanwhile; one writer of `to`. Who is killed in the middle, or
 * reads in the middle, may find a count in both, but none gone.
 */
void histogram_move(struct histogram_sh *to, struct histogram_sh *from);

/* Add what is there to a sum. */
void histogram_sum(struct histogram *to, const struct histogram_sh *from);

/* Smallest value of a bucket; of the one behind the last: the end. */
uint64_t histogram_floor(unsigned bucket);

/* The value that a share (0.99) of all do not exceed, in the middle of its bucket; 0 when there are none. */
uint64_t histogram_at(const struct histogram *histogram, double share);

/* The mean; 0 when there are none. */
uint64_t histogram_mean(const struct histogram *histogram);

#endif
