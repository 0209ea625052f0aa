/*
 * figures.h - one line a figure: figure NAME VALUE UNIT raw=VALUE ratio=VALUE. Medians of ROUNDS runs. Nothing is pinned; a
 * ratio holds better than a value.
 */
#ifndef YM_TESTS_FIGURES_H
#define YM_TESTS_FIGURES_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ipc/clock.h"

#define ROUNDS 5

static inline void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static inline double seconds(uint64_t since)
{
	return (double)(ym_now_ns() - since) / 1e9;
}

static inline int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static inline double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_value);
	return values[n / 2];
}

static inline double median_of(double (*measure)(void))
{
	double values[ROUNDS];

	for (int i = 0; i < ROUNDS; i++)
		values[i] = measure();
	return median(values, ROUNDS);
}

static inline void figure(const char *name, double value, const char *unit, double raw)
{
	printf("figure %s %.3f %s", name, value, unit);
	if (raw > 0)
		printf(" raw=%.3f ratio=%.3f", raw, value / raw);
	printf("\n");
	fflush(stdout);
}

#endif
