/* types_list.c - values of several items: limits, names, exit codes, variables, MIN..MAX. */
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "problems.h"
#include "types.h"

/* Hand each item of a list with commas to `add`, without the white space around it; stop when one is refused. */
static int each_item(const struct cfg_input *in, int (*add)(char *item, void *list, const struct cfg_input *in),
                     void *list)
{
	const char *at = in->text, *end;
	int result = 0;

	do {
		const char *last = end = at + strcspn(at, ",");
		char *item;

		at += strspn(at, CFG_BLANK);
		while (last > at && strchr(CFG_BLANK, last[-1]))
			last--;
		if (last <= at) {
			snprintf(in->why, CFG_WHY_MAX, "an empty item in the list: put one comma between two");
			return -1;
		}
		item = strndup(at, (size_t)(last - at));
		result = item ? add(item, list, in) : cfg_no_memory(in);
		free(item);
		at = end + 1;
	} while (!result && *end);
	return result;
}

/* ---- limits ------------------------------------------------------------------------------------ */

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
		return cfg_no_memory(in);
	}
	uses->items = items;
	items[uses->count++] = use;
	return 0;
}

void cfg_forget_uses(const struct cfg_option *option, void *target)
{
	struct cfg_pool *pool = target;

	(void)option;
	free_uses(&(struct uses){pool->limits, pool->nlimits});
	pool->limits = NULL;
	pool->nlimits = 0;
}

int cfg_set_uses(const struct cfg_option *option, const struct cfg_input *in)
{
	struct cfg_pool *pool = in->target;
	struct uses uses = {0};

	if (each_item(in, add_use, &uses)) {
		free_uses(&uses);
		return -1;
	}
	cfg_forget_uses(option, pool);
	pool->limits = uses.items;
	pool->nlimits = uses.count;
	return 0;
}

void cfg_show_uses(const struct cfg_option *option, const void *target, FILE *to)
{
	const struct cfg_pool *pool = target;

	(void)option;
	for (size_t i = 0; i < pool->nlimits; i++) {
		fprintf(to, "%s%s", i ? ", " : "", pool->limits[i].name);
		if (pool->limits[i].units != 1)
			fprintf(to, ":%lld", (long long)pool->limits[i].units);
	}
}

/* ---- names ------------------------------------------------------------------------------------- */

struct names {
	char *items[CFG_DEPENDS_MAX];
	size_t count;
};

static int add_name(char *item, void *list, const struct cfg_input *in)
{
	struct names *names = list;
	char reason[CFG_WHY_MAX], excerpt[CFG_EXCERPT_MAX];

	if (cfg_check_name(item, CFG_LONG_NAME_MAX, reason)) {
		snprintf(in->why, CFG_WHY_MAX, "`%s`: %.100s", cfg_excerpt(item, excerpt), reason);
		return -1;
	}
	for (size_t i = 0; i < names->count; i++) {
		if (!strcmp(names->items[i], item)) {
			snprintf(in->why, CFG_WHY_MAX, "`%s` is twice in the list", item);
			return -1;
		}
	}
	if (names->count == CFG_DEPENDS_MAX) {
		snprintf(in->why, CFG_WHY_MAX, "more than %d names in the list", CFG_DEPENDS_MAX);
		return -1;
	}
	names->items[names->count] = strdup(item);
	return names->items[names->count++] ? 0 : cfg_no_memory(in);
}

void cfg_forget_names(const struct cfg_option *option, void *target)
{
	char ***field = cfg_field(option, target);

	for (size_t i = 0; *field && (*field)[i]; i++)
		free((*field)[i]);
	free(*field);
	*field = NULL;
}

int cfg_set_names(const struct cfg_option *option, const struct cfg_input *in)
{
	struct names names = {0};
	char **list = NULL;

	if (!each_item(in, add_name, &names)) {
		list = calloc(names.count + 1, sizeof(*list));
		if (!list)
			cfg_no_memory(in);
	}
	if (!list) {
		for (size_t i = 0; i < names.count; i++)
			free(names.items[i]);
		return -1;
	}
	memcpy(list, names.items, names.count * sizeof(*list));
	cfg_forget_names(option, in->target);
	*(char ***)cfg_field(option, in->target) = list;
	return 0;
}

