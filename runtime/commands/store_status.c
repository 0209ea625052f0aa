/* store_status.c - `yardmaster store status`: what is in a store, on one screen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../ipc/sys.h"
#include "../json.h"
#include "../text.h"
#include "store.h"

#define SQLITE "sqlite:"

/* The states that a store has jobs in, in the order of the columns. */
static const enum job_state states[] = {JOB_READY, JOB_DELAYED, JOB_CLAIMED,  JOB_BURIED,
                                        JOB_DONE,  JOB_FAILED,  JOB_CANCELLED};
#define NSTATES (sizeof(states) / sizeof(states[0]))

struct pool_row {
	char name[TABLE_NAME_MAX];
	uint64_t counts[NSTATES];
};

struct counting {
	struct pool_row *pools;
	size_t npools, last;
	int64_t oldest_ms; /* submission of the first one that waits; 0: none does */
	bool failed;       /* out of memory */
};

/* ---- count ----------------------------------------------------------------------------------- */

static struct pool_row *row_of(struct counting *counting, const char *pool)
{
	struct pool_row *more;

	if (counting->last < counting->npools && strcmp(counting->pools[counting->last].name, pool) == 0)
		return &counting->pools[counting->last];
	for (size_t i = 0; i < counting->npools; i++)
		if (strcmp(counting->pools[i].name, pool) == 0) {
			counting->last = i;
			return &counting->pools[i];
		}
	more = realloc(counting->pools, (counting->npools + 1) * sizeof(*more));
	if (!more)
		return NULL;
	counting->pools = more;
	counting->last = counting->npools++;
	more[counting->last] = (struct pool_row){0};
	text_copy(more[counting->last].name, sizeof(more->name), pool);
	return &more[counting->last];
}

static int count(void *arg, const struct store_job *job)
{
	struct counting *counting = arg;
	struct pool_row *row = row_of(counting, job->pool);

	if (!row) {
		counting->failed = true;
		return 1;
	}
	for (size_t i = 0; i < NSTATES; i++)
		row->counts[i] += states[i] == job->state;
	if (job->state == JOB_READY && (!counting->oldest_ms || job->submitted_ms < counting->oldest_ms))
		counting->oldest_ms = job->submitted_ms;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct pool_row *)a)->name, ((const struct pool_row *)b)->name);
}

static int count_all(struct stored *stored, struct counting *counting, struct ym_err *err)
{
	const struct store_filter all = {.level = -1};

	if (stored->driver->list(stored->store, &all, count, counting, err) < 0)
		return -1;
	if (counting->failed)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	if (counting->npools > 0)
		qsort(counting->pools, counting->npools, sizeof(*counting->pools), by_name);
	return 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Bytes of the file of a sqlite store, and of the one beside it with this suffix; -1: it has none. */
static int64_t file_bytes(const struct stored *stored, const char *suffix)
{
	char path[4096];
	struct stat st;

	if (strncmp(stored->uri, SQLITE, strlen(SQLITE)) != 0)
		return -1;
	snprintf(path, sizeof(path), "%s%s", stored->uri + strlen(SQLITE), suffix);
	return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

/* ---- print ----------------------------------------------------------------------------------- */

static void print_file(const char *name, int64_t bytes)
{
	char amount[TEXT_MAX];

	if (bytes >= 0)
		printf("%-9s %s\n", name, text_amount((double)bytes, true, amount));
}

static void print_counts(const struct counting *counting)
{
	printf("\n%-16s", "POOL");
	for (size_t i = 0; i < NSTATES; i++)
		printf(" %10s", job_state_word(states[i]));
	printf("\n");
	for (size_t i = 0; i < counting->npools; i++) {
		printf("%-16s", counting->pools[i].name);
		for (size_t k = 0; k < NSTATES; k++)
			printf(" %10llu", (unsigned long long)counting->pools[i].counts[k]);
		printf("\n");
	}
}

static void print_text(const struct stored *stored, const struct counting *counting)
{
	char text[TEXT_MAX];
	int64_t age = ym_unix_ms() - counting->oldest_ms;

	printf("store     %s\n", stored->shown);
	print_file("on disk", file_bytes(stored, ""));
	print_file("its log", file_bytes(stored, "-wal"));
	if (counting->oldest_ms)
		printf("oldest    waits for %s\n", text_duration(age > 0 ? (uint64_t)age * 1000000u : 0, text));
	if (counting->npools > 0)
		print_counts(counting);
	else
		printf("\nno jobs\n");
}

static void json_file(struct json *json, const char *key, int64_t bytes)
{
	if (bytes >= 0)
		json_put_int(json, key, bytes);
}

static void print_json(const struct stored *stored, const struct counting *counting)
{
	struct json json = {.to = stdout};

	json_open(&json, NULL, '{');
	json_put_string(&json, "store", stored->shown);
	json_put_string(&json, "kind", stored->driver->scheme);
	json_file(&json, "bytes", file_bytes(stored, ""));
	json_file(&json, "log_bytes", file_bytes(stored, "-wal"));
	if (counting->oldest_ms)
		json_put_real(&json, "oldest_waiting", (double)counting->oldest_ms / 1e3);
	json_open(&json, "pools", '[');
	for (size_t i = 0; i < counting->npools; i++) {
		json_open(&json, NULL, '{');
		json_put_string(&json, "name", counting->pools[i].name);
		for (size_t k = 0; k < NSTATES; k++)
			json_put_uint(&json, job_state_word(states[k]), counting->pools[i].counts[k]);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
	printf("\n");
}

/* ---- the command ----------------------------------------------------------------------------- */

static int status(const struct args *args)
{
	struct counting counting = {0};
	struct stored stored;
	struct ym_err err;
	int result = store_meant(&stored, args, true, &err);

	if (result == 0 && !stored.driver) {
		if (args_flag(args, "json"))
			printf("{\"store\": \"memory\", \"kind\": \"memory\"}\n");
		else
			printf(
			    "store     memory: jobs are in the job table; they survive every crash, but no reboot\n");
		return store_done(&stored, 0, 0, &err);
	}
	if (result == 0)
		result = stored_read(&stored, &err);
	if (result == 0)
		result = count_all(&stored, &counting, &err);
	if (result == 0)
		(args_flag(args, "json") ? print_json : print_text)(&stored, &counting);
	free(counting.pools);
	return store_done(&stored, result, 0, &err);
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    {"json", 0, NULL, "as JSON"},
    {0},
};

const struct command command_store_status = {
    .verb = "status",
    .usage = STORE_USAGE,
    .summary = "what is in the store: jobs by pool and state, size, how long the oldest one waits",
    .text = "It looks at every job: with millions of them that takes some seconds.",
    .options = options,
    .most = 1,
    .run = status,
};
