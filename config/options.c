/* options.c - the table of options and everything that follows from it. */
#include "options.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "array.h"
#include "config.h"
#include "nearest.h"
#include "problems.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define KIB     INT64_C(1024)
#define GIB     (KIB * KIB * KIB)
#define SECONDS INT64_C(1000)
#define DAYS    (86400 * SECONDS)

#define AT(type, field) .offset = offsetof(struct type, field)

/* clang-format off */
#define WORDS(...) (const char *const[]) {__VA_ARGS__, NULL}

/* One option, one paragraph; 0 is the lowest value where no `min` stands. */
static const struct cfg_option options[] = {
	{CFG_YARDMASTER, "instance", .type = CFG_NAME, AT(cfg_instance, name), .preset = "main",
	 .help = "name of this running system; instances with different names do not meet"},
	{CFG_YARDMASTER, "directory", .type = CFG_PATH, AT(cfg_instance, directory),
	 .help = "where the key files of the instance are; the default place depends on the user"},
	{CFG_YARDMASTER, "jobs", .type = CFG_INTEGER, AT(cfg_instance, jobs), .min = 64, .max = 1048576,
	 .preset = "16384", .help = "jobs that can wait or run at the same time, all pools together"},
	{CFG_YARDMASTER, "clients", .type = CFG_INTEGER, AT(cfg_instance, clients), .min = 8, .max = 2048,
	 .preset = "128", .help = "processes that can submit at the same time"},
	{CFG_YARDMASTER, "payload_max", .type = CFG_SIZE, AT(cfg_instance, payload_max), .min = KIB, .max = GIB,
	 .preset = "16mb", .help = "largest payload or result of a job"},
	{CFG_YARDMASTER, "result_ttl", .type = CFG_DURATION, AT(cfg_instance, result_ttl_ms), .max = 30 * DAYS,
	 .preset = "1h", .help = "how long a result that nobody fetches is kept"},
	{CFG_YARDMASTER, "board_mode", .type = CFG_MODE, AT(cfg_instance, board_mode), .preset = "0640",
	 .choices = WORDS("0600", "0640", "0644"), .help = "who may read the status board"},
	{CFG_YARDMASTER, "log_level", {"loglevel"}, .type = CFG_ENUM, AT(cfg_instance, log_level), .preset = "info",
	 .choices = WORDS("debug", "info", "warn", "error"), .help = "least important message that is logged"},

	{CFG_POOL, "plugin", .type = CFG_PATH, AT(cfg_pool, plugin), .required = true,
	 .help = "shared object with the task that the workers run"},
	{CFG_POOL, "workers", {"numprocs", "pm.max_children"}, .type = CFG_INTEGER, AT(cfg_pool, workers),
	 .min = 1, .max = CFG_WORKERS_MAX, .preset = "1", .help = "worker processes; each runs one job at a time"},
	{CFG_POOL, "attempts", .type = CFG_INTEGER, AT(cfg_pool, attempts), .min = 1, .max = 255, .preset = "3",
	 .help = "how often a job is tried before it has failed"},
	{CFG_POOL, "backoff", .type = CFG_DURATION, AT(cfg_pool, backoff_ms), .max = DAYS, .preset = "1s",
	 .help = "wait before a job is tried again"},
	{CFG_POOL, "timeout", {"request_terminate_timeout"}, .type = CFG_DURATION, AT(cfg_pool, timeout_ms),
	 .max = 365 * DAYS, .preset = "0", .help = "longest run of a job; 0: no limit"},
	{CFG_POOL, "timeout_grace", .type = CFG_DURATION, AT(cfg_pool, timeout_grace_ms), .max = DAYS,
	 .preset = "5s", .help = "time between asking a job to end at its timeout and killing it"},
	{CFG_POOL, "stopwaitsecs", {"process_control_timeout"}, .type = CFG_DURATION, AT(cfg_pool, stopwaitsecs_ms),
	 .max = DAYS, .preset = "10s", .help = "time a worker has to stop before it is killed"},
	{CFG_POOL, "startsecs", .type = CFG_DURATION, AT(cfg_pool, startsecs_ms), .max = DAYS, .preset = "1s",
	 .help = "a worker that lives this long has started well"},
	{CFG_POOL, "restart_delay", .type = CFG_DURATION, AT(cfg_pool, restart_delay_ms), .max = DAYS,
	 .preset = "500ms", .help = "wait before a worker that failed to start is started again; grows each time"},
	{CFG_POOL, "restart_max_delay", .type = CFG_DURATION, AT(cfg_pool, restart_max_delay_ms), .max = DAYS,
	 .preset = "30s", .help = "longest such wait"},
	{CFG_POOL, "limits", .type = CFG_LIST, AT(cfg_pool, limits),
	 .help = "the [limit:NAME]s that each job of the pool holds while it runs, separated by commas"},
	{CFG_POOL, "option.", .type = CFG_PAIRS, AT(cfg_pool, options),
	 .help = "handed to the plugin as KEY and value, in the order of the file; may be empty"},

	{CFG_LIMIT, "max", .type = CFG_INTEGER, AT(cfg_limit, max), .min = 1, .max = 32767, .required = true,
	 .help = "jobs and foreign scripts that can hold the limit at the same time"},
	{CFG_LIMIT, "key", .type = CFG_KEY, AT(cfg_limit, key),
	 .help = "semaphore key to share with other programs: number, 0xHEX, PATH:c (ftok) or name:TEXT (crc32)"},
};
/* clang-format on */

