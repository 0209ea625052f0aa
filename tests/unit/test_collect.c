/*
 * test_collect.c - what is left of a group is removed when nobody is in it, whoever was killed when; and nothing else is.
 */
#include <sys/mman.h>

#include "../../ipc/collect.h"
#include "../../ipc/group.h"
#include "../../ipc/key.h"
#include "../../ipc/registry.h"
#include "../../ipc/survey.h"
#include "faults.h"

#define CAPACITY     4u
#define OBJECTS      5 /* the set, the registry, and what make_objects() makes */
#define END_OF_SWEEP 42

static struct shared {
	_Atomic int salvaged;
	_Atomic int refuse;
} * shared;

static int bystander; /* a foreign set that must survive everything */

static void begin_collect(void)
{
	begin_test();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(shared != MAP_FAILED);
	bystander = semget(fresh_key(), YM_GROUP_NSEMS(CAPACITY), IPC_CREAT | 0600);
	open_steps();
}

static void end_collect(void)
{
	ck_assert_int_eq(semctl(bystander, 0, IPC_RMID), 0);
	end_test();
}

static int objects(void)
{
	return count_objects() - objects_before - 1;
}

static int make_objects(struct ym_group *group, void *arg, struct ym_err *error)
{
	(void)arg;
	if (ym_registry_add(group->reg, YM_OBJECT_SEGMENT, "page", 4096, 1, 0600, NULL, error) < 0 ||
	    ym_registry_add(group->reg, YM_OBJECT_QUEUE, "queue", 0, 0, 0600, NULL, error) < 0 ||
	    ym_registry_add(group->reg, YM_OBJECT_SEMAPHORE, "limit", 1, 0, 0600, NULL, error) < 0)
		return -1;
	return 0;
}

static int salvage(struct ym_group *group, void *arg, struct ym_err *error)
{
	void *page;

	(void)arg;
	if (ym_group_attach(group, "page", 1, &page, NULL, NULL) < 0)
		return 0;
	ym_seg_detach(page);
	if (atomic_load(&shared->refuse))
		return ym_fail(error, YM_ERR_FULL, "no room to keep it");
	atomic_fetch_add(&shared->salvaged, 1);
	return 0;
}

static bool knows(const struct ym_group *group)
{
	return ym_registry_find(group->reg, "page") != NULL;
}

static bool knows_not(const struct ym_group *group)
{
	return ym_registry_find(group->reg, "table") != NULL;
}

static struct ym_group join(bool keeps)
{
	struct ym_group_spec spec = {
	    .directory = directory,
	    .role = "test",
	    .capacity = CAPACITY,
	    .mode = 0600,
	    .patience_ms = PATIENCE_MS,
	    .init = make_objects,
	    .salvage = keeps ? salvage : NULL,
	};
	struct ym_group group;

	ASSERT_OK(ym_group_join(&group, &spec, &err));
	return group;
}

/* In a child: join, then die without a chance; with *arg true the group needs a salvage. */
static void join_and_die(void *arg)
{
	join(*(bool *)arg);
	kill(getpid(), SIGKILL);
}

static void join_and_stay(void *arg)
{
	struct ym_group group = join(*(bool *)arg);

	ASSERT_OK(ym_group_registry(&group, &err));
	tell_step();
	sleep_for_ever();
}

static struct ym_survey survey;

/* The only group there is, found by the key file. */
static const struct ym_survey_group *look(void)
{
	const char *const known[] = {directory};

	ym_survey_free(&survey);
	ASSERT_OK(ym_survey_take(&survey, known, 1, &err));
	ck_assert_uint_eq(survey.ngroups, 1);
	return &survey.groups[0];
}

static const struct ym_survey_group *abandon(bool keeps)
{
	reap(spawn(join_and_die, &keeps));
	ck_assert_int_eq(objects(), OBJECTS);
	return look();
}

static struct ym_collect_spec spec_of(bool dry, bool (*who)(const struct ym_group *group))
{
	return (struct ym_collect_spec){.dry = dry, .knows = who, .salvage = salvage, .patience_ms = PATIENCE_MS};
}

