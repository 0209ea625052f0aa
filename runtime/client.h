/*
 * client.h - jobs from a C or C++ program: submit, wait, follow, cancel. Link with -lyardmaster; see yardmaster-client(3).
 *
 *	struct ym_client *client;
 *	struct ym_submit job = YM_SUBMIT_INIT;
 *	struct ym_submitted submitted;
 *	struct ym_job_result result;
 *	struct ym_err err;
 *
 *	if (ym_client_open(&client, "shop", NULL, &err) < 0)
 *		errx(ym_err_exit_code(err.class), "%s", err.text);
 *	job.pool = "mail";
 *	job.payload = "ada@example.org";
 *	job.size = strlen(job.payload);
 *	job.keep = true;
 *	if (ym_client_submit(client, &job, &submitted, &err) >= 0 &&
 *	    ym_client_wait(client, &submitted.job, 60000, &result, &err) == 0) { ...; ym_job_result_free(&result); }
 *	ym_client_close(client, NULL);
 *
 * Results. Functions that can fail return -1 and fill `err` (may be NULL); 0 and 1 are answers. Strings that are handed
 * in are copied, those that are handed out end with a NUL byte.
 *
 * Time. Spans are milliseconds (`..._ms`), -1 as a timeout or patience is "for ever". Moments are nanoseconds of
 * CLOCK_MONOTONIC, as from ym_now_ns(), unless the field says unix time. Signals end no wait.
 *
 * Threads. All functions but ym_client_open() and ym_client_close() may be called by several threads at once with the
 * same client, also while others wait in it; `err` and whatever else is handed in belongs to the call. Close a client
 * when no other thread uses it.
 *
 * Processes. A client belongs to the process that opened it. In a forked child every call fails with YM_ERR_USAGE, and
 * closing only frees the child's memory; a child that needs a client opens one. Close before execve(): the process stays a
 * participant of the instance as long as it lives.
 *
 * Death. A job is accepted in one step: a client that is killed at any moment has submitted it or not, and leaves
 * nothing behind. An instance does not end while it has a client: masters and workers may be killed and started anew, and
 * the client goes on with what it knows. Only when somebody removes the objects of the instance by hand (ipcrm, logind's
 * RemoveIPC) is the client's instance gone, also if a new one runs by then: calls fail with YM_ERR_GONE and a text
 * that says so. Close the client then and open it again. What waited and ran comes back with the next master as jobs of the
 * same ids, found with ym_client_find(); a submission that fails so may or may not have been taken in (a unique key
 * lets it be repeated safely).
 *
 * Store. With a store behind the table (`store =` sqlite or postgresql) "accepted" means that the job is on the disk: a
 * submission sleeps until then, for 10 s at least if there is trouble, or no master. Jobs may be in the store only. The id of a
 * job names it then; slot and generation are where it was last. Calls about such a job ask the master, for as long
 * as 10 s: YM_ERR_TIMEOUT or YM_ERR_NOT_RUNNING without an answer, YM_ERR_FULL, ... if the store cannot be read.
 */
#ifndef YARDMASTER_CLIENT_H
#define YARDMASTER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../ipc/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of texts, with their NUL. */
#define YM_POOL_MAX       32
#define YM_JOB_TAG_MAX    48
#define YM_JOB_UNIQUE_MAX 64
#define YM_JOB_ERROR_MAX  192
#define YM_JOB_UNIT_MAX   12
#define YM_JOB_NOTE_MAX   80

struct ym_client;

/* ---- open and close -------------------------------------------------------------------------- */

/*
 * Join a running instance. `instance`: its name, NULL: "main". `directory`: an absolute path, as `directory =` in its INI;
 * NULL: where the instance of that name of the calling user is (/run/yardmaster/NAME for root). A master that is
 * just starting is waited for (5 s). *client is to be closed.
 * -1, and *client is NULL: YM_ERR_NOT_RUNNING, YM_ERR_FULL (more clients than `clients =` allows), YM_ERR_PERMISSION, ...
 */
YM_API int ym_client_open(struct ym_client **client, const char *instance, const char *directory, struct ym_err *err);

/*
 * Leave and free; NULL is allowed. If everybody else has left, this removes the instance and saves its unfinished jobs for
 * the next one. 0, or -1: the leave failed, and the process stays a participant until it ends. *client is freed anyway.
 */
YM_API int ym_client_close(struct ym_client *client, struct ym_err *err);

/* Is there a master? 0 with its pid (`pid` may be NULL), 1 there is none right now, -1 YM_ERR_GONE. */
YM_API int ym_client_master(struct ym_client *client, pid_t *pid, struct ym_err *err);

/* ---- submit ---------------------------------------------------------------------------------- */

/*
 * Names a job for good: no other job ever matches it. Keep it, copy it, hand it to other processes; only `id` means
 * something to people. Valid in every client of the same instance until the instance ends; with a store as long as that
 * knows the job, and with zeroes for slot and gen, too.
 */
