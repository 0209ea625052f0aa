/* child.c - from the loop to the life of a process and back. */
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "log.h"
#include "spawn.h"
#include "text.h"

static struct child *of(struct life *life)
{
	return child_owner(life, struct child, life);
}

pid_t child_pid(const struct child *child)
{
	return child->process ? process_pid(child->process) : 0;
}

void child_signal(struct child *child, int signo)
{
	if (child->process)
		process_signal(child->process, signo);
}

void child_kill(struct child *child)
{
	child->killed = true;
	child_signal(child, SIGKILL);
}

bool child_has_ended(struct child *child, int *status, struct rusage *usage)
{
	return child->process && process_ended(child->process, status, usage);
}

/* ---- from the process ------------------------------------------------------------------------ */

/* What it prints must not be able to move the cursor of who reads the reason later. */
static void keep_last(struct child *child, const char *text, size_t length)
{
	size_t used = 0;

	for (; used < length && used < sizeof(child->last) - 1; used++)
		child->last[used] = (char)((unsigned char)text[used] < 0x20 || text[used] == 0x7f ? ' ' : text[used]);
	child->last[used] = '\0';
}

static void line(void *arg, enum process_stream stream, const char *text, size_t length)
{
	struct child *child = arg;

	if (length > 0 && (stream == PROCESS_ERRORS || !child->complained))
		keep_last(child, text, length);
	child->complained = child->complained || (length > 0 && stream == PROCESS_ERRORS);
	child->ops->line(child, stream, text, length);
}

static void ready(void *arg)
{
	struct child *child = arg;

	if (child->life.state == LIFE_STARTING)
		child_event(child, LIFE_ON_READY);
}

static void say_end(const struct child *child, pid_t pid, int status, const char *how)
{
	bool wanted = child->life.state == LIFE_STOPPING && !child->killed;

	log_line(status == 0 || status == -1 || wanted ? LOG_INFO : LOG_WARN, "%s (pid %ld) %s", child->name, (long)pid,
	         how);
}

static void ended(void *arg, pid_t pid, int status, const struct rusage *usage)
{
	struct child *child = arg;
	char how[80], text[sizeof(how) + sizeof(child->last) + 8];
	struct life_exit exit = {.status = status, .text = text};

	spawn_status_text(status, how, sizeof(how));
	snprintf(text, sizeof(text), "%s%s%s", how, child->last[0] && status != 0 ? ": " : "",
	         status != 0 ? child->last : "");
	exit.excused = child->ops->ended(child, pid, status, usage);
	child->process = NULL;
	say_end(child, pid, status, how);
	life_event(&child->life, LIFE_ON_EXIT, &exit);
	yard_soon(child->yard);
}

static const struct process_events events = {.line = line, .ready = ready, .ended = ended};

/* ---- from the life --------------------------------------------------------------------------- */

static bool is_passing(const struct ym_err *err)
{
	return err->class == YM_ERR_LIMIT || err->sys == EMFILE || err->sys == ENFILE || err->sys == ENOMEM ||
	       err->sys == EAGAIN;
}

static bool launch(struct life *life)
{
	struct child *child = of(life);
	struct process_fds fds = PROCESS_FDS_INIT;
	struct ym_err err;
	pid_t pid;

	child->killed = child->foreign = false;
	child->last[0] = '\0';
	child->complained = false;
	pid = child->ops->launch(child, &fds, &err);
	if (pid >= 0) {
		child->process = process_watch(child->yard->loop, pid, &fds, &events, child);
		if (child->process) {
			log_line(LOG_INFO, "%s started (pid %ld)", child->name, (long)pid);
			return true;
		}
		spawn_signal(fds.pidfd, SIGKILL);
		waitpid(pid, NULL, 0);
		process_fds_close(&fds);
		ym_fail(&err, YM_ERR_LIMIT, "out of memory for a process");
	}
	life->lacks = is_passing(&err);
	life_say(life, "%s", err.text);
	return false;
}

static int64_t press(struct life *life, unsigned step)
{
	struct child *child = of(life);

	return child->ops->press(child, step);
}

static void retire(struct life *life)
{
	struct child *child = of(life);

	child->ops->retire(child);
}

static void kill_unready(struct life *life)
{
	struct child *child = of(life);

	log_line(LOG_WARN, "%s (pid %ld) is %s: killing it", child->name, (long)child_pid(child), life->reason);
	child_signal(child, SIGKILL);
}

static void timer_fired(uv_timer_t *timer)
{
	child_event(timer->data, LIFE_ON_TIMER);
}

static void set_timer(struct life *life, int64_t ms)
{
	struct child *child = of(life);

	if (ms < 0)
		uv_timer_stop(&child->timer);
	else
		uv_timer_start(&child->timer, timer_fired, (uint64_t)ms, 0);
}

static void say_change(const struct child *child, enum life_state from)
{
	const struct life *life = &child->life;
	char which[32];

	switch (life->state) {
	case LIFE_BACKOFF:
		/* It may also have started well, and ended soon after. */
		snprintf(which, sizeof(which), "failed start %u, ", life->fails);
		log_line(LOG_WARN, "%s %s: %snext try in %llu ms", child->name, life->reason,
		         life->lacks || !life->fails ? "" : which,
		         (unsigned long long)uv_timer_get_due_in(&child->timer));
		break;
	case LIFE_FATAL:
		log_line(LOG_ERROR, "%s is FATAL, it failed to start %u times: %s", child->name, life->fails,
		         life->reason);
		break;
	case LIFE_EXITED:
		log_line(LOG_INFO, "%s %s: it is not to be started again", child->name, life->reason);
		break;
	default:
		log_line(LOG_DEBUG, "%s: %s -> %s", child->name, life_state_word(from), life_state_word(life->state));
	}
}

static void changed(struct life *life, enum life_state from)
{
	struct child *child = of(life);

	say_change(child, from);
	child->ops->changed(child, from);
}

static void refused(struct life *life, enum life_event event)
{
	log_line(LOG_WARN, "%s: %s means nothing in state %s", of(life)->name, life_event_word(event),
	         life_state_word(life->state));
}

static const struct life_ops life_ops = {
    .launch = launch,
    .press = press,
    .retire = retire,
    .kill = kill_unready,
    .timer = set_timer,
    .changed = changed,
    .refused = refused,
};

/* ---- owner's side ---------------------------------------------------------------------------- */

void child_init(struct child *child, struct yard *yard, const struct child_ops *ops, const struct cfg_process *policy)
{
	memset(child, 0, sizeof(*child));
	child->ops = ops;
	child->yard = yard;
	life_init(&child->life, &life_ops, policy);
	uv_timer_init(yard->loop, &child->timer);
	child->timer.data = child;
}

bool child_adopt(struct child *child, pid_t pid, struct process_fds *fds)
{
	child->process = process_watch(child->yard->loop, pid, fds, &events, child);
	child->killed = false;
	return child->process != NULL;
}

static void timer_closed(uv_handle_t *handle)
{
	struct child *child = handle->data;

	if (child->closed)
		child->closed(child);
}

void child_close(struct child *child, void (*closed)(struct child *child))
{
	if (child->process)
		process_forget(child->process);
	child->process = NULL;
	child->closed = closed;
	uv_close((uv_handle_t *)&child->timer, timer_closed);
}
