/* test_store_postgresql_outage.c - a database that goes away, refuses, or never was there. */
#include <pthread.h>

#include "postgres_support.h"

static struct node a, b;

/* ---- going away ------------------------------------------------------------------------------ */

#define BATCH 20

static atomic_bool enough;
static atomic_int acknowledged;

/* The same batch again and again until it is acknowledged, as the clerk does. */
static void *submit_on(void *arg)
{
	struct node *node = arg;

	while (!atomic_load(&enough)) {
		struct store_submit submits[BATCH];
		struct store_batch batch = {.durable = true, .submits = submits, .nsubmits = BATCH};
		struct ym_err why;

		for (unsigned i = 0; i < BATCH; i++)
			submits[i] = new_job(node, "mail", "x");
		while (store_postgresql.write(node->store, &batch, &why) < 0)
			usleep(2000);
		for (unsigned i = 0; i < BATCH; i++)
			if (submits[i].verdict != STORE_OK)
				return "a job was not accepted";
		atomic_fetch_add(&acknowledged, BATCH);
	}
	return NULL;
}

START_TEST(killed_server_loses_and_doubles_nothing)
{
	pthread_t thread;
	void *failed;

	open_node(&a, "a");
	ck_assert_int_eq(pthread_create(&thread, NULL, submit_on, &a), 0);
	for (int i = 0; i < 4; i++) {
		int before = acknowledged;

		WAIT_UNTIL(acknowledged >= before + 3 * BATCH);
		usleep(random_below(20000));
		kill_server();
		run_server();
	}
	atomic_store(&enough, true);
	pthread_join(thread, &failed);
	ck_assert_ptr_null(failed);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.job"), acknowledged);
	ck_assert_int_eq(sql_number("SELECT sum(n)::bigint FROM yardmaster.tally"), acknowledged);
	close_node(&a);
}
END_TEST

/* It runs here by then: after the crash of the server nobody else may have it. */
START_TEST(what_was_fetched_stays_ours_when_the_server_is_killed)
{
	struct store_want want = {.pool = "mail", .n = 5};
	struct store_batch batch = {.wants = &want, .nwants = 1, .take = take_job, .arg = &a};
	struct store_submit submits[5];
	bool ours[COUNT(submits)] = {0};

	open_node(&a, "a");
	open_node(&b, "b");
	for (unsigned i = 0; i < COUNT(submits); i++)
		submits[i] = new_job(&b, "mail", "x");
	write_batch(&b, (struct store_batch){.submits = submits, .nsubmits = COUNT(submits)});
	/* Nobody waits for that: it need not be durable. */
	ASSERT_OK(store_postgresql.write(a.store, &batch, &err));
	kill_server();
	ck_assert_uint_eq(want.taken, COUNT(submits));
	run_server();
	WAIT_UNTIL(try_write(&b, (struct store_batch){0}) == 0);
	ck_assert_uint_eq(fetch(&b, "mail", 5), 0);
	WAIT_UNTIL(store_postgresql.holds(a.store, a.ids, COUNT(submits), ours, &err) == 0);
	for (unsigned i = 0; i < COUNT(submits); i++)
		ck_assert(ours[i]);
	close_node(&a);
	close_node(&b);
}
END_TEST

START_TEST(outage_kills_no_node)
{
	uint64_t before;
	bool ours[10];

	open_node(&a, "a");
	open_node(&b, "b");
	for (int i = 0; i < 10; i++) {
		struct store_submit submit = new_job(&a, "mail", "x");

		submit.job.held = true;
		a.ids[i] = submit.job.id;
		ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	}
	end_server();
	WAIT_UNTIL(try_write(&a, (struct store_batch){0}) < 0 && strstr(err.text, "no database for"));
	before = ym_now_ns();
	ck_assert_int_eq(try_write(&a, (struct store_batch){0}), -1);
	ck_assert_uint_lt(ym_now_ns() - before, UINT64_C(100000000));
	ck_assert_int_eq(err.class, YM_ERR_SYSTEM);
	WAIT_UNTIL(ym_now_ns() - before > 3 * LEASE_MS * UINT64_C(1000000));
	a.wakes = 0;
	run_server();
	WAIT_UNTIL(a.wakes > 0);
	WAIT_UNTIL(try_write(&a, (struct store_batch){0}) == 0);
	WAIT_UNTIL(try_write(&b, (struct store_batch){0}) == 0);
	/* for longer than a lease */
	before = ym_now_ns();
	while (ym_now_ns() - before < 2 * LEASE_MS * UINT64_C(1000000)) {
		ASSERT_OK(store_postgresql.holds(a.store, a.ids, 10, ours, &err));
		for (int i = 0; i < 10; i++)
			ck_assert(ours[i]);
		usleep(20000);
	}
	ck_assert_int_eq(a.losses + b.losses, 0);
	close_node(&a);
	close_node(&b);
}
END_TEST

