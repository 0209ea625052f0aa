/*
 * probe.h - `ready = command:WORDS`: run the command again and again until it succeeds.
 */
#ifndef YM_RUNTIME_PROBE_H
#define YM_RUNTIME_PROBE_H

#include <uv.h>

#include "persona.h"

struct probe;

/*
 * Begin; `succeeded` is called once, then it is over. What the command prints is dropped. NULL without memory. `words` and
 * `persona` must live until probe_close().
 */
struct probe *probe_open(uv_loop_t *loop, char *const *words, const struct persona *persona,
                         void (*succeeded)(void *arg), void *arg);
/* The process of the command that runs right now; 0: none, or no probe. */
pid_t probe_pid(const struct probe *probe);
/* Kill what runs of it, and let go. */
void probe_close(struct probe *probe);

#endif
