/* cluster.c - nodes, what they have published of themselves, and the backlog that they share. */
#include "cluster.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../config/config.h"
#include "../../ipc/sys.h"
#include "../json.h"
#include "../store.h"
#include "../text.h"

#define NAME_COLUMNS 12

struct cluster_node {
	struct store_node node; /* without its board */
	bool alive;
	json_t *board; /* NULL: it has published nothing */
	double board_age;
};

/* A pool of any node, or of the file. */
struct cluster_pool {
	char name[TABLE_NAME_MAX];
	struct store_tally tally;    /* in the store only */
	json_int_t waiting, delayed; /* with what is in the tables of nodes */
	json_int_t workers, workers_wanted, running, done, failed, crashes;
};

struct cluster {
	const struct store_driver *driver;
	struct store *store;
	char *uri;
	struct cluster_node *nodes;
	size_t nnodes;
	struct cluster_pool pools[TABLE_POOLS];
	size_t npools;
	size_t alive;
	int columns; /* of the longest name */
};

/* ---- the store --------------------------------------------------------------------------------- */

static int take_config(struct cluster *cluster, const struct config *config, struct ym_err *err)
{
	if (config->instance.store) {
		cluster->uri = strdup(config->instance.store);
		if (!cluster->uri)
			return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	}
	for (size_t i = 0; i < config->npools; i++)
		text_copy(cluster->pools[cluster->npools++].name, TABLE_NAME_MAX, config->pools[i].name);
	return 0;
}

static int find_store(struct cluster *cluster, const struct args *args, struct instance *instance, struct ym_err *err)
{
	const struct store_driver *driver;
	char shown[STORE_SHOWN_MAX];
	struct config config;
	bool configured;
	int result;

	if (args_config(args, instance, &config, &configured, err) < 0)
		return -1;
	result = configured ? take_config(cluster, &config, err)
	                    : store_noted(instance->directory, &cluster->uri, NULL, err);
	if (configured)
		config_free(&config);
	if (result < 0 || store_driver_of(cluster->uri, &driver, err) < 0)
		return -1;
	if (!driver || !driver->nodes)
		return ym_fail(err, YM_ERR_USAGE,
		               "store = %s is this machine's alone: --cluster takes one that machines share "
		               "(postgresql://...)%s",
		               store_shown(cluster->uri ? cluster->uri : "memory", shown),
		               configured || cluster->uri ? "" : ", and -c FILE where no master has run");
	cluster->driver = driver;
	return 0;
}

/* ---- nodes ------------------------------------------------------------------------------------- */

static int take_node(void *arg, const struct store_node *node)
{
	struct cluster *cluster = arg;
	struct cluster_node *more = reallocarray(cluster->nodes, cluster->nnodes + 1, sizeof(*more)), *one;

	if (!more)
		return 1;
	cluster->nodes = more;
	one = &more[cluster->nnodes++];
	*one = (struct cluster_node){.node = *node};
	one->node.board = NULL;
	one->board = node->board ? json_loads(node->board, 0, NULL) : NULL;
	one->board_age = (double)(ym_unix_ms() - node->board_ms) / 1e3;
	if (one->board_age < 0)
		one->board_age = 0;
	/* Nobody is left to say that the last one is dead. */
	one->alive = node->alive && (node->lease_ms == 0 || node->silent_ms <= node->lease_ms);
	cluster->alive += one->alive;
	return 0;
}

/* ---- what a board says ------------------------------------------------------------------------- */

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static struct cluster_pool *pool_of(struct cluster *cluster, const char *name)
{
	for (size_t i = 0; i < cluster->npools; i++)
		if (strcmp(cluster->pools[i].name, name) == 0)
			return &cluster->pools[i];
	if (cluster->npools == TABLE_POOLS)
		return NULL;
	text_copy(cluster->pools[cluster->npools].name, TABLE_NAME_MAX, name);
	return &cluster->pools[cluster->npools++];
}

