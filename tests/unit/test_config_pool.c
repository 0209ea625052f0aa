/*
 * test_config_pool.c - how a pool treats its jobs: task, attempts and crashes, priorities, rates, limits, inbox.
 *
 * Tables of files as in test_config.c: values that are right, values that are wrong, options that do not go together.
 */
#define _GNU_SOURCE 1 /* asprintf */
#include "../../config/values.h"
#include "config_support.h"

#define COMMAND "[pool:p]\ncommand = x\n" /* two lines that make a file complete, too */
#define LIMIT   "[limit:db]\nmax = 4\n"

START_TEST(test_defaults)
{
	const struct cfg_pool *pool;

	load(POOL "[limit:l]\nmax = 1\n");
	pool = config.pools;
	ck_assert_str_eq(pool->plugin, "/x.so");
	ck_assert_ptr_null(pool->command);
	ck_assert_ptr_null(pool->command_words);
	ck_assert_int_eq(pool->crashes, 3);
	ck_assert_int_eq(pool->backoff_max_ms, 3600000);
	ck_assert_int_eq(pool->backoff_factor, 2);
	ck_assert_int_eq(pool->backoff_jitter, 10);
	ck_assert_int_eq(pool->on_crash, CFG_ON_CRASH_RETRY);
	ck_assert_ptr_null(pool->on_crash_pool);
	ck_assert_int_eq(pool->on_fail, CFG_ON_FAIL_FAIL);
	ck_assert_int_eq(pool->timeout_from, CFG_TIMEOUT_FROM_START);
	ck_assert_int_eq(pool->priority, 5);
	ck_assert_int_eq(pool->ageing_ms, 60000);
	ck_assert_int_eq(pool->rate_ns, 0);
	ck_assert_int_eq(pool->inbox, 0);
	ck_assert_ptr_null(pool->inbox_key);
	ck_assert_int_eq(pool->output_max, 65536);
	for (int i = 0; i < CFG_EXIT_CODES; i++)
		ck_assert_int_eq(pool->retry_codes[i], i == 75);
	ck_assert_int_eq(config.limits->rate_ns, 0);
	release();
}
END_TEST

START_TEST(test_every_option)
{
	const struct cfg_pool *pool;

	load("[pool:a]\ncommand=cmd x\ncrashes=255\nbackoff=2h\nbackoff_max=3h\nbackoff_factor=10\n"
	     "backoff_jitter=100%\non_crash=POOL:b\non_fail=bury\ntimeout_from=Progress\npriority=high\nageing=365d\n"
	     "rate=1000000/s\nlimits=cpu:2\ninbox=yes\ninbox_key=0x123\noutput_max=1gb\nretry_codes=1, 2 ,255\n"
	     "option.k=v\n"
	     "[pool:b]\nplugin=/x.so\non_crash=bury\nlimits=db:3, slow,cpu:32767\npriority=0\nbackoff_jitter=0\n"
	     "[limit:cpu]\nmax=32767\nkey=1\n[limit:db]\nmax=3\nrate=0.5/h\n[limit:slow]\nrate=10/m\n");
	pool = &config.pools[0];
	ck_assert_ptr_null(pool->plugin);
	ck_assert_str_eq(pool->command, "cmd x");
	ck_assert_int_eq(pool->crashes, 255);
	ck_assert_int_eq(pool->backoff_max_ms, 10800000);
	ck_assert_int_eq(pool->backoff_factor, 10);
	ck_assert_int_eq(pool->backoff_jitter, 100);
	ck_assert_int_eq(pool->on_crash, CFG_ON_CRASH_POOL);
	ck_assert_str_eq(pool->on_crash_pool, "b");
	ck_assert_int_eq(pool->on_fail, CFG_ON_FAIL_BURY);
	ck_assert_int_eq(pool->timeout_from, CFG_TIMEOUT_FROM_PROGRESS);
	ck_assert_int_eq(pool->priority, 3);
	ck_assert_int_eq(pool->ageing_ms, INT64_C(365) * 86400000);
	ck_assert_int_eq(pool->rate_ns, 1000);
	ck_assert_int_eq(pool->inbox, 1);
	ck_assert_str_eq(pool->inbox_key, "0x123");
	ck_assert_int_eq(pool->output_max, 1 << 30);
	for (int i = 0; i < CFG_EXIT_CODES; i++)
		ck_assert_int_eq(pool->retry_codes[i], i == 1 || i == 2 || i == 255);
	ck_assert_uint_eq(pool->noptions, 1);
	ck_assert_uint_eq(pool->nlimits, 1);
	ck_assert_int_eq(pool->limits[0].units, 2);
	pool = &config.pools[1];
	ck_assert_int_eq(pool->on_crash, CFG_ON_CRASH_BURY);
	ck_assert_int_eq(pool->priority, 0);
	ck_assert_int_eq(pool->backoff_jitter, 0);
	ck_assert_uint_eq(pool->nlimits, 3);
	ck_assert_str_eq(pool->limits[0].name, "db");
	ck_assert_int_eq(pool->limits[0].units, 3);
	ck_assert_str_eq(pool->limits[1].name, "slow");
	ck_assert_int_eq(pool->limits[1].units, 1);
	ck_assert_str_eq(pool->limits[2].name, "cpu");
	ck_assert_int_eq(pool->limits[2].units, 32767);
	ck_assert_int_eq(config.limits[1].rate_ns, INT64_C(7200000000000));
	ck_assert_int_eq(config.limits[2].max, 0);
	ck_assert_int_eq(config.limits[2].rate_ns, INT64_C(6000000000));
	release();
}
END_TEST

