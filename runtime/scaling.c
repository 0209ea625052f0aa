/* scaling.c - the decision. */
#include "scaling.h"

#include <stdio.h>

#include "text.h"

static unsigned least_of(uint64_t a, uint64_t b)
{
	return (unsigned)(a < b ? a : b);
}

/* Jobs for which neither an idle worker nor one that is just starting will be there. */
static uint64_t unserved(const struct scaling *scaling)
{
	uint64_t coming = (uint64_t)scaling->idle + scaling->starting;

	return scaling->waiting > coming ? scaling->waiting - coming : 0;
}

static unsigned missing_spares(const struct scaling *scaling)
{
	uint64_t coming = (uint64_t)scaling->idle + scaling->starting;

	return scaling->least > 0 && coming < scaling->min_spare ? (unsigned)(scaling->min_spare - coming) : 0;
}

static unsigned grow(const struct scaling *scaling, char reason[SCALING_REASON_MAX])
{
	uint64_t jobs = unserved(scaling), spares = missing_spares(scaling);
	unsigned more = least_of(least_of(jobs > spares ? jobs : spares, scaling->step),
	                         scaling->most > scaling->wanted ? scaling->most - scaling->wanted : 0);

	if (more > 0 && jobs >= spares)
		snprintf(reason, SCALING_REASON_MAX, "%llu job%s waiting and no worker free",
		         (unsigned long long)scaling->waiting, scaling->waiting == 1 ? "" : "s");
	else if (more > 0)
		snprintf(reason, SCALING_REASON_MAX, "only %u idle, min_spare is %u", scaling->idle + scaling->starting,
		         scaling->min_spare);
	return more;
}

static unsigned shrink(const struct scaling *scaling, char reason[SCALING_REASON_MAX])
{
	unsigned keep = scaling->least > 0 ? scaling->max_spare : 0, fewer;
	char idle[TEXT_MAX];

	if (scaling->waiting > 0 || scaling->starting > 0 || scaling->idle <= keep ||
	    (scaling->changed && scaling->now - scaling->changed < scaling->cooldown_ns))
		return 0;
	fewer = least_of(scaling->idle - keep, scaling->idle_long);
	/* A busy pool gives back a step at a time, one on demand all it does not need. */
	if (scaling->least > 0)
		fewer = least_of(fewer, scaling->step);
	fewer = least_of(fewer, scaling->wanted > scaling->least ? scaling->wanted - scaling->least : 0);
	if (fewer > 0 && scaling->least > 0)
		snprintf(reason, SCALING_REASON_MAX, "%u idle, max_spare is %u", scaling->idle, keep);
	else if (fewer > 0)
		snprintf(reason, SCALING_REASON_MAX, "%u idle for %s", scaling->idle_long,
		         text_duration(scaling->idle_timeout_ns, idle));
	return fewer;
}

unsigned scaling_decide(const struct scaling *scaling, char reason[SCALING_REASON_MAX])
{
	unsigned wanted = scaling->wanted;

	reason[0] = '\0';
	if (wanted < scaling->least || wanted > scaling->most) {
		wanted = wanted < scaling->least ? scaling->least : scaling->most;
		snprintf(reason, SCALING_REASON_MAX, "the pool has %u..%u", scaling->least, scaling->most);
		return wanted;
	}
	wanted += grow(scaling, reason);
	if (wanted == scaling->wanted)
		wanted -= shrink(scaling, reason);
	return wanted;
}
