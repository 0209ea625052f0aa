/* limit.c - all limits of a pool, or none. */
#include "limit.h"

#include <unistd.h>

#include "../ipc/object.h"
#include "../ipc/sys.h"

/* Others hold a semaphore's attach lock for microseconds, unless they are stopped. */
#define ATTACH_PATIENCE_MS 10000

/* How long to sleep at once until units of the cluster may be taken again. */
#define OPENING_MS 5000

/* ---- attaching ------------------------------------------------------------------------------- */

/* What a guest made, its master could neither use nor remove: it waits for the master to make it again. */
static mode_t mode_for(const struct table_sh *table)
{
	uid_t cuid;
	key_t key;

	if (!ym_object_identity(YM_OBJECT_SEGMENT, table->head.shmid, &cuid, &key) || cuid == geteuid())
		return 0600;
	return 0600 | YM_SEM_EXISTING;
}

static int attach(struct limit_use *use, const struct table_limit_sh *limit, unsigned units, mode_t mode,
                  struct ym_err *err)
{
	int max = atomic_load(&limit->max), turn = atomic_load(&limit->turn);

	if (max == 0 && !use->shared)
		return 0;
	if (ym_sem_get(&use->sem, limit->key, max, mode, ym_deadline(ATTACH_PATIENCE_MS), err) < 0)
		return -1;
	use->units = units;
	return turn == 0 ? 0 : ym_sem_get(&use->turn, turn, 1, mode, ym_deadline(ATTACH_PATIENCE_MS), err);
}

static struct limit_use *add_use(struct limit_set *set, unsigned limit, struct rate_sh *rate)
{
	struct limit_use *use = &set->uses[set->count];

	*use = (struct limit_use){.limit = limit, .rate = rate, .sem.id = -1, .turn.id = -1};
	return use;
}

int limit_set_open(struct limit_set *set, struct table_sh *table, unsigned pool, struct ym_err *err)
{
	struct table_pool_sh *row = &table->pools[pool];
	unsigned n = atomic_load(&row->nlimits);
	mode_t mode = mode_for(table);

	set->table = table;
	set->count = 0;
	for (unsigned i = 0; i < n && i < TABLE_POOL_LIMITS; i++) {
		unsigned index = atomic_load(&row->limits[i].limit) % TABLE_LIMITS;
		struct table_limit_sh *limit = &table->limits[index];
		struct limit_use *use = add_use(set, index, &limit->rate);

		set->count++;
		use->shared = atomic_load(&limit->whole) ? limit : NULL;
		if (attach(use, limit, atomic_load(&row->limits[i].units), mode, err) < 0) {
			limit_set_close(set);
			return ym_err_prefix(err, "limit %s", limit->name);
		}
	}
	add_use(set, LIMIT_POOL_RATE, &row->rate);
	return 0;
}

static void close_sem(struct ym_sem *sem, bool gone)
{
	/* One without units has none. */
	int id = sem->pid == getpid() ? sem->id : -1;

	ym_sem_close(sem);
	/* Whoever uses it keeps it. */
	if (gone && id >= 0)
		ym_sem_remove_unused(id, 0, NULL);
}

static void close_uses(struct limit_set *set, bool gone)
{
	while (set->count > 0) {
		struct limit_use *use = &set->uses[--set->count];

		close_sem(&use->turn, gone);
		close_sem(&use->sem, gone);
	}
}

void limit_set_close(struct limit_set *set)
{
	close_uses(set, false);
}

void limit_set_abandon(struct limit_set *set)
{
	close_uses(set, true);
}

/* ---- saying what is waited for --------------------------------------------------------------- */

struct wait {
	limit_waiting *tell;
	void *arg;
	const struct limit_use *told;
};

static void wait_for(struct wait *wait, const struct limit_use *use)
{
	if (wait->tell && wait->told != use)
		wait->tell(wait->arg, use->limit);
	wait->told = use;
}

static int use_failed(const struct limit_set *set, const struct limit_use *use, struct ym_err *err)
{
	return ym_err_prefix(err, "limit %s", set->table->limits[use->limit].name);
}

/* ---- units ----------------------------------------------------------------------------------- */

void limit_set_give_all(struct limit_set *set)
{
	for (unsigned i = set->count; i > 0; i--) {
		struct limit_use *use = &set->uses[i - 1];

		/* It fails when the semaphore was removed, and then nothing is held. */
		if (use->taken > 0)
			ym_sem_release_units(&use->sem, use->taken, NULL);
		use->taken = 0;
	}
}

/* May units be taken that belong to all nodes? */
static bool is_open(const struct limit_use *use)
{
	return !use->shared || ym_now_ns() < atomic_load(&use->shared->until);
}

