/*
 * sem.h - counting semaphores with the layout of PHP's sysvsem.
 *
 * One semaphore is one System V set of three members (a set with more is accepted, the rest is not touched):
 *
 *   member  name    holds                                          changed by
 *   0       VALUE   free units                                     -1 acquire, +1 release, always with SEM_UNDO
 *   1       USAGE   attached handles, in all processes             +1 get, -1 close, always with SEM_UNDO
 *   2       LOCK    1 while somebody attaches and may set VALUE    +1/-1 with SEM_UNDO
 *
 * The handle that finds itself alone (USAGE 1) sets VALUE to `max`; later ones leave it as it is: that is what PHP
 * does, so stock PHP scripts share the semaphore by its key. Everything a process changed is undone by the kernel
 * when it dies, however it dies.
 *
 * A handle belongs to the process that made it: after fork() the child's close gives nothing back (the kernel did
 * not copy the undo list, so it must not). An explicit release in the child works until the child ends: its undo
 * takes the unit back then, so that the parent's own release or death leaves the right number.
 * Handles are not safe to share between threads without a lock.
 *
 * Several units can be taken in one step, all or none. The kernel hands units that come back to the processes that wait,
 * in the order in which they began; but one that wants few may pass one that wants more than are free, so a request for
 * many can wait long behind a stream of small ones. A process can have at most 32767 units of one semaphore, all its
 * handles together (its undo is a short): more is YM_ERR_LIMIT.
 *
 * Whatever is done with a set that was removed fails with YM_ERR_GONE, except removing it once more.
 */
#ifndef YM_IPC_SEM_H
#define YM_IPC_SEM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/types.h>

#include "clock.h"
#include "error.h"

enum ym_sem_member { YM_SEM_VALUE, YM_SEM_USAGE, YM_SEM_LOCK, YM_SEM_MEMBERS };

#define YM_SEM_MAX 32767 /* SEMVMX */

/* Beside the permissions in a `mode`: the semaphore is not made if it is missing, that is YM_ERR_NO. */
#define YM_SEM_EXISTING 0x10000

struct ym_sem {
	key_t key;
	int id;
	pid_t pid;     /* whose handle this is */
	unsigned held; /* units acquired through this handle */
	bool alone;    /* this handle was the only one when it attached, so `max` was applied */
};

struct ym_sem_stat {
	int value;   /* free units                       */
	int usage;   /* attached handles                 */
	int waiters; /* processes sleeping for a unit    */
	int locked;  /* 1 while somebody attaches        */
	pid_t last;  /* last process that changed VALUE  */
	uid_t uid, cuid;
	mode_t mode;
	unsigned members; /* 3, or more in a group's set */
};

/*
 * Attach to the semaphore of `key`, making it if missing (PHP: sem_get). `max` is 0..32767, `mode` like 0600.
 * Waits until `deadline` (ym_deadline()) for a process that is attaching right now: YM_ERR_TIMEOUT names it. Close with
 * ym_sem_close(), which is safe after a failure, too. A set that was made by a call that fails is removed again.
 */
YM_API int ym_sem_get(struct ym_sem *sem, key_t key, int max, mode_t mode, uint64_t deadline, struct ym_err *err);

/*
 * Take one unit (PHP: sem_acquire). try: 0 taken, 1 none free, -1 error. acquire: 0 taken, -1 with YM_ERR_TIMEOUT or
 * another error. release (PHP: sem_release): error if this handle holds no unit.
 */
YM_API int ym_sem_try(struct ym_sem *sem, struct ym_err *err);
YM_API int ym_sem_acquire(struct ym_sem *sem, uint64_t deadline, struct ym_err *err);
YM_API int ym_sem_release(struct ym_sem *sem, struct ym_err *err);

/*
 * The same with 1 to 32767 units at once, all or none. How many there are in all is not known here: to wait for more
 * than that is to wait until the deadline, or until somebody adds some.
 */
YM_API int ym_sem_try_units(struct ym_sem *sem, unsigned units, struct ym_err *err);
YM_API int ym_sem_acquire_units(struct ym_sem *sem, unsigned units, uint64_t deadline, struct ym_err *err);
YM_API int ym_sem_release_units(struct ym_sem *sem, unsigned units, struct ym_err *err);

/*
 * acquire for those who have to look at something when a signal comes: 1 then, and nothing was taken. A signal that
 * comes just before the call is slept over, so it has to be sent again and again until it is heard.
 */
YM_API int ym_sem_wait_units(struct ym_sem *sem, unsigned units, uint64_t deadline, struct ym_err *err);

/* Leave: give back held units and the USAGE count. Does nothing in a forked child. The set stays. */
YM_API void ym_sem_close(struct ym_sem *sem);

/* Numbers as they are now; needs read permission. */
YM_API int ym_sem_stat(int id, struct ym_sem_stat *stat, struct ym_err *err);

/* Add `delta` units for good (no undo, not SETVAL: that would clear everybody's undo). Waits like acquire to shrink. */
YM_API int ym_sem_resize(struct ym_sem *sem, int delta, uint64_t deadline, struct ym_err *err);

/* The id of the semaphore of `key` if there is one, without attaching. 0, or -1: YM_ERR_NO, YM_ERR_FOREIGN, ... */
YM_API int ym_sem_find(key_t key, int *id, struct ym_err *err);

/*
 * Remove the set under everybody (PHP: sem_remove): who waits or holds gets YM_ERR_GONE. 0 also if it was gone already.
 */
YM_API int ym_sem_remove(int id, struct ym_err *err);

/*
 * Remove the set if no handle is attached but ours (`own` = 1) or none at all (`own` = 0).
 * 0 removed or gone already, 1 in use (left alone), -1 error.
 */
YM_API int ym_sem_remove_unused(int id, int own, struct ym_err *err);

#endif
