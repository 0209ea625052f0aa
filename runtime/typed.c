/* typed.c - values as users type them. */
#include "typed.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../config/values.h"
#include "../ipc/number.h"
#include "../ipc/serialize.h"

#define READ_SIZE 65536

static int read_stdin(struct ym_buffer *out, struct ym_err *err)
{
	for (;;) {
		char *room = ym_buffer_room(out, READ_SIZE, err);
		ssize_t n;

		if (!room)
			return -1;
		n = read(STDIN_FILENO, room, READ_SIZE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ym_fail_sys(err, errno, "read() of the value from stdin");
		if (n == 0)
			return 0;
		out->length += (size_t)n;
	}
}

/* The text itself, or for "-" what comes from stdin. */
static int load(const char *text, struct ym_buffer *out, struct ym_err *err)
{
	return strcmp(text, "-") == 0 ? read_stdin(out, err) : ym_buffer_add(out, text, strlen(text), err);
}

static int parse_stdin(struct ym_value *out, struct ym_err *err)
{
	struct ym_buffer bytes;
	int result;

	ym_buffer_init(&bytes, NULL, 0);
	result = read_stdin(&bytes, err);
	if (result == 0)
		result = ym_value_string(out, bytes.bytes, bytes.length, err);
	ym_buffer_free(&bytes);
	return result;
}

static int parse_str(const char *text, struct ym_value *out, struct ym_err *err)
{
	return ym_value_text(out, text, err);
}

int typed_integer(const char *text, int64_t *out, struct ym_err *err)
{
	size_t sign = *text == '-', digits = strspn(text + sign, "0123456789");

	if (digits == 0 || text[sign + digits])
		return ym_fail(err, YM_ERR_USAGE, "\"%.60s\" is no integer: write digits only, such as 42 or -7", text);
	errno = 0;
	*out = strtoll(text, NULL, 10);
	if (errno == ERANGE)
		return ym_fail(err, YM_ERR_USAGE, "%.60s does not fit an integer: there are %lld to %lld", text,
		               (long long)INT64_MIN, (long long)INT64_MAX);
	return 0;
}

static int parse_int(const char *text, struct ym_value *out, struct ym_err *err)
{
	int64_t integer;

	if (typed_integer(text, &integer, err) < 0)
		return -1;
	*out = ym_value_int(integer);
	return 0;
}

static int parse_float(const char *text, struct ym_value *out, struct ym_err *err)
{
	static const struct {
		const char *word;
		double real;
	} words[] = {{"INF", INFINITY}, {"-INF", -INFINITY}, {"NAN", NAN}};
	char *end;
	double real;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i].word) == 0) {
			*out = ym_value_float(words[i].real);
			return 0;
		}
	}
	/* No hexadecimal digits, no blanks, no "infinity". */
	if (!*text || text[strspn(text, "+-.0123456789eE")])
		return ym_fail(err, YM_ERR_USAGE, "\"%.60s\" is no float: write it like 1.5, -2e-7, INF, -INF or NAN",
		               text);
	real = ym_parse_float(text, &end);
	if (end == text || *end)
		return ym_fail(err, YM_ERR_USAGE, "\"%.60s\" is no float: \"%.20s\" is too much", text, end);
	if (!isfinite(real))
		return ym_fail(err, YM_ERR_USAGE,
		               "%.60s is beyond the largest float, 1.8E+308: write INF if you mean it", text);
	*out = ym_value_float(real);
	return 0;
}

static int parse_bool(const char *text, struct ym_value *out, struct ym_err *err)
{
	char why[CFG_WHY_MAX];
	int64_t boolean;

	if (cfg_parse_boolean(text, &boolean, why) < 0)
		return ym_fail(err, YM_ERR_USAGE, "\"%.60s\" is %s", text, why);
	*out = ym_value_bool(boolean != 0);
	return 0;
}

static int parse_null(const char *text, struct ym_value *out, struct ym_err *err)
{
	if (*text)
		return ym_fail(err, YM_ERR_USAGE, "nothing may follow, not \"%.60s\"", text);
	*out = (struct ym_value){.type = YM_TYPE_NULL};
	return 0;
}

static int from_json(const json_t *json, struct ym_value *out, struct ym_err *err);

static int from_json_list(const json_t *list, struct ym_value *out, struct ym_err *err)
{
	if (ym_value_array(out, err) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct ym_value part;

		if (from_json(json_array_get(list, i), &part, err) < 0 || ym_array_append(out->array, &part, err) < 0) {
			ym_value_free(out);
			return -1;
		}
	}
	return 0;
}

