/* command.c - find the command, read its options, print help. */
#include "command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../config/config.h"
#include "../../config/nearest.h"
#include "../../config/values.h"

#ifndef YM_VERSION
#error "YM_VERSION comes from the Makefile"
#endif

#define EXIT_USAGE 2

/* getopt_long's value of an option that has no letter. */
#define LETTERLESS 256

static const struct command *const commands[] = {
#define X(name) &command_##name,
    COMMAND_MAP(X)
#undef X
};
#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

/* ---- help ------------------------------------------------------------------------------------ */

static void print_overview(FILE *to)
{
	fprintf(to, "usage: yardmaster COMMAND [OPTIONS] ...\n\nRuns job workers from an INI file.\n\n");
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (!commands[i]->hidden)
			fprintf(to, "  %-8s %s\n", commands[i]->verb, commands[i]->summary);
	fprintf(to, "\n  yardmaster COMMAND --help     options of a command\n"
	            "  yardmaster --version\n\n"
	            "Exit codes: 0 ok, 1 the answer is no or a job failed, 2 usage or configuration, 3 not running,\n"
	            "4 kernel limit or permission, 70 a bug.\n");
}

static void print_help(const struct command *command, FILE *to)
{
	fprintf(to, "usage: yardmaster %s %s\n\n%s\n", command->verb, command->usage, command->summary);
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
}

/* ---- options --------------------------------------------------------------------------------- */

static int row_of(const struct args *args, const char *name)
{
	for (int i = 0; args->command->options[i].name; i++)
		if (strcmp(args->command->options[i].name, name) == 0)
			return i;
	fprintf(stderr, "yardmaster: command %s asks for an option --%s that it does not have\n", args->command->verb,
	        name);
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

int args_instance(const struct args *args, struct instance *instance, struct ym_err *err)
{
	const char *path = args_value(args, "config"), *name = args_value(args, "instance");
	struct config config;
	struct cfg_problems problems;
	int result;

	if (path && name)
		return ym_fail(err, YM_ERR_USAGE, "--config and --instance both name an instance: give one of them");
	if (!path)
		return instance_locate(instance, name ? name : INSTANCE_NAME_DEFAULT, NULL, err);
	if (config_load(path, &config, &problems) < 0) {
		cfg_problems_print(path, &problems, stderr);
		cfg_problems_free(&problems);
		return ym_fail(err, YM_ERR_CONFIG, "%s has errors", path);
	}
	result = instance_locate(instance, config.instance.name, config.instance.directory, err);
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

static int usage_error(const struct command *command, const char *what)
{
	fprintf(stderr, "yardmaster %s: %s\nusage: yardmaster %s %s\n", command->verb, what, command->verb,
	        command->usage);
	return EXIT_USAGE;
}

/* Build getopt's tables from ours. */
static void getopt_tables(const struct command *command, struct option *longs, char *letters)
{
	int n = 0;

	*letters++ = '+' == command->usage[0] ? '+' : ':';
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

static int run_command(const struct command *command, int argc, char **argv)
{
	struct option longs[COMMAND_OPTIONS_MAX + 2];
	char letters[3 * COMMAND_OPTIONS_MAX + 3], text[128];
	struct args args = {.command = command};
	int found;

	getopt_tables(command, longs, letters);
	opterr = 0;
	while ((found = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		int row = option_row_of(command, found);

		if (found == 'h') {
			print_help(command, stdout);
			return 0;
		}
		if (row < 0) {
			snprintf(text, sizeof(text), found == ':' ? "%s needs a value" : "unknown option %s",
			         argv[optind - 1]);
			return usage_error(command, text);
		}
		args.values[row] = optarg ? optarg : "";
	}
	args.rest = argv + optind;
	args.nrest = argc - optind;
	if (args.nrest < command->least)
		return usage_error(command, "something is missing");
	if (command->most >= 0 && args.nrest > command->most) {
		snprintf(text, sizeof(text), "too many arguments: \"%.80s\"", args.rest[command->most]);
		return usage_error(command, text);
	}
	return command->run(&args);
}

int command_main(int argc, char **argv)
{
	struct cfg_nearest near = {.word = argc > 1 ? argv[1] : ""};

	if (argc < 2) {
		print_overview(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		print_overview(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("yardmaster %s\n", YM_VERSION);
		return 0;
	}
	for (size_t i = 0; i < NCOMMANDS; i++) {
		if (strcmp(commands[i]->verb, argv[1]) == 0)
			return run_command(commands[i], argc - 1, argv + 1);
		if (!commands[i]->hidden)
			cfg_nearest_offer(&near, commands[i]->verb);
	}
	fprintf(stderr, "yardmaster: there is no command \"%s\"%s%s%s\n", argv[1], near.best ? ": did you mean \"" : "",
	        near.best ? near.best : "", near.best ? "\"?" : "");
	return EXIT_USAGE;
}
