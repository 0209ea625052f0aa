/*
 * test_control.c - cancel, bury, kick, delete and wait for: what each does to a job in whatever state.
 */
#include "yard.h"

/* ---- what others may do ---------------------------------------------------------------------- */

typedef int dispatch_call(struct instance *instance, struct job_ref ref, struct ym_err *err);

/* Bring a new job into a state, the last one by the sweep of a dead worker's job. */
static struct job_ref in_state(enum job_state state)
{
	static const enum story_end ends[JOB_STATES] = {
	    [JOB_DONE] = STORY_DONE, [JOB_FAILED] = STORY_FAILED, [JOB_CANCELLED] = STORY_CANCELLED};
	struct job_ref ref = state == JOB_DELAYED ? submit_delayed(100000) : submit("x");

	if (state == JOB_READY || state == JOB_DELAYED)
		return ref;
	if (state == JOB_BURIED) {
		ASSERT_OK(dispatch_bury(&yard, ref, &err));
	} else if (state == JOB_FREE) {
		ASSERT_OK(dispatch_delete(&yard, ref, &err));
	} else {
		uint64_t word = claim_this(ref);

		if (ends[state])
			finish(ref, word, ends[state]);
		else if (state != JOB_CLAIMED)
			put_word(ref, state, 1, state == JOB_FILLING ? 0 : 1);
	}
	ck_assert_int_eq(state_of(ref), state);
	return ref;
}

enum { GONE = -1 };

/* State, then for each call: what it returns, and the state it leaves. */
static const struct {
	enum job_state state;
	struct {
		int result;
		enum job_state after;
	} cancel, bury, kick, delete;
} table_of_calls[] = {
    {JOB_FREE, {1, JOB_FREE}, {1, JOB_FREE}, {GONE, JOB_FREE}, {GONE, JOB_FREE}},
    {JOB_FILLING, {1, JOB_FILLING}, {1, JOB_FILLING}, {GONE, JOB_FILLING}, {GONE, JOB_FILLING}},
    {JOB_READY, {0, JOB_CANCELLED}, {0, JOB_BURIED}, {1, JOB_READY}, {0, JOB_FREE}},
    {JOB_CLAIMED, {0, JOB_CLAIMED}, {1, JOB_CLAIMED}, {1, JOB_CLAIMED}, {1, JOB_CLAIMED}},
    {JOB_FINISHING, {0, JOB_FINISHING}, {1, JOB_FINISHING}, {1, JOB_FINISHING}, {1, JOB_FINISHING}},
    {JOB_FIXING, {0, JOB_FIXING}, {1, JOB_FIXING}, {1, JOB_FIXING}, {1, JOB_FIXING}},
    {JOB_BURIED, {1, JOB_BURIED}, {1, JOB_BURIED}, {0, JOB_READY}, {0, JOB_FREE}},
    {JOB_DELAYED, {0, JOB_CANCELLED}, {0, JOB_BURIED}, {0, JOB_READY}, {0, JOB_FREE}},
    {JOB_DONE, {1, JOB_DONE}, {1, JOB_DONE}, {1, JOB_DONE}, {0, JOB_FREE}},
    {JOB_FAILED, {1, JOB_FAILED}, {1, JOB_FAILED}, {0, JOB_READY}, {0, JOB_FREE}},
    {JOB_CANCELLED, {1, JOB_CANCELLED}, {1, JOB_CANCELLED}, {0, JOB_READY}, {0, JOB_FREE}},
    {JOB_STORING, {1, JOB_STORING}, {1, JOB_STORING}, {GONE, JOB_STORING}, {GONE, JOB_STORING}},
};

static void try_call(dispatch_call *call, const char *name, enum job_state state, int result, enum job_state after)
{
	struct job_ref ref = in_state(state), old = ref;
	uint64_t word = word_of(ref);
	int got = call(&yard, ref, &err);

	ck_assert_msg(got == result, "%s of a job that is %s: %d", name, job_state_word(state), got);
	ck_assert_msg(state_of(ref) == after, "%s of a job that is %s: now it is %s", name, job_state_word(state),
	              job_state_word(state_of(ref)));
	ck_assert_uint_eq(word_flags(word_of(ref)),
	                  call == dispatch_cancel && after == state && result == 0 ? JOB_CANCEL : 0);
	if (result != 0)
		ck_assert_uint_eq(word_of(ref), word);
	/* Of a job that was here before. */
	old.gen--;
	ASSERT_ERR(call(&yard, old, &err), YM_ERR_GONE);
	ASSERT_IN("no longer in the table", err.text);
	if (after == JOB_READY)
		claim_this(ref);
	put_word(ref, JOB_DONE, 0, 0);
}

