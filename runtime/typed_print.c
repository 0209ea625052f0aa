/* typed_print.c - values as users read them. */
#include <string.h>

#include "../ipc/number.h"
#include "../ipc/serialize.h"
#include "json.h"
#include "text.h"
#include "typed.h"

#define LINE_WIDTH 72 /* arrays that fit stay on one line */
#define LINE_LEAST 20 /* however far they are indented */
#define STEP       4
#define INDENT_MAX 80 /* beyond, only the brackets tell the depth */

/* Writes on one line until `left` characters are used up; with `to` NULL it only measures. */
struct pen {
	FILE *to;
	size_t left;
	bool full, failed;
	struct ym_err *err;
};

static void put(struct pen *pen, const void *bytes, size_t length, size_t columns)
{
	if (pen->full || columns > pen->left) {
		pen->full = true;
		return;
	}
	pen->left -= columns;
	if (pen->to)
		fwrite(bytes, 1, length, pen->to);
}

static void put_text(struct pen *pen, const char *text)
{
	put(pen, text, strlen(text), strlen(text));
}

/* Length of the character at `at` if it can be shown as it is: no control character of ASCII or Latin-1. */
static size_t printable(const unsigned char *at, size_t left)
{
	size_t length = text_utf8(at, left);
	bool control = at[0] < 0x20 || at[0] == 0x7f || (length == 2 && at[0] == 0xc2 && at[1] < 0xa0);

	return control ? 0 : length;
}

/* The letter of a byte's escape, 0 if it has none of its own. */
static char escape_letter(unsigned char byte)
{
	static const char bytes[] = "\n\t\r\"\\", letters[] = "ntr\"\\";
	const char *found = byte ? strchr(bytes, byte) : NULL;

	return found ? letters[found - bytes] : '\0';
}

/* `quotes`: the bytes stand between quotation marks, which therefore are escaped, too. */
static void put_escaped(struct pen *pen, const void *bytes, size_t size, bool quotes)
{
	const unsigned char *at = bytes;

	while (size > 0 && !pen->full) {
		size_t length = printable(at, size);
		char letter = escape_letter(*at), escape[8];

		if (length > 0 && !(letter && quotes)) {
			put(pen, at, length, 1);
		} else {
			if (letter)
				snprintf(escape, sizeof(escape), "\\%c", letter);
			else
				snprintf(escape, sizeof(escape), "\\x%02x", *at);
			put_text(pen, escape);
			length = 1;
		}
		at += length;
		size -= length;
	}
}

static void put_quoted(struct pen *pen, const void *bytes, size_t size)
{
	put_text(pen, "\"");
	put_escaped(pen, bytes, size, true);
	put_text(pen, "\"");
}

static void put_float(struct pen *pen, double real)
{
	char text[YM_NUMBER_MAX];
	size_t length = ym_format_float(real, text);

	put_text(pen, text);
	if (strspn(text, "-0123456789") == length)
		put_text(pen, ".0");
}

static void put_opaque(struct pen *pen, const struct ym_value *value)
{
	struct ym_buffer bytes;
	char storage[512];
	size_t length;
	const char *class = ym_value_class(value, &length);

	ym_buffer_init(&bytes, storage, sizeof(storage));
	if (ym_serialize(value, &bytes, pen->err) < 0) {
		pen->failed = true;
	} else {
		put_text(pen, length > 0 ? "object(" : "references(");
		put_escaped(pen, class, length, false);
		put_text(pen, ") ");
		put_escaped(pen, bytes.bytes, bytes.length, false);
	}
	ym_buffer_free(&bytes);
}

static void put_key(struct pen *pen, const struct ym_array_key *key)
{
	char number[YM_NUMBER_MAX];

	if (key->bytes) {
		put_quoted(pen, key->bytes, key->length);
	} else {
		ym_format_int(key->integer, number);
		put_text(pen, number);
	}
	put_text(pen, " => ");
}

static void put_value(struct pen *pen, const struct ym_value *value);

