/*
 * test_limit.c - the limits of a pool, taken all together: weights, turns, rates, foreign holders, kills and removals.
 *
 * Only the table is needed of an instance; it lies in memory that the children share.
 */
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/sem.h>

#include "../../runtime/limit.h"
#include "faults.h"

#define POOLS 3

static struct table_sh *table;
static struct ym_sem keepers[2 * TABLE_LIMITS]; /* attached all the time, as the master is */
static unsigned kept;

/* What children do together. */
static struct shared {
	_Atomic int inside[4]; /* units in use as the holders count them */
	_Atomic unsigned rounds[8];
	_Atomic bool stop;
	_Atomic unsigned told[8]; /* limits that a worker said it waits for */
	_Atomic unsigned ntold;
	_Atomic unsigned nstarts;
	uint64_t starts[4000];
} * shared;

static void *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	return memory;
}

static void begin_limit(void)
{
	begin_test();
	open_steps();
	table = map(table_size(1));
	shared = map(sizeof(*shared));
}

static int keep(key_t key, int max)
{
	ASSERT_OK(ym_sem_get(&keepers[kept++], key, max, 0600, ym_deadline(PATIENCE_MS), &err));
	return keepers[kept - 1].id;
}

static void end_limit(void)
{
	while (kept > 0) {
		int id = keepers[--kept].id;

		ym_sem_close(&keepers[kept]);
		ASSERT_OK(ym_sem_remove(id, &err));
	}
	end_test();
}

static void add_limit(unsigned index, int max)
{
	struct table_limit_sh *row = &table->limits[index];

	snprintf(row->name, sizeof(row->name), "limit%u", index);
	row->key = fresh_key();
	atomic_store(&row->max, max);
	atomic_store(&row->id, max ? keep(row->key, max) : -1);
	atomic_store(&row->used, 1);
}

static void add_turn(unsigned index)
{
	key_t key = fresh_key();

	keep(key, 1);
	atomic_store(&table->limits[index].turn, key);
}

static void use(unsigned pool, unsigned limit, unsigned units)
{
	struct table_pool_sh *row = &table->pools[pool];
	unsigned n = atomic_fetch_add(&row->nlimits, 1);

	atomic_store(&row->limits[n].limit, (uint8_t)limit);
	atomic_store(&row->limits[n].units, (uint16_t)units);
}

static int free_units(unsigned limit)
{
	return limit_free(&table->limits[limit]);
}

static int waiters(unsigned limit)
{
	struct ym_sem_stat stat;

	ASSERT_OK(ym_sem_stat(atomic_load(&table->limits[limit].id), &stat, &err));
	return stat.waiters;
}

static void open_set(struct limit_set *set, unsigned pool)
{
	MUST(limit_set_open(set, table, pool, &err) == 0);
}

static int take(struct limit_set *set)
{
	return limit_set_take(set, NULL, NULL, &err);
}

/* ---- one process ----------------------------------------------------------------------------- */

static int no_semop(int id, struct sembuf *ops, size_t nops, const struct timespec *timeout)
{
	(void)id, (void)ops, (void)nops, (void)timeout;
	ck_abort_msg("a pool without limits makes system calls");
}

START_TEST(no_limits_cost_nothing)
{
	struct limit_set set;

	open_set(&set, 0);
	ym_sys.semtimedop = no_semop;
	ck_assert_int_eq(take(&set), 0);
	limit_set_give(&set);
	limit_set_return(&set);
	limit_set_close(&set);
}
END_TEST

START_TEST(all_units_and_back)
{
	struct limit_set set;

	add_limit(0, 5);
	add_limit(1, 1);
	use(0, 0, 3);
	use(0, 1, 1);
	open_set(&set, 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(take(&set), 0);
		ck_assert_int_eq(free_units(0), 2);
		ck_assert_int_eq(free_units(1), 0);
		limit_set_give(&set);
		limit_set_give(&set);
		ck_assert_int_eq(free_units(0), 5);
		ck_assert_int_eq(free_units(1), 1);
	}
	ck_assert_int_eq(take(&set), 0);
	limit_set_close(&set);
	ck_assert_int_eq(free_units(0), 5);
	ck_assert_int_eq(free_units(1), 1);
	ck_assert_int_eq(limit_free(&(struct table_limit_sh){.id = -1}), -1);
}
END_TEST

