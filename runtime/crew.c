/* crew.c - the rule that makes a pool's workers what they are wanted to be. */
#include "crew.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handover.h"
#include "log.h"
#include "pool.h"
#include "ready.h"
#include "scaling.h"
#include "spawn.h"

static struct board_pool_sh *board_row(const struct pool *pool)
{
	return &pool->yard->instance->board->pools[pool->index];
}

static struct table_pool_sh *table_row(const struct pool *pool)
{
	return &pool->yard->instance->table->pools[pool->index];
}

/* ---- places ---------------------------------------------------------------------------------- */

static bool has_room(struct crew *crew)
{
	size_t room = crew->room ? 2 * crew->room : 8;
	struct place **places;

	if (crew->nplaces < crew->room)
		return true;
	places = realloc(crew->places, room * sizeof(struct place *));
	if (!places)
		return false;
	crew->places = places;
	crew->room = room;
	return true;
}

static struct place *add_place(struct pool *pool, unsigned row)
{
	struct crew *crew = &pool->crew;
	struct place *place = has_room(crew) ? place_make(pool, row) : NULL;

	if (!place) {
		log_line(LOG_ERROR, "pool %s: no memory for another worker: next try at the next look",
		         pool->config->name);
		return NULL;
	}
	crew->places[crew->nplaces++] = place;
	return place;
}

static void drop_place(struct crew *crew, size_t index)
{
	place_free(crew->places[index]);
	crew->places[index] = crew->places[--crew->nplaces];
}

/* A row that nobody has: the last record of a dead worker may still stand there. */
static int vacant_row(const struct pool *pool)
{
	struct yard *yard = pool->yard;
	struct board_work work;

	for (unsigned row = 0; row < yard->instance->board->instance.rows; row++) {
		if (yard->rows[row] == YARD_ROW_FOREIGN && !place_row_alive(yard->instance, row, &work)) {
			board_fold(yard->instance->board, row, work.pool);
			yard->rows[row] = YARD_ROW_FREE;
		}
		if (yard->rows[row] != YARD_ROW_FREE)
			continue;
		/* What a dead worker of an earlier master has counted is its pool's, whosever row it becomes. */
		if (atomic_load(&yard->instance->board->workers[row].used) &&
		    board_read_work(&yard->instance->board->workers[row], &work))
			board_fold(yard->instance->board, row, work.pool);
		/* A permit of a worker that ended without a master is in no count (count_permits()). */
		atomic_store(&yard->instance->board->workers[row].recycled, BOARD_RECYCLED_NOT);
		return (int)row;
	}
	return -1;
}

/*
 * The worker of the place made last cannot be watched: it keeps its row and is to end. True: it has to be told, unless it
 * is an orphan, which looks at its orders by itself.
 */
static bool leave_row(struct pool *pool)
{
	struct yard *yard = pool->yard;
	unsigned row = pool->crew.places[pool->crew.nplaces - 1]->row;
	bool tell = board_retire(&yard->instance->board->workers[row]);

	drop_place(&pool->crew, pool->crew.nplaces - 1);
	yard->rows[row] = YARD_ROW_FOREIGN;
	atomic_store(&yard->instance->board->workers[row].used, 1);
	return tell;
}

/* Likewise for a child of ours. One that is not on the board yet has no job, and its row will be given to another. */
static void let_go(struct pool *pool, struct handed *handed)
{
	unsigned row = pool->crew.places[pool->crew.nplaces - 1]->row;
	struct board_work work;
	bool tell = leave_row(pool);

	if (!place_row_alive(pool->yard->instance, row, &work))
		spawn_signal(handed->fds.pidfd, SIGKILL);
	else if (tell)
		spawn_signal(handed->fds.pidfd, SIGUSR1);
	process_fds_close(&handed->fds);
}

/* The places as they were before an upgrade. */
static int resume(struct pool *pool, struct ym_err *err)
{
	struct handover *handover = pool->yard->handover;

	for (size_t i = 0; i < handover->nchildren; i++) {
		struct handed *handed = &handover->children[i];
		struct place *place;

		if (strcmp(handed->unit, pool->config->name) != 0 || handed->number < 0 ||
		    handed->number >= pool->yard->instance->board->instance.rows)
			continue;
		place = add_place(pool, (unsigned)handed->number);
		if (!place)
			return ym_fail(err, YM_ERR_LIMIT, "out of memory");
		if (place_resume(place, handed))
			continue;
		let_go(pool, handed);
	}
	return 0;
}

/* Who was killed between taking a permit and writing that down has left one too many. */
static void count_permits(struct pool *pool)
{
	const struct board_sh *board = pool->yard->instance->board;
	uint32_t permits = 0;

	for (size_t i = 0; i < pool->crew.nplaces; i++)
		permits += atomic_load(&board->workers[pool->crew.places[i]->row].recycled) != BOARD_RECYCLED_NOT;
	atomic_store(&table_row(pool)->recycling, permits);
}

