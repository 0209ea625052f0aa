/* shm_list.c - `yardmaster shm ls`, `stat` and `repair`: a segment and its variables as a whole. */
#include <stdio.h>
#include <string.h>

#include "../../ipc/serialize.h"
#include "../typed.h"
#include "shm.h"

#define PREVIEW_COLUMNS 48

/* ---- variables ----------------------------------------------------------------------------------- */

int shm_variable_decode(struct shm_variable *variable, const char *bytes, size_t length, struct ym_err *err)
{
	ym_value_free(&variable->value);
	variable->bytes.length = 0;
	if (ym_buffer_add(&variable->bytes, bytes, length, err) < 0)
		return -1;
	variable->readable = ym_unserialize(variable->bytes.bytes ? variable->bytes.bytes : "", length,
	                                    &variable->value, NULL, &variable->why) == 0;
	return 0;
}

void shm_variable_free(struct shm_variable *variable)
{
	ym_value_free(&variable->value);
	ym_buffer_free(&variable->bytes);
}

const char *shm_type(const struct shm_variable *variable)
{
	return variable->readable ? ym_type_word(variable->value.type) : "damaged";
}

int shm_variable_json(struct json *json, const struct shm_variable *variable, struct ym_err *err)
{
	int result = 0;

	json_open(json, NULL, '{');
	json_put_int(json, "key", variable->key);
	json_put_uint(json, "offset", variable->at);
	json_put_int(json, "length", variable->length);
	json_put_int(json, "next", variable->next);
	json_put_string(json, "type", shm_type(variable));
	if (variable->readable) {
		result = json_put_value(json, "value", &variable->value, err);
	} else {
		json_put_string(json, "reason", variable->why.text);
		json_put_blob(json, "bytes", variable->bytes.bytes, variable->bytes.length);
	}
	json_close(json, '}');
	return result;
}

/* ---- the segment --------------------------------------------------------------------------------- */

struct fact {
	const char *name;
	uint64_t value;
	const char *meaning;
};

#define FACTS 11

/* What is said about a segment besides its key and mode. `attached` does not count this command itself. */
static void collect(const struct ym_vars *vars, const struct ym_vars_stat *stat, struct fact facts[FACTS])
{
	const struct fact all[FACTS] = {
	    {"id", (uint64_t)vars->id, "its System V id"},
	    {"total", stat->total, "bytes"},
	    {"used", stat->used, "bytes, with the head of the segment"},
	    {"free", stat->free, "bytes"},
	    {"largest", stat->largest, "bytes of the longest serialized value that still fits"},
	    {"variables", stat->variables, "how many"},
	    {"attached", stat->attached - 1, "processes, besides this one"},
	    {"creator", (uint64_t)stat->creator, "process that made it"},
	    {"last", (uint64_t)stat->last, "last process that attached or detached"},
	    {"uid", stat->uid, "owner"},
	    {"cuid", stat->cuid, "creator"},
	};

	memcpy(facts, all, sizeof(all));
}

static void segment_json(struct json *json, const char *key, const struct ym_vars *vars,
                         const struct ym_vars_stat *stat)
{
	struct fact facts[FACTS];
	char mode[8];

	collect(vars, stat, facts);
	snprintf(mode, sizeof(mode), "%04o", (unsigned)stat->mode & 0777);
	json_open(json, key, '{');
	json_put_int(json, "key", vars->key);
	for (size_t i = 0; i < FACTS; i++)
		json_put_uint(json, facts[i].name, facts[i].value);
	json_put_string(json, "mode", mode);
	json_close(json, '}');
}

/* ---- stat ---------------------------------------------------------------------------------------- */

static void print_stat(const struct ym_vars *vars, const struct ym_vars_stat *stat)
{
	struct fact facts[FACTS];

	collect(vars, stat, facts);
	printf("%-10s %10d  0x%x\n", "key", vars->key, (unsigned)vars->key);
	for (size_t i = 0; i < FACTS; i++)
		printf("%-10s %10llu  %s\n", facts[i].name, (unsigned long long)facts[i].value, facts[i].meaning);
	printf("%-10s %10.4o  permissions\n", "mode", (unsigned)stat->mode & 0777);
}

