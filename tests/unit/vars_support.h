/* vars_support.h - what the tests of variable segments share: serialized bytes, and segments looked at from outside. */
#ifndef YM_TESTS_VARS_SUPPORT_H
#define YM_TESTS_VARS_SUPPORT_H

#include <sys/shm.h>

#include "../../ipc/vars.h"
#include "support.h"

static key_t key;

static inline void begin_vars(void)
{
	begin_test();
	key = fresh_key();
}

static inline void attach(struct ym_vars *vars, size_t size)
{
	ASSERT_OK(ym_vars_attach(vars, key, size, 0600, 0, &err));
}

static inline void remove_segment(struct ym_vars *vars)
{
	ASSERT_OK(ym_vars_destroy(vars, false, &err));
	ym_vars_detach(vars);
}

static inline void put(struct ym_vars *vars, int64_t name, const char *text)
{
	ASSERT_OK(ym_vars_put_raw(vars, name, text, strlen(text), &err));
}

/* The serialized value of a variable as a string; NULL if there is none. Good until the next call. */
static inline const char *get(const struct ym_vars *vars, int64_t name)
{
	static char text[65536];
	struct ym_buffer buffer;
	int missing;

	ym_buffer_init(&buffer, text, sizeof(text) - 1);
	missing = ym_vars_get_raw(vars, name, &buffer, &err);
	ck_assert_msg(missing >= 0, "get of %lld failed: %s", (long long)name, err.text);
	ck_assert(!buffer.heap);
	text[buffer.length] = '\0';
	return missing ? NULL : text;
}

/* "s:LENGTH:"KEY KEY KEY ...";": long enough to see what is missing, and wrong when a byte is another's. */
static inline size_t checked_value(char *out, int64_t name, unsigned length)
{
	size_t used = (size_t)sprintf(out, "s:%u:\"", length);
	char pattern[32];
	size_t period = (size_t)snprintf(pattern, sizeof(pattern), "%lld,%u ", (long long)name, length);

	for (unsigned i = 0; i < length; i++)
		out[used++] = pattern[i % period];
	memcpy(out + used, "\";", 3);
	return used + 2;
}

/* Does a value look like one of checked_value() for `name`? */
static inline bool value_fits(const char *bytes, size_t length, int64_t name)
{
	char expected[8192];
	unsigned says;

	return length < 4096 && sscanf(bytes, "s:%u:\"", &says) == 1 && says < 4096 &&
	       checked_value(expected, name, says) == length && memcmp(bytes, expected, length) == 0;
}

#endif
