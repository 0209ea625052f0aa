/*
 * launch_self.h - what parent and child of launch() share, and the list of what the child does.
 */
#ifndef YM_RUNTIME_LAUNCH_SELF_H
#define YM_RUNTIME_LAUNCH_SELF_H

#include "launch.h"
#include "persona_self.h"

/*
 * What the child does, in this order; each must succeed. Resources are set before the user is changed, because raising a limit
 * or a priority needs root. The directory is entered afterwards: it must be one that the user himself may enter, and
 * otherwise a process would stand in a place that is closed to it. Name, function, and the call as messages show it.
 */
#define LAUNCH_STEP_MAP(X)                                                                                             \
	X(KNOWN, be_known, "getppid()")                                                                                \
	X(GROUP, own_group, "setpgid(0, 0)")                                                                           \
	X(NULL_FILE, open_null, "open(\"/dev/null\")")                                                                 \
	X(OUTLIVE, outlive, "open(\"/proc/self/fd/N\", O_RDWR) of its output")                                         \
	X(CGROUP, enter_cgroup, "write(\"cgroup.procs\", \"0\")")                                                      \
	X(LIFT, lift_files, "fcntl(F_DUPFD_CLOEXEC)")                                                                  \
	X(PLACE, place_files, "dup2()")                                                                                \
	X(CLOSE, close_files, "close_range()")                                                                         \
	X(RLIMIT, set_rlimits, "setrlimit()")                                                                          \
	X(NICE, set_nice, "setpriority()")                                                                             \
	X(SETGROUPS, set_groups, "setgroups()")                                                                        \
	X(SETGID, set_gid, "setresgid()")                                                                              \
	X(SETUID, set_uid, "setresuid()")                                                                              \
	X(VERIFY, verify_ids, "getresuid()")                                                                           \
	X(REGAIN, verify_no_way_back, "setresuid(0)")                                                                  \
	X(CHDIR, change_directory, "chdir()")                                                                          \
	X(UMASK, set_umask, "umask()")                                                                                 \
	X(PRIVS, set_no_new_privs, "prctl(PR_SET_NO_NEW_PRIVS)")                                                       \
	X(SIGNALS, reset_signals, "rt_sigaction()")                                                                    \
	X(EXEC, execute, "execve()")

enum launch_step {
#define X(name, function, call) LAUNCH_##name,
	LAUNCH_STEP_MAP(X)
#undef X
};

/* What the child says when a step fails: written into a pipe that is closed by a successful execve(). */
struct launch_report {
	int step, sys;
	unsigned item; /* of a step that does several: which limit, file, path */
};

struct launch_move {
	int from, to;
	int lifted; /* a copy above all the numbers that are wanted */
};

/* Made by the parent; the child only writes to the fields below `report`. */
struct launch_order {
	const struct launch *launch;
	const struct persona *persona; /* NULL: as we are */
	char *const *paths;            /* to try in turn; ends with NULL */
	char *const *env;
	const char *search; /* PATH; NULL: the file was not looked up */
	pid_t parent;
	int report_to;
	int above; /* the first number that is free above those wanted */

	struct launch_report report;
	struct launch_move *moves; /* stdin first; then stdout and stderr, if they are ours to set; then launch->fds */
	size_t nmoves, noutputs;
	uid_t uids[3];
	gid_t gids[3];
	char name[32];
};

/* The child itself, for clone(), which gets its order. */
int launch_child(void *arg);

/* The file as messages name it. */
#define LAUNCH_SELF "/proc/self/exe"
static inline const char *launch_program(const struct launch *launch)
{
	return launch->file ? launch->file : LAUNCH_SELF;
}

/* The text of a report; -1. */
int launch_tell(const struct launch_order *order, const struct launch_report *report, struct ym_err *err);

#endif
