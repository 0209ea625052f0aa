/*
 * test_queue.c - message queues: making and finding, sending and receiving as PHP does, waits, and every clear error.
 */
#include <locale.h>
#include <math.h>
#include <sys/msg.h>
#include <sys/time.h>

#include "../../ipc/queue.h"
#include "faults.h"

struct message {
	long type;
	char bytes[8192 + 1];
};

static struct message message = {.type = 1};
static int queue;

static void begin_queue(void)
{
	begin_test();
	ASSERT_OK(ym_queue_create(fresh_key(), 0600, &queue, &err));
}

static void end_queue(void)
{
	ASSERT_OK(ym_queue_remove(queue, &err));
	end_test();
}

static long proc_number(const char *path)
{
	FILE *file = fopen(path, "re");
	long number;

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%ld", &number), 1);
	fclose(file);
	return number;
}

START_TEST(made_anew_or_not_at_all)
{
	key_t key = fresh_key();
	struct ym_queue_stat stat;
	int id, other;

	ASSERT_OK(ym_queue_create(key, 0640, &id, &err));
	ck_assert_int_eq(msgget(key, 0), id);
	ASSERT_OK(ym_queue_stat(id, &stat, &err));
	ck_assert_uint_eq(stat.mode, 0640);
	ck_assert_uint_eq(stat.uid, geteuid());
	ck_assert_uint_eq(stat.cuid, geteuid());
	ck_assert_uint_eq(stat.messages, 0);
	ck_assert_uint_eq(stat.bytes, 0);
	ck_assert_uint_eq(stat.capacity, (uint64_t)proc_number("/proc/sys/kernel/msgmnb"));
	ASSERT_ERR(ym_queue_create(key, 0600, &other, &err), YM_ERR_FOREIGN);
	ck_assert_int_eq(err.sys, EEXIST);
	ASSERT_OK(ym_queue_remove(id, &err));
}
END_TEST

START_TEST(what_is_sent_arrives)
{
	struct ym_queue_stat stat;
	struct message got;

	message.type = 5;
	memcpy(message.bytes, "hello", 5);
	ASSERT_OK(ym_queue_send(queue, &message, 5, &err));
	ASSERT_OK(ym_queue_send(queue, &message, 0, &err));
	ASSERT_OK(ym_queue_stat(queue, &stat, &err));
	ck_assert_uint_eq(stat.messages, 2);
	ck_assert_uint_eq(stat.bytes, 5);
	ck_assert_int_eq(stat.last_sender, getpid());
	ck_assert_int_eq(msgrcv(queue, &got, sizeof(got.bytes), 0, IPC_NOWAIT), 5);
	ck_assert_int_eq(got.type, 5);
	ck_assert_mem_eq(got.bytes, "hello", 5);
	ck_assert_int_eq(msgrcv(queue, &got, sizeof(got.bytes), 0, IPC_NOWAIT), 0);
}
END_TEST

START_TEST(full_is_no_error)
{
	uint64_t capacity = (uint64_t)proc_number("/proc/sys/kernel/msgmnb"), sent = 0;
	int result;

	memset(&err, 0, sizeof(err));
	while ((result = ym_queue_send(queue, &message, 1000, &err)) == 0)
		sent++;
	ck_assert_int_eq(result, 1);
	ck_assert_int_eq(err.class, YM_ERR_NONE);
	ck_assert_uint_eq(sent, capacity / 1000);
	/* Empty messages count too. */
	while ((result = ym_queue_send(queue, &message, 0, &err)) == 0)
		sent++;
	ck_assert_int_eq(result, 1);
	ck_assert_uint_eq(sent, capacity);
}
END_TEST

START_TEST(too_long_names_both_sizes)
{
	long most = proc_number("/proc/sys/kernel/msgmax");
	char text[32];

	ck_assert_int_eq(most, 8192);
	ASSERT_OK(ym_queue_send(queue, &message, (size_t)most, &err));
	ck_assert_uint_eq(ym_queue_message_max(), (size_t)most);
	ASSERT_ERR(ym_queue_send(queue, &message, (size_t)most + 1, &err), YM_ERR_LIMIT);
	snprintf(text, sizeof(text), "%ld", most + 1);
	ASSERT_IN(text, err.text);
	snprintf(text, sizeof(text), "%ld", most);
	ASSERT_IN(text, err.text);
	ASSERT_IN("kernel.msgmax", err.text);
	ASSERT_ERR(ym_queue_send_bytes(queue, 1, message.bytes, (size_t)most + 1, YM_NEVER, &err), YM_ERR_LIMIT);
	ASSERT_IN("kernel.msgmax", err.text);
	/* So long that reading it would be a crash. */
	ASSERT_ERR(ym_queue_send_bytes(queue, 1, message.bytes, (size_t)1 << 40, YM_NEVER, &err), YM_ERR_LIMIT);
	ASSERT_IN("kernel.msgmax", err.text);
}
END_TEST

