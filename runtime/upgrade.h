/*
 * upgrade.h - another program in our place: the same pid, the same children, nothing interrupted.
 *
 * The program file under the path we were started from (perhaps a newer one by now) is tried first: it must take the
 * configuration, and lay out the shared memory as we do. Then everything that is not in shared memory (lives of children,
 * their descriptors) is written into a memory file, and execve() does the rest: pid, children, semaphore undo and
 * descriptors without close-on-exec stay.
 */
#ifndef YM_RUNTIME_UPGRADE_H
#define YM_RUNTIME_UPGRADE_H

#include "master.h"

/* Where the new image finds its descriptor: taken out of the environment at once. */
#define UPGRADE_ENV "YARDMASTER_HANDOVER"

/* At the start: which file are we? */
void upgrade_remember(void);

/* Try the new program; if it is good, the loop is stopped for upgrade_now(). */
void upgrade_ask(struct master *master, struct control_reply *reply);

/* When the loop has stopped: become the new program, if that was asked for. True: go on with the loop. */
bool upgrade_now(struct master *master);

/* In the new image: take everything up again from the descriptor of the memory file. */
int upgrade_resume(struct master *master, int fd, struct ym_err *err);

/* When programs and pools are there: those that were up are up, the others are not. */
void upgrade_done(struct master *master);

/* For `yardmaster worker --layout`: what must be the same in both. */
void upgrade_print_layout(void);

#endif
