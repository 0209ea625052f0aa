/*
 * reply.h - the answer to a message that asked for one.
 *
 * In the form in which the request came: an array as PHP's serialize() writes it (msg_receive() gives it back), or a
 * JSON object. The same keys in both, in this order:
 *
 *   id             of the job, an integer
 *   tag            as the request gave it; null without one
 *   state          "done", "failed", "cancelled", "buried", or "duplicate": the job `id` has the same unique key
 *   result         a string; null when there is none. In JSON, bytes that are not UTF-8 are `result_base64` instead
 *   error          why it is not done; null when there is nothing to say
 *   attempts       how often it was tried, an integer
 */
#ifndef YM_RUNTIME_REPLY_H
#define YM_RUNTIME_REPLY_H

#include "../ipc/buffer.h"
#include "submit.h"

/* struct job_reply, `form`. */
enum reply_form {
	REPLY_PHP = 1,
	REPLY_JSON,
};

struct job_answer {
	uint64_t id;
	const char *tag; /* NULL or "": none */
	const char *state;
	const void *result; /* NULL: none */
	size_t result_size;
	const char *error; /* NULL or "": none */
	unsigned attempts;
};

/* Append the answer. 0, or -1: YM_ERR_LIMIT (out of memory), YM_ERR_USAGE (no such form). */
int reply_build(const struct job_answer *answer, unsigned form, struct ym_buffer *out, struct ym_err *err);

/*
 * Send it, without waiting, to a queue that has to be there. A result that does not fit a message of that queue is left
 * out, and `error` says how to get it. 0 sent; 1 the queue is full or there is no memory: try again later; -1 nobody will
 * ever get it (err: why): no such queue, no permission, not even an answer without result fits.
 */
int reply_send(const struct job_reply *to, const struct job_answer *answer, struct ym_err *err);

#endif
