/*
 * vars.h - variable segments: shared memory with PHP's sysvshm layout, shared with shm_put_var() and shm_get_var().
 *
 *   off size  head                        written by
 *     0    8  magic "PHP_SM\0"; byte 7    whoever formats the segment, last (PHP first)
 *             is never written or read
 *     8    8  start = 40                  whoever formats the segment
 *    16    8  end: first unused byte      put, remove
 *    24    8  free: bytes behind end      put, remove; negative while chunks move
 *    32    8  total                       whoever formats the segment; put, remove while chunks move
 *
 *   off size  chunk, one a variable, without gaps from `start` to `end`
 *     0    8  key: any integer; PHP users take crc32() of a name
 *     8    8  length of the value
 *    16    8  next: size of this whole chunk
 *    24    .  the value in serialize()'s format, no NUL; then stale bytes up to `next`
 *
 * (32-bit PHP has words of 4 bytes; those segments are recognised and refused.)
 *
 * Nothing here is locked, as in PHP: bracket what belongs together with a semaphore that all users agree on (PHP users
 * take the same key for both), or use ym_vars_update(). Two writers at once damage a segment. A reader without the
 * semaphore looks again (up to 10 ms) when a writer of ours was at work; it sees values of up to 8 serialized bytes (a
 * flag, a counter up to 99999) either old or new, longer ones perhaps half of each.
 *
 * A writer that is killed in the middle leaves a segment that says so instead of one that lies, and costs at most the
 * variable it was at. A value that takes as many bytes as the old one is put in place, its length being 0 meanwhile (no
 * serialized value is empty): only that variable is damaged then, and the next put mends it. A new variable is put
 * behind the end before the end is moved. Where chunks have to move, `free` is negative meanwhile, and ym_vars_repair()
 * moves the rest (chunk.h says how).
 *
 * No byte of a segment is trusted: the head is checked against the kernel's size of the segment and every chunk against
 * the head, in local copies, before it is used. Errors (YM_ERR_CORRUPT) name the offset and the reason. A damaged value
 * is an error of ym_vars_get(); it can be put anew and removed.
 */
#ifndef YM_IPC_VARS_H
#define YM_IPC_VARS_H

#include <stdint.h>
#include <sys/ipc.h>
#include <sys/types.h>

#include "buffer.h"
#include "clock.h"
#include "error.h"
#include "sem.h"
#include "value.h"

struct ym_vars_head_sh {
	char magic[8];
	int64_t start, end, free, total;
};
_Static_assert(sizeof(struct ym_vars_head_sh) == 40, "layout above");

struct ym_chunk_sh {
	int64_t key, length, next;
	char value[];
};
_Static_assert(sizeof(struct ym_chunk_sh) == 24, "layout above");

#define YM_VARS_MAGIC        "PHP_SM"
#define YM_VARS_BUSY         (-1)  /* in `free`, as any negative number */
#define YM_VARS_SIZE_DEFAULT 10000 /* PHP's sysvshm.init_mem */
#define YM_VARS_SIZE_MIN     sizeof(struct ym_vars_head_sh)

/* What a variable takes whose serialized value has `length` bytes: PHP's sizes, to the byte. */
static inline size_t ym_vars_chunk_size(size_t length)
{
	return (length + 31) / 8 * 8 + 8;
}

struct ym_vars {
	key_t key;    /* 0: private */
	int id;       /* -1: not attached */
	size_t size;  /* IPC_STAT's */
	bool created; /* by this attach: `size` and `mode` were applied */
	bool readonly;
	bool damaged; /* attached with YM_VARS_DAMAGED: ym_vars_next() goes as far as it can */
	struct ym_vars_head_sh *head;
};

/* The key of a variable by name: crc32(), 0..4294967295, as PHP's crc32() on 64 bits. */
YM_API int64_t ym_vars_key(const char *name);

/* How to attach. */
enum {
	YM_VARS_EXISTING = 1, /* never make a segment: YM_ERR_NO if there is none */
	YM_VARS_READONLY = 2, /* works on segments one may only read; implies EXISTING */
	YM_VARS_NEW = 4,      /* the key must be free: YM_ERR_FOREIGN (sys EEXIST) otherwise */
	YM_VARS_DAMAGED = 8,  /* attach whatever its head says, for ym_vars_next() and ym_vars_repair() */
};

/*
 * Attach to the segment of `key`, making it with `size` bytes (0: the default) if it is missing (PHP: shm_attach); later
 * attachers get the segment as it is. IPC_PRIVATE makes a new one. A segment that is not PHP's is refused
 * (YM_ERR_FOREIGN), not formatted as PHP would; one that a killed creator left unformatted is formatted.
 * ym_vars_open() does the same with an id. Detach with ym_vars_detach() (PHP: shm_detach); the segment stays.
 */