static int collect(const struct ym_survey_group *group, const struct ym_collect_spec *spec,
                   enum ym_collect_verdict *verdict)
{
	return group->semid >= 0 ? ym_collect_group(group->semid, group->key, spec, verdict, &err)
	                         : ym_collect_registry(group->regid, group->key, spec, verdict, &err);
}

/* First a dry run, which must say the same and change nothing. */
static void assert_verdict(const struct ym_survey_group *group, bool (*who)(const struct ym_group *group),
                           enum ym_collect_verdict expected)
{
	enum ym_collect_verdict verdict;

	for (int dry = 1; dry >= 0; dry--) {
		struct ym_collect_spec spec = spec_of(dry, who);
		int before = objects(), ready = ym_sem_value(group->semid, YM_GROUP_READY);
		int salvaged = atomic_load(&shared->salvaged), lock = ym_sem_value(group->semid, YM_GROUP_LOCK);

		ASSERT_OK(collect(group, &spec, &verdict));
		ck_assert_str_eq(ym_collect_word(verdict), ym_collect_word(expected));
		if (!dry && expected == YM_COLLECT_REMOVED)
			continue;
		ck_assert_int_eq(objects(), before);
		ck_assert_int_eq(shared->salvaged, salvaged);
		ck_assert_int_eq(ym_sem_value(group->semid, YM_GROUP_READY), ready);
		ck_assert_int_eq(ym_sem_value(group->semid, YM_GROUP_LOCK), lock);
	}
}

/* ---- groups ---------------------------------------------------------------------------------- */

START_TEST(an_abandoned_group_goes)
{
	const struct ym_survey_group *group = abandon(false);

	ck_assert_int_eq(group->usage, 0);
	assert_verdict(group, NULL, YM_COLLECT_REMOVED);
	ck_assert_int_eq(objects(), 0);
	assert_verdict(group, NULL, YM_COLLECT_GONE);
}
END_TEST

START_TEST(what_it_keeps_is_salvaged_once)
{
	assert_verdict(abandon(true), knows, YM_COLLECT_REMOVED);
	ck_assert_int_eq(objects(), 0);
	ck_assert_int_eq(shared->salvaged, 1);
}
END_TEST

START_TEST(what_only_its_program_can_keep_stays)
{
	struct ym_group group;

	assert_verdict(abandon(true), NULL, YM_COLLECT_KEPT);
	assert_verdict(look(), knows_not, YM_COLLECT_KEPT);
	ck_assert_int_eq(objects(), OBJECTS);
	/* As it was: its program takes it over, it need not be made again. */
	group = join(true);
	ck_assert(group.orphan && !group.fresh);
	ASSERT_OK(ym_group_leave(&group, NULL, &err));
	ck_assert_int_eq(shared->salvaged, 1);
	ck_assert_int_eq(objects(), 0);
}
END_TEST

START_TEST(a_salvage_that_fails_keeps_everything)
{
	const struct ym_survey_group *group = abandon(true);
	struct ym_collect_spec spec = spec_of(false, knows);
	enum ym_collect_verdict verdict;

	shared->refuse = 1;
	ASSERT_ERR(collect(group, &spec, &verdict), YM_ERR_FULL);
	ASSERT_IN("no room to keep it", err.text);
	ck_assert_int_eq(objects(), OBJECTS);
	ck_assert_int_eq(ym_sem_value(group->semid, YM_GROUP_LOCK), 0);
	shared->refuse = 0;
	assert_verdict(look(), knows, YM_COLLECT_REMOVED);
	ck_assert_int_eq(objects(), 0);
}
END_TEST

START_TEST(a_group_in_use_stays)
{
	bool keeps = false;
	pid_t child = spawn(join_and_stay, &keeps);
	struct ym_group group;

	await_step();
	assert_verdict(look(), NULL, YM_COLLECT_BUSY);
	kill_and_reap(child);
	/* Nobody inside, but somebody at work. */
	group = (struct ym_group){.semid = look()->semid, .spec.patience_ms = PATIENCE_MS};
	ASSERT_OK(ym_group_lock(&group, &err));
	assert_verdict(look(), NULL, YM_COLLECT_BUSY);
	ym_group_unlock(&group);
	assert_verdict(look(), NULL, YM_COLLECT_REMOVED);
	ck_assert_int_eq(objects(), 0);
}
END_TEST

