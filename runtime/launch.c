/* launch.c - what a new process needs is got ready, the process made, and its report understood. */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../ipc/clock.h"
#include "launch_self.h"

/* Of the child until execve(): a few calls deep, and a page for execve() itself. */
#define CHILD_STACK 32768

/* How long one that was killed may take to end. */
#define KILLED_PATIENCE_MS 1000

enum { READ_END, WRITE_END };

struct preparation {
	struct launch_order order;
	char **paths, **env;
	int output[2], errors[2], report[2];
};

static int no_memory(struct ym_err *err)
{
	return ym_fail(err, YM_ERR_LIMIT, "out of memory to start a process");
}

/* ---- the program and its environment --------------------------------------------------------- */

static void free_list(char **list)
{
	for (char **entry = list; list && *entry; entry++)
		free(*entry);
	free(list);
}

/*
 * What may be executed, in turn. Parts of PATH that are not absolute are left out: what they mean would depend on where the
 * process stands. A relative file is taken from its directory.
 */
static char **list_paths(const char *file, const char *search, const struct persona *persona)
{
	const char *directory = persona && persona->directory && file[0] != '/' ? persona->directory : NULL;
	size_t count = 0, room = 2;
	char **paths;

	for (const char *at = search; search && *at; at++)
		room += *at == ':';
	paths = calloc(room, sizeof(*paths));
	if (!paths)
		return NULL;
	if (!search) {
		if (asprintf(&paths[0], "%s%s%s", directory ? directory : "", directory ? "/" : "", file) >= 0)
			return paths;
		free(paths);
		return NULL;
	}
	for (const char *at = search; at; at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL) {
		if (at[0] != '/')
			continue;
		if (asprintf(&paths[count], "%.*s/%s", (int)strcspn(at, ":"), at, file) < 0) {
			paths[count] = NULL;
			free_list(paths);
			return NULL;
		}
		count++;
	}
	return paths;
}

static const char *find_in(char *const *env, const char *name)
{
	for (; *env; env++)
		if (persona_sets(*env, name))
			return *env + strlen(name) + 1;
	return NULL;
}

/* PATH for a file that must be looked up, NULL for others. */
static const char *search_for(const char *file, char *const *env)
{
	const char *path = find_in(env, "PATH");

	if (strchr(file, '/'))
		return NULL;
	return path ? path : PERSONA_PATH;
}

static bool sets_any(const char *const *entries, const char *name)
{
	for (; entries && *entries; entries++)
		if (persona_sets(*entries, name))
			return true;
	return false;
}

/* Each name once: what `environment` says, then what the launch says, then what is inherited. Only the array is new. */
static char **make_env(const struct launch *launch)
{
	const struct persona *persona = launch->persona;
	char **theirs = persona ? persona->env : environ, **env;
	size_t asked = persona ? persona->nasked : 0, room = 1, count = 0;

	for (char **entry = theirs; *entry; entry++)
		room++;
	for (const char *const *entry = launch->env; entry && *entry; entry++)
		room++;
	env = calloc(room, sizeof(*env));
	if (!env)
		return NULL;
	for (size_t i = 0; theirs[i]; i++)
		if (i < asked || !sets_any(launch->env, theirs[i]))
			env[count++] = theirs[i];
	for (const char *const *entry = launch->env; entry && *entry; entry++) {
		bool taken = false;

		for (size_t i = 0; i < asked && !taken; i++)
			taken = persona_sets(theirs[i], *entry);
		if (!taken)
			env[count++] = (char *)(uintptr_t)*entry; /* execve() wants it so */
	}
	return env;
}

