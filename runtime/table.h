/*
 * table.h - the job table: the truth about every live job, in shared memory.
 *
 *   offset                  part
 *   0                       segment head (ipc/segment.h), name "table"
 *   64                      table head: counts, next job id, search position
 *   256                     64 pool rows  x 384
 *   24832                   64 limit rows x 128
 *   33024                   index: its lock, its lists (index.h)
 *   38272                   one 64-bit word a slot
 *   + 8 * slots             one link of the index a slot, 20 bytes
 *   + 20 * slots            one hash bucket of unique keys a slot, 4 bytes
 *   + 4 * slots             one mark a slot, a bit each, in 64-bit words
 *   + marks, to 64          one job a slot, 1152 bytes each
 *   + 1152 * slots          one story a slot, 1024 bytes each (story.h)
 *
 * A job lives in one slot. Its word says everything that matters for who may do what:
 *
 *   bits 63..32  generation  goes up by one when the slot is filled again
 *   bits 31..28  state       below
 *   bits 27..16  owner       participant slot (ipc/group.h) of the process that works on it
 *   bits 15..8   attempt     number of the current or last attempt, from 1
 *   bits  7..0   flags       below
 *
 * Every change is one compare-and-swap of the whole word. The rest of the job is written only by the process that
 * the word names as its owner, in the states marked with * (the few exceptions are marked at the field):
 *
 *   FREE -> FILLING* -> READY -> CLAIMED* -> FINISHING* -> DONE | FAILED | CANCELLED -> (FILLING: next generation)
 *                       ^ ^  ^      |          |  |  |
 *           it is time  | |  |      |          |  |  +-> BURIED --> (kept until kicked: READY, or deleted: FREE)
 *            DELAYED ---+ |  +------|----------+  |         ^
 *               ^         |         v             |         |
 *               +---------|--- FIXING* -----------|---------+   owner died, or its time was up
 *               +---------+-----------------------+             try again
 *
 * With a store behind the table (store.h), a job is handed to the clerk before it is accepted (stage.h):
 *
 *   FILLING* -> STORING -> READY | DELAYED   accepted; it stays here, marked JOB_STORED until the store knows of its end
 *                       -> FILLING*          accepted and waits in the store, or refused: the submitter reads which, and
 *                                            frees the slot
 *
 * FINISHING fences the report: only who wins CLAIMED -> FINISHING may write result and error, so a worker whose claim
 * was revoked cannot disturb the next attempt. FIXING does the same for the process that cleans up after a dead owner.
 * BURIED, FAILED, CANCELLED and DELAYED jobs can be kicked: FIXING, then READY. Ready jobs are also linked in the lists of the index; the word is the truth, the index only finds it quickly.
 */
#ifndef YM_RUNTIME_TABLE_H
#define YM_RUNTIME_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../ipc/group.h"
#include "../ipc/segment.h"
#include "index.h"
#include "rate.h"
#include "story.h"

#define TABLE_NAME    "table"
#define TABLE_VERSION 4

#define TABLE_POOLS       INDEX_POOLS
#define TABLE_LIMITS      64
#define TABLE_NAME_MAX    32
#define TABLE_POOL_LIMITS 8
#define TABLE_SLOTS_MAX   (1u << 20)

#define JOB_TAG_MAX     48
#define JOB_UNIQUE_MAX  64
#define JOB_ERROR_MAX   192
#define JOB_UNIT_MAX    12
#define JOB_PAYLOAD_MAX 448 /* inline; longer ones lie in a file, see payload.h */
#define JOB_RESULT_MAX  192

/* State, value, word for people, is it over? BURIED: over for who waits, but nobody may have its slot. */
#define JOB_STATE_MAP(X)                                                                                               \
	X(FREE, 0, "free", 1)                                                                                          \
	X(FILLING, 1, "filling", 0)                                                                                    \
	X(READY, 2, "waiting", 0)                                                                                      \
	X(CLAIMED, 3, "running", 0)                                                                                    \
	X(FINISHING, 4, "finishing", 0)                                                                                \
	X(FIXING, 5, "recovering", 0)                                                                                  \
	X(BURIED, 6, "buried", 1)                                                                                      \
	X(DELAYED, 7, "delayed", 0)                                                                                    \
	X(DONE, 8, "done", 1)                                                                                          \
	X(FAILED, 9, "failed", 1)                                                                                      \
	X(CANCELLED, 10, "cancelled", 1)                                                                               \
	X(STORING, 11, "storing", 0)

enum job_state {
#define X(name, value, word, over) JOB_##name = value,
	JOB_STATE_MAP(X)
#undef X
	    JOB_STATES
};

