/*
 * board.h - the status board: what is going on right now, for anybody who may look.
 *
 *   offset                       part
 *   0                            segment head (ipc/segment.h), name "board"
 *   64                           instance: one row, written by the master
 *   320                          store: one row, 512, written by the master
 *   832                          64 pool rows     x 448, written by the master
 *   29504                        64 limit rows    x 128, written by the master
 *   37696                        1024 program rows x 384, one a process of a [program:], written by the master
 *   430912                       64 courses       x 2112, one a pool, written by the master (course.h)
 *   566080                       64 crash rows    x 512, the flight recorder, written by the master
 *   598848                       64 past times    x 5888, one a pool, written by the master
 *   975680                       64 recent copies x 47168, one a pool, written by the master (recent.h)
 *   3994432                      worker rows      x 640, each written by its worker alone (but `order`: the master)
 *   3994432 + 640 * rows         worker times     x 5888, likewise
 *
 * Memory is what was ever written to: of 64 pools, those that there are.
 *
 * Viewers attach read-only and can disturb nobody. A number stands in an atomic of its own. What must be seen together
 * (a worker's job, its progress) stands in a record that is kept twice: the writer fills the copy that is not current
 * and then publishes it by raising the version, so a writer that is killed in the middle blocks no reader, and a
 * reader that sees the same version before and after copying has a whole record. A progress update is a few stores.
 *
 * Rows outlive their worker: the last record of a killed worker stays until the row is given to a new one.
 * Times are ym_now_ns(); rates and totals are computed by readers.
 */
#ifndef YM_RUNTIME_BOARD_H
#define YM_RUNTIME_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "../config/config.h"
#include "course.h"
#include "histogram.h"
#include "recent.h"
#include "table.h"

#define BOARD_NAME    "board"
#define BOARD_VERSION 6

#define BOARD_NOTE_MAX    80
#define BOARD_PROGRAMS    1024
#define BOARD_CRASHES     64
#define BOARD_CRASH_WORDS 63
#define BOARD_REASON_MAX  168

/* What a worker counts: its jobs by their end. Name, word. */
#define BOARD_COUNTER_MAP(X)                                                                                           \
	X(DONE, "done")                                                                                                \
	X(FAILED, "failed")                                                                                            \
	X(RETRIED, "retried")                                                                                          \
	X(CANCELLED, "cancelled")

#define X(name, word) BOARD_##name,
enum board_counter { BOARD_COUNTER_MAP(X) BOARD_COUNTERS };
#undef X

/* Master states: name, word. */
#define BOARD_MASTER_MAP(X)                                                                                            \
	X(NONE, "none")                                                                                                \
	X(RUNNING, "running")                                                                                          \
	X(STOPPING, "stopping")                                                                                        \
	X(STOPPED, "stopped")

/* Worker states: name, word. HELD: there are jobs, but it waits for a limit or a rate. */
#define BOARD_WORKER_MAP(X)                                                                                            \
	X(NONE, "-")                                                                                                   \
	X(STARTING, "starting")                                                                                        \
	X(IDLE, "idle")                                                                                                \
	X(HELD, "held")                                                                                                \
	X(BUSY, "busy")                                                                                                \
	X(STOPPING, "stopping")                                                                                        \
	X(ENDED, "ended")                                                                                              \
	X(FAILED, "failed")

#define X(name, word) BOARD_MASTER_##name,
enum board_master_state { BOARD_MASTER_MAP(X) };
#undef X
#define X(name, word) BOARD_WORKER_##name,
enum board_worker_state { BOARD_WORKER_MAP(X) BOARD_WORKER_STATES };
#undef X

/* What the master wants of a worker. */
enum board_order { BOARD_ORDER_WORK, BOARD_ORDER_RETIRE /* end when the running job is over */ };

/* Why a worker ends to be replaced: name, words for the log. */
#define BOARD_RECYCLED_MAP(X)                                                                                          \
	X(NOT, "-")                                                                                                    \
	X(JOBS, "max_jobs")                                                                                            \
	X(AGE, "max_age")                                                                                              \
	X(MEMORY, "max_memory")

#define X(name, word) BOARD_RECYCLED_##name,
enum board_recycled { BOARD_RECYCLED_MAP(X) };
#undef X

