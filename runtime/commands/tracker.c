/* tracker.c - follow jobs from look to look. */
#include "tracker.h"

#include <stdlib.h>

#include "../../ipc/sys.h"

/* A rate is taken over at least this time, and smoothed with the one before. */
#define RATE_SPAN_NS UINT64_C(400000000)
#define RATE_SMOOTH  0.6

static struct tracked *find(struct tracker *tracker, uint64_t id)
{
	for (size_t i = 0; i < tracker->count; i++)
		if (tracker->list[i].job.id == id)
			return &tracker->list[i];
	return NULL;
}

int tracker_add(struct tracker *tracker, uint64_t id, struct ym_err *err)
{
	if (tracker->count == tracker->room) {
		size_t room = tracker->room ? 2 * tracker->room : 32;
		struct tracked *list = realloc(tracker->list, room * sizeof(*list));

		if (!list)
			return ym_fail(err, YM_ERR_LIMIT, "out of memory");
		tracker->list = list;
		tracker->room = room;
	}
	tracker->list[tracker->count++] = (struct tracked){.job = {.id = id, .state = JOB_FREE}};
	return 0;
}

static bool wanted(const struct tracker *tracker, const struct view_job *job)
{
	struct listed listed;

	if (!tracker->all || job_state_over(job->state))
		return false;
	listed_view(&listed, job);
	return filter_wants(&tracker->filter, &listed);
}

static void measure(struct tracked *tracked, const struct view_job *now)
{
	uint64_t at = ym_now_ns();

	if (now->attempt != tracked->job.attempt || now->done < tracked->rate_done || tracked->rate_at == 0) {
		tracked->rate = 0;
		tracked->rate_done = now->done;
		tracked->rate_at = at;
		return;
	}
	if (at - tracked->rate_at < RATE_SPAN_NS || now->done == tracked->rate_done)
		return;
	double rate = (double)(now->done - tracked->rate_done) / ((double)(at - tracked->rate_at) / 1e9);

	tracked->rate = tracked->rate > 0 ? RATE_SMOOTH * tracked->rate + (1 - RATE_SMOOTH) * rate : rate;
	tracked->rate_done = now->done;
	tracked->rate_at = at;
}

static void update(struct tracked *tracked, const struct view_job *now)
{
	measure(tracked, now);
	tracked->changed = now->state != tracked->job.state || now->attempt != tracked->job.attempt;
	tracked->job = *now;
	tracked->seen = true;
}

int tracker_look(struct tracker *tracker, const struct instance *instance, struct ym_err *err)
{
	size_t count;
	struct view_job *jobs = view_jobs(instance, &count, err);

	if (!jobs)
		return -1;
	for (size_t i = 0; i < tracker->count; i++)
		tracker->list[i].seen = tracker->list[i].changed = false;
	for (size_t i = 0; i < count; i++) {
		struct tracked *tracked = find(tracker, jobs[i].id);

		if (!tracked && wanted(tracker, &jobs[i])) {
			if (tracker_add(tracker, jobs[i].id, err) < 0)
				break;
			tracked = &tracker->list[tracker->count - 1];
		}
		if (tracked)
			update(tracked, &jobs[i]);
	}
	free(jobs);
	return 0;
}

uint64_t tracked_eta(const struct tracked *tracked)
{
	const struct view_job *job = &tracked->job;

	if (tracked->rate <= 0 || job->total == 0 || job->done > job->total)
		return YM_NEVER;
	return (uint64_t)((double)(job->total - job->done) / tracked->rate * 1e9);
}

size_t tracker_open(const struct tracker *tracker)
{
	size_t n = 0;

	/* A job that is no longer in the table is over, and its slot was used again. */
	for (size_t i = 0; i < tracker->count; i++)
		n += tracker->list[i].seen && !job_state_over(tracker->list[i].job.state);
	return n;
}

size_t tracker_bad(const struct tracker *tracker)
{
	size_t n = 0;

	for (size_t i = 0; i < tracker->count; i++) {
		enum job_state state = tracker->list[i].job.state;

		n += state == JOB_FAILED || state == JOB_CANCELLED || state == JOB_BURIED || state == JOB_FREE;
	}
	return n;
}

void tracker_free(struct tracker *tracker)
{
	free(tracker->list);
	*tracker = (struct tracker){0};
}
