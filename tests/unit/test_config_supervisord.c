/*
 * test_config_supervisord.c - supervisord.conf as its users write it: dialect, what has no effect, includes.
 *
 * The files of tests/system/supervisord are whole examples.
 */
#define _GNU_SOURCE 1 /* asprintf */
#include <signal.h>
#include <sys/stat.h>

#include "../../config/expand.h"
#include "config_support.h"

#define PROGRAM "[program:p]\ncommand = x\n" /* two lines that make a file complete */
#define FILES   "tests/system/supervisord/"

/* Note number `index` stands at `line` and contains `words`. */
static void notes(size_t index, int line, const char *words)
{
	ck_assert_uint_gt(config.notes.count, index);
	ck_assert_msg(config.notes.items[index].line == line && strstr(config.notes.items[index].text, words),
	              "want line %d with \"%s\", got line %d \"%s\"", line, words, config.notes.items[index].line,
	              config.notes.items[index].text);
}

/* ---- how lines are read -------------------------------------------------------------------------- */

/* What stands in [program:p], and the words of the command it gives, with | between them. */
static const struct {
	const char *lines, *words;
} commands[] = {
    {"command = a b ; c\n", "a|b"},
    {"command = a b # c\n", "a|b"},
    {"command = a b;c#d\n", "a|b;c#d"},
    {"command = a 'b ; c'\n", NULL}, /* as supervisord has it: a comment, even between quotes */
    {"command: a b\n", "a|b"},
    {"command: a=b\n", "a=b"},
    {"command = a:b\n", "a:b"},
    {"Command = a\n", "a"},
    {"COMMAND = a\n", "a"},
    {"  command = a\n", "a"},
    {"command = a\n  b\n\tc\n", "a|b|c"},
    {"command =\n  a\n  b\n", "a|b"},
    {"command = a\n\n  b\n", "a|b"},
    {"command = a\n; no\n  b\n", "a|b"},
    {"command = a\n  ; no\n  b ; c\n    d\n", "a|b|d"},
    {"command = a\n  [x]\n  y = z\n", "a|[x]|y|=|z"},
    {"  command = a\n  umask = 022\n", "a"},
    {"command = sh -c 'a\n  b'\n", "sh|-c|a\nb"},
    {"command = a\r\n  b\r\n", "a|b"},
    {"command = a | b > c & d `e` $F\n", "a|||b|>|c|&|d|`e`|$F"},
    {"command = a \"\\$b \\\" c\"\n", "a|\\$b \" c"},
    {"command = a\ncommand = b\n", "b"},
    {"command = %(program_name)s %(process_num)d %%\n", "p|%(process_num)d|%%"},
    {"command = %(ENV_YM_TWO)s\n", "one|two"},
};

START_TEST(test_lines)
{
	char *text, joined[200] = "", *end = joined;

	setenv("YM_TWO", "one two", 1);
	ck_assert_int_gt(
	    asprintf(&text, "[program:p]\n%s[pool:q]\nplugin = /x.so\noption.a = b ; c\n", commands[_i].lines), 0);
	if (!commands[_i].words) {
		ck_assert_int_eq(load_bytes(text, strlen(text)), -1);
		ck_assert_uint_eq(problems.count, 1);
		says(0, 2, "no second '");
	} else {
		load(text);
		for (char **word = config.programs->command_words; *word; word++)
			end += sprintf(end, "%s%s", end > joined ? "|" : "", *word);
		ck_assert_str_eq(joined, commands[_i].words);
		ck_assert_str_eq(config.pools->options->value, "b ; c"); /* our own dialect goes on behind it */
	}
	free(text);
	release();
}
END_TEST

/* The first line of a section continues nothing, however far it is indented. */
START_TEST(test_indented_first)
{
	load("[program:a]\ncommand = x\n[program:b]\n  command = y\n  umask = 022\n    ; c\n  nice = 1\n");
	ck_assert_str_eq(config.programs[0].command, "x");
	ck_assert_str_eq(config.programs[1].command, "y");
	ck_assert_int_eq(config.programs[1].process.umask, 022);
	ck_assert_int_eq(config.programs[1].process.nice, 1);
	release();
}
END_TEST

