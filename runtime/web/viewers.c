/*
 * viewers.c - who has the page open: one frame for all of them, again and again.
 *
 * A viewer has at most one frame on its way. One that has not taken the last frame gets none of those that are made
 * meanwhile, but the one that comes after it has.
 */
#include <string.h>
#include <time.h>

#include "web_self.h"

/* Between two looks, if they cost little; else COST_SHARE times the processor time of a look and its frames. */
#define TICK_MS    100
#define TICK_MOST  2000
#define COST_SHARE 25
/* Nothing has changed for so long: say that we are still there. */
#define BEAT_MS 2000

static const char beat_event[] = "event: beat\ndata: 1\n\n";
static struct bytes beat = {.holders = 1, .at = beat_event, .size = sizeof(beat_event) - 1};

static uint64_t cpu_ns(void)
{
	struct timespec time = {0};

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void frame_written(uv_write_t *write, int status)
{
	struct connection *connection = write->data;

	connection->writing = false;
	bytes_release(connection->body);
	connection->body = NULL;
	if (connection->state == CONNECTION_CLOSING)
		return;
	if (status < 0)
		connection_close(connection);
}

/* What the kernel does not take at once is written when it can; until then the frame is held. */
static void give_frame(struct connection *connection, struct bytes *frame)
{
	uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)frame->at, (unsigned)frame->size);
	int taken = uv_try_write(&connection->stream, &buffer, 1);

	if (taken < 0 && taken != UV_EAGAIN) {
		connection_close(connection);
		return;
	}
	connection->web->feed.counters.frames++;
	if (taken == (int)frame->size)
		return;
	buffer.base += taken > 0 ? taken : 0;
	buffer.len -= taken > 0 ? (size_t)taken : 0;
	connection->body = bytes_hold(frame);
	connection->writing = true;
	connection_touch(connection);
	if (uv_write(&connection->write, &connection->stream, &buffer, 1, frame_written) < 0) {
		connection->writing = false;
		connection_close(connection);
	}
}

static void give_all(struct web *web, struct bytes *frame)
{
	struct connection *next;

	for (struct connection *connection = web->connections; connection; connection = next) {
		next = connection->next;
		if (connection->state != CONNECTION_VIEWING)
			continue;
		if (connection->writing)
			web->feed.counters.skipped++;
		else
			give_frame(connection, frame);
	}
}

/* ---- ticks ----------------------------------------------------------------------------------- */

static void tick(uv_timer_t *timer)
{
	struct web *web = timer->data;
	uint64_t since = cpu_ns(), now = uv_now(&web->loop), cost;
	struct bytes *frame = feed_frame(&web->feed, web->newcomers);

	if (frame) {
		web->newcomers = false;
		web->frame_at = now;
		give_all(web, frame);
		bytes_release(frame);
	} else if (now - web->frame_at >= BEAT_MS) {
		web->frame_at = now;
		give_all(web, &beat);
	}
	lookup_failures(web);
	cost = (cpu_ns() - since) / 1000000u * COST_SHARE;
	if (web->feed.counters.viewers > 0 && !web->stopping)
		uv_timer_start(timer, tick, cost < TICK_MS ? TICK_MS : cost > TICK_MOST ? TICK_MOST : cost, 0);
}

/* ---- viewers --------------------------------------------------------------------------------- */

bool viewer_room(const struct web *web)
{
	/* Others, above all who measures and checks, shall always find a place. */
	return web->feed.counters.viewers < web->options->connections - web->options->connections / 4;
}

void viewer_begin(struct connection *connection)
{
	struct web *web = connection->web;

	web->newcomers = true;
	if (web->feed.counters.viewers++ == 0)
		uv_timer_start(&web->tick, tick, 0, 0);
}

void viewer_end(struct connection *connection)
{
	struct web *web = connection->web;

	if (--web->feed.counters.viewers == 0)
		uv_timer_stop(&web->tick);
}