/* Sums over nodes; what a dead one had running waits again, or will. */
static void add_pools(struct cluster *cluster, const struct cluster_node *node)
{
	const json_t *pools = json_object_get(node->board, "pools"), *one;
	size_t i;

	json_array_foreach(pools, i, one)
	{
		struct cluster_pool *pool = pool_of(cluster, text(one, "name"));

		if (!pool || !node->alive)
			continue;
		pool->workers += number(one, "workers");
		pool->workers_wanted += number(one, "workers_wanted");
		pool->running += number(one, "running");
		/* What waits in its table; the rest is counted once for all. */
		pool->waiting += number(one, "waiting") - number(json_object_get(one, "stored"), "waiting");
		pool->delayed += number(one, "delayed") - number(json_object_get(one, "stored"), "delayed");
		pool->done += number(one, "done");
		pool->failed += number(one, "failed");
		pool->crashes += number(one, "crashes");
	}
}

static int gather(struct cluster *cluster, struct ym_err *err)
{
	cluster->columns = NAME_COLUMNS;
	if (cluster->driver->nodes(cluster->store, take_node, cluster, err) < 0)
		return -1;
	for (size_t i = 0; i < cluster->nnodes; i++) {
		int columns = (int)strlen(cluster->nodes[i].node.name);

		add_pools(cluster, &cluster->nodes[i]);
		cluster->columns = columns > cluster->columns ? columns : cluster->columns;
	}
	for (size_t i = 0; i < cluster->npools; i++) {
		struct cluster_pool *pool = &cluster->pools[i];
		int columns = (int)strlen(pool->name);

		if (cluster->driver->tally(cluster->store, pool->name, &pool->tally, err) < 0)
			return -1;
		pool->waiting += (json_int_t)pool->tally.waiting;
		pool->delayed += (json_int_t)pool->tally.delayed;
		cluster->columns = columns > cluster->columns ? columns : cluster->columns;
	}
	return 0;
}

/* ---- text -------------------------------------------------------------------------------------- */

static json_int_t sum(const struct cluster_node *node, const char *list, const char *key)
{
	const json_t *rows = json_object_get(node->board, list), *one;
	json_int_t all = 0;
	size_t i;

	json_array_foreach(rows, i, one) all += number(one, key);
	return all;
}

static void print_nodes(const struct cluster *cluster)
{
	printf("\n%-*s %-16s %-6s %8s %7s %7s %7s %9s %7s\n", cluster->columns, "NODE", "HOST", "STATE", "SEEN", "HELD",
	       "WORKERS", "RUNNING", "DONE", "FAILED");
	for (size_t i = 0; i < cluster->nnodes; i++) {
		const struct cluster_node *one = &cluster->nodes[i];
		char seen[TEXT_MAX], host[STORE_NODE_MAX], workers[48];

		text_cell(host, sizeof(host), one->node.host, 16, true);
		snprintf(workers, sizeof(workers), "%lld/%lld", (long long)sum(one, "pools", "workers"),
		         (long long)sum(one, "pools", "workers_wanted"));
		printf("%-*s %s %-6s %8s %7llu", cluster->columns, one->node.name, host, one->alive ? "alive" : "DEAD",
		       text_duration(one->node.silent_ms > 0 ? (uint64_t)one->node.silent_ms * 1000000u : 0, seen),
		       (unsigned long long)one->node.held);
		if (one->alive && one->board)
			printf(" %7s %7lld %9lld %7lld\n", workers, (long long)sum(one, "pools", "running"),
			       (long long)sum(one, "pools", "done"), (long long)sum(one, "pools", "failed"));
		else
			printf(" %7s %7s %9s %7s\n", "-", "-", "-", "-");
	}
}

