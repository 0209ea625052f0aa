/* config_support.h - what the tests of INI files share: load a text, look at its problems. */
#ifndef YM_TESTS_CONFIG_SUPPORT_H
#define YM_TESTS_CONFIG_SUPPORT_H

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../config/config.h"
#include "suite.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

#define POOL "[pool:p]\nplugin = /x.so\n" /* two lines that make a file complete */

static struct config config;
static struct cfg_problems problems;
static char file[PATH_MAX];

/* Load `size` bytes as a file of their own, which is gone afterwards; its name stays in `file`. */
static inline int load_bytes(const char *bytes, size_t size)
{
	const char *directory = getenv("TMPDIR");
	int fd, result;

	snprintf(file, sizeof(file), "%s/ym-config-XXXXXX", directory ? directory : "/tmp");
	fd = mkstemp(file);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
	close(fd);
	result = config_load(file, &config, &problems);
	unlink(file);
	return result;
}

static inline void release(void)
{
	config_free(&config);
	cfg_problems_free(&problems);
}

/* Load a file that must be right. */
static inline void load(const char *text)
{
	int result = load_bytes(text, strlen(text));

	cfg_problems_print("unexpected", &problems, stderr);
	ck_assert_int_eq(result, 0);
	ck_assert_uint_eq(problems.count, 0);
}

/* Problem number `index` stands at `line` and contains `words`. */
static inline void says(size_t index, int line, const char *words)
{
	ck_assert_uint_gt(problems.count, index);
	ck_assert_msg(problems.items[index].line == line && strstr(problems.items[index].text, words),
	              "want line %d with \"%s\", got line %d \"%s\"", line, words, problems.items[index].line,
	              problems.items[index].text);
}

/* A file with exactly one problem. */
struct wrong {
	const char *text;
	int line;
	const char *words[3];
};

static inline void check_wrong(const struct wrong *wrong)
{
	int result = load_bytes(wrong->text, strlen(wrong->text));

	ck_assert_msg(result == -1, "accepted: %s", wrong->text);
	cfg_problems_print("in case of failure", &problems, stderr);
	ck_assert_msg(problems.count == 1, "%zu problems in: %s", problems.count, wrong->text);
	for (int i = 0; i < COUNT(wrong->words) && wrong->words[i]; i++)
		says(0, wrong->line, wrong->words[i]);
	release();
}

#endif
