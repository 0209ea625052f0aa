/* index.c - lists and buckets under a lock, rebuilt when a holder died. */
#include "index.h"

#include <stdlib.h>
#include <string.h>

#include "../ipc/sys.h"
#include "instance.h"

/* Who holds the lock needs microseconds, or up to some milliseconds to rebuild. */
#define USABLE_MS 30

static struct index_list_sh *list_of(struct table_sh *table, unsigned number)
{
	return &table->index.lists[number - 1];
}

static uint16_t list_number(const struct job_sh *job)
{
	return (uint16_t)(job_pool(job) * INDEX_LEVELS + job->level % INDEX_LEVELS + 1);
}

static unsigned list_pool(unsigned number)
{
	return (number - 1) / INDEX_LEVELS;
}

static unsigned list_level(unsigned number)
{
	return (number - 1) % INDEX_LEVELS;
}

/* Only under the lock, so a load and a store will do; read without it by workers. */
static void show_level(struct table_sh *table, unsigned number)
{
	_Atomic uint32_t *ready = &table->pools[list_pool(number)].ready;
	uint32_t bit = UINT32_C(1) << list_level(number), now = atomic_load_explicit(ready, memory_order_relaxed);
	uint32_t wanted = list_of(table, number)->head ? now | bit : now & ~bit;

	if (wanted != now)
		atomic_store(ready, wanted);
}

static void unlink_slot(struct table_sh *table, uint32_t slot)
{
	struct index_link_sh *links = table_links(table), *link = &links[slot];
	unsigned number = atomic_load_explicit(&link->list, memory_order_relaxed);
	struct index_list_sh *list;

	if (number == 0)
		return;
	list = list_of(table, number);
	if (link->prev)
		links[link->prev - 1].next = link->next;
	else
		list->head = link->next;
	if (link->next)
		links[link->next - 1].prev = link->prev;
	else
		list->tail = link->prev;
	link->next = link->prev = 0;
	atomic_store_explicit(&link->list, 0, memory_order_relaxed);
	show_level(table, number);
}

static void link_slot(struct table_sh *table, uint32_t slot, bool first)
{
	struct index_link_sh *links = table_links(table), *link = &links[slot];
	uint16_t number = list_number(table_job(table, slot));
	struct index_list_sh *list = list_of(table, number);

	link->prev = first ? 0 : list->tail;
	link->next = first ? list->head : 0;
	if (link->prev)
		links[link->prev - 1].next = slot + 1;
	else
		list->head = slot + 1;
	if (link->next)
		links[link->next - 1].prev = slot + 1;
	else
		list->tail = slot + 1;
	atomic_store_explicit(&link->list, number, memory_order_relaxed);
	show_level(table, number);
}

/* ---- the lock -------------------------------------------------------------------------------- */

static bool has_key(uint64_t word, const struct job_sh *job)
{
	return job->unique[0] && !job_state_over(word_state(word)) && word_state(word) != JOB_FILLING &&
	       word_state(word) != JOB_STORING;
}

static bool is_ready(uint64_t word, const struct job_sh *job, unsigned arg)
{
	(void)job;
	(void)arg;
	return word_state(word) == JOB_READY;
}

/* What a dead holder left half done is thrown away. Without memory for an order: in that of the slots. */
static void rebuild(struct instance *instance)
{
	struct table_sh *table = instance->table;
	struct table_place *found = malloc(table->slots * sizeof(*found));
	size_t n = found ? table_collect(table, is_ready, 0, found) : table->slots;

	memset(table->index.lists, 0, sizeof(table->index.lists));
	memset(table_links(table), 0, table->slots * sizeof(struct index_link_sh));
	memset(table_buckets(table), 0, table->slots * sizeof(uint32_t));
	for (unsigned pool = 0; pool < INDEX_POOLS; pool++)
		atomic_store(&table->pools[pool].ready, 0);
	for (size_t i = 0; i < n; i++) {
		uint32_t slot = found ? found[i].slot : (uint32_t)i;

		if (word_state(atomic_load(&table->words[slot])) == JOB_READY)
			link_slot(table, slot, false);
	}
	for (uint32_t slot = 0; slot < table->slots; slot++)
		if (has_key(atomic_load(&table->words[slot]), table_job(table, slot)))
			index_add_key(instance, slot);
	free(found);
}

void index_lock(struct instance *instance)
{
	if (lock_take(&instance->table->index.lock, &instance->group, YM_NEVER) == LOCK_INHERITED)
		rebuild(instance);
}

void index_unlock(struct instance *instance)
{
	lock_give(&instance->table->index.lock);
}

/* Its pid, 0 if not known. */
static int32_t holder_of(const struct instance *instance)
{
	int slot = lock_holder(&instance->table->index.lock);

	return slot < 0 || (unsigned)slot >= instance->group.capacity
	           ? 0
	           : atomic_load(&instance->group.reg->members[slot].pid);
}

/* For some milliseconds only. */
static bool lock_soon(struct instance *instance)
{
	struct lock_sh *lock = &instance->table->index.lock;
	enum lock_taken taken = lock_take(lock, &instance->group, ym_deadline(USABLE_MS));

	if (taken == LOCK_INHERITED)
		rebuild(instance);
	if (taken == LOCK_BUSY)
		atomic_store(&instance->stuck, lock_holding(lock));
	return taken != LOCK_BUSY;
}

