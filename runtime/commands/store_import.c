/*
 * store_import.c - `yardmaster store import`: lines of JSON become jobs again.
 *
 * Straight into the store, as its only writer, and not by submission to a running master: a submission is a new job, and
 * cannot say when it was submitted first, what attempts it has had, or that it is over. A store of many nodes takes one
 * writer more at any time; of any other the driver's lock keeps a master and an import apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../ipc/sys.h"
#include "../text.h"
#include "import_progress.h"
#include "job_line.h"
#include "store.h"

/* In one transaction: so many jobs, or so many bytes that are in memory for them. */
#define TOGETHER       256
#define TOGETHER_BYTES (4u << 20)

/* What is said at the end of jobs that were taken: bit, text. */
#define REMARK_MAP(X)                                                                                                  \
	X(RENUMBERED, "with a new id")                                                                                 \
	X(CUT, "had been running: they wait again, or have failed if that was their last attempt")                     \
	X(UNKNOWN, "of pools that the configuration does not have")                                                    \
	X(UNHEARD, "without their reply address, which is a queue of one machine")
enum remark {
#define X(name, text) name,
	REMARK_MAP(X)
#undef X
	    REMARKS
};

struct importing {
	struct stored stored;
	struct store_pool *pools;
	size_t npools;
	uint64_t next, end; /* ids of a shared store that are ours to give */
	uint64_t highest;   /* of other stores: the last id that was given */
	struct import_progress progress;
	struct job_line lines[TOGETHER];
	struct store_submit submits[TOGETHER];
	struct import_line notes[TOGETHER];
	uint64_t old_ids[TOGETHER];
	unsigned remarks[TOGETHER]; /* bits */
	size_t n, bytes;
	uint64_t taken, there, doubled, remarked[REMARKS];
	struct job_reader reader;
};

/* Of the job that is put into the batch now. */
static void remark(struct importing *in, enum remark remark)
{
	in->remarks[in->n] |= 1u << remark;
}

/* ---- ids ------------------------------------------------------------------------------------- */

static int reserve(struct importing *in, struct ym_err *err)
{
	return in->stored.driver->reserve(in->stored.store, &in->next, &in->end, err);
}

/* Whose an id is. */
enum owner { NOBODY, THE_SAME, ANOTHER };

struct owned {
	const struct store_job *job;
	bool timed; /* its line says when it was submitted */
	enum owner owner;
};

static int compare(void *arg, const struct store_job *job)
{
	struct owned *owned = arg;
	bool same = (job->submitted_ms == owned->job->submitted_ms || !owned->timed) &&
	            strcmp(job->pool, owned->job->pool) == 0 && strcmp(job->tag, owned->job->tag) == 0;

	/* One that is done has given its payload back, and its line says nothing of the size. */
	owned->owner =
	    same && (job->state == JOB_DONE || job->payload.size == owned->job->payload.size) ? THE_SAME : ANOTHER;
	return 1;
}

/* Is a job of this id the same one, from an import before? */
static int ask_owner(struct importing *in, const struct store_job *job, bool timed, enum owner *owner,
                     struct ym_err *err)
{
	const struct store_filter filter = {.id = job->id, .level = -1, .limit = 1};
	struct owned owned = {.job = job, .timed = timed, .owner = NOBODY};

	if (in->stored.driver->list(in->stored.store, &filter, compare, &owned, err) < 0)
		return -1;
	*owner = owned.owner;
	return 0;
}

static int new_id(struct importing *in, uint64_t *id, struct ym_err *err)
{
	if (!in->stored.driver->shared) {
		*id = ++in->highest;
		return 0;
	}
	if (in->next == in->end && reserve(in, err) < 0)
		return -1;
	*id = in->next++;
	return 0;
}

/*
 * An id that was never given to anybody here is kept. 1: the job is there already. In a shared store others are given any id
 * that is free.
 */
static int choose_id(struct importing *in, struct store_job *job, struct ym_err *err)
{
	uint64_t old = job->id;
	enum owner owner = NOBODY;

	if (!in->stored.driver->shared && old > in->highest) {
		in->highest = old;
		return 0;
	}
	if (!in->stored.driver->shared && old && ask_owner(in, job, true, &owner, err) < 0)
		return -1;
	if (owner == THE_SAME)
		return 1;
	if (new_id(in, &job->id, err) < 0)
		return -1;
	if (old)
		remark(in, RENUMBERED);
	return 0;
}

/*
 * The id that the line was given by an import that was interrupted. If that was not written, a master may have given the id
 * to somebody else since.
 */
static int id_of_before(struct importing *in, struct store_job *job, uint64_t again, bool timed, struct ym_err *err)
{
	uint64_t old = job->id;
	enum owner owner;

	job->id = again;
	if (ask_owner(in, job, timed, &owner, err) < 0 || (owner == ANOTHER && new_id(in, &job->id, err) < 0))
		return -1;
	if (old && old != job->id)
		remark(in, RENUMBERED);
	return 0;
}

/* ---- a line becomes a job -------------------------------------------------------------------- */

