/*
 * postgresql.h - a store in a PostgreSQL database: what the parts of the driver share.
 *
 *   postgresql.c          open, close, the rest of the driver
 *   schema.c   tables, triggers, functions
 *   row.c      a job as columns
 *   bytes.c    payloads and results, long ones in chunks
 *   write.c    batches of the clerk
 *   save.c     ... what has become of jobs
 *   submit.c   ... new jobs
 *   busy.c     ... what others' transactions are about
 *   ask.c      requests within a batch
 *   read.c     lists, attempts
 *   tick.c     what is to be done now and then
 *   limits.c   limits of the cluster
 *   register.c registration: who a node is
 *   node.c     signs of life, dead nodes
 *   pulse.c    the thread that gives signs of life
 *
 * Two connections: `link` is the clerk's (or a reader's), the pulse has its own. The pulse finds out whether the database
 * can be reached; the clerk's connection is made again only when it can, so that the clerk never waits for a dead host.
 *
 * A job that a node holds carries the number of the node's registration. Every write begins with yardmaster.guard(), which
 * takes a lock on that number, shared: who declares a node dead takes it exclusively, so that either comes first.
 */
#ifndef YM_RUNTIME_STORE_POSTGRESQL_H
#define YM_RUNTIME_STORE_POSTGRESQL_H

#include <pthread.h>
#include <stdatomic.h>

#include "../store.h"
#include "error.h"
#include "link.h"

#define PG_CHUNK        (1u << 20)
#define PG_LIVE         "('waiting', 'delayed', 'running')"
#define PG_BACK_OFF_MS  100
#define PG_BACK_OFF_MAX 5000
#define PG_TALLY_MS     1000
/* A sign of life. */
#define PG_BEAT "UPDATE yardmaster.node SET beat = beat + 1, beat_at = clock_timestamp() WHERE id = $1"

/* Waiting longer and longer before something is tried again, never all nodes at once. */
struct pg_back_off {
	int64_t span_ms;
	uint64_t until; /* ym_now_ns() */
};

struct pg_tally {
	char pool[TABLE_NAME_MAX];
	struct store_tally tally;
};

/* Another node, as the pulse has seen it. */
struct pg_other {
	int64_t id, beat, lease_ms;
	uint64_t since; /* ym_now_ns(): seen with this beat first */
	bool seen;      /* in this round */
};

struct pg_pulse {
	pthread_t thread;
	bool running;
	int bell; /* eventfd: look at `stop` and `hurry` */
	_Atomic bool stop;
	struct pg_link link;
	struct pg_back_off back_off;
	struct pg_other *others;
	size_t nothers;
	uint64_t beat_at, publish_at, sweep_at; /* ym_now_ns(): next */
	uint64_t steady;                        /* since then, we have been giving signs of life without a gap */
	char *board;                            /* published last */
	uint64_t board_at;
	pthread_mutex_t lock; /* the rest */
	bool reachable;
	uint64_t lost_at; /* ym_now_ns(): not reachable since */
	struct ym_err why;
};

struct pg_store {
	struct store_base base;
	struct store_options options; /* texts are our own copies */
	char host[STORE_NODE_MAX];
	char token[33];
	struct pg_link link;
	struct pg_args args;
	struct pg_back_off back_off;
	_Atomic int64_t offset_ms; /* clock of the database less ours */
	_Atomic int64_t me;        /* our registration, node.id */
	_Atomic uint64_t beaten;   /* ym_now_ns(): last sign of life that arrived, from before it was sent */
	uint64_t *doubtful;        /* jobs that may be held by us without being in the table */
	size_t ndoubtful;
	uint64_t careful_until;   /* ym_now_ns(): somebody's lock was in the way of a batch */
	uint64_t id_next, id_end; /* our ids */
	struct pg_tally *tallies;
	size_t ntallies;
	uint64_t tallied;
	uint64_t compacted; /* when tallies were summed up last */
	struct store_limit granted[TABLE_LIMITS];
	size_t ngranted;
	struct pg_pulse pulse;
};

