/* job.c - the functions a plugin calls. */
#include "job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../runtime/text.h"

/* Cut a text that vsnprintf had to shorten at a character boundary. */
static void trim_utf8(char *text, size_t max, int wanted)
{
	size_t n = max - 1;

	if (wanted < 0 || (size_t)wanted < max)
		return;
	while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
		n--;
	if (n > 0 && (unsigned char)text[n - 1] >= 0xc0)
		n--;
	text[n] = '\0';
}

/* Precise to a few milliseconds and five times cheaper than the exact clock: progress is reported very often. */
static uint64_t coarse_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void publish_progress(ym_job *job)
{
	job->progress.updated = coarse_now();
	if (job->told == 2) {
		board_publish_head(&job->row->progress, &job->row->progress_version, &job->progress);
		return;
	}
	job->told++;
	board_publish(&job->row->progress, &job->row->progress_version, &job->progress);
}

int job_begin(struct ym_job *job, struct instance *instance, struct board_worker_sh *row,
              const volatile sig_atomic_t *stop, uint32_t slot, uint64_t word, struct ym_err *err)
{
	const struct job_sh *sh = table_job(instance->table, slot);

	/* Not all of it: most of the rest is never used, and clearing it would cost more than a small job. */
	memset(job, 0, offsetof(struct ym_job, error));
	job->error[0] = '\0';
	job->instance = instance;
	job->row = row;
	job->stop = stop;
	job->slot = slot;
	job->word = word;
	job->id = sh->id;
	job->started = sh->started;
	job->ready = sh->ready;
	job->attempts = sh->attempts;
	job->progress.job = sh->id;
	job->progress.attempt = word_attempt(word);
	memcpy(job->tag, sh->tag, sizeof(job->tag));
	job->tag[sizeof(job->tag) - 1] = '\0';
	return payload_open(instance->directory, sh, slot, &job->payload, err);
}

/* What there is to know for the story of the attempt. */
static void describe_process(struct ym_job *job)
{
	if (!job->ended) {
		job->process.status = -1;
		memset(&job->process.usage, 0, sizeof(job->process.usage));
	}
	if (!job->printed)
		memset(job->process.output, 0, sizeof(job->process.output));
	text_copy(job->process.note, sizeof(job->process.note), job->progress.note);
}

/* Why a task that returned YM_CANCELLED was asked to: decides what becomes of the job. */
static void report_cancelled(struct ym_job *job, struct job_report *report, bool *give_back)
{
	uint64_t now = atomic_load(&job->instance->table->words[job->slot]);

	if (word_flags(now) & JOB_CANCEL) {
		report->end = STORY_CANCELLED;
		return;
	}
	if (word_flags(now) & JOB_TIMED_OUT) {
		report->end = STORY_TIMED_OUT;
		if (!job->error[0])
			ym_error(job, "timed out after %lld ms",
			         (long long)table_job(job->instance->table, job->slot)->timeout_ms);
		return;
	}
	if (*job->stop) {
		*give_back = true;
		return;
	}
	report->end = STORY_FAILED;
	if (!job->error[0])
		ym_error(job, "the task said it was cancelled, but nobody had asked for that");
}

void job_report(struct ym_job *job, int outcome, struct job_report *report, bool *give_back)
{
	*give_back = false;
	*report = (struct job_report){
	    .done = job->progress.done,
	    .total = job->progress.total,
	    .unit = job->progress.unit,
	    .process = &job->process,
	    .ended = ym_now_ns(),
	};
	switch (outcome) {
	case YM_OK:
		report->end = STORY_DONE;
		report->result = job->result;
		report->result_size = job->result_size;
		break;
	case YM_RETRY:
		report->end = STORY_RETRY;
		if (!job->error[0])
			ym_error(job, "the task asked for another attempt and gave no reason");
		break;
	case YM_FAIL:
		report->end = job->crashed ? STORY_CRASHED : STORY_FAILED;
		if (!job->error[0])
			ym_error(job, "the task failed and gave no reason");
		break;
	case YM_CANCELLED:
		report_cancelled(job, report, give_back);
		break;
	default:
		report->end = STORY_FAILED;
		ym_error(job, "the task returned %d, which is no outcome of <yardmaster/plugin.h>", outcome);
	}
	if (report->end == STORY_DONE && !job->ended)
		report->process = NULL;
	else
		describe_process(job);
	if (report->end != STORY_DONE)
		report->error = job->error[0] ? job->error : NULL;
}

