/* test_serialize.c - PHP's format both ways: every type, references, objects, limits, damage. */
#include <math.h>

#include "../../ipc/serialize.h"
#include "support.h"

/* ---- helpers --------------------------------------------------------------------------------- */

static struct ym_value decode_bytes(const char *bytes, size_t length)
{
	struct ym_value value;
	size_t used;

	ASSERT_OK(ym_unserialize(bytes, length, &value, &used, &err));
	ck_assert_uint_eq(used, length);
	return value;
}

static struct ym_value decode(const char *text)
{
	return decode_bytes(text, strlen(text));
}

/* Encodes to these bytes. */
static void assert_encodes(const struct ym_value *value, const char *bytes, size_t length)
{
	struct ym_buffer out;

	ym_buffer_init(&out, NULL, 0);
	ASSERT_OK(ym_serialize(value, &out, &err));
	ck_assert_msg(out.length == length && memcmp(out.bytes, bytes, length) == 0, "%.*s, not %.*s", (int)out.length,
	              out.bytes, (int)length, bytes);
	ym_buffer_free(&out);
}

static void assert_text(const struct ym_value *value, const char *text)
{
	assert_encodes(value, text, strlen(text));
}

/* Decoding and encoding gives other bytes, or the same. */
static void assert_becomes(const char *text, const char *expected)
{
	struct ym_value value = decode(text);

	assert_text(&value, expected);
	ym_value_free(&value);
}

static void assert_same(const char *text)
{
	assert_becomes(text, text);
}

/* Refused with the offset and the reason; cut out of its surroundings, so that a sanitizer sees what is read behind it. */
static void assert_refused(const char *bytes, size_t length, size_t offset, const char *reason)
{
	char *copy = malloc(length ? length : 1), where[64];
	struct ym_value value = ym_value_int(1);

	memcpy(copy, bytes, length);
	snprintf(where, sizeof(where), "at offset %zu:", offset);
	ck_assert_msg(ym_unserialize(copy, length, &value, NULL, &err) == -1, "accepted: %.*s", (int)length, bytes);
	ck_assert_msg(err.class == YM_ERR_CORRUPT, "%.*s: class %s", (int)length, bytes, ym_err_word(err.class));
	ck_assert_msg(strstr(err.text, where) && strstr(err.text, reason), "%.*s: %s (not: %s %s)", (int)length, bytes,
	              err.text, where, reason);
	ck_assert_int_eq(value.type, YM_TYPE_NULL);
	free(copy);
}

/* ---- every type ------------------------------------------------------------------------------ */

START_TEST(scalars)
{
	struct ym_value value;

	value = decode("N;");
	ck_assert_int_eq(value.type, YM_TYPE_NULL);
	value = decode("b:1;");
	ck_assert(value.type == YM_TYPE_BOOL && value.boolean);
	value = decode("b:0;");
	ck_assert(value.type == YM_TYPE_BOOL && !value.boolean);
	value = decode("i:-9223372036854775808;");
	ck_assert(value.type == YM_TYPE_INT && value.integer == INT64_MIN);
	value = decode("i:9223372036854775807;");
	ck_assert(value.type == YM_TYPE_INT && value.integer == INT64_MAX);
	value = decode("d:0.1;");
	ck_assert(value.type == YM_TYPE_FLOAT && value.real == 0.1);
	value = decode("d:-INF;");
	ck_assert(value.type == YM_TYPE_FLOAT && isinf(value.real) && value.real < 0);
	value = decode_bytes("s:5:\"a\0\";}\";", 12);
	ck_assert(value.type == YM_TYPE_STRING && value.string.length == 5);
	ck_assert_mem_eq(value.string.bytes, "a\0\";}\0", 6);
	assert_encodes(&value, "s:5:\"a\0\";}\";", 12);
	ym_value_free(&value);
}
END_TEST

