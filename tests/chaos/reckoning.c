/* reckoning.c - job by job, then what several of them share. */
#include "reckoning.h"

#include <stdio.h>
#include <stdlib.h>

#include "depot.h"
#include "order.h"
#include "shares.h"
#include "site.h"

/* A worker is noted as killed before it is; a job may start in between. */
#define STRIKE_EARLY_NS UINT64_C(1000000000)

/* From the end of a job until the store has it for certain, also if there is no master for a while. */
#define RECORDED_NS UINT64_C(5000000000)

struct tale {
	const struct events *events;
	unsigned job;
	char pool, kind;
	bool accepted, excused, kicked, cancelled, deleted, refused;
	const struct ledger_event *start; /* of the last run; NULL: none */
	const struct ledger_event *end;   /* of that run; NULL: none */
	unsigned runs, done, claimed, after_cancel, crashes, killed;
	uint64_t submitted, first, cancelled_at; /* first: start of the first run */
	const struct ledger_event *waited;
};

static void complain(const struct tale *tale, const char *what)
{
	if (site_problem("job %u %s", tale->job, what))
		events_tell(tale->events, tale->job);
}

/* Was the worker of the last run, or its command, killed before `until`? */
static bool was_killed(const struct tale *tale, uint64_t until)
{
	uint64_t from = tale->start->ns - STRIKE_EARLY_NS;

	return tale->start->worker <= 1 || events_killed(tale->events, tale->start->worker, from, until) ||
	       events_killed(tale->events, tale->start->pid, from, until);
}

/* May there be another run after the last one? */
static void check_again(struct tale *tale, const struct ledger_event *next)
{
	enum ledger_kind end = tale->end ? (enum ledger_kind)tale->end->kind : LEDGER_START;
	/* A command that was asked to stop is not believed when it then ends in peace. */
	bool command = tale->start->value == (unsigned char)site_pools[SITE_command][0] &&
	               events_master_hit(tale->events, tale->start->ns, next->ns);

	if (events_any(tale->events, LEDGER_REMOVAL, tale->submitted, next->ns))
		return;
	/* The end of a job is in the store soon after it; then it stays over whatever happens. */
	if (events_any(tale->events, LEDGER_RESET, tale->start->ns - STRIKE_EARLY_NS,
	               end == LEDGER_END ? tale->end->ns + RECORDED_NS : next->ns))
		return;
	if (end == LEDGER_BACK || end == LEDGER_RETRY || end == LEDGER_CRASH || end == LEDGER_FORGOTTEN)
		return;
	if (was_killed(tale, next->ns)) {
		tale->killed++;
		return;
	}
	/* A timeout counts from the claim, and a worker that was stopped for a while is killed at it. */
	if (command || order_is_timed(tale->kind))
		return;
	complain(tale, end == LEDGER_END ? "ran again although it was done and its worker had not been killed"
	                                 : "ran again although its worker had not been killed");
}

static void see_start(struct tale *tale, const struct ledger_event *event)
{
	if (tale->start)
		check_again(tale, event);
	else
		tale->first = event->ns;
	tale->runs++;
	tale->start = event;
	tale->end = NULL;
	/* What was said in the table only goes with it, which is some time after that was noted. */
	if (tale->cancelled && site.stored &&
	    (events_any(tale->events, LEDGER_RESET, tale->cancelled_at - STRIKE_EARLY_NS, event->ns) ||
	     events_any(tale->events, LEDGER_REMOVAL, tale->cancelled_at, event->ns)))
		tale->cancelled = false;
	if (tale->cancelled && ++tale->after_cancel > tale->claimed)
		complain(tale, "runs although it was cancelled");
	if (tale->deleted)
		complain(tale, "runs although it was deleted");
	if (tale->refused)
		complain(tale, "runs although its submitter was told that it was refused");
}

static void see_end(struct tale *tale, const struct ledger_event *event)
{
	tale->done += event->kind == LEDGER_END;
	tale->crashes += event->kind == LEDGER_CRASH;
	if (tale->start && tale->start->pid == event->pid)
		tale->end = event;
	if (event->kind == LEDGER_FORGOTTEN && tale->start &&
	    !events_master_hit(tale->events, tale->start->ns, event->ns))
		complain(tale, "was not stopped at its timeout");
}

