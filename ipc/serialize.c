/* serialize.c - values as PHP's serialize() writes them. */
#include "serialize.h"

#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "number.h"
#include "opaque.h"

/* Letters, digits and punctuation around what a value holds. */
#define AROUND_MAX (YM_NUMBER_MAX + 8)

/* Frames that stand on the stack before memory is asked for. */
#define FRAMES_FIRST 16

/* An array that is being written, and its next pair. */
struct frame {
	const struct ym_array *array;
	size_t next;
};

/* Objects that were written already, and where: an open-addressing table of `size` (a power of two) entries. */
struct seen {
	struct {
		const struct ym_opaque *opaque;
		size_t slot;
	} * entries;
	size_t size, count;
};

struct encoder {
	struct ym_buffer *out;
	struct ym_err *err;
	size_t slot; /* of the value written last */
	struct ym_buffer frames;
	struct seen seen;
};

/* ---- objects that occur again ---------------------------------------------------------------- */

static size_t seen_at(const struct seen *seen, const struct ym_opaque *opaque)
{
	size_t at = ((uintptr_t)opaque >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20 & (seen->size - 1);

	while (seen->entries[at].opaque && seen->entries[at].opaque != opaque)
		at = (at + 1) & (seen->size - 1);
	return at;
}

static int seen_grow(struct seen *seen, struct ym_err *err)
{
	struct seen larger = {.size = seen->size ? seen->size * 2 : 64, .count = seen->count};

	larger.entries = calloc(larger.size, sizeof(*larger.entries));
	if (!larger.entries)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory: calloc(%zu) for the objects of a value", larger.size);
	for (size_t i = 0; i < seen->size; i++) {
		if (seen->entries[i].opaque)
			larger.entries[seen_at(&larger, seen->entries[i].opaque)] = seen->entries[i];
	}
	free(seen->entries);
	*seen = larger;
	return 0;
}

/* 1 the object was written before, *slot says where; 0 no, it will be at *slot; -1. */
static int seen_before(struct seen *seen, const struct ym_opaque *opaque, size_t *slot, struct ym_err *err)
{
	size_t at;

	/* The only user cannot occur twice. */
	if (!opaque->class || opaque->users == 1)
		return 0;
	if (seen->count >= seen->size / 2 && seen_grow(seen, err) < 0)
		return -1;
	at = seen_at(seen, opaque);
	if (seen->entries[at].opaque) {
		*slot = seen->entries[at].slot;
		return 1;
	}
	seen->entries[at].opaque = opaque;
	seen->entries[at].slot = *slot;
	seen->count++;
	return 0;
}

/* ---- one value ------------------------------------------------------------------------------- */

/* "i:NUMBER" and the like: a letter, a number, and what ends it. */
static int write_int(struct encoder *encoder, char letter, int64_t integer, const char *end)
{
	char *room = ym_buffer_room(encoder->out, AROUND_MAX, encoder->err), *at;

	if (!room)
		return -1;
	room[0] = letter;
	room[1] = ':';
	at = room + 2 + ym_format_int(integer, room + 2);
	while (*end)
		*at++ = *end++;
	encoder->out->length += (size_t)(at - room);
	return 0;
}

static int write_float(struct encoder *encoder, double real)
{
	char text[AROUND_MAX] = "d:", *end = text + 2 + ym_format_float(real, text + 2);

	*end++ = ';';
	return ym_buffer_add(encoder->out, text, (size_t)(end - text), encoder->err);
}

static int write_string(struct encoder *encoder, const char *bytes, size_t length)
{
	/* One look for room for all of it. */
	if (!ym_buffer_room(encoder->out, length + AROUND_MAX, encoder->err))
		return -1;
	write_int(encoder, 's', (int64_t)length, ":\"");
	ym_buffer_add(encoder->out, bytes, length, encoder->err);
	return ym_buffer_add(encoder->out, "\";", 2, encoder->err);
}

static size_t depth_of(const struct encoder *encoder)
{
	return encoder->frames.length / sizeof(struct frame);
}

static int too_deep(const struct encoder *encoder)
{
	return ym_fail(encoder->err, YM_ERR_LIMIT, "the value is deeper than %d arrays: PHP would refuse to read it",
	               YM_SERIALIZE_DEPTH);
}

/* The head of an array; its pairs are written by those who look at the frames. */
static int open_array(struct encoder *encoder, const struct ym_array *array)
{
	struct frame frame = {.array = array};

	if (write_int(encoder, 'a', (int64_t)array->count, ":{") < 0)
		return -1;
	if (array->count == 0)
		return ym_buffer_add(encoder->out, "}", 1, encoder->err);
	if (depth_of(encoder) == YM_SERIALIZE_DEPTH)
		return too_deep(encoder);
	return ym_buffer_add(&encoder->frames, &frame, sizeof(frame), encoder->err);
}

static int write_opaque(struct encoder *encoder, const struct ym_opaque *opaque)
{
	size_t slot = encoder->slot;
	int again = seen_before(&encoder->seen, opaque, &slot, encoder->err);

	if (again < 0)
		return -1;
	if (again)
		return write_int(encoder, 'r', (int64_t)slot, ";");
	if (opaque->depth > YM_SERIALIZE_DEPTH - depth_of(encoder))
		return too_deep(encoder);
	encoder->slot += opaque->slots - 1;
	return ym_opaque_write(opaque, slot, encoder->out, encoder->err);
}

static int write_value(struct encoder *encoder, const struct ym_value *value)
{
	encoder->slot++;
	switch (value->type) {
	case YM_TYPE_NULL:
		return ym_buffer_add(encoder->out, "N;", 2, encoder->err);
	case YM_TYPE_BOOL:
		return ym_buffer_add(encoder->out, value->boolean ? "b:1;" : "b:0;", 4, encoder->err);
	case YM_TYPE_INT:
		return write_int(encoder, 'i', value->integer, ";");
	case YM_TYPE_FLOAT:
		return write_float(encoder, value->real);
	case YM_TYPE_STRING:
		return write_string(encoder, value->string.bytes, value->string.length);
	case YM_TYPE_ARRAY:
		return open_array(encoder, value->array);
	case YM_TYPE_OPAQUE:
		return write_opaque(encoder, value->opaque);
	}
	return ym_fail(encoder->err, YM_ERR_BUG, "a value of type %d", (int)value->type);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* The next pair of the innermost array, or its end. */
static int step(struct encoder *encoder)
{
	struct frame *frame = (struct frame *)(void *)(encoder->frames.bytes + encoder->frames.length) - 1;
	const struct ym_pair *pair;

	if (frame->next == frame->array->count) {
		encoder->frames.length -= sizeof(*frame);
		return ym_buffer_add(encoder->out, "}", 1, encoder->err);
	}
	pair = &frame->array->pairs[frame->next++];
	if ((pair->bytes ? write_string(encoder, pair->bytes, pair->length)
	                 : write_int(encoder, 'i', pair->integer, ";")) < 0)
		return -1;
	return write_value(encoder, &pair->value);
}

int ym_serialize(const struct ym_value *value, struct ym_buffer *out, struct ym_err *err)
{
	struct encoder encoder = {.out = out, .err = err};
	struct frame first[FRAMES_FIRST];
	size_t before = out->length;
	int result;

	ym_buffer_init(&encoder.frames, first, sizeof(first));
	result = write_value(&encoder, value);
	while (result == 0 && encoder.frames.length > 0)
		result = step(&encoder);
	if (result < 0)
		out->length = before;
	ym_buffer_free(&encoder.frames);
	free(encoder.seen.entries);
	return result;
}
