/* pool.c - a pool's row, queue, limits, brief and children. */
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ipc/queue.h"
#include "log.h"
#include "ready.h"
#include "text.h"

/* ---- table and board ------------------------------------------------------------------------- */

static int free_row(const struct table_sh *table)
{
	for (int i = 0; i < TABLE_POOLS; i++)
		if (!atomic_load(&table->pools[i].used))
			return i;
	return -1;
}

/* The queue of the pool, made if it is missing or was removed by hand. *made says which. Under the group's LOCK. */
static int enter_queue(struct yard *yard, const char *pool, int32_t *id, bool *made, struct ym_err *err)
{
	struct ym_registry_sh *reg = yard->instance->group.reg;
	struct ym_entry_sh *entry;
	char name[YM_OBJECT_NAME_MAX];

	snprintf(name, sizeof(name), "queue.%s", pool);
	entry = ym_registry_find(reg, name);
	if (entry && !ym_registry_exists(entry)) {
		ym_registry_drop(entry);
		entry = NULL;
	}
	*made = !entry;
	if (!entry && ym_registry_add(reg, YM_OBJECT_QUEUE, name, 0, 0, 0, NULL, err) < 0)
		return -1;
	*id = ym_registry_find(reg, name)->id;
	return 0;
}

/* A wake-up that finds the queue full is left out, for tokens enough are in it: so there must be room for all. */
static void check_room(int queue, const struct cfg_pool *config)
{
	struct ym_queue_stat stat;
	uint64_t need = (uint64_t)config->workers_max * READY_TOKEN_BYTES;

	if (ym_queue_stat(queue, &stat, NULL) == 0 && stat.capacity < need)
		log_line(
		    LOG_WARN,
		    "pool %s: its queue takes %llu bytes, %llu are needed for %lld workers: some may be woken late; "
		    "raise the sysctl kernel.msgmnb",
		    config->name, (unsigned long long)stat.capacity, (unsigned long long)need,
		    (long long)config->workers_max);
}

void pool_check_queue(struct pool *pool)
{
	struct instance *instance = pool->yard->instance;
	struct table_pool_sh *row = &instance->table->pools[pool->index];
	struct ym_queue_stat stat;
	struct ym_err err;
	bool made = false;
	int32_t queue;
	int result;

	if (ym_queue_stat(atomic_load(&row->queue), &stat, NULL) == 0 || ym_group_lock(&instance->group, &err) < 0)
		return;
	result = enter_queue(pool->yard, pool->config->name, &queue, &made, &err);
	if (result == 0)
		atomic_store(&row->queue, queue);
	ym_group_unlock(&instance->group);
	/* The tokens that were in it are missed by the sweep, which sends another. */
	if (result < 0)
		log_line(LOG_ERROR, "pool %s: its queue was removed: %s; next try at the next sweep",
		         pool->config->name, err.text);
	else if (made)
		log_line(LOG_WARN, "pool %s: its queue had been removed by hand; made again", pool->config->name);
}

struct use {
	unsigned limit;
	int32_t key;
	int64_t units;
};

static int by_key(const void *a, const void *b)
{
	int32_t x = ((const struct use *)a)->key, y = ((const struct use *)b)->key;

	return x < y ? -1 : x > y;
}

/* All pools take their limits in the order of the keys: then two workers can never each wait for the other's. */
static void enter_limits(struct table_sh *table, struct table_pool_sh *row, const struct cfg_pool *config)
{
	struct use uses[TABLE_POOL_LIMITS] = {{0}};
	size_t n = config->nlimits;

	_Static_assert(CFG_USES_MAX <= TABLE_POOL_LIMITS, "what the configuration allows fits");
	for (size_t i = 0; i < n; i++) {
		unsigned limit = (unsigned)table_limit(table, config->limits[i].name);

		uses[i] = (struct use){limit, table->limits[limit].key, config->limits[i].units};
	}
	qsort(uses, n, sizeof(uses[0]), by_key);
	for (size_t i = 0; i < n; i++) {
		atomic_store(&row->limits[i].limit, (uint8_t)uses[i].limit);
		atomic_store(&row->limits[i].units, (uint16_t)uses[i].units);
	}
	atomic_store(&row->nlimits, (uint32_t)n);
	rate_set(&row->rate, (uint64_t)config->rate_ns);
}

