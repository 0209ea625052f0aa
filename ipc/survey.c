/* survey.c - tell what the objects of an IPC namespace are. */
#include "survey.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "generation.h"
#include "key.h"
#include "procfs.h"
#include "sys.h"
#include "vars.h"

static const char *const words[] = {
#define X(name, word, text) [YM_SURVEY_##name] = word,
    YM_SURVEY_KIND_MAP(X)
#undef X
};

const char *ym_survey_word(enum ym_survey_kind kind)
{
	return words[kind];
}

static int out_of_memory(struct ym_err *err)
{
	return ym_fail(err, YM_ERR_LIMIT, "out of memory for the list of IPC objects");
}

/* ---- the objects ----------------------------------------------------------------------------- */

static struct ym_survey_object *object_by_id(struct ym_survey *survey, enum ym_object_kind type, int id)
{
	for (size_t i = 0; i < survey->nobjects; i++)
		if (survey->objects[i].type == type && survey->objects[i].id == id)
			return &survey->objects[i];
	return NULL;
}

const struct ym_survey_object *ym_survey_by_id(const struct ym_survey *survey, enum ym_object_kind type, int id)
{
	return object_by_id((struct ym_survey *)survey, type, id);
}

const struct ym_survey_object *ym_survey_by_key(const struct ym_survey *survey, enum ym_object_kind type, key_t key)
{
	for (size_t i = 0; i < survey->nobjects; i++)
		if (survey->objects[i].type == type && survey->objects[i].key == key && !survey->objects[i].dest)
			return &survey->objects[i];
	return NULL;
}

const struct ym_survey_entry *ym_survey_entry(const struct ym_survey_group *group, const char *name)
{
	for (unsigned i = 0; i < group->nentries; i++)
		if (strcmp(group->entries[i].name, name) == 0)
			return &group->entries[i];
	return NULL;
}

static int list_objects(struct ym_survey *survey, enum ym_object_kind type, struct ym_err *err)
{
	struct ym_survey_object *more;
	struct ym_sysv_row *rows;
	size_t count;

	if (ym_sysv_read(type, &rows, &count, err) < 0)
		return -1;
	more = reallocarray(survey->objects, survey->nobjects + count + 1, sizeof(*more));
	if (!more) {
		free(rows);
		return out_of_memory(err);
	}
	survey->objects = more;
	for (size_t i = 0; i < count; i++)
		survey->objects[survey->nobjects++] = (struct ym_survey_object){
		    .type = type,
		    .kind = type == YM_OBJECT_QUEUE ? YM_SURVEY_QUEUE : YM_SURVEY_FOREIGN,
		    .row = rows[i],
		    .key = (key_t)rows[i].key,
		    .id = (int)rows[i].id,
		    .group = -1,
		    .dest = type == YM_OBJECT_SEGMENT && (rows[i].perms & SHM_DEST),
		    .ours = (uid_t)rows[i].cuid == geteuid(),
		    .semid = -1,
		    .value = -1,
		    .usage = -1,
		    .locked = -1,
		    .waiters = -1,
		};
	free(rows);
	return 0;
}

bool ym_survey_peek(int id, void *to, size_t size)
{
	struct shmid_ds ds;
	ssize_t n = -1;
	void *addr;
	int fd;

	if (ym_sys.shmctl(id, IPC_STAT, &ds) < 0 || ds.shm_segsz < size)
		return false;
	addr = ym_sys.shmat(id, NULL, SHM_RDONLY);
	if (addr == (void *)-1)
		return false;
	fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = pread(fd, to, size, (off_t)(uintptr_t)addr);
		close(fd);
	}
	ym_sys.shmdt(addr);
	return n == (ssize_t)size;
}

