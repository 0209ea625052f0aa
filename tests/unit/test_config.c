/*
 * test_config.c - INI files in, structs or messages out: sections and options.
 *
 * Most tests are rows of a table: a whole file, and the line and words of the one problem it must give. Every
 * test runs in its own process (check's fork mode), so it may change directory or user.
 */
#include "../../config/options.h"
#include "config_support.h"

static const struct wrong wrong_sections[] = {
    {POOL "[pol:x]\nplugin = y\n", 3, {"unknown section [pol:x]", "did you mean [pool:x]?"}},
    {POOL "[limits]\n", 3, {"unknown section [limits]", "did you mean [limit:NAME]?"}},
    {POOL "[Yardmaster]\n", 3, {"[Yardmaster]", "did you mean [yardmaster]?"}},
    {POOL "[yardmaser:x]\n", 3, {"[yardmaser:x]", "did you mean [yardmaster]?"}},
    {"[service:x]\n", 1, {"[service:x]", "use [yardmaster], [pool:NAME], [limit:NAME], [program:NAME] or [cron:NAME]"}},
    {POOL "[yardmaster:x]\njobs = 100\n", 3, {"[yardmaster:x] takes no name", "write [yardmaster]"}},
    {"[pool]\nplugin = /x.so\n", 1, {"[pool] has no name", "[pool:NAME]"}},
    {"[pool:]\nplugin = /x.so\n", 1, {"[pool:] has no name"}},
    {"[pool:a/b]\nplugin = /x.so\n", 1, {"[pool:a/b]", "letters, digits"}},
    {"[pool:..]\nplugin = /x.so\n", 1, {"[pool:..]", "starts with"}},
    {"[pool:01234567890123456789012345678901]\nplugin = /x.so\n", 1, {"1 to 31 characters"}},
    {POOL "[limit:-a]\nmax = 1\n", 3, {"[limit:-a]", "starts with"}},
    {"\n" POOL "[limit:a]\nmax = 1\n[pool:p]\nworkers = 2\n", 6, {"[pool:p]", "there already", "line 2"}},
    {POOL "[limit:a]\nmax = 1\n[limit:a]\n", 5, {"[limit:a]", "there already", "line 3"}},
    {"[yardmaster]\n" POOL "[yardmaster]\njobs = 100\n", 4, {"[yardmaster]", "there already", "line 1"}},
    {"\n[pool:p]\n", 2, {"[pool:p] needs `plugin` (", " or `command` ("}},
    {POOL "[limit:a]\n[limit:b]\nmax = 1\n", 3, {"[limit:a] needs `max` (", " or `rate` ("}},
};

START_TEST(test_wrong_sections)
{
	check_wrong(&wrong_sections[_i]);
}
END_TEST

static const struct wrong wrong_options[] = {
    {POOL "workrs = 3\n", 3, {"unknown option `workrs` in [pool:p]", "did you mean `workers`?"}},
    {POOL "wrokers = 3\n", 3, {"did you mean `workers`?"}},
    {POOL "numproc = 3\n", 3, {"did you mean `numprocs`?"}},
    {POOL "Workers = 3\n", 3, {"did you mean `workers`?"}},
    {POOL "time = 3\n", 3, {"did you mean `timeout`?"}},
    {POOL "options.url = 3\n", 3, {"did you mean `option.url`?"}},
    {POOL "opton.pm = 3\n", 3, {"did you mean `option.pm`?"}},
    {POOL "option. = 3\n", 3, {"did you mean `option.KEY`?"}},
    {POOL "option..word = 3\n", 3, {"`option..word`", "begin with a dot"}},
    {POOL "pm.max_childern = 3\n", 3, {"did you mean `pm.max_children`?"}},
    {POOL "colour = red\n", 3, {"unknown option `colour` in [pool:p]:", "--options"}},
    {POOL "max = 3\n", 3, {"`max` belongs in a [limit:NAME] section", "[pool:p]"}},
    {POOL "loglevel = info\n", 3, {"`loglevel` belongs in a [yardmaster] section"}},
    {POOL "[limit:a]\nmax = 1\noption.b = 3\n", 5, {"`option.b` belongs in a [pool:NAME] section", "[limit:a]"}},
    {"[yardmaster]\nnumprocs = 3\n" POOL, 2, {"`numprocs` belongs in a [pool:NAME] section"}},
    {POOL "workers = 3\n\nworkers = 3\n", 5, {"`workers`", "set already", "line 3"}},
    {POOL "workers = 3\nnumprocs = 3\n", 4, {"`numprocs` and `workers` of line 3", "same option, `workers`"}},
    {POOL "pm.max_children = 3\nnumprocs = 3\n", 4, {"`numprocs` here and `pm.max_children` in line 3 both say"}},
    {POOL "option.a = 1\noption.b = 2\noption.a = 3\n", 5, {"`option.a`", "set already", "line 3"}},
    {POOL "workers =\n", 3, {"workers = : no value"}},
    {POOL "limits =\n", 3, {"no value"}},
    {POOL "limits = db\n[limit:db2]\nmax = 1\n", 3, {"unknown limit `db`", "did you mean `db2`?"}},
    {POOL "limits = cpu\n[limit:db]\nmax = 1\n", 3, {"unknown limit `cpu`", "no [limit:NAME]"}},
    {POOL "workers = 600\n[pool:q]\nplugin = /x.so\nworkers = 401\n", 6, {"1001 workers", "1000"}},
    {POOL "workers = 1000\n[pool:q]\nplugin = /x.so\n", 4, {"1001 workers", "1000"}},
};

