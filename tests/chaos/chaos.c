/*
 * chaos.c - kill everything at random for a while, then look whether every accepted job was done.
 *
 *     chaos SECONDS YARDMASTER PLUGIN STORE [SEED]
 *
 * Clients submit numbered jobs, one by one and in batches, with priorities, delays, timeouts and unique keys, wait for
 * results, cancel, bury, kick, delete and pause; scripts hold units of the limits. Everybody writes into a ledger what
 * he does. Meanwhile all of them, workers, commands, the master and the guardian are killed, or stopped for a while; the
 * instance is stopped in order, and sometimes everything is killed at once; pools are scaled, restarted, reloaded with other
 * sizes and options, taken out and put back, and the master is upgraded; in some rounds all IPC objects are removed now and
 * then (then jobs may run again, but none is lost). STORE says whether the jobs are only in the table, in a store behind it,
 * or that in every other round. A store is read by others, its disk is full now and then, and sometimes it is all that
 * is left (then what was in the table only may happen again). Then all that ends, and
 *   - every job is over within a time, and every accepted one was done, or somebody was told why not;
 *   - a job was started again only if its worker or command was killed by us, or it asked for that;
 *   - a job that kills its workers is buried when it has killed as many as it may;
 *   - no limit, rate or unique key was ever overrun, all units are free;
 *   - who waited for a result got that of his job;
 *   - of a supervised program there was never more than one process;
 *   - no IPC object, no slot and no file of a job is left;
 *   - in a store, all accepted jobs are over, none twice, nothing is held, and `store verify` finds nothing.
 * Long runs are divided into rounds, each with a new instance. Run it in its own IPC and PID namespaces.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ipc/sys.h"
#include "depot.h"
#include "order.h"
#include "reckoning.h"
#include "single.h"
#include "site.h"
#include "strike.h"
#include "task.h"

#define ROUND_MS      60000
#define STRIKE_GAP_MS 50

static void thaw_some(void)
{
	strike_thaw(false);
}

static void kill_for(int64_t ms)
{
	uint64_t end = ym_deadline(ms);

	site_start_master();
	site_await_master();
	while (ym_now_ns() < end) {
		strike_tend();
		site_nap(site_pick(STRIKE_GAP_MS));
		strike_thaw(false);
		strike();
	}
	strike_thaw(true);
	strike_end_crowd();
}

static bool one_round(int64_t ms, bool stored, struct reckoning *sums)
{
	struct events events = {0};
	struct settled settled = {0};

	site_make(stored);
	kill_for(ms);
	events_read(&events, strike_next_job());
	settle(&settled, &events);
	settle_and_leave();
	events_read(&events, strike_next_job());
	reckon(&events, &settled, sums);
	free(settled.crashes);
	events_free(&events);
	if (site.problems) {
		printf("%u problems; kept: %s\n", site.problems, site.dir);
		if (stored)
			depot_remove(true);
		return false;
	}
	site_remove();
	return true;
}

static void find_programs(char **argv)
{
	if (!realpath(argv[2], site.program) || !realpath(argv[3], site.plugin) ||
	    !realpath("/proc/self/exe", site.self))
		site_die("the program and the plugin");
	site.meanwhile = thaw_some;
}

int main(int argc, char **argv)
{
	unsigned seed = argc > 5 ? (unsigned)strtoul(argv[5], NULL, 10) : (unsigned)ym_now_ns();
	struct reckoning sums = {0};
	bool good = true, stored;
	int64_t left;

	if (argc == 4 && strcmp(argv[1], "task") == 0)
		return task_main(argv[2], argv[3]);
	if (argc == 4 && strcmp(argv[1], "single") == 0)
		return single_main(argv[2], argv[3]);
	if (argc < 5 || argc > 6) {
		fprintf(stderr, "usage: chaos SECONDS YARDMASTER PLUGIN memory|sqlite|both [SEED]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	srandom(seed);
	find_programs(argv);
	printf("seed %u\n", seed);
	stored = strcmp(argv[4], "memory") != 0;
	for (left = 1000 * strtol(argv[1], NULL, 10); left > 0 && good; left -= ROUND_MS) {
		good = one_round(left < ROUND_MS ? left : ROUND_MS, stored, &sums);
		stored ^= strcmp(argv[4], "both") == 0;
	}
	strike_print();
	reckoning_print(&sums);
	printf("%s\n", good ? "good" : "FAILED");
	return good ? 0 : 1;
}
