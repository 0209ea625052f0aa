/*
 * client_self.h - a client (client.h) from inside.
 */
#ifndef YM_RUNTIME_CLIENT_SELF_H
#define YM_RUNTIME_CLIENT_SELF_H

#include "client.h"
#include "dispatch.h"

struct ym_client {
	struct instance instance; /* not written to while the client is open */
	/*
	 * A page of its own that the kernel empties in a forked child, whatever it was forked with: 1 in the process that
	 * opened the client. Asking getpid() each time would be a system call.
	 */
	uint32_t *mine;
	/* By participant slot: the board row, plus 1, where a job of that worker was seen last; a hint. Any thread. */
	_Atomic uint16_t *rows;
};

/* 0, or -1: this process has not opened the client. */
int client_check(const struct ym_client *client, struct ym_err *err);

/*
 * Is this a job of the table? 0 with its word; -1: YM_ERR_GONE, it is not known any more, or YM_ERR_USAGE, it never was a
 * job, or the process has not opened the client.
 */
int client_job(const struct ym_client *client, const struct ym_job_ref *job, uint64_t *word, struct ym_err *err);

static inline struct job_ref client_ref(const struct ym_job_ref *job)
{
	return (struct job_ref){job->id, job->slot, job->gen};
}

#endif
