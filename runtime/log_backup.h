/*
 * log_backup.h - the old files of a log: FILE.1 is the youngest; gzipped they are called FILE.1.gz.
 *
 * Two threads rename them: the one that writes makes room for a new FILE.1 while another one may be packing an older
 * file. One lock inside here keeps them apart; it is held for renames only, never while bytes are read or written.
 */
#ifndef YM_RUNTIME_LOG_BACKUP_H
#define YM_RUNTIME_LOG_BACKUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "../ipc/error.h"

#define LOG_BACKUP_PACKED ".gz"

void log_backup_name(char out[PATH_MAX], const char *path, int64_t number, bool packed);

/* FILE becomes FILE.1, FILE.1 becomes FILE.2, and so on; what is beyond `keep` is removed. With keep 0, FILE itself. */
int log_backup_push(const char *path, int64_t keep, struct ym_err *err);
/* Take that back for FILE itself: there is no new one. */
void log_backup_pull(const char *path);

/*
 * Gzip every plain backup, the oldest first. A crash at any moment loses nothing: the packed file gets its name when it
 * is complete and on the disk, and only then the plain one goes. *stop is looked at now and then: true ends it early.
 */
int log_backup_pack(const char *path, int64_t keep, const _Atomic bool *stop, struct ym_err *err);
/* Remove what a crash of that has left. */
void log_backup_tidy(const char *path, int64_t keep);

#endif
