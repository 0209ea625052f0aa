/*
 * buffer.h - bytes that grow, starting in the caller's own storage: small contents cost no malloc().
 */
#ifndef YM_IPC_BUFFER_H
#define YM_IPC_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

struct ym_buffer {
	char *bytes;
	size_t length;
	size_t capacity;
	bool heap; /* `bytes` is ours to free */
};

/* Start empty in `storage` (may be NULL with size 0), which has to live as long as the buffer. */
static inline void ym_buffer_init(struct ym_buffer *buffer, void *storage, size_t size)
{
	*buffer = (struct ym_buffer){.bytes = storage, .capacity = size};
}

/* Append; 0, or -1 (YM_ERR_LIMIT: out of memory) with the buffer as it was. */
YM_API int ym_buffer_add(struct ym_buffer *buffer, const void *bytes, size_t length, struct ym_err *err);

/* Room for `length` more bytes behind the end: where they go, or NULL (out of memory). The length stays. */
YM_API char *ym_buffer_room(struct ym_buffer *buffer, size_t length, struct ym_err *err);

/* Free what was allocated; empty afterwards. */
YM_API void ym_buffer_free(struct ym_buffer *buffer);

#endif
