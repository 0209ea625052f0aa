/* vars_repair.c - make a damaged variable segment usable again. */
#include <string.h>

#include "chunk.h"

/* How far the chunks from the first one on are whole, within `end`. */
static size_t whole_until(const struct ym_vars *vars, size_t end)
{
	struct ym_chunk chunk;
	size_t at = sizeof(struct ym_vars_head_sh);

	while (ym_chunk_read(vars, at, end, &chunk))
		at += (size_t)chunk.next;
	return at;
}

static size_t last_byte(const struct ym_vars *vars, size_t from)
{
	size_t end = vars->size;

	while (end > from && *ym_bytes(vars, end - 1) == 0)
		end--;
	return end;
}

/* Where the chunks that can be kept end; *lost is what stands behind them. */
static size_t keep(const struct ym_vars *vars, const struct ym_head *head, size_t end, size_t *lost)
{
	const size_t whole = whole_until(vars, end);
	const uint64_t other = (uint64_t)head->total - (uint64_t)head->free;

	*lost = 0;
	if (whole == end)
		return end;
	/* One of `end` and `free` may be wrong: then the other one says where a chunk ends. */
	if (head->free >= 0 && other <= vars->size && other >= sizeof(struct ym_vars_head_sh) &&
	    whole_until(vars, other) == other)
		return other;
	*lost = (end == vars->size ? last_byte(vars, whole) : end) - whole;
	return whole;
}

/* Variables whose value is damaged, or was never finished. Returns their bytes. */
static size_t drop_values(struct ym_vars *vars, struct ym_head *head)
{
	size_t at = sizeof(struct ym_vars_head_sh), lost = 0;
	struct ym_chunk chunk;

	while (ym_chunk_read(vars, at, (size_t)head->end, &chunk)) {
		if (chunk.length > 0 && ym_chunk_holds_value(&chunk)) {
			at += (size_t)chunk.next;
			continue;
		}
		head->end = (int64_t)ym_chunk_cut(vars, head, &chunk);
		lost += (size_t)chunk.next;
	}
	return lost;
}

int ym_vars_repair(struct ym_vars *vars, size_t *lost, struct ym_err *err)
{
	const int64_t first = sizeof(struct ym_vars_head_sh);
	struct ym_head head;
	struct ym_extent extent;
	size_t behind, end;

	if (ym_vars_writable(vars, err) < 0)
		return -1;
	ym_head_read(vars, &head);
	if (!head.magic && head.start != first)
		return ym_fail(
		    err, YM_ERR_FOREIGN,
		    "segment 0x%x (id %d) has neither PHP's magic nor its start of %d: not PHP's, not touched",
		    (unsigned)vars->key, vars->id, (int)first);
	extent = ym_head_extent(vars, &head);
	if (extent.hole)
		extent.end = ym_chunk_close(vars, extent.at, extent.hole, extent.end, (int64_t)vars->size);
	end = keep(vars, &head, extent.end, &behind);
	if (head.total < (int64_t)end || (uint64_t)head.total > vars->size)
		head.total = (int64_t)vars->size;
	head.end = (int64_t)end;
	/* Up to the last line, a kill leaves a segment that has to be repaired again. */
	ym_field_set(&vars->head->free, YM_VARS_BUSY);
	ym_field_set(&vars->head->start, first);
	ym_field_set(&vars->head->total, head.total);
	ym_field_set(&vars->head->end, head.end);
	memcpy(vars->head->magic, YM_VARS_MAGIC, sizeof(YM_VARS_MAGIC));
	behind += drop_values(vars, &head);
	ym_field_set(&vars->head->free, head.total - head.end);
	vars->damaged = false;
	if (lost)
		*lost = behind;
	return 0;
}
