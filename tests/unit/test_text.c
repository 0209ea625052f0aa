/* test_text.c - numbers and cells as people read them. */
#include "../../runtime/text.h"
#include "support.h"

#include <locale.h>

#define SECOND UINT64_C(1000000000)

static char out[TEXT_MAX];

START_TEST(durations)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {{0, "0.0s"},
	            {3200000000, "3.2s"},
	            {59 * SECOND, "59.0s"},
	            {60 * SECOND, "1m00s"},
	            {245 * SECOND, "4m05s"},
	            {3599 * SECOND, "59m59s"},
	            {3600 * SECOND, "1h00m"},
	            {7800 * SECOND, "2h10m"},
	            {86399 * SECOND, "23h59m"},
	            {86400 * SECOND, "1d00h"},
	            {(3 * 86400 + 4 * 3600) * SECOND, "3d04h"},
	            {UINT64_MAX, "213503d23h"}};

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_str_eq(text_duration(rows[i].ns, out), rows[i].text);
}
END_TEST

START_TEST(etas)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {{0, "0:00"},
	            {1, "0:01"},
	            {65 * SECOND, "1:05"},
	            {3599 * SECOND, "59:59"},
	            {3600 * SECOND, "1:00:00"},
	            {7384 * SECOND, "2:03:04"},
	            {99 * 3600 * SECOND, "99:00:00"},
	            {(99 * 3600 + 1) * SECOND, "--:--"},
	            {YM_NEVER, "--:--"}};

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_str_eq(text_eta(rows[i].ns, out), rows[i].text);
}
END_TEST

START_TEST(amounts)
{
	static const struct {
		double amount;
		bool bytes;
		const char *text;
	} rows[] = {{0, true, "0 B"},          {1023, true, "1023 B"},
	            {1024, true, "1.0 KiB"},   {1468006, true, "1.4 MiB"},
	            {1e10, true, "9.3 GiB"},   {1e18, true, "909494.7 TiB"},
	            {0, false, "0"},           {1400, false, "1400"},
	            {2.5, false, "2.5"},       {3, false, "3"},
	            {1e9, false, "1000000000"}};

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_str_eq(text_amount(rows[i].amount, rows[i].bytes, out), rows[i].text);
}
END_TEST

/* A terminal would obey C1 controls, and those that turn the direction of a line; it is not for a task to do that. */
START_TEST(cells_are_harmless)
{
	static const struct {
		const char *text, *cell;
	} rows[] = {{"a\x1b[2Jb\tc\x7f", "a?[2Jb?c?"},
	            {"a\xc2\x9b"
	             "31m\xc2\xa0"
	             "b",
	             "a?31m\xc2\xa0"
	             "b"},
	            {"a\x9b"
	             "31m",
	             "a?31m"},
	            {"\xff\xfe", "??"},
	            {"cut \xe6\xbc", "cut ??"},
	            {"\xe2\x80\xae"
	             "abc\xef\xbb\xbf",
	             "?abc?"}};
	char cell[64];

	for (size_t i = 0; i < COUNT(rows); i++) {
		text_cell(cell, sizeof(cell), rows[i].text, 60, false);
		ck_assert_str_eq(cell, rows[i].cell);
	}
}
END_TEST

START_TEST(wide_characters_take_two_columns)
{
	static const struct {
		size_t columns;
		const char *cell;
	} rows[] = {{6, "\xe6\xbc\xa2\xe5\xad\x97"
	                "a "},
	            {4, "\xe6\xbc\xa2\xe5\xad\x97"},
	            {3, "\xe6\xbc\xa2 "},
	            {1, " "}};
	char cell[64];

	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	for (size_t i = 0; i < COUNT(rows); i++) {
		text_cell(cell, sizeof(cell),
		          "\xe6\xbc\xa2\xe5\xad\x97"
		          "a",
		          rows[i].columns, true);
		ck_assert_str_eq(cell, rows[i].cell);
		ck_assert_uint_eq(text_columns(cell), rows[i].columns);
	}
	/* An accent of its own takes none. */
	ck_assert_uint_eq(text_columns("e\xcc\x81"), 1);
	/* Not half a character, however little room there is. */
	text_cell(cell, 3, "\xe6\xbc\xa2", 6, false);
	ck_assert_str_eq(cell, "");
}
END_TEST

START_TEST(cells)
{
	static const struct {
		const char *text;
		size_t columns;
		bool pad;
		const char *cell;
	} rows[] = {{"abc", 5, true, "abc  "},
	            {"abc", 5, false, "abc"},
	            {"abc", 3, true, "abc"},
	            {"abcdef", 3, true, "abc"},
	            {"", 2, true, "  "},
	            {"abc", 0, true, ""},
	            {"\xc3\xa4\xc3\xb6\xc3\xbc", 2, true, "\xc3\xa4\xc3\xb6"},
	            {"\xc3\xa4", 3, true, "\xc3\xa4  "}};
	char cell[64];

	for (size_t i = 0; i < COUNT(rows); i++) {
		text_cell(cell, sizeof(cell), rows[i].text, rows[i].columns, rows[i].pad);
		ck_assert_str_eq(cell, rows[i].cell);
	}
	text_cell(cell, 4, "abcdef", 6, true);
	ck_assert_str_eq(cell, "abc");
	text_cell(cell, 4, "a", 6, true);
	ck_assert_str_eq(cell, "a  ");
	text_cell(cell, 1, "a", 6, true);
	ck_assert_str_eq(cell, "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("text");
	TCase *tcase = add_case(suite, "text");

	tcase_add_test(tcase, durations);
	tcase_add_test(tcase, etas);
	tcase_add_test(tcase, amounts);
	tcase_add_test(tcase, cells);
	tcase_add_test(tcase, cells_are_harmless);
	tcase_add_test(tcase, wide_characters_take_two_columns);
	return run_suite(suite);
}
