/* backlog.c - keep unfinished jobs over the end of a generation. */
#include "backlog_self.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "submit.h"
#include "text.h"
#include "transfer.h"

#define NEXT_ID_NAME   "next-id"
#define BACKLOG_PREFIX "backlog-"

/* ---- save ------------------------------------------------------------------------------------ */

static bool unfinished(uint64_t word, const struct job_sh *job, unsigned stored)
{
	(void)job;
	/* A store has all of them: what it was told of a buried one is here as a copy, too. */
	if (stored)
		return false;
	if (word_state(word) == JOB_BURIED)
		return true;
	return word_state(word) != JOB_FILLING && !job_state_over(word_state(word)) && !(word_flags(word) & JOB_CANCEL);
}

/*
 * The payload behind the record that was just written; within the kernel when it is long. 1 written, 0 it cannot be
 * read: the record is taken back; -1 the file cannot be written.
 */
static int write_payload(FILE *file, struct payload *payload, size_t record)
{
	enum transfer_end end;
	uint64_t copied;
	off_t at;

	if (!payload_path(payload))
		return fwrite(payload->data, 1, payload->size, file) == payload->size ? 1 : -1;
	/* Between these two calls the descriptor may be used beside the stream. */
	at = fflush(file) == 0 ? ftello(file) : -1;
	if (at < 0)
		return -1;
	end = transfer(fileno(file), payload_fd(payload, NULL), payload->size, &copied);
	if (end == TRANSFER_NO_WRITE)
		return -1;
	if (end == TRANSFER_DONE && copied == payload->size)
		return fseeko(file, 0, SEEK_END) == 0 ? 1 : -1;
	at -= (off_t)record;
	return ftruncate(fileno(file), at) == 0 && fseeko(file, at, SEEK_SET) == 0 ? 0 : -1;
}

static void describe(struct backlog_job *record, const struct table_sh *table, const struct job_sh *job, uint64_t word)
{
	enum job_state state = word_state(word);
	bool running = state == JOB_CLAIMED || state == JOB_FINISHING;
	bool used_up = (running || state == JOB_FIXING) && word_attempt(word) >= job->attempts;
	uint64_t now = ym_now_ns();

	*record = (struct backlog_job){
	    .id = job->id,
	    .timeout_ms = job->timeout_ms,
	    .reply_type = job->reply_type,
	    .reply_key = job->reply_key,
	    .reply_form = job->reply_form,
	    .fixed = state == JOB_DELAYED && job->at_ms > 0,
	    .keep = word_flags(word) & JOB_KEEP ? 1 : 0,
	    .attempt = word_attempt(word),
	    .attempts = job->attempts,
	    .crashes = job->crashes + (running ? 1u : 0u),
	    .level = job->level,
	    .state = state == JOB_BURIED ? JOB_BURIED
	             : used_up           ? JOB_FAILED
	                                 : JOB_READY,
	};
	if (record->fixed)
		record->due_ms = job->at_ms;
	else if (state == JOB_DELAYED && job->due > now)
		record->due_ms = ym_unix_ms() + (int64_t)((job->due - now) / 1000000u);
	memcpy(record->pool, table->pools[job_pool(job)].name, sizeof(record->pool));
	memcpy(record->tag, job->tag, sizeof(record->tag));
	memcpy(record->unique, job->unique, sizeof(record->unique));
	if (used_up)
		text_copy(record->error, sizeof(record->error),
		          "its last attempt was cut short when Yardmaster was killed");
	else
		memcpy(record->error, job->error, sizeof(record->error));
}

