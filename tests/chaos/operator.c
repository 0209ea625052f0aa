/* operator.c - commands in the background. */
#include "operator.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "../../ipc/sys.h"
#include "site.h"

#define COMMANDS_MAX   8
#define WORKERS_MAX    5
#define SETTLE_MS      20000
#define SETTLE_WAIT_MS 50

static pid_t commands[COMMANDS_MAX];

/* `verb` may be followed by two words, NULL: none. */
static pid_t command(const char *verb, const char *first, const char *second)
{
	pid_t pid = fork();

	if (pid < 0)
		site_die("fork");
	if (pid == 0) {
		char path[PATH_MAX + 16];
		int fd;

		snprintf(path, sizeof(path), "%s/orders", site.dir);
		fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execl(site.program, site.program, verb, "-c", site.ini, first, second, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void order(const char *verb, const char *first, const char *second)
{
	for (unsigned i = 0; i < COMMANDS_MAX; i++) {
		if (commands[i])
			continue;
		commands[i] = command(verb, first, second);
		return;
	}
}

bool operator_tend(void)
{
	bool others = false;

	for (unsigned i = 0; i < COMMANDS_MAX; i++) {
		if (commands[i] && waitpid(commands[i], NULL, WNOHANG) == commands[i])
			commands[i] = 0;
		others |= commands[i] != 0;
	}
	return others;
}

/* What is checked of a pool with a rate depends on the number of its workers. */
static enum site_pool some_pool(void)
{
	enum site_pool pool = (enum site_pool)site_pick(SITE_POOLS);

	return pool == SITE_rated ? SITE_plain : pool;
}

void operator_scale(void)
{
	char size[24];

	if (site_pick(2))
		snprintf(size, sizeof(size), "%u", 1 + site_pick(WORKERS_MAX));
	else
		snprintf(size, sizeof(size), "1..%u", 2 + site_pick(WORKERS_MAX));
	order("scale", site_pools[some_pool()], size);
}

void operator_restart(void)
{
	order("restart", site_pools[some_pool()], site_pick(4) ? NULL : "single");
}

void operator_upgrade(void)
{
	order("upgrade", NULL, NULL);
}

void operator_reload(void)
{
	struct site_shape shape = {.extra = site_pick(2) == 0, .attempts = 250 + site_pick(5)};

	shape.changed = some_pool();
	shape.workers = 1 + site_pick(WORKERS_MAX);
	shape.note = site_pick(3);
	site_write_ini(&shape);
	order("reload", NULL, NULL);
}

void operator_settle(void)
{
	uint64_t deadline = ym_deadline(SETTLE_MS);
	int status = -1;

	site_write_ini(&(struct site_shape)SITE_SHAPE_INIT);
	while (ym_now_ns() < deadline) {
		if (waitpid(command("reload", NULL, NULL), &status, 0) > 0 && status == 0)
			return;
		site_await_master();
		site_nap(SETTLE_WAIT_MS);
	}
	site_problem("the master does not take the configuration of the beginning (exit code %d)", WEXITSTATUS(status));
}