struct board_instance_sh {
	char name[TABLE_NAME_MAX];
	_Atomic int32_t master; /* pid */
	_Atomic uint32_t master_state;
	_Atomic uint64_t master_since;
	_Atomic uint64_t beat;      /* last round of the master's sweep */
	_Atomic uint64_t resent;    /* jobs and tokens that had been lost on their way */
	_Atomic uint64_t recovered; /* jobs taken back from dead workers */
	uint32_t rows;
	_Atomic uint32_t reloads;  /* successful ones */
	_Atomic uint32_t upgrades; /* likewise: the program was replaced in place */
	char version[16];          /* of the program that is the master */
	char zeroes[4];
	_Atomic uint64_t crashes; /* rows written in `crashes`: number N, from 0, stands at N % BOARD_CRASHES */
	_Atomic uint64_t folds;   /* odd while counts go from a worker row to its pool: board_fold() */
	char zeroes2[136];
};
_Static_assert(sizeof(struct board_instance_sh) == 256, "layout above");

/* The store behind the table: name, word. NONE: there is only the table. */
#define BOARD_STORE_MAP(X)                                                                                             \
	X(NONE, "memory")                                                                                              \
	X(OPENING, "opening")                                                                                          \
	X(WORKING, "working")                                                                                          \
	X(TROUBLE, "in trouble")                                                                                       \
	X(CLOSED, "closed")

#define X(name, word) BOARD_STORE_##name,
enum board_store_state { BOARD_STORE_MAP(X) };
#undef X

/* Written by the clerk, a thread of the master. */
struct board_store_sh {
	char shown[128];        /* its URI without a password */
	_Atomic uint32_t state; /* enum board_store_state */
	uint32_t zero;
	_Atomic uint64_t since;           /* of the state */
	_Atomic uint64_t commits;         /* go up: transactions, ... */
	_Atomic uint64_t submitted;       /* ... jobs accepted, ... */
	_Atomic uint64_t recorded;        /* ... changes of jobs written, ... */
	_Atomic uint64_t fetched;         /* ... jobs brought into the table, ... */
	_Atomic uint64_t refused;         /* ... submissions that could not be stored */
	_Atomic uint64_t commit_ns;       /* how long the last transaction took */
	_Atomic uint64_t trouble_version; /* odd while `trouble` is written */
	char trouble[BOARD_REASON_MAX];   /* TROUBLE: why */
	char zeroes[144];
};
_Static_assert(sizeof(struct board_store_sh) == 512, "layout above");

/* Of a pool as a whole: name, word. */
#define BOARD_POOL_MAP(X)                                                                                              \
	X(STOPPED, "stopped")                                                                                          \
	X(WAITING, "waiting for others")                                                                               \
	X(STARTING, "starting")                                                                                        \
	X(RUNNING, "running")                                                                                          \
	X(DEGRADED, "degraded")                                                                                        \
	X(FATAL, "FATAL")                                                                                              \
	X(STOPPING, "stopping")                                                                                        \
	X(REMOVED, "removed")

#define X(name, word) BOARD_POOL_##name,
enum board_pool_state { BOARD_POOL_MAP(X) };
#undef X

struct board_pool_sh {
	char name[TABLE_NAME_MAX];
	_Atomic uint32_t used;
	_Atomic uint32_t wanted;                            /* workers */
	_Atomic uint32_t actual;                            /* workers alive */
	_Atomic uint32_t failing;                           /* worker starts that failed in a row */
	_Atomic uint64_t waiting, running, buried, delayed; /* jobs, counted by the master's sweep */
	_Atomic uint64_t crashes;                           /* workers that died */
	char task[80];                                      /* end of the plugin's path, or start of the command */
	_Atomic uint32_t mode;                              /* enum table_pool_mode, at the last sweep */
	_Atomic uint32_t state;                             /* enum board_pool_state */
	_Atomic uint32_t least, most;                       /* workers it may have */
	_Atomic uint32_t places[8];                         /* workers in each state of life.h, by its number */
	_Atomic uint32_t rolling;                           /* workers that are still to be replaced by new ones */
	_Atomic uint32_t zero;
	_Atomic uint64_t recycled;             /* workers that were replaced for jobs, age or memory */
	_Atomic uint64_t reason_version;       /* odd while `reason` is written */
	char reason[BOARD_REASON_MAX];         /* why workers do not start; "": they do */
	_Atomic uint64_t past[BOARD_COUNTERS]; /* jobs of workers whose rows are given away */
	_Atomic uint64_t ran_until;            /* when it ceased to run as wanted, 0: never; void while it runs */
};
_Static_assert(sizeof(struct board_pool_sh) == 448, "layout above");

