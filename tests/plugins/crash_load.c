/* crash_load.c - a plugin whose constructor crashes while it is loaded. */
#include <signal.h>

#include <yardmaster/plugin.h>

__attribute__((constructor)) static void crash(void)
{
	raise(SIGSEGV);
}

static int run(ym_job *job)
{
	(void)job;
	return YM_OK;
}

YM_PLUGIN("crash_load", .run = run);
