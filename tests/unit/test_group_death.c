/* test_group_death.c - slots of the dead, objects that were removed behind our back, a LOCK and a LEADER that do not let go. */
#include "group_support.h"

/* ---- slots and deaths ------------------------------------------------------------------------ */

/* The slot of the only other participant. */
static unsigned other_slot(const struct ym_group *group)
{
	for (unsigned i = 0; i < group->capacity; i++)
		if (i != group->slot && ym_group_alive(group, i))
			return i;
	ck_abort_msg("there is no other participant");
	return 0;
}

START_TEST(a_dead_slot_waits_for_its_burial)
{
	bool dead[2];
	struct ym_group_spec spec = spec_of(0);
	struct ym_group group, other;
	unsigned slot;
	pid_t child;

	join(&group, 2);
	child = participant();
	slot = other_slot(&group);
	ck_assert_int_eq(ym_group_dead(&group, dead, &err), 0);
	/* The living cannot be buried. */
	ym_group_bury(&group, slot);
	ck_assert_int_eq(value(&group, YM_GROUP_DIRTY(slot)), 1);
	kill_and_reap(child);
	ck_assert(!ym_group_alive(&group, slot));
	ck_assert_int_eq(ym_group_usage(&group), 1);
	ck_assert_int_eq(ym_group_dead(&group, dead, &err), 1);
	ck_assert(dead[slot] && !dead[group.slot]);
	ASSERT_ERR(ym_group_join(&other, &spec, &err), YM_ERR_FULL);
	ym_group_bury(&group, slot);
	ym_group_bury(&group, slot);
	ck_assert_int_eq(ym_group_dead(&group, dead, &err), 0);
	join(&other, 0);
	ck_assert_uint_eq(other.slot, slot);
	leave(&other, false);
	leave(&group, true);
}
END_TEST

START_TEST(full)
{
	struct ym_group_spec spec = spec_of(0);
	struct ym_group group, other;
	pid_t child;

	join(&group, 2);
	child = participant();
	ASSERT_ERR(ym_group_join(&other, &spec, &err), YM_ERR_FULL);
	ck_assert_int_eq(other.semid, -1);
	ck_assert_int_eq(ym_group_usage(&group), 2);
	ck_assert_int_eq(value(&group, YM_GROUP_LOCK), 0);
	kill_and_reap(child);
	ASSERT_ERR(ym_group_join(&other, &spec, &err), YM_ERR_FULL);
	ym_group_bury(&group, !group.slot);
	join(&other, 0);
	leave(&other, false);
	leave(&group, true);
}
END_TEST

/* Leaves for another one, in the middle of his join: when he looks for a free slot. */
static struct ym_group *leaver;

static int semctl_and_leave(int id, int member, int cmd, union ym_semun arg)
{
	int result = semctl(id, member, cmd, arg);

	if (cmd == GETALL && leaver) {
		struct ym_group *group = leaver;

		leaver = NULL;
		leave(group, false);
	}
	return result;
}

START_TEST(a_failed_join_may_be_the_last_to_leave)
{
	struct ym_group_spec spec = spec_of(0);
	struct ym_group group, other;

	join(&group, 1);
	leaver = &group;
	ym_sys.semctl = semctl_and_leave;
	ASSERT_ERR(ym_group_join(&other, &spec, &err), YM_ERR_FULL);
	ck_assert_ptr_null(leaver);
	ck_assert_int_eq(shared->salvaged, 1);
	assert_nothing_left();
}
END_TEST

START_TEST(orphans_are_adopted_with_all_they_have)
{
	struct ym_group group;
	bool dead[CAPACITY];
	pid_t children[3];

	for (int i = 0; i < 3; i++)
		children[i] = participant();
	for (int i = 0; i < 3; i++)
		kill_and_reap(children[i]);
	ck_assert_int_eq(count_objects() - objects_before, OBJECTS);
	join(&group, CAPACITY);
	ck_assert(group.orphan);
	ck_assert(!group.fresh);
	ck_assert(!group.inherited);
	assert_good(&group);
	ck_assert_int_eq(ym_group_dead(&group, dead, &err), 3);
	ck_assert_int_eq(shared->made, 1);
	leave(&group, true);
	ck_assert_int_eq(shared->salvaged, 1);
}
END_TEST

START_TEST(all_slots_died)
{
	for (unsigned capacity = 1; capacity <= 3; capacity++) {
		pid_t children[3];

		for (unsigned i = 0; i < capacity; i++)
			children[i] = spawn(stay_joined, &capacity);
		for (unsigned i = 0; i < capacity; i++)
			await_step();
		for (unsigned i = 0; i < capacity; i++)
			kill_and_reap(children[i]);
		assert_recovers();
	}
}
END_TEST

START_TEST(removed_by_hand)
{
	struct ym_group group;
	bool dead[CAPACITY], last;

	join(&group, CAPACITY);
	ck_assert_int_eq(semctl(group.semid, 0, IPC_RMID), 0);
	ASSERT_ERR(ym_group_dead(&group, dead, &err), YM_ERR_GONE);
	ck_assert_int_eq(ym_group_leave(&group, &last, &err), 0);
	ck_assert(!last);
	/* What lies around is taken away by the next one, and what was in it is kept. */
	assert_recovers();
	ck_assert_int_eq(shared->salvaged, 2);

	join(&group, CAPACITY);
	ck_assert_int_eq(shmctl(group.regid, IPC_RMID, NULL), 0);
	leave(&group, true);
	ck_assert_int_eq(shared->salvaged, 3);
}
END_TEST

