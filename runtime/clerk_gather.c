/* clerk_gather.c - what goes into a turn. */
#include <stdlib.h>
#include <string.h>

#include "../ipc/sys.h"
#include "clerk_self.h"

/* A delayed job that is not due for longer than this waits in the store. */
#define HORIZON_MS INT64_C(5000)

/* A job that runs for so long is recorded as started. */
#define STARTED_NS UINT64_C(100000000)

/* ---- what there is ----------------------------------------------------------------------------- */

/* False: the lock of the lists is not to be had. */
static bool take_marks(struct clerk *clerk, bool *any)
{
	struct table_sh *table = clerk->instance->table;
	_Atomic uint64_t *marks = table_marks(table);
	int32_t holder;

	*any = false;
	/* Under the lock: jobs that are submitted together are seen together. */
	if (!index_take(clerk->instance) && !(index_usable(clerk->instance, &holder) && index_take(clerk->instance)))
		return false;
	for (uint32_t i = 0; i < table_mark_words(table->slots); i++) {
		if (atomic_load_explicit(&marks[i], memory_order_relaxed))
			clerk->todo[i] |= atomic_exchange(&marks[i], 0);
		*any |= clerk->todo[i] != 0;
	}
	index_unlock(clerk->instance);
	return true;
}

static void drop_todo(struct clerk *clerk, uint32_t slot)
{
	clerk->todo[slot / 64] &= ~(UINT64_C(1) << slot % 64);
}

static bool is_todo(const struct clerk *clerk, uint32_t slot)
{
	return clerk->todo[slot / 64] >> slot % 64 & 1;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct clerk_staged *)a)->id, y = ((const struct clerk_staged *)b)->id;

	return x < y ? -1 : x > y;
}

/* From now on the submitter cannot take it back. False: he has done so; what may stand there by now is marked anew. */
static bool seize(struct table_sh *table, uint32_t slot, uint64_t *word)
{
	uint64_t seen = *word;

	while (word_state(seen) == JOB_STORING && word_gen(seen) == word_gen(*word))
		if ((word_flags(seen) & JOB_TAKEN) || table_cas(table, slot, &seen, seen | JOB_TAKEN)) {
			*word = seen | JOB_TAKEN;
			return true;
		}
	return false;
}

/* ---- jobs that are new ------------------------------------------------------------------------- */

/* Does it stay in the table? */
static bool stays(struct clerk *clerk, unsigned pool, const struct store_job *job)
{
	if (clerk->closing)
		return false;
	if (job->state == JOB_DELAYED)
		return clerk_has_room(clerk, pool) && clerk->delayed[pool] < clerk_most_delayed(clerk, pool) &&
		       job->due_ms < clerk->clock.unix_ms + HORIZON_MS;
	/* Not before what waits in the store. */
	if (job->state != JOB_READY || job->rank >= clerk->first_rank[pool])
		return false;
	/* A more urgent one takes the place of those that come last. */
	return clerk_has_room(clerk, pool) ||
	       (job->rank < clerk->last_rank[pool] &&
	        clerk_trim(clerk, pool, clerk_portion(clerk, pool), job->rank) > 0 && clerk_has_room(clerk, pool));
}

static bool is_ours_to_give(const struct clerk *clerk, uint64_t id)
{
	for (size_t i = 0; i < 2; i++)
		if (id >= clerk->ranges[i].start && id < clerk->ranges[i].end)
			return true;
	return false;
}

/*
 * `again`: an earlier turn, perhaps of a clerk that was killed, has tried, and what came of it is not known. So that it is
 * the same whether it is in the store already or not, it waits there.
 */
