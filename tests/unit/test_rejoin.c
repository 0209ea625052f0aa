/*
 * test_rejoin.c - a master that stays alive loses the ground: each object removed alone, and all of them.
 *
 * The test itself is the master. Removal is what ipcrm does.
 */
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "../../ipc/guardian.h"
#include "backlogs.h"

#define QUEUE "queue.work"
#define SET   "semaphore set"

static const struct instance_sizes sizes = {.slots = 16,
                                            .rows = 4,
                                            .participants = 16,
                                            .payload_max = PAYLOAD_MAX,
                                            .result_ttl_ns = TTL_NS,
                                            .board_mode = 0600};

static void lead(void)
{
	pid_t other;

	ASSERT_OK(ym_group_lead(&yard.group, &other, &err));
}

static void begin_master(void)
{
	begin_yard();
	lead();
}

static void remove_object(const char *name)
{
	struct ym_entry_sh *entry = ym_registry_find(yard.group.reg, name);

	if (strcmp(name, SET) == 0)
		ck_assert_int_eq(semctl(yard.group.semid, 0, IPC_RMID), 0);
	else if (strcmp(name, YM_REGISTRY_NAME) == 0)
		ck_assert_int_eq(shmctl(yard.group.regid, IPC_RMID, NULL), 0);
	else if (strcmp(name, QUEUE) == 0)
		ck_assert_int_eq(msgctl(entry->id, IPC_RMID, NULL), 0);
	else
		ck_assert_int_eq(shmctl(entry->id, IPC_RMID, NULL), 0);
}

/* Three jobs: one waits, one runs, and one, with a long payload, is delayed. */
static void submit_three(void)
{
	char *bytes = calloc(1, 1 << 20);
	struct job_request request = request_of("");

	claim_this(submit("runs"));
	submit("waits");
	request.payload = (struct payload_source){.data = bytes, .size = 1 << 20};
	request.delay_ms = 100000;
	submit_request(request);
	free(bytes);
}

static void assert_fresh(int old)
{
	struct ym_group_look look;

	ck_assert(yard.group.fresh && yard.group.leads);
	ck_assert_ptr_null(instance_missing(&yard));
	ASSERT_OK(ym_group_look(directory, &look, &err));
	ck_assert_int_ne(look.semid, old);
	ck_assert_int_eq(look.usage, 1);
	ck_assert_int_eq(look.leader, getpid());
	/* The set, the registry, the table and the board: nothing of the old generation. */
	ck_assert_int_eq(count_objects() - objects_before, 4);
}

static void assert_all_back(void)
{
	struct payload payload;
	struct job_ref ref;

	pool = add_pool("work");
	load(3, 0, 0);
	ck_assert_uint_eq(count_backlogs(), 0);
	ck_assert_uint_eq(table_job(yard.table, find(1).slot)->crashes, 1);
	ref = find(3);
	ck_assert_int_eq(state_of(ref), JOB_DELAYED);
	ASSERT_OK(payload_open(directory, job_of(ref), ref.slot, &payload, &err));
	payload_close(&payload);
	/* No number is given out twice. */
	ck_assert_uint_eq(submit("new").id, 4);
}

static void lose(const char *const *names, const char *missing)
{
	int old = yard.group.semid;

	submit_three();
	ck_assert_ptr_null(instance_missing(&yard));
	for (; *names; names++)
		remove_object(*names);
	if (missing)
		ck_assert_str_eq(instance_missing(&yard), missing);
	else
		ck_assert_ptr_null(instance_missing(&yard));
	ASSERT_OK(instance_rejoin(&yard, "master", &sizes, &err));
	assert_fresh(old);
	assert_all_back();
}

