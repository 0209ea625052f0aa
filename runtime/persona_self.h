/*
 * persona_self.h - a persona (persona.h) from inside, for those who put it on.
 */
#ifndef YM_RUNTIME_PERSONA_SELF_H
#define YM_RUNTIME_PERSONA_SELF_H

#include <pwd.h>
#include <stdint.h>

#include "persona.h"

/* Limits: the option of the INI, and the resource. */
#define PERSONA_RLIMIT_MAP(X)                                                                                          \
	X(rlimit_files, RLIMIT_NOFILE)                                                                                 \
	X(rlimit_core, RLIMIT_CORE)                                                                                    \
	X(rlimit_memory, RLIMIT_AS)                                                                                    \
	X(rlimit_processes, RLIMIT_NPROC)                                                                              \
	X(rlimit_stack, RLIMIT_STACK)                                                                                  \
	X(rlimit_cpu, RLIMIT_CPU)

enum {
#define X(option, resource) PERSONA_##option,
	PERSONA_RLIMIT_MAP(X)
#undef X
	    PERSONA_RLIMITS
};

struct persona_rlimit {
	const char *option;
	int resource;
	struct rlimit value;
};

struct persona {
	char *user;      /* its name, for messages */
	bool other;      /* another user than we are */
	bool change_ids; /* user or group are not ours */
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* all of them, the primary one too */
	size_t ngroups;
	char *directory;     /* NULL: ours */
	int64_t umask, nice; /* CFG_INHERIT: ours */
	struct persona_rlimit rlimits[PERSONA_RLIMITS];
	size_t nrlimits;
	bool no_new_privs;
	int64_t cgroup_memory;
	char *cgroup; /* its directory; NULL: none */
	int cgroup_procs;
	/* "NAME=value", each name once, ends with NULL; the first ones were asked for by name and are not overruled. */
	char **env;
	size_t nenv, nasked;
};

/* Who is meant by a value of the option `user`, a name or a number? *user is the C library's, until the next such call. */
int persona_find_user(const char *name, const struct passwd **user, struct ym_err *err);

/* Does the entry "NAME=value" set this variable? `name` may end with its NUL or with '='. */
bool persona_sets(const char *entry, const char *name);

#endif
