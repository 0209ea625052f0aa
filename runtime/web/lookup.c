/*
 * lookup.c - questions about jobs, which may have to wait for a disk or a network: on a thread of libuv's, one at a time,
 * so that a slow store holds up nothing but those who ask for it.
 */
#include <stdlib.h>
#include <string.h>

#include "../../ipc/sys.h"
#include "web_self.h"

/* As many may wait for their turn. */
#define QUEUE_MOST 64
/* Between two questions for what ended badly: so much, or so many times what the last one took. */
#define FAILURES_MS   1000
#define FAILURES_COST 30

struct lookup {
	uv_work_t work;
	struct web *web;
	struct lookup *next;
	struct connection *connection; /* NULL: not wanted any more, or (failures) never was one */
	bool failures;
	uint64_t id;
	struct bytes *answer;
	int result; /* as web_jobs.show */
	struct ym_err err;
	uint64_t started;
};

/* ---- on the thread --------------------------------------------------------------------------- */

static void ask(uv_work_t *work)
{
	struct lookup *lookup = work->data;
	const struct web_jobs *jobs = &lookup->web->options->jobs;
	struct bytes_writer writer;

	lookup->result = -1;
	if (!bytes_write(&writer)) {
		ym_fail(&lookup->err, YM_ERR_LIMIT, "out of memory");
		return;
	}
	lookup->result = lookup->failures ? jobs->failures(jobs->arg, writer.to, &lookup->err)
	                                  : jobs->show(jobs->arg, lookup->id, writer.to, &lookup->err);
	lookup->answer = bytes_written(&writer);
}

/* ---- back in the loop ------------------------------------------------------------------------ */

static void answer_job(struct lookup *lookup)
{
	struct response response = {.status = lookup->result == 0 ? 200 : 404, .type = RESPONSE_JSON};
	struct bytes *body = bytes_hold(lookup->answer);

	if (!lookup->connection)
		return;
	if (lookup->result != 0) {
		bytes_release(body);
		body = feed_error(lookup->err.text);
		response.status = lookup->result == 1 ? 404 : 503;
	}
	if (!body)
		response = (struct response){.status = 500};
	lookup->connection->lookup = NULL;
	connection_send(lookup->connection, &response, body);
	bytes_release(body);
}

static void take_failures(struct lookup *lookup)
{
	struct web *web = lookup->web;
	uint64_t took = (ym_now_ns() - lookup->started) / 1000000u * FAILURES_COST;

	web->failures_next = uv_now(&web->loop) + (took > FAILURES_MS ? took : FAILURES_MS);
	if (lookup->result == 0 && lookup->answer) {
		feed_failures(&web->feed, bytes_hold(lookup->answer));
		return;
	}
	/* It will be asked again. */
	web->failures_asked = false;
}

static void next_job(struct web *web);

static void done(uv_work_t *work, int status)
{
	struct lookup *lookup = work->data;
	struct web *web = lookup->web;

	web->running = NULL;
	if (status == 0 && lookup->failures)
		take_failures(lookup);
	else if (status == 0)
		answer_job(lookup);
	bytes_release(lookup->answer);
	free(lookup);
	next_job(web);
}

static void start(struct web *web, struct lookup *lookup)
{
	lookup->work.data = lookup;
	lookup->started = ym_now_ns();
	web->running = lookup;
	/* It cannot fail: there is a function. */
	uv_queue_work(&web->loop, &lookup->work, ask, done);
}

static void next_job(struct web *web)
{
	while (!web->running && web->jobs) {
		struct lookup *lookup = web->jobs;

		web->jobs = lookup->next;
		web->njobs--;
		if (lookup->connection)
			start(web, lookup);
		else
			free(lookup);
	}
}

/* ---- questions ------------------------------------------------------------------------------- */

bool lookup_job(struct connection *connection, uint64_t id)
{
	struct web *web = connection->web;
	struct lookup *lookup = web->njobs < QUEUE_MOST ? calloc(1, sizeof(*lookup)) : NULL, **end = &web->jobs;

	if (!lookup)
		return false;
	lookup->web = web;
	lookup->connection = connection;
	lookup->id = id;
	connection->lookup = lookup;
	connection_ask(connection);
	while (*end)
		end = &(*end)->next;
	*end = lookup;
	web->njobs++;
	next_job(web);
	return true;
}

void lookup_drop(struct connection *connection)
{
	if (connection->lookup)
		connection->lookup->connection = NULL;
	connection->lookup = NULL;
}

void lookup_failures(struct web *web)
{
	struct lookup *lookup;

	if (web->running || uv_now(&web->loop) < web->failures_next || !web->feed.there ||
	    (web->failures_asked && web->feed.failures && web->feed.failed == web->failed_seen))
		return;
	lookup = calloc(1, sizeof(*lookup));
	if (!lookup)
		return;
	lookup->web = web;
	lookup->failures = true;
	web->failures_asked = true;
	web->failed_seen = web->feed.failed;
	start(web, lookup);
}
