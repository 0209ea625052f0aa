/* configured.c - load, check, and try the plugins in a process of their own. */
#include "configured.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "../spawn.h"
#include "command.h"

/*
 * Plugins load only in workers: a broken one (or one whose constructor crashes) must not take the master along. What
 * is wrong with it the child says itself. Returns the class of the result.
 */
static int try_plugin(const struct cfg_pool *pool)
{
	char *argv[] = {(char[]){"yardmaster"}, (char[]){"worker"}, (char[]){"--probe"}, pool->plugin, NULL};
	struct spawn spawn = {.argv = argv, .brief = -1};
	struct ym_err err;
	struct pollfd ended;
	int pidfd, status;
	char how[80];

	if (spawn_self(&spawn, &pidfd, &err) < 0)
		return command_fail(&err);
	ended = (struct pollfd){.fd = pidfd, .events = POLLIN};
	while (poll(&ended, 1, -1) < 0 && errno == EINTR)
		;
	if (!spawn_reap(pidfd, &status))
		status = -1;
	close(pidfd);
	if (status == 0)
		return 0;
	/* A code of ours came with a message; anything else means that the plugin broke the process. */
	if (status == ym_err_exit_code(YM_ERR_CONFIG) << 8)
		return ym_err_exit_code(YM_ERR_CONFIG);
	spawn_status_text(status, how, sizeof(how));
	fprintf(stderr, "plugin %s: loading it broke the process: it %s\n", pool->plugin, how);
	return ym_err_exit_code(YM_ERR_CONFIG);
}

int configured_load(const char *path, struct config *config)
{
	struct cfg_problems problems;
	int code = 0;

	if (config_load(path, config, &problems) < 0) {
		cfg_problems_print(path, &problems, stderr);
		cfg_problems_free(&problems);
		return ym_err_exit_code(YM_ERR_CONFIG);
	}
	for (size_t i = 0; i < config->npools; i++) {
		int result = try_plugin(&config->pools[i]);

		if (result)
			fprintf(stderr, "%s:%d: [pool:%s] cannot run with this plugin\n", path, config->pools[i].line,
			        config->pools[i].name);
		code = result ? result : code;
	}
	if (code)
		config_free(config);
	return code;
}
