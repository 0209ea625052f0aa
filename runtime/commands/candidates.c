/* candidates.c - where candidates come from: fixed lists, the INI file, the board, the table. */
#include "candidates.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../config/values.h"
#include "../view.h"
#include "top.h"

/* Jobs that are offered, at most: who presses a key does not wait. */
#define JOBS_MAX    1000
#define SIGNALS_MAX 32

/* A tag may have any bytes: it would be more than one line. */
static bool is_line(const char *text)
{
	while (*text && !iscntrl((unsigned char)*text))
		text++;
	return *text == '\0';
}

void candidates_put(const struct candidates *candidates, const char *value, const char *what)
{
	if (strncmp(value, candidates->prefix, strlen(candidates->prefix)) == 0)
		fprintf(candidates->to, "%s\t%s\n", value, what);
}

/* ---- fixed lists ----------------------------------------------------------------------------- */

static void put_files(const struct candidates *candidates)
{
	fputs(":files\n", candidates->to);
}

static void put_commands(const struct candidates *candidates)
{
	fputs(":commands\n", candidates->to);
}

static void put_states(const struct candidates *candidates)
{
	for (int i = JOB_READY; i < JOB_STATES; i++)
		candidates_put(candidates, job_state_word((enum job_state)i), "state");
}

static void put_levels(const struct candidates *candidates)
{
#define X(name, level) candidates_put(candidates, #name, "priority " #level);
	CFG_LEVEL_MAP(X)
#undef X
}

static void put_views(const struct candidates *candidates)
{
#define X(name) candidates_put(candidates, #name, "list");
	VIEW_MAP(X)
#undef X
}

static void put_signals(const struct candidates *candidates)
{
	for (int i = 1; i < SIGNALS_MAX; i++)
		if (sigabbrev_np(i))
			candidates_put(candidates, sigabbrev_np(i), sigdescr_np(i));
}

