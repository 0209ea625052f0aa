/* configured.h - an INI file that a master could start with: read, checked, its tasks tried. */
#ifndef YM_RUNTIME_COMMANDS_CONFIGURED_H
#define YM_RUNTIME_COMMANDS_CONFIGURED_H

#include "../../config/config.h"

/* 0 and the configuration (config_free() it), or an exit code after everything that is wrong was printed on stderr. */
int configured_load(const char *path, struct config *config);
/* The same, but nothing is tried: the file was checked a moment ago. */
int configured_read(const char *path, struct config *config);

#endif
