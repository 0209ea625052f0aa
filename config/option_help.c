/* option_help.c - what there is to say of an option; and every option as a line of text, under headings. */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "options.h"
#include "types.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define BOTH "in programs "

/* Columns of the help text in front of the last one, which is as wide as it likes. */
struct columns {
	char name[64], type[128];
	const char *preset;
};

const char *cfg_option_values(const struct cfg_option *option, char *out, size_t size)
{
	const struct cfg_type_row *type = cfg_type_of(option);
	char low[CFG_NUMBER_MAX], high[CFG_NUMBER_MAX];
	size_t used = (size_t)snprintf(out, size, "%s", type->word);

	if (type->format && option->type != CFG_RANGE && option->max != INT32_MAX)
		used += (size_t)snprintf(out + used, size - used, " %s..%s", type->format(option->min, low),
		                         type->format(option->max, high));
	for (size_t i = 0; option->choices && option->choices[i]; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s",
		                         i      ? "|"
		                         : used ? " "
		                                : "",
		                         option->choices[i]);
	return out;
}

const char *cfg_option_preset(const struct cfg_option *option)
{
	return option->other || option->required ? "required" : option->preset ? option->preset : "-";
}

static void fill_columns(const struct cfg_option *option, struct columns *out)
{
	cfg_option_title(option, out->name, sizeof(out->name));
	cfg_option_values(option, out->type, sizeof(out->type));
	out->preset = cfg_option_preset(option);
}

/* What a text in brackets begins with. */
static const char *open_or_go_on(bool *open)
{
	const char *begin = *open ? "; " : " (";

	*open = true;
	return begin;
}

static void print_aliases(const struct cfg_option *option, const char *where, bool *open, FILE *to)
{
	for (size_t i = 0; i < CFG_ALIASES_MAX && option->aliases[i]; i++)
		fprintf(to, "%s%s%s", i ? ", " : open_or_go_on(open), i ? "" : where, option->aliases[i]);
}

void cfg_option_explain(const struct cfg_option *option, FILE *to)
{
	const struct cfg_option *twin = option->shared ? cfg_option_find(CFG_PROGRAM, option->name) : NULL;
	bool open = false;
	char needs[64];

	fprintf(to, "%s", option->help);
	if (option->other)
		fprintf(to, "%sor %s%s", open_or_go_on(&open), option->other, option->alone ? "" : ", or both");
	if (option->needs)
		fprintf(to, "%sonly with %s", open_or_go_on(&open), cfg_option_needs(option, needs, sizeof(needs)));
	if (twin && twin->preset && strcmp(twin->preset, option->preset))
		fprintf(to, "%s" BOTH "%s", open_or_go_on(&open), twin->preset);
	print_aliases(option, "also: ", &open, to);
	if (twin && twin->aliases[0] && (!option->aliases[0] || strcmp(twin->aliases[0], option->aliases[0])))
		print_aliases(twin, BOTH "also: ", &open, to);
	fputs(open ? ")" : "", to);
}

static void print_options(enum cfg_kind kind, bool shared, const struct columns *widest, FILE *to)
{
	int name = (int)strlen(widest->name), type = (int)strlen(widest->type), preset = (int)strlen(widest->preset);
	size_t count;
	const struct cfg_option *options = cfg_options(&count);
	struct columns columns;

	for (size_t i = 0; i < count; i++) {
		if (options[i].kind != kind || options[i].shared != shared)
			continue;
		if (options[i].topic)
			fprintf(to, " %s:\n", options[i].topic);
		fill_columns(&options[i], &columns);
		fprintf(to, "  %-*s  %-*s  %-*s  ", name, columns.name, type, columns.type, preset, columns.preset);
		cfg_option_explain(&options[i], to);
		fputc('\n', to);
	}
}

/* Of the types whose word does not say it. */
static const char *const explanations[] = {
    [CFG_NAME] = "letters, digits, -, _ and .; 1 to 31 characters; starts with a letter, a digit or _",
    [CFG_PATH] = "absolute, or relative to the directory of the file",
    [CFG_KEY] = "decimal, 0xHEX, PATH:c (ftok with the one character c) or name:TEXT (crc32 of the text); not 0",
    [CFG_COMMAND] = ("a command line, divided as a shell does it, with its quotes; no shell runs it: what would be a "
                     "variable, a pipe or a redirection is a mistake outside quotes"),
    [CFG_NAMES] = "separated by commas",
    [CFG_USES] = "separated by commas; a name alone means one unit",
    [CFG_CODES] = "numbers, separated by commas",
    [CFG_ENVIRONMENT] = "quotes where there are commas or white space",
    [CFG_SIGNAL] = "TERM, SIGINT, RTMIN+1, 15",
    [CFG_INTEGER] = "digits",
    [CFG_SIZE] = "a whole number and b, k or kb, m or mb, g or gb, in any case; powers of 1024; alone: bytes",
    [CFG_DURATION] = "numbers with ms, s, m, h or d, larger units first: 250ms, 1.5s, 1h30m; alone: seconds",
    [CFG_PERCENT] = "digits, with or without %",
    [CFG_LEVEL] = "0, the most urgent, to 9; or urgent (0), high (3), normal (5), low (7), idle (9)",
    [CFG_RATE] = "at most three digits behind the point: 10/s, 0.5/h",
    [CFG_MODE] = "octal digits",
    [CFG_SCHEDULE] = "minute, hour, day of the month, month, day of the week; or @daily and the like",
};

const char *cfg_type_explain(enum cfg_type type, const char **word)
{
	const struct cfg_option example = {.type = type};

	*word = cfg_type_of(&example)->word;
	return type < COUNT(explanations) ? explanations[type] : NULL;
}

void config_print_options(FILE *to)
{
	size_t count;
	const struct cfg_option *options = cfg_options(&count);
	struct columns columns, widest = {.preset = ""};

	for (size_t i = 0; i < count; i++) {
		fill_columns(&options[i], &columns);
		if (strlen(columns.name) > strlen(widest.name))
			strcpy(widest.name, columns.name);
		if (strlen(columns.type) > strlen(widest.type))
			strcpy(widest.type, columns.type);
		if (strlen(columns.preset) > strlen(widest.preset))
			widest.preset = columns.preset;
	}
	for (enum cfg_kind kind = 0; kind < CFG_KINDS; kind++) {
		fprintf(to, "%s%s\n", kind ? "\n" : "", cfg_kind_header(kind));
		print_options(kind, false, &widest, to);
	}
	fprintf(to, "\n%s and %s, both\n", cfg_kind_header(CFG_POOL), cfg_kind_header(CFG_PROGRAM));
	print_options(CFG_POOL, true, &widest, to);
}
