/* test_reach.c - cancel, bury, kick and delete jobs wherever they are: in the table, in the store, or on the way. */
#include "clerk_support.h"

static enum reach_end reach(enum store_ask ask, uint64_t id)
{
	enum reach_end end = REACH_FAILED;

	err = (struct ym_err){0};
	ck_assert_msg(reach_jobs(&yard, ask, &id, 1, ym_deadline(PATIENCE_MS), &end, &err) == 0, "%s", err.text);
	return end;
}

static struct job_ref submit_waiting(void)
{
	struct job_ref ref = submit("x");

	WAIT_UNTIL(is_in_table(ref.id));
	return ref;
}

static uint64_t put_waiting(uint64_t id)
{
	struct store_job job = stored_job(id, 5, 1000);

	job.state = JOB_DELAYED;
	job.due_ms = ym_unix_ms() + 3600000;
	put_stored(&job);
	return id;
}

/* ---- in the table ------------------------------------------------------------------------------ */

START_TEST(what_waits_in_the_table)
{
	struct job_ref cancelled = submit_waiting(), buried = submit_waiting(), deleted = submit_waiting();

	ck_assert_int_eq(reach(STORE_CANCEL, cancelled.id), REACH_DONE);
	ck_assert_int_eq(reach(STORE_BURY, buried.id), REACH_DONE);
	ck_assert_int_eq(reach(STORE_DELETE, deleted.id), REACH_DONE);
	WAIT_UNTIL(stored_state(cancelled.id) == JOB_CANCELLED && stored_state(buried.id) == JOB_BURIED);
	ck_assert_uint_eq(in_store(deleted.id).job.id, 0);
	ck_assert(!is_in_table(deleted.id));
	ck_assert_uint_eq(run_one(STORY_DONE), 0);
	/* Over, and known to the store only: it has the say. */
	ck_assert_int_eq(reach(STORE_CANCEL, cancelled.id), REACH_CANNOT);
	ck_assert_int_eq(reach(STORE_KICK, buried.id), REACH_DONE);
	ck_assert_int_eq(reach(STORE_KICK, cancelled.id), REACH_DONE);
	run_next();
	run_next();
	WAIT_UNTIL(stored_state(cancelled.id) == JOB_DONE && stored_state(buried.id) == JOB_DONE);
	ck_assert_int_eq(reach(STORE_DELETE, buried.id), REACH_DONE);
	ck_assert_int_eq(reach(STORE_DELETE, buried.id), REACH_NONE);
	ck_assert_uint_eq(SEEN(lost), 0);
}
END_TEST

START_TEST(what_runs)
{
	struct job_ref ref = submit_waiting(), found;
	uint64_t word, tries;

	ck_assert(try_claim(&found, &word));
	ck_assert_uint_eq(found.id, ref.id);
	tries = SEEN(tries);
	ck_assert_int_eq(reach(STORE_BURY, ref.id), REACH_CANNOT);
	ck_assert_int_eq(reach(STORE_KICK, ref.id), REACH_CANNOT);
	ck_assert_int_eq(reach(STORE_DELETE, ref.id), REACH_CANNOT);
	ck_assert_int_eq(reach(STORE_CANCEL, ref.id), REACH_ASKED);
	/* The table knows: the store is not asked again and again. */
	ck_assert_uint_le(SEEN(tries), tries + 2);
	report(found, word, STORY_CANCELLED);
	WAIT_UNTIL(stored_state(ref.id) == JOB_CANCELLED);
}
END_TEST

START_TEST(what_is_delayed_in_the_table)
{
	struct job_ref ref = submit_delayed(4000);

	ck_assert_int_eq(reach(STORE_KICK, ref.id), REACH_DONE);
	ck_assert_uint_eq(run_next(), ref.id);
}
END_TEST

/* ---- in the store ------------------------------------------------------------------------------ */

START_TEST(what_waits_in_the_store)
{
	ck_assert_int_eq(reach(STORE_CANCEL, put_waiting(1001)), REACH_DONE);
	ck_assert_int_eq(stored_state(1001), JOB_CANCELLED);
	ck_assert_int_eq(reach(STORE_BURY, put_waiting(1002)), REACH_DONE);
	ck_assert_int_eq(reach(STORE_BURY, 1002), REACH_CANNOT);
	ck_assert_int_eq(reach(STORE_DELETE, put_waiting(1003)), REACH_DONE);
	ck_assert_int_eq(reach(STORE_CANCEL, 1003), REACH_NONE);
	ck_assert_int_eq(reach(STORE_KICK, 1002), REACH_DONE);
	ck_assert_uint_eq(run_next(), 1002);
}
END_TEST

START_TEST(a_key_that_is_taken)
{
	struct store_job job = stored_job(1001, 5, 1000);

	job.state = JOB_BURIED;
	strcpy(job.unique, "k");
	put_stored(&job);
	submit_unique("k");
	ck_assert_int_eq(reach(STORE_KICK, 1001), REACH_KEY);
}
END_TEST

/* ---- on the way -------------------------------------------------------------------------------- */

/* It ran when it was asked about, and is being written just then. */
START_TEST(what_is_on_its_way)
{
	struct job_ref ref = submit_waiting(), found;
	uint64_t word;

	ck_assert(try_claim(&found, &word));
	report(found, word, STORY_FAILED);
	ck_assert_int_eq(reach(STORE_KICK, ref.id), REACH_DONE);
	WAIT_UNTIL(is_in_table(ref.id) && run_one(STORY_DONE) == ref.id);
	WAIT_UNTIL(stored_state(ref.id) == JOB_DONE);
}
END_TEST

