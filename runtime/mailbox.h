/*
 * mailbox.h - ask the store about jobs that are not in the table.
 *
 * A question goes through the table, as a submission does: the asker takes a slot, writes it there and makes the slot
 * STORING; the clerk (clerk.h) answers in the same slot. So it needs no connection, any number of processes may ask at
 * once, and it does not matter whether the master is replaced meanwhile. Without a master the asker waits until its deadline.
 */
#ifndef YM_RUNTIME_MAILBOX_H
#define YM_RUNTIME_MAILBOX_H

#include "dispatch.h"
#include "payload.h"
#include "store.h"

/*
 * Do the same to `n` jobs (not LOOK). verdicts[i]: what came of ids[i]; STORE_UNTAKEN: nothing, err says why. Returns how many
 * were answered, from the first on.
 */
size_t mailbox_ask(struct instance *instance, enum store_ask ask, const uint64_t *ids, size_t n, uint64_t deadline,
                   enum store_verdict *verdicts, struct ym_err *err);

/* ---- without waiting */

/* A question on its way. */
struct mailbox_pending {
	uint64_t word;
	uint32_t slot;
};

/* Not LOOK. End: 0 with *verdict, 2 there is no answer yet, -1 it was not done. */
int mailbox_begin(struct instance *instance, enum store_ask ask, uint64_t id, struct mailbox_pending *pending,
                  struct ym_err *err);
int mailbox_end(struct instance *instance, struct mailbox_pending *pending, enum store_verdict *verdict,
                struct ym_err *err);

/* Instead of its end: it is done as soon as that can be, and the answer does not matter. */
void mailbox_leave(struct instance *instance, const struct mailbox_pending *pending);

/* ---- one job */

/* What the store knows of a job. */
struct mailbox_look {
	enum store_verdict verdict; /* OK, NONE */
	struct job_sh job;          /* moments in it are ym_now_ns(), as in the table */
	enum job_state state;
	unsigned attempt;
	struct payload result; /* of one that is DONE: close it */
};
/* 0 with *look; -1: YM_ERR_TIMEOUT, ... */
int mailbox_look(struct instance *instance, uint64_t id, uint64_t deadline, struct mailbox_look *look,
                 struct ym_err *err);

#endif
