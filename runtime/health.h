/*
 * health.h - does everything run that is wanted? For the exit code of `status`, and for whoever asks over HTTP.
 */
#ifndef YM_RUNTIME_HEALTH_H
#define YM_RUNTIME_HEALTH_H

#include "snapshot.h"

#define HEALTH_MAX 320

/* For who must not be alarmed by each worker that is replaced: /healthz, top. */
#define HEALTH_PATIENCE_NS UINT64_C(5000000000)

/*
 * True: a master lives, its store takes jobs, and all pools and programs that are wanted run. Else `problem` says what does
 * not, the worst first, in one line. What is stopped, paused or has ended as it should is no problem.
 *
 * `patience` (ns): what has run and heals by itself is none for so long, a worker that is being replaced, say; and a pool that
 * has its least number of workers is none while it grows.
 */
bool health_look(const struct snapshot *snapshot, uint64_t patience, char problem[HEALTH_MAX]);

#endif
