/* segment.c - create, check and attach the segments of a group. */
#include "segment.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "limits.h"
#include "object.h"
#include "sys.h"

int ym_seg_create(key_t key, size_t size, mode_t mode, int *id, void **addr, struct ym_err *err)
{
	*id = ym_sys.shmget(key, size, IPC_CREAT | IPC_EXCL | (int)(mode & 0777));
	if (*id < 0) {
		int sys = errno;

		if (sys == EINVAL)
			return ym_fail(err, YM_ERR_LIMIT,
			               "shmget(key 0x%x, size %zu): larger than the sysctl kernel.shmmax allows",
			               (unsigned)key, size);
		ym_fail_sys(err, sys, "shmget(key 0x%x, size %zu, IPC_CREAT|IPC_EXCL, mode %o)", (unsigned)key, size,
		            (unsigned)mode);
		if (err && sys == EEXIST)
			err->class = YM_ERR_FOREIGN;
		return ym_limits_explain(err, YM_OBJECT_SEGMENT);
	}
	*addr = ym_sys.shmat(*id, NULL, 0);
	if (*addr == (void *)-1) {
		ym_fail_sys(err, errno, "shmat(id %d) of a new segment", *id);
		ym_sys.shmctl(*id, IPC_RMID, NULL);
		return -1;
	}
	return 0;
}

void ym_seg_publish(void *addr, const char *name, uint32_t version, int semid, uint64_t nonce, size_t size, int id)
{
	struct ym_seg_head_sh *head = addr;
	struct timespec now;

	/* Should we be killed before the end, the next one knows whose half-written head this is. */
	atomic_store(&head->magic, YM_SEG_BEGUN);
	clock_gettime(CLOCK_REALTIME, &now);
	head->version = version;
	head->semid = semid;
	head->nonce = nonce;
	head->size = size;
	head->created = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	head->shmid = id;
	memset(head->name, 0, sizeof(head->name));
	memcpy(head->name, name, strnlen(name, sizeof(head->name) - 1));
	atomic_store_explicit(&head->magic, YM_SEG_MAGIC, memory_order_release);
}

static int check(const struct ym_seg_head_sh *head, int id, const struct shmid_ds *ds, const char *name,
                 uint32_t version, int semid, struct ym_err *err)
{
	if (atomic_load_explicit(&head->magic, memory_order_acquire) != YM_SEG_MAGIC)
		return ym_fail(err, YM_ERR_FOREIGN, "segment id %d is not Yardmaster's (no magic): not used", id);
	if (strncmp(head->name, name, sizeof(head->name)) != 0)
		return ym_fail(err, YM_ERR_FOREIGN, "segment id %d is \"%.15s\", expected \"%s\": not used", id,
		               head->name, name);
	if (head->shmid != id || (semid >= 0 && head->semid != semid))
		return ym_fail(
		    err, YM_ERR_FOREIGN,
		    "segment id %d (\"%s\") belongs to another generation (semaphore set %d, expected %d): not used",
		    id, name, head->semid, semid);
	if (head->version != version)
		return ym_fail(
		    err, YM_ERR_CORRUPT,
		    "segment \"%s\" has layout version %u, this program knows %u: stop the old instance first", name,
		    head->version, version);
	if (head->size > ds->shm_segsz)
		return ym_fail(err, YM_ERR_CORRUPT, "segment \"%s\" says %llu bytes, the kernel %zu: not used", name,
		               (unsigned long long)head->size, (size_t)ds->shm_segsz);
	return 0;
}

/*
 * Who must have made a segment that we write to: who has made the set of its group, which we have joined. If that is gone,
 * our own are still to be salvaged.
 */
static uid_t maker_of(int semid)
{
	uid_t cuid;
	key_t key;

	return semid >= 0 && ym_object_identity(YM_OBJECT_SEMAPHORE, semid, &cuid, &key) ? cuid : geteuid();
}

int ym_seg_attach(int id, const char *name, uint32_t version, int semid, bool readonly, void **addr, size_t *size,
                  struct ym_err *err)
{
	struct shmid_ds ds;
	uid_t maker;

	if (ym_sys.shmctl(id, IPC_STAT, &ds) < 0)
		return ym_fail_sys(err, ym_gone(errno), "shmctl(id %d, IPC_STAT) of segment \"%s\"", id, name);
	/* Who only looks trusts nothing in it anyway. */
	maker = readonly ? ds.shm_perm.cuid : maker_of(semid);
	if (ds.shm_perm.cuid != maker)
		return ym_fail(err, YM_ERR_FOREIGN,
		               "segment id %d (\"%s\") was made by uid %u, not by uid %u: not used", id, name,
		               (unsigned)ds.shm_perm.cuid, (unsigned)maker);
	if (ds.shm_segsz < sizeof(struct ym_seg_head_sh))
		return ym_fail(err, YM_ERR_FOREIGN, "segment id %d (\"%s\") has only %zu bytes: not used", id, name,
		               (size_t)ds.shm_segsz);
	*addr = ym_sys.shmat(id, NULL, readonly ? SHM_RDONLY : 0);
	if (*addr == (void *)-1)
		return ym_fail_sys(err, ym_gone(errno), "shmat(id %d) of segment \"%s\"", id, name);
	if (check(*addr, id, &ds, name, version, semid, err) < 0) {
		ym_sys.shmdt(*addr);
		return -1;
	}
	if (size)
		*size = ds.shm_segsz;
	return 0;
}

void ym_seg_detach(void *addr)
{
	if (addr)
		ym_sys.shmdt(addr);
}

int ym_seg_prefault(void *addr, size_t size, struct ym_err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), rounded = (size + page - 1) / page * page;

#ifdef MADV_POPULATE_WRITE
	if (madvise(addr, rounded, MADV_POPULATE_WRITE) == 0) {
		madvise(addr, rounded, MADV_DONTNEED);
		return 0;
	}
	if (errno == ENOMEM || errno == EFAULT)
		return ym_fail_sys(err, errno, "madvise(%zu bytes, MADV_POPULATE_WRITE) of a segment", rounded);
#else
	(void)err;
#endif
	/* Kernels before 5.14: a plain write to each page. */
	for (size_t at = 0; at < size; at += page) {
		_Atomic unsigned char *byte = (_Atomic unsigned char *)addr + at;

		atomic_fetch_or_explicit(byte, 0, memory_order_relaxed);
	}
	madvise(addr, rounded, MADV_DONTNEED);
	return 0;
}
