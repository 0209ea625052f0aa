/* recent.c - copies of sums, and what came since. */
#include "recent.h"

#define SECOND_NS UINT64_C(1000000000)

static const uint64_t periods[RECENT_SPANS] = {
#define X(name, key, word, seconds) [RECENT_##name] = seconds * SECOND_NS,
    RECENT_MAP(X)
#undef X
};

static const struct {
	const char *key, *word;
} words[RECENT_SPANS] = {
#define X(name, key, word, seconds) [RECENT_##name] = {key, word},
    RECENT_MAP(X)
#undef X
};

const char *recent_key(enum recent_span span)
{
	return words[span].key;
}

const char *recent_word(enum recent_span span)
{
	return words[span].word;
}

/* ---- the writer -------------------------------------------------------------------------------- */

static bool has_copy(const struct recent_sh *recent, enum recent_span span, uint64_t now)
{
	uint64_t period = now / periods[span];
	uint64_t at = atomic_load_explicit(&recent->rings[span][period % RECENT_RING].at, memory_order_relaxed);

	return at != 0 && at / periods[span] == period;
}

bool recent_due(const struct recent_sh *recent, uint64_t now)
{
	for (enum recent_span span = 0; span < RECENT_SPANS; span++)
		if (!has_copy(recent, span, now))
			return true;
	return false;
}

static void write_counts(struct recent_counts_sh *to, const struct histogram *from)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		atomic_store_explicit(&to->counts[i], (uint32_t)from->counts[i], memory_order_relaxed);
	atomic_store_explicit(&to->sum_ns, from->sum_ns, memory_order_relaxed);
}

void recent_note(struct recent_sh *recent, uint64_t now, const struct histogram *wait, const struct histogram *run)
{
	static const struct histogram nothing;
	bool first = !atomic_load(&recent->begun);

	for (enum recent_span span = 0; span < RECENT_SPANS; span++) {
		struct recent_copy_sh *copy = &recent->rings[span][now / periods[span] % RECENT_RING];

		if (has_copy(recent, span, now))
			continue;
		atomic_store_explicit(&copy->at, 0, memory_order_relaxed);
		atomic_thread_fence(memory_order_release);
		write_counts(&copy->wait, first ? &nothing : wait);
		write_counts(&copy->run, first ? &nothing : run);
		atomic_store_explicit(&copy->at, now, memory_order_release);
	}
	atomic_store(&recent->begun, 1);
}

/* ---- readers ----------------------------------------------------------------------------------- */

/* A sum that was taken while counts moved from a worker to its pool may lack some. */
static void subtract(const struct recent_counts_sh *then, const struct histogram *now, struct histogram *out)
{
	uint64_t sum = now->sum_ns - atomic_load_explicit(&then->sum_ns, memory_order_relaxed);

	out->n = 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint32_t came = (uint32_t)now->counts[i] - atomic_load_explicit(&then->counts[i], memory_order_relaxed);

		out->counts[i] = came > INT32_MAX ? 0 : came;
		out->n += out->counts[i];
	}
	out->sum_ns = sum > INT64_MAX ? 0 : sum;
}

static bool read_copy(const struct recent_copy_sh *copy, uint64_t period_ns, uint64_t period, uint64_t now,
                      const struct histogram *wait, const struct histogram *run, struct recent *recent)
{
	uint64_t at = atomic_load_explicit(&copy->at, memory_order_acquire);

	if (at == 0 || at / period_ns != period || at > now)
		return false;
	subtract(&copy->wait, wait, &recent->wait);
	subtract(&copy->run, run, &recent->run);
	atomic_thread_fence(memory_order_acquire);
	recent->ns = now - at;
	return atomic_load_explicit(&copy->at, memory_order_relaxed) == at;
}

void recent_read(const struct recent_sh *from, enum recent_span span, uint64_t now, const struct histogram *wait,
                 const struct histogram *run, struct recent *recent)
{
	uint64_t last = now / periods[span];

	for (uint64_t period = last > RECENT_BACK ? last - RECENT_BACK : 0; period <= last; period++)
		if (read_copy(&from->rings[span][period % RECENT_RING], periods[span], period, now, wait, run, recent))
			return;
	*recent = (struct recent){0};
}
