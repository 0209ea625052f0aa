/* option_help.c - every option as a line of text, under headings. */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "options.h"
#include "types.h"

#define BOTH "in programs "

/* Columns of the help text in front of the last one, which is as wide as it likes. */
struct columns {
	char name[64], type[128];
	const char *preset;
};

/* "integer 1..1000", "mode 0600|0640|0644", "path". */
static void put_type(const struct cfg_option *option, char *out, size_t size)
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
}

static void fill_columns(const struct cfg_option *option, struct columns *out)
{
	cfg_option_title(option, out->name, sizeof(out->name));
	put_type(option, out->type, sizeof(out->type));
	out->preset = option->other || option->required ? "required" : option->preset ? option->preset : "-";
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

/* Help and what else there is to know, to the end of the line. `twin` is the same option of programs, or NULL. */
static void print_help(const struct cfg_option *option, const struct cfg_option *twin, FILE *to)
{
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
	fprintf(to, "%s\n", open ? ")" : "");
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
		print_help(&options[i], shared ? cfg_option_find(CFG_PROGRAM, options[i].name) : NULL, to);
	}
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
