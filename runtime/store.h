/*
 * store.h - where jobs wait durably: one interface, one driver a kind of store.
 *
 * A store holds every job from its acceptance to its end, and for `history` after that. The job table (table.h) holds the
 * active window of it: jobs that run, and those that run next. Between the two stands one thread of the master, the clerk
 * (clerk.h); nobody else writes to a store. A driver knows nothing of shared memory: it gets and gives struct store_job.
 *
 *   state in the store   held   meaning
 *   waiting, delayed     no     waits in the store; may be fetched
 *   waiting, delayed,    yes    in the table of a node, which says what becomes of it; the row shows what the node has
 *   running                     told last. What is held by nobody (its node died) is taken back by store->recover()
 *   buried               no     waits for somebody to kick or delete it
 *   done, failed,        no     history; goes when `history` has passed
 *   cancelled
 *
 * A driver is used by one thread at a time. Its functions may take as long as the disk or the network does, none longer
 * than some seconds.
 */
#ifndef YM_RUNTIME_STORE_H
#define YM_RUNTIME_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../config/store_uri.h"
#include "payload.h"
#include "story.h"
#include "table.h"

#define STORE_NODE_MAX 64 /* bytes of the name of a node, with its NUL */

/* Payloads and results up to this size are handed over in memory, longer ones as descriptors. */
#define STORE_INLINE_MAX (64u << 10)

/* ---- jobs ------------------------------------------------------------------------------------ */

/* A job as a store knows it. Moments are unix time in ms, 0: none. */
struct store_job {
	uint64_t id;
	char pool[TABLE_NAME_MAX];
	enum job_state state; /* JOB_READY, _DELAYED, _CLAIMED (running), _BURIED, _DONE, _FAILED, _CANCELLED */
	bool held;
	bool keep;                                 /* somebody may come for the result: JOB_KEEP */
	uint8_t level, attempt, attempts, crashes; /* as in the table */
	int64_t rank;                              /* store_rank(): the smallest is fetched first */
	int64_t submitted_ms, due_ms, started_ms, finished_ms;
	int64_t timeout_ms; /* a span */
	uint64_t done, total;
	int64_t reply_type;
	int32_t reply_key;
	uint8_t reply_form;
	char unit[JOB_UNIT_MAX];
	char tag[JOB_TAG_MAX];
	char unique[JOB_UNIQUE_MAX];
	char error[JOB_ERROR_MAX];
	char node[STORE_NODE_MAX]; /* that holds it, or ran it last; "": none, or the only one */
	/* Bytes. In what a driver gives, they last until the callback returns, or until store_job_free(). */
	struct payload_source payload, result;
	void *memory[2]; /* behind them, if allocated; free(). Descriptors are closed if `owned` */
	bool owned;
};
void store_job_free(struct store_job *job);

/*
 * The place of a job in the order of its pool: as index.h has it, a job of level n counts as if it had become ready n
 * times `ageing` later. `ageing_ms` 0: levels are strict.
 */
#define STORE_STRICT_MS INT64_C(100000000000000) /* 3170 years; ten of them fit */
static inline int64_t store_rank(unsigned level, int64_t ageing_ms, int64_t ready_ms)
{
	return (int64_t)level * (ageing_ms > 0 ? ageing_ms : STORE_STRICT_MS) + ready_ms;
}

/* How an attempt ended (story.h), in unix time. */
struct store_attempt {
	unsigned number;
	enum story_end end;
	int64_t started_ms, ended_ms;
	int32_t pid, status; /* status as of waitpid, -1: not known */
	uint32_t rss_kib, user_ms, system_ms;
	uint64_t done, total;
	char unit[JOB_UNIT_MAX];
	char error[STORY_ERROR_MAX];
	char node[STORE_NODE_MAX];
};

/* ---- one transaction ------------------------------------------------------------------------- */

enum store_verdict {
	STORE_OK,
	STORE_EXISTS,  /* a live job of the pool has its unique key: `existing` */
	STORE_NONE,    /* there is no such job */
	STORE_HELD,    /* it is in the table of a node, ours or (LOOK: job.node) another: ask there */
	STORE_CANNOT,  /* it is in no state for that */
	STORE_BUSY,    /* somebody else's transaction, still open, stands in the way; nothing was done */
	STORE_UNTAKEN, /* (not a driver's) not tried yet */
};

