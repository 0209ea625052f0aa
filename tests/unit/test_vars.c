/*
 * test_vars.c - variable segments: PHP's layout to the byte, and every operation on variables.
 */
#include "../../ipc/key.h"
#include "vars_support.h"

static int segment_of_key(void)
{
	return shmget(key, 0, 0);
}

/* ---- layout ---------------------------------------------------------------------------------- */

/* What PHP writes for 7 => 42, -1 => "h\u{e9}llo", 3 => [1.5, true, null] into 400 bytes. */
static const char phps[400] =
    /* head: end 192, free 208, total 400 */
    "PHP_SM\0\0"
    "\50\0\0\0\0\0\0\0"
    "\300\0\0\0\0\0\0\0"
    "\320\0\0\0\0\0\0\0"
    "\220\1\0\0\0\0\0\0"
    /* 7, length 5, next 40 */
    "\7\0\0\0\0\0\0\0"
    "\5\0\0\0\0\0\0\0"
    "\50\0\0\0\0\0\0\0"
    "i:42;\0\0\0\0\0\0\0\0\0\0\0"
    /* -1, length 13, next 48 */
    "\377\377\377\377\377\377\377\377"
    "\15\0\0\0\0\0\0\0"
    "\60\0\0\0\0\0\0\0"
    "s:6:\"h\303\251llo\";\0\0\0\0\0\0\0\0\0\0\0"
    /* 3, length 30, next 64 */
    "\3\0\0\0\0\0\0\0"
    "\36\0\0\0\0\0\0\0"
    "\100\0\0\0\0\0\0\0"
    "a:3:{i:0;d:1.5;i:1;b:1;i:2;N;}";

START_TEST(the_bytes_are_phps)
{
	struct ym_vars vars;

	attach(&vars, 400);
	ck_assert(vars.created);
	ck_assert_uint_eq(vars.size, 400);
	put(&vars, 7, "i:42;");
	put(&vars, -1, "s:6:\"h\xc3\xa9llo\";");
	put(&vars, 3, "a:3:{i:0;d:1.5;i:1;b:1;i:2;N;}");
	ck_assert_mem_eq(vars.head, phps, sizeof(phps));
	/* Another size: the old one goes, the new one is put behind all others. */
	put(&vars, 7, "s:2:\"xx\";");
	ck_assert_int_eq(vars.head->end, 200);
	ck_assert_int_eq(vars.head->free, 200);
	ck_assert_int_eq(vars.head->total, 400);
	ck_assert_mem_eq((char *)vars.head + 40, phps + 80, 112);
	ck_assert_mem_eq((char *)vars.head + 152, "\7\0\0\0\0\0\0\0\11\0\0\0\0\0\0\0\60\0\0\0\0\0\0\0s:2:\"xx\";", 33);
	ck_assert_int_eq(ym_vars_remove(&vars, -1, &err), 0);
	ck_assert_int_eq(vars.head->end, 152);
	ck_assert_int_eq(vars.head->free, 248);
	ck_assert_mem_eq((char *)vars.head + 40, phps + 128, 64);
	ck_assert_str_eq(get(&vars, 7), "s:2:\"xx\";");
	ck_assert_ptr_null(get(&vars, -1));
	remove_segment(&vars);
}
END_TEST