static void set_capacity(int64_t capacity)
{
	ASSERT_OK(ym_queue_set(queue, &(struct ym_queue_change){capacity, -1, -1, -1}, &err));
}

/* No receiver can ever make room for it: waiting would last for ever. */
START_TEST(longer_than_the_whole_queue)
{
	set_capacity(100);
	ASSERT_OK(ym_queue_send_bytes(queue, 1, message.bytes, 100, YM_NEVER, &err));
	ck_assert_int_eq(ym_queue_send(queue, &message, 100, &err), 1);
	ASSERT_ERR(ym_queue_send(queue, &message, 101, &err), YM_ERR_LIMIT);
	ASSERT_ERR(ym_queue_send_bytes(queue, 1, message.bytes, 101, YM_NEVER, &err), YM_ERR_LIMIT);
	ASSERT_IN("101 bytes", err.text);
	ASSERT_IN("100 bytes", err.text);
	ASSERT_IN("kernel.msgmnb", err.text);
	ASSERT_IN("msg set", err.text);
	set_capacity(0);
	ASSERT_ERR(ym_queue_send_bytes(queue, 1, "", 0, YM_NEVER, &err), YM_ERR_LIMIT);
}
END_TEST

START_TEST(a_type_must_be_positive)
{
	static const long types[] = {0, -1, LONG_MIN};

	for (size_t i = 0; i < COUNT(types); i++) {
		message.type = types[i];
		ASSERT_ERR(ym_queue_send(queue, &message, 1, &err), YM_ERR_USAGE);
		ASSERT_ERR(ym_queue_send_bytes(queue, types[i], "x", 1, YM_NEVER, &err), YM_ERR_USAGE);
		ASSERT_IN("1 or more", err.text);
	}
	message.type = 1;
}
END_TEST

/* ---- making and finding ---------------------------------------------------------------------- */

START_TEST(got_as_php_does)
{
	key_t key = fresh_key();
	struct ym_queue_stat stat;
	int id, again, private, other;

	ck_assert(!ym_queue_exists(key));
	ASSERT_ERR(ym_queue_open(key, &id, &err), YM_ERR_NO);
	ASSERT_OK(ym_queue_get(key, 0620, &id, &err));
	ck_assert(ym_queue_exists(key));
	ASSERT_OK(ym_queue_get(key, 0666, &again, &err));
	ck_assert_int_eq(again, id);
	ASSERT_OK(ym_queue_open(key, &again, &err));
	ck_assert_int_eq(again, id);
	ASSERT_OK(ym_queue_stat(id, &stat, &err));
	ck_assert_uint_eq(stat.mode, 0620);
	ASSERT_OK(ym_queue_get(IPC_PRIVATE, 0600, &private, &err));
	ASSERT_OK(ym_queue_get(IPC_PRIVATE, 0600, &other, &err));
	ck_assert_int_ne(private, other);
	ASSERT_OK(ym_queue_remove(private, &err));
	ASSERT_OK(ym_queue_remove(other, &err));
	ASSERT_OK(ym_queue_remove(id, &err));
	/* PHP 8.2 makes a queue for these questions. */
	ck_assert(!ym_queue_exists(IPC_PRIVATE));
	ASSERT_ERR(ym_queue_open(IPC_PRIVATE, &id, &err), YM_ERR_USAGE);
	ck_assert_int_eq(count_objects() - objects_before, 1);
}
END_TEST

/* Between the look and the making, somebody else makes it. */
START_TEST(got_although_somebody_was_faster)
{
	key_t key = fresh_key();
	int id, first;

	ASSERT_OK(ym_queue_create(key, 0600, &first, &err));
	arm_fault(1, ENOENT);
	ASSERT_OK(ym_queue_get(key, 0600, &id, &err));
	ck_assert_int_eq(id, first);
	/* Not to be asked is no reason to make one. */
	arm_fault(1, EACCES);
	ASSERT_ERR(ym_queue_get(key, 0600, &id, &err), YM_ERR_PERMISSION);
	ASSERT_OK(ym_queue_remove(first, &err));
}
END_TEST

START_TEST(too_many_queues)
{
	int id;

	arm_fault(1, ENOSPC);
	ASSERT_ERR(ym_queue_create(fresh_key(), 0600, &id, &err), YM_ERR_LIMIT);
	ASSERT_IN("kernel.msgmni", err.text);
	ASSERT_IN("now 1 of ", err.text);
}
END_TEST

