/*
 * rate.h - a rate limit: the least time between two starts, shared by every process that starts something.
 *
 * `next` is the truth: no start before that moment. Who starts moves it on by one interval in a compare-and-swap, at the
 * moment of the start and not before, so a process that is killed, stopped or told to end while it waits takes nothing
 * with it. A start that comes up to RATE_LATE_NS after its moment (that late wakes the kernel) counts as in time, so
 * that the rate is reached.
 *
 *   What is guaranteed: the moments that are given out (`due`) are at least one interval apart, and each was claimed
 *   within RATE_LATE_NS of it; so in any time T there are at most rate * (T + RATE_LATE_NS) + 1 claims, whoever dies.
 *   A process that is not run between its claim and its start begins later, of course. Where the rate was changed, the
 *   first start at the new one is at most one new interval away.
 *
 * `queue` is only a hint that keeps those who wait from all waking for every start: each draws a ticket, the moment at
 * which it is likely to be its turn, and sleeps until then: first come, first served. A ticket whose owner died is a
 * moment that nobody uses; so nobody draws one that lies more than RATE_AHEAD_NS ahead, but sleeps and draws it then.
 *
 * Both moments are brought back when they lie further ahead than the interval allows: it was longer before.
 */
#ifndef YM_RUNTIME_RATE_H
#define YM_RUNTIME_RATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RATE_LATE_NS  UINT64_C(1000000)
#define RATE_AHEAD_NS UINT64_C(1000000000)

/* In shared memory; all zero means no rate. Moments are those of ym_now_ns(). */
struct rate_sh {
	_Atomic uint64_t interval_ns; /* 0: no rate; the master, by rate_set(). Its low half is a futex */
	_Atomic uint64_t next;  /* the first moment for the next start; anybody, goes up but for the cases above */
	_Atomic uint64_t queue; /* the first ticket that is not drawn yet; likewise */
};

/* What one process knows of its turn. All zero: it has no ticket. A ticket can be kept as long as one likes. */
struct rate_turn {
	uint64_t ticket;
	uint64_t interval; /* when it last looked */
	uint64_t due;      /* what it claimed last; 0: nothing */
};

static inline bool rate_is_set(const struct rate_sh *rate)
{
	return atomic_load_explicit(&rate->interval_ns, memory_order_relaxed) != 0;
}

/* Set the interval; who sleeps looks again. */
void rate_set(struct rate_sh *rate, uint64_t interval_ns);

/* When to look again; `now` or before: it may be our turn. Draws a ticket if there is none. */
uint64_t rate_when(struct rate_sh *rate, struct rate_turn *turn, uint64_t now);

/* Sleep until then, or until the rate is changed. 0, or 1: a signal came. */
int rate_sleep(const struct rate_sh *rate, const struct rate_turn *turn, uint64_t until);

/* Start now? The ticket is used up by a yes. */
bool rate_claim(struct rate_sh *rate, struct rate_turn *turn, uint64_t now);

/*
 * The start that was claimed last does not take place: somebody else may have it, unless there was one since. The ticket
 * is valid again.
 */
void rate_unclaim(struct rate_sh *rate, struct rate_turn *turn);

#endif
