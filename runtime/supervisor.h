/*
 * supervisor.h - pools and programs together: what starts before what, and what stops after what.
 *
 * Units start in the order of `start_order`, each when those it depends on are ready; what another one depends on comes
 * before it, whatever its `start_order`. They stop the other way round: a unit is told to stop when no unit after it that
 * depends on it, or has a higher `start_order`, has a process any more.
 */
#ifndef YM_RUNTIME_SUPERVISOR_H
#define YM_RUNTIME_SUPERVISOR_H

#include <stddef.h>

#include "unit.h"

struct supervisor {
	struct unit **units; /* in the order in which they start */
	size_t nunits, room;
	unsigned entered; /* so far */
	bool stopping;
};

/* Enter a unit. -1 without memory. */
int supervisor_add(struct supervisor *supervisor, struct unit *unit, struct ym_err *err);
/* Forget one that has gone. */
void supervisor_drop(struct supervisor *supervisor, const struct unit *unit);
/* The order of some may have changed. */
void supervisor_sort(struct supervisor *supervisor);
struct unit *supervisor_find(const struct supervisor *supervisor, const char *name);

/* Start what may start, stop what may stop: after every change. */
void supervisor_look(struct supervisor *supervisor);

/* All units stop from now on. */
void supervisor_stop(struct supervisor *supervisor);
/* Those that are stopping go one step further. */
void supervisor_press(struct supervisor *supervisor);

/* Processes of all units. */
unsigned supervisor_alive(const struct supervisor *supervisor);
void supervisor_free(struct supervisor *supervisor);

#endif
