/* test_web_request.c - heads of requests: what is taken, what is refused, and nothing in between. */
#include "../../runtime/web/request.h"
#include "support.h"

static struct request request;

/* In memory that ends where the bytes do, so that a sanitizer sees who reads on. */
static int parse(const char *bytes, size_t size)
{
	char *copy = malloc(size ? size : 1);
	size_t searched = 0;
	int status;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, bytes, size);
	status = request_parse(copy, size, &searched, &request);
	free(copy);
	return status;
}

static int parse_text(const char *text)
{
	return parse(text, strlen(text));
}

#define HOST "Host: h\r\n"

START_TEST(parts_are_found)
{
	static const char text[] =
	    "GET /a/b?c=d&e HTTP/1.1\r\nHOST:  example:80\t\r\nAuthorization: Bearer x y\r\n"
	    "X-Other: 1\r\nCookie: a=b; c=d\r\nIf-None-Match: \"1\"\r\nAccept: a/b\r\nAccept: c/d\r\n"
	    "Empty:\r\n\r\nmore";
	size_t searched = 0;

	ck_assert_int_eq(request_parse(text, sizeof(text) - 1, &searched, &request), 0);
	ck_assert_int_eq(request.method, REQUEST_GET);
	ck_assert(slice_is(request.path, "/a/b"));
	ck_assert(slice_is(request.query, "c=d&e"));
	ck_assert(slice_is(request.host, "example:80"));
	ck_assert(slice_is(request.authorization, "Bearer x y"));
	ck_assert(slice_is(request.cookie, "a=b; c=d"));
	ck_assert(slice_is(request.if_none_match, "\"1\""));
	ck_assert(slice_is(request.accept, "a/b"));
	ck_assert(request.keep);
	ck_assert_uint_eq(request.size, sizeof(text) - 1 - strlen("more"));
}
END_TEST

/* Servers have to know the form in which proxies are asked; the host in it counts, whatever `Host` says. */
START_TEST(whole_addresses_are_known)
{
	static const struct {
		const char *target, *host, *path, *query;
	} rows[] = {
	    {"http://h:80/a/b?c=d", "h:80", "/a/b", "c=d"}, {"HTTP://h/", "h", "/", ""},
	    {"http://[::1]:8421", "[::1]:8421", "/", ""},   {"http://h?x", "h", "/", "x"},
	    {"/http://h/x", "other", "/http://h/x", ""},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[128];
		size_t searched = 0;
		int length = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: other\r\n\r\n", rows[i].target);

		ck_assert_int_eq(request_parse(text, (size_t)length, &searched, &request), 0);
		ck_assert_msg(slice_is(request.host, rows[i].host) && slice_is(request.path, rows[i].path) &&
		                  slice_is(request.query, rows[i].query),
		              "%s", text);
	}
}
END_TEST

START_TEST(methods_and_connections)
{
	static const struct {
		const char *text;
		enum request_method method;
		bool keep;
	} rows[] = {
	    {"HEAD / HTTP/1.1\r\n" HOST "\r\n", REQUEST_HEAD, true},
	    {"GET / HTTP/1.0\r\n\r\n", REQUEST_GET, false},
	    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", REQUEST_GET, false},
	    {"GET / HTTP/1.1\r\n" HOST "Connection: Close\r\n\r\n", REQUEST_GET, false},
	    {"GET / HTTP/1.1\r\n" HOST "Connection: a ,close, b\r\n\r\n", REQUEST_GET, false},
	    {"GET / HTTP/1.1\r\n" HOST "Connection: enclose\r\n\r\n", REQUEST_GET, true},
	    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", REQUEST_GET, true},
	    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n", REQUEST_OTHER, false},
	    {"PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", REQUEST_OTHER, false},
	    {"GETS / HTTP/1.1\r\n" HOST "\r\n", REQUEST_OTHER, false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_msg(parse_text(rows[i].text) == 0, "%s", rows[i].text);
		ck_assert_msg(request.method == rows[i].method && request.keep == rows[i].keep, "%s", rows[i].text);
	}
}
END_TEST

START_TEST(wrong_heads_are_refused)
{
	static const struct {
		const char *text;
		int status;
	} rows[] = {
	    {"get / HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"G{T / HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET /  HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET /\r\n\r\n", 400},
	    {"GET\r\n\r\n", 400},
	    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
	    {"GET / HTTP/11\r\n" HOST "\r\n", 400},
	    {"GET / HTTP/1.2\r\n" HOST "\r\n", 505},
	    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
	    {"GET x HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET http:///x HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET http:/h/ HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET https://h/ HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET http:// HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET http: HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET http://h/ HTTP/1.1\r\n\r\n", 400},
	    {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET /#x HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET /\t HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"ABCDEFGHIJKLMNOPQRSTUVWXYZ / HTTP/1.1\r\n" HOST "\r\n", 400},
	    {"GET / HTTP/1.1\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
	    {"GET / HTTP/1.1\r\n" HOST "Cookie: a\r\ncookie: b\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\n" HOST ": x\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\n" HOST "X : x\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\n" HOST "X: a\nY: b\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\n" HOST "X: \x7f\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", 413},
	    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 00\r\n\r\n", 413},
	    {"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n", 413},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		int status = parse_text(rows[i].text);

		ck_assert_msg(status == rows[i].status, "%s: %d, not %d", rows[i].text, status, rows[i].status);
	}
}
END_TEST

/* However it comes in pieces, the head is found when its last byte is there. */
START_TEST(pieces_are_put_together)
{
	static const char text[] = "GET / HTTP/1.1\r\n" HOST "X: \r\r\n";
	static const char good[] = "GET / HTTP/1.1\r\n" HOST "\r\n";

	for (size_t first = 0; first < sizeof(good) - 1; first++) {
		size_t searched = 0;

		for (size_t size = first; size < sizeof(good) - 1; size++)
			ck_assert_int_eq(request_parse(good, size, &searched, &request), REQUEST_MORE);
		ck_assert_int_eq(request_parse(good, sizeof(good) - 1, &searched, &request), 0);
	}
	ck_assert_int_eq(parse_text(text), REQUEST_MORE);
	ck_assert_int_eq(parse("GET / HTTP/1.1\r\nHost: \0\r\n\r\n", 27), 400);
}
END_TEST

START_TEST(long_heads_are_refused)
{
	static char text[2 * REQUEST_MAX];
	static const char start[] = "GET / HTTP/1.1\r\n" HOST "X: ";

	memset(text, 'x', sizeof(text));
	memcpy(text, start, sizeof(start) - 1);
	ck_assert_int_eq(parse(text, REQUEST_MAX - 1), REQUEST_MORE);
	ck_assert_int_eq(parse(text, REQUEST_MAX), 431);
	memcpy(text + REQUEST_MAX - 4, "\r\n\r\n", 4);
	ck_assert_int_eq(parse(text, REQUEST_MAX), 0);
	ck_assert_uint_eq(request.size, REQUEST_MAX);
	memcpy(text + REQUEST_MAX - 4, "x\r\n\r\n", 5);
	ck_assert_int_eq(parse(text, sizeof(text)), 431);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("web_request");
	TCase *tcase = add_case(suite, "web_request");

	tcase_add_test(tcase, parts_are_found);
	tcase_add_test(tcase, whole_addresses_are_known);
	tcase_add_test(tcase, methods_and_connections);
	tcase_add_test(tcase, wrong_heads_are_refused);
	tcase_add_test(tcase, pieces_are_put_together);
	tcase_add_test(tcase, long_heads_are_refused);
	return run_suite(suite);
}
