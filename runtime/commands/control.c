/* control.c - `yardmaster scale, restart, start, stop NAME, reload, reopen, signal, upgrade`: what the master is asked for. */
#include "control.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "../../ipc/sys.h"
#include "../control.h"
#include "settle.h"

/* The longest that the master may take for an answer; and until one that is just starting listens. */
#define ANSWER_MS        30000
#define STARTING_MS      5000
#define STARTING_LOOK_NS 10000000

/* The usual longest time of an upgrade. */
#define UPGRADE_MS      30000
#define UPGRADE_PING_MS 1000
#define UPGRADE_LOOK_NS 10000000

/* Verbs that --wait waits for, and what has happened then. */
#define SETTLE_MAP(X)                                                                                                  \
	X(restart, "restarted")                                                                                        \
	X(start, "started")                                                                                            \
	X(stop, "stopped")

static const struct {
	const char *verb, *word;
} settle_words[] = {
#define X(verb, word) {#verb, word},
    SETTLE_MAP(X)
#undef X
};

/* NULL: nothing to wait for on the board. */
static const char *settle_word(const struct args *args)
{
	for (size_t i = 0; i < sizeof(settle_words) / sizeof(settle_words[0]); i++)
		if (strcmp(settle_words[i].verb, args->command->verb) == 0)
			return settle_words[i].word;
	return NULL;
}

/* The master has nothing to do with this one. */
#define FLAG_WAIT "wait"

static bool is_flag(const struct args *args, int row)
{
	const struct option_row *option = &args->command->options[row];

	return args->values[row] && !option->argument && strcmp(option->name, FLAG_WAIT) != 0;
}

static int call(const struct args *args, const struct instance *instance, struct ym_err *err)
{
	const char *flags[COMMAND_OPTIONS_MAX];
	struct control_request request = {.verb = args->command->verb,
	                                  .args = (const char *const *)args->rest,
	                                  .nargs = (size_t)args->nrest,
	                                  .flags = flags};

	for (int i = 0; args->command->options[i].name; i++)
		if (is_flag(args, i))
			flags[request.nflags++] = args->command->options[i].name;
	return control_ask(instance->directory, &request, ANSWER_MS, err);
}

/* A master that is just starting, or becoming another program, does not listen for a moment. */
static int ask(const struct args *args, const struct instance *instance, struct ym_err *err)
{
	uint64_t deadline = ym_deadline(STARTING_MS);
	struct ym_group_look look;
	int code;

	while ((code = call(args, instance, err)) < 0 && err->class == YM_ERR_NOT_RUNNING) {
		if (ym_group_look(instance->directory, &look, NULL) < 0 || !look.leader)
			return ym_err_prefix(err, "instance %s", instance->name);
		if (ym_now_ns() >= deadline)
			return ym_fail(err, YM_ERR_TIMEOUT,
			               "instance %s: its master (pid %ld) is there, but does not listen in %s",
			               instance->name, (long)look.leader, instance->directory);
		ym_nap(STARTING_LOOK_NS);
	}
	return code < 0 ? ym_err_prefix(err, "instance %s", instance->name) : code;
}

/* ---- upgrade --------------------------------------------------------------------------------- */

static int await_upgrade(const struct instance *instance, const struct control_pong *old, uint64_t deadline,
                         struct ym_err *err)
{
	struct control_pong now;

	for (;;) {
		bool answered = control_ping(instance->directory, UPGRADE_PING_MS, &now, NULL) == 0;

		if (answered && now.pid != old->pid)
			return ym_fail(
			    err, YM_ERR_GONE,
			    "instance %s: its master (pid %ld) ended in the upgrade; another one (pid %ld, version "
			    "%s) has taken over",
			    instance->name, old->pid, now.pid, now.version);
		if (answered && now.since != old->since)
			break;
		if (!answered && kill((pid_t)old->pid, 0) < 0 && errno == ESRCH)
			return ym_fail(err, YM_ERR_NOT_RUNNING,
			               "instance %s: its master (pid %ld) ended in the upgrade: its log says why",
			               instance->name, old->pid);
		if (ym_now_ns() >= deadline)
			return ym_fail(err, YM_ERR_TIMEOUT,
			               answered
			                   ? "instance %s: its master (pid %ld) still is what it was, version %s: its "
			                     "log says why"
			                   : "instance %s: its master (pid %ld, before: version %s) does not answer",
			               instance->name, old->pid, old->version);
		ym_nap(UPGRADE_LOOK_NS);
	}
	printf("instance %s: version %s runs (master pid %ld, before: version %s)\n", instance->name, now.version,
	       now.pid, old->version);
	return 0;
}

static int upgrade(const struct args *args)
{
	struct instance instance;
	struct control_pong old;
	struct ym_err err;
	int64_t timeout;
	bool wait = args_flag(args, FLAG_WAIT);
	int code;

	if (args_duration(args, "timeout", UPGRADE_MS, &timeout, &err) < 0 || args_instance(args, &instance, &err) < 0)
		return command_fail(&err);
	if (wait && control_ping(instance.directory, ANSWER_MS, &old, &err) < 0) {
		ym_err_prefix(&err, "instance %s", instance.name);
		return command_fail(&err);
	}
	code = ask(args, &instance, &err);
	if (code == 0 && wait) {
		fflush(stdout);
		code = await_upgrade(&instance, &old, ym_deadline(timeout), &err);
	}
	return code < 0 ? command_fail(&err) : code;
}

