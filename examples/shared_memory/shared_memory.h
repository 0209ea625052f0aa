/*
 * shared_memory.h - values by name, shared by C and PHP processes, that no killed process can spoil.
 *
 * All values are in one PHP array. Two variable segments hold a copy of it, each as variable 1:
 *
 *   copy0, copy1   [version, [name => value, ...]]     version n is in copy n % 2
 *   mutex          a semaphore of one unit, held by whoever reads or writes the copies
 *
 * The copy of the higher version counts. A writer puts the next version into the other copy: wherever it is killed, the
 * copy that counts is whole, and the kernel gives back the mutex. (PHP's shm_put_var() alone does not give that: it
 * removes the old value before it writes the new one, and moves the variables behind it.)
 *
 * Segments and semaphore are objects of a group: they go with the last participant, whoever dies how.
 */
#ifndef SHARED_MEMORY_H
#define SHARED_MEMORY_H

#include <yardmaster/ipc.h>

#define SHARED_MEMORY_COPIES 2

/* Stays where it is from open to close. */
struct shared_memory {
	struct ym_group_object objects[SHARED_MEMORY_COPIES + 1];
	struct ym_group group;
	struct ym_sem mutex;
	struct ym_vars copies[SHARED_MEMORY_COPIES];
};

/*
 * Join the group of `directory`, made (the directory, too) if it is missing; `size` is then that of a copy in bytes, which
 * has to hold all values. `err` is never NULL in this file.
 */
int shared_memory_open(struct shared_memory *memory, const char *directory, size_t size, struct ym_err *err);

/* Leave. *last (may be NULL): we were the last participant, so everything has been removed. */
int shared_memory_close(struct shared_memory *memory, bool *last, struct ym_err *err);

/*
 * Change the value of a name while nobody else does. `change` gets a copy of it (null and `exists` false if there is none)
 * and returns 0 to put what it left there, 1 to leave everything as it was, 2 to remove the name, -1 to fail. Returns
 * what `change` returned. A negative timeout waits for ever. YM_ERR_FULL: the values do not fit, nothing was changed.
 */
int shared_memory_update(struct shared_memory *memory, const char *name, int64_t timeout_ms, ym_vars_change *change,
                         void *arg, struct ym_err *err);

/* Get a value, to be freed: 0, 1 there is none, -1. Set one: 0, -1. Delete one: 0, 1 there was none, -1. */
int shared_memory_get(struct shared_memory *memory, const char *name, int64_t timeout_ms, struct ym_value *value,
                      struct ym_err *err);
int shared_memory_set(struct shared_memory *memory, const char *name, int64_t timeout_ms, const struct ym_value *value,
                      struct ym_err *err);
int shared_memory_delete(struct shared_memory *memory, const char *name, int64_t timeout_ms, struct ym_err *err);

/* Add to an integer, which is 0 if missing; *result is the sum. YM_ERR_NO: it is no integer, or the sum would not fit. */
int shared_memory_increment(struct shared_memory *memory, const char *name, int64_t timeout_ms, int64_t by,
                            int64_t *result, struct ym_err *err);

/* Set a value if it is `expected` (NULL: if there is none): 0 set, 1 it is something else, -1. */
int shared_memory_compare_and_set(struct shared_memory *memory, const char *name, int64_t timeout_ms,
                                  const struct ym_value *expected, const struct ym_value *value, struct ym_err *err);

/* Delete all names. */
int shared_memory_clear(struct shared_memory *memory, int64_t timeout_ms, struct ym_err *err);

#endif
