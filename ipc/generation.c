/* generation.c - whose is the set behind the key; make, repair, salvage and remove what belongs to a group. */
#include "generation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "declared.h"
#include "key.h"
#include "procfs.h"
#include "sem.h"
#include "share.h"
#include "sys.h"

/* How often to look at what cannot be waited for: a file lock with a deadline, processes of an older generation. */
#define YM_LOOK_NS 10000000

/* ---- whose is the set behind our key? -------------------------------------------------------- */

enum set_kind ym_generation_find(key_t key, const char *directory, int *semid, unsigned *capacity)
{
	struct semid_ds ds = {0};
	bool own;
	unsigned long n;

	*semid = ym_sys.semget(key, 0, 0);
	if (*semid < 0)
		return errno == ENOENT ? SET_NONE : SET_FOREIGN;
	if (ym_sys.semctl(*semid, 0, IPC_STAT, (union ym_semun){.buf = &ds}) < 0)
		return ym_gone(errno) == EIDRM ? SET_NONE : SET_FOREIGN;
	n = ds.sem_nsems;
	/* cuid cannot be changed, not even by the owner: it tells who really made the set. */
	own = ds.sem_perm.cuid == geteuid();
	if (!own && !(directory && ym_share_with_us(&ds.sem_perm, directory)))
		return SET_FOREIGN;
	if (own && n == YM_SEM_MEMBERS)
		return SET_PHP;
	if (n < (unsigned long)YM_GROUP_NSEMS(1) || (n - YM_GROUP_SLOTS) % 2 ||
	    n > (unsigned long)YM_GROUP_NSEMS(YM_GROUP_CAPACITY_MAX))
		return SET_FOREIGN;
	*capacity = (unsigned)(n - YM_GROUP_SLOTS) / 2;
	return own ? SET_OURS : SET_SHARED;
}

/* A leftover registry of our own does not block its key: it is cleared up by whoever makes the next generation. */
static bool registry_is_ours(int id)
{
	void *addr;

	if (ym_seg_attach(id, YM_REGISTRY_NAME, YM_REGISTRY_VERSION, -1, false, &addr, NULL, NULL) < 0)
		return false;
	ym_seg_detach(addr);
	return true;
}

bool ym_generation_unfinished(int id, bool *busy)
{
	static const char zeroes[sizeof(struct ym_seg_head_sh)];
	struct shmid_ds ds = {0};
	bool begun;
	void *addr;

	if (ym_sys.shmctl(id, IPC_STAT, &ds) < 0 || ds.shm_perm.cuid != geteuid() || !ym_registry_fits(ds.shm_segsz))
		return false;
	*busy = ds.shm_nattch != 0;
	addr = ym_sys.shmat(id, NULL, SHM_RDONLY);
	if (addr == (void *)-1)
		return false;
	begun = memcmp(addr, zeroes, sizeof(zeroes)) == 0 ||
	        atomic_load(&((struct ym_seg_head_sh *)addr)->magic) == YM_SEG_BEGUN;
	ym_sys.shmdt(addr);
	return begun;
}

static bool key_taken(key_t key, void *arg)
{
	unsigned capacity;
	bool busy;
	int id;
	enum set_kind kind = ym_generation_find(key, NULL, &id, &capacity);

	(void)arg;
	if (kind == SET_FOREIGN)
		return true;
	if (kind == SET_OURS)
		return false;
	return ym_object_behind(YM_OBJECT_SEGMENT, key, &id) && !registry_is_ours(id) &&
	       !ym_generation_unfinished(id, &busy);
}

/* The lock file of the directory: -1 with err when another process has held it for too long. Closing unlocks. */
int ym_generation_lock_directory(const struct ym_group_spec *spec, struct ym_err *err)
{
	uint64_t deadline = ym_deadline(spec->patience_ms);
	char path[PATH_MAX];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/" YM_LOCK_NAME, spec->directory) >= sizeof(path))
		return ym_fail(err, YM_ERR_USAGE, "path too long: %s", spec->directory);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return ym_fail_sys(err, errno, "open(\"%s\") to lock the key files", path);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK && ym_now_ns() < deadline) {
			ym_nap(YM_LOOK_NS);
			continue;
		}
		if (errno == EWOULDBLOCK)
			ym_fail(err, YM_ERR_TIMEOUT, "another process has held %s for too long (see `fuser %s`)", path,
			        path);
		else
			ym_fail_sys(err, errno, "flock(\"%s\")", path);
		close(fd);
		return -1;
	}
	return fd;
}