static void be_b(void *arg)
{
	(void)arg;
	open_node(&b, "b");
	tell_step();
	sleep_for_ever();
}

/* Who is back first must not take the others for dead, although they have given no sign for longer than their lease. */
START_TEST(slow_to_come_back_is_not_dead)
{
	uint64_t before;
	int64_t beat;
	pid_t pid;

	open_steps();
	pid = spawn(be_b, NULL);
	await_step();
	open_node(&a, "a");
	sql("UPDATE yardmaster.node SET lease_ms = 1500 WHERE name = 'b'");
	beat = sql_number("SELECT beat FROM yardmaster.node WHERE name = 'a'");
	WAIT_UNTIL(sql_number("SELECT beat FROM yardmaster.node WHERE name = 'a'") > beat + 1); /* it has seen b */
	kill(pid, SIGSTOP);
	end_server();
	before = ym_now_ns();
	WAIT_UNTIL(ym_now_ns() - before > UINT64_C(2000000000));
	run_server();
	beat = sql_number("SELECT beat FROM yardmaster.node WHERE name = 'a'");
	WAIT_UNTIL(sql_number("SELECT beat FROM yardmaster.node WHERE name = 'a'") > beat + 1);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.node WHERE dead IS NULL"), 2);
	/* and then it has its lease */
	WAIT_UNTIL(sql_number("SELECT count(*) FROM yardmaster.node WHERE dead IS NULL") == 1);
	kill_and_reap(pid);
	close_node(&a);
}
END_TEST

/* As after a crash of the server that has forgotten the registration, and given its number to another node. */
START_TEST(a_number_that_is_another_nodes_is_left_to_it)
{
	open_node(&a, "a");
	sql("UPDATE yardmaster.node SET name = 'b', token = 'another'");
	sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'yardmaster%'");
	WAIT_UNTIL(a.losses == 1);
	ck_assert_int_eq(sql_number("SELECT count(*) FROM yardmaster.node WHERE name = 'b'"), 1);
	WAIT_UNTIL(sql_number("SELECT count(*) FROM yardmaster.node WHERE name = 'a' AND token <> 'another'") == 1);
	close_node(&a);
}
END_TEST

START_TEST(ended_sessions_come_back)
{
	open_node(&a, "a");
	sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'yardmaster%'");
	WAIT_UNTIL(try_write(&a, (struct store_batch){0}) == 0);
	ck_assert_int_eq(a.losses, 0);
	WAIT_UNTIL(
	    sql_number("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'yardmaster a (pulse)'") == 1);
	WAIT_UNTIL(sql_number("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1497188610") ==
	           1);
	/* listens again */
	a.wakes = 0;
	WAIT_UNTIL((sql("INSERT INTO yardmaster.job (pool) VALUES ('mail')"), a.wakes > 0));
	ck_assert_int_eq(try_open_node(&b, "a"), -1);
	close_node(&a);
}
END_TEST

/* ---- refusing -------------------------------------------------------------------------------- */

START_TEST(full_disk_is_told)
{
	struct store_submit submit;

	open_node(&a, "a");
	sql("CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS"
	    " 'BEGIN RAISE SQLSTATE ''53100'' USING MESSAGE = ''No space left on device''; END';"
	    "CREATE TRIGGER full_disk BEFORE INSERT ON yardmaster.job FOR EACH ROW EXECUTE FUNCTION public.full()");
	submit = new_job(&a, "mail", "x");
	ck_assert_int_eq(try_write(&a, (struct store_batch){.submits = &submit, .nsubmits = 1}), -1);
	ck_assert_int_eq(err.class, YM_ERR_FULL);
	ASSERT_IN("make room", err.text);
	sql("DROP TRIGGER full_disk ON yardmaster.job");
	ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	close_node(&a);
}
END_TEST

/* For all sessions that begin from now on, and all have to begin anew. */
static void set_read_only(bool read_only)
{
	const char *name = database_uri + strlen("postgresql:///");
	char script[256];
	struct pg_link link;

	snprintf(script, sizeof(script),
	         "ALTER DATABASE %.*s SET default_transaction_read_only = %s;"
	         "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
	         " WHERE application_name LIKE 'yardmaster%%'",
	         (int)strcspn(name, "?"), name, read_only ? "on" : "off");
	open_link(&link, database_uri);
	ASSERT_OK(pg_script(&link, "SET default_transaction_read_only = off", &err));
	ASSERT_OK(pg_script(&link, script, &err));
	pg_shut(&link);
}

START_TEST(read_only_server_is_told)
{
	open_node(&a, "a");
	set_read_only(true);
	WAIT_UNTIL(try_write(&a, (struct store_batch){0}) < 0 && err.class == YM_ERR_PERMISSION);
	ASSERT_IN("standby", err.text);
	set_read_only(false);
	WAIT_UNTIL(try_write(&a, (struct store_batch){0}) == 0);
	close_node(&a);
}
END_TEST

