/* test_submit_stored.c - submissions with a store behind the table: which of many are stored when something goes wrong. */
#include "../../runtime/stage.h"
#include "../../runtime/submit_self.h"
#include "clerk_support.h"

static struct submission one;

/* The first `k` of the call are stored, and none of the others. */
static void assert_first(size_t k)
{
	ck_assert_uint_eq(one.done, k);
	ck_assert_uint_eq(SEEN(n), k);
	for (size_t i = 0; i < k; i++)
		ck_assert_uint_eq(in_store(one.refs[i].id).job.id, one.refs[i].id);
	WAIT_UNTIL(slots_in(JOB_STORING) + slots_in(JOB_FILLING) == 0);
}

static void submit_all(void)
{
	one.err = (struct ym_err){0};
	submit_in_thread(&one);
}

START_TEST(many_are_stored)
{
	prepare(&one, BATCH);
	submit_all();
	assert_first(BATCH);
	for (size_t i = 1; i < BATCH; i++)
		ck_assert_uint_gt(one.refs[i].id, one.refs[i - 1].id);
	for (size_t i = 0; i < BATCH; i++)
		ck_assert(!one.existed[i]);
}
END_TEST

/* The table is a ring: the last slots of it come first here. */
START_TEST(ids_and_not_slots_make_the_order)
{
	atomic_store(&yard.table->position, 200);
	prepare(&one, 100);
	submit_all();
	assert_first(100);
	for (size_t i = 0; i < 100; i++)
		ck_assert_uint_eq(fake.order[i], one.refs[i].id);
}
END_TEST

START_TEST(keys_that_exist)
{
	struct job_ref first = submit_unique("a");

	prepare(&one, 300);
	one.requests[3].unique = one.requests[270].unique = "a";
	one.requests[4].unique = one.requests[5].unique = one.requests[299].unique = "b";
	submit_all();
	ck_assert_uint_eq(one.done, 300);
	for (size_t i = 0; i < 300; i++)
		ck_assert_int_eq(one.existed[i], i == 3 || i == 5 || i == 270 || i == 299);
	ck_assert_uint_eq(one.refs[3].id, first.id);
	ck_assert_uint_eq(one.refs[270].id, first.id);
	ck_assert_uint_eq(one.refs[299].id, one.refs[4].id);
	ck_assert_uint_eq(SEEN(n), 297);
}
END_TEST

START_TEST(a_bad_one_ends_a_call)
{
	static const size_t places[] = {0, 7, 255, 256, 299};

	for (size_t i = 0; i < COUNT(places); i++) {
		FAKE(while (fake.n > 0) fake_drop(&fake.jobs[0]));
		while (run_one(STORY_DONE))
			;
		prepare(&one, 300);
		one.requests[places[i]].level = 77;
		submit_all();
		assert_first(places[i]);
		ck_assert_int_eq(one.err.class, YM_ERR_USAGE);
	}
}
END_TEST

START_TEST(a_refused_transaction_ends_a_call)
{
	prepare(&one, 600);
	FAKE(fake.refusals = -1; fake.class = YM_ERR_FULL);
	submit_all();
	assert_first(0);
	ck_assert_str_eq(one.err.text, "the fake says no");
	FAKE(fake.refusals = 0);
	submit_all();
	assert_first(600);
}
END_TEST

/* The clerk itself refuses one in the middle: those behind it must not be stored without anybody's knowledge. */
START_TEST(one_that_is_refused_takes_those_behind_it_along)
{
	static char bytes[JOB_PAYLOAD_MAX + 1];
	static struct submission other;
	DIR *files;
	char path[PATH_MAX];

	prepare(&one, 100);
	one.requests[40].payload = (struct payload_source){.data = bytes, .size = sizeof(bytes), .fd = -1};
	prepare(&other, 1);
	FAKE(fake.shut = true);
	start_submission(&other);
	WAIT_UNTIL(SEEN(inside) == 1);
	start_submission(&one);
	WAIT_UNTIL(slots_in(JOB_STORING) == 101);
	/* Its bytes are gone. */
	join_path(path, "jobs");
	files = opendir(path);
	for (struct dirent *entry = readdir(files); entry; entry = readdir(files))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(files), entry->d_name, 0);
	closedir(files);
	FAKE(fake.shut = false);
	ck_assert_uint_eq(end_submission(&other), 1);
	end_submission(&one);
	ck_assert_uint_eq(one.done, 40);
	ck_assert_uint_eq(SEEN(n), 41);
	ck_assert_msg(one.err.text[0], "no reason");
	WAIT_UNTIL(slots_in(JOB_STORING) + slots_in(JOB_FILLING) == 0);
	/* That was of this call: the next one is none of its business. */
	one.requests[40] = one.requests[0];
	one.err = (struct ym_err){0};
	submit_in_thread(&one);
	ck_assert_uint_eq(one.done, 100);
}
END_TEST

