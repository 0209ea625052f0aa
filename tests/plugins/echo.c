/* echo.c - the result is the payload. */
#include <yardmaster/plugin.h>

static int run(ym_job *job)
{
	size_t size;
	const void *data = ym_payload(job, &size);

	return ym_result(job, data, size) == 0 ? YM_OK : YM_FAIL;
}

YM_PLUGIN("echo", .run = run);
