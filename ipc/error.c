/* error.c - error classes, texts and the hint that belongs to an errno. */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int exit_code;
	const char *word;
} classes[] = {
#define X(name, code, text) [YM_ERR_##name] = {code, text},
    YM_ERR_MAP(X)
#undef X
};

/* One row for each errno whose meaning in System V IPC is not what strerror() makes people think. */
static const struct {
	int sys;
	enum ym_err_class class;
	const char *hint;
} hints[] = {
    {ENOSPC, YM_ERR_LIMIT,
     "this is a kernel limit, not a full disk: see `ipcs -l` and the sysctls kernel.sem, kernel.shmmni, kernel.msgmni; "
     "`ipcs` shows who uses them"},
    {ENOMEM, YM_ERR_LIMIT, "not enough memory, or kernel.shmall reached (see `ipcs -l`)"},
    {E2BIG, YM_ERR_LIMIT, "larger than the kernel allows for one call"},
    {ERANGE, YM_ERR_LIMIT, "a semaphore value must stay within 0..32767"},
    {EACCES, YM_ERR_PERMISSION, "the object or file belongs to another user or its mode does not allow this"},
    {EPERM, YM_ERR_PERMISSION, "only the owner, its creator or root may do this"},
    {EIDRM, YM_ERR_GONE, "the object was removed: its group has ended, a program removed it, or somebody ran ipcrm"},
    {ENOSYS, YM_ERR_SYSTEM, "the kernel was built without this, or a filter of the container forbids it"},
    {EMFILE, YM_ERR_LIMIT, "raise the limit on open files (ulimit -n)"},
    {ENFILE, YM_ERR_LIMIT, "raise the sysctl fs.file-max"},
    {ENOTDIR, YM_ERR_USAGE, NULL},
    {ENOENT, YM_ERR_USAGE, NULL},
};

int ym_err_exit_code(enum ym_err_class class)
{
	return classes[class].exit_code;
}

const char *ym_err_word(enum ym_err_class class)
{
	return classes[class].word;
}

void ym_err_set(struct ym_err *err, enum ym_err_class class, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return;
	err->class = class;
	err->sys = 0;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
}

/* Of files, no space means just that. */
static bool is_full_disk(int sys, const char *fmt)
{
	return sys == ENOSPC && strncmp(fmt, "sem", 3) != 0 && strncmp(fmt, "shm", 3) != 0 &&
	       strncmp(fmt, "msg", 3) != 0;
}

void ym_err_set_sys(struct ym_err *err, int sys, const char *fmt, ...)
{
	const char *hint = NULL;
	size_t used;
	va_list ap;

	if (!err)
		return;
	err->class = YM_ERR_SYSTEM;
	err->sys = sys;
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		if (hints[i].sys == sys) {
			err->class = hints[i].class;
			hint = hints[i].hint;
		}
	}
	if (is_full_disk(sys, fmt)) {
		err->class = YM_ERR_FULL;
		hint = NULL;
	}
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s%s%s%s", strerror(sys), hint ? " (" : "",
	         hint ? hint : "", hint ? ")" : "");
}

void ym_err_put_before(struct ym_err *err, const char *fmt, ...)
{
	char old[YM_ERR_TEXT_MAX];
	size_t used;
	va_list ap;

	if (!err)
		return;
	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", old);
}
