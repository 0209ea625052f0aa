/* clerk.c - the thread. */
#include "clerk.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "clerk_self.h"
#include "dispatch.h"
#include "snapshot.h"
#include "text.h"

/* How long to gather jobs that have ended, when nobody waits for anything. */
#define LINGER_NS UINT64_C(2000000)
/* ... while others wait in the store for the places of those. */
#define LINGER_HUNGRY_NS UINT64_C(200000)
/* How often windows are sized and jobs counted while there is work. */
#define LOOK_NS UINT64_C(100000000)
/*
 * Look at least so often: other nodes and users put jobs into a shared store, and whoever was about to wake us may have
 * been killed.
 */
#define IDLE_NS UINT64_C(1000000000)
/* From a failure to the next try. */
#define RETRY_NS UINT64_C(500000000)
/* What a node shows to others, if nothing has changed. */
#define PUBLISH_NS UINT64_C(2000000000)
/* So many ids left: reserve more. */
#define IDS_LOW 100000u

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

/* In the loop: only its thread may write to the log. */
static void print_news(struct clerk *clerk)
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

static void on_async(uv_async_t *async)
{
	struct clerk *clerk = async->data;

	print_news(clerk);
	clerk_tell_grants(clerk);
	if (atomic_exchange(&clerk->ring, false))
		clerk->options.look(clerk->options.arg);
	if (atomic_exchange(&clerk->answered, false))
		clerk->options.answered(clerk->options.arg);
}

/* ---- the state on the board -------------------------------------------------------------------- */

static void show_state(struct clerk *clerk, enum board_store_state state)
{
	struct board_store_sh *board = &clerk->instance->board->store;

	if (atomic_load(&board->state) == state)
		return;
	atomic_store(&board->since, ym_now_ns());
	atomic_store(&board->state, state);
}

/* It cannot be reached, and may be reached again in a moment: nothing is refused yet. */
static bool is_outage(const struct clerk *clerk, const struct ym_err *err)
{
	return clerk->driver->shared && (err->class == YM_ERR_NOT_RUNNING || err->class == YM_ERR_TIMEOUT ||
	                                 err->class == YM_ERR_SYSTEM || err->class == YM_ERR_GONE);
}

static void have_trouble(struct clerk *clerk, const struct ym_err *err)
{
	struct board_store_sh *board = &clerk->instance->board->store;

	/* Whoever waits for the first opening, and gives up, says so himself. */
	if (!clerk->troubled && (clerk->tried || clerk->lenient))
		clerk_say(clerk, LOG_ERROR, "%s: trying again every %d ms", err->text, (int)(RETRY_NS / 1000000u));
	clerk->troubled = true;
	clerk->retry = ym_now_ns() + RETRY_NS;
	board_reason_write(board->trouble, &board->trouble_version, err->text);
	show_state(clerk, BOARD_STORE_TROUBLE);
	if (!is_outage(clerk, err))
		clerk_refuse_all(clerk, err);
}

static void be_well(struct clerk *clerk)
{
	if (clerk->troubled)
		clerk_say(clerk, LOG_INFO, "it works again");
	clerk->troubled = false;
	show_state(clerk, BOARD_STORE_WORKING);
}

/* True when it is news. */
static bool show_tally(struct table_pool_sh *row, const struct store_tally *tally)
{
	bool changed = atomic_exchange(&row->stored_waiting, tally->waiting) != tally->waiting;

	changed |= atomic_exchange(&row->stored_delayed, tally->delayed) != tally->delayed;
	return (atomic_exchange(&row->stored_buried, tally->buried) != tally->buried) | changed;
}

static void count(struct clerk *clerk)
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

/* ---- opening ----------------------------------------------------------------------------------- */

struct ids {
	uint64_t *ids;
	size_t n;
};

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool is_in_table(void *arg, uint64_t id)
{
	const struct ids *known = arg;

	return known->n > 0 && bsearch(&id, known->ids, known->n, sizeof(id), compare_ids) != NULL;
}

