/*
 * test_group.c - groups live exactly as long as they have participants: join and leave, what is made at the beginning
 * and saved at the end.
 */
#include "../../ipc/procfs.h"
#include "../../ipc/sem.h"
#include "group_support.h"

/* ---- join and leave -------------------------------------------------------------------------- */

START_TEST(the_first_makes_and_the_last_removes)
{
	struct ym_group group;
	struct ym_group_look look;
	struct ym_member_sh *member;
	struct semid_ds ds;

	join(&group, CAPACITY);
	ck_assert(group.fresh);
	ck_assert(!group.orphan);
	ck_assert_uint_eq(group.slot, 0);
	ck_assert_uint_eq(group.capacity, CAPACITY);
	ck_assert_int_eq(group.key, key_of_members());
	ck_assert_int_eq(count_objects() - objects_before, OBJECTS);
	assert_good(&group);
	ck_assert_int_eq(ym_sys.semctl(group.semid, 0, IPC_STAT, (union ym_semun){.buf = &ds}), 0);
	ck_assert_uint_eq(ds.sem_nsems, 5 + 2 * CAPACITY);
	ck_assert_uint_eq(ds.sem_perm.mode & 0777, 0600);
	ck_assert_int_eq(value(&group, YM_GROUP_VALUE), 1);
	ck_assert_int_eq(value(&group, 1), 1);
	ck_assert_int_eq(value(&group, 2), 0);
	ck_assert_int_eq(value(&group, 3), 1);
	ck_assert_int_eq(value(&group, 4), 0);
	ck_assert_int_eq(value(&group, 5), 1);
	ck_assert_int_eq(value(&group, 6), 1);
	ck_assert_int_eq(value(&group, 7), 0);
	member = &group.reg->members[0];
	ck_assert_int_eq(member->pid, getpid());
	ck_assert_uint_eq(member->started, ym_process_started(getpid()));
	ck_assert_str_eq(member->role, "test");
	ck_assert_str_eq(group.reg->directory, directory);

	ASSERT_OK(ym_group_look(directory, &look, &err));
	ck_assert_int_eq(look.semid, group.semid);
	ck_assert_int_eq(look.usage, 1);
	ck_assert_int_eq(look.ready, 1);
	ck_assert_int_eq(look.leader, 0);
	ck_assert_int_eq(look.lock, 0);
	ck_assert_uint_eq(look.capacity, CAPACITY);

	leave(&group, true);
	assert_nothing_left();
	ck_assert_int_eq(shared->salvaged, 1);
	ASSERT_ERR(ym_group_look(directory, &look, &err), YM_ERR_NOT_RUNNING);
	/* Leaving twice is nothing. */
	ASSERT_OK(ym_group_leave(&group, NULL, &err));
}
END_TEST

START_TEST(later_ones_join_what_is_there)
{
	struct ym_group group, guest;

	pid_t child = participant();
	join(&group, 3); /* the capacity of the generation counts */
	ck_assert(!group.fresh);
	ck_assert(!group.orphan);
	ck_assert_uint_eq(group.capacity, CAPACITY);
	ck_assert_uint_ne(group.slot, 0);
	ck_assert_int_eq(ym_group_usage(&group), 2);
	for (unsigned i = 0; i <= CAPACITY; i++)
		ck_assert_int_eq(ym_group_alive(&group, i), i == 0 || i == group.slot);
	assert_good(&group);
	/* Join-only is enough to use it. */
	join(&guest, 0);
	assert_good(&guest);
	leave(&guest, false);
	ck_assert(!leaves_as_last(child));
	ck_assert_int_eq(count_objects() - objects_before, OBJECTS);
	assert_good(&group);
	leave(&group, true);
	ck_assert_int_eq(shared->made, 1);
	ck_assert_int_eq(shared->salvaged, 1);
}
END_TEST