/* ---- receiving ------------------------------------------------------------------------------- */

static struct ym_buffer got;
static long got_type;

static void send_text(long type, const char *text)
{
	ASSERT_OK(ym_queue_send_bytes(queue, type, text, strlen(text), 0, &err));
}

static int receive(long type, size_t max, unsigned flags)
{
	return ym_queue_receive(queue, type, max, flags, 0, &got, &got_type, &err);
}

static void expect(const char *text)
{
	ck_assert_uint_eq(got.length, strlen(text));
	ck_assert_mem_eq(got.bytes, text, got.length);
}

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

/* ---- waiting --------------------------------------------------------------------------------- */

static void fill(void)
{
	while (ym_queue_send(queue, &message, 1024, &err) == 0)
		;
}

START_TEST(a_full_queue_is_described)
{
	uint64_t before = ym_now_ns();

	fill();
	ASSERT_ERR(ym_queue_send_bytes(queue, 1, "x", 1, 0, &err), YM_ERR_FULL);
	ASSERT_IN("16 messages", err.text);
	ASSERT_IN("16384 bytes in all", err.text);
	ASSERT_IN("takes 16384", err.text);
	ASSERT_ERR(ym_queue_send_bytes(queue, 1, "x", 1, ym_deadline(50), &err), YM_ERR_FULL);
	ck_assert_uint_ge(ym_now_ns() - before, 50000000u);
}
END_TEST

START_TEST(an_empty_queue_is_waited_for_no_longer_than_said)
{
	uint64_t before = ym_now_ns();

	ck_assert_int_eq(ym_queue_receive(queue, 0, 0, 0, ym_deadline(50), &got, &got_type, &err), 1);
	ck_assert_uint_ge(ym_now_ns() - before, 50000000u);
	/* NOWAIT is stronger than any deadline. */
	ck_assert_int_eq(ym_queue_receive(queue, 0, 0, YM_QUEUE_NOWAIT, YM_NEVER, &got, &got_type, &err), 1);
	ym_buffer_free(&got);
}
END_TEST

static void on_signal(int signo)
{
	(void)signo;
}

