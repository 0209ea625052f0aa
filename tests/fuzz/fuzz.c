/* fuzz.c - claims, a clock and memory for the targets. The linker sends the library's calls here (--wrap). */
#include "fuzz.h"

#include <stdarg.h>
#include <time.h>

/* Inputs are long, and more so what comes of them. */
#define TEXT_MAX 400

_Noreturn void fuzz_fail(const char *file, int line, const char *claim, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "%s:%d: does not hold: %s: %s\n", file, line, claim, text);
	abort();
}

/* ---- the clock ------------------------------------------------------------------------------- */

/* What it takes to look at the clock, and how much longer than asked a nap is: loops with a deadline end soon. */
#define LOOK_NS    1000
#define OVERSLEEPS 50

static struct {
	uint64_t now_ns;
	unsigned naps;
	void (*during)(void);
} passing = {.now_ns = 1000000000};

int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest);

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
	(void)clock;
	passing.now_ns += LOOK_NS;
	out->tv_sec = (time_t)(passing.now_ns / 1000000000);
	out->tv_nsec = (long)(passing.now_ns % 1000000000);
	return 0;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *rest)
{
	(void)rest;
	passing.now_ns += ((uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec) * OVERSLEEPS;
	CLAIM(++passing.naps <= FUZZ_NAPS_MAX, "%u naps", passing.naps);
	if (passing.during)
		passing.during();
	return 0;
}

void fuzz_clock_start(void (*during)(void))
{
	passing.naps = 0;
	passing.during = during;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static struct {
	bool on;
	size_t calls, fail_at, largest;
} memory;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool refused(size_t size)
{
	if (!memory.on)
		return false;
	if (size > memory.largest)
		memory.largest = size;
	return ++memory.calls == memory.fail_at;
}

void *__wrap_malloc(size_t size)
{
	return refused(size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return refused(count * size) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return refused(size) ? NULL : __real_realloc(old, size);
}

void fuzz_memory_start(size_t fail_at)
{
	memory.on = true;
	memory.calls = 0;
	memory.fail_at = fail_at;
	memory.largest = 0;
}

size_t fuzz_memory_stop(size_t *largest)
{
	memory.on = false;
	if (largest)
		*largest = memory.largest;
	return memory.calls;
}
