/* config.c - from documents to a checked configuration: which sections there are, one struct for each. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "crosscheck.h"
#include "loader.h"
#include "nearest.h"
#include "problems.h"
#include "supervisord.h"

/* ---- which kind of section ----------------------------------------------------------------------- */

static void unknown_section(struct cfg_loader *load, const struct cfg_section *section, const char *word)
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
		cfg_problems_add(load->problems, section->at, "unknown section [%s]: use %s, %s, %s, %s or %s",
		                 section->name, cfg_kind_header(CFG_YARDMASTER), cfg_kind_header(CFG_POOL),
		                 cfg_kind_header(CFG_LIMIT), cfg_kind_header(CFG_PROGRAM), cfg_kind_header(CFG_CRON));
	else if (cfg_kind_named(near) && name[0] == ':' && name[1])
		cfg_problems_add(load->problems, section->at, "unknown section [%s]: did you mean [%s%s]?",
		                 section->name, nearest.best, name);
	else
		cfg_problems_add(load->problems, section->at, "unknown section [%s]: did you mean %s?", section->name,
		                 cfg_kind_header(near));
}

/*
 * Which kind a header means, and the name in it (NULL: none, or not a good one). CFG_KINDS when it is none, after saying
 * so.
 */
static enum cfg_kind identify(struct cfg_loader *load, const struct cfg_section *section, const char **name)
{
	size_t length = strcspn(section->name, ":");
	char word[CFG_NEAREST_MAX + 1], why[CFG_WHY_MAX];
	enum cfg_kind kind = cfg_kind_of(section->name);

	snprintf(word, sizeof(word), "%.*s", (int)length, section->name);
	*name = section->name + length + (section->name[length] == ':');
	if (kind == CFG_KINDS)
		unknown_section(load, section, word);
	else if (!cfg_kind_named(kind) && section->name[length])
		cfg_problems_add(load->problems, section->at, "[%s] takes no name: write %s", section->name,
		                 cfg_kind_header(kind));
	else if (cfg_kind_named(kind) && !**name)
		cfg_problems_add(load->problems, section->at, "[%s] has no name: write %s", section->name,
		                 cfg_kind_header(kind));
	else if (cfg_kind_named(kind) && cfg_check_name(*name, cfg_name_size(kind), why))
		cfg_problems_add(load->problems, section->at, "[%s]: %s", section->name, why);
	return kind;
}

/* ---- one struct for each ------------------------------------------------------------------------- */

static void same_section(struct cfg_loader *load, struct cfg_section *section, const struct cfg_section *first)
{
	char where[CFG_PLACE_MAX];

	section->damaged = true; /* what it needs may be in the first one */
	cfg_problems_add(load->problems, section->at, "[%s] is there already, in %s: put its options together",
	                 section->name, cfg_place_text(first->at, section->at, where));
}

static void preset(struct cfg_loader *load, enum cfg_kind kind, void *target)
{
	char why[CFG_WHY_MAX];

	if (cfg_options_preset(kind, target, load->out->files[0]->directory, why))
		cfg_problems_add(load->problems, (struct cfg_place){0}, "a default value cannot be set: %s", why);
}

/* Is there room for one more section of this kind? The first one too many is reported. */
static bool has_room(struct cfg_loader *load, const struct cfg_section *section, enum cfg_kind kind)
{
	if (cfg_count(load->out, kind) < cfg_most(kind))
		return true;
	if (!load->full[kind])
		cfg_problems_add(load->problems, section->at, "[%s] is one too many: at most %zu %s sections",
		                 section->name, cfg_most(kind), cfg_kind_header(kind));
	load->full[kind] = true;
	return false;
}

/* A section with a name: a struct of its own. */
static void read_named(struct cfg_loader *load, struct cfg_section *section, enum cfg_kind kind, const char *name)
{
	size_t count = cfg_count(load->out, kind);
	const struct cfg_section **sections;
	void *item;

	if (!has_room(load, section, kind))
		return;
	sections = cfg_room(load->sections[kind], count, sizeof(const struct cfg_section *));
	item = sections ? cfg_add(load->out, kind, name, section->at.file->path, section->at.line) : NULL;
	if (sections)
		load->sections[kind] = sections;
	if (!item) {
		cfg_problems_no_memory(load->problems);
		return;
	}
	sections[count] = section;
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(cfg_item_name(load->out, kind, i), cfg_item_name(load->out, kind, count))) {
			same_section(load, section, sections[i]);
			break;
		}
	}
	preset(load, kind, item);
	if (kind == CFG_PROGRAM)
		cfg_supervisord_program(load, name, item);
	cfg_section_fill(load, section, kind, name, item);
}

