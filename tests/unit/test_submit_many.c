/* test_submit_many.c - jobs by the thousand, and more than there is room for. */
#include "batch.h"

/* ---- many at once ---------------------------------------------------------------------------- */

START_TEST(batches_of_all_sizes)
{
	static const size_t sizes[] = {0, 1, 63, 64, 65, 128, MANY};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		uint64_t first = atomic_load(&yard.table->next_id);
		bool existed[MANY];

		ask_for(sizes[i]);
		ck_assert_uint_eq(submit_jobs(&yard, requests, sizes[i], refs, existed, &err), sizes[i]);
		for (size_t k = 0; k < sizes[i]; k++)
			ck_assert(!existed[k]);
		for (size_t k = 0; k < sizes[i]; k++) {
			ck_assert_uint_eq(refs[k].id, first + k);
			run_job(refs[k], STORY_DONE);
		}
		ck_assert_uint_eq(pool_row()->ready, 0);
	}
}
END_TEST

START_TEST(the_same_key_twice_in_a_batch)
{
	bool existed[130];

	ask_for(130);
	requests[3].unique = requests[5].unique = requests[129].unique = "a";
	requests[4].unique = requests[64].unique = "b";
	ck_assert_uint_eq(submit_jobs(&yard, requests, 130, refs, existed, &err), 130);
	for (size_t i = 0; i < 130; i++)
		ck_assert(existed[i] == (i == 5 || i == 64 || i == 129));
	ck_assert_mem_eq(&refs[5], &refs[3], sizeof(refs[3]));
	ck_assert_mem_eq(&refs[129], &refs[3], sizeof(refs[3]));
	ck_assert_mem_eq(&refs[64], &refs[4], sizeof(refs[4]));
	ck_assert_uint_eq(slots_in(JOB_READY), 127);
	ck_assert_uint_eq(slots_in(JOB_FILLING), 0);
}
END_TEST

START_TEST(a_batch_for_two_pools)
{
	unsigned work = pool, other = add_pool("other");

	ask_for(70);
	for (size_t i = 0; i < 70; i++)
		requests[i].pool = i % 7 < 3 ? work : other;
	atomic_store(&yard.table->pools[work].sleeping, 100);
	atomic_store(&yard.table->pools[other].sleeping, 35);
	ck_assert_uint_eq(submit_jobs(&yard, requests, 70, refs, NULL, &err), 70);
	ck_assert_uint_eq(tokens(), 30);
	ck_assert_int_eq(yard.table->pools[work].sleeping, 70);
	ck_assert_int_eq(yard.table->pools[other].sleeping, 0);
	for (size_t i = 0; i < 70; i++) {
		pool = requests[i].pool;
		run_job(refs[i], STORY_DONE);
	}
	pool = other;
	ck_assert_uint_eq(tokens(), 35);
}
END_TEST

START_TEST(a_bad_one_ends_a_batch)
{
	static const size_t places[] = {0, 5, 63, 64, 65, 99};

	for (size_t i = 0; i < COUNT(places); i++) {
		uint32_t before = slots_in(JOB_READY);

		ask_for(100);
		requests[places[i]].level = 77;
		err = (struct ym_err){0};
		ck_assert_uint_eq(submit_jobs(&yard, requests, 100, refs, NULL, &err), places[i]);
		ck_assert_int_eq(err.class, YM_ERR_USAGE);
		ASSERT_IN("priority 77", err.text);
		ck_assert_uint_eq(slots_in(JOB_READY), before + places[i]);
		ck_assert_uint_eq(slots_in(JOB_FILLING), 0);
	}
}
END_TEST

/* ---- full ------------------------------------------------------------------------------------ */

