/* permit.c - take, return. */
#include "permit.h"

static void give_back(struct table_pool_sh *pool)
{
	uint32_t seen = atomic_load(&pool->recycling);

	while (seen > 0 && !atomic_compare_exchange_weak(&pool->recycling, &seen, seen - 1))
		;
}

bool permit_take(struct table_pool_sh *pool, struct board_worker_sh *row, enum board_recycled why)
{
	uint32_t seen = atomic_load(&pool->recycling);

	do
		if (seen >= atomic_load(&pool->recycle_at_once))
			return false;
	while (!atomic_compare_exchange_weak(&pool->recycling, &seen, seen + 1));
	/* The master has found it too old just when it found itself to be used up: one permit is enough. */
	if (atomic_exchange(&row->recycled, why) != BOARD_RECYCLED_NOT)
		give_back(pool);
	return true;
}

void permit_return(struct table_pool_sh *pool, struct board_worker_sh *row)
{
	if (atomic_exchange(&row->recycled, BOARD_RECYCLED_NOT) != BOARD_RECYCLED_NOT)
		give_back(pool);
}
