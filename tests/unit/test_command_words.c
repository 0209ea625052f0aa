/* test_command_words.c - the payload in the words of a command, and settings from options. */
#include "../../runtime/brief.h"
#include "../../workers/command.h"
#include "../../workers/command_settings.h"
#include "../../workers/command_words.h"
#include "support.h"

static char **fill_one(const char *word, const char *payload, size_t size)
{
	return command_words_fill(&word, 1, payload, size, "/tmp/p", &err);
}

START_TEST(marks_are_replaced)
{
	static const struct {
		const char *word, *filled;
		unsigned uses;
	} cases[] = {
	    {"plain", "plain", 0},
	    {"", "", 0},
	    {"{}", "pay", COMMAND_USES_TEXT},
	    {"a{}b{}", "apaybpay", COMMAND_USES_TEXT},
	    {"{file}", "/tmp/p", COMMAND_USES_FILE},
	    {"@{file};{}", "@/tmp/p;pay", COMMAND_USES_FILE | COMMAND_USES_TEXT},
	    {"{{}}", "{}", 0},
	    {"x{{file}}y", "x{file}y", 0},
	    {"{{}}{}", "{}pay", COMMAND_USES_TEXT},
	    {"{\"a\":{}}", "{\"a\":pay}", COMMAND_USES_TEXT},
	    {"{ } {files} {fil {", "{ } {files} {fil {", 0},
	    {"{{{}}}", "{{}}", 0},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char **argv = fill_one(cases[i].word, "pay", 3);

		ck_assert_ptr_nonnull(argv);
		ck_assert_str_eq(argv[0], cases[i].filled);
		ck_assert_ptr_null(argv[1]);
		ck_assert_uint_eq(command_word_uses(cases[i].word), cases[i].uses);
		free(argv);
	}
}
END_TEST

START_TEST(what_is_put_in_is_not_looked_at_again)
{
	const char *words[] = {"p", "{}", "{file}", "{}"};
	char **argv = command_words_fill(words, COUNT(words), "{file}{}", 8, "/x/{}", &err);

	ck_assert_str_eq(argv[0], "p");
	ck_assert_str_eq(argv[1], "{file}{}");
	ck_assert_str_eq(argv[2], "/x/{}");
	ck_assert_str_eq(argv[3], "{file}{}");
	ck_assert_ptr_null(argv[4]);
	free(argv);
}
END_TEST

START_TEST(no_payload_at_all)
{
	char **argv = fill_one("<{}>", NULL, 0);

	ck_assert_str_eq(argv[0], "<>");
	free(argv);
}
END_TEST

START_TEST(a_nul_byte_is_no_text)
{
	ck_assert_ptr_null(fill_one("x{}", "a\0b", 3));
	ASSERT_IN("NUL byte", err.text);
	/* Only where it would stand in a word. */
	free(fill_one("{file}", "a\0b", 3));
}
END_TEST

START_TEST(the_longest_word)
{
	char *payload = malloc(COMMAND_WORD_MAX), **argv;

	memset(payload, 'x', COMMAND_WORD_MAX);
	argv = fill_one("-{}", payload, COMMAND_WORD_MAX - 2);
	ck_assert_ptr_nonnull(argv);
	ck_assert_uint_eq(strlen(argv[0]), COMMAND_WORD_MAX - 1);
	free(argv);
	ck_assert_ptr_null(fill_one("-{}", payload, COMMAND_WORD_MAX - 1));
	ASSERT_IN("131071", err.text);
	ck_assert_int_eq(err.class, YM_ERR_LIMIT);
	free(payload);
}
END_TEST

/* ---- settings -------------------------------------------------------------------------------- */

static struct command_settings settings;

static void read_settings(const struct ym_option *options, size_t count)
{
	struct ym_plugin_config config = {"work", options, count};

	ASSERT_OK(command_settings_read(&settings, &config, &err));
}

static const char *variable(const char *name)
{
	size_t size = strlen(name);
	const char *found = NULL;

	for (char **entry = settings.envp; *entry; entry++)
		if (strncmp(*entry, name, size) == 0 && (*entry)[size] == '=') {
			ck_assert_msg(!found, "%s stands there twice", name);
			found = *entry + size + 1;
		}
	return found;
}

