/* copy.c - one process of a program: launched, watched, shown. */
#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handover.h"
#include "launch.h"
#include "log.h"
#include "program.h"
#include "spawn.h"
#include "text.h"

/* `ready = fd`: where a newline is expected, and what says so to the process. */
#define READY_FD  3
#define READY_ENV "YARDMASTER_READY_FD=3"

#define COPY_NAME_MAX (CFG_LONG_NAME_MAX + CFG_PROCESS_NAME_MAX)

static struct copy *of_child(struct child *child)
{
	return child_owner(child, struct copy, child);
}

/* ---- the board ------------------------------------------------------------------------------- */

static struct board_program_sh *board_row(const struct copy *copy)
{
	const struct instance *instance = copy->program->yard->instance;

	return copy->row >= 0 && instance->board ? &instance->board->programs[copy->row] : NULL;
}

static void take_row(struct copy *copy)
{
	struct board_sh *board = copy->program->yard->instance->board;

	for (int row = 0; board && row < BOARD_PROGRAMS; row++) {
		if (atomic_load(&board->programs[row].used))
			continue;
		text_copy(board->programs[row].name, CFG_PROCESS_NAME_MAX, copy->recipe.name);
		text_copy(board->programs[row].program, CFG_LONG_NAME_MAX, copy->program->config->name);
		/* It was another one's. */
		atomic_store(&board->programs[row].state, LIFE_STOPPED);
		atomic_store(&board->programs[row].ran_until, 0);
		atomic_store(&board->programs[row].used, 1);
		copy->row = row;
		return;
	}
	copy->row = -1;
}

/* A board made anew has nothing in this row. */
static bool lost_row(const struct copy *copy)
{
	const struct board_program_sh *row = board_row(copy);

	return !row || !atomic_load(&row->used) || strcmp(row->name, copy->recipe.name) != 0;
}

void copy_show(struct copy *copy)
{
	const struct life *life = &copy->child.life;
	struct board_program_sh *row;
	pid_t pid = child_pid(&copy->child);

	if (lost_row(copy))
		take_row(copy);
	row = board_row(copy);
	if (!row)
		return;
	if (atomic_load(&row->pid) != pid)
		atomic_store(&row->started, pid ? ym_process_started(pid) : 0);
	atomic_store(&row->pid, pid);
	atomic_store(&row->status, life->status);
	atomic_store(&row->starts, life->starts);
	atomic_store(&row->since, life->since);
	if (atomic_load(&row->state) == LIFE_RUNNING && life->state != LIFE_RUNNING)
		atomic_store(&row->ran_until, life->since);
	atomic_store(&row->state, life->state);
	atomic_store(&row->old, copy->old);
	atomic_store(&row->waits, copy->program->unit.wanted && !copy->program->unit.up);
	if (copy->program->unit.up || !copy->program->unit.wanted)
		board_reason_write(row->reason, &row->reason_version, life->reason);
}

void copy_say(struct copy *copy, const char *reason)
{
	struct board_program_sh *row = board_row(copy);

	if (row)
		board_reason_write(row->reason, &row->reason_version, reason);
}

static void free_row(struct copy *copy)
{
	if (!lost_row(copy))
		atomic_store(&board_row(copy)->used, 0);
	copy->row = -1;
}

/* ---- launch ---------------------------------------------------------------------------------- */

static void became_ready(void *arg)
{
	struct copy *copy = arg;

	probe_close(copy->probe);
	copy->probe = NULL;
	if (copy->child.life.state == LIFE_STARTING)
		child_event(&copy->child, LIFE_ON_READY);
}

void copy_probe(struct copy *copy)
{
	const struct cfg_process *process = &copy->recipe.process;

	if (process->ready != CFG_READY_COMMAND || copy->probe)
		return;
	copy->probe = probe_open(copy->program->yard->loop, process->ready_command, copy->persona, became_ready, copy);
	if (!copy->probe)
		log_line(LOG_ERROR, "%s: no memory to ask whether it is ready", copy->child.name);
}

static bool waits(const struct cfg_process *process)
{
	return process->ready == CFG_READY_FD || process->ready == CFG_READY_COMMAND;
}

