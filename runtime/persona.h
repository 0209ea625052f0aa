/*
 * persona.h - who a process is and what it may use: user, groups, directory, umask, environment, nice, limits.
 *
 * Everything that needs a lookup (names of users, memory, files) is done when the persona is made, in the master; what
 * is left for the new process are plain system calls, each of which must succeed, or the program is not started.
 */
#ifndef YM_RUNTIME_PERSONA_H
#define YM_RUNTIME_PERSONA_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "../config/config.h"

struct persona;

/* Where programs are looked up without a PATH; also the PATH of a clean environment. */
#define PERSONA_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/*
 * Make the persona of a pool or program. `ipc_group` (may be NULL) is a group that is added to those of another user, so
 * that its workers reach the IPC objects. -1: no such user or group, we may not become it, a directory that is not there,
 * ... Nothing is changed anywhere: also good for a check. The environment is copied: later changes of ours do not count.
 */
int persona_make(const struct cfg_process *config, const char *ipc_group, struct persona **out, struct ym_err *err);
void persona_free(struct persona *persona);

/*
 * With `cgroup_memory`: make (or take again) the cgroup NAME below our own and set its limit; every process of the persona
 * is put into it. launch() refuses a persona that lacks it. Nothing to do without the option: 0. `root` is "" (tests: where
 * proc/self/cgroup and sys/fs/cgroup of a made-up system are).
 */
int persona_cgroup(struct persona *persona, const char *root, const char *name, struct ym_err *err);

/* Is it another user than we are? */
bool persona_other_user(const struct persona *persona);

#endif
