/*
 * yard.h - what pools and programs get from their master: the loop, the instance, and whom to tell.
 */
#ifndef YM_RUNTIME_YARD_H
#define YM_RUNTIME_YARD_H

#include <stdbool.h>
#include <uv.h>

#include "../config/config.h"
#include "instance.h"
#include "sweep.h"

struct handover;

/* Whose a worker row of the board is. */
enum yard_row {
	YARD_ROW_FREE,
	YARD_ROW_OURS,   /* of a place of some pool */
	YARD_ROW_FOREIGN /* of a worker that an earlier master left and nobody has a place for */
};

struct yard {
	uv_loop_t *loop;
	struct instance *instance;
	const struct cfg_instance *config;
	struct sweep_death *deaths;      /* by participant slot: how its owner died */
	unsigned char *rows;             /* enum yard_row of each */
	struct handover *handover;       /* what the image before this one has left; NULL: nothing, or taken already */
	bool stopping;                   /* nothing is started any more */
	bool lost;                       /* the objects of the instance were removed */
	void (*soon)(struct yard *yard); /* something has changed: look at everything as soon as the loop is free */
};

static inline void yard_soon(struct yard *yard)
{
	yard->soon(yard);
}

#endif