/* The key of the group. Only a process that may create makes or replaces the key file, one at a time. */
int ym_generation_key(const struct ym_group_spec *spec, key_t *key, struct ym_err *err)
{
	int fd, result;

	if (spec->capacity == 0)
		return ym_keyfile(spec->directory, YM_REGISTRY_NAME, NULL, NULL, key, err);
	fd = ym_generation_lock_directory(spec, err);
	if (fd < 0)
		return -1;
	result = ym_keyfile(spec->directory, YM_REGISTRY_NAME, key_taken, NULL, key, err);
	close(fd);
	return result;
}

/* ---- make or repair a generation, under LOCK, READY 0 ---------------------------------------- */

/* Salvage, then remove the objects that are entered, and the registry. Nothing is removed if the salvage fails. */
int ym_generation_salvage(struct ym_group *group, struct ym_err *err)
{
	int id = group->reg->head.shmid;

	if (atomic_load(&group->reg->complete) == 1 && group->spec.salvage &&
	    group->spec.salvage(group, group->spec.arg, err) < 0)
		return -1;
	/* Whoever still has it mapped need not do it again. */
	atomic_store(&group->reg->complete, 2);
	ym_registry_remove_all(group->reg);
	if (ym_sys.shmctl(id, IPC_RMID, NULL) < 0 && ym_gone(errno) != EIDRM)
		return ym_fail_sys(err, errno, "shmctl(id %d, IPC_RMID) of a registry", id);
	return 0;
}

/* A process of an older generation, whose set was removed by hand, still works with its objects: let it end first. */
static int await_detached(struct ym_group *group, int id, const struct ym_registry_sh *reg, struct ym_err *err)
{
	uint64_t deadline = ym_deadline(group->spec.patience_ms);
	struct shmid_ds ds = {0};

	/* Only we are attached; the count may lag behind a death for some milliseconds. */
	while (ym_sys.shmctl(id, IPC_STAT, &ds) == 0 && ds.shm_nattch > 1) {
		pid_t pid = 0;

		for (unsigned i = 0; i < reg->capacity && !pid; i++) {
			pid_t member = atomic_load(&reg->members[i].pid);

			if (member && ym_process_started(member) == reg->members[i].started)
				pid = member;
		}
		if (ym_now_ns() > deadline)
			return ym_fail(err, YM_ERR_TIMEOUT,
			               "processes of an older generation (pid %ld?) still work with its objects, whose "
			               "semaphore set was "
			               "removed by hand: end them first",
			               (long)pid);
		ym_nap(YM_LOOK_NS);
	}
	return 0;
}

/* What a killed initialiser or remover left: nothing is lost, everything entered is removed, the registry last. */
static int clear_leftovers(struct ym_group *group, struct ym_err *err)
{
	uint64_t deadline = ym_deadline(group->spec.patience_ms);
	struct ym_group old = *group;
	bool busy;
	void *addr;
	int id, result;

	if (!ym_object_behind(YM_OBJECT_SEGMENT, group->key, &id))
		return 0;
	while (ym_generation_unfinished(id, &busy)) {
		if (!busy) {
			ym_sys.shmctl(id, IPC_RMID, NULL);
			return 0;
		}
		if (ym_now_ns() > deadline)
			return ym_fail(err, YM_ERR_FOREIGN,
			               "an empty segment behind the group's key 0x%x is in use by another program",
			               (unsigned)group->key);
		ym_nap(YM_LOOK_NS);
	}
	if (ym_seg_attach(id, YM_REGISTRY_NAME, YM_REGISTRY_VERSION, -1, false, &addr, NULL, err) < 0)
		return ym_err_prefix(err, "the key 0x%x of the group is also used by a foreign segment",
		                     (unsigned)group->key);
	old.reg = addr;
	/* The leftovers may be those of an older set that somebody removed by hand: follow their own semid. */
	old.semid = old.reg->head.semid;
	old.capacity = old.reg->capacity;
	/* Of this very set: whoever still has it mapped, the guardian perhaps, works with nothing, for READY is 0. */
	result = old.semid == group->semid ? 0 : await_detached(group, id, old.reg, err);
	if (result == 0)
		result = ym_generation_salvage(&old, err);
	ym_seg_detach(addr);
	return result;
}

/* Nobody but us until it has its Unix group. */
static mode_t shared_later(const struct ym_group *group)
{
	return group->spec.share ? group->spec.mode & 0700 : group->spec.mode;
}

