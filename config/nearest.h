/* nearest.h - which known name did the user probably mean? */
#ifndef YM_CONFIG_NEAREST_H
#define YM_CONFIG_NEAREST_H

#include <stddef.h>

#define CFG_NEAREST_MAX 63 /* bytes of a name that is compared; longer ones resemble nothing */

/* Start with {.word = ...}, offer every known name, then read `best`: NULL when none is close. */
struct cfg_nearest {
	const char *word;
	const char *best; /* one of the offered pointers */
	size_t distance;
};

void cfg_nearest_offer(struct cfg_nearest *nearest, const char *name);

#endif
