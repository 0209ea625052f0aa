/* spawn.c - posix_spawn and pidfds. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../ipc/group.h"
#include "../ipc/procfs.h"
#include "brief.h"

#define SELF "/proc/self/exe"

static int prepare_files(posix_spawn_file_actions_t *files, const struct spawn *spawn, int output)
{
	int sys = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	if (!sys && spawn->detach)
		sys = posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (!sys && spawn->detach)
		sys = posix_spawn_file_actions_adddup2(files, STDOUT_FILENO, STDERR_FILENO);
	if (!sys && output >= 0)
		sys = posix_spawn_file_actions_adddup2(files, output, STDOUT_FILENO);
	if (!sys && output >= 0)
		sys = posix_spawn_file_actions_adddup2(files, output, STDERR_FILENO);
	if (!sys && spawn->brief >= 0)
		sys = posix_spawn_file_actions_adddup2(files, spawn->brief, BRIEF_FD);
	/* Whoever started us may have left descriptors open; a guardian would hold them for months. */
	if (!sys)
		sys = posix_spawn_file_actions_addclosefrom_np(files, spawn->brief >= 0 ? BRIEF_FD + 1 : BRIEF_FD);
	return sys;
}

static int prepare_attributes(posix_spawnattr_t *attr, const struct spawn *spawn)
{
	sigset_t all, none;
	int flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
	            (spawn->detach ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP);

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(attr, &all);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setpgroup(attr, 0);
	return posix_spawnattr_setflags(attr, (short)flags);
}

static int start(const struct spawn *spawn, int output, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int sys = posix_spawn_file_actions_init(&files);

	if (sys)
		return sys;
	sys = posix_spawnattr_init(&attr);
	if (!sys) {
		sys = prepare_files(&files, spawn, output);
		if (!sys)
			sys = prepare_attributes(&attr, spawn);
		if (!sys)
			sys = posix_spawn(pid, SELF, &files, &attr, spawn->argv, environ);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&files);
	return sys;
}

pid_t spawn_self(const struct spawn *spawn, int *pidfd, struct ym_err *err)
{
	int ends[2] = {-1, -1}, sys;
	pid_t pid;

	if (spawn->output && pipe2(ends, O_CLOEXEC) < 0)
		return ym_fail_sys(err, errno, "pipe2() for the output of a child");
	if (spawn->output)
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
	sys = start(spawn, ends[1], &pid);
	if (ends[1] >= 0)
		close(ends[1]);
	if (sys) {
		if (ends[0] >= 0)
			close(ends[0]);
		return ym_fail_sys(err, sys, "posix_spawn(%s) to start \"%s %s\"", SELF, spawn->argv[0],
		                   spawn->argv[1]);
	}
	*pidfd = pidfd_open(pid, 0);
	if (*pidfd < 0) {
		sys = errno;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (ends[0] >= 0)
			close(ends[0]);
		return ym_fail_sys(err, sys, "pidfd_open(%ld): Linux 5.3 or newer is needed", (long)pid);
	}
	if (spawn->output)
		*spawn->output = ends[0];
	return pid;
}

int spawn_open_process(pid_t pid, uint64_t started)
{
	int fd = pid > 0 ? pidfd_open(pid, 0) : -1;

	/* Asked after the open: from here on the pid cannot change its owner unnoticed. */
	if (fd >= 0 && ym_process_started(pid) != started) {
		close(fd);
		return -1;
	}
	return fd;
}

int spawn_open_output(pid_t pid, int fd)
{
	char path[64];
	struct stat st;
	int output;

	snprintf(path, sizeof(path), "/proc/%ld/fd/%d", (long)pid, fd);
	output = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (output >= 0 && (fstat(output, &st) < 0 || !S_ISFIFO(st.st_mode))) {
		close(output);
		output = -1;
	}
	return output;
}

void spawn_signal(int pidfd, int signo)
{
	pidfd_send_signal(pidfd, signo, NULL, 0);
}

static bool look_at_end(int pidfd, int *status, struct rusage *usage, int options)
{
	siginfo_t info = {0};
	struct rusage used = {0};
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};

	if (poll(&ended, 1, 0) <= 0)
		return false;
	*status = -1;
	/* The library's waitid() does not hand on what the kernel's says of the resources. */
	if (syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED | WNOHANG | options, &used) == 0 && info.si_pid != 0)
		*status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status & 0x7f;
	if (usage)
		*usage = used;
	return true;
}

bool spawn_reap(int pidfd, int *status, struct rusage *usage)
{
	return look_at_end(pidfd, status, usage, 0);
}

bool spawn_peek(int pidfd, int *status, struct rusage *usage)
{
	return look_at_end(pidfd, status, usage, WNOWAIT);
}

void spawn_status_text(int status, char *text, size_t size)
{
	if (status < 0)
		snprintf(text, size, "ended");
	else if (WIFSIGNALED(status))
		snprintf(text, size, "was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(text, size, "exited with code %d", WEXITSTATUS(status));
}
