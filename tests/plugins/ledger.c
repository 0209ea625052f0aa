/*
 * ledger.c - payload "ID MS": writes down in the file of option.file when a run starts ("ID ATTEMPT PID") and when it
 * ends ("done ID ATTEMPT PID"), MS milliseconds later, or "back ID ATTEMPT PID" when it was asked to stop. With "ID gate"
 * it ends when there is a file of that name with ".gate" behind it. Every line is one write with O_APPEND, so that
 * nothing can come between its bytes and a killed process leaves whole lines only. option.open_ms: opening takes so long.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <yardmaster/plugin.h>

#define STEP_MS 2

static int file;
static char gate[PATH_MAX];

static int open_ledger(const struct ym_plugin_config *config, char *error, size_t size)
{
	usleep((useconds_t)atoi(ym_option(config, "open_ms", "0")) * 1000);
	snprintf(gate, sizeof(gate), "%s.gate", ym_option(config, "file", ""));
	file = open(ym_option(config, "file", ""), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
	if (file >= 0)
		return 0;
	snprintf(error, size, "option.file cannot be opened");
	return -1;
}

static int note(const ym_job *job, const char *word, uint64_t id)
{
	char line[96];
	int length = snprintf(line, sizeof(line), "%s%" PRIu64 " %u %ld\n", word, id, ym_attempt(job), (long)getpid());

	return write(file, line, (size_t)length) == length ? 0 : -1;
}

static int run(ym_job *job)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000};
	const char *payload = ym_payload(job, NULL);
	uint64_t id, ms = 0;
	bool gated = strstr(payload, " gate");

	if (sscanf(payload, "%" SCNu64 " %" SCNu64, &id, &ms) != (gated ? 1 : 2)) {
		ym_error(job, "the payload must be: ID MS, or: ID gate");
		return YM_FAIL;
	}
	if (note(job, "", id) < 0)
		return YM_RETRY;
	for (uint64_t done = 0; gated ? access(gate, F_OK) < 0 : done < ms; done += STEP_MS) {
		if (ym_cancelled(job)) {
			note(job, "back ", id);
			return YM_CANCELLED;
		}
		nanosleep(&step, NULL);
		ym_progress(job, done + STEP_MS, ms, NULL);
	}
	return note(job, "done ", id) == 0 ? YM_OK : YM_RETRY;
}

YM_PLUGIN("ledger", .open = open_ledger, .run = run);
