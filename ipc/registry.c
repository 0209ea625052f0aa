/* registry.c - the objects of a group: made, found and removed through one list. */
#include "registry.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "key.h"
#include "limits.h"
#include "queue.h"
#include "sem.h"
#include "share.h"
#include "sys.h"
#include "vars.h"

static bool object_taken(key_t key, void *kind)
{
	int id;

	return ym_object_behind(*(enum ym_object_kind *)kind, key, &id);
}

static int make_variables(struct ym_entry_sh *entry, mode_t mode, int *id, struct ym_err *err)
{
	struct ym_vars vars;

	if (ym_vars_attach(&vars, entry->key, entry->size, mode, YM_VARS_NEW, err) < 0)
		return -1;
	*id = vars.id;
	ym_vars_detach(&vars);
	return 0;
}

static int make_object(struct ym_registry_sh *reg, struct ym_entry_sh *entry, uint32_t version, mode_t mode,
                       void **addr, struct ym_err *err)
{
	int id = -1;
	void *at = NULL;

	switch ((enum ym_object_kind)entry->kind) {
	case YM_OBJECT_SEGMENT:
		if (ym_seg_create(entry->key, entry->size, mode, &id, &at, err) < 0)
			return -1;
		ym_seg_publish(at, entry->name, version, reg->head.semid, reg->head.nonce, entry->size, id);
		if (addr)
			*addr = at;
		else
			ym_seg_detach(at);
		break;
	case YM_OBJECT_VARIABLES:
		if (make_variables(entry, mode, &id, err) < 0)
			return -1;
		break;
	case YM_OBJECT_QUEUE:
		if (ym_queue_create(entry->key, mode, &id, err) < 0)
			return -1;
		break;
	case YM_OBJECT_SEMAPHORE:
		id = ym_sys.semget(entry->key, YM_SEM_MEMBERS, IPC_CREAT | IPC_EXCL | (int)(mode & 0777));
		if (id < 0) {
			ym_fail_sys(err, errno, "semget(key 0x%x, 3 members, IPC_CREAT|IPC_EXCL)",
			            (unsigned)entry->key);
			return ym_limits_explain(err, YM_OBJECT_SEMAPHORE);
		}
		break;
	}
	entry->id = id;
	return 0;
}

static void remove_object(enum ym_object_kind kind, int id)
{
	switch (kind) {
	case YM_OBJECT_SEGMENT:
	case YM_OBJECT_VARIABLES:
		ym_sys.shmctl(id, IPC_RMID, NULL);
		break;
	case YM_OBJECT_QUEUE:
		ym_queue_remove(id, NULL);
		break;
	case YM_OBJECT_SEMAPHORE:
		ym_sem_remove_unused(id, 0, NULL);
		break;
	}
}

/* Nobody but us gets at what is shared before it has its Unix group. */
static int make(struct ym_registry_sh *reg, struct ym_entry_sh *entry, uint32_t version, mode_t mode, void **addr,
                struct ym_err *err)
{
	enum ym_object_kind kind = (enum ym_object_kind)entry->kind;

	if (mode == 0)
		mode = reg->mode ? reg->mode : 0600;
	if (make_object(reg, entry, version, reg->shared ? mode & 0700 : mode, addr, err) < 0)
		return -1;
	if (!reg->shared || ym_share_object(kind, entry->id, reg->gid, mode, err) == 0)
		return 0;
	remove_object(kind, entry->id);
	if (addr && kind == YM_OBJECT_SEGMENT) {
		ym_seg_detach(*addr);
		*addr = NULL;
	}
	return -1;
}

static struct ym_entry_sh *empty_entry(struct ym_registry_sh *reg, const char *name, struct ym_err *err)
{
	if (strlen(name) >= YM_OBJECT_NAME_MAX) {
		ym_fail(err, YM_ERR_USAGE, "object name too long: %s", name);
		return NULL;
	}
	for (unsigned i = 0; i < YM_REGISTRY_ENTRIES; i++)
		if (atomic_load(&reg->entries[i].state) == YM_ENTRY_EMPTY)
			return &reg->entries[i];
	ym_fail(err, YM_ERR_LIMIT, "a group holds at most %d objects", YM_REGISTRY_ENTRIES);
	return NULL;
}

