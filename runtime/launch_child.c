/*
 * launch_child.c - what happens between clone() and execve().
 *
 * Often in the memory of the parent, while its other threads run: nothing but system calls in here, no memory is taken, no
 * lock. Those that change the user are made past the C library, which would have all threads of the parent do the
 * same. No function has variables that AddressSanitizer watches (their addresses are taken): the marks it makes would
 * outlive a child that never returns; they are fields of the order.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launch_self.h"

/* Where there are two, the one without a number has room for 16 bits only. */
#ifdef SYS_setresuid32
#define CALL(name) SYS_##name##32
#else
#define CALL(name) SYS_##name
#endif

/* Seen by nobody: the report says why. */
#define LAUNCH_FAILED 127

static int be_known(struct launch_order *order)
{
	if (!order->launch->pid_to)
		return 0;
	atomic_store(order->launch->pid_to, getpid());
	if (getppid() == order->parent)
		return 0;
	errno = ESRCH;
	return -1;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int own_group(struct launch_order *order)
{
	(void)order;
	return setpgid(0, 0);
}

static int open_null(struct launch_order *order)
{
	order->moves[0].from = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return order->moves[0].from;
}

/* "/proc/self/fd/N" without the library's printf. */
static const char *name_of(struct launch_order *order, int fd)
{
	static const char prefix[] = "/proc/self/fd/";
	unsigned number = (unsigned)fd, digits = 1, used = sizeof(prefix) - 1;

	for (unsigned i = 0; i < used; i++)
		order->name[i] = prefix[i];
	for (unsigned rest = number; rest >= 10; rest /= 10)
		digits++;
	order->name[used + digits] = '\0';
	for (unsigned i = digits; i > 0; i--, number /= 10)
		order->name[used + i - 1] = (char)('0' + number % 10);
	return order->name;
}

/* A pipe whose writer can also read never lacks a reader: no SIGPIPE when ours is gone. */
static int outlive(struct launch_order *order)
{
	if (!order->launch->outlives)
		return 0;
	for (size_t i = 1; i <= order->noutputs; i++) {
		/* Of two with the same pipe, each has its own: it is closed with the other. */
		order->moves[i].from = open(name_of(order, order->moves[i].from), O_RDWR | O_CLOEXEC);
		if (order->moves[i].from < 0)
			return -1;
	}
	return 0;
}

/* While its descriptor is what it was. */
static int enter_cgroup(struct launch_order *order)
{
	const struct persona *persona = order->persona;

	if (!persona || persona->cgroup_memory == 0)
		return 0;
	return write(persona->cgroup_procs, "0", 1) == 1 ? 0 : -1;
}

/* First all out of the way: the number that one is to have may be where another still is. */
static int lift_files(struct launch_order *order)
{
	for (size_t i = 0; i < order->nmoves; i++) {
		order->report.item = (unsigned)i;
		order->moves[i].lifted = fcntl(order->moves[i].from, F_DUPFD_CLOEXEC, order->above + 1);
		if (order->moves[i].lifted < 0)
			return -1;
	}
	if (order->report_to == order->above)
		return 0;
	if (dup3(order->report_to, order->above, O_CLOEXEC) < 0)
		return -1;
	order->report_to = order->above;
	return 0;
}

static int place_files(struct launch_order *order)
{
	for (size_t i = 0; i < order->nmoves; i++) {
		order->report.item = (unsigned)i;
		if (dup2(order->moves[i].lifted, order->moves[i].to) < 0)
			return -1;
	}
	return 0;
}

static bool is_wanted(const struct launch_order *order, int fd)
{
	for (size_t i = 0; i < order->nmoves; i++)
		if (order->moves[i].to == fd)
			return true;
	return false;
}

/* Ours are close-on-exec, those that a library or our own parent left open may be not. */
static int close_files(struct launch_order *order)
{
	for (int fd = STDERR_FILENO + 1; fd < order->above; fd++)
		if (!is_wanted(order, fd))
			close(fd);
	return close_range((unsigned)order->above + 1, UINT_MAX, 0);
}

/* ---- resources ------------------------------------------------------------------------------- */

static int set_rlimits(struct launch_order *order)
{
	const struct persona *persona = order->persona;

	for (size_t i = 0; persona && i < persona->nrlimits; i++) {
		order->report.item = (unsigned)i;
		if (syscall(SYS_prlimit64, 0, persona->rlimits[i].resource, &persona->rlimits[i].value, NULL) < 0)
			return -1;
	}
	return 0;
}

static int set_nice(struct launch_order *order)
{
	if (!order->persona || order->persona->nice == CFG_INHERIT)
		return 0;
	return setpriority(PRIO_PROCESS, 0, (int)order->persona->nice);
}

/* ---- user and groups ------------------------------------------------------------------------- */

static bool changes_ids(const struct launch_order *order)
{
	return order->persona && order->persona->change_ids;
}

static int set_groups(struct launch_order *order)
{
	if (!changes_ids(order))
		return 0;
	return (int)syscall(CALL(setgroups), order->persona->ngroups, order->persona->groups);
}

static int set_gid(struct launch_order *order)
{
	gid_t gid = changes_ids(order) ? order->persona->gid : 0;

	return changes_ids(order) ? (int)syscall(CALL(setresgid), gid, gid, gid) : 0;
}

static int set_uid(struct launch_order *order)
{
	uid_t uid = changes_ids(order) ? order->persona->uid : 0;

	return changes_ids(order) ? (int)syscall(CALL(setresuid), uid, uid, uid) : 0;
}

/* Believe nothing: filters of containers let such calls succeed that did nothing. */
static int verify_ids(struct launch_order *order)
{
	const struct persona *persona = order->persona;

	if (!changes_ids(order))
		return 0;
	if (syscall(CALL(getresuid), &order->uids[0], &order->uids[1], &order->uids[2]) < 0 ||
	    syscall(CALL(getresgid), &order->gids[0], &order->gids[1], &order->gids[2]) < 0)
		return -1;
	for (unsigned i = 0; i < 3; i++) {
		if (order->uids[i] != persona->uid || order->gids[i] != persona->gid) {
			errno = EPERM;
			return -1;
		}
	}
	if (syscall(CALL(getgroups), 0, NULL) == (long)persona->ngroups)
		return 0;
	errno = EPERM;
	return -1;
}

/* Capabilities may have survived the change of the user (securebits): then he is root in all but name. */
static int verify_no_way_back(struct launch_order *order)
{
	if (!changes_ids(order) || order->persona->uid == 0)
		return 0;
	if (syscall(CALL(setresuid), -1, 0, -1) < 0 && syscall(CALL(setresuid), 0, -1, -1) < 0)
		return 0;
	errno = EPERM;
	return -1;
}

/* ---- what is left ---------------------------------------------------------------------------- */

static int change_directory(struct launch_order *order)
{
	return order->persona && order->persona->directory ? chdir(order->persona->directory) : 0;
}

static int set_umask(struct launch_order *order)
{
	if (order->persona && order->persona->umask != CFG_INHERIT)
		umask((mode_t)order->persona->umask);
	return 0;
}

static int set_no_new_privs(struct launch_order *order)
{
	return order->persona && order->persona->no_new_privs ? prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) : 0;
}

