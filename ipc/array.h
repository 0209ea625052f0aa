/*
 * array.h - what stands behind the arrays of value.h; for the rest of the codec only.
 *
 * Pairs stand in the order of insertion. A list (keys 0, 1, 2, ...) needs no index, few pairs are searched one by one,
 * more get an open-addressing index whose hash is seeded by chance: nobody can prepare keys that all meet.
 */
#ifndef YM_IPC_ARRAY_H
#define YM_IPC_ARRAY_H

#include "value.h"

struct ym_pair {
	struct ym_value value;
	char *bytes; /* the key: NULL for an integer */
	union {
		size_t length;
		int64_t integer;
	};
	uint32_t hash; /* of the key, once there is an index */
};

struct ym_array {
	struct ym_pair *pairs;
	size_t count, capacity;
	uint32_t *index; /* pair + 1, 0: free; NULL: none */
	size_t slots;    /* of the index, a power of two */
	int64_t next;    /* key of the next append */
	bool numbered;   /* there was an integer key: `next` follows the largest */
	bool full;       /* the largest was INT64_MAX: there is no next one */
	bool list;
	bool open; /* being decoded: its end has not been seen */
	/* The work list of free and copy: neither recurses, however deep the values are. */
	struct ym_array *todo;
	const struct ym_array *origin;
	size_t level; /* in the copy, from 1 */
};

/* An empty one, NULL without memory. */
struct ym_array *ym_array_new(struct ym_err *err);
void ym_array_free(struct ym_array *array);

/* Room for `count` pairs altogether. */
int ym_array_reserve(struct ym_array *array, size_t count, struct ym_err *err);

/* The number of the pair with this key, which is added with null if it is missing: 1 it was there, 0 added, -1. */
int ym_array_place(struct ym_array *array, struct ym_array_key key, size_t *place, struct ym_err *err);

/* What a copy may come to: values, where a string or key counts once more for each YM_ARRAY_COST bytes; and levels. */
struct ym_copy_limit {
	size_t values; /* still left; counted down */
	size_t depth;
};
#define YM_ARRAY_COST 64

/* Is there room for `length` bytes of a string and so many levels? Then the value is counted. */
bool ym_copy_allows(struct ym_copy_limit *limit, size_t length, size_t levels);

/* A copy within a limit (NULL: none): 0, 1 the limit does not allow it, -1. */
int ym_array_copy(struct ym_array **out, const struct ym_array *array, struct ym_copy_limit *limit, struct ym_err *err);
int ym_value_copy_within(struct ym_value *out, const struct ym_value *value, struct ym_copy_limit *limit,
                         struct ym_err *err);

#endif
