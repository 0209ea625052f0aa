/*
 * fake_store.h - a store in memory, as store.h wants it, that does what a test tells it: fail, be slow, leave it open whether
 * it has written, forget what it holds, be one of several nodes. It counts what it is asked.
 *
 * The clerk uses it in its thread, the test looks at it in its own: everything under one lock.
 */
#ifndef YM_TESTS_FAKE_STORE_H
#define YM_TESTS_FAKE_STORE_H

#include <pthread.h>

#include "../../runtime/store.h"
#include "support.h"

#define FAKE_JOBS 8192

struct fake_job {
	struct store_job job; /* its bytes are ours */
	struct store_attempt last;
	unsigned nattempts;
	char note[STORY_NOTE_MAX];
	bool lost; /* another node's, whatever we think */
};

static struct fake {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct fake_job jobs[FAKE_JOBS];
	size_t n;
	uint64_t next_id, range; /* what reserve() gives; 0: all that there are */
	struct store_options options;
	struct store_pool pools[8];
	size_t npools;
	/* What it is told. */
	int refusals;            /* so many writes fail, -1: all */
	bool unsure;             /* ... and have written nevertheless */
	bool cannot_open;        /* so does open() */
	bool cannot_tick;        /* so does tick() */
	int64_t rest_ms;         /* tick() wants to be called again after so long; 0: soon */
	bool shut;               /* a write waits until it is open again */
	enum ym_err_class class; /* of what fails */
	/* What it has seen. */
	unsigned opens, closes, abandons, configures, reserves, recovers, ticks, tallies, counted, tries, writes,
	    durable, inside;
	size_t most_submits, most_saves, most_requests, most_fetched, saves, releases, lost;
	uint64_t order[FAKE_JOBS]; /* ids in the order in which they were submitted */
	size_t norder;
	size_t before_fetch; /* so many were submitted when the first one was fetched */
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .next_id = 1};

/* Change or read the fake under its lock. */
#define FAKE(statement)                                                                                                \
	do {                                                                                                           \
		pthread_mutex_lock(&fake.lock);                                                                        \
		statement;                                                                                             \
		pthread_cond_broadcast(&fake.changed);                                                                 \
		pthread_mutex_unlock(&fake.lock);                                                                      \
	} while (0)

static struct store_driver fake_driver;
static struct store_base fake_base = {&fake_driver};

static inline int fake_fail(struct ym_err *error)
{
	return ym_fail(error, fake.class ? fake.class : YM_ERR_FULL, "the fake says no");
}

static inline struct fake_job *fake_at(uint64_t id)
{
	for (size_t i = 0; i < fake.n; i++)
		if (fake.jobs[i].job.id == id)
			return &fake.jobs[i];
	return NULL;
}

static inline void *fake_copy(const struct payload_source *from)
{
	char *bytes = malloc(from->size + 1);

	MUST(bytes && (from->data || from->size == 0));
	if (from->size)
		memcpy(bytes, from->data, from->size);
	bytes[from->size] = '\0';
	return bytes;
}

static inline void fake_set_bytes(struct fake_job *to, int which, const struct payload_source *from)
{
	struct payload_source *source = which ? &to->job.result : &to->job.payload;

	free(to->job.memory[which]);
	to->job.memory[which] = fake_copy(from);
	*source = (struct payload_source){.data = to->job.memory[which], .size = from->size, .fd = -1};
}

static inline void fake_drop(struct fake_job *job)
{
	store_job_free(&job->job);
	*job = fake.jobs[--fake.n];
	memset(&fake.jobs[fake.n], 0, sizeof(*job));
}

/* ---- open and close -------------------------------------------------------------------------- */

static inline int fake_open(struct store **store, const struct store_options *options, struct ym_err *error)
{
	int result = 0;

	FAKE(fake.opens++; fake.options = *options; result = fake.cannot_open ? fake_fail(error) : 0);
	*store = (struct store *)&fake_base;
	return result;
}

static inline void fake_let_go(struct fake_job *job)
{
	job->job.held = false;
	if (job->job.state == JOB_CLAIMED)
		job->job.state = JOB_READY;
}

