/* test_config_lines.c - lines of INI files: which make sense, how long they may be, files that cannot be read. */
#define _GNU_SOURCE 1 /* asprintf */
#include <errno.h>
#include <sys/stat.h>

#include "../../config/problems.h"
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

int main(void)
{
	Suite *suite = suite_create("config_lines");
	TCase *tcase = bare_case(suite, "lines");

	tcase_add_loop_test(tcase, test_wrong_lines, 0, COUNT(wrong_lines));
	tcase_add_test(tcase, test_long_value);
	tcase_add_test(tcase, test_long_bad_value);
	tcase_add_loop_test(tcase, test_plain_values, 0, COUNT(plain_values));
	tcase_add_loop_test(tcase, test_odd_keys, 0, COUNT(odd_keys));
	tcase_add_test(tcase, test_line_ends);
	tcase_add_test(tcase, test_nul);
	tcase_add_test(tcase, test_long_file_lines);
	tcase_add_test(tcase, test_not_a_file);
	tcase_add_test(tcase, test_unreadable);
	tcase_add_test(tcase, test_no_directory);
	tcase_add_test(tcase, test_print);
	tcase_add_test(tcase, test_excerpt);
	tcase_add_test(tcase, test_no_memory);
	return run_suite(suite);
}
