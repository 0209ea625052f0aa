/* worker.h - the worker process. */
#ifndef YM_WORKERS_WORKER_H
#define YM_WORKERS_WORKER_H

/*
 * Run as worker number `row` (a row of the board) with the brief on descriptor BRIEF_FD, until told to stop.
 * Returns the exit code of the process.
 *
 * Signals: SIGUSR1 look at the orders on the board; SIGTERM end now: the running job is asked to stop and goes back.
 */
int worker_main(unsigned row);

/* Load a plugin, say on stderr what is wrong with it, if anything. Returns an exit code. */
int worker_probe(const char *path);

#endif
