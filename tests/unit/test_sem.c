/*
 * test_sem.c - counting semaphores: PHP's layout, units, deadlines, and what the kernel gives back after a kill.
 */
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/time.h>

#include "../../ipc/sem.h"
#include "faults.h"

static key_t key;

static void begin_sem(void)
{
	begin_test();
	key = fresh_key();
}

static int value(int id, int member)
{
	return ym_sys.semctl(id, member, GETVAL, (union ym_semun){0});
}

static int set_of_key(void)
{
	return semget(key, 0, 0);
}

static void remove_set(int id)
{
	ck_assert_int_eq(ym_sys.semctl(id, 0, IPC_RMID, (union ym_semun){0}), 0);
}

static void get(struct ym_sem *sem, int max)
{
	ASSERT_OK(ym_sem_get(sem, key, max, 0600, ym_deadline(PATIENCE_MS), &err));
}

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

/* ---- deaths and forks ------------------------------------------------------------------------ */

static void hold_two(void *arg)
{
	struct ym_sem sem;

	(void)arg;
	get(&sem, 5);
	ASSERT_OK(ym_sem_try(&sem, &err));
	ASSERT_OK(ym_sem_try(&sem, &err));
	tell_step();
	sleep_for_ever();
}

START_TEST(the_kernel_gives_back_what_a_killed_holder_had)
{
	struct ym_sem sem;
	pid_t child;

	open_steps();
	get(&sem, 5);
	child = spawn(hold_two, NULL);
	await_step();
	ck_assert_int_eq(value(sem.id, YM_SEM_VALUE), 3);
	ck_assert_int_eq(value(sem.id, YM_SEM_USAGE), 2);
	kill_and_reap(child);
	ck_assert_int_eq(value(sem.id, YM_SEM_VALUE), 5);
	ck_assert_int_eq(value(sem.id, YM_SEM_USAGE), 1);
	ym_sem_close(&sem);
	remove_set(set_of_key());
}
END_TEST

static void close_copy(void *arg)
{
	struct ym_sem *sem = arg;
	int id = sem->id;

	/* Looked at before the child's end, which would undo what the child did. */
	ym_sem_close(sem);
	ck_assert_int_eq(value(id, YM_SEM_VALUE), 1);
	ck_assert_int_eq(value(id, YM_SEM_USAGE), 1);
}

START_TEST(a_forked_child_gives_nothing_back)
{
	struct ym_sem sem;

	get(&sem, 2);
	ASSERT_OK(ym_sem_try(&sem, &err));
	run_child(close_copy, &sem);
	ck_assert_int_eq(value(sem.id, YM_SEM_VALUE), 1);
	ck_assert_int_eq(value(sem.id, YM_SEM_USAGE), 1);
	ym_sem_close(&sem);
	ck_assert_int_eq(value(set_of_key(), YM_SEM_VALUE), 2);
	remove_set(set_of_key());
}
END_TEST

static void release_copy(void *arg)
{
	struct ym_sem *sem = arg;

	ASSERT_OK(ym_sem_release(sem, &err));
	ck_assert_int_eq(value(sem->id, YM_SEM_VALUE), 2);
	ASSERT_ERR(ym_sem_release(sem, &err), YM_ERR_USAGE);
	tell_step();
	sleep_for_ever();
}

/* Whatever the order of the two deaths and releases, the right number is left. */
START_TEST(a_forked_child_may_release_in_so_many_words)
{
	struct ym_sem sem;
	pid_t child;

	open_steps();
	get(&sem, 2);
	ASSERT_OK(ym_sem_try(&sem, &err));
	child = spawn(release_copy, &sem);
	await_step();
	ck_assert_int_eq(value(sem.id, YM_SEM_VALUE), 2);
	kill_and_reap(child);
	ck_assert_int_eq(value(sem.id, YM_SEM_VALUE), 1);
	child = spawn(release_copy, &sem);
	await_step();
	ym_sem_close(&sem);
	ck_assert_int_eq(value(set_of_key(), YM_SEM_VALUE), 3);
	kill_and_reap(child);
	ck_assert_int_eq(value(set_of_key(), YM_SEM_VALUE), 2);
	ck_assert_int_eq(value(set_of_key(), YM_SEM_USAGE), 0);
	remove_set(set_of_key());
}
END_TEST

