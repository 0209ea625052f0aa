/*
 * test_child_adopt.c - processes that change their master: let go, taken over from a dead one, handed over in an upgrade.
 */
#include <sys/pidfd.h>

#include "../../runtime/handover.h"
#include "../../runtime/spawn.h"
#include "child_support.h"

/* Asked before the loop has heard of it: the status and the last lines are there, and the loop hears of it all the same. */
START_TEST(test_has_ended)
{
	struct rusage usage;
	int status = -2;

	owner.script = "echo set; exec sleep 1000";
	START();
	RUN_UNTIL(strcmp(owner.lines, "o:set\n") == 0);
	ck_assert(!child_has_ended(&owner.child, &status, &usage));
	kill(child_pid(&owner.child), SIGKILL);
	WAIT_UNTIL(child_has_ended(&owner.child, &status, &usage));
	ck_assert_int_eq(status, SIGKILL);
	ck_assert_uint_eq(owner.ends, 0);
	RUN_UNTIL(owner.ends == 1);
	ck_assert_int_eq(owner.status, SIGKILL);
	ck_assert(!child_has_ended(&owner.child, &status, &usage));
}
END_TEST

/* Let go of it: it goes on, and nobody is told anything. */
START_TEST(test_close)
{
	pid_t pid;

	owner.script = "echo set; exec sleep 1000";
	START();
	RUN_UNTIL(strcmp(owner.lines, "o:set\n") == 0);
	pid = child_pid(&owner.child);
	child_close(&owner.child, closed);
	ck_assert_uint_eq(owner.closes, 0);
	RUN_UNTIL(owner.closes == 1);
	ck_assert_int_eq(kill(pid, 0), 0);
	kill_and_reap(pid);
	run_turns(3);
	ck_assert_uint_eq(owner.ends, 0);
	ck_assert_msg(!uv_loop_alive(&loop), "something of it is still in the loop");
}
END_TEST

/* ---- taken over ------------------------------------------------------------------------------ */

/* Started by a master that is dead: the process is nobody's child here. Its pid and the start of its output. */
static pid_t orphan(const char *script, int *output)
{
	int numbers[2], lines[2];
	pid_t pid = 0, parent;

	ck_assert(pipe2(numbers, O_CLOEXEC) == 0 && pipe2(lines, O_CLOEXEC) == 0);
	fcntl(lines[0], F_SETFL, O_NONBLOCK);
	parent = fork();
	if (parent == 0) {
		if (fork() == 0) {
			setpgid(0, 0);
			dup2(lines[1], STDOUT_FILENO);
			/* Not before its output is what will be asked for. */
			pid = getpid();
			if (write(numbers[1], &pid, sizeof(pid)) == sizeof(pid))
				execl("/bin/sh", "sh", "-c", script, NULL);
			_exit(127);
		}
		_exit(0);
	}
	reap_well(parent);
	ck_assert_int_eq(read(numbers[0], &pid, sizeof(pid)), sizeof(pid));
	close(numbers[0]);
	close(numbers[1]);
	close(lines[1]);
	*output = lines[0];
	return pid;
}

START_TEST(test_adopt)
{
	struct process_fds fds = PROCESS_FDS_INIT;
	pid_t pid;
	int before;

	go_later();
	owner.script = "exec sleep 1000";
	policy.autorestart = CFG_AUTORESTART_YES;
	policy.startsecs_ms = 60000;
	pid = orphan("" AFTER_GO "echo heard; exit 3", &before);
	fds.pidfd = pidfd_open(pid, 0);
	ck_assert_int_ge(fds.pidfd, 0);
	/* From its side, as a new master does it: the old reader may go then. */
	fds.streams[PROCESS_OUTPUT] = spawn_open_output(pid, STDOUT_FILENO);
	ck_assert_int_ge(fds.streams[PROCESS_OUTPUT], 0);
	close(before);
	ck_assert(child_adopt(&owner.child, pid, &fds));
	owner.child.foreign = true;
	ck_assert(child_event(&owner.child, LIFE_ON_ADOPT));
	ck_assert(IS(RUNNING));
	ck_assert_int_eq(child_pid(&owner.child), pid);
	go();
	RUN_UNTIL(owner.ends == 1);
	ck_assert_str_eq(owner.lines, "o:heard\n");
	ck_assert_int_eq(owner.pid, pid);
	/* How cannot be known. It is replaced at once, however soon this was. */
	ck_assert_int_eq(owner.status, -1);
	ck_assert(IS(STARTING));
	ck_assert_int_ne(child_pid(&owner.child), pid);
	ck_assert(!owner.child.foreign);
}
END_TEST

