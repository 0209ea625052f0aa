/* number.h - floats and integers as text, the way PHP writes and reads them, whatever the locale. */
#ifndef YM_IPC_NUMBER_H
#define YM_IPC_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#include "api.h"

/* Enough for every double and every int64, with the NUL. */
#define YM_NUMBER_MAX 32

/*
 * The shortest digits that read back to the same double, laid out as PHP's serialize() and json_encode() do: 0.1, 100,
 * 1.0E+25, -0, INF, -INF, NAN. Returns the length.
 */
YM_API size_t ym_format_float(double real, char out[YM_NUMBER_MAX]);

/* Decimal digits. Returns the length. */
YM_API size_t ym_format_int(int64_t integer, char out[YM_NUMBER_MAX]);

/* strtod() with a decimal point, whatever the locale says; `text` needs a NUL behind it. */
YM_API double ym_parse_float(const char *text, char **end);

#endif
