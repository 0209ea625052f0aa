/* shm.c - `yardmaster shm`: variables in shared memory, as PHP's sysvshm has them. */
#include "shm.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../config/values.h"
#include "../../ipc/clock.h"
#include "../../ipc/key.h"
#include "../../ipc/object.h"
#include "../typed.h"

#define VAR_HELP "VAR is a number, or name:TEXT (crc32 of the text, as PHP users do it)."

/* ---- in and out --------------------------------------------------------------------------------- */

static int take_lock(const struct args *args, struct shm_access *access, key_t key, mode_t mode, struct ym_err *err)
{
	const char *lock = args_value(args, "lock");
	int64_t timeout;
	uint64_t deadline;

	if (args_duration(args, "timeout", -1, &timeout, err) < 0)
		return -1;
	if (!lock)
		return args_value(args, "timeout")
		           ? ym_fail(err, YM_ERR_USAGE, "--timeout: there is nothing to wait for without --lock")
		           : 0;
	if (strcmp(lock, "same") != 0 && ym_key_parse(lock, &key, err) < 0)
		return ym_err_prefix(err, "--lock");
	deadline = ym_deadline(timeout);
	if (ym_sem_get(&access->sem, key, 1, mode, deadline, err) < 0)
		return ym_err_prefix(err, "--lock");
	access->locked = true;
	if (ym_sem_acquire(&access->sem, deadline, err) == 0)
		return 0;
	shm_leave(access);
	return ym_err_prefix(err, "--lock");
}

static int attach(struct shm_access *access, key_t key, size_t size, mode_t mode, unsigned flags, struct ym_err *err)
{
	struct ym_vars *vars = &access->vars;

	if (ym_vars_attach(vars, key, size, mode, flags & ~(unsigned)YM_VARS_DAMAGED, err) == 0)
		return 0;
	if (!(flags & YM_VARS_DAMAGED) || (err->class != YM_ERR_CORRUPT && err->class != YM_ERR_FOREIGN))
		return -1;
	access->why = *err;
	return ym_vars_attach(vars, key, size, mode, flags, err);
}

int shm_enter(const struct args *args, struct shm_access *access, size_t size, mode_t mode, unsigned flags,
              struct ym_err *err)
{
	key_t key;
	int id;

	*access = (struct shm_access){.vars.id = -1};
	if (args_key(args, 0, &key, err) < 0)
		return -1;
	/* Before the lock: a mistaken key must not leave a semaphore behind. */
	if ((flags & (YM_VARS_EXISTING | YM_VARS_READONLY)) && !ym_object_behind(YM_OBJECT_SEGMENT, key, &id))
		return ym_fail(err, YM_ERR_NO, "there is no segment of key 0x%x", (unsigned)key);
	if (take_lock(args, access, key, mode, err) < 0)
		return -1;
	if (attach(access, key, size, mode, flags, err) == 0)
		return 0;
	shm_leave(access);
	return -1;
}

void shm_leave(struct shm_access *access)
{
	ym_vars_detach(&access->vars);
	if (access->locked)
		ym_sem_close(&access->sem);
	access->locked = false;
}

static int parse_variable(const char *text, int64_t *key, struct ym_err *err)
{
	static const char named[] = "name:";

	if (strcmp(text, named) == 0)
		return ym_fail(err, YM_ERR_USAGE, "\"name:\" needs a text behind it");
	if (strncmp(text, named, sizeof(named) - 1) == 0) {
		*key = ym_vars_key(text + sizeof(named) - 1);
		return 0;
	}
	if (typed_integer(text, key, err) == 0)
		return 0;
	return ym_fail(err, YM_ERR_USAGE,
	               "\"%.60s\" is no variable: variables have integers of 64 bits as keys; for the crc32 of a text "
	               "write name:%.60s",
	               text, text);
}

static int no_such_variable(const struct shm_access *access, const char *text, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_NO, "segment 0x%x has no variable %s", (unsigned)access->vars.key, text);
}

