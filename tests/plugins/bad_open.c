/* bad_open.c - does not open until the file of option.file exists. */
#include <stdio.h>
#include <unistd.h>

#include <yardmaster/plugin.h>

static int open_bad(const struct ym_plugin_config *config, char *error, size_t size)
{
	const char *path = ym_option(config, "file", "");

	if (access(path, F_OK) == 0)
		return 0;
	snprintf(error, size, "the server does not answer");
	return -1;
}

static int run(ym_job *job)
{
	return ym_result(job, "open", 4) == 0 ? YM_OK : YM_FAIL;
}

YM_PLUGIN("bad_open", .open = open_bad, .run = run);