START_TEST(what_php_writes_comes_back)
{
	static const char *const rows[] = {
	    "N;",
	    "b:0;",
	    "b:1;",
	    "i:42;",
	    "i:-9223372036854775808;",
	    "d:0.1;",
	    "d:-0;",
	    "d:1.0E+25;",
	    "d:INF;",
	    "d:-INF;",
	    "d:NAN;",
	    "s:0:\"\";",
	    "a:0:{}",
	    "a:3:{i:0;d:1.5;i:1;b:1;i:2;N;}",
	    "a:3:{s:1:\"b\";i:1;i:-5;a:1:{s:0:\"\";a:0:{}}s:2:\"05\";N;}",
	    "a:3:{i:0;a:1:{i:0;N;}i:1;a:1:{i:0;N;}i:2;a:1:{i:0;N;}}",
	    "O:8:\"stdClass\":0:{}",
	    "O:5:\"Point\":2:{s:1:\"x\";i:1;s:1:\"y\";i:2;}",
	    "C:3:\"Old\":9:{any}\";{a:}",
	    "E:11:\"Suit:Hearts\";",
	    "O:3:\"\x80\\9\":0:{}",
	    "a:2:{i:0;E:11:\"Suit:Hearts\";i:1;r:2;}",
	    "a:6:{i:0;O:1:\"A\":1:{s:1:\"a\";i:1;}i:1;r:2;i:2;i:5;i:3;i:5;i:4;r:2;i:5;s:3:\"end\";}",
	    "O:1:\"A\":2:{s:1:\"a\";O:1:\"B\":1:{s:1:\"b\";r:1;}s:1:\"c\";R:2;}",
	    "a:2:{i:0;i:5;i:1;O:1:\"A\":2:{s:1:\"a\";i:1;s:1:\"b\";R:4;}}",
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		assert_same(rows[i]);
}
END_TEST

START_TEST(other_forms_are_read)
{
	assert_becomes("i:+007;", "i:7;");
	assert_becomes("i:-0;", "i:0;");
	assert_becomes("i:-00000000000000000000000000012;", "i:-12;");
	assert_becomes("d:5;", "d:5;");
	assert_becomes("d:.5;", "d:0.5;");
	assert_becomes("d:5.;", "d:5;");
	assert_becomes("d:+5.e-1;", "d:0.5;");
	assert_becomes("d:1E+05;", "d:100000;");
	assert_becomes("d:1e400;", "d:INF;");
	assert_becomes("d:0.10000000000000001;", "d:0.1;");
	assert_becomes("S:3:\"\\41b\\4a\";", "s:3:\"AbJ\";");
	assert_becomes("s:0002:\"ab\";", "s:2:\"ab\";");
	assert_becomes("a:01:{S:2:\"\\61b\";N;}", "a:1:{s:2:\"ab\";N;}");
	assert_becomes("a:1:{s:2:\"12\";N;}", "a:1:{i:12;N;}");
	assert_becomes("a:1:{S:2:\"1\\32\";N;}", "a:1:{i:12;N;}");
}
END_TEST

START_TEST(bytes_behind_are_the_callers)
{
	struct ym_value value;
	size_t used = 0;

	ASSERT_OK(ym_unserialize("i:5;i:6;", 8, &value, &used, &err));
	ck_assert_uint_eq(used, 4);
	ASSERT_OK(ym_unserialize("a:1:{i:0;N;}}", 13, &value, &used, &err));
	ck_assert_uint_eq(used, 12);
	ym_value_free(&value);
	ASSERT_OK(ym_unserialize("O:1:\"A\":0:{};", 13, &value, &used, &err));
	ck_assert_uint_eq(used, 12);
	ym_value_free(&value);
}
END_TEST

/* The first place, the last value; slots that meant the first mean the last. */
START_TEST(keys_that_come_again)
{
	assert_becomes("a:3:{s:1:\"a\";i:1;s:1:\"b\";i:2;s:1:\"a\";i:3;}", "a:2:{s:1:\"a\";i:3;s:1:\"b\";i:2;}");
	assert_becomes("a:2:{i:5;s:1:\"x\";s:1:\"5\";N;}", "a:1:{i:5;N;}");
	assert_becomes("a:3:{i:0;i:1;i:0;s:1:\"x\";i:1;R:2;}", "a:2:{i:0;s:1:\"x\";i:1;s:1:\"x\";}");
	assert_becomes("a:3:{i:0;i:1;i:0;O:1:\"A\":0:{}i:1;r:2;}", "a:2:{i:0;O:1:\"A\":0:{}i:1;r:2;}");
	/* The inside of an array that is no longer there can still be meant. */
	assert_becomes("a:3:{i:0;a:1:{i:0;s:3:\"old\";}i:0;N;i:1;R:3;}", "a:2:{i:0;N;i:1;s:3:\"old\";}");
	assert_refused("a:2:{i:0;i:1;i:0;R:2;}", 22, 17, "itself");
}
END_TEST

/* ---- references ------------------------------------------------------------------------------ */

START_TEST(references_become_copies)
{
	assert_becomes("a:2:{i:0;s:1:\"x\";i:1;R:2;}", "a:2:{i:0;s:1:\"x\";i:1;s:1:\"x\";}");
	assert_becomes("a:3:{i:0;a:1:{s:1:\"k\";i:7;}i:1;R:2;i:2;R:3;}",
	               "a:3:{i:0;a:1:{s:1:\"k\";i:7;}i:1;a:1:{s:1:\"k\";i:7;}i:2;i:7;}");
	/* R: takes no slot, its copies do; r: takes one. */
	assert_becomes("a:4:{i:0;a:1:{i:0;N;}i:1;R:2;i:2;O:1:\"A\":0:{}i:3;r:4;}",
	               "a:4:{i:0;a:1:{i:0;N;}i:1;a:1:{i:0;N;}i:2;O:1:\"A\":0:{}i:3;r:6;}");
	/* To an object: the same object, as r: would say it. */
	assert_becomes("a:3:{i:0;O:1:\"A\":0:{}i:1;R:2;i:2;r:2;}", "a:3:{i:0;O:1:\"A\":0:{}i:1;r:2;i:2;r:2;}");
	/* A copied array still holds the same object. */
	assert_becomes("a:2:{i:0;a:1:{i:0;O:1:\"A\":0:{}}i:1;R:2;}",
	               "a:2:{i:0;a:1:{i:0;O:1:\"A\":0:{}}i:1;a:1:{i:0;r:3;}}");
}
END_TEST

/* No tree: one opaque value, kept as it is. */
static void assert_kept(const char *text, const char *why)
{
	struct ym_value value = decode(text), outer;
	size_t length = 99;

	ck_assert_int_eq(value.type, YM_TYPE_OPAQUE);
	ck_assert_str_eq(ym_value_class(&value, &length), "");
	ck_assert_uint_eq(length, 0);
	ck_assert_msg(strstr(ym_value_why_opaque(&value), why) != NULL, "%s: because %s", text,
	              ym_value_why_opaque(&value));
	assert_text(&value, text);
	ASSERT_OK(ym_value_array(&outer, &err));
	ASSERT_OK(ym_array_append(outer.array, &value, &err));
	ym_value_free(&outer);
}

START_TEST(what_is_no_tree_is_kept)
{
	assert_kept("a:1:{i:0;R:1;}", "the array at offset 0 contains itself");
	assert_kept("a:2:{i:7;i:1;i:8;a:2:{s:1:\"x\";i:1;s:4:\"self\";R:3;}}",
	            "the array at offset 17 contains itself");
	assert_kept("a:2:{i:0;O:1:\"A\":1:{s:1:\"a\";i:1;}i:1;R:3;}",
	            "the reference at offset 37 leads into an object");
	assert_kept("a:2:{i:0;O:1:\"A\":1:{s:1:\"a\";O:1:\"B\":0:{}}i:1;r:3;}", "leads into an object");
	assert_kept("a:2:{i:0;s:1:\"x\";i:1;O:1:\"A\":1:{s:1:\"a\";R:2;}}", "leads out of an object");
	assert_kept("a:2:{i:0;E:3:\"S:X\";i:1;O:1:\"A\":1:{s:1:\"a\";r:2;}}", "leads out of an object");
}
END_TEST

/* Opaque values are renumbered for where they stand now: digits come and go. */
START_TEST(opaque_values_can_move)
{
	static const char object[] = "O:1:\"A\":2:{s:1:\"a\";r:1;s:1:\"b\";R:2;}";
	static const char cycle[] = "a:1:{i:0;R:1;}";
	struct ym_value array, element;

	ASSERT_OK(ym_value_array(&array, &err));
	for (int i = 0; i < 7; i++) {
		element = ym_value_int(i);
		ASSERT_OK(ym_array_append(array.array, &element, &err));
	}
	element = decode(object);
	ASSERT_OK(ym_array_append(array.array, &element, &err)); /* slot 9, its property 10 */
	element = decode(cycle);
	ASSERT_OK(ym_array_append(array.array, &element, &err)); /* slot 11, nothing in it takes one */
	element = decode(cycle);
	ASSERT_OK(ym_array_append(array.array, &element, &err));
	element = decode("O:1:\"B\":0:{}");
	ASSERT_OK(ym_array_append(array.array, &element, &err));
	ASSERT_OK(ym_value_copy(&element, ym_array_get(array.array, ym_array_key_int(10)), &err));
	ASSERT_OK(ym_array_append(array.array, &element, &err));
	ASSERT_OK(ym_value_copy(&element, ym_array_get(array.array, ym_array_key_int(8)), &err));
	ASSERT_OK(ym_array_append(array.array, &element, &err)); /* not an object: no r: for it */
	assert_text(&array, "a:13:{i:0;i:0;i:1;i:1;i:2;i:2;i:3;i:3;i:4;i:4;i:5;i:5;i:6;i:6;"
	                    "i:7;O:1:\"A\":2:{s:1:\"a\";r:9;s:1:\"b\";R:10;}"
	                    "i:8;a:1:{i:0;R:11;}i:9;a:1:{i:0;R:12;}i:10;O:1:\"B\":0:{}i:11;r:13;i:12;a:1:{i:0;R:15;}}");
	ym_value_free(&array);
}
END_TEST

START_TEST(an_object_that_moves_out)
{
	struct ym_value value = decode("a:9:{i:0;N;i:1;N;i:2;N;i:3;N;i:4;N;i:5;N;i:6;N;i:7;N;i:8;"
	                               "O:3:\"Abc\":3:{s:1:\"a\";r:10;s:1:\"b\";i:1;s:1:\"c\";R:0012;}}");
	struct ym_value *object = ym_array_get(value.array, ym_array_key_int(8));
	size_t length;

	assert_text(object, "O:3:\"Abc\":3:{s:1:\"a\";r:1;s:1:\"b\";i:1;s:1:\"c\";R:3;}");
	ck_assert_int_eq(strncmp(ym_value_class(object, &length), "Abc", 3), 0);
	ck_assert_uint_eq(length, 3);
	ck_assert_str_eq(ym_value_why_opaque(object), "an object of class Abc");
	ym_value_free(&value);
	value = decode("E:11:\"Suit:Hearts\";");
	ck_assert_int_eq(strncmp(ym_value_class(&value, &length), "Suit", 4), 0);
	ck_assert_uint_eq(length, 4);
	ck_assert_str_eq(ym_value_why_opaque(&value), "an enum case of Suit");
	ym_value_free(&value);
	value = ym_value_int(1);
	ck_assert_ptr_null(ym_value_class(&value, &length));
	ck_assert_ptr_null(ym_value_why_opaque(&value));
}
END_TEST

/* Thousands of objects, each twice: found again by number. */
START_TEST(many_objects_occur_twice)
{
	struct ym_buffer text;
	struct ym_value value;
	char part[64];

	ym_buffer_init(&text, NULL, 0);
	ASSERT_OK(ym_buffer_add(&text, "a:6000:{", 8, &err));
	for (int i = 0; i < 6000; i++) {
		int length = i < 3000 ? snprintf(part, sizeof(part), "i:%d;O:1:\"A\":1:{s:1:\"a\";i:1;}", i)
		                      : snprintf(part, sizeof(part), "i:%d;r:%d;", i, (i - 3000) * 2 + 2);

		ASSERT_OK(ym_buffer_add(&text, part, (size_t)length, &err));
	}
	ASSERT_OK(ym_buffer_add(&text, "}", 1, &err));
	value = decode_bytes(text.bytes, text.length);
	assert_encodes(&value, text.bytes, text.length);
	ym_value_free(&value);
	ym_buffer_free(&text);
}
END_TEST

/* ---- limits ---------------------------------------------------------------------------------- */

/* `depth` times `head`, then `inner`, then as many "}". */
static struct ym_buffer nested(const char *head, int depth, const char *inner)
{
	struct ym_buffer text;

	ym_buffer_init(&text, NULL, 0);
	for (int i = 0; i < depth; i++)
		ASSERT_OK(ym_buffer_add(&text, head, strlen(head), &err));
	ASSERT_OK(ym_buffer_add(&text, inner, strlen(inner), &err));
	for (int i = 0; i < depth; i++)
		ASSERT_OK(ym_buffer_add(&text, "}", 1, &err));
	return text;
}

/* PHP's count: empty arrays cost nothing, empty objects do. */
START_TEST(depth)
{
	static const char array[] = "a:1:{i:0;", object[] = "O:1:\"A\":1:{s:1:\"a\";";
	static const struct {
		const char *head, *inner;
		int deepest;
	} rows[] = {
	    {array, "N;", YM_SERIALIZE_DEPTH},
	    {array, "a:0:{}", YM_SERIALIZE_DEPTH},
	    {array, "O:1:\"A\":0:{}", YM_SERIALIZE_DEPTH - 1},
	    {array, "C:1:\"A\":0:{}", YM_SERIALIZE_DEPTH},
	    {object, "N;", YM_SERIALIZE_DEPTH},
	    {object, "O:1:\"A\":0:{}", YM_SERIALIZE_DEPTH - 1},
	    {object, "a:0:{}", YM_SERIALIZE_DEPTH},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct ym_buffer text = nested(rows[i].head, rows[i].deepest, rows[i].inner);
		struct ym_value value = decode_bytes(text.bytes, text.length), outer;

		assert_encodes(&value, text.bytes, text.length);
		ym_buffer_free(&text);
		text = nested(rows[i].head, rows[i].deepest + 1, rows[i].inner);
		ASSERT_ERR(ym_unserialize(text.bytes, text.length, &outer, NULL, &err), YM_ERR_CORRUPT);
		ASSERT_IN("deeper than 4096", err.text);
		text.length = 0;
		ASSERT_OK(ym_value_array(&outer, &err));
		ASSERT_OK(ym_array_append(outer.array, &value, &err));
		if (strcmp(rows[i].inner, "C:1:\"A\":0:{}") != 0 && strcmp(rows[i].inner, "a:0:{}") != 0)
			ASSERT_ERR(ym_serialize(&outer, &text, &err), YM_ERR_LIMIT);
		ck_assert_uint_eq(text.length, 0);
		ym_value_free(&outer);
		ym_buffer_free(&text);
	}
}
END_TEST

/* What was read can be written: a reference never makes a value deeper than what can be read. */
START_TEST(references_add_no_depth)
{
	static const char array[] = "a:1:{i:0;";
	static const struct {
		const char *head, *meant, *middle, *reference, *end;
		int depth; /* of what is meant */
		int fits;  /* arrays around the reference */
	} rows[] = {
	    {"a:2:{i:1;", array, "i:2;", "R:2;", "}", 3995, 100},
	    {"a:2:{i:1;", array, "i:2;", "R:2;", "}", 1, 4094},
	    /* The object stands only where it is referred from. */
	    {"a:3:{i:1;", "O:1:\"A\":1:{i:0;", "i:2;", "r:2;", "i:1;N;}", 3995, 100},
	    {"a:2:{i:1;a:1:{i:0;", "O:1:\"A\":1:{i:0;", "}i:2;", "R:2;", "}", 3995, 99},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		for (int deep = rows[i].fits; deep <= rows[i].fits + 1; deep++) {
			/* The root, so many arrays, then what is meant. */
			struct ym_buffer meant = nested(rows[i].meant, rows[i].depth, "N;");
			struct ym_buffer text, referring = nested(array, deep, rows[i].reference), again;
			struct ym_value value;

			ym_buffer_init(&text, NULL, 0);
			ym_buffer_init(&again, NULL, 0);
			ASSERT_OK(ym_buffer_add(&text, rows[i].head, strlen(rows[i].head), &err));
			ASSERT_OK(ym_buffer_add(&text, meant.bytes, meant.length, &err));
			ASSERT_OK(ym_buffer_add(&text, rows[i].middle, strlen(rows[i].middle), &err));
			ASSERT_OK(ym_buffer_add(&text, referring.bytes, referring.length, &err));
			ASSERT_OK(ym_buffer_add(&text, rows[i].end, strlen(rows[i].end), &err));
			value = decode_bytes(text.bytes, text.length);
			ck_assert_int_eq(value.type, deep == rows[i].fits ? YM_TYPE_ARRAY : YM_TYPE_OPAQUE);
			ASSERT_OK(ym_serialize(&value, &again, &err));
			ym_value_free(&value);
			value = decode_bytes(again.bytes, again.length);
			ym_value_free(&value);
			ym_buffer_free(&meant);
			ym_buffer_free(&referring);
			ym_buffer_free(&text);
			ym_buffer_free(&again);
		}
	}
}
END_TEST

/* Copies of copies of copies: 10 in 10 in 10 ... would be millions. */
START_TEST(copies_are_limited)
{
	struct ym_buffer text;
	struct ym_value value;
	char part[256];
	int slot = 2;

	ym_buffer_init(&text, NULL, 0);
	ASSERT_OK(ym_buffer_add(&text, "a:9:{i:0;a:1:{i:0;N;}", 21, &err));
	for (int i = 1; i < 9; i++) {
		int next = slot + (i == 1 ? 2 : 1);
		int length = snprintf(part, sizeof(part), "i:%d;a:9:{", i);

		for (int k = 0; k < 9; k++)
			length += snprintf(part + length, sizeof(part) - (size_t)length, "i:%d;R:%d;", k, slot);
		slot = next;
		ASSERT_OK(ym_buffer_add(&text, part, (size_t)length, &err));
		ASSERT_OK(ym_buffer_add(&text, "}", 1, &err));
	}
	ASSERT_OK(ym_buffer_add(&text, "}", 1, &err));
	value = decode_bytes(text.bytes, text.length);
	ck_assert_int_eq(value.type, YM_TYPE_OPAQUE);
	ASSERT_IN("too many values", ym_value_why_opaque(&value));
	assert_encodes(&value, text.bytes, text.length);
	ym_value_free(&value);
	ym_buffer_free(&text);
}
END_TEST

/* Long strings and keys that are meant a thousand times count by their length. */
START_TEST(copies_of_long_strings_are_limited)
{
	static const char *const heads[] = {"a:1001:{i:0;s:100000:\"", "a:1001:{i:0;a:1:{s:100000:\""};
	static const char *const ends[] = {"\";", "\";N;}"};

	for (size_t i = 0; i < COUNT(heads); i++) {
		struct ym_buffer text;
		struct ym_value value;
		char part[64];

		ym_buffer_init(&text, NULL, 0);
		ASSERT_OK(ym_buffer_add(&text, heads[i], strlen(heads[i]), &err));
		memset(ym_buffer_room(&text, 100000, &err), 'x', 100000);
		text.length += 100000;
		ASSERT_OK(ym_buffer_add(&text, ends[i], strlen(ends[i]), &err));
		for (int k = 1; k <= 1000; k++) {
			size_t length = (size_t)snprintf(part, sizeof(part), "i:%d;R:2;", k);

			ASSERT_OK(ym_buffer_add(&text, part, length, &err));
		}
		ASSERT_OK(ym_buffer_add(&text, "}", 1, &err));
		value = decode_bytes(text.bytes, text.length);
		ck_assert_int_eq(value.type, YM_TYPE_OPAQUE);
		ym_value_free(&value);
		ym_buffer_free(&text);
	}
}
END_TEST

/* ---- damage ---------------------------------------------------------------------------------- */

START_TEST(damage_is_named)
{
	static const struct {
		const char *text;
		size_t offset;
		const char *reason;
	} rows[] = {
	    {"", 0, "ends where a value"},
	    {"x:1;", 0, "with byte 0x78"},
	    {"n;", 0, "with byte 0x6e"},
	    {"}", 0, "with byte 0x7d"},
	    {"i", 0, "with byte 0x69"},
	    {"b;", 0, "with byte 0x62"},
	    {"N", 1, "ends where ';'"},
	    {"N:", 1, "byte 0x3a where ';'"},
	    {"b:2;", 2, "neither 0 nor 1"},
	    {"b:", 2, "neither 0 nor 1"},
	    {"b:1", 3, "ends where ';'"},
	    {"i:;", 2, "no digit"},
	    {"i:-;", 3, "no digit"},
	    {"i: 1;", 2, "no digit"},
	    {"i:1.5;", 3, "byte 0x2e where ';'"},
	    {"i:9223372036854775808;", 2, "out of range"},
	    {"i:-9223372036854775809;", 3, "out of range"},
	    {"i:18446744073709551617;", 2, "out of range"},
	    {"d:.;", 2, "no float"},
	    {"d:e5;", 2, "no float"},
	    {"d:1e;", 4, "exponent"},
	    {"d:inf;", 2, "no float"},
	    {"d:+INF;", 2, "no float"},
	    {"d:-NAN;", 2, "no float"},
	    {"d:0x10;", 3, "byte 0x78 where ';'"},
	    {"d:1", 3, "ends where ';'"},
	    {"s:6:\"abc\";", 2, "a length of 6 where 5 bytes"},
	    {"s:5:\"abc\";", 10, "ends where '\"'"},
	    {"s:4:\"abc\";", 9, "byte 0x3b where '\"'"},
	    {"s:2:\"abc\";", 7, "byte 0x63 where '\"'"},
	    {"s:3:\"abc\"", 9, "ends where ';'"},
	    {"s:-1:\"\";", 2, "no digit"},
	    {"s:18446744073709551616:\"\";", 2, "out of range"},
	    {"S:1:\"\\4g\";", 5, "hex digits"},
	    {"S:4:\"\\41\";", 10, "ends within a string"},
	    {"S:1:\"\\4", 5, "hex digits"},
	    {"a:1:{i:0;N;", 2, "1 pairs where 6 bytes"},
	    {"a:2:{i:0;N;}", 2, "2 pairs where 7 bytes"},
	    {"a:2:{i:0;i:12345;}", 17, "with byte 0x7d"},
	    {"a:0:{i:0;N;}", 5, "byte 0x69 where '}'"},
	    {"a:1:{N;i:100;}", 5, "neither an integer nor a string"},
	    {"a:1:{d:1;i:100;}", 5, "neither an integer nor a string"},
	    {"a:1:{R:1;i:100;}", 5, "neither an integer nor a string"},
	    {"a:1:{a:0:{}i:100;}", 5, "neither an integer nor a string"},
	    {"O:0:\"\":0:{}", 5, "without a name"},
	    {"O:3:\"a b\":0:{}", 6, "byte 0x20 in the name"},
	    {"O:2:\"a\x7f\":0:{}", 6, "byte 0x7f in the name"},
	    {"O:2:\"\\A\":0:{}", 5, "byte 0x5c in the name"},
	    {"O:1:\"A\":1:{}", 8, "1 pairs where 1 bytes"},
	    {"O:1:\"A\":1:{N;i:100;}", 11, "neither an integer nor a string"},
	    {"O:1:\"A\":1:{s:1:\"a\";b:5;}", 21, "neither 0 nor 1"},
	    {"C:1:\"A\":5:{abc}", 8, "a length of 5 where 4 bytes"},
	    {"C:1:\"A\":2:{abc}", 13, "byte 0x63 where '}'"},
	    {"E:1:\"A\";", 5, "without a case"},
	    {"E:2:\"A:\";", 5, "without a case"},
	    {"E:2:\":A\";", 5, "without a name"},
	    {"R:1;", 0, "slot 1 where 0"},
	    {"r:1;", 0, "slot 1 where 0"},
	    {"a:1:{i:0;R:0;}", 9, "slot 0 where 1"},
	    {"a:1:{i:0;R:2;}", 9, "slot 2 where 1"},
	    {"a:1:{i:0;r:2;}", 9, "slot 2 where 1"},
	    {"a:1:{i:0;r:1;}", 9, "slot 1 is no object"},
	    {"a:2:{i:0;i:1;i:1;r:2;}", 17, "slot 2 is no object"},
	    {"a:2:{i:0;O:1:\"A\":1:{s:1:\"a\";i:1;}i:1;r:3;}", 37, "slot 3 is no object"},
	    {"O:1:\"A\":2:{s:1:\"a\";i:1;s:1:\"b\";r:2;}", 31, "slot 2 is no object"},
	    /* Kept whole, but not unread. */
	    {"a:2:{i:0;R:1;i:1;b:7;}", 19, "neither 0 nor 1"},
	    {"a:2:{i:0;R:1;i:1;r:1;}", 17, "slot 1 is no object"},
	    {"a:2:{i:0;R:1;i:1;R:2;}", 17, "slot 2 where 1"},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		assert_refused(rows[i].text, strlen(rows[i].text), rows[i].offset, rows[i].reason);
	assert_refused("\0", 1, 0, "with byte 0x00");
}
END_TEST

/* No part of a value is a value. */
START_TEST(truncated_everywhere)
{
	static const char text[] = "a:7:{i:0;b:1;s:1:\"k\";d:1.5;i:2;S:1:\"\\41\";i:3;O:1:\"A\":1:{s:1:\"a\";r:5;}"
				   "i:4;C:1:\"B\":2:{ab}i:5;E:3:\"S:X\";i:6;R:2;}";
	struct ym_value value = decode(text);

	ym_value_free(&value);
	for (size_t length = 0; length < sizeof(text) - 1; length++) {
		char *part = malloc(length + 1);

		memcpy(part, text, length);
		ASSERT_ERR(ym_unserialize(part, length, &value, NULL, &err), YM_ERR_CORRUPT);
		free(part);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("serialize");
	TCase *tcase = add_case(suite, "serialize");

	tcase_add_test(tcase, scalars);
	tcase_add_test(tcase, what_php_writes_comes_back);
	tcase_add_test(tcase, other_forms_are_read);
	tcase_add_test(tcase, bytes_behind_are_the_callers);
	tcase_add_test(tcase, keys_that_come_again);
	tcase_add_test(tcase, references_become_copies);
	tcase_add_test(tcase, what_is_no_tree_is_kept);
	tcase_add_test(tcase, opaque_values_can_move);
	tcase_add_test(tcase, an_object_that_moves_out);
	tcase_add_test(tcase, many_objects_occur_twice);
	tcase_add_test(tcase, depth);
	tcase_add_test(tcase, references_add_no_depth);
	tcase_add_test(tcase, copies_are_limited);
	tcase_add_test(tcase, copies_of_long_strings_are_limited);
	tcase_add_test(tcase, damage_is_named);
	tcase_add_test(tcase, truncated_everywhere);
	return run_suite(suite);
}
