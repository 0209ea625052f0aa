/* sem.c - PHP-compatible counting semaphores. */
#include "sem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "limits.h"
#include "sys.h"

static int private_key(struct ym_err *err)
{
	return ym_fail(err, YM_ERR_USAGE, "key 0 is IPC_PRIVATE: it names no semaphore that others could find");
}

static int fewer_members(key_t key, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_FOREIGN,
	               "semget(key 0x%x, 3 members): the set behind this key has fewer than 3 members, so it is no "
	               "semaphore of PHP's kind: choose another key",
	               (unsigned)key);
}

static int call_failed(const struct ym_sem *sem, int sys, const char *purpose, struct ym_err *err)
{
	return ym_fail_sys(err, ym_gone(sys), "semop(id %d) to %s semaphore 0x%x", sem->id, purpose,
	                   (unsigned)sem->key);
}

static int lock_timeout(const struct ym_sem *sem, struct ym_err *err)
{
	int holder = ym_sem_pid(sem->id, YM_SEM_LOCK);

	if (holder <= 0)
		return ym_fail(err, YM_ERR_TIMEOUT,
		               "semaphore 0x%x (id %d): somebody is attaching to it and did not finish in time",
		               (unsigned)sem->key, sem->id);
	return ym_fail(err, YM_ERR_TIMEOUT,
	               "semaphore 0x%x (id %d): process %d is attaching to it and did not finish in time: is it "
	               "stopped? Let it go on (kill -CONT %d) or end it",
	               (unsigned)sem->key, sem->id, holder, holder);
}

/* Under LOCK: the sole user decides how many units there are. */
static int apply_max(struct ym_sem *sem, int max, struct ym_err *err)
{
	int usage = ym_sem_value(sem->id, YM_SEM_USAGE);

	if (usage < 0)
		return ym_fail_sys(err, ym_gone(errno), "semctl(id %d, USAGE, GETVAL) of semaphore 0x%x", sem->id,
		                   (unsigned)sem->key);
	sem->alone = usage == 1;
	if (sem->alone && ym_sys.semctl(sem->id, YM_SEM_VALUE, SETVAL, (union ym_semun){.val = max}) < 0)
		return ym_fail_sys(err, ym_gone(errno), "semctl(id %d, VALUE, SETVAL %d) of semaphore 0x%x", sem->id,
		                   max, (unsigned)sem->key);
	return 0;
}

static int attach(struct ym_sem *sem, int max, uint64_t deadline, struct ym_err *err)
{
	struct sembuf join[] = {
	    {YM_SEM_LOCK, 0, 0},
	    {YM_SEM_LOCK, 1, SEM_UNDO},
	    {YM_SEM_USAGE, 1, SEM_UNDO},
	};
	/* NOWAIT: somebody may have reset the LOCK by hand, which must not make us wait for ever. */
	struct sembuf leave[] = {
	    {YM_SEM_LOCK, -1, SEM_UNDO | IPC_NOWAIT},
	    {YM_SEM_USAGE, -1, SEM_UNDO | IPC_NOWAIT},
	};
	int sys = ym_semop_until(sem->id, join, 3, deadline), result;

	if (sys == EAGAIN)
		return lock_timeout(sem, err);
	if (sys)
		return call_failed(sem, sys, "attach to", err);
	result = apply_max(sem, max, err);
	if (result == 0) {
		sys = ym_semop_until(sem->id, leave, 1, YM_NEVER);
		if (sys && sys != EAGAIN)
			result = call_failed(sem, sys, "end attaching to", err);
	}
	if (result < 0)
		ym_semop_until(sem->id, leave, 2, YM_NEVER);
	return result;
}

