/*
 * trust.h - can a file be changed or exchanged by somebody who must not?
 */
#ifndef YM_RUNTIME_TRUST_H
#define YM_RUNTIME_TRUST_H

#include "../ipc/error.h"

/*
 * Check a file before its content is obeyed. It, every directory above it and every symbolic link on the way must belong to
 * root (or to us) and be writable by nobody else; a directory with the sticky bit, such as /tmp, may be. Links are
 * followed step by step. 0, or -1: YM_ERR_PERMISSION names the part that is not safe, its owner and mode, and the
 * command that makes it so.
 */
int trust_path(const char *path, struct ym_err *err);

#endif