static int show_stat(const struct args *args)
{
	struct json json = {.to = stdout};
	struct ym_vars_stat stat;
	struct shm_access access;
	struct ym_err err;
	int result = shm_enter(args, &access, 0, SHM_MODE, YM_VARS_READONLY, &err);

	if (result < 0)
		return command_fail(&err);
	result = ym_vars_stat(&access.vars, &stat, &err);
	if (result == 0 && args_flag(args, "json")) {
		segment_json(&json, NULL, &access.vars, &stat);
		putchar('\n');
	} else if (result == 0) {
		print_stat(&access.vars, &stat);
	}
	shm_leave(&access);
	return result < 0 ? command_fail(&err) : 0;
}

static const struct option_row read_options[] = {
    {"json", 'j', NULL, "as a JSON object"},
    SHM_OPTIONS,
    {0},
};

const struct command command_shm_stat = {
    .verb = "stat",
    .usage = "KEY [OPTIONS]",
    .summary = "size, free space, owner and users of a segment",
    .text = KEY_HELP,
    .options = read_options,
    .least = 1,
    .most = 1,
    .run = show_stat,
};

/* ---- ls ------------------------------------------------------------------------------------------ */

static int print_row(const struct shm_variable *variable, struct ym_err *err)
{
	int result = 0;

	printf("%20lld  %-8s %9lld  ", (long long)variable->key, shm_type(variable), (long long)variable->length);
	if (variable->readable)
		result = typed_preview(stdout, &variable->value, PREVIEW_COLUMNS, err);
	else
		fputs(variable->why.text, stdout);
	putchar('\n');
	return result;
}

static int list_one(const struct ym_var *var, struct shm_variable *variable, struct json *json, struct ym_err *err)
{
	variable->at = var->at;
	variable->key = var->key;
	variable->length = (int64_t)var->length;
	variable->next = (int64_t)var->chunk;
	if (shm_variable_decode(variable, var->bytes, var->length, err) < 0)
		return -1;
	return json ? shm_variable_json(json, variable, err) : print_row(variable, err);
}

/* Rows with `json` NULL. 0, 1 a value is damaged, -1. */
static int list_variables(const struct ym_vars *vars, struct json *json, struct ym_err *err)
{
	struct shm_variable variable = {0};
	struct ym_var var = {0};
	bool damaged = false;
	int result;

	while ((result = ym_vars_next(vars, &var, err)) == 0) {
		result = list_one(&var, &variable, json, err);
		if (result < 0)
			break;
		damaged |= !variable.readable;
	}
	shm_variable_free(&variable);
	return result < 0 ? -1 : damaged;
}

static int list_text(const struct ym_vars *vars, const struct ym_vars_stat *stat, struct ym_err *err)
{
	printf("segment 0x%x: %zu bytes, %zu used, %zu free; attached: %llu; made by process %d of uid %u; mode %04o\n",
	       (unsigned)vars->key, stat->total, stat->used, stat->free, (unsigned long long)stat->attached - 1,
	       (int)stat->creator, (unsigned)stat->cuid, (unsigned)stat->mode & 0777);
	if (stat->variables > 0)
		printf("%20s  %-8s %9s  %s\n", "VAR", "TYPE", "LENGTH", "VALUE");
	return list_variables(vars, NULL, err);
}

static int list_json(const struct ym_vars *vars, const struct ym_vars_stat *stat, struct ym_err *err)
{
	struct json json = {.to = stdout};
	int result;

	json_open(&json, NULL, '{');
	segment_json(&json, "segment", vars, stat);
	json_open(&json, "variables", '[');
	result = list_variables(vars, &json, err);
	json_close(&json, ']');
	json_close(&json, '}');
	putchar('\n');
	return result;
}

