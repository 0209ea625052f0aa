/* test_queue.c - message queues: made, full, too long a message, removed. */
#include <sys/msg.h>

#include "../../ipc/queue.h"
#include "support.h"

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
	ASSERT_ERR(ym_queue_send(queue, &message, (size_t)most + 1, &err), YM_ERR_LIMIT);
	snprintf(text, sizeof(text), "%ld", most + 1);
	ASSERT_IN(text, err.text);
	snprintf(text, sizeof(text), "%ld", proc_number("/proc/sys/kernel/msgmnb"));
	ASSERT_IN(text, err.text);
	ASSERT_IN("msgmax", err.text);
}
END_TEST

START_TEST(a_type_must_be_positive)
{
	message.type = 0;
	ck_assert_int_eq(ym_queue_send(queue, &message, 1, &err), -1);
	message.type = 1;
}
END_TEST

START_TEST(removed)
{
	struct ym_queue_stat stat;
	int id;

	ASSERT_OK(ym_queue_create(fresh_key(), 0600, &id, &err));
	ASSERT_OK(ym_queue_remove(id, &err));
	ASSERT_ERR(ym_queue_send(id, &message, 1, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_queue_stat(id, &stat, &err), YM_ERR_GONE);
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
	tcase_add_test(tcase, a_type_must_be_positive);
	tcase_add_test(tcase, removed);
	return run_suite(suite);
}
