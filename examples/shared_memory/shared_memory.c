/* shared_memory.c - see shared_memory.h. */
#include "shared_memory.h"

#include <errno.h>
#include <sys/stat.h>

#define MODE         0600
#define PARTICIPANTS 64
#define PATIENCE_MS  5000 /* for others that join or leave */
#define CONTENTS     1    /* the variable in a copy */

static const char *const copy_names[SHARED_MEMORY_COPIES] = {"copy0", "copy1"};

/* ---- open and close -------------------------------------------------------------------------- */

static int join(struct shared_memory *memory, const char *directory, size_t size, struct ym_err *err)
{
	const struct ym_group_spec spec = {
	    .directory = directory,
	    .role = "shared memory",
	    .capacity = PARTICIPANTS,
	    .mode = MODE,
	    .patience_ms = PATIENCE_MS,
	    .objects = memory->objects,
	    .nobjects = SHARED_MEMORY_COPIES + 1,
	};

	for (int i = 0; i < SHARED_MEMORY_COPIES; i++)
		memory->objects[i] =
		    (struct ym_group_object){.kind = YM_OBJECT_VARIABLES, .name = copy_names[i], .size = size};
	memory->objects[SHARED_MEMORY_COPIES] =
	    (struct ym_group_object){.kind = YM_OBJECT_SEMAPHORE, .name = "mutex", .size = 1};
	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return ym_fail_sys(err, errno, "mkdir(\"%s\") for the key files", directory);
	return ym_group_join(&memory->group, &spec, err);
}

/* A copy that a killed process was writing cannot be used as it is, but it can be mended by the next writer. */
static int attach_copy(struct shared_memory *memory, int i, struct ym_err *err)
{
	return ym_group_vars(&memory->group, copy_names[i], YM_VARS_DAMAGED, &memory->copies[i], err);
}

int shared_memory_open(struct shared_memory *memory, const char *directory, size_t size, struct ym_err *err)
{
	int result;

	*memory = (struct shared_memory){.mutex = {.id = -1}};
	if (join(memory, directory, size, err) < 0)
		return -1;
	result = ym_group_guardian(&memory->group, err);
	if (result == 0)
		result = ym_group_sem(&memory->group, "mutex", &memory->mutex, err);
	for (int i = 0; result == 0 && i < SHARED_MEMORY_COPIES; i++)
		result = attach_copy(memory, i, err);
	if (result < 0)
		shared_memory_close(memory, NULL, NULL);
	return result;
}

int shared_memory_close(struct shared_memory *memory, bool *last, struct ym_err *err)
{
	for (int i = 0; i < SHARED_MEMORY_COPIES; i++)
		ym_vars_detach(&memory->copies[i]);
	ym_sem_close(&memory->mutex);
	return ym_group_leave(&memory->group, last, err);
}

/* ---- the two copies -------------------------------------------------------------------------- */

/* What a copy holds: the array [version, values]. The pointers lead into it, and are valid until it is changed. */
struct contents {
	struct ym_value all;
	struct ym_value *version, *values;
};

static bool understand(struct contents *contents)
{
	if (contents->all.type != YM_TYPE_ARRAY)
		return false;
	contents->version = ym_array_get(contents->all.array, ym_array_key_int(0));
	contents->values = ym_array_get(contents->all.array, ym_array_key_int(1));
	return contents->version && contents->version->type == YM_TYPE_INT && contents->values &&
	       contents->values->type == YM_TYPE_ARRAY;
}

/* Version 0: nothing has been written so far. */
static int begin(struct contents *contents, struct ym_err *err)
{
	struct ym_value version = ym_value_int(0), values;

	if (ym_value_array(&contents->all, err) < 0)
		return -1;
	if (ym_array_append(contents->all.array, &version, err) < 0 || ym_value_array(&values, err) < 0 ||
	    ym_array_append(contents->all.array, &values, err) < 0) {
		ym_value_free(&contents->all);
		return -1;
	}
	understand(contents);
	return 0;
}

