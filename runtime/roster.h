/*
 * roster.h - which process of a program runs under which pid: kept in the file "roster" of the instance directory, so that
 * the master after a killed one takes the living over instead of starting them twice.
 *
 *   offset          part
 *   0               8 bytes "ymroster", version, which boot of the machine
 *   16              1024 entries x 128
 *
 * The file is mapped by the master alone; an entry's `pid` is written last and cleared first, so that a master that is
 * killed in between leaves an entry that names nobody. Workers of pools are not in it: the board knows them.
 */
#ifndef YM_RUNTIME_ROSTER_H
#define YM_RUNTIME_ROSTER_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "../config/config.h"
#include "../ipc/error.h"

#define ROSTER_ENTRIES 1024

struct roster_entry {
	char name[CFG_PROCESS_NAME_MAX];
	uint64_t started; /* ym_process_started(): with pid it names the process for good */
	_Atomic int32_t pid;
	uint32_t zero;
	char zeroes[16];
};
_Static_assert(sizeof(struct roster_entry) == 128, "layout above");

struct roster;

/* Map the file, make it if it is not there; one that is damaged is put aside with a line in the log. */
int roster_open(struct roster **roster, const char *directory, struct ym_err *err);
/* Unmap it; the file goes if nobody in it has a pid. */
void roster_close(struct roster *roster);

/* The entry of a process name, made if there is none. NULL: full. */
struct roster_entry *roster_entry(struct roster *roster, const char *name);
void roster_enter(struct roster_entry *entry, pid_t pid);
void roster_clear(struct roster_entry *entry);

/* A pidfd of its living process; -1: it has none. */
int roster_find(const struct roster_entry *entry);

/* All entries with a pid. */
void roster_each(struct roster *roster, void (*each)(void *arg, struct roster_entry *entry), void *arg);

#endif