/* The set and the registry. Also the set of a maker who was killed before he got here. */
static int share(const struct ym_group *group, struct ym_err *err)
{
	const struct ym_group_spec *spec = &group->spec;

	if (!spec->share)
		return ym_share_end(group->semid, spec->mode, err);
	if (ym_share_object(YM_OBJECT_SEMAPHORE, group->semid, spec->gid, spec->mode, err) < 0)
		return -1;
	return ym_share_object(YM_OBJECT_SEGMENT, group->regid, spec->gid, spec->mode, err);
}

static int make_registry(struct ym_group *group, struct ym_err *err)
{
	size_t size = ym_registry_size(group->capacity);
	uint64_t nonce;
	void *addr;

	if (getrandom(&nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
		return ym_fail_sys(err, errno, "getrandom() for the nonce of a new group");
	if (ym_seg_create(group->key, size, shared_later(group), &group->regid, &addr, err) < 0)
		return -1;
	group->reg = addr;
	if (share(group, err) < 0) {
		ym_sys.shmctl(group->regid, IPC_RMID, NULL);
		return -1;
	}
	group->reg->mode = group->spec.mode & 0777;
	group->reg->shared = group->spec.share;
	group->reg->gid = group->spec.share ? group->spec.gid : 0;
	group->reg->capacity = group->capacity;
	group->reg->keeps = group->spec.salvage != NULL;
	memcpy(group->reg->directory, group->spec.directory, strlen(group->spec.directory) + 1);
	ym_seg_publish(addr, YM_REGISTRY_NAME, YM_REGISTRY_VERSION, group->semid, nonce, size, group->regid);
	return 0;
}

int ym_generation_make(struct ym_group *group, struct ym_err *err)
{
	/* With no script inside, VALUE becomes the mutex that a script expects of its sem_get(). */
	struct sembuf open[] = {{YM_GROUP_READY, 1, 0}, {YM_GROUP_VALUE, 1, 0}};
	bool unused;
	int sys;

	if (clear_leftovers(group, err) < 0 || make_registry(group, err) < 0)
		return -1;
	if (ym_declared_make(group, err) < 0 ||
	    (group->spec.init && group->spec.init(group, group->spec.arg, err) < 0)) {
		ym_registry_remove_all(group->reg);
		ym_sys.shmctl(group->regid, IPC_RMID, NULL);
		return -1;
	}
	atomic_store(&group->reg->complete, 1);
	unused = ym_sem_value(group->semid, YM_GROUP_USAGE) == 1 && ym_sem_value(group->semid, YM_GROUP_VALUE) == 0;
	sys = ym_semop_until(group->semid, open, unused ? 2 : 1, YM_NEVER);
	if (sys)
		return ym_fail_sys(err, sys, "semop(id %d, READY) to open the group", group->semid);
	group->fresh = true;
	return 0;
}

int ym_generation_attach(struct ym_group *group, struct ym_err *err)
{
	void *addr;

	if (!ym_object_behind(YM_OBJECT_SEGMENT, group->key, &group->regid))
		return ym_fail(err, YM_ERR_GONE, "the group's registry (key 0x%x) is gone: somebody removed it by hand",
		               (unsigned)group->key);
	if (ym_seg_attach(group->regid, YM_REGISTRY_NAME, YM_REGISTRY_VERSION, group->semid, false, &addr, NULL, err) <
	    0)
		return -1;
	/* If the set was removed before we were attached, nobody waits for us any more: these objects may go any time. */
	if (ym_sem_value(group->semid, YM_GROUP_READY) < 0) {
		ym_seg_detach(addr);
		return ym_fail(err, YM_ERR_GONE, "the group's semaphore set (id %d) was removed by somebody else",
		               group->semid);
	}
	group->reg = addr;
	return 0;
}

/*
 * Step 8: LOCK is ours, USAGE is 0, READY is 0: nobody can come in. The set goes last. If the salvage fails, the set
 * stays, too, for a later try: the LOCK must be free then.
 */
int ym_generation_remove(struct ym_group *group, struct ym_err *err)
{
	if (ym_generation_salvage(group, err) < 0) {
		ym_group_unlock(group);
		return ym_err_prefix(err, "the IPC objects stay for the next start");
	}
	if (ym_sys.semctl(group->semid, 0, IPC_RMID, (union ym_semun){0}) < 0 && ym_gone(errno) != EIDRM) {
		ym_fail_sys(err, errno, "semctl(id %d, IPC_RMID) of a group without participants", group->semid);
		ym_group_unlock(group);
		return -1;
	}
	return 0;
}