static inline void fake_close(struct store *store)
{
	(void)store;
	FAKE(fake.closes++; for (size_t i = 0; i < fake.n; i++) if (fake.jobs[i].job.held) fake_let_go(&fake.jobs[i]));
}

static inline void fake_abandon(struct store *store)
{
	(void)store;
	FAKE(fake.abandons++);
}

static inline int fake_configure(struct store *store, const struct store_pool *pools, size_t n, struct ym_err *error)
{
	(void)store, (void)error;
	FAKE(fake.configures++; fake.npools = n < COUNT(fake.pools) ? n : COUNT(fake.pools);
	     memcpy(fake.pools, pools, fake.npools * sizeof(*pools)));
	return 0;
}

static inline int fake_reserve(struct store *store, uint64_t *next_id, uint64_t *end, struct ym_err *error)
{
	(void)store, (void)error;
	FAKE(fake.reserves++; *next_id = fake.next_id; *end = fake.range ? fake.next_id + fake.range : UINT64_MAX;
	     fake.next_id += fake.range);
	return 0;
}

static inline int fake_recover(struct store *store, bool (*in_table)(void *arg, uint64_t id), void *arg, uint64_t *n,
                               struct ym_err *error)
{
	(void)store, (void)error;
	*n = 0;
	pthread_mutex_lock(&fake.lock);
	fake.recovers++;
	for (size_t i = 0; i < fake.n; i++)
		if (fake.jobs[i].job.held && !in_table(arg, fake.jobs[i].job.id)) {
			fake_let_go(&fake.jobs[i]);
			++*n;
		}
	pthread_mutex_unlock(&fake.lock);
	return 0;
}

/* ---- a transaction --------------------------------------------------------------------------- */

static inline void fake_release(uint64_t id)
{
	struct fake_job *job = fake_at(id);

	fake.releases++;
	if (job && job->job.held && !job->lost)
		fake_let_go(job);
}

static inline void fake_save(struct store_save *save)
{
	struct fake_job *job = fake_at(save->job.id);

	fake.saves++;
	save->key_lost = false;
	save->lost = !job || !job->job.held || job->lost;
	fake.lost += save->lost;
	if (save->lost)
		return;
	memcpy(job->job.pool, save->job.pool, sizeof(job->job.pool));
	memcpy(job->job.error, save->job.error, sizeof(job->job.error));
	job->job.state = save->job.state;
	job->job.attempt = save->job.attempt;
	job->job.crashes = save->job.crashes;
	job->job.rank = save->job.rank;
	job->job.due_ms = save->job.due_ms;
	job->job.started_ms = save->job.started_ms;
	job->job.finished_ms = save->job.finished_ms;
	job->job.done = save->job.done;
	job->job.total = save->job.total;
	job->job.held = !job_state_over(save->job.state);
	job->nattempts += (unsigned)save->nattempts;
	if (save->nattempts)
		job->last = save->attempts[save->nattempts - 1];
	snprintf(job->note, sizeof(job->note), "%s", save->note ? save->note : job->note);
	if (save->job.state == JOB_DONE)
		fake_set_bytes(job, 1, &save->job.result);
}

static inline const struct fake_job *fake_with_key(const struct store_job *like)
{
	for (size_t i = 0; i < fake.n && like->unique[0]; i++)
		if (!job_state_over(fake.jobs[i].job.state) && strcmp(fake.jobs[i].job.pool, like->pool) == 0 &&
		    strcmp(fake.jobs[i].job.unique, like->unique) == 0)
			return &fake.jobs[i];
	return NULL;
}

static inline void fake_submit(struct store_submit *submit)
{
	const struct fake_job *other = fake_with_key(&submit->job);
	struct fake_job *job = &fake.jobs[fake.n];

	submit->verdict = STORE_OK;
	if (fake_at(submit->job.id))
		return;
	if (other) {
		submit->verdict = STORE_EXISTS;
		submit->existing = other->job.id;
		return;
	}
	MUST(fake.n < FAKE_JOBS);
	fake.n++;
	*job = (struct fake_job){.job = submit->job};
	job->job.payload = job->job.result = (struct payload_source){.fd = -1};
	fake_set_bytes(job, 0, &submit->job.payload);
	fake.order[fake.norder++ % FAKE_JOBS] = submit->job.id;
}

