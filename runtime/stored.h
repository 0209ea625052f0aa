/*
 * stored.h - a job on its way between the table and a store: what stands in a slot as a struct store_job, and back.
 *
 * The table counts on ym_now_ns(), a store in unix time. Each turn of the clerk takes both clocks once; how far they are apart
 * is kept from turn to turn, so that jobs which come one after the other stand in the store in that order.
 */
#ifndef YM_RUNTIME_STORED_H
#define YM_RUNTIME_STORED_H

#include "instance.h"
#include "store.h"

struct stored_clock {
	uint64_t now;
	int64_t unix_ms;
	int64_t apart_ns; /* unix time less ours */
};
/* `last`: of the turn before, all zeroes if there was none. */
struct stored_clock stored_clock_now(const struct stored_clock *last);
/* A moment of the table as unix time, and back; 0 stays 0. One before the machine was started becomes its start. */
int64_t stored_to_unix(const struct stored_clock *clock, uint64_t moment);
uint64_t stored_from_unix(const struct stored_clock *clock, int64_t unix_ms);

/*
 * The job of a slot as its word says (of a STORING one: as it is to begin), but for its bytes. Texts are copied: the caller
 * looks at the word again afterwards.
 */
void stored_describe(const struct instance *instance, const struct stored_clock *clock, uint32_t slot, uint64_t word,
                     struct store_job *job);

/* Its payload, or its result: `payload` stays open as long as the source is used. */
int stored_payload(const struct instance *instance, uint32_t slot, struct payload *payload,
                   struct payload_source *source, struct ym_err *err);
int stored_result(const struct instance *instance, uint32_t slot, struct payload *payload,
                  struct payload_source *source, struct ym_err *err);

/* One attempt as the story of a slot tells it, with its moments in unix ms. */
void stored_attempt(struct store_attempt *to, const struct story_attempt *from, int64_t started_ms, int64_t ended_ms);
/* Attempts that are told of the job of this generation and come after number `after`: up to STORY_ATTEMPTS. */
size_t stored_attempts(const struct instance *instance, const struct stored_clock *clock, uint32_t slot, uint32_t gen,
                       unsigned after, struct store_attempt *attempts);

/* Fill a slot of ours (FILLING) with a job of pool number `pool`; *next: the word that makes it ready. */
int stored_fill(struct instance *instance, const struct stored_clock *clock, uint32_t slot, uint64_t word,
                unsigned pool, const struct store_job *job, uint64_t *next, struct ym_err *err);

/* Write what the store knows of a job into the slot of somebody who asked. */
int stored_answer(struct instance *instance, const struct stored_clock *clock, uint32_t slot, uint32_t gen,
                  const struct store_job *job, struct ym_err *err);

#endif
