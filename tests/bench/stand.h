/*
 * stand.h - an instance to measure: started, looked at, joined, stopped.
 */
#ifndef YM_TESTS_STAND_H
#define YM_TESTS_STAND_H

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../ipc/sys.h"
#include "../../runtime/view.h"
#include "figures.h"

static const char *program, *plugin;
static char dir[PATH_MAX], ini[PATH_MAX + 8];
static char stand_extra[PATH_MAX + 64]; /* one more line of [yardmaster] */
static pid_t master;

static inline void locate(struct instance *instance)
{
	struct ym_err err;

	if (instance_locate(instance, "bench", dir, &err) < 0)
		die(err.text);
}

static inline unsigned idle_workers(void)
{
	struct instance instance;
	unsigned n = 0;

	locate(&instance);
	if (instance_view(&instance, NULL) < 0)
		return 0;
	for (uint32_t i = 0; i < instance.board->instance.rows; i++) {
		struct board_work work;

		n += atomic_load(&instance.board->workers[i].used) &&
		     board_read_work(&instance.board->workers[i], &work) && work.state == BOARD_WORKER_IDLE;
	}
	instance_unview(&instance);
	return n;
}

/* One pool of `workers` and with this task ("plugin = ..."), a table of so many jobs. */
static inline void start(const char *task, unsigned workers, unsigned jobs)
{
	FILE *file = fopen(ini, "w");

	if (!file)
		die(ini);
	fprintf(file,
	        "[yardmaster]\ninstance = bench\ndirectory = %s\nlog_level = error\njobs = %u\n%s\n"
	        "[pool:bench]\n%s\nworkers = %u\nstartsecs = 0\nrestart_delay = 0\n",
	        dir, jobs, stand_extra, task, workers);
	fclose(file);
	master = fork();
	if (master == 0) {
		execl(program, program, "run", ini, (char *)NULL);
		_exit(127);
	}
	while (idle_workers() < workers) {
		if (waitpid(master, NULL, WNOHANG) == master)
			die("the master ended");
		/* Looking costs what the workers need to come up. */
		ym_nap(2000000);
	}
}

static inline void stop(void)
{
	kill(master, SIGTERM);
	waitpid(master, NULL, 0);
}

static inline void join(struct instance *instance)
{
	struct ym_err err;

	locate(instance);
	if (instance_join(instance, "client", NULL, &err) < 0)
		die(err.text);
}

/* Arguments, and a directory of our own. */
static inline void set_up(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: %s YARDMASTER NOOP_PLUGIN\n", argv[0]);
		exit(2);
	}
	program = realpath(argv[1], NULL);
	plugin = realpath(argv[2], NULL);
	snprintf(dir, sizeof(dir), "%s/bench-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!program || !plugin || !mkdtemp(dir))
		die("set-up");
	snprintf(ini, sizeof(ini), "%s/ini", dir);
}

static inline const char *noop_task(void)
{
	static char task[PATH_MAX + 16];

	snprintf(task, sizeof(task), "plugin = %s", plugin);
	return task;
}

#endif
