/* resume.c - the same participant after an execve(). */
#include <string.h>
#include <unistd.h>

#include "generation.h"
#include "key.h"
#include "procfs.h"
#include "sys.h"

/* A semaphore that only its owner raises, with undo: up and last changed by this pid, it is ours. */
static int check_member(const struct ym_group *group, unsigned short member, const char *name, struct ym_err *err)
{
	int value = ym_sem_value(group->semid, member), pid = ym_sem_pid(group->semid, member);

	if (value < 0)
		return ym_fail(err, YM_ERR_GONE, "the semaphore set (id %d) of %s was removed by somebody else",
		               group->semid, group->spec.directory);
	if (value == 0 || pid != group->pid)
		return ym_fail(
		    err, YM_ERR_FOREIGN,
		    "this process (pid %ld) has no part in the group of %s that it could take up again: %s is %d, "
		    "last changed by pid %d",
		    (long)group->pid, group->spec.directory, name, value, pid);
	return 0;
}

static int check_set(struct ym_group *group, int semid, struct ym_err *err)
{
	enum set_kind kind;

	if (ym_keyfile(group->spec.directory, YM_REGISTRY_NAME, NULL, NULL, &group->key, err) < 0)
		return -1;
	kind = ym_generation_find(group->key, NULL, &group->semid, &group->capacity);
	if (kind == SET_FOREIGN)
		return ym_fail(err, YM_ERR_FOREIGN, "the semaphore set behind the key of %s is not ours",
		               group->spec.directory);
	if (kind != SET_OURS || group->semid != semid)
		return ym_fail(err, YM_ERR_GONE, "the semaphore set (id %d) of %s was removed by somebody else", semid,
		               group->spec.directory);
	if (group->slot >= group->capacity)
		return ym_fail(err, YM_ERR_FOREIGN, "the group of %s has %u participant slots, but ours was number %u",
		               group->spec.directory, group->capacity, group->slot);
	if (ym_sem_value(semid, YM_GROUP_READY) != 1 || ym_sem_value(semid, YM_GROUP_USAGE) < 1)
		return ym_fail(err, YM_ERR_FOREIGN, "the group of %s is not in use: USAGE or READY is 0",
		               group->spec.directory);
	return 0;
}

/* The registry tells a pid that is used again from ours. */
static int check_row(const struct ym_group *group, struct ym_err *err)
{
	const struct ym_member_sh *member = &group->reg->members[group->slot];

	if (atomic_load(&member->pid) == group->pid && member->started == ym_process_started(group->pid))
		return 0;
	return ym_fail(err, YM_ERR_FOREIGN, "slot %u of the group of %s is entered for another process (pid %ld)",
	               group->slot, group->spec.directory, (long)atomic_load(&member->pid));
}

int ym_group_resume(struct ym_group *group, const struct ym_group_spec *spec, int semid, unsigned slot,
                    struct ym_err *err)
{
	*group = (struct ym_group){.spec = *spec, .semid = -1, .slot = slot, .pid = getpid()};
	if (!group->spec.role)
		group->spec.role = "";
	if (check_set(group, semid, err) == 0 && check_member(group, YM_GROUP_ALIVE(slot), "ALIVE", err) == 0 &&
	    check_member(group, YM_GROUP_LEADER, "LEADER", err) == 0 && ym_generation_attach(group, err) == 0) {
		if (check_row(group, err) == 0) {
			group->leads = true;
			return 0;
		}
		ym_seg_detach(group->reg);
		group->reg = NULL;
	}
	group->semid = -1;
	return -1;
}

int ym_group_remains(struct ym_group *group, const struct ym_group_spec *spec, int semid, int regid, unsigned slot,
                     struct ym_err *err)
{
	void *addr;

	*group = (struct ym_group){.spec = *spec, .semid = -1, .regid = regid, .slot = slot, .pid = getpid()};
	if (!group->spec.role)
		group->spec.role = "";
	if (ym_keyfile(spec->directory, YM_REGISTRY_NAME, NULL, NULL, &group->key, err) < 0 ||
	    ym_seg_attach(regid, YM_REGISTRY_NAME, YM_REGISTRY_VERSION, semid, false, &addr, NULL, err) < 0)
		return -1;
	group->reg = addr;
	group->capacity = group->reg->capacity;
	if (slot < group->capacity && check_row(group, err) == 0) {
		group->semid = semid;
		group->leads = true;
		return 0;
	}
	ym_seg_detach(group->reg);
	group->reg = NULL;
	return slot < group->capacity
	           ? -1
	           : ym_fail(err, YM_ERR_FOREIGN, "the group of %s has no participant slot %u", spec->directory, slot);
}
