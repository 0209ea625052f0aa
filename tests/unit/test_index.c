/* test_index.c - the order of ready jobs: by level, age and place, also after the death of who was changing it. */
#include <sys/mman.h>

#include "yard.h"

static int64_t pop(void)
{
	int64_t slot;

	index_lock(&yard);
	slot = index_pop(&yard, pool);
	index_unlock(&yard);
	return slot;
}

static bool push(struct job_ref ref, bool first)
{
	bool linked;

	index_lock(&yard);
	linked = index_push(&yard, ref.slot, word_of(ref), first);
	index_unlock(&yard);
	return linked;
}

static int64_t find(const char *key)
{
	uint64_t word;
	int64_t slot;

	index_lock(&yard);
	slot = index_find(&yard, pool, key, &word);
	index_unlock(&yard);
	return slot;
}

static struct job_ref submit_level(int level)
{
	struct job_request request = request_of("x");

	request.level = level;
	return submit_request(request);
}

static void expect_pops(const struct job_ref *refs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int64_t slot = pop();

		ck_assert_msg(slot == refs[i].slot, "place %zu: slot %jd and not %u", i, (intmax_t)slot, refs[i].slot);
		ck_assert(!index_linked(&yard, refs[i].slot));
	}
	ck_assert_int_eq(pop(), -1);
	ck_assert_uint_eq(pool_row()->ready, 0);
}

/* ---- order ----------------------------------------------------------------------------------- */

START_TEST(first_come_first_served)
{
	struct job_ref refs[10];

	ck_assert_int_eq(pop(), -1);
	for (size_t i = 0; i < COUNT(refs); i++) {
		refs[i] = submit("x");
		ck_assert(index_linked(&yard, refs[i].slot));
	}
	expect_pops(refs, COUNT(refs));
}
END_TEST

START_TEST(first_in_line)
{
	struct job_ref a = submit("a"), b = submit("b"), c = submit("c");

	ck_assert_int_eq(pop(), a.slot);
	ck_assert_int_eq(pop(), b.slot);
	ck_assert(push(b, true));
	ck_assert(push(a, true));
	expect_pops((struct job_ref[]){a, b, c}, 3);
	/* Into an empty list. */
	ck_assert(push(c, true));
	ck_assert(push(a, false));
	expect_pops((struct job_ref[]){c, a}, 2);
}
END_TEST

/* In each of the three places of a list, to either end. */
START_TEST(a_link_can_be_moved)
{
	for (int which = 0; which < 3; which++)
		for (int first = 0; first < 2; first++) {
			struct job_ref refs[3] = {submit("a"), submit("b"), submit("c")}, expected[3];
			size_t n = 0;

			if (first)
				expected[n++] = refs[which];
			for (int i = 0; i < 3; i++)
				if (i != which)
					expected[n++] = refs[i];
			if (!first)
				expected[n++] = refs[which];
			ck_assert(push(refs[which], first));
			expect_pops(expected, 3);
			for (int i = 0; i < 3; i++)
				put_word(refs[i], JOB_DONE, 0, 0);
		}
}
END_TEST

START_TEST(urgent_ones_pass)
{
	static const int levels[] = {9, 5, 0, 5, 9, 0, 3, JOB_LEVEL_DEFAULT};
	static const size_t order[] = {2, 5, 6, 1, 3, 7, 0, 4};
	struct job_ref refs[COUNT(levels)], expected[COUNT(levels)];

	for (size_t i = 0; i < COUNT(levels); i++)
		refs[i] = submit_level(levels[i]);
	ck_assert_uint_eq(pool_row()->ready, 1u << 9 | 1u << 5 | 1u << 3 | 1u << 0);
	for (size_t i = 0; i < COUNT(order); i++)
		expected[i] = refs[order[i]];
	expect_pops(expected, COUNT(order));
}
END_TEST

/* A job of level n counts as one that became ready n times `ageing` later. */
START_TEST(old_ones_pass_urgent_ones)
{
	static const struct {
		int low, urgent;
		int64_t ahead; /* beyond the levels' worth of ageing, in nanoseconds */
		bool low_first;
	} rows[] = {{9, 2, -1, false}, {9, 2, 0, false}, {9, 2, 1, true},  {1, 0, -1, false},
	            {1, 0, 1, true},   {9, 0, 1, true},  {6, 5, -1, false}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t ahead = (uint64_t)(rows[i].low - rows[i].urgent) * AGEING_NS;
		struct job_ref low = submit_level(rows[i].low), urgent = submit_level(rows[i].urgent);

		job_of(urgent)->ready = UINT64_C(4000000000000);
		job_of(low)->ready = job_of(urgent)->ready - ahead - (uint64_t)rows[i].ahead;
		ck_assert_msg(pop() == (rows[i].low_first ? low : urgent).slot, "row %zu", i);
		ck_assert_int_ge(pop(), 0);
		put_word(low, JOB_DONE, 0, 0);
		put_word(urgent, JOB_DONE, 0, 0);
	}
}
END_TEST

