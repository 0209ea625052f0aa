/* child.c - the life of a worker as its master sees it. */
#include "child.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "log.h"
#include "master.h"
#include "pool.h"
#include "spawn.h"
#include "text.h"

/* From SIGTERM to SIGKILL: time for a task that looks at ym_cancelled() to clean up. */
#define KILL_AFTER_MS 5000

static void timer_fired(uv_timer_t *timer);

void child_init(struct child *child, struct pool *pool, unsigned row)
{
	*child = (struct child){.pool = pool, .row = row};
	uv_timer_init(&pool->master->loop, &child->timer);
	child->timer.data = child;
}

static struct board_worker_sh *board_row(const struct child *child)
{
	return &child->pool->master->instance.board->workers[child->row];
}

/* ---- the end of a worker --------------------------------------------------------------------- */

/* The job's last words: what the board says, how far it was. */
static void keep_progress(const struct child *child, const struct board_work *work, struct sweep_death *death)
{
	struct board_progress progress;

	death->job = work->job;
	if (!work->job || !board_read_progress(board_row(child), &progress) || progress.job != work->job ||
	    progress.attempt != work->attempt)
		return;
	death->done = progress.done;
	death->total = progress.total;
	text_copy(death->unit, sizeof(death->unit), progress.unit);
	text_copy(death->process.note, sizeof(death->process.note), progress.note);
	if (child->tail_job == work->job && child->tail_attempt == work->attempt)
		memcpy(death->process.output, child->tail, sizeof(death->process.output));
}

static void say_cause(const struct child *child, struct sweep_death *death, const char *how)
{
	char text[2 * JOB_ERROR_MAX];

	if (child->killed)
		snprintf(text, sizeof(text), "the instance was stopped before it was done");
	else if (death->done > 0)
		snprintf(text, sizeof(text), "worker %ld %s at %llu/%llu%s%.11s %.60s", (long)death->pid, how,
		         (unsigned long long)death->done, (unsigned long long)death->total, death->unit[0] ? " " : "",
		         death->unit, death->process.note);
	else
		snprintf(text, sizeof(text), "worker %ld %s", (long)death->pid, how);
	text_copy(death->cause, sizeof(death->cause), text);
}

/* Keep the reason for the sweep, which finds the job by the participant slot of its dead owner. */
static void keep_cause(struct child *child, pid_t pid, int status, const struct rusage *usage)
{
	struct master *master = child->pool->master;
	struct board_work work;
	struct sweep_death *death;
	char how[80];

	if (!board_read_work(board_row(child), &work) || work.pid != pid ||
	    work.slot >= master->instance.group.capacity)
		return;
	death = &master->deaths[work.slot];
	*death = (struct sweep_death){
	    .blameless = child->killed, .pid = pid, .process = {.status = status, .usage = *usage}};
	keep_progress(child, &work, death);
	spawn_status_text(status, how, sizeof(how));
	say_cause(child, death, how);
	/* A command outlives the worker that is killed only if it has children of its own. */
	if (work.group > 0)
		kill(-work.group, SIGKILL);
}

void child_note_death(struct child *child)
{
	struct rusage usage;
	int status;

	if (child->process && process_ended(child->process, &status, &usage))
		keep_cause(child, process_pid(child->process), status, &usage);
}

/* Did the worker `pid` get as far as waiting for jobs? */
static bool was_ready(const struct child *child, pid_t pid, bool *had_job)
{
	struct board_work work;

	*had_job = false;
	if (!board_read_work(board_row(child), &work) || work.pid != pid || work.state == BOARD_WORKER_STARTING ||
	    work.state == BOARD_WORKER_FAILED)
		return false;
	*had_job = work.job != 0;
	return true;
}

unsigned child_failing(const struct child *child)
{
	bool had_job;

	return child->process && was_ready(child, process_pid(child->process), &had_job) ? 0 : child->failing;
}

