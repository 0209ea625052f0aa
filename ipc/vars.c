/* vars.c - variables in a segment: put, get, remove, walk. */
#include "vars.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/shm.h>

#include "chunk.h"
#include "key.h"
#include "serialize.h"
#include "sys.h"

/* Values up to this size are handled without malloc(). */
#define STORAGE 512

/* A value of so many bytes is loaded and stored as one word. */
#define WORD sizeof(int64_t)

int64_t ym_vars_key(const char *name)
{
	return ym_crc32(name, strlen(name));
}

/* ---- put ------------------------------------------------------------------------------------- */

/* Behind the end, where nobody looks before `end` says so. */
static void append(struct ym_vars *vars, size_t end, int64_t key, const void *bytes, size_t length)
{
	const size_t need = ym_vars_chunk_size(length);

	ym_word_set(vars, end + offsetof(struct ym_chunk_sh, key), key);
	ym_word_set(vars, end + offsetof(struct ym_chunk_sh, length), (int64_t)length);
	ym_word_set(vars, end + offsetof(struct ym_chunk_sh, next), (int64_t)need);
	memcpy(ym_bytes(vars, end + offsetof(struct ym_chunk_sh, value)), bytes, length);
	ym_field_set(&vars->head->end, (int64_t)(end + need));
}

/*
 * In place. A short value of unchanged length is one store: whoever reads sees the old or the new one. Otherwise the
 * length is 0, which no value has, while the bytes change: should we be killed, only this variable says it is damaged.
 */
static void overwrite(struct ym_vars *vars, const struct ym_chunk *old, const void *bytes, size_t length)
{
	const size_t at = old->at + offsetof(struct ym_chunk_sh, length);
	int64_t word = 0;

	if (length <= WORD && old->length == (int64_t)length) {
		memcpy(&word, bytes, length);
		ym_word_set(vars, old->at + offsetof(struct ym_chunk_sh, value), word);
		return;
	}
	ym_word_set(vars, at, 0);
	memcpy(ym_bytes(vars, old->at + offsetof(struct ym_chunk_sh, value)), bytes, length);
	ym_word_set(vars, at, (int64_t)length);
}

static int full(const struct ym_vars *vars, const struct ym_head *head, int64_t key, size_t need, size_t available,
                struct ym_err *err)
{
	return ym_fail(
	    err, YM_ERR_FULL,
	    "variable %" PRId64 " needs %zu bytes, but segment 0x%x (id %d) of %" PRId64
	    " bytes has %zu for it: %zu are missing, so nothing was changed; remove variables, or the segment "
	    "and make a larger one",
	    key, need, (unsigned)vars->key, vars->id, head->total, available, need - available);
}

/*
 * With nothing behind it, the old chunk goes without a journal, and `free` never says more than is behind `end`: a kill in
 * here leaves a sound head, which PHP, too, can go on with.
 */
static void replace_last(struct ym_vars *vars, const struct ym_head *head, const struct ym_chunk *old, size_t left)
{
	if ((int64_t)left < head->free)
		ym_field_set(&vars->head->free, (int64_t)left);
	ym_field_set(&vars->head->end, (int64_t)old->at);
}

