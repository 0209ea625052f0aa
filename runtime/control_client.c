/* control_client.c - ask the master through its control socket. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "control_wire.h"

/* How often to try again while more clients wait than the kernel lets. */
#define CROWD_LOOK_NS 5000000

struct call {
	const char *directory;
	int fd;
	uint64_t deadline;
	int64_t timeout_ms;
	struct control_pong *pong; /* NULL: print what there is to print */
	int code;                  /* -1: the last line has not come yet */
	struct ym_err *err;
};

static int no_time(struct call *call, const char *what)
{
	return ym_fail(call->err, YM_ERR_TIMEOUT,
	               "%s \"%s/" CONTROL_NAME "\" within %.1f s: the master is stopped, or very busy", what,
	               call->directory, (double)call->timeout_ms / 1000);
}

/* 0: something can be sent or read (or the connection is broken, which the next call finds out). */
static int await(struct call *call, short events)
{
	struct pollfd ready = {.fd = call->fd, .events = events};

	for (;;) {
		uint64_t now = ym_now_ns();
		uint64_t ms = call->deadline > now ? (call->deadline - now) / 1000000u + 1 : 0;
		int n = poll(&ready, 1, call->deadline == YM_NEVER || ms > INT_MAX ? -1 : (int)ms);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return ym_fail_sys(call->err, errno, "poll() for the control socket");
		if (n == 0)
			return no_time(call, "no answer from");
	}
}

