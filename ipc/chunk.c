/* chunk.c - the head and the chunks of a variable segment. */
#include "chunk.h"

#include <inttypes.h>
#include <string.h>

#include "sys.h"

int ym_vars_writable(const struct ym_vars *vars, struct ym_err *err)
{
	if (!vars->head)
		return ym_fail(err, YM_ERR_USAGE, "these variables are not attached, or not any more");
	if (vars->readonly)
		return ym_fail(err, YM_ERR_USAGE, "segment 0x%x (id %d) is attached for reading only",
		               (unsigned)vars->key, vars->id);
	return 0;
}

bool ym_vars_patient(uint64_t *deadline)
{
	if (*deadline == 0)
		*deadline = ym_deadline(YM_VARS_PATIENCE_MS);
	return ym_now_ns() < *deadline;
}

/* ---- the head -------------------------------------------------------------------------------- */

void ym_head_read(const struct ym_vars *vars, struct ym_head *head)
{
	const struct ym_vars_head_sh *from = vars->head;

	head->magic = memcmp(from->magic, YM_VARS_MAGIC, sizeof(YM_VARS_MAGIC)) == 0;
	head->start = __atomic_load_n(&from->start, __ATOMIC_RELAXED);
	head->total = __atomic_load_n(&from->total, __ATOMIC_RELAXED);
	/* An append takes from `free` before it moves `end`: in this order the two never seem to overlap. */
	head->end = __atomic_load_n(&from->end, __ATOMIC_ACQUIRE);
	head->free = __atomic_load_n(&from->free, __ATOMIC_ACQUIRE);
}

bool ym_head_sound(const struct ym_vars *vars, const struct ym_head *head)
{
	const uint64_t first = sizeof(struct ym_vars_head_sh), total = (uint64_t)head->total, end = (uint64_t)head->end;

	/* Each comparison also refuses what is below the lower bound: that wraps around to something huge. */
	return head->magic && head->start == (int64_t)first && total - first <= vars->size - first &&
	       end - first <= total - first && (uint64_t)head->free <= total - end;
}

int ym_head_damage(const struct ym_vars *vars, const struct ym_head *head, size_t *at, struct ym_err *err)
{
	const int64_t first = sizeof(struct ym_vars_head_sh);
	size_t unheard;

	if (!at)
		at = &unheard;
	if (!head->magic) {
		*at = offsetof(struct ym_vars_head_sh, magic);
		return ym_vars_damage(vars, err, *at, "%s", "PHP's magic is not there any more");
	}
	if (head->start != first) {
		*at = offsetof(struct ym_vars_head_sh, start);
		return ym_vars_damage(vars, err, *at, "the first chunk is said to be at %" PRId64 ", not at %" PRId64,
		                      head->start, first);
	}
	if (head->free < 0) {
		*at = offsetof(struct ym_vars_head_sh, free);
		return ym_vars_damage(vars, err, *at,
		                      "free is %" PRId64 ": a process that was changing the segment was killed, or is "
		                      "still at it while others do not wait for the semaphore",
		                      head->free);
	}
	if (head->total < first || (uint64_t)head->total > vars->size) {
		*at = offsetof(struct ym_vars_head_sh, total);
		return ym_vars_damage(vars, err, *at, "total is %" PRId64 ", outside %" PRId64 "..%zu", head->total,
		                      first, vars->size);
	}
	if (head->end < first || head->end > head->total) {
		*at = offsetof(struct ym_vars_head_sh, end);
		return ym_vars_damage(vars, err, *at, "end is %" PRId64 ", outside %" PRId64 "..%" PRId64, head->end,
		                      first, head->total);
	}
	*at = offsetof(struct ym_vars_head_sh, free);
	return ym_vars_damage(vars, err, *at, "free is %" PRId64 ", but only %" PRId64 " bytes are behind the end",
	                      head->free, head->total - head->end);
}

int ym_head_take(const struct ym_vars *vars, struct ym_head *head, size_t *at, struct ym_err *err)
{
	uint64_t deadline = 0;
	struct ym_head before;

	if (!vars->head)
		return ym_fail(err, YM_ERR_USAGE, "these variables are not attached, or not any more");
	ym_head_read(vars, head);
	while (!ym_head_sound(vars, head)) {
		before = *head;
		if (!ym_vars_patient(&deadline))
			return ym_head_damage(vars, head, at, err);
		ym_nap(YM_VARS_NAP_NS);
		ym_head_read(vars, head);
		/* PHP changes `end` and `free` one after the other: only what stays so is damage. */
		if (head->free >= 0 && !ym_head_sound(vars, head) && head->end == before.end &&
		    head->free == before.free)
			return ym_head_damage(vars, head, at, err);
	}
	return 0;
}

struct ym_extent ym_head_extent(const struct ym_vars *vars, const struct ym_head *head)
{
	const uint64_t first = sizeof(struct ym_vars_head_sh), total = (uint64_t)head->total;
	const uint64_t at = 0 - (uint64_t)head->free, end = (uint64_t)head->end;
	struct ym_extent extent = {.end = vars->size};

