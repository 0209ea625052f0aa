/* limits.h - the kernel's limits on the number of System V objects, and how much of each this IPC name space uses. */
#ifndef YM_IPC_LIMITS_H
#define YM_IPC_LIMITS_H

#include <stdint.h>

#include "error.h"
#include "object.h"

/* Name, the kind of object that it stops, what is counted, where it is set. */
#define YM_LIMIT_MAP(X)                                                                                                \
	X(SETS, SEMAPHORE, "semaphore sets", "kernel.sem, 4th number")                                                 \
	X(SEMAPHORES, SEMAPHORE, "semaphores", "kernel.sem, 2nd number")                                               \
	X(SEGMENTS, SEGMENT, "segments", "kernel.shmmni")                                                              \
	X(PAGES, SEGMENT, "pages of shared memory", "kernel.shmall")                                                   \
	X(QUEUES, QUEUE, "queues", "kernel.msgmni")

enum ym_limit_name {
#define X(name, kind, what, sysctl) YM_LIMIT_##name,
	YM_LIMIT_MAP(X)
#undef X
	    YM_LIMITS
};

struct ym_limit {
	enum ym_object_kind kind;
	const char *what;
	const char *sysctl;
	uint64_t used, most;
};

/* All of them, as they are now. Needs no permission. */
YM_API int ym_limits_read(struct ym_limit limits[YM_LIMITS], struct ym_err *err);

/* After ENOSPC from making an object of `kind`: append "used X of Y" to the text; other errors stay as they are. -1. */
YM_API int ym_limits_explain(struct ym_err *err, enum ym_object_kind kind);

#endif
