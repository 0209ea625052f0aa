/* settle.c - what follows from several options of a section, and defaults that depend on others. */
#include <stdlib.h>
#include <string.h>

#include "expand.h"
#include "loader.h"
#include "problems.h"
#include "words.h"

#define KIB INT64_C(1024)

#define AUTO_BYTES   (KIB * KIB)
#define AUTO_BACKUPS 1

/* A section that is being settled. */
struct settling {
	struct cfg_loader *load;
	const struct cfg_section *section;
	enum cfg_kind kind;
	size_t base; /* of the part of its struct that is being looked at */
};

/* The entry that sets a field of that part; NULL if none does. */
static const struct cfg_entry *entry_of(const struct settling *this, size_t offset)
{
	return cfg_section_entry(this->section, this->kind, this->base + offset);
}

static void no_memory(const struct settling *this)
{
	cfg_problems_no_memory(this->load->problems);
}

/* ---- how many workers -------------------------------------------------------------------------- */

static int64_t within(int64_t value, int64_t least, int64_t most)
{
	return value < least ? least : value > most ? most : value;
}

/* php-fpm's words as a range. */
static void settle_pm(const struct settling *this, struct cfg_pool *pool)
{
	const struct cfg_entry *workers = entry_of(this, offsetof(struct cfg_pool, workers_min));
	const struct cfg_entry *children = entry_of(this, offsetof(struct cfg_pool, pm_max_children));
	const struct cfg_entry *spare = entry_of(this, offsetof(struct cfg_pool, min_spare));
	const struct cfg_entry *first, *second;

	if (!children || children->refused)
		return;
	if (workers) {
		first = workers->at.line < children->at.line ? workers : children;
		second = first == workers ? children : workers;
		cfg_problems_add(this->load->problems, second->at,
		                 "`%s` here and `%s` in line %d both say how many workers [%s] has: keep one",
		                 second->name, first->name, first->at.line, this->section->name);
		return;
	}
	pool->workers_max = pool->pm_max_children;
	if (pool->pm == CFG_PM_ONDEMAND)
		pool->workers_min = 0;
	else if (pool->pm == CFG_PM_DYNAMIC)
		pool->workers_min = within(spare ? pool->min_spare : 1, 1, pool->workers_max);
	else
		pool->workers_min = pool->workers_max;
}

static void settle_spare(const struct settling *this, struct cfg_pool *pool)
{
	const struct cfg_entry *least = entry_of(this, offsetof(struct cfg_pool, min_spare));
	const struct cfg_entry *most = entry_of(this, offsetof(struct cfg_pool, max_spare));

	if (!least && !pool->workers_min)
		pool->min_spare = 0;
	if (least && most && !least->refused && !most->refused && pool->min_spare > pool->max_spare)
		cfg_problems_add(this->load->problems, least->at.line > most->at.line ? least->at : most->at,
		                 "`%s` of %lld is more than `%s`, %lld: lower the one or raise the other", least->name,
		                 (long long)pool->min_spare, most->name, (long long)pool->max_spare);
	pool->min_spare = within(pool->min_spare, 0, pool->workers_max);
	if (least && !most && pool->max_spare < pool->min_spare)
		pool->max_spare = pool->min_spare;
	if (most && !least && pool->min_spare > pool->max_spare)
		pool->min_spare = pool->max_spare;
	pool->max_spare = within(pool->max_spare, 0, pool->workers_max);
}

static void settle_workers(const struct settling *this, struct cfg_pool *pool)
{
	const struct cfg_entry *start = entry_of(this, offsetof(struct cfg_pool, workers_start));
	bool range;

	settle_pm(this, pool);
	settle_spare(this, pool);
	range = pool->workers_min < pool->workers_max;
	if (pool->workers_start < 0 && pool->pm == CFG_PM_DYNAMIC)
		pool->workers_start = pool->min_spare + (pool->max_spare - pool->min_spare) / 2;
	else if (pool->workers_start < 0)
		pool->workers_start = pool->workers_min;
	else if (start && !start->refused && range &&
	         pool->workers_start != within(pool->workers_start, pool->workers_min, pool->workers_max))
		cfg_problems_add(this->load->problems, start->at, "`%s` is outside of the range of workers, %lld..%lld",
		                 start->name, (long long)pool->workers_min, (long long)pool->workers_max);
	pool->workers_start = within(pool->workers_start, pool->workers_min, pool->workers_max);
}

static void settle_memory(const struct settling *this, const struct cfg_pool *pool)
{
	const struct cfg_entry *soft = entry_of(this, offsetof(struct cfg_pool, max_memory));
	const struct cfg_entry *hard = entry_of(this, offsetof(struct cfg_pool, max_memory_hard));
	char less[CFG_NUMBER_MAX], more[CFG_NUMBER_MAX];

	if (!soft || !hard || soft->refused || hard->refused || !pool->max_memory_hard ||
	    pool->max_memory <= pool->max_memory_hard)
		return;
	cfg_problems_add(
	    this->load->problems, soft->at.line > hard->at.line ? soft->at : hard->at,
	    "`max_memory` of %s is more than `max_memory_hard`, %s: a worker would be killed before it could be "
	    "replaced after its job",
	    cfg_format_size(pool->max_memory, less), cfg_format_size(pool->max_memory_hard, more));
}

