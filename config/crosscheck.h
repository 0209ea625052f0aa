/* crosscheck.h - what no single section can tell: names of other sections, sums, options against each other. */
#ifndef YM_CONFIG_CROSSCHECK_H
#define YM_CONFIG_CROSSCHECK_H

#include "config.h"
#include "document.h"

/* The sections that pools and limits come from, in their order: where a problem has its line. */
struct cfg_origin {
	const struct cfg_section *pools[CFG_POOLS_MAX];
	const struct cfg_section *limits[CFG_LIMITS_MAX];
};

/* Add what is wrong. Every section has been read, perhaps with problems; what only follows from them is no new one. */
void cfg_crosscheck(const struct config *config, const struct cfg_origin *origin, struct cfg_problems *problems);

#endif
