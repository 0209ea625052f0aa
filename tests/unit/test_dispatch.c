/*
 * test_dispatch.c - jobs from the submitter to the worker and back.
 */
#include "../../runtime/limit.h"
#include "yard.h"

/* ---- the way of a job ------------------------------------------------------------------------ */

START_TEST(submitted_claimed_done)
{
	struct job_ref ref = submit("hello");
	struct job_sh *job = job_of(ref);
	uint64_t word = word_of(ref);

	ck_assert_uint_eq(ref.id, 1);
	ck_assert_uint_eq(ref.gen, 1);
	ck_assert_int_eq(word_state(word), JOB_READY);
	ck_assert_uint_eq(word_flags(word), JOB_QUEUED);
	ck_assert_uint_eq(word_attempt(word), 0);
	ck_assert_uint_eq(tokens(), 1);
	ck_assert_uint_eq(job->attempts, 3);
	ck_assert_uint_eq(job->pool, pool);
	ck_assert_uint_eq(job->payload_size, 5);
	ck_assert_mem_eq(job->payload, "hello", 6);
	ck_assert_uint_gt(job->submitted, 0);

	word = claim_this(ref);
	ck_assert_uint_eq(word_owner(word), yard.group.slot);
	ck_assert_uint_eq(word_attempt(word), 1);
	ck_assert_uint_eq(word_flags(word), 0);
	ck_assert_uint_ge(job->started, job->submitted);
	ck_assert_uint_eq(job->deadline, 0);
	ck_assert_uint_eq(tokens(), 0);

	ck_assert_int_eq(finish(ref, word, JOB_DONE), JOB_DONE);
	ck_assert_uint_ge(job->finished, job->started);
	ck_assert_uint_eq(word_owner(word_of(ref)), 0);
}
END_TEST

START_TEST(a_report_is_written_down)
{
	struct job_ref ref = submit("x");
	uint64_t word = claim_this(ref);
	struct job_report report = {
	    .state = JOB_DONE, .result = "four", .result_size = 4, .done = 7, .total = 9, .unit = "rows and more"};
	struct job_sh *job = job_of(ref);
	enum job_state became;

	ck_assert(dispatch_finish(&yard, ref.slot, word, &report, &became));
	ck_assert_int_eq(became, JOB_DONE);
	ck_assert_uint_eq(job->done, 7);
	ck_assert_uint_eq(job->total, 9);
	ck_assert_str_eq(job->unit, "rows and mo");
	ck_assert_uint_eq(job->result_size, 4);
	ck_assert_mem_eq(job->result, "four", 4);
	ck_assert_str_eq(job->error, "");
}
END_TEST

START_TEST(an_attempt_has_a_deadline)
{
	struct job_ref ref;

	atomic_store(&yard.table->pools[pool].timeout_ms, 5000);
	ref = submit("x");
	claim_this(ref);
	ck_assert_uint_eq(job_of(ref)->deadline, job_of(ref)->started + UINT64_C(5000000000));
	finish(ref, word_of(ref), JOB_DELAYED);
	ck_assert_uint_eq(job_of(ref)->deadline, 0);
}
END_TEST

START_TEST(jobs_come_in_order)
{
	struct job_ref refs[10];

	for (size_t i = 0; i < COUNT(refs); i++)
		refs[i] = submit("x");
	for (size_t i = 0; i < COUNT(refs); i++) {
		ck_assert_uint_eq(refs[i].id, i + 1);
		finish(refs[i], claim_this(refs[i]), JOB_DONE);
	}
}
END_TEST

START_TEST(only_a_fresh_token_claims)
{
	struct job_ref ref = submit("x");
	struct dispatch_token token = receive(&yard), other;
	uint64_t word;

	ck_assert_uint_eq(token.slot, ref.slot);
	ck_assert_uint_eq(token.gen, ref.gen);
	other = (struct dispatch_token){token.slot, token.gen - 1};
	ck_assert(!dispatch_claim(&yard, other, &word));
	other = (struct dispatch_token){token.slot, token.gen + 1};
	ck_assert(!dispatch_claim(&yard, other, &word));
	other = (struct dispatch_token){yard.table->slots, token.gen};
	ck_assert(!dispatch_claim(&yard, other, &word));
	other = (struct dispatch_token){UINT32_MAX, token.gen};
	ck_assert(!dispatch_claim(&yard, other, &word));
	ck_assert(dispatch_claim(&yard, token, &word));
	ck_assert(!dispatch_claim(&yard, token, &word)); /* a second copy of it */
	finish(ref, word_of(ref), JOB_DONE);
	ck_assert(!dispatch_claim(&yard, token, &word));
}
END_TEST

