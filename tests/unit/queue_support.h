/* queue_support.h - what the tests of message queues share: a queue for each test, and what was received from it. */
#ifndef YM_TESTS_QUEUE_SUPPORT_H
#define YM_TESTS_QUEUE_SUPPORT_H

#include <sys/msg.h>

#include "../../ipc/queue.h"
#include "support.h"

struct message {
	long type;
	char bytes[8192 + 1];
};

static struct message message = {.type = 1};
static int queue;

static inline void begin_queue(void)
{
	begin_test();
	ASSERT_OK(ym_queue_create(fresh_key(), 0600, &queue, &err));
}

static inline void end_queue(void)
{
	ASSERT_OK(ym_queue_remove(queue, &err));
	end_test();
}

static struct ym_buffer got;
static long got_type;

static inline void send_text(long type, const char *text)
{
	ASSERT_OK(ym_queue_send_bytes(queue, type, text, strlen(text), 0, &err));
}

static inline int receive(long type, size_t max, unsigned flags)
{
	return ym_queue_receive(queue, type, max, flags, 0, &got, &got_type, &err);
}

static inline void expect(const char *text)
{
	ck_assert_uint_eq(got.length, strlen(text));
	ck_assert_mem_eq(got.bytes, text, got.length);
}

static inline TCase *queue_case(Suite *suite)
{
	TCase *tcase = tcase_create("queue");

	tcase_add_checked_fixture(tcase, begin_queue, end_queue);
	suite_add_tcase(suite, tcase);
	return tcase;
}

#endif
