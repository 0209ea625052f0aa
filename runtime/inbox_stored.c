/* inbox_stored.c - messages on their way into a store. */
#include <stdlib.h>
#include <string.h>

#include "../ipc/queue.h"
#include "../ipc/sys.h"
#include "envelope.h"
#include "inbox_self.h"
#include "log.h"

/* Bytes of all that are on their way. */
#define BYTES_MAX (1u << 20)
/* More than fit into the window, as they are out of the queue already. */
#define SPARE 8

/* The clerk is told of so many at once: he need not wait for all of them. */
#define TOGETHER 64

/* What the clerk is about when the inbox is closed is waited for. */
#define CLOSING_MS 1000
#define NAP_NS     500000

/* ---- the window ------------------------------------------------------------------------------ */

static const char *bytes_of(const struct inbox *inbox, const struct inbox_flight *flight)
{
	return inbox->bytes.bytes ? inbox->bytes.bytes + flight->at : "";
}

static struct ym_buffer message_of(const struct inbox *inbox, const struct inbox_flight *flight)
{
	return (struct ym_buffer){.bytes = inbox->bytes.bytes ? inbox->bytes.bytes + flight->at : NULL,
	                          .length = flight->length};
}

/* How many of them are the first ones of the queue. */
static size_t inside(const struct inbox *inbox)
{
	size_t n = 0;

	for (size_t i = 0; i < inbox->nflights; i++)
		n += !inbox->flights[i].out;
	return n;
}

static bool make_room(struct inbox *inbox, struct ym_err *err)
{
	size_t room = inbox->options.window + SPARE;
	struct inbox_flight *flights;

	if (inbox->nflights < inbox->room)
		return true;
	if (inbox->room >= room) {
		ym_fail(err, YM_ERR_FULL, "%zu messages are on their way to the store", inbox->nflights);
		return false;
	}
	flights = calloc(room, sizeof(*flights));
	if (!flights) {
		ym_fail(err, YM_ERR_LIMIT, "out of memory for messages on their way to the store");
		return false;
	}
	inbox->flights = flights;
	inbox->room = room;
	return true;
}

/* One more, at the end. NULL: no room. */
static struct inbox_flight *add(struct inbox *inbox, const struct ym_buffer *message, long type, bool out,
                                struct ym_err *err)
{
	size_t at = inbox->bytes.length;
	struct inbox_flight *flight;

	if (!make_room(inbox, err) || ym_buffer_add(&inbox->bytes, message->bytes, message->length, err) < 0)
		return NULL;
	flight = &inbox->flights[inbox->nflights++];
	*flight = (struct inbox_flight){.out = out, .type = type, .at = at, .length = message->length};
	return flight;
}

/* The first ones are over. */
static void drop(struct inbox *inbox, size_t n)
{
	size_t gone = 0, left = inbox->nflights - n;

	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++) {
		gone += inbox->flights[i].length;
		free(inbox->flights[i].tag);
	}
	memmove(inbox->flights, inbox->flights + n, left * sizeof(*inbox->flights));
	inbox->nflights = left;
	inbox->bytes.length -= gone;
	if (gone && inbox->bytes.length)
		memmove(inbox->bytes.bytes, inbox->bytes.bytes + gone, inbox->bytes.length);
	for (size_t i = 0; i < left; i++)
		inbox->flights[i].at -= gone;
}

/* ---- submit ---------------------------------------------------------------------------------- */

/* It is in no queue: better there than here. */
static bool put_back(struct inbox *inbox, struct inbox_flight *flight)
{
	if (ym_queue_send_bytes(inbox->options.queue, flight->type, bytes_of(inbox, flight), flight->length, 0, NULL) <
	    0)
		return false;
	flight->state = FLIGHT_DONE;
	return true;
}

static void refuse(struct inbox *inbox, struct inbox_flight *flight, const struct ym_err *why)
{
	const struct ym_buffer message = message_of(inbox, flight);

	inbox_reject(inbox, flight->type, &message, why);
	flight->state = FLIGHT_DONE;
}