START_TEST(test_wrong_options)
{
	check_wrong(&wrong_options[_i]);
}
END_TEST

START_TEST(test_defaults)
{
	const struct cfg_instance *instance = &config.instance;
	const struct cfg_pool *pool;

	load("[pool:p]\nplugin = a.so\n[limit:l]\nmax = 4\n");
	ck_assert_str_eq(config.path, file);
	ck_assert_str_eq(instance->name, "main");
	ck_assert_ptr_null(instance->directory);
	ck_assert_int_eq(instance->jobs, 16384);
	ck_assert_int_eq(instance->clients, 128);
	ck_assert_int_eq(instance->payload_max, 16 << 20);
	ck_assert_int_eq(instance->result_ttl_ms, 3600000);
	ck_assert_int_eq(instance->board_mode, 0640);
	ck_assert_str_eq(instance->log_level, "info");
	ck_assert_uint_eq(config.npools, 1);
	pool = config.pools;
	ck_assert_str_eq(pool->name, "p");
	ck_assert_int_eq(pool->line, 1);
	ck_assert_int_eq(pool->workers_max, 1);
	ck_assert_int_eq(pool->attempts, 3);
	ck_assert_int_eq(pool->backoff_ms, 1000);
	ck_assert_int_eq(pool->timeout_ms, 0);
	ck_assert_int_eq(pool->timeout_grace_ms, 5000);
	ck_assert_int_eq(pool->process.stopwaitsecs_ms, 10000);
	ck_assert_int_eq(pool->process.startsecs_ms, 1000);
	ck_assert_int_eq(pool->process.restart_delay_ms, 500);
	ck_assert_int_eq(pool->process.restart_max_delay_ms, 30000);
	ck_assert_uint_eq(pool->nlimits, 0);
	ck_assert_uint_eq(pool->noptions, 0);
	ck_assert_uint_eq(config.nlimits, 1);
	ck_assert_str_eq(config.limits->name, "l");
	ck_assert_int_eq(config.limits->line, 3);
	ck_assert_int_eq(config.limits->max, 4);
	ck_assert_ptr_null(config.limits->key);
	release();
}
END_TEST

