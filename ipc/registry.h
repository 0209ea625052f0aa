/*
 * registry.h - the list of everything that belongs to a group, in a segment of its own.
 *
 * The registry lies behind the same key as the group's semaphore set (keys of sets and segments are different name
 * spaces). Whoever removes the group walks this list; whoever repairs a group after a killed initialiser or remover
 * does the same. An object is announced (CREATING, with its key) before it is made and confirmed (LIVE, with its id)
 * after, so that a process killed in between leaves nothing that cannot be found again.
 *
 *   offset                 size   part
 *   0                        64   segment head (segment.h), name "members"
 *   64                      320   group: capacity, guardian, directory
 *   384            288 x     64   entries, one an object
 *   18816            n x     64   members, one a participant slot: who that is, for people
 *
 * Writers: everything under the group's LOCK, except `guardian`, written by the leader or under LOCK, and a member row,
 * written by the participant itself, without a lock, some time after it joined. Until then the row tells of the slot's last owner: its pid is not GETPID of ALIVE.
 */
#ifndef YM_IPC_REGISTRY_H
#define YM_IPC_REGISTRY_H

#include "object.h"
#include "segment.h"

#define YM_REGISTRY_NAME    "members"
#define YM_REGISTRY_VERSION 2
#define YM_LOCK_NAME        ".lock" /* beside the key files: flock()ed by who makes or replaces key files */
#define YM_REGISTRY_ENTRIES 288
#define YM_OBJECT_NAME_MAX  40
#define YM_DIRECTORY_MAX    256

/* Stands instead of the name in entries of objects that go with the group, but are not what their name means any more. */
#define YM_REGISTRY_FORMER "(former)"

/* EMPTY -> CREATING (key, kind, name are valid) -> LIVE (id too) -> EMPTY; never another way. */
enum ym_entry_state { YM_ENTRY_EMPTY, YM_ENTRY_CREATING, YM_ENTRY_LIVE };

/* Queue that stays as long as it holds messages: they are jobs that nobody has taken yet. */
#define YM_QUEUE_STAYS_FULL 1

struct ym_entry_sh {
	_Atomic uint32_t state;
	uint32_t kind;
	int32_t key;
	int32_t id;
	uint64_t size; /* segments and variables: bytes; semaphores: units; queues: 0 or YM_QUEUE_STAYS_FULL */
	char name[YM_OBJECT_NAME_MAX];
};
_Static_assert(sizeof(struct ym_entry_sh) == 64, "layout above");

struct ym_member_sh {
	_Atomic int32_t pid; /* meaningful while the slot's ALIVE is 1; the last owner's afterwards */
	uint32_t zero;
	uint64_t started; /* field 22 of /proc/PID/stat: tells a reused pid */
	uint64_t joined;  /* ym_now_ns() */
	char role[16];    /* "master", "worker", "client", ... */
	char zeroes[24];
};
_Static_assert(sizeof(struct ym_member_sh) == 64, "layout above");

struct ym_registry_sh {
	struct ym_seg_head_sh head;
	uint32_t capacity;         /* participant slots */
	_Atomic uint32_t complete; /* 0 -> 1 when all objects are made and filled, -> 2 when they were salvaged */
	_Atomic int32_t guardian;  /* pid; with the next field it tells whether there is one */
	uint32_t keeps; /* 1: whoever removes the group has to salvage first (the spec of its maker has a salvage) */
	_Atomic uint64_t guardian_started;
	uint32_t mode;   /* of objects that are made without one; 0: 0600 */
	uint32_t shared; /* 1: all objects belong to the Unix group `gid` */
	uint32_t gid;
	uint32_t zeroes[7];
	char directory[YM_DIRECTORY_MAX];
	struct ym_entry_sh entries[YM_REGISTRY_ENTRIES];
	struct ym_member_sh members[];
};
_Static_assert(offsetof(struct ym_registry_sh, entries) == 384, "layout above");
_Static_assert(offsetof(struct ym_registry_sh, members) == 384 + 288 * 64, "layout above");

static inline size_t ym_registry_size(unsigned capacity)
{
	return sizeof(struct ym_registry_sh) + capacity * sizeof(struct ym_member_sh);
}

/* Can a segment of so many bytes be a registry? */
static inline bool ym_registry_fits(uint64_t size)
{
	return size > sizeof(struct ym_registry_sh) &&
	       (size - sizeof(struct ym_registry_sh)) % sizeof(struct ym_member_sh) == 0;
}

/*
 * Make an object and enter it, under LOCK. Its key comes from the file DIRECTORY/NAME, which is replaced while its
 * key belongs to something else. Segments are zeroed and published with `version`. *addr may be NULL for the rest.
 * `mode` 0: that of the group. What a shared group has belongs to its Unix group, with any mode.
 */
int ym_registry_add(struct ym_registry_sh *reg, enum ym_object_kind kind, const char *name, size_t size,
                    uint32_t version, mode_t mode, void **addr, struct ym_err *err);

/*
 * Enter an object that exists already, or is to be made (`id` -1: it is found by its key), under LOCK: it goes with the
 * group, a semaphore only when nobody uses it. If another key was entered under this name, that object goes, too.
 */
int ym_registry_note(struct ym_registry_sh *reg, enum ym_object_kind kind, const char *name, key_t key, int id,
                     size_t size, struct ym_err *err);

/* The LIVE entry of that name, or NULL. */
struct ym_entry_sh *ym_registry_find(struct ym_registry_sh *reg, const char *name);

/*
 * Does the object of an entry still exist? Somebody may have removed it by hand. exists: is it ours? For who may make it
 * again; a semaphore that its users have made again counts. has: for anybody who is in the group, guests, too.
 */
bool ym_registry_exists(const struct ym_entry_sh *entry);
bool ym_registry_has(const struct ym_registry_sh *reg, const struct ym_entry_sh *entry);

/* Is it behind its key file, or was it entered under a key that somebody chose? */
bool ym_registry_is_own(const struct ym_registry_sh *reg, const struct ym_entry_sh *entry);

/* Take an entry whose object is gone off the list, under LOCK, so that it can be made again. */
void ym_registry_drop(struct ym_entry_sh *entry);

/* Free the name for another object, under LOCK; what is entered goes with the group all the same. */
void ym_registry_retire(struct ym_entry_sh *entry);

/*
 * Remove everything that is entered, under LOCK. Semaphores that foreign scripts still use are left to them, and queues
 * that are to stay while they hold messages to whoever reads those.
 */
void ym_registry_remove_all(struct ym_registry_sh *reg);

#endif
