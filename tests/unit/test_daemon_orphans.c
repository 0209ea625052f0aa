/* test_daemon_orphans.c - orphans that become children of the master: reaped, and nothing but them. */
#include <sys/mount.h>
#include <sys/pidfd.h>

#include "../../ipc/clock.h"
#include "../../runtime/spawn.h"
#include "daemon_support.h"

#define ORPHANS 5

static uv_loop_t loop;
static pid_t own;

static bool is_own(void *arg, pid_t pid)
{
	(void)arg;
	return pid == own;
}

static void stop_loop(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static void turn(uint64_t ms)
{
	static uv_timer_t timer;

	if (!timer.loop)
		uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, stop_loop, ms, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void open_loop(void)
{
	uv_loop_init(&loop);
	daemon_reap(&loop, is_own, NULL);
}

static bool has_children(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* It dies before its children do, who become ours. */
static void make_orphans(void *arg)
{
	(void)arg;
	for (int i = 0; i < ORPHANS; i++)
		if (fork() == 0) {
			char letter;

			close(life[1]);
			_exit(read(life[0], &letter, 1) == 0 ? 0 : 1);
		}
	_exit(9);
}

static void exit_with_seven(void *arg)
{
	(void)arg;
	_exit(7);
}

/* For process 1, in which check's assertions are of no use. */
#define INSIST(condition)                                                                                              \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			dprintf(STDERR_FILENO, "not true: %s\n", #condition);                                          \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

/* Ours is dead, first in the list, and reaped by nobody until the orphans have been; its status has to be there then. */
static void orphans_behind_a_dead_child(void *hidden)
{
	uint64_t deadline = ym_deadline(PATIENCE_MS);
	siginfo_t info = {0};
	int pidfd, status;
	pid_t mother;

	INSIST(pipe2(life, O_CLOEXEC) == 0);
	own = spawn(exit_with_seven, NULL);
	pidfd = pidfd_open(own, 0);
	INSIST(pidfd >= 0);
	INSIST(waitid(P_PID, (id_t)own, &info, WEXITED | WNOWAIT) == 0 && info.si_status == 7);
	mother = spawn(make_orphans, NULL);
	open_loop();
	INSIST(waitid(P_PID, (id_t)mother, &info, WEXITED | WNOWAIT) == 0);
	close(life[1]);
	/* `hidden`: those behind ours cannot be found before it has been reaped. */
	if (!hidden) {
		while (waitid(P_PID, (id_t)own, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && ym_now_ns() < deadline &&
		       kill(mother, 0) == 0)
			turn(5);
		INSIST(kill(mother, 0) < 0);
	}
	turn(120);
	INSIST(spawn_reap(pidfd, &status, NULL));
	INSIST(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	own = 0;
	while (has_children() && ym_now_ns() < deadline)
		turn(5);
	INSIST(!has_children());
	daemon_reap_close();
	turn(1);
}

static void as_subreaper(void *arg)
{
	INSIST(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	orphans_behind_a_dead_child(arg);
}

START_TEST(orphans_of_a_subreaper)
{
	reap_well(spawn(as_subreaper, NULL));
}
END_TEST

/* ... and without /proc: it would be that of other processes. */
static void as_one(void *arg)
{
	INSIST(getpid() == 1);
	INSIST(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	INSIST(mount("none", "/proc", "tmpfs", 0, NULL) == 0);
	orphans_behind_a_dead_child(arg);
}

START_TEST(orphans_of_process_one)
{
	if (!run_as_one(as_one, &loop))
		ck_assert_int_ne(geteuid(), 0);
}
END_TEST

/* Of the program that this process was before: nobody will tell us of it. */
static void heir_of_a_zombie(void *arg)
{
	uint64_t deadline = ym_deadline(PATIENCE_MS);
	pid_t zombie = spawn(exit_with_seven, NULL);
	siginfo_t info;

	(void)arg;
	INSIST(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT) == 0);
	open_loop();
	while (has_children() && ym_now_ns() < deadline)
		turn(5);
	INSIST(!has_children());
}

START_TEST(zombies_from_before)
{
	reap_well(spawn(heir_of_a_zombie, NULL));
}
END_TEST

static bool all_own(void *arg, pid_t pid)
{
	(void)pid;
	(*(unsigned *)arg)++;
	return true;
}

static void none_of_them(void *arg)
{
	unsigned asked = 0;
	siginfo_t info;
	int status;

	(void)arg;
	uv_loop_init(&loop);
	daemon_reap(&loop, all_own, &asked);
	own = spawn(exit_with_seven, NULL);
	INSIST(waitid(P_PID, (id_t)own, &info, WEXITED | WNOWAIT) == 0);
	for (uint64_t deadline = ym_deadline(PATIENCE_MS); asked == 0 && ym_now_ns() < deadline;)
		turn(10);
	INSIST(asked > 0);
	INSIST(waitpid(own, &status, WNOHANG) == own && WEXITSTATUS(status) == 7);
}

START_TEST(own_children_are_left_alone)
{
	reap_well(spawn(none_of_them, NULL));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon_orphans");
	TCase *tcase = add_case(suite, "orphans");

	tcase_add_test(tcase, orphans_of_a_subreaper);
	tcase_add_test(tcase, orphans_of_process_one);
	tcase_add_test(tcase, zombies_from_before);
	tcase_add_test(tcase, own_children_are_left_alone);
	return run_suite(suite);
}
