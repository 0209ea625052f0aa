/* jobs.c - `yardmaster jobs`: what is in the job table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../config/values.h"
#include "../../ipc/sys.h"
#include "../text.h"
#include "describe.h"
#include "filter.h"

#define TAG_COLUMNS 20

/* Columns are as wide as what stands in them; one that says nothing is left out. */
struct layout {
	size_t pool, tag; /* tag 0: nobody has one */
	bool priority;    /* some job has another than the usual one */
	size_t line;      /* of the terminal; 0: lines may be as long as they like */
};

static void widen(size_t *columns, const char *text, size_t most)
{
	size_t length = strlen(text);

	if (length > *columns)
		*columns = length < most ? length : most;
}

static struct layout lay_out(const struct view_job *list, size_t count)
{
	struct layout layout = {.pool = 8};
	struct winsize size;
	int64_t usual;
	char why[CFG_WHY_MAX];

	cfg_parse_level("normal", &usual, why);
	for (size_t i = 0; i < count; i++) {
		widen(&layout.pool, list[i].pool, TABLE_NAME_MAX);
		widen(&layout.tag, list[i].tag, TAG_COLUMNS);
		layout.priority |= (int64_t)list[i].level != usual;
	}
	/* Its heading must fit. */
	if (layout.tag > 0 && layout.tag < sizeof("TAG") - 1)
		layout.tag = sizeof("TAG") - 1;
	/* On a terminal a long error is cut: `show` has all of it. */
	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		layout.line = size.ws_col;
	return layout;
}

static void print_line(const struct layout *layout, const char *const cells[8])
{
	char pool[2 * JOB_TAG_MAX], tag[2 * JOB_TAG_MAX], line[4 * DESCRIBE_MAX], cut[4 * DESCRIBE_MAX];
	int used;

	text_cell(pool, sizeof(pool), cells[2], layout->pool, true);
	text_cell(tag, sizeof(tag), cells[6], layout->tag, true);
	used = snprintf(line, sizeof(line), "%8s %-10s %s %7s %8s", cells[0], cells[1], pool, cells[3], cells[4]);
	if (layout->priority)
		used += snprintf(line + used, sizeof(line) - (size_t)used, " %-8s", cells[5]);
	if (layout->tag)
		used += snprintf(line + used, sizeof(line) - (size_t)used, "  %s", tag);
	used += snprintf(line + used, sizeof(line) - (size_t)used, "  %s", cells[7]);
	while (used > 0 && line[used - 1] == ' ')
		line[--used] = '\0';
	text_cell(cut, sizeof(cut), line, layout->line ? layout->line : sizeof(cut), false);
	printf("%s\n", cut);
}

static void print_job(const struct layout *layout, const struct view_job *job)
{
	char id[24], attempt[32], age[TEXT_MAX], why[DESCRIBE_MAX];

	snprintf(id, sizeof(id), "%llu", (unsigned long long)job->id);
	snprintf(attempt, sizeof(attempt), "%u/%u", job->attempt, job->attempts);
	text_duration(describe_age(job), age);
	print_line(layout, (const char *const[]){id, job_state_word(job->state), job->pool, attempt, age,
	                                         cfg_level_word(job->level), job->tag, describe_why(job, why)});
}

static void print_json(const struct view_job *job)
{
	struct json json = {.to = stdout};

	json_open(&json, NULL, '{');
	describe_json(&json, job);
	json_close(&json, '}');
	printf("\n");
}

static void print_list(const struct view_job *list, size_t count)
{
	struct layout layout = lay_out(list, count);

	print_line(&layout, (const char *const[]){"JOB", "STATE", "POOL", "ATTEMPT", "TIME", "PRIORITY", "TAG", ""});
	for (size_t i = 0; i < count; i++)
		print_job(&layout, &list[i]);
}

static int jobs(const struct args *args)
{
	struct instance instance;
	struct filter filter;
	struct view_job *list;
	struct ym_err err;
	size_t count, wanted = 0;

	if (filter_read(args, &filter, &err) < 0 || args_instance(args, &instance, &err) < 0 ||
	    instance_view(&instance, &err) < 0)
		return command_fail(&err);
	list = filter_check(&filter, &instance, &err) < 0 ? NULL : view_jobs(&instance, &count, &err);
	instance_unview(&instance);
	if (!list)
		return command_fail(&err);
	for (size_t i = 0; i < count; i++)
		if (filter_wants(&filter, &list[i]))
			list[wanted++] = list[i];
	if (!args_flag(args, "json"))
		print_list(list, wanted);
	for (size_t i = 0; args_flag(args, "json") && i < wanted; i++)
		print_json(&list[i]);
	free(list);
	return 0;
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    FILTER_OPTIONS,
    {"json", 0, NULL, "one JSON object a line; times in seconds"},
    {0},
};

const struct command command_jobs = {
    .verb = "jobs",
    .usage = "[OPTIONS]",
    .summary = "list the jobs in the table: waiting, running, and those that ended lately",
    .options = options,
    .run = jobs,
};
