/* daemon.c - detach, pid file, orphans. */
#include "daemon.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

#define FLUSH_PATIENCE_MS 1000

/* ---- detach ---------------------------------------------------------------------------------- */

static struct {
	int waiting; /* write end of the pipe to who waits for us; -1: nobody */
	struct stat errors;
} detached = {.waiting = -1};

int daemon_fill_descriptors(struct ym_err *err)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		/* The lowest free number, and those below are taken. */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			return ym_fail_sys(err, errno, "open(/dev/null) in place of the closed descriptor %d", fd);
	return 0;
}

static int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 1 << 8;
	return status;
}

/* The one in between: tells how the start went by its own exit code. */
static void __attribute__((noreturn)) sponsor(pid_t pid, int up)
{
	char letter;
	ssize_t n;
	int status;

	do
		n = read(up, &letter, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(0);
	status = status_of(pid);
	if (WIFSIGNALED(status)) {
		dprintf(STDERR_FILENO, "yardmaster: killed by signal %d (%s) while starting\n", WTERMSIG(status),
		        strsignal(WTERMSIG(status)));
		_exit(128 + WTERMSIG(status));
	}
	/* 0 means that it is up. */
	if (WEXITSTATUS(status) == 0) {
		dprintf(STDERR_FILENO, "yardmaster: stopped while starting\n");
		_exit(ym_err_exit_code(YM_ERR_NO));
	}
	_exit(WEXITSTATUS(status));
}

static void __attribute__((noreturn)) follow(pid_t pid)
{
	int status = status_of(pid);

	_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* The watchdog of the service manager was meant for the process that it has started, and we are its heir. */
static void inherit_watchdog(pid_t from)
{
	const char *pid = getenv("WATCHDOG_PID");
	char text[24];

	if (!pid || strtol(pid, NULL, 10) != from)
		return;
	snprintf(text, sizeof(text), "%ld", (long)getpid());
	setenv("WATCHDOG_PID", text, 1);
}

static int put_null_on(int first, int last, struct ym_err *err)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return ym_fail_sys(err, errno, "open(/dev/null) to go into the background");
	for (int fd = first; fd <= last; fd++)
		dup2(null, fd);
	close(null);
	return 0;
}

int daemon_detach(struct ym_err *err)
{
	pid_t first = getpid(), pid;
	int ends[2];

	if (first == 1)
		return ym_fail(err, YM_ERR_USAGE,
		               "process 1 cannot go into the background, its end is the end of its container: leave -d "
		               "away");
	if (daemon_fill_descriptors(err) < 0)
		return -1;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return ym_fail_sys(err, errno, "fork() to go into the background");
	if (pid > 0)
		follow(pid);
	setsid();
	if (pipe2(ends, O_CLOEXEC) < 0)
		return ym_fail_sys(err, errno, "pipe2() to go into the background");
	pid = fork();
	if (pid < 0)
		return ym_fail_sys(err, errno, "fork() to go into the background");
	if (pid > 0) {
		close(ends[1]);
		sponsor(pid, ends[0]);
	}
	close(ends[0]);
	detached.waiting = ends[1];
	fstat(STDERR_FILENO, &detached.errors);
	inherit_watchdog(first);
	return put_null_on(STDIN_FILENO, STDOUT_FILENO, err);
}

/* Does somebody perhaps wait for the end of our stderr, a shell for `$(yardmaster run -d ...)` or ssh? */
static bool holds_up(void)
{
	struct stat now;

	if (fstat(STDERR_FILENO, &now) < 0 || now.st_dev != detached.errors.st_dev ||
	    now.st_ino != detached.errors.st_ino)
		return false;
	return isatty(STDERR_FILENO) || S_ISFIFO(now.st_mode) || S_ISSOCK(now.st_mode);
}

void daemon_up(void)
{
	struct ym_err err;
	ssize_t n;

	if (detached.waiting < 0)
		return;
	/* What was said so far is for who waits. */
	log_flush(FLUSH_PATIENCE_MS);
	if (holds_up() && put_null_on(STDERR_FILENO, STDERR_FILENO, &err) < 0)
		log_line(LOG_WARN, "%s: stderr stays open", err.text);
	/* Who waited may have been killed: that is his affair (and SIGPIPE is ignored in a master). */
	do
		n = write(detached.waiting, "!", 1);
	while (n < 0 && errno == EINTR);
	close(detached.waiting);
	detached.waiting = -1;
}

/* ---- pid file -------------------------------------------------------------------------------- */

#define PID_TEXT_MAX 24

static struct {
	int fd;
	char path[PATH_MAX];
} pidfile = {.fd = -1};

/* Absolute: whoever removes it may be in another directory. */
static int keep_path(const char *path, struct ym_err *err)
{
	char here[PATH_MAX] = "";

	if (*path != '/' && !getcwd(here, sizeof(here)))
		return ym_fail_sys(err, errno, "getcwd() for the pid file %s", path);
	if ((size_t)snprintf(pidfile.path, sizeof(pidfile.path), "%s%s%s", here, *here ? "/" : "", path) >=
	    sizeof(pidfile.path))
		return ym_fail(err, YM_ERR_CONFIG, "pid file %s: the path is too long", path);
	return 0;
}

/* Is this file still the one at the path? */
static bool is_there(int fd)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && lstat(pidfile.path, &there) == 0 && ours.st_dev == there.st_dev &&
	       ours.st_ino == there.st_ino;
}

