/* status_store.c - the store's line of `yardmaster status`. */
#include "status_store.h"

#include <stdio.h>

#include "../../ipc/sys.h"
#include "../text.h"

void status_store_print(const struct board_sh *board)
{
	const struct board_store_sh *store = &board->store;
	uint32_t state = atomic_load(&store->state);
	char since[TEXT_MAX], trouble[BOARD_REASON_MAX];

	if (state == BOARD_STORE_NONE)
		return;
	printf("store %s: %s", store->shown, board_store_word(state));
	if (board_trouble(board, trouble)[0])
		printf(" for %s: %s", text_duration(ym_now_ns() - atomic_load(&store->since), since), trouble);
	printf("\n");
}

void status_store_json(struct json *json, const struct board_sh *board)
{
	const struct board_store_sh *store = &board->store;
	uint32_t state = atomic_load(&store->state);
	char trouble[BOARD_REASON_MAX];

	if (state == BOARD_STORE_NONE)
		return;
	json_open(json, "store", '{');
	json_put_string(json, "uri", store->shown);
	json_put_string(json, "state", board_store_word(state));
	json_put_real(json, "since", (double)(ym_now_ns() - atomic_load(&store->since)) / 1e9);
	json_put_string(json, "trouble", board_trouble(board, trouble));
	json_put_uint(json, "commits", atomic_load(&store->commits));
	json_put_real(json, "last_commit", (double)atomic_load(&store->commit_ns) / 1e9);
	json_put_uint(json, "submitted", atomic_load(&store->submitted));
	json_put_uint(json, "recorded", atomic_load(&store->recorded));
	json_put_uint(json, "fetched", atomic_load(&store->fetched));
	json_put_uint(json, "refused", atomic_load(&store->refused));
	json_close(json, '}');
}