static const struct {
	const char *word, *header;
	bool named;
} kinds[] = {
#define X(name, word, named) [CFG_##name] = {word, (named) ? "[" word ":NAME]" : "[" word "]", named},
    CFG_KIND_MAP(X)
#undef X
};

/* What a setter gets besides the option. */
struct input {
	const char *text;
	const char *directory;
	char *why; /* CFG_WHY_MAX bytes */
};

static int no_memory(const struct input *in)
{
	snprintf(in->why, CFG_WHY_MAX, "out of memory");
	return -1;
}

/* Put an allocated string into a char * field. */
static int replace(void *field, char *string, const struct input *in)
{
	char **to = field;

	if (!string)
		return no_memory(in);
	free(*to);
	*to = string;
	return 0;
}

static int set_name(const struct cfg_option *option, const struct input *in, void *field)
{
	(void)option;
	if (cfg_check_name(in->text, in->why))
		return -1;
	return replace(field, strdup(in->text), in);
}

static int set_path(const struct cfg_option *option, const struct input *in, void *field)
{
	char *path = cfg_resolve_path(in->directory, in->text);

	(void)option;
	if (path && strlen(path) >= PATH_MAX) {
		free(path);
		snprintf(in->why, CFG_WHY_MAX, "the path is too long: at most %d bytes", PATH_MAX - 1);
		return -1;
	}
	return replace(field, path, in);
}

static int set_key(const struct cfg_option *option, const struct input *in, void *field)
{
	size_t path_length;
	char *key;

	(void)option;
	if (cfg_check_key(in->text, &path_length, in->why))
		return -1;
	key = path_length ? cfg_resolve_path(in->directory, in->text) : strdup(in->text);
	if (key && path_length && strlen(key) - strlen(":c") >= PATH_MAX) {
		free(key);
		snprintf(in->why, CFG_WHY_MAX, "the path is too long: at most %d bytes", PATH_MAX - 1);
		return -1;
	}
	return replace(field, key, in);
}

/* "must be 0600, 0640 or 0644", and the nearest one when that is a word. */
static int not_a_choice(const struct cfg_option *option, const struct input *in)
{
	struct cfg_nearest nearest = {.word = in->text};
	size_t used = (size_t)snprintf(in->why, CFG_WHY_MAX, "must be ");

	for (size_t i = 0; option->choices[i]; i++) {
		const char *before = !i ? "" : option->choices[i + 1] ? ", " : " or ";

		used += (size_t)snprintf(in->why + used, CFG_WHY_MAX - used, "%s%s", before, option->choices[i]);
		cfg_nearest_offer(&nearest, option->choices[i]);
	}
	if (option->type == CFG_ENUM && nearest.best)
		snprintf(in->why + used, CFG_WHY_MAX - used, "; did you mean `%s`?", nearest.best);
	return -1;
}

static int set_enum(const struct cfg_option *option, const struct input *in, void *field)
{
	for (size_t i = 0; option->choices[i]; i++) {
		if (!strcasecmp(in->text, option->choices[i]))
			return replace(field, strdup(option->choices[i]), in);
	}
	return not_a_choice(option, in);
}

