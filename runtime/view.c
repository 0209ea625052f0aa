/* view.c - snapshots for status, watch and jobs. */
#include "view.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 100

static int by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct view_job *)a)->id, y = ((const struct view_job *)b)->id;

	return x < y ? -1 : x > y;
}

static int id_against(const void *id, const void *job)
{
	uint64_t x = *(const uint64_t *)id, y = ((const struct view_job *)job)->id;

	return x < y ? -1 : x > y;
}

/* Strings in shared memory may lack their end. */
static void copy_string(char *to, const char *from, size_t size)
{
	memcpy(to, from, size);
	to[size - 1] = '\0';
}

bool view_read(const struct table_sh *table, uint32_t slot, struct view_job *view)
{
	const struct job_sh *job = table_job_const(table, slot);

	for (int try = 0; try < TRIES; try++) {
		uint64_t word = atomic_load(&table->words[slot]);

		if (word_state(word) == JOB_FREE || word_state(word) == JOB_FILLING)
			return false;
		*view = (struct view_job){
		    .id = job->id,
		    .state = word_state(word),
		    .attempt = word_attempt(word),
		    .attempts = job->attempts,
		    .crashes = job->crashes,
		    .level = job->level,
		    .slot = slot,
		    .gen = word_gen(word),
		    .at_ms = job->at_ms,
		    .timeout_ms = job->timeout_ms,
		    .payload_size = job->payload_size,
		    .result_size = job->result_size,
		    .done = job->done,
		    .total = job->total,
		    .submitted = job->submitted,
		    .due = job->due,
		    .started = job->started,
		    .finished = job->finished,
		};
		copy_string(view->pool, table->pools[job->pool % TABLE_POOLS].name, sizeof(view->pool));
		copy_string(view->tag, job->tag, sizeof(view->tag));
		copy_string(view->error, job->error, sizeof(view->error));
		copy_string(view->unit, job->unit, sizeof(view->unit));
		copy_string(view->unique, job->unique, sizeof(view->unique));
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load(&table->words[slot]) == word)
			return true;
	}
	return false;
}

/* A pool that waits for a limit holds all its ready jobs up. */
static void add_limits(const struct instance *instance, struct view_job *jobs, size_t count)
{
	const struct table_sh *table = instance->table;

	for (unsigned pool = 0; pool < TABLE_POOLS; pool++) {
		int held = atomic_load(&table->pools[pool].used) ? board_held(instance->board, pool) : -1;

		for (size_t i = 0; held >= 0 && i < count; i++)
			if (jobs[i].state == JOB_READY &&
			    strncmp(jobs[i].pool, table->pools[pool].name, TABLE_NAME_MAX) == 0)
				copy_string(jobs[i].held_by, held < TABLE_LIMITS ? table->limits[held].name : "rate",
				            TABLE_NAME_MAX);
	}
}

/* Running jobs report on the board. `jobs` is sorted by id. */
static void add_progress(const struct board_sh *board, struct view_job *jobs, size_t count)
{
	for (uint32_t i = 0; i < board->instance.rows; i++) {
		const struct board_worker_sh *row = &board->workers[i];
		struct board_work work;
		struct board_progress progress;
		struct view_job *job;

		if (!atomic_load(&row->used) || !board_read_work(row, &work) || work.job == 0)
			continue;
		job = bsearch(&work.job, jobs, count, sizeof(*jobs), id_against);
		if (!job || (job->state != JOB_CLAIMED && job->state != JOB_FINISHING) || job->attempt != work.attempt)
			continue;
		job->pid = work.pid;
		if (!board_read_progress(row, &progress) || progress.job != job->id || progress.attempt != job->attempt)
			continue;
		job->done = progress.done;
		job->total = progress.total;
		job->updated = progress.updated;
		copy_string(job->note, progress.note, sizeof(job->note));
		copy_string(job->unit, progress.unit, sizeof(job->unit));
	}
}

struct view_job *view_jobs(const struct instance *instance, size_t *count, struct ym_err *err)
{
	const struct table_sh *table = instance->table;
	struct view_job *jobs = NULL, view;
	size_t room = 0;

	*count = 0;
	if (!table) {
		ym_fail(err, YM_ERR_PERMISSION,
		        "the job table of instance %s cannot be read: it is another user's, or was removed by hand",
		        instance->name);
		return NULL;
	}
	for (uint32_t slot = 0; slot <= table->slots; slot++) {
		/* One round more than there are slots: an empty list is an allocation, too. */
		if (*count == room) {
			struct view_job *larger = realloc(jobs, (room = room ? 2 * room : 64) * sizeof(*jobs));

			if (!larger) {
				ym_fail(err, YM_ERR_LIMIT, "out of memory for %zu jobs", room);
				free(jobs);
				return NULL;
			}
			jobs = larger;
		}
		if (slot < table->slots && view_read(table, slot, &view))
			jobs[(*count)++] = view;
	}
	qsort(jobs, *count, sizeof(*jobs), by_id);
	add_progress(instance->board, jobs, *count);
	add_limits(instance, jobs, *count);
	return jobs;
}

const char *view_state_word(const struct view_job *job)
{
	return job->held_by[0] ? "parked" : job_state_word(job->state);
}

pid_t view_master(const struct instance *instance)
{
	struct ym_group_look look;
	struct ym_err err;
	pid_t pid;

	if (ym_group_look(instance->directory, &look, &err) == 0)
		return look.leader;
	if (err.class != YM_ERR_FOREIGN)
		return 0;
	/* Somebody else's instance: its semaphores may not be asked, but the process can be. */
	pid = atomic_load(&instance->board->instance.master);
	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM) ? pid : 0;
}
