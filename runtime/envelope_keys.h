/*
 * envelope_keys.h - the keys of an envelope, the same for PHP's arrays and JSON's objects.
 */
#ifndef YM_RUNTIME_ENVELOPE_KEYS_H
#define YM_RUNTIME_ENVELOPE_KEYS_H

#include "../ipc/value.h"
#include "envelope.h"

/* Name, what its value has to be. */
#define ENVELOPE_KEY_MAP(X)                                                                                            \
	X(payload, "anything: a string as it is, other values as JSON")                                                \
	X(priority, "0 (most urgent) to 9, or urgent, high, normal, low, idle")                                        \
	X(delay, "seconds, or a text such as \"10m\", at most 36500 days")                                             \
	X(at, "seconds since 1970, or a text such as \"2026-11-21T20:15:00Z\"")                                        \
	X(unique, "a text of at least one character, or an integer")                                                   \
	X(tag, "a text, or an integer")                                                                                \
	X(timeout, "seconds, or a text such as \"10m\", at most 36500 days")                                           \
	X(file, "the absolute path of a file")                                                                         \
	X(reply, "the key of a queue: a number, \"0xHEX\", \"/PATH:c\" or \"name:TEXT\"")                              \
	X(reply_type, "an integer from 1 on")

/* The key whose presence makes an envelope. */
#define ENVELOPE_MARK "payload"

struct envelope_member {
	const char *name; /* may hold any bytes */
	size_t length;
	/* A list or object of JSON is an empty array. Strings are taken out of it. */
	struct ym_value *value;
	size_t message_size;
	const char *json; /* its text, if it came as JSON */
	size_t json_length;
};

/* Enter what a member says. 0, or -1 as envelope_parse(). */
int envelope_set(struct envelope *envelope, const struct envelope_member *member, struct ym_err *err);

/* All members are entered: do they go together? Opens the file. */
int envelope_complete(struct envelope *envelope, bool files, struct ym_err *err);

/* The JSON of a value, allocated, for a message of `size` bytes; NULL when JSON cannot hold it. */
char *envelope_json(const struct ym_value *value, size_t size, size_t *length, struct ym_err *err);

#endif
