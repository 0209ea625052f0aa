/*
 * test_store_postgresql_again.c - the store in PostgreSQL: what is written twice, told twice, comes from elsewhere, or stands in
 * somebody's open transaction.
 */
#include "postgres_support.h"

static struct node a;

static void begin_node(void)
{
	open_node(&a, "a");
}

static void end_node(void)
{
	close_node(&a);
}

/* As if the master were killed, and started again. */
static void start_anew(void)
{
	uint64_t next = a.next_id;

	store_postgresql.abandon(a.store);
	open_node(&a, "a");
	a.next_id = next;
}

/* ---- written twice --------------------------------------------------------------------------- */

static bool submit_held(struct node *node, struct store_submit *submit, bool held)
{
	submit->job.held = held;
	submit->verdict = STORE_UNTAKEN;
	ck_assert_int_eq(submit_one(node, submit), STORE_OK);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.job"), 1);
	return submit->job.held;
}

/* _i: bit 0 it waits delayed, bit 1 in between the master is started anew, bit 2 its payload is long. */
START_TEST(submitted_again_is_held_as_is_asked_now)
{
	struct store_submit submit = new_job(&a, "mail", "x");
	char *bytes = calloc(1, STORE_INLINE_MAX + 1);
	bool ours;

	if (_i & 1) {
		submit.job.state = JOB_DELAYED;
		submit.job.due_ms = unix_ms() + 60000;
	}
	if (_i & 4)
		submit.job.payload = (struct payload_source){.data = bytes, .size = STORE_INLINE_MAX + 1};
	for (unsigned before = 0; before < 2; before++)
		for (unsigned now = 0; now < 2; now++) {
			ck_assert_int_eq(submit_held(&a, &submit, before), before);
			if (_i & 2)
				start_anew();
			ck_assert_int_eq(submit_held(&a, &submit, now), now);
			ASSERT_OK(store_postgresql.holds(a.store, &submit.job.id, 1, &ours, &err));
			ck_assert_int_eq(ours, now);
		}
	submit_held(&a, &submit, false);
	ck_assert_uint_eq(fetch(&a, "mail", 5), _i & 1 ? 0 : 1);
	free(bytes);
}
END_TEST

START_TEST(submitted_again_when_it_is_over)
{
	static const enum job_state over[] = {JOB_DONE, JOB_FAILED, JOB_BURIED, JOB_CANCELLED};
	struct store_submit submit = new_job(&a, "mail", "x");

	ck_assert(submit_held(&a, &submit, true));
	ck_assert(save_state(&a, submit.job.id, over[_i], 1));
	ck_assert(!submit_held(&a, &submit, true));
	ck_assert(!submit_held(&a, &submit, false));
	ck_assert_int_eq(state_of_job(&a, submit.job.id), over[_i]);
}
END_TEST

START_TEST(submitted_again_when_another_node_has_it)
{
	struct store_submit submit = new_job(&a, "mail", "x");
	struct node b;
	bool theirs;

	open_node(&b, "b");
	ck_assert(!submit_held(&a, &submit, false));
	ck_assert_uint_eq(fetch(&b, "mail", 1), 1);
	ck_assert(!submit_held(&a, &submit, true));
	ASSERT_OK(store_postgresql.holds(b.store, &submit.job.id, 1, &theirs, &err));
	ck_assert(theirs);
	close_node(&b);
}
END_TEST

/* Some new, some there, in one batch: each gets its own answer. */
START_TEST(submitted_again_among_others)
{
	struct store_submit submits[40];

	for (unsigned i = 0; i < COUNT(submits); i++)
		submits[i] = new_job(&a, "mail", "x");
	write_batch(&a, (struct store_batch){.submits = submits, .nsubmits = COUNT(submits) / 2});
	for (unsigned i = 0; i < COUNT(submits); i++)
		submits[i].job.held = i % 3 == 0;
	write_batch(&a, (struct store_batch){.submits = submits, .nsubmits = COUNT(submits)});
	for (unsigned i = 0; i < COUNT(submits); i++) {
		ck_assert_int_eq(submits[i].verdict, STORE_OK);
		ck_assert_int_eq(submits[i].job.held, i % 3 == 0);
	}
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.job WHERE node IS NOT NULL"), 14);
}
END_TEST

