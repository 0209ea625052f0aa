/* section.c - the entries of one section as values of its struct. */
#include <stdlib.h>
#include <string.h>

#include "expand.h"
#include "loader.h"
#include "supervisord.h"

const struct cfg_entry *cfg_section_entry(const struct cfg_section *section, enum cfg_kind kind, size_t offset)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct cfg_option *option = cfg_option_find(kind, section->entries[i].name);

		if (option && option->offset == offset && !cfg_option_is_family(option))
			return &section->entries[i];
	}
	return NULL;
}

static void unknown_option(struct cfg_loader *load, const struct cfg_section *section, enum cfg_kind kind,
                           const struct cfg_entry *entry)
{
	bool foreign = cfg_kind_dialect(kind) == CFG_DIALECT_SUPERVISORD;
	const char *unsupported = cfg_supervisord_option(kind, entry->name);
	char near[128];

	if (unsupported) {
		cfg_note(load, entry->at, "`%s` has no effect: %s", entry->name, unsupported);
		return;
	}
	for (enum cfg_kind other = 0; other < CFG_KINDS && !foreign; other++) {
		if (other != kind && other != CFG_SUPERVISORD && cfg_option_find(other, entry->name)) {
			cfg_problems_add(load->problems, entry->at, "`%s` belongs in a %s section, not in [%s]",
			                 entry->name, cfg_kind_header(other), section->name);
			return;
		}
	}
	if (cfg_option_suggest(kind, entry->name, near, sizeof(near)))
		cfg_problems_add(load->problems, entry->at, "unknown option `%s` in [%s]: did you mean `%s`?",
		                 entry->name, section->name, near);
	else if (foreign)
		cfg_note(load, entry->at,
		         "unknown option `%s` in [%s] has no effect: `yardmaster check --options` lists all of them",
		         entry->name, section->name);
	else
		cfg_problems_add(load->problems, entry->at,
		                 "unknown option `%s` in [%s]: `yardmaster check --options` lists all of them",
		                 entry->name, section->name);
}

/* `name` is the option's own: the two entries may use an alias. In supervisord's files the last one counts. */
static void set_twice(struct cfg_loader *load, enum cfg_kind kind, const char *name, const struct cfg_entry *first,
                      const struct cfg_entry *again)
{
	if (cfg_kind_dialect(kind) == CFG_DIALECT_SUPERVISORD)
		cfg_note(load, again->at, "`%s` takes the place of `%s` in line %d", again->name, first->name,
		         first->at.line);
	else if (!strcmp(first->name, again->name))
		cfg_problems_add(load->problems, again->at, "`%s` is set already, in line %d: keep one", again->name,
		                 first->at.line);
	else
		cfg_problems_add(load->problems, again->at,
		                 "`%s` and `%s` of line %d are names of the same option, `%s`: keep one", again->name,
		                 first->name, first->at.line, name);
}

static int by_name(const void *a, const void *b)
{
	const struct cfg_entry *const *left = a, *const *right = b;
	int order = strcmp((*left)->name, (*right)->name);

	return order ? order : (*left)->at.line - (*right)->at.line;
}

/* Each member of a family may come once. Sorted, not compared pair by pair: there may be very many. */
static void check_families(struct cfg_loader *load, const struct cfg_section *section, enum cfg_kind kind)
{
	const struct cfg_entry **pairs = calloc(section->count + 1, sizeof(const struct cfg_entry *));
	size_t count = 0, first = 0;

	if (!pairs) {
		cfg_problems_no_memory(load->problems);
		return;
	}
	for (size_t i = 0; i < section->count; i++) {
		const struct cfg_option *option = cfg_option_find(kind, section->entries[i].name);

		if (option && cfg_option_is_family(option))
			pairs[count++] = &section->entries[i];
	}
	qsort(pairs, count, sizeof(const struct cfg_entry *), by_name);
	for (size_t i = 1; i < count; i++) {
		if (strcmp(pairs[first]->name, pairs[i]->name))
			first = i;
		else
			set_twice(load, kind, pairs[first]->name, pairs[first], pairs[i]);
	}
	free(pairs);
}

/* One of two options is required, and of some pairs one only. Called for each of the two, so half of it each. */
static void check_either(struct cfg_loader *load, const struct cfg_section *section, const struct cfg_option *option,
                         const struct cfg_entry *entry, const struct cfg_entry *other_entry)
{
	const struct cfg_option *other = cfg_option_find(option->kind, option->other);

	if (!entry && !other_entry && option < other)
		cfg_problems_add(load->problems, section->at, "[%s] needs `%s` (%s) or `%s` (%s)", section->name,
		                 option->name, option->help, other->name, other->help);
	else if (option->alone && entry && other_entry && entry->at.line > other_entry->at.line)
		cfg_problems_add(load->problems, entry->at,
		                 "`%s` here and `%s` in line %d: [%s] takes one of the two, remove the other",
		                 option->name, other->name, other_entry->at.line, section->name);
}

/* Is the option set, and is it not a plain no? One whose value was refused is told already. */
static bool in_force(const struct cfg_option *option, const struct cfg_entry *entry, const void *target)
{
	const int64_t *number = (const void *)((const char *)target + option->offset);

	return entry && (entry->refused || option->type != CFG_BOOLEAN || *number);
}

