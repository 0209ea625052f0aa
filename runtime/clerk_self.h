/*
 * clerk_self.h - the clerk from inside: clerk.c is the thread, clerk_opening.c how it gets its store, clerk_tell.c what it says
 * to the loop and on the board, clerk_gather.c what goes into a turn, clerk_settle.c what comes
 * of it, clerk_window.c which jobs are in the table, clerk_limits.c what all nodes share beside jobs.
 */
#ifndef YM_RUNTIME_CLERK_SELF_H
#define YM_RUNTIME_CLERK_SELF_H

#include <pthread.h>

#include "clerk.h"
#include "log.h"
#include "stage.h"
#include "stored.h"

/* Most of each kind in one transaction. */
#define CLERK_SUBMITS  512
#define CLERK_SAVES    512
#define CLERK_REQUESTS 128
#define CLERK_FETCHES  512

/* From a failure to the next try. */
#define CLERK_RETRY_NS UINT64_C(500000000)

/* What the store was told last of the job in a slot. */
struct clerk_known {
	uint32_t gen;
	uint8_t state, attempt; /* state FREE: nothing yet */
	uint8_t pool;
	bool resident; /* it counts in the window of its pool */
	bool delayed;  /* likewise, as one that waits for its time */
	int64_t rank;  /* as the store has it: a moment from before the boot cannot be told from the slot */
};

/* A slot of the turn, with the word that it had. */
struct clerk_item {
	uint64_t word;
	uint32_t slot;
	struct payload payload; /* long bytes */
};

struct clerk_fetched {
	uint64_t word, next;
	int64_t rank;
	uint32_t slot;
	unsigned pool;
};

/* One transaction; arrays of the clerk's. */
struct clerk_turn {
	struct store_submit submits[CLERK_SUBMITS];
	struct store_save saves[CLERK_SAVES];
	struct store_request requests[CLERK_REQUESTS];
	struct store_want wants[TABLE_POOLS];
	struct clerk_item submit_items[CLERK_SUBMITS], save_items[CLERK_SAVES], request_items[CLERK_REQUESTS];
	struct store_attempt attempts[CLERK_SAVES][STORY_ATTEMPTS];
	char notes[CLERK_SAVES][STORY_NOTE_MAX], outputs[CLERK_SAVES][STORY_OUTPUT_MAX];
	struct clerk_fetched fetched[CLERK_FETCHES];
	size_t nsubmits, nsaves, nrequests, nwants, nfetched, nreleases;
	bool durable;
	bool more;   /* there was more than fits */
	bool behind; /* likewise, of what is to be adopted */
};

/* A submission or a question that waits for us. */
struct clerk_staged {
	uint64_t id;
	uint64_t word;
	uint32_t slot;
	bool call; /* a submission: one of several */
};

/* Ids that are ours to give. */
struct clerk_range {
	uint64_t start, end;
};

/* Limits that all nodes share. */
struct clerk_limits {
	struct store_limit rows[TABLE_LIMITS]; /* as asked, and answered, last */
	unsigned index[TABLE_LIMITS];          /* in the table */
	int64_t need[TABLE_LIMITS];            /* by that: when we looked last */
	size_t n;
	uint64_t looked, asked; /* when */
	uint64_t next;          /* when to look again, whatever happens */
	uint64_t until;         /* what was granted may be used */
};

struct clerk_news; /* a line for the log */

struct clerk {
	struct clerk_options options;
	struct instance *instance;
	const struct store_driver *driver;
	struct store_options store_options; /* its texts are the clerk's own */
	char node[STORE_NODE_MAX];
	pthread_t thread;
	uv_async_t async;

	pthread_mutex_t mutex; /* for what follows */
	pthread_cond_t changed;
	bool stop, hand_over, clean;
	bool lenient; /* the first opening is tried again and again */
	bool tried;   /* the store was opened, or could not be */
	struct ym_err first;
	struct store_pool *pools; /* another configuration; NULL: the old one */
	size_t npools;
	struct clerk_news *news;
	struct clerk_limits told;   /* for the loop; n 0: nothing new */
	int64_t aims[TABLE_LIMITS]; /* by index in the table: what it heard last, and makes or has made true */

