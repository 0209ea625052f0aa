/*
 * store_postgresql_node.c - nodes: who they are, signs of life, and what becomes of the jobs of a dead one.
 *
 * A registration is a row of yardmaster.node. Its number stands on each job that the node holds; a node that starts anew
 * gets a new number, and what its former registration held becomes the new one's. That no two nodes of a name live at the same
 * time is seen to by a lock that the session of the pulse holds.
 *
 * A node is dead when its beat has not moved for its lease, by the clock of a node that has itself been beating without a
 * gap for as long. So when the database comes back after an hour, nobody is dead, until a lease later somebody has still not
 * come back.
 */
#include "store_postgresql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ipc/clock.h"
#include "text.h"

#define TAKE_STEP 500
#define POLL_US   100000
#define PG_KEYS   "1497188610" /* advisory locks: names of nodes; ...609: registrations that write, ...608: the schema */

/* ---- the name -------------------------------------------------------------------------------- */

static const char lock_name_sql[] = "SELECT pg_try_advisory_lock(" PG_KEYS ", hashtext($1))";
static const char beat_of_sql[] = "SELECT id, beat, host, pid, lease_ms FROM yardmaster.node WHERE name = $1"
				  " ORDER BY id DESC LIMIT 1";
static const char end_session_sql[] =
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = " PG_KEYS
    " AND objid = (hashtext($1)::bigint & 4294967295)::oid AND objsubid = 2 AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

static PGresult *ask_by_name(struct pg_store *store, const char *sql, struct ym_err *err)
{
	struct pg_args args = {0};
	PGresult *result;

	pg_arg_text(&args, store->options.node);
	result = pg_ask(&store->pulse.link, sql, &args, err);
	pg_args_free(&args);
	return result;
}

/* 1 it is ours now, 0 not, -1. */
static int try_name(struct pg_store *store, struct ym_err *err)
{
	PGresult *result = ask_by_name(store, lock_name_sql, err);
	int ours;

	if (!result)
		return -1;
	ours = pg_bool(result, 0, 0);
	pg_free(result);
	return ours;
}

/* Who has the name now. */
struct holder {
	int64_t id, beat, pid, lease_ms; /* id 0: nobody known */
	char host[STORE_NODE_MAX];
};

static int ask_holder(struct pg_store *store, struct holder *holder, struct ym_err *err)
{
	PGresult *result = ask_by_name(store, beat_of_sql, err);

	*holder = (struct holder){0};
	if (!result)
		return -1;
	if (libpq.PQntuples(result) > 0) {
		holder->id = pg_big(result, 0, 0);
		holder->beat = pg_big(result, 0, 1);
		text_copy(holder->host, sizeof(holder->host), pg_text(result, 0, 2));
		holder->pid = pg_big(result, 0, 3);
		holder->lease_ms = pg_big(result, 0, 4);
	}
	pg_free(result);
	return 0;
}

static int in_use(struct pg_store *store, const struct holder *holder, struct ym_err *err)
{
	return ym_fail(
	    err, YM_ERR_CONFIG,
	    "another master (process %lld on %s) lives as node \"%s\" of this store: give this one another name "
	    "with `node =`",
	    (long long)holder->pid, holder->host[0] ? holder->host : "?", store->options.node);
}

static int end_session(struct pg_store *store, struct ym_err *err)
{
	PGresult *result = ask_by_name(store, end_session_sql, err);

	if (!result)
		return -1;
	pg_free(result);
	return 0;
}

/*
 * At a start: the session of a machine that was cut off may stand there for a while. If no sign of life comes for as long as
 * its lease, it is ended.
 */
static int wait_for_name(struct pg_store *store, struct ym_err *err)
{
	struct holder first, now;
	uint64_t end;
	int code;

	if (ask_holder(store, &first, err) < 0)
		return -1;
	end = ym_deadline(first.lease_ms ? first.lease_ms : store->options.lease_ms);
	while ((code = try_name(store, err)) == 0) {
		if (ask_holder(store, &now, err) < 0)
			return -1;
		if (now.id != first.id || now.beat != first.beat)
			return in_use(store, &now, err);
		if (ym_now_ns() > end && end_session(store, err) < 0)
			return -1;
		usleep(POLL_US);
	}
	return code < 0 ? -1 : 0;
}

