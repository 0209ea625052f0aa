/* check.c - `yardmaster check FILE`: everything that would keep `run` from starting, without starting. */
#include <stdio.h>

#include "command.h"
#include "configured.h"

static int check(const struct args *args)
{
	struct config config;
	int64_t workers = 0;
	int code;

	if (args_flag(args, "options")) {
		config_print_options(stdout);
		return 0;
	}
	if (args->nrest == 0) {
		fprintf(stderr, "yardmaster check: name the INI file\n");
		return ym_err_exit_code(YM_ERR_USAGE);
	}
	code = configured_load(args->rest[0], &config);
	if (code)
		return code;
	for (size_t i = 0; i < config.npools; i++)
		workers += config.pools[i].workers_max;
	printf("%s: ok: instance %s, pools: %zu, workers: %lld, limits: %zu, programs: %zu, crons: %zu\n",
	       args->rest[0], config.instance.name, config.npools, (long long)workers, config.nlimits, config.nprograms,
	       config.ncrons);
	if (config.npools)
		printf("jobs are kept in memory: they survive crashes and restarts of Yardmaster, but no reboot\n");
	config_free(&config);
	return 0;
}

static const struct option_row options[] = {
    {"options", 0, NULL, "list every option of the INI with its default instead"},
    {0},
};

const struct command command_check = {
    .verb = "check",
    .usage = "FILE | --options",
    .summary = "check an INI file, its plugins and commands: every mistake with file:line",
    .options = options,
    .least = 0,
    .most = 1,
    .run = check,
};
