/* test_mailbox.c - questions about jobs that are only in the store. */
#include "clerk_support.h"

static struct store_job waiting(uint64_t id)
{
	struct store_job job = stored_job(id, 5, 1000);

	/* Not fetched: it waits for its time. */
	job.state = JOB_DELAYED;
	job.due_ms = ym_unix_ms() + 3600000;
	return job;
}

static enum store_verdict ask(enum store_ask what, uint64_t id)
{
	enum store_verdict verdict = STORE_UNTAKEN;

	err = (struct ym_err){0};
	ck_assert_msg(mailbox_ask(&yard, what, &id, 1, ym_deadline(PATIENCE_MS), &verdict, &err) == 1, "%s", err.text);
	return verdict;
}

START_TEST(verdicts_come_back)
{
	struct store_job job = waiting(7);

	put_stored(&job);
	ck_assert_int_eq(ask(STORE_CANCEL, 8), STORE_NONE);
	ck_assert_int_eq(ask(STORE_BURY, 7), STORE_OK);
	ck_assert_int_eq(stored_state(7), JOB_BURIED);
	ck_assert_int_eq(ask(STORE_CANCEL, 7), STORE_CANNOT);
	ck_assert_int_eq(ask(STORE_DELETE, 7), STORE_OK);
	ck_assert_int_eq(ask(STORE_DELETE, 7), STORE_NONE);
	job.id = 9;
	job.held = true;
	put_stored(&job);
	ck_assert_int_eq(ask(STORE_CANCEL, 9), STORE_HELD);
	job.id = 10;
	job.held = false;
	job.state = JOB_BURIED;
	strcpy(job.unique, "k");
	put_stored(&job);
	job.id = 11;
	job.state = JOB_DELAYED;
	put_stored(&job);
	ck_assert_int_eq(ask(STORE_KICK, 10), STORE_EXISTS);
	WAIT_UNTIL(slots_in(JOB_FREE) == yard.table->slots);
}
END_TEST

START_TEST(many_are_asked_together)
{
	static uint64_t ids[500];
	static enum store_verdict verdicts[500];
	uint64_t writes;

	for (size_t i = 0; i < 500; i++) {
		struct store_job job = waiting(100 + i);

		ids[i] = job.id;
		if (i % 5)
			put_stored(&job);
	}
	writes = SEEN(writes);
	ck_assert_uint_eq(mailbox_ask(&yard, STORE_CANCEL, ids, 500, ym_deadline(PATIENCE_MS), verdicts, &err), 500);
	for (size_t i = 0; i < 500; i++)
		ck_assert_int_eq(verdicts[i], i % 5 ? STORE_OK : STORE_NONE);
	ck_assert_uint_lt(SEEN(writes), writes + 100);
	ck_assert_uint_gt(SEEN(most_requests), 1);
	ck_assert_uint_le(SEEN(most_requests), CLERK_REQUESTS);
	ck_assert_uint_eq(slots_in(JOB_FREE), yard.table->slots);
	ck_assert_uint_eq(mailbox_ask(&yard, STORE_CANCEL, ids, 0, 0, verdicts, &err), 0);
}
END_TEST

START_TEST(a_look_tells_all)
{
	struct store_job job = waiting(7);
	static char bytes[100000];
	struct mailbox_look look;

	memset(bytes, 'r', sizeof(bytes));
	strcpy(job.tag, "tag");
	strcpy(job.error, "why");
	job.attempt = 2;
	put_stored(&job);
	ASSERT_OK(mailbox_look(&yard, 7, ym_deadline(PATIENCE_MS), &look, &err));
	ck_assert_int_eq(look.verdict, STORE_OK);
	ck_assert_int_eq(look.state, JOB_DELAYED);
	ck_assert_uint_eq(look.attempt, 2);
	ck_assert_uint_eq(look.job.id, 7);
	ck_assert_uint_eq(look.job.attempts, 3);
	ck_assert_str_eq(look.job.tag, "tag");
	ck_assert_str_eq(look.job.error, "why");
	ck_assert_uint_gt(look.job.due, ym_now_ns());
	payload_close(&look.result);
	FAKE(fake_at(7)->job.state = JOB_DONE;
	     fake_set_bytes(fake_at(7), 1, &(struct payload_source){.data = bytes, .size = sizeof(bytes), .fd = -1}));
	ASSERT_OK(mailbox_look(&yard, 7, ym_deadline(PATIENCE_MS), &look, &err));
	ck_assert_int_eq(look.state, JOB_DONE);
	/* It stays readable when the slot of the answer is another's. */
	ck_assert_uint_eq(slots_in(JOB_FREE), yard.table->slots);
	ck_assert_uint_eq(count_files("jobs"), 0);
	ck_assert_uint_eq(look.result.size, sizeof(bytes));
	ck_assert_mem_eq(look.result.data, bytes, sizeof(bytes));
	payload_close(&look.result);
	ASSERT_OK(mailbox_look(&yard, 8, ym_deadline(PATIENCE_MS), &look, &err));
	ck_assert_int_eq(look.verdict, STORE_NONE);
	payload_close(&look.result);
}
END_TEST

