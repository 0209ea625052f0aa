/*
 * test_backlog.c - unfinished jobs outlive their generation, in a file.
 */
#include <sys/sem.h>

#include "../../ipc/guardian.h"
#include "backlogs.h"

/* ---- round trips ----------------------------------------------------------------------------- */

START_TEST(payloads_come_back)
{
	static const size_t sizes[] = {0, 1, 448, 449, 1 << 20};
	char *bytes = malloc(1 << 20);

	for (size_t i = 0; i < 1 << 20; i++)
		bytes[i] = (char)(i * 5 + i / 256);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct job_request request = request_of("");

		request.payload = (struct payload_source){.data = bytes, .size = sizes[i]};
		submit_request(request);
	}
	next_generation(16);
	ck_assert_uint_eq(count_backlogs(), 1);
	load(COUNT(sizes), 0, 0);
	ck_assert_uint_eq(count_backlogs(), 0);
	ck_assert_int_eq(told, 0);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct job_ref ref = find(i + 1);
		struct payload loaded;

		ASSERT_OK(payload_open(directory, job_of(ref), ref.slot, &loaded, &err));
		ck_assert_uint_eq(loaded.size, sizes[i]);
		ck_assert(memcmp(loaded.data, bytes, loaded.size) == 0);
		payload_close(&loaded);
		run_job(ref, STORY_DONE);
	}
	free(bytes);
}
END_TEST

START_TEST(all_about_a_job_comes_back)
{
	struct job_request request = request_of("a"), again = request_of("b");
	struct job_ref ref, other;
	const struct job_sh *job;

	request.tag = "mine";
	request.unique = again.unique = "key";
	request.level = 8;
	request.keep = true;
	request.timeout_ms = 4321;
	request.reply = (struct job_reply){-5, INT64_C(1) << 40, 3};
	atomic_store(&pool_row()->attempts, 7);
	ref = submit_request(request);
	finish(ref, claim_this(ref), STORY_CRASHED);
	next_generation(16);
	atomic_store(&pool_row()->timeout_ms, 9);
	load(1, 0, 0);

	ref = find(ref.id);
	job = job_of(ref);
	ck_assert_uint_eq(word_of(ref), word_make(ref.gen, JOB_READY, 0, 1, JOB_KEEP | JOB_REPLY));
	ck_assert_str_eq(job->tag, "mine");
	ck_assert_uint_eq(job->level, 8);
	ck_assert_uint_eq(job->attempts, 7);
	ck_assert_uint_eq(job->crashes, 1);
	ck_assert_int_eq(job->timeout_ms, 4321);
	ck_assert_int_eq(job->reply_key, -5);
	ck_assert_int_eq(job->reply_type, INT64_C(1) << 40);
	ck_assert_uint_eq(job->reply_form, 3);
	ck_assert_str_eq(job->error, "no luck");
	ck_assert_str_eq((const char *)job->payload, "a");
	ck_assert_int_eq(submit_job(&yard, &again, &other, &err), 1);
	ck_assert_uint_eq(other.id, ref.id);
	claim_this(ref);
}
END_TEST

/* No limit of its own is no "as the pool says". */
START_TEST(a_job_without_a_timeout_has_none_later)
{
	struct job_request request = request_of("x");
	struct job_ref ref;

	request.timeout_ms = 0;
	ref = submit_request(request);
	next_generation(16);
	atomic_store(&pool_row()->timeout_ms, 9);
	load(1, 0, 0);
	ck_assert_int_eq(job_of(find(ref.id))->timeout_ms, 0);
	ck_assert_str_eq(job_of(find(ref.id))->tag, "");
	ck_assert_str_eq(job_of(find(ref.id))->unique, "");
}
END_TEST

START_TEST(running_jobs_count_as_crashed)
{
	struct job_ref running = submit("a"), finishing = submit("b"), fixing = submit("c"), returned = submit("d");

	claim_this(running);
	claim_this(finishing);
	put_word(finishing, JOB_FINISHING, 0, 1);
	claim_this(fixing);
	put_word(fixing, JOB_FIXING, 0, 1);
	dispatch_return(&yard, returned.slot, claim_this(returned));
	next_generation(16);
	load(4, 0, 0);
	ck_assert_uint_eq(word_attempt(word_of(find(running.id))), 1);
	ck_assert_uint_eq(job_of(find(running.id))->crashes, 1);
	ck_assert_uint_eq(job_of(find(finishing.id))->crashes, 1);
	ck_assert_uint_eq(word_attempt(word_of(find(fixing.id))), 1);
	ck_assert_uint_eq(job_of(find(fixing.id))->crashes, 0);
	ck_assert_uint_eq(word_attempt(word_of(find(returned.id))), 0);
	ck_assert_uint_eq(job_of(find(returned.id))->crashes, 0);
}
END_TEST

