/* test_other_user_alone.c - guests whose owner is gone: the jobs come back, and nothing is repaired or removed by them. */
#include <sys/sem.h>

#include "../../ipc/guardian.h"
#include "../../ipc/share.h"
#include "other_user_support.h"

/* A process of the owner, which makes the instance, submits, and is there until it is killed. */
static void own(void *arg)
{
	(void)arg;
	open_shared();
	submit("small");
	submit_large(&yard, 4);
	tell_step();
	sleep_for_ever();
}

static int go[2];

static int give_to_nobody(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return lchown(path, NOBODY, 0);
}

/* Joined, until a letter comes. */
static void visit(void *arg)
{
	struct instance mine;
	char letter;

	(void)arg;
	become(NOBODY, GROUP);
	join_as_guest(&mine);
	tell_step();
	MUST(read(go[0], &letter, 1) == 1);
	leave_yard(&mine);
}

static void begin_alone(void)
{
	begin_shared();
	ck_assert_int_eq(pipe(go), 0);
	yard_close();
}

/* The last guest is alone in what its owner has made. */
static pid_t leave_a_guest_alone(void)
{
	pid_t owner = spawn(own, NULL), guest;

	await_step();
	guest = spawn(visit, NULL);
	await_step();
	kill_and_reap(owner);
	ck_assert_int_eq(look().usage, 1);
	return guest;
}

static void guard(void *arg)
{
	struct ym_group_spec spec = {.role = "guardian", .salvage = instance_salvage};

	(void)arg;
	MUST(ym_group_guard(look().semid, &spec, &err) == 0);
}

static void assert_jobs_come_back(void)
{
	struct payload payload;
	struct job_ref ref;

	assert_nothing_left();
	ck_assert_uint_eq(count_backlogs(), 1);
	ck_assert_uint_eq(count_files("jobs"), 0);
	open_shared();
	load(2, 0, 0);
	ref = find(2);
	ASSERT_OK(payload_open(directory, job_of(ref), ref.slot, &payload, &err));
	must_hold(&payload, 4);
	payload_close(&payload);
}

/* Nobody but the owner can keep the jobs and remove the objects: the door must not be shut before. */
START_TEST(the_last_guest_leaves_it_to_the_guardian)
{
	struct ym_group_look seen;
	pid_t guest;

	if (!skipped) {
		guest = leave_a_guest_alone();
		ck_assert_int_eq(write(go[1], "!", 1), 1);
		reap_well(guest);
		seen = look();
		ck_assert_int_eq(seen.usage, 0);
		ck_assert_int_eq(seen.ready, 1);
		ck_assert_int_eq(seen.lock, 0);
		ck_assert_uint_eq(count_backlogs(), 0);
		run_child(guard, NULL);
		assert_jobs_come_back();
	} else {
		yard_open(16);
	}
}
END_TEST

START_TEST(a_killed_guest_wakes_the_guardian)
{
	pid_t guest, guardian;
	int set;

	if (!skipped) {
		guest = leave_a_guest_alone();
		set = look().semid;
		guardian = spawn(guard, NULL);
		WAIT_UNTIL(semctl(set, YM_GROUP_USAGE, GETZCNT) == 1);
		kill_and_reap(guest);
		reap_well(guardian);
		assert_jobs_come_back();
	} else {
		yard_open(16);
	}
}
END_TEST

START_TEST(the_next_start_takes_over_from_a_guest)
{
	pid_t guest;

	if (!skipped) {
		guest = leave_a_guest_alone();
		ck_assert_int_eq(write(go[1], "!", 1), 1);
		reap_well(guest);
		open_shared();
		ck_assert(!yard.group.fresh);
		ck_assert_uint_eq(slots_in(JOB_READY), 2);
		/* Only the owner was killed: the guest has given its slot back. */
		bool dead[16];
		ck_assert_int_eq(ym_group_dead(&yard.group, dead, &err), 1);
		unsigned slot = 0;
		while (!dead[slot])
			slot++;
		ym_group_bury(&yard.group, slot);
	} else {
		yard_open(16);
	}
}
END_TEST

/* ---- what guests must not do ----------------------------------------------------------------- */

static void finds_it_half_made(void *arg)
{
	struct instance mine;

	(void)arg;
	become(NOBODY, GROUP);
	MUST(instance_locate(&mine, "unit", directory, &err) == 0);
	MUST(instance_join(&mine, "child", NULL, &err) == -1 && err.class == YM_ERR_NOT_RUNNING);
}

