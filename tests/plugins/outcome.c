/* outcome.c - payload "CODE TEXT": returns CODE from run(), with TEXT as the error if there is any. */
#include <stdlib.h>

#include <yardmaster/plugin.h>

static int run(ym_job *job)
{
	const char *payload = ym_payload(job, NULL);
	char *text;
	long code = strtol(payload, &text, 10);

	if (*text == ' ')
		ym_error(job, "%s", text + 1);
	return (int)code;
}

YM_PLUGIN("outcome", .run = run);
