/* command_streams.c - three pipes of a command and what becomes of their bytes. */
#include "command_streams.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../ipc/procfs.h"

/* As much as a pipe usually holds. */
#define PIECE 65536

/* How long the reader of our stderr may pause before lines are dropped. */
#define PATIENCE_MS 50

/* More than this is not kept from one job to the next. */
#define KEEP_MAX (1u << 20)

/* ---- our own stderr -------------------------------------------------------------------------- */

static void pass_on(struct command_streams *streams, const char *bytes, size_t size)
{
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	int ready;

	do
		ready = poll(&out, 1, streams->stuck ? 0 : PATIENCE_MS);
	while (ready < 0 && errno == EINTR);
	streams->stuck = ready == 0;
	if (streams->stuck || write(STDERR_FILENO, bytes, size) < 0)
		streams->dropped += size;
}

static void say(struct command_streams *streams, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct command_streams *streams, const char *format, ...)
{
	char line[256];
	va_list ap;
	int size;

	va_start(ap, format);
	size = vsnprintf(line, sizeof(line) - 1, format, ap);
	va_end(ap);
	if (size < 0)
		return;
	if ((size_t)size > sizeof(line) - 2)
		size = (int)sizeof(line) - 2;
	line[size] = '\n';
	pass_on(streams, line, (size_t)size + 1);
}

/* ---- stdout ---------------------------------------------------------------------------------- */

static bool make_room(struct command_streams *streams, size_t size)
{
	size_t room = streams->output_room ? streams->output_room : PIECE;
	char *output;

	if (size <= streams->output_room)
		return true;
	while (room < size)
		room *= 2;
	output = realloc(streams->output, room);
	if (!output)
		return false;
	streams->output = output;
	streams->output_room = room;
	return true;
}

static void take_output(struct command_streams *streams, const char *bytes, size_t size)
{
	size_t room = streams->output_max - streams->output_size, keep = size < room ? size : room;

	/* Bytes behind a gap would be no result at all. */
	if (streams->cut > 0 || !make_room(streams, streams->output_size + keep))
		keep = 0;
	if (keep > 0)
		memcpy(streams->output + streams->output_size, bytes, keep);
	streams->output_size += keep;
	streams->cut += size - keep;
}

/* ---- stderr ---------------------------------------------------------------------------------- */

/* Keep as many of the last lines as fit; a line that does not fit alone is cut at a character. */
static void keep_line(void *arg, char *line)
{
	struct command_streams *streams = arg;
	const size_t max = COMMAND_TAIL_MAX - 1;
	size_t size;

	for (char *at = strchr(line, '\t'); at; at = strchr(at, '\t'))
		*at = ' ';
	ym_printable(line);
	size = strlen(line);
	if (strspn(line, " ") == size)
		return;
	if (size > max)
		for (size = max; size > 0 && ((unsigned char)line[size] & 0xc0) == 0x80;)
			size--;
	while (streams->tail_size > 0 && streams->tail_size + 1 + size > max) {
		const char *newline = memchr(streams->tail, '\n', streams->tail_size);
		size_t first = newline ? (size_t)(newline - streams->tail) + 1 : streams->tail_size;

		streams->tail_size -= first;
		memmove(streams->tail, streams->tail + first, streams->tail_size);
	}
	if (streams->tail_size > 0)
		streams->tail[streams->tail_size++] = '\n';
	memcpy(streams->tail + streams->tail_size, line, size);
	streams->tail_size += size;
	streams->tail[streams->tail_size] = '\0';
}

/* Whole lines go on; a line longer than the buffer goes in pieces. */
static void flush_lines(struct command_streams *streams)
{
	const char *newline = memrchr(streams->pass, '\n', streams->pass_size);
	size_t size = newline                                  ? (size_t)(newline - streams->pass) + 1
	              : streams->pass_size == COMMAND_PASS_MAX ? COMMAND_PASS_MAX
	                                                       : 0;

	if (size == 0)
		return;
	pass_on(streams, streams->pass, size);
	streams->pass_size -= size;
	memmove(streams->pass, streams->pass + size, streams->pass_size);
}

static void take_errors(struct command_streams *streams, const char *bytes, size_t size)
{
	lines_feed(&streams->error_lines, bytes, size, keep_line, streams);
	while (size > 0) {
		size_t room = COMMAND_PASS_MAX - streams->pass_size, part = size < room ? size : room;

		memcpy(streams->pass + streams->pass_size, bytes, part);
		streams->pass_size += part;
		bytes += part;
		size -= part;
		flush_lines(streams);
	}
}

