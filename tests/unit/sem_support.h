/* sem_support.h - what the tests of counting semaphores share: a key of their own, and sets behind it. */
#ifndef YM_TESTS_SEM_SUPPORT_H
#define YM_TESTS_SEM_SUPPORT_H

#include <sys/sem.h>

#include "../../ipc/sem.h"
#include "support.h"

static key_t key;

static inline void begin_sem(void)
{
	begin_test();
	key = fresh_key();
}

static inline int value(int id, int member)
{
	return ym_sys.semctl(id, member, GETVAL, (union ym_semun){0});
}

static inline int set_of_key(void)
{
	return semget(key, 0, 0);
}

static inline void remove_set(int id)
{
	ck_assert_int_eq(ym_sys.semctl(id, 0, IPC_RMID, (union ym_semun){0}), 0);
}

static inline void get(struct ym_sem *sem, int max)
{
	ASSERT_OK(ym_sem_get(sem, key, max, 0600, ym_deadline(PATIENCE_MS), &err));
}

/* A program of one suite with one case. */
static inline TCase *sem_case(Suite *suite)
{
	TCase *tcase = tcase_create("sem");

	tcase_add_checked_fixture(tcase, begin_sem, end_test);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

#endif
