/* watch.c - `yardmaster watch`: progress bars on a terminal, plain lines elsewhere, until all jobs are over. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../ipc/sys.h"
#include "../text.h"
#include "bar.h"
#include "client.h"
#include "describe.h"
#include "tracker.h"

#define LOOK_NS      UINT64_C(100000000)
#define LOOK_MAX_NS  UINT64_C(1000000000)
#define PLAIN_GAP_NS UINT64_C(1000000000)

/* A look takes this part of the time at most: it is long where the table is full. */
#define LOOK_PART 50

#define ROWS_MIN      4
#define COLUMNS_MIN   2
#define LABEL_COLUMNS 20
#define BAR_MIN       10
#define BAR_MAX       40
/* Of a line with a bar: label, brackets, percent, amounts, rate, ETA. */
#define LINE_FIXED 67
#define LINE_BYTES 768

struct screen {
	bool live; /* a terminal that understands cursor movement */
	bool colour, utf8;
	unsigned rows, columns;
	unsigned drawn; /* lines of the last picture */
};

static bool in_bytes(const struct view_job *job)
{
	return strcmp(job->unit, "bytes") == 0;
}

static void label(const struct view_job *job, size_t columns, bool pad, char *out, size_t max)
{
	char text[JOB_TAG_MAX + 32];

	snprintf(text, sizeof(text), "#%" PRIu64 "%s%s", job->id, job->tag[0] ? " " : "", job->tag);
	text_cell(out, max, text, columns, pad);
}

/* "45% 1.2/2.6 MiB 512.0 KiB/s ETA 0:03", as far as it is known. */
static void progress_text(const struct tracked *tracked, char *out, size_t max)
{
	const struct view_job *job = &tracked->listed.job;
	char amount[TEXT_MAX], rate[TEXT_MAX], eta[TEXT_MAX];
	size_t used = 0;

	out[0] = '\0';
	if (job->total)
		used = (size_t)snprintf(out, max, "%3.0f%% %s", 100.0 * (double)job->done / (double)job->total,
		                        text_fraction(job->done, job->total, in_bytes(job), amount));
	else if (job->done)
		used = (size_t)snprintf(out, max, "%s", text_amount((double)job->done, in_bytes(job), amount));
	if (used && job->unit[0] && !in_bytes(job) && used < max)
		used += (size_t)snprintf(out + used, max - used, " %s", job->unit);
	if (tracked_rate(tracked) > 0 && used < max)
		used += (size_t)snprintf(out + used, max - used, " %s/s",
		                         text_amount(tracked_rate(tracked), in_bytes(job), rate));
	if (tracked_eta(tracked) != YM_NEVER && used < max)
		snprintf(out + used, max - used, " ETA %s", text_eta(tracked_eta(tracked), eta));
}

/* What there is to say about a job that is not running right now, or is over. */
static void state_text(const struct listed *listed, char *out, size_t max)
{
	const struct view_job *job = &listed->job;
	char took[TEXT_MAX], amount[TEXT_MAX], why[DESCRIBE_MAX];
	bool unit = job->done && job->unit[0] && !in_bytes(job);
	int64_t run_ms = describe_run(listed);

	switch (job->state) {
	case JOB_DONE:
		snprintf(out, max, "done in %s%s%s%s%s",
		         text_duration((uint64_t)(run_ms > 0 ? run_ms : 0) * 1000000u, took), job->done ? ", " : "",
		         job->done ? text_amount((double)job->done, in_bytes(job), amount) : "", unit ? " " : "",
		         unit ? job->unit : "");
		break;
	case JOB_FAILED:
	case JOB_CANCELLED:
	case JOB_BURIED:
		snprintf(out, max, "%s%s%s", job_state_word(job->state), job->error[0] ? ": " : "", job->error);
		break;
	case JOB_DELAYED:
		snprintf(out, max, "%s", describe_why(listed, why));
		break;
	case JOB_READY:
		describe_why(listed, why);
		snprintf(out, max, "waiting%s%s", why[0] ? ": " : "", why);
		break;
	case JOB_FREE:
		snprintf(out, max, "there is no such job (any more)");
		break;
	default:
		snprintf(out, max, "%s", job_state_word(job->state));
	}
}

