/* test_daemon.c - going into the background, pid files, orphans. */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <utmp.h>

#include "../../ipc/clock.h"
#include "../../runtime/daemon.h"
#include "../../runtime/spawn.h"
#include "support.h"

/* ---- detach ---------------------------------------------------------------------------------- */

/* The daemon tells the test its pid and more through `facts`, and lives until `life` ends: with the test, if need be. */
static int facts[2], life[2], errors[2];
static pid_t daemon_pid;

static void open_pipes(void)
{
	ck_assert_int_eq(pipe2(facts, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(life, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(errors, O_CLOEXEC), 0);
	/* The daemon is an orphan: ours, so that its end can be waited for. */
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	daemon_pid = 0;
}

static void tell(const char *text)
{
	MUST(write(facts[1], text, strlen(text) + 1) == (ssize_t)strlen(text) + 1);
}

static const char *told(void)
{
	static char text[256];
	size_t used = 0;

	do {
		struct pollfd in = {.fd = facts[0], .events = POLLIN};

		ck_assert_int_eq(poll(&in, 1, PATIENCE_MS), 1);
		ck_assert_uint_lt(used, sizeof(text));
		ck_assert_int_eq(read(facts[0], text + used, 1), 1);
	} while (text[used++]);
	return text;
}

static void live_until_told(void)
{
	char letter;

	MUST(read(life[0], &letter, 1) == 0);
}

/* Let the daemon end; its status. */
static int end_daemon(void)
{
	close(life[1]);
	return reap(daemon_pid);
}

static void detach(void)
{
	char text[32];

	close(life[1]);
	MUST(daemon_detach(&err) == 0);
	snprintf(text, sizeof(text), "%ld", (long)getpid());
	tell(text);
}

/* Start `run` as who will detach, with stderr in a pipe; the daemon's pid is known afterwards. */
static pid_t start(void (*run)(void *arg), void *arg)
{
	pid_t pid;

	open_pipes();
	pid = spawn(run, arg);
	close(errors[1]);
	daemon_pid = (pid_t)strtol(told(), NULL, 10);
	ck_assert_int_gt(daemon_pid, 0);
	ck_assert_int_ne(daemon_pid, pid);
	return pid;
}

static int exit_code(pid_t pid)
{
	int status = reap(pid);

	ck_assert_msg(WIFEXITED(status), "status 0x%x", (unsigned)status);
	return WEXITSTATUS(status);
}

/* All that comes until the other end is closed. */
static const char *read_errors(void)
{
	static char text[1024];
	size_t used = 0;
	ssize_t n;

	do {
		struct pollfd in = {.fd = errors[0], .events = POLLIN};

		ck_assert_msg(poll(&in, 1, PATIENCE_MS) == 1, "still open after: %.*s", (int)used, text);
		n = read(errors[0], text + used, sizeof(text) - 1 - used);
		ck_assert_int_ge(n, 0);
		used += (size_t)n;
	} while (n > 0);
	text[used] = '\0';
	return text;
}

static void say(const char *text)
{
	MUST(write(STDERR_FILENO, text, strlen(text)) == (ssize_t)strlen(text));
}

static bool is_null(int fd)
{
	struct stat st, null;

	return fstat(fd, &st) == 0 && stat("/dev/null", &null) == 0 && st.st_rdev == null.st_rdev &&
	       S_ISCHR(st.st_mode);
}

static void come_up(void *arg)
{
	char here[PATH_MAX], there[PATH_MAX];
	mode_t mask = umask(027);
	pid_t session = getsid(0);

	(void)arg;
	MUST(getcwd(here, sizeof(here)));
	MUST(dup2(errors[1], STDERR_FILENO) == STDERR_FILENO && close(errors[1]) == 0);
	detach();
	/* No terminal, and none can become ours. */
	MUST(getsid(0) != session && getsid(0) != getpid());
	MUST(open("/dev/tty", O_RDWR) < 0 && errno == ENXIO);
	MUST(getcwd(there, sizeof(there)) && strcmp(here, there) == 0);
	MUST(umask(mask) == 027);
	MUST(is_null(STDIN_FILENO) && is_null(STDOUT_FILENO) && !is_null(STDERR_FILENO));
	say("starting\n");
	tell("started");
	daemon_up();
	say("nobody hears this\n");
	MUST(is_null(STDERR_FILENO));
	daemon_up();
	tell("up");
	live_until_told();
}

START_TEST(up)
{
	pid_t pid = start(come_up, NULL);

	ck_assert_str_eq(told(), "started");
	ck_assert_int_eq(exit_code(pid), 0);
	ck_assert_str_eq(told(), "up");
	/* Closed by all, although the daemon lives. */
	ck_assert_str_eq(read_errors(), "starting\n");
	ck_assert_int_eq(waitpid(daemon_pid, NULL, WNOHANG), 0);
	ck_assert_int_eq(end_daemon(), 0);
}
END_TEST

static void wait_before_up(void *arg)
{
	(void)arg;
	detach();
	live_until_told();
	daemon_up();
}

START_TEST(caller_waits)
{
	pid_t pid = start(wait_before_up, NULL);

	/* Its state is that of one who waits, and stays so until the daemon is up. */
	WAIT_UNTIL(process_state(pid) == 'S');
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	close(life[1]);
	ck_assert_int_eq(exit_code(pid), 0);
	reap(daemon_pid);
}
END_TEST

static void end_before_up(void *arg)
{
	int how = *(int *)arg;

	MUST(dup2(errors[1], STDERR_FILENO) == STDERR_FILENO && close(errors[1]) == 0);
	detach();
	if (how < 0)
		kill(getpid(), -how);
	_exit(how);
}

/* How the daemon ends (signals are negative), what its caller exits with, what is printed. */
static const struct {
	int end, code;
	const char *text;
} ends[] = {{2, 2, ""},
            {3, 3, ""},
            {70, 70, ""},
            {0, 1, "yardmaster: stopped while starting\n"},
            {-SIGKILL, 128 + SIGKILL, "yardmaster: killed by signal 9 (Killed) while starting\n"},
            {-SIGUSR1, 128 + SIGUSR1, "yardmaster: killed by signal 10 (User defined signal 1) while starting\n"}};

START_TEST(not_up)
{
	int end = ends[_i].end;

	ck_assert_int_eq(exit_code(start(end_before_up, &end)), ends[_i].code);
	ck_assert_str_eq(read_errors(), ends[_i].text);
}
END_TEST

static void come_up_with_file(void *arg)
{
	int fd = open(arg, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	MUST(fd >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
	close(errors[1]);
	detach();
	daemon_up();
	say("kept\n");
	tell("up");
	live_until_told();
}

START_TEST(stderr_is_a_file)
{
	char path[PATH_MAX], text[16] = "";
	FILE *file;
	pid_t pid;

	join_path(path, "log");
	pid = start(come_up_with_file, path);
	ck_assert_int_eq(exit_code(pid), 0);
	ck_assert_str_eq(told(), "up");
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
	fclose(file);
	ck_assert_str_eq(text, "kept\n");
	ck_assert_int_eq(end_daemon(), 0);
}
END_TEST

/* The log has taken stderr: that is no longer what the caller gave us. */
static void come_up_with_log(void *arg)
{
	int ends_of_log[2];

	(void)arg;
	MUST(dup2(errors[1], STDERR_FILENO) == STDERR_FILENO && close(errors[1]) == 0);
	detach();
	MUST(pipe(ends_of_log) == 0 && dup2(ends_of_log[1], STDERR_FILENO) == STDERR_FILENO);
	daemon_up();
	MUST(!is_null(STDERR_FILENO));
	tell("up");
	live_until_told();
}

START_TEST(stderr_is_the_log)
{
	ck_assert_int_eq(exit_code(start(come_up_with_log, NULL)), 0);
	ck_assert_str_eq(told(), "up");
	ck_assert_str_eq(read_errors(), "");
	ck_assert_int_eq(end_daemon(), 0);
}
END_TEST

static void come_up_from_nothing(void *arg)
{
	(void)arg;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		close(fd);
	close(errors[1]);
	detach();
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (!is_null(fd))
			tell("a descriptor is not /dev/null");
	daemon_up();
	tell("up");
	live_until_told();
}

START_TEST(all_descriptors_closed)
{
	ck_assert_int_eq(exit_code(start(come_up_from_nothing, NULL)), 0);
	ck_assert_str_eq(told(), "up");
	ck_assert_int_eq(end_daemon(), 0);
}
END_TEST

/* On a terminal of our own. */
static void come_up_on_terminal(void *arg)
{
	int tty = *(int *)arg;

	MUST(login_tty(tty) == 0);
	close(errors[1]);
	detach();
	say("starting");
	daemon_up();
	MUST(is_null(STDERR_FILENO));
	/* Opened without O_NOCTTY, it still is not ours. */
	MUST(open("/dev/tty", O_RDWR) < 0);
	tell("up");
	live_until_told();
}

START_TEST(terminal_is_given_back)
{
	char text[16] = "";
	int ours, theirs;

	ck_assert_int_eq(openpty(&ours, &theirs, NULL, NULL, NULL), 0);
	fcntl(ours, F_SETFD, FD_CLOEXEC);
	ck_assert_int_eq(exit_code(start(come_up_on_terminal, &theirs)), 0);
	ck_assert_str_eq(told(), "up");
	ck_assert_int_eq(read(ours, text, sizeof(text) - 1), 8);
	ck_assert_str_eq(text, "starting");
	/* Nobody has it any more. */
	close(theirs);
	WAIT_UNTIL(read(ours, text, 1) < 0 && errno == EIO);
	ck_assert_int_eq(end_daemon(), 0);
}
END_TEST

static void heir(void *arg)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", (long)getpid() + *(int *)arg);
	setenv("WATCHDOG_PID", text, 1);
	close(errors[1]);
	detach();
	tell(getenv("WATCHDOG_PID"));
	daemon_up();
	live_until_told();
}

START_TEST(watchdog_is_inherited)
{
	int other = _i; /* 1: it was meant for somebody else */
	pid_t pid = start(heir, &other);

	ck_assert_int_eq(strtol(told(), NULL, 10), other ? pid + 1 : daemon_pid);
	ck_assert_int_eq(exit_code(pid), 0);
	ck_assert_int_eq(end_daemon(), 0);
}
END_TEST

/* ---- process 1 ------------------------------------------------------------------------------- */

/* Run as process 1 of new process ids; false if that is not allowed. */
static bool run_as_one(void (*run)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		pid_t one;

		if (unshare(CLONE_NEWPID) < 0)
			_exit(77);
		/* Not by spawn(), which looks for its parent: process 1 sees none. */
		one = fork();
		if (one == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			run(arg);
			_exit(0);
		}
		while (waitpid(one, &status, 0) < 0)
			continue;
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	status = reap(pid);
	ck_assert_msg(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77), "status 0x%x",
	              (unsigned)status);
	return WEXITSTATUS(status) == 0;
}

static void detach_as_one(void *arg)
{
	(void)arg;
	_exit(getpid() == 1 && daemon_detach(&err) == -1 && err.class == YM_ERR_USAGE ? 0 : 1);
}

START_TEST(process_one_stays)
{
	if (!run_as_one(detach_as_one, NULL))
		ck_assert_int_ne(geteuid(), 0);
}
END_TEST

/* ---- pid file -------------------------------------------------------------------------------- */

static char pid_path[PATH_MAX];

static void name_pidfile(void)
{
	join_path(pid_path, "test.pid");
}

static const char *content(const char *path)
{
	static char text[64];
	FILE *file = fopen(path, "re");
	size_t n;

	ck_assert_ptr_nonnull(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	return text;
}

static void assert_our_pid(void)
{
	char expected[32];

	snprintf(expected, sizeof(expected), "%ld\n", (long)getpid());
	ck_assert_str_eq(content(pid_path), expected);
}

START_TEST(pidfile)
{
	name_pidfile();
	ck_assert_int_eq(daemon_pidfile_fd(), -1);
	daemon_pidfile_remove();
	ASSERT_OK(daemon_pidfile(pid_path, &err));
	assert_our_pid();
	ck_assert_int_ge(daemon_pidfile_fd(), 0);
	ck_assert_int_eq(fcntl(daemon_pidfile_fd(), F_GETFD), FD_CLOEXEC);
	daemon_pidfile_remove();
	ck_assert_int_eq(access(pid_path, F_OK), -1);
	ck_assert_int_eq(daemon_pidfile_fd(), -1);
}
END_TEST

START_TEST(pidfile_of_relative_path)
{
	name_pidfile();
	ck_assert_int_eq(chdir(directory), 0);
	ASSERT_OK(daemon_pidfile("test.pid", &err));
	ck_assert_int_eq(chdir("/"), 0);
	assert_our_pid();
	daemon_pidfile_remove();
	ck_assert_int_eq(access(pid_path, F_OK), -1);
}
END_TEST

/* Longer than ours. */
START_TEST(pidfile_is_stale)
{
	name_pidfile();
	write_file("test.pid", "99999999999\n", 12);
	ASSERT_OK(daemon_pidfile(pid_path, &err));
	assert_our_pid();
	daemon_pidfile_remove();
	ck_assert_int_eq(access(pid_path, F_OK), -1);
}
END_TEST

static void hold_pidfile(void *arg)
{
	(void)arg;
	MUST(daemon_pidfile(pid_path, &err) == 0);
	tell_step();
	sleep_for_ever();
}

START_TEST(pidfile_is_held)
{
	char pid_text[32];
	pid_t pid;

	name_pidfile();
	open_steps();
	pid = spawn(hold_pidfile, NULL);
	await_step();
	snprintf(pid_text, sizeof(pid_text), "(pid %ld)", (long)pid);
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_NO);
	ASSERT_IN(pid_text, err.text);
	ASSERT_IN(pid_path, err.text);
	ck_assert_int_eq(strtol(content(pid_path), NULL, 10), pid);
	/* Dead, whatever is in the file. */
	kill_and_reap(pid);
	ASSERT_OK(daemon_pidfile(pid_path, &err));
	assert_our_pid();
	daemon_pidfile_remove();
}
END_TEST

START_TEST(pidfile_was_just_made)
{
	int fd;

	name_pidfile();
	fd = open(pid_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_NO);
	ASSERT_IN("(which has just made it)", err.text);
	close(fd);
}
END_TEST

START_TEST(pidfile_of_somebody_else)
{
	char other[PATH_MAX];

	name_pidfile();
	join_path(other, "precious");
	write_file("precious", "1\n", 2);
	ck_assert_int_eq(symlink(other, pid_path), 0);
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_FOREIGN);
	ASSERT_IN("symbolic link", err.text);
	unlink(pid_path);
	ck_assert_int_eq(link(other, pid_path), 0);
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_FOREIGN);
	ASSERT_IN("hard link", err.text);
	unlink(pid_path);
	ck_assert_str_eq(content(other), "1\n");
	ck_assert_int_eq(mkfifo(pid_path, 0600), 0);
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_FOREIGN);
	ASSERT_IN("something other than a file", err.text);
	unlink(pid_path);
	ck_assert_int_eq(mkdir(pid_path, 0700), 0);
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_SYSTEM);
	rmdir(pid_path);
	if (have_nobody()) {
		write_file("test.pid", "1\n", 2);
		ck_assert_int_eq(chown(pid_path, NOBODY, NOBODY), 0);
		ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_FOREIGN);
		ASSERT_IN("belongs to uid 65534", err.text);
	}
}
END_TEST

