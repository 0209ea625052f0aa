/* clerk_tell.c - what the clerk tells the loop of the master, and shows on the board. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ipc/sys.h"
#include "clerk_self.h"

/* How often windows are sized and jobs counted while there is work. */
#define LOOK_NS UINT64_C(100000000)

/* ---- telling the loop -------------------------------------------------------------------------- */

struct clerk_news {
	struct clerk_news *next;
	enum log_level level;
	char text[];
};

void clerk_say(struct clerk *clerk, enum log_level level, const char *fmt, ...)
{
	char text[YM_ERR_TEXT_MAX + 256];
	struct clerk_news *news, **last;
	va_list list;

	va_start(list, fmt);
	vsnprintf(text, sizeof(text), fmt, list);
	va_end(list);
	news = malloc(sizeof(*news) + strlen(text) + 1);
	if (!news)
		return;
	news->next = NULL;
	news->level = level;
	memcpy(news->text, text, strlen(text) + 1);
	pthread_mutex_lock(&clerk->mutex);
	for (last = &clerk->news; *last;)
		last = &(*last)->next;
	*last = news;
	pthread_mutex_unlock(&clerk->mutex);
	uv_async_send(&clerk->async);
}

void clerk_print_news(struct clerk *clerk)
{
	struct clerk_news *news;

	pthread_mutex_lock(&clerk->mutex);
	news = clerk->news;
	clerk->news = NULL;
	pthread_mutex_unlock(&clerk->mutex);
	while (news) {
		struct clerk_news *next = news->next;

		log_line(news->level, "store: %s", news->text);
		free(news);
		news = next;
	}
}

void clerk_on_async(uv_async_t *async)
{
	struct clerk *clerk = async->data;

	clerk_print_news(clerk);
	clerk_tell_grants(clerk);
	if (atomic_exchange(&clerk->ring, false))
		clerk->options.look(clerk->options.arg);
	if (atomic_exchange(&clerk->answered, false))
		clerk->options.answered(clerk->options.arg);
}

/* ---- the state on the board -------------------------------------------------------------------- */

void clerk_show_state(struct clerk *clerk, enum board_store_state state)
{
	struct board_store_sh *board = &clerk->instance->board->store;

	if (atomic_load(&board->state) == state)
		return;
	atomic_store(&board->since, ym_now_ns());
	atomic_store(&board->state, state);
}

bool clerk_is_outage(const struct clerk *clerk, const struct ym_err *err)
{
	return clerk->driver->shared && (err->class == YM_ERR_NOT_RUNNING || err->class == YM_ERR_TIMEOUT ||
	                                 err->class == YM_ERR_SYSTEM || err->class == YM_ERR_GONE);
}

void clerk_have_trouble(struct clerk *clerk, const struct ym_err *err)
{
	struct board_store_sh *board = &clerk->instance->board->store;

	/* Whoever waits for the first opening, and gives up, says so himself. */
	if (!clerk->troubled && (clerk->tried || clerk->lenient))
		clerk_say(clerk, LOG_ERROR, "%s: trying again every %d ms", err->text,
		          (int)(CLERK_RETRY_NS / 1000000u));
	clerk->troubled = true;
	clerk->retry = ym_now_ns() + CLERK_RETRY_NS;
	board_reason_write(board->trouble, &board->trouble_version, err->text);
	clerk_show_state(clerk, BOARD_STORE_TROUBLE);
	if (!clerk_is_outage(clerk, err))
		clerk_refuse_all(clerk, err);
}

void clerk_be_well(struct clerk *clerk)
{
	if (clerk->troubled)
		clerk_say(clerk, LOG_INFO, "it works again");
	clerk->troubled = false;
	clerk_show_state(clerk, BOARD_STORE_WORKING);
}

/* True when it is news. */
static bool show_tally(struct table_pool_sh *row, const struct store_tally *tally)
{
	bool changed = atomic_exchange(&row->stored_waiting, tally->waiting) != tally->waiting;

	changed |= atomic_exchange(&row->stored_delayed, tally->delayed) != tally->delayed;
	return (atomic_exchange(&row->stored_buried, tally->buried) != tally->buried) | changed;
}

void clerk_count(struct clerk *clerk)
{
	struct table_sh *table = clerk->instance->table;
	bool changed = false;

	clerk_size_windows(clerk);
	for (unsigned i = 0; i < TABLE_POOLS && clerk->store; i++) {
		struct store_tally tally = {0};

		if (!atomic_load(&table->pools[i].used) ||
		    clerk->driver->tally(clerk->store, table->pools[i].name, &tally, NULL) < 0)
			continue;
		changed |= show_tally(&table->pools[i], &tally);
	}
	/* The board shows it after the next round of the master. */
	if (changed) {
		atomic_store(&clerk->ring, true);
		uv_async_send(&clerk->async);
	}
	clerk->look = ym_now_ns() + LOOK_NS;
	clerk->active = false;
}
