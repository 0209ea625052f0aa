/* ready.c - push, take, sleep, wake. */
#include "ready.h"

#include <errno.h>
#include <string.h>

#include "../ipc/queue.h"
#include "../ipc/sys.h"
#include "bell.h"

/* All of one type, so that a receiver never has to search; the bytes only tell an onlooker what they are. */
#define TOKEN_TYPE 1

struct token_message {
	long type;
	char text[READY_TOKEN_BYTES];
};

static void send_token(struct instance *instance, unsigned pool)
{
	const struct token_message token = {TOKEN_TYPE, "ymtoken"};

	/* A full queue holds tokens for everybody (see enter_queue() in pool.c); one that is gone is seen by the sweep. */
	ym_sys.msgsnd(atomic_load(&instance->table->pools[pool].queue), &token, sizeof(token.text), IPC_NOWAIT);
}

/* One worker less sleeps without a token on its way. False when there is none. */
static bool take_sleeper(struct table_pool_sh *row)
{
	int32_t sleeping = atomic_load(&row->sleeping);

	while (sleeping > 0)
		if (atomic_compare_exchange_weak(&row->sleeping, &sleeping, sleeping - 1))
			return true;
	return false;
}

void ready_wake(struct instance *instance, unsigned pool, unsigned n)
{
	struct table_pool_sh *row = &instance->table->pools[pool];
	int32_t sleeping;

	/* The other half of the second look in ready_sleep(). */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(&instance->table->watched) && atomic_exchange(&instance->table->watched, 0))
		bell_ring(instance->directory);
	if (atomic_load(&row->mode) & POOL_PAUSED)
		return;
	sleeping = atomic_load(&row->sleeping);
	/* There could be workers more: the master is told once, and looks at everything. */
	if ((sleeping < 0 || n > (unsigned)sleeping) && atomic_load(&row->hungry) && atomic_exchange(&row->hungry, 0))
		bell_ring(instance->directory);
	/* Not those who go to sleep again meanwhile. */
	if (sleeping < 0 || n > (unsigned)sleeping)
		n = sleeping < 0 ? 0 : (unsigned)sleeping;
	while (n > 0 && take_sleeper(row)) {
		send_token(instance, pool);
		n--;
	}
}

void ready_nudge(struct instance *instance, unsigned pool)
{
	take_sleeper(&instance->table->pools[pool]);
	send_token(instance, pool);
}

void ready_cap(struct instance *instance, unsigned pool, int32_t seen, int32_t workers)
{
	if (seen > workers)
		atomic_compare_exchange_strong(&instance->table->pools[pool].sleeping, &seen, workers);
}

void ready_push(struct instance *instance, uint32_t slot, uint64_t word, bool first)
{
	unsigned pool = job_pool(table_job(instance->table, slot));
	bool linked;

	/* The sweep puts it there when the lock is to be had again. */
	if (!index_take(instance))
		return;
	linked = index_push(instance, slot, word, first);
	index_unlock(instance);
	if (linked)
		ready_wake(instance, pool, 1);
}

/* ---- worker side ----------------------------------------------------------------------------- */

/*
 * Claim the job of a slot that was in a list of the pool. False when it is not ready any more, or when the slot was
 * filled again for another pool and is not yet in its list.
 */
static bool claim(struct instance *instance, unsigned pool, uint32_t slot, uint64_t *word)
{
	struct table_sh *table = instance->table;
	struct job_sh *job = table_job(table, slot);
	uint64_t seen = atomic_load(&table->words[slot]);

	while (word_state(seen) == JOB_READY && job_pool(job) == pool) {
		uint64_t mine = word_next(seen, JOB_CLAIMED, instance->group.slot, word_attempt(seen) + 1, 0);

		if (!table_cas(table, slot, &seen, mine))
			continue;
		*word = mine;
		/* The same word again, but moved: it was kicked while this process was stopped before the swap. */
		if (job_pool(job) != pool) {
			if (table_change(table, slot, word, JOB_READY, 0, word_attempt(mine) - 1))
				ready_push(instance, slot, *word, true);
			return false;
		}
		job->started = ym_now_ns();
		job->deadline = job->timeout_ms > 0 ? job->started + (uint64_t)job->timeout_ms * 1000000u : 0;
		return true;
	}
	return false;
}

bool ready_take(struct instance *instance, unsigned pool, uint32_t *slot, uint64_t *word)
{
	while (ready_any(instance, pool)) {
		int64_t found;

		index_lock(instance);
		found = index_pop(instance, pool);
		index_unlock(instance);
		if (found < 0)
			return false;
		*slot = (uint32_t)found;
		if (claim(instance, pool, *slot, word))
			return true;
	}
	return false;
}

int ready_sleep(struct instance *instance, unsigned pool, struct ym_err *err)
{
	struct table_pool_sh *row = &instance->table->pools[pool];
	struct token_message token;
	int queue, sys;

	atomic_fetch_add(&row->sleeping, 1);
	if (ready_any(instance, pool)) {
		atomic_fetch_sub(&row->sleeping, 1);
		return 0;
	}
	queue = atomic_load(&row->queue);
	if (ym_sys.msgrcv(queue, &token, sizeof(token.text), 0, MSG_NOERROR) >= 0)
		return 0;
	sys = errno;
	atomic_fetch_sub(&row->sleeping, 1);
	if (sys == EINTR)
		return 1;
	ym_fail_sys(err, sys, "msgrcv(id %d) for pool %s", queue, row->name);
	if (err && sys == EINVAL)
		err->class = YM_ERR_GONE;
	return -1;
}
