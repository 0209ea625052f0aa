/* test_store_postgresql.c - the store in PostgreSQL, one node: submits, saves, requests, bytes, users' own inserts. */
#include <fcntl.h>

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

/* ---- a job's way ----------------------------------------------------------------------------- */

static struct store_job full_job(void)
{
	struct store_submit submit = new_job(&a, "mail", "hello");
	struct store_job job = submit.job;

	job.keep = true;
	job.level = 2;
	job.timeout_ms = 4000;
	job.reply_type = -7;
	job.reply_key = 0x1234;
	job.reply_form = 2;
	strcpy(job.unit, "bytes");
	strcpy(job.tag, "tag \xc3\xa9");
	strcpy(job.unique, "key");
	return job;
}

static void assert_same_job(const struct store_job *x, const struct store_job *y)
{
	ck_assert_uint_eq(x->id, y->id);
	ck_assert_str_eq(x->pool, y->pool);
	ck_assert_int_eq(x->state, y->state);
	ck_assert_int_eq(x->keep, y->keep);
	ck_assert_uint_eq(x->level, y->level);
	ck_assert_uint_eq(x->attempts, y->attempts);
	ck_assert_int_eq(x->rank, y->rank);
	ck_assert_int_eq(x->submitted_ms, y->submitted_ms);
	ck_assert_int_eq(x->timeout_ms, y->timeout_ms);
	ck_assert_int_eq(x->reply_type, y->reply_type);
	ck_assert_int_eq(x->reply_key, y->reply_key);
	ck_assert_uint_eq(x->reply_form, y->reply_form);
	ck_assert_str_eq(x->unit, y->unit);
	ck_assert_str_eq(x->tag, y->tag);
	ck_assert_str_eq(x->unique, y->unique);
	ck_assert_uint_eq(x->payload.size, y->payload.size);
}

START_TEST(goes_round)
{
	struct store_submit submit = {.job = full_job()};
	struct store_job job;

	ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	ck_assert_uint_eq(fetch(&a, "mail", 10), 1);
	assert_same_job(&submit.job, &a.last);
	ck_assert(a.last.held);
	ck_assert_str_eq(a.last.node, "a");
	ck_assert(save_state(&a, submit.job.id, JOB_CLAIMED, 1));
	ck_assert(save_state(&a, submit.job.id, JOB_DONE, 1));
	job = look(&a, submit.job.id);
	ck_assert_int_eq(job.state, JOB_DONE);
	ck_assert(!job.held && job.finished_ms > 0);
	ck_assert_mem_eq(job.payload.data, "hello", 5);
	store_job_free(&job);
}
END_TEST

START_TEST(submitted_twice_is_there_once)
{
	struct store_submit submit = {.job = full_job()}, again = submit;

	submit.job.held = again.job.held = true;
	ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	ck_assert_int_eq(submit_one(&a, &again), STORE_OK);
	/* ... and when it is over */
	ck_assert(save_state(&a, submit.job.id, JOB_DONE, 1));
	ck_assert_int_eq(submit_one(&a, &again), STORE_OK);
	ck_assert_int_eq(state_of_job(&a, submit.job.id), JOB_DONE);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.job"), 1);
	/* the id of a job of another time is a mistake, and no job is lost over it silently */
	again.job.submitted_ms -= 86400000;
	again.job.unique[0] = '\0';
	ck_assert_int_eq(submit_one(&a, &again), STORE_CANNOT);
}
END_TEST

START_TEST(saved_twice_is_not_lost)
{
	struct store_submit submit = {.job = full_job()};

	submit.job.held = true;
	ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	ck_assert(save_state(&a, submit.job.id, JOB_FAILED, 2));
	ck_assert(save_state(&a, submit.job.id, JOB_FAILED, 2));
	/* but not another end */
	ck_assert(!save_state(&a, submit.job.id, JOB_DONE, 2));
	ck_assert_int_eq(state_of_job(&a, submit.job.id), JOB_FAILED);
}
END_TEST

