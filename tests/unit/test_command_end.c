/* test_command_end.c - commands that are to end early, leave others behind, or lose their worker. */
#include "command_support.h"

/* The pid that somebody wrote to a file, whole. */
static pid_t pid_in(const char *name)
{
	char path[PATH_MAX], text[32] = "";
	FILE *file;

	join_path(path, name);
	do {
		usleep(1000);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (!fgets(text, sizeof(text), file))
			text[0] = '\0';
		fclose(file);
	} while (!strchr(text, '\n'));
	return (pid_t)strtol(text, NULL, 10);
}

static bool gone(pid_t pid)
{
	char state = process_state(pid);

	return state == '?' || state == 'Z' || state == 'X';
}

/* As soon as the command has made the file "started". */
static void ask_to_end(void *arg)
{
	(void)arg;
	await_file("started");
	*stop = 1;
}

static uint64_t run_and_stop(const char *text, const char *stop_ms)
{
	pid_t asker;
	uint64_t began = ym_now_ns();

	option("DIR", directory);
	option(BRIEF_STOP_MS, stop_ms);
	script(text);
	asker = spawn(ask_to_end, NULL);
	ASSERT_OUTCOME(run_once(""), YM_CANCELLED);
	reap_well(asker);
	ck_assert(job.ended && !job.crashed);
	ck_assert_ptr_null(job.result);
	return (ym_now_ns() - began) / 1000000;
}

START_TEST(asked_to_end)
{
	ck_assert_uint_lt(run_and_stop("echo so far >&2; touch $DIR/started; exec sleep 60", "60000"), 10000);
	ck_assert(WIFSIGNALED(job.process.status));
	ck_assert_int_eq(WTERMSIG(job.process.status), SIGTERM);
	ck_assert_str_eq(job.process.output, "so far");
}
END_TEST

START_TEST(asked_to_end_and_cleans_up)
{
	run_and_stop("trap 'touch $DIR/cleaned; exit 0' TERM; touch $DIR/started; while :; do sleep 0.01; done",
	             "60000");
	ck_assert(WIFEXITED(job.process.status));
	ck_assert(exists("cleaned"));
}
END_TEST

START_TEST(asked_to_end_and_does_not)
{
	ck_assert_uint_ge(run_and_stop("trap '' TERM; touch $DIR/started; while :; do sleep 0.01; done", "300"), 300);
	ck_assert(WIFSIGNALED(job.process.status));
	ck_assert_int_eq(WTERMSIG(job.process.status), SIGKILL);
}
END_TEST

/* Its helpers hear it, too, and while they write without pause. */
START_TEST(the_whole_group_is_asked)
{
	catch_log();
	run_and_stop("sleep 60 & echo $! >$DIR/helper; yes & yes >&2 & touch $DIR/started; wait", "60000");
	caught_log();
	WAIT_UNTIL(gone(pid_in("helper")));
}
END_TEST

START_TEST(a_stopped_command_is_asked)
{
	ck_assert_uint_lt(run_and_stop("trap 'exit 0' TERM; touch $DIR/started; kill -STOP $$; sleep 60", "60000"),
	                  10000);
	ck_assert(WIFEXITED(job.process.status));
}
END_TEST

/* Asked before it began: started nevertheless, and ended. */
START_TEST(asked_before_the_start)
{
	script("exec sleep 60");
	*stop = 1;
	ASSERT_OUTCOME(run_once(""), YM_CANCELLED);
}
END_TEST

static void note_nothing(int signo)
{
	(void)signo;
}

static void send_signals(void *arg)
{
	pid_t worker = *(pid_t *)arg;

	await_file("started");
	for (int i = 0; i < 200; i++) {
		kill(worker, i % 2 ? SIGUSR1 : SIGTERM);
		usleep(500);
	}
	write_file("go-on", "", 0);
}

/* Handlers that restart nothing: poll() ends early all the time, the job goes on. */
START_TEST(signals_to_the_worker)
{
	struct sigaction action = {.sa_handler = note_nothing};
	pid_t self = getpid(), sender;

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	option("DIR", directory);
	script("touch $DIR/started; until test -e $DIR/go-on; do sleep 0.01; echo x; done");
	sender = spawn(send_signals, &self);
	ASSERT_OUTCOME(run_once(""), YM_OK);
	ck_assert_uint_ge(job.result_size, 2);
	reap_well(sender);
}
END_TEST

/* ---- what it leaves behind ------------------------------------------------------------------- */

START_TEST(a_helper_holds_the_pipes)
{
	option("DIR", directory);
	script("sleep 60 & echo $! >$DIR/helper; echo result");
	ASSERT_OUTCOME(run_once(""), YM_OK);
	assert_result("result\n");
	WAIT_UNTIL(gone(pid_in("helper")));
}
END_TEST

