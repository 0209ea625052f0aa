/* instance.c - find, make, join and look at an instance. */
#include "instance.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../ipc/key.h"
#include "../ipc/sys.h"
#include "backlog.h"
#include "payload.h"
#include "share.h"

/* Where the directories of root's instances are. */
#define ROOTS_PLACE "/run/yardmaster/"

/* How long a master may take from its join until its pools are there, and how often to look. */
#define STARTING_MS      5000
#define STARTING_LOOK_NS 2000000

int instance_locate(struct instance *instance, const char *name, const char *directory, struct ym_err *err)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
	int n;

	memset(instance, 0, sizeof(*instance));
	instance->group.semid = -1;
	if (strlen(name) >= sizeof(instance->name) || name[0] == '\0' || name[0] == '.' ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")])
		return ym_fail(err, YM_ERR_USAGE,
		               "\"%s\" is no instance name: letters, digits, _ . - and at most %zu of them", name,
		               sizeof(instance->name) - 1);
	memcpy(instance->name, name, strlen(name) + 1);
	if (directory)
		n = snprintf(instance->directory, sizeof(instance->directory), "%s", directory);
	else if (geteuid() == 0)
		n = snprintf(instance->directory, sizeof(instance->directory), ROOTS_PLACE "%s", name);
	else if (runtime_dir && runtime_dir[0] == '/')
		n = snprintf(instance->directory, sizeof(instance->directory), "%s/yardmaster/%s", runtime_dir, name);
	else
		n = snprintf(instance->directory, sizeof(instance->directory), "/tmp/yardmaster-%u/%s",
		             (unsigned)geteuid(), name);
	if (n < 0 || (size_t)n >= sizeof(instance->directory))
		return ym_fail(err, YM_ERR_USAGE, "the directory of instance %s is longer than %zu bytes", name,
		               sizeof(instance->directory) - 1);
	return 0;
}

int instance_share(struct instance *instance, const char *group, struct ym_err *err)
{
	const struct group *found = group ? getgrnam(group) : NULL;
	unsigned long number;
	char *end;

	instance->shared = group != NULL;
	if (!group)
		return 0;
	errno = 0;
	number = found ? found->gr_gid : strtoul(group, &end, 10);
	if (!found && (group[strspn(group, "0123456789")] || !group[0] || errno || number >= (gid_t)-1))
		return ym_fail(err, YM_ERR_CONFIG, "there is no group \"%s\" (ipc_group): see `getent group`", group);
	instance->gid = (gid_t)number;
	return 0;
}

int instance_configured(struct instance *instance, const struct cfg_instance *config, struct ym_err *err)
{
	char directory[YM_DIRECTORY_MAX];

	if (config->directory || !config->user)
		return instance_locate(instance, config->name, config->directory, err);
	snprintf(directory, sizeof(directory), ROOTS_PLACE "%s", config->name);
	return instance_locate(instance, config->name, directory, err);
}

static int make_directory(const char *path, mode_t mode, struct ym_err *err)
{
	struct stat st;

	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return ym_fail_sys(err, errno, "mkdir(\"%s\") for the instance", path);
	if (lstat(path, &st) < 0)
		return ym_fail_sys(err, errno, "lstat(\"%s\")", path);
	if (!S_ISDIR(st.st_mode))
		return ym_fail(err, YM_ERR_USAGE, "\"%s\" is not a directory", path);
	return 0;
}

/* In a directory of somebody else, ours could be moved away and replaced. */
static int check_parent(const char *directory, struct ym_err *err)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/..", directory);
	if (stat(path, &st) < 0)
		return ym_fail_sys(err, errno, "stat(\"%s\")", path);
	if ((st.st_uid != geteuid() && st.st_uid != 0) || ((st.st_mode & 022) && !(st.st_mode & S_ISVTX)))
		return ym_fail(
		    err, YM_ERR_PERMISSION,
		    "the directory that holds %s must belong to uid %u or root and be writable by nobody else (it is "
		    "%o, uid %u)",
		    directory, (unsigned)geteuid(), (unsigned)st.st_mode & 07777, (unsigned)st.st_uid);
	return 0;
}

