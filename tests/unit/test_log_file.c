/*
 * test_log_file.c - one rotated file: its boundaries, its backups, packing, and lines that stay whole.
 */
#include "log_support.h"

#include <sys/resource.h>

#include "../../runtime/log_file.h"
#include "../../runtime/log_format.h"

#define DAY_MS INT64_C(86400000)
#define NOON   (INT64_C(20500) * DAY_MS + DAY_MS / 2)

static struct log_file file;

static void open_log(struct cfg_log rules)
{
	ck_assert_int_eq(log_file_init(&file, log_path, &rules), 0);
	ASSERT_OK(log_file_open(&file, NOON, &err));
}

/* As log_sink.c does it, a line at a time. */
static void put_at(int64_t when_ms, const char *line)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)line, .iov_len = strlen(line)};

	if (log_file_due(&file, part.iov_len, when_ms))
		ASSERT_OK(log_file_rotate(&file, when_ms, &err));
	ck_assert_int_eq(log_file_write(&file, &part, 1, &err), 1);
}

static void put(const char *line)
{
	put_at(NOON, line);
}

START_TEST(a_full_file_is_rotated_between_lines)
{
	open_log((struct cfg_log){.maxbytes = 20, .backups = 3});
	put("123456789\n");
	put("abcdefghi\n"); /* exactly full */
	ck_assert(!there(1, false));
	put("x\n");
	ck_assert_str_eq(read_log(1, false), "123456789\nabcdefghi\n");
	ck_assert_str_eq(read_log(0, false), "x\n");
	/* One that is longer than a file may be gets a file of its own. */
	put("a line that is longer than that\n");
	put("y\n");
	ck_assert_str_eq(read_log(2, false), "x\n");
	ck_assert_str_eq(read_log(1, false), "a line that is longer than that\n");
	ck_assert_str_eq(read_log(0, false), "y\n");
	log_file_free(&file);
}
END_TEST

START_TEST(so_many_backups_are_kept)
{
	char line[32];

	open_log((struct cfg_log){.maxbytes = 1, .backups = 3});
	for (int i = 0; i < 10; i++) {
		snprintf(line, sizeof(line), "line %d\n", i);
		put(line);
	}
	ck_assert_str_eq(read_log(0, false), "line 9\n");
	ck_assert_str_eq(read_log(1, false), "line 8\n");
	ck_assert_str_eq(read_log(3, false), "line 6\n");
	ck_assert(!there(4, false));
	/* Fewer from now on: also the ones that were kept before go. */
	file.backups = 1;
	put("line 10\n");
	ck_assert_str_eq(read_log(1, false), "line 9\n");
	ck_assert(!there(2, false) && !there(3, false));
	file.backups = 0;
	put("line 11\n");
	ck_assert_str_eq(read_log(0, false), "line 11\n");
	ck_assert(!there(1, false));
	log_file_free(&file);
}
END_TEST

START_TEST(a_day_is_one_of_utc)
{
	const int64_t midnight = NOON + DAY_MS / 2;

	open_log((struct cfg_log){.rotate_ms = DAY_MS, .backups = 3});
	put_at(NOON, "noon\n");
	ck_assert_int_eq(log_file_due_at(&file), midnight);
	put_at(midnight - 1, "before\n");
	put_at(midnight, "midnight\n");
	ck_assert_str_eq(read_log(1, false), "noon\nbefore\n");
	/* The clock was set back: no reason for a new file. */
	put_at(NOON, "noon again\n");
	ck_assert_str_eq(read_log(0, false), "midnight\nnoon again\n");
	put_at(midnight + 3 * DAY_MS, "later\n");
	ck_assert_str_eq(read_log(0, false), "later\n");
	ck_assert_str_eq(read_log(2, false), "noon\nbefore\n");
	log_file_free(&file);
}
END_TEST

/* It was there before us: its age is that of its last line, whenever we came. */
START_TEST(a_file_of_yesterday)
{
	const struct timespec times[] = {{.tv_sec = (NOON - DAY_MS) / 1000}, {.tv_sec = (NOON - DAY_MS) / 1000}};

	write_file("test.log", "yesterday\n", 10);
	ck_assert_int_eq(utimensat(AT_FDCWD, log_path, times, 0), 0);
	open_log((struct cfg_log){.rotate_ms = DAY_MS, .backups = 3});
	put("today\n");
	ck_assert_str_eq(read_log(1, false), "yesterday\n");
	ck_assert_str_eq(read_log(0, false), "today\n");
	log_file_free(&file);
}
END_TEST

