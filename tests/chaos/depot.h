/*
 * depot.h - the store of the instance under test, in rounds with one: a database on a file system of its own, which can be
 * made full. It outlives the instance: what is in it after a reset is all there is.
 */
#ifndef YM_TESTS_DEPOT_H
#define YM_TESTS_DEPOT_H

#include <stddef.h>

#include "../../runtime/view.h"
#include "events.h"

/* A place for it. */
void depot_make(void);
/* `keep`: what is in it is copied to where it can be looked at. */
void depot_remove(bool keep);
/* As `store` has it. */
const char *depot_uri(void);

/* Make it full for so long. False: that cannot be done here. */
bool depot_fill(unsigned ms);
/* Again and again: there is room again when the time has passed; `now`: in any case. */
void depot_tend(bool now);

/* May there be something that the store was not told yet because it is full, or was? */
bool depot_is_behind(void);

/* Reads, as people and monitoring do, for a while. Does not return. */
void depot_read(unsigned times) __attribute__((noreturn));

/* The jobs that are not over, and buried ones; free() it. NULL: it cannot be read just now. */
struct view_job *depot_jobs(size_t *count);

/*
 * When all is over: nothing is held, nothing is open, no accepted job is missing but those in `deleted` (by number), all is
 * as `store verify` wants it.
 */
void depot_check(const struct events *events, const unsigned char *deleted);

#endif