bool index_take(struct instance *instance)
{
	uint64_t holding = lock_holding(&instance->table->index.lock);

	if (!instance->hasty) {
		index_lock(instance);
		return true;
	}
	/* Is the holder dead? Those who ask index_usable() before they begin look after that. */
	if (holding != 0 && holding == atomic_load(&instance->stuck))
		return false;
	return lock_soon(instance);
}

int index_fail(const struct instance *instance, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_TIMEOUT,
	               "process %ld holds the lock of the job lists and does not go on (is it stopped?)",
	               (long)holder_of(instance));
}

bool index_usable(struct instance *instance, int32_t *holder)
{
	if (lock_soon(instance)) {
		index_unlock(instance);
		return true;
	}
	*holder = holder_of(instance);
	return false;
}

bool index_break(struct instance *instance, unsigned slot)
{
	if (!lock_take_from(&instance->table->index.lock, &instance->group, slot))
		return false;
	rebuild(instance);
	index_unlock(instance);
	return true;
}

/* ---- ready jobs ------------------------------------------------------------------------------ */

bool index_linked(const struct instance *instance, uint32_t slot)
{
	/* Another list: it was in that one as an earlier job. */
	return atomic_load_explicit(&table_links(instance->table)[slot].list, memory_order_relaxed) ==
	       list_number(table_job(instance->table, slot));
}

bool index_push(struct instance *instance, uint32_t slot, uint64_t word, bool first)
{
	struct table_sh *table = instance->table;
	uint64_t seen = atomic_load(&table->words[slot]);

	/* Who has claimed it meanwhile does not come back to take it out. */
	if (!word_same(seen, word) || word_state(seen) != JOB_READY)
		return false;
	unlink_slot(table, slot);
	link_slot(table, slot, first);
	return true;
}

/*
 * The level whose first job comes next. A job of level n counts as if it had become ready n times `ageing` later than
 * it did: so an urgent one overtakes, and none waits for ever.
 */
static unsigned next_level(struct table_sh *table, unsigned pool, uint32_t ready)
{
	uint64_t ageing = atomic_load_explicit(&table->pools[pool].ageing_ns, memory_order_relaxed), best = UINT64_MAX;
	unsigned level = (unsigned)__builtin_ctz(ready), found = level;

	if ((ready & (ready - 1)) == 0)
		return level;
	for (; ready; ready &= ready - 1) {
		uint64_t turn;

		level = (unsigned)__builtin_ctz(ready);
		turn =
		    table_job(table, table->index.lists[pool * INDEX_LEVELS + level].head - 1)->ready + level * ageing;
		if (turn < best) {
			best = turn;
			found = level;
		}
	}
	return found;
}

int64_t index_pop(struct instance *instance, unsigned pool)
{
	struct table_sh *table = instance->table;
	uint32_t ready = atomic_load_explicit(&table->pools[pool].ready, memory_order_relaxed), slot;

	if (!ready)
		return -1;
	slot = table->index.lists[pool * INDEX_LEVELS + next_level(table, pool, ready)].head - 1;
	unlink_slot(table, slot);
	return slot;
}

/* ---- unique keys ----------------------------------------------------------------------------- */

/* FNV-1a */
static uint32_t bucket_of(const struct table_sh *table, const char *key)
{
	uint32_t hash = UINT32_C(2166136261);

	for (; *key; key++)
		hash = (hash ^ (unsigned char)*key) * UINT32_C(16777619);
	return hash % table->slots;
}

/* Take the entry behind *at out of its bucket. */
static void drop_entry(struct table_sh *table, uint32_t *at)
{
	struct index_link_sh *link = &table_links(table)[*at - 1];

	*at = link->chain;
	link->chain = 0;
	atomic_store_explicit(&link->bucket, 0, memory_order_relaxed);
}

int64_t index_find(struct instance *instance, unsigned pool, const char *key, uint64_t *word)
{
	struct table_sh *table = instance->table;

	for (uint32_t *at = &table_buckets(table)[bucket_of(table, key)]; *at;) {
		uint32_t slot = *at - 1;
		const struct job_sh *job = table_job(table, slot);

		*word = atomic_load(&table->words[slot]);
		if (!has_key(*word, job)) {
			drop_entry(table, at);
			continue;
		}
		if (job_pool(job) == pool && strncmp(job->unique, key, sizeof(job->unique)) == 0)
			return slot;
		at = &table_links(table)[slot].chain;
	}
	return -1;
}

void index_add_key(struct instance *instance, uint32_t slot)
{
	struct table_sh *table = instance->table;
	struct index_link_sh *link = &table_links(table)[slot];
	uint32_t bucket = bucket_of(table, table_job(table, slot)->unique);

	/* A rebuild may have entered it while it was being filled. */
	index_drop_key(instance, slot);
	link->chain = table_buckets(table)[bucket];
	atomic_store_explicit(&link->bucket, bucket + 1, memory_order_relaxed);
	table_buckets(table)[bucket] = slot + 1;
}

bool index_has_key(const struct instance *instance, uint32_t slot)
{
	return atomic_load_explicit(&table_links(instance->table)[slot].bucket, memory_order_relaxed) != 0;
}

void index_drop_key(struct instance *instance, uint32_t slot)
{
	struct table_sh *table = instance->table;
	uint32_t bucket = atomic_load_explicit(&table_links(table)[slot].bucket, memory_order_relaxed), *at;

	if (bucket == 0)
		return;
	at = &table_buckets(table)[bucket - 1];
	while (*at && *at != slot + 1)
		at = &table_links(table)[*at - 1].chain;
	if (*at)
		drop_entry(table, at);
}
