/*
 * test_child.c - real processes in a loop: launched, heard, started again, asked to stop, killed.
 */
#include "child_support.h"

/* ---- what it says ---------------------------------------------------------------------------- */

START_TEST(test_lines)
{
	owner.with_errors = true;
	run_to_end("echo one; echo; echo 'with  blanks '; printf 'no newline'");
	ck_assert_str_eq(owner.lines, "o:one\no:\no:with  blanks \no:no newline\n");
	ck_assert_str_eq(owner.states, " STARTING RUNNING EXITED");
	ck_assert_str_eq(owner.child.life.reason, "exited with code 0");
	ck_assert_int_eq(owner.status, 0);
	ck_assert_uint_eq(soons, 1);
	ck_assert_int_eq(child_pid(&owner.child), 0);
	ASSERT_LOGGED("program test started (pid ");
	ASSERT_LOGGED("program test exited with code 0: it is not to be started again");
	run_to_end("echo out; echo err >&2");
	ASSERT_IN("o:out\n", owner.lines);
	ASSERT_IN("e:err\n", owner.lines);
	/* Both in one pipe. */
	owner.with_errors = false;
	run_to_end("echo out; echo err >&2");
	ck_assert_str_eq(owner.lines, "o:out\no:err\n");
}
END_TEST

START_TEST(test_long_line)
{
	size_t length, first;

	run_to_end("head -c 9000 /dev/zero | tr '\\0' x; echo; echo next");
	ck_assert_int_eq(strncmp(owner.lines, "o:xxx", 5), 0);
	first = strcspn(owner.lines, "\n");
	ck_assert_uint_eq(first, 2 + PROCESS_LINE_MAX);
	length = strlen(owner.lines);
	ck_assert_str_eq(owner.lines + length - 7, "o:next\n");
	/* 9000 bytes in three pieces, each with "o:" and a newline, and the line after it. */
	ck_assert_uint_eq(length, 9000 + 3 * 3 + 7);
}
END_TEST

/* What the kill finds in the pipe is not lost, and who else holds the pipe is not waited for. */
START_TEST(test_last_words)
{
	pid_t pid;

	owner.script = "sleep 1000 & i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done; exit 4";
	START();
	pid = child_pid(&owner.child);
	RUN_UNTIL(owner.ends == 1);
	kill(-pid, SIGKILL);
	ASSERT_IN("o:line 0\n", owner.lines);
	ASSERT_IN("o:line 499\n", owner.lines);
	ck_assert_str_eq(owner.child.life.reason, "exited with code 4: line 499");
}
END_TEST

/* ---- how it ends ----------------------------------------------------------------------------- */

START_TEST(test_reason)
{
	owner.with_errors = true;
	run_to_end("echo started; exit 3");
	ck_assert_str_eq(owner.child.life.reason, "exited with code 3: started");
	ck_assert_int_eq(owner.child.life.status, 3 << 8);
	/* stderr knows better, whatever comes after it; an empty line says nothing. */
	go_later();
	owner.lines[0] = '\0';
	owner.script = "echo cannot open x >&2; echo >&2; " AFTER_GO "echo bye; exit 3";
	START();
	RUN_UNTIL(strcmp(owner.lines, "e:cannot open x\ne:\n") == 0);
	go();
	RUN_UNTIL(IS(EXITED));
	ck_assert_str_eq(owner.child.life.reason, "exited with code 3: cannot open x");
	run_to_end("echo the next one; exit 3");
	ck_assert_str_eq(owner.child.life.reason, "exited with code 3: the next one");
	/* It says nothing of the process before. */
	run_to_end("kill -9 $$");
	ck_assert_str_eq(owner.child.life.reason, "was killed by signal 9 (Killed)");
	ck_assert_int_eq(owner.child.life.status, SIGKILL);
	run_to_end("printf 'red \\033[31m\\ttab \\177 \\303\\244\\n' >&2; exit 1");
	ck_assert_str_eq(owner.child.life.reason, "exited with code 1: red  [31m tab   \xc3\xa4");
	/* Long words are cut, not the reason lost. */
	run_to_end("head -c 1000 /dev/zero | tr '\\0' y >&2; exit 1");
	ASSERT_IN("exited with code 1: yyyyy", owner.child.life.reason);
	ck_assert_uint_eq(strlen(owner.child.last), CHILD_LAST_MAX - 1);
	ck_assert_uint_lt(strlen(owner.child.life.reason), LIFE_REASON_MAX);
}
END_TEST

