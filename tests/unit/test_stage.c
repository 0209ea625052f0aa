/* test_stage.c - a slot handed over and given back; the test is the clerk. */
#include <pthread.h>

#include "../../runtime/stage.h"
#include "yard.h"

static uint64_t word;
static uint32_t slot;

static void take(void)
{
	int64_t found = table_take(yard.table, yard.group.slot, &word);

	ck_assert_int_ge(found, 0);
	slot = (uint32_t)found;
}

static void put(unsigned attempt, unsigned flags)
{
	take();
	ck_assert(stage_put(yard.table, slot, &word, attempt, flags));
}

static uint64_t now_at(uint32_t at)
{
	return atomic_load(&yard.table->words[at]);
}

static bool is_marked(uint32_t at)
{
	return atomic_load(&table_marks(yard.table)[at / 64]) >> at % 64 & 1;
}

/* As the clerk does it, before it writes. */
static void seize(uint32_t at)
{
	atomic_fetch_or(&yard.table->words[at], JOB_TAKEN);
}

/* ---- put --------------------------------------------------------------------------------------- */

START_TEST(a_slot_is_handed_over)
{
	uint64_t before;

	take();
	before = word;
	ck_assert(!is_marked(slot));
	ck_assert(stage_put(yard.table, slot, &word, 3, JOB_KEEP));
	ck_assert_uint_eq(word, word_make(word_gen(before), JOB_STORING, yard.group.slot, 3, JOB_KEEP));
	ck_assert_uint_eq(now_at(slot), word);
	ck_assert(is_marked(slot));
	/* It is not ours any more: nothing happens. */
	atomic_store(&table_marks(yard.table)[0], 0);
	word = before;
	ck_assert(!stage_put(yard.table, slot, &word, 0, 0));
	ck_assert(!is_marked(slot));
}
END_TEST

START_TEST(only_stored_jobs_are_told_of)
{
	uint32_t bell = atomic_load(&yard.table->bell), urgent = atomic_load(&yard.table->urgent);

	stage_tell(yard.table, 9, word_make(1, JOB_DONE, 0, 1, JOB_KEEP));
	ck_assert(!is_marked(9));
	ck_assert_uint_eq(atomic_load(&yard.table->bell), bell);
	stage_tell(yard.table, 9, word_make(1, JOB_DONE, 0, 1, JOB_STORED));
	ck_assert(is_marked(9));
	ck_assert_uint_eq(atomic_load(&yard.table->bell), bell + 1);
	/* Nobody waits for that. */
	ck_assert_uint_eq(atomic_load(&yard.table->urgent), urgent);
	stage_ring(yard.table, true);
	ck_assert_uint_eq(atomic_load(&yard.table->urgent), urgent + 1);
	ck_assert_uint_eq(atomic_load(&yard.table->bell), bell + 2);
}
END_TEST

/* ---- await ------------------------------------------------------------------------------------- */

START_TEST(an_answer_gives_the_slot_back)
{
	put(1, 0);
	seize(slot);
	stage_answer(&yard, slot, word);
	ck_assert_int_eq(stage_await(&yard, slot, &word, 0), STAGE_ANSWERED);
	ck_assert_uint_eq(word, word_make(word_gen(word), JOB_FILLING, yard.group.slot, 0, JOB_TAKEN));
	ck_assert(dispatch_free(&yard, slot, word));
}
END_TEST

START_TEST(an_accepted_job_goes_its_way)
{
	static const enum job_state states[] = {JOB_READY, JOB_DELAYED, JOB_CLAIMED, JOB_DONE, JOB_FREE};

	put(1, 0);
	for (size_t i = 0; i < COUNT(states); i++) {
		uint64_t seen = word;

		atomic_store(&yard.table->words[slot], word_make(word_gen(word), states[i], 0, 1, JOB_STORED));
		ck_assert_int_eq(stage_await(&yard, slot, &seen, 0), STAGE_LEFT);
	}
	/* Another job has the slot, and is just being stored, too. */
	atomic_store(&yard.table->words[slot], word_make(word_gen(word) + 1, JOB_STORING, 0, 1, 0));
	ck_assert_int_eq(stage_await(&yard, slot, &word, 0), STAGE_LEFT);
	atomic_store(&yard.table->words[slot], 0);
}
END_TEST

