/* clerk_settle.c - what comes of a turn. */
#include <string.h>

#include "../ipc/sys.h"
#include "clerk_self.h"
#include "dispatch.h"
#include "reply.h"
#include "text.h"

/* By pool: jobs of this turn that have become ready, to wake workers for; and whether it was fetched from. */
struct wake {
	unsigned ready[TABLE_POOLS];
	bool fetched[TABLE_POOLS];
};

static void close_payloads(struct clerk_turn *turn)
{
	for (size_t i = 0; i < turn->nsubmits; i++)
		payload_close(&turn->submit_items[i].payload);
	for (size_t i = 0; i < turn->nsaves; i++)
		payload_close(&turn->save_items[i].payload);
}

/* Our own process may wait for it in its loop. */
static void note_answer(struct clerk *clerk, uint64_t word)
{
	if (word_owner(word) == clerk->instance->group.slot)
		atomic_store(&clerk->answered, true);
}

void clerk_answer(struct clerk *clerk, uint32_t slot, uint64_t word)
{
	clerk_set_unsure(clerk, slot, false);
	note_answer(clerk, word);
	stage_answer(clerk->instance, slot, word);
}

static void say_why(struct job_sh *job, enum ym_err_class refusal, const char *why)
{
	job->verdict = STAGE_REFUSED;
	job->refusal = (uint8_t)refusal;
	text_copy(job->error, sizeof(job->error), why);
}

void clerk_refuse(struct clerk *clerk, uint32_t slot, uint64_t word, const struct ym_err *err)
{
	say_why(table_job(clerk->instance->table, slot), err->class, err->text);
	clerk_answer(clerk, slot, word);
	atomic_fetch_add(&clerk->instance->board->store.refused, 1);
}

static const char busy[] = "a transaction in the database, still open, is about the same job or key: try again";

void clerk_refuse_behind(struct clerk *clerk, uint64_t id, uint64_t word)
{
	struct table_sh *table = clerk->instance->table;
	unsigned owner = word_owner(word);
	struct ym_err err;

	ym_fail(&err, YM_ERR_FULL, "a job that was submitted just before it could not be stored: try again");
	/* Under the lock: jobs that are submitted together are seen together. If it is not to be had, each is seen alone. */
	if (!index_take(clerk->instance))
		return;
	for (uint32_t slot = 0; slot < table->slots && owner != JOB_NOBODY; slot++) {
		const struct job_sh *job = table_job(table, slot);
		uint64_t seen = atomic_load(&table->words[slot]);

		if (word_state(seen) != JOB_STORING || word_owner(seen) != owner || (word_flags(seen) & JOB_TAKEN) ||
		    job->ask != STAGE_SUBMIT || !job->call || job->id < id)
			continue;
		/* It may be taken back at this moment. */
		if (table_cas(table, slot, &seen, seen | JOB_TAKEN))
			clerk_refuse(clerk, slot, seen | JOB_TAKEN, &err);
	}
	index_unlock(clerk->instance);
}

/* ---- submissions ------------------------------------------------------------------------------- */

/* Under the index lock: it goes on in the table. */
static void make_ready(struct clerk *clerk, struct clerk_item *item, enum job_state state, struct wake *wake)
{
	struct table_sh *table = clerk->instance->table;
	uint64_t seen = atomic_load(&table->words[item->slot]), next = 0;
	unsigned pool = job_pool(table_job(table, item->slot));

	do {
		/* Who waits for its end says so anew. */
		unsigned flags = (word_flags(seen) & (JOB_STICKY & ~(unsigned)JOB_WAITED)) | JOB_STORED;

		if (word_state(seen) != JOB_STORING || word_gen(seen) != word_gen(item->word))
			return;
		next = word_make(word_gen(seen), state, 0, word_attempt(seen), flags);
	} while (!table_cas(table, item->slot, &seen, next));
	item->word = seen;
	if (state == JOB_READY) {
		index_push(clerk->instance, item->slot, next, false);
		wake->ready[pool]++;
	}
}

