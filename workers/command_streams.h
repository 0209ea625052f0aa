/*
 * command_streams.h - what a running command says: stdout is kept, stderr passed on, progress reported.
 *
 * None of it ever holds the command up for long: what nobody wants is read and thrown away.
 */
#ifndef YM_WORKERS_COMMAND_STREAMS_H
#define YM_WORKERS_COMMAND_STREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../ipc/error.h"
#include "lines.h"
#include "plugin.h"
#include "progress_line.h"

#define COMMAND_STREAMS  3   /* stdout, stderr, progress */
#define COMMAND_TAIL_MAX 281 /* of stderr, with the NUL */

/* A write to a pipe that poll() calls writable does not block up to this size (PIPE_BUF). */
#define COMMAND_PASS_MAX 4096

struct command_streams {
	ym_job *job;
	int fds[COMMAND_STREAMS]; /* our ends; -1: closed */

	char *output; /* owned; may be kept from job to job */
	size_t output_size, output_room, output_max;
	uint64_t cut; /* bytes beyond output_max, or without memory */

	char pass[COMMAND_PASS_MAX]; /* of stderr: a line that has not ended */
	size_t pass_size;
	uint64_t dropped; /* bytes that nobody took */
	bool stuck;       /* the reader of our stderr stands still */
	struct lines error_lines;
	char tail[COMMAND_TAIL_MAX]; /* the last whole lines, with newlines between them */
	size_t tail_size;

	struct lines progress_lines;
	struct progress_line progress;
	bool complained;
};

/* New pipes for a job; theirs[] are the ends of the command, to be closed by the caller. */
int command_streams_open(struct command_streams *streams, ym_job *job, size_t output_max, int theirs[COMMAND_STREAMS],
                         struct ym_err *err);

/* Read once what is there; ends at the end of the stream. Never blocks if poll() has said that there is something. */
void command_streams_read(struct command_streams *streams, int which);

/* The command has ended: read what it left in the pipes, whoever else still has them open, and close. */
void command_streams_finish(struct command_streams *streams);

/* Close our ends, without reading. */
void command_streams_close(struct command_streams *streams);

/* The last line of stderr, "" if there was none. */
const char *command_streams_last(const struct command_streams *streams);

#endif