static const struct {
	cfg_parser *parse;
	const char *text;
	int64_t value;
} good_values[] = {
    {cfg_parse_percent, "0", 0},
    {cfg_parse_percent, "10%", 10},
    {cfg_parse_level, "0", 0},
    {cfg_parse_level, "9", 9},
    {cfg_parse_level, "urgent", 0},
    {cfg_parse_level, "high", 3},
    {cfg_parse_level, "Normal", 5},
    {cfg_parse_level, "low", 7},
    {cfg_parse_level, "IDLE", 9},
    {cfg_parse_rate, "1/s", 1000000000},
    {cfg_parse_rate, "10/s", 100000000},
    {cfg_parse_rate, "3/s", 333333334},
    {cfg_parse_rate, "0.5/s", 2000000000},
    {cfg_parse_rate, "0.500000/s", 2000000000},
    {cfg_parse_rate, "2.125/m", INT64_C(28235294118)},
    {cfg_parse_rate, "1/h", INT64_C(3600000000000)},
    {cfg_parse_rate, "0.001/d", INT64_C(86400000000000000)},
    {cfg_parse_rate, "1000000/s", 1000},
    {cfg_parse_rate, "999999/s", 1001},
    {cfg_parse_rate, "60000000/m", 1000},
    {cfg_parse_rate, "86400000000/d", 1000},
};

START_TEST(test_good_values)
{
	char why[CFG_WHY_MAX] = "";
	int64_t value = -1;
	int result = good_values[_i].parse(good_values[_i].text, &value, why);

	ck_assert_msg(result == 0 && value == good_values[_i].value, "%s: got %lld %s", good_values[_i].text,
	              (long long)value, why);
}
END_TEST

START_TEST(test_level_words)
{
	static const char *const words[] = {"urgent", "1", "2", "high", "4", "normal", "6", "low", "8", "idle"};

	for (int i = 0; i < COUNT(words); i++) {
		char why[CFG_WHY_MAX];
		int64_t back;

		ck_assert_str_eq(cfg_level_word(i), words[i]);
		ck_assert_int_eq(cfg_parse_level(words[i], &back, why), 0);
		ck_assert_int_eq(back, i);
	}
	ck_assert_str_eq(cfg_level_word(-1), "?");
	ck_assert_str_eq(cfg_level_word(10), "?");
}
END_TEST

