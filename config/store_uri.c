/* store_uri.c - the value of `store`: kinds, checks, passwords. */
#define _GNU_SOURCE 1 /* memrchr */
#include "store_uri.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"
#include "problems.h"
#include "types.h"

#define MEMORY_FILE ":memory:"
#define PASSWORD    "password=" /* in the query of a URI; also the end of sslpassword= */
#define URI_MAX     2048        /* bytes; far more than anybody needs, and it fits where it is handed on */
#define SQLITE_MAX  500         /* bytes of a path: sqlite takes 512, the names of its side files included */
#define HIDDEN      "***"
#define WHITE_SPACE " \t\r\n"

static const struct {
	const char *scheme, *also, *word;
	bool more; /* something follows the scheme */
} kinds[] = {
#define X(name, scheme, also, rest) [CFG_STORE_##name] = {scheme, also, scheme rest, sizeof(rest) > 1},
    CFG_STORE_MAP(X)
#undef X
};

/* How many bytes of the URI are this scheme; 0: it has another one. */
static size_t begins(const char *uri, const char *scheme, bool more)
{
	size_t length = scheme ? strlen(scheme) : 0;

	return length && !strncmp(uri, scheme, length) && (more || !uri[length]) ? length : 0;
}

static size_t scheme_length(const char *uri, enum cfg_store kind)
{
	size_t length = begins(uri, kinds[kind].scheme, kinds[kind].more);

	return length ? length : begins(uri, kinds[kind].also, kinds[kind].more);
}

enum cfg_store cfg_store_kind(const char *uri)
{
	enum cfg_store kind = 0;

	while (uri && kind < CFG_STORES && !scheme_length(uri, kind))
		kind++;
	return kind;
}

const char *cfg_store_word(enum cfg_store kind)
{
	return kinds[kind].word;
}

const char *cfg_store_rest(const char *uri)
{
	return uri + scheme_length(uri, cfg_store_kind(uri));
}

/* ---- passwords --------------------------------------------------------------------------------- */

static void put(char out[CFG_STORE_SHOWN_MAX], size_t *used, const char *from, size_t length)
{
	size_t room = CFG_STORE_SHOWN_MAX - 1 - *used;

	if (length > room)
		length = room;
	memcpy(out + *used, from, length);
	*used += length;
}

/* Behind the colon of HOST:PORT: digits, then the next host, the path or nothing more. */
static bool is_port(const char *text)
{
	return strchr(",/?", text[strspn(text, "0123456789")]) != NULL;
}

/*
 * The end of what may be a password in front of an @; `from` is where it starts. NULL: there is none. What was cut before
 * its @ (the = in it was taken for that of the option) is hidden as a whole.
 */
static const char *password_end(const char *uri, const char *end, const char **from)
{
	const char *scheme = strstr(uri, "://"), *query = strstr(uri, PASSWORD), *at;
	const char *user = scheme ? scheme + strlen("://") : end;
	const char *colon = user + strcspn(user, ":["); /* but not one of [::1] */

	bool cut;

	colon += *colon == '[' ? strcspn(colon, "]") : 0;
	colon = strchr(colon, ':');
	if (!colon || (query && query < colon))
		return NULL;
	*from = colon + 1;
	cut = !is_port(*from) && strcspn(user, "/?") > (size_t)(colon - user);
	at = memrchr(*from, '@', (size_t)((query ? query : end) - *from));
	/* An @ only behind `password=`: that may be a part of the first password or of the second one. */
	return at ? at : cut || (query && strchr(query, '@')) ? end : NULL;
}

const char *cfg_store_shown(const char *uri, char out[CFG_STORE_SHOWN_MAX])
{
	const char *end = uri + strlen(uri), *password, *behind = password_end(uri, end, &password);
	size_t used = 0;

	if (behind) {
		put(out, &used, uri, (size_t)(password - uri));
		put(out, &used, HIDDEN, strlen(HIDDEN));
		uri = behind;
	}
	while ((password = strstr(uri, PASSWORD))) {
		password += strlen(PASSWORD);
		put(out, &used, uri, (size_t)(password - uri));
		put(out, &used, HIDDEN, strlen(HIDDEN));
		uri = password + strcspn(password, "&");
	}
	put(out, &used, uri, (size_t)(end - uri));
	out[used] = '\0';
	return out;
}