static pid_t launch_copy(struct child *child, struct process_fds *fds, struct ym_err *err)
{
	struct copy *copy = of_child(child);
	const struct cfg_process *process = &copy->recipe.process;
	char name[CFG_PROCESS_NAME_MAX + 40], group[CFG_LONG_NAME_MAX + 32];
	const char *env[] = {"SUPERVISOR_ENABLED=1", name, group, NULL, NULL};
	int ready[2] = {-1, -1};
	struct launch_fd handed;
	struct launch how = {
	    .file = copy->recipe.words[0],
	    .argv = copy->recipe.words,
	    .env = env,
	    .persona = copy->persona,
	    .fds = &handed,
	    .pid_to = roster_begin(copy->entry),
	    .outlives = true,
	    .output = &fds->streams[PROCESS_OUTPUT],
	    .errors = copy->errors ? &fds->streams[PROCESS_ERRORS] : NULL,
	};
	pid_t pid;

	child->life.waits = waits(process);
	snprintf(name, sizeof(name), "SUPERVISOR_PROCESS_NAME=%s", copy->recipe.name);
	snprintf(group, sizeof(group), "SUPERVISOR_GROUP_NAME=%s", copy->program->config->name);
	if (process->ready == CFG_READY_FD) {
		if (pipe2(ready, O_CLOEXEC) < 0)
			return ym_fail_sys(err, errno, "pipe2() for the readiness of %s", copy->recipe.name);
		fcntl(ready[0], F_SETFL, O_NONBLOCK);
		fds->streams[PROCESS_READY] = ready[0];
		handed = (struct launch_fd){ready[1], READY_FD};
		how.nfds = 1;
		env[3] = READY_ENV;
	}
	pid = launch(&how, &fds->pidfd, err);
	if (ready[1] >= 0)
		close(ready[1]);
	if (pid < 0) {
		process_fds_close(fds);
		roster_clear(copy->entry);
		return -1;
	}
	roster_enter(copy->entry, pid);
	copy_probe(copy);
	return pid;
}

/* ---- stop ------------------------------------------------------------------------------------ */

/* To the process, or to all of its group. */
static void signal_copy(struct child *child, int signo, bool group)
{
	struct rusage usage;
	int status;

	/* The pid is its own as long as it has not been reaped; that of an adopted one is asked for. */
	if (group && child->process && !(child->foreign && child_has_ended(child, &status, &usage)))
		kill(-child_pid(child), signo);
	child_signal(child, signo);
}

static int64_t press(struct child *child, unsigned step)
{
	const struct cfg_process *process = &of_child(child)->recipe.process;

	if (step == 0) {
		log_line(LOG_INFO, "%s (pid %ld): stopping it with SIG%s", child->name, (long)child_pid(child),
		         sigabbrev_np((int)process->stopsignal) ? sigabbrev_np((int)process->stopsignal) : "RT");
		signal_copy(child, (int)process->stopsignal, process->stopasgroup);
		return process->stopwaitsecs_ms;
	}
	log_line(LOG_WARN, "%s (pid %ld) does not stop: killing it", child->name, (long)child_pid(child));
	child->killed = true;
	signal_copy(child, SIGKILL, process->killasgroup || process->stopasgroup);
	return -1;
}

/* There is nothing that it could finish first. */
static void retire(struct child *child)
{
	child_event(child, LIFE_ON_STOP);
}

static bool ended(struct child *child, pid_t pid, int status, const struct rusage *usage)
{
	struct copy *copy = of_child(child);
	const struct cfg_process *process = &copy->recipe.process;
	bool told = process->stopasgroup && child->life.state == LIFE_STOPPING && !child->killed;

	(void)status;
	(void)usage;
	/*
	 * What is left of its group would hold its port when the next one comes. But who was asked to stop with it may
	 * finish what he does, though the shell around him has gone at once.
	 */
	if ((process->killasgroup || process->stopasgroup) && !told)
		kill(-pid, SIGKILL);
	roster_clear(copy->entry);
	probe_close(copy->probe);
	copy->probe = NULL;
	return false;
}

static void line(struct child *child, enum process_stream stream, const char *text, size_t length)
{
	struct copy *copy = of_child(child);
	char who[CFG_PROCESS_NAME_MAX + CFG_LONG_NAME_MAX + 2];

	snprintf(who, sizeof(who), "%s%s%s", copy->program->config->name, copy->program->ncopies > 1 ? ":" : "",
	         copy->program->ncopies > 1 ? copy->recipe.name : "");
	child_log_line(stream == PROCESS_ERRORS && copy->errors ? copy->errors : copy->output, who, text, length);
}

static void changed(struct child *child, enum life_state from)
{
	(void)from;
	copy_show(of_child(child));
	/* Others may wait for it, or for its end. */
	yard_soon(child->yard);
}

static const struct child_ops child_ops = {
    .launch = launch_copy, .press = press, .retire = retire, .line = line, .ended = ended, .changed = changed};

/* ---- one copy -------------------------------------------------------------------------------- */

/* As `status` shows it. */
static void full_name(const struct copy *copy, char out[COPY_NAME_MAX])
{
	const char *program = copy->program->config->name, *process = copy->recipe.name;
	bool same = strcmp(program, process) == 0;

	snprintf(out, COPY_NAME_MAX, "%s%s%s", program, same ? "" : ":", same ? "" : process);
}

/* All processes have one log, under the name of the program, unless each has a file of its own. */
static int open_log(const struct copy *copy, struct child_log **log, const char *stream, const struct cfg_log *config,
                    const struct cfg_log *template, struct ym_err *err)
{
	char name[COPY_NAME_MAX];

	if (*log)
		return child_log_apply(*log, config, err);
	full_name(copy, name);
	if (!template->file || !strstr(template->file, "%(process_num)"))
		name[strlen(copy->program->config->name)] = '\0';
	return child_log_open(log, copy->program->yard->instance->directory, name, stream, CHILD_LOG_RAW, config, err);
}