/* Every call that fails leaves nothing taken, and says which limit it was. */
START_TEST(errors_hold_nothing)
{
	struct limit_set set;

	add_limit(0, 2);
	add_limit(1, 2);
	use(0, 0, 1);
	use(0, 1, 2);
	open_set(&set, 0);
	arm_fault(2, ENOMEM);
	ASSERT_ERR(take(&set), YM_ERR_LIMIT);
	ASSERT_IN("limit limit1: ", err.text);
	ck_assert_int_eq(free_units(0), 2);
	ck_assert_int_eq(free_units(1), 2);
	limit_set_close(&set);
	/* A limit that cannot be attached to: the first one is left again. */
	table->limits[1].key = IPC_PRIVATE;
	ASSERT_ERR(limit_set_open(&set, table, 0, &err), YM_ERR_USAGE);
	ASSERT_IN("limit limit1: ", err.text);
	ck_assert_int_eq(ym_sem_value(atomic_load(&table->limits[0].id), YM_SEM_USAGE), 1);
}
END_TEST

/* ---- waiting --------------------------------------------------------------------------------- */

static void note_waiting(void *arg, unsigned limit)
{
	(void)arg;
	shared->told[atomic_fetch_add(&shared->ntold, 1)] = limit;
}

static void take_once(void *arg)
{
	struct limit_set set;

	open_set(&set, *(unsigned *)arg);
	ck_assert_int_eq(limit_set_take(&set, note_waiting, NULL, &err), 0);
	tell_step();
	limit_set_give(&set);
	limit_set_close(&set);
}

static pid_t start_taking(unsigned pool)
{
	static unsigned pools[8], n;

	pools[n] = pool;
	return spawn(take_once, &pools[n++]);
}

START_TEST(two_and_two_of_three)
{
	struct limit_set set;
	pid_t child;

	add_limit(0, 3);
	use(0, 0, 2);
	open_set(&set, 0);
	ck_assert_int_eq(take(&set), 0);
	child = start_taking(0);
	WAIT_UNTIL(waiters(0) == 1);
	ck_assert_int_eq(free_units(0), 1);
	limit_set_give(&set);
	await_step();
	reap_well(child);
	ck_assert_int_eq(free_units(0), 3);
	limit_set_close(&set);
}
END_TEST

/* It waits for the second one without the first, then for the first one without the second. */
START_TEST(nothing_is_held_while_waiting)
{
	pid_t child;

	add_limit(0, 1);
	add_limit(1, 1);
	use(0, 0, 1);
	use(0, 1, 1);
	ASSERT_OK(ym_sem_try(&keepers[1], &err));
	child = start_taking(0);
	WAIT_UNTIL(waiters(1) == 1);
	ck_assert_int_eq(free_units(0), 1);
	ASSERT_OK(ym_sem_try(&keepers[0], &err));
	ASSERT_OK(ym_sem_release(&keepers[1], &err));
	WAIT_UNTIL(waiters(0) == 1);
	ck_assert_int_eq(free_units(1), 1);
	ASSERT_OK(ym_sem_release(&keepers[0], &err));
	await_step();
	reap_well(child);
	ck_assert_uint_eq(atomic_load(&shared->ntold), 2);
	ck_assert_uint_eq(atomic_load(&shared->told[0]), 1);
	ck_assert_uint_eq(atomic_load(&shared->told[1]), 0);
}
END_TEST

/* ---- holders that know nothing of us --------------------------------------------------------- */

static void hold_plainly(void *arg)
{
	struct sembuf op = {YM_SEM_VALUE, -2, SEM_UNDO};

	ck_assert_int_eq(semop(*(int *)arg, &op, 1), 0);
	tell_step();
	sleep_for_ever();
}

static void hold_in_php(void *arg)
{
	char code[160];

	(void)arg;
	snprintf(code, sizeof(code), "$s = sem_get(%d, 2); sem_acquire($s); sem_acquire($s); echo '!'; sleep(60);",
	         table->limits[0].key);
	dup2(steps[1], STDOUT_FILENO);
	execlp("php", "php", "-r", code, (char *)NULL);
	_exit(1);
}

static void killed_holder(pid_t holder)
{
	pid_t waiter;

	await_step();
	ck_assert_int_eq(free_units(0), 0);
	waiter = start_taking(0);
	WAIT_UNTIL(waiters(0) == 1);
	kill_and_reap(holder);
	await_step();
	reap_well(waiter);
	ck_assert_int_eq(free_units(0), 2);
}

