/*
 * later.c - to be preloaded: from the moment on when the file $LATER is there, CLOCK_MONOTONIC is a minute ahead. For what
 * takes longer than a test may.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define AHEAD_SECONDS 60

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *now)
{
	const char *file = getenv("LATER");

	if (syscall(SYS_clock_gettime, clock, now) < 0)
		return -1;
	if (clock == CLOCK_MONOTONIC && file && access(file, F_OK) == 0)
		now->tv_sec += AHEAD_SECONDS;
	return 0;
}
