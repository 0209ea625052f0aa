/*
 * test_group_kill.c - participants and guardians of a group, killed anywhere.
 *
 * The sweeps kill a process, or let a call fail, at its first, second, ... System V call until it gets through; after
 * each the next join must work and its leave must leave nothing.
 */
#include <sys/sem.h>

#include "../../ipc/guardian.h"
#include "faults.h"
#include "group_support.h"

#define END_OF_SWEEP 42 /* exit code of a child that got through */

/* ---- sweeps ---------------------------------------------------------------------------------- */

struct blow {
	int at;
	int sys;
	unsigned capacity;
};

static void join_under_fire(void *arg)
{
	struct blow *blow = arg;
	struct ym_group_spec spec = spec_of(blow->capacity);
	struct ym_group group;

	/* A lock that could not be given back is free again when we end. */
	spec.patience_ms = 200;
	arm_fault(blow->at, blow->sys);
	err = (struct ym_err){0};
	if (ym_group_join(&group, &spec, &err) == 0) {
		if (!fault_hit())
			_exit(END_OF_SWEEP);
		assert_good(&group);
		ym_group_leave(&group, NULL, NULL);
	} else {
		ck_assert_int_eq(group.semid, -1);
		ck_assert(err.class != YM_ERR_NONE && err.class != YM_ERR_BUG);
		ck_assert(err.text[0]);
	}
}

static bool over(int status)
{
	if (WIFSIGNALED(status)) {
		ck_assert_int_eq(WTERMSIG(status), SIGKILL);
		return false;
	}
	ck_assert_msg(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == END_OF_SWEEP, "a child found something wrong");
	return WEXITSTATUS(status) == END_OF_SWEEP;
}

static void bury_the_dead(struct ym_group *group)
{
	bool dead[CAPACITY];

	ck_assert_int_ge(ym_group_dead(group, dead, &err), 0);
	for (unsigned i = 0; i < CAPACITY; i++)
		if (dead[i])
			ym_group_bury(group, i);
}

/* Kill an initialiser, and then who comes to repair what he left. */
START_TEST(killed_at_every_call_of_a_join)
{
	struct blow blow = {.at = 1, .capacity = CAPACITY};

	for (; !over(reap(spawn(join_under_fire, &blow))); blow.at++) {
		if (blow.at % 2 == 0) {
			struct blow second = {.at = 1 + (int)random_below(40), .capacity = CAPACITY};

			over(reap(spawn(join_under_fire, &second)));
		}
		assert_recovers();
	}
	ck_assert_int_gt(blow.at, 25);
	assert_recovers();
}
END_TEST

static int die_in_init(struct ym_group *group, void *arg, struct ym_err *error)
{
	make_objects(group, arg, error);
	kill(getpid(), SIGKILL);
	return -1;
}

static void leave_half_made(void *arg)
{
	struct ym_group_spec spec = spec_of(CAPACITY);
	struct ym_group group;

	(void)arg;
	spec.init = die_in_init;
	ym_group_join(&group, &spec, &err);
}

START_TEST(killed_at_every_call_of_a_repair)
{
	struct blow blow = {.at = 1, .capacity = CAPACITY};
	bool through = false;

	for (; !through; blow.at++) {
		over(reap(spawn(leave_half_made, NULL)));
		ck_assert_int_eq(count_objects() - objects_before, OBJECTS);
		through = over(reap(spawn(join_under_fire, &blow)));
		assert_recovers();
	}
	ck_assert_int_gt(blow.at, 30);
}
END_TEST

START_TEST(killed_at_every_call_of_a_later_join)
{
	struct blow blow = {.at = 1, .capacity = 0};
	struct ym_group group;

	join(&group, CAPACITY);
	for (; !over(reap(spawn(join_under_fire, &blow))); blow.at++) {
		assert_good(&group);
		ck_assert_int_eq(ym_group_usage(&group), 1);
		ck_assert_int_eq(value(&group, YM_GROUP_LOCK), 0);
		bury_the_dead(&group);
	}
	ck_assert_int_gt(blow.at, 3);
	leave(&group, true);
}
END_TEST

static void join_and_die(void *arg)
{
	struct ym_group group;

	(void)arg;
	join(&group, CAPACITY);
	kill(getpid(), SIGKILL);
}

