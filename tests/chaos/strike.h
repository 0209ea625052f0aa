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
	X(WORKER, "workers", 38)                                                                                       \
	X(FROZEN_WORKER, "workers stopped first", 10)                                                                  \
	X(COMMAND, "commands", 6)                                                                                      \
	X(CLIENT, "clients", 14)                                                                                       \
	X(FROZEN_CLIENT, "clients stopped first", 6)                                                                   \
	X(HOLDER, "holders of units", 6)                                                                               \
	X(MASTER, "masters", 6)                                                                                        \
	X(FROZEN_MASTER, "masters stopped for a while", 4)                                                             \
	X(GUARDIAN, "guardians", 5)                                                                                    \
	X(STOP, "orderly stops", 3)                                                                                    \
	X(ALL, "everything at once", 2)

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
