/*
 * test_limit_keeper.c - the semaphores of limits when somebody removes them, and when a process is killed at any step: none
 * stays behind the next start and stop, and a limit has as many units as its table says.
 */
#include "../../ipc/survey.h"
#include "../../runtime/limit.h"
#include "../../runtime/limit_keeper.h"
#include "yard.h"

#define NAME         "cap"
#define UNITS        3
#define END_OF_SWEEP 42 /* exit code of a child that got through */

static struct limit_keeper keeper;

static struct table_limit_sh *row(void)
{
	return &yard.table->limits[0];
}

/* As the master does it at its start, and at a reload. NULL: the limit has a key of its own. */
static void enter(struct instance *instance, const char *given, int units)
{
	const struct cfg_limit limit = {.name = NAME, .max = units, .key = (char *)(uintptr_t)given};

	keeper.instance = instance;
	MUST(ym_group_lock(&instance->group, &err) == 0);
	MUST(limit_keeper_enter(&keeper, &limit, given == NULL, &err) == 0);
	ym_group_unlock(&instance->group);
}

static void start(const char *given)
{
	yard_open(16);
	pool = add_pool("work");
	enter(&yard, given, UNITS);
	atomic_store(&pool_row()->limits[0].limit, 0);
	atomic_store(&pool_row()->limits[0].units, 1);
	atomic_store(&pool_row()->nlimits, 1);
}

static void stop(void)
{
	limit_keeper_close(&keeper);
	yard_close();
}

static void assert_next_start_clears_up(void)
{
	start(NULL);
	ck_assert_int_eq(limit_free(row()), UNITS);
	stop();
	assert_nothing_left();
}

static bool over(int status)
{
	if (WIFSIGNALED(status)) {
		ck_assert_int_eq(WTERMSIG(status), SIGKILL);
		return false;
	}
	ck_assert_int_eq(WEXITSTATUS(status), END_OF_SWEEP);
	return true;
}

/* ---- removed by hand ------------------------------------------------------------------------- */

/* ipcrm: not by the calls that are counted. */
static void remove_semaphores(void)
{
	semctl(keeper.sems[0].id, 0, IPC_RMID);
	semctl(keeper.turns[0].id, 0, IPC_RMID);
}

static void remove_the_rest(void)
{
	const struct ym_registry_sh *reg = yard.group.reg;

	for (unsigned i = 0; i < YM_REGISTRY_ENTRIES; i++) {
		if (atomic_load(&reg->entries[i].state) != YM_ENTRY_LIVE)
			continue;
		if (reg->entries[i].kind == YM_OBJECT_SEGMENT)
			shmctl(reg->entries[i].id, IPC_RMID, NULL);
		else if (reg->entries[i].kind == YM_OBJECT_QUEUE)
			msgctl(reg->entries[i].id, IPC_RMID, NULL);
	}
	shmctl(reg->head.shmid, IPC_RMID, NULL);
	semctl(yard.group.semid, 0, IPC_RMID);
}

/* As a worker does it whose semaphore has gone: what it makes, it makes behind the old keys. */
static void take_again(struct limit_set *set)
{
	if (limit_set_take(set, NULL, NULL, &err) == 0)
		return;
	limit_set_close(set);
	MUST(limit_set_open(set, yard.table, pool, &err) == 0);
	MUST(limit_set_take(set, NULL, NULL, &err) == 0);
}

/* A worker and the master lose their objects one by one; then both are killed at once. */
static void lose_all(void *arg)
{
	struct limit_set set;

	start(NULL);
	MUST(limit_set_open(&set, yard.table, pool, &err) == 0);
	arm_fault(*(int *)arg, 0);
	remove_semaphores();
	take_again(&set);
	limit_keeper_show(&keeper);
	remove_the_rest();
	limit_set_give(&set);
	limit_set_abandon(&set);
	limit_keeper_close(&keeper);
	MUST(ym_group_abandon(&yard.group, &err) == 0);
	MUST(instance_leave(&yard, NULL, &err) == 0);
	if (!fault_hit())
		_exit(END_OF_SWEEP);
}

START_TEST(removed_by_hand_and_killed_at_every_call)
{
	int at = 1;

	for (; !over(reap(spawn(lose_all, &at))); at++)
		assert_next_start_clears_up();
	assert_nothing_left();
	ck_assert_int_gt(at, 40);
}
END_TEST

/* Killed behind the removal of the list, with what was made again before it: nobody has noted that. */
static void lose_list(void *arg)
{
	struct limit_set set;

	(void)arg;
	start(NULL);
	MUST(limit_set_open(&set, yard.table, pool, &err) == 0);
	remove_semaphores();
	take_again(&set);
	remove_the_rest();
	tell_step();
	MUST(write(steps[1], (int[2]){set.uses[0].sem.id, set.uses[0].turn.id}, 2 * sizeof(int)) > 0);
	sleep_for_ever();
}

