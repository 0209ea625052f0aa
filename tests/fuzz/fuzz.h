/*
 * fuzz.h - what the targets share: claims, a clock of their own, and memory that is counted or refused.
 *
 * A target takes bytes, does with them what a user would, and claims what has to hold whatever the bytes are. The
 * sanitizers claim the rest. All that a target does is decided by its input: time passes only when it is asked for.
 */
#ifndef YM_TESTS_FUZZ_H
#define YM_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ipc/error.h"

/* What libFuzzer calls. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Abort, which makes the input a finding. */
_Noreturn void fuzz_fail(const char *file, int line, const char *claim, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define CLAIM(condition, ...)                                                                                          \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			fuzz_fail(__FILE__, __LINE__, #condition, __VA_ARGS__);                                        \
	} while (0)

/* A call failed: it says why, and gives a class that the caller expects. */
#define CLAIM_REFUSED(err, expected)                                                                                   \
	CLAIM((err)->text[0] && (expected), "%s: \"%s\"", ym_err_word((err)->class), (err)->text)

/*
 * From now on naps are counted from 0, and one that comes after FUZZ_NAPS_MAX is a finding: somebody waits for ever.
 * `during` (may be NULL) is called in each: what another process does meanwhile.
 */
#define FUZZ_NAPS_MAX 20000
void fuzz_clock_start(void (*during)(void));

/* From now on allocations are counted; number `fail_at` (from 1; 0: none) fails. */
void fuzz_memory_start(size_t fail_at);
/* No longer; how many there were, and the largest of them. */
size_t fuzz_memory_stop(size_t *largest);

#endif