START_TEST(what_is_not_a_group_stays)
{
	struct ym_collect_spec spec = spec_of(false, NULL);
	enum ym_collect_verdict verdict;
	key_t key = fresh_key();
	int group, set = semget(key, 3, IPC_CREAT | 0600), even = semget(key + 100, 8, IPC_CREAT | 0600);

	ASSERT_OK(ym_collect_group(set, key, &spec, &verdict, &err));
	ck_assert_int_eq(verdict, YM_COLLECT_FOREIGN);
	ASSERT_OK(ym_collect_group(even, key + 100, &spec, &verdict, &err));
	ck_assert_int_eq(verdict, YM_COLLECT_FOREIGN);
	/* Its key, another id: not the one that was found, whatever it is. */
	ASSERT_OK(ym_collect_group(even, key, &spec, &verdict, &err));
	ck_assert_int_eq(verdict, YM_COLLECT_GONE);
	group = semget(key + 200, YM_GROUP_NSEMS(1), IPC_CREAT | 0600);
	ASSERT_OK(ym_collect_group(even, key + 200, &spec, &verdict, &err));
	ck_assert_int_eq(verdict, YM_COLLECT_GONE);
	ck_assert_int_eq(semctl(group, 0, IPC_RMID), 0);
	ck_assert_int_eq(objects(), 2);
	semctl(set, 0, IPC_RMID);
	semctl(even, 0, IPC_RMID);
}
END_TEST

static void collect_as_nobody(void *arg)
{
	struct ym_collect_spec spec = spec_of(false, NULL);
	enum ym_collect_verdict verdict;

	become_nobody(NULL);
	ASSERT_OK(collect(arg, &spec, &verdict));
	ck_assert_int_eq(verdict, YM_COLLECT_FOREIGN);
	_exit(0);
}

START_TEST(what_another_user_made_stays)
{
	struct ym_survey_group lost;

	if (!have_nobody())
		return;
	lost = *abandon(false);
	run_child(collect_as_nobody, &lost);
	lost.semid = -1;
	run_child(collect_as_nobody, &lost);
	ck_assert_int_eq(objects(), OBJECTS);
	assert_verdict(look(), NULL, YM_COLLECT_REMOVED);
}
END_TEST

START_TEST(a_foreign_segment_behind_the_key_stays)
{
	const struct ym_survey_group *group = abandon(false);
	struct ym_collect_spec spec = spec_of(false, NULL);
	enum ym_collect_verdict verdict;
	key_t key = group->key;
	int semid = group->semid, id;
	struct ym_registry_sh *reg = shmat(group->regid, NULL, 0);
	void *addr;

	ym_registry_remove_all(reg);
	shmctl(group->regid, IPC_RMID, NULL);
	shmdt(reg);
	id = shmget(key, 4096, IPC_CREAT | 0600);
	addr = shmat(id, NULL, 0);
	memset(addr, 'x', 4096);
	shmdt(addr);
	ASSERT_ERR(ym_collect_group(semid, key, &spec, &verdict, &err), YM_ERR_FOREIGN);
	ck_assert_int_eq(objects(), 2);
	ck_assert_int_eq(ym_sem_value(semid, YM_GROUP_LOCK), 0);
	shmctl(id, IPC_RMID, NULL);
	ASSERT_OK(ym_collect_group(semid, key, &spec, &verdict, &err));
	ck_assert_int_eq(objects(), 0);
}
END_TEST

/* ---- registries without a set ---------------------------------------------------------------- */

START_TEST(a_registry_without_its_set)
{
	bool keeps = true;
	pid_t child = spawn(join_and_stay, &keeps);

	await_step();
	semctl(look()->semid, 0, IPC_RMID);
	ck_assert_int_eq(look()->semid, -1);
	assert_verdict(look(), knows, YM_COLLECT_BUSY);
	kill_and_reap(child);
	assert_verdict(look(), NULL, YM_COLLECT_KEPT);
	assert_verdict(look(), knows, YM_COLLECT_REMOVED);
	ck_assert_int_eq(objects(), 0);
	ck_assert_int_eq(shared->salvaged, 1);
	assert_verdict(&survey.groups[0], knows, YM_COLLECT_GONE);
}
END_TEST

