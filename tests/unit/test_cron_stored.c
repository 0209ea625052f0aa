/* test_cron_stored.c - a cron section with a store behind the table; the clerk is the test, which answers by hand. */
#include "../../runtime/cron.h"
#include "../../runtime/stage.h"
#include "yard.h"

/* 2024-03-04T00:00Z, a Monday. */
#define MONDAY INT64_C(1709510400)
#define HOUR   INT64_C(3600)

#define TEXT(literal) ((char *)(uintptr_t)(literal))

static struct zone *utc;
static struct cron cron;
static bool changed;

static void init(enum cfg_overlap overlap)
{
	const struct cfg_cron section = {.name = "night",
	                                 .pool = TEXT("work"),
	                                 .schedule = TEXT("0 * * * *"),
	                                 .payload = TEXT("sweep up"),
	                                 .overlap = overlap,
	                                 .catch_up_max_ms = 7 * 24 * HOUR * 1000,
	                                 .priority = -1};

	ASSERT_OK(cron_init(&cron, &section, utc, MONDAY, &err));
}

static void begin(void)
{
	char why[CFG_WHY_MAX];

	begin_yard();
	yard.table->store = 1;
	utc = zone_open("UTC", MONDAY, why);
	ck_assert_ptr_nonnull(utc);
}

static void end(void)
{
	cron_free(&cron);
	zone_close(utc);
	ck_assert_uint_eq(slots_in(JOB_FILLING), 0);
	end_yard();
}

static int64_t look(int64_t now)
{
	changed = false;
	return cron_look(&cron, &yard, now * 1000, &changed) / 1000;
}

/* The only slot that is staged. */
static struct job_sh *staged(uint32_t *slot)
{
	ck_assert_uint_eq(slots_in(JOB_STORING), 1);
	for (*slot = 0; word_state(atomic_load(&yard.table->words[*slot])) != JOB_STORING;)
		(*slot)++;
	return table_job(yard.table, *slot);
}

static uint64_t answer(enum stage_verdict verdict)
{
	uint32_t slot;
	struct job_sh *job = staged(&slot);
	uint64_t id = job->id;

	job->verdict = (uint8_t)verdict;
	job->other = 77;
	job->refusal = YM_ERR_FULL;
	snprintf(job->error, sizeof(job->error), "the disk is full");
	stage_answer(&yard, slot, atomic_load(&yard.table->words[slot]));
	return id;
}

/* Seen to when the store has it, and not submitted again until that is known. */
START_TEST(noted_when_stored)
{
	uint32_t slot;

	init(CFG_OVERLAP_QUEUE);
	ck_assert_int_eq(look(MONDAY + HOUR), MONDAY + HOUR + 1);
	ck_assert_str_eq(staged(&slot)->unique, "cron:night:1709514000");
	ck_assert_int_eq(look(MONDAY + HOUR + 1), MONDAY + HOUR + 2);
	staged(&slot);
	ck_assert(!changed);
	ck_assert_int_eq(cron.last, MONDAY);
	answer(STAGE_OK);
	ck_assert_int_eq(look(MONDAY + HOUR + 1), MONDAY + 2 * HOUR);
	ck_assert(changed);
	ck_assert_int_eq(cron.last, MONDAY + HOUR);
	ck_assert_uint_eq(slots_in(JOB_STORING), 0);
}
END_TEST

/* Who is told of the refusal does not ask at once again. */
START_TEST(refused_for_now)
{
	int64_t now = ym_unix_ms() / 1000;
	uint32_t slot;

	init(CFG_OVERLAP_QUEUE);
	look(MONDAY + HOUR);
	answer(STAGE_REFUSED);
	look(now);
	look(now);
	ck_assert_uint_eq(slots_in(JOB_STORING), 0);
	ck_assert_int_eq(cron.last, MONDAY);
	look(now + 3);
	ck_assert_str_eq(staged(&slot)->unique, "cron:night:1709514000");
	answer(STAGE_OK);
	look(now + 3);
	ck_assert_int_eq(cron.owed, 0);
	ck_assert_int_gt(cron.last, MONDAY);
}
END_TEST