YM_API int ym_vars_attach(struct ym_vars *vars, key_t key, size_t size, mode_t mode, unsigned flags,
                          struct ym_err *err);
YM_API int ym_vars_open(struct ym_vars *vars, int id, unsigned flags, struct ym_err *err);
YM_API void ym_vars_detach(struct ym_vars *vars);

/*
 * Put (PHP: shm_put_var). If the value does not fit, YM_ERR_FULL says how many bytes are missing, and nothing has changed
 * (PHP loses the old value). The second form takes bytes that are serialized already, at least one.
 */
YM_API int ym_vars_put(struct ym_vars *vars, int64_t key, const struct ym_value *value, struct ym_err *err);
YM_API int ym_vars_put_raw(struct ym_vars *vars, int64_t key, const void *bytes, size_t length, struct ym_err *err);

/*
 * Get (PHP: shm_get_var): 0, 1 there is no such variable, -1. *value is overwritten, not freed; null unless 0. The second
 * form appends the bytes as they are, not decoded. YM_ERR_TIMEOUT: others changed the variable each time it was read.
 */
YM_API int ym_vars_get(const struct ym_vars *vars, int64_t key, struct ym_value *value, struct ym_err *err);
YM_API int ym_vars_get_raw(const struct ym_vars *vars, int64_t key, struct ym_buffer *out, struct ym_err *err);

/* Is it there (PHP: shm_has_var)? 1 yes, 0 no, -1. */
YM_API int ym_vars_has(const struct ym_vars *vars, int64_t key, struct ym_err *err);

/* Remove a variable (PHP: shm_remove_var): 0 removed, 1 it was not there, -1. */
YM_API int ym_vars_remove(struct ym_vars *vars, int64_t key, struct ym_err *err);

/*
 * Change a variable while nobody else does: takes a unit of `sem` until `deadline` (ym_deadline()), hands a copy of the
 * value (null, `exists` false if missing) to `change`, puts what it left there, gives the unit back. `change` returns 0 to
 * put, 1 to leave everything as it was, 2 to remove the variable, -1 with err to fail. Returns what `change` returned.
 */
typedef int ym_vars_change(struct ym_value *value, bool exists, void *arg, struct ym_err *err);
YM_API int ym_vars_update(struct ym_vars *vars, struct ym_sem *sem, uint64_t deadline, int64_t key,
                          ym_vars_change *change, void *arg, struct ym_err *err);

/* One variable of an iteration: zero `at` first. The bytes are the segment's own: copy them before they are looked at. */
struct ym_var {
	size_t at; /* offset of its chunk */
	int64_t key;
	size_t length; /* of the serialized value */
	size_t chunk;  /* bytes it takes */
	const char *bytes;
};
/*
 * 0 a variable, 1 no more, -1 damaged at var->at. If var->chunk is not 0 then, only a value is damaged, and the walk can
 * go on. Changes in between may make variables appear twice or not at all, or look like damage: take the semaphore.
 */
YM_API int ym_vars_next(const struct ym_vars *vars, struct ym_var *var, struct ym_err *err);

/*
 * Put the value of the variable at which a walk is, without a search: 0; 1 when it takes another number of bytes than the
 * old one, or is not there any more: nothing was changed, use ym_vars_put_raw(). What was walked before stays valid.
 */
YM_API int ym_vars_put_at(struct ym_vars *vars, const struct ym_var *var, const void *bytes, size_t length,
                          struct ym_err *err);

struct ym_vars_stat {
	size_t total, used, free; /* bytes; `used` counts the head */
	size_t largest;           /* the longest serialized value that still fits under a new key */
	size_t variables;
	uint64_t attached; /* processes */
	pid_t creator, last;
	uid_t uid, cuid;
	mode_t mode;
};
YM_API int ym_vars_stat(const struct ym_vars *vars, struct ym_vars_stat *stat, struct ym_err *err);

/*
 * Make a damaged segment usable again: finish what a killed writer was moving, drop variables whose value is damaged,
 * keep what is before the first chunk that does not fit, set the head right. The bytes that are given up go to *lost (may
 * be NULL). Only with nobody else writing. YM_ERR_FOREIGN: nothing of PHP's can be seen in it.
 */
YM_API int ym_vars_repair(struct ym_vars *vars, size_t *lost, struct ym_err *err);

/*
 * Remove the segment (PHP: shm_remove): who is attached goes on using it, the key is free at once; 0 also if it was
 * removed already. `wipe` overwrites the contents with zeroes first, so that nobody reads them any more: those who are
 * attached see an empty segment. Stays attached: detach as usual.
 */
YM_API int ym_vars_destroy(struct ym_vars *vars, bool wipe, struct ym_err *err);

#endif
