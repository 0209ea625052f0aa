/*
 * status.h - the table of `yardmaster status`, also for `top` where there is no screen.
 */
#ifndef YM_RUNTIME_COMMANDS_STATUS_H
#define YM_RUNTIME_COMMANDS_STATUS_H

#include "../snapshot.h"

/* On stdout. */
void status_print(const struct snapshot *snapshot);

#endif
