/*
 * test_inbox_stored.c - an inbox with a store behind the table: messages leave the queue when the store has them, in
 * their order and not twice, whatever is answered, or is not, and whoever receives in between.
 *
 * The clerk is the test: it answers the slots by hand.
 */
#include <pthread.h>

#include "../../runtime/stage.h"
#include "inbox_support.h"
#include "yard.h"

#define WINDOW 4

static char jobs[512]; /* payloads of what was accepted, each with a blank behind it */
static struct {
	uint64_t id;
	char tag[16];
	struct job_reply reply;
	unsigned count;
} duplicates;

static void duplicate(void *arg, const struct job_request *request, uint64_t id)
{
	(void)arg;
	duplicates.id = id;
	duplicates.reply = request->reply;
	snprintf(duplicates.tag, sizeof(duplicates.tag), "%s", request->tag ? request->tag : "-");
	duplicates.count++;
}

static void open_inbox_of(unsigned window)
{
	const struct inbox_options options = {
	    .loop = &loop,
	    .directory = directory,
	    .name = "work",
	    .pool = pool,
	    .queue = queue,
	    .instance = &yard,
	    .window = window,
	    .duplicate = duplicate,
	    .lost = lost,
	};

	inbox = inbox_open(&options, &err);
	ck_assert_msg(inbox, "%s", err.text);
}

static void open_inbox(void)
{
	open_inbox_of(WINDOW);
}

static void begin(void)
{
	begin_yard_of(256);
	yard.table->store = 1;
	begin_queue();
}

/* Nothing of ours stays in the table. */
static void end(void)
{
	end_queue();
	ck_assert_uint_eq(slots_in(JOB_FILLING), 0);
	end_yard();
}

static void somebody_receives(void)
{
	char message[64];

	ck_assert_int_gt(msgrcv(queue, message, 32, 0, IPC_NOWAIT), 0);
}

/* ---- the clerk ------------------------------------------------------------------------------- */

static unsigned staged(void)
{
	return slots_in(JOB_STORING);
}

/* The first one that is staged, by its number. */
static uint32_t first_staged(void)
{
	uint32_t found = UINT32_MAX;

	for (uint32_t slot = 0; slot < yard.table->slots; slot++)
		if (word_state(atomic_load(&yard.table->words[slot])) == JOB_STORING &&
		    (found == UINT32_MAX || table_job(yard.table, slot)->id < table_job(yard.table, found)->id))
			found = slot;
	ck_assert_uint_ne(found, UINT32_MAX);
	return found;
}

static void note_job(uint32_t slot)
{
	const struct job_sh *job = table_job(yard.table, slot);
	size_t length = strlen(jobs);

	snprintf(jobs + length, sizeof(jobs) - length, "%.*s ", (int)job->payload_size, (const char *)job->payload);
}

static void answer(enum stage_verdict verdict)
{
	uint32_t slot = first_staged();
	struct job_sh *job = table_job(yard.table, slot);

	if (verdict == STAGE_OK)
		note_job(slot);
	job->verdict = (uint8_t)verdict;
	job->other = 77;
	stage_answer(&yard, slot, atomic_load(&yard.table->words[slot]));
}

static void refuse(enum ym_err_class class)
{
	struct job_sh *job = table_job(yard.table, first_staged());

	job->refusal = (uint8_t) class;
	snprintf(job->error, sizeof(job->error), "the disk is full");
	answer(STAGE_REFUSED);
}

/* It stays in the table. */
static void keep(void)
{
	uint32_t slot = first_staged();
	uint64_t word = atomic_load(&yard.table->words[slot]);

	note_job(slot);
	ck_assert(table_cas(yard.table, slot, &word, word_make(word_gen(word), JOB_READY, 0, 0, JOB_STORED)));
}

/* From now on it cannot be taken back. */
static uint32_t seize(void)
{
	uint32_t slot = first_staged();

	atomic_fetch_or(&yard.table->words[slot], JOB_TAKEN);
	return slot;
}

