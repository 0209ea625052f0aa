/* store.h - what the files of `yardmaster store` share. */
#ifndef YM_RUNTIME_COMMANDS_STORE_H
#define YM_RUNTIME_COMMANDS_STORE_H

#include "stored.h"

extern const struct command command_store_export, command_store_import, command_store_status;

/* Every one takes a URI, or one of the options that name an instance. */
#define STORE_USAGE "[URI] [OPTIONS]"

/* Which store a command means; without `memory` one that only has a table is refused. To be closed in any case. */
int store_meant(struct stored *stored, const struct args *args, bool memory, struct ym_err *err);

/*
 * Refuse to write to a store of one machine as long as its instance is running, be it without a master: its table may hold jobs
 * of the store, and ids that the store has not seen. `what` needs it for itself.
 */
int store_alone(const struct args *args, const struct stored *stored, const char *what, struct ym_err *err);

/* Close it; returns `code`, or the exit code of `err` if `result` is -1. */
int store_done(struct stored *stored, int result, int code, const struct ym_err *err);

#endif