static bool add_submit(struct clerk *clerk, const struct clerk_staged *staged, bool again)
{
	struct clerk_turn *turn = clerk->turn;
	struct store_submit *submit = &turn->submits[turn->nsubmits];
	struct clerk_item *item = &turn->submit_items[turn->nsubmits];
	unsigned pool = job_pool(table_job(clerk->instance->table, staged->slot));
	struct ym_err err;

	/* Whatever becomes of it now, if it is stored it waits. */
	if (again)
		clerk_release(clerk, staged->id);
	if (!again && !is_ours_to_give(clerk, staged->id)) {
		ym_fail(&err, YM_ERR_FULL, "the numbers for jobs of this node are used up: try again");
		clerk_refuse(clerk, staged->slot, staged->word, &err);
		return false;
	}
	*item = (struct clerk_item){.slot = staged->slot, .word = staged->word};
	*submit = (struct store_submit){.verdict = STORE_UNTAKEN};
	stored_describe(clerk->instance, &clerk->clock, staged->slot, staged->word, &submit->job);
	if (stored_payload(clerk->instance, staged->slot, &item->payload, &submit->job.payload, &err) < 0) {
		payload_close(&item->payload);
		clerk_refuse(clerk, staged->slot, staged->word, &err);
		return false;
	}
	submit->job.held = !again && stays(clerk, pool, &submit->job);
	/* One that may be stored already cannot be refused for another. */
	submit->call = staged->call && !again ? word_owner(staged->word) + 1 : 0;
	if (submit->job.held)
		clerk_enter(clerk, staged->slot,
		            word_make(word_gen(staged->word), submit->job.state, 0, word_attempt(staged->word), 0),
		            pool, submit->job.rank);
	turn->durable |= !atomic_load(&clerk->instance->table->pools[pool].unsynced);
	turn->nsubmits++;
	return true;
}

/* ---- jobs of ours ------------------------------------------------------------------------------ */

bool clerk_is_news(const struct clerk *clerk, uint32_t slot, uint64_t word)
{
	const struct clerk_known *known = &clerk->known[slot];
	enum job_state state = word_state(word);

	if (!(word_flags(word) & JOB_STORED) || state == JOB_FINISHING || state == JOB_FIXING)
		return false;
	if (state == JOB_CLAIMED && clerk->clock.now < table_job(clerk->instance->table, slot)->started + STARTED_NS)
		return false;
	return known->gen != word_gen(word) || known->state != state || known->attempt != word_attempt(word) ||
	       job_state_over(state);
}

static void add_story(struct clerk *clerk, size_t i, uint32_t slot, uint64_t word)
{
	struct clerk_turn *turn = clerk->turn;
	struct store_save *save = &turn->saves[i];
	const struct clerk_known *known = &clerk->known[slot];
	const struct story_sh *story = table_story(clerk->instance->table, slot);
	/* Attempts that the store may not know: CLAIMED is recorded before its attempt is told. */
	bool counts = known->gen == word_gen(word) && known->state != JOB_FREE && known->attempt <= word_attempt(word);
	unsigned after = !counts ? 0 : known->state == JOB_CLAIMED ? known->attempt - 1u : known->attempt;

	if (atomic_load(&story->gen) != word_gen(word))
		return;
	save->attempts = turn->attempts[i];
	save->nattempts =
	    stored_attempts(clerk->instance, &clerk->clock, slot, word_gen(word), after, turn->attempts[i]);
	memcpy(turn->notes[i], story->note, STORY_NOTE_MAX - 1);
	memcpy(turn->outputs[i], story->output, STORY_OUTPUT_MAX - 1);
	save->note = turn->notes[i];
	save->output = turn->outputs[i];
}

/* False: it is changing right now. */
static bool add_save(struct clerk *clerk, uint32_t slot, uint64_t word)
{
	struct clerk_turn *turn = clerk->turn;
	size_t i = turn->nsaves;
	struct store_save *save = &turn->saves[i];
	struct clerk_item *item = &turn->save_items[i];
	struct ym_err err;

	*item = (struct clerk_item){.slot = slot, .word = word, .payload = {.fd = -1}};
	*save = (struct store_save){0};
	stored_describe(clerk->instance, &clerk->clock, slot, word, &save->job);
	save->job.held = !job_state_over(word_state(word));
	add_story(clerk, i, slot, word);
	if (word_state(word) == JOB_DONE &&
	    stored_result(clerk->instance, slot, &item->payload, &save->job.result, &err) < 0) {
		payload_close(&item->payload);
		item->payload = (struct payload){.fd = -1};
		save->job.result = (struct payload_source){.data = "", .fd = -1};
		clerk_say(clerk, LOG_ERROR, "job %llu: its result is lost: %s", (unsigned long long)save->job.id,
		          err.text);
	}
	atomic_thread_fence(memory_order_acquire);
	if (!word_same(atomic_load(&clerk->instance->table->words[slot]), word)) {
		payload_close(&item->payload);
		return false;
	}
	turn->durable |=
	    !atomic_load(&clerk->instance->table->pools[job_pool(table_job(clerk->instance->table, slot))].unsynced);
	turn->nsaves++;
	return true;
}

