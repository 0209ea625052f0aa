/*
 * recipe.h - one process of a program: the templates of its section made final with the number of the process.
 */
#ifndef YM_RUNTIME_RECIPE_H
#define YM_RUNTIME_RECIPE_H

#include "../config/config.h"

struct recipe {
	char *name;
	char **words;               /* ends with NULL */
	struct cfg_process process; /* environment, directory, ready_command and the files of the logs are our own */
};

int recipe_make(const struct cfg_program *program, int64_t number, struct recipe *recipe, struct ym_err *err);
void recipe_free(struct recipe *recipe);

#endif
