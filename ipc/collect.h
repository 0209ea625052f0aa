/*
 * collect.h - remove what a group left behind, and only that: the same step that a guardian takes, without waiting.
 *
 * The caller found a group without participants (survey.h); by now somebody may have joined it, or another may be
 * removing it. So the question goes to the kernel again: USAGE 0 and LOCK free are asked for and the LOCK is taken in one
 * semop. A registry without its set has no such door: it is left alone unless nobody else is attached to it, under the
 * lock of its directory, which keeps other collectors out; a newcomer waits until we have let go of it.
 */
#ifndef YM_IPC_COLLECT_H
#define YM_IPC_COLLECT_H

#include "group.h"

/* What became of it; in a dry run: what would. */
#define YM_COLLECT_MAP(X)                                                                                              \
	X(REMOVED, "removed")                                                                                          \
	X(BUSY, "in use")     /* participants, or somebody joins or removes it right now */                            \
	X(KEPT, "kept")       /* only its own program can save what is in it */                                        \
	X(GONE, "gone")       /* somebody else removed it meanwhile */                                                 \
	X(FOREIGN, "foreign") /* of another user, or no group */

enum ym_collect_verdict {
#define X(name, word) YM_COLLECT_##name,
	YM_COLLECT_MAP(X)
#undef X
};

struct ym_collect_spec {
	bool dry; /* only ask */
	/* Is this a group of the caller's program (look at group->reg)? Then `salvage` runs before it is removed. */
	bool (*knows)(const struct ym_group *group);
	int (*salvage)(struct ym_group *group, void *arg, struct ym_err *err);
	void (*notice)(void *arg, const char *text);
	void *arg;
	int64_t patience_ms; /* for the lock of the directory */
};

/*
 * Collect the group of the set `semid`, which has `key`, with all that its registry lists and with what an initialiser
 * left that was killed before it had made one. -1 when the salvage failed, or something could not be asked or removed.
 */
int ym_collect_group(int semid, key_t key, const struct ym_collect_spec *spec, enum ym_collect_verdict *verdict,
                     struct ym_err *err);

/* Collect the registry `regid` behind `key`, whose set was removed by hand, with all that it lists. */
int ym_collect_registry(int regid, key_t key, const struct ym_collect_spec *spec, enum ym_collect_verdict *verdict,
                        struct ym_err *err);

const char *ym_collect_word(enum ym_collect_verdict verdict);

#endif
