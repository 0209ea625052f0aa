/*
 * trial.h - run a program to see what it says, for a moment: while it runs, the master does nothing else.
 */
#ifndef YM_RUNTIME_TRIAL_H
#define YM_RUNTIME_TRIAL_H

#include <stddef.h>

#include "../ipc/error.h"

/* One that takes longer is killed. */
#define TRIAL_MS 10000

/*
 * Run `file` (NULL: our own executable) with these words; what it prints comes into `printed`, cut at `size`. Returns its
 * status as of waitpid(); -1 with err when it cannot be started.
 */
int trial_run(const char *file, char *const *argv, char *printed, size_t size, struct ym_err *err);

#endif