int ym_vars_put_raw(struct ym_vars *vars, int64_t key, const void *bytes, size_t length, struct ym_err *err)
{
	const size_t need = ym_vars_chunk_size(length);
	struct ym_head head;
	struct ym_chunk old;
	size_t available;
	int missing;

	if (ym_vars_writable(vars, err) < 0)
		return -1;
	if ((uintptr_t)bytes - (uintptr_t)vars->head < vars->size)
		return ym_fail(err, YM_ERR_USAGE, "bytes of segment 0x%x itself, which a put may move: copy them first",
		               (unsigned)vars->key);
	if (length == 0 || length > INT64_MAX / 2)
		return ym_fail(err, YM_ERR_USAGE, "no serialized value has %zu bytes", length);
	missing = ym_chunk_look(vars, key, &head, &old, err);
	if (missing < 0)
		return -1;
	if (!missing && old.next == (int64_t)need) {
		overwrite(vars, &old, bytes, length);
		return 0;
	}
	available = (size_t)(head.free + old.next);
	if (need > available)
		return full(vars, &head, key, need, available, err);
	if (missing) {
		/* First what is used: a kill in between loses bytes until the next repair, but nothing contradicts. */
		ym_field_set(&vars->head->free, (int64_t)(available - need));
		append(vars, (size_t)head.end, key, bytes, length);
		return 0;
	}
	if (old.at + (size_t)old.next == (size_t)head.end)
		replace_last(vars, &head, &old, available - need);
	else
		ym_chunk_cut(vars, &head, &old);
	append(vars, (size_t)(head.end - old.next), key, bytes, length);
	ym_field_set(&vars->head->free, (int64_t)(available - need));
	return 0;
}

int ym_vars_put(struct ym_vars *vars, int64_t key, const struct ym_value *value, struct ym_err *err)
{
	char storage[STORAGE];
	struct ym_buffer buffer;
	int result;

	ym_buffer_init(&buffer, storage, sizeof(storage));
	result = ym_serialize(value, &buffer, err);
	if (result == 0)
		result = ym_vars_put_raw(vars, key, buffer.bytes, buffer.length, err);
	ym_buffer_free(&buffer);
	return result;
}

/* ---- get ------------------------------------------------------------------------------------- */

static void copy_value(const struct ym_vars *vars, const struct ym_chunk *chunk, char *to)
{
	const size_t at = chunk->at + offsetof(struct ym_chunk_sh, value);
	const size_t length = (size_t)chunk->length;
	int64_t word;

	if (length > WORD) {
		memcpy(to, ym_bytes(vars, at), length);
		return;
	}
	word = ym_word(vars, at);
	memcpy(to, &word, length);
}

/* Does the chunk still stand where it stood? */
static bool unchanged(const struct ym_vars *vars, const struct ym_chunk *chunk)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return ym_word(vars, chunk->at + offsetof(struct ym_chunk_sh, key)) == chunk->key &&
	       ym_word(vars, chunk->at + offsetof(struct ym_chunk_sh, length)) == chunk->length &&
	       ym_word(vars, chunk->at + offsetof(struct ym_chunk_sh, next)) == chunk->next;
}

/* Append the bytes of a variable to `out`; the chunk they came from. */
static int fetch(const struct ym_vars *vars, int64_t key, struct ym_buffer *out, struct ym_chunk *chunk,
                 struct ym_err *err)
{
	uint64_t deadline = 0;
	struct ym_head head;
	char *to;

	do {
		int missing = ym_chunk_look(vars, key, &head, chunk, err);

		if (missing)
			return missing;
		if (chunk->length == 0) {
			ym_nap(YM_VARS_NAP_NS);
			continue;
		}
		if (!ym_chunk_holds_value(chunk)) {
			if (unchanged(vars, chunk))
				return ym_value_damage(vars, chunk, err);
			continue;
		}
		to = ym_buffer_room(out, (size_t)chunk->length, err);
		if (!to)
			return -1;
		copy_value(vars, chunk, to);
		if (unchanged(vars, chunk)) {
			out->length += (size_t)chunk->length;
			return 0;
		}
	} while (ym_vars_patient(&deadline));
	if (chunk->length == 0)
		return ym_value_damage(vars, chunk, err);
	return ym_fail(err, YM_ERR_TIMEOUT,
	               "variable %" PRId64 " of segment 0x%x (id %d) changes faster than it can be read: take the "
	               "semaphore of its writers",
	               key, (unsigned)vars->key, vars->id);
}

int ym_vars_get_raw(const struct ym_vars *vars, int64_t key, struct ym_buffer *out, struct ym_err *err)
{
	struct ym_chunk chunk;

	return fetch(vars, key, out, &chunk, err);
}

