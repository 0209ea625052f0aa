/* connection.c - one connection: bytes in, an answer out, and when it is over. */
#include <stdlib.h>
#include <string.h>

#include "web_self.h"

/* For a whole head, from its first byte or from the connection on. */
#define HEAD_MS 10000
/* For the next request of a connection that goes on. */
#define IDLE_MS 30000
/* For a store to tell of a job. */
#define ASK_MS 60000
/* For a client to take an answer, or a frame. */
#define WRITE_MS 30000
/* For what a client still sends behind an answer that ends the connection. */
#define DRAIN_MS    2000
#define DRAIN_BYTES 262144u

/* Room for frames that a viewer has not read: what the kernel keeps of them for each is memory, too. */
#define VIEWER_SEND_BYTES (256 * 1024)

static void set(struct connection *connection, enum connection_state state, uint64_t ms)
{
	connection->state = state;
	connection->deadline = uv_now(&connection->web->loop) + ms;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void closed(uv_handle_t *handle)
{
	struct connection *connection = (struct connection *)handle;

	bytes_release(connection->body);
	free(connection);
}

void connection_close(struct connection *connection)
{
	struct web *web = connection->web;

	if (connection->state == CONNECTION_CLOSING)
		return;
	if (connection->state == CONNECTION_VIEWING)
		viewer_end(connection);
	lookup_drop(connection);
	connection->state = CONNECTION_CLOSING;
	if (connection->previous)
		connection->previous->next = connection->next;
	else
		web->connections = connection->next;
	if (connection->next)
		connection->next->previous = connection->previous;
	web->feed.counters.connections--;
	uv_close(&connection->handle, closed);
}

void connection_touch(struct connection *connection)
{
	connection->deadline = uv_now(&connection->web->loop) + WRITE_MS;
}

void connection_ask(struct connection *connection)
{
	set(connection, CONNECTION_ASKING, ASK_MS);
}

static void shut(uv_shutdown_t *request, int status)
{
	struct connection *connection = request->data;

	if (status < 0)
		connection_close(connection);
}

/* ---- in -------------------------------------------------------------------------------------- */

static void room_for(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
	struct connection *connection = (struct connection *)handle;

	(void)wanted;
	if (connection->state != CONNECTION_READING)
		connection->have = 0;
	*buffer = uv_buf_init(connection->in + connection->have, (unsigned)(sizeof(connection->in) - connection->have));
}

/* Answer what is there; the rest stays. */
static void parse(struct connection *connection)
{
	struct request request;
	int status = request_parse(connection->in, connection->have, &connection->searched, &request);

	if (status == REQUEST_MORE)
		return;
	uv_read_stop(&connection->stream);
	if (status > 0) {
		connection_refuse(connection, status);
		return;
	}
	connection->web->feed.counters.requests++;
	connection->keep = request.keep && !connection->web->stopping;
	connection->head_only = request.method == REQUEST_HEAD;
	site_answer(connection, &request);
	/* `request` points into it. */
	connection->have -= request.size;
	memmove(connection->in, connection->in + request.size, connection->have);
	connection->searched = 0;
}

static void got(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct connection *connection = (struct connection *)stream;

	(void)buffer;
	if (size < 0 || (size > 0 && connection->state == CONNECTION_VIEWING)) {
		connection_close(connection);
		return;
	}
	if (connection->state == CONNECTION_DRAINING) {
		connection->drained += (size_t)size;
		if (connection->drained > DRAIN_BYTES)
			connection_close(connection);
		return;
	}
	if (size == 0 || connection->state != CONNECTION_READING)
		return;
	/* Of a connection that goes on, the next request begins now. */
	if (connection->have == 0)
		set(connection, CONNECTION_READING, HEAD_MS);
	connection->have += (size_t)size;
	parse(connection);
}

static void listen_to(struct connection *connection)
{
	if (uv_read_start(&connection->stream, room_for, got) < 0)
		connection_close(connection);
}

static void drain(struct connection *connection)
{
	set(connection, CONNECTION_DRAINING, DRAIN_MS);
	connection->shutdown.data = connection;
	if (uv_shutdown(&connection->shutdown, &connection->stream, shut) < 0) {
		connection_close(connection);
		return;
	}
	listen_to(connection);
}

static void go_on(struct connection *connection)
{
	set(connection, CONNECTION_READING, connection->have > 0 ? HEAD_MS : IDLE_MS);
	if (connection->have > 0)
		parse(connection);
	if (connection->state == CONNECTION_READING)
		listen_to(connection);
}

/* ---- out ------------------------------------------------------------------------------------- */

static void begin_viewing(struct connection *connection)
{
	int bytes = VIEWER_SEND_BYTES;

	uv_send_buffer_size(&connection->handle, &bytes);
	set(connection, CONNECTION_VIEWING, WRITE_MS);
	viewer_begin(connection);
	/* To see its end; it has nothing to say any more. */
	listen_to(connection);
}

static void written(uv_write_t *write, int status)
{
	struct connection *connection = write->data;

	connection->writing = false;
	bytes_release(connection->body);
	connection->body = NULL;
	if (connection->state == CONNECTION_CLOSING)
		return;
	if (status < 0)
		connection_close(connection);
	else if (connection->endless && !connection->head_only)
		begin_viewing(connection);
	else if (connection->keep)
		go_on(connection);
	else
		drain(connection);
}

void connection_send(struct connection *connection, struct response *response, struct bytes *body)
{
	bool more = body && !connection->head_only;
	uv_buf_t buffers[2];
	size_t length;

	connection->endless = response->endless;
	response->keep = connection->keep = connection->keep && !response->endless;
	length = response_head(connection->head, response, body ? body->size : 0);
	buffers[0] = uv_buf_init(connection->head, (unsigned)length);
	if (more)
		buffers[1] = uv_buf_init((char *)(uintptr_t)body->at, (unsigned)body->size);
	connection->body = bytes_hold(body);
	connection->write.data = connection;
	connection->writing = true;
	set(connection, CONNECTION_ANSWERING, WRITE_MS);
	if (uv_write(&connection->write, &connection->stream, buffers, more ? 2 : 1, written) < 0) {
		connection->writing = false;
		connection_close(connection);
	}
}

void connection_refuse(struct connection *connection, int status)
{
	struct response response = {.status = status, .type = RESPONSE_TEXT};
	char text[80];
	int length = snprintf(text, sizeof(text), "%d %s\n", status, response_reason(status));
	struct bytes *body = bytes_copy(text, (size_t)length);

	connection->web->feed.counters.refused++;
	connection->keep = false;
	connection->head_only = false;
	connection_send(connection, &response, body);
	bytes_release(body);
}

/* ---- all of them ----------------------------------------------------------------------------- */

void connection_sweep(struct web *web)
{
	uint64_t now = uv_now(&web->loop);
	struct connection *next;

	for (struct connection *connection = web->connections; connection; connection = next) {
		next = connection->next;
		if (now < connection->deadline || (connection->state == CONNECTION_VIEWING && !connection->writing))
			continue;
		/* Half a request: say so. */
		if (connection->state == CONNECTION_READING && connection->have > 0) {
			uv_read_stop(&connection->stream);
			connection_refuse(connection, 408);
		} else {
			connection_close(connection);
		}
	}
}

/* There are as many as may be: the one that has had the longest time to ask for something goes. */
static bool make_room(struct web *web)
{
	struct connection *victim = NULL;

	if (web->feed.counters.connections < web->options->connections)
		return true;
	for (struct connection *connection = web->connections; connection; connection = connection->next)
		if (connection->state == CONNECTION_READING && (!victim || connection->deadline < victim->deadline))
			victim = connection;
	if (victim)
		connection_close(victim);
	web->feed.counters.refused++;
	return victim != NULL;
}

static int init_handle(struct web *web, struct connection *connection)
{
	return web->listener.handle.type == UV_TCP ? uv_tcp_init(&web->loop, &connection->tcp)
	                                           : uv_pipe_init(&web->loop, &connection->pipe, 0);
}

void connection_accept(struct web *web)
{
	struct connection *connection = malloc(sizeof(*connection));
	bool room;

	/* Without memory they wait: until the sweep tries again, libuv takes no others. */
	web->kept_waiting = !connection;
	if (!connection)
		return;
	room = make_room(web);
	memset(connection, 0, sizeof(*connection));
	connection->web = web;
	if (init_handle(web, connection) < 0) {
		free(connection);
		return;
	}
	connection->next = web->connections;
	if (connection->next)
		connection->next->previous = connection;
	web->connections = connection;
	web->feed.counters.connections++;
	if (uv_accept(&web->listener.stream, &connection->stream) < 0 || !room) {
		connection_close(connection);
		return;
	}
	if (web->listener.handle.type == UV_TCP)
		uv_tcp_nodelay(&connection->tcp, 1);
	set(connection, CONNECTION_READING, HEAD_MS);
	listen_to(connection);
}