/* Somebody reset USAGE behind our back: neither a hang, nor a unit that nobody has. */
START_TEST(closing_gives_back_what_can_be_given_back)
{
	struct ym_sem sem;

	get(&sem, 3);
	ASSERT_OK(ym_sem_try(&sem, &err));
	ck_assert_int_eq(semctl(sem.id, YM_SEM_USAGE, SETVAL, 0), 0);
	ym_sem_close(&sem);
	ck_assert_int_eq(value(set_of_key(), YM_SEM_VALUE), 3);
	get(&sem, 3);
	ASSERT_OK(ym_sem_try(&sem, &err));
	ck_assert_int_eq(semctl(sem.id, YM_SEM_VALUE, SETVAL, YM_SEM_MAX), 0);
	ym_sem_close(&sem);
	ck_assert_int_eq(value(set_of_key(), YM_SEM_USAGE), 0);
	remove_set(set_of_key());
}
END_TEST

/* Attaches like PHP does, but never comes to the end of it. */
static void hold_the_lock(void *arg)
{
	struct sembuf ops[] = {{YM_SEM_LOCK, 0, 0}, {YM_SEM_LOCK, 1, SEM_UNDO}};

	ck_assert_int_eq(ym_semop_until(*(int *)arg, ops, 2, YM_NEVER), 0);
	tell_step();
	sleep_for_ever();
}

START_TEST(a_stopped_attacher_is_named)
{
	int id = semget(key, 3, IPC_CREAT | IPC_EXCL | 0600);
	struct ym_sem sem;
	char name[32];
	pid_t child;

	open_steps();
	child = spawn(hold_the_lock, &id);
	await_step();
	kill(child, SIGSTOP);
	ASSERT_ERR(ym_sem_get(&sem, key, 1, 0600, ym_deadline(50), &err), YM_ERR_TIMEOUT);
	snprintf(name, sizeof(name), "%d", (int)child);
	ASSERT_IN(name, err.text);
	ck_assert_int_eq(value(id, YM_SEM_USAGE), 0);
	/* Its death frees the lock. */
	kill_and_reap(child);
	get(&sem, 1);
	ym_sem_close(&sem);
	remove_set(id);
}
END_TEST

/* ---- removal --------------------------------------------------------------------------------- */

static void wait_for_removal(void *arg)
{
	struct ym_sem sem;

	(void)arg;
	get(&sem, 0);
	ASSERT_ERR(ym_sem_acquire(&sem, ym_deadline(PATIENCE_MS), &err), YM_ERR_GONE);
	ck_assert_int_eq(err.sys, EIDRM);
}

START_TEST(removed_while_waited_for)
{
	struct ym_sem sem;
	struct ym_sem_stat stat;
	pid_t child;

	get(&sem, 0);
	child = spawn(wait_for_removal, NULL);
	WAIT_UNTIL(ym_sem_stat(sem.id, &stat, &err) == 0 && stat.waiters == 1);
	ASSERT_OK(ym_sem_remove(sem.id, &err));
	reap_well(child);
	ym_sem_close(&sem);
}
END_TEST