int ym_vars_get(const struct ym_vars *vars, int64_t key, struct ym_value *value, struct ym_err *err)
{
	char storage[STORAGE];
	struct ym_buffer buffer;
	struct ym_chunk chunk;
	int result;

	*value = (struct ym_value){0};
	ym_buffer_init(&buffer, storage, sizeof(storage));
	result = fetch(vars, key, &buffer, &chunk, err);
	if (result == 0 && ym_unserialize(buffer.bytes, buffer.length, value, NULL, err) < 0)
		result =
		    ym_err_prefix(err, "segment 0x%x (id %d), the value of variable %" PRId64 " at offset %zu",
		                  (unsigned)vars->key, vars->id, key, chunk.at + offsetof(struct ym_chunk_sh, value));
	ym_buffer_free(&buffer);
	return result;
}

int ym_vars_has(const struct ym_vars *vars, int64_t key, struct ym_err *err)
{
	struct ym_head head;
	struct ym_chunk chunk;
	int missing = ym_chunk_look(vars, key, &head, &chunk, err);

	return missing < 0 ? -1 : !missing;
}

/* ---- remove ---------------------------------------------------------------------------------- */

int ym_vars_remove(struct ym_vars *vars, int64_t key, struct ym_err *err)
{
	struct ym_head head;
	struct ym_chunk chunk;
	int result;

	if (ym_vars_writable(vars, err) < 0)
		return -1;
	result = ym_chunk_look(vars, key, &head, &chunk, err);
	if (result != 0)
		return result;
	ym_chunk_cut(vars, &head, &chunk);
	ym_field_set(&vars->head->free, head.free + chunk.next);
	return 0;
}

/* ---- update ---------------------------------------------------------------------------------- */

static int change_one(struct ym_vars *vars, int64_t key, ym_vars_change *change, void *arg, struct ym_err *err)
{
	struct ym_value value;
	int missing = ym_vars_get(vars, key, &value, err), result;

	if (missing < 0)
		return -1;
	result = change(&value, !missing, arg, err);
	if (result == 0 && ym_vars_put(vars, key, &value, err) < 0)
		result = -1;
	if (result == 2 && ym_vars_remove(vars, key, err) < 0)
		result = -1;
	ym_value_free(&value);
	return result;
}

static int take_unit(const struct ym_vars *vars, struct ym_sem *sem, uint64_t deadline, int64_t key, struct ym_err *err)
{
	struct ym_err unheard;
	int last;

	if (!err)
		err = &unheard;
	if (ym_sem_acquire(sem, deadline, err) == 0)
		return 0;
	last = err->class == YM_ERR_TIMEOUT ? ym_sem_pid(sem->id, YM_SEM_VALUE) : 0;
	if (last > 0)
		ym_err_prefix(err, "process %d was the last to use it", last);
	return ym_err_prefix(err, "variable %" PRId64 " of segment 0x%x (id %d) was not changed", key,
	                     (unsigned)vars->key, vars->id);
}

int ym_vars_update(struct ym_vars *vars, struct ym_sem *sem, uint64_t deadline, int64_t key, ym_vars_change *change,
                   void *arg, struct ym_err *err)
{
	int result;

	if (ym_vars_writable(vars, err) < 0 || take_unit(vars, sem, deadline, key, err) < 0)
		return -1;
	result = change_one(vars, key, change, arg, err);
	if (result < 0) {
		ym_sem_release(sem, NULL);
		return -1;
	}
	if (ym_sem_release(sem, err) < 0)
		return ym_err_prefix(err, "variable %" PRId64 " of segment 0x%x (id %d) is as wanted, but", key,
		                     (unsigned)vars->key, vars->id);
	return result;
}

/* ---- walk ------------------------------------------------------------------------------------ */