int crew_take_over(struct pool *pool, struct ym_err *err)
{
	struct yard *yard = pool->yard;
	struct board_work work;

	if (yard->handover && resume(pool, err) < 0)
		return -1;

	for (unsigned row = 0; row < yard->instance->board->instance.rows; row++) {
		struct place *place;

		if (yard->rows[row] != YARD_ROW_FREE)
			continue;
		if (!place_row_alive(yard->instance, row, &work)) {
			place_note_lost(pool, row);
			continue;
		}
		if (work.pool != pool->index)
			continue;
		place = add_place(pool, row);
		if (!place)
			return ym_fail(err, YM_ERR_LIMIT, "out of memory");
		if (place_adopt(place, &work)) {
			/* Somebody has started it, whatever `autostart` says. */
			pool->unit.wanted = pool->unit.wanted || !place->old;
			continue;
		}
		leave_row(pool);
	}
	count_permits(pool);
	return 0;
}

/* ---- size ------------------------------------------------------------------------------------ */

void crew_bounds(const struct pool *pool, unsigned *least, unsigned *most)
{
	const struct table_pool_sh *row = table_row(pool);

	*least = (unsigned)pool->config->workers_min;
	*most = (unsigned)pool->config->workers_max;
	if (atomic_load(&row->scaled)) {
		*least = (unsigned)atomic_load(&row->scale_min);
		*most = (unsigned)atomic_load(&row->scale_max);
	}
}

static void set_wanted(struct pool *pool, unsigned wanted)
{
	pool->crew.wanted = wanted;
	atomic_store(&board_row(pool)->wanted, pool->crew.up ? wanted : 0);
}

void crew_size(struct pool *pool)
{
	struct board_pool_sh *row = board_row(pool);
	unsigned least, most, wanted = pool->crew.wanted;

	crew_bounds(pool, &least, &most);
	atomic_store(&row->least, least);
	atomic_store(&row->most, most);
	atomic_store(&table_row(pool)->recycle_at_once, (uint32_t)pool->config->recycle_at_once);
	set_wanted(pool, wanted < least ? least : wanted > most ? most : wanted);
}

/* What the workers of the moment do, for the decision about their number. */
static void count_moment(const struct pool *pool, struct scaling *scaling)
{
	for (size_t i = 0; i < pool->crew.nplaces; i++) {
		const struct place *place = pool->crew.places[i];
		struct board_work work;

		if (place->child.life.state == LIFE_STARTING && !place->old)
			scaling->starting++;
		if (place->child.life.state != LIFE_RUNNING || !place_work(place, &work) ||
		    work.state != BOARD_WORKER_IDLE)
			continue;
		/* One that is to be replaced takes jobs until then; its successor counts as any other. */
		scaling->idle++;
		scaling->idle_long += !place->old && scaling->now - work.since >= scaling->idle_timeout_ns;
	}
}

static void scale(struct pool *pool, uint64_t waiting)
{
	const struct cfg_pool *config = pool->config;
	struct scaling scaling = {
	    .min_spare = (unsigned)config->min_spare,
	    .max_spare = (unsigned)config->max_spare,
	    .step = (unsigned)config->scale_step,
	    .cooldown_ns = (uint64_t)config->scale_cooldown_ms * 1000000u,
	    .idle_timeout_ns = (uint64_t)config->idle_timeout_ms * 1000000u,
	    .now = ym_now_ns(),
	    .wanted = pool->crew.wanted,
	    .changed = pool->crew.changed,
	};
	char reason[SCALING_REASON_MAX];
	unsigned wanted;
	bool late;

	crew_bounds(pool, &scaling.least, &scaling.most);
	if (scaling.least == scaling.most)
		return;
	/* Counted before `hungry` is set: a job that comes in between is not counted and rings no bell. */
	late = waiting == 0;
	/* A worker more would not get more units, or more starts a second. */
	if (!ready_any(pool->yard->instance, pool->index) || board_held(pool->yard->instance->board, pool->index) >= 0)
		waiting = 0;
	scaling.waiting = waiting;
	count_moment(pool, &scaling);
	wanted = scaling_decide(&scaling, reason);
	if (wanted != pool->crew.wanted) {
		log_line(LOG_INFO, "pool %s: %u -> %u workers: %s", config->name, pool->crew.wanted, wanted, reason);
		pool->crew.changed = scaling.now;
		set_wanted(pool, wanted);
	}
	/* Had it been set before, the job would have rung. What is in a list need not be a job: once is enough. */
	if (!atomic_exchange(&table_row(pool)->hungry, wanted < scaling.most) && late && wanted < scaling.most &&
	    ready_any(pool->yard->instance, pool->index))
		yard_soon(pool->yard);
}