/* A wrong value in line 3, the option, the value, words of the reason. */
static const struct {
	const char *head, *name, *value, *words;
} bad_values[] = {
    {POOL, "crashes", "0", "1..255"},
    {POOL, "crashes", "256", "1..255"},
    {POOL, "backoff_max", "25h", "0s..1d"},
    {POOL, "backoff_factor", "0", "1..10"},
    {POOL, "backoff_factor", "11", "1..10"},
    {POOL, "backoff_factor", "1.5", "whole number"},
    {POOL, "backoff_jitter", "101", "0..100"},
    {POOL, "backoff_jitter", "101%", "0..100"},
    {POOL, "backoff_jitter", "10%%", "not a percentage"},
    {POOL, "backoff_jitter", "10 %", "not a percentage"},
    {POOL, "backoff_jitter", "%", "not a percentage"},
    {POOL, "backoff_jitter", "-1", "not a percentage"},
    {POOL, "on_crash", "kill", "must be retry, bury or pool:NAME"},
    {POOL, "on_crash", "retyr", "did you mean `retry`?"},
    {POOL, "on_crash", "pool", "must be retry, bury or pool:NAME"},
    {POOL, "on_crash", "pool:", "1 to 31"},
    {POOL, "on_crash", "pool:a b", "letters, digits"},
    {POOL, "on_fail", "burry", "must be fail or bury; did you mean `bury`?"},
    {POOL, "timeout_from", "end", "must be start or progress"},
    {POOL, "priority", "10", "not a level: write 0 (the most urgent) to 9, urgent, high, normal, low or idle"},
    {POOL, "priority", "-1", "not a level"},
    {POOL, "priority", "05", "not a level"},
    {POOL, "priority", "urgnt", "did you mean `urgent`?"},
    {POOL, "ageing", "0", "1ms..365d"},
    {POOL, "ageing", "366d", "1ms..365d"},
    {POOL, "rate", "10", "no known period"},
    {POOL, "rate", "10.5", "no known period"},
    {POOL, "rate", "10/", "/s, /m, /h or /d"},
    {POOL, "rate", "10/w", "/s, /m, /h or /d"},
    {POOL, "rate", "10/ms", "/s, /m, /h or /d"},
    {POOL, "rate", "10/sec", "/s, /m, /h or /d"},
    {POOL, "rate", "10 /s", "/s, /m, /h or /d"},
    {POOL, "rate", "fast", "not a rate"},
    {POOL, "rate", "/s", "not a rate"},
    {POOL, "rate", ".5/s", "not a rate"},
    {POOL, "rate", "-1/s", "not a rate"},
    {POOL, "rate", "1./s", "one to three digits"},
    {POOL, "rate", "0.0001/s", "one to three digits"},
    {POOL, "rate", "0/s", "0.001/d..1000000/s"},
    {POOL, "rate", "0.000/d", "0.001/d..1000000/s"},
    {POOL, "rate", "1000000.001/s", "0.001/d..1000000/s"},
    {POOL, "rate", "1000001/s", "0.001/d..1000000/s"},
    {POOL, "rate", "86400000001/d", "0.001/d..1000000/s"},
    {POOL, "rate", "99999999999999999999/d", "0.001/d..1000000/s"},
    {POOL, "limits", "db:", "`db:`: write NAME or NAME:UNITS"},
    {POOL, "limits", "db:0", "`db:0`: write NAME or NAME:UNITS"},
    {POOL, "limits", "db:-1", "write NAME or NAME:UNITS"},
    {POOL, "limits", "db:x", "write NAME or NAME:UNITS"},
    {POOL, "limits", "db:1:1", "write NAME or NAME:UNITS"},
    {POOL, "limits", ":1", "write NAME or NAME:UNITS"},
    {POOL, "limits", "db:2, db", "`db` is twice"},
    {POOL, "limits", "db, db:2", "`db` is twice"},
    {POOL, "inbox", "maybe", "neither yes nor no"},
    {POOL "inbox = yes\n", "inbox_key", "0", "IPC_PRIVATE"},
    {COMMAND, "output_max", "1025mb", "0b..1gb"},
    {COMMAND, "retry_codes", "0", "`0` is no exit code of a failure: those are 1..255"},
    {COMMAND, "retry_codes", "256", "1..255"},
    {COMMAND, "retry_codes", "75, x", "`x` is no exit code"},
    {COMMAND, "retry_codes", "75,", "empty item"},
    {COMMAND, "retry_codes", "75, 1, 75", "`75` is twice"},
    {"[pool:p]\n", "command", "a 'b", "no second '"},
    {"[pool:p]\n", "command", "a | b", "sh -c '...'"},
    {"[pool:p]\n", "command", "''", "no program"},
    {POOL "[limit:l]\nmax = 1\n", "rate", "10", "no known period"},
    {POOL "[limit:l]\n", "rate", "0/s", "out of range"},
};