static void fill_entry(struct ym_entry_sh *entry, enum ym_object_kind kind, const char *name, key_t key, size_t size)
{
	entry->kind = kind;
	entry->key = key;
	entry->id = -1;
	entry->size = size;
	memset(entry->name, 0, sizeof(entry->name));
	memcpy(entry->name, name, strlen(name));
}

static bool entered(const struct ym_registry_sh *reg, key_t key)
{
	for (unsigned i = 0; i < YM_REGISTRY_ENTRIES; i++)
		if (atomic_load(&reg->entries[i].state) != YM_ENTRY_EMPTY &&
		    reg->entries[i].kind == YM_OBJECT_SEMAPHORE && reg->entries[i].key == key)
			return true;
	return false;
}

/*
 * Behind the key file of a semaphore there may be one that is in no list: who uses it made it again after somebody had
 * removed it by hand, and then all were killed, and the list was removed, too. It goes now, or, if it is still in use (by
 * one who is just dying, or by a script), with this group.
 */
static void clear_key(struct ym_registry_sh *reg, const char *name)
{
	struct ym_sem_stat stat;
	key_t key;
	int id;

	if (ym_keyfile(reg->directory, name, NULL, NULL, &key, NULL) == 0 && !entered(reg, key) &&
	    ym_sem_find(key, &id, NULL) == 0 && ym_sem_stat(id, &stat, NULL) == 0 && stat.cuid == geteuid() &&
	    stat.members == YM_SEM_MEMBERS && ym_sem_remove_unused(id, 0, NULL) == 1)
		ym_registry_note(reg, YM_OBJECT_SEMAPHORE, YM_REGISTRY_FORMER, key, id, 0, NULL);
}

int ym_registry_add(struct ym_registry_sh *reg, enum ym_object_kind kind, const char *name, size_t size,
                    uint32_t version, mode_t mode, void **addr, struct ym_err *err)
{
	struct ym_entry_sh *entry;
	enum ym_object_kind wanted = kind;
	key_t key;

	if (kind == YM_OBJECT_SEMAPHORE)
		clear_key(reg, name);
	entry = empty_entry(reg, name, err);
	if (!entry)
		return -1;
	if (kind == YM_OBJECT_SEGMENT && strlen(name) >= YM_SEG_NAME_MAX)
		return ym_fail(err, YM_ERR_USAGE, "segment name longer than %d characters: %s", YM_SEG_NAME_MAX - 1,
		               name);
	if (ym_keyfile(reg->directory, name, object_taken, &wanted, &key, err) < 0)
		return ym_err_prefix(err, "%s \"%s\"", ym_object_word(kind), name);
	fill_entry(entry, kind, name, key, size);
	atomic_store(&entry->state, YM_ENTRY_CREATING);
	if (make(reg, entry, version, mode, addr, err) < 0) {
		atomic_store(&entry->state, YM_ENTRY_EMPTY);
		return ym_err_prefix(err, "%s \"%s\"", ym_object_word(kind), name);
	}
	atomic_store(&entry->state, YM_ENTRY_LIVE);
	return 0;
}

int ym_registry_note(struct ym_registry_sh *reg, enum ym_object_kind kind, const char *name, key_t key, int id,
                     size_t size, struct ym_err *err)
{
	struct ym_entry_sh *entry = ym_registry_find(reg, name);

	if (entry && entry->key != key) {
		ym_registry_retire(entry);
		entry = NULL;
	}
	if (!entry)
		entry = empty_entry(reg, name, err);
	if (!entry)
		return -1;
	/* Killed in here: whoever removes the group finds the object by its key. */
	entry->kind = kind;
	entry->key = key;
	atomic_store(&entry->state, YM_ENTRY_CREATING);
	fill_entry(entry, kind, name, key, size);
	entry->id = id;
	atomic_store(&entry->state, YM_ENTRY_LIVE);
	return 0;
}

