/*
 * top_model.h - what `top` knows: the instance now, and what only shows in the course of time: rates, the processor time of
 * processes, that the master or the whole instance is gone and comes back.
 */
#ifndef YM_RUNTIME_COMMANDS_TOP_MODEL_H
#define YM_RUNTIME_COMMANDS_TOP_MODEL_H

#include "../health.h"
#include "../pace.h"
#include "../snapshot.h"

/* Half and 99 % of the jobs of a pool that ended in the last minute waited, and ran, no longer than this; ns, 0: none ended. */
struct model_times {
	uint64_t wait50, wait99, run50, run99;
};

/* A process, as it was looked at last. */
struct model_process {
	uint64_t started;   /* with the pid: which one */
	uint64_t looked_at; /* 0: not yet */
	uint64_t cpu_ns, resident;
	double cpu; /* processors that it kept busy since the look before; -1: not known yet */
	pid_t pid;
	bool alive;
};

struct model {
	struct instance instance;
	bool there;          /* the instance is, and its board is ours to look at */
	unsigned generation; /* goes up when it was attached (again): what was kept of it is void */
	int64_t lost_ms;     /* not there: unix time since when */
	int semid;           /* of its group: another one is another generation; -1: not known */
	pid_t master;        /* 0: none */
	uint64_t look_due;   /* at all that */
	uint64_t now;        /* ym_now_ns() of the last refresh */
	uint64_t slow_due;   /* of what is looked at once a second */
	uint64_t times_due;  /* likewise: the more there is to add up, the later */
	bool times_wanted;   /* somebody shows them */
	double load[3];
	char problem[HEALTH_MAX]; /* what does not run and should, as seen a second ago at most; "": nothing */
	struct snapshot snapshot;
	struct pace pool_paces[TABLE_POOLS];
	struct model_times times[TABLE_POOLS];
	uint32_t ended[TABLE_POOLS][COURSE_SAMPLES]; /* attempts a second, the last minute */
	uint32_t failed[TABLE_POOLS][COURSE_SAMPLES];
	struct board_crash crashes[BOARD_CRASHES]; /* the last one first */
	unsigned ncrashes;
	uint64_t crashes_seen; /* how many were written by then */
	/* By row of the board. */
	struct pace *paces;
	struct model_process *processes;
	size_t rows;
	/* Index in the snapshot + 1 of the worker of a row, and of one that is at a job by its slot as a participant; 0: none. */
	uint16_t by_row[YM_GROUP_CAPACITY_MAX + 1], by_slot[YM_GROUP_CAPACITY_MAX + 1];
};

/* The instance is located. -1: it is not there, or may not be looked at. */
int model_open(struct model *model, struct ym_err *err);
void model_close(struct model *model);

/* Look again. -1: no memory. That the instance is not there is none of the errors. */
int model_refresh(struct model *model, struct ym_err *err);

/* Jobs that a pool ends a second. */
double model_rate(const struct model *model, unsigned pool);

/* The worker of a row; NULL: there is none (any more). */
const struct snapshot_worker *model_row(const struct model *model, size_t row);

/* The worker at a job that the table says is in the hands of this participant; NULL: it is not at it any more. */
const struct snapshot_worker *model_worker(const struct model *model, unsigned participant, uint64_t job);

/* The process of a row: that of its command if it runs one, else the worker. Looked at once a second. */
const struct model_process *model_process(const struct model *model, const struct snapshot_worker *worker);

/* The state of a worker in a word; "killed" only if its process may be looked at for that. */
const char *model_worker_word(const struct model *model, const struct snapshot_worker *worker, bool look);

/* ns of ym_now_ns() as unix time. */
int64_t model_unix_ms(const struct model *model, uint64_t ns);

#endif
