/* health.c - one look at the board. */
#include "health.h"

#include <stdio.h>

#include "life.h"

/* What is wrong so far: the first thing, and how many more there are. */
struct findings {
	char *first;
	unsigned n;
	uint64_t patience, at;
};

static void find(struct findings *findings, const char *what, const char *name, const char *between, const char *part,
                 const char *state, const char *reason)
{
	if (findings->n++ == 0)
		snprintf(findings->first, HEALTH_MAX, "%s %s%s%s is %s%s%s", what, name, between, part, state,
		         reason[0] ? ": " : "", reason);
}

/* Did it run a moment ago? */
static bool just_ran(const struct findings *findings, const _Atomic uint64_t *ran_until)
{
	uint64_t until = atomic_load(ran_until);

	return findings->patience && until && findings->at < until + findings->patience;
}

/* It has what it must have, but wants more. */
static bool grows(const struct findings *findings, const struct board_pool_sh *row)
{
	return findings->patience && atomic_load(&row->places[LIFE_RUNNING]) >= atomic_load(&row->least);
}

static void look_at_pool(struct findings *findings, const struct board_pool_sh *row)
{
	uint32_t state = atomic_load(&row->state);
	char reason[BOARD_REASON_MAX];

	if (!atomic_load(&row->used) || state == BOARD_POOL_RUNNING || state == BOARD_POOL_STOPPED ||
	    state == BOARD_POOL_REMOVED)
		return;
	if ((state == BOARD_POOL_STARTING && grows(findings, row)) ||
	    (state != BOARD_POOL_FATAL && just_ran(findings, &row->ran_until)))
		return;
	board_reason_read(row->reason, &row->reason_version, reason);
	find(findings, "pool", row->name, "", "", board_pool_word(state), reason);
}

static void look_at_program(struct findings *findings, const struct board_program_sh *row)
{
	uint32_t state = atomic_load(&row->state);
	bool same = strncmp(row->program, row->name, CFG_LONG_NAME_MAX) == 0;
	char reason[BOARD_REASON_MAX];

	if (!atomic_load(&row->used) || state == LIFE_RUNNING || state == LIFE_EXITED ||
	    (state == LIFE_STOPPED && !atomic_load(&row->waits)))
		return;
	if (state != LIFE_FATAL && just_ran(findings, &row->ran_until))
		return;
	board_reason_read(row->reason, &row->reason_version, reason);
	find(findings, "program", row->program, same ? "" : ":", same ? "" : row->name,
	     state == LIFE_STOPPED ? "waiting for others" : life_state_word(state), reason);
}

bool health_look(const struct snapshot *snapshot, uint64_t patience, char problem[HEALTH_MAX])
{
	const struct board_sh *board = snapshot->instance->board;
	struct findings findings = {.first = problem, .patience = patience, .at = snapshot->at};
	uint32_t store = atomic_load(&board->store.state), master = atomic_load(&board->instance.master_state);
	char trouble[BOARD_REASON_MAX];

	problem[0] = '\0';
	if (!snapshot->master) {
		snprintf(problem, HEALTH_MAX, "instance %s has no master", board->instance.name);
		return false;
	}
	if (master != BOARD_MASTER_RUNNING)
		find(&findings, "the master of instance", board->instance.name, "", "", board_master_word(master), "");
	if (store != BOARD_STORE_NONE && store != BOARD_STORE_WORKING)
		find(&findings, "the store", board->store.shown, "", "", board_store_word(store),
		     board_trouble(board, trouble));
	for (unsigned i = 0; i < TABLE_POOLS; i++)
		look_at_pool(&findings, &board->pools[i]);
	for (unsigned i = 0; i < BOARD_PROGRAMS; i++)
		look_at_program(&findings, &board->programs[i]);
	if (findings.n > 1) {
		size_t used = strlen(problem);

		snprintf(problem + used, HEALTH_MAX - used, ", and %u more", findings.n - 1);
	}
	return findings.n == 0;
}