/* After a connection was lost: what still has our name is our own former session, as long as our registration stands. */
static int retake_name(struct pg_store *store, struct ym_err *err)
{
	struct holder now;
	int code = try_name(store, err);

	if (code != 0)
		return code < 0 ? -1 : 0;
	if (ask_holder(store, &now, err) < 0)
		return -1;
	if (now.id != atomic_load(&store->me))
		return in_use(store, &now, err);
	if (end_session(store, err) < 0)
		return -1;
	return ym_fail(err, YM_ERR_TIMEOUT, "the former session of node \"%s\" is just being ended",
	               store->options.node);
}

/* ---- registration ---------------------------------------------------------------------------- */

static const char is_alive_sql[] = "SELECT FROM yardmaster.node WHERE id = $1 AND dead IS NULL";
static const char enter_sql[] =
    "INSERT INTO yardmaster.node (name, instance, host, pid, token, lease_ms) VALUES ($1, $2, $3, $4, $5, $6)"
    " RETURNING id";
/* Whoever still writes under an older number ends first. */
static const char wait_for_writers_sql[] =
    "SELECT pg_advisory_xact_lock(1497188609, (id % 2147483647)::integer) FROM yardmaster.node WHERE name = $1"
    " AND id <> $2 ORDER BY id";
static const char adopt_jobs_sql[] =
    "UPDATE yardmaster.job SET node = $2 WHERE node IN (SELECT id FROM yardmaster.node WHERE name = $1 AND id <> $2)";
static const char adopt_limits_sql[] =
    "WITH old AS (DELETE FROM yardmaster.limit_use l USING yardmaster.node n WHERE n.id = l.node AND n.name = $1"
    " AND n.id <> $2 RETURNING l.name, l.granted, l.in_use)"
    " INSERT INTO yardmaster.limit_use (name, node, granted, in_use, wanted)"
    " SELECT name, $2, max(granted), max(in_use), 0 FROM old GROUP BY name";
static const char forget_sql[] = "WITH old AS (DELETE FROM yardmaster.node WHERE name = $1 AND id <> $2 RETURNING id)"
				 " DELETE FROM yardmaster.node_board WHERE node IN (SELECT id FROM old)";
static const char cancels_sql[] = "SELECT id FROM yardmaster.job WHERE node = $1 AND cancel";

static int run_for(struct pg_store *store, const char *sql, int64_t id, struct ym_err *err)
{
	struct pg_args args = {0};
	int code;

	pg_arg_text(&args, store->options.node);
	pg_arg_big(&args, id);
	code = pg_run(&store->pulse.link, sql, &args, err);
	pg_args_free(&args);
	return code;
}

static int enter(struct pg_store *store, int64_t *id, struct ym_err *err)
{
	static const char *const adoption[] = {wait_for_writers_sql, adopt_jobs_sql, adopt_limits_sql, forget_sql};
	struct pg_link *link = &store->pulse.link;
	struct pg_args args = {0};
	PGresult *result;

	pg_arg_text(&args, store->options.node);
	pg_arg_text(&args, store->options.instance);
	pg_arg_text(&args, store->host);
	pg_arg_big(&args, getpid());
	pg_arg_text(&args, store->token);
	pg_arg_big(&args, store->options.lease_ms);
	result = pg_begin(link, err) < 0 ? NULL : pg_ask(link, enter_sql, &args, err);
	pg_args_free(&args);
	if (!result)
		return -1;
	*id = pg_big(result, 0, 0);
	pg_free(result);
	for (size_t i = 0; i < sizeof(adoption) / sizeof(adoption[0]); i++)
		if (run_for(store, adoption[i], *id, err) < 0)
			return -1;
	return pg_commit(link, err);
}

static int listen_to(struct pg_store *store, struct ym_err *err)
{
	char sql[96];

	snprintf(sql, sizeof(sql), "LISTEN yardmaster; LISTEN yardmaster_%lld", (long long)atomic_load(&store->me));
	return pg_script(&store->pulse.link, sql, err);
}

/* What was asked while nobody listened. */
static int hear_cancels(struct pg_store *store, struct ym_err *err)
{
	struct pg_args args = {0};
	PGresult *result;

	pg_arg_big(&args, atomic_load(&store->me));
	result = pg_ask(&store->pulse.link, cancels_sql, &args, err);
	pg_args_free(&args);
	if (!result)
		return -1;
	for (int row = 0; row < libpq.PQntuples(result); row++)
		if (store->options.cancel)
			store->options.cancel(store->options.arg, (uint64_t)pg_big(result, row, 0));
	pg_free(result);
	return 0;
}

