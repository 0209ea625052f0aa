/*
 * top_panel.h - a text in the place of the list, as long as one likes: what a view tells of an item, anew at each refresh, and
 * below it what `yardmaster show` says of its job.
 */
#ifndef YM_RUNTIME_COMMANDS_TOP_PANEL_H
#define YM_RUNTIME_COMMANDS_TOP_PANEL_H

#include "top_errand.h"

struct top;

struct panel {
	bool open;
	bool help;
	uint64_t id;          /* of the item */
	uint64_t job;         /* whose story is told, 0: none */
	uint64_t word;        /* of the table, when it was asked for */
	uint64_t asked;       /* ym_now_ns(): when */
	struct errand errand; /* asks */
	char *story;
	size_t first, lines; /* of the text: the first one on the screen, how many there are */
	unsigned room;       /* lines on the screen */
};

/* About the item under the cursor of the current view, if there is more to say about it. */
void panel_open(struct top *top);
void panel_open_help(struct top *top);
void panel_close(struct top *top);
void panel_move(struct panel *panel, long by);
/* Hear what was asked for. */
void panel_hear(struct top *top);
void panel_draw(struct top *top, unsigned row, unsigned rows);

#endif
