/* test_words.c - a command line into its words, or the reason why not. */
#include <string.h>

#include "../../config/words.h"
#include "suite.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

#define WORDS_MAX 5

static const struct {
	const char *text;
	const char *words[WORDS_MAX];
} good[] = {
    {"a", {"a"}},
    {"  a\t b ", {"a", "b"}},
    {"/usr/bin/convert {file} \"out dir/x.png\"", {"/usr/bin/convert", "{file}", "out dir/x.png"}},
    {"a 'b c' d", {"a", "b c", "d"}},
    {"a b'c d'\"e f\"g", {"a", "bc de fg"}},
    {"a '' \"\" b", {"a", "", "", "b"}},
    {"a b\\ c \\'d \\\\", {"a", "b c", "'d", "\\"}},
    {"a 'b\\c\\\\d\\$e' '\"'", {"a", "b\\c\\\\d\\$e", "\""}},
    {"a \"b\\\"c\" \"\\\\\" \"\\$x\\`\" \"\\n\\'\"", {"a", "b\"c", "\\", "$x`", "\\n\\'"}},
    {"sh -c 'a | b > c; d & e < f `g` $(h) $i'", {"sh", "-c", "a | b > c; d & e < f `g` $(h) $i"}},
    {"sh -c \"a | b `g` $(h) $i\"", {"sh", "-c", "a | b `g` $(h) $i"}},
    {"a \\| \\$x \\; b", {"a", "|", "$x", ";", "b"}},
    {"a $ 5$ $, b", {"a", "$", "5$", "$,", "b"}},
    {"a *.c ? ~ #b", {"a", "*.c", "?", "~", "#b"}},
    {"'a b' c", {"a b", "c"}},
    {"\xC3\xA9 \xFF", {"\xC3\xA9", "\xFF"}},
};

static void is_words(char *const *got, const char *const *want)
{
	size_t i = 0;

	for (; i < WORDS_MAX && want[i]; i++) {
		ck_assert_ptr_nonnull(got[i]);
		ck_assert_str_eq(got[i], want[i]);
	}
	ck_assert_ptr_null(got[i]);
}

START_TEST(test_good)
{
	char why[CFG_WHY_MAX] = "", **words = cfg_words(good[_i].text, why);

	ck_assert_msg(words != NULL, "%s: %s", good[_i].text, why);
	is_words(words, good[_i].words);
	free(words);
}
END_TEST

static const struct {
	const char *text, *words[2];
} bad[] = {
    {"", {"no program"}},
    {" \t", {"no program"}},
    {"''", {"no program"}},
    {"'' a", {"no program"}},
    {"a 'b c", {"no second ' closes the quotes of `'b c`"}},
    {"a b\"c\\\"", {"no second \" closes the quotes of `\"c\\\"`"}},
    {"a 'b' \"", {"no second \"", "`\"`"}},
    {"a b\\", {"nothing follows the last \\"}},
    {"a | b", {"`| b`", "sh -c '...'"}},
    {"a>b", {"`>b`", "sh -c '...'"}},
    {"a 2>&1", {"`>&1`", "sh -c '...'"}},
    {"a <b", {"`<b`", "sh -c '...'"}},
    {"a; b", {"`; b`", "sh -c '...'"}},
    {"a b&", {"`&`", "put it in quotes"}},
    {"a `b`", {"``b``", "sh -c '...'"}},
    {"a $(b)", {"`$(b)`", "sh -c '...'"}},
    {"a $HOME", {"`$HOME`", "no shell runs"}},
    {"a x${HOME}", {"`${HOME}`", "no shell runs"}},
    {"a $1", {"`$1`", "no shell runs"}},
    {"a $?", {"`$?`", "no shell runs"}},
    {"a 'b' | c", {"`| c`", "sh -c '...'"}},
};

START_TEST(test_bad)
{
	char why[CFG_WHY_MAX] = "";

	ck_assert_ptr_null(cfg_words(bad[_i].text, why));
	for (int i = 0; i < 2 && bad[_i].words[i]; i++)
		ck_assert_msg(strstr(why, bad[_i].words[i]) != NULL, "%s: want \"%s\", got \"%s\"", bad[_i].text,
		              bad[_i].words[i], why);
}
END_TEST

/* As many words as a text can have: the vector must be long enough. */
START_TEST(test_most_words)
{
	char text[2000], why[CFG_WHY_MAX], **words;

	for (size_t length = 1; length < sizeof(text); length += 499) {
		for (size_t i = 0; i < length; i++)
			text[i] = i % 2 ? ' ' : 'x';
		text[length] = '\0';
		words = cfg_words(text, why);
		ck_assert_ptr_nonnull(words);
		for (size_t i = 0; i < (length + 1) / 2; i++)
			ck_assert_str_eq(words[i], "x");
		ck_assert_ptr_null(words[(length + 1) / 2]);
		free(words);
	}
}
END_TEST

START_TEST(test_with)
{
	char why[CFG_WHY_MAX], **words = cfg_words("./a 'b c' ''", why), **other;

	ck_assert_ptr_nonnull(words);
	other = cfg_words_with("/a/very/long/path/to/a", words);
	free(words);
	is_words(other, (const char *const[WORDS_MAX]){"/a/very/long/path/to/a", "b c", ""});
	free(other);
}
END_TEST

/* As supervisord has it: a text, its words, and the first that only a shell would understand. */
static const struct {
	const char *text, *words[WORDS_MAX], *shell;
} plain[] = {
    {"a | b", {"a", "|", "b"}, "| b"},
    {"a b>c", {"a", "b>c"}, ">c"},
    {"a $X", {"a", "$X"}, "$X"},
    {"a 'b | c' d", {"a", "b | c", "d"}, NULL},
    {"a \"b | c\" &", {"a", "b | c", "&"}, "&"},
    {"a \\| b", {"a", "|", "b"}, NULL},
    {"a \"\\$b\"", {"a", "\\$b"}, NULL},
    {"a \"x\\\"|\" ;", {"a", "x\"|", ";"}, ";"},
    {"a '\\' ;", {"a", "\\", ";"}, ";"},
    {"a\nb\tc", {"a", "b", "c"}, NULL},
    {"a $ 5", {"a", "$", "5"}, NULL},
};

START_TEST(test_plain)
{
	char why[CFG_WHY_MAX] = "", **words = cfg_words_plain(plain[_i].text, why);
	const char *shell = cfg_words_shell(plain[_i].text);

	ck_assert_msg(words != NULL, "%s: %s", plain[_i].text, why);
	is_words(words, plain[_i].words);
	free(words);
	if (plain[_i].shell)
		ck_assert_str_eq(shell, plain[_i].shell);
	else
		ck_assert_ptr_null(shell);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("words");
	TCase *words = tcase_create("words");

	tcase_add_loop_test(words, test_good, 0, COUNT(good));
	tcase_add_loop_test(words, test_bad, 0, COUNT(bad));
	tcase_add_loop_test(words, test_plain, 0, COUNT(plain));
	tcase_add_test(words, test_most_words);
	tcase_add_test(words, test_with);
	suite_add_tcase(suite, words);
	return run_suite(suite);
}
