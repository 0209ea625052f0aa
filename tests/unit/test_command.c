/* test_command.c - what a command gets, and what becomes of what it says and how it ends. */
#include <sys/stat.h>

#include "command_support.h"

static struct board_progress seen_progress(void)
{
	struct board_progress seen;

	ck_assert(board_read_progress(job.row, &seen));
	return seen;
}

/* ---- the payload ----------------------------------------------------------------------------- */

START_TEST(payload_on_stdin)
{
	word("cat");
	ASSERT_OUTCOME(run_once("one\ntwo"), YM_OK);
	assert_result("one\ntwo");
	ASSERT_OUTCOME(run_text(""), YM_OK);
	assert_result("");
	ASSERT_OUTCOME(run_bytes("\0\1\2", 3), YM_OK);
	ck_assert_uint_eq(job.result_size, 3);
	ck_assert_mem_eq(job.result, "\0\1\2", 3);
}
END_TEST

START_TEST(payload_in_a_word)
{
	script("printf '%s|' \"$@\"; cat");
	word("sh");
	word("<{}>");
	word("{{}}");
	ASSERT_OUTCOME(run_once("a b; $(exit 1)"), YM_OK);
	/* And nothing on stdin. */
	assert_result("<a b; $(exit 1)>|{}|");
	ASSERT_OUTCOME(run_bytes("a\0b", 3), YM_FAIL);
	ASSERT_IN("NUL byte", job.error);
	/* The next job does not suffer. */
	ASSERT_OUTCOME(run_text("x"), YM_OK);
	assert_result("<x>|{}|");
}
END_TEST

START_TEST(the_longest_payload_in_a_word)
{
	size_t size = 131071;
	char *payload = malloc(size + 1);

	memset(payload, 'x', size + 1);
	script("printf %s \"$1\" | wc -c");
	word("sh");
	word("{}");
	must_open();
	ASSERT_OUTCOME(run_bytes(payload, size), YM_OK);
	assert_result("131071\n");
	ASSERT_OUTCOME(run_bytes(payload, size + 1), YM_FAIL);
	ASSERT_IN("131072", job.error);
	ASSERT_IN("{file}", job.error);
	free(payload);
}
END_TEST

START_TEST(payload_as_a_file)
{
	script("stat -c %a \"$1\"; cat \"$1\"; cat");
	word("sh");
	word("{file}");
	ASSERT_OUTCOME(run_once("in the file"), YM_OK);
	assert_result("600\nin the file");
	ck_assert_uint_eq(count_files("jobs"), 0);
	/* Nothing is left behind a failure, either. */
	options[2].value = "exit 3";
	command_task.close();
	ASSERT_OUTCOME(run_once("again"), YM_FAIL);
	ck_assert_uint_eq(count_files("jobs"), 0);
}
END_TEST

/* What a killed worker left there does not matter, and is not followed or written to. */
START_TEST(leftovers_of_a_file)
{
	char path[PATH_MAX], target[PATH_MAX];

	write_file("target", "precious", 8);
	join_path(target, "target");
	join_path(path, "jobs/command.2");
	ck_assert_int_eq(symlink(target, path), 0);
	word("cat");
	word("{file}");
	word(target);
	ASSERT_OUTCOME(run_once("new "), YM_OK);
	assert_result("new precious");
}
END_TEST

START_TEST(payload_that_is_a_file_already)
{
	char path[PATH_MAX];
	struct job_ref ref;

	write_file("there", "bytes of the file", 17);
	join_path(path, "there");
	for (int as_word = 0; as_word < 2; as_word++) {
		word("cat");
		if (as_word)
			word("{file}");
		must_open();
		ref = begin_job("bytes in memory", 15);
		job.payload.path = strdup(path);
		ASSERT_OUTCOME(command_task.run(&job), YM_OK);
		assert_result("bytes of the file");
		finish(ref, job.word, STORY_DONE);
		job_end(&job);
		ck_assert_int_eq(access(path, R_OK), 0);
		command_task.close();
		noptions = 0;
	}
	word("cat");
	must_open();
	ref = begin_job("bytes in memory", 15);
	job.payload.path = strdup("/nonexistent/there");
	ASSERT_OUTCOME(command_task.run(&job), YM_FAIL);
	ASSERT_IN("/nonexistent/there", job.error);
	finish(ref, job.word, STORY_DONE);
}
END_TEST

