/* clock.h - deadlines: every wait of ipc/ ends at one. */
#ifndef YM_IPC_CLOCK_H
#define YM_IPC_CLOCK_H

#include <stdint.h>
#include <time.h>

#ifndef CLOCK_MONOTONIC
#error "compile with -std=gnu11, or define _POSIX_C_SOURCE as 200809L before the first #include"
#endif

/* Nanoseconds of CLOCK_MONOTONIC: the same clock for every process of the machine. */
static inline uint64_t ym_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* A deadline `timeout_ms` from now on that clock; a negative one, or one of centuries, means never. */
#define YM_NEVER UINT64_MAX
static inline uint64_t ym_deadline(int64_t timeout_ms)
{
	uint64_t now = ym_now_ns();

	if (timeout_ms < 0 || (uint64_t)timeout_ms > (YM_NEVER - 1 - now) / 1000000u)
		return YM_NEVER;
	return now + (uint64_t)timeout_ms * 1000000u;
}

#endif