static int recover(struct clerk *clerk, struct ym_err *err)
{
	struct table_sh *table = clerk->instance->table;
	struct ids known = {.ids = malloc(table->slots * sizeof(uint64_t))};
	uint64_t n = 0;
	int result;

	if (!known.ids)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	/* What a clerk before us, or we, may have written without saying so is submitted again as it is. */
	for (uint32_t slot = 0; slot < table->slots; slot++) {
		uint64_t word = atomic_load(&table->words[slot]);

		if ((word_flags(word) & JOB_STORED) ||
		    (word_state(word) == JOB_STORING && (word_flags(word) & JOB_TAKEN)))
			known.ids[known.n++] = table_job(table, slot)->id;
	}
	qsort(known.ids, known.n, sizeof(*known.ids), compare_ids);
	result = clerk->driver->recover(clerk->store, is_in_table, &known, &n, err);
	free(known.ids);
	if (result == 0 && n > 0)
		clerk_say(clerk, LOG_INFO, "%llu job%s that had been in the table of an earlier run wait%s again",
		          (unsigned long long)n, n == 1 ? "" : "s", n == 1 ? "s" : "");
	return result;
}

/* Ids for submitters to take. */
static int reserve(struct clerk *clerk, struct ym_err *err)
{
	struct table_sh *table = clerk->instance->table;
	struct clerk_range range = {0};
	uint64_t next;

	if (clerk->driver->reserve(clerk->store, &range.start, &range.end, err) < 0)
		return -1;
	clerk->ranges[1] = clerk->ranges[0];
	clerk->ranges[0] = range;
	next = atomic_load(&table->next_id);
	/* Ids of this table from before are still on their way; if it was given none, those in it are others'. */
	if (range.end == UINT64_MAX)
		clerk->ranges[0].start = 1;
	else if (clerk->ranges[1].end == 0 && atomic_load(&table->id_end) != UINT64_MAX)
		clerk->ranges[1] = (struct clerk_range){atomic_load(&table->id_start), atomic_load(&table->id_end)};
	while ((range.end == UINT64_MAX ? next < range.start : next < range.start || next >= range.end) &&
	       !atomic_compare_exchange_weak(&table->next_id, &next, range.start))
		;
	atomic_store(&table->id_start, range.start);
	atomic_store(&table->id_end, range.end);
	return 0;
}

/* The pools of another configuration. */
static int configure(struct clerk *clerk, struct ym_err *err)
{
	struct store_pool *pools;
	size_t n;
	int result;

	pthread_mutex_lock(&clerk->mutex);
	pools = clerk->pools;
	n = clerk->npools;
	clerk->pools = NULL;
	pthread_mutex_unlock(&clerk->mutex);
	if (!pools)
		return 0;
	result = clerk->driver->configure(clerk->store, pools, n, err);
	/* Of a pool that is new here jobs may wait there. */
	if (result == 0) {
		clerk_size_windows(clerk);
		atomic_store(&clerk->refetch, true);
	}
	pthread_mutex_lock(&clerk->mutex);
	if (result < 0 && !clerk->pools) {
		clerk->pools = pools;
		pools = NULL;
	}
	pthread_mutex_unlock(&clerk->mutex);
	free(pools);
	/* A pool may have come, or come back. */
	clerk->active = true;
	clerk->look = 0;
	atomic_store(&clerk->refetch, true);
	return result;
}

static int open_store(struct clerk *clerk, struct ym_err *err)
{
	if (clerk->driver->open(&clerk->store, &clerk->store_options, err) < 0) {
		clerk->store = NULL;
		return -1;
	}
	if (configure(clerk, err) < 0 || reserve(clerk, err) < 0 || recover(clerk, err) < 0) {
		clerk->driver->abandon(clerk->store);
		clerk->store = NULL;
		return -1;
	}
	clerk_adopt(clerk);
	if (clerk->driver->holds && clerk_check_holds(clerk, err) < 0) {
		clerk->driver->abandon(clerk->store);
		clerk->store = NULL;
		return -1;
	}
	count(clerk);
	return 0;
}

/* How the first try went is what clerk_open() waits for. */
static bool have_store(struct clerk *clerk)
{
	struct ym_err err = {0};
	int result;

	if (clerk->store)
		return true;
	if (clerk->troubled && ym_now_ns() < clerk->retry)
		return false;
	result = open_store(clerk, &err);
	if (result < 0)
		have_trouble(clerk, &err);
	else
		be_well(clerk);
	pthread_mutex_lock(&clerk->mutex);
	if (!clerk->tried)
		clerk->first = err;
	clerk->tried = true;
	pthread_cond_broadcast(&clerk->changed);
	pthread_mutex_unlock(&clerk->mutex);
	return result == 0;
}

