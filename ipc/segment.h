/*
 * segment.h - shared-memory segments that belong to a group.
 *
 * Every segment of a group starts with the same 64 bytes, so that nobody ever works in a segment that merely sits
 * behind the right key:
 *
 *   off size field       writer: the creator, once, under the group's LOCK; never changes afterwards
 *     0    8 magic       YM_SEG_MAGIC, stored last: a segment without it was never finished (YM_SEG_BEGUN first)
 *     8    4 version     of the content
 *    12    4 semid       the semaphore set of the group: another generation has another one
 *    16    8 nonce       random, the same in all segments of one generation
 *    24    8 size        bytes asked for; must fit what IPC_STAT says
 *    32    8 created     CLOCK_REALTIME nanoseconds
 *    40    4 shmid       its own id
 *    44    4 (zero)
 *    48   16 name        object name, NUL-padded
 */
#ifndef YM_IPC_SEGMENT_H
#define YM_IPC_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/types.h>

#include "error.h"

#define YM_SEG_MAGIC    UINT64_C(0x31304745534d59) /* "YMSEG01", NUL */
#define YM_SEG_BEGUN    UINT64_C(0x3f4745534d59)   /* "YMSEG?", NUL */
#define YM_SEG_NAME_MAX 16

struct ym_seg_head_sh {
	_Atomic uint64_t magic;
	uint32_t version;
	int32_t semid;
	uint64_t nonce;
	uint64_t size;
	uint64_t created;
	int32_t shmid;
	uint32_t zero;
	char name[YM_SEG_NAME_MAX];
};
_Static_assert(sizeof(struct ym_seg_head_sh) == 64, "every segment starts with one cache line");
_Static_assert(offsetof(struct ym_seg_head_sh, name) == 48, "layout above");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must be address-free");

/* Make a segment behind `key`, which must be free: YM_ERR_FOREIGN with sys EEXIST otherwise. Zeroed, attached. */
int ym_seg_create(key_t key, size_t size, mode_t mode, int *id, void **addr, struct ym_err *err);

/* Write the header; the magic goes last, with release. */
void ym_seg_publish(void *addr, const char *name, uint32_t version, int semid, uint64_t nonce, size_t size, int id);

/*
 * Attach `id` and check its maker (who has made the set `semid`, or we), size and header. semid -1 accepts any group (a
 * viewer that looks at one object only).
 * Errors: YM_ERR_GONE (no such id), YM_ERR_FOREIGN (not ours, or of another generation), YM_ERR_CORRUPT (version).
 */
int ym_seg_attach(int id, const char *name, uint32_t version, int semid, bool readonly, void **addr, size_t *size,
                  struct ym_err *err);
void ym_seg_detach(void *addr);

/* Touch all pages now: later the lack of memory would be the OOM killer instead of an error. Keeps no page mapped. */
int ym_seg_prefault(void *addr, size_t size, struct ym_err *err);

#endif
