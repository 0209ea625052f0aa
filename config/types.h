/* types.h - the types of values: storing a value in the struct of a section, and freeing it. */
#ifndef YM_CONFIG_TYPES_H
#define YM_CONFIG_TYPES_H

#include "options.h"

/* What a setter gets besides the option. */
struct cfg_input {
	const char *text;      /* not empty */
	const char *directory; /* where relative paths start */
	void *target;          /* the struct of the option's kind */
	char *why;             /* CFG_WHY_MAX bytes */
};

struct cfg_type_row {
	const char *word;
	int (*set)(const struct cfg_option *option, const struct cfg_input *in); /* NULL: the caller collects */
	void (*forget)(const struct cfg_option *option, void *target);           /* NULL: nothing to free */
	cfg_parser *parse;
	cfg_formatter *format;
};

const struct cfg_type_row *cfg_type_of(const struct cfg_option *option);

#endif
