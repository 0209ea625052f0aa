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
 * Types of values: name, word in the help text, function that stores a value, parser and formatter of the
 * types that are numbers (a formatter means that min and max apply). Numbers go to an int64_t, lists to a
 * struct cfg_list, the rest to a char *. PAIRS stands for a family, `option.KEY`, which the caller collects.
 */
#define CFG_TYPE_MAP(X)                                                                                                \
	X(NAME, "name", set_name, NULL, NULL)                                                                          \
	X(PATH, "path", set_path, NULL, NULL)                                                                          \
	X(KEY, "key", set_key, NULL, NULL)                                                                             \
	X(ENUM, "", set_enum, NULL, NULL)                                                                              \
	X(LIST, "names", set_list, NULL, NULL)                                                                         \
	X(INTEGER, "integer", set_number, cfg_parse_integer, cfg_format_integer)                                       \
	X(SIZE, "size", set_number, cfg_parse_size, cfg_format_size)                                                   \
	X(DURATION, "duration", set_number, cfg_parse_duration, cfg_format_duration)                                   \
	X(BOOLEAN, "yes|no", set_number, cfg_parse_boolean, NULL)                                                      \
	X(MODE, "mode", set_mode, cfg_parse_mode, NULL)                                                                \
	X(PAIRS, "string", NULL, NULL, NULL)

enum cfg_type {
#define X(name, word, set, parse, format) CFG_##name,
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
	const char *const *choices; /* of ENUM and MODE, ends with NULL */
	const char *preset;         /* the default, as a user would write it; NULL: none */
	bool required;
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
