/* group.c - join, leave, last one removes; see group.h and docs/ipc.md for the protocol. */
#include "group.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "generation.h"
#include "key.h"
#include "limits.h"
#include "procfs.h"
#include "sem.h"
#include "share.h"
#include "sys.h"

/* One round of a leave that finds the LOCK held sleeps this long before it looks whether it is still the last. */
#define LEAVE_ROUND_MS 20

/* Slots that the short way in tries, one of them its own most of the time. */
#define QUICK_TRIES 3

/* How long the last one waits for a guardian to let go of the registry, and how often it looks. */
#define GONE_PATIENCE_MS 200
#define GONE_LOOK_NS     200000

/* ---- join ------------------------------------------------------------------------------------ */

/* A PHP script that came first made a set of three. Unused it is replaced, in use it is waited for. */
static int replace_php_set(struct ym_group *group, int semid, uint64_t deadline, struct ym_err *err)
{
	struct sembuf idle[] = {
	    {YM_SEM_USAGE, 0, 0},
	    {YM_SEM_LOCK, 0, 0},
	    {YM_SEM_LOCK, 1, SEM_UNDO},
	};
	char text[160];
	int sys, user = ym_sem_pid(semid, YM_SEM_USAGE);

	if (ym_sem_value(semid, YM_SEM_USAGE) > 0 && group->spec.notice) {
		snprintf(text, sizeof(text),
		         "waiting: a script (last seen pid %d) holds the group's key 0x%x with sem_get(); going on "
		         "when it ends",
		         user, (unsigned)group->key);
		group->spec.notice(group->spec.arg, text);
	}
	sys = ym_semop_until(semid, idle, 3, deadline);
	if (sys == EAGAIN)
		return ym_fail(
		    err, YM_ERR_TIMEOUT,
		    "a script (last seen pid %d) holds the group's key 0x%x with sem_get(): end it, then try again",
		    user, (unsigned)group->key);
	if (sys && ym_gone(sys) != EIDRM)
		return ym_fail_sys(err, sys, "semop(id %d) to replace a script's semaphore", semid);
	if (!sys)
		ym_sys.semctl(semid, 0, IPC_RMID, (union ym_semun){0});
	return 0;
}

/* The set behind our key; who may make groups is no guest in those of others. */
static enum set_kind look_behind(struct ym_group *group)
{
	const char *directory = group->spec.capacity ? NULL : group->spec.directory;
	enum set_kind kind = ym_generation_find(group->key, directory, &group->semid, &group->capacity);

	group->guest = kind == SET_SHARED;
	return kind;
}

/* Step 1: the set behind our key, made if it may be. 0 found, 1 look again, -1 error. */
static int find_set(struct ym_group *group, uint64_t deadline, struct ym_err *err)
{
	const struct ym_group_spec *spec = &group->spec;

	if (ym_generation_key(spec, &group->key, err) < 0)
		return -1;
	switch (look_behind(group)) {
	case SET_OURS:
	case SET_SHARED:
		return 0;
	case SET_FOREIGN:
		return ym_share_refuse(group->key, spec->directory, err);
	case SET_PHP:
		if (spec->capacity == 0)
			return ym_fail(err, YM_ERR_NOT_RUNNING, "not running: only a script has opened the key of %s",
			               spec->directory);
		return replace_php_set(group, group->semid, deadline, err) < 0 ? -1 : 1;
	case SET_NONE:
		break;
	}
	if (spec->capacity == 0)
		return ym_fail(err, YM_ERR_NOT_RUNNING, "not running: no process has joined %s", spec->directory);
	group->capacity = spec->capacity;
	group->semid = ym_sys.semget(group->key, YM_GROUP_NSEMS(spec->capacity),
	                             IPC_CREAT | IPC_EXCL | (int)(spec->mode & (spec->share ? 0700 : 0777)));
	if (group->semid >= 0)
		return 0;
	if (errno == EEXIST)
		return 1;
	if (errno == EINVAL)
		return ym_fail(
		    err, YM_ERR_LIMIT,
		    "semget(key 0x%x, %d members) for the group: more members than the first number of the sysctl "
		    "kernel.sem allows: raise it, or lower `clients` or `workers`",
		    (unsigned)group->key, YM_GROUP_NSEMS(spec->capacity));
	ym_fail_sys(err, errno, "semget(key 0x%x, %d members, IPC_CREAT|IPC_EXCL) for the group", (unsigned)group->key,
	            YM_GROUP_NSEMS(spec->capacity));
	return ym_limits_explain(err, YM_OBJECT_SEMAPHORE);
}

