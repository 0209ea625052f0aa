/*
 * control.h - how commands ask the master for something: a unix socket "control" in the instance directory.
 *
 * A request is one line of JSON, {"verb": "scale", "args": ["mail", "8"], "flags": ["dry-run"]}; the answer is lines of
 * JSON, {"out": "text"} or {"err": "text"} for people, and at last {"exit": CODE}. Mode 0600; whoever connects must be
 * root or the user of the master (SO_PEERCRED). A client that sends nothing, too much or nonsense, or reads nothing, is
 * dropped after a while and disturbs nobody.
 */
#ifndef YM_RUNTIME_CONTROL_H
#define YM_RUNTIME_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
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

/* Called in the loop for each request; the answer is complete when it returns. */
typedef void control_handler(void *arg, const struct control_request *request, struct control_reply *reply);

int control_open(struct control **control, uv_loop_t *loop, const char *directory, control_handler *handler, void *arg,
                 struct ym_err *err);
/* Removes the socket. */
void control_close(struct control *control);
/* Send what is still to be sent, without waiting for long: before the master becomes another program. */
void control_flush(struct control *control);

/* The other side: ask, print the answer. Returns the exit code; -1 with err when there is no answer to be had. */
int control_ask(const char *directory, const struct control_request *request, int64_t timeout_ms, struct ym_err *err);

#endif