/* The first bytes of a segment say what it is. */
static void look_into_segment(const struct ym_survey *survey, struct ym_survey_object *object)
{
	union {
		struct ym_seg_head_sh seg;
		char php[sizeof(YM_VARS_MAGIC)];
	} head;
	uint64_t magic;

	if ((survey->rmid_forced && object->row.count == 0) || object->row.size < (int64_t)YM_VARS_SIZE_MIN)
		return;
	/* Nobody has ever touched it: all zero, and reading would take a page. */
	if (object->row.resident == 0 && object->row.swapped == 0)
		return;
	memset(&head, 0, sizeof(head));
	if (!ym_survey_peek(object->id, &head,
	                    object->row.size < (int64_t)sizeof(head) ? YM_VARS_SIZE_MIN : sizeof(head)))
		return;
	magic = atomic_load(&head.seg.magic);
	if (memcmp(head.php, YM_VARS_MAGIC, sizeof(head.php)) == 0) {
		object->kind = YM_SURVEY_VARIABLES;
	} else if (magic == YM_SEG_MAGIC || magic == YM_SEG_BEGUN) {
		object->kind = YM_SURVEY_STRAY;
		object->semid = head.seg.semid;
		memcpy(object->name, head.seg.name, sizeof(head.seg.name));
		ym_printable(object->name);
		if (magic == YM_SEG_MAGIC && head.seg.version == YM_REGISTRY_VERSION &&
		    strcmp(object->name, YM_REGISTRY_NAME) == 0 && ym_registry_fits((uint64_t)object->row.size))
			object->kind = YM_SURVEY_REGISTRY;
	}
}

static void look_into_set(struct ym_survey_object *object)
{
	if (object->row.size != YM_SEM_MEMBERS)
		return;
	object->kind = YM_SURVEY_SEMAPHORE;
	object->value = ym_sem_value(object->id, YM_SEM_VALUE);
	object->usage = ym_sem_value(object->id, YM_SEM_USAGE);
	object->locked = ym_sem_value(object->id, YM_SEM_LOCK);
	object->locker = object->locked > 0 ? ym_sem_pid(object->id, YM_SEM_LOCK) : 0;
	object->waiters = ym_sys.semctl(object->id, YM_SEM_VALUE, GETNCNT, (union ym_semun){0});
}

/* ---- groups ---------------------------------------------------------------------------------- */

static struct ym_survey_group *add_group(struct ym_survey *survey, key_t key, struct ym_err *err)
{
	struct ym_survey_group *more = reallocarray(survey->groups, survey->ngroups + 1, sizeof(*more));

	if (!more) {
		out_of_memory(err);
		return NULL;
	}
	survey->groups = more;
	more += survey->ngroups++;
	*more = (struct ym_survey_group){.key = key, .semid = -1, .regid = -1, .usage = -1, .ready = -1};
	return more;
}

static bool group_shape(const struct ym_survey_object *set)
{
	return set->type == YM_OBJECT_SEMAPHORE && set->row.size >= YM_GROUP_NSEMS(1) &&
	       set->row.size <= YM_GROUP_NSEMS(YM_GROUP_CAPACITY_MAX) && (set->row.size - YM_GROUP_SLOTS) % 2 == 0;
}

/* That it has gone is nobody's concern. */
static bool former_and_gone(const struct ym_entry_sh *entry)
{
	int id;

	return strncmp(entry->name, YM_REGISTRY_FORMER, sizeof(entry->name)) == 0 &&
	       !ym_object_behind((enum ym_object_kind)entry->kind, entry->key, &id);
}

static int fill_entries(struct ym_survey_group *group, const struct ym_registry_sh *reg, struct ym_err *err)
{
	group->entries = calloc(YM_REGISTRY_ENTRIES, sizeof(*group->entries));
	if (!group->entries)
		return out_of_memory(err);
	for (unsigned i = 0; i < YM_REGISTRY_ENTRIES; i++) {
		const struct ym_entry_sh *from = &reg->entries[i];
		struct ym_survey_entry *entry = &group->entries[group->nentries];
		uint32_t state = atomic_load(&from->state);

		if (state == YM_ENTRY_EMPTY || from->kind > YM_OBJECT_VARIABLES || former_and_gone(from))
			continue;
		entry->kind = (enum ym_object_kind)from->kind;
		entry->creating = state == YM_ENTRY_CREATING;
		entry->key = from->key;
		entry->id = from->id;
		entry->size = from->size;
		memcpy(entry->name, from->name, sizeof(from->name));
		ym_printable(entry->name);
		group->nentries++;
	}
	return 0;
}

/* What the row of a slot says, if it is about this process: who joins enters himself when he first needs the registry. */
static void fill_member(struct ym_survey_member *member, const struct ym_member_sh *row, unsigned slot, pid_t pid)
{
	*member = (struct ym_survey_member){.slot = slot, .pid = pid};
	if (atomic_load(&row->pid) != pid)
		return;
	member->joined = row->joined;
	memcpy(member->role, row->role, sizeof(row->role) - 1);
	ym_printable(member->role);
}

