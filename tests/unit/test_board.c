/* test_board.c - records are read whole, whatever their writer does or whoever kills it. */
#include <sys/mman.h>

#include "../../runtime/board.h"
#include "support.h"

#define READ_MS 1000
#define KILLS   150

static struct board_sh *board;

static void begin_board(void)
{
	begin_test();
	board = mmap(NULL, board_size(2), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert((void *)board != MAP_FAILED);
	board->instance.rows = 2;
}

START_TEST(sizes_are_checked)
{
	size_t size = board_size(2);

	ck_assert_uint_eq(size, 3994432 + 2 * (640 + 5888));
	ASSERT_OK(board_check(board, size, &err));
	ASSERT_ERR(board_check(board, size - 1, &err), YM_ERR_CORRUPT);
	board->instance.rows = 3;
	ASSERT_ERR(board_check(board, size, &err), YM_ERR_CORRUPT);
	board->instance.rows = UINT32_MAX;
	ASSERT_ERR(board_check(board, SIZE_MAX, &err), YM_ERR_CORRUPT);
}
END_TEST

START_TEST(states_have_words)
{
	ck_assert_str_eq(board_master_word(BOARD_MASTER_RUNNING), "running");
	ck_assert_str_eq(board_master_word(99), "?");
	ck_assert_str_eq(board_worker_word(BOARD_WORKER_BUSY), "busy");
	ck_assert_str_eq(board_worker_word(BOARD_WORKER_STATES), "?");
}
END_TEST

START_TEST(trouble_is_read_while_there_is_any)
{
	char text[BOARD_REASON_MAX];

	ck_assert_str_eq(board_store_word(BOARD_STORE_TROUBLE), "in trouble");
	ck_assert_str_eq(board_store_word(99), "?");
	ck_assert_str_eq(board_trouble(board, text), "");
	board_reason_write(board->store.trouble, &board->store.trouble_version, "no disk");
	atomic_store(&board->store.state, BOARD_STORE_WORKING);
	ck_assert_str_eq(board_trouble(board, text), "");
	atomic_store(&board->store.state, BOARD_STORE_TROUBLE);
	ck_assert_str_eq(board_trouble(board, text), "no disk");
	/* Tasks may have a word in it. */
	board_reason_write(board->store.trouble, &board->store.trouble_version, "no\x1b[31m \xc3\xa4\n");
	ck_assert_str_eq(board_trouble(board, text), "no?[31m \xc3\xa4?");
}
END_TEST

START_TEST(what_was_published_is_read)
{
	struct board_worker_sh *row = &board->workers[1];
	struct board_work work = {.job = 7, .pid = 4711, .state = BOARD_WORKER_BUSY, .tag = "mine"}, seen;
	struct board_progress progress = {.job = 7, .done = 3, .total = 9, .unit = "rows", .note = "so far"}, far;

	ck_assert(board_read_work(row, &seen));
	ck_assert_uint_eq(seen.job, 0);
	board_publish(&row->work, &row->work_version, &work);
	board_publish(&row->progress, &row->progress_version, &progress);
	ck_assert(board_read_work(row, &seen));
	ck_assert_mem_eq(&seen, &work, sizeof(work));
	for (uint64_t i = 0; i < 5; i++) {
		progress.done = i;
		board_publish(&row->progress, &row->progress_version, &progress);
		ck_assert(board_read_progress(row, &far));
		ck_assert_mem_eq(&far, &progress, sizeof(progress));
	}
	ck_assert_uint_eq(row->progress_version, 6);
	ck_assert_uint_eq(row->work_version, 1);
}
END_TEST

/* ---- torn records ---------------------------------------------------------------------------- */

/* All words of a record carry the same number: two numbers in one record are two records. */
static void publish_without_pause(void *arg)
{
	struct board_worker_sh *row = arg;
	uint64_t content[BOARD_WORDS];

	for (uint64_t n = atomic_load(&row->counters[BOARD_DONE]) + 1;; n++) {
		for (int i = 0; i < BOARD_WORDS; i++)
			content[i] = n;
		board_publish(&row->work, &row->work_version, content);
		atomic_store_explicit(&row->counters[BOARD_DONE], n, memory_order_relaxed);
	}
}

static uint64_t read_whole(const struct board_worker_sh *row)
{
	uint64_t content[BOARD_WORDS];

	ck_assert_msg(board_read(&row->work, &row->work_version, content), "the reader gave up");
	for (int i = 1; i < BOARD_WORDS; i++)
		ck_assert_msg(content[i] == content[0], "torn: word %d is of record %ju, word 0 of record %ju", i,
		              (uintmax_t)content[i], (uintmax_t)content[0]);
	return content[0];
}

START_TEST(no_torn_record_from_a_fast_writer)
{
	struct board_worker_sh *row = &board->workers[0];
	pid_t writer = spawn(publish_without_pause, row);
	uint64_t end = ym_deadline(READ_MS), patience = ym_deadline(PATIENCE_MS), last = 0, changes = 0;

	/* On a busy machine the two take turns, and that long ones. */
	while (ym_now_ns() < end || (changes <= 1000 && ym_now_ns() < patience)) {
		uint64_t n = read_whole(row);

		ck_assert_msg(n >= last, "an older record after a newer one");
		changes += n != last;
		last = n;
	}
	kill_and_reap(writer);
	ck_assert_uint_gt(changes, 1000);
}
END_TEST

START_TEST(a_killed_writer_leaves_a_whole_record)
{
	struct board_worker_sh *row = &board->workers[0];

	for (int i = 0; i < KILLS; i++) {
		uint64_t before = atomic_load(&row->work_version), n;
		pid_t writer = spawn(publish_without_pause, row);

		WAIT_UNTIL(atomic_load(&row->work_version) != before);
		for (uint64_t end = ym_now_ns() + random_below(2000000); ym_now_ns() < end;)
			read_whole(row);
		kill_and_reap(writer);
		n = read_whole(row);
		ck_assert_uint_ge(n, atomic_load(&row->counters[BOARD_DONE]));
		ck_assert_uint_eq(read_whole(row), n);
	}
}
END_TEST

/* A writer killed while it fills the copy that is not current, made by hand. */
START_TEST(a_half_written_copy_is_not_seen)
{
	struct board_worker_sh *row = &board->workers[0];
	uint64_t content[BOARD_WORDS];

	for (uint64_t n = 1; n <= 4; n++) {
		for (int i = 0; i < BOARD_WORDS; i++)
			content[i] = n;
		board_publish(&row->work, &row->work_version, content);
		for (int i = 0; i < BOARD_WORDS / 2; i++)
			atomic_store(&row->work.words[(n + 1) & 1][i], 999);
		ck_assert_uint_eq(read_whole(row), n);
	}
}
END_TEST

/* ---- a report without a new note ---------------------------------------------------------------- */

START_TEST(a_head_keeps_what_both_copies_have)
{
	struct board_worker_sh *row = &board->workers[0];
	struct board_progress progress = {.job = 7, .total = 100, .unit = "rows", .note = "first", .attempt = 2}, seen;

	for (uint64_t done = 1; done <= 20; done++) {
		progress.done = done;
		progress.updated = 1000 + done;
		if (done == 10)
			memcpy(progress.note, "other", sizeof("other"));
		/* Twice with everything, then without. */
		if (done <= 2 || (done >= 10 && done <= 11))
			board_publish(&row->progress, &row->progress_version, &progress);
		else
			board_publish_head(&row->progress, &row->progress_version, &progress);
		ck_assert(board_read_progress(row, &seen));
		ck_assert_uint_eq(seen.job, 7);
		ck_assert_uint_eq(seen.done, done);
		ck_assert_uint_eq(seen.total, 100);
		ck_assert_uint_eq(seen.updated, 1000 + done);
		ck_assert_uint_eq(seen.attempt, 2);
		ck_assert_str_eq(seen.note, done < 10 ? "first" : "other");
		ck_assert_str_eq(seen.unit, "rows");
	}
}
END_TEST

/* ---- the flight recorder ----------------------------------------------------------------------- */

static void crash(uint64_t job)
{
	struct board_crash crash = {.at = 1000 + job, .status = 9, .row = 1, .pool = "rows", .cause = "killed"};

	crash.work = (struct board_work){.job = job, .pid = 77, .tag = "a tag"};
	crash.progress = (struct board_progress){.job = job, .done = 3, .total = 5, .note = "third"};
	board_note_crash(board, &crash);
}

START_TEST(the_last_deaths_are_kept)
{
	struct board_crash crashes[BOARD_CRASHES];

	ck_assert_uint_eq(board_crashes(board, crashes, BOARD_CRASHES), 0);
	crash(1);
	crash(2);
	ck_assert_uint_eq(board_crashes(board, crashes, BOARD_CRASHES), 2);
	ck_assert_uint_eq(crashes[0].work.job, 2);
	ck_assert_uint_eq(crashes[1].work.job, 1);
	ck_assert_uint_eq(crashes[1].at, 1001);
	ck_assert_int_eq(crashes[1].status, 9);
	ck_assert_str_eq(crashes[1].pool, "rows");
	ck_assert_str_eq(crashes[1].cause, "killed");
	ck_assert_str_eq(crashes[1].work.tag, "a tag");
	ck_assert_str_eq(crashes[1].progress.note, "third");
	for (uint64_t job = 3; job <= BOARD_CRASHES + 10; job++)
		crash(job);
	ck_assert_uint_eq(board_crashes(board, crashes, 3), 3);
	ck_assert_uint_eq(crashes[0].work.job, BOARD_CRASHES + 10);
	ck_assert_uint_eq(crashes[2].work.job, BOARD_CRASHES + 8);
	ck_assert_uint_eq(board_crashes(board, crashes, BOARD_CRASHES), BOARD_CRASHES);
	ck_assert_uint_eq(crashes[BOARD_CRASHES - 1].work.job, 11);
}
END_TEST

/* A master was killed while it wrote one: that one is not shown, and its place is used again. */
START_TEST(half_a_death_is_not_shown)
{
	struct board_crash crashes[BOARD_CRASHES];

	crash(1);
	crash(2);
	atomic_fetch_sub(&board->crashes[1].version, 1);
	ck_assert_uint_eq(board_crashes(board, crashes, BOARD_CRASHES), 1);
	ck_assert_uint_eq(crashes[0].work.job, 1);
	atomic_store(&board->instance.crashes, 1);
	crash(3);
	ck_assert_uint_eq(board_crashes(board, crashes, BOARD_CRASHES), 2);
	ck_assert_uint_eq(crashes[0].work.job, 3);
}
END_TEST

START_TEST(a_row_that_is_given_away_leaves_its_counts_to_the_pool)
{
	struct board_work work = {.pool = 5, .pid = 1};
	uint64_t counters[TABLE_POOLS][BOARD_COUNTERS];

	atomic_store(&board->workers[1].used, 1);
	board_publish(&board->workers[1].work, &board->workers[1].work_version, &work);
	atomic_store(&board->workers[1].counters[BOARD_FAILED], 7);
	histogram_add(&board_times(board, 1)->run, 1000);
	histogram_add(&board->past_times[5].run, 1000);
	board_fold(board, 1, 5);
	board_count(board, counters);
	ck_assert_uint_eq(counters[5][BOARD_FAILED], 7);
	ck_assert_uint_eq(atomic_load(&board->workers[1].counters[BOARD_FAILED]), 0);
	ck_assert_uint_eq(atomic_load(&board->past_times[5].run.counts[histogram_bucket(1000)]), 2);
	ck_assert_uint_eq(atomic_load(&board->past_times[5].run.sum_ns), 2000);
	ck_assert_uint_eq(atomic_load(&board_times(board, 1)->run.counts[histogram_bucket(1000)]), 0);
	board_forget(board, 5);
	board_count(board, counters);
	ck_assert_uint_eq(counters[5][BOARD_FAILED], 0);
	ck_assert_uint_eq(atomic_load(&board->past_times[5].run.sum_ns), 0);
}
END_TEST

/* From a worker's row to its pool and back, for ever. */
static void fold_and_unfold(void)
{
	struct board_worker_sh *row = &board->workers[1];
	_Atomic uint64_t *past = &board->pools[5].past[BOARD_DONE];

	for (;;) {
		board_fold(board, 1, 5);
		histogram_move(&board_times(board, 1)->run, &board->past_times[5].run);
		atomic_fetch_add(&row->counters[BOARD_DONE], atomic_load(past));
		atomic_store(past, 0);
	}
}

START_TEST(nothing_is_lost_by_a_kill_over_it)
{
	for (int kill_number = 0; kill_number < KILLS; kill_number++) {
		struct histogram sum = {0};
		pid_t child;

		memset(&board->past_times[5], 0, sizeof(board->past_times[5]));
		memset(board_times(board, 1), 0, sizeof(struct board_times_sh));
		atomic_store(&board->pools[5].past[BOARD_DONE], 0);
		atomic_store(&board->workers[1].counters[BOARD_DONE], 1000);
		for (int i = 0; i < 1000; i++)
			histogram_add(&board_times(board, 1)->run, 5000);
		child = fork();
		ck_assert_int_ge(child, 0);
		if (child == 0)
			fold_and_unfold();
		ym_nap(500000 + 7000 * kill_number);
		kill(child, SIGKILL);
		ck_assert_int_eq(waitpid(child, NULL, 0), child);
		histogram_sum(&sum, &board_times(board, 1)->run);
		histogram_sum(&sum, &board->past_times[5].run);
		ck_assert_uint_ge(sum.n, 1000);
		ck_assert_uint_ge(sum.sum_ns, 5000000);
		ck_assert_uint_ge(atomic_load(&board->pools[5].past[BOARD_DONE]) +
		                      atomic_load(&board->workers[1].counters[BOARD_DONE]),
		                  1000);
	}
}
END_TEST

/* Who adds up sees that he has to do it again; not for ever, if the writer is dead. */
START_TEST(folds_are_seen)
{
	uint64_t folds = atomic_load(&board->instance.folds);

	ck_assert(!board_folded(board, folds));
	board_fold(board, 1, 5);
	ck_assert(board_folded(board, folds));
	folds = atomic_load(&board->instance.folds);
	ck_assert(!board_folded(board, folds));
	/* Killed in the middle; the next one puts it right. */
	atomic_store(&board->instance.folds, folds + 1);
	ck_assert(board_folded(board, folds));
	ck_assert(board_folded(board, folds + 1));
	board_fold(board, 1, 5);
	ck_assert(!board_folded(board, folds + 2));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("board");
	TCase *tcase = tcase_create("board");

	tcase_add_checked_fixture(tcase, begin_board, end_test);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, sizes_are_checked);
	tcase_add_test(tcase, states_have_words);
	tcase_add_test(tcase, trouble_is_read_while_there_is_any);
	tcase_add_test(tcase, what_was_published_is_read);
	tcase_add_test(tcase, no_torn_record_from_a_fast_writer);
	tcase_add_test(tcase, a_killed_writer_leaves_a_whole_record);
	tcase_add_test(tcase, a_half_written_copy_is_not_seen);
	tcase_add_test(tcase, a_head_keeps_what_both_copies_have);
	tcase_add_test(tcase, the_last_deaths_are_kept);
	tcase_add_test(tcase, half_a_death_is_not_shown);
	tcase_add_test(tcase, a_row_that_is_given_away_leaves_its_counts_to_the_pool);
	tcase_add_test(tcase, nothing_is_lost_by_a_kill_over_it);
	tcase_add_test(tcase, folds_are_seen);
	return run_suite(suite);
}
