/* plugin_host.h - load a plugin into this process and check that it fits. */
#ifndef YM_WORKERS_PLUGIN_HOST_H
#define YM_WORKERS_PLUGIN_HOST_H

#include "../ipc/error.h"
#include "plugin.h"

struct plugin_host {
	void *handle;
	const struct ym_plugin *plugin;
};

/* Load the shared object at `path`. Errors name the file and the reason; YM_ERR_CONFIG. */
int plugin_load(struct plugin_host *host, const char *path, struct ym_err *err);
/* Run .open() with the pool's options; the plugin's own words become the error. */
int plugin_open(struct plugin_host *host, const struct ym_plugin_config *config, struct ym_err *err);
/* Run .close(). The object stays mapped: its threads and atexit handlers may still need it. */
void plugin_close(struct plugin_host *host);

#endif