START_TEST(comes_in_the_order_of_ranks)
{
	uint64_t ids[50];
	int64_t rank = unix_ms();

	for (unsigned i = 0; i < COUNT(ids); i++) {
		struct store_submit submit = new_job(&a, "mail", "x");

		submit.job.rank = rank + (i * 37) % 50;
		ids[(i * 37) % 50] = submit.job.id;
		ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	}
	ck_assert_uint_eq(fetch(&a, "mail", 20), 20);
	ck_assert_uint_eq(fetch(&a, "rows", 20), 0);
	ck_assert_uint_eq(fetch(&a, "mail", 50), 30);
	for (unsigned i = 0; i < COUNT(ids); i++)
		ck_assert_uint_eq(a.ids[i], ids[i]);
}
END_TEST

START_TEST(leaves_what_is_refused)
{
	struct store_want want = {.pool = "mail", .n = 10};
	struct store_submit submits[6];

	for (unsigned i = 0; i < COUNT(submits); i++) {
		submits[i] = new_job(&a, "mail", "x");
		submits[i].job.rank = 100 + i;
	}
	write_batch(&a, (struct store_batch){.submits = submits, .nsubmits = COUNT(submits)});
	a.room = 4;
	write_batch(&a, (struct store_batch){.wants = &want, .nwants = 1});
	ck_assert_uint_eq(want.taken, 4);
	ck_assert_int_eq(want.first_rank, 104);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.job WHERE node IS NULL"), 2);
	a.room = 100;
	write_batch(&a, (struct store_batch){.wants = &want, .nwants = 1});
	ck_assert_uint_eq(want.taken, 2);
	ck_assert_int_eq(want.first_rank, INT64_MAX);
}
END_TEST

START_TEST(released_waits_again)
{
	struct store_submit submit = new_job(&a, "mail", "x");

	submit.job.held = true;
	ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	ck_assert_uint_eq(fetch(&a, "mail", 1), 0);
	write_batch(&a, (struct store_batch){.releases = &submit.job.id, .nreleases = 1});
	ck_assert_uint_eq(fetch(&a, "mail", 1), 1);
}
END_TEST

START_TEST(delayed_waits_until_it_is_due)
{
	struct store_submit submit = new_job(&a, "mail", "x");
	struct store_tally tally;
	int64_t next;

	submit.job.state = JOB_DELAYED;
	submit.job.due_ms = unix_ms() + 300;
	ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	ASSERT_OK(store_postgresql.tick(a.store, unix_ms(), &next, &err));
	ck_assert_uint_eq(fetch(&a, "mail", 1), 0);
	ck_assert_int_ge(submit.job.due_ms + 1, next);
	ASSERT_OK(store_postgresql.tally(a.store, "mail", &tally, &err));
	ck_assert_uint_eq(tally.delayed, 1);
	ck_assert_uint_eq(tally.waiting, 0);
	WAIT_UNTIL(unix_ms() > submit.job.due_ms);
	ASSERT_OK(store_postgresql.tick(a.store, unix_ms(), &next, &err));
	ck_assert_uint_eq(fetch(&a, "mail", 1), 1);
}
END_TEST

/* ---- unique keys ----------------------------------------------------------------------------- */

START_TEST(key_is_taken_while_its_job_lives)
{
	struct store_submit first = {.job = full_job()}, second = {.job = full_job()};

	ck_assert_int_eq(submit_one(&a, &first), STORE_OK);
	ck_assert_int_eq(submit_one(&a, &second), STORE_EXISTS);
	ck_assert_uint_eq(second.existing, first.job.id);
	ck_assert_int_eq(request(&a, STORE_BURY, first.job.id), STORE_OK);
	ck_assert_int_eq(submit_one(&a, &second), STORE_OK);
	ck_assert_int_eq(request(&a, STORE_KICK, first.job.id), STORE_EXISTS);
	ck_assert_int_eq(request(&a, STORE_CANCEL, second.job.id), STORE_OK);
	ck_assert_int_eq(request(&a, STORE_KICK, first.job.id), STORE_OK);
}
END_TEST

