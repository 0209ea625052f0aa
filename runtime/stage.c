/* stage.c - hand over, wait, give back. */
#include "stage.h"

#include "../ipc/sys.h"
#include "dispatch.h"

/* How long to sleep at once: nobody wakes who sleeps in an instance that was removed by hand. */
#define LOOK_MS 1000

void stage_mark(struct table_sh *table, uint32_t slot)
{
	atomic_fetch_or(&table_marks(table)[slot / 64], UINT64_C(1) << slot % 64);
}

void stage_ring(struct table_sh *table, bool urgent)
{
	uint32_t sleeps;

	atomic_fetch_add(&table->bell, 1);
	if (urgent)
		atomic_fetch_add(&table->urgent, 1);
	sleeps = atomic_load(&table->sleeps);
	if (sleeps == STAGE_AWAKE || (sleeps == STAGE_LINGERING && !urgent) ||
	    atomic_exchange(&table->sleeps, STAGE_AWAKE) == STAGE_AWAKE)
		return;
	table_wake_all(sleeps == STAGE_LINGERING ? &table->urgent : &table->bell);
}

bool stage_put(struct table_sh *table, uint32_t slot, uint64_t *word, unsigned attempt, unsigned flags)
{
	uint64_t seen = *word;

	*word = word_make(word_gen(seen), JOB_STORING, word_owner(seen), attempt, flags);
	if (!table_cas(table, slot, &seen, *word))
		return false;
	stage_mark(table, slot);
	return true;
}

/* The deadline has passed. False: it was answered just now. */
static bool take_back(struct table_sh *table, uint32_t slot, uint64_t *word, enum stage_end *end)
{
	uint64_t seen = *word;

	while (word_state(seen) == JOB_STORING && word_gen(seen) == word_gen(*word)) {
		bool taken = word_flags(seen) & JOB_TAKEN;
		uint64_t next =
		    taken ? word_make(word_gen(seen), JOB_STORING, JOB_NOBODY, word_attempt(seen), word_flags(seen))
			  : word_make(word_gen(seen), JOB_FILLING, word_owner(seen), 0, 0);

		if (!table_cas(table, slot, &seen, next))
			continue;
		*word = next;
		*end = taken ? STAGE_ABANDONED : STAGE_WITHDRAWN;
		return true;
	}
	return false;
}

bool stage_watch(struct instance *instance, uint32_t slot, uint64_t *word, uint64_t deadline, enum stage_end *end)
{
	struct table_sh *table = instance->table;

	for (;;) {
		uint64_t look = ym_deadline(LOOK_MS), seen = atomic_load(&table->words[slot]);

		*end = STAGE_LEFT;
		if (word_gen(seen) != word_gen(*word))
			return true;
		/* Without the flag, it was accepted, and somebody frees the slot already. */
		if (word_state(seen) == JOB_FILLING && (word_flags(seen) & JOB_TAKEN)) {
			*word = seen;
			*end = STAGE_ANSWERED;
		}
		if (word_state(seen) != JOB_STORING)
			return true;
		if (!(word_flags(seen) & JOB_WAITED)) {
			if (!table_cas(table, slot, &seen, seen | JOB_WAITED))
				continue;
			seen |= JOB_WAITED;
		}
		*word = seen;
		if (ym_now_ns() >= deadline)
			return false;
		table_sleep(table, slot, seen, look < deadline ? look : deadline);
		*end = STAGE_LOST;
		if (instance_gone(instance, NULL))
			return true;
	}
}

enum stage_end stage_await(struct instance *instance, uint32_t slot, uint64_t *word, uint64_t deadline)
{
	enum stage_end end;

	while (!stage_watch(instance, slot, word, deadline, &end) && !take_back(instance->table, slot, word, &end))
		;
	return end;
}

bool stage_open(const struct table_sh *table, uint32_t slot, uint64_t word)
{
	uint64_t seen = atomic_load(&table->words[slot]);

	return word_gen(seen) == word_gen(word) && word_state(seen) == JOB_STORING;
}

bool stage_withdraw(struct table_sh *table, uint32_t slot, uint64_t *word)
{
	uint64_t seen = atomic_load(&table->words[slot]);

	while (word_state(seen) == JOB_STORING && word_gen(seen) == word_gen(*word) &&
	       !(word_flags(seen) & JOB_TAKEN)) {
		uint64_t mine = word_make(word_gen(seen), JOB_FILLING, word_owner(seen), 0, 0);

		if (!table_cas(table, slot, &seen, mine))
			continue;
		*word = mine;
		return true;
	}
	return false;
}

void stage_leave(struct instance *instance, uint32_t slot, uint64_t word)
{
	struct table_sh *table = instance->table;
	uint64_t seen = atomic_load(&table->words[slot]);

	while (word_state(seen) == JOB_STORING && word_gen(seen) == word_gen(word))
		if (table_cas(table, slot, &seen,
		              word_make(word_gen(seen), JOB_STORING, JOB_NOBODY, word_attempt(seen), word_flags(seen))))
			return;
	if (word_gen(seen) == word_gen(word) && word_state(seen) == JOB_FILLING && (word_flags(seen) & JOB_TAKEN))
		dispatch_free(instance, slot, seen);
}

int stage_fail(const struct instance *instance, enum stage_end end, struct ym_err *err)
{
	char trouble[BOARD_REASON_MAX];
	bool master = ym_sem_value(instance->group.semid, YM_GROUP_LEADER) > 0;

	if (end == STAGE_LOST) {
		instance_gone(instance, err);
		return -1;
	}
	board_trouble(instance->board, trouble);
	if (end == STAGE_ABANDONED)
		return ym_fail(err, YM_ERR_TIMEOUT,
		               "no answer from the store in time: it is not known whether the job is stored (a unique "
		               "key lets it be submitted again safely)%s%s",
		               trouble[0] ? "; " : "", trouble);
	if (!master)
		return ym_fail(err, YM_ERR_NOT_RUNNING,
		               "instance %s has no master that could write to its store: nothing was done",
		               instance->name);
	return ym_fail(err, YM_ERR_TIMEOUT, "no answer from the store in time, nothing was done%s%s",
	               trouble[0] ? ": " : "", trouble);
}

void stage_answer(struct instance *instance, uint32_t slot, uint64_t word)
{
	struct table_sh *table = instance->table;
	uint64_t seen = atomic_load(&table->words[slot]);

	while (word_state(seen) == JOB_STORING && word_gen(seen) == word_gen(word)) {
		bool waited = word_flags(seen) & JOB_WAITED;
		unsigned owner = word_owner(seen) == JOB_NOBODY ? instance->group.slot : word_owner(seen);
		uint64_t next = word_make(word_gen(seen), JOB_FILLING, owner, 0, JOB_TAKEN);
		bool nobody = word_owner(seen) == JOB_NOBODY;

		if (!table_cas(table, slot, &seen, next))
			continue;
		if (nobody)
			dispatch_free(instance, slot, next);
		else if (waited)
			table_wake(table, slot);
		return;
	}
}