/* A process of a [program:]. */
struct board_program_sh {
	_Atomic uint32_t used;
	_Atomic uint32_t state; /* enum life_state */
	char program[CFG_LONG_NAME_MAX];
	char name[CFG_PROCESS_NAME_MAX];
	_Atomic int32_t pid;
	_Atomic int32_t status;   /* of the last exit, as of waitpid(); -1: not known */
	_Atomic uint64_t since;   /* of the state */
	_Atomic uint64_t started; /* of the process: with pid it names it for good (ym_process_started()) */
	_Atomic uint32_t starts;
	_Atomic uint32_t old;   /* 1: it is to be replaced */
	_Atomic uint32_t waits; /* 1: it is to start, but waits for what it depends on */
	_Atomic uint32_t zero;
	_Atomic uint64_t reason_version;
	char reason[BOARD_REASON_MAX];
	_Atomic uint64_t ran_until; /* as that of a pool */
	char zeroes[8];
};
_Static_assert(sizeof(struct board_program_sh) == 384, "layout above");

struct board_limit_sh {
	char name[TABLE_NAME_MAX];
	_Atomic uint32_t used;
	int32_t key;
	_Atomic int32_t id;
	_Atomic int32_t max;      /* as in the table */
	_Atomic int32_t free;     /* at the last sweep */
	_Atomic int32_t whole;    /* units of all nodes together; 0: this machine's own limit */
	_Atomic uint64_t rate_ns; /* from one start to the next, 0: no rate */
	char zeroes2[64];
};
_Static_assert(sizeof(struct board_limit_sh) == 128, "layout above");

#define BOARD_POOL_RATE UINT16_MAX

/* What a worker is doing: changes at the start and the end of a job. */
struct board_work {
	uint64_t job; /* 0: none */
	uint64_t job_started;
	uint64_t since;           /* of the state */
	uint64_t process_started; /* with pid: names the process for good */
	int32_t pid;
	uint32_t state; /* enum board_worker_state */
	uint32_t slot;  /* its participant slot */
	uint32_t pool;
	uint32_t job_slot; /* where in the table */
	uint16_t attempt, attempts;
	char tag[JOB_TAG_MAX];
	int32_t group;  /* process group of the command it runs, 0: none */
	uint16_t limit; /* HELD: index of the limit it waits for + 1; BOARD_POOL_RATE: the pool's own rate */
	char zeroes[2];
	uint32_t build; /* of the brief it was started with: another one in its pool means that it is old */
	char zeroes2[12];
};
_Static_assert(sizeof(struct board_work) == 128, "layout above");

/* How far it is: changes as often as the task reports. */
struct board_progress {
	uint64_t job;         /* whose progress: does not count for another job */
	uint64_t done, total; /* total 0: unknown */
	uint64_t updated;
	char unit[JOB_UNIT_MAX];
	char note[BOARD_NOTE_MAX];
	uint32_t attempt; /* of that job */
};
_Static_assert(sizeof(struct board_progress) == 128, "layout above");

#define BOARD_WORDS 16 /* of 8 bytes in a record */

struct board_record_sh {
	_Atomic uint64_t words[2][BOARD_WORDS];
};

struct board_worker_sh {
	_Atomic uint64_t work_version; /* the low bit says which copy is current; goes up by 1 */
	_Atomic uint64_t progress_version;
	_Atomic uint64_t counters[BOARD_COUNTERS]; /* go up; kept when the row gets a new worker of the pool */
	_Atomic uint32_t order;                    /* enum board_order, written by the master */
	_Atomic uint32_t used;                     /* written by the master */
	_Atomic uint32_t recycled;                 /* enum board_recycled, until the next worker is ready: permit.h */
	char zeroes[68];
	struct board_record_sh work;
	struct board_record_sh progress;
};
_Static_assert(sizeof(struct board_worker_sh) == 640, "layout above");

