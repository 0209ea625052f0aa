/* share.c - who may be a guest in the group of another user. */
#include "share.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "procfs.h"
#include "registry.h"
#include "sys.h"

/* Read and write for the Unix group; nothing that others could write. */
#define SHARED_BITS 0062
#define SHARED_MODE 0060

static bool we_are_in(gid_t gid)
{
	int n = getgroups(0, NULL);
	gid_t *groups = n > 0 ? calloc((size_t)n, sizeof(*groups)) : NULL;
	bool in = gid == getegid();

	n = groups ? getgroups(n, groups) : 0;
	for (int i = 0; i < n && !in; i++)
		in = groups[i] == gid;
	free(groups);
	return in;
}

/* Who could exchange the key files could lead us to objects of his choice. */
static bool is_safe(const struct stat *st)
{
	return S_ISDIR(st->st_mode) && (st->st_mode & 022) == 0;
}

bool ym_share_with_us(const struct ipc_perm *perm, const char *directory)
{
	struct stat st;

	return stat(directory, &st) == 0 && is_safe(&st) && perm->cuid == st.st_uid && perm->uid == st.st_uid &&
	       (perm->mode & SHARED_BITS) == SHARED_MODE && we_are_in(perm->gid);
}

static void give(struct ipc_perm *perm, gid_t gid, mode_t mode)
{
	perm->gid = gid;
	perm->mode = (unsigned short)(mode & 0777);
}

int ym_share_object(enum ym_object_kind kind, int id, gid_t gid, mode_t mode, struct ym_err *err)
{
	struct shmid_ds shm = {0};
	struct msqid_ds msg = {0};
	struct semid_ds sem = {0};
	int result = -1;

	switch (kind) {
	case YM_OBJECT_SEGMENT:
	case YM_OBJECT_VARIABLES:
		if (ym_sys.shmctl(id, IPC_STAT, &shm) < 0)
			break;
		give(&shm.shm_perm, gid, mode);
		result = ym_sys.shmctl(id, IPC_SET, &shm);
		break;
	case YM_OBJECT_QUEUE:
		if (ym_sys.msgctl(id, IPC_STAT, &msg) < 0)
			break;
		give(&msg.msg_perm, gid, mode);
		result = ym_sys.msgctl(id, IPC_SET, &msg);
		break;
	case YM_OBJECT_SEMAPHORE:
		if (ym_sys.semctl(id, 0, IPC_STAT, (union ym_semun){.buf = &sem}) < 0)
			break;
		give(&sem.sem_perm, gid, mode);
		result = ym_sys.semctl(id, 0, IPC_SET, (union ym_semun){.buf = &sem});
		break;
	}
	if (result == 0)
		return 0;
	return ym_fail_sys(err, ym_gone(errno), "giving the %s (id %d) to group %u, mode %03o (IPC_SET)",
	                   ym_object_word(kind), id, (unsigned)gid, (unsigned)mode & 0777u);
}

int ym_share_end(int semid, mode_t mode, struct ym_err *err)
{
	struct semid_ds sem = {0};

	if (ym_sys.semctl(semid, 0, IPC_STAT, (union ym_semun){.buf = &sem}) < 0)
		return ym_fail_sys(err, ym_gone(errno), "semctl(id %d, IPC_STAT) of our own set", semid);
	if ((sem.sem_perm.mode & 0777) == (mode & 0777))
		return 0;
	return ym_share_object(YM_OBJECT_SEMAPHORE, semid, sem.sem_perm.cgid, mode, err);
}

/* Everybody may read it in /proc. */
static bool find_row(key_t key, struct ym_sysv_row *row)
{
	struct ym_sysv_row *rows;
	size_t count;
	bool found = false;

	if (ym_sysv_read(YM_OBJECT_SEMAPHORE, &rows, &count, NULL) < 0)
		return false;
	for (size_t i = 0; i < count && !found; i++) {
		found = (key_t)rows[i].key == key;
		*row = rows[i];
	}
	free(rows);
	return found;
}

int ym_share_refuse(key_t key, const char *directory, struct ym_err *err)
{
	struct ym_sysv_row row;
	struct stat st;

	if (!find_row(key, &row) || stat(directory, &st) < 0 || (uid_t)row.cuid != st.st_uid ||
	    (row.perms & SHARED_BITS) != SHARED_MODE)
		return ym_fail(err, YM_ERR_FOREIGN,
		               "the semaphore set behind key 0x%x (%s/" YM_REGISTRY_NAME
		               ") was made by another user or program",
		               (unsigned)key, directory);
	if (!is_safe(&st))
		return ym_fail(
		    err, YM_ERR_PERMISSION,
		    "the group of %s is shared, but others than its owner may write to that directory (%03o), so "
		    "its key files cannot be trusted",
		    directory, (unsigned)st.st_mode & 0777u);
	return ym_fail(
	    err, YM_ERR_PERMISSION,
	    "%s belongs to uid %u, who shares it with group %u, and we (uid %u) are not in that group: see `id`; "
	    "a new membership counts from the next login on",
	    directory, (unsigned)row.cuid, (unsigned)row.gid, (unsigned)geteuid());
}
