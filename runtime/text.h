/* text.h - numbers as people read them. Each writes into `out` and returns it. */
#ifndef YM_RUNTIME_TEXT_H
#define YM_RUNTIME_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_MAX 48

/* 3.2s, 4m05s, 2h10m, 3d04h */
const char *text_duration(uint64_t ns, char out[TEXT_MAX]);
/* 1:05, 2:03:04; "--:--" when not known (YM_NEVER) */
const char *text_eta(uint64_t ns, char out[TEXT_MAX]);
/* An amount in its unit: "1.4 MiB" for bytes, "1400" otherwise. */
const char *text_amount(double amount, bool bytes, char out[TEXT_MAX]);

/* Done and total in the unit of the total: "1.2/2.6 MiB". */
const char *text_fraction(uint64_t done, uint64_t total, bool bytes, char out[TEXT_MAX]);

/* How far a job is: " 20% 8 of 40 rows  note", " 8 rows  note", or the note. */
#define TEXT_PROGRESS_MAX 256
const char *text_progress(uint64_t done, uint64_t total, const char *unit, const char *note,
                          char out[TEXT_PROGRESS_MAX]);

/* Length of the valid UTF-8 character at `at`, 0 if there is none in the `left` bytes. */
size_t text_utf8(const unsigned char *at, size_t left);

/* Copy a text (NULL: "") into a field of `max` bytes, cut at a character boundary, and fill the rest with NUL bytes. */
void text_copy(char *to, size_t max, const char *from);

/* Characters that a terminal would obey, that turn the direction of what follows, or hide it. */
bool text_disturbs(uint32_t c);

/* How many columns of a terminal it takes: what the locale calls wide takes two. */
size_t text_columns(const char *text);

/*
 * As much of it as fits into so many columns, padded with blanks to exactly that many if `pad`; a '?' for each byte that is no
 * UTF-8, and each character that disturbs.
 */
void text_cell(char *out, size_t max, const char *text, size_t columns, bool pad);

#endif