/* Bytes for a program stay as they are; a terminal gets a newline behind them. */
static void print_exactly(const char *bytes, size_t length)
{
	fwrite(bytes, 1, length, stdout);
	if (isatty(STDOUT_FILENO))
		putchar('\n');
}

/* ---- put ---------------------------------------------------------------------------------------- */

static int put_size(const struct args *args, size_t *size, struct ym_err *err)
{
	const char *text = args_value(args, "size");
	char why[CFG_WHY_MAX] = "a segment has at least 1 byte";
	int64_t parsed = 0;

	*size = 0;
	if (!text)
		return 0;
	if (cfg_parse_size(text, &parsed, why) < 0 || parsed < 1)
		return ym_fail(err, YM_ERR_USAGE, "--size: %s", why);
	if (parsed < (int64_t)YM_VARS_SIZE_MIN || parsed > INT64_MAX / 2)
		return ym_fail(err, YM_ERR_USAGE, "--size: a segment for variables has at least %zu bytes, and not %s",
		               YM_VARS_SIZE_MIN, text);
	*size = (size_t)parsed;
	return 0;
}

/* A segment that would be made for this value only, and then be too small for it, is not made at all. */
static int check_room(const struct args *args, size_t size, size_t length, struct ym_err *err)
{
	size_t need = YM_VARS_SIZE_MIN + ym_vars_chunk_size(length), total = size ? size : YM_VARS_SIZE_DEFAULT;
	key_t key;
	int id;

	if (args_key(args, 0, &key, err) < 0)
		return -1;
	if (need <= total || ym_object_behind(YM_OBJECT_SEGMENT, key, &id))
		return 0;
	return ym_fail(
	    err, YM_ERR_FULL,
	    "variable %s needs a segment of at least %zu bytes: one of %zu was not made; give --size %zu or more",
	    args->rest[1], need, total, need);
}

static int put_bytes(const struct args *args, int64_t key, const struct ym_buffer *bytes, struct ym_err *err)
{
	struct shm_access access;
	size_t size;
	mode_t mode;
	int result;

	if (put_size(args, &size, err) < 0 || args_mode(args, "mode", SHM_MODE, &mode, err) < 0 ||
	    check_room(args, size, bytes->length, err) < 0 || shm_enter(args, &access, size, mode, 0, err) < 0)
		return -1;
	if (size && !access.vars.created && size != access.vars.size)
		fprintf(stderr, "yardmaster: segment 0x%x exists already, with %zu bytes: --size had no effect\n",
		        (unsigned)access.vars.key, access.vars.size);
	result = ym_vars_put_raw(&access.vars, key, bytes->bytes, bytes->length, err);
	shm_leave(&access);
	return result;
}

static int put(const struct args *args)
{
	struct ym_buffer bytes;
	char storage[1024];
	struct ym_err err;
	int64_t key;
	int result;

	ym_buffer_init(&bytes, storage, sizeof(storage));
	/* The value comes first: nobody shall wait for a lock until somebody has finished typing. */
	if (parse_variable(args->rest[1], &key, &err) < 0 || typed_encode(args->rest[2], &bytes, &err) < 0)
		result = -1;
	else
		result = put_bytes(args, key, &bytes, &err);
	ym_buffer_free(&bytes);
	return result < 0 ? command_fail(&err) : 0;
}

static const struct option_row put_options[] = {
    {"size", 's', "SIZE", "make a missing segment this large, such as 100kb (default: 10000 bytes, as PHP)"},
    {"mode", 'm', "MODE", "permissions of a segment or semaphore that is made (default: 600; PHP: 666)"},
    SHM_OPTIONS,
    {0},
};

