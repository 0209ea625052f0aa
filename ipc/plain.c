/* plain.c - values as text that is not serialized. */
#include "plain.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "number.h"

#define DECIMALS 6

/* Sign, digits of the largest double, the longest decimal point of any locale, decimals, NUL. */
#define FLOAT_SPACE (1 + DBL_MAX_10_EXP + 1 + 16 + DECIMALS + 1)

/* PHP's "%F": a point, whatever the locale says; the sign of an infinity is lost. */
static int add_float(struct ym_buffer *out, double real, struct ym_err *err)
{
	char text[FLOAT_SPACE];
	size_t length, whole;

	if (isnan(real))
		return ym_buffer_add(out, "nan", 3, err);
	if (isinf(real))
		return ym_buffer_add(out, "inf", 3, err);
	/* Adding 0 makes 0 of -0, as PHP does. */
	length = (size_t)snprintf(text, sizeof(text), "%.*f", DECIMALS, real + 0.0);
	whole = strspn(text, "-0123456789");
	if (ym_buffer_add(out, text, whole, err) < 0 || ym_buffer_add(out, ".", 1, err) < 0)
		return -1;
	return ym_buffer_add(out, text + length - DECIMALS, DECIMALS, err);
}

int ym_plain_add(struct ym_buffer *out, const struct ym_value *value, struct ym_err *err)
{
	char digits[YM_NUMBER_MAX];

	switch (value->type) {
	case YM_TYPE_BOOL:
		return ym_buffer_add(out, value->boolean ? "1" : "0", 1, err);
	case YM_TYPE_INT:
		return ym_buffer_add(out, digits, ym_format_int(value->integer, digits), err);
	case YM_TYPE_FLOAT:
		return add_float(out, value->real, err);
	case YM_TYPE_STRING:
		return ym_buffer_add(out, value->string.bytes, value->string.length, err);
	case YM_TYPE_NULL:
	case YM_TYPE_ARRAY:
	case YM_TYPE_OPAQUE:
		break;
	}
	return ym_fail(err, YM_ERR_USAGE,
	               "a message that is not serialized must be a string, int, float or bool, not %s",
	               ym_type_word(value->type));
}
