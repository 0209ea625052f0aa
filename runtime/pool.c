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
	struct instance *instance = &pool->master->instance;
	struct table_pool_sh *row = &instance->table->pools[pool->index];
	struct ym_queue_stat stat;
	struct ym_err err;
	bool made = false;
	int32_t queue;
	int result;

	if (ym_queue_stat(atomic_load(&row->queue), &stat, NULL) == 0 || ym_group_lock(&instance->group, &err) < 0)
		return;
	result = enter_queue(pool->master, pool->config->name, &queue, &made, &err);
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
	atomic_store(&row->level, (uint8_t)config->priority);
}

void pool_enter_crash_rule(struct pool *pool)
{
	struct table_sh *table = pool->master->instance.table;
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
	struct board_pool_sh *row = &pool->master->instance.board->pools[pool->index];
	const char *plugin = pool->config->plugin;
	size_t length = plugin ? strlen(plugin) : 0;

	memcpy(row->name, pool->config->name, sizeof(row->name));
	if (plugin)
		text_copy(row->task, sizeof(row->task),
		          length < sizeof(row->task) ? plugin : plugin + length - sizeof(row->task) + 1);
	else
		text_copy(row->task, sizeof(row->task), pool->config->command);
	atomic_store(&row->wanted, (uint32_t)pool->config->workers_max);
	atomic_store(&row->used, 1);
}

/* For the numbers among the options of a command. */
struct command_numbers {
	char output_max[32], stop_ms[32];
	char retry_codes[4 * CFG_EXIT_CODES];
};

/* The options of a command's pool begin with those of the command itself. Returns how many. */
static size_t brief_command(const struct cfg_pool *config, struct brief_option *options,
                            struct command_numbers *numbers)
{
	size_t n = 0, used = 0;

	if (!config->command)
		return 0;
	for (char **word = config->command_words; *word; word++)
		options[n++] = (struct brief_option){BRIEF_WORD, *word};
	snprintf(numbers->output_max, sizeof(numbers->output_max), "%lld", (long long)config->output_max);
	snprintf(numbers->stop_ms, sizeof(numbers->stop_ms), "%lld", (long long)config->timeout_grace_ms);
	numbers->retry_codes[0] = '\0';
	for (int code = 1; code < CFG_EXIT_CODES; code++)
		if (config->retry_codes[code])
			used += (size_t)snprintf(numbers->retry_codes + used, sizeof(numbers->retry_codes) - used,
			                         "%s%d", used ? "," : "", code);
	options[n++] = (struct brief_option){BRIEF_OUTPUT_MAX, numbers->output_max};
	options[n++] = (struct brief_option){BRIEF_STOP_MS, numbers->stop_ms};
	options[n++] = (struct brief_option){BRIEF_RETRY_CODES, numbers->retry_codes};
	return n;
}

static size_t count_words(char *const *words)
{
	size_t n = 0;

	while (words && words[n])
		n++;
	return n;
}

static int write_brief(struct pool *pool, struct ym_err *err)
{
	const struct cfg_pool *config = pool->config;
	struct brief brief = {
	    .instance = pool->master->instance.name,
	    .directory = pool->master->instance.directory,
	    .pool = config->name,
	    .plugin = config->plugin ? config->plugin : "",
	};
	struct command_numbers numbers;

	brief.options = calloc(count_words(config->command_words) + config->noptions + 8, sizeof(*brief.options));
	if (!brief.options)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	brief.noptions = brief_command(config, brief.options, &numbers);
	for (size_t i = 0; i < config->noptions; i++)
		brief.options[brief.noptions++] =
		    (struct brief_option){config->options[i].key, config->options[i].value};
	pool->brief = brief_write(&brief, err);
	free(brief.options);
	return pool->brief < 0 ? -1 : 0;
}

int pool_enter(struct pool *pool, struct master *master, const struct cfg_pool *config, struct ym_err *err)
{
	struct table_sh *table = master->instance.table;
	int index = table_pool(table, config->name);
	struct table_pool_sh *row;
	int32_t queue;
	bool made;

	*pool = (struct pool){.master = master, .config = config, .brief = -1};
	if (index < 0)
		index = free_row(table);
	if (index < 0)
		return ym_fail(err, YM_ERR_LIMIT, "no row for pool %s: at most %d pools", config->name, TABLE_POOLS);
	pool->index = (unsigned)index;
	row = &table->pools[index];
	if (enter_queue(master, config->name, &queue, &made, err) < 0)
		return -1;
	check_room(queue, config);
	enter_limits(table, row, config);
	atomic_store(&row->queue, queue);
	memcpy(row->name, config->name, sizeof(row->name));
	enter_rules(row, config);
	if (master->instance.group.fresh)
		atomic_fetch_or(&row->mode, POOL_LOADING);
	atomic_store(&row->used, 1);
	show(pool);
	if (inbox_keeper_enter(&pool->inbox, &master->instance, &master->loop, config, pool->index, err) < 0)
		return -1;
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
	size_t workers = (size_t)pool->config->workers_max;

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
	while (places(pool) < (size_t)pool->config->workers_max) {
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
	inbox_keeper_read(&pool->inbox);
	for (size_t i = 0; i < pool->nchildren; i++)
		if (!pool->children[i].extra)
			child_start(&pool->children[i]);
}

void pool_stop(struct pool *pool)
{
	inbox_keeper_close(&pool->inbox);
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