/* ---- the rule -------------------------------------------------------------------------------- */

struct census {
	unsigned fresh;       /* places of the newest build that count for the size */
	unsigned fresh_ready; /* ... with a worker that works */
	unsigned old_ready;
};

static bool counts(const struct place *place)
{
	enum life_state state = place->child.life.state;

	return state == LIFE_STOPPING ? place->child.life.again : state != LIFE_STOPPED;
}

static struct census take_census(const struct crew *crew)
{
	struct census census = {0};

	for (size_t i = 0; i < crew->nplaces; i++) {
		const struct place *place = crew->places[i];
		bool works = place->child.life.state == LIFE_RUNNING;

		census.fresh += !place->old && counts(place);
		census.fresh_ready += !place->old && works;
		census.old_ready += place->old && works;
	}
	return census;
}

/* Old ones without a worker that works are no loss. */
static void drop_useless(struct crew *crew)
{
	for (size_t i = 0; i < crew->nplaces; i++) {
		enum life_state state = crew->places[i]->child.life.state;

		if (crew->places[i]->old && state != LIFE_RUNNING && state != LIFE_STOPPING && state != LIFE_STOPPED)
			child_event(&crew->places[i]->child, LIFE_ON_RETIRE);
	}
}

static void fill_up(struct pool *pool, const struct census *census)
{
	struct crew *crew = &pool->crew;
	/* While old ones are replaced, this many more than wanted. */
	unsigned surge = census->old_ready ? (crew->wanted + 3) / 4 : 0, fresh = census->fresh;

	while (fresh < crew->wanted && fresh + census->old_ready < crew->wanted + surge) {
		int row = vacant_row(pool);
		struct place *place = row < 0 ? NULL : add_place(pool, (unsigned)row);

		if (row < 0 && !crew->no_row)
			log_line(LOG_ERROR,
			         "pool %s: no worker row is free on the board (%u in all): another worker must wait "
			         "until one ends; a larger `workers_room` applies at the next start of the instance",
			         pool->config->name, pool->yard->instance->board->instance.rows);
		crew->no_row = row < 0;
		if (!place)
			return;
		child_event(&place->child, LIFE_ON_START);
		fresh++;
	}
}

/* How gladly it is given up: those that do not run first, then idle ones, then the youngest job. */
static int dispensable(const struct place *place)
{
	struct board_work work;

	if (place->child.life.state != LIFE_RUNNING)
		return 3;
	return place_work(place, &work) && work.state == BOARD_WORKER_IDLE ? 2 : 1;
}

static struct place *choose(const struct crew *crew, bool old)
{
	struct place *best = NULL;

	for (size_t i = 0; i < crew->nplaces; i++) {
		struct place *place = crew->places[i];

		if (place->old == old && counts(place) && place->child.life.state != LIFE_STOPPING &&
		    (!best || dispensable(place) > dispensable(best)))
			best = place;
	}
	return best;
}

static void thin_out(struct crew *crew, struct census *census)
{
	struct place *place;

	while (census->old_ready > 0 && census->fresh_ready + census->old_ready > crew->wanted &&
	       (place = choose(crew, true))) {
		child_event(&place->child, LIFE_ON_RETIRE);
		census->old_ready--;
	}
	while (census->fresh > crew->wanted && (place = choose(crew, false))) {
		child_event(&place->child, LIFE_ON_RETIRE);
		census->fresh--;
	}
}

static void reconcile(struct pool *pool)
{
	struct crew *crew = &pool->crew;
	struct census census;

	for (size_t i = crew->nplaces; i-- > 0;)
		if (crew->places[i]->child.life.state == LIFE_STOPPED)
			drop_place(crew, i);
	if (!crew->up || pool->yard->stopping)
		return;
	drop_useless(crew);
	census = take_census(crew);
	thin_out(crew, &census);
	/* Each old one that retires makes room for the next new one. */
	census = take_census(crew);
	fill_up(pool, &census);
}

void crew_roll(struct pool *pool)
{
	for (size_t i = 0; i < pool->crew.nplaces; i++)
		pool->crew.places[i]->old = true;
}

/* ---- the board ------------------------------------------------------------------------------- */

static enum board_pool_state state_of(const struct pool *pool, const unsigned *places)
{
	unsigned ends = places[LIFE_STOPPING];