	if (end >= first && end <= vars->size) {
		extent.end = end;
		if (at >= first && at <= end && total >= YM_CHUNK_MIN && total <= end - at) {
			extent.at = at;
			extent.hole = total;
		}
	} else if (total >= first && total <= vars->size && (uint64_t)head->free <= total - first) {
		extent.end = total - (uint64_t)head->free;
	}
	return extent;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

bool ym_chunk_read(const struct ym_vars *vars, size_t at, size_t end, struct ym_chunk *chunk)
{
	const size_t left = end - at;

	*chunk = (struct ym_chunk){.at = at};
	if (left < YM_CHUNK_MIN)
		return false;
	chunk->key = ym_word(vars, at + offsetof(struct ym_chunk_sh, key));
	chunk->length = ym_word(vars, at + offsetof(struct ym_chunk_sh, length));
	chunk->next = ym_word(vars, at + offsetof(struct ym_chunk_sh, next));
	return (uint64_t)chunk->next - YM_CHUNK_MIN <= left - YM_CHUNK_MIN;
}

int ym_chunk_damage(const struct ym_vars *vars, const struct ym_chunk *chunk, size_t end, struct ym_err *err)
{
	const size_t left = end - chunk->at;

	if (left < YM_CHUNK_MIN)
		return ym_vars_damage(vars, err, chunk->at, "%zu bytes are left before the end, too few for a chunk",
		                      left);
	return ym_vars_damage(vars, err, chunk->at,
	                      "the chunk of variable %" PRId64 " is said to take %" PRId64 " bytes, outside %d..%zu",
	                      chunk->key, chunk->next, YM_CHUNK_MIN, left);
}

int ym_value_damage(const struct ym_vars *vars, const struct ym_chunk *chunk, struct ym_err *err)
{
	if (chunk->length == 0)
		return ym_vars_damage(
		    vars, err, chunk->at,
		    "variable %" PRId64
		    " has no value: a process that was putting one was killed; put it anew or remove it",
		    chunk->key);
	return ym_vars_damage(vars, err, chunk->at,
	                      "the value of variable %" PRId64 " is said to have %" PRId64
	                      " bytes in a chunk of %" PRId64 "; put it anew or remove it",
	                      chunk->key, chunk->length, chunk->next);
}

/*
 * The first chunk of `key`: 0; 1 none; -1 damaged at chunk->at. Where a chunk is depends on a word of the one before it,
 * and waiting for that word at each step costs more than all the rest. So guess that it is as large as the last one: a
 * processor that predicts the comparison reads ahead. `step` is `guess`, but the compiler must not know.
 */
static int find(const struct ym_vars *vars, const struct ym_head *head, int64_t key, struct ym_chunk *chunk)
{
	size_t at = sizeof(struct ym_vars_head_sh), end = (size_t)head->end, guess = 0, step = 0;

	while (end - at >= YM_CHUNK_MIN) {
		int64_t here = ym_word(vars, at + offsetof(struct ym_chunk_sh, key));
		size_t next = (size_t)ym_word(vars, at + offsetof(struct ym_chunk_sh, next));
		bool inside = next - YM_CHUNK_MIN <= end - at - YM_CHUNK_MIN;

		if (!inside || here == key) {
			*chunk = (struct ym_chunk){.at = at, .key = here, .next = (int64_t)next};
			chunk->length = ym_word(vars, at + offsetof(struct ym_chunk_sh, length));
			return inside ? 0 : -1;
		}
		if (next == guess) {
			at += step;
		} else {
			at += next;
			guess = step = next;
			__asm__("" : "+r"(step));
		}
	}
	*chunk = (struct ym_chunk){.at = at};
	return at == end ? 1 : -1;
}

/* Has somebody put or removed something since `head` was read? */
static bool changed(const struct ym_vars *vars, const struct ym_head *head)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&vars->head->free, __ATOMIC_RELAXED) != head->free ||
	       __atomic_load_n(&vars->head->end, __ATOMIC_RELAXED) != head->end;
}

int ym_chunk_look(const struct ym_vars *vars, int64_t key, struct ym_head *head, struct ym_chunk *chunk,
                  struct ym_err *err)
{
	uint64_t deadline = 0;
	size_t before = 0;

	for (;;) {
		int found = ym_head_take(vars, head, NULL, err);

		if (found < 0)
			return -1;
		found = find(vars, head, key, chunk);
		if (found == 0)
			return 0;
		if (!changed(vars, head)) {
			if (found == 1)
				return 1;
			/* PHP moves chunks before it says so: only what stays damaged is. */
			if (chunk->at == before)
				return ym_chunk_damage(vars, chunk, (size_t)head->end, err);
			before = chunk->at;
		}
		if (!ym_vars_patient(&deadline))
			return found == 1 ? 1 : ym_chunk_damage(vars, chunk, (size_t)head->end, err);
		ym_nap(YM_VARS_NAP_NS);
	}
}

/* ---- closing a hole -------------------------------------------------------------------------- */

size_t ym_chunk_close(struct ym_vars *vars, size_t at, size_t hole, size_t end, int64_t total)
{
	const size_t last = end - hole;

	while (at < last) {
		size_t block = last - at < hole ? last - at : hole;

		memcpy(ym_bytes(vars, at), ym_bytes(vars, at + hole), block);
		at += block;
		ym_field_set(&vars->head->free, -(int64_t)at);
	}
	ym_field_set(&vars->head->end, (int64_t)last);
	ym_field_set(&vars->head->total, total);
	return last;
}

size_t ym_chunk_cut(struct ym_vars *vars, const struct ym_head *head, const struct ym_chunk *chunk)
{
	ym_field_set(&vars->head->free, -(int64_t)chunk->at);
	ym_field_set(&vars->head->total, chunk->next);
	return ym_chunk_close(vars, chunk->at, (size_t)chunk->next, (size_t)head->end, head->total);
}
