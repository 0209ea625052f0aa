/*
 * loader.h - what the steps of config_load() share.
 *
 * files.c reads the file and what it includes; config.c tells the kinds of the sections apart and makes a struct for
 * each; section.c fills it; settle.c adds what follows from several of its options; crosscheck.c compares sections.
 */
#ifndef YM_CONFIG_LOADER_H
#define YM_CONFIG_LOADER_H

#include "config.h"
#include "document.h"
#include "options.h"

struct cfg_loader {
	struct config *out;
	struct cfg_problems *problems;
	struct cfg_document **documents; /* in the order of out->files */
	bool lost;            /* a section could not be told, perhaps the very one that seems to be missing */
	bool full[CFG_KINDS]; /* "too many" has been said */
	const struct cfg_section **sections[CFG_KINDS]; /* that the structs of `out` come from, in their order */
	const struct cfg_section *single[CFG_KINDS];    /* the first of a kind that has no name */
	/* Variables of [supervisord], for all programs. */
	struct cfg_pair *environment;
	size_t nenvironment;
};

/* files.c: the file at `path` and what it includes become documents. 0, or -1 with a problem: there is nothing to look at. */
int cfg_files_read(struct cfg_loader *load, const char *path);

/*
 * section.c: defaults and options of one section into `target`, the struct of its kind. `name` is that of the section,
 * or NULL.
 */
void cfg_section_fill(struct cfg_loader *load, const struct cfg_section *section, enum cfg_kind kind, const char *name,
                      void *target);

/* Set one option from an entry: %(...) is expanded where the kind has it, mistakes become problems. */
void cfg_section_set(struct cfg_loader *load, const struct cfg_option *option, struct cfg_entry *entry,
                     const struct cfg_section *section, const char *name, void *target);

/* The entry that sets the field at `offset`; NULL if there is none. */
const struct cfg_entry *cfg_section_entry(const struct cfg_section *section, enum cfg_kind kind, size_t offset);

/* settle.c: after all options of the section are there. */
void cfg_settle(struct cfg_loader *load, const struct cfg_section *section, enum cfg_kind kind, void *target);

#define cfg_note(load, ...) cfg_problems_add(&(load)->out->notes, __VA_ARGS__)

#endif