/* ---- the others ------------------------------------------------------------------------------ */

/* 1: there is something to wait for. */
static int read_wait(const struct args *args, uint64_t *deadline, struct ym_err *err)
{
	int64_t timeout;

	if (!settle_word(args))
		return 0;
	if (args_flag(args, "timeout") && !args_flag(args, FLAG_WAIT))
		return ym_fail(err, YM_ERR_USAGE, "--timeout goes with --wait");
	if (args_duration(args, "timeout", -1, &timeout, err) < 0)
		return -1;
	*deadline = ym_deadline(timeout);
	return args_flag(args, FLAG_WAIT);
}

static void print_settled(const struct args *args, const struct instance *instance)
{
	const char *word = settle_word(args);

	if (args->nrest == 0)
		printf("instance %s: everything %s\n", instance->name, word);
	for (int i = 0; i < args->nrest; i++)
		printf("%s: %s\n", args->rest[i], word);
}

int control_run(const struct args *args)
{
	struct instance instance;
	struct ym_err err;
	uint64_t deadline = YM_NEVER;
	int wait = read_wait(args, &deadline, &err), code;

	if (wait < 0 || args_instance(args, &instance, &err) < 0)
		return command_fail(&err);
	code = ask(args, &instance, &err);
	if (code < 0)
		return command_fail(&err);
	if (code > 0 || !wait)
		return code;
	fflush(stdout);
	if (settle_await(&instance, args->rest, deadline, &err) < 0)
		return command_fail(&err);
	print_settled(args, &instance);
	return 0;
}

int control_run_named(const struct args *args)
{
	struct ym_err err;

	if (!args_flag(args, "all") == (args->nrest > 0))
		return control_run(args);
	ym_fail(&err, YM_ERR_USAGE, "%s what? Give names, or --all for everything", args->command->verb);
	return command_fail(&err);
}

static const struct option_row plain_options[] = {INSTANCE_OPTIONS, {0}};

#define WAIT_OPTIONS                                                                                                   \
	{FLAG_WAIT, 'w', NULL, "wait until it is done"},                                                               \
	{                                                                                                              \
		"timeout", 0, "TIME", "with --wait: not longer than this (exit code 1); the master goes on"            \
	}

static const struct option_row named_options[] = {INSTANCE_OPTIONS, ALL_OPTION, WAIT_OPTIONS, {0}};

static const struct option_row reload_options[] = {
    INSTANCE_OPTIONS,
    {"dry-run", 'n', NULL, "only check the file and say what would change"},
    {0},
};

static const struct option_row upgrade_options[] = {
    INSTANCE_OPTIONS,
    {FLAG_WAIT, 'w', NULL, "wait until the new program answers; say which version it is"},
    {"timeout", 0, "TIME", "with --wait: not longer than this (exit code 1); default: 30s"},
    {0},
};

const struct command command_scale = {
    .verb = "scale",
    .usage = "POOL N|MIN..MAX [OPTIONS]",
    .summary = "change how many workers a pool has",
    .text = "N keeps that many; MIN..MAX grows and shrinks with the work. Workers that are too many finish their job\n"
	    "first. It lasts until the instance is stopped, or a reload changes `workers` of the pool.",
    .options = plain_options,
    .least = 2,
    .most = 2,
    .run = control_run,
};

const struct command command_restart = {
    .verb = "restart",
    .usage = "NAME ... | --all [OPTIONS]",
    .summary = "replace the processes of pools and programs by new ones",
    .text = "A pool rolls: new workers start before old ones end, old ones finish their job, and there are never\n"
	    "fewer than configured. The processes of a program are replaced one after the other, each stopped before\n"
	    "its successor starts. A plugin or program that was built anew is picked up.",
    .options = named_options,
    .most = -1,
    .run = control_run_named,
};

const struct command command_start = {
    .verb = "start",
    .usage = "NAME ... | --all [OPTIONS]",
    .summary = "start pools and programs that are stopped, or were given up",
    .text = "--all also starts those with `autostart = false`.",
    .options = named_options,
    .most = -1,
    .run = control_run_named,
};

const struct command command_reload = {
    .verb = "reload",
    .usage = "[OPTIONS]",
    .summary = "read the INI file again and apply what has changed",
    .text = "The whole file is checked first: with a mistake in it, everything stays as it is (exit code 2).",
    .options = reload_options,
    .run = control_run,
};

const struct command command_reopen = {
    .verb = "reopen",
    .usage = "[OPTIONS]",
    .summary = "close the log files and open them by their names again",
    .text = "For programs that rename log files, such as logrotate.",
    .options = plain_options,
    .run = control_run,
};

const struct command command_signal = {
    .verb = "signal",
    .usage = "NAME[/N] SIGNAL [OPTIONS]",
    .summary = "send a signal to the processes of a pool or program, or to one of them",
    .text = "SIGNAL is a name such as HUP or SIGUSR2, or a number.",
    .options = plain_options,
    .least = 2,
    .most = 2,
    .run = control_run,
};

const struct command command_upgrade = {
    .verb = "upgrade",
    .usage = "[OPTIONS]",
    .summary = "let the master become the program that is installed now",
    .text = "It keeps its pid and its children: no job is disturbed, and no process that need not be is restarted.",
    .options = upgrade_options,
    .run = upgrade,
};
