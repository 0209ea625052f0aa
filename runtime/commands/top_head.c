/* top_head.c - the lines above the list: the instance, its totals, the tabs. */
#include <stdio.h>
#include <string.h>

#include "top.h"

/* A crash of so long ago is news. */
#define NEWS_NS UINT64_C(60000000000)

/* Titles of all tabs need so many columns; with less, only that of the current one is shown. */
#define TABS_COLUMNS 66

static void put_right(struct line *line, enum look look, const char *text)
{
	unsigned columns = (unsigned)strlen(text) + 1;

	if (line->used + columns + 2 > line->columns)
		return;
	line_to(line, LOOK_PLAIN, line->columns - columns);
	line_put(line, look, "%s", text);
}

static void put_clock(const struct top *top, struct line *line)
{
	char text[3 * TEXT_MAX], clock[TEXT_MAX];
	const double *load = top->model.load;

	top_clock(ym_unix_ms(), clock);
	snprintf(text, sizeof(text), "load %.2f %.2f %.2f   %s", load[0], load[1], load[2], clock);
	put_right(line, LOOK_FAINT, text);
	put_right(line, LOOK_FAINT, clock);
}

static void draw_instance(struct top *top, unsigned row)
{
	const struct board_instance_sh *instance = &top->model.instance.board->instance;
	unsigned state = atomic_load(&instance->master_state);
	char text[TEXT_MAX];
	struct line line;

	line_begin(&line, top->screen.columns, top->screen.utf8);
	line_put(&line, LOOK_STRONG, " %s", top->model.instance.name);
	if (top->model.master) {
		line_put(&line, state == BOARD_MASTER_RUNNING ? LOOK_GOOD : LOOK_WARN, "  %s",
		         board_master_word(state));
		line_put(&line, LOOK_PLAIN, " %s",
		         top_age(snapshot_since(&top->model.snapshot, atomic_load(&instance->master_since)), text));
		line_put(&line, LOOK_FAINT, "  master %ld, version %.*s", (long)top->model.master,
		         (int)sizeof(instance->version), instance->version);
	} else {
		line_put(&line, LOOK_PLAIN, "  ");
		line_put(&line, LOOK_ALARM, " MASTER DOWN since %s ",
		         top_clock(model_unix_ms(&top->model, atomic_load(&instance->beat)), text));
		line_put(&line, LOOK_WARN, " the board is live, workers go on");
	}
	put_clock(top, &line);
	screen_put(&top->screen, row, &line);
}

/* What matters most comes first: what does not fit is left out. */
struct total {
	const char *name;
	double value;
	enum look look;
	bool always;
};

static void put_total(struct line *line, const struct total *total)
{
	char text[TEXT_MAX];
	size_t columns = strlen(total->name) + 1;

	if (total->value <= 0 && !total->always)
		return;
	top_count(total->value, text);
	if (line->used + columns + strlen(text) + 2 > line->columns)
		return;
	line_put(line, LOOK_FAINT, "  %s ", total->name);
	line_put(line, total->value > 0 ? total->look : LOOK_PLAIN, "%s", text);
}

static void draw_totals(struct top *top, unsigned row)
{
	enum { WAITING, RUNNING, FAILED, CRASHES, BURIED, DONE, DELAYED, TOTALS };
	struct total totals[TOTALS] = {
	    [WAITING] = {"waiting", 0, LOOK_STRONG, true},  [RUNNING] = {"running", 0, LOOK_GOOD, true},
	    [FAILED] = {"failed", 0, LOOK_BAD, true},       [CRASHES] = {"crashes", 0, LOOK_BAD, false},
	    [BURIED] = {"buried", 0, LOOK_WARN, false},     [DONE] = {"done", 0, LOOK_STRONG, true},
	    [DELAYED] = {"delayed", 0, LOOK_STRONG, false},
	};
	const struct board_sh *board = top->model.instance.board;
	unsigned actual = 0, wanted = 0;
	char text[TEXT_MAX];
	struct line line;
	double rate = 0;

	for (unsigned i = 0; i < TABLE_POOLS; i++) {
		const struct snapshot_pool *pool = &top->model.snapshot.pools[i];

		if (!atomic_load(&board->pools[i].used))
			continue;
		actual += atomic_load(&board->pools[i].actual);
		wanted += atomic_load(&board->pools[i].wanted);
		rate += model_rate(&top->model, i);
		totals[CRASHES].value += (double)atomic_load(&board->pools[i].crashes);
		totals[WAITING].value += (double)pool->waiting;
		totals[RUNNING].value += (double)pool->running;
		totals[DELAYED].value += (double)pool->delayed;
		totals[BURIED].value += (double)pool->buried;
		totals[DONE].value += (double)pool->counters[BOARD_DONE];
		totals[FAILED].value += (double)pool->counters[BOARD_FAILED];
	}
	line_begin(&line, top->screen.columns, top->screen.utf8);
	line_put(&line, LOOK_FAINT, " workers ");
	line_put(&line, actual < wanted ? LOOK_WARN : LOOK_STRONG, "%u/%u", actual, wanted);
	line_put(&line, LOOK_FAINT, "  rate ");
	line_put(&line, LOOK_STRONG, "%s/s", rate >= 0.005 ? top_rate(rate, false, text) : "0");
	for (size_t i = 0; i < TOTALS; i++)
		put_total(&line, &totals[i]);
	screen_put(&top->screen, row, &line);
}