/* ---- the fence ------------------------------------------------------------------------------- */

static void take_away(struct job_ref ref, enum job_state state, unsigned owner, unsigned attempt)
{
	atomic_store(&yard.table->words[ref.slot], word_make(ref.gen, state, owner, attempt, 0));
}

START_TEST(a_revoked_claim_reports_nothing)
{
	static const struct {
		enum job_state state;
		unsigned owner, attempt;
	} rows[] = {{JOB_FIXING, 0, 1},  {JOB_READY, 0, 1}, {JOB_CLAIMED, 1, 2}, {JOB_CLAIMED, 1, 1},
	            {JOB_CLAIMED, 0, 2}, {JOB_DONE, 0, 1},  {JOB_FAILED, 0, 1}};
	struct job_ref ref = submit("x");
	uint64_t word = claim_this(ref);

	/* The claim of attempt 1 by participant 0; participant 1 may have claimed it since. */
	for (size_t i = 0; i < COUNT(rows); i++) {
		static const enum job_state ends[] = {JOB_DONE, JOB_FAILED, JOB_DELAYED, JOB_CANCELLED};

		take_away(ref, rows[i].state, rows[i].owner, rows[i].attempt);
		for (size_t end = 0; end < COUNT(ends); end++) {
			struct job_report report = {.state = ends[end],
			                            .error = "late",
			                            .result = "late",
			                            .result_size = 4,
			                            .done = 1,
			                            .total = 1,
			                            .unit = "late"};
			struct job_sh before = *job_of(ref);
			uint64_t now = word_of(ref);
			enum job_state became;

			ck_assert(!dispatch_finish(&yard, ref.slot, word, &report, &became));
			ck_assert_mem_eq(job_of(ref), &before, sizeof(before));
			ck_assert_uint_eq(word_of(ref), now);
		}
		dispatch_return(&yard, ref.slot, word);
		dispatch_park(&yard, ref.slot, word, 0);
		ck_assert_uint_eq(word_of(ref), word_make(ref.gen, rows[i].state, rows[i].owner, rows[i].attempt, 0));
	}
	take_away(ref, JOB_FAILED, 0, 1);
}
END_TEST

START_TEST(flags_do_not_fence)
{
	struct job_ref ref = submit("x");
	uint64_t word = claim_this(ref), seen;

	ASSERT_OK(dispatch_cancel(&yard, ref, &err));
	ck_assert_int_eq(dispatch_wait(&yard, ref, ym_deadline(1), &seen, &err), 1);
	ck_assert_uint_eq(word_flags(word_of(ref)), JOB_CANCEL | JOB_WAITED);
	ck_assert_int_eq(finish(ref, word, JOB_DONE), JOB_DONE);
	ck_assert_uint_eq(word_flags(word_of(ref)), JOB_WAITED);
}
END_TEST

/* ---- retries --------------------------------------------------------------------------------- */

START_TEST(retries_until_no_attempt_is_left)
{
	struct job_ref ref = submit("x");

	for (unsigned attempt = 1; attempt <= 3; attempt++) {
		uint64_t before = ym_now_ns(), word = claim_this(ref), backoff = 20000000u << (attempt - 1);

		ck_assert_uint_eq(word_attempt(word), attempt);
		if (attempt == 3) {
			ck_assert_int_eq(finish(ref, word, JOB_DELAYED), JOB_FAILED);
			break;
		}
		ck_assert_int_eq(finish(ref, word, JOB_DELAYED), JOB_DELAYED);
		ck_assert_uint_ge(job_of(ref)->due, before + backoff);
		ck_assert_uint_le(job_of(ref)->due, ym_now_ns() + backoff);
		ck_assert_str_eq(job_of(ref)->error, "no luck");
		set_due(ref, 0);
		run_sweep();
		ck_assert_int_eq(state_of(ref), JOB_READY);
	}
	ck_assert_str_eq(job_of(ref)->error, "no luck");
	ck_assert_uint_gt(job_of(ref)->finished, 0);
	ck_assert_uint_eq(tokens(), 0);
}
END_TEST

START_TEST(failed_for_good)
{
	struct job_ref ref = submit("x");

	ck_assert_int_eq(finish(ref, claim_this(ref), JOB_FAILED), JOB_FAILED);
	ck_assert_str_eq(job_of(ref)->error, "no luck");
}
END_TEST