static const struct command command_put = {
    .verb = "put",
    .usage = "KEY VAR VALUE [OPTIONS]",
    .summary = "put a variable, making the segment if it is missing",
    .text = KEY_HELP "\n" VAR_HELP "\n\nVALUE is one of\n" TYPED_HELP "\n\n"
		     "A value that does not fit (exit code 1) changes nothing. Example:\n"
		     "  yardmaster shm put name:myapp name:progress int:42 --lock same",
    .options = put_options,
    .least = 3,
    .most = 3,
    .run = put,
};

/* ---- get ---------------------------------------------------------------------------------------- */

static int get_php(const struct shm_access *access, int64_t key, struct ym_err *err)
{
	struct ym_buffer bytes;
	char storage[1024];
	int result;

	ym_buffer_init(&bytes, storage, sizeof(storage));
	result = ym_vars_get_raw(&access->vars, key, &bytes, err);
	if (result == 0)
		print_exactly(bytes.bytes, bytes.length);
	ym_buffer_free(&bytes);
	return result;
}

static int get_value(const struct args *args, const struct shm_access *access, int64_t key, struct ym_err *err)
{
	struct json json = {.to = stdout};
	struct ym_value value;
	int result = ym_vars_get(&access->vars, key, &value, err);

	if (result != 0)
		return result;
	if (args_flag(args, "json")) {
		result = json_put_value(&json, NULL, &value, err);
		putchar('\n');
	} else if (!args_flag(args, "raw")) {
		result = typed_print(stdout, &value, 0, err);
		putchar('\n');
	} else if (value.type == YM_TYPE_STRING) {
		print_exactly(value.string.bytes, value.string.length);
	} else {
		result = ym_fail(err, YM_ERR_USAGE, "--raw is for strings, but variable %s has the type %s",
		                 args->rest[1], ym_type_word(value.type));
	}
	ym_value_free(&value);
	return result;
}

static int get(const struct args *args)
{
	struct shm_access access;
	struct ym_err err;
	int64_t key;
	int result;

	if (args_flag(args, "php") + args_flag(args, "json") + args_flag(args, "raw") > 1) {
		ym_fail(&err, YM_ERR_USAGE, "--php, --json and --raw exclude each other");
		return command_fail(&err);
	}
	if (parse_variable(args->rest[1], &key, &err) < 0 ||
	    shm_enter(args, &access, 0, SHM_MODE, YM_VARS_READONLY, &err) < 0)
		return command_fail(&err);
	result = args_flag(args, "php") ? get_php(&access, key, &err) : get_value(args, &access, key, &err);
	if (result == 1)
		result = no_such_variable(&access, args->rest[1], &err);
	shm_leave(&access);
	return result < 0 ? command_fail(&err) : 0;
}

static const struct option_row get_options[] = {
    {"json", 'j', NULL, "as JSON"},
    {"php", 'p', NULL, "as PHP's serialize() wrote it, byte for byte"},
    {"raw", 'r', NULL, "the bytes of a string, nothing else"},
    SHM_OPTIONS,
    {0},
};

static const struct command command_get = {
    .verb = "get",
    .usage = "KEY VAR [OPTIONS]",
    .summary = "print a variable",
    .text = KEY_HELP
    "\n" VAR_HELP "\n\n"
    "Without options the value is printed for people: a string as it is if all of it can be shown, otherwise\n"
    "quoted, arrays as in PHP. --php and --raw add nothing, not even a newline, unless to a terminal.\n"
    "JSON has no word for some values; they become {\"float\": \"INF\"}, {\"base64\": ...} (a string that is\n"
    "not UTF-8), {\"pairs\": [[KEY, VALUE], ...]} (an array with such a key), {\"php\": ..., \"class\": ...}\n"
    "(an object). Exit code 1: there is no such variable or segment.",
    .options = get_options,
    .least = 2,
    .most = 2,
    .run = get,
};

/* ---- has, del ------------------------------------------------------------------------------------ */