enum job_flag {
	JOB_STORED = 1,    /* the store has it, and does not know yet what became of it */
	JOB_WAITED = 2,    /* somebody may sleep on the word: wake when it is over */
	JOB_CANCEL = 4,    /* CLAIMED: the task should stop                       */
	JOB_TIMED_OUT = 8, /* ... because its time is up                          */
	JOB_KEEP = 16,     /* over: keep the result until result_ttl has passed   */
	JOB_REPLY = 32,    /* over: its answer is still to be sent                */
	JOB_KICKED = 64,   /* FIXING: it was over, and is to be started anew      */
	JOB_TAKEN = 128,   /* STORING: the clerk is about it, no way back         */
};
/* Flags that outlive every change of state, and those that stay as long as somebody works on the job. */
#define JOB_STICKY     (JOB_STORED | JOB_WAITED | JOB_KEEP | JOB_REPLY)
#define JOB_STOP_FLAGS (JOB_CANCEL | JOB_TIMED_OUT)
#define JOB_WORK_FLAGS (JOB_STOP_FLAGS | JOB_KICKED)

#define JOB_GEN_SHIFT     32
#define JOB_STATE_SHIFT   28
#define JOB_OWNER_SHIFT   16
#define JOB_ATTEMPT_SHIFT 8
#define JOB_ATTEMPT_MAX   255u
#define JOB_NOBODY        0xfffu /* owner of a STORING slot whose submitter does not wait any more */

static inline uint64_t word_make(uint32_t gen, enum job_state state, unsigned owner, unsigned attempt, unsigned flags)
{
	return (uint64_t)gen << JOB_GEN_SHIFT | (uint64_t)state << JOB_STATE_SHIFT |
	       (uint64_t)(owner & 0xfffu) << JOB_OWNER_SHIFT | (uint64_t)(attempt & 0xffu) << JOB_ATTEMPT_SHIFT |
	       (flags & 0xffu);
}
static inline uint32_t word_gen(uint64_t word)
{
	return (uint32_t)(word >> JOB_GEN_SHIFT);
}
static inline enum job_state word_state(uint64_t word)
{
	return (enum job_state)(word >> JOB_STATE_SHIFT & 0xfu);
}
static inline unsigned word_owner(uint64_t word)
{
	return (unsigned)(word >> JOB_OWNER_SHIFT & 0xfffu);
}
static inline unsigned word_attempt(uint64_t word)
{
	return (unsigned)(word >> JOB_ATTEMPT_SHIFT & 0xffu);
}
static inline unsigned word_flags(uint64_t word)
{
	return (unsigned)(word & 0xffu);
}
/* The same job with another state, owner and flags; flags that go with it are kept. */
static inline uint64_t word_next(uint64_t word, enum job_state state, unsigned owner, unsigned attempt, unsigned flags)
{
	bool working = state == JOB_CLAIMED || state == JOB_FINISHING || state == JOB_FIXING;
	unsigned kept = JOB_STICKY | (working ? JOB_WORK_FLAGS : 0);

	return word_make(word_gen(word), state, owner, attempt, (word_flags(word) & kept) | flags);
}
/* Do two words speak of the same job in the same hands? Flags do not matter. */
static inline bool word_same(uint64_t a, uint64_t b)
{
	return ((a ^ b) & ~(uint64_t)0xff) == 0;
}

/* Where bytes of a job are. */
enum job_place { JOB_PLACE_INLINE, JOB_PLACE_FILE };

