/*
 * program.h - a [program:NAME]: any command, `numprocs` processes of it kept running.
 *
 * A changed or restarted program is replaced one process after the other: the old
 * one ends before the new one starts, for most programs hold something (a port) that there is only once.
 */
#ifndef YM_RUNTIME_PROGRAM_H
#define YM_RUNTIME_PROGRAM_H

#include "copy.h"
#include "unit.h"
#include "yard.h"

struct program {
	struct unit unit;
	struct yard *yard;
	struct roster *roster;
	const struct cfg_program *config;
	struct copy **copies;
	size_t ncopies;
	bool removed; /* not configured any more: goes when its last process has gone */
};

/* Make it, with its processes not yet started; those that an earlier master has left are taken over. NULL with err. */
struct program *program_make(struct yard *yard, struct roster *roster, const struct cfg_program *config,
                             struct ym_err *err);

/* Another configuration. `roll`: its processes are to be replaced. On an error all is as it was. */
int program_apply(struct program *program, const struct cfg_program *config, bool roll, struct ym_err *err);
/* Its configuration lies elsewhere in memory, but says the same. */
void program_point(struct program *program, const struct cfg_program *config);
/* Has it the configuration that lies in this one? */
bool program_is_of(const struct program *program, const struct config *config);
void program_remove(struct program *program);

/* Has it processes that the configuration does not want any more? */
bool program_leaving(const struct program *program);

/* Go on with what is to be replaced; show it all on the board. */
void program_look(struct program *program);

unsigned program_alive(const struct program *program);
/* The process of this number, NULL if there is none. */
struct copy *program_copy(const struct program *program, int64_t number);

void program_free(struct program *program);

#endif
