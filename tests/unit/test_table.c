/* test_table.c - words, slots, and sleeping on them in another process. */
#include <sys/mman.h>

#include "../../runtime/table.h"
#include "support.h"

#define SLOTS  8
#define TTL_NS UINT64_C(100000000)

static struct table_sh *table;

static void begin_table(void)
{
	begin_test();
	table = mmap(NULL, table_size(SLOTS), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert((void *)table != MAP_FAILED);
	table_init(table, SLOTS, 1 << 20, TTL_NS, 17);
}

static uint64_t word_at(int64_t slot)
{
	return atomic_load(&table->words[slot]);
}

/* Give a slot another state, as its owner would. */
static void become(int64_t slot, enum job_state state, unsigned flags)
{
	atomic_store(&table->words[slot], word_make(word_gen(word_at(slot)), state, 0, 1, flags));
}

static int64_t take(void)
{
	uint64_t word;
	int64_t slot = table_take(table, 5, &word);

	if (slot >= 0) {
		ck_assert_uint_eq(word, word_at(slot));
		ck_assert_int_eq(word_state(word), JOB_FILLING);
		ck_assert_uint_eq(word_owner(word), 5);
		ck_assert_uint_eq(word_attempt(word), 0);
		ck_assert_uint_eq(word_flags(word), 0);
	}
	return slot;
}

/* ---- words ----------------------------------------------------------------------------------- */

START_TEST(words_hold_their_parts)
{
	static const uint32_t gens[] = {0, 1, 0x80000000, 0xffffffff};
	static const unsigned owners[] = {0, 1, 0x800, 0xfff}, bytes[] = {0, 1, 0x80, 0xff};

	for (size_t g = 0; g < 4; g++)
		for (unsigned state = 0; state < JOB_STATES; state++)
			for (size_t o = 0; o < 4; o++)
				for (size_t b = 0; b < 16; b++) {
					uint64_t word = word_make(gens[g], (enum job_state)state, owners[o],
					                          bytes[b / 4], bytes[b % 4]);

					ck_assert_uint_eq(word_gen(word), gens[g]);
					ck_assert_uint_eq(word_state(word), state);
					ck_assert_uint_eq(word_owner(word), owners[o]);
					ck_assert_uint_eq(word_attempt(word), bytes[b / 4]);
					ck_assert_uint_eq(word_flags(word), bytes[b % 4]);
				}
	ck_assert_uint_eq(word_make(0x12345678, JOB_CLAIMED, 0xabc, 0xde, 0x1f), UINT64_C(0x123456783abcde1f));
	/* What is too large for its field must not reach the next one. */
	ck_assert_uint_eq(word_make(1, JOB_FREE, 0x1000, 0x100, 0x100), UINT64_C(0x100000000));
}
END_TEST

START_TEST(sticky_flags_outlive_a_change)
{
	uint64_t word = word_make(7, JOB_CLAIMED, 3, 2, 0xff), next = word_next(word, JOB_READY, 9, 4, JOB_TIMED_OUT);

	ck_assert_uint_eq(word_gen(next), 7);
	ck_assert_int_eq(word_state(next), JOB_READY);
	ck_assert_uint_eq(word_owner(next), 9);
	ck_assert_uint_eq(word_attempt(next), 4);
	ck_assert_uint_eq(word_flags(next), JOB_STORED | JOB_WAITED | JOB_KEEP | JOB_REPLY | JOB_TIMED_OUT);
	/* Who is asked to stop stays asked while somebody works on the job. */
	next = word_next(word, JOB_FIXING, 9, 4, 0);
	ck_assert_uint_eq(word_flags(next),
	                  JOB_STORED | JOB_WAITED | JOB_KEEP | JOB_REPLY | JOB_CANCEL | JOB_TIMED_OUT | JOB_KICKED);
}
END_TEST

START_TEST(states_have_words)
{
	static const bool over[] = {true, false, false, false, false, false, true, false, true, true, true, false};

	ck_assert_uint_eq(COUNT(over), JOB_STATES);
	for (unsigned state = 0; state < JOB_STATES; state++) {
		ck_assert_int_eq(job_state_over((enum job_state)state), over[state]);
		ck_assert_uint_gt(strlen(job_state_word((enum job_state)state)), 2);
	}
	ck_assert_str_eq(job_state_word(JOB_CLAIMED), "running");
	ck_assert_str_eq(job_state_word((enum job_state)15), "?");
	ck_assert(!job_state_over((enum job_state)15));
}
END_TEST

/* ---- sizes ----------------------------------------------------------------------------------- */

START_TEST(sizes_are_checked)
{
	size_t size = table_size(SLOTS);

	ck_assert_uint_eq(table->next_id, 17);
	ck_assert_uint_eq(table_size(0), 0);
	ck_assert_uint_eq(table_size(TABLE_SLOTS_MAX + 1), 0);
	/* 38272 bytes of rows and index, 32 a slot, a word of marks for 64 slots; up to the next multiple of 64. */
	ck_assert_uint_eq(table_size(1), 38336 + 1152 + 1024);
	ck_assert_uint_eq(table_size(16), 38848 + 16 * (1152 + 1024));
	ck_assert_uint_eq(table_size(64), 40384 + 64 * (1152 + 1024));
	ck_assert_uint_eq(table_size(65), 40384 + 65 * (1152 + 1024));
	ck_assert_uint_eq(table_size(TABLE_SLOTS_MAX),
	                  38272 + TABLE_SLOTS_MAX / 8 + (size_t)TABLE_SLOTS_MAX * (32 + 1152 + 1024));
	ASSERT_OK(table_check(table, size, &err));
	ASSERT_ERR(table_check(table, size - 1, &err), YM_ERR_CORRUPT);
	table->slots = SLOTS + 1;
	ASSERT_ERR(table_check(table, size, &err), YM_ERR_CORRUPT);
	table->slots = 0;
	ASSERT_ERR(table_check(table, size, &err), YM_ERR_CORRUPT);
	table->slots = UINT32_MAX;
	ASSERT_ERR(table_check(table, size, &err), YM_ERR_CORRUPT);
}
END_TEST

START_TEST(parts_lie_one_behind_the_other)
{
	char *start = (char *)table;

	ck_assert_ptr_eq(table->words, start + 38272);
	ck_assert_ptr_eq(table_links(table), start + 38272 + 8 * SLOTS);
	ck_assert_ptr_eq(table_buckets(table), start + 38272 + 28 * SLOTS);
	ck_assert_ptr_eq(table_marks(table), start + 38272 + 32 * SLOTS);
	ck_assert_uint_eq(table_mark_words(SLOTS), 1);
	ck_assert_uint_eq(table_mark_words(64), 1);
	ck_assert_uint_eq(table_mark_words(65), 2);
	ck_assert_ptr_eq(table_job(table, 0), start + 38592);
	ck_assert_ptr_eq(table_job_const(table, 3), start + 38592 + 3 * 1152);
	ck_assert_ptr_eq(table_story(table, 0), start + 38592 + SLOTS * 1152);
	ck_assert_ptr_eq(table_story(table, SLOTS), start + table_size(SLOTS));
}
END_TEST

START_TEST(a_damaged_pool_number_stays_within)
{
	table_job(table, 0)->pool = 3;
	ck_assert_uint_eq(job_pool(table_job(table, 0)), 3);
	table_job(table, 0)->pool = UINT16_MAX;
	ck_assert_uint_lt(job_pool(table_job(table, 0)), TABLE_POOLS);
}
END_TEST

START_TEST(rows_are_found_by_name)
{
	char longest[TABLE_NAME_MAX];

	ck_assert_int_eq(table_pool(table, "upload"), -1);
	ck_assert_int_eq(table_pool(table, ""), -1);
	strcpy(table->pools[5].name, "upload");
	ck_assert_int_eq(table_pool(table, "upload"), -1);
	atomic_store(&table->pools[5].used, 1);
	ck_assert_int_eq(table_pool(table, "upload"), 5);
	ck_assert_int_eq(table_pool(table, "uploads"), -1);
	ck_assert_int_eq(table_pool(table, "uploa"), -1);
	memset(longest, 'x', sizeof(longest));
	longest[TABLE_NAME_MAX - 1] = '\0';
	memcpy(table->limits[TABLE_LIMITS - 1].name, longest, sizeof(longest));
	atomic_store(&table->limits[TABLE_LIMITS - 1].used, 1);
	ck_assert_int_eq(table_limit(table, longest), TABLE_LIMITS - 1);
	ck_assert_int_eq(table_limit(table, "upload"), -1);
}
END_TEST

/* ---- taking slots ---------------------------------------------------------------------------- */

START_TEST(slots_are_used_as_a_ring)
{
	for (uint32_t round = 0; round < 3; round++)
		for (int64_t slot = 0; slot < SLOTS; slot++) {
			ck_assert_int_eq(take(), slot);
			ck_assert_uint_eq(word_gen(word_at(slot)), round + 1);
			become(slot, JOB_DONE, 0);
		}
	/* Two in the middle live longer than the rest. */
	become(2, JOB_CLAIMED, 0);
	become(3, JOB_READY, 0);
	ck_assert_int_eq(take(), 0);
	ck_assert_int_eq(take(), 1);
	ck_assert_int_eq(take(), 4);
	become(2, JOB_FAILED, 0);
	ck_assert_int_eq(take(), 5);
	ck_assert_int_eq(take(), 6);
	ck_assert_int_eq(take(), 7);
	ck_assert_int_eq(take(), 2);
	ck_assert_int_eq(take(), -1);
}
END_TEST

START_TEST(only_jobs_that_are_over_make_room)
{
	for (int i = 0; i < SLOTS; i++)
		ck_assert_int_eq(take(), i);
	for (unsigned state = 0; state < JOB_STATES; state++) {
		bool room = job_state_over((enum job_state)state) && state != JOB_BURIED;

		/* Not while its answer is still to be sent. */
		become(4, (enum job_state)state, JOB_REPLY);
		ck_assert_int_eq(take(), -1);
		become(4, (enum job_state)state, 0);
		ck_assert_int_eq(take(), room ? 4 : -1);
	}
}
END_TEST

/* With a store that knows of it, a buried one does; not before. */
START_TEST(stored_jobs_make_room_when_the_store_knows)
{
	table->store = 1;
	for (int i = 0; i < SLOTS; i++)
		ck_assert_int_eq(take(), i);
	for (unsigned state = 0; state < JOB_STATES; state++) {
		become(4, (enum job_state)state, JOB_STORED);
		ck_assert_int_eq(take(), -1);
		become(4, (enum job_state)state, 0);
		ck_assert_int_eq(take(), job_state_over((enum job_state)state) ? 4 : -1);
	}
}
END_TEST

START_TEST(the_generation_wraps_around)
{
	atomic_store(&table->words[0], word_make(UINT32_MAX, JOB_DONE, 1, 1, 0));
	ck_assert_int_eq(take(), 0);
	ck_assert_uint_eq(word_gen(word_at(0)), 0);
}
END_TEST

START_TEST(kept_results_are_kept)
{
	uint64_t now = ym_now_ns();

	for (int i = 0; i < SLOTS; i++) {
		ck_assert_int_eq(take(), i);
		become(i, JOB_DONE, JOB_KEEP);
		table_job(table, (uint32_t)i)->finished = now + UINT64_C(3600000000000);
	}
	ck_assert_int_eq(take(), -1);
	table_job(table, 3)->finished = now;
	WAIT_UNTIL(take() == 3);
	ck_assert_uint_gt(ym_now_ns(), now + TTL_NS);
	become(3, JOB_DONE, JOB_KEEP);
	table_job(table, 3)->finished = now + UINT64_C(3600000000000);
	ck_assert_int_eq(take(), -1);
	/* Another time to live counts at once. */
	table_job(table, 6)->finished = ym_now_ns() - 1000;
	atomic_store(&table->result_ttl_ns, 1);
	ck_assert_int_eq(take(), 6);
}
END_TEST

START_TEST(jobs_are_found_by_id)
{
	uint64_t word;

	for (int64_t i = 0; i < SLOTS; i++) {
		take();
		table_job(table, (uint32_t)i)->id = 100 + (uint64_t)i;
	}
	ck_assert_int_eq(table_find(table, 103, &word), -1); /* being filled: not there yet */
	become(3, JOB_DELAYED, JOB_KEEP);
	ck_assert_int_eq(table_find(table, 103, &word), 3);
	ck_assert_uint_eq(word, word_at(3));
	become(3, JOB_CANCELLED, 0);
	ck_assert_int_eq(table_find(table, 103, &word), 3);
	become(3, JOB_FREE, 0);
	ck_assert_int_eq(table_find(table, 103, &word), -1);
	ck_assert_int_eq(table_find(table, 99, &word), -1);
}
END_TEST

/* A question about a job is not the job, and of two copies the one that lives counts. */
START_TEST(the_live_copy_is_found)
{
	uint64_t word;

	table->store = 1;
	for (int64_t i = 0; i < SLOTS; i++) {
		take();
		table_job(table, (uint32_t)i)->id = 100;
		become(i, JOB_STORING, 0);
	}
	ck_assert_int_eq(table_find(table, 100, &word), -1);
	become(1, JOB_FAILED, 0);
	ck_assert_int_eq(table_find(table, 100, &word), 1);
	become(5, JOB_READY, JOB_STORED);
	ck_assert_int_eq(table_find(table, 100, &word), 5);
	ck_assert_uint_eq(word, word_at(5));
	become(5, JOB_DONE, JOB_STORED);
	become(6, JOB_DONE, 0);
	ck_assert_int_eq(table_find(table, 100, &word), 5);
}
END_TEST

static bool is_even(uint64_t word, const struct job_sh *job, unsigned state)
{
	return word_state(word) == (enum job_state)state && job->id % 2 == 0;
}

START_TEST(jobs_are_collected_by_age)
{
	static const uint64_t ids[SLOTS] = {8, 3, 2, 9, 40, 6, 4, 10};
	struct table_place found[SLOTS];

	for (uint32_t i = 0; i < SLOTS; i++) {
		take();
		table_job(table, i)->id = ids[i];
		become(i, i == 5 ? JOB_DONE : JOB_READY, 0);
	}
	ck_assert_uint_eq(table_collect(table, is_even, JOB_READY, found), 5);
	for (size_t i = 0; i < 5; i++) {
		static const uint64_t expected[] = {2, 4, 8, 10, 40};

		ck_assert_uint_eq(found[i].id, expected[i]);
		ck_assert_uint_eq(ids[found[i].slot], expected[i]);
	}
}
END_TEST

/* ---- changes --------------------------------------------------------------------------------- */

START_TEST(a_change_carries_flags_over)
{
	uint64_t mine = word_make(7, JOB_CLAIMED, 3, 2, 0);

	atomic_store(&table->words[1], mine | JOB_WAITED | JOB_TIMED_OUT);
	ck_assert(table_change(table, 1, &mine, JOB_FINISHING, 3, 2));
	ck_assert_uint_eq(mine, word_make(7, JOB_FINISHING, 3, 2, JOB_WAITED | JOB_TIMED_OUT));
	ck_assert_uint_eq(word_at(1), mine);
	ck_assert(table_change(table, 1, &mine, JOB_DELAYED, 0, 2));
	ck_assert_uint_eq(mine, word_make(7, JOB_DELAYED, 0, 2, JOB_WAITED));
}
END_TEST

START_TEST(only_the_holder_changes_a_word)
{
	static const uint64_t others[] = {1ull << JOB_GEN_SHIFT, 1ull << JOB_OWNER_SHIFT, 1ull << JOB_ATTEMPT_SHIFT,
	                                  1ull << JOB_STATE_SHIFT};

	for (size_t i = 0; i < COUNT(others); i++) {
		uint64_t mine = word_make(6, JOB_CLAIMED, 2, 2, 0), now = mine ^ others[i], before = mine;

		atomic_store(&table->words[1], now);
		ck_assert(!table_change(table, 1, &mine, JOB_DONE, 0, 2));
		ck_assert_uint_eq(word_at(1), now);
		ck_assert_uint_eq(mine, before);
	}
}
END_TEST

START_TEST(a_cancelled_job_does_not_wait_again)
{
	for (unsigned state = 0; state < JOB_STATES; state++) {
		uint64_t mine = word_make(7, JOB_CLAIMED, 3, 2, 0);
		bool waits = state == JOB_READY || state == JOB_DELAYED;

		atomic_store(&table->words[1], mine | JOB_CANCEL | JOB_KEEP);
		ck_assert(table_change(table, 1, &mine, (enum job_state)state, 0, 2));
		ck_assert_int_eq(word_state(mine), waits ? JOB_CANCELLED : (enum job_state)state);
		ck_assert_uint_eq(word_flags(mine) & JOB_KEEP, JOB_KEEP);
	}
}
END_TEST

struct race {
	_Atomic int go;
	_Atomic unsigned taken[SLOTS];
};

static void take_all(void *arg)
{
	struct race *race = arg;
	int64_t slot;

	while (!atomic_load(&race->go))
		;
	while ((slot = take()) >= 0)
		atomic_fetch_add(&race->taken[slot], 1);
}

START_TEST(no_slot_is_taken_twice)
{
	struct race *race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (uint32_t round = 1; round <= 50; round++) {
		pid_t children[3];

		atomic_store(&race->go, 0);
		for (size_t i = 0; i < COUNT(children); i++)
			children[i] = spawn(take_all, race);
		atomic_store(&race->go, 1);
		for (size_t i = 0; i < COUNT(children); i++)
			reap_well(children[i]);
		for (int slot = 0; slot < SLOTS; slot++) {
			ck_assert_uint_eq(race->taken[slot], round);
			ck_assert_uint_eq(word_gen(word_at(slot)), round);
			become(slot, JOB_FREE, 0);
		}
	}
}
END_TEST

/* ---- sleeping -------------------------------------------------------------------------------- */

static void sleep_on_slot(void *arg)
{
	uint64_t seen = *(uint64_t *)arg;

	while (atomic_load(&table->words[2]) == seen)
		table_sleep(table, 2, seen, YM_NEVER);
}

START_TEST(a_wake_reaches_another_process)
{
	uint64_t seen = word_make(1, JOB_CLAIMED, 0, 1, JOB_WAITED);
	pid_t child;

	atomic_store(&table->words[2], seen);
	child = spawn(sleep_on_slot, &seen);
	WAIT_UNTIL(process_state(child) == 'S');
	table_wake(table, 2); /* nothing has changed: it goes on sleeping */
	WAIT_UNTIL(process_state(child) == 'S');
	ck_assert_int_eq(waitpid(child, NULL, WNOHANG), 0);
	atomic_store(&table->words[2], word_make(1, JOB_DONE, 0, 1, JOB_WAITED));
	table_wake(table, 2);
	reap_well(child);
}
END_TEST

START_TEST(a_sleep_ends_with_its_deadline)
{
	uint64_t before = ym_now_ns(), seen = word_at(0);

	table_sleep(table, 0, seen, ym_deadline(30));
	ck_assert_uint_ge(ym_now_ns() - before, 30000000u);
	/* A word that is another one already: no sleep at all. */
	table_sleep(table, 0, seen + 1, YM_NEVER);
}
END_TEST

static void sleep_for_space(void *arg)
{
	(void)arg;
	table_want_space(table);
	table_sleep_for_space(table, YM_NEVER);
}

START_TEST(space_wakes_all_who_wait_for_it)
{
	pid_t children[3];

	table_space(table);
	for (size_t i = 0; i < COUNT(children); i++) {
		children[i] = spawn(sleep_for_space, NULL);
		WAIT_UNTIL(process_state(children[i]) == 'S' && atomic_load(&table->space_wanted));
	}
	table_space(table);
	for (size_t i = 0; i < COUNT(children); i++)
		reap_well(children[i]);
	ck_assert_uint_eq(table->space_wanted, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("table");
	TCase *tcase = tcase_create("table");

	tcase_add_checked_fixture(tcase, begin_table, end_test);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, words_hold_their_parts);
	tcase_add_test(tcase, sticky_flags_outlive_a_change);
	tcase_add_test(tcase, states_have_words);
	tcase_add_test(tcase, sizes_are_checked);
	tcase_add_test(tcase, parts_lie_one_behind_the_other);
	tcase_add_test(tcase, a_damaged_pool_number_stays_within);
	tcase_add_test(tcase, rows_are_found_by_name);
	tcase_add_test(tcase, slots_are_used_as_a_ring);
	tcase_add_test(tcase, only_jobs_that_are_over_make_room);
	tcase_add_test(tcase, stored_jobs_make_room_when_the_store_knows);
	tcase_add_test(tcase, the_live_copy_is_found);
	tcase_add_test(tcase, the_generation_wraps_around);
	tcase_add_test(tcase, kept_results_are_kept);
	tcase_add_test(tcase, jobs_are_found_by_id);
	tcase_add_test(tcase, jobs_are_collected_by_age);
	tcase_add_test(tcase, a_change_carries_flags_over);
	tcase_add_test(tcase, only_the_holder_changes_a_word);
	tcase_add_test(tcase, a_cancelled_job_does_not_wait_again);
	tcase_add_test(tcase, no_slot_is_taken_twice);
	tcase_add_test(tcase, a_wake_reaches_another_process);
	tcase_add_test(tcase, a_sleep_ends_with_its_deadline);
	tcase_add_test(tcase, space_wakes_all_who_wait_for_it);
	return run_suite(suite);
}
