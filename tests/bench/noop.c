/* noop.c - a task that does nothing: what is left is the cost of Yardmaster. */
#include <yardmaster/plugin.h>

static int run(ym_job *job)
{
	(void)job;
	return YM_OK;
}

YM_PLUGIN("noop", .run = run);
