/*
 * settle.h - wait until the master has done what it was asked for: seen on the status board, so nobody disturbs it.
 */
#ifndef YM_RUNTIME_COMMANDS_SETTLE_H
#define YM_RUNTIME_COMMANDS_SETTLE_H

#include "../instance.h"

enum settled {
	SETTLED,   /* as many processes as it should have, none of them to be replaced */
	UNSETTLED, /* not yet */
	GIVEN_UP   /* they do not start */
};

/*
 * How far is what is named? NAME or NAME/NUMBER; NULL: everything. The master writes what it wants to the board before it
 * answers a request, so from then on this is about that request. `reason` (BOARD_REASON_MAX bytes) says why of GIVEN_UP,
 * and of UNSETTLED if a start has failed and the next one is waited for; otherwise it is left as it is.
 */
enum settled settled(const struct board_sh *board, const char *name, char *reason);

/*
 * Wait for it: 0, or -1: YM_ERR_NO (it does not start), YM_ERR_TIMEOUT, YM_ERR_NOT_RUNNING (no instance, or its master ended meanwhile). `names` ends
 * with NULL; an empty list: everything.
 */
int settle_await(struct instance *instance, char *const *names, uint64_t deadline, struct ym_err *err);

#endif