START_TEST(delays_go_on)
{
	struct job_ref later = submit_delayed(60000), passed = submit_delayed(60000), at, at_passed;
	struct job_request request = request_of("x");
	int64_t moment = (int64_t)time(NULL) * 1000 + 60000;

	request.at_ms = moment;
	at = submit_request(request);
	at_passed = submit_request(request);
	set_due(passed, 1);
	job_of(at_passed)->at_ms = 5;
	next_generation(16);
	load(4, 0, 0);
	later = find(later.id);
	ck_assert_int_eq(state_of(later), JOB_DELAYED);
	ck_assert_uint_gt(job_of(later)->due, ym_now_ns() + UINT64_C(50000000000));
	ck_assert_uint_lt(job_of(later)->due, ym_now_ns() + UINT64_C(60000000000));
	ck_assert_int_eq(job_of(later)->at_ms, 0);
	at = find(at.id);
	ck_assert_int_eq(state_of(at), JOB_DELAYED);
	ck_assert_int_eq(job_of(at)->at_ms, moment);
	ck_assert_int_eq(state_of(find(passed.id)), JOB_READY);
	ck_assert_int_eq(state_of(find(at_passed.id)), JOB_READY);
	claim_this(find(passed.id));
	claim_this(find(at_passed.id));
}
END_TEST

START_TEST(buried_jobs_stay_buried)
{
	struct job_ref ref = submit_unique("key"), other;

	atomic_store(&pool_row()->crashes, 1);
	ck_assert_int_eq(finish(ref, claim_this(ref), STORY_CRASHED), JOB_BURIED);
	next_generation(16);
	atomic_store(&yard.table->result_ttl_ns, 0);
	load(1, 0, 0);
	run_sweep();
	ref = find(ref.id);
	ck_assert_uint_eq(word_of(ref), word_make(ref.gen, JOB_BURIED, 0, 1, 0));
	ck_assert_str_eq(job_of(ref)->error, "no luck");
	ck_assert_uint_eq(job_of(ref)->crashes, 1);
	/* Its key is free until it is kicked. */
	other = submit_unique("key");
	run_job(other, STORY_DONE);
	ASSERT_OK(dispatch_kick(&yard, ref, &err));
	claim_this(ref);
}
END_TEST

START_TEST(a_draining_pool_takes_old_jobs)
{
	struct job_ref ref = submit("x");

	next_generation(16);
	atomic_store(&pool_row()->mode, POOL_DRAINING);
	load(1, 0, 0);
	claim_this(find(ref.id));
}
END_TEST

START_TEST(what_is_over_stays_away)
{
	struct job_ref done = submit("a"), cancelled = submit("b"), stopping = submit("c");
	uint64_t word;

	run_job(done, STORY_DONE);
	ASSERT_OK(dispatch_cancel(&yard, cancelled, &err));
	claim_this(stopping);
	ASSERT_OK(dispatch_cancel(&yard, stopping, &err));
	ck_assert_int_ge(table_take(yard.table, 0, &word), 0);
	next_generation(16);
	ck_assert_uint_eq(count_backlogs(), 0);
	load(0, 0, 0);
}
END_TEST

/* Not to be run again, but not to be forgotten in silence either. */
START_TEST(the_last_attempt_was_cut_short)
{
	struct job_ref ref;

	atomic_store(&yard.table->pools[pool].attempts, 1);
	ref = submit("x");
	claim_this(ref);
	next_generation(16);
	load(1, 0, 0);
	ref = find(ref.id);
	ck_assert_int_eq(state_of(ref), JOB_FAILED);
	ASSERT_IN("last attempt", job_of(ref)->error);
	ck_assert(!index_linked(&yard, ref.slot));
}
END_TEST

START_TEST(the_order_stays)
{
	uint64_t last = 0;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 50; i++)
			submit("x");
		next_generation(8192);
		load((unsigned)(round + 1) * 50, 0, 0);
	}
	for (int i = 0; i < 150; i++) {
		struct job_ref ref;
		uint64_t word;

		ck_assert(try_claim(&ref, &word));
		ck_assert_uint_eq(ref.id, ++last);
		atomic_store(&yard.table->words[ref.slot], 0);
	}
}
END_TEST

