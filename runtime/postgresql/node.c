/*
 * node.c - signs of life of nodes, and what becomes of the jobs of a dead one.
 *
 * A node is dead when its beat has not moved for its lease, by the clock of a node that has itself been beating without a
 * gap for as long. So when the database comes back after an hour, nobody is dead, until a lease later somebody has still not
 * come back.
 */
#include "postgresql.h"

#include <stdio.h>
#include <stdlib.h>

#include "../../ipc/clock.h"
#include "../text.h"

#define TAKE_STEP 500

/* ---- signs of life --------------------------------------------------------------------------- */

static const char beat_sql[] = PG_BEAT " AND dead IS NULL RETURNING clock_timestamp()";

/* Who was silent for longer does not know what he has missed. */
static uint64_t gap_of(const struct pg_store *store)
{
	return (uint64_t)store->options.lease_ms * 1000000 / 2;
}

int pg_beat(struct pg_store *store, struct ym_err *err)
{
	struct pg_pulse *pulse = &store->pulse;
	struct pg_args args = {0};
	uint64_t now = ym_now_ns();
	int64_t asked = pg_now_ms();
	PGresult *result;
	int dead;

	pg_arg_big(&args, atomic_load(&store->me));
	result = pg_ask(&pulse->link, beat_sql, &args, err);
	pg_args_free(&args);
	if (!result)
		return -1;
	dead = libpq.PQntuples(result) == 0;
	if (!dead)
		pg_set_clock(store, asked, pg_time(result, 0, 0));
	pg_free(result);
	if (dead)
		return 1;
	if (pulse->steady == 0 || now - atomic_load(&store->beaten) > gap_of(store))
		pulse->steady = now;
	atomic_store(&store->beaten, now);
	return 0;
}

/* ---- the others ------------------------------------------------------------------------------ */

static const char others_sql[] =
    "SELECT id, beat, lease_ms, dead IS NOT NULL, name FROM yardmaster.node WHERE id <> $1";
/* Only if it really has not moved since, and writes nothing at this moment. It has no units any more. */
static const char declare_sql[] =
    "WITH d AS (UPDATE yardmaster.node SET dead = now() WHERE id = $1 AND beat = $2 AND dead IS NULL"
    " AND pg_try_advisory_xact_lock(1497188609, (id % 2147483647)::integer) RETURNING id),"
    " l AS (DELETE FROM yardmaster.limit_use l USING d WHERE l.node = d.id) SELECT id FROM d";
static const char held_sql[] = "SELECT id FROM yardmaster.job WHERE node = $1 LIMIT 500";
static const char take_back_sql[] = "SELECT yardmaster.take_back($1, $2, $3)";
static const char orphans_sql[] = "SELECT j.id, j.node FROM yardmaster.job j WHERE j.node IS NOT NULL"
				  " AND NOT EXISTS (SELECT FROM yardmaster.node n WHERE n.id = j.node) LIMIT 1";
static const char old_sql[] = "DELETE FROM yardmaster.node n WHERE dead < now() - interval '1 day'"
			      " AND NOT EXISTS (SELECT FROM yardmaster.job j WHERE j.node = n.id)";

int pg_take_back(struct pg_store *store, struct pg_link *link, const uint64_t *ids, size_t n, int64_t holder,
                 const char *why, int64_t *count, struct ym_err *err)
{
	struct pg_args args = {0};
	PGresult *result;

	(void)store;
	pg_arg_ids(&args, ids, n);
	pg_arg_big(&args, holder);
	pg_arg_text(&args, why);
	result = pg_ask(link, take_back_sql, &args, err);
	pg_args_free(&args);
	if (!result)
		return -1;
	*count = pg_big(result, 0, 0);
	pg_free(result);
	return 0;
}

static PGresult *ask_number(struct pg_link *link, const char *sql, int64_t number, struct ym_err *err)
{
	struct pg_args args = {0};
	PGresult *result;

	pg_arg_big(&args, number);
	result = pg_ask(link, sql, &args, err);
	pg_args_free(&args);
	return result;
}

/* A step of what a dead node held; the rest in the next round. */
static int clear_up(struct pg_store *store, int64_t id, const char *name, struct ym_err *err)
{
	struct pg_link *link = &store->pulse.link;
	PGresult *result = ask_number(link, held_sql, id, err);
	uint64_t ids[TAKE_STEP];
	size_t n = 0;
	int64_t count;
	char why[JOB_ERROR_MAX];

	if (!result)
		return -1;
	for (int row = 0; row < libpq.PQntuples(result) && n < TAKE_STEP; row++)
		ids[n++] = (uint64_t)pg_big(result, row, 0);
	pg_free(result);
	if (n == 0)
		return 0;
	snprintf(why, sizeof(why), "node \"%s\", where it was, gave no sign of life any more", name);
	if (pg_take_back(store, link, ids, n, id, why, &count, err) < 0)
		return -1;
	if (n == TAKE_STEP)
		store->pulse.sweep_at = 0;
	return 0;
}

