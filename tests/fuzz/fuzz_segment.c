/*
 * fuzz_segment.c - any bytes as the contents of a variable segment.
 *
 * The input is a segment, then up to 31 operations of 4 bytes, then their number (modulo 32): so the dump of a segment
 * is an input as it is. The kernel is played (shm.h).
 *
 *   looking    the segment can only be read, and is: nothing is written
 *   working    if it can be attached, operations do what they say, or fail and change nothing
 *   company    the same while another process writes into it, during the naps of those who wait for it
 *   repairing  what is attached as damaged and repaired is without any error from then on, and has kept its variables
 */
#include "fuzz.h"

#include "../../ipc/vars.h"
#include "shm.h"
#include "shot.h"

#define OPERATION_SIZE 4
#define OPERATIONS_MAX 31

#define HEAD      sizeof(struct ym_vars_head_sh)
#define VALUE_MAX 1500

static struct ym_err err;
static struct shot before, after;

/* ---- the input ------------------------------------------------------------------------------- */

static struct {
	const uint8_t *bytes;
	size_t size;
	const uint8_t *operations;
	size_t count;
	size_t next; /* of what another process writes */
} input;

static bool divide(const uint8_t *data, size_t size)
{
	size_t count = size ? data[size - 1] % (OPERATIONS_MAX + 1) : 0;

	if (size < 1 + count * OPERATION_SIZE + 1)
		return false;
	input.bytes = data;
	input.size = size - 1 - count * OPERATION_SIZE;
	input.operations = data + input.size;
	input.count = count;
	return input.size <= SHM_MAX;
}

/* What another process does while we wait: it stores a word. */
static void scribble(void)
{
	static const int64_t words[] = {0, 1, -1, -40, 24, 32, 40, 48, 72, 80, 1 << 16, INT64_MAX, INT64_MIN};
	const uint8_t *operation = input.operations + input.next * OPERATION_SIZE;
	uint64_t word = (uint64_t)words[operation[2] % (sizeof(words) / sizeof(words[0]))] + operation[3];
	size_t at = (size_t)(operation[0] | operation[1] << 8) % (shm_size / 8) * 8;

	if (operation[3] > 0xf0)
		memcpy(&word, input.bytes + at, sizeof(word)); /* as it was */
	memcpy(shm_bytes() + at, &word, sizeof(word));
	input.next = (input.next + 1) % input.count;
}

/* ---- operations ------------------------------------------------------------------------------ */

#define OPERATION_MAP(X)                                                                                               \
	X(put)                                                                                                         \
	X(get)                                                                                                         \
	X(has)                                                                                                         \
	X(remove)                                                                                                      \
	X(fill)

struct operation {
	int64_t key;
	size_t length;
	char letter; /* that values are filled with */
};

/* Serialized, of this length if there is such a string; nonsense otherwise, which is a value, too. */
static const char *value_of(const struct operation *operation, size_t length)
{
	static char value[SHM_MAX];
	int head;

	memset(value, operation->letter, length);
	head = snprintf(NULL, 0, "s:%zu:\"", length);
	if (length > (size_t)head + 2) {
		head = sprintf(value, "s:%zu:\"", length - (size_t)head - 2);
		value[head] = operation->letter;
		memcpy(value + length - 2, "\";", 2);
	}
	return value;
}

/* Put, and look whether it is there as wanted. What was there before, and nothing else, is said by `before`. */
static void put_bytes(struct ym_vars *vars, int64_t key, const char *value, size_t length)
{
	size_t first = 0, times = shot_find(&before, key, &first);
	int result = ym_vars_put_raw(vars, key, value, length, &err);

	if (result < 0) {
		CLAIM_REFUSED(&err, err.class == YM_ERR_FULL || (!before.whole && err.class == YM_ERR_CORRUPT));
		CLAIM(memcmp(before.bytes, shm_bytes(), shm_size) == 0, "changed by a put that failed");
		return;
	}
	/* The second of two variables with one key is seen when the first one moves behind it, in PHP, too. */
	if (!before.whole || times > 1)
		return;
	shot_take(vars, &after);
	CLAIM(after.whole, "damaged by a put");
	shot_claim_others(&before, &after, key);
	CLAIM(shot_find(&after, key, &first) == 1 && after.vars[first].length == length &&
	          memcmp(after.bytes + after.vars[first].at, value, length) == 0,
	      "variable %lld of %zu bytes", (long long)key, length);
}