START_TEST(test_every_option)
{
	const struct cfg_instance *instance = &config.instance;
	const struct cfg_pool *pool;

	load("[yardmaster]\ninstance=my-app_2.x\ndirectory=/run/app\njobs=64\nclients=2048\npayload_max=1gb\n"
	     "result_ttl=0\nboard_mode=600\nlog_level=DEBUG\n"
	     "# first\n[pool:p.1]\nplugin=/lib/a.so\nworkers=999\nattempts=255\nbackoff=0\ntimeout=1h30m\n"
	     "timeout_grace=250ms\nstopwaitsecs=1.5s\nstartsecs=2m\nrestart_delay=0.001\nrestart_max_delay=1d\n"
	     "limits= db , cpu\noption.url=ftp://h/\noption.empty=\noption.a=1\n"
	     "[limit:cpu]\nmax=1\nkey=0xFFFFFFFF\n  ; last\n[limit:db]\nmax=32767\n");
	ck_assert_str_eq(instance->name, "my-app_2.x");
	ck_assert_str_eq(instance->directory, "/run/app");
	ck_assert_int_eq(instance->jobs, 64);
	ck_assert_int_eq(instance->clients, 2048);
	ck_assert_int_eq(instance->payload_max, 1 << 30);
	ck_assert_int_eq(instance->result_ttl_ms, 0);
	ck_assert_int_eq(instance->board_mode, 0600);
	ck_assert_str_eq(instance->log_level, "debug");
	pool = config.pools;
	ck_assert_str_eq(pool->name, "p.1");
	ck_assert_int_eq(pool->line, 11);
	ck_assert_str_eq(pool->plugin, "/lib/a.so");
	ck_assert_int_eq(pool->workers_max, 999);
	ck_assert_int_eq(pool->attempts, 255);
	ck_assert_int_eq(pool->backoff_ms, 0);
	ck_assert_int_eq(pool->timeout_ms, 5400000);
	ck_assert_int_eq(pool->timeout_grace_ms, 250);
	ck_assert_int_eq(pool->process.stopwaitsecs_ms, 1500);
	ck_assert_int_eq(pool->process.startsecs_ms, 120000);
	ck_assert_int_eq(pool->process.restart_delay_ms, 1);
	ck_assert_int_eq(pool->process.restart_max_delay_ms, 86400000);
	ck_assert_uint_eq(pool->nlimits, 2);
	ck_assert_str_eq(pool->limits[0].name, "db");
	ck_assert_str_eq(pool->limits[1].name, "cpu");
	ck_assert_uint_eq(pool->noptions, 3);
	ck_assert_str_eq(pool->options[0].key, "url");
	ck_assert_str_eq(pool->options[0].value, "ftp://h/");
	ck_assert_str_eq(pool->options[1].key, "empty");
	ck_assert_str_eq(pool->options[1].value, "");
	ck_assert_str_eq(pool->options[2].key, "a");
	ck_assert_uint_eq(config.nlimits, 2);
	ck_assert_str_eq(config.limits[0].key, "0xFFFFFFFF");
	ck_assert_int_eq(config.limits[1].line, 30);
	release();
}
END_TEST

START_TEST(test_aliases)
{
	load("[yardmaster]\nloglevel = error\n" POOL
	     "numprocs = 4\nrequest_terminate_timeout = 30\nprocess_control_timeout = 20s\n"
	     "[pool:q]\nplugin = /x.so\npm.max_children = 5\n");
	ck_assert_str_eq(config.instance.log_level, "error");
	ck_assert_int_eq(config.pools[0].workers_max, 4);
	ck_assert_int_eq(config.pools[0].timeout_ms, 30000);
	ck_assert_int_eq(config.pools[0].process.stopwaitsecs_ms, 20000);
	ck_assert_int_eq(config.pools[1].workers_max, 5);
	release();
}
END_TEST

START_TEST(test_all_problems_in_order)
{
	static const char text[] = "x = 1\n[pool:p]\nlimits = no\nworkers = 0\n bad\n[limit:l]\nfoo = 1\n[pool:q]\n";
	static const int lines[] = {1, 3, 4, 5, 6, 7, 8};

	ck_assert_int_eq(load_bytes(text, sizeof(text) - 1), -1);
	ck_assert_uint_eq(problems.count, COUNT(lines));
	for (int i = 0; i < COUNT(lines); i++)
		ck_assert_int_eq(problems.items[i].line, lines[i]);
	ck_assert_ptr_null(config.pools);
	release();
}
END_TEST

START_TEST(test_three_times)
{
	static const char text[] = POOL "option.a = 1\n[pool:p]\n[pool:p]\noption.a = 1\noption.a = 2\noption.a = 3\n";

	ck_assert_int_eq(load_bytes(text, sizeof(text) - 1), -1);
	ck_assert_uint_eq(problems.count, 4);
	says(0, 4, "[pool:p] is there already, in line 1");
	says(1, 5, "already, in line 1");
	says(2, 7, "`option.a` is set already, in line 6");
	says(3, 8, "already, in line 6");
	release();
}
END_TEST

/* `count` sections of a kind, loaded; the first line of the last one is returned. */
static int load_many(const char *kind, const char *option, int count, int *result)
{
	char *text = calloc(1, 65536), *end = text;

	for (int i = 0; i < count; i++)
		end += sprintf(end, "[%s:n%d]\n%s\n", kind, i, option);
	stpcpy(end, !strcmp(kind, "pool") ? "" : POOL);
	*result = load_bytes(text, strlen(text));
	free(text);
	return 2 * count - 1;
}