START_TEST(every_call_in_every_state)
{
	ck_assert_uint_eq(COUNT(table_of_calls), JOB_STATES);
	for (size_t i = 0; i < COUNT(table_of_calls); i++) {
		enum job_state state = table_of_calls[i].state;

		try_call(dispatch_cancel, "cancel", state, table_of_calls[i].cancel.result,
		         table_of_calls[i].cancel.after);
		try_call(dispatch_bury, "bury", state, table_of_calls[i].bury.result, table_of_calls[i].bury.after);
		try_call(dispatch_kick, "kick", state, table_of_calls[i].kick.result, table_of_calls[i].kick.after);
		try_call(dispatch_delete, "delete", state, table_of_calls[i].delete.result,
		         table_of_calls[i].delete.after);
	}
}
END_TEST

/* Who cancelled a running job was told that it is going to stop: no other attempt may start. */
START_TEST(a_cancelled_job_is_not_tried_again)
{
	static const enum story_end ends[] = {STORY_RETRY, STORY_TIMED_OUT, STORY_CRASHED, STORY_NONE};

	for (size_t i = 0; i < COUNT(ends); i++) {
		struct job_ref ref = submit("x");
		uint64_t word = claim_this(ref);

		ASSERT_OK(dispatch_cancel(&yard, ref, &err));
		if (ends[i] == STORY_NONE)
			dispatch_return(&yard, ref.slot, word);
		else
			finish(ref, word, ends[i]);
		ck_assert_msg(state_of(ref) == JOB_CANCELLED, "%s: it is %s", story_end_word(ends[i]),
		              job_state_word(state_of(ref)));
	}
}
END_TEST

START_TEST(a_kicked_job_starts_anew)
{
	struct job_ref ref = submit("x");

	atomic_store(&pool_row()->crashes, 2);
	run_job(ref, STORY_CRASHED);
	ck_assert_int_eq(run_job(ref, STORY_CRASHED), JOB_BURIED);
	ASSERT_OK(dispatch_kick(&yard, ref, &err));
	ck_assert_uint_eq(job_of(ref)->crashes, 0);
	ck_assert_uint_eq(word_attempt(claim_this(ref)), 1);
	ck_assert_int_eq(finish(ref, word_of(ref), STORY_CRASHED), JOB_READY);
	/* What became of it before is still told. */
	ck_assert_uint_eq(table_story(yard.table, ref.slot)->count, 3);
}
END_TEST

/* A delayed one is only not delayed any more: its attempts and crashes count on. */
START_TEST(a_kicked_retry_goes_on)
{
	struct job_ref ref = submit("x");

	run_job(ref, STORY_CRASHED);
	ck_assert_int_eq(run_job(ref, STORY_RETRY), JOB_DELAYED);
	ASSERT_OK(dispatch_kick(&yard, ref, &err));
	ck_assert_uint_eq(job_of(ref)->crashes, 1);
	ck_assert_uint_eq(word_attempt(claim_this(ref)), 3);
	ck_assert_int_eq(finish(ref, word_of(ref), STORY_RETRY), JOB_FAILED);
}
END_TEST

START_TEST(a_kick_needs_its_key)
{
	static const enum job_state states[] = {JOB_BURIED, JOB_FAILED, JOB_CANCELLED};

	for (size_t i = 0; i < COUNT(states); i++) {
		struct job_ref ref = submit_unique("key"), other, third;
		struct job_request again = request_of("again");

		if (states[i] == JOB_FAILED)
			run_job(ref, STORY_FAILED);
		else
			ASSERT_OK((states[i] == JOB_BURIED ? dispatch_bury : dispatch_cancel)(&yard, ref, &err));
		other = submit_unique("key");
		ASSERT_ERR(dispatch_kick(&yard, ref, &err), YM_ERR_NO);
		ASSERT_IN("\"key\"", err.text);
		ck_assert_int_eq(state_of(ref), states[i]);
		run_job(other, STORY_DONE);
		ASSERT_OK(dispatch_kick(&yard, ref, &err));
		/* Now it has its key again. */
		again.unique = "key";
		ck_assert_int_eq(submit_job(&yard, &again, &third, &err), 1);
		ck_assert_uint_eq(third.id, ref.id);
		run_job(ref, STORY_DONE);
	}
}
END_TEST

START_TEST(deleted_with_its_files)
{
	static char bytes[2 * JOB_PAYLOAD_MAX];
	struct job_request request = request_of("x");
	struct job_ref ref;

	request.payload = (struct payload_source){.data = bytes, .size = sizeof(bytes)};
	ref = submit_request(request);
	ck_assert_uint_eq(count_files("jobs"), 1);
	ASSERT_OK(dispatch_delete(&yard, ref, &err));
	ck_assert_uint_eq(count_files("jobs"), 0);
	ck_assert_uint_eq(word_of(ref), word_make(ref.gen, JOB_FREE, 0, 0, 0));
	ck_assert(!dispatch_free(&yard, ref.slot, word_make(ref.gen, JOB_READY, 0, 0, 0)));
}
END_TEST