static uint64_t restart_delay(const struct child *child)
{
	const struct cfg_pool *config = child->pool->config;
	uint64_t delay = (uint64_t)config->process.restart_delay_ms, most = (uint64_t)config->process.restart_max_delay_ms;

	for (unsigned i = 1; i < child->failing && delay < most; i++)
		delay *= 2;
	return delay < most ? delay : most;
}

static void come_back(struct child *child, pid_t pid, const char *how)
{
	uint64_t lived = ym_now_ns() - child->started;
	bool had_job, ready = was_ready(child, pid, &had_job);

	/* One that dies young and without a job would die again. */
	if ((ready && had_job) || lived >= (uint64_t)child->pool->config->process.startsecs_ms * 1000000u) {
		child->failing = 0;
		child->state = CHILD_STOPPED;
		child_start(child);
		return;
	}
	child->failing++;
	child->state = CHILD_BACKOFF;
	log_line(LOG_WARN, "pool %s: worker %u %s after %llu ms: next try in %llu ms", child->pool->config->name,
	         child->row, how, (unsigned long long)(lived / 1000000u), (unsigned long long)restart_delay(child));
	uv_timer_start(&child->timer, timer_fired, restart_delay(child), 0);
}

static void ended(void *arg, pid_t pid, int status, const struct rusage *usage)
{
	struct child *child = arg;
	struct master *master = child->pool->master;
	struct board_pool_sh *row = &master->instance.board->pools[child->pool->index];
	bool peaceful = status == 0 || status == -1;
	char how[80];

	child->process = NULL;
	uv_timer_stop(&child->timer);
	spawn_status_text(status, how, sizeof(how));
	keep_cause(child, pid, status, usage);
	child->tail_job = 0;
	if (!peaceful)
		atomic_fetch_add(&row->crashes, 1);
	log_line(peaceful ? LOG_INFO : LOG_WARN, "pool %s: worker %u (pid %ld) %s", child->pool->config->name,
	         child->row, (long)pid, how);
	if (child->state == CHILD_STOPPING || child->extra || master->stopping) {
		child->state = CHILD_STOPPED;
		master_sweep_soon(master);
		master_child_gone(master);
		return;
	}
	/* First the replacement, then the books: the job itself waits for nobody in particular. */
	come_back(child, pid, how);
	master_sweep_soon(master);
}

/* Keep the last lines of the running job, as many as fit. */
static void keep_line(struct child *child, const char *text, size_t length)
{
	size_t used, most = sizeof(child->tail) - 1;
	struct board_work work;

	if (!board_read_work(board_row(child), &work) || work.job == 0)
		return;
	if (work.job != child->tail_job || work.attempt != child->tail_attempt)
		child->tail[0] = '\0';
	child->tail_job = work.job;
	child->tail_attempt = work.attempt;
	if (length + 1 > most) {
		text += length + 1 - most;
		length = most - 1;
	}
	used = strlen(child->tail);
	while (used + length + 1 > most) {
		const char *second = strchr(child->tail, '\n');

		second = second ? second + 1 : child->tail + used;
		used -= (size_t)(second - child->tail);
		memmove(child->tail, second, used + 1);
	}
	memcpy(child->tail + used, text, length);
	child->tail[used + length] = '\n';
	child->tail[used + length + 1] = '\0';
}

static void line(void *arg, const char *text, size_t length)
{
	struct child *child = arg;

	keep_line(child, text, length);
	log_child(child->pool->config->name, child->row, text, length);
}

static const struct process_events events = {.line = line, .ended = ended};

/* ---- start ----------------------------------------------------------------------------------- */

