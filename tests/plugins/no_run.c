/* no_run.c - a plugin whose entry names no run function. */
#include <yardmaster/plugin.h>

YM_PLUGIN("no_run", .close = NULL);