static int list(const struct args *args)
{
	struct ym_vars_stat stat;
	struct shm_access access;
	struct ym_err err;
	int result = shm_enter(args, &access, 0, SHM_MODE, YM_VARS_READONLY, &err);

	if (result < 0)
		return command_fail(&err);
	result = ym_vars_stat(&access.vars, &stat, &err);
	if (result == 0)
		result = (args_flag(args, "json") ? list_json : list_text)(&access.vars, &stat, &err);
	if (result == 1)
		result = ym_fail(&err, YM_ERR_CORRUPT,
		                 "segment 0x%x: not every value can be read; `yardmaster shm dump %s` shows them, "
		                 "`yardmaster shm del %s VAR` removes one",
		                 (unsigned)access.vars.key, args->rest[0], args->rest[0]);
	shm_leave(&access);
	return result < 0 ? command_fail(&err) : 0;
}

const struct command command_shm_ls = {
    .verb = "ls",
    .usage = "KEY [OPTIONS]",
    .summary = "list the variables of a segment",
    .text = KEY_HELP,
    .options = read_options,
    .least = 1,
    .most = 1,
    .run = list,
};

/* ---- repair -------------------------------------------------------------------------------------- */

/* Count what stands before the first damage; true if there is any, `why` says which. */
static bool find_damage(const struct shm_access *access, size_t *intact, struct ym_err *why)
{
	struct ym_var var = {0};
	int result;

	*intact = 0;
	while ((result = ym_vars_next(&access->vars, &var, why)) == 0)
		++*intact;
	if (access->why.class == YM_ERR_NONE)
		return result < 0;
	*why = access->why;
	return true;
}

static int mend(const struct args *args, struct shm_access *access, struct ym_err *err)
{
	const bool strange = access->vars.head->start != (int64_t)YM_VARS_SIZE_MIN;
	struct ym_err why;
	size_t intact, lost;

	/* If only its magic is not what it should be, it can be mended. */
	if (access->why.class == YM_ERR_FOREIGN && strange) {
		*err = access->why;
		return -1;
	}
	if (!find_damage(access, &intact, &why)) {
		printf("segment 0x%x is not damaged: variables: %zu\n", (unsigned)access->vars.key, intact);
		return 0;
	}
	printf("damage: %s\n", why.text);
	if (!args_flag(args, "yes"))
		return ym_fail(err, YM_ERR_NO,
		               "nothing has been changed: --yes keeps the variables before the damage (%zu) and what "
		               "behind it can be saved; `yardmaster shm dump %s` shows all",
		               intact, args->rest[0]);
	if (ym_vars_repair(&access->vars, &lost, err) < 0)
		return -1;
	access->why.class = YM_ERR_NONE;
	if (find_damage(access, &intact, err))
		return -1;
	printf("repaired: variables kept: %zu, bytes given up: %zu\n", intact, lost);
	return 0;
}

static int repair(const struct args *args)
{
	struct shm_access access;
	struct ym_err err;
	int result = shm_enter(args, &access, 0, SHM_MODE, YM_VARS_EXISTING | YM_VARS_DAMAGED, &err);

	if (result < 0)
		return command_fail(&err);
	result = mend(args, &access, &err);
	shm_leave(&access);
	return result < 0 ? command_fail(&err) : 0;
}

static const struct option_row repair_options[] = {
    {"yes", 'y', NULL, "do it; without this only say what would be done (exit code 1 if there is damage)"},
    SHM_OPTIONS,
    {0},
};

const struct command command_shm_repair = {
    .verb = "repair",
    .usage = "KEY [OPTIONS]",
    .summary = "make a damaged segment usable again: keep the variables before the damage",
    .text = KEY_HELP "\nOnly with nobody else writing: --lock keeps out those who use the same semaphore.",
    .options = repair_options,
    .least = 1,
    .most = 1,
    .run = repair,
};
