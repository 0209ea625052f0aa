/* plugin_host.c - dlopen with checks. */
#include "plugin_host.h"

#include <dlfcn.h>
#include <sys/stat.h>

#define ENTRY "ym_plugin"

int plugin_load(struct plugin_host *host, const char *path, struct ym_err *err)
{
	const struct ym_plugin *plugin;
	struct stat st;

	*host = (struct plugin_host){0};
	if (stat(path, &st) < 0)
		return ym_fail(err, YM_ERR_CONFIG, "plugin %s: there is no such file", path);
	/* Everything is resolved now: a missing function must not surface in the middle of a job. */
	host->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!host->handle)
		return ym_fail(err, YM_ERR_CONFIG, "plugin %s: cannot be loaded: %s", path, dlerror());
	plugin = dlsym(host->handle, ENTRY);
	if (!plugin)
		return ym_fail(err, YM_ERR_CONFIG,
		               "plugin %s: has no \"" ENTRY "\": it must say YM_PLUGIN(\"name\", .run = ...)", path);
	if (plugin->abi != YM_PLUGIN_ABI)
		return ym_fail(
		    err, YM_ERR_CONFIG,
		    "plugin %s: was built for plugin ABI %u, this yardmaster speaks %u: build it anew with this "
		    "version's <yardmaster/plugin.h>",
		    path, plugin->abi, YM_PLUGIN_ABI);
	if (plugin->size < sizeof(*plugin))
		return ym_fail(err, YM_ERR_CONFIG, "plugin %s: its entry has %u bytes, at least %zu are needed", path,
		               plugin->size, sizeof(*plugin));
	if (!plugin->run || !plugin->name)
		return ym_fail(err, YM_ERR_CONFIG, "plugin %s: its YM_PLUGIN() names no %s", path,
		               plugin->run ? "name" : ".run function");
	host->plugin = plugin;
	return 0;
}

int plugin_open(struct plugin_host *host, const struct ym_plugin_config *config, struct ym_err *err)
{
	char reason[YM_ERROR_MAX] = "";

	if (!host->plugin->open || host->plugin->open(config, reason, sizeof(reason)) == 0)
		return 0;
	reason[sizeof(reason) - 1] = '\0';
	return ym_fail(err, YM_ERR_CONFIG, "plugin %s of pool %s did not open: %s", host->plugin->name, config->pool,
	               reason[0] ? reason : "it gave no reason");
}

void plugin_close(struct plugin_host *host)
{
	if (host->plugin && host->plugin->close)
		host->plugin->close();
}
