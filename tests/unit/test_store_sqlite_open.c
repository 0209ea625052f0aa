/* test_store_sqlite_open.c - the driver store_sqlite: what is opened and what is refused, recovery, versions. */
#include "sqlite_support.h"

static void refuse(enum ym_err_class class, const char *text)
{
	struct store *other;

	ASSERT_ERR(store_sqlite.open(&other, &options, &err), class);
	ASSERT_IN(text, err.text);
	ASSERT_IN(db_path, err.text);
}

START_TEST(only_its_user_can_read_it)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
	char path[PATH_MAX + 8];
	struct stat st;

	submit(1, "mail", false);
	for (size_t i = 0; i < COUNT(suffixes); i++) {
		snprintf(path, sizeof(path), "%s%s", db_path, suffixes[i]);
		ck_assert_msg(stat(path, &st) == 0, "%s", path);
		ck_assert_msg((st.st_mode & 07777) == 0600, "%s: %o", path, st.st_mode);
	}
}
END_TEST

START_TEST(no_descriptor_goes_to_a_child)
{
	DIR *fds = opendir("/proc/self/fd");
	char link[PATH_MAX], name[300];
	int seen = 0;

	submit(1, "mail", false);
	for (struct dirent *entry = readdir(fds); entry; entry = readdir(fds)) {
		ssize_t n;

		snprintf(name, sizeof(name), "/proc/self/fd/%s", entry->d_name);
		n = readlink(name, link, sizeof(link) - 1);
		if (n < 0)
			continue;
		link[n] = '\0';
		if (strncmp(link, directory, strlen(directory)) != 0)
			continue;
		seen++;
		ck_assert_msg(fcntl(atoi(entry->d_name), F_GETFD) & FD_CLOEXEC, "%s", link);
	}
	closedir(fds);
	ck_assert_int_ge(seen, 4);
}
END_TEST

