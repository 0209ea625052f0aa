/*
 * rejected.h - messages that nobody could make a job of, kept for people to look at: the bytes as they were sent, in
 *
 *   DIRECTORY/rejected/POOL/20261121T201503.123Z-1.type-5
 *
 * where 5 is the type of the message and 1 counts those of the same moment. Mended, or with a newer master, such a file
 * goes back into the queue with `yardmaster msg send DIRECTORY/inbox.POOL:y 5 - <FILE`. Nothing of ours reads or removes
 * these files.
 */
#ifndef YM_RUNTIME_REJECTED_H
#define YM_RUNTIME_REJECTED_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "../ipc/error.h"

/* So many for each pool; more are not kept until somebody removes some. */
#define REJECTED_MAX 1000

struct rejected {
	char directory[PATH_MAX]; /* of this pool */
	unsigned files;           /* in it, as far as we know */
	uint64_t counted;         /* when they were last counted, 0: never */
};

void rejected_init(struct rejected *rejected, const char *directory, const char *pool);

/* Keep one. 0 with its path; 1: there are REJECTED_MAX already; -1. */
int rejected_keep(struct rejected *rejected, long type, const void *bytes, size_t size, char path[PATH_MAX],
                  struct ym_err *err);

#endif
