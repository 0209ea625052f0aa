/* opaque.c - values kept as PHP wrote them, their references renumbered. */
#include "opaque.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

/* Room for "an object of class " and the like. */
#define WHY_MAX 32

static size_t digits_of(size_t slot)
{
	char text[YM_NUMBER_MAX];

	return ym_format_int((int64_t)slot, text);
}

/* The references as they are once the slot of the value is 1; returns the length the bytes will have. */
static size_t renumber(const struct ym_opaque_source *source, struct ym_opaque_ref *refs)
{
	size_t length = source->length;

	for (size_t i = 0; i < source->nrefs; i++) {
		const struct ym_opaque_ref *from = &source->refs[i];

		refs[i].slot = from->slot - source->slot + 1;
		refs[i].digits = digits_of(refs[i].slot);
		refs[i].at = from->at + length - source->length;
		length = length - from->digits + refs[i].digits;
	}
	return length;
}

static void fill(struct ym_opaque *opaque, const struct ym_opaque_source *source, char *bytes)
{
	const char *kind = source->bytes[0] == 'E' ? "an enum case of" : "an object of class";
	char *why = bytes + opaque->length + 1;
	size_t read = 0, written = 0;

	for (size_t i = 0; i < source->nrefs; i++) {
		char text[YM_NUMBER_MAX];
		size_t plain = source->refs[i].at - read;

		memcpy(bytes + written, source->bytes + read, plain);
		ym_format_int((int64_t)opaque->refs[i].slot, text);
		memcpy(bytes + opaque->refs[i].at, text, opaque->refs[i].digits);
		read = source->refs[i].at + source->refs[i].digits;
		written = opaque->refs[i].at + opaque->refs[i].digits;
	}
	memcpy(bytes + written, source->bytes + read, source->length - read);
	bytes[opaque->length] = '\0';
	opaque->bytes = bytes;
	opaque->why = why;
	if (source->class_length > 0) {
		opaque->class = bytes + source->class_at;
		opaque->class_length = source->class_length;
		why += sprintf(why, "%s ", kind);
		memcpy(why, opaque->class, opaque->class_length);
		why[opaque->class_length] = '\0';
	} else {
		strcpy(why, source->why);
	}
}

struct ym_opaque *ym_opaque_new(const struct ym_opaque_source *source, struct ym_err *err)
{
	struct ym_opaque *opaque;
	size_t table = source->nrefs * sizeof(*opaque->refs), longest, size;

	/* Slot numbers only become smaller: no number gets longer. */
	longest = source->length + 1 + source->class_length + WHY_MAX + strlen(source->why);
	size = sizeof(*opaque) + table + longest;
	opaque = malloc(size);
	if (!opaque) {
		ym_fail(err, YM_ERR_LIMIT, "out of memory: malloc(%zu) for an opaque value", size);
		return NULL;
	}
	*opaque =
	    (struct ym_opaque){.users = 1, .slots = source->slots, .depth = source->depth, .nrefs = source->nrefs};
	opaque->refs = (struct ym_opaque_ref *)(opaque + 1);
	opaque->length = renumber(source, opaque->refs);
	fill(opaque, source, (char *)(opaque->refs + opaque->nrefs));
	return opaque;
}

struct ym_opaque *ym_opaque_share(struct ym_opaque *opaque)
{
	atomic_fetch_add_explicit(&opaque->users, 1, memory_order_relaxed);
	return opaque;
}

void ym_opaque_release(struct ym_opaque *opaque)
{
	if (atomic_fetch_sub_explicit(&opaque->users, 1, memory_order_acq_rel) == 1)
		free(opaque);
}

bool ym_opaque_equal(const struct ym_opaque *a, const struct ym_opaque *b)
{
	return a == b || (a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0);
}

int ym_opaque_write(const struct ym_opaque *opaque, size_t slot, struct ym_buffer *out, struct ym_err *err)
{
	size_t read = 0;

	for (size_t i = 0; i < opaque->nrefs; i++) {
		const struct ym_opaque_ref *ref = &opaque->refs[i];
		char text[YM_NUMBER_MAX];
		size_t digits = ym_format_int((int64_t)(ref->slot + slot - 1), text);

		if (ym_buffer_add(out, opaque->bytes + read, ref->at - read, err) < 0 ||
		    ym_buffer_add(out, text, digits, err) < 0)
			return -1;
		read = ref->at + ref->digits;
	}
	return ym_buffer_add(out, opaque->bytes + read, opaque->length - read, err);
}
