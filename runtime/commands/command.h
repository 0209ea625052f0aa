/*
 * command.h - what every command of `yardmaster` is made of.
 *
 * One list of commands (COMMAND_MAP); one table of options in each command's file, from which parsing, --help and the
 * check of the arguments come.
 */
#ifndef YM_RUNTIME_COMMANDS_COMMAND_H
#define YM_RUNTIME_COMMANDS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "../instance.h"

/* Name of the file and the struct, verb as typed. In the order of the help. */
#define COMMAND_MAP(X)                                                                                                 \
	X(run)                                                                                                         \
	X(check)                                                                                                       \
	X(submit)                                                                                                      \
	X(status)                                                                                                      \
	X(watch)                                                                                                       \
	X(jobs)                                                                                                        \
	X(cancel)                                                                                                      \
	X(stop)                                                                                                        \
	X(ipc)                                                                                                         \
	X(guardian)

struct option_row {
	const char *name;     /* without the dashes */
	char letter;          /* 0: none */
	const char *argument; /* NULL: a flag */
	const char *help;
};

#define COMMAND_OPTIONS_MAX 24
#define COMMAND_ARGS_MAX    1024

struct args {
	const struct command *command;
	const char *values[COMMAND_OPTIONS_MAX]; /* by row of the command's table; "" for a flag that is given */
	char **rest;                             /* what is no option */
	int nrest;
};

struct command {
	const char *verb;
	const char *usage;                   /* behind the verb */
	const char *summary;                 /* one line */
	const char *text;                    /* more, may be NULL */
	const struct option_row *options;    /* ends with a NULL name */
	int least, most;                     /* number of arguments that are no options; most -1: any */
	int (*run)(const struct args *args); /* returns the exit code */
	bool hidden;
};

#define X(name) extern const struct command command_##name;
COMMAND_MAP(X)
#undef X

/* The options with which most commands say which instance they mean. */
#define INSTANCE_OPTIONS                                                                                               \
	{"config", 'c', "FILE", "the instance of this INI file"},                                                      \
	{                                                                                                              \
		"instance", 'i', "NAME", "the instance of this name (default: main)"                                   \
	}

/* Value of an option: NULL if it is not given. */
const char *args_value(const struct args *args, const char *name);
bool args_flag(const struct args *args, const char *name);
/* A duration such as 10s, in milliseconds; `fallback` if the option is not given. -1 with err. */
int args_duration(const struct args *args, const char *name, int64_t fallback, int64_t *ms, struct ym_err *err);

/* Find the instance that --config or --instance mean. */
int args_instance(const struct args *args, struct instance *instance, struct ym_err *err);

/* Print an error on stderr and return its exit code. */
int command_fail(const struct ym_err *err);

/* Parse argv (argv[0] is the program) and run what it asks for. Returns the exit code. */
int command_main(int argc, char **argv);

#endif