START_TEST(test_most_sections)
{
	static const char *const kinds[][2] = {{"pool", "plugin = /x.so"}, {"limit", "max = 1"}};
	int result, line;

	load_many(kinds[_i][0], kinds[_i][1], 64, &result);
	ck_assert_int_eq(result, 0);
	ck_assert_uint_eq(_i ? config.nlimits : config.npools, 64);
	release();
	line = load_many(kinds[_i][0], kinds[_i][1], 66, &result);
	ck_assert_int_eq(result, -1);
	/* The pool behind 66 limits is fine; only the first section too many is reported. */
	ck_assert_uint_eq(problems.count, 1);
	says(0, line - 2, "one too many: at most 64");
	release();
}
END_TEST

START_TEST(test_many_limits)
{
	char *text = calloc(1, 4096), *end = stpcpy(text, POOL "limits = n0");

	for (int i = 1; i < 9; i++)
		end += sprintf(end, ",n%d", i);
	ck_assert_int_eq(load_bytes(text, strlen(text)), -1);
	ck_assert_uint_eq(problems.count, 1);
	says(0, 3, "more than 8 limits");
	free(text);
	release();
}
END_TEST

/* The help text has a line for each option, with default and every alias: the table is the only list. */
START_TEST(test_help)
{
	char *text = NULL;
	size_t size, count;
	const struct cfg_option *options = cfg_options(&count);
	FILE *to = open_memstream(&text, &size);

	config_print_options(to);
	fclose(to);
	for (enum cfg_kind kind = 0; kind < CFG_KINDS; kind++)
		ck_assert_ptr_nonnull(strstr(text, cfg_kind_header(kind)));
	for (size_t i = 0; i < count; i++) {
		char title[60], name[64], *line;

		snprintf(name, sizeof(name), "\n  %s ", cfg_option_title(&options[i], title, sizeof(title)));
		line = strstr(strstr(text, options[i].shared ? "[pool:NAME] and [program:NAME]"
		                                             : cfg_kind_header(options[i].kind)),
		              name);
		ck_assert_msg(line != NULL, "no line for %s", options[i].name);
		line = strndup(line + 1, strcspn(line + 1, "\n"));
		ck_assert_ptr_nonnull(strstr(line, options[i].help));
		ck_assert_ptr_nonnull(strstr(line, options[i].other || options[i].required ? "required"
		                                   : options[i].preset                     ? options[i].preset
		                                                                           : "-"));
		for (int j = 0; j < CFG_ALIASES_MAX && options[i].aliases[j]; j++)
			ck_assert_ptr_nonnull(strstr(line, options[i].aliases[j]));
		free(line);
	}
	ck_assert_ptr_nonnull(strstr(text, "size 1kb..1gb"));
	ck_assert_ptr_nonnull(strstr(text, "duration 0s..30d"));
	ck_assert_ptr_nonnull(strstr(text, "mode 0600|0640|0644"));
	free(text);
}
END_TEST

/* No name or alias means two options of one kind of section. */
START_TEST(test_table)
{
	size_t count;
	const struct cfg_option *options = cfg_options(&count);

	for (size_t i = 0; i < count; i++) {
		if (cfg_option_is_family(&options[i]))
			continue;
		ck_assert_ptr_eq(cfg_option_find(options[i].kind, options[i].name), &options[i]);
		for (int j = 0; j < CFG_ALIASES_MAX && options[i].aliases[j]; j++)
			ck_assert_ptr_eq(cfg_option_find(options[i].kind, options[i].aliases[j]), &options[i]);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *tcase = bare_case(suite, "config");

	tcase_add_test(tcase, test_defaults);
	tcase_add_test(tcase, test_every_option);
	tcase_add_test(tcase, test_aliases);
	tcase_add_loop_test(tcase, test_wrong_sections, 0, COUNT(wrong_sections));
	tcase_add_loop_test(tcase, test_wrong_options, 0, COUNT(wrong_options));
	tcase_add_test(tcase, test_all_problems_in_order);
	tcase_add_test(tcase, test_three_times);
	tcase_add_loop_test(tcase, test_most_sections, 0, 2);
	tcase_add_test(tcase, test_many_limits);
	tcase_add_test(tcase, test_help);
	tcase_add_test(tcase, test_table);
	return run_suite(suite);
}
