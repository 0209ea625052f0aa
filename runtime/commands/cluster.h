/* cluster.h - `yardmaster status --cluster`: all nodes that share a store. */
#ifndef YM_RUNTIME_COMMANDS_CLUSTER_H
#define YM_RUNTIME_COMMANDS_CLUSTER_H

#include "command.h"

/* Reads the store itself: works beside a master and without one. Returns the exit code. */
int cluster_status(const struct args *args);

#endif