/* 0, 1 nothing was ever written, -1; YM_ERR_CORRUPT: its writer was killed. */
static int read_copy(const struct ym_vars *copy, struct contents *contents, struct ym_err *err)
{
	int missing = ym_vars_get(copy, CONTENTS, &contents->all, err);

	if (missing || understand(contents))
		return missing;
	ym_value_free(&contents->all);
	return ym_fail(err, YM_ERR_CORRUPT, "segment id %d holds something else than [version, values]", copy->id);
}

/* The copy that counts. Mutex held. */
static int load(struct shared_memory *memory, struct contents *best, struct ym_err *err)
{
	bool found = false, unreadable = false;
	struct contents next;

	for (int i = 0; i < SHARED_MEMORY_COPIES; i++) {
		int missing = read_copy(&memory->copies[i], &next, err);

		if (missing < 0 && err->class != YM_ERR_CORRUPT) {
			if (found)
				ym_value_free(&best->all);
			return -1;
		}
		unreadable |= missing < 0;
		if (missing)
			continue;
		if (found && next.version->integer < best->version->integer) {
			ym_value_free(&next.all);
			continue;
		}
		if (found)
			ym_value_free(&best->all);
		*best = next;
		found = true;
	}
	if (found)
		return 0;
	/* A killed writer spoils one copy, and the other one is there before: this was somebody else. */
	return unreadable ? ym_err_prefix(err, "no copy of the values is whole") : begin(best, err);
}

/* Into the other copy, as the next version. Mutex held. */
static int store(struct shared_memory *memory, struct contents *contents, struct ym_err *err)
{
	struct ym_vars *copy;

	contents->version->integer++;
	copy = &memory->copies[contents->version->integer % SHARED_MEMORY_COPIES];
	if (ym_vars_put(copy, CONTENTS, &contents->all, err) == 0)
		return 0;
	/* A killed writer has left it damaged; or smaller than it is, if PHP has tried to use it since. */
	if ((err->class != YM_ERR_CORRUPT && err->class != YM_ERR_FULL) || ym_vars_repair(copy, NULL, err) < 0)
		return -1;
	return ym_vars_put(copy, CONTENTS, &contents->all, err);
}

/* ---- changes --------------------------------------------------------------------------------- */

/* Returns what `change` returned; after 0 or 2, the contents have to be stored. */
static int change_one(struct contents *contents, const char *name, ym_vars_change *change, void *arg,
                      struct ym_err *err)
{
	const struct ym_array_key key = ym_array_key_text(name);
	struct ym_array *values = contents->values->array;
	const struct ym_value *old = ym_array_get(values, key);
	struct ym_value value = {0};
	int result;

	if (old && ym_value_copy(&value, old, err) < 0)
		return -1;
	result = change(&value, old != NULL, arg, err);
	if (result == 0)
		return ym_array_set(values, key, &value, err);
	if (result == 2)
		ym_array_remove(values, key);
	ym_value_free(&value);
	return result;
}

int shared_memory_update(struct shared_memory *memory, const char *name, int64_t timeout_ms, ym_vars_change *change,
                         void *arg, struct ym_err *err)
{
	struct contents contents;
	int result;

	if (ym_sem_acquire(&memory->mutex, ym_deadline(timeout_ms), err) < 0)
		return -1;
	result = load(memory, &contents, err);
	if (result == 0) {
		result = change_one(&contents, name, change, arg, err);
		if ((result == 0 || result == 2) && store(memory, &contents, err) < 0)
			result = -1;
		ym_value_free(&contents.all);
	}
	/* What failed first is what the caller hears of. */
	if (ym_sem_release(&memory->mutex, result < 0 ? NULL : err) < 0)
		return -1;
	return result;
}

static int forget(struct ym_value *value, bool exists, void *arg, struct ym_err *err)
{
	(void)value, (void)arg, (void)err;
	return exists ? 2 : 1;
}