/* What the configuration says of the pool's jobs. */
static void enter_rules(struct table_pool_sh *row, const struct cfg_pool *config)
{
	atomic_store(&row->attempts, (uint8_t)config->attempts);
	atomic_store(&row->crashes, (uint8_t)config->crashes);
	atomic_store(&row->backoff_ms, config->backoff_ms);
	atomic_store(&row->backoff_max_ms, config->backoff_max_ms);
	atomic_store(&row->backoff_factor, (uint8_t)config->backoff_factor);
	atomic_store(&row->backoff_jitter, (uint8_t)config->backoff_jitter);
	atomic_store(&row->timeout_ms, config->timeout_ms);
	atomic_store(&row->timeout_grace_ms, config->timeout_grace_ms);
	atomic_store(&row->ageing_ns, (uint64_t)config->ageing_ms * 1000000u);
	atomic_store(&row->bury_failed, config->on_fail == CFG_ON_FAIL_BURY);
	atomic_store(&row->touch, config->timeout_from == CFG_TIMEOUT_FROM_PROGRESS);
	atomic_store(&row->unsynced, config->synchronous == CFG_SYNCHRONOUS_NORMAL);
	atomic_store(&row->level, (uint8_t)config->priority);
}

void pool_enter_crash_rule(struct pool *pool)
{
	struct table_sh *table = pool->yard->instance->table;
	struct table_pool_sh *row = &table->pools[pool->index];

	switch (pool->config->on_crash) {
	case CFG_ON_CRASH_RETRY:
		atomic_store(&row->on_crash, TABLE_CRASH_RETRY);
		break;
	case CFG_ON_CRASH_BURY:
		atomic_store(&row->on_crash, TABLE_CRASH_BURY);
		break;
	case CFG_ON_CRASH_POOL:
		atomic_store(&row->crash_pool, (uint8_t)table_pool(table, pool->config->on_crash_pool));
		atomic_store(&row->on_crash, TABLE_CRASH_MOVE);
		break;
	}
}

static void show(struct pool *pool)
{
	struct board_pool_sh *row = &pool->yard->instance->board->pools[pool->index];
	const char *plugin = pool->config->plugin;
	size_t length = plugin ? strlen(plugin) : 0;

	if (strncmp(row->name, pool->config->name, sizeof(row->name)) != 0)
		board_forget(pool->yard->instance->board, pool->index);
	memcpy(row->name, pool->config->name, sizeof(row->name));
	if (plugin)
		text_copy(row->task, sizeof(row->task),
		          length < sizeof(row->task) ? plugin : plugin + length - sizeof(row->task) + 1);
	else
		text_copy(row->task, sizeof(row->task), pool->config->command);
	atomic_store(&row->used, 1);
}

/* ---- its log --------------------------------------------------------------------------------- */

static int open_log(struct pool *pool, struct child_log **log, const char *stream, const struct cfg_log *config,
                    struct ym_err *err)
{
	if (*log)
		return child_log_apply(*log, config, err);
	return child_log_open(log, pool->yard->instance->directory, pool->config->name, stream, CHILD_LOG_LABELLED,
	                      config, err);
}

static int open_logs(struct pool *pool, struct ym_err *err)
{
	const struct cfg_process *process = &pool->config->process;

	if (open_log(pool, &pool->output, "stdout", &process->stdout_log, err) < 0)
		return -1;
	if (!process->redirect_stderr)
		return open_log(pool, &pool->errors, "stderr", &process->stderr_log, err);
	child_log_close(pool->errors);
	pool->errors = NULL;
	return 0;
}

/* ---- as a unit of the supervisor ------------------------------------------------------------- */

static struct pool *of(const struct unit *unit)
{
	return (struct pool *)(uintptr_t)((const char *)unit - offsetof(struct pool, unit));
}

static void start(struct unit *unit)
{
	struct pool *pool = of(unit);

	inbox_keeper_read(&pool->inbox);
	crew_start(pool);
}

static void stop(struct unit *unit)
{
	struct pool *pool = of(unit);

	inbox_keeper_close(&pool->inbox);
	crew_stop(pool);
}

static void press(struct unit *unit)
{
	crew_press(of(unit));
}

static void wait_for(struct unit *unit, const char *other)
{
	struct pool *pool = of(unit);
	struct board_pool_sh *row = &pool->yard->instance->board->pools[pool->index];
	char text[BOARD_REASON_MAX];

	snprintf(text, sizeof(text), "it depends on %s", other);
	board_show_pool(row, BOARD_POOL_WAITING);
	board_reason_write(row->reason, &row->reason_version, text);
}

static int roll(struct unit *unit, struct ym_err *err)
{
	struct pool *pool = of(unit);

	/* A plugin may have been built anew, a user have got another group. */
	if (outfit_make(&pool->outfit, pool->yard, pool->config, err) < 0)
		return -1;
	crew_roll(pool);
	return 0;
}

static unsigned alive(const struct unit *unit)
{
	return crew_alive(of(unit));
}

static bool ready(const struct unit *unit)
{
	return crew_ready(of(unit));
}

static const struct unit_ops unit_ops = {
    .word = "pool",
    .start = start,
    .stop = stop,
    .press = press,
    .wait = wait_for,
    .roll = roll,
    .alive = alive,
    .ready = ready,
};

