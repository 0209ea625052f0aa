/* suite.h - what is the same in every main(). */
#ifndef YM_TESTS_SUITE_H
#define YM_TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

/* A case whose tests need nothing around them. */
static inline TCase *bare_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	suite_add_tcase(suite, tcase);
	return tcase;
}

static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
