/* test_store_postgresql_nodes.c - several nodes on one store in PostgreSQL: fetching, dying, being stopped, limits. */
#include <pthread.h>

#include "postgres_support.h"

static struct node a, b, c;

static void submit_many(struct node *node, unsigned n)
{
	static struct store_submit submits[1000];

	while (n > 0) {
		unsigned step = n < COUNT(submits) ? n : COUNT(submits);

		for (unsigned i = 0; i < step; i++)
			submits[i] = new_job(node, "mail", "x");
		write_batch(node, (struct store_batch){.submits = submits, .nsubmits = step});
		n -= step;
	}
}

/* ---- together -------------------------------------------------------------------------------- */

#define JOBS 6000

static atomic_int claimed;

/* check's assertions are not for threads. */
static void *fetch_all(void *arg)
{
	struct node *node = arg;

	while (atomic_load(&claimed) < JOBS) {
		struct store_want want = {.pool = "mail", .n = 37};
		struct store_batch batch = {.wants = &want, .nwants = 1, .take = take_job, .arg = node};
		struct ym_err why;

		if (store_postgresql.write(node->store, &batch, &why) < 0)
			return why.text[0] ? "failed" : NULL;
		atomic_fetch_add(&claimed, (int)want.taken);
	}
	return NULL;
}

START_TEST(nobody_fetches_a_job_twice)
{
	struct node *nodes[] = {&a, &b, &c};
	pthread_t threads[COUNT(nodes)];
	static bool seen[3 * JOBS];
	unsigned total = 0;
	void *failed;

	open_node(&a, "a");
	open_node(&b, "b");
	open_node(&c, "c");
	submit_many(&a, JOBS);
	for (unsigned i = 0; i < COUNT(nodes); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, fetch_all, nodes[i]), 0);
	for (unsigned i = 0; i < COUNT(nodes); i++) {
		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
	for (unsigned i = 0; i < COUNT(nodes); i++)
		for (size_t k = 0; k < nodes[i]->nids; k++, total++) {
			ck_assert(!seen[nodes[i]->ids[k]]);
			seen[nodes[i]->ids[k]] = true;
		}
	ck_assert_uint_eq(total, JOBS);
	close_node(&a);
	close_node(&b);
	close_node(&c);
}
END_TEST

#define KEYS 300

static void *submit_keys(void *arg)
{
	struct node *node = arg;

	for (int i = 0; i < KEYS; i++) {
		struct store_submit submits[3];
		struct store_batch batch = {.submits = submits, .nsubmits = COUNT(submits)};
		struct ym_err why;

		for (unsigned k = 0; k < COUNT(submits); k++) {
			submits[k] = new_job(node, "mail", "x");
			/* in different orders */
			snprintf(submits[k].job.unique, JOB_UNIQUE_MAX, "%d",
			         node == &a ? i * 3 + (int)k : (i + 1) * 3 - 1 - (int)k);
		}
		if (store_postgresql.write(node->store, &batch, &why) < 0)
			return "failed";
		for (unsigned k = 0; k < COUNT(submits); k++)
			if (submits[k].verdict == STORE_OK)
				node->nids++;
			else if (submits[k].verdict != STORE_EXISTS || submits[k].existing == submits[k].job.id)
				return "a strange verdict";
	}
	return NULL;
}

START_TEST(a_key_is_one_for_all_nodes)
{
	pthread_t thread;
	void *failed;

	open_node(&a, "a");
	open_node(&b, "b");
	ck_assert_int_eq(pthread_create(&thread, NULL, submit_keys, &a), 0);
	ck_assert_ptr_null(submit_keys(&b));
	pthread_join(thread, &failed);
	ck_assert_ptr_null(failed);
	ck_assert_uint_eq(a.nids + b.nids, 3 * KEYS);
	ck_assert_int_eq(sql_number("SELECT count(DISTINCT unique_key) FROM yardmaster.job"), 3 * KEYS);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.job"), 3 * KEYS);
	close_node(&a);
	close_node(&b);
}
END_TEST

START_TEST(name_is_one_nodes)
{
	open_node(&a, "a");
	ck_assert_int_eq(try_open_node(&b, "a"), -1);
	ASSERT_IN("another master", err.text);
	ASSERT_IN("node =", err.text);
	close_node(&a);
	open_node(&b, "a");
	close_node(&b);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.node"), 0);
}
END_TEST

