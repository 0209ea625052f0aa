/* options.c - finding options by what stands in a file, storing values, defaults. */
#include "options.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config.h"
#include "nearest.h"
#include "types.h"

bool cfg_option_is_family(const struct cfg_option *option)
{
	return option->type == CFG_PAIRS || option->type == CFG_ENV_PAIRS;
}

const char *cfg_option_title(const struct cfg_option *option, char *out, size_t size)
{
	snprintf(out, size, "%s%s", option->name,
	         option->type == CFG_PAIRS       ? "KEY"
	         : option->type == CFG_ENV_PAIRS ? "NAME]"
	                                         : "");
	return out;
}

/* The member of a family in `name`, `length` bytes: KEY of option.KEY, NAME of env[NAME]. NULL if it is none. */
static const char *member(const struct cfg_option *option, const char *name, size_t *length)
{
	size_t stem = strlen(option->name), tail = option->type == CFG_ENV_PAIRS, whole = strlen(name);

	if (strncmp(name, option->name, stem) || whole <= stem + tail || (tail && name[whole - 1] != ']'))
		return NULL;
	*length = whole - stem - tail;
	return name + stem;
}

static bool is_called(const struct cfg_option *option, const char *name)
{
	bool folded = cfg_kind_dialect(option->kind) == CFG_DIALECT_SUPERVISORD;
	int (*compare)(const char *a, const char *b) = folded ? strcasecmp : strcmp;
	size_t length;

	if (cfg_option_is_family(option))
		return member(option, name, &length) != NULL;
	if (!compare(name, option->name))
		return true;
	for (size_t i = 0; i < CFG_ALIASES_MAX && option->aliases[i]; i++) {
		if (!compare(name, option->aliases[i]))
			return true;
	}
	return false;
}

const struct cfg_option *cfg_option_find(enum cfg_kind kind, const char *name)
{
	size_t count;
	const struct cfg_option *options = cfg_options(&count);

	for (size_t i = 0; i < count; i++) {
		if (options[i].kind == kind && is_called(&options[i], name))
			return &options[i];
	}
	return NULL;
}

bool cfg_option_suggest(enum cfg_kind kind, const char *name, char *out, size_t size)
{
	char head[CFG_NEAREST_MAX + 1], stem[CFG_NEAREST_MAX + 1];
	struct cfg_nearest whole = {.word = name}, family = {.word = head};
	const char *key = name + strcspn(name, ".");
	size_t count;
	const struct cfg_option *options = cfg_options(&count);

	snprintf(head, sizeof(head), "%.*s", (int)(key - name), name);
	key = key[0] && key[1] ? key + 1 : "KEY";
	for (size_t i = 0; i < count; i++) {
		const struct cfg_option *option = &options[i];

		if (option->kind != kind)
			continue;
		if (option->type == CFG_PAIRS) {
			/* Only what stands before the dot can be mistaken: behind it everything is right. */
			snprintf(stem, sizeof(stem), "%.*s", (int)strlen(option->name) - 1, option->name);
			cfg_nearest_offer(&family, stem);
			continue;
		}
		cfg_nearest_offer(&whole, option->type == CFG_ENV_PAIRS ? "env[NAME]" : option->name);
		for (size_t j = 0; j < CFG_ALIASES_MAX && option->aliases[j]; j++)
			cfg_nearest_offer(&whole, option->aliases[j]);
	}
	if (family.best && (!whole.best || family.distance < whole.distance))
		snprintf(out, size, "%s.%s", family.best, key);
	else if (whole.best)
		snprintf(out, size, "%s", whole.best);
	return family.best || whole.best;
}

const char *cfg_option_needs(const struct cfg_option *option, char *out, size_t size)
{
	const struct cfg_option *needed = cfg_option_find(option->kind, option->needs);

	snprintf(out, size, "%s%s", needed->name, needed->type == CFG_BOOLEAN ? " = yes" : "");
	return out;
}

int cfg_option_set(const struct cfg_option *option, void *target, const char *directory, const char *text,
                   char why[CFG_WHY_MAX])
{
	struct cfg_input in = {text, directory, target, why};

	if (!*text) {
		snprintf(why, CFG_WHY_MAX, "no value: write one, or remove the line");
		return -1;
	}
	if (option->special && !strcasecmp(text, option->special)) {
		*(int64_t *)cfg_field(option, target) = option->special_value;
		return 0;
	}
	return cfg_type_of(option)->set(option, &in);
}

int cfg_option_add(const struct cfg_option *option, void *target, const char *name, const char *text,
                   char why[CFG_WHY_MAX])
{
	bool variable = option->type == CFG_ENV_PAIRS;
	size_t length = 0;
	const char *key = member(option, name, &length);

	/* What Yardmaster itself tells a command comes the same way. */
	if (!variable && *key == '.') {
		snprintf(why, CFG_WHY_MAX, "a KEY cannot begin with a dot");
		return -1;
	}
	if (variable && (text[0] == '$' && text[1])) {
		text = getenv(text + 1);
		if (!text)
			text = "";
	}
	if (!cfg_pairs_put(cfg_field(option, target), cfg_field_beside(option, target), key, length, text, strlen(text),
	                   variable))
		return 0;
	snprintf(why, CFG_WHY_MAX, "out of memory");
	return -1;
}

/* Does the field hold the number that a word stands for? */
static bool is_special(const struct cfg_option *option, const void *target)
{
	const int64_t *field = cfg_field_const(option, target);

	return option->special && *field == option->special_value;
}

void cfg_option_show(const struct cfg_option *option, const void *target, FILE *to)
{
	const struct cfg_type_row *type = cfg_type_of(option);

	if (is_special(option, target))
		fputs(option->special, to);
	else if (type->show)
		type->show(option, target, to);
}

int cfg_options_preset(enum cfg_kind kind, void *target, const char *directory, char why[CFG_WHY_MAX])
{
	size_t count;
	const struct cfg_option *options = cfg_options(&count);

	for (size_t i = 0; i < count; i++) {
		if (options[i].kind == kind && options[i].preset &&
		    cfg_option_set(&options[i], target, directory, options[i].preset, why))
			return -1;
	}
	return 0;
}

void cfg_options_free(enum cfg_kind kind, void *target)
{
	size_t count;
	const struct cfg_option *options = cfg_options(&count);

	for (size_t i = 0; i < count; i++) {
		const struct cfg_type_row *type = cfg_type_of(&options[i]);

		if (options[i].kind == kind && type->forget)
			type->forget(&options[i], target);
	}
}

const char *cfg_option_number(const struct cfg_option *option, int64_t value, char out[CFG_NUMBER_MAX])
{
	const struct cfg_type_row *type = cfg_type_of(option);
	const char *name = option->type == CFG_SIGNAL && value > 0 ? sigabbrev_np((int)value) : NULL;

	if (option->special && value == option->special_value)
		snprintf(out, CFG_NUMBER_MAX, "%s", option->special);
	else if (option->type == CFG_RLIMIT && value == CFG_UNLIMITED)
		snprintf(out, CFG_NUMBER_MAX, "unlimited");
	else if (name)
		snprintf(out, CFG_NUMBER_MAX, "%s", name);
	else if (type->format)
		type->format(value, out);
	else
		cfg_format_integer(value, out);
	return out;
}