/* ---- processes --------------------------------------------------------------------------------- */

/* An AUTO file is small unless its size is given; what is no file of ours is never rotated. */
static void settle_log(const struct settling *this, struct cfg_log *log, size_t offset)
{
	bool device = log->file && !strncmp(log->file, "/dev/", strlen("/dev/"));

	if (!log->file && !entry_of(this, offset + offsetof(struct cfg_log, maxbytes)))
		log->maxbytes = AUTO_BYTES;
	if (!log->file && !entry_of(this, offset + offsetof(struct cfg_log, backups)))
		log->backups = AUTO_BACKUPS;
	if (device)
		log->maxbytes = log->rotate_ms = 0;
}

static void settle_streams(const struct settling *this, struct cfg_process *process)
{
	const struct cfg_entry *redirect = entry_of(this, offsetof(struct cfg_process, redirect_stderr));
	const struct cfg_entry *errors = entry_of(this, offsetof(struct cfg_process, stderr_log.file));
	const char *out = process->stdout_log.file, *err = process->stderr_log.file;

	settle_log(this, &process->stdout_log, offsetof(struct cfg_process, stdout_log));
	settle_log(this, &process->stderr_log, offsetof(struct cfg_process, stderr_log));
	if (!errors || errors->refused)
		return;
	/* Two who write one file would lose lines when it is changed for a new one. */
	if (out && err && *out && !strcmp(out, err)) {
		process->redirect_stderr = 1;
	} else if (!redirect) {
		process->redirect_stderr = 0;
	} else if (process->redirect_stderr && err && *err) {
		cfg_note(this->load, errors->at,
		         "`%s` has no effect: with `redirect_stderr` in line %d, stderr goes where "
		         "stdout goes",
		         errors->name, redirect->at.line);
	}
}

static void settle_process(const struct settling *this, struct cfg_process *process)
{
	const struct cfg_entry *kill = entry_of(this, offsetof(struct cfg_process, killasgroup));

	if (process->stopasgroup && kill && !kill->refused && !process->killasgroup)
		cfg_problems_add(
		    this->load->problems, kill->at,
		    "`stopasgroup` with `killasgroup = no`: what is left of the group would never end; remove "
		    "one of them");
	if (process->stopasgroup)
		process->killasgroup = 1;
	settle_streams(this, process);
}

/* ---- programs ---------------------------------------------------------------------------------- */

static void settle_process_name(const struct settling *this, struct cfg_program *program)
{
	const struct cfg_entry *entry = entry_of(this, offsetof(struct cfg_program, process_name));
	struct cfg_expansion values = {
	    .program_name = program->name, .numprocs = program->numprocs, .process_num = CFG_EXPAND_LATER};
	char why[CFG_WHY_MAX], *name;

	if (!entry && program->process_name) {
		if (cfg_expand(program->process_name, &values, &name, why)) {
			no_memory(this);
			return;
		}
		free(program->process_name);
		program->process_name = name;
	}
	if (entry && entry->refused)
		return;
	if (program->process_name && program->process_name[strcspn(program->process_name, ":/ \t\n")])
		cfg_problems_add(this->load->problems, entry ? entry->at : this->section->at,
		                 "process_name = %s: no colon, slash or white space in the name of a process",
		                 program->process_name);
	if (program->numprocs > 1 && program->process_name && !strstr(program->process_name, "%(process_num)"))
		cfg_problems_add(this->load->problems, entry ? entry->at : this->section->at,
		                 "[%s] has %lld processes, so they need different names: set `process_name = "
		                 "%%(program_name)s_%%(process_num)02d`",
		                 this->section->name, (long long)program->numprocs);
}

static void settle_program(const struct settling *this, struct cfg_program *program)
{
	const struct cfg_entry *command = entry_of(this, offsetof(struct cfg_program, command));
	const char *shell;
	char excerpt[CFG_EXCERPT_MAX];

	settle_process_name(this, program);
	shell = command && !command->refused && program->command ? cfg_words_shell(program->command) : NULL;
	if (shell)
		cfg_note(
		    this->load, command->at,
		    "no shell runs the command: `%s` is handed to the program as it stands; sh -c '...' has a shell",
		    cfg_excerpt(shell, excerpt));
}

void cfg_settle(struct cfg_loader *load, const struct cfg_section *section, enum cfg_kind kind, void *target)
{
	struct settling this = {load, section, kind, 0};
	struct cfg_program *program = target;
	struct cfg_pool *pool = target;
	struct cfg_cron *cron = target;
	struct cfg_instance *instance = target;

	if (kind == CFG_YARDMASTER) {
		this.base = offsetof(struct cfg_instance, log);
		settle_log(&this, &instance->log, 0);
	} else if (kind == CFG_POOL) {
		settle_workers(&this, pool);
		settle_memory(&this, pool);
		this.base = offsetof(struct cfg_pool, process);
		settle_process(&this, &pool->process);
	} else if (kind == CFG_PROGRAM) {
		settle_program(&this, program);
		this.base = offsetof(struct cfg_program, process);
		settle_process(&this, &program->process);
	} else if (kind == CFG_CRON && !cron->payload) {
		cron->payload = strdup("");
		if (!cron->payload)
			no_memory(&this);
	}
}