static int declare_dead(struct pg_store *store, const struct pg_other *other, struct ym_err *err)
{
	struct pg_args args = {0};
	PGresult *result;

	pg_arg_big(&args, other->id);
	pg_arg_big(&args, other->beat);
	result = pg_ask(&store->pulse.link, declare_sql, &args, err);
	pg_args_free(&args);
	if (!result)
		return -1;
	if (libpq.PQntuples(result) == 1)
		store->pulse.sweep_at = 0;
	pg_free(result);
	return 0;
}

static struct pg_other *known(struct pg_pulse *pulse, int64_t id)
{
	struct pg_other *more;

	for (size_t i = 0; i < pulse->nothers; i++)
		if (pulse->others[i].id == id)
			return &pulse->others[i];
	more = reallocarray(pulse->others, pulse->nothers + 1, sizeof(*more));
	if (!more)
		return NULL;
	pulse->others = more;
	more[pulse->nothers] = (struct pg_other){.id = id, .beat = -1};
	return &more[pulse->nothers++];
}

static int look_at(struct pg_store *store, const PGresult *result, int row, uint64_t now, struct ym_err *err)
{
	struct pg_other *other = known(&store->pulse, pg_big(result, row, 0));
	int64_t beat = pg_big(result, row, 1);
	uint64_t since;

	if (!other)
		return 0;
	other->seen = true;
	if (pg_bool(result, row, 3))
		return clear_up(store, other->id, pg_text(result, row, 4), err);
	if (other->beat != beat) {
		other->beat = beat;
		other->since = now;
	}
	other->lease_ms = pg_big(result, row, 2);
	since = other->since > store->pulse.steady ? other->since : store->pulse.steady;
	/* We ourselves may have been stopped since our last beat. */
	if (now - since > (uint64_t)other->lease_ms * 1000000 && now - atomic_load(&store->beaten) < gap_of(store))
		return declare_dead(store, other, err);
	return 0;
}

static void forget_unseen(struct pg_pulse *pulse)
{
	size_t kept = 0;

	for (size_t i = 0; i < pulse->nothers; i++)
		if (pulse->others[i].seen) {
			pulse->others[kept] = pulse->others[i];
			pulse->others[kept++].seen = false;
		}
	pulse->nothers = kept;
}

/* Jobs of a registration that does not exist: somebody has deleted its row by hand. */
static int take_orphans(struct pg_store *store, struct ym_err *err)
{
	PGresult *result = pg_ask(&store->pulse.link, orphans_sql, NULL, err);
	int64_t holder;
	int code = 0;

	if (!result)
		return -1;
	holder = libpq.PQntuples(result) ? pg_big(result, 0, 1) : 0;
	pg_free(result);
	if (holder)
		code = clear_up(store, holder, "?", err);
	return code < 0 ? -1 : pg_run(&store->pulse.link, old_sql, NULL, err);
}

int pg_watch(struct pg_store *store, struct ym_err *err)
{
	uint64_t now = ym_now_ns();
	PGresult *result = ask_number(&store->pulse.link, others_sql, atomic_load(&store->me), err);
	int code = 0;

	if (!result)
		return -1;
	for (int row = 0; row < libpq.PQntuples(result) && code == 0; row++)
		code = look_at(store, result, row, now, err);
	pg_free(result);
	if (code < 0)
		return -1;
	forget_unseen(&store->pulse);
	return take_orphans(store, err);
}

/* ---- for people ------------------------------------------------------------------------------ */

static const char nodes_sql[] =
    "SELECT n.name, n.instance, n.host, n.pid, n.dead IS NULL, n.since,"
    " (extract(epoch FROM clock_timestamp() - n.beat_at) * 1000)::bigint,"
    " (SELECT count(*) FROM yardmaster.job j WHERE j.node = n.id), b.board, b.at, n.lease_ms"
    " FROM yardmaster.node n LEFT JOIN yardmaster.node_board b ON b.node = n.id ORDER BY n.name, n.id";

int pg_nodes(struct store *base, store_each_node *each, void *arg, struct ym_err *err)
{
	struct pg_store *store = pg_store_of(base);
	PGresult *result;

	if (pg_ready(store, err) < 0)
		return -1;
	result = pg_ask(&store->link, nodes_sql, NULL, err);
	if (!result)
		return -1;
	for (int row = 0; row < libpq.PQntuples(result); row++) {
		struct store_node node = {
		    .pid = (int32_t)pg_big(result, row, 3),
		    .alive = pg_bool(result, row, 4),
		    .since_ms = pg_from_db(store, pg_time(result, row, 5)),
		    .silent_ms = pg_big(result, row, 6),
		    .lease_ms = pg_big(result, row, 10),
		    .held = (uint64_t)pg_big(result, row, 7),
		    .board = pg_null(result, row, 8) ? NULL : pg_text(result, row, 8),
		    .board_ms = pg_from_db(store, pg_time(result, row, 9)),
		};

		text_copy(node.name, sizeof(node.name), pg_text(result, row, 0));
		text_copy(node.instance, sizeof(node.instance), pg_text(result, row, 1));
		text_copy(node.host, sizeof(node.host), pg_text(result, row, 2));
		if (each(arg, &node) != 0)
			break;
	}
	pg_free(result);
	return 0;
}
