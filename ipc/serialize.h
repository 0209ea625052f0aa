/*
 * serialize.h - PHP's serialize() format (PHP 8; read: whatever PHP 5 to 8 wrote).
 *
 *   value = N; | b:0|1; | i:INT; | d:FLOAT; | s:LEN:"BYTES"; | a:N:{ (key value) x N }
 *         | O:LEN:"CLASS":N:{...} | C:LEN:"CLASS":LEN:{BYTES} | E:LEN:"CLASS:CASE"; | R:SLOT; | r:SLOT;
 *   key   = i:INT; | s:LEN:"BYTES";
 *
 * References. Every value has a slot number in the order of writing (from 1; keys have none, R: has none). A tree has
 * no place for "the same variable as that one", so
 *   - R: to a finished value becomes a copy of that value; R: and r: to an object keep being the same object (which is
 *     written as r:),
 *   - a value in which that is not possible (an array that contains itself, a reference into or out of an object,
 *     copies that would grow beyond YM_UNSERIALIZE_COPIES values or make the value too deep) is kept whole as one
 *     opaque value,
 * and opaque values are written as they were read, with their slot numbers adapted to where they stand now.
 * A key that comes again keeps its first place with its last value; in objects, which are kept as they are, nobody
 * looks for that. The bytes in C: are the class's own affair. S:, a string with \xx in it, is read, too.
 *
 * Nothing is ever instantiated: no class is looked for, no code of anybody runs. What PHP clamps or wraps is refused
 * (integers, lengths and slots out of range), and counts behind a class need plain digits.
 */
#ifndef YM_IPC_SERIALIZE_H
#define YM_IPC_SERIALIZE_H

#include "buffer.h"
#include "value.h"

/*
 * Arrays and objects in each other, as deep as PHP reads by default (unserialize_max_depth); deeper values are refused
 * both ways. As PHP counts: an empty array costs nothing, an empty object does.
 */
#define YM_SERIALIZE_DEPTH 4096

/* Values that resolving R: may add to one value; a string or key counts once more for each 64 bytes. */
#define YM_UNSERIALIZE_COPIES 1000000

/*
 * Append the bytes that PHP's serialize() gives for `value` (floats: the shortest digits that read back to the same
 * double, serialize_precision = -1). 0, or -1 with `out` as it was: YM_ERR_LIMIT (out of memory, too deep).
 */
YM_API int ym_serialize(const struct ym_value *value, struct ym_buffer *out, struct ym_err *err);

/*
 * Read one value. *used (may be NULL) is its length in bytes; what stands behind is the caller's to judge (PHP's shm
 * and msg functions ignore it). `out` is overwritten, not freed; null after a failure.
 * -1: YM_ERR_CORRUPT with the offset and the reason (too deep is one), YM_ERR_LIMIT (out of memory). Apart from copies
 * for R:, all allocations together stay within a small multiple of `length`; scalars other than strings need none.
 */
YM_API int ym_unserialize(const void *bytes, size_t length, struct ym_value *out, size_t *used, struct ym_err *err);

#endif
