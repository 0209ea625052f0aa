/* json.c - a small JSON writer. */
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Length of the valid UTF-8 character at `at`, 0 if there is none. */
static size_t utf8_length(const unsigned char *at, size_t left)
{
	size_t n = at[0] < 0x80                    ? 1
	           : at[0] >= 0xc2 && at[0] < 0xe0 ? 2
	           : (at[0] & 0xf0) == 0xe0        ? 3
	           : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
	                                           : 0;

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates and what lies beyond U+10FFFF. */
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf0 && at[1] < 0x90) ||
	    (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return n;
}

static void quoted(FILE *to, const unsigned char *at, size_t size)
{
	fputc('"', to);
	while (size > 0) {
		size_t n = utf8_length(at, size);

		if (n == 0) {
			fputs("\\ufffd", to);
			n = 1;
		} else if (*at == '"' || *at == '\\') {
			fprintf(to, "\\%c", *at);
		} else if (*at < 0x20) {
			fprintf(to, "\\u%04x", *at);
		} else {
			fwrite(at, 1, n, to);
		}
		at += n;
		size -= n;
	}
	fputc('"', to);
}

static void begin(struct json *json, const char *key)
{
	if (json->comma)
		fputs(", ", json->to);
	json->comma = true;
	if (key)
		fprintf(json->to, "\"%s\": ", key);
}

void json_open(struct json *json, const char *key, char bracket)
{
	begin(json, key);
	fputc(bracket, json->to);
	json->comma = false;
}

void json_close(struct json *json, char bracket)
{
	fputc(bracket, json->to);
	json->comma = true;
}

void json_bytes(struct json *json, const char *key, const void *value, size_t size)
{
	begin(json, key);
	quoted(json->to, value, size);
}

void json_string(struct json *json, const char *key, const char *value)
{
	json_bytes(json, key, value, strlen(value));
}

void json_uint(struct json *json, const char *key, uint64_t value)
{
	begin(json, key);
	fprintf(json->to, "%" PRIu64, value);
}

void json_int(struct json *json, const char *key, int64_t value)
{
	begin(json, key);
	fprintf(json->to, "%" PRId64, value);
}

void json_real(struct json *json, const char *key, double value)
{
	begin(json, key);
	if (isfinite(value))
		fprintf(json->to, "%.3f", value);
	else
		fputs("null", json->to);
}

void json_bool(struct json *json, const char *key, bool value)
{
	begin(json, key);
	fputs(value ? "true" : "false", json->to);
}
