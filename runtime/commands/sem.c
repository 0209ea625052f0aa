/* sem.c - `yardmaster sem ...`: counting semaphores, shared with PHP's sem_get(). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../json.h"
#include "command.h"
#include "holder.h"

#define MODE_DEFAULT 0600

/* What a shell tells of a command that it cannot start. */
#define EXIT_CANNOT_EXECUTE 126
#define EXIT_NOT_FOUND      127

#define MAX_OPTION                                                                                                     \
	{                                                                                                              \
		"max", 'm', "N", "units there are (default: as it was left; 1 for a new one)"                          \
	}
#define UNITS_OPTION                                                                                                   \
	{                                                                                                              \
		"units", 'u', "N", "units to take, all at once (default 1)"                                            \
	}
#define MODE_OPTION                                                                                                    \
	{                                                                                                              \
		"mode", 0, "OCTAL", "permissions of a new one (default 600; PHP's default is 666)"                     \
	}
#define TIMEOUT_OPTION                                                                                                 \
	{                                                                                                              \
		"timeout", 't', "TIME", "wait not longer than this (exit code 1); default: wait for ever"              \
	}
#define FOR_OPTION                                                                                                     \
	{                                                                                                              \
		"for", 0, "PID", "the process that holds the unit (default: who calls yardmaster)"                     \
	}

#define MAX_HELP                                                                                                       \
	"--max counts only while nobody else is attached, as in PHP: the first one decides, later ones take it as "    \
	"it\n"                                                                                                         \
	"is."

/* ---- reading --------------------------------------------------------------------------------- */

static int read_wish(const struct args *args, struct unit_wish *wish, struct ym_err *err)
{
	struct ym_sem_stat stat;
	int64_t max;
	int id;

	if (args_key(args, 0, &wish->key, err) < 0 || args_int(args, "max", 0, YM_SEM_MAX, -1, &max, err) < 0 ||
	    args_mode(args, "mode", MODE_DEFAULT, &wish->mode, err) < 0)
		return -1;
	wish->max = (int)max;
	if (max >= 0)
		return 0;
	/* Unused, it has as many units as it was left with; 0 would be no use to anybody. */
	wish->max = 1;
	if (ym_sem_find(wish->key, &id, NULL) == 0 && ym_sem_stat(id, &stat, NULL) == 0 && stat.usage == 0 &&
	    stat.value > 0)
		wish->max = stat.value;
	return 0;
}

/* For those who take units, not only attach. */
static int read_units(const struct args *args, struct unit_wish *wish, struct ym_err *err)
{
	int64_t units;

	if (args_int(args, "units", 1, YM_SEM_MAX, 1, &units, err) < 0)
		return -1;
	wish->units = (unsigned)units;
	return 0;
}

/* The process that has a unit while a holder holds it. */
static int read_owner(const struct args *args, pid_t *owner, struct ym_err *err)
{
	int64_t pid;

	if (args_int(args, "for", 1, INT32_MAX, getppid(), &pid, err) < 0)
		return -1;
	*owner = (pid_t)pid;
	return 0;
}

/* ---- printing -------------------------------------------------------------------------------- */

static void print_state(key_t key, int id, const struct ym_sem_stat *stat)
{
	printf("semaphore 0x%08x (id %d): %d free, %d attached, %d waiting, owner uid %u, mode %03o", (unsigned)key, id,
	       stat->value, stat->usage, stat->waiters, (unsigned)stat->uid, (unsigned)stat->mode);
	if (stat->last)
		printf(", last used by process %d", stat->last);
	putchar('\n');
}

