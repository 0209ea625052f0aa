/* types.c - a setter for each type of value, and what frees it again. */
#include "types.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "array.h"
#include "config.h"
#include "nearest.h"
#include "problems.h"
#include "words.h"

#define BLANK   " \t"
#define TO_POOL "pool:"

static void *field_of(const struct cfg_option *option, void *target)
{
	return (char *)target + option->offset;
}

static int no_memory(const struct cfg_input *in)
{
	snprintf(in->why, CFG_WHY_MAX, "out of memory");
	return -1;
}

/* ---- texts ------------------------------------------------------------------------------------- */

static void forget_text(const struct cfg_option *option, void *target)
{
	char **field = field_of(option, target);

	free(*field);
	*field = NULL;
}

/* Put an allocated string into a char * field. */
static int replace(const struct cfg_option *option, const struct cfg_input *in, char *string)
{
	if (!string)
		return no_memory(in);
	forget_text(option, in->target);
	*(char **)field_of(option, in->target) = string;
	return 0;
}

static int set_name(const struct cfg_option *option, const struct cfg_input *in)
{
	if (cfg_check_name(in->text, in->why))
		return -1;
	return replace(option, in, strdup(in->text));
}

/* `path` made absolute; NULL with the reason in in->why. `behind` is what follows the path proper: ":c" of a key. */
static char *resolve(const struct cfg_input *in, const char *path, const char *behind)
{
	char *out = cfg_resolve_path(in->directory, path);

	if (!out)
		no_memory(in);
	if (!out || strlen(out) - strlen(behind) < PATH_MAX)
		return out;
	free(out);
	snprintf(in->why, CFG_WHY_MAX, "the path is too long: at most %d bytes", PATH_MAX - 1);
	return NULL;
}

static int set_path(const struct cfg_option *option, const struct cfg_input *in)
{
	char *path = resolve(in, in->text, "");

	return path ? replace(option, in, path) : -1;
}

static int set_key(const struct cfg_option *option, const struct cfg_input *in)
{
	size_t path_length;
	char *key;

	if (cfg_check_key(in->text, &path_length, in->why))
		return -1;
	if (!path_length)
		return replace(option, in, strdup(in->text));
	key = resolve(in, in->text, in->text + path_length);
	return key ? replace(option, in, key) : -1;
}

/* ---- choices ----------------------------------------------------------------------------------- */

/* "must be 0600, 0640 or 0644", and the nearest one when that is a word. */
static int not_a_choice(const struct cfg_option *option, const struct cfg_input *in)
{
	struct cfg_nearest nearest = {.word = in->text};
	size_t used = (size_t)snprintf(in->why, CFG_WHY_MAX, "must be ");

	for (size_t i = 0; option->choices[i]; i++) {
		const char *before = !i ? "" : option->choices[i + 1] ? ", " : " or ";

		used += (size_t)snprintf(in->why + used, CFG_WHY_MAX - used, "%s%s", before, option->choices[i]);
		cfg_nearest_offer(&nearest, option->choices[i]);
	}
	if (option->type != CFG_MODE && nearest.best)
		snprintf(in->why + used, CFG_WHY_MAX - used, "; did you mean `%s`?", nearest.best);
	return -1;
}

/* The index of the choice that the text is; -1 with the reason in in->why. */
static int choice(const struct cfg_option *option, const struct cfg_input *in)
{
	for (int i = 0; option->choices[i]; i++) {
		if (!strcasecmp(in->text, option->choices[i]))
			return i;
	}
	return not_a_choice(option, in);
}

static int set_enum(const struct cfg_option *option, const struct cfg_input *in)
{
	int index = choice(option, in);

	return index < 0 ? -1 : replace(option, in, strdup(option->choices[index]));
}

static int set_choice(const struct cfg_option *option, const struct cfg_input *in)
{
	/* An enum without negative values is an unsigned int. */
	unsigned *field = field_of(option, in->target);
	int index = choice(option, in);

	if (index < 0)
		return -1;
	*field = (unsigned)index;
	return 0;
}

