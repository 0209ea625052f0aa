/*
 * test_recipe.c - what is written once in a program's section is made final for each of its processes.
 */
#include "../../runtime/board.h"
#include "../../runtime/recipe.h"
#include "support.h"

static struct config config;

static const struct cfg_program *load(const char *section)
{
	struct cfg_problems problems = {0};
	char path[PATH_MAX], text[8192];

	config_free(&config);
	config = (struct config){0};
	join_path(path, "test.ini");
	snprintf(text, sizeof(text), "[program:web]\n%s\n", section);
	write_file("test.ini", text, strlen(text));
	if (config_load(path, &config, &problems) < 0)
		ck_abort_msg("%s", problems.items[0].text);
	ck_assert_uint_eq(config.nprograms, 1);
	return &config.programs[0];
}

static void begin(void)
{
	begin_test();
	setenv("RECIPE_PLACE", "100%", 1);
}

static void end(void)
{
	config_free(&config);
	config = (struct config){0};
	end_test();
}

START_TEST(test_each)
{
	const struct cfg_program *program =
	    load("command = /bin/serve --port 80%(process_num)02d -- '%(program_name)s x' %%d\n"
	         "process_name = %(program_name)s_%(process_num)03d\n"
	         "numprocs = 3\n"
	         "numprocs_start = 7\n"
	         "directory = /%(process_num)d/..\n"
	         "environment = PORT=\"80%(process_num)02d\",PLAIN=\"a%%b\"\n"
	         "ready = command:/bin/probe %(process_num)d\n"
	         "stdout_logfile = /tmp/%(program_name)s.%(process_num)d.log\n"
	         "stderr_logfile = NONE\n"
	         "stopsignal = INT\n"
	         "umask = 027");

	for (int64_t number = 7; number < 10; number++) {
		struct recipe recipe;
		char text[64];

		ASSERT_OK(recipe_make(program, number, &recipe, &err));
		snprintf(text, sizeof(text), "web_%03d", (int)number);
		ck_assert_str_eq(recipe.name, text);
		ck_assert_str_eq(recipe.words[0], "/bin/serve");
		ck_assert_str_eq(recipe.words[1], "--port");
		snprintf(text, sizeof(text), "80%02d", (int)number);
		ck_assert_str_eq(recipe.words[2], text);
		ck_assert_str_eq(recipe.words[3], "--");
		ck_assert_str_eq(recipe.words[4], "web x");
		ck_assert_str_eq(recipe.words[5], "%d");
		ck_assert_ptr_null(recipe.words[6]);
		ck_assert_uint_eq(recipe.process.nenvironment, 2);
		ck_assert_str_eq(recipe.process.environment[0].key, "PORT");
		ck_assert_str_eq(recipe.process.environment[0].value, text);
		ck_assert_str_eq(recipe.process.environment[1].key, "PLAIN");
		ck_assert_str_eq(recipe.process.environment[1].value, "a%b");
		snprintf(text, sizeof(text), "/%d/..", (int)number);
		ck_assert_str_eq(recipe.process.directory, text);
		ck_assert_str_eq(recipe.process.ready_command[0], "/bin/probe");
		snprintf(text, sizeof(text), "%d", (int)number);
		ck_assert_str_eq(recipe.process.ready_command[1], text);
		ck_assert_ptr_null(recipe.process.ready_command[2]);
		snprintf(text, sizeof(text), "/tmp/web.%d.log", (int)number);
		ck_assert_str_eq(recipe.process.stdout_log.file, text);
		ck_assert_str_eq(recipe.process.stderr_log.file, "");
		/* All else is the section's. */
		ck_assert_int_eq(recipe.process.stopsignal, SIGINT);
		ck_assert_int_eq(recipe.process.umask, 027);
		ck_assert_int_eq(recipe.process.ready, CFG_READY_COMMAND);
		recipe_free(&recipe);
		ck_assert(!recipe.name && !recipe.words && !recipe.process.environment);
	}
}
END_TEST

/* Nothing but a command: what is not set stays so. */
START_TEST(test_plain)
{
	struct recipe recipe;

	ASSERT_OK(recipe_make(load("command = /bin/true"), 0, &recipe, &err));
	ck_assert_str_eq(recipe.name, "web");
	ck_assert_str_eq(recipe.words[0], "/bin/true");
	ck_assert_ptr_null(recipe.words[1]);
	ck_assert_ptr_null(recipe.process.directory);
	ck_assert_ptr_null(recipe.process.ready_command);
	ck_assert_ptr_null(recipe.process.stdout_log.file);
	ck_assert_uint_eq(recipe.process.nenvironment, 0);
	recipe_free(&recipe);
	/* Freed twice, or never made. */
	recipe_free(&recipe);
}
END_TEST

