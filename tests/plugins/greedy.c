/* greedy.c - payload "N": tries to give a result of N bytes; fails with an error of its own when it may not. */
#include <stdlib.h>

#include <yardmaster/plugin.h>

static int run(ym_job *job)
{
	size_t size = strtoul(ym_payload(job, NULL), NULL, 10);
	void *data = calloc(size + 1, 1);
	int refused = !data || ym_result(job, data, size) != 0;

	free(data);
	if (!refused)
		return YM_OK;
	ym_error(job, "a result of %zu bytes was refused", size);
	return YM_FAIL;
}

YM_PLUGIN("greedy", .run = run);
