/* place.c - launch a worker, take leave of it, and everything between. */
#include "place.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "brief.h"
#include "handover.h"
#include "launch.h"
#include "log.h"
#include "permit.h"
#include "pool.h"
#include "spawn.h"
#include "text.h"

/* From SIGTERM to SIGKILL: time for a task that looks at ym_cancelled() to clean up. */
#define PLACE_KILL_AFTER_MS 5000
/* One that hangs in its last moments, in a driver or a file system: its jobs do not wait for it any longer. */
#define PLACE_ENDING_NS UINT64_C(2000000000)

static struct place *of(struct child *child)
{
	return child_owner(child, struct place, child);
}

static struct board_worker_sh *board_row(const struct place *place)
{
	return &place->pool->yard->instance->board->workers[place->row];
}

static struct table_pool_sh *table_row(const struct place *place)
{
	return &place->pool->yard->instance->table->pools[place->pool->index];
}

static bool work_of(const struct place *place, pid_t pid, struct board_work *work)
{
	return pid != 0 && board_read_work(board_row(place), work) && work->pid == pid;
}

bool place_row_alive(const struct instance *instance, unsigned row, struct board_work *work)
{
	const struct board_worker_sh *sh = &instance->board->workers[row];

	return atomic_load(&sh->used) && board_read_work(sh, work) && work->pid != 0 &&
	       work->state != BOARD_WORKER_ENDED && work->state != BOARD_WORKER_FAILED &&
	       ym_group_alive(&instance->group, work->slot) && ym_process_started(work->pid) == work->process_started;
}

bool place_work(const struct place *place, struct board_work *work)
{
	return work_of(place, child_pid(&place->child), work);
}

static bool got_ready(const struct board_work *work)
{
	return work->state != BOARD_WORKER_NONE && work->state != BOARD_WORKER_STARTING &&
	       work->state != BOARD_WORKER_FAILED;
}

bool place_is_ready(const struct place *place)
{
	struct board_work work;

	return place_work(place, &work) && got_ready(&work);
}

/* ---- the end of a worker --------------------------------------------------------------------- */

/* The job's last words: what the board says, how far it was. */
static void keep_progress(const struct place *place, const struct board_work *work, struct sweep_death *death)
{
	struct board_progress progress;

	death->job = work->job;
	if (!work->job || !board_read_progress(board_row(place), &progress) || progress.job != work->job ||
	    progress.attempt != work->attempt)
		return;
	death->done = progress.done;
	death->total = progress.total;
	text_copy(death->unit, sizeof(death->unit), progress.unit);
	text_copy(death->process.note, sizeof(death->process.note), progress.note);
	if (place->tail_job == work->job && place->tail_attempt == work->attempt)
		memcpy(death->process.output, place->tail, sizeof(death->process.output));
}

static void say_cause(const struct place *place, struct sweep_death *death, const char *how)
{
	char text[2 * JOB_ERROR_MAX], size[TEXT_MAX], most[TEXT_MAX];

	if (place->child.killed)
		snprintf(text, sizeof(text), "the instance was stopped before it was done");
	else if (place->too_large)
		snprintf(text, sizeof(text), "worker %ld %s: it had %s of memory, max_memory_hard is %s",
		         (long)death->pid, how, text_amount((double)place->too_large, true, size),
		         text_amount((double)place->pool->config->max_memory_hard, true, most));
	else if (death->done > 0)
		snprintf(text, sizeof(text), "worker %ld %s at %llu/%llu%s%.11s %.60s", (long)death->pid, how,
		         (unsigned long long)death->done, (unsigned long long)death->total, death->unit[0] ? " " : "",
		         death->unit, death->process.note);
	else if (death->process.note[0])
		snprintf(text, sizeof(text), "worker %ld %s at \"%.60s\"", (long)death->pid, how, death->process.note);
	else
		snprintf(text, sizeof(text), "worker %ld %s", (long)death->pid, how);
	text_copy(death->cause, sizeof(death->cause), text);
}

/* Keep the reason for the sweep, which finds the job by the participant slot of its dead owner. */
static void keep_cause(struct place *place, pid_t pid, int status, const struct rusage *usage)
{
	struct yard *yard = place->pool->yard;
	struct board_work work;
	struct sweep_death *death;
	char how[80];

	if (yard->lost || !work_of(place, pid, &work) || work.slot >= yard->instance->group.capacity)
		return;
	death = &yard->deaths[work.slot];
	*death = (struct sweep_death){.blameless = place->child.killed, .pid = pid, .process = {.status = status}};
	if (usage)
		death->process.usage = *usage;
	keep_progress(place, &work, death);
	spawn_status_text(status, how, sizeof(how));
	say_cause(place, death, how);
	/* A command outlives the worker that is killed only if it has children of its own. Long afterwards: who knows. */
	if (work.group > 0 && usage)
		kill(-work.group, SIGKILL);
}