START_TEST(the_values_are_phps)
{
	struct ym_value text, array, number = ym_value_float(1.5), flag = ym_value_bool(true), null = {0}, out;
	struct ym_vars vars;

	ASSERT_OK(ym_value_text(&text, "h\xc3\xa9llo", &err));
	ASSERT_OK(ym_value_array(&array, &err));
	ASSERT_OK(ym_array_append(array.array, &number, &err));
	ASSERT_OK(ym_array_append(array.array, &flag, &err));
	ASSERT_OK(ym_array_append(array.array, &null, &err));
	attach(&vars, 400);
	ASSERT_OK(ym_vars_put(&vars, 7, &(struct ym_value){.type = YM_TYPE_INT, .integer = 42}, &err));
	ASSERT_OK(ym_vars_put(&vars, -1, &text, &err));
	ASSERT_OK(ym_vars_put(&vars, 3, &array, &err));
	ck_assert_mem_eq(vars.head, phps, sizeof(phps));
	ASSERT_OK(ym_vars_get(&vars, 7, &out, &err));
	ck_assert_int_eq(out.type, YM_TYPE_INT);
	ck_assert_int_eq(out.integer, 42);
	ASSERT_OK(ym_vars_get(&vars, -1, &out, &err));
	ck_assert(ym_value_equal(&out, &text));
	ym_value_free(&out);
	ASSERT_OK(ym_vars_get(&vars, 3, &out, &err));
	ck_assert(ym_value_equal(&out, &array));
	ym_value_free(&out);
	out = ym_value_int(1);
	ck_assert_int_eq(ym_vars_get(&vars, 8, &out, &err), 1);
	ck_assert_int_eq(out.type, YM_TYPE_NULL);
	/* Bytes behind a whole value are ignored, as PHP does; half a value is damage. */
	put(&vars, 7, "i:42;x");
	ASSERT_OK(ym_vars_get(&vars, 7, &out, &err));
	ck_assert_int_eq(out.integer, 42);
	put(&vars, 7, "i:42");
	ASSERT_ERR(ym_vars_get(&vars, 7, &out, &err), YM_ERR_CORRUPT);
	ASSERT_IN("variable 7", err.text);
	ASSERT_IN("offset 64", err.text);
	ck_assert_int_eq(out.type, YM_TYPE_NULL);
	ym_value_free(&array);
	ym_value_free(&text);
	remove_segment(&vars);
}
END_TEST

