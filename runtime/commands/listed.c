/* listed.c - one form for jobs of the table and of the store. */
#include "listed.h"

#include <string.h>

#include "../text.h"
#include "../wall.h"

static int64_t moment_ms(uint64_t moment)
{
	return moment ? wall_of(moment) : 0;
}

void listed_view(struct listed *listed, const struct view_job *job, const char *node)
{
	int64_t due = job->state == JOB_DELAYED ? moment_ms(job->due) : 0;

	*listed = (struct listed){
	    .job = *job,
	    .submitted_ms = moment_ms(job->submitted),
	    .started_ms = moment_ms(job->started),
	    .finished_ms = moment_ms(job->finished),
	    .due_ms = due > job->at_ms || job->state != JOB_DELAYED ? due : job->at_ms,
	};
	text_copy(listed->node, sizeof(listed->node), node);
}

void listed_store(struct listed *listed, const struct store_job *job)
{
	struct view_job *view = &listed->job;

	*listed = (struct listed){
	    .job = {.id = job->id,
	            .state = job->state,
	            .attempt = job->attempt,
	            .attempts = job->attempts,
	            .crashes = job->crashes,
	            .level = job->level,
	            .done = job->done,
	            .total = job->total,
	            .timeout_ms = job->timeout_ms,
	            .payload_size = job->payload.size,
	            .result_size = job->result.size},
	    .submitted_ms = job->submitted_ms,
	    .started_ms = job->started_ms,
	    .finished_ms = job->finished_ms,
	    .due_ms = job->state == JOB_DELAYED ? job->due_ms : 0,
	    .in_store = true,
	};
	text_copy(view->pool, sizeof(view->pool), job->pool);
	text_copy(view->tag, sizeof(view->tag), job->tag);
	text_copy(view->error, sizeof(view->error), job->error);
	text_copy(view->unit, sizeof(view->unit), job->unit);
	text_copy(view->unique, sizeof(view->unique), job->unique);
	text_copy(listed->node, sizeof(listed->node), job->node);
}
