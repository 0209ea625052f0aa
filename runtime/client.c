/* client.c - open and close, submit, change. */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "client_self.h"
#include "stage.h"
#include "submit.h"

/* Handed to the runtime at once; as many as it takes together anyway. */
#define CHUNK 256

/* Longer spans of time are a mistake, and nanoseconds would overflow. */
#define SPAN_MAX_MS (INT64_C(100) * 366 * 24 * 3600 * 1000)

_Static_assert(YM_POOL_MAX == TABLE_NAME_MAX && YM_JOB_TAG_MAX == JOB_TAG_MAX && YM_JOB_UNIQUE_MAX == JOB_UNIQUE_MAX &&
                   YM_JOB_ERROR_MAX == JOB_ERROR_MAX && YM_JOB_UNIT_MAX == JOB_UNIT_MAX &&
                   YM_JOB_NOTE_MAX == BOARD_NOTE_MAX,
               "what client.h promises");

/* ---- open and close -------------------------------------------------------------------------- */

/* The page that tells this process from its children. */
static int mark(struct ym_client *client, struct ym_err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *mine = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mine == MAP_FAILED)
		return ym_fail_sys(err, errno, "mmap(%zu bytes) for a client", page);
	client->mine = mine;
	if (madvise(mine, page, MADV_WIPEONFORK) < 0)
		return ym_fail_sys(err, errno, "madvise(MADV_WIPEONFORK) for a client");
	*client->mine = 1;
	return 0;
}

/* A master that is just starting has not entered its pools yet. */
static int join(struct ym_client *client, const char *name, const char *directory, struct ym_err *err)
{
	struct instance *instance = &client->instance;

	if (instance_locate(instance, name ? name : INSTANCE_NAME_DEFAULT, directory, err) < 0)
		return -1;
	/* The program may change its working directory while the client is open. */
	if (instance->directory[0] != '/')
		return ym_fail(err, YM_ERR_USAGE, "the directory of instance %s must be an absolute path, not \"%s\"",
		               instance->name, instance->directory);
	if (mark(client, err) < 0 || instance_join(instance, "client", NULL, err) < 0)
		return -1;
	client->rows = calloc(instance->group.capacity, sizeof(*client->rows));
	if (!client->rows)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	instance_await_pools(instance);
	return 0;
}

int ym_client_open(struct ym_client **client, const char *instance, const char *directory, struct ym_err *err)
{
	*client = calloc(1, sizeof(**client));
	if (!*client)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	(*client)->instance.group.semid = -1;
	if (join(*client, instance, directory, err) == 0)
		return 0;
	ym_client_close(*client, NULL);
	*client = NULL;
	return -1;
}

int ym_client_close(struct ym_client *client, struct ym_err *err)
{
	int result;

	if (!client)
		return 0;
	result = instance_leave(&client->instance, NULL, err);
	if (client->mine)
		munmap(client->mine, (size_t)sysconf(_SC_PAGESIZE));
	free(client->rows);
	free(client);
	return result;
}

int client_check(const struct ym_client *client, struct ym_err *err)
{
	if (*client->mine)
		return 0;
	return ym_fail(err, YM_ERR_USAGE,
	               "this client belongs to the process that opened it, not to its child: open one here");
}

int ym_client_master(struct ym_client *client, pid_t *pid, struct ym_err *err)
{
	int semid = client->instance.group.semid, leads;

	if (client_check(client, err) < 0)
		return -1;
	leads = ym_sem_value(semid, YM_GROUP_LEADER);
	if (leads < 0)
		return instance_gone(&client->instance, err) ? -1 : 1;
	if (leads > 0 && pid)
		*pid = ym_sem_pid(semid, YM_GROUP_LEADER);
	return leads == 0;
}

/* ---- submit ---------------------------------------------------------------------------------- */

static int check_span(int64_t ms, int64_t least, const char *what, struct ym_err *err)
{
	if (ms >= least && ms <= SPAN_MAX_MS)
		return 0;
	return ym_fail(err, YM_ERR_USAGE, "%s %lld: it must be %lld or more milliseconds, a century at most", what,
	               (long long)ms, (long long)least);
}

static int find_pool(const struct instance *instance, const char *name, struct ym_err *err)
{
	int pool = name ? table_pool(instance->table, name) : -1;

	if (pool < 0)
		ym_fail(err, YM_ERR_USAGE, "instance %s has no pool \"%s\"", instance->name, name ? name : "(NULL)");
	return pool;
}

static struct payload_source source_of(const struct ym_submit *job)
{
	if (job->payload || job->fd < 0)
		return (struct payload_source){
		    .data = job->payload ? job->payload : "", .size = job->payload ? job->size : 0, .fd = -1};
	return (struct payload_source){.size = job->size ? job->size : PAYLOAD_TO_END, .fd = job->fd};
}

static int to_request(const struct instance *instance, const struct ym_submit *job, struct job_request *request,
                      struct ym_err *err)
{
	int pool = find_pool(instance, job->pool, err);

