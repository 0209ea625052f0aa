/* reload.c - check, compare, apply. */
#include "reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../config/diff.h"
#include "ground.h"
#include "log.h"
#include "notify.h"
#include "rounds.h"
#include "trial.h"

/* ---- telling --------------------------------------------------------------------------------- */

enum tell {
	TELL,         /* in the log and to who has asked */
	TELL_REFUSED, /* likewise, as an error */
	TELL_ONLY     /* only to who has asked */
};

/* Line by line. */
static void tell_lines(struct control_reply *reply, enum tell how, char *text)
{
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (how != TELL_ONLY)
			log_line(how == TELL_REFUSED ? LOG_ERROR : LOG_INFO, "reload: %s", line);
		if (reply && how == TELL_REFUSED)
			control_refuse(reply, YM_ERR_CONFIG, "%s", line);
		else if (reply)
			control_say(reply, "%s", line);
	}
}

static void tell(struct control_reply *reply, const char *text)
{
	char line[1024];

	snprintf(line, sizeof(line), "%s", text);
	tell_lines(reply, TELL, line);
}

static void refuse(struct control_reply *reply, const char *text)
{
	char line[YM_ERR_TEXT_MAX + 128];

	snprintf(line, sizeof(line), "%s; nothing is changed", text);
	tell_lines(reply, TELL_REFUSED, line);
}

static void tell_changes(struct control_reply *reply, enum tell how, const struct cfg_changes *changes)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return;
	cfg_changes_print(changes, to);
	fclose(to);
	tell_lines(reply, how, text);
	free(text);
}

/* ---- check ----------------------------------------------------------------------------------- */

/* What the check has to say of programs that will not start; its other notes were told at the start. */
static void tell_warnings(struct control_reply *reply, char *printed)
{
	for (char *line = printed, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (strstr(line, "will fail to start"))
			tell_lines(reply, TELL, line);
	}
}

/* In a process of its own: plugins are tried, too, and none of them must be able to take the master along. */
static bool check_file(struct master *master, struct control_reply *reply)
{
	char *argv[] = {(char[]){"yardmaster"}, (char[]){"check"}, master->config->path, NULL};
	static char printed[32768];
	struct ym_err err;
	int status = trial_run(NULL, argv, printed, sizeof(printed), &err);

	if (status == 0) {
		tell_warnings(reply, printed);
		return true;
	}
	if (status > 0 && printed[0])
		tell_lines(reply, TELL_REFUSED, printed);
	else if (status > 0)
		refuse(reply, "the check of the file broke or took too long");
	if (status < 0)
		refuse(reply, err.text);
	else
		refuse(reply, "the file has mistakes");
	return false;
}

static bool read_file(struct master *master, struct config *new, struct control_reply *reply)
{
	struct cfg_problems problems;

	if (config_load(master->config->path, new, &problems) == 0)
		return true;
	refuse(reply, problems.count ? problems.items[0].text : "the file cannot be read");
	cfg_problems_free(&problems);
	return false;
}

/* What only a new start could apply keeps all the rest from being applied: half a file is no configuration. */
static bool can_apply(const struct cfg_changes *changes, struct control_reply *reply)
{
	char text[512];

	for (size_t i = 0; i < changes->count; i++) {
		const struct cfg_change *change = &changes->items[i];

		for (size_t j = 0; j < change->count; j++) {
			const struct cfg_option_change *option = &change->options[j];

			if (option->option->effect != CFG_EFFECT_START)
				continue;
			snprintf(text, sizeof(text),
			         "[%s%s%s] %s: from \"%.80s\" to \"%.80s\" takes a stop and a start of the instance",
			         cfg_kind_word(change->kind), change->name[0] ? ":" : "", change->name,
			         option->option->name, option->from, option->to);
			refuse(reply, text);
		}
	}
	return changes->effect != CFG_EFFECT_START;
}

/* Rows for workers were made with the instance. */
static bool has_room(const struct master *master, const struct config *new, struct control_reply *reply)
{
	int64_t workers = 0, rows = (int64_t)master->instance.board->instance.rows;
	char text[160];

	for (size_t i = 0; i < new->npools; i++)
		workers += new->pools[i].workers_max;
	if (workers <= rows)
		return true;
	snprintf(text, sizeof(text),
	         "%lld workers: this instance has room for %lld in all pools (a larger `workers_room` applies at the "
	         "next start)",
	         (long long)workers, (long long)rows);
	refuse(reply, text);
	return false;
}

