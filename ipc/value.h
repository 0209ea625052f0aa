/*
 * value.h - a PHP value in C: null, bool, int, float, string and array; objects stay as PHP wrote them.
 *
 *   type    holds                         PHP's serialize()
 *   NULL    -                             N;
 *   BOOL    boolean                       b:1;
 *   INT     integer, 64 bits              i:42;
 *   FLOAT   real, IEEE 754 double         d:0.1;
 *   STRING  bytes, any of 0..255          s:5:"bytes";
 *   ARRAY   ordered map int|string -> *   a:1:{i:0;...}
 *   OPAQUE  an object, an enum case, or   O:..., C:..., E:...; or a whole value with references between its parts
 *           whatever cannot be a tree     that a tree cannot express (see serialize.h)
 *
 * A value owns what it points to: ym_value_free() frees it and makes it null, ym_value_copy() copies all of it. A zeroed
 * struct is null. A function that takes a value "for good" leaves null behind. No locks: one thread at a time for each
 * value; what copies share is counted atomically.
 */
#ifndef YM_IPC_VALUE_H
#define YM_IPC_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* Name, PHP's word for it (gettype() of today's documents), in the order of the table above. */
#define YM_TYPE_MAP(X)                                                                                                 \
	X(NULL, "null")                                                                                                \
	X(BOOL, "bool")                                                                                                \
	X(INT, "int")                                                                                                  \
	X(FLOAT, "float")                                                                                              \
	X(STRING, "string")                                                                                            \
	X(ARRAY, "array")                                                                                              \
	X(OPAQUE, "object")

enum ym_type {
#define X(name, word) YM_TYPE_##name,
	YM_TYPE_MAP(X)
#undef X
};

struct ym_array;
struct ym_opaque;

struct ym_value {
	enum ym_type type;
	union {
		bool boolean;
		int64_t integer;
		double real;
		struct {
			char *bytes; /* a NUL stands behind the last one */
			size_t length;
		} string;
		struct ym_array *array;
		struct ym_opaque *opaque;
	};
};

YM_API const char *ym_type_word(enum ym_type type);

/* ---- making and freeing ---------------------------------------------------------------------- */

static inline struct ym_value ym_value_bool(bool boolean)
{
	return (struct ym_value){.type = YM_TYPE_BOOL, .boolean = boolean};
}
static inline struct ym_value ym_value_int(int64_t integer)
{
	return (struct ym_value){.type = YM_TYPE_INT, .integer = integer};
}
static inline struct ym_value ym_value_float(double real)
{
	return (struct ym_value){.type = YM_TYPE_FLOAT, .real = real};
}

/*
 * A string with a copy of `length` bytes; an empty array. `out` is overwritten, not freed. 0, or -1 (YM_ERR_LIMIT: out of
 * memory), then `out` is null.
 */
YM_API int ym_value_string(struct ym_value *out, const void *bytes, size_t length, struct ym_err *err);
YM_API int ym_value_text(struct ym_value *out, const char *text, struct ym_err *err);
YM_API int ym_value_array(struct ym_value *out, struct ym_err *err);

YM_API void ym_value_free(struct ym_value *value);

/* A copy that shares nothing but opaque parts, which nobody can change. */
YM_API int ym_value_copy(struct ym_value *out, const struct ym_value *value, struct ym_err *err);

/*
 * Same types, same contents, arrays with the same keys in the same order; NAN equals NAN, 0.0 differs from -0.0. Values
 * that are too deep to be serialized are equal to none.
 */
YM_API bool ym_value_equal(const struct ym_value *a, const struct ym_value *b);

/* ---- opaque values --------------------------------------------------------------------------- */

/*
 * The class of an object or enum ("DateTime", "Suit"), not NUL-terminated; length 0 for an opaque value of another kind.
 * NULL if the value is not opaque. Valid as long as the value.
 */
YM_API const char *ym_value_class(const struct ym_value *value, size_t *length);

/* Why this value is no tree: "an object of class X", "the array at offset 12 contains itself", ... NULL: not opaque. */
YM_API const char *ym_value_why_opaque(const struct ym_value *value);

/* ---- arrays ---------------------------------------------------------------------------------- */

/*
 * A key. Strings that PHP would make integers of ("5", "-7", not "05", "-0" or 9223372036854775808) are made
 * integers by ym_array_key_string() and ym_array_key_text(); only those make keys of strings.
 */
struct ym_array_key {
	const char *bytes; /* NULL: an integer */
	size_t length;
	int64_t integer;
};

static inline struct ym_array_key ym_array_key_int(int64_t integer)
{
	return (struct ym_array_key){.integer = integer};
}
YM_API struct ym_array_key ym_array_key_string(const char *bytes, size_t length);
YM_API struct ym_array_key ym_array_key_text(const char *text);

YM_API size_t ym_array_count(const struct ym_array *array);

/* The value under a key, NULL if there is none; stays where it is until the array is changed. O(1) on average. */
YM_API struct ym_value *ym_array_get(const struct ym_array *array, struct ym_array_key key);

/* Pair number `index` in the order of insertion; *key (may be NULL) is valid until the array is changed. */
YM_API struct ym_value *ym_array_at(const struct ym_array *array, size_t index, struct ym_array_key *key);

/*
 * Put `value` under `key`, for good: an old value is replaced in its place. ym_array_append() uses the largest integer
 * key so far plus one, or 0 (PHP: $a[] = ...); YM_ERR_LIMIT when that key would not fit. On failure the value is freed.
 */
YM_API int ym_array_set(struct ym_array *array, struct ym_array_key key, struct ym_value *value, struct ym_err *err);
YM_API int ym_array_append(struct ym_array *array, struct ym_value *value, struct ym_err *err);

/* Take a pair out, O(n). False if the key is not there. */
YM_API bool ym_array_remove(struct ym_array *array, struct ym_array_key key);

/* A list: keys 0, 1, 2, ... in this order (JSON's array; PHP: array_is_list). */
YM_API bool ym_array_is_list(const struct ym_array *array);

#endif
