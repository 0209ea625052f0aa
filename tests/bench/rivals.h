/*
 * rivals.h - who keeps sleepers running, and how each is told to: a bare loop of fork, exec and wait, ourselves, and the
 * supervisors of Debian.
 */
#ifndef YM_TESTS_RIVALS_H
#define YM_TESTS_RIVALS_H

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "figures.h"
#include "sleeper.h"

#define PROCESSES_MAX 100

struct ground {
	char dir[PATH_MAX];     /* of this run of this rival */
	char bed[PATH_MAX + 4]; /* the file that its sleepers write to */
	const char *sleeper, *yardmaster;
	unsigned processes;
	char *argv[8]; /* the supervisor's; all NULL: a loop in this program */
};

struct rival {
	const char *name;
	bool (*prepare)(struct ground *ground); /* false: it cannot be measured */
	int stop;                               /* the signal that ends it together with its children */
};

__attribute__((format(printf, 3, 4))) static inline void put_file(const char *path, mode_t mode, const char *format,
                                                                  ...)
{
	FILE *file = fopen(path, "w");
	va_list args;

	if (!file)
		die(path);
	va_start(args, format);
	vfprintf(file, format, args);
	va_end(args);
	fclose(file);
	chmod(path, mode);
}

static inline char *text_of(const char *format, const char *text)
{
	char *made = NULL;

	if (asprintf(&made, format, text) < 0)
		die("asprintf");
	return made;
}

static inline bool installed(const char *name)
{
	char *command = text_of("command -v %s >/dev/null", name);
	bool there = system(command) == 0;

	free(command);
	return there;
}

/* ---- the bare loop --------------------------------------------------------------------------- */

static inline bool prepare_bare(struct ground *ground)
{
	ground->argv[0] = NULL;
	return true;
}

static inline pid_t bare_child(const struct ground *ground, const sigset_t *signals)
{
	pid_t pid = fork();

	if (pid == 0) {
		sigprocmask(SIG_UNBLOCK, signals, NULL);
		execl(ground->sleeper, ground->sleeper, ground->bed, (char *)NULL);
		_exit(127);
	}
	return pid;
}

/* The least that a supervisor can do. */
static inline void bare_loop(const struct ground *ground)
{
	static pid_t children[PROCESSES_MAX];
	sigset_t signals;
	pid_t pid;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	for (unsigned i = 0; i < ground->processes; i++)
		children[i] = bare_child(ground, &signals);
	while (sigwaitinfo(&signals, NULL) == SIGCHLD)
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			for (unsigned i = 0; i < ground->processes; i++)
				if (children[i] == pid)
					children[i] = bare_child(ground, &signals);
	for (unsigned i = 0; i < ground->processes; i++)
		kill(children[i], SIGTERM);
	while (waitpid(-1, NULL, 0) > 0)
		;
	_exit(0);
}

/* ---- supervisors with one file --------------------------------------------------------------- */

#define PROGRAM                                                                                                        \
	"[program:sleeper]\ncommand = %s %s\nnumprocs = %u\nprocess_name = %%(program_name)s_%%(process_num)02d\n"     \
	"autorestart = true\n"

static inline bool prepare_yardmaster(struct ground *ground)
{
	char *ini = text_of("%s/yardmaster.ini", ground->dir);
	char *check = NULL;
	bool known;

	put_file(ini, 0644, "[yardmaster]\ninstance = rival\ndirectory = %s/run\nlog_level = error\n" PROGRAM,
	         ground->dir, ground->sleeper, ground->bed, ground->processes);
	if (asprintf(&check, "%s check %s >/dev/null 2>&1", ground->yardmaster, ini) < 0)
		die("asprintf");
	known = system(check) == 0;
	free(check);
	ground->argv[0] = text_of("%s", ground->yardmaster);
	ground->argv[1] = text_of("%s", "run");
	ground->argv[2] = ini;
	return known;
}