static int set_mode(const struct cfg_option *option, const struct input *in, void *field)
{
	int64_t mode, choice;

	if (cfg_parse_mode(in->text, &mode, in->why))
		return -1;
	for (size_t i = 0; option->choices[i]; i++) {
		if (!cfg_parse_mode(option->choices[i], &choice, in->why) && mode == choice) {
			*(int64_t *)field = mode;
			return 0;
		}
	}
	return not_a_choice(option, in);
}

static void free_list(struct cfg_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct cfg_list){0};
}

/* One item, from `start` to before `end`, behind the others. */
static int add_item(struct cfg_list *list, const char *start, const char *end, const struct input *in)
{
	char excerpt[CFG_EXCERPT_MAX], **items, *item;

	start += strspn(start, " \t");
	while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (start >= end) {
		snprintf(in->why, CFG_WHY_MAX, "an empty name in the list: write NAME or NAME, NAME");
		return -1;
	}
	if (list->count == CFG_LIMITS_MAX) {
		snprintf(in->why, CFG_WHY_MAX, "more than %d names in the list", CFG_LIMITS_MAX);
		return -1;
	}
	item = strndup(start, (size_t)(end - start));
	items = item ? cfg_room(list->items, list->count, sizeof(*items)) : NULL;
	if (!items) {
		free(item);
		return no_memory(in);
	}
	list->items = items;
	items[list->count++] = item;
	for (size_t i = 0; i + 1 < list->count; i++) {
		if (!strcmp(items[i], item)) {
			snprintf(in->why, CFG_WHY_MAX, "`%s` is twice in the list", cfg_excerpt(item, excerpt));
			return -1;
		}
	}
	return 0;
}

static int set_list(const struct cfg_option *option, const struct input *in, void *field)
{
	struct cfg_list list = {0};
	const char *at = in->text;

	(void)option;
	for (;;) {
		const char *end = at + strcspn(at, ",");

		if (add_item(&list, at, end, in)) {
			free_list(&list);
			return -1;
		}
		if (!*end)
			break;
		at = end + 1;
	}
	free_list(field);
	*(struct cfg_list *)field = list;
	return 0;
}

static int set_number(const struct cfg_option *option, const struct input *in, void *field);

static const struct {
	const char *word;
	int (*set)(const struct cfg_option *option, const struct input *in, void *field);
	cfg_parser *parse;
	cfg_formatter *format;
} types[] = {
#define X(name, word, set, parse, format) [CFG_##name] = {word, set, parse, format},
    CFG_TYPE_MAP(X)
#undef X
};

static int set_number(const struct cfg_option *option, const struct input *in, void *field)
{
	cfg_formatter *format = types[option->type].format;
	char low[CFG_NUMBER_MAX], high[CFG_NUMBER_MAX];
	int64_t value;

	if (types[option->type].parse(in->text, &value, in->why))
		return -1;
	if (format && (value < option->min || value > option->max)) {
		snprintf(in->why, CFG_WHY_MAX, "out of range: allowed is %s..%s", format(option->min, low),
		         format(option->max, high));
		return -1;
	}
	*(int64_t *)field = value;
	return 0;
}

const char *cfg_kind_word(enum cfg_kind kind)
{
	return kinds[kind].word;
}

const char *cfg_kind_header(enum cfg_kind kind)
{
	return kinds[kind].header;
}

bool cfg_kind_named(enum cfg_kind kind)
{
	return kinds[kind].named;
}

const struct cfg_option *cfg_options(size_t *count)
{
	*count = COUNT(options);
	return options;
}

static bool is_called(const struct cfg_option *option, const char *name)
{
	size_t length = strlen(option->name);

	if (option->type == CFG_PAIRS)
		return !strncmp(name, option->name, length) && name[length];
	if (!strcmp(name, option->name))
		return true;
	for (size_t i = 0; i < CFG_ALIASES_MAX && option->aliases[i]; i++) {
		if (!strcmp(name, option->aliases[i]))
			return true;
	}
	return false;
}

const struct cfg_option *cfg_option_find(enum cfg_kind kind, const char *name)
{
	for (size_t i = 0; i < COUNT(options); i++) {
		if (options[i].kind == kind && is_called(&options[i], name))
			return &options[i];
	}
	return NULL;
}

