/* run.c - `yardmaster run FILE`: the master, in the foreground or in the background. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../config/values.h"
#include "../daemon.h"
#include "../identity.h"
#include "../master.h"
#include "../upgrade.h"
#include "command.h"
#include "configured.h"

/* What the image before this one has left (see upgrade.h); -1: we were started, not upgraded. */
static int handed_over(void)
{
	const char *text = getenv(UPGRADE_ENV);
	int fd = text ? (int)strtol(text, NULL, 10) : -1;

	unsetenv(UPGRADE_ENV);
	return fd;
}

/* The directory may be another one by the time the file is removed. */
static char *absolute_path(const char *path, struct ym_err *err)
{
	char *here = getcwd(NULL, 0), *out;

	if (!here && path[0] != '/') {
		ym_fail_sys(err, errno, "getcwd() to find the pid file \"%s\"", path);
		return NULL;
	}
	out = cfg_resolve_path(here ? here : "", path);
	free(here);
	if (!out)
		ym_fail(err, YM_ERR_LIMIT, "out of memory");
	return out;
}

static int run(const struct args *args)
{
	struct master_options options = {.resume = handed_over()};
	char *pidfile = NULL;
	struct config *config = calloc(1, sizeof(*config));
	struct ym_err err;
	int code;

	if (!config) {
		fprintf(stderr, "yardmaster run: out of memory\n");
		return ym_err_exit_code(YM_ERR_LIMIT);
	}
	/* An image that takes over has tried the file before. */
	code = options.resume >= 0 ? configured_read(args->rest[0], config) : configured_load(args->rest[0], config);
	if (code) {
		free(config);
		return code;
	}
	if (args_value(args, "pidfile")) {
		pidfile = absolute_path(args_value(args, "pidfile"), &err);
		if (!pidfile)
			return command_fail(&err);
		options.pidfile = pidfile;
	}
	if (identity_take(&config->instance, &err) < 0)
		return command_fail(&err);
	if (args_flag(args, "detach") && options.resume < 0 && daemon_detach(&err) < 0)
		return command_fail(&err);
	code = master_run(config, &options);
	free(pidfile);
	return code;
}

static const struct option_row options[] = {
    {"detach", 'd', NULL, "go on in the background as soon as everything is up"},
    {"pidfile", 0, "FILE", "write the pid into this file, and hold it against a second one"},
    {0},
};

const struct command command_run = {
    .verb = "run",
    .usage = "[OPTIONS] FILE",
    .summary = "start the master with the pools and programs of an INI file",
    .text = "In the foreground, the log goes to stderr if the file does not say otherwise. SIGTERM or SIGINT stops in\n"
	    "order: running jobs finish within the pool's stopwaitsecs, then they are asked to give up, then killed;\n"
	    "a second signal speeds that up. Jobs that still wait are kept for the next start. SIGHUP reads the file\n"
	    "anew, like `yardmaster reload`; SIGUSR2 opens the log files anew.",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