int instance_prepare(const struct instance *instance, struct ym_err *err)
{
	char path[PATH_MAX];
	struct stat st;

	for (const char *at = strchr(instance->directory + 1, '/'); at; at = strchr(at + 1, '/')) {
		size_t length = (size_t)(at - instance->directory);

		memcpy(path, instance->directory, length);
		path[length] = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return ym_fail_sys(err, errno, "mkdir(\"%s\") for the instance", path);
	}
	if (make_directory(instance->directory, 0755, err) < 0 || check_parent(instance->directory, err) < 0)
		return -1;
	/* Who can replace our key files can make us work in objects of his own. */
	if (stat(instance->directory, &st) == 0 && (st.st_uid != geteuid() || (st.st_mode & 022)))
		return ym_fail(
		    err, YM_ERR_PERMISSION,
		    "the instance directory %s must belong to uid %u and be writable by nobody else (it is %o, uid %u)",
		    instance->directory, (unsigned)geteuid(), (unsigned)st.st_mode & 07777, (unsigned)st.st_uid);
	snprintf(path, sizeof(path), "%s/" PAYLOAD_DIRECTORY, instance->directory);
	if (make_directory(path, 0700, err) < 0)
		return -1;
	return share_directory(path, instance->shared, instance->gid, err);
}

/* ---- joining --------------------------------------------------------------------------------- */

struct making {
	struct instance *instance;
	const struct instance_sizes *sizes;
};

static int make_objects(struct ym_group *group, void *arg, struct ym_err *err)
{
	const struct making *making = arg;
	const struct instance_sizes *sizes = making->sizes;
	/* Workers write to both, whoever else may read the board. */
	mode_t board_mode = sizes->board_mode | (group->spec.mode & 0060);
	size_t table_bytes = table_size(sizes->slots), board_bytes = board_size(sizes->rows);
	void *table = NULL, *board = NULL;
	int result = -1;

	if (ym_registry_add(group->reg, YM_OBJECT_SEGMENT, TABLE_NAME, table_bytes, TABLE_VERSION, 0, &table, err) <
	        0 ||
	    ym_registry_add(group->reg, YM_OBJECT_SEGMENT, BOARD_NAME, board_bytes, BOARD_VERSION, board_mode, &board,
	                    err) < 0)
		goto out;
	if (ym_seg_prefault(table, table_bytes, err) < 0 || ym_seg_prefault(board, board_bytes, err) < 0)
		goto out;
	table_init(table, sizes->slots, sizes->payload_max, sizes->result_ttl_ns,
	           backlog_next_id(group->reg->directory));
	((struct table_sh *)table)->store = sizes->store;
	((struct board_sh *)board)->instance.rows = sizes->rows;
	memcpy(((struct board_sh *)board)->instance.name, making->instance->name, TABLE_NAME_MAX);
	result = 0;
out:
	ym_seg_detach(table);
	ym_seg_detach(board);
	return result;
}

int instance_salvage(struct ym_group *group, void *arg, struct ym_err *err)
{
	const char *directory = group->reg->directory;
	struct ym_err why;
	unsigned lost = 0;
	char text[160];
	void *table;
	size_t size;
	int result;

	(void)arg;
	if (ym_group_attach(group, TABLE_NAME, TABLE_VERSION, &table, &size, &why) < 0) {
		/* Removed by hand, or another program's by now: nothing is there that could be kept. */
		if (why.class == YM_ERR_GONE || why.class == YM_ERR_FOREIGN)
			return 0;
		return ym_fail(err, why.class, "the unfinished jobs cannot be kept: %s", why.text);
	}
	result = table_check(table, size, err) < 0 ? -1 : backlog_save(table, directory, &lost, err);
	ym_seg_detach(table);
	if (lost && group->spec.notice) {
		snprintf(text, sizeof(text), "%u unfinished jobs are lost: their payload files have disappeared", lost);
		group->spec.notice(group->spec.arg, text);
	}
	if (result == 0) {
		/* First the mark: a second salvage, after a kill in here, must not write a backlog without payloads. */
		atomic_store(&group->reg->complete, 2);
		payload_discard_all(directory);
	}
	return result;
}

/* `sizes` NULL: join only. */
static struct ym_group_spec spec_of(const struct instance *instance, const char *role, struct making *making)
{
	const struct instance_sizes *sizes = making->sizes;

