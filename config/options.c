/* options.c - the table of options and everything that follows from it. */
#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "nearest.h"
#include "types.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define KIB     INT64_C(1024)
#define GIB     (KIB * KIB * KIB)
#define SECONDS INT64_C(1000)
#define DAYS    (86400 * SECONDS)

#define AT(type, field) .offset = offsetof(struct type, field)

/* clang-format off */
#define WORDS(...) (const char *const[]) {__VA_ARGS__, NULL}
#define CHOICE_WORD(name, word) word,
#define CHOICES(map) (const char *const[]) {map(CHOICE_WORD) NULL}
#define LEVEL_WORD(name, level) " " #name "=" #level

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

	{CFG_POOL, "plugin", .type = CFG_PATH, AT(cfg_pool, plugin), .other = "command", .alone = true,
	 .help = "shared object with the task that the workers run"},
	{CFG_POOL, "command", .type = CFG_COMMAND, AT(cfg_pool, command), .other = "plugin", .alone = true,
	 .help = "program and arguments that the workers run for each job; quotes as in a shell, but no shell"},
	{CFG_POOL, "workers", {"numprocs", "pm.max_children"}, .type = CFG_INTEGER, AT(cfg_pool, workers_max),
	 .min = 1, .max = CFG_WORKERS_MAX, .preset = "1", .help = "worker processes; each runs one job at a time"},
	{CFG_POOL, "attempts", .type = CFG_INTEGER, AT(cfg_pool, attempts), .min = 1, .max = 255, .preset = "3",
	 .help = "how often a job is tried before it has failed"},
	{CFG_POOL, "on_fail", .type = CFG_CHOICE, AT(cfg_pool, on_fail), .choices = CHOICES(CFG_ON_FAIL_MAP),
	 .preset = "fail", .help = "what becomes of a job that fails for good, or whose attempts are used up"},
	{CFG_POOL, "crashes", .type = CFG_INTEGER, AT(cfg_pool, crashes), .min = 1, .max = 255, .preset = "3",
	 .help = "how often a job may kill its worker before it is buried"},
	{CFG_POOL, "on_crash", .type = CFG_ON_CRASH, AT(cfg_pool, on_crash), .choices = CHOICES(CFG_ON_CRASH_MAP),
	 .preset = "retry", .help = "what becomes of a job that killed its worker: tried again, buried, moved there"},
	{CFG_POOL, "backoff", .type = CFG_DURATION, AT(cfg_pool, backoff_ms), .max = DAYS, .preset = "1s",
	 .help = "wait before a job is tried again"},
	{CFG_POOL, "backoff_factor", .type = CFG_INTEGER, AT(cfg_pool, backoff_factor), .min = 1, .max = 10,
	 .preset = "2", .help = "how many times longer that wait is after each further attempt"},
	{CFG_POOL, "backoff_max", .type = CFG_DURATION, AT(cfg_pool, backoff_max_ms), .max = DAYS, .preset = "1h",
	 .help = "longest such wait, but for the jitter"},
	{CFG_POOL, "backoff_jitter", .type = CFG_PERCENT, AT(cfg_pool, backoff_jitter), .max = 100, .preset = "10",
	 .help = "part of the wait that is left to chance, so that jobs do not return all at once"},
	{CFG_POOL, "timeout", {"request_terminate_timeout"}, .type = CFG_DURATION, AT(cfg_pool, timeout_ms),
	 .max = 365 * DAYS, .preset = "0", .help = "longest run of a job; 0: no limit"},
	{CFG_POOL, "timeout_from", .type = CFG_CHOICE, AT(cfg_pool, timeout_from),
	 .choices = CHOICES(CFG_TIMEOUT_FROM_MAP), .preset = "start",
	 .help = "progress: each progress report or ym_touch() starts the timeout anew"},
	{CFG_POOL, "timeout_grace", .type = CFG_DURATION, AT(cfg_pool, timeout_grace_ms), .max = DAYS,
	 .preset = "5s", .help = "at its timeout a job is asked to end; so much later its worker gets SIGTERM, and again so much later SIGKILL"},
	{CFG_POOL, "priority", .type = CFG_LEVEL, AT(cfg_pool, priority), .preset = "normal",
	 .help = "of jobs submitted without one, 0 is the most urgent:" CFG_LEVEL_MAP(LEVEL_WORD)},
	{CFG_POOL, "ageing", .type = CFG_DURATION, AT(cfg_pool, ageing_ms), .min = 1, .max = 365 * DAYS,
	 .preset = "1m", .help = "a waiting job gains one level of priority each time this has passed"},
	{CFG_POOL, "rate", .type = CFG_RATE, AT(cfg_pool, rate_ns),
	 .help = "most starts of jobs: 10/s, 0.5/h; at most 1000000/s"},
	{CFG_POOL, "limits", .type = CFG_USES, AT(cfg_pool, limits),
	 .help = "the [limit:NAME]s of which each job holds UNITS (or 1) while it runs, separated by commas"},
	{CFG_POOL, "inbox", .type = CFG_BOOLEAN, AT(cfg_pool, inbox), .preset = "no",
	 .help = "whether any program may submit jobs by a message to a queue"},
	{CFG_POOL, "inbox_mode", .type = CFG_MODE, AT(cfg_pool, inbox_mode), .preset = "0600", .needs = "inbox",
	 .choices = WORDS("0600", "0620", "0622", "0660", "0666"),
	 .help = "who may send to the inbox (and, with 4, take messages out of it)"},
	{CFG_POOL, "inbox_key", .type = CFG_KEY, AT(cfg_pool, inbox_key), .needs = "inbox",
	 .help = "key of that queue: number, 0xHEX, PATH:c (ftok) or name:TEXT (crc32)"},
	{CFG_POOL, "output_max", .type = CFG_SIZE, AT(cfg_pool, output_max), .max = GIB, .preset = "64kb",
	 .needs = "command", .help = "how much of a command's standard output is kept as its result"},
	{CFG_POOL, "retry_codes", .type = CFG_CODES, AT(cfg_pool, retry_codes), .preset = "75", .needs = "command",
	 .help = "exit codes of a command that mean: try again; separated by commas"},
	{CFG_POOL, "stopwaitsecs", {"process_control_timeout"}, .type = CFG_DURATION, AT(cfg_pool, process.stopwaitsecs_ms),
	 .max = DAYS, .preset = "10s", .help = "time a worker has to stop before it is killed"},
	{CFG_POOL, "startsecs", .type = CFG_DURATION, AT(cfg_pool, process.startsecs_ms), .max = DAYS, .preset = "1s",
	 .help = "a worker that lives this long has started well"},
	{CFG_POOL, "restart_delay", .type = CFG_DURATION, AT(cfg_pool, process.restart_delay_ms), .max = DAYS,
	 .preset = "500ms", .help = "wait before a worker that failed to start is started again; grows each time"},
	{CFG_POOL, "restart_max_delay", .type = CFG_DURATION, AT(cfg_pool, process.restart_max_delay_ms), .max = DAYS,
	 .preset = "30s", .help = "longest such wait"},
	{CFG_POOL, "option.", .type = CFG_PAIRS, AT(cfg_pool, options),
	 .help = "handed to the task as KEY and value, in the order of the file; may be empty"},

	{CFG_LIMIT, "max", .type = CFG_INTEGER, AT(cfg_limit, max), .min = 1, .max = 32767, .other = "rate",
	 .help = "units that jobs and foreign scripts can hold at the same time"},
	{CFG_LIMIT, "rate", .type = CFG_RATE, AT(cfg_limit, rate_ns), .other = "max",
	 .help = "most starts of jobs of all pools with this limit: 10/s, 0.5/h; at most 1000000/s"},
	{CFG_LIMIT, "key", .type = CFG_KEY, AT(cfg_limit, key), .needs = "max",
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

const char *cfg_option_needs(const struct cfg_option *option, char *out, size_t size)
{
	const struct cfg_option *needed = cfg_option_find(option->kind, option->needs);

	snprintf(out, size, "%s%s", needed->name, needed->type == CFG_BOOLEAN ? " = yes" : "");
	return out;
}

int cfg_option_set(const struct cfg_option *option, void *target, const char *directory, const char *text,
                   char why[CFG_WHY_MAX])
{
	struct cfg_input in = {text, directory, target, why};

	if (!*text) {
		snprintf(why, CFG_WHY_MAX, "no value: write one, or remove the line");
		return -1;
	}
	return cfg_type_of(option)->set(option, &in);
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
		const struct cfg_type_row *type = cfg_type_of(&options[i]);

		if (options[i].kind == kind && type->forget)
			type->forget(&options[i], target);
	}
}

