/* vars_attach.c - find, make, recognise and remove variable segments. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

#include "chunk.h"
#include "limits.h"
#include "sys.h"

/* How long a segment may stay unformatted before its creator is taken for dead. */
#define GRACE_MS 200

/* How much of a segment is looked at before it is taken for a new one. */
#define LOOK_MAX 4096

/* ---- formatting ------------------------------------------------------------------------------ */

/* The fields that formatting sets, beside the magic. */
struct format {
	int64_t start, end, free, total;
};

static struct format format_of(size_t size)
{
	const int64_t first = sizeof(struct ym_vars_head_sh);

	return (struct format){first, first, (int64_t)size - first, (int64_t)size};
}

/* All zero, or the formatting of a new segment of this size up to some point? */
static bool unfinished(const struct ym_vars *vars)
{
	static const char zeroes[sizeof(YM_VARS_MAGIC)];
	const struct format fresh = format_of(vars->size);
	const size_t look = vars->size < LOOK_MAX ? vars->size : LOOK_MAX;
	struct ym_head head;

	ym_head_read(vars, &head);
	if (!head.magic && memcmp(vars->head->magic, zeroes, sizeof(zeroes)) != 0)
		return false;
	if (head.magic && head.start == fresh.start && head.end == fresh.end && head.free == fresh.free &&
	    head.total == fresh.total)
		return false;
	if ((head.start && head.start != fresh.start) || (head.end && head.end != fresh.end) ||
	    (head.free && head.free != fresh.free) || (head.total && head.total != fresh.total))
		return false;
	for (size_t at = sizeof(struct ym_vars_head_sh); at < look; at++)
		if (*ym_bytes(vars, at) != 0)
			return false;
	return true;
}

