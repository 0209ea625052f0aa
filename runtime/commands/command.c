/* command.c - find the command, read its options, print help. */
#include "command.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../config/config.h"
#include "../../config/nearest.h"
#include "../../config/values.h"
#include "../../ipc/key.h"
#include "../identity.h"

#ifndef YM_VERSION
#error "YM_VERSION comes from the Makefile"
#endif

#define EXIT_USAGE 2

/* getopt_long's value of an option that has no letter. */
#define LETTERLESS 256

const struct command *const all_commands[] = {
#define X(name) &command_##name,
    COMMAND_MAP(X)
#undef X
	NULL};

const struct command *command_find(const struct command *const *list, const char *verb)
{
	while (*list && strcmp((*list)->verb, verb) != 0)
		list++;
	return *list;
}

bool command_listed(const struct command *command, enum command_group group)
{
	return !command->hidden && command->group == group;
}

/* ---- help ------------------------------------------------------------------------------------ */

static void print_summary(const struct command *command, FILE *to)
{
	fprintf(to, "  %-10s %s\n", command->verb, command->summary);
}

static void print_subcommands(const struct command *command, FILE *to)
{
	for (const struct command *const *sub = command->subcommands; *sub; sub++)
		if (!(*sub)->hidden)
			print_summary(*sub, to);
}

static void print_overview(FILE *to)
{
	static const char *const headings[] = {
#define X(name, page, heading) heading,
	    COMMAND_GROUP_MAP(X)
#undef X
	};

	fprintf(
	    to,
	    "usage: yardmaster COMMAND [OPTIONS] ...\n\n"
	    "Keeps pools of job workers, and programs, running; handles System V semaphores, variables and queues.\n");
	for (enum command_group group = 0; group < COMMAND_GROUPS; group++) {
		fprintf(to, "\n%s:\n", headings[group]);
		for (const struct command *const *command = all_commands; *command; command++)
			if (command_listed(*command, group))
				print_summary(*command, to);
	}
	fprintf(to, "\n  yardmaster COMMAND --help     options of a command\n"
	            "  yardmaster --version\n\n"
	            "exit codes:\n");
#define X(code, meaning) fprintf(to, "  %-10d " meaning "\n", code);
	COMMAND_EXIT_MAP(X)
#undef X
}

static void print_usage(const struct command *command, const char *name, FILE *to)
{
	fprintf(to, "usage: yardmaster %s %s\n", name, command->usage);
}

static void print_family(const struct command *command, const char *name, FILE *to)
{
	print_usage(command, name, to);
	fprintf(to, "\n%s\n\n", command->summary);
	print_subcommands(command, to);
	if (command->text)
		fprintf(to, "\n%s\n", command->text);
	fprintf(to, "\n  yardmaster %s COMMAND --help     options of a command\n", name);
}

static void print_help(const struct command *command, const char *name, FILE *to)
{
	print_usage(command, name, to);
	fprintf(to, "\n%s\n", command->summary);
	if (command->text)
		fprintf(to, "\n%s\n", command->text);
	fprintf(to, "\noptions:\n");
	for (const struct option_row *row = command->options; row->name; row++) {
		char left[64];

		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", row->letter ? '-' : ' ', row->letter ? row->letter : ' ',
		         row->letter ? ", " : "  ", row->name, row->argument ? " " : "",
		         row->argument ? row->argument : "");
		fprintf(to, "  %-26s %s\n", left, row->help);
	}
	fprintf(to, "  %-26s %s\n", "-h, --help", "this text");
	if (command->subcommands) {
		fprintf(to, "\ncommands, right behind \"%s\":\n", name);
		print_subcommands(command, to);
	}
}

/* ---- options --------------------------------------------------------------------------------- */

static int row_of(const struct args *args, const char *name)
{
	for (int i = 0; args->command->options[i].name; i++)
		if (strcmp(args->command->options[i].name, name) == 0)
			return i;
	fprintf(stderr, "yardmaster: command %s asks for an option --%s that it does not have\n", args->name, name);
	exit(ym_err_exit_code(YM_ERR_BUG));
}

const char *args_value(const struct args *args, const char *name)
{
	return args->values[row_of(args, name)];
}

bool args_flag(const struct args *args, const char *name)
{
	return args_value(args, name) != NULL;
}

int args_duration(const struct args *args, const char *name, int64_t fallback, int64_t *ms, struct ym_err *err)
{
	const char *text = args_value(args, name);
	char why[CFG_WHY_MAX] = "a duration is not negative";

	*ms = fallback;
	if (!text)
		return 0;
	if (cfg_parse_duration(text, ms, why) < 0 || *ms < 0)
		return ym_fail(err, YM_ERR_USAGE, "--%s: %s", name, why);
	return 0;
}

static int parse_number(const char *text, const char *what, int64_t least, int64_t most, int64_t *number,
                        struct ym_err *err)
{
	char *end;

	errno = 0;
	*number = strtoll(text, &end, 10);
	if (end == text || *end)
		return ym_fail(err, YM_ERR_USAGE, "%s: \"%.80s\" is no whole number", what, text);
	if (errno || *number < least || *number > most)
		return ym_fail(err, YM_ERR_USAGE, "%s: %.80s is not within %lld..%lld", what, text, (long long)least,
		               (long long)most);
	return 0;
}

