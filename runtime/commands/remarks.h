/* remarks.h - what a person should know about a pool or a limit, in a few words. */
#ifndef YM_RUNTIME_COMMANDS_REMARKS_H
#define YM_RUNTIME_COMMANDS_REMARKS_H

#include "../instance.h"
#include "../text.h"

#define REMARKS_MAX (BOARD_REASON_MAX + TABLE_NAME_MAX + 160)

/* About a pool, separated by commas; "": nothing. `held`: as board_held(). Returns `out`. */
const char *remarks_pool(const struct instance *instance, unsigned pool, int held, char out[REMARKS_MAX]);

/* A rate as one would write it in the INI, 90/m, from the time between two starts; "-": none. Returns `out`. */
const char *remarks_rate(uint64_t interval_ns, char out[TEXT_MAX]);

#endif
