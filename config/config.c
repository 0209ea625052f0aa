/* config.c - from a document to a checked configuration: sections, options, and what must fit together. */
#define _GNU_SOURCE 1 /* getcwd with NULL */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "array.h"
#include "crosscheck.h"
#include "document.h"
#include "nearest.h"
#include "options.h"

struct loader {
	struct config *out;
	struct cfg_problems *problems;
	struct cfg_document document;
	char *directory;      /* of the INI file */
	bool lost;            /* a section could not be told, perhaps the very one that seems to be missing */
	bool full[CFG_KINDS]; /* "too many" has been said */
	const struct cfg_section *instance; /* the first [yardmaster] */
	struct cfg_origin origin;
};

/* path made absolute, without following links: a link that moves to another file must keep working. */
static int set_paths(struct loader *load, const char *path)
{
	char *here = getcwd(NULL, 0);
	struct ym_err err;

	if (!here && *path != '/') {
		ym_fail_sys(&err, errno, "getcwd() to find the configuration");
		cfg_problems_add(load->problems, 0, "%s", err.text);
		return -1;
	}
	load->out->path = cfg_resolve_path(here ? here : "", path);
	free(here);
	if (load->out->path) {
		size_t length = (size_t)(strrchr(load->out->path, '/') - load->out->path);

		load->directory = strndup(load->out->path, length ? length : 1);
	}
	if (!load->directory) {
		cfg_problems_no_memory(load->problems);
		return -1;
	}
	return 0;
}

static void unknown_option(struct loader *load, const struct cfg_section *section, enum cfg_kind kind,
                           const struct cfg_entry *entry)
{
	char near[128];

	for (enum cfg_kind other = 0; other < CFG_KINDS; other++) {
		if (other != kind && cfg_option_find(other, entry->name)) {
			cfg_problems_add(load->problems, entry->line, "`%s` belongs in a %s section, not in [%s]",
			                 entry->name, cfg_kind_header(other), section->name);
			return;
		}
	}
	if (cfg_option_suggest(kind, entry->name, near, sizeof(near)))
		cfg_problems_add(load->problems, entry->line, "unknown option `%s` in [%s]: did you mean `%s`?",
		                 entry->name, section->name, near);
	else
		cfg_problems_add(load->problems, entry->line,
		                 "unknown option `%s` in [%s]: `yardmaster check --options` lists all of them",
		                 entry->name, section->name);
}

/* `name` is the option's own: the two entries may use an alias. */
static void set_twice(struct loader *load, const char *name, const struct cfg_entry *first,
                      const struct cfg_entry *again)
{
	if (!strcmp(first->name, again->name))
		cfg_problems_add(load->problems, again->line, "`%s` is set already, in line %d: keep one", again->name,
		                 first->line);
	else
		cfg_problems_add(load->problems, again->line,
		                 "`%s` and `%s` of line %d are names of the same option, `%s`: keep one", again->name,
		                 first->name, first->line, name);
}

static int add_pair(struct loader *load, struct cfg_pool *pool, const struct cfg_option *option,
                    const struct cfg_entry *entry)
{
	struct cfg_pair *pairs = cfg_room(pool->options, pool->noptions, sizeof(*pairs)), pair;

	/* What Yardmaster itself tells a command comes the same way. */
	if (entry->name[strlen(option->name)] == '.')
		cfg_problems_add(load->problems, entry->line, "`%s`: a KEY cannot begin with a dot", entry->name);
	pair.key = strdup(entry->name + strlen(option->name));
	pair.value = strdup(entry->value);
	if (pairs)
		pool->options = pairs;
	if (!pairs || !pair.key || !pair.value) {
		free(pair.key);
		free(pair.value);
		cfg_problems_no_memory(load->problems);
		return -1;
	}
	pairs[pool->noptions++] = pair;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct cfg_entry *const *left = a, *const *right = b;
	int order = strcmp((*left)->name, (*right)->name);

	return order ? order : (*left)->line - (*right)->line;
}

