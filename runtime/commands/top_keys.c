/* top_keys.c - what keys do: one table, from which the help and the last line of the screen come, too. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "top.h"

#define SAY_NS UINT64_C(15000000000)
#define PAGE   10

/* ---- texts in the last line -------------------------------------------------------------------- */

void keys_say(struct top *top, enum look look, const char *text)
{
	snprintf(top->message.text, sizeof(top->message.text), "%s", text);
	top->message.look = look;
	top->message.until = ym_now_ns() + SAY_NS;
}

static void ask(struct top *top, const struct errand_order *order, const char *question)
{
	top->prompt = (struct prompt){.kind = PROMPT_QUESTION, .order = *order};
	snprintf(top->prompt.text, sizeof(top->prompt.text), "%s [y/N] ", question);
}

static void carry_out(struct top *top)
{
	char text[ERRAND_TOLD_MAX];
	struct ym_err err;

	if (top->errand.pid) {
		keys_say(top, LOOK_WARN, "what was asked for before is not done yet: try again in a moment");
		return;
	}
	errand_leave(&top->errand);
	if (errand_start(&top->errand, top->args, &top->prompt.order, &err) < 0) {
		keys_say(top, LOOK_BAD, err.text);
		return;
	}
	snprintf(text, sizeof(text), "%s %s %s ...", top->prompt.order.words[0], top->prompt.order.words[1],
	         top->prompt.order.words[2]);
	keys_say(top, LOOK_PLAIN, text);
}

/* ---- what may be done to a pool or a job --------------------------------------------------------- */

static struct grid *grid_of(struct top *top)
{
	return &top->grids[top->view];
}

/* What stands under the cursor may be another one by the time of the answer: it is asked for by name. */
static const char *pool_of(struct top *top)
{
	const struct view *view = grid_of(top)->view;
	size_t item;

	if (top->panel.open || !view->pool || !grid_chosen(grid_of(top), &item))
		return NULL;
	return view->pool(top, item);
}

static uint64_t job_of(struct top *top)
{
	const struct view *view = grid_of(top)->view;
	size_t item;

	if (top->panel.open)
		return top->panel.job;
	return view->job && grid_chosen(grid_of(top), &item) ? view->job(top, item) : 0;
}

static void scale(struct top *top, int by)
{
	const char *name = pool_of(top);
	const struct board_sh *board = top->model.instance.board;
	struct errand_order order = {{"scale"}};
	char text[PROMPT_MAX];

	for (unsigned i = 0; name && i < TABLE_POOLS; i++) {
		const struct board_pool_sh *row = &board->pools[i];
		long wanted = (long)atomic_load(&row->wanted), least = atomic_load(&row->least),
		     most = atomic_load(&row->most), then = wanted + by;

		if (!atomic_load(&row->used) || strcmp(row->name, name) != 0 || then < 0)
			continue;
		snprintf(order.words[1], sizeof(order.words[1]), "%s", name);
		snprintf(order.words[2], sizeof(order.words[2]), "%ld", then);
		if (least != most)
			snprintf(text, sizeof(text), "Pool %s scales %ld..%ld by itself: keep it at %ld workers?", name,
			         least, most, then);
		else
			snprintf(text, sizeof(text), "Scale pool %s from %ld to %ld workers?", name, wanted, then);
		ask(top, &order, text);
	}
}

static void type_workers(struct top *top, int unused)
{
	const char *name = pool_of(top);

	(void)unused;
	if (!name)
		return;
	top->prompt = (struct prompt){.kind = PROMPT_WORKERS, .order = {{"scale"}}};
	snprintf(top->prompt.order.words[1], sizeof(top->prompt.order.words[1]), "%s", name);
	snprintf(top->prompt.text, sizeof(top->prompt.text), "Workers of pool %s (N, or MIN..MAX): ", name);
}

static void pause_or_resume(struct top *top, int unused)
{
	const char *name = pool_of(top);
	struct errand_order order = {{"pause"}};
	char text[PROMPT_MAX];

	(void)unused;
	if (!name)
		return;
	snprintf(order.words[1], sizeof(order.words[1]), "%s", name);
	snprintf(text, sizeof(text), "Pause pool %s: start none of its jobs?", name);
	for (unsigned i = 0; i < TABLE_POOLS; i++)
		if (strcmp(top->model.instance.board->pools[i].name, name) == 0 &&
		    snapshot_mode(&top->model.instance, i) & (POOL_PAUSED | POOL_DRAINING)) {
			snprintf(order.words[0], sizeof(order.words[0]), "resume");
			snprintf(text, sizeof(text), "Let pool %s take and start jobs again?", name);
		}
	ask(top, &order, text);
}

