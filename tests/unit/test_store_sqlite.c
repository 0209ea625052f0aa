/* test_store_sqlite.c - the driver store_sqlite: one transaction after the other. */
#include "sqlite_support.h"

START_TEST(a_job_is_kept_as_it_was_submitted)
{
	struct store_job job = a_job(5, "mail", false), found;

	job.level = 3;
	job.keep = true;
	job.timeout_ms = 1500;
	job.reply_type = INT64_C(77) << 33;
	job.reply_key = -5;
	job.reply_form = 2;
	job.total = UINT64_MAX / 2;
	strcpy(job.unit, "bytes");
	strcpy(job.tag, "a tag");
	strcpy(job.unique, "only one");
	ck_assert_int_eq(submit_to(store, &job, NULL), STORE_OK);
	open_again();
	ck_assert_int_eq(request(STORE_LOOK, 5, &found), STORE_OK);
	ck_assert_uint_eq(found.id, 5);
	ck_assert_str_eq(found.pool, "mail");
	ck_assert_int_eq(found.state, JOB_READY);
	ck_assert(!found.held && found.keep);
	ck_assert_uint_eq(found.level, 3);
	ck_assert_uint_eq(found.attempts, 3);
	ck_assert_int_eq(found.rank, 5);
	ck_assert_int_eq(found.submitted_ms, job.submitted_ms);
	ck_assert_int_eq(found.timeout_ms, 1500);
	ck_assert_int_eq(found.reply_type, job.reply_type);
	ck_assert_int_eq(found.reply_key, -5);
	ck_assert_uint_eq(found.reply_form, 2);
	ck_assert_uint_eq(found.total, UINT64_MAX / 2);
	ck_assert_str_eq(found.unit, "bytes");
	ck_assert_str_eq(found.tag, "a tag");
	ck_assert_str_eq(found.unique, "only one");
	ck_assert_uint_eq(found.payload.size, 7);
	ck_assert_mem_eq(found.payload.data, "payload", 7);
	store_job_free(&found);
	assert_clean();
}
END_TEST

START_TEST(the_same_id_is_submitted_once)
{
	struct store_job job = a_job(5, "mail", false);

	strcpy(job.unique, "key");
	ck_assert_int_eq(submit_to(store, &job, NULL), STORE_OK);
	ck_assert_int_eq(submit_to(store, &job, NULL), STORE_OK);
	ck_assert_uint_eq(tally("mail").waiting, 1);
	assert_clean();
}
END_TEST

START_TEST(a_key_is_there_once_among_the_live)
{
	struct store_job first = a_job(1, "mail", true), second = a_job(2, "mail", false),
			 other = a_job(3, "disk", false);
	uint64_t existing;

	strcpy(first.unique, "key");
	strcpy(second.unique, "key");
	strcpy(other.unique, "key");
	ck_assert_int_eq(submit_to(store, &first, NULL), STORE_OK);
	ck_assert_int_eq(submit_to(store, &second, &existing), STORE_EXISTS);
	ck_assert_uint_eq(existing, 1);
	ck_assert_uint_eq(tally("mail").waiting, 0);
	ck_assert_int_eq(submit_to(store, &other, NULL), STORE_OK);
	/* Running is alive, failed is not. */
	first.state = JOB_CLAIMED;
	save(&first);
	ck_assert_int_eq(submit_to(store, &second, &existing), STORE_EXISTS);
	first.state = JOB_FAILED;
	save(&first);
	ck_assert_int_eq(submit_to(store, &second, NULL), STORE_OK);
	/* And it cannot come back while another one has it. */
	ck_assert_int_eq(request(STORE_KICK, 1, NULL), STORE_EXISTS);
	ck_assert_int_eq(request(STORE_DELETE, 2, NULL), STORE_OK);
	ck_assert_int_eq(request(STORE_KICK, 1, NULL), STORE_OK);
	/* What is cancelled or buried gives it free. */
	ck_assert_int_eq(request(STORE_BURY, 1, NULL), STORE_OK);
	assert_clean();
	ck_assert_int_eq(submit_to(store, &second, NULL), STORE_OK);
	ck_assert_int_eq(request(STORE_CANCEL, 2, NULL), STORE_OK);
	ck_assert_int_eq(request(STORE_KICK, 1, NULL), STORE_OK);
	assert_clean();
}
END_TEST

