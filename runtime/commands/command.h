/*
 * command.h - what every command of `yardmaster` is made of.
 *
 * One list of commands (COMMAND_MAP); one table of options in each command's file, from which parsing, --help and the
 * check of the arguments come. A command with `subcommands` does nothing by itself: `yardmaster sem stat KEY` runs the
 * command "stat" in the table of command_sem. One that has `run`, too, is run when no subcommand stands behind it.
 *
 * Options may stand anywhere, "--" ends them. An argument of '-' and a digit is a number, never an option.
 */
#ifndef YM_RUNTIME_COMMANDS_COMMAND_H
#define YM_RUNTIME_COMMANDS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/types.h>

#include "../instance.h"

/* Name of the file and the struct, verb as typed. In the order of the help. */
#define COMMAND_MAP(X)                                                                                                 \
	X(run)                                                                                                         \
	X(check)                                                                                                       \
	X(submit)                                                                                                      \
	X(wait)                                                                                                        \
	X(status)                                                                                                      \
	X(top)                                                                                                         \
	X(watch)                                                                                                       \
	X(serve)                                                                                                       \
	X(logs)                                                                                                        \
	X(jobs)                                                                                                        \
	X(show)                                                                                                        \
	X(cancel)                                                                                                      \
	X(bury)                                                                                                        \
	X(kick)                                                                                                        \
	X(retry)                                                                                                       \
	X(delete)                                                                                                      \
	X(store)                                                                                                       \
	X(pause)                                                                                                       \
	X(resume)                                                                                                      \
	X(drain)                                                                                                       \
	X(scale)                                                                                                       \
	X(restart)                                                                                                     \
	X(start)                                                                                                       \
	X(stop)                                                                                                        \
	X(reload)                                                                                                      \
	X(reopen)                                                                                                      \
	X(signal)                                                                                                      \
	X(upgrade)                                                                                                     \
	X(ipc)                                                                                                         \
	X(ftok)                                                                                                        \
	X(sem)                                                                                                         \
	X(shm)                                                                                                         \
	X(msg)                                                                                                         \
	X(completion)                                                                                                  \
	X(complete)                                                                                                    \
	X(manual)                                                                                                      \
	X(guardian)                                                                                                    \
	X(holder)

/*
 * Groups of commands: name, its page of the manual (yardmaster-PAGE(1)), heading of the overview, in its order. A command
 * that does not say belongs to the first one.
 */
#define COMMAND_GROUP_MAP(X)                                                                                           \
	X(RUN, "run", "the instance and what it runs")                                                                 \
	X(JOBS, "jobs", "submit jobs, see what became of them, change it")                                             \
	X(LOOK, "status", "what goes on right now, and what was logged")                                               \
	X(STORE, "store", "where jobs wait durably")                                                                   \
	X(IPC, "ipc", "System V IPC, with or without an instance")                                                     \
	X(SHELL, "completion", "completion in the shell")

enum command_group {
#define X(name, page, heading) COMMAND_GROUP_##name,
	COMMAND_GROUP_MAP(X)
#undef X
	    COMMAND_GROUPS
};

/* What exit codes mean, those of YM_ERR_MAP. */
#define COMMAND_EXIT_MAP(X)                                                                                            \
	X(0, "ok")                                                                                                     \
	X(1, "the answer is no, or a job failed")                                                                      \
	X(2, "usage or configuration")                                                                                 \
	X(3, "not running, or gone")                                                                                   \
	X(4, "kernel limit, permission, foreign or corrupt object, failed system call")                                \
	X(70, "a bug")

struct option_row {
	const char *name;     /* without the dashes */
	char letter;          /* 0: none */
	const char *argument; /* NULL: a flag */
	const char *help;
};

#define COMMAND_OPTIONS_MAX 24

/* Enough for the verbs of a command and its subcommand. */
#define COMMAND_NAME_MAX 64

struct args {
	const struct command *command;
	const char *name;                        /* its verbs: "sem stat" */
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
	int verbatim;                        /* argument number (from 1) from which on nothing is an option; 0: none */
	int (*run)(const struct args *args); /* returns the exit code */
	bool hidden;
	enum command_group group; /* not of a subcommand */
	const struct command *const
	    *subcommands; /* ends with NULL; without `run`, options, least and most are not used */
};

#define X(name) extern const struct command command_##name;
COMMAND_MAP(X)
#undef X

/* All commands, in the order of the help; ends with NULL. And the one of such a list with this verb, NULL: none. */
extern const struct command *const all_commands[];
const struct command *command_find(const struct command *const *list, const char *verb);

/* Does it belong to a group, and is it to be shown? */
bool command_listed(const struct command *command, enum command_group group);

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

/* A whole number from `least` to `most`; `fallback` if the option is not given. -1 with err. */
int args_int(const struct args *args, const char *name, int64_t least, int64_t most, int64_t fallback, int64_t *number,
             struct ym_err *err);
/* Permissions in octal, as in --mode 640. */
int args_mode(const struct args *args, const char *name, mode_t fallback, mode_t *mode, struct ym_err *err);

/* Argument number `index` as a whole number; `what` it is, for the message. */
int args_number(const struct args *args, int index, const char *what, int64_t least, int64_t most, int64_t *number,
                struct ym_err *err);
/* Argument number `index` as a System V key, see ym_key_parse(). */
int args_key(const struct args *args, int index, key_t *key, struct ym_err *err);

/* For the text of commands that take one. */
#define KEY_HELP                                                                                                       \
	"KEY is a number, 0xHEX, PATH:c (ftok of a file and the one character c), or name:TEXT (crc32 of the text)."

/* Find the instance that --config or --instance mean. */
int args_instance(const struct args *args, struct instance *instance, struct ym_err *err);
/* The same; *configured: --config is given, and `config` is to be freed. */
int args_config(const struct args *args, struct instance *instance, struct config *config, bool *configured,
                struct ym_err *err);

/* Print an error on stderr and return its exit code. */
int command_fail(const struct ym_err *err);

/* Parse argv (argv[0] is the program) and run what it asks for. Returns the exit code. */
int command_main(int argc, char **argv);

#endif