START_TEST(backoff_doubles_up_to_an_hour)
{
	static const struct {
		int64_t backoff;
		unsigned attempt;
		int64_t ms;
	} rows[] = {
	    {1000, 1, 1000},       {1000, 2, 2000}, {1000, 3, 4000}, {1000, 12, 2048000},   {1000, 13, 3600000},
	    {1000, 255, 3600000},  {0, 1, 0},       {0, 200, 0},     {3600000, 1, 3600000}, {7200000, 1, 3600000},
	    {3599999, 2, 3600000}, {1, 0, 1}};

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_int_eq(dispatch_backoff_ms(rows[i].backoff, rows[i].attempt), rows[i].ms);
}
END_TEST

START_TEST(given_back_without_a_try)
{
	struct job_ref ref = submit("x");

	dispatch_return(&yard, ref.slot, claim_this(ref));
	ck_assert_int_eq(state_of(ref), JOB_READY);
	ck_assert_uint_eq(word_attempt(word_of(ref)), 0);
	ck_assert_uint_eq(tokens(), 1);
	ck_assert_uint_eq(word_attempt(claim_this(ref)), 1);
	finish(ref, word_of(ref), JOB_DONE);
}
END_TEST

START_TEST(errors_are_cut_between_characters)
{
	struct job_report report = {.state = JOB_FAILED};
	char text[JOB_ERROR_MAX + 10] = "", *error;
	struct job_ref ref = submit("x");
	enum job_state became;

	memset(text, 'x', JOB_ERROR_MAX - 2);
	strcpy(text + JOB_ERROR_MAX - 2, "\xc3\xa4 and more");
	text[sizeof(text) - 1] = '\0';
	report.error = text;
	ck_assert(dispatch_finish(&yard, ref.slot, claim_this(ref), &report, &became));
	error = job_of(ref)->error;
	ck_assert_uint_eq(strlen(error), JOB_ERROR_MAX - 2);
	ck_assert_int_eq(error[JOB_ERROR_MAX - 3], 'x');
}
END_TEST

/* ---- cancel ---------------------------------------------------------------------------------- */

static struct job_ref in_state(enum job_state state, uint64_t *word)
{
	struct job_ref ref = submit_request(
	    (struct job_request){.payload = "x", .size = 1, .delay_ms = state == JOB_DELAYED ? 100000 : 0});

	if (state == JOB_DELAYED || state == JOB_READY)
		return ref;
	*word = claim_this(ref);
	if (state == JOB_FINISHING || state == JOB_FIXING)
		take_away(ref, state, 1, 1);
	else if (state == JOB_PARKED)
		take_away(ref, state, 0, 0);
	else if (state != JOB_CLAIMED)
		finish(ref, *word, state);
	ck_assert_int_eq(state_of(ref), state);
	return ref;
}

START_TEST(cancelled_before_it_runs)
{
	static const enum job_state states[] = {JOB_READY, JOB_DELAYED, JOB_PARKED};

	for (size_t i = 0; i < COUNT(states); i++) {
		struct dispatch_token token;
		uint64_t word;
		struct job_ref ref = in_state(states[i], &word);

		ASSERT_OK(dispatch_cancel(&yard, ref, &err));
		ck_assert_int_eq(state_of(ref), JOB_CANCELLED);
		ck_assert_uint_gt(job_of(ref)->finished, 0);
		ck_assert_int_eq(dispatch_cancel(&yard, ref, &err), 1);
		if (states[i] != JOB_READY)
			continue;
		token = receive(&yard);
		ck_assert(!dispatch_claim(&yard, token, &word));
	}
	ck_assert_uint_eq(tokens(), 0);
}
END_TEST

START_TEST(asked_to_stop_while_it_runs)
{
	static const enum job_state states[] = {JOB_CLAIMED, JOB_FINISHING, JOB_FIXING};

	for (size_t i = 0; i < COUNT(states); i++) {
		uint64_t word;
		struct job_ref ref = in_state(states[i], &word);

		ASSERT_OK(dispatch_cancel(&yard, ref, &err));
		ck_assert_int_eq(state_of(ref), states[i]);
		ck_assert_uint_eq(word_flags(word_of(ref)), JOB_CANCEL);
		if (states[i] == JOB_CLAIMED)
			ck_assert_int_eq(finish(ref, word, JOB_CANCELLED), JOB_CANCELLED);
		else
			take_away(ref, JOB_DONE, 0, 1);
	}
}
END_TEST

