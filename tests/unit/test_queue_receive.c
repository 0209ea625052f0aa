/* test_queue_receive.c - messages of a queue: which one comes, bytes and values as PHP has them. */
#include <locale.h>
#include <math.h>

#include "faults.h"
#include "queue_support.h"

START_TEST(bytes_arrive_as_they_were)
{
	static const size_t sizes[] = {0, 1, 7, 8, 9, 255, 4096, 8191, 8192};
	char bytes[8192];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)random_below(256);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		long type = i % 2 ? LONG_MAX : 1;

		ASSERT_OK(ym_queue_send_bytes(queue, type, bytes, sizes[i], 0, &err));
		ASSERT_OK(receive(0, i % 3 ? 0 : sizes[i], 0));
		ck_assert_int_eq(got_type, type);
		ck_assert_uint_eq(got.length, sizes[i]);
		ck_assert_mem_eq(got.bytes, bytes, sizes[i]);
	}
	ck_assert_int_eq(receive(0, 0, 0), 1);
	ck_assert_uint_eq(got.length, 0);
	ym_buffer_free(&got);
}
END_TEST

START_TEST(which_message_comes)
{
	static const struct {
		long type;
		unsigned flags;
		long comes; /* 0: none */
	} rows[] = {
	    {0, 0, 4},
	    {3, 0, 3},
	    {5, 0, 0},
	    {-3, 0, 1},
	    {-9, 0, 1},
	    {LONG_MIN, 0, 1},
	    {-1, 0, 1},
	    {4, YM_QUEUE_EXCEPT, 3},
	    {3, YM_QUEUE_EXCEPT, 4},
	    {-2, YM_QUEUE_EXCEPT, 1},
	    {0, YM_QUEUE_EXCEPT, 4},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		for (long type = 4; type >= 1; type--)
			send_text(type, "x");
		/* A copy that is of that type but later must not come. */
		send_text(1, "later");
		ck_assert_int_eq(receive(rows[i].type, 0, rows[i].flags), rows[i].comes ? 0 : 1);
		if (rows[i].comes) {
			ck_assert_int_eq(got_type, rows[i].comes);
			expect("x");
		}
		while (receive(0, 0, 0) == 0)
			;
	}
	ym_buffer_free(&got);
}
END_TEST

START_TEST(a_longer_message_stays)
{
	static const struct {
		long type;
		unsigned flags;
		const char *length;
	} rows[] = {{0, 0, "17 bytes"},
	            {2, 0, "11 bytes"},
	            {-2, 0, "13 bytes"},
	            {1, YM_QUEUE_EXCEPT, "17 bytes"},
	            {3, YM_QUEUE_EXCEPT, "11 bytes"}};
	struct ym_queue_stat stat;

	send_text(3, "seventeen letters");
	send_text(2, "eleven lett");
	send_text(1, "thirteen lett");
	for (size_t i = 0; i < COUNT(rows); i++) {
		ASSERT_ERR(receive(rows[i].type, 10, rows[i].flags), YM_ERR_LIMIT);
		ASSERT_IN("at most 10 bytes", err.text);
		ASSERT_IN(rows[i].length, err.text);
		ASSERT_IN("MSG_NOERROR", err.text);
	}
	ASSERT_OK(ym_queue_stat(queue, &stat, &err));
	ck_assert_uint_eq(stat.messages, 3);
	ASSERT_OK(receive(0, 17, 0));
	expect("seventeen letters");
	ASSERT_OK(receive(0, 10, YM_QUEUE_TRUNCATE));
	expect("eleven let");
	/* `max` 0 never cuts off. */
	ASSERT_OK(receive(0, 0, YM_QUEUE_TRUNCATE));
	expect("thirteen lett");
	ym_buffer_free(&got);
}
END_TEST

static bool write_number(const char *path, long number)
{
	FILE *file = fopen(path, "we");
	bool written = file && fprintf(file, "%ld", number) > 0;

	return file && fclose(file) == 0 && written;
}

