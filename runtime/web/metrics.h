/*
 * metrics.h - the snapshot as OpenMetrics text (the format of Prometheus and others): seconds, bytes, counters that only go
 * up. All names start with yardmaster_; docs/web.md lists them.
 */
#ifndef YM_RUNTIME_WEB_METRICS_H
#define YM_RUNTIME_WEB_METRICS_H

#include <stdio.h>

#include "feed.h"

/* `snapshot` NULL: the instance is not there. */
void metrics_write(FILE *to, const struct snapshot *snapshot, const struct feed_counters *counters);

#endif
