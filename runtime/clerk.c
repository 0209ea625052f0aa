/* clerk.c - the thread. */
#include "clerk.h"

#include <errno.h>
#include <signal.h>
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
/*
 * Look at least so often: other nodes and users put jobs into a shared store, and whoever was about to wake us may have
 * been killed.
 */
#define IDLE_NS UINT64_C(1000000000)
/* Who holds the lock of the job lists does not go on: look again. When it is time to end, wait so long in all. */
#define BLOCKED_NS      UINT64_C(20000000)
#define BLOCKED_STOP_MS 2000
/* What a node shows to others, if nothing has changed. */
#define PUBLISH_NS UINT64_C(2000000000)
/* So many ids left: reserve more. */
#define IDS_LOW 100000u

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
		clerk_undo(clerk, clerk_is_outage(clerk, &err));
		clerk_have_trouble(clerk, &err);
		clerk->doubtful = clerk->driver->shared;
		return false;
	}
	/* To look, and find nothing, works on a full disk, too. */
	if (clerk->driver->shared || turn->durable ||
	    turn->nsaves + turn->nsubmits + turn->nfetched + turn->nreleases > 0)
		clerk_be_well(clerk);
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
	if (clerk->driver->tick(clerk->store, now_ms, &next_ms, &err) < 0 || clerk_apply_pools(clerk, &err) < 0 ||
	    (end != UINT64_MAX && atomic_load(&table->next_id) + IDS_LOW > end && clerk_reserve(clerk, &err) < 0)) {
		clerk_have_trouble(clerk, &err);
		next_ms = now_ms + (int64_t)(CLERK_RETRY_NS / 1000000u);
	} else if (clerk->troubled && clerk->driver->shared) {
		clerk_be_well(clerk);
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
	if (clerk->blocked && now + BLOCKED_NS < at)
		at = now + BLOCKED_NS;
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

	if (clerk_recover(clerk, &err) < 0) {
		clerk_have_trouble(clerk, &err);
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
	if (!clerk_have_store(clerk))
		return false;
	/* A clock that was set back does not keep the driver from being called. */
	if (ym_unix_ms() >= clerk->tick_ms || ym_now_ns() >= clerk->ticked + IDLE_NS)
		tick(clerk);
	if ((clerk->active || clerk->driver->shared) && ym_now_ns() >= clerk->look)
		clerk_count(clerk);
	look_for_lost(clerk);
	clerk_share(clerk);
	/* A full disk may have room again when the next one asks; a server that is away is asked by tick(). */
	if (clerk->troubled && (clerk->driver->shared || (!somebody_waits && ym_now_ns() < clerk->retry)))
		return false;
	if (clerk->doubtful && !be_sure(clerk))
		return false;
	return clerk_gather(clerk) && write_turn(clerk);
}

/* As clerk_gather(). The loop waits for us: whoever holds the lock of the lists is not waited for for ever. */
static bool gather_soon(struct clerk *clerk)
{
	bool any = clerk_gather(clerk);

	while (clerk->blocked && ym_now_ns() < clerk->patience)
		any = clerk_gather(clerk);
	return any;
}

/* What is there. Those who go on submitting, or ending jobs, do not hold us up: that is for the next clerk. */
static bool write_all(struct clerk *clerk)
{
	bool clean = true;

	for (uint32_t turns = clerk->instance->table->slots / CLERK_SAVES + 2; turns > 0 && clean; turns--) {
		if (!gather_soon(clerk))
			break;
		clean = write_turn(clerk);
	}
	return clean && !clerk->blocked;
}

/* Is there a job in the table that the store calls held? */
static bool has_stored(const struct table_sh *table)
{
	for (uint32_t slot = 0; slot < table->slots; slot++)
		if (word_flags(atomic_load(&table->words[slot])) & JOB_STORED)
			return true;
	return false;
}

static void say_blocked(struct clerk *clerk)
{
	struct ym_err err;

	index_fail(clerk->instance, &err);
	clerk_say(clerk, LOG_WARN,
	          "%s: what is in the table is left there, and as the store has it, for the next master", err.text);
}

/* The end, in order: everything that has happened is written, and what waits goes back to the store. */
static void finish(struct clerk *clerk)
{
	bool clean;

	if (!clerk->store)
		return;
	clerk->patience = ym_deadline(BLOCKED_STOP_MS);
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
	clerk_count(clerk);
	if (clerk->blocked)
		say_blocked(clerk);
	/*
	 * Jobs that are still in the table stay held: others may keep it for the next master, who would find them twice. If
	 * nobody does, he finds them nowhere (clerk_recover()). Where there are other nodes he asks (holds()). Blocked: so
	 * does whoever has the lock.
	 */
	if (clerk->hand_over || clerk->blocked || (!clerk->driver->shared && has_stored(clerk->instance->table)))
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
		clerk_show_state(clerk, BOARD_STORE_CLOSED);
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
	store_node_name(config, clerk->instance->name, clerk->node);
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
	char shown[STORE_SHOWN_MAX], node[STORE_NODE_MAX];

	*clerk = NULL;
	driver = options->driver;
	store_node_name(&options->config->instance, options->instance->name, node);
	if ((!driver && store_driver_of(uri, &driver, err) < 0) ||
	    store_note(options->instance->directory, driver ? uri : NULL, node, err) < 0)
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
	uv_async_init(options->loop, &new->async, clerk_on_async);
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
	clerk_print_news(clerk);
	uv_close((uv_handle_t *)&clerk->async, on_closed);
	return clean;
}