/* option.KEY may come once for each KEY. Sorted, not compared pair by pair: there may be very many. */
static void check_pairs(struct loader *load, const struct cfg_section *section, enum cfg_kind kind)
{
	const struct cfg_entry **pairs = calloc(section->count + 1, sizeof(const struct cfg_entry *));
	size_t count = 0, first = 0;

	if (!pairs) {
		cfg_problems_no_memory(load->problems);
		return;
	}
	for (size_t i = 0; i < section->count; i++) {
		const struct cfg_option *option = cfg_option_find(kind, section->entries[i].name);

		if (option && option->type == CFG_PAIRS)
			pairs[count++] = &section->entries[i];
	}
	qsort(pairs, count, sizeof(const struct cfg_entry *), by_name);
	for (size_t i = 1; i < count; i++) {
		if (strcmp(pairs[first]->name, pairs[i]->name))
			first = i;
		else
			set_twice(load, pairs[first]->name, pairs[first], pairs[i]);
	}
	free(pairs);
}

/* One of two options is required, and of some pairs one only. Called for each of the two, so half of it each. */
static void check_either(struct loader *load, const struct cfg_section *section, const struct cfg_option *option,
                         const struct cfg_entry *entry, const struct cfg_entry *other_entry)
{
	const struct cfg_option *other = cfg_option_find(option->kind, option->other);

	if (!entry && !other_entry && option < other)
		cfg_problems_add(load->problems, section->line, "[%s] needs `%s` (%s) or `%s` (%s)", section->name,
		                 option->name, option->help, other->name, other->help);
	else if (option->alone && entry && other_entry && entry->line > other_entry->line)
		cfg_problems_add(load->problems, entry->line,
		                 "`%s` here and `%s` in line %d: [%s] takes one of the two, remove the other",
		                 option->name, other->name, other_entry->line, section->name);
}

/* Is the option set, and is it not a plain no? One whose value was refused is told already. */
static bool in_force(const struct cfg_option *option, const struct cfg_entry *entry, const void *target)
{
	const int64_t *number = (const void *)((const char *)target + option->offset);

	return entry && (entry->refused || option->type != CFG_BOOLEAN || *number);
}

/*
 * What must be set beside what. Nothing is said about a section with a line that could not be read: what seems to be
 * missing may stand there.
 */
static void check_company(struct loader *load, const struct cfg_section *section, enum cfg_kind kind,
                          const struct cfg_entry *const *seen, const void *target)
{
	size_t count;
	const struct cfg_option *options = cfg_options(&count);
	char needs[64];

	for (size_t i = 0; i < count && !section->damaged; i++) {
		const struct cfg_option *option = &options[i], *other;

		if (option->kind != kind)
			continue;
		if (option->other)
			check_either(load, section, option, seen[i],
			             seen[cfg_option_find(kind, option->other) - options]);
		if (!option->needs || !seen[i])
			continue;
		other = cfg_option_find(kind, option->needs);
		if (!in_force(other, seen[other - options], target))
			cfg_problems_add(load->problems, seen[i]->line,
			                 "`%s` has a meaning only with `%s`, which [%s] does not have: add it, or "
			                 "remove this line",
			                 option->name, cfg_option_needs(option, needs, sizeof(needs)), section->name);
	}
}

/* Defaults and options of one section into `target`, the struct of its kind. */
static void fill(struct loader *load, const struct cfg_section *section, enum cfg_kind kind, void *target)
{
	size_t count;
	const struct cfg_option *options = cfg_options(&count), *option;
	const struct cfg_entry **seen = calloc(count, sizeof(const struct cfg_entry *));
	char why[CFG_WHY_MAX], excerpt[CFG_EXCERPT_MAX];

	if (!seen) {
		cfg_problems_no_memory(load->problems);
		return;
	}
	for (size_t i = 0; i < section->count; i++) {
		struct cfg_entry *entry = &section->entries[i];

		option = cfg_option_find(kind, entry->name);
		if (!option) {
			unknown_option(load, section, kind, entry);
		} else if (option->type == CFG_PAIRS) {
			if (add_pair(load, target, option, entry))
				break;
		} else if (seen[option - options]) {
			set_twice(load, option->name, seen[option - options], entry);
		} else {
			seen[option - options] = entry;
			entry->refused = cfg_option_set(option, target, load->directory, entry->value, why) != 0;
			if (entry->refused)
				cfg_problems_add(load->problems, entry->line, "%s = %s: %s", entry->name,
				                 cfg_excerpt(entry->value, excerpt), why);
		}
	}
	check_company(load, section, kind, seen, target);
	check_pairs(load, section, kind);
	free(seen);
}

