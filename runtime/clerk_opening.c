/* clerk_opening.c - from a store that is closed to one that can be written to: pools, ids, what an earlier run has left. */
#include <stdlib.h>

#include "../ipc/sys.h"
#include "clerk_self.h"

struct ids {
	uint64_t *ids;
	size_t n;
};

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool is_in_table(void *arg, uint64_t id)
{
	const struct ids *known = arg;

	return known->n > 0 && bsearch(&id, known->ids, known->n, sizeof(id), compare_ids) != NULL;
}

int clerk_recover(struct clerk *clerk, struct ym_err *err)
{
	struct table_sh *table = clerk->instance->table;
	struct ids known = {.ids = malloc(table->slots * sizeof(uint64_t))};
	uint64_t n = 0;
	int result;

	if (!known.ids)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	/* What a clerk before us, or we, may have written without saying so is submitted again as it is. */
	for (uint32_t slot = 0; slot < table->slots; slot++) {
		uint64_t word = atomic_load(&table->words[slot]);

		if ((word_flags(word) & JOB_STORED) ||
		    (word_state(word) == JOB_STORING && (word_flags(word) & JOB_TAKEN)))
			known.ids[known.n++] = table_job(table, slot)->id;
	}
	qsort(known.ids, known.n, sizeof(*known.ids), compare_ids);
	result = clerk->driver->recover(clerk->store, is_in_table, &known, &n, err);
	free(known.ids);
	if (result == 0 && n > 0)
		clerk_say(clerk, LOG_INFO, "%llu job%s that had been in the table of an earlier run wait%s again",
		          (unsigned long long)n, n == 1 ? "" : "s", n == 1 ? "s" : "");
	return result;
}

int clerk_reserve(struct clerk *clerk, struct ym_err *err)
{
	struct table_sh *table = clerk->instance->table;
	struct clerk_range range = {0};
	uint64_t next;

	if (clerk->driver->reserve(clerk->store, &range.start, &range.end, err) < 0)
		return -1;
	clerk->ranges[1] = clerk->ranges[0];
	clerk->ranges[0] = range;
	next = atomic_load(&table->next_id);
	/* Ids of this table from before are still on their way; if it was given none, those in it are others'. */
	if (range.end == UINT64_MAX)
		clerk->ranges[0].start = 1;
	else if (clerk->ranges[1].end == 0 && atomic_load(&table->id_end) != UINT64_MAX)
		clerk->ranges[1] = (struct clerk_range){atomic_load(&table->id_start), atomic_load(&table->id_end)};
	while ((range.end == UINT64_MAX ? next < range.start : next < range.start || next >= range.end) &&
	       !atomic_compare_exchange_weak(&table->next_id, &next, range.start))
		;
	atomic_store(&table->id_start, range.start);
	atomic_store(&table->id_end, range.end);
	return 0;
}

int clerk_apply_pools(struct clerk *clerk, struct ym_err *err)
{
	struct store_pool *pools;
	size_t n;
	int result;

	pthread_mutex_lock(&clerk->mutex);
	pools = clerk->pools;
	n = clerk->npools;
	clerk->pools = NULL;
	pthread_mutex_unlock(&clerk->mutex);
	if (!pools)
		return 0;
	result = clerk->driver->configure(clerk->store, pools, n, err);
	pthread_mutex_lock(&clerk->mutex);
	if (result < 0 && !clerk->pools) {
		clerk->pools = pools;
		pools = NULL;
	}
	pthread_mutex_unlock(&clerk->mutex);
	free(pools);
	/* A pool may have come, or come back, and jobs may wait for it there. */
	clerk->active = true;
	clerk->look = 0;
	atomic_store(&clerk->refetch, true);
	return result;
}

static int open_store(struct clerk *clerk, struct ym_err *err)
{
	if (clerk->driver->open(&clerk->store, &clerk->store_options, err) < 0) {
		clerk->store = NULL;
		return -1;
	}
	if (clerk_apply_pools(clerk, err) < 0 || clerk_reserve(clerk, err) < 0 || clerk_recover(clerk, err) < 0) {
		clerk->driver->abandon(clerk->store);
		clerk->store = NULL;
		return -1;
	}
	clerk_adopt(clerk);
	if (clerk->driver->holds && clerk_check_holds(clerk, err) < 0) {
		clerk->driver->abandon(clerk->store);
		clerk->store = NULL;
		return -1;
	}
	clerk_count(clerk);
	return 0;
}

bool clerk_have_store(struct clerk *clerk)
{
	struct ym_err err = {0};
	int result;

	if (clerk->store)
		return true;
	if (clerk->troubled && ym_now_ns() < clerk->retry)
		return false;
	result = open_store(clerk, &err);
	if (result < 0)
		clerk_have_trouble(clerk, &err);
	else
		clerk_be_well(clerk);
	pthread_mutex_lock(&clerk->mutex);
	if (!clerk->tried)
		clerk->first = err;
	clerk->tried = true;
	pthread_cond_broadcast(&clerk->changed);
	pthread_mutex_unlock(&clerk->mutex);
	return result == 0;
}
