/* process.c - pidfd and output pipe of one process in the loop. */
#include "process.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spawn.h"

#define LINE_BYTES PROCESS_LINE_MAX

struct process {
	uv_poll_t exit;
	uv_poll_t output;
	struct process_events events;
	void *arg;
	pid_t pid;
	int pidfd;
	int output_fd;
	int open_handles;
	size_t used;
	char line[LINE_BYTES];
};

static void closed(uv_handle_t *handle)
{
	struct process *process = handle->data;

	if (--process->open_handles > 0)
		return;
	close(process->pidfd);
	if (process->output_fd >= 0)
		close(process->output_fd);
	free(process);
}

static void close_output(struct process *process)
{
	if (process->output_fd >= 0 && !uv_is_closing((uv_handle_t *)&process->output))
		uv_close((uv_handle_t *)&process->output, closed);
}

void process_forget(struct process *process)
{
	close_output(process);
	uv_close((uv_handle_t *)&process->exit, closed);
}

static void flush_lines(struct process *process, int final)
{
	char *start = process->line, *end = process->line + process->used;

	for (char *nl = memchr(start, '\n', (size_t)(end - start)); nl;
	     nl = memchr(start, '\n', (size_t)(end - start))) {
		process->events.line(process->arg, start, (size_t)(nl - start));
		start = nl + 1;
	}
	process->used = (size_t)(end - start);
	memmove(process->line, start, process->used);
	if (process->used == LINE_BYTES || (final && process->used > 0)) {
		process->events.line(process->arg, process->line, process->used);
		process->used = 0;
	}
}

/* Returns 0 at end of file. At most a few buffers at once, so that one chatty child does not hold up the rest. */
static int read_output(struct process *process, int rounds)
{
	while (rounds-- > 0) {
		ssize_t n = read(process->output_fd, process->line + process->used, LINE_BYTES - process->used);

		if (n == 0)
			return 0;
		if (n < 0)
			return 1;
		process->used += (size_t)n;
		flush_lines(process, 0);
	}
	return 1;
}

static void output_ready(uv_poll_t *handle, int status, int events)
{
	struct process *process = handle->data;

	(void)events;
	if (status < 0 || !read_output(process, 16)) {
		flush_lines(process, 1);
		close_output(process);
	}
}

/* What it printed before it ended; grandchildren may hold the pipe open, so do not wait for its end. */
static void read_rest(struct process *process)
{
	if (process->output_fd < 0 || uv_is_closing((uv_handle_t *)&process->output))
		return;
	read_output(process, 64);
	flush_lines(process, 1);
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

struct process *process_watch(uv_loop_t *loop, pid_t pid, int pidfd, int output, const struct process_events *events,
                              void *arg)
{
	struct process *process = calloc(1, sizeof(*process));

	if (!process || uv_poll_init(loop, &process->exit, pidfd) < 0) {
		free(process);
		return NULL;
	}
	process->events = *events;
	process->arg = arg;
	process->pid = pid;
	process->pidfd = pidfd;
	process->output_fd = -1;
	process->open_handles = 1;
	process->exit.data = process;
	uv_poll_start(&process->exit, UV_READABLE, exit_ready);
	if (output >= 0 && uv_poll_init(loop, &process->output, output) == 0) {
		process->output_fd = output;
		process->open_handles = 2;
		process->output.data = process;
		uv_poll_start(&process->output, UV_READABLE | UV_DISCONNECT, output_ready);
	}
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
