/* kinds.c - the list of kinds, and where a configuration keeps the structs of each. */
#include "kinds.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "array.h"
#include "config.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *word, *header, *help;
	bool named;
	enum cfg_dialect dialect;
} kinds[] = {
#define X(name, word, named, dialect, help)                                                                            \
	[CFG_##name] = {word, (named) ? "[" word ":NAME]" : "[" word "]", help, named, dialect},
    CFG_KIND_MAP(X)
#undef X
};

/* Sections of a supervisord.conf that have nothing to say here. */
static const struct {
	const char *word, *instead;
} ignored[] = {
    {"unix_http_server", "yardmaster has a control socket of its own, in the directory of the instance"},
    {"inet_http_server", "yardmaster opens no port"},
    {"supervisorctl", "`yardmaster status`, `stop`, `restart` and others are the commands"},
    {"rpcinterface", "there is no XML-RPC interface"},
    {"ctlplugin", "there are no plugins of supervisorctl"},
    {"group", "its programs are programs like all others, each with its own name and `priority`"},
    {"eventlistener", "there are no events, so it is not started; [program:NAME] is for programs that need none"},
    {"fcgi-program", "no socket is made for it, so it is not started"},
};

/* Where a configuration has the structs of a kind, and where these have what all of them have. */
static const struct list {
	size_t items, count, size, name, name_size, line, file, most;
} lists[CFG_KINDS] = {
#define LIST(array, struct_name, limit)                                                                                \
	{                                                                                                              \
		offsetof(struct config, array), offsetof(struct config, n##array), sizeof(struct struct_name),         \
		    offsetof(struct struct_name, name), sizeof(((struct struct_name *)0)->name),                       \
		    offsetof(struct struct_name, line), offsetof(struct struct_name, file), limit                      \
	}
    [CFG_POOL] = LIST(pools, cfg_pool, CFG_POOLS_MAX),
    [CFG_LIMIT] = LIST(limits, cfg_limit, CFG_LIMITS_MAX),
    [CFG_PROGRAM] = LIST(programs, cfg_program, CFG_PROGRAMS_MAX),
    [CFG_CRON] = LIST(crons, cfg_cron, CFG_CRONS_MAX),
#undef LIST
};

const char *cfg_kind_word(enum cfg_kind kind)
{
	return kinds[kind].word;
}

const char *cfg_kind_header(enum cfg_kind kind)
{
	return kinds[kind].header;
}

const char *cfg_kind_help(enum cfg_kind kind)
{
	return kinds[kind].help;
}

bool cfg_kind_named(enum cfg_kind kind)
{
	return kinds[kind].named;
}

enum cfg_dialect cfg_kind_dialect(enum cfg_kind kind)
{
	return kinds[kind].dialect;
}

/* Is the section "word" or "word:..."? */
static bool starts(const char *section, const char *word)
{
	size_t length = strlen(word);

	return !strncmp(section, word, length) && (!section[length] || section[length] == ':');
}

enum cfg_kind cfg_kind_of(const char *section)
{
	enum cfg_kind kind = 0;

	while (kind < CFG_KINDS && !starts(section, kinds[kind].word))
		kind++;
	return kind;
}

const char *cfg_kind_ignored(const char *section)
{
	for (size_t i = 0; i < COUNT(ignored); i++) {
		if (starts(section, ignored[i].word))
			return ignored[i].instead;
	}
	return NULL;
}

enum cfg_dialect cfg_dialect_of(const char *section)
{
	enum cfg_kind kind = cfg_kind_of(section);

	if (kind < CFG_KINDS)
		return kinds[kind].dialect;
	return cfg_kind_ignored(section) ? CFG_DIALECT_SUPERVISORD : CFG_DIALECT_OWN;
}

/* The arrays have different types of pointers, which all look the same but must not be read as each other. */
static char *items_of(const struct config *config, enum cfg_kind kind)
{
	char *items = NULL;

	if (lists[kind].size)
		memcpy(&items, (const char *)config + lists[kind].items, sizeof(items));
	return items;
}

size_t cfg_count(const struct config *config, enum cfg_kind kind)
{
	size_t count = 0;

	if (lists[kind].size)
		memcpy(&count, (const char *)config + lists[kind].count, sizeof(count));
	return count;
}

void *cfg_item(const struct config *config, enum cfg_kind kind, size_t index)
{
	return items_of(config, kind) + index * lists[kind].size;
}

const char *cfg_item_name(const struct config *config, enum cfg_kind kind, size_t index)
{
	return (const char *)cfg_item(config, kind, index) + lists[kind].name;
}

size_t cfg_name_size(enum cfg_kind kind)
{
	return lists[kind].name_size;
}

size_t cfg_most(enum cfg_kind kind)
{
	return lists[kind].most;
}

void *cfg_add(struct config *config, enum cfg_kind kind, const char *name, const char *file, int line)
{
	const struct list *list = &lists[kind];
	size_t count = cfg_count(config, kind);
	char *items = cfg_room(items_of(config, kind), count, list->size), *item;

	if (!items)
		return NULL;
	item = items + count * list->size;
	memset(item, 0, list->size);
	snprintf(item + list->name, list->name_size, "%s", name);
	memcpy(item + list->line, &line, sizeof(line));
	memcpy(item + list->file, &file, sizeof(file));
	count++;
	memcpy((char *)config + list->items, &items, sizeof(items));
	memcpy((char *)config + list->count, &count, sizeof(count));
	return item;
}

void cfg_free_list(struct config *config, enum cfg_kind kind)
{
	free(items_of(config, kind));
}
