/* test_submit.c - jobs come in whole or not at all, alone and by the thousand, each key once. */
#include <sys/mman.h>

#include "../../runtime/bell.h"
#include "yard.h"

static void expect_refused(const struct job_request *request, enum ym_err_class class, const char *text)
{
	struct job_ref ref;

	ASSERT_ERR(submit_job(&yard, request, &ref, &err), class);
	ASSERT_IN(text, err.text);
	ck_assert_uint_eq(slots_in(JOB_FREE), yard.table->slots);
	ck_assert_uint_eq(pool_row()->ready, 0);
	ck_assert_uint_eq(count_files("jobs"), 0);
}

static uint64_t unix_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* ---- what a job has -------------------------------------------------------------------------- */

START_TEST(what_was_asked_for)
{
	struct job_request request = {
	    .pool = pool,
	    .payload = {.data = "hello", .size = 5},
	    .tag = "invoice 17",
	    .unique = "customer 4",
	    .level = 3,
	    .keep = true,
	    .delay_ms = 60000,
	    .at_ms = 1000,
	    .timeout_ms = 1234,
	    .reply = {-77, INT64_C(1) << 40, 2},
	};
	uint64_t before = ym_now_ns();
	struct job_ref ref = submit_request(request);
	const struct job_sh *job = job_of(ref);

	ck_assert_uint_eq(ref.id, 1);
	ck_assert_uint_eq(word_of(ref), word_make(ref.gen, JOB_DELAYED, 0, 0, JOB_KEEP | JOB_REPLY));
	ck_assert_uint_eq(job->id, 1);
	ck_assert_uint_eq(job->pool, pool);
	ck_assert_uint_eq(job->payload_size, 5);
	ck_assert_mem_eq(job->payload, "hello", 6);
	ck_assert_str_eq(job->tag, "invoice 17");
	ck_assert_str_eq(job->unique, "customer 4");
	ck_assert_uint_eq(job->level, 3);
	ck_assert_int_eq(job->timeout_ms, 1234);
	ck_assert_int_eq(job->at_ms, 1000);
	ck_assert_int_eq(job->reply_key, -77);
	ck_assert_int_eq(job->reply_type, INT64_C(1) << 40);
	ck_assert_uint_eq(job->reply_form, 2);
	ck_assert_uint_ge(job->submitted, before);
	ck_assert_uint_le(job->submitted, ym_now_ns());
	ck_assert_uint_eq(job->due, job->submitted + UINT64_C(60000000000));
}
END_TEST

START_TEST(what_the_pool_says)
{
	const struct job_sh *job;
	struct job_ref ref;

	atomic_store(&pool_row()->attempts, 7);
	atomic_store(&pool_row()->level, 8);
	atomic_store(&pool_row()->timeout_ms, 4000);
	ref = submit("x");
	job = job_of(ref);
	ck_assert_uint_eq(word_of(ref), word_make(ref.gen, JOB_READY, 0, 0, 0));
	ck_assert_uint_eq(job->attempts, 7);
	ck_assert_uint_eq(job->crashes, 0);
	ck_assert_uint_eq(job->level, 8);
	ck_assert_int_eq(job->timeout_ms, 4000);
	ck_assert_uint_eq(job->ready, job->submitted);
	ck_assert_str_eq(job->tag, "");
	ck_assert_str_eq(job->unique, "");
	ck_assert_str_eq(job->error, "");
	ck_assert_int_eq(job->reply_key, 0);
}
END_TEST

