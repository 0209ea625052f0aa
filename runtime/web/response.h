/*
 * response.h - what is sent: the head of a response, and bytes that many connections send at the same time.
 */
#ifndef YM_RUNTIME_WEB_RESPONSE_H
#define YM_RUNTIME_WEB_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Status, reason. */
#define RESPONSE_STATUS_MAP(X)                                                                                         \
	X(200, "OK")                                                                                                   \
	X(303, "See Other")                                                                                            \
	X(304, "Not Modified")                                                                                         \
	X(400, "Bad Request")                                                                                          \
	X(401, "Unauthorized")                                                                                         \
	X(404, "Not Found")                                                                                            \
	X(405, "Method Not Allowed")                                                                                   \
	X(408, "Request Timeout")                                                                                      \
	X(413, "Content Too Large")                                                                                    \
	X(421, "Misdirected Request")                                                                                  \
	X(431, "Request Header Fields Too Large")                                                                      \
	X(500, "Internal Server Error")                                                                                \
	X(503, "Service Unavailable")                                                                                  \
	X(505, "HTTP Version Not Supported")

const char *response_reason(int status);

#define RESPONSE_TEXT   "text/plain; charset=utf-8"
#define RESPONSE_JSON   "application/json"
#define RESPONSE_EVENTS "text/event-stream"

/* ---- bytes ----------------------------------------------------------------------------------- */

/* Written once, then sent by as many as hold it. */
struct bytes {
	unsigned holders;
	size_t size;
	const char *at;
	void *memory; /* behind `at`, to be freed; NULL: it is there for good */
};

/* NULL: no memory. With one holder. */
struct bytes *bytes_copy(const void *at, size_t size);
struct bytes *bytes_hold(struct bytes *bytes);
/* NULL is allowed. */
void bytes_release(struct bytes *bytes);

/* Write into bytes that are to be made: a stream, or NULL. The end gives the bytes, or NULL (no memory). */
struct bytes_writer {
	FILE *to;
	char *memory;
	size_t size;
};
FILE *bytes_write(struct bytes_writer *writer);
struct bytes *bytes_written(struct bytes_writer *writer);

/* ---- heads ----------------------------------------------------------------------------------- */

#define RESPONSE_HEAD_MAX 2048

struct response {
	int status;
	const char *type;     /* NULL: nothing follows the head */
	const char *etag;     /* may be kept, and asked for again with it; NULL: not to be kept at all */
	const char *location; /* may be NULL, as all that follows */
	const char *cookie;
	bool allow;     /* say which methods there are */
	bool challenge; /* say that a token is needed */
	bool vary;      /* what follows goes with what `Accept` says */
	bool endless;   /* as long as the connection lasts */
	bool keep;      /* the connection goes on afterwards */
};

/* Returns its length. `size`: of what follows. */
size_t response_head(char out[RESPONSE_HEAD_MAX], const struct response *response, size_t size);

#endif
