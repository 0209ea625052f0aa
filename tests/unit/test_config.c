/*
 * test_config.c - INI files in, structs or messages out.
 *
 * Most tests are rows of a table: a whole file, and the line and words of the one problem it must give. Every
 * test runs in its own process (check's fork mode), so it may change directory or user.
 */
#define _GNU_SOURCE 1 /* asprintf */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../config/nearest.h"
#include "../../config/options.h"
#include "../../config/problems.h"
#include "../../config/values.h"
#include "config_support.h"

static const struct wrong wrong_lines[] = {
    {"", 0, {"empty", "[pool:NAME]"}},
    {" \r\n\t\n", 0, {"empty"}},
    {"\xEF\xBB\xBF", 0, {"no pool"}},
    {"; nothing\n", 0, {"no pool", "[pool:NAME]"}},
    {"[yardmaster]\njobs = 100\n", 0, {"no pool"}},
    {POOL "workers 3\n", 3, {"`workers 3`", "no `=`"}},
    {POOL "workers: 3\n", 3, {"`workers: 3`", "no `=`"}},
    {POOL "option.a: b = 3\n", 3, {"`option.a: b`", "no `:`"}},
    {POOL "option.a ;b = 3\n", 3, {"`option.a ;b`", "` ;`"}},
    {POOL "option.\001 = 3\n", 3, {"`option.\\x01`", "control"}},
    {POOL "= 3\n", 3, {"`= 3`", "no name"}},
    {POOL "\n\n  workers = 3\n", 5, {"`workers = 3`", "white space"}},
    {POOL "\tmore\n", 3, {"`more`", "white space", "ends with its line"}},
    {POOL "a\rb = 3\n", 3, {"carriage return", "LF"}},
    {"; old\r[pool:p]\rplugin = /x.so\r\n" POOL, 1, {"carriage return"}},
    {"[pool:p\nplugin = /x.so\n", 1, {"`[pool:p`", "no `]`"}},
    {"[pool:p] ; mine\nplugin = /x.so\n", 1, {"`[pool:p] ; mine`", "nothing may follow"}},
    {"[pool:a]b]\n", 1, {"`[pool:a]b]`", "nothing may follow"}},
    {"[]\n", 1, {"no name"}},
    {"[pool: p]\n", 1, {"`[pool: p]`", "white space"}},
    {"[pool:p ;q]\n", 1, {"white space"}},
    {POOL "option.0123456789012345678901234567890123456789012 = x\n", 3, {"`option.01234", "too long", "49"}},
    {"[limit:0123456789012345678901234567890123456789012345]\n" POOL, 1, {"`[limit:01234", "too long", "49"}},
    {"jobs = 100\n" POOL, 1, {"`jobs`", "no section is open", "[yardmaster]"}},
};

START_TEST(test_wrong_lines)
{
	check_wrong(&wrong_lines[_i]);
}
END_TEST

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

/* One bad value: the section it stands in, the option, the value, words of the reason. */
struct bad {
	const char *section, *name, *value, *words;
};

#define Y  "[yardmaster]"
#define P  "[pool:q]\nplugin = /x.so"
#define L  "[limit:l]"
#define LM L "\nmax = 1"

