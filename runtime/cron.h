/*
 * cron.h - one [cron:NAME] section at work: which of its times are due, and the job that is submitted for one.
 *
 *   last   every time up to here has been seen to: a job was submitted, or it was decided that there is to be none
 *   owed   a job is to be submitted for this time, whatever comes: at once, after the jitter, or when there is room
 *
 * Which times get a job: the latest one that is due does if it is noticed in time (CRON_LATE_MS after it, or after its
 * jitter). All others were missed: nobody was there (no master, a suspended machine), the clock was set forward, or
 * an earlier time of the section was still owed. Of those, `catch_up` makes none; one for all of them; or all, the
 * oldest first; never for times older than catch_up_max.
 *
 * A clock set back makes no time come twice, as `last` lies ahead then. More than CRON_BACK_S ahead the clock must have
 * been wrong before: the section starts anew. @every, which has no time on the clock, starts anew in any case.
 *
 * No time twice, though the master may be killed between submitting a job and noting `last`: a job carries its time, as
 * `at_ms` and (but for `overlap = skip`, where the key must be the same for all) in its unique key, so the next master
 * finds it in the table (cron_find), also when it is over. Only a job that is over and forgotten (result_ttl, or its
 * slot is used again) before the next master looks is run a second time.
 *
 * With a store behind the table, a time has been seen to when the store has its job; until then it is owed. The store
 * finds a job of the same key that is not over. The last job, for `overlap = cancel`, is known by its id, which is noted with
 * `last`, and is cancelled wherever it is.
 */
#ifndef YM_RUNTIME_CRON_H
#define YM_RUNTIME_CRON_H

#include "../config/config.h"
#include "../config/schedule.h"
#include "reach.h"
#include "submit.h"

#define CRON_LATE_MS  60000
#define CRON_BACK_S   86400
#define CRON_RETRY_MS 1000
#define CRON_NEVER    INT64_MAX

/* Most jobs submitted at once, so that the master sees to other things in between. */
#define CRON_BURST 100

struct cron {
	char name[CFG_NAME_MAX];
	char *pool, *schedule_text, *timezone, *payload, *tag;
	enum cfg_overlap overlap;
	enum cfg_catch_up catch_up;
	int64_t catch_up_max_ms, jitter_ms;
	int level;
	struct schedule schedule;
	const struct zone *zone;
	struct zone *own_zone; /* closed with the section; NULL: `zone` is another one's */
	int64_t last;          /* unix time */
	int64_t owed;          /* unix time; 0: none */
	int64_t at_ms;         /* when `owed` is to be submitted: with its jitter */
	struct job_ref job;    /* CANCEL: the last one; `known`: that is so. With a store, only the id counts */
	bool known;
	struct submit_pending pending; /* `asked`: the job of `owed`, on its way to the store */
	bool asked;
	struct reach_cancel rival; /* `cancels`: the job before the last one, which is being cancelled */
	bool cancels;
	bool troubled;    /* the log says why `owed` has to wait */
	uint64_t skipped; /* times in a row for which there is no job, as the last one is not over */
};

/* Its own copy of a section. -1: its schedule is wrong, or no memory. Nothing is due before `now`. */
int cron_init(struct cron *cron, const struct cfg_cron *config, const struct zone *zone, int64_t now,
              struct ym_err *err);
void cron_free(struct cron *cron);

/* Is it the same schedule in the same zone? */
bool cron_same_schedule(const struct cron *cron, const char *schedule, const char *zone);

/* Go on where the earlier one (before a reload), of the same schedule, stands. */
void cron_continue(struct cron *cron, struct cron *before);

/* Hear what became of what is on its way to the store; *changed as below. False: there is still something. */
bool cron_settle(struct cron *cron, struct instance *instance, bool *changed);

/* Forget about that: it goes its way. */
void cron_leave(struct cron *cron, struct instance *instance);

/* One pass over the table: what the sections had submitted when an earlier master died. True: a `last` has changed. */
bool cron_find(struct cron *crons, size_t n, struct instance *instance);

/*
 * See to what is due; never waits. Returns when to look again (unix time, ms; CRON_NEVER: not at all); *changed is set
 * when `last` has changed.
 */
int64_t cron_look(struct cron *cron, struct instance *instance, int64_t now_ms, bool *changed);

#endif
