/*
 * orders.h - what people have said about pools since the start (start and stop, scale, pause, drain): it is in the table
 * or in our memory of a pool, and both are made anew when somebody has removed the objects.
 */
#ifndef YM_RUNTIME_ORDERS_H
#define YM_RUNTIME_ORDERS_H

#include "pool.h"

struct order {
	char name[TABLE_NAME_MAX];
	bool wanted;
	uint32_t scaled, mode;
	int32_t least, most;
};

struct orders {
	struct order pools[TABLE_POOLS];
	size_t count;
};

/* Before the pools are stopped; the old table is still attached. */
void orders_note(struct orders *orders, struct pool *const *pools, size_t npools);

/* When the pools are entered again and not started yet. */
void orders_give(const struct orders *orders, struct pool *const *pools, size_t npools);

#endif