/* A job that is not due for long needs no slot; nor do those that wait for their time, if they are many. */
static bool is_far(const struct clerk *clerk, uint32_t slot, uint64_t word)
{
	const struct job_sh *job = table_job(clerk->instance->table, slot);
	unsigned pool = clerk->known[slot].pool;

	return word_state(word) == JOB_DELAYED && (word_flags(word) & JOB_STORED) &&
	       (clerk->delayed[pool] > clerk_most_delayed(clerk, pool) ||
	        job->due > clerk->clock.now + (uint64_t)(2 * HORIZON_MS) * 1000000u ||
	        job->at_ms > clerk->clock.unix_ms + 2 * HORIZON_MS);
}

/* ---- questions --------------------------------------------------------------------------------- */

/* Where a job of ours is that waits, to be given to the store before it is deleted there. */
static void let_go(struct clerk *clerk, uint64_t id)
{
	uint64_t word;
	int64_t slot = table_find(clerk->instance->table, id, &word);

	if (slot < 0 || !(word_flags(word) & JOB_STORED))
		return;
	/* What is to be saved of it is saved first: who asks is told that it is held, and asks again. */
	if (clerk_is_news(clerk, (uint32_t)slot, word))
		stage_mark(clerk->instance->table, (uint32_t)slot);
	else
		clerk_evict(clerk, (uint32_t)slot, word);
}

static bool add_request(struct clerk *clerk, const struct clerk_staged *staged)
{
	struct clerk_turn *turn = clerk->turn;
	struct store_request *request = &turn->requests[turn->nrequests];
	const struct job_sh *job = table_job(clerk->instance->table, staged->slot);

	*request = (struct store_request){
	    .ask = (enum store_ask)(job->ask - STAGE_ASK), .id = staged->id, .verdict = STORE_UNTAKEN};
	turn->request_items[turn->nrequests] = (struct clerk_item){.slot = staged->slot, .word = staged->word};
	if (request->ask == STORE_DELETE)
		let_go(clerk, staged->id);
	turn->durable |= request->ask != STORE_LOOK;
	turn->nrequests++;
	return true;
}

/* ---- a turn ------------------------------------------------------------------------------------ */

/* Sort the slots of the todo list into staged ones, and jobs of ours that go into this turn. */
static size_t sort_out(struct clerk *clerk, struct clerk_staged *staged)
{
	struct table_sh *table = clerk->instance->table;
	struct clerk_turn *turn = clerk->turn;
	size_t n = 0;

	for (uint32_t i = 0; i < table_mark_words(table->slots); i++)
		for (uint64_t bits = clerk->todo[i]; bits; bits &= bits - 1) {
			uint32_t slot = i * 64 + (uint32_t)__builtin_ctzll(bits);
			uint64_t word = slot < table->slots ? atomic_load(&table->words[slot]) : 0;

			if (word_state(word) == JOB_STORING) {
				staged[n++] = (struct clerk_staged){.id = table_job(table, slot)->id,
				                                    .slot = slot,
				                                    .word = word,
				                                    .call = table_job(table, slot)->call};
			} else if (clerk_is_news(clerk, slot, word)) {
				if (turn->nsaves == CLERK_SAVES)
					turn->more = turn->behind = true;
				else if (!add_save(clerk, slot, word))
					/* Whoever changes it tells us. */
					drop_todo(clerk, slot);
			} else {
				if (is_far(clerk, slot, word))
					clerk_evict(clerk, slot, word);
				drop_todo(clerk, slot);
			}
		}
	return n;
}

