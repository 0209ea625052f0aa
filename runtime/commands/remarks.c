/* remarks.c - what a person should know. */
#include "remarks.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "../snapshot.h"
#include "../view.h"

static void add(char *out, size_t *used, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void add(char *out, size_t *used, const char *fmt, ...)
{
	va_list ap;

	if (*used > 0 && *used < REMARKS_MAX)
		*used += (size_t)snprintf(out + *used, REMARKS_MAX - *used, ", ");
	if (*used >= REMARKS_MAX)
		return;
	va_start(ap, fmt);
	*used += (size_t)vsnprintf(out + *used, REMARKS_MAX - *used, fmt, ap);
	va_end(ap);
}

const char *remarks_pool(const struct instance *instance, unsigned pool, int held, char out[REMARKS_MAX])
{
	const struct board_pool_sh *row = &instance->board->pools[pool];
	uint32_t mode = snapshot_mode(instance, pool), state = atomic_load(&row->state);
	char reason[BOARD_REASON_MAX];
	size_t used = 0;

	out[0] = '\0';
	board_reason_read(row->reason, &row->reason_version, reason);
	if (state != BOARD_POOL_RUNNING)
		add(out, &used, "%s", board_pool_word(state));
	if (mode & POOL_PAUSED)
		add(out, &used, "paused");
	if (mode & POOL_DRAINING)
		add(out, &used, "draining");
	if (held >= 0)
		add(out, &used, "waits for limit %s", view_limit(instance->board, held));
	if (atomic_load(&row->least) != atomic_load(&row->most))
		add(out, &used, "scales %u..%u", atomic_load(&row->least), atomic_load(&row->most));
	if (atomic_load(&row->rolling))
		add(out, &used, "%u to be replaced", atomic_load(&row->rolling));
	if (reason[0])
		add(out, &used, "%s", reason);
	return out;
}

const char *remarks_rate(uint64_t interval_ns, char out[TEXT_MAX])
{
	static const struct {
		double seconds;
		const char *name;
	} units[] = {{1, "s"}, {60, "m"}, {3600, "h"}, {86400, "d"}};
	bool whole = false;

	snprintf(out, TEXT_MAX, "-");
	/* In the first unit that gives a whole number, else in the longest one. */
	for (size_t i = 0; interval_ns && !whole && i < sizeof(units) / sizeof(units[0]); i++) {
		double rate = units[i].seconds * 1e9 / (double)interval_ns;

		/* The interval is in whole nanoseconds: 90/m comes back as 89.99999996. */
		whole = rate > 0.5 && fabs(rate - rint(rate)) < 1e-4 * rate;
		snprintf(out, TEXT_MAX, "%.6g/%s", whole ? rint(rate) : rate, units[i].name);
	}
	return out;
}