START_TEST(what_nobody_has_taken_is_taken_back)
{
	uint64_t start = ym_now_ns();

	put(2, JOB_KEEP);
	ck_assert_int_eq(stage_await(&yard, slot, &word, ym_deadline(30)), STAGE_WITHDRAWN);
	ck_assert_uint_ge(ym_now_ns(), start + 30000000);
	ck_assert_int_eq(word_state(now_at(slot)), JOB_FILLING);
	ck_assert_uint_eq(word, now_at(slot));
	ck_assert_uint_eq(word_owner(word), yard.group.slot);
	ASSERT_ERR(stage_fail(&yard, STAGE_WITHDRAWN, &err), YM_ERR_NOT_RUNNING);
	ASSERT_IN("nothing was done", err.text);
	ck_assert(dispatch_free(&yard, slot, word));
}
END_TEST

START_TEST(what_is_taken_is_left_to_the_clerk)
{
	put(2, 0);
	seize(slot);
	ck_assert_int_eq(stage_await(&yard, slot, &word, 0), STAGE_ABANDONED);
	ck_assert_int_eq(word_state(now_at(slot)), JOB_STORING);
	ck_assert_uint_eq(word_owner(now_at(slot)), JOB_NOBODY);
	ASSERT_ERR(stage_fail(&yard, STAGE_ABANDONED, &err), YM_ERR_TIMEOUT);
	ASSERT_IN("not known", err.text);
	/* An answer to nobody: the slot is free. */
	stage_answer(&yard, slot, word);
	ck_assert_int_eq(word_state(now_at(slot)), JOB_FREE);
	/* And one that came too late changes nothing. */
	stage_answer(&yard, slot, word);
	ck_assert_int_eq(word_state(now_at(slot)), JOB_FREE);
}
END_TEST

START_TEST(a_failure_tells_of_the_store)
{
	board_reason_write(yard.board->store.trouble, &yard.board->store.trouble_version, "no disk");
	atomic_store(&yard.board->store.state, BOARD_STORE_TROUBLE);
	ASSERT_ERR(stage_fail(&yard, STAGE_ABANDONED, &err), YM_ERR_TIMEOUT);
	ASSERT_IN("no disk", err.text);
}
END_TEST

/* To watch changes nothing but that the word says so. */
START_TEST(a_watch_takes_nothing_back)
{
	enum stage_end end;

	put(1, 0);
	ck_assert(!stage_watch(&yard, slot, &word, ym_deadline(10), &end));
	ck_assert_uint_eq(now_at(slot), word_make(word_gen(word), JOB_STORING, yard.group.slot, 1, JOB_WAITED));
	stage_answer(&yard, slot, word);
	ck_assert(stage_watch(&yard, slot, &word, 0, &end));
	ck_assert_int_eq(end, STAGE_ANSWERED);
	ck_assert(dispatch_free(&yard, slot, word));
}
END_TEST

static void *await_in_thread(void *end)
{
	*(enum stage_end *)end = stage_await(&yard, slot, &word, ym_deadline(PATIENCE_MS));
	return NULL;
}

START_TEST(who_waits_is_woken)
{
	enum stage_end end = STAGE_LOST;
	uint64_t start;
	pthread_t thread;

	put(1, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, await_in_thread, &end), 0);
	WAIT_UNTIL(word_flags(now_at(slot)) & JOB_WAITED);
	seize(slot);
	start = ym_now_ns();
	stage_answer(&yard, slot, now_at(slot));
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(end, STAGE_ANSWERED);
	/* Woken, not found when it looked. */
	ck_assert_uint_lt(ym_now_ns() - start, 800000000);
	ck_assert(dispatch_free(&yard, slot, word));
}
END_TEST

/* ---- the bell ---------------------------------------------------------------------------------- */

static _Atomic bool over;
static uint64_t answered;

/* The clerk's way of sleeping, without a limit: a ring that is lost is never made up for. */
static void sleep_on(_Atomic uint32_t *where, uint32_t seen, enum stage_sleep how)
{
	atomic_store(&yard.table->sleeps, how);
	if (atomic_load(where) == seen && !atomic_load(&over))
		table_sleep_on(where, seen, YM_NEVER);
	atomic_store(&yard.table->sleeps, STAGE_AWAKE);
}

static bool answer_all(void)
{
	bool any = false;

	for (uint32_t i = 0; i < yard.table->slots; i++) {
		uint64_t bit = UINT64_C(1) << i % 64;

		if (!(atomic_fetch_and(&table_marks(yard.table)[i / 64], ~bit) & bit))
			continue;
		if (word_state(now_at(i)) == JOB_STORING) {
			stage_answer(&yard, i, now_at(i));
			any = true;
			answered++;
		}
	}
	return any;
}