START_TEST(first_of_a_batch_gets_the_key)
{
	struct store_submit submits[3] = {{.job = full_job()}, {.job = full_job()}, {.job = full_job()}};

	write_batch(&a, (struct store_batch){.submits = submits, .nsubmits = COUNT(submits)});
	ck_assert_int_eq(submits[0].verdict, STORE_OK);
	for (unsigned i = 1; i < COUNT(submits); i++) {
		ck_assert_int_eq(submits[i].verdict, STORE_EXISTS);
		ck_assert_uint_eq(submits[i].existing, submits[0].job.id);
	}
}
END_TEST

START_TEST(moved_job_may_lose_its_key)
{
	struct store_submit there = {.job = full_job()}, movers[2] = {{.job = full_job()}, {.job = full_job()}};
	struct store_save saves[2] = {0};

	strcpy(there.job.pool, "rows");
	ck_assert_int_eq(submit_one(&a, &there), STORE_OK);
	movers[0].job.held = movers[1].job.held = true;
	strcpy(movers[1].job.unique, "other");
	write_batch(&a, (struct store_batch){.submits = movers, .nsubmits = 2});
	for (unsigned i = 0; i < 2; i++) {
		saves[i].job = movers[i].job;
		strcpy(saves[i].job.pool, "rows");
	}
	write_batch(&a, (struct store_batch){.saves = saves, .nsaves = 2});
	ck_assert(!saves[0].lost && saves[0].key_lost);
	ck_assert(!saves[1].lost && !saves[1].key_lost);
}
END_TEST

/* Both are free to go, but not together. */
START_TEST(two_moved_with_one_key)
{
	struct store_submit movers[2] = {{.job = full_job()}, {.job = full_job()}};
	struct store_save saves[2] = {0};

	sql("INSERT INTO yardmaster.pool (name) VALUES ('third')");
	strcpy(movers[1].job.pool, "rows");
	movers[0].job.held = movers[1].job.held = true;
	write_batch(&a, (struct store_batch){.submits = movers, .nsubmits = 2});
	for (unsigned i = 0; i < 2; i++) {
		saves[i].job = movers[i].job;
		strcpy(saves[i].job.pool, "third");
	}
	write_batch(&a, (struct store_batch){.saves = saves, .nsaves = 2});
	ck_assert(!saves[0].lost && !saves[1].lost);
	ck_assert_int_eq(saves[0].key_lost + saves[1].key_lost, 1);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.job WHERE pool = 'third'"), 2);
}
END_TEST

/* ---- requests -------------------------------------------------------------------------------- */

START_TEST(requests_by_state)
{
	static const struct {
		enum job_state state;
		bool held;
		enum store_verdict cancel, bury, kick, delete;
	} expected[] = {
	    {JOB_READY, false, STORE_OK, STORE_OK, STORE_CANNOT, STORE_OK},
	    {JOB_DELAYED, false, STORE_OK, STORE_OK, STORE_OK, STORE_OK},
	    {JOB_BURIED, false, STORE_CANNOT, STORE_CANNOT, STORE_OK, STORE_OK},
	    {JOB_FAILED, false, STORE_CANNOT, STORE_CANNOT, STORE_OK, STORE_OK},
	    {JOB_DONE, false, STORE_CANNOT, STORE_CANNOT, STORE_CANNOT, STORE_OK},
	    {JOB_READY, true, STORE_HELD, STORE_HELD, STORE_HELD, STORE_HELD},
	};

	for (unsigned i = 0; i < COUNT(expected); i++) {
		const enum store_ask asks[] = {STORE_CANCEL, STORE_BURY, STORE_KICK, STORE_DELETE};
		const enum store_verdict verdicts[] = {expected[i].cancel, expected[i].bury, expected[i].kick,
		                                       expected[i].delete};

		for (unsigned k = 0; k < COUNT(asks); k++) {
			struct store_submit submit = new_job(&a, "mail", "x");

			submit.job.state = expected[i].state;
			submit.job.held = expected[i].held;
			submit.job.due_ms = expected[i].state == JOB_DELAYED ? unix_ms() + 60000 : 0;
			ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
			ck_assert_int_eq(request(&a, asks[k], submit.job.id), verdicts[k]);
		}
	}
	ck_assert_int_eq(request(&a, STORE_CANCEL, 4711), STORE_NONE);
	ck_assert_int_eq(request(&a, STORE_LOOK, 4711), STORE_NONE);
}
END_TEST

