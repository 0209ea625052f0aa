/* guard.h - the guardian of an instance as its master sees it: started, watched, started again. */
#ifndef YM_RUNTIME_GUARD_H
#define YM_RUNTIME_GUARD_H

#include <uv.h>

#include "instance.h"
#include "process.h"

struct guard {
	uv_loop_t *loop;
	struct instance *instance;
	struct process *process; /* NULL: none right now */
	uv_timer_t timer;
	bool off;                 /* the master stops: no other is started */
	void (*ended)(void *arg); /* one has ended: perhaps because its group is gone */
	void *arg;
};

void guard_init(struct guard *guard, uv_loop_t *loop, struct instance *instance, void (*told)(void *arg), void *arg);

/* Start one, or watch the one that a dead master has left: there is one guardian a generation. */
void guard_start(struct guard *guard);

/* Let go of it; it sleeps on until the group is gone. */
void guard_forget(struct guard *guard);

#endif