static unsigned count(const char *words)
{
	unsigned n = 0;

	for (const char *at = logged(); (at = strstr(at, words)); at++)
		n++;
	return n;
}

START_TEST(test_again)
{
	pid_t first, last;

	policy.autorestart = CFG_AUTORESTART_YES;
	policy.restart_delay_ms = 0;
	owner.script = "echo x; exit 1";
	START();
	first = child_pid(&owner.child);
	RUN_UNTIL(owner.ends == 5);
	last = child_pid(&owner.child);
	ck_assert_int_gt(last, 0);
	ck_assert_int_ne(last, first);
	ck_assert_uint_eq(owner.child.life.starts, 6);
	ck_assert_uint_eq(count(" started (pid "), 6);
	owner.script = "trap '' TERM; sleep 1000";
	child_event(&owner.child, LIFE_ON_STOP);
	RUN_UNTIL(IS(STOPPED));
	ck_assert_uint_eq(owner.child.life.starts, 6);
}
END_TEST

/* Failed starts: a pause after each, and then no more. */
START_TEST(test_fatal)
{
	policy.startsecs_ms = 60000;
	owner.script = "echo no >&2; exit 9";
	START();
	RUN_UNTIL(IS(FATAL));
	ck_assert_uint_eq(owner.ends, 4);
	ck_assert_str_eq(owner.states, " STARTING BACKOFF STARTING BACKOFF STARTING BACKOFF STARTING FATAL");
	ck_assert_str_eq(owner.child.life.reason, "exited with code 9: no");
	ASSERT_LOGGED("program test exited with code 9: no: failed start 1, next try in ");
	ASSERT_LOGGED("program test is FATAL, it failed to start 4 times: exited with code 9: no");
}
END_TEST

START_TEST(test_excused)
{
	policy.startsecs_ms = 60000;
	owner.excuses = true;
	owner.script = "exit 9";
	START();
	RUN_UNTIL(owner.ends == 3);
	ck_assert_ptr_null(strstr(owner.states, "BACKOFF"));
}
END_TEST

START_TEST(test_cannot_launch)
{
	owner.script = NULL;
	START();
	ASSERT_IN("/no/such/program", owner.child.life.reason);
	ck_assert(IS(BACKOFF));
	ck_assert_int_eq(child_pid(&owner.child), 0);
	/* There is nothing to send a signal to. */
	child_signal(&owner.child, SIGTERM);
	RUN_UNTIL(IS(FATAL));
	ck_assert_uint_eq(owner.ends, 0);
	ASSERT_LOGGED("is FATAL, it failed to start 4 times: ");
}
END_TEST

/* ---- ready ----------------------------------------------------------------------------------- */

START_TEST(test_ready)
{
	owner.child.life.waits = owner.with_ready = true;
	owner.script = "printf almost >&3; echo said; " AFTER_GO "echo >&3; echo >&3; "
		       "exec sleep 1000";
	go_later();
	START();
	RUN_UNTIL(strcmp(owner.lines, "o:said\n") == 0);
	run_turns(10);
	ck_assert(IS(STARTING));
	go();
	RUN_UNTIL(IS(RUNNING));
	/* What is written there is no line of its output. */
	ck_assert_str_eq(owner.lines, "o:said\n");
	ck_assert_str_eq(owner.states, " STARTING RUNNING");
}
END_TEST

