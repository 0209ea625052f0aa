/*
 * instance.h - one running Yardmaster: a directory, a group, and what is in it.
 *
 * Directory: /run/yardmaster/NAME for root, $XDG_RUNTIME_DIR/yardmaster/NAME for others (/tmp/yardmaster-UID/NAME
 * without it), or what `directory =` says. In it: one key file an object (members, table, board, queue.POOL,
 * limit.NAME), the bell, jobs/ with long payloads, and backlog-* with the jobs of an instance that is down.
 */
#ifndef YM_RUNTIME_INSTANCE_H
#define YM_RUNTIME_INSTANCE_H

#include "../config/config.h"
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
	bool shared; /* instance_share() */
	gid_t gid;
	struct ym_group group;
	struct table_sh *table;
	size_t table_bytes;
	struct board_sh *board;
	bool hasty; /* must not hang when a process is stopped that holds the lock of the job lists: a master */
	_Atomic uint64_t stuck; /* hasty: the holding (lock.h) that was waited for in vain */
};

/* Sizes of a new instance; 0 slots: join only. */
struct instance_sizes {
	uint32_t slots; /* of the job table */
	uint32_t rows;  /* worker rows of the board */
	uint32_t participants;
	uint64_t payload_max;
	uint64_t result_ttl_ns;
	uint64_t store; /* table_sh.store */
	mode_t board_mode;
	void (*notice)(void *arg, const char *text);
};

/* Name and directory. `directory` NULL: the default place. */
int instance_locate(struct instance *instance, const char *name, const char *directory, struct ym_err *err);
/* That of a configuration. With `user` the default place is that of root, who has started it: the same for both. */
int instance_configured(struct instance *instance, const struct cfg_instance *config, struct ym_err *err);

/*
 * For who makes the instance: a Unix group, name or number, whose members may use it as well, such as workers of another
 * user. docs/other-users.md says what that means. Before instance_prepare() and instance_join(); NULL: nobody.
 */
int instance_share(struct instance *instance, const char *group, struct ym_err *err);

/* Make the directory (0755) and jobs/ in it; refuse one that others may write to. */
int instance_prepare(const struct instance *instance, struct ym_err *err);

/* Join the group; `sizes` only for who may make or repair it (the master). Then table and board are there. */
int instance_join(struct instance *instance, const char *role, const struct instance_sizes *sizes, struct ym_err *err);
int instance_leave(struct instance *instance, bool *last, struct ym_err *err);

/*
 * For the master after an execve() in place: go on as the same participant, and leader, as before (ym_group_resume()). What
 * else it had must be made anew: handles of semaphores above all, which are to be closed before the execve(), for
 * what they hold stays held. -1: the participation is not ours, or something is gone: see instance_missing().
 */
int instance_resume(struct instance *instance, const char *role, const struct instance_sizes *sizes, int semid,
                    unsigned slot, struct ym_err *err);

/*
 * After YM_ERR_GONE of that: take up what is left of the removed generation, by the id of its registry, for
 * instance_rejoin(), which keeps its jobs.
 */
int instance_remains(struct instance *instance, const char *role, const struct instance_sizes *sizes, int semid,
                     int regid, unsigned slot, struct ym_err *err);

/* What somebody has removed (ipcrm, logind) of what no participant can make again: its name, or NULL. */
const char *instance_missing(const struct instance *instance);

/*
 * For the master of an instance of which something is missing: give that generation up, with its unfinished jobs into
 * the backlog, and make and lead a fresh one. Before: our workers have ended, and handles of semaphores are
 * closed; afterwards all that a start does after its join has to be done, backlog_load() too. Other participants find their
 * generation gone. -1: try again later, whatever has been done already is not done twice; YM_ERR_NO: another
 * master has come meanwhile.
 */
int instance_rejoin(struct instance *instance, const char *role, const struct instance_sizes *sizes,
                    struct ym_err *err);

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
/* Is what is looked at no longer the instance: removed, perhaps with another one behind its key? */
bool instance_view_stale(const struct instance *instance);

/* The salvage of the group, for who removes it: keep unfinished jobs in the instance directory. */
int instance_salvage(struct ym_group *group, void *arg, struct ym_err *err);

#endif
