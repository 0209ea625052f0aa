/*
 * rounds.h - the master's look at everything: the sweep over the table, units and their processes, the board.
 *
 * A round comes when something has happened (a child has ended, the bell was rung), when something is due, and now and
 * then. Many reasons at once make one round.
 */
#ifndef YM_RUNTIME_ROUNDS_H
#define YM_RUNTIME_ROUNDS_H

#include "master.h"

/* Set up the timer and what the sweep asks for. */
void rounds_open(struct master *master);

/* Make one as soon as the loop is free. */
void rounds_soon(struct master *master);

/* Make one now. */
void rounds_now(struct master *master);

/* Only units and their processes: after a request, so that the board shows what is wanted. */
void rounds_units(struct master *master);

/* Everything stops from now on; the loop ends when the last process has gone. */
void rounds_stop(struct master *master);

#endif