/* ---- no answer --------------------------------------------------------------------------------- */

START_TEST(a_refusal_is_told)
{
	uint64_t ids[3] = {1, 2, 3};
	enum store_verdict verdicts[3];
	struct mailbox_look look;

	FAKE(fake.refusals = -1; fake.class = YM_ERR_FULL);
	err = (struct ym_err){0};
	ck_assert_uint_eq(mailbox_ask(&yard, STORE_CANCEL, ids, 3, ym_deadline(PATIENCE_MS), verdicts, &err), 0);
	ck_assert_int_eq(err.class, YM_ERR_FULL);
	ck_assert_str_eq(err.text, "the fake says no");
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(verdicts[i], STORE_UNTAKEN);
	ASSERT_ERR(mailbox_look(&yard, 1, ym_deadline(PATIENCE_MS), &look, &err), YM_ERR_FULL);
	payload_close(&look.result);
	ck_assert_uint_eq(slots_in(JOB_FREE), yard.table->slots);
}
END_TEST

START_TEST(without_a_clerk_the_time_runs_out)
{
	uint64_t ids[3] = {1, 2, 3};
	enum store_verdict verdicts[3];
	struct mailbox_look look;

	ck_assert(end_clerk(true));
	err = (struct ym_err){0};
	ck_assert_uint_eq(mailbox_ask(&yard, STORE_CANCEL, ids, 3, ym_deadline(20), verdicts, &err), 0);
	ck_assert_int_eq(err.class, YM_ERR_NOT_RUNNING);
	ASSERT_ERR(mailbox_look(&yard, 1, ym_deadline(20), &look, &err), YM_ERR_NOT_RUNNING);
	payload_close(&look.result);
	ck_assert_uint_eq(slots_in(JOB_FREE), yard.table->slots);
}
END_TEST

/* The clerk is about it: what comes of it is for nobody. */
START_TEST(who_gives_up_leaves_nothing)
{
	struct store_job job = waiting(7);
	enum store_verdict verdict;
	uint64_t id = 7;

	put_stored(&job);
	FAKE(fake.shut = true);
	err = (struct ym_err){0};
	fake.options.wake(fake.options.arg);
	WAIT_UNTIL(SEEN(inside) == 1);
	/* Not in that turn: taken back. */
	ck_assert_uint_eq(mailbox_ask(&yard, STORE_CANCEL, &id, 1, ym_deadline(20), &verdict, &err), 0);
	ck_assert_uint_eq(slots_in(JOB_STORING), 0);
	FAKE(fake.shut = false);
	WAIT_UNTIL(SEEN(inside) == 0);
	ck_assert_int_eq(stored_state(7), JOB_DELAYED);
	FAKE(fake.shut = true);
	ck_assert_uint_eq(mailbox_ask(&yard, STORE_CANCEL, &id, 1, ym_deadline(200), &verdict, &err), 0);
	ck_assert_int_eq(err.class, YM_ERR_TIMEOUT);
	ASSERT_IN("not known", err.text);
	FAKE(fake.shut = false);
	WAIT_UNTIL(stored_state(7) == JOB_CANCELLED);
	WAIT_UNTIL(slots_in(JOB_FREE) == yard.table->slots);
}
END_TEST

START_TEST(a_full_table_is_told)
{
	uint64_t words[256], id = 7;
	enum store_verdict verdict;
	uint32_t n = 0;

	while (table_take(yard.table, yard.group.slot, &words[n]) >= 0)
		n++;
	err = (struct ym_err){0};
	ck_assert_uint_eq(mailbox_ask(&yard, STORE_CANCEL, &id, 1, ym_deadline(PATIENCE_MS), &verdict, &err), 0);
	ck_assert_int_eq(err.class, YM_ERR_FULL);
	ASSERT_IN("256 jobs", err.text);
	for (uint32_t i = 0; i < n; i++)
		dispatch_free(&yard, i, words[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mailbox");
	TCase *tcase = stored_case(suite, "mailbox", begin_stored);

	tcase_add_test(tcase, verdicts_come_back);
	tcase_add_test(tcase, many_are_asked_together);
	tcase_add_test(tcase, a_look_tells_all);
	tcase_add_test(tcase, a_refusal_is_told);
	tcase_add_test(tcase, without_a_clerk_the_time_runs_out);
	tcase_add_test(tcase, who_gives_up_leaves_nothing);
	tcase_add_test(tcase, a_full_table_is_told);
	return run_suite(suite);
}
