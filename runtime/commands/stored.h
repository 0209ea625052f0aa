/*
 * stored.h - the store that a command means: of an instance, running or not, or one that is named by its URI.
 */
#ifndef YM_RUNTIME_COMMANDS_STORED_H
#define YM_RUNTIME_COMMANDS_STORED_H

#include "../store.h"
#include "command.h"

struct stored {
	const struct store_driver *driver; /* NULL: the jobs are in the table and nowhere else */
	struct store *store;               /* NULL: not open */
	char *uri;                         /* allocated */
	char shown[STORE_SHOWN_MAX];       /* without a password */
	char directory[YM_DIRECTORY_MAX];  /* for what has to lie in a file for a moment */
	char node[STORE_NODE_MAX];
	struct instance instance; /* located; not joined */
	struct config config;
	bool configured; /* there is a configuration */
	struct store_options options;
};

/*
 * That of `uri` if it is not NULL, else of --config, else the one that the instance of --instance was started with. The
 * instance is located in any case. To be closed, also after an error.
 */
int stored_find(struct stored *stored, const struct args *args, const char *uri, struct ym_err *err);

/* Open it to read, beside a master; or as the only one who writes, under another name than a node's own. */
int stored_read(struct stored *stored, struct ym_err *err);
int stored_write(struct stored *stored, struct ym_err *err);

/* What a driver wants to know of the pools of the configuration: allocated, *n of them. NULL with err: no memory. */
struct store_pool *stored_pools(const struct stored *stored, size_t *n, struct ym_err *err);

void stored_close(struct stored *stored);

#endif