START_TEST(too_late_to_cancel)
{
	static const enum job_state states[] = {JOB_DONE, JOB_FAILED, JOB_CANCELLED};
	struct job_ref ref;
	uint64_t word;

	for (size_t i = 0; i < COUNT(states); i++) {
		ref = in_state(states[i], &word);
		ck_assert_int_eq(dispatch_cancel(&yard, ref, &err), 1);
		ck_assert_int_eq(state_of(ref), states[i]);
	}
	ref.gen++;
	ASSERT_ERR(dispatch_cancel(&yard, ref, &err), YM_ERR_GONE);
}
END_TEST

/* The sweep is making room: the job of this generation was done. */
START_TEST(cancelled_while_it_is_cleared_away)
{
	struct job_ref ref = submit("x");
	uint64_t done, filling;

	finish(ref, claim_this(ref), JOB_DONE);
	done = word_of(ref);
	filling = word_make(ref.gen, JOB_FILLING, yard.group.slot, 1, 0);
	atomic_store(&yard.table->words[ref.slot], filling);
	ck_assert_int_eq(dispatch_cancel(&yard, ref, &err), 1);
	ck_assert_uint_eq(word_of(ref), filling);
	atomic_store(&yard.table->words[ref.slot], done);
}
END_TEST

/* Who cancelled a running job was told that it is going to stop: no other attempt may start. */
START_TEST(a_cancelled_job_is_not_tried_again)
{
	struct ym_sem sem;
	unsigned limit = add_limit("cpu", 0, &sem);

	for (int way = 0; way < 3; way++) {
		struct job_ref ref = submit("x");
		uint64_t word = claim_this(ref);

		ASSERT_OK(dispatch_cancel(&yard, ref, &err));
		if (way == 0)
			ck_assert_int_eq(finish(ref, word, JOB_DELAYED), JOB_CANCELLED);
		else if (way == 1)
			dispatch_return(&yard, ref.slot, word);
		else
			dispatch_park(&yard, ref.slot, word, limit);
		ck_assert_msg(state_of(ref) == JOB_CANCELLED, "way %d: it is %s", way, job_state_word(state_of(ref)));
	}
	ym_sem_close(&sem);
}
END_TEST

/* ---- wait ------------------------------------------------------------------------------------ */

static void wait_in_child(void *arg)
{
	struct job_ref ref = *(struct job_ref *)arg;
	struct instance mine;
	uint64_t word;

	join_yard(&mine);
	tell_step();
	ck_assert_int_eq(dispatch_wait(&mine, ref, ym_deadline(PATIENCE_MS), &word, &err), 0);
	ASSERT_OK(instance_leave(&mine, NULL, &err));
	_exit((int)word_state(word));
}

START_TEST(waiting_in_other_processes)
{
	static const enum job_state ends[] = {JOB_DONE, JOB_FAILED, JOB_CANCELLED};

	for (size_t i = 0; i < COUNT(ends); i++) {
		struct job_ref ref = submit("x");
		pid_t children[3];

		for (size_t c = 0; c < COUNT(children); c++) {
			children[c] = spawn(wait_in_child, &ref);
			await_step();
			WAIT_UNTIL(process_state(children[c]) == 'S');
		}
		/* Changes that are no end of it wake nobody for good. */
		dispatch_return(&yard, ref.slot, claim_this(ref));
		if (ends[i] == JOB_CANCELLED)
			ASSERT_OK(dispatch_cancel(&yard, ref, &err));
		else
			finish(ref, claim_this(ref), ends[i]);
		for (size_t c = 0; c < COUNT(children); c++)
			ck_assert_int_eq(WEXITSTATUS(reap(children[c])), ends[i]);
	}
}
END_TEST

START_TEST(waiting_with_a_deadline)
{
	struct job_ref ref = submit("x");
	uint64_t word, before = ym_now_ns();

	ck_assert_int_eq(dispatch_wait(&yard, ref, ym_deadline(30), &word, &err), 1);
	ck_assert_uint_ge(ym_now_ns() - before, 30000000u);
	ck_assert_int_eq(dispatch_wait(&yard, ref, 0, &word, &err), 1);
	finish(ref, claim_this(ref), JOB_DONE);
	ck_assert_int_eq(dispatch_wait(&yard, ref, 0, &word, &err), 0);
	ck_assert_uint_eq(word, word_of(ref));
	for (uint32_t i = 0; i < yard.table->slots; i++)
		submit("y");
	ASSERT_ERR(dispatch_wait(&yard, ref, 0, &word, &err), YM_ERR_GONE);
}
END_TEST

/* ---- full ------------------------------------------------------------------------------------ */

#define MANY 5000