/* Nothing of it is the configuration's: that may be freed by a reload while the process runs. */
START_TEST(test_own)
{
	const struct cfg_program *program = load("command = /bin/serve x\ndirectory = /\nenvironment = A=1\n"
	                                         "ready = command:/bin/probe\nstdout_logfile = /tmp/x.log");
	struct recipe recipe;

	ASSERT_OK(recipe_make(program, 0, &recipe, &err));
	ck_assert_ptr_ne(recipe.words, program->command_words);
	config_free(&config);
	config = (struct config){0};
	ck_assert_str_eq(recipe.name, "web");
	ck_assert_str_eq(recipe.words[1], "x");
	ck_assert_str_eq(recipe.process.directory, "/");
	ck_assert_str_eq(recipe.process.environment[0].key, "A");
	ck_assert_str_eq(recipe.process.environment[0].value, "1");
	ck_assert_str_eq(recipe.process.ready_command[0], "/bin/probe");
	ck_assert_str_eq(recipe.process.stdout_log.file, "/tmp/x.log");
	recipe_free(&recipe);
}
END_TEST

/* A percent sign that was put in is no template of its own. */
START_TEST(test_percent)
{
	struct recipe recipe;

	ASSERT_OK(recipe_make(load("command = /bin/echo %(ENV_RECIPE_PLACE)s %%(process_num)d"), 3, &recipe, &err));
	ck_assert_str_eq(recipe.words[1], "100%");
	ck_assert_str_eq(recipe.words[2], "%(process_num)d");
	recipe_free(&recipe);
}
END_TEST

/* Which option of which program cannot be made final, and why; nothing is left of the rest. */
START_TEST(test_mistake)
{
	static const struct {
		size_t offset;
		const char *option;
	} texts[] = {
	    {offsetof(struct cfg_program, process_name), "process_name"},
	    {offsetof(struct cfg_program, process.directory), "directory"},
	    {offsetof(struct cfg_program, process.stdout_log.file), "stdout_logfile"},
	    {offsetof(struct cfg_program, process.stderr_log.file), "stderr_logfile"},
	};
	static char bad[] = "%(nothing)s", *bad_words[] = {bad, NULL};
	struct cfg_pair bad_pair = {(char[]){"KEY"}, bad};
	/* What the section has itself must not be freed with the rest. */
	const struct cfg_program *program =
	    load("command = /bin/true\nenvironment = A=1,B=2\ndirectory = /\nready = command:/bin/probe\n"
	         "stdout_logfile = /tmp/x.log\nstderr_logfile = /tmp/y.log");
	struct cfg_program broken;
	struct recipe recipe;

	for (size_t i = 0; i < COUNT(texts); i++) {
		broken = *program;
		memcpy((char *)&broken + texts[i].offset, &(char *){bad}, sizeof(char *));
		ASSERT_ERR(recipe_make(&broken, 0, &recipe, &err), YM_ERR_CONFIG);
		ASSERT_IN("[program:web]: ", err.text);
		ASSERT_IN(texts[i].option, err.text);
		ASSERT_IN(bad, err.text);
		ck_assert(!recipe.name && !recipe.words);
	}
	broken = *program;
	broken.command_words = bad_words;
	ASSERT_ERR(recipe_make(&broken, 0, &recipe, &err), YM_ERR_CONFIG);
	ASSERT_IN("command = ", err.text);
	broken = *program;
	broken.process.ready_command = bad_words;
	ASSERT_ERR(recipe_make(&broken, 0, &recipe, &err), YM_ERR_CONFIG);
	ASSERT_IN("ready = ", err.text);
	broken = *program;
	broken.process.environment = &bad_pair;
	broken.process.nenvironment = 1;
	ASSERT_ERR(recipe_make(&broken, 0, &recipe, &err), YM_ERR_CONFIG);
	ASSERT_IN("environment = ", err.text);
}
END_TEST

/* The board and the roster would cut it, and take two for the same. */
START_TEST(test_long_name)
{
	char name[CFG_PROCESS_NAME_MAX + 1];
	struct cfg_program program = *load("command = /bin/true");
	struct recipe recipe;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	program.process_name = name;
	ASSERT_ERR(recipe_make(&program, 0, &recipe, &err), YM_ERR_CONFIG);
	ASSERT_IN("1 to 95 characters", err.text);
	name[CFG_PROCESS_NAME_MAX - 1] = '\0';
	ASSERT_OK(recipe_make(&program, 0, &recipe, &err));
	ck_assert_str_eq(recipe.name, name);
	recipe_free(&recipe);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recipe");
	TCase *tcase = tcase_create("recipe");

	tcase_add_checked_fixture(tcase, begin, end);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_each);
	tcase_add_test(tcase, test_plain);
	tcase_add_test(tcase, test_own);
	tcase_add_test(tcase, test_percent);
	tcase_add_test(tcase, test_mistake);
	tcase_add_test(tcase, test_long_name);
	return run_suite(suite);
}