/* The store refuses one: the same, but only for those of its call. */
START_TEST(one_that_is_busy_takes_those_behind_it_along)
{
	static struct submission others[3];

	prepare(&one, 100);
	one.requests[40].unique = FAKE_BUSY;
	FAKE(fake.shut = true);
	for (size_t i = 0; i < COUNT(others); i++) {
		prepare(&others[i], 1);
		start_submission(&others[i]);
		/* The first one is written, the others go with the call into the next turn: before it, and behind it. */
		WAIT_UNTIL(SEEN(inside) == 1 && slots_in(JOB_STORING) == (i == 2 ? 102 : i) + 1);
		if (i == 1) {
			start_submission(&one);
			WAIT_UNTIL(slots_in(JOB_STORING) == 102);
		}
	}
	FAKE(fake.shut = false);
	for (size_t i = 0; i < COUNT(others); i++)
		ck_assert_uint_eq(end_submission(&others[i]), 1);
	ck_assert_uint_eq(end_submission(&one), 40);
	ck_assert_uint_eq(SEEN(n), 43);
	ASSERT_IN("a transaction in the database", one.err.text);
	WAIT_UNTIL(slots_in(JOB_STORING) + slots_in(JOB_FILLING) == 0);
	one.requests[40].unique = NULL;
	submit_all();
	ck_assert_uint_eq(one.done, 100);
}
END_TEST

/* More than go into a turn: the rest of the call is not stored with the next one. */
START_TEST(one_that_is_busy_takes_the_next_turn_along)
{
	static struct submission calls[3];

	FAKE(fake.shut = true);
	prepare(&one, 1);
	start_submission(&one);
	WAIT_UNTIL(SEEN(inside) == 1);
	for (size_t i = 0; i < COUNT(calls); i++) {
		prepare(&calls[i], 250);
		if (i == 2)
			calls[i].requests[CLERK_SUBMITS - 500 - 1].unique = FAKE_BUSY;
		start_submission(&calls[i]);
		WAIT_UNTIL(slots_in(JOB_STORING) == 1 + 250 * (i + 1));
	}
	FAKE(fake.shut = false);
	end_submission(&one);
	ck_assert_uint_eq(end_submission(&calls[0]), 250);
	ck_assert_uint_eq(end_submission(&calls[1]), 250);
	ck_assert_uint_eq(end_submission(&calls[2]), CLERK_SUBMITS - 500 - 1);
	ck_assert_uint_eq(SEEN(n), 1 + CLERK_SUBMITS - 1);
	WAIT_UNTIL(slots_in(JOB_STORING) + slots_in(JOB_FILLING) == 0);
}
END_TEST

#define TAKEN 200

static struct submit_filled filled[TAKEN], seen_by_clerk[TAKEN];
static _Atomic uint64_t start;

/* As the clerk does it: the first one first, each if it is still there. */
static void *seize_all(void *arg)
{
	while (ym_now_ns() < atomic_load(&start))
		;
	for (size_t i = 0; i < TAKEN; i++) {
		const struct submit_filled *it = &seen_by_clerk[i];
		uint64_t word = it->word;

		while (word_state(word) == JOB_STORING && word_gen(word) == word_gen(it->word) &&
		       !table_cas(yard.table, it->slot, &word, word | JOB_TAKEN))
			;
	}
	return arg;
}

static bool was_taken(size_t i)
{
	uint64_t word = atomic_load(&yard.table->words[filled[i].slot]);

	return word_state(word) == JOB_STORING && (word_flags(word) & JOB_TAKEN);
}

/* The clerk comes for them at the moment in which they are taken back: it gets a first part, without a gap. */
static size_t take_back_some(void)
{
	size_t taken = 0;
	pthread_t thread;
	struct ym_err why;

	prepare(&one, TAKEN);
	for (size_t i = 0; i < TAKEN; i++)
		ASSERT_OK(submit_stage_one(&yard, &one.requests[i], &filled[i], &err));
	memcpy(seen_by_clerk, filled, sizeof(filled));
	atomic_store(&start, ym_now_ns() + 200000);
	ck_assert_int_eq(pthread_create(&thread, NULL, seize_all, NULL), 0);
	for (uint64_t end = atomic_load(&start) + random_below(30000) - 20000; ym_now_ns() < end;)
		;
	submit_await(&yard, filled, TAKEN, 0, &why);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	while (taken < TAKEN && was_taken(taken))
		taken++;
	for (size_t i = taken; i < TAKEN; i++)
		ck_assert_msg(!was_taken(i), "number %zu is taken, %zu is not", i, taken);
	for (size_t i = 0; i < TAKEN; i++)
		stage_answer(&yard, filled[i].slot, filled[i].word);
	return taken;
}

START_TEST(what_is_taken_back_is_a_last_part)
{
	size_t parts = 0;

	ck_assert(end_clerk(true));
	for (uint64_t end = ym_deadline(PATIENCE_MS); parts < 20 && ym_now_ns() < end;) {
		size_t taken = take_back_some();

		parts += taken > 0 && taken < TAKEN;
		ck_assert_uint_eq(slots_in(JOB_FREE), yard.table->slots);
	}
	ck_assert_uint_gt(parts, 0);
}
END_TEST