/* _i: after the restart of the master. */
START_TEST(saved_again_is_not_lost)
{
	static const enum job_state over[] = {JOB_DONE, JOB_FAILED, JOB_BURIED, JOB_CANCELLED};

	for (unsigned i = 0; i < COUNT(over); i++) {
		struct store_submit submit = new_job(&a, "mail", "x");

		submit.job.held = true;
		ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
		ck_assert(save_state(&a, submit.job.id, over[i], 1));
		if (_i)
			start_anew();
		ck_assert(save_state(&a, submit.job.id, over[i], 1));
		/* not another end, nor that of another attempt */
		ck_assert(!save_state(&a, submit.job.id, over[i], 2));
		ck_assert(!save_state(&a, submit.job.id, over[(i + 1) % COUNT(over)], 1));
		ck_assert_int_eq(state_of_job(&a, submit.job.id), over[i]);
	}
}
END_TEST

START_TEST(saved_by_another_node_is_lost)
{
	struct store_submit submit = new_job(&a, "mail", "x");
	struct node b;

	open_node(&b, "b");
	ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	ck_assert_uint_eq(fetch(&b, "mail", 1), 1);
	ck_assert(save_state(&b, submit.job.id, JOB_DONE, 1));
	ck_assert(!save_state(&a, submit.job.id, JOB_DONE, 1));
	close_node(&b);
}
END_TEST

/* ---- who waits for an answer ----------------------------------------------------------------- */

static struct store_request ask(struct node *node, enum store_ask what, uint64_t id)
{
	struct store_request request = {.ask = what, .id = id};

	write_batch(node, (struct store_batch){.requests = &request, .nrequests = 1});
	return request;
}

static struct store_submit awaited_job(void)
{
	struct store_submit submit = new_job(&a, "mail", "x");

	submit.job.attempt = 2;
	submit.job.reply_key = -99;
	submit.job.reply_type = 1234567890123;
	submit.job.reply_form = 2;
	strcpy(submit.job.tag, "mine");
	return submit;
}

START_TEST(says_who_waits_for_an_answer)
{
	static const enum store_ask asks[] = {STORE_CANCEL, STORE_BURY, STORE_DELETE};

	for (unsigned i = 0; i < COUNT(asks); i++) {
		struct store_submit submit = awaited_job();
		struct store_request request;

		ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
		request = ask(&a, asks[i], submit.job.id);
		ck_assert_int_eq(request.verdict, STORE_OK);
		ck_assert_uint_eq(request.job.id, submit.job.id);
		ck_assert_str_eq(request.job.tag, "mine");
		ck_assert_uint_eq(request.job.attempt, 2);
		ck_assert_int_eq(request.job.reply_key, -99);
		ck_assert_int_eq(request.job.reply_type, 1234567890123);
		ck_assert_uint_eq(request.job.reply_form, 2);
	}
}
END_TEST

START_TEST(answers_are_given_once)
{
	struct store_submit over = awaited_job(), held = awaited_job();
	struct store_request answer;
	struct node b;

	/* buried: it was answered then */
	ck_assert_int_eq(submit_one(&a, &over), STORE_OK);
	ck_assert_int_eq(request(&a, STORE_BURY, over.job.id), STORE_OK);
	answer = ask(&a, STORE_DELETE, over.job.id);
	ck_assert_int_eq(answer.verdict, STORE_OK);
	ck_assert_int_eq(answer.job.reply_key, 0);
	/* cancelled at another node: it answers */
	held.job.held = true;
	ck_assert_int_eq(submit_one(&a, &held), STORE_OK);
	open_node(&b, "b");
	answer = ask(&b, STORE_CANCEL, held.job.id);
	ck_assert_int_eq(answer.verdict, STORE_OK);
	ck_assert_int_eq(answer.job.reply_key, 0);
	WAIT_UNTIL(a.cancelled == held.job.id);
	close_node(&b);
}
END_TEST