/* A transaction of a user that keeps a row of ours for long must not stop us for ever. */
START_TEST(locked_row_does_not_hang)
{
	struct store_submit submit;
	struct store_save save = {0};
	struct pg_link link;
	uint64_t before;

	open_node(&a, "a");
	submit = new_job(&a, "mail", "x");
	submit.job.held = true;
	ck_assert_int_eq(submit_one(&a, &submit), STORE_OK);
	open_link(&link, database_uri);
	ASSERT_OK(pg_script(&link, "BEGIN; UPDATE yardmaster.job SET level = 1", &err));
	save.job = submit.job;
	save.job.state = JOB_DONE;
	save.job.finished_ms = unix_ms();
	before = ym_now_ns();
	ck_assert_int_eq(try_write(&a, (struct store_batch){.saves = &save, .nsaves = 1}), -1);
	ck_assert_int_eq(err.class, YM_ERR_TIMEOUT);
	ck_assert_uint_lt(ym_now_ns() - before, UINT64_C(7000000000));
	ASSERT_OK(pg_script(&link, "COMMIT", &err));
	pg_shut(&link);
	write_batch(&a, (struct store_batch){.saves = &save, .nsaves = 1});
	ck_assert(!save.lost);
	close_node(&a);
}
END_TEST

/* ---- never there ----------------------------------------------------------------------------- */

START_TEST(wrong_addresses)
{
	char uri[PATH_MAX];
	static const struct {
		const char *uri;
		enum ym_err_class class;
		const char *says; /* without which server said so: that is in the URI, and `status` has little room */
	} wrong[] = {
	    {"postgresql://me:sesame@/%s?host=%s", YM_ERR_PERMISSION, "connecting: role \"me\" "},
	    {"postgresql://yardmaster:sesame@/nowhere%.0s?host=%s", YM_ERR_CONFIG, "connecting: database \"nowhere\" "},
	    {"postgresql://me:sesame@/%s?host=/nowhere%.0s", YM_ERR_SYSTEM, "/nowhere/.s.PGSQL"},
	    {"postgresql://me@/%s?host=%s&password=sesame&wrong=1", YM_ERR_CONFIG, "this URI has a mistake"},
	};

	for (unsigned i = 0; i < COUNT(wrong); i++) {
		struct store_options options = {.uri = uri, .node = "a", .reader = true};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(uri, sizeof(uri), wrong[i].uri, "x", server_dir);
#pragma GCC diagnostic pop
		err = (struct ym_err){0};
		ck_assert_int_eq(store_postgresql.open(&a.store, &options, &err), -1);
		ck_assert_msg(err.class == wrong[i].class, "%u: %s: %s", i, ym_err_word(err.class), err.text);
		ck_assert_msg(!strstr(err.text, "sesame"), "%s", err.text);
		ASSERT_IN(wrong[i].says, err.text);
	}
}
END_TEST

START_TEST(a_missing_password_is_asked_for)
{
	struct store_options options = {.uri = database_uri, .node = "a", .reader = true};
	char path[PATH_MAX];
	FILE *rules;

	sql("CREATE ROLE me LOGIN PASSWORD 'sesame'");
	snprintf(path, sizeof(path), "%s/data/pg_hba.conf", server_dir);
	rules = fopen(path, "w");
	ck_assert_ptr_nonnull(rules);
	fputs("local all me scram-sha-256\nlocal all all trust\n", rules);
	fclose(rules);
	sql("SELECT pg_reload_conf()");
	strcat(database_uri, "&user=me");
	WAIT_UNTIL(store_postgresql.open(&a.store, &options, &err) < 0 && strstr(err.text, "pgpass"));
	ck_assert_int_eq(err.class, YM_ERR_PERMISSION);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_postgresql_outage");
	TCase *tcase = add_own_server_case(suite, "outage");

	tcase_add_test(tcase, killed_server_loses_and_doubles_nothing);
	tcase_add_test(tcase, a_missing_password_is_asked_for);
	tcase_add_test(tcase, what_was_fetched_stays_ours_when_the_server_is_killed);
	tcase_add_test(tcase, outage_kills_no_node);
	tcase_add_test(tcase, a_number_that_is_another_nodes_is_left_to_it);
	tcase_add_test(tcase, slow_to_come_back_is_not_dead);
	tcase_add_test(tcase, ended_sessions_come_back);
	tcase_add_test(tcase, full_disk_is_told);
	tcase_add_test(tcase, read_only_server_is_told);
	tcase_add_test(tcase, locked_row_does_not_hang);
	tcase_add_test(tcase, wrong_addresses);
	return run_suite(suite);
}