	_Atomic bool refetch;  /* anybody: there may be more to fetch than we think */
	_Atomic bool woken;    /* likewise: others may have given units back */
	_Atomic bool lost;     /* some of our jobs may be others' by now */
	_Atomic bool answered; /* for the loop: something that this process has submitted was answered */
	_Atomic bool ring;     /* for the loop: there is something for the sweep */

	/* publish() alone */
	uint64_t published, published_at;

	/* The thread's own. */
	struct store *store;
	struct stored_clock clock; /* of this turn */
	struct clerk_turn *turn;
	struct clerk_known *known;   /* by slot */
	uint64_t *todo;              /* bits by slot: to be looked at */
	struct clerk_staged *staged; /* room for all slots */
	uint64_t *unsure;            /* bits by slot: a turn that did not come to its end may have written it */
	unsigned resident[TABLE_POOLS], window[TABLE_POOLS], ended[TABLE_POOLS];
	unsigned delayed[TABLE_POOLS];   /* residents that wait for their time */
	unsigned residents;              /* of all pools */
	int64_t first_rank[TABLE_POOLS]; /* of what waits in the store; INT64_MIN: not known, INT64_MAX: nothing */
	int64_t last_rank[TABLE_POOLS];  /* of what is in the table: none there comes later */
	uint64_t *releases;              /* ids of held jobs that have left the table */
	size_t nreleases, releases_room;
	struct clerk_range ranges[2]; /* this one, and the one before */
	_Atomic int64_t tick_ms;      /* when the driver wants to be called again */
	uint64_t ticked;              /* when it was called */
	uint64_t look;                /* when to count again */
	bool active;                  /* something was written since we counted */
	struct clerk_limits limits;
	bool adopting; /* what an earlier clerk has left is not all written yet */
	bool closing;  /* nothing stays in the table any more */
	bool blocked;  /* the lock of the job lists is not to be had: its holder does not go on */
	bool doubtful; /* what we know of the last turn is not all: recover() first */
	bool troubled;
	uint64_t retry;    /* not before, while in trouble */
	uint64_t patience; /* at the end: how long to wait while blocked */
};

/* ---- clerk_tell.c */

