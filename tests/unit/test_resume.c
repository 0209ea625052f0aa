/*
 * test_resume.c - a master that replaces its program by execve() goes on as the same participant.
 *
 * A child joins, leads, submits a job, and executes this test program once more; main() hands it to resumed() then.
 */
#include <sys/sem.h>
#include <sys/shm.h>

#include "../../ipc/guardian.h"
#include "../../ipc/key.h"
#include "backlogs.h"

/* What the new program does, or finds. */
enum part { GO_ON, STAY, REFUSED_GONE, REFUSED_FOREIGN, HALF, REMAINS };
/* How the old program spoils what it hands over. */
enum spoil {
	NOTHING,
	WRONG_SLOT,
	NO_SLOT,
	SLOT_OF_ANOTHER,
	NOT_LEADER,
	NOT_READY,
	NOT_ALIVE,
	OTHER_PID,
	NO_SET,
	NEW_SET,
	NO_REGISTRY,
	NO_TABLE,
	OTHER_START,
	NOTHING_LEFT, /* but what a child of the old program has attached */
};

static void lead(void)
{
	pid_t other;

	MUST(ym_group_lead(&yard.group, &other, &err) == 0);
}

/* ---- the new program ------------------------------------------------------------------------- */

/* It is no test that check knows of. */
#define EXPECT(condition)                                                                                              \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "not true in the new program: %s (%s)\n", #condition, err.text);               \
			_exit(3);                                                                                      \
		}                                                                                                      \
	} while (0)

static void go_on(void)
{
	struct job_ref ref = {.id = 1};

	EXPECT(yard.group.leads && yard.group.slot < 200);
	EXPECT(ym_group_usage(&yard.group) == 1 && ym_group_alive(&yard.group, yard.group.slot));
	EXPECT(ym_sem_value(yard.group.semid, YM_GROUP_LEADER) == 1);
	/* The board and the table are those of before. */
	EXPECT(strcmp(yard.board->instance.name, "unit") == 0);
	EXPECT(table_find(yard.table, ref.id, &(uint64_t){0}) >= 0);
	pool = 0;
	EXPECT(submit_job(&yard, &(struct job_request){JOB_REQUEST_INIT, .payload = {.data = "after", .size = 5}}, &ref,
	                  &err) == 0);
}

/* A master that could not go on is still in: the kernel knows nothing of programs. */
static void still_counted(void)
{
	EXPECT(yard.group.semid == -1 && !yard.table && !yard.board);
	EXPECT(err.text[0]);
}

static void resumed(char **argv)
{
	const enum part part = (enum part)atoi(argv[3]);
	const int semid = atoi(argv[4]), tell_to = atoi(argv[6]);
	int resumed_well;

	snprintf(directory, sizeof(directory), "%s", argv[2]);
	EXPECT(instance_locate(&yard, "unit", directory, &err) == 0);
	resumed_well = instance_resume(&yard, "master", NULL, semid, (unsigned)atoi(argv[5]), &err);
	if (part == REFUSED_GONE || part == REFUSED_FOREIGN) {
		EXPECT(resumed_well == -1);
		EXPECT(err.class == (part == REFUSED_GONE ? YM_ERR_GONE : YM_ERR_FOREIGN));
		still_counted();
		_exit(0);
	}
	if (part == REMAINS) {
		const int registry = atoi(argv[7]), keeper = atoi(argv[8]);
		const struct instance_sizes sizes = {.slots = 4, .rows = 1, .participants = 4};
		const unsigned slot = (unsigned)atoi(argv[5]);

		EXPECT(resumed_well == -1 && err.class == YM_ERR_GONE && yard.group.semid == -1);
		/* Another participant's, or another generation's, are not taken. */
		EXPECT(instance_remains(&yard, "master", &sizes, semid, registry, slot + 1, &err) == -1);
		EXPECT(instance_remains(&yard, "master", &sizes, semid, registry, 10000, &err) == -1);
		EXPECT(instance_remains(&yard, "master", &sizes, semid + 1, registry, slot, &err) == -1);
		EXPECT(yard.group.semid == -1 && !yard.group.reg);
		EXPECT(instance_remains(&yard, "master", &sizes, semid, registry, slot, &err) == 0);
		EXPECT(instance_rejoin(&yard, "master", &sizes, &err) == 0);
		EXPECT(yard.table && yard.group.fresh);
		EXPECT(kill(keeper, SIGKILL) == 0 && waitpid(keeper, NULL, 0) == keeper);
	} else if (part == HALF) {
		/* The participation is taken up; what is missing is for instance_rejoin(). */
		EXPECT(resumed_well == -1 && err.class == YM_ERR_GONE && yard.group.leads && !yard.table);
		EXPECT(instance_rejoin(&yard, "master",
		                       &(struct instance_sizes){.slots = 4, .rows = 1, .participants = 4}, &err) == 0);
		EXPECT(yard.table && yard.group.fresh);
	} else {
		EXPECT(resumed_well == 0);
		go_on();
	}
	if (part == STAY) {
		EXPECT(write(tell_to, "!", 1) == 1);
		sleep_for_ever();
	}
	EXPECT(instance_leave(&yard, NULL, &err) == 0);
	_exit(0);
}