/* Returns how many lines it took. */
static unsigned draw_store(struct top *top, unsigned row)
{
	const struct board_store_sh *store = &top->model.instance.board->store;
	uint32_t state = atomic_load(&store->state);
	char trouble[BOARD_REASON_MAX], since[TEXT_MAX];
	struct line line;

	if (state == BOARD_STORE_NONE)
		return 0;
	line_begin(&line, top->screen.columns, top->screen.utf8);
	line_put(&line, LOOK_FAINT, " store ");
	/* Without a master nobody is there to say it. */
	line_put(&line, state == BOARD_STORE_TROUBLE ? LOOK_ALARM : LOOK_PLAIN, "%s",
	         top->model.master ? board_store_word(state) : "closed");
	line_put(&line, LOOK_FAINT, "  %.*s", (int)sizeof(store->shown), store->shown);
	if (state == BOARD_STORE_TROUBLE && top->model.master)
		line_put(&line, LOOK_BAD, "  for %s: %s",
		         top_age(snapshot_since(&top->model.snapshot, atomic_load(&store->since)), since),
		         board_trouble(top->model.instance.board, trouble));
	screen_put(&top->screen, row, &line);
	return 1;
}

/* As /healthz says it. That there is no master, or why the store is in trouble, stands above. Returns how many lines it took. */
static unsigned draw_problem(struct top *top, unsigned row)
{
	struct line line;

	if (!top->model.problem[0] || !top->model.master)
		return 0;
	line_begin(&line, top->screen.columns, top->screen.utf8);
	line_put(&line, LOOK_WARN, " %s", top->model.problem);
	screen_put(&top->screen, row, &line);
	return 1;
}

static void put_tab(const struct top *top, struct line *line, enum view_number i)
{
	bool current = i == top->view, titled = current || top->screen.columns >= TABS_COLUMNS;
	uint64_t crashes = i == VIEW_crashes ? top->model.crashes_seen : 0;
	bool news = crashes > 0 && top->model.ncrashes > 0 && top->model.now < top->model.crashes[0].at + NEWS_NS;

	line_put(line, LOOK_PLAIN, " ");
	line_put(line,
	         current ? LOOK_CHOSEN
	         : news  ? LOOK_BAD
	                 : LOOK_PLAIN,
	         " %d%s%s ", (int)i + 1, titled ? " " : "", titled ? top->grids[i].view->title : "");
	if (crashes > 0 && titled)
		line_put(line, news ? LOOK_BAD : LOOK_WARN, " %llu", (unsigned long long)crashes);
}

static void draw_tabs(struct top *top, unsigned row)
{
	const struct grid *grid = &top->grids[top->view];
	char text[GRID_FILTER_MAX + 64];
	struct line line;

	line_begin(&line, top->screen.columns, top->screen.utf8);
	for (enum view_number i = 0; i < VIEWS; i++)
		put_tab(top, &line, i);
	if (grid->filter[0] && top->prompt.kind != PROMPT_FILTER)
		snprintf(text, sizeof(text), "%zu of %zu: %s", grid->n, grid->all, grid->filter);
	else if (grid->n > 0)
		snprintf(text, sizeof(text), "%zu/%zu", grid->cursor + 1, grid->n);
	else
		text[0] = '\0';
	put_right(&line, grid->filter[0] ? LOOK_WARN : LOOK_FAINT, text);
	screen_put(&top->screen, row, &line);
}

unsigned head_draw(struct top *top)
{
	unsigned row = 0;

	draw_instance(top, row++);
	draw_totals(top, row++);
	row += draw_store(top, row);
	row += draw_problem(top, row);
	draw_tabs(top, row++);
	return row;
}
