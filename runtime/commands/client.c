/* client.c - join, find pools and jobs. */
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../config/nearest.h"
#include "../../ipc/sys.h"
#include "../view.h"

int client_join(const struct args *args, struct instance *instance, struct ym_err *err)
{
	if (args_instance(args, instance, err) < 0 || instance_join(instance, "client", NULL, err) < 0)
		return -1;
	instance_await_pools(instance);
	return 0;
}

int client_leave(struct instance *instance, int code)
{
	struct ym_err err;

	if (instance_leave(instance, NULL, &err) < 0)
		return command_fail(&err);
	return code;
}

int client_pool(const struct instance *instance, const char *name, struct ym_err *err)
{
	struct cfg_nearest near = {.word = name};
	int pool = table_pool(instance->table, name);

	if (pool >= 0)
		return pool;
	for (int i = 0; i < TABLE_POOLS; i++)
		if (atomic_load(&instance->table->pools[i].used))
			cfg_nearest_offer(&near, instance->table->pools[i].name);
	return ym_fail(err, YM_ERR_USAGE, "instance %s has no pool \"%.80s\"%s%s%s", instance->name, name,
	               near.best ? ": did you mean \"" : "", near.best ? near.best : "", near.best ? "\"?" : "");
}

int client_id(const char *text, uint64_t *id, struct ym_err *err)
{
	char *end;

	errno = 0;
	*id = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] < '0' || text[0] > '9')
		return ym_fail(err, YM_ERR_USAGE, "\"%.80s\" is no job id", text);
	return 0;
}

int client_no_job(const struct instance *instance, uint64_t id, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_NO, "there is no job %llu%s", (unsigned long long)id,
	               id && id < atomic_load(&instance->table->next_id) ? " any more" : "");
}

int client_find_job(const struct instance *instance, const char *text, struct job_ref *ref, struct ym_err *err)
{
	uint64_t id, word = 0;
	int64_t slot;

	if (client_id(text, &id, err) < 0)
		return -1;
	slot = table_find(instance->table, id, &word);
	if (slot < 0 && !table_stored(instance->table))
		return client_no_job(instance, id, err);
	/* If the store does not know it either, whoever wants something of it is told. */
	*ref = (struct job_ref){.id = id};
	if (slot >= 0) {
		ref->slot = (uint32_t)slot;
		ref->gen = word_gen(word);
	}
	return 0;
}

int client_confirm(const struct instance *instance, struct ym_err *err)
{
	if (table_stored(instance->table) || !instance_gone(instance, err))
		return 0;
	return ym_err_prefix(
	    err, "it is not known whether it was taken in (a unique key lets it be submitted again safely)");
}

void client_note_master(const struct instance *instance, const char *then, bool *said)
{
	if (*said || view_master(instance))
		return;
	*said = true;
	fprintf(stderr, "yardmaster: instance %s has no master right now: %s\n", instance->name, then);
}
