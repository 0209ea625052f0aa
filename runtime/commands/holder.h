/*
 * holder.h - units of a semaphore: taken by this process, or held in the background by a process of its own.
 *
 * The holder is `yardmaster holder KEY OWNER STARTED MAX MODE TIMEOUT UNITS` in a session of its own. What it took is given
 * back by the kernel when it ends, and it ends
 *   - when holder_end() kills it,
 *   - when its owner (a process, known by pid and start time) ends,
 *   - when the semaphore is removed,
 *   - while it still waits: when the process that started it ends.
 * So there is nothing to clean up, however anybody dies. Once it holds its unit its name in /proc/PID/comm changes: who
 * waits is never taken for one who holds.
 */
#ifndef YM_RUNTIME_COMMANDS_HOLDER_H
#define YM_RUNTIME_COMMANDS_HOLDER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../ipc/sem.h"

/* Attaching waits for others who attach, which takes them microseconds; a time limit for a unit is not about them. */
#define UNIT_ATTACH_MS 2000

/* How to get units. */
struct unit_wish {
	key_t key;
	int max; /* units there are, for the sole user */
	unsigned units;
	mode_t mode;
	int64_t timeout_ms; /* 0: take one that is free or none; negative: wait for ever */
};

/* Attach and take them all at once, for as long as this process lives. 0, or -1: YM_ERR_NO, YM_ERR_TIMEOUT, YM_ERR_GONE, ... */
int unit_take(struct ym_sem *sem, const struct unit_wish *wish, struct ym_err *err);

struct holder {
	pid_t pid, owner;
	unsigned units;
	uint64_t started, owner_started; /* as ym_process_started() */
};

/* Start a holder for `owner`; returns its pid when the unit is held, or -1 with the errors of unit_take(). */
pid_t holder_start(const struct unit_wish *wish, pid_t owner, struct ym_err *err);

/* Our user's processes that hold a unit of `key` in this IPC namespace, newest first; *list is to be freed. */
int holder_list(key_t key, struct holder **list, size_t *count, struct ym_err *err);

/*
 * End the holder of that pid, or (pid 0) the newest one of `owner`, and wait until its unit is back; *ended is its pid.
 * 0, 1 there is none, -1 error.
 */
int holder_end(key_t key, pid_t pid, pid_t owner, pid_t *ended, struct ym_err *err);

/* The shell of which process `pid` looks like a copy (the same command line, its parent), 0 if it does not. */
pid_t holder_shell_of(pid_t pid);

#endif
