/* persona_support.h - a process configuration that changes nothing, and personas made from it. */
#ifndef YM_TESTS_PERSONA_SUPPORT_H
#define YM_TESTS_PERSONA_SUPPORT_H

#include "../../runtime/launch.h"
#include "../../runtime/persona_self.h"
#include "support.h"

/* Of the test at hand; its process ends with it. */
static struct cfg_process config;
static struct persona *persona;

static inline void begin_plain(void)
{
	begin_test();
	config = (struct cfg_process){.umask = CFG_INHERIT, .nice = CFG_INHERIT};
#define X(option, resource) config.option = CFG_INHERIT;
	PERSONA_RLIMIT_MAP(X)
#undef X
}

static inline void end_plain(void)
{
	persona_free(persona);
	persona = NULL;
	end_test();
}

static inline void make_persona(const char *ipc_group)
{
	persona_free(persona);
	persona = NULL;
	ASSERT_OK(persona_make(&config, ipc_group, &persona, &err));
}

static inline TCase *add_plain_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, begin_plain, end_plain);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

/* False, with a message, when there is no other user to become. */
static inline bool other_user_or_skip(const char *test)
{
	if (have_nobody())
		return true;
	fprintf(stderr, "%s: skipped, only root can become another user\n", test);
	return false;
}

/* A file below the test's directory, with the directories that it needs. */
static inline void put_file(const char *name, const char *text)
{
	char path[PATH_MAX];

	join_path(path, name);
	for (char *at = strchr(path + strlen(directory) + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
	write_file(name, text, strlen(text));
}

static inline const char *read_file(const char *name)
{
	static char text[4096];
	char path[PATH_MAX];
	FILE *file;

	join_path(path, name);
	file = fopen(path, "re");
	ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

#endif