/* Messages longer than those of the default limit; needs to be root of the name space. */
START_TEST(longer_than_usual)
{
	const char *msgmax = "/proc/sys/kernel/msgmax", *msgmnb = "/proc/sys/kernel/msgmnb";
	char *bytes = malloc(100000);
	int usual = queue;

	ck_assert_ptr_nonnull(bytes);
	if (write_number(msgmax, 100000) && write_number(msgmnb, 300000)) {
		memset(bytes, 'x', 100000);
		ASSERT_OK(ym_queue_create(IPC_PRIVATE, 0600, &queue, &err));
		for (int i = 0; i < 3; i++)
			ASSERT_OK(ym_queue_send_bytes(queue, 1 + i, bytes, 100000, YM_NEVER, &err));
		ASSERT_ERR(receive(0, 99999, 0), YM_ERR_LIMIT);
		ASSERT_IN("100000 bytes", err.text);
		ASSERT_OK(ym_queue_peek(queue, 2, &got, &got_type, &err));
		ck_assert_int_eq(got_type, 3);
		ck_assert_uint_eq(got.length, 100000);
		ASSERT_OK(receive(0, 50000, YM_QUEUE_TRUNCATE));
		ck_assert_uint_eq(got.length, 50000);
		ASSERT_OK(receive(0, 100000, 0));
		ck_assert_uint_eq(got.length, 100000);
		/* The limit counts for new messages only. */
		write_number(msgmax, 8192);
		ASSERT_ERR(ym_queue_peek(queue, 0, &got, &got_type, &err), YM_ERR_LIMIT);
		ASSERT_IN("kernel.msgmax", err.text);
		ASSERT_OK(receive(0, 0, 0));
		ck_assert_uint_eq(got.length, 100000);
		ck_assert_mem_eq(got.bytes, bytes, 100000);
		ASSERT_OK(ym_queue_remove(queue, &err));
	}
	write_number(msgmax, 8192);
	write_number(msgmnb, 16384);
	ym_buffer_free(&got);
	free(bytes);
	queue = usual;
}
END_TEST

START_TEST(a_look_takes_nothing)
{
	struct ym_queue_stat stat;

	ck_assert_int_eq(ym_queue_peek(queue, 0, &got, &got_type, &err), 1);
	send_text(7, "first");
	send_text(3, "second");
	for (int i = 0; i < 2; i++) {
		ASSERT_OK(ym_queue_peek(queue, 1, &got, &got_type, &err));
		ck_assert_int_eq(got_type, 3);
		expect("second");
		ASSERT_OK(ym_queue_peek(queue, 0, &got, &got_type, &err));
		ck_assert_int_eq(got_type, 7);
		expect("first");
	}
	ck_assert_int_eq(ym_queue_peek(queue, 2, &got, &got_type, &err), 1);
	ck_assert_int_eq(ym_queue_peek(queue, UINT64_MAX, &got, &got_type, &err), 1);
	ASSERT_OK(ym_queue_stat(queue, &stat, &err));
	ck_assert_uint_eq(stat.messages, 2);
	arm_fault(1, ENOSYS);
	ASSERT_ERR(ym_queue_peek(queue, 0, &got, &got_type, &err), YM_ERR_SYSTEM);
	ASSERT_IN("CONFIG_CHECKPOINT_RESTORE", err.text);
	/* Then nobody knows how long a message is. */
	arm_fault(2, ENOSYS);
	ASSERT_ERR(receive(0, 1, 0), YM_ERR_LIMIT);
	ck_assert(fault_hit());
	ym_buffer_free(&got);
}
END_TEST

/* ---- values ---------------------------------------------------------------------------------- */

static void assert_raw(const struct ym_value *value, const char *text)
{
	ASSERT_OK(ym_queue_send_value(queue, 1, value, true, 0, &err));
	ASSERT_OK(receive(0, 0, 0));
	expect(text);
}

