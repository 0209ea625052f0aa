/*
 * client.h - what the commands that work with jobs share: into the instance and out again, its pools, its jobs.
 */
#ifndef YM_RUNTIME_COMMANDS_CLIENT_H
#define YM_RUNTIME_COMMANDS_CLIENT_H

#include "../dispatch.h"
#include "command.h"

/* Join the instance of --config or --instance as a client; a master that is just starting is waited for. */
int client_join(const struct args *args, struct instance *instance, struct ym_err *err);
/* Leave it; returns `code`, or the exit code of what went wrong. */
int client_leave(struct instance *instance, int code);

/* Index of a pool; -1 (YM_ERR_USAGE), with the name that may have been meant. */
int client_pool(const struct instance *instance, const char *name, struct ym_err *err);

/* A job id as typed: -1 (YM_ERR_USAGE) if it is none. */
int client_id(const char *text, uint64_t *id, struct ym_err *err);
/* Say that there is no such job (YM_ERR_NO); -1. */
int client_no_job(const struct instance *instance, uint64_t id, struct ym_err *err);
/* Where the job of this id is; -1: it is no id, or (YM_ERR_NO) not in the table. */
int client_find_job(const struct instance *instance, const char *text, struct job_ref *ref, struct ym_err *err);

/*
 * After a submission: was the instance there until now? If not (-1), jobs that were written into its table are lost, or
 * saved by its master: that is not known. What is in a store is there whatever becomes of the instance.
 */
int client_confirm(const struct instance *instance, struct ym_err *err);

/* Say, but only once, that the instance has no master. */
void client_note_master(const struct instance *instance, const char *then, bool *said);

#endif