START_TEST(nobody_there)
{
	struct job_request request = request_of("x");
	struct submit_pending pending;
	struct job_ref ref;

	ck_assert(end_clerk(true));
	ASSERT_OK(submit_begin(&yard, &request, &pending, &err));
	ck_assert_int_eq(submit_end(&yard, &pending, false, &ref, &err), 2);
	ASSERT_ERR(submit_end(&yard, &pending, true, &ref, &err), YM_ERR_NOT_RUNNING);
	ck_assert_uint_eq(slots_in(JOB_FREE), yard.table->slots);
	open_clerk();
	ASSERT_OK(submit_begin(&yard, &request, &pending, &err));
	WAIT_UNTIL(submit_end(&yard, &pending, false, &ref, &err) == 0);
	ck_assert_uint_eq(ref.id, pending.id);
	/* Asked again it says the same. */
	ck_assert_int_eq(submit_end(&yard, &pending, false, &ref, &err), 0);
	request.unique = "k";
	submit_unique("k");
	ASSERT_OK(submit_begin(&yard, &request, &pending, &err));
	WAIT_UNTIL(submit_end(&yard, &pending, false, &ref, &err) == 1);
	ck_assert_uint_ne(ref.id, 0);
	request.level = 77;
	ASSERT_ERR(submit_begin(&yard, &request, &pending, &err), YM_ERR_USAGE);
}
END_TEST

/* A job of an earlier run: as it was, with the number that the backlog has chosen for it. */
START_TEST(jobs_of_a_backlog)
{
	struct job_past past = {
	    .id = 4, .attempt = 2, .attempts = 5, .crashes = 1, .state = JOB_BURIED, .error = "why"};
	struct job_request request = request_of("x");
	struct job_ref ref;
	struct fake_job stored;

	request.past = &past;
	submit("first");
	ref = submit_request(request);
	ck_assert_uint_eq(ref.id, 4);
	stored = in_store(ref.id);
	ck_assert_int_eq(stored.job.state, JOB_BURIED);
	ck_assert_uint_eq(stored.job.attempt, 2);
	ck_assert_uint_eq(stored.job.attempts, 5);
	ck_assert_uint_eq(stored.job.crashes, 1);
	ck_assert_str_eq(stored.job.error, "why");
	ck_assert(!stored.job.held);
	past.state = JOB_READY;
	ref = submit_request(request);
	ck_assert_uint_eq(in_store(ref.id).job.attempt, 2);
}
END_TEST

/* A submitter that is killed at any moment has submitted it or not. */
static void submit_for_ever(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	tell_step();
	for (;;) {
		struct job_request requests[40];
		struct job_ref refs[40];

		for (size_t i = 0; i < 40; i++)
			requests[i] = request_of("x");
		MUST(submit_jobs(&mine, requests, 40, refs, NULL, &err) > 0);
	}
}

static size_t undone(void)
{
	size_t n = 0;

	FAKE(for (size_t i = 0; i < fake.n; i++) n += fake.jobs[i].job.state != JOB_DONE);
	return n;
}

START_TEST(killed_submitters_leave_nothing_behind)
{
	/* The fake has room for so many only. */
	for (int i = 0; i < 15 && SEEN(n) < FAKE_JOBS / 2; i++) {
		pid_t child = spawn(submit_for_ever, NULL);
		uint64_t end;

		await_step();
		for (end = ym_now_ns() + random_below(8000000); ym_now_ns() < end && SEEN(n) < FAKE_JOBS / 2;)
			run_one(STORY_DONE);
		kill_and_reap(child);
		run_sweep();
	}
	WAIT_UNTIL((run_sweep(), slots_in(JOB_STORING) + slots_in(JOB_FILLING)) == 0);
	/* All that the store has comes to its end, and once. */
	WAIT_UNTIL((run_one(STORY_DONE), undone()) == 0);
	WAIT_UNTIL(nothing_owed());
	ck_assert_uint_gt(SEEN(n), 0);
	ck_assert_uint_eq(SEEN(lost), 0);
	ck_assert_uint_eq(residents(), 0);
}
END_TEST

static void begin_large_stored(void)
{
	begin_stored_of(2048);
	open_clerk();
}

int main(void)
{
	Suite *suite = suite_create("submit_stored");
	TCase *tcase = stored_case(suite, "submit", begin_stored);

	tcase_add_test(tcase, many_are_stored);
	tcase_add_test(tcase, ids_and_not_slots_make_the_order);
	tcase_add_test(tcase, keys_that_exist);
	tcase_add_test(tcase, a_bad_one_ends_a_call);
	tcase_add_test(tcase, a_refused_transaction_ends_a_call);
	tcase_add_test(tcase, one_that_is_refused_takes_those_behind_it_along);
	tcase_add_test(tcase, one_that_is_busy_takes_those_behind_it_along);
	tcase_add_test(tcase, what_is_taken_back_is_a_last_part);
	tcase_add_test(tcase, nobody_there);
	tcase_add_test(tcase, jobs_of_a_backlog);
	tcase_add_test(tcase, killed_submitters_leave_nothing_behind);
	tcase = stored_case(suite, "large", begin_large_stored);
	tcase_add_test(tcase, one_that_is_busy_takes_the_next_turn_along);
	return run_suite(suite);
}
