/*
 * test_probe.c - the command that is run until it succeeds.
 */
#include "../../runtime/probe.h"
#include "loop_support.h"
#include "persona_support.h"

static struct probe *probe;
static unsigned times;

static void succeeded(void *arg)
{
	ck_assert_ptr_eq(arg, &times);
	times++;
}

/* As program.c does it: over as soon as it is known. */
static void succeeded_and_close(void *arg)
{
	succeeded(arg);
	probe_close(probe);
	probe = NULL;
}

static void begin(void)
{
	begin_loop();
	config = (struct cfg_process){.umask = CFG_INHERIT, .nice = CFG_INHERIT};
#define X(option, resource) config.option = CFG_INHERIT;
	PERSONA_RLIMIT_MAP(X)
#undef X
	setenv("PLACE", directory, 1);
	ASSERT_OK(persona_make(&config, NULL, &persona, &err));
}

static void end(void)
{
	probe_close(probe);
	probe = NULL;
	RUN_UNTIL(!uv_loop_alive(&loop));
	persona_free(persona);
	end_loop();
}

static char *const *shell(const char *script)
{
	static char *words[4];

	words[0] = (char *)(uintptr_t) "/bin/sh";
	words[1] = (char *)(uintptr_t) "-c";
	words[2] = (char *)(uintptr_t)script;
	return words;
}

static void open_probe(char *const *words, void (*when)(void *arg))
{
	probe = probe_open(&loop, words, persona, when, &times);
	ck_assert_ptr_nonnull(probe);
}

static const char *put_down(const char *name)
{
	char path[PATH_MAX];

	join_path(path, name);
	return access(path, R_OK) == 0 ? read_file(name) : "";
}

START_TEST(test_at_once)
{
	open_probe(shell("echo dropped; echo dropped >&2; exit 0"), succeeded_and_close);
	RUN_UNTIL(times == 1);
	ck_assert_ptr_null(strstr(logged(), "dropped"));
}
END_TEST

/* Again and again; once, and then not any more. */
START_TEST(test_later)
{
	open_probe(shell("echo x >>$PLACE/runs; [ $(wc -l <$PLACE/runs) -ge 3 ]"), succeeded);
	RUN_UNTIL(times == 1);
	ck_assert_str_eq(put_down("runs"), "x\nx\nx\n");
	/* Nobody has closed it yet, and nothing of it is left to come. */
	ck_assert(!uv_loop_alive(&loop));
}
END_TEST

/* One that cannot be run is no success; it is told once and tried again. */
START_TEST(test_missing)
{
	static char path[PATH_MAX];
	static char *words[] = {path, NULL};
	const char *first;

	join_path(path, "check");
	open_probe(words, succeeded_and_close);
	RUN_UNTIL(strstr(logged(), "cannot be run"));
	ASSERT_LOGGED(path);
	write_file("check", "#!/bin/sh\nexit 0\n", 17);
	ck_assert_int_eq(chmod(path, 0755), 0);
	RUN_UNTIL(times == 1);
	first = strstr(logged(), "cannot be run");
	ck_assert_ptr_null(strstr(first + 1, "cannot be run"));
}
END_TEST

static pid_t number_in(const char *name)
{
	return (pid_t)atol(put_down(name));
}

static bool is_gone(pid_t pid)
{
	char state = process_state(pid);

	return state == '?' || state == 'Z';
}

/* Closed while it runs: it is killed, and what it has started, too. Nobody is told. */
START_TEST(test_close)
{
	open_probe(shell("sleep 1000 & echo $! >$PLACE/new; mv $PLACE/new $PLACE/inner; wait"), succeeded);
	RUN_UNTIL(number_in("inner") > 0);
	probe_close(probe);
	probe = NULL;
	RUN_UNTIL(!uv_loop_alive(&loop));
	RUN_UNTIL(is_gone(number_in("inner")));
	ck_assert_uint_eq(times, 0);
}
END_TEST

/* It would have been a success. */
START_TEST(test_close_late)
{
	open_probe(shell("echo $$ >$PLACE/new; mv $PLACE/new $PLACE/outer; "
	                 "while [ ! -e $PLACE/go ]; do sleep 0.01; done; exit 0"),
	           succeeded);
	RUN_UNTIL(number_in("outer") > 0);
	/* From here on the loop hears of nothing. */
	write_file("go", "", 0);
	WAIT_UNTIL(is_gone(number_in("outer")));
	probe_close(probe);
	probe = NULL;
	RUN_UNTIL(!uv_loop_alive(&loop));
	ck_assert_uint_eq(times, 0);
}
END_TEST

/* Before it runs, and never. */
START_TEST(test_close_early)
{
	open_probe(shell("echo x >$PLACE/runs"), succeeded);
	probe_close(probe);
	probe = NULL;
	RUN_UNTIL(!uv_loop_alive(&loop));
	ck_assert_str_eq(put_down("runs"), "");
	probe_close(NULL);
}
END_TEST

/* A hanging one is killed with all that it has started, and the next one may do better. */
START_TEST(test_hangs)
{
	open_probe(
	    shell("[ -e $PLACE/inner ] && exit 0; sleep 1000 & echo $! >$PLACE/new; mv $PLACE/new $PLACE/inner; wait"),
	    succeeded_and_close);
	RUN_UNTIL(number_in("inner") > 0);
	RUN_UNTIL(is_gone(number_in("inner")));
	ck_assert_uint_eq(times, 0);
	RUN_UNTIL(times == 1);
}
END_TEST

/* As who the program is run. */
START_TEST(test_persona)
{
	config.directory = directory;
	config.clear_env = 1;
	persona_free(persona);
	ASSERT_OK(persona_make(&config, NULL, &persona, &err));
	open_probe(shell("[ -z \"$PLACE\" ] && pwd >here"), succeeded_and_close);
	RUN_UNTIL(times == 1);
	ASSERT_IN(directory, put_down("here"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("probe");
	TCase *tcase = tcase_create("probe");

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_at_once);
	tcase_add_test(tcase, test_later);
	tcase_add_test(tcase, test_missing);
	tcase_add_test(tcase, test_close);
	tcase_add_test(tcase, test_close_late);
	tcase_add_test(tcase, test_close_early);
	tcase_add_test(tcase, test_hangs);
	tcase_add_test(tcase, test_persona);
	return run_suite(suite);
}