START_TEST(more_jobs_than_the_queue_holds)
{
	uint64_t capacity, last = 0;

	/* The ring's end lies among them, so that the order of slots is not that of jobs. */
	atomic_store(&yard.table->position, yard.table->slots - MANY / 2);
	for (int i = 0; i < MANY; i++)
		submit("x");
	capacity = tokens();
	ck_assert_uint_lt(capacity, MANY / 2);
	ck_assert_uint_eq(yard.table->pools[pool].backlog, 1);
	for (int i = 0; i < MANY; i++) {
		struct job_ref ref;
		uint64_t word = claim(&yard, &ref.slot);

		ck_assert_msg(job_of(ref)->id == last + 1, "job %ju after %ju", (uintmax_t)job_of(ref)->id,
		              (uintmax_t)last);
		last++;
		ref.gen = word_gen(word);
		finish(ref, word, JOB_DONE);
		/* New ones queue up behind all that wait. */
		if (i == MANY / 2)
			submit("y");
	}
	ck_assert_uint_eq(tokens() + dispatch_feed(&yard, pool), 1);
	ck_assert_uint_eq(yard.table->pools[pool].backlog, 0);
	ck_assert_uint_eq(yard.table->pools[pool].feeder, 0);
}
END_TEST

START_TEST(a_full_table)
{
	struct job_request request = {.pool = pool, .payload = "x", .size = 1};
	struct job_ref ref, first = submit("x");
	uint64_t before;

	for (uint32_t i = 1; i < yard.table->slots; i++)
		submit("x");
	ASSERT_ERR(dispatch_submit(&yard, &request, &ref, &err), YM_ERR_FULL);
	before = ym_now_ns();
	request.deadline = ym_deadline(30);
	ASSERT_ERR(dispatch_submit(&yard, &request, &ref, &err), YM_ERR_FULL);
	ck_assert_uint_ge(ym_now_ns() - before, 30000000u);
	ck_assert_uint_eq(tokens(), yard.table->slots);
	finish(first, claim_this(first), JOB_DONE);
	ASSERT_OK(dispatch_submit(&yard, &request, &ref, &err));
	ck_assert_uint_eq(ref.slot, first.slot);
	ck_assert_uint_eq(ref.gen, first.gen + 1);
}
END_TEST

static void submit_when_there_is_room(void *arg)
{
	struct job_request request = {.pool = pool, .payload = "late", .size = 4, .deadline = ym_deadline(PATIENCE_MS)};
	struct instance mine;
	struct job_ref ref;

	(void)arg;
	join_yard(&mine);
	ASSERT_OK(dispatch_submit(&mine, &request, &ref, &err));
	ASSERT_OK(instance_leave(&mine, NULL, &err));
}

START_TEST(waiting_for_a_slot)
{
	struct job_ref first = submit("x");
	struct job_report report = {.state = JOB_DONE};
	enum job_state became;
	pid_t child;

	for (uint32_t i = 1; i < yard.table->slots; i++)
		submit("x");
	child = spawn(submit_when_there_is_room, NULL);
	WAIT_UNTIL(atomic_load(&yard.table->space_wanted) && process_state(child) == 'S');
	/* The slot may be taken before this returns. */
	ck_assert(dispatch_finish(&yard, first.slot, claim_this(first), &report, &became));
	reap_well(child);
	ck_assert_mem_eq(job_of(first)->payload, "late", 5);
}
END_TEST

START_TEST(kept_results_are_not_overwritten)
{
	struct job_ref kept = submit_request((struct job_request){.payload = "x", .size = 1, .keep = true}), other;
	struct job_report report = {.state = JOB_DONE, .result = "precious", .result_size = 8};
	enum job_state became;

	atomic_store(&yard.table->result_ttl_ns, UINT64_C(3600000000000));
	ck_assert(dispatch_finish(&yard, kept.slot, claim_this(kept), &report, &became));
	for (uint32_t i = 0; i < 3 * yard.table->slots; i++) {
		other = submit("y");
		finish(other, claim_this(other), JOB_DONE);
	}
	ck_assert_int_eq(state_of(kept), JOB_DONE);
	ck_assert_mem_eq(job_of(kept)->result, "precious", 8);
	atomic_store(&yard.table->result_ttl_ns, 1);
	for (uint32_t i = 0; i < yard.table->slots; i++)
		submit("z");
	ck_assert_uint_ne(word_gen(word_of(kept)), kept.gen);
}
END_TEST