START_TEST(one_master_at_a_time)
{
	char number[64];
	pid_t child;
	int status;

	child = fork();
	if (child == 0) {
		struct store *other;
		struct ym_err why;
		bool good;

		snprintf(number, sizeof(number), "in use by process %d", (int)getppid());
		good = store_sqlite.open(&other, &options, &why) < 0 && why.class == YM_ERR_FOREIGN &&
		       strstr(why.text, number);
		/* What is read needs no lock. */
		options.reader = true;
		good = good && store_sqlite.open(&other, &options, &why) == 0;
		_exit(good ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	open_again();
}
END_TEST

START_TEST(a_file_of_others_is_refused)
{
	write_file("text", "This is no database, but a text that somebody wrote long ago.\n", 62);
	use_store("text");
	refuse(YM_ERR_CORRUPT, "no SQLite database");
	use_store("other.db");
	run_sql("CREATE TABLE customer (name)");
	refuse(YM_ERR_FOREIGN, "another program");
	ck_assert_int_eq(ask_number("SELECT count(*) FROM sqlite_schema"), 1);
	use_store("marked.db");
	run_sql("PRAGMA application_id = 77");
	refuse(YM_ERR_FOREIGN, "another program");
	use_store("missing/jobs.db");
	refuse(YM_ERR_CONFIG, "does not exist");
	use_store("no.db");
	options.reader = true;
	refuse(YM_ERR_NO, "no store");
	ck_assert(access(db_path, F_OK) < 0);
	use_store("directory");
	ck_assert_int_eq(mkdir(db_path, 0700), 0);
	refuse(YM_ERR_CONFIG, "no regular file");
}
END_TEST

START_TEST(a_newer_schema_is_refused)
{
	store_sqlite.close(store);
	store = NULL;
	run_sql("PRAGMA user_version = 99; UPDATE meta SET value = 'Yardmaster 9.1' WHERE name = 'program'");
	refuse(YM_ERR_CONFIG, "made by Yardmaster 9.1");
	options.reader = true;
	refuse(YM_ERR_CONFIG, "99");
}
END_TEST

START_TEST(an_older_schema_is_brought_up_to_date)
{
	const char *versions[] = {sqlite_steps[0], "ALTER TABLE job ADD COLUMN colour TEXT",
	                          "UPDATE job SET colour = 'red'"};
	const char *const bad[] = {versions[0], versions[1], versions[2],
	                           "UPDATE job SET colour = 'blue'; UPDATE nothing SET x = 1"};
	unsigned taken;

	/* The version that this program knows is made up to be the first of three. */
	submit(7, "mail", false);
	run_sql("PRAGMA user_version = 1");
	ASSERT_OK(sqlite_schema(store, versions, 3, &taken, &err));
	ck_assert_uint_eq(taken, 2);
	ck_assert_int_eq(ask_number("SELECT count(*) FROM job WHERE colour = 'red'"), 1);
	ck_assert_int_eq(ask_number("PRAGMA user_version"), 3);
	/* All or nothing. */
	ASSERT_ERR(sqlite_schema(store, bad, 4, &taken, &err), YM_ERR_SYSTEM);
	ASSERT_IN("from version 3 to 4", err.text);
	ck_assert_int_eq(ask_number("SELECT count(*) FROM job WHERE colour = 'red'"), 1);
	ck_assert_int_eq(ask_number("PRAGMA user_version"), 3);
	/* A reader changes nothing. */
	store_sqlite.close(store);
	store = NULL;
	run_sql("PRAGMA user_version = 0");
	options.reader = true;
	refuse(YM_ERR_NO, "store init");
}
END_TEST

START_TEST(init_says_what_it_did)
{
	const char *text;

	ASSERT_ERR(store_sqlite.init(&(struct store_options){.uri = "sqlite:jobs.db"}, &text, &err), YM_ERR_CONFIG);
	use_store("new.db");
	ASSERT_OK(store_sqlite.init(&options, &text, &err));
	ASSERT_IN("made", text);
	ASSERT_OK(store_sqlite.init(&options, &text, &err));
	ASSERT_IN("is up to date", text);
}
END_TEST

/* ---- recovery -------------------------------------------------------------------------------- */

static bool odd(void *arg, uint64_t id)
{
	(void)arg;
	return id % 2 == 1;
}

static bool nothing(void *arg, uint64_t id)
{
	(void)arg, (void)id;
	return false;
}

static uint64_t recover(bool (*in_table)(void *arg, uint64_t id))
{
	uint64_t n;

	ASSERT_OK(store_sqlite.recover(store, in_table, NULL, &n, &err));
	return n;
}

START_TEST(what_was_held_waits_again)
{
	struct store_job job = a_job(4, "mail", true);
	struct store_story story;

	for (uint64_t id = 1; id <= 7; id++)
		submit(id, "mail", true);
	/* 2 waits, 4 ran, 6 ran for the last time; 8 waited for its time, 10 was fetched. 1, 3, .. are in the table. */
	job.state = JOB_CLAIMED;
	job.attempt = 1;
	job.started_ms = 1000;
	save(&job);
	job.id = 6;
	job.attempt = 3;
	save(&job);
	job = a_job(8, "mail", true);
	job.state = JOB_DELAYED;
	job.due_ms = ym_unix_ms() + DAY_MS;
	submit_to(store, &job, NULL);
	submit(10, "disk", false);
	fetch("disk", 1, 1, NULL);
	crash();
	ck_assert_uint_eq(recover(odd), 5);
	ck_assert(look(1).held && look(7).held);
	ck_assert_int_eq(look(2).state, JOB_READY);
	ck_assert_uint_eq(look(2).crashes, 0);
	job = look(4);
	ck_assert_int_eq(job.state, JOB_READY);
	ck_assert_uint_eq(job.attempt, 1);
	ck_assert_uint_eq(job.crashes, 1);
	ASSERT_IN("cut short", job.error);
	ck_assert_int_eq(store_sqlite.story(store, 4, &story, &err), 0);
	ck_assert_uint_eq(story.nattempts, 1);
	ck_assert_int_eq(story.attempts[0].end, STORY_CRASHED);
	ck_assert_int_eq(story.attempts[0].started_ms, 1000);
	ASSERT_IN("cut short", story.attempts[0].error);
	store_story_free(&story);
	job = look(6);
	ck_assert_int_eq(job.state, JOB_FAILED);
	ck_assert(job.finished_ms > 0);
	ck_assert_int_eq(look(8).state, JOB_DELAYED);
	ck_assert_uint_eq(tally("mail").waiting, 2);
	ck_assert_uint_eq(tally("mail").delayed, 1);
	ck_assert_uint_eq(tally("disk").waiting, 1);
	assert_clean();
	ck_assert_uint_eq(recover(odd), 0);
	ck_assert_uint_eq(fetch("mail", 9, 9, NULL).n, 2);
}
END_TEST

START_TEST(whoever_is_held_for_long_is_found)
{
	struct store_job job = a_job(2 * SQLITE_WINDOW, "mail", true);
	struct store_job held[] = {a_job(1, "mail", true), a_job(500, "mail", true), a_job(4000, "mail", true)};

	/* The window leaves them behind; one ends there, one is fetched from there. */
	for (size_t i = 0; i < COUNT(held); i++)
		submit_to(store, &held[i], NULL);
	submit(600, "disk", false);
	submit_to(store, &job, NULL);
	ck_assert_uint_gt(store->floor, 4000);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .states = 1u << JOB_READY}).n, 5);
	assert_clean();
	fetch("disk", 1, 1, NULL);
	held[1].state = JOB_DONE;
	ck_assert(!save(&held[1]).lost);
	held[2].state = JOB_CLAIMED;
	ck_assert(!save(&held[2]).lost);
	assert_clean();
	crash();
	assert_clean();
	ck_assert_uint_eq(recover(nothing), 4);
	ck_assert_int_eq(look(500).state, JOB_DONE);
	ck_assert_uint_eq(tally("mail").waiting, 3);
	ck_assert_uint_eq(tally("disk").waiting, 1);
	assert_clean();
}
END_TEST