static const struct wrong wrong_lines[] = {
    {"[program:p] x\ncommand = a\n", 1, {"nothing may follow"}},
    {"[program:p]\ncommand = a\n[pool:q] ; mine\nplugin = x\n", 3, {"nothing may follow"}},
    {"[program:p]\ncommand\n", 2, {"no `=`"}},
    {"[program:p]\n= a\n", 2, {"no name"}},
    {PROGRAM "autorestrt = yes\n", 3, {"unknown option `autorestrt` in [program:p]", "`autorestart`?"}},
    {PROGRAM "umask = 9\n", 3, {"umask = 9: not a file mode"}},
    {PROGRAM "user = %(process_num)d\n", 3, {"`%(process_num)` has no value here"}},
    {PROGRAM "directory = /x/%(foo)s\n", 3, {"unknown name in `%(foo)`"}},
    {PROGRAM "environment = A=\"50%\"\n", 3, {"write %% for a percent sign"}},
    {"[supervisord]\nloglevel = loud\n" PROGRAM, 2, {"loglevel = loud: must be debug"}},
    {"[supervisord]\nenvironment = A\n" PROGRAM "[program:q]\ncommand = x\n", 2, {"write NAME=\"VALUE\""}},
    {"[supervisord]\numask = 9\n" PROGRAM "[program:q]\ncommand = x\n", 2, {"not a file mode"}},
    {"[supervisord]\n[supervisord]\n" PROGRAM, 2, {"[supervisord] is there already, in line 1"}},
    {"[supervisord]\nnodaemon = yes\n", 0, {"no pool and no program"}},
    {"[program:x y]\ncommand = a\n", 1, {"white space"}},
    {"[program]\ncommand = a\n", 1, {"[program] has no name: write [program:NAME]"}},
};

START_TEST(test_wrong_lines)
{
	check_wrong(&wrong_lines[_i]);
}
END_TEST

/* ---- what has no effect --------------------------------------------------------------------------- */

START_TEST(test_notes)
{
	load("[unix_http_server] ; here\nfile = /x ; y\n[rpcinterface:supervisor]\na.b = c:d\n[group:g]\nprograms = p\n"
	     "[supervisord]\nnodaemon = true\nuser =\nwhatever = 1\n"
	     "[program:p]\ncommand = a | b\nstdout_capture_maxbytes = 1MB\nserverurl = AUTO\nframboise = 3\n"
	     "environment =\nnumprocs = 1\nnumprocs = 1\nredirect_stderr = yes\nstderr_logfile = /e\n"
	     "[eventlistener:e]\ncommand = y\n");
	ck_assert_uint_eq(config.notes.count, 14);
	notes(0, 1, "[unix_http_server] has no effect: yardmaster has a control socket of its own");
	notes(1, 3, "[rpcinterface:supervisor] has no effect");
	notes(2, 5, "[group:g] has no effect");
	notes(3, 8, "`nodaemon` has no effect: `yardmaster run` stays in the foreground");
	notes(4, 9, "`user` has no value");
	notes(5, 10, "unknown option `whatever` in [supervisord] has no effect");
	notes(6, 12, "no shell runs the command: `| b` is handed to the program");
	notes(7, 13, "`stdout_capture_maxbytes` has no effect: there are no events");
	notes(8, 14, "`serverurl` has no effect");
	notes(9, 15, "unknown option `framboise` in [program:p] has no effect");
	notes(10, 16, "`environment` has no value");
	notes(11, 18, "`numprocs` takes the place of `numprocs` in line 17");
	notes(12, 20, "`stderr_logfile` has no effect: with `redirect_stderr` in line 19");
	notes(13, 21, "[eventlistener:e] has no effect");
	ck_assert_uint_eq(config.nprograms, 1);
	release();
}
END_TEST

START_TEST(test_print_notes)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	load("[supervisord]\nsilent = 1\n" PROGRAM);
	cfg_notes_print("y.conf", &config.notes, to);
	fclose(to);
	ck_assert_str_eq(text, "y.conf:2: note: `silent` has no effect: the log goes to `logfile`, or to stderr\n");
	free(text);
	release();
}
END_TEST

START_TEST(test_daemon)
{
	load("[supervisord]\nlogfile = %(here)s/y.log ; c\nlogfile_maxbytes = 1MB\nlogfile_backups = 2\nloglevel = "
	     "blather\n"
	     "pidfile = y.pid\nuser = nobody\n" PROGRAM);
	ck_assert_str_eq(strrchr(config.instance.log.file, '/'), "/y.log");
	ck_assert_int_eq(config.instance.log.file[0], '/');
	ck_assert_int_eq(config.instance.log.maxbytes, 1 << 20);
	ck_assert_int_eq(config.instance.log.backups, 2);
	ck_assert_str_eq(config.instance.log_level, "debug");
	ck_assert_str_eq(strrchr(config.instance.pidfile, '/'), "/y.pid");
	ck_assert_str_eq(config.instance.user, "nobody");
	ck_assert_uint_eq(config.notes.count, 0);
	release();
	load("[supervisord]\nloglevel = critical\npidfile = y.pid\n[yardmaster]\npidfile = z.pid\n" PROGRAM);
	ck_assert_str_eq(config.instance.log_level, "error");
	ck_assert_str_eq(strrchr(config.instance.pidfile, '/'), "/z.pid");
	ck_assert_uint_eq(config.notes.count, 1);
	notes(0, 3, "`pidfile` has no effect: `pidfile` of [yardmaster] in line 5 counts");
	release();
}
END_TEST

