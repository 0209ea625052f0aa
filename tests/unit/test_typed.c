/* test_typed.c - values as they are typed, as they are read, and as JSON. */
#include <math.h>

#include "../../ipc/serialize.h"
#include "../../runtime/json.h"
#include "../../runtime/typed.h"
#include "support.h"

/* Bytes with their length, NULs and all. */
#define BYTES(literal) literal, sizeof(literal) - 1

static char *text;
static size_t size;

static FILE *begin_text(void)
{
	FILE *to = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(to);
	return to;
}

static void end_text(FILE *to, const char *expected)
{
	ck_assert_int_eq(fclose(to), 0);
	ck_assert_str_eq(text, expected);
	free(text);
}

/* What comes from stdin next. */
static void feed(const void *bytes, size_t length)
{
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
	rewind(file);
	ck_assert_int_eq(dup2(fileno(file), STDIN_FILENO), STDIN_FILENO);
	fclose(file);
}

static void encodes(const char *typed, const char *expected, size_t length)
{
	struct ym_buffer bytes;

	ym_buffer_init(&bytes, NULL, 0);
	ASSERT_OK(ym_buffer_add(&bytes, "<", 1, &err));
	ASSERT_OK(typed_encode(typed, &bytes, &err));
	ck_assert_msg(bytes.length == length + 1 && memcmp(bytes.bytes + 1, expected, length) == 0,
	              "%s: \"%.*s\", not \"%s\"", typed, (int)bytes.length, bytes.bytes, expected);
	ck_assert_int_eq(bytes.bytes[0], '<');
	ym_buffer_free(&bytes);
}

