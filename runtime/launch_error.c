/* launch_error.c - what it means when a step of launch_child.c fails. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "launch_self.h"

/* What strerror() does not say. Step -1: any. */
static const struct {
	int step, sys;
	const char *hint;
} hints[] = {
    {LAUNCH_EXEC, ENOEXEC, "neither a program of this machine nor a script with a first line such as #!/bin/sh"},
    {LAUNCH_EXEC, EAGAIN, "its user has more processes than rlimit_processes allows"},
    {LAUNCH_EXEC, E2BIG, "its arguments and environment are too large together"},
    {LAUNCH_EXEC, EACCES,
     "the user may not execute it: look at its mode, at those of the directories above it and of the interpreter that "
     "its first line names, and for noexec of the file system"},
    {LAUNCH_EXEC, ENOENT, "there is no such program, or the interpreter that its first line names is missing"},
    {LAUNCH_EXEC, ETXTBSY, "somebody has it open for writing"},
    {LAUNCH_CHDIR, EACCES, "the user of the process may not enter it"},
    {LAUNCH_RLIMIT, EPERM,
     "only root can raise a hard limit, and nobody that of files above the sysctl fs.nr_open: raise it where the "
     "master is "
     "started (LimitNOFILE= and its like of systemd, ulimit -H)"},
    {LAUNCH_NICE, EACCES, "only root can ask for more of the processor"},
    {LAUNCH_NICE, EPERM, "only root can ask for more of the processor"},
    {LAUNCH_SETGROUPS, EPERM, "only root can, and in a user namespace only if it is not forbidden there"},
    {LAUNCH_SETUID, EINVAL, "this uid does not exist in our user namespace"},
    {LAUNCH_SETGID, EINVAL, "this gid does not exist in our user namespace"},
    {LAUNCH_SETUID, EAGAIN, "the user has more processes than rlimit_processes allows"},
    {LAUNCH_VERIFY, EPERM, "the calls before succeeded and did nothing: a filter or module forbids the change"},
    {LAUNCH_REGAIN, EPERM,
     "capabilities survive the change of the user: the master was started with securebits that do so"},
    {LAUNCH_CLOSE, ENOSYS, "Linux 5.9 or newer is needed, or a filter of the container forbids it"},
    {LAUNCH_CGROUP, ENODEV, "the group was removed meanwhile: reload"},
    {-1, EPERM, "only root can do that"},
    {-1, EMFILE, "raise the limit on open files (ulimit -n)"},
    {-1, EINVAL, "a descriptor above the limit on open files (ulimit -n), or a value that the kernel does not take"},
};

static const char *find_hint(int step, int sys)
{
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if ((hints[i].step == step || hints[i].step == -1) && hints[i].sys == sys)
			return hints[i].hint;
	return NULL;
}

static enum ym_err_class class_of(int sys)
{
	switch (sys) {
	case EPERM:
	case EACCES:
		return YM_ERR_PERMISSION;
	case EAGAIN:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case E2BIG:
		return YM_ERR_LIMIT;
	case ENOENT:
	case ENOTDIR:
	case ENOEXEC:
	case EISDIR:
	case ELOOP:
	case ENAMETOOLONG:
		return YM_ERR_CONFIG;
	default:
		return YM_ERR_SYSTEM;
	}
}

static void print_limit(const struct persona_rlimit *limit, char *text, size_t size)
{
	if (limit->value.rlim_max == RLIM_INFINITY)
		snprintf(text, size, "setrlimit(%s, unlimited)", limit->option);
	else
		snprintf(text, size, "setrlimit(%s, %llu)", limit->option, (unsigned long long)limit->value.rlim_max);
}

/* The call that failed, with its arguments. */
static void print_call(const struct launch_order *order, const struct launch_report *report, char *text, size_t size)
{
	static const char *const calls[] = {
#define X(name, function, call) [LAUNCH_##name] = call,
	    LAUNCH_STEP_MAP(X)
#undef X
	};
	const struct persona *persona = order->persona;
	const struct launch_move *move = report->item < order->nmoves ? &order->moves[report->item] : NULL;

	if (report->step == LAUNCH_LIFT && move)
		snprintf(text, size, "fcntl(%d, F_DUPFD_CLOEXEC, %d)", move->from, order->above + 1);
	else if (report->step == LAUNCH_PLACE && move)
		snprintf(text, size, "dup2(%d, %d)", move->from, move->to);
	else if (report->step == LAUNCH_CGROUP)
		snprintf(text, size, "write(\"%.200s/cgroup.procs\", \"0\")", persona->cgroup);
	else if (report->step == LAUNCH_RLIMIT)
		print_limit(&persona->rlimits[report->item], text, size);
	else if (report->step == LAUNCH_NICE)
		snprintf(text, size, "setpriority(nice %lld)", (long long)persona->nice);
	else if (report->step == LAUNCH_SETGROUPS)
		snprintf(text, size, "setgroups(%zu groups)", persona->ngroups);
	else if (report->step == LAUNCH_SETGID)
		snprintf(text, size, "setresgid(%u)", (unsigned)persona->gid);
	else if (report->step == LAUNCH_SETUID)
		snprintf(text, size, "setresuid(%u)", (unsigned)persona->uid);
	else if (report->step == LAUNCH_VERIFY)
		snprintf(text, size, "getresuid() after setresuid(%u), setresgid(%u) and setgroups(%zu groups)",
		         (unsigned)persona->uid, (unsigned)persona->gid, persona->ngroups);
	else if (report->step == LAUNCH_REGAIN)
		snprintf(text, size, "user %u could become root again with setresuid(0)", (unsigned)persona->uid);
	else if (report->step == LAUNCH_CHDIR)
		snprintf(text, size, "chdir(\"%.200s\")", persona->directory);
	else if (report->step == LAUNCH_EXEC && order->paths[report->item])
		snprintf(text, size, "execve(\"%.200s\")", order->paths[report->item]);
	else if (report->step == LAUNCH_EXEC)
		snprintf(text, size, "looked up in PATH=%.200s", order->search);
	else
		snprintf(text, size, "%s", calls[report->step]);
}

int launch_tell(const struct launch_order *order, const struct launch_report *report, struct ym_err *err)
{
	const struct persona *persona = order->persona;
	const char *hint = find_hint(report->step, report->sys);
	char call[256];

	if (report->step == LAUNCH_EXEC && order->search && report->sys == ENOENT) {
		ym_fail(err, YM_ERR_CONFIG, "cannot start \"%s\": there is no such program in PATH=%s",
		        launch_program(order->launch), order->search);
	} else {
		print_call(order, report, call, sizeof(call));
		ym_fail(err, class_of(report->sys), "cannot start \"%.200s\"%s%s: %s: %s%s%s%s",
		        launch_program(order->launch), persona && persona->other ? " as " : "",
		        persona && persona->other ? persona->user : "", call, strerror(report->sys), hint ? " (" : "",
		        hint ? hint : "", hint ? ")" : "");
	}
	if (err)
		err->sys = report->sys;
	return -1;
}
