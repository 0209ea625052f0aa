/*
 * reload.h - another configuration for a running master: checked completely, compared, and only what differs is applied.
 *
 * Each change of an option is of one kind (config/diff.h): applied to what runs; the processes are replaced, new before old
 * for workers; a number of workers or processes; or it needs a new start of the instance, and then the whole reload is
 * refused. A mistake anywhere leaves everything as it was.
 */
#ifndef YM_RUNTIME_RELOAD_H
#define YM_RUNTIME_RELOAD_H

#include "master.h"

/* Read the file again and apply it; says what it does in the log, and to who has asked (`reply` may be NULL). */
void reload_file(struct master *master, struct control_reply *reply);
/* Only say what it would do. */
void reload_dry_run(struct master *master, struct control_reply *reply);

/* Make a program and enter it: at the start as in a reload. */
int reload_add_program(struct master *master, const struct cfg_program *config, struct ym_err *err);

#endif
