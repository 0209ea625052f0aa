/* control.h - commands that the master carries out: their words go to it as they are, see runtime/control.h. */
#ifndef YM_RUNTIME_COMMANDS_CONTROL_H
#define YM_RUNTIME_COMMANDS_CONTROL_H

#include "command.h"

/* Send verb, arguments and flags to the master, print its answer, wait if --wait says so. Returns the exit code. */
int control_run(const struct args *args);
/* The same for a verb that takes names, or --all. */
int control_run_named(const struct args *args);

#define ALL_OPTION                                                                                                     \
	{                                                                                                              \
		"all", 'a', NULL, "all pools and programs"                                                             \
	}

#endif
