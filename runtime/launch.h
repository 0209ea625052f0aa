/*
 * launch.h - start a program as a persona, with its output in pipes.
 */
#ifndef YM_RUNTIME_LAUNCH_H
#define YM_RUNTIME_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "../ipc/error.h"
#include "persona.h"

struct launch_fd {
	int from, to; /* our descriptor, its number in the child (3 or more) */
};

struct launch {
	const char *file; /* NULL: our own executable; without a slash it is looked up in the persona's PATH */
	char *const *argv;
	const char *const *env;        /* "NAME=value" besides the persona's, ends with NULL; may be NULL */
	const struct persona *persona; /* NULL: all as it is with us */
	const struct launch_fd *fds;   /* handed over besides 0, 1 and 2; all others are closed */
	size_t nfds;
	bool outlives; /* its output must not fail when we die: it holds a reader of its own */
	int *output;   /* set to the read end of a pipe with its stdout; NULL: inherited */
	int *errors;   /* likewise its stderr; NULL: the same pipe as stdout */
};

/*
 * Start it (without a copy of our page tables): in a process group of its own, all signals at their defaults, stdin from
 * /dev/null. *pidfd is set. -1 with what failed in the child: "chdir("/x") of ...", "execve(...)": then nothing runs.
 */
pid_t launch(const struct launch *launch, int *pidfd, struct ym_err *err);

#endif