static inline struct pg_store *pg_store_of(struct store *store)
{
	return (struct pg_store *)(void *)store;
}

/* ---- postgresql.c */
/* The clerk's connection, made again if need be; -1 at once if there is none now. */
int pg_ready(struct pg_store *store, struct ym_err *err);
/* After an outage everybody has to be back before those who were first may take them for dead: within their lease. */
void pg_back_off(struct pg_back_off *back_off, int64_t lease_ms);
static inline void pg_back_off_end(struct pg_back_off *back_off)
{
	*back_off = (struct pg_back_off){0};
}
/* Unix ms: the node's clock and the database's. 0 stays 0. */
static inline int64_t pg_to_db(struct pg_store *store, int64_t ms)
{
	return ms ? ms + atomic_load(&store->offset_ms) : 0;
}
static inline int64_t pg_from_db(struct pg_store *store, int64_t ms)
{
	return ms ? ms - atomic_load(&store->offset_ms) : 0;
}
/* The clock of the database, as an answer to a question asked at `asked_ms` has it. */
void pg_set_clock(struct pg_store *store, int64_t asked_ms, int64_t theirs_ms);
int64_t pg_now_ms(void);

/* ---- schema.c */
int pg_schema_check(struct pg_link *link, struct ym_err *err);
int pg_schema_init(const struct store_options *options, const char **text, struct ym_err *err);

/* ---- row.c */
/* What a column is for. */
enum pg_use { PG_SUBMIT = 1, PG_SAVE = 2 };
/* Texts of statements, made once. */
const char *pg_insert_sql(void);
const char *pg_update_sql(void);
const char *pg_look_sql(void); /* ids; with bytes */
const char *pg_want_sql(void); /* pool, our name, how many; with bytes */
const char *pg_state_word(enum job_state state);
/* Columns that pg_read_job() wants, in their order; the table is j. */
const char *pg_columns(void);
/* Parameters of them: an array a column, of `n` jobs. `job` gives number i. */
typedef const struct store_job *pg_job_at(const void *jobs, size_t i);
void pg_put_jobs(struct pg_store *store, struct pg_args *args, enum pg_use use, pg_job_at *at, const void *jobs,
                 size_t n);
/* How many columns these are: others may follow. */
int pg_columns_count(void);
/* A row; of payload and result only the sizes. */
void pg_read_job(struct pg_store *store, const PGresult *result, int row, struct store_job *job);

/* ---- bytes.c */
static inline bool pg_long(const struct payload_source *source)
{
	return source->size > STORE_INLINE_MAX || (source->size > 0 && !source->data);
}
/*
 * The payloads or results of `n` jobs as two parameters: an array of those that are short enough for a row, one of the sizes
 * of the others, whose chunks are sent at once; `fenced`: only for jobs that are ours.
 */
int pg_put_bytes_of(struct pg_store *store, struct pg_args *args, bool of_result, bool fenced, pg_job_at *at,
                    const void *jobs, size_t n, struct ym_err *err);
/* Columns with the bytes that are short enough for a row; the table is j. */
#define PG_BYTES_COLUMNS                                                                                               \
	"CASE WHEN octet_length(j.payload) <= 65536 THEN j.payload END,"                                               \
	" CASE WHEN octet_length(j.result) <= 65536 THEN j.result END"
/* From `column` on: PG_BYTES_COLUMNS. Short bytes of a job that was read: in the result, or in memory of their own. */
void pg_point_bytes(const PGresult *result, int row, int column, struct store_job *job);
int pg_keep_bytes(const PGresult *result, int row, int column, struct store_job *job, struct ym_err *err);
/* Then the long ones, as descriptors. In all cases to be freed with store_job_free(). */
int pg_fetch_long(struct pg_store *store, struct store_job *job, struct ym_err *err);

/* ---- save.c: `alone`: each save for itself; `mark`: until this statement of the row */
int pg_send_saves(struct pg_store *store, struct store_batch *batch, bool alone, struct ym_err *err);
int pg_read_saves(struct pg_store *store, struct store_batch *batch, struct store_save **sorted, int mark,
                  struct ym_err *err);