static void accept_all(void)
{
	while (staged() > 0)
		answer(STAGE_OK);
	inbox_retry(inbox);
}

/* ---- in order -------------------------------------------------------------------------------- */

START_TEST(received_when_stored)
{
	send_text("a");
	send_text("b");
	send_text("c");
	open_inbox();
	RUN_UNTIL(staged() == 3);
	uv_run(&loop, UV_RUN_NOWAIT);
	ck_assert_uint_eq(messages(), 3);
	answer(STAGE_OK);
	inbox_retry(inbox);
	RUN_UNTIL(messages() == 2);
	keep();
	/* Nobody tells: it is looked at all the same. */
	RUN_UNTIL(messages() == 1);
	answer(STAGE_OK);
	inbox_retry(inbox);
	RUN_UNTIL(messages() == 0 && thread_sleeps());
	ck_assert_str_eq(jobs, "a b c ");
	ck_assert_uint_eq(slots_in(JOB_READY), 1);
	ck_assert_uint_eq(staged(), 0);
	send_text("d");
	RUN_UNTIL(staged() == 1);
	accept_all();
	RUN_UNTIL(messages() == 0 && thread_sleeps());
	ck_assert_str_eq(jobs, "a b c d ");
}
END_TEST

START_TEST(never_more_than_the_window)
{
	char expected[256] = "", text[16];

	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "%d", i);
		snprintf(expected + strlen(expected), sizeof(text), "%d ", i);
		send_text(text);
	}
	open_inbox();
	for (unsigned left = 20; left > 0; left--) {
		RUN_UNTIL(staged() == (left < WINDOW ? left : WINDOW));
		uv_run(&loop, UV_RUN_NOWAIT);
		ck_assert_uint_le(staged(), WINDOW);
		answer(STAGE_OK);
		inbox_retry(inbox);
	}
	RUN_UNTIL(messages() == 0 && thread_sleeps());
	ck_assert_str_eq(jobs, expected);
}
END_TEST

/* An answer to one that is not the first: the first one leaves the queue first all the same. */
START_TEST(answered_out_of_order)
{
	uint32_t second;

	send_text("a");
	send_text("b");
	open_inbox();
	RUN_UNTIL(staged() == 2);
	second = first_staged();
	atomic_fetch_or(&yard.table->words[second], JOB_TAKEN);
	for (uint32_t slot = 0; slot < yard.table->slots; slot++) {
		uint64_t word = atomic_load(&yard.table->words[slot]);

		if (slot != second && word_state(word) == JOB_STORING)
			stage_answer(&yard, slot, word);
	}
	inbox_retry(inbox);
	uv_run(&loop, UV_RUN_NOWAIT);
	ck_assert_uint_eq(messages(), 2);
	accept_all();
	RUN_UNTIL(messages() == 0 && thread_sleeps());
}
END_TEST

/* ---- others receive -------------------------------------------------------------------------- */

/* What we receive is the second one, which is on its way, too: no job twice, none lost. */
START_TEST(somebody_receives_in_between)
{
	send_text("a");
	send_text("b");
	send_text("c");
	open_inbox();
	RUN_UNTIL(staged() == 3);
	somebody_receives();
	if (_i == 0)
		answer(STAGE_OK);
	else
		accept_all();
	inbox_retry(inbox);
	RUN_UNTIL(messages() == (_i == 0 ? 1 : 0));
	accept_all();
	RUN_UNTIL(messages() == 0 && thread_sleeps());
	ck_assert_str_eq(jobs, "a b c ");
	ck_assert_uint_eq(staged(), 0);
}
END_TEST

/* ... and it is not stored yet: if the store does not take it, it is not lost. */
START_TEST(out_of_the_queue_and_refused)
{
	send_text("a");
	send_text("b");
	open_inbox();
	RUN_UNTIL(staged() == 2);
	somebody_receives();
	answer(STAGE_OK);
	inbox_retry(inbox);
	RUN_UNTIL(messages() == 0);
	refuse(YM_ERR_FULL);
	inbox_retry(inbox);
	/* Back in the queue, and on its way anew. */
	RUN_UNTIL(messages() == 1 && staged() == 1);
	accept_all();
	RUN_UNTIL(messages() == 0 && thread_sleeps());
	ck_assert_str_eq(jobs, "a b ");
}
END_TEST