/* Behind "sqlite:" stands a file. */
static void put_stores(const struct candidates *candidates)
{
	static const struct {
		const char *scheme, *rest;
	} stores[] = {
#define X(name, scheme, also, rest) {scheme, rest},
	    CFG_STORE_MAP(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
		const char *scheme = stores[i].scheme;

		if (strcmp(stores[i].rest, "PATH") == 0 && strncmp(candidates->prefix, scheme, strlen(scheme)) == 0)
			fprintf(candidates->to, ":lead\t%s\n:files\n", scheme);
		else if (stores[i].rest[0])
			candidates_put(candidates, scheme, "store");
	}
}

/* ---- of the instance ------------------------------------------------------------------------- */

static const struct option_row instance_options[] = {INSTANCE_OPTIONS, {0}};
static const struct command look = {.verb = "complete", .options = instance_options};

/* What the options mean that have been typed already. */
static int find_instance(const struct candidates *candidates, struct instance *instance, struct config *config,
                         bool *configured)
{
	const struct args args = {
	    .command = &look, .name = look.verb, .values = {candidates->config, candidates->instance}};

	return args_config(&args, instance, config, configured, NULL);
}

static void put_configured(const struct candidates *candidates, const struct config *config, bool programs)
{
	for (size_t i = 0; i < config->npools; i++)
		candidates_put(candidates, config->pools[i].name, "pool");
	for (size_t i = 0; programs && i < config->nprograms; i++)
		candidates_put(candidates, config->programs[i].name, "program");
}

static void put_running(const struct candidates *candidates, const struct board_sh *board, bool programs)
{
	const char *before = "";

	for (size_t i = 0; i < TABLE_POOLS; i++)
		if (atomic_load(&board->pools[i].used))
			candidates_put(candidates, board->pools[i].name, "pool");
	for (size_t i = 0; programs && i < BOARD_PROGRAMS; i++) {
		const struct board_program_sh *row = &board->programs[i];

		/* Those of one program stand side by side. */
		if (!atomic_load(&row->used) || strcmp(row->program, before) == 0)
			continue;
		before = row->program;
		candidates_put(candidates, row->program, "program");
	}
}

/* Of the file, if one is named: it need not run. */
static void put_names(const struct candidates *candidates, bool programs)
{
	struct instance instance;
	struct config config;
	bool configured;

	if (find_instance(candidates, &instance, &config, &configured) < 0)
		return;
	if (configured) {
		put_configured(candidates, &config, programs);
		config_free(&config);
	} else if (instance_view(&instance, NULL) == 0) {
		put_running(candidates, instance.board, programs);
		instance_unview(&instance);
	}
}

static void put_pools(const struct candidates *candidates)
{
	put_names(candidates, false);
}

static void put_pools_and_programs(const struct candidates *candidates)
{
	put_names(candidates, true);
}

static void put_job(const struct candidates *candidates, const struct view_job *job)
{
	bool tag = job->tag[0] && is_line(job->tag);
	char id[32], what[TABLE_NAME_MAX + JOB_TAG_MAX + 32];

	snprintf(id, sizeof(id), "%llu", (unsigned long long)job->id);
	snprintf(what, sizeof(what), "%s, %s%s%s", job->pool, job_state_word(job->state), tag ? ", " : "",
	         tag ? job->tag : "");
	candidates_put(candidates, id, what);
}

static void put_tag(const struct candidates *candidates, const struct view_job *job)
{
	if (job->tag[0] && is_line(job->tag))
		candidates_put(candidates, job->tag, job->pool);
}

/* A job in the table. */
struct entry {
	uint64_t id;
	uint32_t slot;
	bool over;
};

/* Those that go on first, then the newest: whoever means a job will hardly mean the oldest one. */
static int by_interest(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->over != y->over ? x->over - y->over : x->id > y->id ? -1 : x->id < y->id;
}

static size_t collect(const struct table_sh *table, struct entry *entries)
{
	size_t n = 0;

	for (uint32_t slot = 0; slot < table->slots; slot++) {
		enum job_state state = word_state(atomic_load_explicit(&table->words[slot], memory_order_relaxed));

		if (state != JOB_FREE)
			entries[n++] = (struct entry){
			    .id = table_job_const(table, slot)->id, .slot = slot, .over = job_state_over(state)};
	}
	qsort(entries, n, sizeof(*entries), by_interest);
	return n;
}

typedef void put_function(const struct candidates *candidates, const struct view_job *job);

static void each_of_table(const struct candidates *candidates, const struct table_sh *table, put_function *put)
{
	struct entry *entries = calloc(table->slots, sizeof(*entries));
	size_t n = entries ? collect(table, entries) : 0;

	for (size_t i = 0; i < n && i < JOBS_MAX; i++) {
		struct view_job job;

		if (view_read(table, entries[i].slot, &job))
			put(candidates, &job);
	}
	free(entries);
}

/* A store may be far away, so it is not asked. */
static void each_job(const struct candidates *candidates, put_function *put)
{
	struct instance instance;
	struct config config;
	bool configured;

	if (find_instance(candidates, &instance, &config, &configured) < 0)
		return;
	if (configured)
		config_free(&config);
	if (instance_view(&instance, NULL) < 0)
		return;
	if (instance.table)
		each_of_table(candidates, instance.table, put);
	instance_unview(&instance);
}

static void put_jobs(const struct candidates *candidates)
{
	each_job(candidates, put_job);
}

static void put_tags(const struct candidates *candidates)
{
	each_job(candidates, put_tag);
}

/* Directories at the place where they are by default. */
static void put_instances(const struct candidates *candidates)
{
	struct instance instance;
	const struct dirent *entry;
	char *slash;
	DIR *directory;

	if (instance_locate(&instance, INSTANCE_NAME_DEFAULT, NULL, NULL) < 0)
		return;
	slash = strrchr(instance.directory, '/');
	if (slash)
		*slash = '\0';
	directory = opendir(instance.directory);
	while (directory && (entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			candidates_put(candidates, entry->d_name, "instance");
	if (directory)
		closedir(directory);
}

/* ---- by word --------------------------------------------------------------------------------- */

static const struct {
	const char *word;
	void (*put)(const struct candidates *candidates);
} sources[] = {
    {"FILE", put_files},         {"PATH", put_files},
    {"ARGUMENT", put_files},     {"CMD", put_commands},
    {"STATE", put_states},       {"LEVEL", put_levels},
    {"SIGNAL", put_signals},     {"URI", put_stores},
    {"POOL", put_pools},         {"NAME", put_pools_and_programs},
    {"INSTANCE", put_instances}, {"JOB", put_jobs},
    {"TAG", put_tags},           {"VIEW", put_views},
};

bool candidates_for(const struct candidates *candidates, const char *word, size_t length)
{
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		if (strlen(sources[i].word) == length && strncmp(sources[i].word, word, length) == 0) {
			sources[i].put(candidates);
			return true;
		}
	}
	return false;
}