/* Slots that are taken: by the living, or by the dead who have not been cleared up. `values` NULL: there is no set. */
static int fill_members(struct ym_survey_group *group, const struct ym_registry_sh *reg, unsigned capacity,
                        const unsigned short *values, struct ym_err *err)
{
	group->members = calloc(capacity, sizeof(*group->members));
	if (!group->members)
		return out_of_memory(err);
	for (unsigned i = 0; i < capacity; i++) {
		const struct ym_member_sh *row = &reg->members[i];
		struct ym_survey_member *member = &group->members[group->nmembers];
		pid_t pid = atomic_load(&row->pid);

		if (values ? !values[YM_GROUP_ALIVE(i)] && !values[YM_GROUP_DIRTY(i)]
		           : pid <= 0 || ym_process_started(pid) != row->started)
			continue;
		/* The last operation on ALIVE was its owner's: his join, or what the kernel undid at his death. */
		fill_member(member, row, i, values ? ym_sem_pid(group->semid, YM_GROUP_ALIVE(i)) : pid);
		member->alive = !values || values[YM_GROUP_ALIVE(i)];
		group->nmembers++;
	}
	return 0;
}

static int read_registry(struct ym_survey_group *group, const unsigned short *values, struct ym_err *err)
{
	struct ym_registry_sh *reg = calloc(1, group->size);
	unsigned fits = (unsigned)((group->size - sizeof(*reg)) / sizeof(reg->members[0]));
	int result = 0;

	if (!reg)
		return out_of_memory(err);
	if (ym_survey_peek(group->regid, reg, group->size)) {
		if (!values)
			group->capacity = fits;
		memcpy(group->directory, reg->directory, sizeof(group->directory) - 1);
		ym_printable(group->directory);
		group->keeps = reg->keeps != 0;
		group->complete = atomic_load(&reg->complete);
		group->guardian = atomic_load(&reg->guardian);
		group->guarded =
		    group->guardian > 0 && ym_process_started(group->guardian) == atomic_load(&reg->guardian_started);
		result = fill_entries(group, reg, err);
		if (result == 0)
			result = fill_members(group, reg, group->capacity < fits ? group->capacity : fits, values, err);
	}
	free(reg);
	return result;
}

/* *values: all members of the set, or NULL if they may not be read. */
static int read_set(struct ym_survey_group *group, const struct ym_survey_object *set, unsigned short **values,
                    struct ym_err *err)
{
	group->semid = set->id;
	group->capacity = (unsigned)(set->row.size - YM_GROUP_SLOTS) / 2;
	group->used = set->row.used;
	*values = calloc((size_t)set->row.size, sizeof(**values));
	if (!*values)
		return out_of_memory(err);
	if (ym_sys.semctl(set->id, 0, GETALL, (union ym_semun){.array = *values}) < 0) {
		free(*values);
		*values = NULL;
		return 0;
	}
	group->readable = true;
	group->usage = (*values)[YM_GROUP_USAGE];
	group->ready = (*values)[YM_GROUP_READY];
	group->led = (*values)[YM_GROUP_LEADER] > 0;
	group->leader = group->led ? ym_sem_pid(set->id, YM_GROUP_LEADER) : 0;
	group->locked = (*values)[YM_GROUP_LOCK] > 0;
	group->lock = group->locked ? ym_sem_pid(set->id, YM_GROUP_LOCK) : 0;
	return 0;
}

/* A group of a set, a registry, or both. */
static int make_group(struct ym_survey *survey, struct ym_survey_object *set, struct ym_survey_object *registry,
                      const char *directory, struct ym_err *err)
{
	const struct ym_survey_object *root = registry ? registry : set;
	struct ym_survey_group *group = add_group(survey, set ? set->key : root->key, err);
	unsigned short *values = NULL;
	int result = 0;

	if (!group)
		return -1;
	group->ours = root->ours;
	group->uid = (uid_t)root->row.cuid;
	if (directory)
		snprintf(group->directory, sizeof(group->directory), "%s", directory);
	if (set) {
		set->kind = YM_SURVEY_GROUP;
		set->group = (int)survey->ngroups - 1;
		result = read_set(group, set, &values, err);
	}
	if (registry && result == 0) {
		registry->group = (int)survey->ngroups - 1;
		group->regid = registry->id;
		group->reg_dest = registry->dest;
		group->size = (uint64_t)registry->row.size;
		group->attached = (uint64_t)registry->row.count;
		result = read_registry(group, values, err);
	}
	free(values);
	return result;
}

/* The set of a registry: it names its id, ids are reused, and anybody may write anything into a segment of his own. */
static struct ym_survey_object *set_of(struct ym_survey *survey, const struct ym_survey_object *registry)
{
	struct ym_survey_object *set = object_by_id(survey, YM_OBJECT_SEMAPHORE, registry->semid);

