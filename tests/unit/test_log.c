/*
 * test_log.c - the master's log and those of its children: where lines go, before, while and after the thread is there.
 */
#include "log_support.h"

#include "../../runtime/child_log.h"
#include "../../runtime/log.h"

static struct cfg_instance config;
static char no_file[] = "", info[] = "info";
static char err_path[PATH_MAX]; /* a file that is our stderr */

/* A stderr of our own, to be read. */
static void begin(void)
{
	int fd;

	begin_log_test();
	join_path(err_path, "stderr");
	fd = open(err_path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	fflush(stderr);
	ck_assert_int_eq(dup2(fd, 2), 2);
	close(fd);
	config = (struct cfg_instance){.log_level = info, .log.file = no_file};
}

static bool has(const char *path, const char *part)
{
	return strstr(read_path(path), part) != NULL;
}

START_TEST(before_during_and_after)
{
	log_line(LOG_DEBUG, "not this one");
	log_line(LOG_INFO, "before %d", 1);
	ck_assert(has(err_path, "Z info  master: before 1\n"));
	ASSERT_OK(log_open(&config, directory, &err));
	log_line(LOG_WARN, "during");
	log_output("mail/3", "what a \033 worker printed", 23);
	ck_assert(log_flush(PATIENCE_MS));
	ck_assert(has(err_path, "Z warn  master: during\n"));
	ck_assert(has(err_path, "Z info  mail/3: what a ? worker printed\n"));
	log_line(LOG_INFO, "the last of the thread");
	log_close(PATIENCE_MS);
	log_line(LOG_ERROR, "after");
	ck_assert(has(err_path, "the last of the thread\n"));
	ck_assert(has(err_path, "Z error master: after\n"));
	ck_assert(!has(err_path, "not this one"));
	ck_assert_uint_eq(count_lines(text), 5);
}
END_TEST

START_TEST(nobody_reads_stderr)
{
	char bytes[1 << 17];
	ssize_t n = 0, more;
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(dup2(fds[1], 2), 2);
	for (int i = 0; i < 2000; i++)
		log_line(LOG_INFO, "a line of some length, so that the pipe is full soon: %d", i);
	while ((more = read(fds[0], bytes + n, sizeof(bytes) - 1 - (size_t)n)) > 0)
		n += more;
	log_line(LOG_INFO, "the end");
	while ((more = read(fds[0], bytes + n, sizeof(bytes) - 1 - (size_t)n)) > 0)
		n += more;
	bytes[n] = '\0';
	ck_assert_ptr_nonnull(strstr(bytes, " lines of this log were dropped: nobody read them\n"));
	ck_assert_ptr_nonnull(strstr(bytes, "master: the end\n"));
	close(fds[0]);
	close(fds[1]);
}
END_TEST

static bool is_open(const char *path)
{
	char link[64], target[PATH_MAX];
	bool found = false;

	for (int fd = 3; fd < 100 && !found; fd++) {
		ssize_t n;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		found = strcmp(target, path) == 0;
	}
	return found;
}

START_TEST(a_reload_changes_everything)
{
	char link[PATH_MAX], other[PATH_MAX], target[PATH_MAX] = "";

	config.log.file = log_path;
	ASSERT_OK(log_open(&config, directory, &err));
	log_line(LOG_INFO, "one");
	config.log_level = (char[]){"warn"};
	config.log_format = CFG_LOG_FORMAT_JSON;
	ASSERT_OK(log_configure(&config, &err));
	log_line(LOG_INFO, "not this one");
	log_output("mail/3", "nor this one", 12);
	log_line(LOG_WARN, "a \"word\"");
	ck_assert(is_open(log_path));
	join_path(other, "other.log");
	config.log.file = other;
	config.log_format = CFG_LOG_FORMAT_JOURNAL;
	ASSERT_OK(log_configure(&config, &err));
	log_line(LOG_WARN, "three");
	WAIT_UNTIL(!is_open(log_path));
	log_close(PATIENCE_MS);
	read_log(0, false);
	ck_assert_uint_eq(count_lines(text), 2);
	ASSERT_IN("Z info  master: one\n{\"time\": \"", text);
	ASSERT_IN("\"level\": \"warn\", \"source\": \"master\", \"pid\": ", text);
	ASSERT_IN(", \"message\": \"a \\\"word\\\"\"}\n", text);
	/* No prefix of journald's in a file. */
	ck_assert(has(other, "Z warn  master: three\n"));
	join_path(link, "master.log");
	ck_assert_int_gt(readlink(link, target, sizeof(target) - 1), 0);
	ck_assert_str_eq(target, other);
	ck_assert_str_eq(read_path(err_path), "");
}
END_TEST

START_TEST(journal_on_stderr)
{
	config.log_format = CFG_LOG_FORMAT_JOURNAL;
	ASSERT_OK(log_open(&config, directory, &err));
	log_line(LOG_ERROR, "broken");
	log_output("mail/3", "hello", 5);
	log_close(PATIENCE_MS);
	ck_assert_str_eq(read_path(err_path), "<3>master: broken\n<6>mail/3: hello\n");
}
END_TEST

/* ---- children -------------------------------------------------------------------------------- */

static struct child_log *open_child(const char *name, const char *stream, enum child_log_style style,
                                    struct cfg_log rules)
{
	struct child_log *log;

	ASSERT_OK(child_log_open(&log, directory, name, stream, style, &rules, &err));
	return log;
}

static void say(struct child_log *log, const char *who, const char *line)
{
	child_log_line(log, who, line, strlen(line));
}

START_TEST(four_places)
{
	char path[PATH_MAX];
	struct child_log *logs[5];
	struct stat st;

	ASSERT_OK(log_open(&config, directory, &err));
	join_path(path, "raw");
	logs[0] = open_child("mail", "stdout", CHILD_LOG_LABELLED, (struct cfg_log){0});
	logs[1] = open_child("web", "stdout", CHILD_LOG_RAW, (struct cfg_log){.file = path});
	logs[2] = open_child("web", "stderr", CHILD_LOG_RAW, (struct cfg_log){.file = (char[]){""}});
	logs[3] = open_child("con", "stdout", CHILD_LOG_RAW, (struct cfg_log){.file = (char[]){"/dev/stderr"}});
	logs[4] = open_child("bare", "stderr", CHILD_LOG_RAW, (struct cfg_log){0});
	say(logs[0], "mail/3", "auto");
	say(logs[1], "web:web_01", "raw \033[31mred");
	say(logs[2], "web:web_01", "nowhere");
	say(logs[3], "con:con", "console");
	say(logs[4], "bare:bare", "auto, too");
	say(NULL, "x", "y");
	for (size_t i = 0; i < COUNT(logs); i++)
		child_log_close(logs[i]);
	log_close(PATIENCE_MS);
	ck_assert_str_eq(read_path(path), "raw \033[31mred\n");
	join_path(path, "logs");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0750);
	join_path(path, "logs/mail.log");
	ck_assert(has(path, "Z info  mail/3: auto\n"));
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISREG(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 0777, 0640);
	join_path(path, "logs/bare.err");
	ck_assert(has(path, "Z info  bare:bare: auto, too\n"));
	join_path(path, "logs/web.log");
	ck_assert_str_eq(read_path(path), "raw \033[31mred\n");
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	join_path(path, "logs/web.err");
	ck_assert_int_lt(lstat(path, &st), 0);
	read_path(err_path);
	ck_assert_uint_eq(count_lines(text), 3);
	ASSERT_IN("Z info  mail/3: auto\n", text);
	ASSERT_IN("\nconsole\n", text);
	ASSERT_IN("Z info  bare:bare: auto, too\n", text);
}
END_TEST

