/*
 * group.h - a set of IPC objects that lives exactly as long as it has participants.
 *
 * The root of a group is one semaphore set, laid out so that PHP's sem_get() on its key is a valid join:
 *
 *   member      name      undo  meaning
 *   0           VALUE     -     PHP's; 1 at the start: a mutex for scripts, see ym_group_mutex()
 *   1           USAGE     yes   participants (processes; a PHP script counts once per sem_get)
 *   2           LOCK      yes   1 while somebody joins, initialises, removes or changes the list of objects
 *   3           READY     no    1 when everything is made: 0 with LOCK free means "to be made or repaired"
 *   4           LEADER    yes   1 while a master leads
 *   5+2i        ALIVE_i   yes   1 while the owner of slot i lives; the kernel takes it back, whatever kills him
 *   6+2i        DIRTY_i   no    1 until somebody has cleared up what slot i's owner left; the slot is not reused before
 *
 * All zero is a valid start, so there is no initialisation race. Join, leave and repair, with every race and how it is
 * closed, are described in docs/ipc.md.
 *
 * A handle belongs to the process that joined; a forked child may use the mapped objects but is no participant:
 * its ym_group_leave() only detaches.
 */
#ifndef YM_IPC_GROUP_H
#define YM_IPC_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "clock.h"
#include "error.h"
#include "object.h"
#include "sem.h"
#include "vars.h"

enum ym_group_member { YM_GROUP_VALUE, YM_GROUP_USAGE, YM_GROUP_LOCK, YM_GROUP_READY, YM_GROUP_LEADER, YM_GROUP_SLOTS };

#define YM_GROUP_ALIVE(slot)     ((unsigned short)(YM_GROUP_SLOTS + 2 * (slot)))
#define YM_GROUP_DIRTY(slot)     ((unsigned short)(YM_GROUP_SLOTS + 2 * (slot) + 1))
#define YM_GROUP_NSEMS(capacity) ((int)(YM_GROUP_SLOTS + 2 * (capacity)))
#define YM_GROUP_CAPACITY_MAX    4095u

struct ym_group;
struct ym_registry_sh;

/*
 * An object that the group shall have. Its key is ftok(DIRECTORY/NAME, 'y'), which any language can compute; the key file
 * is made with it. What it is made with:
 *   SEGMENT    `size` bytes of zeroes for the program, behind a head of 64 bytes that names the generation
 *   VARIABLES  a variable segment (vars.h) of `size` bytes in all: shm_attach() of PHP finds the same one
 *   QUEUE      -
 *   SEMAPHORE  `size` units (0..32767), set by the first to attach alone: sem_get() of PHP finds the same one, and a
 *              script that comes first sets its own `max`. Units that somebody holds at the end keep the set: close all
 *              handles before the last leave
 */
struct ym_group_object {
	enum ym_object_kind kind;
	const char *name; /* up to 15 characters; also that of the key file, so no slash */
	size_t size;
	uint32_t version; /* SEGMENT: of what the program keeps there; others are refused */
	mode_t mode;      /* 0: the mode of the group */
};

/*
 * What the group is for. Everything it points to must live as long as the participant. `objects` are made once a generation; then `init` (may be NULL) runs, under LOCK with nobody
 * else inside, to fill them. `salvage` runs under LOCK right before the objects are removed, in the last
 * participant, the guardian or a repairer (also for a generation whose remover was killed half-way, so perhaps
 * twice for the same content): the last chance to keep what is in them. If it fails, nothing is removed: the objects
 * stay, without participants, for the next start to try again. `notice` gets lines for people.
 */
struct ym_group_spec {
	const char *directory; /* key files; must exist */
	const char *role;      /* of this participant, for people: up to 15 characters */
	unsigned capacity;     /* participant slots of a new generation; 0: join only, never make or repair one */
	mode_t mode;           /* of the semaphore set and the registry */
	bool share;            /* the objects belong to the Unix group `gid`, and its members may be guests (share.h) */
	gid_t gid;
	int64_t patience_ms;                   /* how long to wait for others that join or leave; -1 for ever */
	const struct ym_group_object *objects; /* must live as long as the participant */
	unsigned nobjects;
	int (*init)(struct ym_group *group, void *arg, struct ym_err *err);
	int (*salvage)(struct ym_group *group, void *arg, struct ym_err *err);
	void (*notice)(void *arg, const char *text);
	void *arg;
};

struct ym_group {
	struct ym_group_spec spec;
	key_t key;
	int semid; /* -1: not joined */
	int regid;
	unsigned slot;
	unsigned capacity;
	pid_t pid;
	bool fresh;     /* this join made the generation */
	bool orphan;    /* the generation was there, but without any other participant */
	bool inherited; /* our slot's last owner was not buried: what he left is ours to clear up */
	bool leads;
	bool guest;                 /* the group is another user's (share.h): we can use its objects, but remove none */
	struct ym_registry_sh *reg; /* NULL: not needed so far, see ym_group_registry() */
};

/*
 * Join. 0, or -1: YM_ERR_NOT_RUNNING when there is no group and capacity is 0, YM_ERR_TIMEOUT, YM_ERR_FULL,
 * YM_ERR_PERMISSION when the group is shared, but not with us, ...
 */
YM_API int ym_group_join(struct ym_group *group, const struct ym_group_spec *spec, struct ym_err *err);

