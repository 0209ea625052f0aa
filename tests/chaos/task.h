/*
 * task.h - the task of this test as a command: `chaos task LEDGER FILE`, with the payload in the file.
 *
 * Does the same as tests/plugins/chaos.c, in the ways of a command: signals, exit codes, stdout.
 */
#ifndef YM_TESTS_TASK_H
#define YM_TESTS_TASK_H

int task_main(const char *ledger, const char *file);

#endif