/* A unique key of which somebody's open transaction has something to say. */
#define FAKE_BUSY "busy"

static inline void fake_submits(struct store_submit *submits, size_t n)
{
	for (size_t i = 0; i < n; i++)
		submits[i].verdict = strcmp(submits[i].job.unique, FAKE_BUSY) == 0 ? STORE_BUSY : STORE_UNTAKEN;
	store_refuse_behind(submits, n);
	for (size_t i = 0; i < n; i++)
		if (submits[i].verdict != STORE_BUSY)
			fake_submit(&submits[i]);
}

static inline void fake_request(struct store_request *request)
{
	struct fake_job *job = fake_at(request->id);
	enum job_state state = job ? job->job.state : JOB_FREE;
	bool waits = state == JOB_READY || state == JOB_DELAYED;

	request->verdict = !job ? STORE_NONE : request->ask != STORE_LOOK && job->job.held ? STORE_HELD : STORE_OK;
	if (request->verdict != STORE_OK)
		return;
	request->job = job->job;
	request->job.memory[0] = fake_copy(&job->job.payload);
	request->job.memory[1] = fake_copy(&job->job.result);
	request->job.payload.data = request->job.memory[0];
	request->job.result.data = request->job.memory[1];
	if (request->ask == STORE_CANCEL || request->ask == STORE_BURY) {
		request->verdict = waits ? STORE_OK : STORE_CANNOT;
		if (waits)
			job->job.state = request->ask == STORE_BURY ? JOB_BURIED : JOB_CANCELLED;
	} else if (request->ask == STORE_KICK) {
		request->verdict = state == JOB_READY || state == JOB_DONE            ? STORE_CANNOT
		                   : fake_with_key(&job->job) && state != JOB_DELAYED ? STORE_EXISTS
		                                                                      : STORE_OK;
		if (request->verdict == STORE_OK) {
			job->job.state = JOB_READY;
			job->job.due_ms = 0;
			job->job.attempt = state == JOB_DELAYED ? job->job.attempt : 0;
		}
	} else if (request->ask == STORE_DELETE) {
		fake_drop(job);
	}
}

static inline struct fake_job *fake_first(const char *of)
{
	struct fake_job *best = NULL;

	for (size_t i = 0; i < fake.n; i++) {
		struct fake_job *job = &fake.jobs[i];

		if (job->job.state == JOB_READY && !job->job.held && strcmp(job->job.pool, of) == 0 &&
		    (!best || job->job.rank < best->job.rank ||
		     (job->job.rank == best->job.rank && job->job.id < best->job.id)))
			best = job;
	}
	return best;
}

static inline void fake_want(struct store_batch *batch, struct store_want *want, bool keep)
{
	struct fake_job *job, *taken[FAKE_JOBS];

	want->taken = 0;
	for (job = fake_first(want->pool); job && want->taken < want->n; job = fake_first(want->pool)) {
		if (batch->take(batch->arg, want, &job->job) != 0)
			break;
		job->job.held = true;
		fake.before_fetch = fake.before_fetch ? fake.before_fetch : fake.norder;
		taken[want->taken++] = job;
	}
	want->first_rank = job ? job->job.rank : INT64_MAX;
	if (want->taken > fake.most_fetched)
		fake.most_fetched = want->taken;
	for (unsigned i = 0; i < want->taken && !keep; i++)
		taken[i]->job.held = false;
}

static inline void fake_note(const struct store_batch *batch)
{
	fake.writes++;
	fake.durable += batch->durable;
	fake.most_submits = batch->nsubmits > fake.most_submits ? batch->nsubmits : fake.most_submits;
	fake.most_saves = batch->nsaves > fake.most_saves ? batch->nsaves : fake.most_saves;
	fake.most_requests = batch->nrequests > fake.most_requests ? batch->nrequests : fake.most_requests;
}