START_TEST(without_ageing_only_age_counts)
{
	struct job_ref refs[4];

	atomic_store(&pool_row()->ageing_ns, 0);
	for (int i = 0; i < 4; i++) {
		refs[i] = submit_level(9 - 3 * i);
		job_of(refs[i])->ready = 1000u + (unsigned)i;
	}
	expect_pops(refs, 4);
}
END_TEST

START_TEST(pools_have_lists_of_their_own)
{
	unsigned work = pool, other = add_pool("other");
	struct job_ref mine = submit("x"), theirs;

	pool = other;
	theirs = submit("y");
	expect_pops(&theirs, 1);
	pool = work;
	expect_pops(&mine, 1);
}
END_TEST

/* ---- entries that are not true any more ------------------------------------------------------ */

START_TEST(only_ready_jobs_are_linked)
{
	struct job_ref ref = submit("x");
	uint64_t stale = word_of(ref);

	ck_assert_int_eq(pop(), ref.slot);
	for (unsigned state = 0; state < JOB_STATES; state++) {
		put_word(ref, (enum job_state)state, 0, 0);
		if (state == JOB_READY)
			continue;
		ck_assert(!push(ref, false));
		ck_assert(!index_linked(&yard, ref.slot));
	}
	/* Ready, but for the next time: who pushes comes too late. */
	put_word(ref, JOB_READY, 0, 1);
	index_lock(&yard);
	ck_assert(!index_push(&yard, ref.slot, stale, false));
	index_unlock(&yard);
	ck_assert_int_eq(pop(), -1);
}
END_TEST

START_TEST(a_cancelled_job_is_passed_over)
{
	struct job_ref a = submit("a"), b = submit("b"), found;
	uint64_t word;

	ASSERT_OK(dispatch_cancel(&yard, a, &err));
	ck_assert(index_linked(&yard, a.slot));
	claim_this(b);
	ck_assert(!index_linked(&yard, a.slot));
	ck_assert(!try_claim(&found, &word));
	ck_assert_int_eq(state_of(a), JOB_CANCELLED);
}
END_TEST

/* The slot of a cancelled job is another pool's, while its old place in the list is still there. */
START_TEST(a_slot_that_changed_its_pool)
{
	unsigned work = pool, other = add_pool("other");
	struct job_ref old = submit("old"), fresh, found;
	uint64_t word;

	ASSERT_OK(dispatch_cancel(&yard, old, &err));
	atomic_store(&yard.table->position, old.slot);
	pool = other;
	fresh = submit("new");
	ck_assert_uint_eq(fresh.slot, old.slot);
	pool = work;
	ck_assert(!try_claim(&found, &word));
	pool = other;
	claim_this(fresh);
}
END_TEST

/* The same, caught between the acceptance of the new job and its entry in a list. */
START_TEST(a_slot_that_is_changing_its_pool)
{
	unsigned work = pool, other = add_pool("other");
	struct job_ref ref = submit("x"), found;
	uint64_t word;

	job_of(ref)->pool = (uint16_t)other;
	ck_assert(!try_claim(&found, &word));
	ck_assert_int_eq(state_of(ref), JOB_READY);
	ck_assert(push(ref, false));
	ck_assert(!try_claim(&found, &word));
	pool = other;
	claim_this(ref);
	pool = work;
}
END_TEST

/* ---- rebuilt --------------------------------------------------------------------------------- */

static void scribble(void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((unsigned char *)bytes)[i] = (unsigned char)random_below(256);
}

/* Dies with the lock, leaving everything that it guards in a mess. */
static void mess_up(void *arg)
{
	struct instance mine;
	struct table_sh *table;

	(void)arg;
	join_yard(&mine);
	table = mine.table;
	index_lock(&mine);
	scribble(table->index.lists, sizeof(table->index.lists));
	scribble(table_links(table), table->slots * sizeof(struct index_link_sh));
	scribble(table_buckets(table), table->slots * sizeof(uint32_t));
	for (unsigned i = 0; i < TABLE_POOLS; i++)
		atomic_store(&table->pools[i].ready, random_below(1024));
	kill(getpid(), SIGKILL);
}

enum { WAITING = 7 };

