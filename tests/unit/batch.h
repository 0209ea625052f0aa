/* batch.h - requests and refs for many jobs at once. */
#ifndef YM_TESTS_BATCH_H
#define YM_TESTS_BATCH_H

#include "yard.h"

#define MANY 1000

static struct job_request requests[MANY];
static struct job_ref refs[MANY];

static inline void ask_for(size_t n)
{
	for (size_t i = 0; i < n; i++)
		requests[i] = request_of("x");
}

static inline void begin_many(void)
{
	begin_yard_of(2048);
}

#endif
