/*
 * health.h - does everything run that is wanted? For the exit code of `status`, and for whoever asks over HTTP.
 */
#ifndef YM_RUNTIME_HEALTH_H
#define YM_RUNTIME_HEALTH_H

#include "snapshot.h"

#define HEALTH_MAX 320

/*
 * True: a master lives, its store takes jobs, and all pools and programs that are wanted run. Else `problem` says what does
 * not, the worst first, in one line. What is stopped, paused or has ended as it should is no problem.
 */
bool health_look(const struct snapshot *snapshot, char problem[HEALTH_MAX]);

#endif
