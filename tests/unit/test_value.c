/* test_value.c - values and arrays: order, keys, copies, equality, hostile keys, no memory. */
#include <math.h>
#include <sys/resource.h>

#include "../../ipc/serialize.h"
#include "../../ipc/value.h"
#include "support.h"

static struct ym_value array_of(size_t count)
{
	struct ym_value value, element;

	ASSERT_OK(ym_value_array(&value, &err));
	for (size_t i = 0; i < count; i++) {
		element = ym_value_int((int64_t)i * 10);
		ASSERT_OK(ym_array_append(value.array, &element, &err));
	}
	return value;
}

static void set_int(struct ym_value *array, struct ym_array_key key, int64_t integer)
{
	struct ym_value value = ym_value_int(integer);

	ASSERT_OK(ym_array_set(array->array, key, &value, &err));
	ck_assert_int_eq(value.type, YM_TYPE_NULL);
}

static int64_t get_int(const struct ym_value *array, struct ym_array_key key)
{
	const struct ym_value *value = ym_array_get(array->array, key);

	ck_assert_ptr_nonnull(value);
	ck_assert_int_eq(value->type, YM_TYPE_INT);
	return value->integer;
}

START_TEST(words_of_types)
{
	ck_assert_str_eq(ym_type_word(YM_TYPE_NULL), "null");
	ck_assert_str_eq(ym_type_word(YM_TYPE_FLOAT), "float");
	ck_assert_str_eq(ym_type_word(YM_TYPE_OPAQUE), "object");
}
END_TEST

START_TEST(strings_hold_any_bytes)
{
	struct ym_value value;

	ASSERT_OK(ym_value_string(&value, "a\0b\xff", 4, &err));
	ck_assert_uint_eq(value.string.length, 4);
	ck_assert_mem_eq(value.string.bytes, "a\0b\xff\0", 5);
	ym_value_free(&value);
	ck_assert_int_eq(value.type, YM_TYPE_NULL);
	ym_value_free(&value);
	ASSERT_OK(ym_value_string(&value, NULL, 0, &err));
	ck_assert_str_eq(value.string.bytes, "");
	ym_value_free(&value);
	ASSERT_OK(ym_value_text(&value, "text", &err));
	ck_assert_uint_eq(value.string.length, 4);
	ym_value_free(&value);
	value = ym_value_int(5);
	ASSERT_ERR(ym_value_string(&value, "x", SIZE_MAX, &err), YM_ERR_LIMIT);
	ck_assert_int_eq(value.type, YM_TYPE_NULL);
}
END_TEST

