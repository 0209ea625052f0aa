/* store.c - `yardmaster store`: make, check and tidy up where jobs wait durably. */
#include "store.h"

#include <stdio.h>
#include <unistd.h>

#include "../text.h"

/* ---- what they share ------------------------------------------------------------------------- */

int store_meant(struct stored *stored, const struct args *args, bool memory, struct ym_err *err)
{
	if (stored_find(stored, args, args->nrest > 0 ? args->rest[0] : NULL, err) < 0)
		return -1;
	if (stored->driver)
		return 0;
	if (!stored->configured && access(stored->instance.directory, F_OK) < 0)
		return ym_fail(
		    err, YM_ERR_USAGE,
		    "it is not known which store is meant: give -c FILE, or its URI (instance %s has never run "
		    "here: there is no %s)",
		    stored->instance.name, stored->instance.directory);
	if (memory)
		return 0;
	if (args->nrest > 0 || stored->configured)
		return ym_fail(
		    err, YM_ERR_USAGE,
		    "the store is \"memory\": jobs are in the job table of the instance and nowhere else; `store` "
		    "in [yardmaster] says where they are to be kept");
	return ym_fail(err, YM_ERR_USAGE,
	               "it is not known which store is meant: give -c FILE, or its URI (instance %s keeps its jobs in "
	               "memory, or has never run)",
	               stored->instance.name);
}

int store_alone(const struct args *args, const struct stored *stored, const char *what, struct ym_err *err)
{
	struct instance instance = stored->instance;

	/* Of a store that is named by its URI it is not known whose it is. */
	if (stored->driver->shared || args->nrest > 0 || instance_view(&instance, NULL) < 0)
		return 0;
	instance_unview(&instance);
	return ym_fail(err, YM_ERR_NO,
	               "instance %s is running: %s needs the store %s for itself; stop the instance first "
	               "(yardmaster stop)",
	               stored->instance.name, what, stored->shown);
}

int store_done(struct stored *stored, int result, int code, const struct ym_err *err)
{
	if (result < 0)
		code = command_fail(err);
	stored_close(stored);
	return code;
}

static int not_of_this_kind(const struct args *args, const struct stored *stored, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_USAGE, "%s: there is nothing like that for %s", args->name, stored->shown);
}

/* ---- init ------------------------------------------------------------------------------------ */

static int init(const struct args *args)
{
	const char *text = "";
	struct stored stored;
	struct ym_err err;
	int result = store_meant(&stored, args, false, &err);

	if (result == 0)
		result = store_alone(args, &stored, "init", &err);
	if (result == 0)
		result = stored.driver->init ? stored.driver->init(&stored.options, &text, &err)
		                             : not_of_this_kind(args, &stored, &err);
	if (result == 0)
		printf("%s: %s\n", stored.shown, text);
	return store_done(&stored, result, 0, &err);
}

/* ---- verify ---------------------------------------------------------------------------------- */

static void print_problem(void *arg, const char *line)
{
	uint64_t *count = arg;

	++*count;
	printf("%s\n", line);
}

static int verify(const struct args *args)
{
	uint64_t count = 0;
	struct stored stored;
	struct ym_err err;
	int result = store_meant(&stored, args, false, &err);

	if (result == 0 && !stored.driver->verify)
		result = not_of_this_kind(args, &stored, &err);
	if (result == 0)
		result = stored_read(&stored, &err);
	if (result == 0)
		result = stored.driver->verify(stored.store, print_problem, &count, &err);
	if (result == 0)
		printf("%s: everything is as it should be\n", stored.shown);
	else if (result == 1)
		printf("%s: %llu problem%s\n", stored.shown, (unsigned long long)count, count == 1 ? "" : "s");
	return store_done(&stored, result, result == 1 ? ym_err_exit_code(YM_ERR_NO) : 0, &err);
}

/* ---- compact --------------------------------------------------------------------------------- */

/* Who writes would make a store that is not there: that is not what was asked for. */
static int check_there(struct stored *stored, struct ym_err *err)
{
	if (stored_read(stored, err) < 0)
		return -1;
	stored->driver->close(stored->store);
	stored->store = NULL;
	return 0;
}

static int compact(const struct args *args)
{
	uint64_t before = 0, after = 0;
	char was[TEXT_MAX], is[TEXT_MAX];
	struct stored stored;
	struct ym_err err;
	int result = store_meant(&stored, args, false, &err);

	if (result == 0 && !stored.driver->compact)
		result = not_of_this_kind(args, &stored, &err);
	if (result == 0)
		result = store_alone(args, &stored, "compact", &err);
	if (result == 0)
		result = check_there(&stored, &err);
	if (result == 0)
		result = stored_write(&stored, &err);
	if (result == 0)
		result = stored.driver->compact(stored.store, &before, &after, &err);
	if (result == 0)
		printf("%s: %s before, %s now\n", stored.shown, text_amount((double)before, true, was),
		       text_amount((double)after, true, is));
	return store_done(&stored, result, 0, &err);
}

/* ---- the commands ---------------------------------------------------------------------------- */

static const struct option_row options[] = {INSTANCE_OPTIONS, {0}};

static const struct command command_store_init = {
    .verb = "init",
    .usage = STORE_USAGE,
    .summary = "make the store, or bring it up to date with this program",
    .text = "sqlite: the file; a master makes it as well. postgresql: tables and functions in a database that is\n"
	    "there; masters refuse to start without them.",
    .options = options,
    .most = 1,
    .run = init,
};

static const struct command command_store_verify = {
    .verb = "verify",
    .usage = STORE_USAGE,
    .summary = "is everything in the store as it should be? A line for each thing that is not",
    .text = "Works beside a master. Exit code 0 if all is well, 1 if not.",
    .options = options,
    .most = 1,
    .run = verify,
};

static const struct command command_store_compact = {
    .verb = "compact",
    .usage = STORE_USAGE,
    .summary = "give space back that jobs have used which are gone",
    .text = "sqlite: the instance must be stopped, and as much space again be free meanwhile.",
    .options = options,
    .most = 1,
    .run = compact,
};

static const struct command *const subcommands[] = {&command_store_status,
                                                    &command_store_init,
                                                    &command_store_verify,
                                                    &command_store_compact,
                                                    &command_store_export,
                                                    &command_store_import,
                                                    NULL};

const struct command command_store = {
    .verb = "store",
    .usage = "COMMAND [URI] [OPTIONS]",
    .summary = "where jobs wait durably: make it, check it, move jobs from one to another",
    .text = "The store is that of the instance of --config or --instance, or the one that a URI names: sqlite:PATH or\n"
	    "postgresql://USER@HOST/DATABASE.",
    .group = COMMAND_GROUP_STORE,
    .subcommands = subcommands,
};
