/*
 * token.h - the parts of a serialized value, read one after the other; for the rest of the codec only.
 *
 * A token is a whole value, or the head of one that has values in it: after 'a' and 'O' come `count` pairs of a key and
 * a value, then '}'.
 */
#ifndef YM_IPC_TOKEN_H
#define YM_IPC_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* Bytes that a pair takes at least: i:0;N; */
#define YM_TOKEN_PAIR_MIN 6

struct ym_reader {
	const char *start, *at, *end;
};

struct ym_token {
	char letter;       /* N b i d s S a O C E R r */
	const char *start; /* the letter */
	const char *bytes; /* s S: the string as written; O C E: the class; R r: the digits of the slot */
	size_t length;     /* of those bytes; S: of the string that they stand for */
	union {
		int64_t integer; /* i; b: 0 or 1 */
		double real;     /* d */
		size_t count;    /* a O: pairs */
		size_t slot;     /* R r */
	};
};

/* The next token; 0, or -1 (YM_ERR_CORRUPT). */
int ym_token_read(struct ym_reader *reader, struct ym_token *token, struct ym_err *err);

/* The '}' behind the pairs of an array or object. */
int ym_token_close(struct ym_reader *reader, struct ym_err *err);

/* What an S token stands for: exactly `length` bytes. */
void ym_token_unescape(const struct ym_token *token, char *out);

/* Fail with YM_ERR_CORRUPT at `where`. */
#define ym_token_fail(reader, where, err, reason, ...)                                                                 \
	ym_fail(err, YM_ERR_CORRUPT, "serialized value damaged at offset %zu: " reason,                                \
	        (size_t)((where) - (reader)->start), ##__VA_ARGS__)

#endif
