/*
 * log_queue.h - a ring of log_records between one producer and one consumer, without locks.
 *
 * head and tail only grow; head is the producer's, tail the consumer's. Records do not wrap: what is left at the end is
 * taken by one without a voice. A queue that is empty in its second half starts again at its beginning, so that a quiet
 * master touches only half of it.
 */
#ifndef YM_RUNTIME_LOG_QUEUE_H
#define YM_RUNTIME_LOG_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../ipc/error.h"

struct log_record;

struct log_queue {
	unsigned char *bytes;
	size_t size; /* a power of two */
	_Atomic uint64_t head, tail;
	uint64_t start; /* the producer's: where the record begins that it has reserved */
};

int log_queue_init(struct log_queue *queue, size_t size, struct ym_err *err);
void log_queue_free(struct log_queue *queue);

/* Room for a record with a text of so many bytes: NULL if there is none. It is seen after log_queue_commit(). */
struct log_record *log_queue_reserve(struct log_queue *queue, size_t size);
void log_queue_commit(struct log_queue *queue, const struct log_record *record);

/* The record at `place`, NULL if it is `end`; *place moves behind it. */
struct log_record *log_queue_next(const struct log_queue *queue, uint64_t *place, uint64_t end);

#endif