static void answer_submit(struct clerk *clerk, size_t i, const struct wake *wake)
{
	struct clerk_turn *turn = clerk->turn;
	const struct store_submit *submit = &turn->submits[i];
	const struct clerk_item *item = &turn->submit_items[i];
	struct job_sh *job = table_job(clerk->instance->table, item->slot);
	unsigned pool = job_pool(job);

	clerk_leave(clerk, item->slot);
	/* What was left in the store by a fetch of this turn is known already. */
	if (submit->verdict == STORE_OK && submit->job.state == JOB_READY && !wake->fetched[pool] &&
	    submit->job.rank < clerk->first_rank[pool])
		clerk->first_rank[pool] = submit->job.rank;
	if (submit->verdict == STORE_OK && (submit->job.state == JOB_READY || submit->job.state == JOB_DELAYED))
		clerk_note_stored(clerk, pool, submit->job.state, 1);
	if (submit->verdict == STORE_OK && submit->job.state == JOB_DELAYED)
		clerk_note_due(clerk, submit->job.due_ms);
	job->verdict = submit->verdict == STORE_OK ? STAGE_OK : STAGE_EXISTS;
	job->other = submit->existing;
	if (submit->verdict == STORE_BUSY)
		say_why(job, YM_ERR_TIMEOUT, busy);
	else if (submit->verdict != STORE_OK && submit->verdict != STORE_EXISTS)
		say_why(job, YM_ERR_FULL, "its number is another job's in the store: try again");
	clerk_answer(clerk, item->slot, item->word);
}

/* What did not go into this turn any more of calls of which one was refused. */
static void refuse_rest(struct clerk *clerk)
{
	const struct clerk_turn *turn = clerk->turn;

	for (size_t i = 0; i < turn->nsubmits; i++) {
		const struct store_submit *submit = &turn->submits[i];
		bool first = store_refused(submit) && submit->call;

		for (size_t k = 0; first && k < i; k++)
			first = turn->submits[k].call != submit->call || !store_refused(&turn->submits[k]);
		if (first)
			clerk_refuse_behind(clerk, submit->job.id, turn->submit_items[i].word);
	}
}

/* Under the index lock. */
static void make_all_ready(struct clerk *clerk, struct wake *wake)
{
	struct clerk_turn *turn = clerk->turn;

	for (size_t i = 0; i < turn->nsubmits; i++) {
		const struct store_submit *submit = &turn->submits[i];

		if (submit->verdict == STORE_OK && submit->job.held)
			make_ready(clerk, &turn->submit_items[i], submit->job.state, wake);
	}
}

static void settle_submits(struct clerk *clerk, struct wake *wake)
{
	struct clerk_turn *turn = clerk->turn;
	struct table_sh *table = clerk->instance->table;
	bool bell = false;

	refuse_rest(clerk);
	for (size_t i = 0; i < turn->nsubmits; i++) {
		const struct store_submit *submit = &turn->submits[i];
		const struct clerk_item *item = &turn->submit_items[i];

		if (submit->verdict != STORE_OK || !submit->job.held) {
			answer_submit(clerk, i, wake);
			continue;
		}
		clerk_set_unsure(clerk, item->slot, false);
		note_answer(clerk, item->word);
		bell |= submit->job.state == JOB_DELAYED || submit->job.timeout_ms > 0;
		if (word_flags(item->word) & JOB_WAITED)
			table_wake(table, item->slot);
	}
	/* A deadline or a delay is for the sweep. */
	if (bell)
		atomic_store(&clerk->ring, true);
	atomic_fetch_add(&clerk->instance->board->store.submitted, turn->nsubmits);
}

/* ---- what has become of jobs ------------------------------------------------------------------- */

/* It is another node's by now: what we do with it counts no longer, and is nobody's answer. */
static void give_up(struct clerk *clerk, uint32_t slot, uint64_t word)
{
	struct table_sh *table = clerk->instance->table;
	uint64_t seen = atomic_load(&table->words[slot]);

	clerk_leave(clerk, slot);
	while (word_gen(seen) == word_gen(word) && (word_flags(seen) & JOB_STORED)) {
		enum job_state state = word_state(seen);
		uint64_t next = seen & ~(uint64_t)(JOB_STORED | JOB_KEEP | JOB_REPLY);

		if ((state == JOB_READY || state == JOB_DELAYED) && dispatch_free(clerk->instance, slot, seen))
			return;
		/* Or it would be tried again here, which the store would never know. */
		if (state == JOB_CLAIMED || state == JOB_FINISHING || state == JOB_FIXING)
			next |= JOB_CANCEL;
		if (state != JOB_READY && state != JOB_DELAYED && table_cas(table, slot, &seen, next))
			break;
		seen = atomic_load(&table->words[slot]);
	}
	table_space(table);
}

