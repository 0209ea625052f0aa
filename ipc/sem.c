/* sem.c - PHP-compatible counting semaphores. */
#include "sem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "sys.h"

/* Who holds the LOCK member: for messages only, the process may be gone by the time it is read. */
static int lock_holder(int id)
{
	return ym_sys.semctl(id, YM_SEM_LOCK, GETPID, (union ym_semun){0});
}

static int attach(struct ym_sem *sem, int max, uint64_t deadline, struct ym_err *err)
{
	struct sembuf join[] = {
	    {YM_SEM_LOCK, 0, 0},
	    {YM_SEM_LOCK, 1, SEM_UNDO},
	    {YM_SEM_USAGE, 1, SEM_UNDO},
	};
	struct sembuf unlock = {YM_SEM_LOCK, -1, SEM_UNDO};
	int sys = ym_semop_until(sem->id, join, 3, deadline), usage;

	if (sys == EAGAIN)
		return ym_fail(err, YM_ERR_TIMEOUT,
		               "semaphore 0x%x: process %d has been attaching for too long (is it stopped?)",
		               (unsigned)sem->key, lock_holder(sem->id));
	if (sys)
		return ym_fail_sys(err, sys, "semop(id %d) to attach to semaphore 0x%x", sem->id, (unsigned)sem->key);
	usage = ym_sys.semctl(sem->id, YM_SEM_USAGE, GETVAL, (union ym_semun){0});
	sem->alone = usage == 1;
	if (sem->alone && ym_sys.semctl(sem->id, YM_SEM_VALUE, SETVAL, (union ym_semun){.val = max}) < 0) {
		sys = errno;
		ym_fail_sys(err, sys, "semctl(id %d, SETVAL %d) on semaphore 0x%x", sem->id, max, (unsigned)sem->key);
		ym_sys.semtimedop(sem->id,
		                  (struct sembuf[]){{YM_SEM_USAGE, -1, SEM_UNDO | IPC_NOWAIT},
		                                    {YM_SEM_LOCK, -1, SEM_UNDO | IPC_NOWAIT}},
		                  2, NULL);
		return -1;
	}
	sys = ym_semop_until(sem->id, &unlock, 1, YM_NEVER);
	if (sys)
		return ym_fail_sys(err, sys, "semop(id %d) after attaching to semaphore 0x%x", sem->id,
		                   (unsigned)sem->key);
	return 0;
}

int ym_sem_get(struct ym_sem *sem, key_t key, int max, mode_t mode, uint64_t deadline, struct ym_err *err)
{
	struct ym_err unheard;

	if (max < 0 || max > YM_SEM_MAX)
		return ym_fail(err, YM_ERR_USAGE, "a semaphore holds 0 to %d units, not %d", YM_SEM_MAX, max);
	if (key == IPC_PRIVATE)
		return ym_fail(err, YM_ERR_USAGE, "key 0 is IPC_PRIVATE: it names no semaphore that others could find");
	*sem = (struct ym_sem){.key = key, .id = -1, .pid = getpid()};
	if (!err)
		err = &unheard;
	for (;;) {
		sem->id = ym_sys.semget(key, YM_SEM_MEMBERS, IPC_CREAT | (int)(mode & 0777));
		if (sem->id < 0) {
			if (errno == EINVAL)
				return ym_fail(
				    err, YM_ERR_FOREIGN,
				    "semget(key 0x%x, 3 members): the set behind this key has fewer "
				    "than 3 members, so it is no semaphore of PHP's kind: choose another key",
				    (unsigned)key);
			return ym_fail_sys(err, errno, "semget(key 0x%x, 3 members, mode %o)", (unsigned)key,
			                   (unsigned)mode);
		}
		if (attach(sem, max, deadline, err) == 0)
			return 0;
		/* Removed between the two calls: the next semget makes a new one. */
		if ((err->sys == EIDRM || err->sys == EINVAL) && ym_now_ns() < deadline)
			continue;
		return -1;
	}
}

int ym_sem_try(struct ym_sem *sem, struct ym_err *err)
{
	struct sembuf take = {YM_SEM_VALUE, -1, SEM_UNDO | IPC_NOWAIT};
	int sys = ym_semop_until(sem->id, &take, 1, YM_NEVER);

	if (sys == EAGAIN)
		return 1;
	if (sys)
		return ym_fail_sys(err, sys, "semop(id %d) to take a unit of semaphore 0x%x", sem->id,
		                   (unsigned)sem->key);
	sem->held++;
	return 0;
}

