/*
 * lock_holder.c DIRECTORY - for tests/system/hasty.sh: join the instance `test` as a client, take the lock of the job
 * lists and stop (SIGSTOP) while holding it. When continued: give it back and leave.
 */
#include <signal.h>
#include <stdio.h>

#include "../../runtime/index.h"
#include "../../runtime/instance.h"

int main(int argc, char **argv)
{
	struct instance instance;
	struct ym_err err;

	if (argc != 2) {
		fputs("usage: lock_holder DIRECTORY\n", stderr);
		return 2;
	}
	if (instance_locate(&instance, "test", argv[1], &err) < 0 ||
	    instance_join(&instance, "client", NULL, &err) < 0) {
		fprintf(stderr, "lock_holder: %s\n", err.text);
		return 1;
	}
	index_lock(&instance);
	raise(SIGSTOP);
	index_unlock(&instance);
	if (instance_leave(&instance, NULL, &err) < 0) {
		fprintf(stderr, "lock_holder: %s\n", err.text);
		return 1;
	}
	return 0;
}