/* ---- a turn ------------------------------------------------------------------------------------ */

/* False: it failed. */
static bool write_turn(struct clerk *clerk)
{
	struct clerk_turn *turn = clerk->turn;
	struct board_store_sh *board = &clerk->instance->board->store;
	uint64_t start = ym_now_ns();
	struct ym_err err;
	struct store_batch batch = {
	    .durable = turn->durable,
	    .releases = clerk->releases,
	    .nreleases = turn->nreleases,
	    .saves = turn->saves,
	    .nsaves = turn->nsaves,
	    .submits = turn->submits,
	    .nsubmits = turn->nsubmits,
	    .requests = turn->requests,
	    .nrequests = turn->nrequests,
	    .wants = turn->wants,
	    .nwants = turn->nwants,
	    .take = clerk_take,
	    .arg = clerk,
	};

	if (clerk->driver->write(clerk->store, &batch, &err) < 0) {
		clerk_undo(clerk, is_outage(clerk, &err));
		have_trouble(clerk, &err);
		clerk->doubtful = clerk->driver->shared;
		return false;
	}
	/* To look, and find nothing, works on a full disk, too. */
	if (clerk->driver->shared || turn->durable || turn->nsaves + turn->nsubmits + turn->nfetched + turn->nreleases > 0)
		be_well(clerk);
	clerk_settle(clerk);
	clerk->active = true;
	atomic_fetch_add(&board->commits, 1);
	atomic_store(&board->commit_ns, ym_now_ns() - start);
	return true;
}

static void tick(struct clerk *clerk)
{
	struct table_sh *table = clerk->instance->table;
	int64_t now_ms = ym_unix_ms(), next_ms = INT64_MAX, unasked = INT64_MAX;
	uint64_t end = clerk->ranges[0].end;
	struct ym_err err;

	/* Before the call: who wants another one meanwhile sets it to 0. */
	clerk->tick_ms = INT64_MAX;
	clerk->ticked = ym_now_ns();
	if (clerk->driver->tick(clerk->store, now_ms, &next_ms, &err) < 0 || configure(clerk, &err) < 0 ||
	    (end != UINT64_MAX && atomic_load(&table->next_id) + IDS_LOW > end && reserve(clerk, &err) < 0)) {
		have_trouble(clerk, &err);
		next_ms = now_ms + (int64_t)(RETRY_NS / 1000000u);
	} else if (clerk->troubled && clerk->driver->shared) {
		be_well(clerk);
	}
	atomic_compare_exchange_strong(&clerk->tick_ms, &unasked, next_ms);
}

/* ---- the thread -------------------------------------------------------------------------------- */

static bool is_to_stop(struct clerk *clerk)
{
	bool stop;

	pthread_mutex_lock(&clerk->mutex);
	stop = clerk->stop;
	pthread_mutex_unlock(&clerk->mutex);
	return stop;
}

/* When there is something to do even if nobody rings. */
static uint64_t next_look(const struct clerk *clerk)
{
	uint64_t now = ym_now_ns(), at = now + IDLE_NS;
	int64_t left = clerk->tick_ms - ym_unix_ms();

	if (clerk->store && left < (int64_t)(IDLE_NS / 1000000u))
		at = now + (uint64_t)(left > 0 ? left : 0) * 1000000u;
	if (clerk->active && clerk->look < at)
		at = clerk->look;
	if (clerk->store && clerk->limits.n && clerk->limits.next < at)
		at = clerk->limits.next;
	if (clerk->troubled && clerk->retry < at)
		at = clerk->retry;
	return at;
}

static void sleep_on(struct clerk *clerk, _Atomic uint32_t *where, uint32_t seen, enum stage_sleep how, uint64_t until)
{
	struct table_sh *table = clerk->instance->table;

	atomic_store(&table->sleeps, how);
	if (atomic_load(where) == seen && !is_to_stop(clerk))
		table_sleep_on(where, seen, until);
	atomic_store(&table->sleeps, STAGE_AWAKE);
}

