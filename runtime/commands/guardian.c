/* guardian.c - `yardmaster guardian NAME SEMID`, started by the master: remove the group when everybody is gone. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../ipc/guardian.h"
#include "command.h"

static int guardian(const struct args *args)
{
	struct ym_group_spec spec = {.role = "guardian", .salvage = instance_salvage};
	struct ym_err err;

	/* The directory it was started in must not be kept busy by a process that may sleep for months. */
	if (chdir("/") < 0)
		fprintf(stderr, "chdir(\"/\") failed\n");
	if (ym_group_guard((int)strtol(args->rest[1], NULL, 10), &spec, &err) < 0)
		return command_fail(&err);
	return 0;
}

static const struct option_row options[] = {{0}};

const struct command command_guardian = {
    .verb = "guardian",
    .usage = "NAME SEMID",
    .summary = "sleep until the last participant of a group is gone, then remove its objects (started by the master)",
    .options = options,
    .least = 2,
    .most = 2,
    .run = guardian,
    .hidden = true,
};
