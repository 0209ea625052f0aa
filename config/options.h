/*
 * options.h - the one table of options: what each is called, what it may hold, where it goes, what a change of it means.
 *
 * Reading a file, the defaults, the messages, the suggestions, the comparison of two files and the help text are all
 * derived from it. The rows themselves are in option_table.c.
 */
#ifndef YM_CONFIG_OPTIONS_H
#define YM_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "kinds.h"
#include "values.h"

/* What has to happen so that a changed value holds, the mildest first. */
enum cfg_effect {
	CFG_EFFECT_NONE,  /* nothing: it is part of the value of another option, or of use only when a pool begins */
	CFG_EFFECT_LIVE,  /* what runs is told */
	CFG_EFFECT_SIZE,  /* the number of workers or processes changes */
	CFG_EFFECT_ROLL,  /* workers or processes are replaced */
	CFG_EFFECT_START, /* nothing but a new start of the instance */
};

/*
 * Types of values: name, word in the help text, function that stores a value, function that frees it, function that
 * writes it as a user would, parser and formatter of the types that are numbers (a formatter means that min and max
 * apply). Numbers go to an int64_t, CHOICE to an enum whose values are the indices of the choices, texts to a char *.
 * Some fill a second field, at `beside`, or several of the struct they belong to (USES, ON_CRASH: cfg_pool; READY:
 * cfg_process). PAIRS and ENV_PAIRS stand for a family, `option.KEY` and `env[NAME]`. The functions are in types*.c.
 */
#define CFG_TYPE_MAP(X)                                                                                                \
	X(NAME, "name", cfg_set_name, cfg_forget_text, cfg_show_text, NULL, NULL)                                      \
	X(TEXT, "text", cfg_set_text, cfg_forget_text, cfg_show_text, NULL, NULL)                                      \
	X(PATH, "path", cfg_set_path, cfg_forget_text, cfg_show_text, NULL, NULL)                                      \
	X(KEY, "key", cfg_set_key, cfg_forget_text, cfg_show_text, NULL, NULL)                                         \
	X(USER, "user or number", cfg_set_user, cfg_forget_text, cfg_show_text, NULL, NULL)                            \
	X(GROUP, "group or number", cfg_set_group, cfg_forget_text, cfg_show_text, NULL, NULL)                         \
	X(ZONE, "name of a time zone", cfg_set_zone, cfg_forget_text, cfg_show_text, NULL, NULL)                       \
	X(SCHEDULE, "M H D M W or @every TIME", cfg_set_schedule, cfg_forget_text, cfg_show_text, NULL, NULL)          \
	X(LOGFILE, "path", cfg_set_logfile, cfg_forget_text, cfg_show_logfile, NULL, NULL)                             \
	X(STORE, "", cfg_set_store, cfg_forget_text, cfg_show_text, NULL, NULL)                                        \
	X(ENUM, "", cfg_set_enum, cfg_forget_text, cfg_show_text, NULL, NULL)                                          \
	X(CHOICE, "", cfg_set_choice, NULL, cfg_show_choice, NULL, NULL)                                               \
	X(AUTORESTART, "", cfg_set_autorestart, NULL, cfg_show_choice, NULL, NULL)                                     \
	X(ON_CRASH, "", cfg_set_on_crash, cfg_forget_on_crash, cfg_show_on_crash, NULL, NULL)                          \
	X(READY, "", cfg_set_ready, cfg_forget_ready, cfg_show_ready, NULL, NULL)                                      \
	X(COMMAND, "words", cfg_set_command, cfg_forget_command, cfg_show_text, NULL, NULL)                            \
	X(USES, "NAME or NAME:UNITS", cfg_set_uses, cfg_forget_uses, cfg_show_uses, NULL, NULL)                        \
	X(NAMES, "names", cfg_set_names, cfg_forget_names, cfg_show_names, NULL, NULL)                                 \
	X(CODES, "exit codes", cfg_set_codes, NULL, cfg_show_codes, NULL, cfg_format_integer)                          \
	X(ENVIRONMENT, "A=\"1\",B='2',C=3", cfg_set_environment, cfg_forget_pairs, cfg_show_pairs, NULL, NULL)         \
	X(RANGE, "N or MIN..MAX", cfg_set_range, NULL, cfg_show_range, NULL, cfg_format_integer)                       \
	X(SIGNAL, "name or number", cfg_set_number, NULL, cfg_show_number, cfg_parse_signal, NULL)                     \
	X(INTEGER, "integer", cfg_set_number, NULL, cfg_show_number, cfg_parse_integer, cfg_format_integer)            \
	X(SIZE, "size", cfg_set_number, NULL, cfg_show_number, cfg_parse_size, cfg_format_size)                        \
	X(DURATION, "duration", cfg_set_number, NULL, cfg_show_number, cfg_parse_duration, cfg_format_duration)        \
	X(PERCENT, "percent", cfg_set_number, NULL, cfg_show_number, cfg_parse_percent, cfg_format_integer)            \
	X(LEVEL, "level 0..9 or name", cfg_set_number, NULL, cfg_show_level, cfg_parse_level, NULL)                    \
	X(RATE, "N/s, N/m, N/h or N/d", cfg_set_number, NULL, cfg_show_rate, cfg_parse_rate, NULL)                     \
	X(BOOLEAN, "yes|no", cfg_set_number, NULL, cfg_show_boolean, cfg_parse_boolean, NULL)                          \
	X(MODE, "mode", cfg_set_mode, NULL, cfg_show_mode, cfg_parse_mode, NULL)                                       \
	X(RLIMIT, "number, size or unlimited", cfg_set_number, NULL, cfg_show_number, cfg_parse_rlimit, NULL)          \
	X(PAIRS, "string", NULL, cfg_forget_pairs, cfg_show_pairs, NULL, NULL)                                         \
	X(ENV_PAIRS, "string or $VARIABLE", NULL, NULL, NULL, NULL, NULL)