static inline bool prepare_supervisord(struct ground *ground)
{
	char *conf = text_of("%s/supervisord.conf", ground->dir);

	put_file(conf, 0644,
	         "[supervisord]\nnodaemon = true\nlogfile = /dev/null\nlogfile_maxbytes = 0\npidfile = %s/pid\n"
	         "childlogdir = %s\n" PROGRAM,
	         ground->dir, ground->dir, ground->sleeper, ground->bed, ground->processes);
	ground->argv[0] = text_of("%s", "supervisord");
	ground->argv[1] = text_of("%s", "-n");
	ground->argv[2] = text_of("%s", "-c");
	ground->argv[3] = conf;
	return installed("supervisord");
}

/* ---- supervisors with a directory for each service ------------------------------------------- */

static inline bool prepare_services(struct ground *ground, const char *name)
{
	char *scan = text_of("%s/scan", ground->dir);

	mkdir(scan, 0755);
	for (unsigned i = 0; i < ground->processes; i++) {
		char path[PATH_MAX + 32];

		snprintf(path, sizeof(path), "%s/%u", scan, i);
		mkdir(path, 0755);
		snprintf(path, sizeof(path), "%s/%u/run", scan, i);
		put_file(path, 0755, "#!/bin/sh\nexec %s %s\n", ground->sleeper, ground->bed);
	}
	/* runsvdir waits for a second if this was changed just now. */
	utimensat(AT_FDCWD, scan, (struct timespec[2]){{0}, {0}}, 0);
	ground->argv[0] = text_of("%s", name);
	ground->argv[1] = scan;
	return installed(name);
}

static inline bool prepare_s6(struct ground *ground)
{
	return prepare_services(ground, "s6-svscan");
}

static inline bool prepare_runit(struct ground *ground)
{
	return prepare_services(ground, "runsvdir");
}

/* The bare loop comes first: all others are compared with it. */
static const struct rival rivals[] = {
    {"bare", prepare_bare, SIGTERM},
    {"yardmaster", prepare_yardmaster, SIGTERM},
    {"supervisord", prepare_supervisord, SIGTERM},
    {"s6", prepare_s6, SIGTERM},
    {"runit", prepare_runit, SIGHUP},
};
#define RIVALS (sizeof(rivals) / sizeof(rivals[0]))

/* ---- running one ----------------------------------------------------------------------------- */

struct running {
	pid_t pid;
	uint64_t begun;
	struct bed_sh *bed;
	struct ground ground;
};

static inline void launch_rival(struct running *running)
{
	running->begun = ym_now_ns();
	running->pid = fork();
	if (running->pid != 0)
		return;
	if (running->ground.argv[0]) {
		int null = open("/dev/null", O_RDWR);

		for (int fd = 0; fd <= STDERR_FILENO; fd++)
			dup2(null, fd);
		execvp(running->ground.argv[0], running->ground.argv);
		_exit(127);
	}
	bare_loop(&running->ground);
}

/* When the sleepers after the first `before` began to run, the last of them; waits for `more`. */
static inline uint64_t await_sleepers(const struct running *running, unsigned before, unsigned more)
{
	uint64_t deadline = ym_deadline(30000), last = 0;

	for (unsigned i = before; i < before + more; i++) {
		while (!atomic_load(&running->bed->rows[i].pid)) {
			if (ym_now_ns() > deadline)
				die("no sleeper comes");
			usleep(500);
		}
		if (running->bed->rows[i].since > last)
			last = running->bed->rows[i].since;
	}
	return last;
}

/* `dir` must be new. False: this rival cannot be measured. */
static inline bool start_rival(const struct rival *rival, struct running *running)
{
	int fd;

	if (mkdir(running->ground.dir, 0755) < 0)
		die(running->ground.dir);
	snprintf(running->ground.bed, sizeof(running->ground.bed), "%s/bed", running->ground.dir);
	if (!rival->prepare(&running->ground))
		return false;
	fd = open(running->ground.bed, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof(struct bed_sh)) < 0 || !(running->bed = sleeper_bed(fd)))
		die(running->ground.bed);
	close(fd);
	launch_rival(running);
	return true;
}

static inline void end_rival(struct running *running)
{
	munmap(running->bed, sizeof(*running->bed));
	for (char **arg = running->ground.argv; *arg; arg++) {
		free(*arg);
		*arg = NULL;
	}
}

#endif
