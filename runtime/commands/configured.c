/* configured.c - load, check, try the plugins in a process of their own, look for the programs of commands. */
#include "configured.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../launch.h"
#include "../recipe.h"
#include "../spawn.h"
#include "../trust.h"
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
	if (!spawn_reap(pidfd, &status, NULL))
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

/* 0 if `path` is a file that can be run, else the errno that says why not. */
static int why_not_run(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	return access(path, X_OK) < 0 ? errno : 0;
}

/* Is the program in one of the directories of `path`? */
static bool in_path(const char *program, const char *path)
{
	char candidate[PATH_MAX];

	for (;; path++) {
		size_t length = strcspn(path, ":");

		/* An empty entry is the current directory. */
		if (snprintf(candidate, sizeof(candidate), "%.*s%s%s", (int)length, path, length ? "/" : "./",
		             program) < (int)sizeof(candidate) &&
		    why_not_run(candidate) == 0)
			return true;
		path += length;
		if (!*path)
			return false;
	}
}

static int try_program(const char *program)
{
	const char *path = getenv("PATH");
	int failed;

	if (!path)
		path = "/bin:/usr/bin"; /* as execvp() has it */
	if (strchr(program, '/')) {
		failed = why_not_run(program);
		if (failed)
			fprintf(stderr, "command %s: %s\n", program,
			        failed == ENOENT   ? "there is no such file"
			        : failed == EACCES ? "this user may not run it: is it executable (chmod +x)?"
			                           : strerror(failed));
	} else {
		failed = !in_path(program, path);
		if (failed)
			fprintf(stderr, "command %s: no such program in PATH, %s\n", program, path);
	}
	return failed ? ym_err_exit_code(YM_ERR_CONFIG) : 0;
}

int configured_read(const char *path, struct config *config)
{
	struct cfg_problems problems;

	if (config_load(path, config, &problems) == 0) {
		cfg_notes_print(path, &config->notes, stderr);
		return 0;
	}
	cfg_problems_print(path, &problems, stderr);
	cfg_problems_free(&problems);
	return ym_err_exit_code(YM_ERR_CONFIG);
}

/* ---- who may change what is run ---------------------------------------------------------------- */

/* What root runs must be root's alone: whoever can write to it, or move it away, is root otherwise. */
static int check_trust(const char *path)
{
	struct ym_err err;

	/* What is not there is told by who wants to use it. */
	return geteuid() != 0 || access(path, F_OK) < 0 || trust_path(path, &err) == 0 ? 0 : command_fail(&err);
}

/* ... but another user may run what is his own. */
static int check_command(const char *file, const struct persona *persona)
{
	char path[PATH_MAX];
	struct ym_err err;

	if (persona_other_user(persona) || launch_find(file, persona, path, &err) < 0)
		return 0;
	return check_trust(path);
}

/* Everything that one process is started with; that the program is not there (yet) keeps the others from nothing. */
static int check_process(const struct cfg_program *program, int64_t number)
{
	struct persona *persona = NULL;
	struct recipe recipe;
	struct ym_err err;
	char path[PATH_MAX];
	int code = 0;

	if (recipe_make(program, number, &recipe, &err) < 0) {
		fprintf(stderr, "%s:%d: %s\n", program->file, program->line, err.text);
		return ym_err_exit_code(err.class);
	}
	if (persona_make(&recipe.process, NULL, &persona, &err) < 0) {
		fprintf(stderr, "%s:%d: [program:%s]: %s\n", program->file, program->line, program->name, err.text);
		code = ym_err_exit_code(err.class);
	} else if (launch_find(recipe.words[0], persona, path, &err) < 0) {
		fprintf(stderr, "%s:%d: note: [program:%s] will fail to start: %s\n", program->file, program->line,
		        program->name, err.text);
	} else {
		code = check_command(recipe.words[0], persona);
	}
	if (!code && recipe.process.ready == CFG_READY_COMMAND)
		code = check_command(recipe.process.ready_command[0], persona);
	persona_free(persona);
	recipe_free(&recipe);
	return code;
}

/* One mistake of a program is enough, it is mostly the same for all its processes. */
static int check_program(const struct cfg_program *program)
{
	int code = 0;

	for (int64_t i = 0; i < program->numprocs && !code; i++)
		code = check_process(program, program->numprocs_start + i);
	return code;
}

static int check_pool(const struct cfg_pool *pool)
{
	struct persona *persona = NULL;
	struct ym_err err;
	int code;

	if (pool->plugin)
		return check_trust(pool->plugin);
	if (persona_make(&pool->process, NULL, &persona, &err) < 0) {
		fprintf(stderr, "%s:%d: [pool:%s]: %s\n", pool->file, pool->line, pool->name, err.text);
		return ym_err_exit_code(err.class);
	}
	code = check_command(pool->command_words[0], persona);
	persona_free(persona);
	return code;
}

static int check_all(const struct config *config)
{
	int code = 0, result;

	for (size_t i = 0; i < config->nfiles; i++) {
		result = check_trust(config->files[i]->path);
		code = result ? result : code;
	}
	for (size_t i = 0; i < config->npools; i++) {
		result = check_pool(&config->pools[i]);
		code = result ? result : code;
	}
	for (size_t i = 0; i < config->nprograms; i++) {
		result = check_program(&config->programs[i]);
		code = result ? result : code;
	}
	return code;
}

/* What may not be trusted is not tried. */
static int try_tasks(const struct config *config)
{
	int code = 0;

	for (size_t i = 0; i < config->npools; i++) {
		const struct cfg_pool *pool = &config->pools[i];
		int result = pool->plugin ? try_plugin(pool) : try_program(pool->command_words[0]);

		if (result)
			fprintf(stderr, "%s:%d: [pool:%s] cannot run with this %s\n", pool->file, pool->line,
			        pool->name, pool->plugin ? "plugin" : "command");
		code = result ? result : code;
	}
	return code;
}

int configured_load(const char *path, struct config *config)
{
	int code = configured_read(path, config);

	if (code)
		return code;
	code = check_all(config);
	if (code == 0)
		code = try_tasks(config);
	if (code)
		config_free(config);
	return code;
}