/* ---- apply ----------------------------------------------------------------------------------- */

static struct pool *pool_named(const struct master *master, const char *name)
{
	for (size_t i = 0; i < master->npools; i++)
		if (strcmp(master->pools[i]->config->name, name) == 0)
			return master->pools[i];
	return NULL;
}

static struct program *program_named(const struct master *master, const char *name)
{
	for (size_t i = 0; i < master->nprograms; i++)
		if (strcmp(master->programs[i]->config->name, name) == 0)
			return master->programs[i];
	return NULL;
}

/* Is something not as the file said when it was read last, because that failed? The same file is applied again then. */
static bool is_half_done(const struct master *master)
{
	const struct config *config = master->config;

	for (size_t i = 0; i < config->npools; i++) {
		const struct pool *pool = pool_named(master, config->pools[i].name);

		if (!pool || !pool_is_of(pool, config))
			return true;
	}
	for (size_t i = 0; i < config->nprograms; i++) {
		const struct program *program = program_named(master, config->programs[i].name);

		if (!program || !program_is_of(program, config))
			return true;
	}
	return false;
}

static void say_failed(struct control_reply *reply, const char *word, const char *name, const char *how,
                       const struct ym_err *err)
{
	log_line(LOG_ERROR, "reload: %s %s %s: %s", word, name, how, err->text);
	if (reply)
		control_refuse(reply, err->class, "%s %s %s: %s", word, name, how, err->text);
}

static void failed(struct control_reply *reply, const char *word, const char *name, const struct ym_err *err)
{
	say_failed(reply, word, name, "goes on as it was", err);
}

/* The whole instance has an option that each of its workers was told. */
static bool all_pools(const struct cfg_changes *changes)
{
	const struct cfg_change *change = cfg_changes_of(changes, CFG_YARDMASTER, "");

	return change && change->effect >= CFG_EFFECT_ROLL;
}

static int change_pool(struct master *master, struct pool *pool, const struct cfg_pool *config, bool roll,
                       struct ym_err *err)
{
	int result;

	if (ym_group_lock(&master->instance.group, err) < 0)
		return -1;
	result = pool_apply(pool, config, roll, err);
	ym_group_unlock(&master->instance.group);
	return result;
}

static void apply_pools(struct master *master, const struct config *new, const struct cfg_changes *changes,
                        struct control_reply *reply)
{
	struct ym_err err;

	for (size_t i = 0; i < master->npools; i++)
		if (!master->pools[i]->removed && cfg_changes_of(changes, CFG_POOL, master->pools[i]->config->name) &&
		    cfg_changes_of(changes, CFG_POOL, master->pools[i]->config->name)->what == CFG_REMOVED)
			pool_remove(master->pools[i]);
	for (size_t i = 0; i < new->npools; i++) {
		const struct cfg_pool *config = &new->pools[i];
		const struct cfg_change *change = cfg_changes_of(changes, CFG_POOL, config->name);
		struct pool *pool = pool_named(master, config->name);
		int result = 0;

		if (!pool)
			result = ground_add_pool(master, config, &err);
		else if (pool->removed || all_pools(changes) || change || !pool_is_of(pool, master->config))
			result = change_pool(master, pool, config, change && change->effect >= CFG_EFFECT_ROLL, &err);
		else
			pool_point(pool, config);
		if (result < 0)
			say_failed(reply, "pool", config->name, pool ? "goes on as it was" : "cannot be added", &err);
	}
	master->has_timeouts = false;
	for (size_t i = 0; i < master->npools; i++) {
		pool_enter_crash_rule(master->pools[i]);
		master->has_timeouts |= master->pools[i]->config->timeout_ms > 0;
	}
}

int reload_add_program(struct master *master, const struct cfg_program *config, struct ym_err *err)
{
	struct program **programs = realloc(master->programs, (master->nprograms + 1) * sizeof(struct program *));
	struct program *program;

	if (!programs)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	master->programs = programs;
	program = program_make(&master->yard, master->roster, config, err);
	if (!program)
		return -1;
	if (supervisor_add(&master->supervisor, &program->unit, err) < 0) {
		program_free(program);
		return -1;
	}
	master->programs[master->nprograms++] = program;
	return 0;
}