START_TEST(a_job_that_moves_may_lose_its_key)
{
	struct store_job mover = a_job(1, "mail", true), other = a_job(2, "disk", false);
	struct store_save saved;

	strcpy(mover.unique, "key");
	strcpy(other.unique, "key");
	submit_to(store, &mover, NULL);
	submit_to(store, &other, NULL);
	strcpy(mover.pool, "disk");
	saved = save(&mover);
	ck_assert(saved.key_lost && !saved.lost);
	ck_assert_str_eq(look(1).pool, "disk");
	ck_assert_str_eq(look(1).unique, "");
	strcpy(mover.pool, "tape");
	saved = save(&mover);
	ck_assert(!saved.key_lost && !saved.lost);
	ck_assert_str_eq(look(1).pool, "tape");
	assert_clean();
}
END_TEST

START_TEST(a_save_tells_all_that_may_change)
{
	struct store_job job = a_job(1, "mail", true), found;

	submit(1, "mail", true);
	job.state = JOB_FAILED;
	job.attempt = 2;
	job.crashes = 1;
	job.started_ms = 1000;
	job.finished_ms = ym_unix_ms();
	job.done = 10;
	job.total = 20;
	strcpy(job.unit, "rows");
	strcpy(job.error, "no such table");
	job.result = (struct payload_source){.data = "half", .size = 4};
	ck_assert(!save(&job).lost);
	ck_assert_int_eq(request(STORE_LOOK, 1, &found), STORE_OK);
	ck_assert_int_eq(found.state, JOB_FAILED);
	ck_assert(!found.held);
	ck_assert_uint_eq(found.attempt, 2);
	ck_assert_uint_eq(found.crashes, 1);
	ck_assert_int_eq(found.started_ms, 1000);
	ck_assert_int_eq(found.finished_ms, job.finished_ms);
	ck_assert_uint_eq(found.done, 10);
	ck_assert_uint_eq(found.total, 20);
	ck_assert_str_eq(found.unit, "rows");
	ck_assert_str_eq(found.error, "no such table");
	ck_assert_uint_eq(found.result.size, 4);
	ck_assert_mem_eq(found.result.data, "half", 4);
	/* Somebody may kick it: its payload stays. */
	ck_assert_uint_eq(found.payload.size, 7);
	store_job_free(&found);
	assert_clean();
}
END_TEST

START_TEST(what_is_not_held_is_not_saved)
{
	struct store_job job = a_job(1, "mail", false);

	submit(1, "mail", false);
	job.state = JOB_DONE;
	ck_assert(save(&job).lost);
	ck_assert_int_eq(look(1).state, JOB_READY);
	job.id = 2;
	ck_assert(save(&job).lost);
	ck_assert_uint_eq(tally("mail").waiting, 1);
	assert_clean();
}
END_TEST

START_TEST(a_job_that_is_done_gives_its_payload_back)
{
	struct store_job job = a_job(1, "mail", true), found;

	submit(1, "mail", true);
	job.state = JOB_DONE;
	job.finished_ms = ym_unix_ms();
	job.result = (struct payload_source){.data = "fine", .size = 4};
	save(&job);
	ck_assert_int_eq(request(STORE_LOOK, 1, &found), STORE_OK);
	ck_assert_uint_eq(found.payload.size, 0);
	ck_assert_uint_eq(found.result.size, 4);
	store_job_free(&found);
	ck_assert_int_eq(ask_number("SELECT payload_size FROM job WHERE id = 1"), 7);
	ck_assert_int_eq(request(STORE_KICK, 1, NULL), STORE_CANNOT);
	assert_clean();
}
END_TEST

START_TEST(without_history_nothing_is_left)
{
	struct store_job job = a_job(1, "mail", true);
	struct store_attempt attempt = {.number = 1, .end = STORY_FAILED};
	uint64_t next, end;

	store_sqlite.close(store);
	options.history_ms = 0;
	open_it();
	submit(1, "mail", true);
	submit(2, "mail", true);
	submit(3, "mail", false);
	job.state = JOB_DONE;
	ck_assert(!save(&job).lost);
	job.id = 2;
	job.state = JOB_FAILED;
	save_with((struct store_save){.job = job, .attempts = &attempt, .nattempts = 1});
	ck_assert_int_eq(request(STORE_CANCEL, 3, NULL), STORE_OK);
	ck_assert_int_eq(ask_number("SELECT (SELECT count(*) FROM job) + (SELECT count(*) FROM attempt)"), 0);
	/* An id is never used again. */
	open_again();
	ASSERT_OK(store_sqlite.reserve(store, &next, &end, &err));
	ck_assert_uint_eq(next, 4);
	ck_assert(end == UINT64_MAX);
	assert_clean();
}
END_TEST

