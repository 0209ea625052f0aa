/*
 * instance.h - one running Yardmaster: a directory, a group, and what is in it.
 *
 * Directory: /run/yardmaster/NAME for root, $XDG_RUNTIME_DIR/yardmaster/NAME for others (/tmp/yardmaster-UID/NAME
 * without it), or what `directory =` says. In it: one key file an object (members, table, board, queue.POOL,
 * limit.NAME), the bell, jobs/ with long payloads, and backlog-* with the jobs of an instance that is down.
 */
#ifndef YM_RUNTIME_INSTANCE_H
#define YM_RUNTIME_INSTANCE_H

#include "../ipc/group.h"
#include "../ipc/procfs.h"
#include "../ipc/registry.h"
#include "board.h"
#include "table.h"

#define INSTANCE_NAME_DEFAULT "main"

/* How long to wait for others who join or leave. */
#define INSTANCE_PATIENCE_MS 10000

struct instance {
	char name[TABLE_NAME_MAX];
	char directory[YM_DIRECTORY_MAX];
	struct ym_group group;
	struct table_sh *table;
	size_t table_bytes;
	struct board_sh *board;
};

/* Sizes of a new instance; 0 slots: join only. */
struct instance_sizes {
	uint32_t slots; /* of the job table */
	uint32_t rows;  /* worker rows of the board */
	uint32_t participants;
	uint64_t payload_max;
	uint64_t result_ttl_ns;
	mode_t board_mode;
	void (*notice)(void *arg, const char *text);
};

/* Name and directory. `directory` NULL: the default place. */
int instance_locate(struct instance *instance, const char *name, const char *directory, struct ym_err *err);

/* Make the directory (0755) and jobs/ in it; refuse one that others may write to. */
int instance_prepare(const struct instance *instance, struct ym_err *err);

/* Join the group; `sizes` only for who may make or repair it (the master). Then table and board are there. */
int instance_join(struct instance *instance, const char *role, const struct instance_sizes *sizes, struct ym_err *err);
int instance_leave(struct instance *instance, bool *last, struct ym_err *err);

/* A master that is just starting has not entered its pools yet: give it a moment. */
void instance_await_pools(const struct instance *instance);

/*
 * Has somebody removed the instance under this participant (ipcrm, logind's RemoveIPC)? True with YM_ERR_GONE. What is
 * written into its segments is lost then, and nobody wakes who sleeps in them.
 */
bool instance_gone(const struct instance *instance, struct ym_err *err);

/* Look only: board read-only, table read-only if it may be read (else NULL). No participant, holds nothing up. */
int instance_view(struct instance *instance, struct ym_err *err);
void instance_unview(struct instance *instance);

/* The salvage of the group, for who removes it: keep unfinished jobs in the instance directory. */
int instance_salvage(struct ym_group *group, void *arg, struct ym_err *err);

#endif
