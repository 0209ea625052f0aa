/*
 * opaque.h - values kept as PHP wrote them; for the rest of the codec only.
 *
 * The bytes stand as if the value were alone: its own slot is number 1. Nothing changes after it is made, so that any
 * number of values, in any thread, may share one.
 */
#ifndef YM_IPC_OPAQUE_H
#define YM_IPC_OPAQUE_H

#include "buffer.h"
#include "value.h"

/* A reference in the bytes: the digits of its slot. */
struct ym_opaque_ref {
	size_t at, digits;
	size_t slot;
};

struct ym_opaque {
	_Atomic uint32_t users;
	size_t slots; /* it takes */
	size_t depth; /* objects and arrays in each other, itself included */
	size_t length;
	const char *bytes;
	const char *class; /* in `bytes`; NULL: no object, but a whole value that is no tree */
	size_t class_length;
	const char *why;
	size_t nrefs;
	struct ym_opaque_ref *refs;
};

/* Bytes as they were read, where `slot` is the number of the value itself. */
struct ym_opaque_source {
	const char *bytes;
	size_t length;
	size_t slot, slots, depth;
	size_t class_at, class_length; /* length 0: none */
	const char *why;               /* for a whole value; objects say it themselves (then "") */
	const struct ym_opaque_ref *refs;
	size_t nrefs;
};

struct ym_opaque *ym_opaque_new(const struct ym_opaque_source *source, struct ym_err *err);

/* One user more; one less, the last one frees it. */
struct ym_opaque *ym_opaque_share(struct ym_opaque *opaque);
void ym_opaque_release(struct ym_opaque *opaque);

bool ym_opaque_equal(const struct ym_opaque *a, const struct ym_opaque *b);

/* Append the bytes as they have to be where the value's own slot is number `slot`. */
int ym_opaque_write(const struct ym_opaque *opaque, size_t slot, struct ym_buffer *out, struct ym_err *err);

#endif
