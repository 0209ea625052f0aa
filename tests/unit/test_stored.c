/* test_stored.c - a job from its slot to a store, and back. */
#include "../../runtime/stored.h"
#include "yard.h"

static struct stored_clock at;

static void begin_stored(void)
{
	begin_yard();
	yard.table->store = 1;
	at = stored_clock_now(&(struct stored_clock){0});
}

/* ---- clocks ------------------------------------------------------------------------------------ */

START_TEST(moments_go_there_and_back)
{
	static const int64_t aparts[] = {0, 1, 1700000000000000000, 1234567891};

	ck_assert_int_eq(stored_to_unix(&at, 0), 0);
	ck_assert_uint_eq(stored_from_unix(&at, 0), 0);
	ck_assert_int_eq(stored_to_unix(&at, at.now), at.unix_ms);
	for (size_t i = 0; i < COUNT(aparts); i++) {
		struct stored_clock clock = {.now = UINT64_C(5000000000), .apart_ns = aparts[i]};

		for (uint64_t moment = 999999; moment < UINT64_C(20000000000000); moment = moment * 7 / 2) {
			int64_t unix_ms = stored_to_unix(&clock, moment);
			uint64_t back = stored_from_unix(&clock, unix_ms);

			if (unix_ms == 0)
				continue;
			ck_assert_uint_le(back, moment);
			ck_assert_uint_lt(moment - back, 1000000);
			if (back > 1)
				ck_assert_int_eq(stored_to_unix(&clock, back), unix_ms);
		}
	}
}
END_TEST

/* A store knows times that this machine has not lived through, and such as it never will. */
START_TEST(moments_before_the_start)
{
	ck_assert_uint_eq(stored_from_unix(&at, 1), 1);
	ck_assert_uint_eq(stored_from_unix(&at, at.unix_ms - (int64_t)(at.now / 1000000) - 1000), 1);
	ck_assert_uint_eq(stored_from_unix(&at, -5), 1);
	ck_assert_uint_eq(stored_from_unix(&at, INT64_MIN), 1);
	ck_assert_uint_gt(stored_from_unix(&at, INT64_MAX), at.now + UINT64_C(3600000000000));
	ck_assert_uint_gt(stored_from_unix(&at, at.unix_ms + 5000), at.now);
}
END_TEST

/* Later is later, whichever turn looks at it. */
START_TEST(the_clocks_stay_together)
{
	struct stored_clock clock = at;
	int64_t first = stored_to_unix(&clock, at.now);

	for (int i = 0; i < 2000; i++) {
		clock = stored_clock_now(&clock);
		ck_assert_int_eq(clock.apart_ns, at.apart_ns);
		ck_assert_int_eq(stored_to_unix(&clock, at.now), first);
	}
	/* Somebody has set the clock. */
	clock.apart_ns += INT64_C(3600000000000);
	clock = stored_clock_now(&clock);
	ck_assert_int_lt(llabs(clock.apart_ns - at.apart_ns), INT64_C(1000000000));
	ck_assert_int_le(llabs(clock.unix_ms - ym_unix_ms()), 1000);
}
END_TEST

/* ---- out --------------------------------------------------------------------------------------- */

static struct job_sh *fill_job(uint32_t slot)
{
	struct job_sh *job = table_job(yard.table, slot);

	job->id = 42;
	job->pool = (uint16_t)pool;
	job->level = 3;
	job->attempts = 9;
	job->crashes = 2;
	job->timeout_ms = 1234;
	job->done = 5;
	job->total = 6;
	job->reply_key = 7;
	job->reply_type = 8;
	job->reply_form = 1;
	strcpy(job->unit, "rows");
	strcpy(job->tag, "tag");
	strcpy(job->unique, "unique");
	strcpy(job->error, "error");
	job->told = 1;
	job->submitted = job->ready = at.now - 3000000000;
	job->started = at.now - 2000000000;
	job->finished = at.now - 1000000000;
	job->due = at.now + 4000000000;
	return job;
}

static struct store_job describe(uint64_t word)
{
	struct store_job job;

	stored_describe(&yard, &at, 0, word, &job);
	return job;
}