/* -1: what is in there is no pid; 0: empty. */
static long read_pid(int fd)
{
	char text[PID_TEXT_MAX + 1];
	ssize_t n = pread(fd, text, PID_TEXT_MAX, 0);
	long pid;
	char *end;

	if (n <= 0 || n == PID_TEXT_MAX)
		return n == 0 ? 0 : -1;
	text[n] = '\0';
	pid = strtol(text, &end, 10);
	while (isspace((unsigned char)*end))
		end++;
	return isdigit((unsigned char)*text) && !*end && end == text + n ? pid : -1;
}

/* We write into it: it must not be somebody's way to make us write into something else, nor a slip of the pen. */
static int check_file(int fd, struct ym_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return ym_fail_sys(err, errno, "fstat(%s)", pidfile.path);
	if (!S_ISREG(st.st_mode))
		return ym_fail(err, YM_ERR_FOREIGN, "pid file %s: something other than a file has this name",
		               pidfile.path);
	if (st.st_uid != geteuid())
		return ym_fail(err, YM_ERR_FOREIGN, "pid file %s belongs to uid %ld: remove it, or use another path",
		               pidfile.path, (long)st.st_uid);
	if (st.st_nlink > 1)
		return ym_fail(err, YM_ERR_FOREIGN, "pid file %s has another name, too (hard link): remove this one",
		               pidfile.path);
	if (read_pid(fd) < 0)
		return ym_fail(
		    err, YM_ERR_FOREIGN,
		    "pid file %s holds something other than a pid, and is not overwritten: remove it, or use "
		    "another path",
		    pidfile.path);
	return 0;
}

static int lock_file(int fd, struct ym_err *err)
{
	char holder[48] = "which has just made it";
	long pid;
	int n;

	do
		n = flock(fd, LOCK_EX | LOCK_NB);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return ym_fail_sys(err, errno, "flock(%s) of the pid file", pidfile.path);
	pid = read_pid(fd);
	/* It is empty for a moment. */
	if (pid > 0)
		snprintf(holder, sizeof(holder), "pid %ld", pid);
	return ym_fail(err, YM_ERR_NO,
	               "pid file %s is held by another master (%s): stop that one first, or use another pid file",
	               pidfile.path, holder);
}

static int open_locked(struct ym_err *err)
{
	for (;;) {
		int fd = open(pidfile.path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0644);

		if (fd < 0 && errno == ELOOP)
			return ym_fail(err, YM_ERR_FOREIGN, "pid file %s is a symbolic link: remove it", pidfile.path);
		if (fd < 0)
			return ym_fail_sys(err, errno, "open(%s) of the pid file", pidfile.path);
		if (check_file(fd, err) < 0 || lock_file(fd, err) < 0) {
			close(fd);
			return -1;
		}
		/* Its last owner may have removed it between our two calls. */
		if (is_there(fd))
			return fd;
		close(fd);
	}
}