START_TEST(chunks_have_phps_sizes)
{
	static const struct {
		size_t from, to, size;
	} sizes[] = {{1, 8, 40}, {9, 16, 48}, {17, 24, 56}, {25, 32, 64}, {1000, 1000, 1032}};
	static char bytes[1000];
	struct ym_vars vars;
	struct ym_var var;

	attach(&vars, 4096);
	memset(bytes, 'x', sizeof(bytes));
	for (size_t i = 0; i < COUNT(sizes); i++) {
		for (size_t length = sizes[i].from; length <= sizes[i].to; length++) {
			ASSERT_OK(ym_vars_put_raw(&vars, 1, bytes, length, &err));
			var = (struct ym_var){0};
			ASSERT_OK(ym_vars_next(&vars, &var, &err));
			ck_assert_uint_eq(var.chunk, sizes[i].size);
			ck_assert_uint_eq(var.length, length);
			ck_assert_int_eq(vars.head->end, 40 + (int64_t)sizes[i].size);
			ck_assert_int_eq(vars.head->free, 4056 - (int64_t)sizes[i].size);
		}
	}
	ASSERT_ERR(ym_vars_put_raw(&vars, 1, "", 0, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_vars_put_raw(&vars, 1, "", SIZE_MAX, &err), YM_ERR_USAGE);
	ck_assert_uint_eq(strlen(get(&vars, 1)), 1000);
	remove_segment(&vars);
}
END_TEST

/* ---- put, get, has, remove -------------------------------------------------------------------- */

START_TEST(any_integer_is_a_key)
{
	static const int64_t keys[] = {0, 1, -1, INT64_MAX, INT64_MIN, 0xffffffff, 40, YM_VARS_BUSY};
	struct ym_vars vars;
	char text[32];

	attach(&vars, 0);
	ck_assert_int_eq(ym_vars_key("foo"), 2356372769); /* php: crc32("foo") */
	for (size_t i = 0; i < COUNT(keys) - 1; i++) {
		snprintf(text, sizeof(text), "i:%zu;", i);
		ck_assert_int_eq(ym_vars_has(&vars, keys[i], &err), 0);
		put(&vars, keys[i], text);
	}
	for (size_t i = 0; i < COUNT(keys) - 1; i++) {
		snprintf(text, sizeof(text), "i:%zu;", i);
		ck_assert_int_eq(ym_vars_has(&vars, keys[i], &err), 1);
		ck_assert_str_eq(get(&vars, keys[i]), text);
		ck_assert_int_eq(ym_vars_remove(&vars, keys[i], &err), 0);
		ck_assert_int_eq(ym_vars_remove(&vars, keys[i], &err), 1);
		ck_assert_ptr_null(get(&vars, keys[i]));
	}
	ck_assert_int_eq(vars.head->end, 40);
	ck_assert_int_eq(vars.head->free, 9960);
	remove_segment(&vars);
}
END_TEST

/* Against a plain table: what was put last is what is got. */
START_TEST(many_puts_and_removes)
{
	enum { NAMES = 40 };
	unsigned lengths[NAMES] = {0}, present = 0;
	char bytes[512];
	struct ym_vars vars;
	struct ym_vars_stat stat;

	attach(&vars, 6000);
	for (int round = 0; round < 20000; round++) {
		unsigned name = random_below(NAMES), length = 1 + random_below(300);
		const char *was = get(&vars, name);

		ck_assert_int_eq(was != NULL, lengths[name] != 0);
		if (was)
			ck_assert(value_fits(was, strlen(was), name));
		if (random_below(4) == 0) {
			ck_assert_int_eq(ym_vars_remove(&vars, name, &err), lengths[name] == 0);
			lengths[name] = 0;
			continue;
		}
		if (ym_vars_put_raw(&vars, name, bytes, checked_value(bytes, name, length), &err) == 0)
			lengths[name] = length;
		else
			ck_assert_int_eq(err.class, YM_ERR_FULL);
	}
	for (unsigned name = 0; name < NAMES; name++)
		present += lengths[name] != 0;
	ASSERT_OK(ym_vars_stat(&vars, &stat, &err));
	ck_assert_uint_eq(stat.variables, present);
	ck_assert_uint_eq(stat.used + stat.free, 6000);
	remove_segment(&vars);
}
END_TEST

START_TEST(a_full_segment_changes_nothing)
{
	struct ym_vars vars;
	char before[400], large[400];

	attach(&vars, 400);
	memset(large, 'x', sizeof(large));
	put(&vars, 1, "i:1;");
	put(&vars, 2, "s:9:\"123456789\";");
	memcpy(before, vars.head, sizeof(before));
	/* Free: 400 - 40 - 40 - 48 = 272; of a new variable that leaves 240 bytes for the value. */
	ASSERT_ERR(ym_vars_put_raw(&vars, 3, large, 241, &err), YM_ERR_FULL);
	ASSERT_IN("needs 280 bytes", err.text);
	ASSERT_IN("400 bytes has 272", err.text);
	ASSERT_IN(": 8 are missing", err.text);
	ck_assert_mem_eq(vars.head, before, sizeof(before));
	/* In place of an old one there is the old one's room, too. */
	ASSERT_ERR(ym_vars_put_raw(&vars, 1, large, 281, &err), YM_ERR_FULL);
	ASSERT_IN("has 312", err.text);
	ASSERT_ERR(ym_vars_put_raw(&vars, 1, large, 400, &err), YM_ERR_FULL);
	ck_assert_mem_eq(vars.head, before, sizeof(before));
	ASSERT_OK(ym_vars_put_raw(&vars, 1, large, 280, &err));
	ck_assert_int_eq(vars.head->free, 0);
	ck_assert_int_eq(vars.head->end, 400);
	ck_assert_uint_eq(strlen(get(&vars, 1)), 280);
	ck_assert_str_eq(get(&vars, 2), "s:9:\"123456789\";");
	/* Full to the last byte, but there is always room for what takes as much as before. */
	put(&vars, 2, "s:9:\"987654321\";");
	ck_assert_str_eq(get(&vars, 2), "s:9:\"987654321\";");
	ck_assert_int_eq(ym_vars_remove(&vars, 1, &err), 0);
	ASSERT_OK(ym_vars_put_raw(&vars, 3, large, 280, &err));
	remove_segment(&vars);
}
END_TEST

START_TEST(same_size_stays_in_place)
{
	struct ym_vars vars;
	struct ym_var var = {0};

	attach(&vars, 0);
	put(&vars, 1, "i:9;");
	put(&vars, 2, "i:1;");
	put(&vars, 1, "i:100;");
	put(&vars, 1, "i:10000;");
	put(&vars, 1, "i:20000;");
	ASSERT_OK(ym_vars_next(&vars, &var, &err));
	ck_assert_int_eq(var.key, 1);
	ck_assert_mem_eq(var.bytes, "i:20000;", 8);
	put(&vars, 1, "i:100000;");
	var = (struct ym_var){0};
	ASSERT_OK(ym_vars_next(&vars, &var, &err));
	ck_assert_int_eq(var.key, 2);
	ck_assert_str_eq(get(&vars, 1), "i:100000;");
	remove_segment(&vars);
}
END_TEST

/* Another writer may choose larger chunks, and odd ones. */
START_TEST(chunks_of_any_size_are_used)
{
	struct ym_vars vars;
	char *at;

	attach(&vars, 400);
	at = (char *)vars.head + 40;
	memcpy(at, &(int64_t[]){1, 5, 43}, 24);
	memcpy(at + 24, "i:11;", 5);
	memcpy(at + 43, &(int64_t[]){2, 5, 32}, 24);
	memcpy(at + 67, "i:22;", 5);
	vars.head->end = 40 + 43 + 32;
	vars.head->free = 400 - vars.head->end;
	ck_assert_str_eq(get(&vars, 1), "i:11;");
	ck_assert_str_eq(get(&vars, 2), "i:22;");
	put(&vars, 1, "i:33;");
	ck_assert_str_eq(get(&vars, 1), "i:33;");
	ck_assert_str_eq(get(&vars, 2), "i:22;");
	put(&vars, 2, "i:44;");
	ck_assert_int_eq(vars.head->end, 40 + 40 + 40);
	ck_assert_int_eq(vars.head->free, 280);
	ck_assert_str_eq(get(&vars, 2), "i:44;");
	remove_segment(&vars);
}
END_TEST

/* The first chunk of a key counts, as in PHP. */
START_TEST(the_first_of_two_wins)
{
	struct ym_vars vars;

	attach(&vars, 400);
	put(&vars, 1, "i:1;");
	put(&vars, 2, "i:2;");
	*(int64_t *)(void *)((char *)vars.head + 80) = 1;
	ck_assert_str_eq(get(&vars, 1), "i:1;");
	ck_assert_int_eq(ym_vars_remove(&vars, 1, &err), 0);
	ck_assert_str_eq(get(&vars, 1), "i:2;");
	remove_segment(&vars);
}
END_TEST

START_TEST(raw_bytes_are_appended)
{
	struct ym_vars vars;
	struct ym_buffer buffer;
	char storage[8], large[3000];

	attach(&vars, 0);
	memset(large, 'y', sizeof(large));
	ASSERT_OK(ym_vars_put_raw(&vars, 1, large, sizeof(large), &err));
	put(&vars, 2, "b:1;");
	ym_buffer_init(&buffer, storage, sizeof(storage));
	ASSERT_OK(ym_vars_get_raw(&vars, 2, &buffer, &err));
	ASSERT_OK(ym_vars_get_raw(&vars, 1, &buffer, &err));
	ck_assert_int_eq(ym_vars_get_raw(&vars, 3, &buffer, &err), 1);
	ck_assert_uint_eq(buffer.length, 3004);
	ck_assert_mem_eq(buffer.bytes, "b:1;yyyy", 8);
	ym_buffer_free(&buffer);
	remove_segment(&vars);
}
END_TEST

START_TEST(a_walk_and_numbers)
{
	struct ym_vars vars, other;
	struct ym_vars_stat stat;
	struct ym_var var = {0};
	char bytes[512];

	attach(&vars, 1000);
	ck_assert_int_eq(ym_vars_next(&vars, &var, &err), 1);
	attach(&other, 0);
	for (int name = 5; name > 0; name--)
		put(&vars, name, "i:77;");
	var = (struct ym_var){0};
	for (int name = 5; name > 0; name--) {
		ASSERT_OK(ym_vars_next(&vars, &var, &err));
		ck_assert_int_eq(var.key, name);
		ck_assert_uint_eq(var.at, 40 + (size_t)(5 - name) * 40);
		ck_assert_uint_eq(var.length, 5);
		ck_assert_mem_eq(var.bytes, "i:77;", 5);
	}
	ck_assert_int_eq(ym_vars_next(&vars, &var, &err), 1);
	ASSERT_OK(ym_vars_stat(&vars, &stat, &err));
	ck_assert_uint_eq(stat.total, 1000);
	ck_assert_uint_eq(stat.used, 240);
	ck_assert_uint_eq(stat.free, 760);
	ck_assert_uint_eq(stat.variables, 5);
	ck_assert_uint_eq(stat.attached, 2);
	ck_assert_int_eq(stat.creator, getpid());
	ck_assert_int_eq(stat.last, getpid());
	ck_assert_uint_eq(stat.uid, geteuid());
	ck_assert_uint_eq(stat.cuid, geteuid());
	ck_assert_uint_eq(stat.mode, 0600);
	/* The largest value fits, one byte more does not: for every remainder of the free space. */
	memset(bytes, 'x', sizeof(bytes));
	for (int64_t less = 360; less < 380; less++) {
		vars.head->free = 760 - less;
		ASSERT_OK(ym_vars_stat(&vars, &stat, &err));
		ASSERT_ERR(ym_vars_put_raw(&vars, 9, bytes, stat.largest + 1, &err), YM_ERR_FULL);
		ASSERT_OK(ym_vars_put_raw(&vars, 9, bytes, stat.largest, &err));
		ck_assert_int_eq(ym_vars_remove(&vars, 9, &err), 0);
	}
	ym_vars_detach(&other);
	remove_segment(&vars);
}
END_TEST

/* ---- handles that cannot do everything -------------------------------------------------------- */

START_TEST(readers_cannot_write)
{
	struct ym_value one = ym_value_int(1);
	struct ym_vars vars, reader;
	struct ym_vars_stat stat;
	struct ym_var var = {0};
	struct ym_sem sem = {.id = -1};

	attach(&vars, 0);
	put(&vars, 1, "i:1;");
	ASSERT_OK(ym_vars_attach(&reader, key, 0, 0600, YM_VARS_READONLY, &err));
	ASSERT_ERR(ym_vars_put_raw(&reader, 1, "i:2;", 4, &err), YM_ERR_USAGE);
	ASSERT_IN("reading only", err.text);
	ASSERT_ERR(ym_vars_put(&reader, 1, &one, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_vars_remove(&reader, 1, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_vars_repair(&reader, NULL, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_vars_update(&reader, &sem, 0, 1, NULL, NULL, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_vars_destroy(&reader, true, &err), YM_ERR_USAGE);
	ck_assert_str_eq(get(&reader, 1), "i:1;");
	ck_assert_int_eq(ym_vars_has(&reader, 1, &err), 1);
	ASSERT_OK(ym_vars_next(&reader, &var, &err));
	ASSERT_OK(ym_vars_stat(&reader, &stat, &err));
	ym_vars_detach(&reader);
	remove_segment(&vars);
}
END_TEST

START_TEST(detached_handles)
{
	struct ym_value value = ym_value_int(1);
	struct ym_vars vars;
	struct ym_vars_stat stat;
	struct ym_var var = {0};
	struct ym_buffer buffer;
	struct ym_sem sem = {.id = -1};

	attach(&vars, 0);
	ASSERT_OK(ym_vars_destroy(&vars, false, &err));
	ym_buffer_init(&buffer, NULL, 0);
	for (int damaged = 0; damaged < 2; damaged++) {
		ym_vars_detach(&vars);
		vars.damaged = damaged;
		ASSERT_ERR(ym_vars_put_raw(&vars, 1, "i:2;", 4, &err), YM_ERR_USAGE);
		ASSERT_IN("not attached", err.text);
		ASSERT_ERR(ym_vars_put(&vars, 1, &value, &err), YM_ERR_USAGE);
		ASSERT_ERR(ym_vars_get(&vars, 1, &value, &err), YM_ERR_USAGE);
		ASSERT_ERR(ym_vars_get_raw(&vars, 1, &buffer, &err), YM_ERR_USAGE);
		ASSERT_ERR(ym_vars_has(&vars, 1, &err), YM_ERR_USAGE);
		ASSERT_ERR(ym_vars_remove(&vars, 1, &err), YM_ERR_USAGE);
		ASSERT_ERR(ym_vars_next(&vars, &var, &err), YM_ERR_USAGE);
		ASSERT_ERR(ym_vars_stat(&vars, &stat, &err), YM_ERR_USAGE);
		ASSERT_ERR(ym_vars_repair(&vars, NULL, &err), YM_ERR_USAGE);
		ASSERT_ERR(ym_vars_update(&vars, &sem, 0, 1, NULL, NULL, &err), YM_ERR_USAGE);
		ASSERT_ERR(ym_vars_destroy(&vars, true, &err), YM_ERR_USAGE);
	}
}
END_TEST

static void child_puts(void *arg)
{
	put(arg, 1, "i:2;");
	put(arg, 2, "s:9:\"from fork\";");
}

START_TEST(a_forked_child_shares_it)
{
	struct ym_vars vars;

	attach(&vars, 0);
	put(&vars, 1, "i:1;");
	run_child(child_puts, &vars);
	ck_assert_str_eq(get(&vars, 1), "i:2;");
	ck_assert_str_eq(get(&vars, 2), "s:9:\"from fork\";");
	remove_segment(&vars);
}
END_TEST

/* ---- removal ---------------------------------------------------------------------------------- */

START_TEST(life_goes_on_after_removal)
{
	struct ym_vars vars, next;
	struct ym_vars_stat stat;

	attach(&vars, 0);
	put(&vars, 1, "i:1;");
	ASSERT_OK(ym_vars_destroy(&vars, false, &err));
	ck_assert_int_lt(segment_of_key(), 0);
	put(&vars, 2, "i:2;");
	put(&vars, 1, "s:9:\"xxxxxxxxx\";");
	ck_assert_str_eq(get(&vars, 1), "s:9:\"xxxxxxxxx\";");
	ASSERT_OK(ym_vars_stat(&vars, &stat, &err));
	ck_assert_uint_eq(stat.variables, 2);
	attach(&next, 0);
	ck_assert(next.created);
	ck_assert_int_ne(next.id, vars.id);
	ck_assert_ptr_null(get(&next, 1));
	remove_segment(&next);
	ASSERT_OK(ym_vars_destroy(&vars, false, &err));
	ym_vars_detach(&vars);
	ym_vars_detach(&vars);
}
END_TEST

START_TEST(wiped_before_removal)
{
	static const char zeroes[9960];
	struct ym_vars vars, other;

	attach(&vars, 0);
	attach(&other, 0);
	put(&vars, 1, "s:9:\"my secret\";");
	put(&vars, 2, "s:99:\"");
	ck_assert_int_eq(ym_vars_remove(&vars, 2, &err), 0);
	ASSERT_OK(ym_vars_destroy(&vars, true, &err));
	ck_assert_int_lt(segment_of_key(), 0);
	ck_assert_mem_eq((char *)other.head + 40, zeroes, sizeof(zeroes));
	ck_assert_ptr_null(get(&other, 1));
	put(&other, 1, "i:1;");
	ck_assert_str_eq(get(&vars, 1), "i:1;");
	ym_vars_detach(&other);
	ym_vars_detach(&vars);
}
END_TEST

/* ---- update ----------------------------------------------------------------------------------- */

/* What to do, and what to see first. */
struct step {
	int result;
	bool exists;
	int64_t was;
};

static int change(struct ym_value *value, bool exists, void *arg, struct ym_err *failure)
{
	const struct step *step = arg;

	ck_assert_int_eq(exists, step->exists);
	ck_assert_int_eq(value->type, exists ? YM_TYPE_INT : YM_TYPE_NULL);
	if (exists)
		ck_assert_int_eq(value->integer, step->was);
	*value = ym_value_int((exists ? value->integer : 0) + 1);
	return step->result < 0 ? ym_fail(failure, YM_ERR_NO, "not today") : step->result;
}

START_TEST(updates)
{
	static const struct step plan[] = {{1, false, 0}, {0, false, 0}, {0, true, 1},  {1, true, 2}, {-1, true, 2},
	                                   {2, true, 2},  {0, false, 0}, {-1, true, 1}, {0, true, 1}};
	struct ym_vars vars;
	struct ym_sem sem;
	struct ym_sem_stat stat;

	attach(&vars, 0);
	ASSERT_OK(ym_sem_get(&sem, key, 1, 0600, ym_deadline(PATIENCE_MS), &err));
	for (size_t i = 0; i < COUNT(plan); i++) {
		ck_assert_int_eq(
		    ym_vars_update(&vars, &sem, ym_deadline(PATIENCE_MS), 4, change, (void *)&plan[i], &err),
		    plan[i].result);
		ASSERT_OK(ym_sem_stat(sem.id, &stat, &err));
		ck_assert_int_eq(stat.value, 1);
	}
	ck_assert_str_eq(get(&vars, 4), "i:2;");
	ck_assert_int_eq(ym_vars_update(&vars, &sem, YM_NEVER, 4, change, (void *)&plan[4], &err), -1);
	ASSERT_IN("not today", err.text);
	/* Removed though it was not there: as it was. */
	ck_assert_int_eq(ym_vars_remove(&vars, 4, &err), 0);
	ck_assert_int_eq(ym_vars_update(&vars, &sem, YM_NEVER, 4, change, &(struct step){2, false, 0}, &err), 2);
	/* Damage is not given to anybody, and the unit is back. */
	put(&vars, 4, "i:x");
	ASSERT_ERR(ym_vars_update(&vars, &sem, YM_NEVER, 4, change, NULL, &err), YM_ERR_CORRUPT);
	ck_assert_uint_eq(sem.held, 0);
	ym_sem_close(&sem);
	ASSERT_OK(ym_sem_remove_unused(shmget(key, 0, 0) < 0 ? -1 : semget(key, 0, 0), 0, &err));
	remove_segment(&vars);
}
END_TEST

static void hold(void *arg)
{
	struct ym_sem sem;

	(void)arg;
	ASSERT_OK(ym_sem_get(&sem, key, 1, 0600, ym_deadline(PATIENCE_MS), &err));
	ASSERT_OK(ym_sem_try(&sem, &err));
	tell_step();
	sleep_for_ever();
}

START_TEST(an_update_names_who_is_in_the_way)
{
	struct ym_vars vars;
	struct ym_sem sem;
	char name[32];
	pid_t child;

	open_steps();
	attach(&vars, 0);
	ASSERT_OK(ym_sem_get(&sem, key, 1, 0600, ym_deadline(PATIENCE_MS), &err));
	child = spawn(hold, NULL);
	await_step();
	ASSERT_ERR(ym_vars_update(&vars, &sem, ym_deadline(20), 4, change, NULL, &err), YM_ERR_TIMEOUT);
	snprintf(name, sizeof(name), "process %d", (int)child);
	ASSERT_IN(name, err.text);
	ASSERT_IN("variable 4", err.text);
	kill_and_reap(child);
	ck_assert_int_eq(ym_vars_update(&vars, &sem, ym_deadline(PATIENCE_MS), 4, change, &(struct step){0}, &err), 0);
	ck_assert_int_eq(ym_sys.semctl(sem.id, 0, IPC_RMID, (union ym_semun){0}), 0);
	ASSERT_ERR(ym_vars_update(&vars, &sem, ym_deadline(PATIENCE_MS), 4, change, NULL, &err), YM_ERR_GONE);
	ym_sem_close(&sem);
	remove_segment(&vars);
}
END_TEST

/* The semaphore goes away while the variable is changed. */
static int change_and_remove(struct ym_value *value, bool exists, void *arg, struct ym_err *failure)
{
	(void)exists, (void)failure;
	*value = ym_value_int(1);
	return ym_sys.semctl(*(int *)arg, 0, IPC_RMID, (union ym_semun){0});
}

START_TEST(a_semaphore_that_is_gone_is_told)
{
	struct ym_vars vars;
	struct ym_sem sem;

	attach(&vars, 0);
	ASSERT_OK(ym_sem_get(&sem, key, 1, 0600, ym_deadline(PATIENCE_MS), &err));
	ASSERT_ERR(ym_vars_update(&vars, &sem, YM_NEVER, 4, change_and_remove, &sem.id, &err), YM_ERR_GONE);
	ASSERT_IN("is as wanted", err.text);
	ck_assert_str_eq(get(&vars, 4), "i:1;");
	ym_sem_close(&sem);
	remove_segment(&vars);
}
END_TEST

static int count_up(struct ym_value *value, bool exists, void *arg, struct ym_err *failure)
{
	(void)arg, (void)failure;
	*value = ym_value_int(exists ? value->integer + 1 : 1);
	return 0;
}

static void count_many(void *arg)
{
	struct ym_vars vars;
	struct ym_sem sem;

	(void)arg;
	attach(&vars, 0);
	ASSERT_OK(ym_sem_get(&sem, key, 1, 0600, ym_deadline(PATIENCE_MS), &err));
	for (int i = 0; i < 500; i++) {
		ASSERT_OK(ym_vars_update(&vars, &sem, ym_deadline(PATIENCE_MS), 1, count_up, NULL, &err));
		ASSERT_OK(ym_vars_update(&vars, &sem, ym_deadline(PATIENCE_MS), 2 + i % 3, count_up, NULL, &err));
	}
	ym_sem_close(&sem);
	ym_vars_detach(&vars);
}

START_TEST(updates_of_many_do_not_get_lost)
{
	struct ym_vars vars;
	struct ym_sem sem;
	pid_t children[4];

	attach(&vars, 0);
	ASSERT_OK(ym_sem_get(&sem, key, 1, 0600, ym_deadline(PATIENCE_MS), &err));
	for (size_t i = 0; i < COUNT(children); i++)
		children[i] = spawn(count_many, NULL);
	for (size_t i = 0; i < COUNT(children); i++)
		reap_well(children[i]);
	ck_assert_str_eq(get(&vars, 1), "i:2000;");
	ck_assert_int_eq(ym_sys.semctl(sem.id, 0, IPC_RMID, (union ym_semun){0}), 0);
	ym_sem_close(&sem);
	remove_segment(&vars);
}
END_TEST

/* In a walk, where the variable stands. */
START_TEST(put_where_a_walk_is)
{
	struct ym_vars vars;
	struct ym_var first = {0}, second;

	attach(&vars, 4096);
	put(&vars, 1, "s:10:\"0123456789\";");
	put(&vars, 2, "i:2;");
	ck_assert_int_eq(ym_vars_next(&vars, &first, &err), 0);
	second = first;
	ck_assert_int_eq(ym_vars_next(&vars, &second, &err), 0);
	ASSERT_OK(ym_vars_put_at(&vars, &first, "s:11:\"ABCDEFGHIJK\";", 19, &err));
	ASSERT_OK(ym_vars_put_at(&vars, &second, "i:3;", 4, &err));
	ck_assert_str_eq(get(&vars, 1), "s:11:\"ABCDEFGHIJK\";");
	ck_assert_str_eq(get(&vars, 2), "i:3;");
	/* Another size, no value at all. */
	ck_assert_int_eq(ym_vars_put_at(&vars, &second, "s:10:\"0123456789\";", 18, &err), 1);
	ASSERT_ERR(ym_vars_put_at(&vars, &second, "", 0, &err), YM_ERR_USAGE);
	/* It is somewhere else by now, or nowhere: nothing is written over. */
	ck_assert_int_eq(ym_vars_remove(&vars, 1, &err), 0);
	ck_assert_int_eq(ym_vars_put_at(&vars, &second, "i:4;", 4, &err), 1);
	ck_assert_int_eq(ym_vars_put_at(&vars, &first, "s:11:\"ABCDEFGHIJK\";", 19, &err), 1);
	ck_assert_str_eq(get(&vars, 2), "i:3;");
	/* Nor another variable of the same size. */
	first = (struct ym_var){.at = sizeof(struct ym_vars_head_sh), .key = 1, .chunk = ym_vars_chunk_size(4)};
	ck_assert_int_eq(ym_vars_put_at(&vars, &first, "i:4;", 4, &err), 1);
	ck_assert_str_eq(get(&vars, 2), "i:3;");
	first = (struct ym_var){.at = 4096 - 8, .key = 1, .chunk = 56};
	ck_assert_int_eq(ym_vars_put_at(&vars, &first, "s:11:\"ABCDEFGHIJK\";", 19, &err), 1);
	first.at = 0;
	ck_assert_int_eq(ym_vars_put_at(&vars, &first, "s:11:\"ABCDEFGHIJK\";", 19, &err), 1);
	remove_segment(&vars);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vars");
	TCase *tcase = tcase_create("vars");

	tcase_add_checked_fixture(tcase, begin_vars, end_test);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, the_bytes_are_phps);
	tcase_add_test(tcase, the_values_are_phps);
	tcase_add_test(tcase, chunks_have_phps_sizes);
	tcase_add_test(tcase, any_integer_is_a_key);
	tcase_add_test(tcase, many_puts_and_removes);
	tcase_add_test(tcase, a_full_segment_changes_nothing);
	tcase_add_test(tcase, same_size_stays_in_place);
	tcase_add_test(tcase, chunks_of_any_size_are_used);
	tcase_add_test(tcase, the_first_of_two_wins);
	tcase_add_test(tcase, raw_bytes_are_appended);
	tcase_add_test(tcase, a_walk_and_numbers);
	tcase_add_test(tcase, readers_cannot_write);
	tcase_add_test(tcase, detached_handles);
	tcase_add_test(tcase, a_forked_child_shares_it);
	tcase_add_test(tcase, life_goes_on_after_removal);
	tcase_add_test(tcase, wiped_before_removal);
	tcase_add_test(tcase, updates);
	tcase_add_test(tcase, an_update_names_who_is_in_the_way);
	tcase_add_test(tcase, a_semaphore_that_is_gone_is_told);
	tcase_add_test(tcase, updates_of_many_do_not_get_lost);
	tcase_add_test(tcase, put_where_a_walk_is);
	return run_suite(suite);
}