START_TEST(what_is_typed_is_what_php_would_write)
{
	static const struct {
		const char *typed, *bytes;
	} rows[] = {
	    {"plain", "s:5:\"plain\";"},
	    {"", "s:0:\"\";"},
	    {"42", "s:2:\"42\";"},
	    {"-7", "s:2:\"-7\";"},
	    {"null", "s:4:\"null\";"},
	    {"http://x", "s:8:\"http://x\";"},
	    {"Int:4", "s:5:\"Int:4\";"},
	    {"str:", "s:0:\"\";"},
	    {"str:int:4", "s:5:\"int:4\";"},
	    {"str:-", "s:1:\"-\";"},
	    {"int:0", "i:0;"},
	    {"int:-42", "i:-42;"},
	    {"int:007", "i:7;"},
	    {"int:9223372036854775807", "i:9223372036854775807;"},
	    {"int:-9223372036854775808", "i:-9223372036854775808;"},
	    {"float:1.5", "d:1.5;"},
	    {"float:-0", "d:-0;"},
	    {"float:1e25", "d:1.0E+25;"},
	    {"float:.1", "d:0.1;"},
	    {"float:INF", "d:INF;"},
	    {"float:-INF", "d:-INF;"},
	    {"float:NAN", "d:NAN;"},
	    {"bool:true", "b:1;"},
	    {"bool:no", "b:0;"},
	    {"null:", "N;"},
	    {"json:null", "N;"},
	    {"json: true ", "b:1;"},
	    {"json:12", "i:12;"},
	    {"json:12.0", "d:12;"},
	    {"json:-9223372036854775808", "i:-9223372036854775808;"},
	    {"json:\"\\u00e4\"", "s:2:\"\xc3\xa4\";"},
	    {"json:[]", "a:0:{}"},
	    {"json:{}", "a:0:{}"},
	    {"json:[1,[false]]", "a:2:{i:0;i:1;i:1;a:1:{i:0;b:0;}}"},
	    {"json:{\"b\":1,\"a\":\"x\",\"5\":2,\"05\":3,\"\":4}",
	     "a:5:{s:1:\"b\";i:1;s:1:\"a\";s:1:\"x\";i:5;i:2;s:2:\"05\";i:3;s:0:\"\";i:4;}"},
	    {"php:N;", "N;"},
	    /* Not what would be written here, but what was typed. */
	    {"php:d:0.10;", "d:0.10;"},
	    {"php:i:007;", "i:007;"},
	    {"php:a:2:{i:0;i:1;i:1;R:2;}", "a:2:{i:0;i:1;i:1;R:2;}"},
	    {"php:O:3:\"Dog\":1:{s:4:\"name\";s:3:\"Rex\";}", "O:3:\"Dog\":1:{s:4:\"name\";s:3:\"Rex\";}"},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		encodes(rows[i].typed, rows[i].bytes, strlen(rows[i].bytes));
	encodes("json:\"a\\u0000b\"", BYTES("s:3:\"a\0b\";"));
}
END_TEST

START_TEST(mistakes_are_explained)
{
	static const struct {
		const char *typed, *says;
	} rows[] = {
	    {"int:", "int: \"\" is no integer"},
	    {"int:x", "is no integer"},
	    {"int:1.5", "\"1.5\" is no integer"},
	    {"int:+1", "is no integer"},
	    {"int: 1", "is no integer"},
	    {"int:1 ", "is no integer"},
	    {"int:-", "is no integer"},
	    {"int:9223372036854775808", "does not fit an integer"},
	    {"int:-9223372036854775809", "does not fit an integer"},
	    {"float:", "is no float"},
	    {"float:inf", "is no float"},
	    {"float:nan", "is no float"},
	    {"float:0x10", "is no float"},
	    {"float: 1", "is no float"},
	    {"float:1,5", "is no float"},
	    {"float:1.5.2", "\".2\" is too much"},
	    {"float:e5", "is too much"},
	    {"float:1e400", "beyond the largest float"},
	    {"float:-1e400", "beyond the largest float"},
	    {"bool:", "neither yes nor no"},
	    {"bool:maybe", "bool: \"maybe\" is neither yes nor no"},
	    {"null:0", "nothing may follow"},
	    {"json:", "json: line 1, column 0"},
	    {"json:{\"a\":1,\n\"b\":}", "json: line 2, column 5"},
	    {"json:[1,]", "line 1, column 4"},
	    {"json:[1] x", "line 1, column 5"},
	    {"json:{\"a\":1,\"a\":2}", "duplicate"},
	    {"json:{\"a\\u0000\":1}", "NUL"},
	    {"json:'x'", "line 1"},
	    {"json:\"\xff\"", "unable to decode byte 0xff"},
	    {"json:9223372036854775808", "integers have 64 bits"},
	    {"json:[-9223372036854775809]", "integers have 64 bits"},
	    {"json:1e400", "floats end at"},
	    {"php:", "php: "},
	    {"php:i:42", "php: "},
	    {"php:s:3:\"ab\";", "php: "},
	    {"php:i:42;\n", "offset 5: the value ends here, but 1 more bytes follow"},
	    {"php:hello", "php: "},
	};
	struct ym_value value;
	struct ym_buffer bytes;

	for (size_t i = 0; i < COUNT(rows); i++) {
		ASSERT_ERR(typed_parse(rows[i].typed, &value, &err), YM_ERR_USAGE);
		ASSERT_IN(rows[i].says, err.text);
		ck_assert_int_eq(value.type, YM_TYPE_NULL);
		ym_buffer_init(&bytes, NULL, 0);
		ASSERT_OK(ym_buffer_add(&bytes, "kept", 4, &err));
		ASSERT_ERR(typed_encode(rows[i].typed, &bytes, &err), YM_ERR_USAGE);
		ASSERT_IN(rows[i].says, err.text);
		ck_assert_uint_eq(bytes.length, 4);
		ym_buffer_free(&bytes);
	}
}
END_TEST

START_TEST(json_is_not_too_deep)
{
	char typed[2 * 3000 + 8] = "json:";
	struct ym_value value;

	memset(typed + 5, '[', 3000);
	memset(typed + 5 + 3000, ']', 3000);
	ASSERT_ERR(typed_parse(typed, &value, &err), YM_ERR_USAGE);
	ASSERT_IN("depth", err.text);
}
END_TEST

START_TEST(stdin_is_read_to_its_end)
{
	const size_t length = 300000;
	char *expected = malloc(length + 32), *bytes = expected;
	struct ym_value value;

	ck_assert_ptr_nonnull(expected);
	bytes += sprintf(bytes, "s:%zu:\"", length);
	for (size_t i = 0; i < length; i++)
		bytes[i] = (char)(i * 7);
	feed(bytes, length);
	strcpy(bytes + length, "\";");
	encodes("-", expected, (size_t)(bytes - expected) + length + 2);
	free(expected);

	feed("", 0);
	encodes("-", BYTES("s:0:\"\";"));
	feed(BYTES("[1,\n 2]\n"));
	encodes("json:-", BYTES("a:2:{i:0;i:1;i:1;i:2;}"));
	feed(BYTES("s:1:\"\0\";"));
	encodes("php:-", BYTES("s:1:\"\0\";"));

	feed("", 0);
	ASSERT_ERR(typed_parse("php:-", &value, &err), YM_ERR_USAGE);
	feed("", 0);
	ASSERT_ERR(typed_parse("json:-", &value, &err), YM_ERR_USAGE);
	close(STDIN_FILENO);
	ASSERT_ERR(typed_parse("-", &value, &err), YM_ERR_SYSTEM);
	ASSERT_IN("stdin", err.text);
}
END_TEST

START_TEST(integers)
{
	int64_t integer;

	ASSERT_OK(typed_integer("-12", &integer, &err));
	ck_assert_int_eq(integer, -12);
	ASSERT_OK(typed_integer("9223372036854775807", &integer, &err));
	ck_assert_int_eq(integer, INT64_MAX);
	ASSERT_ERR(typed_integer("--1", &integer, &err), YM_ERR_USAGE);
	ASSERT_ERR(typed_integer("9999999999999999999", &integer, &err), YM_ERR_USAGE);
}
END_TEST

/* ---- for people ---------------------------------------------------------------------------------- */

static void shown(const char *serialized, size_t length, unsigned indent, const char *expected)
{
	FILE *to = begin_text();
	struct ym_value value;

	ASSERT_OK(ym_unserialize(serialized, length, &value, NULL, &err));
	ASSERT_OK(typed_print(to, &value, indent, &err));
	ym_value_free(&value);
	end_text(to, expected);
}

static void previewed(const char *typed, size_t columns, const char *expected)
{
	FILE *to = begin_text();
	struct ym_value value;

	ASSERT_OK(typed_parse(typed, &value, &err));
	ASSERT_OK(typed_preview(to, &value, columns, &err));
	ym_value_free(&value);
	end_text(to, expected);
}

START_TEST(scalars_are_plain)
{
	shown(BYTES("N;"), 0, "null");
	shown(BYTES("b:0;"), 0, "false");
	shown(BYTES("b:1;"), 0, "true");
	shown(BYTES("i:-5;"), 0, "-5");
	shown(BYTES("d:0.1;"), 0, "0.1");
	shown(BYTES("d:3;"), 0, "3.0");
	shown(BYTES("d:-0;"), 0, "-0.0");
	shown(BYTES("d:1.0E+25;"), 0, "1.0E+25");
	shown(BYTES("d:-INF;"), 0, "-INF");
	shown(BYTES("s:2:\"\xc3\xa4\";"), 0, "\xc3\xa4");
	shown(BYTES("s:6:\"a\n\t\"\\b\";"), 0, "a\n\t\"\\b");
	shown(BYTES("s:0:\"\";"), 0, "");
}
END_TEST

START_TEST(what_cannot_be_shown_is_escaped)
{
	shown(BYTES("s:3:\"a\0b\";"), 0, "\"a\\x00b\"");
	shown(BYTES("s:5:\"\x1b\r\"\n\\\";"), 0, "\"\\x1b\\r\\\"\\n\\\\\"");
	shown(BYTES("s:3:\"\xff\xc3\x28\";"), 0, "\"\\xff\\xc3(\"");
	shown(BYTES("s:1:\"\x7f\";"), 0, "\"\\x7f\"");
	/* Control characters of Latin-1 as UTF-8, and the first character behind them. */
	shown(BYTES("s:4:\"\xc2\x9f\xc2\xa0\";"), 0, "\"\\xc2\\x9f\xc2\xa0\"");
}
END_TEST

START_TEST(arrays_stay_on_one_line_while_they_fit)
{
	shown(BYTES("a:0:{}"), 0, "[]");
	shown(BYTES("a:3:{i:0;i:1;i:1;s:1:\"x\";i:2;a:0:{}}"), 0, "[1, \"x\", []]");
	shown(BYTES("a:2:{i:0;i:1;i:2;i:2;}"), 0, "[0 => 1, 2 => 2]");
	shown(BYTES("a:2:{s:1:\"a\";N;i:-1;a:1:{s:2:\"\"b\";b:1;}}"), 0, "[\"a\" => null, -1 => [\"\\\"b\" => true]]");
	shown(BYTES("a:1:{i:0;s:68:\"12345678901234567890123456789012345678901234567890123456789012345678\";}"), 0,
	      "[\"12345678901234567890123456789012345678901234567890123456789012345678\"]");
	shown(BYTES("a:1:{i:0;s:69:\"123456789012345678901234567890123456789012345678901234567890123456789\";}"), 0,
	      "[\n    \"123456789012345678901234567890123456789012345678901234567890123456789\",\n]");
	/* The same line does not fit behind an indent. */
	shown(BYTES("a:1:{i:0;s:68:\"12345678901234567890123456789012345678901234567890123456789012345678\";}"), 2,
	      "[\n      \"12345678901234567890123456789012345678901234567890123456789012345678\",\n  ]");
}
END_TEST

START_TEST(long_arrays_are_indented)
{
	shown(
	    BYTES(
		"a:2:{s:5:\"inner\";a:2:{i:5;s:40:\"1234567890123456789012345678901234567890\";"
		"s:3:\"key\";s:40:\"1234567890123456789012345678901234567890\";}s:4:\"list\";a:2:{i:0;i:1;i:1;i:2;}}"),
	    0,
	    "[\n"
	    "    \"inner\" => [\n"
	    "        5 => \"1234567890123456789012345678901234567890\",\n"
	    "        \"key\" => \"1234567890123456789012345678901234567890\",\n"
	    "    ],\n"
	    "    \"list\" => [1, 2],\n"
	    "]");
}
END_TEST

START_TEST(deep_arrays_do_not_run_off)
{
	const unsigned depth = 1000;
	struct ym_value value, inner;
	FILE *to;

	ASSERT_OK(ym_value_text(&inner, "a string that does not fit on a line of any depth, as it should", &err));
	for (unsigned i = 0; i < depth; i++) {
		ASSERT_OK(ym_value_array(&value, &err));
		ASSERT_OK(ym_array_append(value.array, &inner, &err));
		inner = value;
	}
	to = begin_text();
	ASSERT_OK(typed_print(to, &value, 0, &err));
	ck_assert_int_eq(fclose(to), 0);
	ck_assert_uint_lt(size, depth * 200);
	free(text);
	ym_value_free(&value);
}
END_TEST

START_TEST(objects_are_named)
{
	shown(BYTES("O:3:\"Dog\":1:{s:7:\"\0*\0name\";s:3:\"Rex\";}"), 0,
	      "object(Dog) O:3:\"Dog\":1:{s:7:\"\\x00*\\x00name\";s:3:\"Rex\";}");
	shown(BYTES("a:1:{i:0;E:6:\"Suit:X\";}"), 0, "[object(Suit) E:6:\"Suit:X\";]");
	shown(BYTES("a:1:{i:0;R:1;}"), 0, "references() a:1:{i:0;R:1;}");
}
END_TEST

START_TEST(previews_end_in_time)
{
	previewed("plain", 7, "\"plain\"");
	previewed("plain", 6, "\"pl...");
	previewed("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f", 5, "\"\xc3\xa4...");
	previewed("\x01\x02\x03\x04", 10, "\"\\x01...");
	previewed("json:[1,2,3,4,5,6]", 10, "[1, 2, ...");
	previewed("json:{\"a\":{\"b\":[true]}}", 80, "[\"a\" => [\"b\" => [true]]]");
	previewed("int:123456", 2, "...");
	previewed("line\nbreak", 80, "\"line\\nbreak\"");
}
END_TEST

static void preview_often(const struct ym_value *value)
{
	FILE *to = begin_text();
	uint64_t begin = ym_now_ns();

	for (int i = 0; i < 1000; i++)
		ASSERT_OK(typed_preview(to, value, 8, &err));
	ck_assert_uint_lt(ym_now_ns() - begin, UINT64_C(1000000000));
	ck_assert_int_eq(fclose(to), 0);
	ck_assert_uint_eq(size, 8 * 1000);
	free(text);
}

START_TEST(a_long_value_costs_no_more_than_its_preview)
{
	const size_t length = 50 << 20;
	char *bytes = malloc(length);
	struct ym_value value, part;

	ck_assert_ptr_nonnull(bytes);
	memset(bytes, 'x', length);
	ASSERT_OK(ym_value_string(&value, bytes, length, &err));
	free(bytes);
	preview_often(&value);
	ym_value_free(&value);

	ASSERT_OK(ym_value_array(&value, &err));
	for (int i = 0; i < 1000000; i++) {
		part = ym_value_int(i);
		ASSERT_OK(ym_array_append(value.array, &part, &err));
	}
	preview_often(&value);
	ym_value_free(&value);
}
END_TEST

START_TEST(bytes_alone)
{
	FILE *to = begin_text();

	typed_print_bytes(to, "a\"\n\0\xff", 5);
	end_text(to, "a\"\\n\\x00\\xff");
}
END_TEST

/* ---- JSON ---------------------------------------------------------------------------------------- */

static void is_json(const char *serialized, size_t length, const char *expected)
{
	struct json json = {.to = begin_text()};
	struct ym_value value;

	ASSERT_OK(ym_unserialize(serialized, length, &value, NULL, &err));
	ASSERT_OK(json_put_value(&json, NULL, &value, &err));
	ym_value_free(&value);
	end_text(json.to, expected);
}

START_TEST(values_as_json)
{
	is_json(BYTES("N;"), "null");
	is_json(BYTES("b:1;"), "true");
	is_json(BYTES("i:-9223372036854775808;"), "-9223372036854775808");
	is_json(BYTES("d:0.1;"), "0.1");
	is_json(BYTES("d:100;"), "100.0");
	is_json(BYTES("d:-0;"), "-0.0");
	is_json(BYTES("d:1.0E+25;"), "1.0E+25");
	is_json(BYTES("s:4:\"\xc3\xa4\n\"\";"), "\"\xc3\xa4\\u000a\\\"\"");
	is_json(BYTES("s:3:\"a\0b\";"), "\"a\\u0000b\"");
	is_json(BYTES("a:0:{}"), "[]");
	is_json(BYTES("a:2:{i:0;i:1;i:1;a:1:{i:0;N;}}"), "[1, [null]]");
	is_json(BYTES("a:2:{i:1;i:1;i:0;i:2;}"), "{\"1\": 1, \"0\": 2}");
	is_json(BYTES("a:3:{s:2:\"k\"\";a:1:{s:0:\"\";i:1;}i:-1;b:0;s:1:\"z\";a:0:{}}"),
	        "{\"k\\\"\": {\"\": 1}, \"-1\": false, \"z\": []}");
}
END_TEST

START_TEST(json_says_what_it_has_no_word_for)
{
	is_json(BYTES("d:INF;"), "{\"float\": \"INF\"}");
	is_json(BYTES("a:2:{i:0;d:-INF;i:1;d:NAN;}"), "[{\"float\": \"-INF\"}, {\"float\": \"NAN\"}]");
	is_json(BYTES("s:1:\"\xff\";"), "{\"base64\": \"/w==\"}");
	is_json(BYTES("s:2:\"\xff\xfe\";"), "{\"base64\": \"//4=\"}");
	is_json(BYTES("s:3:\"\xff\0\x01\";"), "{\"base64\": \"/wAB\"}");
	is_json(BYTES("s:5:\"\x80"
	              "bcde\";"),
	        "{\"base64\": \"gGJjZGU=\"}");
	is_json(BYTES("a:3:{s:1:\"\xfe\";i:1;s:1:\"\xff\";a:1:{s:1:\"a\";i:2;}i:7;N;}"),
	        "{\"pairs\": [[{\"base64\": \"/g==\"}, 1], [{\"base64\": \"/w==\"}, {\"a\": 2}], [7, null]]}");
	is_json(BYTES("a:1:{i:0;O:3:\"Dog\":1:{s:1:\"n\";i:1;}}"),
	        "[{\"php\": \"O:3:\\\"Dog\\\":1:{s:1:\\\"n\\\";i:1;}\", \"class\": \"Dog\"}]");
	is_json(BYTES("a:1:{i:0;R:1;}"), "{\"php\": \"a:1:{i:0;R:1;}\", \"class\": \"\"}");
}
END_TEST

START_TEST(values_among_other_json)
{
	struct json json = {.to = begin_text()};
	struct ym_value value;

	ASSERT_OK(typed_parse("json:{\"a\":[1]}", &value, &err));
	json_open(&json, NULL, '{');
	json_put_value(&json, "first", &value, &err);
	json_put_value(&json, "se\"cond", &value, &err);
	json_put_float(&json, "third", 2);
	json_put_float(&json, "fourth", (double)INFINITY);
	json_put_null(&json, "fifth");
	json_put_blob(&json, "sixth", "\xff", 1);
	json_put_blob(&json, "seventh", "x", 1);
	json_close(&json, '}');
	ym_value_free(&value);
	end_text(json.to, "{\"first\": {\"a\": [1]}, \"se\\\"cond\": {\"a\": [1]}, \"third\": 2.0, "
	                  "\"fourth\": {\"float\": \"INF\"}, \"fifth\": null, \"sixth\": {\"base64\": \"/w==\"}, "
	                  "\"seventh\": \"x\"}");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("typed");
	TCase *typing = add_case(suite, "typing"), *reading = add_case(suite, "reading"),
	      *as_json = add_case(suite, "json");

	tcase_add_test(typing, what_is_typed_is_what_php_would_write);
	tcase_add_test(typing, mistakes_are_explained);
	tcase_add_test(typing, json_is_not_too_deep);
	tcase_add_test(typing, stdin_is_read_to_its_end);
	tcase_add_test(typing, integers);
	tcase_add_test(reading, scalars_are_plain);
	tcase_add_test(reading, what_cannot_be_shown_is_escaped);
	tcase_add_test(reading, arrays_stay_on_one_line_while_they_fit);
	tcase_add_test(reading, long_arrays_are_indented);
	tcase_add_test(reading, deep_arrays_do_not_run_off);
	tcase_add_test(reading, objects_are_named);
	tcase_add_test(reading, previews_end_in_time);
	tcase_add_test(reading, a_long_value_costs_no_more_than_its_preview);
	tcase_add_test(reading, bytes_alone);
	tcase_add_test(as_json, values_as_json);
	tcase_add_test(as_json, json_says_what_it_has_no_word_for);
	tcase_add_test(as_json, values_among_other_json);
	return run_suite(suite);
}
