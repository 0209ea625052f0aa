/*
 * log_writer.h - a queue of lines, and the one thread that writes them.
 *
 * One thread puts lines in (the loop's), one takes them out; the producer never waits, whatever the disk does: when the
 * queue is full, a line is dropped and counted with its voice. The writer takes batches and writes all lines of a file
 * in one call. A pipe or terminal that nobody reads holds up nobody else; a disk that hangs holds up all files, but not
 * the producer. Old files are gzipped by a second thread, which lives only while there is something to pack.
 *
 * Both threads block all signals. They do not survive a fork() or execve(); log_writer_flush() before.
 */
#ifndef YM_RUNTIME_LOG_WRITER_H
#define YM_RUNTIME_LOG_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "../config/config.h"
#include "log.h"

struct log_writer;
struct log_voice;

struct log_writer_options {
	size_t queue_bytes;      /* 0: 1 MiB */
	int64_t retry_ms;        /* what does not work is tried again so often; 0: 2 s */
	int64_t (*now_ms)(void); /* since 1970; NULL: the clock */
};

int log_writer_start(struct log_writer **out, const struct log_writer_options *options, struct ym_err *err);
/* Wait until all lines are written, or cannot be written now; false: not within the time. */
bool log_writer_flush(struct log_writer *writer, int64_t patience_ms);
/* Write what is there and end. A thread that is stuck in the kernel is left behind, with its memory. */
void log_writer_stop(struct log_writer *writer, int64_t patience_ms);
/* All files, by name; soon. */
void log_writer_reopen(struct log_writer *writer);

/* How lines about the log itself are written, and where (beside stderr, if it is not that). */
void log_writer_format(struct log_writer *writer, enum cfg_log_format format);
void log_writer_main(struct log_writer *writer, struct log_voice *voice);

/*
 * Speak into the file of `config`, under a name for the case that lines get lost. All who name the same file share it;
 * the last one's sizes count. `own`: its directory is ours to make. The file is opened here and now: -1 says why that
 * failed, and *voice can be used all the same (NULL only when out of memory): it is tried again now and then.
 */
int log_voice_open(struct log_voice **out, struct log_writer *writer, const struct cfg_log *config, bool own,
                   const char *name, struct ym_err *err);
/* Other sizes for the same file. */
void log_voice_apply(struct log_voice *voice, const struct cfg_log *config);
/* Its lines are still written; the file is closed after the last voice. NULL is allowed. */
void log_voice_close(struct log_voice *voice);

/* A whole line with its newline, of this time. False: no room, it is counted. */
bool log_voice_put(struct log_voice *voice, int64_t when_ms, const char *line, size_t size);

/* The last resort: a line on stderr, if that takes it at once. */
bool log_stderr(const char *line, size_t size);

#endif
