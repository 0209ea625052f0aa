/* program.c - the processes of a [program:]. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handover.h"
#include "launch.h"
#include "log.h"
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

static struct program *of_unit(const struct unit *unit)
{
	return (struct program *)(uintptr_t)((const char *)unit - offsetof(struct program, unit));
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

static void show(struct copy *copy)
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
	atomic_store(&row->state, life->state);
	atomic_store(&row->old, copy->old);
	atomic_store(&row->waits, copy->program->unit.wanted && !copy->program->unit.up);
	if (copy->program->unit.up || !copy->program->unit.wanted)
		board_reason_write(row->reason, &row->reason_version, life->reason);
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

static void begin_probe(struct copy *copy)
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
	begin_probe(copy);
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
	show(of_child(child));
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
static int prepare(struct copy *copy, struct ym_err *err)
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
static void adopt(struct copy *copy)
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

bool program_hand_over(const struct copy *copy, struct handed *handed)
{
	text_copy(handed->unit, sizeof(handed->unit), copy->program->config->name);
	handed->number = copy->number;
	handed->old = copy->old;
	return handover_take(&copy->child, handed);
}

/* As it was before an upgrade. False: it is not in what was left. */
static bool resume(struct copy *copy)
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
			begin_probe(copy);
		return true;
	}
	return false;
}

static void closed(struct child *child)
{
	free(of_child(child));
}

static void free_copy(struct copy *copy)
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

static struct copy *make_copy(struct program *program, int64_t number, struct ym_err *err)
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
	if (prepare(copy, err) == 0) {
		/* Two programs may have processes of the same name. */
		snprintf(name, sizeof(name), "%s:%s", program->config->name, copy->recipe.name);
		copy->entry = roster_entry(program->roster, name);
		if (copy->entry)
			return copy;
		ym_fail(err, YM_ERR_LIMIT, "more than %d process names have been used: stop and start anew",
		        ROSTER_ENTRIES);
	}
	free_copy(copy);
	return NULL;
}

/* ---- the program ----------------------------------------------------------------------------- */

struct copy *program_copy(const struct program *program, int64_t number)
{
	for (size_t i = 0; i < program->ncopies; i++)
		if (program->copies[i]->number == number)
			return program->copies[i];
	return NULL;
}

/* The processes that the configuration wants; those it does not want any more end. */
static int populate(struct program *program, struct ym_err *err)
{
	int64_t first = program->config->numprocs_start, n = program->config->numprocs;
	struct copy **copies = realloc(program->copies, (program->ncopies + (size_t)n) * sizeof(struct copy *));

	if (!copies)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	program->copies = copies;
	for (int64_t number = first; number < first + n; number++) {
		struct copy *copy = program_copy(program, number);

		if (!copy) {
			copy = make_copy(program, number, err);
			if (!copy)
				return -1;
			program->copies[program->ncopies++] = copy;
			if (!resume(copy))
				adopt(copy);
		}
		copy->leaves = false;
	}
	for (size_t i = 0; i < program->ncopies; i++) {
		struct copy *copy = program->copies[i];

		copy->leaves = copy->number < first || copy->number >= first + n;
	}
	return 0;
}

/* One that is just ending starts afterwards; if it ends to be replaced, roll_on() sees to that. */
static bool is_to_start(const struct copy *copy)
{
	enum life_state state = copy->child.life.state;

	return !copy->leaves && (state == LIFE_STOPPED || (state == LIFE_STOPPING && !copy->old));
}

static void start_new(struct program *program)
{
	for (size_t i = 0; i < program->ncopies; i++)
		if (is_to_start(program->copies[i]))
			child_event(&program->copies[i]->child, LIFE_ON_START);
}

static void start_copies(struct program *program)
{
	start_new(program);
	/* One that has given up, or has done its work, begins anew; but not because the master's program does. */
	for (size_t i = 0; i < program->ncopies && !program->yard->handover; i++) {
		struct copy *copy = program->copies[i];
		enum life_state state = copy->child.life.state;

		if (!copy->leaves && (state == LIFE_EXITED || state == LIFE_FATAL))
			child_event(&copy->child, LIFE_ON_START);
	}
}

static void drop_copies(struct program *program)
{
	for (size_t i = program->ncopies; i-- > 0;) {
		struct copy *copy = program->copies[i];

		if (!copy->leaves)
			continue;
		if (copy->child.life.state != LIFE_STOPPED) {
			if (copy->child.life.state != LIFE_STOPPING)
				child_event(&copy->child, LIFE_ON_STOP);
			continue;
		}
		free_copy(copy);
		program->copies[i] = program->copies[--program->ncopies];
	}
}

static bool settled(const struct copy *copy)
{
	enum life_state state = copy->child.life.state;

	return state == LIFE_RUNNING || state == LIFE_FATAL || state == LIFE_EXITED;
}

/* One after the other: the next one ends when the last one's successor is up (or has failed for good). */
static void roll_on(struct program *program)
{
	struct copy *next = NULL;
	struct ym_err err;

	for (size_t i = 0; i < program->ncopies; i++) {
		struct copy *copy = program->copies[i];

		if (copy->leaves)
			continue;
		if (copy->old && !next)
			next = copy;
		else if (!copy->old && !settled(copy) && program->unit.up)
			return;
	}
	if (!next)
		return;
	if (next->child.life.state == LIFE_STOPPING)
		return;
	if (next->child.process) {
		child_event(&next->child, LIFE_ON_STOP);
		return;
	}
	next->old = false;
	if (prepare(next, &err) < 0)
		log_line(LOG_ERROR, "%s keeps what it was started with: %s", next->child.name, err.text);
	if (program->unit.up && life_accepts(next->child.life.state, LIFE_ON_START))
		child_event(&next->child, LIFE_ON_START);
}

