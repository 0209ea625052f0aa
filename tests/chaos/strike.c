/* strike.c - start the crowd, hit it. */
#include "strike.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "../../ipc/sys.h"
#include "client.h"
#include "depot.h"
#include "operator.h"
#include "site.h"

#define CLIENTS         3
#define HOLDERS         2
#define READERS         1
#define CROWD           (CLIENTS + HOLDERS + READERS)
#define HOLD_MS_MAX     80
#define FULL_MS_MAX     400
#define READS_MAX       20
#define FROZEN_MS_MAX   150
#define FROZEN_MAX      64
#define WORKERS_MAX     256
#define END_PATIENCE_MS 20000

enum victim {
#define X(name, words, percent) name,
	STRIKE_MAP(X)
#undef X
	    VICTIMS
};

/* Stopped by SIGSTOP. The start time tells whether the pid is still the same process. */
struct frozen {
	pid_t pid;
	uint64_t started, until;
	bool kill;
};

static struct {
	pid_t crowd[CROWD];
	unsigned next_job;
	unsigned hits[VICTIMS];
	struct frozen frozen[FROZEN_MAX];
	unsigned nfrozen;
	uint64_t removed;
} strikes = {.next_job = 1};

unsigned strike_next_job(void)
{
	return strikes.next_job;
}

/* ---- the crowd ------------------------------------------------------------------------------- */

static void start_one(unsigned place)
{
	unsigned count = 20 + site_pick(CLIENT_JOBS_MAX - 20), from = strikes.next_job, seed = (unsigned)random();
	pid_t pid;

	if (place < CLIENTS)
		strikes.next_job += count;
	pid = fork();
	if (pid < 0)
		site_die("fork");
	if (pid == 0) {
		srandom(seed);
		if (place < CLIENTS)
			client_run(from, count);
		if (place >= CLIENTS + HOLDERS)
			depot_read(site_pick(READS_MAX));
		client_hold(site_pick(HOLD_MS_MAX));
	}
	strikes.crowd[place] = pid;
}

void strike_tend(void)
{
	for (unsigned i = 0; i < (site.stored ? CROWD : CROWD - READERS); i++)
		if (strikes.crowd[i] <= 0 || waitpid(strikes.crowd[i], NULL, WNOHANG) == strikes.crowd[i])
			start_one(i);
	operator_tend();
}

void strike_end_crowd(void)
{
	uint64_t deadline = ym_deadline(END_PATIENCE_MS);

	for (unsigned i = 0; i < CROWD; i++) {
		while (strikes.crowd[i] > 0 && waitpid(strikes.crowd[i], NULL, WNOHANG) == 0 && ym_now_ns() < deadline)
			site_nap(5);
		if (strikes.crowd[i] > 0 && kill(strikes.crowd[i], 0) == 0) {
			site_problem("client %d does not come to an end", (int)strikes.crowd[i]);
			kill(strikes.crowd[i], SIGKILL);
			waitpid(strikes.crowd[i], NULL, 0);
		}
		strikes.crowd[i] = 0;
	}
	while (operator_tend() && ym_now_ns() < deadline)
		site_nap(5);
	if (operator_tend())
		site_problem("a command does not come to an end");
}

/* ---- stop and kill --------------------------------------------------------------------------- */

/* Noted first: what follows from it may happen before kill() has returned. */
static void strike_dead(pid_t pid)
{
	if (pid <= 1)
		return;
	site_note(LEDGER_STRIKE, 0, pid, 0);
	kill(pid, SIGKILL);
}

static void freeze(pid_t pid, bool then_kill)
{
	if (pid <= 1 || strikes.nfrozen == FROZEN_MAX)
		return;
	site_note(LEDGER_FREEZE, 0, pid, 0);
	kill(pid, SIGSTOP);
	strikes.frozen[strikes.nfrozen++] = (struct frozen){
	    .pid = pid,
	    .started = ym_process_started(pid),
	    .until = ym_deadline(site_pick(FROZEN_MS_MAX)),
	    .kill = then_kill,
	};
}

static void thaw(const struct frozen *frozen)
{
	if (frozen->started == 0 || ym_process_started(frozen->pid) != frozen->started)
		return;
	if (frozen->kill)
		strike_dead(frozen->pid);
	else
		kill(frozen->pid, SIGCONT);
}

void strike_thaw(bool all)
{
	uint64_t now = ym_now_ns();

	depot_tend(all);
	for (unsigned i = 0; i < strikes.nfrozen;) {
		if (all || now >= strikes.frozen[i].until) {
			thaw(&strikes.frozen[i]);
			strikes.frozen[i] = strikes.frozen[--strikes.nfrozen];
		} else {
			i++;
		}
	}
}

/* ---- victims --------------------------------------------------------------------------------- */

static struct site_worker some_worker(void)
{
	struct site_worker found[WORKERS_MAX];
	unsigned n = site_workers(found, WORKERS_MAX);

	return n ? found[site_pick(n)] : (struct site_worker){0};
}

