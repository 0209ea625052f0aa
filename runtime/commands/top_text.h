/* top_text.h - numbers in few columns, and calm: what does not matter is not shown, so that it does not flicker. Each writes
 * into `out` and returns it. */
#ifndef YM_RUNTIME_COMMANDS_TOP_TEXT_H
#define YM_RUNTIME_COMMANDS_TOP_TEXT_H

#include "../text.h"

/* 99999, 123k, 1.23M: up to 5 columns. */
const char *top_count(double count, char out[TEXT_MAX]);
/* A second: 0.3, 12, 540k; "-": nothing goes. */
const char *top_rate(double rate, bool bytes, char out[TEXT_MAX]);
/* 840ns, 12us, 3.4ms, 1.2s, 4m05s; "-" of 0. */
const char *top_span(uint64_t ns, char out[TEXT_MAX]);
/* The same in whole seconds: 0s, 59s, 4m05s. */
const char *top_age(uint64_t ns, char out[TEXT_MAX]);
/* 812B, 12K, 3.4M, 1.2G; "-" of 0. */
const char *top_bytes(double bytes, char out[TEXT_MAX]);
/* How far: 1.2/2.6 MiB, 12/40 rows, 12 rows; "" without progress. */
const char *top_amount(uint64_t done, uint64_t total, const char *unit, char out[TEXT_MAX]);
/* The time of day of a moment in unix time. */
const char *top_clock(int64_t unix_ms, char out[TEXT_MAX]);

#endif