static void do_put(struct ym_vars *vars, const struct operation *operation)
{
	put_bytes(vars, operation->key, value_of(operation, operation->length), operation->length);
}

/* The longest value that fits, and before that one which does not. */
static void do_fill(struct ym_vars *vars, const struct operation *operation)
{
	struct ym_vars_stat stat;
	size_t first, longer;

	if (ym_vars_stat(vars, &stat, &err) < 0) {
		CLAIM_REFUSED(&err, !before.whole && err.class == YM_ERR_CORRUPT);
		return;
	}
	CLAIM(before.whole && stat.variables == before.count, "%zu variables, not %zu", stat.variables, before.count);
	CLAIM(stat.used >= HEAD && stat.total <= shm_size && stat.free <= stat.total - stat.used,
	      "%zu used and %zu free of %zu", stat.used, stat.free, stat.total);
	if (shot_find(&before, operation->key, &first) > 0)
		return;
	longer = stat.largest + 1;
	put_bytes(vars, operation->key, value_of(operation, longer), longer);
	CLAIM(ym_vars_has(vars, operation->key, &err) == 0, "%zu bytes although only %zu fit", longer, stat.largest);
	if (stat.largest == 0)
		return;
	put_bytes(vars, operation->key, value_of(operation, stat.largest), stat.largest);
	CLAIM(ym_vars_has(vars, operation->key, &err) == 1, "%zu bytes did not fit", stat.largest);
}

static void do_get(struct ym_vars *vars, const struct operation *operation)
{
	struct ym_value value;
	struct ym_buffer bytes;
	size_t first = 0, times = shot_find(&before, operation->key, &first);
	int result;

	ym_buffer_init(&bytes, NULL, 0);
	result = ym_vars_get_raw(vars, operation->key, &bytes, &err);
	if (result < 0)
		CLAIM_REFUSED(&err, !before.whole && err.class == YM_ERR_CORRUPT);
	if (before.whole)
		CLAIM(result == (times == 0), "get of variable %lld: %d", (long long)operation->key, result);
	if (before.whole && result == 0)
		CLAIM(bytes.length == before.vars[first].length &&
		          memcmp(bytes.bytes, before.bytes + before.vars[first].at, bytes.length) == 0,
		      "variable %lld, %zu bytes", (long long)operation->key, bytes.length);
	ym_buffer_free(&bytes);
	result = ym_vars_get(vars, operation->key, &value, &err);
	if (result < 0)
		CLAIM_REFUSED(&err, err.class == YM_ERR_CORRUPT && strstr(err.text, "offset"));
	CLAIM(result == 0 || value.type == YM_TYPE_NULL, "%s without a value", ym_type_word(value.type));
	ym_value_free(&value);
}

static void do_has(struct ym_vars *vars, const struct operation *operation)
{
	size_t first;
	int result = ym_vars_has(vars, operation->key, &err);

	if (result < 0)
		CLAIM_REFUSED(&err, !before.whole && err.class == YM_ERR_CORRUPT);
	if (before.whole)
		CLAIM(result == (shot_find(&before, operation->key, &first) > 0), "%d", result);
}

static void do_remove(struct ym_vars *vars, const struct operation *operation)
{
	size_t first, times = shot_find(&before, operation->key, &first);
	int result = ym_vars_remove(vars, operation->key, &err);

	if (result < 0)
		CLAIM_REFUSED(&err, !before.whole && err.class == YM_ERR_CORRUPT);
	if (result != 0)
		CLAIM(memcmp(before.bytes, shm_bytes(), shm_size) == 0, "changed by removing nothing");
	if (!before.whole)
		return;
	CLAIM(result == (times == 0), "%d", result);
	shot_take(vars, &after);
	CLAIM(after.whole && after.count == before.count - (times > 0), "%zu variables", after.count);
	if (times <= 1)
		shot_claim_others(&before, &after, operation->key);
}

