/* queue.c - message queues. */
#include "queue.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "limits.h"
#include "object.h"
#include "plain.h"
#include "serialize.h"
#include "sys.h"

/* The kernel wants the type right before the bytes. Messages of the default limit are put together on the stack. */
#define USUAL_MAX   8192
#define USUAL_SPACE (sizeof(long) + USUAL_MAX)

/* The kernel counts a message's bytes in an int. */
#define LENGTH_MAX INT_MAX

/* So many messages are looked at for an error text. */
#define LOOK_AT_MOST 256

/* Naps between two looks: a wait that is over soon must not cost a millisecond. */
#define FIRST_NAP_NS 20000
#define LAST_NAP_NS  1000000

/* ---- making and finding ---------------------------------------------------------------------- */

int ym_queue_create(key_t key, mode_t mode, int *id, struct ym_err *err)
{
	int sys;

	*id = ym_sys.msgget(key, IPC_CREAT | IPC_EXCL | (int)(mode & 0777));
	if (*id >= 0)
		return 0;
	sys = errno;
	ym_fail_sys(err, sys, "msgget(key 0x%x, IPC_CREAT|IPC_EXCL, mode %o) to make a queue", (unsigned)key,
	            (unsigned)mode);
	if (err && sys == EEXIST)
		err->class = YM_ERR_FOREIGN;
	return ym_limits_explain(err, YM_OBJECT_QUEUE);
}

int ym_queue_open(key_t key, int *id, struct ym_err *err)
{
	if (key == IPC_PRIVATE)
		return ym_fail(err, YM_ERR_USAGE, "key 0 is IPC_PRIVATE: it names no queue that others could find");
	*id = ym_sys.msgget(key, 0);
	if (*id >= 0)
		return 0;
	if (errno == ENOENT)
		return ym_fail(err, YM_ERR_NO, "there is no queue of key 0x%x", (unsigned)key);
	return ym_fail_sys(err, errno, "msgget(key 0x%x, 0) to open a queue", (unsigned)key);
}

int ym_queue_get(key_t key, mode_t mode, int *id, struct ym_err *err)
{
	struct ym_err unheard;

	if (!err)
		err = &unheard;
	for (;;) {
		if (key != IPC_PRIVATE) {
			if (ym_queue_open(key, id, err) == 0)
				return 0;
			if (err->class != YM_ERR_NO)
				return -1;
		}
		if (ym_queue_create(key, mode, id, err) == 0)
			return 0;
		/* Somebody else made it in between. */
		if (err->sys != EEXIST)
			return -1;
	}
}

bool ym_queue_exists(key_t key)
{
	int id;

	return key != IPC_PRIVATE && ym_object_behind(YM_OBJECT_QUEUE, key, &id);
}

/* ---- limits and waiting ---------------------------------------------------------------------- */

static bool kernel_limits(struct msginfo *info)
{
	/* The cast is the one that msgctl(2) asks for. */
	return ym_sys.msgctl(0, IPC_INFO, (struct msqid_ds *)(void *)info) >= 0;
}

size_t ym_queue_message_max(void)
{
	struct msginfo info = {0};

	return kernel_limits(&info) ? (size_t)info.msgmax : USUAL_MAX;
}

/* Sleep a little, longer each time, but not beyond the deadline. False when that has passed. */
static bool nap_until(uint64_t deadline, uint64_t *nap)
{
	uint64_t now = ym_now_ns();

	if (now >= deadline)
		return false;
	ym_nap((long)(*nap < deadline - now ? *nap : deadline - now));
	*nap = *nap * 2 < LAST_NAP_NS ? *nap * 2 : LAST_NAP_NS;
	return true;
}

/* ---- sending --------------------------------------------------------------------------------- */

static int too_long(int id, size_t size, size_t most, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_LIMIT,
	               "msgsnd(id %d, %zu bytes): longer than a message may be: the sysctl kernel.msgmax is %zu. Send "
	               "less, or raise it (sysctl -w kernel.msgmax=%zu)",
	               id, size, most, size);
}

