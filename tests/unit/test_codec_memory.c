/*
 * test_codec_memory.c - how much memory the codec takes, and that it survives when there is none.
 *
 * malloc() and its kin are ours here: one of them can fail, and what is not given back is counted. A sanitizer has its
 * own malloc() and its own eyes for what is not given back: with it, values are only decoded and freed here.
 */
#include "../../ipc/serialize.h"
#include "support.h"

static const char *const everything[] = {
    "s:3:\"abc\";",
    "a:12:{i:0;s:1:\"a\";s:1:\"k\";a:1:{i:5;d:0.5;}i:9;R:4;i:8;O:1:\"A\":1:{s:1:\"a\";r:5;}i:7;r:5;i:20;N;i:21;N;i:22;"
    "N;i:23;N;"
    "i:24;N;S:3:\"\\4142\";N;i:9;N;}",
    "a:2:{i:0;a:1:{i:0;N;}i:1;a:1:{i:0;R:1;}}",
};

#ifndef __SANITIZE_ADDRESS__

/* ---- the C library's malloc(), watched ----------------------------------------------------------- */

static struct {
	bool on;
	int calls, fail_at;
	int alive;
	size_t total; /* bytes asked for */
} memory;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *block);

static bool refuse(size_t size)
{
	if (!memory.on)
		return false;
	memory.total += size;
	return ++memory.calls == memory.fail_at;
}

void *malloc(size_t size)
{
	void *block = refuse(size) ? NULL : __libc_malloc(size);

	memory.alive += memory.on && block;
	return block;
}

void *calloc(size_t count, size_t size)
{
	void *block = refuse(count * size) ? NULL : __libc_calloc(count, size);

	memory.alive += memory.on && block;
	return block;
}

void *realloc(void *old, size_t size)
{
	void *block = refuse(size) ? NULL : __libc_realloc(old, size);

	memory.alive += memory.on && block && !old;
	return block;
}

void free(void *block)
{
	memory.alive -= memory.on && block;
	__libc_free(block);
}

static void watch_memory(int fail_at)
{
	memory.calls = memory.alive = 0;
	memory.total = 0;
	memory.fail_at = fail_at;
	memory.on = true;
}

/* Heads that promise much, one in the other: no memory for what cannot be there. */
START_TEST(promises_cost_nothing)
{
	struct ym_buffer text;
	struct ym_value value;
	int result;

	ym_buffer_init(&text, NULL, 0);
	for (int i = 0; i < 2000; i++)
		ASSERT_OK(ym_buffer_add(&text, "a:3000:{i:0;", 12, &err));
	watch_memory(0);
	result = ym_unserialize(text.bytes, text.length, &value, NULL, &err);
	memory.on = false;
	ck_assert_int_eq(result, -1);
	ck_assert_uint_lt(memory.total, text.length * 20);
	ck_assert_int_eq(memory.alive, 0);
	ym_buffer_free(&text);
	watch_memory(0);
	result = ym_unserialize("s:9999999999:\"a\";", 17, &value, NULL, &err) +
	         ym_unserialize("a:9999999999:{i:0;N;}", 21, &value, NULL, &err);
	memory.on = false;
	ck_assert_int_eq(result, -2);
	ck_assert_int_eq(memory.calls, 0);
}
END_TEST

/* Small scalars cost no malloc() at all. */
START_TEST(scalars_need_no_memory)
{
	struct ym_value value;
	struct ym_buffer out;
	char storage[64];
	int result;

	watch_memory(0);
	ym_buffer_init(&out, storage, sizeof(storage));
	result = ym_unserialize("i:42;", 5, &value, NULL, &err) + ym_serialize(&value, &out, &err);
	memory.on = false;
	ck_assert_int_eq(result, 0);
	ck_assert_int_eq(memory.calls, 0);
}
END_TEST

/* Each allocation fails once: an error, nothing is lost, nothing half-made is given out. */
START_TEST(no_memory)
{
	struct ym_value value, copy;
	struct ym_buffer out;
	int result, at;

	for (size_t i = 0; i < COUNT(everything); i++) {
		const char *text = everything[i];

		for (at = 1;; at++) {
			watch_memory(at);
			result = ym_unserialize(text, strlen(text), &value, NULL, &err);
			memory.on = false;
			if (memory.calls < at)
				break;
			ck_assert_int_eq(result, -1);
			ck_assert_int_eq(err.class, YM_ERR_LIMIT);
			ck_assert_int_eq(value.type, YM_TYPE_NULL);
			ck_assert_msg(memory.alive == 0, "%s: %d blocks left after failure %d", text, memory.alive, at);
		}
		ck_assert_int_gt(at, 1);
		ck_assert_int_eq(result, 0);
		for (at = 1;; at++) {
			watch_memory(at);
			result = ym_value_copy(&copy, &value, &err);
			memory.on = false;
			if (memory.calls < at)
				break;
			ck_assert_int_eq(result, -1);
			ck_assert_int_eq(copy.type, YM_TYPE_NULL);
			ck_assert_int_eq(memory.alive, 0);
		}
		for (at = 1;; at++) {
			watch_memory(at);
			ym_buffer_init(&out, NULL, 0);
			result = ym_serialize(&value, &out, &err);
			ym_buffer_free(&out);
			memory.on = false;
			if (memory.calls < at)
				break;
			ck_assert_int_eq(result, -1);
			ck_assert_int_eq(memory.alive, 0);
		}
		ym_value_free(&value);
		ym_value_free(&copy);
	}
}
END_TEST

/* What is decoded is given back, every block. */
START_TEST(no_leak)
{
	struct ym_value value, copy;
	int result;

	for (size_t i = 0; i < COUNT(everything); i++) {
		watch_memory(0);
		result = ym_unserialize(everything[i], strlen(everything[i]), &value, NULL, &err);
		result += ym_value_copy(&copy, &value, &err);
		ym_value_free(&value);
		ym_value_free(&copy);
		memory.on = false;
		ck_assert_int_eq(result, 0);
		ck_assert_int_gt(memory.calls, 0);
		ck_assert_int_eq(memory.alive, 0);
	}
}
END_TEST

#else

START_TEST(no_leak)
{
	struct ym_value value, copy;

	for (size_t i = 0; i < COUNT(everything); i++) {
		ASSERT_OK(ym_unserialize(everything[i], strlen(everything[i]), &value, NULL, &err));
		ASSERT_OK(ym_value_copy(&copy, &value, &err));
		ym_value_free(&value);
		ym_value_free(&copy);
	}
}
END_TEST

#endif

int main(void)
{
	Suite *suite = suite_create("codec memory");
	TCase *tcase = add_case(suite, "memory");

#ifndef __SANITIZE_ADDRESS__
	tcase_add_test(tcase, promises_cost_nothing);
	tcase_add_test(tcase, scalars_need_no_memory);
	tcase_add_test(tcase, no_memory);
#endif
	tcase_add_test(tcase, no_leak);
	return run_suite(suite);
}