START_TEST(all_of_a_job_is_described)
{
	struct job_sh *job = fill_job(0);
	struct store_job out = describe(word_make(1, JOB_DONE, 0, 4, JOB_KEEP));

	ck_assert_uint_eq(out.id, 42);
	ck_assert_str_eq(out.pool, "work");
	ck_assert_int_eq(out.state, JOB_DONE);
	ck_assert(out.keep && !out.held);
	ck_assert_uint_eq(out.level, 3);
	ck_assert_uint_eq(out.attempt, 4);
	ck_assert_uint_eq(out.attempts, 9);
	ck_assert_uint_eq(out.crashes, 2);
	ck_assert_int_eq(out.timeout_ms, 1234);
	ck_assert_uint_eq(out.done, 5);
	ck_assert_uint_eq(out.total, 6);
	ck_assert_int_eq(out.reply_key, 7);
	ck_assert_int_eq(out.reply_type, 8);
	ck_assert_uint_eq(out.reply_form, 1);
	ck_assert_str_eq(out.unit, "rows");
	ck_assert_str_eq(out.tag, "tag");
	ck_assert_str_eq(out.unique, "unique");
	ck_assert_str_eq(out.error, "error");
	ck_assert_int_eq(out.submitted_ms, stored_to_unix(&at, job->submitted));
	ck_assert_int_eq(out.started_ms, stored_to_unix(&at, job->started));
	ck_assert_int_eq(out.finished_ms, stored_to_unix(&at, job->finished));
	ck_assert_int_eq(out.due_ms, 0);
	ck_assert_int_eq(out.rank, out.submitted_ms + 3 * (int64_t)(AGEING_NS / 1000000));
}
END_TEST

START_TEST(times_go_with_the_state)
{
	struct job_sh *job = fill_job(0);
	struct store_job out = describe(word_make(1, JOB_DELAYED, 0, 1, 0));

	ck_assert_int_eq(out.due_ms, stored_to_unix(&at, job->due));
	ck_assert_int_eq(out.finished_ms, 0);
	/* In the order of the pool from then on. */
	ck_assert_int_eq(out.rank, out.due_ms + 3 * (int64_t)(AGEING_NS / 1000000));
	/* The later one of both. */
	job->at_ms = out.due_ms + 777;
	ck_assert_int_eq(describe(word_make(1, JOB_DELAYED, 0, 1, 0)).due_ms, job->at_ms);
	/* One that is being stored: as it is to begin. */
	job->aim = JOB_DELAYED;
	ck_assert_int_eq(describe(word_make(1, JOB_STORING, 0, 0, 0)).state, JOB_DELAYED);
	job->aim = JOB_BURIED;
	ck_assert_int_gt(describe(word_make(1, JOB_STORING, 0, 0, 0)).finished_ms, 0);
	/* Without ageing levels are strict. */
	atomic_store(&pool_row()->ageing_ns, 0);
	ck_assert_int_ge(describe(word_make(1, JOB_READY, 0, 0, 0)).rank, 3 * STORE_STRICT_MS);
}
END_TEST

START_TEST(attempts_are_told_from_a_number_on)
{
	struct store_attempt attempts[STORY_ATTEMPTS];
	struct story_process process = {.status = 9, .output = "out", .note = "note"};

	for (uint8_t i = 1; i <= 4; i++) {
		struct story_attempt one = {.started = at.now - 2000000,
		                            .ended = at.now,
		                            .done = i,
		                            .total = 10,
		                            .pid = 100 + i,
		                            .attempt = i,
		                            .end = STORY_CRASHED,
		                            .unit = "u",
		                            .error = "e"};

		process.usage.ru_maxrss = 77;
		story_tell(table_story(yard.table, 2), 5, &one, &process);
	}
	ck_assert_uint_eq(stored_attempts(&yard, &at, 2, 5, 0, attempts), 4);
	ck_assert_uint_eq(stored_attempts(&yard, &at, 2, 5, 2, attempts), 2);
	ck_assert_uint_eq(attempts[0].number, 3);
	ck_assert_int_eq(attempts[1].end, STORY_CRASHED);
	ck_assert_int_eq(attempts[1].pid, 104);
	ck_assert_int_eq(attempts[1].status, 9);
	ck_assert_uint_eq(attempts[1].rss_kib, 77);
	ck_assert_uint_eq(attempts[1].done, 4);
	ck_assert_str_eq(attempts[1].unit, "u");
	ck_assert_str_eq(attempts[1].error, "e");
	ck_assert_int_eq(attempts[1].ended_ms, stored_to_unix(&at, at.now));
	ck_assert_uint_eq(stored_attempts(&yard, &at, 2, 5, 4, attempts), 0);
	/* Another job had the slot then. */
	ck_assert_uint_eq(stored_attempts(&yard, &at, 2, 6, 0, attempts), 0);
}
END_TEST

