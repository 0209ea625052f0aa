/*
 * kinds.h - the kinds of sections of an INI file, and which of them are written in supervisord's dialect.
 */
#ifndef YM_CONFIG_KINDS_H
#define YM_CONFIG_KINDS_H

#include <stdbool.h>
#include <stddef.h>

struct config;

/* Name, word in the file, whether it carries a name of its own ([word:NAME]), dialect, what such a section is. */
#define CFG_KIND_MAP(X)                                                                                                \
	X(YARDMASTER, "yardmaster", false, CFG_DIALECT_OWN, "the instance itself; may be left out")                    \
	X(POOL, "pool", true, CFG_DIALECT_OWN, "workers that run jobs")                                                \
	X(LIMIT, "limit", true, CFG_DIALECT_OWN, "how many jobs may do something at the same time, or how often")      \
	X(PROGRAM, "program", true, CFG_DIALECT_SUPERVISORD, "any command, kept running, with supervisord's options")  \
	X(CRON, "cron", true, CFG_DIALECT_OWN, "a job for a pool at certain times")                                    \
	X(INCLUDE, "include", false, CFG_DIALECT_SUPERVISORD, "other files")                                           \
	X(SUPERVISORD, "supervisord", false, CFG_DIALECT_SUPERVISORD, "what a file of supervisord says of itself")

enum cfg_kind {
#define X(name, word, named, dialect, help) CFG_##name,
	CFG_KIND_MAP(X)
#undef X
	    CFG_KINDS
};

/* How the lines of a section are written, see document.h. */
enum cfg_dialect {
	CFG_DIALECT_OWN,
	CFG_DIALECT_SUPERVISORD,
};

/* The word of a kind, its header as the user writes it ("[pool:NAME]"), and what it is. */
const char *cfg_kind_word(enum cfg_kind kind);
const char *cfg_kind_header(enum cfg_kind kind);
const char *cfg_kind_help(enum cfg_kind kind);
bool cfg_kind_named(enum cfg_kind kind);
enum cfg_dialect cfg_kind_dialect(enum cfg_kind kind);

/* The kind of the section "word" or "word:NAME"; CFG_KINDS if it is none. */
enum cfg_kind cfg_kind_of(const char *section);

/*
 * A section that only supervisord knows what to do with: what to tell the user. NULL for every other section.
 */
const char *cfg_kind_ignored(const char *section);

/* The dialect of the section "word" or "word:NAME", whatever it is. */
enum cfg_dialect cfg_dialect_of(const char *section);

/*
 * The structs of the sections of a kind, one behind the other as the file has them. Only kinds with a name have them.
 */
size_t cfg_count(const struct config *config, enum cfg_kind kind);
void *cfg_item(const struct config *config, enum cfg_kind kind, size_t index);
const char *cfg_item_name(const struct config *config, enum cfg_kind kind, size_t index);
size_t cfg_most(enum cfg_kind kind);
/* Bytes of their names, with the NUL. */
size_t cfg_name_size(enum cfg_kind kind);

/* Add one, zeroed but for these three. NULL when out of memory. */
void *cfg_add(struct config *config, enum cfg_kind kind, const char *name, const char *file, int line);

/* Free the list itself, not what the structs hold. */
void cfg_free_list(struct config *config, enum cfg_kind kind);

#endif
