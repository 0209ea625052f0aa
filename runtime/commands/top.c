/* top.c - `yardmaster top`: everything at a glance, live. */
#include "top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define DELAY_MS     100
#define DELAY_MS_MIN 20
#define DELAY_MS_MAX 60000

/* ---- drawing ------------------------------------------------------------------------------------- */

/* A line in the middle of a screen that shows nothing else. */
static void draw_alone(struct top *top, const char *const *texts, size_t n)
{
	const struct screen *screen = &top->screen;

	for (unsigned row = 0; row < screen->rows; row++) {
		unsigned first = screen->rows > n ? (screen->rows - (unsigned)n) / 2 : 0;
		const char *text = row >= first && row - first < n ? texts[row - first] : "";
		struct line line;

		line_begin(&line, screen->columns, screen->utf8);
		if (*text && strlen(text) < screen->columns)
			line_to(&line, LOOK_PLAIN, (screen->columns - (unsigned)strlen(text)) / 2);
		line_put(&line, row == first ? LOOK_STRONG : LOOK_PLAIN, "%s", text);
		screen_put(&top->screen, row, &line);
	}
	screen_flush(&top->screen, screen->rows, 0);
}

static void draw_lost(struct top *top)
{
	char what[TABLE_NAME_MAX + 64], clock[TEXT_MAX];
	const char *texts[] = {what,
	                       "",
	                       "Waiting for it to come back: start it with `yardmaster run`.",
	                       "Jobs that were not over are kept for its next start.",
	                       "",
	                       "q quits"};

	snprintf(what, sizeof(what), "Instance %s is not there since %s", top->model.instance.name,
	         top_clock(top->model.lost_ms, clock));
	draw_alone(top, texts, sizeof(texts) / sizeof(texts[0]));
}

static void draw_small(struct top *top)
{
	char size[64];
	const char *texts[] = {"too small", size};

	snprintf(size, sizeof(size), "%dx%d at least", TOP_COLUMNS_MIN, TOP_ROWS_MIN);
	draw_alone(top, texts, 2);
}

static void draw(struct top *top)
{
	struct screen *screen = &top->screen;
	unsigned row, column, last = screen->rows - 1;

	if (screen->columns < TOP_COLUMNS_MIN || screen->rows < TOP_ROWS_MIN) {
		draw_small(top);
		return;
	}
	if (!top->model.there) {
		draw_lost(top);
		return;
	}
	row = head_draw(top);
	if (top->panel.open)
		panel_draw(top, row, last - row);
	else
		grid_draw(top, &top->grids[top->view], row, last - row);
	column = keys_draw(top, last);
	screen_flush(screen, column ? last : screen->rows, column);
}

/* ---- what happens --------------------------------------------------------------------------------- */

static int refresh(struct top *top, struct ym_err *err)
{
	unsigned generation = top->model.generation;
	bool there = top->model.there;

	top->model.times_wanted = top->view == VIEW_pools;
	if (model_refresh(&top->model, err) < 0)
		return -1;
	if (there != top->model.there || generation != top->model.generation) {
		/* What was shown is of another one. */
		panel_close(top);
		top->prompt.kind = PROMPT_NONE;
		for (enum view_number i = 0; i < VIEWS; i++) {
			top->grids[i].n = 0;
			grid_change(&top->grids[i]);
		}
	}
	return 0;
}

static void hear(struct top *top)
{
	char told[ERRAND_TOLD_MAX];

	panel_hear(top);
	if (!errand_hear(&top->errand))
		return;
	keys_say(top, top->errand.code == 0 ? LOOK_GOOD : LOOK_BAD, errand_told(&top->errand, told));
	top->model.look_due = 0;
}

/* Stopped by the terminal or by somebody: until SIGCONT the terminal is not ours. */
static int stop(struct top *top, struct ym_err *err)
{
	sigset_t stop;

	screen_yield(&top->screen);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	return screen_resize(&top->screen, err);
}

/* The signal that ends it, 0: none; -1 with err. */
static int take_signals(struct top *top, int fd, struct ym_err *err)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int result = 0;

		if (info.ssi_signo == SIGWINCH)
			result = screen_resize(&top->screen, err);
		else if (info.ssi_signo == SIGTSTP)
			result = stop(top, err);
		else
			return (int)info.ssi_signo;
		if (result < 0)
			return -1;
	}
	return 0;
}

static void press_keys(struct top *top)
{
	int key;

	while (!top->over && (key = screen_key(&top->screen)) >= 0)
		keys_press(top, key);
	if (!top->over)
		top->over = key == SCREEN_GONE;
}

static int milliseconds_to(uint64_t due)
{
	uint64_t now = ym_now_ns();

	return due > now ? (int)((due - now) / 1000000u + 1) : 0;
}

