/* test_top.c - cells by columns, numbers in few columns. The screen itself: tests/system/top.sh. */
#include <locale.h>
#include <string.h>

#include "../../runtime/commands/top_line.h"
#include "../../runtime/commands/top_text.h"
#include "support.h"

static void assert_fit(const char *text, unsigned columns, bool utf8, const char *expected, unsigned used)
{
	char out[64];

	ck_assert_uint_eq(line_fit(out, sizeof(out), text, columns, utf8), used);
	ck_assert_str_eq(out, expected);
}

START_TEST(fit)
{
	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	assert_fit("plain", 10, true, "plain", 5);
	assert_fit("plain", 3, true, "pla", 3);
	assert_fit("grün", 4, true, "grün", 4);
	/* A wide character that has room for one half only is left out. */
	assert_fit("日本語", 4, true, "日本", 4);
	assert_fit("日本語", 5, true, "日本", 4);
	assert_fit("日本語", 6, true, "日本語", 6);
	/* A combining character goes with the one before. */
	assert_fit("e\xcc\x81tat", 2, true, "e\xcc\x81t", 2);
	/* What a task writes must not move the cursor, nor turn the line round. */
	assert_fit("a\033[2Jb\n", 10, true, "a?[2Jb?", 7);
	assert_fit("a\xe2\x80\xae"
	           "b",
	           10, true, "a?b", 3);
	/* No UTF-8, and half a character. */
	assert_fit("\xff\xc3", 10, true, "??", 2);
	assert_fit("\xe6\x97", 10, true, "?", 1);
	/* In ASCII a character that there is not is one '?'. */
	assert_fit("日本 grün", 10, false, "?? gr?n", 7);
	assert_fit("", 10, true, "", 0);
}
END_TEST

START_TEST(fit_room)
{
	char text[400], out[32];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_uint_le(line_fit(out, sizeof(out), text, 399, true), sizeof(out) - 1);
	ck_assert_uint_lt(strlen(out), sizeof(out));
}
END_TEST

START_TEST(line_cells)
{
	struct line line, other;

	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	line_begin(&line, 20, true);
	line_cell(&line, LOOK_GOOD, "7", 4, true);
	line_to(&line, LOOK_PLAIN, 6);
	line_cell(&line, LOOK_BAD, "日本", 5, false);
	line_put(&line, LOOK_PLAIN, "%d%s", 12, "too much for what is left");
	ck_assert_str_eq(line.text, "   7  日本 12too muc");
	ck_assert_uint_eq(line.used, 20);
	/* All of it belongs to some run, from the first byte on. */
	ck_assert_uint_eq(line.nruns, 4);
	ck_assert_uint_eq(line.runs[0].at, 0);
	ck_assert_uint_eq(line.runs[0].look, LOOK_GOOD);
	ck_assert_uint_eq(line.runs[2].at, 6);
	other = line;
	ck_assert(line_same(&line, &other));
	other.runs[1].look = LOOK_WARN;
	ck_assert(!line_same(&line, &other));
	line_begin(&other, 20, true);
	ck_assert(!line_same(&line, &other));
}
END_TEST

/* More than there is room for: nothing is written beyond the end. */
START_TEST(line_limits)
{
	struct line line;

	line_begin(&line, 10000, true);
	for (int i = 0; i < 1000; i++)
		line_cell(&line, i % 2 ? LOOK_BAD : LOOK_GOOD, "\xcc\x81\xcc\x81\xcc\x81\xcc\x81 x", 2, false);
	ck_assert_uint_le(line.used, LINE_COLUMNS);
	ck_assert_uint_lt(line.length, LINE_BYTES);
	ck_assert_uint_le(line.nruns, LINE_RUNS);
	ck_assert_uint_eq(line.length, strlen(line.text));
}
END_TEST

START_TEST(breaks)
{
	ck_assert_uint_eq(line_break("one two three", 13, 20, true), 13);
	ck_assert_uint_eq(line_break("one two three", 13, 9, true), 7);
	ck_assert_uint_eq(line_break("one two three", 13, 7, true), 7);
	ck_assert_uint_eq(line_break("onetwothree", 11, 4, true), 4);
	/* Something has to go on. */
	ck_assert_uint_eq(line_break("abc", 3, 0, true), 1);
	ck_assert_uint_eq(line_break("", 0, 5, true), 0);
}
END_TEST

static const struct {
	double number;
	const char *count, *rate, *bytes;
} numbers[] = {
    {0, "0", "-", "-"},
    {0.3, "0", "0.30", "-"},
    {2.34, "2", "2.3", "2B"},
    {9.96, "10", "10", "10B"},
    {999, "999", "999", "999B"},
    {1023, "1023", "1023", "1.00K"},
    {99999, "99999", "99999", "97.7K"},
    {99999.6, "100k", "100k", "97.7K"},
    {999499, "999k", "999k", "976K"},
    {999600, "1.00M", "1.00M", "976K"},
    {12345678, "12.3M", "12.3M", "11.8M"},
    {1e15, "1000T", "1000T", "909T"},
};

START_TEST(counts)
{
	char text[TEXT_MAX];

	ck_assert_str_eq(top_count(numbers[_i].number, text), numbers[_i].count);
	ck_assert_str_eq(top_rate(numbers[_i].number, false, text), numbers[_i].rate);
	ck_assert_str_eq(top_bytes(numbers[_i].number, text), numbers[_i].bytes);
}
END_TEST

static const struct {
	uint64_t ns;
	const char *span, *age;
} spans[] = {
    {0, "-", "0s"},
    {840, "840ns", "0s"},
    {9900, "9.9us", "0s"},
    {9960, "10us", "0s"},
    {999499, "999us", "0s"},
    {999600, "1.0ms", "0s"},
    {3400000, "3.4ms", "0s"},
    {999600000, "1.0s", "0s"},
    {12400000000, "12s", "12s"},
    {59400000000, "59s", "59s"},
    {245000000000, "4m05s", "4m05s"},
};

START_TEST(times)
{
	char text[TEXT_MAX];

	ck_assert_str_eq(top_span(spans[_i].ns, text), spans[_i].span);
	ck_assert_str_eq(top_age(spans[_i].ns, text), spans[_i].age);
}
END_TEST

START_TEST(amounts)
{
	char text[TEXT_MAX];

	ck_assert_str_eq(top_amount(0, 0, "rows", text), "");
	ck_assert_str_eq(top_amount(12, 0, "rows", text), "12 rows");
	ck_assert_str_eq(top_amount(12, 40, "rows", text), "12/40 rows");
	ck_assert_str_eq(top_amount(12, 40, "", text), "12/40");
	ck_assert_str_eq(top_amount(1 << 20, 4 << 20, "bytes", text), "1.0/4.0 MiB");
	/* Whatever stands in shared memory. */
	ck_assert_uint_lt(strlen(top_amount(UINT64_MAX, UINT64_MAX, "a very long name of a unit", text)), TEXT_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("top");
	TCase *lines = add_case(suite, "lines"), *texts = add_case(suite, "numbers");

	tcase_add_test(lines, fit);
	tcase_add_test(lines, fit_room);
	tcase_add_test(lines, line_cells);
	tcase_add_test(lines, line_limits);
	tcase_add_test(lines, breaks);
	tcase_add_loop_test(texts, counts, 0, COUNT(numbers));
	tcase_add_loop_test(texts, times, 0, COUNT(spans));
	tcase_add_test(texts, amounts);
	return run_suite(suite);
}
