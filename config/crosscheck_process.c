/* crosscheck_process.c - pools and programs together: names, what depends on what, users, log files, sums. */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crosscheck.h"
#include "nearest.h"
#include "problems.h"

#define UNITS_MAX (CFG_POOLS_MAX + CFG_PROGRAMS_MAX)

/* A pool or a program: what is started, watched and depended on by its name. */
struct unit {
	enum cfg_kind kind;
	const char *name;
	const struct cfg_section *section;
	const struct cfg_process *process;
	size_t base; /* where that is in its struct */
	enum { NEW, OPEN, DONE } seen;
};

struct units {
	struct cfg_loader *load;
	struct unit items[UNITS_MAX];
	size_t count;
};

/* Where a field of its cfg_process is set, else its header. */
static struct cfg_place place_of(const struct unit *unit, size_t offset)
{
	const struct cfg_entry *entry = cfg_section_entry(unit->section, unit->kind, unit->base + offset);

	return entry ? entry->at : unit->section->at;
}

static struct unit *find(struct units *units, const char *name)
{
	for (size_t i = 0; i < units->count; i++) {
		if (!strcmp(units->items[i].name, name))
			return &units->items[i];
	}
	return NULL;
}

/* ---- names ------------------------------------------------------------------------------------- */

/* Two sections of the same kind are told apart before. */
static void check_name(struct units *units, size_t index)
{
	const struct unit *unit = &units->items[index], *first = find(units, unit->name);
	char where[CFG_PLACE_MAX];

	if (unit->kind != first->kind)
		cfg_problems_add(units->load->problems, unit->section->at,
		                 "[%s]: [%s] in %s has this name already, and a name means one pool or program",
		                 unit->section->name, first->section->name,
		                 cfg_place_text(first->section->at, unit->section->at, where));
}

static void check_depends(struct units *units, const struct unit *unit)
{
	struct cfg_place at = place_of(unit, offsetof(struct cfg_process, depends_on));

	for (char **name = unit->process->depends_on; name && *name; name++) {
		struct cfg_nearest nearest = {.word = *name};

		if (find(units, *name))
			continue;
		for (size_t i = 0; i < units->count; i++)
			cfg_nearest_offer(&nearest, units->items[i].name);
		if (nearest.best)
			cfg_problems_add(units->load->problems, at,
			                 "depends_on: unknown pool or program `%s`: did you mean `%s`?", *name,
			                 nearest.best);
		else
			cfg_problems_add(units->load->problems, at,
			                 "depends_on: unknown pool or program `%s`: no section has this name", *name);
	}
}

/* ---- circles ----------------------------------------------------------------------------------- */

/* The way from the first to the one that we are at. */
struct path {
	const struct path *before;
	struct unit *unit;
};

static void print_path(const struct path *path, const struct unit *from, FILE *to)
{
	if (path->before && path->unit != from)
		print_path(path->before, from, to);
	fprintf(to, "%s -> ", path->unit->name);
}

static void report_circle(struct units *units, const struct path *path, const struct unit *again)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (to)
		print_path(path, again, to);
	if (!to || fclose(to))
		cfg_problems_no_memory(units->load->problems);
	else
		cfg_problems_add(units->load->problems, place_of(path->unit, offsetof(struct cfg_process, depends_on)),
		                 "depends_on: each waits for the next, so none would ever start: %s%s", text,
		                 again->name);
	free(text);
}

static void follow(struct units *units, struct unit *unit, const struct path *before)
{
	struct path path = {before, unit};

	unit->seen = OPEN;
	for (char **name = unit->process->depends_on; name && *name; name++) {
		struct unit *next = find(units, *name);

		if (next && next->seen == OPEN)
			report_circle(units, &path, next);
		else if (next && next->seen == NEW)
			follow(units, next, &path);
	}
	unit->seen = DONE;
}

/* ---- users ------------------------------------------------------------------------------------- */

static uid_t uid_of(const char *user)
{
	struct passwd *entry = getpwnam(user);

	return entry ? entry->pw_uid : (uid_t)strtoul(user, NULL, 10);
}

static void check_user(struct units *units, const struct unit *unit)
{
	const struct cfg_instance *instance = &units->load->out->instance;
	const char *user = unit->process->user;
	uid_t ours;

	if (unit->kind != CFG_POOL || !user || instance->ipc_group)
		return;
	ours = instance->user ? uid_of(instance->user) : geteuid();
	if (uid_of(user) != ours)
		cfg_problems_add(
		    units->load->problems, place_of(unit, offsetof(struct cfg_process, user)),
		    "workers of another user reach the IPC objects through a group: set `ipc_group = NAME` in "
		    "[yardmaster]");
}

/* ---- log files --------------------------------------------------------------------------------- */

/* One stream that goes to a file. */
struct stream {
	const struct cfg_log *log;
	const char *owner; /* the section */
	struct cfg_place at;
};

static bool rotates(const struct cfg_log *log)
{
	return log->maxbytes || log->rotate_ms;
}

static void add_stream(struct stream *streams, size_t *count, const struct cfg_log *log, const char *owner,
                       struct cfg_place at)
{
	if (log->file && *log->file && strncmp(log->file, "/dev/", strlen("/dev/")))
		streams[(*count)++] = (struct stream){log, owner, at};
}

static bool clash(const struct stream *a, const struct stream *b)
{
	return !strcmp(a->log->file, b->log->file) && (rotates(a->log) || rotates(b->log));
}

