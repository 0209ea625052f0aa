/*
 * register.c - who a node is: its name, and its registration.
 *
 * A registration is a row of yardmaster.node. Its number stands on each job that the node holds; a node that starts anew
 * gets a new number, and what its former registration held becomes the new one's. That no two nodes of a name live at the same
 * time is seen to by a lock that the session of the pulse holds.
 */
#include "postgresql.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../ipc/clock.h"
#include "../text.h"

#define POLL_US 100000
#define PG_KEYS "1497188610" /* advisory locks: names of nodes; ...609: registrations that write, ...608: the schema */

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

static const char is_alive_sql[] = "SELECT FROM yardmaster.node WHERE id = $1 AND token = $2 AND dead IS NULL";
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

/*
 * 1 yes, 0 no. A server that crashes may have lost a registration that it had not written to its disk yet, and then gives its
 * number to another node: the token tells.
 */
static int registered(struct pg_store *store, struct ym_err *err)
{
	struct pg_args args = {0};
	PGresult *result;
	int there;

	if (atomic_load(&store->me) == 0)
		return 0;
	pg_arg_big(&args, atomic_load(&store->me));
	pg_arg_text(&args, store->token);
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

		n = result ? pg_changed(result) : 0;
		code = result ? 0 : -1;
		pg_free(result);
	}
	if (code == 0)
		code = pg_run(&store->pulse.link, gone_sql, &args, err);
	pg_args_free(&args);
	return code;
}
