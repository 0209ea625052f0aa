/*
 * strike.h - the crowd of clients and holders, and what befalls them, the workers, the commands, the master and the
 * guardian.
 */
#ifndef YM_TESTS_STRIKE_H
#define YM_TESTS_STRIKE_H

#include <stdbool.h>
#include <sys/types.h>

/* Who, words for the statistics, how often of a hundred. */
#define STRIKE_MAP(X)                                                                                                  \
	X(WORKER, "workers", 24)                                                                                       \
	X(FROZEN_WORKER, "workers stopped first", 8)                                                                   \
	X(COMMAND, "commands", 5)                                                                                      \
	X(CLIENT, "clients", 11)                                                                                       \
	X(FROZEN_CLIENT, "clients stopped first", 5)                                                                   \
	X(HOLDER, "holders of units", 5)                                                                               \
	X(MASTER, "masters", 6)                                                                                        \
	X(FROZEN_MASTER, "masters stopped for a while", 4)                                                             \
	X(GUARDIAN, "guardians", 4)                                                                                    \
	X(STOP, "orderly stops", 2)                                                                                    \
	X(ALL, "everything at once", 2)                                                                                \
	X(SINGLE, "programs", 3)                                                                                       \
	X(SCALE, "scales", 5)                                                                                          \
	X(RELOAD, "reloads", 4)                                                                                        \
	X(RESTART, "restarts", 2)                                                                                      \
	X(UPGRADE, "upgrades", 4)                                                                                      \
	X(READER, "readers of the store stopped first", 1)                                                             \
	X(REMOVAL, "removals of all IPC objects", 1)                                                                   \
	X(SPACE, "times a full disk", 3)                                                                               \
	X(RESET, "resets to what is in the store", 1)

/* Removals only in rounds in which site.removals is set, and at least so long after the last one; likewise resets. */
#define STRIKE_REMOVAL_MS 4000

/* Start clients and holders for those that have ended; numbers of jobs go on from round to round. */
void strike_tend(void);

/* Hit somebody. */
void strike(void);

/* Let those go on, or die, whose time has come; or all. */
void strike_thaw(bool all);

/* No more clients: wait until the last ones have ended. */
void strike_end_crowd(void);

/* What was hit, in one line. */
void strike_print(void);

/* The next number of a job. */
unsigned strike_next_job(void);

#endif
