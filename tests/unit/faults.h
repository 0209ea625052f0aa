/*
 * faults.h - make the N-th System V call of this process fail, or be its last.
 *
 * Install it in a forked child: the pointers of ym_sys are replaced for good.
 */
#ifndef YM_TESTS_FAULTS_H
#define YM_TESTS_FAULTS_H

#include "support.h"

static struct {
	struct ym_sys real;
	int calls;                       /* made so far */
	int at;                          /* the call that is hit, from 1 */
	int sys;                         /* its errno; 0: the process is killed instead, before the call */
	int (*choose)(const char *call); /* if set: gives the errno by the name of the call; 0: let it pass */
} faults;

static inline bool fault_here(const char *call)
{
	int sys = faults.sys;

	if (++faults.calls != faults.at)
		return false;
	if (faults.choose) {
		sys = faults.choose(call);
		if (sys == 0)
			return false;
	} else if (sys == 0) {
		kill(getpid(), SIGKILL);
	}
	errno = sys;
	return true;
}

static inline int faulty_semget(key_t key, int nsems, int flags)
{
	return fault_here("semget") ? -1 : faults.real.semget(key, nsems, flags);
}
static inline int faulty_semtimedop(int id, struct sembuf *ops, size_t nops, const struct timespec *timeout)
{
	return fault_here("semtimedop") ? -1 : faults.real.semtimedop(id, ops, nops, timeout);
}
static inline int faulty_semctl(int id, int member, int cmd, union ym_semun arg)
{
	return fault_here("semctl") ? -1 : faults.real.semctl(id, member, cmd, arg);
}
static inline int faulty_shmget(key_t key, size_t size, int flags)
{
	return fault_here("shmget") ? -1 : faults.real.shmget(key, size, flags);
}
static inline void *faulty_shmat(int id, const void *addr, int flags)
{
	return fault_here("shmat") ? (void *)-1 : faults.real.shmat(id, addr, flags);
}
static inline int faulty_shmdt(const void *addr)
{
	return fault_here("shmdt") ? -1 : faults.real.shmdt(addr);
}
static inline int faulty_shmctl(int id, int cmd, struct shmid_ds *buf)
{
	return fault_here("shmctl") ? -1 : faults.real.shmctl(id, cmd, buf);
}
static inline int faulty_msgget(key_t key, int flags)
{
	return fault_here("msgget") ? -1 : faults.real.msgget(key, flags);
}
static inline int faulty_msgsnd(int id, const void *msg, size_t size, int flags)
{
	return fault_here("msgsnd") ? -1 : faults.real.msgsnd(id, msg, size, flags);
}
static inline ssize_t faulty_msgrcv(int id, void *msg, size_t size, long type, int flags)
{
	return fault_here("msgrcv") ? -1 : faults.real.msgrcv(id, msg, size, type, flags);
}
static inline int faulty_msgctl(int id, int cmd, struct msqid_ds *buf)
{
	return fault_here("msgctl") ? -1 : faults.real.msgctl(id, cmd, buf);
}

/* From now on, call number `at` fails with `sys`, or kills us when that is 0. */
static inline void arm_fault(int at, int sys)
{
	if (!faults.real.semget)
		faults.real = ym_sys;
	faults.calls = 0;
	faults.at = at;
	faults.sys = sys;
	ym_sys = (struct ym_sys){
	    .semget = faulty_semget,
	    .semtimedop = faulty_semtimedop,
	    .semctl = faulty_semctl,
	    .shmget = faulty_shmget,
	    .shmat = faulty_shmat,
	    .shmdt = faulty_shmdt,
	    .shmctl = faulty_shmctl,
	    .msgget = faulty_msgget,
	    .msgsnd = faulty_msgsnd,
	    .msgrcv = faulty_msgrcv,
	    .msgctl = faulty_msgctl,
	};
}

/* Was there a call number `at` at all? A sweep ends when not. */
static inline bool fault_hit(void)
{
	return faults.calls >= faults.at;
}

#endif
