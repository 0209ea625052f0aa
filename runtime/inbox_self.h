/*
 * inbox_self.h - an inbox from inside: inbox.c is the thread and the loop, inbox_stored.c the way of messages into a
 * store.
 */
#ifndef YM_RUNTIME_INBOX_SELF_H
#define YM_RUNTIME_INBOX_SELF_H

#include <pthread.h>

#include "../ipc/buffer.h"
#include "inbox.h"
#include "rejected.h"

/* How long until the next try, when nobody tells. */
#define INBOX_RETRY_MS 200

/* A message on its way to the store; the first ones of the queue, in their order, but for those that are out. */
enum inbox_flight_state {
	FLIGHT_WAITS, /* to be submitted (again) */
	FLIGHT_ASKED,
	FLIGHT_DONE, /* it is a job, or refused for good: to be received */
};
struct inbox_flight {
	struct submit_pending pending;
	enum inbox_flight_state state;
	bool out; /* it is in the queue no more */
	long type;
	size_t at, length;      /* of its bytes in `bytes` */
	struct job_reply reply; /* who asks for an answer is told of a duplicate ... */
	char *tag;              /* ... with this; NULL: none */
};

struct inbox {
	struct inbox_options options;
	uv_async_t wake;
	uv_timer_t timer;
	int handles; /* that are not closed yet */
	bool closing;

	/* Shared with the thread, under the mutex. */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool watch, stop;
	bool took;     /* the thread received an empty message ... */
	long its_type; /* ... of this type */
	int failed;    /* its msgrcv() failed with this errno */

	/* The loop's. */
	pthread_t thread;
	bool no_copy; /* the kernel has no MSG_COPY */
	bool waiting; /* for room, or for better times */
	bool lost;
	bool files; /* messages may name files */
	struct ym_buffer message, taken;
	bool held; /* `taken` is in no queue and no table */
	long held_type;
	struct rejected rejected;

	/* With a store. */
	struct inbox_flight *flights;
	size_t nflights, room;
	struct ym_buffer bytes; /* of all flights */
	uint64_t pause;         /* the store has refused some: not again before */

	char strings[]; /* directory, name */
};

/* ---- inbox.c */

/* Nothing more for now: look again in a while, say why once. And: it goes on. */
void inbox_not_now(struct inbox *inbox, const struct ym_err *err);
void inbox_going_on(struct inbox *inbox);

/* The queue is empty: let the thread wait for a message. */
void inbox_watch(struct inbox *inbox);

/* Is it the message's own fault? `file`: it names one. */
bool inbox_hopeless(const struct ym_err *err, bool file);

/* No job: keep it aside, and tell. */
void inbox_reject(struct inbox *inbox, long type, const struct ym_buffer *message, const struct ym_err *why);

/* A failure of the queue itself; false. */
bool inbox_queue_failed(struct inbox *inbox, const struct ym_err *err);

/* A message cannot be looked at: told once if the kernel has no MSG_COPY; else `take` takes it, if that can help. */
bool inbox_cannot_copy(struct inbox *inbox, const struct ym_err *err, bool (*take)(struct inbox *inbox));

/* ---- inbox_stored.c */

/* A message that has left the queue (`taken`). */
void inbox_stored_taken(struct inbox *inbox, long type);

/* Hear what became of those that are on their way, and send more. True when there may be more to do at once. */
bool inbox_stored_turn(struct inbox *inbox);

/* No more: what is stored is received, what is not stays in the queue. */
void inbox_stored_close(struct inbox *inbox);

#endif
