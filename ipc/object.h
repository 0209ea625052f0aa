/* object.h - the three kinds of System V objects under one roof: is there one behind a key, and whose is it? */
#ifndef YM_IPC_OBJECT_H
#define YM_IPC_OBJECT_H

#include <stdbool.h>
#include <sys/ipc.h>
#include <sys/types.h>

#include "api.h"

/* What a group can hold. VARIABLES is a segment, too, with the layout of vars.h; the others have one kind of their own. */
#define YM_OBJECT_MAP(X)                                                                                               \
	X(SEGMENT, "segment")                                                                                          \
	X(QUEUE, "queue")                                                                                              \
	X(SEMAPHORE, "semaphore")                                                                                      \
	X(VARIABLES, "variables")

enum ym_object_kind {
#define X(name, word) YM_OBJECT_##name,
	YM_OBJECT_MAP(X)
#undef X
};

YM_API const char *ym_object_word(enum ym_object_kind kind);

/* Is there an object of `kind` behind `key`? *id is set. Asks the kernel, needs no permission on the object. */
YM_API bool ym_object_behind(enum ym_object_kind kind, key_t key, int *id);

/* Owner (creator's uid) and key of an object; false if it is gone or may not be looked at. */
YM_API bool ym_object_identity(enum ym_object_kind kind, int id, uid_t *cuid, key_t *key);

#endif
