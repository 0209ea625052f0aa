/*
 * copy.h - one of the `numprocs` processes of a program.
 *
 * It is told to stop with `stopsignal`, and `stopwaitsecs` later with SIGKILL (to its whole process group if `stopasgroup`
 * or `killasgroup` say so).
 */
#ifndef YM_RUNTIME_COPY_H
#define YM_RUNTIME_COPY_H

#include "child.h"
#include "child_log.h"
#include "persona.h"
#include "probe.h"
#include "recipe.h"
#include "roster.h"

struct handed;
struct program;

/* One process of it, or the place where one is to be. */
struct copy {
	struct child child;
	struct program *program;
	int64_t number; /* %(process_num)d */
	struct recipe recipe;
	struct persona *persona;
	struct child_log *output, *errors; /* errors NULL: with the output */
	struct roster_entry *entry;
	int row;     /* of the board's program rows, -1: none was free */
	bool old;    /* to be replaced: it ends, then it is made anew */
	bool leaves; /* not wanted any more */
	struct probe *probe;
};

/* With everything that it is started with; not started. NULL with err. */
struct copy *copy_make(struct program *program, int64_t number, struct ym_err *err);
/* Let go of the loop, and free it then. */
void copy_free(struct copy *copy);

/* Everything it is started with, from the configuration as it is now. On an error all is as it was. */
int copy_prepare(struct copy *copy, struct ym_err *err);
/* Ask again and again whether it is ready, if that is how it says so. */
void copy_probe(struct copy *copy);

/* Its process goes on under a new master. */
void copy_adopt(struct copy *copy);
/* To and from the image of this program after an upgrade. False: no memory; it is not in what was left. */
bool copy_hand_over(const struct copy *copy, struct handed *handed);
bool copy_resume(struct copy *copy);

/* Bring the board up to date; say there why it does not start. */
void copy_show(struct copy *copy);
void copy_say(struct copy *copy, const char *reason);

#endif
