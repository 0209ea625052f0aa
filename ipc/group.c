/* group.c - join, leave, last one removes; see group.h and docs/protocol.md for the protocol. */
#include "group.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "key.h"
#include "sem.h"
#include "sys.h"

#define REGISTRY_NAME "members"

/* One round of a leave that finds the LOCK held sleeps this long before it looks whether it is still the last. */
#define LEAVE_ROUND_MS 20

/* How often to look at what cannot be waited for: a file lock with a deadline, processes of an older generation. */
#define LOOK_NS 10000000

/* How long the last one waits for a guardian to let go of the registry, and how often it looks. */
#define GONE_PATIENCE_MS 200
#define GONE_LOOK_NS     200000

static bool generation_gone(int sys)
{
	return sys == EIDRM || sys == EINVAL;
}

uint64_t ym_process_started(pid_t pid)
{
	char path[64], text[1024], *at;
	unsigned long long started = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* The second field is the name in brackets and may hold anything: count from the last bracket. */
	at = strrchr(text, ')');
	/* A zombie has ended; it only waits for its parent to hear of it. */
	if (at && (strncmp(at, ") Z", 3) == 0 || strncmp(at, ") X", 3) == 0))
		return 0;
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at)
		started = strtoull(at, NULL, 10);
	return started;
}

static int getval(int semid, unsigned member)
{
	return ym_sys.semctl(semid, (int)member, GETVAL, (union ym_semun){0});
}

static int getpid_of(int semid, unsigned member)
{
	return ym_sys.semctl(semid, (int)member, GETPID, (union ym_semun){0});
}

/* Between two looks at something that cannot be waited for. */
static void nap(long ns)
{
	const struct timespec time = {.tv_nsec = ns};

	nanosleep(&time, NULL);
}

/* ---- whose is the set behind our key? ------------------------------------------------------------------------- */

enum set_kind { SET_NONE, SET_OURS, SET_PHP, SET_FOREIGN };

static enum set_kind classify(key_t key, int *semid, unsigned *capacity)
{
	struct semid_ds ds = {0};
	unsigned long n;

	*semid = ym_sys.semget(key, 0, 0);
	if (*semid < 0)
		return errno == ENOENT ? SET_NONE : SET_FOREIGN;
	if (ym_sys.semctl(*semid, 0, IPC_STAT, (union ym_semun){.buf = &ds}) < 0)
		return generation_gone(errno) ? SET_NONE : SET_FOREIGN;
	n = ds.sem_nsems;
	/* cuid cannot be changed, not even by the owner: it tells who really made the set. */
	if (ds.sem_perm.cuid != geteuid())
		return SET_FOREIGN;
	if (n == YM_SEM_MEMBERS)
		return SET_PHP;
	if (n < (unsigned long)YM_GROUP_NSEMS(1) || (n - YM_GROUP_SLOTS) % 2 ||
	    n > (unsigned long)YM_GROUP_NSEMS(YM_GROUP_CAPACITY_MAX))
		return SET_FOREIGN;
	*capacity = (unsigned)(n - YM_GROUP_SLOTS) / 2;
	return SET_OURS;
}

/* A leftover registry of our own does not block its key: it is cleared up by whoever makes the next generation. */
static bool registry_is_ours(int id)
{
	void *addr;

	if (ym_seg_attach(id, REGISTRY_NAME, YM_REGISTRY_VERSION, -1, false, &addr, NULL, NULL) < 0)
		return false;
	ym_seg_detach(addr);
	return true;
}

/*
 * Killed between shmget and the end of the header: our uid, a registry's size, and a head that is empty or only begun.
 * *busy: somebody is attached, or was until a moment ago (the count lags behind a death).
 */
