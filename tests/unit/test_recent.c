/* test_recent.c - what came in the last minute and hour, over masters that come and go, and counts that move. */
#include "../../runtime/recent.h"

#include <string.h>
#include <sys/mman.h>

#include "../../runtime/snapshot.h"
#include "support.h"

#define MS    UINT64_C(1000000)
#define KILLS 100

static struct recent_sh recent;
static struct histogram wait_sum, run_sum;
static struct recent lately;

static void begin(void)
{
	begin_test();
	memset(&recent, 0, sizeof(recent));
	memset(&wait_sum, 0, sizeof(wait_sum));
	memset(&run_sum, 0, sizeof(run_sum));
}

static uint64_t at(double second)
{
	return (uint64_t)(second * 1e9);
}

/* So many jobs end that waited for 1 ms and ran for so long. */
static void end_jobs(unsigned n, uint64_t run_ms)
{
	wait_sum.counts[histogram_bucket(MS)] += n;
	wait_sum.sum_ns += n * MS;
	wait_sum.n += n;
	run_sum.counts[histogram_bucket(run_ms * MS)] += n;
	run_sum.sum_ns += n * run_ms * MS;
	run_sum.n += n;
}

static void note(double second)
{
	if (recent_due(&recent, at(second)))
		recent_note(&recent, at(second), &wait_sum, &run_sum);
}

static void look(enum recent_span span, double second)
{
	recent_read(&recent, span, at(second), &wait_sum, &run_sum, &lately);
}

static void assert_ran(unsigned n, double p99_ms)
{
	ck_assert_uint_eq(lately.run.n, n);
	ck_assert_uint_eq(lately.wait.n, n);
	ck_assert_double_eq_tol((double)histogram_at(&lately.run, 0.99) / 1e6, p99_ms, p99_ms / 8);
}

START_TEST(what_is_older_than_a_minute_does_not_count)
{
	for (int second = 1000; second < 1300; second++) {
		note(second);
		end_jobs(1, second < 1200 ? 50 : 5);
	}
	look(RECENT_MINUTE, 1300);
	/* From the look of 1240 on. */
	assert_ran(60, 5);
	ck_assert_uint_eq(lately.ns, at(60));
	ck_assert_uint_eq(histogram_mean(&lately.run), 5 * MS);
	ck_assert_uint_eq(histogram_mean(&lately.wait), MS);
	ck_assert_double_eq_tol((double)histogram_at(&run_sum, 0.99) / 1e6, 50, 50.0 / 8);
	look(RECENT_MINUTE, 1309.5);
	ck_assert_uint_eq(lately.ns, at(69.5));
}
END_TEST

START_TEST(the_last_hour)
{
	for (int second = 100000; second < 110000; second += 2) {
		end_jobs(2, second < 105000 ? 50 : 5);
		note(second);
	}
	look(RECENT_HOUR, 109998);
	ck_assert_uint_ge(lately.ns, at(3600));
	ck_assert_uint_lt(lately.ns, at(4200));
	assert_ran((unsigned)(lately.ns / at(1)), 5);
	look(RECENT_MINUTE, 109998);
	ck_assert_uint_lt(lately.ns, at(70));
}
END_TEST

START_TEST(a_young_pool_is_told_of_from_its_start)
{
	look(RECENT_MINUTE, 1000);
	ck_assert_uint_eq(lately.ns + lately.run.n, 0);
	/* The first look comes when something has ended already. */
	end_jobs(3, 50);
	note(1003);
	end_jobs(2, 50);
	look(RECENT_MINUTE, 1005);
	assert_ran(5, 50);
	ck_assert_uint_eq(lately.ns, at(2));
	look(RECENT_HOUR, 1005);
	assert_ran(5, 50);
}
END_TEST

START_TEST(a_machine_that_was_just_started)
{
	note(3);
	end_jobs(1, 50);
	note(12);
	look(RECENT_MINUTE, 14);
	assert_ran(1, 50);
	look(RECENT_HOUR, 14);
	assert_ran(1, 50);
}
END_TEST

