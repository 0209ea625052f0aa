/*
 * hello.c - the smallest complete plugin: greets the name in the payload, in a few steps with progress.
 *
 * Options of the pool: option.greeting (hello), option.steps (5), option.delay (milliseconds per step, 200).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <yardmaster/plugin.h>

static const char *greeting; /* valid until the worker ends: nothing to copy, nothing to free */
static long steps, delay_ms;

/* Called once in each worker: a wrong option is best refused here, before the first job. */
static int open_hello(const struct ym_plugin_config *config, char *error, size_t size)
{
	greeting = ym_option(config, "greeting", "hello");
	steps = strtol(ym_option(config, "steps", "5"), NULL, 10);
	delay_ms = strtol(ym_option(config, "delay", "200"), NULL, 10);
	if (steps >= 1 && steps <= 1000 && delay_ms >= 0 && delay_ms <= 60000)
		return 0;
	snprintf(error, size, "option.steps must be 1 to 1000, option.delay 0 to 60000 milliseconds");
	return -1;
}

static int run_hello(ym_job *job)
{
	const struct timespec delay = {.tv_sec = delay_ms / 1000, .tv_nsec = delay_ms % 1000 * 1000000};
	size_t size;
	const char *name = ym_payload(job, &size);
	char result[128];

	size = strcspn(name, "\n"); /* what `echo Ada | yardmaster submit hello -` ends with */
	if (size == 0 || size > 64) {
		ym_error(job, "the payload must be a name of 1 to 64 bytes");
		return YM_FAIL; /* trying again would not help; YM_RETRY is for what may pass */
	}
	ym_unit(job, "steps");
	for (long i = 0; i < steps; i++) {
		if (ym_cancelled(job))
			return YM_CANCELLED;
		nanosleep(&delay, NULL); /* here the work would be */
		ym_progress(job, (uint64_t)i + 1, (uint64_t)steps, "greeting %.*s", (int)size, name);
	}
	snprintf(result, sizeof(result), "%.50s, %.*s", greeting, (int)size, name);
	return ym_result(job, result, strlen(result)) == 0 ? YM_OK : YM_RETRY;
}

YM_PLUGIN("hello", .open = open_hello, .run = run_hello);
