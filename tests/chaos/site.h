/*
 * site.h - the instance under test: its configuration, its master, who is there.
 */
#ifndef YM_TESTS_SITE_H
#define YM_TESTS_SITE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "../../runtime/dispatch.h"
#include "ledger.h"

/* Name, plugin or command, its size, the rest of its section. The first letter of a name is its mark in the ledger. */
#define SITE_POOL_MAP(X)                                                                                               \
	X(plain, true, "3", "")                                                                                        \
	X(limited, true, "3", "limits = alpha:2, beta\nmax_age = 700ms\n")                                             \
	X(shared, true, "3", "limits = beta, alpha\ntimeout_from = progress\nmax_jobs = 30\n")                         \
	X(command, false, "2", "limits = alpha\n")                                                                     \
	X(fragile, true, "2", "crashes = 3\n")                                                                         \
	X(moving, true, "1", "on_crash = pool:plain\n")                                                                \
	X(rated, true, "4", "rate = 100/s\n")                                                                          \
	X(dynamic, true, "1..4", "scale_cooldown = 50ms\nidle_timeout = 100ms\nmax_jobs = 50\n")                       \
	X(on_demand, true, "0..3", "scale_cooldown = 50ms\nidle_timeout = 100ms\n")                                    \
	X(extra, true, "2", "")

enum site_pool {
#define X(name, loaded, workers, text) SITE_##name,
	SITE_POOL_MAP(X)
#undef X
	    SITE_POOLS
};

#define SITE_CRASHES      3 /* of the pool fragile */
#define SITE_RATE         100
#define SITE_RATE_WORKERS 4

/* Name, units, key. */
#define SITE_LIMIT_MAP(X)                                                                                              \
	X(alpha, 3, 0x59a1)                                                                                            \
	X(beta, 2, 0x59b2)

enum site_limit {
#define X(name, max, key) SITE_##name,
	SITE_LIMIT_MAP(X)
#undef X
	    SITE_LIMITS
};

struct site {
	char program[PATH_MAX], plugin[PATH_MAX], self[PATH_MAX];
	char dir[PATH_MAX], instance[PATH_MAX + 16], ini[PATH_MAX + 16], ledger[PATH_MAX + 16], log[PATH_MAX + 16],
	    lock[PATH_MAX + 16];
	int fd; /* of the ledger, here */
	pid_t master;
	unsigned problems;
	bool stored;             /* in this round, there is a store behind the table */
	bool removals;           /* in this round, all IPC objects are removed now and then */
	void (*meanwhile)(void); /* called again and again by whatever waits here */
};
extern struct site site;

extern const char *const site_pools[SITE_POOLS];
extern const char *const site_limits[SITE_LIMITS];
extern const int site_limit_max[SITE_LIMITS];
extern const key_t site_limit_key[SITE_LIMITS];

/* Units of a limit that a job of the pool with this letter holds. */
unsigned site_units(char pool, enum site_limit limit);

/* ---- for all parts of the test */

void site_die(const char *what);
/* Counted; the first ones are printed. True: this one was, so that more can be said of it. */
bool site_problem(const char *format, ...) __attribute__((format(printf, 1, 2)));
unsigned site_pick(unsigned n);
void site_nap(unsigned ms);
void site_note(enum ledger_kind kind, unsigned job, pid_t pid, uint64_t value);

/* ---- the instance */

/* What a reload changes. */
struct site_shape {
	enum site_pool changed; /* which pool has another size, SITE_POOLS: none */
	unsigned workers;
	unsigned note;     /* an option of its task: another one, and its workers are replaced */
	unsigned attempts; /* of all jobs from now on */
	bool extra;        /* is the pool "extra" there? */
};
#define SITE_SHAPE_INIT                                                                                                \
	{                                                                                                              \
		.changed = SITE_POOLS, .attempts = 255, .extra = true                                                  \
	}
/* At once, or not at all. */
void site_write_ini(const struct site_shape *shape);

/* A fresh directory with everything a master needs; with a store or without. */
void site_make(bool stored);
void site_remove(void);
/* The directory of the instance, as after a reset. */
void site_clear(void);

void site_locate(struct instance *instance);
/* Join as a client. False when there is nothing to join. */
bool site_join(struct instance *instance);

void site_start_master(void);
/* Until it is up; one that is killed or gives up is started again. */
void site_await_master(void);
/* Send it a signal and wait for its end. */
void site_end_master(int signo);

/* ---- who is there */

struct site_worker {
	pid_t pid, group; /* of the command it runs, 0: none */
};
/* The living workers that are on the board; returns how many, at most `max`. */
unsigned site_workers(struct site_worker *found, unsigned max);

/* Hands over all other processes of this test, and of the program; returns how many. */
unsigned site_others(void (*each)(pid_t pid));

pid_t site_guardian(void);
/* The process of the program, 0: it is not running. */
pid_t site_single(void);

/* Let all pools go on. */
void site_resume(struct instance *instance);

#endif
