/*
 * client.h - processes that use the instance: submit, wait, control; and scripts that hold units of its limits.
 */
#ifndef YM_TESTS_CLIENT_H
#define YM_TESTS_CLIENT_H

/* Runs in a process of its own until it has submitted jobs `from` to `from + count - 1`, or longer. Does not return. */
void client_run(unsigned from, unsigned count) __attribute__((noreturn));

/* Holds units like a script that knows nothing but the keys, for `ms` milliseconds or so. Does not return. */
void client_hold(unsigned ms) __attribute__((noreturn));

/* Most jobs one client is given. */
#define CLIENT_JOBS_MAX 120

#endif
