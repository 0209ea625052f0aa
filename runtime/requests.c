/* requests.c - the verbs. */
#include "requests.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../config/nearest.h"
#include "../config/types.h"
#include "../config/values.h"
#include "log.h"
#include "reload.h"
#include "rounds.h"
#include "upgrade.h"

typedef void handler(struct master *master, const struct control_request *request, struct control_reply *reply);

static struct unit *find(struct master *master, const char *name, struct control_reply *reply)
{
	struct unit *unit = supervisor_find(&master->supervisor, name);
	struct cfg_nearest nearest = {.word = name};
	const char *colon = strchr(name, ':');

	for (size_t i = 0; !unit && colon && i < master->supervisor.nunits; i++) {
		const char *program = master->supervisor.units[i]->name;

		if (strncmp(name, program, (size_t)(colon - name)) != 0 || program[colon - name])
			continue;
		/* As `status` shows them, and supervisorctl takes them. */
		control_refuse(reply, YM_ERR_USAGE,
		               "\"%s\" is of program %s: name the whole program; only `signal` takes one process, as "
		               "%s/NUMBER",
		               name, program, program);
		return NULL;
	}
	for (size_t i = 0; !unit && i < master->supervisor.nunits; i++)
		cfg_nearest_offer(&nearest, master->supervisor.units[i]->name);
	if (!unit && nearest.best)
		control_refuse(reply, YM_ERR_USAGE, "no pool or program \"%s\": did you mean \"%s\"?", name,
		               nearest.best);
	else if (!unit)
		control_refuse(reply, YM_ERR_USAGE,
		               "no pool or program \"%s\": `yardmaster status` lists them (an instance is named with "
		               "--instance)",
		               name);
	return unit;
}

static struct pool *find_pool(struct master *master, const char *name, struct control_reply *reply)
{
	const struct unit *unit = find(master, name, reply);

	for (size_t i = 0; unit && i < master->npools; i++)
		if (unit == &master->pools[i]->unit)
			return master->pools[i];
	if (unit)
		control_refuse(reply, YM_ERR_USAGE,
		               "%s is a program: how many processes it has is said by `numprocs` and a reload", name);
	return NULL;
}

/* Nothing new is begun any more. */
static bool refuses(const struct master *master, struct control_reply *reply)
{
	if (master->yard.stopping)
		control_refuse(reply, YM_ERR_NO, "instance %s is stopping", master->instance.name);
	else if (master->yard.lost)
		control_refuse(reply, YM_ERR_NO,
		               "the IPC objects of instance %s were removed and are being made anew: try again",
		               master->instance.name);
	return master->yard.stopping || master->yard.lost;
}

/* ---- scale ----------------------------------------------------------------------------------- */

/* "8" or "2..16" */
static bool parse_size(const char *text, int64_t *least, int64_t *most)
{
	const char *dots = strstr(text, "..");
	char why[CFG_WHY_MAX], low[24];

	if (!dots) {
		if (cfg_parse_integer(text, most, why) < 0)
			return false;
		*least = *most;
		return *least >= 0;
	}
	snprintf(low, sizeof(low), "%.*s", (int)(dots - text < 20 ? dots - text : 20), text);
	return cfg_parse_integer(low, least, why) == 0 && cfg_parse_integer(dots + 2, most, why) == 0 && *least >= 0 &&
	       *least <= *most;
}

static void scale(struct master *master, const struct control_request *request, struct control_reply *reply)
{
	struct table_pool_sh *row;
	int64_t least, most, rows;
	struct pool *pool;

	if (request->nargs != 2) {
		control_refuse(reply, YM_ERR_USAGE, "scale takes a pool and a number of workers");
		return;
	}
	pool = refuses(master, reply) ? NULL : find_pool(master, request->args[0], reply);
	if (!pool)
		return;
	rows = (int64_t)master->instance.board->instance.rows;
	if (!parse_size(request->args[1], &least, &most)) {
		control_refuse(reply, YM_ERR_USAGE, "%s is no number of workers: write 8, or 2..16", request->args[1]);
		return;
	}
	if (most > rows) {
		control_refuse(reply, YM_ERR_FULL,
		               "%lld workers: this instance has room for %lld in all pools (a larger `workers_room` "
		               "applies at the next start)",
		               (long long)most, (long long)rows);
		return;
	}
	row = &master->instance.table->pools[pool->index];
	atomic_store(&row->scale_min, (int32_t)least);
	atomic_store(&row->scale_max, (int32_t)most);
	atomic_store(&row->scaled, 1);
	log_line(LOG_INFO, "pool %s: %u workers wanted so far, scaled to %s by process %ld", pool->config->name,
	         pool->crew.wanted, request->args[1], request->pid);
	crew_size(pool);
	rounds_units(master);
	rounds_soon(master);
	control_say(reply, "pool %s: %s workers, until the next reload that changes `workers`, or the next start",
	            pool->config->name, request->args[1]);
}