START_TEST(kicked_has_all_its_attempts)
{
	struct store_submit submit = new_job(&a, "mail", "again");
	struct store_job job;

	submit.job.held = true;
	submit.job.reply_key = -99;
	submit.job.reply_type = 7;
	submit.job.reply_form = 2;
	ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	ck_assert(save_state(&a, submit.job.id, JOB_FAILED, 3));
	ck_assert_int_eq(request(&a, STORE_KICK, submit.job.id), STORE_OK);
	job = look(&a, submit.job.id);
	ck_assert_int_eq(job.state, JOB_READY);
	ck_assert_uint_eq(job.attempt, 0);
	ck_assert_int_eq(job.reply_key, 0);
	ck_assert_int_eq(job.reply_type, 0);
	ck_assert_uint_eq(job.reply_form, 0);
	ck_assert_mem_eq(job.payload.data, "again", 5);
	store_job_free(&job);
	ck_assert_uint_eq(fetch(&a, "mail", 1), 1);
}
END_TEST

/* ---- bytes ----------------------------------------------------------------------------------- */

static char *pattern(size_t size)
{
	char *bytes = malloc(size);

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	return bytes;
}

static void assert_bytes(const struct payload_source *source, const char *expected, size_t size)
{
	char *bytes = malloc(size + 1);

	ck_assert_uint_eq(source->size, size);
	if (source->data) {
		ck_assert_mem_eq(source->data, expected, size);
	} else {
		ck_assert_int_eq(pread(source->fd, bytes, size + 1, 0), (ssize_t)size);
		ck_assert_mem_eq(bytes, expected, size);
	}
	free(bytes);
}

static const size_t sizes[] = {0, 1, STORE_INLINE_MAX, STORE_INLINE_MAX + 1, 1 << 20, (1 << 20) + 1, 5000000};

START_TEST(keeps_bytes_of_any_length)
{
	size_t size = sizes[_i];
	char *bytes = pattern(size + 1);
	struct store_submit submit = new_job(&a, "mail", "");
	struct store_save save = {0};
	struct store_job job;
	char path[PATH_MAX];
	int fd;

	write_file("bytes", bytes, size);
	join_path(path, "bytes");
	submit.job.payload = (struct payload_source){.data = bytes, .size = size};
	submit.job.held = true;
	ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	save.job = submit.job;
	save.job.state = JOB_DONE;
	save.job.finished_ms = unix_ms();
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	save.job.result = (struct payload_source){.fd = fd, .size = size};
	write_batch(&a, (struct store_batch){.saves = &save, .nsaves = 1});
	ck_assert(!save.lost);
	close(fd);
	job = look(&a, submit.job.id);
	assert_bytes(&job.payload, bytes, size);
	assert_bytes(&job.result, bytes, size);
	store_job_free(&job);
	ck_assert_int_eq(request(&a, STORE_DELETE, submit.job.id), STORE_OK);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.chunk"), 0);
	free(bytes);
}
END_TEST

START_TEST(refused_long_payload_leaves_nothing)
{
	char *bytes = pattern(1 << 20);
	struct store_submit first = {.job = full_job()}, second = {.job = full_job()};

	ck_assert_int_eq(submit_one(&a, &first), STORE_OK);
	second.job.payload = (struct payload_source){.data = bytes, .size = 1 << 20};
	ck_assert_int_eq(submit_one(&a, &second), STORE_EXISTS);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.chunk"), 0);
	free(bytes);
}
END_TEST

START_TEST(bytes_that_are_no_text)
{
	struct store_submit submit = new_job(&a, "mail", "x");

	strcpy(submit.job.tag, "a\xff\xc3");
	ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	ck_assert_uint_eq(fetch(&a, "mail", 1), 1);
	ck_assert_str_eq(a.last.tag, "a\\xff\\xc3");
}
END_TEST

/* ---- those who insert themselves ------------------------------------------------------------- */