/* 1 written, 0 left out because its payload is gone, -1 the file cannot be written. */
static int write_job(FILE *file, struct table_sh *table, const char *directory, uint32_t slot)
{
	const struct job_sh *job = table_job(table, slot);
	struct backlog_job record;
	struct payload payload;
	int result = payload_open(directory, job, slot, &payload, NULL) < 0 ? 0 : 1;

	describe(&record, table, job, atomic_load(&table->words[slot]));
	record.size = payload.size;
	if (result == 1)
		result =
		    fwrite(&record, sizeof(record), 1, file) == 1 ? write_payload(file, &payload, sizeof(record)) : -1;
	payload_close(&payload);
	return result;
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
	n = table_collect(table, unfinished, table_stored(table), found);
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

void backlog_raise_id(struct table_sh *table, uint64_t id)
{
	uint64_t next = atomic_load(&table->next_id);

	while (next <= id && !atomic_compare_exchange_weak(&table->next_id, &next, id + 1))
		;
}

void backlog_request(const struct backlog_job *record, unsigned pool, const struct payload_source *payload,
                     struct job_past *past, struct job_request *request)
{
	int64_t wait = record->due_ms - ym_unix_ms();

	*past = (struct job_past){
	    .id = record->id,
	    .attempt = record->attempt,
	    .attempts = record->attempts,
	    .crashes = record->crashes,
	    .state =
		record->state == JOB_FAILED || record->state == JOB_BURIED ? (enum job_state)record->state : JOB_READY,
	    .error = record->error,
	};
	*request = (struct job_request){
	    .pool = pool,
	    .payload = *payload,
	    .tag = record->tag[0] ? record->tag : NULL,
	    .unique = record->unique[0] ? record->unique : NULL,
	    .level = record->level < INDEX_LEVELS ? (int)record->level : JOB_LEVEL_DEFAULT,
	    .keep = record->keep,
	    .delay_ms = !record->fixed && wait > 0 ? wait : 0,
	    .at_ms = record->fixed ? record->due_ms : 0,
	    .timeout_ms = record->timeout_ms,
	    .reply = {record->reply_key, record->reply_type, (uint8_t)record->reply_form},
	    .past = past,
	};
}

/* True when it is in the table; else `result` says why not. */
static bool load_job(struct instance *instance, const struct backlog_job *record, const struct payload_source *payload,
                     struct backlog_result *result)
{
	int pool = table_pool(instance->table, record->pool);
	struct job_request request;
	struct job_past past;
	struct job_ref ref;
	int submitted;

	if (pool < 0) {
		result->unknown++;
		return false;
	}
	backlog_request(record, (unsigned)pool, payload, &past, &request);
	backlog_raise_id(instance->table, record->id);
	/* The order of jobs is kept: behind one that found no room, none is tried. */
	submitted = result->full ? -1 : submit_job(instance, &request, &ref, NULL);
	if (submitted < 0)
		result->full++;
	else if (submitted == 1)
		result->doubled++;
	else
		result->loaded++;
	return submitted == 0;
}

bool backlog_read(FILE *file, struct backlog_job *record, struct payload_source *payload, char *buffer, off_t *next)
{
	struct stat st;
	off_t at;

	if (fread(record, sizeof(*record), 1, file) != 1)
		return false;
	record->pool[sizeof(record->pool) - 1] = '\0';
	record->tag[sizeof(record->tag) - 1] = '\0';
	record->unique[sizeof(record->unique) - 1] = '\0';
	record->error[sizeof(record->error) - 1] = '\0';
	*payload = (struct payload_source){.size = record->size, .fd = fileno(file)};
	if (record->size <= JOB_PAYLOAD_MAX) {
		payload->data = buffer;
		return fread(buffer, 1, record->size, file) == record->size;
	}
	/* Flushing a stream that is read puts the descriptor where the stream is. */
	at = fflush(file) == 0 ? ftello(file) : -1;
	if (at < 0 || fstat(fileno(file), &st) < 0 || st.st_size < at || record->size > (uint64_t)(st.st_size - at))
		return false;
	*next = at + (off_t)record->size;
	return true;
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
		char buffer[JOB_PAYLOAD_MAX];
		struct payload_source payload;
		struct backlog_job record;
		long at = ftell(file);
		off_t next = 0;
		bool good = at >= 0 && backlog_read(file, &record, &payload, buffer, &next);

		if (good && !record.taken &&
		    (is_known(known, record.id) || load_job(instance, &record, &payload, result)))
			good = note_taken(file, at);
		/* Long bytes were read, or passed over, without the stream knowing of it. */
		if (!good || (!payload.data && fseeko(file, next, SEEK_SET) < 0))
			return false;
	}
	return true;
}

static void load_file(struct instance *instance, const char *path, uint64_t deadline, struct backlog_result *result,
                      void (*tell)(const char *text))
{
	unsigned left = result->unknown + result->full + result->doubled;
	char text[PATH_MAX + 128];
	struct known known = {.places = malloc(instance->table->slots * sizeof(*known.places))};
	FILE *file = fopen(path, "r+e");
	bool good = file && known.places;

	if (good) {
		known.count = table_collect(instance->table, any_job, 0, known.places);
		good = table_stored(instance->table) ? backlog_store(instance, file, deadline, result)
		                                     : load_jobs(instance, file, &known, result);
	}
	if (file)
		fclose(file);
	free(known.places);
	if (!good) {
		snprintf(text, sizeof(text),
		         "backlog %s is damaged or cannot be read: what is behind the damage stays there", path);
		tell(text);
	} else if (result->unknown + result->full + result->doubled == left) {
		unlink(path);
	}
}