/* ---- start, stop, restart -------------------------------------------------------------------- */

/* All that are named exist, or nothing is done. */
static bool know_all(struct master *master, const struct control_request *request, struct control_reply *reply)
{
	bool known = true;

	for (size_t i = 0; i < request->nargs; i++)
		known &= find(master, request->args[i], reply) != NULL;
	if (request->nargs == 0 && !control_flag(request, "all")) {
		control_refuse(reply, YM_ERR_USAGE, "name pools or programs, or say --all");
		return false;
	}
	return known;
}

static bool is_removed(const struct master *master, const struct unit *unit)
{
	for (size_t i = 0; i < master->npools; i++)
		if (unit == &master->pools[i]->unit)
			return master->pools[i]->removed;
	for (size_t i = 0; i < master->nprograms; i++)
		if (unit == &master->programs[i]->unit)
			return master->programs[i]->removed;
	return false;
}

/* Those that are named, or all that the configuration has. */
static void each(struct master *master, const struct control_request *request, struct control_reply *reply,
                 void (*act)(struct master *master, struct unit *unit, struct control_reply *reply))
{
	for (size_t i = 0; i < request->nargs; i++)
		act(master, supervisor_find(&master->supervisor, request->args[i]), reply);
	for (size_t i = 0; request->nargs == 0 && i < master->supervisor.nunits; i++)
		if (!is_removed(master, master->supervisor.units[i]))
			act(master, master->supervisor.units[i], reply);
	/* Who waits for it looks at the board from the answer on. */
	rounds_units(master);
	rounds_soon(master);
}

static void start_one(struct master *master, struct unit *unit, struct control_reply *reply)
{
	if (is_removed(master, unit)) {
		control_refuse(reply, YM_ERR_NO,
		               "%s %s was taken out of the configuration: it goes when its last process has ended",
		               unit->ops->word, unit->name);
		return;
	}
	if (unit->wanted && unit->up && unit->ops->ready(unit)) {
		control_say(reply, "%s %s is running already", unit->ops->word, unit->name);
		return;
	}
	unit->wanted = true;
	/* One that has given up, or has ended: from the beginning. */
	if (unit->up)
		unit->ops->start(unit);
	log_line(LOG_INFO, "%s %s is to start, as was asked for", unit->ops->word, unit->name);
	control_say(reply, "%s %s starts", unit->ops->word, unit->name);
}

static void start(struct master *master, const struct control_request *request, struct control_reply *reply)
{
	if (!refuses(master, reply) && know_all(master, request, reply))
		each(master, request, reply, start_one);
}

static void stop_one(struct master *master, struct unit *unit, struct control_reply *reply)
{
	(void)master;
	unit->wanted = false;
	log_line(LOG_INFO, "%s %s is to stop, as was asked for", unit->ops->word, unit->name);
	control_say(reply, "%s %s stops; `yardmaster start %s` starts it again", unit->ops->word, unit->name,
	            unit->name);
}

static void stop(struct master *master, const struct control_request *request, struct control_reply *reply)
{
	if (refuses(master, reply) || !know_all(master, request, reply))
		return;
	each(master, request, reply, stop_one);
	if (!control_flag(request, "now"))
		return;
	/* The stop itself was the first step. */
	for (size_t i = 0; i < request->nargs; i++) {
		struct unit *unit = supervisor_find(&master->supervisor, request->args[i]);

		unit->ops->press(unit);
	}
	if (request->nargs == 0)
		supervisor_press(&master->supervisor);
}

static void restart_one(struct master *master, struct unit *unit, struct control_reply *reply)
{
	struct ym_err err;

	if (!unit->up) {
		start_one(master, unit, reply);
		return;
	}
	if (unit->ops->roll(unit, &err) < 0) {
		control_refuse(reply, err.class, "%s %s goes on as it is: %s", unit->ops->word, unit->name, err.text);
		return;
	}
	log_line(LOG_INFO, "%s %s: all its processes are to be replaced, as was asked for", unit->ops->word,
	         unit->name);
	control_say(reply, "%s %s: its processes are being replaced", unit->ops->word, unit->name);
}