static bool unfinished_registry(int id, bool *busy)
{
	static const char zeroes[sizeof(struct ym_seg_head_sh)];
	struct shmid_ds ds = {0};
	bool empty;
	void *addr;

	if (ym_sys.shmctl(id, IPC_STAT, &ds) < 0 || ds.shm_perm.cuid != geteuid() ||
	    ds.shm_segsz <= sizeof(struct ym_registry_sh) ||
	    (ds.shm_segsz - sizeof(struct ym_registry_sh)) % sizeof(struct ym_member_sh) != 0)
		return false;
	*busy = ds.shm_nattch != 0;
	addr = ym_sys.shmat(id, NULL, SHM_RDONLY);
	if (addr == (void *)-1)
		return false;
	empty = memcmp(addr, zeroes, sizeof(zeroes)) == 0 ||
	        atomic_load(&((struct ym_seg_head_sh *)addr)->magic) == YM_SEG_BEGUN;
	ym_sys.shmdt(addr);
	return empty;
}

static bool key_taken(key_t key, void *arg)
{
	unsigned capacity;
	bool busy;
	int id;
	enum set_kind kind = classify(key, &id, &capacity);

	(void)arg;
	if (kind == SET_FOREIGN)
		return true;
	if (kind == SET_OURS)
		return false;
	return ym_object_behind(YM_OBJECT_SEGMENT, key, &id) && !registry_is_ours(id) &&
	       !unfinished_registry(id, &busy);
}

