/*
 * overtime.h - a part of the sweep: jobs that take too long. They are asked to stop, then their workers are killed.
 */
#ifndef YM_RUNTIME_OVERTIME_H
#define YM_RUNTIME_OVERTIME_H

#include "sweep_pass.h"

/* Kill the worker that may still run the attempt, which is not its own any more; the job waits until it is dead. */
bool overtime_make_victim(struct pass *pass, unsigned owner, struct sweep_asked *asked);

/* FIXING by us: is the worker dead that we killed because of it? */
void overtime_check_victim(struct pass *pass, uint32_t slot, uint64_t word);

/* CLAIMED: has it had its time? */
void overtime_check(struct pass *pass, uint32_t slot, uint64_t word);

/*
 * No code of a task runs in FINISHING, so whoever stays there is stopped, or hangs, and no time limit of the job is meant
 * for that. Not revoked: it may just now write to the job, and would then do so in the next attempt. When it is dead, its
 * job is one of a dead owner.
 */
void overtime_check_finishing(struct pass *pass, uint32_t slot, uint64_t word);

#endif
