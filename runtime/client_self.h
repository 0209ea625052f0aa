/*
 * client_self.h - a client (client.h) from inside.
 */
#ifndef YM_RUNTIME_CLIENT_SELF_H
#define YM_RUNTIME_CLIENT_SELF_H

#include "client.h"
#include "reach.h"

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
 * Where is this job? 0: in the table, *at and *word say where; 1: not there, but there is a store that may know it; -1:
 * YM_ERR_GONE, it is not known any more, or YM_ERR_USAGE, it never was a job, or the process has not opened the client.
 */
int client_job(const struct ym_client *client, const struct ym_job_ref *job, struct job_ref *at, uint64_t *word,
               struct ym_err *err);

/* No longer known; -1. */
int client_unknown(const struct ym_job_ref *job, struct ym_err *err);

#endif
