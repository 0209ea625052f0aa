/* test_lock.c - one at a time, whoever is killed, stopped or asleep. */
#include <sys/mman.h>

#include "yard.h"

/* Seen by all processes of a test. */
struct shared {
	struct lock_sh lock;
	_Atomic unsigned asked; /* times a waiter lost patience and asked whether the holder lives */
	_Atomic unsigned told;  /* times somebody was told that the holder was dead */
	_Atomic unsigned turns;
	unsigned first, second; /* guarded: equal whenever nobody is inside */
};
static struct shared *shared;

static int counting_semctl(int id, int member, int cmd, union ym_semun arg)
{
	atomic_fetch_add(&shared->asked, cmd == GETVAL);
	return faults.real.semctl(id, member, cmd, arg);
}

static void begin_lock(void)
{
	begin_yard();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert((void *)shared != MAP_FAILED);
	faults.real = ym_sys;
}

/* In a child that has joined: from now on its questions are counted. */
static void count_questions(void)
{
	ym_sys.semctl = counting_semctl;
}

static uint32_t holder(void)
{
	return atomic_load(&shared->lock.word) & 0x7fffffff;
}

static bool has_waiter(void)
{
	return atomic_load(&shared->lock.word) >> 31;
}

/* ---- exclusion ------------------------------------------------------------------------------- */

static void take_turn(struct instance *mine)
{
	bool broken = lock_take(&shared->lock, &mine->group, YM_NEVER) == LOCK_INHERITED;

	if (broken) {
		atomic_fetch_add(&shared->told, 1);
		shared->second = shared->first;
	}
	MUST(shared->first == shared->second);
	MUST(holder() == mine->group.slot + 1);
	shared->first++;
	atomic_fetch_add(&shared->turns, 1);
	shared->second++;
	lock_give(&shared->lock);
}

#define TURNS 20000

static void take_turns(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	for (int i = 0; i < TURNS; i++)
		take_turn(&mine);
	leave_yard(&mine);
}

START_TEST(one_at_a_time)
{
	pid_t children[4];

	for (size_t i = 0; i < COUNT(children); i++)
		children[i] = spawn(take_turns, NULL);
	for (size_t i = 0; i < COUNT(children); i++)
		reap_well(children[i]);
	ck_assert_uint_eq(shared->first, COUNT(children) * TURNS);
	ck_assert_uint_eq(shared->second, COUNT(children) * TURNS);
	ck_assert_uint_eq(shared->told, 0);
	ck_assert_uint_eq(shared->lock.broken, 0);
	ck_assert_uint_eq(holder(), 0);
}
END_TEST

/* ---- killed holders -------------------------------------------------------------------------- */

static void hold(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	MUST(lock_take(&shared->lock, &mine.group, YM_NEVER) == LOCK_TAKEN);
	tell_step();
	sleep_for_ever();
}

static pid_t spawn_holder(void)
{
	pid_t child = spawn(hold, NULL);

	await_step();
	return child;
}

START_TEST(taken_from_the_dead)
{
	kill_and_reap(spawn_holder());
	ck_assert_uint_ne(holder(), 0);
	ck_assert_int_eq(lock_take(&shared->lock, &yard.group, YM_NEVER), LOCK_INHERITED);
	ck_assert_uint_eq(holder(), yard.group.slot + 1);
	ck_assert_uint_eq(shared->lock.broken, 1);
	lock_give(&shared->lock);
	ck_assert_uint_eq(holder(), 0);
	ck_assert_int_eq(lock_take(&shared->lock, &yard.group, YM_NEVER), LOCK_TAKEN);
	ck_assert_uint_eq(shared->lock.broken, 1);
	lock_give(&shared->lock);
}
END_TEST

static void take_once(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	count_questions();
	tell_step();
	take_turn(&mine);
	ym_sys = faults.real;
	leave_yard(&mine);
}

static void spawn_waiters(pid_t *children, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		children[i] = spawn(take_once, NULL);
		await_step();
		WAIT_UNTIL(has_waiter() && process_state(children[i]) == 'S');
	}
}

START_TEST(only_one_of_many_is_told)
{
	pid_t dead = spawn_holder(), children[3];

	spawn_waiters(children, COUNT(children));
	kill_and_reap(dead);
	for (size_t i = 0; i < COUNT(children); i++)
		reap_well(children[i]);
	ck_assert_uint_eq(shared->told, 1);
	ck_assert_uint_eq(shared->lock.broken, 1);
	ck_assert_uint_eq(shared->first, COUNT(children));
}
END_TEST

static void take_turns_for_ever(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	for (;;)
		take_turn(&mine);
}

#define KILLS 100

/* Whoever is killed wherever: the others go on, and know when what they find may be half done. */
START_TEST(killed_anywhere)
{
	pid_t children[4];

	for (size_t i = 0; i < COUNT(children); i++)
		children[i] = spawn(take_turns_for_ever, NULL);
	for (int i = 0; i < KILLS; i++) {
		size_t pick = random_below(COUNT(children));
		unsigned before = atomic_load(&shared->turns);

		WAIT_UNTIL(atomic_load(&shared->turns) > before + 10);
		usleep(random_below(500));
		kill_and_reap(children[pick]);
		children[pick] = spawn(take_turns_for_ever, NULL);
	}
	for (size_t i = 0; i < COUNT(children); i++)
		kill_and_reap(children[i]);
	if (lock_take(&shared->lock, &yard.group, YM_NEVER) == LOCK_INHERITED)
		shared->second = shared->first;
	ck_assert_uint_eq(shared->first, shared->second);
	ck_assert_uint_ge(shared->first, shared->turns);
	ck_assert_uint_le(shared->first - shared->turns, KILLS + COUNT(children));
	ck_assert_uint_le(shared->told, KILLS + COUNT(children));
	lock_give(&shared->lock);
}
END_TEST