static void restart(struct master *master, const struct control_request *request, struct control_reply *reply)
{
	if (!refuses(master, reply) && know_all(master, request, reply))
		each(master, request, reply, restart_one);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void reload(struct master *master, const struct control_request *request, struct control_reply *reply)
{
	if (refuses(master, reply))
		return;
	if (control_flag(request, "dry-run"))
		reload_dry_run(master, reply);
	else
		reload_file(master, reply);
}

static void upgrade(struct master *master, const struct control_request *request, struct control_reply *reply)
{
	(void)request;
	if (!refuses(master, reply))
		upgrade_ask(master, reply);
}

static void reopen(struct master *master, const struct control_request *request, struct control_reply *reply)
{
	(void)master;
	(void)request;
	log_reopen();
	control_say(reply, "the log files are opened anew");
}

static int signal_number(const char *word)
{
	char why[CFG_WHY_MAX];
	int64_t number;

	if (cfg_parse_signal(word, &number, why) < 0)
		return -1;
	return (int)number;
}

static unsigned signal_pool(struct pool *pool, long number, int signo)
{
	unsigned sent = 0;

	for (size_t i = 0; i < pool->crew.nplaces; i++) {
		struct place *place = pool->crew.places[i];

		if (!place->child.process || (number >= 0 && place->row != (unsigned)number))
			continue;
		child_signal(&place->child, signo);
		sent++;
	}
	return sent;
}

static unsigned signal_program(struct program *program, long number, int signo)
{
	unsigned sent = 0;

	for (size_t i = 0; i < program->ncopies; i++) {
		struct copy *copy = program->copies[i];

		if (!copy->child.process || (number >= 0 && copy->number != number))
			continue;
		child_signal(&copy->child, signo);
		sent++;
	}
	return sent;
}

/* The number behind the slash; -1: there is no slash, -2: it is no number. */
static long number_of(const char *target)
{
	const char *slash = strchr(target, '/');
	char why[CFG_WHY_MAX];
	int64_t number = -1;

	if (slash && (cfg_parse_integer(slash + 1, &number, why) < 0 || number < 0))
		return -2;
	return (long)number;
}

/* NAME or NAME/NUMBER */
static void send_signal(struct master *master, const struct control_request *request, struct control_reply *reply)
{
	char name[256]; /* also what is no name, to say so */
	unsigned sent = 0;
	long number;
	int signo;

	if (request->nargs != 2 || (number = number_of(request->args[0])) < -1 ||
	    (signo = signal_number(request->args[1])) <= 0) {
		control_refuse(reply, YM_ERR_USAGE, "signal takes NAME or NAME/NUMBER, and a signal such as HUP or 1");
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(request->args[0], "/"), request->args[0]);
	if (!find(master, name, reply))
		return;
	for (size_t i = 0; i < master->npools; i++)
		if (strcmp(master->pools[i]->config->name, name) == 0)
			sent += signal_pool(master->pools[i], number, signo);
	for (size_t i = 0; i < master->nprograms; i++)
		if (strcmp(master->programs[i]->config->name, name) == 0)
			sent += signal_program(master->programs[i], number, signo);
	log_line(LOG_INFO, "%s: signal %d sent to %u process%s, as was asked for", request->args[0], signo, sent,
	         sent == 1 ? "" : "es");
	if (sent)
		control_say(reply, "%s: signal %d sent to %u process%s", request->args[0], signo, sent,
		            sent == 1 ? "" : "es");
	else
		control_refuse(reply, YM_ERR_NO, "%s has no such process", request->args[0]);
}

static const struct {
	const char *verb;
	handler *handle;
} verbs[] = {
    {"scale", scale},   {"start", start},     {"stop", stop},     {"restart", restart},
    {"reload", reload}, {"upgrade", upgrade}, {"reopen", reopen}, {"signal", send_signal},
};

static void handle_request(void *arg, const struct control_request *request, struct control_reply *reply)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].verb, request->verb) != 0)
			continue;
		verbs[i].handle(arg, request, reply);
		return;
	}
	control_refuse(reply, YM_ERR_USAGE,
	               "this master (version " YM_VERSION ") does not know the request \"%s\": is it of an older "
	               "version than the command?",
	               request->verb);
}

int requests_open(struct master *master, struct ym_err *err)
{
	return control_open(&master->control, &master->loop, master->instance.directory, handle_request, master, err);
}
