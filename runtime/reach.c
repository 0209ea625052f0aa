/* reach.c - first the table, then the store. */
#include "reach.h"

#include <stdlib.h>

#include "../ipc/sys.h"

/* A job that is being fetched is in neither for a moment. */
#define TRIES 50
/* ... and is found by the second try at the latest if nobody waits between two. */
#define TRIES_AT_ONCE 3
#define BETWEEN_NS    2000000

static bool names(const struct table_sh *table, const struct job_ref *ref, uint64_t *word)
{
	enum job_state state;

	if (ref->slot >= table->slots)
		return false;
	*word = atomic_load(&table->words[ref->slot]);
	state = word_state(*word);
	return word_gen(*word) == ref->gen && state != JOB_FREE && state != JOB_FILLING && state != JOB_STORING &&
	       table_job_const(table, ref->slot)->id == ref->id;
}

/* Could there be another copy of it that is newer? */
static bool may_be_old(const struct table_sh *table, uint64_t word)
{
	return table_stored(table) && job_state_over(word_state(word)) && word_state(word) != JOB_DONE &&
	       !(word_flags(word) & JOB_STORED);
}

int reach_find(const struct instance *instance, struct job_ref *ref, uint64_t *word)
{
	const struct table_sh *table = instance->table;
	bool known = names(table, ref, word);
	int64_t slot;

	if (known && !may_be_old(table, *word))
		return 0;
	slot = table_stored(table) ? table_find(table, ref->id, word) : -1;
	if (slot < 0)
		return known ? 0 : 1;
	ref->slot = (uint32_t)slot;
	ref->gen = word_gen(*word);
	return 0;
}

/* ---- in the table ---------------------------------------------------------------------------- */

static enum reach_end end_of(int result, const struct ym_err *err)
{
	if (result == 0)
		return REACH_DONE;
	if (result == 1)
		return REACH_CANNOT;
	return err->class == YM_ERR_NO ? REACH_KEY : err->class == YM_ERR_GONE ? REACH_NONE : REACH_FAILED;
}

/* A running job was not cancelled, but asked to stop. */
static bool was_asked(const struct instance *instance, const struct job_ref *ref)
{
	uint64_t word = atomic_load(&instance->table->words[ref->slot]);

	return word_gen(word) == ref->gen && (word_flags(word) & JOB_CANCEL) && !job_state_over(word_state(word));
}

/* With a store, what is over is the store's; and so is what is to be forgotten. */
static bool is_of_table(const struct instance *instance, enum store_ask ask, uint64_t word)
{
	enum job_state state = word_state(word);

	if (!table_stored(instance->table))
		return true;
	if (job_state_over(state))
		return false;
	return ask != STORE_DELETE || (state != JOB_READY && state != JOB_DELAYED);
}

/* False: ask the store. */
static bool in_table(struct instance *instance, enum store_ask ask, uint64_t id, enum reach_end *end,
                     struct ym_err *err)
{
	static int (*const calls[STORE_ASKS])(struct instance *, struct job_ref, struct ym_err *) = {
	    [STORE_CANCEL] = dispatch_cancel,
	    [STORE_BURY] = dispatch_bury,
	    [STORE_KICK] = dispatch_kick,
	    [STORE_DELETE] = dispatch_delete,
	};
	struct job_ref ref = {.id = id};
	uint64_t word;
	int64_t slot = table_find(instance->table, id, &word);
	int result;

	if (slot < 0 || !is_of_table(instance, ask, word)) {
		*end = REACH_NONE;
		return !table_stored(instance->table);
	}
	ref.slot = (uint32_t)slot;
	ref.gen = word_gen(word);
	result = calls[ask](instance, ref, err);
	*end = end_of(result, err);
	if (*end == REACH_DONE && ask == STORE_CANCEL && was_asked(instance, &ref))
		*end = REACH_ASKED;
	/* It has just gone, into the store. */
	return !table_stored(instance->table) || *end != REACH_NONE;
}

