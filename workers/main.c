/* main.c - one program, two roles: the worker that a master starts, and everything a person types. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../runtime/commands/command.h"
#include "../runtime/upgrade.h"
#include "worker.h"

int main(int argc, char **argv)
{
	/* Ignored by whoever started us, it would keep us from hearing how our children end. */
	signal(SIGCHLD, SIG_DFL);
	/* yardmaster worker --probe PLUGIN | yardmaster worker INSTANCE/POOL ROW: see runtime/place.c, configured.c
	 * yardmaster worker --layout: see runtime/upgrade.h
	 */
	if (argc == 3 && strcmp(argv[1], "worker") == 0 && strcmp(argv[2], "--layout") == 0) {
		upgrade_print_layout();
		return 0;
	}
	if (argc == 4 && strcmp(argv[1], "worker") == 0) {
		if (strcmp(argv[2], "--probe") == 0)
			return worker_probe(argv[3]);
		return worker_main((unsigned)strtoul(argv[3], NULL, 10));
	}
	return command_main(argc, argv);
}