/* ---- bars ------------------------------------------------------------------------------------ */

static void measure_screen(struct screen *screen)
{
	struct winsize size;

	screen->rows = 24;
	screen->columns = 80;
	/* 0: not known. */
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
		screen->rows = size.ws_row > ROWS_MIN ? size.ws_row : ROWS_MIN;
		screen->columns = size.ws_col > COLUMNS_MIN ? size.ws_col : COLUMNS_MIN;
	}
}

static void job_line(const struct screen *screen, const struct tracked *tracked, char *out, size_t max)
{
	const struct view_job *job = &tracked->listed.job;
	char name[4 * LABEL_COLUMNS + 1], bars[BAR_BYTES(BAR_MAX)], text[LINE_BYTES / 2];
	unsigned width = screen->columns > LINE_FIXED + BAR_MIN ? screen->columns - LINE_FIXED : BAR_MIN;

	label(job, LABEL_COLUMNS, true, name, sizeof(name));
	if (!view_running(job)) {
		state_text(&tracked->listed, text, sizeof(text));
		snprintf(out, max, "%s %s", name, text);
		return;
	}
	bar_draw(bars, width > BAR_MAX ? BAR_MAX : width, job->done, job->total, screen->utf8);
	progress_text(tracked, text, sizeof(text));
	snprintf(out, max, "%s [%s] %s%s%s", name, bars, text, job->note[0] ? "  " : "", job->note);
}

static const char *colour_of(const struct screen *screen, enum job_state state)
{
	if (!screen->colour)
		return "";
	return state == JOB_DONE ? "\033[32m" : job_state_over(state) ? "\033[31m" : "";
}

static void put_line(struct screen *screen, const char *colour, const char *text)
{
	char cut[4 * LINE_BYTES];

	text_cell(cut, sizeof(cut), text, screen->columns - 1, false);
	printf("\r\033[K%s%s%s\n", colour, cut, *colour ? "\033[0m" : "");
	screen->drawn++;
}

static size_t count_running(const struct tracker *tracker)
{
	size_t n = 0;

	for (size_t i = 0; i < tracker->count; i++)
		n += view_running(&tracker->list[i].listed.job);
	return n;
}

static void summary(const struct instance *instance, const struct tracker *tracker, char *out, size_t max)
{
	const struct board_sh *board = instance->board;
	size_t done = 0;
	int used;

	for (size_t i = 0; i < tracker->count; i++)
		done += tracker->list[i].listed.job.state == JOB_DONE;
	used = snprintf(out, max, "%zu of %zu done, %zu failed, %zu running", done, tracker->count,
	                tracker_bad(tracker), count_running(tracker));
	for (unsigned i = 0; i < TABLE_POOLS && used > 0 && (size_t)used < max; i++)
		if (atomic_load(&board->pools[i].used))
			used += snprintf(out + used, max - (size_t)used, " | %s: %u workers", board->pools[i].name,
			                 atomic_load(&board->pools[i].actual));
	for (unsigned i = 0; i < TABLE_LIMITS && used > 0 && (size_t)used < max; i++)
		if (atomic_load(&board->limits[i].used))
			used += snprintf(out + used, max - (size_t)used, " | limit %s: %d at once",
			                 board->limits[i].name, atomic_load(&board->limits[i].max));
}