START_TEST(a_long_payload_that_nobody_reads)
{
	size_t size = 10u << 20;
	char *payload = malloc(size);

	memset(payload, 'p', size);
	word("true");
	must_open();
	ASSERT_OUTCOME(run_bytes(payload, size), YM_OK);
	command_task.close();
	noptions = 0;
	script("head -c 3; wc -c");
	must_open();
	ASSERT_OUTCOME(run_bytes(payload, size), YM_OK);
	ASSERT_IN("ppp", (char *)job.result);
	command_task.close();
	noptions = 0;
	word("wc");
	word("-c");
	must_open();
	ASSERT_OUTCOME(run_bytes(payload, size), YM_OK);
	assert_result("10485760\n");
	free(payload);
}
END_TEST

/* ---- the environment ------------------------------------------------------------------------- */

START_TEST(what_the_environment_says)
{
	char expected[200];

	option("COLOUR", "green");
	option("INHERITED", "replaced");
	setenv("INHERITED", "as it was", 1);
	setenv("ALSO", "this", 1);
	script("echo $YARDMASTER_JOB $YARDMASTER_ATTEMPT/$YARDMASTER_ATTEMPTS $YARDMASTER_POOL $YARDMASTER_INSTANCE "
	       "$YARDMASTER_TAG $YARDMASTER_PROGRESS_FD $COLOUR $INHERITED $ALSO");
	ASSERT_OUTCOME(run_once(""), YM_OK);
	snprintf(expected, sizeof(expected), "%llu %u/%u work unit holiday 3 green replaced this\n",
	         (unsigned long long)ym_job_id(&job), ym_attempt(&job), ym_attempts(&job));
	assert_result(expected);
	/* The next job has its own. */
	ASSERT_OUTCOME(run_text(""), YM_OK);
	snprintf(expected, sizeof(expected), "%llu ", (unsigned long long)ym_job_id(&job));
	ASSERT_IN(expected, (char *)job.result);
}
END_TEST

/* Signals 32 and 33 belong to the C library, which lets nobody change them: whoever started us may have ignored them. */
static unsigned long long ignored_by_libc(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long ignored = 0;
	char line[256];

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "SigIgn: %llx", &ignored);
	fclose(file);
	return ignored & 0x180000000;
}

START_TEST(nothing_else_is_inherited)
{
	int open_one = open("/dev/null", O_RDONLY);
	char expected[128];

	ck_assert_int_ge(open_one, 4);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	script("ls /proc/$$/fd; grep -E '^Sig(Blk|Ign)' /proc/self/status; ps -o pgid= -p $$ | tr -d ' ' "
	       "| grep -qx $$ && echo leader");
	ASSERT_OUTCOME(run_once(""), YM_OK);
	snprintf(expected, sizeof(expected), "0\n1\n2\n3\nSigBlk:\t0000000000000000\nSigIgn:\t%016llx\nleader\n",
	         ignored_by_libc());
	assert_result(expected);
	close(open_one);
}
END_TEST

/* ---- how it ends ----------------------------------------------------------------------------- */

START_TEST(exit_codes)
{
	static const struct {
		const char *script;
		int outcome, code;
		const char *error;
	} cases[] = {
	    {"exit 0", YM_OK, 0, ""},
	    {"exit 75", YM_RETRY, 75, "exited with code 75"},
	    {"exit 111", YM_RETRY, 111, "exited with code 111"},
	    {"echo lost; exit 2", YM_FAIL, 2, "exited with code 2"},
	    {"echo why >&2; exit 1", YM_FAIL, 1, "exited with code 1: why"},
	    {"printf 'first\\nno newline' >&2; exit 75", YM_RETRY, 75, "exited with code 75: no newline"},
	    {"printf 'red \\033[31m\\n\\n \\n' >&2; exit 255", YM_FAIL, 255, "exited with code 255: red ?[31m"},
	    {"echo fine >&2", YM_OK, 0, ""},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		noptions = 0;
		option(BRIEF_RETRY_CODES, "75,111");
		script(cases[i].script);
		ASSERT_OUTCOME(run_once(""), cases[i].outcome);
		ck_assert_str_eq(job.error, cases[i].error);
		ck_assert(job.ended && !job.crashed);
		ck_assert(WIFEXITED(job.process.status));
		ck_assert_int_eq(WEXITSTATUS(job.process.status), cases[i].code);
		ck_assert_int_gt(job.process.usage.ru_maxrss, 0);
		if (cases[i].outcome != YM_OK)
			ck_assert_ptr_null(job.result);
		command_task.close();
	}
	must_open();
}
END_TEST