/* What comes out is one that nobody has looked at yet. */
START_TEST(another_one_comes_out)
{
	send_text("a");
	send_text("b");
	open_inbox_of(1);
	RUN_UNTIL(staged() == 1);
	somebody_receives();
	answer(STAGE_OK);
	inbox_retry(inbox);
	RUN_UNTIL(messages() == 0 && staged() == 1);
	accept_all();
	RUN_UNTIL(thread_sleeps());
	ck_assert_str_eq(jobs, "a b ");
}
END_TEST

START_TEST(somebody_receives_all)
{
	send_text("a");
	send_text("b");
	open_inbox();
	RUN_UNTIL(staged() == 2);
	somebody_receives();
	somebody_receives();
	accept_all();
	RUN_UNTIL(thread_sleeps());
	send_text("c");
	RUN_UNTIL(staged() == 1);
	accept_all();
	RUN_UNTIL(messages() == 0 && thread_sleeps());
	ck_assert_str_eq(jobs, "a b c ");
}
END_TEST

/* ---- refused --------------------------------------------------------------------------------- */

/* It stays where it is, and is the next one; those behind it are not stored twice. */
START_TEST(one_is_refused)
{
	send_text("a");
	send_text("b");
	send_text("c");
	open_inbox();
	RUN_UNTIL(staged() == 3);
	answer(STAGE_OK);
	refuse(YM_ERR_FULL);
	answer(STAGE_OK);
	inbox_retry(inbox);
	RUN_UNTIL(messages() == 2 && staged() == 1);
	accept_all();
	RUN_UNTIL(messages() == 0 && thread_sleeps());
	ck_assert_str_eq(jobs, "a c b ");
	ck_assert_uint_eq(times_logged("the disk is full: messages wait in the queue"), 1);
	ck_assert_uint_eq(times_logged("messages are taken again"), 1);
}
END_TEST

/* A store in trouble is not asked without end, though each refusal is told at once. */
START_TEST(all_are_refused)
{
	uint64_t until = ym_deadline(700), last = 0;
	unsigned tries = 0;

	send_text("a");
	send_text("b");
	open_inbox();
	while (ym_now_ns() < until) {
		uv_run(&loop, UV_RUN_NOWAIT);
		for (; staged() > 0; tries++) {
			ck_assert_uint_gt(table_job(yard.table, first_staged())->id, last);
			last = table_job(yard.table, first_staged())->id;
			refuse(YM_ERR_FULL);
		}
		inbox_retry(inbox);
		usleep(200);
	}
	ck_assert_uint_ge(tries, 4);
	ck_assert_uint_le(tries, 16);
	ck_assert_uint_eq(messages(), 2);
	RUN_UNTIL(staged() == 2);
	accept_all();
	RUN_UNTIL(messages() == 0 && thread_sleeps());
	ck_assert_str_eq(jobs, "a b ");
	ck_assert_uint_eq(times_logged("the disk is full"), 1);
	ck_assert_uint_eq(times_logged("messages are taken again"), 1);
}
END_TEST

START_TEST(hopeless)
{
	send_text("{\"payload\": 1, \"prority\": 3}");
	send_text("b");
	send_text("c");
	open_inbox();
	RUN_UNTIL(staged() == 2);
	RUN_UNTIL(messages() == 2);
	refuse(YM_ERR_USAGE);
	inbox_retry(inbox);
	RUN_UNTIL(messages() == 1);
	accept_all();
	RUN_UNTIL(messages() == 0 && thread_sleeps());
	ck_assert_uint_eq(count_files("rejected/work"), 2);
	ck_assert_uint_eq(times_logged("did you mean \"priority\""), 1);
	ck_assert_uint_eq(times_logged("is refused: the disk is full; kept as"), 1);
}
END_TEST