/* The group is there, READY, but nobody is in it. */
START_TEST(killed_at_every_call_of_an_adoption)
{
	struct blow blow = {.at = 1, .capacity = CAPACITY};
	bool through = false;

	for (; !through; blow.at++) {
		over(reap(spawn(join_and_die, NULL)));
		ck_assert_int_eq(count_objects() - objects_before, OBJECTS);
		through = over(reap(spawn(join_under_fire, &blow)));
		assert_recovers();
	}
	ck_assert_int_gt(blow.at, 12);
}
END_TEST

START_TEST(every_call_of_a_join_fails_once)
{
	static const int errnos[] = {ENOSPC, ENOMEM, EACCES, EIDRM};

	for (size_t i = 0; i < COUNT(errnos); i++) {
		struct blow blow = {.at = 1, .sys = errnos[i], .capacity = CAPACITY};

		for (; !over(reap(spawn(join_under_fire, &blow))); blow.at++)
			assert_recovers();
		ck_assert_int_gt(blow.at, 25);
		assert_recovers();
	}
}
END_TEST

static void leave_under_fire(void *arg)
{
	struct blow *blow = arg;
	struct ym_group group;

	join(&group, blow->capacity);
	arm_fault(blow->at, 0);
	ASSERT_OK(ym_group_leave(&group, NULL, &err));
	if (!fault_hit())
		_exit(END_OF_SWEEP);
}

START_TEST(killed_at_every_call_of_the_last_leave)
{
	struct blow blow = {.at = 1, .capacity = CAPACITY};

	for (; !over(reap(spawn(leave_under_fire, &blow))); blow.at++) {
		assert_recovers();
		/* What was in a generation was offered for keeping, once at least. */
		ck_assert_int_ge(atomic_load(&shared->salvaged), atomic_load(&shared->made));
	}
	ck_assert_int_gt(blow.at, 10);
	assert_nothing_left();
}
END_TEST

START_TEST(killed_at_every_call_of_another_leave)
{
	struct blow blow = {.at = 1, .capacity = 0};
	struct ym_group group;

	join(&group, CAPACITY);
	for (; !over(reap(spawn(leave_under_fire, &blow))); blow.at++) {
		assert_good(&group);
		ck_assert_int_eq(ym_group_usage(&group), 1);
		bury_the_dead(&group);
	}
	leave(&group, true);
	ck_assert_int_eq(shared->salvaged, 1);
}
END_TEST

/* ---- the guardian ---------------------------------------------------------------------------- */

static int set_now(void)
{
	struct ym_group_look look;

	ASSERT_OK(ym_group_look(directory, &look, &err));
	return look.semid;
}

static void guard(void *arg)
{
	struct ym_group_spec spec = spec_of(0);

	ASSERT_OK(ym_group_guard(*(int *)arg, &spec, &err));
}

START_TEST(the_guardian_cleans_up_after_a_massacre)
{
	pid_t first = participant(), second = participant(), guardian;
	int set = set_now();

	guardian = spawn(guard, &set);
	WAIT_UNTIL(semctl(set, YM_GROUP_USAGE, GETZCNT) == 1);
	kill_and_reap(first);
	ck_assert_int_eq(semctl(set, YM_GROUP_USAGE, GETZCNT), 1);
	ck_assert_int_eq(count_objects() - objects_before, OBJECTS);
	kill_and_reap(second);
	reap_well(guardian);
	assert_nothing_left();
	ck_assert_int_eq(shared->salvaged, 1);
}
END_TEST

START_TEST(the_guardian_goes_with_the_last)
{
	pid_t child = participant(), guardian;
	int set = set_now();

	guardian = spawn(guard, &set);
	WAIT_UNTIL(semctl(set, YM_GROUP_USAGE, GETZCNT) == 1);
	ck_assert(leaves_as_last(child));
	reap_well(guardian);
	assert_nothing_left();
	ck_assert_int_eq(shared->salvaged, 1);
	/* Too late is no error. */
	ASSERT_OK(ym_group_guard(set, &(struct ym_group_spec){0}, &err));
}
END_TEST

static void guard_under_fire(void *arg)
{
	struct blow *blow = arg;
	struct ym_group_spec spec = spec_of(0);
	int set = set_now();

	arm_fault(blow->at, 0);
	ASSERT_OK(ym_group_guard(set, &spec, &err));
	if (!fault_hit())
		_exit(END_OF_SWEEP);
}