static int submit(struct inbox *inbox, struct inbox_flight *flight, struct envelope *envelope, struct ym_err *err)
{
	struct instance *instance = inbox->options.instance;
	const char *tag = envelope->request.tag;
	int32_t holder;

	envelope->request.pool = inbox->options.pool;
	/* The master must not hang: the message stays where it is. */
	if (!index_usable(instance, &holder))
		return ym_fail(err, YM_ERR_TIMEOUT, "process %ld holds the lock of the job lists", (long)holder);
	flight->reply = envelope->request.reply;
	if (flight->reply.key && tag && !flight->tag && !(flight->tag = strdup(tag)))
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for the tag of a message");
	return submit_begin(instance, &envelope->request, &flight->pending, err);
}

/* On its way. False: no more for now. */
static bool begin(struct inbox *inbox, struct inbox_flight *flight)
{
	struct envelope envelope;
	struct ym_err err = {0};
	bool file = false;
	int result = envelope_parse(bytes_of(inbox, flight), flight->length, inbox->files, &envelope, &err);

	if (result == 0) {
		file = envelope.file != NULL;
		result = submit(inbox, flight, &envelope, &err);
		envelope_free(&envelope);
	}
	if (result == 0) {
		flight->state = FLIGHT_ASKED;
		return true;
	}
	if (inbox_hopeless(&err, file)) {
		refuse(inbox, flight, &err);
		return true;
	}
	inbox_not_now(inbox, &err);
	if (flight->out)
		put_back(inbox, flight);
	return false;
}

/* ---- what became of them --------------------------------------------------------------------- */

static void tell_duplicate(struct inbox *inbox, const struct inbox_flight *flight, uint64_t id)
{
	const struct job_request request = {.tag = flight->tag, .reply = flight->reply};

	inbox->options.duplicate(inbox->options.arg, &request, id);
}

/* False: it is not known yet. */
static bool settle_one(struct inbox *inbox, struct inbox_flight *flight, bool give_up)
{
	struct ym_err err = {0};
	struct job_ref ref;
	int result = submit_end(inbox->options.instance, &flight->pending, give_up, &ref, &err);

	if (result == 2)
		return false;
	if (result == 1)
		tell_duplicate(inbox, flight, ref.id);
	if (result >= 0) {
		flight->state = FLIGHT_DONE;
		return true;
	}
	if (inbox_hopeless(&err, false)) {
		refuse(inbox, flight, &err);
		return true;
	}
	flight->state = FLIGHT_WAITS;
	if (inbox->closing)
		return true;
	inbox_not_now(inbox, &err);
	/* Before the timer, which rounds. */
	inbox->pause = ym_deadline(INBOX_RETRY_MS / 2);
	if (flight->out)
		put_back(inbox, flight);
	return true;
}

/* Returns whether some are jobs now. */
static bool settle(struct inbox *inbox)
{
	bool some = false;

	for (size_t i = 0; i < inbox->nflights; i++) {
		struct inbox_flight *flight = &inbox->flights[i];

		if (flight->state != FLIGHT_ASKED)
			continue;
		if (!settle_one(inbox, flight, false))
			break;
		some |= flight->state == FLIGHT_DONE;
	}
	return some;
}

/* ---- receive --------------------------------------------------------------------------------- */

static bool is_taken(const struct inbox *inbox, const struct inbox_flight *flight, long type)
{
	return !flight->out && flight->type == type && flight->length == inbox->taken.length &&
	       memcmp(bytes_of(inbox, flight), inbox->taken.bytes, flight->length) == 0;
}