START_TEST(test_bad_values)
{
	int line = 1;
	char *text;

	for (const char *at = bad_values[_i].head; *at; at++)
		line += *at == '\n';
	ck_assert_int_gt(asprintf(&text, "%s%s = %s\n", bad_values[_i].head, bad_values[_i].name, bad_values[_i].value),
	                 0);
	ck_assert_int_eq(load_bytes(text, strlen(text)), -1);
	free(text);
	cfg_problems_print("in case of failure", &problems, stderr);
	ck_assert_uint_eq(problems.count, 1);
	ck_assert_int_gt(asprintf(&text, "%s = %s: ", bad_values[_i].name, bad_values[_i].value), 0);
	says(0, line, text);
	says(0, line, bad_values[_i].words);
	free(text);
	release();
}
END_TEST

static const struct wrong wrong_together[] = {
    {POOL "workers = 1\ncommand = a\n", 4, {"`command` here and `plugin` in line 2", "[pool:p]", "one of the two"}},
    {COMMAND "plugin = /x.so\n", 3, {"`plugin` here and `command` in line 2"}},
    {"[pool:p]\nworkers = 1\n", 1, {"[pool:p] needs `plugin` (shared object", "or `command` (program"}},
    {POOL "output_max = 1kb\n", 3, {"`output_max` has a meaning only with `command`", "[pool:p]"}},
    {POOL "retry_codes = 1\n", 3, {"`retry_codes` has a meaning only with `command`"}},
    {POOL "inbox_key = 1\n", 3, {"`inbox_key` has a meaning only with `inbox = yes`"}},
    {POOL "inbox = no\ninbox_key = 1\n", 4, {"`inbox_key` has a meaning only with `inbox = yes`"}},
    {POOL "inbox = maybe\ninbox_key = 1\n", 3, {"neither yes nor no"}},
    {POOL "[limit:l]\nrate = 1/s\nkey = 1\n", 5, {"`key` has a meaning only with `max`", "[limit:l]"}},
    {POOL "[limit:l]\nkey = 1\nmax = 0\n", 5, {"out of range"}},
    {POOL "on_crash = pool:p\n", 3, {"pool:p is this pool itself", "on_crash = retry"}},
    {POOL "on_crash = pool:p2\n", 3, {"unknown pool `p2`: no [pool:NAME] section"}},
    {POOL "on_crash = pool:slwo\n[pool:slow]\nplugin = /x.so\n", 3, {"unknown pool `slwo`", "did you mean `slow`?"}},
    {POOL "limits = db:5\n" LIMIT, 3, {"db:5: [limit:db] has only `max = 4`", "never run"}},
    {POOL "limits = db:2\n[limit:db]\nrate = 1/s\n", 3, {"db:2: [limit:db] has a rate but no `max`", "write `db`"}},
    {POOL "limits = db:2\n[limit:db]\nmax = 0\n", 5, {"out of range"}},
    {POOL "limits = dbb:2\n" LIMIT, 3, {"unknown limit `dbb`: did you mean `db`?"}},
    {POOL "backoff = 2h\n", 3, {"a `backoff` of 2h is longer than `backoff_max`, 1h"}},
    {POOL "backoff_max = 500ms\n", 3, {"a `backoff` of 1s is longer than `backoff_max`, 500ms"}},
    {POOL "backoff = 3s\n\nbackoff_max = 2s\n", 5, {"longer than `backoff_max`, 2s"}},
    {POOL "backoff_max = 2s\n\nbackoff = 3s\n", 5, {"longer than `backoff_max`, 2s"}},
    {POOL "backoff = 2h\nbackoff_max = long\n", 4, {"not a duration"}},
    {POOL "backoff_max = 1ms\nbackoff = long\n", 4, {"not a duration"}},
    {POOL "inbox=1\ninbox_key=7\n[pool:q]\nplugin=/x\ninbox=1\ninbox_key=7\n", 8, {"[pool:p] has this `inbox_key`"}},
    {POOL "comand = a\n", 3, {"unknown option `comand`", "did you mean `command`?"}},
    {POOL "[limit:l]\nmax = 1\npriority = 1\n", 5, {"`priority` belongs in a [pool:NAME] section"}},
    {"[yardmaster]\nrate = 1/s\n" POOL, 2, {"`rate` belongs in a [pool:NAME] section"}},
    /* What a refused line may have said is not missed. */
    {"[pool:p]\n command = a\noutput_max = 1kb\n", 2, {"starts with white space"}},
};