void cfg_show_names(const struct cfg_option *option, const void *target, FILE *to)
{
	char *const *const *field = cfg_field_const(option, target);

	for (size_t i = 0; *field && (*field)[i]; i++)
		fprintf(to, "%s%s", i ? ", " : "", (*field)[i]);
}

/* ---- exit codes -------------------------------------------------------------------------------- */

struct codes {
	unsigned char set[CFG_EXIT_CODES];
	int64_t least;
};

static int add_code(char *item, void *list, const struct cfg_input *in)
{
	char excerpt[CFG_EXCERPT_MAX], number[CFG_WHY_MAX];
	struct codes *codes = list;
	int64_t code;

	cfg_excerpt(item, excerpt);
	if (cfg_parse_integer(item, &code, number) || code < codes->least || code >= CFG_EXIT_CODES) {
		snprintf(in->why, CFG_WHY_MAX, "`%s` is no exit code%s: those are %lld..%d", excerpt,
		         codes->least ? " of a failure" : "", (long long)codes->least, CFG_EXIT_CODES - 1);
		return -1;
	}
	if (codes->set[code]) {
		snprintf(in->why, CFG_WHY_MAX, "`%s` is twice in the list", excerpt);
		return -1;
	}
	codes->set[code] = 1;
	return 0;
}

int cfg_set_codes(const struct cfg_option *option, const struct cfg_input *in)
{
	struct codes codes = {.least = option->min};

	if (each_item(in, add_code, &codes))
		return -1;
	memcpy(cfg_field(option, in->target), codes.set, sizeof(codes.set));
	return 0;
}

void cfg_show_codes(const struct cfg_option *option, const void *target, FILE *to)
{
	const unsigned char *codes = cfg_field_const(option, target);
	const char *between = "";

	for (int i = 0; i < CFG_EXIT_CODES; i++) {
		if (codes[i]) {
			fprintf(to, "%s%d", between, i);
			between = ", ";
		}
	}
}

/* ---- variables and options of tasks ------------------------------------------------------------- */

int cfg_pairs_put(struct cfg_pair **pairs, size_t *count, const char *key, size_t key_length, const char *value,
                  size_t value_length, bool replace)
{
	struct cfg_pair *items, pair = {strndup(key, key_length), strndup(value, value_length)};
	size_t i = 0;

	while (replace && pair.key && i < *count && strcmp((*pairs)[i].key, pair.key))
		i++;
	if (replace && pair.key && pair.value && i < *count) {
		free(pair.key);
		free((*pairs)[i].value);
		(*pairs)[i].value = pair.value;
		return 0;
	}
	items = pair.key && pair.value ? cfg_room(*pairs, *count, sizeof(*items)) : NULL;
	if (!items) {
		free(pair.key);
		free(pair.value);
		return -1;
	}
	*pairs = items;
	items[(*count)++] = pair;
	return 0;
}

void cfg_forget_pairs(const struct cfg_option *option, void *target)
{
	struct cfg_pair **pairs = cfg_field(option, target);
	size_t *count = cfg_field_beside(option, target);

	for (size_t i = 0; i < *count; i++) {
		free((*pairs)[i].key);
		free((*pairs)[i].value);
	}
	free(*pairs);
	*pairs = NULL;
	*count = 0;
}

void cfg_show_pairs(const struct cfg_option *option, const void *target, FILE *to)
{
	struct cfg_pair *const *pairs = cfg_field_const(option, target);
	const size_t *count = cfg_beside_const(option, target);

	for (size_t i = 0; i < *count; i++)
		fprintf(to, "%s%s=\"%s\"", i ? "," : "", (*pairs)[i].key, (*pairs)[i].value);
}

