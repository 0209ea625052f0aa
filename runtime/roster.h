/*
 * roster.h - which process of a program runs under which pid: kept in the file "roster" of the instance directory, so that
 * the master after a killed one takes the living over instead of starting them twice.
 *
 *   offset          part
 *   0               8 bytes "ymroster", version, which boot of the machine
 *   16              1024 entries x 160
 *
 * The file is mapped by the master alone; a child writes its own pid before its program begins, so no master that is
 * killed leaves one that nobody knows. Workers of pools are not in it: the board knows them.
 */
#ifndef YM_RUNTIME_ROSTER_H
#define YM_RUNTIME_ROSTER_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "../config/config.h"
#include "../ipc/error.h"

#define ROSTER_ENTRIES  1024
#define ROSTER_NAME_MAX (CFG_LONG_NAME_MAX + CFG_PROCESS_NAME_MAX)

struct roster_entry {
	char name[ROSTER_NAME_MAX]; /* PROGRAM:PROCESS */
	uint64_t started; /* ym_process_started(): with pid it names the process for good; or see roster_begin() */
	_Atomic int32_t pid;
	uint32_t zero;
};
_Static_assert(sizeof(struct roster_entry) == 160, "layout above");

struct roster;

/* Map the file, make it if it is not there; one that is damaged is put aside with a line in the log. */
int roster_open(struct roster **out, const char *directory, struct ym_err *err);
/* Unmap it; the file goes if nobody in it has a pid. */
void roster_close(struct roster *roster);

/* The entry of PROGRAM:PROCESS, made if there is none. NULL: full. */
struct roster_entry *roster_entry(struct roster *roster, const char *name);
/*
 * Before a process is started: where the process itself writes its pid, so that a master that is killed before
 * roster_enter() leaves it known all the same, by the time at which it was begun.
 */
_Atomic int32_t *roster_begin(struct roster_entry *entry);
void roster_enter(struct roster_entry *entry, pid_t pid);
void roster_clear(struct roster_entry *entry);

/* A pidfd of its living process; -1: it has none. */
int roster_find(const struct roster_entry *entry);

/* All entries with a pid. */
void roster_each(struct roster *roster, void (*each)(void *arg, struct roster_entry *entry), void *arg);

#endif