/*
 * All at their defaults, then all let in: a handler of the parent must not run in here. Past the C library, too, which keeps
 * two signals for itself. Zeroes are that default on every machine, whatever the layout.
 */
static int reset_signals(struct launch_order *order)
{
	static const uint64_t standard[8], none[2];

	(void)order;
	for (int signo = 1; signo < NSIG; signo++)
		if (signo != SIGKILL && signo != SIGSTOP &&
		    syscall(SYS_rt_sigaction, signo, standard, NULL, (size_t)NSIG / 8) < 0)
			return -1;
	return (int)syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL, (size_t)NSIG / 8);
}

/* As in a shell: a directory that lacks the program is passed over, one where it may not be used is remembered. */
static int execute(struct launch_order *order)
{
	unsigned refused = UINT_MAX;

	for (unsigned i = 0; order->paths[i]; i++) {
		order->report.item = i;
		execve(order->paths[i], order->launch->argv, order->env);
		if (errno == EACCES && refused == UINT_MAX)
			refused = i;
		if (errno != EACCES && errno != ENOENT && errno != ENOTDIR)
			return -1;
	}
	if (refused != UINT_MAX)
		order->report.item = refused;
	errno = refused != UINT_MAX ? EACCES : ENOENT;
	return -1;
}

/* Ends by returning: the C library's clone() exits then. */
int launch_child(void *arg)
{
	static int (*const steps[])(struct launch_order * order) = {
#define X(name, function, call) [LAUNCH_##name] = function,
	    LAUNCH_STEP_MAP(X)
#undef X
	};
	struct launch_order *order = arg;
	struct launch_report *report = &order->report;

	for (report->step = 0; report->step < (int)(sizeof(steps) / sizeof(steps[0])); report->step++) {
		if (steps[report->step](order) >= 0)
			continue;
		report->sys = errno;
		/* Shorter than a pipe's atomic size, into an empty pipe: it is whole or it fails. */
		if (write(order->report_to, report, sizeof(*report)) < 0)
			return LAUNCH_FAILED;
		break;
	}
	return LAUNCH_FAILED;
}