/* A message that does not go in however empty the queue is. */
static int never_fits(int id, size_t size, const struct ym_queue_stat *stat, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_LIMIT,
	               "msgsnd(id %d, %zu bytes): longer than the whole queue, which takes %llu bytes: raise that with "
	               "`yardmaster msg set` (ym_queue_set), beyond the sysctl kernel.msgmnb as root only",
	               id, size, (unsigned long long)stat->capacity);
}

static int send_failed(int id, long type, size_t size, int sys, struct ym_err *err)
{
	size_t most = ym_queue_message_max();
	struct ym_err why = {0};

	if (sys == EINVAL && type <= 0)
		return ym_fail(err, YM_ERR_USAGE, "msgsnd(id %d, type %ld): the type of a message must be 1 or more",
		               id, type);
	/* A queue that was removed is the better reason, if both are true. */
	if (sys == EINVAL && size > most &&
	    (ym_queue_stat(id, &(struct ym_queue_stat){0}, &why) == 0 || why.sys == EACCES))
		return too_long(id, size, most, err);
	return ym_fail_sys(err, ym_gone(sys), "msgsnd(id %d, type %ld, %zu bytes)", id, type, size);
}

static int send_now(int id, const void *msg, size_t size, int flags, struct ym_err *err)
{
	long type;

	while (ym_sys.msgsnd(id, msg, size, flags) < 0) {
		int sys = errno;

		if (sys == EINTR)
			continue;
		if (sys == EAGAIN)
			return 1;
		memcpy(&type, msg, sizeof(type));
		return send_failed(id, type, size, sys, err);
	}
	return 0;
}

/* After "full": 1 if waiting can help. Who may not look at the queue has to hope. */
static int full_for_now(int id, size_t size, struct ym_err *err)
{
	struct ym_queue_stat stat;

	if (ym_queue_stat(id, &stat, NULL) == 0 && (size > stat.capacity || stat.capacity == 0))
		return never_fits(id, size, &stat, err);
	return 1;
}

int ym_queue_send(int id, const void *msg, size_t size, struct ym_err *err)
{
	int result = send_now(id, msg, size, IPC_NOWAIT, err);

	return result == 1 ? full_for_now(id, size, err) : result;
}

static int still_full(int id, size_t size, struct ym_err *err)
{
	struct ym_queue_stat stat;

	if (ym_queue_stat(id, &stat, NULL) < 0)
		return ym_fail(err, YM_ERR_FULL, "msgsnd(id %d, %zu bytes): the queue is full", id, size);
	return ym_fail(
	    err, YM_ERR_FULL,
	    "msgsnd(id %d, %zu bytes): the queue is full: %llu messages of %llu bytes in all, it takes %llu of "
	    "either. Receive from it, wait longer, or raise that with `yardmaster msg set` (ym_queue_set)",
	    id, size, (unsigned long long)stat.messages, (unsigned long long)stat.bytes,
	    (unsigned long long)stat.capacity);
}

static int send_until(int id, const void *msg, size_t size, uint64_t deadline, struct ym_err *err)
{
	int result = ym_queue_send(id, msg, size, err);
	uint64_t nap = FIRST_NAP_NS;

	if (result == 1 && deadline == YM_NEVER)
		return send_now(id, msg, size, 0, err);
	while (result == 1 && nap_until(deadline, &nap))
		result = send_now(id, msg, size, IPC_NOWAIT, err);
	return result == 1 ? still_full(id, size, err) : result;
}

