/*
 * reckoning.h - does the ledger tell of a world in which nothing was lost and nothing done twice without need?
 */
#ifndef YM_TESTS_RECKONING_H
#define YM_TESTS_RECKONING_H

#include "settle.h"

struct reckoning {
	unsigned long submitted, accepted, runs, again, done, waited, cancelled, buried;
};

/* Adds to the numbers. */
void reckon(const struct events *events, const struct settled *settled, struct reckoning *sums);
void reckoning_print(const struct reckoning *sums);

#endif