static void forget_on_crash(const struct cfg_option *option, void *target)
{
	struct cfg_pool *pool = target;

	(void)option;
	free(pool->on_crash_pool);
	pool->on_crash_pool = NULL;
}

/* The last of the choices, pool:NAME, carries a name of its own. */
static int set_on_crash(const struct cfg_option *option, const struct cfg_input *in)
{
	struct cfg_pool *pool = in->target;
	char *name;

	if (strncasecmp(in->text, TO_POOL, strlen(TO_POOL))) {
		if (set_choice(option, in))
			return -1;
		forget_on_crash(option, pool);
		return 0;
	}
	if (cfg_check_name(in->text + strlen(TO_POOL), in->why))
		return -1;
	name = strdup(in->text + strlen(TO_POOL));
	if (!name)
		return no_memory(in);
	forget_on_crash(option, pool);
	pool->on_crash = CFG_ON_CRASH_POOL;
	pool->on_crash_pool = name;
	return 0;
}

static int set_mode(const struct cfg_option *option, const struct cfg_input *in)
{
	int64_t mode, allowed;

	if (cfg_parse_mode(in->text, &mode, in->why))
		return -1;
	for (size_t i = 0; option->choices[i]; i++) {
		if (!cfg_parse_mode(option->choices[i], &allowed, in->why) && mode == allowed) {
			*(int64_t *)field_of(option, in->target) = mode;
			return 0;
		}
	}
	return not_a_choice(option, in);
}

/* ---- commands ---------------------------------------------------------------------------------- */

static void forget_command(const struct cfg_option *option, void *target)
{
	struct cfg_pool *pool = target;

	(void)option;
	free(pool->command);
	free(pool->command_words);
	pool->command = NULL;
	pool->command_words = NULL;
}

/* The words, the program's path made absolute if it is a path. NULL with the reason in in->why. */
static char **command_words(const struct cfg_input *in)
{
	char **words = cfg_words(in->text, in->why), **absolute = NULL, *program;

	if (!words || !strchr(words[0], '/'))
		return words;
	program = resolve(in, words[0], "");
	if (program) {
		absolute = cfg_words_with(program, words);
		if (!absolute)
			no_memory(in);
	}
	free(program);
	free(words);
	return absolute;
}

static int set_command(const struct cfg_option *option, const struct cfg_input *in)
{
	struct cfg_pool *pool = in->target;
	char **words = command_words(in), *text;

	if (!words)
		return -1;
	text = strdup(in->text);
	if (!text) {
		free(words);
		return no_memory(in);
	}
	forget_command(option, pool);
	pool->command = text;
	pool->command_words = words;
	return 0;
}

/* ---- lists ------------------------------------------------------------------------------------- */

/* Hand each item of a list with commas to `add`, without the white space around it; stop when one is refused. */
static int each_item(const struct cfg_input *in, int (*add)(char *item, void *list, const struct cfg_input *in),
                     void *list)
{
	const char *at = in->text, *end;
	int result = 0;

	do {
		const char *last = end = at + strcspn(at, ",");
		char *item;

		at += strspn(at, BLANK);
		while (last > at && strchr(BLANK, last[-1]))
			last--;
		if (last <= at) {
			snprintf(in->why, CFG_WHY_MAX, "an empty item in the list: put one comma between two");
			return -1;
		}
		item = strndup(at, (size_t)(last - at));
		result = item ? add(item, list, in) : no_memory(in);
		free(item);
		at = end + 1;
	} while (!result && *end);
	return result;
}

struct uses {
	struct cfg_use *items;
	size_t count;
};

static void free_uses(struct uses *uses)
{
	for (size_t i = 0; i < uses->count; i++)
		free(uses->items[i].name);
	free(uses->items);
}