START_TEST(nothing_ended)
{
	end_jobs(9, 50);
	for (int second = 1000; second < 1100; second++)
		note(second);
	look(RECENT_MINUTE, 1100);
	ck_assert_uint_gt(lately.ns, 0);
	ck_assert_uint_eq(lately.run.n + lately.run.sum_ns, 0);
	ck_assert_uint_eq(histogram_at(&lately.run, 0.99), 0);
}
END_TEST

/* An idle one comes every two seconds. */
START_TEST(a_late_master)
{
	for (double second = 1001.9; second < 1200; second += 2) {
		note(second);
		end_jobs(2, 5);
	}
	for (double second = 1200; second < 1210; second += 0.5) {
		look(RECENT_MINUTE, second);
		ck_assert_uint_ge(lately.ns, at(58));
		ck_assert_uint_le(lately.ns, at(70));
	}
}
END_TEST

START_TEST(a_time_without_a_master)
{
	note(1000);
	end_jobs(7, 50);
	note(1012);
	end_jobs(1, 5);
	/* For a short one, nothing changes. */
	look(RECENT_MINUTE, 1065);
	assert_ran(8, 50);
	/* A minute later nobody knows; an hour's are still there. */
	look(RECENT_MINUTE, 1125);
	ck_assert_uint_eq(lately.ns + lately.run.n, 0);
	look(RECENT_HOUR, 1125);
	assert_ran(8, 50);
	/* The next master begins anew, where the last one has counted. */
	note(1500);
	end_jobs(2, 5);
	look(RECENT_MINUTE, 1502);
	assert_ran(2, 5);
	ck_assert_uint_eq(lately.ns, at(2));
}
END_TEST

START_TEST(a_half_written_copy_is_not_used)
{
	struct recent_copy_sh *copy = &recent.rings[RECENT_MINUTE][100 % RECENT_RING];

	note(990);
	note(1000);
	end_jobs(3, 5);
	note(1010);
	look(RECENT_MINUTE, 1060);
	assert_ran(3, 5);
	/* Killed over the one of 1000: counts of anything. */
	atomic_store(&copy->at, 0);
	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
		atomic_store(&copy->run.counts[i], 12345);
	look(RECENT_MINUTE, 1060);
	ck_assert_uint_eq(lately.ns, at(50));
	ck_assert_uint_eq(lately.run.n, 0);
	/* Killed over the one of this moment: it is made again. */
	ck_assert(!recent_due(&recent, at(1019)));
	atomic_store(&recent.rings[RECENT_MINUTE][101 % RECENT_RING].at, 0);
	ck_assert(recent_due(&recent, at(1019)));
	note(1019);
	look(RECENT_MINUTE, 1070);
	ck_assert_uint_eq(lately.ns, at(51));
}
END_TEST

START_TEST(old_copies_are_not_those_of_now)
{
	for (int second = 1000; second < 1080; second += 10)
		note(second);
	end_jobs(1, 50);
	/* All eight are there, of another time. */
	look(RECENT_MINUTE, 1080 + 8 * 10);
	ck_assert_uint_eq(lately.ns, 0);
}
END_TEST

START_TEST(sums_that_lack_something_are_no_millions)
{
	struct histogram seen;

	end_jobs(100, 50);
	note(1000);
	note(1010);
	end_jobs(100, 5);
	seen = run_sum;
	seen.counts[histogram_bucket(50 * MS)] -= 30;
	seen.sum_ns = 0;
	recent_read(&recent, RECENT_MINUTE, at(1070), &wait_sum, &seen, &lately);
	ck_assert_uint_eq(lately.run.n, 100);
	ck_assert_uint_eq(lately.run.sum_ns, 0);
}
END_TEST

START_TEST(counts_beyond_four_thousand_millions)
{
	end_jobs(UINT32_MAX - 5, 5);
	note(1000);
	note(1010);
	end_jobs(20, 5);
	look(RECENT_MINUTE, 1075);
	assert_ran(20, 5);
}
END_TEST

/* The next period has begun since he looked at the clock. */
START_TEST(a_slow_reader)
{
	atomic_store(&recent.begun, 1);
	note(1010.5);
	look(RECENT_MINUTE, 1010.2);
	ck_assert_uint_eq(lately.ns, 0);
	note(1020.5);
	look(RECENT_MINUTE, 1020.2);
	ck_assert_uint_eq(lately.ns, at(1020.2) - at(1010.5));
}
END_TEST

