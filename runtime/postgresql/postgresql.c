/* postgresql.c - a store in PostgreSQL: opening, closing, ids, and what was held before. */
#include "postgresql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "../../ipc/clock.h"
#include "../text.h"

#define CONNECT_MS  3000
#define LEASE_MIN   500
#define LEASE_MS    10000
#define CLOCK_NOISE 20 /* ms: less is no difference between two clocks */
#define BLOCK       1000000
#define STEP        500

/* ---- clocks, patience ------------------------------------------------------------------------ */

int64_t pg_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void pg_set_clock(struct pg_store *store, int64_t asked_ms, int64_t theirs_ms)
{
	int64_t now = pg_now_ms(), offset = theirs_ms - (asked_ms + (now - asked_ms) / 2);

	atomic_store(&store->offset_ms, offset > CLOCK_NOISE || offset < -CLOCK_NOISE ? offset : 0);
}

void pg_back_off(struct pg_back_off *back_off, int64_t lease_ms)
{
	uint16_t dice = 0;
	int64_t span = back_off->span_ms ? back_off->span_ms * 2 : PG_BACK_OFF_MS, most = PG_BACK_OFF_MAX;

	/* Who comes back much later than the others after an outage would be taken for dead. */
	if (lease_ms > 0 && most > lease_ms / 5)
		most = lease_ms / 5;
	if (getrandom(&dice, sizeof(dice), 0) < 0)
		dice = 0;
	back_off->span_ms = span < most ? span : most;
	/* three quarters of it, and up to a half more */
	back_off->until = ym_deadline(back_off->span_ms * 3 / 4 + back_off->span_ms * dice / (INT64_C(2) * UINT16_MAX));
}

/* ---- the clerk's connection ------------------------------------------------------------------ */

static const char clock_sql[] = "SELECT clock_timestamp()";

static int ask_clock(struct pg_store *store, struct ym_err *err)
{
	int64_t asked = pg_now_ms();
	PGresult *result = pg_ask(&store->link, clock_sql, NULL, err);

	if (!result)
		return -1;
	pg_set_clock(store, asked, pg_time(result, 0, 0));
	pg_free(result);
	return 0;
}

static int connect_link(struct pg_store *store, struct ym_err *err)
{
	char name[STORE_NODE_MAX + 32];

	snprintf(name, sizeof(name), "yardmaster %s", store->options.node);
	if (pg_open(&store->link, store->options.uri, name, CONNECT_MS, err) < 0)
		return -1;
	if (pg_schema_check(&store->link, err) == 0 && ask_clock(store, err) == 0)
		return 0;
	pg_shut(&store->link);
	return -1;
}

int pg_ready(struct pg_store *store, struct ym_err *err)
{
	if (!store->options.reader && pg_pulse_ask(store, err) < 0)
		return -1;
	if (store->link.conn && libpq.PQstatus(store->link.conn) == CONNECTION_OK)
		return 0;
	pg_shut(&store->link);
	if (ym_now_ns() < store->back_off.until) {
		char shown[STORE_SHOWN_MAX];

		return ym_fail(err, YM_ERR_SYSTEM, "PostgreSQL, %s: not connected, tried again in a moment",
		               store_shown(store->options.uri, shown));
	}
	if (connect_link(store, err) == 0) {
		pg_back_off_end(&store->back_off);
		return 0;
	}
	pg_back_off(&store->back_off, store->options.lease_ms);
	pg_pulse_hurry(store);
	return -1;
}

/* ---- open and close -------------------------------------------------------------------------- */

static void store_free(struct pg_store *store)
{
	pg_shut(&store->link);
	pg_args_free(&store->args);
	pthread_mutex_destroy(&store->pulse.lock);
	free((char *)(uintptr_t)store->options.uri);
	free((char *)(uintptr_t)store->options.directory);
	free((char *)(uintptr_t)store->options.instance);
	free((char *)(uintptr_t)store->options.node);
	free(store->doubtful);
	free(store->tallies);
	free(store);
}