START_TEST(fetched_are_the_first_by_rank)
{
	struct store_job job;
	struct taken taken;
	int64_t rank;

	for (uint64_t id = 1; id <= 5; id++) {
		job = a_job(id, "mail", false);
		job.rank = 100 - (int64_t)id;
		submit_to(store, &job, NULL);
	}
	submit(6, "disk", false);
	submit(7, "mail", true);
	taken = fetch("mail", 2, 100, &rank);
	ck_assert_uint_eq(taken.n, 2);
	ck_assert_uint_eq(taken.ids[0], 5);
	ck_assert_uint_eq(taken.ids[1], 4);
	ck_assert_int_eq(rank, 97);
	ck_assert(look(5).held);
	ck_assert_uint_eq(tally("mail").waiting, 3);
	/* No room: it stays where it is. */
	taken = fetch("mail", 3, 1, &rank);
	ck_assert_uint_eq(taken.n, 1);
	ck_assert_uint_eq(taken.ids[0], 3);
	ck_assert_int_eq(rank, 98);
	ck_assert(!look(2).held);
	taken = fetch("mail", 100, 100, &rank);
	ck_assert_uint_eq(taken.n, 2);
	ck_assert(rank == INT64_MAX);
	ck_assert_uint_eq(tally("mail").waiting, 0);
	fetch("nobody", 1, 1, &rank);
	ck_assert(rank == INT64_MAX);
	assert_clean();
}
END_TEST

START_TEST(what_is_released_waits_again)
{
	const uint64_t ids[] = {1, 2, 99};
	struct store_batch batch = {.releases = ids, .nreleases = 3};
	struct store_job job = a_job(2, "mail", true);

	submit(1, "mail", true);
	submit_to(store, &job, NULL);
	job.state = JOB_CLAIMED;
	save(&job);
	ASSERT_OK(store_sqlite.write(store, &batch, &err));
	ck_assert_uint_eq(tally("mail").waiting, 2);
	ck_assert_int_eq(look(2).state, JOB_READY);
	ck_assert_uint_eq(fetch("mail", 9, 9, NULL).n, 2);
	assert_clean();
}
END_TEST

/* What a clerk lets go for safety's sake need not be held, or there; those that come after it are meant as well. */
START_TEST(a_release_of_what_is_not_held_does_nothing)
{
	const uint64_t none[] = {99, 1}, held[] = {2};
	struct store_batch batch = {.releases = none, .nreleases = 2};

	submit(1, "mail", false);
	submit(2, "mail", true);
	ASSERT_OK(store_sqlite.write(store, &batch, &err));
	ck_assert_uint_eq(fetch("mail", 1, 1, NULL).ids[0], 1);
	batch.releases = held;
	batch.nreleases = 1;
	ASSERT_OK(store_sqlite.write(store, &batch, &err));
	ck_assert(look(1).held);
	ck_assert(!look(2).held);
	ck_assert_uint_eq(tally("mail").waiting, 1);
	assert_clean();
}
END_TEST

START_TEST(one_batch_does_all_in_its_order)
{
	const uint64_t released = 1;
	struct store_save saved = {.job = a_job(2, "mail", true)};
	struct store_submit submits[] = {{.job = a_job(3, "mail", false)}, {.job = a_job(4, "mail", false)}};
	struct store_request asked = {.ask = STORE_CANCEL, .id = 3};
	struct store_want want = {.pool = "mail", .n = 5};
	struct taken taken = {.room = 5};
	struct store_batch batch = {true, &released, 1, &saved, 1, submits, 2, &asked, 1, &want, 1, take, &taken};

	submit(1, "mail", true);
	submit(2, "mail", true);
	saved.job.state = JOB_DONE;
	ASSERT_OK(store_sqlite.write(store, &batch, &err));
	ck_assert_uint_eq(taken.n, 2);
	ck_assert_uint_eq(taken.ids[0], 1);
	ck_assert_uint_eq(taken.ids[1], 4);
	ck_assert_int_eq(asked.verdict, STORE_OK);
	ck_assert_int_eq(look(2).state, JOB_DONE);
	ck_assert_int_eq(look(3).state, JOB_CANCELLED);
	assert_clean();
}
END_TEST

