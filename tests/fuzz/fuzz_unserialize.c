/*
 * fuzz_unserialize.c - any bytes as a serialized value.
 *
 * What is accepted can be written; what is written reads back to an equal value, and is written the same again. Copies
 * are equal and independent. Memory stays in proportion to the input, and any allocation may fail.
 */
#include "fuzz.h"

#include "../../ipc/serialize.h"
#include "../../ipc/value.h"

/* A pair takes 6 bytes at least, and is made of a pair, a slot and two entries of an index at most, in tables that double. */
#define SMALL_MULTIPLE 32
#define SMALL_TABLES   4096

/* Bytes as ym_serialize() gives them. */
static void write_value(const struct ym_value *value, struct ym_buffer *out)
{
	struct ym_err err = {0};

	ym_buffer_init(out, NULL, 0);
	CLAIM(ym_serialize(value, out, &err) == 0, "%s", err.text);
}

static bool same_bytes(const struct ym_buffer *a, const struct ym_buffer *b)
{
	return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* Written again it is the same: `bytes` is the value's own form. */
static void claim_writes(const struct ym_value *value, const struct ym_buffer *bytes)
{
	struct ym_buffer again;

	write_value(value, &again);
	CLAIM(same_bytes(bytes, &again), "first %.*s, then %.*s", (int)bytes->length, bytes->bytes, (int)again.length,
	      again.bytes);
	ym_buffer_free(&again);
}

/* What was written reads back. */
static void claim_reads_back(const struct ym_value *value, const struct ym_buffer *bytes)
{
	struct ym_value back;
	struct ym_err err = {0};
	size_t used;
	int result = ym_unserialize(bytes->bytes, bytes->length, &back, &used, &err);

	CLAIM(result == 0, "%s: %.*s", err.text, (int)bytes->length, bytes->bytes);
	CLAIM(used == bytes->length, "%zu of %zu: %.*s", used, bytes->length, (int)bytes->length, bytes->bytes);
	CLAIM(ym_value_equal(value, &back), "%.*s", (int)bytes->length, bytes->bytes);
	claim_writes(&back, bytes);
	ym_value_free(&back);
}

/* A copy is equal, lives longer than what it was made of, and is written the same. Frees the value. */
static void claim_copies(struct ym_value *value, const struct ym_buffer *bytes)
{
	struct ym_value copy;
	struct ym_err err = {0};

	CLAIM(ym_value_copy(&copy, value, &err) == 0, "%s", err.text);
	CLAIM(ym_value_equal(&copy, value) && ym_value_equal(value, &copy), "%.*s", (int)bytes->length, bytes->bytes);
	ym_value_free(value);
	claim_writes(&copy, bytes);
	ym_value_free(&copy);
}

/* Just these bytes are the value: without the last one there is none. */
static void claim_ends_there(const uint8_t *data, size_t used, const struct ym_value *value)
{
	struct ym_value other;
	char *exact = malloc(used);
	size_t again;

	CLAIM(exact, "no memory");
	memcpy(exact, data, used);
	CLAIM(ym_unserialize(exact, used, &other, &again, NULL) == 0, "%zu bytes", used);
	CLAIM(again == used, "%zu, not %zu", again, used);
	CLAIM(ym_value_equal(value, &other), "%.*s", (int)used, exact);
	ym_value_free(&other);
	exact = realloc(exact, used - 1);
	CLAIM(exact, "no memory");
	CLAIM(ym_unserialize(exact, used - 1, &other, NULL, NULL) == -1, "%.*s", (int)used - 1, exact);
	CLAIM(other.type == YM_TYPE_NULL, "%s after a failure", ym_type_word(other.type));
	free(exact);
}

/* With any allocation failing: refused, null, nothing kept. Which one follows from the input. */
static void claim_reads_without_memory(const uint8_t *data, size_t size, size_t allocations)
{
	struct ym_value value;
	struct ym_err err = {0};
	size_t fail_at = 1 + data[size / 2] % allocations;
	int result;

	fuzz_memory_start(fail_at);
	result = ym_unserialize(data, size, &value, NULL, &err);
	fuzz_memory_stop(NULL);
	CLAIM(result == -1, "allocation %zu of %zu failed", fail_at, allocations);
	CLAIM(value.type == YM_TYPE_NULL, "%s after a failure", ym_type_word(value.type));
	CLAIM_REFUSED(&err, err.class == YM_ERR_LIMIT);
}

/* Write and copy while allocation `fail_at` fails; how many there were. */
static size_t write_and_copy(const struct ym_value *value, size_t fail_at)
{
	struct ym_value copy = {0};
	struct ym_buffer bytes;
	struct ym_err err = {0};
	size_t allocations;
	int result;

	ym_buffer_init(&bytes, NULL, 0);
	fuzz_memory_start(fail_at);
	result = ym_serialize(value, &bytes, &err) < 0 ? -1 : ym_value_copy(&copy, value, &err);
	allocations = fuzz_memory_stop(NULL);
	CLAIM((result < 0) == (fail_at > 0), "%d, but allocation %zu of %zu failed", result, fail_at, allocations);
	CLAIM(result == 0 || copy.type == YM_TYPE_NULL, "%s after a failure", ym_type_word(copy.type));
	if (result < 0)
		CLAIM_REFUSED(&err, err.class == YM_ERR_LIMIT);
	ym_buffer_free(&bytes);
	ym_value_free(&copy);
	return allocations;
}

static void claim_writes_without_memory(const struct ym_value *value, size_t pick)
{
	size_t allocations = write_and_copy(value, 0);

	write_and_copy(value, 1 + pick % allocations);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ym_value value;
	struct ym_buffer bytes;
	struct ym_err err = {0};
	size_t used = SIZE_MAX, largest, allocations;
	int result;

	fuzz_memory_start(0);
	result = ym_unserialize(data, size, &value, &used, &err);
	allocations = fuzz_memory_stop(&largest);
	CLAIM(largest <= SMALL_MULTIPLE * size + SMALL_TABLES, "%zu bytes at once for %zu", largest, size);
	if (allocations > 0)
		claim_reads_without_memory(data, size, allocations);
	if (result < 0) {
		CLAIM_REFUSED(&err, err.class == YM_ERR_CORRUPT);
		CLAIM(value.type == YM_TYPE_NULL, "%s after a failure", ym_type_word(value.type));
		CLAIM(strstr(err.text, "offset"), "no offset in \"%s\"", err.text);
		return 0;
	}
	CLAIM(used > 0 && used <= size, "%zu of %zu", used, size);
	claim_ends_there(data, used, &value);
	write_value(&value, &bytes);
	claim_reads_back(&value, &bytes);
	claim_writes_without_memory(&value, data[0] + size);
	claim_copies(&value, &bytes);
	ym_buffer_free(&bytes);
	return 0;
}