const char *command_streams_last(const struct command_streams *streams)
{
	const char *newline = memrchr(streams->tail, '\n', streams->tail_size);

	return newline ? newline + 1 : streams->tail;
}

/* ---- progress -------------------------------------------------------------------------------- */

static void take_line(void *arg, char *line)
{
	struct command_streams *streams = arg;

	if (progress_line_take(&streams->progress, streams->job, line) || streams->complained || !*line)
		return;
	streams->complained = true;
	ym_printable(line);
	say(streams, "job %llu: no progress line: \"%.80s\" (others like it are passed over in silence)",
	    (unsigned long long)ym_job_id(streams->job), line);
}

static void take_progress(struct command_streams *streams, const char *bytes, size_t size)
{
	lines_feed(&streams->progress_lines, bytes, size, take_line, streams);
}

/* ---- all three ------------------------------------------------------------------------------- */

static void (*const take[COMMAND_STREAMS])(struct command_streams *streams, const char *bytes,
                                           size_t size) = {take_output, take_errors, take_progress};

static void close_one(struct command_streams *streams, int which)
{
	if (streams->fds[which] >= 0)
		close(streams->fds[which]);
	streams->fds[which] = -1;
}

void command_streams_close(struct command_streams *streams)
{
	for (int i = 0; i < COMMAND_STREAMS; i++)
		close_one(streams, i);
}

/* Neither the buffer of the last job nor its size is cleared with the rest. */
static void reset(struct command_streams *streams, ym_job *job, size_t output_max)
{
	if (streams->output_room > KEEP_MAX) {
		free(streams->output);
		streams->output = NULL;
		streams->output_room = 0;
	}
	streams->job = job;
	streams->output_size = 0;
	streams->output_max = output_max;
	streams->cut = streams->dropped = 0;
	streams->pass_size = streams->tail_size = 0;
	streams->tail[0] = '\0';
	streams->progress = (struct progress_line){0};
	streams->stuck = streams->complained = false;
}

int command_streams_open(struct command_streams *streams, ym_job *job, size_t output_max, int theirs[COMMAND_STREAMS],
                         struct ym_err *err)
{
	reset(streams, job, output_max);
	for (int i = 0; i < COMMAND_STREAMS; i++)
		streams->fds[i] = theirs[i] = -1;
	for (int i = 0; i < COMMAND_STREAMS; i++) {
		int ends[2];

		if (pipe2(ends, O_CLOEXEC) < 0) {
			ym_fail_sys(err, errno, "pipe2() for the output of a command");
			for (int made = 0; made < i; made++)
				close(theirs[made]);
			command_streams_close(streams);
			return -1;
		}
		streams->fds[i] = ends[0];
		theirs[i] = ends[1];
	}
	return 0;
}

/* At most `most` bytes; how many there were, 0 at the end of the stream. */
static size_t read_some(struct command_streams *streams, int which, size_t most)
{
	static char bytes[PIECE];
	ssize_t n;

	do
		n = read(streams->fds[which], bytes, most < PIECE ? most : PIECE);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return 0;
	take[which](streams, bytes, (size_t)n);
	return (size_t)n;
}

void command_streams_read(struct command_streams *streams, int which)
{
	if (read_some(streams, which, PIECE) == 0)
		close_one(streams, which);
}

/* What is in the pipe now, and no more: somebody who got away may write for ever. */
static void drain(struct command_streams *streams, int which)
{
	int left = 0;

	if (streams->fds[which] >= 0 && ioctl(streams->fds[which], FIONREAD, &left) == 0)
		while (left > 0) {
			size_t n = read_some(streams, which, (size_t)left);

			if (n == 0)
				break;
			left -= (int)n;
		}
	close_one(streams, which);
}

void command_streams_finish(struct command_streams *streams)
{
	unsigned long long id = ym_job_id(streams->job);

	for (int i = 0; i < COMMAND_STREAMS; i++)
		drain(streams, i);
	lines_end(&streams->error_lines, keep_line, streams);
	lines_end(&streams->progress_lines, take_line, streams);
	if (streams->pass_size > 0)
		take_errors(streams, "\n", 1);
	if (streams->cut > 0)
		say(streams, "job %llu: stdout had %llu bytes more than the %zu that are kept as its result", id,
		    (unsigned long long)streams->cut, streams->output_size);
	if (streams->dropped > 0)
		say(streams, "job %llu: %llu bytes of stderr are lost: nobody read them", id,
		    (unsigned long long)streams->dropped);
}
