/* run.c - `yardmaster run FILE`: the master, in the foreground. */
#include "../master.h"
#include "command.h"
#include "configured.h"

static int run(const struct args *args)
{
	struct config config;
	int code = configured_load(args->rest[0], &config);

	if (code)
		return code;
	code = master_run(&config);
	config_free(&config);
	return code;
}

static const struct option_row options[] = {{0}};

const struct command command_run = {
    .verb = "run",
    .usage = "FILE",
    .summary = "start the master with the pools of an INI file, in the foreground",
    .text = "The log goes to stderr. SIGTERM or SIGINT stops in order: running jobs finish within the pool's\n"
	    "stopwaitsecs, then they are asked to give up, then killed; a second signal speeds that up. Jobs that\n"
	    "still wait are kept for the next start.",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
