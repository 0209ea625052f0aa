/* number.c - floats and integers as text, without the locale. */
#include "number.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 17 /* enough for every double */

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

/* A positive number as 0.DIGITS x 10^point. */
struct decimal {
	char digits[DIGITS_MAX + 1];
	int count;
	int point;
};

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
	while (out->count > 1 && out->digits[out->count - 1] == '0')
		out->count--;
	out->digits[out->count] = '\0';
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
	decimal->digits[decimal->count] = '\0';
}

static bool reads_back(double real, const struct decimal *decimal)
{
	char text[DIGITS_MAX + 16];

	snprintf(text, sizeof(text), "%se%d", decimal->digits, decimal->point - decimal->count);
	return ym_parse_float(text, NULL) == real;
}

/*
 * The fewest digits that read back to the same number. Normal numbers: 15 digits show whether 15 or fewer do, because
 * no two decimals of 15 digits are the same double. Below a power of two doubles lie twice as dense as above, so there a
 * decimal above can do although the nearest one of that length, below, does not. Subnormal numbers have fewer digits.
 */
static void shortest(double real, struct decimal *out)
{
	int exponent;
	int first = isnormal(real) ? DIGITS_MAX - 2 : 1;

	for (int count = first; count < DIGITS_MAX; count++) {
		round_to(real, count, out);
		if (reads_back(real, out))
			return;
		if (frexp(real, &exponent) == 0.5) {
			next_above(out, count);
			if (reads_back(real, out))
				return;
		}
	}
	round_to(real, DIGITS_MAX, out);
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