START_TEST(skipped)
{
	uint32_t slot;

	init(CFG_OVERLAP_SKIP);
	look(MONDAY + HOUR);
	ck_assert_str_eq(staged(&slot)->unique, "cron:night");
	answer(STAGE_EXISTS);
	look(MONDAY + HOUR);
	ck_assert_int_eq(cron.last, MONDAY + HOUR);
	ck_assert_uint_eq(cron.skipped, 1);
}
END_TEST

/* The last one waits in the store only: the clerk is asked, also anew when it was on its way into a table. */
START_TEST(cancelled_in_the_store)
{
	uint64_t first, second;
	uint32_t slot;

	init(CFG_OVERLAP_CANCEL);
	look(MONDAY + HOUR);
	first = answer(STAGE_OK);
	look(MONDAY + HOUR);
	ck_assert_uint_eq(slots_in(JOB_STORING), 0);
	look(MONDAY + 2 * HOUR);
	second = answer(STAGE_OK);
	ck_assert_int_eq(look(MONDAY + 2 * HOUR), MONDAY + 2 * HOUR + 1);
	ck_assert_int_eq(staged(&slot)->ask, STAGE_ASK + STORE_CANCEL);
	ck_assert_uint_eq(answer(STAGE_HELD), first);
	look(MONDAY + 2 * HOUR);
	ck_assert_uint_eq(answer(STAGE_OK), first);
	ck_assert_int_eq(look(MONDAY + 2 * HOUR), MONDAY + 3 * HOUR);
	ck_assert_uint_eq(slots_in(JOB_STORING), 0);
	ck_assert_uint_eq(cron.job.id, second);
	/* A store that never takes the question: given up. */
	look(MONDAY + 3 * HOUR);
	answer(STAGE_OK);
	for (int i = 0; i < 3; i++) {
		look(MONDAY + 3 * HOUR);
		ck_assert_uint_eq(answer(STAGE_REFUSED), second);
	}
	ck_assert_int_eq(look(MONDAY + 3 * HOUR), MONDAY + 4 * HOUR);
	ck_assert_uint_eq(slots_in(JOB_STORING), 0);
}
END_TEST

/* ... and one of the table at once. */
START_TEST(cancelled_in_the_table)
{
	uint32_t slot;
	uint64_t word;

	init(CFG_OVERLAP_CANCEL);
	look(MONDAY + HOUR);
	staged(&slot);
	word = atomic_load(&yard.table->words[slot]);
	ck_assert(table_cas(yard.table, slot, &word, word_make(word_gen(word), JOB_DELAYED, 0, 0, JOB_STORED)));
	look(MONDAY + HOUR);
	look(MONDAY + 2 * HOUR);
	ck_assert_int_eq(word_state(atomic_load(&yard.table->words[slot])), JOB_DELAYED);
	answer(STAGE_OK);
	look(MONDAY + 2 * HOUR);
	ck_assert_int_eq(word_state(atomic_load(&yard.table->words[slot])), JOB_CANCELLED);
	ck_assert_uint_eq(slots_in(JOB_STORING), 0);
}
END_TEST

/* After a reload it goes on; what is dropped is left to the clerk. */
START_TEST(on_its_way_over_a_reload)
{
	struct cron before;
	uint32_t slot;

	init(CFG_OVERLAP_QUEUE);
	look(MONDAY + HOUR);
	before = cron;
	init(CFG_OVERLAP_QUEUE);
	cron_continue(&cron, &before);
	cron_leave(&before, &yard);
	cron_free(&before);
	staged(&slot);
	ck_assert_uint_eq(word_owner(atomic_load(&yard.table->words[slot])), yard.group.slot);
	if (_i == 0) {
		answer(STAGE_OK);
		look(MONDAY + HOUR);
		ck_assert_int_eq(cron.last, MONDAY + HOUR);
		return;
	}
	cron_leave(&cron, &yard);
	staged(&slot);
	ck_assert_uint_eq(word_owner(atomic_load(&yard.table->words[slot])), JOB_NOBODY);
	answer(STAGE_OK);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cron with a store");
	TCase *tcase = tcase_create("cron with a store");

	tcase_add_checked_fixture(tcase, begin, end);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, noted_when_stored);
	tcase_add_test(tcase, refused_for_now);
	tcase_add_test(tcase, skipped);
	tcase_add_test(tcase, cancelled_in_the_store);
	tcase_add_test(tcase, cancelled_in_the_table);
	tcase_add_loop_test(tcase, on_its_way_over_a_reload, 0, 2);
	return run_suite(suite);
}