/* As PHP decides it, see var_dump([$key => 1]). */
START_TEST(integer_like_keys_are_integers)
{
	static const struct {
		const char *text;
		bool integer;
		int64_t number;
	} rows[] = {
	    {"5", true, 5},
	    {"0", true, 0},
	    {"-7", true, -7},
	    {"9223372036854775807", true, INT64_MAX},
	    {"-9223372036854775808", true, INT64_MIN},
	    {"9223372036854775808", false, 0},
	    {"-9223372036854775809", false, 0},
	    {"18446744073709551621", false, 0},
	    {"05", false, 0},
	    {"-0", false, 0},
	    {"-05", false, 0},
	    {"+5", false, 0},
	    {" 5", false, 0},
	    {"5 ", false, 0},
	    {"5a", false, 0},
	    {"1.5", false, 0},
	    {"-", false, 0},
	    {"", false, 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct ym_array_key key = ym_array_key_text(rows[i].text);

		ck_assert_msg(!key.bytes == rows[i].integer, "\"%s\" is %sinteger", rows[i].text,
		              key.bytes ? "no " : "an ");
		if (rows[i].integer)
			ck_assert_int_eq(key.integer, rows[i].number);
	}
	ck_assert_ptr_nonnull(ym_array_key_string("5\0", 2).bytes);
	ck_assert_ptr_nonnull(ym_array_key_string(NULL, 0).bytes);
}
END_TEST

START_TEST(arrays_keep_the_order)
{
	struct ym_value array = array_of(0);
	struct ym_array_key key;

	set_int(&array, ym_array_key_text("b"), 1);
	set_int(&array, ym_array_key_int(-5), 2);
	set_int(&array, ym_array_key_text("a"), 3);
	set_int(&array, ym_array_key_text("b"), 4); /* in its place */
	ck_assert_uint_eq(ym_array_count(array.array), 3);
	ck_assert_int_eq(ym_array_at(array.array, 0, &key)->integer, 4);
	ck_assert_str_eq(key.bytes, "b");
	ck_assert_int_eq(ym_array_at(array.array, 1, &key)->integer, 2);
	ck_assert(!key.bytes && key.integer == -5);
	ck_assert_int_eq(ym_array_at(array.array, 2, NULL)->integer, 3);
	ck_assert_ptr_null(ym_array_at(array.array, 3, NULL));
	ck_assert_ptr_null(ym_array_get(array.array, ym_array_key_text("c")));
	ck_assert_ptr_null(ym_array_get(array.array, ym_array_key_int(0)));
	ck_assert(!ym_array_remove(array.array, ym_array_key_text("c")));
	ck_assert(ym_array_remove(array.array, ym_array_key_int(-5)));
	set_int(&array, ym_array_key_text("abc"), 5);
	set_int(&array, ym_array_key_text("ab"), 6); /* no beginning of a key is that key */
	ck_assert_int_eq(get_int(&array, ym_array_key_text("abc")), 5);
	ck_assert_int_eq(ym_array_at(array.array, 1, &key)->integer, 3);
	ck_assert_str_eq(key.bytes, "a");
	ym_value_free(&array);
}
END_TEST

START_TEST(append_follows_the_largest_key)
{
	struct ym_value array = array_of(0), value = ym_value_bool(true);

	set_int(&array, ym_array_key_int(-5), 0);
	ASSERT_OK(ym_array_append(array.array, &value, &err));
	ck_assert_ptr_nonnull(ym_array_get(array.array, ym_array_key_int(-4)));
	set_int(&array, ym_array_key_int(-9), 0);
	set_int(&array, ym_array_key_int(-1), 0);
	set_int(&array, ym_array_key_int(-8), 0);
	ASSERT_OK(ym_array_append(array.array, &value, &err));
	ck_assert_ptr_nonnull(ym_array_get(array.array, ym_array_key_int(0)));
	set_int(&array, ym_array_key_int(41), 0);
	ck_assert(ym_array_remove(array.array, ym_array_key_int(41)));
	ASSERT_OK(ym_array_append(array.array, &value, &err));
	ck_assert_ptr_nonnull(ym_array_get(array.array, ym_array_key_int(42)));
	set_int(&array, ym_array_key_int(INT64_MAX), 0);
	ASSERT_OK(ym_value_text(&value, "freed by the failure", &err));
	ASSERT_ERR(ym_array_append(array.array, &value, &err), YM_ERR_LIMIT);
	ck_assert_int_eq(value.type, YM_TYPE_NULL);
	ym_value_free(&array);
}
END_TEST

START_TEST(lists)
{
	struct ym_value array = array_of(20);

	ck_assert(ym_array_is_list(array.array));
	ck_assert_int_eq(get_int(&array, ym_array_key_int(19)), 190);
	ck_assert_ptr_null(ym_array_get(array.array, ym_array_key_int(20)));
	ck_assert_ptr_null(ym_array_get(array.array, ym_array_key_int(-1)));
	ck_assert_ptr_null(ym_array_get(array.array, ym_array_key_text("x")));
	ck_assert(ym_array_remove(array.array, ym_array_key_int(19)));
	ck_assert(ym_array_is_list(array.array));
	ck_assert(ym_array_remove(array.array, ym_array_key_int(3)));
	ck_assert(!ym_array_is_list(array.array));
	for (int i = 0; i < 19; i++) {
		if (i != 3)
			ck_assert_int_eq(get_int(&array, ym_array_key_int(i)), i * 10);
	}
	ck_assert_ptr_null(ym_array_get(array.array, ym_array_key_int(3)));
	for (int i = 4; i < 19; i++)
		ck_assert(ym_array_remove(array.array, ym_array_key_int(i)));
	ck_assert(ym_array_is_list(array.array)); /* 0, 1, 2 again */
	set_int(&array, ym_array_key_text("x"), 1);
	ck_assert(!ym_array_is_list(array.array));
	ym_value_free(&array);
}
END_TEST

/* Against a plain table: random puts and removals of few keys, so that they meet often. */
START_TEST(arrays_are_maps)
{
	struct ym_value array = array_of(0);
	int64_t table[300];
	char text[300][16];
	size_t count = 0;

	for (size_t i = 0; i < COUNT(table); i++) {
		table[i] = -1;
		snprintf(text[i], sizeof(text[i]), i % 2 ? "%zu" : "key%zu", i * 7919);
	}
	for (int step = 0; step < 20000; step++) {
		size_t i = random_below(COUNT(table));

		if (random_below(3) == 0) {
			ck_assert(ym_array_remove(array.array, ym_array_key_text(text[i])) == (table[i] >= 0));
			count -= table[i] >= 0;
			table[i] = -1;
		} else {
			count += table[i] < 0;
			table[i] = step;
			set_int(&array, ym_array_key_text(text[i]), step);
		}
		ck_assert_uint_eq(ym_array_count(array.array), count);
		i = random_below(COUNT(table));
		if (table[i] < 0)
			ck_assert_ptr_null(ym_array_get(array.array, ym_array_key_text(text[i])));
		else
			ck_assert_int_eq(get_int(&array, ym_array_key_text(text[i])), table[i]);
	}
	ym_value_free(&array);
}
END_TEST

/* A value of the array itself may be put under another key, whether or not the pairs move for it. */
START_TEST(a_value_moves_within_its_array)
{
	struct ym_value array = array_of(0);

	for (int i = 0; i < 40; i++) {
		set_int(&array, ym_array_key_int(i * 2), i);
		ASSERT_OK(ym_array_set(array.array, ym_array_key_int(i * 2 + 1),
		                       ym_array_get(array.array, ym_array_key_int(i * 2)), &err));
		ck_assert_int_eq(get_int(&array, ym_array_key_int(i * 2 + 1)), i);
	}
	ym_value_free(&array);
}
END_TEST

static int64_t user_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec;
}