/* A section without a name, which there is once. */
static void read_single(struct cfg_loader *load, struct cfg_section *section, enum cfg_kind kind, const char *name)
{
	if (load->single[kind] && !*name)
		same_section(load, section, load->single[kind]);
	else if (!*name)
		load->single[kind] = section;
	if (kind == CFG_YARDMASTER)
		cfg_section_fill(load, section, kind, NULL, &load->out->instance);
	else if (kind == CFG_SUPERVISORD)
		cfg_supervisord_read(load, section);
}

/* The sections of some kinds, of all files. */
static void read_sections(struct cfg_loader *load, const enum cfg_kind kinds[CFG_KINDS], size_t count)
{
	const char *name;

	for (size_t i = 0; i < load->out->nfiles; i++) {
		struct cfg_document *document = load->documents[i];

		for (size_t j = 0; j < document->count; j++) {
			struct cfg_section *section = &document->sections[j];
			enum cfg_kind kind = cfg_kind_of(section->name);
			size_t k = 0;

			while (k < count && kinds[k] != kind)
				k++;
			if (k == count || !*section->name || (kind == CFG_KINDS && cfg_kind_ignored(section->name)))
				continue;
			identify(load, section, &name);
			if (kind < CFG_KINDS && cfg_kind_named(kind))
				read_named(load, section, kind, name);
			else if (kind < CFG_KINDS && kind != CFG_INCLUDE)
				read_single(load, section, kind, name);
		}
	}
}

/* What only supervisord understands, and headers that were refused. */
static void pass_over(struct cfg_loader *load)
{
	for (size_t i = 0; i < load->out->nfiles; i++) {
		const struct cfg_document *document = load->documents[i];

		for (size_t j = 0; j < document->count; j++) {
			const struct cfg_section *section = &document->sections[j];
			const char *instead = cfg_kind_ignored(section->name);

			if (!*section->name)
				load->lost = true;
			else if (instead)
				cfg_note(load, section->at, "[%s] has no effect: %s", section->name, instead);
		}
	}
}

static void read_all(struct cfg_loader *load)
{
	/* Those that speak for others come first. */
	static const enum cfg_kind kinds[][5] = {
	    {CFG_YARDMASTER},
	    {CFG_SUPERVISORD},
	    {CFG_POOL, CFG_LIMIT, CFG_PROGRAM, CFG_CRON, CFG_INCLUDE},
	    {CFG_KINDS},
	};
	static const size_t counts[] = {1, 1, 5, 1};

	preset(load, CFG_YARDMASTER, &load->out->instance);
	pass_over(load);
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		read_sections(load, kinds[i], counts[i]);
	if (!load->out->npools && !load->out->nprograms && !load->lost)
		cfg_problems_add(load->problems, (struct cfg_place){.file = load->out->files[0]},
		                 "no pool and no program: add a [pool:NAME] section with `plugin = PATH` or "
		                 "`command = WORDS`, or a [program:NAME] section with `command = WORDS`");
	cfg_crosscheck(load);
}

static void free_loader(struct cfg_loader *load)
{
	for (size_t i = 0; i < load->out->nfiles; i++) {
		cfg_document_free(load->documents[i]);
		free(load->documents[i]);
	}
	free(load->documents);
	for (enum cfg_kind kind = 0; kind < CFG_KINDS; kind++)
		free(load->sections[kind]);
	for (size_t i = 0; i < load->nenvironment; i++) {
		free(load->environment[i].key);
		free(load->environment[i].value);
	}
	free(load->environment);
}

int config_load(const char *path, struct config *out, struct cfg_problems *problems)
{
	struct cfg_loader load = {.out = out, .problems = problems};

	*out = (struct config){0};
	*problems = (struct cfg_problems){0};
	if (!cfg_files_read(&load, path))
		read_all(&load);
	free_loader(&load);
	cfg_problems_sort(&out->notes);
	if (cfg_problems_lost(&out->notes))
		cfg_problems_no_memory(problems);
	cfg_problems_sort(problems);
	if (!problems->count)
		return 0;
	config_free(out);
	return -1;
}

void config_free(struct config *config)
{
	cfg_options_free(CFG_YARDMASTER, &config->instance);
	for (enum cfg_kind kind = 0; kind < CFG_KINDS; kind++) {
		for (size_t i = 0; i < cfg_count(config, kind); i++)
			cfg_options_free(kind, cfg_item(config, kind, i));
		cfg_free_list(config, kind);
	}
	for (size_t i = 0; i < config->nfiles; i++) {
		free(config->files[i]->path);
		free(config->files[i]->directory);
		free(config->files[i]);
	}
	free(config->files);
	free(config->path);
	cfg_problems_free(&config->notes);
	*config = (struct config){0};
}
