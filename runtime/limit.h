/*
 * limit.h - the limits a worker takes before it takes a job: units of semaphores, and places in rates.
 *
 * A limit is a PHP-compatible semaphore (ipc/sem.h), a rate (rate.h), or both. Scripts take units of the same semaphore
 * by its key; what a process holds comes back by itself when it dies (SEM_UNDO).
 *
 * A worker waits for the time that the rates allow, then takes all units, then claims the start in all rates at once; if
 * somebody else was faster in a rate, it gives the units back and begins anew. So
 *   - nobody holds a unit of one limit while it waits for another one, or for a rate: no two can wait for each other,
 *     in whatever order scripts take theirs, and no unit lies idle;
 *   - no start is used up by a process that waits;
 *   - who waits for units sleeps in a semop that really takes them: the kernel hands them over as soon as anybody gives
 *     them back, or dies.
 *
 * The kernel alone would let those who want one unit pass one who wants several for as long as they keep coming. So a
 * limit of which some pool takes several at once has a second semaphore of one unit, the turn: who finds too few units
 * free waits for the turn first, in the order of arrival, and only who has the turn waits for units; while somebody has
 * it, nobody else takes any. The price: a process that is stopped (SIGSTOP, a debugger) while it has the turn holds the
 * others up. Scripts know nothing of the turn: they take what they find free.
 *
 * Of a limit that all nodes share (scope = cluster), the semaphore has as many units as this node was granted; the master
 * makes it larger and smaller. Who has taken units of it starts only if `until` in its row has not passed, else he gives
 * them back and sleeps until they may be taken again. So a node that was granted less takes no more from the moment on
 * when its master knows, however many wait in the kernel; and one that cannot be told (it has no master, or was stopped
 * for long) takes none when the others may have them.
 */
#ifndef YM_RUNTIME_LIMIT_H
#define YM_RUNTIME_LIMIT_H

#include "../ipc/sem.h"
#include "table.h"

/* The pool's own rate, where others name a limit by its index in the table. */
#define LIMIT_POOL_RATE TABLE_LIMITS

struct limit_use {
	unsigned limit; /* index in the table, or LIMIT_POOL_RATE */
	unsigned units; /* 0: it has no semaphore */
	unsigned taken; /* of them */
	struct ym_sem sem, turn;
	struct table_limit_sh *shared; /* with other nodes; NULL: this machine's own */
	struct rate_sh *rate;
	struct rate_turn place;
};

struct limit_set {
	struct table_sh *table;
	struct limit_use uses[TABLE_POOL_LIMITS + 1]; /* in the order of the keys; then the pool's own rate */
	unsigned count;                               /* without the last */
};

/*
 * Attach to the limits of a pool / detach, giving back what is held. Which limits there are and how many units of each
 * is read here; a rate may change at any time.
 */
int limit_set_open(struct limit_set *set, struct table_sh *table, unsigned pool, struct ym_err *err);
void limit_set_close(struct limit_set *set);
/*
 * The same when somebody has removed the instance's objects one by one: a semaphore that we found missing, and made again,
 * before the others were gone would be left behind.
 */
void limit_set_abandon(struct limit_set *set);

/* Called before the first wait, and whenever the limit that is waited for is another one than before. */
typedef void limit_waiting(void *arg, unsigned limit);

/*
 * Take the units of every limit and a start in every rate, waiting as long as it takes. `waiting` may be NULL.
 * 0 taken. 1 a signal came: nothing is held. -1 nothing is held; YM_ERR_GONE: somebody removed a semaphore: close, open
 * and try again.
 *
 * A signal that comes just before the sleep is slept over: whoever has to hear one makes its handler start a timer that
 * sends more of them (see workers/worker.c).
 */
static inline int limit_set_take(struct limit_set *set, limit_waiting *waiting, void *arg, struct ym_err *err);

/* After the job: give the units back. */
static inline void limit_set_give(struct limit_set *set);

/* There was no job after all: give the units back, and the starts that were claimed. */
void limit_set_return(struct limit_set *set);

/* Free units of a limit now, -1 if it cannot be asked. */
int limit_free(const struct table_limit_sh *limit);

/* ---- a pool without limits pays nothing ------------------------------------------------------ */

int limit_set_take_all(struct limit_set *set, limit_waiting *waiting, void *arg, struct ym_err *err);
void limit_set_give_all(struct limit_set *set);

static inline int limit_set_take(struct limit_set *set, limit_waiting *waiting, void *arg, struct ym_err *err)
{
	if (set->count == 0 && !rate_is_set(set->uses[0].rate))
		return 0;
	return limit_set_take_all(set, waiting, arg, err);
}

static inline void limit_set_give(struct limit_set *set)
{
	if (set->count > 0)
		limit_set_give_all(set);
}

#endif