/* Until somebody rings; jobs that only ended may gather for a moment. */
static void sleep_deep(struct clerk *clerk, uint32_t bell, uint32_t urgent)
{
	struct table_sh *table = clerk->instance->table;

	if (clerk->troubled)
		sleep_on(clerk, &table->urgent, urgent, STAGE_LINGERING, next_look(clerk));
	else
		sleep_on(clerk, &table->bell, bell, STAGE_ASLEEP, next_look(clerk));
	if (atomic_load(&table->bell) != bell && atomic_load(&table->urgent) == urgent && !clerk->troubled)
		sleep_on(clerk, &table->urgent, urgent, STAGE_LINGERING,
		         ym_now_ns() + (clerk_is_hungry(clerk) ? LINGER_HUNGRY_NS : LINGER_NS));
}

/* After a turn of which we do not know whether it was written. */
static bool be_sure(struct clerk *clerk)
{
	struct ym_err err;

	if (recover(clerk, &err) < 0) {
		have_trouble(clerk, &err);
		return false;
	}
	clerk->doubtful = false;
	return true;
}

/* The others took us for dead. If it cannot be asked now, it is asked again. */
static void look_for_lost(struct clerk *clerk)
{
	struct ym_err err;

	if (atomic_exchange(&clerk->lost, false) && clerk_check_holds(clerk, &err) < 0)
		atomic_store(&clerk->lost, true);
}

/* One round: true when there was something to write. */
static bool work(struct clerk *clerk, bool somebody_waits)
{
	if (!have_store(clerk))
		return false;
	/* A clock that was set back does not keep the driver from being called. */
	if (ym_unix_ms() >= clerk->tick_ms || ym_now_ns() >= clerk->ticked + IDLE_NS)
		tick(clerk);
	if ((clerk->active || clerk->driver->shared) && ym_now_ns() >= clerk->look)
		count(clerk);
	look_for_lost(clerk);
	clerk_share(clerk);
	/* A full disk may have room again when the next one asks; a server that is away is asked by tick(). */
	if (clerk->troubled && (clerk->driver->shared || (!somebody_waits && ym_now_ns() < clerk->retry)))
		return false;
	if (clerk->doubtful && !be_sure(clerk))
		return false;
	return clerk_gather(clerk) && write_turn(clerk);
}

/* What is there. Those who go on submitting, or ending jobs, do not hold us up: that is for the next clerk. */
static bool write_all(struct clerk *clerk)
{
	bool clean = true;

	for (uint32_t turns = clerk->instance->table->slots / CLERK_SAVES + 2; turns > 0 && clean; turns--) {
		if (!clerk_gather(clerk))
			break;
		clean = write_turn(clerk);
	}
	return clean;
}

/* Is there a job in the table that the store calls held? */
static bool has_stored(const struct table_sh *table)
{
	for (uint32_t slot = 0; slot < table->slots; slot++)
		if (word_flags(atomic_load(&table->words[slot])) & JOB_STORED)
			return true;
	return false;
}

/* The end, in order: everything that has happened is written, and what waits goes back to the store. */
static void finish(struct clerk *clerk)
{
	bool clean;

	if (!clerk->store)
		return;
	if (!clerk->hand_over) {
		memset(clerk->window, 0, sizeof(clerk->window));
		clerk->closing = true;
	}
	clean = write_all(clerk);
	if (!clerk->hand_over && clean) {
		/* Not before: the store would have them as they were when it was told last. */
		clerk_evict_all(clerk);
		clean = write_all(clerk);
	}
	clerk->clean = clean;
	count(clerk);
	/*
	 * Jobs that are still in the table stay held: others may keep it for the next master, who would find them twice. If
	 * nobody does, he finds them nowhere (recover()). Where there are other nodes he asks (holds()).
	 */
	if (clerk->hand_over || (!clerk->driver->shared && has_stored(clerk->instance->table)))
		clerk->driver->abandon(clerk->store);
	else
		clerk->driver->close(clerk->store);
	clerk->store = NULL;
}