/* So many that some of them share all the bits of their hash. */
#define MANY 300000

/* As fast as other keys, or what one has to wait for is not worth a word. */
static void assert_no_slower(const char *what, int64_t took, int64_t others)
{
	ck_assert_msg(took < others * 20 + 200000, "%s take %lld us, others %lld us", what, (long long)took,
	              (long long)others);
}

/*
 * Keys that agree in their low bits, where an index without a good hash would take minutes; a list with a gap, which
 * has lost the right to be searched without an index.
 */
START_TEST(no_keys_are_slow)
{
	struct ym_value plain = array_of(0), hostile = array_of(0), gap = array_of(MANY);
	int64_t start = user_us(), others, sum = 0;

	for (int64_t i = 0; i < MANY; i++)
		set_int(&plain, ym_array_key_int(i * 3 + 1), i);
	others = user_us() - start;
	start = user_us();
	for (int64_t i = 0; i < MANY; i++)
		set_int(&hostile, ym_array_key_int((i + 1) << 32), i);
	assert_no_slower("hostile keys", user_us() - start, others);
	ck_assert_int_eq(get_int(&hostile, ym_array_key_int(INT64_C(12345) << 32)), 12344);
	ck_assert_uint_eq(ym_array_count(plain.array), MANY);
	ck_assert_uint_eq(ym_array_count(hostile.array), MANY);
	ck_assert(ym_array_remove(gap.array, ym_array_key_int(0)));
	start = user_us();
	for (int64_t i = 1; i < MANY; i++)
		sum += ym_array_get(gap.array, ym_array_key_int(i))->integer;
	ck_assert_int_eq(sum, 10 * ((int64_t)MANY * (MANY - 1) / 2));
	assert_no_slower("keys of a list with a gap", user_us() - start, others);
	ym_value_free(&plain);
	ym_value_free(&hostile);
	ym_value_free(&gap);
}
END_TEST