static void print_pools(const struct cluster *cluster)
{
	if (cluster->npools == 0)
		return;
	printf("\n%-*s %7s %7s %7s %7s %7s %9s %7s %7s\n", cluster->columns, "POOL", "WORKERS", "WAITING", "RUNNING",
	       "DELAYED", "BURIED", "DONE", "FAILED", "CRASHES");
	for (size_t i = 0; i < cluster->npools; i++) {
		const struct cluster_pool *pool = &cluster->pools[i];
		char workers[48];

		snprintf(workers, sizeof(workers), "%lld/%lld", (long long)pool->workers,
		         (long long)pool->workers_wanted);
		printf("%-*s %7s %7lld %7lld %7lld %7llu %9lld %7lld %7lld\n", cluster->columns, pool->name, workers,
		       (long long)pool->waiting, (long long)pool->running, (long long)pool->delayed,
		       (unsigned long long)pool->tally.buried, (long long)pool->done, (long long)pool->failed,
		       (long long)pool->crashes);
	}
}

/* A row for each node; a limit that is of one machine is shown by the `status` of that machine. */
static void print_limits(const struct cluster *cluster)
{
	bool head = false;

	for (size_t i = 0; i < cluster->nnodes; i++) {
		const struct cluster_node *node = &cluster->nodes[i];
		const json_t *limits = json_object_get(node->board, "limits"), *one;
		size_t j;

		json_array_foreach(limits, j, one)
		{
			if (!node->alive || strcmp(text(one, "scope"), "cluster") != 0)
				continue;
			if (!head)
				printf("\n%-*s %-*s %7s %7s %7s %7s\n", cluster->columns, "LIMIT", cluster->columns,
				       "NODE", "USED", "GRANTED", "MAX", "HELD");
			head = true;
			printf("%-*s %-*s %7lld %7lld %7lld %7lld\n", cluster->columns, text(one, "name"),
			       cluster->columns, node->node.name,
			       (long long)(number(one, "granted") - number(one, "free")),
			       (long long)number(one, "granted"), (long long)number(one, "max"),
			       (long long)number(one, "held"));
		}
	}
}

static void print_worker(const struct cluster *cluster, const struct cluster_node *node, const json_t *one)
{
	const json_t *progress = json_object_get(one, "progress");
	char job[32] = "-", attempt[48] = "-", tag[JOB_TAG_MAX], since[TEXT_MAX], line[TEXT_PROGRESS_MAX];
	double seconds = json_number_value(json_object_get(one, "since")) + node->board_age;

	if (number(one, "job")) {
		snprintf(job, sizeof(job), "%lld", (long long)number(one, "job"));
		snprintf(attempt, sizeof(attempt), "%lld/%lld", (long long)number(one, "attempt"),
		         (long long)number(one, "attempts"));
	}
	text_cell(tag, sizeof(tag), text(one, "tag"), 20, true);
	printf("%-*s %8lld %-*s %-8s %8s %7s %s %8s", cluster->columns, node->node.name, (long long)number(one, "pid"),
	       cluster->columns, text(one, "pool"), text(one, "state"), job, attempt, tag,
	       text_duration((uint64_t)(seconds * 1e9), since));
	if (progress)
		printf("  %s\n", text_progress((uint64_t)number(progress, "done"), (uint64_t)number(progress, "total"),
		                               text(progress, "unit"), text(progress, "note"), line));
	else if (*text(one, "waits_for_limit"))
		printf("  for limit %s\n", text(one, "waits_for_limit"));
	else
		printf("\n");
}

static void print_workers(const struct cluster *cluster)
{
	bool head = false;

	for (size_t i = 0; i < cluster->nnodes; i++) {
		const struct cluster_node *node = &cluster->nodes[i];
		const json_t *workers = json_object_get(node->board, "workers"), *one;
		size_t j;

		json_array_foreach(workers, j, one)
		{
			if (!node->alive)
				continue;
			if (!head)
				printf("\n%-*s %8s %-*s %-8s %8s %7s %-20s %8s\n", cluster->columns, "NODE", "PID",
				       cluster->columns, "POOL", "STATE", "JOB", "ATTEMPT", "TAG", "SINCE");
			head = true;
			print_worker(cluster, node, one);
		}
	}
}