START_TEST(a_duplicate)
{
	send_text("{\"payload\": \"a\", \"unique\": \"k\", \"tag\": \"mine\", \"reply\": 33, \"reply_type\": 7}");
	send_text("b");
	open_inbox();
	RUN_UNTIL(staged() == 2);
	answer(STAGE_EXISTS);
	accept_all();
	RUN_UNTIL(messages() == 0 && thread_sleeps());
	ck_assert_str_eq(jobs, "b ");
	ck_assert_uint_eq(duplicates.count, 1);
	ck_assert_uint_eq(duplicates.id, 77);
	ck_assert_str_eq(duplicates.tag, "mine");
	ck_assert_int_eq(duplicates.reply.key, 33);
	ck_assert_int_eq(duplicates.reply.type, 7);
}
END_TEST

/* What is on its way is stored, the rest stays. */
START_TEST(drained_meanwhile)
{
	for (int i = 0; i < 6; i++)
		send_text("x");
	open_inbox();
	RUN_UNTIL(staged() == WINDOW);
	dispatch_mode(&yard, pool, POOL_DRAINING, 0);
	accept_all();
	RUN_UNTIL(messages() == 2);
	RUN_UNTIL(times_logged("is being drained") == 1);
	ck_assert_uint_eq(staged(), 0);
	dispatch_mode(&yard, pool, 0, POOL_DRAINING);
	RUN_UNTIL(staged() == 2);
	accept_all();
	RUN_UNTIL(messages() == 0 && thread_sleeps());
	ck_assert_str_eq(jobs, "x x x x x x ");
}
END_TEST

/* ---- out of the queue from the start --------------------------------------------------------- */

START_TEST(an_empty_message)
{
	open_inbox();
	RUN_UNTIL(thread_sleeps());
	send_text("");
	RUN_UNTIL(staged() == 1);
	ck_assert_uint_eq(messages(), 0);
	refuse(YM_ERR_FULL);
	inbox_retry(inbox);
	RUN_UNTIL(messages() == 1 && staged() == 1);
	accept_all();
	RUN_UNTIL(messages() == 0 && thread_sleeps());
	ck_assert_str_eq(jobs, " ");
}
END_TEST