/* ---- in the store ---------------------------------------------------------------------------- */

static enum reach_end end_in_store(enum store_verdict verdict)
{
	switch (verdict) {
	case STORE_OK:
		return REACH_DONE;
	case STORE_EXISTS:
		return REACH_KEY;
	case STORE_NONE:
		return REACH_NONE;
	case STORE_UNTAKEN:
		return REACH_FAILED;
	default:
		return REACH_CANNOT;
	}
}

/* Those that are still open (index in `open`). Returns how many are in a table after all. */
static size_t ask_store(struct instance *instance, enum store_ask ask, const uint64_t *ids, size_t *open, size_t n,
                        uint64_t deadline, enum reach_end *ends, struct ym_err *err)
{
	uint64_t *asked = malloc(n * sizeof(*asked));
	enum store_verdict *verdicts = malloc(n * sizeof(*verdicts));
	size_t left = 0, answered;

	if (!asked || !verdicts) {
		ym_fail(err, YM_ERR_LIMIT, "out of memory");
		for (size_t i = 0; i < n; i++)
			ends[open[i]] = REACH_FAILED;
		free(asked);
		free(verdicts);
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		asked[i] = ids[open[i]];
	answered = mailbox_ask(instance, ask, asked, n, deadline, verdicts, err);
	for (size_t i = 0; i < n; i++) {
		ends[open[i]] = i < answered ? end_in_store(verdicts[i]) : REACH_FAILED;
		if (i < answered && verdicts[i] == STORE_HELD)
			open[left++] = open[i];
	}
	free(asked);
	free(verdicts);
	return left;
}

int reach_jobs(struct instance *instance, enum store_ask ask, const uint64_t *ids, size_t n, uint64_t deadline,
               enum reach_end *ends, struct ym_err *err)
{
	size_t *open = malloc((n ? n : 1) * sizeof(*open)), left = 0;
	struct ym_err ignored = {0};
	int result = 0;

	if (!open)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	err = err ? err : &ignored;
	for (size_t i = 0; i < n; i++)
		open[left++] = i;
	for (int try = 0; left > 0 && try < TRIES; try++) {
		size_t still = 0;

		if (try > 0)
			ym_nap(BETWEEN_NS);
		for (size_t i = 0; i < left; i++)
			if (!in_table(instance, ask, ids[open[i]], &ends[open[i]], err))
				open[still++] = open[i];
		left = still > 0 ? ask_store(instance, ask, ids, open, still, deadline, ends, err) : 0;
	}
	for (size_t i = 0; i < n; i++)
		if (ends[i] == REACH_FAILED)
			result = -1;
	free(open);
	return result;
}

/* ---- without waiting ------------------------------------------------------------------------- */

int reach_cancel(struct instance *instance, struct reach_cancel *cancel, struct ym_err *err)
{
	enum store_verdict verdict = STORE_HELD;
	enum reach_end end;
	int result;

	if (cancel->asked) {
		result = mailbox_end(instance, &cancel->question, &verdict, err);
		if (result == 2)
			return 2;
		cancel->asked = false;
		if (result == 0 && verdict != STORE_HELD)
			return 0;
		if (cancel->tries >= TRIES_AT_ONCE)
			return result == 0 ? ym_fail(err, YM_ERR_TIMEOUT, "another node has it") : -1;
	}
	if (in_table(instance, STORE_CANCEL, cancel->id, &end, err))
		return 0;
	cancel->tries++;
	if (mailbox_begin(instance, STORE_CANCEL, cancel->id, &cancel->question, err) < 0)
		return cancel->tries >= TRIES_AT_ONCE ? -1 : 2;
	cancel->asked = true;
	return 2;
}

void reach_leave(struct instance *instance, struct reach_cancel *cancel)
{
	if (cancel->asked)
		mailbox_leave(instance, &cancel->question);
	cancel->asked = false;
}
