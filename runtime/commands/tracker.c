/* tracker.c - follow jobs from look to look. */
#include "tracker.h"

#include <stdlib.h>
#include <string.h>

#include "../../ipc/sys.h"

/* How often the store is asked, and how many of its jobs that wait are followed. */
#define STORE_LOOK_MS 500
#define STORE_MOST    1000

/* Where it is, or where it belongs. */
static size_t place_of(const struct tracker *tracker, uint64_t id)
{
	size_t first = 0, end = tracker->count;

	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (tracker->list[middle].listed.job.id < id)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

static struct tracked *find(struct tracker *tracker, uint64_t id)
{
	size_t place = place_of(tracker, id);

	return place < tracker->count && tracker->list[place].listed.job.id == id ? &tracker->list[place] : NULL;
}

int tracker_add(struct tracker *tracker, uint64_t id, struct ym_err *err)
{
	size_t place = place_of(tracker, id);

	if (find(tracker, id))
		return 0;
	if (tracker->count == tracker->room) {
		size_t room = tracker->room ? 2 * tracker->room : 32;
		struct tracked *list = realloc(tracker->list, room * sizeof(*list));

		if (!list)
			return ym_fail(err, YM_ERR_LIMIT, "out of memory");
		tracker->list = list;
		tracker->room = room;
	}
	memmove(&tracker->list[place + 1], &tracker->list[place], (tracker->count - place) * sizeof(*tracker->list));
	tracker->list[place] = (struct tracked){.listed.job = {.id = id, .state = JOB_FREE}};
	tracker->count++;
	return 0;
}

static bool may_want(const struct tracker *tracker, const struct view_job *job)
{
	return tracker->all && (tracker->ended || !job_state_over(job->state));
}

static void update(struct tracked *tracked, const struct listed *now)
{
	pace_note(&tracked->pace, now->job.attempt, now->job.done, ym_now_ns());
	tracked->changed |=
	    now->job.state != tracked->listed.job.state || now->job.attempt != tracked->listed.job.attempt;
	tracked->listed = *now;
	tracked->seen = true;
}

/* One that is to be seen: follow it from now on if it is wanted. */
static int meet(struct tracker *tracker, const struct listed *now, struct ym_err *err)
{
	struct tracked *tracked = find(tracker, now->job.id);

	if (!tracked && may_want(tracker, &now->job) && filter_wants(&tracker->filter, now)) {
		if (tracker_add(tracker, now->job.id, err) < 0)
			return -1;
		tracked = find(tracker, now->job.id);
	}
	if (tracked)
		update(tracked, now);
	return 0;
}

/* ---- those that are only in the store -------------------------------------------------------- */

struct visit {
	struct tracker *tracker;
	struct ym_err *err;
	size_t left;
	int result;
};

static int visit_stored(void *arg, const struct listed *listed)
{
	struct visit *visit = arg;

	if (!listed->in_store)
		return 0;
	visit->result = meet(visit->tracker, listed, visit->err);
	return visit->result < 0 || --visit->left == 0;
}

/* The newest ones that nobody follows yet. */
static int look_for_more(struct tracker *tracker, struct stock *stock, struct ym_err *err)
{
	struct visit visit = {.tracker = tracker, .err = err, .left = STORE_MOST};
	struct stock_query query = {.filter = &tracker->filter, .newest = true, .limit = STORE_MOST};

	for (enum job_state state = 0; state < JOB_STATES && !tracker->ended; state++)
		query.states |= job_state_over(state) ? 0 : 1u << state;
	if (stock_each(stock, &query, visit_stored, &visit, err) < 0)
		return -1;
	return visit.result;
}

static int look_into_store(struct tracker *tracker, struct stock *stock, struct ym_err *err)
{
	tracker->store_look = ym_deadline(STORE_LOOK_MS);
	if (tracker->all && look_for_more(tracker, stock, err) < 0)
		return -1;
	for (size_t i = 0; i < tracker->count; i++) {
		struct tracked *tracked = &tracker->list[i];
		struct listed listed;
		int found;

		if (tracked->seen)
			continue;
		found = stock_find(stock, tracked->listed.job.id, &listed, err);
		if (found < 0)
			return -1;
		if (found == 0)
			update(tracked, &listed);
		else
			tracked->listed.in_store = false;
	}
	return 0;
}

/* Is one of those that were not over nowhere in the table? */
static bool has_left(const struct tracker *tracker)
{
	for (size_t i = 0; i < tracker->count; i++)
		if (!tracker->list[i].seen && !job_state_over(tracker->list[i].listed.job.state))
			return true;
	return false;
}

/* It waits, or is over, as it did when it was seen last. */
static bool stands_still(const struct tracked *tracked, const struct view_job *now)
{
	const struct view_job *before = &tracked->listed.job;

	return !view_running(now) && !tracked->listed.in_store && before->slot == now->slot &&
	       before->gen == now->gen && before->state == now->state && before->attempt == now->attempt &&
	       before->due == now->due && before->paused == now->paused && strcmp(before->held_by, now->held_by) == 0;
}

/* Most jobs of a full table stand still: they cost no more than a glance. */
static int look_at_table(struct tracker *tracker, const struct stock *stock, struct ym_err *err)
{
	for (size_t i = 0; i < stock->count; i++) {
		const struct view_job *now = &stock->table[i];
		struct tracked *tracked = find(tracker, now->id);
		struct listed listed;

		if (tracked && stands_still(tracked, now)) {
			tracked->seen = true;
			continue;
		}
		if (!tracked && !may_want(tracker, now))
			continue;
		listed_view(&listed, now, stock->node);
		if (meet(tracker, &listed, err) < 0)
			return -1;
	}
	return 0;
}

int tracker_look(struct tracker *tracker, struct stock *stock, struct ym_err *err)
{
	bool ask = stock->stored.store && ym_now_ns() >= tracker->store_look;

	if (stock_look(stock, err) < 0)
		return -1;
	for (size_t i = 0; i < tracker->count; i++) {
		struct tracked *tracked = &tracker->list[i];

		tracked->changed = false;
		/* What the store said last holds until it is asked again. */
		tracked->seen = tracked->listed.in_store && !ask;
	}
	if (look_at_table(tracker, stock, err) < 0)
		return -1;
	if (stock->stored.store && (ask || has_left(tracker)) && look_into_store(tracker, stock, err) < 0)
		return -1;
	tracker->ended = false;
	return 0;
}

double tracked_rate(const struct tracked *tracked)
{
	return pace_rate(&tracked->pace, ym_now_ns());
}

uint64_t tracked_eta(const struct tracked *tracked)
{
	return pace_eta(&tracked->pace, tracked->listed.job.done, tracked->listed.job.total, ym_now_ns());
}

/* A job that is no longer in the table is over, and its slot was used again. */
bool tracked_lost(const struct tracked *tracked)
{
	enum job_state state = tracked->listed.job.state;

	return !tracked->seen && !job_state_over(state) && state != JOB_FREE;
}

size_t tracker_open(const struct tracker *tracker)
{
	size_t n = 0;

	for (size_t i = 0; i < tracker->count; i++)
		n += tracker->list[i].seen && !job_state_over(tracker->list[i].listed.job.state);
	return n;
}

size_t tracker_bad(const struct tracker *tracker)
{
	size_t n = 0;

	for (size_t i = 0; i < tracker->count; i++) {
		enum job_state state = tracker->list[i].listed.job.state;

		n += state == JOB_FAILED || state == JOB_CANCELLED || state == JOB_BURIED || state == JOB_FREE ||
		     (!tracker->all && tracked_lost(&tracker->list[i]));
	}
	return n;
}

void tracker_free(struct tracker *tracker)
{
	free(tracker->list);
	*tracker = (struct tracker){0};
}