static int send_long(int id, long type, const void *bytes, size_t size, uint64_t deadline, struct ym_err *err)
{
	struct ym_buffer msg;
	int result;

	/* Not worth a copy that nobody will take. */
	if (size > ym_queue_message_max())
		return send_failed(id, type, size, EINVAL, err);
	ym_buffer_init(&msg, NULL, 0);
	result = ym_buffer_add(&msg, &type, sizeof(type), err);
	if (result == 0)
		result = ym_buffer_add(&msg, bytes, size, err);
	if (result == 0)
		result = send_until(id, msg.bytes, size, deadline, err);
	ym_buffer_free(&msg);
	return result;
}

int ym_queue_send_bytes(int id, long type, const void *bytes, size_t size, uint64_t deadline, struct ym_err *err)
{
	struct {
		long type;
		char bytes[USUAL_MAX];
	} msg;

	if (size > sizeof(msg.bytes))
		return send_long(id, type, bytes, size, deadline, err);
	msg.type = type;
	if (size > 0)
		memcpy(msg.bytes, bytes, size);
	return send_until(id, &msg, size, deadline, err);
}

int ym_queue_send_value(int id, long type, const struct ym_value *value, bool raw, uint64_t deadline,
                        struct ym_err *err)
{
	char space[USUAL_SPACE];
	struct ym_buffer msg;
	int result;

	ym_buffer_init(&msg, space, sizeof(space));
	result = ym_buffer_add(&msg, &type, sizeof(type), err);
	if (result == 0)
		result = raw ? ym_plain_add(&msg, value, err) : ym_serialize(value, &msg, err);
	if (result == 0)
		result = send_until(id, msg.bytes, msg.length - sizeof(type), deadline, err);
	ym_buffer_free(&msg);
	return result;
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* The bytes and the type stand in one piece, type first: hand both out. */
static void split(struct ym_buffer *out, size_t size, long *got)
{
	memcpy(got, out->bytes, sizeof(*got));
	memmove(out->bytes, out->bytes + sizeof(*got), size);
	out->length = size;
}

/* What msgrcv() is asked for. `max` 0: however long it is. */
struct want {
	int id;
	int flags;
	long type;
	size_t max;
};

/*
 * Receive with a buffer that grows: the kernel says only that a message is too long, not how long it is, and leaves it
 * in the queue. 0, an errno, or -1 with `err` filled.
 */
static int receive_growing(const struct want *want, struct ym_buffer *out, long *got, struct ym_err *err)
{
	size_t room = want->max && want->max < USUAL_MAX ? want->max : USUAL_MAX;

	out->length = 0;
	for (;;) {
		/* Nothing may be cut off before there is all the room that was asked for. */
		int flags = room == want->max ? want->flags : want->flags & ~MSG_NOERROR;
		ssize_t length;

		if (!ym_buffer_room(out, sizeof(*got) + room, err))
			return -1;
		length = ym_sys.msgrcv(want->id, out->bytes, room, want->type, flags);
		if (length >= 0) {
			split(out, (size_t)length, got);
			return 0;
		}
		if (errno == EINTR)
			continue;
		if (errno != E2BIG || room == want->max || room > LENGTH_MAX / 2)
			return errno;
		room = want->max && want->max < 2 * room ? want->max : 2 * room;
	}
}

static bool wanted(const struct want *want, long type, long best)
{
	if (want->type < 0)
		return type <= (want->type == LONG_MIN ? LONG_MAX : -want->type) && (best == 0 || type < best);
	if (best != 0)
		return false;
	return want->type == 0 || (type == want->type) != ((want->flags & MSG_EXCEPT) != 0);
}

/* How long is the message that did not fit? 0 if it cannot be found out. */
static size_t length_of_wanted(const struct want *want)
{
	struct ym_buffer copy;
	size_t length = 0;
	long type, best = 0;
	int result = 0;

	ym_buffer_init(&copy, NULL, 0);
	for (uint64_t i = 0; i < LOOK_AT_MOST && result == 0; i++) {
		result = ym_queue_peek(want->id, i, &copy, &type, NULL);
		if (result == 0 && wanted(want, type, best)) {
			best = type;
			length = copy.length;
		}
	}
	ym_buffer_free(&copy);
	/* Behind those that were looked at there may be one of a lower type. */
	return result == 1 || want->type >= 0 ? length : 0;
}

static int receive_failed(const struct want *want, int sys, struct ym_err *err)
{
	char length[64] = "";
	size_t known;

	if (sys < 0)
		return -1;
	if (sys != E2BIG)
		return ym_fail_sys(err, ym_gone(sys), "msgrcv(id %d, type %ld)", want->id, want->type);
	known = length_of_wanted(want);
	if (known)
		snprintf(length, sizeof(length), " (it has %zu bytes)", known);
	return ym_fail(
	    err, YM_ERR_LIMIT,
	    "msgrcv(id %d, type %ld, at most %zu bytes): the message is longer%s and stays in the queue: give it "
	    "more room, or take what fits (YM_QUEUE_TRUNCATE, PHP: MSG_NOERROR)",
	    want->id, want->type, want->max, length);
}

static int system_flags(unsigned flags)
{
	return (flags & YM_QUEUE_TRUNCATE ? MSG_NOERROR : 0) | (flags & YM_QUEUE_EXCEPT ? MSG_EXCEPT : 0);
}

int ym_queue_receive(int id, long type, size_t max, unsigned flags, uint64_t deadline, struct ym_buffer *out, long *got,
                     struct ym_err *err)
{
	struct want want = {id, system_flags(flags), type, max < LENGTH_MAX ? max : LENGTH_MAX};
	uint64_t nap = FIRST_NAP_NS;
	int sys;

