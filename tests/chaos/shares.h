/*
 * shares.h - what jobs share: units of limits, rates, unique keys. Were there ever too many at a time?
 *
 * Counted are only the times in which something was held for certain: from a note made after the take to one made before
 * the give, or to the note that the holder is about to be killed. So there are no false alarms.
 */
#ifndef YM_TESTS_SHARES_H
#define YM_TESTS_SHARES_H

#include "events.h"

void shares_check(const struct events *events);

#endif