	return (struct ym_group_spec){
	    .directory = instance->directory,
	    .role = role,
	    .capacity = sizes ? sizes->participants : 0,
	    .mode = instance->shared ? 0660 : 0600,
	    .share = instance->shared,
	    .gid = instance->gid,
	    .patience_ms = INSTANCE_PATIENCE_MS,
	    .init = make_objects,
	    .salvage = instance_salvage,
	    .notice = sizes ? sizes->notice : NULL,
	    .arg = making,
	};
}

/* Table and board; nothing is left attached when they are not to be had. */
static int attach_objects(struct instance *instance, struct ym_err *err)
{
	void *table = NULL, *board = NULL;
	size_t board_bytes;

	instance->group.spec.arg = NULL;
	if (ym_group_registry(&instance->group, err) < 0 ||
	    ym_group_attach(&instance->group, TABLE_NAME, TABLE_VERSION, &table, &instance->table_bytes, err) < 0 ||
	    ym_group_attach(&instance->group, BOARD_NAME, BOARD_VERSION, &board, &board_bytes, err) < 0 ||
	    table_check(table, instance->table_bytes, err) < 0 || board_check(board, board_bytes, err) < 0) {
		ym_seg_detach(table);
		ym_seg_detach(board);
		return -1;
	}
	instance->table = table;
	instance->board = board;
	return 0;
}

/* Objects keep whom they were shared with. */
static void compare_share(const struct instance *instance, const struct instance_sizes *sizes)
{
	const struct ym_registry_sh *reg = instance->group.reg;

	if (!sizes || !sizes->notice ||
	    (reg->shared == instance->shared && (!reg->shared || reg->gid == instance->gid)))
		return;
	sizes->notice(
	    NULL, "ipc_group has changed, but the IPC objects of the running instance were made before: stop it and "
		  "run it again");
}

/* *last: it failed, and what there was has been removed with us as its last participant. */
static int join_once(struct instance *instance, const struct ym_group_spec *spec, bool *last, struct ym_err *err)
{
	*last = false;
	if (ym_group_join(&instance->group, spec, err) < 0)
		return -1;
	if (attach_objects(instance, err) == 0)
		return 0;
	if (ym_group_leave(&instance->group, last, NULL) < 0)
		*last = false;
	return -1;
}

int instance_join(struct instance *instance, const char *role, const struct instance_sizes *sizes, struct ym_err *err)
{
	struct making making = {instance, sizes};
	struct ym_group_spec spec = spec_of(instance, role, &making);
	bool last;
	int result = join_once(instance, &spec, &last, err);

	/* Somebody has removed a part of what dead processes had left. */
	if (result < 0 && last && sizes)
		result = join_once(instance, &spec, &last, err);
	if (result < 0)
		return -1;
	compare_share(instance, sizes);
	/* Our number is that of a dead participant: what he locked would wait for us. */
	if (instance->group.inherited)
		index_break(instance, instance->group.slot);
	return 0;
}

int instance_resume(struct instance *instance, const char *role, const struct instance_sizes *sizes, int semid,
                    unsigned slot, struct ym_err *err)
{
	struct making making = {instance, sizes};
	struct ym_group_spec spec = spec_of(instance, role, &making);

	if (ym_group_resume(&instance->group, &spec, semid, slot, err) < 0)
		return -1;
	return attach_objects(instance, err);
}

int instance_remains(struct instance *instance, const char *role, const struct instance_sizes *sizes, int semid,
                     int regid, unsigned slot, struct ym_err *err)
{
	struct making making = {instance, sizes};
	struct ym_group_spec spec = spec_of(instance, role, &making);
	int result = ym_group_remains(&instance->group, &spec, semid, regid, slot, err);

	instance->group.spec.arg = NULL;
	return result;
}

int instance_leave(struct instance *instance, bool *last, struct ym_err *err)
{
	int result = ym_group_leave(&instance->group, last, err);

	/* After the salvage: a segment that somebody has removed by hand lives as long as it is attached. */
	ym_seg_detach(instance->table);
	ym_seg_detach(instance->board);
	instance->table = NULL;
	instance->board = NULL;
	return result;
}