/* ---- what is told ---------------------------------------------------------------------------- */

static struct store_story story_of(uint64_t id)
{
	struct store_story story;

	ck_assert_int_eq(store_postgresql.story(a.store, id, &story, &err), 0);
	return story;
}

static void fail_once(uint64_t id, const char *why)
{
	struct store_attempt attempt = {.number = 1, .end = STORY_FAILED, .status = -1};
	struct store_save save = {.attempts = &attempt, .nattempts = 1};

	strcpy(attempt.error, why);
	save.job = (struct store_job){.id = id, .pool = "mail", .state = JOB_FAILED, .attempt = 1};
	save.job.finished_ms = unix_ms();
	write_batch(&a, (struct store_batch){.saves = &save, .nsaves = 1});
	ck_assert(!save.lost);
}

START_TEST(story_goes_on_after_a_kick)
{
	struct store_submit submit = new_job(&a, "mail", "x");
	struct store_story story;
	int64_t next;

	submit.job.held = true;
	ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	fail_once(submit.job.id, "first");
	ck_assert_int_eq(request(&a, STORE_KICK, submit.job.id), STORE_OK);
	ck_assert_uint_eq(fetch(&a, "mail", 1), 1);
	ck_assert_uint_eq(a.last.attempt, 0);
	ck_assert_int_eq(a.last.started_ms, 0);
	fail_once(submit.job.id, "second");
	story = story_of(submit.job.id);
	ck_assert_uint_eq(story.nattempts, 2);
	ck_assert_str_eq(story.attempts[0].error, "first");
	ck_assert_str_eq(story.attempts[1].error, "second");
	ck_assert_uint_eq(story.attempts[1].number, 1);
	store_story_free(&story);
	/* a kick of a delayed one is no new beginning */
	ck_assert_int_eq(request(&a, STORE_KICK, submit.job.id), STORE_OK);
	ASSERT_OK(store_postgresql.tick(a.store, unix_ms(), &next, &err));
	sql("UPDATE yardmaster.job SET state = 'delayed', due = now() + interval '1 hour'");
	ck_assert_int_eq(request(&a, STORE_KICK, submit.job.id), STORE_OK);
	ck_assert_int_eq(sql_number("SELECT round::bigint FROM yardmaster.job"), 2);
}
END_TEST

static bool nothing(void *arg, uint64_t id)
{
	(void)arg;
	(void)id;
	return false;
}

START_TEST(cut_short_after_a_kick_is_told)
{
	struct store_submit submit = new_job(&a, "mail", "x");
	struct store_story story;
	uint64_t n;

	submit.job.held = true;
	ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	fail_once(submit.job.id, "first");
	ck_assert_int_eq(request(&a, STORE_KICK, submit.job.id), STORE_OK);
	ck_assert_uint_eq(fetch(&a, "mail", 1), 1);
	ck_assert(save_state(&a, submit.job.id, JOB_CLAIMED, 1));
	ASSERT_OK(store_postgresql.recover(a.store, nothing, NULL, &n, &err));
	ck_assert_uint_eq(n, 1);
	story = story_of(submit.job.id);
	ck_assert_uint_eq(story.nattempts, 2);
	ck_assert_str_eq(story.attempts[0].error, "first");
	ck_assert_int_eq(story.attempts[1].end, STORY_CRASHED);
	store_story_free(&story);
}
END_TEST