START_TEST(what_was_undone_is_still_held)
{
	static const uint64_t far = 10 * SQLITE_WINDOW;
	struct store_submit submits[] = {{.job = a_job(far, "mail", true)}, {.job = a_job(far + 1, "mail", true)}};
	struct store_batch batch = {.submits = submits, .nsubmits = 2};

	/* The window moves in a transaction that fails. */
	submit(1, "mail", true);
	submits[1].job.payload = (struct payload_source){.fd = -1, .size = 5000};
	ASSERT_ERR(store_sqlite.write(store, &batch, &err), YM_ERR_SYSTEM);
	ck_assert_uint_eq(store->floor, 1);
	submits[1].job.payload.size = 0;
	ASSERT_OK(store_sqlite.write(store, &batch, &err));
	assert_clean();
	crash();
	ck_assert_uint_eq(recover(nothing), 3);
	assert_clean();
}
END_TEST

START_TEST(what_is_over_is_not_remembered)
{
	const uint64_t released = 2;
	struct store_batch batch = {.releases = &released, .nreleases = 1};
	struct store_job job = a_job(1, "mail", true);

	submit(1, "mail", true);
	submit(2, "mail", true);
	job.state = JOB_DONE;
	save(&job);
	ASSERT_OK(store_sqlite.write(store, &batch, &err));
	for (size_t i = 0; i < SQLITE_WINDOW / 64; i++)
		ck_assert_uint_eq(store->window[i], 0);
}
END_TEST

/* One is given back, one is buried and kicked, and both are fetched in the same transaction. */
START_TEST(what_is_fetched_again_at_once_is_remembered)
{
	const uint64_t released = 1;
	struct store_save buried = {.job = a_job(2, "mail", true)};
	struct store_request kick = {.ask = STORE_KICK, .id = 2};
	struct store_want want = {.pool = "mail", .n = 2};
	struct taken taken = {.room = 2};
	struct store_batch batch = {true, &released, 1, &buried, 1, NULL, 0, &kick, 1, &want, 1, take, &taken};

	submit(1, "mail", true);
	submit(2, "mail", true);
	buried.job.state = JOB_BURIED;
	ASSERT_OK(store_sqlite.write(store, &batch, &err));
	ck_assert_uint_eq(taken.n, 2);
	/* The window leaves them behind. */
	submit(2 * SQLITE_WINDOW, "mail", true);
	assert_clean();
	crash();
	ck_assert_uint_eq(recover(nothing), 3);
	ck_assert_uint_eq(tally("mail").waiting, 3);
	assert_clean();
}
END_TEST

START_TEST(recovery_of_many)
{
	for (uint64_t id = 1; id <= 2500; id++)
		submit(id, "mail", true);
	crash();
	ck_assert_uint_eq(recover(odd), 1250);
	ck_assert_uint_eq(tally("mail").waiting, 1250);
	assert_clean();
}
END_TEST

START_TEST(close_lets_go_and_abandon_does_not)
{
	struct store_job job = a_job(2, "mail", true);

	submit(1, "mail", true);
	submit(2, "mail", true);
	job.state = JOB_CLAIMED;
	save(&job);
	crash();
	ck_assert(look(1).held);
	open_again();
	ck_assert(!look(1).held);
	ck_assert_uint_eq(tally("mail").waiting, 1);
	/* It may still run: whoever comes next counts the attempt. */
	ck_assert(look(2).held);
	ck_assert_uint_eq(recover(nothing), 1);
	ck_assert_uint_eq(look(2).crashes, 1);
}
END_TEST

/* ---- damage ---------------------------------------------------------------------------------- */

static void count_line(void *arg, const char *line)
{
	(void)line;
	++*(int *)arg;
}

/* After a rollback pools and counts are read again when that can be. */
START_TEST(close_counts_what_it_lets_go)
{
	submit(1, "mail", true);
	store->stale = true;
	store->npools = 0;
	open_again();
	ck_assert_uint_eq(tally("mail").waiting, 1);
	assert_clean();
}
END_TEST