START_TEST(a_registry_with_its_set_is_none)
{
	abandon(false);
	survey.groups[0].semid = -1;
	assert_verdict(&survey.groups[0], NULL, YM_COLLECT_BUSY);
	assert_verdict(look(), NULL, YM_COLLECT_REMOVED);
}
END_TEST

START_TEST(a_registry_whose_directory_is_gone)
{
	const struct ym_survey_group *group = abandon(true);

	semctl(group->semid, 0, IPC_RMID);
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	assert_verdict(look(), knows, YM_COLLECT_REMOVED);
	ck_assert_int_eq(objects(), 0);
}
END_TEST

/* A new set was made, its maker was killed, and the old registry is still there. */
START_TEST(a_registry_of_an_older_generation)
{
	const struct ym_survey_group *group = abandon(true);
	enum ym_collect_verdict verdict;
	struct ym_collect_spec spec = spec_of(false, knows);
	key_t key = group->key;
	void *addr = shmat(group->regid, NULL, SHM_RDONLY);
	int semid;

	semctl(group->semid, 0, IPC_RMID);
	semid = semget(key, YM_GROUP_NSEMS(CAPACITY), IPC_CREAT | 0600);
	/* Somebody still works in it. */
	ASSERT_OK(ym_collect_group(semid, key, &spec, &verdict, &err));
	ck_assert_int_eq(verdict, YM_COLLECT_BUSY);
	ck_assert_int_eq(objects(), OBJECTS);
	ck_assert_int_eq(ym_sem_value(semid, YM_GROUP_LOCK), 0);
	shmdt(addr);
	ASSERT_OK(ym_collect_group(semid, key, &spec, &verdict, &err));
	ck_assert_int_eq(verdict, YM_COLLECT_REMOVED);
	ck_assert_int_eq(objects(), 0);
	ck_assert_int_eq(shared->salvaged, 1);
}
END_TEST

/* ---- killed at any call ---------------------------------------------------------------------- */

static void join_with_fault(void *at)
{
	arm_fault(*(int *)at, 0);
	join(false);
	_exit(END_OF_SWEEP);
}

static void leave_with_fault(void *at)
{
	struct ym_group group = join(false);

	arm_fault(*(int *)at, 0);
	ym_group_leave(&group, NULL, NULL);
	_exit(END_OF_SWEEP);
}

static void collect_with_fault(void *at)
{
	struct ym_collect_spec spec = spec_of(false, NULL);
	enum ym_collect_verdict verdict;
	const struct ym_survey_group *group = look();

	arm_fault(*(int *)at, 0);
	collect(group, &spec, &verdict);
	_exit(END_OF_SWEEP);
}

/* Whatever is there is removed: by what the key file says, or by the list. */
static void assert_all_collected(int at)
{
	const char *const known[] = {directory};
	struct ym_collect_spec spec = spec_of(false, NULL);
	enum ym_collect_verdict verdict;

	ym_survey_free(&survey);
	ASSERT_OK(ym_survey_take(&survey, known, 1, &err));
	for (size_t i = 0; i < survey.ngroups; i++) {
		ASSERT_OK(collect(&survey.groups[i], &spec, &verdict));
		ck_assert_int_eq(verdict, YM_COLLECT_REMOVED);
	}
	ck_assert_msg(objects() == 0, "%d objects are left after a kill at call %d", objects(), at);
}

/* Or the next one to come makes it good again. */
static void assert_recovers(int at)
{
	struct ym_group group = join(false);

	ASSERT_OK(ym_group_leave(&group, NULL, &err));
	ck_assert_msg(objects() == 0, "%d objects are left after a kill at call %d and a join", objects(), at);
}

static void sweep(void (*run)(void *at), bool abandoned, void (*recover)(int at))
{
	bool keeps = false;
	int at = 1;

	for (;; at++) {
		int status;

		if (abandoned)
			reap(spawn(join_and_die, &keeps));
		status = reap(spawn(run, &at));
		recover(at);
		if (WIFEXITED(status))
			break;
		ck_assert_int_eq(WTERMSIG(status), SIGKILL);
	}
	ck_assert_int_gt(at, 5);
}

START_TEST(who_joins_is_killed_at_any_call)
{
	sweep(join_with_fault, false, assert_all_collected);
}
END_TEST

START_TEST(who_leaves_is_killed_at_any_call)
{
	sweep(leave_with_fault, false, assert_all_collected);
}
END_TEST

