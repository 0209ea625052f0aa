/*
 * generation.h - the inside of group.h: one life of a group, from the first participant to the last.
 *
 * Only group.c and guardian.c use it. What is said here about LOCK and READY: see group.h.
 */
#ifndef YM_IPC_GENERATION_H
#define YM_IPC_GENERATION_H

#include "group.h"
#include "registry.h"

/* What lies behind the key of a group? */
enum set_kind {
	SET_NONE,
	SET_OURS,
	SET_SHARED, /* another user's, who lets us be guests */
	SET_PHP,    /* three members: a script came first */
	SET_FOREIGN,
};

/*
 * Look; for SET_OURS and SET_SHARED *capacity is set. cuid tells who made a set: nobody can change it. `directory` is that of
 * the group; NULL for who may make or remove the group: then nothing but our own will do.
 */
enum set_kind ym_generation_find(key_t key, const char *directory, int *semid, unsigned *capacity);

/*
 * A registry whose maker was killed between shmget and the end of its head: our uid, a registry's size, and a head that
 * is empty or only begun; nothing was made after it. *busy: somebody is attached, or was until a moment ago (the count
 * lags behind a death).
 */
bool ym_generation_unfinished(int id, bool *busy);

/* The key of the group: the key file is made or replaced if the process may make groups (spec->capacity > 0). */
int ym_generation_key(const struct ym_group_spec *spec, key_t *key, struct ym_err *err);

/* LOCK held, READY 0: clear up leftovers, make the registry and the objects, raise READY. */
int ym_generation_make(struct ym_group *group, struct ym_err *err);

/* LOCK held, READY 1: attach the registry. */
int ym_generation_attach(struct ym_group *group, struct ym_err *err);

/* Salvage, then remove the objects that are entered, and the registry. Nothing is removed if the salvage fails. */
int ym_generation_salvage(struct ym_group *group, struct ym_err *err);

/* LOCK held, USAGE 0, READY 0: the same, and the set last. If the salvage fails, the set stays and the LOCK is freed.
 */
int ym_generation_remove(struct ym_group *group, struct ym_err *err);

/* The lock file of the directory: a descriptor (closing it unlocks), or -1 when it was held for too long. */
int ym_generation_lock_directory(const struct ym_group_spec *spec, struct ym_err *err);

#endif
