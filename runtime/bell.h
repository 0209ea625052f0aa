/*
 * bell.h - a FIFO in the instance directory with which anybody wakes the master.
 *
 * With a shared instance (share.h), the members of the Unix group can ring it, too.
 *
 * Ringing says only "look at the table and the board": nothing is lost when nobody hears it.
 */
#ifndef YM_RUNTIME_BELL_H
#define YM_RUNTIME_BELL_H

#include "../ipc/error.h"

/* The master's end, non-blocking, close-on-exec; -1 on error. It stays readable while somebody rang. */
int bell_open(const char *directory, struct ym_err *err);
/* Empty it after it became readable. */
void bell_clear(int fd);
/* Ring, without waiting; no master, no sound. */
void bell_ring(const char *directory);

#endif
