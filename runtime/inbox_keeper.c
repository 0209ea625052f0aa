/* inbox_keeper.c - make, find, read and make again the queue of an inbox. */
#include "inbox_keeper.h"

#include <stdio.h>
#include <unistd.h>

#include "../ipc/key.h"
#include "../ipc/queue.h"
#include "../ipc/registry.h"
#include "log.h"
#include "reply.h"

/* Messages of one inbox on their way to the store: some are written, others gather meanwhile. */
#define WINDOW_MAX 256u

static void object_name(const struct inbox_keeper *keeper, char out[YM_OBJECT_NAME_MAX])
{
	snprintf(out, YM_OBJECT_NAME_MAX, "inbox.%s", keeper->config->name);
}

/* A key that the user has chosen may be that of a queue which another program has made. */
static int enter_chosen(struct inbox_keeper *keeper, key_t *key, struct ym_err *err)
{
	struct ym_queue_stat stat;

	if (ym_key_parse(keeper->config->inbox_key, key, err) < 0 ||
	    ym_queue_get(*key, (mode_t)keeper->config->inbox_mode, &keeper->queue, err) < 0 ||
	    ym_queue_stat(keeper->queue, &stat, err) < 0)
		return -1;
	if (stat.cuid != geteuid())
		log_line(LOG_INFO, "pool %s: the inbox is a queue of user %u, who can take messages out of it, too",
		         keeper->config->name, (unsigned)stat.cuid);
	return 0;
}

/* What an earlier run, or a script, has left behind our key file: its messages are to be taken. */
static bool find_left(struct inbox_keeper *keeper, const char *name, key_t *key)
{
	struct ym_queue_stat stat;

	return ym_keyfile(keeper->instance->directory, name, NULL, NULL, key, NULL) == 0 &&
	       ym_queue_open(*key, &keeper->queue, NULL) == 0 && ym_queue_stat(keeper->queue, &stat, NULL) == 0 &&
	       stat.cuid == geteuid();
}

static int enter_own(struct inbox_keeper *keeper, const char *name, key_t *key, struct ym_err *err)
{
	struct ym_registry_sh *reg = keeper->instance->group.reg;
	struct ym_entry_sh *entry = ym_registry_find(reg, name);

	if (entry && !ym_registry_exists(entry)) {
		ym_registry_drop(entry);
		entry = NULL;
	}
	/* That of a key which is configured no more: what is in it stays for who reads it. */
	if (entry && !ym_registry_is_own(reg, entry)) {
		ym_registry_retire(entry);
		entry = NULL;
	}
	if (!entry && find_left(keeper, name, key))
		return 0;
	if (!entry &&
	    ym_registry_add(reg, YM_OBJECT_QUEUE, name, 0, 0, (mode_t)keeper->config->inbox_mode, NULL, err) < 0)
		return -1;
	entry = ym_registry_find(reg, name);
	keeper->queue = entry->id;
	*key = entry->key;
	return 0;
}

static int enter(struct inbox_keeper *keeper, struct ym_err *err)
{
	char name[YM_OBJECT_NAME_MAX];
	key_t key;

	object_name(keeper, name);
	if ((keeper->config->inbox_key ? enter_chosen(keeper, &key, err) : enter_own(keeper, name, &key, err)) < 0)
		return -1;
	return ym_registry_note(keeper->instance->group.reg, YM_OBJECT_QUEUE, name, key, keeper->queue,
	                        YM_QUEUE_STAYS_FULL, err);
}

int inbox_keeper_enter(struct inbox_keeper *keeper, struct instance *instance, uv_loop_t *loop,
                       const struct cfg_pool *config, unsigned pool, struct ym_err *err)
{
	*keeper =
	    (struct inbox_keeper){.instance = instance, .loop = loop, .config = config, .pool = pool, .queue = -1};
	if (!config->inbox)
		return 0;
	return enter(keeper, err) < 0 ? ym_err_prefix(err, "inbox of pool %s", config->name) : 0;
}

/* Nobody else would tell him: there is one job for both messages, and its answer goes to the first. */
static void answer_duplicate(const struct inbox_keeper *keeper, const struct job_request *request, uint64_t id)
{
	const struct job_answer answer = {.id = id, .tag = request->tag, .state = "duplicate"};
	struct ym_err err = {.text = "its queue is full"};

	if (request->reply.key && reply_send(&request->reply, &answer, &err) != 0)
		log_line(LOG_WARN, "pool %s: inbox: the sender of a duplicate of job %llu gets no answer: %s",
		         keeper->config->name, (unsigned long long)id, err.text);
}

static int submit(void *arg, const struct job_request *request, struct ym_err *err)
{
	struct inbox_keeper *keeper = arg;
	struct job_ref ref;
	int32_t holder;
	int result;

	/* The master must not hang: the message stays where it is. */
	if (!index_usable(keeper->instance, &holder))
		return ym_fail(err, YM_ERR_TIMEOUT, "process %ld holds the lock of the job lists", (long)holder);
	result = submit_job(keeper->instance, request, &ref, err);
	if (result == 1)
		answer_duplicate(keeper, request, ref.id);
	return result;
}

static void duplicate(void *arg, const struct job_request *request, uint64_t id)
{
	answer_duplicate(arg, request, id);
}

static void lost(void *arg, const struct ym_err *err)
{
	struct inbox_keeper *keeper = arg;

	log_line(LOG_WARN, "pool %s: the queue of its inbox was removed: %s", keeper->config->name, err->text);
	inbox_keeper_close(keeper);
	keeper->queue = -1;
	inbox_keeper_read(keeper);
}

static int make_again(struct inbox_keeper *keeper, struct ym_err *err)
{
	int result;

	if (ym_group_lock(&keeper->instance->group, err) < 0)
		return -1;
	result = enter(keeper, err);
	ym_group_unlock(&keeper->instance->group);
	if (result == 0)
		log_line(LOG_WARN, "pool %s: the queue of its inbox was made again", keeper->config->name);
	return result;
}

/* Not all of the table. */
static unsigned window_of(const struct table_sh *table)
{
	return table->slots / 16 < WINDOW_MAX ? table->slots / 16 + 1 : WINDOW_MAX;
}

void inbox_keeper_read(struct inbox_keeper *keeper)
{
	struct inbox_options options = {
	    .loop = keeper->loop,
	    .directory = keeper->instance->directory,
	    .name = keeper->config->name,
	    .pool = keeper->pool,
	    .submit = submit,
	    .instance = table_stored(keeper->instance->table) ? keeper->instance : NULL,
	    .window = window_of(keeper->instance->table),
	    .duplicate = duplicate,
	    .lost = lost,
	    .arg = keeper,
	};
	struct ym_err err;

	if (!keeper->config->inbox || keeper->inbox)
		return;
	if (keeper->queue >= 0 || make_again(keeper, &err) == 0) {
		options.queue = keeper->queue;
		keeper->inbox = inbox_open(&options, &err);
	}
	if (!keeper->inbox)
		log_line(LOG_ERROR, "pool %s: the inbox cannot be read: %s: next try at the next sweep",
		         keeper->config->name, err.text);
}

void inbox_keeper_retry(struct inbox_keeper *keeper)
{
	if (keeper->inbox)
		inbox_retry(keeper->inbox);
}

void inbox_keeper_close(struct inbox_keeper *keeper)
{
	if (keeper->inbox)
		inbox_close(keeper->inbox);
	keeper->inbox = NULL;
}