START_TEST(a_fetched_result_makes_room)
{
	struct job_request request = request_of("x");
	struct job_ref kept, old;

	request.keep = true;
	kept = old = submit_request(request);
	atomic_store(&yard.table->result_ttl_ns, UINT64_C(3600000000000));
	run_job(kept, STORY_DONE);
	for (uint32_t i = 1; i < yard.table->slots; i++)
		submit("y");
	old.gen++;
	dispatch_forget(&yard, old);
	ck_assert_uint_eq(word_flags(word_of(kept)) & JOB_KEEP, JOB_KEEP);
	dispatch_forget(&yard, kept);
	ck_assert_uint_eq(submit("z").slot, kept.slot);
}
END_TEST

/* ---- wait ------------------------------------------------------------------------------------ */

static void wait_in_child(void *arg)
{
	struct job_ref ref = *(struct job_ref *)arg;
	struct instance mine;
	uint64_t word = 0;
	int result;

	join_yard(&mine);
	tell_step();
	/* Longer than the test waits for us: who is not woken fails it. */
	result = dispatch_wait(&mine, ref, ym_deadline(4 * PATIENCE_MS), &word, &err);
	MUST(result == 0 || err.class == YM_ERR_GONE);
	leave_yard(&mine);
	_exit(result == 0 ? (int)word_state(word) : JOB_FREE);
}

/* Each way a job may end wakes all who wait; who deletes it under them tells them so. */
START_TEST(waiting_in_other_processes)
{
	static const enum job_state ends[] = {JOB_DONE, JOB_FAILED, JOB_CANCELLED, JOB_BURIED, JOB_FREE};

	for (size_t i = 0; i < COUNT(ends); i++) {
		struct job_ref ref = submit("x");
		pid_t children[3];

		for (size_t c = 0; c < COUNT(children); c++) {
			children[c] = spawn(wait_in_child, &ref);
			await_step();
			WAIT_UNTIL(process_state(children[c]) == 'S' && (word_flags(word_of(ref)) & JOB_WAITED));
		}
		/* Changes that are no end of it wake nobody for good. */
		dispatch_return(&yard, ref.slot, claim_this(ref));
		if (ends[i] == JOB_CANCELLED)
			ASSERT_OK(dispatch_cancel(&yard, ref, &err));
		else if (ends[i] == JOB_BURIED)
			ASSERT_OK(dispatch_bury(&yard, ref, &err));
		else if (ends[i] == JOB_FREE)
			ASSERT_OK(dispatch_delete(&yard, ref, &err));
		else
			run_job(ref, ends[i] == JOB_DONE ? STORY_DONE : STORY_FAILED);
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
	run_job(ref, STORY_DONE);
	ck_assert_int_eq(dispatch_wait(&yard, ref, 0, &word, &err), 0);
	ck_assert_uint_eq(word, word_of(ref));
	for (uint32_t i = 0; i < yard.table->slots; i++)
		submit("y");
	ASSERT_ERR(dispatch_wait(&yard, ref, 0, &word, &err), YM_ERR_GONE);
}
END_TEST

/*
 * A slot that is being cleared away looks like one that is being filled. Whoever touches its word keeps it from being
 * free ever again.
 */
START_TEST(waiting_for_what_is_cleared_away)
{
	struct job_ref ref = submit("x");
	uint64_t word, filling;

	claim_this(ref);
	filling = put_word(ref, JOB_FILLING, yard.group.slot, 0);
	ASSERT_ERR(dispatch_wait(&yard, ref, ym_deadline(1), &word, &err), YM_ERR_GONE);
	ck_assert_uint_eq(word_of(ref), filling);
}
END_TEST

static void wait_for_ever(void *arg)
{
	struct job_ref ref = *(struct job_ref *)arg;
	struct instance mine;
	uint64_t word;

	join_yard(&mine);
	dispatch_wait(&mine, ref, YM_NEVER, &word, &err);
}

START_TEST(a_killed_waiter_leaves_nothing)
{
	struct job_ref ref = submit("x");
	pid_t child = spawn(wait_for_ever, &ref);

	WAIT_UNTIL((word_flags(word_of(ref)) & JOB_WAITED) && process_state(child) == 'S');
	kill_and_reap(child);
	run_job(ref, STORY_DONE);
	run_sweep();
	for (uint32_t i = 0; i < yard.table->slots; i++)
		submit("y");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control");
	TCase *tcase = yard_case(suite, "control", begin_yard);

	tcase_add_test(tcase, every_call_in_every_state);
	tcase_add_test(tcase, a_cancelled_job_is_not_tried_again);
	tcase_add_test(tcase, a_kicked_job_starts_anew);
	tcase_add_test(tcase, a_kicked_retry_goes_on);
	tcase_add_test(tcase, a_kick_needs_its_key);
	tcase_add_test(tcase, deleted_with_its_files);
	tcase_add_test(tcase, a_fetched_result_makes_room);
	tcase_add_test(tcase, waiting_in_other_processes);
	tcase_add_test(tcase, waiting_with_a_deadline);
	tcase_add_test(tcase, waiting_for_what_is_cleared_away);
	tcase_add_test(tcase, a_killed_waiter_leaves_nothing);
	return run_suite(suite);
}
