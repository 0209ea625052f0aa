/* test_progress_line.c - bytes to lines, lines to progress. */
#include "../../workers/job.h"
#include "../../workers/lines.h"
#include "../../workers/progress_line.h"
#include "support.h"

/* ---- lines ----------------------------------------------------------------------------------- */

static char taken[4096];

static void take(void *arg, char *line)
{
	ck_assert_ptr_eq(arg, taken);
	strcat(strcat(taken, line), "|");
}

static const char *cut(const char *bytes, size_t piece)
{
	struct lines lines = {0};

	taken[0] = '\0';
	for (size_t at = 0, size = strlen(bytes); at < size; at += piece)
		lines_feed(&lines, bytes + at, size - at < piece ? size - at : piece, take, taken);
	lines_end(&lines, take, taken);
	return taken;
}

START_TEST(whatever_the_pieces)
{
	for (size_t piece = 1; piece < 20; piece++) {
		ck_assert_str_eq(cut("one\ntwo\r\n\nthree", piece), "one|two||three|");
		ck_assert_str_eq(cut("one\n", piece), "one|");
		ck_assert_str_eq(cut("\n\n", piece), "||");
		ck_assert_str_eq(cut("", piece), "");
	}
}
END_TEST

START_TEST(long_lines_are_cut)
{
	char line[3 * LINES_MAX + 8];

	for (size_t piece = 1; piece < sizeof(line); piece += 100) {
		memset(line, 'x', sizeof(line));
		strcpy(line + 3 * LINES_MAX, "\nnext");
		cut(line, piece);
		ck_assert_uint_eq(strspn(taken, "x"), LINES_MAX - 1);
		ck_assert_str_eq(taken + LINES_MAX - 1, "|next|");
	}
}
END_TEST

/* ---- progress -------------------------------------------------------------------------------- */

static struct board_worker_sh row;
static struct ym_job job = {.row = &row};
static struct progress_line state;

static bool take_progress(const char *text)
{
	char line[LINES_MAX];

	snprintf(line, sizeof(line), "%s", text);
	return progress_line_take(&state, &job, line);
}

START_TEST(known_lines)
{
	static const struct {
		const char *line;
		uint64_t done, total;
		const char *note, *unit;
	} cases[] = {
	    {"progress 42/100 half of it", 42, 100, "half of it", ""},
	    {"progress 43/100", 43, 100, "half of it", ""},
	    {"progress 7 so far", 7, 0, "so far", ""},
	    {"progress 8", 8, 0, "so far", ""},
	    {"  progress\t 1 / 2 \t with blanks \r", 1, 2, "with blanks", ""},
	    {"progress 50%", 50, 100, "with blanks", ""},
	    {"progress 99.9% 100%s %n", 99, 100, "100%s %n", ""},
	    {"note nearly %d", 99, 100, "nearly %d", ""},
	    {"unit bytes", 99, 100, "nearly %d", "bytes"},
	    {"progress 18446744073709551615/18446744073709551615", UINT64_MAX, UINT64_MAX, "nearly %d", "bytes"},
	    {"progress 99999999999999999999999/3 x", UINT64_MAX, 3, "x", "bytes"},
	    {"note", UINT64_MAX, 3, "", "bytes"},
	    {"progress 3 /4 y", 3, 4, "y", "bytes"},
	    {"progress 0/0", 0, 0, "y", "bytes"},
	    {"unit", 0, 0, "y", ""},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct board_progress seen;

		ck_assert_msg(take_progress(cases[i].line), "\"%s\" is not known", cases[i].line);
		ck_assert(board_read_progress(&row, &seen));
		ck_assert_msg(seen.done == cases[i].done && seen.total == cases[i].total, "\"%s\": %llu/%llu",
		              cases[i].line, (unsigned long long)seen.done, (unsigned long long)seen.total);
		ck_assert_str_eq(seen.note, cases[i].note);
		ck_assert_str_eq(seen.unit, cases[i].unit);
	}
}
END_TEST

START_TEST(unknown_lines_change_nothing)
{
	static const char *const lines[] = {
	    "",           "progress",       "progress x",   "progress -1/2", "progress 1/",    "progress 1/x",
	    "progress /", "progress 1of 2", "progressed 1", "unity 1",       "progress 1/2/3", "progress 1%%",
	};
	struct board_progress before, after;

	ck_assert(take_progress("progress 5/6 seen"));
	ck_assert(board_read_progress(&row, &before));
	for (size_t i = 0; i < COUNT(lines); i++)
		ck_assert_msg(!take_progress(lines[i]), "\"%s\" is taken for something", lines[i]);
	ck_assert(board_read_progress(&row, &after));
	ck_assert_mem_eq(&before, &after, sizeof(before));
	ck_assert_uint_eq(state.done, 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("progress line");
	TCase *tcase = add_case(suite, "progress line");

	tcase_add_test(tcase, whatever_the_pieces);
	tcase_add_test(tcase, long_lines_are_cut);
	tcase_add_test(tcase, known_lines);
	tcase_add_test(tcase, unknown_lines_change_nothing);
	return run_suite(suite);
}
