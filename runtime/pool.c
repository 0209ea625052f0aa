/* pool.c - a pool's row, queue, limits, brief and children. */
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ipc/queue.h"
#include "brief.h"
#include "log.h"
#include "master.h"

/* ---- table and board ------------------------------------------------------------------------- */

static int free_row(const struct table_sh *table)
{
	for (int i = 0; i < TABLE_POOLS; i++)
		if (!atomic_load(&table->pools[i].used))
			return i;
	return -1;
}

/* The queue of the pool, made if it is missing or was removed by hand. *made says which. Under the group's LOCK. */
static int enter_queue(struct master *master, const char *pool, int32_t *id, bool *made, struct ym_err *err)
{
	struct ym_registry_sh *reg = master->instance.group.reg;
	struct ym_entry_sh *entry;
	char name[YM_OBJECT_NAME_MAX];

	snprintf(name, sizeof(name), "queue.%s", pool);
	entry = ym_registry_find(reg, name);
	if (entry && !ym_registry_exists(entry)) {
		ym_registry_drop(entry);
		entry = NULL;
	}
	*made = !entry;
	if (!entry && ym_registry_add(reg, YM_OBJECT_QUEUE, name, 0, 0, 0600, NULL, err) < 0)
		return -1;
	*id = ym_registry_find(reg, name)->id;
	return 0;
}

void pool_check_queue(struct pool *pool)
{
	struct instance *instance = &pool->master->instance;
	struct table_pool_sh *row = &instance->table->pools[pool->index];
	struct ym_queue_stat stat;
	struct ym_err err;
	bool made = false;
	int result;

	if (ym_queue_stat(row->queue, &stat, NULL) == 0 || ym_group_lock(&instance->group, &err) < 0)
		return;
	result = enter_queue(pool->master, pool->config->name, &row->queue, &made, &err);
	ym_group_unlock(&instance->group);
	/* The tokens that were in it are missed by the sweep, which sends them again. */
	if (result < 0)
		log_line(LOG_ERROR, "pool %s: its queue was removed: %s; next try at the next sweep",
		         pool->config->name, err.text);
	else if (made)
		log_line(LOG_WARN, "pool %s: its queue had been removed by hand; made again", pool->config->name);
}

static int by_key(const void *a, const void *b)
{
	int32_t x = ((const struct table_limit_sh *const *)a)[0]->key,
		y = ((const struct table_limit_sh *const *)b)[0]->key;

	return x < y ? -1 : x > y;
}

/* All pools take their limits in the order of the keys: then two workers can never each wait for the other's. */
static int enter_limits(struct table_sh *table, struct table_pool_sh *row, const struct cfg_pool *config,
                        struct ym_err *err)
{
	struct table_limit_sh *limits[TABLE_POOL_LIMITS];
	size_t n = config->limits.count;

	if (n > TABLE_POOL_LIMITS)
		return ym_fail(err, YM_ERR_CONFIG, "pool %s has %zu limits, at most %d are possible", config->name, n,
		               TABLE_POOL_LIMITS);
	for (size_t i = 0; i < n; i++)
		limits[i] = &table->limits[table_limit(table, config->limits.items[i])];
	qsort(limits, n, sizeof(limits[0]), by_key); /* NOLINT(bugprone-sizeof-expression): pointers are sorted */
	for (size_t i = 0; i < n; i++)
		atomic_store(&row->limits[i], (uint8_t)(limits[i] - table->limits));
	atomic_store(&row->nlimits, (uint32_t)n);
	return 0;
}

static void show(struct pool *pool)
{
	struct board_pool_sh *row = &pool->master->instance.board->pools[pool->index];
	const char *plugin = pool->config->plugin;
	size_t length = strlen(plugin);

	memcpy(row->name, pool->config->name, sizeof(row->name));
	snprintf(row->plugin, sizeof(row->plugin), "%s",
	         length < sizeof(row->plugin) ? plugin : plugin + length - sizeof(row->plugin) + 1);
	atomic_store(&row->wanted, (uint32_t)pool->config->workers);
	atomic_store(&row->used, 1);
}

static int write_brief(struct pool *pool, struct ym_err *err)
{
	const struct cfg_pool *config = pool->config;
	struct brief brief = {
	    .instance = pool->master->instance.name,
	    .directory = pool->master->instance.directory,
	    .pool = config->name,
	    .plugin = config->plugin,
	    .noptions = config->noptions,
	};

	brief.options = calloc(config->noptions + 1, sizeof(*brief.options));
	if (!brief.options)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	for (size_t i = 0; i < config->noptions; i++)
		brief.options[i] = (struct brief_option){config->options[i].key, config->options[i].value};
	pool->brief = brief_write(&brief, err);
	free(brief.options);
	return pool->brief < 0 ? -1 : 0;
}