/* Is it the name of a whole file of jobs? */
static bool is_backlog(const char *name)
{
	size_t length = strlen(name);

	return strncmp(name, BACKLOG_PREFIX, strlen(BACKLOG_PREFIX)) == 0 &&
	       (length <= 4 || strcmp(name + length - 4, ".new") != 0);
}

/* The next file of a directory that has jobs in it. False: there is none. */
static bool next_file(const struct instance *instance, DIR *directory, char path[PATH_MAX])
{
	for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
		if (!is_backlog(entry->d_name))
			continue;
		snprintf(path, PATH_MAX, "%s/%s", instance->directory, entry->d_name);
		return true;
	}
	return false;
}

void backlog_load(struct instance *instance, uint64_t deadline, struct backlog_result *result,
                  void (*tell)(const char *text))
{
	DIR *directory = opendir(instance->directory);
	char path[PATH_MAX];

	*result = (struct backlog_result){0};
	if (!directory)
		return;
	/* Before a new one is given. */
	while (table_stored(instance->table) && next_file(instance, directory, path))
		backlog_raise_given(instance->table, path);
	rewinddir(directory);
	while (next_file(instance, directory, path))
		load_file(instance, path, deadline, result, tell);
	closedir(directory);
}

/* ---- look ------------------------------------------------------------------------------------ */

static void convert(const struct backlog_job *record, const struct payload_source *payload, struct store_job *job)
{
	*job = (struct store_job){
	    .id = record->id,
	    .state = record->state == JOB_FAILED || record->state == JOB_BURIED ? (enum job_state)record->state
	             : record->due_ms > ym_unix_ms()                            ? JOB_DELAYED
	                                                                        : JOB_READY,
	    .keep = record->keep,
	    .level = record->level < INDEX_LEVELS ? (uint8_t)record->level : 0,
	    .attempt = (uint8_t)record->attempt,
	    .attempts = (uint8_t)record->attempts,
	    .crashes = (uint8_t)record->crashes,
	    .due_ms = record->due_ms,
	    .timeout_ms = record->timeout_ms,
	    .reply_type = record->reply_type,
	    .reply_key = record->reply_key,
	    .reply_form = (uint8_t)record->reply_form,
	    .payload = *payload,
	    .result = {.fd = -1},
	};
	text_copy(job->pool, sizeof(job->pool), record->pool);
	text_copy(job->tag, sizeof(job->tag), record->tag);
	text_copy(job->unique, sizeof(job->unique), record->unique);
	text_copy(job->error, sizeof(job->error), record->error);
}

/* 1: `each` wants no more. */
static int each_of_file(FILE *file, store_each *each, void *arg)
{
	struct backlog_head head;

	if (fread(&head, sizeof(head), 1, file) != 1 || head.magic != BACKLOG_MAGIC)
		return 0;
	for (uint64_t i = 0; i < head.jobs; i++) {
		char buffer[JOB_PAYLOAD_MAX];
		struct payload_source payload;
		struct backlog_job record;
		struct store_job job;
		off_t next = 0;

		if (!backlog_read(file, &record, &payload, buffer, &next))
			return 0;
		convert(&record, &payload, &job);
		if (!record.taken && each(arg, &job) != 0)
			return 1;
		if (!payload.data && fseeko(file, next, SEEK_SET) < 0)
			return 0;
	}
	return 0;
}

int backlog_each(const char *directory, store_each *each, void *arg, struct ym_err *err)
{
	DIR *files = opendir(directory);
	int result = 0;

	for (struct dirent *entry = files ? readdir(files) : NULL; entry && result == 0; entry = readdir(files)) {
		char path[PATH_MAX];
		FILE *file;

		if (!is_backlog(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		file = fopen(path, "re");
		if (file)
			result = each_of_file(file, each, arg);
		else if (errno != ENOENT)
			result = ym_fail_sys(err, errno, "open(\"%s\") to see the jobs in it", path);
		if (file)
			fclose(file);
	}
	if (files)
		closedir(files);
	return result < 0 ? -1 : 0;
}