	if (flags & YM_QUEUE_NOWAIT)
		deadline = 0;
	if (deadline != YM_NEVER)
		want.flags |= IPC_NOWAIT;
	do
		sys = receive_growing(&want, out, got, err);
	while (sys == ENOMSG && nap_until(deadline, &nap));
	if (sys == ENOMSG)
		return 1;
	return sys ? receive_failed(&want, sys, err) : 0;
}

int ym_queue_receive_value(int id, long type, size_t max, unsigned flags, uint64_t deadline, struct ym_value *value,
                           long *got, struct ym_err *err)
{
	char space[USUAL_SPACE];
	struct ym_buffer body;
	int result;

	*value = (struct ym_value){0};
	ym_buffer_init(&body, space, sizeof(space));
	result = ym_queue_receive(id, type, max, flags, deadline, &body, got, err);
	if (result == 0 && ym_unserialize(body.bytes, body.length, value, NULL, err) < 0) {
		result = ym_err_prefix(err, "message of type %ld (%zu bytes) of queue id %d", *got, body.length, id);
		/* It is in no queue any more: without these bytes it would be lost. */
		ym_value_string(value, body.bytes, body.length, NULL);
	}
	ym_buffer_free(&body);
	return result;
}

int ym_queue_peek(int id, uint64_t index, struct ym_buffer *out, long *got, struct ym_err *err)
{
	/* Beyond LONG_MAX that becomes negative, which no message is. */
	struct want want = {id, MSG_COPY | IPC_NOWAIT, (long)index, 0};
	int sys = receive_growing(&want, out, got, err);

	if (sys <= 0)
		return sys;
	if (sys == ENOMSG)
		return 1;
	if (sys == ENOSYS)
		return ym_fail_sys(err, sys,
		                   "msgrcv(id %d, MSG_COPY) to look at message %llu: this kernel was built without "
		                   "CONFIG_CHECKPOINT_RESTORE, so messages can only be received",
		                   id, (unsigned long long)index);
	if (sys == EINVAL && ym_queue_stat(id, &(struct ym_queue_stat){0}, NULL) == 0)
		return ym_fail(
		    err, YM_ERR_LIMIT,
		    "msgrcv(id %d, MSG_COPY): message %llu is longer than the sysctl kernel.msgmax (%zu), which was "
		    "larger when it was sent: it can only be received",
		    id, (unsigned long long)index, ym_queue_message_max());
	return ym_fail_sys(err, ym_gone(sys), "msgrcv(id %d, MSG_COPY) to look at message %llu", id,
	                   (unsigned long long)index);
}

/* ---- state ----------------------------------------------------------------------------------- */

static int read_state(int id, struct msqid_ds *ds, struct ym_err *err)
{
	if (ym_sys.msgctl(id, IPC_STAT, ds) < 0)
		return ym_fail_sys(err, ym_gone(errno), "msgctl(id %d, IPC_STAT)", id);
	return 0;
}

int ym_queue_stat(int id, struct ym_queue_stat *stat, struct ym_err *err)
{
	struct msqid_ds ds = {0};

	memset(stat, 0, sizeof(*stat));
	if (read_state(id, &ds, err) < 0)
		return -1;
	stat->messages = ds.msg_qnum;
	stat->bytes = ds.__msg_cbytes;
	stat->capacity = ds.msg_qbytes;
	stat->last_sender = ds.msg_lspid;
	stat->last_receiver = ds.msg_lrpid;
	stat->sent = ds.msg_stime;
	stat->received = ds.msg_rtime;
	stat->changed = ds.msg_ctime;
	stat->uid = ds.msg_perm.uid;
	stat->cuid = ds.msg_perm.cuid;
	stat->gid = ds.msg_perm.gid;
	stat->mode = ds.msg_perm.mode & 0777;
	return 0;
}

static int check_change(const struct ym_queue_change *change, struct ym_err *err)
{
	const struct {
		const char *what;
		int64_t value, most;
	} fields[] = {
	    {"capacity", change->capacity, INT_MAX},
	    {"uid", change->uid, UINT32_MAX - INT64_C(1)},
	    {"gid", change->gid, UINT32_MAX - INT64_C(1)},
	    {"mode", change->mode, 0777},
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].value < -1 || fields[i].value > fields[i].most)
			return ym_fail(err, YM_ERR_USAGE, "a queue's %s is 0 to %lld, not %lld", fields[i].what,
			               (long long)fields[i].most, (long long)fields[i].value);
	return 0;
}