/* ---- the old program ------------------------------------------------------------------------- */

struct change {
	enum part part;
	enum spoil spoil;
};

/* Up, but not by us: as if our number were another process's by now. */
static void touch_alive(void *arg)
{
	const unsigned short member = YM_GROUP_ALIVE(yard.group.slot);
	struct sembuf ops[] = {{member, 1, 0}, {member, -1, 0}};

	(void)arg;
	MUST(semop(yard.group.semid, ops, 2) == 0);
}

static void spoil(enum spoil how)
{
	struct ym_registry_sh *reg = yard.group.reg;

	switch (how) {
	case NO_SET:
	case NEW_SET:
		MUST(semctl(yard.group.semid, 0, IPC_RMID) == 0);
		if (how == NEW_SET)
			MUST(semget(yard.group.key, YM_GROUP_NSEMS(16), IPC_CREAT | IPC_EXCL | 0600) >= 0);
		break;
	case NO_REGISTRY:
		/* The guardian attaches it before it sleeps. */
		WAIT_UNTIL(semctl(yard.group.semid, YM_GROUP_USAGE, GETZCNT) == 1);
		MUST(shmctl(yard.group.regid, IPC_RMID, NULL) == 0);
		break;
	case NO_TABLE:
		MUST(shmctl(ym_registry_find(reg, TABLE_NAME)->id, IPC_RMID, NULL) == 0);
		break;
	case NOT_READY:
		MUST(semctl(yard.group.semid, YM_GROUP_READY, SETVAL, 0) == 0);
		break;
	case NOT_ALIVE:
		MUST(semctl(yard.group.semid, YM_GROUP_ALIVE(yard.group.slot), SETVAL, 0) == 0);
		break;
	case OTHER_PID:
		reap_well(spawn(touch_alive, NULL));
		break;
	case NOTHING_LEFT:
		MUST(shmctl(ym_registry_find(reg, TABLE_NAME)->id, IPC_RMID, NULL) == 0);
		MUST(shmctl(ym_registry_find(reg, BOARD_NAME)->id, IPC_RMID, NULL) == 0);
		MUST(msgctl(ym_registry_find(reg, "queue.work")->id, IPC_RMID, NULL) == 0);
		MUST(shmctl(yard.group.regid, IPC_RMID, NULL) == 0);
		MUST(semctl(yard.group.semid, 0, IPC_RMID) == 0);
		break;
	case OTHER_START:
		reg->members[yard.group.slot].started++;
		break;
	case NOTHING:
	case WRONG_SLOT:
	case NO_SLOT:
	case SLOT_OF_ANOTHER:
	case NOT_LEADER:
		break;
	}
}

static void be_another(void *arg)
{
	struct instance other;

	(void)arg;
	join_yard(&other);
	tell_step();
	sleep_for_ever();
}

static void keep_attached(void *arg)
{
	(void)arg;
	sleep_for_ever();
}

