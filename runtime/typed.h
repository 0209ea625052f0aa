/*
 * typed.h - values as users type them on a command line, and as they read them.
 *
 * A text that starts with one of the prefixes below has that type; "-" is the string that comes from stdin, byte for
 * byte; any other text is a string as it stands. So a string that starts with one of the prefixes has to be written
 * str:TEXT, and the string "-" str:-.
 */
#ifndef YM_RUNTIME_TYPED_H
#define YM_RUNTIME_TYPED_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../ipc/buffer.h"
#include "../ipc/value.h"

/*
 * Prefix, example and meaning for the help.
 *
 * json: objects become arrays with PHP's rules for keys ("5" is the integer 5); numbers with a point or an exponent become
 *       floats; refused are double keys, integers beyond 64 bits and a NUL in a key.
 * php:  one whole value in serialize()'s format; references are kept.
 */
#define TYPED_MAP(X)                                                                                                   \
	X(str, "str:TEXT    ", "a string, whatever TEXT looks like")                                                   \
	X(int, "int:-42     ", "an integer, 64 bits")                                                                  \
	X(float, "float:1.5   ", "a float; also INF, -INF, NAN")                                                       \
	X(bool, "bool:true   ", "true or false; also yes, no, on, off, 1, 0")                                          \
	X(null, "null:       ", "null")                                                                                \
	X(json, "json:{...}  ", "JSON, objects as arrays; json:- reads it from stdin")                                 \
	X(php, "php:a:0:{}  ", "PHP's serialize(), put as it is; php:- reads it from stdin")

#define TYPED_HELP_ROW(name, example, meaning) "  " example meaning "\n"
#define TYPED_HELP                                                                                                     \
	TYPED_MAP(TYPED_HELP_ROW)                                                                                      \
	"  -           a string from stdin, binary\n"                                                                  \
	"  TEXT        any other text is a string as it stands"

/* 0 and *out (overwritten, not freed), or -1 (YM_ERR_USAGE with the place and the reason; out of memory; stdin) and null. */
int typed_parse(const char *text, struct ym_value *out, struct ym_err *err);

/* The same, appending what PHP's serialize() gives for the value; of php:... exactly the bytes that were typed. */
int typed_encode(const char *text, struct ym_buffer *out, struct ym_err *err);

/* Decimal digits with or without a minus, within 64 bits, nothing else. 0 or -1 (YM_ERR_USAGE). */
int typed_integer(const char *text, int64_t *out, struct ym_err *err);

/*
 * Print for people: scalars plain, a string of printable characters and newlines as it is, other strings quoted with
 * escapes ("\x00"), arrays like PHP's, on one line if they are short, objects as object(CLASS) and what serialize()
 * wrote. Lines after the first are indented by `indent`; no newline at the end. 0, or -1 (out of memory).
 */
int typed_print(FILE *to, const struct ym_value *value, unsigned indent, struct ym_err *err);

/* At most `columns` characters on one line, strings always quoted; what is longer ends in "...". */
int typed_preview(FILE *to, const struct ym_value *value, size_t columns, struct ym_err *err);

/* Bytes as characters where they are printable, escaped where they are not. */
void typed_print_bytes(FILE *to, const void *bytes, size_t length);

#endif
