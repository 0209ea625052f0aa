/* daemon_support.h - what the tests of processes in the background share: a pipe that ends their lives, process 1. */
#ifndef YM_TESTS_DAEMON_SUPPORT_H
#define YM_TESTS_DAEMON_SUPPORT_H

#include <fcntl.h>
#include <sched.h>

#include "../../runtime/daemon.h"
#include "support.h"

/* Who reads from it lives until the test closes the other end: with the test, if need be. */
static int life[2];

/* Run as process 1 of new process ids; false if that is not allowed. */
static inline bool run_as_one(void (*run)(void *arg), void *arg)
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

#endif