static void unknown_section(struct loader *load, const struct cfg_section *section, const char *word)
{
	struct cfg_nearest nearest = {.word = word};
	const char *name = section->name + strlen(word);
	enum cfg_kind kind, near = CFG_KINDS;

	load->lost = true;
	for (kind = 0; kind < CFG_KINDS; kind++) {
		cfg_nearest_offer(&nearest, cfg_kind_word(kind));
		if (nearest.best == cfg_kind_word(kind))
			near = kind;
	}
	if (near == CFG_KINDS)
		cfg_problems_add(load->problems, section->line, "unknown section [%s]: use %s, %s or %s", section->name,
		                 cfg_kind_header(CFG_YARDMASTER), cfg_kind_header(CFG_POOL),
		                 cfg_kind_header(CFG_LIMIT));
	else if (cfg_kind_named(near) && name[0] == ':' && name[1])
		cfg_problems_add(load->problems, section->line, "unknown section [%s]: did you mean [%s%s]?",
		                 section->name, nearest.best, name);
	else
		cfg_problems_add(load->problems, section->line, "unknown section [%s]: did you mean %s?", section->name,
		                 cfg_kind_header(near));
}

/* Which kind a header means, and the name in it. CFG_KINDS when it is none, after saying so. */
static enum cfg_kind identify(struct loader *load, const struct cfg_section *section, const char **name)
{
	size_t length = strcspn(section->name, ":");
	char word[CFG_NEAREST_MAX + 1], why[CFG_WHY_MAX];
	enum cfg_kind kind = 0;

	snprintf(word, sizeof(word), "%.*s", (int)length, section->name);
	*name = section->name + length + (section->name[length] == ':');
	while (kind < CFG_KINDS && strcmp(word, cfg_kind_word(kind)))
		kind++;
	if (kind == CFG_KINDS)
		unknown_section(load, section, word);
	else if (!cfg_kind_named(kind) && section->name[length])
		cfg_problems_add(load->problems, section->line, "[%s] takes no name: write %s", section->name,
		                 cfg_kind_header(kind));
	else if (cfg_kind_named(kind) && !**name)
		cfg_problems_add(load->problems, section->line, "[%s] has no name: write %s", section->name,
		                 cfg_kind_header(kind));
	else if (cfg_kind_named(kind) && cfg_check_name(*name, why))
		cfg_problems_add(load->problems, section->line, "[%s]: %s", section->name, why);
	return kind;
}

static void same_section(struct loader *load, struct cfg_section *section, int first)
{
	section->damaged = true; /* what it needs may be in the first one */
	cfg_problems_add(load->problems, section->line, "[%s] is there already, in line %d: put its options together",
	                 section->name, first);
}

static void preset(struct loader *load, enum cfg_kind kind, void *target)
{
	char why[CFG_WHY_MAX];

	if (cfg_options_preset(kind, target, load->directory, why))
		cfg_problems_add(load->problems, 0, "a default value cannot be set: %s", why);
}

/* Is there room for one more section of this kind? The first one too many is reported. */
static bool has_room(struct loader *load, const struct cfg_section *section, enum cfg_kind kind, size_t count,
                     size_t most)
{
	if (count < most)
		return true;
	if (!load->full[kind])
		cfg_problems_add(load->problems, section->line, "[%s] is one too many: at most %zu %s sections",
		                 section->name, most, cfg_kind_header(kind));
	load->full[kind] = true;
	return false;
}

