/* json.c - a small JSON writer. */
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "../ipc/buffer.h"
#include "../ipc/number.h"
#include "../ipc/serialize.h"
#include "text.h"

static void quoted(FILE *to, const unsigned char *at, size_t size)
{
	fputc('"', to);
	while (size > 0) {
		size_t n = text_utf8(at, size);

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
	if (key) {
		quoted(json->to, (const unsigned char *)key, strlen(key));
		fputs(": ", json->to);
	}
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

void json_put_bytes(struct json *json, const char *key, const void *value, size_t size)
{
	begin(json, key);
	quoted(json->to, value, size);
}

void json_put_string(struct json *json, const char *key, const char *value)
{
	json_put_bytes(json, key, value, strlen(value));
}

void json_put_text(struct json *json, const char *key, const char *value, size_t max)
{
	json_put_bytes(json, key, value, strnlen(value, max));
}

void json_put_uint(struct json *json, const char *key, uint64_t value)
{
	begin(json, key);
	fprintf(json->to, "%" PRIu64, value);
}

void json_put_int(struct json *json, const char *key, int64_t value)
{
	begin(json, key);
	fprintf(json->to, "%" PRId64, value);
}

void json_put_real(struct json *json, const char *key, double value)
{
	begin(json, key);
	if (isfinite(value))
		fprintf(json->to, "%.3f", value);
	else
		fputs("null", json->to);
}

void json_put_bool(struct json *json, const char *key, bool value)
{
	begin(json, key);
	fputs(value ? "true" : "false", json->to);
}

void json_put_null(struct json *json, const char *key)
{
	begin(json, key);
	fputs("null", json->to);
}

void json_put_raw(struct json *json, const char *key, const char *value)
{
	begin(json, key);
	fputs(value, json->to);
}

/* ---- what JSON has no word for ---------------------------------------------------------------- */

void json_put_float(struct json *json, const char *key, double value)
{
	char text[YM_NUMBER_MAX];
	size_t length = ym_format_float(value, text);

	if (!isfinite(value)) {
		json_open(json, key, '{');
		json_put_string(json, "float", text);
		json_close(json, '}');
		return;
	}
	begin(json, key);
	fwrite(text, 1, length, json->to);
	if (strspn(text, "-0123456789") == length)
		fputs(".0", json->to);
}

bool json_is_utf8(const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	while (size > 0) {
		size_t n = text_utf8(at, size);

		if (n == 0)
			return false;
		at += n;
		size -= n;
	}
	return true;
}

static void base64(FILE *to, const unsigned char *at, size_t size)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (; size > 0; at += 3, size -= size < 3 ? size : 3) {
		unsigned bits = (unsigned)at[0] << 16 | (size > 1 ? (unsigned)at[1] << 8 : 0) | (size > 2 ? at[2] : 0);

		fputc(digits[bits >> 18], to);
		fputc(digits[bits >> 12 & 63], to);
		fputc(size > 1 ? digits[bits >> 6 & 63] : '=', to);
		fputc(size > 2 ? digits[bits & 63] : '=', to);
	}
}

void json_put_base64(struct json *json, const char *key, const void *value, size_t size)
{
	begin(json, key);
	fputc('"', json->to);
	base64(json->to, value, size);
	fputc('"', json->to);
}

void json_put_blob(struct json *json, const char *key, const void *value, size_t size)
{
	if (json_is_utf8(value, size)) {
		json_put_bytes(json, key, value, size);
		return;
	}
	json_open(json, key, '{');
	json_put_base64(json, "base64", value, size);
	json_close(json, '}');
}

/* ---- values ----------------------------------------------------------------------------------- */

static int content(struct json *json, const struct ym_value *value, struct ym_err *err);

static int list(struct json *json, const struct ym_array *array, struct ym_err *err)
{
	json_open(json, NULL, '[');
	for (size_t i = 0; i < ym_array_count(array); i++)
		if (content(json, ym_array_at(array, i, NULL), err) < 0)
			return -1;
	json_close(json, ']');
	return 0;
}

static bool has_utf8_keys(const struct ym_array *array)
{
	struct ym_array_key key;

	for (size_t i = 0; i < ym_array_count(array); i++) {
		ym_array_at(array, i, &key);
		if (key.bytes && !json_is_utf8(key.bytes, key.length))
			return false;
	}
	return true;
}

static int map(struct json *json, const struct ym_array *array, struct ym_err *err)
{
	json_open(json, NULL, '{');
	for (size_t i = 0; i < ym_array_count(array); i++) {
		struct ym_array_key key;
		const struct ym_value *value = ym_array_at(array, i, &key);
		char number[YM_NUMBER_MAX];

		if (!key.bytes) {
			key.length = ym_format_int(key.integer, number);
			key.bytes = number;
		}
		json_put_bytes(json, NULL, key.bytes, key.length);
		fputs(": ", json->to);
		json->comma = false;
		if (content(json, value, err) < 0)
			return -1;
	}
	json_close(json, '}');
	return 0;
}

/* Keys that JSON cannot hold would fall together if they were replaced. */
static int pairs(struct json *json, const struct ym_array *array, struct ym_err *err)
{
	json_open(json, NULL, '{');
	json_open(json, "pairs", '[');
	for (size_t i = 0; i < ym_array_count(array); i++) {
		struct ym_array_key key;
		const struct ym_value *value = ym_array_at(array, i, &key);

		json_open(json, NULL, '[');
		if (key.bytes)
			json_put_blob(json, NULL, key.bytes, key.length);
		else
			json_put_int(json, NULL, key.integer);
		if (content(json, value, err) < 0)
			return -1;
		json_close(json, ']');
	}
	json_close(json, ']');
	json_close(json, '}');
	return 0;
}

static int opaque(struct json *json, const struct ym_value *value, struct ym_err *err)
{
	struct ym_buffer bytes;
	char storage[512];
	const char *class;
	size_t length;
	int result;

	ym_buffer_init(&bytes, storage, sizeof(storage));
	result = ym_serialize(value, &bytes, err);
	if (result == 0) {
		json_open(json, NULL, '{');
		json_put_blob(json, "php", bytes.bytes, bytes.length);
		class = ym_value_class(value, &length);
		json_put_blob(json, "class", class, length);
		json_close(json, '}');
	}
	ym_buffer_free(&bytes);
	return result;
}

static int content(struct json *json, const struct ym_value *value, struct ym_err *err)
{
	switch (value->type) {
	case YM_TYPE_NULL:
		json_put_null(json, NULL);
		return 0;
	case YM_TYPE_BOOL:
		json_put_bool(json, NULL, value->boolean);
		return 0;
	case YM_TYPE_INT:
		json_put_int(json, NULL, value->integer);
		return 0;
	case YM_TYPE_FLOAT:
		json_put_float(json, NULL, value->real);
		return 0;
	case YM_TYPE_STRING:
		json_put_blob(json, NULL, value->string.bytes, value->string.length);
		return 0;
	case YM_TYPE_ARRAY:
		return ym_array_is_list(value->array) ? list(json, value->array, err)
		       : has_utf8_keys(value->array)  ? map(json, value->array, err)
		                                      : pairs(json, value->array, err);
	case YM_TYPE_OPAQUE:
		return opaque(json, value, err);
	}
	return ym_fail(err, YM_ERR_BUG, "a value of the unknown type %d", (int)value->type);
}

int json_put_value(struct json *json, const char *key, const struct ym_value *value, struct ym_err *err)
{
	if (key) {
		begin(json, key);
		json->comma = false;
	}
	return content(json, value, err);
}