START_TEST(ids_are_not_used_twice)
{
	struct job_ref ref = submit("x");

	run_job(ref, STORY_DONE);
	ck_assert_uint_eq(submit("y").id, 2);
	next_generation(16);
	load(1, 0, 0);
	ck_assert_uint_eq(submit("z").id, 3);
	next_generation(16);
	ck_assert_uint_eq(submit("z").id, 4);
}
END_TEST

/* Killed one and all: the guardian, or the next one to join, writes the file. */
static void submit_and_die(void *arg)
{
	struct job_request request = request_of("x");
	struct instance mine;
	struct job_ref ref;

	(void)arg;
	join_yard(&mine);
	for (int i = 0; i < 5; i++)
		MUST(submit_job(&mine, &request, &ref, &err) == 0);
	kill(getpid(), SIGKILL);
}

static void guard(void *arg)
{
	struct ym_group_spec spec = {.salvage = instance_salvage};

	ASSERT_OK(ym_group_guard(*(int *)arg, &spec, &err));
}

START_TEST(the_guardian_keeps_the_jobs)
{
	int set = yard.group.semid;
	pid_t guardian = spawn(guard, &set);

	reap(spawn(submit_and_die, NULL));
	/* Our own end, without the leave. */
	ck_assert_int_eq(ym_semop_until(set, (struct sembuf[]){{YM_GROUP_USAGE, -1, SEM_UNDO}}, 1, YM_NEVER), 0);
	reap_well(guardian);
	instance_leave(&yard, NULL, &err);
	assert_nothing_left();
	yard_open(16);
	pool = add_pool("work");
	load(5, 0, 0);
}
END_TEST

/* ---- jobs that cannot be taken in ------------------------------------------------------------ */

START_TEST(jobs_of_an_unknown_pool_stay)
{
	unsigned work = pool, other = add_pool("other");

	submit("a");
	pool = other;
	submit("b");
	submit("c");
	pool = work;
	submit("d");
	next_generation(16);
	load(2, 2, 0);
	ck_assert_uint_eq(count_backlogs(), 1);
	ck_assert_str_eq((char *)job_of(find(1))->payload, "a");
	ck_assert_str_eq((char *)job_of(find(4))->payload, "d");
	load(0, 2, 0);
	other = add_pool("other");
	load(2, 0, 0);
	ck_assert_uint_eq(count_backlogs(), 0);
	ck_assert_uint_eq(job_of(find(2))->pool, other);
	ck_assert_str_eq((char *)job_of(find(3))->payload, "c");
	ck_assert_int_eq(told, 0);
}
END_TEST

START_TEST(a_table_that_is_too_small)
{
	for (int i = 0; i < 10; i++)
		submit("x");
	next_generation(4);
	load(4, 0, 6);
	ck_assert_uint_eq(count_backlogs(), 1);
	for (uint64_t id = 1; id <= 10; id++) {
		struct job_ref ref;
		uint64_t word;

		ck_assert(try_claim(&ref, &word));
		ck_assert_uint_eq(ref.id, id);
		finish(ref, word, STORY_DONE);
		backlog_load(&yard, 0, &result, tell);
	}
	ck_assert_uint_eq(count_backlogs(), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("backlog");
	TCase *tcase;

	tcase = yard_case(suite, "backlog", begin_yard);
	tcase_add_test(tcase, payloads_come_back);
	tcase_add_test(tcase, all_about_a_job_comes_back);
	tcase_add_test(tcase, a_job_without_a_timeout_has_none_later);
	tcase_add_test(tcase, running_jobs_count_as_crashed);
	tcase_add_test(tcase, delays_go_on);
	tcase_add_test(tcase, buried_jobs_stay_buried);
	tcase_add_test(tcase, a_draining_pool_takes_old_jobs);
	tcase_add_test(tcase, what_is_over_stays_away);
	tcase_add_test(tcase, the_last_attempt_was_cut_short);
	tcase_add_test(tcase, ids_are_not_used_twice);
	tcase_add_test(tcase, the_guardian_keeps_the_jobs);
	tcase_add_test(tcase, jobs_of_an_unknown_pool_stay);
	tcase_add_test(tcase, a_table_that_is_too_small);
	tcase = yard_case(suite, "many", begin_large_yard);
	tcase_add_test(tcase, the_order_stays);
	return run_suite(suite);
}