START_TEST(a_fetched_result_makes_room)
{
	struct job_ref kept = submit_request((struct job_request){.payload = "x", .size = 1, .keep = true});

	atomic_store(&yard.table->result_ttl_ns, UINT64_C(3600000000000));
	finish(kept, claim_this(kept), JOB_DONE);
	for (uint32_t i = 1; i < yard.table->slots; i++)
		submit("y");
	dispatch_forget(&yard, (struct job_ref){kept.id, kept.slot, kept.gen + 1});
	ck_assert_int_eq(state_of(kept), JOB_DONE);
	ck_assert_uint_eq(word_flags(word_of(kept)) & JOB_KEEP, JOB_KEEP);
	dispatch_forget(&yard, kept);
	ck_assert_uint_eq(submit("z").slot, kept.slot);
}
END_TEST

/* ---- what jobs carry ------------------------------------------------------------------------- */

static char *bytes_of(size_t size)
{
	char *bytes = malloc(size + 1);

	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(i * 7 + i / 256);
	return bytes;
}

START_TEST(payloads_of_all_sizes)
{
	static const size_t sizes[] = {0, 1, 448, 449, 1 << 20, PAYLOAD_MAX};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		char *bytes = bytes_of(sizes[i]), *loaded;
		struct job_ref ref = submit_request((struct job_request){.payload = bytes, .size = sizes[i]});
		size_t size;

		loaded = payload_load(directory, job_of(ref), ref.slot, &size, &err);
		ck_assert_ptr_nonnull(loaded);
		ck_assert_uint_eq(size, sizes[i]);
		ck_assert(memcmp(loaded, bytes, size) == 0);
		ck_assert_int_eq(loaded[size], '\0');
		ck_assert_int_eq(job_of(ref)->payload_place, size > 448 ? JOB_PLACE_FILE : JOB_PLACE_INLINE);
		free(loaded);
		free(bytes);
		finish(ref, claim_this(ref), JOB_DONE);
	}
	ck_assert_uint_eq(count_files("jobs"), 3);
	/* The files go with their slots. */
	for (uint32_t i = 0; i < yard.table->slots; i++)
		submit("x");
	ck_assert_uint_eq(count_files("jobs"), 0);
}
END_TEST

START_TEST(results_of_all_sizes)
{
	static const size_t sizes[] = {0, 1, 192, 193, 1 << 20};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		char *bytes = bytes_of(sizes[i]), *loaded;
		struct job_report report = {.state = JOB_DONE, .result = bytes, .result_size = sizes[i], .done = 1};
		struct job_ref ref = submit("x");
		enum job_state became;
		size_t size;

		ck_assert(dispatch_finish(&yard, ref.slot, claim_this(ref), &report, &became));
		loaded = payload_load_result(directory, job_of(ref), ref.slot, &size, &err);
		ck_assert_ptr_nonnull(loaded);
		ck_assert_uint_eq(size, sizes[i]);
		ck_assert(memcmp(loaded, bytes, size) == 0);
		free(loaded);
		free(bytes);
	}
	ck_assert_uint_eq(count_files("jobs"), 2);
}
END_TEST

START_TEST(nothing_is_a_payload_and_a_result)
{
	struct job_ref ref = submit_request((struct job_request){0});
	struct job_report report = {.state = JOB_DONE, .done = 1};
	enum job_state became;

	ck_assert_uint_eq(job_of(ref)->payload_size, 0);
	ck_assert(dispatch_finish(&yard, ref.slot, claim_this(ref), &report, &became));
	ck_assert_uint_eq(job_of(ref)->result_size, 0);
}
END_TEST

START_TEST(too_much_is_refused)
{
	struct job_request request = {.pool = pool, .payload = "x", .size = PAYLOAD_MAX + 1};
	char tag[JOB_TAG_MAX + 1];
	struct job_ref ref;

	ASSERT_ERR(dispatch_submit(&yard, &request, &ref, &err), YM_ERR_USAGE);
	ASSERT_IN("4194305", err.text);
	ASSERT_IN("4194304", err.text);
	memset(tag, 't', JOB_TAG_MAX);
	tag[JOB_TAG_MAX] = '\0';
	request.size = 1;
	request.tag = tag;
	ASSERT_ERR(dispatch_submit(&yard, &request, &ref, &err), YM_ERR_USAGE);
	ck_assert_int_eq(word_state(atomic_load(&yard.table->words[0])), JOB_FREE);
	tag[JOB_TAG_MAX - 1] = '\0';
	ref = submit_request(request);
	ck_assert_str_eq(job_of(ref)->tag, tag);
}
END_TEST