static void draw(struct screen *screen, const struct instance *instance, const struct tracker *tracker)
{
	size_t room, running, others, hidden = 0;
	char text[LINE_BYTES];

	if (screen->drawn)
		printf("\033[%uA", screen->drawn);
	screen->drawn = 0;
	measure_screen(screen);
	room = screen->rows - 3;
	running = count_running(tracker);
	/* Running jobs come first; the others as far as there is room. */
	running = running < room ? running : room;
	others = room - running;
	summary(instance, tracker, text, sizeof(text));
	put_line(screen, "", text);
	for (size_t i = 0; i < tracker->count; i++) {
		size_t *left = view_running(&tracker->list[i].listed.job) ? &running : &others;

		if (*left == 0) {
			hidden++;
			continue;
		}
		--*left;
		job_line(screen, &tracker->list[i], text, sizeof(text));
		put_line(screen, colour_of(screen, tracker->list[i].listed.job.state), text);
	}
	if (hidden) {
		snprintf(text, sizeof(text), "... and %zu more", hidden);
		put_line(screen, "", text);
	}
	printf("\033[J");
	fflush(stdout);
}

/* ---- plain lines ----------------------------------------------------------------------------- */

static void print_plain(struct tracker *tracker)
{
	char name[JOB_TAG_MAX + 32], text[LINE_BYTES], clean[LINE_BYTES];
	uint64_t now = ym_now_ns();

	for (size_t i = 0; i < tracker->count; i++) {
		struct tracked *tracked = &tracker->list[i];
		const struct view_job *job = &tracked->listed.job;
		bool moved =
		    view_running(job) && job->done != tracked->told_done && now - tracked->told >= PLAIN_GAP_NS;

		if (!tracked->changed && !moved)
			continue;
		label(job, JOB_TAG_MAX + 31, false, name, sizeof(name));
		if (!view_running(job))
			state_text(&tracked->listed, text, sizeof(text));
		else if (moved)
			progress_text(tracked, text, sizeof(text));
		else
			snprintf(text, sizeof(text), "running, attempt %u of %u", job->attempt, job->attempts);
		text_cell(clean, sizeof(clean), text, sizeof(clean), false);
		printf("%s: %s\n", name, clean);
		tracked->told = now;
		tracked->told_done = job->done;
	}
	fflush(stdout);
}

static void tell_missing(const struct stock *stock, const struct tracker *tracker)
{
	struct ym_err err;

	for (size_t i = 0; i < tracker->count; i++) {
		const struct tracked *tracked = &tracker->list[i];

		if (!tracker->all && tracked_lost(tracked))
			ym_fail(&err, YM_ERR_NO,
			        "job %" PRIu64 " is over, and how it ended is not known any more: `result_ttl` says "
			        "for how long it is",
			        tracked->listed.job.id);
		else if (tracked->listed.job.state == JOB_FREE)
			stock_no_job(stock, tracked->listed.job.id, &err);
		else
			continue;
		fprintf(stderr, "yardmaster: %s\n", err.text);
	}
}

/* ---- the command ----------------------------------------------------------------------------- */

/* The board is shared memory: there is nothing to wait for but time. */
static void rest(uint64_t since)
{
	uint64_t ns = (ym_now_ns() - since) * (LOOK_PART - 1);

	ns = ns > LOOK_NS ? ns : LOOK_NS;
	ym_nap((long)(ns < LOOK_MAX_NS ? ns : LOOK_MAX_NS));
}

static int follow(const struct args *args, struct stock *stock, struct tracker *tracker)
{
	const struct instance *instance = stock->instance;
	const char *term = getenv("TERM");
	struct screen screen = {.live = !args_flag(args, "plain") && isatty(STDOUT_FILENO) && term &&
	                                strcmp(term, "dumb") != 0};
	bool warned = false;
	struct ym_err err;

	screen.colour = screen.live && !getenv("NO_COLOR");
	screen.utf8 = screen.live && bar_utf8();
	for (;;) {
		struct ym_group_look look;
		uint64_t start = ym_now_ns();

		if (tracker_look(tracker, stock, &err) < 0)
			return command_fail(&err);
		if (screen.live)
			draw(&screen, instance, tracker);
		else
			print_plain(tracker);
		if (tracker_open(tracker) == 0)
			break;
		if (ym_group_look(instance->directory, &look, &err) < 0 && err.class == YM_ERR_NOT_RUNNING) {
			fprintf(stderr,
			        "yardmaster: instance %s was stopped; unfinished jobs are kept for its next start\n",
			        instance->name);
			return ym_err_exit_code(YM_ERR_NOT_RUNNING);
		}
		if (!look.leader && !warned)
			fprintf(stderr, "yardmaster: instance %s has no master right now; its workers go on\n",
			        instance->name);
		warned = !look.leader;
		rest(start);
	}
	tell_missing(stock, tracker);
	return tracker_bad(tracker) ? ym_err_exit_code(YM_ERR_NO) : 0;
}

