/* request.c - read the head of a request. */
#include "request.h"

#include <string.h>
#include <strings.h>

#define METHOD_MAX 20

/* ---- slices ---------------------------------------------------------------------------------- */

bool slice_is(struct slice slice, const char *text)
{
	return slice.at && strlen(text) == slice.length && memcmp(slice.at, text, slice.length) == 0;
}

bool slice_is_word(struct slice slice, const char *text)
{
	return slice.at && strlen(text) == slice.length && strncasecmp(slice.at, text, slice.length) == 0;
}

struct slice slice_until(struct slice *rest, char end)
{
	const char *found = rest->length > 0 ? memchr(rest->at, end, rest->length) : NULL;
	struct slice part = *rest;

	part.length = found ? (size_t)(found - rest->at) : rest->length;
	rest->at += part.length + (found != NULL);
	rest->length -= part.length + (found != NULL);
	return part;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice slice)
{
	for (; slice.length > 0 && is_blank(slice.at[0]); slice.length--)
		slice.at++;
	while (slice.length > 0 && is_blank(slice.at[slice.length - 1]))
		slice.length--;
	return slice;
}

bool slice_lists(struct slice list, const char *word)
{
	while (list.length > 0)
		if (slice_is_word(slice_trim(slice_until(&list, ',')), word))
			return true;
	return false;
}

/* ---- characters ------------------------------------------------------------------------------ */

/* Of a method or the name of a header line. */
static bool is_token(struct slice slice)
{
	for (size_t i = 0; i < slice.length; i++) {
		unsigned char c = (unsigned char)slice.at[i];

		if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
			return false;
	}
	return slice.length > 0;
}

/* Of the value of a header line: no control characters but tabs. */
static bool is_value(struct slice slice)
{
	for (size_t i = 0; i < slice.length; i++) {
		unsigned char c = (unsigned char)slice.at[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static bool is_target(struct slice slice)
{
	for (size_t i = 0; i < slice.length; i++)
		if (slice.at[i] <= ' ' || slice.at[i] == 0x7f || slice.at[i] == '#')
			return false;
	return slice.length > 0;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* As a proxy is asked, "http://HOST/PATH": what is left is as of every other request. False: it is none of both. */
static bool take_authority(struct slice *target, struct request *request)
{
	struct slice rest = *target, scheme = slice_until(&rest, ':');
	size_t length = 0;

	if (target->at[0] == '/')
		return true;
	if (!slice_is_word(scheme, "http") || rest.length < 2 || memcmp(rest.at, "//", 2) != 0)
		return false;
	rest = (struct slice){rest.at + 2, rest.length - 2};
	while (length < rest.length && rest.at[length] != '/' && rest.at[length] != '?')
		length++;
	request->authority = (struct slice){rest.at, length};
	*target = (struct slice){rest.at + length, rest.length - length};
	return length > 0;
}

static int first_line(struct slice line, struct request *request)
{
	struct slice method = slice_until(&line, ' '), target = slice_until(&line, ' ');

	if (!is_token(method) || method.length > METHOD_MAX)
		return 400;
	if (line.length != 8 || memcmp(line.at, "HTTP/", 5) != 0)
		return 400;
	request->keep = slice_is(line, "HTTP/1.1");
	if (!request->keep && !slice_is(line, "HTTP/1.0"))
		return 505;
	if (!is_target(target) || !take_authority(&target, request))
		return 400;
	request->method = slice_is(method, "GET")    ? REQUEST_GET
	                  : slice_is(method, "HEAD") ? REQUEST_HEAD
	                                             : REQUEST_OTHER;
	request->path = slice_until(&target, '?');
	if (request->path.length == 0)
		request->path = (struct slice){"/", 1};
	request->query = target;
	return 0;
}

static int header_line(struct slice line, struct request *request)
{
	struct slice name = slice_until(&line, ':'), value = slice_trim(line);

	/* A blank before the colon, and a line that goes on, are no tokens either. */
	if (!is_token(name) || line.at == name.at + name.length || !is_value(value))
		return 400;
#define X(word, member, again)                                                                                         \
	if (slice_is_word(name, word)) {                                                                               \
		if (request->member.at && !(again))                                                                    \
			return 400;                                                                                    \
		if (!request->member.at)                                                                               \
			request->member = value;                                                                       \
	}
	REQUEST_HEADER_MAP(X)
#undef X
	return 0;
}

/* What goes beyond the single lines. */
static int judge(struct request *request)
{
	bool body =
	    request->transfer_encoding.at || (request->content_length.at && !slice_is(request->content_length, "0"));

	if (request->keep && !request->host.at)
		return 400;
	/* Which host is meant, the first line says better. */
	if (request->authority.at)
		request->host = request->authority;
	if (slice_lists(request->connection, "close"))
		request->keep = false;
	/* A method that is not known is refused as such; where its body ends is not our concern then. */
	if (request->method == REQUEST_OTHER)
		request->keep = false;
	else if (body)
		return 413;
	return 0;
}

/* The next line without its end. -1: it ends with something else than CR LF. */
static int take_line(struct slice *rest, struct slice *line)
{
	*line = slice_until(rest, '\n');
	if (line->length == 0 || line->at[line->length - 1] != '\r')
		return -1;
	line->length--;
	return 0;
}

/* ---- the head -------------------------------------------------------------------------------- */

/* Behind the empty line that ends the head, or NULL. */
static const char *find_end(const char *bytes, size_t size, size_t *searched)
{
	/* What was searched may end within the four bytes. */
	size_t from = *searched > 3 ? *searched - 3 : 0;
	const char *end = memmem(bytes + from, size - from, "\r\n\r\n", 4);

	*searched = size;
	return end ? end + 4 : NULL;
}

int request_parse(const char *bytes, size_t size, size_t *searched, struct request *request)
{
	const char *end = find_end(bytes, size < REQUEST_MAX ? size : REQUEST_MAX, searched);
	struct slice rest = {bytes, end ? (size_t)(end - bytes) - 2 : 0}, line;
	int status;

	*request = (struct request){0};
	/* Something else altogether (TLS, say) would wait for an end that does not come. */
	if (size > 0 && (bytes[0] < 'A' || bytes[0] > 'Z'))
		return 400;
	if (!end)
		return size >= REQUEST_MAX ? 431 : REQUEST_MORE;
	request->size = (size_t)(end - bytes);
	if (take_line(&rest, &line) < 0)
		return 400;
	status = first_line(line, request);
	while (status == 0 && rest.length > 0)
		status = take_line(&rest, &line) < 0 ? 400 : header_line(line, request);
	return status ? status : judge(request);
}
