/*
 * identity.h - `user` of [yardmaster]: a master that is started by root goes on as somebody else, for good.
 */
#ifndef YM_RUNTIME_IDENTITY_H
#define YM_RUNTIME_IDENTITY_H

#include "../config/config.h"

/*
 * Make the instance directory for the user and become him: user, groups, HOME, USER, LOGNAME. Nothing to do without the
 * option, or if we are him. Before there is any thread, file or object of the instance.
 */
int identity_take(const struct cfg_instance *config, struct ym_err *err);

/* For a command of root's: objects of another user are not to be trusted by root, so it is done as that user. */
int identity_join(const struct cfg_instance *config, struct ym_err *err);

#endif