START_TEST(a_payload_that_cannot_be_stored)
{
	struct job_report report = {.state = JOB_DONE, .result_size = 1000};
	char *bytes = bytes_of(1000), path[PATH_MAX];
	struct job_request request = {.pool = pool, .payload = bytes, .size = 1000};
	enum job_state became;
	struct job_ref ref;

	join_path(path, "jobs");
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(dispatch_submit(&yard, &request, &ref, &err), -1);
	ASSERT_IN(path, err.text);
	ck_assert_int_eq(word_state(atomic_load(&yard.table->words[0])), JOB_FREE);
	ck_assert_uint_eq(tokens(), 0);
	/* A result that cannot be stored is not forgotten in silence. */
	report.result = bytes;
	ref = submit("x");
	ck_assert(dispatch_finish(&yard, ref.slot, claim_this(ref), &report, &became));
	ck_assert_int_eq(became, JOB_FAILED);
	ASSERT_IN(path, job_of(ref)->error);
	ck_assert_uint_eq(job_of(ref)->result_size, 0);
	free(bytes);
}
END_TEST

/* ---- limits ---------------------------------------------------------------------------------- */

START_TEST(parked_until_a_unit_comes_back)
{
	struct ym_sem sem;
	unsigned limit = add_limit("cpu", 1, &sem);
	struct job_ref refs[3];

	ASSERT_OK(ym_sem_try(&sem, &err));
	for (size_t i = 0; i < COUNT(refs); i++)
		refs[i] = submit("x");
	for (size_t i = 0; i < COUNT(refs); i++) {
		dispatch_park(&yard, refs[i].slot, claim_this(refs[i]), limit);
		ck_assert_int_eq(state_of(refs[i]), JOB_PARKED);
		ck_assert_uint_eq(word_attempt(word_of(refs[i])), 0);
		ck_assert_uint_eq(job_of(refs[i])->parked_on, limit);
	}
	ck_assert_uint_eq(yard.table->limits[limit].parked, 1);
	ck_assert_uint_eq(tokens(), 0);
	/* One unit, one job: the oldest. */
	ASSERT_OK(ym_sem_release(&sem, &err));
	dispatch_unpark(&yard, limit, 1);
	ck_assert_int_eq(state_of(refs[0]), JOB_READY);
	ck_assert_int_eq(state_of(refs[1]), JOB_PARKED);
	ck_assert_uint_eq(tokens(), 1);
	dispatch_unpark(&yard, limit, 5);
	ck_assert_int_eq(state_of(refs[1]), JOB_READY);
	ck_assert_int_eq(state_of(refs[2]), JOB_READY);
	ck_assert_uint_eq(tokens(), 3);
	for (size_t i = 0; i < COUNT(refs); i++)
		finish(refs[i], claim_this(refs[i]), JOB_DONE);
	ym_sem_close(&sem);
}
END_TEST

/* The unit came back between the worker's try and the park: nobody else would wake the job. */
START_TEST(parked_too_late)
{
	struct ym_sem sem;
	unsigned limit = add_limit("cpu", 1, &sem);
	struct job_ref ref = submit("x");

	dispatch_park(&yard, ref.slot, claim_this(ref), limit);
	ck_assert_int_eq(state_of(ref), JOB_READY);
	finish(ref, claim_this(ref), JOB_DONE);
	ym_sem_close(&sem);
}
END_TEST

START_TEST(all_limits_or_none)
{
	struct ym_sem cpu, disk;
	unsigned limits[] = {add_limit("cpu", 2, &cpu), add_limit("disk", 1, &disk)}, lacking = 99;
	struct limit_set a, b;

	for (unsigned i = 0; i < 2; i++)
		atomic_store(&yard.table->pools[pool].limits[i], (uint8_t)limits[i]);
	atomic_store(&yard.table->pools[pool].nlimits, 2);
	ASSERT_OK(limit_set_open(&a, yard.table, pool, &err));
	ASSERT_OK(limit_set_open(&b, yard.table, pool, &err));
	ck_assert_uint_eq(a.count, 2);
	ASSERT_OK(limit_set_take(&a, &lacking, &err));
	ck_assert_int_eq(limit_free(&yard.table->limits[limits[0]]), 1);
	ck_assert_int_eq(limit_set_take(&b, &lacking, &err), 1);
	ck_assert_uint_eq(lacking, limits[1]);
	ck_assert_int_eq(limit_free(&yard.table->limits[limits[0]]), 1);
	limit_set_give(&a);
	limit_set_give(&a);
	ASSERT_OK(limit_set_take(&b, &lacking, &err));
	limit_set_close(&b);
	limit_set_close(&a);
	ck_assert_int_eq(limit_free(&yard.table->limits[limits[0]]), 2);
	ck_assert_int_eq(limit_free(&yard.table->limits[limits[1]]), 1);
	ym_sem_close(&cpu);
	ym_sem_close(&disk);
	ck_assert_int_eq(limit_free(&(struct table_limit_sh){.id = -1}), -1);
}
END_TEST

