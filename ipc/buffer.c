/* buffer.c - bytes that grow. */
#include "buffer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What the first malloc() of a buffer gets at least. */
#define FIRST_CAPACITY 256

static int grow(struct ym_buffer *buffer, size_t length, struct ym_err *err)
{
	size_t need, capacity = buffer->capacity < FIRST_CAPACITY / 2 ? FIRST_CAPACITY / 2 : buffer->capacity;
	char *bytes;

	if (__builtin_add_overflow(buffer->length, length, &need))
		return ym_fail(err, YM_ERR_LIMIT, "a buffer of %zu and %zu more bytes is larger than memory",
		               buffer->length, length);
	capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
	if (capacity < need)
		capacity = need;
	bytes = realloc(buffer->heap ? buffer->bytes : NULL, capacity);
	if (!bytes)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory: malloc(%zu) for a buffer", capacity);
	if (!buffer->heap && buffer->bytes)
		memcpy(bytes, buffer->bytes, buffer->length);
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	buffer->heap = true;
	return 0;
}

char *ym_buffer_room(struct ym_buffer *buffer, size_t length, struct ym_err *err)
{
	if ((!buffer->bytes || length > buffer->capacity - buffer->length) && grow(buffer, length, err) < 0)
		return NULL;
	return buffer->bytes + buffer->length;
}

int ym_buffer_add(struct ym_buffer *buffer, const void *bytes, size_t length, struct ym_err *err)
{
	char *room = ym_buffer_room(buffer, length, err);

	if (!room)
		return -1;
	if (length > 0)
		memcpy(room, bytes, length);
	buffer->length += length;
	return 0;
}

void ym_buffer_free(struct ym_buffer *buffer)
{
	if (buffer->heap)
		free(buffer->bytes);
	*buffer = (struct ym_buffer){0};
}
