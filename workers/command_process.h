/*
 * command_process.h - start a program as cheaply as the kernel allows, and end it for certain.
 *
 * The program is the leader of a process group of its own, has the signal mask and dispositions of a fresh login, no
 * descriptors but 0 to 3, and is killed by the kernel when this process dies (unless it is setuid: the kernel then
 * forgets that wish). One at a time, from the main thread.
 */
#ifndef YM_WORKERS_COMMAND_PROCESS_H
#define YM_WORKERS_COMMAND_PROCESS_H

#include <sys/resource.h>
#include <sys/types.h>

#include "../ipc/error.h"

#define COMMAND_FILES 4 /* stdin, stdout, stderr, progress */

struct command_start {
	char *const *paths; /* of the program, tried in turn as execvp() does; NULL at the end */
	const char *search; /* the PATH they come from; NULL: the program was named with a slash */
	char *const *argv;
	char *const *envp;
	int files[COMMAND_FILES]; /* become 0 to 3; none of them may be below COMMAND_FILES */
};

struct command_process {
	pid_t pid; /* and its process group */
	int pidfd; /* readable when it has ended */
};

/* -1: nothing was started; err->sys is the errno. */
int command_process_start(const struct command_start *start, struct command_process *process, struct ym_err *err);

/* To the whole group. */
void command_process_signal(const struct command_process *process, int signo);

/* Of a process that has ended: kills what it left behind in its group. Its pid stays taken until the next call. */
void command_process_clear_up(const struct command_process *process);

/* Wait for its end; closes the pidfd. */
int command_process_reap(struct command_process *process, int *status, struct rusage *usage, struct ym_err *err);

#endif
