/*
 * cgroup.h - a control group (version 2) below our own with a limit on its memory.
 *
 * The kernel lets a group hand the memory controller down only if no process is in the group itself. So whoever is in
 * ours, us included, goes into a leaf CGROUP_LEAF first; that is done only where the group was given to us: by
 * systemd (Delegate=yes, which leaves a mark on the directory), or because we are process 1 of a container. Anywhere
 * else it would tear a login session apart.
 */
#ifndef YM_RUNTIME_CGROUP_H
#define YM_RUNTIME_CGROUP_H

#include <stdint.h>

#include "../ipc/error.h"

#define CGROUP_LEAF "yardmaster"

/*
 * Make the group `name`, or take it again, with memory.max. *path (to be freed) is its directory, *procs its file
 * cgroup.procs: who writes "0" into it is in. `root` is "", or where a made-up system is.
 * -1: there is no such hierarchy, it has no memory controller, or we may not write to it, and what to do.
 */
int cgroup_open(const char *root, const char *name, int64_t memory_max, char **path, int *procs, struct ym_err *err);

#endif