/* Jobs in all states, some with keys; the ready ones in the order in which they must come. */
static void fill_yard(struct job_ref *ready, struct job_ref *running, struct job_ref *later)
{
	struct job_request request = request_of("x");
	struct job_ref done;
	char key[8];

	done = submit_unique("done");
	run_job(done, STORY_DONE);
	done = submit_unique("failed");
	run_job(done, STORY_FAILED);
	*running = submit_unique("running");
	claim_this(*running);
	request.unique = "buried";
	ASSERT_OK(dispatch_bury(&yard, submit_request(request), &err));
	request.unique = "delayed";
	request.delay_ms = 100000;
	*later = submit_request(request);
	request.delay_ms = 0;
	request.unique = key;
	for (int i = WAITING - 1; i >= 0; i--) {
		snprintf(key, sizeof(key), "key%d", i);
		request.level = i;
		ready[i] = submit_request(request);
	}
}

static void expect_all(const struct job_ref *ready, struct job_ref running, struct job_ref later)
{
	char key[8];

	for (int i = 0; i < WAITING; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		ck_assert_int_eq(find(key), ready[i].slot);
	}
	ck_assert_int_eq(find("running"), running.slot);
	ck_assert_int_eq(find("delayed"), later.slot);
	ck_assert_int_eq(find("done"), -1);
	ck_assert_int_eq(find("failed"), -1);
	ck_assert_int_eq(find("buried"), -1);
	ck_assert_uint_eq(pool_row()->ready, (1u << WAITING) - 1);
	expect_pops(ready, WAITING);
	for (unsigned i = 0; i < TABLE_POOLS; i++)
		ck_assert_uint_eq(yard.table->pools[i].ready, 0);
}

START_TEST(rebuilt_by_the_next_one)
{
	struct job_ref ready[WAITING], running, later;

	fill_yard(ready, &running, &later);
	for (int round = 0; round < 20; round++) {
		reap(spawn(mess_up, NULL));
		expect_all(ready, running, later);
		ck_assert_uint_eq(yard.table->index.lock.broken, (unsigned)round + 1);
		for (int i = WAITING - 1; i >= 0; i--)
			ck_assert(push(ready[i], false));
	}
}
END_TEST

START_TEST(rebuilt_by_the_sweep)
{
	struct job_ref ready[WAITING], running, later;

	fill_yard(ready, &running, &later);
	reap(spawn(mess_up, NULL));
	run_sweep();
	ck_assert_uint_eq(yard.table->index.lock.broken, 1);
	ck_assert_uint_eq(yard.table->index.lock.word & 0x7fffffff, 0);
	expect_all(ready, running, later);
	ck_assert_uint_eq(yard.table->index.lock.broken, 1);
}
END_TEST

/* Within a level, by age: what became ready first has the lower number. */
START_TEST(rebuilt_in_the_order_of_jobs)
{
	struct job_ref refs[10];

	atomic_store(&yard.table->position, yard.table->slots - 5);
	for (size_t i = 0; i < COUNT(refs); i++)
		refs[i] = submit("x");
	ck_assert_uint_gt(refs[0].slot, refs[9].slot);
	reap(spawn(mess_up, NULL));
	expect_pops(refs, COUNT(refs));
}
END_TEST

START_TEST(a_living_one_is_not_robbed)
{
	index_lock(&yard);
	ck_assert(!index_break(&yard, yard.group.slot + 1));
	ck_assert_uint_eq(yard.table->index.lock.word & 0x7fffffff, yard.group.slot + 1);
	index_unlock(&yard);
	ck_assert(!index_break(&yard, yard.group.slot));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("index");
	TCase *tcase;

	tcase = yard_case(suite, "index", begin_yard);
	tcase_add_test(tcase, first_come_first_served);
	tcase_add_test(tcase, first_in_line);
	tcase_add_test(tcase, a_link_can_be_moved);
	tcase_add_test(tcase, urgent_ones_pass);
	tcase_add_test(tcase, old_ones_pass_urgent_ones);
	tcase_add_test(tcase, without_ageing_only_age_counts);
	tcase_add_test(tcase, pools_have_lists_of_their_own);
	tcase_add_test(tcase, only_ready_jobs_are_linked);
	tcase_add_test(tcase, a_cancelled_job_is_passed_over);
	tcase_add_test(tcase, a_slot_that_changed_its_pool);
	tcase_add_test(tcase, a_slot_that_is_changing_its_pool);
	tcase_add_test(tcase, rebuilt_by_the_next_one);
	tcase_add_test(tcase, rebuilt_by_the_sweep);
	tcase_add_test(tcase, rebuilt_in_the_order_of_jobs);
	tcase_add_test(tcase, a_living_one_is_not_robbed);
	return run_suite(suite);
}