static void (*const operations[])(struct ym_vars *vars, const struct operation *operation) = {
#define X(name) do_##name,
    OPERATION_MAP(X)
#undef X
};

/* Mostly the keys that are there, and some that are not. */
static struct operation operation_number(size_t number)
{
	const uint8_t *bytes = input.operations + number * OPERATION_SIZE;
	size_t pick = bytes[1] % (before.count + 3);

	return (struct operation){
	    .key = pick < before.count ? before.vars[pick].key : (int64_t)(pick - before.count) - 1,
	    .length = 1 + (size_t)(bytes[2] | bytes[3] << 8) % VALUE_MAX,
	    .letter = (char)('a' + bytes[1] % 26),
	};
}

static void operate(struct ym_vars *vars)
{
	for (size_t i = 0; i < input.count; i++) {
		size_t kind = input.operations[i * OPERATION_SIZE] % (sizeof(operations) / sizeof(operations[0]));
		struct operation operation;

		shot_take(vars, &before);
		operation = operation_number(i);
		operations[kind](vars, &operation);
	}
}

/* ---- four ways to meet the segment ------------------------------------------------------------ */

static bool attach(struct ym_vars *vars, unsigned flags)
{
	shm_load(input.bytes, input.size);
	if (ym_vars_attach(vars, SHM_KEY, 0, 0600, flags, &err) == 0)
		return true;
	CLAIM_REFUSED(&err, err.class == YM_ERR_FOREIGN || err.class == YM_ERR_CORRUPT);
	CLAIM(!vars->head, "attached after a failure");
	return false;
}

static void look(unsigned flags)
{
	struct ym_vars vars;
	struct ym_vars_stat stat;

	if (!attach(&vars, flags | YM_VARS_READONLY))
		return;
	shot_walk_over(&vars);
	shot_take(&vars, &before);
	if (flags & YM_VARS_DAMAGED)
		before.whole = false; /* a walk gets further than anything else */
	if (ym_vars_stat(&vars, &stat, &err) < 0)
		CLAIM_REFUSED(&err, err.class == YM_ERR_CORRUPT);
	for (size_t i = 0; i < input.count; i++) {
		struct operation operation = operation_number(i);

		do_get(&vars, &operation);
		do_has(&vars, &operation);
	}
	ym_vars_detach(&vars);
}

/* Nobody writes behind the total, however large the segment is. */
static void claim_rest_untouched(size_t total)
{
	if (total < shm_size)
		CLAIM(memcmp(shm_bytes() + total, input.bytes + total, shm_size - total) == 0, "behind %zu", total);
}

static void work(void)
{
	struct ym_vars vars;
	size_t total;

	if (!attach(&vars, 0))
		return;
	total = (size_t)vars.head->total;
	operate(&vars);
	claim_rest_untouched(total);
	ym_vars_detach(&vars);
}

/* Others write when we wait: whatever comes of it, it ends, and nothing outside is touched. */
static void keep_company(void)
{
	struct ym_vars vars;
	struct ym_buffer bytes;
	struct ym_value value;

	if (input.count == 0 || input.size < HEAD)
		return;
	shm_load(input.bytes, input.size);
	input.next = 0;
	fuzz_clock_start(scribble);
	if (ym_vars_attach(&vars, SHM_KEY, 0, 0600, input.operations[0] & 1 ? YM_VARS_DAMAGED : 0, NULL) == 0) {
		for (size_t i = 0; i < input.count; i++) {
			struct operation operation = operation_number(i);

			ym_buffer_init(&bytes, NULL, 0);
			ym_vars_get_raw(&vars, operation.key, &bytes, NULL);
			ym_buffer_free(&bytes);
			ym_vars_get(&vars, operation.key, &value, NULL);
			ym_value_free(&value);
			ym_vars_put_raw(&vars, operation.key, value_of(&operation, operation.length), operation.length,
			                NULL);
			shot_walk_over(&vars);
			ym_vars_remove(&vars, operation.key, NULL);
		}
		ym_vars_detach(&vars);
	}
	fuzz_clock_start(NULL);
}

