/* test_config_values.c - values of options: numbers, sizes, durations, keys, paths, and the reasons why not. */
#define _GNU_SOURCE 1 /* asprintf */
#include <sys/stat.h>

#include "../../config/nearest.h"
#include "../../config/values.h"
#include "config_support.h"

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

int main(void)
{
	Suite *suite = suite_create("config_values");
	TCase *tcase = bare_case(suite, "values");

	tcase_add_loop_test(tcase, test_good_values, 0, COUNT(good_values));
	tcase_add_loop_test(tcase, test_bad_values, 0, COUNT(bad_values));
	tcase_add_loop_test(tcase, test_bad_booleans, 0, COUNT(bad_booleans));
	tcase_add_test(tcase, test_formats);
	tcase_add_loop_test(tcase, test_keys, 0, COUNT(good_keys));
	tcase_add_test(tcase, test_paths);
	tcase_add_test(tcase, test_relative_ini);
	tcase_add_test(tcase, test_path_too_long);
	tcase_add_loop_test(tcase, test_nearest, 0, COUNT(near_words));
	return run_suite(suite);
}