/* The set of a key, made if there is none: `made` tells who has to remove it if nothing comes of it. */
static int find_or_make(struct ym_sem *sem, mode_t mode, bool *made, struct ym_err *err)
{
	for (;;) {
		*made = false;
		sem->id = ym_sys.semget(sem->key, YM_SEM_MEMBERS, (int)(mode & 0777));
		if (sem->id >= 0)
			return 0;
		if (errno == EINVAL)
			return fewer_members(sem->key, err);
		if (errno != ENOENT)
			return ym_fail_sys(err, errno, "semget(key 0x%x, 3 members, mode %o)", (unsigned)sem->key,
			                   (unsigned)mode);
		if (mode & YM_SEM_EXISTING)
			return ym_fail(err, YM_ERR_NO,
			               "there is no semaphore behind key 0x%x (somebody removed it?), and it is not "
			               "for this process to make it",
			               (unsigned)sem->key);
		*made = true;
		sem->id = ym_sys.semget(sem->key, YM_SEM_MEMBERS, IPC_CREAT | IPC_EXCL | (int)(mode & 0777));
		if (sem->id >= 0)
			return 0;
		if (errno == EEXIST)
			continue;
		if (errno == EINVAL)
			return ym_fail(err, YM_ERR_LIMIT,
			               "semget(key 0x%x, 3 members, IPC_CREAT|IPC_EXCL): the first number of the "
			               "sysctl kernel.sem (members a set may have) is less than 3",
			               (unsigned)sem->key);
		ym_fail_sys(err, errno, "semget(key 0x%x, 3 members, IPC_CREAT|IPC_EXCL, mode %o)", (unsigned)sem->key,
		            (unsigned)mode);
		return ym_limits_explain(err, YM_OBJECT_SEMAPHORE);
	}
}

int ym_sem_get(struct ym_sem *sem, key_t key, int max, mode_t mode, uint64_t deadline, struct ym_err *err)
{
	struct ym_err unheard;
	bool made;

	*sem = (struct ym_sem){.key = key, .id = -1, .pid = getpid()};
	if (max < 0 || max > YM_SEM_MAX)
		return ym_fail(err, YM_ERR_USAGE, "a semaphore holds 0 to %d units, not %d", YM_SEM_MAX, max);
	if (key == IPC_PRIVATE)
		return private_key(err);
	if ((mode & 0600) != 0600)
		return ym_fail(err, YM_ERR_USAGE,
		               "mode %03o does not let the owner of a semaphore use it: 0600 at least",
		               (unsigned)mode & 0777u);
	if (!err)
		err = &unheard;
	for (;;) {
		if (find_or_make(sem, mode, &made, err) < 0)
			return -1;
		if (attach(sem, max, deadline, err) == 0)
			return 0;
		if (made)
			ym_sem_remove_unused(sem->id, 0, NULL);
		sem->id = -1;
		/* Removed between the two calls: the next semget makes a new one. */
		if (err->sys != EIDRM || ym_now_ns() >= deadline)
			return -1;
	}
}

int ym_sem_find(key_t key, int *id, struct ym_err *err)
{
	if (key == IPC_PRIVATE)
		return private_key(err);
	*id = ym_sys.semget(key, YM_SEM_MEMBERS, 0);
	if (*id >= 0)
		return 0;
	if (errno == EINVAL)
		return fewer_members(key, err);
	if (errno == ENOENT)
		return ym_fail(err, YM_ERR_NO, "there is no semaphore of key 0x%x", (unsigned)key);
	return ym_fail_sys(err, errno, "semget(key 0x%x, 3 members, 0)", (unsigned)key);
}

static int not_open(const struct ym_sem *sem, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_USAGE, "this handle of semaphore 0x%x is not open, or not any more",
	               (unsigned)sem->key);
}

/* May `units` be taken through this handle? The operation that takes them. */
static int prepare(const struct ym_sem *sem, unsigned units, short flags, struct sembuf *take, struct ym_err *err)
{
	if (sem->id < 0)
		return not_open(sem, err);
	if (units < 1 || units > YM_SEM_MAX)
		return ym_fail(err, YM_ERR_USAGE, "semaphore 0x%x: 1 to %d units can be taken at once, not %u",
		               (unsigned)sem->key, YM_SEM_MAX, units);
	*take = (struct sembuf){YM_SEM_VALUE, (short)-(int)units, (short)(SEM_UNDO | flags)};
	return 0;
}

