/*
 * snapshot.h - all that is to be told of an instance at one moment: for `status`, `top`, `serve`, and the other nodes of a store.
 *
 * Only shared memory is read, without a lock: any thread may. One pass over the worker rows; what is in them is copied, so that
 * totals and lists are of one moment.
 */
#ifndef YM_RUNTIME_SNAPSHOT_H
#define YM_RUNTIME_SNAPSHOT_H

#include "instance.h"
#include "json.h"

/* Of the JSON: goes up when a member changes its meaning or goes away. */
#define SNAPSHOT_SCHEMA 1

struct snapshot_pool {
	uint64_t counters[BOARD_COUNTERS];
	uint64_t waiting, running, delayed, buried; /* jobs, also those that only wait in the store */
	int held;                                   /* as board_held() */
};

struct snapshot_worker {
	uint32_t row;
	struct board_work work;
	struct board_progress progress; /* progress.job 0: of this job there is none */
	uint64_t counters[BOARD_COUNTERS];
};

enum snapshot_how {
	SNAPSHOT_WHOLE = 0,
	SNAPSHOT_QUICK = 1, /* a worker is what the board says of it: the kernel is not asked whether it lives */
	SNAPSHOT_SWEPT =
	    2, /* jobs are those of the master's last sweep: the table, perhaps of millions, is not looked through */
	SNAPSHOT_BRIEF = 4 /* as JSON: without times, course and crashes, of the last minute and hour, too */
};

/* All zeroes at first; may be taken again and again. snapshot_free() */
struct snapshot {
	const struct instance *instance;
	unsigned how; /* enum snapshot_how, or'ed */
	uint64_t at;  /* ym_now_ns() */
	pid_t master; /* 0: none */
	struct snapshot_pool pools[TABLE_POOLS];
	struct snapshot_worker *workers; /* rows in which there is, or was, one: by row */
	size_t nworkers, room;
};

/* `master`: pid of the one that lives (view_master()), 0: none. -1: no memory. */
int snapshot_take(struct snapshot *snapshot, const struct instance *instance, pid_t master, unsigned how,
                  struct ym_err *err);
void snapshot_free(struct snapshot *snapshot);

/* Mode of a pool; units of a limit, and free ones: of this moment if that may be asked, else of the last sweep. */
uint32_t snapshot_mode(const struct instance *instance, unsigned pool);
int snapshot_units(const struct instance *instance, unsigned limit);
int snapshot_free_units(const struct instance *instance, unsigned limit);
/* Jobs that wait because a worker of their pool waits for this limit. */
uint64_t snapshot_held(const struct snapshot *snapshot, unsigned limit);
/* Is the process gone that the row still speaks of? */
bool snapshot_killed(const struct snapshot *snapshot, const struct board_work *work);
/* The state of a worker; a row whose process is gone shows its last record: "killed". */
const char *snapshot_state(const struct snapshot *snapshot, const struct board_work *work);
/* Nanoseconds since `then`; 0: never, or not before the snapshot was begun (what it shows is read after that). */
uint64_t snapshot_since(const struct snapshot *snapshot, uint64_t then);
/* How long jobs of a pool waited and ran. */
void snapshot_times(const struct snapshot *snapshot, unsigned pool, struct histogram *wait, struct histogram *run);
/* Of those, what came lately. */
void snapshot_recent(const struct snapshot *snapshot, unsigned pool, enum recent_span span,
                     const struct histogram *wait, const struct histogram *run, struct recent *recent);

/* As one object: docs/json.md. */
void snapshot_put(struct json *json, const struct snapshot *snapshot);

/* Changes whenever something happens that a snapshot shows, but for the time that passes. */
uint64_t snapshot_mark(const struct instance *instance);

/* The same, quick and brief, as the master shows it to other nodes: allocated, NULL: no memory. */
char *snapshot_text(const struct instance *instance);

#endif
