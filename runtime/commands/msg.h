/* msg.h - what the files of `yardmaster msg` share. */
#ifndef YM_RUNTIME_COMMANDS_MSG_H
#define YM_RUNTIME_COMMANDS_MSG_H

#include "command.h"

extern const struct command command_msg_recv, command_msg_peek;

#define MSG_WAIT_OPTIONS                                                                                               \
	{"wait", 'w', "TIME", "wait not longer than this (exit code 1); default: wait for ever"},                      \
	{                                                                                                              \
		"no-wait", 'n', NULL, "do not wait at all"                                                             \
	}

/* The queue of the first argument, which has to exist. 0, or -1 with err. */
int msg_open(const struct args *args, key_t *key, int *id, struct ym_err *err);

/* Until when --wait and --no-wait let the command wait; 0: not at all. 0, or -1 with err. */
int msg_deadline(const struct args *args, uint64_t *deadline, struct ym_err *err);

#endif
