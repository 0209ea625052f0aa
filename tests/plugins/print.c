/* print.c - writes the payload to stdout, or to stderr with option.to = stderr, as it is. */
#include <stdio.h>
#include <string.h>

#include <yardmaster/plugin.h>

static FILE *to;

static int open_print(const struct ym_plugin_config *config, char *error, size_t size)
{
	(void)error;
	(void)size;
	to = strcmp(ym_option(config, "to", "stdout"), "stderr") == 0 ? stderr : stdout;
	return 0;
}

static int run(ym_job *job)
{
	size_t size;
	const void *data = ym_payload(job, &size);

	return fwrite(data, 1, size, to) == size && fflush(to) == 0 ? YM_OK : YM_FAIL;
}

YM_PLUGIN("print", .open = open_print, .run = run);