int daemon_pidfile(const char *path, struct ym_err *err)
{
	char text[PID_TEXT_MAX];
	int length, fd;

	if (keep_path(path, err) < 0)
		return -1;
	fd = open_locked(err);
	if (fd < 0)
		return -1;
	/* Cut off after it was written: nobody who looks finds it empty that once had a pid. */
	length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (pwrite(fd, text, (size_t)length, 0) != length || ftruncate(fd, length) < 0) {
		int sys = errno;

		close(fd);
		return ym_fail_sys(err, sys, "write(%s) of the pid file", pidfile.path);
	}
	pidfile.fd = fd;
	return 0;
}

void daemon_pidfile_remove(void)
{
	if (pidfile.fd < 0)
		return;
	/* In a directory that is not ours (we are another user now) it stays, but says nothing. */
	if (is_there(pidfile.fd) && unlink(pidfile.path) < 0 && ftruncate(pidfile.fd, 0) < 0)
		log_line(LOG_WARN, "pid file %s cannot be removed: %s", pidfile.path, strerror(errno));
	close(pidfile.fd);
	pidfile.fd = -1;
}

int daemon_pidfile_fd(void)
{
	return pidfile.fd;
}

int daemon_pidfile_adopt(const char *path, int fd, struct ym_err *err)
{
	if (keep_path(path, err) < 0)
		return -1;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return ym_fail_sys(err, errno, "fcntl(%d) of the pid file %s, handed over", fd, pidfile.path);
	pidfile.fd = fd;
	return 0;
}

/* ---- orphans --------------------------------------------------------------------------------- */

/*
 * Late enough for most of our own children, whose ends come by their pidfds, to be gone by then, and for the loop to be
 * free for them first; soon enough for a zombie.
 */
#define REAP_DELAY_MS 50

static struct {
	uv_signal_t signal;
	uv_timer_t timer;
	bool (*ours)(void *arg, pid_t pid);
	void *arg;
	bool on;
} reaper;

/* True if it was a child, and dead. */
static bool reap(pid_t pid)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return false;
	log_line(LOG_DEBUG, "reaped an orphan (pid %ld)", (long)pid);
	return true;
}

/*
 * A dead child of ours that was not reaped yet hides the others from waitid(P_ALL). So ask of every process there is:
 * the kernel knows at once that it is no child of ours.
 */
static void reap_hidden(void)
{
	DIR *processes = opendir("/proc");

	if (!processes)
		return;
	for (struct dirent *entry = readdir(processes); entry; entry = readdir(processes)) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && !reaper.ours(reaper.arg, pid))
			reap(pid);
	}
	closedir(processes);
}

static void reap_orphans(uv_timer_t *timer)
{
	for (;;) {
		siginfo_t info = {0};

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		if (reaper.ours(reaper.arg, info.si_pid)) {
			reap_hidden();
			/* There may be no /proc, or one of other processes: again when this one is out of the way. */
			uv_timer_start(timer, reap_orphans, REAP_DELAY_MS, 0);
			return;
		}
		if (!reap(info.si_pid))
			return;
	}
}

static void child_ended(uv_signal_t *handle, int signo)
{
	(void)handle;
	(void)signo;
	if (!uv_is_active((uv_handle_t *)&reaper.timer))
		uv_timer_start(&reaper.timer, reap_orphans, REAP_DELAY_MS, 0);
}

void daemon_reap(uv_loop_t *loop, bool (*ours)(void *arg, pid_t pid), void *arg)
{
	reaper.ours = ours;
	reaper.arg = arg;
	reaper.on = true;
	uv_signal_init(loop, &reaper.signal);
	uv_unref((uv_handle_t *)&reaper.signal);
	uv_timer_init(loop, &reaper.timer);
	uv_unref((uv_handle_t *)&reaper.timer);
	uv_signal_start(&reaper.signal, child_ended, SIGCHLD);
	/* Some may have ended before we listened: of who was this process before us. */
	child_ended(&reaper.signal, SIGCHLD);
}

void daemon_reap_close(void)
{
	if (!reaper.on)
		return;
	reaper.on = false;
	if (!uv_is_closing((uv_handle_t *)&reaper.signal))
		uv_close((uv_handle_t *)&reaper.signal, NULL);
	if (!uv_is_closing((uv_handle_t *)&reaper.timer))
		uv_close((uv_handle_t *)&reaper.timer, NULL);
}