/* USAGE is 0, READY is 0, the LOCK is ours: nobody can come in. */
static int remove_as_last(struct ym_group *group, struct ym_err *err)
{
	if (group->reg || ym_generation_attach(group, NULL) == 0)
		return ym_generation_remove(group, err);
	/* Somebody removed the registry by hand: nothing but the set is left of the group. */
	ym_sys.semctl(group->semid, 0, IPC_RMID, (union ym_semun){0});
	return 0;
}

static void forget(struct ym_group *group)
{
	ym_seg_detach(group->reg);
	group->reg = NULL;
	group->semid = -1;
}

/* Perhaps as the last: what is left is for the guardian or the next start. */
static void back_out_as_guest(struct ym_group *group)
{
	struct sembuf ops[] = {
	    {YM_GROUP_USAGE, -1, SEM_UNDO | IPC_NOWAIT},
	    {YM_GROUP_LOCK, -1, SEM_UNDO | IPC_NOWAIT},
	};

	ym_semop_until(group->semid, ops, 2, YM_NEVER);
	forget(group);
}

/*
 * A join that failed under the LOCK is a leave, too: all others may have left meanwhile, not as the last. Not `ready`: the
 * generation could not be made, and leaves no empty set behind, so that whoever waits starts a fresh one; a guest leaves
 * the half made one to those who may repair it.
 */
static void back_out(struct ym_group *group, bool ready)
{
	struct sembuf not_last[] = {
	    {YM_GROUP_USAGE, -2, SEM_UNDO | IPC_NOWAIT},
	    {YM_GROUP_USAGE, 1, SEM_UNDO},
	    {YM_GROUP_LOCK, -1, SEM_UNDO | IPC_NOWAIT},
	};
	struct sembuf the_last[] = {
	    {YM_GROUP_USAGE, -1, SEM_UNDO | IPC_NOWAIT},
	    {YM_GROUP_USAGE, 0, IPC_NOWAIT},
	    {YM_GROUP_READY, -1, IPC_NOWAIT},
	};
	bool last;
	int sys;

	/* A script may leave between the two. */
	do {
		sys = ym_semop_until(group->semid, not_last, 3, YM_NEVER);
		last = sys == EAGAIN;
		if (last)
			sys = ym_semop_until(group->semid, the_last, ready ? 3 : 2, YM_NEVER);
	} while (sys == EAGAIN);
	if (last && ready)
		remove_as_last(group, NULL);
	else if (last && group->spec.capacity)
		ym_sys.semctl(group->semid, 0, IPC_RMID, (union ym_semun){0});
	else if (last)
		ym_group_unlock(group);
	forget(group);
}

/* A free slot, or with `inherit` one whose owner is dead but not buried. 0, or the errno of the last try. */
static int search_slot(struct ym_group *group, const unsigned short *values, bool inherit)
{
	int sys = EAGAIN;

	for (unsigned i = 0; sys == EAGAIN && i < group->capacity; i++) {
		struct sembuf ops[] = {
		    {YM_GROUP_ALIVE(i), 0, IPC_NOWAIT},
		    {YM_GROUP_ALIVE(i), 1, SEM_UNDO},
		    /* Still 0, or still 1: somebody may have buried it since we looked. */
		    {YM_GROUP_DIRTY(i), inherit ? -1 : 0, IPC_NOWAIT},
		    {YM_GROUP_DIRTY(i), 1, 0},
		};

		if (values[YM_GROUP_ALIVE(i)] || (values[YM_GROUP_DIRTY(i)] > 0) != inherit)
			continue;
		sys = ym_semop_until(group->semid, ops, 4, YM_NEVER);
		group->slot = i;
	}
	return sys;
}

