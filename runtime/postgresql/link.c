/* link.c - rows of statements over libpq, with a time limit for everything. */
#include "link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ipc/clock.h"
#include "../text.h"
#include "error.h"

#define PG_SERVER_MIN 120000
#define PG_FLUSH      (512u << 10) /* parameters that are not gathered in memory */

/* ---- waiting --------------------------------------------------------------------------------- */

/* 0, 1: the time is up. */
static int wait_for(struct pg_link *link, short events, uint64_t deadline)
{
	struct pollfd ready = {.fd = libpq.PQsocket(link->conn), .events = events};
	uint64_t now = ym_now_ns();
	int code, ms = deadline == YM_NEVER ? -1 : deadline <= now ? 0 : (int)((deadline - now) / 1000000 + 1);

	do
		code = poll(&ready, 1, ms);
	while (code < 0 && errno == EINTR);
	return code == 0;
}

static int broken(struct pg_link *link, const char *what, struct ym_err *err)
{
	pg_error_link(link, what, err);
	pg_shut(link);
	return -1;
}

static int silent(struct pg_link *link, struct ym_err *err)
{
	char shown[STORE_SHOWN_MAX];

	ym_fail(err, YM_ERR_TIMEOUT, "PostgreSQL, %s: no answer within %lld s", store_shown(link->uri, shown),
	        (long long)link->patience_ms / 1000);
	pg_shut(link);
	return -1;
}

/* Send what is still in memory. */
static int flush_all(struct pg_link *link, struct ym_err *err)
{
	int left;

	while ((left = libpq.PQflush(link->conn)) > 0) {
		if (wait_for(link, POLLIN | POLLOUT, ym_deadline(link->patience_ms)) > 0)
			return silent(link, err);
		/* The server may be waiting until we have read. */
		if (!libpq.PQconsumeInput(link->conn))
			return broken(link, "sending statements", err);
	}
	return left < 0 ? broken(link, "sending statements", err) : 0;
}

/* The next result of any kind, as PQgetResult() has them. *good: false, it failed. */
static PGresult *receive(struct pg_link *link, bool *good, struct ym_err *err)
{
	*good = true;
	while (libpq.PQisBusy(link->conn)) {
		if (libpq.PQflush(link->conn) < 0) {
			*good = false;
			broken(link, "sending statements", err);
			return NULL;
		}
		if (wait_for(link, POLLIN, ym_deadline(link->patience_ms)) > 0) {
			*good = false;
			silent(link, err);
			return NULL;
		}
		if (!libpq.PQconsumeInput(link->conn)) {
			*good = false;
			broken(link, "reading an answer", err);
			return NULL;
		}
	}
	return libpq.PQgetResult(link->conn);
}

/* ---- connecting ------------------------------------------------------------------------------ */

/* Not to stderr, where libpq would write it. */
static void keep_warning(void *arg, const PGresult *result)
{
	struct pg_link *link = arg;
	const char *severity = libpq.PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (severity && strcmp(severity, "WARNING") == 0)
		text_copy(link->warning, sizeof(link->warning),
		          libpq.PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
}

/* What the URI says wins, but for the name. keywords and values: NULL at their ends. */
static PGconn *start(const char *uri, const char *application)
{
	/* Half a dead connection is found out in some 10 s, on both sides. */
	static const char *const keywords[] = {"connect_timeout",  "keepalives_idle",  "keepalives_interval",
	                                       "keepalives_count", "tcp_user_timeout", "dbname",
	                                       "client_encoding",  "application_name", NULL};
	const char *const values[] = {"8", "5", "2", "3", "10000", uri, "UTF8", application, NULL};

	return libpq.PQconnectStartParams(keywords, values, 1);
}

static int connect_wait(struct pg_link *link, uint64_t deadline, struct ym_err *err)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (status != PGRES_POLLING_OK) {
		if (status == PGRES_POLLING_FAILED || libpq.PQstatus(link->conn) == CONNECTION_BAD)
			return broken(link, "connecting", err);
		if (wait_for(link, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline) > 0)
			return silent(link, err);
		status = libpq.PQconnectPoll(link->conn);
	}
	return 0;
}

/*
 * Queues live by their indexes, and the tables change faster than the statistics: never read all of a table, never plan for
 * one value. On the server's side, a client that has fallen silent must not hold locks for long.
 */
static const char session_sql[] =
    "SELECT set_config('statement_timeout', '10s', false), set_config('lock_timeout', '2s', false),"
    " set_config('idle_in_transaction_session_timeout', '10s', false),"
    " set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),"
    " set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '10000', false),"
    " set_config('search_path', 'pg_catalog', false), set_config('jit', 'off', false),"
    " set_config('default_transaction_isolation', 'read committed', false),"
    " set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),"
    " set_config('enable_bitmapscan', 'off', false), set_config('enable_hashjoin', 'off', false),"
    " set_config('enable_mergejoin', 'off', false),"
    " set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'"
    " ELSE current_setting('synchronous_commit') END, false)";