int ym_sem_acquire(struct ym_sem *sem, uint64_t deadline, struct ym_err *err)
{
	struct sembuf take = {YM_SEM_VALUE, -1, SEM_UNDO};
	int sys = ym_semop_until(sem->id, &take, 1, deadline);

	if (sys == EAGAIN)
		return ym_fail(err, YM_ERR_TIMEOUT, "no unit of semaphore 0x%x became free in time",
		               (unsigned)sem->key);
	if (sys)
		return ym_fail_sys(err, sys, "semop(id %d) to take a unit of semaphore 0x%x", sem->id,
		                   (unsigned)sem->key);
	sem->held++;
	return 0;
}

int ym_sem_release(struct ym_sem *sem, struct ym_err *err)
{
	struct sembuf give = {YM_SEM_VALUE, 1, SEM_UNDO};
	int sys;

	if (sem->held == 0)
		return ym_fail(err, YM_ERR_USAGE, "semaphore 0x%x: this handle holds no unit to release",
		               (unsigned)sem->key);
	sys = ym_semop_until(sem->id, &give, 1, YM_NEVER);
	if (sys)
		return ym_fail_sys(err, sys, "semop(id %d) to give back a unit of semaphore 0x%x", sem->id,
		                   (unsigned)sem->key);
	sem->held--;
	return 0;
}

void ym_sem_close(struct ym_sem *sem)
{
	/* NOWAIT: if somebody reset USAGE behind our back, leaving must not hang (PHP's own destructor does). */
	struct sembuf ops[] = {
	    {YM_SEM_USAGE, -1, SEM_UNDO | IPC_NOWAIT},
	    {YM_SEM_VALUE, (short)sem->held, SEM_UNDO},
	};

	if (sem->id >= 0 && sem->pid == getpid())
		ym_semop_until(sem->id, ops, sem->held ? 2 : 1, YM_NEVER);
	sem->id = -1;
	sem->held = 0;
}

int ym_sem_stat(int id, struct ym_sem_stat *stat, struct ym_err *err)
{
	struct semid_ds ds = {0};

	memset(stat, 0, sizeof(*stat));
	if (ym_sys.semctl(id, 0, IPC_STAT, (union ym_semun){.buf = &ds}) < 0)
		return ym_fail_sys(err, errno, "semctl(id %d, IPC_STAT)", id);
	stat->value = ym_sys.semctl(id, YM_SEM_VALUE, GETVAL, (union ym_semun){0});
	stat->usage = ym_sys.semctl(id, YM_SEM_USAGE, GETVAL, (union ym_semun){0});
	stat->locked = ym_sys.semctl(id, YM_SEM_LOCK, GETVAL, (union ym_semun){0});
	stat->waiters = ym_sys.semctl(id, YM_SEM_VALUE, GETNCNT, (union ym_semun){0});
	stat->last = ym_sys.semctl(id, YM_SEM_VALUE, GETPID, (union ym_semun){0});
	if (stat->value < 0 || stat->usage < 0 || stat->locked < 0 || stat->waiters < 0 || stat->last < 0)
		return ym_fail_sys(err, errno, "semctl(id %d, GETVAL): the set went away while it was read", id);
	stat->uid = ds.sem_perm.uid;
	stat->mode = ds.sem_perm.mode & 0777;
	return 0;
}

int ym_sem_resize(struct ym_sem *sem, int delta, uint64_t deadline, struct ym_err *err)
{
	struct sembuf change = {YM_SEM_VALUE, (short)delta, 0};
	int sys;

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
		return ym_fail_sys(err, sys, "semop(id %d, %+d) to resize semaphore 0x%x", sem->id, delta,
		                   (unsigned)sem->key);
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
	size_t skip = own ? 0 : 1;
	int sys = ym_semop_until(id, claim + skip, 4 - skip, YM_NEVER);

	if (sys == EIDRM || sys == EINVAL)
		return 0;
	if (sys == EAGAIN)
		return 1;
	if (sys)
		return ym_fail_sys(err, sys, "semop(id %d) to see whether the semaphore is unused", id);
	if (ym_sys.semctl(id, 0, IPC_RMID, (union ym_semun){0}) < 0 && errno != EIDRM && errno != EINVAL)
		return ym_fail_sys(err, errno, "semctl(id %d, IPC_RMID) to remove an unused semaphore", id);
	return 0;
}
