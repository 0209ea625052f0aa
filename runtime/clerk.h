/*
 * clerk.h - the thread of the master that stands between the job table and the store (store.h).
 *
 * Each turn it takes what is there and writes it in one transaction: jobs that are to be accepted, jobs of ours of which
 * something has become, questions; and with the same transaction it fetches what the window of a pool has room for. While the
 * disk is busy with one turn the next one gathers: that is all there is to group commit. Jobs that have ended are written
 * some milliseconds later when nobody waits for anything.
 *
 *   window     jobs of a pool that are in the table. New ones stay there while nothing older waits in the store and
 *              there is room; others only wait in the store, and come when half of the window is empty
 *   held       what the store calls a job of the window
 *
 * All that the clerk must not forget is in the table or in the store: it may be killed between any two instructions. What
 * cannot be written now is not accepted (submitters are told why) or stays in the table (jobs that have ended) until
 * it can.
 */
#ifndef YM_RUNTIME_CLERK_H
#define YM_RUNTIME_CLERK_H

#include <uv.h>

#include "../config/config.h"
#include "instance.h"
#include "store.h"

struct clerk;

struct clerk_options {
	struct instance *instance;
	uv_loop_t *loop;
	const struct config *config;
	const struct store_driver *driver; /* NULL: as the configuration says */
	/* In the loop: something that this process submitted (submit_begin()) was answered. */
	void (*answered)(void *arg);
	/* Likewise: the sweep has something to look at. */
	void (*look)(void *arg);
	/* Likewise: what this node may have of a limit that all nodes share (number in the table), and until when. */
	void (*granted)(void *arg, unsigned limit, int units, uint64_t until);
	void *arg;
};

/* What the table is to say of the store of a configuration: 0, there is none. */
uint64_t clerk_store_id(const struct config *config);

/*
 * Start. *clerk is NULL without a store. Waits for the first opening of the store: -1 if that failed and the clerk cannot
 * go on; or, `lenient`, it tries again and again.
 */
int clerk_open(struct clerk **clerk, const struct clerk_options *options, bool lenient, struct ym_err *err);

/* Another configuration is in force. */
void clerk_configure(struct clerk *clerk, const struct config *config);

/*
 * End; NULL is allowed. What is staged and what has ended is written. `hand_over`: another clerk goes on with the same table
 * (after an execve()); else jobs that wait here go back to the store. False: something could not be written.
 */
bool clerk_close(struct clerk *clerk, bool hand_over);

#endif
