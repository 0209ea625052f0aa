/* settle.c - wait until what is there is what is wanted. */
#include "settle.h"

#include <stdio.h>
#include <string.h>

#include "../../ipc/sys.h"
#include "../life.h"
#include "../view.h"

#define LOOK_NS 10000000

static bool is_meant(const char *name, const char *row, size_t size)
{
	size_t length = name ? strcspn(name, "/") : 0;

	return !name || (length < size && strncmp(row, name, length) == 0 && !row[length]);
}

/* Some have been given up, and nothing moves any more: old workers that work do not count, they are to be replaced. */
static bool is_stuck(const struct board_pool_sh *pool)
{
	return atomic_load(&pool->places[LIFE_FATAL]) > 0 && atomic_load(&pool->places[LIFE_STARTING]) +
	                                                             atomic_load(&pool->places[LIFE_BACKOFF]) +
	                                                             atomic_load(&pool->places[LIFE_STOPPING]) ==
	                                                         0;
}

static enum settled settled_pool(const struct board_pool_sh *pool, char *reason)
{
	if (atomic_load(&pool->state) == BOARD_POOL_FATAL || is_stuck(pool)) {
		board_reason_read(pool->reason, &pool->reason_version, reason);
		return GIVEN_UP;
	}
	if (atomic_load(&pool->places[LIFE_BACKOFF]) > 0)
		board_reason_read(pool->reason, &pool->reason_version, reason);
	return atomic_load(&pool->wanted) == atomic_load(&pool->actual) && atomic_load(&pool->rolling) == 0 &&
	               atomic_load(&pool->places[LIFE_RUNNING]) == atomic_load(&pool->wanted)
	           ? SETTLED
	           : UNSETTLED;
}

static enum settled settled_program(const struct board_program_sh *program, char *reason)
{
	uint32_t state = atomic_load(&program->state);

	if (atomic_load(&program->old) || atomic_load(&program->waits))
		return UNSETTLED;
	if (state == LIFE_FATAL || state == LIFE_BACKOFF)
		board_reason_read(program->reason, &program->reason_version, reason);
	if (state == LIFE_FATAL)
		return GIVEN_UP;
	return state == LIFE_RUNNING || state == LIFE_STOPPED || state == LIFE_EXITED ? SETTLED : UNSETTLED;
}

enum settled settled(const struct board_sh *board, const char *name, char *reason)
{
	enum settled all = SETTLED;

	for (unsigned i = 0; i < TABLE_POOLS && all != GIVEN_UP; i++) {
		const struct board_pool_sh *pool = &board->pools[i];
		enum settled one = SETTLED;

		if (atomic_load(&pool->used) && is_meant(name, pool->name, sizeof(pool->name)))
			one = settled_pool(pool, reason);
		all = one == SETTLED ? all : one;
	}
	for (unsigned i = 0; i < BOARD_PROGRAMS && all != GIVEN_UP; i++) {
		const struct board_program_sh *program = &board->programs[i];
		enum settled one = SETTLED;

		if (atomic_load(&program->used) && is_meant(name, program->program, sizeof(program->program)))
			one = settled_program(program, reason);
		all = one == SETTLED ? all : one;
	}
	return all;
}

static int await(const struct instance *instance, const char *name, pid_t master, uint64_t deadline, struct ym_err *err)
{
	char reason[BOARD_REASON_MAX] = "";
	bool told = false;

	for (;;) {
		enum settled now = settled(instance->board, name, reason);

		/* Until it is given up minutes may pass. */
		if (now == UNSETTLED && reason[0] && !told) {
			fprintf(stderr, "yardmaster: %s has failed to start: %s; it is tried again\n",
			        name ? name : "a process", reason);
			told = true;
		}

		if (now == SETTLED)
			return 0;
		if (now == GIVEN_UP)
			return ym_fail(err, YM_ERR_NO, "%s does not start: %s", name ? name : "the instance", reason);
		if (!master || view_master(instance) != master)
			return ym_fail(err, YM_ERR_NOT_RUNNING,
			               "instance %s: its master (pid %ld) ended before it was done", instance->name,
			               (long)master);
		if (ym_now_ns() >= deadline)
			return ym_fail(err, YM_ERR_TIMEOUT, "%s is not done yet; the master goes on with it",
			               name ? name : "the instance");
		ym_nap(LOOK_NS);
	}
}

int settle_await(struct instance *instance, char *const *names, uint64_t deadline, struct ym_err *err)
{
	pid_t master;
	int result;

	if (instance_view(instance, err) < 0)
		return -1;
	master = view_master(instance);
	result = names[0] ? 0 : await(instance, NULL, master, deadline, err);
	for (; names[0] && result == 0; names++)
		result = await(instance, names[0], master, deadline, err);
	instance_unview(instance);
	return result;
}