static void print_text(const struct cluster *cluster)
{
	char shown[STORE_SHOWN_MAX];

	printf("store %s: %zu node%s alive", store_shown(cluster->uri, shown), cluster->alive,
	       cluster->alive == 1 ? "" : "s");
	if (cluster->alive < cluster->nnodes)
		printf(", %zu DEAD", cluster->nnodes - cluster->alive);
	printf("\n");
	if (cluster->nnodes)
		print_nodes(cluster);
	print_pools(cluster);
	print_limits(cluster);
	print_workers(cluster);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static void json_node(struct json *json, const struct cluster_node *one)
{
	char *board = one->board ? json_dumps(one->board, JSON_COMPACT) : NULL;

	json_open(json, NULL, '{');
	json_put_string(json, "name", one->node.name);
	json_put_string(json, "instance", one->node.instance);
	json_put_string(json, "host", one->node.host);
	json_put_int(json, "pid", one->node.pid);
	json_put_bool(json, "alive", one->alive);
	json_put_real(json, "silent", (double)one->node.silent_ms / 1e3);
	json_put_real(json, "since", (double)one->node.since_ms / 1e3);
	json_put_uint(json, "held", one->node.held);
	if (board) {
		json_put_real(json, "board_age", one->board_age);
		json_put_raw(json, "board", board);
	}
	json_close(json, '}');
	free(board);
}

static void print_json(const struct cluster *cluster)
{
	struct json json = {.to = stdout};
	char shown[STORE_SHOWN_MAX];

	json_open(&json, NULL, '{');
	json_put_string(&json, "store", store_shown(cluster->uri, shown));
	json_put_uint(&json, "alive", cluster->alive);
	json_put_uint(&json, "dead", cluster->nnodes - cluster->alive);
	json_open(&json, "pools", '[');
	for (size_t i = 0; i < cluster->npools; i++) {
		const struct cluster_pool *pool = &cluster->pools[i];

		json_open(&json, NULL, '{');
		json_put_string(&json, "name", pool->name);
		json_put_int(&json, "waiting", pool->waiting);
		json_put_int(&json, "delayed", pool->delayed);
		json_put_uint(&json, "buried", pool->tally.buried);
		json_put_int(&json, "running", pool->running);
		json_put_int(&json, "workers", pool->workers);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_open(&json, "nodes", '[');
	for (size_t i = 0; i < cluster->nnodes; i++)
		json_node(&json, &cluster->nodes[i]);
	json_close(&json, ']');
	json_close(&json, '}');
	printf("\n");
}

/* ---- the command ------------------------------------------------------------------------------- */

static void forget(struct cluster *cluster)
{
	for (size_t i = 0; i < cluster->nnodes; i++)
		json_decref(cluster->nodes[i].board);
	free(cluster->nodes);
	if (cluster->store)
		cluster->driver->close(cluster->store);
	free(cluster->uri);
}

static int look(struct cluster *cluster, const struct args *args, struct ym_err *err)
{
	struct instance instance;
	struct store_options options = {.reader = true, .payload_max = SIZE_MAX};

	if (find_store(cluster, args, &instance, err) < 0)
		return -1;
	options.uri = cluster->uri;
	options.directory = instance.directory;
	options.instance = instance.name;
	options.node = "";
	if (cluster->driver->open(&cluster->store, &options, err) < 0) {
		cluster->store = NULL;
		return -1;
	}
	return gather(cluster, err);
}

int cluster_status(const struct args *args)
{
	struct cluster cluster = {.driver = NULL};
	struct ym_err err;
	int code;

	if (look(&cluster, args, &err) < 0) {
		forget(&cluster);
		return command_fail(&err);
	}
	if (args_flag(args, "json"))
		print_json(&cluster);
	else
		print_text(&cluster);
	code = cluster.alive == 0 ? ym_err_exit_code(YM_ERR_NOT_RUNNING) : cluster.alive < cluster.nnodes ? 1 : 0;
	forget(&cluster);
	return code;
}
