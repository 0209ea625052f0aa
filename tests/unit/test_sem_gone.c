/* test_sem_gone.c - counting semaphores whose holders are killed or fork, that are removed, or get another size. */
#include "sem_support.h"

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

int main(void)
{
	Suite *suite = suite_create("sem_gone");
	TCase *tcase = sem_case(suite);

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
	return run_suite(suite);
}