static int open_logs(struct copy *copy, struct ym_err *err)
{
	const struct cfg_process *process = &copy->recipe.process, *template = &copy->program->config->process;

	if (open_log(copy, &copy->output, "stdout", &process->stdout_log, &template->stdout_log, err) < 0)
		return -1;
	if (!process->redirect_stderr)
		return open_log(copy, &copy->errors, "stderr", &process->stderr_log, &template->stderr_log, err);
	child_log_close(copy->errors);
	copy->errors = NULL;
	return 0;
}

/* Everything a process is started with, from the configuration as it is now. On an error all is as it was. */
int copy_prepare(struct copy *copy, struct ym_err *err)
{
	const struct program *program = copy->program;
	struct persona *persona = NULL;
	char cgroup[TABLE_NAME_MAX + CFG_LONG_NAME_MAX], name[COPY_NAME_MAX];
	struct recipe recipe;

	if (recipe_make(program->config, copy->number, &recipe, err) < 0)
		return -1;
	snprintf(cgroup, sizeof(cgroup), "%s.%s", program->yard->instance->name, program->config->name);
	if (persona_make(&recipe.process, NULL, &persona, err) < 0 || persona_cgroup(persona, "", cgroup, err) < 0) {
		persona_free(persona);
		recipe_free(&recipe);
		return -1;
	}
	recipe_free(&copy->recipe);
	persona_free(copy->persona);
	copy->recipe = recipe;
	copy->persona = persona;
	copy->child.life.policy = &copy->recipe.process;
	/* A process that is there is ready when it was told to say so. */
	if (!copy->child.process)
		copy->child.life.waits = waits(&recipe.process);
	full_name(copy, name);
	snprintf(copy->child.name, sizeof(copy->child.name), "program %s", name);
	return open_logs(copy, err);
}

/* Its process goes on under a new master. */
void copy_adopt(struct copy *copy)
{
	struct process_fds fds = PROCESS_FDS_INIT;
	pid_t pid = atomic_load(&copy->entry->pid);

	fds.pidfd = roster_find(copy->entry);
	if (fds.pidfd < 0) {
		roster_clear(copy->entry);
		return;
	}
	fds.streams[PROCESS_OUTPUT] = spawn_open_output(pid, STDOUT_FILENO);
	if (copy->errors)
		fds.streams[PROCESS_ERRORS] = spawn_open_output(pid, STDERR_FILENO);
	if (!child_adopt(&copy->child, pid, &fds)) {
		process_fds_close(&fds);
		log_line(LOG_ERROR, "%s: its process of an earlier master (pid %ld) cannot be watched",
		         copy->child.name, (long)pid);
		return;
	}
	copy->child.foreign = true;
	/* Somebody has started it, whatever `autostart` says. */
	copy->program->unit.wanted = true;
	child_event(&copy->child, LIFE_ON_ADOPT);
	log_line(LOG_INFO, "%s (pid %ld) of an earlier master is taken over", copy->child.name, (long)pid);
}

bool copy_hand_over(const struct copy *copy, struct handed *handed)
{
	text_copy(handed->unit, sizeof(handed->unit), copy->program->config->name);
	handed->number = copy->number;
	handed->old = copy->old;
	return handover_take(&copy->child, handed);
}

/* As it was before an upgrade. False: it is not in what was left. */
bool copy_resume(struct copy *copy)
{
	struct handover *handover = copy->program->yard->handover;

	for (size_t i = 0; handover && i < handover->nchildren; i++) {
		struct handed *handed = &handover->children[i];

		if (handed->number != copy->number || strcmp(handed->unit, copy->program->config->name) != 0)
			continue;
		copy->old = handed->old;
		if (!handover_give(handed, &copy->child))
			log_line(LOG_ERROR, "%s (pid %lld) cannot be watched after the upgrade", copy->child.name,
			         (long long)handed->pid);
		else if (copy->child.life.state == LIFE_STARTING)
			copy_probe(copy);
		return true;
	}
	return false;
}

static void closed(struct child *child)
{
	free(of_child(child));
}

void copy_free(struct copy *copy)
{
	if (copy->row >= 0)
		free_row(copy);
	probe_close(copy->probe);
	child_log_close(copy->output);
	child_log_close(copy->errors);
	persona_free(copy->persona);
	recipe_free(&copy->recipe);
	child_close(&copy->child, closed);
}

struct copy *copy_make(struct program *program, int64_t number, struct ym_err *err)
{
	struct copy *copy = calloc(1, sizeof(*copy));
	char name[ROSTER_NAME_MAX];

	if (!copy) {
		ym_fail(err, YM_ERR_LIMIT, "out of memory");
		return NULL;
	}
	child_init(&copy->child, program->yard, &child_ops, &program->config->process);
	copy->program = program;
	copy->number = number;
	copy->row = -1;
	if (copy_prepare(copy, err) == 0) {
		/* Two programs may have processes of the same name. */
		snprintf(name, sizeof(name), "%s:%s", program->config->name, copy->recipe.name);
		copy->entry = roster_entry(program->roster, name);
		if (copy->entry)
			return copy;
		ym_fail(err, YM_ERR_LIMIT, "more than %d process names have been used: stop and start anew",
		        ROSTER_ENTRIES);
	}
	copy_free(copy);
	return NULL;
}