START_TEST(a_stopped_holder_is_waited_for)
{
	pid_t stopped = spawn_holder(), waiter;
	uint32_t number = holder();

	kill(stopped, SIGSTOP);
	WAIT_UNTIL(process_state(stopped) == 'T');
	spawn_waiters(&waiter, 1);
	WAIT_UNTIL(atomic_load(&shared->asked) >= 5);
	ck_assert_uint_eq(holder(), number);
	ck_assert_uint_eq(shared->turns, 0);
	ck_assert_uint_eq(shared->lock.broken, 0);
	/* Even a stopped process dies of this. */
	kill_and_reap(stopped);
	reap_well(waiter);
	ck_assert_uint_eq(shared->lock.broken, 1);
}
END_TEST

START_TEST(nobody_can_say_who_lives)
{
	uint64_t before;

	kill_and_reap(spawn_holder());
	ck_assert_int_eq(ym_sys.semctl(yard.group.semid, 0, IPC_RMID, (union ym_semun){0}), 0);
	before = ym_now_ns();
	ck_assert_int_eq(lock_take(&shared->lock, &yard.group, YM_NEVER), LOCK_INHERITED);
	ck_assert_uint_ge(ym_now_ns() - before, UINT64_C(1000000000));
	lock_give(&shared->lock);
	ASSERT_OK(instance_leave(&yard, NULL, &err));
	yard_open(16); /* clears up what is left */
}
END_TEST

/* ---- taking it from somebody ----------------------------------------------------------------- */

START_TEST(taken_from_a_known_dead)
{
	pid_t dead = spawn_holder(), waiter;
	unsigned number = holder() - 1;

	kill_and_reap(dead);
	ck_assert(!lock_take_from(&shared->lock, &yard.group, number + 1));
	ck_assert(!lock_take_from(&shared->lock, &yard.group, yard.group.slot));
	ck_assert_uint_eq(holder(), number + 1);
	ck_assert(lock_take_from(&shared->lock, &yard.group, number));
	ck_assert_uint_eq(holder(), yard.group.slot + 1);
	ck_assert_uint_eq(shared->lock.broken, 1);
	ck_assert(!lock_take_from(&shared->lock, &yard.group, number));
	spawn_waiters(&waiter, 1);
	lock_give(&shared->lock);
	reap_well(waiter);
	ck_assert_uint_eq(shared->told, 0);
	/* Free: there is nobody to take it from. */
	ck_assert(!lock_take_from(&shared->lock, &yard.group, number));
	ck_assert_uint_eq(holder(), 0);
}
END_TEST

#define ROUNDS 20

/* Those who slept while the other one had it are woken as well. */
START_TEST(who_waited_before_is_woken)
{
	unsigned rounds_with_questions = 0;

	for (int round = 0; round < ROUNDS; round++) {
		pid_t robbed = spawn_holder(), waiter;
		unsigned asked, number = holder() - 1;

		spawn_waiters(&waiter, 1);
		asked = atomic_load(&shared->asked);
		WAIT_UNTIL(atomic_load(&shared->asked) > asked);
		asked = atomic_load(&shared->asked);
		ck_assert(lock_take_from(&shared->lock, &yard.group, number));
		lock_give(&shared->lock);
		reap_well(waiter);
		rounds_with_questions += atomic_load(&shared->asked) != asked;
		kill_and_reap(robbed);
	}
	ck_assert_uint_lt(rounds_with_questions, ROUNDS / 2);
}
END_TEST

/* ---- waking ---------------------------------------------------------------------------------- */

#define WAKES 40

/* A waiter that is not woken asks whether the holder lives before it looks again: in most rounds nobody may ask. */
START_TEST(waiters_are_woken)
{
	unsigned rounds_with_questions = 0;

	for (unsigned round = 0; round < WAKES; round++) {
		pid_t children[3];
		unsigned asked;

		ck_assert_int_eq(lock_take(&shared->lock, &yard.group, YM_NEVER), LOCK_TAKEN);
		spawn_waiters(children, COUNT(children));
		asked = atomic_load(&shared->asked);
		/* Just after one has looked: they sleep for most of their patience from now on. */
		WAIT_UNTIL(atomic_load(&shared->asked) >= asked + COUNT(children));
		asked = atomic_load(&shared->asked);
		lock_give(&shared->lock);
		for (size_t i = 0; i < COUNT(children); i++)
			reap_well(children[i]);
		rounds_with_questions += atomic_load(&shared->asked) != asked;
	}
	ck_assert_uint_eq(shared->first, 3 * WAKES);
	ck_assert_uint_lt(rounds_with_questions, WAKES / 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lock");
	TCase *tcase = yard_case(suite, "lock", begin_lock);

	tcase_add_test(tcase, one_at_a_time);
	tcase_add_test(tcase, taken_from_the_dead);
	tcase_add_test(tcase, only_one_of_many_is_told);
	tcase_add_test(tcase, killed_anywhere);
	tcase_add_test(tcase, a_stopped_holder_is_waited_for);
	tcase_add_test(tcase, nobody_can_say_who_lives);
	tcase_add_test(tcase, taken_from_a_known_dead);
	tcase_add_test(tcase, who_waited_before_is_woken);
	tcase_add_test(tcase, waiters_are_woken);
	return run_suite(suite);
}