/* For people: who has the slot. */
static void enter_row(struct ym_group *group)
{
	struct ym_member_sh *member = &group->reg->members[group->slot];

	member->started = ym_process_started(group->pid);
	member->joined = ym_now_ns();
	memset(member->role, 0, sizeof(member->role));
	memcpy(member->role, group->spec.role, strnlen(group->spec.role, sizeof(member->role) - 1));
	atomic_store(&member->pid, group->pid);
}

/*
 * Step 4: a slot whose last owner is dead and buried. Who may repair the group takes an unburied one rather than none:
 * otherwise a table full of the dead could never be cleared up again.
 */
static int take_slot(struct ym_group *group, struct ym_err *err)
{
	unsigned short *values = calloc((size_t)YM_GROUP_NSEMS(group->capacity), sizeof(*values));
	int sys;

	if (!values)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	sys = ym_sys.semctl(group->semid, 0, GETALL, (union ym_semun){.array = values}) < 0
	          ? errno
	          : search_slot(group, values, false);
	if (sys == EAGAIN && group->spec.capacity) {
		sys = search_slot(group, values, true);
		group->inherited = sys == 0;
	}
	free(values);
	if (sys == EAGAIN)
		return ym_fail(err, YM_ERR_FULL,
		               "all %u participant slots are taken: a group needs a larger capacity (`clients` in "
		               "[yardmaster]), or "
		               "somebody who clears up after the killed, as the master does",
		               group->capacity);
	if (sys)
		return ym_fail_sys(err, sys, "semop(id %d) to take a participant slot", group->semid);
	enter_row(group);
	return 0;
}

/* Steps 2 to 5. 0 joined, 1 the generation vanished: look again, -1 error. */
static int enter_set(struct ym_group *group, uint64_t deadline, struct ym_err *err)
{
	struct sembuf join[] = {
	    {YM_GROUP_LOCK, 0, 0},
	    {YM_GROUP_LOCK, 1, SEM_UNDO},
	    {YM_GROUP_USAGE, 1, SEM_UNDO},
	};
	int sys = ym_semop_until(group->semid, join, 3, deadline), ready, result;

	if (ym_gone(sys) == EIDRM)
		return 1;
	if (sys == EAGAIN)
		return ym_fail(err, YM_ERR_TIMEOUT,
		               "process %d has held the lock of the group for too long (is it stopped?)",
		               ym_sem_pid(group->semid, YM_GROUP_LOCK));
	if (sys)
		return ym_fail_sys(err, sys, "semop(id %d) to join the group", group->semid);
	ready = ym_sem_value(group->semid, YM_GROUP_READY);
	/* Removed by hand in between. */
	if (ready < 0)
		return 1;
	group->orphan = ready == 1 && ym_sem_value(group->semid, YM_GROUP_USAGE) == 1;
	if (ready == 1)
		result = ym_generation_attach(group, err);
	else if (group->spec.capacity)
		result = ym_generation_make(group, err);
	else
		result = ym_fail(err, YM_ERR_NOT_RUNNING, "not running: the group of %s was left half made",
		                 group->spec.directory);
	if (result == 0)
		result = take_slot(group, err);
	if (result < 0 && group->guest)
		back_out_as_guest(group);
	else if (result < 0)
		back_out(group, ready == 1 || group->fresh);
	if (result < 0)
		return -1;
	ym_group_unlock(group);
	return 0;
}

/*
 * The short way into a group that is READY, unlocked and in use: steps 2, 4 and 5 in one atomic operation, which needs no
 * LOCK because there is nothing to make and somebody else keeps the group from ending. Mapping the registry would cost
 * more than all that: it waits until it is needed. True: joined.
 */