static void see(struct tale *tale, const struct ledger_event *event)
{
	switch (event->kind) {
	case LEDGER_SUBMIT:
		tale->submitted = event->ns;
		tale->pool = LEDGER_POOL(event->value);
		tale->kind = LEDGER_ORDER(event->value);
		break;
	case LEDGER_ACCEPTED:
		tale->accepted = true;
		break;
	case LEDGER_CANCEL:
	case LEDGER_DELETE:
		tale->excused = true;
		break;
	case LEDGER_CANCELLED:
		tale->cancelled = true;
		tale->cancelled_at = event->ns;
		/* A run may have been about to write its first line. */
		tale->claimed = event->value != JOB_CANCELLED;
		if (event->value == JOB_READY || event->value == JOB_DELAYED)
			complain(tale, "waits although it was cancelled");
		break;
	case LEDGER_DELETED:
		tale->deleted = true;
		break;
	case LEDGER_REFUSED:
		tale->refused = true;
		break;
	case LEDGER_KICK:
		tale->kicked = true;
		break;
	case LEDGER_DONE:
		tale->waited = event;
		break;
	case LEDGER_WRONG:
		complain(tale, "gave a waiter another result");
		break;
	case LEDGER_LOST:
		if (!events_any(tale->events, LEDGER_REMOVAL, tale->submitted, event->ns))
			complain(tale, "has no result for its waiter");
		break;
	case LEDGER_START:
		see_start(tale, event);
		break;
	case LEDGER_END:
	case LEDGER_BACK:
	case LEDGER_RETRY:
	case LEDGER_CRASH:
	case LEDGER_HANG:
	case LEDGER_FORGOTTEN:
		see_end(tale, event);
		break;
	default:
		break;
	}
}

/* It kills its worker each time: it must have ended buried, after as many crashes as are allowed. */
static void check_crashes(const struct tale *tale, const struct settled *settled)
{
	const struct ledger_event *last = tale->end ? tale->end : tale->start;
	unsigned killed = tale->killed;

	if (tale->excused || tale->kicked)
		return;
	if (tale->accepted && settled->crashes[tale->job] == 0) {
		complain(tale, "crashed all the time and is not buried");
		return;
	}
	if (!last)
		return;
	if (!tale->end && was_killed(tale, last->ns + 60000000000u))
		killed++;
	if (events_any(tale->events, LEDGER_REMOVAL, tale->submitted, last->ns) ||
	    events_any(tale->events, LEDGER_RESET, tale->submitted, last->ns))
		return;
	/* A death of the master may leave a crash uncounted, and a backlog counts those whom everybody's end has hit. */
	if (events_master_hit(tale->events, tale->first - STRIKE_EARLY_NS, last->ns + STRIKE_EARLY_NS))
		return;
	if (tale->crashes + killed > SITE_CRASHES)
		complain(tale, "killed more workers than it may");
	/* A worker that was killed before its job had begun has no run in the ledger. */
	else if (tale->accepted && tale->crashes < SITE_CRASHES &&
	         !events_any(tale->events, LEDGER_STRIKE, tale->submitted, last->ns + STRIKE_EARLY_NS / 100))
		complain(tale, "was buried too soon");
}

static void finish(const struct tale *tale, const struct settled *settled, struct reckoning *sums)
{
	bool fragile = tale->pool == site_pools[SITE_fragile][0], doomed = fragile && tale->kind == ORDER_CRASH;
	/* We have killed its workers as often as a job may. */
	bool unlucky = fragile && settled->crashes[tale->job] >= SITE_CRASHES;

	sums->submitted++;
	sums->accepted += tale->accepted;
	sums->runs += tale->runs;
	sums->again += tale->runs > 1 ? tale->runs - 1 : 0;
	sums->done += tale->done > 0;
	sums->waited += tale->waited != NULL;
	sums->cancelled += tale->cancelled || tale->deleted;
	sums->buried += settled->crashes[tale->job] > 0;
	if (doomed)
		check_crashes(tale, settled);
	else if (tale->accepted && !tale->excused && !unlucky && tale->done == 0)
		complain(tale, tale->runs ? "was accepted and never done" : "was accepted and never started");
	if (tale->waited && tale->done == 0)
		complain(tale, "gave its waiter a result but was never done");
}

void reckon(const struct events *events, const struct settled *settled, struct reckoning *sums)
{
	for (unsigned job = 1; job < events->jobs; job++) {
		struct tale tale = {.events = events, .job = job};

		if (events->first[job] == EVENTS_NONE)
			continue;
		for (size_t i = events->first[job]; i != EVENTS_NONE; i = events->next[i])
			see(&tale, &events->all[i]);
		finish(&tale, settled, sums);
	}
	for (size_t i = 0; i < events->count; i++)
		if (events->all[i].kind == LEDGER_BROKEN)
			site_problem("worker %d got a damaged payload (job %u)", (int)events->all[i].worker,
			             events->all[i].job);
	for (size_t i = 0; i < events->count; i++)
		if (events->all[i].kind == LEDGER_DOUBLED)
			site_problem("process %d of the program was started beside another", (int)events->all[i].pid);
	if (events_any(events, LEDGER_TORN, 0, UINT64_MAX))
		site_problem("a reader found the store damaged");
	if (site.stored)
		depot_check(events, settled->crashes);
	/* Limits and keys were made anew while jobs ran on. */
	if (!events_any(events, LEDGER_REMOVAL, 0, UINT64_MAX))
		shares_check(events);
	if (sums->accepted == 0 || sums->done == 0)
		site_problem("nothing was done at all");
}

void reckoning_print(const struct reckoning *sums)
{
	printf(
	    "%lu jobs submitted, %lu noted as accepted, %lu done in %lu runs (%lu of them again), %lu results waited "
	    "for, %lu cancelled or deleted, %lu buried\n",
	    sums->submitted, sums->accepted, sums->done, sums->runs, sums->again, sums->waited, sums->cancelled,
	    sums->buried);
}
