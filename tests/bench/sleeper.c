/*
 * sleeper.c - the child that every supervisor is measured with: `sleeper FILE` says in FILE when it began to run, and
 * sleeps until a signal ends it.
 */
#include "sleeper.h"

#include <fcntl.h>
#include <unistd.h>

#include "../../ipc/clock.h"

int main(int argc, char **argv)
{
	uint64_t now = ym_now_ns();
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
	struct bed_sh *bed;
	unsigned row;

	if (fd < 0)
		return 2;
	bed = sleeper_bed(fd);
	close(fd);
	row = bed ? atomic_fetch_add(&bed->taken, 1) : BED_ROWS;
	if (row >= BED_ROWS)
		return 3;
	bed->rows[row].since = now;
	atomic_store(&bed->rows[row].pid, getpid());
	for (;;)
		pause();
}
