/* shot.h - what a walk through the played segment finds at one moment. */
#ifndef YM_TESTS_SHOT_H
#define YM_TESTS_SHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../ipc/vars.h"
#include "shm.h"

#define SHOT_CHUNK_MIN 32

struct shot {
	char bytes[SHM_MAX]; /* of the whole segment */
	struct {
		int64_t key;
		size_t at, length; /* of the value, in the segment */
	} vars[SHM_MAX / SHOT_CHUNK_MIN];
	size_t count;
	bool whole; /* the walk met no damage */
};

/* Up to the first damage. */
void shot_take(const struct ym_vars *vars, struct shot *shot);

/* To the end, over damaged values, too, looking at each; nothing is noted. */
void shot_walk_over(const struct ym_vars *vars);

/* Is variable `i` of one what `j` of the other is? */
bool shot_same(const struct shot *a, size_t i, const struct shot *b, size_t j);

/* How many variables have this key; *first of them, if any. */
size_t shot_find(const struct shot *shot, int64_t key, size_t *first);

/* All but the variable `key`, which is there once at most, is as it was. */
void shot_claim_others(const struct shot *before, const struct shot *after, int64_t key);

#endif
