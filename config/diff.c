/* diff.c - two configurations, option by option. */
#include "diff.h"

#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "store_uri.h"

#define SHOWN_MAX 60 /* bytes of a value in a line for people */

/* The value as text, "" for none; NULL when out of memory. */
static char *text_of(const struct cfg_option *option, const void *target)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	cfg_option_show(option, target, to);
	if (!fclose(to))
		return text;
	free(text);
	return NULL;
}

static void free_change(struct cfg_change *change)
{
	for (size_t i = 0; i < change->count; i++) {
		free(change->options[i].from);
		free(change->options[i].to);
	}
	free(change->options);
}

/* What people see of the two URIs of a store. -1 when out of memory. */
static int hide_passwords(struct cfg_option_change *change)
{
	char **texts[] = {&change->from, &change->to}, shown[CFG_STORE_SHOWN_MAX];

	for (size_t i = 0; i < 2; i++) {
		char *copy = strdup(cfg_store_shown(*texts[i], shown));

		if (!copy)
			return -1;
		free(*texts[i]);
		*texts[i] = copy;
	}
	if (strcmp(change->from, change->to))
		return 0;
	free(change->to);
	change->to = strdup("the same with another password");
	return change->to ? 0 : -1;
}

/* 0, also if both are the same; -1 when out of memory. */
static int compare_option(const struct cfg_option *option, const void *old, const void *new, struct cfg_change *change)
{
	struct cfg_option_change *options, item = {option, text_of(option, old), text_of(option, new)};
	bool same = item.from && item.to && !strcmp(item.from, item.to);

	if (item.from && item.to && !same && option->type == CFG_STORE && hide_passwords(&item)) {
		free(item.from);
		free(item.to);
		return -1;
	}
	options = item.from && item.to && !same ? cfg_room(change->options, change->count, sizeof(*options)) : NULL;
	if (!options) {
		free(item.from);
		free(item.to);
		return same ? 0 : -1;
	}
	change->options = options;
	options[change->count++] = item;
	if (option->effect > change->effect)
		change->effect = option->effect;
	return 0;
}

/* Takes `change` over. */
static int add(struct cfg_changes *changes, struct cfg_change *change)
{
	struct cfg_change *items = cfg_room(changes->items, changes->count, sizeof(*items));

	if (!items) {
		free_change(change);
		return -1;
	}
	changes->items = items;
	items[changes->count++] = *change;
	if (change->effect > changes->effect)
		changes->effect = change->effect;
	return 0;
}

static int compare_structs(struct cfg_changes *changes, struct cfg_change *change, const void *old, const void *new)
{
	size_t count;
	const struct cfg_option *options = cfg_options(&count);

	change->what = CFG_CHANGED;
	for (size_t i = 0; i < count; i++) {
		if (options[i].kind == change->kind && options[i].effect != CFG_EFFECT_NONE &&
		    compare_option(&options[i], old, new, change)) {
			free_change(change);
			return -1;
		}
	}
	return change->count ? add(changes, change) : 0;
}

/* The index of the section in its list; the number of sections if there is none of this name. */
static size_t find(const struct config *config, enum cfg_kind kind, const char *name)
{
	size_t count = cfg_count(config, kind), i = 0;

	while (i < count && strcmp(cfg_item_name(config, kind, i), name))
		i++;
	return i;
}

static int compare_old(const struct config *old, const struct config *new, enum cfg_kind kind, size_t index,
                       struct cfg_changes *changes)
{
	const char *name = cfg_item_name(old, kind, index);
	struct cfg_change change = {.kind = kind, .old_index = index, .new_index = find(new, kind, name)};

	snprintf(change.name, sizeof(change.name), "%s", name);
	if (change.new_index < cfg_count(new, kind))
		return compare_structs(changes, &change, cfg_item(old, kind, index),
		                       cfg_item(new, kind, change.new_index));
	change.what = CFG_REMOVED;
	return add(changes, &change);
}

static int compare_new(const struct config *old, const struct config *new, enum cfg_kind kind, size_t index,
                       struct cfg_changes *changes)
{
	const char *name = cfg_item_name(new, kind, index);
	struct cfg_change change = {.kind = kind, .what = CFG_ADDED, .new_index = index};

	snprintf(change.name, sizeof(change.name), "%s", name);
	return find(old, kind, name) < cfg_count(old, kind) ? 0 : add(changes, &change);
}

int cfg_diff(const struct config *old, const struct config *new, struct cfg_changes *changes)
{
	struct cfg_change instance = {.kind = CFG_YARDMASTER};
	int result;

	*changes = (struct cfg_changes){0};
	result = compare_structs(changes, &instance, &old->instance, &new->instance);
	for (enum cfg_kind kind = 0; kind < CFG_KINDS; kind++) {
		for (size_t i = 0; !result && i < cfg_count(old, kind); i++)
			result = compare_old(old, new, kind, i, changes);
		for (size_t i = 0; !result && i < cfg_count(new, kind); i++)
			result = compare_new(old, new, kind, i, changes);
	}
	if (result)
		cfg_changes_free(changes);
	return result;
}

const struct cfg_change *cfg_changes_of(const struct cfg_changes *changes, enum cfg_kind kind, const char *name)
{
	for (size_t i = 0; i < changes->count; i++) {
		if (changes->items[i].kind == kind && !strcmp(changes->items[i].name, name))
			return &changes->items[i];
	}
	return NULL;
}

/* What people want to know besides the values; nothing where they say it. */
static const char *consequence(const struct cfg_change *change, enum cfg_effect effect)
{
	if (effect == CFG_EFFECT_START)
		return ": holds only after a new start of the instance";
	if (effect != CFG_EFFECT_ROLL)
		return "";
	return change->kind == CFG_PROGRAM ? ": its processes are replaced" : ": its workers are replaced";
}

static void print_option(const struct cfg_change *change, const struct cfg_option_change *option, FILE *to)
{
	char title[64];

	fprintf(to, "%s%s%s: %s ", cfg_kind_word(change->kind), *change->name ? " " : "", change->name,
	        cfg_option_title(option->option, title, sizeof(title)));
	if (strlen(option->from) > SHOWN_MAX || strlen(option->to) > SHOWN_MAX || strpbrk(option->from, "\n") ||
	    strpbrk(option->to, "\n"))
		fprintf(to, "changed");
	else
		fprintf(to, "%s -> %s", *option->from ? option->from : "none", *option->to ? option->to : "none");
	fprintf(to, "%s\n", consequence(change, option->option->effect));
}

void cfg_changes_print(const struct cfg_changes *changes, FILE *to)
{
	for (size_t i = 0; i < changes->count; i++) {
		const struct cfg_change *change = &changes->items[i];

		if (change->what != CFG_CHANGED)
			fprintf(to, "%s %s: %s\n", cfg_kind_word(change->kind), change->name,
			        change->what == CFG_ADDED ? "added" : "removed");
		for (size_t j = 0; j < change->count; j++)
			print_option(change, &change->options[j], to);
	}
}

void cfg_changes_free(struct cfg_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		free_change(&changes->items[i]);
	free(changes->items);
	*changes = (struct cfg_changes){0};
}
