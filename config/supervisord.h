/* supervisord.h - what a supervisord.conf says besides its programs, and what of it has no meaning here. */
#ifndef YM_CONFIG_SUPERVISORD_H
#define YM_CONFIG_SUPERVISORD_H

#include "loader.h"

/* An option of supervisord that has no effect: why, and what there is instead. NULL for all others. */
const char *cfg_supervisord_option(enum cfg_kind kind, const char *name);

/* A value as our option has it: levels of logs have other words. Allocated; NULL when out of memory. */
char *cfg_supervisord_value(const struct cfg_option *option, const char *value);

/* [supervisord] speaks for [yardmaster], where that is silent. */
void cfg_supervisord_read(struct cfg_loader *load, const struct cfg_section *section);

/* ... and for programs: what they would inherit. Before their own options. */
void cfg_supervisord_program(struct cfg_loader *load, const char *name, struct cfg_program *program);

#endif
