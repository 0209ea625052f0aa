/* collect.c - take the guardian's step for groups that have none. */
#include "collect.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "generation.h"
#include "sys.h"

static const char *const words[] = {
#define X(name, word) [YM_COLLECT_##name] = word,
    YM_COLLECT_MAP(X)
#undef X
};

const char *ym_collect_word(enum ym_collect_verdict verdict)
{
	return words[verdict];
}

/* Nobody inside, and nobody at work. Taken with the LOCK, or only asked: then nothing changes. */
static int claim(int semid, bool dry)
{
	struct sembuf ops[] = {
	    {YM_GROUP_USAGE, 0, IPC_NOWAIT},
	    {YM_GROUP_LOCK, 0, IPC_NOWAIT},
	    {YM_GROUP_LOCK, 1, SEM_UNDO},
	};

	return ym_semop_until(semid, ops, dry ? 2 : 3, YM_NEVER);
}

static unsigned long attached(int regid)
{
	struct shmid_ds ds = {0};

	/* One that cannot be asked any more is not free either. */
	return ym_sys.shmctl(regid, IPC_STAT, &ds) < 0 || (ds.shm_perm.mode & SHM_DEST) ? ULONG_MAX : ds.shm_nattch;
}

/* What is in it would be lost? Otherwise the group has the salvage that fits. */
static bool must_stay(struct ym_group *group, const struct ym_collect_spec *spec)
{
	bool known = spec->knows && spec->knows(group);

	group->spec.salvage = known ? spec->salvage : NULL;
	return atomic_load(&group->reg->complete) == 1 && group->reg->keeps && !known;
}

/* LOCK held, USAGE 0: remove the group with what lies behind its key. */
static int remove_group(struct ym_group *group, const struct ym_collect_spec *spec, enum ym_collect_verdict *verdict,
                        struct ym_err *err)
{
	bool behind = ym_object_behind(YM_OBJECT_SEGMENT, group->key, &group->regid), busy;
	void *addr = NULL;

	if (behind && ym_generation_unfinished(group->regid, &busy) && !busy) {
		if (!spec->dry)
			ym_sys.shmctl(group->regid, IPC_RMID, NULL);
		behind = false;
	}
	if (behind &&
	    ym_seg_attach(group->regid, YM_REGISTRY_NAME, YM_REGISTRY_VERSION, -1, spec->dry, &addr, NULL, err) < 0)
		return ym_err_prefix(err, "the segment behind the group's key 0x%x", (unsigned)group->key);
	if (behind) {
		group->reg = addr;
		group->capacity = group->reg->capacity;
		/* Of an older generation, whose set was removed by hand: only if nobody works in it any more. */
		if (group->reg->head.semid != group->semid && attached(group->regid) != 1)
			*verdict = YM_COLLECT_BUSY;
		else if (must_stay(group, spec))
			*verdict = YM_COLLECT_KEPT;
	}
	if (*verdict != YM_COLLECT_REMOVED || spec->dry)
		return 0;
	/* Should we be killed from here on, READY tells newcomers that there is something to repair. */
	ym_sys.semctl(group->semid, YM_GROUP_READY, SETVAL, (union ym_semun){.val = 0});
	if (behind && ym_generation_salvage(group, err) < 0)
		return -1;
	if (ym_sys.semctl(group->semid, 0, IPC_RMID, (union ym_semun){0}) < 0 && ym_gone(errno) != EIDRM)
		return ym_fail_sys(err, errno, "semctl(id %d, IPC_RMID) of a group without participants", group->semid);
	return 0;
}

static struct ym_group make_group(key_t key, const struct ym_collect_spec *spec)
{
	return (struct ym_group){
	    .spec = {.notice = spec->notice, .arg = spec->arg, .patience_ms = spec->patience_ms},
	    .key = key,
	    .semid = -1,
	    .regid = -1,
	    .pid = getpid(),
	};
}

int ym_collect_group(int semid, key_t key, const struct ym_collect_spec *spec, enum ym_collect_verdict *verdict,
                     struct ym_err *err)
{
	struct ym_group group = make_group(key, spec);
	enum set_kind kind = ym_generation_find(key, NULL, &group.semid, &group.capacity);
	int sys, result;

	*verdict = YM_COLLECT_REMOVED;
	if (kind != SET_OURS || group.semid != semid) {
		*verdict = kind == SET_FOREIGN || (kind == SET_PHP && group.semid == semid) ? YM_COLLECT_FOREIGN
		                                                                            : YM_COLLECT_GONE;
		return 0;
	}
	sys = claim(semid, spec->dry);
	if (ym_gone(sys) == EIDRM || sys == EAGAIN) {
		*verdict = sys == EAGAIN ? YM_COLLECT_BUSY : YM_COLLECT_GONE;
		return 0;
	}
	if (sys)
		return ym_fail_sys(err, sys, "semop(id %d) to collect a group without participants", semid);
	result = remove_group(&group, spec, verdict, err);
	if (!spec->dry && (result < 0 || *verdict != YM_COLLECT_REMOVED))
		ym_group_unlock(&group);
	ym_seg_detach(group.reg);
	return result;
}

static int remove_registry(struct ym_group *group, const struct ym_collect_spec *spec, enum ym_collect_verdict *verdict,
                           struct ym_err *err)
{
	uid_t cuid;
	key_t key;

	if (attached(group->regid) != 1 ||
	    (ym_object_identity(YM_OBJECT_SEMAPHORE, group->reg->head.semid, &cuid, &key) && key == group->key))
		*verdict = YM_COLLECT_BUSY;
	else if (must_stay(group, spec))
		*verdict = YM_COLLECT_KEPT;
	return *verdict != YM_COLLECT_REMOVED || spec->dry ? 0 : ym_generation_salvage(group, err);
}

int ym_collect_registry(int regid, key_t key, const struct ym_collect_spec *spec, enum ym_collect_verdict *verdict,
                        struct ym_err *err)
{
	struct ym_group group = make_group(key, spec);
	struct ym_err why;
	void *addr;
	int fd = -1, result;

	*verdict = YM_COLLECT_REMOVED;
	if (ym_seg_attach(regid, YM_REGISTRY_NAME, YM_REGISTRY_VERSION, -1, spec->dry, &addr, NULL, &why) < 0) {
		if (why.class == YM_ERR_GONE)
			*verdict = YM_COLLECT_GONE;
		else if (why.class == YM_ERR_FOREIGN || why.class == YM_ERR_PERMISSION)
			*verdict = YM_COLLECT_FOREIGN;
		else
			return ym_fail(err, why.class, "%s", why.text);
		return 0;
	}
	group.regid = regid;
	group.reg = addr;
	group.capacity = group.reg->capacity;
	group.spec.directory = group.reg->directory;
	/* Without the directory nobody can find the group any more, so nobody has to be kept out. */
	if (!spec->dry) {
		fd = ym_generation_lock_directory(&group.spec, &why);
		if (fd < 0 && why.sys != ENOENT) {
			ym_seg_detach(addr);
			return ym_fail(err, why.class, "%s", why.text);
		}
	}
	result = remove_registry(&group, spec, verdict, err);
	if (fd >= 0)
		close(fd);
	ym_seg_detach(addr);
	return result;
}
