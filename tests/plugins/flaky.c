/* flaky.c - payload "N": asks for another attempt N times, then its result is the number of the attempt. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yardmaster/plugin.h>

static int run(ym_job *job)
{
	unsigned long failures = strtoul(ym_payload(job, NULL), NULL, 10);
	char text[16];

	if (ym_attempt(job) <= failures) {
		ym_error(job, "attempt %u of %u was not enough", ym_attempt(job), ym_attempts(job));
		return YM_RETRY;
	}
	snprintf(text, sizeof(text), "%u", ym_attempt(job));
	return ym_result(job, text, strlen(text)) == 0 ? YM_OK : YM_FAIL;
}

YM_PLUGIN("flaky", .run = run);
