/*
 * payload.h - job bytes that are too long for the table: files DIRECTORY/jobs/SLOT-GENERATION.payload and .result.
 *
 * The job says in `files` and `file_gen` which of them may exist, before they do; whoever fills the slot next, or
 * clears up after a killed producer, unlinks them.
 */
#ifndef YM_RUNTIME_PAYLOAD_H
#define YM_RUNTIME_PAYLOAD_H

#include "table.h"

#define PAYLOAD_DIRECTORY "jobs"

/* Store the payload, inline or in a file; the caller owns the job (FILLING). */
int payload_store(const char *directory, struct job_sh *job, uint32_t slot, uint32_t gen, const void *data, size_t size,
                  struct ym_err *err);
/* Store the result likewise; the caller owns the job (FINISHING). */
int payload_store_result(const char *directory, struct job_sh *job, uint32_t slot, uint32_t gen, const void *data,
                         size_t size, struct ym_err *err);

/* The bytes, allocated and followed by a NUL byte; free() them. NULL with err. *size is set. */
void *payload_load(const char *directory, const struct job_sh *job, uint32_t slot, size_t *size, struct ym_err *err);
void *payload_load_result(const char *directory, const struct job_sh *job, uint32_t slot, size_t *size,
                          struct ym_err *err);

/* Unlink the files of all jobs: nobody works with the table any more. */
void payload_discard_all(const char *directory);

/* Unlink the files of a job; the caller owns it (FILLING). */
void payload_discard(const char *directory, struct job_sh *job, uint32_t slot);

#endif
