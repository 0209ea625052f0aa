/* view.c - snapshots for status, watch and jobs. */
#include "view.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

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

		/* STORING: not accepted yet, or only a question. */
		if (word_state(word) == JOB_FREE || word_state(word) == JOB_FILLING || word_state(word) == JOB_STORING)
			return false;
		*view = (struct view_job){
		    .id = job->id,
		    .state = word_state(word),
		    .stored = word_flags(word) & JOB_STORED,
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

const char *view_limit(const struct board_sh *board, int limit)
{
	return limit < TABLE_LIMITS ? board->limits[limit].name : "rate";
}

/* What holds the ready jobs of a pool up: the name of a limit, "rate" for the pool's own rate, NULL: nothing. */
static const char *held_by(const struct instance *instance, unsigned pool)
{
	int held = board_held(instance->board, pool);

	return held < 0 ? NULL : view_limit(instance->board, held);
}

/* What holds a pool up holds all its ready jobs up. */
static void add_hindrances(const struct instance *instance, struct view_job *jobs, size_t count)
{
	const struct table_sh *table = instance->table;

	for (unsigned pool = 0; pool < TABLE_POOLS; pool++) {
		const struct table_pool_sh *row = &table->pools[pool];
		const char *held = atomic_load(&row->used) ? held_by(instance, pool) : NULL;
		bool paused = atomic_load(&row->mode) & POOL_PAUSED;

		for (size_t i = 0; (held || paused) && i < count; i++) {
			if (jobs[i].state != JOB_READY || strncmp(jobs[i].pool, row->name, TABLE_NAME_MAX) != 0)
				continue;
			jobs[i].paused = paused;
			if (held)
				text_copy(jobs[i].held_by, sizeof(jobs[i].held_by), held);
		}
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

static int no_table(const struct instance *instance, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_PERMISSION,
	               "the job table of instance %s cannot be read: it is another user's, or was removed by hand",
	               instance->name);
}

struct view_job *view_jobs(const struct instance *instance, size_t *count, struct ym_err *err)
{
	const struct table_sh *table = instance->table;
	struct view_job *jobs = NULL, view;
	size_t room = 0;

	*count = 0;
	if (!table) {
		no_table(instance, err);
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
	add_hindrances(instance, jobs, *count);
	return jobs;
}

int view_job(const struct instance *instance, uint64_t id, struct view_job *job, struct ym_err *err)
{
	uint64_t word;
	int64_t slot;

	if (!instance->table)
		return no_table(instance, err);
	slot = table_find(instance->table, id, &word);
	/* Another job may have the slot by now. */
	if (slot < 0 || !view_read(instance->table, (uint32_t)slot, job) || job->id != id)
		return 1;
	add_progress(instance->board, job, 1);
	add_hindrances(instance, job, 1);
	return 0;
}

unsigned view_story(const struct instance *instance, const struct view_job *job, struct view_story *story)
{
	const struct story_sh *from = table_story(instance->table, job->slot);

	for (int try = 0; try < TRIES; try++) {
		uint64_t word = atomic_load(&instance->table->words[job->slot]);
		unsigned n = story_read(from, job->gen, story->attempts);

		copy_string(story->note, from->note, sizeof(story->note));
		copy_string(story->output, from->output, sizeof(story->output));
		atomic_thread_fence(memory_order_acquire);
		if (word_gen(word) != job->gen)
			return 0;
		/* It is written by who holds the word in one of these states. */
		if (word_state(word) != JOB_FINISHING && word_state(word) != JOB_FIXING &&
		    atomic_load(&instance->table->words[job->slot]) == word)
			return n;
	}
	return 0;
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