START_TEST(a_reload_moves_a_childs_log)
{
	char path[PATH_MAX], place[PATH_MAX];
	struct cfg_log rules = {.file = path};
	struct child_log *log;

	ASSERT_OK(log_open(&config, directory, &err));
	join_path(path, "web.log");
	join_path(place, "logs/web.log");
	log = open_child("web", "stdout", CHILD_LOG_LABELLED, (struct cfg_log){0});
	say(log, "web/0", "one");
	ASSERT_OK(child_log_apply(log, &rules, &err));
	say(log, "web/0", "two");
	rules.maxbytes = 10;
	rules.backups = 1;
	ASSERT_OK(child_log_apply(log, &rules, &err));
	say(log, "web/0", "three");
	ck_assert(log_flush(PATIENCE_MS));
	ck_assert(has(place, "three\n") && !has(place, "two\n"));
	strcat(path, ".1");
	ck_assert(has(path, "two\n"));
	rules.file = (char[]){""};
	ASSERT_OK(child_log_apply(log, &rules, &err));
	say(log, "web/0", "nowhere");
	ck_assert_int_lt(access(place, F_OK), 0);
	ASSERT_OK(child_log_apply(log, &(struct cfg_log){0}, &err));
	say(log, "web/0", "auto again");
	child_log_close(log);
	log_close(PATIENCE_MS);
	ck_assert(has(place, "auto again\n"));
	ck_assert(has(err_path, "one\n") && has(err_path, "auto again\n") && !has(err_path, "two\n"));
}
END_TEST

START_TEST(a_file_that_cannot_be_opened)
{
	char path[PATH_MAX];
	struct cfg_log rules = {.file = path};
	struct child_log *log;

	ASSERT_OK(log_open(&config, directory, &err));
	join_path(path, "none/web.log");
	ASSERT_ERR(child_log_open(&log, directory, "web", "stdout", CHILD_LOG_RAW, &rules, &err), YM_ERR_USAGE);
	ASSERT_IN("none/web.log", err.text);
	ck_assert_ptr_nonnull(log);
	say(log, "web:web", "lost");
	child_log_close(log);
	log_close(PATIENCE_MS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *master = tcase_create("master"), *children = tcase_create("children");

	tcase_add_checked_fixture(master, begin, end_test);
	tcase_add_checked_fixture(children, begin, end_test);
	suite_add_tcase(suite, master);
	suite_add_tcase(suite, children);
	tcase_add_test(master, before_during_and_after);
	tcase_add_test(master, nobody_reads_stderr);
	tcase_add_test(master, a_reload_changes_everything);
	tcase_add_test(master, journal_on_stderr);
	tcase_add_test(children, four_places);
	tcase_add_test(children, a_reload_moves_a_childs_log);
	tcase_add_test(children, a_file_that_cannot_be_opened);
	return run_suite(suite);
}
