/* crosscheck.c - pools against limits, against other pools, and all of them together. */
#include "crosscheck.h"

#include <string.h>

#include "nearest.h"
#include "options.h"
#include "store_uri.h"

/* Where the field at `offset` is set; else the header. */
static struct cfg_place place_of(const struct cfg_section *section, enum cfg_kind kind, size_t offset)
{
	const struct cfg_entry *entry = cfg_section_entry(section, kind, offset);

	return entry ? entry->at : section->at;
}

/* A name that no section of the kind has. */
static void unknown(struct cfg_loader *load, struct cfg_place at, enum cfg_kind kind, const struct cfg_nearest *nearest)
{
	const char *word = cfg_kind_word(kind);
	char excerpt[CFG_EXCERPT_MAX];

	cfg_excerpt(nearest->word, excerpt);
	if (nearest->best)
		cfg_problems_add(load->problems, at, "unknown %s `%s`: did you mean `%s`?", word, excerpt,
		                 nearest->best);
	else
		cfg_problems_add(load->problems, at, "unknown %s `%s`: no %s section has this name", word, excerpt,
		                 cfg_kind_header(kind));
}

/* A job that needs more units than there are would wait for ever. */
static void check_units(struct cfg_loader *load, const struct cfg_use *use, size_t limit, struct cfg_place at)
{
	int64_t max = load->out->limits[limit].max;

	if (use->units <= (max ? max : 1))
		return;
	if (max)
		cfg_problems_add(load->problems, at,
		                 "%s:%lld: [limit:%s] has only `max = %lld`, a job could never run: lower the units or "
		                 "raise `max`",
		                 use->name, (long long)use->units, use->name, (long long)max);
	else if (!cfg_section_entry(load->sections[CFG_LIMIT][limit], CFG_LIMIT, offsetof(struct cfg_limit, max)))
		cfg_problems_add(load->problems, at,
		                 "%s:%lld: [limit:%s] has a rate but no `max`, so no units: write `%s` alone, or set "
		                 "`max`",
		                 use->name, (long long)use->units, use->name, use->name);
}

static void check_limits(struct cfg_loader *load, size_t index)
{
	const struct config *config = load->out;
	const struct cfg_pool *pool = &config->pools[index];
	struct cfg_place at = place_of(load->sections[CFG_POOL][index], CFG_POOL, offsetof(struct cfg_pool, limits));

	for (size_t i = 0; i < pool->nlimits; i++) {
		struct cfg_nearest nearest = {.word = pool->limits[i].name};
		size_t j = 0;

		while (j < config->nlimits && strcmp(config->limits[j].name, nearest.word))
			cfg_nearest_offer(&nearest, config->limits[j++].name);
		if (j < config->nlimits)
			check_units(load, &pool->limits[i], j, at);
		else
			unknown(load, at, CFG_LIMIT, &nearest);
	}
}

