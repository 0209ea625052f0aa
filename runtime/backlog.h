/*
 * backlog.h - unfinished jobs of an instance that goes down, in a file.
 *
 * The job table lives only as long as its group. Whoever removes the group (the last one to leave, the guardian, a
 * repairer) first writes the unfinished jobs to DIRECTORY/backlog-NONCE; the next master takes them in again. So a
 * stop, and even kill -9 of every process, loses no accepted job (a reboot does, if the directory is on a tmpfs).
 *
 * File: struct backlog_head, then for each job struct backlog_job and its payload bytes. Native byte order: the
 * file never leaves the machine. Written under another name and renamed, so it is whole or absent. Each job is marked
 * in the file when it is in a table again; the file goes when all are.
 */
#ifndef YM_RUNTIME_BACKLOG_H
#define YM_RUNTIME_BACKLOG_H

#include "instance.h"
#include "store.h"

/*
 * Write the unfinished jobs (no file if there are none), and the next job id to DIRECTORY/next-id. Long payloads are
 * copied into the file. 0, or -1 if the file could not be written. A job whose payload cannot be read is left out:
 * *lost (may be NULL) counts those.
 */
int backlog_save(struct table_sh *table, const char *directory, unsigned *lost, struct ym_err *err);

/* With which id a new table goes on: an id that somebody has noted never becomes another job's. */
uint64_t backlog_next_id(const char *directory);

/*
 * With a store behind the table, the jobs get new ids, many with one commit. The id is noted in the file first: who comes
 * after a master that was killed over it asks the store, so each is taken in once. Nothing is waited for after `deadline`.
 *
 * Take in what earlier generations left. Jobs whose pool is not configured (any more), or for which the table has no
 * room now, stay in the file; `tell` gets a line about damaged files, which are left alone from the damage on.
 */
struct backlog_result {
	unsigned loaded;
	unsigned unknown; /* left because there is no such pool */
	unsigned full;    /* left because the table is full, or the store does not answer: try again later */
	struct ym_err why;
	unsigned doubled; /* left because a newer job has their unique key */
};
void backlog_load(struct instance *instance, uint64_t deadline, struct backlog_result *result,
                  void (*tell)(const char *text));

/*
 * The jobs of all files in a directory that are in no table again, as they would be taken in. A damaged file counts up to
 * the damage. 0, also if there is none; -1 with err: a file cannot be read.
 */
int backlog_each(const char *directory, store_each *each, void *arg, struct ym_err *err);

#endif
