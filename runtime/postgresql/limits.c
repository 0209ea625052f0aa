/*
 * limits.c - limits that all nodes share, as rows (limit, node, granted, in use, wanted).
 *
 * A node counts with the larger of what it was granted and what it has in use: it may use what it was granted at any moment
 * without asking. So the sum over all rows stays within the limit, if each takes only what the others leave. Who holds
 * more than its share while others starve is granted less, and gives it up as its jobs end. With more nodes than units, the
 * shares are 1 and 0, and who has waited longest since it got its last first unit comes first.
 *
 * One transaction under a lock for each limit, in the order of their names. It is a sign of life, too: what is granted
 * may be used for a part of a lease from now on, however long the pulse has been held up.
 */
#include "postgresql.h"

#include <stdlib.h>
#include <string.h>

#include "../../ipc/clock.h"

static const char lock_sql[] =
    "SELECT pg_advisory_xact_lock(1497188612, hashtext(name)) FROM unnest($1) AS l (name) ORDER BY name";
static const char rows_sql[] =
    "SELECT u.name, u.node = $2, greatest(u.granted, u.in_use), u.wanted, u.granted FROM yardmaster.limit_use u"
    " WHERE u.name = ANY ($1) ORDER BY u.name, u.turn, u.node";
static const char enter_sql[] =
    "INSERT INTO yardmaster.limit_use AS u (name, node, granted, in_use, wanted, turn)"
    " SELECT s.name, $5, s.granted, s.in_use, s.wanted, CASE WHEN s.granted > 0 THEN clock_timestamp() ELSE "
    "'-infinity' END"
    " FROM unnest($1, $2, $3, $4) AS s (name, granted, in_use, wanted)"
    " ON CONFLICT (name, node) DO UPDATE SET granted = excluded.granted, in_use = excluded.in_use,"
    " wanted = excluded.wanted, turn = CASE WHEN excluded.granted > 0 AND u.granted = 0 THEN clock_timestamp()"
    " ELSE u.turn END";
/* What we have no such limit of any more: the file was changed. */
static const char drop_sql[] = "DELETE FROM yardmaster.limit_use WHERE node = $2 AND name <> ALL ($1)";
static const char beat_sql[] = PG_BEAT;
static const char tell_sql[] = "SELECT pg_notify('yardmaster', '')";

/* A node's row of a limit. */
struct use {
	int64_t held, wanted, granted, share;
};

/*
 * Shares of `max`: all get the same, as far as they want it, in whole jobs of ours, which may take `step` units each; the rest
 * goes job by job to those that come first.
 */
static void share_out(struct use *uses, size_t n, int64_t max, int64_t step)
{
	bool more = true;

	for (size_t i = 0; i < n; i++)
		uses[i].share = 0;
	while (max > 0 && more) {
		int64_t open = 0, each;

		for (size_t i = 0; i < n; i++)
			open += uses[i].share < uses[i].wanted;
		each = open ? max / open / step * step : 0;
		more = false;
		for (size_t i = 0; i < n && max > 0; i++) {
			int64_t room = uses[i].wanted - uses[i].share, part = each > step ? each : step;

			part = room < part ? room : part;
			if (part <= 0 || part > max)
				continue;
			uses[i].share += part;
			max -= part;
			more = true;
		}
	}
}

/* What we are granted; *freed: others wait for what we have just given up. */
static int64_t grant(struct store_limit *limit, struct use *uses, size_t n, struct use *ours, bool *freed)
{
	int64_t others = 0, left, granted, step = limit->step > 1 ? limit->step : 1;
	bool starving = false;

	for (size_t i = 0; i < n; i++)
		others += &uses[i] == ours ? 0 : uses[i].held;
	ours->wanted = limit->wanted > limit->in_use ? limit->wanted : limit->in_use;
	share_out(uses, n, limit->max, step);
	for (size_t i = 0; i < n; i++)
		starving = starving || (&uses[i] != ours && uses[i].held < uses[i].share);
	left = limit->max > others ? limit->max - others : 0;
	granted = starving && ours->share < ours->wanted ? ours->share : ours->wanted;
	granted = granted < left ? granted : left;
	/* A part of what a job needs is of no use to anybody. */
	if (granted < ours->wanted)
		granted -= granted % step;
	*freed = *freed || (starving && (granted > limit->in_use ? granted : limit->in_use) < ours->held);
	return granted;
}

static struct store_limit *find_granted(struct pg_store *store, const char *name)
{
	for (size_t i = 0; i < store->ngranted; i++)
		if (strcmp(store->granted[i].name, name) == 0)
			return &store->granted[i];
	return NULL;
}

/* Without the database: what was granted holds until the others may take us for dead. */
static void as_before(struct pg_store *store, struct store_limit *limits, size_t n)
{
	bool over = ym_now_ns() > atomic_load(&store->beaten) + (uint64_t)store->options.lease_ms * UINT64_C(1000000);

	for (size_t i = 0; i < n; i++) {
		const struct store_limit *before = find_granted(store, limits[i].name);

		limits[i].granted = before && !over ? before->granted : 0;
	}
}

