/*
 * write.c - a batch of the clerk as one transaction of two round trips.
 *
 *   1st  BEGIN, guard, releases, saves, submits, requests, rows that are wanted
 *   2nd  what was taken is marked, COMMIT
 *
 * More only for what is rare: keys that are taken, long payloads, locks that somebody holds for long
 * (busy.c). A batch that stood in another's way is tried again.
 *
 * Every batch is durable, whether it has to be or not: we outlive the server. Had it forgotten with a crash what was fetched,
 * others would fetch that, too, while it runs here; what was released or has ended would stay ours for ever.
 */
#include "postgresql.h"

#include <stdlib.h>
#include <string.h>

#include "../../ipc/clock.h"
#include "../text.h"

#define TRIES      4     /* of a batch that others stood in the way of */
#define CAREFUL_MS 10000 /* after somebody's lock was in the way, it is looked for before a batch is written */

static const char guard_sql[] = "SELECT yardmaster.guard($1)";
static const char release_sql[] =
    "UPDATE yardmaster.job SET node = NULL, state = CASE WHEN state = 'running' THEN 'waiting' ELSE state END"
    " WHERE id = ANY ($1) AND node IS NOT DISTINCT FROM $2";
static const char take_sql[] = "UPDATE yardmaster.job SET node = $2, ran_by = $2, ran_on = $3 WHERE id = ANY ($1)";

struct pg_args *pg_fresh(struct pg_store *store)
{
	pg_args_clear(&store->args);
	return &store->args;
}

void pg_put_me(struct pg_store *store, struct pg_args *args)
{
	pg_arg_big(args, atomic_load(&store->me));
}

/* ---- beginning, releases --------------------------------------------------------------------- */

static int send_ids(struct pg_store *store, const char *sql, const uint64_t *ids, size_t n, struct ym_err *err)
{
	struct pg_args *args = pg_fresh(store);

	pg_arg_ids(args, ids, n);
	pg_put_me(store, args);
	return pg_send(&store->link, sql, args, err);
}

static int send_beginning(struct pg_store *store, const struct store_batch *batch, struct ym_err *err)
{
	struct pg_args *args = pg_fresh(store);

	pg_put_me(store, args);
	if (pg_begin(&store->link, err) < 0 || pg_send(&store->link, guard_sql, args, err) < 0)
		return -1;
	if (store->ndoubtful && send_ids(store, release_sql, store->doubtful, store->ndoubtful, err) < 0)
		return -1;
	return batch->nreleases ? send_ids(store, release_sql, batch->releases, batch->nreleases, err) : 0;
}

/* ---- rows that are wanted -------------------------------------------------------------------- */

static int send_wants(struct pg_store *store, const struct store_batch *batch, struct ym_err *err)
{
	for (size_t i = 0; i < batch->nwants; i++) {
		struct pg_args *args = pg_fresh(store);

		pg_arg_text(args, batch->wants[i].pool);
		pg_arg_text(args, store->options.node);
		pg_arg_big(args, batch->wants[i].n);
		if (pg_send(&store->link, pg_want_sql(), args, err) < 0)
			return -1;
	}
	return 0;
}

static void keep_doubtful(struct pg_store *store, const uint64_t *ids, size_t n)
{
	uint64_t *more = n ? reallocarray(store->doubtful, store->ndoubtful + n, sizeof(*more)) : NULL;

	if (!more)
		return; /* they wait again when this node is started anew */
	memcpy(more + store->ndoubtful, ids, n * sizeof(*ids));
	store->doubtful = more;
	store->ndoubtful += n;
}

