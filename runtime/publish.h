/*
 * publish.h - the progress of jobs for scripts: a segment of PHP's variables that the master keeps up to date.
 *
 * The segment is an object of the instance, "progress": its key is ftok(DIRECTORY/progress, 'y'), and it goes with the
 * group. For each job there are two variables with the same value (php_job.h): one by its id, one by its tag. Another one,
 * key 0, is about the segment itself (published.h).
 *
 * It is written with the mutex of the group held (ym_group_mutex()), which scripts hold while they read. The loop waits for
 * nobody: while somebody holds it, it tries again. Variables of others in the segment stay; what is damaged is repaired,
 * or made anew, and so is a segment that somebody has removed. Nothing in here ever fails a job.
 *
 * About ten looks a second while something changes. Otherwise the master looks as often as it looks at everything, and
 * sleeps until a job comes (table_sh.watched).
 */
#ifndef YM_RUNTIME_PUBLISH_H
#define YM_RUNTIME_PUBLISH_H

#include <uv.h>

#include "../config/config.h"
#include "instance.h"

struct publish;

/* NULL: no memory, said in the log. With `publish = none` it only sees to it that there is no segment. */
struct publish *publish_open(uv_loop_t *loop, struct instance *instance, const struct cfg_instance *config);
/* Other options; `config` has to live until the next ones. */
void publish_configure(struct publish *publish, const struct cfg_instance *config);
/* At each round of the master: make what is missing, look at the jobs. NULL: nothing. */
void publish_look(struct publish *publish);
/* The segment stays, for who comes next or who removes the group. */
void publish_close(struct publish *publish);

#endif