int args_int(const struct args *args, const char *name, int64_t least, int64_t most, int64_t fallback, int64_t *number,
             struct ym_err *err)
{
	const char *text = args_value(args, name);
	char what[COMMAND_NAME_MAX];

	*number = fallback;
	snprintf(what, sizeof(what), "--%s", name);
	return text ? parse_number(text, what, least, most, number, err) : 0;
}

int args_mode(const struct args *args, const char *name, mode_t fallback, mode_t *mode, struct ym_err *err)
{
	const char *text = args_value(args, name);
	size_t digits;

	*mode = fallback;
	if (!text)
		return 0;
	digits = strspn(text, "01234567");
	if (digits == 0 || text[digits] || strtoul(text, NULL, 8) > 0777)
		return ym_fail(err, YM_ERR_USAGE, "--%s: \"%.80s\" is no mode: write octal digits such as 600", name,
		               text);
	*mode = (mode_t)strtoul(text, NULL, 8);
	return 0;
}

int args_number(const struct args *args, int index, const char *what, int64_t least, int64_t most, int64_t *number,
                struct ym_err *err)
{
	return parse_number(args->rest[index], what, least, most, number, err);
}

int args_key(const struct args *args, int index, key_t *key, struct ym_err *err)
{
	return ym_key_parse(args->rest[index], key, err);
}

int args_config(const struct args *args, struct instance *instance, struct config *config, bool *configured,
                struct ym_err *err)
{
	const char *path = args_value(args, "config"), *name = args_value(args, "instance");
	struct cfg_problems problems;

	*configured = false;
	if (path && name)
		return ym_fail(err, YM_ERR_USAGE, "--config and --instance both name an instance: give one of them");
	if (!path)
		return instance_locate(instance, name ? name : INSTANCE_NAME_DEFAULT, NULL, err);
	if (config_load(path, config, &problems) < 0) {
		cfg_problems_print(path, &problems, stderr);
		cfg_problems_free(&problems);
		return ym_fail(err, YM_ERR_CONFIG, "%s cannot be used: see above", path);
	}
	*configured = true;
	if (identity_join(&config->instance, err) == 0 && instance_configured(instance, &config->instance, err) == 0)
		return 0;
	config_free(config);
	*configured = false;
	return -1;
}

int args_instance(const struct args *args, struct instance *instance, struct ym_err *err)
{
	struct config config;
	bool configured;
	int result = args_config(args, instance, &config, &configured, err);

	if (configured)
		config_free(&config);
	return result;
}

int command_fail(const struct ym_err *err)
{
	fprintf(stderr, "yardmaster: %s\n", err->text);
	if (err->class == YM_ERR_NOT_RUNNING)
		fprintf(stderr,
		        "Start it with `yardmaster run FILE`, or name the instance you mean: -c FILE or -i NAME.\n");
	return ym_err_exit_code(err->class);
}

/* ---- parsing --------------------------------------------------------------------------------- */

static int usage_error(const struct command *command, const char *name, const char *what)
{
	fprintf(stderr, "yardmaster %s: %s\n", name, what);
	print_usage(command, name, stderr);
	return EXIT_USAGE;
}

static int unknown_option(const struct command *command, const char *name, const char *given)
{
	struct cfg_nearest near = {.word = given + strspn(given, "-")};
	char text[192];

	for (const struct option_row *row = command->options; row && row->name; row++)
		cfg_nearest_offer(&near, row->name);
	snprintf(text, sizeof(text), "unknown option %.80s%s%s%s", given, near.best ? ": did you mean --" : "",
	         near.best ? near.best : "", near.best ? "?" : "");
	return usage_error(command, name, text);
}

/* Build getopt's tables from ours. */
static void getopt_tables(const struct command *command, struct option *longs, char *letters)
{
	int n = 0;

	/* It stops at the first argument (see parse()) and tells a missing value from an unknown option. */
	*letters++ = '+';
	*letters++ = ':';
	for (; command->options[n].name; n++) {
		const struct option_row *row = &command->options[n];

		longs[n] =
		    (struct option){row->name, row->argument ? required_argument : no_argument, NULL, LETTERLESS + n};
		if (row->letter) {
			*letters++ = row->letter;
			if (row->argument)
				*letters++ = ':';
		}
	}
	longs[n] = (struct option){"help", no_argument, NULL, 'h'};
	longs[n + 1] = (struct option){0};
	*letters++ = 'h';
	*letters = '\0';
}

static int option_row_of(const struct command *command, int found)
{
	if (found >= LETTERLESS)
		return found - LETTERLESS;
	for (int i = 0; command->options[i].name; i++)
		if (command->options[i].letter == found)
			return i;
	return -1;
}

static bool is_argument(const char *text)
{
	return text[0] != '-' || !text[1] || isdigit((unsigned char)text[1]);
}

/*
 * Sort argv into options and arguments; the arguments move to its beginning. getopt could do that, too, but takes -3 for an
 * option. 0, or -1 when everything has been said already: then *code is the exit code.
 */