int pg_open(struct pg_link *link, const char *uri, const char *application, int64_t patience_ms, struct ym_err *err)
{
	char shown[STORE_SHOWN_MAX];

	*link = (struct pg_link){.uri = uri, .patience_ms = patience_ms};
	link->conn = start(uri, application);
	if (!link->conn)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for a connection to PostgreSQL");
	if (libpq.PQstatus(link->conn) == CONNECTION_BAD)
		return broken(link, "connecting", err);
	libpq.PQsetNoticeReceiver(link->conn, keep_warning, link);
	/* Why a connection is refused is only in a text: with the code in it. */
	libpq.PQsetErrorVerbosity(link->conn, PQERRORS_VERBOSE);
	if (connect_wait(link, ym_deadline(patience_ms), err) < 0)
		return -1;
	link->patience_ms = PG_PATIENCE_MS;
	if (libpq.PQserverVersion(link->conn) < PG_SERVER_MIN) {
		ym_fail(err, YM_ERR_CONFIG, "PostgreSQL, %s: the server is of version %d, a store needs 12 or later",
		        store_shown(uri, shown), libpq.PQserverVersion(link->conn) / 10000);
		pg_shut(link);
		return -1;
	}
	if (libpq.PQsetnonblocking(link->conn, 1) < 0 || !libpq.PQenterPipelineMode(link->conn))
		return broken(link, "connecting", err);
	if (pg_run(link, session_sql, NULL, err) < 0) {
		pg_shut(link);
		return -1;
	}
	return 0;
}

