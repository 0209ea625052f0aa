/*
 * stalls.c - its first attempt is stopped (SIGSTOP) while its result is written down: that is longer than the files which
 * the process may write. Payload: "NAME", a file that gets a line with the pid when run() has come to its end.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <yardmaster/plugin.h>

#define RESULT_BYTES 1000
#define FILE_BYTES   500

static void stop(int signo)
{
	(void)signo;
	raise(SIGSTOP);
}

static int run(ym_job *job)
{
	static const char result[RESULT_BYTES];
	const struct rlimit limit = {FILE_BYTES, FILE_BYTES};
	FILE *file = fopen(ym_payload(job, NULL), "a");

	if (!file)
		return YM_FAIL;
	fprintf(file, "%ld\n", (long)getpid());
	fclose(file);
	if (ym_attempt(job) == 1) {
		signal(SIGXFSZ, stop);
		setrlimit(RLIMIT_FSIZE, &limit);
	}
	return ym_result(job, result, sizeof(result)) == 0 ? YM_OK : YM_FAIL;
}

YM_PLUGIN("stalls", .run = run);