START_TEST(close_lets_go)
{
	open_node(&a, "a");
	open_node(&b, "b");
	submit_many(&a, 10);
	ck_assert_uint_eq(fetch(&a, "mail", 10), 10);
	ck_assert_uint_eq(fetch(&b, "mail", 10), 0);
	close_node(&a);
	ck_assert_uint_eq(fetch(&b, "mail", 10), 10);
	close_node(&b);
}
END_TEST

START_TEST(cancel_goes_to_who_has_it)
{
	open_node(&a, "a");
	open_node(&b, "b");
	submit_many(&a, 1);
	ck_assert_uint_eq(fetch(&a, "mail", 1), 1);
	ck_assert_int_eq(request(&a, STORE_CANCEL, a.ids[0]), STORE_HELD);
	ck_assert_int_eq(request(&b, STORE_KICK, a.ids[0]), STORE_HELD);
	ck_assert_int_eq(request(&b, STORE_CANCEL, a.ids[0]), STORE_OK);
	WAIT_UNTIL(a.cancelled == a.ids[0]);
	ck_assert_uint_eq(b.cancelled, 0);
	close_node(&a);
	/* nobody had heard of it */
	ck_assert_int_eq(state_of_job(&b, a.ids[0]), JOB_CANCELLED);
	close_node(&b);
}
END_TEST

START_TEST(answer_is_for_one_node)
{
	struct store_submit submit;

	open_node(&a, "a");
	open_node(&b, "b");
	submit = new_job(&a, "mail", "x");
	submit.job.reply_key = 77;
	ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	ck_assert_uint_eq(fetch(&b, "mail", 1), 0);
	ck_assert_uint_eq(fetch(&a, "mail", 1), 1);
	close_node(&a);
	close_node(&b);
}
END_TEST

static int count_node(void *arg, const struct store_node *node)
{
	unsigned *counts = arg;

	counts[node->alive]++;
	counts[2] += (unsigned)node->held;
	counts[3] += node->board && strcmp(node->board, "{\"running\": 1}") == 0;
	return 0;
}

START_TEST(nodes_are_shown)
{
	unsigned counts[4] = {0};

	open_node(&a, "a");
	open_node(&b, "b");
	submit_many(&a, 5);
	ck_assert_uint_eq(fetch(&b, "mail", 5), 5);
	WAIT_UNTIL(sql_number("SELECT count(*) FROM yardmaster.node_board") == 2);
	ASSERT_OK(store_postgresql.nodes(a.store, count_node, counts, &err));
	ck_assert_uint_eq(counts[1], 2);
	ck_assert_uint_eq(counts[2], 5);
	ck_assert_uint_eq(counts[3], 2);
	close_node(&a);
	close_node(&b);
}
END_TEST

/* ---- dying ----------------------------------------------------------------------------------- */

static bool no_table(void *arg, uint64_t id)
{
	(void)arg;
	(void)id;
	return false;
}

static bool even(void *arg, uint64_t id)
{
	(void)arg;
	return id % 2 == 0;
}

/* Ten jobs: waiting, running for the first time (attempt 1 of 3), for the last. */
static void hold_ten(void *arg)
{
	(void)arg;
	open_node(&b, "b");
	submit_many(&b, 10);
	MUST(fetch(&b, "mail", 10) == 10);
	for (unsigned i = 0; i < 10; i++)
		if (i >= 4)
			MUST(save_state(&b, b.ids[i], JOB_CLAIMED, i >= 8 ? 3 : 1));
	tell_step();
	sleep_for_ever();
}

static void assert_ten_are_back(const char *why)
{
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.job WHERE state = 'waiting' AND attempt = 0"
	                            " AND crashes = 0 AND node IS NULL"),
	                 4);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.job WHERE state = 'waiting' AND attempt = 1"
	                            " AND crashes = 1 AND node IS NULL"),
	                 4);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.job WHERE state = 'failed' AND attempt = 3"
	                            " AND crashes = 1 AND node IS NULL AND finished IS NOT NULL"),
	                 2);
	ck_assert_int_eq(
	    sql_number("SELECT count(*) FROM yardmaster.attempt WHERE ended_as = 'crashed' AND node = 'b'"), 6);
	ck_assert_int_eq(sql_number(why), 6);
}

