/*
 * operator.h - what an operator does to an instance while it works: other sizes, another configuration, new workers,
 * another program.
 *
 * Each order is a command of its own in the background. Whether it is obeyed is not asked: the master may be dead, stopped
 * or leaving at that moment.
 */
#ifndef YM_TESTS_OPERATOR_H
#define YM_TESTS_OPERATOR_H

#include <stdbool.h>

void operator_scale(void);
void operator_reload(void);
void operator_restart(void);
void operator_upgrade(void);

/* Reap those commands that have ended. Returns whether there are others. */
bool operator_tend(void);

/* The configuration of the beginning, and a master that has it. */
void operator_settle(void);

#endif
