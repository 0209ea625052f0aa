/*
 * test_settle.c - when what was asked for has come true, as the board shows it.
 */
#include "../../runtime/commands/settle.h"
#include "../../runtime/life.h"
#include "support.h"

static struct board_sh *board;

static char reason[BOARD_REASON_MAX];

static void set(unsigned row, const char *name, unsigned wanted, unsigned actual)
{
	struct board_pool_sh *pool = &board->pools[row];

	snprintf(pool->name, sizeof(pool->name), "%s", name);
	atomic_store(&pool->used, 1);
	atomic_store(&pool->wanted, wanted);
	atomic_store(&pool->actual, actual);
	atomic_store(&pool->places[LIFE_RUNNING], actual);
}

static void set_program(unsigned row, const char *program, enum life_state state)
{
	snprintf(board->programs[row].program, sizeof(board->programs[row].program), "%s", program);
	atomic_store(&board->programs[row].used, 1);
	atomic_store(&board->programs[row].state, state);
}

static enum settled is(const char *name)
{
	return settled(board, name, reason);
}

static void make_board(void)
{
	board = calloc(1, board_size(1));
	ck_assert_ptr_nonnull(board);
	reason[0] = '\0';
}

START_TEST(test_pools)
{
	make_board();
	ck_assert_int_eq(is(NULL), SETTLED);
	set(0, "mail", 2, 2);
	set(3, "mailing", 2, 1);
	/* A name is not the beginning of another one. */
	ck_assert_int_eq(is("mail"), SETTLED);
	ck_assert_int_eq(is("mail/1"), SETTLED);
	ck_assert_int_eq(is("mailing"), UNSETTLED);
	ck_assert_int_eq(is("mailing/0"), UNSETTLED);
	ck_assert_int_eq(is("mailin"), SETTLED);
	ck_assert_int_eq(is(NULL), UNSETTLED);
	set(0, "mail", 0, 1);
	ck_assert_int_eq(is("mail"), UNSETTLED);
	set(0, "mail", 0, 0);
	set(3, "mailing", 1, 1);
	ck_assert_int_eq(is("mail"), SETTLED);
	ck_assert_int_eq(is(NULL), SETTLED);
	/* There, but not ready; ready, but old. */
	atomic_store(&board->pools[3].places[LIFE_RUNNING], 0);
	ck_assert_int_eq(is("mailing"), UNSETTLED);
	set(3, "mailing", 1, 1);
	atomic_store(&board->pools[3].rolling, 1);
	ck_assert_int_eq(is("mailing"), UNSETTLED);
	/* A row that is not used any more says nothing. */
	atomic_store(&board->pools[3].used, 0);
	ck_assert_int_eq(is("mailing"), SETTLED);
	ck_assert_int_eq(is(NULL), SETTLED);
	free(board);
}
END_TEST

START_TEST(test_given_up)
{
	make_board();
	set(0, "mail", 2, 0);
	atomic_store(&board->pools[0].state, BOARD_POOL_FATAL);
	board_reason_write(board->pools[0].reason, &board->pools[0].reason_version, "exited with code 3");
	set(1, "other", 1, 1);
	ck_assert_int_eq(is("mail"), GIVEN_UP);
	ck_assert_str_eq(reason, "exited with code 3");
	ck_assert_int_eq(is("other"), SETTLED);
	ck_assert_int_eq(is(NULL), GIVEN_UP);
	free(board);
}
END_TEST

START_TEST(test_programs)
{
	static const enum settled expected[LIFE_STATES] = {
	    [LIFE_STOPPED] = SETTLED,   [LIFE_STARTING] = UNSETTLED, [LIFE_RUNNING] = SETTLED,
	    [LIFE_BACKOFF] = UNSETTLED, [LIFE_STOPPING] = UNSETTLED, [LIFE_EXITED] = SETTLED,
	    [LIFE_FATAL] = GIVEN_UP};

	make_board();
	set_program(0, "web", LIFE_RUNNING);
	for (enum life_state state = 0; state < LIFE_STATES; state++) {
		set_program(1, "web", state);
		ck_assert_int_eq(is("web"), expected[state]);
		ck_assert_int_eq(is("we"), SETTLED);
	}
	set_program(1, "web", LIFE_RUNNING);
	atomic_store(&board->programs[1].old, 1);
	ck_assert_int_eq(is("web"), UNSETTLED);
	atomic_store(&board->programs[1].old, 0);
	atomic_store(&board->programs[1].waits, 1);
	ck_assert_int_eq(is("web"), UNSETTLED);
	free(board);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("settle");
	TCase *tcase = add_case(suite, "settle");

	tcase_add_test(tcase, test_pools);
	tcase_add_test(tcase, test_given_up);
	tcase_add_test(tcase, test_programs);
	return run_suite(suite);
}