/* A worker that died, as it was last: written once, when the master hears of it. */
struct board_crash_sh {
	_Atomic uint64_t version;                  /* odd while it is written */
	_Atomic uint64_t words[BOARD_CRASH_WORDS]; /* a struct board_crash */
};
_Static_assert(sizeof(struct board_crash_sh) == 512, "layout above");

struct board_crash {
	uint64_t at;    /* when the master heard of it */
	int32_t status; /* of its end, as of waitpid(); -1: not known */
	uint32_t row;
	char pool[TABLE_NAME_MAX];
	char cause[BOARD_REASON_MAX];
	struct board_work work;
	struct board_progress progress; /* progress.job 0: it had no job, or had not reported */
};
_Static_assert(sizeof(struct board_crash) <= sizeof(((struct board_crash_sh *)0)->words), "must fit");

/* How long jobs waited from the moment when they were ready to their start, and ran: all attempts. */
struct board_times_sh {
	struct histogram_sh wait, run;
};
_Static_assert(sizeof(struct board_times_sh) == 5888, "layout above");

struct board_sh {
	struct ym_seg_head_sh head;
	struct board_instance_sh instance;
	struct board_store_sh store;
	struct board_pool_sh pools[TABLE_POOLS];    /* same index as in the table */
	struct board_limit_sh limits[TABLE_LIMITS]; /* likewise */
	struct board_program_sh programs[BOARD_PROGRAMS];
	struct course_sh courses[TABLE_POOLS]; /* same index as in the table */
	struct board_crash_sh crashes[BOARD_CRASHES];
	struct board_times_sh past_times[TABLE_POOLS]; /* of workers whose rows are given away */
	struct recent_sh recents[TABLE_POOLS];         /* same index as in the table */
	struct board_worker_sh workers[];
};
_Static_assert(offsetof(struct board_sh, pools) == 832, "layout above");
_Static_assert(offsetof(struct board_sh, limits) == 29504, "layout above");
_Static_assert(offsetof(struct board_sh, programs) == 37696, "layout above");
_Static_assert(offsetof(struct board_sh, courses) == 430912, "layout above");
_Static_assert(offsetof(struct board_sh, crashes) == 566080, "layout above");
_Static_assert(offsetof(struct board_sh, past_times) == 598848, "layout above");
_Static_assert(offsetof(struct board_sh, recents) == 975680, "layout above");
_Static_assert(offsetof(struct board_sh, workers) == 3994432, "layout above");

/* The times of a worker row: behind all rows. */
static inline struct board_times_sh *board_times(struct board_sh *board, uint32_t row)
{
	return (struct board_times_sh *)(void *)&board->workers[board->instance.rows] + row;
}
static inline const struct board_times_sh *board_times_const(const struct board_sh *board, uint32_t row)
{
	return (const struct board_times_sh *)(const void *)&board->workers[board->instance.rows] + row;
}

/*
 * Tell the worker of a row to end when its job is over. True when it must be woken with SIGUSR1; a busy one must not:
 * it looks at its orders between jobs, and a signal would cut the sleeps of its task short.
 */
bool board_retire(struct board_worker_sh *row);

/*
 * The row is given away: what it has counted goes to its pool. Only the master, and only when no worker has the row. Counts
 * never go down over it: who reads all of them looks at `folds` before and after, for some may be seen twice meanwhile.
 */
void board_fold(struct board_sh *board, uint32_t row, unsigned pool);

/* Another pool gets this place: nothing of what was counted is its own. Only the master. */
void board_forget(struct board_sh *board, unsigned pool);

/* What the workers of each pool have counted, past and present. */
void board_count(const struct board_sh *board, uint64_t counters[TABLE_POOLS][BOARD_COUNTERS]);

/* How long jobs of a pool waited and ran, of past workers and of those in whose rows it stands: owners[] of board_owners(). */
void board_sum_times(const struct board_sh *board, unsigned pool, const uint8_t *owners, struct histogram *wait,
                     struct histogram *run);

