/* backlog.c - keep unfinished jobs over the end of a generation. */
#include "backlog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "dispatch.h"
#include "payload.h"

#define NEXT_ID_NAME   "next-id"
#define BACKLOG_PREFIX "backlog-"
#define BACKLOG_MAGIC  UINT64_C(0x32474f4c42414d59) /* "YMABLOG2" */

/* No payload is larger: the option payload_max ends there. */
#define PAYLOAD_LIMIT (UINT64_C(1) << 30)

struct backlog_head {
	uint64_t magic;
	uint64_t jobs;
};

struct backlog_job {
	uint64_t id;
	uint64_t size;
	int64_t due_in_ms;
	uint32_t taken; /* 0 -> 1 when the job is in a table again */
	uint32_t keep;
	uint32_t attempt, attempts, crashes;
	uint32_t
	    used_up; /* its last allowed attempt was cut short: it comes back as failed, so that somebody sees it */
	char pool[TABLE_NAME_MAX];
	char tag[JOB_TAG_MAX];
};

/* ---- save ------------------------------------------------------------------------------------ */

static bool unfinished(uint64_t word, const struct job_sh *job, unsigned arg)
{
	(void)job;
	(void)arg;
	return word_state(word) != JOB_FILLING && !job_state_over(word_state(word)) && !(word_flags(word) & JOB_CANCEL);
}

/* 1 written, 0 left out because its payload is gone, -1 the file cannot be written. */
static int write_job(FILE *file, struct table_sh *table, const char *directory, uint32_t slot)
{
	uint64_t word = atomic_load(&table->words[slot]), now = ym_now_ns();
	const struct job_sh *job = table_job(table, slot);
	enum job_state state = word_state(word);
	bool running = state == JOB_CLAIMED || state == JOB_FINISHING;
	struct backlog_job record = {
	    .id = job->id,
	    .keep = word_flags(word) & JOB_KEEP ? 1 : 0,
	    .attempt = word_attempt(word),
	    .attempts = job->attempts,
	    .crashes = job->crashes + (running ? 1u : 0u),
	    .used_up = (running || state == JOB_FIXING) && word_attempt(word) >= job->attempts,
	};
	size_t size;
	void *payload = payload_load(directory, job, slot, &size, NULL);
	bool good;

	if (!payload)
		return 0;
	if (state == JOB_DELAYED && job->due > now)
		record.due_in_ms = (int64_t)((job->due - now) / 1000000u);
	record.size = size;
	memcpy(record.pool, table->pools[job_pool(job)].name, sizeof(record.pool));
	memcpy(record.tag, job->tag, sizeof(record.tag));
	good = fwrite(&record, sizeof(record), 1, file) == 1 && fwrite(payload, 1, size, file) == size;
	free(payload);
	return good ? 1 : -1;
}

static bool write_all(FILE *file, struct table_sh *table, const char *directory, const struct table_place *found,
                      size_t n, unsigned *lost)
{
	struct backlog_head head = {.magic = BACKLOG_MAGIC};

	if (fwrite(&head, sizeof(head), 1, file) != 1)
		return false;
	for (size_t i = 0; i < n; i++) {
		int written = write_job(file, table, directory, found[i].slot);

		if (written < 0)
			return false;
		head.jobs += written == 1;
		*lost += written == 0;
	}
	return fseek(file, 0, SEEK_SET) == 0 && fwrite(&head, sizeof(head), 1, file) == 1 && fflush(file) == 0 &&
	       fsync(fileno(file)) == 0;
}

/* Write a file under another name, then give it its name: whole or absent. */
static FILE *begin_file(const char *path, char *temporary, size_t max)
{
	snprintf(temporary, max, "%s.new", path);
	return fopen(temporary, "we");
}

static bool finish_file(FILE *file, const char *temporary, const char *path, bool good)
{
	if (file)
		good = fclose(file) == 0 && good;
	if (file && good && rename(temporary, path) == 0)
		return true;
	unlink(temporary);
	return false;
}

static void save_next_id(const struct table_sh *table, const char *directory)
{
	char path[PATH_MAX], temporary[PATH_MAX + 8];
	FILE *file;

	snprintf(path, sizeof(path), "%s/" NEXT_ID_NAME, directory);
	file = begin_file(path, temporary, sizeof(temporary));
	finish_file(file, temporary, path, file && fprintf(file, "%" PRIu64 "\n", atomic_load(&table->next_id)) > 0);
}

uint64_t backlog_next_id(const char *directory)
{
	char path[PATH_MAX], text[32] = "";
	uint64_t next = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/" NEXT_ID_NAME, directory);
	file = fopen(path, "re");
	if (file && fgets(text, sizeof(text), file))
		next = strtoull(text, NULL, 10);
	if (file)
		fclose(file);
	return next ? next : 1;
}

int backlog_save(struct table_sh *table, const char *directory, unsigned *lost, struct ym_err *err)
{
	struct table_place *found = malloc(table->slots * sizeof(*found));
	char path[PATH_MAX], temporary[PATH_MAX + 8];
	unsigned unreadable = 0;
	size_t n;
	FILE *file;
	bool good;

	if (!found)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory to keep the unfinished jobs");
	save_next_id(table, directory);
	n = table_collect(table, unfinished, 0, found);
	if (n == 0) {
		free(found);
		return 0;
	}
	snprintf(path, sizeof(path), "%s/" BACKLOG_PREFIX "%016" PRIx64, directory, table->head.nonce);
	errno = 0;
	file = begin_file(path, temporary, sizeof(temporary));
	good = finish_file(file, temporary, path, file && write_all(file, table, directory, found, n, &unreadable));
	free(found);
	if (lost)
		*lost = unreadable;
	if (good)
		return 0;
	return ym_fail(err, YM_ERR_FULL, "the %zu unfinished jobs cannot be kept in %s: %s", n, path,
	               errno ? strerror(errno) : "write error");
}