static void *be_the_clerk(void *arg)
{
	while (!atomic_load(&over)) {
		uint32_t bell = atomic_load(&yard.table->bell), urgent = atomic_load(&yard.table->urgent);

		if (answer_all())
			continue;
		/* Either way of sleeping must hear who waits. */
		if (answered % 2)
			sleep_on(&yard.table->bell, bell, STAGE_ASLEEP);
		else
			sleep_on(&yard.table->urgent, urgent, STAGE_LINGERING);
	}
	return arg;
}

#define ROUNDS  3000
#define HAMMERS 4

static void hammer(struct instance *mine)
{
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t own;
		int64_t at = table_take(mine->table, mine->group.slot, &own);
		enum stage_end end;

		MUST(at >= 0 && stage_put(mine->table, (uint32_t)at, &own, 0, 0));
		stage_ring(mine->table, true);
		end = stage_await(mine, (uint32_t)at, &own, ym_deadline(PATIENCE_MS));
		MUST(end == STAGE_ANSWERED && dispatch_free(mine, (uint32_t)at, own));
	}
}

static void *hammer_in_thread(void *arg)
{
	hammer(&yard);
	return arg;
}

static void hammer_as_process(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	hammer(&mine);
	leave_yard(&mine);
}

START_TEST(no_ring_is_lost)
{
	pthread_t server, threads[HAMMERS / 2];
	pid_t children[HAMMERS / 2];

	for (size_t i = 0; i < COUNT(children); i++)
		children[i] = spawn(hammer_as_process, NULL);
	ck_assert_int_eq(pthread_create(&server, NULL, be_the_clerk, NULL), 0);
	for (size_t i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer_in_thread, NULL), 0);
	for (size_t i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	for (size_t i = 0; i < COUNT(children); i++)
		reap_well(children[i]);
	atomic_store(&over, true);
	stage_ring(yard.table, true);
	table_wake_all(&yard.table->bell);
	table_wake_all(&yard.table->urgent);
	ck_assert_int_eq(pthread_join(server, NULL), 0);
	ck_assert_uint_eq(answered, HAMMERS * ROUNDS);
	ck_assert_uint_eq(slots_in(JOB_FREE), yard.table->slots);
}
END_TEST

/* ---- the dead ---------------------------------------------------------------------------------- */

static void put_and_wait(void *arg)
{
	struct instance mine;
	uint64_t own;
	int64_t at;

	(void)arg;
	join_yard(&mine);
	at = table_take(mine.table, mine.group.slot, &own);
	MUST(at >= 0 && stage_put(mine.table, (uint32_t)at, &own, 0, 0));
	tell_step();
	sleep_for_ever();
}

/* Killed before it could ring: the sweep does it, and the answer is for nobody. */
START_TEST(the_sweep_rings_for_the_dead)
{
	pid_t child = spawn(put_and_wait, NULL);
	uint32_t urgent;

	await_step();
	kill_and_reap(child);
	atomic_store(&table_marks(yard.table)[0], 0);
	urgent = atomic_load(&yard.table->urgent);
	run_sweep();
	ck_assert_uint_ne(atomic_load(&yard.table->urgent), urgent);
	ck_assert(is_marked(0));
	ck_assert_int_eq(word_state(now_at(0)), JOB_STORING);
	ck_assert_uint_eq(word_owner(now_at(0)), JOB_NOBODY);
	stage_answer(&yard, 0, now_at(0));
	ck_assert_int_eq(word_state(now_at(0)), JOB_FREE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stage");
	TCase *tcase = yard_case(suite, "stage", begin_yard);

	tcase_add_test(tcase, a_slot_is_handed_over);
	tcase_add_test(tcase, only_stored_jobs_are_told_of);
	tcase_add_test(tcase, an_answer_gives_the_slot_back);
	tcase_add_test(tcase, an_accepted_job_goes_its_way);
	tcase_add_test(tcase, what_nobody_has_taken_is_taken_back);
	tcase_add_test(tcase, what_is_taken_is_left_to_the_clerk);
	tcase_add_test(tcase, a_failure_tells_of_the_store);
	tcase_add_test(tcase, a_watch_takes_nothing_back);
	tcase_add_test(tcase, who_waits_is_woken);
	tcase_add_test(tcase, no_ring_is_lost);
	tcase_add_test(tcase, the_sweep_rings_for_the_dead);
	return run_suite(suite);
}
