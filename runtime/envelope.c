/* envelope.c - from the bytes of a message to the request for a job. */
#include "envelope.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ipc/number.h"
#include "../ipc/serialize.h"
#include "envelope_keys.h"
#include "json.h"

/* Of parse_php() and parse_json(): it is none, take it as plain bytes. */
#define PLAIN 1

/* A value costs as much as serialize() writes for it at least; only copies of references cost more than the message. */
#define GROWTH      4
#define GROWTH_FREE 4096
#define COST_SCALAR 2

#define BLANK      " \t\r\n"
#define READ_FLAGS (JSON_DECODE_ANY | JSON_ALLOW_NUL)

/* ---- values of PHP as JSON ------------------------------------------------------------------- */

struct audit {
	size_t budget;
	unsigned depth;
	struct ym_err *err;
};

static int pay(struct audit *audit, size_t cost)
{
	if (cost > audit->budget)
		return ym_fail(audit->err, YM_ERR_USAGE, "its references make it more than %d times as large as it is",
		               GROWTH);
	audit->budget -= cost;
	return 0;
}

static int audit_string(struct audit *audit, const char *what, const char *bytes, size_t length)
{
	if (!json_is_utf8(bytes, length))
		return ym_fail(audit->err, YM_ERR_USAGE,
		               "a %s in it is not UTF-8, which JSON cannot hold: send binary data as the string "
		               "\"payload\" of an envelope",
		               what);
	return pay(audit, COST_SCALAR + length);
}

static int audit_value(struct audit *audit, const struct ym_value *value);

static int audit_array(struct audit *audit, const struct ym_array *array)
{
	if (audit->depth == ENVELOPE_DEPTH)
		return ym_fail(audit->err, YM_ERR_USAGE, "it is deeper than %d arrays in each other", ENVELOPE_DEPTH);
	audit->depth++;
	for (size_t i = 0; i < ym_array_count(array); i++) {
		struct ym_array_key key;
		const struct ym_value *value = ym_array_at(array, i, &key);

		if (key.bytes ? audit_string(audit, "key", key.bytes, key.length) : pay(audit, COST_SCALAR))
			return -1;
		if (audit_value(audit, value) < 0)
			return -1;
	}
	audit->depth--;
	return pay(audit, COST_SCALAR);
}

/* Can JSON hold it, and is it no larger than it may be? */
static int audit_value(struct audit *audit, const struct ym_value *value)
{
	switch (value->type) {
	case YM_TYPE_STRING:
		return audit_string(audit, "string", value->string.bytes, value->string.length);
	case YM_TYPE_ARRAY:
		return audit_array(audit, value->array);
	case YM_TYPE_OPAQUE:
		return ym_fail(audit->err, YM_ERR_USAGE,
		               "%s is no plain data, which JSON cannot hold: send arrays and scalars, or the string "
		               "that json_encode() gives",
		               ym_value_why_opaque(value));
	case YM_TYPE_FLOAT:
		if (!isfinite(value->real))
			return ym_fail(audit->err, YM_ERR_USAGE, "INF or NAN is in it, which JSON cannot hold");
		break;
	case YM_TYPE_NULL:
	case YM_TYPE_BOOL:
	case YM_TYPE_INT:
		break;
	}
	return pay(audit, COST_SCALAR);
}

char *envelope_json(const struct ym_value *value, size_t size, size_t *length, struct ym_err *err)
{
	struct audit audit = {.budget = GROWTH * size + GROWTH_FREE, .err = err};
	struct json json = {0};
	char *text = NULL;
	int result;

	if (audit_value(&audit, value) < 0)
		return NULL;
	json.to = open_memstream(&text, length);
	if (!json.to) {
		ym_fail(err, YM_ERR_LIMIT, "out of memory: open_memstream() for the JSON of a payload");
		return NULL;
	}
	result = json_put_value(&json, NULL, value, err);
	if (fclose(json.to) != 0 && result == 0)
		result = ym_fail(err, YM_ERR_LIMIT, "out of memory for the JSON of a payload");
	if (result == 0)
		return text;
	free(text);
	return NULL;
}

/* ---- PHP ------------------------------------------------------------------------------------- */

static int open_array(struct envelope *envelope, const struct ym_array *array, size_t size, struct ym_err *err)
{
	for (size_t i = 0; i < ym_array_count(array); i++) {
		struct ym_array_key key;
		char number[YM_NUMBER_MAX];
		struct ym_value *value = ym_array_at(array, i, &key);

		if (!key.bytes) {
			key.length = ym_format_int(key.integer, number);
			key.bytes = number;
		}
		if (envelope_set(envelope,
		                 &(struct envelope_member){
				     .name = key.bytes, .length = key.length, .value = value, .message_size = size},
		                 err) < 0)
			return -1;
	}
	return 0;
}

static bool is_envelope(const struct ym_value *value)
{
	return value->type == YM_TYPE_ARRAY && ym_array_get(value->array, ym_array_key_text(ENVELOPE_MARK));
}

/* What serialize() writes ends so. Most other bytes need not be looked at any further. */
static bool like_php(const char *bytes, size_t size)
{
	return size > 1 && (bytes[size - 1] == ';' || bytes[size - 1] == '}') && (bytes[1] == ':' || bytes[1] == ';');
}

