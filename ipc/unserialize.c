/*
 * unserialize.c - values as PHP's unserialize() reads them.
 *
 * Two ways through the same bytes. The first makes a tree and skips only objects, which become opaque. When it meets a
 * reference that a tree cannot express, the second skips everything and keeps all of it as one opaque value. Both look
 * at every byte: what is kept is as valid as what is decoded. Nothing recurses, and no number is believed before the
 * bytes it promises are known to be there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "opaque.h"
#include "serialize.h"
#include "token.h"

#define NO_TREE 1 /* result of the first way: take the second */

#define FRAMES_FIRST 16
#define SLOTS_FIRST  64

/* Where a value stands: a pair of an array or, without an array, ... */
enum { PLACE_ROOT, PLACE_SKIPPED, PLACE_SKIPPED_OBJECT };

struct place {
	struct ym_array *array;
	size_t index;
};

/* An array or object of which `left` pairs are still to come. */
struct frame {
	struct ym_array *array; /* NULL: skipped */
	size_t left;
	size_t at;
};

/* What is being skipped: an object, or the whole value. */
struct skipped {
	bool on;
	const char *start;
	struct ym_token token;
	struct place place;
	size_t slot, frame; /* its own slot; frames around it */
	size_t depth;
};

struct decoder {
	struct ym_reader reader;
	struct ym_value *root;
	struct ym_err *err;
	struct ym_buffer slots;  /* struct place */
	struct ym_buffer frames; /* struct frame */
	struct ym_buffer refs;   /* struct ym_opaque_ref, of what is skipped */
	struct ym_buffer key;    /* of the S form */
	struct skipped skipped;
	struct ym_array *replaced; /* arrays whose key came again: references may still mean their parts */
	size_t copies;             /* values that references may still add */
	size_t promised;           /* bytes that open arrays and objects need at least */
	bool whole;
	char why[128];
};

/* ---- growing tables -------------------------------------------------------------------------- */

static size_t slot_count(const struct decoder *decoder)
{
	return decoder->slots.length / sizeof(struct place);
}

static struct place *slot_number(const struct decoder *decoder, size_t slot)
{
	return (struct place *)(void *)decoder->slots.bytes + slot - 1;
}

static int push_slot(struct decoder *decoder, struct place place)
{
	/* Every value comes here: the common case without a call. */
	if (decoder->slots.capacity - decoder->slots.length >= sizeof(place)) {
		*slot_number(decoder, slot_count(decoder) + 1) = place;
		decoder->slots.length += sizeof(place);
		return 0;
	}
	return ym_buffer_add(&decoder->slots, &place, sizeof(place), decoder->err);
}

static size_t depth_of(const struct decoder *decoder)
{
	return decoder->frames.length / sizeof(struct frame);
}

static struct frame *frame_number(const struct decoder *decoder, size_t number)
{
	return (struct frame *)(void *)decoder->frames.bytes + number - 1;
}

static struct ym_value *value_at(const struct decoder *decoder, struct place place)
{
	return place.array ? &place.array->pairs[place.index].value : decoder->root;
}

/* ---- what is skipped becomes opaque ---------------------------------------------------------- */

static void begin_skipping(struct decoder *decoder, const struct ym_token *token, struct place place)
{
	decoder->refs.length = 0;
	decoder->skipped = (struct skipped){
	    .on = true,
	    .start = token->start,
	    .token = *token,
	    .place = place,
	    .slot = slot_count(decoder),
	    .frame = depth_of(decoder),
	};
}

static int finish_skipping(struct decoder *decoder)
{
	struct skipped *skipped = &decoder->skipped;
	bool object = skipped->token.letter != 'a';
	struct ym_opaque_source source = {
	    .bytes = skipped->start,
	    .length = (size_t)(decoder->reader.at - skipped->start),
	    .slot = skipped->slot,
	    .slots = slot_count(decoder) - skipped->slot + 1,
	    .depth = skipped->depth,
	    .class_at = object ? (size_t)(skipped->token.bytes - skipped->start) : 0,
	    .class_length = object ? skipped->token.length : 0,
	    .why = decoder->why,
	    .refs = (const struct ym_opaque_ref *)(void *)decoder->refs.bytes,
	    .nrefs = decoder->refs.length / sizeof(struct ym_opaque_ref),
	};
	struct ym_opaque *opaque = ym_opaque_new(&source, decoder->err);

	skipped->on = false;
	if (!opaque)
		return -1;
	*value_at(decoder, skipped->place) = (struct ym_value){.type = YM_TYPE_OPAQUE, .opaque = opaque};
	return 0;
}