/* What programs have from [supervisord] unless they say otherwise; pools have none of it. */
START_TEST(test_inherited)
{
	const struct cfg_program *program;

	load(PROGRAM "umask = 077\nenvironment = A=1,D=%(ENV_C)s\n[supervisord]\numask = 022\ndirectory = /srv\n"
	             "environment = A=\"0\",B='2 3',C=50%%\n[program:q]\ncommand = y\n[pool:r]\nplugin = /x.so\n");
	program = &config.programs[0];
	ck_assert_int_eq(program->process.umask, 077);
	ck_assert_str_eq(program->process.directory, "/srv");
	ck_assert_uint_eq(program->process.nenvironment, 4);
	ck_assert_str_eq(program->process.environment[0].key, "A");
	ck_assert_str_eq(program->process.environment[0].value, "1");
	ck_assert_str_eq(program->process.environment[1].value, "2 3");
	ck_assert_str_eq(program->process.environment[2].value, "50%%"); /* a template */
	ck_assert_str_eq(program->process.environment[3].value, "50%%");
	program = &config.programs[1];
	ck_assert_int_eq(program->process.umask, 022);
	ck_assert_uint_eq(program->process.nenvironment, 3);
	ck_assert_str_eq(program->process.environment[0].value, "0");
	ck_assert_int_eq(config.pools->process.umask, CFG_INHERIT);
	ck_assert_uint_eq(config.pools->process.nenvironment, 0);
	release();
}
END_TEST

/* ---- includes ------------------------------------------------------------------------------------ */

static char directory[] = "/tmp/ym-include-XXXXXX";

static void put(const char *name, const char *text)
{
	FILE *to = fopen(name, "w");

	ck_assert_ptr_nonnull(to);
	fputs(text, to);
	fclose(to);
}

static void enter_directory(void)
{
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
	ck_assert_int_eq(mkdir("d", 0700), 0);
}