static void put_names(struct pg_args *args, const struct store_limit *limits, size_t n)
{
	pg_array_begin(args, PG_TEXT);
	for (size_t i = 0; i < n; i++)
		pg_put_text(args, limits[i].name);
	pg_array_end(args);
}

#define PUT_COLUMN(field)                                                                                              \
	pg_array_begin(args, PG_BIG);                                                                                  \
	for (size_t i = 0; i < n; i++)                                                                                 \
		pg_put_big(args, limits[i].field);                                                                     \
	pg_array_end(args)

static int send_grants(struct pg_store *store, const struct store_limit *limits, size_t n, bool freed,
                       struct ym_err *err)
{
	struct pg_args *args = pg_fresh(store);

	put_names(args, limits, n);
	PUT_COLUMN(granted);
	PUT_COLUMN(in_use);
	PUT_COLUMN(wanted);
	pg_put_me(store, args);
	if (pg_send(&store->link, enter_sql, args, err) < 0)
		return -1;
	args = pg_fresh(store);
	put_names(args, limits, n);
	pg_put_me(store, args);
	if (pg_send(&store->link, drop_sql, args, err) < 0)
		return -1;
	args = pg_fresh(store);
	pg_put_me(store, args);
	if (pg_send(&store->link, beat_sql, args, err) < 0)
		return -1;
	return freed ? pg_send(&store->link, tell_sql, NULL, err) : 0;
}

/* Whether that was written is not known: from now on no more than is ours in both cases. */
static void doubt(struct pg_store *store, const struct store_limit *limits, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct store_limit *granted = find_granted(store, limits[i].name);

		if (granted && granted->granted > limits[i].in_use)
			granted->granted = limits[i].in_use;
	}
}

/* Rows of one limit; *ours is always one of them. */
static size_t read_uses(const PGresult *result, const char *name, struct use *uses, struct use **ours)
{
	size_t n = 0;

	*ours = NULL;
	for (int row = 0; row < libpq.PQntuples(result); row++) {
		if (strcmp(pg_text(result, row, 0), name) != 0)
			continue;
		if (pg_bool(result, row, 1))
			*ours = &uses[n];
		uses[n++] = (struct use){.held = pg_big(result, row, 2),
		                         .wanted = pg_big(result, row, 3),
		                         .granted = pg_big(result, row, 4)};
	}
	if (!*ours) {
		memmove(uses + 1, uses, n * sizeof(*uses));
		uses[0] = (struct use){0};
		*ours = uses;
		n++;
	}
	return n;
}

static PGresult *ask_rows(struct pg_store *store, const struct store_limit *limits, size_t n, struct ym_err *err)
{
	struct pg_args *args = pg_fresh(store);

	if (pg_begin(&store->link, err) < 0)
		return NULL;
	pg_put_me(store, args);
	if (pg_send(&store->link, "SELECT yardmaster.guard($1)", args, err) < 0)
		return NULL;
	args = pg_fresh(store);
	put_names(args, limits, n);
	if (pg_send(&store->link, lock_sql, args, err) < 0)
		return NULL;
	pg_put_me(store, args);
	return pg_ask(&store->link, rows_sql, args, err);
}

static int exchange(struct pg_store *store, struct store_limit *limits, size_t n, struct ym_err *err)
{
	PGresult *result = ask_rows(store, limits, n, err);
	struct use *uses, *ours;
	bool freed = false;

	if (!result)
		return -1;
	uses = calloc((size_t)libpq.PQntuples(result) + 1, sizeof(*uses));
	for (size_t i = 0; uses && i < n; i++) {
		size_t count = read_uses(result, limits[i].name, uses, &ours);

		limits[i].granted = grant(&limits[i], uses, count, ours, &freed);
	}
	pg_free(result);
	free(uses);
	if (!uses)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for the limits of the cluster");
	if (send_grants(store, limits, n, freed, err) < 0)
		return -1;
	return pg_commit(&store->link, err);
}

int pg_limits(struct store *base, struct store_limit *limits, size_t n, struct ym_err *err)
{
	struct pg_store *store = pg_store_of(base);
	int code = pg_ready(store, err);

	if (n > TABLE_LIMITS)
		return ym_fail(err, YM_ERR_BUG, "%zu limits of the cluster, more than %d", n, TABLE_LIMITS);
	if (code == 0 && exchange(store, limits, n, err) < 0) {
		pg_rollback(&store->link);
		pg_pulse_hurry(store);
		doubt(store, limits, n);
		code = -1;
	}
	if (code < 0) {
		as_before(store, limits, n);
		return -1;
	}
	if (n > 0)
		memcpy(store->granted, limits, n * sizeof(*limits));
	store->ngranted = n;
	return 0;
}