static void restart(struct top *top, int unused)
{
	const char *name = pool_of(top);
	struct errand_order order = {{"restart"}};
	char text[PROMPT_MAX];

	(void)unused;
	if (!name)
		return;
	snprintf(order.words[1], sizeof(order.words[1]), "%s", name);
	snprintf(text, sizeof(text), "Replace the workers of pool %s by new ones, when their jobs are over?", name);
	ask(top, &order, text);
}

/* Key, verb of the command, question. */
#define JOB_ORDER_MAP(X)                                                                                               \
	X('c', "cancel", "Cancel job %" PRIu64 "?")                                                                    \
	X('t', "retry", "Start job %" PRIu64 " anew, with all its attempts?")                                          \
	X('b', "bury", "Put job %" PRIu64 " aside, until it is kicked?")

static void order_job(struct top *top, int key)
{
	uint64_t job = job_of(top);
	struct errand_order order = {0};
	char text[PROMPT_MAX];

	if (job == 0)
		return;
	switch (key) {
#define X(letter, verb, question)                                                                                      \
	case letter:                                                                                                   \
		snprintf(order.words[0], sizeof(order.words[0]), verb);                                                \
		snprintf(text, sizeof(text), question, job);                                                           \
		break;
		JOB_ORDER_MAP(X)
#undef X
	default:
		return;
	}
	snprintf(order.words[1], sizeof(order.words[1]), "%" PRIu64, job);
	ask(top, &order, text);
}

/* ---- moving about ------------------------------------------------------------------------------ */

static void go(struct top *top, int by)
{
	long rows = (long)top->screen.rows;
	long step = by > -PAGE && by < PAGE ? by : by / PAGE * (rows > PAGE ? rows - PAGE + 2 : 1);

	if (top->panel.open)
		panel_move(&top->panel, step);
	else
		grid_move(grid_of(top), step);
}

#define FAR 1000000

static void go_far(struct top *top, int by)
{
	if (top->panel.open)
		panel_move(&top->panel, by);
	else
		grid_move(grid_of(top), by);
}

static void show_view(struct top *top, int number)
{
	panel_close(top);
	top->view = (enum view_number)((number + VIEWS) % VIEWS);
	grid_change(grid_of(top));
}

static void next_view(struct top *top, int step)
{
	show_view(top, (int)top->view + step);
}

static void sort_by(struct top *top, int step)
{
	grid_sort(grid_of(top), step);
}

static void reverse(struct top *top, int unused)
{
	(void)unused;
	grid_of(top)->reverse = !grid_of(top)->reverse;
	grid_change(grid_of(top));
}

static void type_filter(struct top *top, int unused)
{
	(void)unused;
	panel_close(top);
	top->prompt = (struct prompt){.kind = PROMPT_FILTER, .text = "Filter: "};
	memcpy(top->prompt.typed, grid_of(top)->filter, sizeof(top->prompt.typed));
}

static void set_filter(struct top *top, const char *text)
{
	snprintf(grid_of(top)->filter, sizeof(grid_of(top)->filter), "%s", text);
	grid_change(grid_of(top));
}

static void details(struct top *top, int unused)
{
	(void)unused;
	if (top->panel.open)
		panel_close(top);
	else
		panel_open(top);
}

static void help(struct top *top, int unused)
{
	bool open = top->panel.help;

	(void)unused;
	panel_close(top);
	if (!open)
		panel_open_help(top);
}

/* One thing at a time. */
static void escape(struct top *top, int unused)
{
	(void)unused;
	if (top->panel.open)
		panel_close(top);
	else
		set_filter(top, "");
}

static void quit(struct top *top, int unused)
{
	(void)unused;
	if (top->panel.open)
		panel_close(top);
	else
		top->over = true;
}

static void redraw(struct top *top, int unused)
{
	struct ym_err err;

	(void)unused;
	if (screen_resize(&top->screen, &err) < 0)
		keys_say(top, LOOK_BAD, err.text);
}

/* ---- the table ----------------------------------------------------------------------------------- */

/* What a key needs under the cursor to be of any use. */
enum need { NEED_NOTHING, NEED_LIST, NEED_POOL, NEED_JOB, NEED_MORE };

struct key {
	int key;
	const char *name;
	const char *hint; /* in the last line; NULL: not there */
	const char *help; /* NULL: another name of the key above */
	enum need need;
	void (*act)(struct top *top, int arg);
	int arg;
};

