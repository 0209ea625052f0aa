/*
 * cron_keeper.h - the [cron:NAME] sections as the master keeps them: a timer to the next time that is due, a job for it
 * (cron.h says which times get one).
 *
 * The timer is one of the clock on the wall: it comes in time after a suspend, and at once when the clock is set. What
 * was due last is kept in the file "cron" of the instance directory (cron_file.h), so that a new master knows what was
 * missed.
 */
#ifndef YM_RUNTIME_CRON_KEEPER_H
#define YM_RUNTIME_CRON_KEEPER_H

#include <uv.h>

#include "../config/config.h"
#include "instance.h"

struct cron_keeper;

/* Nothing is due before the first cron_keeper_apply(). */
int cron_keeper_open(struct cron_keeper **keeper, uv_loop_t *loop, struct instance *instance, struct ym_err *err);

/*
 * Take the sections of a configuration over (at the start, when the pools are entered, and after a reload); those that
 * are gone are forgotten. A section whose schedule and time zone are the same goes on where it was, another one begins
 * now. Nothing of `config` is kept. -1: all is as it was.
 *
 * Reads time zones: other threads must not use local time or the environment meanwhile (config/zone.h).
 */
int cron_keeper_apply(struct cron_keeper *keeper, const struct config *config, struct ym_err *err);

/* See what is due: something that was submitted is answered. */
void cron_keeper_look(struct cron_keeper *keeper);

/* The clerk has ended: take what it has answered, and forget the rest. */
void cron_keeper_settle(struct cron_keeper *keeper);

/* The instance is being left (stop: no more jobs); joined anew after its objects were removed. */
void cron_keeper_pause(struct cron_keeper *keeper);
void cron_keeper_resume(struct cron_keeper *keeper);

/* It is gone when the loop has run once more. NULL is allowed. */
void cron_keeper_close(struct cron_keeper *keeper);

#endif
