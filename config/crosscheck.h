/* crosscheck.h - what no single section can tell: names of other sections, sums, options against each other. */
#ifndef YM_CONFIG_CROSSCHECK_H
#define YM_CONFIG_CROSSCHECK_H

#include "loader.h"

/* Add what is wrong. Every section has been read, perhaps with problems; what only follows from them is no new one. */
void cfg_crosscheck(struct cfg_loader *load);

/* The part of it that is about processes and programs. */
void cfg_crosscheck_process(struct cfg_loader *load);

#endif
