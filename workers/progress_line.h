/*
 * progress_line.h - progress as lines of text, for programs that know nothing of <yardmaster/plugin.h>.
 *
 *     progress 42/100 NOTE    42 of 100, with a note
 *     progress 42 NOTE        42, the total is not known
 *     progress 42% NOTE       42 of 100; digits behind a decimal point are dropped
 *     unit bytes              what is counted
 *     note NOTE               another note, the numbers stay
 *
 * A NOTE may be missing: the last one stays. Blanks may stand before the first word, around the slash and at the end.
 */
#ifndef YM_WORKERS_PROGRESS_LINE_H
#define YM_WORKERS_PROGRESS_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "plugin.h"

/* What the lines of one job have said so far. */
struct progress_line {
	uint64_t done, total;
};

/* Pass a line (without its newline; it may be changed) on to the job. False: it says nothing known, nothing is done. */
bool progress_line_take(struct progress_line *state, ym_job *job, char *line);

#endif