static int taken(struct ym_sem *sem, unsigned units, int sys, struct ym_err *err)
{
	if (sys)
		return ym_fail_sys(err, ym_gone(sys), "semop(id %d) to take %u of the units of semaphore 0x%x", sem->id,
		                   units, (unsigned)sem->key);
	sem->held += units;
	return 0;
}

int ym_sem_try_units(struct ym_sem *sem, unsigned units, struct ym_err *err)
{
	struct sembuf take;
	int sys;

	if (prepare(sem, units, IPC_NOWAIT, &take, err) < 0)
		return -1;
	sys = ym_semop_until(sem->id, &take, 1, YM_NEVER);
	return sys == EAGAIN ? 1 : taken(sem, units, sys, err);
}

int ym_sem_wait_units(struct ym_sem *sem, unsigned units, uint64_t deadline, struct ym_err *err)
{
	struct sembuf take;
	int sys;

	if (prepare(sem, units, 0, &take, err) < 0)
		return -1;
	/* Free units need not cost a look at the clock. */
	if (deadline != YM_NEVER) {
		int result = ym_sem_try_units(sem, units, err);

		if (result != 1)
			return result;
	}
	sys = ym_semop_or_signal(sem->id, &take, 1, deadline);
	if (sys == EINTR)
		return 1;
	if (sys == EAGAIN)
		return ym_fail(err, YM_ERR_TIMEOUT, "%u unit%s of semaphore 0x%x did not become free in time", units,
		               units == 1 ? "" : "s", (unsigned)sem->key);
	return taken(sem, units, sys, err);
}

int ym_sem_acquire_units(struct ym_sem *sem, unsigned units, uint64_t deadline, struct ym_err *err)
{
	int result;

	do
		result = ym_sem_wait_units(sem, units, deadline, err);
	while (result == 1);
	return result;
}

int ym_sem_release_units(struct ym_sem *sem, unsigned units, struct ym_err *err)
{
	struct sembuf give = {YM_SEM_VALUE, (short)units, SEM_UNDO};
	int sys;

	if (units < 1 || units > sem->held)
		return ym_fail(err, YM_ERR_USAGE, "semaphore 0x%x: this handle holds %u units, it cannot release %u",
		               (unsigned)sem->key, sem->held, units);
	sys = ym_semop_until(sem->id, &give, 1, YM_NEVER);
	if (sys)
		return call_failed(sem, sys, "give back units of", err);
	sem->held -= units;
	return 0;
}

int ym_sem_try(struct ym_sem *sem, struct ym_err *err)
{
	return ym_sem_try_units(sem, 1, err);
}

int ym_sem_acquire(struct ym_sem *sem, uint64_t deadline, struct ym_err *err)
{
	return ym_sem_acquire_units(sem, 1, deadline, err);
}

int ym_sem_release(struct ym_sem *sem, struct ym_err *err)
{
	return ym_sem_release_units(sem, 1, err);
}

void ym_sem_close(struct ym_sem *sem)
{
	/* NOWAIT: if somebody reset USAGE behind our back, leaving must not hang (PHP's own destructor does). */
	struct sembuf ops[] = {
	    {YM_SEM_USAGE, -1, SEM_UNDO | IPC_NOWAIT},
	    {YM_SEM_VALUE, (short)sem->held, SEM_UNDO},
	};

	if (sem->id >= 0 && sem->pid == getpid() && ym_semop_until(sem->id, ops, sem->held ? 2 : 1, YM_NEVER) != 0) {
		/* Both at once are refused when one is: then at least the other. */
		ym_semop_until(sem->id, &ops[0], 1, YM_NEVER);
		if (sem->held)
			ym_semop_until(sem->id, &ops[1], 1, YM_NEVER);
	}
	sem->id = -1;
	sem->held = 0;
}