static bool is_number(const char *text)
{
	return text[strspn(text, "0123456789")] == '\0';
}

/* One word that is no number: a pool, or a tag. */
static int choose_by_name(struct tracker *tracker, const struct stock *stock, const char *name, struct ym_err *err)
{
	if (filter_any(&tracker->filter))
		return ym_fail(err, YM_ERR_USAGE, "give a pool or a tag, or options that say which jobs: not both");
	tracker->all = true;
	if (table_pool(stock->instance->table, name) >= 0) {
		tracker->filter.pool = name;
		return 0;
	}
	tracker->filter.tag = name;
	/* It may have come and gone before we looked. */
	tracker->ended = true;
	return 0;
}

static int choose(const struct args *args, const struct stock *stock, struct tracker *tracker, struct ym_err *err)
{
	if (args->nrest == 1 && !is_number(args->rest[0]))
		return choose_by_name(tracker, stock, args->rest[0], err);
	if (args->nrest > 0 && filter_any(&tracker->filter))
		return ym_fail(err, YM_ERR_USAGE, "give job ids, or options that say which jobs: not both");
	for (int i = 0; i < args->nrest; i++) {
		uint64_t id;

		if (client_id(args->rest[i], &id, err) < 0 || tracker_add(tracker, id, err) < 0)
			return -1;
	}
	return 0;
}

static int watch_jobs(const struct args *args, struct stock *stock, struct tracker *tracker)
{
	struct ym_err err;
	int code;

	if (choose(args, stock, tracker, &err) < 0 || stock_check(stock, &tracker->filter, &err) < 0)
		return command_fail(&err);
	code = follow(args, stock, tracker);
	/* A pool without jobs has nothing to show. */
	if (code == 0 && tracker->count == 0 && args->nrest == 1 && !tracker->filter.pool) {
		ym_fail(&err, YM_ERR_NO, "there is nothing to watch: \"%s\" is no job id, no pool and no tag of a job",
		        args->rest[0]);
		code = command_fail(&err);
	}
	return code;
}

static int watch(const struct args *args)
{
	struct tracker tracker = {.all = args->nrest == 0};
	struct stock stock = {0};
	struct ym_err err;
	int code;

	if (filter_read(args, &tracker.filter, &err) < 0)
		return command_fail(&err);
	if (stock_open(&stock, args, &err) < 0) {
		code = command_fail(&err);
	} else if (!stock.there) {
		ym_fail(&err, YM_ERR_NOT_RUNNING, "instance %s is not running: nothing moves there",
		        stock.instance->name);
		code = command_fail(&err);
	} else {
		code = watch_jobs(args, &stock, &tracker);
	}
	tracker_free(&tracker);
	return stock_close(&stock, code);
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    FILTER_OPTIONS,
    {"plain", 0, NULL, "lines instead of bars, also on a terminal"},
    {0},
};

const struct command command_watch = {
    .verb = "watch",
    .usage = "[JOB ... | POOL | TAG] [OPTIONS]",
    .summary = "show live progress until the jobs are over",
    .text =
	"Without an argument, every unfinished job (of the pool, with the tag, ...) is shown, also those submitted\n"
	"meanwhile. The exit code is 0 if all were done, 1 if one failed or was cancelled or buried, 3 if the\n"
	"instance was stopped meanwhile.",
    .options = options,
    .most = -1,
    .run = watch,
    .group = COMMAND_GROUP_LOOK,
};
