/* worker.c - attach, then claim, run and report until told to stop, then leave. */
#include "worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "../runtime/bell.h"
#include "../runtime/brief.h"
#include "../runtime/limit.h"
#include "../runtime/permit.h"
#include "command.h"
#include "job.h"
#include "plugin_host.h"

/* msgrcv has no signal mask: a signal just before it would be slept over, so the noted signal knocks again. */
#define KNOCK_NS       20000000
#define MEMORY_LOOK_NS 10000000
#define ORPHAN_NS      1000000000
#define KNOCK_SIGNAL   (SIGRTMIN + 7)

struct worker {
	struct brief brief;
	struct plugin_host host;
	struct ym_plugin_config config;
	struct instance instance;
	struct limit_set limits;
	struct board_worker_sh *row;
	struct board_times_sh *times;
	struct board_work work;
	unsigned pool;
	pid_t master;
	bool adopted;          /* the master that started it is gone: it asks now and then whether there is another */
	uint64_t orphan_since; /* 0: there is a master */
	uint64_t jobs_left;    /* until it is recycled; UINT64_MAX: never */
	uint64_t memory_max;   /* bytes, likewise */
	uint64_t memory_look;  /* when its memory was looked at last */
	bool recycled;         /* it ends to be replaced */
	bool revoked;          /* its job was taken away from it */
};

/* ---- signals: noted here, acted on in the loop ----------------------------------------------- */

static volatile sig_atomic_t stop_noted, look_noted;
static volatile sig_atomic_t in_task; /* no knocking then: it would cut the task's sleeps short */
static timer_t knocker;

static void knock_every(long ns)
{
	struct itimerspec spec = {.it_value = {ns / 1000000000, ns % 1000000000},
	                          .it_interval = {ns / 1000000000, ns % 1000000000}};

	timer_settime(knocker, 0, &spec, NULL);
}

static void note_signal(int signo)
{
	if (signo == SIGTERM)
		stop_noted = 1;
	look_noted = 1;
	if (!in_task)
		knock_every(KNOCK_NS);
}

static void note_knock(int signo)
{
	(void)signo;
	look_noted = 1;
}

static int catch_signals(struct ym_err *err)
{
	static const int ignored[] = {SIGINT, SIGQUIT, SIGHUP, SIGPIPE};
	/* msgrcv is never restarted; the calls of a task are. */
	struct sigaction note = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
	struct sigaction knock = {.sa_handler = note_knock, .sa_flags = SA_RESTART};
	/* To this thread, with a signal of our own: alarm() and the threads of a plugin are left alone. */
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = KNOCK_SIGNAL};

	event._sigev_un._tid = gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, &knocker) < 0)
		return ym_fail(err, YM_ERR_SYSTEM, "timer_create() failed");
	sigaction(KNOCK_SIGNAL, &knock, NULL);
	sigaction(SIGTERM, &note, NULL);
	sigaction(SIGUSR1, &note, NULL);
	/* Ctrl-C and a lost terminal: what follows from them is the master's decision. */
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	return 0;
}

/* ---- the board ------------------------------------------------------------------------------- */

static void show_since(struct worker *worker, enum board_worker_state state, uint64_t since)
{
	worker->work.state = state;
	worker->work.since = since;
	board_publish(&worker->row->work, &worker->row->work_version, &worker->work);
}

static void show(struct worker *worker, enum board_worker_state state)
{
	show_since(worker, state, ym_now_ns());
}

static void show_job(struct worker *worker, const struct ym_job *job)
{
	worker->work.job = job->id;
	worker->work.job_started = job->started;
	worker->work.job_slot = job->slot;
	worker->work.attempt = (uint16_t)word_attempt(job->word);
	worker->work.attempts = (uint16_t)job->attempts;
	memcpy(worker->work.tag, job->tag, sizeof(worker->work.tag));
	show_since(worker, BOARD_WORKER_BUSY, job->started);
}

static void show_jobless(struct worker *worker, enum board_worker_state state)
{
	worker->work.job = 0;
	worker->work.attempt = worker->work.attempts = 0;
	memset(worker->work.tag, 0, sizeof(worker->work.tag));
	show(worker, state);
}

static void show_idle(struct worker *worker)
{
	show_jobless(worker, BOARD_WORKER_IDLE);
}