static struct ym_value decode(const char *text)
{
	struct ym_value value;

	ASSERT_OK(ym_unserialize(text, strlen(text), &value, NULL, &err));
	return value;
}

START_TEST(equality)
{
	static const char *const rows[] = {
	    "N;",
	    "b:0;",
	    "b:1;",
	    "i:0;",
	    "i:1;",
	    "d:0;",
	    "d:-0;",
	    "d:1;",
	    "d:NAN;",
	    "s:0:\"\";",
	    "s:1:\"1\";",
	    "s:2:\"11\";",
	    "a:0:{}",
	    "a:1:{i:0;i:1;}",
	    "a:1:{i:1;i:1;}",
	    "a:1:{s:1:\"x\";i:1;}",
	    "a:1:{s:1:\"y\";i:1;}",
	    "a:1:{s:2:\"yy\";i:1;}",
	    "a:1:{s:1:\"x\";a:1:{i:0;i:1;}}",
	    "a:2:{s:1:\"x\";i:1;s:1:\"y\";i:1;}",
	    "a:2:{s:1:\"y\";i:1;s:1:\"x\";i:1;}", /* the order counts */
	    "O:1:\"A\":0:{}",
	    "O:1:\"B\":0:{}",
	    "O:1:\"A\":1:{s:1:\"a\";r:1;}",
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t k = 0; k < COUNT(rows); k++) {
			struct ym_value a = decode(rows[i]), b = decode(rows[k]);

			ck_assert_msg(ym_value_equal(&a, &b) == (i == k), "%s and %s", rows[i], rows[k]);
			ym_value_free(&a);
			ym_value_free(&b);
		}
	}
}
END_TEST

/* An object is the same one wherever it stands; its references do not depend on where that is. */
START_TEST(equal_objects_in_different_places)
{
	struct ym_value a = decode("O:1:\"A\":1:{s:1:\"a\";r:1;}");
	struct ym_value b = decode("a:2:{i:0;i:5;i:1;O:1:\"A\":1:{s:1:\"a\";r:3;}}");

	ck_assert(ym_value_equal(&a, ym_array_get(b.array, ym_array_key_int(1))));
	ym_value_free(&a);
	ym_value_free(&b);
}
END_TEST

START_TEST(copies_share_nothing_that_changes)
{
	struct ym_value value = decode("a:3:{i:7;s:3:\"abc\";s:1:\"k\";a:1:{i:0;s:1:\"x\";}i:1;O:1:\"A\":0:{}}"), copy,
			one;

	ASSERT_OK(ym_value_copy(&copy, &value, &err));
	ck_assert(ym_value_equal(&value, &copy));
	ck_assert_ptr_ne(value.array, copy.array);
	ym_array_get(copy.array, ym_array_key_int(7))->string.bytes[0] = 'X';
	ck_assert_str_eq(ym_array_get(value.array, ym_array_key_int(7))->string.bytes, "abc");
	ck_assert(ym_array_remove(ym_array_get(copy.array, ym_array_key_text("k"))->array, ym_array_key_int(0)));
	ck_assert_uint_eq(ym_array_count(ym_array_get(value.array, ym_array_key_text("k"))->array), 1);
	ym_value_free(&value);
	one = ym_value_bool(true);
	ASSERT_OK(ym_array_append(copy.array, &one, &err));
	ck_assert(ym_array_remove(copy.array, ym_array_key_int(8)));
	ASSERT_OK(ym_value_copy(&value, &copy, &err));
	ASSERT_OK(ym_array_append(value.array, &one, &err)); /* the largest key there ever was goes along */
	ck_assert_ptr_nonnull(ym_array_get(value.array, ym_array_key_int(9)));
	ym_value_free(&value);
	ck_assert_ptr_nonnull(ym_value_class(ym_array_get(copy.array, ym_array_key_int(1)), &(size_t){0}));
	ym_value_free(&copy);
}
END_TEST