START_TEST(jobs_of_a_dead_node_come_back)
{
	pid_t pid;
	uint64_t killed;

	open_steps();
	pid = spawn(hold_ten, NULL);
	await_step();
	open_node(&a, "a");
	ck_assert_uint_eq(fetch(&a, "mail", 10), 0);
	killed = ym_now_ns();
	kill_and_reap(pid);
	WAIT_UNTIL(sql_number("SELECT count(*) FROM yardmaster.job WHERE node IS NULL") == 10);
	ck_assert_uint_ge(ym_now_ns() - killed, (LEASE_MS - LEASE_MS / 5) * UINT64_C(1000000));
	assert_ten_are_back("SELECT count(*) FROM yardmaster.job WHERE error LIKE 'node \"b\"%'");
	ck_assert_uint_eq(fetch(&a, "mail", 10), 8);
	close_node(&a);
}
END_TEST

START_TEST(restarted_node_goes_on_with_its_own)
{
	uint64_t n, before;
	pid_t pid;

	open_steps();
	pid = spawn(hold_ten, NULL);
	await_step();
	kill_and_reap(pid);
	before = ym_now_ns();
	open_node(&b, "b");
	ASSERT_OK(store_postgresql.recover(b.store, even, NULL, &n, &err));
	ck_assert_uint_lt(ym_now_ns() - before, LEASE_MS * UINT64_C(1000000));
	ck_assert_uint_eq(n, 5);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.job WHERE node IS NOT NULL AND id % 2 = 0"), 5);
	ASSERT_OK(store_postgresql.recover(b.store, no_table, NULL, &n, &err));
	ck_assert_uint_eq(n, 5);
	assert_ten_are_back("SELECT count(*) FROM yardmaster.job WHERE error LIKE '%restarted'");
	close_node(&b);
}
END_TEST

START_TEST(abandoned_stays_held)
{
	bool ours[3];
	uint64_t ids[3];

	open_node(&a, "a");
	submit_many(&a, 2);
	ck_assert_uint_eq(fetch(&a, "mail", 5), 2);
	memcpy(ids, a.ids, sizeof(ids));
	ids[2] = 4711;
	store_postgresql.abandon(a.store);
	open_node(&a, "a");
	ASSERT_OK(store_postgresql.holds(a.store, ids, 3, ours, &err));
	ck_assert(ours[0] && ours[1] && !ours[2]);
	ck_assert(save_state(&a, ids[0], JOB_DONE, 1));
	close_node(&a);
}
END_TEST

/* Stopped for so long that the others have what it held: it must not write, and must hear of it. */
static void be_stopped(void *arg)
{
	bool ours[2];

	(void)arg;
	open_node(&b, "b");
	submit_many(&b, 2);
	MUST(fetch(&b, "mail", 2) == 2);
	MUST(save_state(&b, b.ids[0], JOB_CLAIMED, 1));
	tell_step();
	raise(SIGSTOP);
	for (int i = 0; b.losses == 0; i++) {
		MUST(i < 50000);
		usleep(200);
	}
	for (int i = 0; store_postgresql.holds(b.store, b.ids, 2, ours, &err) < 0; i++) {
		MUST(i < 50000);
		usleep(200);
	}
	MUST(!ours[0] && !ours[1]);
	MUST(!save_state(&b, b.ids[0], JOB_DONE, 1));
	MUST(fetch(&b, "mail", 10) == 0);
	close_node(&b);
}

START_TEST(who_was_taken_for_dead_writes_nothing)
{
	pid_t pid;

	open_steps();
	pid = spawn(be_stopped, NULL);
	await_step();
	open_node(&a, "a");
	WAIT_UNTIL(process_state(pid) == 'T');
	WAIT_UNTIL(sql_number("SELECT count(*) FROM yardmaster.job WHERE node IS NULL") == 2);
	ck_assert_uint_eq(fetch(&a, "mail", 10), 2);
	kill(pid, SIGCONT);
	reap_well(pid);
	ck_assert_int_eq(state_of_job(&a, a.ids[0]), JOB_READY);
	ck_assert(save_state(&a, a.ids[0], JOB_DONE, 2));
	close_node(&a);
}
END_TEST