static void read_pool(struct loader *load, struct cfg_section *section, const char *name)
{
	struct config *out = load->out;
	struct cfg_pool *pools, *pool;

	if (!has_room(load, section, CFG_POOL, out->npools, CFG_POOLS_MAX))
		return;
	pools = cfg_room(out->pools, out->npools, sizeof(*pools));
	if (!pools) {
		cfg_problems_no_memory(load->problems);
		return;
	}
	out->pools = pools;
	pool = &pools[out->npools];
	*pool = (struct cfg_pool){.line = section->line};
	snprintf(pool->name, sizeof(pool->name), "%s", name);
	for (size_t i = 0; i < out->npools; i++) {
		if (!strcmp(pools[i].name, name)) {
			same_section(load, section, pools[i].line);
			break;
		}
	}
	load->origin.pools[out->npools++] = section;
	preset(load, CFG_POOL, pool);
	fill(load, section, CFG_POOL, pool);
}

static void read_limit(struct loader *load, struct cfg_section *section, const char *name)
{
	struct config *out = load->out;
	struct cfg_limit *limits, *limit;

	if (!has_room(load, section, CFG_LIMIT, out->nlimits, CFG_LIMITS_MAX))
		return;
	limits = cfg_room(out->limits, out->nlimits, sizeof(*limits));
	if (!limits) {
		cfg_problems_no_memory(load->problems);
		return;
	}
	out->limits = limits;
	limit = &limits[out->nlimits];
	*limit = (struct cfg_limit){.line = section->line};
	snprintf(limit->name, sizeof(limit->name), "%s", name);
	for (size_t i = 0; i < out->nlimits; i++) {
		if (!strcmp(limits[i].name, name)) {
			same_section(load, section, limits[i].line);
			break;
		}
	}
	load->origin.limits[out->nlimits++] = section;
	preset(load, CFG_LIMIT, limit);
	fill(load, section, CFG_LIMIT, limit);
}

static void read_sections(struct loader *load)
{
	const char *name;

	preset(load, CFG_YARDMASTER, &load->out->instance);
	for (size_t i = 0; i < load->document.count; i++) {
		struct cfg_section *section = &load->document.sections[i];

		if (!*section->name) {
			load->lost = true;
			continue;
		}
		switch (identify(load, section, &name)) {
		case CFG_YARDMASTER:
			if (load->instance && !*name)
				same_section(load, section, load->instance->line);
			else if (!*name)
				load->instance = section;
			fill(load, section, CFG_YARDMASTER, &load->out->instance);
			break;
		case CFG_POOL:
			read_pool(load, section, name);
			break;
		case CFG_LIMIT:
			read_limit(load, section, name);
			break;
		case CFG_KINDS:
			break;
		}
	}
}

int config_load(const char *path, struct config *out, struct cfg_problems *problems)
{
	struct loader load = {.out = out, .problems = problems};

	*out = (struct config){0};
	*problems = (struct cfg_problems){0};
	if (!set_paths(&load, path) && !cfg_document_read(path, &load.document, problems)) {
		read_sections(&load);
		if (!out->npools && !load.lost)
			cfg_problems_add(
			    problems, 0,
			    "no pool: add a [pool:NAME] section with `plugin = PATH` or `command = WORDS`");
		cfg_crosscheck(out, &load.origin, problems);
	}
	cfg_document_free(&load.document);
	free(load.directory);
	if (!problems->count)
		return 0;
	cfg_problems_sort(problems);
	config_free(out);
	return -1;
}

void config_free(struct config *config)
{
	cfg_options_free(CFG_YARDMASTER, &config->instance);
	for (size_t i = 0; i < config->npools; i++) {
		struct cfg_pool *pool = &config->pools[i];

		cfg_options_free(CFG_POOL, pool);
		for (size_t j = 0; j < pool->noptions; j++) {
			free(pool->options[j].key);
			free(pool->options[j].value);
		}
		free(pool->options);
	}
	for (size_t i = 0; i < config->nlimits; i++)
		cfg_options_free(CFG_LIMIT, &config->limits[i]);
	free(config->pools);
	free(config->limits);
	free(config->path);
	*config = (struct config){0};
}
