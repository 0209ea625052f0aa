/* test_group_others.c - what other programs and users have behind the keys of a group, and what is entered in its registry. */
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "../../ipc/sem.h"
#include "group_support.h"

/* ---- what others have behind our key --------------------------------------------------------- */

static void make_set_as_nobody(void *arg)
{
	become_nobody(NULL);
	ck_assert_int_ge(semget(*(key_t *)arg, YM_GROUP_NSEMS(CAPACITY), IPC_CREAT | IPC_EXCL | 0666), 0);
}

START_TEST(a_set_of_another_user)
{
	struct ym_group_spec guest = spec_of(0);
	struct ym_group_look look;
	struct ym_group group;
	key_t key;

	if (!have_nobody())
		return;
	write_file("members", "", 0);
	key = key_of_members();
	run_child(make_set_as_nobody, &key);
	ASSERT_ERR(ym_group_join(&group, &guest, &err), YM_ERR_FOREIGN);
	ASSERT_ERR(ym_group_look(directory, &look, &err), YM_ERR_FOREIGN);
	join(&group, CAPACITY);
	ck_assert_int_ne(group.key, key);
	ck_assert_int_eq(group.key, key_of_members());
	assert_good(&group);
	leave(&group, true);
	ck_assert_int_eq(count_objects() - objects_before, 1);
	ck_assert_int_eq(semctl(semget(key, 0, 0), 0, IPC_RMID), 0);
}
END_TEST

START_TEST(sets_of_other_programs)
{
	static const int members[] = {1, 2, 4, 5, 6, 8};

	for (size_t i = 0; i < COUNT(members); i++) {
		struct ym_group group;
		key_t key;
		int set;

		write_file("members", "", 0);
		key = key_of_members();
		set = semget(key, members[i], IPC_CREAT | IPC_EXCL | 0600);
		ck_assert_int_ge(set, 0);
		join(&group, CAPACITY);
		ck_assert_int_ne(group.key, key);
		leave(&group, true);
		ck_assert_int_eq(semctl(set, 0, IPC_RMID), 0);
		assert_nothing_left();
	}
}
END_TEST

START_TEST(a_segment_of_another_program)
{
	struct ym_group group;
	key_t key;
	int segment;

	write_file("members", "", 0);
	key = key_of_members();
	segment = shmget(key, 1000, IPC_CREAT | IPC_EXCL | 0600);
	ck_assert_int_ge(segment, 0);
	join(&group, CAPACITY);
	ck_assert_int_ne(group.key, key);
	leave(&group, true);
	ck_assert_int_eq(shmctl(segment, IPC_RMID, NULL), 0);
}
END_TEST

/* sem_get() of PHP, as far as the group can see it. */
static void be_a_script(void *arg)
{
	struct ym_sem sem;

	ASSERT_OK(ym_sem_get(&sem, *(key_t *)arg, 1, 0666, YM_NEVER, &err));
	tell_step();
	sleep_for_ever();
}

static void join_after_the_script(void *arg)
{
	struct ym_group group;

	(void)arg;
	join(&group, CAPACITY);
	ck_assert(group.fresh);
	assert_good(&group);
	leave(&group, true);
}

START_TEST(a_script_came_first)
{
	struct ym_group_spec spec = spec_of(CAPACITY);
	struct ym_group group;
	char name[32];
	pid_t script, child;
	key_t key;

	write_file("members", "", 0);
	key = key_of_members();
	script = spawn(be_a_script, &key);
	await_step();
	snprintf(name, sizeof(name), "%d", (int)script);
	spec.patience_ms = 50;
	ASSERT_ERR(ym_group_join(&group, &spec, &err), YM_ERR_TIMEOUT);
	ASSERT_IN(name, err.text);
	ck_assert_int_eq(shared->noticed, 1);
	child = spawn(join_after_the_script, NULL);
	WAIT_UNTIL(atomic_load(&shared->noticed) == 2);
	ASSERT_IN(name, shared->notice);
	ck_assert_int_eq(count_objects() - objects_before, 1);
	kill_and_reap(script);
	reap_well(child);
	assert_nothing_left();
}
END_TEST

START_TEST(a_script_came_first_and_went)
{
	struct ym_group group;
	key_t key;
	pid_t script;

	write_file("members", "", 0);
	key = key_of_members();
	script = spawn(be_a_script, &key);
	await_step();
	kill_and_reap(script);
	join(&group, CAPACITY);
	ck_assert_int_eq(group.key, key);
	ck_assert_int_eq(shared->noticed, 0);
	leave(&group, true);
}
END_TEST

/* Once the group is there, a script's sem_get() holds it up like any participant. */
START_TEST(a_script_keeps_the_group_alive)
{
	struct ym_group group;
	struct ym_sem sem;
	pid_t script;

	join(&group, CAPACITY);
	script = spawn(be_a_script, &group.key);
	await_step();
	ck_assert_int_eq(ym_group_usage(&group), 2);
	ASSERT_OK(ym_sem_get(&sem, group.key, 1, 0666, YM_NEVER, &err));
	ck_assert_int_eq(sem.id, group.semid);
	ym_sem_close(&sem);
	leave(&group, false);
	ck_assert_int_eq(count_objects() - objects_before, OBJECTS);
	kill_and_reap(script);
	assert_recovers();
}
END_TEST