START_TEST(requests_go_by_the_state)
{
	static const enum job_state states[] = {JOB_READY, JOB_DELAYED, JOB_BURIED,
	                                        JOB_DONE,  JOB_FAILED,  JOB_CANCELLED};
	static const struct {
		enum store_ask ask;
		bool good[COUNT(states)];
		enum job_state becomes;
	} rows[] = {
	    {STORE_CANCEL, {true, true, false, false, false, false}, JOB_CANCELLED},
	    {STORE_BURY, {true, true, false, false, false, false}, JOB_BURIED},
	    {STORE_KICK, {false, true, true, false, true, true}, JOB_READY},
	    {STORE_DELETE, {true, true, true, true, true, true}, JOB_FREE},
	};
	uint64_t id = 1;

	for (size_t row = 0; row < COUNT(rows); row++)
		for (size_t i = 0; i < COUNT(states); i++, id++) {
			struct store_job job = a_job(id, "mail", false);
			enum store_verdict verdict;

			job.state = states[i];
			job.due_ms = job.state == JOB_DELAYED ? ym_unix_ms() + DAY_MS : 0;
			submit_to(store, &job, NULL);
			verdict = request(rows[row].ask, id, NULL);
			ck_assert_msg(verdict == (rows[row].good[i] ? STORE_OK : STORE_CANNOT), "ask %d, state %d: %d",
			              rows[row].ask, states[i], verdict);
			if (rows[row].becomes == JOB_FREE)
				ck_assert_int_eq(request(STORE_LOOK, id, NULL), STORE_NONE);
			else
				ck_assert_int_eq(look(id).state, rows[row].good[i] ? rows[row].becomes : states[i]);
			assert_clean();
		}
	submit(id, "mail", true);
	for (size_t row = 0; row < COUNT(rows); row++) {
		ck_assert_int_eq(request(rows[row].ask, id, NULL), STORE_HELD);
		ck_assert_int_eq(request(rows[row].ask, id + 1, NULL), STORE_NONE);
	}
	ck_assert(look(id).held);
}
END_TEST

START_TEST(a_kicked_job_begins_anew)
{
	const struct store_pool pool = {.name = "mail", .ageing_ms = 1000};
	struct store_attempt attempts[] = {{.number = 1, .end = STORY_FAILED, .error = "first"},
	                                   {.number = 2, .end = STORY_CRASHED, .error = "second"}};
	struct store_job job = a_job(1, "mail", true), found;
	struct store_story story;
	int64_t now;

	ASSERT_OK(store_sqlite.configure(store, &pool, 1, &err));
	job.level = 4;
	job.reply_key = -99;
	job.reply_type = 7;
	job.reply_form = 2;
	submit_to(store, &job, NULL);
	ck_assert_int_eq(look(1).reply_key, -99);
	job.state = JOB_FAILED;
	job.attempt = 2;
	job.crashes = 1;
	job.finished_ms = 5;
	strcpy(job.error, "second");
	save_with((struct store_save){.job = job, .attempts = attempts, .nattempts = 2, .note = "n", .output = "o"});
	now = ym_unix_ms();
	ck_assert_int_eq(request(STORE_KICK, 1, &found), STORE_OK);
	ck_assert_int_eq(request(STORE_LOOK, 1, &found), STORE_OK);
	ck_assert_int_eq(found.state, JOB_READY);
	ck_assert_uint_eq(found.attempt, 0);
	ck_assert_uint_eq(found.crashes, 0);
	ck_assert_int_eq(found.finished_ms, 0);
	ck_assert_str_eq(found.error, "");
	ck_assert_int_eq(found.reply_key, 0);
	ck_assert_int_eq(found.reply_type, 0);
	ck_assert_uint_eq(found.reply_form, 0);
	ck_assert_uint_eq(found.payload.size, 7);
	store_job_free(&found);
	ck_assert_int_ge(found.rank, store_rank(4, 1000, now));
	ck_assert_int_le(found.rank, store_rank(4, 1000, ym_unix_ms()));
	/* What is told of its attempts stays, beside that of the new ones. */
	fetch("mail", 1, 1, NULL);
	job.state = JOB_DONE;
	attempts[0].end = STORY_DONE;
	save_with((struct store_save){.job = job, .attempts = attempts, .nattempts = 1, .note = "later"});
	ck_assert_int_eq(store_sqlite.story(store, 1, &story, &err), 0);
	ck_assert_uint_eq(story.nattempts, 3);
	ck_assert_str_eq(story.attempts[1].error, "second");
	ck_assert_int_eq(story.attempts[1].end, STORY_CRASHED);
	ck_assert_int_eq(story.attempts[2].end, STORY_DONE);
	ck_assert_str_eq(story.note, "later");
	ck_assert_str_eq(story.output, "o");
	store_story_free(&story);
	ck_assert_int_eq(store_sqlite.story(store, 2, &story, &err), 1);
	assert_clean();
	ck_assert_int_eq(request(STORE_DELETE, 1, NULL), STORE_OK);
	assert_clean();
}
END_TEST