static void put_array(struct pen *pen, const struct ym_array *array)
{
	bool list = ym_array_is_list(array);

	put_text(pen, "[");
	for (size_t i = 0; i < ym_array_count(array) && !pen->full; i++) {
		struct ym_array_key key;
		const struct ym_value *value = ym_array_at(array, i, &key);

		if (i > 0)
			put_text(pen, ", ");
		if (!list)
			put_key(pen, &key);
		put_value(pen, value);
	}
	put_text(pen, "]");
}

static void put_value(struct pen *pen, const struct ym_value *value)
{
	char number[YM_NUMBER_MAX];

	switch (value->type) {
	case YM_TYPE_NULL:
		put_text(pen, "null");
		break;
	case YM_TYPE_BOOL:
		put_text(pen, value->boolean ? "true" : "false");
		break;
	case YM_TYPE_INT:
		ym_format_int(value->integer, number);
		put_text(pen, number);
		break;
	case YM_TYPE_FLOAT:
		put_float(pen, value->real);
		break;
	case YM_TYPE_STRING:
		put_quoted(pen, value->string.bytes, value->string.length);
		break;
	case YM_TYPE_ARRAY:
		put_array(pen, value->array);
		break;
	case YM_TYPE_OPAQUE:
		put_opaque(pen, value);
		break;
	}
}

/* Behind what the pen has written already: an array that does not fit the line gets one line for each pair. */
static void put_block(struct pen *pen, const struct ym_value *value, unsigned indent, size_t used)
{
	size_t width = indent + used + LINE_LEAST < LINE_WIDTH ? LINE_WIDTH - indent - used : LINE_LEAST;
	struct pen measure = {.left = width, .err = pen->err};
	unsigned inner = indent + STEP < INDENT_MAX ? indent + STEP : INDENT_MAX;
	bool list;

	if (value->type == YM_TYPE_ARRAY)
		put_value(&measure, value);
	if (!measure.full) {
		put_value(pen, value);
		return;
	}
	list = ym_array_is_list(value->array);
	put_text(pen, "[\n");
	for (size_t i = 0; i < ym_array_count(value->array); i++) {
		struct ym_array_key key;
		const struct ym_value *part = ym_array_at(value->array, i, &key);
		size_t before = pen->left;

		fprintf(pen->to, "%*s", (int)inner, "");
		if (!list)
			put_key(pen, &key);
		put_block(pen, part, inner, before - pen->left);
		put_text(pen, ",\n");
	}
	fprintf(pen->to, "%*s]", (int)indent, "");
}

static bool is_text(const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	while (size > 0) {
		size_t length = *at == '\n' || *at == '\t' ? 1 : printable(at, size);

		if (length == 0)
			return false;
		at += length;
		size -= length;
	}
	return true;
}

int typed_print(FILE *to, const struct ym_value *value, unsigned indent, struct ym_err *err)
{
	struct pen pen = {.to = to, .left = SIZE_MAX, .err = err};

	if (value->type == YM_TYPE_STRING && is_text(value->string.bytes, value->string.length))
		fwrite(value->string.bytes, 1, value->string.length, to);
	else
		put_block(&pen, value, indent, 0);
	return pen.failed ? -1 : 0;
}

int typed_preview(FILE *to, const struct ym_value *value, size_t columns, struct ym_err *err)
{
	static const char more[] = "...";
	struct pen measure = {.left = columns, .err = err};
	struct pen pen = {.to = to, .left = columns, .err = err};

	put_value(&measure, value);
	if (measure.full)
		pen.left = columns > sizeof(more) - 1 ? columns - (sizeof(more) - 1) : 0;
	put_value(&pen, value);
	if (measure.full)
		fputs(more, to);
	return pen.failed || measure.failed ? -1 : 0;
}

void typed_print_bytes(FILE *to, const void *bytes, size_t length)
{
	struct pen pen = {.to = to, .left = SIZE_MAX};

	put_escaped(&pen, bytes, length, false);
}