/* Stopped through its pidfd, as any other. */
START_TEST(test_adopt_and_stop)
{
	struct process_fds fds = PROCESS_FDS_INIT;
	pid_t pid = orphan("echo set; exec sleep 1000", &fds.streams[PROCESS_OUTPUT]);

	fds.pidfd = pidfd_open(pid, 0);
	ck_assert(child_adopt(&owner.child, pid, &fds));
	child_event(&owner.child, LIFE_ON_ADOPT);
	RUN_UNTIL(strcmp(owner.lines, "o:set\n") == 0);
	child_event(&owner.child, LIFE_ON_STOP);
	RUN_UNTIL(IS(STOPPED));
	ck_assert_int_eq(owner.pid, pid);
}
END_TEST

START_TEST(test_cannot_adopt)
{
	struct process_fds fds = PROCESS_FDS_INIT;

	ck_assert(!child_adopt(&owner.child, 1, &fds));
	ck_assert_int_eq(child_pid(&owner.child), 0);
	ck_assert(IS(STOPPED));
}
END_TEST

/* Over an upgrade: another image, the same parent. All goes on where it was, and the exit code is known. */
START_TEST(test_hand_over)
{
	static struct owner heir;
	struct handed handed = {0};
	pid_t pid;

	go_later();
	policy.startsecs_ms = 60000;
	owner.with_errors = true;
	owner.child.life.fails = owner.child.life.failures = 2;
	owner.script = "echo set; " AFTER_GO "echo heard; echo why >&2; exit 3";
	START();
	owner.child.life.fails = owner.child.life.failures = 2;
	owner.child.killed = true;
	pid = child_pid(&owner.child);
	RUN_UNTIL(strcmp(owner.lines, "o:set\n") == 0);
	handover_take(&owner.child, &handed);
	ck_assert_int_eq(handed.pid, pid);
	/* An execve() keeps the descriptors; here the old image closes its own. */
	handed.fds.pidfd = dup(handed.fds.pidfd);
	ck_assert_int_eq(handed.fds.streams[PROCESS_READY], -1);
	handed.fds.streams[PROCESS_OUTPUT] = dup(handed.fds.streams[PROCESS_OUTPUT]);
	handed.fds.streams[PROCESS_ERRORS] = dup(handed.fds.streams[PROCESS_ERRORS]);
	child_close(&owner.child, closed);
	RUN_UNTIL(owner.closes == 1);

	make(&heir, "exit 0");
	ck_assert(handover_give(&handed, &heir.child));
	ck_assert_int_eq(child_pid(&heir.child), pid);
#define X(name, from)                                                                                                  \
	ck_assert_msg((int64_t)heir.child.from == (int64_t)owner.child.from, "%s is lost on the way", #name);
	HANDED_MAP(X)
#undef X
	ck_assert(heir.child.life.state == LIFE_STARTING);
	/* The time of the state goes on. */
	ck_assert(uv_is_active((uv_handle_t *)&heir.child.timer));
	ck_assert_uint_le(uv_timer_get_due_in(&heir.child.timer), 60000);
	go();
	RUN_UNTIL(heir.ends == 1);
	ck_assert_int_eq(heir.status, 3 << 8);
	ASSERT_IN("o:heard\n", heir.lines);
	ck_assert_str_eq(heir.child.life.reason, "exited with code 3: why");
	ck_assert(heir.child.life.state == LIFE_BACKOFF);
	ck_assert_uint_eq(heir.child.life.fails, 3);
	child_close(&heir.child, closed);
	RUN_UNTIL(heir.closes == 1);
	ck_assert_uint_eq(owner.ends, 0);
}
END_TEST

/* One without a process: its reason and its delay. */
START_TEST(test_hand_over_backoff)
{
	static struct owner heir;
	struct handed handed = {0};

	policy.restart_delay_ms = policy.restart_max_delay_ms = 300000;
	policy.startsecs_ms = 60000;
	run_to_end("echo no; exit 9");
	ck_assert(IS(BACKOFF));
	handover_take(&owner.child, &handed);
	ck_assert_int_eq(handed.pid, 0);
	make(&heir, "exit 0");
	ck_assert(handover_give(&handed, &heir.child));
	ck_assert_str_eq(heir.child.life.reason, "exited with code 9: no");
	ck_assert(heir.child.life.state == LIFE_BACKOFF);
	ck_assert_uint_gt(uv_timer_get_due_in(&heir.child.timer), 200000);
	child_close(&heir.child, closed);
	RUN_UNTIL(heir.closes == 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("child adopt");
	TCase *tcase = add_child_case(suite, "child adopt");

	tcase_add_test(tcase, test_has_ended);
	tcase_add_test(tcase, test_close);
	tcase_add_test(tcase, test_adopt);
	tcase_add_test(tcase, test_adopt_and_stop);
	tcase_add_test(tcase, test_cannot_adopt);
	tcase_add_test(tcase, test_hand_over);
	tcase_add_test(tcase, test_hand_over_backoff);
	return run_suite(suite);
}
