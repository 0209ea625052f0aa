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
#define BACKLOG_MAGIC  UINT64_C(0x31474f4c42414d59) /* "YMABLOG1" */

struct backlog_head {
	uint64_t magic;
	uint64_t jobs;
	uint64_t taken; /* of them already in a table again; raised one by one while loading */
};

struct backlog_job {
	uint64_t id;
	uint64_t size;
	int64_t due_in_ms;
	int64_t timeout_ms;
	uint32_t attempt, attempts, crashes, flags;
	char pool[TABLE_NAME_MAX];
	char tag[JOB_TAG_MAX];
};

/* ---- save ----------------------------------------------------------------------------------------------------------
 */

struct unfinished {
	uint64_t id;
	uint32_t slot;
};

static int by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct unfinished *)a)->id, y = ((const struct unfinished *)b)->id;

	return x < y ? -1 : x > y;
}

static size_t collect(struct table_sh *table, struct unfinished *found)
{
	size_t n = 0;

	for (uint32_t slot = 0; slot < table->slots; slot++) {
		uint64_t word = atomic_load(&table->words[slot]);
		const struct job_sh *job = table_job(table, slot);
		enum job_state state = word_state(word);
		bool running = state == JOB_CLAIMED || state == JOB_FINISHING || state == JOB_FIXING;

		if (state == JOB_FILLING || job_state_over(state) || (word_flags(word) & JOB_CANCEL))
			continue;
		/* Nobody is left to run it: its last allowed attempt has been made. */
		if (running && word_attempt(word) >= job->attempts)
			continue;
		found[n++] = (struct unfinished){job->id, slot};
	}
	qsort(found, n, sizeof(*found), by_id);
	return n;
}

static bool write_job(FILE *file, struct table_sh *table, const char *directory, uint32_t slot)
{
	uint64_t word = atomic_load(&table->words[slot]), now = ym_now_ns();
	const struct job_sh *job = table_job(table, slot);
	enum job_state state = word_state(word);
	struct backlog_job record = {
	    .id = job->id,
	    .timeout_ms = job->timeout_ms,
	    .attempt = word_attempt(word),
	    .attempts = job->attempts,
	    .crashes = job->crashes + (state == JOB_CLAIMED || state == JOB_FINISHING ? 1u : 0u),
	    .flags = word_flags(word) & JOB_KEEP,
	};
	size_t size;
	void *payload = payload_load(directory, job, slot, &size, NULL);
	bool good;

	if (!payload)
		return false;
	if (state == JOB_DELAYED && job->due > now)
		record.due_in_ms = (int64_t)((job->due - now) / 1000000u);
	record.size = size;
	memcpy(record.pool, table->pools[job->pool % TABLE_POOLS].name, sizeof(record.pool));
	memcpy(record.tag, job->tag, sizeof(record.tag));
	good = fwrite(&record, sizeof(record), 1, file) == 1 && fwrite(payload, 1, size, file) == size;
	free(payload);
	return good;
}

static bool write_all(FILE *file, struct table_sh *table, const char *directory, const struct unfinished *found,
                      size_t n)
{
	struct backlog_head head = {.magic = BACKLOG_MAGIC, .jobs = n};

	if (fwrite(&head, sizeof(head), 1, file) != 1)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!write_job(file, table, directory, found[i].slot))
			return false;
	return fflush(file) == 0 && fsync(fileno(file)) == 0;
}

static void save_next_id(const struct table_sh *table, const char *directory)
{
	char path[PATH_MAX], temporary[PATH_MAX + 8];
	FILE *file;
	bool good;

	snprintf(path, sizeof(path), "%s/" NEXT_ID_NAME, directory);
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	file = fopen(temporary, "we");
	if (!file)
		return;
	good = fprintf(file, "%" PRIu64 "\n", atomic_load(&table->next_id)) > 0;
	good = fclose(file) == 0 && good;
	if (!good || rename(temporary, path) < 0)
		unlink(temporary);
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

int backlog_save(struct table_sh *table, const char *directory)
{
	struct unfinished *found = malloc(table->slots * sizeof(*found));
	char path[PATH_MAX], temporary[PATH_MAX + 8];
	size_t n = found ? collect(table, found) : 0;
	bool good = false;
	FILE *file;

	save_next_id(table, directory);
	if (n == 0) {
		free(found);
		return found ? 0 : -1;
	}
	snprintf(path, sizeof(path), "%s/" BACKLOG_PREFIX "%016" PRIx64, directory, table->head.nonce);
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	file = fopen(temporary, "we");
	if (file) {
		good = write_all(file, table, directory, found, n);
		good = fclose(file) == 0 && good;
	}
	if (!good || rename(temporary, path) < 0) {
		unlink(temporary);
		good = false;
	}
	free(found);
	return good ? (int)n : -1;
}

/* ---- load ----------------------------------------------------------------------------------------------------------
 */

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
	    .keep = record->flags & JOB_KEEP,
	    .id = record->id,
	    .attempt = record->attempt,
	    .attempts = record->attempts,
	    .crashes = record->crashes,
	    .delay_ms = record->due_in_ms,
	};
	struct job_ref ref;

	if (pool < 0) {
		result->unknown++;
		return false;
	}
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

	if (fread(record, sizeof(*record), 1, file) != 1 || record->size > TABLE_SLOTS_MAX * UINT64_C(1024))
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

static bool keep_job(FILE *rest, struct backlog_head *head, const struct backlog_job *record, const void *payload)
{
	head->jobs++;
	return rest && fwrite(record, sizeof(*record), 1, rest) == 1 &&
	       fwrite(payload, 1, record->size, rest) == record->size;
}

static bool finish_rest(FILE *rest, const struct backlog_head *head)
{
	return rest && fseek(rest, 0, SEEK_SET) == 0 && fwrite(head, sizeof(*head), 1, rest) == 1 &&
	       fflush(rest) == 0 && fsync(fileno(rest)) == 0;
}

static void load_file(struct instance *instance, const char *path, struct backlog_result *result,
                      void (*tell)(const char *text))
{
	struct backlog_head head = {0}, left = {.magic = BACKLOG_MAGIC};
	char text[PATH_MAX + 128], temporary[PATH_MAX + 8];
	FILE *file = fopen(path, "r+e"), *rest;
	bool good;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	rest = fopen(temporary, "we");
	good = file && rest && fread(&head, sizeof(head), 1, file) == 1 && head.magic == BACKLOG_MAGIC &&
	       fwrite(&left, sizeof(left), 1, rest) == 1;
	for (uint64_t i = 0; good && i < head.jobs; i++) {
		struct backlog_job record;
		void *payload = read_job(file, &record);

		good = payload != NULL;
		if (good && i >= head.taken) {
			uint64_t taken = i + 1;

			if (load_job(instance, &record, payload, result)) {
				/* Noted at once: a master that is killed here leaves no job to be loaded twice but this
				 * one. */
				good = pwrite(fileno(file), &taken, sizeof(taken),
				              offsetof(struct backlog_head, taken)) == (ssize_t)sizeof(taken);
			} else {
				good = keep_job(rest, &left, &record, payload);
			}
		}
		free(payload);
	}
	if (!good) {
		snprintf(text, sizeof(text), "backlog %s is damaged or cannot be read: left alone, look at it by hand",
		         path);
		tell(text);
	} else if (left.jobs == 0) {
		unlink(path);
	} else if (finish_rest(rest, &left)) {
		rename(temporary, path);
	}
	unlink(temporary);
	if (file)
		fclose(file);
	if (rest)
		fclose(rest);
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
