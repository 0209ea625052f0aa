/* modes.c - `yardmaster pause, resume, drain`: what a pool does with its jobs. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../ipc/sys.h"
#include "outcome.h"

/* Verb, bits of enum table_pool_mode to set and to clear, what to say of the pool afterwards. */
#define MODE_MAP(X)                                                                                                    \
	X(pause, POOL_PAUSED, 0, "is paused: no job is started until `yardmaster resume`; running ones go on")         \
	X(resume, 0, POOL_PAUSED | POOL_DRAINING, "takes jobs and starts them")                                        \
	X(drain, POOL_DRAINING, 0, "is draining: no job is accepted until `yardmaster resume`")

struct mode {
	const char *name;
	uint32_t set, clear;
	const char *now;
};

static const struct mode modes[] = {
#define X(name, set, clear, now) {#name, set, clear, now},
    MODE_MAP(X)
#undef X
};

static const struct mode *mode_of(const struct args *args)
{
	const struct mode *mode = modes;

	while (strcmp(mode->name, args->command->verb) != 0)
		mode++;
	return mode;
}

/* All pools, or, if one of them does not exist, none. */
static int set_mode(const struct args *args, struct instance *instance, const struct mode *mode, unsigned *pools,
                    struct ym_err *err)
{
	for (int i = 0; i < args->nrest; i++) {
		int pool = client_pool(instance, args->rest[i], err);

		if (pool < 0)
			return -1;
		pools[i] = (unsigned)pool;
	}
	for (int i = 0; i < args->nrest; i++)
		dispatch_mode(instance, pools[i], mode->set, mode->clear);
	return 0;
}

static int run_mode(const struct args *args)
{
	const struct mode *mode = mode_of(args);
	unsigned pools[TABLE_POOLS];
	struct instance instance;
	struct ym_err err;

	if (client_join(args, &instance, &err) < 0)
		return command_fail(&err);
	if (set_mode(args, &instance, mode, pools, &err) < 0)
		return client_leave(&instance, command_fail(&err));
	for (int i = 0; i < args->nrest; i++)
		printf("pool %s %s\n", args->rest[i], mode->now);
	return client_leave(&instance, 0);
}

/* ---- drain: wait until a pool is empty --------------------------------------------------------- */

