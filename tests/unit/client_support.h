/*
 * client_support.h - a client of the yard (yard.h): what the tests of the client share.
 */
#ifndef YM_TESTS_CLIENT_SUPPORT_H
#define YM_TESTS_CLIENT_SUPPORT_H

#include <pthread.h>
#include <sys/syscall.h>

#include "../../runtime/client.h"
#include "../../runtime/client_self.h"
#include "yard.h"

static struct ym_client *client;

static inline void begin_client(void)
{
	begin_yard_of(256);
	ASSERT_OK(ym_client_open(&client, "unit", directory, &err));
}

static inline void end_client(void)
{
	ASSERT_OK(ym_client_close(client, &err));
	end_yard();
}

static inline struct ym_submit job_like(const char *payload)
{
	struct ym_submit job = YM_SUBMIT_INIT;

	job.pool = "work";
	job.payload = payload;
	job.size = strlen(payload);
	job.patience_ms = 0;
	job.keep = true;
	return job;
}

static inline struct ym_job_ref put(struct ym_submit job)
{
	struct ym_submitted submitted;

	ASSERT_OK(ym_client_submit(client, &job, &submitted, &err));
	ck_assert(!submitted.existed);
	return submitted.job;
}

static inline struct ym_job_ref put_like(const char *payload)
{
	return put(job_like(payload));
}

static inline struct ym_job_ref put_unique(const char *key)
{
	struct ym_submit job = job_like("once");

	job.unique = key;
	return put(job);
}

static inline struct job_ref client_ref(const struct ym_job_ref *job)
{
	return (struct job_ref){job->id, job->slot, job->gen};
}

/* Report on a job as its worker. */
static inline void end_job(struct ym_job_ref job, enum story_end end, const void *bytes, size_t size)
{
	struct job_report report = {
	    .end = end, .error = end == STORY_DONE ? NULL : "no luck", .result = bytes, .result_size = size};
	struct job_ref ref = client_ref(&job);
	enum job_state became;

	ck_assert(dispatch_finish(&yard, ref.slot, claim_this(ref), &report, &became));
}

static inline struct ym_job_progress progress_of(struct ym_job_ref job)
{
	struct ym_job_progress progress;

	ASSERT_OK(ym_client_progress(client, &job, &progress, &err));
	return progress;
}

static inline void assert_state(struct ym_job_ref job, enum ym_job_state state)
{
	ck_assert_str_eq(ym_job_state_word(progress_of(job).state), ym_job_state_word(state));
}

/* An answer of 1. */
#define ASSERT_NOT(call) ck_assert_msg((call) == 1, "%s is not 1: %s", #call, err.text)

/* All calls that name a job. */
static inline void assert_unknown(struct ym_job_ref job, enum ym_err_class class)
{
	struct ym_job_progress progress;
	struct ym_job_info info;

	ASSERT_ERR(ym_client_wait(client, &job, 0, NULL, &err), class);
	ASSERT_ERR(ym_client_progress(client, &job, &progress, &err), class);
	ASSERT_ERR(ym_client_look(client, &job, &info, &err), class);
	ASSERT_ERR(ym_client_cancel(client, &job, &err), class);
	ASSERT_ERR(ym_client_bury(client, &job, &err), class);
	ASSERT_ERR(ym_client_kick(client, &job, &err), class);
	ASSERT_ERR(ym_client_delete(client, &job, &err), class);
	ASSERT_ERR(ym_client_forget(client, &job, &err), class);
	ck_assert_int_eq(ym_client_cancel(client, &job, NULL), -1);
	ck_assert_int_eq(ym_client_wait(client, &job, 0, NULL, NULL), -1);
}

/* ---- waiting in a thread --------------------------------------------------------------------- */

struct waiting {
	struct ym_job_ref jobs[130];
	size_t n;
	bool any;
	int64_t timeout_ms;
	pthread_t thread;
	_Atomic int tid;
	int answer;
	size_t which;
	struct ym_err err;
};

static inline void *wait_in_thread(void *arg)
{
	struct waiting *waiting = arg;

	atomic_store(&waiting->tid, (int)syscall(SYS_gettid));
	if (waiting->any)
		waiting->answer = ym_client_wait_any(client, waiting->jobs, waiting->n, waiting->timeout_ms,
		                                     &waiting->which, &waiting->err);
	else if (waiting->n == 1)
		waiting->answer = ym_client_wait(client, waiting->jobs, waiting->timeout_ms, NULL, &waiting->err);
	else
		waiting->answer =
		    ym_client_wait_all(client, waiting->jobs, waiting->n, waiting->timeout_ms, &waiting->err);
	return NULL;
}

/* In a thread of its own; returns when it sleeps in the kernel. */
static inline void start_waiting(struct waiting *waiting)
{
	ck_assert_int_eq(pthread_create(&waiting->thread, NULL, wait_in_thread, waiting), 0);
	WAIT_UNTIL(atomic_load(&waiting->tid) && process_state(atomic_load(&waiting->tid)) == 'S' &&
	           (word_flags(word_of(client_ref(&waiting->jobs[0]))) & JOB_WAITED));
}

static inline int end_waiting(struct waiting *waiting)
{
	ck_assert_int_eq(pthread_join(waiting->thread, NULL), 0);
	return waiting->answer;
}

/* ---- a program of one suite ------------------------------------------------------------------ */

static inline TCase *client_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, begin_client, end_client);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

static inline void add_tests(Suite *suite, const char *name, const TTest *const *tests, size_t n)
{
	TCase *tcase = client_case(suite, name);

	for (size_t i = 0; i < n; i++)
		tcase_add_test(tcase, tests[i]);
}
#define ADD(name, ...)                                                                                                 \
	do {                                                                                                           \
		const TTest *const tests[] = {__VA_ARGS__};                                                            \
		add_tests(suite, name, tests, COUNT(tests));                                                           \
	} while (0)

#endif