bool cfg_option_suggest(enum cfg_kind kind, const char *name, char *out, size_t size)
{
	char head[CFG_NEAREST_MAX + 1], stem[CFG_NEAREST_MAX + 1];
	struct cfg_nearest whole = {.word = name}, family = {.word = head};
	const char *key = name + strcspn(name, ".");

	snprintf(head, sizeof(head), "%.*s", (int)(key - name), name);
	key = key[0] && key[1] ? key + 1 : "KEY";
	for (size_t i = 0; i < COUNT(options); i++) {
		const struct cfg_option *option = &options[i];

		if (option->kind != kind)
			continue;
		if (option->type == CFG_PAIRS) {
			/* Only what stands before the dot can be mistaken: behind it everything is right. */
			snprintf(stem, sizeof(stem), "%.*s", (int)strlen(option->name) - 1, option->name);
			cfg_nearest_offer(&family, stem);
			continue;
		}
		cfg_nearest_offer(&whole, option->name);
		for (size_t j = 0; j < CFG_ALIASES_MAX && option->aliases[j]; j++)
			cfg_nearest_offer(&whole, option->aliases[j]);
	}
	if (family.best && (!whole.best || family.distance < whole.distance))
		snprintf(out, size, "%s.%s", family.best, key);
	else if (whole.best)
		snprintf(out, size, "%s", whole.best);
	return family.best || whole.best;
}

int cfg_option_set(const struct cfg_option *option, void *target, const char *directory, const char *text,
                   char why[CFG_WHY_MAX])
{
	struct input in = {text, directory, why};

	if (!*text) {
		snprintf(why, CFG_WHY_MAX, "no value: write one, or remove the line");
		return -1;
	}
	return types[option->type].set(option, &in, (char *)target + option->offset);
}

int cfg_options_preset(enum cfg_kind kind, void *target, const char *directory, char why[CFG_WHY_MAX])
{
	for (size_t i = 0; i < COUNT(options); i++) {
		if (options[i].kind == kind && options[i].preset &&
		    cfg_option_set(&options[i], target, directory, options[i].preset, why))
			return -1;
	}
	return 0;
}

void cfg_options_free(enum cfg_kind kind, void *target)
{
	for (size_t i = 0; i < COUNT(options); i++) {
		void *field = (char *)target + options[i].offset;

		if (options[i].kind != kind || types[options[i].type].parse || options[i].type == CFG_PAIRS)
			continue;
		if (options[i].type == CFG_LIST)
			free_list(field);
		else
			free(*(char **)field);
	}
}

/* "integer 1..1000", "mode 0600|0640|0644", "path". */
static void print_type(const struct cfg_option *option, char *out, size_t size)
{
	cfg_formatter *format = types[option->type].format;
	char low[CFG_NUMBER_MAX], high[CFG_NUMBER_MAX];
	size_t used = (size_t)snprintf(out, size, "%s", types[option->type].word);

	if (format)
		snprintf(out + used, size - used, " %s..%s", format(option->min, low), format(option->max, high));
	for (size_t i = 0; option->choices && option->choices[i]; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s",
		                         i      ? "|"
		                         : used ? " "
		                                : "",
		                         option->choices[i]);
}

void config_print_options(FILE *to)
{
	enum cfg_kind kind = CFG_KINDS;
	char name[64], type[64];

	for (size_t i = 0; i < COUNT(options); i++) {
		const struct cfg_option *option = &options[i];

		if (option->kind != kind)
			fprintf(to, "%s%s\n", i ? "\n" : "", cfg_kind_header(option->kind));
		kind = option->kind;
		snprintf(name, sizeof(name), "%s%s", option->name, option->type == CFG_PAIRS ? "KEY" : "");
		print_type(option, type, sizeof(type));
		fprintf(to, "  %-18s %-22s %-9s %s", name, type,
		        option->required ? "required"
		        : option->preset ? option->preset
		                         : "-",
		        option->help);
		for (size_t j = 0; j < CFG_ALIASES_MAX && option->aliases[j]; j++)
			fprintf(to, "%s%s", j ? ", " : " (also: ", option->aliases[j]);
		fprintf(to, "%s\n", option->aliases[0] ? ")" : "");
	}
}