/* A line for the log of the master. */
void clerk_say(struct clerk *clerk, enum log_level level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* In the loop: only its thread may write to the log, look after limits and end submissions. */
void clerk_print_news(struct clerk *clerk);
void clerk_on_async(uv_async_t *async);
void clerk_show_state(struct clerk *clerk, enum board_store_state state);
/* It cannot be reached, and may be reached again in a moment: nothing is refused yet. */
bool clerk_is_outage(const struct clerk *clerk, const struct ym_err *err);
void clerk_have_trouble(struct clerk *clerk, const struct ym_err *err);
void clerk_be_well(struct clerk *clerk);
/* Size windows, and show how many wait in the store. */
void clerk_count(struct clerk *clerk);

/* ---- clerk_opening.c */

/* Is the store open? If not, try again if it is time to; how the first try went is what clerk_open() waits for. */
bool clerk_have_store(struct clerk *clerk);
/* What the store calls held and is not in the table waits again. */
int clerk_recover(struct clerk *clerk, struct ym_err *err);
/* Ids for submitters to take. */
int clerk_reserve(struct clerk *clerk, struct ym_err *err);
/* The pools of another configuration, if there is one. */
int clerk_apply_pools(struct clerk *clerk, struct ym_err *err);

/* ---- clerk_gather.c */

/* Put together what is to be written. False: there is nothing, or (`blocked`) it cannot be looked at now. */
bool clerk_gather(struct clerk *clerk);
/* Note what an earlier clerk may have written, and could not say so. */
void clerk_doubt(struct clerk *clerk);
/* Has something become of it that the store does not know? */
bool clerk_is_news(const struct clerk *clerk, uint32_t slot, uint64_t word);
/* Everything of ours has to be looked at: after an opening. */
void clerk_adopt(struct clerk *clerk);
static inline bool clerk_is_unsure(const struct clerk *clerk, uint32_t slot)
{
	return clerk->unsure[slot / 64] >> slot % 64 & 1;
}
static inline void clerk_set_unsure(struct clerk *clerk, uint32_t slot, bool unsure)
{
	uint64_t bit = UINT64_C(1) << slot % 64;

	clerk->unsure[slot / 64] = unsure ? clerk->unsure[slot / 64] | bit : clerk->unsure[slot / 64] & ~bit;
}

/* ---- clerk_settle.c */

/* It is written / it is not (`unsure`: or perhaps it is). */
void clerk_settle(struct clerk *clerk);
void clerk_undo(struct clerk *clerk, bool unsure);
/* The answer stands in the slot: it is its submitter's again. */
void clerk_answer(struct clerk *clerk, uint32_t slot, uint64_t word);
void clerk_refuse(struct clerk *clerk, uint32_t slot, uint64_t word, const struct ym_err *err);
/* Of the call of a job that was refused, what comes after it and was not tried yet. `word`: of its slot. */
void clerk_refuse_behind(struct clerk *clerk, uint64_t id, uint64_t word);
/* Ask which of the jobs in the table are still ours, and give up the others. */
int clerk_check_holds(struct clerk *clerk, struct ym_err *err);
/* Refuse everything that is staged, unless we are blocked. */
void clerk_refuse_all(struct clerk *clerk, const struct ym_err *err);

/* ---- clerk_window.c */

void clerk_size_windows(struct clerk *clerk);
/* Is there room for one more in the window of the pool? */
bool clerk_has_room(const struct clerk *clerk, unsigned pool);
void clerk_enter(struct clerk *clerk, uint32_t slot, uint64_t word, unsigned pool, int64_t rank);
void clerk_leave(struct clerk *clerk, uint32_t slot);
/* Count it among those that wait for their time, or not. */
void clerk_set_delayed(struct clerk *clerk, uint32_t slot, bool delayed);
/* Is the window of some pool half empty, and something waits for it? */
bool clerk_is_hungry(const struct clerk *clerk);
/* What is to be fetched with this turn. */
void clerk_want(struct clerk *clerk);
/* As store_batch.take. */
int clerk_take(void *arg, const struct store_want *want, const struct store_job *job);
/* The store may call this job held, and it is not in the table: tell it with the next turn. */
bool clerk_release(struct clerk *clerk, uint64_t id);
/* Take a waiting job out of the table: it goes back to the store with the next turn. False: it waits no longer. */
bool clerk_evict(struct clerk *clerk, uint32_t slot, uint64_t word);
/*
 * Up to `n` that are ready and come after `rank`, the last ones first. Returns how many. Those of which the store does not
 * know all yet stay until it does.
 */
unsigned clerk_trim(struct clerk *clerk, unsigned pool, unsigned n, int64_t rank);
/* So many of a window are exchanged at once for what comes before them. */
static inline unsigned clerk_portion(const struct clerk *clerk, unsigned pool)
{
	return clerk->window[pool] / 8 + 1;
}
/* So many that are delayed may be in a window: when half of it is empty more is fetched, and that must be for what can run. */
static inline unsigned clerk_most_delayed(const struct clerk *clerk, unsigned pool)
{
	return clerk->window[pool] / 4;
}
/* So many more (or fewer) wait in the store, until they are counted there again. */
void clerk_note_stored(struct clerk *clerk, unsigned pool, enum job_state state, int n);
/* A delayed job waits in the store from now on. */
void clerk_note_due(struct clerk *clerk, int64_t due_ms);
/* All that wait. */
void clerk_evict_all(struct clerk *clerk);

/* ---- clerk_limits.c */

/* Ask what we may have of the limits that all nodes share, if it is time to; the loop is told. */
void clerk_share(struct clerk *clerk);
/* In the loop: pass it on. */
void clerk_tell_grants(struct clerk *clerk);

#endif
