/*
 * feed.h - what there is to tell of the instance: looked at once, and put into words once, however many ask.
 *
 * A frame is one server-sent event, JSON:
 *
 *   {"assets": NUMBER, "trouble": "", "failures": [...], "status": {...}}
 *
 * "status" is what `status --json` has; null: the instance is not there, "trouble" says why. Most frames lack "failures", and
 * of the status "times", "last_minute", "last_hour", "course" and "crashes", which are most of the words and change slowly:
 * who reads keeps what the last whole frame had.
 */
#ifndef YM_RUNTIME_WEB_FEED_H
#define YM_RUNTIME_WEB_FEED_H

#include "../health.h"
#include "../snapshot.h"
#include "metrics.h"
#include "response.h"

/* What the server counts of itself: name, help. */
#define FEED_COUNTER_MAP(X)                                                                                            \
	X(requests, "requests that were answered")                                                                     \
	X(refused, "requests and connections that were refused")                                                       \
	X(frames, "frames that were sent to viewers")                                                                  \
	X(skipped, "frames that viewers were too slow for")

struct feed_counters {
#define X(name, help) uint64_t name;
	FEED_COUNTER_MAP(X)
#undef X
	unsigned viewers, connections;
};

/* Words that were asked for, and for how long they will do. */
struct feed_text {
	struct bytes *bytes; /* NULL: none */
	uint64_t until;
};

struct feed {
	struct instance instance;
	bool there;                    /* board and, if it may be read, table are attached */
	char trouble[YM_ERR_TEXT_MAX]; /* why not */
	uint64_t checked;              /* when it was last asked whether they are still the right ones */
	struct snapshot snapshot;
	bool dead;              /* some worker was found killed: from now on each look asks the kernel */
	uint64_t whole;         /* when the last whole frame was made */
	uint64_t mark;          /* of what the last frame showed */
	uint64_t failed;        /* jobs that ended badly, as counted in the snapshot */
	struct bytes *failures; /* JSON; NULL: not known (yet, of this instance) */
	bool failures_new;      /* no frame had them yet */
	struct feed_text status, metrics[METRICS_FORMATS];
	struct feed_counters counters;
};

void feed_open(struct feed *feed, const struct instance *located);
void feed_close(struct feed *feed);

/* Attach, or see whether what is attached is still the instance; at most every so often. True: it is there. */
bool feed_attach(struct feed *feed);

/* Look: the frame to be sent, or NULL: nothing has changed. `all`: a whole one in any case, for who has none yet. */
struct bytes *feed_frame(struct feed *feed, bool all);

/* What /api/status and /metrics say: never NULL but for lack of memory. *there: of an instance. */
struct bytes *feed_status(struct feed *feed, bool *there);
struct bytes *feed_metrics(struct feed *feed, enum metrics_format format);
bool feed_health(struct feed *feed, char why[HEALTH_MAX]);
/* An error, for who asked for JSON. NULL: no memory. */
struct bytes *feed_error(const char *text);

/* What is told of failures from now on; the feed holds it. */
void feed_failures(struct feed *feed, struct bytes *failures);

#endif
