/* wrong_abi.c - a plugin as built for some later version of the header. */
#include <yardmaster/plugin.h>

static int run(ym_job *job)
{
	(void)job;
	return YM_OK;
}

__attribute__((visibility("default"))) extern const struct ym_plugin ym_plugin;
const struct ym_plugin ym_plugin = {
    .abi = YM_PLUGIN_ABI + 1, .size = sizeof(struct ym_plugin), .name = "wrong_abi", .run = run};