static void count(struct worker *worker, enum job_state state)
{
	switch (state) {
	case JOB_DONE:
		histogram_bump(&worker->row->counters[BOARD_DONE], 1);
		break;
	case JOB_CANCELLED:
		histogram_bump(&worker->row->counters[BOARD_CANCELLED], 1);
		break;
	case JOB_DELAYED:
	case JOB_READY:
		histogram_bump(&worker->row->counters[BOARD_RETRIED], 1);
		break;
	default:
		histogram_bump(&worker->row->counters[BOARD_FAILED], 1);
	}
}

/* ---- one job --------------------------------------------------------------------------------- */

static void finish_job(struct worker *worker, struct ym_job *job, int outcome)
{
	struct job_report report;
	enum job_state state;
	bool give_back;

	job_report(job, outcome, &report, &give_back);
	if (give_back) {
		dispatch_return(&worker->instance, job->slot, job->word);
	} else if (dispatch_finish(&worker->instance, job->slot, job->word, &report, &state)) {
		count(worker, state);
		/* In a store a wall clock says when it was ready. */
		histogram_add(&worker->times->wait, job->started > job->ready ? job->started - job->ready : 0);
		histogram_add(&worker->times->run, report.ended - job->started);
	} else {
		/* We are to be killed for it: not over another job. */
		worker->revoked = true;
		fprintf(stderr, "job %llu: the result comes too late and is not used\n", (unsigned long long)job->id);
	}
}

static void run_job(struct worker *worker, uint32_t slot, uint64_t word)
{
	struct ym_job job;
	struct ym_err err;
	int outcome = YM_FAIL;

	if (job_begin(&job, &worker->instance, worker->row, &stop_noted, slot, word, &err) == 0) {
		job.work = &worker->work;
		show_job(worker, &job);
		in_task = 1;
		/* A signal that came before this line may have started the knocking. */
		if (look_noted || worker->adopted)
			knock_every(0);
		outcome = worker->host.plugin->run(&job);
		in_task = 0;
		if (worker->adopted)
			knock_every(ORPHAN_NS);
	} else {
		ym_error(&job, "%s", err.text);
	}
	finish_job(worker, &job, outcome);
	job_end(&job);
}

static bool told_to_end(const struct worker *worker)
{
	return stop_noted || worker->revoked || worker->recycled ||
	       atomic_load(&worker->row->order) == BOARD_ORDER_RETIRE;
}

/* The board says what it waits for. */
static void show_held(void *arg, unsigned limit)
{
	struct worker *worker = arg;

	worker->work.limit = limit == LIMIT_POOL_RATE ? BOARD_POOL_RATE : (uint16_t)(limit + 1);
	show_jobless(worker, BOARD_WORKER_HELD);
	/* As before a sleep in the queue: an order that came while it seemed busy was given without a signal. */
	atomic_thread_fence(memory_order_seq_cst);
	if (told_to_end(worker))
		knock_every(KNOCK_NS);
}

/*
 * The limits are taken before a job: all jobs of a pool need the same ones, so a job never waits in the hands of a worker,
 * and the one that is taken in the end is the first in line by then. 0 taken, 1 a signal came, -1 they cannot be used.
 */
static int take_limits(struct worker *worker, struct ym_err *err)
{
	int result = limit_set_take(&worker->limits, show_held, worker, err);

	if (result < 0) {
		/* With all the rest: made again, it would stay behind when we have gone. */
		if (instance_gone(&worker->instance, err))
			return -1;
		/* Somebody removed the semaphore (a script's sem_remove): attach to what is behind the key now. */
		limit_set_close(&worker->limits);
		result = limit_set_open(&worker->limits, worker->instance.table, worker->pool, err);
		if (result == 0)
			result = limit_set_take(&worker->limits, show_held, worker, err);
	}
	if (worker->work.state == BOARD_WORKER_HELD) {
		worker->work.limit = 0;
		show_idle(worker);
	}
	return result;
}

/* ---- without its master ----------------------------------------------------------------------- */

/*
 * The master that started this worker is gone. Without one it goes on working, but not for ever; the next one takes it
 * over without a word, so it asks whether there is one: the kernel knows whether somebody leads.
 */
