/*
 * expand.h - %(NAME)s in the values of programs, as users of supervisord write it.
 *
 *     %(program_name)s  %(group_name)s   the name of the section
 *     %(process_num)d                    the number of the process: %(process_num)02d is 07
 *     %(numprocs)d                       how many there are
 *     %(here)s                           directory of the INI file
 *     %(host_node_name)s                 name of the machine
 *     %(ENV_X)s                          the variable X
 *     %%                                 a percent sign
 *
 * Between ) and the letter (s, d, i, x, X or o) a minus, a zero, a width and a precision may stand, as in printf().
 */
#ifndef YM_CONFIG_EXPAND_H
#define YM_CONFIG_EXPAND_H

#include <stdbool.h>

#include "config.h"
#include "values.h"

#define CFG_EXPAND_LATER (-1)

struct cfg_expansion {
	const char *here;         /* NULL: cannot be used */
	const char *program_name; /* NULL: neither can this or what follows */
	int64_t numprocs;
	/*
	 * CFG_EXPAND_LATER: %(process_num) stays as it is, and so does %%, and a percent sign in what is put in is doubled,
	 * so that the result is to be expanded once more, when the number is known.
	 */
	int64_t process_num;
	bool no_process_num; /* %(process_num) is a mistake here: the result is final */
	/* Variables that come before those of our own environment. */
	const struct cfg_pair *environment;
	size_t nenvironment;
};

/* 0, *out is allocated; -1 with the reason in `why`. */
int cfg_expand(const char *text, const struct cfg_expansion *values, char **out, char why[CFG_WHY_MAX]);

/*
 * The last step, for process `process_num` of a program: a template of `program` (see struct cfg_program) made final.
 */
int cfg_expand_process(const char *text, const struct cfg_program *program, int64_t process_num, char **out,
                       char why[CFG_WHY_MAX]);

#endif
