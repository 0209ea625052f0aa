/* launch_support.h - start something, read all that it says, see how it ends. */
#ifndef YM_TESTS_LAUNCH_SUPPORT_H
#define YM_TESTS_LAUNCH_SUPPORT_H

#include <fcntl.h>
#include <poll.h>

#include "persona_support.h"

/* Of the process at hand. */
static char said[16384], complained[4096];
static int status;

/* Until the end of the pipe. */
static inline void read_all(int fd, char *text, size_t size)
{
	struct pollfd look = {.fd = fd, .events = POLLIN};
	size_t used = 0;
	ssize_t n = 1;

	while (n > 0) {
		int ready;

		do
			ready = poll(&look, 1, PATIENCE_MS);
		while (ready < 0 && errno == EINTR);
		ck_assert_msg(ready == 1, "it says nothing more, but does not end");
		n = read(fd, text + used, size - 1 - used);
		ck_assert_int_ge(n, 0);
		used += (size_t)n;
	}
	text[used] = '\0';
	close(fd);
}

/* stdout and stderr in `said` and `complained`, the end in `status`. */
static inline void run_launch(struct launch *start)
{
	int output, errors, pidfd;
	pid_t pid;

	start->output = &output;
	start->errors = &errors;
	err = (struct ym_err){0};
	pid = launch(start, &pidfd, &err);
	ck_assert_msg(pid > 0, "launch() failed: %s", err.text);
	read_all(output, said, sizeof(said));
	read_all(errors, complained, sizeof(complained));
	status = reap(pid);
	close(pidfd);
}

static inline void run_shell(const char *script)
{
	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)script, NULL};
	struct launch start = {.file = "/bin/sh", .argv = argv, .persona = persona};

	run_launch(&start);
}

/* The script says this, and nothing else, and ends well. */
static inline void assert_says(const char *script, const char *text)
{
	run_shell(script);
	ck_assert_str_eq(complained, "");
	ck_assert_str_eq(said, text);
	ck_assert_int_eq(status, 0);
}

static inline int count_open(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* The start fails, with these words in the message, and nothing is left of it: no process, no descriptor. */
static inline void assert_no_start(const char *file, int sys, const char *call, const char *hint)
{
	char *argv[] = {(char[]){"x"}, NULL};
	int output = -2, errors = -2, pidfd = -2, before = count_open();
	struct launch start = {
	    .file = file, .argv = argv, .persona = persona, .output = &output, .errors = &errors, .outlives = true};

	err = (struct ym_err){0};
	ck_assert_int_eq(launch(&start, &pidfd, &err), -1);
	ck_assert_msg(err.sys == sys, "\"%s\" is not of errno %d", err.text, sys);
	ASSERT_IN(call, err.text);
	ASSERT_IN(hint, err.text);
	ASSERT_IN(file, err.text);
	ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a process is left");
	ck_assert_int_eq(count_open(), before);
	ck_assert_int_eq(output, -2);
	ck_assert_int_eq(errors, -2);
}

#endif
