/* test_process.c - what /proc tells of a process. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../ipc/procfs.h"
#include "../../ipc/sys.h"
#include "support.h"

/* Some of it only counts in hundredths of a second. */
static void burn(uint64_t ns)
{
	struct timespec used;

	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	while ((uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec < ns);
}

START_TEST(used)
{
	struct ym_process_use use;
	struct timespec cpu;
	uint64_t all;

	/* Brackets and blanks in the name are no fields. */
	ck_assert_int_eq(prctl(PR_SET_NAME, "a) R 1 (b"), 0);
	burn(100000000);
	ck_assert(ym_process_used(getpid(), &use));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	all = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
	ck_assert_uint_eq(use.started, ym_process_started(getpid()));
	ck_assert_uint_ge(use.cpu_ns, 80000000);
	ck_assert_uint_le(use.cpu_ns, all + 20000000);
	/* The two files are not of the same moment, and the kernel counts pages in lots. */
	ck_assert_uint_ge(use.resident * 2, ym_process_resident(getpid()));
	ck_assert_uint_le(use.resident, ym_process_resident(getpid()) * 2);
}
END_TEST

START_TEST(ended)
{
	struct ym_process_use use;
	siginfo_t info;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	ck_assert_int_gt(pid, 0);
	/* A zombie has ended. */
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	ck_assert(!ym_process_used(pid, &use));
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(!ym_process_used(pid, &use));
	ck_assert_uint_eq(use.started, 0);
	ck_assert(!ym_process_used(0, &use));
	ck_assert(!ym_process_used(-1, &use));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("process");
	TCase *tcase = add_case(suite, "process");

	tcase_add_test(tcase, used);
	tcase_add_test(tcase, ended);
	return run_suite(suite);
}