/* The store knows all of it: the slot may be another's, and the result is kept there. */
static void forget(struct clerk *clerk, uint32_t slot, uint64_t word)
{
	struct table_sh *table = clerk->instance->table;
	uint64_t seen = atomic_load(&table->words[slot]);
	uint64_t flags = JOB_STORED | (clerk->store_options.history_ms > 0 ? JOB_KEEP : 0u);

	clerk->ended[job_pool(table_job(table, slot))]++;
	clerk_leave(clerk, slot);
	while (word_same(seen, word) && !table_cas(table, slot, &seen, seen & ~flags))
		;
	table_space(table);
}

/* Jobs of the table that are asked about at once. */
#define HOLDS 512

struct holds {
	uint64_t ids[HOLDS], words[HOLDS];
	uint32_t slots[HOLDS];
	size_t n;
	uint64_t lost;
};

static int check_some(struct clerk *clerk, struct holds *holds, struct ym_err *err)
{
	bool ours[HOLDS] = {0};

	if (holds->n == 0)
		return 0;
	if (clerk->driver->holds(clerk->store, holds->ids, holds->n, ours, err) < 0)
		return -1;
	for (size_t i = 0; i < holds->n; i++) {
		if (ours[i])
			continue;
		give_up(clerk, holds->slots[i], holds->words[i]);
		holds->lost++;
	}
	holds->n = 0;
	return 0;
}

int clerk_check_holds(struct clerk *clerk, struct ym_err *err)
{
	struct table_sh *table = clerk->instance->table;
	struct holds holds = {.n = 0};
	int result = 0;

	for (uint32_t slot = 0; slot < table->slots && result == 0; slot++) {
		uint64_t word = atomic_load(&table->words[slot]);

		if (!(word_flags(word) & JOB_STORED))
			continue;
		/* The flag is ours to take away, so it is still this job. */
		holds.ids[holds.n] = table_job(table, slot)->id;
		holds.words[holds.n] = word;
		holds.slots[holds.n++] = slot;
		if (holds.n == HOLDS)
			result = check_some(clerk, &holds, err);
	}
	if (result == 0)
		result = check_some(clerk, &holds, err);
	if (holds.lost)
		clerk_say(
		    clerk, LOG_WARN,
		    "this node gave no sign of life for longer than its lease: %llu of its jobs went to others, what "
		    "became of them here does not count",
		    (unsigned long long)holds.lost);
	return result;
}

/*
 * In a store of our own, the clerk before us has written the end of one that is not held, and could not say so. If we know
 * that it was held, something has let it go.
 */
static void check_end(struct clerk *clerk, const struct store_save *save, const struct clerk_item *item)
{
	const struct clerk_known *known = &clerk->known[item->slot];

	if (save->lost && known->gen == word_gen(item->word) && known->state != JOB_FREE)
		clerk_say(
		    clerk, LOG_ERROR,
		    "job %llu ended here, and waits in the store or is over there: it may have run twice (was the "
		    "store changed by hand?)",
		    (unsigned long long)save->job.id);
}

static void settle_saves(struct clerk *clerk)
{
	struct clerk_turn *turn = clerk->turn;

	for (size_t i = 0; i < turn->nsaves; i++) {
		const struct store_save *save = &turn->saves[i];
		const struct clerk_item *item = &turn->save_items[i];
		struct clerk_known *known = &clerk->known[item->slot];
		bool over = job_state_over(save->job.state);

		clerk->todo[item->slot / 64] &= ~(UINT64_C(1) << item->slot % 64);
		if (save->key_lost)
			clerk_say(clerk, LOG_WARN,
			          "job %llu moved to pool %s, where another job has its unique key: it has none now",
			          (unsigned long long)save->job.id, save->job.pool);
		if (save->lost && (clerk->driver->shared || !over)) {
			clerk_say(clerk, LOG_WARN,
			          "job %llu was given to another node meanwhile: what became of it here does not count",
			          (unsigned long long)save->job.id);
			give_up(clerk, item->slot, item->word);
		} else if (over) {
			check_end(clerk, save, item);
			forget(clerk, item->slot, item->word);
		} else {
			known->gen = word_gen(item->word);
			known->state = (uint8_t)save->job.state;
			known->attempt = save->job.attempt;
			known->rank = save->job.rank;
			clerk_set_delayed(clerk, item->slot, save->job.state == JOB_DELAYED);
			if (save->job.state == JOB_READY && known->rank > clerk->last_rank[known->pool])
				clerk->last_rank[known->pool] = known->rank;
			if (save->job.state == JOB_DELAYED)
				stage_mark(clerk->instance->table, item->slot);
		}
	}
	atomic_fetch_add(&clerk->instance->board->store.recorded, turn->nsaves);
}

