/* rate.c - tickets, claims, and sleeping until it is time. */
#include "rate.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../ipc/clock.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the futex word is the low half of the interval");

void rate_set(struct rate_sh *rate, uint64_t interval_ns)
{
	if (atomic_exchange(&rate->interval_ns, interval_ns) != interval_ns)
		syscall(SYS_futex, &rate->interval_ns, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* A moment of the rate that is at most `ahead` and an interval ahead, or is made so: it would recede for ever. */
static uint64_t bounded(const struct rate_sh *rate, _Atomic uint64_t *moment, uint64_t ahead, uint64_t now)
{
	for (;;) {
		uint64_t seen = atomic_load(moment), interval = atomic_load(&rate->interval_ns), most;

		if (seen <= now + interval + ahead)
			return seen;
		/* Somebody may have claimed since the caller looked at the clock. */
		most = ym_now_ns() + interval + ahead;
		if (seen <= most)
			return seen;
		if (atomic_compare_exchange_strong(moment, &seen, most))
			return most;
	}
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* 0 and a ticket, or the moment at which one may be drawn. */
static uint64_t draw(struct rate_sh *rate, struct rate_turn *turn, uint64_t next, uint64_t now)
{
	uint64_t queue = bounded(rate, &rate->queue, RATE_AHEAD_NS, now);

	for (;;) {
		uint64_t ticket = later(later(queue, next), now);

		if (ticket > now + RATE_AHEAD_NS)
			return ticket - RATE_AHEAD_NS;
		if (atomic_compare_exchange_weak(&rate->queue, &queue, ticket + turn->interval)) {
			turn->ticket = ticket;
			return 0;
		}
	}
}

uint64_t rate_when(struct rate_sh *rate, struct rate_turn *turn, uint64_t now)
{
	uint64_t next, wait;

	turn->interval = atomic_load(&rate->interval_ns);
	if (turn->interval == 0)
		return now;
	next = bounded(rate, &rate->next, 0, now);
	wait = turn->ticket ? 0 : draw(rate, turn, next, now);
	return wait ? wait : later(next, turn->ticket);
}

int rate_sleep(const struct rate_sh *rate, const struct rate_turn *turn, uint64_t until)
{
	const struct timespec time = {.tv_sec = (time_t)(until / 1000000000u), .tv_nsec = (long)(until % 1000000000u)};

	/* Absolute, of CLOCK_MONOTONIC. With a time limit the kernel never restarts it after a handler, as a flag of
	 * the handler could demand otherwise. */
	return syscall(SYS_futex, &rate->interval_ns, FUTEX_WAIT_BITSET, (uint32_t)turn->interval, &time, NULL,
	               FUTEX_BITSET_MATCH_ANY) < 0 &&
	       errno == EINTR;
}

bool rate_claim(struct rate_sh *rate, struct rate_turn *turn, uint64_t now)
{
	uint64_t interval = atomic_load(&rate->interval_ns), next = atomic_load(&rate->next);

	turn->interval = interval;
	turn->due = 0;
	do {
		if (interval != 0 && next > now)
			return false;
		turn->due = now - next > RATE_LATE_NS ? now : next;
	} while (interval != 0 && !atomic_compare_exchange_weak(&rate->next, &next, turn->due + interval));
	turn->ticket = 0;
	return true;
}

void rate_unclaim(struct rate_sh *rate, struct rate_turn *turn)
{
	uint64_t next = turn->due + turn->interval;

	if (turn->due != 0 && turn->interval != 0)
		atomic_compare_exchange_strong(&rate->next, &next, turn->due);
	turn->ticket = turn->due;
	turn->due = 0;
}
