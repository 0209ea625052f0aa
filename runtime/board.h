/*
 * board.h - the status board: what is going on right now, for anybody who may look.
 *
 *   offset                       part
 *   0                            segment head (ipc/segment.h), name "board"
 *   64                           instance: one row, written by the master
 *   320                          64 pool rows  x 192, written by the master
 *   12608                        64 limit rows x 128, written by the master
 *   20800                        worker rows   x 640, each written by its worker alone (but `order`: the master)
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

#include "table.h"

#define BOARD_NAME    "board"
#define BOARD_VERSION 2

#define BOARD_NOTE_MAX 80

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

struct board_instance_sh {
	char name[TABLE_NAME_MAX];
	_Atomic int32_t master; /* pid */
	_Atomic uint32_t master_state;
	_Atomic uint64_t master_since;
	_Atomic uint64_t beat;      /* last round of the master's sweep */
	_Atomic uint64_t resent;    /* jobs and tokens that had been lost on their way */
	_Atomic uint64_t recovered; /* jobs taken back from dead workers */
	uint32_t rows;
	char zeroes[180];
};
_Static_assert(sizeof(struct board_instance_sh) == 256, "layout above");

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
	char zeroes[20];
};
_Static_assert(sizeof(struct board_pool_sh) == 192, "layout above");

struct board_limit_sh {
	char name[TABLE_NAME_MAX];
	_Atomic uint32_t used;
	int32_t key;
	_Atomic int32_t id;
	_Atomic int32_t max;  /* 0: no semaphore, only a rate */
	_Atomic int32_t free; /* at the last sweep */
	char zeroes[4];
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
	char zeroes[18];
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
	_Atomic uint64_t done, failed, retried, cancelled; /* jobs, go up; kept when the row gets a new worker */
	_Atomic uint32_t order;                            /* enum board_order, written by the master */
	_Atomic uint32_t used;                             /* written by the master */
	char zeroes[72];
	struct board_record_sh work;
	struct board_record_sh progress;
};
_Static_assert(sizeof(struct board_worker_sh) == 640, "layout above");

struct board_sh {
	struct ym_seg_head_sh head;
	struct board_instance_sh instance;
	struct board_pool_sh pools[TABLE_POOLS];    /* same index as in the table */
	struct board_limit_sh limits[TABLE_LIMITS]; /* likewise */
	struct board_worker_sh workers[];
};
_Static_assert(offsetof(struct board_sh, pools) == 320, "layout above");
_Static_assert(offsetof(struct board_sh, limits) == 12608, "layout above");
_Static_assert(offsetof(struct board_sh, workers) == 20800, "layout above");

/*
 * Tell the worker of a row to end when its job is over. True when it must be woken with SIGUSR1; a busy one must not:
 * it looks at its orders between jobs, and a signal would cut the sleeps of its task short.
 */
bool board_retire(struct board_worker_sh *row);

/*
 * What holds the jobs of a pool up: index of the limit that one of its workers waits for, BOARD_POOL_RATE - 1 for the
 * pool's own rate, -1: nothing.
 */
int board_held(const struct board_sh *board, unsigned pool);

size_t board_size(uint32_t rows);
int board_check(const struct board_sh *board, size_t size, struct ym_err *err);

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
