/* test_web_accept.c - what `Accept` asks for, and what it gets at /metrics. */
#include "../../runtime/web/accept.h"
#include "../../runtime/web/metrics.h"
#include "support.h"

/* In memory that ends where the text does, so that a sanitizer sees who reads on. */
static struct slice copy(const char *text)
{
	char *bytes = malloc(strlen(text) + 1);

	ck_assert_ptr_nonnull(bytes);
	bytes = realloc(memcpy(bytes, text, strlen(text) + 1), strlen(text) ? strlen(text) : 1);
	ck_assert_ptr_nonnull(bytes);
	return (struct slice){bytes, strlen(text)};
}

static void drop(struct slice slice)
{
	free((void *)(uintptr_t)slice.at);
}

START_TEST(qualities)
{
	static const struct {
		const char *accept;
		unsigned quality;
	} rows[] = {
	    {"a/b", 1000},
	    {"A/B", 1000},
	    {" a/b ;version=1 ", 1000},
	    {"x/y,\ta/b\t;\tq=0.5", 500},
	    {"a/b;Q=0.123", 123},
	    {"a/b;q=0.1", 100},
	    {"a/b;q=1", 1000},
	    {"a/b;q=1.", 1000},
	    {"a/b;q=1.000", 1000},
	    {"a/b;version=1;q=0.25", 250},
	    {"a/b;q=0.25;VERSION=1;charset=utf-8", 250},
	    {"a/b;q=0.2,a/b;q=0.4,a/b;q=0.3", 400},
	    {"a/b;version=2,a/b;version=1;q=0.3", 300},
	    {"", 0},
	    {",;,=,;q=1", 0},
	    {"a/b;q=0", 0},
	    {"a/b;q=0.000", 0},
	    {"a/b;q=0.0001", 0},
	    {"a/b;q=1.001", 0},
	    {"a/b;q=2", 0},
	    {"a/b;q=", 0},
	    {"a/b;q", 0},
	    {"a/b;q=05", 0},
	    {"a/b;q=0x5", 0},
	    {"a/b;q=-1", 0},
	    {"a/b;q=0.x", 0},
	    {"a/b;version=2", 0},
	    {"a/b;version=", 0},
	    {"a/b;version=10", 0},
	    {"*/*", 0},
	    {"a/*", 0},
	    {"a/bc", 0},
	    {"a/", 0},
	    {"xa/b", 0},
	    {"x/y;a/b", 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice accept = copy(rows[i].accept);
		unsigned quality = accept_quality(accept, "a/b", "1");

		drop(accept);
		ck_assert_msg(quality == rows[i].quality, "\"%s\": %u, not %u", rows[i].accept, quality,
		              rows[i].quality);
	}
	ck_assert_uint_eq(accept_quality((struct slice){0}, "a/b", "1"), 0);
}
END_TEST

#define OPEN "application/openmetrics-text"

/* What Prometheus has sent over the years is among them. */
START_TEST(formats_of_metrics)
{
	static const struct {
		const char *accept;
		enum metrics_format format;
	} rows[] = {
	    {OPEN ";version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/"
	          "*;q=0.1",
	     METRICS_OPENMETRICS},
	    {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6," OPEN
	     ";version=1.0.0;escaping=allow-utf-8;q=0.5," OPEN ";version=0.0.1;q=0.4,text/plain;version=1.0.0;"
	     "escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
	     METRICS_OPENMETRICS},
	    {"text/plain;version=0.0.4;q=0.5," OPEN ";version=1.0.0;q=0.4", METRICS_TEXT},
	    {OPEN "; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", METRICS_TEXT},
	    {"text/plain;version=0.0.4;q=1,*/*;q=0.1", METRICS_TEXT},
	    {"text/plain," OPEN, METRICS_OPENMETRICS},
	    {OPEN ";q=0.001", METRICS_OPENMETRICS},
	    {OPEN ";q=0,text/html", METRICS_TEXT},
	    {"*/*", METRICS_TEXT},
	    {"application/*", METRICS_TEXT},
	    {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", METRICS_TEXT},
	    {"", METRICS_TEXT},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice accept = copy(rows[i].accept);
		enum metrics_format format = metrics_wanted(accept);

		drop(accept);
		ck_assert_msg(format == rows[i].format, "%s: %s", rows[i].accept, metrics_type(format));
	}
	ck_assert_int_eq(metrics_wanted((struct slice){0}), METRICS_TEXT);
	ck_assert_str_eq(metrics_type(METRICS_OPENMETRICS), OPEN "; version=1.0.0; charset=utf-8");
	ck_assert_str_eq(metrics_type(METRICS_TEXT), "text/plain; version=0.0.4; charset=utf-8");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("web_accept");
	TCase *tcase = add_case(suite, "web_accept");

	tcase_add_test(tcase, qualities);
	tcase_add_test(tcase, formats_of_metrics);
	return run_suite(suite);
}
