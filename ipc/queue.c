/* queue.c - message queues. */
#include "queue.h"

#include <errno.h>
#include <string.h>

#include "sys.h"

static int gone(struct ym_err *err, int sys)
{
	if (err && (sys == EINVAL || sys == EIDRM))
		err->class = YM_ERR_GONE;
	return -1;
}

int ym_queue_create(key_t key, mode_t mode, int *id, struct ym_err *err)
{
	*id = ym_sys.msgget(key, IPC_CREAT | IPC_EXCL | (int)(mode & 0777));
	if (*id < 0) {
		int sys = errno;

		ym_fail_sys(err, sys, "msgget(key 0x%x, IPC_CREAT|IPC_EXCL, mode %o)", (unsigned)key, (unsigned)mode);
		if (err && sys == EEXIST)
			err->class = YM_ERR_FOREIGN;
		return -1;
	}
	return 0;
}

int ym_queue_send(int id, const void *msg, size_t size, struct ym_err *err)
{
	while (ym_sys.msgsnd(id, msg, size, IPC_NOWAIT) < 0) {
		int sys = errno;
		struct ym_queue_stat stat;

		if (sys == EINTR)
			continue;
		if (sys == EAGAIN)
			return 1;
		if (sys == EINVAL && ym_queue_stat(id, &stat, NULL) == 0)
			return ym_fail(err, YM_ERR_LIMIT,
			               "msgsnd(id %d, %zu bytes): longer than kernel.msgmax allows (see `ipcs -l`; the "
			               "queue takes %llu)",
			               id, size, (unsigned long long)stat.capacity);
		ym_fail_sys(err, sys, "msgsnd(id %d, %zu bytes)", id, size);
		return gone(err, sys);
	}
	return 0;
}

int ym_queue_stat(int id, struct ym_queue_stat *stat, struct ym_err *err)
{
	struct msqid_ds ds;

	memset(stat, 0, sizeof(*stat));
	if (ym_sys.msgctl(id, IPC_STAT, &ds) < 0) {
		int sys = errno;

		ym_fail_sys(err, sys, "msgctl(id %d, IPC_STAT)", id);
		return gone(err, sys);
	}
	stat->messages = ds.msg_qnum;
	stat->bytes = ds.__msg_cbytes;
	stat->capacity = ds.msg_qbytes;
	stat->last_sender = ds.msg_lspid;
	stat->last_receiver = ds.msg_lrpid;
	stat->uid = ds.msg_perm.uid;
	stat->cuid = ds.msg_perm.cuid;
	stat->mode = ds.msg_perm.mode & 0777;
	return 0;
}

int ym_queue_remove(int id, struct ym_err *err)
{
	if (ym_sys.msgctl(id, IPC_RMID, NULL) < 0 && errno != EINVAL && errno != EIDRM)
		return ym_fail_sys(err, errno, "msgctl(id %d, IPC_RMID)", id);
	return 0;
}
