/*
 * support.h - what the unit tests share: a directory of their own, children, deadlines, and counting IPC objects.
 *
 * Every test runs in its own process (check's fork mode). begin_test() and end_test() go around it as a checked
 * fixture: the second asserts that no System V object is left that was not there before. Tests run in an IPC name space
 * of their own, so nobody else makes any.
 */
#ifndef YM_TESTS_SUPPORT_H
#define YM_TESTS_SUPPORT_H

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../ipc/error.h"
#include "../../ipc/sys.h"
#include "suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Nothing in these tests takes that long, unless something hangs. */
#define PATIENCE_MS 15000

/* Poll until a condition holds; the test fails when it does not come true in time. */
#define WAIT_UNTIL(condition)                                                                                          \
	do {                                                                                                           \
		uint64_t give_up = ym_deadline(PATIENCE_MS);                                                           \
		while (!(condition)) {                                                                                 \
			ck_assert_msg(ym_now_ns() < give_up, "never came true: %s", #condition);                       \
			usleep(200);                                                                                   \
		}                                                                                                      \
	} while (0)

/* A call must succeed, or must fail with this class; the error text is shown otherwise. */
#define ASSERT_OK(call)                                                                                                \
	do {                                                                                                           \
		err = (struct ym_err){0};                                                                              \
		ck_assert_msg((call) == 0, "%s failed: %s", #call, err.text);                                          \
	} while (0)
#define ASSERT_ERR(call, expected)                                                                                     \
	do {                                                                                                           \
		err = (struct ym_err){0};                                                                              \
		ck_assert_msg((call) == -1, "%s did not fail", #call);                                                 \
		ck_assert_msg(err.class == (expected), "%s: class %s, not %s: %s", #call, ym_err_word(err.class),      \
		              ym_err_word(expected), err.text);                                                        \
		ck_assert_msg(err.text[0], "%s failed without a text", #call);                                         \
	} while (0)
#define ASSERT_IN(needle, haystack)                                                                                    \
	ck_assert_msg(strstr((haystack), (needle)), "\"%s\" does not say \"%s\"", (haystack), (needle))

static struct ym_err err __attribute__((unused));
static char directory[PATH_MAX - 512]; /* of this test, gone with it */
static int objects_before;

/* System V objects of this IPC name space. */
static inline int count_objects(void)
{
	static const char *const lists[] = {"/proc/sysvipc/sem", "/proc/sysvipc/shm", "/proc/sysvipc/msg"};
	int lines = 0;

	for (size_t i = 0; i < COUNT(lists); i++) {
		FILE *file = fopen(lists[i], "re");

		ck_assert_ptr_nonnull(file);
		for (int c = getc(file); c != EOF; c = getc(file))
			lines += c == '\n';
		fclose(file);
		lines--; /* the heading */
	}
	return lines;
}

/* Only what the test itself made, and only what it has not left behind. */
static inline void assert_nothing_left(void)
{
	ck_assert_msg(count_objects() == objects_before, "%d System V objects are left",
	              count_objects() - objects_before);
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void begin_test(void)
{
	const char *parent = getenv("TMPDIR");

	objects_before = count_objects();
	snprintf(directory, sizeof(directory), "%s/ym-unit-XXXXXX", parent ? parent : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(directory));
}

static inline void end_test(void)
{
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	assert_nothing_left();
}

static inline void join_path(char *path, const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s", directory, name);
}

/* Write a file into the test's directory. */
static inline void write_file(const char *name, const void *bytes, size_t size)
{
	char path[PATH_MAX];
	FILE *file;

	join_path(path, name);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
	ck_assert_int_eq(fclose(file), 0);
}

/* A key that no other call in this process returned. */
static inline key_t fresh_key(void)
{
	static int counter;

	return (key_t)(0x55000000 + ((getpid() & 0xffff) << 8) + ++counter);
}

/* ---- children -------------------------------------------------------------------------------- */

/*
 * For children that are killed at any moment: check's own assertions write to the file of its results each time they
 * hold, and half a record spoils it.
 */
#define MUST(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			ck_abort_msg("not true in a child: %s (%s)", #condition, err.text);                            \
	} while (0)

/* A child that does not outlive the test. It must end with _exit(), as run() returning does for it. */
static inline pid_t spawn(void (*run)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		run(arg);
	_exit(0);
}

/* Its wait status, within the deadline. */
static inline int reap(pid_t pid)
{
	int status;

	WAIT_UNTIL(waitpid(pid, &status, WNOHANG) == pid);
	return status;
}

static inline void reap_well(pid_t pid)
{
	int status = reap(pid);

	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child ended with status 0x%x",
	              (unsigned)status);
}

#define NOBODY 65534

static inline void become_nobody(void *arg)
{
	(void)arg;
	if (setuid(NOBODY) < 0)
		_exit(1);
}

/* Can there be another user? Not for those who are no root, or root of a name space without others. */
static inline bool have_nobody(void)
{
	return geteuid() == 0 && reap(spawn(become_nobody, NULL)) == 0;
}

static inline void kill_and_reap(pid_t pid)
{
	kill(pid, SIGKILL);
	reap(pid);
}

static inline void run_child(void (*run)(void *arg), void *arg)
{
	reap_well(spawn(run, arg));
}

/* In a child: sleep until killed. */
static inline void sleep_for_ever(void)
{
	for (;;)
		pause();
}

/* One letter at a time from child to parent: "I have come this far". */
static int steps[2];

static inline void open_steps(void)
{
	ck_assert_int_eq(pipe(steps), 0);
}

static inline void tell_step(void)
{
	ck_assert_int_eq(write(steps[1], "!", 1), 1);
}

static inline void await_step(void)
{
	char letter;

	ck_assert_int_eq(read(steps[0], &letter, 1), 1);
}

/* Sleeps in the kernel right now? State letter of /proc/PID/stat. */
static inline char process_state(pid_t pid)
{
	char path[64], text[512] = "", *bracket;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return '?';
	/* Nothing: it was reaped just now. */
	if (fread(text, 1, sizeof(text) - 1, file) == 0)
		text[0] = '\0';
	fclose(file);
	bracket = strrchr(text, ')');
	return bracket ? bracket[2] : '?';
}

/* ---- random numbers -------------------------------------------------------------------------- */

static inline uint32_t random_below(uint32_t limit)
{
	static uint64_t state;

	if (state == 0)
		state = ym_now_ns() ^ (uint64_t)getpid() << 32;
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33) % limit;
}

/* ---- a program of one suite ------------------------------------------------------------------ */

static inline TCase *add_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, begin_test, end_test);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

#endif