static int spawn_worker(struct child *child, struct ym_err *err)
{
	struct master *master = child->pool->master;
	char title[2 * TABLE_NAME_MAX], number[16];
	char *argv[] = {(char[]){"yardmaster"}, (char[]){"worker"}, title, number, NULL};
	int pidfd, output;
	struct spawn spawn = {.argv = argv, .brief = child->pool->brief, .output = &output};
	pid_t pid;

	snprintf(title, sizeof(title), "%s/%s", master->instance.name, child->pool->config->name);
	snprintf(number, sizeof(number), "%u", child->row);
	atomic_store(&board_row(child)->order, BOARD_ORDER_WORK);
	atomic_store(&board_row(child)->used, 1);
	pid = spawn_self(&spawn, &pidfd, err);
	if (pid < 0)
		return -1;
	child->process = process_watch(&master->loop, pid, pidfd, output, &events, child);
	if (child->process)
		return 0;
	spawn_signal(pidfd, SIGKILL);
	close(pidfd);
	close(output);
	return ym_fail(err, YM_ERR_LIMIT, "out of memory for a worker");
}

void child_start(struct child *child)
{
	struct ym_err err;

	if (child->state != CHILD_STOPPED && child->state != CHILD_BACKOFF)
		return;
	child->started = ym_now_ns();
	if (spawn_worker(child, &err) == 0) {
		child->state = CHILD_RUNNING;
		log_line(LOG_INFO, "pool %s: worker %u started (pid %ld)", child->pool->config->name, child->row,
		         (long)process_pid(child->process));
		return;
	}
	child->failing++;
	child->state = CHILD_BACKOFF;
	log_line(LOG_ERROR, "pool %s: worker %u cannot be started: %s: next try in %llu ms", child->pool->config->name,
	         child->row, err.text, (unsigned long long)restart_delay(child));
	uv_timer_start(&child->timer, timer_fired, restart_delay(child), 0);
}

bool child_adopt(struct child *child)
{
	struct master *master = child->pool->master;
	struct board_work work;
	int pidfd;

	if (!board_read_work(board_row(child), &work) || !ym_group_alive(&master->instance.group, work.slot))
		return false;
	pidfd = spawn_open_process(work.pid, work.process_started);
	if (pidfd < 0)
		return false;
	child->process = process_watch(&master->loop, work.pid, pidfd, -1, &events, child);
	if (!child->process) {
		close(pidfd);
		return false;
	}
	child->state = CHILD_RUNNING;
	child->started = 0;
	if (board_retire(board_row(child)))
		process_signal(child->process, SIGUSR1);
	log_line(LOG_INFO, "pool %s: worker %u (pid %ld) of the last master is taken over until its job is over",
	         child->pool->config->name, child->row, (long)work.pid);
	return true;
}

/* ---- stop ------------------------------------------------------------------------------------ */

void child_stop(struct child *child)
{
	if (child->state == CHILD_BACKOFF || child->state == CHILD_STOPPED) {
		uv_timer_stop(&child->timer);
		child->state = CHILD_STOPPED;
		return;
	}
	if (child->state != CHILD_RUNNING)
		return;
	child->state = CHILD_STOPPING;
	child->pressed = 0;
	if (board_retire(board_row(child)))
		process_signal(child->process, SIGUSR1);
	uv_timer_start(&child->timer, timer_fired, (uint64_t)child->pool->config->process.stopwaitsecs_ms, 0);
}

void child_press(struct child *child)
{
	if (child->state != CHILD_STOPPING || !child->process)
		return;
	if (child->pressed++ == 0) {
		log_line(LOG_INFO, "pool %s: worker %u (pid %ld) still has a job: asking it to give up",
		         child->pool->config->name, child->row, (long)process_pid(child->process));
		process_signal(child->process, SIGTERM);
		uv_timer_start(&child->timer, timer_fired, KILL_AFTER_MS, 0);
		return;
	}
	log_line(LOG_WARN, "pool %s: worker %u (pid %ld) does not stop: killing it", child->pool->config->name,
	         child->row, (long)process_pid(child->process));
	child->killed = true;
	process_signal(child->process, SIGKILL);
}

void child_signal(struct child *child, int signo)
{
	if (child->process)
		process_signal(child->process, signo);
}

static void timer_fired(uv_timer_t *timer)
{
	struct child *child = timer->data;

	if (child->state == CHILD_BACKOFF)
		child_start(child);
	else
		child_press(child);
}