static int set_failed(int id, const struct ym_queue_change *change, int sys, struct ym_err *err)
{
	struct msginfo info = {0};

	if (sys == EPERM && kernel_limits(&info) && change->capacity > info.msgmnb) {
		ym_fail_sys(err, sys,
		            "msgctl(id %d, IPC_SET, msg_qbytes %lld): more than the sysctl kernel.msgmnb (%d) needs "
		            "CAP_SYS_RESOURCE, which root in a container often has not; a larger msgmnb "
		            "counts for new queues",
		            id, (long long)change->capacity, info.msgmnb);
		return -1;
	}
	return ym_fail_sys(err, ym_gone(sys), "msgctl(id %d, IPC_SET) to change a queue", id);
}

int ym_queue_set(int id, const struct ym_queue_change *change, struct ym_err *err)
{
	struct msqid_ds ds = {0};

	if (check_change(change, err) < 0 || read_state(id, &ds, err) < 0)
		return -1;
	if (change->capacity >= 0)
		ds.msg_qbytes = (msglen_t)change->capacity;
	if (change->uid >= 0)
		ds.msg_perm.uid = (uid_t)change->uid;
	if (change->gid >= 0)
		ds.msg_perm.gid = (gid_t)change->gid;
	if (change->mode >= 0)
		ds.msg_perm.mode = (mode_t)change->mode;
	if (ym_sys.msgctl(id, IPC_SET, &ds) < 0)
		return set_failed(id, change, errno, err);
	return 0;
}

int ym_queue_remove(int id, struct ym_err *err)
{
	if (ym_sys.msgctl(id, IPC_RMID, NULL) < 0 && ym_gone(errno) != EIDRM)
		return ym_fail_sys(err, errno, "msgctl(id %d, IPC_RMID) to remove a queue", id);
	return 0;
}