START_TEST(pidfile_holds_no_pid)
{
	static const char *const texts[] = {"[yardmaster]\n", "-1\n", "12 13\n",
	                                    "1\n2",           " 1",   "123                               \nx"};

	name_pidfile();
	for (size_t i = 0; i < COUNT(texts); i++) {
		write_file("test.pid", texts[i], strlen(texts[i]));
		ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_FOREIGN);
		ASSERT_IN("not overwritten", err.text);
		ck_assert_str_eq(content(pid_path), texts[i]);
	}
	write_file("test.pid", "", 0);
	ASSERT_OK(daemon_pidfile(pid_path, &err));
	daemon_pidfile_remove();
}
END_TEST

START_TEST(pidfile_is_no_longer_ours)
{
	name_pidfile();
	ASSERT_OK(daemon_pidfile(pid_path, &err));
	unlink(pid_path);
	write_file("test.pid", "4711\n", 5);
	daemon_pidfile_remove();
	ck_assert_str_eq(content(pid_path), "4711\n");
}
END_TEST

START_TEST(pidfile_cannot_be_made)
{
	join_path(pid_path, "missing/test.pid");
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_USAGE);
	ASSERT_IN(pid_path, err.text);
	memset(pid_path, 'x', sizeof(pid_path) - 1);
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_CONFIG);
	ck_assert_int_eq(daemon_pidfile_fd(), -1);
}
END_TEST

