/*
 * index.h - where to find the jobs of the table quickly: the ready ones in order, and those with a unique key.
 *
 *   offset  part
 *   0       lock, a cache line and one more
 *   128     64 x 10 lists, one a pool and level, 8 bytes each: first and last slot, plus 1; 0 none
 *
 * The words of the table are the truth. The index is guarded by one lock and rebuilt from them when a holder of the
 * lock was killed; an entry whose job is no longer what the list says is dropped by who comes across it. So a job is
 * never lost here: one that should be in a list and is not is put there by the sweep.
 *
 * A slot is in one list at most. In a list jobs stand in the order in which they became ready, except that those given
 * back come first; after a rebuild they stand in the order of their ids.
 */
#ifndef YM_RUNTIME_INDEX_H
#define YM_RUNTIME_INDEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lock.h"

#define INDEX_POOLS  64
#define INDEX_LEVELS 10

struct index_list_sh {
	uint32_t head, tail;
};

struct index_sh {
	struct lock_sh lock;
	char zeroes[112];
	struct index_list_sh lists[INDEX_POOLS * INDEX_LEVELS];
};
_Static_assert(sizeof(struct index_sh) == 5248, "layout above");

/* One a slot. Slots are counted from 1, 0 is none. Written under the lock. */
struct index_link_sh {
	uint32_t next, prev;
	uint32_t chain;          /* next in the bucket of unique keys */
	_Atomic uint32_t bucket; /* number of that bucket + 1; also read without the lock */
	_Atomic uint16_t list;   /* number of the list + 1; likewise */
	uint16_t zero;
};
_Static_assert(sizeof(struct index_link_sh) == 20, "layout above");

struct instance;

void index_lock(struct instance *instance);
void index_unlock(struct instance *instance);

/*
 * As index_lock(); but false if this process is a hasty one (instance.h) and the lock was not to be had within some
 * milliseconds. While the same holder has it, the next call says so at once. What then? index_fail() says who holds it.
 */
bool index_take(struct instance *instance) __attribute__((warn_unused_result));
int index_fail(const struct instance *instance, struct ym_err *err); /* -1, YM_ERR_TIMEOUT */

/*
 * Can the lock be had within some milliseconds? For who must not hang when its holder is stopped: asked before a series
 * of calls that take it. False: *holder is its pid, 0 if not known.
 */
bool index_usable(struct instance *instance, int32_t *holder);

/* Take the lock of a dead participant away and rebuild. True when he held it. Before his number is given to another. */
bool index_break(struct instance *instance, unsigned slot);

/*
 * Under the lock: link the job at the end (or, first, at the start) of its list, if its word is still `word`, READY.
 * A link that is there already is moved. Returns whether it is linked now.
 */
bool index_push(struct instance *instance, uint32_t slot, uint64_t word, bool first);

/* Under the lock: take the next slot out of the pool's lists, -1 if they are empty. The job may be ready no longer. */
int64_t index_pop(struct instance *instance, unsigned pool);

/* Is the slot in the list of its pool and level? Without the lock. */
bool index_linked(const struct instance *instance, uint32_t slot);

/* Under the lock: the slot of the live job of this pool with this unique key, and its word; -1: none. */
int64_t index_find(struct instance *instance, unsigned pool, const char *key, uint64_t *word);
/* Under the lock: make the job of the slot known under its key / forget it (before the slot is filled again). */
void index_add_key(struct instance *instance, uint32_t slot);
void index_drop_key(struct instance *instance, uint32_t slot);
/* Is it to be forgotten before the slot is filled again? Without the lock. */
bool index_has_key(const struct instance *instance, uint32_t slot);

#endif
