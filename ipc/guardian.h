/* guardian.h - remove a group after its last participant, should all have been killed. */
#ifndef YM_IPC_GUARDIAN_H
#define YM_IPC_GUARDIAN_H

#include "group.h"

/*
 * Sleep until the group `semid` has no participant left, then remove it. Returns when the generation is gone, whoever
 * removed it. Only spec->salvage, notice and arg are used. Run it in a small process of its
 * own: ym_group_guardian() of group.h forks one, the program yardmaster has a command for it.
 */
YM_API int ym_group_guard(int semid, const struct ym_group_spec *spec, struct ym_err *err);

#endif