/*
 * A new job, or one of an earlier run (state FAILED or BURIED, attempts made). `job.held`: it stays in our table. One whose
 * id is in the store already was submitted before, and nobody could say so: STORE_OK, and nothing is written but whether we
 * hold it. If it waits, or is held by us, that is as `job.held` asks; else (it is over, or another node's) `job.held` comes
 * back false. An import brings jobs in every state, not held, with their times, results and stories.
 */
struct store_submit {
	struct store_job job;
	unsigned call; /* 0: it stands alone. Else: of one call with all of this number, see store_refuse_behind() */
	const struct store_attempt *attempts; /* what is told of it, import only; NULL: nothing */
	size_t nattempts;
	const char *note, *output;  /* likewise */
	enum store_verdict verdict; /* out: OK, EXISTS, BUSY; CANNOT: its id is that of a quite different job */
	uint64_t existing;          /* out */
};

static inline bool store_refused(const struct store_submit *submit)
{
	return submit->verdict == STORE_BUSY || submit->verdict == STORE_CANNOT;
}

/*
 * Who submits several at once is told how many of them, from the first one on, are stored: behind one that is refused none
 * of its call may be. Those get the same verdict; true: there was one that had another. For a driver, before it commits.
 */
bool store_refuse_behind(struct store_submit *submits, size_t n);

/*
 * What has become of a job that is held here. READY, DELAYED, CLAIMED: still held. Others: over, no longer held. Pool, state,
 * attempt, crashes, rank, due, times, progress, error, result are written; the rest is as it was.
 */
struct store_save {
	struct store_job job;
	const struct store_attempt
	    *attempts; /* to be added to what is told of it, or to replace one of the same number */
	size_t nattempts;
	const char *note, *output; /* last progress note, last lines of stderr; NULL: as before */
	bool lost;                 /* out: it is not ours any more (another node's), nothing was written */
	bool key_lost; /* out: it moved to a pool where another live job has its unique key; it has none now */
};

/* What people ask for. */
#define STORE_ASK_MAP(X)                                                                                               \
	X(LOOK, "look")     /* OK: `job` is filled, to be freed with store_job_free(). Held ones, too */               \
	X(CANCEL, "cancel") /* waiting, delayed. Held by another node: OK, options.cancel() is called there */         \
	X(BURY, "bury")     /* waiting, delayed */                                                                     \
	X(KICK,                                                                                                        \
	  "kick") /* buried, failed, cancelled: waits anew with all its attempts, payload kept; delayed: waits */      \
	X(DELETE, "delete") /* all but running: gone, with attempts and result */

enum store_ask {
#define X(name, word) STORE_##name,
	STORE_ASK_MAP(X)
#undef X
	    STORE_ASKS
};

struct store_request {
	enum store_ask ask;
	uint64_t id;
	enum store_verdict verdict; /* out: OK, NONE, HELD, CANNOT, BUSY, EXISTS (KICK: another one has its key) */
	/*
	 * out, LOOK. Also of what CANCEL, BURY, DELETE have ended: id, tag, attempt; and reply_key, _type, _form if it waited
	 * until now: somebody waits for an answer that nobody else will give.
	 */
	struct store_job job;
};

/* Jobs that should come into our table. */
struct store_want {
	char pool[TABLE_NAME_MAX];
	unsigned n;
	unsigned taken; /* out */
	/* out: of the first one that was left in the store, INT64_MAX if there is none. Shared: at least that */
	int64_t first_rank;
};

/*
 * Everything that is to be written at once. In this order: releases, saves, submits, requests, wants. After -1 nothing of it
 * is in the store, or (a connection that broke during the commit) it is not known; to write the same again is safe in both
 * cases. `take` may have been called: what it took is not ours then.
 */
struct store_batch {
	bool durable;             /* on the disk before we return, whatever happens to the machine. Else it may be */
	const uint64_t *releases; /* held jobs that are not in our table any more: wait in the store */
	size_t nreleases;
	struct store_save *saves;
	size_t nsaves;
	struct store_submit *submits;
	size_t nsubmits;
	struct store_request *requests;
	size_t nrequests;
	struct store_want *wants;
	size_t nwants;
	/* A fetched job, by rank. 0: taken, it is held from now on. 1: no room, leave it and all others of this pool. */
	int (*take)(void *arg, const struct store_want *want, const struct store_job *job);
	void *arg;
};

