/* value.c - making, freeing, copying and comparing values. */
#include "value.h"

#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "opaque.h"
#include "serialize.h"

const char *ym_type_word(enum ym_type type)
{
	static const char *const words[] = {
#define X(name, word) [YM_TYPE_##name] = word,
	    YM_TYPE_MAP(X)
#undef X
	};

	return words[type];
}

int ym_value_string(struct ym_value *out, const void *bytes, size_t length, struct ym_err *err)
{
	char *copy = length < SIZE_MAX ? malloc(length + 1) : NULL;

	*out = (struct ym_value){0};
	if (!copy)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory: malloc(%zu) for a string", length + 1);
	if (length > 0)
		memcpy(copy, bytes, length);
	copy[length] = '\0';
	out->type = YM_TYPE_STRING;
	out->string.bytes = copy;
	out->string.length = length;
	return 0;
}

int ym_value_text(struct ym_value *out, const char *text, struct ym_err *err)
{
	return ym_value_string(out, text, strlen(text), err);
}

int ym_value_array(struct ym_value *out, struct ym_err *err)
{
	*out = (struct ym_value){.array = ym_array_new(err)};
	if (!out->array)
		return -1;
	out->type = YM_TYPE_ARRAY;
	return 0;
}

void ym_value_free(struct ym_value *value)
{
	switch (value->type) {
	case YM_TYPE_STRING:
		free(value->string.bytes);
		break;
	case YM_TYPE_ARRAY:
		ym_array_free(value->array);
		break;
	case YM_TYPE_OPAQUE:
		ym_opaque_release(value->opaque);
		break;
	case YM_TYPE_NULL:
	case YM_TYPE_BOOL:
	case YM_TYPE_INT:
	case YM_TYPE_FLOAT:
		break;
	}
	*value = (struct ym_value){0};
}

int ym_value_copy_within(struct ym_value *out, const struct ym_value *value, struct ym_copy_limit *limit,
                         struct ym_err *err)
{
	size_t length = value->type == YM_TYPE_STRING ? value->string.length : 0;
	size_t levels = value->type == YM_TYPE_OPAQUE ? value->opaque->depth : 0;
	struct ym_array *array;
	int result;

	if (value->type == YM_TYPE_ARRAY) {
		*out = (struct ym_value){0};
		result = ym_array_copy(&array, value->array, limit, err);
		if (result == 0)
			*out = (struct ym_value){.type = YM_TYPE_ARRAY, .array = array};
		return result;
	}
	if (!ym_copy_allows(limit, length, levels))
		return 1;
	if (value->type == YM_TYPE_STRING)
		return ym_value_string(out, value->string.bytes, value->string.length, err);
	if (value->type == YM_TYPE_OPAQUE)
		ym_opaque_share(value->opaque);
	*out = *value;
	return 0;
}

int ym_value_copy(struct ym_value *out, const struct ym_value *value, struct ym_err *err)
{
	return ym_value_copy_within(out, value, NULL, err);
}

/* ---- comparing ------------------------------------------------------------------------------- */

static bool equal_to_depth(const struct ym_value *a, const struct ym_value *b, int depth);

static bool equal_arrays(const struct ym_array *a, const struct ym_array *b, int depth)
{
	if (a->count != b->count || depth == 0)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		struct ym_array_key x, y;
		const struct ym_value *left = ym_array_at(a, i, &x), *right = ym_array_at(b, i, &y);

		if (!x.bytes != !y.bytes || x.length != y.length || x.integer != y.integer)
			return false;
		if (x.bytes && memcmp(x.bytes, y.bytes, x.length) != 0)
			return false;
		if (!equal_to_depth(left, right, depth - 1))
			return false;
	}
	return true;
}

static bool equal_floats(double a, double b)
{
	if (a != a || b != b)
		return a != a && b != b;
	return a == b && !__builtin_signbit(a) == !__builtin_signbit(b);
}

static bool equal_to_depth(const struct ym_value *a, const struct ym_value *b, int depth)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case YM_TYPE_NULL:
		return true;
	case YM_TYPE_BOOL:
		return a->boolean == b->boolean;
	case YM_TYPE_INT:
		return a->integer == b->integer;
	case YM_TYPE_FLOAT:
		return equal_floats(a->real, b->real);
	case YM_TYPE_STRING:
		return a->string.length == b->string.length &&
		       memcmp(a->string.bytes, b->string.bytes, a->string.length) == 0;
	case YM_TYPE_ARRAY:
		return equal_arrays(a->array, b->array, depth);
	case YM_TYPE_OPAQUE:
		return ym_opaque_equal(a->opaque, b->opaque);
	}
	return false;
}

bool ym_value_equal(const struct ym_value *a, const struct ym_value *b)
{
	return equal_to_depth(a, b, YM_SERIALIZE_DEPTH);
}

/* ---- opaque values --------------------------------------------------------------------------- */

const char *ym_value_class(const struct ym_value *value, size_t *length)
{
	if (value->type != YM_TYPE_OPAQUE)
		return NULL;
	*length = value->opaque->class_length;
	return value->opaque->class ? value->opaque->class : "";
}

const char *ym_value_why_opaque(const struct ym_value *value)
{
	return value->type == YM_TYPE_OPAQUE ? value->opaque->why : NULL;
}