/*
 * What must be set, and what beside what. Nothing is said about a section with a line that could not be read: what seems
 * to be missing may stand there.
 */
static void check_company(struct cfg_loader *load, const struct cfg_section *section, enum cfg_kind kind,
                          const struct cfg_entry *const *seen, const void *target)
{
	size_t count;
	const struct cfg_option *options = cfg_options(&count);
	char needs[64];

	for (size_t i = 0; i < count && !section->damaged; i++) {
		const struct cfg_option *option = &options[i], *other;

		if (option->kind != kind)
			continue;
		if (option->required && !seen[i])
			cfg_problems_add(load->problems, section->at, "[%s] needs `%s` (%s)", section->name,
			                 option->name, option->help);
		if (option->other)
			check_either(load, section, option, seen[i],
			             seen[cfg_option_find(kind, option->other) - options]);
		if (!option->needs || !seen[i])
			continue;
		other = cfg_option_find(kind, option->needs);
		if (!in_force(other, seen[other - options], target))
			cfg_problems_add(load->problems, seen[i]->at,
			                 "`%s` has a meaning only with `%s`, which [%s] does not have: add it, or "
			                 "remove this line",
			                 option->name, cfg_option_needs(option, needs, sizeof(needs)), section->name);
	}
}

/* How many processes the section has, for %(numprocs)d, which may stand in front of it. */
static int64_t numprocs_of(const struct cfg_section *section)
{
	const struct cfg_entry *entry = cfg_entry_find(section, "numprocs");
	char why[CFG_WHY_MAX];
	int64_t numprocs;

	return entry && !cfg_parse_integer(entry->value, &numprocs, why) && numprocs > 0 ? numprocs : 1;
}

/* The value of an entry in supervisord's dialect. 0 or -1 with the reason. */
static int expanded(struct cfg_loader *load, const struct cfg_option *option, const struct cfg_entry *entry,
                    const struct cfg_section *section, const char *name, char **out, char why[CFG_WHY_MAX])
{
	struct cfg_expansion values = {
	    .here = entry->at.file->directory,
	    .program_name = name,
	    .numprocs = numprocs_of(section),
	    .process_num = CFG_EXPAND_LATER,
	    .no_process_num = !option->template,
	    .environment = load->environment,
	    .nenvironment = load->nenvironment,
	};
	char *word = cfg_supervisord_value(option, entry->value);

	if (!word) {
		snprintf(why, CFG_WHY_MAX, "out of memory");
		return -1;
	}
	if (option->type == CFG_PERCENT) {
		*out = word;
		return 0;
	}
	if (cfg_expand(word, &values, out, why)) {
		free(word);
		return -1;
	}
	free(word);
	return 0;
}

void cfg_section_set(struct cfg_loader *load, const struct cfg_option *option, struct cfg_entry *entry,
                     const struct cfg_section *section, const char *name, void *target)
{
	bool foreign = cfg_kind_dialect(option->kind) == CFG_DIALECT_SUPERVISORD;
	char why[CFG_WHY_MAX], excerpt[CFG_EXCERPT_MAX], *text = NULL;

	entry->refused = foreign && expanded(load, option, entry, section, name, &text, why);
	if (!entry->refused && cfg_option_is_family(option))
		entry->refused = cfg_option_add(option, target, entry->name, foreign ? text : entry->value, why) != 0;
	else if (!entry->refused)
		entry->refused =
		    cfg_option_set(option, target, entry->at.file->directory, foreign ? text : entry->value, why) != 0;
	free(text);
	if (entry->refused && cfg_option_is_family(option))
		cfg_problems_add(load->problems, entry->at, "`%s`: %s", entry->name, why);
	else if (entry->refused)
		cfg_problems_add(load->problems, entry->at, "%s = %s: %s", entry->name,
		                 cfg_excerpt(entry->value, excerpt), why);
}

void cfg_section_fill(struct cfg_loader *load, const struct cfg_section *section, enum cfg_kind kind, const char *name,
                      void *target)
{
	bool foreign = cfg_kind_dialect(kind) == CFG_DIALECT_SUPERVISORD;
	size_t count;
	const struct cfg_option *options = cfg_options(&count), *option;
	const struct cfg_entry **seen = calloc(count, sizeof(const struct cfg_entry *));

	if (!seen) {
		cfg_problems_no_memory(load->problems);
		return;
	}
	for (size_t i = 0; i < section->count; i++) {
		struct cfg_entry *entry = &section->entries[i];

		option = cfg_option_find(kind, entry->name);
		if (!option) {
			unknown_option(load, section, kind, entry);
			continue;
		}
		if (foreign && !*entry->value) {
			cfg_note(load, entry->at, "`%s` has no value: it is taken as not set", entry->name);
			continue;
		}
		if (!cfg_option_is_family(option) && seen[option - options]) {
			set_twice(load, kind, option->name, seen[option - options], entry);
			if (!foreign)
				continue;
		}
		seen[option - options] = entry;
		cfg_section_set(load, option, entry, section, name, target);
	}
	check_company(load, section, kind, seen, target);
	check_families(load, section, kind);
	free(seen);
	cfg_settle(load, section, kind, target);
}
