/*
 * feed.h - tokens: who tells the workers of a pool that a job is ready, and in which order.
 *
 * A queue holds some 2000 tokens; there may be more ready jobs. Their order must not depend on who finds room: once a
 * token did not fit, the pool's `backlog` is raised and nobody but a feeder sends any, oldest job first. Rules that
 * keep a job from being forgotten:
 * - Whoever leaves a ready job without a token looks at `backlog` after that; a feeder clears `backlog` before it looks
 *   for such jobs. One of the two sees the other.
 * - Whoever raises `backlog` tries to send once more. If the queue is still full, the worker that empties it sees
 *   `backlog` before it sleeps.
 * - A feeder looks at `backlog` again when it has taken its mark off: others may have been turned away by the mark.
 */
#ifndef YM_RUNTIME_FEED_H
#define YM_RUNTIME_FEED_H

#include "instance.h"

struct dispatch_token {
	uint32_t slot;
	uint32_t gen;
};

/* A token as it is sent; every token has type 1, so that a receiver never has to search. */
struct dispatch_message {
	long type;
	struct dispatch_token token;
};

/* The job in this slot is ready (`word`) and has no token: send one, or leave it to a feeder. */
void dispatch_announce(struct instance *instance, uint32_t slot, uint64_t word);

/* Send tokens for ready jobs that have none, oldest first, as far as the queue has room. Returns how many. */
unsigned dispatch_feed(struct instance *instance, unsigned pool);

#endif