/* ---- references ------------------------------------------------------------------------------ */

static size_t offset_of(const struct decoder *decoder, const struct ym_token *token)
{
	return (size_t)(token->start - decoder->reader.start);
}

static int no_tree(struct decoder *decoder, const struct ym_token *token, const char *reason)
{
	snprintf(decoder->why, sizeof(decoder->why), "the reference at offset %zu %s", offset_of(decoder, token),
	         reason);
	return NO_TREE;
}

static int no_object(struct decoder *decoder, const struct ym_token *token)
{
	return ym_token_fail(&decoder->reader, token->start, decoder->err, "r:%zu; but slot %zu is no object",
	                     token->slot, token->slot);
}

/* Of what is skipped only the root may have a place in the tree. */
static bool is_skipped_object(const struct decoder *decoder, size_t slot)
{
	if (slot == decoder->skipped.slot)
		return decoder->skipped.token.letter != 'a';
	return slot_number(decoder, slot)->index == PLACE_SKIPPED_OBJECT;
}

static int skip_reference(struct decoder *decoder, const struct ym_token *token)
{
	struct ym_opaque_ref ref = {
	    .at = (size_t)(token->bytes - decoder->skipped.start),
	    .digits = token->length,
	    .slot = token->slot,
	};

	if (token->slot < decoder->skipped.slot)
		return no_tree(decoder, token, "leads out of an object");
	if (token->letter == 'r' && !is_skipped_object(decoder, token->slot))
		return no_object(decoder, token);
	return ym_buffer_add(&decoder->refs, &ref, sizeof(ref), decoder->err);
}

static int contains_itself(struct decoder *decoder, const struct ym_array *array)
{
	size_t number = 1;

	while (frame_number(decoder, number)->array != array)
		number++;
	snprintf(decoder->why, sizeof(decoder->why), "the array at offset %zu contains itself",
	         frame_number(decoder, number)->at);
	return NO_TREE;
}

/* Objects are shared, everything else is copied. */
static int resolve_reference(struct decoder *decoder, const struct ym_token *token, struct place here)
{
	struct place there = *slot_number(decoder, token->slot);
	struct ym_copy_limit limit = {.values = decoder->copies, .depth = YM_SERIALIZE_DEPTH - depth_of(decoder)};
	struct ym_value *value = value_at(decoder, there), copy;
	int result;

	/* Whether it may, the second way will see. */
	if (!there.array && there.index != PLACE_ROOT)
		return no_tree(decoder, token, "leads into an object");
	if (token->letter == 'r' && value->type != YM_TYPE_OPAQUE)
		return no_object(decoder, token);
	if (there.array == here.array && there.index == here.index)
		return ym_token_fail(&decoder->reader, token->start, decoder->err, "a reference to itself");
	if (value->type == YM_TYPE_ARRAY && value->array->open)
		return contains_itself(decoder, value->array);
	result = ym_value_copy_within(&copy, value, &limit, decoder->err);
	decoder->copies = limit.values;
	if (result > 0)
		return no_tree(decoder, token, "stands for too many values, or for too deep ones");
	if (result == 0)
		*value_at(decoder, here) = copy;
	return result;
}

static int take_reference(struct decoder *decoder, const struct ym_token *token, struct place here, bool skip)
{
	struct place skipped = {.index = PLACE_SKIPPED_OBJECT};
	size_t known = slot_count(decoder);

	/* r: has a slot of its own, which it cannot mean; R: has none. */
	if (token->slot == 0 || token->slot > known)
		return ym_token_fail(&decoder->reader, token->start, decoder->err,
		                     "a reference to slot %zu where %zu are known", token->slot, known);
	if (token->letter == 'r' && push_slot(decoder, skip ? skipped : here) < 0)
		return -1;
	return skip ? skip_reference(decoder, token) : resolve_reference(decoder, token, here);
}

/* ---- values ---------------------------------------------------------------------------------- */

