/* orders.c - note, give. */
#include "orders.h"

#include <string.h>

#include "text.h"

static struct table_pool_sh *table_row(const struct pool *pool)
{
	return &pool->yard->instance->table->pools[pool->index];
}

void orders_note(struct orders *orders, struct pool *const *pools, size_t npools)
{
	orders->count = npools;
	for (size_t i = 0; i < npools; i++) {
		struct table_pool_sh *row = table_row(pools[i]);
		struct order *order = &orders->pools[i];

		text_copy(order->name, sizeof(order->name), pools[i]->config->name);
		order->wanted = pools[i]->unit.wanted;
		order->mode = atomic_load(&row->mode) & (POOL_PAUSED | POOL_DRAINING);
		order->scaled = atomic_load(&row->scaled);
		order->least = atomic_load(&row->scale_min);
		order->most = atomic_load(&row->scale_max);
	}
}

static void give(const struct order *order, struct pool *pool)
{
	struct table_pool_sh *row = table_row(pool);

	pool->unit.wanted = order->wanted;
	atomic_fetch_or(&row->mode, order->mode);
	atomic_store(&row->scale_min, order->least);
	atomic_store(&row->scale_max, order->most);
	atomic_store(&row->scaled, order->scaled);
}

void orders_give(const struct orders *orders, struct pool *const *pools, size_t npools)
{
	for (size_t i = 0; i < npools; i++)
		for (size_t j = 0; j < orders->count; j++)
			if (strcmp(orders->pools[j].name, pools[i]->config->name) == 0)
				give(&orders->pools[j], pools[i]);
}