START_TEST(verify_finds_what_is_wrong)
{
	static const char *const damage[] = {
	    "UPDATE job SET state = 5 WHERE id = 1",
	    "UPDATE job SET held = 1 WHERE id = 1",
	    "UPDATE job SET pool = 9 WHERE id = 1",
	    "UPDATE job SET list = NULL WHERE id = 1",
	    "UPDATE job SET place = 99 WHERE id = 1",
	    "UPDATE job SET parts = parts | 1 WHERE id = 1",
	    "UPDATE job SET parts = parts | 2 WHERE id = 1",
	    "UPDATE job SET payload_size = 3 WHERE id = 1",
	    "UPDATE job SET parts = parts | 8 WHERE id = 1",
	    "DELETE FROM live_key",
	    "INSERT INTO live_key VALUES (1, 'x', 77)",
	    "INSERT INTO chunk VALUES (1, 0, 0, x'00')",
	    "DELETE FROM chunk",
	    "INSERT INTO attempt (job, round, number, end) VALUES (1, 0, 1, 1)",
	    "UPDATE meta SET value = 1 WHERE name = 'next_id'",
	    "UPDATE tally SET jobs = jobs + 1",
	    "INSERT INTO tally VALUES (1, 6, 4)",
	    "DELETE FROM job WHERE id = 1",
	};
	struct store_job job = a_job(2, "mail", false);
	static char bytes[5000];
	int lines;

	submit(1, "mail", false);
	strcpy(job.unique, "key");
	job.payload = (struct payload_source){.data = bytes, .size = sizeof(bytes)};
	submit_to(store, &job, NULL);
	assert_clean();
	for (size_t i = 0; i < COUNT(damage); i++) {
		ASSERT_OK(sqlite_exec(store, damage[i], &err));
		lines = 0;
		ck_assert_msg(store_sqlite.verify(store, count_line, &lines, &err) == 1 && lines > 0, "not found: %s",
		              damage[i]);
		store_sqlite.close(store);
		ck_assert_int_eq(unlink(db_path), 0);
		open_it();
		submit(1, "mail", false);
		submit_to(store, &job, NULL);
		assert_clean();
	}
}
END_TEST

START_TEST(a_damaged_file_is_told)
{
	char zeroes[8192] = {0};
	int fd, lines = 0;

	for (uint64_t id = 1; id <= 500; id++)
		submit(id, "mail", false);
	store_sqlite.close(store);
	store = NULL;
	fd = open(db_path, O_WRONLY | O_CLOEXEC);
	memset(zeroes, 0x5a, sizeof(zeroes));
	ck_assert_int_eq(pwrite(fd, zeroes, sizeof(zeroes), 10 * 4096), sizeof(zeroes));
	close(fd);
	refuse(YM_ERR_CORRUPT, "store verify");
	options.reader = true;
	open_it();
	ck_assert_int_eq(store_sqlite.verify(store, count_line, &lines, &err), 1);
	ck_assert_int_gt(lines, 0);
}
END_TEST

START_TEST(compact_gives_space_back)
{
	uint64_t before, after;

	for (uint64_t id = 1; id <= 2000; id++)
		submit(id, "mail", false);
	for (uint64_t id = 1; id <= 2000; id++)
		ck_assert_int_eq(request(STORE_DELETE, id, NULL), STORE_OK);
	ASSERT_OK(store_sqlite.compact(store, &before, &after, &err));
	ck_assert_uint_gt(before, 4 * after);
	submit(2001, "mail", false);
	assert_clean();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_sqlite_open");
	TCase *tests = tcase_create("store_sqlite_open");

	tcase_add_checked_fixture(tests, begin_store, end_store);
	tcase_set_timeout(tests, 60);
	suite_add_tcase(suite, tests);
	tcase_add_test(tests, only_its_user_can_read_it);
	tcase_add_test(tests, no_descriptor_goes_to_a_child);
	tcase_add_test(tests, one_master_at_a_time);
	tcase_add_test(tests, a_file_of_others_is_refused);
	tcase_add_test(tests, a_newer_schema_is_refused);
	tcase_add_test(tests, an_older_schema_is_brought_up_to_date);
	tcase_add_test(tests, init_says_what_it_did);
	tcase_add_test(tests, what_was_held_waits_again);
	tcase_add_test(tests, whoever_is_held_for_long_is_found);
	tcase_add_test(tests, what_was_undone_is_still_held);
	tcase_add_test(tests, what_is_over_is_not_remembered);
	tcase_add_test(tests, what_is_fetched_again_at_once_is_remembered);
	tcase_add_test(tests, recovery_of_many);
	tcase_add_test(tests, close_lets_go_and_abandon_does_not);
	tcase_add_test(tests, close_counts_what_it_lets_go);
	tcase_add_test(tests, verify_finds_what_is_wrong);
	tcase_add_test(tests, a_damaged_file_is_told);
	tcase_add_test(tests, compact_gives_space_back);
	return run_suite(suite);
}