static void *run(void *arg)
{
	struct clerk *clerk = arg;
	struct table_sh *table = clerk->instance->table;
	uint32_t heard = atomic_load(&table->urgent);

	pthread_setname_np(pthread_self(), "clerk");
	clerk_doubt(clerk);
	while (!is_to_stop(clerk)) {
		uint32_t bell = atomic_load(&table->bell), urgent = atomic_load(&table->urgent);
		bool more = work(clerk, urgent != heard) && clerk->turn->more;

		heard = urgent;
		if (atomic_load(&clerk->ring) || atomic_load(&clerk->answered))
			uv_async_send(&clerk->async);
		if (!more && (clerk->troubled || !atomic_load(&clerk->refetch)))
			sleep_deep(clerk, bell, urgent);
	}
	finish(clerk);
	if (!clerk->store)
		show_state(clerk, BOARD_STORE_CLOSED);
	return NULL;
}

/* ---- what a driver asks for -------------------------------------------------------------------- */

static void wake(void *arg)
{
	struct clerk *clerk = arg;

	atomic_store(&clerk->refetch, true);
	atomic_store(&clerk->woken, true);
	stage_ring(clerk->instance->table, true);
}

static void lost(void *arg)
{
	struct clerk *clerk = arg;

	atomic_store(&clerk->lost, true);
	stage_ring(clerk->instance->table, true);
}

/* A node where nothing happens says so now and then only. */
static char *publish(void *arg)
{
	struct clerk *clerk = arg;
	uint64_t mark = snapshot_mark(clerk->instance), now = ym_now_ns();

	if (mark == clerk->published && now < clerk->published_at + PUBLISH_NS)
		return NULL;
	clerk->published = mark;
	clerk->published_at = now;
	return snapshot_text(clerk->instance);
}

static void cancel(void *arg, uint64_t id)
{
	struct clerk *clerk = arg;
	uint64_t word;
	int64_t slot = table_find(clerk->instance->table, id, &word);

	if (slot >= 0)
		dispatch_cancel(clerk->instance, (struct job_ref){id, (uint32_t)slot, word_gen(word)}, NULL);
}

/* ---- open and close ---------------------------------------------------------------------------- */

uint64_t clerk_store_id(const struct config *config)
{
	const struct store_driver *driver;
	uint64_t hash = UINT64_C(14695981039346656037);

	if (store_driver_of(config->instance.store, &driver, NULL) < 0 || !driver)
		return 0;
	/* FNV-1a */
	for (const char *at = config->instance.store; *at; at++)
		hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
	return hash ? hash : 1;
}

void clerk_configure(struct clerk *clerk, const struct config *config)
{
	struct store_pool *pools = clerk ? calloc(config->npools + 1, sizeof(*pools)) : NULL, *old;

	if (!pools)
		return;
	for (size_t i = 0; i < config->npools; i++) {
		const struct cfg_pool *pool = &config->pools[i];

		text_copy(pools[i].name, sizeof(pools[i].name), pool->name);
		pools[i].ageing_ms = pool->ageing_ms;
		pools[i].timeout_ms = pool->timeout_ms;
		pools[i].level = (uint8_t)pool->priority;
		pools[i].attempts = (uint8_t)pool->attempts;
	}
	pthread_mutex_lock(&clerk->mutex);
	old = clerk->pools;
	clerk->pools = pools;
	clerk->npools = config->npools;
	pthread_mutex_unlock(&clerk->mutex);
	free(old);
	clerk->tick_ms = 0;
	stage_ring(clerk->instance->table, true);
}

static void name_node(struct clerk *clerk, const struct cfg_instance *config)
{
	char host[HOST_NAME_MAX + 1] = "localhost";

	gethostname(host, sizeof(host) - 1);
	if (config->node)
		text_copy(clerk->node, sizeof(clerk->node), config->node);
	else
		snprintf(clerk->node, sizeof(clerk->node), "%.*s/%s", (int)sizeof(clerk->node) - TABLE_NAME_MAX - 2,
		         host, clerk->instance->name);
}

static void free_clerk(struct clerk *clerk)
{
	pthread_cond_destroy(&clerk->changed);
	pthread_mutex_destroy(&clerk->mutex);
	free((char *)(uintptr_t)clerk->store_options.uri);
	free(clerk->pools);
	free(clerk->turn);
	free(clerk->known);
	free(clerk->todo);
	free(clerk->staged);
	free(clerk->unsure);
	free(clerk->releases);
	free(clerk);
}

