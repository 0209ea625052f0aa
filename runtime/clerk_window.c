/* clerk_window.c - which jobs of the store are in the table. */
#include <stdlib.h>
#include <string.h>

#include "../config/config.h"
#include "../ipc/sys.h"
#include "clerk_self.h"
#include "dispatch.h"

/* So many come in even if others, that do not move, have taken all the room. */
#define WINDOW_LEAST 4u

static bool is_used(const struct table_sh *table, unsigned pool)
{
	return atomic_load(&table->pools[pool].used) && !(atomic_load(&table->pools[pool].mode) & POOL_REMOVED);
}

/*
 * Where other nodes could run what we only keep: as many as our workers need until the next turn, going by what they
 * have done lately.
 */
static unsigned local_need(struct clerk *clerk, unsigned pool)
{
	unsigned workers = atomic_load(&clerk->instance->board->pools[pool].actual);

	if (atomic_load(&clerk->instance->table->pools[pool].mode) & POOL_PAUSED)
		return 0;
	return workers + 2 * clerk->ended[pool];
}

/* Is it time to fetch more? Not for every job, unless a worker could lack one that others would have to wait for. */
static bool runs_low(const struct clerk *clerk, unsigned pool)
{
	return clerk->resident[pool] <= clerk->window[pool] / 2 ||
	       (clerk->driver->shared &&
	        clerk->resident[pool] < atomic_load(&clerk->instance->board->pools[pool].actual));
}

void clerk_size_windows(struct clerk *clerk)
{
	const struct table_sh *table = clerk->instance->table;
	unsigned pools = 0, share, most;

	for (unsigned i = 0; i < TABLE_POOLS; i++)
		pools += is_used(table, i);
	share = (unsigned)cfg_window(table->slots, pools);
	for (unsigned i = 0; i < TABLE_POOLS; i++) {
		unsigned need = clerk->driver->shared ? local_need(clerk, i) : share;

		clerk->window[i] = !is_used(table, i) ? 0 : need < share ? need : share;
		clerk->ended[i] = 0;
		/* There are more pools than before, or it is not in the configuration any more: others need the room. */
		most = is_used(table, i) ? share : 0;
		if (clerk->resident[i] > most && !clerk->troubled)
			clerk_trim(clerk, i, clerk->resident[i] - most, INT64_MIN);
	}
}

bool clerk_has_room(const struct clerk *clerk, unsigned pool)
{
	return clerk->resident[pool] < clerk->window[pool] &&
	       (clerk->residents < clerk->instance->table->slots / 2 ||
	        (clerk->resident[pool] < WINDOW_LEAST && clerk->residents < clerk->instance->table->slots / 4 * 3));
}

void clerk_set_delayed(struct clerk *clerk, uint32_t slot, bool delayed)
{
	struct clerk_known *known = &clerk->known[slot];

	if (!known->resident || known->delayed == delayed)
		return;
	known->delayed = delayed;
	clerk->delayed[known->pool] += delayed ? 1u : -1u;
}

void clerk_enter(struct clerk *clerk, uint32_t slot, uint64_t word, unsigned pool, int64_t rank)
{
	if (word_state(word) == JOB_READY && (clerk->resident[pool] == 0 || rank > clerk->last_rank[pool]))
		clerk->last_rank[pool] = rank;
	clerk->known[slot] = (struct clerk_known){.gen = word_gen(word),
	                                          .state = (uint8_t)word_state(word),
	                                          .attempt = (uint8_t)word_attempt(word),
	                                          .pool = (uint8_t)pool,
	                                          .resident = true,
	                                          .rank = rank};
	clerk->resident[pool]++;
	clerk->residents++;
	clerk_set_delayed(clerk, slot, word_state(word) == JOB_DELAYED);
}

void clerk_leave(struct clerk *clerk, uint32_t slot)
{
	struct clerk_known *known = &clerk->known[slot];

	if (!known->resident)
		return;
	clerk_set_delayed(clerk, slot, false);
	clerk->resident[known->pool]--;
	clerk->residents--;
	*known = (struct clerk_known){0};
}

/* ---- in ---------------------------------------------------------------------------------------- */