START_TEST(test_wrong_together)
{
	check_wrong(&wrong_together[_i]);
}
END_TEST

/* What goes together, though it looks like something that does not. */
static const char *const right_together[] = {
    POOL "limits = db:4\n" LIMIT,
    POOL "limits = db:1\n[limit:db]\nrate = 1/s\n",
    POOL "backoff = 1h\n",
    POOL "backoff = 0\nbackoff_max = 0\n",
    POOL "on_crash = pool:q\n[pool:q]\nplugin = /x.so\non_crash = pool:p\n",
    POOL "inbox = yes\ninbox_key = 7\n[limit:l]\nmax = 1\nkey = 7\n",
    COMMAND "output_max = 0\nretry_codes = 1\noption.a = b\n",
};

START_TEST(test_right_together)
{
	load(right_together[_i]);
	release();
}
END_TEST

START_TEST(test_command)
{
	size_t directory;

	load("[pool:a]\ncommand = ./bin/x 'a b' ./c\n[pool:b]\ncommand = convert  -\n[pool:c]\ncommand = '/x y/z' a\n");
	directory = (size_t)(strrchr(file, '/') - file) + 1;
	ck_assert_str_eq(config.pools[0].command, "./bin/x 'a b' ./c");
	ck_assert(!strncmp(config.pools[0].command_words[0], file, directory));
	ck_assert_str_eq(config.pools[0].command_words[0] + directory, "bin/x");
	ck_assert_str_eq(config.pools[0].command_words[1], "a b");
	ck_assert_str_eq(config.pools[0].command_words[2], "./c");
	ck_assert_ptr_null(config.pools[0].command_words[3]);
	ck_assert_str_eq(config.pools[1].command_words[0], "convert");
	ck_assert_str_eq(config.pools[1].command_words[1], "-");
	ck_assert_ptr_null(config.pools[1].command_words[2]);
	ck_assert_str_eq(config.pools[2].command_words[0], "/x y/z");
	release();
}
END_TEST

START_TEST(test_inbox_path)
{
	load(POOL "inbox = yes\ninbox_key = keys:k\n");
	ck_assert_str_eq(strrchr(config.pools->inbox_key, '/'), "/keys:k");
	ck_assert_int_eq(config.pools->inbox_key[0], '/');
	release();
}
END_TEST