/* ---- counts ---------------------------------------------------------------------------------- */

/* Jobs of a pool that are not held by us. */
struct store_tally {
	uint64_t waiting, delayed, buried;
};

/* ---- reading --------------------------------------------------------------------------------- */

struct store_filter {
	const char *pool, *tag, *unique, *error; /* NULL: any; `error`: a part of it, whatever case */
	unsigned states;                         /* bits 1 << enum job_state; 0: any */
	int level;                               /* -1: any */
	int64_t since_ms, until_ms;              /* submitted; 0: any */
	uint64_t id;                             /* only this one; 0: any */
	uint64_t after;                          /* ids above (or, newest, below) this one; 0: from the start */
	bool newest;                             /* descending ids */
	bool bytes;                              /* with payload and result (export) */
	size_t limit;                            /* 0: all */
};

typedef int store_each(void *arg, const struct store_job *job); /* not 0: stop */

/* All that is told of the attempts of a job. */
struct store_story {
	struct store_attempt *attempts; /* oldest first; allocated */
	size_t nattempts;
	char note[STORY_NOTE_MAX];
	char output[STORY_OUTPUT_MAX];
};
void store_story_free(struct store_story *story);

/* ---- several nodes ---------------------------------------------------------------------------- */

/* A node that shares the store. */
struct store_node {
	char name[STORE_NODE_MAX], instance[TABLE_NAME_MAX], host[STORE_NODE_MAX];
	int32_t pid;
	bool alive;        /* false: its lease ran out; what it held is others' */
	int64_t since_ms;  /* unix time: registered */
	int64_t silent_ms; /* since its last sign of life, by the clock of the database */
	int64_t lease_ms;  /* its own; 0: not known */
	uint64_t held;     /* jobs in its table */
	const char *board; /* what it published, JSON; NULL: nothing. Lasts until the callback returns */
	int64_t board_ms;  /* unix time of that */
};
typedef int store_each_node(void *arg, const struct store_node *node); /* not 0: stop */

/*
 * A limit that all nodes share. A node may have `granted` units in use from now on. If that is less than it has in use, what
 * runs goes on, but nothing new starts until enough has ended: the units in use are counted as its own until then. The
 * others never get so many that all together exceed `max`, unless `max` was made smaller. Who wants less than it has, or
 * has more than its share while others starve, is granted less.
 */
struct store_limit {
	char name[TABLE_NAME_MAX];
	int64_t max;
	int64_t in_use;  /* units that jobs of this node have, or could take before it hears `granted` */
	int64_t wanted;  /* units it could use now; less than in_use: the rest is given back as jobs end */
	int64_t step;    /* most units that one of its jobs takes at once: to be granted fewer is of no use */
	int64_t granted; /* out; also after -1: as before, or 0 when our lease has run out meanwhile */
};

/* ---- open ------------------------------------------------------------------------------------ */

/* What a driver needs to know of a pool. */
struct store_pool {
	char name[TABLE_NAME_MAX];
	int64_t ageing_ms, timeout_ms;
	uint8_t level, attempts; /* of jobs that somebody else puts in without saying */
};

struct store_options {
	const char *uri;       /* as in the file, with an absolute path */
	const char *directory; /* of the instance: for temporary files of long payloads */
	const char *instance;
	const char *node;
	int64_t history_ms, lease_ms;
	size_t payload_max;
	bool
	    reader; /* only list(), story(), tallies(): of a command, beside the master; never makes or changes anything */
	/* From any thread: something may be there to be fetched, or the store can be reached again. */
	void (*wake)(void *arg);
	/* From any thread, stores of several nodes: somebody asked that a job which is held here be cancelled. */
	void (*cancel)(void *arg, uint64_t id);
	/*
	 * From any thread, stores of several nodes: we gave no sign of life for so long that the others took us for dead. Some
	 * or all of what we hold is theirs now: ask holds() about each job of the table.
	 */
	void (*lost)(void *arg);
	/* Likewise: what this node shows to the others, JSON, allocated; NULL: nothing. */
	char *(*publish)(void *arg);
	void *arg;
};

struct store; /* of the driver; begins with struct store_driver * */

