/*
 * error.h - how every room of Yardmaster reports what went wrong.
 *
 * A function that can fail takes a `struct ym_err *` as its last argument and
 * returns 0, or -1 after filling it. The text says which call failed with
 * which arguments, what it was for, and what to do about it; the class decides
 * the exit code of the program. Passing NULL is allowed: the text is dropped.
 */
#ifndef YM_IPC_ERROR_H
#define YM_IPC_ERROR_H

#include <stddef.h>

#include "api.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Error classes: name, exit code, one word for JSON and logs.
 * Exit codes: 1 the answer is no, 2 usage or config, 3 not running,
 * 4 kernel limit or permission, 70 a bug of ours.
 */
#define YM_ERR_MAP(X)                                                                                                  \
	X(NONE, 0, "ok")                                                                                               \
	X(NO, 1, "no")                                                                                                 \
	X(FULL, 1, "full")                                                                                             \
	X(TIMEOUT, 1, "timeout")                                                                                       \
	X(USAGE, 2, "usage")                                                                                           \
	X(CONFIG, 2, "config")                                                                                         \
	X(NOT_RUNNING, 3, "not-running")                                                                               \
	X(GONE, 3, "gone")                                                                                             \
	X(LIMIT, 4, "limit")                                                                                           \
	X(PERMISSION, 4, "permission")                                                                                 \
	X(FOREIGN, 4, "foreign")                                                                                       \
	X(CORRUPT, 4, "corrupt")                                                                                       \
	X(SYSTEM, 4, "system")                                                                                         \
	X(BUG, 70, "bug")

enum ym_err_class {
#define X(name, code, word) YM_ERR_##name,
	YM_ERR_MAP(X)
#undef X
};

#define YM_ERR_TEXT_MAX 640

struct ym_err {
#ifdef __cplusplus
	enum ym_err_class class_; /* the name in C is a word of C++ */
#else
	enum ym_err_class class;
#endif
	int sys;                    /* errno of the failed call, 0 if none    */
	char text[YM_ERR_TEXT_MAX]; /* NUL-terminated, no newline at the end  */
};

/* Exit code (0, 1, 2, 3, 4, 70) and word of a class. */
YM_API int ym_err_exit_code(enum ym_err_class which);
YM_API const char *ym_err_word(enum ym_err_class which);

/*
 * Fill `err` (may be NULL) from a format. An expression of the value -1, so that a caller writes `return ym_fail(...)`;
 * a macro, so that compilers and analysers see that value.
 */
#define ym_fail(err, class, ...) (ym_err_set((err), (class), __VA_ARGS__), ym_err_failed())

/*
 * The same for a failed system call: `sys` is its errno, the format names the call with its arguments and the
 * purpose ("shmget(key 0x%x, size %zu) for the board"). strerror and a hint that fits the errno
 * (which sysctl, which permission) are appended; the class follows from the errno.
 */
#define ym_fail_sys(err, sys, ...) (ym_err_set_sys((err), (sys), __VA_ARGS__), ym_err_failed())

/* Put "context: " in front of the text of an error that is passed on; -1. */
#define ym_err_prefix(err, ...) (ym_err_put_before((err), __VA_ARGS__), ym_err_failed())

/* What stands behind the macros. */
YM_API void ym_err_set(struct ym_err *err, enum ym_err_class which, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
YM_API void ym_err_set_sys(struct ym_err *err, int sys, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
YM_API void ym_err_put_before(struct ym_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline int ym_err_failed(void)
{
	return -1;
}

#ifdef __cplusplus
}
#endif
#endif
