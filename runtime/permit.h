/*
 * permit.h - who may be replaced for its jobs, its age or its memory now: `recycle_at_once` workers of a pool at a time.
 *
 * The permit lies on the board row: it is taken for the worker that ends (by itself, or by the master), and returned by
 * its successor on the same row before that takes a job, or by the master when it sees that none will come soon. So it
 * outlives the worker, the master, and both.
 */
#ifndef YM_RUNTIME_PERMIT_H
#define YM_RUNTIME_PERMIT_H

#include "board.h"
#include "table.h"

/* False: so many are being replaced already. */
bool permit_take(struct table_pool_sh *pool, struct board_worker_sh *row, enum board_recycled why);

/* Nothing happens if there is none on the row. */
void permit_return(struct table_pool_sh *pool, struct board_worker_sh *row);

#endif