static const struct key keys[] = {
    {SCREEN_ENTER, "Enter", "details", "all about the job, worker, pool or crash under the cursor; again: back",
     NEED_MORE, details, 0},
    {'/', "/", "filter", "show only what has these words: text, or COLUMN:text, such as state:failed pool:mail",
     NEED_LIST, type_filter, 0},
    {'<', "<", NULL, "sort by the column to the left", NEED_LIST, sort_by, -1},
    {'>', ">", "sort", "sort by the column to the right", NEED_LIST, sort_by, 1},
    {'r', "r", NULL, "the other way round", NEED_LIST, reverse, 0},
    {'+', "+", "more", "one worker more in the pool", NEED_POOL, scale, 1},
    {'-', "-", "less", "one less; a busy one finishes its job first", NEED_POOL, scale, -1},
    {'s', "s", NULL, "say how many workers the pool has: N, or MIN..MAX", NEED_POOL, type_workers, 0},
    {'p', "p", "pause", "pause the pool, or let it go on", NEED_POOL, pause_or_resume, 0},
    {'R', "R", NULL, "replace the workers of the pool by new ones", NEED_POOL, restart, 0},
    {'c', "c", "cancel", "cancel the job, or the one that the worker is at", NEED_JOB, order_job, 'c'},
    {'t', "t", "retry", "start a job anew that failed, was cancelled or buried, or is delayed", NEED_JOB, order_job,
     't'},
    {'b', "b", "bury", "put a job that waits aside", NEED_JOB, order_job, 'b'},
    {SCREEN_UP, "Up, Down, PgUp, PgDn", NULL, "move; also k and j, Home and End, g and G", NEED_NOTHING, go, -1},
    {SCREEN_DOWN, "Down", NULL, NULL, NEED_NOTHING, go, 1},
    {'k', "k", NULL, NULL, NEED_NOTHING, go, -1},
    {'j', "j", NULL, NULL, NEED_NOTHING, go, 1},
    {SCREEN_PAGE_UP, "PgUp", NULL, NULL, NEED_NOTHING, go, -PAGE},
    {SCREEN_PAGE_DOWN, "PgDn", NULL, NULL, NEED_NOTHING, go, PAGE},
    {SCREEN_HOME, "Home", NULL, NULL, NEED_NOTHING, go_far, -FAR},
    {SCREEN_END, "End", NULL, NULL, NEED_NOTHING, go_far, FAR},
    {'g', "g", NULL, NULL, NEED_NOTHING, go_far, -FAR},
    {'G', "G", NULL, NULL, NEED_NOTHING, go_far, FAR},
    {'\t', "Tab, 1 to 6", NULL, "the next list, or one of them; Shift-Tab: the one before", NEED_NOTHING, next_view, 1},
    {SCREEN_RIGHT, "Right", NULL, NULL, NEED_NOTHING, next_view, 1},
    {SCREEN_LEFT, "Left", NULL, NULL, NEED_NOTHING, next_view, -1},
    {SCREEN_BACK_TAB, "Shift-Tab", NULL, NULL, NEED_NOTHING, next_view, -1},
    {SCREEN_ESCAPE, "Esc", NULL, "close the details, or remove the filter", NEED_NOTHING, escape, 0},
    {'L' - '@', "Ctrl-L", NULL, "draw everything anew", NEED_NOTHING, redraw, 0},
    {'?', "?", "help", "this help", NEED_NOTHING, help, 0},
    {SCREEN_HELP, "F1", NULL, NULL, NEED_NOTHING, help, 0},
    {'q', "q", "quit", "end", NEED_NOTHING, quit, 0},
};

#define KEYS (sizeof(keys) / sizeof(keys[0]))

void keys_help(FILE *to)
{
	fprintf(to, "Keys\n");
	for (size_t i = 0; i < KEYS; i++)
		if (keys[i].help)
			fprintf(to, "  %-22s %s\n", keys[i].name, keys[i].help);
	fprintf(to, "\nEverything that changes something asks first, and does the same as the command of that name.\n"
	            "RATE/s of a pool counts attempts that ended, that of a worker is how fast its job goes.\n"
	            "HELD: jobs that wait for a limit or a rate, or whose pool is paused. TRY: attempt, of how many.\n"
	            "CPU and MEM are those of the worker, or of the command that it runs.\n");
}

/* ---- keys, one after the other ------------------------------------------------------------------- */

/* False: the text is as long as it may be. */
static bool add_typed(struct prompt *prompt, int key)
{
	size_t length = strlen(prompt->typed);
	mbstate_t state = {0};
	char bytes[16];
	size_t n = wcrtomb(bytes, (wchar_t)key, &state);

	if (n == (size_t)-1 || length + n >= sizeof(prompt->typed))
		return false;
	memcpy(prompt->typed + length, bytes, n);
	prompt->typed[length + n] = '\0';
	return true;
}

