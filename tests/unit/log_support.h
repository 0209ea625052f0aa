/*
 * log_support.h - what the tests of logs share: files of the test, their lines, and sizes.
 */
#ifndef YM_TESTS_LOG_SUPPORT_H
#define YM_TESTS_LOG_SUPPORT_H

#include <fcntl.h>
#include <zlib.h>

#include "../../config/config.h"
#include "../../runtime/log_backup.h"
#include "support.h"

#define TEXT_BYTES (1 << 20)

static char log_path[PATH_MAX]; /* "test.log" of the test */
static char text[TEXT_BYTES];   /* what read_log() has read */

static inline void begin_log_test(void)
{
	begin_test();
	join_path(log_path, "test.log");
}

static inline TCase *add_log_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, begin_log_test, end_test);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

/* The text of a file, also of a gzipped one; "" if it is not there. */
static inline const char *read_path(const char *path)
{
	gzFile file = gzopen(path, "rbe");
	int n = file ? gzread(file, text, sizeof(text) - 1) : 0;

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	if (file)
		gzclose(file);
	return text;
}

/* Number 0 is the log itself. */
static inline const char *read_log(int number, bool packed)
{
	char path[PATH_MAX];

	if (number == 0)
		return read_path(log_path);
	log_backup_name(path, log_path, number, packed);
	return read_path(path);
}

static inline bool there(int number, bool packed)
{
	char path[PATH_MAX];

	log_backup_name(path, log_path, number, packed);
	return access(path, F_OK) == 0;
}

static inline unsigned count_lines(const char *of)
{
	unsigned n = 0;

	for (; *of; of++)
		n += *of == '\n';
	return n;
}

#endif