/* What a walk through the damaged segment found is there afterwards. */
static void claim_kept(const struct shot *damaged, const struct shot *repaired)
{
	const struct ym_vars_head_sh *is = (const void *)shm_bytes();
	struct ym_vars_head_sh was;
	size_t common = damaged->count < repaired->count ? damaged->count : repaired->count;

	for (size_t i = 0; i < common; i++)
		CLAIM(shot_same(damaged, i, repaired, i), "variable %zu", i);
	/* It may be less when `end` was wrong, and what stood behind the real one looked like chunks. */
	memcpy(&was, input.bytes, sizeof(was));
	if (repaired->count < damaged->count)
		CLAIM(is->end == was.total - was.free, "%zu variables, then %zu", damaged->count, repaired->count);
}

static void claim_wiped(struct ym_vars *vars)
{
	CLAIM(ym_vars_destroy(vars, true, &err) == 0 && shm_removed, "%s", err.text);
	for (size_t at = HEAD; at < shm_size; at++)
		CLAIM(shm_bytes()[at] == 0, "byte %zu", at);
	shot_take(vars, &before);
	CLAIM(before.whole && before.count == 0, "%zu variables", before.count);
}

static void repair(void)
{
	static struct shot damaged;
	struct ym_vars vars;
	size_t lost = 0, again = 1;

	if (!attach(&vars, YM_VARS_DAMAGED))
		return;
	shot_walk_over(&vars);
	shot_take(&vars, &damaged);
	if (ym_vars_repair(&vars, &lost, &err) < 0) {
		CLAIM_REFUSED(&err, err.class == YM_ERR_FOREIGN);
		CLAIM(memcmp(shm_bytes(), input.bytes, shm_size) == 0, "written to, although not PHP's");
		ym_vars_detach(&vars);
		return;
	}
	CLAIM(lost <= shm_size, "%zu bytes lost of %zu", lost, shm_size);
	shot_take(&vars, &before);
	CLAIM(before.whole, "still damaged");
	claim_kept(&damaged, &before);
	CLAIM(ym_vars_repair(&vars, &again, &err) == 0 && again == 0, "%zu bytes lost the second time", again);
	CLAIM(memcmp(before.bytes, shm_bytes(), shm_size) == 0, "changed by a second repair");
	ym_vars_detach(&vars);
	CLAIM(ym_vars_attach(&vars, SHM_KEY, 0, 0600, 0, &err) == 0, "%s", err.text);
	operate(&vars);
	shot_take(&vars, &before);
	CLAIM(before.whole, "damaged by operations");
	claim_wiped(&vars);
	ym_vars_detach(&vars);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!divide(data, size))
		return -1;
	fuzz_clock_start(NULL);
	look(0);
	look(YM_VARS_DAMAGED);
	work();
	keep_company();
	repair();
	return 0;
}

/* ---- mutations ------------------------------------------------------------------------------- */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

/* Every other time, put a word that has to do with the segment where a word is. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15);
	size_t words = size / 8, at = words ? (random >> 8) % words : 0;
	uint64_t word;

	if (words < HEAD / 8 || random >> 63)
		return LLVMFuzzerMutate(data, size, max);
	if (random >> 62 & 1)
		at %= HEAD / 8 + 3;
	at %= words;
	memcpy(&word, data + (random >> 24) % words * 8, sizeof(word));
	switch (random >> 48 & 7) {
	case 0:
		word = 0 - word;
		break;
	case 1:
		word += 8;
		break;
	case 2:
		word -= 8;
		break;
	case 3:
		word = at * 8;
		break;
	case 4:
		word = 0 - (random >> 32) % words * 8;
		break;
	case 5:
		word = (random >> 32) % 12 * 8;
		break;
	case 6:
		word = size - 1 - (random >> 32 & 15);
		break;
	default:
		break;
	}
	memcpy(data + at * 8, &word, sizeof(word));
	return size;
}
