/*
 * bench.c - what processes and progress cost.
 *
 *     bench YARDMASTER NOOP_PLUGIN
 *
 * Run it in an IPC namespace of its own on a quiet machine.
 */
#include <string.h>
#include <sys/mman.h>

#include "stand.h"

#define UPDATES    20000000
#define UP_WORKERS 100

/* ---- progress -------------------------------------------------------------------------------- */

static double progress_update(void)
{
	struct board_worker_sh *row =
	    mmap(NULL, sizeof(*row), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct board_progress progress = {.job = 1, .total = UPDATES};
	uint64_t begin = ym_now_ns();

	for (uint64_t i = 0; i < UPDATES; i++) {
		progress.done = i;
		board_publish(&row->progress, &row->progress_version, &progress);
	}
	munmap(row, sizeof(*row));
	return seconds(begin) * 1e9 / UPDATES;
}

/* ---- processes ------------------------------------------------------------------------------- */

/* From kill -9 of a worker until another one is ready for jobs in its row. */
static double worker_replaced(void)
{
	struct instance instance;
	struct board_work work, next;
	uint64_t begin;

	locate(&instance);
	if (instance_view(&instance, NULL) < 0 || !board_read_work(&instance.board->workers[0], &work))
		die("the board");
	begin = ym_now_ns();
	kill(work.pid, SIGKILL);
	do {
		if (!board_read_work(&instance.board->workers[0], &next))
			die("the board");
	} while (next.pid == work.pid || next.state != BOARD_WORKER_IDLE);
	instance_unview(&instance);
	return seconds(begin) * 1e3;
}

static double workers_up(void)
{
	uint64_t begin = ym_now_ns();
	double ms;

	start(noop_task(), UP_WORKERS, 16384);
	ms = seconds(begin) * 1e3;
	stop();
	return ms;
}

static double master_pss(void)
{
	char path[64], line[256];
	double kib = 0;
	FILE *file;

	start(noop_task(), UP_WORKERS, 16384);
	snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", (long)master);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "Pss: %lf", &kib);
	if (file)
		fclose(file);
	stop();
	return kib;
}

int main(int argc, char **argv)
{
	set_up(argc, argv);
	start(noop_task(), 2, 16384);
	figure("worker_replaced", median_of(worker_replaced), "ms", 0);
	stop();
	figure("progress_update", median_of(progress_update), "ns", 0);
	figure("start_100_workers", median_of(workers_up), "ms", 0);
	figure("master_pss_100_workers", master_pss(), "KiB", 0);
	return 0;
}
