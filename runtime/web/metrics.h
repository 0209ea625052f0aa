/*
 * metrics.h - the snapshot as text for Prometheus and others: seconds, bytes, counters that only go up. All names start with
 * yardmaster_; docs/web.md lists them.
 *
 * There are two formats, with the same samples: OpenMetrics for who asks for it, and for all others the older text format,
 * which calls a family by the whole name of its samples, and knows neither info nor units.
 */
#ifndef YM_RUNTIME_WEB_METRICS_H
#define YM_RUNTIME_WEB_METRICS_H

#include <stdio.h>

#include "request.h"

/* Formats, the better one first: media type, version. */
#define METRICS_FORMAT_MAP(X)                                                                                          \
	X(METRICS_OPENMETRICS, "application/openmetrics-text", "1.0.0")                                                \
	X(METRICS_TEXT, "text/plain", "0.0.4")

enum metrics_format {
#define X(format, media, version) format,
	METRICS_FORMAT_MAP(X)
#undef X
	    METRICS_FORMATS
};

struct snapshot;
struct feed_counters;

/* The one that `Accept` (which need not be there) likes best. */
enum metrics_format metrics_wanted(struct slice accept);
/* As `Content-Type` has it. */
const char *metrics_type(enum metrics_format format);

/* `snapshot` NULL: the instance is not there. */
void metrics_write(FILE *to, enum metrics_format format, const struct snapshot *snapshot,
                   const struct feed_counters *counters);

#endif