struct ym_entry_sh *ym_registry_find(struct ym_registry_sh *reg, const char *name)
{
	for (unsigned i = 0; i < YM_REGISTRY_ENTRIES; i++) {
		struct ym_entry_sh *entry = &reg->entries[i];

		if (atomic_load(&entry->state) == YM_ENTRY_LIVE && strncmp(entry->name, name, YM_OBJECT_NAME_MAX) == 0)
			return entry;
	}
	return NULL;
}

/* Is this id still the object of `maker` behind the noted key? Ids are reused, keys are re-created. */
static bool still_there(const struct ym_entry_sh *entry, int id, uid_t maker)
{
	uid_t cuid;
	key_t key;

	/* The key of a segment that is being destroyed is 0. */
	return ym_object_identity((enum ym_object_kind)entry->kind, id, &cuid, &key) && cuid == maker &&
	       key == entry->key;
}

/* Who uses a semaphore makes it again when somebody has removed it by hand: the key is the same, the id is not. */
static int present_id(const struct ym_entry_sh *entry)
{
	int id = entry->id;

	if (entry->kind == YM_OBJECT_SEMAPHORE && !still_there(entry, id, geteuid()))
		ym_object_behind(YM_OBJECT_SEMAPHORE, entry->key, &id);
	return id;
}

bool ym_registry_exists(const struct ym_entry_sh *entry)
{
	return still_there(entry, present_id(entry), geteuid());
}

bool ym_registry_has(const struct ym_registry_sh *reg, const struct ym_entry_sh *entry)
{
	uid_t cuid;
	key_t key;

	/* Who made the set, which we have joined, makes all the rest. */
	return ym_object_identity(YM_OBJECT_SEMAPHORE, reg->head.semid, &cuid, &key) &&
	       still_there(entry, entry->id, cuid);
}

bool ym_registry_is_own(const struct ym_registry_sh *reg, const struct ym_entry_sh *entry)
{
	key_t key;

	return ym_keyfile(reg->directory, entry->name, NULL, NULL, &key, NULL) == 0 && key == entry->key;
}

void ym_registry_drop(struct ym_entry_sh *entry)
{
	atomic_store(&entry->state, YM_ENTRY_EMPTY);
}

void ym_registry_retire(struct ym_entry_sh *entry)
{
	memset(entry->name, 0, sizeof(entry->name));
	memcpy(entry->name, YM_REGISTRY_FORMER, sizeof(YM_REGISTRY_FORMER));
}

static bool stays(const struct ym_entry_sh *entry, int id)
{
	struct ym_queue_stat stat;

	return entry->size == YM_QUEUE_STAYS_FULL && ym_queue_stat(id, &stat, NULL) == 0 && stat.messages > 0;
}

static void remove_entry(const struct ym_entry_sh *entry)
{
	enum ym_object_kind kind = (enum ym_object_kind)entry->kind;
	int id = present_id(entry);

	if (atomic_load(&entry->state) == YM_ENTRY_CREATING && !ym_object_behind(kind, entry->key, &id))
		return;
	if (still_there(entry, id, geteuid()) && !(kind == YM_OBJECT_QUEUE && stays(entry, id)))
		remove_object(kind, id);
}

void ym_registry_remove_all(struct ym_registry_sh *reg)
{
	for (unsigned i = 0; i < YM_REGISTRY_ENTRIES; i++) {
		struct ym_entry_sh *entry = &reg->entries[i];

		if (atomic_load(&entry->state) == YM_ENTRY_EMPTY)
			continue;
		remove_entry(entry);
		atomic_store(&entry->state, YM_ENTRY_EMPTY);
	}
}
