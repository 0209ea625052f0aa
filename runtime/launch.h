/*
 * launch.h - start a program as a persona, with its output in pipes.
 */
#ifndef YM_RUNTIME_LAUNCH_H
#define YM_RUNTIME_LAUNCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../ipc/error.h"
#include "persona.h"

struct launch_fd {
	int from, to; /* our descriptor, its number in the child (3 or more) */
};

struct launch {
	const char *file; /* NULL: our own executable; without a slash it is looked up in the persona's PATH */
	char *const *argv;
	/*
	 * "NAME=value" besides the persona's, ends with NULL; may be NULL. It wins over what is inherited, and not over what
	 * `environment` sets.
	 */
	const char *const *env;
	const struct persona *persona; /* NULL: all as it is with us */
	const struct launch_fd *fds;   /* handed over besides 0, 1 and 2; all others are closed */
	size_t nfds;
	/*
	 * In shared memory; NULL: nowhere. The child writes its pid there before anything else, and ends if we have ended by
	 * then: killed at any instruction, we leave no process that nobody knows.
	 */
	_Atomic int32_t *pid_to;
	bool outlives; /* its output must not fail when we die: it holds a reader of its own */
	int *output;   /* set to the read end of a pipe with its stdout; NULL: inherited */
	int *errors;   /* likewise its stderr; NULL: the same as stdout */
};

/*
 * Start it: in a process group of its own, all signals at their defaults, stdin from /dev/null. *pidfd is set; the read
 * ends do not block. -1 with what failed in the child: "chdir("/x") of ...", "execve(...)": then nothing runs.
 *
 * As our own user: without a copy of our page tables, we stand still until it is executed. As another user: with one. For in
 * our memory he must not be, and he could stop or delay the child (SIGSTOP, a file system of his own) and us with it; so
 * there is an end to our patience, LAUNCH_PATIENCE_MS.
 */
#define LAUNCH_PATIENCE_MS 5000
pid_t launch(const struct launch *launch, int *pidfd, struct ym_err *err);

/*
 * Which file would be executed: "file" as above, as far as we may see it. In `path` of PATH_MAX bytes; -1: none. To be
 * checked with trust_path() when the persona is root.
 */
int launch_find(const char *file, const struct persona *persona, char *path, struct ym_err *err);

#endif
