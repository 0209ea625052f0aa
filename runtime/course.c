/* course.c - samples, one a second and one a minute. */
#include "course.h"

#include <stdbool.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)
/* An idle master looks every two seconds: so late may the last sample be. */
#define LATE 4

static const uint64_t seconds_of[COURSE_RINGS] = {[COURSE_SECONDS] = 1, [COURSE_MINUTES] = 60};

static uint32_t narrow(uint64_t value)
{
	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static void write_sample(struct course_sh *course, enum course_ring ring, uint64_t at,
                         const uint64_t values[COURSE_VALUES])
{
	struct course_sample_sh *sample = &course->rings[ring][at % COURSE_RING];

	for (int i = 0; i < COURSE_VALUES; i++)
		atomic_store_explicit(&sample->values[i], narrow(values[i]), memory_order_relaxed);
}

/* The times from `from` up to `to`, which is not over. They share what came in them. */
static void write_ring(struct course_sh *course, enum course_ring ring, uint64_t from, uint64_t to, uint64_t before[2],
                       const uint64_t values[COURSE_VALUES])
{
	uint64_t shares = to - from, came[2];

	for (int i = 0; i < 2; i++) {
		came[i] = values[i] > before[i] ? values[i] - before[i] : 0;
		before[i] = values[i];
	}
	/* More than the ring holds: the oldest would be written over at once. */
	for (uint64_t at = shares > COURSE_RING ? to - COURSE_RING : from; at < to; at++) {
		uint64_t done = at - from, sample[COURSE_VALUES];

		memcpy(sample, values, sizeof(sample));
		for (int i = 0; i < 2; i++)
			sample[i] = came[i] * (done + 1) / shares - came[i] * done / shares;
		write_sample(course, ring, at, sample);
	}
	atomic_store_explicit(&course->last[ring], to - 1, memory_order_release);
}

/* Somebody else wrote it last: an earlier master, or another pool had the row. What is between was nobody's. */
static void begin(struct course_sh *course, enum course_ring ring, uint64_t at)
{
	static const uint64_t nothing[COURSE_VALUES];
	uint64_t last = atomic_load(&course->last[ring]), from = last + 1;

	if (last == 0 || last >= at)
		return;
	if (at - from > COURSE_RING)
		from = at - COURSE_RING;
	for (; from < at; from++)
		write_sample(course, ring, from, nothing);
}

void course_note(struct course_sh *course, struct course_writer *writer, uint64_t now,
                 const uint64_t values[COURSE_VALUES])
{
	for (enum course_ring ring = 0; ring < COURSE_RINGS; ring++) {
		uint64_t at = now / SECOND_NS / seconds_of[ring];

		if (writer->at[ring] == 0) {
			begin(course, ring, at);
			memcpy(writer->totals[ring], values, sizeof(writer->totals[ring]));
		} else if (at > writer->at[ring]) {
			write_ring(course, ring, writer->at[ring], at, writer->totals[ring], values);
		}
		writer->at[ring] = at;
	}
}

void course_read(const struct course_sh *course, enum course_ring ring, uint64_t now, unsigned n,
                 uint32_t samples[][COURSE_VALUES])
{
	uint64_t last = atomic_load_explicit(&course->last[ring], memory_order_acquire);
	uint64_t end = now / SECOND_NS / seconds_of[ring];

	if (end > last && end <= last + LATE)
		end = last + 1;
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = end - n + i;
		bool there = at <= last && at + COURSE_SAMPLES > last;

		for (int value = 0; value < COURSE_VALUES; value++)
			samples[i][value] =
			    there ? atomic_load_explicit(&course->rings[ring][at % COURSE_RING].values[value],
			                                 memory_order_relaxed)
				  : 0;
	}
}

const char *course_word(enum course_value value)
{
	static const char *const words[] = {
#define X(name, word) word,
	    COURSE_MAP(X)
#undef X
	};

	return words[value];
}