/* Signals every 2 ms: the wait goes on after each. */
static void be_disturbed(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct itimerval timer = {{0, 2000}, {0, 2000}};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void send_late(void *arg)
{
	be_disturbed();
	tell_step();
	ASSERT_OK(ym_queue_send_bytes(queue, 2, "late", 4, *(uint64_t *)arg, &err));
}

static void receive_late(void *arg)
{
	struct ym_buffer late = {0};
	long type;

	be_disturbed();
	tell_step();
	ASSERT_OK(ym_queue_receive(queue, 2, 0, 0, *(uint64_t *)arg, &late, &type, &err));
	ck_assert_uint_eq(late.length, 4);
	ym_buffer_free(&late);
}

/* A wait for ever, and one with a deadline. */
static uint64_t wait_of(int number)
{
	return number == 0 ? YM_NEVER : ym_deadline(PATIENCE_MS);
}

START_TEST(a_sender_gets_in_when_there_is_room)
{
	uint64_t deadline = wait_of(_i), looked;
	pid_t child;

	open_steps();
	fill();
	child = spawn(send_late, &deadline);
	await_step();
	/* It has been asleep for some signals. */
	looked = ym_deadline(10);
	WAIT_UNTIL(ym_now_ns() > looked && process_state(child) == 'S');
	ASSERT_OK(receive(0, 0, 0));
	reap_well(child);
	ASSERT_OK(receive(2, 0, 0));
	expect("late");
	ym_buffer_free(&got);
}
END_TEST

START_TEST(a_receiver_gets_what_comes)
{
	uint64_t deadline = wait_of(_i), looked;
	pid_t child;

	open_steps();
	send_text(1, "not for it");
	child = spawn(receive_late, &deadline);
	await_step();
	looked = ym_deadline(10);
	WAIT_UNTIL(ym_now_ns() > looked && process_state(child) == 'S');
	send_text(2, "late");
	reap_well(child);
	ASSERT_OK(receive(0, 0, 0));
	expect("not for it");
	ym_buffer_free(&got);
}
END_TEST

static void send_in_vain(void *arg)
{
	tell_step();
	ASSERT_ERR(ym_queue_send_bytes(queue, 2, "late", 4, *(uint64_t *)arg, &err), YM_ERR_GONE);
}

static void receive_in_vain(void *arg)
{
	struct ym_buffer late = {0};
	long type;

	tell_step();
	ASSERT_ERR(ym_queue_receive(queue, 2, 0, 0, *(uint64_t *)arg, &late, &type, &err), YM_ERR_GONE);
	ASSERT_IN("removed", err.text);
	ym_buffer_free(&late);
}

static void send_asleep(void *arg)
{
	(void)arg;
	arm_fault(0, 0);
	tell_step();
	ASSERT_OK(ym_queue_send_bytes(queue, 2, "late", 4, YM_NEVER, &err));
	ck_assert_int_le(faults.calls, 3);
}

static void receive_asleep(void *arg)
{
	struct ym_buffer late = {0};
	long type;

	(void)arg;
	arm_fault(0, 0);
	tell_step();
	ASSERT_OK(ym_queue_receive(queue, 2, 0, 0, YM_NEVER, &late, &type, &err));
	ck_assert_int_eq(faults.calls, 1);
	ym_buffer_free(&late);
}

/* No looking again and again: one call that lasts until the message is through. */
START_TEST(a_wait_for_ever_sleeps_in_the_kernel)
{
	uint64_t looked;
	pid_t sender, receiver;

	open_steps();
	fill();
	sender = spawn(send_asleep, NULL);
	await_step();
	looked = ym_deadline(20);
	WAIT_UNTIL(ym_now_ns() > looked && process_state(sender) == 'S');
	receiver = spawn(receive_asleep, NULL);
	await_step();
	looked = ym_deadline(20);
	WAIT_UNTIL(ym_now_ns() > looked && process_state(receiver) == 'S');
	ASSERT_OK(receive(0, 0, 0));
	reap_well(sender);
	reap_well(receiver);
	ym_buffer_free(&got);
}
END_TEST

START_TEST(removed_while_waited_for)
{
	uint64_t deadline = wait_of(_i);
	pid_t sender, receiver;

	open_steps();
	fill();
	sender = spawn(send_in_vain, &deadline);
	receiver = spawn(receive_in_vain, &deadline);
	await_step();
	await_step();
	WAIT_UNTIL(process_state(sender) == 'S' && process_state(receiver) == 'S');
	ASSERT_OK(ym_queue_remove(queue, &err));
	reap_well(sender);
	reap_well(receiver);
}
END_TEST

/* ---- state ----------------------------------------------------------------------------------- */

START_TEST(set_changes_what_is_given)
{
	struct ym_queue_stat before, stat;
	time_t now = time(NULL);

	ASSERT_OK(ym_queue_stat(queue, &before, &err));
	ck_assert_int_eq(before.sent, 0);
	ck_assert_int_eq(before.received, 0);
	ck_assert_int_ge(before.changed, now - 60);
	ASSERT_OK(ym_queue_set(queue, &(struct ym_queue_change){-1, -1, -1, -1}, &err));
	ASSERT_OK(ym_queue_set(queue, &(struct ym_queue_change){1000, -1, -1, -1}, &err));
	ASSERT_OK(ym_queue_set(queue, &(struct ym_queue_change){-1, -1, -1, 0640}, &err));
	ASSERT_OK(ym_queue_stat(queue, &stat, &err));
	ck_assert_uint_eq(stat.capacity, 1000);
	ck_assert_uint_eq(stat.mode, 0640);
	ck_assert_uint_eq(stat.uid, before.uid);
	ck_assert_uint_eq(stat.gid, before.gid);
	send_text(1, "x");
	ASSERT_OK(receive(0, 0, 0));
	ASSERT_OK(ym_queue_stat(queue, &stat, &err));
	ck_assert_int_ge(stat.sent, now);
	ck_assert_int_ge(stat.received, now);
	ck_assert_int_eq(stat.last_receiver, getpid());
	if (have_nobody()) {
		ASSERT_OK(ym_queue_set(queue, &(struct ym_queue_change){-1, NOBODY, NOBODY, -1}, &err));
		ASSERT_OK(ym_queue_stat(queue, &stat, &err));
		ck_assert_uint_eq(stat.uid, NOBODY);
		ck_assert_uint_eq(stat.gid, NOBODY);
		ck_assert_uint_eq(stat.cuid, before.cuid);
	}
	ym_buffer_free(&got);
}
END_TEST

START_TEST(set_refuses_nonsense)
{
	static const struct ym_queue_change rows[] = {
	    {-2, -1, -1, -1},         {INT64_MAX, -1, -1, -1}, {-1, UINT32_MAX, -1, -1},
	    {-1, -1, UINT32_MAX, -1}, {-1, -1, -1, 01000},     {-1, -1, -1, -2},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		ASSERT_ERR(ym_queue_set(queue, &rows[i], &err), YM_ERR_USAGE);
}
END_TEST

START_TEST(more_than_msgmnb_is_a_privilege)
{
	arm_fault(2, EPERM);
	ASSERT_ERR(ym_queue_set(queue, &(struct ym_queue_change){1000000, -1, -1, -1}, &err), YM_ERR_PERMISSION);
	ASSERT_IN("kernel.msgmnb (16384)", err.text);
	arm_fault(2, EPERM);
	ASSERT_ERR(ym_queue_set(queue, &(struct ym_queue_change){1000, -1, -1, -1}, &err), YM_ERR_PERMISSION);
	ck_assert_ptr_null(strstr(err.text, "msgmnb"));
}
END_TEST

static void try_as_nobody(void *arg)
{
	struct ym_queue_stat stat;

	become_nobody(arg);
	ASSERT_ERR(ym_queue_send_bytes(queue, 1, "x", 1, YM_NEVER, &err), YM_ERR_PERMISSION);
	ASSERT_ERR(receive(0, 0, 0), YM_ERR_PERMISSION);
	ASSERT_ERR(ym_queue_stat(queue, &stat, &err), YM_ERR_PERMISSION);
	ASSERT_ERR(ym_queue_remove(queue, &err), YM_ERR_PERMISSION);
	ASSERT_ERR(ym_queue_set(queue, &(struct ym_queue_change){-1, -1, -1, 0666}, &err), YM_ERR_PERMISSION);
	ym_buffer_free(&got);
}

START_TEST(somebody_elses_queue)
{
	if (have_nobody())
		run_child(try_as_nobody, NULL);
}
END_TEST

START_TEST(removed)
{
	struct ym_queue_stat stat;
	int id;

	ASSERT_OK(ym_queue_create(fresh_key(), 0600, &id, &err));
	ASSERT_OK(ym_queue_remove(id, &err));
	ASSERT_ERR(ym_queue_send(id, &message, 1, &err), YM_ERR_GONE);
	ASSERT_IN("removed", err.text);
	ASSERT_ERR(ym_queue_stat(id, &stat, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_queue_send(id, &message, 8193, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_queue_send_bytes(id, 1, "x", 1, YM_NEVER, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_queue_receive(id, 0, 0, 0, YM_NEVER, &got, &got_type, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_queue_peek(id, 0, &got, &got_type, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_queue_set(id, &(struct ym_queue_change){1, -1, -1, -1}, &err), YM_ERR_GONE);
	ym_buffer_free(&got);
	/* Twice is no error: somebody was faster. */
	ASSERT_OK(ym_queue_remove(id, &err));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("queue");
	TCase *tcase = tcase_create("queue");

	tcase_add_checked_fixture(tcase, begin_queue, end_queue);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, made_anew_or_not_at_all);
	tcase_add_test(tcase, what_is_sent_arrives);
	tcase_add_test(tcase, full_is_no_error);
	tcase_add_test(tcase, too_long_names_both_sizes);
	tcase_add_test(tcase, longer_than_the_whole_queue);
	tcase_add_test(tcase, a_type_must_be_positive);
	tcase_add_test(tcase, got_as_php_does);
	tcase_add_test(tcase, got_although_somebody_was_faster);
	tcase_add_test(tcase, too_many_queues);
	tcase_add_test(tcase, bytes_arrive_as_they_were);
	tcase_add_test(tcase, which_message_comes);
	tcase_add_test(tcase, a_longer_message_stays);
	tcase_add_test(tcase, longer_than_usual);
	tcase_add_test(tcase, a_look_takes_nothing);
	tcase_add_test(tcase, raw_values_are_written_as_php_does);
	tcase_add_test(tcase, values_come_back);
	tcase_add_test(tcase, what_cannot_be_decoded_is_not_lost);
	tcase_add_test(tcase, a_full_queue_is_described);
	tcase_add_test(tcase, an_empty_queue_is_waited_for_no_longer_than_said);
	tcase_add_loop_test(tcase, a_sender_gets_in_when_there_is_room, 0, 2);
	tcase_add_loop_test(tcase, a_receiver_gets_what_comes, 0, 2);
	tcase_add_test(tcase, a_wait_for_ever_sleeps_in_the_kernel);
	tcase_add_loop_test(tcase, removed_while_waited_for, 0, 2);
	tcase_add_test(tcase, set_changes_what_is_given);
	tcase_add_test(tcase, set_refuses_nonsense);
	tcase_add_test(tcase, more_than_msgmnb_is_a_privilege);
	tcase_add_test(tcase, somebody_elses_queue);
	tcase_add_test(tcase, removed);
	return run_suite(suite);
}
