/*
 * past_minute.c DIRECTORY - for tests/system/recent.sh: what has ended in the instance `test` is made to have ended more than
 * 50 s ago. The copies on the board, from then on, are of what is there now, as the master would have made them.
 */
#include <stdio.h>
#include <string.h>

#include "../../ipc/clock.h"
#include "../../runtime/instance.h"

#define PERIOD_NS UINT64_C(10000000000)

static void write_copies(struct recent_sh *recent, const struct histogram *wait, const struct histogram *run)
{
	uint64_t period = ym_now_ns() / PERIOD_NS;
	struct recent_copy_sh hour[RECENT_RING];

	/* A period of the hour may have begun a moment ago: the one before it is to stay without a copy. */
	memcpy(hour, recent->rings[RECENT_HOUR], sizeof(hour));
	for (unsigned i = 0; i < RECENT_RING; i++)
		atomic_store(&recent->rings[RECENT_MINUTE][i].at, 0);
	for (unsigned back = 0; back < RECENT_BACK; back++)
		recent_note(recent, (period - back) * PERIOD_NS + 1, wait, run);
	memcpy(recent->rings[RECENT_HOUR], hour, sizeof(hour));
}

int main(int argc, char **argv)
{
	uint8_t owners[YM_GROUP_CAPACITY_MAX];
	struct instance instance;
	struct ym_err err;

	if (argc != 2) {
		fputs("usage: past_minute DIRECTORY\n", stderr);
		return 2;
	}
	if (instance_locate(&instance, "test", argv[1], &err) < 0 ||
	    instance_join(&instance, "client", NULL, &err) < 0) {
		fprintf(stderr, "past_minute: %s\n", err.text);
		return 1;
	}
	board_owners(instance.board, owners);
	for (unsigned pool = 0; pool < TABLE_POOLS; pool++) {
		struct histogram wait, run;

		if (!atomic_load(&instance.board->pools[pool].used))
			continue;
		board_sum_times(instance.board, pool, owners, &wait, &run);
		write_copies(&instance.board->recents[pool], &wait, &run);
	}
	if (instance_leave(&instance, NULL, &err) < 0) {
		fprintf(stderr, "past_minute: %s\n", err.text);
		return 1;
	}
	return 0;
}