static bool join_quickly(struct ym_group *group)
{
	enum set_kind kind;

	if (ym_keyfile(group->spec.directory, YM_REGISTRY_NAME, NULL, NULL, &group->key, NULL) < 0)
		return false;
	kind = look_behind(group);
	if (kind != SET_OURS && kind != SET_SHARED)
		return false;
	for (unsigned try = 0; try < QUICK_TRIES; try++) {
		unsigned slot = ((unsigned)group->pid + try) % group->capacity;
		struct sembuf ops[] = {
		    {YM_GROUP_LOCK, 0, IPC_NOWAIT},
		    {YM_GROUP_READY, -1, IPC_NOWAIT},
		    {YM_GROUP_READY, 1, 0},
		    {YM_GROUP_USAGE, -1, SEM_UNDO | IPC_NOWAIT},
		    {YM_GROUP_USAGE, 2, SEM_UNDO},
		    {YM_GROUP_ALIVE(slot), 0, IPC_NOWAIT},
		    {YM_GROUP_DIRTY(slot), 0, IPC_NOWAIT},
		    {YM_GROUP_ALIVE(slot), 1, SEM_UNDO},
		    {YM_GROUP_DIRTY(slot), 1, 0},
		};

		if (ym_semop_until(group->semid, ops, sizeof(ops) / sizeof(ops[0]), YM_NEVER))
			continue;
		group->slot = slot;
		return true;
	}
	return false;
}

int ym_group_join(struct ym_group *group, const struct ym_group_spec *spec, struct ym_err *err)
{
	uint64_t deadline = ym_deadline(spec->patience_ms);
	int again = 1, tries = 0;

	*group = (struct ym_group){.spec = *spec, .semid = -1, .pid = getpid()};
	if (spec->capacity && (spec->mode & 0600) != 0600)
		return ym_fail(err, YM_ERR_USAGE,
		               "mode %03o does not let the maker of a group read and write: 0600 at least",
		               (unsigned)spec->mode & 0777u);
	if (strlen(spec->directory) >= YM_DIRECTORY_MAX)
		return ym_fail(err, YM_ERR_USAGE, "directory name too long: %s", spec->directory);
	if (spec->capacity > YM_GROUP_CAPACITY_MAX)
		return ym_fail(err, YM_ERR_USAGE, "a group has at most %u participants, not %u", YM_GROUP_CAPACITY_MAX,
		               spec->capacity);
	if (!group->spec.role)
		group->spec.role = "";
	if (join_quickly(group))
		return 0;
	while (again == 1) {
		if (tries++ && ym_now_ns() > deadline)
			return ym_fail(err, YM_ERR_TIMEOUT, "the group of %s keeps coming and going", spec->directory);
		again = find_set(group, deadline, err);
		if (again == 0)
			again = enter_set(group, deadline, err);
	}
	if (again < 0)
		group->semid = -1;
	return again;
}

int ym_group_registry(struct ym_group *group, struct ym_err *err)
{
	if (group->reg)
		return 0;
	if (ym_generation_attach(group, err) < 0)
		return -1;
	enter_row(group);
	return 0;
}

/* ---- leave ----------------------------------------------------------------------------------- */

/*
 * What every leave gives back besides USAGE; returns how many operations. DIRTY of an inherited slot stays: what its dead
 * owner left has not been cleared up.
 */
static size_t give_back(const struct ym_group *group, struct sembuf *ops)
{
	size_t n = 0;

	ops[n++] = (struct sembuf){YM_GROUP_ALIVE(group->slot), -1, SEM_UNDO | IPC_NOWAIT};
	if (!group->inherited)
		ops[n++] = (struct sembuf){YM_GROUP_DIRTY(group->slot), -1, IPC_NOWAIT};
	if (group->leads)
		ops[n++] = (struct sembuf){YM_GROUP_LEADER, -1, SEM_UNDO | IPC_NOWAIT};
	return n;
}

