/*
 * crew.h - the workers of a pool: as many as wanted, of the newest build, replaced without a gap.
 *
 * One rule makes it so whatever has changed (size, build, age): at each look,
 *
 *   too few new ones   another place is made and started, as long as there are at most `surge` more than wanted
 *   enough ready ones  an old one (another build, or marked by `restart`) retires: it finishes its job first
 *   too many           new ones retire, first those that do not run, then idle ones
 *
 * so new workers are ready before old ones go, and if the new ones do not start, the old ones stay.
 */
#ifndef YM_RUNTIME_CREW_H
#define YM_RUNTIME_CREW_H

#include "place.h"

struct sweep_counts;

struct crew {
	struct place **places;
	size_t nplaces, room;
	bool up;          /* it is to be there */
	unsigned wanted;  /* workers, while it is up */
	uint64_t changed; /* when that was changed by scaling, 0: never */
	bool no_row;      /* said: there is no board row for another place */
};

/* Take over the living workers that an earlier master has left. All pools before any makes places. */
int crew_take_over(struct pool *pool, struct ym_err *err);

/* What the configuration (or `scale`) says of the size has changed. */
void crew_size(struct pool *pool);
/* All present workers are to be replaced. */
void crew_roll(struct pool *pool);

/* The master's look at everything, after each sweep: readiness, age, memory, size, replacements. NULL: not counted. */
void crew_look(struct pool *pool, const struct sweep_counts *counted);

void crew_start(struct pool *pool);
void crew_stop(struct pool *pool);
/* Those that are stopping: go one step further. */
void crew_press(struct pool *pool);

/* Places with a process. */
unsigned crew_alive(const struct pool *pool);
/* Are as many workers at work as are wanted? */
bool crew_ready(const struct pool *pool);
/* Places that are to be replaced. */
unsigned crew_old(const struct pool *pool);
/* The smallest and largest size. */
void crew_bounds(const struct pool *pool, unsigned *least, unsigned *most);

/* The place whose worker holds this participant slot, or NULL. */
struct place *crew_find(struct pool *pool, unsigned slot);
/* Let go of all places. */
void crew_free(struct pool *pool);

#endif