static const struct {
	const char *names[6];
	const char *missing;
} losses[] = {
    {{TABLE_NAME}, TABLE_NAME},
    {{BOARD_NAME}, BOARD_NAME},
    {{YM_REGISTRY_NAME}, YM_REGISTRY_NAME},
    {{SET}, SET},
    /* The master makes a queue again by itself. */
    {{QUEUE}, NULL},
    {{TABLE_NAME, BOARD_NAME}, TABLE_NAME},
    {{QUEUE, SET}, SET},
    {{TABLE_NAME, BOARD_NAME, YM_REGISTRY_NAME, QUEUE, SET}, SET},
    {{SET, QUEUE, YM_REGISTRY_NAME, BOARD_NAME, TABLE_NAME}, SET},
};

START_TEST(each_and_all)
{
	lose(losses[_i].names, losses[_i].missing);
}
END_TEST

START_TEST(again_and_again)
{
	const char *const names[] = {TABLE_NAME, SET, NULL};

	for (int i = 0; i < 20; i++) {
		int old = yard.group.semid;

		remove_object(names[i % 2]);
		ASSERT_OK(instance_rejoin(&yard, "master", &sizes, &err));
		assert_fresh(old);
	}
}
END_TEST

/* ---- others ---------------------------------------------------------------------------------- */

static void be_a_client(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	tell_step();
	while (!instance_gone(&mine, &err))
		usleep(1000);
	MUST(err.class == YM_ERR_GONE);
	/* As the text says: leave and join again. */
	MUST(instance_leave(&mine, NULL, &err) == 0);
	while (instance_join(&mine, "child", NULL, &err) < 0)
		MUST(err.class == YM_ERR_NOT_RUNNING || err.class == YM_ERR_GONE);
	leave_yard(&mine);
}

/* With the table alone removed, nothing would tell those who have it mapped. */
START_TEST(who_was_in_finds_it_gone)
{
	pid_t client = spawn(be_a_client, NULL);

	await_step();
	remove_object(TABLE_NAME);
	ASSERT_OK(instance_rejoin(&yard, "master", &sizes, &err));
	reap_well(client);
	ck_assert_int_eq(ym_group_usage(&yard.group), 1);
}
END_TEST

static void guard(void *arg)
{
	struct ym_group_spec spec = {.role = "guardian", .salvage = instance_salvage};

	MUST(ym_group_guard(*(int *)arg, &spec, &err) == 0);
}

START_TEST(the_old_guardian_ends)
{
	int set = yard.group.semid;
	pid_t guardian = spawn(guard, &set);

	WAIT_UNTIL(semctl(set, YM_GROUP_USAGE, GETZCNT) == 1);
	remove_object(BOARD_NAME);
	ASSERT_OK(instance_rejoin(&yard, "master", &sizes, &err));
	reap_well(guardian);
	assert_fresh(set);
}
END_TEST

static void rejoin_and_wait(void *arg)
{
	struct ym_group_look look;

	(void)arg;
	yard_open(16);
	pool = add_pool("work");
	lead();
	submit("a");
	remove_object(SET);
	MUST(instance_rejoin(&yard, "master", &sizes, &err) == 0);
	pool = add_pool("work");
	backlog_load(&yard, 0, &result, tell);
	MUST(result.loaded == 1 && ym_group_look(directory, &look, &err) == 0);
	MUST(ym_group_guardian(&yard.group, &err) == 0);
	tell_step();
	sleep_for_ever();
}

/* What is undone is the participation in the new generation. */
START_TEST(killed_afterwards)
{
	pid_t master;

	yard_close();
	master = spawn(rejoin_and_wait, NULL);
	await_step();
	kill_and_reap(master);
	WAIT_UNTIL(count_objects() == objects_before);
	ck_assert_uint_eq(count_backlogs(), 1);
	yard_open(16);
}
END_TEST

/* ---- failures -------------------------------------------------------------------------------- */

static void backlog_file(char *path, const char *end)
{
	char name[64];

	snprintf(name, sizeof(name), "backlog-%016jx%s", (uintmax_t)yard.table->head.nonce, end);
	join_path(path, name);
}

