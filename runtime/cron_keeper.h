/*
 * cron_keeper.h - the [cron:NAME] sections as the master keeps them: a timer to the next time that is due, a job for it.
 *
 * What was due last is kept in the file "cron" of the instance directory, so that a new master knows what was missed.
 */
#ifndef YM_RUNTIME_CRON_KEEPER_H
#define YM_RUNTIME_CRON_KEEPER_H

#include <uv.h>

#include "../config/config.h"
#include "instance.h"

struct cron_keeper;

/* Take the sections of a configuration over (at the start and after a reload); those that are gone are forgotten. */
int cron_keeper_open(struct cron_keeper **keeper, uv_loop_t *loop, struct instance *instance, struct ym_err *err);
int cron_keeper_apply(struct cron_keeper *keeper, const struct config *config, struct ym_err *err);
/* The instance was left (stop: no more jobs), or joined anew after its objects were removed. */
void cron_keeper_pause(struct cron_keeper *keeper);
void cron_keeper_resume(struct cron_keeper *keeper);
void cron_keeper_close(struct cron_keeper *keeper);

#endif