/* One at a time is in danger, no more. */
START_TEST(a_kernel_without_copies)
{
	ym_sys.msgrcv = msgrcv_of_old_kernel;
	send_text("a");
	send_text("b");
	open_inbox();
	RUN_UNTIL(staged() == 1);
	for (int i = 0; i < 5; i++) {
		inbox_retry(inbox);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	ck_assert_uint_eq(messages(), 1);
	accept_all();
	RUN_UNTIL(staged() == 1 && messages() == 0);
	/* Not stored at the end: it goes back. */
	close_inbox();
	ck_assert_uint_eq(staged(), 0);
	ck_assert_uint_eq(messages(), 1);
	ck_assert_str_eq(jobs, "a ");
}
END_TEST

/* ---- the end --------------------------------------------------------------------------------- */

START_TEST(closed_before_the_clerk_looks)
{
	uint64_t before;

	send_text("a");
	send_text("b");
	open_inbox();
	RUN_UNTIL(staged() == 2);
	before = ym_now_ns();
	close_inbox();
	ck_assert_uint_lt(ym_now_ns() - before, 700000000);
	ck_assert_uint_eq(staged(), 0);
	ck_assert_uint_eq(messages(), 2);
}
END_TEST

static void *answer_later(void *arg)
{
	uint32_t slot = *(uint32_t *)arg;

	usleep(50000);
	stage_answer(&yard, slot, atomic_load(&yard.table->words[slot]));
	return NULL;
}

/* What is being written is waited for: it must not become a job again. */
START_TEST(closed_while_it_is_written)
{
	pthread_t thread;
	uint32_t slot;

	send_text("a");
	send_text("b");
	send_text("c");
	open_inbox();
	RUN_UNTIL(staged() == 3);
	answer(STAGE_OK);
	slot = seize();
	ck_assert_int_eq(pthread_create(&thread, NULL, answer_later, &slot), 0);
	close_inbox();
	pthread_join(thread, NULL);
	ck_assert_uint_eq(staged(), 0);
	ck_assert_uint_eq(messages(), 1);
}
END_TEST

/* ... but not for ever. */
START_TEST(closed_while_the_disk_hangs)
{
	uint64_t before = ym_now_ns();
	uint32_t slot;

	send_text("a");
	open_inbox();
	RUN_UNTIL(staged() == 1);
	slot = seize();
	close_inbox();
	ck_assert_uint_lt(ym_now_ns() - before, 3000000000);
	ck_assert_uint_eq(messages(), 1);
	ck_assert_uint_eq(word_owner(atomic_load(&yard.table->words[slot])), JOB_NOBODY);
	ck_assert_uint_eq(times_logged("up to 1 messages stay in the queue that may be jobs already"), 1);
	/* The slot is free when it is answered after all. */
	stage_answer(&yard, slot, atomic_load(&yard.table->words[slot]));
	ck_assert_uint_eq(staged(), 0);
}
END_TEST

/* What is on its way when the queue goes is in no other place: it goes on. */
START_TEST(the_queue_is_removed)
{
	send_text("a");
	send_text("b");
	open_inbox();
	RUN_UNTIL(staged() == 2);
	ASSERT_OK(ym_queue_remove(queue, &err));
	inbox_retry(inbox);
	if (_i == 0)
		close_inbox();
	else
		RUN_UNTIL(losses == 1);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_uint_eq(staged(), 2);
	ck_assert_uint_eq(word_owner(atomic_load(&yard.table->words[first_staged()])), JOB_NOBODY);
	answer(STAGE_OK);
	answer(STAGE_OK);
	ck_assert_str_eq(jobs, "a b ");
	ck_assert_uint_eq(staged(), 0);
	ASSERT_OK(ym_queue_create(fresh_key(), 0600, &queue, &err));
}
END_TEST

/* The slot of an accepted job that is being freed by another one is not an answer. */
START_TEST(accepted_and_gone_at_once)
{
	uint32_t slot;
	uint64_t word;

	send_text("a");
	open_inbox();
	RUN_UNTIL(staged() == 1);
	slot = first_staged();
	word = atomic_load(&yard.table->words[slot]);
	table_job(yard.table, slot)->verdict = STAGE_REFUSED;
	atomic_store(&yard.table->words[slot], word_make(word_gen(word), JOB_FILLING, 7, 0, 0));
	inbox_retry(inbox);
	RUN_UNTIL(messages() == 0 && thread_sleeps());
	ck_assert_uint_eq(word_owner(atomic_load(&yard.table->words[slot])), 7);
	atomic_store(&yard.table->words[slot], word_make(word_gen(word), JOB_FREE, 0, 0, 0));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inbox with a store");
	TCase *tcase = tcase_create("inbox with a store");

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, received_when_stored);
	tcase_add_test(tcase, never_more_than_the_window);
	tcase_add_test(tcase, answered_out_of_order);
	tcase_add_loop_test(tcase, somebody_receives_in_between, 0, 2);
	tcase_add_test(tcase, out_of_the_queue_and_refused);
	tcase_add_test(tcase, another_one_comes_out);
	tcase_add_test(tcase, somebody_receives_all);
	tcase_add_test(tcase, one_is_refused);
	tcase_add_test(tcase, all_are_refused);
	tcase_add_test(tcase, hopeless);
	tcase_add_test(tcase, a_duplicate);
	tcase_add_test(tcase, drained_meanwhile);
	tcase_add_test(tcase, an_empty_message);
	tcase_add_test(tcase, a_kernel_without_copies);
	tcase_add_test(tcase, closed_before_the_clerk_looks);
	tcase_add_test(tcase, closed_while_it_is_written);
	tcase_add_test(tcase, closed_while_the_disk_hangs);
	tcase_add_loop_test(tcase, the_queue_is_removed, 0, 2);
	tcase_add_test(tcase, accepted_and_gone_at_once);
	return run_suite(suite);
}
