/*
 * job_scan.h - JSON, a character at a time, for job_reader.c.
 *
 * A JSON library would have to have a line as a whole: with a payload of a gigabyte, some gigabytes. Each returns 0, or -1
 * with the error of the reader: what is wrong with which line.
 */
#ifndef YM_RUNTIME_COMMANDS_JOB_SCAN_H
#define YM_RUNTIME_COMMANDS_JOB_SCAN_H

#include <stdbool.h>

#include "job_line.h"

/* Bytes of the name of a member, with its NUL. */
#define SCAN_NAME_MAX 64

/* Go on to the next character. */
void scan_step(struct job_reader *reader);
void scan_blanks(struct job_reader *reader);
/* Say what is wrong here; -1. */
int scan_wrong(struct job_reader *reader, const char *what);

/* This character has to come: else `what` is wrong. */
int scan_expect(struct job_reader *reader, char wanted, const char *what);
/* Is it this one? Then it is behind us. */
bool scan_accept(struct job_reader *reader, char wanted);

/* A short string; the rest of `out` is zeroed. `base64`: it stands for other bytes. */
int scan_text(struct job_reader *reader, bool base64, char *out, size_t max);
/* A string of any length, for the payload or the result of the job: into memory, or a file. */
int scan_bytes(struct job_reader *reader, bool base64, struct store_job *job, struct payload_source *source);
/* A whole number; with `thousand`, thousandths of one that may have a fraction. */
int scan_number(struct job_reader *reader, bool thousand, int64_t *number);
/* true, false, null */
int scan_word(struct job_reader *reader, const char *word);
/* Any value, at depth 0. */
int scan_skip(struct job_reader *reader, int depth);

#endif
