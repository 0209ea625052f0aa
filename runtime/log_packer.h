/*
 * log_packer.h - the thread that gzips old files, there only while there is something to do.
 */
#ifndef YM_RUNTIME_LOG_PACKER_H
#define YM_RUNTIME_LOG_PACKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "../ipc/error.h"

struct log_pack_job;

struct log_packer {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct log_pack_job *jobs;
	bool running;
	_Atomic bool stop;
	char why[YM_ERR_TEXT_MAX]; /* what went wrong, for log_packer_trouble() */
};

void log_packer_init(struct log_packer *packer);
/* Pack the backups of this log. One call is enough for many files: whatever is there is packed. */
void log_packer_add(struct log_packer *packer, const char *path, int64_t keep);
/* What has gone wrong since the last call: false, or its text. */
bool log_packer_trouble(struct log_packer *packer, char text[YM_ERR_TEXT_MAX]);
/* Give up what is under way (it is done again one day). False: its thread is stuck, and needs the struct still. */
bool log_packer_stop(struct log_packer *packer, uint64_t deadline);

/* A thread that gets no signals. */
int log_thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg);
/* Wait for a pthread_cond_t of log_cond_init() until a moment of ym_now_ns(); false: it has passed. */
void log_cond_init(pthread_cond_t *cond);
bool log_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline);

#endif