/* Whoever leaves when: nothing goes before the last, everything goes with him. */
START_TEST(every_order_of_leaving)
{
	for (unsigned order = 0; order < 24; order++) {
		unsigned left[] = {0, 1, 2, 3}, rest = order;
		pid_t children[4];

		for (int i = 0; i < 4; i++)
			children[i] = participant();
		for (unsigned n = 4; n > 0; n--) {
			unsigned pick = rest % n;

			rest /= n;
			ck_assert_int_eq(count_objects() - objects_before, OBJECTS);
			ck_assert_int_eq(leaves_as_last(children[left[pick]]), n == 1);
			left[pick] = left[n - 1];
		}
		assert_nothing_left();
	}
	ck_assert_int_eq(shared->salvaged, 24);
}
END_TEST

static void leave_at_once(void *arg)
{
	struct ym_group group;
	bool last;

	join(&group, *(unsigned *)arg);
	tell_step();
	while (!atomic_load(&shared->go))
		;
	ASSERT_OK(ym_group_leave(&group, &last, &err));
	_exit(last);
}

START_TEST(all_leave_at_the_same_moment)
{
	unsigned capacity = CAPACITY;

	for (int round = 0; round < 40; round++) {
		pid_t children[5];
		int lasts = 0;

		atomic_store(&shared->go, 0);
		for (size_t i = 0; i < COUNT(children); i++)
			children[i] = spawn(leave_at_once, &capacity);
		for (size_t i = 0; i < COUNT(children); i++)
			await_step();
		atomic_store(&shared->go, 1);
		for (size_t i = 0; i < COUNT(children); i++)
			lasts += WEXITSTATUS(reap(children[i]));
		ck_assert_int_eq(lasts, 1);
		assert_nothing_left();
	}
	ck_assert_int_eq(shared->salvaged, 40);
}
END_TEST

static void use_and_leave_copy(void *arg)
{
	struct ym_group *group = arg;
	bool last = true;

	assert_good(group);
	ASSERT_OK(ym_group_leave(group, &last, &err));
	ck_assert(!last);
}

START_TEST(a_forked_child_is_no_participant)
{
	struct ym_group group;

	join(&group, CAPACITY);
	run_child(use_and_leave_copy, &group);
	ck_assert_int_eq(ym_group_usage(&group), 1);
	assert_good(&group);
	leave(&group, true);
}
END_TEST

START_TEST(guests_make_nothing)
{
	struct ym_group_spec spec = spec_of(0);
	struct ym_group group;
	int set;

	ASSERT_ERR(ym_group_join(&group, &spec, &err), YM_ERR_NOT_RUNNING);
	ck_assert_int_eq(group.semid, -1);
	write_file("members", "", 0);
	ASSERT_ERR(ym_group_join(&group, &spec, &err), YM_ERR_NOT_RUNNING);
	assert_nothing_left();
	/* Half made: all zero. */
	set = semget(key_of_members(), YM_GROUP_NSEMS(CAPACITY), IPC_CREAT | IPC_EXCL | 0600);
	ck_assert_int_ge(set, 0);
	ASSERT_ERR(ym_group_join(&group, &spec, &err), YM_ERR_NOT_RUNNING);
	ck_assert_int_eq(semctl(set, YM_GROUP_USAGE, GETVAL), 0);
	ck_assert_int_eq(semctl(set, YM_GROUP_LOCK, GETVAL), 0);
	assert_recovers();
	/* A script's. */
	set = semget(key_of_members(), 3, IPC_CREAT | IPC_EXCL | 0600);
	ASSERT_ERR(ym_group_join(&group, &spec, &err), YM_ERR_NOT_RUNNING);
	semctl(set, 0, IPC_RMID);
}
END_TEST

START_TEST(senseless_requests)
{
	char longer[YM_DIRECTORY_MAX + 1];
	struct ym_group_spec spec = spec_of(YM_GROUP_CAPACITY_MAX + 1);
	struct ym_group group;

	ASSERT_ERR(ym_group_join(&group, &spec, &err), YM_ERR_USAGE);
	memset(longer, 'x', YM_DIRECTORY_MAX);
	longer[YM_DIRECTORY_MAX] = '\0';
	spec = spec_of(1);
	spec.directory = longer;
	ASSERT_ERR(ym_group_join(&group, &spec, &err), YM_ERR_USAGE);
	spec.directory = "/nonexistent/directory";
	ck_assert_int_eq(ym_group_join(&group, &spec, &err), -1);
	ASSERT_IN("/nonexistent/directory", err.text);
}
END_TEST

