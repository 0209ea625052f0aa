/*
 * sleep.c - payload "MS": sleeps that long in steps of 5 ms, with progress.
 *
 * option.obey = no: does not look at ym_cancelled().
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <yardmaster/plugin.h>

#define STEP_MS 5

static int obeys;

static int open_sleep(const struct ym_plugin_config *config, char *error, size_t size)
{
	(void)error;
	(void)size;
	obeys = strcmp(ym_option(config, "obey", "yes"), "yes") == 0;
	return 0;
}

static int run(ym_job *job)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000};
	uint64_t total = strtoul(ym_payload(job, NULL), NULL, 10);

	ym_unit(job, "ms");
	for (uint64_t done = 0; done < total; done += STEP_MS) {
		if (obeys && ym_cancelled(job))
			return YM_CANCELLED;
		nanosleep(&step, NULL);
		ym_progress(job, done + STEP_MS, total, "attempt %u", ym_attempt(job));
	}
	return ym_result(job, "slept", 5) == 0 ? YM_OK : YM_FAIL;
}

YM_PLUGIN("sleep", .open = open_sleep, .run = run);