static void guard_sweep(bool by_guardian)
{
	struct blow blow = {.at = 1};
	struct ym_group_look look;

	for (;; blow.at++) {
		atomic_store(&shared->salvaged, 0);
		kill_and_reap(participant());
		if (over(reap(spawn(guard_under_fire, &blow))))
			break;
		if (!by_guardian)
			assert_recovers();
		else if (ym_group_look(directory, &look, &err) == 0)
			guard(&look.semid);
		assert_nothing_left();
		ck_assert_int_ge(shared->salvaged, 1);
	}
	ck_assert_int_gt(blow.at, 10);
}

START_TEST(a_killed_guardian_is_replaced_by_a_join)
{
	guard_sweep(false);
}
END_TEST

START_TEST(a_killed_guardian_is_replaced_by_a_guardian)
{
	guard_sweep(true);
}
END_TEST

START_TEST(the_guardian_of_a_set_without_anything)
{
	int set;

	write_file("members", "", 0);
	set = semget(key_of_members(), YM_GROUP_NSEMS(CAPACITY), IPC_CREAT | IPC_EXCL | 0600);
	guard(&set);
	assert_nothing_left();
}
END_TEST

/* ---- stress ---------------------------------------------------------------------------------- */

#define STRESS_MS 2500

static void violation(const char *text)
{
	if (atomic_fetch_add(&shared->violations, 1) == 0)
		snprintf(shared->violation, sizeof(shared->violation), "%.200s", text);
}

static void come_and_go(void *arg)
{
	const unsigned capacity = 64;
	bool dead[64];

	(void)arg;
	for (;;) {
		struct ym_group_spec spec = spec_of(capacity);
		struct ym_group group;
		const char *wrong;

		if (ym_group_join(&group, &spec, &err) < 0) {
			violation(err.text);
			return;
		}
		atomic_fetch_add(&shared->joins, 1);
		for (uint32_t i = random_below(4); i > 0; i--) {
			wrong = objects_wrong(&group);
			if (wrong)
				violation(wrong);
		}
		if (ym_group_dead(&group, dead, &err) < 0)
			violation(err.text);
		else
			for (unsigned i = 0; i < capacity; i++)
				if (dead[i])
					ym_group_bury(&group, i);
		if (ym_group_leave(&group, NULL, &err) < 0)
			violation(err.text);
	}
}

static void guard_again_and_again(void *arg)
{
	struct ym_group_spec spec = spec_of(0);
	struct ym_group_look look;

	(void)arg;
	for (;;)
		if (ym_group_look(directory, &look, NULL) == 0)
			ym_group_guard(look.semid, &spec, NULL);
}

START_TEST(stress)
{
	pid_t children[6];
	uint64_t end = ym_deadline(STRESS_MS);

	for (size_t i = 0; i < COUNT(children); i++)
		children[i] = spawn(i ? come_and_go : guard_again_and_again, NULL);
	while (ym_now_ns() < end && !atomic_load(&shared->violations)) {
		size_t pick = random_below(COUNT(children));

		usleep(random_below(6000));
		kill_and_reap(children[pick]);
		children[pick] = spawn(pick ? come_and_go : guard_again_and_again, NULL);
	}
	for (size_t i = 0; i < COUNT(children); i++)
		kill_and_reap(children[i]);
	ck_assert_msg(shared->violations == 0, "%s", shared->violation);
	ck_assert_int_gt(shared->joins, 100);
	assert_recovers();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("group_kill");
	TCase *tcase = group_case(suite, "kills");

	tcase_add_test(tcase, killed_at_every_call_of_a_join);
	tcase_add_test(tcase, killed_at_every_call_of_a_repair);
	tcase_add_test(tcase, killed_at_every_call_of_a_later_join);
	tcase_add_test(tcase, killed_at_every_call_of_an_adoption);
	tcase_add_test(tcase, every_call_of_a_join_fails_once);
	tcase_add_test(tcase, killed_at_every_call_of_the_last_leave);
	tcase_add_test(tcase, killed_at_every_call_of_another_leave);
	tcase_add_test(tcase, the_guardian_cleans_up_after_a_massacre);
	tcase_add_test(tcase, the_guardian_goes_with_the_last);
	tcase_add_test(tcase, a_killed_guardian_is_replaced_by_a_join);
	tcase_add_test(tcase, a_killed_guardian_is_replaced_by_a_guardian);
	tcase_add_test(tcase, the_guardian_of_a_set_without_anything);
	tcase_add_test(tcase, stress);
	return run_suite(suite);
}
