/*
 * link.h - a connection to PostgreSQL that never waits for ever.
 *
 * Statements are sent in rows (libpq's pipelines): pg_send() any number of them, pg_sync() once, then pg_next() for the result of
 * each in their order and pg_done(). So a batch costs two round trips however many statements it has. What fails ends
 * the row; after -1 the row is over, and if there was a transaction, it has been rolled back or the connection is gone.
 *
 * Each text of a statement is prepared when it is first sent, known by its address: it has to be static.
 */
#ifndef YM_RUNTIME_POSTGRES_LINK_H
#define YM_RUNTIME_POSTGRES_LINK_H

#include "args.h"

#define PG_STATEMENTS_MAX 64
#define PG_ROW_MAX        4096  /* statements in a row */
#define PG_PATIENCE_MS    12000 /* without a byte from the server: more than statement_timeout */

/* What the server said went wrong: SQLSTATEs that somebody acts on. */
#define PG_UNIQUE    "23505"
#define PG_DEADLOCK  "40P01"
#define PG_SERIALIZE "40001"
#define PG_LOCKED    "55P03"
#define PG_READ_ONLY "25006"
#define PG_DEAD      "YM001" /* schema: this node is not registered (any more) */

struct pg_link {
	PGconn *conn; /* NULL: not connected */
	const char *uri;
	int64_t patience_ms; /* -1: for ever */
	char code[6];        /* SQLSTATE of the last failure; "": not the server's */
	char warning[160];   /* the last one of the server; "": none, or it was taken */
	bool transaction;    /* BEGIN was sent */
	struct pg_statement {
		const char *sql;
		bool prepared;
	} statements[PG_STATEMENTS_MAX];
	int nstatements;
	short row[PG_ROW_MAX]; /* sent: index of the statement, prepared: -1 - index */
	int sent, received;
	bool synced;
};

/* Connect, and make the session what we need. `uri` must outlive the link. */
int pg_open(struct pg_link *link, const char *uri, const char *application, int64_t patience_ms, struct ym_err *err);
void pg_shut(struct pg_link *link);

int pg_send(struct pg_link *link, const char *sql, struct pg_args *args, struct ym_err *err);
int pg_sync(struct pg_link *link, struct ym_err *err);
/* NULL: it failed. Else to be freed with pg_free(). */
PGresult *pg_next(struct pg_link *link, struct ym_err *err);
/* Results that nobody wants, and the end of the row. */
int pg_done(struct pg_link *link, struct ym_err *err);
static inline void pg_free(PGresult *result)
{
	libpq.PQclear(result);
}

/* A statement, the last of the row, or alone: its result. NULL: failed. */
PGresult *pg_ask(struct pg_link *link, const char *sql, struct pg_args *args, struct ym_err *err);
/* The same, of a text that will not be there for long. */
PGresult *pg_ask_once(struct pg_link *link, const char *sql, struct pg_args *args, struct ym_err *err);
int pg_run(struct pg_link *link, const char *sql, struct pg_args *args, struct ym_err *err);
/* A text of several statements, or one that stands in no transaction. */
int pg_script(struct pg_link *link, const char *sql, struct ym_err *err);

/* Transactions; nothing to do when there is none. */
int pg_begin(struct pg_link *link, struct ym_err *err);
int pg_commit(struct pg_link *link, struct ym_err *err);
void pg_rollback(struct pg_link *link);

/* Is it this failure? */
bool pg_was(const struct pg_link *link, const char *code);

#endif