/* 1 yes, 0 no. */
static int registered(struct pg_store *store, struct ym_err *err)
{
	struct pg_args args = {0};
	PGresult *result;
	int there;

	if (atomic_load(&store->me) == 0)
		return 0;
	pg_arg_big(&args, atomic_load(&store->me));
	result = pg_ask(&store->pulse.link, is_alive_sql, &args, err);
	pg_args_free(&args);
	if (!result)
		return -1;
	there = libpq.PQntuples(result) == 1;
	pg_free(result);
	return there;
}

int pg_register(struct pg_store *store, bool first, struct ym_err *err)
{
	int64_t id;
	int there;

	if ((first ? wait_for_name(store, err) : retake_name(store, err)) < 0)
		return -1;
	there = registered(store, err);
	if (there < 0)
		return -1;
	if (!there) {
		if (enter(store, &id, err) < 0) {
			pg_rollback(&store->pulse.link);
			return -1;
		}
		atomic_store(&store->me, id);
		if (!first && store->options.lost)
			store->options.lost(store->options.arg);
	}
	if (listen_to(store, err) < 0 || hear_cancels(store, err) < 0)
		return -1;
	return 0;
}

static const char leave_sql[] =
    "UPDATE yardmaster.job SET node = NULL, cancel = false, state = CASE WHEN cancel THEN 'cancelled'"
    " WHEN state = 'running' THEN 'waiting' ELSE state END, finished = CASE WHEN cancel THEN now() END"
    " WHERE id IN (SELECT id FROM yardmaster.job WHERE node = $1 LIMIT 5000)";
static const char gone_sql[] = "WITH l AS (DELETE FROM yardmaster.limit_use WHERE node = $1), b AS (DELETE FROM "
			       "yardmaster.node_board WHERE node = $1)"
			       " DELETE FROM yardmaster.node WHERE id = $1";

int pg_deregister(struct pg_store *store, struct ym_err *err)
{
	struct pg_args args = {0};
	int64_t n = 1;
	int code = 0;

	pg_arg_big(&args, atomic_load(&store->me));
	while (n > 0 && code == 0) {
		PGresult *result = pg_ask(&store->pulse.link, leave_sql, &args, err);

		n = result ? atoll(libpq.PQcmdTuples(result)) : 0;
		code = result ? 0 : -1;
		pg_free(result);
	}
	if (code == 0)
		code = pg_run(&store->pulse.link, gone_sql, &args, err);
	pg_args_free(&args);
	return code;
}

/* ---- signs of life --------------------------------------------------------------------------- */

static const char beat_sql[] = "UPDATE yardmaster.node SET beat = beat + 1, beat_at = clock_timestamp() WHERE id = $1"
			       " AND dead IS NULL RETURNING clock_timestamp()";

int pg_beat(struct pg_store *store, struct ym_err *err)
{
	struct pg_pulse *pulse = &store->pulse;
	struct pg_args args = {0};
	uint64_t now = ym_now_ns(), gap = (uint64_t)store->options.lease_ms * 1000000 / 2;
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
	if (pulse->steady == 0 || now - atomic_load(&store->beaten) > gap)
		pulse->steady = now;
	atomic_store(&store->beaten, now);
	return 0;
}

/* ---- the others ------------------------------------------------------------------------------ */

static const char others_sql[] =
    "SELECT id, beat, lease_ms, dead IS NOT NULL, name FROM yardmaster.node WHERE id <> $1";
/* Only if it really has not moved since, and writes nothing at this moment. */
static const char declare_sql[] = "UPDATE yardmaster.node SET dead = now() WHERE id = $1 AND beat = $2 AND dead IS NULL"
				  " AND pg_try_advisory_xact_lock(1497188609, (id % 2147483647)::integer)";
static const char limits_of_sql[] = "DELETE FROM yardmaster.limit_use WHERE node = $1";
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
	PGresult *result, *limits;

	pg_arg_big(&args, other->id);
	pg_arg_big(&args, other->beat);
	result = pg_ask(&store->pulse.link, declare_sql, &args, err);
	pg_args_free(&args);
	if (!result)
		return -1;
	if (atoi(libpq.PQcmdTuples(result)) == 1) {
		limits = ask_number(&store->pulse.link, limits_of_sql, other->id, err);
		pg_free(limits);
		store->pulse.sweep_at = 0;
	}
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
	if (now - since > (uint64_t)other->lease_ms * 1000000)
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