/* Where a walk ends: a segment that was attached as damaged is walked as far as its chunks are whole. */
static int walk_end(const struct ym_vars *vars, size_t *end, size_t *at, struct ym_err *err)
{
	struct ym_head head;
	struct ym_extent extent;

	if (vars->damaged && vars->head) {
		ym_head_read(vars, &head);
		extent = ym_head_extent(vars, &head);
		*end = extent.hole ? extent.at : extent.end;
		return extent.hole ? 1 : 0;
	}
	if (ym_head_take(vars, &head, at, err) < 0)
		return -1;
	*end = (size_t)head.end;
	return 0;
}

int ym_vars_next(const struct ym_vars *vars, struct ym_var *var, struct ym_err *err)
{
	const size_t first = sizeof(struct ym_vars_head_sh), at = var->at < first ? first : var->at + var->chunk;
	uint64_t deadline = 0;
	struct ym_chunk chunk;
	size_t end;

	*var = (struct ym_var){0};
	for (;;) {
		int hole = walk_end(vars, &end, &var->at, err);

		if (hole < 0)
			return -1;
		var->at = at;
		if (at >= end)
			return hole ? ym_vars_damage(vars, err, end, "%s", "chunks were being moved here") : 1;
		if (!ym_chunk_read(vars, at, end, &chunk))
			return ym_chunk_damage(vars, &chunk, end, err);
		/* No length: somebody may be putting a value this very moment. */
		if (chunk.length != 0 || !ym_vars_patient(&deadline))
			break;
		ym_nap(YM_VARS_NAP_NS);
	}
	*var = (struct ym_var){.at = at, .key = chunk.key, .chunk = (size_t)chunk.next};
	if (chunk.length == 0 || !ym_chunk_holds_value(&chunk))
		return ym_value_damage(vars, &chunk, err);
	var->length = (size_t)chunk.length;
	var->bytes = ym_bytes(vars, at + offsetof(struct ym_chunk_sh, value));
	return 0;
}

int ym_vars_put_at(struct ym_vars *vars, const struct ym_var *var, const void *bytes, size_t length, struct ym_err *err)
{
	struct ym_head head;
	struct ym_chunk chunk;

	if (ym_vars_writable(vars, err) < 0 || ym_head_take(vars, &head, NULL, err) < 0)
		return -1;
	if (length == 0 || length > INT64_MAX / 2)
		return ym_fail(err, YM_ERR_USAGE, "no serialized value has %zu bytes", length);
	if (var->at < sizeof(struct ym_vars_head_sh) || var->at >= (size_t)head.end ||
	    !ym_chunk_read(vars, var->at, (size_t)head.end, &chunk) || chunk.key != var->key ||
	    chunk.next != (int64_t)var->chunk || var->chunk != ym_vars_chunk_size(length))
		return 1;
	overwrite(vars, &chunk, bytes, length);
	return 0;
}

int ym_vars_stat(const struct ym_vars *vars, struct ym_vars_stat *stat, struct ym_err *err)
{
	struct ym_head head;
	struct ym_var var = {0};
	struct shmid_ds ds;
	int more;

	*stat = (struct ym_vars_stat){0};
	if (ym_head_take(vars, &head, NULL, err) < 0)
		return -1;
	if (ym_sys.shmctl(vars->id, IPC_STAT, &ds) < 0)
		return ym_fail_sys(err, ym_gone(errno), "shmctl(id %d, IPC_STAT) of the variables of segment 0x%x",
		                   vars->id, (unsigned)vars->key);
	stat->total = (size_t)head.total;
	stat->used = (size_t)head.end;
	stat->free = (size_t)head.free;
	if (stat->free >= ym_vars_chunk_size(1))
		stat->largest = stat->free / 8 * 8 - 32;
	stat->attached = ds.shm_nattch;
	stat->creator = ds.shm_cpid;
	stat->last = ds.shm_lpid;
	stat->uid = ds.shm_perm.uid;
	stat->cuid = ds.shm_perm.cuid;
	stat->mode = ds.shm_perm.mode & 0777;
	while ((more = ym_vars_next(vars, &var, err)) == 0)
		stat->variables++;
	return more < 0 ? -1 : 0;
}
