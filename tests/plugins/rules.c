/*
 * rules.c - payload "MODE ARGUMENT"; writes what happens, a line each, to the file of option.file:
 * "WORD NAME ATTEMPT PID NANOSECONDS", the name from option.name, the moment of CLOCK_MONOTONIC.
 *
 *   asked          ends when it is asked to
 *   term           ends at the SIGTERM after that
 *   kill           ends at neither
 *   report MS      works so long and reports progress
 *   touch MS       works so long and says no more than that it is alive
 *   quiet MS       works so long and says nothing
 *   until PATH     works until there is such a file, or it is asked to end
 *   mark           notes the moment
 *   crash          says its last words and dies
 *
 * The first line of a run is "start", or "twice" when another one runs at the same time: each holds a lock on the file
 * option.lock, if there is one, which is free again when its process is dead.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <yardmaster/plugin.h>

#define STEP_MS 5

static int file, lock = -1;
static const char *name;

static int open_rules(const struct ym_plugin_config *config, char *error, size_t size)
{
	const char *path = ym_option(config, "lock", "");

	name = ym_option(config, "name", "-");
	file = open(ym_option(config, "file", ""), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
	if (*path)
		lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (file >= 0 && (!*path || lock >= 0))
		return 0;
	snprintf(error, size, "option.file or option.lock cannot be opened");
	return -1;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int note(const ym_job *job, const char *word)
{
	char line[160];
	int length = snprintf(line, sizeof(line), "%s %s %u %ld %llu\n", word, name, ym_attempt(job), (long)getpid(),
	                      (unsigned long long)now_ns());

	return write(file, line, (size_t)length) == length ? YM_OK : YM_FAIL;
}

static void step(void)
{
	nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000}, NULL);
}

/* SIGTERM is let in only while we sleep for it: however slow the machine is, it cannot come unseen. */
static int endure(ym_job *job, bool to_the_end)
{
	sigset_t term, before;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	while (!ym_cancelled(job))
		step();
	note(job, "asked");
	sigsuspend(&before);
	note(job, "term");
	while (to_the_end)
		pause();
	sigprocmask(SIG_SETMASK, &before, NULL);
	return YM_CANCELLED;
}

static int work(ym_job *job, const char *mode, uint64_t ms)
{
	uint64_t start = now_ns(), passed;

	while ((passed = (now_ns() - start) / 1000000) < ms) {
		if (ym_cancelled(job))
			return YM_CANCELLED;
		if (strcmp(mode, "report") == 0)
			ym_progress(job, passed, ms, NULL);
		else if (strcmp(mode, "touch") == 0)
			ym_touch(job);
		step();
	}
	return YM_OK;
}

static int until(ym_job *job, const char *path)
{
	while (access(path, F_OK) != 0) {
		if (ym_cancelled(job))
			return YM_CANCELLED;
		step();
	}
	return YM_OK;
}

static int crash(ym_job *job)
{
	ym_unit(job, "parts");
	ym_progress(job, 3, 9, "close to the end");
	fprintf(stderr, "words before\nlast words\n");
	fflush(stderr);
	signal(SIGSEGV, SIG_DFL); /* whoever catches it: the sanitizers */
	return raise(SIGSEGV) == 0 ? YM_OK : YM_FAIL;
}

static int act(ym_job *job)
{
	char mode[16] = "";
	const char *payload = ym_payload(job, NULL), *argument = strchr(payload, ' ');

	snprintf(mode, sizeof(mode), "%.*s", (int)strcspn(payload, " "), payload);
	argument = argument ? argument + 1 : "";
	if (strcmp(mode, "mark") == 0)
		return YM_OK;
	if (strcmp(mode, "crash") == 0)
		return crash(job);
	if (strcmp(mode, "until") == 0)
		return until(job, argument);
	if (strcmp(mode, "asked") == 0)
		return until(job, "");
	if (strcmp(mode, "term") == 0 || strcmp(mode, "kill") == 0)
		return endure(job, strcmp(mode, "kill") == 0);
	return work(job, mode, strtoul(argument, NULL, 10));
}

static int run(ym_job *job)
{
	bool alone = lock < 0 || flock(lock, LOCK_EX | LOCK_NB) == 0;
	int outcome;

	note(job, alone ? "start" : "twice");
	outcome = act(job);
	note(job, "end");
	if (lock >= 0)
		flock(lock, LOCK_UN);
	return outcome;
}

YM_PLUGIN("rules", .open = open_rules, .run = run);