/* One want: rows are offered in order until one is refused. */
static int offer(struct pg_store *store, struct store_batch *batch, struct store_want *want, const PGresult *result,
                 uint64_t *ids, size_t *n, struct ym_err *err)
{
	int rows = libpq.PQntuples(result);

	want->taken = 0;
	want->first_rank = INT64_MAX;
	for (int row = 0; row < rows; row++) {
		struct store_job job;
		int refused;

		pg_read_job(store, result, row, &job);
		pg_point_bytes(result, row, pg_columns_count(), &job);
		if (pg_fetch_long(store, &job, err) < 0) {
			store_job_free(&job);
			return -1;
		}
		job.held = true;
		text_copy(job.node, sizeof(job.node), store->options.node);
		refused = batch->take(batch->arg, want, &job);
		want->first_rank = refused ? job.rank : job.rank + 1;
		store_job_free(&job);
		if (refused)
			return 0;
		ids[(*n)++] = job.id;
		want->taken++;
	}
	if ((unsigned)rows < want->n)
		want->first_rank = INT64_MAX;
	return 0;
}

/* Results are all read before rows are offered: their long payloads are asked for on the same connection. */
static int take_wants(struct pg_store *store, struct store_batch *batch, PGresult **rows, uint64_t *ids, size_t *n,
                      struct ym_err *err)
{
	for (size_t i = 0; i < batch->nwants; i++)
		if (offer(store, batch, &batch->wants[i], rows[i], ids, n, err) < 0)
			return -1;
	return 0;
}

static int mark_taken(struct pg_store *store, const uint64_t *ids, size_t n, struct ym_err *err)
{
	struct pg_args *args = pg_fresh(store);

	if (n == 0)
		return 0;
	pg_arg_ids(args, ids, n);
	pg_put_me(store, args);
	pg_arg_text(args, store->options.node);
	return pg_send(&store->link, take_sql, args, err);
}

/* ---- the transaction ------------------------------------------------------------------------- */

/* What one try needs. */
struct pass {
	bool alone;                    /* saves and requests each for itself: two of them want the same key */
	int marks[4];                  /* statements sent until the end of: the beginning, saves, submits, requests */
	struct store_save **saves;     /* sorted */
	struct store_submit **submits; /* that have no verdict yet */
	size_t nsubmits;
	PGresult **rows; /* of each want */
	uint64_t *taken;
	size_t ntaken;
};

static void pass_free(struct pass *pass, const struct store_batch *batch)
{
	for (size_t i = 0; pass->rows && i < batch->nwants; i++)
		pg_free(pass->rows[i]);
	free(pass->saves);
	free(pass->submits);
	free(pass->rows);
	free(pass->taken);
}

static int pass_make(struct pass *pass, struct store_batch *batch, bool alone, struct ym_err *err)
{
	size_t wanted = 0;

	for (size_t i = 0; i < batch->nwants; i++)
		wanted += batch->wants[i].n;
	*pass = (struct pass){.alone = alone};
	pass->saves = calloc(batch->nsaves + 1, sizeof(struct store_save *));
	pass->submits = calloc(batch->nsubmits + 1, sizeof(struct store_submit *));
	pass->rows = calloc(batch->nwants + 1, sizeof(PGresult *));
	pass->taken = calloc(wanted + 1, sizeof(*pass->taken));
	if (!pass->saves || !pass->submits || !pass->rows || !pass->taken)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for a batch of jobs");
	for (size_t i = 0; i < batch->nsubmits; i++)
		if (!store_refused(&batch->submits[i]))
			pass->submits[pass->nsubmits++] = &batch->submits[i];
	return 0;
}

static int send_all(struct pg_store *store, struct store_batch *batch, struct pass *pass, struct ym_err *err)
{
	struct pg_link *link = &store->link;

	if (send_beginning(store, batch, err) < 0)
		return -1;
	pass->marks[0] = link->sent;
	if (batch->nsaves && pg_send_saves(store, batch, pass->alone, err) < 0)
		return -1;
	pass->marks[1] = link->sent;
	if (pass->nsubmits && pg_send_submits(store, pass->submits, pass->nsubmits, err) < 0)
		return -1;
	pass->marks[2] = link->sent;
	if (batch->nrequests && pg_ask_send(store, batch, pass->alone, err) < 0)
		return -1;
	pass->marks[3] = link->sent;
	return send_wants(store, batch, err) < 0 ? -1 : pg_sync(link, err);
}

