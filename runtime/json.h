/*
 * json.h - write JSON to a stream, with commas in the right places. Strings are escaped; bytes that are not UTF-8
 * become U+FFFD, so the output is always valid.
 *
 * json_put_value(), json_put_float() and json_put_blob() lose nothing: what JSON has no word for becomes an object that says so.
 *
 *   INF, -INF, NAN                        {"float": "INF"}
 *   a string that is not UTF-8            {"base64": "..."}
 *   an array with a key that is not UTF-8 {"pairs": [[KEY, VALUE], ...]}
 *   an object or enum of PHP              {"php": "what serialize() wrote", "class": "NAME"}
 *   references that are no tree           the same with the class ""
 *
 * (An array of a user with such a key looks the same; PHP's serialize format is exact.) Integral floats are written with
 * a ".0", so that they stay floats. A list (keys 0, 1, 2, ...; also the empty array) becomes an array, any other array
 * an object with its keys in order.
 */
#ifndef YM_RUNTIME_JSON_H
#define YM_RUNTIME_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../ipc/value.h"

struct json {
	FILE *to;
	bool comma; /* a value went before on this level */
};

/* `key` is NULL inside arrays and for the outermost value. */
void json_open(struct json *json, const char *key, char bracket); /* '{' or '[' */
void json_close(struct json *json, char bracket);                 /* '}' or ']' */
void json_put_string(struct json *json, const char *key, const char *value);
void json_put_bytes(struct json *json, const char *key, const void *value, size_t size);
/* A text of at most `max` bytes that may lack its end. */
void json_put_text(struct json *json, const char *key, const char *value, size_t max);
void json_put_uint(struct json *json, const char *key, uint64_t value);
void json_put_int(struct json *json, const char *key, int64_t value);
void json_put_real(struct json *json, const char *key, double value); /* three decimals; null if not finite */
void json_put_bool(struct json *json, const char *key, bool value);
void json_put_null(struct json *json, const char *key);

/* A JSON value as it is. */
void json_put_raw(struct json *json, const char *key, const char *value);

/* The shortest digits that read back to the same double. */
void json_put_float(struct json *json, const char *key, double value);
void json_put_blob(struct json *json, const char *key, const void *value, size_t size);
void json_put_base64(struct json *json, const char *key, const void *value, size_t size); /* a string */

/* 0, or -1 (out of memory) with half a value written. */
int json_put_value(struct json *json, const char *key, const struct ym_value *value, struct ym_err *err);

/* Is all of it UTF-8? */
bool json_is_utf8(const void *bytes, size_t size);

#endif
