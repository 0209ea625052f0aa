/* process.c - pidfd and pipes of one process in the loop. */
#include "process.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spawn.h"

#define LINE_BYTES PROCESS_LINE_MAX

/* At most so many buffers at once, so that one chatty child does not hold up the rest; more when it has ended. */
#define ROUNDS      16
#define LAST_ROUNDS 64

struct stream {
	uv_poll_t poll;
	struct process *process;
	enum process_stream which;
	int fd;
	size_t used;
	char line[LINE_BYTES];
};

struct process {
	uv_poll_t exit;
	struct process_events events;
	void *arg;
	pid_t pid;
	int pidfd;
	int open_handles;
	struct stream *streams[PROCESS_STREAMS]; /* NULL: none */
};

void process_fds_close(struct process_fds *fds)
{
	if (fds->pidfd >= 0)
		close(fds->pidfd);
	fds->pidfd = -1;
	for (int i = 0; i < PROCESS_STREAMS; i++) {
		if (fds->streams[i] >= 0)
			close(fds->streams[i]);
		fds->streams[i] = -1;
	}
}

static void closed(struct process *process)
{
	if (--process->open_handles > 0)
		return;
	close(process->pidfd);
	free(process);
}

static void exit_closed(uv_handle_t *handle)
{
	closed(handle->data);
}

static void stream_closed(uv_handle_t *handle)
{
	struct stream *stream = handle->data;
	struct process *process = stream->process;

	close(stream->fd);
	free(stream);
	closed(process);
}

static void close_stream(struct process *process, enum process_stream which)
{
	struct stream *stream = process->streams[which];

	process->streams[which] = NULL;
	if (stream)
		uv_close((uv_handle_t *)&stream->poll, stream_closed);
}

void process_forget(struct process *process)
{
	for (enum process_stream i = 0; i < PROCESS_STREAMS; i++)
		close_stream(process, i);
	uv_close((uv_handle_t *)&process->exit, exit_closed);
}

static void give_line(struct stream *stream, const char *text, size_t length)
{
	struct process *process = stream->process;

	if (stream->which != PROCESS_READY)
		process->events.line(process->arg, stream->which, text, length);
}

static void flush_lines(struct stream *stream, bool final)
{
	char *start = stream->line, *end = stream->line + stream->used;
	bool whole = false;

	for (char *nl = memchr(start, '\n', (size_t)(end - start)); nl;
	     nl = memchr(start, '\n', (size_t)(end - start))) {
		give_line(stream, start, (size_t)(nl - start));
		start = nl + 1;
		whole = true;
	}
	stream->used = (size_t)(end - start);
	memmove(stream->line, start, stream->used);
	if (stream->used == LINE_BYTES || (final && stream->used > 0)) {
		give_line(stream, stream->line, stream->used);
		stream->used = 0;
	}
	if (whole && stream->which == PROCESS_READY)
		stream->process->events.ready(stream->process->arg);
}

/* False at end of file. */
static bool read_stream(struct stream *stream, int rounds)
{
	while (rounds-- > 0) {
		ssize_t n = read(stream->fd, stream->line + stream->used, LINE_BYTES - stream->used);

		if (n == 0)
			return false;
		if (n < 0)
			return true;
		stream->used += (size_t)n;
		flush_lines(stream, false);
	}
	return true;
}

static void stream_ready(uv_poll_t *handle, int status, int events)
{
	struct stream *stream = handle->data;

	(void)events;
	if (status < 0 || !read_stream(stream, ROUNDS)) {
		flush_lines(stream, true);
		close_stream(stream->process, stream->which);
	}
}

/* What it printed before it ended; grandchildren may hold the pipe open, so do not wait for its end. */
static void read_rest(struct process *process)
{
	for (int i = 0; i < PROCESS_STREAMS; i++) {
		if (!process->streams[i])
			continue;
		read_stream(process->streams[i], LAST_ROUNDS);
		flush_lines(process->streams[i], true);
	}
}

static void exit_ready(uv_poll_t *handle, int ignored, int events)
{
	struct process *process = handle->data;
	struct rusage usage;
	int status;

	(void)ignored;
	(void)events;
	if (!spawn_reap(process->pidfd, &status, &usage))
		return;
	read_rest(process);
	process->events.ended(process->arg, process->pid, status, &usage);
	process_forget(process);
}

/* One that cannot be watched is closed: what it says is lost, the process itself is not. */
static void watch_stream(uv_loop_t *loop, struct process *process, enum process_stream which, int fd)
{
	struct stream *stream = fd < 0 ? NULL : calloc(1, sizeof(*stream));

	if (!stream || uv_poll_init(loop, &stream->poll, fd) < 0) {
		free(stream);
		if (fd >= 0)
			close(fd);
		return;
	}
	stream->process = process;
	stream->which = which;
	stream->fd = fd;
	stream->poll.data = stream;
	process->streams[which] = stream;
	process->open_handles++;
	uv_poll_start(&stream->poll, UV_READABLE | UV_DISCONNECT, stream_ready);
}

struct process *process_watch(uv_loop_t *loop, pid_t pid, const struct process_fds *fds,
                              const struct process_events *events, void *arg)
{
	struct process *process = calloc(1, sizeof(*process));

	if (!process || uv_poll_init(loop, &process->exit, fds->pidfd) < 0) {
		free(process);
		return NULL;
	}
	process->events = *events;
	process->arg = arg;
	process->pid = pid;
	process->pidfd = fds->pidfd;
	process->open_handles = 1;
	process->exit.data = process;
	uv_poll_start(&process->exit, UV_READABLE, exit_ready);
	for (enum process_stream i = 0; i < PROCESS_STREAMS; i++)
		watch_stream(loop, process, i, fds->streams[i]);
	return process;
}

pid_t process_pid(const struct process *process)
{
	return process->pid;
}

bool process_ended(struct process *process, int *status, struct rusage *usage)
{
	if (!spawn_peek(process->pidfd, status, usage))
		return false;
	read_rest(process);
	return true;
}

void process_signal(struct process *process, int signo)
{
	spawn_signal(process->pidfd, signo);
}

void process_peek(const struct process *process, struct process_fds *fds)
{
	fds->pidfd = process->pidfd;
	for (int i = 0; i < PROCESS_STREAMS; i++)
		fds->streams[i] = process->streams[i] ? process->streams[i]->fd : -1;
}

size_t process_part(const struct process *process, enum process_stream which, const char **text)
{
	const struct stream *stream = process->streams[which];

	*text = stream ? stream->line : NULL;
	return stream ? stream->used : 0;
}

void process_take_part(struct process *process, enum process_stream which, const char *text, size_t length)
{
	struct stream *stream = process->streams[which];

	if (!stream || length > LINE_BYTES - stream->used)
		return;
	memcpy(stream->line + stream->used, text, length);
	stream->used += length;
}