static const struct store_pool *find_pool(const struct importing *in, const char *name)
{
	for (size_t i = 0; i < in->npools; i++)
		if (strcmp(in->pools[i].name, name) == 0)
			return &in->pools[i];
	return NULL;
}

/* An attempt that was running was cut short, by whoever stopped the instance or took this copy. */
static void cut_short(struct importing *in, struct store_job *job)
{
	bool used_up = job->attempt >= job->attempts;

	remark(in, CUT);
	if (job->crashes < UINT8_MAX)
		job->crashes++;
	job->state = used_up ? JOB_FAILED : JOB_READY;
	if (!used_up)
		return;
	job->finished_ms = ym_unix_ms();
	text_copy(job->error, sizeof(job->error), "its last attempt was cut short when its store was exported");
}

/* What the line does not say. */
static void complete(struct importing *in, struct job_line *line)
{
	static const struct store_pool plain = {.level = 5, .attempts = 3};
	struct store_job *job = &line->job;
	const struct store_pool *pool = find_pool(in, job->pool);

	if (in->stored.configured && !pool)
		remark(in, UNKNOWN);
	/* A queue of one machine, and nobody knows which one will run the job. */
	if (in->stored.driver->shared && job->reply_key) {
		remark(in, UNHEARD);
		job->reply_key = 0;
		job->reply_type = 0;
		job->reply_form = 0;
	}
	pool = pool ? pool : &plain;
	if (!job->submitted_ms)
		job->submitted_ms = ym_unix_ms();
	if (!(line->given & GIVEN_LEVEL))
		job->level = pool->level;
	if (!(line->given & GIVEN_ATTEMPTS))
		job->attempts = pool->attempts;
	if (!(line->given & GIVEN_TIMEOUT))
		job->timeout_ms = pool->timeout_ms;
	if (!(line->given & GIVEN_STATE))
		job->state = job->due_ms > ym_unix_ms() ? JOB_DELAYED : JOB_READY;
	if (job->state == JOB_CLAIMED || job->state == JOB_FINISHING || job->state == JOB_FIXING)
		cut_short(in, job);
	if (job_state_over(job->state) && job->state != JOB_BURIED && !job->finished_ms)
		job->finished_ms = ym_unix_ms();
	if (!(line->given & GIVEN_RANK))
		job->rank = store_rank(job->level, pool->ageing_ms,
		                       job->due_ms > job->submitted_ms ? job->due_ms : job->submitted_ms);
}

static int check(const struct importing *in, const struct store_job *job, struct ym_err *err)
{
	const char *what = !job->pool[0]                ? "it names no pool"
	                   : job->level >= INDEX_LEVELS ? "there is no such priority"
	                   : job->id > INT64_MAX / 2    ? "the id is too large"
	                                                : NULL;

	return what ? ym_fail(err, YM_ERR_USAGE, "line %llu: %s", (unsigned long long)in->reader.line, what) : 0;
}

/* ---- a batch --------------------------------------------------------------------------------- */

static void free_batch(struct importing *in)
{
	for (size_t i = 0; i < in->n; i++)
		job_line_free(&in->lines[i]);
	in->n = in->bytes = 0;
}

/* What came of a job of the batch. */
static int count(struct importing *in, size_t i, struct ym_err *err)
{
	const struct store_submit *submit = &in->submits[i];
	unsigned long long id = in->old_ids[i];

	switch (submit->verdict) {
	case STORE_BUSY:
		return ym_fail(err, YM_ERR_TIMEOUT,
		               "job %llu: a transaction in the database, still open, has its unique key: end it, then "
		               "go on",
		               id);
	case STORE_EXISTS:
		fprintf(stderr, "yardmaster: job %llu: job %llu of pool %s has its unique key \"%s\": left out\n", id,
		        (unsigned long long)submit->existing, submit->job.pool, submit->job.unique);
		in->doubled++;
		return 0;
	case STORE_CANNOT:
		return ym_fail(err, YM_ERR_NO,
		               "job %llu: the id %llu, which it was to have here, is another job's: repeat the import",
		               id, (unsigned long long)submit->job.id);
	default:
		in->taken++;
		for (unsigned k = 0; k < REMARKS; k++)
			in->remarked[k] += in->remarks[i] >> k & 1u;
		return 0;
	}
}

/*
 * To write the same again is safe, as long as the ids are the same: who has to repeat an import that was interrupted begins
 * with the batch that may or may not have been written, with its ids.
 */
static int write_batch(struct importing *in, struct ym_err *err)
{
	struct store_batch batch = {.durable = true, .submits = in->submits, .nsubmits = in->n};

	if (in->n == 0)
		return 0;
	if (import_progress_note(&in->progress, in->notes, in->n, err) < 0 ||
	    in->stored.driver->write(in->stored.store, &batch, err) < 0)
		return -1;
	for (size_t i = 0; i < in->n; i++)
		if (count(in, i, err) < 0)
			return -1;
	free_batch(in);
	return 0;
}