/* ---- questions --------------------------------------------------------------------------------- */

/* Somebody waits for an answer to a job that will never run. */
static void send_reply(struct clerk *clerk, const struct store_request *request)
{
	static const enum job_state states[STORE_ASKS] = {
	    [STORE_CANCEL] = JOB_CANCELLED, [STORE_BURY] = JOB_BURIED, [STORE_DELETE] = JOB_CANCELLED};
	const struct store_job *job = &request->job;
	const struct job_reply to = {job->reply_key, job->reply_type, job->reply_form};
	struct job_answer answer = {
	    .id = job->id, .tag = job->tag, .state = job_state_word(states[request->ask]), .attempts = job->attempt};
	struct ym_err err;

	if (request->ask == STORE_LOOK || request->ask == STORE_KICK || job->reply_key == 0)
		return;
	ym_fail(&err, YM_ERR_FULL, "its queue is full");
	if (reply_send(&to, &answer, &err) != 0)
		clerk_say(clerk, LOG_WARN, "job %llu: nobody gets its answer: %s", (unsigned long long)job->id,
		          err.text);
}

/* What stands in the table of a job that is over, when the store has changed it. */
static void drop_copy(struct clerk *clerk, uint64_t id)
{
	struct table_sh *table = clerk->instance->table;
	uint64_t word;
	int64_t slot = table_find(table, id, &word);

	if (slot >= 0 && job_state_over(word_state(word)) && !(word_flags(word) & (JOB_STORED | JOB_REPLY)))
		dispatch_free(clerk->instance, (uint32_t)slot, word);
}

static void settle_request(struct clerk *clerk, struct store_request *request, const struct clerk_item *item)
{
	static const enum stage_verdict verdicts[] = {
	    [STORE_OK] = STAGE_OK,       [STORE_EXISTS] = STAGE_EXISTS, [STORE_NONE] = STAGE_NONE,
	    [STORE_HELD] = STAGE_HELD,   [STORE_CANNOT] = STAGE_CANNOT, [STORE_BUSY] = STAGE_REFUSED,
	    [STORE_UNTAKEN] = STAGE_NONE};
	struct job_sh *job = table_job(clerk->instance->table, item->slot);
	struct ym_err err;

	job->verdict = (uint8_t)verdicts[request->verdict];
	if (request->verdict == STORE_OK && request->ask == STORE_LOOK &&
	    stored_answer(clerk->instance, &clerk->clock, item->slot, word_gen(item->word), &request->job, &err) < 0)
		say_why(job, err.class, err.text);
	if (request->verdict == STORE_BUSY)
		say_why(job, YM_ERR_TIMEOUT, busy);
	if (request->verdict == STORE_OK) {
		send_reply(clerk, request);
		if (request->ask == STORE_KICK || request->ask == STORE_DELETE)
			drop_copy(clerk, request->id);
		if (request->ask == STORE_KICK)
			atomic_store(&clerk->refetch, true);
	}
	store_job_free(&request->job);
	clerk_answer(clerk, item->slot, item->word);
}

static void settle_requests(struct clerk *clerk)
{
	struct clerk_turn *turn = clerk->turn;

	for (size_t i = 0; i < turn->nrequests; i++)
		settle_request(clerk, &turn->requests[i], &turn->request_items[i]);
}

/* ---- what was fetched -------------------------------------------------------------------------- */

/* Under the index lock. */
static void bring_in(struct clerk *clerk, struct wake *wake)
{
	struct clerk_turn *turn = clerk->turn;
	struct instance *instance = clerk->instance;

	for (size_t i = 0; i < turn->nfetched; i++) {
		const struct clerk_fetched *one = &turn->fetched[i];
		uint64_t seen = one->word;

		if (!table_cas(instance->table, one->slot, &seen, one->next))
			continue;
		clerk_enter(clerk, one->slot, one->next, one->pool, one->rank);
		clerk_note_stored(clerk, one->pool, JOB_READY, -1);
		/* A deadline or a delay is for the sweep. */
		if (word_state(one->next) == JOB_DELAYED || table_job(instance->table, one->slot)->timeout_ms > 0)
			atomic_store(&clerk->ring, true);
		if (word_state(one->next) == JOB_READY) {
			index_push(instance, one->slot, one->next, false);
			wake->ready[one->pool]++;
		}
	}
}

