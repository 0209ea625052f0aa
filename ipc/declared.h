/* declared.h - the objects that a group's spec asks for: made with the generation, handed out by name (see group.h). */
#ifndef YM_IPC_DECLARED_H
#define YM_IPC_DECLARED_H

#include "group.h"

/* LOCK held, registry there: make all of spec.objects. */
int ym_declared_make(struct ym_group *group, struct ym_err *err);

#endif
