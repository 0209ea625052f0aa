/* table.c - slots, words, and sleeping on them. */
#include "table.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../ipc/sys.h"

static const struct {
	const char *word;
	bool over;
} states[JOB_STATES] = {
#define X(name, value, text, is_over) [JOB_##name] = {text, is_over},
    JOB_STATE_MAP(X)
#undef X
};

const char *job_state_word(enum job_state state)
{
	return state < JOB_STATES ? states[state].word : "?";
}

bool job_state_over(enum job_state state)
{
	return state < JOB_STATES && states[state].over;
}

size_t table_size(uint32_t slots)
{
	if (slots == 0 || slots > TABLE_SLOTS_MAX)
		return 0;
	return table_jobs_offset(slots) + (size_t)slots * (sizeof(struct job_sh) + sizeof(struct story_sh));
}

void table_init(struct table_sh *table, uint32_t slots, uint64_t payload_max, uint64_t result_ttl_ns, uint64_t next_id)
{
	table->slots = slots;
	table->payload_max = payload_max;
	atomic_store(&table->result_ttl_ns, result_ttl_ns);
	atomic_store(&table->next_id, next_id);
	atomic_store(&table->id_end, UINT64_MAX);
}

int table_check(const struct table_sh *table, size_t size, struct ym_err *err)
{
	size_t need = table_size(table->slots);

	if (need == 0 || need > size)
		return ym_fail(err, YM_ERR_CORRUPT, "the job table says %u slots but has only %zu bytes", table->slots,
		               size);
	return 0;
}

int table_pool(const struct table_sh *table, const char *name)
{
	for (int i = 0; i < TABLE_POOLS; i++)
		if (atomic_load(&table->pools[i].used) && strncmp(table->pools[i].name, name, TABLE_NAME_MAX) == 0)
			return i;
	return -1;
}

int table_limit(const struct table_sh *table, const char *name)
{
	for (int i = 0; i < TABLE_LIMITS; i++)
		if (atomic_load(&table->limits[i].used) && strncmp(table->limits[i].name, name, TABLE_NAME_MAX) == 0)
			return i;
	return -1;
}

/* A finished job may make room at once, unless its result was asked for and is not old enough. */
static bool reusable(struct table_sh *table, uint32_t slot, uint64_t word)
{
	if (!job_state_over(word_state(word)) || (word_flags(word) & (JOB_REPLY | JOB_STORED)))
		return false;
	if (word_state(word) == JOB_BURIED && !table_stored(table))
		return false;
	if (!(word_flags(word) & JOB_KEEP))
		return true;
	return ym_now_ns() > table_job(table, slot)->finished + atomic_load(&table->result_ttl_ns);
}

int64_t table_take(struct table_sh *table, unsigned owner, uint64_t *word)
{
	uint32_t start = atomic_load_explicit(&table->position, memory_order_relaxed);

	/* The table is used as a ring: the slot found first is the one that was filled longest ago. */
	for (uint32_t i = 0; i < table->slots; i++) {
		uint32_t slot = (start + i) % table->slots;
		uint64_t seen = atomic_load(&table->words[slot]), mine;

		if (!reusable(table, slot, seen))
			continue;
		mine = word_make(word_gen(seen) + 1, JOB_FILLING, owner, 0, 0);
		if (!table_cas(table, slot, &seen, mine))
			continue;
		atomic_store_explicit(&table->position, (slot + 1) % table->slots, memory_order_relaxed);
		*word = mine;
		return slot;
	}
	return -1;
}

bool table_change(struct table_sh *table, uint32_t slot, uint64_t *word, enum job_state state, unsigned owner,
                  unsigned attempt)
{
	uint64_t seen = atomic_load(&table->words[slot]);
	bool waiting = state == JOB_READY || state == JOB_DELAYED;

	while (word_same(seen, *word)) {
		bool cancelled = waiting && (word_flags(seen) & JOB_CANCEL);
		uint64_t next = word_next(seen, cancelled ? JOB_CANCELLED : state, owner, attempt, 0);

		if (table_cas(table, slot, &seen, next)) {
			*word = next;
			return true;
		}
	}
	return false;
}

void table_over(struct table_sh *table, uint32_t slot, uint64_t word)
{
	if (word_flags(word) & JOB_WAITED)
		table_wake(table, slot);
	table_space(table);
}

