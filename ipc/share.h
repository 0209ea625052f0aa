/*
 * share.h - groups that another user may take part in.
 *
 * Everything of a group is made by one user, and he alone can remove it. If his spec says so (ym_group_spec.share), the
 * objects belong to a Unix group as well, and its members may join: as guests, who use the objects, but make, repair and
 * remove none. docs/other-users.md says what they are trusted with.
 */
#ifndef YM_IPC_SHARE_H
#define YM_IPC_SHARE_H

#include <stdbool.h>
#include <sys/ipc.h>
#include <sys/types.h>

#include "error.h"
#include "object.h"

/*
 * May we be guests in the set that `perm` describes? Only if it was made, and is still owned, by the owner of `directory`,
 * in which nobody else can exchange key files, and is shared with a Unix group that we are in, and with nobody else.
 */
bool ym_share_with_us(const struct ipc_perm *perm, const char *directory);

/* Give a new object of ours to the Unix group `gid`, with these permissions. */
int ym_share_object(enum ym_object_kind kind, int id, gid_t gid, mode_t mode, struct ym_err *err);

/*
 * Give our set to the Unix group it was made with, with these permissions, if it has others: an earlier maker, who did not
 * come to the end, may have shared it.
 */
int ym_share_end(int semid, mode_t mode, struct ym_err *err);

/* Fail with the reason why the set behind `key` is not for us. */
int ym_share_refuse(key_t key, const char *directory, struct ym_err *err);

#endif