enum cfg_type {
#define X(name, word, set, forget, show, parse, format) CFG_##name,
	CFG_TYPE_MAP(X)
#undef X
};

#define CFG_ALIASES_MAX 2

struct cfg_option {
	enum cfg_kind kind;
	enum cfg_effect effect;
	const char *name; /* a family ends in a dot or a bracket */
	const char *aliases[CFG_ALIASES_MAX];
	enum cfg_type type;
	size_t offset;              /* of the field in the kind's struct */
	size_t beside;              /* of the second field of types that fill two */
	int64_t min, max;           /* both allowed; bytes or milliseconds for sizes and durations */
	const char *special;        /* a word that may stand for the number ... */
	int64_t special_value;      /* ... this one */
	const char *const *choices; /* of ENUM, CHOICE, ON_CRASH, MODE, LOGFILE and the like, ends with NULL */
	const char *preset;         /* the default, as a user would write it; NULL: none */
	const char *other;          /* required is this option or that one, which names this one */
	bool alone;                 /* and not both */
	bool required;
	bool shared;       /* [pool:NAME] and [program:NAME] have it alike */
	bool template;     /* may hold what differs from process to process, see struct cfg_program */
	const char *needs; /* means something only beside that option; if that is yes|no, beside its yes */
	const char *topic; /* heading of the help text in front of this option; NULL: none */
	const char *help;
};

/* All options, in the order of the help text. */
const struct cfg_option *cfg_options(size_t *count);

/*
 * The option that `name` or alias means in this kind of section; NULL if there is none. Upper and lower case are the
 * same in sections of supervisord's dialect.
 */
const struct cfg_option *cfg_option_find(enum cfg_kind kind, const char *name);

/* Is it a family, option.KEY? And the name as help and messages show it. Into `out`. */
bool cfg_option_is_family(const struct cfg_option *option);
const char *cfg_option_title(const struct cfg_option *option, char *out, size_t size);

/* What it may hold: "integer 1..1000", "mode 0600|0640|0644", "path". Into `out`. */
const char *cfg_option_values(const struct cfg_option *option, char *out, size_t size);
/* Its default as the help shows it: "required", "-" for none. */
const char *cfg_option_preset(const struct cfg_option *option);
/* Its help, and in brackets what else there is to know: aliases, other options, what differs in programs. */
void cfg_option_explain(const struct cfg_option *option, FILE *to);
/* How values of a type are written, and the word for it; NULL: the word says it all. */
const char *cfg_type_explain(enum cfg_type type, const char **word);

/* What the user may have meant by an unknown name: into `out`, for a message; false when nothing is near. */
bool cfg_option_suggest(enum cfg_kind kind, const char *name, char *out, size_t size);

/* How a user would write the option that `option` needs: "command", "inbox = yes". Into `out`. */
const char *cfg_option_needs(const struct cfg_option *option, char *out, size_t size);

/*
 * Parse `text` and store it in `target`, the struct of the option's kind; what was there is freed, but the variables of
 * ENVIRONMENT are added to those that are there. `directory` is where relative paths start. 0, or -1 with the reason
 * in `why`, the field unchanged. Not for families.
 */
int cfg_option_set(const struct cfg_option *option, void *target, const char *directory, const char *text,
                   char why[CFG_WHY_MAX]);

/* Add one member of a family: `name` is what stands in the file. 0 or -1 as above. */
int cfg_option_add(const struct cfg_option *option, void *target, const char *name, const char *text,
                   char why[CFG_WHY_MAX]);

/* Write the value as a user would; nothing if there is none. */
void cfg_option_show(const struct cfg_option *option, const void *target, FILE *to);

/* Fill a zeroed struct of this kind with the defaults. 0 or -1 as above. */
int cfg_options_preset(enum cfg_kind kind, void *target, const char *directory, char why[CFG_WHY_MAX]);

/* Free what the options of this kind have stored. */
void cfg_options_free(enum cfg_kind kind, void *target);

/* A number of an INTEGER, SIZE, DURATION or the like, as a user would write it. */
const char *cfg_option_number(const struct cfg_option *option, int64_t value, char out[CFG_NUMBER_MAX]);

#endif
