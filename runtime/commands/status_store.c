/* status_store.c - the store's line of `yardmaster status`. */
#include "status_store.h"

#include <stdio.h>

#include "../../ipc/sys.h"
#include "../text.h"

void status_store_print(const struct board_sh *board, bool master)
{
	const struct board_store_sh *store = &board->store;
	uint32_t state = atomic_load(&store->state);
	char since[TEXT_MAX], trouble[BOARD_REASON_MAX];

	if (state == BOARD_STORE_NONE)
		return;
	/* What its state was does not matter when its writer is gone. */
	if (!master) {
		printf("store %s: nobody writes to it without a master, so no job is accepted\n", store->shown);
		return;
	}
	printf("store %s: %s", store->shown, board_store_word(state));
	if (board_trouble(board, trouble)[0])
		printf(" for %s: %s", text_duration(ym_now_ns() - atomic_load(&store->since), since), trouble);
	printf("\n");
}
