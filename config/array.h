/* array.h - growing an array by one, for the lists that are built while a configuration is read. */
#ifndef YM_CONFIG_ARRAY_H
#define YM_CONFIG_ARRAY_H

#include <stdlib.h>

/*
 * Room for one more item behind `count` items of `size` bytes; the capacity is the next power of two, so no
 * separate field is needed. Returns the array, which may have moved, or NULL when out of memory (the old
 * one is still valid then).
 */
static inline void *cfg_room(void *items, size_t count, size_t size)
{
	if (count & (count - 1))
		return items;
	return reallocarray(items, count ? count * 2 : 1, size);
}

#endif
