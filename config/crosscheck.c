/* crosscheck.c - pools against limits, against other pools, and all of them together. */
#include "crosscheck.h"

#include <string.h>

#include "nearest.h"
#include "options.h"

struct check {
	const struct config *config;
	const struct cfg_origin *origin;
	struct cfg_problems *problems;
};

/* The entry that sets the field at `offset`; NULL if there is none. */
static const struct cfg_entry *entry_of(const struct cfg_section *section, enum cfg_kind kind, size_t offset)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct cfg_option *option = cfg_option_find(kind, section->entries[i].name);

		if (option && option->offset == offset)
			return &section->entries[i];
	}
	return NULL;
}

/* Its line, else that of the header. */
static int line_of(const struct cfg_section *section, size_t offset)
{
	const struct cfg_entry *entry = entry_of(section, CFG_POOL, offset);

	return entry ? entry->line : section->line;
}

/* A name that no section of the kind has. */
static void unknown(const struct check *check, int line, enum cfg_kind kind, const struct cfg_nearest *nearest)
{
	const char *word = cfg_kind_word(kind);
	char excerpt[CFG_EXCERPT_MAX];

	cfg_excerpt(nearest->word, excerpt);
	if (nearest->best)
		cfg_problems_add(check->problems, line, "unknown %s `%s`: did you mean `%s`?", word, excerpt,
		                 nearest->best);
	else
		cfg_problems_add(check->problems, line, "unknown %s `%s`: no %s section has this name", word, excerpt,
		                 cfg_kind_header(kind));
}

/* A job that needs more units than there are would wait for ever. */
static void check_units(const struct check *check, const struct cfg_use *use, size_t limit, int line)
{
	int64_t max = check->config->limits[limit].max;

	if (use->units <= (max ? max : 1))
		return;
	if (max)
		cfg_problems_add(check->problems, line,
		                 "%s:%lld: [limit:%s] has only `max = %lld`, a job could never run: lower the units or "
		                 "raise `max`",
		                 use->name, (long long)use->units, use->name, (long long)max);
	else if (!entry_of(check->origin->limits[limit], CFG_LIMIT, offsetof(struct cfg_limit, max)))
		cfg_problems_add(check->problems, line,
		                 "%s:%lld: [limit:%s] has a rate but no `max`, so no units: write `%s` alone, or set "
		                 "`max`",
		                 use->name, (long long)use->units, use->name, use->name);
}

static void check_limits(const struct check *check, size_t index)
{
	const struct config *config = check->config;
	const struct cfg_pool *pool = &config->pools[index];
	int line = line_of(check->origin->pools[index], offsetof(struct cfg_pool, limits));

	for (size_t i = 0; i < pool->nlimits; i++) {
		struct cfg_nearest nearest = {.word = pool->limits[i].name};
		size_t j = 0;

		while (j < config->nlimits && strcmp(config->limits[j].name, nearest.word))
			cfg_nearest_offer(&nearest, config->limits[j++].name);
		if (j < config->nlimits)
			check_units(check, &pool->limits[i], j, line);
		else
			unknown(check, line, CFG_LIMIT, &nearest);
	}
}

static void check_on_crash(const struct check *check, size_t index)
{
	const struct config *config = check->config;
	const struct cfg_pool *pool = &config->pools[index];
	struct cfg_nearest nearest = {.word = pool->on_crash_pool};
	int line = line_of(check->origin->pools[index], offsetof(struct cfg_pool, on_crash));
	size_t i = 0;

	if (!nearest.word)
		return;
	if (!strcmp(nearest.word, pool->name)) {
		cfg_problems_add(
		    check->problems, line,
		    "on_crash = pool:%s is this pool itself: name another one, or write `on_crash = retry`",
		    pool->name);
		return;
	}
	while (i < config->npools && strcmp(config->pools[i].name, nearest.word)) {
		if (strcmp(config->pools[i].name, pool->name))
			cfg_nearest_offer(&nearest, config->pools[i].name);
		i++;
	}
	if (i == config->npools)
		unknown(check, line, CFG_POOL, &nearest);
}

/* The default of backoff_max counts, too: a wait that is cut silently would be a surprise. */
static void check_backoff(const struct check *check, size_t index)
{
	const struct cfg_pool *pool = &check->config->pools[index];
	const struct cfg_section *section = check->origin->pools[index];
	const struct cfg_entry *first = entry_of(section, CFG_POOL, offsetof(struct cfg_pool, backoff_ms));
	const struct cfg_entry *longest = entry_of(section, CFG_POOL, offsetof(struct cfg_pool, backoff_max_ms));
	char wait[CFG_NUMBER_MAX], most[CFG_NUMBER_MAX];
	int line = first ? first->line : 0;

	if (longest && longest->line > line)
		line = longest->line;
	/* The default of the one is below that of the other, so one of the two entries is there. */
	if (pool->backoff_ms <= pool->backoff_max_ms || (first && first->refused) || (longest && longest->refused))
		return;
	cfg_problems_add(check->problems, line,
	                 "a `backoff` of %s is longer than `backoff_max`, %s: raise the one or lower the other",
	                 cfg_format_duration(pool->backoff_ms, wait), cfg_format_duration(pool->backoff_max_ms, most));
}

/* Two inboxes behind one key would take each other's messages. */
static void check_inbox(const struct check *check, size_t index)
{
	const struct cfg_pool *pools = check->config->pools;

	for (size_t i = 0; i < index && pools[index].inbox_key; i++) {
		if (pools[i].inbox_key && !strcmp(pools[i].inbox_key, pools[index].inbox_key)) {
			cfg_problems_add(
			    check->problems, line_of(check->origin->pools[index], offsetof(struct cfg_pool, inbox_key)),
			    "[pool:%s] has this `inbox_key` already: each inbox needs a key of its own", pools[i].name);
			break;
		}
	}
}

void cfg_crosscheck(const struct config *config, const struct cfg_origin *origin, struct cfg_problems *problems)
{
	struct check check = {config, origin, problems};
	int64_t workers = 0;
	int line = 0;

	for (size_t i = 0; i < config->npools; i++) {
		check_limits(&check, i);
		check_on_crash(&check, i);
		check_backoff(&check, i);
		check_inbox(&check, i);
		workers += config->pools[i].workers_max;
		if (workers > CFG_WORKERS_MAX && !line)
			line = line_of(origin->pools[i], offsetof(struct cfg_pool, workers_max));
	}
	if (line)
		cfg_problems_add(problems, line, "%lld workers in all pools together: at most %d are possible",
		                 (long long)workers, CFG_WORKERS_MAX);
}
