/*
 * daemon.h - run in the background (-d), pid file, being PID 1.
 */
#ifndef YM_RUNTIME_DAEMON_H
#define YM_RUNTIME_DAEMON_H

#include <stdbool.h>
#include <uv.h>

#include "../ipc/error.h"

/*
 * Go on in a child with a session of its own. The parent stays until daemon_up() or the child's end and exits with the
 * right code, what the child printed on stderr until then having been printed. Before the loop and any thread exist.
 */
int daemon_detach(struct ym_err *err);
/* Everything is up: the parent may go; stderr becomes /dev/null if nobody else has taken it. */
void daemon_up(void);

/* Write, lock and keep a pid file; refuses if another process holds it. */
int daemon_pidfile(const char *path, struct ym_err *err);
/* Remove it, if it is still ours. */
void daemon_pidfile_remove(void);
/* Its descriptor, kept over an upgrade; -1: none. */
int daemon_pidfile_fd(void);
void daemon_pidfile_adopt(const char *path, int fd);

/*
 * As PID 1 (or subreaper) we are the parent of every orphan in the container: reap those that are not ours. `ours` says
 * of a pid whether its end is somebody else's to hear of.
 */
void daemon_reap(uv_loop_t *loop, bool (*ours)(void *arg, pid_t pid), void *arg);
void daemon_reap_close(void);

#endif