/* ---- packing --------------------------------------------------------------------------------- */

static const _Atomic bool go_on;

static void fill_backups(unsigned bytes)
{
	char line[64];

	open_log((struct cfg_log){.maxbytes = (int64_t)bytes, .backups = 4});
	for (unsigned i = 0; !there(2, false); i++) {
		snprintf(line, sizeof(line), "this is line %u of a log\n", i);
		put(line);
	}
	log_file_free(&file);
}

START_TEST(packed_is_what_was_there)
{
	char path[PATH_MAX], *before[3];
	struct stat plain, packed;

	fill_backups(100000);
	log_backup_name(path, log_path, 1, false);
	ck_assert_int_eq(chmod(path, 0604), 0);
	ck_assert_int_eq(stat(path, &plain), 0);
	for (int i = 1; i < 3; i++)
		before[i] = strdup(read_log(i, false));
	ck_assert_uint_gt(strlen(before[2]), 90000);
	ASSERT_OK(log_backup_pack(log_path, 4, &go_on, &err));
	for (int i = 1; i < 3; i++) {
		ck_assert(!there(i, false));
		ck_assert_msg(strcmp(read_log(i, true), before[i]) == 0, "backup %d has changed", i);
		free(before[i]);
	}
	log_backup_name(path, log_path, 1, true);
	ck_assert_int_eq(stat(path, &packed), 0);
	ck_assert_int_eq(packed.st_mode, plain.st_mode);
	ck_assert_int_eq(packed.st_mtim.tv_sec, plain.st_mtim.tv_sec);
	ck_assert_int_lt(packed.st_size, plain.st_size / 4);
	/* Packed and plain ones move on together. */
	open_log((struct cfg_log){.maxbytes = 1, .backups = 4});
	put("new\n");
	ck_assert(there(1, false) && there(2, true) && there(3, true));
	log_file_free(&file);
}
END_TEST

static void pack_for_ever(void *arg)
{
	(void)arg;
	for (;;) {
		struct ym_err why;

		MUST(log_backup_pack(log_path, 4, &go_on, &why) == 0);
	}
}

static void pack_once(void *arg)
{
	(void)arg;
	MUST(log_backup_pack(log_path, 4, &go_on, &err) == 0);
}

/* What both backups hold, whether packed or not. */
static void read_both(char *to)
{
	to[0] = '\0';
	for (int i = 2; i > 0; i--)
		strcat(to, read_log(i, there(i, true)));
}

START_TEST(killed_while_packing)
{
	static char before[TEXT_BYTES], after[TEXT_BYTES];
	unsigned halves = 0;

	for (int round = 0; round < 25; round++) {
		char path[PATH_MAX];
		pid_t pid;

		for (int i = 1; i < 5; i++)
			for (int form = 0; form < 2; form++) {
				log_backup_name(path, log_path, i, form == 1);
				unlink(path);
			}
		fill_backups(200000);
		read_both(before);
		pid = spawn(pack_for_ever, NULL);
		usleep(random_below(12000));
		kill_and_reap(pid);
		join_path(path, "test.log.gz.part");
		halves += access(path, F_OK) == 0;
		read_both(after);
		ck_assert_msg(strcmp(before, after) == 0, "round %d: something is missing after the kill", round);
		run_child(pack_once, NULL);
		ck_assert(there(1, true) && there(2, true) && !there(1, false) && !there(2, false));
		ck_assert_msg(access(path, F_OK) < 0, "a half packed file is left");
		read_both(after);
		ck_assert_msg(strcmp(before, after) == 0, "round %d: something is missing after packing", round);
	}
	/* Otherwise the kills came too early or too late. */
	ck_assert_uint_gt(halves, 0);
}
END_TEST

