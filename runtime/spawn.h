/*
 * spawn.h - start this program again in another role, and know a process for good.
 */
#ifndef YM_RUNTIME_SPAWN_H
#define YM_RUNTIME_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "../ipc/error.h"

struct spawn {
	char *const *argv; /* argv[0] is the name shown in ps; the file is our own executable */
	bool detach;       /* own session, nothing on stdin, stdout, stderr */
	int brief;         /* becomes descriptor 3; -1: none */
	int *output;       /* set to the read end of a pipe that gets stdout and stderr; NULL: inherited */
};

/*
 * Start it (posix_spawn: no copy of our page tables). *pidfd is set; -1 with err.
 * Signals are at their defaults in the child; it is the leader of its own process group.
 */
pid_t spawn_self(const struct spawn *spawn, int *pidfd, struct ym_err *err);

/* A pidfd for a process known by pid and start time; -1 if it is gone or another one has its pid now. */
int spawn_open_process(pid_t pid, uint64_t started);

/*
 * The read end of the pipe behind a descriptor of a living process, whose reader has died: opened from its side, through
 * /proc. -1: it is no pipe, or may not be opened.
 */
int spawn_open_output(pid_t pid, int fd);

/* Send a signal through a pidfd. */
void spawn_signal(int pidfd, int signo);

/*
 * Has the process ended? True with *status as waitpid gives it, or -1 if it is not our child and so cannot be known.
 * *usage (may be NULL) is what it used, zeroes if not known.
 */
bool spawn_reap(int pidfd, int *status, struct rusage *usage);

/* The same, but leave it to be reaped later. */
bool spawn_peek(int pidfd, int *status, struct rusage *usage);

/* "was killed by signal 9 (Killed)", "exited with code 2", "ended" */
void spawn_status_text(int status, char *text, size_t size);

#endif
