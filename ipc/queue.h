/*
 * queue.h - System V message queues.
 *
 * A message is a type (a positive C long) and bytes. By default the kernel takes 8192 bytes a message and 16384
 * bytes (or as many empty messages) a queue: a full queue is the normal case for senders, not an error.
 * A message that is handed to a receiver which dies is gone: never let a message be the only trace of a job.
 */
#ifndef YM_IPC_QUEUE_H
#define YM_IPC_QUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/types.h>

#include "error.h"

struct ym_queue_stat {
	uint64_t messages;
	uint64_t bytes;
	uint64_t capacity; /* bytes; also the most messages there can be */
	pid_t last_sender, last_receiver;
	uid_t uid, cuid;
	mode_t mode;
};

/* Make the queue of `key`, which must be free (YM_ERR_FOREIGN, sys EEXIST otherwise). */
YM_API int ym_queue_create(key_t key, mode_t mode, int *id, struct ym_err *err);

/*
 * Send without waiting. `msg` starts with the type (long), followed by `size` bytes.
 * 0 sent, 1 the queue is full, -1 error (YM_ERR_GONE when it was removed; both sizes when the message is too long).
 */
YM_API int ym_queue_send(int id, const void *msg, size_t size, struct ym_err *err);

YM_API int ym_queue_stat(int id, struct ym_queue_stat *stat, struct ym_err *err);
YM_API int ym_queue_remove(int id, struct ym_err *err);

#endif
