/*
 * quits.c - ends its worker without a job: with exit code option.code, option.ms milliseconds (0: never) after it was
 * opened.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include <yardmaster/plugin.h>

static int code;

static void quit(int signo)
{
	(void)signo;
	_exit(code);
}

static int open_quits(const struct ym_plugin_config *config, char *error, size_t size)
{
	long ms = atol(ym_option(config, "ms", "0"));
	struct itimerval once = {.it_value = {ms / 1000, ms % 1000 * 1000}};

	(void)error;
	(void)size;
	code = atoi(ym_option(config, "code", "0"));
	signal(SIGALRM, quit);
	return setitimer(ITIMER_REAL, &once, NULL);
}

static int run(ym_job *job)
{
	return ym_result(job, "still here", 10) == 0 ? YM_OK : YM_FAIL;
}

YM_PLUGIN("quits", .open = open_quits, .run = run);