void inbox_stored_taken(struct inbox *inbox, long type)
{
	struct ym_err err = {0};
	struct inbox_flight *flight = add(inbox, &inbox->taken, type, true, &err);

	if (flight) {
		if (!inbox->closing)
			begin(inbox, flight);
		return;
	}
	inbox_not_now(inbox, &err);
	if (ym_queue_send_bytes(inbox->options.queue, type, inbox->taken.bytes, inbox->taken.length, 0, NULL) < 0)
		inbox_reject(inbox, type, &inbox->taken, &err);
}

/*
 * `taken` came out of the queue. If it is not the first one of the window, others have received those before it; if it is
 * none of the window, it came in the place of the first one.
 */
static void note_taken(struct inbox *inbox, long type)
{
	size_t first = inbox->nflights, last;

	for (last = 0; last < inbox->nflights && !is_taken(inbox, &inbox->flights[last], type); last++)
		if (!inbox->flights[last].out && first > last)
			first = last;
	if (last == inbox->nflights) {
		inbox->flights[first].out = true;
		inbox_stored_taken(inbox, type);
		return;
	}
	for (size_t i = 0; i <= last; i++)
		inbox->flights[i].out = true;
}

/* Out with the oldest one. */
static bool receive(struct inbox *inbox)
{
	struct ym_err err;
	long type;
	int result = ym_queue_receive(inbox->options.queue, 0, 0, YM_QUEUE_NOWAIT, 0, &inbox->taken, &type, &err);

	if (result < 0)
		return inbox_queue_failed(inbox, &err);
	if (result == 0)
		note_taken(inbox, type);
	else
		/* Somebody else has taken all of them. */
		for (size_t i = 0; i < inbox->nflights; i++)
			inbox->flights[i].out = true;
	return true;
}

/* Receive those that are jobs, from the first one on. False: that failed. */
static bool consume(struct inbox *inbox)
{
	size_t n = 0;
	bool good = true;

	while (good && n < inbox->nflights && inbox->flights[n].state == FLIGHT_DONE) {
		if (!inbox->flights[n].out)
			good = receive(inbox);
		n += good;
	}
	drop(inbox, n);
	return good;
}

/* ---- send more ------------------------------------------------------------------------------- */

/* There is no way to look at it. */
static bool take_one(struct inbox *inbox)
{
	struct ym_err err;
	long type;
	int result;

	/* One at a time: what is in no queue is only here until it is in the table. */
	if (inbox->nflights > 0)
		return false;
	result = ym_queue_receive(inbox->options.queue, 0, 0, YM_QUEUE_NOWAIT, 0, &inbox->taken, &type, &err);
	if (result < 0)
		return inbox_queue_failed(inbox, &err);
	if (result == 0)
		inbox_stored_taken(inbox, type);
	else
		inbox_watch(inbox);
	return false;
}

/* The next message that is not on its way: true when there may be more. */
static bool send_one(struct inbox *inbox, size_t index)
{
	struct ym_err err = {0};
	struct inbox_flight *flight;
	long type;
	int result = ym_queue_peek(inbox->options.queue, index, &inbox->message, &type, &err);

	if (result < 0)
		return inbox_cannot_copy(inbox, &err, take_one);
	if (result == 1) {
		if (inbox->nflights == 0)
			inbox_watch(inbox);
		return false;
	}
	/* Room to receive it is found before it is submitted: without it, it would be submitted again and again. */
	inbox->taken.length = 0;
	flight = ym_buffer_room(&inbox->taken, inbox->message.capacity, &err)
	             ? add(inbox, &inbox->message, type, false, &err)
	             : NULL;
	if (!flight) {
		inbox_not_now(inbox, &err);
		return false;
	}
	return begin(inbox, flight);
}

static bool is_full(const struct inbox *inbox)
{
	return inbox->nflights >= inbox->options.window || inbox->bytes.length >= BYTES_MAX;
}

/* Those that were refused first: messages keep their order. */
static bool send_again(struct inbox *inbox)
{
	bool paused = ym_now_ns() < inbox->pause;

	for (size_t i = 0; i < inbox->nflights; i++)
		if (inbox->flights[i].state == FLIGHT_WAITS && (paused || !begin(inbox, &inbox->flights[i])))
			return false;
	return true;
}

