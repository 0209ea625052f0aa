/*
 * exclusive.c - finds out whether two jobs ever run at the same time: each holds the file of option.file, made with
 * O_EXCL, for as many milliseconds as the payload says. Who finds it taken fails at once.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <yardmaster/plugin.h>

static const char *path;

static int open_exclusive(const struct ym_plugin_config *config, char *error, size_t size)
{
	path = ym_option(config, "file", NULL);
	if (path)
		return 0;
	snprintf(error, size, "option.file is missing");
	return -1;
}

static int run(ym_job *job)
{
	long ms = strtol(ym_payload(job, NULL), NULL, 10);
	const struct timespec hold = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0) {
		ym_error(job, "another job is running");
		return YM_FAIL;
	}
	close(fd);
	nanosleep(&hold, NULL);
	unlink(path);
	return YM_OK;
}

YM_PLUGIN("exclusive", .open = open_exclusive, .run = run);