static void leave_directory(void)
{
	static const char remove[] = "rm -rf ";
	char command[sizeof(remove) + sizeof(directory)];

	snprintf(command, sizeof(command), "%s%s", remove, directory);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(test_include)
{
	enter_directory();
	put("main.conf", "[include]\nfiles = d/b*.conf ; c\n  %(here)s/d/a.conf none*\n[program:m]\ncommand = ./m\n");
	put("d/b2.conf", "[program:b2]\ncommand = ./x\n");
	put("d/b1.conf", "[pool:b1]\nplugin = x.so\n");
	put("d/a.conf", "\n[program:a]\ncommand = %(here)s/x\n[include]\nfiles = c.ini ./b1.conf\n");
	put("d/c.ini", "");
	ck_assert_int_eq(config_load("main.conf", &config, &problems), 0);
	ck_assert_uint_eq(config.npools, 1);
	ck_assert_uint_eq(config.nprograms, 3);
	ck_assert_str_eq(config.programs[0].name, "m");
	ck_assert_str_eq(config.programs[0].file, "main.conf");
	ck_assert_str_eq(config.programs[1].name, "b2");
	ck_assert_str_eq(config.programs[2].name, "a");
	ck_assert_int_eq(config.programs[2].line, 2);
	ck_assert_str_eq(strstr(config.programs[2].file, "/d/"), "/d/a.conf");
	/* Paths start where the file is. */
	ck_assert_str_eq(strstr(config.programs[1].command_words[0], "/d/"), "/d/x");
	ck_assert_str_eq(strstr(config.programs[2].command_words[0], "/d/"), "/d/x");
	ck_assert_str_eq(strstr(config.pools->plugin, "/d/"), "/d/x.so");
	ck_assert_uint_eq(config.notes.count, 2);
	notes(0, 2, "none*: nothing is included");
	notes(1, 5, "b1.conf is included already");
	release();
	leave_directory();
}
END_TEST

START_TEST(test_include_problems)
{
	char *text = NULL, *want;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	enter_directory();
	put("main.conf", "[program:m]\ncommand = m\nnumprocs = x\n[include]\nfiles = d/*.conf\nfile = y\n");
	put("d/1.conf", "[program:m]\ncommand = m\n[program:n]\ncommand = m\numask = 9\n");
	put("d/2.conf", "oops\n[include]\nfiles = ../main.conf ../d\n");
	ck_assert_int_eq(config_load("main.conf", &config, &problems), -1);
	cfg_problems_print("main.conf", &problems, to);
	fclose(to);
	ck_assert_int_gt(
	    asprintf(&want,
	             "main.conf:3: numprocs = x: not a whole number: write digits only, such as 16\n"
	             "main.conf:6: unknown option `file` in [include]: there is only `files`\n"
	             "%1$s/d/1.conf:1: [program:m] is there already, in line 1 of main.conf: put its options "
	             "together\n"
	             "%1$s/d/1.conf:5: umask = 9: not a file mode: write it in octal, such as 0640\n"
	             "%1$s/d/2.conf:1: `oops`: no `=`: write NAME = VALUE, [SECTION] or ; comment\n"
	             "%1$s/d/2.conf:3: %1$s/d/../main.conf includes itself, through others: remove it from "
	             "`files`\n"
	             "%1$s/d/../d: a directory: name the files in it, `files = DIRECTORY/*.conf`\n",
	             directory),
	    0);
	ck_assert_str_eq(text, want);
	free(text);
	free(want);
	release();
	leave_directory();
}
END_TEST

START_TEST(test_include_depth)
{
	char name[16], text[64];

	enter_directory();
	for (int i = 0; i < 11; i++) {
		snprintf(name, sizeof(name), "%d", i);
		snprintf(text, sizeof(text), "[include]\nfiles = %d\n[program:p%d]\ncommand = x\n", i + 1, i);
		put(name, text);
	}
	ck_assert_int_eq(config_load("0", &config, &problems), -1);
	ck_assert_uint_eq(problems.count, 1);
	says(0, 2, "/9: files include one another more than 8 levels deep");
	ck_assert_str_eq(strrchr(problems.items->file, '/'), "/8");
	release();
	put("8", "[program:p8]\ncommand = x\n[include]\nfiles = fifo\n");
	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
	ck_assert_int_eq(config_load("1", &config, &problems), -1);
	says(0, 0, "not a regular file");
	release();
	put("8", "[include]\nfiles = 8\n");
	ck_assert_int_eq(config_load("8", &config, &problems), -1);
	says(0, 2, "/8 includes itself: remove");
	release();
	leave_directory();
}
END_TEST

/* ---- whole files --------------------------------------------------------------------------------- */

static void load_file(const char *path)
{
	int result = config_load(path, &config, &problems);

	cfg_problems_print(path, &problems, stderr);
	ck_assert_int_eq(result, 0);
}

static void ends(const char *text, const char *end)
{
	ck_assert_msg(strlen(text) >= strlen(end) && !strcmp(text + strlen(text) - strlen(end), end), "%s: want %s",
	              text, end);
}

START_TEST(test_laravel)
{
	const struct cfg_program *program;
	char *name, why[CFG_WHY_MAX];

	load_file(FILES "laravel.conf");
	ck_assert_uint_eq(config.nprograms, 3);
	ck_assert_str_eq(config.instance.pidfile, "/var/run/supervisord.pid");
	ck_assert_str_eq(config.instance.log.file, "/var/log/supervisor/supervisord.log");
	ck_assert_int_eq(config.instance.log.maxbytes, 10 << 20);
	program = &config.programs[0];
	ck_assert_str_eq(program->name, "laravel-worker");
	ck_assert_int_eq(program->numprocs, 8);
	ck_assert_str_eq(program->command_words[0], "php");
	ck_assert_str_eq(program->command_words[4], "--queue=high,default");
	ck_assert_int_eq(program->process.stopwaitsecs_ms, 3600000);
	ck_assert_int_eq(program->process.stopasgroup, 1);
	ck_assert_str_eq(program->process.user, "www-data");
	ck_assert_int_eq(program->process.stdout_log.maxbytes, 20 << 20);
	ck_assert_int_eq(cfg_expand_process(program->process_name, program, 3, &name, why), 0);
	ck_assert_str_eq(name, "laravel-worker_03");
	free(name);
	program = &config.programs[1];
	ck_assert_int_eq(program->process.autorestart, CFG_AUTORESTART_YES);
	ck_assert_int_eq(cfg_expand_process(program->process.stdout_log.file, program, 2, &name, why), 0);
	ck_assert_str_eq(name, "/srv/shop/shared/logs/laravel-mail_02.log");
	free(name);
	program = &config.programs[2];
	ck_assert_str_eq(program->command_words[1], "-c");
	ck_assert_str_eq(program->command_words[2],
	                 "while true; do php /srv/shop/current/artisan schedule:run; sleep 60; done");
	ck_assert_uint_eq(config.notes.count, 9);
	release();
}
END_TEST

START_TEST(test_celery)
{
	const struct cfg_program *program;
	const struct cfg_pair *pairs;

	load_file(FILES "celery.conf");
	ck_assert_uint_eq(config.nprograms, 3);
	program = &config.programs[0];
	ck_assert_str_eq(program->command_words[7], "worker%%h");
	pairs = program->process.environment;
	ck_assert_uint_eq(program->process.nenvironment, 6);
	ck_assert_str_eq(pairs[0].value, "site.settings.production");
	ck_assert_str_eq(pairs[2].key, "BROKER_URL");
	ck_assert_str_eq(pairs[2].value, "amqp://guest:guest@localhost:5672//");
	ck_assert_str_eq(pairs[3].value, "a,b=c;d");
	ck_assert_str_eq(pairs[4].value, "1");
	ends(pairs[5].value, "/tests/system/supervisord");
	ck_assert_int_eq(program->process.umask, 027);
	ck_assert_int_eq(program->process.start_order, 1000);
	ck_assert_int_eq(program->process.redirect_stderr, 1); /* both streams go to one file */
	ck_assert_int_eq(program->process.killasgroup, 1);
	program = &config.programs[1];
	ck_assert_str_eq(program->command_words[6], "--loglevel=INFO");
	ck_assert_str_eq(program->command_words[7], "--pidfile=");
	ck_assert_ptr_null(program->command_words[8]);
	ck_assert_int_eq(program->process.stopsignal, SIGINT);
	ck_assert_int_eq(program->process.exitcodes[2], 1);
	program = &config.programs[2];
	ck_assert_str_eq(program->name, "flower");
	ck_assert_int_eq(program->process.autostart, 0);
	ck_assert_str_eq(program->process.stdout_log.file, "");
	ck_assert_str_eq(program->process.stderr_log.file, "/var/log/celery/flower-C.UTF-8.log");
	ck_assert_uint_eq(config.notes.count, 1);
	release();
}
END_TEST

START_TEST(test_web)
{
	const struct cfg_program *program;

	load_file(FILES "web.conf");
	ck_assert_str_eq(config.instance.log_level, "warn");
	ck_assert_str_eq(config.instance.log.file, "/dev/stdout");
	ck_assert_uint_eq(config.nprograms, 3);
	program = &config.programs[0];
	ck_assert_int_eq(program->process.start_order, 10);
	ck_assert_str_eq(program->command_words[2], "");
	program = &config.programs[1];
	ck_assert_str_eq(program->command_words[2], "--bind");
	ck_assert_str_eq(program->command_words[3], "unix:/run/gunicorn.sock");
	ck_assert_str_eq(program->command_words[7], "-");
	ck_assert_ptr_null(program->command_words[8]);
	ck_assert_str_eq(program->process.environment[1].value, "/tmp");
	program = &config.programs[2];
	ck_assert_str_eq(program->command_words[0], "nginx");
	ck_assert_str_eq(program->command_words[2], "daemon off;");
	ck_assert_int_eq(program->process.startretries, 999999);
	ck_assert_int_eq(program->process.stopsignal, SIGQUIT);
	ck_assert_uint_eq(config.notes.count, 2);
	release();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_supervisord");
	TCase *all = tcase_create("all");

	tcase_add_loop_test(all, test_lines, 0, COUNT(commands));
	tcase_add_test(all, test_indented_first);
	tcase_add_loop_test(all, test_wrong_lines, 0, COUNT(wrong_lines));
	tcase_add_test(all, test_notes);
	tcase_add_test(all, test_print_notes);
	tcase_add_test(all, test_daemon);
	tcase_add_test(all, test_inherited);
	tcase_add_test(all, test_include);
	tcase_add_test(all, test_include_problems);
	tcase_add_test(all, test_include_depth);
	tcase_add_test(all, test_laravel);
	tcase_add_test(all, test_celery);
	tcase_add_test(all, test_web);
	suite_add_tcase(suite, all);
	return run_suite(suite);
}