START_TEST(test_not_ready)
{
	owner.child.life.waits = owner.with_ready = true;
	policy.ready_timeout_ms = 30;
	policy.startretries = 0;
	owner.script = "exec sleep 1000";
	START();
	RUN_UNTIL(IS(FATAL));
	ck_assert_int_eq(owner.status, SIGKILL);
	ck_assert_str_eq(owner.child.life.reason, "not ready after 30 ms");
	ASSERT_LOGGED("is not ready after 30 ms: killing it");
}
END_TEST

/* ---- stop ------------------------------------------------------------------------------------ */

START_TEST(test_stop)
{
	owner.script = "trap 'echo asked; exit 5' TERM; echo set; while :; do sleep 0.01; done";
	START();
	RUN_UNTIL(strcmp(owner.lines, "o:set\n") == 0);
	child_event(&owner.child, LIFE_ON_STOP);
	RUN_UNTIL(IS(STOPPED));
	ASSERT_IN("o:asked\n", owner.lines);
	ck_assert_int_eq(owner.child.life.status, 5 << 8);
	ck_assert(!owner.child.killed);
	/* That it ends is what was wanted. */
	ASSERT_LOGGED("info ");
	ck_assert_ptr_null(strstr(logged(), "warn"));
}
END_TEST

START_TEST(test_kill)
{
	owner.script = "trap '' TERM; echo set; while :; do sleep 0.01; done";
	START();
	RUN_UNTIL(strcmp(owner.lines, "o:set\n") == 0);
	child_event(&owner.child, LIFE_ON_STOP);
	ck_assert(IS(STOPPING));
	RUN_UNTIL(IS(STOPPED));
	ck_assert_int_eq(owner.child.life.status, SIGKILL);
	ck_assert(owner.child.killed);
	ASSERT_LOGGED("warn  master: program test (pid ");
	/* The next one is another process. */
	START();
	ck_assert(!owner.child.killed);
}
END_TEST

START_TEST(test_retire)
{
	policy.startsecs_ms = 60000;
	owner.script = "trap 'echo done; exit 0' USR1; echo set; while :; do sleep 0.01; done";
	START();
	RUN_UNTIL(strcmp(owner.lines, "o:set\n") == 0);
	ck_assert(uv_is_active((uv_handle_t *)&owner.child.timer));
	child_event(&owner.child, LIFE_ON_RETIRE);
	ck_assert(!uv_is_active((uv_handle_t *)&owner.child.timer));
	RUN_UNTIL(IS(STOPPED));
	ck_assert_str_eq(owner.lines, "o:set\no:done\n");
}
END_TEST

START_TEST(test_refused)
{
	owner.script = "exec sleep 1000";
	START();
	ck_assert(IS(RUNNING));
	ck_assert(!child_event(&owner.child, LIFE_ON_START));
	ASSERT_LOGGED("program test: start means nothing in state RUNNING");
	ck_assert(!child_event(&owner.child, LIFE_ON_ADOPT));
	ASSERT_LOGGED("program test: adopt means nothing in state RUNNING");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("child");
	TCase *tcase = add_child_case(suite, "child");

	tcase_add_test(tcase, test_lines);
	tcase_add_test(tcase, test_long_line);
	tcase_add_test(tcase, test_last_words);
	tcase_add_test(tcase, test_reason);
	tcase_add_test(tcase, test_again);
	tcase_add_test(tcase, test_fatal);
	tcase_add_test(tcase, test_excused);
	tcase_add_test(tcase, test_cannot_launch);
	tcase_add_test(tcase, test_ready);
	tcase_add_test(tcase, test_not_ready);
	tcase_add_test(tcase, test_stop);
	tcase_add_test(tcase, test_kill);
	tcase_add_test(tcase, test_retire);
	tcase_add_test(tcase, test_refused);
	return run_suite(suite);
}