static void change_program(void *arg)
{
	const struct change *change = arg;
	char part[12], semid[12], slot[12], letters[12], registry[12], keeper[12];
	char *argv[] = {(char[]){"test_resume"},
	                (char[]){"resumed"},
	                directory,
	                part,
	                semid,
	                slot,
	                letters,
	                registry,
	                keeper,
	                NULL};

	yard_open(16);
	pool = add_pool("work");
	if (change->spoil != NOT_LEADER)
		lead();
	submit("before");
	if (change->spoil == SLOT_OF_ANOTHER) {
		spawn(be_another, NULL);
		await_step();
	}
	/* Who has lost the registry needs one that has it mapped. */
	if (change->part == STAY || change->spoil == NO_REGISTRY)
		MUST(ym_group_guardian(&yard.group, &err) == 0);
	snprintf(part, sizeof(part), "%d", (int)change->part);
	snprintf(semid, sizeof(semid), "%d", yard.group.semid);
	snprintf(letters, sizeof(letters), "%d", steps[1]);
	snprintf(registry, sizeof(registry), "%d", yard.group.regid);
	snprintf(keeper, sizeof(keeper), "%ld", change->part == REMAINS ? (long)spawn(keep_attached, NULL) : 0);
	snprintf(slot, sizeof(slot), "%u", yard.group.slot + (change->spoil == WRONG_SLOT));
	if (change->spoil == NO_SLOT)
		snprintf(slot, sizeof(slot), "%u", yard.group.capacity);
	for (unsigned i = 0; change->spoil == SLOT_OF_ANOTHER && i < yard.group.capacity; i++)
		if (i != yard.group.slot && ym_group_alive(&yard.group, i))
			snprintf(slot, sizeof(slot), "%u", i);
	spoil(change->spoil);
	execv("/proc/self/exe", argv);
	_exit(1);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void begin_resume(void)
{
	begin_test();
	open_steps();
}

static void open_again(void)
{
	yard_open(16);
	pool = add_pool("work");
}

START_TEST(the_same_participant_goes_on)
{
	struct change change = {GO_ON, NOTHING};

	run_child(change_program, &change);
	/* It was the last, and left in order: all is removed, and both jobs are kept. */
	assert_nothing_left();
	open_again();
	load(2, 0, 0);
	yard_close();
}
END_TEST

START_TEST(killed_after_the_change)
{
	struct change change = {STAY, NOTHING};
	struct ym_group_look look;
	pid_t master = spawn(change_program, &change);

	await_step();
	ASSERT_OK(ym_group_look(directory, &look, &err));
	ck_assert_int_eq(look.usage, 1);
	ck_assert_int_eq(look.leader, master);
	kill_and_reap(master);
	/* What was done before the change is undone by the kernel, so that the guardian wakes. */
	WAIT_UNTIL(count_objects() == objects_before);
	ck_assert_uint_eq(count_backlogs(), 1);
	open_again();
	load(2, 0, 0);
	yard_close();
}
END_TEST

/* Also what is refused is undone at the end of the process. */
START_TEST(what_is_not_ours_is_refused)
{
	static const struct change changes[] = {
	    {REFUSED_FOREIGN, WRONG_SLOT}, {REFUSED_FOREIGN, NO_SLOT},     {REFUSED_FOREIGN, SLOT_OF_ANOTHER},
	    {REFUSED_FOREIGN, NOT_LEADER}, {REFUSED_FOREIGN, OTHER_START}, {REFUSED_GONE, NO_SET},
	    {REFUSED_GONE, NEW_SET},       {REFUSED_GONE, NO_REGISTRY},    {REFUSED_FOREIGN, NOT_READY},
	    {REFUSED_FOREIGN, NOT_ALIVE},  {REFUSED_FOREIGN, OTHER_PID},
	};

	for (size_t i = 0; i < COUNT(changes); i++) {
		struct change change = changes[i];
		struct instance_sizes sizes = {.slots = 16, .rows = 4, .participants = 16};
		struct ym_group_look look;

		run_child(change_program, &change);
		if (change.spoil == NO_REGISTRY)
			WAIT_UNTIL(count_objects() == objects_before);
		else if (change.spoil == SLOT_OF_ANOTHER)
			WAIT_UNTIL(ym_group_look(directory, &look, &err) == 0 && look.usage == 0);
		else if (change.spoil != NO_SET && change.spoil != NEW_SET)
			ck_assert(ym_group_look(directory, &look, &err) == 0 && look.usage == 0 && look.leader == 0);
		ASSERT_OK(instance_locate(&yard, "unit", directory, &err));
		ASSERT_OK(instance_join(&yard, "test", &sizes, &err));
		yard_close();
		assert_nothing_left();
	}
}
END_TEST

START_TEST(a_missing_table_is_made_again)
{
	struct change change = {HALF, NO_TABLE};

	run_child(change_program, &change);
	assert_nothing_left();
}
END_TEST

/* Removed while it is nowhere attached but in a child: its jobs are kept. */
START_TEST(what_remains_is_kept)
{
	struct change change = {REMAINS, NOTHING_LEFT};

	run_child(change_program, &change);
	assert_nothing_left();
	ck_assert_uint_eq(count_backlogs(), 1);
	open_again();
	load(1, 0, 0);
	yard_close();
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("resume");
	TCase *tcase = tcase_create("resume");

	if (argc == 9 && strcmp(argv[1], "resumed") == 0)
		resumed(argv);
	tcase_add_checked_fixture(tcase, begin_resume, end_test);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, the_same_participant_goes_on);
	tcase_add_test(tcase, killed_after_the_change);
	tcase_add_test(tcase, what_is_not_ours_is_refused);
	tcase_add_test(tcase, a_missing_table_is_made_again);
	tcase_add_test(tcase, what_remains_is_kept);
	return run_suite(suite);
}