static pid_t some_command(void)
{
	struct site_worker found[WORKERS_MAX];
	unsigned n = site_workers(found, WORKERS_MAX), start = n ? site_pick(n) : 0;

	for (unsigned i = 0; i < n; i++)
		if (found[(start + i) % n].group > 0)
			return found[(start + i) % n].group;
	return 0;
}

static void strike_all_workers(void)
{
	struct site_worker found[WORKERS_MAX];
	unsigned n = site_workers(found, WORKERS_MAX);

	for (unsigned i = 0; i < n; i++)
		strike_dead(found[i].pid);
}

static void strike_all(void)
{
	/* When nobody is left, the table goes; what had not been written by then is as it was. */
	if (site.stored)
		site_note(LEDGER_RESET, 0, 0, 0);
	if (site_pick(2))
		strike_dead(site_guardian());
	site_note(LEDGER_MASTER, 0, site.master, SIGKILL);
	kill(site.master, SIGKILL);
	strike_all_workers();
	for (unsigned i = 0; i < CROWD; i++)
		strike_dead(strikes.crowd[i]);
	site_end_master(SIGKILL);
	/* A worker that was just being started is not on the board yet. */
	site_nap(20);
	strike_all_workers();
}

/* As somebody does it who means well, or logind when a user logs out. */
static bool remove_objects(void)
{
	if (!site.removals || ym_now_ns() < strikes.removed)
		return false;
	strikes.removed = ym_deadline(STRIKE_REMOVAL_MS);
	/* From here on the jobs are only in memory that lives as long as the processes do: a master keeps them, if it lives. */
	site_await_master();
	site_note(LEDGER_REMOVAL, 0, 0, 0);
	if (system("ipcrm -a") != 0)
		site_die("ipcrm -a");
	site_await_master();
	return true;
}

/*
 * A machine that loses its power: nothing is left but what is on the disk, and of that only the store is taken along.
 * Everybody must be gone before the objects go, or two instances would work side by side.
 */
static bool reset(void)
{
	if (!site.stored || ym_now_ns() < strikes.removed)
		return false;
	strikes.removed = ym_deadline(STRIKE_REMOVAL_MS);
	strike_all();
	while (site_others(strike_dead) > 0)
		site_nap(1);
	if (system("ipcrm -a") != 0)
		site_die("ipcrm -a");
	site_clear();
	return true;
}

static enum victim choose(void)
{
	static const unsigned percents[] = {
#define X(name, words, percent) percent,
	    STRIKE_MAP(X)
#undef X
	};
	unsigned n = site_pick(100);

	for (unsigned i = 0; i < VICTIMS; i++) {
		if (n < percents[i])
			return (enum victim)i;
		n -= percents[i];
	}
	return WORKER;
}

/* False: not now, or not in this round. */
static bool hit(enum victim victim)
{
	switch (victim) {
	case WORKER:
		strike_dead(some_worker().pid);
		break;
	case FROZEN_WORKER:
		freeze(some_worker().pid, site_pick(2));
		break;
	case COMMAND:
		strike_dead(some_command());
		break;
	case CLIENT:
		strike_dead(strikes.crowd[site_pick(CLIENTS)]);
		break;
	case FROZEN_CLIENT:
		freeze(strikes.crowd[site_pick(CLIENTS)], site_pick(2));
		break;
	case HOLDER:
		strike_dead(strikes.crowd[CLIENTS + site_pick(HOLDERS)]);
		break;
	case MASTER:
		site_end_master(SIGKILL);
		site_nap(site_pick(60));
		break;
	case FROZEN_MASTER:
		freeze(site.master, false);
		break;
	case GUARDIAN:
		site_pick(2) ? strike_dead(site_guardian()) : freeze(site_guardian(), site_pick(2));
		break;
	case STOP:
		/* The end of the instance does not wait for room. */
		if (site.stored && depot_is_behind())
			site_note(LEDGER_RESET, 0, 0, 0);
		site_end_master(SIGTERM);
		break;
	case SINGLE:
		site_pick(2) ? strike_dead(site_single()) : freeze(site_single(), site_pick(2));
		break;
	case SCALE:
		operator_scale();
		break;
	case RELOAD:
		operator_reload();
		break;
	case RESTART:
		operator_restart();
		break;
	case UPGRADE:
		operator_upgrade();
		break;
	case READER:
		freeze(strikes.crowd[CLIENTS + HOLDERS], site_pick(2));
		return site.stored;
	case REMOVAL:
		return remove_objects();
	case SPACE:
		return site.stored && depot_fill(site_pick(FULL_MS_MAX));
	case RESET:
		return reset();
	default:
		strike_all();
	}
	return true;
}

void strike(void)
{
	enum victim victim = choose();

	if (!hit(victim))
		return;
	strikes.hits[victim]++;
	if (victim != MASTER && victim != STOP && victim != ALL && victim != RESET)
		return;
	site_start_master();
	if (site_pick(3))
		site_await_master();
}

void strike_print(void)
{
	static const char *const words[] = {
#define X(name, words, percent) words,
	    STRIKE_MAP(X)
#undef X
	};

	for (unsigned i = 0; i < VICTIMS; i++)
		printf("%s%u %s", i ? ", " : "hit: ", strikes.hits[i], words[i]);
	printf("\n");
}
