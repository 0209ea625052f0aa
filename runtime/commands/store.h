/* store.h - what the files of `yardmaster store` share. */
#ifndef YM_RUNTIME_COMMANDS_STORE_H
#define YM_RUNTIME_COMMANDS_STORE_H

#include "stored.h"

extern const struct command command_store_export, command_store_import, command_store_status;

/* Every one takes a URI, or one of the options that name an instance. */
#define STORE_USAGE "[URI] [OPTIONS]"

/* Which store a command means; without `memory` one that only has a table is refused. To be closed in any case. */
int store_meant(struct stored *stored, const struct args *args, bool memory, struct ym_err *err);

/* Close it; returns `code`, or the exit code of `err` if `result` is -1. */
int store_done(struct stored *stored, int result, int code, const struct ym_err *err);

#endif
