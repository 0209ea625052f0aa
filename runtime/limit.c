/* limit.c - all limits of a pool, or none. */
#include "limit.h"

#include "../ipc/sys.h"

/* Others hold a semaphore's attach lock for microseconds, unless they are stopped. */
#define ATTACH_PATIENCE_MS 10000

int limit_set_open(struct limit_set *set, struct table_sh *table, unsigned pool, struct ym_err *err)
{
	const struct table_pool_sh *row = &table->pools[pool];
	unsigned n = atomic_load(&row->nlimits);

	set->count = 0;
	for (unsigned i = 0; i < n && i < TABLE_POOL_LIMITS; i++) {
		unsigned index = atomic_load(&row->limits[i]) % TABLE_LIMITS;
		const struct table_limit_sh *limit = &table->limits[index];

		if (ym_sem_get(&set->sems[set->count], limit->key, atomic_load(&limit->max), 0600,
		               ym_deadline(ATTACH_PATIENCE_MS), err) < 0) {
			limit_set_close(set);
			return ym_err_prefix(err, "limit %s", limit->name);
		}
		set->index[set->count++] = index;
	}
	return 0;
}

void limit_set_close(struct limit_set *set)
{
	while (set->count > 0)
		ym_sem_close(&set->sems[--set->count]);
}

int limit_set_take(struct limit_set *set, unsigned *lacking, struct ym_err *err)
{
	for (unsigned i = 0; i < set->count; i++) {
		int result = ym_sem_try(&set->sems[i], err);

		if (result == 0)
			continue;
		*lacking = set->index[i];
		while (i > 0)
			ym_sem_release(&set->sems[--i], NULL);
		return result;
	}
	return 0;
}

void limit_set_give(struct limit_set *set)
{
	for (unsigned i = set->count; i > 0; i--)
		if (set->sems[i - 1].held)
			ym_sem_release(&set->sems[i - 1], NULL);
}

int limit_free(const struct table_limit_sh *limit)
{
	return ym_sys.semctl(atomic_load(&limit->id), YM_SEM_VALUE, GETVAL, (union ym_semun){0});
}