static int has(const struct args *args)
{
	bool verbose = args_flag(args, "verbose");
	struct shm_access access;
	struct ym_err err;
	int64_t key;
	int result;

	if (parse_variable(args->rest[1], &key, &err) < 0)
		return command_fail(&err);
	result = shm_enter(args, &access, 0, SHM_MODE, YM_VARS_READONLY, &err);
	if (result == 0) {
		result = ym_vars_has(&access.vars, key, &err);
		if (result == 0)
			result = no_such_variable(&access, args->rest[1], &err);
		else if (result == 1 && verbose)
			printf("segment 0x%x has variable %s\n", (unsigned)access.vars.key, args->rest[1]);
		shm_leave(&access);
	}
	if (result > 0)
		return 0;
	return err.class == YM_ERR_NO && !verbose ? ym_err_exit_code(err.class) : command_fail(&err);
}

static const struct option_row has_options[] = {
    {"verbose", 'v', NULL, "say it in words, too"},
    SHM_OPTIONS,
    {0},
};

static const struct command command_has = {
    .verb = "has",
    .usage = "KEY VAR [OPTIONS]",
    .summary = "is there such a variable? exit code 0 yes, 1 no",
    .text = KEY_HELP "\n" VAR_HELP,
    .options = has_options,
    .least = 2,
    .most = 2,
    .run = has,
};

static int del(const struct args *args)
{
	struct shm_access access;
	struct ym_err err;
	int64_t key;
	int result;

	if (parse_variable(args->rest[1], &key, &err) < 0 ||
	    shm_enter(args, &access, 0, SHM_MODE, YM_VARS_EXISTING, &err) < 0)
		return command_fail(&err);
	result = ym_vars_remove(&access.vars, key, &err);
	if (result == 1)
		result = no_such_variable(&access, args->rest[1], &err);
	shm_leave(&access);
	return result < 0 ? command_fail(&err) : 0;
}

static const struct option_row plain_options[] = {
    SHM_OPTIONS,
    {0},
};

static const struct command command_del = {
    .verb = "del",
    .usage = "KEY VAR [OPTIONS]",
    .summary = "remove a variable; exit code 1 if it was not there",
    .text = KEY_HELP "\n" VAR_HELP,
    .options = plain_options,
    .least = 2,
    .most = 2,
    .run = del,
};

/* ---- rm ------------------------------------------------------------------------------------------ */

static int rm(const struct args *args)
{
	struct shm_access access;
	struct ym_err err;
	int result;

	if (shm_enter(args, &access, 0, SHM_MODE, YM_VARS_EXISTING | YM_VARS_DAMAGED, &err) < 0)
		return command_fail(&err);
	if (access.why.class == YM_ERR_FOREIGN) {
		err = access.why;
		result = -1;
	} else {
		result = ym_vars_destroy(&access.vars, args_flag(args, "wipe"), &err);
	}
	shm_leave(&access);
	return result < 0 ? command_fail(&err) : 0;
}

static const struct option_row rm_options[] = {
    {"wipe", 'w', NULL, "overwrite the contents with zeroes first, for everybody who is still attached"},
    SHM_OPTIONS,
    {0},
};

static const struct command command_rm = {
    .verb = "rm",
    .usage = "KEY [OPTIONS]",
    .summary = "remove a segment: its key is free at once, who is attached goes on using it",
    .text = KEY_HELP "\nA segment that holds something other than variables is left alone (exit code 4).",
    .options = rm_options,
    .least = 1,
    .most = 1,
    .run = rm,
};

/* ---- all of them --------------------------------------------------------------------------------- */

static const struct command *const subcommands[] = {
    &command_put,      &command_get,      &command_has,        &command_del, &command_shm_ls,
    &command_shm_stat, &command_shm_dump, &command_shm_repair, &command_rm,  NULL,
};

const struct command command_shm = {
    .verb = "shm",
    .usage = "COMMAND KEY ...",
    .summary = "variables in shared memory, shared with PHP's shm_put_var() and shm_get_var()",
    .group = COMMAND_GROUP_IPC,
    .subcommands = subcommands,
};
