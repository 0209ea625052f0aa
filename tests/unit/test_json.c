/* test_json.c - the JSON writer: commas, numbers, and strings that are valid whatever goes in. */
#include <math.h>

#include "../../runtime/json.h"
#include "support.h"

static char *text;
static size_t size;
static struct json json;

static void begin_json(void)
{
	begin_test();
	json = (struct json){.to = open_memstream(&text, &size)};
	ck_assert_ptr_nonnull(json.to);
}

/* What has been written must be this; then start anew. */
static void written(const char *expected)
{
	ck_assert_int_eq(fclose(json.to), 0);
	ck_assert_str_eq(text, expected);
	free(text);
	json = (struct json){.to = open_memstream(&text, &size)};
}

static void end_json(void)
{
	fclose(json.to);
	free(text);
	end_test();
}

START_TEST(commas_are_where_they_belong)
{
	json_open(&json, NULL, '{');
	json_close(&json, '}');
	written("{}");

	json_open(&json, NULL, '{');
	json_put_uint(&json, "a", 1);
	json_open(&json, "b", '[');
	json_open(&json, NULL, '{');
	json_close(&json, '}');
	json_open(&json, NULL, '[');
	json_close(&json, ']');
	json_put_bool(&json, NULL, true);
	json_close(&json, ']');
	json_put_bool(&json, "c", false);
	json_close(&json, '}');
	written("{\"a\": 1, \"b\": [{}, [], true], \"c\": false}");
}
END_TEST

START_TEST(numbers)
{
	json_open(&json, NULL, '[');
	json_put_uint(&json, NULL, UINT64_MAX);
	json_put_int(&json, NULL, INT64_MIN);
	json_put_real(&json, NULL, 0.5);
	json_put_real(&json, NULL, -1234567.0005);
	json_put_real(&json, NULL, (double)NAN);
	json_put_real(&json, NULL, (double)INFINITY);
	json_close(&json, ']');
	written("[18446744073709551615, -9223372036854775808, 0.500, -1234567.001, null, null]");
}
END_TEST

START_TEST(escapes)
{
	static const struct {
		const char *in, *out;
	} rows[] = {{"", "\"\""},
	            {"plain", "\"plain\""},
	            {"\"quoted\"", "\"\\\"quoted\\\"\""},
	            {"back\\slash", "\"back\\\\slash\""},
	            {"\n\t\r\b\f\x01\x1f", "\"\\u000a\\u0009\\u000d\\u0008\\u000c\\u0001\\u001f\""},
	            {"/ \x7f", "\"/ \x7f\""}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		json_put_string(&json, NULL, rows[i].in);
		written(rows[i].out);
	}
	json_put_bytes(&json, NULL, "a\0b", 3);
	written("\"a\\u0000b\"");
}
END_TEST

START_TEST(utf8)
{
	static const char *const good[] = {"\xc2\x80",         "\xc3\xa4",         "\xdf\xbf",        "\xe0\xa0\x80",
	                                   "\xe2\x82\xac",     "\xed\x9f\xbf",     "\xee\x80\x80",    "\xef\xbf\xbf",
	                                   "\xf0\x90\x80\x80", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"};
	/* How many bytes of each are replaced one by one; a plain letter behind them always stays. */
	static const struct {
		const char *in;
		unsigned replaced;
	} bad[] = {{"\x80", 1},
	           {"\xbf", 1},
	           {"\xc0\x80", 2},
	           {"\xc1\xbf", 2},
	           {"\xc3", 1},
	           {"\xe0\x80\x80", 3},
	           {"\xe0\x9f\xbf", 3},
	           {"\xe2\x82", 2},
	           {"\xed\xa0\x80", 3},
	           {"\xed\xbf\xbf", 3},
	           {"\xf0\x80\x80\x80", 4},
	           {"\xf0\x8f\xbf\xbf", 4},
	           {"\xf0\x9f\x98", 3},
	           {"\xf4\x90\x80\x80", 4},
	           {"\xf5\x80\x80\x80", 4},
	           {"\xfe", 1},
	           {"\xff\xff", 2}};

	for (size_t i = 0; i < COUNT(good); i++) {
		char expected[16];

		snprintf(expected, sizeof(expected), "\"%s\"", good[i]);
		json_put_string(&json, NULL, good[i]);
		written(expected);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		char in[16], expected[64] = "\"";

		snprintf(in, sizeof(in), "%sx", bad[i].in);
		for (unsigned n = 0; n < bad[i].replaced; n++)
			strcat(expected, "\\ufffd");
		strcat(expected, "x\"");
		json_put_string(&json, NULL, in);
		written(expected);
		/* Nor is anything read behind the end. */
		expected[strlen(expected) - 2] = '\0';
		strcat(expected, "\"");
		json_put_bytes(&json, NULL, in, strlen(bad[i].in));
		written(expected);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json");
	TCase *tcase = tcase_create("json");

	tcase_add_checked_fixture(tcase, begin_json, end_json);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, commas_are_where_they_belong);
	tcase_add_test(tcase, numbers);
	tcase_add_test(tcase, escapes);
	tcase_add_test(tcase, utf8);
	return run_suite(suite);
}
