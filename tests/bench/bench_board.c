/*
 * bench_board.c - what a progress update costs the task that reports: ym_progress() as a plugin calls it, while nobody looks,
 * while somebody looks a hundred times a second, and while somebody looks without a pause. Beside each, as raw, the least that
 * could be done: a versioned write of 64 bytes, read in the same way.
 *
 *     bench_board
 */
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../ipc/sys.h"
#include "../../runtime/board.h"
#include "../../workers/job.h"
#include "../../workers/plugin.h"
#include "figures.h"

#define UPDATES 5000000
#define LOOK_NS 10000000

struct raw_sh {
	_Atomic uint64_t version; /* odd while it is written */
	_Atomic uint64_t words[7];
};

/* What both processes share. */
struct stage {
	_Alignas(64) struct board_worker_sh row;
	_Alignas(64) struct raw_sh raw;
	_Alignas(64) _Atomic uint32_t ready;
};

static struct stage *stage;

/* ---- who looks ------------------------------------------------------------------------------- */

static void look_at_row(void)
{
	struct board_progress progress;

	board_read_progress(&stage->row, &progress);
}

static void look_at_raw(void)
{
	uint64_t words[7], before;

	do {
		before = atomic_load_explicit(&stage->raw.version, memory_order_acquire);
		for (int i = 0; i < 7; i++)
			words[i] = atomic_load_explicit(&stage->raw.words[i], memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
	} while (before % 2 == 0 && atomic_load_explicit(&stage->raw.version, memory_order_relaxed) != before);
	__asm__ volatile("" : : "r"(words) : "memory");
}

/* A process that looks every `gap_ns`, 0: without a pause. */
static pid_t start_reader(void (*look)(void), uint64_t gap_ns)
{
	pid_t pid;

	atomic_store(&stage->ready, 0);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid > 0) {
		while (!atomic_load(&stage->ready))
			ym_nap(100000);
		return pid;
	}
	for (;;) {
		look();
		atomic_store_explicit(&stage->ready, 1, memory_order_relaxed);
		if (gap_ns)
			ym_nap((long)gap_ns);
	}
}

static void stop_reader(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- who reports ----------------------------------------------------------------------------- */

static double report(void)
{
	static struct ym_job job;
	uint64_t begin;

	job.row = &stage->row;
	begin = ym_now_ns();
	for (uint64_t i = 0; i < UPDATES; i++)
		ym_progress(&job, i, UPDATES, NULL);
	return seconds(begin) * 1e9 / UPDATES;
}

static double report_raw(void)
{
	struct raw_sh *raw = &stage->raw;
	uint64_t begin = ym_now_ns();

	for (uint64_t i = 0; i < UPDATES; i++) {
		uint64_t version = atomic_load_explicit(&raw->version, memory_order_relaxed);

		atomic_store_explicit(&raw->version, version + 1, memory_order_relaxed);
		atomic_thread_fence(memory_order_release);
		for (int word = 0; word < 7; word++)
			atomic_store_explicit(&raw->words[word], i + (uint64_t)word, memory_order_relaxed);
		atomic_store_explicit(&raw->version, version + 2, memory_order_release);
	}
	return seconds(begin) * 1e9 / UPDATES;
}

static void measure(const char *name, bool watched, uint64_t gap_ns)
{
	double values[ROUNDS], raws[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		pid_t pid = watched ? start_reader(look_at_row, gap_ns) : 0;

		values[i] = report();
		if (pid)
			stop_reader(pid);
		pid = watched ? start_reader(look_at_raw, gap_ns) : 0;
		raws[i] = report_raw();
		if (pid)
			stop_reader(pid);
	}
	figure(name, median(values, ROUNDS), "ns", median(raws, ROUNDS));
}

int main(void)
{
	stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stage == MAP_FAILED)
		die("mmap");
	measure("progress.alone", false, 0);
	measure("progress.reader_100hz", true, LOOK_NS);
	measure("progress.reader_polling", true, 0);
	return 0;
}
