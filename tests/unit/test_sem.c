/* test_sem.c - counting semaphores: PHP's layout, units, deadlines, never more holders than units. */
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "faults.h"
#include "sem_support.h"

/* ---- layout ---------------------------------------------------------------------------------- */

START_TEST(a_new_one_looks_like_phps)
{
	struct ym_sem sem;
	struct semid_ds ds;

	get(&sem, 3);
	ck_assert_int_eq(sem.id, set_of_key());
	ck_assert_int_eq(ym_sys.semctl(sem.id, 0, IPC_STAT, (union ym_semun){.buf = &ds}), 0);
	ck_assert_uint_eq(ds.sem_nsems, 3);
	ck_assert_uint_eq(ds.sem_perm.mode & 0777, 0600);
	ck_assert_int_eq(value(sem.id, 0), 3);
	ck_assert_int_eq(value(sem.id, 1), 1);
	ck_assert_int_eq(value(sem.id, 2), 0);
	ck_assert(sem.alone);
	ym_sem_close(&sem);
	ck_assert_int_eq(sem.id, -1);
	ck_assert_int_eq(value(set_of_key(), 1), 0);
	remove_set(set_of_key());
}
END_TEST

START_TEST(only_the_sole_user_sets_the_value)
{
	struct ym_sem first, second, third;

	get(&first, 3);
	ASSERT_OK(ym_sem_try(&first, &err));
	get(&second, 7);
	ck_assert(!second.alone);
	ck_assert_int_eq(value(first.id, YM_SEM_VALUE), 2);
	ck_assert_int_eq(value(first.id, YM_SEM_USAGE), 2);
	ym_sem_close(&first);
	ck_assert_int_eq(value(second.id, YM_SEM_VALUE), 3);
	ck_assert_int_eq(value(second.id, YM_SEM_USAGE), 1);
	/* Still not alone: the second counts. Then nobody, so the next one sets it anew. */
	get(&third, 7);
	ck_assert_int_eq(value(third.id, YM_SEM_VALUE), 3);
	ym_sem_close(&third);
	ym_sem_close(&second);
	get(&first, 7);
	ck_assert_int_eq(value(first.id, YM_SEM_VALUE), 7);
	ym_sem_close(&first);
	remove_set(set_of_key());
}
END_TEST