/* ---- a writer without a pause, and killed ------------------------------------------------------ */

struct shared {
	struct recent_sh recent;
	_Atomic uint64_t period; /* the last one with a copy: all counts in it are its number */
};

static void fill(struct histogram *histogram, uint64_t count)
{
	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
		histogram->counts[i] = count;
	histogram->sum_ns = count;
}

static void write_for_ever(struct shared *shared)
{
	for (uint64_t period = atomic_load(&shared->period) + 1;; period++) {
		fill(&run_sum, period);
		recent_note(&shared->recent, period * at(10), &run_sum, &run_sum);
		atomic_store(&shared->period, period);
	}
}

/* What is read is one whole copy, or nothing. */
static bool read_whole(const struct shared *shared, uint64_t period)
{
	uint64_t base;

	fill(&wait_sum, UINT32_MAX / 4);
	recent_read(&shared->recent, RECENT_MINUTE, period * at(10) + 1, &wait_sum, &wait_sum, &lately);
	if (lately.ns == 0)
		return false;
	base = period - lately.ns / at(10);
	for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		ck_assert_uint_eq(lately.wait.counts[i], UINT32_MAX / 4 - base);
		ck_assert_uint_eq(lately.run.counts[i], UINT32_MAX / 4 - base);
	}
	ck_assert_uint_eq(lately.run.sum_ns, UINT32_MAX / 4 - base);
	return true;
}

START_TEST(copies_are_read_whole)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert((void *)shared != MAP_FAILED);
	atomic_store(&shared->recent.begun, 1);
	for (int kill_number = 0; kill_number < KILLS; kill_number++) {
		uint64_t end = ym_now_ns() + 1000000 + 7000u * (unsigned)kill_number;
		pid_t child = fork();

		ck_assert_int_ge(child, 0);
		if (child == 0)
			write_for_ever(shared);
		while (ym_now_ns() < end)
			read_whole(shared, atomic_load(&shared->period));
		kill(child, SIGKILL);
		ck_assert_int_eq(waitpid(child, NULL, 0), child);
		/* Also those that were about to be written over. */
		for (unsigned back = 0; back < 2; back++)
			ck_assert(atomic_load(&shared->period) < 10 ||
			          read_whole(shared, atomic_load(&shared->period) - back));
	}
	ck_assert_uint_gt(atomic_load(&shared->period), 10);
	munmap(shared, sizeof(*shared));
}
END_TEST

/* ---- on the board ------------------------------------------------------------------------------ */

static struct board_sh *board;

static void begin_board(void)
{
	struct board_work work = {.pool = 3, .pid = 1};

	begin_test();
	board = calloc(1, board_size(2));
	ck_assert_ptr_nonnull(board);
	board->instance.rows = 2;
	atomic_store(&board->pools[3].used, 1);
	atomic_store(&board->workers[1].used, 1);
	board_publish(&board->workers[1].work, &board->workers[1].work_version, &work);
}

static void end_board(void)
{
	free(board);
	end_test();
}

static void sum_up(struct histogram *wait, struct histogram *run)
{
	uint8_t owners[YM_GROUP_CAPACITY_MAX];

	board_owners(board, owners);
	ck_assert_uint_eq(owners[0], TABLE_POOLS);
	ck_assert_uint_eq(owners[1], 3);
	board_sum_times(board, 3, owners, wait, run);
}

static void run_on_board(unsigned n, uint64_t run_ms)
{
	for (unsigned i = 0; i < n; i++) {
		histogram_add(&board_times(board, 1)->wait, MS);
		histogram_add(&board_times(board, 1)->run, run_ms * MS);
	}
}

