/* pace.c - rates from looks. */
#include "pace.h"

/* The part that the rate before has in the next one. */
#define SMOOTH 0.6

void pace_note(struct pace *pace, unsigned attempt, uint64_t done, uint64_t now)
{
	double rate;

	if (pace->at == 0 || attempt != pace->attempt || done < pace->done) {
		*pace = (struct pace){.at = now, .done = done, .attempt = attempt};
		return;
	}
	if (now - pace->at < PACE_SPAN_NS || done == pace->done)
		return;
	pace->step = done - pace->done;
	rate = (double)pace->step * 1e9 / (double)(now - pace->at);
	pace->rate = pace->rate > 0 ? SMOOTH * pace->rate + (1 - SMOOTH) * rate : rate;
	pace->done = done;
	pace->at = now;
}

double pace_rate(const struct pace *pace, uint64_t now)
{
	double silent;

	if (now <= pace->at)
		return pace->rate;
	silent = (double)pace->step * 1e9 / (double)(now - pace->at);
	return silent < pace->rate ? silent : pace->rate;
}

uint64_t pace_eta(const struct pace *pace, uint64_t done, uint64_t total, uint64_t now)
{
	double rate = pace_rate(pace, now), left;

	if (rate <= 0 || total == 0 || done > total)
		return YM_NEVER;
	left = (double)(total - done) / rate * 1e9;
	/* Some centuries are for ever. */
	return left < 9e18 ? (uint64_t)left : YM_NEVER;
}
