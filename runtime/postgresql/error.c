/* error.c - SQLSTATEs as classes and advice. */
#include "error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../text.h"

#define PG_NO_ENTRY "28"

/* By the beginning of the code; the first that fits counts. */
static const struct {
	const char *code;
	enum ym_err_class class;
	const char *advice;
} known[] = {
    {"53100", YM_ERR_FULL, "the disk of the database server is full: make room there, it goes on by itself"},
    {"53300", YM_ERR_LIMIT, "raise max_connections of the server; a master uses two connections"},
    {"53", YM_ERR_LIMIT, "the server is short of resources"},
    {"54", YM_ERR_LIMIT, NULL},
    {"58030", YM_ERR_SYSTEM, "the database server cannot read or write its disk"},
    {PG_READ_ONLY, YM_ERR_PERMISSION,
     "this server is a standby, or was set to be read only: name the primary, or all servers with "
     "target_session_attrs=read-write"},
    {"42501", YM_ERR_PERMISSION, "grant the role what docs/postgresql.md lists"},
    {PG_NO_ENTRY, YM_ERR_PERMISSION, "look at user, password (~/.pgpass) and pg_hba.conf"},
    {"3D000", YM_ERR_CONFIG, "create the database first (createdb)"},
    {"3F000", YM_ERR_CONFIG, "run `yardmaster store init`"},
    {"42P01", YM_ERR_CONFIG, "run `yardmaster store init`"},
    {"42883", YM_ERR_CONFIG, "run `yardmaster store init`"},
    {"42704", YM_ERR_CONFIG, "run `yardmaster store init`"},
    {PG_DEAD, YM_ERR_GONE, "it registers anew by itself"},
    {PG_LOCKED, YM_ERR_TIMEOUT, "somebody holds a lock for long: a transaction that was left open?"},
    {"57014", YM_ERR_TIMEOUT, "it took more than 10 s"},
    {"40", YM_ERR_TIMEOUT, "transactions stood in each other's way"},
};

/* What libpq has before it, when a server refuses a connection. */
#define FAILED " failed: "

/* What libpq or the server says, on one line, and never the password. */
static void clean(const struct pg_link *link, const char *message, char *out, size_t max)
{
	PQconninfoOption *options = libpq.PQconninfoParse(link->uri, NULL);
	char *text = strdup(message), *at;

	out[0] = '\0';
	for (PQconninfoOption *option = options; text && option && option->keyword; option++) {
		bool secret = strcmp(option->keyword, "password") == 0 || strcmp(option->keyword, "sslpassword") == 0;

		if (secret && option->val && option->val[0])
			while ((at = strstr(text, option->val)))
				memset(at, '*', strlen(option->val));
	}
	if (options)
		libpq.PQconninfoFree(options);
	if (!text)
		return;
	for (at = text; *at; at++)
		if ((unsigned char)*at < ' ')
			*at = ' ';
	while (at > text && at[-1] == ' ')
		*--at = '\0';
	text_copy(out, max, text);
	free(text);
}

/* A URI that cannot be read may have its password anywhere. */
static bool readable(const struct pg_link *link)
{
	PQconninfoOption *options = libpq.PQconninfoParse(link->uri, NULL);

	if (options)
		libpq.PQconninfoFree(options);
	return options != NULL;
}

static void look_up(const char *code, enum ym_err_class *class, const char **advice)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strncmp(code, known[i].code, strlen(known[i].code)) == 0) {
			*class = known[i].class;
			*advice = known[i].advice;
			return;
		}
}

/*
 * "connection to server ... failed: FATAL:  28P01: password ...  LOCATION: ...": the code goes to `code`, the place in the
 * server's source away; and which server said so, if it is the only one, for the URI says that, and a status line is short.
 */
static void take_code(char *said, char code[6])
{
	char *fatal = strstr(said, "FATAL:  "), *place = strstr(said, " LOCATION:");
	char *failed = strstr(said, FAILED);
	bool alone = failed && !strstr(failed + 1, FAILED);
	const size_t length = strlen("FATAL:  ");

	if (place)
		*place = '\0';
	code[0] = '\0';
	if (!fatal || strlen(fatal) < length + 7 || fatal[length + 5] != ':')
		return;
	memcpy(code, fatal + length, 5);
	code[5] = '\0';
	memmove(fatal, fatal + length + 7, strlen(fatal + length + 7) + 1);
	if (alone && failed + strlen(FAILED) == fatal)
		memmove(said, fatal, strlen(fatal) + 1);
}

int pg_error_link(struct pg_link *link, const char *what, struct ym_err *err)
{
	char shown[STORE_SHOWN_MAX], said[400];
	enum ym_err_class class = YM_ERR_SYSTEM;
	const char *advice = NULL;

	link->code[0] = '\0';
	if (!readable(link))
		return ym_fail(
		    err, YM_ERR_CONFIG,
		    "store = %s: this URI has a mistake; write postgresql://USER@HOST:PORT/DATABASE?OPTION=VALUE",
		    store_shown(link->uri, shown));
	clean(link, link->conn ? libpq.PQerrorMessage(link->conn) : "", said, sizeof(said));
	take_code(said, link->code);
	if (link->code[0])
		look_up(link->code, &class, &advice);
	/* What libpq finds out by itself has no code. */
	else if (link->conn && libpq.PQconnectionNeedsPassword(link->conn))
		look_up(PG_NO_ENTRY, &class, &advice);
	return ym_fail(err, class, "PostgreSQL, %s, %s: %s%s%s", store_shown(link->uri, shown), what,
	               said[0] ? said : "the connection is gone", advice ? ": " : "", advice ? advice : "");
}

int pg_error_result(struct pg_link *link, const PGresult *result, struct ym_err *err)
{
	const char *code = libpq.PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = libpq.PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = libpq.PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	const char *advice = NULL;
	char shown[STORE_SHOWN_MAX], said[240], more[160] = "";
	enum ym_err_class class = YM_ERR_SYSTEM;

	text_copy(link->code, sizeof(link->code), code);
	if (code)
		look_up(code, &class, &advice);
	clean(link, message ? message : "the connection is gone", said, sizeof(said));
	if (detail)
		clean(link, detail, more, sizeof(more));
	return ym_fail(err, class, "PostgreSQL, %s: %s%s%s%s%s%s%s%s", store_shown(link->uri, shown), said,
	               more[0] ? ": " : "", more, code ? " (" : "", code ? code : "", code ? ")" : "",
	               advice ? ": " : "", advice ? advice : "");
}