/* ---- the registry ---------------------------------------------------------------------------- */

START_TEST(objects_are_found_and_counted)
{
	struct ym_group group;
	struct ym_entry_sh *entry;
	char name[64];
	int made = 0;

	join(&group, CAPACITY);
	entry = ym_registry_find(group.reg, "two");
	ck_assert_ptr_nonnull(entry);
	ck_assert_uint_eq(entry->kind, YM_OBJECT_SEGMENT);
	ck_assert_uint_eq(entry->size, 8192);
	ck_assert_int_eq(entry->id, shmget(entry->key, 0, 0));
	ck_assert_ptr_null(ym_registry_find(group.reg, "three"));
	ASSERT_OK(ym_group_lock(&group, &err));
	for (; made < YM_REGISTRY_ENTRIES - (OBJECTS - 2); made++) {
		snprintf(name, sizeof(name), "queue.%d", made);
		ASSERT_OK(ym_registry_add(group.reg, YM_OBJECT_QUEUE, name, 0, 0, 0600, NULL, &err));
	}
	ASSERT_ERR(ym_registry_add(group.reg, YM_OBJECT_QUEUE, "more", 0, 0, 0600, NULL, &err), YM_ERR_LIMIT);
	ym_group_unlock(&group);
	ck_assert_int_eq(count_objects() - objects_before, OBJECTS + made);
	leave(&group, true);
}
END_TEST

START_TEST(names_have_a_limit)
{
	struct ym_group group;
	char name[YM_OBJECT_NAME_MAX + 1];

	join(&group, CAPACITY);
	memset(name, 'x', sizeof(name));
	name[YM_OBJECT_NAME_MAX] = '\0';
	ASSERT_ERR(ym_registry_add(group.reg, YM_OBJECT_QUEUE, name, 0, 0, 0600, NULL, &err), YM_ERR_USAGE);
	name[YM_OBJECT_NAME_MAX - 1] = '\0';
	ASSERT_OK(ym_registry_add(group.reg, YM_OBJECT_QUEUE, name, 0, 0, 0600, NULL, &err));
	ck_assert_ptr_nonnull(ym_registry_find(group.reg, name));
	leave(&group, true);
}
END_TEST

START_TEST(a_semaphore_that_scripts_use_stays)
{
	struct ym_group group;
	struct ym_sem sem;

	join(&group, CAPACITY);
	ASSERT_OK(ym_sem_get(&sem, ym_registry_find(group.reg, "limit")->key, 1, 0600, YM_NEVER, &err));
	leave(&group, true);
	ck_assert_int_eq(count_objects() - objects_before, 1);
	ck_assert_int_eq(ym_sem_remove_unused(sem.id, 1, &err), 0);
}
END_TEST

/* Somebody removed our queue, and another program made its own behind that key. */
START_TEST(objects_of_others_are_not_removed)
{
	struct ym_group group;
	struct ym_entry_sh *entry;
	int other;

	join(&group, CAPACITY);
	entry = ym_registry_find(group.reg, "queue");
	ck_assert_int_eq(msgctl(entry->id, IPC_RMID, NULL), 0);
	other = msgget(entry->key, IPC_CREAT | IPC_EXCL | 0600);
	ck_assert_int_ge(other, 0);
	ck_assert_int_ne(other, entry->id);
	leave(&group, true);
	ck_assert_int_eq(count_objects() - objects_before, 1);
	ck_assert_int_eq(msgctl(other, IPC_RMID, NULL), 0);
}
END_TEST

/* Those who use it make it again under its key. It goes, too, unless somebody has it open. */
START_TEST(a_semaphore_that_was_made_again_goes_too)
{
	for (int used = 0; used < 2; used++) {
		struct ym_entry_sh *entry;
		struct ym_group group;
		struct ym_sem sem;
		int id;

		join(&group, CAPACITY);
		entry = ym_registry_find(group.reg, "limit");
		ck_assert_int_eq(semctl(entry->id, 0, IPC_RMID), 0);
		ASSERT_OK(ym_sem_get(&sem, entry->key, 1, 0600, ym_deadline(PATIENCE_MS), &err));
		id = sem.id;
		ck_assert_int_ne(id, entry->id);
		if (!used)
			ym_sem_close(&sem);
		leave(&group, true);
		ck_assert_int_eq(ym_sem_value(id, 0), used ? 1 : -1);
		if (used)
			ck_assert_int_eq(semctl(id, 0, IPC_RMID), 0);
		assert_nothing_left();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("group_others");
	TCase *tcase = group_case(suite, "others");

	tcase_add_test(tcase, a_set_of_another_user);
	tcase_add_test(tcase, sets_of_other_programs);
	tcase_add_test(tcase, a_segment_of_another_program);
	tcase_add_test(tcase, a_script_came_first);
	tcase_add_test(tcase, a_script_came_first_and_went);
	tcase_add_test(tcase, a_script_keeps_the_group_alive);
	tcase_add_test(tcase, objects_are_found_and_counted);
	tcase_add_test(tcase, names_have_a_limit);
	tcase_add_test(tcase, a_semaphore_that_scripts_use_stays);
	tcase_add_test(tcase, objects_of_others_are_not_removed);
	tcase_add_test(tcase, a_semaphore_that_was_made_again_goes_too);
	return run_suite(suite);
}
