/* limits.c - asking the kernel for its limits on System V objects. */
#include "limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sys.h"

static const struct ym_limit names[YM_LIMITS] = {
#define X(name, object, text, where) [YM_LIMIT_##name] = {.kind = YM_OBJECT_##object, .what = text, .sysctl = where},
    YM_LIMIT_MAP(X)
#undef X
};

static void fill(struct ym_limit *limit, uint64_t used, uint64_t most)
{
	limit->used = used;
	limit->most = most;
}

int ym_limits_read(struct ym_limit limits[YM_LIMITS], struct ym_err *err)
{
	struct seminfo sem = {0};
	struct shminfo shm = {0};
	struct shm_info shm_use = {0};
	struct msginfo msg = {0};

	memcpy(limits, names, sizeof(names));
	/* The casts are the ones that shmctl(2) and msgctl(2) ask for. */
	if (ym_sys.semctl(0, 0, SEM_INFO, (union ym_semun){.info = &sem}) < 0 ||
	    ym_sys.shmctl(0, IPC_INFO, (struct shmid_ds *)(void *)&shm) < 0 ||
	    ym_sys.shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&shm_use) < 0 ||
	    ym_sys.msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&msg) < 0)
		return ym_fail_sys(err, errno,
		                   "semctl(SEM_INFO), shmctl(IPC_INFO), shmctl(SHM_INFO) or "
		                   "msgctl(MSG_INFO) for the limits of the kernel");
	fill(&limits[YM_LIMIT_SETS], (uint64_t)sem.semusz, (uint64_t)sem.semmni);
	fill(&limits[YM_LIMIT_SEMAPHORES], (uint64_t)sem.semaem, (uint64_t)sem.semmns);
	fill(&limits[YM_LIMIT_SEGMENTS], (uint64_t)shm_use.used_ids, shm.shmmni);
	fill(&limits[YM_LIMIT_PAGES], shm_use.shm_tot, shm.shmall);
	fill(&limits[YM_LIMIT_QUEUES], (uint64_t)msg.msgpool, (uint64_t)msg.msgmni);
	return 0;
}

int ym_limits_explain(struct ym_err *err, enum ym_object_kind kind)
{
	struct ym_limit limits[YM_LIMITS];
	const char *sign = "; now ";

	if (kind == YM_OBJECT_VARIABLES)
		kind = YM_OBJECT_SEGMENT;
	if (!err || err->sys != ENOSPC || ym_limits_read(limits, NULL) < 0)
		return -1;
	for (int i = 0; i < YM_LIMITS; i++) {
		size_t used = strlen(err->text);

		if (limits[i].kind != kind)
			continue;
		snprintf(err->text + used, sizeof(err->text) - used, "%s%llu of %llu %s (%s)", sign,
		         (unsigned long long)limits[i].used, (unsigned long long)limits[i].most, limits[i].what,
		         limits[i].sysctl);
		sign = ", ";
	}
	return -1;
}