static void remove_typed(struct prompt *prompt)
{
	size_t length = strlen(prompt->typed);

	while (length > 0 && ((unsigned char)prompt->typed[--length] & 0xc0) == 0x80)
		;
	prompt->typed[length] = '\0';
}

static void end_typing(struct top *top)
{
	struct prompt *prompt = &top->prompt;

	if (prompt->kind == PROMPT_WORKERS && prompt->typed[0]) {
		snprintf(prompt->order.words[2], sizeof(prompt->order.words[2]), "%.*s", ERRAND_WORD_MAX - 1,
		         prompt->typed);
		carry_out(top);
	}
	prompt->kind = PROMPT_NONE;
}

static void press_typing(struct top *top, int key)
{
	struct prompt *prompt = &top->prompt;
	bool filter = prompt->kind == PROMPT_FILTER;

	if (key == SCREEN_ENTER) {
		end_typing(top);
		return;
	}
	if (key == SCREEN_ESCAPE) {
		prompt->typed[0] = '\0';
		prompt->kind = PROMPT_NONE;
	} else if (key == SCREEN_BACKSPACE) {
		remove_typed(prompt);
	} else if (key == 'U' - '@') {
		prompt->typed[0] = '\0';
	} else if (key >= ' ' && key < SCREEN_FIRST) {
		add_typed(prompt, key);
	}
	if (filter)
		set_filter(top, prompt->typed);
}

static bool is_possible(struct top *top, const struct key *key)
{
	switch (key->need) {
	case NEED_LIST:
		return !top->panel.open;
	case NEED_POOL:
		return pool_of(top) != NULL;
	case NEED_JOB:
		return job_of(top) != 0;
	case NEED_MORE:
		return top->panel.open || (grid_of(top)->view->describe && grid_of(top)->n > 0);
	default:
		return true;
	}
}

void keys_press(struct top *top, int key)
{
	top->message.until = 0;
	if (top->prompt.kind == PROMPT_QUESTION) {
		top->prompt.kind = PROMPT_NONE;
		if (key == 'y' || key == 'Y')
			carry_out(top);
		return;
	}
	if (top->prompt.kind != PROMPT_NONE) {
		press_typing(top, key);
		return;
	}
	/* Without an instance there is nothing to be done, but to wait or to end. */
	if (!top->model.there && key != 'q')
		return;
	if (key >= '1' && key < '1' + VIEWS)
		show_view(top, key - '1');
	for (size_t i = 0; i < KEYS; i++)
		if (keys[i].key == key && is_possible(top, &keys[i]))
			keys[i].act(top, keys[i].arg);
}

/* ---- the last line ------------------------------------------------------------------------------- */

static unsigned hint_columns(const struct key *key)
{
	return key->hint ? (unsigned)(strlen(key->name) + strlen(key->hint) + 3) : 0;
}

/* How to get help, and out of here, is said before anything else. */
static void put_hints(struct top *top, struct line *line)
{
	unsigned kept = 0;

	for (size_t i = 0; i < KEYS; i++)
		kept += keys[i].need == NEED_NOTHING ? hint_columns(&keys[i]) : 0;
	for (size_t i = 0; i < KEYS; i++) {
		if (!keys[i].hint || !is_possible(top, &keys[i]))
			continue;
		kept -= keys[i].need == NEED_NOTHING ? hint_columns(&keys[i]) : 0;
		if (line->used + hint_columns(&keys[i]) + kept > line->columns)
			continue;
		line_put(line, LOOK_STRONG, " %s", keys[i].name);
		line_put(line, LOOK_FAINT, " %s ", keys[i].act == details && top->panel.open ? "back" : keys[i].hint);
	}
}

unsigned keys_draw(struct top *top, unsigned row)
{
	struct prompt *prompt = &top->prompt;
	unsigned column = 0;
	struct line line;

	line_begin(&line, top->screen.columns, top->screen.utf8);
	if (prompt->kind != PROMPT_NONE) {
		line_put(&line, LOOK_WARN, " %s", prompt->text);
		line_put(&line, LOOK_PLAIN, "%s", prompt->typed);
		column = line.used < top->screen.columns ? line.used : top->screen.columns - 1;
	} else if (top->message.until > ym_now_ns()) {
		line_put(&line, top->message.look, " %s", top->message.text);
	} else {
		put_hints(top, &line);
	}
	screen_put(&top->screen, row, &line);
	return column;
}
