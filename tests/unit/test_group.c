/*
 * test_group.c - groups live exactly as long as they have participants, whoever is killed when.
 *
 * The sweeps kill a process, or let a call fail, at its first, second, ... System V call until it gets through; after
 * each the next join must work and its leave must leave nothing. The group of these tests has two segments, a queue
 * and a semaphore.
 */
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "../../ipc/group.h"
#include "../../ipc/guardian.h"
#include "../../ipc/key.h"
#include "../../ipc/procfs.h"
#include "../../ipc/registry.h"
#include "../../ipc/sem.h"
#include "faults.h"

#define CAPACITY 8u
#define OBJECTS  6 /* the set, the registry, and what make_objects() makes */
#define VERSION  1

#define END_OF_SWEEP 42 /* exit code of a child that got through */

/* What all processes of a test know. */
static struct shared {
	_Atomic int salvaged;
	_Atomic int refuse; /* 1: the salvage fails */
	_Atomic int made;
	_Atomic int noticed;
	_Atomic int go;
	_Atomic int joins, violations;
	char notice[256];
	char violation[256];
} * shared;

static void begin_group(void)
{
	begin_test();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(shared != MAP_FAILED);
	open_steps();
}

struct content {
	struct ym_seg_head_sh head;
	uint64_t nonce;
};

static int make_objects(struct ym_group *group, void *arg, struct ym_err *error)
{
	void *one;

	(void)arg;
	atomic_fetch_add(&shared->made, 1);
	if (ym_registry_add(group->reg, YM_OBJECT_SEGMENT, "one", 4096, VERSION, 0600, &one, error) < 0)
		return -1;
	((struct content *)one)->nonce = group->reg->head.nonce;
	ym_seg_detach(one);
	if (ym_registry_add(group->reg, YM_OBJECT_SEGMENT, "two", 8192, VERSION, 0600, NULL, error) < 0 ||
	    ym_registry_add(group->reg, YM_OBJECT_QUEUE, "queue", 0, 0, 0600, NULL, error) < 0 ||
	    ym_registry_add(group->reg, YM_OBJECT_SEMAPHORE, "limit", 1, 0, 0600, NULL, error) < 0)
		return -1;
	return 0;
}

static int salvage(struct ym_group *group, void *arg, struct ym_err *error)
{
	struct content *content;
	void *one;

	(void)arg;
	/* Everything, or nothing any more: a remover may have been killed before. */
	if (ym_group_attach(group, "one", VERSION, &one, NULL, NULL) < 0)
		return 0;
	if (atomic_load(&shared->refuse)) {
		ym_seg_detach(one);
		return ym_fail(error, YM_ERR_FULL, "no room to keep it");
	}
	content = one;
	if (content->nonce == group->reg->head.nonce)
		atomic_fetch_add(&shared->salvaged, 1);
	ym_seg_detach(one);
	return 0;
}

static void notice(void *arg, const char *text)
{
	(void)arg;
	snprintf(shared->notice, sizeof(shared->notice), "%s", text);
	atomic_fetch_add(&shared->noticed, 1);
}

static struct ym_group_spec spec_of(unsigned capacity)
{
	return (struct ym_group_spec){
	    .directory = directory,
	    .role = "test",
	    .capacity = capacity,
	    .mode = 0600,
	    .patience_ms = PATIENCE_MS,
	    .init = make_objects,
	    .salvage = salvage,
	    .notice = notice,
	};
}

static void join(struct ym_group *group, unsigned capacity)
{
	struct ym_group_spec spec = spec_of(capacity);

	ASSERT_OK(ym_group_join(group, &spec, &err));
	ASSERT_OK(ym_group_registry(group, &err));
}

static void leave(struct ym_group *group, bool as_last)
{
	bool last = !as_last;

	ASSERT_OK(ym_group_leave(group, &last, &err));
	ck_assert_int_eq(last, as_last);
	ck_assert_int_eq(group->semid, -1);
}

static int value(const struct ym_group *group, int member)
{
	return ym_sys.semctl(group->semid, member, GETVAL, (union ym_semun){0});
}