/* One NAME=VALUE at *at, which moves behind it and its comma; `keep` tells whether it is stored or only looked at. */
static int one_variable(const struct cfg_option *option, const struct cfg_input *in, const char **at, bool keep)
{
	const char *key = *at, *value = key + strcspn(key, "=,\"'" CFG_BLANK), *end;
	size_t key_length = (size_t)(value - key);
	char excerpt[CFG_EXCERPT_MAX];

	value += strspn(value, CFG_BLANK);
	if (*value != '=' || !key_length) {
		snprintf(in->why, CFG_WHY_MAX, "`%s`: write NAME=\"VALUE\", with commas between several",
		         cfg_excerpt(key, excerpt));
		return -1;
	}
	value++;
	value += strspn(value, CFG_BLANK);
	if (*value == '"' || *value == '\'') {
		end = strchr(value + 1, *value);
		if (!end) {
			snprintf(in->why, CFG_WHY_MAX, "no second %c closes the quotes of `%s`", *value,
			         cfg_excerpt(value, excerpt));
			return -1;
		}
		value++;
		*at = end + 1;
	} else {
		end = value + strcspn(value, "," CFG_BLANK);
		*at = end;
	}
	*at += strspn(*at, CFG_BLANK);
	if (**at && **at != ',') {
		snprintf(in->why, CFG_WHY_MAX, "a comma is missing before `%s`, or quotes around what belongs together",
		         cfg_excerpt(*at, excerpt));
		return -1;
	}
	*at += **at == ',';
	*at += strspn(*at, CFG_BLANK);
	if (keep && cfg_pairs_put(cfg_field(option, in->target), cfg_field_beside(option, in->target), key, key_length,
	                          value, (size_t)(end - value), true))
		return cfg_no_memory(in);
	return 0;
}

/* Looked at as a whole first: a value that is refused changes nothing. */
int cfg_set_environment(const struct cfg_option *option, const struct cfg_input *in)
{
	for (int keep = 0; keep < 2; keep++) {
		const char *at = in->text + strspn(in->text, CFG_BLANK);

		while (*at) {
			if (one_variable(option, in, &at, keep))
				return -1;
		}
	}
	return 0;
}

/* ---- MIN..MAX ---------------------------------------------------------------------------------- */

int cfg_set_range(const struct cfg_option *option, const struct cfg_input *in)
{
	const char *dots = strstr(in->text, "..");
	char low[CFG_NUMBER_MAX + 1], reason[CFG_WHY_MAX];
	int64_t least, most;
	size_t length = dots ? (size_t)(dots - in->text) : 0;

	if (dots && length && length < sizeof(low) && dots[2]) {
		snprintf(low, sizeof(low), "%.*s", (int)length, in->text);
		if (cfg_parse_integer(low, &least, reason) || cfg_parse_integer(dots + 2, &most, reason))
			dots = NULL;
	} else if (dots || cfg_parse_integer(in->text, &most, reason)) {
		length = 1;
		dots = NULL;
	} else {
		least = most;
		length = 0;
	}
	if (length && !dots) {
		snprintf(in->why, CFG_WHY_MAX,
		         "not a number of workers: write a whole number, or a range such as 2..16");
		return -1;
	}
	if (most < 1 || most > option->max || least < 0) {
		snprintf(in->why, CFG_WHY_MAX, "out of range: allowed is 1..%lld, or 0..1 to %lld..%lld",
		         (long long)option->max, (long long)option->max, (long long)option->max);
		return -1;
	}
	if (least > most) {
		snprintf(in->why, CFG_WHY_MAX, "the range runs backwards: write %lld..%lld", (long long)most,
		         (long long)least);
		return -1;
	}
	*(int64_t *)cfg_field(option, in->target) = least;
	*(int64_t *)cfg_field_beside(option, in->target) = most;
	return 0;
}

void cfg_show_range(const struct cfg_option *option, const void *target, FILE *to)
{
	const int64_t *least = cfg_field_const(option, target), *most = cfg_beside_const(option, target);

	if (*least == *most)
		fprintf(to, "%lld", (long long)*most);
	else
		fprintf(to, "%lld..%lld", (long long)*least, (long long)*most);
}
