/*
 * test_clerk_cluster.c - the clerk of a node among others: limits that all share, jobs that have become others', what it
 * shows of itself.
 */
#include <jansson.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../../runtime/limit.h"
#include "../../runtime/limit_keeper.h"
#include "../../runtime/snapshot.h"
#include "clerk_support.h"

#define LEASE_MS 4000
#define WHOLE    4

/* What the database says, and was told last. */
static struct {
	int64_t left; /* units that the others leave us */
	bool away;
	unsigned asked;
	struct store_limit told;
} others;

static struct limit_keeper keeper;
static struct board_work worker_work;

static int fake_limits(struct store *store, struct store_limit *limits, size_t n, struct ym_err *error)
{
	int result = 0;

	(void)store;
	pthread_mutex_lock(&fake.lock);
	others.asked++;
	for (size_t i = 0; i < n; i++) {
		int64_t most = limits[i].wanted > limits[i].in_use ? limits[i].wanted : limits[i].in_use;

		limits[i].granted = most < others.left ? most : others.left;
		others.told = limits[i];
	}
	if (others.away)
		result = fake_fail(error);
	pthread_mutex_unlock(&fake.lock);
	return result;
}

static int fake_holds(struct store *store, const uint64_t *ids, size_t n, bool *ours, struct ym_err *error)
{
	int result = 0;

	(void)store;
	pthread_mutex_lock(&fake.lock);
	for (size_t i = 0; i < n; i++) {
		const struct fake_job *job = fake_at(ids[i]);

		ours[i] = job && job->job.held && !job->lost;
	}
	if (others.away)
		result = fake_fail(error);
	pthread_mutex_unlock(&fake.lock);
	return result;
}

static void (*held_up)(void); /* the loop, before it does what it is told; NULL: it is not */

static void pass_on(void *arg, unsigned limit, int units, uint64_t until)
{
	ck_assert_ptr_eq(arg, &config);
	if (held_up)
		held_up();
	limit_keeper_grant(&keeper, limit, units, until);
}

static void open_node(void)
{
	const struct clerk_options options = {.instance = &yard,
	                                      .loop = &loop,
	                                      .config = &config,
	                                      .driver = &fake_driver,
	                                      .answered = count_answered,
	                                      .look = count_look,
	                                      .granted = pass_on,
	                                      .arg = &config};

	ASSERT_OK(clerk_open(&clerk, &options, false, &err));
}

/* Three idle workers of the pool. */
static void add_workers(void)
{
	for (uint32_t i = 0; i < 3; i++) {
		worker_work = (struct board_work){.pid = getpid(), .state = BOARD_WORKER_IDLE, .pool = pool};
		board_publish(&yard.board->workers[i].work, &yard.board->workers[i].work_version, &worker_work);
		atomic_store(&yard.board->workers[i].used, 1);
	}
	/* The window has room for more. */
	atomic_store(&yard.board->pools[pool].actual, 8);
	memcpy(yard.board->pools[pool].name, pool_row()->name, sizeof(pool_row()->name));
	atomic_store(&yard.board->pools[pool].used, 1);
}

static void enter_limit(unsigned units)
{
	const struct cfg_limit limit = {.name = "shared", .max = WHOLE, .scope = CFG_SCOPE_CLUSTER};

	ASSERT_OK(ym_group_lock(&yard.group, &err));
	ASSERT_OK(limit_keeper_enter(&keeper, &limit, units > 1, &err));
	ym_group_unlock(&yard.group);
	atomic_store(&pool_row()->limits[0].limit, 0);
	atomic_store(&pool_row()->limits[0].units, (uint16_t)units);
	atomic_store(&pool_row()->nlimits, 1);
}

static void begin_node(unsigned units)
{
	memset(&others, 0, sizeof(others));
	begin_stored_of(64);
	fake_driver.shared = true;
	fake_driver.limits = fake_limits;
	fake_driver.holds = fake_holds;
	config.instance.lease_ms = LEASE_MS;
	keeper = (struct limit_keeper){.instance = &yard};
	others.left = WHOLE;
	add_workers();
	if (units)
		enter_limit(units);
	open_node();
}