/* ---- limits ---------------------------------------------------------------------------------- */

static int64_t grant(struct node *node, int64_t max, int64_t in_use, int64_t wanted)
{
	struct store_limit limit = {.name = "db", .max = max, .in_use = in_use, .wanted = wanted};

	ASSERT_OK(store_postgresql.limits(node->store, &limit, 1, &err));
	return limit.granted;
}

START_TEST(limit_is_shared)
{
	open_node(&a, "a");
	open_node(&b, "b");
	ck_assert_int_eq(grant(&a, 4, 0, 10), 4);
	ck_assert_int_eq(grant(&b, 4, 0, 10), 0);
	/* a uses them, but is to give up half */
	ck_assert_int_eq(grant(&a, 4, 4, 10), 2);
	ck_assert_int_eq(grant(&b, 4, 0, 10), 0);
	ck_assert_int_eq(grant(&a, 4, 3, 10), 2);
	ck_assert_int_eq(grant(&b, 4, 0, 10), 1);
	ck_assert_int_eq(grant(&a, 4, 1, 10), 2);
	ck_assert_int_eq(grant(&b, 4, 1, 10), 2);
	/* who wants less leaves it to the other */
	ck_assert_int_eq(grant(&a, 4, 0, 1), 1);
	ck_assert_int_eq(grant(&b, 4, 2, 10), 3);
	close_node(&a);
	ck_assert_int_eq(grant(&b, 4, 3, 10), 4);
	close_node(&b);
}
END_TEST

START_TEST(one_unit_goes_in_turns)
{
	struct node *nodes[] = {&a, &b, &c};
	unsigned got[COUNT(nodes)] = {0};
	int running = -1;

	open_node(&a, "a");
	open_node(&b, "b");
	open_node(&c, "c");
	for (unsigned round = 0; round < 90; round++) {
		int i = (int)(round % COUNT(nodes));
		int64_t granted = grant(nodes[i], 1, running == i, 5);

		ck_assert_int_le(granted, 1);
		if (running == i) { /* its job ends; another may start only if that is granted still */
			running = -1;
			granted = grant(nodes[i], 1, 0, 5);
		}
		if (granted > 0) {
			ck_assert_int_eq(running, -1);
			running = i;
			got[i]++;
		}
	}
	for (unsigned i = 0; i < COUNT(nodes); i++)
		ck_assert_uint_ge(got[i], 5);
	close_node(&a);
	close_node(&b);
	close_node(&c);
}
END_TEST

/* Any numbers: what is in use and what may come into use never exceed the limit. */
START_TEST(limit_is_never_exceeded)
{
	struct node *nodes[] = {&a, &b, &c};
	int64_t in_use[COUNT(nodes)] = {0}, may[COUNT(nodes)] = {0};

	open_node(&a, "a");
	open_node(&b, "b");
	open_node(&c, "c");
	for (unsigned round = 0; round < 600; round++) {
		unsigned i = random_below(COUNT(nodes));
		int64_t sum = 0;

		if (in_use[i] < may[i])
			in_use[i] += random_below((uint32_t)(may[i] - in_use[i]) + 1);
		if (in_use[i] > 0)
			in_use[i] -= random_below((uint32_t)in_use[i] + 1);
		may[i] = grant(nodes[i], 7, in_use[i], in_use[i] + random_below(9));
		for (unsigned k = 0; k < COUNT(nodes); k++)
			sum += may[k] > in_use[k] ? may[k] : in_use[k];
		ck_assert_int_le(sum, 7);
	}
	close_node(&a);
	close_node(&b);
	close_node(&c);
}
END_TEST

static void use_limit(void *arg)
{
	struct store_limit limit = {.name = "db", .max = 3, .wanted = 3};

	(void)arg;
	open_node(&b, "b");
	MUST(store_postgresql.limits(b.store, &limit, 1, &err) == 0 && limit.granted == 3);
	tell_step();
	sleep_for_ever();
}

START_TEST(dead_node_has_no_units)
{
	pid_t pid;

	open_steps();
	pid = spawn(use_limit, NULL);
	await_step();
	open_node(&a, "a");
	ck_assert_int_eq(grant(&a, 3, 0, 3), 0);
	kill_and_reap(pid);
	WAIT_UNTIL(grant(&a, 3, 0, 3) == 3);
	close_node(&a);
}
END_TEST

