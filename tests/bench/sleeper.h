/*
 * sleeper.h - the file in which sleepers say when they began to run: one row for each that ever ran.
 */
#ifndef YM_TESTS_SLEEPER_H
#define YM_TESTS_SLEEPER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/types.h>

#define BED_ROWS 4000

struct bed_sh {
	_Atomic unsigned taken;
	struct {
		uint64_t since;    /* CLOCK_MONOTONIC, ns: written before the pid */
		_Atomic pid_t pid; /* 0: not there yet */
	} rows[BED_ROWS];
};

static inline struct bed_sh *sleeper_bed(int fd)
{
	void *at = mmap(NULL, sizeof(struct bed_sh), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

#endif