bool instance_gone(const struct instance *instance, struct ym_err *err)
{
	if (ym_sem_value(instance->group.semid, YM_GROUP_READY) >= 0)
		return false;
	ym_fail(
	    err, YM_ERR_GONE,
	    "instance %s (%s) was removed while this process was in it (ipcrm, or logind's RemoveIPC?): leave and join "
	    "again",
	    instance->name, instance->directory);
	return true;
}

const char *instance_missing(const struct instance *instance)
{
	static const char *const segments[] = {TABLE_NAME, BOARD_NAME};
	struct ym_registry_sh *reg = instance->group.reg;
	const struct ym_entry_sh registry = {
	    .kind = YM_OBJECT_SEGMENT, .key = instance->group.key, .id = reg->head.shmid};

	if (instance_gone(instance, NULL))
		return "semaphore set";
	if (!ym_registry_has(reg, &registry))
		return YM_REGISTRY_NAME;
	for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
		const struct ym_entry_sh *entry = ym_registry_find(reg, segments[i]);

		if (!entry || !ym_registry_has(reg, entry))
			return segments[i];
	}
	return NULL;
}

int instance_rejoin(struct instance *instance, const char *role, const struct instance_sizes *sizes, struct ym_err *err)
{
	pid_t other;
	int led;

	/* Whoever removed the objects may have removed the directory as well, and the backlog goes there. */
	if (instance_prepare(instance, err) < 0)
		return -1;
	if (instance->group.semid >= 0 &&
	    (ym_group_abandon(&instance->group, err) < 0 || instance_leave(instance, NULL, err) < 0))
		return ym_err_prefix(err, "the removed generation cannot be given up");
	if (instance_join(instance, role, sizes, err) < 0)
		return -1;
	led = ym_group_lead(&instance->group, &other, err);
	if (led == 0)
		return 0;
	if (led == 1)
		ym_fail(err, YM_ERR_NO, "instance %s has got another master meanwhile (pid %ld)", instance->name,
		        (long)other);
	instance_leave(instance, NULL, NULL);
	return -1;
}

void instance_await_pools(const struct instance *instance)
{
	uint64_t deadline = ym_deadline(STARTING_MS);

	while (atomic_load(&instance->board->instance.master_state) == BOARD_MASTER_NONE &&
	       ym_sem_value(instance->group.semid, YM_GROUP_LEADER) > 0 && ym_now_ns() < deadline)
		ym_nap(STARTING_LOOK_NS);
}

/* ---- looking --------------------------------------------------------------------------------- */

static int view_segment(const struct instance *instance, const char *name, uint32_t version, void **addr, size_t *size,
                        struct ym_err *err)
{
	key_t key;
	int id;

	if (ym_keyfile(instance->directory, name, NULL, NULL, &key, err) < 0)
		return -1;
	if (!ym_object_behind(YM_OBJECT_SEGMENT, key, &id) || id < 0)
		return ym_fail(err, YM_ERR_NOT_RUNNING, "not running: instance %s (%s) has no %s", instance->name,
		               instance->directory, name);
	if (ym_seg_attach(id, name, version, -1, true, addr, size, err) < 0) {
		if (err && err->class == YM_ERR_GONE)
			err->class = YM_ERR_NOT_RUNNING;
		return -1;
	}
	return 0;
}

int instance_view(struct instance *instance, struct ym_err *err)
{
	void *board, *table;
	size_t size;

	if (view_segment(instance, BOARD_NAME, BOARD_VERSION, &board, &size, err) < 0)
		return -1;
	if (board_check(board, size, err) < 0) {
		ym_seg_detach(board);
		return -1;
	}
	instance->board = board;
	instance->table = NULL;
	if (view_segment(instance, TABLE_NAME, TABLE_VERSION, &table, &size, NULL) == 0) {
		if (table_check(table, size, NULL) == 0)
			instance->table = table;
		else
			ym_seg_detach(table);
	}
	return 0;
}

void instance_unview(struct instance *instance)
{
	ym_seg_detach(instance->table);
	ym_seg_detach(instance->board);
	instance->table = NULL;
	instance->board = NULL;
}

bool instance_view_stale(const struct instance *instance)
{
	key_t key;
	int id;

	return ym_keyfile(instance->directory, BOARD_NAME, NULL, NULL, &key, NULL) < 0 ||
	       !ym_object_behind(YM_OBJECT_SEGMENT, key, &id) || id != instance->board->head.shmid;
}
