/* answer.h - tell who asked for it what became of a job. */
#ifndef YM_RUNTIME_ANSWER_H
#define YM_RUNTIME_ANSWER_H

#include "instance.h"

/* The job in the slot (`word`) is over and has a reply: send it. False: the queue is full, try again later. */
bool answer_send(struct instance *instance, uint32_t slot, uint64_t word);

#endif
