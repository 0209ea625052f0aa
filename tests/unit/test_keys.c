/* test_keys.c - who has a unique key, as long as the job lives and not longer. */
#include "yard.h"

static int64_t find(const char *key)
{
	uint64_t word;
	int64_t slot;

	index_lock(&yard);
	slot = index_find(&yard, pool, key, &word);
	index_unlock(&yard);
	return slot;
}

START_TEST(a_key_belongs_to_a_live_job)
{
	static const bool live[JOB_STATES] = {
	    [JOB_READY] = true, [JOB_CLAIMED] = true, [JOB_FINISHING] = true, [JOB_FIXING] = true, [JOB_DELAYED] = true,
	};

	for (unsigned state = 0; state < JOB_STATES; state++) {
		struct job_ref ref = submit_unique("key");

		put_word(ref, (enum job_state)state, 0, 0);
		ck_assert_msg(find("key") == (live[state] ? (int64_t)ref.slot : -1), "%s",
		              job_state_word((enum job_state)state));
		put_word(ref, JOB_DONE, 0, 0);
		ck_assert_int_eq(find("key"), -1);
		/* Who came across it has taken it out of its bucket. */
		ck_assert(!index_has_key(&yard, ref.slot));
	}
}
END_TEST

START_TEST(keys_of_other_pools_are_other_keys)
{
	unsigned work = pool, other = add_pool("other");
	struct job_ref mine = submit_unique("key"), theirs;

	pool = other;
	ck_assert_int_eq(find("key"), -1);
	theirs = submit_unique("key");
	ck_assert_uint_ne(theirs.slot, mine.slot);
	ck_assert_int_eq(find("key"), theirs.slot);
	pool = work;
	ck_assert_int_eq(find("key"), mine.slot);
}
END_TEST

START_TEST(keys_are_compared_to_the_end)
{
	char key[JOB_UNIQUE_MAX], longer[JOB_UNIQUE_MAX + 1];
	struct job_ref a, b;

	memset(key, 'k', sizeof(key));
	key[JOB_UNIQUE_MAX - 1] = '\0';
	a = submit_unique(key);
	snprintf(longer, sizeof(longer), "%sk", key);
	ck_assert_int_eq(find(longer), -1);
	key[JOB_UNIQUE_MAX - 2] = 'x';
	ck_assert_int_eq(find(key), -1);
	b = submit_unique(key);
	ck_assert_uint_ne(a.slot, b.slot);
	ck_assert_int_eq(find(key), b.slot);
	key[JOB_UNIQUE_MAX - 2] = '\0';
	ck_assert_int_eq(find(key), -1);
}
END_TEST

/* One that was over but still in its bucket: with its slot goes its entry, whatever the next job is. */
START_TEST(a_slot_that_is_used_again)
{
	struct job_ref first = submit_unique("first"), second, third;

	run_job(first, STORY_DONE);
	atomic_store(&yard.table->position, first.slot);
	second = submit_unique("second");
	ck_assert_uint_eq(second.slot, first.slot);
	ck_assert_int_eq(find("first"), -1);
	ck_assert_int_eq(find("second"), second.slot);
	run_job(second, STORY_DONE);
	atomic_store(&yard.table->position, first.slot);
	third = submit("no key");
	ck_assert_uint_eq(third.slot, first.slot);
	ck_assert_int_eq(find("first"), -1);
	ck_assert_int_eq(find("second"), -1);
	ck_assert_int_eq(find(""), -1);
	ck_assert(!index_has_key(&yard, third.slot));
}
END_TEST

START_TEST(entered_and_forgotten_twice)
{
	struct job_ref a = submit_unique("a"), b = submit("b");
	uint64_t word;

	index_lock(&yard);
	index_add_key(&yard, a.slot);
	index_drop_key(&yard, b.slot);
	ck_assert_int_eq(index_find(&yard, pool, "a", &word), a.slot);
	index_drop_key(&yard, a.slot);
	index_drop_key(&yard, a.slot);
	ck_assert_int_eq(index_find(&yard, pool, "a", &word), -1);
	index_add_key(&yard, a.slot);
	ck_assert_int_eq(index_find(&yard, pool, "a", &word), a.slot);
	index_unlock(&yard);
}
END_TEST

/* As many keys as buckets: some share one. Whichever goes, the others are found. */
static void drop_in_steps(uint32_t step)
{
	uint32_t slots = yard.table->slots, shared = 0;
	struct job_ref *refs = calloc(slots, sizeof(*refs));
	char key[16];

	for (uint32_t i = 0; i < slots; i++) {
		snprintf(key, sizeof(key), "key %u", i);
		refs[i] = submit_unique(key);
	}
	for (uint32_t i = 0; i < slots; i++)
		shared += table_links(yard.table)[i].chain != 0;
	ck_assert_uint_ge(shared, slots / 8);
	for (uint32_t gone = 0; gone < slots; gone++) {
		uint32_t next = gone * step % slots;

		for (uint32_t i = 0; i < slots; i++) {
			bool live = state_of(refs[i]) == JOB_READY;

			if (slots > 64 && i % 64 != gone % 64)
				continue;
			snprintf(key, sizeof(key), "key %u", i);
			ck_assert_int_eq(find(key), live ? (int64_t)refs[i].slot : -1);
		}
		ASSERT_OK(dispatch_cancel(&yard, refs[next], &err));
	}
	free(refs);
}

/* By its slot, wherever in its bucket it stands. */
START_TEST(one_of_many_is_forgotten)
{
	for (uint32_t gone = 0; gone < yard.table->slots; gone++) {
		struct job_ref refs[16];
		char key[16];

		for (uint32_t i = 0; i < COUNT(refs); i++) {
			snprintf(key, sizeof(key), "key %u", i);
			refs[i] = submit_unique(key);
		}
		index_lock(&yard);
		index_drop_key(&yard, refs[gone].slot);
		index_unlock(&yard);
		for (uint32_t i = 0; i < COUNT(refs); i++) {
			snprintf(key, sizeof(key), "key %u", i);
			ck_assert_int_eq(find(key), i == gone ? -1 : (int64_t)refs[i].slot);
		}
		for (uint32_t i = 0; i < COUNT(refs); i++)
			ASSERT_OK(dispatch_cancel(&yard, refs[i], &err));
	}
}
END_TEST

START_TEST(keys_that_share_a_bucket)
{
	for (uint32_t step = 1; step < 16; step += 2)
		drop_in_steps(step);
}
END_TEST

START_TEST(a_thousand_keys)
{
	drop_in_steps(383);
}
END_TEST

static void begin_thousand(void)
{
	begin_yard_of(1000);
}

int main(void)
{
	Suite *suite = suite_create("keys");
	TCase *tcase;

	tcase = yard_case(suite, "keys", begin_yard);
	tcase_add_test(tcase, a_key_belongs_to_a_live_job);
	tcase_add_test(tcase, keys_of_other_pools_are_other_keys);
	tcase_add_test(tcase, keys_are_compared_to_the_end);
	tcase_add_test(tcase, a_slot_that_is_used_again);
	tcase_add_test(tcase, entered_and_forgotten_twice);
	tcase_add_test(tcase, one_of_many_is_forgotten);
	tcase_add_test(tcase, keys_that_share_a_bucket);
	tcase = yard_case(suite, "many", begin_thousand);
	tcase_add_test(tcase, a_thousand_keys);
	return run_suite(suite);
}