static void print_json(key_t key, int id, const struct ym_sem_stat *stat, const struct holder *holders, size_t count)
{
	struct json json = {.to = stdout};
	char mode[8];

	snprintf(mode, sizeof(mode), "%03o", (unsigned)stat->mode);
	json_open(&json, NULL, '{');
	json_put_int(&json, "key", key);
	json_put_int(&json, "id", id);
	json_put_int(&json, "free", stat->value);
	json_put_int(&json, "attached", stat->usage);
	json_put_int(&json, "waiting", stat->waiters);
	json_put_bool(&json, "locked", stat->locked != 0);
	json_put_int(&json, "last_pid", stat->last);
	json_put_uint(&json, "uid", stat->uid);
	json_put_uint(&json, "cuid", stat->cuid);
	json_put_string(&json, "mode", mode);
	json_put_uint(&json, "members", stat->members);
	json_open(&json, "holders", '[');
	for (size_t i = 0; i < count; i++) {
		json_open(&json, NULL, '{');
		json_put_int(&json, "pid", holders[i].pid);
		json_put_int(&json, "for", holders[i].owner);
		json_put_uint(&json, "units", holders[i].units);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
	putchar('\n');
}

static int show(key_t key, int id, struct ym_err *err)
{
	struct ym_sem_stat stat;

	if (ym_sem_stat(id, &stat, err) < 0)
		return -1;
	print_state(key, id, &stat);
	return 0;
}

/* ---- the subcommands ------------------------------------------------------------------------- */

static int get(const struct args *args)
{
	struct unit_wish wish;
	struct ym_err err;
	struct ym_sem sem;
	int id;

	if (read_wish(args, &wish, &err) < 0 ||
	    ym_sem_get(&sem, wish.key, wish.max, wish.mode, ym_deadline(UNIT_ATTACH_MS), &err) < 0)
		return command_fail(&err);
	id = sem.id;
	ym_sem_close(&sem);
	if (show(wish.key, id, &err) < 0)
		return command_fail(&err);
	if (args_flag(args, "max") && !sem.alone)
		fprintf(stderr, "yardmaster: --max %d had no effect: others are attached to semaphore 0x%08x\n",
		        wish.max, (unsigned)wish.key);
	return 0;
}

static const struct option_row get_options[] = {MAX_OPTION, MODE_OPTION, {0}};
static const struct command command_get = {
    .verb = "get",
    .usage = "KEY [OPTIONS]",
    .summary = "make a semaphore, or set the units of one that nobody uses; prints its state",
    .text = KEY_HELP "\n" MAX_HELP "\n\n"
		     "example: yardmaster sem get name:downloads --max 3",
    .options = get_options,
    .least = 1,
    .most = 1,
    .run = get,
};

/*
 * In "x=$(yardmaster sem acquire KEY; ...)" our parent is not the script but a copy of the shell, which ends a moment
 * later, and the unit with it.
 */
static void warn_of_subshell(pid_t owner)
{
	pid_t shell = holder_shell_of(owner);
	struct stat out;

	if (shell && fstat(STDOUT_FILENO, &out) == 0 && S_ISFIFO(out.st_mode))
		fprintf(stderr,
		        "yardmaster: warning: process %d, for which the unit is held, looks like a subshell of process "
		        "%d: say --for $$ to hold it for the whole script\n",
		        owner, shell);
}

static int acquire_within(const struct args *args, int64_t timeout)
{
	struct unit_wish wish = {.timeout_ms = timeout};
	struct ym_err err, unheard;
	pid_t owner, holder;

	if (read_wish(args, &wish, &err) < 0 || read_units(args, &wish, &err) < 0 || read_owner(args, &owner, &err) < 0)
		return command_fail(&err);
	holder = holder_start(&wish, owner, &err);
	if (holder < 0)
		return command_fail(&err);
	printf("%d\n", holder);
	if (fflush(stdout) != 0) {
		ym_fail(&err, YM_ERR_SYSTEM, "write() of the holder's pid to stdout: %s: the unit is given back",
		        strerror(errno));
		holder_end(wish.key, holder, owner, &holder, &unheard);
		return command_fail(&err);
	}
	if (!args_flag(args, "for"))
		warn_of_subshell(owner);
	return 0;
}

static int acquire(const struct args *args)
{
	struct ym_err err;
	int64_t timeout;

	if (args_duration(args, "timeout", -1, &timeout, &err) < 0)
		return command_fail(&err);
	return acquire_within(args, timeout);
}

static int try(const struct args *args)
{
	return acquire_within(args, 0);
}

#define HELD_HELP                                                                                                      \
	"A small process in the background holds the unit; its pid is printed once it is held. The unit is given "     \
	"back\n"                                                                                                       \
	"by `yardmaster sem release KEY`, or when the process that called yardmaster (or --for PID) ends, however "    \
	"it\n"                                                                                                         \
	"ends. In $(...) and pipes that may be a subshell: there say --for $$."

static const struct option_row acquire_options[] = {MAX_OPTION, UNITS_OPTION, TIMEOUT_OPTION,
                                                    FOR_OPTION, MODE_OPTION,  {0}};
static const struct command command_acquire = {
    .verb = "acquire",
    .usage = "KEY [OPTIONS]",
    .summary = "take a unit, waiting for one, and hold it until `sem release` or the end of the caller",
    .text = KEY_HELP "\n" MAX_HELP "\n\n" HELD_HELP "\n\n"
		     "example: yardmaster sem acquire name:backup --timeout 1m --for $$ || exit 1",
    .options = acquire_options,
    .least = 1,
    .most = 1,
    .run = acquire,
};

static const struct option_row try_options[] = {MAX_OPTION, UNITS_OPTION, FOR_OPTION, MODE_OPTION, {0}};
static const struct command command_try = {
    .verb = "try",
    .usage = "KEY [OPTIONS]",
    .summary = "the same without waiting: exit code 1 if no unit is free",
    .text = KEY_HELP "\n" MAX_HELP "\n\n" HELD_HELP "\n\n"
		     "example: yardmaster sem try name:backup --for $$ || echo \"another backup is running\"",
    .options = try_options,
    .least = 1,
    .most = 1,
    .run = try,
};

static int release(const struct args *args)
{
	int64_t pid = 0;
	struct ym_err err;
	pid_t owner, ended;
	key_t key;
	int result;

	if (args_key(args, 0, &key, &err) < 0 || read_owner(args, &owner, &err) < 0 ||
	    (args->nrest > 1 && args_number(args, 1, "PID", 1, INT32_MAX, &pid, &err) < 0))
		return command_fail(&err);
	result = holder_end(key, (pid_t)pid, owner, &ended, &err);
	if (result == 1 && pid)
		ym_fail(&err, YM_ERR_NO, "process %d holds no unit of semaphore 0x%08x", (int)pid, (unsigned)key);
	else if (result == 1)
		ym_fail(&err, YM_ERR_NO, "no unit of semaphore 0x%08x is held for process %d", (unsigned)key, owner);
	return result ? command_fail(&err) : 0;
}

static const struct option_row release_options[] = {
    {"for", 0, "PID", "the process for which it is held (default: who calls yardmaster)"},
    {0},
};
static const struct command command_release = {
    .verb = "release",
    .usage = "KEY [PID] [OPTIONS]",
    .summary = "give back the unit that `sem acquire` or `sem try` took last for the same caller",
    .text = KEY_HELP "\nPID is what `sem acquire` printed: then that unit is given back, whoever it is held for.\n"
		     "The unit is free again when the command ends.\n\n"
		     "example: yardmaster sem release name:backup",
    .options = release_options,
    .least = 1,
    .most = 2,
    .run = release,
};

static int run(const struct args *args)
{
	struct unit_wish wish;
	struct ym_err err;
	struct ym_sem sem;
	int sys;

	if (args_duration(args, "timeout", args_flag(args, "try") ? 0 : -1, &wish.timeout_ms, &err) < 0 ||
	    read_wish(args, &wish, &err) < 0 || read_units(args, &wish, &err) < 0 || unit_take(&sem, &wish, &err) < 0)
		return command_fail(&err);
	/* What this process took stays its own through execvp(), and the kernel gives it back at its end. */
	execvp(args->rest[1], args->rest + 1);
	sys = errno;
	ym_fail(&err, YM_ERR_SYSTEM, "execvp(\"%s\") to run it with a unit of semaphore 0x%08x: %s", args->rest[1],
	        (unsigned)wish.key, strerror(sys));
	command_fail(&err);
	return sys == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
}

static const struct option_row run_options[] = {
    MAX_OPTION,  UNITS_OPTION, TIMEOUT_OPTION, {"try", 0, NULL, "do not wait: exit code 1 if no unit is free"},
    MODE_OPTION, {0},
};
static const struct command command_run_sem = {
    .verb = "run",
    .usage = "KEY [OPTIONS] [--] CMD [ARGUMENT ...]",
    .summary = "take a unit and become CMD: it is held exactly as long as CMD runs, however it ends",
    .text =
	KEY_HELP "\n" MAX_HELP "\n\n"
		 "No process stays beside CMD: signals, terminal and exit code are its own. What CMD leaves running\n"
		 "in the background holds no unit. Exit code 127 if there is no CMD, 126 if it cannot be run.\n\n"
		 "example: yardmaster sem run name:downloads --max 3 -- curl -O https://example.org/file",
    .options = run_options,
    .least = 2,
    .most = -1,
    .verbatim = 2,
    .run = run,
};

static int show_stat(const struct args *args)
{
	struct holder *holders;
	struct ym_sem_stat state;
	struct ym_err err;
	size_t count;
	key_t key;
	int id;

	if (args_key(args, 0, &key, &err) < 0 || ym_sem_find(key, &id, &err) < 0 || ym_sem_stat(id, &state, &err) < 0 ||
	    holder_list(key, &holders, &count, &err) < 0)
		return command_fail(&err);
	if (args_flag(args, "json")) {
		print_json(key, id, &state, holders, count);
	} else {
		print_state(key, id, &state);
		for (size_t i = 0; i < count; i++)
			printf("  %u unit%s held by process %d for process %d\n", holders[i].units,
			       holders[i].units == 1 ? " is" : "s are", holders[i].pid, holders[i].owner);
	}
	free(holders);
	return 0;
}

static const struct option_row stat_options[] = {{"json", 0, NULL, "print one object"}, {0}};
static const struct command command_stat = {
    .verb = "stat",
    .usage = "KEY [OPTIONS]",
    .summary = "free units, attached handles, waiting processes, and who holds units in the background",
    .text = KEY_HELP "\nThe kernel does not know who holds a unit: listed are those of your own `sem acquire`.\n\n"
		     "example: yardmaster sem stat name:backup --json",
    .options = stat_options,
    .least = 1,
    .most = 1,
    .run = show_stat,
};

static int resize(const struct args *args)
{
	struct ym_sem sem = {.pid = getpid()};
	struct ym_err err;
	int64_t delta, timeout;
	char sign = args->rest[1][0];

	if (sign != '+' && sign != '-') {
		ym_fail(&err, YM_ERR_USAGE, "\"%.80s\": write +N for more units or -N for less", args->rest[1]);
		return command_fail(&err);
	}
	if (args_number(args, 1, "the change", -YM_SEM_MAX, YM_SEM_MAX, &delta, &err) < 0 ||
	    args_duration(args, "timeout", -1, &timeout, &err) < 0 || args_key(args, 0, &sem.key, &err) < 0 ||
	    ym_sem_find(sem.key, &sem.id, &err) < 0 ||
	    ym_sem_resize(&sem, (int)delta, ym_deadline(timeout), &err) < 0 || show(sem.key, sem.id, &err) < 0)
		return command_fail(&err);
	return 0;
}

static const struct option_row resize_options[] = {TIMEOUT_OPTION, {0}};
static const struct command command_resize = {
    .verb = "resize",
    .usage = "KEY +N|-N [OPTIONS]",
    .summary = "add units for good, or take some away, waiting until they are free",
    .text = KEY_HELP "\nNobody's units are touched. When the last user has left, the next one decides anew (--max).\n\n"
		     "example: yardmaster sem resize name:downloads -2 --timeout 10s",
    .options = resize_options,
    .least = 2,
    .most = 2,
    .run = resize,
};

/* Why it was left alone. */
static int in_use(key_t key, int id, struct ym_err *err)
{
	struct ym_sem_stat stat;

	if (ym_sem_stat(id, &stat, err) < 0)
		return -1;
	return ym_fail(err, YM_ERR_NO,
	               "semaphore 0x%08x (id %d) is in use: %d attached, %d waiting, last used by process %d; --force "
	               "removes it under them",
	               (unsigned)key, id, stat.usage, stat.waiters, stat.last);
}

static int remove_sem(const struct args *args)
{
	bool force = args_flag(args, "force");
	struct ym_err err;
	key_t key;
	int id, result;

	if (args_key(args, 0, &key, &err) < 0 || ym_sem_find(key, &id, &err) < 0)
		return command_fail(&err);
	result = force ? ym_sem_remove(id, &err) : ym_sem_remove_unused(id, 0, &err);
	if (result == 1)
		result = in_use(key, id, &err);
	if (result < 0)
		return command_fail(&err);
	printf("semaphore 0x%08x (id %d) removed\n", (unsigned)key, id);
	return 0;
}

static const struct option_row rm_options[] = {
    {"force", 'f', NULL, "although it is in use: who waits gets an error, units that are held are gone"},
    {0},
};
static const struct command command_rm = {
    .verb = "rm",
    .usage = "KEY [OPTIONS]",
    .summary = "remove a semaphore that nobody is attached to",
    .text = KEY_HELP "\n\nexample: yardmaster sem rm name:downloads",
    .options = rm_options,
    .least = 1,
    .most = 1,
    .run = remove_sem,
};

static const struct command *const subcommands[] = {
    &command_get,    &command_acquire, &command_try, &command_release, &command_run_sem, &command_stat,
    &command_resize, &command_rm,      NULL,
};

const struct command command_sem = {
    .verb = "sem",
    .usage = "COMMAND KEY ...",
    .summary = "semaphores, shared with PHP's sem_get(): hold units, limit how many run at once",
    .text = KEY_HELP,
    .group = COMMAND_GROUP_IPC,
    .subcommands = subcommands,
};