START_TEST(killed_by_a_signal)
{
	script("echo going down >&2; kill -SEGV $$");
	ASSERT_OUTCOME(run_once(""), YM_FAIL);
	ck_assert(job.crashed);
	ck_assert(WIFSIGNALED(job.process.status));
	ck_assert_int_eq(WTERMSIG(job.process.status), SIGSEGV);
	ASSERT_IN("signal 11", job.error);
	ASSERT_IN("going down", job.error);
	ck_assert_str_eq(job.process.output, "going down");
	/* Also by one that we would send ourselves. */
	options[2].value = "kill -TERM $$";
	command_task.close();
	ASSERT_OUTCOME(run_once(""), YM_FAIL);
	ck_assert(job.crashed);
	ck_assert_int_eq(WTERMSIG(job.process.status), SIGTERM);
}
END_TEST

START_TEST(programs_that_cannot_run)
{
	static const struct {
		const char *program;
		const char *said[3];
	} cases[] = {
	    {"no-such-program", {"\"no-such-program\"", "No such file", "PATH=/nowhere:"}},
	    {"/nowhere/at-all", {"/nowhere/at-all", "No such file", ""}},
	    {"plain", {"/plain\"", "Permission denied", ""}},
	    {"empty", {"/empty\"", "Exec format error", "#!"}},
	    {"./", {"\"./\"", "Permission denied", ""}},
	};
	char path[PATH_MAX + 64];

	write_file("plain", "x", 1);
	write_file("empty", "echo", 4);
	join_path(path, "empty");
	ck_assert_int_eq(chmod(path, 0700), 0);
	join_path(path, "plain");
	ck_assert_int_eq(chmod(path, 0600), 0);
	snprintf(path, sizeof(path), "/nowhere:%s:/dev/null", directory);
	for (size_t i = 0; i < COUNT(cases); i++) {
		noptions = 0;
		option("PATH", path);
		word(cases[i].program);
		ASSERT_OUTCOME(run_once(""), YM_FAIL);
		for (int n = 0; n < 3; n++)
			ASSERT_IN(cases[i].said[n], job.error);
		ck_assert(!job.ended && !job.crashed);
		command_task.close();
	}
	must_open();
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

START_TEST(too_many_open_files)
{
	struct rlimit limit, few;

	word("true");
	ASSERT_OUTCOME(run_once(""), YM_OK);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = (struct rlimit){(rlim_t)dup(0), limit.rlim_max};
	close((int)few.rlim_cur);
	/* One pipe fits, the second does not; then none. */
	for (int more = 3; more >= 0; more--) {
		struct rlimit now = {few.rlim_cur + (rlim_t)more, limit.rlim_max};
		struct job_ref ref;
		int outcome;

		job_end(&job);
		ref = begin_job("", 0);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &now), 0);
		outcome = command_task.run(&job);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		ASSERT_OUTCOME(outcome, YM_RETRY);
		ASSERT_IN("pipe2()", job.error);
		finish(ref, job.word, STORY_DONE);
	}
	ASSERT_OUTCOME(run_text(""), YM_OK);
}
END_TEST

/* ---- stdout ---------------------------------------------------------------------------------- */

START_TEST(output_up_to_its_limit)
{
	option(BRIEF_OUTPUT_MAX, "1000");
	script("head -c 1000 /dev/zero");
	catch_log();
	ASSERT_OUTCOME(run_once(""), YM_OK);
	ck_assert_uint_eq(job.result_size, 1000);
	ck_assert_str_eq(caught_log(), "");
	command_task.close();
	options[3].value = "head -c 1001 /dev/zero";
	catch_log();
	ASSERT_OUTCOME(run_once(""), YM_OK);
	ck_assert_uint_eq(job.result_size, 1000);
	ASSERT_IN("stdout had 1 bytes more than the 1000", caught_log());
}
END_TEST