static int take_scalar(const struct ym_token *token, struct ym_value *out, struct ym_err *err)
{
	switch (token->letter) {
	case 'b':
		*out = ym_value_bool(token->integer != 0);
		return 0;
	case 'i':
		*out = ym_value_int(token->integer);
		return 0;
	case 'd':
		*out = ym_value_float(token->real);
		return 0;
	case 's':
		return ym_value_string(out, token->bytes, token->length, err);
	case 'S':
		/* Escaped bytes are never fewer than what they stand for. */
		if (ym_value_string(out, token->bytes, token->length, err) < 0)
			return -1;
		ym_token_unescape(token, out->string.bytes);
		return 0;
	default:
		*out = (struct ym_value){0};
		return 0;
	}
}

static int push_frame(struct decoder *decoder, const struct ym_token *token, struct ym_array *array)
{
	struct frame frame = {.array = array, .left = token->count, .at = offset_of(decoder, token)};
	size_t left = (size_t)(decoder->reader.end - decoder->reader.at), depth = depth_of(decoder) + 1;
	size_t needs = token->count * YM_TOKEN_PAIR_MIN + 1;

	if (depth > YM_SERIALIZE_DEPTH)
		return ym_token_fail(&decoder->reader, token->start, decoder->err, "deeper than %d arrays and objects",
		                     YM_SERIALIZE_DEPTH);
	if (decoder->promised + needs > left)
		return ym_token_fail(&decoder->reader, token->start, decoder->err, "%zu pairs where %zu bytes are left",
		                     token->count, left);
	decoder->promised += needs;
	if (array && ym_array_reserve(array, token->count, decoder->err) < 0)
		return -1;
	if (decoder->skipped.on && depth - decoder->skipped.frame > decoder->skipped.depth)
		decoder->skipped.depth = depth - decoder->skipped.frame;
	return ym_buffer_add(&decoder->frames, &frame, sizeof(frame), decoder->err);
}

static int take_array(struct decoder *decoder, const struct ym_token *token, struct place here, bool skip)
{
	struct ym_value *value = skip ? NULL : value_at(decoder, here);

	if (value && ym_value_array(value, decoder->err) < 0)
		return -1;
	if (token->count == 0) /* costs PHP no depth, other than an object without properties */
		return ym_token_close(&decoder->reader, decoder->err);
	if (value)
		value->array->open = true;
	return push_frame(decoder, token, value ? value->array : NULL);
}

static int take_object(struct decoder *decoder, const struct ym_token *token, struct place here, bool skip)
{
	if (!skip)
		begin_skipping(decoder, token, here);
	if (token->letter == 'O')
		return push_frame(decoder, token, NULL);
	return skip ? 0 : finish_skipping(decoder);
}

static int take_value(struct decoder *decoder, const struct ym_token *token, struct place here, bool skip)
{
	bool object = token->letter == 'O' || token->letter == 'C' || token->letter == 'E';
	struct place slot = {.index = object ? PLACE_SKIPPED_OBJECT : PLACE_SKIPPED};

	if (token->letter == 'R' || token->letter == 'r')
		return take_reference(decoder, token, here, skip);
	if (push_slot(decoder, skip ? slot : here) < 0)
		return -1;
	if (object)
		return take_object(decoder, token, here, skip);
	if (token->letter == 'a')
		return take_array(decoder, token, here, skip);
	return skip ? 0 : take_scalar(token, value_at(decoder, here), decoder->err);
}

/* ---- pairs ----------------------------------------------------------------------------------- */

static int key_of(struct decoder *decoder, const struct ym_token *token, struct ym_array_key *key)
{
	const char *bytes = token->bytes;
	char *room;

	if (token->letter == 'i') {
		*key = ym_array_key_int(token->integer);
		return 0;
	}
	if (token->letter == 'S') {
		room = ym_buffer_room(&decoder->key, token->length, decoder->err);
		if (!room)
			return -1;
		ym_token_unescape(token, room);
		bytes = room;
	}
	*key = ym_array_key_string(bytes, token->length);
	return 0;
}

/*
 * The place of a key. One that comes again keeps its first place, and slots that meant the old value mean the new one,
 * as in PHP; the parts of an old array can still be meant.
 */