/* ---- in ---------------------------------------------------------------------------------------- */

static struct store_job a_job(void)
{
	struct store_job job = {.id = 99,
	                        .pool = "work",
	                        .state = JOB_READY,
	                        .keep = true,
	                        .level = 4,
	                        .attempt = 2,
	                        .attempts = 6,
	                        .crashes = 1,
	                        .submitted_ms = at.unix_ms - 9000,
	                        .timeout_ms = 321,
	                        .reply_key = 5,
	                        .reply_type = 6,
	                        .reply_form = 1,
	                        .unit = "MB",
	                        .tag = "t",
	                        .unique = "u",
	                        .error = "why",
	                        .payload = {.data = "payload", .size = 7, .fd = -1}};

	job.rank = store_rank(4, (int64_t)(AGEING_NS / 1000000), at.unix_ms - 8000);
	return job;
}

/* What goes out comes in the same. */
static void assert_round_trip(const struct store_job *job)
{
	struct job_ref ref = {.id = job->id};
	struct store_job out;
	uint64_t word, next;
	int64_t slot = table_take(yard.table, yard.group.slot, &word);

	ck_assert_int_ge(slot, 0);
	ref.slot = (uint32_t)slot;
	ASSERT_OK(stored_fill(&yard, &at, ref.slot, word, pool, job, &next, &err));
	ck_assert_uint_eq(word_gen(next), word_gen(word));
	ck_assert_int_eq(word_state(next), job->due_ms > at.unix_ms ? JOB_DELAYED : JOB_READY);
	ck_assert_uint_eq(word_attempt(next), job->attempt);
	ck_assert_uint_eq(word_flags(next),
	                  JOB_STORED | (job->keep ? JOB_KEEP : 0u) | (job->reply_key ? JOB_REPLY : 0u));
	stored_describe(&yard, &at, ref.slot, next, &out);
	ck_assert_uint_eq(out.id, job->id);
	ck_assert_str_eq(out.pool, job->pool);
	ck_assert_str_eq(out.tag, job->tag);
	ck_assert_str_eq(out.unique, job->unique);
	ck_assert_str_eq(out.error, job->error);
	ck_assert_uint_eq(out.attempts, job->attempts ? job->attempts : 3);
	ck_assert_uint_eq(out.crashes, job->crashes);
	ck_assert_uint_eq(out.level, job->level);
	ck_assert_int_eq(out.timeout_ms, job->timeout_ms);
	ck_assert_int_eq(out.reply_type, job->reply_type);
	ck_assert_int_eq(out.reply_key, job->reply_key);
	ck_assert_int_le(llabs(out.rank - job->rank), job->due_ms ? INT64_MAX : 1);
	ck_assert_int_le(llabs(out.due_ms - job->due_ms), 1);
	ck_assert(dispatch_free(&yard, ref.slot, word));
}

START_TEST(a_job_survives_the_way_there_and_back)
{
	struct store_job job = a_job();

	assert_round_trip(&job);
	job.keep = false;
	job.reply_key = 0;
	job.error[0] = job.tag[0] = job.unique[0] = '\0';
	job.attempts = 0; /* as the pool says */
	assert_round_trip(&job);
	job.state = JOB_DELAYED;
	job.due_ms = at.unix_ms + 60000;
	assert_round_trip(&job);
	/* Long texts end where they have to. */
	memset(job.tag, 't', sizeof(job.tag) - 1);
	memset(job.unique, 'u', sizeof(job.unique) - 1);
	memset(job.error, 'e', sizeof(job.error) - 1);
	assert_round_trip(&job);
}
END_TEST