	if (!pool->crew.up)
		return pool->removed ? BOARD_POOL_REMOVED : ends ? BOARD_POOL_STOPPING : BOARD_POOL_STOPPED;
	if (places[LIFE_RUNNING] >= pool->crew.wanted)
		return BOARD_POOL_RUNNING;
	if (places[LIFE_FATAL] > 0 && places[LIFE_RUNNING] + places[LIFE_STARTING] + places[LIFE_BACKOFF] == 0)
		return BOARD_POOL_FATAL;
	if (places[LIFE_FATAL] + places[LIFE_BACKOFF] + places[LIFE_EXITED] > 0)
		return BOARD_POOL_DEGRADED;
	return BOARD_POOL_STARTING;
}

static void show(struct pool *pool)
{
	struct board_pool_sh *row = board_row(pool);
	unsigned places[LIFE_STATES] = {0}, failing = 0;
	const char *reason = "";

	_Static_assert(LIFE_STATES <= sizeof(row->places) / sizeof(row->places[0]), "one number a state");
	for (size_t i = 0; i < pool->crew.nplaces; i++) {
		const struct life *life = &pool->crew.places[i]->child.life;

		places[life->state]++;
		if (life->state != LIFE_RUNNING && life->fails > failing)
			failing = life->fails;
		if (life->reason[0] && !reason[0])
			reason = life->reason;
	}
	for (size_t i = 0; i < LIFE_STATES; i++)
		atomic_store(&row->places[i], places[i]);
	atomic_store(&row->failing, failing);
	atomic_store(&row->actual, crew_alive(pool));
	atomic_store(&row->rolling, pool->crew.up ? crew_old(pool) : 0);
	board_show_pool(row, state_of(pool, places));
	board_reason_write(row->reason, &row->reason_version, reason);
}

void crew_look(struct pool *pool, const struct sweep_counts *counted)
{
	for (size_t i = 0; i < pool->crew.nplaces; i++)
		place_look(pool->crew.places[i]);
	if (counted && pool->crew.up && !pool->yard->stopping)
		scale(pool, counted->waiting);
	reconcile(pool);
	show(pool);
}

/* ---- start and stop -------------------------------------------------------------------------- */

void crew_start(struct pool *pool)
{
	const struct handed_unit *unit;

	pool->crew.up = true;
	unit = handover_find_unit(pool->yard->handover, pool->config->name);
	/* Those of an earlier master that are taken over count. */
	pool->crew.wanted = (unsigned)pool->config->workers_start;
	if (crew_alive(pool) > pool->crew.wanted)
		pool->crew.wanted = crew_alive(pool);
	if (unit)
		pool->crew.wanted = (unsigned)unit->workers;
	crew_size(pool);
	/*
	 * Those that have given up, wait for the next try, or have ended for good begin anew; but not because the
	 * master's program does.
	 */
	for (size_t i = 0; i < pool->crew.nplaces && !unit; i++) {
		struct child *child = &pool->crew.places[i]->child;

		if (child->life.state == LIFE_FATAL || child->life.state == LIFE_BACKOFF ||
		    child->life.state == LIFE_EXITED)
			child_event(child, LIFE_ON_START);
	}
	reconcile(pool);
	show(pool);
}

static void tell_all(struct pool *pool, enum life_event event)
{
	for (size_t i = 0; i < pool->crew.nplaces; i++)
		if (life_accepts(pool->crew.places[i]->child.life.state, event))
			child_event(&pool->crew.places[i]->child, event);
}

void crew_stop(struct pool *pool)
{
	pool->crew.up = false;
	set_wanted(pool, 0);
	tell_all(pool, pool->removed && !pool->yard->stopping ? LIFE_ON_RETIRE : LIFE_ON_STOP);
	show(pool);
}

void crew_press(struct pool *pool)
{
	tell_all(pool, LIFE_ON_PRESS);
}

unsigned crew_alive(const struct pool *pool)
{
	unsigned n = 0;

	for (size_t i = 0; i < pool->crew.nplaces; i++)
		n += pool->crew.places[i]->child.process != NULL;
	return n;
}

bool crew_ready(const struct pool *pool)
{
	struct census census = take_census(&pool->crew);

	return pool->crew.up && census.fresh_ready + census.old_ready >= pool->crew.wanted;
}

unsigned crew_old(const struct pool *pool)
{
	unsigned n = 0;

	for (size_t i = 0; i < pool->crew.nplaces; i++)
		n += pool->crew.places[i]->old;
	return n;
}

struct place *crew_find(struct pool *pool, unsigned slot)
{
	struct board_work work;

	for (size_t i = 0; i < pool->crew.nplaces; i++)
		if (place_work(pool->crew.places[i], &work) && work.slot == slot)
			return pool->crew.places[i];
	return NULL;
}

void crew_free(struct pool *pool)
{
	while (pool->crew.nplaces > 0)
		drop_place(&pool->crew, pool->crew.nplaces - 1);
	free(pool->crew.places);
	pool->crew = (struct crew){0};
}