static void apply_programs(struct master *master, const struct config *new, const struct cfg_changes *changes,
                           struct control_reply *reply)
{
	struct ym_err err;

	for (size_t i = 0; i < master->nprograms; i++) {
		const struct cfg_change *change =
		    cfg_changes_of(changes, CFG_PROGRAM, master->programs[i]->config->name);

		if (!master->programs[i]->removed && change && change->what == CFG_REMOVED)
			program_remove(master->programs[i]);
	}
	for (size_t i = 0; i < new->nprograms; i++) {
		const struct cfg_program *config = &new->programs[i];
		const struct cfg_change *change = cfg_changes_of(changes, CFG_PROGRAM, config->name);
		struct program *program = program_named(master, config->name);
		int result = 0;

		if (!program)
			result = reload_add_program(master, config, &err);
		else if (change || program->removed || !program_is_of(program, master->config))
			result = program_apply(program, config,
			                       program->removed || !change || change->effect >= CFG_EFFECT_ROLL, &err);
		else
			program_point(program, config);
		if (result < 0)
			say_failed(reply, "program", config->name, program ? "goes on as it was" : "cannot be added",
			           &err);
	}
}

static void apply_instance(struct master *master, const struct config *new, struct control_reply *reply)
{
	struct ym_err err;

	master->yard.config = &new->instance;
	publish_configure(master->publish, &new->instance);
	atomic_store(&master->instance.table->result_ttl_ns, (uint64_t) new->instance.result_ttl_ms * 1000000u);
	if (log_configure(&new->instance, &err) < 0)
		failed(reply, "the", "log", &err);
	if (ym_group_lock(&master->instance.group, &err) < 0) {
		failed(reply, "the", "limits", &err);
		return;
	}
	if (ground_enter_limits(master, new, &err) < 0)
		failed(reply, "the", "limits", &err);
	ym_group_unlock(&master->instance.group);
}

static void apply(struct master *master, struct config *new, const struct cfg_changes *changes,
                  struct control_reply *reply)
{
	struct ym_err err;

	apply_instance(master, new, reply);
	apply_pools(master, new, changes, reply);
	apply_programs(master, new, changes, reply);
	if (cron_keeper_apply(master->crons, new, &err) < 0)
		failed(reply, "the", "cron table", &err);
	clerk_configure(master->clerk, new);
	supervisor_sort(&master->supervisor);
	/* What is still there of the old one (a pool whose last jobs run) points into it. */
	new->former = master->config;
	master->config = new;
	atomic_fetch_add(&master_board(master)->reloads, 1);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* The new configuration and what is different; NULL when it was refused. */
static struct config *prepare(struct master *master, struct cfg_changes *changes, struct control_reply *reply)
{
	struct config *new = calloc(1, sizeof(*new));

	if (new &&check_file(master, reply) && read_file(master, new, reply)) {
		if (cfg_diff(master->config, new, changes) == 0) {
			if (can_apply(changes, reply) && has_room(master, new, reply))
				return new;
			cfg_changes_free(changes);
		} else {
			refuse(reply, "out of memory");
		}
		config_free(new);
	}
	free(new);
	return NULL;
}

void reload_dry_run(struct master *master, struct control_reply *reply)
{
	struct cfg_changes changes;
	struct config *new = prepare(master, &changes, reply);

	if (!new)
		return;
	if (changes.count)
		tell_changes(reply, TELL_ONLY, &changes);
	else
		control_say(reply, "nothing would change");
	cfg_changes_free(&changes);
	config_free(new);
	free(new);
}

void reload_file(struct master *master, struct control_reply *reply)
{
	struct cfg_changes changes;
	struct config *new;

	if (master->yard.stopping || master->yard.lost) {
		log_line(LOG_WARN, "reload: not now, the instance %s",
		         master->yard.stopping ? "is stopping" : "is being made anew");
		return;
	}
	notify_reloading();
	new = prepare(master, &changes, reply);
	if (new && (changes.count || is_half_done(master))) {
		tell_changes(reply, TELL, &changes);
		if (!changes.count)
			tell(reply, "nothing has changed; what could not be applied last time is tried again");
		apply(master, new, &changes, reply);
	} else if (new) {
		tell(reply, "nothing has changed");
		config_free(new);
		free(new);
	}
	if (new)
		cfg_changes_free(&changes);
	notify_ready();
	rounds_units(master);
	rounds_soon(master);
}