static bool orphaned_too_long(struct worker *worker)
{
	uint64_t beat = atomic_load(&worker->instance.board->instance.beat);
	int leader;

	worker->adopted = true;
	leader = ym_sem_value(worker->instance.group.semid, YM_GROUP_LEADER);
	/* The generation was removed: no master comes to this one any more. */
	if (leader < 0)
		return true;
	if (leader > 0) {
		worker->orphan_since = 0;
		return false;
	}
	if (worker->orphan_since == 0)
		worker->orphan_since = ym_now_ns();
	/* There may have been one between two looks. */
	if (worker->orphan_since < beat)
		worker->orphan_since = beat;
	return ym_now_ns() - worker->orphan_since > (uint64_t)worker->brief.numbers.orphan_ms * 1000000u;
}

/* ---- recycling ------------------------------------------------------------------------------- */

/* Not with the others that were started at the same time: up to `percent` less. */
static uint64_t drawn(int64_t most, int64_t percent)
{
	uint64_t span = (uint64_t)most / 100 * (uint64_t)percent + (uint64_t)most % 100 * (uint64_t)percent / 100;
	uint64_t dice = ((uint64_t)arc4random() << 32) | arc4random();

	if (most == 0)
		return UINT64_MAX;
	return (uint64_t)most - (span ? dice % (span + 1) : 0);
}

/* After each job a look would cost more than many a job. */
static bool too_large(struct worker *worker)
{
	uint64_t now;

	if (worker->memory_max == UINT64_MAX)
		return false;
	now = ym_now_ns();
	if (now - worker->memory_look < MEMORY_LOOK_NS)
		return false;
	worker->memory_look = now;
	return ym_process_resident(getpid()) > worker->memory_max;
}

static struct table_pool_sh *pool_row(const struct worker *worker)
{
	return &worker->instance.table->pools[worker->pool];
}

static void consider_recycling(struct worker *worker)
{
	enum board_recycled why = BOARD_RECYCLED_NOT;

	if (worker->jobs_left != UINT64_MAX && worker->jobs_left > 0)
		worker->jobs_left--;
	if (worker->jobs_left == 0)
		why = BOARD_RECYCLED_JOBS;
	else if (too_large(worker))
		why = BOARD_RECYCLED_MEMORY;
	if (why == BOARD_RECYCLED_NOT)
		return;
	/* Without a master nobody would take its place. While too many are replaced it tries again after its next job. */
	if (getppid() != worker->master)
		orphaned_too_long(worker);
	worker->recycled = !worker->orphan_since && permit_take(pool_row(worker), worker->row, why);
}

