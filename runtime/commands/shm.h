/* shm.h - what the files of `yardmaster shm` share. */
#ifndef YM_RUNTIME_COMMANDS_SHM_H
#define YM_RUNTIME_COMMANDS_SHM_H

#include "../../ipc/sem.h"
#include "../../ipc/vars.h"
#include "../json.h"
#include "command.h"

extern const struct command command_shm_ls, command_shm_stat, command_shm_dump, command_shm_repair;

/* Options that every subcommand has: shm_enter() asks for them. */
#define SHM_OPTIONS                                                                                                    \
	{"lock", 'l', "KEY", "hold a unit of this semaphore meanwhile; \"same\": the one of the segment's key"},       \
	{                                                                                                              \
		"timeout", 0, "TIME", "with --lock: wait no longer than this for it (exit code 1; default: for ever)"  \
	}

struct shm_access {
	struct ym_vars vars;
	struct ym_sem sem;
	bool locked;
	struct ym_err why; /* with YM_VARS_DAMAGED: class YM_ERR_CORRUPT or YM_ERR_FOREIGN, why it cannot be used */
};

/*
 * Take the semaphore if there is to be one, then attach to the segment of the first argument. `flags` are those of
 * ym_vars_attach(); `size` and `mode` are of a segment or semaphore that has to be made. 0 or -1; shm_leave() undoes it.
 */
int shm_enter(const struct args *args, struct shm_access *access, size_t size, mode_t mode, unsigned flags,
              struct ym_err *err);
void shm_leave(struct shm_access *access);

/* Mode of what is made without --mode. */
#define SHM_MODE 0600

/* A variable: what its chunk says, and the value, decoded from a copy. Zeroed at first. */
struct shm_variable {
	size_t at;                 /* offset of the chunk */
	int64_t key, length, next; /* as the chunk has them */
	struct ym_buffer bytes;
	struct ym_value value;
	bool readable;
	struct ym_err why; /* not readable: the reason */
};

/* Copy the `length` bytes of the value and decode them. 0, also if they are not readable; -1 (out of memory). */
int shm_variable_decode(struct shm_variable *variable, const char *bytes, size_t length, struct ym_err *err);
void shm_variable_free(struct shm_variable *variable);

/* Its type, or "damaged". */
const char *shm_type(const struct shm_variable *variable);

/* As an object with key, offset, length, next, type and value. 0, or -1 (out of memory). */
int shm_variable_json(struct json *json, const struct shm_variable *variable, struct ym_err *err);

#endif