int shared_memory_delete(struct shared_memory *memory, const char *name, int64_t timeout_ms, struct ym_err *err)
{
	int result = shared_memory_update(memory, name, timeout_ms, forget, NULL, err);

	return result == 2 ? 0 : result;
}

struct taken {
	struct ym_value *to;
	bool exists;
};

static int take(struct ym_value *value, bool exists, void *arg, struct ym_err *err)
{
	struct taken *taken = arg;

	(void)err;
	*taken = (struct taken){.to = taken->to, .exists = exists};
	*taken->to = *value;
	*value = (struct ym_value){0};
	return 1;
}

int shared_memory_get(struct shared_memory *memory, const char *name, int64_t timeout_ms, struct ym_value *value,
                      struct ym_err *err)
{
	struct taken taken = {.to = value};

	*value = (struct ym_value){0};
	if (shared_memory_update(memory, name, timeout_ms, take, &taken, err) < 0)
		return -1;
	return taken.exists ? 0 : 1;
}

static int replace(struct ym_value *value, const struct ym_value *new, struct ym_err *err)
{
	ym_value_free(value);
	return ym_value_copy(value, new, err);
}

static int assign(struct ym_value *value, bool exists, void *arg, struct ym_err *err)
{
	(void)exists;
	return replace(value, arg, err);
}

int shared_memory_set(struct shared_memory *memory, const char *name, int64_t timeout_ms, const struct ym_value *value,
                      struct ym_err *err)
{
	struct ym_value arg = *value; /* still the caller's; `change` takes no const */

	return shared_memory_update(memory, name, timeout_ms, assign, &arg, err);
}

struct sum {
	int64_t by, result;
};

static int add(struct ym_value *value, bool exists, void *arg, struct ym_err *err)
{
	struct sum *sum = arg;

	if (!exists)
		*value = ym_value_int(0);
	if (value->type != YM_TYPE_INT)
		return ym_fail(err, YM_ERR_NO, "the value to add to is no integer");
	if (__builtin_add_overflow(value->integer, sum->by, &sum->result))
		return ym_fail(err, YM_ERR_NO, "the sum does not fit 64 bits");
	value->integer = sum->result;
	return 0;
}

int shared_memory_increment(struct shared_memory *memory, const char *name, int64_t timeout_ms, int64_t by,
                            int64_t *result, struct ym_err *err)
{
	struct sum sum = {.by = by};

	if (shared_memory_update(memory, name, timeout_ms, add, &sum, err) < 0)
		return -1;
	*result = sum.result;
	return 0;
}

struct comparison {
	const struct ym_value *expected, *new;
};

static int compare(struct ym_value *value, bool exists, void *arg, struct ym_err *err)
{
	const struct comparison *comparison = arg;

	if (exists != (comparison->expected != NULL) || (exists && !ym_value_equal(value, comparison->expected)))
		return 1;
	return replace(value, comparison->new, err);
}

int shared_memory_compare_and_set(struct shared_memory *memory, const char *name, int64_t timeout_ms,
                                  const struct ym_value *expected, const struct ym_value *value, struct ym_err *err)
{
	struct comparison comparison = {expected, value};

	return shared_memory_update(memory, name, timeout_ms, compare, &comparison, err);
}

int shared_memory_clear(struct shared_memory *memory, int64_t timeout_ms, struct ym_err *err)
{
	struct contents contents;
	struct ym_value empty;
	int result;

	if (ym_sem_acquire(&memory->mutex, ym_deadline(timeout_ms), err) < 0)
		return -1;
	result = load(memory, &contents, err);
	if (result == 0) {
		result = ym_value_array(&empty, err);
		if (result == 0) {
			ym_value_free(contents.values);
			*contents.values = empty;
			result = store(memory, &contents, err);
		}
		ym_value_free(&contents.all);
	}
	if (ym_sem_release(&memory->mutex, result < 0 ? NULL : err) < 0)
		return -1;
	return result;
}
