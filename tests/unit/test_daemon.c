/* test_daemon.c - going into the background. */
#include <poll.h>
#include <pty.h>
#include <utmp.h>

#include "daemon_support.h"

/* The daemon tells the test its pid and more through `facts`, and lives until `life` ends. */
static int facts[2], errors[2];
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
	return run_suite(suite);
}
