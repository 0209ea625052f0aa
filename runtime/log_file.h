/*
 * log_file.h - one place that lines are written to: a file that is rotated, or a pipe, terminal or socket.
 *
 * Lines are whole: in a file (what was written of a line when the disk became full is taken back), and over a rotation.
 * Nothing here has a thread; times come from the caller. What is no regular file is never rotated, and never waited
 * for.
 */
#ifndef YM_RUNTIME_LOG_FILE_H
#define YM_RUNTIME_LOG_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "../config/config.h"

enum log_file_kind { LOG_FILE_CLOSED, LOG_FILE_REGULAR, LOG_FILE_STREAM };

struct log_file {
	char *path;
	/* Of struct cfg_log; may be changed while it is open. */
	int64_t maxbytes, backups, rotate_ms, compress;
	bool make_directory; /* the last directory of its path is ours: made when it is not there */
	/* the rest is log_file.c's */
	char *real; /* where its links lead: rotated there */
	enum log_file_kind kind;
	int fd;
	uint64_t size;
	int64_t period; /* of rotate_ms: the one that its lines belong to */
	struct stat as; /* when it was opened */
	bool torn;      /* it does not end with a newline */
	size_t piece;   /* bytes a stream takes at once */
};

/* /dev/stdout and /dev/stderr, in any spelling: 1 or 2, else -1. */
int log_file_standard(const char *path);

/* -1: out of memory. Opens nothing yet. */
int log_file_init(struct log_file *file, const char *path, const struct cfg_log *config);
void log_file_rules(struct log_file *file, const struct cfg_log *config);
void log_file_free(struct log_file *file);

/*
 * Open or make it (0640). A symbolic link is followed if it is ours or root's: others must not choose which file we
 * write to. `now_ms` (since 1970) is for rotation by time.
 */
int log_file_open(struct log_file *file, int64_t now_ms, struct ym_err *err);
void log_file_close(struct log_file *file);

/* Has it been removed or replaced under us? Its size is looked at by the way: somebody may have truncated it. */
bool log_file_displaced(struct log_file *file);

/* Must there be a new file before a line of so many bytes, of this time, is written? */
bool log_file_due(const struct log_file *file, size_t bytes, int64_t when_ms);
/* When the time alone asks for a new file; INT64_MAX: never, or there is nothing in it. */
int64_t log_file_due_at(const struct log_file *file);
/* -1: it goes on with the old file. */
int log_file_rotate(struct log_file *file, int64_t when_ms, struct ym_err *err);

/*
 * Write lines, of a regular file: each of `parts` is one. Returns how many are in the file, whole; fewer than `nparts`
 * with err if it failed there.
 */
int log_file_write(struct log_file *file, const struct iovec *parts, int nparts, struct ym_err *err);

/* Write to a stream what it takes without waiting: the number of bytes, 0 if none right now; -1 with err. */
ssize_t log_file_push(struct log_file *file, const char *bytes, size_t size, struct ym_err *err);

#endif
