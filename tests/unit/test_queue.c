/* test_queue.c - message queues: making, finding, changing and removing, what can be sent, and every clear error. */
#include "faults.h"
#include "queue_support.h"

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
	struct message arrived;

	message.type = 5;
	memcpy(message.bytes, "hello", 5);
	ASSERT_OK(ym_queue_send(queue, &message, 5, &err));
	ASSERT_OK(ym_queue_send(queue, &message, 0, &err));
	ASSERT_OK(ym_queue_stat(queue, &stat, &err));
	ck_assert_uint_eq(stat.messages, 2);
	ck_assert_uint_eq(stat.bytes, 5);
	ck_assert_int_eq(stat.last_sender, getpid());
	ck_assert_int_eq(msgrcv(queue, &arrived, sizeof(arrived.bytes), 0, IPC_NOWAIT), 5);
	ck_assert_int_eq(arrived.type, 5);
	ck_assert_mem_eq(arrived.bytes, "hello", 5);
	ck_assert_int_eq(msgrcv(queue, &arrived, sizeof(arrived.bytes), 0, IPC_NOWAIT), 0);
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
	TCase *tcase = queue_case(suite);

	tcase_add_test(tcase, made_anew_or_not_at_all);
	tcase_add_test(tcase, what_is_sent_arrives);
	tcase_add_test(tcase, full_is_no_error);
	tcase_add_test(tcase, too_long_names_both_sizes);
	tcase_add_test(tcase, longer_than_the_whole_queue);
	tcase_add_test(tcase, a_type_must_be_positive);
	tcase_add_test(tcase, got_as_php_does);
	tcase_add_test(tcase, got_although_somebody_was_faster);
	tcase_add_test(tcase, too_many_queues);
	tcase_add_test(tcase, set_changes_what_is_given);
	tcase_add_test(tcase, set_refuses_nonsense);
	tcase_add_test(tcase, more_than_msgmnb_is_a_privilege);
	tcase_add_test(tcase, somebody_elses_queue);
	tcase_add_test(tcase, removed);
	return run_suite(suite);
}