/* `NAME` or `NAME:UNITS`. */
static int add_use(char *item, void *list, const struct cfg_input *in)
{
	char excerpt[CFG_EXCERPT_MAX], number[CFG_WHY_MAX], *colon = strchr(item, ':');
	struct uses *uses = list;
	struct cfg_use *items, use = {.units = 1};

	if (colon && (cfg_parse_integer(colon + 1, &use.units, number) || use.units < 1 || colon == item)) {
		snprintf(in->why, CFG_WHY_MAX, "`%s`: write NAME or NAME:UNITS, such as cpu:2",
		         cfg_excerpt(item, excerpt));
		return -1;
	}
	if (colon)
		*colon = '\0';
	for (size_t i = 0; i < uses->count; i++) {
		if (!strcmp(uses->items[i].name, item)) {
			snprintf(in->why, CFG_WHY_MAX,
			         "`%s` is twice in the list: write NAME:UNITS for more than one unit",
			         cfg_excerpt(item, excerpt));
			return -1;
		}
	}
	if (uses->count == CFG_USES_MAX) {
		snprintf(in->why, CFG_WHY_MAX, "more than %d limits in the list", CFG_USES_MAX);
		return -1;
	}
	use.name = strdup(item);
	items = use.name ? cfg_room(uses->items, uses->count, sizeof(*items)) : NULL;
	if (!items) {
		free(use.name);
		return no_memory(in);
	}
	uses->items = items;
	items[uses->count++] = use;
	return 0;
}

static void forget_uses(const struct cfg_option *option, void *target)
{
	struct cfg_pool *pool = target;

	(void)option;
	free_uses(&(struct uses){pool->limits, pool->nlimits});
	pool->limits = NULL;
	pool->nlimits = 0;
}

static int set_uses(const struct cfg_option *option, const struct cfg_input *in)
{
	struct cfg_pool *pool = in->target;
	struct uses uses = {0};

	if (each_item(in, add_use, &uses)) {
		free_uses(&uses);
		return -1;
	}
	forget_uses(option, pool);
	pool->limits = uses.items;
	pool->nlimits = uses.count;
	return 0;
}

static int add_code(char *item, void *list, const struct cfg_input *in)
{
	char excerpt[CFG_EXCERPT_MAX], number[CFG_WHY_MAX];
	unsigned char *codes = list;
	int64_t code;

	cfg_excerpt(item, excerpt);
	if (cfg_parse_integer(item, &code, number) || code < 1 || code >= CFG_EXIT_CODES) {
		snprintf(in->why, CFG_WHY_MAX, "`%s` is no exit code of a failure: those are 1..%d", excerpt,
		         CFG_EXIT_CODES - 1);
		return -1;
	}
	if (codes[code]) {
		snprintf(in->why, CFG_WHY_MAX, "`%s` is twice in the list", excerpt);
		return -1;
	}
	codes[code] = 1;
	return 0;
}

static int set_codes(const struct cfg_option *option, const struct cfg_input *in)
{
	unsigned char codes[CFG_EXIT_CODES] = {0};

	if (each_item(in, add_code, codes))
		return -1;
	memcpy(field_of(option, in->target), codes, sizeof(codes));
	return 0;
}

/* ---- numbers ----------------------------------------------------------------------------------- */

static int set_number(const struct cfg_option *option, const struct cfg_input *in)
{
	const struct cfg_type_row *type = cfg_type_of(option);
	char low[CFG_NUMBER_MAX], high[CFG_NUMBER_MAX];
	int64_t value;

	if (type->parse(in->text, &value, in->why))
		return -1;
	if (type->format && (value < option->min || value > option->max)) {
		snprintf(in->why, CFG_WHY_MAX, "out of range: allowed is %s..%s", type->format(option->min, low),
		         type->format(option->max, high));
		return -1;
	}
	*(int64_t *)field_of(option, in->target) = value;
	return 0;
}

const struct cfg_type_row *cfg_type_of(const struct cfg_option *option)
{
	static const struct cfg_type_row rows[] = {
#define X(name, word, set, forget, parse, format) [CFG_##name] = {word, set, forget, parse, format},
	    CFG_TYPE_MAP(X)
#undef X
	};

	return &rows[option->type];
}
