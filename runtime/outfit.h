/*
 * outfit.h - what the workers of a pool are started with: their brief, who they are, and a number that says whether
 * another worker was started with the same.
 */
#ifndef YM_RUNTIME_OUTFIT_H
#define YM_RUNTIME_OUTFIT_H

#include "persona.h"
#include "yard.h"

struct outfit {
	int brief; /* descriptor, see brief.h; -1: none */
	uint32_t build;
	struct persona *persona;
};

/* Made from the configuration as it is now, in place of what was there; on an error that stays. */
int outfit_make(struct outfit *outfit, const struct yard *yard, const struct cfg_pool *config, struct ym_err *err);
void outfit_free(struct outfit *outfit);

#endif