static int take_job(struct worker *worker, struct ym_err *err)
{
	uint32_t slot;
	uint64_t word;

	int taken = take_limits(worker, err);

	if (taken != 0)
		return taken < 0 ? -1 : 0;
	if (!ready_take(&worker->instance, worker->pool, &slot, &word)) {
		limit_set_return(&worker->limits);
		return 0;
	}
	run_job(worker, slot, word);
	limit_set_give(&worker->limits);
	consider_recycling(worker);
	return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

/* Between two jobs: costs nothing while no signal has come. */
static bool must_end(struct worker *worker)
{
	/* The order of "idle on the board" and this look matters: see board_retire(). */
	atomic_thread_fence(memory_order_seq_cst);
	if (told_to_end(worker))
		return true;
	if (!look_noted)
		return false;
	look_noted = 0;
	if (getppid() != worker->master) {
		knock_every(ORPHAN_NS);
		return orphaned_too_long(worker);
	}
	/* A false alarm. A signal that came since the first line must go on knocking. */
	knock_every(0);
	if (look_noted)
		knock_every(KNOCK_NS);
	return false;
}

static int work_loop(struct worker *worker, struct ym_err *err)
{
	while (!must_end(worker)) {
		int result = 0;

		if (ready_any(&worker->instance, worker->pool))
			result = take_job(worker, err);
		else if (worker->work.state != BOARD_WORKER_IDLE)
			/* From one job to the next it is not idle; before it sleeps it looks at its orders once more. */
			show_idle(worker);
		else
			result = ready_sleep(&worker->instance, worker->pool, err);
		if (result < 0)
			return -1;
	}
	/* Perhaps a token came for a job that this worker does not take any more. */
	if (ready_any(&worker->instance, worker->pool))
		ready_wake(&worker->instance, worker->pool, 1);
	return 0;
}

static int load_task(struct worker *worker, struct ym_err *err)
{
	if (worker->brief.plugin[0])
		return plugin_load(&worker->host, worker->brief.plugin, err);
	worker->host.plugin = &command_task;
	return 0;
}

static int attach(struct worker *worker, unsigned row, struct ym_err *err)
{
	struct ym_option *options = calloc(worker->brief.noptions + 1, sizeof(*options));
	int pool;

	if (!options)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	/* Stays for the life of the worker: the plugin may keep pointers to its options. */
	for (size_t i = 0; i < worker->brief.noptions; i++)
		options[i] = (struct ym_option){worker->brief.options[i].key, worker->brief.options[i].value};
	worker->config = (struct ym_plugin_config){worker->brief.pool, options, worker->brief.noptions};
	if (instance_locate(&worker->instance, worker->brief.instance, worker->brief.directory, err) < 0 ||
	    instance_join(&worker->instance, "worker", NULL, err) < 0)
		return -1;
	pool = table_pool(worker->instance.table, worker->brief.pool);
	if (pool < 0 || row >= worker->instance.board->instance.rows)
		return ym_fail(err, YM_ERR_BUG, "the instance has no pool %s or no board row %u", worker->brief.pool,
		               row);
	worker->pool = (unsigned)pool;
	worker->master = atomic_load(&worker->instance.board->instance.master);
	worker->row = &worker->instance.board->workers[row];
	worker->times = board_times(worker->instance.board, row);
	worker->work = (struct board_work){
	    .pid = getpid(),
	    .process_started = ym_process_started(getpid()),
	    .slot = worker->instance.group.slot,
	    .pool = worker->pool,
	    .build = (uint32_t)worker->brief.numbers.build,
	};
	worker->jobs_left = drawn(worker->brief.numbers.max_jobs, worker->brief.numbers.jitter);
	worker->memory_max = drawn(worker->brief.numbers.max_memory, worker->brief.numbers.jitter);
	/*
	 * The next master gives rows of dead workers away. It waits for participants that are on their way to their
	 * row, so asking before and after is enough (see await_starting() in runtime/ground.c).
	 */
	if (getppid() == worker->master)
		show(worker, BOARD_WORKER_STARTING);
	if (getppid() != worker->master) {
		worker->row = NULL;
		return ym_fail(err, YM_ERR_GONE, "the master that started this worker is gone");
	}
	if (load_task(worker, err) < 0 || plugin_open(&worker->host, &worker->config, err) < 0 ||
	    limit_set_open(&worker->limits, worker->instance.table, worker->pool, err) < 0)
		return -1;
	return 0;
}

static int work(struct worker *worker, struct ym_err *err)
{
	int result;

	close(BRIEF_FD);
	/* The one before it on this row has been replaced by now. */
	permit_return(pool_row(worker), worker->row);
	show_idle(worker);
	/* The master counts with it from now on. */
	bell_ring(worker->instance.directory);
	result = work_loop(worker, err);
	show(worker, BOARD_WORKER_STOPPING);
	in_task = 1;
	knock_every(0);
	plugin_close(&worker->host);
	if (instance_gone(&worker->instance, NULL))
		limit_set_abandon(&worker->limits);
	else
		limit_set_close(&worker->limits);
	/* One that had to give up is not started again at once: see got_ready() in runtime/place.c. */
	show(worker, result < 0 ? BOARD_WORKER_FAILED : BOARD_WORKER_ENDED);
	return result;
}

int worker_main(unsigned row)
{
	struct worker worker = {.instance.group.semid = -1};
	struct ym_err err = {0};
	int result;

	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stderr, NULL, _IOLBF, 0);
	result = catch_signals(&err);
	if (result == 0)
		result = brief_read(BRIEF_FD, &worker.brief, &err);
	if (result == 0)
		result = attach(&worker, row, &err);
	if (result == 0)
		result = work(&worker, &err);
	else if (worker.row)
		show(&worker, BOARD_WORKER_FAILED);
	if (result < 0)
		fprintf(stderr, "%s\n", err.text);
	instance_leave(&worker.instance, NULL, NULL);
	free((void *)worker.config.options);
	brief_free(&worker.brief);
	return result < 0 ? ym_err_exit_code(err.class) : 0;
}

int worker_probe(const char *path)
{
	struct plugin_host host;
	struct ym_err err;

	if (plugin_load(&host, path, &err) == 0)
		return 0;
	fprintf(stderr, "%s\n", err.text);
	return ym_err_exit_code(err.class);
}
