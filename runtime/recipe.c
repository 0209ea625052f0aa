/* recipe.c - expand everything a process is started with. */
#include "recipe.h"

#include <stdlib.h>
#include <string.h>

#include "../config/expand.h"
#include "board.h"

struct kitchen {
	const struct cfg_program *program;
	int64_t number;
	struct ym_err *err;
};

static int expand(const struct kitchen *kitchen, const char *option, const char *text, char **out)
{
	char why[CFG_WHY_MAX];

	*out = NULL;
	if (!text || cfg_expand_process(text, kitchen->program, kitchen->number, out, why) == 0)
		return 0;
	return ym_fail(kitchen->err, YM_ERR_CONFIG, "[program:%s]: %s = %s: %s", kitchen->program->name, option, text,
	               why);
}

static int expand_name(const struct kitchen *kitchen, struct recipe *recipe)
{
	if (expand(kitchen, "process_name", kitchen->program->process_name, &recipe->name) < 0)
		return -1;
	/* It is a part of the name of a file. */
	if (recipe->name && recipe->name[0] && strlen(recipe->name) < CFG_PROCESS_NAME_MAX &&
	    !strchr(recipe->name, '/') && recipe->name[0] != '.')
		return 0;
	return ym_fail(kitchen->err, YM_ERR_CONFIG,
	               "[program:%s]: process_name \"%s\" is no name: 1 to %d characters, no slash, no dot in front",
	               kitchen->program->name, recipe->name ? recipe->name : "", CFG_PROCESS_NAME_MAX - 1);
}

static int expand_words(const struct kitchen *kitchen, const char *option, char *const *from, char ***out)
{
	size_t n = 0;

	*out = NULL;
	while (from && from[n])
		n++;
	if (!from)
		return 0;
	*out = calloc(n + 1, sizeof(char *));
	if (!*out)
		return ym_fail(kitchen->err, YM_ERR_LIMIT, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (expand(kitchen, option, from[i], &(*out)[i]) < 0)
			return -1;
	return 0;
}

static int expand_environment(const struct kitchen *kitchen, struct cfg_process *process)
{
	const struct cfg_pair *from = kitchen->program->process.environment;
	size_t n = kitchen->program->process.nenvironment;

	process->environment = calloc(n + 1, sizeof(*process->environment));
	if (!process->environment)
		return ym_fail(kitchen->err, YM_ERR_LIMIT, "out of memory");
	for (size_t i = 0; i < n; i++, process->nenvironment++) {
		struct cfg_pair *pair = &process->environment[i];

		pair->key = strdup(from[i].key);
		if (!pair->key)
			return ym_fail(kitchen->err, YM_ERR_LIMIT, "out of memory");
		if (expand(kitchen, "environment", from[i].value, &pair->value) < 0) {
			free(pair->key);
			pair->key = NULL;
			return -1;
		}
	}
	return 0;
}

int recipe_make(const struct cfg_program *program, int64_t number, struct recipe *recipe, struct ym_err *err)
{
	const struct kitchen kitchen = {program, number, err};
	struct cfg_process *process = &recipe->process;

	*recipe = (struct recipe){.process = program->process};
	process->directory = NULL;
	process->environment = NULL;
	process->nenvironment = 0;
	process->ready_command = NULL;
	process->stdout_log.file = process->stderr_log.file = NULL;
	if (expand_name(&kitchen, recipe) == 0 &&
	    expand_words(&kitchen, "command", program->command_words, &recipe->words) == 0 &&
	    expand(&kitchen, "directory", program->process.directory, &process->directory) == 0 &&
	    expand_words(&kitchen, "ready", program->process.ready_command, &process->ready_command) == 0 &&
	    expand_environment(&kitchen, process) == 0 &&
	    expand(&kitchen, "stdout_logfile", program->process.stdout_log.file, &process->stdout_log.file) == 0 &&
	    expand(&kitchen, "stderr_logfile", program->process.stderr_log.file, &process->stderr_log.file) == 0)
		return 0;
	recipe_free(recipe);
	return -1;
}

static void free_words(char **words)
{
	for (char **word = words; word && *word; word++)
		free(*word);
	free(words);
}

void recipe_free(struct recipe *recipe)
{
	struct cfg_process *process = &recipe->process;

	free(recipe->name);
	free_words(recipe->words);
	free(process->directory);
	free_words(process->ready_command);
	for (size_t i = 0; i < process->nenvironment; i++) {
		free(process->environment[i].key);
		free(process->environment[i].value);
	}
	free(process->environment);
	free(process->stdout_log.file);
	free(process->stderr_log.file);
	*recipe = (struct recipe){0};
}