START_TEST(a_killed_holder_wakes_the_waiter)
{
	int id;

	add_limit(0, 2);
	use(0, 0, 2);
	id = atomic_load(&table->limits[0].id);
	killed_holder(spawn(hold_plainly, &id));
}
END_TEST

START_TEST(a_killed_php_script_wakes_the_waiter)
{
	add_limit(0, 2);
	use(0, 0, 2);
	killed_holder(spawn(hold_in_php, NULL));
}
END_TEST

static void release_in_php(void *arg)
{
	char code[256];

	(void)arg;
	snprintf(code, sizeof(code),
	         "$s = sem_get(%d, 2); sem_acquire($s); echo '!'; fgets(STDIN); sem_release($s); sleep(60);",
	         table->limits[0].key);
	dup2(steps[1], STDOUT_FILENO);
	execlp("php", "php", "-r", code, (char *)NULL);
	_exit(1);
}

START_TEST(a_php_script_that_releases_wakes_the_waiter)
{
	pid_t script, waiter;
	int line[2];

	add_limit(0, 2);
	use(0, 0, 2);
	ck_assert_int_eq(pipe(line), 0);
	dup2(line[0], STDIN_FILENO);
	script = spawn(release_in_php, NULL);
	await_step();
	waiter = start_taking(0);
	WAIT_UNTIL(waiters(0) == 1);
	ck_assert_int_eq(write(line[1], "\n", 1), 1);
	await_step();
	reap_well(waiter);
	kill_and_reap(script);
}
END_TEST

/* ---- what ends a wait ------------------------------------------------------------------------ */

static void on_signal(int signo)
{
	(void)signo;
}

static void take_until_a_signal(void *arg)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct limit_set set;

	(void)arg;
	sigaction(SIGUSR1, &action, NULL);
	open_set(&set, 0);
	tell_step();
	ck_assert_int_eq(limit_set_take(&set, note_waiting, NULL, &err), 1);
	for (unsigned i = 0; i < set.count; i++) {
		ck_assert_uint_eq(set.uses[i].sem.held, 0);
		ck_assert_uint_eq(set.uses[i].turn.held, 0);
	}
	limit_set_close(&set);
}