/* Nothing of the job that had the slot before. */
START_TEST(a_slot_is_filled_anew)
{
	struct job_report report = {.end = STORY_FAILED, .error = "bad luck", .done = 3, .total = 4, .unit = "rows"};
	struct job_request request = request_of("old");
	struct job_ref old, fresh;
	enum job_state became;
	const struct job_sh *job;

	request.tag = request.unique = "old";
	request.timeout_ms = 1;
	old = submit_request(request);
	ck_assert(dispatch_finish(&yard, old.slot, claim_this(old), &report, &became));
	atomic_store(&yard.table->position, old.slot);
	fresh = submit("");
	job = job_of(fresh);
	ck_assert_uint_eq(fresh.slot, old.slot);
	ck_assert_uint_eq(fresh.gen, old.gen + 1);
	ck_assert_uint_eq(job->payload_size, 0);
	ck_assert_str_eq((const char *)job->payload, "");
	ck_assert_str_eq(job->tag, "");
	ck_assert_str_eq(job->unique, "");
	ck_assert_str_eq(job->error, "");
	ck_assert_str_eq(job->unit, "");
	ck_assert_uint_eq(job->done + job->total, 0);
	ck_assert_uint_eq(job->told, 0);
	ck_assert_int_eq(job->timeout_ms, 0);
	ck_assert_uint_eq(job->deadline, 0);
}
END_TEST

