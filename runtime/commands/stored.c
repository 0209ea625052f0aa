/* stored.c - from the words of a command line to an open store. */
#include "stored.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../config/values.h"
#include "../text.h"

#define SQLITE "sqlite:"

/* Without a configuration: nothing is forgotten, and a command that is killed holds nothing up for long. */
#define HISTORY_MS (INT64_C(36525) * 24 * 3600 * 1000)
#define LEASE_MS   30000

/* ---- which ----------------------------------------------------------------------------------- */

/* As in a configuration, a relative path counts from where the user is. */
static char *absolute(const char *uri)
{
	size_t scheme = strlen(SQLITE);
	char here[PATH_MAX], *path, *whole = NULL;

	if (strncmp(uri, SQLITE, scheme) != 0 || uri[scheme] == '/' || !uri[scheme] || !getcwd(here, sizeof(here)))
		return strdup(uri);
	path = cfg_resolve_path(here, uri + scheme);
	if (path && asprintf(&whole, SQLITE "%s", path) < 0)
		whole = NULL;
	free(path);
	return whole;
}

static int find_uri(struct stored *stored, const char *uri, struct ym_err *err)
{
	if (!uri && !stored->configured)
		return store_noted(stored->instance.directory, &stored->uri, NULL, err);
	if (!uri && !stored->config.instance.store)
		return 0;
	stored->uri = uri ? absolute(uri) : strdup(stored->config.instance.store);
	return stored->uri ? 0 : ym_fail(err, YM_ERR_LIMIT, "out of memory");
}

/* The instance's own if it can be used. */
static void find_directory(struct stored *stored)
{
	const char *temporary = getenv("TMPDIR");

	text_copy(stored->directory, sizeof(stored->directory), stored->instance.directory);
	if (access(stored->directory, W_OK) < 0)
		text_copy(stored->directory, sizeof(stored->directory),
		          temporary && temporary[0] == '/' ? temporary : "/tmp");
}

int stored_find(struct stored *stored, const struct args *args, const char *uri, struct ym_err *err)
{
	*stored = (struct stored){0};
	if (args_config(args, &stored->instance, &stored->config, &stored->configured, err) < 0 ||
	    find_uri(stored, uri, err) < 0 || store_driver_of(stored->uri, &stored->driver, err) < 0)
		return -1;
	find_directory(stored);
	store_shown(stored->uri ? stored->uri : "memory", stored->shown);
	stored->options = (struct store_options){
	    .uri = stored->uri,
	    .directory = stored->directory,
	    .instance = stored->instance.name,
	    .node = stored->node,
	    .payload_max = SIZE_MAX,
	    .history_ms = HISTORY_MS,
	    .lease_ms = LEASE_MS,
	};
	if (stored->configured) {
		stored->options.history_ms = stored->config.instance.history_ms;
		stored->options.lease_ms = stored->config.instance.lease_ms;
	}
	return 0;
}

/* ---- open ------------------------------------------------------------------------------------ */

int stored_read(struct stored *stored, struct ym_err *err)
{
	stored->options.reader = true;
	return stored->driver->open(&stored->store, &stored->options, err);
}

int stored_write(struct stored *stored, struct ym_err *err)
{
	char host[STORE_NODE_MAX / 2] = "";

	/* Of a store with many nodes: who took the name of one that runs would be taken for it. */
	if (stored->driver->shared) {
		gethostname(host, sizeof(host) - 1);
		snprintf(stored->node, sizeof(stored->node), "command-%s-%ld", host, (long)getpid());
	}
	stored->options.reader = false;
	return stored->driver->open(&stored->store, &stored->options, err);
}

struct store_pool *stored_pools(const struct stored *stored, size_t *n, struct ym_err *err)
{
	struct store_pool *pools;

	*n = stored->configured ? stored->config.npools : 0;
	pools = calloc(*n + 1, sizeof(*pools));
	if (!pools)
		ym_fail(err, YM_ERR_LIMIT, "out of memory");
	for (size_t i = 0; pools && i < *n; i++) {
		const struct cfg_pool *from = &stored->config.pools[i];

		pools[i] = (struct store_pool){.ageing_ms = from->ageing_ms,
		                               .timeout_ms = from->timeout_ms,
		                               .level = (uint8_t)from->priority,
		                               .attempts = (uint8_t)from->attempts};
		text_copy(pools[i].name, sizeof(pools[i].name), from->name);
	}
	return pools;
}

void stored_close(struct stored *stored)
{
	/* What a killed master holds is recovered by the next one, which knows that it was cut short. */
	if (stored->store && !stored->options.reader && !stored->driver->shared) {
		if (stored->driver->tidy)
			stored->driver->tidy(stored->store);
		stored->driver->abandon(stored->store);
	} else if (stored->store) {
		stored->driver->close(stored->store);
	}
	stored->store = NULL;
	free(stored->uri);
	stored->uri = NULL;
	if (stored->configured)
		config_free(&stored->config);
	stored->configured = false;
}
