/* libpq.c - find the client library of PostgreSQL at run time. */
#include "libpq.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>

#define LIBPQ_NAME "libpq.so.5"

struct libpq libpq;

/* dlsym() gives an object's address where a function's is meant: POSIX says that this works, ISO C knows no cast for it. */
static int find(void *library, const char *name, void *function, struct ym_err *err)
{
	void **place = function;

	*place = dlsym(library, name);
	if (*place)
		return 0;
	return ym_fail(err, YM_ERR_SYSTEM,
	               LIBPQ_NAME
	               " is too old for a store in PostgreSQL: it has no %s(): install libpq5 of version 14 or later",
	               name);
}

static int load(struct ym_err *err)
{
	void *library = dlopen(LIBPQ_NAME, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return ym_fail(err, YM_ERR_SYSTEM,
		               "dlopen(\"" LIBPQ_NAME "\") for a store in PostgreSQL: %s: install the package libpq5",
		               dlerror());
#define X(name)                                                                                                        \
	if (find(library, #name, &libpq.name, err) < 0)                                                                \
		return -1;
	LIBPQ_MAP(X)
#undef X
	return 0;
}

int libpq_load(struct ym_err *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static bool loaded;
	int code = 0;

	pthread_mutex_lock(&lock);
	if (!loaded)
		code = load(err);
	loaded = code == 0;
	pthread_mutex_unlock(&lock);
	return code;
}