START_TEST(a_job_with_a_past)
{
	static const enum job_state states[] = {JOB_READY, JOB_FAILED, JOB_BURIED};

	atomic_store(&pool_row()->mode, POOL_DRAINING);
	for (unsigned i = 0; i < COUNT(states); i++) {
		const struct job_past past = {
		    .id = 900 + i, .attempt = 2, .attempts = 9, .crashes = 1, .state = states[i], .error = "as before"};
		struct job_request request = request_of("x");
		struct job_ref ref;

		request.past = &past;
		request.unique = "one key";
		ref = submit_request(request);
		ck_assert_uint_eq(ref.id, 900 + i);
		ck_assert_uint_eq(word_of(ref), word_make(ref.gen, states[i], 0, 2, 0));
		ck_assert_uint_eq(job_of(ref)->attempts, 9);
		ck_assert_uint_eq(job_of(ref)->crashes, 1);
		ck_assert_str_eq(job_of(ref)->error, "as before");
		ck_assert_int_eq(index_linked(&yard, ref.slot), states[i] == JOB_READY);
		if (states[i] == JOB_READY)
			ASSERT_OK(dispatch_cancel(&yard, ref, &err));
	}
	ck_assert_uint_eq(yard.table->next_id, 1);
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------- */

START_TEST(too_much_is_refused)
{
	struct job_request request = request_of("x");
	char text[JOB_UNIQUE_MAX + 1];

	request.payload.size = PAYLOAD_MAX + 1;
	expect_refused(&request, YM_ERR_USAGE, "4194304");
	request.payload.size = 1;
	request.level = INDEX_LEVELS;
	expect_refused(&request, YM_ERR_USAGE, "priority 10: it must be 0 (most urgent) to 9");
	request.level = -2;
	expect_refused(&request, YM_ERR_USAGE, "priority -2");
	request.level = 9;
	memset(text, 't', sizeof(text));
	text[JOB_TAG_MAX] = '\0';
	request.tag = text;
	expect_refused(&request, YM_ERR_USAGE, "the tag \"tttttttttttttttttttt...\" is longer than 47 bytes");
	text[JOB_TAG_MAX - 1] = '\0';
	ck_assert_str_eq(job_of(submit_request(request))->tag, text);
}
END_TEST

START_TEST(a_long_key_is_refused)
{
	struct job_request request = request_of("x");
	char text[JOB_UNIQUE_MAX + 1];

	memset(text, 'u', sizeof(text));
	text[JOB_UNIQUE_MAX] = '\0';
	request.unique = text;
	expect_refused(&request, YM_ERR_USAGE, "the unique key \"uuuuuuuuuuuuuuuuuuuu...\" is longer than 63 bytes");
	text[JOB_UNIQUE_MAX - 1] = '\0';
	ck_assert_str_eq(job_of(submit_request(request))->unique, text);
}
END_TEST

START_TEST(a_draining_pool_takes_nothing)
{
	struct job_request request = request_of("x");

	atomic_store(&pool_row()->mode, POOL_DRAINING);
	expect_refused(&request, YM_ERR_NO, "pool work is being drained");
	ASSERT_IN("yardmaster resume", err.text);
	atomic_store(&pool_row()->mode, POOL_PAUSED);
	submit_request(request);
}
END_TEST

START_TEST(a_payload_that_cannot_be_stored)
{
	static char bytes[JOB_PAYLOAD_MAX + 1];
	struct job_request request = request_of("x");
	struct job_ref ref;
	char path[PATH_MAX];

	join_path(path, "jobs");
	ck_assert_int_eq(rmdir(path), 0);
	request.payload = (struct payload_source){.data = bytes, .size = sizeof(bytes)};
	ck_assert_int_eq(submit_job(&yard, &request, &ref, &err), -1);
	ASSERT_IN(path, err.text);
	ck_assert_uint_eq(slots_in(JOB_FREE), yard.table->slots);
	ck_assert_uint_eq(pool_row()->ready, 0);
}
END_TEST

/* ---- time ------------------------------------------------------------------------------------ */

/* Has the master been rung for since the last time? */
static bool rung(int bell)
{
	char letter;
	bool was = read(bell, &letter, 1) == 1;

	bell_clear(bell);
	return was;
}

START_TEST(not_before_its_time)
{
	int bell = bell_open(directory, &err);
	struct job_request request = request_of("x");
	struct job_ref ref;

	ck_assert_int_ge(bell, 0);
	ck_assert_int_eq(state_of(submit_request(request)), JOB_READY);
	ck_assert(!rung(bell));
	request.delay_ms = 1;
	ck_assert_int_eq(state_of(submit_request(request)), JOB_DELAYED);
	ck_assert(rung(bell));
	request.delay_ms = 0;
	request.at_ms = (int64_t)unix_ms() + 60000;
	ref = submit_request(request);
	ck_assert_int_eq(state_of(ref), JOB_DELAYED);
	ck_assert(!index_linked(&yard, ref.slot));
	ck_assert(rung(bell));
	request.at_ms = (int64_t)unix_ms() - 60000;
	ck_assert_int_eq(state_of(submit_request(request)), JOB_READY);
	ck_assert(!rung(bell));
	/* Somebody has to look at the clock for this one, too. */
	request.timeout_ms = 5;
	submit_request(request);
	ck_assert(rung(bell));
	close(bell);
}
END_TEST

/* ---- unique keys ----------------------------------------------------------------------------- */

static int submit_again(const char *key, struct job_ref *ref)
{
	struct job_request request = request_of("again");

	request.unique = key;
	return submit_job(&yard, &request, ref, &err);
}

static void expect_known(struct job_ref first)
{
	uint32_t free = slots_in(JOB_FREE);
	struct job_ref ref;

	ck_assert_int_eq(submit_again("key", &ref), 1);
	ck_assert_uint_eq(ref.id, first.id);
	ck_assert_uint_eq(ref.slot, first.slot);
	ck_assert_uint_eq(ref.gen, first.gen);
	/* The slot that was taken for it is free again: nothing of the second one is left. */
	ck_assert_uint_eq(slots_in(JOB_FREE) + slots_in(JOB_DONE) + slots_in(JOB_CANCELLED) + slots_in(JOB_BURIED),
	                  yard.table->slots - 1);
	ck_assert_uint_ge(slots_in(JOB_FREE), free);
	ck_assert_str_eq((char *)job_of(first)->payload, "once");
}

START_TEST(once_while_it_waits_or_runs)
{
	struct job_request request = request_of("once");
	struct job_ref first;
	uint64_t word;

	request.unique = "key";
	request.delay_ms = 100000;
	first = submit_request(request);
	expect_known(first);
	set_due(first, 1);
	run_sweep();
	ck_assert_int_eq(state_of(first), JOB_READY);
	expect_known(first);
	word = claim_this(first);
	expect_known(first);
	finish(first, word, STORY_RETRY);
	ck_assert_int_eq(state_of(first), JOB_DELAYED);
	expect_known(first);
	set_due(first, 1);
	run_sweep();
	run_job(first, STORY_DONE);
	ck_assert_uint_ne(submit_unique("key").id, first.id);
}
END_TEST

START_TEST(free_again_when_it_is_over)
{
	for (int way = 0; way < 5; way++) {
		struct job_ref ref, next = submit_unique("key");

		ck_assert_int_eq(submit_again("key", &ref), 1);
		if (way == 0)
			run_job(next, STORY_DONE);
		else if (way == 1)
			run_job(next, STORY_FAILED);
		else if (way == 2)
			ASSERT_OK(dispatch_cancel(&yard, next, &err));
		else if (way == 3)
			ASSERT_OK(dispatch_bury(&yard, next, &err));
		else
			ASSERT_OK(dispatch_delete(&yard, next, &err));
		ck_assert_msg(submit_again("key", &ref) == 0, "way %d", way);
		run_job(ref, STORY_DONE);
	}
}
END_TEST

struct race {
	_Atomic unsigned ready; /* processes that wait for the start of the round */
	_Atomic unsigned round;
	_Atomic unsigned accepted, known;
	_Atomic uint64_t id_sum;
};
static struct race *race;

#define RACERS 4
#define RACES  300

static void submit_in_a_race(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	for (unsigned round = 1; round <= RACES; round++) {
		struct job_request request = request_of("x");
		struct job_ref ref;
		char key[16];
		int result;

		snprintf(key, sizeof(key), "race %u", round);
		request.unique = key;
		atomic_fetch_add(&race->ready, 1);
		while (atomic_load(&race->round) < round)
			;
		result = submit_job(&mine, &request, &ref, &err);
		MUST(result >= 0);
		atomic_fetch_add(&race->id_sum, ref.id);
		atomic_fetch_add(result ? &race->known : &race->accepted, 1);
	}
	leave_yard(&mine);
}

START_TEST(one_of_four_at_once)
{
	pid_t children[RACERS];

	race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < RACERS; i++)
		children[i] = spawn(submit_in_a_race, NULL);
	for (unsigned round = 1; round <= RACES; round++) {
		struct job_ref ref;
		uint64_t word;

		WAIT_UNTIL(atomic_load(&race->ready) == RACERS * round);
		atomic_store(&race->id_sum, 0);
		atomic_store(&race->round, round);
		WAIT_UNTIL(atomic_load(&race->accepted) + atomic_load(&race->known) == RACERS * round);
		ck_assert_uint_eq(race->accepted, round);
		ck_assert(try_claim(&ref, &word));
		ck_assert_uint_eq(race->id_sum, RACERS * ref.id);
		finish(ref, word, STORY_DONE);
		ck_assert(!try_claim(&ref, &word));
	}
	for (size_t i = 0; i < RACERS; i++)
		reap_well(children[i]);
	ck_assert_uint_eq(slots_in(JOB_FILLING), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("submit");
	TCase *tcase;

	tcase = yard_case(suite, "submit", begin_yard);
	tcase_add_test(tcase, what_was_asked_for);
	tcase_add_test(tcase, what_the_pool_says);
	tcase_add_test(tcase, a_slot_is_filled_anew);
	tcase_add_test(tcase, a_job_with_a_past);
	tcase_add_test(tcase, too_much_is_refused);
	tcase_add_test(tcase, a_long_key_is_refused);
	tcase_add_test(tcase, a_draining_pool_takes_nothing);
	tcase_add_test(tcase, a_payload_that_cannot_be_stored);
	tcase_add_test(tcase, not_before_its_time);
	tcase_add_test(tcase, once_while_it_waits_or_runs);
	tcase_add_test(tcase, free_again_when_it_is_over);
	tcase_add_test(tcase, one_of_four_at_once);
	return run_suite(suite);
}