/* One job. Written by the owner in a state marked * above, unless the field says otherwise. Times: ym_now_ns(). */
struct job_sh {
	uint64_t id; /* counts up within a generation of the instance: also the order of jobs */
	uint64_t submitted;
	uint64_t ready;   /* when it became ready: with the level, its place; also by who makes it ready */
	uint64_t due;     /* DELAYED: not before */
	uint64_t started; /* of the current or last attempt */
	uint64_t finished;
	uint64_t deadline;    /* of the current attempt, 0: none */
	int64_t at_ms;        /* DELAYED: not before this unix time; 0: none */
	uint64_t done, total; /* last progress of a job that is over */
	uint64_t payload_size;
	uint64_t result_size;
	int64_t timeout_ms; /* 0: none */
	int64_t reply_type; /* where the answer goes, see reply.h */
	int32_t reply_key;  /* 0: no answer wanted */
	uint32_t file_gen;  /* generation in the names of its files */
	uint16_t pool;
	uint8_t level;    /* 0 most urgent */
	uint8_t attempts; /* allowed */
	uint8_t crashes;  /* attempts that ended with the death of the worker, or of the command */
	uint8_t files;    /* 1 payload, 2 result: to be unlinked when the slot is filled again */
	uint8_t payload_place;
	uint8_t result_place;
	uint8_t told; /* 1: error, result or progress of an earlier attempt may stand here */
	uint8_t reply_form;
	/* Between a submitter and the clerk, see stage.h. */
	uint8_t ask;     /* STORING: enum stage_ask */
	uint8_t aim;     /* STORING: enum job_state that it is to begin with; answer of LOOK: its state */
	uint8_t tried;   /* answer of LOOK: attempts made */
	uint8_t verdict; /* enum stage_verdict; by the clerk */
	uint8_t refusal; /* enum ym_err_class of `error`; by the clerk */
	uint8_t call;    /* STORING: 1: one of several that its submitter has handed over together */
	char unit[JOB_UNIT_MAX];
	char zeroes1[4];
	char tag[JOB_TAG_MAX];
	char unique[JOB_UNIQUE_MAX]; /* no other live job of the pool has it; "": any may */
	/* What stands above is cleared when the slot is filled. */
	uint8_t payload[JOB_PAYLOAD_MAX + 8]; /* a NUL byte always follows */
	char error[JOB_ERROR_MAX];
	uint8_t result[JOB_RESULT_MAX];
	uint64_t other; /* STAGE_EXISTS: id of the job that was there first; by the clerk */
	uint8_t zeroes2[40];
};
_Static_assert(sizeof(struct job_sh) == 1152, "layout above");

#define JOB_FILE_PAYLOAD 1
#define JOB_FILE_RESULT  2

/* What a crash (the worker died under the job) leads to while the job may still run again. */
enum table_on_crash { TABLE_CRASH_RETRY, TABLE_CRASH_BURY, TABLE_CRASH_MOVE };

/* `units` of a limit that every job of a pool holds while it runs. */
struct table_use_sh {
	_Atomic uint8_t limit; /* index */
	uint8_t zero;
	_Atomic uint16_t units;
};

/* What is to be done with new jobs, and with waiting ones. */
enum table_pool_mode {
	POOL_PAUSED = 1,   /* workers start no job */
	POOL_DRAINING = 2, /* no job is accepted */
	POOL_LOADING = 4,  /* none yet: those of the backlog come first, for their unique keys count */
	POOL_REMOVED = 8,  /* not in the configuration any more: none is accepted, those that wait are kept */
};

/* A pool as clients and workers see it. Written by the master under the group's LOCK, unless the field says otherwise. */
struct table_pool_sh {
	char name[TABLE_NAME_MAX];
	_Atomic uint32_t used; /* 0 -> 1 when the row is filled */
	_Atomic int32_t queue;
	_Atomic int64_t backoff_ms;
	_Atomic int64_t backoff_max_ms;
	_Atomic int64_t timeout_ms;
	_Atomic int64_t timeout_grace_ms;
	_Atomic uint64_t ageing_ns; /* a job gains a level each time this has passed */
	_Atomic uint8_t attempts;
	_Atomic uint8_t crashes; /* allowed */
	_Atomic uint8_t backoff_factor;
	_Atomic uint8_t backoff_jitter; /* percent */
	_Atomic uint8_t on_crash;       /* enum table_on_crash */
	_Atomic uint8_t crash_pool;     /* TABLE_CRASH_MOVE: where to */
	_Atomic uint8_t bury_failed;    /* 1: a job without attempts left is buried */
	_Atomic uint8_t touch;          /* 1: progress starts the timeout anew */
	_Atomic uint8_t level;          /* of jobs submitted without one */
	_Atomic uint8_t unsynced;       /* 1: accepted before it is on the disk (synchronous = normal) */
	uint8_t zeroes[2];
	_Atomic uint32_t nlimits;
	struct table_use_sh limits[TABLE_POOL_LIMITS]; /* in the order of the limits' keys */
	char zeroes2[64];
	struct rate_sh rate; /* of this pool's starts */
	char zeroes3[40];
	/* what follows changes all the time; a cache line of its own */
	_Atomic uint32_t ready;   /* bit per level: its list is not empty; written under the index lock */
	_Atomic int32_t sleeping; /* workers in msgrcv, less the tokens on their way; anybody */
	_Atomic uint32_t mode;    /* enum table_pool_mode; anybody */
	_Atomic uint32_t
	    hungry; /* 1: the master can add workers; 0 by who rings the bell for a job no worker is free for */
	/* workers of the pool that end to be recycled and have no successor yet: permit.h */
	_Atomic uint32_t recycling;
	_Atomic uint32_t recycle_at_once;     /* no worker ends to be recycled while so many are; master */
	_Atomic int32_t scale_min, scale_max; /* of `scale`, kept for the next master; master */
	_Atomic uint32_t scaled;              /* 1: they count; master */
	uint32_t zero4;
	_Atomic uint64_t stored_waiting, stored_delayed, stored_buried; /* in the store, and not here; clerk */
	char zeroes4[64];
};
_Static_assert(sizeof(struct table_pool_sh) == 384, "layout above");
_Static_assert(offsetof(struct table_pool_sh, ready) == 256, "a cache line of its own");