void job_end(struct ym_job *job)
{
	payload_close(&job->payload);
	free(job->result);
	job->result = NULL;
}

/* ---- for the built-in task of commands ------------------------------------------------------- */

const char *job_payload_path(const struct ym_job *job)
{
	return payload_path(&job->payload);
}

void job_group(struct ym_job *job, pid_t group)
{
	if (!job->work)
		return;
	job->work->group = group;
	board_publish(&job->row->work, &job->row->work_version, job->work);
}

void job_ended(struct ym_job *job, int wait_status, const struct rusage *usage)
{
	job->ended = true;
	job->process.status = wait_status;
	job->process.usage = *usage;
}

void job_crashed(struct ym_job *job, int wait_status, const struct rusage *usage)
{
	job_ended(job, wait_status, usage);
	job->crashed = true;
}

void job_output(struct ym_job *job, const char *text, size_t size)
{
	job->printed = true;
	if (size > sizeof(job->process.output) - 1) {
		text += size - (sizeof(job->process.output) - 1);
		size = sizeof(job->process.output) - 1;
	}
	memcpy(job->process.output, text, size);
	job->process.output[size] = '\0';
}

/* ---- <yardmaster/plugin.h> ------------------------------------------------------------------- */

const void *ym_payload(ym_job *job, size_t *size)
{
	if (size)
		*size = job->payload.size;
	return job->payload.data;
}

uint64_t ym_job_id(const ym_job *job)
{
	return job->id;
}

unsigned ym_attempt(const ym_job *job)
{
	return word_attempt(job->word);
}

unsigned ym_attempts(const ym_job *job)
{
	return job->attempts;
}

const char *ym_tag(const ym_job *job)
{
	return job->tag;
}

void ym_progress(ym_job *job, uint64_t done, uint64_t total, const char *note, ...)
{
	job->progress.done = done;
	job->progress.total = total;
	if (note) {
		va_list ap;
		int wanted;

		va_start(ap, note);
		wanted = vsnprintf(job->progress.note, sizeof(job->progress.note), note, ap);
		va_end(ap);
		trim_utf8(job->progress.note, sizeof(job->progress.note), wanted);
		job->told = 0;
	}
	publish_progress(job);
}

void ym_touch(ym_job *job)
{
	publish_progress(job);
}

void ym_unit(ym_job *job, const char *unit)
{
	snprintf(job->progress.unit, sizeof(job->progress.unit), "%s", unit);
	job->told = 0;
	publish_progress(job);
}

int ym_cancelled(const ym_job *job)
{
	uint64_t now = atomic_load_explicit(&job->instance->table->words[job->slot], memory_order_relaxed);

	/* A claim that is no longer ours was revoked: whatever the task does now counts for nothing. */
	return *job->stop || (word_flags(now) & JOB_STOP_FLAGS) || !word_same(now, job->word);
}

int ym_result(ym_job *job, const void *data, size_t size)
{
	void *copy;

	if (size > job->instance->table->payload_max)
		return -1;
	copy = malloc(size + 1);
	if (!copy)
		return -1;
	memcpy(copy, data, size);
	free(job->result);
	job->result = copy;
	job->result_size = size;
	return 0;
}

void ym_error(ym_job *job, const char *fmt, ...)
{
	va_list ap;
	int wanted;

	va_start(ap, fmt);
	wanted = vsnprintf(job->error, sizeof(job->error), fmt, ap);
	va_end(ap);
	trim_utf8(job->error, sizeof(job->error), wanted);
}