static void end_node(void)
{
	int id = keeper.open[0] ? keeper.sems[0].id : -1;

	limit_keeper_close(&keeper);
	if (id >= 0)
		ASSERT_OK(ym_sem_remove(id, &err));
	end_stored();
}

static struct table_limit_sh *row(void)
{
	return &yard.table->limits[0];
}

static bool is_open(void)
{
	return atomic_load(&row()->until) > ym_now_ns();
}

#define PUMP_UNTIL(condition)                                                                                          \
	do {                                                                                                           \
		uint64_t give_up = ym_deadline(PATIENCE_MS);                                                           \
		while (!(condition)) {                                                                                 \
			ck_assert_msg(ym_now_ns() < give_up, "never came true: %s", #condition);                       \
			pump();                                                                                        \
			usleep(1000);                                                                                  \
		}                                                                                                      \
	} while (0)

static void ring_clerk(void)
{
	stage_ring(yard.table, true);
}

static void set_left(int64_t left)
{
	FAKE(others.left = left);
	fake.options.wake(fake.options.arg);
}

#define SEEN_OTHERS(field)                                                                                             \
	({                                                                                                             \
		__typeof__(others.field) seen_;                                                                        \
		FAKE(seen_ = others.field);                                                                            \
		seen_;                                                                                                 \
	})

static int64_t told_wanted(void)
{
	return SEEN_OTHERS(told.wanted);
}

/* The first one may go by way of the store. */
static struct job_ref submit_here(void)
{
	struct job_ref ref = submit("x");
	uint64_t word;
	int64_t slot;

	PUMP_UNTIL((slot = table_find(yard.table, ref.id, &word)) >= 0 && word_state(word) == JOB_READY);
	return (struct job_ref){ref.id, (uint32_t)slot, word_gen(word)};
}

static int waiters_of(int id)
{
	struct ym_sem_stat stat;

	ASSERT_OK(ym_sem_stat(id, &stat, &err));
	return stat.waiters;
}

/* For what must not happen meanwhile. */
static void run_for(int ms)
{
	for (uint64_t end = ym_deadline(ms); ym_now_ns() < end; usleep(1000))
		pump();
}

static void reap_pumping(pid_t child)
{
	int status = 0;

	PUMP_UNTIL(waitpid(child, &status, WNOHANG) == child);
	ck_assert_int_eq(status, 0);
}

/* ---- limits ---------------------------------------------------------------------------------- */

START_TEST(nothing_at_first_then_what_its_workers_can_use)
{
	begin_node(1);
	ck_assert_int_eq(row()->whole, WHOLE);
	ck_assert_int_eq(row()->max, 0);
	ck_assert(!is_open());
	for (int i = 0; i < 10; i++)
		submit("x");
	/* Three workers: they cannot use more. */
	PUMP_UNTIL(row()->max == 3 && is_open());
	ck_assert_int_eq(limit_free(row()), 3);
	ck_assert_int_eq(told_wanted(), 3);
	/* They may be taken at any moment. */
	PUMP_UNTIL(others.told.in_use == 3);
	ck_assert_uint_lt(row()->until, ym_now_ns() + LEASE_MS * UINT64_C(1000000));
	end_node();
}
END_TEST

/* The store has been asked at least once from the start to the end. */
static void let_it_ask(void)
{
	unsigned before = SEEN_OTHERS(asked);

	WAIT_UNTIL((fake.options.wake(fake.options.arg), SEEN_OTHERS(asked) > before + 1));
}

static int64_t in_use_meanwhile;

static void ask_meanwhile(void)
{
	held_up = NULL;
	FAKE(others.left = 1);
	let_it_ask();
	in_use_meanwhile = SEEN_OTHERS(told.in_use);
}

/* The loop is slow: what it will make of the semaphore must not be given to others meanwhile. */
START_TEST(what_the_loop_was_told_is_in_use)
{
	begin_node(1);
	set_left(2);
	for (int i = 0; i < 10; i++)
		submit("x");
	WAIT_UNTIL(SEEN_OTHERS(told.granted) == 2);
	let_it_ask();
	ck_assert_int_eq(SEEN_OTHERS(told.in_use), 2);
	ck_assert_int_eq(row()->max, 0);
	/* It has heard it, and not done it yet. */
	held_up = ask_meanwhile;
	PUMP_UNTIL(!held_up);
	ck_assert_int_eq(in_use_meanwhile, 2);
	PUMP_UNTIL(row()->max == 1 && SEEN_OTHERS(told.in_use) == 1);
	end_node();
}
END_TEST

START_TEST(what_is_not_needed_is_given_back)
{
	struct job_ref refs[3];

	begin_node(1);
	for (int i = 0; i < 3; i++)
		refs[i] = submit_here();
	PUMP_UNTIL(row()->max == 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(dispatch_cancel(&yard, refs[i], &err), 0);
	ring_clerk();
	PUMP_UNTIL(row()->max == 0 && told_wanted() == 0);
	end_node();
}
END_TEST

START_TEST(units_in_use_are_not_taken_away_but_nothing_starts)
{
	struct limit_set set;
	struct ym_sem_stat stat;

	begin_node(1);
	for (int i = 0; i < 10; i++)
		submit("x");
	PUMP_UNTIL(row()->max == 3);
	ASSERT_OK(limit_set_open(&set, yard.table, pool, &err));
	ck_assert_int_eq(limit_set_take(&set, NULL, NULL, &err), 0);
	set_left(0);
	PUMP_UNTIL(row()->max == 1 && !is_open());
	/* To the others it is still ours. */
	PUMP_UNTIL(others.told.in_use == 1);
	limit_set_give(&set);
	PUMP_UNTIL(row()->max == 0);
	ASSERT_OK(ym_sem_stat(keeper.sems[0].id, &stat, &err));
	ck_assert_int_eq(stat.value, 0);
	set_left(2);
	PUMP_UNTIL(row()->max == 2 && is_open());
	limit_set_close(&set);
	end_node();
}
END_TEST

/* In shared memory: when a child that waits has got its units. */
static _Atomic int *got;

static void take_and_hold(void *arg)
{
	struct limit_set set;
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	MUST(limit_set_open(&set, mine.table, pool, &err) == 0);
	MUST(limit_set_take(&set, NULL, NULL, &err) == 0);
	atomic_fetch_add(got, 1);
	limit_set_give(&set);
	limit_set_close(&set);
	leave_yard(&mine);
}

static void share_got(void)
{
	got = mmap(NULL, sizeof(*got), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(got, MAP_FAILED);
}

/* Who waits in the kernel would get the unit before anybody could take it away: he gives it back. */
START_TEST(who_waits_for_a_unit_does_not_get_one_that_is_to_go)
{
	struct limit_set set;
	pid_t children[3];

	share_got();
	begin_node(1);
	for (int i = 0; i < 10; i++)
		submit("x");
	set_left(1);
	PUMP_UNTIL(row()->max == 1 && is_open());
	ASSERT_OK(limit_set_open(&set, yard.table, pool, &err));
	ck_assert_int_eq(limit_set_take(&set, NULL, NULL, &err), 0);
	for (int i = 0; i < 3; i++)
		children[i] = spawn(take_and_hold, NULL);
	PUMP_UNTIL(waiters_of(keeper.sems[0].id) == 3);
	set_left(0);
	PUMP_UNTIL(!is_open());
	limit_set_give(&set);
	PUMP_UNTIL(row()->max == 0);
	ck_assert_int_eq(atomic_load(got), 0);
	/* They sleep until there is one again. */
	set_left(1);
	for (int i = 0; i < 3; i++)
		reap_pumping(children[i]);
	ck_assert_int_eq(atomic_load(got), 3);
	limit_set_close(&set);
	end_node();
}
END_TEST

START_TEST(without_the_store_what_was_granted_holds_for_a_while_only)
{
	struct limit_set set;
	pid_t child;

	share_got();
	begin_node(1);
	submit("x");
	PUMP_UNTIL(row()->max == 1 && is_open());
	FAKE(others.away = true);
	ASSERT_OK(limit_set_open(&set, yard.table, pool, &err));
	ck_assert_int_eq(limit_set_take(&set, NULL, NULL, &err), 0);
	limit_set_give(&set);
	/* It is asked on and on, and the driver says that it may stay: but the time is not lengthened. */
	PUMP_UNTIL(!is_open());
	ck_assert_int_eq(row()->max, 1);
	child = spawn(take_and_hold, NULL);
	run_for(50);
	ck_assert_int_eq(atomic_load(got), 0);
	FAKE(others.away = false);
	ring_clerk();
	reap_pumping(child);
	ck_assert_int_eq(atomic_load(got), 1);
	limit_set_close(&set);
	end_node();
}
END_TEST

START_TEST(the_store_hears_how_many_units_a_job_takes)
{
	begin_node(2);
	submit("x");
	PUMP_UNTIL(row()->max == 2);
	FAKE(ck_assert_int_eq(others.told.step, 2));
	ck_assert_int_eq(told_wanted(), 2);
	end_node();
}
END_TEST

START_TEST(a_paused_pool_wants_nothing)
{
	begin_node(1);
	dispatch_mode(&yard, pool, POOL_PAUSED, 0);
	for (int i = 0; i < 5; i++)
		submit("x");
	PUMP_UNTIL(SEEN(writes) > 0);
	run_for(100);
	ck_assert_int_eq(told_wanted(), 0);
	dispatch_mode(&yard, pool, 0, POOL_PAUSED);
	ring_clerk();
	PUMP_UNTIL(row()->max == 3);
	end_node();
}
END_TEST

/* The file is read again: nobody loses what he was granted for it. */
START_TEST(what_was_granted_stays_when_it_is_entered_anew)
{
	begin_node(1);
	for (int i = 0; i < 5; i++)
		submit("x");
	PUMP_UNTIL(row()->max == 3 && is_open());
	enter_limit(1);
	ck_assert_int_eq(row()->max, 3);
	ck_assert(is_open());
	end_node();
}
END_TEST

/* ---- jobs that have become others' ------------------------------------------------------------ */

static enum job_state place_of(struct job_ref ref, uint64_t *word)
{
	*word = atomic_load(&yard.table->words[ref.slot]);
	return word_gen(*word) == ref.gen ? word_state(*word) : JOB_FREE;
}

static void take_from_us(struct job_ref ref)
{
	FAKE(fake_at(ref.id)->lost = true);
}

START_TEST(what_is_others_is_given_up)
{
	struct job_ref ours, running, waiting, ending;
	uint64_t word, claim;
	uint32_t slot;

	begin_node(0);
	running = submit_here();
	ending = submit_here();
	ck_assert(ready_take(&yard, pool, &slot, &word) && slot == running.slot);
	ck_assert(ready_take(&yard, pool, &slot, &claim) && slot == ending.slot);
	/* It is just writing its report. */
	ck_assert(table_change(yard.table, ending.slot, &claim, JOB_FINISHING, yard.group.slot, 1));
	waiting = submit_here();
	ours = submit_here();
	take_from_us(running);
	take_from_us(waiting);
	take_from_us(ending);
	fake.options.lost(fake.options.arg);
	PUMP_UNTIL(place_of(waiting, &word) == JOB_FREE);
	PUMP_UNTIL(place_of(running, &word) == JOB_CLAIMED && !(word_flags(word) & JOB_STORED));
	ck_assert_uint_ne(word_flags(word) & JOB_CANCEL, 0);
	PUMP_UNTIL(place_of(ending, &word) == JOB_FINISHING && !(word_flags(word) & JOB_STORED));
	/* It would be tried again, but not here. */
	ck_assert(dispatch_settle(&yard, ending.slot, &claim, JOB_READY, 1, false, ym_now_ns()));
	ck_assert_int_eq(place_of(ending, &word), JOB_CANCELLED);
	ck_assert_int_eq(place_of(ours, &word), JOB_READY);
	ck_assert_uint_ne(word_flags(word) & JOB_STORED, 0);
	ck_assert_ptr_nonnull(strstr(logged(), "3 of its jobs went to others"));
	/* Its end is not written: there is nobody to be told. */
	ck_assert_uint_eq(SEEN(lost), 0);
	end_node();
}
END_TEST

START_TEST(it_is_asked_again_until_there_is_an_answer)
{
	struct job_ref ref;
	uint64_t word;

	begin_node(0);
	ref = submit_here();
	take_from_us(ref);
	FAKE(others.away = true);
	fake.options.lost(fake.options.arg);
	run_for(30);
	ck_assert_int_eq(place_of(ref, &word), JOB_READY);
	FAKE(others.away = false);
	ring_clerk();
	PUMP_UNTIL(place_of(ref, &word) == JOB_FREE);
	end_node();
}
END_TEST

/* Another clerk opens the store for the same table. */
START_TEST(the_next_clerk_asks_at_once)
{
	struct job_ref ref;
	uint64_t word;

	begin_node(0);
	ref = submit_here();
	ck_assert(end_clerk(true));
	take_from_us(ref);
	open_node();
	ck_assert_int_eq(place_of(ref, &word), JOB_FREE);
	/* Not because it tried to write what it has of it. */
	ck_assert_uint_eq(SEEN(lost), 0);
	end_node();
}
END_TEST

/* ---- what it shows ---------------------------------------------------------------------------- */

START_TEST(a_node_shows_its_board)
{
	char *text, *again;
	json_t *json;

	begin_node(1);
	submit("x");
	PUMP_UNTIL(row()->max == 1);
	text = fake.options.publish(fake.options.arg);
	ck_assert_ptr_nonnull(text);
	json = json_loads(text, 0, NULL);
	ck_assert_ptr_nonnull(json);
	ck_assert_uint_eq(json_array_size(json_object_get(json, "workers")), 3);
	json_decref(json);
	/* Nothing has happened: nothing is shown. */
	ck_assert_ptr_null(fake.options.publish(fake.options.arg));
	worker_work.state = BOARD_WORKER_BUSY;
	worker_work.job = 1;
	board_publish(&yard.board->workers[1].work, &yard.board->workers[1].work_version, &worker_work);
	again = fake.options.publish(fake.options.arg);
	ck_assert_ptr_nonnull(again);
	ck_assert_ptr_nonnull(strstr(again, "\"busy\""));
	ck_assert_ptr_nonnull(strstr(again, "\"scope\": \"cluster\", \"max\": 4, \"granted\": 1"));
	free(text);
	free(again);
	end_node();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clerk_cluster");
	TCase *tcase = tcase_create("clerk_cluster");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, nothing_at_first_then_what_its_workers_can_use);
	tcase_add_test(tcase, what_the_loop_was_told_is_in_use);
	tcase_add_test(tcase, what_is_not_needed_is_given_back);
	tcase_add_test(tcase, units_in_use_are_not_taken_away_but_nothing_starts);
	tcase_add_test(tcase, who_waits_for_a_unit_does_not_get_one_that_is_to_go);
	tcase_add_test(tcase, without_the_store_what_was_granted_holds_for_a_while_only);
	tcase_add_test(tcase, the_store_hears_how_many_units_a_job_takes);
	tcase_add_test(tcase, a_paused_pool_wants_nothing);
	tcase_add_test(tcase, what_was_granted_stays_when_it_is_entered_anew);
	tcase_add_test(tcase, what_is_others_is_given_up);
	tcase_add_test(tcase, it_is_asked_again_until_there_is_an_answer);
	tcase_add_test(tcase, the_next_clerk_asks_at_once);
	tcase_add_test(tcase, a_node_shows_its_board);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