static bool can_execute(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

int launch_find(const char *file, const struct persona *persona, char *path, struct ym_err *err)
{
	const char *name = file ? file : LAUNCH_SELF, *search = search_for(name, persona ? persona->env : environ);
	char **paths = list_paths(name, search, persona), **at = paths;
	int length = PATH_MAX;

	if (!paths)
		return no_memory(err);
	while (*at && !can_execute(*at))
		at++;
	if (*at)
		length = snprintf(path, PATH_MAX, "%s", *at);
	free_list(paths);
	if (length < PATH_MAX)
		return 0;
	if (search)
		return ym_fail(err, YM_ERR_CONFIG, "there is no program \"%s\" in PATH=%s", name, search);
	return ym_fail(err, YM_ERR_CONFIG, "\"%s\" is no file that can be executed", name);
}

/* ---- pipes and files ------------------------------------------------------------------------- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_pair(int pair[2])
{
	close_fd(&pair[READ_END]);
	close_fd(&pair[WRITE_END]);
}

static int open_pipe(int pair[2], const struct persona *persona, const char *purpose, struct ym_err *err)
{
	if (pipe2(pair, O_CLOEXEC) < 0) {
		pair[READ_END] = pair[WRITE_END] = -1;
		return ym_fail_sys(err, errno, "pipe2() for %s of a process", purpose);
	}
	if (fcntl(pair[READ_END], F_SETFL, O_NONBLOCK) < 0)
		return ym_fail_sys(err, errno, "fcntl(F_SETFL, O_NONBLOCK) for %s of a process", purpose);
	/* Or another user could not open /dev/stdout, which is what programs are told to log to. */
	if (persona && persona->other && fchown(pair[WRITE_END], persona->uid, (gid_t)-1) < 0)
		return ym_fail_sys(err, errno, "fchown(pipe, %u) for %s of a process of another user",
		                   (unsigned)persona->uid, purpose);
	return 0;
}

static void add_move(struct launch_order *order, int from, int to)
{
	order->moves[order->nmoves++] = (struct launch_move){.from = from, .to = to};
	if (to >= order->above)
		order->above = to + 1;
}

static int prepare_files(struct preparation *preparation, struct ym_err *err)
{
	struct launch_order *order = &preparation->order;
	const struct launch *launch = order->launch;
	int out, errors;

	if (pipe2(preparation->report, O_CLOEXEC) < 0) {
		preparation->report[READ_END] = preparation->report[WRITE_END] = -1;
		return ym_fail_sys(err, errno, "pipe2() to hear how the start of a process went");
	}
	order->report_to = preparation->report[WRITE_END];
	if (launch->output && open_pipe(preparation->output, launch->persona, "the output", err) < 0)
		return -1;
	if (launch->errors && open_pipe(preparation->errors, launch->persona, "the errors", err) < 0)
		return -1;
	order->moves = calloc(3 + launch->nfds, sizeof(*order->moves));
	if (!order->moves)
		return no_memory(err);
	out = preparation->output[WRITE_END];
	errors = launch->errors ? preparation->errors[WRITE_END] : out;
	order->above = STDERR_FILENO + 1;
	add_move(order, -1, STDIN_FILENO);
	if (out >= 0)
		add_move(order, out, STDOUT_FILENO);
	if (errors >= 0)
		add_move(order, errors, STDERR_FILENO);
	order->noutputs = order->nmoves - 1;
	for (size_t i = 0; i < launch->nfds; i++)
		add_move(order, launch->fds[i].from, launch->fds[i].to);
	return 0;
}

static int prepare(struct preparation *preparation, struct ym_err *err)
{
	struct launch_order *order = &preparation->order;
	const char *file = launch_program(order->launch);

	if (order->persona && order->persona->cgroup_memory && !order->persona->cgroup)
		return ym_fail(err, YM_ERR_BUG, "cannot start \"%s\": its cgroup was not made", file);
	preparation->env = make_env(order->launch);
	if (!preparation->env)
		return no_memory(err);
	order->env = preparation->env;
	order->search = search_for(file, order->env);
	preparation->paths = list_paths(file, order->search, order->persona);
	if (!preparation->paths)
		return no_memory(err);
	order->paths = preparation->paths;
	return prepare_files(preparation, err);
}

static void discard(struct preparation *preparation)
{
	free_list(preparation->paths);
	free(preparation->env);
	free(preparation->order.moves);
	close_pair(preparation->output);
	close_pair(preparation->errors);
	close_pair(preparation->report);
}