/* Until somebody ends it. The signal that did, 0: none; -1 with err. */
static int run(struct top *top, int signals, uint64_t delay_ns, struct ym_err *err)
{
	uint64_t due = 0;
	int signo = 0;

	while (!top->over && signo == 0) {
		struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
		                       {.fd = signals, .events = POLLIN},
		                       {.fd = top->errand.pid ? top->errand.fd : -1, .events = POLLIN},
		                       {.fd = top->panel.errand.pid ? top->panel.errand.fd : -1, .events = POLLIN}};

		if (ym_now_ns() >= due) {
			if (refresh(top, err) < 0)
				return -1;
			/* By the time that is now: after a pause, nothing is made up for. */
			due = ym_now_ns() + delay_ns;
		}
		draw(top);
		if (poll(fds, sizeof(fds) / sizeof(fds[0]), milliseconds_to(due)) < 0 && errno != EINTR)
			return ym_fail_sys(err, errno, "poll() for keys");
		if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			return 0;
		press_keys(top);
		hear(top);
		signo = take_signals(top, signals, err);
	}
	return signo;
}

/* ---- the command ---------------------------------------------------------------------------------- */

static int open_signals(struct ym_err *err)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP};
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&set, numbers[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? ym_fail_sys(err, errno, "signalfd()") : fd;
}

/* Whoever has sent the signal shall see that it has worked. */
static int end_by(int signo)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signo);
	signal(signo, SIG_DFL);
	raise(signo);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 128 + signo;
}

/* The names of all views in a text. */
#define VIEW_NAME(name) " " #name
#define VIEW_NAMES      VIEW_MAP(VIEW_NAME)

static int choose_view(struct top *top, struct ym_err *err)
{
	static const struct {
		const char *name;
		const struct view *view;
	} views[VIEWS] = {
#define X(name) {#name, &top_view_##name},
	    VIEW_MAP(X)
#undef X
	};
	const char *name = args_value(top->args, "view");
	bool found = !name;

	for (enum view_number i = 0; i < VIEWS; i++) {
		grid_init(&top->grids[i], views[i].view);
		if (name && strcmp(name, views[i].name) == 0) {
			top->view = i;
			found = true;
		}
	}
	if (found)
		return 0;
	return ym_fail(err, YM_ERR_USAGE, "--view %s: there is no such list; the lists are" VIEW_NAMES, name);
}

static void close_all(struct top *top)
{
	screen_close(&top->screen);
	panel_close(top);
	errand_leave(&top->errand);
	for (enum view_number i = 0; i < VIEWS; i++)
		grid_free(&top->grids[i]);
	jobs_free(top->jobs);
	model_close(&top->model);
}

static int show(struct top *top, uint64_t delay_ns, struct ym_err *err)
{
	int signals, signo;

	if (args_instance(top->args, &top->model.instance, err) < 0 || model_open(&top->model, err) < 0)
		return -1;
	if (screen_check(err) < 0)
		return top_plain(top, delay_ns, err);
	signals = open_signals(err);
	if (signals < 0)
		return -1;
	signo = screen_open(&top->screen, err) < 0 ? -1 : run(top, signals, delay_ns, err);
	close(signals);
	return signo;
}

static int top(const struct args *args)
{
	struct top *top = calloc(1, sizeof(*top));
	struct ym_err err;
	int64_t delay_ms;
	int signo;

	if (!top) {
		ym_fail(&err, YM_ERR_LIMIT, "out of memory");
		return command_fail(&err);
	}
	top->args = args;
	signo = args_duration(args, "delay", DELAY_MS, &delay_ms, &err) < 0 || choose_view(top, &err) < 0 ? -1 : 0;
	if (signo == 0 && (delay_ms < DELAY_MS_MIN || delay_ms > DELAY_MS_MAX))
		signo =
		    ym_fail(&err, YM_ERR_USAGE, "--delay may be from %dms to %ds", DELAY_MS_MIN, DELAY_MS_MAX / 1000);
	if (signo == 0)
		signo = show(top, (uint64_t)delay_ms * 1000000u, &err);
	close_all(top);
	free(top);
	if (signo < 0)
		return command_fail(&err);
	return signo > 0 ? end_by(signo) : 0;
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    {"delay", 'd', "TIME", "look so often (default 100ms)"},
    {"view", 0, "NAME", "begin with this list:" VIEW_NAMES},
    {0},
};

const struct command command_top = {
    .verb = "top",
    .usage = "[OPTIONS]",
    .summary = "everything live on the whole screen: pools, workers, jobs, limits, crashes",
    .text =
	"Disturbs nobody: only shared memory is read. ? shows the keys. Without colours (NO_COLOR, or a terminal that\n"
	"has none) it is bold and reverse, and without UTF-8 in the locale the bars are ASCII. On a terminal that "
	"cannot\n"
	"move its cursor, and into a pipe, it prints the table of `status` over and over, every two seconds or "
	"--delay.",
    .options = options,
    .run = top,
    .group = COMMAND_GROUP_LOOK,
};
