/* supervisor.c - order. */
#include "supervisor.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

static int by_order(const void *a, const void *b)
{
	const struct unit *const *x = a, *const *y = b;
	int64_t left = (*x)->process->start_order, right = (*y)->process->start_order;

	if (left != right)
		return left < right ? -1 : 1;
	return (*x)->rank < (*y)->rank ? -1 : (*x)->rank > (*y)->rank;
}

static bool depends(const struct unit *unit, const struct unit *other)
{
	for (char **name = unit->process->depends_on; name && *name; name++)
		if (strcmp(*name, other->name) == 0)
			return true;
	return false;
}

/* What the unit at `at` depends on and comes after it, as another place; 0: nothing. */
static size_t needs_first(const struct supervisor *supervisor, size_t at)
{
	for (size_t i = at + 1; i < supervisor->nunits; i++)
		if (depends(supervisor->units[at], supervisor->units[i]))
			return i;
	return 0;
}

/* Move the unit at `from` before the one at `to`. */
static void pull(struct supervisor *supervisor, size_t from, size_t to)
{
	struct unit *unit = supervisor->units[from];

	memmove(&supervisor->units[to + 1], &supervisor->units[to], (from - to) * sizeof(struct unit *));
	supervisor->units[to] = unit;
}

/* By start_order, but what others depend on comes before them. Units that depend on each other end the search, too. */
void supervisor_sort(struct supervisor *supervisor)
{
	size_t n = supervisor->nunits, later;

	if (n > 1)
		qsort(supervisor->units, n, sizeof(struct unit *), by_order);
	for (size_t at = 0; at < n; at++)
		for (size_t moves = at + 1; moves < n && (later = needs_first(supervisor, at)); moves++)
			pull(supervisor, later, at);
}

int supervisor_add(struct supervisor *supervisor, struct unit *unit, struct ym_err *err)
{
	if (supervisor->nunits == supervisor->room) {
		size_t room = supervisor->room ? 2 * supervisor->room : 16;
		struct unit **units = realloc(supervisor->units, room * sizeof(struct unit *));

		if (!units)
			return ym_fail(err, YM_ERR_LIMIT, "out of memory");
		supervisor->units = units;
		supervisor->room = room;
	}
	unit->rank = supervisor->entered++;
	supervisor->units[supervisor->nunits++] = unit;
	supervisor_sort(supervisor);
	return 0;
}

void supervisor_drop(struct supervisor *supervisor, const struct unit *unit)
{
	for (size_t i = 0; i < supervisor->nunits; i++) {
		if (supervisor->units[i] != unit)
			continue;
		supervisor->nunits--;
		memmove(&supervisor->units[i], &supervisor->units[i + 1],
		        (supervisor->nunits - i) * sizeof(struct unit *));
		return;
	}
}

struct unit *supervisor_find(const struct supervisor *supervisor, const char *name)
{
	for (size_t i = 0; i < supervisor->nunits; i++)
		if (strcmp(supervisor->units[i]->name, name) == 0)
			return supervisor->units[i];
	return NULL;
}

/* The name of what it must wait for, NULL: it can start. One that is not there any more is not waited for. */
static const char *waits_for(const struct supervisor *supervisor, const struct unit *unit)
{
	for (char **name = unit->process->depends_on; name && *name; name++) {
		const struct unit *other = supervisor_find(supervisor, *name);

		if (other && !(other->up && other->ops->ready(other)))
			return *name;
	}
	return NULL;
}

static void start_what_may(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->nunits; i++) {
		struct unit *unit = supervisor->units[i];
		const char *other;

		if (!unit->wanted || unit->up)
			continue;
		other = waits_for(supervisor, unit);
		if (other) {
			unit->ops->wait(unit, other);
			continue;
		}
		unit->up = true;
		unit->ops->start(unit);
	}
}

/*
 * When everything stops: does somebody still need it? Only those after it are asked, so no two wait for each other. A
 * single unit that is stopped by hand is not asked about.
 */
static bool needed(const struct supervisor *supervisor, size_t at)
{
	const struct unit *unit = supervisor->units[at];

	for (size_t i = at + 1; supervisor->stopping && i < supervisor->nunits; i++) {
		const struct unit *other = supervisor->units[i];

		if (other->ops->alive(other) > 0 &&
		    (depends(other, unit) || other->process->start_order > unit->process->start_order))
			return true;
	}
	return false;
}

/*
 * It was started; or it has processes that an earlier master left, and has waited for another unit since. While it has
 * any it is told at each look: that changes nothing for those that stop already.
 */
static bool is_to_stop(const struct unit *unit)
{
	return !unit->wanted && (unit->up || unit->ops->alive(unit) > 0);
}

static void stop_what_may(struct supervisor *supervisor)
{
	for (size_t i = supervisor->nunits; i-- > 0;) {
		struct unit *unit = supervisor->units[i];

		if (!is_to_stop(unit) || needed(supervisor, i))
			continue;
		unit->up = false;
		unit->ops->stop(unit);
	}
}

void supervisor_look(struct supervisor *supervisor)
{
	if (!supervisor->stopping)
		start_what_may(supervisor);
	stop_what_may(supervisor);
}

void supervisor_stop(struct supervisor *supervisor)
{
	supervisor->stopping = true;
	for (size_t i = 0; i < supervisor->nunits; i++)
		supervisor->units[i]->wanted = false;
	supervisor_look(supervisor);
}

void supervisor_press(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->nunits; i++)
		supervisor->units[i]->ops->press(supervisor->units[i]);
}

unsigned supervisor_alive(const struct supervisor *supervisor)
{
	unsigned n = 0;

	for (size_t i = 0; i < supervisor->nunits; i++)
		n += supervisor->units[i]->ops->alive(supervisor->units[i]);
	return n;
}

void supervisor_free(struct supervisor *supervisor)
{
	free(supervisor->units);
	*supervisor = (struct supervisor){0};
}