/* One that ends in order shows its last job to the end, but is at work no more. */
static bool at_work(const struct board_work *work)
{
	return work->job != 0 && work->state == BOARD_WORKER_BUSY;
}

/* For the flight recorder: its row is another worker's in a moment. */
static void record_crash(const struct place *place, pid_t pid, int status)
{
	struct yard *yard = place->pool->yard;
	struct board_crash crash = {.at = ym_now_ns(), .status = status, .row = place->row};
	char how[80];

	text_copy(crash.pool, sizeof(crash.pool), place->pool->config->name);
	spawn_status_text(status, how, sizeof(how));
	snprintf(crash.cause, sizeof(crash.cause), "worker %ld %s", (long)pid, how);
	/* One that died before it came to its row is known by its pid alone. */
	crash.work.pid = pid;
	if (!yard->lost && work_of(place, pid, &crash.work)) {
		if (crash.work.slot < yard->instance->group.capacity && yard->deaths[crash.work.slot].pid == pid)
			text_copy(crash.cause, sizeof(crash.cause), yard->deaths[crash.work.slot].cause);
		if (!board_read_progress(board_row(place), &crash.progress) || crash.progress.job != crash.work.job ||
		    crash.progress.attempt != crash.work.attempt)
			crash.progress = (struct board_progress){0};
	}
	atomic_fetch_add(&yard->instance->board->pools[place->pool->index].crashes, 1);
	board_note_crash(yard->instance->board, &crash);
}

bool place_is_ending(struct place *place)
{
	struct rusage usage;
	int status;

	if (!place->child.process || child_has_ended(&place->child, &status, &usage))
		return false;
	if (place->ending == 0)
		place->ending = ym_now_ns();
	return ym_now_ns() < place->ending + PLACE_ENDING_NS;
}

void place_note_death(struct place *place)
{
	struct rusage usage;
	int status;

	if (child_has_ended(&place->child, &status, &usage))
		keep_cause(place, child_pid(&place->child), status, &usage);
}

void place_note_lost(struct pool *pool, unsigned row)
{
	const struct ym_group *group = &pool->yard->instance->group;
	struct place lost = {.pool = pool, .row = row};
	struct board_work work;

	if (board_read_work(board_row(&lost), &work) && work.pool == pool->index && at_work(&work) &&
	    work.slot < group->capacity && !ym_group_alive(group, work.slot) &&
	    atomic_load(&group->reg->members[work.slot].pid) == work.pid) {
		keep_cause(&lost, work.pid, -1, NULL);
		record_crash(&lost, work.pid, -1);
	}
}

/* It has worked, and then taken the permit to be replaced. */
static bool was_recycled(const struct place *place)
{
	struct pool *pool = place->pool;
	unsigned why = atomic_load(&board_row(place)->recycled);

	if (why == BOARD_RECYCLED_NOT)
		return false;
	atomic_fetch_add(&pool->yard->instance->board->pools[pool->index].recycled, 1);
	log_line(LOG_INFO, "%s (pid %ld) is recycled: %s", place->child.name, (long)child_pid(&place->child),
	         board_recycled_word(why));
	return true;
}

static bool ended(struct child *child, pid_t pid, int status, const struct rusage *usage)
{
	struct place *place = of(child);
	struct board_work work = {0};
	bool ready, recycled;

	keep_cause(place, pid, status, usage);
	place->tail_job = 0;
	place->too_large = place->ending = 0;
	ready = work_of(place, pid, &work) && got_ready(&work);
	if ((status != 0 && status != -1) || at_work(&work))
		record_crash(place, pid, status);
	recycled = ready && was_recycled(place);
	/* The loop may hear of the end before the look that would have seen it ready. */
	if (ready && child->life.state == LIFE_STARTING)
		child_event(child, LIFE_ON_READY);
	return ready && (work.job != 0 || recycled);
}

/* ---- its lines ------------------------------------------------------------------------------- */