START_TEST(a_full_table)
{
	struct job_request request = request_of("x");
	struct job_ref ref, first = submit("x");
	uint64_t before;

	for (uint32_t i = 1; i < yard.table->slots; i++)
		submit("x");
	ASSERT_ERR(submit_job(&yard, &request, &ref, &err), YM_ERR_FULL);
	ASSERT_IN("16 jobs", err.text);
	before = ym_now_ns();
	request.deadline = ym_deadline(30);
	ASSERT_ERR(submit_job(&yard, &request, &ref, &err), YM_ERR_FULL);
	ck_assert_uint_ge(ym_now_ns() - before, 30000000u);
	run_job(first, STORY_DONE);
	ASSERT_OK(submit_job(&yard, &request, &ref, &err));
	ck_assert_uint_eq(ref.slot, first.slot);
	ck_assert_uint_eq(ref.gen, first.gen + 1);
}
END_TEST

START_TEST(what_fits_is_taken_in)
{
	ask_for(40);
	for (size_t i = 0; i < 40; i++)
		requests[i].deadline = ym_deadline(20);
	err = (struct ym_err){0};
	ck_assert_uint_eq(submit_jobs(&yard, requests, 40, refs, NULL, &err), 16);
	ck_assert_int_eq(err.class, YM_ERR_FULL);
	for (size_t i = 0; i < 16; i++)
		run_job(refs[i], STORY_DONE);
	ck_assert_uint_eq(slots_in(JOB_DONE), 16);
}
END_TEST

static void submit_when_there_is_room(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	MUST(submit_jobs(&mine, requests, 100, refs, NULL, &err) == 100);
	leave_yard(&mine);
}

START_TEST(a_batch_waits_for_room)
{
	uint64_t last = 0;
	pid_t child;

	ask_for(100);
	for (size_t i = 0; i < 100; i++)
		requests[i].deadline = ym_deadline(PATIENCE_MS);
	child = spawn(submit_when_there_is_room, NULL);
	for (int i = 0; i < 100; i++) {
		struct job_ref ref;
		uint64_t word;

		/* From time to time it is let sleep: who gives a slot must wake it. */
		if (i % 20 == 15 && i < 80)
			WAIT_UNTIL(atomic_load(&yard.table->space_wanted) && process_state(child) == 'S');
		WAIT_UNTIL(try_claim(&ref, &word));
		ck_assert_uint_gt(ref.id, last);
		last = ref.id;
		MUST(dispatch_finish(&yard, ref.slot, word, &(struct job_report){.end = STORY_DONE},
		                     &(enum job_state){0}));
	}
	reap_well(child);
	ck_assert_uint_eq(slots_in(JOB_READY), 0);
}
END_TEST

START_TEST(kept_results_are_not_overwritten)
{
	struct job_report report = {.end = STORY_DONE, .result = "precious", .result_size = 8};
	struct job_request request = request_of("x");
	enum job_state became;
	struct job_ref kept;

	request.keep = true;
	kept = submit_request(request);
	atomic_store(&yard.table->result_ttl_ns, UINT64_C(3600000000000));
	ck_assert(dispatch_finish(&yard, kept.slot, claim_this(kept), &report, &became));
	for (uint32_t i = 0; i < 3 * yard.table->slots; i++)
		run_job(submit("y"), STORY_DONE);
	ck_assert_int_eq(state_of(kept), JOB_DONE);
	ck_assert_mem_eq(job_of(kept)->result, "precious", 8);
	atomic_store(&yard.table->result_ttl_ns, 1);
	for (uint32_t i = 0; i < yard.table->slots; i++)
		submit("z");
	ck_assert_uint_ne(word_gen(word_of(kept)), kept.gen);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("submit_many");
	TCase *tcase;

	tcase = yard_case(suite, "full", begin_yard);
	tcase_add_test(tcase, a_full_table);
	tcase_add_test(tcase, what_fits_is_taken_in);
	tcase_add_test(tcase, a_batch_waits_for_room);
	tcase_add_test(tcase, kept_results_are_not_overwritten);
	tcase = yard_case(suite, "many", begin_many);
	tcase_add_test(tcase, batches_of_all_sizes);
	tcase_add_test(tcase, the_same_key_twice_in_a_batch);
	tcase_add_test(tcase, a_batch_for_two_pools);
	tcase_add_test(tcase, a_bad_one_ends_a_batch);
	return run_suite(suite);
}
