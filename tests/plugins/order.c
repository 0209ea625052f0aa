/* order.c - appends "ID PAYLOAD" as a line to the file of option.file: the order in which jobs really ran. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <yardmaster/plugin.h>

static int file;

static int open_order(const struct ym_plugin_config *config, char *error, size_t size)
{
	file = open(ym_option(config, "file", ""), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
	if (file >= 0)
		return 0;
	snprintf(error, size, "option.file cannot be opened");
	return -1;
}

static int run(ym_job *job)
{
	char line[128];
	int length =
	    snprintf(line, sizeof(line), "%" PRIu64 " %.80s\n", ym_job_id(job), (const char *)ym_payload(job, NULL));

	return write(file, line, (size_t)length) == length ? YM_OK : YM_FAIL;
}

YM_PLUGIN("order", .open = open_order, .run = run);
