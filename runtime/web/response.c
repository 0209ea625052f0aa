/* response.c - write the head of a response. */
#include "response.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *response_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} rows[] = {
#define X(number, text) {number, text},
	    RESPONSE_STATUS_MAP(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].status == status)
			return rows[i].reason;
	return "Unknown";
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static struct bytes *wrap(void *memory, size_t size)
{
	struct bytes *bytes = memory ? malloc(sizeof(*bytes)) : NULL;

	if (!bytes) {
		free(memory);
		return NULL;
	}
	*bytes = (struct bytes){.holders = 1, .size = size, .at = memory, .memory = memory};
	return bytes;
}

struct bytes *bytes_copy(const void *at, size_t size)
{
	char *memory = malloc(size + 1);

	if (memory)
		memcpy(memory, at, size);
	return wrap(memory, size);
}

struct bytes *bytes_hold(struct bytes *bytes)
{
	if (bytes)
		bytes->holders++;
	return bytes;
}

void bytes_release(struct bytes *bytes)
{
	if (!bytes || --bytes->holders > 0 || !bytes->memory)
		return;
	free(bytes->memory);
	free(bytes);
}

FILE *bytes_write(struct bytes_writer *writer)
{
	*writer = (struct bytes_writer){0};
	writer->to = open_memstream(&writer->memory, &writer->size);
	return writer->to;
}

struct bytes *bytes_written(struct bytes_writer *writer)
{
	bool good = !ferror(writer->to);

	if (fclose(writer->to) != 0 || !good) {
		free(writer->memory);
		return NULL;
	}
	return wrap(writer->memory, writer->size);
}

/* ---- heads ----------------------------------------------------------------------------------- */

/*
 * Nothing comes from elsewhere, nothing runs that stands in the page itself, nobody frames it, and no other site's page may
 * have what is here.
 */
#define POLICIES                                                                                                       \
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "           \
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n"                          \
	"X-Content-Type-Options: nosniff\r\n"                                                                          \
	"X-Frame-Options: DENY\r\n"                                                                                    \
	"Referrer-Policy: no-referrer\r\n"                                                                             \
	"Cross-Origin-Opener-Policy: same-origin\r\n"                                                                  \
	"Cross-Origin-Resource-Policy: same-origin\r\n"

struct head {
	char *out;
	size_t length;
};

/* RESPONSE_HEAD_MAX is enough for all of it: what is long comes from us. */
__attribute__((format(printf, 2, 3))) static void line(struct head *head, const char *fmt, ...)
{
	size_t room = RESPONSE_HEAD_MAX - head->length;
	va_list list;
	int n;

	va_start(list, fmt);
	n = vsnprintf(head->out + head->length, room, fmt, list);
	va_end(list);
	head->length += n > 0 && (size_t)n < room ? (size_t)n : room - 1;
}

static void date(struct head *head)
{
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t now = time(NULL);
	struct tm tm;

	/* Not strftime(): the names are English in any locale. */
	if (gmtime_r(&now, &tm))
		line(head, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday], tm.tm_mday,
		     months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

size_t response_head(char out[RESPONSE_HEAD_MAX], const struct response *response, size_t size)
{
	struct head head = {.out = out};

	line(&head, "HTTP/1.1 %d %s\r\n", response->status, response_reason(response->status));
	date(&head);
	if (response->type)
		line(&head, "Content-Type: %s\r\n", response->type);
	if (response->status != 304 && !response->endless)
		line(&head, "Content-Length: %zu\r\n", size);
	if (response->etag)
		line(&head, "ETag: %s\r\nCache-Control: no-cache\r\n", response->etag);
	else
		line(&head, "Cache-Control: no-store\r\n");
	if (response->location)
		line(&head, "Location: %s\r\n", response->location);
	if (response->cookie)
		line(&head, "Set-Cookie: %s\r\n", response->cookie);
	if (response->vary)
		line(&head, "Vary: Accept\r\n");
	if (response->allow)
		line(&head, "Allow: GET, HEAD\r\n");
	if (response->challenge)
		line(&head, "WWW-Authenticate: Bearer\r\n");
	line(&head, "Connection: %s\r\n" POLICIES "\r\n", response->keep ? "keep-alive" : "close");
	return head.length;
}