START_TEST(leftovers_of_a_crash)
{
	char path[PATH_MAX];

	/* Packed completely, the plain one was not removed yet; and half of another one. */
	fill_backups(1000);
	ASSERT_OK(log_backup_pack(log_path, 4, &go_on, &err));
	write_file("test.log.1", "the same, not packed\n", 21);
	write_file("test.log.gz.part", "half", 4);
	log_backup_tidy(log_path, 4);
	ck_assert(there(1, true) && !there(1, false));
	join_path(path, "test.log.gz.part");
	ck_assert_int_lt(access(path, F_OK), 0);
}
END_TEST

/* ---- whole lines ----------------------------------------------------------------------------- */

static void limit_file_size(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(half_a_line_is_taken_back)
{
	static const char one[] = "0123456789\n", two[] = "abcdefghij\n";
	const struct iovec parts[] = {{(void *)(uintptr_t)one, 11}, {(void *)(uintptr_t)two, 11}};

	signal(SIGXFSZ, SIG_IGN);
	open_log((struct cfg_log){0});
	limit_file_size(15);
	ck_assert_int_eq(log_file_write(&file, parts, 2, &err), 1);
	limit_file_size(RLIM_INFINITY);
	ASSERT_IN("File too large", err.text);
	ck_assert_str_eq(read_log(0, false), one);
	ck_assert_uint_eq(file.size, 11);
	ck_assert_int_eq(log_file_write(&file, parts + 1, 1, &err), 1);
	ck_assert_str_eq(read_log(0, false), "0123456789\nabcdefghij\n");
	log_file_free(&file);
}
END_TEST

START_TEST(half_a_line_of_a_crash_is_ended)
{
	write_file("test.log", "whole\nhal", 9);
	open_log((struct cfg_log){0});
	put("next\n");
	ck_assert_str_eq(read_log(0, false), "whole\nhal\nnext\n");
	log_file_free(&file);
}
END_TEST

/* ---- what it is ------------------------------------------------------------------------------ */

START_TEST(removed_and_replaced)
{
	char moved[PATH_MAX];

	open_log((struct cfg_log){0});
	put("one\n");
	ck_assert(!log_file_displaced(&file));
	join_path(moved, "moved");
	ck_assert_int_eq(rename(log_path, moved), 0);
	ck_assert(log_file_displaced(&file));
	write_file("test.log", "", 0);
	ck_assert(log_file_displaced(&file));
	ASSERT_OK(log_file_open(&file, NOON, &err));
	ck_assert(!log_file_displaced(&file));
	ck_assert_int_eq(unlink(log_path), 0);
	ck_assert(log_file_displaced(&file));
	log_file_free(&file);
}
END_TEST

/* It is the target that is rotated: the link stays one. */
START_TEST(links_are_followed)
{
	char target[PATH_MAX];
	struct stat st;

	join_path(target, "target");
	ck_assert_int_eq(symlink("target", log_path), 0);
	open_log((struct cfg_log){.maxbytes = 4, .backups = 1});
	put("one\n");
	put("two\n");
	ck_assert_str_eq(read_log(0, false), "two\n");
	ck_assert_int_eq(lstat(log_path, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	strcat(target, ".1");
	ck_assert_str_eq(read_path(target), "one\n");
	log_file_free(&file);
}
END_TEST

START_TEST(links_of_others_are_not)
{
	struct cfg_log rules = {0};

	if (!have_nobody())
		return;
	ck_assert_int_eq(symlink("target", log_path), 0);
	ck_assert_int_eq(lchown(log_path, NOBODY, NOBODY), 0);
	ck_assert_int_eq(log_file_init(&file, log_path, &rules), 0);
	ASSERT_ERR(log_file_open(&file, NOON, &err), YM_ERR_PERMISSION);
	log_file_free(&file);
}
END_TEST

START_TEST(readers_stay_the_same)
{
	struct stat st;

	open_log((struct cfg_log){.maxbytes = 4, .backups = 1});
	ck_assert_int_eq(fstat(file.fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0640);
	log_file_close(&file);
	ck_assert_int_eq(chmod(log_path, 0644), 0);
	ASSERT_OK(log_file_open(&file, NOON, &err));
	put("one\n");
	put("two\n");
	ck_assert_int_eq(stat(log_path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0644);
	log_file_free(&file);
}
END_TEST

/* ---- formats --------------------------------------------------------------------------------- */

static const char *formatted(enum cfg_log_format format, const char *bytes, size_t length)
{
	static char line[LOG_LINE_MAX + 1];
	struct log_event event = {NOON + 7, LOG_WARN, "mail/3", 0, bytes, length};

	line[log_format(line, format, &event)] = '\0';
	return line;
}

START_TEST(three_formats)
{
	static const char hard[] = "\x1b[31m \t \"q\" \\ \xc3\xa4 \xff \xc2\x9b \x7f";

	ck_assert_str_eq(formatted(CFG_LOG_FORMAT_TEXT, hard, sizeof(hard) - 1),
	                 "2026-02-16T12:00:00.007Z warn  mail/3: ?[31m \t \"q\" \\ \xc3\xa4 \xff ? ?\n");
	ck_assert_str_eq(formatted(CFG_LOG_FORMAT_JOURNAL, hard, sizeof(hard) - 1),
	                 "<4>mail/3: ?[31m \t \"q\" \\ \xc3\xa4 \xff ? ?\n");
	ck_assert_str_eq(formatted(CFG_LOG_FORMAT_JSON, hard, sizeof(hard) - 1),
	                 "{\"time\": \"2026-02-16T12:00:00.007Z\", \"level\": \"warn\", \"source\": \"mail/3\", "
	                 "\"message\": \"?[31m \\t \\\"q\\\" \\\\ \xc3\xa4 \xef\xbf\xbd ? ?\"}\n");
}
END_TEST

START_TEST(long_lines_fit)
{
	static char quotes[20000];
	size_t length;

	memset(quotes, '"', sizeof(quotes));
	length = strlen(formatted(CFG_LOG_FORMAT_TEXT, quotes, sizeof(quotes)));
	ck_assert_uint_eq(length, LOG_TEXT_MAX);
	length = strlen(formatted(CFG_LOG_FORMAT_JSON, quotes, sizeof(quotes)));
	ck_assert_uint_le(length, LOG_LINE_MAX);
	ck_assert_str_eq(formatted(CFG_LOG_FORMAT_JSON, quotes, sizeof(quotes)) + length - 5, "\\\"\"}\n");
}
END_TEST

START_TEST(auto_is_journal_if_stderr_is)
{
	char stream[64];
	struct stat st;

	unsetenv("JOURNAL_STREAM");
	ck_assert_int_eq(log_format_resolve(CFG_LOG_FORMAT_AUTO), CFG_LOG_FORMAT_TEXT);
	ck_assert_int_eq(fstat(2, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	ck_assert_int_eq(log_format_resolve(CFG_LOG_FORMAT_AUTO), CFG_LOG_FORMAT_JOURNAL);
	ck_assert_int_eq(log_format_resolve(CFG_LOG_FORMAT_JSON), CFG_LOG_FORMAT_JSON);
	/* It was redirected since. */
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	ck_assert_int_eq(log_format_resolve(CFG_LOG_FORMAT_AUTO), CFG_LOG_FORMAT_TEXT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log_file");
	TCase *rotation = add_log_case(suite, "rotation"), *packing = add_log_case(suite, "packing");
	TCase *whole = add_log_case(suite, "whole"), *kind = add_log_case(suite, "kind");
	TCase *format = add_log_case(suite, "format");

	tcase_add_test(rotation, a_full_file_is_rotated_between_lines);
	tcase_add_test(rotation, so_many_backups_are_kept);
	tcase_add_test(rotation, a_day_is_one_of_utc);
	tcase_add_test(rotation, a_file_of_yesterday);
	tcase_add_test(packing, packed_is_what_was_there);
	tcase_add_test(packing, killed_while_packing);
	tcase_add_test(packing, leftovers_of_a_crash);
	tcase_add_test(whole, half_a_line_is_taken_back);
	tcase_add_test(whole, half_a_line_of_a_crash_is_ended);
	tcase_add_test(kind, removed_and_replaced);
	tcase_add_test(kind, links_are_followed);
	tcase_add_test(kind, links_of_others_are_not);
	tcase_add_test(kind, readers_stay_the_same);
	tcase_add_test(format, three_formats);
	tcase_add_test(format, long_lines_fit);
	tcase_add_test(format, auto_is_journal_if_stderr_is);
	return run_suite(suite);
}
