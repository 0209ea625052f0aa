/* log_packer.c - a list of logs, and a thread that goes through it. */
#include "log_packer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../ipc/clock.h"
#include "log_backup.h"

#define STACK_BYTES (size_t)(512 * 1024)
#define FAR_NS      UINT64_C(3600000000000)

struct log_pack_job {
	struct log_pack_job *next;
	int64_t keep;
	char path[];
};

int log_thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int sys;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	sys = pthread_create(thread, &attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return sys;
}

void log_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

bool log_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline)
{
	uint64_t far = ym_now_ns() + FAR_NS, at = deadline < far ? deadline : far;
	struct timespec until = {.tv_sec = (time_t)(at / 1000000000u), .tv_nsec = (long)(at % 1000000000u)};

	return pthread_cond_timedwait(cond, lock, &until) != ETIMEDOUT || ym_now_ns() < deadline;
}

void log_packer_init(struct log_packer *packer)
{
	*packer = (struct log_packer){0};
	pthread_mutex_init(&packer->lock, NULL);
	log_cond_init(&packer->changed);
}

static void *run_packer(void *arg)
{
	struct log_packer *packer = arg;

	pthread_mutex_lock(&packer->lock);
	while (packer->jobs) {
		struct log_pack_job *job = packer->jobs;
		struct ym_err err;
		int result;

		packer->jobs = job->next;
		pthread_mutex_unlock(&packer->lock);
		result = packer->stop ? 0 : log_backup_pack(job->path, job->keep, &packer->stop, &err);
		free(job);
		pthread_mutex_lock(&packer->lock);
		if (result < 0)
			memcpy(packer->why, err.text, sizeof(packer->why));
	}
	packer->running = false;
	pthread_cond_broadcast(&packer->changed);
	pthread_mutex_unlock(&packer->lock);
	return NULL;
}

void log_packer_add(struct log_packer *packer, const char *path, int64_t keep)
{
	size_t size = strlen(path) + 1;
	struct log_pack_job *job = malloc(sizeof(*job) + size);
	pthread_t thread;

	/* Without memory it stays as it is until the next rotation. */
	if (!job)
		return;
	job->keep = keep;
	memcpy(job->path, path, size);
	pthread_mutex_lock(&packer->lock);
	job->next = packer->jobs;
	packer->jobs = job;
	if (!packer->running && log_thread_start(&thread, run_packer, packer) == 0) {
		packer->running = true;
		pthread_detach(thread);
	}
	pthread_mutex_unlock(&packer->lock);
}

bool log_packer_trouble(struct log_packer *packer, char text[YM_ERR_TEXT_MAX])
{
	bool any;

	pthread_mutex_lock(&packer->lock);
	any = packer->why[0] != '\0';
	if (any)
		memcpy(text, packer->why, YM_ERR_TEXT_MAX);
	packer->why[0] = '\0';
	pthread_mutex_unlock(&packer->lock);
	return any;
}

bool log_packer_stop(struct log_packer *packer, uint64_t deadline)
{
	bool stopped;

	packer->stop = true;
	pthread_mutex_lock(&packer->lock);
	while (packer->running && log_cond_wait(&packer->changed, &packer->lock, deadline))
		continue;
	stopped = !packer->running;
	/* Without a thread (there was none to be had) nobody has taken them. */
	while (stopped && packer->jobs) {
		struct log_pack_job *job = packer->jobs;

		packer->jobs = job->next;
		free(job);
	}
	pthread_mutex_unlock(&packer->lock);
	return stopped;
}