void pg_shut(struct pg_link *link)
{
	if (link->conn)
		libpq.PQfinish(link->conn);
	link->conn = NULL;
	link->nstatements = link->sent = link->received = 0;
	link->transaction = link->synced = false;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static int statement_of(struct pg_link *link, const char *sql)
{
	for (int i = 0; i < link->nstatements; i++)
		if (link->statements[i].sql == sql)
			return i;
	if (link->nstatements == PG_STATEMENTS_MAX)
		return -1;
	link->statements[link->nstatements] = (struct pg_statement){.sql = sql};
	return link->nstatements++;
}

static int prepare(struct pg_link *link, int index, const char *name, struct pg_args *args, struct ym_err *err)
{
	struct pg_statement *statement = &link->statements[index];

	if (statement->prepared)
		return 0;
	if (!libpq.PQsendPrepare(link->conn, name, statement->sql, args ? args->n : 0, args ? args->types : NULL))
		return broken(link, "preparing a statement", err);
	statement->prepared = true;
	link->row[link->sent++] = (short)(-1 - index);
	return 0;
}

/* Parameters as libpq wants them. */
struct wire {
	int n;
	const char *values[PG_ARGS_MAX];
	int formats[PG_ARGS_MAX];
};

static int to_wire(struct pg_link *link, const char *sql, const struct pg_args *args, struct wire *wire,
                   struct ym_err *err)
{
	if ((args && args->failed) || link->sent + 2 > PG_ROW_MAX) {
		pg_shut(link);
		return ym_fail(err, YM_ERR_LIMIT,
		               "out of memory for a statement to PostgreSQL, or too much for one: %.60s", sql);
	}
	wire->n = args ? args->n : 0;
	for (int i = 0; i < wire->n; i++) {
		wire->values[i] = args->lengths[i] < 0 ? NULL : args->bytes + args->starts[i];
		wire->formats[i] = 1;
	}
	return 0;
}

int pg_send(struct pg_link *link, const char *sql, struct pg_args *args, struct ym_err *err)
{
	struct wire wire;
	int index = statement_of(link, sql);
	char name[16];

	if (to_wire(link, sql, args, &wire, err) < 0)
		return -1;
	if (index < 0)
		return ym_fail(err, YM_ERR_BUG, "more than %d statements are prepared", PG_STATEMENTS_MAX);
	snprintf(name, sizeof(name), "s%d", index);
	if (prepare(link, index, name, args, err) < 0)
		return -1;
	if (!libpq.PQsendQueryPrepared(link->conn, name, wire.n, wire.values, wire.n ? args->lengths : NULL,
	                               wire.formats, 1))
		return broken(link, "sending a statement", err);
	link->row[link->sent++] = (short)index;
	if (args && args->used > PG_FLUSH)
		return flush_all(link, err);
	return 0;
}

int pg_sync(struct pg_link *link, struct ym_err *err)
{
	if (!libpq.PQpipelineSync(link->conn))
		return broken(link, "sending statements", err);
	link->synced = true;
	return flush_all(link, err);
}

/* Results until the end of the row; those that failed because another one did are no news. */
static int read_out(struct pg_link *link, struct ym_err *err)
{
	int code = 0;
	bool good;

	while (link->synced) {
		PGresult *result = receive(link, &good, err);
		ExecStatusType status = result ? libpq.PQresultStatus(result) : PGRES_COMMAND_OK;

		if (!good)
			return -1;
		if (!result) {
			link->received++;
			if (link->received > link->sent + 1)
				return broken(link, "reading an answer", err);
			continue;
		}
		if (status == PGRES_PIPELINE_SYNC)
			link->synced = false;
		else if ((status == PGRES_FATAL_ERROR || status == PGRES_PIPELINE_ABORTED) &&
		         link->received < link->sent && link->row[link->received] < 0)
			link->statements[-1 - link->row[link->received]].prepared = false;
		if (status == PGRES_FATAL_ERROR && code == 0)
			code = pg_error_result(link, result, err);
		pg_free(result);
	}
	link->sent = link->received = 0;
	return code;
}

int pg_done(struct pg_link *link, struct ym_err *err)
{
	return read_out(link, err);
}

/* The failure of a result is told; what follows it in the row is thrown away. */
static PGresult *fail_row(struct pg_link *link, PGresult *result, struct ym_err *err)
{
	if (link->row[link->received] < 0)
		link->statements[-1 - link->row[link->received]].prepared = false;
	pg_error_result(link, result, err);
	pg_free(result);
	if (read_out(link, NULL) == 0 && pg_was(link, PG_READ_ONLY))
		pg_shut(link); /* the next connection may find the primary */
	return NULL;
}

PGresult *pg_next(struct pg_link *link, struct ym_err *err)
{
	while (link->received < link->sent) {
		bool good;
		PGresult *result = receive(link, &good, err), *end;
		ExecStatusType status;

		if (!good)
			return NULL;
		if (!result) {
			broken(link, "reading an answer", err);
			return NULL;
		}
		status = libpq.PQresultStatus(result);
		if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
			return fail_row(link, result, err);
		end = receive(link, &good, err); /* NULL stands behind each */
		pg_free(end);
		if (!good) {
			pg_free(result);
			return NULL;
		}
		if (link->row[link->received++] >= 0)
			return result;
		pg_free(result);
	}
	ym_fail(err, YM_ERR_BUG, "more answers were asked of PostgreSQL than statements were sent");
	return NULL;
}

/* The last result of the row; the others are thrown away. */
static PGresult *last_of_row(struct pg_link *link, struct ym_err *err)
{
	PGresult *result;

	if (pg_sync(link, err) < 0)
		return NULL;
	result = pg_next(link, err);
	while (result && link->received < link->sent) {
		pg_free(result);
		result = pg_next(link, err);
	}
	if (result && pg_done(link, err) < 0) {
		pg_free(result);
		return NULL;
	}
	return result;
}

PGresult *pg_ask(struct pg_link *link, const char *sql, struct pg_args *args, struct ym_err *err)
{
	return pg_send(link, sql, args, err) < 0 ? NULL : last_of_row(link, err);
}

PGresult *pg_ask_once(struct pg_link *link, const char *sql, struct pg_args *args, struct ym_err *err)
{
	struct wire wire;

	if (to_wire(link, sql, args, &wire, err) < 0)
		return NULL;
	if (!libpq.PQsendQueryParams(link->conn, sql, wire.n, wire.n ? args->types : NULL, wire.values,
	                             wire.n ? args->lengths : NULL, wire.formats, 1)) {
		broken(link, "sending a statement", err);
		return NULL;
	}
	link->row[link->sent++] = 0;
	return last_of_row(link, err);
}

int pg_run(struct pg_link *link, const char *sql, struct pg_args *args, struct ym_err *err)
{
	PGresult *result = pg_ask(link, sql, args, err);

	if (!result)
		return -1;
	pg_free(result);
	return 0;
}

int pg_script(struct pg_link *link, const char *sql, struct ym_err *err)
{
	PGresult *result;
	bool good = true;
	int code = 0;

	if (!libpq.PQexitPipelineMode(link->conn) || !libpq.PQsendQuery(link->conn, sql))
		return broken(link, "sending a script", err);
	while ((result = receive(link, &good, err))) {
		if (libpq.PQresultStatus(result) == PGRES_FATAL_ERROR && code == 0)
			code = pg_error_result(link, result, err);
		pg_free(result);
	}
	if (!good)
		return -1;
	if (!libpq.PQenterPipelineMode(link->conn))
		return broken(link, "sending a script", err);
	return code;
}

/* ---- transactions ---------------------------------------------------------------------------- */

int pg_begin(struct pg_link *link, struct ym_err *err)
{
	link->transaction = true;
	return pg_send(link, "BEGIN", NULL, err);
}

int pg_commit(struct pg_link *link, struct ym_err *err)
{
	if (pg_send(link, "COMMIT", NULL, err) < 0 || pg_sync(link, err) < 0 || pg_done(link, err) < 0)
		return -1;
	link->transaction = false;
	return 0;
}

void pg_rollback(struct pg_link *link)
{
	struct ym_err ignored;
	char code[sizeof(link->code)];

	if (!link->conn || !link->transaction)
		return;
	memcpy(code, link->code, sizeof(code));
	if (pg_run(link, "ROLLBACK", NULL, &ignored) < 0)
		pg_shut(link);
	link->transaction = false;
	memcpy(link->code, code, sizeof(code));
}

bool pg_was(const struct pg_link *link, const char *code)
{
	return strcmp(link->code, code) == 0;
}