START_TEST(made_again_and_still_in_use_at_the_next_start)
{
	pid_t child = spawn(lose_list, NULL);

	await_step();
	/* Who comes next does not wait for one that is about to die. The semaphores that he uses are not ours. */
	start(NULL);
	ck_assert_int_eq(limit_free(row()), UNITS);
	kill_and_reap(child);
	ck_assert_int_eq(limit_free(row()), UNITS);
	stop();
	assert_nothing_left();
}
END_TEST

START_TEST(what_others_still_use_is_left_to_them)
{
	pid_t child = spawn(lose_list, NULL);
	int ids[2];

	await_step();
	MUST(read(steps[0], ids, sizeof(ids)) == sizeof(ids));
	start(NULL);
	stop();
	for (size_t i = 0; i < COUNT(ids); i++)
		ck_assert_int_eq(semctl(ids[i], YM_SEM_USAGE, GETVAL), 1);
	kill_and_reap(child);
	for (size_t i = 0; i < COUNT(ids); i++)
		ck_assert_int_eq(semctl(ids[i], 0, IPC_RMID), 0);
}
END_TEST

/* Two key files may have the same key: what stands behind it is then in our own list. */
START_TEST(an_entered_semaphore_is_nobodys_leftover)
{
	char other[PATH_MAX], own[PATH_MAX];
	int id;

	start(NULL);
	limit_keeper_close(&keeper);
	id = atomic_load(&row()->id);
	join_path(own, "limit." NAME);
	join_path(other, "limit.other");
	ck_assert_int_eq(link(own, other), 0);
	ASSERT_OK(ym_group_lock(&yard.group, &err));
	ASSERT_OK(ym_registry_add(yard.group.reg, YM_OBJECT_SEMAPHORE, "limit.other", 1, 0, 0, NULL, &err));
	ym_group_unlock(&yard.group);
	ck_assert_int_eq(semctl(id, 0, GETVAL), UNITS);
	ck_assert_int_ne(ym_registry_find(yard.group.reg, "limit.other")->key, row()->key);
	yard_close();
}
END_TEST

/* ---- reloads --------------------------------------------------------------------------------- */

static void use_for_ever(void *arg)
{
	struct instance mine;
	struct limit_set set;

	(void)arg;
	join_yard(&mine);
	MUST(limit_set_open(&set, mine.table, pool, &err) == 0);
	tell_step();
	sleep_for_ever();
}

START_TEST(a_reload_keeps_what_a_worker_made_again)
{
	key_t key;
	pid_t worker;
	int id;

	start(NULL);
	key = row()->key;
	id = atomic_load(&row()->id);
	remove_semaphores();
	worker = spawn(use_for_ever, NULL);
	await_step();
	enter(&yard, NULL, UNITS);
	ck_assert_int_eq(row()->key, key);
	ck_assert_int_ne(atomic_load(&row()->id), id);
	kill_and_reap(worker);
	stop();
	assert_nothing_left();
}
END_TEST

START_TEST(former_keys_leave_nothing_behind)
{
	key_t own;

	start(NULL);
	own = row()->key;
	enter(&yard, "0x5e5e0001", UNITS);
	ck_assert_int_eq(row()->key, 0x5e5e0001);
	enter(&yard, "0x5e5e0002", UNITS);
	enter(&yard, NULL, UNITS);
	ck_assert_int_ne(row()->key, 0x5e5e0002);
	ck_assert_int_ne(row()->key, 0x5e5e0001);
	ck_assert_int_ne(own, 0);
	ck_assert_int_eq(limit_free(row()), UNITS);
	stop();
	assert_nothing_left();
}
END_TEST

static unsigned former_entries(void)
{
	struct ym_survey survey;
	unsigned n = 0;

	ASSERT_OK(ym_survey_take(&survey, NULL, 0, &err));
	ck_assert_uint_eq(survey.ngroups, 1);
	for (unsigned i = 0; i < survey.groups[0].nentries; i++)
		n += strcmp(survey.groups[0].entries[i].name, YM_REGISTRY_FORMER) == 0;
	ym_survey_free(&survey);
	return n;
}

/* Nobody is to be told that something is missing. */
START_TEST(a_former_semaphore_is_seen_while_it_is_there)
{
	int id;

	start(NULL);
	id = atomic_load(&row()->id);
	enter(&yard, "0x5e5e0005", UNITS);
	ck_assert_uint_eq(former_entries(), 1);
	ck_assert_int_eq(semctl(id, 0, IPC_RMID), 0);
	ck_assert_uint_eq(former_entries(), 0);
	stop();
}
END_TEST

static void enter_under_fire(void *arg)
{
	yard_open(16);
	arm_fault(*(int *)arg, 0);
	enter(&yard, "0x5e5e0003", UNITS);
	if (fault_hit())
		return;
	limit_keeper_close(&keeper);
	yard_close();
	_exit(END_OF_SWEEP);
}

/* The next one need not have the limit in its configuration. */
START_TEST(a_given_key_is_noted_before_there_is_a_semaphore)
{
	int at = 1;

	for (; !over(reap(spawn(enter_under_fire, &at))); at++) {
		yard_open(16);
		yard_close();
		assert_nothing_left();
	}
	ck_assert_int_gt(at, 5);
}
END_TEST