static void make_token(struct pg_store *store)
{
	unsigned char bytes[16] = {0};

	if (getrandom(bytes, sizeof(bytes), 0) < 0)
		memset(bytes, 0, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(store->token + 2 * i, 3, "%02x", bytes[i]);
}

static struct pg_store *store_make(const struct store_options *options)
{
	struct pg_store *store = calloc(1, sizeof(*store));
	struct store_options *own;

	if (!store)
		return NULL;
	store->base.driver = &store_postgresql;
	pthread_mutex_init(&store->pulse.lock, NULL);
	own = &store->options;
	*own = *options;
	own->uri = strdup(options->uri);
	own->directory = strdup(options->directory ? options->directory : "/tmp");
	own->instance = strdup(options->instance ? options->instance : "");
	own->node = strdup(options->node ? options->node : "");
	if (own->lease_ms < LEASE_MIN)
		own->lease_ms = own->lease_ms > 0 ? LEASE_MIN : LEASE_MS;
	if (gethostname(store->host, sizeof(store->host) - 1) < 0)
		text_copy(store->host, sizeof(store->host), "?");
	make_token(store);
	if (own->uri && own->directory && own->instance && own->node)
		return store;
	store_free(store);
	return NULL;
}

static int open_store(struct store **out, const struct store_options *options, struct ym_err *err)
{
	struct pg_store *store;

	*out = NULL;
	if (libpq_load(err) < 0)
		return -1;
	store = store_make(options);
	if (!store)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for a store");
	if (connect_link(store, err) < 0 || (!options->reader && pg_pulse_open(store, err) < 0)) {
		pg_pulse_close(store, true);
		store_free(store);
		return -1;
	}
	*out = (struct store *)(void *)store;
	return 0;
}

static void close_store(struct store *base)
{
	struct pg_store *store = pg_store_of(base);

	pg_shut(&store->link);
	pg_pulse_close(store, true);
	store_free(store);
}

static void abandon_store(struct store *base)
{
	struct pg_store *store = pg_store_of(base);

	pg_pulse_close(store, false);
	store_free(store);
}

/* ---- pools, ids ------------------------------------------------------------------------------ */

static const char pools_sql[] =
    "INSERT INTO yardmaster.pool (name, level, attempts, timeout_ms, ageing_ms, payload_max)"
    " SELECT s.*, $6 FROM unnest($1, $2, $3, $4, $5) AS s (name, level, attempts, timeout_ms, ageing_ms) ORDER BY "
    "s.name"
    " ON CONFLICT (name) DO UPDATE SET level = excluded.level, attempts = excluded.attempts,"
    " timeout_ms = excluded.timeout_ms, ageing_ms = excluded.ageing_ms, payload_max = excluded.payload_max,"
    " changed = now()";

#define PUT_POOLS(type, value)                                                                                         \
	pg_array_begin(args, PG_##type);                                                                               \
	for (size_t i = 0; i < n; i++)                                                                                 \
		value;                                                                                                 \
	pg_array_end(args)

static int configure(struct store *base, const struct store_pool *pools, size_t n, struct ym_err *err)
{
	struct pg_store *store = pg_store_of(base);
	struct pg_args *args;

	if (pg_ready(store, err) < 0)
		return -1;
	args = pg_fresh(store);
	PUT_POOLS(TEXT, pg_put_text(args, pools[i].name));
	PUT_POOLS(SMALL, pg_put_small(args, pools[i].level));
	PUT_POOLS(SMALL, pg_put_small(args, pools[i].attempts ? pools[i].attempts : 1));
	PUT_POOLS(BIG, pg_put_big(args, pools[i].timeout_ms));
	PUT_POOLS(BIG, pg_put_big(args, pools[i].ageing_ms));
	pg_arg_big(args, store->options.payload_max > INT64_MAX || store->options.payload_max == 0
	                     ? INT64_MAX
	                     : (int64_t)store->options.payload_max);
	return pg_run(&store->link, pools_sql, args, err);
}

/*
 * Blocks of a million ids: the even ones are given to nodes, the odd ones are those of yardmaster.next_id(). What was
 * imported under ids of its own is passed over.
 */
static const char block_sql[] =
    "SELECT CASE WHEN m.id / 2000000 >= b.n"
    " THEN setval('yardmaster.node_block', m.id / 2000000 + 1) ELSE b.n END FROM pg_advisory_xact_lock(1497188608, 1),"
    " LATERAL (SELECT nextval('yardmaster.node_block') AS n) b,"
    " LATERAL (SELECT coalesce(max(id), -2000000) AS id FROM yardmaster.job WHERE id % 2000000 < 1000000) m";

static int reserve(struct store *base, uint64_t *next_id, uint64_t *end, struct ym_err *err)
{
	struct pg_store *store = pg_store_of(base);
	PGresult *result;
	uint64_t block;

	if (pg_ready(store, err) < 0)
		return -1;
	result = pg_ask(&store->link, block_sql, NULL, err);
	if (!result)
		return -1;
	block = (uint64_t)pg_big(result, 0, 0);
	pg_free(result);
	*next_id = block * 2 * BLOCK + (block == 0);
	*end = block * 2 * BLOCK + BLOCK;
	return 0;
}

/* ---- what was held before -------------------------------------------------------------------- */

static const char held_sql[] = "SELECT id FROM yardmaster.job WHERE node = $1 AND id > $2 ORDER BY id LIMIT 500";
static const char holds_sql[] = "SELECT id FROM yardmaster.job WHERE node IS NOT DISTINCT FROM $2 AND id = ANY ($1)";

/* A page of what we hold, and what of it is not in the table waits again. *after: 0 at the end. */
static int recover_page(struct pg_store *store, bool (*in_table)(void *arg, uint64_t id), void *arg, uint64_t *after,
                        uint64_t *n, struct ym_err *err)
{
	struct pg_args *args = pg_fresh(store);
	uint64_t ids[STEP];
	size_t gone = 0;
	int64_t count;
	PGresult *result;
	int rows;

	pg_put_me(store, args);
	pg_arg_big(args, (int64_t)*after);
	result = pg_ask(&store->link, held_sql, args, err);
	if (!result)
		return -1;
	rows = libpq.PQntuples(result);
	for (int row = 0; row < rows; row++) {
		*after = (uint64_t)pg_big(result, row, 0);
		if (!in_table(arg, *after))
			ids[gone++] = *after;
	}
	pg_free(result);
	if (rows < STEP)
		*after = 0;
	if (gone == 0)
		return 0;
	if (pg_take_back(store, &store->link, ids, gone, atomic_load(&store->me), "the node where it ran was restarted",
	                 &count, err) < 0)
		return -1;
	*n += (uint64_t)count;
	return 0;
}

static int recover(struct store *base, bool (*in_table)(void *arg, uint64_t id), void *arg, uint64_t *n,
                   struct ym_err *err)
{
	struct pg_store *store = pg_store_of(base);
	uint64_t after = 0;

	*n = 0;
	if (pg_ready(store, err) < 0)
		return -1;
	do
		if (recover_page(store, in_table, arg, &after, n, err) < 0)
			return -1;
	while (after);
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int holds(struct store *base, const uint64_t *ids, size_t n, bool *ours, struct ym_err *err)
{
	struct pg_store *store = pg_store_of(base);
	struct pg_args *args;
	PGresult *result;
	uint64_t *held;
	size_t rows;

	if (pg_ready(store, err) < 0)
		return -1;
	args = pg_fresh(store);
	pg_arg_ids(args, ids, n);
	pg_put_me(store, args);
	result = pg_ask(&store->link, holds_sql, args, err);
	if (!result)
		return -1;
	rows = (size_t)libpq.PQntuples(result);
	held = calloc(rows + 1, sizeof(*held));
	for (size_t i = 0; held && i < rows; i++)
		held[i] = (uint64_t)pg_big(result, (int)i, 0);
	pg_free(result);
	if (!held)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	qsort(held, rows, sizeof(*held), compare_ids);
	for (size_t i = 0; i < n; i++)
		ours[i] = bsearch(&ids[i], held, rows, sizeof(*held), compare_ids) != NULL;
	free(held);
	return 0;
}

const struct store_driver store_postgresql = {
    .scheme = "postgresql",
    .shared = true,
    .open = open_store,
    .close = close_store,
    .abandon = abandon_store,
    .configure = configure,
    .reserve = reserve,
    .recover = recover,
    .write = pg_write,
    .tick = pg_tick,
    .tally = pg_tally_of,
    .holds = holds,
    .limits = pg_limits,
    .nodes = pg_nodes,
    .list = pg_list,
    .story = pg_story,
    .init = pg_schema_init,
    .verify = pg_verify,
    .compact = pg_compact,
};
