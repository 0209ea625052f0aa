/*
 * inbox_keeper.h - the inbox of a pool as its master keeps it: the queue made or found again, read, made anew when
 * somebody has removed it.
 *
 * The queue outlives the instance only while it holds messages: those are jobs that the next master takes.
 */
#ifndef YM_RUNTIME_INBOX_KEEPER_H
#define YM_RUNTIME_INBOX_KEEPER_H

#include "../config/config.h"
#include "inbox.h"

struct inbox_keeper {
	struct instance *instance;
	uv_loop_t *loop;
	const struct cfg_pool *config;
	unsigned pool;
	int queue;           /* id */
	struct inbox *inbox; /* NULL: not read at the moment */
};

/* Make the queue of a pool that has an inbox, or find it again (callers hold the group's LOCK). */
int inbox_keeper_enter(struct inbox_keeper *keeper, struct instance *instance, uv_loop_t *loop,
                       const struct cfg_pool *config, unsigned pool, struct ym_err *err);

/* Take messages from now on; at each sweep: make a queue that was removed anew. Says in the log what is wrong. */
void inbox_keeper_read(struct inbox_keeper *keeper);

/* There may be room in the table again. */
void inbox_keeper_retry(struct inbox_keeper *keeper);

/* Take no more. */
void inbox_keeper_close(struct inbox_keeper *keeper);

#endif
