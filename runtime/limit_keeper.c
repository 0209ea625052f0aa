/* limit_keeper.c - make, repair and resize limits. */
#include "limit_keeper.h"

#include <stdio.h>
#include <string.h>

#include "../ipc/key.h"
#include "../ipc/sys.h"
#include "limit.h"
#include "log.h"

/* At run time nothing may hold the master up: who attaches needs microseconds, unless he is stopped. */
#define REPAIR_PATIENCE_MS 50

static int row_for(const struct table_sh *table, const char *name)
{
	int index = table_limit(table, name);

	for (int i = 0; index < 0 && i < TABLE_LIMITS; i++)
		if (!atomic_load(&table->limits[i].used))
			index = i;
	return index;
}

static void object_name(const char *kind, const char *limit, char out[YM_OBJECT_NAME_MAX])
{
	snprintf(out, YM_OBJECT_NAME_MAX, "%s.%s", kind, limit);
}

/* The key of a semaphore of our own, behind a key file. */
static int own_key(struct limit_keeper *keeper, const char *name, size_t units, key_t *key, struct ym_err *err)
{
	struct ym_registry_sh *reg = keeper->instance->group.reg;
	struct ym_entry_sh *entry = ym_registry_find(reg, name);

	if (entry && !ym_registry_exists(entry)) {
		ym_registry_drop(entry);
		entry = NULL;
	}
	if (entry && !ym_registry_is_own(reg, entry)) {
		ym_registry_retire(entry);
		entry = NULL;
	}
	if (!entry && ym_registry_add(reg, YM_OBJECT_SEMAPHORE, name, units, 0, 0, NULL, err) < 0)
		return -1;
	*key = ym_registry_find(reg, name)->key;
	return 0;
}

/* The key of a limit: the configured one, or one of its own. */
static int key_for(struct limit_keeper *keeper, const struct cfg_limit *config, key_t *key, struct ym_err *err)
{
	char name[YM_OBJECT_NAME_MAX];

	if (config->key)
		return ym_key_parse(config->key, key, err);
	object_name("limit", config->name, name);
	return own_key(keeper, name, (size_t)config->max, key, err);
}

/*
 * Free units that are not counted: other programs gave them back which had them before we came, or a master was killed
 * while it changed their number.
 */
static void find_more(const struct limit_keeper *keeper, unsigned index)
{
	struct table_limit_sh *limit = &keeper->instance->table->limits[index];
	int units = limit_free(limit);

	if ((atomic_load(&limit->whole) || !keeper->foreign[index]) && units > atomic_load(&limit->max))
		atomic_store(&limit->max, units);
}

/* Bring the number of units to the configured one, as far as enough of them are free. */
static void resize(struct limit_keeper *keeper, unsigned index)
{
	struct table_limit_sh *limit = &keeper->instance->table->limits[index];
	int max, wanted = keeper->wanted[index];

	find_more(keeper, index);
	max = atomic_load(&limit->max);
	while (max != wanted) {
		int step = wanted > max ? wanted - max : -1;

		/* Who is killed in here leaves more units than are counted, never fewer: those are found when they are free. */
		if (step < 0)
			atomic_store(&limit->max, max + step);
		/* One by one downwards: each unit goes when it comes back. */
		if (ym_sem_resize(&keeper->sems[index], step, ym_deadline(0), NULL) < 0)
			break;
		max += step;
		atomic_store(&limit->max, max);
	}
	atomic_store(&limit->max, max);
}

/* Let units be taken that belong to all nodes, or not. */
static void set_until(struct table_limit_sh *limit, uint64_t until)
{
	bool was_open = atomic_exchange(&limit->until, until) > ym_now_ns();

	if (was_open || until == 0)
		return;
	atomic_fetch_add(&limit->opened, 1);
	table_wake_all(&limit->opened);
}

/* Closed before it becomes smaller: who waits in the kernel would be faster than we are. */
static void resize_shared(struct limit_keeper *keeper, unsigned index)
{
	struct table_limit_sh *limit = &keeper->instance->table->limits[index];

	if (atomic_load(&limit->max) > keeper->wanted[index])
		set_until(limit, 0);
	resize(keeper, index);
	set_until(limit, atomic_load(&limit->max) > keeper->wanted[index] ? 0 : keeper->until[index]);
}

