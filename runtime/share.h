/*
 * share.h - the files of an instance that a Unix group may use, too.
 *
 * Whether there is such a group, and which, is what the directory jobs/ says: its owner has made it 2770 then, so that
 * everybody, who has nothing but the path of the instance, goes by the same answer. A share gives no more than is needed:
 * jobs/ can be written to, files in it can be read, the bell can be rung.
 */
#ifndef YM_RUNTIME_SHARE_H
#define YM_RUNTIME_SHARE_H

#include <stdbool.h>
#include <sys/types.h>

#include "../ipc/error.h"

/* Set up jobs/ at `path`, which is there: for the group `gid`, or without `shared` for its owner alone. */
int share_directory(const char *path, bool shared, gid_t gid, struct ym_err *err);

/* Is the instance of this directory shared? Then *gid. */
bool share_group(const char *directory, gid_t *gid);

/* Give a file of ours (open, mode 0600) to the group, if there is one, with these permissions. 0, or -1 with errno. */
int share_file(const char *directory, int fd, mode_t mode);

#endif