/* Keep the last lines of the running job, as many as fit. */
static void keep_line(struct place *place, const char *text, size_t length)
{
	size_t used, most = sizeof(place->tail) - 1;
	struct board_work work;

	if (!board_read_work(board_row(place), &work) || work.job == 0)
		return;
	if (work.job != place->tail_job || work.attempt != place->tail_attempt)
		place->tail[0] = '\0';
	place->tail_job = work.job;
	place->tail_attempt = work.attempt;
	if (length + 1 > most) {
		text += length + 1 - most;
		length = most - 1;
	}
	used = strlen(place->tail);
	while (used + length + 1 > most) {
		const char *second = strchr(place->tail, '\n');

		second = second ? second + 1 : place->tail + used;
		used -= (size_t)(second - place->tail);
		memmove(place->tail, second, used + 1);
	}
	memcpy(place->tail + used, text, length);
	place->tail[used + length] = '\n';
	place->tail[used + length + 1] = '\0';
}

static void line(struct child *child, enum process_stream stream, const char *text, size_t length)
{
	struct place *place = of(child);
	struct pool *pool = place->pool;
	char who[2 * TABLE_NAME_MAX];

	keep_line(place, text, length);
	snprintf(who, sizeof(who), "%s/%u", pool->config->name, place->row);
	child_log_line(stream == PROCESS_ERRORS && pool->errors ? pool->errors : pool->output, who, text, length);
}

/* ---- start and stop -------------------------------------------------------------------------- */

/* Not at the same moment as the others that were started with it. */
static uint64_t age_limit(const struct pool *pool)
{
	uint64_t ns = (uint64_t)pool->config->max_age_ms * 1000000u, jitter;

	if (ns == 0)
		return YM_NEVER;
	jitter = ns / 100 * (uint64_t)pool->config->recycle_jitter;
	return ym_now_ns() + ns - (jitter ? (((uint64_t)arc4random() << 32) | arc4random()) % jitter : 0);
}

static pid_t launch_worker(struct child *child, struct process_fds *fds, struct ym_err *err)
{
	struct place *place = of(child);
	struct pool *pool = place->pool;
	char title[2 * TABLE_NAME_MAX], number[16];
	char *argv[] = {(char[]){"yardmaster"}, (char[]){"worker"}, title, number, NULL};
	struct launch_fd brief = {pool->outfit.brief, BRIEF_FD};
	struct launch how = {
	    .argv = argv,
	    .persona = pool->outfit.persona,
	    .fds = &brief,
	    .nfds = 1,
	    .output = &fds->streams[PROCESS_OUTPUT],
	    .errors = pool->errors ? &fds->streams[PROCESS_ERRORS] : NULL,
	};

	snprintf(title, sizeof(title), "%s/%s", pool->yard->instance->name, pool->config->name);
	snprintf(number, sizeof(number), "%u", place->row);
	atomic_store(&board_row(place)->order, BOARD_ORDER_WORK);
	atomic_store(&board_row(place)->used, 1);
	place->build = pool->outfit.build;
	place->old = false;
	place->oldest = age_limit(pool);
	return launch(&how, &fds->pidfd, err);
}

static void retire(struct child *child)
{
	if (board_retire(board_row(of(child))))
		child_signal(child, SIGUSR1);
}

static int64_t press(struct child *child, unsigned step)
{
	struct place *place = of(child);
	const struct cfg_process *policy = child->life.policy;

	switch (step) {
	case 0:
		retire(child);
		return policy->stopwaitsecs_ms;
	case 1:
		log_line(LOG_INFO, "%s (pid %ld) still has a job: asking it to give up", child->name,
		         (long)child_pid(child));
		child_signal(child, SIGTERM);
		return PLACE_KILL_AFTER_MS;
	default:
		log_line(LOG_WARN, "%s (pid %ld) does not stop: killing it", place->child.name, (long)child_pid(child));
		child_kill(child);
		return -1;
	}
}

static void changed(struct child *child, enum life_state from)
{
	struct place *place = of(child);
	enum life_state state = child->life.state;

	(void)from;
	/* One that does not come back, or not soon, must not keep others from being recycled. */
	if (state == LIFE_BACKOFF || state == LIFE_EXITED || state == LIFE_FATAL ||
	    (state == LIFE_STOPPED && !child->life.again))
		permit_return(table_row(place), board_row(place));
}

static const struct child_ops ops = {
    .launch = launch_worker, .press = press, .retire = retire, .line = line, .ended = ended, .changed = changed};

struct place *place_make(struct pool *pool, unsigned row)
{
	struct place *place = calloc(1, sizeof(*place));

	if (!place)
		return NULL;
	child_init(&place->child, pool->yard, &ops, &pool->config->process);
	snprintf(place->child.name, sizeof(place->child.name), "pool %s: worker %u", pool->config->name, row);
	place->child.life.waits = true;
	place->pool = pool;
	place->row = row;
	place->oldest = YM_NEVER;
	pool->yard->rows[row] = YARD_ROW_OURS;
	return place;
}