START_TEST(an_attempt_is_told_once)
{
	struct store_attempt attempt = {.number = 1, .started_ms = 7};
	struct store_job job = a_job(1, "mail", true);
	struct store_story story;

	submit(1, "mail", true);
	job.state = JOB_CLAIMED;
	save_with((struct store_save){.job = job, .attempts = &attempt, .nattempts = 1});
	attempt = (struct store_attempt){.number = 1,
	                                 .end = STORY_FAILED,
	                                 .started_ms = 7,
	                                 .ended_ms = 9,
	                                 .pid = 42,
	                                 .status = 256,
	                                 .rss_kib = UINT32_MAX,
	                                 .user_ms = 11,
	                                 .system_ms = 12,
	                                 .done = 13,
	                                 .total = 14,
	                                 .unit = "kg",
	                                 .error = "why"};
	save_with((struct store_save){.job = job, .attempts = &attempt, .nattempts = 1});
	ck_assert_int_eq(store_sqlite.story(store, 1, &story, &err), 0);
	ck_assert_uint_eq(story.nattempts, 1);
	ck_assert_mem_eq(&story.attempts[0], &attempt, sizeof(attempt));
	store_story_free(&story);
	assert_clean();
}
END_TEST

/* _i: without a history what is over is gone at once. */
START_TEST(says_who_waits_for_an_answer)
{
	static const enum store_ask asks[] = {STORE_CANCEL, STORE_BURY, STORE_DELETE};
	struct store_job found;

	options.history_ms = _i ? 0 : DAY_MS;
	open_again();
	for (unsigned i = 0; i < COUNT(asks); i++) {
		struct store_job job = a_job(i + 1, "mail", false);

		job.attempt = 2;
		job.reply_key = -99;
		job.reply_type = 1234567890123;
		job.reply_form = 2;
		strcpy(job.tag, "mine");
		ck_assert_int_eq(submit_to(store, &job, NULL), STORE_OK);
		ck_assert_int_eq(request(asks[i], job.id, &found), STORE_OK);
		ck_assert_uint_eq(found.id, job.id);
		ck_assert_str_eq(found.tag, "mine");
		ck_assert_uint_eq(found.attempt, 2);
		ck_assert_int_eq(found.reply_key, -99);
		ck_assert_int_eq(found.reply_type, 1234567890123);
		ck_assert_uint_eq(found.reply_form, 2);
	}
	/* the buried one was answered then */
	ck_assert_int_eq(request(STORE_DELETE, 2, &found), STORE_OK);
	ck_assert_int_eq(found.reply_key, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_sqlite");
	TCase *tests = tcase_create("store_sqlite");

	tcase_add_checked_fixture(tests, begin_store, end_store);
	tcase_set_timeout(tests, 60);
	suite_add_tcase(suite, tests);
	tcase_add_test(tests, a_job_is_kept_as_it_was_submitted);
	tcase_add_test(tests, the_same_id_is_submitted_once);
	tcase_add_test(tests, a_key_is_there_once_among_the_live);
	tcase_add_test(tests, a_job_that_moves_may_lose_its_key);
	tcase_add_test(tests, a_save_tells_all_that_may_change);
	tcase_add_test(tests, what_is_not_held_is_not_saved);
	tcase_add_test(tests, a_job_that_is_done_gives_its_payload_back);
	tcase_add_test(tests, without_history_nothing_is_left);
	tcase_add_test(tests, fetched_are_the_first_by_rank);
	tcase_add_test(tests, what_is_released_waits_again);
	tcase_add_test(tests, a_release_of_what_is_not_held_does_nothing);
	tcase_add_test(tests, one_batch_does_all_in_its_order);
	tcase_add_test(tests, requests_go_by_the_state);
	tcase_add_test(tests, a_kicked_job_begins_anew);
	tcase_add_test(tests, an_attempt_is_told_once);
	tcase_add_loop_test(tests, says_who_waits_for_an_answer, 0, 2);
	return run_suite(suite);
}