/*
 * How many more a pool can take in. It waits until half of its window is empty, unless something in the store comes before
 * what is here: that takes the place of those that come last, which go back in the same turn.
 */
static unsigned wanted(struct clerk *clerk, unsigned pool)
{
	unsigned window = clerk->window[pool], *resident = &clerk->resident[pool];
	unsigned room = window > *resident ? window - *resident : 0;
	int64_t first = clerk->first_rank[pool];

	if (first == INT64_MAX)
		return 0;
	/* Not known: one is exchanged, and the store says what comes behind it. */
	if (!runs_low(clerk, pool) && room < clerk_portion(clerk, pool) && first < clerk->last_rank[pool])
		clerk_trim(clerk, pool, first == INT64_MIN ? 1 : clerk_portion(clerk, pool), first);
	else if (!runs_low(clerk, pool) && first > INT64_MIN)
		return 0;
	return window > *resident ? window - *resident : 0;
}

bool clerk_is_hungry(const struct clerk *clerk)
{
	for (unsigned i = 0; i < TABLE_POOLS; i++)
		if (clerk->window[i] > 0 && runs_low(clerk, i) && clerk->first_rank[i] != INT64_MAX)
			return true;
	return false;
}

void clerk_want(struct clerk *clerk)
{
	struct clerk_turn *turn = clerk->turn;
	unsigned most = clerk->instance->table->slots / 2, room = CLERK_FETCHES;

	if (atomic_exchange(&clerk->refetch, false))
		for (unsigned i = 0; i < TABLE_POOLS; i++)
			clerk->first_rank[i] = INT64_MIN;
	turn->nwants = turn->nfetched = 0;
	for (unsigned i = 0; i < TABLE_POOLS && room > 0; i++) {
		struct store_want *want = &turn->wants[turn->nwants];
		unsigned n = wanted(clerk, i), taken = clerk->residents + CLERK_FETCHES - room;
		unsigned left = taken < most ? most - taken : 0;
		/* Who has very few gets some all the same, but for a quarter of the table: that is for who submits and asks. */
		bool crowded = taken >= clerk->instance->table->slots / 4 * 3;
		unsigned least = clerk->resident[i] < WINDOW_LEAST && !crowded ? WINDOW_LEAST - clerk->resident[i] : 0;

		n = n < left || n < least ? n : left > least ? left : least;
		n = n < room ? n : room;
		if (n == 0)
			continue;
		*want = (struct store_want){.n = n, .first_rank = INT64_MAX};
		memcpy(want->pool, clerk->instance->table->pools[i].name, sizeof(want->pool) - 1);
		turn->nwants++;
		room -= n;
	}
}

int clerk_take(void *arg, const struct store_want *want, const struct store_job *job)
{
	struct clerk *clerk = arg;
	struct instance *instance = clerk->instance;
	struct clerk_turn *turn = clerk->turn;
	struct clerk_fetched *one = &turn->fetched[turn->nfetched];
	int pool = table_pool(instance->table, want->pool);
	struct ym_err err;
	int64_t slot;

	if (turn->nfetched == CLERK_FETCHES || pool < 0)
		return 1;
	slot = table_take(instance->table, instance->group.slot, &one->word);
	if (slot < 0)
		return 1;
	one->slot = (uint32_t)slot;
	one->pool = (unsigned)pool;
	one->rank = job->rank;
	if (stored_fill(instance, &clerk->clock, one->slot, one->word, one->pool, job, &one->next, &err) < 0) {
		dispatch_free(instance, one->slot, one->word);
		clerk_say(clerk, LOG_ERROR, "job %llu cannot be brought into the table: %s",
		          (unsigned long long)job->id, err.text);
		return 1;
	}
	turn->nfetched++;
	return 0;
}

/* ---- out --------------------------------------------------------------------------------------- */

/* Ids of jobs that are no longer in the table wait here until the store has been told. */
bool clerk_release(struct clerk *clerk, uint64_t id)
{
	if (clerk->nreleases == clerk->releases_room) {
		size_t room = clerk->releases_room ? 2 * clerk->releases_room : 256;
		uint64_t *larger = realloc(clerk->releases, room * sizeof(*larger));

		if (!larger)
			return false;
		clerk->releases = larger;
		clerk->releases_room = room;
	}
	clerk->releases[clerk->nreleases++] = id;
	return true;
}