int ym_sem_stat(int id, struct ym_sem_stat *stat, struct ym_err *err)
{
	const struct {
		int *to;
		int member;
		int cmd;
	} numbers[] = {
	    {&stat->value, YM_SEM_VALUE, GETVAL}, {&stat->usage, YM_SEM_USAGE, GETVAL},
	    {&stat->locked, YM_SEM_LOCK, GETVAL}, {&stat->waiters, YM_SEM_VALUE, GETNCNT},
	    {&stat->last, YM_SEM_VALUE, GETPID},
	};
	struct semid_ds ds = {0};

	memset(stat, 0, sizeof(*stat));
	if (ym_sys.semctl(id, 0, IPC_STAT, (union ym_semun){.buf = &ds}) < 0)
		return ym_fail_sys(err, ym_gone(errno), "semctl(id %d, IPC_STAT)", id);
	if (ds.sem_nsems < YM_SEM_MEMBERS)
		return ym_fail(err, YM_ERR_FOREIGN, "set id %d has %lu members, a semaphore of PHP's kind at least %d",
		               id, ds.sem_nsems, YM_SEM_MEMBERS);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		*numbers[i].to = ym_sys.semctl(id, numbers[i].member, numbers[i].cmd, (union ym_semun){0});
		if (*numbers[i].to < 0)
			return ym_fail_sys(err, ym_gone(errno), "semctl(id %d, member %d) to read a semaphore", id,
			                   numbers[i].member);
	}
	stat->uid = ds.sem_perm.uid;
	stat->cuid = ds.sem_perm.cuid;
	stat->mode = ds.sem_perm.mode & 0777;
	stat->members = (unsigned)ds.sem_nsems;
	return 0;
}

int ym_sem_resize(struct ym_sem *sem, int delta, uint64_t deadline, struct ym_err *err)
{
	struct sembuf change = {YM_SEM_VALUE, (short)delta, 0};
	int sys;

	if (sem->id < 0)
		return not_open(sem, err);
	if (delta == 0)
		return 0;
	if (delta < -YM_SEM_MAX || delta > YM_SEM_MAX)
		return ym_fail(err, YM_ERR_USAGE, "a semaphore cannot change by %d units", delta);
	sys = ym_semop_until(sem->id, &change, 1, deadline);
	if (sys == EAGAIN)
		return ym_fail(err, YM_ERR_TIMEOUT,
		               "semaphore 0x%x: %d units are in use and did not become free in time",
		               (unsigned)sem->key, -delta);
	if (sys)
		return ym_fail_sys(err, ym_gone(sys), "semop(id %d, %+d) to resize semaphore 0x%x", sem->id, delta,
		                   (unsigned)sem->key);
	return 0;
}

int ym_sem_remove(int id, struct ym_err *err)
{
	if (ym_sys.semctl(id, 0, IPC_RMID, (union ym_semun){0}) < 0 && ym_gone(errno) != EIDRM)
		return ym_fail_sys(err, errno, "semctl(id %d, IPC_RMID) to remove a semaphore", id);
	return 0;
}

int ym_sem_remove_unused(int id, int own, struct ym_err *err)
{
	/* The LOCK keeps newcomers out from the look at USAGE to the removal; they get EIDRM and start anew. */
	struct sembuf claim[] = {
	    {YM_SEM_USAGE, (short)-own, SEM_UNDO | IPC_NOWAIT},
	    {YM_SEM_USAGE, 0, IPC_NOWAIT},
	    {YM_SEM_LOCK, 0, IPC_NOWAIT},
	    {YM_SEM_LOCK, 1, SEM_UNDO | IPC_NOWAIT},
	};
	struct sembuf restore[] = {
	    {YM_SEM_LOCK, -1, SEM_UNDO | IPC_NOWAIT},
	    {YM_SEM_USAGE, (short)own, SEM_UNDO},
	};
	size_t skip = own ? 0 : 1;
	int sys = ym_semop_until(id, claim + skip, 4 - skip, YM_NEVER);

	if (ym_gone(sys) == EIDRM)
		return 0;
	if (sys == EAGAIN)
		return 1;
	if (sys)
		return ym_fail_sys(err, sys, "semop(id %d) to see whether the semaphore is unused", id);
	if (ym_sem_remove(id, err) == 0)
		return 0;
	ym_semop_until(id, restore, 2 - skip, YM_NEVER);
	return -1;
}
