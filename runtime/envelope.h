/*
 * envelope.h - the bytes of a message in an inbox: what job do they ask for?
 *
 *   bytes                                            payload                              parameters
 *   one whole value as PHP's serialize() writes it:
 *     an array with the key "payload"                that value: string its bytes, others as JSON   its other keys
 *     a string                                       its bytes                            none
 *     any other array, int, float, bool, null        as JSON                              none
 *     an object                                      refused
 *   a JSON object with the key "payload"             that value: string its bytes,        its other keys
 *                                                    others their JSON text as it stands
 *   anything else                                    the bytes as they are                none
 *
 * An array or object with a "payload" is an envelope. Its keys are in envelope_keys.h; null for any of them but
 * "payload" is the same as leaving it out.
 *
 * What can be meant in two ways, and how it is decided:
 * - Bytes that happen to be a serialized value are one: the text `i:5;` asks for the payload `5`, `N;` for `null`. One
 *   byte more, a newline for example, and they are plain bytes again. The same bytes as a string in an envelope, or
 *   serialized once more (PHP's msg_send() does it by default), are taken as they are.
 * - A payload that is itself a JSON object with the key "payload", or an array of PHP with it, is taken for an envelope.
 *   The way out is to put it into one.
 * - A string is never looked into: JSON that PHP sent serialized is a payload, no envelope. Send it with serialize false.
 * - What starts like an envelope but is no valid JSON, or too deep for the reader (2048 levels), is plain bytes. So is
 *   what PHP's unserialize() would refuse, half a value for instance.
 * - A serialized object is refused, also inside an array, and so is anything else that JSON cannot hold: strings and
 *   keys that are not UTF-8, INF, NAN, and references that make no tree. Nothing is replaced silently; binary data goes
 *   as the string "payload", which needs no JSON.
 *
 * As JSON an array with the keys 0, 1, 2, ... in this order is a list (so is the empty one), any other an object.
 *
 * Bounds: ENVELOPE_DEPTH levels; references of PHP may multiply a message at most fourfold.
 */
#ifndef YM_RUNTIME_ENVELOPE_H
#define YM_RUNTIME_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>

#include "submit.h"

#define ENVELOPE_DEPTH 512

struct envelope {
	/* As the message asks for it: the caller adds the pool. Points into the message or to what is below. */
	struct job_request request;
	char *payload, *tag, *unique, *file;
	unsigned given; /* keys that were there, a bit for each */
	bool null;      /* "payload" is null: "file" may give it */
};

/*
 * Read a message. `bytes` have to stay as long as the envelope is used. `files`: may it name a file? 0, or -1 with
 * nothing to free: YM_ERR_USAGE, the message is wrong and always will be; others, such as YM_ERR_LIMIT (no memory, no
 * file descriptor): another time it may work.
 */
int envelope_parse(const void *bytes, size_t size, bool files, struct envelope *out, struct ym_err *err);
void envelope_free(struct envelope *envelope);

#endif