static int read_all(struct pg_store *store, struct store_batch *batch, struct pass *pass, struct ym_err *err)
{
	struct pg_link *link = &store->link;

	while (link->received < pass->marks[0]) {
		PGresult *result = pg_next(link, err);

		if (!result)
			return -1;
		pg_free(result);
	}
	if (pg_read_saves(store, batch, pass->saves, pass->marks[1], err) < 0 ||
	    pg_read_submits(store, pass->submits, &pass->nsubmits, pass->marks[2], err) < 0 ||
	    (batch->nrequests && pg_ask_read(store, batch, pass->alone, err) < 0))
		return -1;
	for (size_t i = 0; i < batch->nwants; i++) {
		pass->rows[i] = pg_next(link, err);
		if (!pass->rows[i])
			return -1;
	}
	return pg_done(link, err);
}

/*
 * 0; 1: to be tried once more, without those that are refused now; -1, and *again: nothing has been given away yet, so
 * that it may be tried once more.
 */
static int write_once(struct pg_store *store, struct store_batch *batch, struct pass *pass, bool *again,
                      struct ym_err *err)
{
	*again = true;
	if (send_all(store, batch, pass, err) < 0 || read_all(store, batch, pass, err) < 0 ||
	    pg_look_for_saved(store, batch, pass->saves, err) < 0 ||
	    pg_settle_submits(store, pass->submits, pass->nsubmits, err) < 0)
		return -1;
	if (store_refuse_behind(batch->submits, batch->nsubmits))
		return 1;
	if (pg_ask_bytes(store, batch, err) < 0)
		return -1;
	*again = batch->nwants == 0;
	if (take_wants(store, batch, pass->rows, pass->taken, &pass->ntaken, err) < 0)
		return -1;
	if (mark_taken(store, pass->taken, pass->ntaken, err) == 0 && pg_commit(&store->link, err) == 0) {
		store->ndoubtful = 0;
		return 0;
	}
	keep_doubtful(store, pass->taken, pass->ntaken);
	return -1;
}

/* Would the same batch get through the next time? `careful`: it was looked through for locks. */
static bool passing(const struct pg_link *link, bool careful)
{
	return link->conn && (pg_was(link, PG_UNIQUE) || pg_was(link, PG_DEADLOCK) || pg_was(link, PG_SERIALIZE) ||
	                      (pg_was(link, PG_LOCKED) && !careful));
}

static int write_pass(struct pg_store *store, struct store_batch *batch, bool alone, bool careful, bool *again,
                      struct ym_err *err)
{
	struct pass pass;
	int code;

	if (careful && pg_find_busy(store, batch, err) < 0)
		return -1;
	code = pass_make(&pass, batch, alone, err);
	if (code == 0)
		code = write_once(store, batch, &pass, again, err);
	pass_free(&pass, batch);
	return code;
}

int pg_write(struct store *base, struct store_batch *batch, struct ym_err *err)
{
	struct pg_store *store = pg_store_of(base);
	bool again = true, alone = false;
	int code = -1;

	if (pg_ready(store, err) < 0)
		return -1;
	pg_all_free(batch);
	for (int i = 0; i < TRIES && again; i++) {
		bool careful = ym_now_ns() < store->careful_until;

		code = write_pass(store, batch, alone, careful, &again, err);
		if (code == 0)
			return 0;
		pg_ask_forget(batch);
		pg_rollback(&store->link);
		if (code > 0) {
			/* Each time they are fewer. */
			i--;
			continue;
		}
		alone = alone || pg_was(&store->link, PG_UNIQUE);
		again = again && passing(&store->link, careful);
		if (pg_was(&store->link, PG_LOCKED))
			store->careful_until = ym_deadline(CAREFUL_MS);
	}
	if (pg_was(&store->link, PG_DEAD) || !store->link.conn)
		pg_pulse_hurry(store);
	return code;
}
