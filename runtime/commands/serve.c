/* serve.c - `yardmaster serve`: the web page, what it asks of jobs, and who may see it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ipc/sys.h"
#include "../web/web.h"
#include "describe.h"
#include "stock.h"

/* As many failures are told, the last ones. */
#define FAILURES 30
/* Looked at for that: those that were submitted last are not always those that failed last. */
#define FAILURES_LOOK 300

/* ---- jobs ------------------------------------------------------------------------------------ */

static int show_found(struct stock *stock, const struct listed *job, FILE *to, struct ym_err *err)
{
	struct store_story story = {0};
	struct json json = {.to = to};
	int result = stock_story(stock, job, &story, err);

	if (result == 0) {
		json_open(&json, NULL, '{');
		describe_json(&json, job);
		describe_json_story(&json, &story);
		json_close(&json, '}');
		fputc('\n', to);
	}
	store_story_free(&story);
	return result;
}

static int show(void *arg, uint64_t id, FILE *to, struct ym_err *err)
{
	struct stock stock = {.quiet = true};
	struct listed job;
	int result = stock_open(&stock, arg, err);

	if (result == 0)
		result = stock_find(&stock, id, &job, err);
	if (result == 0)
		result = show_found(&stock, &job, to, err);
	else if (result == 1)
		stock_no_job(&stock, id, err);
	stock_close(&stock, 0);
	return result;
}

/* ---- failures -------------------------------------------------------------------------------- */

struct failures {
	struct listed *list;
	size_t count;
};

static int take_failure(void *arg, const struct listed *job)
{
	struct failures *failures = arg;

	failures->list[failures->count++] = *job;
	return failures->count == FAILURES_LOOK;
}

static int newest_end(const void *a, const void *b)
{
	int64_t x = ((const struct listed *)a)->finished_ms, y = ((const struct listed *)b)->finished_ms;

	return x < y ? 1 : x > y ? -1 : 0;
}

static int collect(struct stock *stock, struct failures *failures, struct ym_err *err)
{
	static const struct filter all = {.state = -1, .level = -1, .first = 1, .last = FILTER_ID_MAX};
	const struct stock_query query = {
	    .filter = &all, .states = 1u << JOB_FAILED | 1u << JOB_BURIED, .newest = true, .limit = FAILURES_LOOK};

	if (stock_look(stock, err) < 0 || stock_each(stock, &query, take_failure, failures, err) < 0)
		return -1;
	qsort(failures->list, failures->count, sizeof(*failures->list), newest_end);
	return 0;
}

static void put_failures(FILE *to, const struct failures *failures)
{
	struct json json = {.to = to};

	json_open(&json, NULL, '[');
	for (size_t i = 0; i < failures->count && i < FAILURES; i++) {
		json_open(&json, NULL, '{');
		describe_json(&json, &failures->list[i]);
		json_close(&json, '}');
	}
	json_close(&json, ']');
}

static int failures(void *arg, FILE *to, struct ym_err *err)
{
	struct stock stock = {.quiet = true};
	struct failures found = {.list = malloc(FAILURES_LOOK * sizeof(*found.list))};
	int result = found.list ? 0 : ym_fail(err, YM_ERR_LIMIT, "out of memory");

	if (result == 0) {
		result = stock_open(&stock, arg, err);
		if (result == 0)
			result = collect(&stock, &found, err);
		stock_close(&stock, 0);
	}
	if (result == 0)
		put_failures(to, &found);
	free(found.list);
	return result;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int read_address(const struct args *args, struct web_options *options, struct ym_err *err)
{
	const char *listen = args_value(args, "listen"), *path = args_value(args, "socket");
	mode_t mode;

	if (listen && path)
		return ym_fail(err, YM_ERR_USAGE, "--listen or --socket, not both");
	if (!path && args_flag(args, "mode"))
		return ym_fail(err, YM_ERR_USAGE, "--mode is of a --socket");
	if (args_mode(args, "mode", 0600, &mode, err) < 0)
		return -1;
	options->mode = mode;
	return path ? address_local(&options->address, path, err)
	            : address_parse(&options->address, listen ? listen : ADDRESS_DEFAULT, err);
}

/* Whoever can reach the address can see everything. */
static int read_door(const struct args *args, struct web_options *options, struct ym_err *err)
{
	const char *file = args_value(args, "token-file");
	struct door *door = &options->door;

	*door = (struct door){.hosts = args_value(args, "host"), .loopback = address_is_loopback(&options->address)};
	snprintf(door->cookie, sizeof(door->cookie), "yardmaster-%s", options->instance.name);
	if (file)
		return door_read(door, file, err);
	if (door->loopback || address_is_local(&options->address) || args_flag(args, "insecure"))
		return 0;
	return ym_fail(err, YM_ERR_USAGE,
	               "others than this machine can reach that address: give a --token-file, or say --insecure if "
	               "everybody may see everything (nobody can change anything)");
}

static int serve(const struct args *args)
{
	struct web_options options = {.jobs = {show, failures, (void *)(uintptr_t)args}};
	int64_t connections;
	struct ym_err err;

	if (args_instance(args, &options.instance, &err) < 0 || read_address(args, &options, &err) < 0 ||
	    read_door(args, &options, &err) < 0 ||
	    args_int(args, "connections", 8, 100000, WEB_CONNECTIONS, &connections, &err) < 0)
		return command_fail(&err);
	options.connections = (unsigned)connections;
	return web_run(&options, &err) < 0 ? command_fail(&err) : 0;
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    {"listen", 'l', "ADDRESS:PORT", "where (default " ADDRESS_DEFAULT "); port 0: any free one, which is printed"},
    {"socket", 's', "PATH", "a Unix socket instead, for a proxy on this machine"},
    {"mode", 0, "OCTAL", "who may connect to the socket (default 600)"},
    {"token-file", 't', "FILE", "requests need the token in this file"},
    {"host", 0, "NAMES", "a proxy on this machine serves these names, with commas"},
    {"insecure", 0, NULL, "others may see everything, without a token"},
    {"connections", 0, "N", "at most N at a time (default 1000)"},
    {0},
};

const struct command command_serve = {
    .verb = "serve",
    .usage = "[OPTIONS]",
    .summary = "a web page with live progress, JSON and metrics; nothing can be changed by it",
    .text = "The page is at /, the rest at /api/status, /api/jobs/ID, /metrics, /healthz. It goes on while the\n"
	    "instance is stopped and started again. SIGTERM ends it.",
    .options = options,
    .run = serve,
    .group = COMMAND_GROUP_LOOK,
};