START_TEST(a_guest_repairs_nothing)
{
	int set;

	if (!skipped) {
		/* As a maker leaves it that was killed right after it had shared the set. */
		set = semget(yard.group.key, YM_GROUP_NSEMS(16), IPC_CREAT | IPC_EXCL | 0600);
		ASSERT_OK(ym_share_object(YM_OBJECT_SEMAPHORE, set, GROUP, 0660, &err));
		run_child(finds_it_half_made, NULL);
		ck_assert_int_eq(count_objects() - objects_before, 1);
		ck_assert_int_eq(look().semid, set);
		ck_assert_int_eq(look().usage, 0);
		ck_assert_int_eq(look().lock, 0);
		open_shared();
		ck_assert_int_eq(yard.group.semid, set);
		ck_assert_uint_eq(count_modes(0660, GROUP), 5);
	} else {
		yard_open(16);
	}
}
END_TEST

static void finds_it_full(void *arg)
{
	struct instance mine;

	(void)arg;
	become(NOBODY, GROUP);
	MUST(instance_locate(&mine, "unit", directory, &err) == 0);
	MUST(instance_join(&mine, "child", NULL, &err) == -1 && err.class == YM_ERR_FULL);
}

static void set_all_dirty(int set, int value)
{
	for (unsigned slot = 0; slot < 16; slot++)
		ck_assert_int_eq(semctl(set, YM_GROUP_DIRTY(slot), SETVAL, value), 0);
}

START_TEST(a_guest_that_fails_alone_changes_nothing)
{
	struct ym_group_look seen;
	pid_t owner;

	if (!skipped) {
		owner = spawn(own, NULL);
		await_step();
		kill_and_reap(owner);
		seen = look();
		set_all_dirty(seen.semid, 1);
		run_child(finds_it_full, NULL);
		seen = look();
		ck_assert_int_eq(seen.usage, 0);
		ck_assert_int_eq(seen.ready, 1);
		ck_assert_int_eq(seen.lock, 0);
		set_all_dirty(seen.semid, 0);
		run_child(guard, NULL);
		assert_jobs_come_back();
	} else {
		yard_open(16);
	}
}
END_TEST

START_TEST(a_set_that_was_not_shared_yet)
{
	int set;

	if (!skipped) {
		set = semget(yard.group.key, YM_GROUP_NSEMS(16), IPC_CREAT | IPC_EXCL | 0600);
		open_shared();
		ck_assert_int_eq(yard.group.semid, set);
		ck_assert_uint_eq(count_modes(0660, GROUP), 5);
	} else {
		yard_open(16);
	}
}
END_TEST

/* And the other way round: what is to be private was shared by a maker that did not come to the end. */
START_TEST(a_set_that_is_shared_no_longer)
{
	int set;

	if (!skipped) {
		set = semget(yard.group.key, YM_GROUP_NSEMS(16), IPC_CREAT | IPC_EXCL | 0600);
		ASSERT_OK(ym_share_object(YM_OBJECT_SEMAPHORE, set, GROUP, 0660, &err));
		yard_open(16);
		ck_assert_int_eq(yard.group.semid, set);
		ck_assert_uint_eq(count_modes(0600, getegid()), 4);
	} else {
		yard_open(16);
	}
}
END_TEST

/* Nobody's instance, shared with a group that root is not in. */
static void own_as_nobody(void *arg)
{
	become(NOBODY, GROUP);
	open_shared();
	if (arg) {
		MUST(instance_leave(&yard, NULL, &err) == 0);
		return;
	}
	tell_step();
	sleep_for_ever();
}

START_TEST(root_is_no_guest_by_nature)
{
	struct instance mine;
	bool cleaned = true;
	pid_t owner;

	if (!skipped) {
		ck_assert_int_eq(chown(directory, NOBODY, 0), 0);
		nftw(directory, give_to_nobody, 16, FTW_DEPTH | FTW_PHYS);
		owner = spawn(own_as_nobody, NULL);
		await_step();
		ASSERT_OK(instance_locate(&mine, "unit", directory, &err));
		ASSERT_ERR(instance_join(&mine, "root", NULL, &err), YM_ERR_PERMISSION);
		ASSERT_IN("not in that group", err.text);
		kill_and_reap(owner);
		run_child(own_as_nobody, &cleaned);
		assert_nothing_left();
		ck_assert_int_eq(chown(directory, 0, 0), 0);
	}
	yard_open(16);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("other_user_alone");
	TCase *tcase = yard_case(suite, "alone", begin_alone);

	tcase_add_test(tcase, the_last_guest_leaves_it_to_the_guardian);
	tcase_add_test(tcase, a_killed_guest_wakes_the_guardian);
	tcase_add_test(tcase, the_next_start_takes_over_from_a_guest);
	tcase_add_test(tcase, a_guest_repairs_nothing);
	tcase_add_test(tcase, a_guest_that_fails_alone_changes_nothing);
	tcase_add_test(tcase, root_is_no_guest_by_nature);
	tcase_add_test(tcase, a_set_that_was_not_shared_yet);
	tcase_add_test(tcase, a_set_that_is_shared_no_longer);
	return run_suite(suite);
}