static int from_json_object(json_t *object, struct ym_value *out, struct ym_err *err)
{
	const char *name;
	json_t *member;

	if (ym_value_array(out, err) < 0)
		return -1;
	json_object_foreach(object, name, member)
	{
		struct ym_value part;

		if (from_json(member, &part, err) < 0 ||
		    ym_array_set(out->array, ym_array_key_text(name), &part, err) < 0) {
			ym_value_free(out);
			return -1;
		}
	}
	return 0;
}

static int from_json(const json_t *json, struct ym_value *out, struct ym_err *err)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return from_json_object((json_t *)json, out, err);
	case JSON_ARRAY:
		return from_json_list(json, out, err);
	case JSON_STRING:
		return ym_value_string(out, json_string_value(json), json_string_length(json), err);
	case JSON_INTEGER:
		*out = ym_value_int(json_integer_value(json));
		return 0;
	case JSON_REAL:
		*out = ym_value_float(json_real_value(json));
		return 0;
	case JSON_TRUE:
	case JSON_FALSE:
		*out = ym_value_bool(json_is_true(json));
		return 0;
	case JSON_NULL:
		*out = (struct ym_value){.type = YM_TYPE_NULL};
		return 0;
	}
	return ym_fail(err, YM_ERR_BUG, "a JSON value of the unknown type %d", (int)json_typeof(json));
}

static int parse_json(const char *text, struct ym_value *out, struct ym_err *err)
{
	struct ym_buffer bytes;
	json_error_t why;
	json_t *json = NULL;
	int result;

	ym_buffer_init(&bytes, NULL, 0);
	result = load(text, &bytes, err);
	if (result == 0) {
		json = json_loadb(bytes.bytes ? bytes.bytes : "", bytes.length,
		                  JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
		if (json)
			result = from_json(json, out, err);
		else
			result =
			    ym_fail(err, YM_ERR_USAGE, "line %d, column %d: %s%s", why.line, why.column, why.text,
			            json_error_code(&why) == json_error_numeric_overflow
			                ? " (integers have 64 bits, floats end at 1.8E+308: write such a number as a "
			                  "string, or an integer with .0 as a float)"
			                : "");
		json_decref(json);
	}
	ym_buffer_free(&bytes);
	return result;
}

/* One whole serialized value, as bytes and decoded. */
static int load_php(const char *text, struct ym_buffer *bytes, struct ym_value *out, struct ym_err *err)
{
	size_t before = bytes->length, length, used;

	if (load(text, bytes, err) < 0)
		return -1;
	length = bytes->length - before;
	if (ym_unserialize(bytes->bytes ? bytes->bytes + before : "", length, out, &used, err) < 0) {
		if (err && err->class == YM_ERR_CORRUPT)
			err->class = YM_ERR_USAGE;
		return -1;
	}
	if (used == length)
		return 0;
	ym_value_free(out);
	return ym_fail(err, YM_ERR_USAGE, "offset %zu: the value ends here, but %zu more bytes follow", used,
	               length - used);
}

static int parse_php(const char *text, struct ym_value *out, struct ym_err *err)
{
	struct ym_buffer bytes;
	int result;

	ym_buffer_init(&bytes, NULL, 0);
	result = load_php(text, &bytes, out, err);
	ym_buffer_free(&bytes);
	return result;
}

static const struct {
	const char *prefix;
	int (*parse)(const char *text, struct ym_value *out, struct ym_err *err);
} types[] = {
#define X(name, example, meaning) {#name ":", parse_##name},
    TYPED_MAP(X)
#undef X
};

int typed_parse(const char *text, struct ym_value *out, struct ym_err *err)
{
	*out = (struct ym_value){.type = YM_TYPE_NULL};
	if (strcmp(text, "-") == 0)
		return parse_stdin(out, err);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t length = strlen(types[i].prefix);

		if (strncmp(text, types[i].prefix, length) != 0)
			continue;
		if (types[i].parse(text + length, out, err) == 0)
			return 0;
		return ym_err_prefix(err, "%.*s", (int)length - 1, types[i].prefix);
	}
	return ym_value_text(out, text, err);
}

int typed_encode(const char *text, struct ym_buffer *out, struct ym_err *err)
{
	static const char php[] = "php:";
	struct ym_value value;
	size_t before = out->length;
	int result;

	if (strncmp(text, php, sizeof(php) - 1) == 0) {
		if (load_php(text + sizeof(php) - 1, out, &value, err) < 0) {
			out->length = before;
			return ym_err_prefix(err, "%.*s", (int)sizeof(php) - 2, php);
		}
		ym_value_free(&value);
		return 0;
	}
	if (typed_parse(text, &value, err) < 0)
		return -1;
	result = ym_serialize(&value, out, err);
	ym_value_free(&value);
	return result;
}
