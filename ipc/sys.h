/*
 * sys.h - the system calls that ipc/ makes, behind pointers.
 *
 * Every other file of ipc/ calls the kernel through ym_sys, so that a test can make the N-th call fail with any
 * errno, or stop between two calls, without touching the code under test. Outside tests nobody writes to it.
 */
#ifndef YM_IPC_SYS_H
#define YM_IPC_SYS_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>

#include "clock.h"

/* semctl's fourth argument; the application has to declare it (semctl(2)). */
union ym_semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

struct ym_sys {
	int (*semget)(key_t key, int nsems, int flags);
	int (*semtimedop)(int id, struct sembuf *ops, size_t nops, const struct timespec *timeout);
	int (*semctl)(int id, int member, int cmd, union ym_semun arg);
	int (*shmget)(key_t key, size_t size, int flags);
	void *(*shmat)(int id, const void *addr, int flags);
	int (*shmdt)(const void *addr);
	int (*shmctl)(int id, int cmd, struct shmid_ds *buf);
	int (*msgget)(key_t key, int flags);
	int (*msgsnd)(int id, const void *msg, size_t size, int flags);
	ssize_t (*msgrcv)(int id, void *msg, size_t size, long type, int flags);
	int (*msgctl)(int id, int cmd, struct msqid_ds *buf);
};

extern struct ym_sys ym_sys;

/*
 * For calls on an id whose other arguments are right: EINVAL means that the object was removed before the call, EIDRM
 * that it was removed during the call. Both are EIDRM for those who want to know.
 */
static inline int ym_gone(int sys)
{
	return sys == EINVAL ? EIDRM : sys;
}

/* Value of a semaphore, pid of its last operation; -1 if the set is gone. */
static inline int ym_sem_value(int semid, unsigned member)
{
	return ym_sys.semctl(semid, (int)member, GETVAL, (union ym_semun){0});
}
static inline int ym_sem_pid(int semid, unsigned member)
{
	return ym_sys.semctl(semid, (int)member, GETPID, (union ym_semun){0});
}

/* Sleep `ns` (below a second) between two looks at something that cannot be waited for. */
static inline void ym_nap(long ns)
{
	const struct timespec time = {.tv_nsec = ns};

	nanosleep(&time, NULL);
}

/*
 * semtimedop() until `deadline`, going on after EINTR with the time that is left.
 * 0, or the errno: EAGAIN when the deadline passed or an IPC_NOWAIT operation could not proceed.
 */
int ym_semop_until(int id, struct sembuf *ops, size_t nops, uint64_t deadline);

/* The same, but a signal ends it: EINTR. */
int ym_semop_or_signal(int id, struct sembuf *ops, size_t nops, uint64_t deadline);

/* Milliseconds since 1970: what people mean by a time of day. It can be set. */
static inline int64_t ym_unix_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

#endif