/* At the later of the two, as the files have them. */
static void report_clash(struct cfg_loader *load, const struct stream *a, const struct stream *b)
{
	bool swapped = a->at.file == b->at.file && a->at.line < b->at.line;
	const struct stream *first = swapped ? a : b, *second = swapped ? b : a;
	char where[CFG_PLACE_MAX], excerpt[CFG_EXCERPT_MAX];

	cfg_problems_add(
	    load->problems, second->at,
	    "[%s] logs to %s, too%s%s: write to another file, or set ..._maxbytes = 0 and no ..._rotate in "
	    "both",
	    first->owner, cfg_excerpt(second->log->file, excerpt), first->at.line ? ", in " : "",
	    first->at.line ? cfg_place_text(first->at, second->at, where) : "");
}

/* Two who change a file for a new one, each when he thinks it is time, would lose lines. */
static void check_logs(struct units *units)
{
	struct cfg_loader *load = units->load;
	struct stream *streams = calloc(2 * units->count + 1, sizeof(*streams));
	struct cfg_place whole = {.file = load->out->files[0]};
	size_t count = 0;

	if (!streams) {
		cfg_problems_no_memory(load->problems);
		return;
	}
	add_stream(streams, &count, &load->out->instance.log, cfg_kind_word(CFG_YARDMASTER), whole);
	for (size_t i = 0; i < units->count; i++) {
		const struct unit *unit = &units->items[i];

		add_stream(streams, &count, &unit->process->stdout_log, unit->section->name,
		           place_of(unit, offsetof(struct cfg_process, stdout_log.file)));
		if (!unit->process->redirect_stderr)
			add_stream(streams, &count, &unit->process->stderr_log, unit->section->name,
			           place_of(unit, offsetof(struct cfg_process, stderr_log.file)));
	}
	for (size_t i = 1; i < count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (clash(&streams[i], &streams[j])) {
				report_clash(load, &streams[i], &streams[j]);
				break;
			}
		}
	}
	free(streams);
}

/* ---- sums -------------------------------------------------------------------------------------- */

static void check_processes(struct cfg_loader *load)
{
	const struct config *config = load->out;
	int64_t sum = 0;

	for (size_t i = 0; i < config->nprograms; i++) {
		const struct cfg_section *section = load->sections[CFG_PROGRAM][i];
		const struct cfg_entry *entry =
		    cfg_section_entry(section, CFG_PROGRAM, offsetof(struct cfg_program, numprocs));
		bool fitted = sum <= CFG_PROCESSES_MAX;

		sum += config->programs[i].numprocs;
		if (fitted && sum > CFG_PROCESSES_MAX)
			cfg_problems_add(load->problems, entry ? entry->at : section->at,
			                 "%lld processes in the programs up to here: at most %d are possible",
			                 (long long)sum, CFG_PROCESSES_MAX);
	}
}

static void check_crons(struct cfg_loader *load)
{
	const struct config *config = load->out;

	for (size_t i = 0; i < config->ncrons; i++) {
		const struct cfg_section *section = load->sections[CFG_CRON][i];
		const struct cfg_entry *entry = cfg_section_entry(section, CFG_CRON, offsetof(struct cfg_cron, pool));
		struct cfg_nearest nearest = {.word = config->crons[i].pool};
		size_t j = 0;

		if (!nearest.word)
			continue;
		while (j < config->npools && strcmp(config->pools[j].name, nearest.word))
			cfg_nearest_offer(&nearest, config->pools[j++].name);
		if (j == config->npools && nearest.best)
			cfg_problems_add(load->problems, entry->at, "unknown pool `%s`: did you mean `%s`?",
			                 nearest.word, nearest.best);
		else if (j == config->npools)
			cfg_problems_add(load->problems, entry->at,
			                 "unknown pool `%s`: no [pool:NAME] section has this name", nearest.word);
	}
}

static void collect(struct units *units)
{
	struct cfg_loader *load = units->load;
	const struct config *config = load->out;

	for (size_t i = 0; i < config->npools; i++)
		units->items[units->count++] = (struct unit){.kind = CFG_POOL,
		                                             .name = config->pools[i].name,
		                                             .section = load->sections[CFG_POOL][i],
		                                             .process = &config->pools[i].process,
		                                             .base = offsetof(struct cfg_pool, process)};
	for (size_t i = 0; i < config->nprograms; i++)
		units->items[units->count++] = (struct unit){.kind = CFG_PROGRAM,
		                                             .name = config->programs[i].name,
		                                             .section = load->sections[CFG_PROGRAM][i],
		                                             .process = &config->programs[i].process,
		                                             .base = offsetof(struct cfg_program, process)};
}

void cfg_crosscheck_process(struct cfg_loader *load)
{
	struct units *units = calloc(1, sizeof(*units));

	if (!units) {
		cfg_problems_no_memory(load->problems);
		return;
	}
	units->load = load;
	collect(units);
	for (size_t i = 0; i < units->count; i++) {
		check_name(units, i);
		check_depends(units, &units->items[i]);
		check_user(units, &units->items[i]);
	}
	for (size_t i = 0; i < units->count; i++) {
		if (units->items[i].seen == NEW)
			follow(units, &units->items[i], NULL);
	}
	check_logs(units);
	check_processes(load);
	check_crons(load);
	free(units);
}
