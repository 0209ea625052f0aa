/* guardian.c - wait in the kernel for USAGE 0. */
#include "guardian.h"

#include <unistd.h>

#include "generation.h"
#include "sys.h"

/* The registry behind the group's key, NULL if there is none: made later, or removed by a remover that was killed. */
static struct ym_registry_sh *registry_of(struct ym_group *group)
{
	void *addr;
	int id;

	if (!ym_object_behind(YM_OBJECT_SEGMENT, group->key, &id) ||
	    ym_seg_attach(id, YM_REGISTRY_NAME, YM_REGISTRY_VERSION, group->semid, false, &addr, NULL, NULL) < 0)
		return NULL;
	group->capacity = ((struct ym_registry_sh *)addr)->capacity;
	return addr;
}

int ym_group_guard(int semid, const struct ym_group_spec *spec, struct ym_err *err)
{
	struct sembuf all_gone[] = {
	    {YM_GROUP_USAGE, 0, 0},
	    {YM_GROUP_LOCK, 0, 0},
	    {YM_GROUP_LOCK, 1, SEM_UNDO},
	};
	struct ym_group group = {.spec = *spec, .semid = semid, .pid = getpid()};
	uid_t cuid;
	int sys, result = 0;

	/* Attached now: should somebody remove the registry by hand, its list of objects is still known. */
	if (!ym_object_identity(YM_OBJECT_SEMAPHORE, semid, &cuid, &group.key))
		return 0;
	group.reg = registry_of(&group);
	sys = ym_semop_until(semid, all_gone, 3, YM_NEVER);
	if (sys && !ym_generation_gone(sys))
		result = ym_fail_sys(err, sys, "semop(id %d) to guard the group", semid);
	if (sys == 0) {
		/* Should the guardian be killed from here on, READY tells newcomers that there is something to repair. */
		ym_sys.semctl(semid, YM_GROUP_READY, SETVAL, (union ym_semun){.val = 0});
		if (!group.reg)
			group.reg = registry_of(&group);
		if (group.reg)
			result = ym_generation_remove(&group, err);
		else
			ym_sys.semctl(semid, 0, IPC_RMID, (union ym_semun){0});
	}
	ym_seg_detach(group.reg);
	return result;
}