/* ---- receiving ------------------------------------------------------------------------------- */

static void on_signal(int signo)
{
	(void)signo;
}

static void receive_until_signal(void *arg)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct dispatch_token token;
	struct instance mine;

	(void)arg;
	sigaction(SIGTERM, &action, NULL);
	join_yard(&mine);
	tell_step();
	ck_assert_int_eq(dispatch_receive(&mine, pool, &token, &err), 1);
	tell_step();
	ASSERT_ERR(dispatch_receive(&mine, pool, &token, &err), YM_ERR_GONE);
	ASSERT_ERR(dispatch_receive(&mine, pool, &token, &err), YM_ERR_GONE);
	ASSERT_OK(instance_leave(&mine, NULL, &err));
}

START_TEST(woken_by_a_signal_and_by_removal)
{
	pid_t child = spawn(receive_until_signal, NULL);

	await_step();
	WAIT_UNTIL(process_state(child) == 'S');
	kill(child, SIGTERM);
	await_step();
	WAIT_UNTIL(process_state(child) == 'S');
	ASSERT_OK(ym_queue_remove(yard.table->pools[pool].queue, &err));
	reap_well(child);
}
END_TEST

/* Jobs of another language's bare msgsnd: too short, too long. */
START_TEST(odd_messages_are_passed_over)
{
	struct {
		long type;
		char bytes[64];
	} odd = {1, "?"};
	struct job_ref ref;

	ASSERT_OK(ym_queue_send(yard.table->pools[pool].queue, &odd, 0, &err));
	ASSERT_OK(ym_queue_send(yard.table->pools[pool].queue, &odd, 3, &err));
	memset(odd.bytes, 0xff, sizeof(odd.bytes));
	ASSERT_OK(ym_queue_send(yard.table->pools[pool].queue, &odd, sizeof(odd.bytes), &err));
	ref = submit("x");
	finish(ref, claim_this(ref), JOB_DONE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dispatch");
	TCase *tcase = yard_case(suite, "dispatch", begin_yard);

	tcase_add_test(tcase, submitted_claimed_done);
	tcase_add_test(tcase, a_report_is_written_down);
	tcase_add_test(tcase, an_attempt_has_a_deadline);
	tcase_add_test(tcase, jobs_come_in_order);
	tcase_add_test(tcase, only_a_fresh_token_claims);
	tcase_add_test(tcase, a_revoked_claim_reports_nothing);
	tcase_add_test(tcase, flags_do_not_fence);
	tcase_add_test(tcase, retries_until_no_attempt_is_left);
	tcase_add_test(tcase, failed_for_good);
	tcase_add_test(tcase, backoff_doubles_up_to_an_hour);
	tcase_add_test(tcase, given_back_without_a_try);
	tcase_add_test(tcase, errors_are_cut_between_characters);
	tcase_add_test(tcase, cancelled_before_it_runs);
	tcase_add_test(tcase, asked_to_stop_while_it_runs);
	tcase_add_test(tcase, too_late_to_cancel);
	tcase_add_test(tcase, cancelled_while_it_is_cleared_away);
	tcase_add_test(tcase, a_cancelled_job_is_not_tried_again);
	tcase_add_test(tcase, waiting_in_other_processes);
	tcase_add_test(tcase, waiting_with_a_deadline);
	tcase_add_test(tcase, a_full_table);
	tcase_add_test(tcase, waiting_for_a_slot);
	tcase_add_test(tcase, kept_results_are_not_overwritten);
	tcase_add_test(tcase, a_fetched_result_makes_room);
	tcase_add_test(tcase, payloads_of_all_sizes);
	tcase_add_test(tcase, results_of_all_sizes);
	tcase_add_test(tcase, nothing_is_a_payload_and_a_result);
	tcase_add_test(tcase, too_much_is_refused);
	tcase_add_test(tcase, a_payload_that_cannot_be_stored);
	tcase_add_test(tcase, parked_until_a_unit_comes_back);
	tcase_add_test(tcase, parked_too_late);
	tcase_add_test(tcase, all_limits_or_none);
	tcase_add_test(tcase, woken_by_a_signal_and_by_removal);
	tcase_add_test(tcase, odd_messages_are_passed_over);

	tcase = yard_case(suite, "many", begin_large_yard);
	tcase_add_test(tcase, more_jobs_than_the_queue_holds);
	return run_suite(suite);
}