int64_t table_find(const struct table_sh *table, uint64_t id, uint64_t *word)
{
	int64_t found = -1;

	for (uint32_t slot = 0; slot < table->slots; slot++) {
		uint64_t seen = atomic_load(&table->words[slot]);

		/* STORING: perhaps only a question about the job. */
		if (word_state(seen) == JOB_FREE || word_state(seen) == JOB_FILLING ||
		    word_state(seen) == JOB_STORING || table_job_const(table, slot)->id != id)
			continue;
		*word = seen;
		found = slot;
		if (!table_stored(table) || !job_state_over(word_state(seen)) || (word_flags(seen) & JOB_STORED))
			break;
	}
	return found;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct table_place *)a)->id, y = ((const struct table_place *)b)->id;

	return x < y ? -1 : x > y;
}

size_t table_collect(struct table_sh *table, bool (*want)(uint64_t word, const struct job_sh *job, unsigned arg),
                     unsigned arg, struct table_place *found)
{
	size_t n = 0;

	for (uint32_t slot = 0; slot < table->slots; slot++) {
		const struct job_sh *job = table_job(table, slot);

		if (want(atomic_load(&table->words[slot]), job, arg))
			found[n++] = (struct table_place){job->id, slot};
	}
	qsort(found, n, sizeof(*found), by_id);
	return n;
}

/* Shared futexes work in System V segments: the kernel finds them by inode and offset (not PRIVATE). */
bool table_sleep_on(_Atomic uint32_t *where, uint32_t value, uint64_t deadline)
{
	struct timespec until = {.tv_sec = (time_t)(deadline / 1000000000u), .tv_nsec = (long)(deadline % 1000000000u)};

	return syscall(SYS_futex, where, FUTEX_WAIT_BITSET, value, deadline == YM_NEVER ? NULL : &until, NULL,
	               FUTEX_BITSET_MATCH_ANY) < 0 &&
	       errno == EINTR;
}

void table_wake_all(_Atomic uint32_t *where)
{
	syscall(SYS_futex, where, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* State, owner, attempt and flags are the low half; it comes first in memory on little-endian machines only. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the futex word is the low half of the slot word");

static _Atomic uint32_t *low_half(struct table_sh *table, uint32_t slot)
{
	return (_Atomic uint32_t *)(void *)&table->words[slot];
}

void table_sleep(struct table_sh *table, uint32_t slot, uint64_t seen, uint64_t deadline)
{
	table_sleep_on(low_half(table, slot), (uint32_t)seen, deadline);
}

/* As linux/futex.h has them; older headers do not. */
#define FUTEX_WAITV   449
#define FUTEX_BITS_32 2u
struct futex_word {
	uint64_t value, address;
	uint32_t flags, zero;
};

int table_sleep_any(struct table_sh *table, const uint32_t *slots, const uint64_t *seen, unsigned n, uint64_t deadline)
{
	struct timespec until = {.tv_sec = (time_t)(deadline / 1000000000u), .tv_nsec = (long)(deadline % 1000000000u)};
	struct futex_word words[TABLE_SLEEP_MAX];

	if (n == 1) {
		table_sleep(table, slots[0], seen[0], deadline);
		return 0;
	}
	for (unsigned i = 0; i < n; i++)
		words[i] = (struct futex_word){.value = (uint32_t)seen[i],
		                               .address = (uintptr_t)low_half(table, slots[i]),
		                               .flags = FUTEX_BITS_32};
	if (syscall(FUTEX_WAITV, words, n, 0, deadline == YM_NEVER ? NULL : &until, CLOCK_MONOTONIC) < 0 &&
	    errno == ENOSYS)
		return ENOSYS;
	return 0;
}

void table_wake(struct table_sh *table, uint32_t slot)
{
	table_wake_all(low_half(table, slot));
}

void table_want_space(struct table_sh *table)
{
	atomic_store(&table->space_wanted, 1);
}

void table_sleep_for_space(struct table_sh *table, uint64_t deadline)
{
	table_sleep_on(&table->space_wanted, 1, deadline);
}

void table_space(struct table_sh *table)
{
	if (atomic_load(&table->space_wanted) && atomic_exchange(&table->space_wanted, 0))
		table_wake_all(&table->space_wanted);
}
