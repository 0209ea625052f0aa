/*
 * request.h - the head of an HTTP request, taken apart.
 *
 * HTTP/1.0 and 1.1 (RFC 9112), as much as a server needs that only gives things away: requests have no body. What is not
 * exactly a request is refused rather than guessed at: lines end with CR LF, no header line goes on in the next one, and
 * none that matters comes twice but `Accept`, a mere wish.
 */
#ifndef YM_RUNTIME_WEB_REQUEST_H
#define YM_RUNTIME_WEB_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

/* Longest head, with the empty line at its end. */
#define REQUEST_MAX 8192

/* Header lines that are looked at: name in lower case, member, may it come again (the first one counts). */
#define REQUEST_HEADER_MAP(X)                                                                                          \
	X("host", host, false)                                                                                         \
	X("authorization", authorization, false)                                                                       \
	X("cookie", cookie, false)                                                                                     \
	X("if-none-match", if_none_match, false)                                                                       \
	X("accept", accept, true)                                                                                      \
	X("connection", connection, false)                                                                             \
	X("content-length", content_length, false)                                                                     \
	X("transfer-encoding", transfer_encoding, false)

/* Bytes within the head; `at` NULL: not there. */
struct slice {
	const char *at;
	size_t length;
};

enum request_method { REQUEST_GET, REQUEST_HEAD, REQUEST_OTHER };

struct request {
	enum request_method method;
	struct slice authority; /* of "GET http://HOST/PATH", which then is `host`, too */
	struct slice path;      /* from its '/' on, as it was sent: escapes are not undone */
	struct slice query;     /* behind the '?' */
#define X(name, member, again) struct slice member;
	REQUEST_HEADER_MAP(X)
#undef X
	bool keep;   /* another request may follow */
	size_t size; /* bytes of the head */
};

/* The head is not there yet as a whole. */
#define REQUEST_MORE (-1)

/*
 * 0: it is there. REQUEST_MORE. Else the HTTP status with which it is refused, and nothing behind it can be understood.
 * *searched: how many of the bytes had no end of a head when they were last looked at (0 at first).
 */
int request_parse(const char *bytes, size_t size, size_t *searched, struct request *request);

bool slice_is(struct slice slice, const char *text);
/* Capitals do not matter. */
bool slice_is_word(struct slice slice, const char *text);
/* Cut off what stands before the first `end`, and skip that; all of it if there is none. *rest: what is left. */
struct slice slice_until(struct slice *rest, char end);
/* Without blanks around it. */
struct slice slice_trim(struct slice slice);
/* Is `word` one of the members of a list with commas? */
bool slice_lists(struct slice list, const char *word);

#endif
