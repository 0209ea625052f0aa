/*
 * status_store.h - what `yardmaster status` says of the store. Nothing is printed where the jobs are in memory.
 */
#ifndef YM_RUNTIME_COMMANDS_STATUS_STORE_H
#define YM_RUNTIME_COMMANDS_STATUS_STORE_H

#include "../board.h"
#include "../json.h"

void status_store_print(const struct board_sh *board, bool master);

#endif