static void check_on_crash(struct cfg_loader *load, size_t index)
{
	const struct config *config = load->out;
	const struct cfg_pool *pool = &config->pools[index];
	struct cfg_nearest nearest = {.word = pool->on_crash_pool};
	struct cfg_place at = place_of(load->sections[CFG_POOL][index], CFG_POOL, offsetof(struct cfg_pool, on_crash));
	size_t i = 0;

	if (!nearest.word)
		return;
	if (!strcmp(nearest.word, pool->name)) {
		cfg_problems_add(
		    load->problems, at,
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
		unknown(load, at, CFG_POOL, &nearest);
}

/* The default of backoff_max counts, too: a wait that is cut silently would be a surprise. */
static void check_backoff(struct cfg_loader *load, size_t index)
{
	const struct cfg_pool *pool = &load->out->pools[index];
	const struct cfg_section *section = load->sections[CFG_POOL][index];
	const struct cfg_entry *first = cfg_section_entry(section, CFG_POOL, offsetof(struct cfg_pool, backoff_ms));
	const struct cfg_entry *longest =
	    cfg_section_entry(section, CFG_POOL, offsetof(struct cfg_pool, backoff_max_ms));
	char wait[CFG_NUMBER_MAX], most[CFG_NUMBER_MAX];
	const struct cfg_entry *later = !first || (longest && longest->at.line > first->at.line) ? longest : first;

	/* The default of the one is below that of the other, so one of the two entries is there. */
	if (!later || pool->backoff_ms <= pool->backoff_max_ms || (first && first->refused) ||
	    (longest && longest->refused))
		return;
	cfg_problems_add(load->problems, later->at,
	                 "a `backoff` of %s is longer than `backoff_max`, %s: raise the one or lower the other",
	                 cfg_format_duration(pool->backoff_ms, wait), cfg_format_duration(pool->backoff_max_ms, most));
}

/* Two inboxes behind one key would take each other's messages. */
static void check_inbox(struct cfg_loader *load, size_t index)
{
	const struct cfg_pool *pools = load->out->pools;

	for (size_t i = 0; i < index && pools[index].inbox_key; i++) {
		if (pools[i].inbox_key && !strcmp(pools[i].inbox_key, pools[index].inbox_key)) {
			cfg_problems_add(
			    load->problems,
			    place_of(load->sections[CFG_POOL][index], CFG_POOL, offsetof(struct cfg_pool, inbox_key)),
			    "[pool:%s] has this `inbox_key` already: each inbox needs a key of its own", pools[i].name);
			break;
		}
	}
}

static void check_room(struct cfg_loader *load, int64_t workers)
{
	const struct cfg_section *section = load->single[CFG_YARDMASTER];
	int64_t room = load->out->instance.workers_room;

	if (room && room < workers && section)
		cfg_problems_add(load->problems,
		                 place_of(section, CFG_YARDMASTER, offsetof(struct cfg_instance, workers_room)),
		                 "`workers_room` of %lld is less than the workers of all pools together, %lld",
		                 (long long)room, (long long)workers);
}

/* ---- the store --------------------------------------------------------------------------------- */

/* `store` cannot be told when its line was refused: nothing follows from it then. */
static bool store_known(const struct cfg_loader *load)
{
	const struct cfg_section *section = load->single[CFG_YARDMASTER];
	const struct cfg_entry *entry =
	    section ? cfg_section_entry(section, CFG_YARDMASTER, offsetof(struct cfg_instance, store)) : NULL;

	return !entry || !entry->refused;
}

/* An option that is there for one kind of store. */
static void note_idle(struct cfg_loader *load, const struct cfg_section *section, enum cfg_kind kind, size_t offset,
                      enum cfg_store needed)
{
	const struct cfg_entry *entry = section ? cfg_section_entry(section, kind, offset) : NULL;

	if (entry && !entry->refused && cfg_store_kind(load->out->instance.store) != needed)
		cfg_note(load, entry->at, "`%s` has no effect: it is for `store = %s`", entry->name,
		         cfg_store_word(needed));
}

static void check_history(struct cfg_loader *load, const struct cfg_section *section)
{
	const struct cfg_entry *entry =
	    section ? cfg_section_entry(section, CFG_YARDMASTER, offsetof(struct cfg_instance, history_ms)) : NULL;

	if (entry && !entry->refused && cfg_store_kind(load->out->instance.store) == CFG_STORE_MEMORY)
		cfg_note(
		    load, entry->at,
		    "`history` has no effect: with `store = memory`, jobs that are over are kept for `result_ttl`");
}

/* Workers that could never all be busy: so many jobs of their pool are not in the table. */
static void note_window(struct cfg_loader *load, size_t index)
{
	const struct config *config = load->out;
	const struct cfg_pool *pool = &config->pools[index];
	int64_t window = cfg_window(config->instance.jobs, config->npools);

	if (cfg_store_kind(config->instance.store) == CFG_STORE_MEMORY || pool->workers_max <= window)
		return;
	cfg_note(
	    load, place_of(load->sections[CFG_POOL][index], CFG_POOL, offsetof(struct cfg_pool, workers_min)),
	    "no more than %lld of the %lld workers of [pool:%s] can be busy: with a store, half of the %lld `jobs` "
	    "is shared by %zu pool%s; set `jobs = %lld` or more, or fewer workers",
	    (long long)window, (long long)pool->workers_max, pool->name, (long long)config->instance.jobs,
	    config->npools, config->npools == 1 ? "" : "s",
	    (long long)(2 * pool->workers_max * (int64_t)config->npools));
}

static void check_store(struct cfg_loader *load)
{
	const struct config *config = load->out;
	const struct cfg_section *section = load->single[CFG_YARDMASTER];

	check_history(load, section);
	note_idle(load, section, CFG_YARDMASTER, offsetof(struct cfg_instance, lease_ms), CFG_STORE_POSTGRESQL);
	note_idle(load, section, CFG_YARDMASTER, offsetof(struct cfg_instance, node), CFG_STORE_POSTGRESQL);
	for (size_t i = 0; i < config->npools; i++) {
		note_idle(load, load->sections[CFG_POOL][i], CFG_POOL, offsetof(struct cfg_pool, synchronous),
		          CFG_STORE_SQLITE);
		note_window(load, i);
	}
	for (size_t i = 0; i < config->nlimits; i++) {
		section = load->sections[CFG_LIMIT][i];
		if (config->limits[i].scope == CFG_SCOPE_CLUSTER && config->limits[i].max &&
		    cfg_store_kind(config->instance.store) != CFG_STORE_POSTGRESQL)
			cfg_problems_add(load->problems,
			                 place_of(section, CFG_LIMIT, offsetof(struct cfg_limit, scope)),
			                 "scope = cluster takes a store that all machines share: set `store = %s` in "
			                 "%s, or remove this line",
			                 cfg_store_word(CFG_STORE_POSTGRESQL), cfg_kind_header(CFG_YARDMASTER));
	}
}

void cfg_crosscheck(struct cfg_loader *load)
{
	const struct config *config = load->out;
	struct cfg_place at = {0};
	int64_t workers = 0;

	for (size_t i = 0; i < config->npools; i++) {
		const struct cfg_section *section = load->sections[CFG_POOL][i];

		check_limits(load, i);
		check_on_crash(load, i);
		check_backoff(load, i);
		check_inbox(load, i);
		workers += config->pools[i].workers_max;
		if (workers > CFG_WORKERS_MAX && !at.line)
			at = place_of(section, CFG_POOL, offsetof(struct cfg_pool, workers_min));
	}
	if (at.line)
		cfg_problems_add(load->problems, at, "%lld workers in all pools together: at most %d are possible",
		                 (long long)workers, CFG_WORKERS_MAX);
	else
		check_room(load, workers);
	if (store_known(load))
		check_store(load);
	cfg_crosscheck_process(load);
}