/* The lock file of the directory: -1 with err when another process has held it for too long. Closing unlocks. */
static int lock_directory(const struct ym_group_spec *spec, struct ym_err *err)
{
	uint64_t deadline = ym_deadline(spec->patience_ms);
	char path[PATH_MAX];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/lock", spec->directory) >= sizeof(path))
		return ym_fail(err, YM_ERR_USAGE, "path too long: %s", spec->directory);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return ym_fail_sys(err, errno, "open(\"%s\") to lock the key files", path);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK && ym_now_ns() < deadline) {
			nap(LOOK_NS);
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
static int group_key(const struct ym_group_spec *spec, key_t *key, struct ym_err *err)
{
	int fd, result;

	if (spec->capacity == 0)
		return ym_keyfile(spec->directory, REGISTRY_NAME, NULL, NULL, key, err);
	fd = lock_directory(spec, err);
	if (fd < 0)
		return -1;
	result = ym_keyfile(spec->directory, REGISTRY_NAME, key_taken, NULL, key, err);
	close(fd);
	return result;
}

/* ---- make or repair a generation, under LOCK, READY 0 --------------------------------------------------------- */

/* Salvage, then remove the objects that are entered, and the registry. Nothing is removed if the salvage fails. */
static int salvage_and_remove(struct ym_group *group, struct ym_err *err)
{
	int id = group->reg->head.shmid;

	if (atomic_load(&group->reg->complete) == 1 && group->spec.salvage &&
	    group->spec.salvage(group, group->spec.arg, err) < 0)
		return -1;
	/* Whoever still has it mapped need not do it again. */
	atomic_store(&group->reg->complete, 2);
	ym_registry_remove_all(group->reg);
	if (ym_sys.shmctl(id, IPC_RMID, NULL) < 0 && !generation_gone(errno))
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
		nap(LOOK_NS);
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
	while (unfinished_registry(id, &busy)) {
		if (!busy) {
			ym_sys.shmctl(id, IPC_RMID, NULL);
			return 0;
		}
		if (ym_now_ns() > deadline)
			return ym_fail(err, YM_ERR_FOREIGN,
			               "an empty segment behind the group's key 0x%x is in use by another program",
			               (unsigned)group->key);
		nap(LOOK_NS);
	}
	if (ym_seg_attach(id, REGISTRY_NAME, YM_REGISTRY_VERSION, -1, false, &addr, NULL, err) < 0)
		return ym_err_prefix(err, "the key 0x%x of the group is also used by a foreign segment",
		                     (unsigned)group->key);
	old.reg = addr;
	/* The leftovers may be those of an older set that somebody removed by hand: follow their own semid. */
	old.semid = old.reg->head.semid;
	old.capacity = old.reg->capacity;
	result = await_detached(group, id, old.reg, err);
	if (result == 0)
		result = salvage_and_remove(&old, err);
	ym_seg_detach(addr);
	return result;
}

static int make_registry(struct ym_group *group, struct ym_err *err)
{
	size_t size = ym_registry_size(group->capacity);
	uint64_t nonce;
	void *addr;

	if (getrandom(&nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
		return ym_fail_sys(err, errno, "getrandom() for the nonce of a new group");
	if (ym_seg_create(group->key, size, group->spec.mode, &group->regid, &addr, err) < 0)
		return -1;
	group->reg = addr;
	group->reg->capacity = group->capacity;
	memcpy(group->reg->directory, group->spec.directory, strlen(group->spec.directory) + 1);
	ym_seg_publish(addr, REGISTRY_NAME, YM_REGISTRY_VERSION, group->semid, nonce, size, group->regid);
	return 0;
}

static int make_generation(struct ym_group *group, struct ym_err *err)
{
	struct sembuf ready = {YM_GROUP_READY, 1, 0};
	int sys;

	if (clear_leftovers(group, err) < 0 || make_registry(group, err) < 0)
		return -1;
	if (group->spec.init && group->spec.init(group, group->spec.arg, err) < 0) {
		ym_registry_remove_all(group->reg);
		ym_sys.shmctl(group->regid, IPC_RMID, NULL);
		return -1;
	}
	atomic_store(&group->reg->complete, 1);
	sys = ym_semop_until(group->semid, &ready, 1, YM_NEVER);
	if (sys)
		return ym_fail_sys(err, sys, "semop(id %d, READY) to open the group", group->semid);
	group->fresh = true;
	return 0;
}

static int attach_generation(struct ym_group *group, struct ym_err *err)
{
	void *addr;

	if (!ym_object_behind(YM_OBJECT_SEGMENT, group->key, &group->regid))
		return ym_fail(err, YM_ERR_GONE, "the group's registry (key 0x%x) is gone: somebody removed it by hand",
		               (unsigned)group->key);
	if (ym_seg_attach(group->regid, REGISTRY_NAME, YM_REGISTRY_VERSION, group->semid, false, &addr, NULL, err) < 0)
		return -1;
	group->reg = addr;
	return 0;
}

/* ---- join ------------------------------------------------------------------------------------------------------ */

/* A PHP script that came first made a set of three. Unused it is replaced, in use it is waited for. */
static int replace_php_set(struct ym_group *group, int semid, uint64_t deadline, struct ym_err *err)
{
	struct sembuf idle[] = {
	    {YM_SEM_USAGE, 0, 0},
	    {YM_SEM_LOCK, 0, 0},
	    {YM_SEM_LOCK, 1, SEM_UNDO},
	};
	char text[160];
	int sys, user = getpid_of(semid, YM_SEM_USAGE);

	if (getval(semid, YM_SEM_USAGE) > 0 && group->spec.notice) {
		snprintf(text, sizeof(text),
		         "waiting: a script (last seen pid %d) holds the group's key 0x%x with sem_get(); going on "
		         "when it ends",
		         user, (unsigned)group->key);
		group->spec.notice(group->spec.arg, text);
	}
	sys = ym_semop_until(semid, idle, 3, deadline);
	if (sys == EAGAIN)
		return ym_fail(
		    err, YM_ERR_TIMEOUT,
		    "a script (last seen pid %d) holds the group's key 0x%x with sem_get(): end it, then try again",
		    user, (unsigned)group->key);
	if (sys && !generation_gone(sys))
		return ym_fail_sys(err, sys, "semop(id %d) to replace a script's semaphore", semid);
	if (!sys)
		ym_sys.semctl(semid, 0, IPC_RMID, (union ym_semun){0});
	return 0;
}

/* Step 1: the set behind our key, made if it may be. 0 found, 1 look again, -1 error. */
static int find_set(struct ym_group *group, uint64_t deadline, struct ym_err *err)
{
	const struct ym_group_spec *spec = &group->spec;

	if (group_key(spec, &group->key, err) < 0)
		return -1;
	switch (classify(group->key, &group->semid, &group->capacity)) {
	case SET_OURS:
		return 0;
	case SET_FOREIGN:
		return ym_fail(err, YM_ERR_FOREIGN,
		               "the semaphore set behind key 0x%x (%s/" REGISTRY_NAME
		               ") was made by another user or program",
		               (unsigned)group->key, spec->directory);
	case SET_PHP:
		if (spec->capacity == 0)
			return ym_fail(err, YM_ERR_NOT_RUNNING, "not running: only a script has opened the key of %s",
			               spec->directory);
		return replace_php_set(group, group->semid, deadline, err) < 0 ? -1 : 1;
	case SET_NONE:
		break;
	}
	if (spec->capacity == 0)
		return ym_fail(err, YM_ERR_NOT_RUNNING, "not running: no process has joined %s", spec->directory);
	group->capacity = spec->capacity;
	group->semid =
	    ym_sys.semget(group->key, YM_GROUP_NSEMS(spec->capacity), IPC_CREAT | IPC_EXCL | (int)(spec->mode & 0777));
	if (group->semid >= 0)
		return 0;
	if (errno == EEXIST)
		return 1;
	if (errno == EINVAL)
		return ym_fail(
		    err, YM_ERR_LIMIT,
		    "semget(key 0x%x, %d members) for the group: more members than the first number of the sysctl "
		    "kernel.sem allows: raise it, or lower `clients` or `workers`",
		    (unsigned)group->key, YM_GROUP_NSEMS(spec->capacity));
	return ym_fail_sys(err, errno, "semget(key 0x%x, %d members, IPC_CREAT|IPC_EXCL) for the group",
	                   (unsigned)group->key, YM_GROUP_NSEMS(spec->capacity));
}

static void back_out(struct ym_group *group)
{
	struct sembuf ops[] = {
	    {YM_GROUP_LOCK, -1, SEM_UNDO | IPC_NOWAIT},
	    {YM_GROUP_USAGE, -1, SEM_UNDO | IPC_NOWAIT},
	};

	ym_semop_until(group->semid, ops, 2, YM_NEVER);
	ym_seg_detach(group->reg);
	group->reg = NULL;
	group->semid = -1;
}

/* A free slot, or with `inherit` one whose owner is dead but not buried. 0, or the errno of the last try. */
static int search_slot(struct ym_group *group, const unsigned short *values, bool inherit)
{
	int sys = EAGAIN;

	for (unsigned i = 0; sys == EAGAIN && i < group->capacity; i++) {
		struct sembuf ops[] = {
		    {YM_GROUP_ALIVE(i), 0, IPC_NOWAIT},
		    {YM_GROUP_ALIVE(i), 1, SEM_UNDO},
		    {YM_GROUP_DIRTY(i), 0, IPC_NOWAIT},
		    {YM_GROUP_DIRTY(i), 1, 0},
		};

		if (values[YM_GROUP_ALIVE(i)] || (values[YM_GROUP_DIRTY(i)] && !inherit))
			continue;
		sys = ym_semop_until(group->semid, ops, inherit ? 2 : 4, YM_NEVER);
		group->slot = i;
	}
	return sys;
}

/*
 * Step 4: a slot whose last owner is dead and buried. Who may repair the group takes an unburied one rather than none:
 * otherwise a table full of the dead could never be cleared up again.
 */
static int take_slot(struct ym_group *group, struct ym_err *err)
{
	unsigned short *values = calloc((size_t)YM_GROUP_NSEMS(group->capacity), sizeof(*values));
	struct ym_member_sh *member;
	int sys;

	if (!values)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	sys = ym_sys.semctl(group->semid, 0, GETALL, (union ym_semun){.array = values}) < 0
	          ? errno
	          : search_slot(group, values, false);
	if (sys == EAGAIN && group->spec.capacity) {
		sys = search_slot(group, values, true);
		group->inherited = sys == 0;
	}
	free(values);
	if (sys == EAGAIN)
		return ym_fail(
		    err, YM_ERR_FULL,
		    "all %u participant slots are taken: raise `clients` in [yardmaster], or start the master, which "
		    "clears up after killed clients",
		    group->capacity);
	if (sys)
		return ym_fail_sys(err, sys, "semop(id %d) to take a participant slot", group->semid);
	member = &group->reg->members[group->slot];
	member->started = ym_process_started(group->pid);
	member->joined = ym_now_ns();
	memset(member->role, 0, sizeof(member->role));
	memcpy(member->role, group->spec.role, strnlen(group->spec.role, sizeof(member->role) - 1));
	atomic_store(&member->pid, group->pid);
	return 0;
}

/* Steps 2 to 5. 0 joined, 1 the generation vanished: look again, -1 error. */
static int enter_set(struct ym_group *group, uint64_t deadline, struct ym_err *err)
{
	struct sembuf join[] = {
	    {YM_GROUP_LOCK, 0, 0},
	    {YM_GROUP_LOCK, 1, SEM_UNDO},
	    {YM_GROUP_USAGE, 1, SEM_UNDO},
	};
	int sys = ym_semop_until(group->semid, join, 3, deadline), ready, result;

	if (generation_gone(sys))
		return 1;
	if (sys == EAGAIN)
		return ym_fail(err, YM_ERR_TIMEOUT,
		               "process %d has held the lock of the group for too long (is it stopped?)",
		               getpid_of(group->semid, YM_GROUP_LOCK));
	if (sys)
		return ym_fail_sys(err, sys, "semop(id %d) to join the group", group->semid);
	ready = getval(group->semid, YM_GROUP_READY);
	group->orphan = ready == 1 && getval(group->semid, YM_GROUP_USAGE) == 1;
	if (ready == 1)
		result = attach_generation(group, err);
	else if (group->spec.capacity)
		result = make_generation(group, err);
	else
		result = ym_fail(err, YM_ERR_NOT_RUNNING, "not running: the group of %s was left half made",
		                 group->spec.directory);
	if (result == 0)
		result = take_slot(group, err);
	if (result < 0) {
		/* A generation that could not be made leaves no empty set behind; whoever waits starts a fresh one. */
		if (ready == 0 && group->spec.capacity && getval(group->semid, YM_GROUP_USAGE) == 1)
			ym_sys.semctl(group->semid, 0, IPC_RMID, (union ym_semun){0});
		back_out(group);
		return -1;
	}
	ym_group_unlock(group);
	return 0;
}

int ym_group_join(struct ym_group *group, const struct ym_group_spec *spec, struct ym_err *err)
{
	uint64_t deadline = ym_deadline(spec->patience_ms);
	int again = 1;

	if (strlen(spec->directory) >= YM_DIRECTORY_MAX)
		return ym_fail(err, YM_ERR_USAGE, "directory name too long: %s", spec->directory);
	if (spec->capacity > YM_GROUP_CAPACITY_MAX)
		return ym_fail(err, YM_ERR_USAGE, "a group has at most %u participants, not %u", YM_GROUP_CAPACITY_MAX,
		               spec->capacity);
	*group = (struct ym_group){.spec = *spec, .semid = -1, .pid = getpid()};
	while (again == 1) {
		if (ym_now_ns() > deadline)
			return ym_fail(err, YM_ERR_TIMEOUT, "the group of %s keeps coming and going", spec->directory);
		again = find_set(group, deadline, err);
		if (again == 0)
			again = enter_set(group, deadline, err);
	}
	if (again < 0)
		group->semid = -1;
	return again;
}

/* ---- leave ----------------------------------------------------------------------------------------------------- */

/*
 * Step 8: LOCK is ours, USAGE is 0, READY is 0: nobody can come in. The set goes last. If the salvage fails, the set
 * stays, too, for a later try: the LOCK must be free then.
 */
static int remove_generation(struct ym_group *group, struct ym_err *err)
{
	if (salvage_and_remove(group, err) < 0) {
		ym_group_unlock(group);
		return ym_err_prefix(err, "the IPC objects stay for the next start");
	}
	ym_sys.semctl(group->semid, 0, IPC_RMID, (union ym_semun){0});
	return 0;
}

/* One try of each kind of leaving. 0 left (*last: and the door is shut behind us), or the errno of the second try. */
static int leave_once(struct ym_group *group, int *last)
{
	unsigned short alive = YM_GROUP_ALIVE(group->slot), dirty = YM_GROUP_DIRTY(group->slot);
	struct sembuf not_last[] = {
	    {YM_GROUP_USAGE, -2, SEM_UNDO | IPC_NOWAIT},  {YM_GROUP_USAGE, 1, SEM_UNDO},
	    {alive, -1, SEM_UNDO | IPC_NOWAIT},           {dirty, -1, IPC_NOWAIT},
	    {YM_GROUP_LEADER, -1, SEM_UNDO | IPC_NOWAIT},
	};
	struct sembuf the_last[] = {
	    {YM_GROUP_LOCK, 0, 0},
	    {YM_GROUP_LOCK, 1, SEM_UNDO},
	    {YM_GROUP_USAGE, -1, SEM_UNDO | IPC_NOWAIT},
	    {YM_GROUP_USAGE, 0, IPC_NOWAIT},
	    {YM_GROUP_READY, -1, IPC_NOWAIT},
	    {alive, -1, SEM_UNDO | IPC_NOWAIT},
	    {dirty, -1, IPC_NOWAIT},
	    {YM_GROUP_LEADER, -1, SEM_UNDO | IPC_NOWAIT},
	};
	/* The last operation of both is for a leader only. */
	size_t skip = group->leads ? 0 : 1;
	int sys = ym_semop_until(group->semid, not_last, 5 - skip, YM_NEVER);

	*last = 0;
	if (sys != EAGAIN)
		return sys;
	sys = ym_semop_until(group->semid, the_last, 8 - skip, ym_deadline(LEAVE_ROUND_MS));
	*last = sys == 0;
	return sys;
}

/* The guardian has the registry attached until it wakes: who asks `ipcs` after the last leave shall see nothing. */
static void await_gone(int regid)
{
	uint64_t deadline = ym_deadline(GONE_PATIENCE_MS);
	struct shmid_ds ds;

	while (ym_sys.shmctl(regid, IPC_STAT, &ds) == 0 && (ds.shm_perm.mode & SHM_DEST) && ym_now_ns() < deadline)
		nap(GONE_LOOK_NS);
}

int ym_group_leave(struct ym_group *group, bool *last, struct ym_err *err)
{
	uint64_t deadline = ym_deadline(group->spec.patience_ms);
	int sys = EAGAIN, final = 0, result = 0;

	if (last)
		*last = false;
	if (group->semid < 0)
		return 0;
	if (group->pid == getpid())
		do
			sys = leave_once(group, &final);
		while (sys == EAGAIN && ym_now_ns() < deadline);
	if (final)
		result = remove_generation(group, err);
	if (last)
		*last = final;
	if (group->pid == getpid() && sys && !generation_gone(sys))
		result = sys == EAGAIN ? ym_fail(err, YM_ERR_TIMEOUT,
		                                 "could not leave the group in time: process %d holds its lock",
		                                 getpid_of(group->semid, YM_GROUP_LOCK))
		                       : ym_fail_sys(err, sys, "semop(id %d) to leave the group", group->semid);
	ym_seg_detach(group->reg);
	if (final && result == 0)
		await_gone(group->regid);
	group->reg = NULL;
	group->semid = -1;
	return result;
}

int ym_group_abandon(struct ym_group *group, struct ym_err *err)
{
	int fd = lock_directory(&group->spec, err), result;

	if (fd < 0)
		return -1;
	/* A newer generation waits until we have let go of the registry (await_detached), or has salvaged it before. */
	result = salvage_and_remove(group, err);
	close(fd);
	return result;
}

/* ---- while inside ---------------------------------------------------------------------------------------------- */

int ym_group_lock(struct ym_group *group, struct ym_err *err)
{
	struct sembuf ops[] = {{YM_GROUP_LOCK, 0, 0}, {YM_GROUP_LOCK, 1, SEM_UNDO}};
	int sys = ym_semop_until(group->semid, ops, 2, ym_deadline(group->spec.patience_ms));

	if (sys == EAGAIN)
		return ym_fail(err, YM_ERR_TIMEOUT, "process %d has held the lock of the group for too long",
		               getpid_of(group->semid, YM_GROUP_LOCK));
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
	int sys = ym_semop_until(group->semid, ops, 2, YM_NEVER);

	if (sys == EAGAIN) {
		*pid = getpid_of(group->semid, YM_GROUP_LEADER);
		return 1;
	}
	group->leads = sys == 0;
	return sys ? ym_fail_sys(err, sys, "semop(id %d) to become the master", group->semid) : 0;
}

int ym_group_attach(struct ym_group *group, const char *name, uint32_t version, void **addr, size_t *size,
                    struct ym_err *err)
{
	struct ym_entry_sh *entry = ym_registry_find(group->reg, name);

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
		ym_fail_sys(err, sys, "semctl(id %d, GETALL) of the group", group->semid);
		if (err && generation_gone(sys))
			err->class = YM_ERR_GONE;
		return -1;
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
	return slot < group->capacity && getval(group->semid, YM_GROUP_ALIVE(slot)) > 0;
}

int ym_group_usage(const struct ym_group *group)
{
	return getval(group->semid, YM_GROUP_USAGE);
}

int ym_group_look(const char *directory, struct ym_group_look *look, struct ym_err *err)
{
	enum set_kind kind;

	*look = (struct ym_group_look){.semid = -1};
	if (ym_keyfile(directory, REGISTRY_NAME, NULL, NULL, &look->key, err) < 0)
		return -1;
	kind = classify(look->key, &look->semid, &look->capacity);
	if (kind == SET_FOREIGN)
		return ym_fail(err, YM_ERR_FOREIGN,
		               "the semaphore set behind key 0x%x (%s/" REGISTRY_NAME ") is not ours",
		               (unsigned)look->key, directory);
	if (kind != SET_OURS)
		return ym_fail(err, YM_ERR_NOT_RUNNING, "not running: no process has joined %s", directory);
	look->usage = getval(look->semid, YM_GROUP_USAGE);
	look->ready = getval(look->semid, YM_GROUP_READY);
	look->leader = getval(look->semid, YM_GROUP_LEADER) > 0 ? getpid_of(look->semid, YM_GROUP_LEADER) : 0;
	look->lock = getval(look->semid, YM_GROUP_LOCK) > 0 ? getpid_of(look->semid, YM_GROUP_LOCK) : 0;
	return 0;
}

/* ---- guardian -------------------------------------------------------------------------------------------------- */

/* The registry behind the group's key, NULL if there is none: made later, or removed by a remover that was killed. */
static struct ym_registry_sh *registry_of(struct ym_group *group)
{
	void *addr;
	int id;

	if (!ym_object_behind(YM_OBJECT_SEGMENT, group->key, &id) ||
	    ym_seg_attach(id, REGISTRY_NAME, YM_REGISTRY_VERSION, group->semid, false, &addr, NULL, NULL) < 0)
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
	if (sys && !generation_gone(sys))
		result = ym_fail_sys(err, sys, "semop(id %d) to guard the group", semid);
	if (sys == 0) {
		/* READY tells newcomers that there is something to repair, should the guardian be killed from here on.
		 */
		ym_sys.semctl(semid, YM_GROUP_READY, SETVAL, (union ym_semun){.val = 0});
		if (!group.reg)
			group.reg = registry_of(&group);
		if (group.reg)
			result = remove_generation(&group, err);
		else
			ym_sys.semctl(semid, 0, IPC_RMID, (union ym_semun){0});
	}
	ym_seg_detach(group.reg);
	return result;
}