/* Longer than any buffer that a library may have for a line. */
START_TEST(test_long_command)
{
	char word[3001], *text;

	memset(word, 'w', 3000);
	memcpy(word + 1490, "; #x = [y] :", 12);
	word[3000] = '\0';
	ck_assert_int_gt(asprintf(&text, "[pool:p]\ncommand = run '%s' end\nworkers = 7\n", word), 0);
	load(text);
	free(text);
	ck_assert_uint_eq(strlen(config.pools->command), strlen("run '' end") + 3000);
	ck_assert_str_eq(config.pools->command_words[1], word);
	ck_assert_str_eq(config.pools->command_words[2], "end");
	ck_assert_int_eq(config.pools->workers_max, 7);
	release();
	ck_assert_int_gt(asprintf(&text, "[pool:p]\ncommand = run '%s' 'end\n", word), 0);
	ck_assert_int_eq(load_bytes(text, strlen(text)), -1);
	free(text);
	says(0, 2, "no second ' closes the quotes of `'end`");
	release();
}
END_TEST

START_TEST(test_long_program)
{
	char path[PATH_MAX + 1], *text;

	memset(path, 'x', PATH_MAX);
	path[PATH_MAX] = '\0';
	ck_assert_int_gt(asprintf(&text, "[pool:p]\ncommand = a/%s b\n", path), 0);
	ck_assert_int_eq(load_bytes(text, strlen(text)), -1);
	free(text);
	ck_assert_uint_eq(problems.count, 1);
	says(0, 2, "the path is too long");
	release();
}
END_TEST

/* In the help text every column starts where it starts in the first line, however wide the words are. */
START_TEST(test_help_columns)
{
	char *text = NULL, *rest, *line;
	size_t size, type = 0, preset = 0, help = 0;
	FILE *to = open_memstream(&text, &size);

	config_print_options(to);
	fclose(to);
	for (rest = text; (line = strsep(&rest, "\n"));) {
		if (strncmp(line, "  ", 2))
			continue;
		if (!type) {
			type = (size_t)(strstr(line, " name ") - line) + 1;
			preset = (size_t)(strstr(line, " main ") - line) + 1;
			help = (size_t)(strstr(line, " name of this") - line) + 1;
		}
		ck_assert_uint_gt(strlen(line), help);
		ck_assert_msg(!strncmp(line + type - 2, "  ", 2) && line[type] != ' ', "type: %s", line);
		ck_assert_msg(!strncmp(line + preset - 2, "  ", 2) && line[preset] != ' ', "default: %s", line);
		ck_assert_msg(!strncmp(line + help - 2, "  ", 2) && line[help] != ' ', "help: %s", line);
	}
	free(text);
}
END_TEST

START_TEST(test_help_company)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	config_print_options(to);
	fclose(to);
	ck_assert_ptr_nonnull(strstr(text, "that the workers run (or command)\n"));
	ck_assert_ptr_nonnull(strstr(text, "(or rate, or both)\n"));
	ck_assert_ptr_nonnull(strstr(text, "(only with inbox = yes)\n"));
	ck_assert_ptr_nonnull(strstr(text, "(only with command)\n"));
	ck_assert_ptr_nonnull(strstr(text, " retry|bury|pool:NAME "));
	ck_assert_ptr_nonnull(strstr(text, "urgent=0 high=3 normal=5 low=7 idle=9\n"));
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_pool");
	TCase *values = tcase_create("values"), *together = tcase_create("together");

	tcase_add_test(values, test_defaults);
	tcase_add_test(values, test_every_option);
	tcase_add_loop_test(values, test_good_values, 0, COUNT(good_values));
	tcase_add_test(values, test_level_words);
	tcase_add_loop_test(values, test_bad_values, 0, COUNT(bad_values));
	tcase_add_test(values, test_command);
	tcase_add_test(values, test_inbox_path);
	tcase_add_test(values, test_long_command);
	tcase_add_test(values, test_long_program);
	tcase_add_loop_test(together, test_wrong_together, 0, COUNT(wrong_together));
	tcase_add_loop_test(together, test_right_together, 0, COUNT(right_together));
	tcase_add_test(together, test_help_columns);
	tcase_add_test(together, test_help_company);
	suite_add_tcase(suite, values);
	suite_add_tcase(suite, together);
	return run_suite(suite);
}
