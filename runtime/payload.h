/*
 * payload.h - job bytes that are too long for the table: files DIRECTORY/jobs/SLOT-GENERATION.payload and .result.
 *
 * The job says in `files` and `file_gen` which of them may exist, before they do; whoever fills the slot next, or
 * clears up after a killed producer, unlinks them.
 *
 * With an instance that is shared with a Unix group (share.h) they are 0640, else 0600. Nothing but a regular file with one
 * name is ever read.
 *
 * They may have hundreds of megabytes, so they are never copied through the memory of a process: descriptors are copied
 * by the kernel, and readers get a mapping. A file is written once and then only unlinked, which disturbs no reader;
 * should somebody else shorten one while it is mapped, its reader dies of SIGBUS.
 */
#ifndef YM_RUNTIME_PAYLOAD_H
#define YM_RUNTIME_PAYLOAD_H

#include "table.h"

#define PAYLOAD_DIRECTORY "jobs"

/* ---- writing --------------------------------------------------------------------------------- */

/* Bytes to store; all zeroes: none. */
struct payload_source {
	const void *data; /* NULL: `size` bytes from the current position of `fd` */
	size_t size;      /* PAYLOAD_TO_END: all until its end */
	int fd;           /* a file, a pipe, a terminal, ...; counts only without `data` */
};
#define PAYLOAD_TO_END SIZE_MAX

/* Is it too much? As far as can be told without reading: to be asked before a slot is taken. */
int payload_check(const struct payload_source *source, uint64_t max, struct ym_err *err);

/*
 * Store the payload, inline or in a file; the caller owns the job (FILLING). -1, and nothing is left: YM_ERR_USAGE, more
 * than `max` bytes; YM_ERR_FULL, no space; YM_ERR_CORRUPT, the descriptor has fewer bytes than `size`; or what cannot
 * be read or written. Of a descriptor that cannot seek, bytes are used up then.
 */
int payload_store(const char *directory, struct job_sh *job, uint32_t slot, uint32_t gen,
                  const struct payload_source *source, uint64_t max, struct ym_err *err);
/* Store the result likewise; the caller owns the job (FINISHING). After a failure it is empty. */
int payload_store_result(const char *directory, struct job_sh *job, uint32_t slot, uint32_t gen,
                         const struct payload_source *source, uint64_t max, struct ym_err *err);

/* ---- reading --------------------------------------------------------------------------------- */

/*
 * The bytes of a job, readable until payload_close(), whatever becomes of the job and its slot. Made by payload_open();
 * only `data` and `size` are for others.
 */
struct payload {
	const void *data; /* never NULL, to be read only; a NUL byte follows */
	size_t size;
	void *memory;  /* behind data */
	size_t mapped; /* bytes of the mapping; 0: allocated */
	char *path;    /* allocated; NULL: inline */
	int fd;        /* -1: none yet */
};

/* 0, or -1: the file is missing, or has not as many bytes as the job says, .... Close it in both cases. */
int payload_open(const char *directory, const struct job_sh *job, uint32_t slot, struct payload *payload,
                 struct ym_err *err);
int payload_open_result(const char *directory, const struct job_sh *job, uint32_t slot, struct payload *payload,
                        struct ym_err *err);
void payload_close(struct payload *payload);

/* Path of the file, NULL when the bytes were in the table. */
const char *payload_path(const struct payload *payload);

/*
 * A descriptor of the bytes, at their beginning, that nothing can be written to: of the file, or of a memory file made
 * now. It belongs to the payload, and every call puts it to the beginning. -1 with err.
 */
int payload_fd(struct payload *payload, struct ym_err *err);

/* ---- removing -------------------------------------------------------------------------------- */

/* Unlink the files of a job; the caller owns it (FILLING). */
void payload_discard(const char *directory, struct job_sh *job, uint32_t slot);

/* Unlink the files of all jobs: nobody works with the table any more. */
void payload_discard_all(const char *directory);

#endif