START_TEST(a_leader_abandons_what_was_removed)
{
	struct ym_group group;

	join(&group, CAPACITY);
	ck_assert_int_eq(semctl(group.semid, 0, IPC_RMID), 0);
	ASSERT_OK(ym_group_abandon(&group, &err));
	ck_assert_int_eq(shared->salvaged, 1);
	ASSERT_OK(ym_group_leave(&group, NULL, &err));
	assert_nothing_left();
	assert_recovers();
}
END_TEST

/* Somebody still works in what a newcomer would clear away: the newcomer waits. */
START_TEST(an_older_generation_ends_first)
{
	struct ym_group_spec spec = spec_of(CAPACITY);
	pid_t child = participant();
	struct ym_group group;
	char name[32];

	ck_assert_int_eq(semctl(semget(key_of_members(), 0, 0), 0, IPC_RMID), 0);
	spec.patience_ms = 50;
	ASSERT_ERR(ym_group_join(&group, &spec, &err), YM_ERR_TIMEOUT);
	snprintf(name, sizeof(name), "%d", (int)child);
	ASSERT_IN(name, err.text);
	ck_assert_int_eq(shared->salvaged, 0);
	kill_and_reap(child);
	assert_recovers();
	ck_assert_int_eq(shared->salvaged, 2);
}
END_TEST

/* ---- LOCK and LEADER ------------------------------------------------------------------------- */

static void hold_lock(void *arg)
{
	struct ym_group group;

	join(&group, *(unsigned *)arg);
	ASSERT_OK(ym_group_lock(&group, &err));
	tell_step();
	sleep_for_ever();
}

START_TEST(a_held_lock_is_named)
{
	struct ym_group_spec spec = spec_of(CAPACITY);
	struct ym_group group, other;
	struct ym_group_look look;
	unsigned capacity = CAPACITY;
	char name[32];
	pid_t child;

	join(&group, CAPACITY);
	group.spec.patience_ms = 50;
	child = spawn(hold_lock, &capacity);
	await_step();
	kill(child, SIGSTOP);
	snprintf(name, sizeof(name), "%d", (int)child);
	ASSERT_OK(ym_group_look(directory, &look, &err));
	ck_assert_int_eq(look.lock, child);
	ASSERT_ERR(ym_group_lock(&group, &err), YM_ERR_TIMEOUT);
	ASSERT_IN(name, err.text);
	spec.patience_ms = 50;
	ASSERT_ERR(ym_group_join(&other, &spec, &err), YM_ERR_TIMEOUT);
	ASSERT_IN(name, err.text);
	kill_and_reap(child);
	ASSERT_OK(ym_group_lock(&group, &err));
	ym_group_unlock(&group);
	leave(&group, true);
}
END_TEST

static void lead_for_ever(void *arg)
{
	struct ym_group group;
	pid_t pid;

	join(&group, *(unsigned *)arg);
	ck_assert_int_eq(ym_group_lead(&group, &pid, &err), 0);
	tell_step();
	sleep_for_ever();
}

START_TEST(one_leader_at_a_time)
{
	struct ym_group group;
	struct ym_group_look look;
	unsigned capacity = CAPACITY;
	pid_t child, pid = 0;

	join(&group, CAPACITY);
	child = spawn(lead_for_ever, &capacity);
	await_step();
	ck_assert_int_eq(ym_group_lead(&group, &pid, &err), 1);
	ck_assert_int_eq(pid, child);
	ASSERT_OK(ym_group_look(directory, &look, &err));
	ck_assert_int_eq(look.leader, child);
	kill_and_reap(child);
	ck_assert_int_eq(ym_group_lead(&group, &pid, &err), 0);
	ck_assert_int_eq(ym_group_lead(&group, &pid, &err), 1);
	ck_assert_int_eq(pid, getpid());
	leave(&group, true);
}
END_TEST

START_TEST(leaving_ends_the_lead)
{
	struct ym_group group;
	pid_t child, pid;

	child = participant();
	join(&group, CAPACITY);
	ck_assert_int_eq(ym_group_lead(&group, &pid, &err), 0);
	leave(&group, false);
	join(&group, CAPACITY);
	ck_assert_int_eq(ym_group_lead(&group, &pid, &err), 0);
	leave(&group, false);
	ck_assert(leaves_as_last(child));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("group_death");
	TCase *tcase = group_case(suite, "death");

	tcase_add_test(tcase, a_dead_slot_waits_for_its_burial);
	tcase_add_test(tcase, full);
	tcase_add_test(tcase, a_failed_join_may_be_the_last_to_leave);
	tcase_add_test(tcase, orphans_are_adopted_with_all_they_have);
	tcase_add_test(tcase, all_slots_died);
	tcase_add_test(tcase, removed_by_hand);
	tcase_add_test(tcase, a_leader_abandons_what_was_removed);
	tcase_add_test(tcase, an_older_generation_ends_first);
	tcase_add_test(tcase, a_held_lock_is_named);
	tcase_add_test(tcase, one_leader_at_a_time);
	tcase_add_test(tcase, leaving_ends_the_lead);
	return run_suite(suite);
}