static const char *objects_wrong(struct ym_group *group)
{
	struct content *content;
	const char *wrong = NULL;
	void *one, *two;

	if (value(group, YM_GROUP_READY) != 1)
		return "READY is not 1";
	if (group->reg->head.semid != group->semid)
		return "the registry belongs to another set";
	if (ym_group_attach(group, "one", VERSION, &one, NULL, &err) < 0)
		return err.text;
	content = one;
	if (content->nonce != group->reg->head.nonce)
		wrong = "the segment has another nonce";
	ym_seg_detach(one);
	if (wrong)
		return wrong;
	if (ym_group_attach(group, "two", VERSION, &two, NULL, &err) < 0)
		return err.text;
	ym_seg_detach(two);
	if (!ym_registry_find(group->reg, "queue") || !ym_registry_find(group->reg, "limit"))
		return "the queue or the semaphore is not entered";
	return NULL;
}

static void assert_good(struct ym_group *group)
{
	const char *wrong = objects_wrong(group);

	ck_assert_msg(wrong == NULL, "%s", wrong);
}

/* Whatever happened before: the next one gets in, finds everything, and cleans up behind himself. */
static void assert_recovers(void)
{
	struct ym_group group;

	join(&group, CAPACITY);
	assert_good(&group);
	ck_assert_int_eq(value(&group, YM_GROUP_USAGE), 1);
	ck_assert_int_eq(value(&group, YM_GROUP_LOCK), 0);
	leave(&group, true);
	assert_nothing_left();
}

/* A child that joins, says so, and sleeps until it is killed or gets SIGTERM, after which it leaves. */
static volatile sig_atomic_t told_to_leave;

static void on_term(int signo)
{
	(void)signo;
	told_to_leave = 1;
}

static void stay_joined(void *arg)
{
	struct sigaction action = {.sa_handler = on_term};
	struct ym_group group;
	sigset_t term, before;
	bool last;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	sigaction(SIGTERM, &action, NULL);
	join(&group, *(unsigned *)arg);
	tell_step();
	while (!told_to_leave)
		sigsuspend(&before);
	ASSERT_OK(ym_group_leave(&group, &last, &err));
	_exit(last);
}

static pid_t participant(void)
{
	static unsigned capacity = CAPACITY;
	pid_t pid = spawn(stay_joined, &capacity);

	await_step();
	return pid;
}

static bool leaves_as_last(pid_t pid)
{
	int status;

	kill(pid, SIGTERM);
	status = reap(pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status) == 1;
}

static key_t key_of_members(void)
{
	char path[PATH_MAX];

	join_path(path, "members");
	return ftok(path, YM_KEY_PROJECT);
}

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

/* ---- all of them ----------------------------------------------------------------------------- */

static TCase *group_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, begin_group, end_test);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("group");
	TCase *tcase = group_case(suite, "join and leave");

	tcase_add_test(tcase, the_first_makes_and_the_last_removes);
	tcase_add_test(tcase, later_ones_join_what_is_there);
	tcase_add_test(tcase, every_order_of_leaving);
	tcase_add_test(tcase, all_leave_at_the_same_moment);
	tcase_add_test(tcase, a_forked_child_is_no_participant);
	tcase_add_test(tcase, guests_make_nothing);
	tcase_add_test(tcase, senseless_requests);
	tcase_add_test(tcase, as_large_as_it_gets);
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

	tcase = group_case(suite, "others");
	tcase_add_test(tcase, a_set_of_another_user);
	tcase_add_test(tcase, sets_of_other_programs);
	tcase_add_test(tcase, a_segment_of_another_program);
	tcase_add_test(tcase, a_script_came_first);
	tcase_add_test(tcase, a_script_came_first_and_went);
	tcase_add_test(tcase, a_script_keeps_the_group_alive);
	tcase_add_test(tcase, a_failing_init_leaves_nothing);
	tcase_add_test(tcase, a_failing_salvage_removes_nothing);
	tcase_add_test(tcase, an_init_of_nothing);
	tcase_add_test(tcase, objects_are_found_and_counted);
	tcase_add_test(tcase, names_have_a_limit);
	tcase_add_test(tcase, a_semaphore_that_scripts_use_stays);
	tcase_add_test(tcase, objects_of_others_are_not_removed);

	tcase = group_case(suite, "kills");
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
