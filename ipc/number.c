/* number.c - floats and integers as text, without the locale. */
#include "number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX  17 /* enough for every double */
#define DIGITS_SURE 15 /* decimals of so many digits survive being a double */

/* PHP's serialize_precision -1 counts as 17 when it chooses between plain and exponent form. */
#define PLAIN_MAX 17
#define PLAIN_MIN (-3)

/* ---- reading --------------------------------------------------------------------------------- */

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

double ym_parse_float(const char *text, char **end)
{
	pthread_once(&c_locale_once, make_c_locale);
	return c_locale ? strtod_l(text, end, c_locale) : strtod(text, end);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Decimal digits and a NUL. */
static size_t put_int(char *out, uint64_t rest)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	memcpy(out, digits + at, sizeof(digits) - at);
	out[sizeof(digits) - at] = '\0';
	return sizeof(digits) - at;
}

/* A positive number as 0.DIGITS x 10^point. */
struct decimal {
	char digits[DIGITS_MAX];
	int count;
	int point;
};

/* Powers of ten that are doubles without rounding. */
static const double exact_tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define EXACT_TENS ((int)(sizeof(exact_tens) / sizeof(exact_tens[0])))

static void strip_zeros(struct decimal *decimal)
{
	while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0')
		decimal->count--;
}

/*
 * Numbers as people write them have up to 15 digits and a small exponent: DIGITS / 10^scale, where both are exact
 * doubles, is rounded once, so when it gives the number back, those are its digits. 1 they are; 0 it has more digits; -1
 * cannot tell.
 */
static int try_few_digits(double real, struct decimal *out)
{
	int exponent, scale;
	double whole;
	uint64_t rest;

	frexp(real, &exponent);
	scale = DIGITS_SURE - (int)floor(exponent * 0.30103); /* log10(2); right, or one too large */
	if (FLT_EVAL_METHOD != 0 || scale < 1 || scale >= EXACT_TENS)
		return -1;
	whole = rint(real * exact_tens[scale]);
	if (whole >= 1e15)
		whole = rint(real * exact_tens[--scale]);
	if (whole / exact_tens[scale] != real)
		return 0;
	out->count = 0;
	for (rest = (uint64_t)whole; rest > 0; rest /= 10)
		out->count++;
	rest = (uint64_t)whole;
	for (int i = out->count; i > 0; rest /= 10)
		out->digits[--i] = (char)('0' + rest % 10);
	out->point = out->count - scale;
	strip_zeros(out);
	return 1;
}

/* The nearest number of `count` digits. Only digits are taken out of printf's text: its point belongs to the locale. */
static void round_to(double real, int count, struct decimal *out)
{
	char text[48];
	const char *p = text;

	snprintf(text, sizeof(text), "%.*e", count - 1, real);
	out->count = 0;
	for (; *p != 'e'; p++) {
		if (*p >= '0' && *p <= '9')
			out->digits[out->count++] = *p;
	}
	out->point = (int)strtol(p + 1, NULL, 10) + 1;
	strip_zeros(out);
}

/* One more in the last of `count` digits. */
static void next_above(struct decimal *decimal, int count)
{
	while (decimal->count < count)
		decimal->digits[decimal->count++] = '0';
	while (decimal->count > 0 && decimal->digits[decimal->count - 1] == '9')
		decimal->count--;
	if (decimal->count == 0) {
		decimal->digits[decimal->count++] = '1';
		decimal->point++;
	} else {
		decimal->digits[decimal->count - 1]++;
	}
}

/*
 * Round what was rounded to DIGITS_MAX digits once more, to fewer. False where twice might differ from once: exactly
 * half, as far as one sees.
 */
static bool shorten(const struct decimal *full, int count, struct decimal *out)
{
	*out = *full;
	if (full->count <= count)
		return true;
	if (full->digits[count] == '5' && full->count == count + 1)
		return false;
	out->count = count;
	if (full->digits[count] >= '5')
		next_above(out, count);
	strip_zeros(out);
	return true;
}

static bool reads_back(double real, const struct decimal *decimal)
{
	char text[DIGITS_MAX + 16];
	int exponent = decimal->point - decimal->count;
	size_t at = (size_t)decimal->count;

	memcpy(text, decimal->digits, at);
	text[at++] = 'e';
	text[at++] = exponent < 0 ? '-' : '+';
	put_int(text + at, (uint64_t)abs(exponent));
	return ym_parse_float(text, NULL) == real;
}

/*
 * The fewest digits that read back to the same number. Normal numbers: 15 digits show whether 15 or fewer do, because
 * no two decimals of 15 digits are the same double. Below a power of two doubles lie twice as dense as above, so there a
 * decimal above can do although the nearest one of that length, below, does not. Subnormal numbers have fewer digits.
 */
static void shortest(double real, struct decimal *out)
{
	struct decimal full;
	int exponent, first = try_few_digits(real, out);

	if (first > 0)
		return;
	round_to(real, DIGITS_MAX, &full);
	for (int count = first == 0 ? DIGITS_SURE + 1 : isnormal(real) ? DIGITS_SURE : 1; count < DIGITS_MAX; count++) {
		if (!shorten(&full, count, out))
			round_to(real, count, out);
		if (reads_back(real, out))
			return;
		if (frexp(real, &exponent) == 0.5) {
			next_above(out, count);
			if (reads_back(real, out))
				return;
		}
	}
	*out = full;
}

static size_t put(char *out, size_t at, const char *bytes, int count)
{
	memcpy(out + at, bytes, (size_t)count);
	return at + (size_t)count;
}

static size_t put_zeros(char *out, size_t at, int count)
{
	memset(out + at, '0', (size_t)count);
	return at + (size_t)count;
}

static size_t lay_out(const struct decimal *decimal, char *out)
{
	const char *digits = decimal->digits;
	int count = decimal->count, point = decimal->point;
	size_t at = 0;

	if (point > PLAIN_MAX || point < PLAIN_MIN) {
		at = put(out, at, digits, 1);
		at = put(out, at, ".", 1);
		at = count > 1 ? put(out, at, digits + 1, count - 1) : put_zeros(out, at, 1);
		return at + (size_t)snprintf(out + at, YM_NUMBER_MAX - at - 1, "E%+d", point - 1);
	}
	if (point <= 0) {
		at = put(out, at, "0.", 2);
		at = put_zeros(out, at, -point);
		return put(out, at, digits, count);
	}
	if (count <= point)
		return put_zeros(out, put(out, at, digits, count), point - count);
	at = put(out, at, digits, point);
	at = put(out, at, ".", 1);
	return put(out, at, digits + point, count - point);
}

static size_t put_word(char *out, const char *word)
{
	size_t length = strlen(word);

	memcpy(out, word, length + 1);
	return length;
}

size_t ym_format_int(int64_t integer, char out[YM_NUMBER_MAX])
{
	if (integer >= 0)
		return put_int(out, (uint64_t)integer);
	out[0] = '-';
	return 1 + put_int(out + 1, 0 - (uint64_t)integer);
}

size_t ym_format_float(double real, char out[YM_NUMBER_MAX])
{
	struct decimal decimal;
	size_t sign = signbit(real) ? 1 : 0, length;

	if (isnan(real))
		return put_word(out, "NAN");
	if (isinf(real))
		return put_word(out, sign ? "-INF" : "INF");
	out[0] = '-';
	if (fabs(real) < 1e15 && real == trunc(real))
		return sign + put_int(out + sign, (uint64_t)fabs(real));
	shortest(fabs(real), &decimal);
	length = sign + lay_out(&decimal, out + sign);
	out[length] = '\0';
	return length;
}