static void settle_fetched(struct clerk *clerk, struct wake *wake)
{
	struct clerk_turn *turn = clerk->turn;
	struct instance *instance = clerk->instance;

	for (size_t i = 0; i < turn->nwants; i++) {
		int pool = table_pool(instance->table, turn->wants[i].pool);

		if (pool < 0)
			continue;
		clerk->first_rank[pool] = turn->wants[i].first_rank;
		wake->fetched[pool] = true;
		/* There still is something that comes before what is here. */
		turn->more |= turn->wants[i].taken > 0 && clerk->first_rank[pool] < clerk->last_rank[pool];
	}
	atomic_fetch_add(&instance->board->store.fetched, turn->nfetched);
}

/* ---- a turn ------------------------------------------------------------------------------------ */

void clerk_settle(struct clerk *clerk)
{
	struct clerk_turn *turn = clerk->turn;
	struct wake wake = {.ready = {0}};

	/* Releases that came since the turn was put together stay. */
	if (turn->nreleases > 0)
		memmove(clerk->releases, clerk->releases + turn->nreleases,
		        (clerk->nreleases - turn->nreleases) * sizeof(*clerk->releases));
	clerk->nreleases -= turn->nreleases;
	settle_saves(clerk);
	if (!index_take(clerk->instance)) {
		clerk->blocked = true;
		settle_requests(clerk);
		/* As if it were not known what came of them: they are written again, and fetched again. */
		turn->nrequests = 0;
		clerk_undo(clerk, true);
		return;
	}
	bring_in(clerk, &wake);
	make_all_ready(clerk, &wake);
	index_unlock(clerk->instance);
	/* Before the submissions: where nothing was fetched, a rank of theirs may be the first one. */
	settle_fetched(clerk, &wake);
	settle_submits(clerk, &wake);
	settle_requests(clerk);
	for (unsigned pool = 0; pool < TABLE_POOLS; pool++)
		if (wake.ready[pool])
			ready_wake(clerk->instance, pool, wake.ready[pool]);
	close_payloads(turn);
	clerk->adopting &= turn->behind;
	/* What has ended made room after it was asked what there is room for. */
	turn->more |= turn->nsaves > 0 && clerk_is_hungry(clerk);
}

void clerk_undo(struct clerk *clerk, bool unsure)
{
	struct clerk_turn *turn = clerk->turn;

	clerk->adopting |= unsure;
	/* If it was written after all, the store calls them held. */
	for (size_t i = 0; i < turn->nfetched; i++) {
		clerk_release(clerk, table_job(clerk->instance->table, turn->fetched[i].slot)->id);
		dispatch_free(clerk->instance, turn->fetched[i].slot, turn->fetched[i].word);
	}
	/* What will be released with the next turn is to be fetched with it. */
	if (turn->nfetched > 0 || turn->nreleases > 0)
		atomic_store(&clerk->refetch, true);
	for (size_t i = 0; i < turn->nsubmits; i++) {
		clerk_leave(clerk, turn->submit_items[i].slot);
		if (unsure)
			clerk_set_unsure(clerk, turn->submit_items[i].slot, true);
		stage_mark(clerk->instance->table, turn->submit_items[i].slot);
	}
	for (size_t i = 0; i < turn->nrequests; i++) {
		store_job_free(&turn->requests[i].job);
		stage_mark(clerk->instance->table, turn->request_items[i].slot);
	}
	close_payloads(turn);
}

void clerk_refuse_all(struct clerk *clerk, const struct ym_err *err)
{
	struct table_sh *table = clerk->instance->table;

	/*
	 * Under the lock: of jobs that are submitted together, the later ones are not to be accepted after the earlier. If it
	 * is not to be had, the next failure refuses them.
	 */
	if (!index_take(clerk->instance))
		return;
	for (uint32_t slot = 0; slot < table->slots; slot++) {
		uint64_t word = atomic_load(&table->words[slot]);

		/* It may be stored: that is known when the store can be written to again. */
		if (clerk_is_unsure(clerk, slot))
			continue;
		while (word_state(word) == JOB_STORING && !table_cas(table, slot, &word, word | JOB_TAKEN))
			;
		if (word_state(word) == JOB_STORING)
			clerk_refuse(clerk, slot, word, err);
	}
	index_unlock(clerk->instance);
}