START_TEST(insert_is_enough)
{
	struct store_tally tally;

	sql("INSERT INTO yardmaster.job (pool, payload) VALUES ('mail', 'by hand')");
	ck_assert_uint_eq(fetch(&a, "mail", 5), 1);
	ck_assert_uint_eq(a.last.level, 5);
	ck_assert_uint_eq(a.last.attempts, 3);
	ck_assert_int_ge(a.last.submitted_ms, unix_ms() - 10000);
	ck_assert_int_eq(a.last.rank, store_rank(5, 60000, a.last.submitted_ms));
	ck_assert_uint_eq(a.last.payload.size, 7);
	ASSERT_OK(store_postgresql.tally(a.store, "mail", &tally, &err));
	ck_assert_uint_eq(tally.waiting, 0);
}
END_TEST

START_TEST(function_is_enough)
{
	int64_t id = sql_number("SELECT yardmaster.submit('mail', 'x', priority => 1, unique_key => 'k', tag => 't',"
	                        " timeout => '5 s')");

	ck_assert_int_eq(sql_number("SELECT yardmaster.submit('mail', 'y', unique_key => 'k')"), id);
	ck_assert_int_ne(sql_number("SELECT yardmaster.submit('mail', '\\x00ff'::bytea, delay => '1 hour')"), id);
	ck_assert_int_ne(sql_number("SELECT yardmaster.submit('mail')"), id);
	ck_assert_uint_eq(fetch(&a, "mail", 1), 1);
	ck_assert_uint_eq(a.last.id, (uint64_t)id);
	ck_assert_uint_eq(a.last.level, 1);
	ck_assert_int_eq(a.last.timeout_ms, 5000);
	ck_assert_str_eq(a.last.tag, "t");
	ck_assert_int_eq(sql_number("SELECT delayed::bigint FROM yardmaster.backlog WHERE pool = 'mail'"), 1);
}
END_TEST

START_TEST(mistakes_are_refused)
{
	static const char *const wrong[] = {
	    "INSERT INTO yardmaster.job (pool) VALUES ('mial')",
	    "INSERT INTO yardmaster.job (pool, level) VALUES ('mail', 10)",
	    "INSERT INTO yardmaster.job (pool, tag) VALUES ('mail', repeat('x', 48))",
	    "SELECT yardmaster.submit('mail', 'x', priority => -1)",
	    "INSERT INTO yardmaster.job (pool, id) VALUES ('mail', -5)",
	    "INSERT INTO yardmaster.job (pool, id) VALUES ('mail', 3)",
	};
	struct pg_link link;

	open_link(&link, database_uri);
	for (unsigned i = 0; i < COUNT(wrong); i++)
		ck_assert_int_eq(pg_script(&link, wrong[i], &err), -1);
	pg_shut(&link);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.job"), 0);
}
END_TEST

START_TEST(insert_wakes_at_once)
{
	int before;

	WAIT_UNTIL(sql_number("SELECT count(*) FROM yardmaster.node_board") == 1);
	before = a.wakes;
	sql("INSERT INTO yardmaster.job (pool, payload) VALUES ('mail', 'x')");
	WAIT_UNTIL(a.wakes > before);
}
END_TEST

/* ---- counts, reading, history ---------------------------------------------------------------- */

START_TEST(counts_follow)
{
	struct store_submit submits[5];
	struct store_tally tally;

	for (unsigned i = 0; i < COUNT(submits); i++)
		submits[i] = new_job(&a, "mail", "x");
	submits[0].job.state = JOB_DELAYED;
	submits[0].job.due_ms = unix_ms() + 60000;
	submits[1].job.held = true;
	write_batch(&a, (struct store_batch){.submits = submits, .nsubmits = COUNT(submits)});
	ck_assert_int_eq(request(&a, STORE_BURY, submits[2].job.id), STORE_OK);
	ck_assert_int_eq(request(&a, STORE_DELETE, submits[3].job.id), STORE_OK);
	ASSERT_OK(store_postgresql.tally(a.store, "mail", &tally, &err));
	ck_assert_uint_eq(tally.waiting, 1);
	ck_assert_uint_eq(tally.delayed, 1);
	ck_assert_uint_eq(tally.buried, 1);
}
END_TEST

static int note_id(void *arg, const struct store_job *job)
{
	struct node *node = arg;

	node->ids[node->nids++] = job->id;
	return node->nids == node->room;
}

