/*
 * test_reply.c - answers in both forms, and what becomes of them: sent, put off, without result, never.
 */
#include "../../ipc/queue.h"
#include "../../ipc/serialize.h"
#include "../../runtime/reply.h"
#include "support.h"

static int queue;
static struct job_reply to;

static const struct job_answer done = {
    .id = 7, .tag = "t", .state = "done", .result = "r\"\n", .result_size = 3, .attempts = 2};
static const struct job_answer failed = {.id = 8, .state = "failed", .error = "no luck", .attempts = 3};

static void begin_queue(void)
{
	begin_test();
	to = (struct job_reply){.key = fresh_key(), .type = 5, .form = REPLY_JSON};
	ASSERT_OK(ym_queue_create(to.key, 0600, &queue, &err));
}

static void end_queue(void)
{
	ASSERT_OK(ym_queue_remove(queue, &err));
	end_test();
}

static void assert_built(const struct job_answer *answer, unsigned form, const char *expected)
{
	struct ym_buffer bytes;

	ym_buffer_init(&bytes, NULL, 0);
	ASSERT_OK(reply_build(answer, form, &bytes, &err));
	ck_assert_msg(bytes.length == strlen(expected) && memcmp(bytes.bytes, expected, bytes.length) == 0,
	              "%.*s, not %s", (int)bytes.length, bytes.bytes, expected);
	ym_buffer_free(&bytes);
}

static void assert_received(const char *expected)
{
	struct ym_buffer bytes;
	long type;

	ym_buffer_init(&bytes, NULL, 0);
	ASSERT_OK(ym_queue_receive(queue, 0, 0, YM_QUEUE_NOWAIT, 0, &bytes, &type, &err));
	ck_assert_int_eq(type, 5);
	ck_assert_msg(bytes.length == strlen(expected) && memcmp(bytes.bytes, expected, bytes.length) == 0,
	              "%.*s, not %s", (int)bytes.length, bytes.bytes, expected);
	ym_buffer_free(&bytes);
}

START_TEST(both_forms)
{
	struct job_answer binary = {
	    .id = 9, .tag = "", .state = "done", .result = "\xff\0", .result_size = 2, .attempts = 1};
	struct job_answer empty = {.id = 9, .state = "done", .result = "", .attempts = 1};
	struct ym_buffer bytes;

	assert_built(&done, REPLY_JSON,
	             "{\"id\": 7, \"tag\": \"t\", \"state\": \"done\", \"result\": \"r\\\"\\u000a\", \"error\": null, "
	             "\"attempts\": 2}");
	assert_built(
	    &done, REPLY_PHP,
	    "a:6:{s:2:\"id\";i:7;s:3:\"tag\";s:1:\"t\";s:5:\"state\";s:4:\"done\";s:6:\"result\";s:3:\"r\"\n\";s:5:"
	    "\"error\";N;s:8:\"attempts\";i:2;}");
	assert_built(&failed, REPLY_JSON,
	             "{\"id\": 8, \"tag\": null, \"state\": \"failed\", \"result\": null, \"error\": \"no luck\", "
	             "\"attempts\": 3}");
	assert_built(&binary, REPLY_JSON,
	             "{\"id\": 9, \"tag\": null, \"state\": \"done\", \"result_base64\": \"/wA=\", \"error\": null, "
	             "\"attempts\": 1}");
	assert_built(
	    &empty, REPLY_JSON,
	    "{\"id\": 9, \"tag\": null, \"state\": \"done\", \"result\": \"\", \"error\": null, \"attempts\": 1}");
	ym_buffer_init(&bytes, NULL, 0);
	ASSERT_OK(reply_build(&binary, REPLY_PHP, &bytes, &err));
	ck_assert_ptr_nonnull(memmem(bytes.bytes, bytes.length, "s:2:\"\xff\0\";", 9));
	ym_buffer_free(&bytes);
	ASSERT_ERR(reply_build(&done, 0, &bytes, &err), YM_ERR_USAGE);
}
END_TEST

START_TEST(an_answer_arrives)
{
	ck_assert_int_eq(reply_send(&to, &failed, &err), 0);
	assert_received("{\"id\": 8, \"tag\": null, \"state\": \"failed\", \"result\": null, \"error\": \"no luck\", "
	                "\"attempts\": 3}");
}
END_TEST

START_TEST(a_full_queue_is_put_off)
{
	while (ym_queue_send_bytes(queue, 1, "", 0, 0, NULL) == 0)
		;
	ck_assert_int_eq(reply_send(&to, &failed, &err), 1);
}
END_TEST

/* Longer than a message, and longer than this queue. */
START_TEST(a_long_result_is_left_out)
{
	static char bytes[1 << 20];
	struct job_answer large = done;
	struct ym_queue_change change = {.capacity = _i ? 250 : -1, .uid = -1, .gid = -1, .mode = -1};

	ASSERT_OK(ym_queue_set(queue, &change, &err));
	large.result = memset(bytes, 'x', sizeof(bytes));
	large.result_size = _i ? 300 : sizeof(bytes);
	ck_assert_int_eq(reply_send(&to, &large, &err), 0);
	assert_received(
	    _i ? "{\"id\": 7, \"tag\": \"t\", \"state\": \"done\", \"result\": null, \"error\": \"result of 300 "
		 "bytes does not fit a message, fetch it with `yardmaster wait 7`\", \"attempts\": 2}"
	       : "{\"id\": 7, \"tag\": \"t\", \"state\": \"done\", \"result\": null, \"error\": \"result of "
		 "1048576 bytes does not fit a message, fetch it with `yardmaster wait 7`\", \"attempts\": 2}");
	large.error = "and so on";
	ck_assert_int_eq(reply_send(&to, &large, &err), 0);
	assert_received(
	    _i ? "{\"id\": 7, \"tag\": \"t\", \"state\": \"done\", \"result\": null, \"error\": \"and so on; "
		 "result of 300 bytes does not fit a message, fetch it with `yardmaster wait 7`\", "
		 "\"attempts\": 2}"
	       : "{\"id\": 7, \"tag\": \"t\", \"state\": \"done\", \"result\": null, \"error\": \"and so on; "
		 "result of 1048576 bytes does not fit a message, fetch it with `yardmaster wait 7`\", "
		 "\"attempts\": 2}");
}
END_TEST

START_TEST(nobody_will_get_it)
{
	struct ym_queue_change small = {.capacity = 50, .uid = -1, .gid = -1, .mode = -1};
	struct job_reply nowhere = to;

	nowhere.key = fresh_key();
	ASSERT_ERR(reply_send(&nowhere, &done, &err), YM_ERR_NO);
	ASSERT_IN("reply: ", err.text);
	ck_assert(!ym_queue_exists(nowhere.key));
	nowhere.key = 0;
	ASSERT_ERR(reply_send(&nowhere, &done, &err), YM_ERR_USAGE);
	ASSERT_OK(ym_queue_set(queue, &small, &err));
	ASSERT_ERR(reply_send(&to, &done, &err), YM_ERR_LIMIT);
	to.type = 0;
	ck_assert_int_eq(reply_send(&to, &failed, NULL), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reply");
	TCase *tcase = tcase_create("reply");

	tcase_add_checked_fixture(tcase, begin_queue, end_queue);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, both_forms);
	tcase_add_test(tcase, an_answer_arrives);
	tcase_add_test(tcase, a_full_queue_is_put_off);
	tcase_add_loop_test(tcase, a_long_result_is_left_out, 0, 2);
	tcase_add_test(tcase, nobody_will_get_it);
	return run_suite(suite);
}
