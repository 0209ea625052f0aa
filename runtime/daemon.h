/*
 * daemon.h - run in the background (-d), pid file, being PID 1.
 */
#ifndef YM_RUNTIME_DAEMON_H
#define YM_RUNTIME_DAEMON_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "../ipc/error.h"

/* 0, 1 and 2 are open afterwards: where they were closed, the next file or socket would get their numbers. */
int daemon_fill_descriptors(struct ym_err *err);

/*
 * Go on in a grandchild: in a new session, but not as its leader, so that no terminal can become ours again. Who started
 * us waits until daemon_up() and exits with 0 then; if we end before, with our exit code (1 instead of 0), or 128 and
 * the signal. Until then stderr is the caller's; stdin and stdout are /dev/null. Before the loop and any thread exist;
 * refused to PID 1, whose end is the end of its container.
 *
 * The working directory and the umask stay: the same INI means the same with and without -d.
 */
int daemon_detach(struct ym_err *err);
/*
 * Everything is up: who started us may go. A terminal, pipe or socket on stderr, where somebody may wait for its end,
 * becomes /dev/null, unless a log has taken its place; a file goes on to get what we say. Does nothing if not detached.
 */
void daemon_up(void);

/*
 * Write, lock and keep a pid file. Refused: while another process holds it (YM_ERR_NO), or if what is there is not the
 * left-over of a dead one (link, other owner, other content: YM_ERR_FOREIGN). After daemon_detach().
 */
int daemon_pidfile(const char *path, struct ym_err *err);
/* Remove it, if it is still ours. */
void daemon_pidfile_remove(void);
/* Its descriptor, which holds the lock; -1: none. For an upgrade: clear FD_CLOEXEC, and hand over the number. */
int daemon_pidfile_fd(void);
/* In the new image. */
int daemon_pidfile_adopt(const char *path, int fd, struct ym_err *err);

/*
 * As PID 1 or subreaper we are the parent of every orphan: reap, a moment after they have ended, those that are not
 * ours. `ours` says of a pid whether its end is somebody else's to hear of. It has to know every child from its start
 * until it has been reaped, and no longer (the pid may be another's then).
 */
void daemon_reap(uv_loop_t *loop, bool (*ours)(void *arg, pid_t pid), void *arg);
void daemon_reap_close(void);

#endif
