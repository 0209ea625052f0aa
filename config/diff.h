/*
 * diff.h - what is different in a new configuration, and what it takes to apply it.
 *
 * Both are compared option by option, through the table: whatever an option holds is compared as a user would write it.
 */
#ifndef YM_CONFIG_DIFF_H
#define YM_CONFIG_DIFF_H

#include "config.h"
#include "options.h"

enum cfg_what {
	CFG_ADDED,
	CFG_REMOVED,
	CFG_CHANGED,
};

struct cfg_option_change {
	const struct cfg_option *option; /* its effect is what this change alone would need */
	char *from, *to;                 /* "" for none */
};

/* One section. */
struct cfg_change {
	enum cfg_kind kind;
	enum cfg_what what;
	char name[CFG_LONG_NAME_MAX]; /* "" for [yardmaster] */
	enum cfg_effect effect;       /* of CFG_CHANGED: the strongest of its options */
	size_t old_index;             /* of the struct in its list; not of CFG_ADDED */
	size_t new_index;             /* not of CFG_REMOVED */
	struct cfg_option_change *options;
	size_t count;
};

struct cfg_changes {
	struct cfg_change *items; /* in the order of CFG_KIND_MAP, then of the old file, then what is new */
	size_t count;
	enum cfg_effect effect; /* the strongest of all that is CFG_CHANGED */
};

/* -1 when out of memory; `changes` needs no freeing then. */
int cfg_diff(const struct config *old, const struct config *new, struct cfg_changes *changes);

/* The change of one section; NULL if there is none. `name` is "" for [yardmaster]. */
const struct cfg_change *cfg_changes_of(const struct cfg_changes *changes, enum cfg_kind kind, const char *name);

/* Lines for people: "pool mail: workers 4 -> 8". Nothing if nothing changed. */
void cfg_changes_print(const struct cfg_changes *changes, FILE *to);

void cfg_changes_free(struct cfg_changes *changes);

#endif