static int attach_one(struct limit_keeper *keeper, struct ym_sem *sem, const char *kind, const char *limit, key_t key,
                      int max, int64_t patience_ms, struct ym_err *err)
{
	struct ym_registry_sh *reg = keeper->instance->group.reg;
	char name[YM_OBJECT_NAME_MAX];

	object_name(kind, limit, name);
	/* Before there is one: who clears up after us if we are killed must know of it. */
	if (ym_registry_note(reg, YM_OBJECT_SEMAPHORE, name, key, -1, (size_t)max, err) < 0 ||
	    ym_sem_get(sem, key, max, 0600, ym_deadline(patience_ms), err) < 0)
		return -1;
	ym_registry_find(reg, name)->id = sem->id;
	return 0;
}

static int attach(struct limit_keeper *keeper, unsigned index, int64_t patience_ms, struct ym_err *err)
{
	struct table_limit_sh *limit = &keeper->instance->table->limits[index];
	struct ym_sem *sem = &keeper->sems[index];
	key_t turn = atomic_load(&limit->turn);

	if (attach_one(keeper, sem, "limit", limit->name, limit->key, keeper->wanted[index], patience_ms, err) < 0)
		return -1;
	if (turn && attach_one(keeper, &keeper->turns[index], "turn", limit->name, turn, 1, patience_ms, err) < 0) {
		ym_sem_close(sem);
		return -1;
	}
	keeper->open[index] = true;
	if (sem->alone)
		atomic_store(&limit->max, keeper->wanted[index]);
	atomic_store(&limit->id, sem->id);
	return 0;
}

static void detach(struct limit_keeper *keeper, unsigned index)
{
	if (!keeper->open[index])
		return;
	keeper->open[index] = false;
	ym_sem_close(&keeper->sems[index]);
	if (atomic_load(&keeper->instance->table->limits[index].turn))
		ym_sem_close(&keeper->turns[index]);
}

/* Where a pool takes several units at once, those who wait take turns (limit.h). */
static int enter_turn(struct limit_keeper *keeper, struct table_limit_sh *limit, bool several, struct ym_err *err)
{
	char name[YM_OBJECT_NAME_MAX];
	key_t key = 0;

	object_name("turn", limit->name, name);
	if (several && own_key(keeper, name, 1, &key, err) < 0)
		return -1;
	atomic_store(&limit->turn, key);
	return 0;
}

/* The semaphore of a limit that has one. `known`: it was entered before, with the same key. */
static int enter_units(struct limit_keeper *keeper, unsigned index, const struct cfg_limit *config, bool several,
                       struct ym_err *err)
{
	struct table_limit_sh *limit = &keeper->instance->table->limits[index];
	bool known;
	key_t key;

	if (key_for(keeper, config, &key, err) < 0)
		return -1;
	keeper->foreign[index] = config->key != NULL;
	known = atomic_load(&limit->used) && limit->key == key;
	limit->key = key;
	if (!known)
		atomic_store(&limit->max, keeper->wanted[index]);
	if (enter_turn(keeper, limit, several, err) < 0 || attach(keeper, index, INSTANCE_PATIENCE_MS, err) < 0)
		return -1;
	if (!known && !keeper->sems[index].alone && !atomic_load(&limit->whole))
		log_line(LOG_INFO,
		         "limit %s: key 0x%x is already used by another program: its number of units counts, not `max`",
		         config->name, (unsigned)key);
	if (atomic_load(&limit->whole)) {
		resize_shared(keeper, index);
		return 0;
	}
	resize(keeper, index);
	if (atomic_load(&limit->max) != config->max)
		log_line(LOG_INFO, "limit %s: still %d units, %d when those in use are given back", config->name,
		         atomic_load(&limit->max), (int)config->max);
	return 0;
}

