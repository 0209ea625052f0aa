/*
 * snapshot.h - all that is to be told of an instance at one moment: for `status`, and for the other nodes of a store.
 *
 * Only shared memory is read, without a lock: any thread may.
 */
#ifndef YM_RUNTIME_SNAPSHOT_H
#define YM_RUNTIME_SNAPSHOT_H

#include "instance.h"
#include "json.h"

struct snapshot_pool {
	uint64_t counters[BOARD_COUNTERS];
	uint64_t waiting, running, delayed, buried; /* jobs, also those that only wait in the store */
};

struct snapshot {
	const struct instance *instance;
	struct snapshot_pool pools[TABLE_POOLS];
	bool quick; /* a worker is what the board says of it: the kernel is not asked whether it lives */
};

/* Count jobs: from the table if it may be read, else as the master's last sweep did. */
void snapshot_take(struct snapshot *snapshot, const struct instance *instance);

/* Mode of a pool; units of a limit, and free ones: of this moment if that may be asked, else of the last sweep. */
uint32_t snapshot_mode(const struct instance *instance, unsigned pool);
int snapshot_units(const struct instance *instance, unsigned limit);
int snapshot_free(const struct instance *instance, unsigned limit);
/* Jobs that wait because a worker of their pool waits for this limit. */
uint64_t snapshot_held(const struct snapshot *snapshot, unsigned limit);
/* The state of a worker; a row whose process is gone shows its last record: "killed". */
const char *snapshot_worker(const struct snapshot *snapshot, const struct board_work *work);

/* As one object; `master`: its pid, 0: none. */
void snapshot_put(struct json *json, const struct snapshot *snapshot, pid_t master);

/* Changes whenever something happens that a snapshot shows, but for the time that passes. */
uint64_t snapshot_mark(const struct instance *instance);

/* The same, quick, as the master shows it to other nodes: allocated, NULL: no memory. */
char *snapshot_text(const struct instance *instance);

#endif
