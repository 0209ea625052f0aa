/* declared.c - make and hand out the objects of a group by their names. */
#include "declared.h"

#include <string.h>

#include "queue.h"
#include "registry.h"

static const struct ym_group_object *declaration(const struct ym_group *group, const char *name)
{
	for (unsigned i = 0; i < group->spec.nobjects; i++)
		if (strcmp(group->spec.objects[i].name, name) == 0)
			return &group->spec.objects[i];
	return NULL;
}

static int check(const struct ym_group *group, const struct ym_group_object *object, struct ym_err *err)
{
	if (!object->name[0] || object->name[0] == '.' || strchr(object->name, '/') ||
	    strcmp(object->name, YM_REGISTRY_NAME) == 0)
		return ym_fail(err, YM_ERR_USAGE, "\"%s\" cannot be the name of an object of a group", object->name);
	if (declaration(group, object->name) != object)
		return ym_fail(err, YM_ERR_USAGE, "two objects of the group are named \"%s\"", object->name);
	if (object->kind == YM_OBJECT_SEMAPHORE && object->size > YM_SEM_MAX)
		return ym_fail(err, YM_ERR_USAGE, "semaphore \"%s\": 0 to %d units, not %zu", object->name, YM_SEM_MAX,
		               object->size);
	return 0;
}

int ym_declared_make(struct ym_group *group, struct ym_err *err)
{
	for (unsigned i = 0; i < group->spec.nobjects; i++) {
		const struct ym_group_object *object = &group->spec.objects[i];
		size_t size = object->size;

		if (check(group, object, err) < 0)
			return -1;
		if (object->kind == YM_OBJECT_SEGMENT &&
		    __builtin_add_overflow(size, sizeof(struct ym_seg_head_sh), &size))
			return ym_fail(err, YM_ERR_USAGE, "segment \"%s\": %zu bytes are more than there can be",
			               object->name, object->size);
		if (ym_registry_add(group->reg, object->kind, object->name, size, object->version,
		                    object->mode ? object->mode : group->spec.mode, NULL, err) < 0)
			return -1;
	}
	return 0;
}

/* The entry of a declared object of that kind, whose object still exists; NULL with err. */
static struct ym_entry_sh *find(struct ym_group *group, enum ym_object_kind kind, const char *name,
                                const struct ym_group_object **object, struct ym_err *err)
{
	struct ym_entry_sh *entry;

	*object = declaration(group, name);
	if (!*object || (*object)->kind != kind) {
		ym_fail(err, YM_ERR_USAGE, "the group's declaration has no %s \"%s\"", ym_object_word(kind), name);
		return NULL;
	}
	if (ym_group_registry(group, err) < 0)
		return NULL;
	entry = ym_registry_find(group->reg, name);
	if (!entry || entry->kind != (uint32_t)kind) {
		ym_fail(err, YM_ERR_GONE,
		        "the group has no %s \"%s\": it was made by a program with another declaration",
		        ym_object_word(kind), name);
		return NULL;
	}
	if (!ym_registry_has(group->reg, entry)) {
		ym_fail(err, YM_ERR_GONE, "the %s \"%s\" (key 0x%x, id %d) was removed by somebody else",
		        ym_object_word(kind), name, (unsigned)entry->key, entry->id);
		return NULL;
	}
	return entry;
}

int ym_group_segment(struct ym_group *group, const char *name, void **contents, size_t *size, struct ym_err *err)
{
	const struct ym_group_object *object;
	struct ym_entry_sh *entry = find(group, YM_OBJECT_SEGMENT, name, &object, err);
	size_t all;
	void *addr;

	if (!entry ||
	    ym_seg_attach(entry->id, name, object->version, group->reg->head.semid, false, &addr, &all, err) < 0)
		return -1;
	*contents = (char *)addr + sizeof(struct ym_seg_head_sh);
	if (size)
		*size = all - sizeof(struct ym_seg_head_sh);
	return 0;
}

void ym_group_unmap(void *contents)
{
	if (contents)
		ym_seg_detach((char *)contents - sizeof(struct ym_seg_head_sh));
}

int ym_group_queue(struct ym_group *group, const char *name, int *id, struct ym_err *err)
{
	const struct ym_group_object *object;
	struct ym_entry_sh *entry = find(group, YM_OBJECT_QUEUE, name, &object, err);

	if (!entry)
		return -1;
	*id = entry->id;
	return 0;
}

int ym_group_sem(struct ym_group *group, const char *name, struct ym_sem *sem, struct ym_err *err)
{
	const struct ym_group_object *object;
	struct ym_entry_sh *entry = find(group, YM_OBJECT_SEMAPHORE, name, &object, err);

	*sem = (struct ym_sem){.id = -1};
	if (!entry)
		return -1;
	return ym_sem_get(sem, entry->key, (int)entry->size, object->mode ? object->mode : group->spec.mode,
	                  ym_deadline(group->spec.patience_ms), err);
}

int ym_group_vars(struct ym_group *group, const char *name, unsigned flags, struct ym_vars *vars, struct ym_err *err)
{
	const struct ym_group_object *object;
	struct ym_entry_sh *entry = find(group, YM_OBJECT_VARIABLES, name, &object, err);

	*vars = (struct ym_vars){.id = -1};
	return entry ? ym_vars_open(vars, entry->id, flags, err) : -1;
}