/* A limit. Written by the master under the group's LOCK. */
struct table_limit_sh {
	char name[TABLE_NAME_MAX];
	_Atomic uint32_t used;
	int32_t key;
	_Atomic int32_t id;
	_Atomic int32_t max;  /* units of the semaphore; 0 (and `whole` 0): there is none, only a rate */
	_Atomic int32_t turn; /* key of the semaphore (of one unit) that says whose turn it is to wait; 0: none */
	/* Of a limit that all nodes share; `max` is what this one may use of it now. */
	_Atomic int32_t whole;   /* units of all nodes together; 0: this machine's own limit */
	_Atomic uint32_t opened; /* goes up when units may be taken again (futex) */
	char zeroes[4];
	struct rate_sh rate;    /* of the starts of all pools that use it */
	_Atomic uint64_t until; /* ym_now_ns(): no unit is taken later, whether there is a master or not */
	char zeroes2[32];
};
_Static_assert(sizeof(struct table_limit_sh) == 128, "layout above");

struct table_sh {
	struct ym_seg_head_sh head;
	uint32_t slots;
	uint32_t zero;
	uint64_t payload_max;
	_Atomic uint64_t result_ttl_ns;
	uint64_t store;                    /* names the store behind the table (a hash of its URI), 0: none */
	_Atomic uint64_t id_start, id_end; /* ids that may be given, and the first that may not; clerk */
	char zeroes[16];
	_Atomic uint64_t next_id;      /* anybody, goes up; the clerk may jump to another range */
	_Atomic uint32_t position;     /* where the next search for a slot starts; a hint, anybody */
	_Atomic uint32_t space_wanted; /* 1: somebody sleeps until a slot is free (futex), anybody */
	_Atomic uint32_t watched; /* 1: the master wants to see the next ready job; 0 by who rings the bell for it */
	char zeroes2[44];
	/* The clerk's bell, stage.h; a cache line of its own. */
	_Atomic uint32_t bell;   /* goes up with every mark; anybody */
	_Atomic uint32_t urgent; /* ... with those that somebody waits for; anybody */
	_Atomic uint32_t sleeps; /* enum stage_sleep of the clerk */
	char zeroes3[52];
	struct table_pool_sh pools[TABLE_POOLS];
	struct table_limit_sh limits[TABLE_LIMITS];
	struct index_sh index;
	_Atomic uint64_t words[];
};
_Static_assert(offsetof(struct table_sh, pools) == 256, "layout above");
_Static_assert(offsetof(struct table_sh, limits) == 24832, "layout above");
_Static_assert(offsetof(struct table_sh, index) == 33024, "layout above");
_Static_assert(offsetof(struct table_sh, words) == 38272, "layout above");

/* Bytes of a table, or 0 if that many slots are not possible. */
size_t table_size(uint32_t slots);

/* Fill a new, zeroed table. Job ids go on from `next_id`. */
void table_init(struct table_sh *table, uint32_t slots, uint64_t payload_max, uint64_t result_ttl_ns, uint64_t next_id);

/* Is there a store behind it? */
static inline bool table_stored(const struct table_sh *table)
{
	return table->store != 0;
}

/* Does an attached table of `size` bytes hold what its head says? */
int table_check(const struct table_sh *table, size_t size, struct ym_err *err);

