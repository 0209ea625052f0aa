/* array.c - ordered maps with integer and string keys. */
#include "array.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "opaque.h"

/* More pairs than this get an index. */
#define SEARCHED_MAX 8

/* An index holds numbers of 32 bits. */
#define PAIRS_MAX ((size_t)1 << 31)

#define NOT_THERE SIZE_MAX

/* ---- hashing --------------------------------------------------------------------------------- */

static uint64_t seeds[2];
static pthread_once_t seeds_once = PTHREAD_ONCE_INIT;

static void make_seeds(void)
{
	struct timespec now;

	/* Without random numbers (early at boot) the time must do. */
	if (getrandom(seeds, sizeof(seeds), GRND_NONBLOCK) != (ssize_t)sizeof(seeds)) {
		clock_gettime(CLOCK_REALTIME, &now);
		seeds[0] = (uint64_t)now.tv_nsec ^ (uint64_t)getpid() << 32;
		seeds[1] = (uint64_t)now.tv_sec * UINT64_C(0x9e3779b97f4a7c15);
	}
	seeds[1] |= 1;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint32_t hash_of(struct ym_array_key key)
{
	uint64_t hash, block = 0;
	size_t at = 0;

	pthread_once(&seeds_once, make_seeds);
	if (!key.bytes)
		return (uint32_t)fold((uint64_t)key.integer ^ ~seeds[0], seeds[1]);
	hash = seeds[0] + key.length;
	for (; key.length - at >= sizeof(block); at += sizeof(block)) {
		memcpy(&block, key.bytes + at, sizeof(block));
		hash = fold(hash ^ block, seeds[1]);
	}
	block = 0;
	memcpy(&block, key.bytes + at, key.length - at);
	return (uint32_t)fold(hash ^ block, seeds[1]);
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* Is it an integer as PHP would write it? */
static bool is_integer(const char *bytes, size_t length, int64_t *integer)
{
	bool negative = length > 0 && bytes[0] == '-';
	size_t at = negative ? 1 : 0;
	uint64_t number = 0, limit = (uint64_t)INT64_MAX + (negative ? 1 : 0);

	if (length - at < 1 || length - at > 19 || (bytes[at] == '0' && length > 1))
		return false;
	for (; at < length; at++) {
		if (bytes[at] < '0' || bytes[at] > '9')
			return false;
		number = number * 10 + (uint64_t)(bytes[at] - '0');
	}
	if (number > limit)
		return false;
	*integer = (int64_t)(negative ? 0 - number : number);
	return true;
}

struct ym_array_key ym_array_key_string(const char *bytes, size_t length)
{
	struct ym_array_key key = {.bytes = bytes ? bytes : "", .length = length};

	if (is_integer(key.bytes, length, &key.integer))
		return ym_array_key_int(key.integer);
	return key;
}

struct ym_array_key ym_array_key_text(const char *text)
{
	return ym_array_key_string(text, strlen(text));
}

static struct ym_array_key key_of(const struct ym_pair *pair)
{
	if (!pair->bytes)
		return ym_array_key_int(pair->integer);
	return (struct ym_array_key){.bytes = pair->bytes, .length = pair->length};
}

static bool same_key(const struct ym_pair *pair, struct ym_array_key key)
{
	if (!key.bytes || !pair->bytes)
		return !key.bytes && !pair->bytes && pair->integer == key.integer;
	return pair->length == key.length && memcmp(pair->bytes, key.bytes, key.length) == 0;
}

/* ---- searching ------------------------------------------------------------------------------- */

static size_t find(const struct ym_array *array, struct ym_array_key key, uint32_t hash)
{
	if (array->list)
		return !key.bytes && (uint64_t)key.integer < array->count ? (size_t)key.integer : NOT_THERE;
	if (!array->index) {
		for (size_t i = 0; i < array->count; i++) {
			if (same_key(&array->pairs[i], key))
				return i;
		}
		return NOT_THERE;
	}
	for (size_t slot = hash & (array->slots - 1); array->index[slot]; slot = (slot + 1) & (array->slots - 1)) {
		const struct ym_pair *pair = &array->pairs[array->index[slot] - 1];

		if (pair->hash == hash && same_key(pair, key))
			return array->index[slot] - 1;
	}
	return NOT_THERE;
}

static void enter(struct ym_array *array, size_t place)
{
	size_t slot = array->pairs[place].hash & (array->slots - 1);

	while (array->index[slot])
		slot = (slot + 1) & (array->slots - 1);
	array->index[slot] = (uint32_t)place + 1;
}

/* Make the index anew, twice as large as the room for pairs at least. */
static int make_index(struct ym_array *array, struct ym_err *err)
{
	size_t slots = 32;
	uint32_t *index;

	while (slots < array->capacity * 2)
		slots *= 2;
	index = calloc(slots, sizeof(*index));
	if (!index)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory: calloc(%zu) for the index of an array", slots);
	free(array->index);
	array->index = index;
	array->slots = slots;
	for (size_t i = 0; i < array->count; i++) {
		array->pairs[i].hash = hash_of(key_of(&array->pairs[i]));
		enter(array, i);
	}
	return 0;
}

static bool needs_index(const struct ym_array *array, size_t count, bool list)
{
	return !list && count > SEARCHED_MAX && (!array->index || array->slots < count * 2);
}

/* ---- making and freeing ---------------------------------------------------------------------- */

struct ym_array *ym_array_new(struct ym_err *err)
{
	struct ym_array *array = calloc(1, sizeof(*array));

	if (!array) {
		ym_fail(err, YM_ERR_LIMIT, "out of memory: calloc(%zu) for an array", sizeof(*array));
		return NULL;
	}
	array->list = true;
	return array;
}

void ym_array_free(struct ym_array *array)
{
	array->todo = NULL;
	while (array) {
		struct ym_array *now = array;

		array = now->todo;
		for (size_t i = 0; i < now->count; i++) {
			struct ym_value *value = &now->pairs[i].value;

			free(now->pairs[i].bytes);
			if (value->type == YM_TYPE_ARRAY) {
				value->array->todo = array;
				array = value->array;
			} else {
				ym_value_free(value);
			}
		}
		free(now->pairs);
		free(now->index);
		free(now);
	}
}

int ym_array_reserve(struct ym_array *array, size_t count, struct ym_err *err)
{
	struct ym_pair *pairs;

	if (count <= array->capacity)
		return 0;
	if (count > PAIRS_MAX)
		return ym_fail(err, YM_ERR_LIMIT, "an array of %zu pairs: more than %zu", count, PAIRS_MAX);
	pairs = realloc(array->pairs, count * sizeof(*pairs));
	if (!pairs)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory: realloc(%zu) for an array", count * sizeof(*pairs));
	array->pairs = pairs;
	array->capacity = count;
	return 0;
}

/* PHP counts on from the largest integer there ever was. */
static void count_on(struct ym_array *array, int64_t integer)
{
	if (array->numbered && integer < array->next)
		return;
	array->numbered = true;
	array->full = integer == INT64_MAX;
	array->next = array->full ? integer : integer + 1;
}

static int add(struct ym_array *array, struct ym_array_key key, uint32_t hash, struct ym_err *err)
{
	bool list = array->list && !key.bytes && (uint64_t)key.integer == array->count;
	struct ym_pair *pair;
	char *bytes = NULL;

	if (array->count == array->capacity &&
	    ym_array_reserve(array, array->capacity < 2 ? 4 : array->capacity * 2, err) < 0)
		return -1;
	if (needs_index(array, array->count + 1, list)) {
		if (make_index(array, err) < 0)
			return -1;
		hash = hash_of(key);
	}
	if (key.bytes) {
		bytes = malloc(key.length + 1);
		if (!bytes)
			return ym_fail(err, YM_ERR_LIMIT, "out of memory: malloc(%zu) for a key", key.length + 1);
		memcpy(bytes, key.bytes, key.length);
		bytes[key.length] = '\0';
	}
	pair = &array->pairs[array->count];
	*pair = (struct ym_pair){.bytes = bytes, .hash = hash};
	if (bytes)
		pair->length = key.length;
	else
		pair->integer = key.integer;
	if (!bytes)
		count_on(array, key.integer);
	array->list = list;
	array->count++;
	if (array->index)
		enter(array, array->count - 1);
	return 0;
}

int ym_array_place(struct ym_array *array, struct ym_array_key key, size_t *place, struct ym_err *err)
{
	uint32_t hash = array->index ? hash_of(key) : 0;

	*place = find(array, key, hash);
	if (*place != NOT_THERE)
		return 1;
	*place = array->count;
	return add(array, key, hash, err);
}

/* ---- copying --------------------------------------------------------------------------------- */

bool ym_copy_allows(struct ym_copy_limit *limit, size_t length, size_t levels)
{
	size_t cost = 1 + length / YM_ARRAY_COST;

	if (!limit)
		return true;
	if (cost > limit->values || levels > limit->depth)
		return false;
	limit->values -= cost;
	return true;
}

/* An empty array that is to become a copy at this level. */
static struct ym_array *new_copy(const struct ym_array *origin, size_t level, struct ym_array *todo, struct ym_err *err)
{
	struct ym_array *array = ym_array_new(err);

	if (!array)
		return NULL;
	array->origin = origin;
	array->level = level;
	array->todo = todo;
	return array;
}

/* One pair, behind the others; an array in it is made empty and put on the list of what is still to be filled. */
static int copy_pair(struct ym_array *to, const struct ym_pair *from, struct ym_array **todo,
                     struct ym_copy_limit *limit, struct ym_err *err)
{
	struct ym_value *value;

	if (from->bytes && !ym_copy_allows(limit, from->length, 0))
		return 1;
	if (add(to, key_of(from), to->index ? hash_of(key_of(from)) : 0, err) < 0)
		return -1;
	value = &to->pairs[to->count - 1].value;
	if (from->value.type == YM_TYPE_OPAQUE && limit && to->level + from->value.opaque->depth > limit->depth)
		return 1;
	if (from->value.type != YM_TYPE_ARRAY)
		return ym_value_copy_within(value, &from->value, limit, err);
	if (!ym_copy_allows(limit, 0, from->value.array->count > 0 ? to->level + 1 : 0))
		return 1;
	value->array = new_copy(from->value.array, to->level + 1, *todo, err);
	if (!value->array)
		return -1;
	value->type = YM_TYPE_ARRAY;
	*todo = value->array;
	return 0;
}

int ym_array_copy(struct ym_array **out, const struct ym_array *array, struct ym_copy_limit *limit, struct ym_err *err)
{
	struct ym_array *todo, *now;
	int result = 0;

	if (!ym_copy_allows(limit, 0, array->count > 0 ? 1 : 0))
		return 1;
	todo = *out = new_copy(array, 1, NULL, err);
	if (!todo)
		return -1;
	while (result == 0 && todo) {
		now = todo;
		todo = now->todo;
		result = ym_array_reserve(now, now->origin->count, err);
		for (size_t i = 0; result == 0 && i < now->origin->count; i++)
			result = copy_pair(now, &now->origin->pairs[i], &todo, limit, err);
		now->next = now->origin->next;
		now->numbered = now->origin->numbered;
		now->full = now->origin->full;
	}
	if (result != 0) {
		ym_array_free(*out);
		*out = NULL;
	}
	return result;
}

/* ---- the public functions -------------------------------------------------------------------- */

size_t ym_array_count(const struct ym_array *array)
{
	return array->count;
}

struct ym_value *ym_array_get(const struct ym_array *array, struct ym_array_key key)
{
	size_t place = find(array, key, array->index ? hash_of(key) : 0);

	return place == NOT_THERE ? NULL : &array->pairs[place].value;
}

struct ym_value *ym_array_at(const struct ym_array *array, size_t index, struct ym_array_key *key)
{
	if (index >= array->count)
		return NULL;
	if (key)
		*key = key_of(&array->pairs[index]);
	return &array->pairs[index].value;
}

int ym_array_set(struct ym_array *array, struct ym_array_key key, struct ym_value *value, struct ym_err *err)
{
	struct ym_value taken = *value; /* `value` may stand in this array, which moves when it grows */
	size_t place;

	*value = (struct ym_value){0};
	if (ym_array_place(array, key, &place, err) < 0) {
		ym_value_free(&taken);
		return -1;
	}
	ym_value_free(&array->pairs[place].value);
	array->pairs[place].value = taken;
	return 0;
}

int ym_array_append(struct ym_array *array, struct ym_value *value, struct ym_err *err)
{
	if (!array->full)
		return ym_array_set(array, ym_array_key_int(array->next), value, err);
	ym_value_free(value);
	return ym_fail(err, YM_ERR_LIMIT, "no key is left to append to an array that has the largest integer as a key");
}

bool ym_array_remove(struct ym_array *array, struct ym_array_key key)
{
	size_t place = find(array, key, array->index ? hash_of(key) : 0);
	struct ym_pair *pair;

	if (place == NOT_THERE)
		return false;
	pair = &array->pairs[place];
	ym_value_free(&pair->value);
	free(pair->bytes);
	array->count--;
	memmove(pair, pair + 1, (array->count - place) * sizeof(*pair));
	array->list = array->list && place == array->count;
	if (array->index) {
		memset(array->index, 0, array->slots * sizeof(*array->index));
		for (size_t i = 0; i < array->count; i++)
			enter(array, i);
	} else if (needs_index(array, array->count, array->list)) {
		make_index(array, NULL); /* without memory, searching one by one finds everything, too */
	}
	return true;
}

bool ym_array_is_list(const struct ym_array *array)
{
	for (size_t i = 0; !array->list && i < array->count; i++) {
		if (array->pairs[i].bytes || array->pairs[i].integer != (int64_t)i)
			return false;
	}
	return true;
}