START_TEST(as_large_as_it_gets)
{
	struct ym_group group;

	join(&group, YM_GROUP_CAPACITY_MAX);
	ck_assert_uint_eq(group.capacity, YM_GROUP_CAPACITY_MAX);
	ck_assert_uint_eq(group.reg->capacity, YM_GROUP_CAPACITY_MAX);
	leave(&group, true);
}
END_TEST

/* ---- init and salvage ------------------------------------------------------------------------ */

static int fail_to_init(struct ym_group *group, void *arg, struct ym_err *error)
{
	(void)arg;
	if (make_objects(group, NULL, error) < 0)
		return -1;
	return ym_fail(error, YM_ERR_CONFIG, "this cannot be done");
}

START_TEST(a_failing_init_leaves_nothing)
{
	struct ym_group_spec spec = spec_of(CAPACITY);
	struct ym_group group;

	spec.init = fail_to_init;
	ASSERT_ERR(ym_group_join(&group, &spec, &err), YM_ERR_CONFIG);
	ck_assert_str_eq(err.text, "this cannot be done");
	ck_assert_int_eq(group.semid, -1);
	assert_nothing_left();
	ck_assert_int_eq(shared->salvaged, 0);
	assert_recovers();
}
END_TEST

/* What could not be kept is not removed: the next one tries again. */
START_TEST(a_failing_salvage_removes_nothing)
{
	struct ym_group_spec spec = spec_of(CAPACITY);
	struct ym_group group;
	int set;

	join(&group, CAPACITY);
	set = group.semid;
	atomic_store(&shared->refuse, 1);
	ASSERT_ERR(ym_group_leave(&group, NULL, &err), YM_ERR_FULL);
	ASSERT_IN("no room to keep it", err.text);
	ck_assert_int_eq(count_objects() - objects_before, OBJECTS);
	ck_assert_int_eq(semctl(set, YM_GROUP_USAGE, GETVAL), 0);
	ck_assert_int_eq(semctl(set, YM_GROUP_LOCK, GETVAL), 0);
	ASSERT_ERR(ym_group_join(&group, &spec, &err), YM_ERR_FULL);
	ck_assert_int_gt(count_objects(), objects_before);
	ck_assert_int_eq(shared->salvaged, 0);
	atomic_store(&shared->refuse, 0);
	assert_recovers();
	ck_assert_int_eq(shared->salvaged, 2);
}
END_TEST

START_TEST(an_init_of_nothing)
{
	struct ym_group_spec spec = spec_of(CAPACITY);
	struct ym_group group;

	spec.init = NULL;
	spec.salvage = NULL;
	ASSERT_OK(ym_group_join(&group, &spec, &err));
	ck_assert_int_eq(count_objects() - objects_before, 2);
	leave(&group, true);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("group");
	TCase *tcase = group_case(suite, "group");

	tcase_add_test(tcase, the_first_makes_and_the_last_removes);
	tcase_add_test(tcase, later_ones_join_what_is_there);
	tcase_add_test(tcase, every_order_of_leaving);
	tcase_add_test(tcase, all_leave_at_the_same_moment);
	tcase_add_test(tcase, a_forked_child_is_no_participant);
	tcase_add_test(tcase, guests_make_nothing);
	tcase_add_test(tcase, senseless_requests);
	tcase_add_test(tcase, as_large_as_it_gets);
	tcase_add_test(tcase, a_failing_init_leaves_nothing);
	tcase_add_test(tcase, a_failing_salvage_removes_nothing);
	tcase_add_test(tcase, an_init_of_nothing);
	return run_suite(suite);
}