/* ---- the number of units --------------------------------------------------------------------- */

static int (*real_semtimedop)(int id, struct sembuf *ops, size_t nops, const struct timespec *timeout);
static struct {
	int at; /* the change of units that is the last deed of the process */
	bool before;
} death;

static int deadly_semtimedop(int id, struct sembuf *ops, size_t nops, const struct timespec *timeout)
{
	bool change =
	    id == keeper.sems[0].id && nops == 1 && ops[0].sem_num == YM_SEM_VALUE && !(ops[0].sem_flg & SEM_UNDO);
	bool last = change && --death.at == 0;
	int result;

	if (last && death.before)
		kill(getpid(), SIGKILL);
	result = real_semtimedop(id, ops, nops, timeout);
	if (last)
		kill(getpid(), SIGKILL);
	return result;
}

static void resize_and_die(void *arg)
{
	struct instance mine;

	join_yard(&mine);
	memset(&keeper, 0, sizeof(keeper));
	enter(&mine, NULL, UNITS);
	real_semtimedop = ym_sys.semtimedop;
	ym_sys.semtimedop = deadly_semtimedop;
	enter(&mine, NULL, *(int *)arg);
	_exit(END_OF_SWEEP);
}

/* A master is killed at each of its changes; somebody else has the semaphore open, so nobody sets its value anew. */
static void resize_under_fire(int units, int changes)
{
	for (int at = 1; at <= changes; at++)
		for (int before = 0; before < 2; before++) {
			death.at = at;
			death.before = before;
			ck_assert(!over(reap(spawn(resize_and_die, &units))));
			enter(&yard, NULL, units);
			ck_assert_int_eq(limit_free(row()), units);
			ck_assert_int_eq(atomic_load(&row()->max), units);
			enter(&yard, NULL, UNITS);
			ck_assert_int_eq(limit_free(row()), UNITS);
		}
}

START_TEST(killed_at_every_change_of_the_units)
{
	struct limit_set set;

	start(NULL);
	MUST(limit_set_open(&set, yard.table, pool, &err) == 0);
	resize_under_fire(UNITS + 4, 1);
	resize_under_fire(1, UNITS - 1);
	limit_set_close(&set);
	stop();
	assert_nothing_left();
}
END_TEST

/* What cannot be taken away now is still counted. */
START_TEST(units_in_use_go_when_they_come_back)
{
	struct limit_set set;

	start(NULL);
	MUST(limit_set_open(&set, yard.table, pool, &err) == 0);
	MUST(limit_set_take(&set, NULL, NULL, &err) == 0);
	keeper.wanted[0] = 0;
	limit_keeper_show(&keeper);
	ck_assert_int_eq(limit_free(row()), 0);
	ck_assert_int_eq(atomic_load(&row()->max), 1);
	limit_set_give(&set);
	ck_assert_int_eq(limit_free(row()), 1);
	limit_keeper_show(&keeper);
	ck_assert_int_eq(limit_free(row()), 0);
	ck_assert_int_eq(atomic_load(&row()->max), 0);
	limit_set_close(&set);
	stop();
}
END_TEST

/* Another program's semaphore: how many units it has is for that to say. */
START_TEST(units_of_others_are_not_counted_away)
{
	struct ym_sem theirs;

	ASSERT_OK(ym_sem_get(&theirs, 0x5e5e0004, UNITS + 2, 0600, YM_NEVER, &err));
	start("0x5e5e0004");
	limit_keeper_show(&keeper);
	ck_assert_int_eq(limit_free(row()), UNITS + 2);
	ym_sem_close(&theirs);
	stop();
	assert_nothing_left();
}
END_TEST

static void begin_keeper(void)
{
	begin_test();
	open_steps();
	memset(&keeper, 0, sizeof(keeper));
}

int main(void)
{
	Suite *suite = suite_create("limit_keeper");
	TCase *tcase = tcase_create("limit_keeper");

	tcase_add_checked_fixture(tcase, begin_keeper, end_test);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, removed_by_hand_and_killed_at_every_call);
	tcase_add_test(tcase, made_again_and_still_in_use_at_the_next_start);
	tcase_add_test(tcase, what_others_still_use_is_left_to_them);
	tcase_add_test(tcase, an_entered_semaphore_is_nobodys_leftover);
	tcase_add_test(tcase, a_reload_keeps_what_a_worker_made_again);
	tcase_add_test(tcase, former_keys_leave_nothing_behind);
	tcase_add_test(tcase, a_former_semaphore_is_seen_while_it_is_there);
	tcase_add_test(tcase, a_given_key_is_noted_before_there_is_a_semaphore);
	tcase_add_test(tcase, killed_at_every_change_of_the_units);
	tcase_add_test(tcase, units_in_use_go_when_they_come_back);
	tcase_add_test(tcase, units_of_others_are_not_counted_away);
	return run_suite(suite);
}