static int parse(struct args *args, int argc, char **argv, int *code)
{
	const struct command *command = args->command;
	struct option longs[COMMAND_OPTIONS_MAX + 2];
	char letters[2 * COMMAND_OPTIONS_MAX + 4], text[128];

	getopt_tables(command, longs, letters);
	opterr = 0;
	args->rest = argv + 1;
	while (optind < argc) {
		const char *given = argv[optind];
		bool end = strcmp(given, "--") == 0;
		int found, row;

		if (end || is_argument(given)) {
			if (end)
				optind++;
			else
				args->rest[args->nrest++] = argv[optind++];
			if (end || args->nrest == command->verbatim)
				while (optind < argc)
					args->rest[args->nrest++] = argv[optind++];
			continue;
		}
		found = getopt_long(argc, argv, letters, longs, NULL);
		row = option_row_of(command, found);
		if (found == 'h') {
			print_help(command, args->name, stdout);
			*code = 0;
			return -1;
		}
		if (row < 0) {
			snprintf(text, sizeof(text), "%.80s needs a value", given);
			*code = found == ':' ? usage_error(command, args->name, text)
			                     : unknown_option(command, args->name, given);
			return -1;
		}
		args->values[row] = optarg ? optarg : "";
	}
	/* They moved to the front: what stands behind them is old, and execvp() would take it along. */
	args->rest[args->nrest] = NULL;
	return 0;
}

#define COMMAND_FIRST "a command has to stand first, before any option"

static int run_command(const struct command *command, const char *name, int argc, char **argv)
{
	struct args args = {.command = command, .name = name};
	char text[192];
	int code;

	if (parse(&args, argc, argv, &code) < 0)
		return code;
	if (args.nrest < command->least)
		return usage_error(command, name, "something is missing");
	if (command->most >= 0 && args.nrest > command->most) {
		snprintf(text, sizeof(text), "too many arguments: \"%.80s\"%s", args.rest[command->most],
		         command->subcommands ? " (" COMMAND_FIRST ")" : "");
		return usage_error(command, name, text);
	}
	/* Those that print tables: wide characters take two columns. */
	if (command->group == COMMAND_GROUP_LOOK || command->group == COMMAND_GROUP_JOBS)
		setlocale(LC_CTYPE, "");
	return command->run(&args);
}

/* The command of this name, or NULL after saying what may have been meant. */
static const struct command *find_or_suggest(const struct command *const *list, const char *of, const char *verb)
{
	const struct command *found = command_find(list, verb);
	struct cfg_nearest near = {.word = verb};

	if (found)
		return found;
	for (; *list; list++)
		if (!(*list)->hidden)
			cfg_nearest_offer(&near, (*list)->verb);
	fprintf(stderr, "yardmaster%s: there is no command \"%s\"%s%s%s\n", of, verb,
	        near.best ? ": did you mean \"" : "", near.best ? near.best : "", near.best ? "\"?" : "");
	return NULL;
}

static bool asks_for_help(const char *text)
{
	return strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0 || strcmp(text, "help") == 0;
}

static int run_subcommand(const struct command *command, int argc, char **argv)
{
	char name[COMMAND_NAME_MAX], of[COMMAND_NAME_MAX], text[192];
	const struct command *sub;

	if (command->run && (argc < 2 || argv[1][0] == '-'))
		return run_command(command, command->verb, argc, argv);
	if (argc < 2 || asks_for_help(argv[1])) {
		(command->run ? print_help : print_family)(command, command->verb, argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_USAGE : 0;
	}
	if (argv[1][0] == '-') {
		snprintf(text, sizeof(text), "unknown option %.80s (" COMMAND_FIRST ")", argv[1]);
		return usage_error(command, command->verb, text);
	}
	snprintf(of, sizeof(of), " %s", command->verb);
	sub = find_or_suggest(command->subcommands, of, argv[1]);
	if (!sub)
		return EXIT_USAGE;
	snprintf(name, sizeof(name), "%s %s", command->verb, sub->verb);
	return run_command(sub, name, argc - 1, argv + 1);
}

static int run_line(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		print_overview(stderr);
		return EXIT_USAGE;
	}
	if (asks_for_help(argv[1])) {
		print_overview(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("yardmaster %s\n", YM_VERSION);
		return 0;
	}
	command = find_or_suggest(all_commands, "", argv[1]);
	if (!command)
		return EXIT_USAGE;
	return command->subcommands ? run_subcommand(command, argc - 1, argv + 1)
	                            : run_command(command, command->verb, argc - 1, argv + 1);
}

int command_main(int argc, char **argv)
{
	int code = run_line(argc, argv);
	bool failed = ferror(stdout) != 0;
	struct ym_err err;

	/* A closed pipe is the reader's wish (`... | head`); a full disk is not. */
	if ((fflush(stdout) == 0 && !failed) || errno == EPIPE || code)
		return code;
	ym_fail(&err, YM_ERR_SYSTEM, "write() to standard output: %s", strerror(errno));
	return command_fail(&err);
}