START_TEST(limits_of_the_value)
{
	struct ym_sem sem;

	ASSERT_ERR(ym_sem_get(&sem, key, -1, 0600, YM_NEVER, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_sem_get(&sem, key, 32768, 0600, YM_NEVER, &err), YM_ERR_USAGE);
	ASSERT_IN("32767", err.text);
	ASSERT_ERR(ym_sem_get(&sem, IPC_PRIVATE, 1, 0600, YM_NEVER, &err), YM_ERR_USAGE);
	assert_nothing_left();
	get(&sem, 32767);
	ck_assert_int_eq(value(sem.id, YM_SEM_VALUE), 32767);
	ym_sem_close(&sem);
	get(&sem, 0);
	ck_assert_int_eq(value(sem.id, YM_SEM_VALUE), 0);
	ck_assert_int_eq(ym_sem_try(&sem, &err), 1);
	ym_sem_close(&sem);
	remove_set(set_of_key());
}
END_TEST

START_TEST(smaller_sets_are_refused_and_larger_ones_used)
{
	struct ym_sem sem;
	int id;

	for (int members = 1; members <= 2; members++) {
		id = semget(key, members, IPC_CREAT | IPC_EXCL | 0600);
		ck_assert_int_ge(id, 0);
		ASSERT_ERR(ym_sem_get(&sem, key, 1, 0600, YM_NEVER, &err), YM_ERR_FOREIGN);
		ck_assert_int_eq(value(id, 0), 0);
		remove_set(id);
	}
	id = semget(key, 9, IPC_CREAT | IPC_EXCL | 0600);
	get(&sem, 2);
	ck_assert_int_eq(sem.id, id);
	ASSERT_OK(ym_sem_try(&sem, &err));
	ym_sem_close(&sem);
	for (int member = 3; member < 9; member++)
		ck_assert_int_eq(value(id, member), 0);
	remove_set(id);
}
END_TEST

START_TEST(limits_of_the_kernel)
{
	struct ym_sem sem;

	/* The first call looks, the second makes. */
	arm_fault(2, ENOSPC);
	ASSERT_ERR(ym_sem_get(&sem, key, 1, 0600, YM_NEVER, &err), YM_ERR_LIMIT);
	ASSERT_IN("kernel.sem", err.text);
	ASSERT_IN("now 0 of ", err.text);
	ASSERT_IN("semaphore sets", err.text);
	arm_fault(2, EINVAL);
	ASSERT_ERR(ym_sem_get(&sem, key, 1, 0600, YM_NEVER, &err), YM_ERR_LIMIT);
	ASSERT_IN("less than 3", err.text);
	/* Only a removed set is a reason to try again. */
	arm_fault(3, ENOMEM);
	ASSERT_ERR(ym_sem_get(&sem, key, 1, 0600, YM_NEVER, &err), YM_ERR_LIMIT);
	assert_nothing_left();
	ym_sem_close(&sem);
}
END_TEST

/* Between the look and the making, somebody else makes it. */
START_TEST(made_by_somebody_faster)
{
	struct ym_sem sem;
	int id = semget(key, 3, IPC_CREAT | IPC_EXCL | 0600);

	arm_fault(1, ENOENT);
	get(&sem, 1);
	ck_assert_int_eq(sem.id, id);
	ym_sem_close(&sem);
	remove_set(id);
}
END_TEST

/* ---- units ----------------------------------------------------------------------------------- */

START_TEST(try_takes_all_units_and_no_more)
{
	struct ym_sem a, b;

	get(&a, 3);
	get(&b, 3);
	ASSERT_OK(ym_sem_try(&a, &err));
	ASSERT_OK(ym_sem_try(&b, &err));
	ASSERT_OK(ym_sem_try(&a, &err));
	ck_assert_int_eq(ym_sem_try(&b, &err), 1);
	ck_assert_uint_eq(a.held, 2);
	ASSERT_OK(ym_sem_release(&a, &err));
	ASSERT_OK(ym_sem_try(&b, &err));
	ck_assert_int_eq(value(a.id, YM_SEM_VALUE), 0);
	/* Closing gives back everything the handle holds, and nothing of the other's. */
	ym_sem_close(&b);
	ck_assert_int_eq(value(a.id, YM_SEM_VALUE), 2);
	ck_assert_int_eq(value(a.id, YM_SEM_USAGE), 1);
	ym_sem_close(&a);
	ck_assert_int_eq(value(set_of_key(), YM_SEM_VALUE), 3);
	remove_set(set_of_key());
}
END_TEST

START_TEST(release_needs_a_held_unit)
{
	struct ym_sem a, b;

	get(&a, 2);
	get(&b, 2);
	ASSERT_OK(ym_sem_try(&a, &err));
	ASSERT_ERR(ym_sem_release(&b, &err), YM_ERR_USAGE);
	ASSERT_OK(ym_sem_release(&a, &err));
	ASSERT_ERR(ym_sem_release(&a, &err), YM_ERR_USAGE);
	ck_assert_int_eq(value(a.id, YM_SEM_VALUE), 2);
	ym_sem_close(&a);
	ym_sem_close(&b);
	remove_set(set_of_key());
}
END_TEST

START_TEST(many_units_at_once_or_none)
{
	struct ym_sem a, b;

	get(&a, 5);
	get(&b, 5);
	ASSERT_OK(ym_sem_try_units(&a, 3, &err));
	ck_assert_uint_eq(a.held, 3);
	ck_assert_int_eq(ym_sem_try_units(&b, 3, &err), 1);
	ck_assert_int_eq(value(a.id, YM_SEM_VALUE), 2);
	ASSERT_ERR(ym_sem_acquire_units(&b, 3, ym_deadline(20), &err), YM_ERR_TIMEOUT);
	ASSERT_IN("3 units of", err.text);
	ASSERT_OK(ym_sem_acquire_units(&b, 2, ym_deadline(0), &err));
	ASSERT_ERR(ym_sem_release_units(&b, 3, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_sem_release_units(&b, 0, &err), YM_ERR_USAGE);
	ASSERT_OK(ym_sem_release_units(&a, 2, &err));
	ck_assert_uint_eq(a.held, 1);
	ck_assert_int_eq(value(a.id, YM_SEM_VALUE), 2);
	for (unsigned wrong = 0; wrong <= 32768; wrong += 32768) {
		ASSERT_ERR(ym_sem_try_units(&a, wrong, &err), YM_ERR_USAGE);
		ASSERT_ERR(ym_sem_acquire_units(&a, wrong, ym_deadline(0), &err), YM_ERR_USAGE);
		ASSERT_ERR(ym_sem_wait_units(&a, wrong, YM_NEVER, &err), YM_ERR_USAGE);
	}
	ym_sem_close(&b);
	ck_assert_int_eq(value(a.id, YM_SEM_VALUE), 4);
	ym_sem_close(&a);
	ck_assert_int_eq(value(set_of_key(), YM_SEM_VALUE), 5);
	ASSERT_ERR(ym_sem_try_units(&a, 1, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_sem_wait_units(&a, 1, YM_NEVER, &err), YM_ERR_USAGE);
	remove_set(set_of_key());
}
END_TEST

/* The kernel remembers in a short what it has to give back. */
START_TEST(a_process_holds_at_most_a_short_of_units)
{
	struct ym_sem a, b;

	get(&a, YM_SEM_MAX);
	get(&b, 0);
	ASSERT_OK(ym_sem_try_units(&a, YM_SEM_MAX, &err));
	ASSERT_OK(ym_sem_resize(&a, 10, ym_deadline(0), &err));
	ASSERT_ERR(ym_sem_try(&b, &err), YM_ERR_LIMIT);
	ck_assert_uint_eq(b.held, 0);
	ck_assert_int_eq(value(a.id, YM_SEM_VALUE), 10);
	ym_sem_close(&b);
	ASSERT_OK(ym_sem_resize(&a, -10, ym_deadline(0), &err));
	ym_sem_close(&a);
	ck_assert_int_eq(value(set_of_key(), YM_SEM_VALUE), YM_SEM_MAX);
	remove_set(set_of_key());
}
END_TEST

START_TEST(acquire_until_the_deadline)
{
	struct ym_sem sem;
	uint64_t before;

	get(&sem, 1);
	ASSERT_OK(ym_sem_acquire(&sem, ym_deadline(1000), &err));
	before = ym_now_ns();
	ASSERT_ERR(ym_sem_acquire(&sem, ym_deadline(50), &err), YM_ERR_TIMEOUT);
	ck_assert_uint_ge(ym_now_ns() - before, 50000000u);
	ASSERT_ERR(ym_sem_acquire(&sem, ym_deadline(0), &err), YM_ERR_TIMEOUT);
	ck_assert_uint_eq(sem.held, 1);
	ym_sem_close(&sem);
	remove_set(set_of_key());
}
END_TEST

static void acquire_in_child(void *arg)
{
	struct ym_sem sem;

	(void)arg;
	get(&sem, 1);
	ASSERT_OK(ym_sem_acquire(&sem, ym_deadline(PATIENCE_MS), &err));
	tell_step();
	ym_sem_close(&sem);
}

START_TEST(acquire_sleeps_until_a_release)
{
	struct ym_sem sem;
	struct ym_sem_stat stat;
	pid_t child;

	open_steps();
	get(&sem, 1);
	ASSERT_OK(ym_sem_try(&sem, &err));
	child = spawn(acquire_in_child, NULL);
	WAIT_UNTIL(ym_sem_stat(sem.id, &stat, &err) == 0 && stat.waiters == 1);
	ck_assert_int_eq(stat.value, 0);
	ck_assert_int_eq(stat.usage, 2);
	ck_assert_int_eq(stat.locked, 0);
	ck_assert_int_eq(stat.last, getpid());
	ck_assert_uint_eq(stat.uid, geteuid());
	ck_assert_uint_eq(stat.cuid, geteuid());
	ck_assert_uint_eq(stat.mode, 0600);
	ck_assert_uint_eq(stat.members, 3);
	ASSERT_OK(ym_sem_release(&sem, &err));
	await_step();
	reap_well(child);
	ym_sem_close(&sem);
	remove_set(set_of_key());
}
END_TEST

static void on_signal(int signo)
{
	(void)signo;
}

/* EINTR neither ends the wait nor starts its time anew. */
START_TEST(signals_do_not_disturb_a_wait)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct itimerval timer = {{0, 5000}, {0, 5000}}, off = {{0, 0}, {0, 0}};
	struct ym_sem sem;
	uint64_t before;

	sigaction(SIGALRM, &action, NULL);
	get(&sem, 0);
	setitimer(ITIMER_REAL, &timer, NULL);
	before = ym_now_ns();
	ASSERT_ERR(ym_sem_acquire(&sem, ym_deadline(100), &err), YM_ERR_TIMEOUT);
	setitimer(ITIMER_REAL, &off, NULL);
	ck_assert_uint_ge(ym_now_ns() - before, 100000000u);
	ck_assert_uint_le(ym_now_ns() - before, 5000000000u);
	ym_sem_close(&sem);
	remove_set(set_of_key());
}
END_TEST

static void wait_for_a_signal(void *arg)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct ym_sem sem;

	(void)arg;
	sigaction(SIGUSR1, &action, NULL);
	get(&sem, 2);
	tell_step();
	ck_assert_int_eq(ym_sem_wait_units(&sem, 2, YM_NEVER, &err), 1);
	ck_assert_uint_eq(sem.held, 0);
	ck_assert_int_eq(value(sem.id, YM_SEM_VALUE), 1);
	tell_step();
	/* Units that come end the next wait. */
	ASSERT_OK(ym_sem_acquire_units(&sem, 2, ym_deadline(PATIENCE_MS), &err));
	ym_sem_close(&sem);
}

START_TEST(a_signal_ends_the_wait_of_who_wants_it)
{
	struct ym_sem_stat stat;
	struct ym_sem sem;
	pid_t child;

	open_steps();
	get(&sem, 2);
	ASSERT_OK(ym_sem_try(&sem, &err));
	child = spawn(wait_for_a_signal, NULL);
	await_step();
	WAIT_UNTIL(ym_sem_stat(sem.id, &stat, &err) == 0 && stat.waiters == 1);
	kill(child, SIGUSR1);
	await_step();
	ASSERT_OK(ym_sem_release(&sem, &err));
	reap_well(child);
	ym_sem_close(&sem);
	remove_set(set_of_key());
}
END_TEST

/* ---- many at once: never more holders than units --------------------------------------------- */

#define UNITS 3

static void hammer(void *arg)
{
	_Atomic int *inside = arg;
	struct ym_sem sem;

	get(&sem, UNITS);
	for (int i = 0; i < 300; i++) {
		ASSERT_OK(ym_sem_acquire(&sem, ym_deadline(PATIENCE_MS), &err));
		ck_assert_int_lt(atomic_fetch_add(inside, 1), UNITS);
		sched_yield();
		atomic_fetch_sub(inside, 1);
		ASSERT_OK(ym_sem_release(&sem, &err));
	}
	ym_sem_close(&sem);
}

START_TEST(never_more_holders_than_units)
{
	_Atomic int *inside = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct ym_sem sem;
	pid_t children[6];

	get(&sem, UNITS);
	for (size_t i = 0; i < COUNT(children); i++)
		children[i] = spawn(hammer, (void *)inside);
	for (size_t i = 0; i < COUNT(children); i++)
		reap_well(children[i]);
	ck_assert_int_eq(value(sem.id, YM_SEM_VALUE), UNITS);
	ck_assert_int_eq(value(sem.id, YM_SEM_USAGE), 1);
	ym_sem_close(&sem);
	remove_set(set_of_key());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sem");
	TCase *tcase = sem_case(suite);

	tcase_add_test(tcase, a_new_one_looks_like_phps);
	tcase_add_test(tcase, only_the_sole_user_sets_the_value);
	tcase_add_test(tcase, limits_of_the_value);
	tcase_add_test(tcase, smaller_sets_are_refused_and_larger_ones_used);
	tcase_add_test(tcase, limits_of_the_kernel);
	tcase_add_test(tcase, made_by_somebody_faster);
	tcase_add_test(tcase, try_takes_all_units_and_no_more);
	tcase_add_test(tcase, release_needs_a_held_unit);
	tcase_add_test(tcase, many_units_at_once_or_none);
	tcase_add_test(tcase, a_process_holds_at_most_a_short_of_units);
	tcase_add_test(tcase, acquire_until_the_deadline);
	tcase_add_test(tcase, acquire_sleeps_until_a_release);
	tcase_add_test(tcase, signals_do_not_disturb_a_wait);
	tcase_add_test(tcase, a_signal_ends_the_wait_of_who_wants_it);
	tcase_add_test(tcase, never_more_holders_than_units);
	return run_suite(suite);
}