struct ym_job_ref {
	uint64_t id;
	uint32_t slot, gen;
};

/* A job to be. Begin with YM_SUBMIT_INIT, then set what you need: only `pool` is a must. */
struct ym_submit {
	const char *pool;
	const void *payload; /* `size` bytes; NULL: from `fd` */
	size_t size;         /* with `fd`: so many bytes, fewer are an error; 0: all until its end */
	int fd;              /* a file, pipe, ..., read from its current position; -1: none */
	const char *tag;     /* a name of your own for the job, NULL: none; too long is an error */
	const char *unique;  /* while a job of the pool with this key waits or runs, there is no second; NULL: none */
	int priority;        /* 0 most urgent .. 9; -1: as the pool says */
	int64_t delay_ms;    /* not before this has passed */
	int64_t at_ms;       /* not before this unix time; 0: none */
	int64_t timeout_ms;  /* of an attempt; 0: none, -1: as the pool says */
	/*
	 * How long to wait for room when the job table is full; 0: not at all, -1: for ever. With a store also how long to wait
	 * for its answer, but 10 s at least.
	 */
	int64_t patience_ms;
	bool keep; /* keep the result for `result_ttl`: for who waits, or asks later (ym_client_forget) */
};
#define YM_SUBMIT_INIT                                                                                                 \
	{                                                                                                              \
		NULL, NULL, 0, -1, NULL, NULL, -1, 0, 0, -1, 10000, false                                              \
	}

struct ym_submitted {
	struct ym_job_ref job;
	bool existed; /* not taken in: `job` waits or runs, and has the same unique key */
};

/*
 * Submit a job. 0: accepted, it will be run at least once, whatever dies. 1: not taken in, *submitted names the job that
 * has its unique key. -1, nothing was submitted: YM_ERR_USAGE (no such pool, more than payload_max, tag too long, ...),
 * YM_ERR_FULL (no room within its patience, or no disk space), YM_ERR_NO (the pool is being drained),
 * YM_ERR_NOT_RUNNING (a store, and no master), ...; or it is not known: YM_ERR_GONE, see above, and YM_ERR_TIMEOUT, no
 * answer from the store in time.
 */
YM_API int ym_client_submit(struct ym_client *client, const struct ym_submit *job, struct ym_submitted *submitted,
                            struct ym_err *err);

/*
 * Submit `n` jobs in this order; far cheaper than one by one. Returns how many were taken in or existed, from the first on,
 * with submitted[i] for each; with fewer than `n`, err says why the next one was not, and those behind it were not
 * submitted either. 0 with YM_ERR_GONE: it is not known how many. With YM_ERR_TIMEOUT (of a store): it is not known how many
 * more.
 */
YM_API size_t ym_client_submit_many(struct ym_client *client, const struct ym_submit *jobs, size_t n,
                                    struct ym_submitted *submitted, struct ym_err *err);

/* ---- states and results ---------------------------------------------------------------------- */

enum ym_job_state {
	YM_JOB_WAITING,
	YM_JOB_DELAYED, /* until its time, or for another attempt */
	YM_JOB_RUNNING,
	YM_JOB_BURIED, /* put aside until somebody kicks or deletes it; whoever waits is told */
	YM_JOB_DONE,
	YM_JOB_FAILED,
	YM_JOB_CANCELLED
};

/* "waiting", "running", ... */
YM_API const char *ym_job_state_word(enum ym_job_state state);

/* Is it over for who waits? */
static inline bool ym_job_over(enum ym_job_state state)
{
	return state >= YM_JOB_BURIED;
}

/* How a job ended. */
struct ym_job_result {
	enum ym_job_state state;
	unsigned attempt;             /* how many were made */
	unsigned crashes;             /* workers that died under it */
	const void *data;             /* of a job that is DONE: never NULL, to be read only; a NUL byte follows */
	size_t size;                  /* a long result is mapped from its file, never copied */
	char error[YM_JOB_ERROR_MAX]; /* why it failed, or was tried again; "": nothing was said */
	void *memory;                 /* of the library */
	size_t mapped;
};

/*
 * Wait until a job is over. 0 with *result (may be NULL; to be freed), 1 the time has passed; -1: YM_ERR_GONE (the job is
 * over, but its result is no longer kept; or the instance is gone), or the file of the result cannot be read.
 * Sleeps in the kernel until the job is over; wakes once a second to see whether the instance still exists. Without a
 * master jobs may wait for the next one: see ym_client_master(). A timeout of 0 asks whether it is over.
 */
YM_API int ym_client_wait(struct ym_client *client, const struct ym_job_ref *job, int64_t timeout_ms,
                          struct ym_job_result *result, struct ym_err *err);
YM_API void ym_job_result_free(struct ym_job_result *result);

