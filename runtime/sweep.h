/*
 * sweep.h - what the master does for the jobs: one pass over the table. All it finds, it finds in shared memory.
 *
 *   found                                        done
 *   index lock of a dead participant             broken, index rebuilt
 *   job of a dead participant                    running: what the pool's rules say of a crash (again at once, moved to
 *                                                another pool, buried); being filled: the slot is free again
 *   running job past its deadline                asked to stop; a grace later its worker gets SIGTERM; another grace
 *                                                later the claim is revoked and the worker killed; when it is dead the
 *                                                attempt counts as one that failed
 *   job that is FINISHING for 30 s, and one more   its worker is killed (it is stopped, or hangs); the job is then that of
 *   for each MiB of payload_max                  a dead participant
 *   delayed job that is due                      ready
 *   ready job that is in no list                 put there (its pusher or taker was killed)
 *   ready jobs and a pool that does not move     a token, in case one was lost with its receiver
 *   job that is over, kept too long              forgotten
 *   answer that is still to be sent              sent
 *
 * A pass over 16384 slots takes some 10 us. All of it may be done twice or stop half-way without harm.
 */
#ifndef YM_RUNTIME_SWEEP_H
#define YM_RUNTIME_SWEEP_H

#include "instance.h"

struct sweep_counts {
	uint64_t waiting, running, delayed, buried;
};

/* How a participant died. */
struct sweep_death {
	char cause[JOB_ERROR_MAX]; /* "" if not known */
	bool blameless; /* killed for a reason that has nothing to do with its job: the attempt does not count */
	int32_t pid;
	uint64_t job;         /* that it had when it died, 0: none; what follows is about that one */
	uint64_t done, total; /* last progress */
	char unit[JOB_UNIT_MAX];
	struct story_process process;
};

/* Kept for each slot of the table: what was done about which attempt whose time is up. */
struct sweep_asked {
	uint64_t at; /* when it was asked to stop; 0: never */
	uint64_t started;
	uint32_t gen, attempt;
	uint16_t victim; /* FIXING: participant slot + 1 of the worker that was killed and is waited for; its pid */
	int32_t victim_pid;
	bool termed;        /* its worker got SIGTERM */
	bool stuck;         /* ... SIGKILL: it was FINISHING for too long */
	uint64_t finishing; /* when it was seen FINISHING first; 0: never */
};

struct sweep {
	/* in: how a participant died, NULL if not known */
	const struct sweep_death *(*death)(void *arg, unsigned slot);
	/* in: its end is a moment away, and tells what it died of: its jobs, and its number, wait for that. NULL: nobody's is */
	bool (*ending)(void *arg, unsigned slot);
	/* in: send a signal to the worker of this participant; its job `why`. False: it is not ours to kill */
	bool (*signal)(void *arg, unsigned slot, int signo, const char *why);
	/* in: this participant is cleared up, its slot will be another's */
	void (*buried)(void *arg, unsigned slot);
	/* in: send the answer of a job that is over. False: not now, try again at the next pass. NULL: drop it */
	bool (*answer)(void *arg, uint32_t slot, uint64_t word);
	void *arg;
	struct sweep_asked *asked; /* made by the first pass, freed by sweep_free() */
	/* out */
	struct sweep_counts pools[TABLE_POOLS];
	uint64_t live;      /* jobs that are not over, or buried */
	bool timed;         /* there are jobs with a time limit */
	uint64_t next;      /* ym_now_ns() of the next thing that is due, YM_NEVER if none */
	unsigned recovered; /* jobs taken back from dead participants */
	unsigned resent;    /* jobs and tokens that had been lost on their way */
};

/*
 * One pass. 0, or -1: YM_ERR_GONE when the group was removed under us; YM_ERR_LIMIT without memory, YM_ERR_TIMEOUT while
 * a stopped process holds the index lock (try again).
 */
int sweep_run(struct instance *instance, struct sweep *sweep, struct ym_err *err);
void sweep_free(struct sweep *sweep);

#endif