static const struct bad bad_values[] = {
    {Y, "instance", "a b", "letters, digits"},
    {Y, "instance", "../x", "letters, digits"},
    {Y, "instance", "..", "starts with"},
    {Y, "instance", "01234567890123456789012345678901", "1 to 31"},
    {Y, "jobs", "63", "64..1048576"},
    {Y, "jobs", "1048577", "64..1048576"},
    {Y, "jobs", "-1", "64..1048576"},
    {Y, "jobs", "-99999999999999999999", "64..1048576"},
    {Y, "jobs", "18446744073709551716", "64..1048576"},
    {Y, "jobs", "100x", "whole number"},
    {Y, "jobs", "0x100", "whole number"},
    {Y, "jobs", "1e3", "whole number"},
    {Y, "jobs", "100.5", "whole number"},
    {Y, "jobs", "+100", "whole number"},
    {Y, "jobs", "--100", "whole number"},
    {Y, "jobs", "100 ; many", "whole number"},
    {Y, "clients", "7", "8..2048"},
    {Y, "clients", "2049", "8..2048"},
    {Y, "payload_max", "1023", "1kb..1gb"},
    {Y, "payload_max", "1025mb", "1kb..1gb"},
    {Y, "payload_max", "9223372036854775807gb", "1kb..1gb"},
    {Y, "payload_max", "99999999999999999999999", "1kb..1gb"},
    {Y, "payload_max", "5xb", "`xb` is no unit"},
    {Y, "payload_max", "5 mb", "` mb` is no unit"},
    {Y, "payload_max", "1.5mb", "`.5mb` is no unit"},
    {Y, "payload_max", "5mbs", "`mbs` is no unit"},
    {Y, "payload_max", "mb", "not a size"},
    {Y, "payload_max", "-5mb", "not a size"},
    {Y, "result_ttl", "31d", "0s..30d"},
    {Y, "result_ttl", "30d1ms", "0s..30d"},
    {Y, "result_ttl", "99999999999999999999d", "0s..30d"},
    {Y, "result_ttl", "106751991168d", "0s..30d"},
    {Y, "result_ttl", "-5s", "not a duration"},
    {Y, "result_ttl", "s", "not a duration"},
    {Y, "result_ttl", "forever", "not a duration"},
    {Y, "result_ttl", "5w", "`5w` has no known unit"},
    {Y, "result_ttl", "5S", "no known unit"},
    {Y, "result_ttl", "1h30", "`30` has no known unit"},
    {Y, "result_ttl", "5 s", "no known unit"},
    {Y, "result_ttl", "5ss", "no known unit"},
    {Y, "result_ttl", "5s!", "not a duration"},
    {Y, "result_ttl", "30m1h", "`1h` is out of order"},
    {Y, "result_ttl", "1m1m", "`1m` is out of order"},
    {Y, "result_ttl", "1.s", "whole number of milliseconds"},
    {Y, "result_ttl", "1.2.3s", "whole number of milliseconds"},
    {Y, "result_ttl", "1.5ms", "whole number of milliseconds"},
    {Y, "result_ttl", "1.0005s", "whole number of milliseconds"},
    {Y, "result_ttl", "1.0000000001d", "whole number of milliseconds"},
    {Y, "result_ttl", ".5s", "not a duration"},
    {Y, "board_mode", "0777", "0600, 0640 or 0644"},
    {Y, "board_mode", "rw", "octal"},
    {Y, "board_mode", "0648", "octal"},
    {Y, "board_mode", "000000640", "octal"},
    {Y, "log_level", "warning", "did you mean `warn`?"},
    {Y, "log_level", "eror", "did you mean `error`?"},
    {Y, "log_level", "loud", "must be debug, info, warn or error"},
    {P, "workers", "0", "1..1000"},
    {P, "numprocs", "1001", "1..1000"},
    {P, "attempts", "0", "1..255"},
    {P, "attempts", "256", "1..255"},
    {P, "backoff", "25h", "0s..1d"},
    {P, "timeout", "366d", "0s..365d"},
    {P, "limits", "a,,b", "empty item"},
    {P, "limits", "a,", "empty item"},
    {P, "limits", ", a", "empty item"},
    {P, "limits", "a, b, a", "`a` is twice"},
    {L, "max", "0", "1..32767"},
    {L, "max", "32768", "1..32767"},
    {LM, "key", "0", "IPC_PRIVATE"},
    {LM, "key", "0x0", "IPC_PRIVATE"},
    {LM, "key", "-0", "IPC_PRIVATE"},
    {LM, "key", "4294967296", "32 bits"},
    {LM, "key", "-2147483649", "32 bits"},
    {LM, "key", "0x100000000", "32 bits"},
    {LM, "key", "99999999999999999999999", "32 bits"},
    {LM, "key", "0x", "not a key"},
    {LM, "key", "0xfg", "not a key"},
    {LM, "key", "12a", "not a key"},
    {LM, "key", "text", "not a key"},
    {LM, "key", ":c", "PATH:c"},
    {LM, "key", "/tmp/x:", "PATH:c"},
    {LM, "key", "/tmp/x:cc", "exactly one character"},
    {LM, "key", "name:", "no text"},
};

