/*
 * lock.h - a lock in shared memory that survives the death of its holder.
 *
 *   bits 63..32  goes up by one whenever the lock changes hands
 *   bit  31      somebody sleeps until it is free
 *   bits 30..0   participant slot + 1 of the holder, 0: free
 *
 * The kernel knows who of the group is alive (ipc/group.h), so a lock whose holder was killed is taken over by whoever
 * comes next, who is told that what the lock guards may be half done. A holder that is stopped (SIGSTOP) is waited for.
 * The number of a dead participant is given to another one only after the sweep has broken his locks; the counter tells
 * who asked about the dead one and comes late that it is not his lock any more.
 */
#ifndef YM_RUNTIME_LOCK_H
#define YM_RUNTIME_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../ipc/group.h"

struct lock_sh {
	_Atomic uint64_t word;
	_Atomic uint32_t broken; /* times it was taken from the dead; goes up */
	uint32_t zero;
};

enum lock_taken {
	LOCK_TAKEN,
	LOCK_INHERITED, /* from a dead holder: repair what it guards */
	LOCK_BUSY,      /* not taken before the deadline */
};

/* Take it, however long that takes (YM_NEVER), or until the deadline (ym_deadline()). */
enum lock_taken lock_take(struct lock_sh *lock, const struct ym_group *group, uint64_t deadline);
void lock_give(struct lock_sh *lock);

/* Take it only if participant `slot`, who is known to be dead, holds it. True when it was: repair, then give it back. */
bool lock_take_from(struct lock_sh *lock, const struct ym_group *group, unsigned slot);

/* Participant slot of the holder, -1: it is free. */
int lock_holder(const struct lock_sh *lock);

/* Who holds it since when, as a number: the same one until it changes hands. 0: it is free. */
uint64_t lock_holding(const struct lock_sh *lock);

#endif
