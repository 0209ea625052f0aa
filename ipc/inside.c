/* inside.c - what participants do with the group they are in, and what an onlooker sees of it. */
#include <errno.h>
#include <stdlib.h>

#include "generation.h"
#include "key.h"
#include "share.h"
#include "sys.h"

int ym_group_lock(struct ym_group *group, struct ym_err *err)
{
	struct sembuf ops[] = {{YM_GROUP_LOCK, 0, 0}, {YM_GROUP_LOCK, 1, SEM_UNDO}};
	int sys = ym_semop_until(group->semid, ops, 2, ym_deadline(group->spec.patience_ms));

	if (sys == EAGAIN)
		return ym_fail(err, YM_ERR_TIMEOUT, "process %d has held the lock of the group for too long",
		               ym_sem_pid(group->semid, YM_GROUP_LOCK));
	return sys ? ym_fail_sys(err, sys, "semop(id %d) to lock the group", group->semid) : 0;
}

void ym_group_unlock(struct ym_group *group)
{
	struct sembuf op = {YM_GROUP_LOCK, -1, SEM_UNDO | IPC_NOWAIT};

	ym_semop_until(group->semid, &op, 1, YM_NEVER);
}

int ym_group_lead(struct ym_group *group, pid_t *pid, struct ym_err *err)
{
	struct sembuf ops[] = {{YM_GROUP_LEADER, 0, IPC_NOWAIT}, {YM_GROUP_LEADER, 1, SEM_UNDO}};
	int sys;

	if (group->guest)
		return ym_fail(err, YM_ERR_PERMISSION, "the group of %s is another user's: only its owner leads it",
		               group->spec.directory);
	sys = ym_semop_until(group->semid, ops, 2, YM_NEVER);
	if (sys == EAGAIN) {
		*pid = ym_sem_pid(group->semid, YM_GROUP_LEADER);
		return 1;
	}
	group->leads = sys == 0;
	return sys ? ym_fail_sys(err, sys, "semop(id %d) to become the master", group->semid) : 0;
}

int ym_group_attach(struct ym_group *group, const char *name, uint32_t version, void **addr, size_t *size,
                    struct ym_err *err)
{
	struct ym_entry_sh *entry;

	if (ym_group_registry(group, err) < 0)
		return -1;
	entry = ym_registry_find(group->reg, name);
	if (!entry)
		return ym_fail(err, YM_ERR_GONE, "the group has no object \"%s\"", name);
	return ym_seg_attach(entry->id, name, version, group->reg->head.semid, false, addr, size, err);
}

int ym_group_dead(struct ym_group *group, bool *dead, struct ym_err *err)
{
	unsigned short *values = calloc((size_t)YM_GROUP_NSEMS(group->capacity), sizeof(*values));
	int n = 0;

	if (!values)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	if (ym_sys.semctl(group->semid, 0, GETALL, (union ym_semun){.array = values}) < 0) {
		int sys = errno;

		free(values);
		return ym_fail_sys(err, ym_gone(sys), "semctl(id %d, GETALL) of the group", group->semid);
	}
	for (unsigned i = 0; i < group->capacity; i++) {
		dead[i] = values[YM_GROUP_ALIVE(i)] == 0 && values[YM_GROUP_DIRTY(i)] > 0;
		n += dead[i];
	}
	free(values);
	return n;
}

void ym_group_bury(struct ym_group *group, unsigned slot)
{
	struct sembuf ops[] = {{YM_GROUP_ALIVE(slot), 0, IPC_NOWAIT}, {YM_GROUP_DIRTY(slot), -1, IPC_NOWAIT}};

	ym_semop_until(group->semid, ops, 2, YM_NEVER);
}

bool ym_group_alive(const struct ym_group *group, unsigned slot)
{
	return slot < group->capacity && ym_sem_value(group->semid, YM_GROUP_ALIVE(slot)) > 0;
}

int ym_group_usage(const struct ym_group *group)
{
	return ym_sem_value(group->semid, YM_GROUP_USAGE);
}

int ym_group_look(const char *directory, struct ym_group_look *look, struct ym_err *err)
{
	enum set_kind kind;

	*look = (struct ym_group_look){.semid = -1};
	if (ym_keyfile(directory, YM_REGISTRY_NAME, NULL, NULL, &look->key, err) < 0)
		return -1;
	kind = ym_generation_find(look->key, directory, &look->semid, &look->capacity);
	if (kind == SET_FOREIGN)
		return ym_share_refuse(look->key, directory, err);
	if (kind != SET_OURS && kind != SET_SHARED)
		return ym_fail(err, YM_ERR_NOT_RUNNING, "not running: no process has joined %s", directory);
	look->usage = ym_sem_value(look->semid, YM_GROUP_USAGE);
	look->ready = ym_sem_value(look->semid, YM_GROUP_READY);
	look->leader = ym_sem_value(look->semid, YM_GROUP_LEADER) > 0 ? ym_sem_pid(look->semid, YM_GROUP_LEADER) : 0;
	look->lock = ym_sem_value(look->semid, YM_GROUP_LOCK) > 0 ? ym_sem_pid(look->semid, YM_GROUP_LOCK) : 0;
	return 0;
}
