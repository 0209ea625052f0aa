/* token.c - the parts of a serialized value. */
#include "token.h"

#include <math.h>
#include <string.h>

#include "number.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t left(const struct ym_reader *reader)
{
	return (size_t)(reader->end - reader->at);
}

/* One certain byte. */
static int expect(struct ym_reader *reader, char c, struct ym_err *err)
{
	if (reader->at == reader->end)
		return ym_token_fail(reader, reader->at, err, "it ends where '%c' has to stand", c);
	if (*reader->at != c)
		return ym_token_fail(reader, reader->at, err, "byte 0x%02x where '%c' has to stand",
		                     (unsigned char)*reader->at, c);
	reader->at++;
	return 0;
}

int ym_token_close(struct ym_reader *reader, struct ym_err *err)
{
	return expect(reader, '}', err);
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* One or more digits with a value up to `limit`. */
static int read_digits(struct ym_reader *reader, uint64_t limit, uint64_t *number, struct ym_err *err)
{
	const char *start = reader->at;
	uint64_t sum = 0;
	bool fits = true;

	for (; reader->at < reader->end && is_digit(*reader->at); reader->at++) {
		uint64_t digit = (uint64_t)(*reader->at - '0');

		if (sum >= UINT64_MAX / 10)
			fits =
			    fits && !__builtin_mul_overflow(sum, 10, &sum) && !__builtin_add_overflow(sum, digit, &sum);
		else
			sum = sum * 10 + digit;
	}
	if (reader->at == start)
		return ym_token_fail(reader, start, err, "no digit where a number has to stand");
	if (!fits || sum > limit)
		return ym_token_fail(reader, start, err, "a number out of range");
	*number = sum;
	return 0;
}

static int read_int(struct ym_reader *reader, int64_t *integer, struct ym_err *err)
{
	bool negative = reader->at < reader->end && *reader->at == '-';
	uint64_t number, limit = (uint64_t)INT64_MAX + (negative ? 1 : 0);

	if (negative || (reader->at < reader->end && *reader->at == '+'))
		reader->at++;
	if (read_digits(reader, limit, &number, err) < 0)
		return -1;
	*integer = (int64_t)(negative ? 0 - number : number);
	return expect(reader, ';', err);
}

static bool skip_digits(struct ym_reader *reader)
{
	const char *start = reader->at;

	while (reader->at < reader->end && is_digit(*reader->at))
		reader->at++;
	return reader->at > start;
}

static bool skip_one_of(struct ym_reader *reader, char a, char b)
{
	if (reader->at == reader->end || (*reader->at != a && *reader->at != b))
		return false;
	reader->at++;
	return true;
}

static bool skip_word(struct ym_reader *reader, const char *word)
{
	size_t length = strlen(word);

	if (left(reader) < length || memcmp(reader->at, word, length) != 0)
		return false;
	reader->at += length;
	return true;
}

/* The grammar is checked here, so that strtod()'s other forms (hex, "infinity", blanks) stay out. */
static int read_float(struct ym_reader *reader, double *real, struct ym_err *err)
{
	const char *start = reader->at;
	bool digits;

	if (skip_word(reader, "NAN;")) {
		*real = NAN;
		return 0;
	}
	if (skip_word(reader, "INF;") || skip_word(reader, "-INF;")) {
		*real = *start == '-' ? -INFINITY : INFINITY;
		return 0;
	}
	skip_one_of(reader, '+', '-');
	digits = skip_digits(reader);
	if (skip_one_of(reader, '.', '.'))
		digits = skip_digits(reader) || digits;
	if (!digits)
		return ym_token_fail(reader, start, err, "no float as PHP writes it");
	if (skip_one_of(reader, 'e', 'E')) {
		skip_one_of(reader, '+', '-');
		if (!skip_digits(reader))
			return ym_token_fail(reader, reader->at, err, "a float without digits in its exponent");
	}
	if (expect(reader, ';', err) < 0)
		return -1;
	*real = ym_parse_float(start, NULL); /* stops at the ';' */
	return 0;
}

/* ---- strings --------------------------------------------------------------------------------- */

/* LENGTH:" with as many bytes behind it. */
static int read_length(struct ym_reader *reader, size_t *length, struct ym_err *err)
{
	const char *start = reader->at;
	uint64_t number;

	if (read_digits(reader, SIZE_MAX, &number, err) < 0 || expect(reader, ':', err) < 0 ||
	    expect(reader, '"', err) < 0)
		return -1;
	if (number > left(reader))
		return ym_token_fail(reader, start, err, "a length of %llu where %zu bytes are left",
		                     (unsigned long long)number, left(reader));
	*length = (size_t)number;
	return 0;
}

static int hex(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Skip what stands for `length` bytes: \xx or the byte itself each. */
static int skip_escaped(struct ym_reader *reader, size_t length, struct ym_err *err)
{
	for (; length > 0; length--) {
		if (reader->at == reader->end)
			return ym_token_fail(reader, reader->at, err, "it ends within a string");
		if (*reader->at == '\\') {
			if (left(reader) < 3 || hex(reader->at[1]) < 0 || hex(reader->at[2]) < 0)
				return ym_token_fail(reader, reader->at, err, "no two hex digits behind a \\");
			reader->at += 2;
		}
		reader->at++;
	}
	return 0;
}

void ym_token_unescape(const struct ym_token *token, char *out)
{
	const char *in = token->bytes;

	for (size_t i = 0; i < token->length; i++) {
		if (*in == '\\') {
			out[i] = (char)(hex(in[1]) * 16 + hex(in[2]));
			in += 3;
		} else {
			out[i] = *in++;
		}
	}
}

static int read_string(struct ym_reader *reader, struct ym_token *token, struct ym_err *err)
{
	if (read_length(reader, &token->length, err) < 0)
		return -1;
	token->bytes = reader->at;
	if (token->letter == 's')
		reader->at += token->length;
	else if (skip_escaped(reader, token->length, err) < 0)
		return -1;
	if (expect(reader, '"', err) < 0)
		return -1;
	return expect(reader, ';', err);
}

/* ---- objects --------------------------------------------------------------------------------- */

static bool is_class_byte(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '\\' ||
	       (unsigned char)c >= 0x80;
}

static int check_class(struct ym_reader *reader, const struct ym_token *token, struct ym_err *err)
{
	if (token->length == 0)
		return ym_token_fail(reader, token->bytes, err, "a class without a name");
	for (size_t i = 0; i < token->length; i++) {
		char c = token->bytes[i];

		if (!is_class_byte(c) || (i == 0 && c == '\\'))
			return ym_token_fail(reader, token->bytes + i, err, "byte 0x%02x in the name of a class",
			                     (unsigned char)c);
	}
	return 0;
}

/* LENGTH:"CLASS": */
static int read_class(struct ym_reader *reader, struct ym_token *token, struct ym_err *err)
{
	if (read_length(reader, &token->length, err) < 0)
		return -1;
	token->bytes = reader->at;
	reader->at += token->length;
	if (expect(reader, '"', err) < 0 || expect(reader, ':', err) < 0)
		return -1;
	return check_class(reader, token, err);
}

/* COUNT:{ - no more pairs than can follow with a '}'. */
static int read_count(struct ym_reader *reader, size_t *count, struct ym_err *err)
{
	const char *start = reader->at;
	uint64_t number;

	if (read_digits(reader, SIZE_MAX, &number, err) < 0 || expect(reader, ':', err) < 0 ||
	    expect(reader, '{', err) < 0)
		return -1;
	if (number > 0 && number >= (left(reader) + YM_TOKEN_PAIR_MIN - 1) / YM_TOKEN_PAIR_MIN)
		return ym_token_fail(reader, start, err, "%llu pairs where %zu bytes are left",
		                     (unsigned long long)number, left(reader));
	*count = (size_t)number;
	return 0;
}

/* LENGTH:{BYTES}: what is in them is the class's own affair. */
static int read_custom(struct ym_reader *reader, struct ym_err *err)
{
	const char *start = reader->at;
	uint64_t number;

	if (read_digits(reader, SIZE_MAX, &number, err) < 0 || expect(reader, ':', err) < 0 ||
	    expect(reader, '{', err) < 0)
		return -1;
	if (number > left(reader))
		return ym_token_fail(reader, start, err, "a length of %llu where %zu bytes are left",
		                     (unsigned long long)number, left(reader));
	reader->at += number;
	return expect(reader, '}', err);
}

/* LENGTH:"CLASS:CASE"; */
static int read_enum(struct ym_reader *reader, struct ym_token *token, struct ym_err *err)
{
	const char *colon;
	size_t length;

	if (read_length(reader, &length, err) < 0)
		return -1;
	token->bytes = reader->at;
	reader->at += length;
	if (expect(reader, '"', err) < 0 || expect(reader, ';', err) < 0)
		return -1;
	colon = memchr(token->bytes, ':', length);
	if (!colon || colon + 1 == token->bytes + length)
		return ym_token_fail(reader, token->bytes, err, "an enum without a case");
	token->length = (size_t)(colon - token->bytes);
	return check_class(reader, token, err);
}

/* ---- all together ---------------------------------------------------------------------------- */

static int read_bool(struct ym_reader *reader, int64_t *integer, struct ym_err *err)
{
	if (reader->at == reader->end || (*reader->at != '0' && *reader->at != '1'))
		return ym_token_fail(reader, reader->at, err, "a bool that is neither 0 nor 1");
	*integer = *reader->at++ == '1';
	return expect(reader, ';', err);
}

static int read_slot(struct ym_reader *reader, struct ym_token *token, struct ym_err *err)
{
	uint64_t number;

	token->bytes = reader->at;
	if (read_digits(reader, SIZE_MAX, &number, err) < 0)
		return -1;
	token->length = (size_t)(reader->at - token->bytes);
	token->slot = (size_t)number;
	return expect(reader, ';', err);
}

static int unknown(const struct ym_reader *reader, const struct ym_token *token, struct ym_err *err)
{
	return ym_token_fail(reader, token->start, err, "no value begins like this, with byte 0x%02x",
	                     (unsigned char)token->letter);
}

/* What follows the letter and ':'. */
static int read_rest(struct ym_reader *reader, struct ym_token *token, struct ym_err *err)
{
	switch (token->letter) {
	case 'b':
		return read_bool(reader, &token->integer, err);
	case 'i':
		return read_int(reader, &token->integer, err);
	case 'd':
		return read_float(reader, &token->real, err);
	case 's':
	case 'S':
		return read_string(reader, token, err);
	case 'a':
		return read_count(reader, &token->count, err);
	case 'O':
		return read_class(reader, token, err) < 0 ? -1 : read_count(reader, &token->count, err);
	case 'C':
		return read_class(reader, token, err) < 0 ? -1 : read_custom(reader, err);
	case 'E':
		return read_enum(reader, token, err);
	case 'R':
	case 'r':
		return read_slot(reader, token, err);
	default:
		return unknown(reader, token, err);
	}
}

int ym_token_read(struct ym_reader *reader, struct ym_token *token, struct ym_err *err)
{
	token->start = reader->at;
	if (reader->at == reader->end)
		return ym_token_fail(reader, reader->at, err, "it ends where a value has to stand");
	token->letter = *reader->at++;
	if (token->letter == 'N')
		return expect(reader, ';', err);
	if (reader->at == reader->end || *reader->at != ':')
		return unknown(reader, token, err);
	reader->at++;
	return read_rest(reader, token, err);
}