	if (pool < 0 || check_span(job->delay_ms, 0, "delay_ms", err) < 0 ||
	    check_span(job->timeout_ms, -1, "timeout_ms", err) < 0)
		return -1;
	*request = (struct job_request){
	    .pool = (unsigned)pool,
	    .payload = source_of(job),
	    .tag = job->tag,
	    .unique = job->unique,
	    .level = job->priority,
	    .keep = job->keep,
	    .deadline = job->patience_ms ? ym_deadline(job->patience_ms) : 0,
	    .delay_ms = job->delay_ms,
	    .at_ms = job->at_ms,
	    .timeout_ms = job->timeout_ms,
	};
	return 0;
}

/* The first up to CHUNK. With fewer than that (or `n`), err says why. */
static size_t submit_chunk(struct instance *instance, const struct ym_submit *jobs, size_t n,
                           struct ym_submitted *submitted, struct ym_err *err)
{
	struct job_request requests[CHUNK];
	struct job_ref refs[CHUNK];
	bool existed[CHUNK];
	struct ym_err refused;
	size_t sound = 0, done;

	while (sound < n && sound < CHUNK && to_request(instance, &jobs[sound], &requests[sound], &refused) == 0)
		sound++;
	if (sound == 0) {
		if (err)
			*err = refused;
		return 0;
	}
	done = submit_jobs(instance, requests, sound, refs, existed, err);
	/* What is before the refused one goes first. */
	if (done == sound && sound < n && sound < CHUNK && err)
		*err = refused;
	for (size_t i = 0; i < done; i++)
		submitted[i] = (struct ym_submitted){{refs[i].id, refs[i].slot, refs[i].gen}, existed[i]};
	return done;
}

size_t ym_client_submit_many(struct ym_client *client, const struct ym_submit *jobs, size_t n,
                             struct ym_submitted *submitted, struct ym_err *err)
{
	size_t done = 0, some = CHUNK;

	if (client_check(client, err) < 0)
		return 0;
	for (; some == CHUNK && done < n; done += some)
		some = submit_chunk(&client->instance, jobs + done, n - done, submitted + done, err);
	/* Asked afterwards: then the jobs were there while the instance was. What a store has acknowledged is in it. */
	return !table_stored(client->instance.table) && instance_gone(&client->instance, err) ? 0 : done;
}

int ym_client_submit(struct ym_client *client, const struct ym_submit *job, struct ym_submitted *submitted,
                     struct ym_err *err)
{
	if (ym_client_submit_many(client, job, 1, submitted, err) == 0)
		return -1;
	return submitted->existed;
}

/* ---- change ---------------------------------------------------------------------------------- */

int client_unknown(const struct ym_job_ref *job, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_GONE, "job %llu is no longer known: it is over, and its result is no longer kept",
	               (unsigned long long)job->id);
}

int client_job(const struct ym_client *client, const struct ym_job_ref *job, struct job_ref *at, uint64_t *word,
               struct ym_err *err)
{
	const struct table_sh *table = client->instance.table;

	if (client_check(client, err) < 0)
		return -1;
	/* A store knows jobs of tables that were larger. */
	if (job->id == 0 || (job->slot >= table->slots && !table_stored(table)))
		return ym_fail(err, YM_ERR_USAGE, "this names no job: id %llu, slot %u", (unsigned long long)job->id,
		               job->slot);
	/* A name from an earlier generation of the instance may be that of another job by chance, but for the id. */
	*at = (struct job_ref){job->id, job->slot, job->gen};
	if (reach_find(&client->instance, at, word) == 0)
		return 0;
	return table_stored(table) ? 1 : client_unknown(job, err);
}

static int change(struct ym_client *client, const struct ym_job_ref *job, enum store_ask ask, struct ym_err *err)
{
	struct ym_err why = {0};
	struct job_ref at;
	enum reach_end end;
	uint64_t word;

	if (client_job(client, job, &at, &word, err) < 0)
		return -1;
	reach_jobs(&client->instance, ask, &job->id, 1, ym_deadline(STAGE_PATIENCE_MS), &end, &why);
	if (instance_gone(&client->instance, err))
		return -1;
	switch (end) {
	case REACH_DONE:
	case REACH_ASKED:
		return 0;
	case REACH_CANNOT:
		return 1;
	case REACH_NONE:
		return client_unknown(job, err);
	case REACH_KEY:
		return ym_fail(err, YM_ERR_NO, "another job with the unique key of job %llu waits or runs",
		               (unsigned long long)job->id);
	default:
		if (err)
			*err = why;
		return -1;
	}
}

int ym_client_cancel(struct ym_client *client, const struct ym_job_ref *job, struct ym_err *err)
{
	return change(client, job, STORE_CANCEL, err);
}

int ym_client_bury(struct ym_client *client, const struct ym_job_ref *job, struct ym_err *err)
{
	return change(client, job, STORE_BURY, err);
}

int ym_client_kick(struct ym_client *client, const struct ym_job_ref *job, struct ym_err *err)
{
	return change(client, job, STORE_KICK, err);
}

int ym_client_delete(struct ym_client *client, const struct ym_job_ref *job, struct ym_err *err)
{
	return change(client, job, STORE_DELETE, err);
}

int ym_client_forget(struct ym_client *client, const struct ym_job_ref *job, struct ym_err *err)
{
	struct job_ref at;
	uint64_t word;
	int where = client_job(client, job, &at, &word, err);

	if (where == 0)
		dispatch_forget(&client->instance, at);
	return where < 0 || instance_gone(&client->instance, err) ? -1 : 0;
}
