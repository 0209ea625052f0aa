/*
 * options.h - the one table of options: what each is called, what it may hold, where it goes.
 *
 * Reading a file, the defaults, the messages, the suggestions and the help text are all derived from it.
 */
#ifndef YM_CONFIG_OPTIONS_H
#define YM_CONFIG_OPTIONS_H

#include <stdbool.h>

#include "values.h"

/* Section kinds: name, word in the file, whether it carries a name of its own, [word:NAME]. */
#define CFG_KIND_MAP(X)                                                                                                \
	X(YARDMASTER, "yardmaster", false)                                                                             \
	X(POOL, "pool", true)                                                                                          \
	X(LIMIT, "limit", true)

enum cfg_kind {
#define X(name, word, named) CFG_##name,
	CFG_KIND_MAP(X)
#undef X
	    CFG_KINDS
};

/*
 * Types of values: name, word in the help text, function that stores a value, function that frees it, parser and
 * formatter of the types that are numbers (a formatter means that min and max apply). Numbers go to an int64_t,
 * CHOICE to an enum whose values are the indices of the choices, texts to a char *. USES, CODES, COMMAND and
 * ON_CRASH belong to one option of a pool each and may fill several of its fields. PAIRS stands for a family,
 * `option.KEY`, which the caller collects. The functions are in types.c.
 */
#define CFG_TYPE_MAP(X)                                                                                                \
	X(NAME, "name", set_name, forget_text, NULL, NULL)                                                             \
	X(PATH, "path", set_path, forget_text, NULL, NULL)                                                             \
	X(KEY, "key", set_key, forget_text, NULL, NULL)                                                                \
	X(ENUM, "", set_enum, forget_text, NULL, NULL)                                                                 \
	X(CHOICE, "", set_choice, NULL, NULL, NULL)                                                                    \
	X(ON_CRASH, "", set_on_crash, forget_on_crash, NULL, NULL)                                                     \
	X(COMMAND, "words", set_command, forget_command, NULL, NULL)                                                   \
	X(USES, "NAME or NAME:UNITS", set_uses, forget_uses, NULL, NULL)                                               \
	X(CODES, "exit codes 1..255", set_codes, NULL, NULL, NULL)                                                     \
	X(INTEGER, "integer", set_number, NULL, cfg_parse_integer, cfg_format_integer)                                 \
	X(SIZE, "size", set_number, NULL, cfg_parse_size, cfg_format_size)                                             \
	X(DURATION, "duration", set_number, NULL, cfg_parse_duration, cfg_format_duration)                             \
	X(PERCENT, "percent", set_number, NULL, cfg_parse_percent, cfg_format_integer)                                 \
	X(LEVEL, "level 0..9 or name", set_number, NULL, cfg_parse_level, NULL)                                        \
	X(RATE, "N/s, N/m, N/h or N/d", set_number, NULL, cfg_parse_rate, NULL)                                        \
	X(BOOLEAN, "yes|no", set_number, NULL, cfg_parse_boolean, NULL)                                                \
	X(MODE, "mode", set_mode, NULL, cfg_parse_mode, NULL)                                                          \
	X(PAIRS, "string", NULL, NULL, NULL, NULL)

enum cfg_type {
#define X(name, word, set, forget, parse, format) CFG_##name,
	CFG_TYPE_MAP(X)
#undef X
};

#define CFG_ALIASES_MAX 2

struct cfg_option {
	enum cfg_kind kind;
	const char *name; /* a family ends in a dot */
	const char *aliases[CFG_ALIASES_MAX];
	enum cfg_type type;
	size_t offset;              /* of the field in the kind's struct */
	int64_t min, max;           /* both allowed; bytes or milliseconds for sizes and durations */
	const char *const *choices; /* of ENUM, CHOICE, ON_CRASH and MODE, ends with NULL */
	const char *preset;         /* the default, as a user would write it; NULL: none */
	const char *other;          /* required is this option or that one, which names this one */
	bool alone;                 /* and not both */
	const char *needs;          /* means something only beside that option; if that is yes|no, beside its yes */
	const char *help;
};

/* The word of a kind, and its header as the user writes it: "[pool:NAME]". */
const char *cfg_kind_word(enum cfg_kind kind);
const char *cfg_kind_header(enum cfg_kind kind);
bool cfg_kind_named(enum cfg_kind kind);

/* All options, in the order of the help text. */
const struct cfg_option *cfg_options(size_t *count);

/* The option that `name` or alias means in this kind of section; NULL if there is none. */
const struct cfg_option *cfg_option_find(enum cfg_kind kind, const char *name);

/* What the user may have meant by an unknown name: into `out`, for a message; false when nothing is near. */
bool cfg_option_suggest(enum cfg_kind kind, const char *name, char *out, size_t size);

/* How a user would write the option that `option` needs: "command", "inbox = yes". Into `out`. */
const char *cfg_option_needs(const struct cfg_option *option, char *out, size_t size);

/*
 * Parse `text` and store it in `target`, the struct of the option's kind; what was there is freed. `directory`
 * is where relative paths start. 0, or -1 with the reason in `why`, the field unchanged. Not for PAIRS.
 */
int cfg_option_set(const struct cfg_option *option, void *target, const char *directory, const char *text,
                   char why[CFG_WHY_MAX]);

/* Fill a zeroed struct of this kind with the defaults. 0 or -1 as above. */
int cfg_options_preset(enum cfg_kind kind, void *target, const char *directory, char why[CFG_WHY_MAX]);

/* Free what the options of this kind have stored. */
void cfg_options_free(enum cfg_kind kind, void *target);

#endif
