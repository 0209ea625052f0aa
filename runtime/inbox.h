/*
 * inbox.h - the master's end of one pool's inbox: messages of any language become jobs.
 *
 * A thread sleeps in the kernel until there is a message, and leaves it there: msgrcv() with no room and without
 * MSG_NOERROR fails with E2BIG as soon as there is one. The loop then copies the oldest (MSG_COPY), commits it to the
 * table, and receives it only after that. Killed in between, the next master takes it a second time; it is never lost.
 * Messages that are sent while there is no master wait in the kernel, those for which the table has no room as well.
 *
 * Three cases in which a message is out of the queue before it is in the table:
 * - One without any bytes fits "no room" and is received by the thread, which hands it to the loop. A SIGKILL of the
 *   master within these microseconds loses it.
 * - Somebody else received from the queue between our copy and our receiving: what came out then is committed, too.
 * - The kernel has no MSG_COPY (it was built without CONFIG_CHECKPOINT_RESTORE; said once in the log), or a message is
 *   longer than kernel.msgmax is by now.
 * If such a message cannot be committed, it goes back to the end of the queue; if that is full, it is held here.
 *
 * With a store behind the table, a job is accepted some milliseconds after it was submitted, and the loop does not wait
 * for that: the first `window` messages of the queue are copied and submitted, and received when the store has them. So
 * as many may be taken a second time after a kill. One that the store refuses for now stays where it is and is submitted
 * again; the others go on. A message that is out of the queue is in a slot of the table by then, which outlives the master.
 *
 * A message that is no job (envelope.h) is logged, kept as a file (rejected.h), and taken out of the queue. The type of
 * a message means nothing here.
 *
 * The thread is ended by SIGURG, for which inbox_open() puts a handler that does nothing; it has all other signals
 * blocked. All functions are for the thread of the loop.
 */
#ifndef YM_RUNTIME_INBOX_H
#define YM_RUNTIME_INBOX_H

#include <uv.h>

#include "submit.h"

struct inbox;

struct inbox_options {
	uv_loop_t *loop;
	const char *directory; /* of the instance */
	const char *name;      /* of the pool */
	unsigned pool;         /* its index, for the requests */
	int queue;             /* its id; the queue stays the caller's */
	/*
	 * As submit_job(): 0 or 1, the job is in the table; -1: YM_ERR_USAGE, it never will be; others: try again later.
	 * What the request points to is gone after the call.
	 */
	int (*submit)(void *arg, const struct job_request *request, struct ym_err *err);
	/* With a store behind the table, where nobody can say that at once; NULL: there is none, the rest counts nothing. */
	struct instance *instance;
	unsigned window; /* messages on their way to the store at once */
	/* The message is no job, as `id` has its unique key. The request is only its tag, and where its answer goes. */
	void (*duplicate)(void *arg, const struct job_request *request, uint64_t id);
	/* The queue was removed: nothing more will come. Close this one and open another; also from inside this call. */
	void (*lost)(void *arg, const struct ym_err *err);
	void *arg;
};

/* Start to take messages. NULL with err. Strings are copied. */
struct inbox *inbox_open(const struct inbox_options *options, struct ym_err *err);

/*
 * A slot of the table became free, or the store has answered something: take what waits for that. Costs nothing when
 * nothing waits.
 */
void inbox_retry(struct inbox *inbox);

/*
 * Stop, also from inside a callback; messages stay in the queue. Those that the clerk is just writing to the store are
 * waited for, a second at most. The thread is gone when this returns; the loop has to run on until the handles are closed,
 * too, and then everything is freed.
 */
void inbox_close(struct inbox *inbox);

#endif
