/* procfs.h - what /proc tells about System V objects and about processes, to everybody and without side effects. */
#ifndef YM_IPC_PROCFS_H
#define YM_IPC_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "error.h"
#include "object.h"

/* One line of /proc/sysvipc/{sem,shm,msg}; -1 where the table of that kind has no such column. */
struct ym_sysv_row {
	int64_t key, id, perms; /* perms with SHM_DEST and SHM_LOCKED */
	int64_t uid, gid, cuid;
	int64_t size;                     /* members of a set, bytes of a segment, bytes in a queue */
	int64_t count;                    /* processes attached to a segment, messages in a queue */
	int64_t resident, swapped;        /* bytes of a segment in memory and in swap */
	int64_t creator;                  /* pid, segments only */
	int64_t last, last_receiver;      /* pids: last attach or detach, last send; last receive */
	int64_t used, received, detached; /* times: last semop, attach or send; last receive; last detach */
	int64_t changed;
};

/*
 * Read a table: columns are found by the names in its first line, unknown ones are skipped. `kind` is SEGMENT, QUEUE or
 * SEMAPHORE. *rows is to be freed. -1: YM_ERR_CORRUPT when it does not look like that, YM_ERR_SYSTEM when the kernel has
 * no such table.
 */
int ym_sysv_parse(FILE *from, const char *path, struct ym_sysv_row **rows, size_t *count, struct ym_err *err);
int ym_sysv_read(enum ym_object_kind kind, struct ym_sysv_row **rows, size_t *count, struct ym_err *err);

/*
 * Field 22 of /proc/PID/stat, 0 if there is no such process or it has ended: with the pid it names one for good. Our own is
 * looked up once.
 */
uint64_t ym_process_started(pid_t pid);
/* Bytes of memory that a process has (its resident set); 0: not known. */
uint64_t ym_process_resident(pid_t pid);

/* What a process has used. False: there is none, or it has ended. */
struct ym_process_use {
	uint64_t started;  /* as ym_process_started() */
	uint64_t cpu_ns;   /* of all its threads */
	uint64_t resident; /* bytes */
};
bool ym_process_used(pid_t pid, struct ym_process_use *use);

struct ym_process {
	pid_t pid;
	bool alive; /* no zombie */
	char state; /* as in ps: R, S, D, T, t, ... */
	char name[16];
};
void ym_process_look(pid_t pid, struct ym_process *process);

/* Does a signal or a debugger keep it from going on? */
static inline bool ym_process_stopped(const struct ym_process *process)
{
	return process->alive && (process->state == 'T' || process->state == 't');
}

/* Who has the segment `id` mapped, as far as that may be seen: fills up to `max` pids, returns how many there are. */
size_t ym_process_mapping(int id, pid_t *pids, size_t max);

/* Replace what could disturb a terminal: shared memory may hold anything. */
void ym_printable(char *text);

#endif
