/* object.c - questions to the kernel about one object. */
#include "object.h"

#include <errno.h>

#include "sys.h"

static const char *const words[] = {
#define X(name, word) [YM_OBJECT_##name] = word,
    YM_OBJECT_MAP(X)
#undef X
};

const char *ym_object_word(enum ym_object_kind kind)
{
	return words[kind];
}

bool ym_object_behind(enum ym_object_kind kind, key_t key, int *id)
{
	*id = -1;
	/* Asking for it would make one. */
	if (key == IPC_PRIVATE)
		return true;
	switch (kind) {
	case YM_OBJECT_SEGMENT:
	case YM_OBJECT_VARIABLES:
		*id = ym_sys.shmget(key, 0, 0);
		break;
	case YM_OBJECT_QUEUE:
		*id = ym_sys.msgget(key, 0);
		break;
	case YM_OBJECT_SEMAPHORE:
		*id = ym_sys.semget(key, 0, 0);
		break;
	}
	/* Anything but "there is none" means that the key cannot be had. */
	return *id >= 0 || errno != ENOENT;
}

bool ym_object_identity(enum ym_object_kind kind, int id, uid_t *cuid, key_t *key)
{
	struct shmid_ds shm = {0};
	struct msqid_ds msg = {0};
	struct semid_ds sem = {0};
	struct ipc_perm *perm = NULL;

	switch (kind) {
	case YM_OBJECT_SEGMENT:
	case YM_OBJECT_VARIABLES:
		perm = ym_sys.shmctl(id, IPC_STAT, &shm) == 0 ? &shm.shm_perm : NULL;
		break;
	case YM_OBJECT_QUEUE:
		perm = ym_sys.msgctl(id, IPC_STAT, &msg) == 0 ? &msg.msg_perm : NULL;
		break;
	case YM_OBJECT_SEMAPHORE:
		perm = ym_sys.semctl(id, 0, IPC_STAT, (union ym_semun){.buf = &sem}) == 0 ? &sem.sem_perm : NULL;
		break;
	}
	if (!perm)
		return false;
	*cuid = perm->cuid;
	*key = perm->__key;
	return true;
}