static inline int fake_write(struct store *store, struct store_batch *batch, struct ym_err *error)
{
	bool fails;
	int result;

	(void)store;
	pthread_mutex_lock(&fake.lock);
	fake.tries++;
	fake.inside++;
	while (fake.shut)
		pthread_cond_wait(&fake.changed, &fake.lock);
	fake.inside--;
	fails = fake.refusals != 0;
	fake.refusals -= fake.refusals > 0;
	result = fails ? fake_fail(error) : 0;
	if (!fails || fake.unsure) {
		for (size_t i = 0; i < batch->nreleases; i++)
			fake_release(batch->releases[i]);
		for (size_t i = 0; i < batch->nsaves; i++)
			fake_save(&batch->saves[i]);
		fake_submits(batch->submits, batch->nsubmits);
		for (size_t i = 0; i < batch->nrequests; i++)
			fake_request(&batch->requests[i]);
		fake_note(batch);
	}
	/* One that fails may have offered jobs, too. */
	for (size_t i = 0; i < batch->nwants; i++)
		fake_want(batch, &batch->wants[i], !fails || fake.unsure);
	pthread_mutex_unlock(&fake.lock);
	return result;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static inline int fake_tick(struct store *store, int64_t now_ms, int64_t *next_ms, struct ym_err *error)
{
	bool woken = false;
	int result = 0;

	(void)store;
	pthread_mutex_lock(&fake.lock);
	fake.ticks++;
	*next_ms = now_ms + (fake.rest_ms ? fake.rest_ms : 20);
	for (size_t i = 0; i < fake.n; i++)
		if (fake.jobs[i].job.state == JOB_DELAYED && !fake.jobs[i].job.held &&
		    fake.jobs[i].job.due_ms <= now_ms) {
			fake.jobs[i].job.state = JOB_READY;
			woken = true;
		}
	if (fake.cannot_tick)
		result = fake_fail(error);
	pthread_mutex_unlock(&fake.lock);
	if (woken)
		fake.options.wake(fake.options.arg);
	return result;
}

static inline int fake_tally(struct store *store, const char *of, struct store_tally *tally, struct ym_err *error)
{
	(void)store, (void)error;
	*tally = (struct store_tally){0};
	pthread_mutex_lock(&fake.lock);
	fake.tallies++;
	fake.counted = fake.writes;
	for (size_t i = 0; i < fake.n; i++) {
		const struct store_job *job = &fake.jobs[i].job;

		if (job->held || strcmp(job->pool, of) != 0)
			continue;
		tally->waiting += job->state == JOB_READY;
		tally->delayed += job->state == JOB_DELAYED;
		tally->buried += job->state == JOB_BURIED;
	}
	pthread_mutex_unlock(&fake.lock);
	return 0;
}

static struct store_driver fake_driver = {
    .scheme = "fake",
    .open = fake_open,
    .close = fake_close,
    .abandon = fake_abandon,
    .configure = fake_configure,
    .reserve = fake_reserve,
    .recover = fake_recover,
    .write = fake_write,
    .tick = fake_tick,
    .tally = fake_tally,
};

/* ---- for the test ---------------------------------------------------------------------------- */

/* The job as the store has it; id 0: it does not. */
static inline struct fake_job in_store(uint64_t id)
{
	struct fake_job job = {0};

	FAKE(if (fake_at(id)) job = *fake_at(id));
	return job;
}

static inline enum job_state stored_state(uint64_t id)
{
	return in_store(id).job.state;
}

/* A number of the fake, under its lock. */
#define SEEN(what)                                                                                                     \
	({                                                                                                             \
		uint64_t seen_;                                                                                        \
		FAKE(seen_ = (uint64_t)(fake.what));                                                                   \
		seen_;                                                                                                 \
	})

/* Put a job into the store as somebody else would. */
static inline void put_stored(const struct store_job *job)
{
	struct store_submit submit = {.job = *job};

	FAKE(fake_submit(&submit));
	ck_assert_int_eq(submit.verdict, STORE_OK);
}

static inline void fake_free(void)
{
	FAKE(while (fake.n > 0) fake_drop(&fake.jobs[fake.n - 1]));
}

#endif