/* What is told of jobs that come from another store; sent behind them. */
int pg_send_stories(struct pg_store *store, struct store_submit **submits, size_t n, struct ym_err *err);
int pg_look_for_saved(struct pg_store *store, struct store_batch *batch, struct store_save **sorted,
                      struct ym_err *err);

/* ---- submit.c: reading takes those that were entered out of the list */
int pg_send_submits(struct pg_store *store, struct store_submit **submits, size_t n, struct ym_err *err);
int pg_read_submits(struct pg_store *store, struct store_submit **submits, size_t *n, int mark, struct ym_err *err);
/* Give verdicts to those that were not; `job.held` of those that were there before. */
int pg_settle_submits(struct pg_store *store, struct store_submit **submits, size_t n, struct ym_err *err);

/* ---- write.c */
/* The parameters of the next statement, empty. */
struct pg_args *pg_fresh(struct pg_store *store);
void pg_put_me(struct pg_store *store, struct pg_args *args);
int pg_write(struct store *base, struct store_batch *batch, struct ym_err *err);

/* ---- busy.c: verdict BUSY for submits and requests that would have to wait for somebody's open transaction */
int pg_find_busy(struct pg_store *store, struct store_batch *batch, struct ym_err *err);
/* As long as nobody has looked: none of them. */
void pg_all_free(struct store_batch *batch);

/* ---- ask.c: send, then read, requests of a batch; `alone`: each for itself */
int pg_ask_send(struct pg_store *store, struct store_batch *batch, bool alone, struct ym_err *err);
int pg_ask_read(struct pg_store *store, struct store_batch *batch, bool alone, struct ym_err *err);
/* LOOK: bytes that were too long to come along. */
int pg_ask_bytes(struct pg_store *store, struct store_batch *batch, struct ym_err *err);
/* Nothing came of it. */
void pg_ask_forget(struct store_batch *batch);

/* ---- read.c */
int pg_list(struct store *base, const struct store_filter *filter, store_each *each, void *arg, struct ym_err *err);
int pg_story(struct store *base, uint64_t id, struct store_story *story, struct ym_err *err);

/* ---- tick.c */
int pg_tick(struct store *base, int64_t now_ms, int64_t *next_ms, struct ym_err *err);
int pg_tally_of(struct store *base, const char *pool, struct store_tally *tally, struct ym_err *err);
int pg_verify(struct store *base, void (*tell)(void *arg, const char *line), void *arg, struct ym_err *err);
int pg_compact(struct store *base, uint64_t *before, uint64_t *after, struct ym_err *err);

/* ---- limits.c */
int pg_limits(struct store *base, struct store_limit *limits, size_t n, struct ym_err *err);

/* ---- register.c: on the connection of the pulse */
/* `first`: when the store is opened; then somebody who is in the way is waited for as long as he might be dead. */
int pg_register(struct pg_store *store, bool first, struct ym_err *err);
int pg_deregister(struct pg_store *store, struct ym_err *err);

/* ---- node.c: on the connection of the pulse, except for pg_nodes() */
/* 0, 1 we were taken for dead */
int pg_beat(struct pg_store *store, struct ym_err *err);
/* Look at the others, take back what dead ones held. */
int pg_watch(struct pg_store *store, struct ym_err *err);
int pg_take_back(struct pg_store *store, struct pg_link *link, const uint64_t *ids, size_t n, int64_t holder,
                 const char *why, int64_t *count, struct ym_err *err);
int pg_nodes(struct store *base, store_each_node *each, void *arg, struct ym_err *err);

/* ---- pulse.c */
int pg_pulse_open(struct pg_store *store, struct ym_err *err);
/* `leave`: let go of all that we hold. */
void pg_pulse_close(struct pg_store *store, bool leave);
/* Something went wrong that the pulse should look at now. */
void pg_pulse_hurry(struct pg_store *store);
/* 0, or -1 with how long the database has been out of reach, and why. */
int pg_pulse_ask(struct pg_store *store, struct ym_err *err);

#endif