static struct clerk *new_clerk(const struct clerk_options *options, const struct store_driver *driver)
{
	const struct cfg_instance *config = &options->config->instance;
	uint32_t slots = options->instance->table->slots;
	struct clerk *clerk = calloc(1, sizeof(*clerk));

	if (!clerk)
		return NULL;
	clerk->options = *options;
	clerk->instance = options->instance;
	clerk->driver = driver;
	pthread_mutex_init(&clerk->mutex, NULL);
	pthread_cond_init(&clerk->changed, NULL);
	name_node(clerk, config);
	clerk->store_options = (struct store_options){
	    .uri = strdup(config->store),
	    .directory = options->instance->directory,
	    .instance = options->instance->name,
	    .node = clerk->node,
	    .history_ms = config->history_ms,
	    .lease_ms = config->lease_ms,
	    .payload_max = (size_t)config->payload_max,
	    .wake = wake,
	    .cancel = cancel,
	    .lost = lost,
	    .publish = publish,
	    .arg = clerk,
	};
	clerk->turn = calloc(1, sizeof(*clerk->turn));
	clerk->known = calloc(slots, sizeof(*clerk->known));
	clerk->todo = calloc(table_mark_words(slots), sizeof(*clerk->todo));
	clerk->staged = calloc(slots, sizeof(*clerk->staged));
	clerk->unsure = calloc(table_mark_words(slots), sizeof(*clerk->unsure));
	if (clerk->store_options.uri && clerk->turn && clerk->known && clerk->todo && clerk->staged && clerk->unsure)
		return clerk;
	free_clerk(clerk);
	return NULL;
}

static int start_thread(struct clerk *clerk, struct ym_err *err)
{
	sigset_t all, before;
	int sys;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	sys = pthread_create(&clerk->thread, NULL, run, clerk);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return sys ? ym_fail_sys(err, sys, "pthread_create() for the thread that writes to the store") : 0;
}

static void on_closed(uv_handle_t *handle)
{
	free_clerk(handle->data);
}

int clerk_open(struct clerk **clerk, const struct clerk_options *options, bool lenient, struct ym_err *err)
{
	struct board_store_sh *board = &options->instance->board->store;
	const char *uri = options->config->instance.store;
	const struct store_driver *driver;
	struct clerk *new;
	char shown[STORE_SHOWN_MAX];

	*clerk = NULL;
	driver = options->driver;
	if ((!driver && store_driver_of(uri, &driver, err) < 0) ||
	    store_note(options->instance->directory, driver ? uri : NULL, err) < 0)
		return -1;
	atomic_store(&board->state, driver ? BOARD_STORE_OPENING : BOARD_STORE_NONE);
	if (!driver)
		return 0;
	text_copy(board->shown, sizeof(board->shown), store_shown(uri, shown));
	new = new_clerk(options, driver);
	if (!new)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	new->lenient = lenient;
	clerk_configure(new, options->config);
	uv_async_init(options->loop, &new->async, on_async);
	new->async.data = new;
	if (start_thread(new, err) < 0) {
		uv_close((uv_handle_t *)&new->async, on_closed);
		return -1;
	}
	pthread_mutex_lock(&new->mutex);
	/* Who is lenient may be the loop, which must not stand still for a server that does not answer. */
	while (!new->tried && !lenient)
		pthread_cond_wait(&new->changed, &new->mutex);
	if (!lenient && new->first.class != YM_ERR_NONE && err)
		*err = new->first;
	pthread_mutex_unlock(&new->mutex);
	if (!lenient && new->first.class != YM_ERR_NONE) {
		clerk_close(new, true);
		return -1;
	}
	*clerk = new;
	return 0;
}

bool clerk_close(struct clerk *clerk, bool hand_over)
{
	struct table_sh *table;
	bool clean;

	if (!clerk)
		return true;
	table = clerk->instance->table;
	pthread_mutex_lock(&clerk->mutex);
	clerk->stop = true;
	clerk->hand_over = hand_over;
	pthread_mutex_unlock(&clerk->mutex);
	stage_ring(table, true);
	table_wake_all(&table->bell);
	table_wake_all(&table->urgent);
	pthread_join(clerk->thread, NULL);
	clean = clerk->clean;
	print_news(clerk);
	uv_close((uv_handle_t *)&clerk->async, on_closed);
	return clean;
}