/* What an earlier job has left in the slot must not be this one's. */
START_TEST(nothing_of_another_job_is_left)
{
	struct store_job job = a_job();
	uint64_t word, next;
	static char bytes[JOB_PAYLOAD_MAX + 100];

	submit_unique("left over");
	fill_job(0);
	table_job(yard.table, 0)->files = 0;
	atomic_store(&yard.table->words[0], word_make(7, JOB_DONE, 0, 1, 0));
	atomic_store(&yard.table->position, 0);
	ck_assert_int_eq(table_take(yard.table, yard.group.slot, &word), 0);
	job.unique[0] = job.error[0] = job.tag[0] = '\0';
	job.payload = (struct payload_source){.data = bytes, .size = sizeof(bytes), .fd = -1};
	ASSERT_OK(stored_fill(&yard, &at, 0, word, pool, &job, &next, &err));
	ck_assert_str_eq(table_job(yard.table, 0)->error, "");
	ck_assert_str_eq(table_job(yard.table, 0)->tag, "");
	ck_assert_int_eq(table_job(yard.table, 0)->at_ms, 0);
	ck_assert(!index_has_key(&yard, 0));
	ck_assert_uint_eq(count_files("jobs"), 1);
	ck_assert(dispatch_free(&yard, 0, word));
	ck_assert_uint_eq(count_files("jobs"), 0);
}
END_TEST

/* ---- bytes ------------------------------------------------------------------------------------- */

START_TEST(long_bytes_are_lent)
{
	static char bytes[200000];
	struct job_request request = request_of("x");
	struct payload payload;
	struct payload_source source;
	struct job_ref ref;

	memset(bytes, 'b', sizeof(bytes));
	ref = submit("short");
	ASSERT_OK(stored_payload(&yard, ref.slot, &payload, &source, &err));
	ck_assert_uint_eq(source.size, 5);
	ck_assert_mem_eq(source.data, "short", 5);
	payload_close(&payload);
	request.payload = (struct payload_source){.data = bytes, .size = sizeof(bytes), .fd = -1};
	yard.table->store = 0;
	ref = submit_request(request);
	ASSERT_OK(stored_payload(&yard, ref.slot, &payload, &source, &err));
	ck_assert_uint_eq(source.size, sizeof(bytes));
	ck_assert_mem_eq(source.data, bytes, sizeof(bytes));
	payload_close(&payload);
	payload_discard_all(yard.directory);
	ck_assert_int_eq(stored_payload(&yard, ref.slot, &payload, &source, &err), -1);
	payload_close(&payload);
}
END_TEST

START_TEST(an_answer_stands_in_the_slot_of_who_asked)
{
	static char bytes[50000];
	struct store_job job = a_job();
	struct payload payload;
	uint64_t word;
	int64_t slot = table_take(yard.table, yard.group.slot, &word);
	const struct job_sh *answer = table_job(yard.table, (uint32_t)slot);

	memset(bytes, 'r', sizeof(bytes));
	job.state = JOB_DONE;
	job.finished_ms = at.unix_ms - 500;
	job.result = (struct payload_source){.data = bytes, .size = sizeof(bytes), .fd = -1};
	strcpy(job.pool, "no such pool");
	ASSERT_OK(stored_answer(&yard, &at, (uint32_t)slot, word_gen(word), &job, &err));
	ck_assert_uint_eq(answer->aim, JOB_DONE);
	ck_assert_uint_eq(answer->tried, 2);
	ck_assert_uint_eq(answer->id, 99);
	ck_assert_str_eq(answer->tag, "t");
	ck_assert_uint_eq(answer->payload_size, 7);
	ASSERT_OK(payload_open_result(yard.directory, answer, (uint32_t)slot, &payload, &err));
	ck_assert_uint_eq(payload.size, sizeof(bytes));
	ck_assert_mem_eq(payload.data, bytes, sizeof(bytes));
	payload_close(&payload);
	ck_assert(dispatch_free(&yard, (uint32_t)slot, word));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stored");
	TCase *tcase = yard_case(suite, "stored", begin_stored);

	tcase_add_test(tcase, moments_go_there_and_back);
	tcase_add_test(tcase, moments_before_the_start);
	tcase_add_test(tcase, the_clocks_stay_together);
	tcase_add_test(tcase, all_of_a_job_is_described);
	tcase_add_test(tcase, times_go_with_the_state);
	tcase_add_test(tcase, attempts_are_told_from_a_number_on);
	tcase_add_test(tcase, a_job_survives_the_way_there_and_back);
	tcase_add_test(tcase, an_answer_stands_in_the_slot_of_who_asked);
	tcase = yard_case(suite, "bytes", begin_yard);
	tcase_add_test(tcase, nothing_of_another_job_is_left);
	tcase_add_test(tcase, long_bytes_are_lent);
	return run_suite(suite);
}