static size_t list(struct store_filter filter)
{
	a.nids = 0;
	ASSERT_OK(store_postgresql.list(a.store, &filter, note_id, &a, &err));
	return a.nids;
}

START_TEST(lists)
{
	struct store_submit submits[1200];

	for (unsigned i = 0; i < COUNT(submits); i++) {
		submits[i] = new_job(&a, i % 2 ? "mail" : "rows", "x");
		submits[i].job.level = i % 3 == 0;
		snprintf(submits[i].job.tag, JOB_TAG_MAX, "%u", i % 10);
		submits[i].job.state = i % 4 == 0 ? JOB_FAILED : JOB_READY;
		strcpy(submits[i].job.error, i % 4 == 0 ? "Cannot open 100% of it" : "");
	}
	write_batch(&a, (struct store_batch){.submits = submits, .nsubmits = COUNT(submits)});
	ck_assert_uint_eq(list((struct store_filter){.level = -1}), 1200);
	ck_assert_uint_eq(a.ids[0], submits[0].job.id);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .newest = true, .limit = 3}), 3);
	ck_assert_uint_eq(a.ids[0], submits[1199].job.id);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .newest = true, .after = a.ids[2], .limit = 1}), 1);
	ck_assert_uint_eq(a.ids[0], submits[1196].job.id);
	ck_assert_uint_eq(list((struct store_filter){.level = 1}), 400);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .pool = "mail"}), 600);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .tag = "3"}), 120);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .error = "OPEN 100%"}), 300);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .error = "open_"}), 0);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .states = 1u << JOB_READY}), 900);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .id = submits[7].job.id}), 1);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .since_ms = unix_ms() + 1000}), 0);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .until_ms = unix_ms() + 1000, .bytes = true}), 1200);
	a.room = 7;
	ck_assert_uint_eq(list((struct store_filter){.level = -1}), 7);
}
END_TEST

START_TEST(story_is_told)
{
	struct store_submit submit = new_job(&a, "mail", "x");
	struct store_attempt attempts[2] = {{.number = 1,
	                                     .end = STORY_CRASHED,
	                                     .started_ms = unix_ms(),
	                                     .pid = 12,
	                                     .status = 9,
	                                     .rss_kib = 77,
	                                     .error = "killed"},
	                                    {.number = 2, .end = STORY_RETRY, .status = -1}};
	struct store_save save = {.attempts = attempts, .nattempts = 2, .note = "half", .output = "last words"};
	struct store_story story;

	submit.job.held = true;
	ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	save.job = submit.job;
	save.job.attempt = 2;
	write_batch(&a, (struct store_batch){.saves = &save, .nsaves = 1});
	attempts[1].end = STORY_FAILED;
	save.note = save.output = NULL;
	write_batch(&a, (struct store_batch){.saves = &save, .nsaves = 1});
	ck_assert_int_eq(store_postgresql.story(a.store, submit.job.id, &story, &err), 0);
	ck_assert_uint_eq(story.nattempts, 2);
	ck_assert_int_eq(story.attempts[0].end, STORY_CRASHED);
	ck_assert_int_eq(story.attempts[0].started_ms, attempts[0].started_ms);
	ck_assert_int_eq(story.attempts[0].status, 9);
	ck_assert_uint_eq(story.attempts[0].rss_kib, 77);
	ck_assert_str_eq(story.attempts[0].error, "killed");
	ck_assert_str_eq(story.attempts[0].node, "a");
	ck_assert_int_eq(story.attempts[1].end, STORY_FAILED);
	ck_assert_str_eq(story.note, "half");
	ck_assert_str_eq(story.output, "last words");
	store_story_free(&story);
	ck_assert_int_eq(store_postgresql.story(a.store, 4711, &story, &err), 1);
}
END_TEST

START_TEST(history_goes)
{
	struct store_submit submits[2] = {new_job(&a, "mail", "x"), new_job(&a, "mail", "x")};
	int64_t next;

	submits[0].job.state = submits[1].job.state = JOB_DONE;
	submits[0].job.finished_ms = unix_ms() - 3700000;
	submits[1].job.finished_ms = unix_ms() - 3500000;
	write_batch(&a, (struct store_batch){.submits = submits, .nsubmits = 2});
	ASSERT_OK(store_postgresql.tick(a.store, unix_ms(), &next, &err));
	ck_assert_int_eq(request(&a, STORE_LOOK, submits[0].job.id), STORE_NONE);
	ck_assert_int_eq(state_of_job(&a, submits[1].job.id), JOB_DONE);
}
END_TEST