	if (!set || !group_shape(set) || set->group >= 0 || set->row.cuid != registry->row.cuid ||
	    (!registry->dest && set->key != registry->key))
		return NULL;
	return set;
}

static int find_groups(struct ym_survey *survey, bool dest, struct ym_err *err)
{
	for (size_t i = 0; i < survey->nobjects; i++) {
		struct ym_survey_object *registry = &survey->objects[i], *set;

		if (registry->kind != YM_SURVEY_REGISTRY || registry->dest != dest)
			continue;
		set = set_of(survey, registry);
		if (dest && !set) {
			/* Removed with its set: the last process that has it attached is about to let go of it. */
			continue;
		}
		if (make_group(survey, set, registry, NULL, err) < 0)
			return -1;
	}
	return 0;
}

/* Sets without a registry: a key file of a known directory says that they are a group's. */
static int find_bare_sets(struct ym_survey *survey, const char *const *directories, size_t n, struct ym_err *err)
{
	for (size_t i = 0; i < survey->nobjects; i++) {
		struct ym_survey_object *set = &survey->objects[i];
		const char *known = NULL;
		key_t key;

		if (!group_shape(set) || set->group >= 0)
			continue;
		for (size_t at = 0; at < n && !known; at++)
			if (ym_keyfile(directories[at], YM_REGISTRY_NAME, NULL, NULL, &key, NULL) == 0 &&
			    key == set->key)
				known = directories[at];
		if (known && make_group(survey, set, NULL, known, err) < 0)
			return -1;
		if (!known && (uint32_t)set->key >> 24 == YM_KEY_PROJECT)
			set->kind = YM_SURVEY_SHAPE;
	}
	return 0;
}

/* Find the objects of all entries. */
static void match_entries(struct ym_survey *survey)
{
	for (size_t i = 0; i < survey->ngroups; i++) {
		struct ym_survey_group *group = &survey->groups[i];

		for (unsigned at = 0; at < group->nentries; at++) {
			struct ym_survey_entry *entry = &group->entries[at];
			enum ym_object_kind type = entry->kind == YM_OBJECT_VARIABLES ? YM_OBJECT_SEGMENT : entry->kind;
			struct ym_survey_object *object = object_by_id(survey, type, entry->id);

			if (entry->creating || !object || object->key != entry->key || object->dest ||
			    (uid_t)object->row.cuid != group->uid || object->group >= 0)
				continue;
			entry->exists = true;
			object->kind = YM_SURVEY_MEMBER;
			object->group = (int)i;
			memcpy(object->name, entry->name, sizeof(entry->name));
		}
	}
}

/* ---- all of it ------------------------------------------------------------------------------- */

static bool rmid_forced(void)
{
	char letter = '0';
	FILE *from = fopen("/proc/sys/kernel/shm_rmid_forced", "re");

	if (!from)
		return false;
	if (fread(&letter, 1, 1, from) != 1)
		letter = '0';
	fclose(from);
	return letter != '0';
}

int ym_survey_take(struct ym_survey *survey, const char *const *directories, size_t ndirectories, struct ym_err *err)
{
	*survey = (struct ym_survey){.rmid_forced = rmid_forced()};
	if (list_objects(survey, YM_OBJECT_SEMAPHORE, err) < 0 || list_objects(survey, YM_OBJECT_SEGMENT, err) < 0 ||
	    list_objects(survey, YM_OBJECT_QUEUE, err) < 0)
		return -1;
	for (size_t i = 0; i < survey->nobjects; i++) {
		if (survey->objects[i].type == YM_OBJECT_SEGMENT)
			look_into_segment(survey, &survey->objects[i]);
		if (survey->objects[i].type == YM_OBJECT_SEMAPHORE)
			look_into_set(&survey->objects[i]);
	}
	/* Living registries first: one that is being destroyed may name the same set. */
	if (find_groups(survey, false, err) < 0 || find_groups(survey, true, err) < 0 ||
	    find_bare_sets(survey, directories, ndirectories, err) < 0)
		return -1;
	match_entries(survey);
	return 0;
}

void ym_survey_free(struct ym_survey *survey)
{
	for (size_t i = 0; i < survey->ngroups; i++) {
		free(survey->groups[i].members);
		free(survey->groups[i].entries);
	}
	free(survey->groups);
	free(survey->objects);
	*survey = (struct ym_survey){0};
}