START_TEST(test_bad_values)
{
	const struct bad *bad = &bad_values[_i];
	int lines = 2 + (strchr(bad->section, '\n') != NULL);
	char *text;

	ck_assert_int_gt(asprintf(&text, "%s\n%s = %s\n" POOL, bad->section, bad->name, bad->value), 0);
	ck_assert_int_eq(load_bytes(text, strlen(text)), -1);
	free(text);
	ck_assert_int_gt(asprintf(&text, "%s = %s: ", bad->name, bad->value), 0);
	ck_assert_uint_eq(problems.count, 1);
	says(0, lines, text);
	says(0, lines, bad->words);
	free(text);
	release();
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

/* Value parsers: text and what it means; every parser that has an option or may get one. */
static const struct {
	cfg_parser *parse;
	const char *text;
	int64_t value;
} good_values[] = {
    {cfg_parse_integer, "0", 0},
    {cfg_parse_integer, "007", 7},
    {cfg_parse_integer, "-12", -12},
    {cfg_parse_integer, "99999999999999999999", INT64_MAX},
    {cfg_parse_size, "100", 100},
    {cfg_parse_size, "100b", 100},
    {cfg_parse_size, "64kb", 65536},
    {cfg_parse_size, "64K", 65536},
    {cfg_parse_size, "64KiB", 65536},
    {cfg_parse_size, "5mb", 5242880},
    {cfg_parse_size, "5m", 5242880},
    {cfg_parse_size, "5MiB", 5242880},
    {cfg_parse_size, "1gb", 1073741824},
    {cfg_parse_size, "1G", 1073741824},
    {cfg_parse_size, "1gib", 1073741824},
    {cfg_parse_size, "9223372036854775807k", INT64_MAX},
    {cfg_parse_duration, "90", 90000},
    {cfg_parse_duration, "1.5", 1500},
    {cfg_parse_duration, "250ms", 250},
    {cfg_parse_duration, "10s", 10000},
    {cfg_parse_duration, "5m", 300000},
    {cfg_parse_duration, "2h", 7200000},
    {cfg_parse_duration, "7d", 604800000},
    {cfg_parse_duration, "1.5s", 1500},
    {cfg_parse_duration, "0.25d", 21600000},
    {cfg_parse_duration, "1.500000000000s", 1500},
    {cfg_parse_duration, "1h30m", 5400000},
    {cfg_parse_duration, "1d2h3m4s5ms", 93784005},
    {cfg_parse_duration, "1.5h0.5m", 5430000},
    {cfg_parse_duration, "9223372036854775807d1ms", INT64_MAX},
    {cfg_parse_boolean, "yes", 1},
    {cfg_parse_boolean, "TRUE", 1},
    {cfg_parse_boolean, "On", 1},
    {cfg_parse_boolean, "1", 1},
    {cfg_parse_boolean, "no", 0},
    {cfg_parse_boolean, "false", 0},
    {cfg_parse_boolean, "off", 0},
    {cfg_parse_boolean, "0", 0},
    {cfg_parse_mode, "0640", 0640},
    {cfg_parse_mode, "644", 0644},
};

START_TEST(test_good_values)
{
	char why[CFG_WHY_MAX] = "";
	int64_t value;
	int result = good_values[_i].parse(good_values[_i].text, &value, why);

	ck_assert_msg(result == 0 && value == good_values[_i].value, "%s: got %lld %s", good_values[_i].text,
	              (long long)value, why);
}
END_TEST

static const char *const bad_booleans[] = {"", "2", "y", "yes!", "yesno", "maybe", "-1", "01"};

START_TEST(test_bad_booleans)
{
	char why[CFG_WHY_MAX];
	int64_t value;

	ck_assert_int_eq(cfg_parse_boolean(bad_booleans[_i], &value, why), -1);
	ck_assert_ptr_nonnull(strstr(why, "yes, no, true, false, on, off, 1 or 0"));
}
END_TEST

START_TEST(test_formats)
{
	char out[CFG_NUMBER_MAX];

	ck_assert_str_eq(cfg_format_size(0, out), "0b");
	ck_assert_str_eq(cfg_format_size(1000, out), "1000b");
	ck_assert_str_eq(cfg_format_size(1536, out), "1536b");
	ck_assert_str_eq(cfg_format_size(65536, out), "64kb");
	ck_assert_str_eq(cfg_format_duration(0, out), "0s");
	ck_assert_str_eq(cfg_format_duration(250, out), "250ms");
	ck_assert_str_eq(cfg_format_duration(90000, out), "90s");
	ck_assert_str_eq(cfg_format_duration(86400000, out), "1d");
	ck_assert_str_eq(cfg_format_integer(INT64_MIN, out), "-9223372036854775808");
}
END_TEST

static const char *const good_keys[] = {"1",          "4294967295", "-2147483648", "0x1",
                                        "0Xffffffff", "/tmp/a:b:c", "name:x:y",    "/a b:;"};

START_TEST(test_keys)
{
	char *text;

	ck_assert_int_gt(asprintf(&text, POOL "[limit:l]\nmax = 1\nkey = %s\n", good_keys[_i]), 0);
	load(text);
	ck_assert_str_eq(config.limits->key, good_keys[_i]);
	free(text);
	release();
}
END_TEST

/* What a relative path becomes: `below` the directory of the INI file. */
static void ends_below(const char *path, const char *below)
{
	size_t length = (size_t)(strrchr(file, '/') - file) + 1;

	ck_assert_msg(!strncmp(path, file, length) && !strcmp(path + length, below), "%s: want %s below %.*s", path,
	              below, (int)length, file);
}

START_TEST(test_paths)
{
	load("[yardmaster]\ndirectory = state\n[pool:a]\nplugin = ./lib/a.so\n[pool:b]\nplugin = ~/b.so\n"
	     "[pool:c]\nplugin = .//../c d.so\n[limit:l]\nmax = 1\nkey = ./keys:k\n");
	ends_below(config.instance.directory, "state");
	ends_below(config.pools[0].plugin, "lib/a.so");
	ends_below(config.pools[1].plugin, "~/b.so");
	ends_below(config.pools[2].plugin, "../c d.so");
	ends_below(config.limits[0].key, "keys:k");
	release();
}
END_TEST

START_TEST(test_relative_ini)
{
	char directory[] = "/tmp/ym-config-XXXXXX", here[PATH_MAX], *want;
	FILE *ini;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
	ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
	ck_assert_int_eq(mkdir("sub", 0700), 0);
	ini = fopen("sub/y.ini", "w");
	ck_assert_ptr_nonnull(ini);
	fputs("[pool:p]\nplugin = a.so\n", ini);
	fclose(ini);
	ck_assert_int_eq(config_load("./sub/y.ini", &config, &problems), 0);
	ck_assert_int_gt(asprintf(&want, "%s/sub/y.ini", here), 0);
	ck_assert_str_eq(config.path, want);
	free(want);
	ck_assert_int_gt(asprintf(&want, "%s/sub/a.so", here), 0);
	ck_assert_str_eq(config.pools->plugin, want);
	free(want);
	release();
	unlink("sub/y.ini");
	rmdir("sub");
	rmdir(directory);
}
END_TEST

START_TEST(test_path_too_long)
{
	char path[PATH_MAX + 1], *text;

	memset(path, 'x', PATH_MAX);
	path[PATH_MAX] = '\0';
	ck_assert_int_gt(asprintf(&text, "[pool:p]\nplugin = /%s\n[limit:l]\nmax = 1\nkey = /%s:c\n", path, path), 0);
	ck_assert_int_eq(load_bytes(text, strlen(text)), -1);
	ck_assert_uint_eq(problems.count, 2);
	says(0, 2, "plugin = /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...: the path is too long");
	says(1, 5, "the path is too long");
	free(text);
	release();
}
END_TEST

START_TEST(test_long_value)
{
	char value[10001], *text;

	for (size_t i = 0; i < 10000; i++)
		value[i] = (char)('!' + i % 90);
	value[10000] = '\0';
	ck_assert_int_gt(asprintf(&text, POOL "option.x = %s\noption.y = %s ; end\n", value, value), 0);
	load(text);
	free(text);
	ck_assert_uint_eq(config.pools->noptions, 2);
	ck_assert_str_eq(config.pools->options[0].value, value);
	ck_assert_uint_eq(strlen(config.pools->options[1].value), 10006);
	ck_assert_str_eq(config.pools->options[1].value + 10000, " ; end");
	release();
}
END_TEST

START_TEST(test_long_bad_value)
{
	char value[10001], *text;

	memset(value, '9', 10000);
	value[10000] = '\0';
	ck_assert_int_gt(asprintf(&text, POOL "workers = %s\n%s\n", value, value), 0);
	ck_assert_int_eq(load_bytes(text, strlen(text)), -1);
	free(text);
	ck_assert_uint_eq(problems.count, 2);
	says(0, 3, "workers = 9999999999999999999999999999999999999999...: out of range");
	says(1, 4, "no `=`");
	ck_assert_uint_lt(strlen(problems.items[1].text), 200);
	release();
}
END_TEST

static const char *const plain_values[] = {"a ; b", "; a",  "# a", "a # b", "\"a\"", "a = b",    "[a]",     "12.5.",
                                           "=",     "a\tb", ":",   "%n%s",  "\\",    "\xC3\xA9", "\xFF\x80"};

START_TEST(test_plain_values)
{
	char *text;

	ck_assert_int_gt(asprintf(&text, POOL "option.x  =\t%s \t\n", plain_values[_i]), 0);
	load(text);
	ck_assert_str_eq(config.pools->options->value, plain_values[_i]);
	free(text);
	release();
}
END_TEST

static const char *const odd_keys[] = {"a b", "a;b",      "a.b",      "#",
                                       "[x]", "\xC3\xA9", "option.x", "012345678901234567890123456789012345678901"};

START_TEST(test_odd_keys)
{
	char *text;

	ck_assert_int_gt(asprintf(&text, POOL "option.%s = 1\n", odd_keys[_i]), 0);
	load(text);
	ck_assert_str_eq(config.pools->options->key, odd_keys[_i]);
	free(text);
	release();
}
END_TEST

START_TEST(test_line_ends)
{
	static const char wrong[] = "\xEF\xBB\xBF" POOL "\r\nx = 1";

	load("\xEF\xBB\xBF[pool:p]\r\nplugin = /x.so\r\n; c\r\n\r\noption.a =\r\n\xEF\xBB\xBFoption.b = 1");
	ck_assert_str_eq(config.pools->plugin, "/x.so");
	ck_assert_str_eq(config.pools->options[0].value, "");
	ck_assert_str_eq(config.pools->options[1].value, "1");
	release();
	ck_assert_int_eq(load_bytes(wrong, sizeof(wrong) - 1), -1);
	says(0, 4, "unknown option `x`");
	release();
}
END_TEST

START_TEST(test_nul)
{
	static const char text[] = POOL "workers = 1\0\0\n\0\n; \0\nattempts = 0";

	ck_assert_int_eq(load_bytes(text, sizeof(text) - 1), -1);
	ck_assert_uint_eq(problems.count, 4);
	says(0, 3, "`workers = 1`: a NUL byte follows");
	says(1, 4, "NUL byte");
	says(2, 5, "NUL byte");
	says(3, 6, "attempts = 0");
	release();
}
END_TEST

START_TEST(test_long_file_lines)
{
	char *text = calloc(1, 200000), *end = text;

	end = stpcpy(end, POOL);
	for (int i = 0; i < 9000; i++)
		end += sprintf(end, "option.k%d = %d\n", i, i);
	stpcpy(end, "oops\n");
	ck_assert_int_eq(load_bytes(text, strlen(text)), -1);
	ck_assert_uint_eq(problems.count, 1);
	says(0, 9003, "`oops`");
	release();
	*end = '\0';
	load(text);
	ck_assert_uint_eq(config.pools->noptions, 9000);
	ck_assert_str_eq(config.pools->options[8999].key, "k8999");
	free(text);
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

START_TEST(test_not_a_file)
{
	ck_assert_int_eq(config_load("/nonexistent/y.ini", &config, &problems), -1);
	says(0, 0, "No such file");
	release();
	ck_assert_int_eq(config_load("/", &config, &problems), -1);
	says(0, 0, "directory");
	release();
	ck_assert_int_eq(config_load("/dev/zero", &config, &problems), -1);
	says(0, 0, "larger than 16 MiB");
	release();
	ck_assert_int_eq(config_load("", &config, &problems), -1);
	ck_assert_uint_eq(problems.count, 1);
	release();
}
END_TEST

START_TEST(test_unreadable)
{
	char path[] = "/tmp/ym-config-XXXXXX";
	int fd = mkstemp(path), result;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fchmod(fd, 0), 0);
	close(fd);
	if (!geteuid()) /* root may read everything; nobody may not */
		ck_assert_int_eq(seteuid(65534), 0);
	result = config_load(path, &config, &problems);
	if (!getuid())
		ck_assert_int_eq(seteuid(0), 0);
	unlink(path);
	ck_assert_int_eq(result, -1);
	says(0, 0, strerror(EACCES));
	release();
}
END_TEST

START_TEST(test_no_directory)
{
	char directory[] = "/tmp/ym-config-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
	ck_assert_int_eq(rmdir(directory), 0);
	ck_assert_int_eq(config_load("y.ini", &config, &problems), -1);
	says(0, 0, "getcwd()");
	release();
}
END_TEST

START_TEST(test_print)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cfg_problems_add(&problems, (struct cfg_place){.line = 7}, "seven");
	cfg_problems_add(&problems, (struct cfg_place){0}, "all");
	cfg_problems_add(&problems, (struct cfg_place){.line = 7}, "again");
	cfg_problems_sort(&problems);
	cfg_problems_print("y.ini", &problems, to);
	fclose(to);
	ck_assert_str_eq(text, "y.ini: all\ny.ini:7: seven\ny.ini:7: again\n");
	free(text);
	release();
}
END_TEST

