/* park.c - park and unpark. */
#include "park.h"

#include "../ipc/sys.h"
#include "bell.h"
#include "feed.h"
#include "limit.h"

void dispatch_park(struct instance *instance, uint32_t slot, uint64_t word, unsigned limit)
{
	struct table_sh *table = instance->table;
	struct job_sh *job = table_job(table, slot);
	struct table_limit_sh *row = &table->limits[limit];

	if (!table_change(table, slot, &word, JOB_FINISHING, word_owner(word), word_attempt(word)))
		return;
	job->parked_on = (uint16_t)limit;
	job->deadline = 0;
	job->finished = ym_now_ns(); /* in case it was cancelled meanwhile */
	if (!table_change(table, slot, &word, JOB_PARKED, 0, word_attempt(word) - 1))
		return;
	if (word_state(word) == JOB_CANCELLED) {
		table_over(table, slot, word);
		return;
	}
	/* A unit given back between our try and the park was seen by nobody as a reason to wake this job: look again.
	 */
	atomic_store(&row->parked, 1);
	if (limit_free(row) > 0)
		dispatch_unpark(instance, limit, 1);
	else
		bell_ring(instance->directory);
}

static int64_t oldest_parked(struct table_sh *table, unsigned limit, uint64_t *word, bool *more)
{
	int64_t best = -1;
	uint64_t best_id = UINT64_MAX;

	*more = false;
	for (uint32_t slot = 0; slot < table->slots; slot++) {
		uint64_t seen = atomic_load(&table->words[slot]);
		const struct job_sh *job = table_job(table, slot);

		if (word_state(seen) != JOB_PARKED || job->parked_on != limit)
			continue;
		*more = best >= 0;
		if (job->id < best_id) {
			best_id = job->id;
			best = slot;
			*word = seen;
		}
	}
	return best;
}

void dispatch_unpark(struct instance *instance, unsigned limit, unsigned units)
{
	struct table_sh *table = instance->table;
	struct table_limit_sh *row = &table->limits[limit];
	bool more = true;

	if (!atomic_load(&row->parked))
		return;
	/* Cleared before the look, set again if jobs remain: a job parked meanwhile sets it after us. */
	atomic_store(&row->parked, 0);
	while (units > 0) {
		uint64_t word;
		int64_t slot = oldest_parked(table, limit, &word, &more);

		if (slot < 0)
			return;
		if (!table_change(table, (uint32_t)slot, &word, JOB_READY, 0, word_attempt(word)))
			continue;
		table_job(table, (uint32_t)slot)->ready = ym_now_ns();
		dispatch_announce(instance, (uint32_t)slot, word);
		units--;
	}
	if (more)
		atomic_store(&row->parked, 1);
}