/* From 0 only, while there is nothing in the segment: whoever has been faster is not disturbed. */
static void claim(struct ym_vars *vars, int64_t *field, int64_t value)
{
	int64_t zero = 0;

	if (unfinished(vars))
		__atomic_compare_exchange_n(field, &zero, value, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static void format(struct ym_vars *vars)
{
	const struct format fresh = format_of(vars->size);

	claim(vars, &vars->head->end, fresh.end);
	claim(vars, &vars->head->free, fresh.free);
	claim(vars, &vars->head->start, fresh.start);
	claim(vars, &vars->head->total, fresh.total);
	/* The magic last: it says that all the rest is there. Its byte 7 is nobody's. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(vars->head->magic, YM_VARS_MAGIC, sizeof(YM_VARS_MAGIC));
}

/* ---- recognising ----------------------------------------------------------------------------- */

static int not_php(const struct ym_vars *vars, struct ym_err *err)
{
	char bytes[sizeof(vars->head->magic)], hex[3 * sizeof(bytes) + 1] = "", text[sizeof(bytes) + 1];

	memcpy(bytes, vars->head->magic, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		snprintf(hex + 3 * i, 4, "%02x ", (unsigned char)bytes[i]);
		text[i] = isprint((unsigned char)bytes[i]) ? bytes[i] : '.';
	}
	text[sizeof(bytes)] = '\0';
	return ym_fail(
	    err, YM_ERR_FOREIGN,
	    "segment 0x%x (id %d, %zu bytes) is not a segment of PHP's variables: it begins with %s(\"%s\"), "
	    "not with \"" YM_VARS_MAGIC "\"; it was not touched, choose another key",
	    (unsigned)vars->key, vars->id, vars->size, hex, text);
}

/* PHP on 32 bits: start, end, free and total are words of 4 bytes, and the first chunk is at 24. */
static bool is_32bit(const struct ym_vars *vars)
{
	uint32_t words[2];

	memcpy(words, &vars->head->start, sizeof(words));
	return words[0] == 24 && words[1] >= 24 && words[1] <= vars->size;
}

static int recognise(struct ym_vars *vars, struct ym_err *err)
{
	const uint64_t deadline = ym_deadline(GRACE_MS);
	struct ym_head head;

	/* Its creator may be about to format it, or may have been killed before he could. */
	while (unfinished(vars)) {
		if (ym_now_ns() < deadline) {
			ym_nap(1000000);
			continue;
		}
		if (vars->readonly)
			return ym_fail(err, YM_ERR_FOREIGN,
			               "segment 0x%x (id %d, %zu bytes) is empty, and nobody formats it: attach it for "
			               "writing first",
			               (unsigned)vars->key, vars->id, vars->size);
		format(vars);
		break;
	}
	ym_head_read(vars, &head);
	if (!head.magic)
		return not_php(vars, err);
	if (is_32bit(vars))
		return ym_fail(
		    err, YM_ERR_FOREIGN,
		    "segment 0x%x (id %d, %zu bytes) was made by a 32-bit PHP, whose words have 4 bytes, not "
		    "8: the two cannot share a segment; choose another key",
		    (unsigned)vars->key, vars->id, vars->size);
	return ym_head_take(vars, &head, NULL, err);
}

/* ---- attaching ------------------------------------------------------------------------------- */

static int map(struct ym_vars *vars, int id, struct ym_err *err)
{
	struct shmid_ds ds;
	void *at = ym_sys.shmat(id, NULL, vars->readonly ? SHM_RDONLY : 0);

	if (at == (void *)-1)
		return ym_fail_sys(err, ym_gone(errno), "shmat(id %d%s) of the variables of segment 0x%x", id,
		                   vars->readonly ? ", SHM_RDONLY" : "", (unsigned)vars->key);
	vars->id = id;
	vars->head = at;
	/* Attached, it cannot go away any more: the kernel's size is the size of what we see. */
	if (ym_sys.shmctl(id, IPC_STAT, &ds) < 0)
		return ym_fail_sys(err, ym_gone(errno), "shmctl(id %d, IPC_STAT) of the variables of segment 0x%x", id,
		                   (unsigned)vars->key);
	vars->size = ds.shm_segsz;
	vars->key = ds.shm_perm.__key;
	if (vars->size < YM_VARS_SIZE_MIN)
		return ym_fail(err, YM_ERR_FOREIGN,
		               "segment 0x%x (id %d) has only %zu bytes: variables need at least %zu",
		               (unsigned)vars->key, id, vars->size, YM_VARS_SIZE_MIN);
	return 0;
}

static int enter(struct ym_vars *vars, int id, struct ym_err *err)
{
	if (map(vars, id, err) == 0 && (vars->damaged || recognise(vars, err) == 0))
		return 0;
	ym_vars_detach(vars);
	return -1;
}

/* 0, 1 the key has been taken by somebody else, -1. */
static int create(struct ym_vars *vars, size_t size, mode_t mode, struct ym_err *err)
{
	int id;

	if (size == 0)
		size = YM_VARS_SIZE_DEFAULT;
	if (size < YM_VARS_SIZE_MIN)
		return ym_fail(err, YM_ERR_USAGE,
		               "a segment of %zu bytes is too small for variables: at least %zu, and %zu to hold one",
		               size, YM_VARS_SIZE_MIN, YM_VARS_SIZE_MIN + ym_vars_chunk_size(1));
	id = ym_sys.shmget(vars->key, size, IPC_CREAT | IPC_EXCL | (int)(mode & 0777));
	if (id < 0 && errno == EEXIST)
		return 1;
	if (id < 0 && errno == EINVAL)
		return ym_fail(err, YM_ERR_LIMIT,
		               "shmget(key 0x%x, size %zu) for variables: larger than the sysctl kernel.shmmax allows",
		               (unsigned)vars->key, size);
	if (id < 0) {
		ym_fail_sys(err, errno, "shmget(key 0x%x, size %zu, IPC_CREAT|IPC_EXCL, mode %o) for variables",
		            (unsigned)vars->key, size, (unsigned)mode);
		return ym_limits_explain(err, YM_OBJECT_SEGMENT);
	}
	if (map(vars, id, err) < 0) {
		ym_vars_detach(vars);
		ym_sys.shmctl(id, IPC_RMID, NULL);
		return -1;
	}
	vars->created = true;
	format(vars);
	return 0;
}

/* With a key that may be in use already, find the segment or make it. */
static int find_or_create(struct ym_vars *vars, size_t size, mode_t mode, unsigned flags, struct ym_err *err)
{
	int taken, id;

	for (;;) {
		id = ym_sys.shmget(vars->key, 0, 0);
		if (id >= 0) {
			if (enter(vars, id, err) == 0)
				return 0;
			/* Removed between the two calls: the key is free now, or somebody else's. */
			if (err->sys == EIDRM)
				continue;
			return -1;
		}
		if (errno != ENOENT)
			return ym_fail_sys(err, errno, "shmget(key 0x%x) to find variables", (unsigned)vars->key);
		if (flags & YM_VARS_EXISTING)
			return ym_fail(err, YM_ERR_NO, "there is no segment of key 0x%x", (unsigned)vars->key);
		taken = create(vars, size, mode, err);
		if (taken <= 0)
			return taken;
	}
}

static void begin(struct ym_vars *vars, key_t key, unsigned flags)
{
	*vars = (struct ym_vars){
	    .key = key, .id = -1, .readonly = flags & YM_VARS_READONLY, .damaged = flags & YM_VARS_DAMAGED};
}

int ym_vars_attach(struct ym_vars *vars, key_t key, size_t size, mode_t mode, unsigned flags, struct ym_err *err)
{
	struct ym_err unheard;
	int taken;

	begin(vars, key, flags);
	if (!err)
		err = &unheard;
	if (flags & YM_VARS_READONLY)
		flags |= YM_VARS_EXISTING;
	if ((flags & YM_VARS_EXISTING) && ((flags & YM_VARS_NEW) || key == IPC_PRIVATE))
		return ym_fail(
		    err, YM_ERR_USAGE,
		    "key 0x%x: a new segment was asked for, and one that exists already (or one for reading)",
		    (unsigned)key);
	if (!(flags & YM_VARS_NEW) && key != IPC_PRIVATE)
		return find_or_create(vars, size, mode, flags, err);
	taken = create(vars, size, mode, err);
	if (taken <= 0)
		return taken;
	ym_fail_sys(err, EEXIST, "shmget(key 0x%x, IPC_CREAT|IPC_EXCL) for new variables", (unsigned)key);
	err->class = YM_ERR_FOREIGN;
	return -1;
}

int ym_vars_open(struct ym_vars *vars, int id, unsigned flags, struct ym_err *err)
{
	begin(vars, IPC_PRIVATE, flags);
	if (flags & YM_VARS_NEW)
		return ym_fail(err, YM_ERR_USAGE, "segment id %d: what has an id is not new", id);
	return enter(vars, id, err);
}

void ym_vars_detach(struct ym_vars *vars)
{
	if (vars->head)
		ym_sys.shmdt(vars->head);
	vars->head = NULL;
	vars->id = -1;
}

/* ---- removing -------------------------------------------------------------------------------- */

/* An empty segment of zeroes. */
static void blank(struct ym_vars *vars)
{
	const struct format fresh = format_of(vars->size);

	ym_field_set(&vars->head->free, YM_VARS_BUSY);
	ym_field_set(&vars->head->start, fresh.start);
	ym_field_set(&vars->head->total, fresh.total);
	ym_field_set(&vars->head->end, fresh.end);
	memset(ym_bytes(vars, sizeof(struct ym_vars_head_sh)), 0, vars->size - sizeof(struct ym_vars_head_sh));
	memcpy(vars->head->magic, YM_VARS_MAGIC, sizeof(YM_VARS_MAGIC));
	ym_field_set(&vars->head->free, fresh.free);
}

/* Wiping must not come before a refusal. */
static int may_remove(const struct ym_vars *vars, struct ym_err *err)
{
	const uid_t me = geteuid();
	struct shmid_ds ds;

	if (ym_sys.shmctl(vars->id, IPC_STAT, &ds) < 0)
		return ym_fail_sys(err, ym_gone(errno), "shmctl(id %d, IPC_STAT) before segment 0x%x is wiped",
		                   vars->id, (unsigned)vars->key);
	if (me != 0 && me != ds.shm_perm.uid && me != ds.shm_perm.cuid)
		return ym_fail_sys(err, EPERM, "segment 0x%x (id %d) of uid %u is neither wiped nor removed",
		                   (unsigned)vars->key, vars->id, (unsigned)ds.shm_perm.uid);
	return 0;
}

int ym_vars_destroy(struct ym_vars *vars, bool wipe, struct ym_err *err)
{
	if (!vars->head)
		return ym_fail(err, YM_ERR_USAGE, "these variables are not attached, or not any more");
	if (wipe) {
		if (ym_vars_writable(vars, err) < 0 || may_remove(vars, err) < 0)
			return -1;
		blank(vars);
	}
	if (ym_sys.shmctl(vars->id, IPC_RMID, NULL) < 0 && ym_gone(errno) != EIDRM)
		return ym_fail_sys(err, errno, "shmctl(id %d, IPC_RMID) to remove segment 0x%x", vars->id,
		                   (unsigned)vars->key);
	return 0;
}