/*
 * Take up our own participation after an execve(): the same process still is the owner of `slot` in the set `semid` and its
 * leader, for the kernel keeps what is to be undone; mappings are gone and are made again. Every mark of it is checked: the set is
 * behind the key of the directory, READY, USAGE, ALIVE and LEADER are up, the last two by this pid, and the registry has our
 * start time. -1: YM_ERR_GONE when the set or the registry was removed, YM_ERR_FOREIGN when the participation is not ours;
 * nothing was changed then.
 */
YM_API int ym_group_resume(struct ym_group *group, const struct ym_group_spec *spec, int semid, unsigned slot,
                           struct ym_err *err);

/*
 * After YM_ERR_GONE of that: what is left of the removed generation, by the id of its registry, which lives as long as some
 * process has it attached. The group is good for ym_group_abandon() and ym_group_leave(), and for nothing else.
 */
YM_API int ym_group_remains(struct ym_group *group, const struct ym_group_spec *spec, int semid, int regid,
                            unsigned slot, struct ym_err *err);

/*
 * Leave; the last one removes everything, unless it is a guest: a guest leaves as if it had been killed, and what is
 * left is for the guardian or the next start. *last (may be NULL) says whether that was us. -1 with YM_ERR_TIMEOUT: somebody
 * held the LOCK for too long, and we are still inside; otherwise the salvage failed, and the objects are still there.
 */
YM_API int ym_group_leave(struct ym_group *group, bool *last, struct ym_err *err);

/*
 * For the leader of a generation of which something was removed by somebody else: take the semaphore set away if it is
 * still there, so that nobody can believe that what he does from then on counts; then salvage and remove what is left of the
 * generation, unless a new one has done so already. If the salvage fails, try again: nothing else was removed. Leave afterwards.
 */
int ym_group_abandon(struct ym_group *group, struct ym_err *err);

/* Hold the LOCK, to change the list of objects. */
YM_API int ym_group_lock(struct ym_group *group, struct ym_err *err);
YM_API void ym_group_unlock(struct ym_group *group);

/*
 * VALUE as a semaphore: what scripts get from PHP's sem_get() on the group's key, for participants, who are counted in
 * USAGE already. Try, acquire and release it; it is not to be closed.
 */
static inline struct ym_sem ym_group_mutex(const struct ym_group *group)
{
	return (struct ym_sem){.key = group->key, .id = group->semid, .pid = group->pid};
}

/* Become the leader: 0 yes, 1 there is one (its pid in *pid), -1 error. Ends with the process or the leave. */
YM_API int ym_group_lead(struct ym_group *group, pid_t *pid, struct ym_err *err);

/*
 * The objects of the group by the names of spec.objects. A segment comes with its contents' address and size, to be given
 * back with ym_group_unmap(); a semaphore is attached and needs ym_sem_close(), variables are opened with `flags` (of
 * vars.h, or 0) and need ym_vars_detach(): all of that before ym_group_leave(). -1: YM_ERR_GONE if somebody removed the object, YM_ERR_USAGE for a name not declared, ...
 */
YM_API int ym_group_segment(struct ym_group *group, const char *name, void **contents, size_t *size,
                            struct ym_err *err);
YM_API void ym_group_unmap(void *contents);
YM_API int ym_group_queue(struct ym_group *group, const char *name, int *id, struct ym_err *err);
YM_API int ym_group_sem(struct ym_group *group, const char *name, struct ym_sem *sem, struct ym_err *err);
YM_API int ym_group_vars(struct ym_group *group, const char *name, unsigned flags, struct ym_vars *vars,
                         struct ym_err *err);

/*
 * See to it that a guardian sleeps: a forked process of its own session that removes the group when all participants have
 * been killed. Without one, whatever they leave behind waits for the next join. The first participant calls it after
 * joining; it costs nothing when there is one. Call it before the program starts threads.
 */
YM_API int ym_group_guardian(struct ym_group *group, struct ym_err *err);

/*
 * Map the registry if the join has not done it, and enter this participant in it. Everything that needs the registry does
 * so by itself; call it for what looks into group->reg, or to be listed by name from the start.
 */
YM_API int ym_group_registry(struct ym_group *group, struct ym_err *err);

/* Attach the segment entered as `name`, head and all. */
int ym_group_attach(struct ym_group *group, const char *name, uint32_t version, void **addr, size_t *size,
                    struct ym_err *err);

/*
 * Slots whose owner died without leaving: fills dead[] (capacity entries) with true for each and returns how many,
 * or -1 with YM_ERR_GONE when the generation was removed under us (ipcrm, logind's RemoveIPC).
 * Clear up what they left, then bury each: only then the slot is given out again.
 */
YM_API int ym_group_dead(struct ym_group *group, bool *dead, struct ym_err *err);
YM_API void ym_group_bury(struct ym_group *group, unsigned slot);

YM_API bool ym_group_alive(const struct ym_group *group, unsigned slot);
YM_API int ym_group_usage(const struct ym_group *group);

/* A group as an onlooker sees it, without joining. */
struct ym_group_look {
	key_t key;
	int semid;
	int usage;    /* participants */
	int ready;    /* 0: half made or half removed */
	pid_t leader; /* 0: none */
	pid_t lock;   /* who holds the LOCK, 0: nobody */
	unsigned capacity;
};
/* 0, or -1: YM_ERR_NOT_RUNNING when there is no group, YM_ERR_FOREIGN or YM_ERR_PERMISSION when the set is not for us. */
YM_API int ym_group_look(const char *directory, struct ym_group_look *look, struct ym_err *err);

#endif