START_TEST(who_collects_is_killed_at_any_call)
{
	sweep(collect_with_fault, true, assert_all_collected);
	sweep(collect_with_fault, true, assert_recovers);
}
END_TEST

/* No call that fails makes a lie of the verdict, or leaves the LOCK taken. */
static void collect_with_error(void *at)
{
	struct ym_collect_spec spec = spec_of(false, NULL);
	enum ym_collect_verdict verdict;
	const struct ym_survey_group *group = look();
	int semid = group->semid, result;

	arm_fault(*(int *)at, EACCES);
	result = collect(group, &spec, &verdict);
	if (!fault_hit())
		_exit(END_OF_SWEEP);
	ym_sys = faults.real;
	if (result == 0 && verdict == YM_COLLECT_BUSY)
		ck_abort_msg("call %d failed, and the verdict is that the group is in use", *(int *)at);
	ck_assert_int_le(ym_sem_value(semid, YM_GROUP_LOCK), 0);
	_exit(0);
}

static void assert_all_collected_but_strays(void)
{
	struct ym_collect_spec spec = spec_of(false, NULL);
	enum ym_collect_verdict verdict;

	ASSERT_OK(collect(look(), &spec, &verdict));
	ck_assert_int_eq(verdict, YM_COLLECT_REMOVED);
	ym_survey_free(&survey);
	ASSERT_OK(ym_survey_take(&survey, NULL, 0, &err));
	for (size_t i = 0; i < survey.nobjects; i++) {
		const struct ym_survey_object *object = &survey.objects[i];

		ck_assert(object->kind != YM_SURVEY_REGISTRY);
		if (object->type == YM_OBJECT_SEMAPHORE && object->id != bystander)
			semctl(object->id, 0, IPC_RMID);
		else if (object->type == YM_OBJECT_SEGMENT)
			shmctl(object->id, IPC_RMID, NULL);
		else if (object->type == YM_OBJECT_QUEUE)
			msgctl(object->id, IPC_RMID, NULL);
	}
}

START_TEST(any_call_fails)
{
	bool keeps = false;
	int status = 0;

	for (int at = 1; status >> 8 != END_OF_SWEEP; at++) {
		reap(spawn(join_and_die, &keeps));
		status = reap(spawn(collect_with_error, &at));
		ck_assert_msg(WIFEXITED(status), "killed at call %d", at);
		ck_assert_msg(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == END_OF_SWEEP, "failed at call %d", at);
		/* A removal that failed leaves its object behind, but the group can be had again. */
		reap(spawn(join_and_die, &keeps));
		assert_all_collected_but_strays();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("collect");
	TCase *groups = tcase_create("groups"), *registries = tcase_create("registries"),
	      *faulty = tcase_create("faults");
	TCase *cases[] = {groups, registries, faulty};

	for (size_t i = 0; i < COUNT(cases); i++) {
		tcase_add_checked_fixture(cases[i], begin_collect, end_collect);
		tcase_set_timeout(cases[i], 60);
		suite_add_tcase(suite, cases[i]);
	}
	tcase_add_test(groups, an_abandoned_group_goes);
	tcase_add_test(groups, what_it_keeps_is_salvaged_once);
	tcase_add_test(groups, what_only_its_program_can_keep_stays);
	tcase_add_test(groups, a_salvage_that_fails_keeps_everything);
	tcase_add_test(groups, a_group_in_use_stays);
	tcase_add_test(groups, what_is_not_a_group_stays);
	tcase_add_test(groups, what_another_user_made_stays);
	tcase_add_test(groups, a_foreign_segment_behind_the_key_stays);
	tcase_add_test(registries, a_registry_without_its_set);
	tcase_add_test(registries, a_registry_with_its_set_is_none);
	tcase_add_test(registries, a_registry_whose_directory_is_gone);
	tcase_add_test(registries, a_registry_of_an_older_generation);
	tcase_add_test(faulty, who_joins_is_killed_at_any_call);
	tcase_add_test(faulty, who_leaves_is_killed_at_any_call);
	tcase_add_test(faulty, who_collects_is_killed_at_any_call);
	tcase_add_test(faulty, any_call_fails);
	return run_suite(suite);
}
