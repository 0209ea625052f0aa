/*
 * status_publish.h - what `yardmaster status` says of the progress for scripts. Nothing is printed where there is none.
 */
#ifndef YM_RUNTIME_COMMANDS_STATUS_PUBLISH_H
#define YM_RUNTIME_COMMANDS_STATUS_PUBLISH_H

#include "../instance.h"

void status_publish_print(const struct instance *instance);

#endif