static bool any_waits(const struct inbox *inbox)
{
	for (size_t i = 0; i < inbox->nflights; i++)
		if (inbox->flights[i].state == FLIGHT_WAITS)
			return true;
	return false;
}

/* Were those that are on their way answered just now? Then what they were told comes first. */
static bool is_answered(const struct inbox *inbox)
{
	for (size_t i = 0; i < inbox->nflights; i++)
		if (inbox->flights[i].state == FLIGHT_ASKED)
			return !submit_open(inbox->options.instance, &inbox->flights[i].pending);
	return false;
}

bool inbox_stored_turn(struct inbox *inbox)
{
	bool some = settle(inbox), more;

	if (!consume(inbox))
		return false;
	more = send_again(inbox);
	for (size_t index = inside(inbox), n = 1; more && !is_full(inbox) && !is_answered(inbox); index++, n++) {
		more = inbox->no_copy ? take_one(inbox) : send_one(inbox, index);
		if (n % TOGETHER == 0)
			submit_go(inbox->options.instance);
	}
	submit_go(inbox->options.instance);
	if (some && !any_waits(inbox))
		inbox_going_on(inbox);
	return is_answered(inbox);
}

/* ---- close ----------------------------------------------------------------------------------- */

/* From the last one on, those that the clerk is not about. */
static void withdraw(struct inbox *inbox)
{
	for (size_t i = inbox->nflights; i-- > 0;) {
		struct inbox_flight *flight = &inbox->flights[i];

		if (flight->state != FLIGHT_ASKED)
			continue;
		if (!submit_withdraw(inbox->options.instance, &flight->pending))
			return;
		flight->state = FLIGHT_WAITS;
	}
}

static void await_answers(struct inbox *inbox)
{
	uint64_t deadline = ym_deadline(CLOSING_MS);
	unsigned unknown = 0;

	for (size_t i = 0; i < inbox->nflights; i++) {
		struct inbox_flight *flight = &inbox->flights[i];

		while (flight->state == FLIGHT_ASKED && !settle_one(inbox, flight, ym_now_ns() >= deadline))
			ym_nap(NAP_NS);
		unknown += flight->state == FLIGHT_WAITS && ym_now_ns() >= deadline;
	}
	if (unknown)
		log_line(
		    LOG_WARN,
		    "pool %s: inbox: the store has not answered for %d ms: up to %u messages stay in the queue that "
		    "may be jobs already",
		    inbox->options.name, CLOSING_MS, unknown);
}

/* The queue is gone: what is on its way goes on, and is in no queue for certain. */
static void leave_all(struct inbox *inbox)
{
	for (size_t i = 0; i < inbox->nflights; i++)
		if (inbox->flights[i].state == FLIGHT_ASKED)
			submit_leave(inbox->options.instance, &inbox->flights[i].pending);
}

/* The last chance for a message that is in no queue. */
static void give_back(struct inbox *inbox)
{
	struct ym_err why = {0};

	ym_fail(&why, YM_ERR_FULL, "the inbox is closed while neither the store nor its queue has room for it");
	for (size_t i = 0; i < inbox->nflights; i++) {
		struct inbox_flight *flight = &inbox->flights[i];

		if (flight->out && flight->state == FLIGHT_WAITS && !put_back(inbox, flight))
			refuse(inbox, flight, &why);
	}
}

void inbox_stored_close(struct inbox *inbox)
{
	struct ym_queue_stat stat;

	inbox->closing = true;
	if (ym_queue_stat(inbox->options.queue, &stat, NULL) < 0) {
		leave_all(inbox);
	} else {
		withdraw(inbox);
		await_answers(inbox);
		consume(inbox);
		give_back(inbox);
	}
	drop(inbox, inbox->nflights);
}