START_TEST(import_brings_its_story)
{
	struct store_attempt attempts[2] = {{.number = 1, .end = STORY_CRASHED, .pid = 7, .node = "far", .error = "oh"},
	                                    {.number = 2, .end = STORY_RETRY, .status = -1}};
	struct store_submit submits[2] = {new_job(&a, "mail", "x"), new_job(&a, "mail", "y")};
	struct store_story story;

	for (unsigned i = 0; i < 2; i++) {
		submits[i].job.attempt = 2;
		strcpy(submits[i].job.node, "far");
		strcpy(submits[i].job.unique, "key");
		submits[i].attempts = attempts;
		submits[i].nattempts = COUNT(attempts);
		submits[i].note = "half";
		submits[i].output = "last words";
	}
	for (unsigned twice = 0; twice < 2; twice++) {
		write_batch(&a, (struct store_batch){.submits = submits, .nsubmits = 2});
		ck_assert_int_eq(submits[0].verdict, STORE_OK);
		ck_assert_int_eq(submits[1].verdict, STORE_EXISTS);
	}
	/* nothing of the one that was left out */
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.attempt"), 2);
	story = story_of(submits[0].job.id);
	ck_assert_uint_eq(story.nattempts, 2);
	ck_assert_str_eq(story.attempts[0].error, "oh");
	ck_assert_str_eq(story.attempts[0].node, "far");
	ck_assert_str_eq(story.attempts[1].node, "");
	ck_assert_str_eq(story.note, "half");
	ck_assert_str_eq(story.output, "last words");
	store_story_free(&story);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.job WHERE ran_on = 'far' AND pin IS NULL"), 1);
	ck_assert_uint_eq(fetch(&a, "mail", 5), 1);
	ck_assert_uint_eq(a.last.attempt, 2);
}
END_TEST

/* ---- somebody's open transaction ------------------------------------------------------------- */

static struct store_submit keyed(const char *key)
{
	struct store_submit submit = new_job(&a, "mail", "x");

	strcpy(submit.job.unique, key);
	return submit;
}

START_TEST(open_key_stops_nobody_else)
{
	struct store_submit submits[4];
	struct pg_link link;
	int64_t start;

	open_link(&link, database_uri);
	ASSERT_OK(pg_script(&link, "BEGIN; SELECT yardmaster.submit('mail', 'x', unique_key => 'open')", &err));
	for (unsigned turn = 0; turn < 2; turn++) {
		submits[0] = keyed("open");
		submits[1] = new_job(&a, "mail", "x");
		submits[2] = keyed(turn ? "other" : "another");
		submits[3] = keyed("open");
		start = unix_ms();
		write_batch(&a, (struct store_batch){.submits = submits, .nsubmits = COUNT(submits)});
		ck_assert_int_eq(submits[0].verdict, STORE_BUSY);
		ck_assert_int_eq(submits[1].verdict, STORE_OK);
		ck_assert_int_eq(submits[2].verdict, STORE_OK);
		ck_assert_int_eq(submits[3].verdict, STORE_BUSY);
	}
	/* once it is known, nobody waits for it again as long as the first time */
	ck_assert_int_lt(unix_ms() - start, 1500);
	ASSERT_OK(pg_script(&link, "ROLLBACK", &err));
	write_batch(&a, (struct store_batch){.submits = submits, .nsubmits = COUNT(submits)});
	ck_assert_int_eq(submits[0].verdict, STORE_OK);
	ck_assert_int_eq(submits[3].verdict, STORE_EXISTS);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.job"), 5);
	ck_assert_int_eq(sql_number("SELECT waiting::bigint FROM yardmaster.backlog WHERE pool = 'mail'"), 5);
	pg_shut(&link);
}
END_TEST