/* Signalled again and again, as by a worker's timer. */
static void signal_to_the_end(pid_t child)
{
	int status;

	WAIT_UNTIL(kill(child, SIGUSR1) == 0 && (usleep(1000), waitpid(child, &status, WNOHANG) == child));
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

START_TEST(a_signal_ends_the_wait_for_units)
{
	pid_t child;

	add_limit(0, 1);
	add_limit(1, 1);
	add_turn(1);
	use(0, 0, 1);
	use(0, 1, 1);
	ASSERT_OK(ym_sem_try(&keepers[1], &err));
	for (int turn = 0; turn < 2; turn++) {
		/* In the second round it waits for its turn. */
		if (turn)
			ASSERT_OK(ym_sem_try(&keepers[2], &err));
		child = spawn(take_until_a_signal, NULL);
		await_step();
		WAIT_UNTIL(process_state(child) == 'S' && atomic_load(&shared->ntold) > 0);
		signal_to_the_end(child);
		atomic_store(&shared->ntold, 0);
	}
	ck_assert_int_eq(free_units(0), 1);
}
END_TEST

START_TEST(a_signal_ends_the_wait_for_a_rate)
{
	pid_t child;

	add_limit(0, 1);
	use(0, 0, 1);
	rate_set(&table->pools[0].rate, UINT64_C(3600000000000));
	ck_assert(rate_claim(&table->pools[0].rate, &(struct rate_turn){0}, ym_now_ns()));
	child = spawn(take_until_a_signal, NULL);
	await_step();
	WAIT_UNTIL(atomic_load(&shared->ntold) == 1);
	ck_assert_uint_eq(atomic_load(&shared->told[0]), LIMIT_POOL_RATE);
	ck_assert_int_eq(free_units(0), 1);
	signal_to_the_end(child);
}
END_TEST

static void take_from_the_removed(void *arg)
{
	struct limit_set set;

	(void)arg;
	open_set(&set, 0);
	ASSERT_ERR(take(&set), YM_ERR_GONE);
	ASSERT_IN("limit limit1: ", err.text);
	ck_assert_int_eq(free_units(0), 1);
	limit_set_close(&set);
	tell_step();
	/* What is behind the key now. */
	open_set(&set, 0);
	ck_assert_int_eq(take(&set), 0);
	limit_set_close(&set);
}

START_TEST(removed_under_a_waiter)
{
	pid_t child;

	add_limit(0, 1);
	add_limit(1, 1);
	use(0, 0, 1);
	use(0, 1, 1);
	ASSERT_OK(ym_sem_try(&keepers[1], &err));
	child = spawn(take_from_the_removed, NULL);
	WAIT_UNTIL(waiters(1) == 1);
	ASSERT_OK(ym_sem_remove(keepers[1].id, &err));
	ym_sem_close(&keepers[1]);
	ck_assert_int_eq(reap(child), 0);
	ck_assert_int_eq(ym_sem_find(table->limits[1].key, &keepers[1].id, &err), 0);
	ck_assert_int_eq(ym_sem_value(keepers[1].id, YM_SEM_VALUE), 1);
}
END_TEST

/* What was held is gone with the semaphore, and not taken for held at the next job. */
START_TEST(removed_under_a_holder)
{
	struct limit_set set;

	add_limit(0, 1);
	use(0, 0, 1);
	open_set(&set, 0);
	ck_assert_int_eq(take(&set), 0);
	ASSERT_OK(ym_sem_remove(keepers[0].id, &err));
	limit_set_give(&set);
	ASSERT_ERR(take(&set), YM_ERR_GONE);
	limit_set_close(&set);
	kept = 0;
}
END_TEST

/* ---- turns ----------------------------------------------------------------------------------- */

#define LIGHTS 4

static void take_again_and_again(void *arg)
{
	unsigned me = *(unsigned *)arg, mine = me < LIGHTS ? 1 : 2;
	struct limit_set set;

	open_set(&set, mine - 1);
	while (!atomic_load(&shared->stop)) {
		MUST(take(&set) == 0);
		MUST(atomic_fetch_add(&shared->inside[0], (int)mine) + (int)mine <= 3);
		atomic_fetch_add(&shared->rounds[me], 1);
		usleep(500);
		atomic_fetch_sub(&shared->inside[0], (int)mine);
		limit_set_give(&set);
	}
	limit_set_close(&set);
}

/* Four that want one of three units each, all the time, do not keep out one that wants two. */
START_TEST(who_wants_many_has_a_turn_too)
{
	static unsigned numbers[LIGHTS + 1];
	pid_t children[LIGHTS + 1];
	uint64_t lights = 0;

	add_limit(0, 3);
	add_turn(0);
	use(0, 0, 1);
	use(1, 0, 2);
	for (unsigned i = 0; i <= LIGHTS; i++) {
		numbers[i] = i;
		children[i] = spawn(take_again_and_again, &numbers[i]);
	}
	WAIT_UNTIL(atomic_load(&shared->rounds[LIGHTS]) >= 50);
	atomic_store(&shared->stop, true);
	for (unsigned i = 0; i <= LIGHTS; i++) {
		reap_well(children[i]);
		lights += i < LIGHTS ? atomic_load(&shared->rounds[i]) : 0;
	}
	/* By turns: four of the others for each of it, and those that found a unit free. */
	ck_assert_uint_lt(lights, 50 * LIGHTS * 5);
	ck_assert_int_eq(free_units(0), 3);
}
END_TEST

/* ---- many pools ------------------------------------------------------------------------------ */

static void work_for_a_pool(void *arg)
{
	unsigned pool = *(unsigned *)arg, rounds = 0;
	struct table_pool_sh *row = &table->pools[pool];
	struct limit_set set;

	open_set(&set, pool);
	while (!atomic_load(&shared->stop)) {
		MUST(take(&set) == 0);
		for (unsigned i = 0; i < set.count; i++) {
			unsigned limit = set.uses[i].limit;
			int units = (int)atomic_load(&row->limits[i].units);

			MUST(atomic_fetch_add(&shared->inside[limit], units) + units <=
			     atomic_load(&table->limits[limit].max));
		}
		sched_yield();
		for (unsigned i = 0; i < set.count; i++)
			atomic_fetch_sub(&shared->inside[set.uses[i].limit], (int)atomic_load(&row->limits[i].units));
		limit_set_give(&set);
		atomic_fetch_add(&shared->rounds[pool], 1);
		if (++rounds % 64 == 0)
			sched_yield();
	}
	limit_set_close(&set);
}

/* In an order that differs from pool to pool, which scripts could do, too. */
static void overlapping_pools(void)
{
	static const unsigned maxima[] = {2, 3, 4};

	for (unsigned i = 0; i < COUNT(maxima); i++) {
		add_limit(i, (int)maxima[i]);
		if (i != 1)
			add_turn(i);
	}
	use(0, 0, 2);
	use(0, 1, 1);
	use(1, 1, 2);
	use(1, 2, 3);
	use(2, 2, 1);
	use(2, 0, 1);
}

static unsigned pool_numbers[] = {0, 1, 2};

START_TEST(no_deadlock)
{
	pid_t children[2 * POOLS];

	overlapping_pools();
	for (unsigned i = 0; i < COUNT(children); i++)
		children[i] = spawn(work_for_a_pool, &pool_numbers[i % POOLS]);
	for (unsigned pool = 0; pool < POOLS; pool++)
		WAIT_UNTIL(atomic_load(&shared->rounds[pool]) > 300);
	atomic_store(&shared->stop, true);
	for (unsigned i = 0; i < COUNT(children); i++)
		reap_well(children[i]);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(free_units(i), atomic_load(&table->limits[i].max));
}
END_TEST

static void only_take_and_give(void *arg)
{
	struct limit_set set;

	open_set(&set, *(unsigned *)arg);
	while (!atomic_load(&shared->stop)) {
		MUST(take(&set) == 0);
		atomic_fetch_add(&shared->rounds[*(unsigned *)arg], 1);
		limit_set_give(&set);
	}
	limit_set_close(&set);
}

/* Killed between any two steps: no unit is lost, and the others go on. */
START_TEST(killed_at_any_moment)
{
	pid_t children[2 * POOLS];
	uint64_t end = ym_deadline(1000);
	unsigned before[POOLS];

	overlapping_pools();
	for (unsigned i = 0; i < COUNT(children); i++)
		children[i] = spawn(only_take_and_give, &pool_numbers[i % POOLS]);
	while (ym_now_ns() < end) {
		uint32_t victim = random_below(COUNT(children));

		usleep(random_below(2000));
		kill_and_reap(children[victim]);
		children[victim] = spawn(only_take_and_give, &pool_numbers[victim % POOLS]);
	}
	for (unsigned pool = 0; pool < POOLS; pool++)
		before[pool] = atomic_load(&shared->rounds[pool]);
	for (unsigned pool = 0; pool < POOLS; pool++)
		WAIT_UNTIL(atomic_load(&shared->rounds[pool]) > before[pool] + 20);
	for (unsigned i = 0; i < COUNT(children); i++)
		kill_and_reap(children[i]);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(free_units(i), atomic_load(&table->limits[i].max));
	for (unsigned i = 0; i < kept; i++)
		ck_assert_int_eq(ym_sem_value(keepers[i].id, YM_SEM_USAGE), 1);
}
END_TEST

/* ---- rates ----------------------------------------------------------------------------------- */

#define RATE_INTERVAL UINT64_C(2000000)

/* Two pools share limit 0, which has a rate and two units; the second one has a rate of its own. */
static void start_at_a_rate(void *arg)
{
	unsigned pool = *(unsigned *)arg;
	struct limit_set set;

	open_set(&set, pool);
	while (!atomic_load(&shared->stop)) {
		unsigned entry;

		MUST(take(&set) == 0);
		MUST(set.uses[0].taken == 1);
		entry = atomic_fetch_add(&shared->nstarts, 1);
		MUST(entry < COUNT(shared->starts));
		shared->starts[entry] = set.uses[0].place.due;
		atomic_fetch_add(&shared->rounds[pool], 1);
		limit_set_give(&set);
	}
	limit_set_close(&set);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

START_TEST(a_rate_that_pools_share)
{
	pid_t children[4];
	unsigned n;

	add_limit(0, 2);
	rate_set(&table->limits[0].rate, RATE_INTERVAL);
	rate_set(&table->pools[1].rate, 2 * RATE_INTERVAL);
	use(0, 0, 1);
	use(1, 0, 1);
	for (unsigned i = 0; i < COUNT(children); i++)
		children[i] = spawn(start_at_a_rate, &pool_numbers[i % 2]);
	WAIT_UNTIL(atomic_load(&shared->rounds[0]) > 50 && atomic_load(&shared->rounds[1]) > 50);
	atomic_store(&shared->stop, true);
	for (unsigned i = 0; i < COUNT(children); i++)
		reap_well(children[i]);
	n = atomic_load(&shared->nstarts);
	qsort(shared->starts, n, sizeof(shared->starts[0]), by_number);
	for (unsigned i = 1; i < n; i++)
		ck_assert_uint_ge(shared->starts[i] - shared->starts[i - 1], RATE_INTERVAL);
}
END_TEST

/* A limit without a semaphore. */
START_TEST(only_a_rate)
{
	struct limit_set set;
	uint64_t first;

	add_limit(0, 0);
	rate_set(&table->limits[0].rate, RATE_INTERVAL);
	use(0, 0, 1);
	open_set(&set, 0);
	ck_assert_int_eq(take(&set), 0);
	first = set.uses[0].place.due;
	limit_set_give(&set);
	ck_assert_int_eq(limit_set_take(&set, note_waiting, NULL, &err), 0);
	ck_assert_uint_ge(set.uses[0].place.due, first + RATE_INTERVAL);
	ck_assert_uint_ge(ym_now_ns(), first + RATE_INTERVAL);
	ck_assert_uint_eq(atomic_load(&shared->told[0]), 0);
	ck_assert_uint_eq(atomic_load(&shared->ntold), 1);
	limit_set_close(&set);
	assert_nothing_left();
}
END_TEST

/* No job was there: units and start are for others. */
START_TEST(returned_unused)
{
	struct limit_set set;

	add_limit(0, 1);
	rate_set(&table->limits[0].rate, UINT64_C(3600000000000));
	rate_set(&table->pools[0].rate, UINT64_C(3600000000000));
	use(0, 0, 1);
	open_set(&set, 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(take(&set), 0);
		ck_assert_int_eq(free_units(0), 0);
		limit_set_return(&set);
		ck_assert_int_eq(free_units(0), 1);
	}
	limit_set_close(&set);
}
END_TEST

/* Waiting for units uses no start up; when they come, the start is claimed at that moment. */
START_TEST(a_wait_for_units_uses_up_no_start)
{
	pid_t child;

	add_limit(0, 1);
	rate_set(&table->limits[0].rate, UINT64_C(3600000000000));
	use(0, 0, 1);
	ASSERT_OK(ym_sem_try(&keepers[0], &err));
	child = start_taking(0);
	WAIT_UNTIL(waiters(0) == 1);
	ck_assert_uint_eq(atomic_load(&table->limits[0].rate.next), 0);
	kill_and_reap(child);
	ck_assert(rate_claim(&table->limits[0].rate, &(struct rate_turn){0}, ym_now_ns()));
	/* A start that somebody else was faster for: the unit is given back for the wait. */
	rate_set(&table->limits[0].rate, 0);
	child = start_taking(0);
	WAIT_UNTIL(waiters(0) == 1);
	rate_set(&table->limits[0].rate, UINT64_C(3600000000000));
	atomic_store(&table->limits[0].rate.next, ym_now_ns() + UINT64_C(3500000000000));
	ASSERT_OK(ym_sem_release(&keepers[0], &err));
	WAIT_UNTIL(waiters(0) == 0 && process_state(child) == 'S' && free_units(0) == 1);
	rate_set(&table->limits[0].rate, 0);
	await_step();
	reap_well(child);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("limit");
	TCase *tcase = tcase_create("limit");

	tcase_add_checked_fixture(tcase, begin_limit, end_limit);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, no_limits_cost_nothing);
	tcase_add_test(tcase, all_units_and_back);
	tcase_add_test(tcase, errors_hold_nothing);
	tcase_add_test(tcase, two_and_two_of_three);
	tcase_add_test(tcase, nothing_is_held_while_waiting);
	tcase_add_test(tcase, a_killed_holder_wakes_the_waiter);
	tcase_add_test(tcase, a_killed_php_script_wakes_the_waiter);
	tcase_add_test(tcase, a_php_script_that_releases_wakes_the_waiter);
	tcase_add_test(tcase, a_signal_ends_the_wait_for_units);
	tcase_add_test(tcase, a_signal_ends_the_wait_for_a_rate);
	tcase_add_test(tcase, removed_under_a_waiter);
	tcase_add_test(tcase, removed_under_a_holder);
	tcase_add_test(tcase, who_wants_many_has_a_turn_too);
	tcase_add_test(tcase, no_deadlock);
	tcase_add_test(tcase, killed_at_any_moment);
	tcase_add_test(tcase, a_rate_that_pools_share);
	tcase_add_test(tcase, only_a_rate);
	tcase_add_test(tcase, returned_unused);
	tcase_add_test(tcase, a_wait_for_units_uses_up_no_start);
	return run_suite(suite);
}