/* The parts behind the words. */
static inline struct index_link_sh *table_links(const struct table_sh *table)
{
	return (struct index_link_sh *)(uintptr_t)(table->words + table->slots);
}
static inline uint32_t *table_buckets(const struct table_sh *table)
{
	return (uint32_t *)(table_links(table) + table->slots);
}
/* Slots that the clerk has to look at; anybody sets a bit, the clerk takes them away. */
static inline uint32_t table_mark_words(uint32_t slots)
{
	return (slots + 63) / 64;
}
static inline _Atomic uint64_t *table_marks(const struct table_sh *table)
{
	uintptr_t end = (uintptr_t)(table_buckets(table) + table->slots);

	return (_Atomic uint64_t *)((end + 7) / 8 * 8);
}
static inline size_t table_jobs_offset(uint32_t slots)
{
	size_t end =
	    sizeof(struct table_sh) + slots * (sizeof(uint64_t) + sizeof(struct index_link_sh) + sizeof(uint32_t));

	end = (end + 7) / 8 * 8 + table_mark_words(slots) * sizeof(uint64_t);
	return (end + 63) / 64 * 64;
}
static inline struct job_sh *table_job(struct table_sh *table, uint32_t slot)
{
	return (struct job_sh *)(void *)((char *)table + table_jobs_offset(table->slots)) + slot;
}
static inline const struct job_sh *table_job_const(const struct table_sh *table, uint32_t slot)
{
	return (const struct job_sh *)(const void *)((const char *)table + table_jobs_offset(table->slots)) + slot;
}
static inline struct story_sh *table_story(struct table_sh *table, uint32_t slot)
{
	return (struct story_sh *)(void *)table_job(table, table->slots) + slot;
}
/* The pool of a job; an index that a wild write has damaged stays within the table. */
static inline unsigned job_pool(const struct job_sh *job)
{
	return job->pool % TABLE_POOLS;
}
static inline bool table_cas(struct table_sh *table, uint32_t slot, uint64_t *expected, uint64_t desired)
{
	return atomic_compare_exchange_strong(&table->words[slot], expected, desired);
}

const char *job_state_word(enum job_state state);
bool job_state_over(enum job_state state);

/* Index of a pool or limit, -1 if there is none of that name. */
int table_pool(const struct table_sh *table, const char *name);
int table_limit(const struct table_sh *table, const char *name);

/*
 * Take a slot for a new job: FREE, or the oldest one whose job is over and not kept. The word becomes FILLING with
 * the next generation and `owner`; *word is the new word. Returns the slot, or -1 when the table is full.
 */
int64_t table_take(struct table_sh *table, unsigned owner, uint64_t *word);

/*
 * Change the word from *word, as the caller has made it, to another state: flags that others have set meanwhile do not
 * make it another claim and are carried over as word_next() says. A job that is to go on waiting (READY or
 * DELAYED) but was cancelled meanwhile becomes CANCELLED instead. *word is the new word. False when it is no longer the
 * caller's.
 */
bool table_change(struct table_sh *table, uint32_t slot, uint64_t *word, enum job_state state, unsigned owner,
                  unsigned attempt);

/* After a change to a state in which the job is over: wake who waits for it, or for its slot. */
void table_over(struct table_sh *table, uint32_t slot, uint64_t word);

/*
 * Find a live or remembered job by id: its slot, or -1. *word is its word when seen. O(slots). With a store there may be an
 * older copy of a job that was kicked: the live one is found.
 */
int64_t table_find(const struct table_sh *table, uint64_t id, uint64_t *word);

/* A job by its place in the order of jobs. */
struct table_place {
	uint64_t id;
	uint32_t slot;
};

/* The jobs that `want` says yes to, oldest first. `found` has room for all slots. Returns how many. */
size_t table_collect(struct table_sh *table, bool (*want)(uint64_t word, const struct job_sh *job, unsigned arg),
                     unsigned arg, struct table_place *found);

/*
 * Sleep in the kernel while a number in shared memory is `value`; wake all who do. Spurious returns happen. True: a signal
 * came.
 */
bool table_sleep_on(_Atomic uint32_t *where, uint32_t value, uint64_t deadline);
void table_wake_all(_Atomic uint32_t *where);

/* Sleep until the low half of the word is no longer that of `seen`, or until the deadline. Spurious returns happen. */
void table_sleep(struct table_sh *table, uint32_t slot, uint64_t seen, uint64_t deadline);
void table_wake(struct table_sh *table, uint32_t slot);

/* The same for up to TABLE_SLEEP_MAX words at once. 0, or ENOSYS: the kernel cannot do that (before Linux 5.16). */
#define TABLE_SLEEP_MAX 128
int table_sleep_any(struct table_sh *table, const uint32_t *slots, const uint64_t *seen, unsigned n, uint64_t deadline);

/* Say that a free slot is wanted, look once more, then sleep until there may be one. */
void table_want_space(struct table_sh *table);
void table_sleep_for_space(struct table_sh *table, uint64_t deadline);
/* A slot may be free: wake who wants one. */
void table_space(struct table_sh *table);

#endif
