/* inbox.c - a thread that waits, a loop that takes. */
#include "inbox_self.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ipc/queue.h"
#include "../ipc/sys.h"
#include "envelope.h"
#include "log.h"

/* Messages in one turn of the loop, which has other work, too. */
#define TURN_MAX 256

#define WAKE_SIGNAL  SIGURG
#define THREAD_STACK ((size_t)128 << 10)
#define JOIN_NAP_NS  1000000

/* ---- the thread ------------------------------------------------------------------------------ */

/* Sleep until there is a message, as often as the loop says. */
static void *watch(void *arg)
{
	struct inbox *inbox = arg;
	sigset_t wake;

	sigemptyset(&wake);
	sigaddset(&wake, WAKE_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
	pthread_setname_np(pthread_self(), "inbox");
	pthread_mutex_lock(&inbox->mutex);
	while (!inbox->stop) {
		long type;
		ssize_t n;
		int sys;

		if (!inbox->watch) {
			pthread_cond_wait(&inbox->changed, &inbox->mutex);
			continue;
		}
		pthread_mutex_unlock(&inbox->mutex);
		n = ym_sys.msgrcv(inbox->options.queue, &type, 0, 0, 0);
		sys = errno;
		pthread_mutex_lock(&inbox->mutex);
		if (n < 0 && sys == EINTR)
			continue;
		inbox->watch = false;
		inbox->took = n >= 0;
		inbox->its_type = type;
		inbox->failed = n < 0 && sys != E2BIG ? sys : 0;
		uv_async_send(&inbox->wake);
	}
	pthread_mutex_unlock(&inbox->mutex);
	return NULL;
}

void inbox_going_on(struct inbox *inbox)
{
	if (inbox->waiting)
		log_line(LOG_INFO, "pool %s: inbox: messages are taken again", inbox->options.name);
	inbox->waiting = false;
}

void inbox_watch(struct inbox *inbox)
{
	inbox_going_on(inbox);
	pthread_mutex_lock(&inbox->mutex);
	inbox->watch = true;
	pthread_cond_signal(&inbox->changed);
	pthread_mutex_unlock(&inbox->mutex);
}

static void nothing(int number)
{
	(void)number;
}

/* With all signals blocked from its first instruction on. */
static int start_thread(struct inbox *inbox, struct ym_err *err)
{
	struct sigaction action = {.sa_handler = nothing};
	pthread_attr_t attributes;
	sigset_t all, before;
	int sys;

	if (sigaction(WAKE_SIGNAL, &action, NULL) < 0)
		return ym_fail_sys(err, errno, "sigaction(SIGURG) to be able to end the thread of an inbox");
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	sys = pthread_create(&inbox->thread, &attributes, watch, inbox);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return sys ? ym_fail_sys(err, sys, "pthread_create() for the inbox of pool %s", inbox->options.name) : 0;
}

/*
 * A signal that comes just before msgrcv() ends nothing, so it is sent until the thread is gone. What the thread took
 * last is in the fields that it shares.
 */
static void end_thread(struct inbox *inbox)
{
	struct timespec deadline;

	pthread_mutex_lock(&inbox->mutex);
	inbox->stop = true;
	pthread_cond_signal(&inbox->changed);
	pthread_mutex_unlock(&inbox->mutex);
	do {
		uint64_t until = ym_now_ns() + JOIN_NAP_NS;

		pthread_kill(inbox->thread, WAKE_SIGNAL);
		deadline =
		    (struct timespec){.tv_sec = (time_t)(until / 1000000000u), .tv_nsec = (long)(until % 1000000000u)};
	} while (pthread_clockjoin_np(inbox->thread, NULL, CLOCK_MONOTONIC, &deadline) != 0);
}

/* ---- one message ----------------------------------------------------------------------------- */

void inbox_not_now(struct inbox *inbox, const struct ym_err *err)
{
	if (!inbox->waiting)
		log_line(LOG_WARN, "pool %s: inbox: %s: messages wait in the queue, next try in %d ms",
		         inbox->options.name, err->text, INBOX_RETRY_MS);
	inbox->waiting = true;
}

static pid_t last_sender(const struct inbox *inbox)
{
	struct ym_queue_stat stat;

	return ym_queue_stat(inbox->options.queue, &stat, NULL) == 0 ? stat.last_sender : 0;
}

void inbox_reject(struct inbox *inbox, long type, const struct ym_buffer *message, const struct ym_err *why)
{
	char path[PATH_MAX], what[128];
	struct ym_err err;
	int kept = rejected_keep(&inbox->rejected, type, message->bytes, message->length, path, &err);
	const char *name = inbox->options.name;

	snprintf(what, sizeof(what), "a message (type %ld, %zu bytes, last sender pid %d) is refused", type,
	         message->length, last_sender(inbox));
	if (kept == 0)
		log_line(LOG_WARN, "pool %s: inbox: %s: %s; kept as %s", name, what, why->text, path);
	else if (kept > 0)
		log_line(LOG_ERROR, "pool %s: inbox: %s: %s; not kept: %d are kept already in %s, remove some", name,
		         what, why->text, REJECTED_MAX, inbox->rejected.directory);
	else
		log_line(LOG_ERROR, "pool %s: inbox: %s: %s; not kept: %s", name, what, why->text, err.text);
}

/* What is wrong with the message itself, or with a file that it names, will be so the next time. */
bool inbox_hopeless(const struct ym_err *err, bool file)
{
	return err->class == YM_ERR_USAGE || (file && (err->class == YM_ERR_CORRUPT || err->class == YM_ERR_SYSTEM));
}

/* Make a job of it, or keep it aside: true when it is dealt with. */
static bool deliver(struct inbox *inbox, long type, const struct ym_buffer *message)
{
	struct envelope envelope;
	struct ym_err err = {0};
	bool file = false;
	int result =
	    envelope_parse(message->bytes ? message->bytes : "", message->length, inbox->files, &envelope, &err);

	if (result == 0) {
		envelope.request.pool = inbox->options.pool;
		file = envelope.file != NULL;
		result = inbox->options.submit(inbox->options.arg, &envelope.request, &err);
		envelope_free(&envelope);
	}
	if (result < 0 && !inbox_hopeless(&err, file)) {
		inbox_not_now(inbox, &err);
		return false;
	}
	if (result < 0)
		inbox_reject(inbox, type, message, &err);
	inbox_going_on(inbox);
	return true;
}

/* `taken` has left the queue: it must become a job, or get back there. */
static bool deliver_taken(struct inbox *inbox, long type)
{
	inbox->held = false;
	if (deliver(inbox, type, &inbox->taken))
		return true;
	inbox->held_type = type;
	inbox->held =
	    ym_queue_send_bytes(inbox->options.queue, type, inbox->taken.bytes, inbox->taken.length, 0, NULL) < 0;
	return false;
}

bool inbox_queue_failed(struct inbox *inbox, const struct ym_err *err)
{
	if (err->class != YM_ERR_GONE) {
		inbox_not_now(inbox, err);
		return false;
	}
	inbox->lost = true;
	return false;
}

/* Receive the oldest message and commit it: there is no other way. True when there may be more. */
static bool take_and_deliver(struct inbox *inbox)
{
	struct ym_err err;
	long type;
	int result = ym_queue_receive(inbox->options.queue, 0, 0, YM_QUEUE_NOWAIT, 0, &inbox->taken, &type, &err);

	if (result < 0)
		return inbox_queue_failed(inbox, &err);
	if (result == 0)
		return deliver_taken(inbox, type);
	inbox_watch(inbox);
	return false;
}

/* The oldest message is committed: out with it. What comes out may be another one. */
static bool consume(struct inbox *inbox, long type)
{
	struct ym_err err;
	long got;
	int result = ym_queue_receive(inbox->options.queue, 0, 0, YM_QUEUE_NOWAIT, 0, &inbox->taken, &got, &err);

	if (result < 0)
		return inbox_queue_failed(inbox, &err);
	if (result == 1 || (got == type && inbox->taken.length == inbox->message.length &&
	                    memcmp(inbox->taken.bytes, inbox->message.bytes, inbox->message.length) == 0))
		return true;
	return deliver_taken(inbox, got);
}

bool inbox_cannot_copy(struct inbox *inbox, const struct ym_err *err, bool (*take)(struct inbox *inbox))
{
	if (err->sys == ENOSYS) {
		inbox->no_copy = true;
		log_line(LOG_WARN,
		         "pool %s: inbox: %s: a message is lost if the master is killed between taking it and "
		         "writing it into the table",
		         inbox->options.name, err->text);
		return true;
	}
	/* Longer than kernel.msgmax is now; or no memory, then there is none to receive it either. */
	if (err->class == YM_ERR_LIMIT)
		return take(inbox);
	return inbox_queue_failed(inbox, err);
}

/* The next message: true when there may be more. */
static bool take_one(struct inbox *inbox)
{
	struct ym_err err;
	long type;
	int result;

	if (inbox->held)
		return deliver_taken(inbox, inbox->held_type);
	if (inbox->no_copy)
		return take_and_deliver(inbox);
	result = ym_queue_peek(inbox->options.queue, 0, &inbox->message, &type, &err);
	if (result < 0)
		return inbox_cannot_copy(inbox, &err, take_and_deliver);
	if (result == 1) {
		inbox_watch(inbox);
		return false;
	}
	/* Room to receive it is found before it is committed: without it, it would be committed again and again. */
	inbox->taken.length = 0;
	if (!ym_buffer_room(&inbox->taken, inbox->message.capacity, &err)) {
		inbox_not_now(inbox, &err);
		return false;
	}
	return deliver(inbox, type, &inbox->message) && consume(inbox, type);
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* An empty message that the thread received. True unless it cannot be committed now. */
static bool collect(struct inbox *inbox)
{
	struct ym_err err = {0};
	bool took;
	long type;
	int sys;

	pthread_mutex_lock(&inbox->mutex);
	took = inbox->took;
	type = inbox->its_type;
	sys = inbox->failed;
	inbox->took = false;
	inbox->failed = 0;
	pthread_mutex_unlock(&inbox->mutex);
	if (took) {
		inbox->taken.length = 0;
		if (inbox->options.instance)
			inbox_stored_taken(inbox, type);
		else
			return deliver_taken(inbox, type);
	}
	if (sys && ym_gone(sys) != EIDRM) {
		ym_fail_sys(&err, sys, "msgrcv(id %d) to wait for a message", inbox->options.queue);
		inbox_not_now(inbox, &err);
		return false;
	}
	return true;
}

/* May messages name files? Only where nobody can send who could not read what the master can. */
static bool is_private(const struct inbox *inbox)
{
	struct ym_queue_stat stat;
	uid_t me = geteuid();

	return ym_queue_stat(inbox->options.queue, &stat, NULL) == 0 && (stat.mode & 022) == 0 &&
	       (stat.uid == me || stat.uid == 0) && (stat.cuid == me || stat.cuid == 0);
}

static void on_timer(uv_timer_t *timer);

/* True when there may be more. */
static bool take_some(struct inbox *inbox)
{
	bool more = collect(inbox);

	if (inbox->options.instance)
		return inbox_stored_turn(inbox) && more;
	for (int i = 0; more && !inbox->closing && i < TURN_MAX; i++)
		more = take_one(inbox);
	return more;
}

static void drain(struct inbox *inbox)
{
	struct ym_err gone = {.class = YM_ERR_GONE};
	bool more;

	if (inbox->closing || inbox->lost)
		return;
	inbox->files = is_private(inbox);
	more = take_some(inbox);
	if (inbox->closing)
		return;
	if (inbox->lost) {
		uv_timer_stop(&inbox->timer);
		ym_fail(&gone, YM_ERR_GONE, "the queue of the inbox (id %d) was removed", inbox->options.queue);
		inbox->options.lost(inbox->options.arg, &gone);
	} else if (more) {
		uv_async_send(&inbox->wake);
	} else if (inbox->waiting || inbox->nflights > 0) {
		uv_timer_start(&inbox->timer, on_timer, INBOX_RETRY_MS, 0);
	} else {
		uv_timer_stop(&inbox->timer);
	}
}

static void on_timer(uv_timer_t *timer)
{
	drain(timer->data);
}

static void on_wake(uv_async_t *wake)
{
	drain(wake->data);
}

void inbox_retry(struct inbox *inbox)
{
	if (inbox->waiting || inbox->nflights > 0)
		uv_async_send(&inbox->wake);
}

/* ---- opening and closing --------------------------------------------------------------------- */

static struct inbox *new_inbox(const struct inbox_options *options, struct ym_err *err)
{
	size_t directory = strlen(options->directory) + 1, name = strlen(options->name) + 1;
	struct inbox *inbox = calloc(1, sizeof(*inbox) + directory + name);

	if (!inbox) {
		ym_fail(err, YM_ERR_LIMIT, "out of memory for the inbox of pool %s", options->name);
		return NULL;
	}
	inbox->options = *options;
	inbox->options.directory = memcpy(inbox->strings, options->directory, directory);
	inbox->options.name = memcpy(inbox->strings + directory, options->name, name);
	pthread_mutex_init(&inbox->mutex, NULL);
	pthread_cond_init(&inbox->changed, NULL);
	ym_buffer_init(&inbox->message, NULL, 0);
	ym_buffer_init(&inbox->taken, NULL, 0);
	ym_buffer_init(&inbox->bytes, NULL, 0);
	rejected_init(&inbox->rejected, inbox->options.directory, inbox->options.name);
	return inbox;
}

static void free_inbox(struct inbox *inbox)
{
	ym_buffer_free(&inbox->message);
	ym_buffer_free(&inbox->taken);
	ym_buffer_free(&inbox->bytes);
	free(inbox->flights);
	pthread_cond_destroy(&inbox->changed);
	pthread_mutex_destroy(&inbox->mutex);
	free(inbox);
}

static void on_closed(uv_handle_t *handle)
{
	struct inbox *inbox = handle->data;

	if (--inbox->handles == 0)
		free_inbox(inbox);
}

static void close_handles(struct inbox *inbox)
{
	inbox->closing = true;
	uv_close((uv_handle_t *)&inbox->timer, on_closed);
	uv_close((uv_handle_t *)&inbox->wake, on_closed);
}

struct inbox *inbox_open(const struct inbox_options *options, struct ym_err *err)
{
	struct inbox *inbox = new_inbox(options, err);
	int result;

	if (!inbox)
		return NULL;
	result = uv_async_init(options->loop, &inbox->wake, on_wake);
	if (result < 0) {
		ym_fail_sys(err, -result, "uv_async_init() for the inbox of pool %s", options->name);
		free_inbox(inbox);
		return NULL;
	}
	uv_timer_init(options->loop, &inbox->timer);
	inbox->handles = 2;
	inbox->wake.data = inbox->timer.data = inbox;
	/* The first look is the loop's: there may be messages already. */
	if (start_thread(inbox, err) < 0) {
		close_handles(inbox);
		return NULL;
	}
	uv_async_send(&inbox->wake);
	return inbox;
}

/* The last chance for a message that is in no queue. */
static void give_back(struct inbox *inbox)
{
	struct ym_err why = {0};

	if (!inbox->held || deliver_taken(inbox, inbox->held_type) || !inbox->held)
		return;
	ym_fail(&why, YM_ERR_FULL, "the inbox is closed while neither the table nor its queue has room for it");
	inbox_reject(inbox, inbox->held_type, &inbox->taken, &why);
}

void inbox_close(struct inbox *inbox)
{
	end_thread(inbox);
	collect(inbox);
	if (inbox->options.instance)
		inbox_stored_close(inbox);
	else
		give_back(inbox);
	close_handles(inbox);
}