/* One that left the group writes for ever into the pipes: it is not waited for. */
START_TEST(a_helper_got_away)
{
	pid_t helper;

	option("DIR", directory);
	option(BRIEF_OUTPUT_MAX, "100");
	script("setsid sh -c 'echo $$ >$DIR/helper; exec yes' & until test -s $DIR/helper; do sleep 0.01; done");
	catch_log();
	ASSERT_OUTCOME(run_once(""), YM_OK);
	caught_log();
	ck_assert_uint_le(job.result_size, 100);
	helper = pid_in("helper");
	/* The pipe is closed, and that ends it. */
	WAIT_UNTIL(gone(helper));
}
END_TEST

START_TEST(all_that_was_written_is_read)
{
	char expected[70000];

	memset(expected, 'x', sizeof(expected) - 1);
	expected[sizeof(expected) - 1] = '\0';
	script("head -c 69999 /dev/zero | tr '\\0' x; sleep 60 &");
	must_open();
	for (int i = 0; i < 20; i++) {
		ASSERT_OUTCOME(run_text(""), YM_OK);
		assert_result(expected);
	}
}
END_TEST

/* ---- the worker ------------------------------------------------------------------------------ */

static void run_until_killed(void *arg)
{
	(void)arg;
	run_once("");
}

START_TEST(a_killed_worker_takes_its_command_along)
{
	pid_t worker, runs;

	option("DIR", directory);
	script("echo $$ >$DIR/command; exec sleep 60");
	worker = spawn(run_until_killed, NULL);
	runs = pid_in("command");
	ck_assert(!gone(runs));
	kill_and_reap(worker);
	WAIT_UNTIL(gone(runs));
}
END_TEST

static volatile sig_atomic_t group_seen;

static void look_at_group(int signo)
{
	(void)signo;
	if (shown.group)
		group_seen = shown.group;
}

/* Whoever kills this worker can kill its command and all helpers. */
START_TEST(the_group_is_known)
{
	struct sigaction action = {.sa_handler = look_at_group};

	sigaction(SIGUSR1, &action, NULL);
	option("DIR", directory);
	script("echo $$ >$DIR/command; for i in $(seq 20); do kill -USR1 $PPID; sleep 0.01; done");
	ASSERT_OUTCOME(run_once(""), YM_OK);
	ck_assert_int_gt(group_seen, 0);
	ck_assert_int_eq(group_seen, pid_in("command"));
}
END_TEST

static unsigned open_files(void)
{
	unsigned n = 0;
	DIR *dir = opendir("/proc/self/fd");

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

START_TEST(nothing_leaks)
{
	static const char *const programs[] = {"true", "false", "no-such-program"};
	unsigned before;

	for (size_t i = 0; i < COUNT(programs); i++) {
		noptions = 0;
		word(programs[i]);
		must_open();
		run_text("x");
		before = open_files();
		for (int n = 0; n < 100; n++)
			run_text("x");
		ck_assert_uint_eq(open_files(), before);
		command_task.close();
	}
	must_open();
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

/* A worker whose descriptors 0 to 3 are free: what it opens must not get in the way of what the command gets. */
static void run_without_files(void *arg)
{
	(void)arg;
	must_open();
	for (int fd = 0; fd < 4; fd++)
		close(fd);
	ck_assert_int_eq(run_text("payload"), YM_OK);
	ck_assert_int_eq(run_text("payload"), YM_OK);
	assert_result("payload 1 2\n");
	_exit(strcmp(job.process.output, "err") == 0 && job.progress.done == 9 ? 0 : 1);
}

START_TEST(low_descriptors_are_free)
{
	script("echo progress 9 >&3; echo err >&2; echo $(cat) 1 2");
	run_child(run_without_files, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("command end");
	TCase *tcase = command_case(suite, "command end");

	tcase_add_test(tcase, asked_to_end);
	tcase_add_test(tcase, asked_to_end_and_cleans_up);
	tcase_add_test(tcase, asked_to_end_and_does_not);
	tcase_add_test(tcase, the_whole_group_is_asked);
	tcase_add_test(tcase, a_stopped_command_is_asked);
	tcase_add_test(tcase, asked_before_the_start);
	tcase_add_test(tcase, signals_to_the_worker);
	tcase_add_test(tcase, a_helper_holds_the_pipes);
	tcase_add_test(tcase, a_helper_got_away);
	tcase_add_test(tcase, all_that_was_written_is_read);
	tcase_add_test(tcase, a_killed_worker_takes_its_command_along);
	tcase_add_test(tcase, the_group_is_known);
	tcase_add_test(tcase, nothing_leaks);
	tcase_add_test(tcase, low_descriptors_are_free);
	return run_suite(suite);
}
