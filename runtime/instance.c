/* instance.c - find, make, join and look at an instance. */
#include "instance.h"

#include <errno.h>
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
		n = snprintf(instance->directory, sizeof(instance->directory), "/run/yardmaster/%s", name);
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
	return make_directory(path, 0700, err);
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
	size_t table_bytes = table_size(sizes->slots), board_bytes = board_size(sizes->rows);
	void *table = NULL, *board = NULL;
	int result = -1;

	if (ym_registry_add(group->reg, YM_OBJECT_SEGMENT, TABLE_NAME, table_bytes, TABLE_VERSION, 0600, &table, err) <
	        0 ||
	    ym_registry_add(group->reg, YM_OBJECT_SEGMENT, BOARD_NAME, board_bytes, BOARD_VERSION, sizes->board_mode,
	                    &board, err) < 0)
		goto out;
	if (ym_seg_prefault(table, table_bytes, err) < 0 || ym_seg_prefault(board, board_bytes, err) < 0)
		goto out;
	table_init(table, sizes->slots, sizes->payload_max, sizes->result_ttl_ns,
	           backlog_next_id(group->reg->directory));
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

int instance_join(struct instance *instance, const char *role, const struct instance_sizes *sizes, struct ym_err *err)
{
	struct making making = {instance, sizes};
	struct ym_group_spec spec = {
	    .directory = instance->directory,
	    .role = role,
	    .capacity = sizes ? sizes->participants : 0,
	    .mode = 0600,
	    .patience_ms = INSTANCE_PATIENCE_MS,
	    .init = make_objects,
	    .salvage = instance_salvage,
	    .notice = sizes ? sizes->notice : NULL,
	    .arg = &making,
	};
	size_t board_bytes;
	void *table = NULL, *board = NULL;

	if (ym_group_join(&instance->group, &spec, err) < 0)
		return -1;
	instance->group.spec.arg = NULL;
	if (ym_group_registry(&instance->group, err) < 0 ||
	    ym_group_attach(&instance->group, TABLE_NAME, TABLE_VERSION, &table, &instance->table_bytes, err) < 0 ||
	    ym_group_attach(&instance->group, BOARD_NAME, BOARD_VERSION, &board, &board_bytes, err) < 0 ||
	    table_check(table, instance->table_bytes, err) < 0 || board_check(board, board_bytes, err) < 0) {
		ym_seg_detach(table);
		ym_seg_detach(board);
		ym_group_leave(&instance->group, NULL, NULL);
		return -1;
	}
	instance->table = table;
	instance->board = board;
	/* Our number is that of a dead participant: what he locked would wait for us. */
	if (instance->group.inherited)
		index_break(instance, instance->group.slot);
	return 0;
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