/* _i: 0 its key stands in an open transaction, 1 its id is another job's. */
START_TEST(refused_one_takes_along_what_stands_behind_it_in_its_call)
{
	enum store_verdict refused = _i ? STORE_CANNOT : STORE_BUSY;
	struct store_submit submits[7], before = new_job(&a, "mail", "x");
	const unsigned calls[COUNT(submits)] = {1, 2, 1, 1, 2, 0, 1};
	struct pg_link link;

	before.job.submitted_ms -= 86400000;
	ck_assert_int_eq(submit_one(&a, &before), STORE_OK);
	open_link(&link, database_uri);
	if (!_i)
		ASSERT_OK(pg_script(&link, "BEGIN; SELECT yardmaster.submit('mail', 'x', unique_key => 'open')", &err));
	for (unsigned turn = 0; turn < 2; turn++) {
		for (unsigned i = 0; i < COUNT(submits); i++) {
			submits[i] = new_job(&a, "mail", "x");
			submits[i].call = calls[i];
		}
		if (_i)
			submits[2].job.id = before.job.id;
		else
			strcpy(submits[2].job.unique, "open");
		write_batch(&a, (struct store_batch){.submits = submits, .nsubmits = COUNT(submits)});
		for (unsigned i = 0; i < COUNT(submits); i++)
			ck_assert_int_eq(submits[i].verdict, calls[i] == 1 && i >= 2 ? refused : STORE_OK);
	}
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.job"), 1 + 2 * 4);
	pg_shut(&link);
}
END_TEST

START_TEST(open_row_stops_nobody_else)
{
	struct store_submit submits[3] = {keyed("one"), keyed("two"), keyed("three")};
	struct store_request requests[4];
	struct pg_link link;
	char script[256];

	write_batch(&a, (struct store_batch){.submits = submits, .nsubmits = COUNT(submits)});
	ck_assert_int_eq(request(&a, STORE_BURY, submits[2].job.id), STORE_OK);
	open_link(&link, database_uri);
	snprintf(script, sizeof(script),
	         "BEGIN; UPDATE yardmaster.job SET level = 1 WHERE id = %llu;"
	         "SELECT yardmaster.submit('mail', 'x', unique_key => 'three')",
	         (unsigned long long)submits[0].job.id);
	ASSERT_OK(pg_script(&link, script, &err));
	for (unsigned i = 0; i < COUNT(requests); i++)
		requests[i] = (struct store_request){.ask = i == 2   ? STORE_KICK
		                                            : i == 3 ? STORE_LOOK
		                                                     : STORE_CANCEL,
		                                     .id = submits[i % COUNT(submits)].job.id};
	write_batch(&a, (struct store_batch){.requests = requests, .nrequests = COUNT(requests)});
	ck_assert_int_eq(requests[0].verdict, STORE_BUSY);
	ck_assert_int_eq(requests[1].verdict, STORE_OK);
	ck_assert_int_eq(requests[2].verdict, STORE_BUSY);
	ck_assert_int_eq(requests[3].verdict, STORE_OK);
	store_job_free(&requests[3].job);
	ASSERT_OK(pg_script(&link, "ROLLBACK", &err));
	ck_assert_int_eq(request(&a, STORE_CANCEL, submits[0].job.id), STORE_OK);
	ck_assert_int_eq(request(&a, STORE_KICK, submits[2].job.id), STORE_OK);
	pg_shut(&link);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_postgresql_again");
	TCase *tcase = add_server_case(suite, "again");

	tcase_add_checked_fixture(tcase, begin_node, end_node);
	tcase_add_loop_test(tcase, submitted_again_is_held_as_is_asked_now, 0, 8);
	tcase_add_loop_test(tcase, submitted_again_when_it_is_over, 0, 4);
	tcase_add_test(tcase, submitted_again_when_another_node_has_it);
	tcase_add_test(tcase, submitted_again_among_others);
	tcase_add_loop_test(tcase, saved_again_is_not_lost, 0, 2);
	tcase_add_test(tcase, saved_by_another_node_is_lost);
	tcase_add_test(tcase, says_who_waits_for_an_answer);
	tcase_add_test(tcase, answers_are_given_once);
	tcase_add_test(tcase, story_goes_on_after_a_kick);
	tcase_add_test(tcase, cut_short_after_a_kick_is_told);
	tcase_add_test(tcase, import_brings_its_story);
	tcase_add_test(tcase, open_key_stops_nobody_else);
	tcase_add_loop_test(tcase, refused_one_takes_along_what_stands_behind_it_in_its_call, 0, 2);
	tcase_add_test(tcase, open_row_stops_nobody_else);
	return run_suite(suite);
}
