/* test_error.c - classes, exit codes and texts of errors. */
#include "support.h"

START_TEST(exit_codes_and_words)
{
	static const struct {
		enum ym_err_class class;
		int code;
		const char *word;
	} rows[] = {
	    {YM_ERR_NONE, 0, "ok"},
	    {YM_ERR_NO, 1, "no"},
	    {YM_ERR_FULL, 1, "full"},
	    {YM_ERR_TIMEOUT, 1, "timeout"},
	    {YM_ERR_USAGE, 2, "usage"},
	    {YM_ERR_CONFIG, 2, "config"},
	    {YM_ERR_NOT_RUNNING, 3, "not-running"},
	    {YM_ERR_GONE, 3, "gone"},
	    {YM_ERR_LIMIT, 4, "limit"},
	    {YM_ERR_PERMISSION, 4, "permission"},
	    {YM_ERR_FOREIGN, 4, "foreign"},
	    {YM_ERR_CORRUPT, 4, "corrupt"},
	    {YM_ERR_SYSTEM, 4, "system"},
	    {YM_ERR_BUG, 70, "bug"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_int_eq(ym_err_exit_code(rows[i].class), rows[i].code);
		ck_assert_str_eq(ym_err_word(rows[i].class), rows[i].word);
	}
}
END_TEST

START_TEST(fail_fills_in_class_and_text)
{
	err.sys = 7;
	ck_assert_int_eq(ym_fail(&err, YM_ERR_USAGE, "%s and %d", "this", 4), -1);
	ck_assert_int_eq(err.class, YM_ERR_USAGE);
	ck_assert_int_eq(err.sys, 0);
	ck_assert_str_eq(err.text, "this and 4");
}
END_TEST

START_TEST(errno_decides_class_and_hint)
{
	static const struct {
		int sys;
		enum ym_err_class class;
		const char *hint;
	} rows[] = {
	    {ENOSPC, YM_ERR_FULL, "No space left"}, {ENOMEM, YM_ERR_LIMIT, "kernel.shmall"},
	    {EACCES, YM_ERR_PERMISSION, "mode"},    {EPERM, YM_ERR_PERMISSION, "root"},
	    {EIDRM, YM_ERR_GONE, "ipcrm"},          {EMFILE, YM_ERR_LIMIT, "ulimit"},
	    {ERANGE, YM_ERR_LIMIT, "32767"},        {ENOENT, YM_ERR_USAGE, "No such file"},
	    {EIO, YM_ERR_SYSTEM, "Input/output"},   {ENOSYS, YM_ERR_SYSTEM, "container"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_int_eq(ym_fail_sys(&err, rows[i].sys, "call(%d) for a test", 5), -1);
		ck_assert_int_eq(err.class, rows[i].class);
		ck_assert_int_eq(err.sys, rows[i].sys);
		ck_assert_int_eq(strncmp(err.text, "call(5) for a test: ", 20), 0);
		ASSERT_IN(strerror(rows[i].sys), err.text);
		ASSERT_IN(rows[i].hint, err.text);
	}
	/* The same number of an IPC call is something else. */
	ym_fail_sys(&err, ENOSPC, "semget(key 1)");
	ck_assert_int_eq(err.class, YM_ERR_LIMIT);
	ASSERT_IN("kernel.sem", err.text);
	/* No brackets without a hint in them. */
	ym_fail_sys(&err, EIO, "call");
	ck_assert_ptr_null(strchr(err.text, '('));
}
END_TEST

START_TEST(prefix_goes_in_front_and_keeps_the_rest)
{
	ym_fail_sys(&err, EACCES, "open");
	ck_assert_int_eq(ym_err_prefix(&err, "pool %s", "p"), -1);
	ck_assert_int_eq(strncmp(err.text, "pool p: open: ", 14), 0);
	ck_assert_int_eq(err.class, YM_ERR_PERMISSION);
	ck_assert_int_eq(err.sys, EACCES);
}
END_TEST

START_TEST(long_texts_are_cut)
{
	char longer[2 * YM_ERR_TEXT_MAX];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ym_fail(&err, YM_ERR_NO, "%s", longer);
	ck_assert_uint_eq(strlen(err.text), YM_ERR_TEXT_MAX - 1);
	ym_fail_sys(&err, ENOSPC, "%s", longer);
	ck_assert_uint_eq(strlen(err.text), YM_ERR_TEXT_MAX - 1);
	ym_err_prefix(&err, "%s", longer);
	ck_assert_uint_eq(strlen(err.text), YM_ERR_TEXT_MAX - 1);
	ym_fail(&err, YM_ERR_NO, "%.600s", longer);
	ym_err_prefix(&err, "front");
	ck_assert_int_eq(strncmp(err.text, "front: xxx", 10), 0);
}
END_TEST

START_TEST(nobody_has_to_listen)
{
	ck_assert_int_eq(ym_fail(NULL, YM_ERR_NO, "dropped"), -1);
	ck_assert_int_eq(ym_fail_sys(NULL, EIO, "dropped"), -1);
	ck_assert_int_eq(ym_err_prefix(NULL, "dropped"), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("error");
	TCase *tcase = add_case(suite, "error");

	tcase_add_test(tcase, exit_codes_and_words);
	tcase_add_test(tcase, fail_fills_in_class_and_text);
	tcase_add_test(tcase, errno_decides_class_and_hint);
	tcase_add_test(tcase, prefix_goes_in_front_and_keeps_the_rest);
	tcase_add_test(tcase, long_texts_are_cut);
	tcase_add_test(tcase, nobody_has_to_listen);
	return run_suite(suite);
}
