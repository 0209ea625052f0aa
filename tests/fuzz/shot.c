/* shot.c - what a walk through the played segment finds at one moment. */
#include "shot.h"

#include "fuzz.h"

void shot_take(const struct ym_vars *vars, struct shot *shot)
{
	struct ym_err err = {0};
	struct ym_var var = {0};
	size_t last = 0;
	int more;

	shot->count = 0;
	memcpy(shot->bytes, shm_bytes(), shm_size);
	while ((more = ym_vars_next(vars, &var, &err)) == 0) {
		size_t at = (size_t)(var.bytes - shm_view());

		CLAIM(var.at > last && at <= shm_size && var.length <= shm_size - at && var.length > 0,
		      "variable at %zu after %zu, its %zu bytes at %zu", var.at, last, var.length, at);
		last = var.at;
		shot->vars[shot->count].key = var.key;
		shot->vars[shot->count].at = at;
		shot->vars[shot->count++].length = var.length;
	}
	shot->whole = more == 1;
	if (more < 0)
		CLAIM_REFUSED(&err, err.class == YM_ERR_CORRUPT && strstr(err.text, "offset"));
}

void shot_walk_over(const struct ym_vars *vars)
{
	struct ym_var var = {0};
	volatile char last;

	for (size_t i = 0; i <= shm_size / SHOT_CHUNK_MIN; i++) {
		if (ym_vars_next(vars, &var, NULL) == 0)
			last = var.bytes[var.length - 1];
		else if (var.chunk == 0)
			return;
	}
	(void)last;
	CLAIM(false, "more variables than %zu bytes can have", shm_size);
}

bool shot_same(const struct shot *a, size_t i, const struct shot *b, size_t j)
{
	return a->vars[i].key == b->vars[j].key && a->vars[i].length == b->vars[j].length &&
	       memcmp(a->bytes + a->vars[i].at, b->bytes + b->vars[j].at, a->vars[i].length) == 0;
}

size_t shot_find(const struct shot *shot, int64_t key, size_t *first)
{
	size_t found = 0;

	for (size_t i = 0; i < shot->count; i++)
		if (shot->vars[i].key == key && found++ == 0)
			*first = i;
	return found;
}

/* Bytes that are used and free: every change moves some from one to the other. */
static long long room(const struct shot *shot)
{
	struct ym_vars_head_sh head;

	memcpy(&head, shot->bytes, sizeof(head));
	return head.end + head.free;
}

void shot_claim_others(const struct shot *before, const struct shot *after, int64_t key)
{
	size_t i = 0, j = 0;

	CLAIM(room(before) == room(after), "%lld bytes, then %lld", room(before), room(after));
	for (;;) {
		while (i < before->count && before->vars[i].key == key)
			i++;
		while (j < after->count && after->vars[j].key == key)
			j++;
		if (i == before->count || j == after->count)
			break;
		CLAIM(shot_same(before, i, after, j), "variable %lld", (long long)before->vars[i].key);
		i++, j++;
	}
	CLAIM(i == before->count && j == after->count, "%zu variables, then %zu", before->count, after->count);
}