/* As if it had been killed, but for what it has cleared up itself: it could not remove anything. 0, or the errno. */
static int leave_as_guest(struct ym_group *group)
{
	struct sembuf ops[4] = {{YM_GROUP_USAGE, -1, SEM_UNDO | IPC_NOWAIT}};

	return ym_semop_until(group->semid, ops, 1 + give_back(group, ops + 1), YM_NEVER);
}

/* One try of each kind of leaving. 0 left (*last: and the door is shut behind us), or the errno of the second try. */
static int leave_once(struct ym_group *group, int *last)
{
	struct sembuf not_last[5] = {
	    {YM_GROUP_USAGE, -2, SEM_UNDO | IPC_NOWAIT},
	    {YM_GROUP_USAGE, 1, SEM_UNDO},
	};
	struct sembuf the_last[8] = {
	    {YM_GROUP_LOCK, 0, 0},
	    {YM_GROUP_LOCK, 1, SEM_UNDO},
	    {YM_GROUP_USAGE, -1, SEM_UNDO | IPC_NOWAIT},
	    {YM_GROUP_USAGE, 0, IPC_NOWAIT},
	    {YM_GROUP_READY, -1, IPC_NOWAIT},
	};
	int sys = ym_semop_until(group->semid, not_last, 2 + give_back(group, not_last + 2), YM_NEVER);

	*last = 0;
	if (sys != EAGAIN)
		return sys;
	sys = ym_semop_until(group->semid, the_last, 5 + give_back(group, the_last + 5), ym_deadline(LEAVE_ROUND_MS));
	*last = sys == 0;
	return sys;
}

/* The guardian has the registry attached until it wakes: who asks `ipcs` after the last leave shall see nothing. */
static void await_gone(int regid)
{
	uint64_t deadline = ym_deadline(GONE_PATIENCE_MS);
	struct shmid_ds ds;

	while (ym_sys.shmctl(regid, IPC_STAT, &ds) == 0 && (ds.shm_perm.mode & SHM_DEST) && ym_now_ns() < deadline)
		ym_nap(GONE_LOOK_NS);
}

int ym_group_leave(struct ym_group *group, bool *last, struct ym_err *err)
{
	uint64_t deadline = ym_deadline(group->spec.patience_ms);
	int sys = EAGAIN, final = 0, result = 0;

	if (last)
		*last = false;
	if (group->semid < 0)
		return 0;
	if (group->pid == getpid() && group->guest)
		sys = leave_as_guest(group);
	else if (group->pid == getpid())
		do
			sys = leave_once(group, &final);
		while (sys == EAGAIN && ym_now_ns() < deadline);
	/* Still inside: the caller may try again. */
	if (group->pid == getpid() && sys == EAGAIN)
		return ym_fail(err, YM_ERR_TIMEOUT, "could not leave the group in time: process %d holds its lock",
		               ym_sem_pid(group->semid, YM_GROUP_LOCK));
	if (group->pid == getpid() && sys && ym_gone(sys) != EIDRM)
		return ym_fail_sys(err, sys, "semop(id %d) to leave the group", group->semid);
	if (final)
		result = remove_as_last(group, err);
	if (last)
		*last = final;
	ym_seg_detach(group->reg);
	group->reg = NULL;
	if (final && result == 0)
		await_gone(group->regid);
	forget(group);
	return result;
}

int ym_group_abandon(struct ym_group *group, struct ym_err *err)
{
	int fd, result;

	if (group->guest || !group->reg)
		return ym_fail(err, YM_ERR_USAGE,
		               "a generation is given up by its leader, who has its registry mapped");
	if (ym_sys.semctl(group->semid, 0, IPC_RMID, (union ym_semun){0}) < 0 && ym_gone(errno) != EIDRM)
		return ym_fail_sys(err, errno, "semctl(id %d, IPC_RMID) of a generation that is given up",
		                   group->semid);
	fd = ym_generation_lock_directory(&group->spec, err);
	if (fd < 0)
		return -1;
	/* A newer generation waits until we have let go of the registry (await_detached), or has salvaged it before. */
	result = ym_generation_salvage(group, err);
	close(fd);
	return result;
}
