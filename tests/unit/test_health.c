/* test_health.c - what is no fault yet, for who has patience. */
#include "../../runtime/health.h"

#include "../../runtime/life.h"
#include "support.h"

#define SECOND UINT64_C(1000000000)
#define NOW    (1000 * SECOND)

static struct board_sh *board;
static struct instance instance;
static struct snapshot snapshot;
static char problem[HEALTH_MAX];

static void begin_board(void)
{
	begin_test();
	board = calloc(1, board_size(0));
	ck_assert_ptr_nonnull(board);
	strcpy(board->instance.name, "test");
	atomic_store(&board->instance.master_state, BOARD_MASTER_RUNNING);
	strcpy(board->pools[2].name, "work");
	atomic_store(&board->pools[2].used, 1);
	atomic_store(&board->pools[2].state, BOARD_POOL_RUNNING);
	atomic_store(&board->pools[2].least, 2);
	strcpy(board->programs[0].program, "web");
	strcpy(board->programs[0].name, "web");
	atomic_store(&board->programs[0].used, 1);
	atomic_store(&board->programs[0].state, LIFE_RUNNING);
	instance = (struct instance){.board = board};
	snapshot = (struct snapshot){.instance = &instance, .at = NOW, .master = 1};
}

static void end_board(void)
{
	free(board);
	end_test();
}

/* Strictly, with a patience of 5 s. */
static void assert_health(bool strict, bool patient)
{
	ck_assert_int_eq(health_look(&snapshot, 0, problem), strict);
	ck_assert_int_eq(problem[0] == '\0', strict);
	ck_assert_int_eq(health_look(&snapshot, 5 * SECOND, problem), patient);
	ck_assert_int_eq(problem[0] == '\0', patient);
}

static void pool_is(enum board_pool_state state, uint64_t ran_until)
{
	atomic_store(&board->pools[2].state, state);
	atomic_store(&board->pools[2].ran_until, ran_until);
}

START_TEST(all_is_well)
{
	assert_health(true, true);
}
END_TEST

START_TEST(a_worker_that_is_being_replaced)
{
	pool_is(BOARD_POOL_DEGRADED, NOW - 3 * SECOND);
	assert_health(false, true);
	pool_is(BOARD_POOL_STARTING, NOW - 3 * SECOND);
	assert_health(false, true);
	pool_is(BOARD_POOL_DEGRADED, NOW - 6 * SECOND);
	assert_health(false, false);
	ck_assert_str_eq(problem, "pool work is degraded");
	/* The state was written behind the look at the clock. */
	pool_is(BOARD_POOL_DEGRADED, NOW + SECOND / 1000);
	assert_health(false, true);
}
END_TEST

START_TEST(what_never_ran)
{
	pool_is(BOARD_POOL_STARTING, 0);
	assert_health(false, false);
	pool_is(BOARD_POOL_WAITING, 0);
	assert_health(false, false);
}
END_TEST

START_TEST(what_has_been_given_up)
{
	pool_is(BOARD_POOL_FATAL, NOW - SECOND);
	assert_health(false, false);
	pool_is(BOARD_POOL_RUNNING, 0);
	atomic_store(&board->programs[0].state, LIFE_FATAL);
	atomic_store(&board->programs[0].ran_until, NOW - SECOND);
	assert_health(false, false);
	ck_assert_str_eq(problem, "program web is FATAL");
}
END_TEST

START_TEST(a_pool_that_grows)
{
	pool_is(BOARD_POOL_STARTING, NOW - 60 * SECOND);
	atomic_store(&board->pools[2].places[LIFE_RUNNING], 2);
	assert_health(false, true);
	atomic_store(&board->pools[2].places[LIFE_RUNNING], 1);
	assert_health(false, false);
	/* It does not only grow: some do not start. */
	atomic_store(&board->pools[2].places[LIFE_RUNNING], 2);
	pool_is(BOARD_POOL_DEGRADED, NOW - 60 * SECOND);
	assert_health(false, false);
}
END_TEST

START_TEST(a_program_between_two_starts)
{
	atomic_store(&board->programs[0].state, LIFE_BACKOFF);
	assert_health(false, false);
	atomic_store(&board->programs[0].ran_until, NOW - 4 * SECOND);
	assert_health(false, true);
	atomic_store(&board->programs[0].ran_until, NOW - 5 * SECOND);
	assert_health(false, false);
}
END_TEST

START_TEST(nobody_waits_for_a_master_or_a_store)
{
	atomic_store(&board->instance.master_state, BOARD_MASTER_STOPPING);
	assert_health(false, false);
	snapshot.master = 0;
	assert_health(false, false);
	ck_assert_str_eq(problem, "instance test has no master");
	snapshot.master = 1;
	atomic_store(&board->instance.master_state, BOARD_MASTER_RUNNING);
	atomic_store(&board->store.state, BOARD_STORE_TROUBLE);
	assert_health(false, false);
}
END_TEST

/* When it ceased to run is noted once, and not when it was not running before. */
START_TEST(the_end_of_running_is_noted)
{
	struct board_pool_sh *row = &board->pools[2];
	uint64_t before = ym_now_ns(), noted;

	board_show_pool(row, BOARD_POOL_RUNNING);
	ck_assert_uint_eq(atomic_load(&row->ran_until), 0);
	board_show_pool(row, BOARD_POOL_DEGRADED);
	noted = atomic_load(&row->ran_until);
	ck_assert_uint_ge(noted, before);
	board_show_pool(row, BOARD_POOL_STARTING);
	ck_assert_uint_eq(atomic_load(&row->ran_until), noted);
	ck_assert_uint_eq(atomic_load(&row->state), BOARD_POOL_STARTING);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("health");
	TCase *tcase = tcase_create("health");

	tcase_add_checked_fixture(tcase, begin_board, end_board);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, all_is_well);
	tcase_add_test(tcase, a_worker_that_is_being_replaced);
	tcase_add_test(tcase, what_never_ran);
	tcase_add_test(tcase, what_has_been_given_up);
	tcase_add_test(tcase, a_pool_that_grows);
	tcase_add_test(tcase, a_program_between_two_starts);
	tcase_add_test(tcase, nobody_waits_for_a_master_or_a_store);
	tcase_add_test(tcase, the_end_of_running_is_noted);
	return run_suite(suite);
}
