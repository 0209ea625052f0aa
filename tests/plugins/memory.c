/*
 * memory.c - payload "MIB MS": fills so much memory, keeps it for good, and goes on for so long; the result is the pid of
 * its worker.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <yardmaster/plugin.h>

#define STEP_MS 5

static char *kept;

static int run(ym_job *job)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000};
	unsigned long mib, ms;
	char text[32];

	if (sscanf(ym_payload(job, NULL), "%lu %lu", &mib, &ms) != 2)
		return YM_FAIL;
	free(kept);
	kept = malloc(mib << 20);
	if (!kept)
		return YM_RETRY;
	/* Said before: the master may find it too large while it fills them. */
	ym_progress(job, 1, 2, "%lu MiB are being filled", mib);
	memset(kept, 1, mib << 20);
	for (unsigned long done = 0; done < ms && !ym_cancelled(job); done += STEP_MS)
		nanosleep(&step, NULL);
	snprintf(text, sizeof(text), "%ld", (long)getpid());
	return ym_result(job, text, strlen(text)) == 0 ? YM_OK : YM_FAIL;
}

YM_PLUGIN("memory", .run = run);