/* Those of the list that nothing was done about yet: it may be gone through again. */
static void add_staged(struct clerk *clerk, struct clerk_staged *staged, size_t n)
{
	struct table_sh *table = clerk->instance->table;
	struct clerk_turn *turn = clerk->turn;

	/* Those of one submitter in the order in which he has given them. */
	qsort(staged, n, sizeof(*staged), by_id);
	for (size_t i = 0; i < n; i++) {
		bool asks = table_job(table, staged[i].slot)->ask != STAGE_SUBMIT;
		bool again = word_flags(staged[i].word) & JOB_TAKEN;

		if (!is_todo(clerk, staged[i].slot))
			continue;

		/* What is asked for may be about what is still to be adopted. */
		if (asks ? turn->nrequests == CLERK_REQUESTS || clerk->adopting : turn->nsubmits == CLERK_SUBMITS) {
			turn->more = true;
			/* New ones are in no store: they hold up nobody. */
			turn->behind |= !asks && again;
			continue;
		}
		/* A store that cannot be reached takes no more: they may be taken back. */
		if (clerk->troubled && clerk->driver->shared && !again)
			continue;
		drop_todo(clerk, staged[i].slot);
		if (!seize(table, staged[i].slot, &staged[i].word))
			continue;
		if (asks)
			add_request(clerk, &staged[i]);
		else if (!add_submit(clerk, &staged[i], again) && staged[i].call)
			clerk_refuse_behind(clerk, staged[i].id, staged[i].word);
	}
}

bool clerk_gather(struct clerk *clerk)
{
	struct clerk_turn *turn = clerk->turn;
	size_t n;
	bool any;

	turn->nsubmits = turn->nsaves = turn->nrequests = turn->nwants = turn->nfetched = 0;
	turn->durable = turn->more = turn->behind = false;
	clerk->clock = stored_clock_now(&clerk->clock);
	clerk->blocked = !take_marks(clerk, &any);
	if (clerk->blocked)
		return false;
	if (any) {
		n = sort_out(clerk, clerk->staged);
		add_staged(clerk, clerk->staged, n);
		if (clerk->adopting && turn->nsubmits + turn->nsaves == 0) {
			clerk->adopting = false;
			add_staged(clerk, clerk->staged, n);
		}
	} else {
		clerk->adopting = false;
	}
	/* A job that is in the store already, and staged here, is fetched only when that is known. */
	if (clerk->adopting)
		turn->more = true;
	else
		clerk_want(clerk);
	turn->nreleases = clerk->nreleases;
	return turn->nsubmits + turn->nsaves + turn->nrequests + turn->nwants + turn->nreleases > 0;
}

void clerk_doubt(struct clerk *clerk)
{
	struct table_sh *table = clerk->instance->table;

	for (uint32_t slot = 0; slot < table->slots; slot++) {
		uint64_t word = atomic_load(&table->words[slot]);

		if (word_state(word) == JOB_STORING && (word_flags(word) & JOB_TAKEN))
			clerk_set_unsure(clerk, slot, true);
	}
}

/*
 * Jobs that a clerk before us has written and fetched into another slot, and was killed before it could say so to their
 * submitters: it is done.
 */
static void answer_fetched(struct clerk *clerk)
{
	struct table_sh *table = clerk->instance->table;

	for (uint32_t slot = 0; slot < table->slots; slot++) {
		uint64_t word = atomic_load(&table->words[slot]), other;
		int64_t copy;

		if (word_state(word) != JOB_STORING || !(word_flags(word) & JOB_TAKEN) ||
		    table_job(table, slot)->ask != STAGE_SUBMIT)
			continue;
		copy = table_find(table, table_job(table, slot)->id, &other);
		if (copy < 0 || !(word_flags(other) & JOB_STORED))
			continue;
		table_job(table, slot)->verdict = STAGE_OK;
		clerk_answer(clerk, slot, word);
	}
}

void clerk_adopt(struct clerk *clerk)
{
	struct table_sh *table = clerk->instance->table;

	memset(clerk->known, 0, table->slots * sizeof(*clerk->known));
	memset(clerk->resident, 0, sizeof(clerk->resident));
	memset(clerk->delayed, 0, sizeof(clerk->delayed));
	clerk->residents = 0;
	clerk->adopting = true;
	answer_fetched(clerk);
	for (uint32_t slot = 0; slot < table->slots; slot++) {
		uint64_t word = atomic_load(&table->words[slot]);

		if (word_state(word) == JOB_STORING)
			stage_mark(table, slot);
		if (!(word_flags(word) & JOB_STORED))
			continue;
		stage_mark(table, slot);
		clerk_enter(clerk, slot, word, job_pool(table_job(table, slot)), INT64_MAX);
		/* What the store was told of it last is not known any more. */
		clerk->known[slot].state = JOB_FREE;
	}
	for (unsigned i = 0; i < TABLE_POOLS; i++)
		clerk->first_rank[i] = INT64_MIN;
}