START_TEST(test_excerpt)
{
	char out[CFG_EXCERPT_MAX];

	ck_assert_str_eq(cfg_excerpt("a\tb\x1b\x7f", out), "a\\x09b\\x1B\\x7F");
	/* 39 bytes, then a character of two: it is dropped whole. */
	ck_assert_str_eq(cfg_excerpt("123456789012345678901234567890123456789\xC3\xA9zz", out),
	                 "123456789012345678901234567890123456789...");
}
END_TEST

START_TEST(test_no_memory)
{
	cfg_problems_add(&problems, (struct cfg_place){.line = 1}, "one");
	cfg_problems_no_memory(&problems);
	cfg_problems_add(&problems, (struct cfg_place){.line = 2}, "two");
	ck_assert_uint_eq(problems.count, 1);
	says(0, 0, "out of memory");
	release();
	ck_assert_ptr_null(problems.items);
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

static const struct {
	const char *word, *name;
	int near;
} near_words[] = {
    {"workers", "workers", 1},
    {"wrokers", "workers", 1},
    {"worker", "workers", 1},
    {"WORKERS", "workers", 1},
    {"xyz", "workers", 0},
    {"db", "cd", 0},
    {"db", "dbx", 1},
    {"", "a", 0},
    {"a", "b", 0},
    {"ab", "ba", 0},
    {"abc", "acb", 1},
    {"warning", "warn", 1},
};

START_TEST(test_nearest)
{
	struct cfg_nearest nearest = {.word = near_words[_i].word};

	cfg_nearest_offer(&nearest, near_words[_i].name);
	ck_assert_int_eq(nearest.best != NULL, near_words[_i].near);
}
END_TEST

static Suite *config_suite(void)
{
	Suite *suite = suite_create("config");
	TCase *values = tcase_create("values"), *lines = tcase_create("lines"), *checks = tcase_create("checks");

	tcase_add_loop_test(values, test_good_values, 0, COUNT(good_values));
	tcase_add_loop_test(values, test_bad_values, 0, COUNT(bad_values));
	tcase_add_loop_test(values, test_bad_booleans, 0, COUNT(bad_booleans));
	tcase_add_test(values, test_formats);
	tcase_add_loop_test(values, test_keys, 0, COUNT(good_keys));
	tcase_add_test(values, test_paths);
	tcase_add_test(values, test_relative_ini);
	tcase_add_test(values, test_path_too_long);
	tcase_add_loop_test(values, test_nearest, 0, COUNT(near_words));

	tcase_add_loop_test(lines, test_wrong_lines, 0, COUNT(wrong_lines));
	tcase_add_test(lines, test_long_value);
	tcase_add_test(lines, test_long_bad_value);
	tcase_add_loop_test(lines, test_plain_values, 0, COUNT(plain_values));
	tcase_add_loop_test(lines, test_odd_keys, 0, COUNT(odd_keys));
	tcase_add_test(lines, test_line_ends);
	tcase_add_test(lines, test_nul);
	tcase_add_test(lines, test_long_file_lines);
	tcase_add_test(lines, test_not_a_file);
	tcase_add_test(lines, test_unreadable);
	tcase_add_test(lines, test_no_directory);

	tcase_add_test(checks, test_defaults);
	tcase_add_test(checks, test_every_option);
	tcase_add_test(checks, test_aliases);
	tcase_add_loop_test(checks, test_wrong_sections, 0, COUNT(wrong_sections));
	tcase_add_loop_test(checks, test_wrong_options, 0, COUNT(wrong_options));
	tcase_add_test(checks, test_all_problems_in_order);
	tcase_add_test(checks, test_three_times);
	tcase_add_loop_test(checks, test_most_sections, 0, 2);
	tcase_add_test(checks, test_many_limits);
	tcase_add_test(checks, test_print);
	tcase_add_test(checks, test_excerpt);
	tcase_add_test(checks, test_no_memory);
	tcase_add_test(checks, test_help);
	tcase_add_test(checks, test_table);

	suite_add_tcase(suite, values);
	suite_add_tcase(suite, lines);
	suite_add_tcase(suite, checks);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(config_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
