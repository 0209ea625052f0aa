/* crash.c - payload "segv", "abort" or "exit": ends its worker that way. Anything else: ends well. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <yardmaster/plugin.h>

static int run(ym_job *job)
{
	const char *how = ym_payload(job, NULL);

	ym_progress(job, 3, 7, "about to %s", how);
	if (strcmp(how, "segv") == 0)
		raise(SIGSEGV);
	if (strcmp(how, "abort") == 0)
		abort();
	if (strcmp(how, "exit") == 0)
		exit(9);
	return YM_OK;
}

YM_PLUGIN("crash", .run = run);