/* Free and copy do not recurse: a million arrays in each other would need hundreds of megabytes of stack. */
START_TEST(deep_values)
{
	struct ym_value value = array_of(1), copy;
	struct ym_buffer out;

	for (int i = 0; i < 1000000; i++) {
		struct ym_value outer = array_of(0);

		ASSERT_OK(ym_array_append(outer.array, &value, &err));
		value = outer;
	}
	ASSERT_OK(ym_value_copy(&copy, &value, &err));
	ym_buffer_init(&out, NULL, 0);
	ck_assert(!ym_value_equal(&copy, &value)); /* as far as anybody can serialize them */
	ASSERT_ERR(ym_serialize(&value, &out, &err), YM_ERR_LIMIT);
	ck_assert_uint_eq(out.length, 0);
	ym_buffer_free(&out);
	ym_value_free(&value);
	ym_value_free(&copy);
}
END_TEST

START_TEST(buffers)
{
	char storage[8], *room;
	struct ym_buffer buffer;

	ym_buffer_init(&buffer, storage, sizeof(storage));
	ASSERT_OK(ym_buffer_add(&buffer, "12345678", 8, &err));
	ck_assert_ptr_eq(buffer.bytes, storage);
	ASSERT_OK(ym_buffer_add(&buffer, "9", 1, &err));
	ck_assert_ptr_ne(buffer.bytes, storage);
	ck_assert_mem_eq(buffer.bytes, "123456789", 9);
	room = ym_buffer_room(&buffer, 10000, &err);
	ck_assert_ptr_nonnull(room);
	memset(room, 'x', 10000);
	ck_assert_uint_eq(buffer.length, 9);
	ck_assert_mem_eq(buffer.bytes, "123456789", 9);
	ASSERT_ERR(ym_buffer_add(&buffer, "", SIZE_MAX - 4, &err), YM_ERR_LIMIT);
	ck_assert_uint_eq(buffer.length, 9);
	ym_buffer_free(&buffer);
	ck_assert_uint_eq(buffer.capacity, 0);
	ym_buffer_init(&buffer, NULL, 0);
	ASSERT_OK(ym_buffer_add(&buffer, NULL, 0, &err));
	ck_assert_ptr_nonnull(buffer.bytes);
	ym_buffer_free(&buffer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("value");
	TCase *tcase = add_case(suite, "value");

	tcase_add_test(tcase, words_of_types);
	tcase_add_test(tcase, strings_hold_any_bytes);
	tcase_add_test(tcase, integer_like_keys_are_integers);
	tcase_add_test(tcase, arrays_keep_the_order);
	tcase_add_test(tcase, append_follows_the_largest_key);
	tcase_add_test(tcase, lists);
	tcase_add_test(tcase, arrays_are_maps);
	tcase_add_test(tcase, a_value_moves_within_its_array);
	tcase_add_test(tcase, no_keys_are_slow);
	tcase_add_test(tcase, equality);
	tcase_add_test(tcase, equal_objects_in_different_places);
	tcase_add_test(tcase, copies_share_nothing_that_changes);
	tcase_add_test(tcase, deep_values);
	tcase_add_test(tcase, buffers);
	return run_suite(suite);
}