/* The pool of each worker row; TABLE_POOLS: none. */
void board_owners(const struct board_sh *board, uint8_t owners[YM_GROUP_CAPACITY_MAX]);

/*
 * Has a sum over rows to be made again, for one was folded since `folds` was read? At most BOARD_FOLD_TRIES are worth it: a
 * master that was killed over it leaves it odd.
 */
#define BOARD_FOLD_TRIES 4
bool board_folded(const struct board_sh *board, uint64_t folds);

/* The state of a pool. Only the master. */
void board_show_pool(struct board_pool_sh *row, enum board_pool_state state);

/* Note in the flight recorder that a worker has died. Only the master. */
void board_note_crash(struct board_sh *board, const struct board_crash *crash);

/* The last ones that died, up to `n`, the last one first. Returns how many. */
unsigned board_crashes(const struct board_sh *board, struct board_crash *crashes, unsigned n);

/*
 * What holds the jobs of a pool up: index of the limit that one of its workers waits for, BOARD_POOL_RATE - 1 for the
 * pool's own rate, -1: nothing.
 */
int board_held(const struct board_sh *board, unsigned pool);

size_t board_size(uint32_t rows);
int board_check(const struct board_sh *board, size_t size, struct ym_err *err);

/*
 * A text that only the master writes. Readers copy it into BOARD_REASON_MAX bytes; one that is written over and over
 * reads as "", and what a terminal would obey as '?': it may have the last words of a task.
 */
void board_reason_write(char *to, _Atomic uint64_t *version, const char *text);
void board_reason_read(const char *from, const _Atomic uint64_t *version, char *text);

/* What is wrong with the store, "": nothing. Returns `text`. */
const char *board_trouble(const struct board_sh *board, char text[BOARD_REASON_MAX]);

const char *board_counter_word(enum board_counter counter);
const char *board_pool_word(unsigned state);
const char *board_recycled_word(unsigned why);
const char *board_store_word(unsigned state);
const char *board_master_word(unsigned state);
const char *board_worker_word(unsigned state);

/*
 * Publish one record. Only one process, and in it one thread, may write a record.
 * The first fence keeps the stores of this update behind the publication of the last one.
 */
static inline void board_publish(struct board_record_sh *record, _Atomic uint64_t *version, const void *content)
{
	uint64_t words[BOARD_WORDS], next = atomic_load_explicit(version, memory_order_relaxed) + 1;

	memcpy(words, content, sizeof(words));
	atomic_thread_fence(memory_order_release);
	for (int i = 0; i < BOARD_WORDS; i++)
		atomic_store_explicit(&record->words[next & 1][i], words[i], memory_order_relaxed);
	atomic_store_explicit(version, next, memory_order_release);
}

/* So many words of a progress record change with every report: `job`, `done`, `total`, `updated`. */
#define BOARD_PROGRESS_HEAD 4
_Static_assert(offsetof(struct board_progress, unit) == BOARD_PROGRESS_HEAD * sizeof(uint64_t),
               "the rest is behind it");

/* As board_publish(), when both copies have the same `unit`, `note` and `attempt` already: a third of the stores. */
static inline void board_publish_head(struct board_record_sh *record, _Atomic uint64_t *version,
                                      const struct board_progress *progress)
{
	uint64_t next = atomic_load_explicit(version, memory_order_relaxed) + 1;
	_Atomic uint64_t *words = record->words[next & 1];

	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&words[0], progress->job, memory_order_relaxed);
	atomic_store_explicit(&words[1], progress->done, memory_order_relaxed);
	atomic_store_explicit(&words[2], progress->total, memory_order_relaxed);
	atomic_store_explicit(&words[3], progress->updated, memory_order_relaxed);
	atomic_store_explicit(version, next, memory_order_release);
}

/* Read one record whole: true, or false if the writer was faster each of a bounded number of times. */
bool board_read(const struct board_record_sh *record, const _Atomic uint64_t *version, void *content);

static inline bool board_read_work(const struct board_worker_sh *row, struct board_work *work)
{
	return board_read(&row->work, &row->work_version, work);
}
static inline bool board_read_progress(const struct board_worker_sh *row, struct board_progress *progress)
{
	return board_read(&row->progress, &row->progress_version, progress);
}

#endif
