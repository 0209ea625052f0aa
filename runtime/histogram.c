/* histogram.c - sums and percentiles. */
#include "histogram.h"

void histogram_move(struct histogram_sh *to, struct histogram_sh *from)
{
	uint64_t sum = atomic_load_explicit(&from->sum_ns, memory_order_relaxed);

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t count = atomic_load_explicit(&from->counts[i], memory_order_relaxed);

		/* Most are empty: pages that nobody needs are not touched. */
		if (count == 0)
			continue;
		histogram_bump(&to->counts[i], count);
		atomic_store_explicit(&from->counts[i], 0, memory_order_release);
	}
	if (sum) {
		histogram_bump(&to->sum_ns, sum);
		atomic_store_explicit(&from->sum_ns, 0, memory_order_release);
	}
}

void histogram_sum(struct histogram *to, const struct histogram_sh *from)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t count = atomic_load_explicit(&from->counts[i], memory_order_relaxed);

		to->counts[i] += count;
		to->n += count;
	}
	to->sum_ns += atomic_load_explicit(&from->sum_ns, memory_order_relaxed);
}

uint64_t histogram_floor(unsigned bucket)
{
	unsigned octave = bucket >> HISTOGRAM_BITS, step = bucket & ((1u << HISTOGRAM_BITS) - 1);

	if (octave == 0)
		return bucket;
	return (uint64_t)(step | 1u << HISTOGRAM_BITS) << (octave - 1);
}

uint64_t histogram_at(const struct histogram *histogram, double share)
{
	double exact = (double)histogram->n * share;
	uint64_t seen = 0, rank = (uint64_t)exact;

	if (histogram->n == 0)
		return 0;
	/* Of so many the smallest ones, the last. */
	if (rank > 0 && (double)rank == exact)
		rank--;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->counts[i];
		if (seen > rank)
			return histogram_floor(i) + (histogram_floor(i + 1) - 1 - histogram_floor(i)) / 2;
	}
	return histogram_floor(HISTOGRAM_BUCKETS);
}

uint64_t histogram_mean(const struct histogram *histogram)
{
	return histogram->n ? histogram->sum_ns / histogram->n : 0;
}
