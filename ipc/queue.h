/*
 * queue.h - System V message queues, shared with PHP's msg_send() and msg_receive(), Perl and Python.
 *
 * A message is a type (a positive C long, 64 bits) and bytes; PHP's are serialize()d unless it is told otherwise.
 * By default the kernel takes 8192 bytes a message (kernel.msgmax) and 16384 bytes, or as many empty messages, a queue
 * (kernel.msgmnb): a full queue is the normal case for senders, not an error. A message that is handed to a receiver
 * which dies is gone: never let a message be the only trace of a job.
 *
 * The kernel knows no time limit for messages. A wait for ever (YM_NEVER) sleeps in the kernel; one until a deadline
 * (ym_deadline()) looks again and again, after 20 microseconds at first, then every millisecond. Signals end neither.
 */
#ifndef YM_IPC_QUEUE_H
#define YM_IPC_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/types.h>
#include <time.h>

#include "buffer.h"
#include "clock.h"
#include "error.h"
#include "value.h"

struct ym_queue_stat {
	uint64_t messages;
	uint64_t bytes;
	uint64_t capacity; /* bytes; also the most messages there can be */
	pid_t last_sender, last_receiver;
	time_t sent, received, changed; /* 0: never */
	uid_t uid, cuid;
	gid_t gid;
	mode_t mode;
};

/*
 * The queue of `key`, made with `mode` if it is missing (PHP: msg_get_queue); IPC_PRIVATE makes a new one. An existing
 * queue is not touched. ym_queue_open() never makes one: 0, or -1 with YM_ERR_NO (YM_ERR_USAGE for IPC_PRIVATE).
 * ym_queue_create() makes it and fails
 * if the key is taken (YM_ERR_FOREIGN, sys EEXIST). ym_queue_exists() (PHP: msg_queue_exists) makes nothing, not even
 * for IPC_PRIVATE.
 */
YM_API int ym_queue_get(key_t key, mode_t mode, int *id, struct ym_err *err);
YM_API int ym_queue_open(key_t key, int *id, struct ym_err *err);
YM_API int ym_queue_create(key_t key, mode_t mode, int *id, struct ym_err *err);
YM_API bool ym_queue_exists(key_t key);

/*
 * Send without waiting, without a copy: `msg` starts with the type (long), followed by `size` bytes.
 * 0 sent, 1 the queue is full, -1 error: YM_ERR_GONE when it was removed, YM_ERR_LIMIT with both sizes when the message
 * is longer than kernel.msgmax or than this queue even when it is empty.
 */
YM_API int ym_queue_send(int id, const void *msg, size_t size, struct ym_err *err);

/*
 * Send `size` bytes as a message of `type` until `deadline` (PHP: msg_send with $serialize false). 0, or -1:
 * YM_ERR_FULL when no room came up in time (deadline 0: do not wait), YM_ERR_LIMIT with both sizes for a message that
 * can never go in, YM_ERR_GONE, ...
 */
YM_API int ym_queue_send_bytes(int id, long type, const void *bytes, size_t size, uint64_t deadline,
                               struct ym_err *err);

/*
 * The same with a value: serialize()d, or with `raw` as PHP's msg_send(..., serialize: false) puts it: strings as they
 * are, integers in decimal, floats with six decimals, bools "1" and "0"; YM_ERR_USAGE for null, arrays, objects.
 */
YM_API int ym_queue_send_value(int id, long type, const struct ym_value *value, bool raw, uint64_t deadline,
                               struct ym_err *err);

/* PHP's flags, with PHP's numbers (they are not those of <sys/msg.h>); other bits are ignored, as PHP does. */
enum {
	YM_QUEUE_NOWAIT = 1,   /* MSG_IPC_NOWAIT: the deadline does not matter */
	YM_QUEUE_TRUNCATE = 2, /* MSG_NOERROR: cut a longer message off */
	YM_QUEUE_EXCEPT = 4,   /* MSG_EXCEPT: the first of any type but `type`, which must be > 0 for that */
};

/*
 * Receive a message into `out` (emptied first; at most `max` bytes, 0: however long it is): `type` 0 the oldest, n > 0
 * the oldest of that type, n < 0 the oldest of the lowest type up to -n. The room is found before the message is taken:
 * out of memory loses nothing, and with 8200 bytes of storage in `out` messages of the default limit cost no malloc().
 * 0 received (*got: its type), 1 none (until `deadline`, or at once with YM_QUEUE_NOWAIT), -1: YM_ERR_LIMIT (longer
 * than `max`: it stays in the queue; the text says how long if the kernel tells), YM_ERR_GONE, ...
 */
YM_API int ym_queue_receive(int id, long type, size_t max, unsigned flags, uint64_t deadline, struct ym_buffer *out,
                            long *got, struct ym_err *err);

/*
 * The same, decoded (PHP: msg_receive). *value is overwritten, not freed; null unless a message came. One that cannot
 * be decoded is not lost as with PHP: -1 with YM_ERR_CORRUPT, *got is its type and *value a string of its bytes.
 * Bytes behind the value are ignored, as PHP does.
 */
YM_API int ym_queue_receive_value(int id, long type, size_t max, unsigned flags, uint64_t deadline,
                                  struct ym_value *value, long *got, struct ym_err *err);

/*
 * Copy message number `index` (0: the oldest) and leave it there. 0, 1 there are not so many, -1: YM_ERR_SYSTEM (sys
 * ENOSYS) when the kernel was built without MSG_COPY (CONFIG_CHECKPOINT_RESTORE), YM_ERR_LIMIT for a message that is
 * longer than kernel.msgmax is by now.
 */
YM_API int ym_queue_peek(int id, uint64_t index, struct ym_buffer *out, long *got, struct ym_err *err);

YM_API int ym_queue_stat(int id, struct ym_queue_stat *stat, struct ym_err *err);

/*
 * Change what is given (PHP: msg_set_queue); -1 leaves a field as it is. More capacity than kernel.msgmnb needs
 * CAP_SYS_RESOURCE. Nothing can be sent while the capacity is 0; what is in the queue stays there in any case.
 */
struct ym_queue_change {
	int64_t capacity, uid, gid, mode;
};
YM_API int ym_queue_set(int id, const struct ym_queue_change *change, struct ym_err *err);

/* Remove it with everything in it (PHP: msg_remove_queue); whoever waits gets YM_ERR_GONE. 0 also if it was gone. */
YM_API int ym_queue_remove(int id, struct ym_err *err);

/* The kernel's limit for one message (kernel.msgmax); 8192 if it cannot be read. */
YM_API size_t ym_queue_message_max(void);

#endif