static int parse_php(const char *bytes, size_t size, struct envelope *envelope, struct ym_err *err)
{
	struct envelope_member all = {.name = ENVELOPE_MARK, .length = strlen(ENVELOPE_MARK), .message_size = size};
	struct ym_err why = {0};
	struct ym_value value;
	size_t used;
	int result;

	if (!like_php(bytes, size))
		return PLAIN;
	if (ym_unserialize(bytes, size, &value, &used, &why) < 0) {
		if (why.class != YM_ERR_LIMIT)
			return PLAIN;
		return ym_fail(err, YM_ERR_LIMIT, "%s", why.text);
	}
	all.value = &value;
	if (used < size)
		result = PLAIN;
	else if (is_envelope(&value))
		result = open_array(envelope, value.array, size, err);
	else
		result = envelope_set(envelope, &all, err);
	ym_value_free(&value);
	return result;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* In valid JSON: the first byte behind the value that starts at `at`. */
static const char *behind(const char *at, const char *end)
{
	static const char ends[] = ",:]}" BLANK;
	unsigned depth = 0;
	bool quoted = false;

	for (; at < end; at++) {
		if (quoted) {
			if (*at == '\\')
				at++;
			else if (*at == '"')
				quoted = false;
		} else if (*at == '"') {
			quoted = true;
		} else if (*at == '{' || *at == '[') {
			depth++;
		} else if (depth == 0 && memchr(ends, *at, sizeof(ends) - 1)) {
			return at;
		} else if (*at == '}' || *at == ']') {
			depth--;
		}
	}
	return end;
}

static const char *skip(const char *at, const char *end, const char *bytes)
{
	while (at < end && *at && strchr(bytes, *at))
		at++;
	return at;
}

static int no_memory(struct ym_err *err)
{
	return ym_fail(err, YM_ERR_LIMIT, "out of memory for the JSON of a message");
}

/* A piece of valid JSON, which is a string, a number or a word. */
static int scalar(const char *text, size_t length, struct ym_value *out, struct ym_err *err)
{
	json_error_t why;
	json_t *json = json_loadb(text, length, READ_FLAGS, &why);
	int result = 0;

	/* An integer beyond 64 bits is a number all the same. */
	if (!json)
		json = json_loadb(text, length, READ_FLAGS | JSON_DECODE_INT_AS_REAL, &why);
	if (!json)
		return no_memory(err);
	if (json_is_string(json))
		result = ym_value_string(out, json_string_value(json), json_string_length(json), err);
	else if (json_is_integer(json))
		*out = ym_value_int(json_integer_value(json));
	else if (json_is_real(json))
		*out = ym_value_float(json_real_value(json));
	else if (json_is_boolean(json))
		*out = ym_value_bool(json_is_true(json));
	json_decref(json);
	return result;
}

/* One member, whose name and value stand at these places. */
static int open_member(struct envelope *envelope, const char *name, const char *name_end, const char *text,
                       const char *text_end, struct ym_err *err)
{
	struct ym_value key = {0}, value = {0};
	struct envelope_member member = {.value = &value, .json = text, .json_length = (size_t)(text_end - text)};
	int result = scalar(name, (size_t)(name_end - name), &key, err);

	if (result == 0) {
		member.name = key.string.bytes;
		member.length = key.string.length;
		if (*text == '{' || *text == '[')
			result = ym_value_array(&value, err);
		else
			result = scalar(text, member.json_length, &value, err);
	}
	if (result == 0)
		result = envelope_set(envelope, &member, err);
	ym_value_free(&key);
	ym_value_free(&value);
	return result;
}

/*
 * The members by their places in the text: so a payload is taken as it was written, and integers of other keys are exact
 * although the reader has seen them as floats.
 */
static int open_object(struct envelope *envelope, const char *at, const char *end, struct ym_err *err)
{
	for (at = skip(at, end, BLANK "{"); at < end && *at == '"'; at = skip(at, end, BLANK ",")) {
		const char *name = at, *name_end = behind(name, end);
		const char *text = skip(name_end, end, BLANK ":");

		at = behind(text, end);
		if (open_member(envelope, name, name_end, text, at, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_json(const char *bytes, size_t size, struct envelope *envelope, struct ym_err *err)
{
	const char *start = skip(bytes, bytes + size, BLANK);
	json_error_t why;
	json_t *object;
	bool is;

	if (start == bytes + size || *start != '{')
		return PLAIN;
	/* Integers of any length are valid JSON, and may be in a payload. */
	object = json_loadb(bytes, size, READ_FLAGS | JSON_DECODE_INT_AS_REAL, &why);
	if (!object)
		return json_error_code(&why) == json_error_out_of_memory ? no_memory(err) : PLAIN;
	is = json_object_get(object, ENVELOPE_MARK) != NULL;
	json_decref(object);
	return is ? open_object(envelope, start, bytes + size, err) : PLAIN;
}

/* ---- messages -------------------------------------------------------------------------------- */

int envelope_parse(const void *bytes, size_t size, bool files, struct envelope *out, struct ym_err *err)
{
	int result;

	*out = (struct envelope){.request = {JOB_REQUEST_INIT, .payload.fd = -1}};
	result = parse_php(bytes, size, out, err);
	if (result == PLAIN)
		result = parse_json(bytes, size, out, err);
	if (result == PLAIN) {
		out->request.payload.data = bytes;
		out->request.payload.size = size;
		return 0;
	}
	if (result == 0)
		result = envelope_complete(out, files, err);
	if (result < 0)
		envelope_free(out);
	return result;
}

void envelope_free(struct envelope *envelope)
{
	free(envelope->payload);
	free(envelope->tag);
	free(envelope->unique);
	free(envelope->file);
	if (envelope->request.payload.fd >= 0)
		close(envelope->request.payload.fd);
	*envelope = (struct envelope){.request = {.payload.fd = -1}};
}