void program_look(struct program *program)
{
	if (!program->yard->stopping)
		roll_on(program);
	drop_copies(program);
	for (size_t i = 0; i < program->ncopies; i++)
		show(program->copies[i]);
}

bool program_leaving(const struct program *program)
{
	for (size_t i = 0; i < program->ncopies; i++)
		if (program->copies[i]->leaves)
			return true;
	return false;
}

unsigned program_alive(const struct program *program)
{
	unsigned n = 0;

	for (size_t i = 0; i < program->ncopies; i++)
		n += program->copies[i]->child.process != NULL;
	return n;
}

/* ---- as a unit of the supervisor ------------------------------------------------------------- */

static void start(struct unit *unit)
{
	start_copies(of_unit(unit));
}

static void tell_all(struct program *program, enum life_event event)
{
	for (size_t i = 0; i < program->ncopies; i++)
		if (life_accepts(program->copies[i]->child.life.state, event))
			child_event(&program->copies[i]->child, event);
}

static void stop(struct unit *unit)
{
	tell_all(of_unit(unit), LIFE_ON_STOP);
}

static void press_unit(struct unit *unit)
{
	tell_all(of_unit(unit), LIFE_ON_PRESS);
}

static void wait_for(struct unit *unit, const char *other)
{
	const struct program *program = of_unit(unit);
	char text[BOARD_REASON_MAX];

	snprintf(text, sizeof(text), "waits for %s, which it depends on", other);
	for (size_t i = 0; i < program->ncopies; i++) {
		struct board_program_sh *row = board_row(program->copies[i]);

		if (row)
			board_reason_write(row->reason, &row->reason_version, text);
	}
}

static int roll(struct unit *unit, struct ym_err *err)
{
	struct program *program = of_unit(unit);

	(void)err;
	for (size_t i = 0; i < program->ncopies; i++)
		program->copies[i]->old = true;
	yard_soon(program->yard);
	return 0;
}

static unsigned alive(const struct unit *unit)
{
	return program_alive(of_unit(unit));
}

/* A program that has done what it was there for is no reason to wait. */
static bool ready(const struct unit *unit)
{
	const struct program *program = of_unit(unit);

	for (size_t i = 0; i < program->ncopies; i++) {
		const struct life *life = &program->copies[i]->child.life;

		if (!program->copies[i]->leaves && life->state != LIFE_RUNNING &&
		    !(life->state == LIFE_EXITED && life->status == 0))
			return false;
	}
	return unit->up;
}

static const struct unit_ops unit_ops = {
    .word = "program",
    .start = start,
    .stop = stop,
    .press = press_unit,
    .wait = wait_for,
    .roll = roll,
    .alive = alive,
    .ready = ready,
};

/* ---- make, change, remove -------------------------------------------------------------------- */

void program_point(struct program *program, const struct cfg_program *config)
{
	program->config = config;
	program->unit.name = config->name;
	program->unit.process = &config->process;
}

struct program *program_make(struct yard *yard, struct roster *roster, const struct cfg_program *config,
                             struct ym_err *err)
{
	struct program *program = calloc(1, sizeof(*program));

	if (!program) {
		ym_fail(err, YM_ERR_LIMIT, "out of memory");
		return NULL;
	}
	program->yard = yard;
	program->roster = roster;
	program->unit.ops = &unit_ops;
	program->unit.wanted = config->process.autostart;
	program_point(program, config);
	if (populate(program, err) == 0)
		return program;
	program_free(program);
	ym_err_prefix(err, "program %s", config->name);
	return NULL;
}

/* What changes without a new process: how it is stopped, when it is started again. */
static int tell_copies(struct program *program, struct ym_err *err)
{
	for (size_t i = 0; i < program->ncopies; i++) {
		struct copy *copy = program->copies[i];
		bool asks = copy->probe != NULL;

		if (copy->leaves || copy->old)
			continue;
		/* It has the words of what is replaced. */
		probe_close(copy->probe);
		copy->probe = NULL;
		if (prepare(copy, err) < 0)
			return -1;
		if (asks)
			begin_probe(copy);
	}
	return 0;
}

int program_apply(struct program *program, const struct cfg_program *config, bool roll_it, struct ym_err *err)
{
	const struct cfg_program *before = program->config;

	program_point(program, config);
	if (populate(program, err) < 0) {
		program_point(program, before);
		return ym_err_prefix(err, "program %s", config->name);
	}
	/* Configured again while its last processes end. */
	if (program->removed)
		program->unit.wanted = config->process.autostart;
	program->removed = false;
	for (size_t i = 0; roll_it && i < program->ncopies; i++)
		program->copies[i]->old = !program->copies[i]->leaves;
	if (!roll_it && tell_copies(program, err) < 0)
		return ym_err_prefix(err, "program %s", config->name);
	if (program->unit.up)
		start_new(program);
	yard_soon(program->yard);
	return 0;
}

void program_remove(struct program *program)
{
	program->removed = true;
	program->unit.wanted = false;
}

void program_free(struct program *program)
{
	for (size_t i = 0; i < program->ncopies; i++)
		free_copy(program->copies[i]);
	free(program->copies);
	free(program);
}