static int place_key(struct decoder *decoder, const struct ym_token *token, struct place *place)
{
	struct ym_array_key key;
	struct ym_value *value;
	int result;

	if (key_of(decoder, token, &key) < 0)
		return -1;
	result = ym_array_place(place->array, key, &place->index, decoder->err);
	if (result <= 0)
		return result;
	value = value_at(decoder, *place);
	if (value->type != YM_TYPE_ARRAY) {
		ym_value_free(value);
		return 0;
	}
	if (!decoder->replaced)
		decoder->replaced = ym_array_new(decoder->err);
	return decoder->replaced ? ym_array_append(decoder->replaced, value, decoder->err) : -1;
}

/* The next pair of the innermost array or object, or its end. */
static int step(struct decoder *decoder)
{
	struct frame *frame = frame_number(decoder, depth_of(decoder));
	struct place here = {.array = frame->array, .index = PLACE_SKIPPED};
	struct ym_token token;

	if (frame->left == 0) {
		if (ym_token_close(&decoder->reader, decoder->err) < 0)
			return -1;
		if (frame->array)
			frame->array->open = false;
		decoder->promised--;
		decoder->frames.length -= sizeof(*frame);
		if (decoder->skipped.on && depth_of(decoder) == decoder->skipped.frame)
			return finish_skipping(decoder);
		return 0;
	}
	frame->left--;
	decoder->promised -= YM_TOKEN_PAIR_MIN;
	if (ym_token_read(&decoder->reader, &token, decoder->err) < 0)
		return -1;
	if (token.letter != 'i' && token.letter != 's' && token.letter != 'S')
		return ym_token_fail(&decoder->reader, token.start, decoder->err,
		                     "a key that is neither an integer nor a string");
	if (here.array && place_key(decoder, &token, &here) < 0)
		return -1;
	if (ym_token_read(&decoder->reader, &token, decoder->err) < 0)
		return -1;
	return take_value(decoder, &token, here, !here.array);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int run(struct decoder *decoder, const struct ym_token *token)
{
	struct place root = {.index = PLACE_ROOT};
	int result;

	if (decoder->whole) {
		if (push_slot(decoder, (struct place){.index = PLACE_SKIPPED}) < 0)
			return -1;
		begin_skipping(decoder, token, root);
		result = take_array(decoder, token, root, true);
	} else {
		result = take_value(decoder, token, root, false);
	}
	while (result == 0 && depth_of(decoder) > 0)
		result = step(decoder);
	return result;
}

/* Once more, from behind the head of the root. */
static int run_whole(struct decoder *decoder, const struct ym_token *token, const char *behind)
{
	ym_value_free(decoder->root);
	decoder->reader.at = behind;
	decoder->slots.length = 0;
	decoder->frames.length = 0;
	decoder->promised = 0;
	decoder->whole = true;
	return run(decoder, token);
}

static int decode(struct ym_reader *reader, const struct ym_token *token, struct ym_value *out, struct ym_err *err)
{
	struct decoder decoder = {.reader = *reader, .root = out, .err = err, .copies = YM_UNSERIALIZE_COPIES};
	struct frame frames[FRAMES_FIRST];
	struct place slots[SLOTS_FIRST];
	int result;

	ym_buffer_init(&decoder.frames, frames, sizeof(frames));
	ym_buffer_init(&decoder.slots, slots, sizeof(slots));
	result = run(&decoder, token);
	if (result == NO_TREE)
		result = run_whole(&decoder, token, reader->at);
	if (decoder.replaced)
		ym_array_free(decoder.replaced);
	ym_buffer_free(&decoder.frames);
	ym_buffer_free(&decoder.slots);
	ym_buffer_free(&decoder.refs);
	ym_buffer_free(&decoder.key);
	reader->at = decoder.reader.at;
	return result;
}

int ym_unserialize(const void *bytes, size_t length, struct ym_value *out, size_t *used, struct ym_err *err)
{
	struct ym_reader reader = {.start = bytes, .at = bytes, .end = (const char *)bytes + length};
	struct ym_token token;
	int result;

	*out = (struct ym_value){0};
	if (ym_token_read(&reader, &token, err) < 0)
		return -1;
	/* A single value without parts needs none of the tables. */
	switch (token.letter) {
	case 'a':
	case 'O':
	case 'C':
	case 'E':
	case 'R':
	case 'r':
		result = decode(&reader, &token, out, err);
		break;
	default:
		result = take_scalar(&token, out, err);
	}
	if (result < 0)
		ym_value_free(out);
	else if (used)
		*used = (size_t)(reader.at - reader.start);
	return result;
}