/* A worker's counts go to its pool, and another pool gets the row: nothing ended by that, and nothing is undone. */
START_TEST(a_row_is_given_away)
{
	struct instance instance = {.board = board};
	struct snapshot snapshot = {0};
	struct histogram wait, run;

	run_on_board(10, 50);
	sum_up(&wait, &run);
	atomic_store(&board->recents[3].begun, 1);
	recent_note(&board->recents[3], ym_now_ns(), &wait, &run);
	run_on_board(4, 5);
	for (int fold = 0; fold < 2; fold++) {
		sum_up(&wait, &run);
		ck_assert_uint_eq(run.n, 14);
		ASSERT_OK(snapshot_take(&snapshot, &instance, 0, SNAPSHOT_QUICK | SNAPSHOT_SWEPT, &err));
		snapshot_times(&snapshot, 3, &wait, &run);
		ck_assert_uint_eq(run.n, 14);
		snapshot_recent(&snapshot, 3, RECENT_MINUTE, &wait, &run, &lately);
		assert_ran(4, 5);
		board_fold(board, 1, 3);
	}
	ck_assert_uint_eq(atomic_load(&board->instance.folds), 4);
	board_forget(board, 3);
	snapshot_recent(&snapshot, 3, RECENT_MINUTE, &wait, &run, &lately);
	ck_assert_uint_eq(lately.ns, 0);
	snapshot_free(&snapshot);
}
END_TEST

/* The totals stay what they were; what came lately is told beside them, null where there is nothing to tell. */
START_TEST(as_json)
{
	struct instance instance = {.board = board};
	struct snapshot snapshot = {0};
	struct histogram wait = {0}, run = {0};
	struct json json = {0};
	char *text = NULL;
	size_t size;

	atomic_store(&board->recents[3].begun, 1);
	run_on_board(4, 5);
	recent_note(&board->recents[3], ym_now_ns(), &wait, &run);
	json.to = open_memstream(&text, &size);
	ASSERT_OK(snapshot_take(&snapshot, &instance, 0, SNAPSHOT_QUICK | SNAPSHOT_SWEPT, &err));
	snapshot_put(&json, &snapshot);
	ck_assert_int_eq(fflush(json.to), 0);
	ck_assert_ptr_nonnull(strstr(text, "\"ended\": 4, \"wait\": {\"count\": 4, \"mean\": 0.001, "));
	ck_assert_ptr_nonnull(strstr(text, "\"times\": {\"wait\": {\"count\": 4, "));
	/* The sums are those of now: nothing came since. */
	sum_up(&wait, &run);
	memset(&board->recents[3].rings, 0, sizeof(board->recents[3].rings));
	recent_note(&board->recents[3], ym_now_ns(), &wait, &run);
	rewind(json.to);
	json = (struct json){.to = json.to};
	ASSERT_OK(snapshot_take(&snapshot, &instance, 0, SNAPSHOT_QUICK | SNAPSHOT_SWEPT, &err));
	snapshot_put(&json, &snapshot);
	ck_assert_int_eq(fclose(json.to), 0);
	ck_assert_ptr_nonnull(strstr(text, "\"ended\": 0, \"wait\": {\"count\": 0, \"mean\": null, \"p50\": null, "));
	ck_assert_ptr_nonnull(strstr(text, "\"times\": {\"wait\": {\"count\": 4, "));
	free(text);
	snapshot_free(&snapshot);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recent");
	TCase *tcase = tcase_create("recent"), *boards = tcase_create("board");

	tcase_add_checked_fixture(tcase, begin, end_test);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, what_is_older_than_a_minute_does_not_count);
	tcase_add_test(tcase, the_last_hour);
	tcase_add_test(tcase, a_young_pool_is_told_of_from_its_start);
	tcase_add_test(tcase, a_machine_that_was_just_started);
	tcase_add_test(tcase, nothing_ended);
	tcase_add_test(tcase, a_late_master);
	tcase_add_test(tcase, a_time_without_a_master);
	tcase_add_test(tcase, a_half_written_copy_is_not_used);
	tcase_add_test(tcase, old_copies_are_not_those_of_now);
	tcase_add_test(tcase, sums_that_lack_something_are_no_millions);
	tcase_add_test(tcase, counts_beyond_four_thousand_millions);
	tcase_add_test(tcase, a_slow_reader);
	tcase_add_test(tcase, copies_are_read_whole);
	tcase_add_checked_fixture(boards, begin_board, end_board);
	suite_add_tcase(suite, boards);
	tcase_add_test(boards, a_row_is_given_away);
	tcase_add_test(boards, as_json);
	return run_suite(suite);
}