/* The line is the batch's from here on. */
static int add(struct importing *in, struct ym_err *err)
{
	struct job_line *line = &in->lines[in->n];
	struct store_job *job = &line->job;
	uint64_t old = job->id, again = 0;
	bool timed = job->submitted_ms != 0;
	int there;

	if (check(in, job, err) < 0) {
		job_line_free(line);
		return -1;
	}
	in->remarks[in->n] = 0;
	complete(in, line);
	if (import_progress_id(&in->progress, in->reader.line, &again))
		there = id_of_before(in, job, again, timed, err);
	else
		there = choose_id(in, job, err);
	in->there += there == 1;
	if (there != 0) {
		job_line_free(line);
		return there < 0 ? -1 : 0;
	}
	in->old_ids[in->n] = old ? old : job->id;
	in->notes[in->n] = (struct import_line){in->reader.line, job->id};
	in->bytes += (job->payload.data ? job->payload.size : 0) + (job->result.data ? job->result.size : 0);
	in->submits[in->n++] = (struct store_submit){.job = *job,
	                                             .attempts = line->story.attempts,
	                                             .nattempts = line->story.nattempts,
	                                             .note = line->story.note,
	                                             .output = line->story.output};
	return in->n == TOGETHER || in->bytes >= TOGETHER_BYTES ? write_batch(in, err) : 0;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int import_lines(struct importing *in, struct ym_err *err)
{
	int more;

	while ((more = job_reader_next(&in->reader, &in->lines[in->n], err)) == 0) {
		if (in->reader.line <= in->progress.done) {
			in->there++;
			job_line_free(&in->lines[in->n]);
		} else if (add(in, err) < 0) {
			return -1;
		}
	}
	return more < 0 ? -1 : write_batch(in, err);
}

static int open_store(struct importing *in, const struct args *args, struct ym_err *err)
{
	if (store_meant(&in->stored, args, false, err) < 0 || store_alone(args, &in->stored, "an import", err) < 0)
		return -1;
	in->pools = stored_pools(&in->stored, &in->npools, err);
	if (!in->pools || stored_write(&in->stored, err) < 0 ||
	    in->stored.driver->configure(in->stored.store, in->pools, in->npools, err) < 0 || reserve(in, err) < 0)
		return -1;
	in->highest = in->next - 1;
	/* What is given anew is none of these. */
	for (size_t i = 0; i < in->progress.nlines; i++)
		if (in->progress.lines[i].id > in->highest)
			in->highest = in->progress.lines[i].id;
	return 0;
}

static int open_input(const char *path, FILE **from, struct ym_err *err)
{
	*from = path ? fopen(path, "re") : stdin;
	return *from ? 0 : ym_fail_sys(err, errno, "open(\"%s\") to import from it", path);
}

static void tell_some(uint64_t n, const char *what)
{
	if (n > 0)
		printf(", %llu %s", (unsigned long long)n, what);
}

static void tell(const struct importing *in)
{
	printf("%llu job%s imported into %s", (unsigned long long)in->taken, in->taken == 1 ? "" : "s",
	       in->stored.shown);
#define X(name, text) tell_some(in->remarked[name], text);
	REMARK_MAP(X)
#undef X
	tell_some(in->there, "were there already");
	tell_some(in->doubled, "left out for their unique key");
	printf("\n");
}

static int run_import(struct importing *in, const struct args *args, struct ym_err *err)
{
	FILE *from = NULL;
	int result = import_progress_load(&in->progress, args_value(args, "resume"), err);

	if (result == 0)
		result = open_input(args_value(args, "file"), &from, err);
	if (result == 0)
		result = open_store(in, args, err);
	if (result == 0) {
		job_reader_init(&in->reader, from, in->stored.directory);
		result = import_lines(in, err);
		if (result == 0)
			import_progress_end(&in->progress);
		tell(in);
		if (result < 0)
			ym_err_prefix(err, "the import is not complete");
	}
	if (from && from != stdin)
		fclose(from);
	free_batch(in);
	free(in->pools);
	import_progress_free(&in->progress);
	return result;
}

static int import_jobs(const struct args *args)
{
	struct importing *in = calloc(1, sizeof(*in));
	struct ym_err err;
	int code;

	if (!in) {
		ym_fail(&err, YM_ERR_LIMIT, "out of memory");
		return command_fail(&err);
	}
	code = run_import(in, args, &err);
	code = store_done(&in->stored, code, in->doubled ? ym_err_exit_code(YM_ERR_NO) : 0, &err);
	free(in);
	return code;
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    {"file", 'f', "FILE", "read this file, not standard input"},
    {"resume", 0, "FILE", "note there how far it has come; after an interruption go on from there"},
    {0},
};

const struct command command_store_import = {
    .verb = "import",
    .usage = STORE_USAGE,
    .summary = "put jobs into a store that `store export` has written",
    .text = "sqlite: the instance must be stopped; ids are kept if they have never been used there, and jobs that are\n"
	    "there already are passed over. postgresql: masters may run; all jobs get new ids.\n"
	    "Exit code 1: jobs were left out because another one has their unique key.",
    .options = options,
    .most = 1,
    .run = import_jobs,
};
