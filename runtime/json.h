/*
 * json.h - write JSON to a stream, with commas in the right places. Strings are escaped; bytes that are not UTF-8
 * become U+FFFD, so the output is always valid.
 */
#ifndef YM_RUNTIME_JSON_H
#define YM_RUNTIME_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *to;
	bool comma; /* a value went before on this level */
};

/* `key` is NULL inside arrays and for the outermost value. */
void json_open(struct json *json, const char *key, char bracket); /* '{' or '[' */
void json_close(struct json *json, char bracket);                 /* '}' or ']' */
void json_string(struct json *json, const char *key, const char *value);
void json_bytes(struct json *json, const char *key, const void *value, size_t size);
void json_uint(struct json *json, const char *key, uint64_t value);
void json_int(struct json *json, const char *key, int64_t value);
void json_real(struct json *json, const char *key, double value); /* three decimals; null if not finite */
void json_bool(struct json *json, const char *key, bool value);

#endif