START_TEST(far_too_much_output)
{
	size_t size = 1 << 20;

	script("head -c 104857600 /dev/zero | tr '\\0' x; echo done >&2");
	catch_log();
	ASSERT_OUTCOME(run_once(""), YM_OK);
	ck_assert_uint_eq(job.result_size, size);
	for (size_t i = 0; i < size; i++)
		ck_assert_int_eq(((char *)job.result)[i], 'x');
	ASSERT_IN("103809024 bytes more", caught_log());
	ck_assert_str_eq(job.process.output, "done");
}
END_TEST

/* More than the instance takes is no error of the job. */
START_TEST(output_above_payload_max)
{
	option(BRIEF_OUTPUT_MAX, "100000000");
	script("head -c 5000000 /dev/zero");
	catch_log();
	ASSERT_OUTCOME(run_once(""), YM_OK);
	ck_assert_uint_eq(job.result_size, PAYLOAD_MAX);
	ASSERT_IN("more than the 4194304", caught_log());
}
END_TEST

START_TEST(results_do_not_mix)
{
	word("cat");
	must_open();
	for (int i = 0; i < 3; i++) {
		ASSERT_OUTCOME(run_text("a longer text"), YM_OK);
		ASSERT_OUTCOME(run_text("short"), YM_OK);
		assert_result("short");
	}
}
END_TEST

START_TEST(a_command_that_closes_everything)
{
	script("echo first; exec >&- 2>&- 3>&- <&-; sleep 0.1; exit 7");
	ASSERT_OUTCOME(run_once("x"), YM_FAIL);
	ck_assert_str_eq(job.error, "exited with code 7");
}
END_TEST

/* ---- stderr ---------------------------------------------------------------------------------- */

START_TEST(errors_are_passed_on)
{
	script("printf 'one\\ntwo\\nno end' >&2");
	catch_log();
	ASSERT_OUTCOME(run_once(""), YM_OK);
	ck_assert_str_eq(caught_log(), "one\ntwo\nno end\n");
	ck_assert_str_eq(job.process.output, "one\ntwo\nno end");
}
END_TEST

START_TEST(long_lines_of_errors)
{
	const char *log;

	script("head -c 10000 /dev/zero | tr '\\0' x >&2; echo >&2; echo end >&2");
	catch_log();
	ASSERT_OUTCOME(run_once(""), YM_OK);
	log = caught_log();
	ck_assert_uint_eq(strspn(log, "x"), 10000);
	ck_assert_str_eq(log + 10000, "\nend\n");
	/* The long one does not fit, so only the last is kept whole. */
	ck_assert_str_eq(job.process.output, "end");
	command_task.close();
	/* Cut between two characters: one of one byte, 127 of two. */
	options[2].value = "printf x >&2; for i in $(seq 400); do printf '\\303\\244' >&2; done";
	catch_log();
	ASSERT_OUTCOME(run_once(""), YM_OK);
	ck_assert_uint_eq(strlen(caught_log()), 802);
	ck_assert_uint_eq(strlen(job.process.output), 255);
	ck_assert_str_eq(job.process.output + 251, "\303\244\303\244");
}
END_TEST

START_TEST(the_last_lines_of_errors)
{
	char expected[400] = "";

	script("for i in $(seq 100 1000); do printf '\\t%s\\n' $i >&2; done");
	catch_log();
	ASSERT_OUTCOME(run_once(""), YM_OK);
	ck_assert_uint_eq(strlen(caught_log()), 900 * 5 + 6);
	/* 50 lines of four bytes and a newline, and one of five. */
	for (int i = 950; i <= 1000; i++)
		snprintf(expected + strlen(expected), 20, "%s %d", i == 950 ? "" : "\n", i);
	ck_assert_uint_le(strlen(expected), JOB_OUTPUT_MAX - 1);
	ck_assert_str_eq(job.process.output, expected);
}
END_TEST