/* ---- load ------------------------------------------------------------------------------------ */

/* An id that is in use again must not be given to a new job. */
static void raise_next_id(struct table_sh *table, uint64_t id)
{
	uint64_t next = atomic_load(&table->next_id);

	while (next <= id && !atomic_compare_exchange_weak(&table->next_id, &next, id + 1))
		;
}

/* True when it is in the table; else `result` says why not. */
static bool load_job(struct instance *instance, const struct backlog_job *record, const void *payload,
                     struct backlog_result *result)
{
	int pool = table_pool(instance->table, record->pool);
	struct job_request request = {
	    .pool = (unsigned)pool,
	    .payload = payload,
	    .size = record->size,
	    .tag = record->tag[0] ? record->tag : NULL,
	    .keep = record->keep,
	    .id = record->id,
	    .attempt = record->attempt,
	    .attempts = record->attempts,
	    .crashes = record->crashes,
	    .delay_ms = record->due_in_ms,
	    .failed = record->used_up ? "its last attempt was cut short when Yardmaster was killed" : NULL,
	};
	struct job_ref ref;

	if (pool < 0) {
		result->unknown++;
		return false;
	}
	raise_next_id(instance->table, record->id);
	/* The order of jobs is kept: behind one that found no room, none is tried. */
	if (result->full || dispatch_submit(instance, &request, &ref, NULL) < 0) {
		result->full++;
		return false;
	}
	result->loaded++;
	return true;
}

/* Read the next record; its payload is allocated. */
static void *read_job(FILE *file, struct backlog_job *record)
{
	char *payload;

	if (fread(record, sizeof(*record), 1, file) != 1 || record->size > PAYLOAD_LIMIT)
		return NULL;
	record->pool[sizeof(record->pool) - 1] = '\0';
	record->tag[sizeof(record->tag) - 1] = '\0';
	payload = malloc(record->size + 1);
	if (payload && fread(payload, 1, record->size, file) != record->size) {
		free(payload);
		return NULL;
	}
	return payload;
}

/* Noted at once: a master that is killed while it loads leaves no job to be loaded twice but the last one. */
static bool note_taken(FILE *file, long at)
{
	const uint32_t taken = 1;

	return pwrite(fileno(file), &taken, sizeof(taken), at + (long)offsetof(struct backlog_job, taken)) ==
	       (ssize_t)sizeof(taken);
}

/* Ids of the jobs that are in the table already. */
struct known {
	struct table_place *places;
	size_t count;
};

static bool any_job(uint64_t word, const struct job_sh *job, unsigned arg)
{
	(void)job;
	(void)arg;
	return word_state(word) != JOB_FREE && word_state(word) != JOB_FILLING;
}

static int by_place(const void *id, const void *place)
{
	uint64_t x = *(const uint64_t *)id, y = ((const struct table_place *)place)->id;

	return x < y ? -1 : x > y;
}

/*
 * A master that was killed between entering a job and noting it leaves it in the table and in the file, or, when that
 * table was salvaged, in two files. The id tells.
 */
static bool is_known(const struct known *known, uint64_t id)
{
	return bsearch(&id, known->places, known->count, sizeof(*known->places), by_place) != NULL;
}

static bool load_jobs(struct instance *instance, FILE *file, const struct known *known, struct backlog_result *result)
{
	struct backlog_head head;

	if (fread(&head, sizeof(head), 1, file) != 1 || head.magic != BACKLOG_MAGIC)
		return false;
	for (uint64_t i = 0; i < head.jobs; i++) {
		struct backlog_job record;
		long at = ftell(file);
		void *payload = read_job(file, &record);
		bool good = payload && at >= 0;

		if (good && !record.taken &&
		    (is_known(known, record.id) || load_job(instance, &record, payload, result)))
			good = note_taken(file, at);
		free(payload);
		if (!good)
			return false;
	}
	return true;
}

static void load_file(struct instance *instance, const char *path, struct backlog_result *result,
                      void (*tell)(const char *text))
{
	unsigned left = result->unknown + result->full;
	char text[PATH_MAX + 128];
	struct known known = {.places = malloc(instance->table->slots * sizeof(*known.places))};
	FILE *file = fopen(path, "r+e");
	bool good = file && known.places;

	if (good) {
		known.count = table_collect(instance->table, any_job, 0, known.places);
		good = load_jobs(instance, file, &known, result);
	}
	if (file)
		fclose(file);
	free(known.places);
	if (!good) {
		snprintf(text, sizeof(text),
		         "backlog %s is damaged or cannot be read: what is behind the damage stays there", path);
		tell(text);
	} else if (result->unknown + result->full == left) {
		unlink(path);
	}
}

void backlog_load(struct instance *instance, struct backlog_result *result, void (*tell)(const char *text))
{
	DIR *directory = opendir(instance->directory);
	char path[PATH_MAX];

	*result = (struct backlog_result){0};
	if (!directory)
		return;
	for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
		size_t length = strlen(entry->d_name);

		if (strncmp(entry->d_name, BACKLOG_PREFIX, strlen(BACKLOG_PREFIX)) != 0 ||
		    (length > 4 && strcmp(entry->d_name + length - 4, ".new") == 0))
			continue;
		snprintf(path, sizeof(path), "%s/%s", instance->directory, entry->d_name);
		load_file(instance, path, result, tell);
	}
	closedir(directory);
}