START_TEST(removed_before)
{
	struct ym_sem sem;
	struct ym_sem_stat stat;
	int id;

	get(&sem, 2);
	ASSERT_OK(ym_sem_try(&sem, &err));
	ASSERT_OK(ym_sem_find(key, &id, &err));
	ck_assert_int_eq(id, sem.id);
	ASSERT_OK(ym_sem_remove(sem.id, &err));
	ASSERT_ERR(ym_sem_find(key, &id, &err), YM_ERR_NO);
	ASSERT_ERR(ym_sem_try(&sem, &err), YM_ERR_GONE);
	ASSERT_IN("was removed", err.text);
	ASSERT_ERR(ym_sem_acquire(&sem, YM_NEVER, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_sem_acquire(&sem, ym_deadline(0), &err), YM_ERR_GONE);
	ASSERT_ERR(ym_sem_release(&sem, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_sem_resize(&sem, 1, YM_NEVER, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_sem_resize(&sem, -1, YM_NEVER, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_sem_stat(sem.id, &stat, &err), YM_ERR_GONE);
	ASSERT_IN("was removed", err.text);
	/* Twice is no error: somebody was faster. */
	ASSERT_OK(ym_sem_remove(sem.id, &err));
	ym_sem_close(&sem);
}
END_TEST

START_TEST(found_without_attaching)
{
	int id, set = semget(key, 2, IPC_CREAT | IPC_EXCL | 0600);

	ASSERT_ERR(ym_sem_find(key, &id, &err), YM_ERR_FOREIGN);
	ASSERT_ERR(ym_sem_stat(set, &(struct ym_sem_stat){0}, &err), YM_ERR_FOREIGN);
	remove_set(set);
	ASSERT_ERR(ym_sem_find(IPC_PRIVATE, &id, &err), YM_ERR_USAGE);
	set = semget(key, 7, IPC_CREAT | IPC_EXCL | 0600);
	ASSERT_OK(ym_sem_find(key, &id, &err));
	ck_assert_int_eq(id, set);
	for (int member = 0; member < 7; member++)
		ck_assert_int_eq(value(id, member), 0);
	remove_set(set);
}
END_TEST

static void remove_as_nobody(void *arg)
{
	struct ym_sem sem;

	become_nobody(arg);
	ASSERT_OK(ym_sem_get(&sem, key, 1, 0600, YM_NEVER, &err));
	ASSERT_ERR(ym_sem_remove(sem.id, &err), YM_ERR_PERMISSION);
	/* Before our end, whose undo would hide what was left taken. */
	ASSERT_ERR(ym_sem_remove_unused(sem.id, 1, &err), YM_ERR_PERMISSION);
	ck_assert_int_eq(value(sem.id, YM_SEM_LOCK), 0);
	ck_assert_int_eq(value(sem.id, YM_SEM_USAGE), 1);
	ym_sem_close(&sem);
	ASSERT_ERR(ym_sem_remove_unused(set_of_key(), 0, &err), YM_ERR_PERMISSION);
	ck_assert_int_eq(value(set_of_key(), YM_SEM_LOCK), 0);
	ck_assert_int_eq(value(set_of_key(), YM_SEM_USAGE), 0);
}

START_TEST(a_removal_that_is_forbidden_blocks_nobody)
{
	struct ym_sem sem;

	ASSERT_OK(ym_sem_get(&sem, key, 1, 0666, YM_NEVER, &err));
	ym_sem_close(&sem);
	if (have_nobody())
		run_child(remove_as_nobody, NULL);
	remove_set(set_of_key());
}
END_TEST

START_TEST(removed_only_when_unused)
{
	struct ym_sem a, b;
	int id;

	get(&a, 1);
	id = a.id;
	ck_assert_int_eq(ym_sem_remove_unused(id, 0, &err), 1);
	get(&b, 1);
	ck_assert_int_eq(ym_sem_remove_unused(id, 1, &err), 1);
	ck_assert_int_eq(value(id, YM_SEM_USAGE), 2);
	ck_assert_int_eq(value(id, YM_SEM_LOCK), 0);
	ym_sem_close(&b);
	ck_assert_int_eq(ym_sem_remove_unused(id, 1, &err), 0);
	assert_nothing_left();
	ck_assert_int_eq(ym_sem_remove_unused(id, 1, &err), 0);
	ym_sem_close(&a);
	/* A new one behind the same key, without any handle. */
	get(&a, 1);
	id = a.id;
	ym_sem_close(&a);
	ck_assert_int_eq(ym_sem_remove_unused(id, 0, &err), 0);
	assert_nothing_left();
}
END_TEST

/* ---- resize ---------------------------------------------------------------------------------- */

START_TEST(resize_up_and_down)
{
	struct ym_sem sem;

	get(&sem, 2);
	ASSERT_OK(ym_sem_try(&sem, &err));
	ASSERT_OK(ym_sem_resize(&sem, 0, ym_deadline(0), &err));
	ASSERT_OK(ym_sem_resize(&sem, 3, ym_deadline(0), &err));
	ck_assert_int_eq(value(sem.id, YM_SEM_VALUE), 4);
	ASSERT_OK(ym_sem_resize(&sem, -4, ym_deadline(0), &err));
	ck_assert_int_eq(value(sem.id, YM_SEM_VALUE), 0);
	ASSERT_ERR(ym_sem_resize(&sem, -1, ym_deadline(20), &err), YM_ERR_TIMEOUT);
	/* The unit that is out keeps its undo, which a SETVAL would have cleared. */
	ASSERT_OK(ym_sem_release(&sem, &err));
	ck_assert_int_eq(value(sem.id, YM_SEM_VALUE), 1);
	ASSERT_ERR(ym_sem_resize(&sem, 32767, ym_deadline(0), &err), YM_ERR_LIMIT);
	ASSERT_ERR(ym_sem_resize(&sem, 40000, ym_deadline(0), &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_sem_resize(&sem, -40000, ym_deadline(0), &err), YM_ERR_USAGE);
	ym_sem_close(&sem);
	remove_set(set_of_key());
}
END_TEST

static void resize_in_child(void *arg)
{
	struct ym_sem sem;

	(void)arg;
	get(&sem, 5);
	ASSERT_OK(ym_sem_resize(&sem, -2, ym_deadline(0), &err));
	tell_step();
	sleep_for_ever();
}

START_TEST(a_new_size_outlives_who_set_it)
{
	struct ym_sem sem;
	pid_t child;

	open_steps();
	get(&sem, 5);
	child = spawn(resize_in_child, NULL);
	await_step();
	kill_and_reap(child);
	ck_assert_int_eq(value(sem.id, YM_SEM_VALUE), 3);
	ym_sem_close(&sem);
	remove_set(set_of_key());
}
END_TEST

static void hold_one(void *arg)
{
	struct ym_sem sem;

	(void)arg;
	get(&sem, 3);
	ASSERT_OK(ym_sem_try(&sem, &err));
	tell_step();
	sleep_for_ever();
}

START_TEST(a_new_size_leaves_the_units_that_are_out)
{
	struct ym_sem sem;
	pid_t holder;

	open_steps();
	get(&sem, 3);
	holder = spawn(hold_one, NULL);
	await_step();
	ASSERT_OK(ym_sem_resize(&sem, -2, ym_deadline(0), &err));
	ck_assert_int_eq(ym_sem_try(&sem, &err), 1);
	kill_and_reap(holder);
	ck_assert_int_eq(value(sem.id, YM_SEM_VALUE), 1);
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
	TCase *tcase = tcase_create("sem");

	tcase_add_checked_fixture(tcase, begin_sem, end_test);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
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
	tcase_add_test(tcase, the_kernel_gives_back_what_a_killed_holder_had);
	tcase_add_test(tcase, a_forked_child_gives_nothing_back);
	tcase_add_test(tcase, a_forked_child_may_release_in_so_many_words);
	tcase_add_test(tcase, closing_gives_back_what_can_be_given_back);
	tcase_add_test(tcase, a_stopped_attacher_is_named);
	tcase_add_test(tcase, removed_while_waited_for);
	tcase_add_test(tcase, removed_before);
	tcase_add_test(tcase, found_without_attaching);
	tcase_add_test(tcase, a_removal_that_is_forbidden_blocks_nobody);
	tcase_add_test(tcase, removed_only_when_unused);
	tcase_add_test(tcase, resize_up_and_down);
	tcase_add_test(tcase, a_new_size_outlives_who_set_it);
	tcase_add_test(tcase, a_new_size_leaves_the_units_that_are_out);
	tcase_add_test(tcase, never_more_holders_than_units);
	return run_suite(suite);
}