static void give_up(int signo)
{
	static const char text[] =
	    "\nyardmaster: not waiting any longer; the pool goes on draining until `yardmaster resume`\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(128 + signo);
	/* SA_RESETHAND: this time it is deadly, as the shell expects. */
	raise(signo);
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = give_up, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/*
 * A job that goes from the table to the store is counted a tenth of a second later: a pool is empty when it was found so
 * for longer than that.
 */
#define STORED_LOOKS   4
#define STORED_LOOK_NS 100000000

/* A job of the pool that is not over, in this slot. */
static bool is_open(const struct instance *instance, uint32_t slot, unsigned pool, struct job_ref *ref)
{
	const struct job_sh *job = table_job_const(instance->table, slot);
	uint64_t word = atomic_load(&instance->table->words[slot]);
	enum job_state state = word_state(word);

	/* STORING: not accepted yet, or only a question. */
	if (job_state_over(state) || state == JOB_FILLING || state == JOB_STORING || job_pool(job) != pool)
		return false;
	*ref = (struct job_ref){job->id, slot, word_gen(word)};
	return true;
}

/* Jobs that are only in the store, as its clerk has counted them last. */
static uint64_t count_stored(const struct instance *instance, unsigned pool)
{
	const struct table_pool_sh *row = &instance->table->pools[pool];

	return atomic_load(&row->stored_waiting) + atomic_load(&row->stored_delayed);
}

static uint64_t count_open(const struct instance *instance, unsigned pool)
{
	struct job_ref ref;
	uint64_t n = count_stored(instance, pool);

	for (uint32_t slot = 0; slot < instance->table->slots; slot++)
		n += is_open(instance, slot, pool, &ref);
	return n;
}

/* 0 there is none (any more); 1 when time is up. Jobs may still come to a slot that was passed. */
static int wait_for_slots(struct outcome *outcome, unsigned pool, bool *found)
{
	const struct instance *instance = outcome->instance;
	struct awaited awaited;
	struct job_ref ref;
	struct ym_err err;

	for (uint32_t slot = 0; slot < instance->table->slots; slot++)
		while (is_open(instance, slot, pool, &ref)) {
			int result = outcome_wait(outcome, ref, &awaited, &err);

			*found = true;
			if (result == 0)
				payload_close(&awaited.result);
			if (result == 1 || (result < 0 && err.class == YM_ERR_NOT_RUNNING))
				return result;
		}
	return 0;
}

/* 0, 1 when time is up. A job may come from another pool after a crash there, or from the store. */
static int wait_empty(struct outcome *outcome, unsigned pool)
{
	const struct instance *instance = outcome->instance;
	unsigned looks = table_stored(instance->table) ? STORED_LOOKS : 1;

	for (unsigned empty = 0; empty < looks;) {
		bool found = false;
		int result = wait_for_slots(outcome, pool, &found);

		if (result != 0)
			return result;
		found |= count_stored(instance, pool) > 0;
		empty = found ? 0 : empty + 1;
		if (empty >= looks || !table_stored(instance->table))
			continue;
		if (ym_now_ns() >= outcome->deadline)
			return 1;
		ym_nap(STORED_LOOK_NS);
	}
	return 0;
}

static int drain_one(struct outcome *outcome, const char *name, unsigned pool)
{
	struct instance *instance = outcome->instance;
	uint64_t left = count_open(instance, pool);

	if (left > 0)
		fprintf(stderr, "yardmaster: pool %s is draining: %llu job%s to go%s\n", name, (unsigned long long)left,
		        left == 1 ? "" : "s",
		        atomic_load(&instance->table->pools[pool].mode) & POOL_PAUSED
		            ? "; it is paused, so none of them is started"
		            : "");
	if (wait_empty(outcome, pool) == 0) {
		printf("pool %s is empty: no job waits or runs, and none is accepted until `yardmaster resume`\n",
		       name);
		return 0;
	}
	left = count_open(instance, pool);
	fprintf(stderr, "yardmaster: pool %s is not empty yet (%llu job%s); it goes on draining\n", name,
	        (unsigned long long)left, left == 1 ? "" : "s");
	return ym_err_exit_code(YM_ERR_TIMEOUT);
}

static int run_drain(const struct args *args)
{
	unsigned pools[TABLE_POOLS];
	struct instance instance;
	struct outcome outcome = {.instance = &instance};
	struct ym_err err;
	int64_t timeout;
	int code = 0;

	if (args_flag(args, "no-wait"))
		return run_mode(args);
	if (args_duration(args, "wait-timeout", -1, &timeout, &err) < 0 || client_join(args, &instance, &err) < 0)
		return command_fail(&err);
	outcome.deadline = ym_deadline(timeout);
	if (set_mode(args, &instance, mode_of(args), pools, &err) < 0)
		return client_leave(&instance, command_fail(&err));
	catch_signals();
	for (int i = 0; i < args->nrest; i++) {
		int one = drain_one(&outcome, args->rest[i], pools[i]);

		code = one > code ? one : code;
	}
	return client_leave(&instance, code);
}

static const struct option_row mode_options[] = {INSTANCE_OPTIONS, {0}};

static const struct option_row drain_options[] = {
    INSTANCE_OPTIONS,
    {"wait-timeout", 0, "TIME", "wait no longer than this (exit code 1); the pool goes on draining"},
    {"no-wait", 0, NULL, "do not wait until the pool is empty"},
    {0},
};

const struct command command_pause = {
    .verb = "pause",
    .usage = "POOL ... [OPTIONS]",
    .summary = "start no more jobs of a pool; running ones go on, new ones wait",
    .options = mode_options,
    .least = 1,
    .most = TABLE_POOLS,
    .run = run_mode,
};

const struct command command_resume = {
    .verb = "resume",
    .usage = "POOL ... [OPTIONS]",
    .summary = "end `pause` and `drain`",
    .options = mode_options,
    .least = 1,
    .most = TABLE_POOLS,
    .run = run_mode,
};

const struct command command_drain = {
    .verb = "drain",
    .usage = "POOL ... [OPTIONS]",
    .summary = "accept no more jobs for a pool, and wait until it is empty",
    .text =
	"Empty means that no job of the pool waits, is delayed or runs. Until `yardmaster resume` the pool takes no\n"
	"jobs, also if the command is interrupted.",
    .options = drain_options,
    .least = 1,
    .most = TABLE_POOLS,
    .run = run_drain,
};
