/*
 * uploads.c - submit several jobs, follow them, cancel one that takes too long, print how each ended.
 *
 *   uploads DIRECTORY SECONDS PIECES...   one job for each number of pieces; what is not over after SECONDS is cancelled
 *
 * DIRECTORY: where the instance is, "-" for the usual place. Exit codes: 0 all are done, 1 not all, 2 usage, 3 not running,
 * 4 the system refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yardmaster/client.h>

#define INSTANCE "uploads"
#define POOL     "upload"
#define JOBS_MAX 64
#define DRAW_MS  100

static struct ym_client *client;
static struct ym_submitted jobs[JOBS_MAX];
static size_t njobs;

static void die(const struct ym_err *err)
{
	fprintf(stderr, "uploads: %s\n", err->text);
	exit(ym_err_exit_code(err->class));
}

static void submit_all(char **pieces, size_t n)
{
	struct ym_submit requests[JOBS_MAX];
	struct ym_err err;

	for (size_t i = 0; i < n; i++) {
		struct ym_submit request = YM_SUBMIT_INIT;

		request.pool = POOL;
		request.payload = pieces[i];
		request.size = strlen(pieces[i]);
		request.tag = pieces[i];
		request.keep = true; /* we shall ask for the results */
		requests[i] = request;
	}
	njobs = ym_client_submit_many(client, requests, n, jobs, &err);
	if (njobs < n)
		die(&err);
}

/* A line for each job that is not over. Returns how many they are. */
static size_t draw(void)
{
	size_t open = 0;

	for (size_t i = 0; i < njobs; i++) {
		struct ym_job_progress progress;

		if (ym_client_progress(client, &jobs[i].job, &progress, NULL) < 0 || ym_job_over(progress.state))
			continue;
		open++;
		printf("  job %llu %-8s %3llu/%llu %s\n", (unsigned long long)jobs[i].job.id,
		       ym_job_state_word(progress.state), (unsigned long long)progress.done,
		       (unsigned long long)progress.total, progress.note);
	}
	return open;
}

static void cancel_rest(void)
{
	struct ym_err err;

	for (size_t i = 0; i < njobs; i++)
		if (ym_client_cancel(client, &jobs[i].job, &err) == 0)
			printf("job %llu takes too long: cancelled\n", (unsigned long long)jobs[i].job.id);
}

/* 1 if it did not end well. */
static int print_end(const struct ym_job_ref *job)
{
	struct ym_job_result result;
	struct ym_err err;
	int bad;

	if (ym_client_wait(client, job, -1, &result, &err) < 0)
		die(&err);
	bad = result.state != YM_JOB_DONE;
	if (bad)
		printf("job %llu %s: %s\n", (unsigned long long)job->id, ym_job_state_word(result.state), result.error);
	else
		printf("job %llu done: %.*s", (unsigned long long)job->id, (int)result.size, (const char *)result.data);
	ym_job_result_free(&result);
	ym_client_forget(client, job, NULL);
	return bad;
}

int main(int argc, char **argv)
{
	struct ym_job_ref refs[JOBS_MAX];
	struct ym_err err;
	long rounds;
	int bad = 0, waits;

	if (argc < 4 || argc - 3 > JOBS_MAX) {
		fprintf(stderr, "usage: uploads DIRECTORY SECONDS PIECES...\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0); /* also into a file or a pipe, somebody may look on */
	if (ym_client_open(&client, INSTANCE, strcmp(argv[1], "-") == 0 ? NULL : argv[1], &err) < 0)
		die(&err);
	if (ym_client_master(client, NULL, &err) == 1)
		printf("there is no master: jobs wait for the next one\n");
	submit_all(argv + 3, (size_t)(argc - 3));
	for (size_t i = 0; i < njobs; i++)
		refs[i] = jobs[i].job;

	/* Sleeps until all are over; wakes now and then to draw. */
	rounds = strtol(argv[2], NULL, 10) * 1000 / DRAW_MS;
	do {
		waits = ym_client_wait_all(client, refs, njobs, DRAW_MS, &err);
		if (waits < 0)
			die(&err);
		if (draw() > 0)
			printf("\n");
	} while (waits == 1 && --rounds > 0);
	if (waits == 1)
		cancel_rest();

	for (size_t i = 0; i < njobs; i++)
		bad |= print_end(&refs[i]);
	if (ym_client_close(client, &err) < 0)
		die(&err);
	return bad;
}