static void closed(struct child *child)
{
	free(of(child));
}

void place_free(struct place *place)
{
	struct yard *yard = place->pool->yard;

	if (!place->child.process) {
		permit_return(table_row(place), board_row(place));
		board_fold(yard->instance->board, place->row, place->pool->index);
		atomic_store(&board_row(place)->used, 0);
		yard->rows[place->row] = YARD_ROW_FREE;
	}
	child_close(&place->child, closed);
}

/* ---- a worker of an earlier master ----------------------------------------------------------- */

bool place_adopt(struct place *place, const struct board_work *work)
{
	struct child *child = &place->child;
	struct process_fds fds = PROCESS_FDS_INIT;

	fds.pidfd = spawn_open_process(work->pid, work->process_started);
	if (fds.pidfd < 0)
		return false;
	fds.streams[PROCESS_OUTPUT] = spawn_open_output(work->pid, STDOUT_FILENO);
	if (place->pool->errors)
		fds.streams[PROCESS_ERRORS] = spawn_open_output(work->pid, STDERR_FILENO);
	if (!child_adopt(child, work->pid, &fds)) {
		process_fds_close(&fds);
		return false;
	}
	child->foreign = true;
	place->build = work->build;
	place->old =
	    work->build != place->pool->outfit.build || atomic_load(&board_row(place)->order) == BOARD_ORDER_RETIRE;
	place->oldest = age_limit(place->pool);
	child_event(child, LIFE_ON_ADOPT);
	log_line(LOG_INFO, "%s (pid %ld) of the last master is taken over%s", child->name, (long)work->pid,
	         place->old ? ", to be replaced: it was started with other options" : "");
	return true;
}

/* ---- over an upgrade ------------------------------------------------------------------------- */

bool place_hand_over(const struct place *place, struct handed *handed)
{
	text_copy(handed->unit, sizeof(handed->unit), place->pool->config->name);
	handed->number = place->row;
	handed->old = place->old;
	handed->build = place->build;
	handed->oldest = (int64_t)place->oldest;
	return handover_take(&place->child, handed);
}

bool place_resume(struct place *place, struct handed *handed)
{
	place->build = (uint32_t)handed->build;
	place->old = handed->old || (handed->pid && place->build != place->pool->outfit.build);
	place->oldest = (uint64_t)handed->oldest;
	if (handover_give(handed, &place->child))
		return true;
	log_line(LOG_ERROR, "%s (pid %lld) cannot be watched after the upgrade: it is to end", place->child.name,
	         (long long)handed->pid);
	return false;
}

/* ---- recycling ------------------------------------------------------------------------------- */

static void look_at_age(struct place *place)
{
	if (ym_now_ns() < place->oldest || !permit_take(table_row(place), board_row(place), BOARD_RECYCLED_AGE))
		return;
	child_event(&place->child, LIFE_ON_RETIRE);
	child_event(&place->child, LIFE_ON_START);
}

static void look_at_memory(struct place *place)
{
	uint64_t most = (uint64_t)place->pool->config->max_memory_hard, size;
	struct board_work work;

	if (most == 0 || place->too_large || !place_work(place, &work))
		return;
	size = ym_process_resident(work.pid) + (work.group > 0 ? ym_process_resident(work.group) : 0);
	if (size <= most)
		return;
	place->too_large = size;
	log_line(LOG_WARN, "%s (pid %ld) has %llu MiB of memory, more than max_memory_hard: killing it",
	         place->child.name, (long)work.pid, (unsigned long long)(size >> 20));
	child_signal(&place->child, SIGKILL);
}

/* It has no job any more, and closes its task: that has the time of a stop, and no more. */
static void look_at_close(struct place *place)
{
	bool recycled = atomic_load(&board_row(place)->recycled) != BOARD_RECYCLED_NOT;
	const struct life *life = &place->child.life;
	bool again = life->state == LIFE_RUNNING || life->again;
	struct board_work work;

	if (!(life->state == LIFE_RUNNING && recycled) && !(life->state == LIFE_STOPPING && life->quiet))
		return;
	if (!place_work(place, &work) || work.state != BOARD_WORKER_STOPPING)
		return;
	child_event(&place->child, LIFE_ON_STOP);
	if (again)
		child_event(&place->child, LIFE_ON_START);
}

void place_look(struct place *place)
{
	if (place->child.life.state == LIFE_STARTING && place_is_ready(place))
		child_event(&place->child, LIFE_ON_READY);
	look_at_close(place);
	if (place->child.life.state == LIFE_RUNNING && !place->old)
		look_at_age(place);
	if (place->child.process)
		look_at_memory(place);
}
