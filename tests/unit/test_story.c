/* test_story.c - what is kept of the attempts of a job. */
#include "../../runtime/story.h"
#include "support.h"

static struct story_sh story;

static void tell(uint32_t gen, uint8_t number, const struct story_process *process)
{
	struct story_attempt attempt = {.started = number, .attempt = number, .end = STORY_FAILED, .status = 77};

	snprintf(attempt.error, sizeof(attempt.error), "error %u", number);
	story_tell(&story, gen, &attempt, process);
}

START_TEST(the_last_attempts_are_kept_in_order)
{
	struct story_attempt out[STORY_ATTEMPTS];

	for (unsigned told = 1; told <= 2 * STORY_ATTEMPTS + 1; told++) {
		unsigned n = told < STORY_ATTEMPTS ? told : STORY_ATTEMPTS;

		tell(9, (uint8_t)told, NULL);
		ck_assert_uint_eq(story_read(&story, 9, out), n);
		ck_assert_uint_eq(story.count, told);
		for (unsigned i = 0; i < n; i++) {
			char text[STORY_ERROR_MAX];

			snprintf(text, sizeof(text), "error %u", told - n + i + 1);
			ck_assert_uint_eq(out[i].attempt, told - n + i + 1);
			ck_assert_str_eq(out[i].error, text);
			ck_assert_int_eq(out[i].end, STORY_FAILED);
		}
	}
}
END_TEST

START_TEST(another_generation_is_another_story)
{
	struct story_process process = {.status = 9, .output = "old output", .note = "old note"};
	struct story_attempt out[STORY_ATTEMPTS];

	ck_assert_uint_eq(story_read(&story, 1, out), 0);
	tell(1, 1, &process);
	tell(1, 2, NULL);
	ck_assert_uint_eq(story_read(&story, 2, out), 0);
	ck_assert_str_eq(story.output, "old output");
	tell(2, 1, NULL);
	ck_assert_uint_eq(story_read(&story, 1, out), 0);
	ck_assert_uint_eq(story_read(&story, 2, out), 1);
	ck_assert_str_eq(story.output, "");
	ck_assert_str_eq(story.note, "");
}
END_TEST

START_TEST(what_the_process_used)
{
	struct story_process process = {
	    .status = 0x8b,
	    .usage = {.ru_maxrss = 4321, .ru_utime = {3, 999999}, .ru_stime = {0, 1000}},
	    .output = "last words",
	    .note = "half way",
	};
	struct story_attempt out[STORY_ATTEMPTS];

	tell(1, 1, &process);
	tell(1, 2, NULL);
	ck_assert_uint_eq(story_read(&story, 1, out), 2);
	ck_assert_int_eq(out[0].status, 0x8b);
	ck_assert_uint_eq(out[0].rss_kib, 4321);
	ck_assert_uint_eq(out[0].user_ms, 3999);
	ck_assert_uint_eq(out[0].system_ms, 1);
	/* Nothing known of the second one: the words of the first are still the last ones. */
	ck_assert_int_eq(out[1].status, -1);
	ck_assert_uint_eq(out[1].rss_kib, 0);
	ck_assert_str_eq(story.output, "last words");
	ck_assert_str_eq(story.note, "half way");
}
END_TEST

START_TEST(ends_have_words)
{
	for (unsigned end = 0; end < STORY_ENDS; end++)
		for (unsigned other = 0; other < end; other++)
			ck_assert_str_ne(story_end_word(end), story_end_word(other));
	ck_assert_str_eq(story_end_word(STORY_CRASHED), "crashed");
	ck_assert_str_eq(story_end_word(STORY_ENDS), "?");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("story");
	TCase *tcase = add_case(suite, "story");

	tcase_add_test(tcase, the_last_attempts_are_kept_in_order);
	tcase_add_test(tcase, another_generation_is_another_story);
	tcase_add_test(tcase, what_the_process_used);
	tcase_add_test(tcase, ends_have_words);
	return run_suite(suite);
}