static void count_line(void *arg, const char *line)
{
	(void)line;
	++*(int *)arg;
}

START_TEST(verify_and_compact)
{
	struct store_submit submits[3] = {new_job(&a, "mail", "x"), new_job(&a, "rows", "x"), new_job(&a, "mail", "x")};
	uint64_t before, after;
	int lines = 0, always;

	submits[2].job.held = true;
	write_batch(&a, (struct store_batch){.submits = submits, .nsubmits = 3});
	/* the test's server has fsync and full_page_writes off */
	ck_assert_int_eq(store_postgresql.verify(a.store, count_line, &lines, &err), 1);
	ck_assert_int_eq(lines, 2);
	always = lines;
	lines = 0;
	sql("DELETE FROM yardmaster.tally WHERE pool = 'rows'; UPDATE yardmaster.job SET node = 4711 WHERE pool = "
	    "'rows';"
	    "INSERT INTO yardmaster.chunk VALUES (4711, false, 0, 'x')");
	ck_assert_int_eq(store_postgresql.verify(a.store, count_line, &lines, &err), 1);
	ck_assert_int_ge(lines, always + 2);
	ASSERT_OK(store_postgresql.compact(a.store, &before, &after, &err));
	ck_assert_uint_gt(before, 0);
	ck_assert_uint_gt(after, 0);
}
END_TEST

/* PostgreSQL only warns whoever may not, and does nothing. */
START_TEST(who_may_not_compact_is_told)
{
	char uri[PATH_MAX + 64];
	struct store_options options = {.uri = uri, .node = "", .reader = true};
	struct store *stranger;
	uint64_t before, after;

	sql("DROP ROLE IF EXISTS stranger; CREATE ROLE stranger; GRANT USAGE ON SCHEMA yardmaster TO stranger;"
	    "GRANT SELECT ON ALL TABLES IN SCHEMA yardmaster TO stranger");
	snprintf(uri, sizeof(uri), "%s&options=-crole%%3Dstranger", database_uri);
	ASSERT_OK(store_postgresql.open(&stranger, &options, &err));
	ck_assert_int_eq(store_postgresql.compact(stranger, &before, &after, &err), -1);
	ASSERT_IN("store init", err.text);
	ck_assert_int_eq(err.class, YM_ERR_PERMISSION);
	store_postgresql.close(stranger);
	sql("DROP OWNED BY stranger; DROP ROLE stranger");
}
END_TEST

START_TEST(schema_is_checked)
{
	struct store_options options = {.uri = database_uri};
	const char *text;
	struct node b;

	ASSERT_OK(store_postgresql.init(&options, &text, &err));
	ck_assert_str_eq(text, "the schema is up to date");
	sql("UPDATE yardmaster.version SET version = version + 1");
	ck_assert_int_eq(try_open_node(&b, "b"), -1);
	ASSERT_IN("newer program", err.text);
	sql("DELETE FROM yardmaster.version");
	ck_assert_int_eq(try_open_node(&b, "b"), -1);
	ASSERT_IN("yardmaster store init", err.text);
	sql("DROP SCHEMA yardmaster CASCADE");
	ck_assert_int_eq(try_open_node(&b, "b"), -1);
	ASSERT_IN("yardmaster store init", err.text);
	ck_assert_int_eq(err.class, YM_ERR_CONFIG);
}
END_TEST