/* ---- enter, change, remove ------------------------------------------------------------------- */

static int enter_row(struct pool *pool, struct ym_err *err)
{
	struct table_sh *table = pool->yard->instance->table;
	const struct cfg_pool *config = pool->config;
	int index = table_pool(table, config->name);
	struct table_pool_sh *row;
	int32_t queue;
	bool made;

	if (index < 0)
		index = free_row(table);
	if (index < 0)
		return ym_fail(err, YM_ERR_LIMIT, "no row for pool %s: at most %d pools", config->name, TABLE_POOLS);
	pool->index = (unsigned)index;
	row = &table->pools[index];
	if (enter_queue(pool->yard, config->name, &queue, &made, err) < 0)
		return -1;
	check_room(queue, config);
	enter_limits(table, row, config);
	atomic_store(&row->queue, queue);
	memcpy(row->name, config->name, sizeof(row->name));
	enter_rules(row, config);
	return 0;
}

/* It takes jobs from now on. */
static void open_row(struct pool *pool)
{
	struct table_pool_sh *row = &pool->yard->instance->table->pools[pool->index];

	atomic_fetch_and(&row->mode, ~(uint32_t)POOL_REMOVED);
	atomic_store(&row->used, 1);
	show(pool);
}

int pool_enter(struct pool *pool, struct yard *yard, const struct cfg_pool *config, struct ym_err *err)
{
	*pool = (struct pool){.yard = yard, .outfit.brief = -1};
	pool_point(pool, config);
	pool->unit.ops = &unit_ops;
	pool->unit.wanted = config->process.autostart;
	if (outfit_make(&pool->outfit, pool->yard, pool->config, err) < 0 || open_logs(pool, err) < 0 ||
	    enter_row(pool, err) < 0 ||
	    inbox_keeper_enter(&pool->inbox, yard->instance, yard->loop, config, pool->index, err) < 0)
		return -1;
	if (yard->instance->group.fresh)
		atomic_fetch_or(&yard->instance->table->pools[pool->index].mode, POOL_LOADING);
	open_row(pool);
	return 0;
}

int pool_apply(struct pool *pool, const struct cfg_pool *config, bool roll, struct ym_err *err)
{
	const struct cfg_pool *before = pool->config;
	bool resized = config->workers_min != before->workers_min || config->workers_max != before->workers_max;
	uint32_t build = pool->outfit.build;
	struct ym_err why;
	int result;

	pool_point(pool, config);
	if (outfit_make(&pool->outfit, pool->yard, pool->config, err) < 0 || open_logs(pool, err) < 0 ||
	    enter_row(pool, err) < 0) {
		pool_point(pool, before);
		/* What got as far as that is undone; it could be done before. */
		if (outfit_make(&pool->outfit, pool->yard, pool->config, &why) < 0 || open_logs(pool, &why) < 0 ||
		    enter_row(pool, &why) < 0)
			log_line(LOG_ERROR, "pool %s: %s", before->name, why.text);
		return -1;
	}
	/* What somebody has typed holds until the file says another size. */
	if (resized || pool->removed)
		atomic_store(&pool->yard->instance->table->pools[pool->index].scaled, 0);
	if (pool->removed)
		pool->unit.wanted = config->process.autostart;
	pool->removed = false;
	open_row(pool);
	inbox_keeper_close(&pool->inbox);
	/* One without an inbox for now is what the file says in all the rest; each sweep tries again. */
	result = inbox_keeper_enter(&pool->inbox, pool->yard->instance, pool->yard->loop, config, pool->index, err);
	if (result == 0 && pool->unit.up)
		inbox_keeper_read(&pool->inbox);
	if (roll || pool->outfit.build != build)
		crew_roll(pool);
	crew_size(pool);
	return result;
}

void pool_point(struct pool *pool, const struct cfg_pool *config)
{
	pool->config = pool->inbox.config = config;
	pool->unit.name = config->name;
	pool->unit.process = &config->process;
	for (size_t i = 0; i < pool->crew.nplaces; i++)
		pool->crew.places[i]->child.life.policy = &config->process;
}

bool pool_is_of(const struct pool *pool, const struct config *config)
{
	return pool->config >= config->pools && pool->config < config->pools + config->npools;
}

void pool_remove(struct pool *pool)
{
	pool->removed = true;
	atomic_fetch_or(&pool->yard->instance->table->pools[pool->index].mode, POOL_REMOVED);
	pool->unit.wanted = false;
}

void pool_free(struct pool *pool)
{
	crew_free(pool);
	inbox_keeper_close(&pool->inbox);
	child_log_close(pool->output);
	child_log_close(pool->errors);
	outfit_free(&pool->outfit);
}
