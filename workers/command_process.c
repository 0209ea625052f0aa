/* command_process.c - clone, exec, signal, wait. */
#include "command_process.h"

#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of the child until exec: a few calls deep, and a page for execve() itself. */
#define CHILD_STACK 32768

/* What parent and child share until exec. */
struct launch {
	const struct command_start *start;
	pid_t parent;
	sigset_t no_signals;
	int sys;            /* why it could not be executed */
	const char *failed; /* and what */
};

static void forget_signals(void)
{
	static const struct sigaction standard = {.sa_handler = SIG_DFL};

	/* SIGKILL, SIGSTOP and the two of the C library refuse, and that is right. */
	for (int signo = 1; signo < NSIG; signo++)
		sigaction(signo, &standard, NULL);
}

/* Like execvp(): a directory that lacks the program is passed over, one where it may not be used is remembered. */
static void exec_first(struct launch *launch)
{
	const struct command_start *start = launch->start;
	const char *refused = NULL;

	for (char *const *path = start->paths; *path; path++) {
		execve(*path, start->argv, start->envp);
		if (errno == EACCES && !refused)
			refused = *path;
		if (errno == EACCES || errno == ENOENT || errno == ENOTDIR)
			continue;
		launch->sys = errno;
		launch->failed = *path;
		return;
	}
	/* Only now: a sys in the memory of the parent says that nothing runs. */
	launch->sys = refused ? EACCES : ENOENT;
	launch->failed = refused;
}

/* Seen by nobody: `failed` says why. */
#define EXEC_FAILED 127

/*
 * In the child, on a stack of its own but in the memory of the parent, which stands still until exec or the end: like
 * vfork(), and for the same reason: a copy of the page tables costs more than everything else here. It is safe because
 * all signals are blocked (no handler of the parent runs in here), only async-signal-safe functions are called, and
 * nothing is written but this stack, errno and the two fields of the launch. The C library's posix_spawn() does the
 * same, but cannot ask for a death signal. No function of the child has variables that AddressSanitizer watches: the
 * marks it makes for them would outlive a child that never returns. It ends by returning: the C library's clone() exits then.
 */
static int child(void *arg)
{
	struct launch *launch = arg;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The parent was killed before the wish was heard. */
	if (getppid() != launch->parent)
		return EXEC_FAILED;
	setpgid(0, 0);
	for (int fd = 0; fd < COMMAND_FILES; fd++) {
		if (dup2(launch->start->files[fd], fd) < 0) {
			launch->sys = errno;
			launch->failed = "dup2()";
			return EXEC_FAILED;
		}
	}
	/* Ours are all close-on-exec; this is for what libraries leave open. Kernels before 5.9 do without. */
	close_range(COMMAND_FILES, UINT_MAX, 0);
	forget_signals();
	sigprocmask(SIG_SETMASK, &launch->no_signals, NULL);
	exec_first(launch);
	return EXEC_FAILED;
}

static int tell_failed(const struct launch *launch, struct ym_err *err)
{
	const char *program = launch->start->argv[0], *path = launch->start->search;

	if (!launch->failed && path)
		ym_fail(err, YM_ERR_CONFIG, "cannot run \"%s\": %s in PATH=%s", program, strerror(launch->sys), path);
	else
		ym_fail(err, YM_ERR_CONFIG, "cannot run \"%s\": execve(\"%s\"): %s%s", program,
		        launch->failed ? launch->failed : program, strerror(launch->sys),
		        launch->sys == ENOEXEC ? " (a script needs a first line such as #!/bin/sh)" : "");
	err->sys = launch->sys;
	return -1;
}

int command_process_start(const struct command_start *start, struct command_process *process, struct ym_err *err)
{
	_Alignas(16) char stack[CHILD_STACK];
	struct launch launch = {.start = start, .parent = getpid()};
	sigset_t all, before;
	int sys;

	sigemptyset(&launch.no_signals);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	process->pid = clone(child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &launch,
	                     &process->pidfd);
	sys = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (process->pid < 0) {
		ym_fail(err, YM_ERR_LIMIT, "clone() to run \"%s\": %s", start->argv[0], strerror(sys));
		err->sys = sys;
		return -1;
	}
	if (launch.sys == 0)
		return 0;
	command_process_reap(process, &sys, NULL, NULL);
	return tell_failed(&launch, err);
}

void command_process_signal(const struct command_process *process, int signo)
{
	kill(-process->pid, signo);
}

void command_process_clear_up(const struct command_process *process)
{
	/* The group exists as long as anybody is in it, also a zombie: it cannot be another one by now. */
	kill(-process->pid, SIGKILL);
}

int command_process_reap(struct command_process *process, int *status, struct rusage *usage, struct ym_err *err)
{
	pid_t pid;

	do
		pid = wait4(process->pid, status, 0, usage);
	while (pid < 0 && errno == EINTR);
	close(process->pidfd);
	if (pid < 0)
		return ym_fail_sys(err, errno, "wait4(%ld) for the end of a command", (long)process->pid);
	return 0;
}