/* The master stands still: neither the command nor the worker waits for it. */
START_TEST(nobody_reads_our_errors)
{
	int ends[2], kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10), outcome;
	uint64_t started;

	script("head -c 1000000 /dev/zero | tr '\\0' '\\n' >&2; echo last >&2; echo result");
	must_open();
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	started = ym_now_ns();
	outcome = run_text("");
	dup2(kept, STDERR_FILENO);
	ASSERT_OUTCOME(outcome, YM_OK);
	ck_assert_uint_lt(ym_now_ns() - started, UINT64_C(5000000000));
	assert_result("result\n");
	ck_assert_str_eq(job.process.output, "last");
}
END_TEST

/* ---- progress -------------------------------------------------------------------------------- */

START_TEST(progress_arrives)
{
	struct board_progress seen;

	script("echo unit rows >&3; printf 'progress 4' >&3; sleep 0.1; echo '2/100 half' >&3; printf 'note end' >&3");
	ASSERT_OUTCOME(run_once(""), YM_OK);
	seen = seen_progress();
	ck_assert_uint_eq(seen.done, 42);
	ck_assert_uint_eq(seen.total, 100);
	ck_assert_str_eq(seen.unit, "rows");
	ck_assert_str_eq(seen.note, "end");
	/* The next job starts from nothing. */
	options[2].value = "echo note only >&3";
	command_task.close();
	ASSERT_OUTCOME(run_once(""), YM_OK);
	seen = seen_progress();
	ck_assert_uint_eq(seen.done, 0);
	ck_assert_str_eq(seen.note, "only");
}
END_TEST

static void watch_progress(void *arg)
{
	struct board_progress seen;

	(void)arg;
	do
		usleep(1000);
	while (!board_read_progress(&yard.board->workers[2], &seen) || seen.done != 1);
	write_file("go-on", "", 0);
}

/* Seen by others while the command runs, not at its end. */
START_TEST(progress_at_once)
{
	pid_t watcher = spawn(watch_progress, NULL);

	option("DIR", directory);
	script("echo progress 1/2 >&3; until test -e $DIR/go-on; do sleep 0.01; done");
	ASSERT_OUTCOME(run_once(""), YM_OK);
	reap_well(watcher);
}
END_TEST

START_TEST(one_complaint)
{
	const char *log, *second;

	script("echo hello >&3; echo progress 5/6 >&3; echo >&3; echo again >&3; head -c 1000000 /dev/zero >&3");
	catch_log();
	ASSERT_OUTCOME(run_once(""), YM_OK);
	log = caught_log();
	ASSERT_IN("\"hello\"", log);
	second = strchr(log, '\n');
	ck_assert_ptr_nonnull(second);
	ck_assert_str_eq(second, "\n");
	ck_assert_uint_eq(seen_progress().done, 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("command");
	TCase *tcase = command_case(suite, "command");

	tcase_add_test(tcase, payload_on_stdin);
	tcase_add_test(tcase, payload_in_a_word);
	tcase_add_test(tcase, the_longest_payload_in_a_word);
	tcase_add_test(tcase, payload_as_a_file);
	tcase_add_test(tcase, leftovers_of_a_file);
	tcase_add_test(tcase, payload_that_is_a_file_already);
	tcase_add_test(tcase, a_long_payload_that_nobody_reads);
	tcase_add_test(tcase, what_the_environment_says);
	tcase_add_test(tcase, nothing_else_is_inherited);
	tcase_add_test(tcase, exit_codes);
	tcase_add_test(tcase, killed_by_a_signal);
	tcase_add_test(tcase, programs_that_cannot_run);
	tcase_add_test(tcase, too_many_open_files);
	tcase_add_test(tcase, output_up_to_its_limit);
	tcase_add_test(tcase, far_too_much_output);
	tcase_add_test(tcase, output_above_payload_max);
	tcase_add_test(tcase, results_do_not_mix);
	tcase_add_test(tcase, a_command_that_closes_everything);
	tcase_add_test(tcase, errors_are_passed_on);
	tcase_add_test(tcase, long_lines_of_errors);
	tcase_add_test(tcase, the_last_lines_of_errors);
	tcase_add_test(tcase, nobody_reads_our_errors);
	tcase_add_test(tcase, progress_arrives);
	tcase_add_test(tcase, progress_at_once);
	tcase_add_test(tcase, one_complaint);
	return run_suite(suite);
}
