/* describe.c - the result is everything that a task is told: pool, options, tag, attempt. */
#include <stdio.h>
#include <string.h>

#include <yardmaster/plugin.h>

static const struct ym_plugin_config *config;

static int open_describe(const struct ym_plugin_config *given, char *error, size_t size)
{
	(void)error;
	(void)size;
	config = given;
	return 0;
}

static int run(ym_job *job)
{
	char text[512];
	size_t used = (size_t)snprintf(text, sizeof(text), "pool=%s tag=%s attempt=%u/%u", config->pool, ym_tag(job),
	                               ym_attempt(job), ym_attempts(job));

	for (size_t i = 0; i < config->noptions && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, " %s=%s", config->options[i].key,
		                         config->options[i].value);
	return ym_result(job, text, strlen(text)) == 0 ? YM_OK : YM_FAIL;
}

YM_PLUGIN("describe", .open = open_describe, .run = run);