/* The rights that the documentation lists are enough. */
START_TEST(roles_need_no_more_rights)
{
	char admin[PATH_MAX], *user;
	struct pg_link link;
	struct node b;

	sql("DO $$ BEGIN CREATE ROLE yard LOGIN; CREATE ROLE shop LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; "
	    "END $$;"
	    "GRANT USAGE ON SCHEMA yardmaster TO yard, shop;"
	    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA yardmaster TO yard;"
	    "GRANT USAGE, UPDATE, SELECT ON ALL SEQUENCES IN SCHEMA yardmaster TO yard;"
	    "GRANT INSERT (pool, payload, level, attempts, timeout_ms, due, tag, unique_key) ON yardmaster.job TO "
	    "shop");
	strcpy(admin, database_uri);
	user = strstr(database_uri, "user=yardmaster") + strlen("user=");
	strcpy(user, "shop");
	open_link(&link, database_uri);
	ASSERT_OK(pg_script(&link, "INSERT INTO yardmaster.job (pool, payload) VALUES ('mail', 'x')", &err));
	ASSERT_OK(pg_script(&link, "SELECT yardmaster.submit('mail', 'x', unique_key => 'k')", &err));
	ck_assert_int_eq(pg_script(&link, "DELETE FROM yardmaster.job", &err), -1);
	ck_assert_int_eq(err.class, YM_ERR_PERMISSION);
	pg_shut(&link);
	strcpy(user, "yard");
	open_node(&b, "b");
	ck_assert_uint_eq(fetch(&b, "mail", 5), 2);
	ck_assert(save_state(&b, b.ids[0], JOB_DONE, 1));
	ck_assert_int_eq(request(&b, STORE_DELETE, b.ids[0]), STORE_OK);
	close_node(&b);
	strcpy(database_uri, admin);
}
END_TEST

START_TEST(ids_are_given_once)
{
	uint64_t next, end;
	int64_t user = sql_number("SELECT yardmaster.submit('mail', 'x')");
	struct store_submit imported = new_job(&a, "mail", "x");

	ck_assert_uint_eq(a.end_id, 1000000);
	ck_assert((uint64_t)user < a.next_id || (uint64_t)user >= a.end_id);
	ASSERT_OK(store_postgresql.reserve(a.store, &next, &end, &err));
	ck_assert_uint_ge(next, a.end_id);
	ck_assert((uint64_t)user < next || (uint64_t)user >= end);
	/* past an import */
	imported.job.id = 12345678;
	ck_assert_int_eq(submit_one(&a, &imported), STORE_OK);
	ASSERT_OK(store_postgresql.reserve(a.store, &next, &end, &err));
	ck_assert_uint_gt(next, 12345678);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_postgresql");
	TCase *tcase = add_server_case(suite, "store");

	tcase_add_checked_fixture(tcase, begin_node, end_node);
	tcase_add_test(tcase, goes_round);
	tcase_add_test(tcase, submitted_twice_is_there_once);
	tcase_add_test(tcase, saved_twice_is_not_lost);
	tcase_add_test(tcase, comes_in_the_order_of_ranks);
	tcase_add_test(tcase, leaves_what_is_refused);
	tcase_add_test(tcase, released_waits_again);
	tcase_add_test(tcase, delayed_waits_until_it_is_due);
	tcase_add_test(tcase, key_is_taken_while_its_job_lives);
	tcase_add_test(tcase, first_of_a_batch_gets_the_key);
	tcase_add_test(tcase, moved_job_may_lose_its_key);
	tcase_add_test(tcase, two_moved_with_one_key);
	tcase_add_test(tcase, requests_by_state);
	tcase_add_test(tcase, kicked_has_all_its_attempts);
	tcase_add_loop_test(tcase, keeps_bytes_of_any_length, 0, COUNT(sizes));
	tcase_add_test(tcase, refused_long_payload_leaves_nothing);
	tcase_add_test(tcase, bytes_that_are_no_text);
	tcase_add_test(tcase, insert_is_enough);
	tcase_add_test(tcase, function_is_enough);
	tcase_add_test(tcase, mistakes_are_refused);
	tcase_add_test(tcase, insert_wakes_at_once);
	tcase_add_test(tcase, counts_follow);
	tcase_add_test(tcase, lists);
	tcase_add_test(tcase, story_is_told);
	tcase_add_test(tcase, history_goes);
	tcase_add_test(tcase, verify_and_compact);
	tcase_add_test(tcase, who_may_not_compact_is_told);
	tcase_add_test(tcase, schema_is_checked);
	tcase_add_test(tcase, roles_need_no_more_rights);
	tcase_add_test(tcase, ids_are_given_once);
	return run_suite(suite);
}