/* Not any more? Then what was taken is given back: true. */
static bool was_closed(struct limit_use *use)
{
	if (is_open(use))
		return false;
	ym_sem_release_units(&use->sem, use->taken, NULL);
	use->taken = 0;
	return true;
}

/* Sleep until they may be taken again, or it is worth a look. 0, or 1: a signal came. */
static int await_opening(struct limit_use *use)
{
	uint32_t seen = atomic_load(&use->shared->opened);

	return !is_open(use) && table_sleep_on(&use->shared->opened, seen, ym_deadline(OPENING_MS));
}

/* 0 taken, 1 too few are free, or it is somebody else's turn, -1 error. */
static int try_use(struct limit_use *use, struct ym_err *err)
{
	int result;

	if (!is_open(use))
		return 1;
	/* Who takes the turn a moment after this look comes a moment after us. */
	if (use->turn.id >= 0 && ym_sem_value(use->turn.id, YM_SEM_VALUE) == 0)
		return 1;
	result = ym_sem_try_units(&use->sem, use->units, err);
	if (result != 0)
		return result;
	use->taken = use->units;
	return was_closed(use);
}

/* Take what is not taken yet. 0, or 1 and the use that lacks units, or -1 and the one that failed. */
static int try_all(struct limit_set *set, struct limit_use **which, struct ym_err *err)
{
	for (unsigned i = 0; i < set->count; i++) {
		int result;

		*which = &set->uses[i];
		result = (*which)->taken == (*which)->units ? 0 : try_use(*which, err);
		if (result != 0)
			return result;
	}
	return 0;
}

/* Sleep until the units of this one are ours, or may be had again. 0, 1 a signal came, -1 error. */
static int await_use(struct limit_use *use, struct ym_err *err)
{
	bool turns = use->turn.id >= 0;
	int result;

	if (!is_open(use))
		return await_opening(use);
	result = turns ? ym_sem_wait_units(&use->turn, 1, YM_NEVER, err) : 0;
	if (result != 0)
		return result;
	result = ym_sem_wait_units(&use->sem, use->units, YM_NEVER, err);
	if (result == 0) {
		use->taken = use->units;
		was_closed(use);
	}
	if (turns && ym_sem_release(&use->turn, result < 0 ? NULL : err) < 0)
		return -1;
	return result;
}

/* Nothing is held while it sleeps, and nothing unless it returns 0. */
static int take_units(struct limit_set *set, struct wait *wait, struct ym_err *err)
{
	struct limit_use *use;
	int result;

	while ((result = try_all(set, &use, err)) == 1) {
		limit_set_give_all(set);
		wait_for(wait, use);
		result = await_use(use, err);
		if (result != 0)
			break;
	}
	if (result == 0)
		return 0;
	limit_set_give_all(set);
	return result < 0 ? use_failed(set, use, err) : 1;
}

/* ---- rates ----------------------------------------------------------------------------------- */

/* Sleep until every rate may allow a start. 0, or 1: a signal came. */
static int await_rates(struct limit_set *set, struct wait *wait)
{
	for (;;) {
		uint64_t now = ym_now_ns(), until = now;
		struct limit_use *last = NULL;

		for (unsigned i = 0; i <= set->count; i++) {
			struct limit_use *use = &set->uses[i];
			uint64_t when = rate_is_set(use->rate) ? rate_when(use->rate, &use->place, now) : now;

			if (when > until) {
				until = when;
				last = use;
			}
		}
		if (!last)
			return 0;
		wait_for(wait, last);
		if (rate_sleep(last->rate, &last->place, until))
			return 1;
	}
}

static void unclaim_rates(struct limit_set *set, unsigned count)
{
	while (count > 0) {
		struct limit_use *use = &set->uses[--count];

		rate_unclaim(use->rate, &use->place);
	}
}

static bool claim_rates(struct limit_set *set)
{
	uint64_t now = ym_now_ns();

	for (unsigned i = 0; i <= set->count; i++)
		if (!rate_claim(set->uses[i].rate, &set->uses[i].place, now)) {
			unclaim_rates(set, i);
			return false;
		}
	return true;
}

/* ---- both ------------------------------------------------------------------------------------ */

int limit_set_take_all(struct limit_set *set, limit_waiting *waiting, void *arg, struct ym_err *err)
{
	struct wait wait = {.tell = waiting, .arg = arg};

	for (;;) {
		int result = await_rates(set, &wait);

		if (result == 0)
			result = take_units(set, &wait, err);
		if (result != 0)
			return result;
		if (claim_rates(set))
			return 0;
		limit_set_give_all(set);
	}
}

void limit_set_return(struct limit_set *set)
{
	unclaim_rates(set, set->count + 1);
	limit_set_give_all(set);
}

int limit_free(const struct table_limit_sh *limit)
{
	return ym_sys.semctl(atomic_load(&limit->id), YM_SEM_VALUE, GETVAL, (union ym_semun){0});
}