static int connect_to(struct call *call, const struct sockaddr_un *address)
{
	call->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (call->fd < 0)
		return ym_fail_sys(call->err, errno, "socket(AF_UNIX) to ask the master");
	while (connect(call->fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return ym_fail(call->err, YM_ERR_NOT_RUNNING,
			               "not running: no master listens on \"%s/" CONTROL_NAME
			               "\" (workers may go on without one)",
			               call->directory);
		if (errno != EAGAIN && errno != EINTR)
			return ym_fail_sys(call->err, errno, "connect(\"%s/" CONTROL_NAME "\") to ask the master",
			                   call->directory);
		if (ym_now_ns() >= call->deadline)
			return no_time(call, "no room to connect to");
		ym_nap(CROWD_LOOK_NS);
	}
	return 0;
}

static int reach(struct call *call)
{
	struct sockaddr_un address;
	struct ym_err err;
	int directory = control_address(call->directory, &address, &err), result;

	if (directory < 0 && err.sys == ENOENT)
		return ym_fail(call->err, YM_ERR_NOT_RUNNING, "not running: there is no directory \"%s\"",
		               call->directory);
	if (directory < 0)
		return ym_fail(call->err, err.class, "%s", err.text);
	result = connect_to(call, &address);
	close(directory);
	return result;
}

/* A master that answers before it has heard everything says why, so a broken pipe is no reason not to listen. */
static int send_line(struct call *call, const struct ym_buffer *line)
{
	for (size_t sent = 0; sent < line->length;) {
		ssize_t n = send(call->fd, line->bytes + sent, line->length - sent, MSG_NOSIGNAL);

		if (n >= 0) {
			sent += (size_t)n;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return 0;
		} else if (errno == EAGAIN) {
			if (await(call, POLLOUT) < 0)
				return -1;
		} else if (errno != EINTR) {
			return ym_fail_sys(call->err, errno, "send() to the master");
		}
	}
	return 0;
}

/* Names of files and the like come from outside: they must not disturb a terminal. */
static void print(FILE *to, const char *before, const char *text)
{
	fputs(before, to);
	for (; *text; text++)
		fputc(iscntrl((unsigned char)*text) && *text != '\n' && *text != '\t' ? '?' : *text, to);
	fputc('\n', to);
}

static int heard(struct call *call, const char *line, size_t length)
{
	json_error_t why;
	json_t *json = json_loadb(line, length, 0, &why), *exit_code = json_object_get(json, "exit");
	const char *out = json_string_value(json_object_get(json, "out"));
	const char *error = json_string_value(json_object_get(json, "err"));
	const char *version = json_string_value(json_object_get(json, "version"));

	if (!json)
		return ym_fail(call->err, YM_ERR_CORRUPT, "the answer of the master is no JSON: %s", why.text);
	if (out && !call->pong)
		print(stdout, "", out);
	if (error)
		print(stderr, "yardmaster: ", error);
	if (version && call->pong) {
		snprintf(call->pong->version, sizeof(call->pong->version), "%s", version);
		call->pong->pid = (long)json_integer_value(json_object_get(json, "pid"));
		call->pong->since = (uint64_t)json_integer_value(json_object_get(json, "since"));
	}
	if (exit_code)
		call->code = (int)json_integer_value(exit_code) & 255;
	json_decref(json);
	return 0;
}

/* Take the whole lines out of the front of what was received. */
static int split(struct call *call, struct ym_buffer *bytes)
{
	char *start = bytes->bytes, *end = bytes->bytes + bytes->length, *newline;

	while (call->code < 0 && start < end && (newline = memchr(start, '\n', (size_t)(end - start)))) {
		if (heard(call, start, (size_t)(newline - start)) < 0)
			return -1;
		start = newline + 1;
	}
	bytes->length = (size_t)(end - start);
	if (bytes->length > 0)
		memmove(bytes->bytes, start, bytes->length);
	if (bytes->length > CONTROL_ANSWER_MAX)
		return ym_fail(call->err, YM_ERR_CORRUPT, "the answer of the master has a line of more than %d bytes",
		               CONTROL_ANSWER_MAX);
	return 0;
}

static int listen_to(struct call *call, struct ym_buffer *bytes)
{
	while (call->code < 0) {
		char *room = ym_buffer_room(bytes, CONTROL_REQUEST_MAX, call->err);
		ssize_t n = room ? recv(call->fd, room, CONTROL_REQUEST_MAX, 0) : -1;

		if (!room)
			return -1;
		if (n > 0) {
			bytes->length += (size_t)n;
			if (split(call, bytes) < 0)
				return -1;
		} else if (n == 0 || errno == ECONNRESET) {
			return ym_fail(
			    call->err, YM_ERR_GONE,
			    "the master ended before its answer: whether it has done what was asked is not known");
		} else if (errno == EAGAIN) {
			if (await(call, POLLIN) < 0)
				return -1;
		} else if (errno != EINTR) {
			return ym_fail_sys(call->err, errno, "recv() of the master's answer");
		}
	}
	return 0;
}

static int make_call(const char *directory, const struct control_request *request, int64_t timeout_ms,
                     struct control_pong *pong, struct ym_err *err)
{
	struct call call = {.directory = directory,
	                    .fd = -1,
	                    .deadline = ym_deadline(timeout_ms),
	                    .timeout_ms = timeout_ms,
	                    .pong = pong,
	                    .code = -1,
	                    .err = err};
	struct ym_buffer line, answer;
	bool failed;

	ym_buffer_init(&line, NULL, 0);
	ym_buffer_init(&answer, NULL, 0);
	failed = control_write(request, &line, err) < 0 || reach(&call) < 0 || send_line(&call, &line) < 0 ||
	         listen_to(&call, &answer) < 0;
	if (call.fd >= 0)
		close(call.fd);
	ym_buffer_free(&line);
	ym_buffer_free(&answer);
	return failed ? -1 : call.code;
}

int control_ask(const char *directory, const struct control_request *request, int64_t timeout_ms, struct ym_err *err)
{
	return make_call(directory, request, timeout_ms, NULL, err);
}

int control_ping(const char *directory, int64_t timeout_ms, struct control_pong *pong, struct ym_err *err)
{
	const struct control_request request = {.verb = CONTROL_PING};
	int code;

	*pong = (struct control_pong){.pid = 0};
	code = make_call(directory, &request, timeout_ms, pong, err);
	if (code < 0)
		return -1;
	return pong->pid > 0 ? 0 : ym_fail(err, YM_ERR_CORRUPT, "the master does not say who it is");
}