int pool_enter(struct pool *pool, struct master *master, const struct cfg_pool *config, struct ym_err *err)
{
	struct table_sh *table = master->instance.table;
	int index = table_pool(table, config->name);
	struct table_pool_sh *row;
	bool made;

	*pool = (struct pool){.master = master, .config = config, .brief = -1};
	if (index < 0)
		index = free_row(table);
	if (index < 0)
		return ym_fail(err, YM_ERR_LIMIT, "no row for pool %s: at most %d pools", config->name, TABLE_POOLS);
	pool->index = (unsigned)index;
	row = &table->pools[index];
	if (enter_queue(master, config->name, &row->queue, &made, err) < 0 || enter_limits(table, row, config, err) < 0)
		return -1;
	memcpy(row->name, config->name, sizeof(row->name));
	atomic_store(&row->attempts, config->attempts);
	atomic_store(&row->backoff_ms, config->backoff_ms);
	atomic_store(&row->timeout_ms, config->timeout_ms);
	atomic_store(&row->timeout_grace_ms, config->timeout_grace_ms);
	atomic_store(&row->used, 1);
	show(pool);
	return write_brief(pool, err);
}

/* ---- children -------------------------------------------------------------------------------- */

bool pool_row_alive(const struct instance *instance, unsigned row, struct board_work *work)
{
	const struct board_worker_sh *sh = &instance->board->workers[row];

	return atomic_load(&sh->used) && board_read_work(sh, work) && work->pid != 0 &&
	       work->state != BOARD_WORKER_ENDED && work->state != BOARD_WORKER_FAILED &&
	       ym_group_alive(&instance->group, work->slot) && ym_process_started(work->pid) == work->process_started;
}

/* Children that are started again when their worker ends. */
static size_t places(const struct pool *pool)
{
	size_t n = 0;

	for (size_t i = 0; i < pool->nchildren; i++)
		n += !pool->children[i].extra;
	return n;
}

int pool_take_over(struct pool *pool, bool *rows, struct ym_err *err)
{
	struct instance *instance = &pool->master->instance;
	uint32_t nrows = instance->board->instance.rows;
	size_t workers = (size_t)pool->config->workers;

	/* Room for the case that every row holds a worker of ours. */
	pool->children = calloc(workers + nrows, sizeof(*pool->children));
	if (!pool->children)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	for (unsigned row = 0; row < nrows; row++) {
		struct child *child = &pool->children[pool->nchildren];
		struct board_work work;

		if (rows[row] || !pool_row_alive(instance, row, &work) || work.pool != pool->index)
			continue;
		rows[row] = true;
		child_init(child, pool, row);
		/* One that cannot be watched keeps its row, and another place is made instead. */
		child->extra = !child_adopt(child) || places(pool) >= workers;
		pool->nchildren++;
	}
	return 0;
}

static int vacant(const struct pool *pool, const bool *rows)
{
	uint32_t n = pool->master->instance.board->instance.rows;

	for (unsigned i = 0; i < n; i++)
		if (!rows[i])
			return (int)i;
	return -1;
}

int pool_populate(struct pool *pool, bool *rows, struct ym_err *err)
{
	while (places(pool) < (size_t)pool->config->workers) {
		int row = vacant(pool, rows);

		if (row < 0)
			return ym_fail(err, YM_ERR_FULL,
			               "the board of the running generation has only %u worker rows: let the old "
			               "workers end first (yardmaster stop), then start anew",
			               pool->master->instance.board->instance.rows);
		rows[row] = true;
		child_init(&pool->children[pool->nchildren++], pool, (unsigned)row);
	}
	return 0;
}

void pool_start(struct pool *pool)
{
	for (size_t i = 0; i < pool->nchildren; i++)
		if (!pool->children[i].extra)
			child_start(&pool->children[i]);
}

void pool_stop(struct pool *pool)
{
	for (size_t i = 0; i < pool->nchildren; i++)
		child_stop(&pool->children[i]);
}

void pool_press(struct pool *pool)
{
	for (size_t i = 0; i < pool->nchildren; i++)
		child_press(&pool->children[i]);
}

unsigned pool_alive(const struct pool *pool)
{
	unsigned n = 0;

	for (size_t i = 0; i < pool->nchildren; i++)
		n += pool->children[i].process != NULL;
	return n;
}

struct child *pool_find(struct pool *pool, unsigned slot)
{
	for (size_t i = 0; i < pool->nchildren; i++) {
		struct child *child = &pool->children[i];
		struct board_work work;

		if (child->process && board_read_work(&pool->master->instance.board->workers[child->row], &work) &&
		    work.pid == process_pid(child->process) && work.slot == slot)
			return child;
	}
	return NULL;
}

void pool_free(struct pool *pool)
{
	if (pool->brief >= 0)
		close(pool->brief);
	free(pool->children);
}
