/*
 * crash.c - payload "segv", "abort" or "exit": ends its worker that way; "slowly": as "exit", but the kernel has a lot to clear
 * up before it tells. Anything else: ends well.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <yardmaster/plugin.h>

#define FILES 100000

static void open_files(void)
{
	struct rlimit most;

	if (getrlimit(RLIMIT_NOFILE, &most) < 0)
		return;
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
	for (int i = 0; i < FILES && open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0; i++)
		;
}

static int run(ym_job *job)
{
	const char *how = ym_payload(job, NULL);

	ym_progress(job, 3, 7, "about to %s", how);
	if (strcmp(how, "segv") == 0)
		raise(SIGSEGV);
	if (strcmp(how, "abort") == 0)
		abort();
	if (strcmp(how, "slowly") == 0)
		open_files();
	if (strcmp(how, "exit") == 0 || strcmp(how, "slowly") == 0)
		exit(9);
	return YM_OK;
}

YM_PLUGIN("crash", .run = run);