START_TEST(jobs_that_cannot_be_kept_yet)
{
	char path[PATH_MAX];
	int old = yard.group.semid;

	submit_three();
	remove_object(TABLE_NAME);
	backlog_file(path, ".new");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	for (int i = 0; i < 2; i++) {
		ASSERT_ERR(instance_rejoin(&yard, "master", &sizes, &err), YM_ERR_FULL);
		ASSERT_IN("given up", err.text);
		ck_assert_ptr_nonnull(yard.table);
		ck_assert_str_eq(instance_missing(&yard), SET);
	}
	ck_assert_int_eq(rmdir(path), 0);
	ASSERT_OK(instance_rejoin(&yard, "master", &sizes, &err));
	assert_fresh(old);
	assert_all_back();
}
END_TEST

START_TEST(the_directory_is_gone_as_well)
{
	int old = yard.group.semid;

	submit("a");
	remove_object(SET);
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	ASSERT_OK(instance_rejoin(&yard, "master", &sizes, &err));
	assert_fresh(old);
	pool = add_pool("work");
	load(1, 0, 0);
}
END_TEST

static void be_the_master(void *arg)
{
	(void)arg;
	ASSERT_OK(instance_join(&yard, "master", &sizes, &err));
	lead();
	tell_step();
	sleep_for_ever();
}

/* It could come in because we were just away: the set is gone, and we have let go of the rest. */
START_TEST(another_master_has_come)
{
	char text[32];
	pid_t other;

	remove_object(SET);
	ASSERT_OK(ym_group_abandon(&yard.group, &err));
	ASSERT_OK(instance_leave(&yard, NULL, &err));
	other = spawn(be_the_master, NULL);
	await_step();
	ASSERT_ERR(instance_rejoin(&yard, "master", &sizes, &err), YM_ERR_NO);
	snprintf(text, sizeof(text), "pid %d", (int)other);
	ASSERT_IN(text, err.text);
	ck_assert_int_eq(yard.group.semid, -1);
	ck_assert_ptr_null(yard.table);
	kill_and_reap(other);
	ASSERT_OK(instance_rejoin(&yard, "master", &sizes, &err));
}
END_TEST

/* A process that was killed at any call of a rejoin leaves what the next start puts right, without losing a job. */
static void rejoin_under_fire(void *arg)
{
	yard_open(16);
	pool = add_pool("work");
	lead();
	submit("kept");
	remove_object(TABLE_NAME);
	arm_fault(*(int *)arg, 0);
	MUST(instance_rejoin(&yard, "master", &sizes, &err) == 0);
	if (!fault_hit())
		_exit(42);
	kill(getpid(), SIGKILL);
}

START_TEST(killed_at_every_call)
{
	uint64_t kept = 0;
	int status = 0, at = 1;

	yard_close();
	for (;; at++) {
		status = reap(spawn(rejoin_under_fire, &at));
		if (WIFEXITED(status))
			break;
		yard_open(16);
		pool = add_pool("work");
		backlog_load(&yard, 0, &result, tell);
		kept += slots_in(JOB_READY);
		/* A table of nobody goes with the last process that has it mapped: before the salvage nothing can help. */
		yard_close();
		assert_nothing_left();
		for (char path[PATH_MAX]; count_backlogs() > 0; unlink(path))
			backlog_path(path);
	}
	ck_assert_int_eq(WEXITSTATUS(status), 42);
	ck_assert_int_gt(at, 20);
	ck_assert_uint_gt(kept, (uint64_t)at / 2);
	yard_open(16);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rejoin");
	TCase *tcase = yard_case(suite, "losses", begin_master);

	tcase_add_loop_test(tcase, each_and_all, 0, COUNT(losses));
	tcase_add_test(tcase, again_and_again);
	tcase_add_test(tcase, who_was_in_finds_it_gone);
	tcase_add_test(tcase, the_old_guardian_ends);
	tcase_add_test(tcase, killed_afterwards);
	tcase_add_test(tcase, jobs_that_cannot_be_kept_yet);
	tcase_add_test(tcase, the_directory_is_gone_as_well);
	tcase_add_test(tcase, another_master_has_come);
	tcase_add_test(tcase, killed_at_every_call);
	return run_suite(suite);
}
