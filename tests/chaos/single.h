/*
 * single.h - a supervised program of which there must never be two: `chaos single LEDGER LOCK`.
 *
 * It holds a lock as long as it lives, and prints numbered lines. The kernel gives the lock up before anybody can hear of
 * its end: one that finds it taken has been started beside a living one.
 */
#ifndef YM_TESTS_SINGLE_H
#define YM_TESTS_SINGLE_H

int single_main(const char *ledger, const char *lock);

#endif
