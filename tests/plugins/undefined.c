/* undefined.c - calls a function that nobody defines. */
#include <yardmaster/plugin.h>

int nobody_defines_this(ym_job *job);

static int run(ym_job *job)
{
	return nobody_defines_this(job);
}

YM_PLUGIN("undefined", .run = run);
