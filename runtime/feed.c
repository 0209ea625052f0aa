/* feed.c - send tokens; keep the order when the queue is full. */
#include "feed.h"

#include <stdlib.h>

#include "../ipc/queue.h"
#include "../ipc/sys.h"

#define TOKEN_TYPE 1

static bool send_token(struct instance *instance, unsigned pool, uint32_t slot, uint32_t gen)
{
	struct dispatch_message message = {.type = TOKEN_TYPE, .token = {slot, gen}};

	return ym_queue_send(instance->table->pools[pool].queue, &message, sizeof(message.token), NULL) == 0;
}

static bool send_or_raise(struct instance *instance, unsigned pool, uint32_t slot, uint32_t gen)
{
	if (send_token(instance, pool, slot, gen))
		return true;
	atomic_store(&instance->table->pools[pool].backlog, 1);
	return send_token(instance, pool, slot, gen);
}

static bool ready_without_token(uint64_t seen, uint64_t word)
{
	return word_same(seen, word) && word_state(seen) == JOB_READY && !(word_flags(seen) & JOB_QUEUED);
}

/* Nothing was sent for it after all. Flags that were set meanwhile stay. */
static void take_mark_off(struct table_sh *table, uint32_t slot, uint64_t queued)
{
	uint64_t seen = queued;

	while (word_same(seen, queued) && (word_flags(seen) & JOB_QUEUED))
		if (table_cas(table, slot, &seen, seen & ~(uint64_t)JOB_QUEUED))
			return;
}

void dispatch_announce(struct instance *instance, uint32_t slot, uint64_t word)
{
	struct table_sh *table = instance->table;
	unsigned pool = job_pool(table_job(table, slot));
	uint64_t seen = atomic_load(&table->words[slot]);

	/* Looked at anew in each round: after the mark is off again, a feeder may just have passed this job by. */
	while (ready_without_token(seen, word) && !atomic_load(&table->pools[pool].backlog)) {
		uint64_t queued = seen | JOB_QUEUED;

		if (!table_cas(table, slot, &seen, queued))
			continue;
		if (send_or_raise(instance, pool, slot, word_gen(word)))
			return;
		take_mark_off(table, slot, queued);
		seen = atomic_load(&table->words[slot]);
	}
}

/* ---- feeding --------------------------------------------------------------------------------- */

static bool without_token(uint64_t word, const struct job_sh *job, unsigned pool)
{
	return word_state(word) == JOB_READY && !(word_flags(word) & JOB_QUEUED) && job_pool(job) == pool;
}

/* Mark a ready job as having a token. False when it has one, or is no longer ready. */
static bool put_mark_on(struct table_sh *table, uint32_t slot, uint64_t *word)
{
	*word = atomic_load(&table->words[slot]);
	while (word_state(*word) == JOB_READY && !(word_flags(*word) & JOB_QUEUED))
		if (table_cas(table, slot, word, *word | JOB_QUEUED))
			return true;
	return false;
}

/* In order, until the queue is full. Returns how many; *left says whether jobs remain without a token. */
static unsigned send_in_order(struct instance *instance, unsigned pool, const struct table_place *found, size_t n,
                              bool *left)
{
	struct table_sh *table = instance->table;
	unsigned sent = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t word;

		/* The sweep compares these times to find lost tokens: what counts is when the token was sent. */
		table_job(table, found[i].slot)->ready = ym_now_ns();
		if (!put_mark_on(table, found[i].slot, &word))
			continue;
		if (!send_or_raise(instance, pool, found[i].slot, word_gen(word))) {
			take_mark_off(table, found[i].slot, word | JOB_QUEUED);
			*left = true;
			return sent;
		}
		sent++;
	}
	return sent;
}

/* One round under the mark. */
static unsigned feed_once(struct instance *instance, unsigned pool, struct table_place *found, bool *left)
{
	struct table_pool_sh *row = &instance->table->pools[pool];
	unsigned sent;

	*left = false;
	atomic_store(&row->backlog, 0);
	sent = send_in_order(instance, pool, found, table_collect(instance->table, without_token, pool, found), left);
	if (*left)
		atomic_store(&row->backlog, 1);
	return sent;
}

unsigned dispatch_feed(struct instance *instance, unsigned pool)
{
	struct table_pool_sh *row = &instance->table->pools[pool];
	struct table_place *found = malloc(instance->table->slots * sizeof(*found));
	unsigned sent = 0;
	bool left = false;

	/* Without memory the backlog stays raised: the next feeder or the sweep goes on. */
	while (found && !left) {
		uint32_t mark = instance->group.slot + 1, nobody = 0;

		/* One feeder at a time keeps the order. The mark of a dead or stopped one is taken off by the sweep. */
		if (!atomic_compare_exchange_strong(&row->feeder, &nobody, mark))
			break;
		sent += feed_once(instance, pool, found, &left);
		atomic_compare_exchange_strong(&row->feeder, &mark, 0);
		if (!atomic_load(&row->backlog))
			break;
	}
	free(found);
	return sent;
}
