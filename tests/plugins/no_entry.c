/* no_entry.c - a shared object, but no plugin. */
#include <yardmaster/plugin.h>

__attribute__((visibility("default"))) int not_a_plugin(ym_job *job);

int not_a_plugin(ym_job *job)
{
	(void)job;
	return YM_OK;
}