/* Columns of the help text in front of the last one, which is as wide as it likes. */
struct columns {
	char name[64], type[64];
	const char *preset;
};

/* "integer 1..1000", "mode 0600|0640|0644", "path". */
static void put_type(const struct cfg_option *option, char *out, size_t size)
{
	const struct cfg_type_row *type = cfg_type_of(option);
	char low[CFG_NUMBER_MAX], high[CFG_NUMBER_MAX];
	size_t used = (size_t)snprintf(out, size, "%s", type->word);

	if (type->format)
		snprintf(out + used, size - used, " %s..%s", type->format(option->min, low),
		         type->format(option->max, high));
	for (size_t i = 0; option->choices && option->choices[i]; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s",
		                         i      ? "|"
		                         : used ? " "
		                                : "",
		                         option->choices[i]);
}

static void fill_columns(const struct cfg_option *option, struct columns *out)
{
	snprintf(out->name, sizeof(out->name), "%s%s", option->name, option->type == CFG_PAIRS ? "KEY" : "");
	put_type(option, out->type, sizeof(out->type));
	out->preset = option->other ? "required" : option->preset ? option->preset : "-";
}

static int wider(int width, const char *text)
{
	int length = (int)strlen(text);

	return length > width ? length : width;
}

/* Help and what else there is to know, to the end of the line. */
static void print_help(const struct cfg_option *option, FILE *to)
{
	char needs[64];

	fprintf(to, "%s", option->help);
	if (option->other)
		fprintf(to, " (or %s%s)", option->other, option->alone ? "" : ", or both");
	if (option->needs)
		fprintf(to, " (only with %s)", cfg_option_needs(option, needs, sizeof(needs)));
	for (size_t i = 0; i < CFG_ALIASES_MAX && option->aliases[i]; i++)
		fprintf(to, "%s%s", i ? ", " : " (also: ", option->aliases[i]);
	fprintf(to, "%s\n", option->aliases[0] ? ")" : "");
}

void config_print_options(FILE *to)
{
	enum cfg_kind kind = CFG_KINDS;
	int name = 0, type = 0, preset = 0;
	struct columns columns = {0};

	for (size_t i = 0; i < COUNT(options); i++) {
		fill_columns(&options[i], &columns);
		name = wider(name, columns.name);
		type = wider(type, columns.type);
		preset = wider(preset, columns.preset);
	}
	for (size_t i = 0; i < COUNT(options); i++) {
		fill_columns(&options[i], &columns);
		if (options[i].kind != kind)
			fprintf(to, "%s%s\n", i ? "\n" : "", cfg_kind_header(options[i].kind));
		kind = options[i].kind;
		fprintf(to, "  %-*s  %-*s  %-*s  ", name, columns.name, type, columns.type, preset, columns.preset);
		print_help(&options[i], to);
	}
}