/* How many units: of those that all nodes share, those that were granted stay while the file is loaded anew. */
static void set_wanted(struct limit_keeper *keeper, unsigned index, const struct cfg_limit *config)
{
	struct table_limit_sh *limit = &keeper->instance->table->limits[index];
	int whole = config->scope == CFG_SCOPE_CLUSTER ? (int)config->max : 0;
	bool granted = keeper->has_units[index] && whole && atomic_load(&limit->whole);

	if (!whole)
		keeper->wanted[index] = (int)config->max;
	else if (!granted)
		keeper->wanted[index] = 0;
	else if (keeper->wanted[index] > whole)
		keeper->wanted[index] = whole;
	keeper->has_units[index] = config->max > 0;
	atomic_store(&limit->whole, whole);
	atomic_store(&keeper->instance->board->limits[index].whole, whole);
}

int limit_keeper_enter(struct limit_keeper *keeper, const struct cfg_limit *config, bool several, struct ym_err *err)
{
	struct table_sh *table = keeper->instance->table;
	struct board_sh *board = keeper->instance->board;
	int index = row_for(table, config->name);
	struct table_limit_sh *limit;

	if (index < 0)
		return ym_fail(err, YM_ERR_LIMIT, "no row is free: at most %d limits", TABLE_LIMITS);
	limit = &table->limits[index];
	/* Entered anew: two handles in one process would count as two users, and the last one would never be the last. */
	detach(keeper, (unsigned)index);
	set_wanted(keeper, (unsigned)index, config);
	memcpy(limit->name, config->name, sizeof(limit->name));
	rate_set(&limit->rate, (uint64_t)config->rate_ns);
	if (config->max == 0)
		atomic_store(&limit->max, 0);
	else if (enter_units(keeper, (unsigned)index, config, several, err) < 0)
		return -1;
	memcpy(board->limits[index].name, limit->name, sizeof(limit->name));
	board->limits[index].key = limit->key;
	atomic_store(&board->limits[index].rate_ns, (uint64_t)config->rate_ns);
	atomic_store(&limit->used, 1);
	atomic_store(&board->limits[index].used, 1);
	return 0;
}

/* A script may have removed the semaphore (sem_remove): make it again, as the workers do. */
static void repair(struct limit_keeper *keeper, unsigned index)
{
	const char *name = keeper->instance->table->limits[index].name;
	struct ym_err err;
	int result;

	detach(keeper, index);
	if (ym_group_lock(&keeper->instance->group, &err) < 0)
		return;
	result = attach(keeper, index, REPAIR_PATIENCE_MS, &err);
	ym_group_unlock(&keeper->instance->group);
	if (result == 0)
		log_line(LOG_WARN, "limit %s: its semaphore had been removed; made again", name);
	else
		log_line(LOG_ERROR, "limit %s: its semaphore had been removed: %s; next try at the next sweep", name,
		         err.text);
}

void limit_keeper_grant(struct limit_keeper *keeper, unsigned index, int units, uint64_t until)
{
	struct table_limit_sh *limit = &keeper->instance->table->limits[index];

	keeper->wanted[index] = units;
	keeper->until[index] = until;
	if (keeper->open[index] && atomic_load(&limit->whole))
		resize_shared(keeper, index);
}

void limit_keeper_show(struct limit_keeper *keeper)
{
	struct table_sh *table = keeper->instance->table;

	for (unsigned i = 0; i < TABLE_LIMITS; i++) {
		struct board_limit_sh *row = &keeper->instance->board->limits[i];
		int units;

		if (!atomic_load(&table->limits[i].used) || !keeper->has_units[i])
			continue;
		if (!keeper->open[i] || limit_free(&table->limits[i]) < 0)
			repair(keeper, i);
		if (keeper->open[i] && atomic_load(&table->limits[i].whole))
			resize_shared(keeper, i);
		else if (keeper->open[i])
			resize(keeper, i);
		units = limit_free(&table->limits[i]);
		atomic_store(&row->free, units < 0 ? 0 : units);
		atomic_store(&row->max, atomic_load(&table->limits[i].max));
		atomic_store(&row->id, atomic_load(&table->limits[i].id));
	}
}

void limit_keeper_close(struct limit_keeper *keeper)
{
	for (unsigned i = 0; i < TABLE_LIMITS; i++)
		detach(keeper, i);
}