/* Whether it was written is not known: neither what was granted before, nor what is granted now, may be used. */
START_TEST(without_an_answer_only_what_is_in_use_is_ours)
{
	struct store_limit limit = {.name = "db", .max = 4, .in_use = 1, .wanted = 10};

	open_node(&a, "a");
	ck_assert_int_eq(grant(&a, 4, 0, 10), 4);
	sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'yardmaster a'");
	ck_assert_int_eq(store_postgresql.limits(a.store, &limit, 1, &err), -1);
	ck_assert_int_eq(limit.granted, 1);
	limit.in_use = 3;
	WAIT_UNTIL(store_postgresql.limits(a.store, &limit, 1, &err) == 0);
	ck_assert_int_eq(limit.granted, 4);
	close_node(&a);
}
END_TEST

/* The file was changed. */
START_TEST(units_of_a_limit_that_is_no_more_are_the_others)
{
	struct store_limit other = {.name = "other", .max = 4, .wanted = 1};

	open_node(&a, "a");
	open_node(&b, "b");
	ck_assert_int_eq(grant(&a, 4, 0, 4), 4);
	ck_assert_int_eq(grant(&b, 4, 0, 4), 0);
	ASSERT_OK(store_postgresql.limits(a.store, &other, 1, &err));
	ck_assert_int_eq(grant(&b, 4, 0, 4), 4);
	ASSERT_OK(store_postgresql.limits(b.store, NULL, 0, &err));
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.limit_use"), 1);
	close_node(&a);
	close_node(&b);
}
END_TEST

/* The pulse is held up for longer than the lease; what is granted meanwhile must not be another's meanwhile. */
START_TEST(who_asks_for_units_is_alive)
{
	static const char waiting[] = "SELECT count(*) FROM pg_stat_activity WHERE application_name ="
				      " 'yardmaster a (pulse)' AND wait_event_type = 'Lock'";
	struct pg_link link;
	uint64_t start;

	open_node(&a, "a");
	open_node(&b, "b");
	WAIT_UNTIL(sql_number("SELECT count(*) FROM yardmaster.node_board") == 2);
	open_link(&link, database_uri);
	ASSERT_OK(pg_script(&link,
	                    "BEGIN; SELECT FROM yardmaster.node_board b JOIN yardmaster.node n ON n.id = b.node"
	                    " WHERE n.name = 'a' FOR UPDATE OF b",
	                    &err));
	WAIT_UNTIL(grant(&a, 4, 0, 1) == 1 && sql_number(waiting) == 1);
	for (start = ym_now_ns(); ym_now_ns() - start < 2 * LEASE_MS * UINT64_C(1000000); usleep(20000))
		ck_assert_int_eq(grant(&a, 4, 0, 1), 1);
	ck_assert_int_eq(a.losses, 0);
	pg_shut(&link);
	close_node(&a);
	close_node(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_postgresql_nodes");
	TCase *tcase = add_server_case(suite, "nodes");

	tcase_add_test(tcase, nobody_fetches_a_job_twice);
	tcase_add_test(tcase, a_key_is_one_for_all_nodes);
	tcase_add_test(tcase, name_is_one_nodes);
	tcase_add_test(tcase, close_lets_go);
	tcase_add_test(tcase, cancel_goes_to_who_has_it);
	tcase_add_test(tcase, answer_is_for_one_node);
	tcase_add_test(tcase, nodes_are_shown);
	tcase_add_test(tcase, jobs_of_a_dead_node_come_back);
	tcase_add_test(tcase, restarted_node_goes_on_with_its_own);
	tcase_add_test(tcase, abandoned_stays_held);
	tcase_add_test(tcase, who_was_taken_for_dead_writes_nothing);
	tcase_add_test(tcase, limit_is_shared);
	tcase_add_test(tcase, one_unit_goes_in_turns);
	tcase_add_test(tcase, limit_is_never_exceeded);
	tcase_add_test(tcase, dead_node_has_no_units);
	tcase_add_test(tcase, without_an_answer_only_what_is_in_use_is_ours);
	tcase_add_test(tcase, units_of_a_limit_that_is_no_more_are_the_others);
	tcase_add_test(tcase, who_asks_for_units_is_alive);
	return run_suite(suite);
}
