/*
 * slot.h - a slot of the table for something new.
 */
#ifndef YM_RUNTIME_SLOT_H
#define YM_RUNTIME_SLOT_H

#include "instance.h"

/*
 * Take a free slot; wait for one until the deadline (ym_deadline(); 0: not at all). *word, FILLING, is ours. -1: YM_ERR_FULL, or
 * the instance is gone.
 */
int64_t slot_take(struct instance *instance, uint64_t deadline, uint64_t *word, struct ym_err *err);

/*
 * It is ours: what is left of the job that had it goes: its key, its files, all fields above the payload. -1: the lock for
 * the key is not to be had (index_take()).
 */
int slot_clear(struct instance *instance, uint32_t slot, struct ym_err *err);

#endif
