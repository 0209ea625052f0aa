/*
 * published.h - what an onlooker sees of the segment that publish.h keeps.
 */
#ifndef YM_RUNTIME_PUBLISHED_H
#define YM_RUNTIME_PUBLISHED_H

#include "instance.h"

/* Name of the object and of its key file; the variable about the segment itself, and what stands in it. */
#define PUBLISHED_NAME "progress"
#define PUBLISHED_KEY  0
#define PUBLISHED_JOBS "jobs"
#define PUBLISHED_LEFT "left_out"

struct published {
	key_t key;
	size_t size, free; /* bytes */
	uint64_t jobs;     /* in it */
	uint64_t left_out; /* ... for which there is no room */
};

/* False: there is none, or it may not be read. Waits for nobody. */
bool published_read(const struct instance *instance, struct published *published);

#endif