START_TEST(settings_and_their_presets)
{
	const struct ym_option few[] = {{BRIEF_WORD, "/bin/true"}};
	const struct ym_option all[] = {{BRIEF_WORD, "true"}, {BRIEF_OUTPUT_MAX, "10"}, {BRIEF_RETRY_CODES, "1, 255"},
	                                {BRIEF_STOP_MS, "0"}, {BRIEF_WORD, "-x"},       {"PATH", "/a::/b"}};

	read_settings(few, COUNT(few));
	ck_assert_uint_eq(settings.output_max, 1 << 20);
	ck_assert_uint_eq(settings.stop_ms, 5000);
	ck_assert(settings.retry[75] && !settings.retry[1]);
	ck_assert_str_eq(settings.paths[0], "/bin/true");
	ck_assert_ptr_null(settings.paths[1]);
	ck_assert_ptr_null(settings.search);
	command_settings_free(&settings);
	read_settings(all, COUNT(all));
	ck_assert_uint_eq(settings.nwords, 2);
	ck_assert_str_eq(settings.words[1], "-x");
	ck_assert_uint_eq(settings.output_max, 10);
	ck_assert_uint_eq(settings.stop_ms, 0);
	ck_assert(settings.retry[1] && settings.retry[255] && !settings.retry[75]);
	ck_assert_str_eq(settings.search, "/a::/b");
	ck_assert_str_eq(settings.paths[0], "/a/true");
	ck_assert_str_eq(settings.paths[1], "true");
	ck_assert_str_eq(settings.paths[2], "/b/true");
	ck_assert_ptr_null(settings.paths[3]);
	command_settings_free(&settings);
}
END_TEST

START_TEST(the_environment)
{
	const struct ym_option options[] = {
	    {BRIEF_WORD, "x"}, {"HERITAGE", "new"}, {"MORE", "a=b"}, {"MORE", "last"}, {"EMPTY", ""}};

	setenv("HERITAGE", "old", 1);
	setenv("KEPT", "yes", 1);
	setenv("YARDMASTER_JOB", "of the one that started us", 1);
	setenv("YARDMASTER_OTHER", "too", 1);
	read_settings(options, COUNT(options));
	command_settings_tell(&settings, COMMAND_JOB, "%d", 17);
	command_settings_tell(&settings, COMMAND_TAG, "%s", "");
	ck_assert_str_eq(variable("HERITAGE"), "new");
	ck_assert_str_eq(variable("KEPT"), "yes");
	ck_assert_str_eq(variable("MORE"), "last");
	ck_assert_str_eq(variable("EMPTY"), "");
	ck_assert_str_eq(variable("YARDMASTER_JOB"), "17");
	ck_assert_str_eq(variable("YARDMASTER_TAG"), "");
	ck_assert_ptr_null(variable("YARDMASTER_OTHER"));
	command_settings_free(&settings);
}
END_TEST

START_TEST(settings_that_are_refused)
{
	static const struct {
		struct ym_option options[2];
		const char *why;
	} cases[] = {
	    {{{"A", "b"}}, "empty"},
	    {{{BRIEF_WORD, ""}}, "empty"},
	    {{{BRIEF_WORD, "{}"}}, "name"},
	    {{{BRIEF_WORD, "x/{file}"}}, "name"},
	    {{{BRIEF_WORD, "x"}, {".wrod", "y"}}, ".wrod"},
	    {{{BRIEF_WORD, "x"}, {BRIEF_OUTPUT_MAX, "1k"}}, "1k"},
	    {{{BRIEF_WORD, "x"}, {BRIEF_OUTPUT_MAX, ""}}, "no number"},
	    {{{BRIEF_WORD, "x"}, {BRIEF_STOP_MS, "-1"}}, "-1"},
	    {{{BRIEF_WORD, "x"}, {BRIEF_RETRY_CODES, "75,x"}}, "75,x"},
	    {{{BRIEF_WORD, "x"}, {BRIEF_RETRY_CODES, "0"}}, "1 to 255"},
	    {{{BRIEF_WORD, "x"}, {BRIEF_RETRY_CODES, "256"}}, "1 to 255"},
	    {{{BRIEF_WORD, "x"}, {BRIEF_RETRY_CODES, "-1"}}, "1 to 255"},
	    {{{BRIEF_WORD, "x"}, {"YARDMASTER_JOB", "1"}}, "YARDMASTER_JOB"},
	    {{{BRIEF_WORD, "x"}, {"A=B", "1"}}, "A=B"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ym_plugin_config config = {"work", cases[i].options, cases[i].options[1].key ? 2 : 1};

		ASSERT_ERR(command_settings_read(&settings, &config, &err), YM_ERR_CONFIG);
		ASSERT_IN(cases[i].why, err.text);
		ck_assert_ptr_null(settings.words);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("command words");
	TCase *tcase = add_case(suite, "command words");

	tcase_add_test(tcase, marks_are_replaced);
	tcase_add_test(tcase, what_is_put_in_is_not_looked_at_again);
	tcase_add_test(tcase, no_payload_at_all);
	tcase_add_test(tcase, a_nul_byte_is_no_text);
	tcase_add_test(tcase, the_longest_word);
	tcase_add_test(tcase, settings_and_their_presets);
	tcase_add_test(tcase, the_environment);
	tcase_add_test(tcase, settings_that_are_refused);
	return run_suite(suite);
}
