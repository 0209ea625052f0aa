/*
 * web_self.h - the server, for its own files only.
 *
 *   web.c          the listener, the timers, the end
 *   connection.c   bytes in and out, deadlines
 *   site.c         what is where
 *   viewers.c      server-sent events
 *   lookup.c       questions that may have to wait for a store, on a thread
 *
 *                  head is there                    written, may go on
 *   READING ------------------------> ANSWERING ------------------------> READING
 *      |                               ^  |  |
 *      |   /api/jobs/ID                |  |  | /events: the head is written
 *      +------------> ASKING ----------+  |  +-------------> VIEWING
 *      | refused                          | written, ends
 *      +--------- (an answer) ----------> DRAINING -> closed
 *
 * Each state but VIEWING has one deadline, which nothing a client does can move: however slowly it sends or reads.
 */
#ifndef YM_RUNTIME_WEB_SELF_H
#define YM_RUNTIME_WEB_SELF_H

#include <uv.h>

#include "feed.h"
#include "request.h"
#include "response.h"
#include "web.h"

/* ---- connections ----------------------------------------------------------------------------- */

enum connection_state {
	CONNECTION_READING,
	CONNECTION_ASKING,
	CONNECTION_ANSWERING,
	CONNECTION_VIEWING,
	CONNECTION_DRAINING, /* what the client still sends is read, or the answer might be lost on its way */
	CONNECTION_CLOSING,
};

struct lookup;

struct connection {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	};
	struct web *web;
	struct connection *next, *previous; /* the newest first */
	enum connection_state state;
	uint64_t deadline; /* uv_now() */
	char in[REQUEST_MAX];
	size_t have, searched, drained;
	char head[RESPONSE_HEAD_MAX];
	uv_write_t write;
	uv_shutdown_t shutdown;
	struct bytes *body; /* that is being written */
	bool writing;
	bool head_only; /* of the request: HEAD */
	bool keep;
	bool endless;          /* frames follow the answer */
	struct lookup *lookup; /* ASKING */
};

/* Somebody has come. */
void connection_accept(struct web *web);
/* Answer. `body` is held, and may be NULL; with `response->endless`, it goes on with frames. */
void connection_send(struct connection *connection, struct response *response, struct bytes *body);
/* In words, and end the connection: of something that is no request. */
void connection_refuse(struct connection *connection, int status);
void connection_close(struct connection *connection);
/* A frame is on its way: it has so long. */
void connection_touch(struct connection *connection);
/* The answer has to be asked for. */
void connection_ask(struct connection *connection);
/* Close those whose deadline has passed. */
void connection_sweep(struct web *web);

/* Answer a request. Sets keep and head_only before. */
void site_answer(struct connection *connection, const struct request *request);

/* ---- viewers --------------------------------------------------------------------------------- */

/* May there be one more? */
bool viewer_room(const struct web *web);
/* The head of the events was sent. */
void viewer_begin(struct connection *connection);
void viewer_end(struct connection *connection);

/* ---- look-ups -------------------------------------------------------------------------------- */

/* Answer with a job. False: too many ask. */
bool lookup_job(struct connection *connection, uint64_t id);
/* The connection is going: the answer is not wanted any more. */
void lookup_drop(struct connection *connection);
/* Ask for those that ended badly, if there may be new ones. */
void lookup_failures(struct web *web);

/* ---- the server ------------------------------------------------------------------------------ */

#define WEB_SIGNALS 2

struct web {
	const struct web_options *options;
	struct address address; /* that it has got */
	uv_loop_t loop;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} listener;
	uv_signal_t signals[WEB_SIGNALS];
	uv_timer_t sweep;
	bool stopping;
	uint64_t stop_at; /* uv_now() at which nobody is waited for any more */
	struct connection *connections;
	bool kept_waiting; /* somebody has come for whom there was no memory */

	struct feed feed;
	uv_timer_t tick;
	bool newcomers;      /* viewers that have no frame yet */
	uint64_t frame_at;   /* uv_now() when the last one was sent */
	struct lookup *jobs; /* that wait for their turn, the oldest first */
	unsigned njobs;
	struct lookup *running;
	uint64_t failed_seen;   /* feed.failed when they were last asked for */
	uint64_t failures_next; /* uv_now(): not before */
	bool failures_asked;    /* at all */
};

#endif