/* Wait until all `n` jobs are over; one that is no longer known is. 0, 1 the time has passed, -1 YM_ERR_GONE. */
YM_API int ym_client_wait_all(struct ym_client *client, const struct ym_job_ref *jobs, size_t n, int64_t timeout_ms,
                              struct ym_err *err);

/*
 * Wait until one of `n` jobs is over, at most YM_WAIT_ANY_MAX, the kernel's limit: 0 with its index in *which (the first one,
 * if several are), 1 the time has passed, -1 YM_ERR_GONE; YM_ERR_SYSTEM before Linux 5.16, which has no such call.
 */
#define YM_WAIT_ANY_MAX 128
YM_API int ym_client_wait_any(struct ym_client *client, const struct ym_job_ref *jobs, size_t n, int64_t timeout_ms,
                              size_t *which, struct ym_err *err);

/*
 * The result is not needed any more: its place is free for another job before `result_ttl` has passed. A store remembers it
 * for `history` all the same.
 */
YM_API int ym_client_forget(struct ym_client *client, const struct ym_job_ref *job, struct ym_err *err);

/* ---- look ------------------------------------------------------------------------------------ */

/* How far a job is. */
struct ym_job_progress {
	enum ym_job_state state;
	unsigned attempt;     /* number of the current or last one, 0: none yet */
	uint64_t done, total; /* as the task reports it; total 0: not known */
	uint64_t updated;     /* when it last did, 0: not yet in this attempt, or it does not run */
	char unit[YM_JOB_UNIT_MAX];
	char note[YM_JOB_NOTE_MAX]; /* of a running job */
};

/* All that is known of a job. */
struct ym_job_info {
	struct ym_job_progress progress;
	char pool[YM_POOL_MAX];
	char tag[YM_JOB_TAG_MAX];
	char unique[YM_JOB_UNIQUE_MAX];
	char error[YM_JOB_ERROR_MAX]; /* of its last attempt that failed */
	unsigned attempts;            /* allowed */
	unsigned crashes;
	unsigned priority;
	uint64_t submitted, started, finished; /* 0: not yet; started: the current or last attempt */
	int64_t at_ms;                         /* unix time before which it is not started, 0: none */
	int64_t timeout_ms;                    /* 0: none */
	uint64_t payload_size, result_size;
};

/*
 * Progress of a job: no system call and no search, call it as often as you like. 0, -1 YM_ERR_GONE: not known any more.
 * It does not notice when the instance is gone. Of a job that is not in the table (any more) the store is asked, if there
 * is one: that takes a transaction, so do not call it in a loop then.
 */
YM_API int ym_client_progress(struct ym_client *client, const struct ym_job_ref *job, struct ym_job_progress *progress,
                              struct ym_err *err);

/* The same with everything else; some microseconds. */
YM_API int ym_client_look(struct ym_client *client, const struct ym_job_ref *job, struct ym_job_info *info,
                          struct ym_err *err);

/*
 * The job of this id: 0 with *job, 1 it is not in the table (any more), nor in the store, -1. Looks at each slot of the table:
 * O(jobs).
 */
YM_API int ym_client_find(struct ym_client *client, uint64_t id, struct ym_job_ref *job, struct ym_err *err);

/* A pool; the counts are those of the master's last look, up to two seconds old while there is one. */
struct ym_pool_info {
	char name[YM_POOL_MAX];
	uint32_t workers; /* alive */
	uint32_t wanted;
	uint64_t waiting, delayed, running, buried; /* jobs */
	bool paused, draining;
};

/* The first `max` pools into pools[]; *n: how many there are. 0, -1. */
YM_API int ym_client_pools(struct ym_client *client, struct ym_pool_info *pools, size_t max, size_t *n,
                           struct ym_err *err);

/* ---- change ---------------------------------------------------------------------------------- */

/*
 * Each: 0 done, 1 the job is in no state for it, -1 YM_ERR_GONE: there is no such job any more, or the instance is gone.
 *
 *   cancel  a waiting job at once; a running one is asked to stop (its task decides)   1: it is over
 *   bury    put a waiting or delayed job aside                                         1: it runs, or is over
 *   kick    start a buried, failed or cancelled job anew, with all attempts; a         1: it waits, runs, or is done
 *           delayed one at once. YM_ERR_NO: another one has its unique key
 *   delete  forget a job that waits, is buried or over                                 1: it runs
 */
YM_API int ym_client_cancel(struct ym_client *client, const struct ym_job_ref *job, struct ym_err *err);
YM_API int ym_client_bury(struct ym_client *client, const struct ym_job_ref *job, struct ym_err *err);
YM_API int ym_client_kick(struct ym_client *client, const struct ym_job_ref *job, struct ym_err *err);
YM_API int ym_client_delete(struct ym_client *client, const struct ym_job_ref *job, struct ym_err *err);

#ifdef __cplusplus
}
#endif
#endif