START_TEST(raw_values_are_written_as_php_does)
{
	static const struct {
		double real;
		const char *text;
	} rows[] = {
	    {1.5, "1.500000"},    {1e20, "100000000000000000000.000000"},
	    {1e-7, "0.000000"},   {-0.0, "0.000000"},
	    {-2.25, "-2.250000"}, {-1e-7, "-0.000000"},
	    {INFINITY, "inf"},    {-INFINITY, "inf"},
	    {NAN, "nan"},         {0.0000005, "0.000000"},
	    {2.5e-6, "0.000003"}, {1234567.891, "1234567.891000"},
	};
	static const struct {
		int64_t integer;
		const char *text;
	} integers[] = {{0, "0"}, {-1, "-1"}, {INT64_MAX, "9223372036854775807"}, {INT64_MIN, "-9223372036854775808"}};
	struct ym_value value, null = {0};

	/* Some have a comma, if they are installed. */
	if (!setlocale(LC_ALL, "de_DE.UTF-8"))
		setlocale(LC_ALL, "fr_FR.UTF-8");
	for (size_t i = 0; i < COUNT(rows); i++) {
		value = ym_value_float(rows[i].real);
		assert_raw(&value, rows[i].text);
	}
	value = ym_value_float(-1.7976931348623157e308);
	ASSERT_OK(ym_queue_send_value(queue, 1, &value, true, 0, &err));
	ASSERT_OK(receive(0, 0, 0));
	ck_assert_uint_eq(got.length, 1 + 309 + 7);
	for (size_t i = 0; i < COUNT(integers); i++) {
		value = ym_value_int(integers[i].integer);
		assert_raw(&value, integers[i].text);
	}
	value = ym_value_bool(true);
	assert_raw(&value, "1");
	value = ym_value_bool(false);
	assert_raw(&value, "0");
	ASSERT_OK(ym_value_text(&value, "as it is", &err));
	assert_raw(&value, "as it is");
	ym_value_free(&value);
	ASSERT_ERR(ym_queue_send_value(queue, 1, &null, true, 0, &err), YM_ERR_USAGE);
	ASSERT_IN("null", err.text);
	ASSERT_OK(ym_value_array(&value, &err));
	ASSERT_ERR(ym_queue_send_value(queue, 1, &value, true, 0, &err), YM_ERR_USAGE);
	ASSERT_IN("array", err.text);
	ym_value_free(&value);
	ck_assert_int_eq(receive(0, 0, 0), 1);
	ym_buffer_free(&got);
}
END_TEST

START_TEST(values_come_back)
{
	struct ym_value value = ym_value_int(-42), back;

	ASSERT_OK(ym_queue_send_value(queue, 9, &value, false, 0, &err));
	ASSERT_OK(ym_queue_peek(queue, 0, &got, &got_type, &err));
	expect("i:-42;");
	ASSERT_OK(ym_queue_receive_value(queue, 0, 0, 0, 0, &back, &got_type, &err));
	ck_assert_int_eq(got_type, 9);
	ck_assert_int_eq(back.type, YM_TYPE_INT);
	ck_assert_int_eq(back.integer, -42);
	ck_assert_int_eq(ym_queue_receive_value(queue, 0, 0, 0, 0, &back, &got_type, &err), 1);
	ck_assert_int_eq(back.type, YM_TYPE_NULL);
	/* Longer than what is put together on the stack: an error of the kernel, not of ours. */
	memset(message.bytes, 'x', 8192);
	ASSERT_OK(ym_value_string(&value, message.bytes, 8192, &err));
	ASSERT_ERR(ym_queue_send_value(queue, 1, &value, false, YM_NEVER, &err), YM_ERR_LIMIT);
	ASSERT_IN("kernel.msgmax", err.text);
	ASSERT_OK(ym_queue_send_value(queue, 1, &value, true, YM_NEVER, &err));
	ym_value_free(&value);
	ASSERT_OK(receive(0, 0, 0));
	/* What stands behind a value does not matter. */
	send_text(2, "i:7;and more");
	ASSERT_OK(ym_queue_receive_value(queue, 0, 0, 0, 0, &back, &got_type, &err));
	ck_assert_int_eq(back.integer, 7);
	ym_buffer_free(&got);
}
END_TEST

START_TEST(what_cannot_be_decoded_is_not_lost)
{
	struct ym_value value;

	send_text(5, "i:4x;\"junk");
	ASSERT_ERR(ym_queue_receive_value(queue, 0, 0, 0, 0, &value, &got_type, &err), YM_ERR_CORRUPT);
	ASSERT_IN("type 5", err.text);
	ASSERT_IN("10 bytes", err.text);
	ck_assert_int_eq(got_type, 5);
	ck_assert_int_eq(value.type, YM_TYPE_STRING);
	ck_assert_uint_eq(value.string.length, 10);
	ck_assert_mem_eq(value.string.bytes, "i:4x;\"junk", 10);
	ym_value_free(&value);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("queue_receive");
	TCase *tcase = queue_case(suite);

	tcase_add_test(tcase, bytes_arrive_as_they_were);
	tcase_add_test(tcase, which_message_comes);
	tcase_add_test(tcase, a_longer_message_stays);
	tcase_add_test(tcase, longer_than_usual);
	tcase_add_test(tcase, a_look_takes_nothing);
	tcase_add_test(tcase, raw_values_are_written_as_php_does);
	tcase_add_test(tcase, values_come_back);
	tcase_add_test(tcase, what_cannot_be_decoded_is_not_lost);
	return run_suite(suite);
}
