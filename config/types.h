/* types.h - the types of values: storing a value in the struct of a section, writing it, freeing it. */
#ifndef YM_CONFIG_TYPES_H
#define YM_CONFIG_TYPES_H

#include "config.h"
#include "options.h"

#define CFG_BLANK " \t\n" /* a value in supervisord's dialect may have several lines */

/* What a setter gets besides the option. */
struct cfg_input {
	const char *text;      /* not empty */
	const char *directory; /* where relative paths start */
	void *target;          /* the struct of the option's kind */
	char *why;             /* CFG_WHY_MAX bytes */
};

typedef int cfg_setter(const struct cfg_option *option, const struct cfg_input *in);
typedef void cfg_forgetter(const struct cfg_option *option, void *target);
typedef void cfg_shower(const struct cfg_option *option, const void *target, FILE *to);

struct cfg_type_row {
	const char *word;
	cfg_setter *set;       /* NULL: a family */
	cfg_forgetter *forget; /* NULL: nothing to free */
	cfg_shower *show;      /* NULL: another option shows it, too */
	cfg_parser *parse;
	cfg_formatter *format;
};

const struct cfg_type_row *cfg_type_of(const struct cfg_option *option);

/* The fields of an option, and the reason for a failed allocation; -1. */
void *cfg_field(const struct cfg_option *option, void *target);
void *cfg_field_beside(const struct cfg_option *option, void *target);
const void *cfg_field_const(const struct cfg_option *option, const void *target);
const void *cfg_beside_const(const struct cfg_option *option, const void *target);
int cfg_no_memory(const struct cfg_input *in);

/* `path` made absolute; NULL with the reason in in->why. `behind` is what follows the path proper: ":c" of a key. */
char *cfg_resolve(const struct cfg_input *in, const char *path, const char *behind);

/* One variable into a list of pairs; an older one of the same name is replaced. -1 when out of memory. */
int cfg_pairs_put(struct cfg_pair **pairs, size_t *count, const char *key, size_t key_length, const char *value,
                  size_t value_length, bool replace);

/* types.c: texts, choices and numbers */
cfg_setter cfg_set_name, cfg_set_text, cfg_set_path, cfg_set_key, cfg_set_zone, cfg_set_schedule, cfg_set_logfile,
    cfg_set_enum, cfg_set_choice, cfg_set_on_crash, cfg_set_mode, cfg_set_number;
cfg_forgetter cfg_forget_text, cfg_forget_on_crash;
cfg_shower cfg_show_text, cfg_show_logfile, cfg_show_choice, cfg_show_on_crash, cfg_show_number, cfg_show_level,
    cfg_show_rate, cfg_show_boolean, cfg_show_mode;

/* types_list.c: what has several items */
cfg_setter cfg_set_uses, cfg_set_names, cfg_set_codes, cfg_set_environment, cfg_set_range;
cfg_forgetter cfg_forget_uses, cfg_forget_names, cfg_forget_pairs;
cfg_shower cfg_show_uses, cfg_show_names, cfg_show_codes, cfg_show_pairs, cfg_show_range;

/* types_process.c: what only processes have */
cfg_setter cfg_set_user, cfg_set_group, cfg_set_autorestart, cfg_set_ready, cfg_set_command;
cfg_forgetter cfg_forget_ready, cfg_forget_command;
cfg_shower cfg_show_ready;
cfg_parser cfg_parse_signal, cfg_parse_rlimit;

/* store_uri.c */
cfg_setter cfg_set_store;

#endif