/* An older copy of a job that has run again does not stand for it. */
START_TEST(an_old_copy_is_not_the_job)
{
	struct job_ref ref = submit_waiting(), old;
	uint64_t word;

	ck_assert_int_eq(reach(STORE_BURY, ref.id), REACH_DONE);
	WAIT_UNTIL(stored_state(ref.id) == JOB_BURIED && nothing_owed());
	old = ref;
	ck_assert_int_eq(reach_find(&yard, &old, &word), 0);
	ck_assert_int_eq(word_state(word), JOB_BURIED);
	ck_assert_int_eq(reach(STORE_KICK, ref.id), REACH_DONE);
	WAIT_UNTIL((old = ref, reach_find(&yard, &old, &word)) == 0 && word_state(word) == JOB_READY);
	ck_assert_int_eq(reach(STORE_BURY, ref.id), REACH_DONE);
	WAIT_UNTIL(stored_state(ref.id) == JOB_BURIED);
}
END_TEST

START_TEST(a_place_that_is_known)
{
	struct job_ref ref = submit_waiting(), at = ref;
	uint64_t word;

	ck_assert_int_eq(reach_find(&yard, &at, &word), 0);
	ck_assert_uint_eq(word, word_of(at));
	ref = at;
	/* By its number only. */
	at = (struct job_ref){.id = ref.id};
	ck_assert_int_eq(reach_find(&yard, &at, &word), 0);
	ck_assert_uint_eq(at.slot, ref.slot);
	ck_assert_uint_eq(at.gen, ref.gen);
	at = (struct job_ref){.id = ref.id + 1, .slot = ref.slot, .gen = ref.gen};
	ck_assert_int_eq(reach_find(&yard, &at, &word), 1);
	at = (struct job_ref){.id = ref.id, .slot = UINT32_MAX};
	ck_assert_int_eq(reach_find(&yard, &at, &word), 0);
}
END_TEST

/* ---- many -------------------------------------------------------------------------------------- */

START_TEST(many_of_all_kinds)
{
	static uint64_t ids[400];
	static enum reach_end ends[400];

	for (size_t i = 0; i < 400; i++)
		ids[i] = i % 4 == 0 ? submit("x").id : i % 4 == 3 ? 900000 + i : put_waiting(100000 + i);
	ck_assert_int_eq(reach_jobs(&yard, STORE_CANCEL, ids, 400, ym_deadline(PATIENCE_MS), ends, &err), 0);
	for (size_t i = 0; i < 400; i++)
		ck_assert_int_eq(ends[i], i % 4 == 3 ? REACH_NONE : REACH_DONE);
	ck_assert_int_eq(reach_jobs(&yard, STORE_CANCEL, NULL, 0, 0, NULL, &err), 0);
	ck_assert_uint_eq(run_one(STORY_DONE), 0);
}
END_TEST

START_TEST(one_that_fails_is_told)
{
	uint64_t id = put_waiting(1001);
	enum reach_end end;

	FAKE(fake.refusals = -1; fake.class = YM_ERR_FULL);
	ck_assert_int_eq(reach_jobs(&yard, STORE_CANCEL, &id, 1, ym_deadline(PATIENCE_MS), &end, &err), -1);
	ck_assert_int_eq(end, REACH_FAILED);
	ck_assert_str_eq(err.text, "the fake says no");
	ck_assert_int_eq(reach_jobs(&yard, STORE_CANCEL, &id, 1, ym_deadline(PATIENCE_MS), &end, NULL), -1);
	ck_assert_int_eq(stored_state(1001), JOB_DELAYED);
}
END_TEST

/* Without a store the table is all there is. */
START_TEST(without_a_store)
{
	struct job_ref ref;

	ck_assert(end_clerk(true));
	yard.table->store = 0;
	ref = submit("x");
	ck_assert_int_eq(reach(STORE_BURY, ref.id), REACH_DONE);
	ck_assert_int_eq(reach(STORE_KICK, ref.id), REACH_DONE);
	ck_assert_int_eq(reach(STORE_KICK, ref.id), REACH_CANNOT);
	ck_assert_int_eq(reach(STORE_DELETE, ref.id), REACH_DONE);
	ck_assert_int_eq(reach(STORE_DELETE, ref.id), REACH_NONE);
	yard.table->store = 1;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reach");
	TCase *tcase = stored_case(suite, "reach", begin_stored);

	tcase_add_test(tcase, what_waits_in_the_table);
	tcase_add_test(tcase, what_runs);
	tcase_add_test(tcase, what_is_delayed_in_the_table);
	tcase_add_test(tcase, what_waits_in_the_store);
	tcase_add_test(tcase, a_key_that_is_taken);
	tcase_add_test(tcase, what_is_on_its_way);
	tcase_add_test(tcase, an_old_copy_is_not_the_job);
	tcase_add_test(tcase, a_place_that_is_known);
	tcase_add_test(tcase, many_of_all_kinds);
	tcase_add_test(tcase, one_that_fails_is_told);
	tcase_add_test(tcase, without_a_store);
	return run_suite(suite);
}
