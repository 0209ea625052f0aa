/* mover.c - a task that does nothing but report how far it is, a hundred times a second, until it is cancelled. */
#include <time.h>

#include <yardmaster/plugin.h>

#define STEPS 3000

static int run(ym_job *job)
{
	const struct timespec pause = {.tv_nsec = 10000000};

	for (uint64_t i = 1; !ym_cancelled(job); i = i % STEPS + 1) {
		ym_progress(job, i, STEPS, "step %llu", (unsigned long long)i);
		nanosleep(&pause, NULL);
	}
	return YM_CANCELLED;
}

YM_PLUGIN("mover", .run = run);