struct store_driver {
	const char *scheme; /* "sqlite" */
	bool shared;        /* other nodes may fetch what we do not hold */
	int (*open)(struct store **store, const struct store_options *options, struct ym_err *err);
	/* Let go, in order: what we hold waits in the store again. */
	void (*close)(struct store *store);
	/* Close without a word: as if the process were killed. For an upgrade in place: what we hold stays held. */
	void (*abandon)(struct store *store);
	/* Before that, if nobody goes on with it at once: as little as possible lies beside it. NULL: nothing does. */
	void (*tidy)(struct store *store);

	/* ---- the clerk's */
	/* Pools, at first and when they change. */
	int (*configure)(struct store *store, const struct store_pool *pools, size_t n, struct ym_err *err);
	/*
	 * Once after open(): ids from *next_id on, up to (not with) *end, are for this node; later, when they are used up,
	 * again. UINT64_MAX as the end: all.
	 */
	int (*reserve)(struct store *store, uint64_t *next_id, uint64_t *end, struct ym_err *err);
	/* After open(), and after a write() whose outcome is not known: jobs that the store has as held by us and that are
	 * not in the table wait again, as far as their
	 * attempts allow (a started attempt was cut short: it counts, as a crash). *n of them. */
	int (*recover)(struct store *store, bool (*in_table)(void *arg, uint64_t id), void *arg, uint64_t *n,
	               struct ym_err *err);
	int (*write)(struct store *store, struct store_batch *batch, struct ym_err *err);
	/* What has to be done now and then, in a small step: delayed jobs that are due, old history, checkpoints, signs of
	 * life. *next_ms: unix time of the next one at the latest. */
	int (*tick)(struct store *store, int64_t now_ms, int64_t *next_ms, struct ym_err *err);
	int (*tally)(struct store *store, const char *pool, struct store_tally *tally, struct ym_err *err);

	/* ---- the clerk's, of stores with several nodes; NULL: there is only one */
	/* Which of these jobs, that are in our table, do we (still) hold? For after recover(), and after options.lost(). */
	int (*holds)(struct store *store, const uint64_t *ids, size_t n, bool *ours, struct ym_err *err);
	/* Again every half a second, and soon after units became free or are wanted. */
	int (*limits)(struct store *store, struct store_limit *limits, size_t n, struct ym_err *err);
	/* A reader's, too. */
	int (*nodes)(struct store *store, store_each_node *each, void *arg, struct ym_err *err);

	/* ---- readers' */
	int (*list)(struct store *store, const struct store_filter *filter, store_each *each, void *arg,
	            struct ym_err *err);
	/* 0, 1 there is no such job */
	int (*story)(struct store *store, uint64_t id, struct store_story *story, struct ym_err *err);

	/* ---- upkeep: for `yardmaster store`. NULL: not of this kind of store */
	/* Make the schema, or bring it up to date. *text: what was done, static. */
	int (*init)(const struct store_options *options, const char **text, struct ym_err *err);
	/* Is everything as it should be? A line each of what is not. 0 yes, 1 no. */
	int (*verify)(struct store *store, void (*tell)(void *arg, const char *line), void *arg, struct ym_err *err);
	/* Give space back. */
	int (*compact)(struct store *store, uint64_t *before, uint64_t *after, struct ym_err *err);
};

/* What every struct store begins with. */
struct store_base {
	const struct store_driver *driver;
};

extern const struct store_driver store_sqlite, store_postgresql;

/* The driver of a URI; NULL: "memory" or NULL, nothing but the table. -1 (YM_ERR_CONFIG): no such store. */
int store_driver_of(const char *uri, const struct store_driver **driver, struct ym_err *err);

/* A URI as it may be shown: without its password. */
#define STORE_SHOWN_MAX CFG_STORE_SHOWN_MAX
#define store_shown     cfg_store_shown

/* The name of a node: as configured, else HOST/INSTANCE. */
void store_node_name(const struct cfg_instance *config, const char *instance, char node[STORE_NODE_MAX]);

/*
 * DIRECTORY/store: the URI and the name of the node, as the master that runs there uses them, for commands that are not told
 * a configuration. Readable by its user only. `uri` NULL: there is none any more. store_noted(): *uri is allocated; NULL:
 * there is none, the jobs are in the table. `node` may be NULL; "": not known.
 */
int store_note(const char *directory, const char *uri, const char *node, struct ym_err *err);
int store_noted(const char *directory, char **uri, char node[STORE_NODE_MAX], struct ym_err *err);

#endif
