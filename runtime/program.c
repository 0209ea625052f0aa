/* program.c - the processes of a [program:] together. */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>

#include "handover.h"
#include "log.h"

static struct program *of_unit(const struct unit *unit)
{
	return (struct program *)(uintptr_t)((const char *)unit - offsetof(struct program, unit));
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
			copy = copy_make(program, number, err);
			if (!copy)
				return -1;
			program->copies[program->ncopies++] = copy;
			if (!copy_resume(copy))
				copy_adopt(copy);
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
		copy_free(copy);
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
	if (copy_prepare(next, &err) < 0)
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
		copy_show(program->copies[i]);
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
	for (size_t i = 0; i < program->ncopies; i++)
		copy_say(program->copies[i], text);
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

bool program_is_of(const struct program *program, const struct config *config)
{
	return program->config >= config->programs && program->config < config->programs + config->nprograms;
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
		if (copy_prepare(copy, err) < 0)
			return -1;
		if (asks)
			copy_probe(copy);
	}
	return 0;
}

int program_apply(struct program *program, const struct cfg_program *config, bool roll_it, struct ym_err *err)
{
	const struct cfg_program *before = program->config;
	struct ym_err why;

	program_point(program, config);
	if (populate(program, err) < 0) {
		program_point(program, before);
		/* Those that were made before it failed go. */
		if (populate(program, &why) < 0)
			log_line(LOG_ERROR, "program %s: %s", before->name, why.text);
		yard_soon(program->yard);
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
		copy_free(program->copies[i]);
	free(program->copies);
	free(program);
}