/* A new image: it knows the number of the descriptor, and nothing else. */
static void new_image(void *arg)
{
	int fd = *(int *)arg;

	ASSERT_OK(daemon_pidfile_adopt("test.pid", fd, &err));
	await_step();
	ck_assert_int_eq(daemon_pidfile_fd(), fd);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ASSERT_ERR(daemon_pidfile(pid_path, &err), YM_ERR_NO);
	daemon_pidfile_remove();
	ck_assert_int_eq(access(pid_path, F_OK), -1);
}

START_TEST(pidfile_is_adopted)
{
	int fd;
	pid_t pid;

	name_pidfile();
	ck_assert_int_eq(chdir(directory), 0);
	ASSERT_OK(daemon_pidfile(pid_path, &err));
	fd = fcntl(daemon_pidfile_fd(), F_DUPFD, 20);
	ck_assert_int_ge(fd, 0);
	open_steps();
	pid = spawn(new_image, &fd);
	close(fd);
	close(daemon_pidfile_fd());
	tell_step();
	reap_well(pid);
	ck_assert_int_eq(chdir("/"), 0);
	ASSERT_ERR(daemon_pidfile_adopt(pid_path, 999, &err), YM_ERR_SYSTEM);
}
END_TEST

/* ---- orphans --------------------------------------------------------------------------------- */

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
	Suite *suite = suite_create("daemon");
	TCase *tcase = add_case(suite, "detach");

	tcase_add_test(tcase, up);
	tcase_add_test(tcase, caller_waits);
	tcase_add_loop_test(tcase, not_up, 0, (int)COUNT(ends));
	tcase_add_test(tcase, stderr_is_a_file);
	tcase_add_test(tcase, stderr_is_the_log);
	tcase_add_test(tcase, all_descriptors_closed);
	tcase_add_test(tcase, terminal_is_given_back);
	tcase_add_loop_test(tcase, watchdog_is_inherited, 0, 2);
	tcase_add_test(tcase, process_one_stays);
	tcase = add_case(suite, "pid file");
	tcase_add_test(tcase, pidfile);
	tcase_add_test(tcase, pidfile_of_relative_path);
	tcase_add_test(tcase, pidfile_is_stale);
	tcase_add_test(tcase, pidfile_is_held);
	tcase_add_test(tcase, pidfile_was_just_made);
	tcase_add_test(tcase, pidfile_of_somebody_else);
	tcase_add_test(tcase, pidfile_holds_no_pid);
	tcase_add_test(tcase, pidfile_is_no_longer_ours);
	tcase_add_test(tcase, pidfile_cannot_be_made);
	tcase_add_test(tcase, pidfile_is_adopted);
	tcase = add_case(suite, "orphans");
	tcase_add_test(tcase, orphans_of_a_subreaper);
	tcase_add_test(tcase, orphans_of_process_one);
	tcase_add_test(tcase, zombies_from_before);
	tcase_add_test(tcase, own_children_are_left_alone);
	return run_suite(suite);
}
