/*
 * control.h - how commands ask the master for something: a unix socket "control" in the instance directory.
 *
 * One request a connection: one line of JSON, at most 64 KiB with its newline.
 *
 *   {"verb": "scale", "args": ["mail", "8"], "flags": ["dry-run"]}     `args` and `flags` may be left out
 *
 * The answer is lines of JSON in any number, {"out": "text"} and {"err": "text"} for people, and at last {"exit": CODE}. Then
 * the master closes. Verb "ping" is answered by the socket itself: {"version": "1.2", "pid": 77, "since": NS}; since when
 * (ym_now_ns) the socket is open tells one image of the program from the next with the same pid.
 *
 * The socket has mode 0600, and whoever connects must be root or the user of the master (SO_PEERCRED). Up to 32 are served
 * at the same time, more wait until one has ended. A client has 10 s to send its request, and 10 s to read the answer,
 * of which the socket keeps up to 1 MiB. So one that sends nothing, too much or nonsense, or reads nothing, is dropped, and
 * disturbs nobody.
 */
#ifndef YM_RUNTIME_CONTROL_H
#define YM_RUNTIME_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "../ipc/error.h"

struct control;
struct control_reply;

struct control_request {
	const char *verb;
	const char *const *args;
	size_t nargs;
	const char *const *flags;
	size_t nflags;
	long pid; /* of who asks, for the log */
};

/* A line for stdout of who asked. */
void control_say(struct control_reply *reply, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line for stderr, and the exit code of the command becomes that of the class (of the first one). */
void control_refuse(struct control_reply *reply, enum ym_err_class which, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool control_flag(const struct control_request *request, const char *flag);

/* Called in the loop for each request; the answer is complete when it returns. It must not close the control. */
typedef void control_handler(void *arg, const struct control_request *request, struct control_reply *reply);

/* The caller is the leader of the instance: a socket that is there already is a dead master's, and is replaced. */
int control_open(struct control **control, uv_loop_t *loop, const char *directory, control_handler *handler, void *arg,
                 struct ym_err *err);
/*
 * Removes the socket, if it is still this one. Connections end; the memory is given back by the next turns of the loop.
 * NULL is allowed: nothing.
 */
void control_close(struct control *control);
/* Send what is still to be sent, without waiting for long: before the master becomes another program. */
void control_flush(struct control *control);

/* How long a client may take to send, and then to read. Only tests change it. */
extern uint64_t control_client_ms;

/*
 * The other side: ask, print the answer. Returns the exit code; -1 with err when there is no answer to be had:
 * YM_ERR_NOT_RUNNING nobody listens; YM_ERR_TIMEOUT no (whole) answer in time; YM_ERR_GONE the connection broke, and whether
 * the request was carried out is not known; YM_ERR_USAGE the request is too long.
 */
int control_ask(const char *directory, const struct control_request *request, int64_t timeout_ms, struct ym_err *err);

/* Who is it? The same errors. */
struct control_pong {
	char version[32];
	long pid;
	uint64_t since;
};
int control_ping(const char *directory, int64_t timeout_ms, struct control_pong *pong, struct ym_err *err);

#endif
