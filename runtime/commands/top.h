/*
 * top.h - `yardmaster top`: its parts, and what they show together.
 *
 *   top_model    what there is, and what is seen of it in the course of time
 *   top_screen   the terminal; top_line a line of it
 *   top_grid     a list: columns, order, filter, cursor; the views say what is in it
 *   top_head     the lines above it
 *   top_panel    a text in its place: everything about a job, a worker, a crash; the help
 *   top_keys     what keys do, questions before it, texts that are typed
 *   top_errand   a command of `yardmaster` that does it, in a process of its own
 */
#ifndef YM_RUNTIME_COMMANDS_TOP_H
#define YM_RUNTIME_COMMANDS_TOP_H

#include "../../ipc/sys.h"
#include "bar.h"
#include "command.h"
#include "top_errand.h"
#include "top_grid.h"
#include "top_model.h"
#include "top_panel.h"
#include "top_text.h"

/* The views, in the order of their tabs; top_view_NAME. */
#define VIEW_MAP(X)                                                                                                    \
	X(pools)                                                                                                       \
	X(workers)                                                                                                     \
	X(jobs)                                                                                                        \
	X(programs)                                                                                                    \
	X(limits)                                                                                                      \
	X(crashes)

#define X(name) VIEW_##name,
enum view_number { VIEW_MAP(X) VIEWS };
#undef X
#define X(name) extern const struct view top_view_##name;
VIEW_MAP(X)
#undef X

/* What the last line of the screen is used for. */
enum prompt_kind { PROMPT_NONE, PROMPT_QUESTION, PROMPT_FILTER, PROMPT_WORKERS };

#define PROMPT_MAX 192

struct prompt {
	enum prompt_kind kind;
	char text[PROMPT_MAX];
	char typed[GRID_FILTER_MAX];
	struct errand_order order; /* what is done after a yes */
};

#define MESSAGE_MAX 704

struct message {
	char text[MESSAGE_MAX];
	enum look look;
	uint64_t until; /* ym_now_ns() */
};

struct top {
	const struct args *args;
	struct screen screen;
	struct model model;
	struct jobs *jobs; /* of top_view_jobs */
	struct grid grids[VIEWS];
	enum view_number view;
	struct panel panel;
	struct prompt prompt;
	struct message message;
	struct errand errand;
	bool over;
};

/* The smallest screen that anything is shown on. */
#define TOP_COLUMNS_MIN 40
#define TOP_ROWS_MIN    8

/*
 * top_plain.c: where there is no screen, which is said first: the table of `status` over and over, until a signal ends the
 * process, or (0) nobody reads any more. -1: no memory.
 */
int top_plain(struct top *top, uint64_t delay_ns, struct ym_err *err);

/* top_head.c: the lines above the list; returns how many. */
unsigned head_draw(struct top *top);

/* top_keys.c */
void keys_press(struct top *top, int key);
/* The last line: a question, a message, or which keys there are. Where the cursor is to stand; 0: nowhere. */
unsigned keys_draw(struct top *top, unsigned row);
void keys_help(FILE *to);
void keys_say(struct top *top, enum look look, const char *text);

/* top_jobs.c */
void jobs_free(struct jobs *jobs);

#endif