/* ---- the option -------------------------------------------------------------------------------- */

static void offer(struct cfg_nearest *nearest, const char *scheme, enum cfg_store kind, enum cfg_store *best)
{
	if (!scheme)
		return;
	cfg_nearest_offer(nearest, scheme);
	if (nearest->best == scheme)
		*best = kind;
}

/* "must be memory, sqlite:PATH or ...", and the nearest one. */
static int no_such_store(const struct cfg_input *in)
{
	size_t used = (size_t)snprintf(in->why, CFG_WHY_MAX, "must be ");
	char word[CFG_NEAREST_MAX + 2];
	struct cfg_nearest nearest = {.word = word};
	enum cfg_store best = CFG_STORES;

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(in->text, ":"), in->text);
	for (enum cfg_store kind = 0; kind < CFG_STORES; kind++) {
		const char *before = !kind ? "" : kind + 1 < CFG_STORES ? ", " : " or ";

		used += (size_t)snprintf(in->why + used, CFG_WHY_MAX - used, "%s%s", before, kinds[kind].word);
		offer(&nearest, kinds[kind].scheme, kind, &best);
		offer(&nearest, kinds[kind].also, kind, &best);
	}
	if (best < CFG_STORES)
		snprintf(in->why + used, CFG_WHY_MAX - used, "; did you mean `%s`?", kinds[best].word);
	return -1;
}

static int refuse(const struct cfg_input *in, const char *why)
{
	snprintf(in->why, CFG_WHY_MAX, "%s", why);
	return -1;
}

/* What is no plain path of a file; NULL if it is one. */
static const char *why_no_file(const char *path)
{
	if (!*path)
		return "no path behind `sqlite:`: write one, such as sqlite:jobs.db";
	if (!strcmp(path, MEMORY_FILE))
		return "such a store would be lost with the master: write a path, or `store = memory`, which survives "
		       "every crash but a reboot";
	if (!strncmp(path, "//", 2) || !strncmp(path, "file:", 5))
		return "a plain path follows `sqlite:`, absolute or relative to this file: sqlite:/srv/jobs.db, "
		       "sqlite:jobs.db";
	return path[strlen(path) - 1] == '/' ? "this is a directory: name a file in it, such as jobs.db" : NULL;
}

static int set_sqlite(const struct cfg_option *option, const struct cfg_input *in)
{
	const char *path = cfg_store_rest(in->text), *scheme = kinds[CFG_STORE_SQLITE].scheme, *why = why_no_file(path);
	char uri[SQLITE_MAX + 16];
	struct cfg_input whole = *in;
	char *resolved;
	size_t length;

	if (why)
		return refuse(in, why);
	resolved = cfg_resolve(in, path, "");
	if (!resolved)
		return -1;
	length = strlen(resolved);
	if (length <= SQLITE_MAX)
		snprintf(uri, sizeof(uri), "%s%s", scheme, resolved);
	free(resolved);
	if (length > SQLITE_MAX) {
		snprintf(in->why, CFG_WHY_MAX, "the path is too long for sqlite: at most %d bytes, with its directory",
		         SQLITE_MAX);
		return -1;
	}
	whole.text = uri;
	return cfg_set_text(option, &whole);
}

int cfg_set_store(const struct cfg_option *option, const struct cfg_input *in)
{
	enum cfg_store kind = cfg_store_kind(in->text);

	if (kind == CFG_STORES)
		return no_such_store(in);
	if (kind == CFG_STORE_SQLITE)
		return set_sqlite(option, in);
	if (strlen(in->text) > URI_MAX) {
		snprintf(in->why, CFG_WHY_MAX, "too long: at most %d bytes", URI_MAX);
		return -1;
	}
	if (in->text[strcspn(in->text, WHITE_SPACE)])
		return refuse(in, "white space in a URI is written %20");
	return cfg_set_text(option, in);
}