void clerk_note_stored(struct clerk *clerk, unsigned pool, enum job_state state, int n)
{
	struct table_pool_sh *row = &clerk->instance->table->pools[pool];
	_Atomic uint64_t *count = state == JOB_DELAYED ? &row->stored_delayed : &row->stored_waiting;
	uint64_t now = atomic_load(count), less = n < 0 ? (uint64_t)-n : 0;

	/* Nobody else writes to it. */
	atomic_store(count, n < 0 ? (now > less ? now - less : 0) : now + (uint64_t)n);
}

void clerk_note_due(struct clerk *clerk, int64_t due_ms)
{
	if (due_ms < clerk->tick_ms)
		clerk->tick_ms = due_ms;
}

bool clerk_evict(struct clerk *clerk, uint32_t slot, uint64_t word)
{
	unsigned pool = job_pool(table_job(clerk->instance->table, slot));
	int64_t rank = clerk->known[slot].rank;
	struct store_job job;

	if (word_state(word) != JOB_READY && word_state(word) != JOB_DELAYED)
		return false;
	stored_describe(clerk->instance, &clerk->clock, slot, word, &job);
	/* If we are killed from here on, the store still calls it held, and the next clerk finds it nowhere: it waits. */
	if (!clerk_release(clerk, job.id))
		return false;
	if (!dispatch_free(clerk->instance, slot, word)) {
		clerk->nreleases--;
		return false;
	}
	clerk_note_stored(clerk, pool, job.state, 1);
	if (job.state == JOB_DELAYED)
		clerk_note_due(clerk, job.due_ms);
	else if (rank < clerk->first_rank[pool])
		clerk->first_rank[pool] = rank;
	clerk_leave(clerk, slot);
	return true;
}

struct ranked {
	int64_t rank;
	uint64_t id, word;
	uint32_t slot;
};

/* Many have the same rank: the order of the store is that of their ids then. */
static int last_first(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	return x->id > y->id ? -1 : x->id < y->id;
}

/* What is ready, the last one first; by the ranks of the store, or the same ones would come and go for ever. */
static unsigned rank_all(struct clerk *clerk, unsigned pool, struct ranked *ranked)
{
	struct table_sh *table = clerk->instance->table;
	unsigned n = 0;

	for (uint32_t slot = 0; slot < table->slots; slot++) {
		const struct clerk_known *known = &clerk->known[slot];
		uint64_t word = atomic_load(&table->words[slot]);

		if (!known->resident || known->pool != pool || word_state(word) != JOB_READY ||
		    !(word_flags(word) & JOB_STORED))
			continue;
		/* The store would go on with what it was told last: fewer attempts, perhaps. */
		if (clerk_is_news(clerk, slot, word))
			stage_mark(table, slot);
		else
			ranked[n++] = (struct ranked){known->rank, table_job(table, slot)->id, word, slot};
	}
	qsort(ranked, n, sizeof(*ranked), last_first);
	return n;
}

unsigned clerk_trim(struct clerk *clerk, unsigned pool, unsigned n, int64_t rank)
{
	struct ranked *ranked = malloc(clerk->instance->table->slots * sizeof(*ranked));
	unsigned have = ranked ? rank_all(clerk, pool, ranked) : 0, i = 0, gone = 0;

	for (; i < have && gone < n && ranked[i].rank > rank; i++)
		gone += clerk_evict(clerk, ranked[i].slot, ranked[i].word);
	if (ranked)
		clerk->last_rank[pool] = i < have ? ranked[i].rank : INT64_MIN;
	free(ranked);
	return gone;
}

void clerk_evict_all(struct clerk *clerk)
{
	struct table_sh *table = clerk->instance->table;

	for (uint32_t slot = 0; slot < table->slots; slot++) {
		uint64_t word = atomic_load(&table->words[slot]);

		if (word_flags(word) & JOB_STORED)
			clerk_evict(clerk, slot, word);
	}
}
