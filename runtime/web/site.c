/* site.c - which path gives what. */
#include <inttypes.h>
#include <string.h>

#include "assets.h"
#include "web_self.h"

#define JOBS "/api/jobs/"

/* Send a body that is made for this answer. */
static void send_made(struct connection *connection, struct response *response, struct bytes *body)
{
	if (!body)
		*response = (struct response){.status = 500};
	connection_send(connection, response, body);
	bytes_release(body);
}

static void send_text(struct connection *connection, struct response *response, const char *text)
{
	send_made(connection, response, bytes_copy(text, strlen(text)));
}

static void send_error(struct connection *connection, int status, const char *text)
{
	struct response response = {.status = status, .type = RESPONSE_JSON};
	char json[160];

	snprintf(json, sizeof(json), "{\"error\": \"%s\"}\n", text);
	send_text(connection, &response, json);
}

/* ---- what is where --------------------------------------------------------------------------- */

static void asset_answer(struct connection *connection, const struct request *request, struct asset *found)
{
	struct response response = {.status = 200, .type = found->type, .etag = found->etag};
	struct slice tags = request->if_none_match;

	/* A proxy that has packed it calls the tag a weak one. */
	while (tags.length > 0) {
		struct slice tag = slice_trim(slice_until(&tags, ','));

		if (tag.length > 2 && memcmp(tag.at, "W/", 2) == 0)
			tag = (struct slice){tag.at + 2, tag.length - 2};
		if (slice_is(tag, found->etag) || slice_is(tag, "*"))
			response.status = 304;
	}
	if (response.status == 304)
		response.type = NULL;
	connection_send(connection, &response, response.status == 304 ? NULL : &found->bytes);
}

static void status_answer(struct connection *connection)
{
	struct response response = {.status = 200, .type = RESPONSE_JSON};
	bool there;
	struct bytes *body = feed_status(&connection->web->feed, &there);

	response.status = there ? 200 : 503;
	send_made(connection, &response, body);
}

static void metrics_answer(struct connection *connection, struct slice accept)
{
	enum metrics_format format = metrics_wanted(accept);
	struct response response = {.status = 200, .type = metrics_type(format), .vary = true};

	send_made(connection, &response, feed_metrics(&connection->web->feed, format));
}

static void health_answer(struct connection *connection)
{
	struct response response = {.type = RESPONSE_TEXT};
	char line[HEALTH_MAX + 2], why[HEALTH_MAX];
	bool good = feed_health(&connection->web->feed, why);

	response.status = good ? 200 : 503;
	snprintf(line, sizeof(line), "%s\n", good ? "ok" : why);
	for (char *at = line; *at && at[1]; at++)
		if ((unsigned char)*at < ' ')
			*at = ' ';
	send_text(connection, &response, line);
}

static void events_answer(struct connection *connection)
{
	struct response response = {.status = 200, .type = RESPONSE_EVENTS, .endless = true};
	static const char retry[] = "retry: 2000\n\n";
	static struct bytes hello = {.holders = 1, .at = retry, .size = sizeof(retry) - 1};

	if (!viewer_room(connection->web))
		send_error(connection, 503, "too many viewers: see --connections");
	else
		connection_send(connection, &response, &hello);
}

static void job_answer(struct connection *connection, struct slice id)
{
	uint64_t number = 0;

	if (id.length == 0 || id.length > 18) {
		send_error(connection, 404, "no job id");
		return;
	}
	for (size_t i = 0; i < id.length; i++) {
		if (id.at[i] < '0' || id.at[i] > '9') {
			send_error(connection, 404, "no job id");
			return;
		}
		number = number * 10 + (uint64_t)(id.at[i] - '0');
	}
	if (!lookup_job(connection, number))
		send_error(connection, 503, "too many ask for jobs");
}

/* Path, what answers. */
#define SITE_MAP(X)                                                                                                    \
	X("/events", events_answer(connection))                                                                        \
	X("/api/status", status_answer(connection))                                                                    \
	X("/metrics", metrics_answer(connection, request->accept))                                                     \
	X("/healthz", health_answer(connection))

static void open_answer(struct connection *connection, const struct request *request)
{
	struct asset *found = asset_at(request->path.at, request->path.length);
	struct slice rest = request->path;

	if (found) {
		asset_answer(connection, request, found);
		return;
	}
#define X(where, answer)                                                                                               \
	if (slice_is(request->path, where)) {                                                                          \
		answer;                                                                                                \
		return;                                                                                                \
	}
	SITE_MAP(X)
#undef X
	if (rest.length >= strlen(JOBS) && memcmp(rest.at, JOBS, strlen(JOBS)) == 0)
		job_answer(connection, (struct slice){rest.at + strlen(JOBS), rest.length - strlen(JOBS)});
	else
		send_error(connection, 404, "there is nothing here");
}

/* ---- the door -------------------------------------------------------------------------------- */

/* People get a form, programs an error. */
static void shut_answer(struct connection *connection, const struct request *request, enum door_verdict verdict)
{
	struct response response = {.status = 401, .type = asset(ASSET_LOGIN)->type, .challenge = true};

	connection->web->feed.counters.refused++;
	if (slice_is(request->path, "/")) {
		connection_send(connection, &response, &asset(ASSET_LOGIN)->bytes);
		return;
	}
	response.type = RESPONSE_JSON;
	send_text(connection, &response,
	          verdict == DOOR_WRONG ? "{\"error\": \"the token is wrong\"}\n"
	                                : "{\"error\": \"a token is needed\"}\n");
}

static void enter_answer(struct connection *connection)
{
	char cookie[DOOR_COOKIE_MAX];
	struct response response = {
	    .status = 303, .location = "./", .cookie = door_cookie(&connection->web->options->door, cookie)};

	connection_send(connection, &response, NULL);
}

/* What says nothing of the instance, and the form needs. */
static bool is_public(const struct request *request)
{
	return slice_is(request->path, asset(ASSET_STYLE)->path) || slice_is(request->path, asset(ASSET_ICON)->path);
}

void site_answer(struct connection *connection, const struct request *request)
{
	struct response refused = {.status = 405, .type = RESPONSE_JSON, .allow = true};
	enum door_verdict verdict = door_ask(&connection->web->options->door, request);

	if (request->method == REQUEST_OTHER) {
		send_text(connection, &refused, "{\"error\": \"only GET and HEAD\"}\n");
		return;
	}
	switch (verdict) {
	case DOOR_ASTRAY:
		connection->web->feed.counters.refused++;
		send_error(connection, 421, "meant for another host: see --host");
		return;
	case DOOR_ENTERED:
		enter_answer(connection);
		return;
	case DOOR_WRONG:
	case DOOR_SHUT:
		if (!is_public(request)) {
			shut_answer(connection, request, verdict);
			return;
		}
		break;
	case DOOR_OPEN:
		break;
	}
	open_answer(connection, request);
}
