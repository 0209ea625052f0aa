/* clerk_window.c - which jobs of the store are in the table. */
#include <stdlib.h>
#include <string.h>

#include "../ipc/sys.h"
#include "clerk_self.h"
#include "dispatch.h"

/* A window is never smaller than this, however many pools there are. */
#define WINDOW_MIN 16u
/* So many come in even if others, that do not move, have taken all the room. */
#define WINDOW_LEAST 4u

static bool is_used(const struct table_sh *table, unsigned pool)
{
	return atomic_load(&table->pools[pool].used) && !(atomic_load(&table->pools[pool].mode) & POOL_REMOVED);
}

/* Half of the table is for them, the other for what is being submitted, and for results. */
static unsigned share_of(const struct table_sh *table, unsigned pools)
{
	unsigned share = table->slots / 2 / (pools ? pools : 1);

	return share < WINDOW_MIN ? WINDOW_MIN : share;
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
	return 2 * workers + 2 * clerk->ended[pool];
}

void clerk_size_windows(struct clerk *clerk)
{
	const struct table_sh *table = clerk->instance->table;
	unsigned pools = 0, share;

	for (unsigned i = 0; i < TABLE_POOLS; i++)
		pools += is_used(table, i);
	share = share_of(table, pools);
	for (unsigned i = 0; i < TABLE_POOLS; i++) {
		unsigned need = clerk->driver->shared ? local_need(clerk, i) : share;

		clerk->window[i] = !is_used(table, i) ? 0 : need < share ? need : share;
		clerk->ended[i] = 0;
	}
}

bool clerk_has_room(const struct clerk *clerk, unsigned pool)
{
	return clerk->resident[pool] < clerk->window[pool] &&
	       (clerk->residents < clerk->instance->table->slots / 2 || clerk->resident[pool] < WINDOW_LEAST);
}

void clerk_enter(struct clerk *clerk, uint32_t slot, uint64_t word, unsigned pool)
{
	clerk->known[slot] = (struct clerk_known){.gen = word_gen(word),
	                                          .state = (uint8_t)word_state(word),
	                                          .attempt = (uint8_t)word_attempt(word),
	                                          .pool = (uint8_t)pool,
	                                          .resident = true};
	clerk->resident[pool]++;
	clerk->residents++;
}

void clerk_leave(struct clerk *clerk, uint32_t slot)
{
	struct clerk_known *known = &clerk->known[slot];

	if (!known->resident)
		return;
	clerk->resident[known->pool]--;
	clerk->residents--;
	*known = (struct clerk_known){0};
}

bool clerk_is_hungry(const struct clerk *clerk)
{
	for (unsigned i = 0; i < TABLE_POOLS; i++)
		if (clerk->window[i] > 0 && clerk->first_rank[i] != INT64_MAX)
			return true;
	return false;
}

/* ---- in ---------------------------------------------------------------------------------------- */

void clerk_want(struct clerk *clerk)
{
	struct clerk_turn *turn = clerk->turn;
	unsigned left = clerk->instance->table->slots / 2, room = CLERK_FETCHES;

	if (atomic_exchange(&clerk->refetch, false))
		for (unsigned i = 0; i < TABLE_POOLS; i++)
			clerk->first_rank[i] = INT64_MIN;
	turn->nwants = turn->nfetched = 0;
	left = clerk->residents < left ? left - clerk->residents : 0;
	for (unsigned i = 0; i < TABLE_POOLS && room > 0; i++) {
		unsigned n = clerk->window[i] > clerk->resident[i] ? clerk->window[i] - clerk->resident[i] : 0;
		unsigned least = clerk->resident[i] < WINDOW_LEAST ? WINDOW_LEAST - clerk->resident[i] : 0;
		unsigned most = left > least ? left : least;
		struct store_want *want = &turn->wants[turn->nwants];

		n = n < most ? n : most;
		if (clerk->first_rank[i] == INT64_MAX || n == 0 || clerk->resident[i] > clerk->window[i] / 2)
			continue;
		n = n < room ? n : room;
		*want = (struct store_want){.n = n, .first_rank = INT64_MAX};
		memcpy(want->pool, clerk->instance->table->pools[i].name, sizeof(want->pool) - 1);
		turn->nwants++;
		left -= n < left ? n : left;
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

bool clerk_evict(struct clerk *clerk, uint32_t slot, uint64_t word)
{
	struct table_sh *table = clerk->instance->table;
	uint64_t id = table_job(table, slot)->id;

	if (word_state(word) != JOB_READY && word_state(word) != JOB_DELAYED)
		return false;
	/* If we are killed from here on, the store still calls it held, and the next clerk finds it nowhere: it waits. */
	if (!clerk_release(clerk, id))
		return false;
	if (!dispatch_free(clerk->instance, slot, word)) {
		clerk->nreleases--;
		return false;
	}
	clerk_leave(clerk, slot);
	return true;
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
