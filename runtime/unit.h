/*
 * unit.h - what pools and programs are to the supervisor: something with a name that is started, stopped and waited for.
 */
#ifndef YM_RUNTIME_UNIT_H
#define YM_RUNTIME_UNIT_H

#include <stdbool.h>

#include "../config/config.h"

struct unit;

struct unit_ops {
	const char *word; /* "pool", "program" */
	/* All its processes are to be there, or to end. */
	void (*start)(struct unit *unit);
	void (*stop)(struct unit *unit);
	/* Those that are stopping: go one step further. */
	void (*press)(struct unit *unit);
	/* It is to start, but waits for another one: for the board. */
	void (*wait)(struct unit *unit, const char *other);
	/* Replace its processes, without a gap where there can be none. -1: it cannot be done now. */
	int (*roll)(struct unit *unit, struct ym_err *err);
	/* Processes; are all it wants there and ready? */
	unsigned (*alive)(const struct unit *unit);
	bool (*ready)(const struct unit *unit);
};

struct unit {
	const struct unit_ops *ops;
	const char *name;
	const struct cfg_process *process;
	unsigned rank; /* the file's order, among those with the same `start_order` */
	bool wanted;   /* by the configuration, or by whom has typed start or stop since */
	bool up;       /* it was started and not stopped */
};

#endif
