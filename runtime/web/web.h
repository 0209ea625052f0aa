/*
 * web.h - the page, and what else is told over HTTP: `yardmaster serve`.
 *
 *   /              the page; /app.js, /app.css, /icon.svg belong to it
 *   /events        server-sent events: what the page shows, again whenever something has changed
 *   /api/status    what `yardmaster status --json` prints
 *   /api/jobs/ID   what `yardmaster jobs show ID --json` prints
 *   /metrics       for Prometheus, in the format that is asked for
 *   /healthz       200 if everything runs that is wanted, or did a moment ago, else 503 and why
 *
 * A process of its own that looks at the board and can disturb nobody: read-only attached, no participant. An instance that
 * is not there yet, or is stopped and started again, is waited for.
 *
 *   request.h    takes the head of a request apart          feed.h     what there is to tell, once for all
 *   response.h   writes that of a response                  metrics.h  the same for Prometheus
 *   accept.h     which format is wanted
 *   door.h       who may see it                             assets.h   the page itself
 *   address.h    where it listens                           web_self.h connections, viewers, look-ups, routes
 *
 * HTTP is done here rather than by a library, because it is little (requests without a body), and because what makes an
 * unfriendly client harmless has to be in the middle of it: one deadline for a whole request, however slowly it comes; one
 * copy of a frame for all viewers; a viewer that does not read gets fewer frames, never a longer queue.
 */
#ifndef YM_RUNTIME_WEB_H
#define YM_RUNTIME_WEB_H

#include <stdint.h>
#include <stdio.h>

#include "../instance.h"
#include "address.h"
#include "door.h"

#define WEB_CONNECTIONS 1000

/* What is asked of the commands above this room. One question at a time, from a thread that may wait for a store. */
struct web_jobs {
	/* The job as one JSON object: 0; 1 there is none; -1 with err. */
	int (*show)(void *arg, uint64_t id, FILE *to, struct ym_err *err);
	/* Those that ended badly, a JSON array, the last one first: 0; -1 with err. */
	int (*failures)(void *arg, FILE *to, struct ym_err *err);
	void *arg;
};

struct web_options {
	struct instance instance; /* located */
	struct address address;
	unsigned mode; /* of a socket file */
	struct door door;
	unsigned connections; /* at most */
	struct web_jobs jobs;
};

/* Until SIGTERM or SIGINT. Says on stdout where it listens. 0, or -1 when it cannot start. */
int web_run(const struct web_options *options, struct ym_err *err);

#endif