/* ---- the process ----------------------------------------------------------------------------- */

/* Also the two signals that the C library keeps back from its own sigprocmask(). */
static void block_signals(uint64_t before[2])
{
	static const uint64_t all[2] = {UINT64_MAX, UINT64_MAX};

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, all, before, (size_t)NSIG / 8);
}

static pid_t make_process(struct launch_order *order, int *pidfd, struct ym_err *err)
{
	_Alignas(16) char stack[CHILD_STACK];
	int flags = CLONE_PIDFD | SIGCHLD, sys;
	uint64_t before[2] = {0};
	pid_t pid;

	/*
	 * Whose user or group changes must not be in our memory: he could be traced, and the kernel would take away what
	 * lets us write a core dump.
	 */
	if (!order->persona || !order->persona->change_ids)
		flags |= CLONE_VM | CLONE_VFORK;
	order->parent = getpid();
	block_signals(before);
	pid = clone(launch_child, stack + sizeof(stack), flags, order, pidfd);
	sys = errno;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, before, NULL, (size_t)NSIG / 8);
	if (pid >= 0)
		return pid;
	ym_fail(err, YM_ERR_LIMIT, "clone() to start \"%s\": %s%s", launch_program(order->launch), strerror(sys),
	        sys == EAGAIN ? " (the limit on processes is reached: ulimit -u, TasksMax= of systemd, kernel.pid_max)"
	                      : "");
	if (err)
		err->sys = sys;
	return -1;
}

static void reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

/* Is there something to read before the deadline? */
static bool await(int fd, int patience_ms)
{
	struct pollfd look = {.fd = fd, .events = POLLIN};
	uint64_t deadline = ym_deadline(patience_ms);
	int n, left;

	do {
		uint64_t now = ym_now_ns();

		left = now < deadline ? (int)((deadline - now) / 1000000u) + 1 : 0;
		n = poll(&look, 1, left);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

/* 0: it is executed. */
static int hear_report(struct preparation *preparation, pid_t pid, int pidfd, struct ym_err *err)
{
	struct launch_report report;
	ssize_t n;

	close_fd(&preparation->report[WRITE_END]);
	if (!await(preparation->report[READ_END], LAUNCH_PATIENCE_MS)) {
		kill(pid, SIGKILL);
		/* One that hangs in the kernel cannot be waited for; it will never run. */
		if (await(pidfd, KILLED_PATIENCE_MS))
			reap(pid);
		return ym_fail(err, YM_ERR_SYSTEM,
		               "cannot start \"%s\": process %ld was not executed within %d ms and is killed: somebody "
		               "stopped it, or its directory or file is on a file system that does not answer",
		               launch_program(preparation->order.launch), (long)pid, LAUNCH_PATIENCE_MS);
	}
	do
		n = read(preparation->report[READ_END], &report, sizeof(report));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	reap(pid);
	if (n == (ssize_t)sizeof(report))
		return launch_tell(&preparation->order, &report, err);
	return ym_fail(err, YM_ERR_BUG, "cannot start \"%s\": no report from its process",
	               launch_program(preparation->order.launch));
}

pid_t launch(const struct launch *launch, int *pidfd, struct ym_err *err)
{
	struct preparation preparation = {.order = {.launch = launch, .persona = launch->persona},
	                                  .output = {-1, -1},
	                                  .errors = {-1, -1},
	                                  .report = {-1, -1}};
	pid_t pid = -1;

	if (prepare(&preparation, err) == 0) {
		pid = make_process(&preparation.order, pidfd, err);
		if (pid >= 0 && hear_report(&preparation, pid, *pidfd, err) < 0) {
			close(*pidfd);
			pid = -1;
		}
	}
	if (pid >= 0 && launch->output) {
		*launch->output = preparation.output[READ_END];
		preparation.output[READ_END] = -1;
	}
	if (pid >= 0 && launch->errors) {
		*launch->errors = preparation.errors[READ_END];
		preparation.errors[READ_END] = -1;
	}
	discard(&preparation);
	return pid;
}
