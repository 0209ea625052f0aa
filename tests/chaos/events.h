/*
 * events.h - the ledger, read: all events, those of one job, and what was killed when.
 */
#ifndef YM_TESTS_EVENTS_H
#define YM_TESTS_EVENTS_H

#include <stddef.h>

#include "ledger.h"

#define EVENTS_NONE SIZE_MAX

struct events {
	struct ledger_event *all;
	size_t count;
	size_t *next;    /* of the same job, EVENTS_NONE at the end */
	size_t *first;   /* by number of the job */
	unsigned jobs;   /* numbers are below that */
	size_t *strikes; /* STRIKE and FREEZE, by victim, then in order */
	size_t nstrikes;
};

/* Read everything that is there; frees what was read before. `jobs`: one more than the highest number. */
void events_read(struct events *events, unsigned jobs);
void events_free(struct events *events);

/* When was this process killed by us between these two moments? 0: not. */
uint64_t events_killed(const struct events *events, int pid, uint64_t from, uint64_t to);

/* Was there anything of this kind between these two moments? */
bool events_any(const struct events *events, enum ledger_kind kind, uint64_t from, uint64_t to);

/* Was the master killed or stopped in order between these two moments, or was it then being stopped? */
bool events_master_hit(const struct events *events, uint64_t from, uint64_t to);

/* Print all that is known of a job: its events, those of its workers, and what the log says of them. */
void events_tell(const struct events *events, unsigned job);

const char *events_word(unsigned kind);

#endif
