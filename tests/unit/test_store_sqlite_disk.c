/* test_store_sqlite_disk.c - the driver store_sqlite and the disk: syncs, the log, no space, sudden ends. */
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "sqlite_support.h"

/* ---- how often the disk is waited for -------------------------------------------------------- */

static int syncs;

/* SQLite's call ends here: it stands in the archive, or finds the program's own first. */
__attribute__((visibility("default"))) int fdatasync(int fd)
{
	syncs++;
	return (int)syscall(SYS_fdatasync, fd);
}

START_TEST(one_sync_a_durable_batch)
{
	struct store_submit submits[50];
	struct store_batch batch = {.submits = submits, .nsubmits = COUNT(submits)};

	/* The first one begins the log. */
	submit(1, "mail", false);
	for (int round = 0; round < 20; round++) {
		batch.durable = round % 2;
		for (size_t i = 0; i < COUNT(submits); i++)
			submits[i] =
			    (struct store_submit){.job = a_job(100 * ((uint64_t)round + 1) + i, "mail", i % 2)};
		syncs = 0;
		ASSERT_OK(store_sqlite.write(store, &batch, &err));
		ck_assert_int_eq(syncs, batch.durable);
	}
}
END_TEST

/* ---- the log --------------------------------------------------------------------------------- */

static int slow(void *arg, const struct store_job *job)
{
	/* Whoever reads a list slowly: the store can be written and the log written back meanwhile. */
	uint64_t *next = arg;

	(void)job;
	for (int i = 0; i < 20; i++)
		submit((*next)++, "mail", false);
	return 0;
}

START_TEST(the_log_does_not_grow_with_readers)
{
	struct store *reader;
	struct store_options reading;
	struct store_filter filter = {.level = -1, .limit = 1000};
	uint64_t next = 1;
	int64_t now = ym_unix_ms();
	int pages = 0;

	reading = options;
	reading.reader = true;
	ASSERT_OK(store_sqlite.open(&reader, &reading, &err));
	for (int i = 0; i < 100; i++)
		submit(next++, "mail", false);
	for (int round = 0; round < 20; round++) {
		filter.limit = 50;
		ASSERT_OK(store_sqlite.list(reader, &filter, slow, &next, &err));
		if (round == 4)
			pages = store->wal_pages;
		/* A round is as any other: the log begins anew with each. */
		if (round > 4)
			ck_assert_int_le(store->wal_pages, pages + pages / 2);
		tick_at(now += 6000);
	}
	store_sqlite.close(reader);
	assert_clean();
}
END_TEST

START_TEST(the_log_is_as_long_as_it_will_be)
{
	char log[PATH_MAX + 8];
	struct stat before, after;

	/* Else each sync had to write its size, too. */
	snprintf(log, sizeof(log), "%s-wal", db_path);
	ck_assert_int_eq(stat(log, &before), 0);
	for (uint64_t id = 1; id < 300; id++)
		submit(id, "mail", false);
	ck_assert_int_eq(stat(log, &after), 0);
	ck_assert_int_eq(before.st_size, after.st_size);
	ck_assert_int_gt(before.st_size, (off_t)store->wal_pages * 4096);
	crash();
	assert_clean();
	ck_assert_uint_eq(tally("mail").waiting, 299);
}
END_TEST

static off_t log_size(void)
{
	char log[PATH_MAX + 8];
	struct stat st;

	snprintf(log, sizeof(log), "%s-wal", db_path);
	return stat(log, &st) == 0 ? st.st_size : 0;
}

/* _i: a command leaves what is held as it is; else it is closed in order, while somebody reads. */
START_TEST(the_log_is_cut_when_nobody_writes)
{
	struct store_options reading = options;
	struct store *reader;

	reading.reader = true;
	ASSERT_OK(store_sqlite.open(&reader, &reading, &err));
	submit(1, "mail", true);
	ck_assert_int_gt(log_size(), 0);
	if (_i) {
		store_sqlite.tidy(store);
		store_sqlite.abandon(store);
	} else {
		store_sqlite.close(store);
	}
	ck_assert_int_eq(log_size(), 0);
	store_sqlite.close(reader);
	open_it();
	ck_assert_int_eq(look(1).held, _i);
	assert_clean();
}
END_TEST

START_TEST(the_log_does_not_grow_without_time)
{
	static char bytes[60000];
	struct store_job job = a_job(1, "mail", false);
	int64_t now = ym_unix_ms();

	/* More than it may have, again and again; then without any tick. */
	job.payload = (struct payload_source){.data = bytes, .size = sizeof(bytes)};
	for (; job.id <= 1500; job.id++) {
		submit_to(store, &job, NULL);
		if (job.id < 900)
			tick_at(now);
		ck_assert_int_lt(store->wal_pages, (job.id < 900 ? 1 : 2) * SQLITE_WAL_PAGES + 50);
	}
}
END_TEST

START_TEST(a_file_that_went_away_is_told)
{
	int64_t next;

	submit(1, "mail", false);
	tick_at(ym_unix_ms());
	ck_assert_int_eq(unlink(db_path), 0);
	ASSERT_ERR(store_sqlite.tick(store, ym_unix_ms(), &next, &err), YM_ERR_GONE);
	ASSERT_IN("removed or replaced", err.text);
	write_file("jobs.db", "x", 1);
	ASSERT_ERR(store_sqlite.tick(store, ym_unix_ms(), &next, &err), YM_ERR_GONE);
}
END_TEST

START_TEST(a_large_log_is_cut_when_nothing_happens)
{
	static char bytes[60000];
	struct store_job job;
	char log[PATH_MAX + 8];
	int64_t now = ym_unix_ms();
	struct stat st;
	sqlite3 *db;

	snprintf(log, sizeof(log), "%s-wal", db_path);
	/* Somebody looks at it all the time. */
	ck_assert_int_eq(sqlite3_open_v2(db_path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	submit(1, "mail", false);
	ck_assert_int_eq(sqlite3_exec(db, "BEGIN; SELECT * FROM job", NULL, NULL, NULL), SQLITE_OK);
	for (uint64_t id = 2; id <= 1300; id++) {
		job = a_job(id, "mail", false);
		job.payload = (struct payload_source){.data = bytes, .size = sizeof(bytes)};
		submit_to(store, &job, NULL);
	}
	sqlite3_close(db);
	ck_assert_int_eq(stat(log, &st), 0);
	ck_assert_int_gt(st.st_size, 64 << 20);
	for (int i = 0; i < 5; i++)
		now = tick_at(now) + 1;
	ck_assert_int_eq(stat(log, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
	submit(2000, "mail", false);
	assert_clean();
}
END_TEST

/* ---- a disk that is full, or read-only ------------------------------------------------------- */

/* A file system of its own; false: we may not make one. */
static bool mount_small(char *at)
{
	join_path(at, "small");
	ck_assert_int_eq(mkdir(at, 0700), 0);
	if (unshare(CLONE_NEWNS) < 0)
		return false;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", at, "tmpfs", 0, "size=4m") == 0;
}

START_TEST(a_full_disk_loses_nothing)
{
	static char bytes[50000];
	char at[PATH_MAX], filler[PATH_MAX + 8];
	struct store_submit one;
	struct store_batch batch = {.durable = true, .submits = &one, .nsubmits = 1};
	struct store_save saved;
	uint64_t id = 1;
	int64_t next;
	int fd;

	if (!mount_small(at)) {
		fprintf(stderr, "no file system of its own (%s): a full disk is not tested\n", strerror(errno));
		return;
	}
	store_sqlite.close(store);
	use_store("small/jobs.db");
	open_it();
	submit(id++, "mail", true);
	snprintf(filler, sizeof(filler), "%s/filler", at);
	fd = open(filler, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_eq(posix_fallocate(fd, 0, 1 << 20), 0);
	close(fd);
	for (;; id++) {
		one = (struct store_submit){.job = a_job(id, "mail", false)};
		one.job.payload = (struct payload_source){.data = bytes, .size = sizeof(bytes)};
		ck_assert_uint_lt(id, 200);
		err = (struct ym_err){0};
		if (store_sqlite.write(store, &batch, &err) < 0)
			break;
	}
	ck_assert_uint_gt(id, 10);
	ck_assert_msg(err.class == YM_ERR_FULL, "%s: %s", ym_err_word(err.class), err.text);
	ASSERT_IN(db_path, err.text);
	ASSERT_IN("free", err.text);
	/* It says so as long as it is so, and what is there can be read. */
	ASSERT_ERR(store_sqlite.write(store, &batch, &err), YM_ERR_FULL);
	ck_assert_uint_eq(tally("mail").waiting, id - 2);
	ck_assert_uint_eq(list((struct store_filter){.level = -1}).n, id - 1);
	store_sqlite.tick(store, ym_unix_ms() + 100000, &next, &err);
	ck_assert_int_eq(unlink(filler), 0);
	ASSERT_OK(store_sqlite.write(store, &batch, &err));
	saved = (struct store_save){.job = a_job(1, "mail", true)};
	saved.job.state = JOB_DONE;
	ck_assert(!save_with(saved).lost);
	ck_assert_uint_eq(tally("mail").waiting, id - 1);
	assert_clean();
	crash();
	assert_clean();
	ck_assert_uint_eq(list((struct store_filter){.level = -1}).n, id);
	store_sqlite.close(store);
	store = NULL;
	/* And where nothing may be written. */
	ck_assert_int_eq(mount("none", at, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	ASSERT_ERR(store_sqlite.open(&store, &options, &err), YM_ERR_PERMISSION);
	ASSERT_IN("read-only", err.text);
	ck_assert_int_eq(umount(at), 0);
}
END_TEST

/* ---- sudden ends ----------------------------------------------------------------------------- */

static struct store *child_store;

/* Submit, run and record for ever; ids that were acknowledged go down the pipe, negative when they are over. */
static void work(int pipe_end)
{
	struct store_submit submits[8];
	struct store_save saves[8];
	struct taken taken;
	int64_t now = ym_unix_ms(), told[24], next;
	uint64_t id = 1;

	for (int round = 0;; round++) {
		struct store_want want = {.pool = "mail", .n = 2};
		struct store_batch batch = {.durable = round % 3, .submits = submits, .nsubmits = 8, .saves = saves};
		size_t ntold = 0;

		for (size_t i = 0; i < 8; i++, id++) {
			/* Those of the round before that were held. */
			if (id > 8 && i % 2) {
				saves[batch.nsaves] = (struct store_save){.job = a_job(id - 8, "mail", true)};
				saves[batch.nsaves].job.state = round % 5 ? JOB_DONE : JOB_FAILED;
				saves[batch.nsaves++].job.finished_ms = now;
			}
			submits[i] = (struct store_submit){.job = a_job(id, "mail", i % 2)};
		}
		taken = (struct taken){.room = 2};
		batch.wants = &want, batch.nwants = 1, batch.take = take, batch.arg = &taken;
		if (store_sqlite.write(child_store, &batch, NULL) < 0)
			_exit(1);
		for (size_t i = 0; i < 8; i++)
			told[ntold++] = (int64_t)submits[i].job.id;
		for (size_t i = 0; i < batch.nsaves; i++)
			told[ntold++] = -(int64_t)saves[i].job.id;
		if (write(pipe_end, told, ntold * sizeof(told[0])) != (ssize_t)(ntold * sizeof(told[0])))
			_exit(2);
		/* A checkpoint each time. */
		if (round % 7 == 0 && store_sqlite.tick(child_store, now += 6000, &next, NULL) < 0)
			_exit(3);
	}
}

static void copy_file(const char *from, const char *to)
{
	char bytes[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;

	ck_assert(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		ck_assert_int_eq(write(out, bytes, (size_t)n), n);
	close(in);
	close(out);
}

/* What was acknowledged, as far as it is known. */
static bool told_there[1 << 20], told_over[1 << 20];
static uint64_t highest;

static void hear(int pipe_end)
{
	int64_t told[512];
	ssize_t n;

	while ((n = read(pipe_end, told, sizeof(told))) > 0)
		for (size_t i = 0; i < (size_t)n / sizeof(told[0]); i++) {
			uint64_t id = (uint64_t)(told[i] < 0 ? -told[i] : told[i]);

			ck_assert_uint_lt(id, COUNT(told_there));
			told_there[id] = true;
			told_over[id] |= told[i] < 0;
			highest = id > highest ? id : highest;
		}
}

static int check_one(void *arg, const struct store_job *job)
{
	uint64_t *n = arg;

	if (job->id <= highest && told_there[job->id])
		++*n;
	if (told_over[job->id])
		ck_assert_msg(!job->held && (job->state == JOB_DONE || job->state == JOB_FAILED), "%llu: %d",
		              (unsigned long long)job->id, job->state);
	return 0;
}

static bool nobody(void *arg, uint64_t id)
{
	(void)arg, (void)id;
	return false;
}

/* Every acknowledged job is there, as what it was last acknowledged to be. */
static void check_copy(void)
{
	uint64_t expected = 0, found = 0, n;

	open_it();
	assert_clean();
	for (uint64_t id = 1; id <= highest; id++)
		expected += told_there[id];
	ASSERT_OK(store_sqlite.list(store, &(struct store_filter){.level = -1}, check_one, &found, &err));
	ck_assert_uint_eq(found, expected);
	ASSERT_OK(store_sqlite.recover(store, nobody, NULL, &n, &err));
	assert_clean();
	ck_assert_int_eq(ask_number("SELECT count(*) FROM job WHERE held"), 0);
	store_sqlite.close(store);
	store = NULL;
}

START_TEST(nothing_acknowledged_is_lost)
{
	char from[PATH_MAX], to[PATH_MAX], wal_from[PATH_MAX + 8], wal_to[PATH_MAX + 8];
	int ends[2], status;
	pid_t child;

	store_sqlite.close(store);
	store = NULL;
	join_path(from, "jobs.db");
	join_path(to, "copy.db");
	snprintf(wal_from, sizeof(wal_from), "%s-wal", from);
	snprintf(wal_to, sizeof(wal_to), "%s-wal", to);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (store_sqlite.open(&child_store, &options, NULL) < 0)
			_exit(4);
		work(ends[1]);
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	use_store("copy.db");
	srand((unsigned)getpid());
	for (int round = 0; round < 25; round++) {
		/* It has done something since, and is then stopped anywhere. */
		uint64_t before = highest;

		WAIT_UNTIL((hear(ends[0]), highest > before + 100));
		usleep((useconds_t)(rand() % 3000));
		kill(child, SIGSTOP);
		ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
		ck_assert_msg(WIFSTOPPED(status), "the child ended: %x", status);
		hear(ends[0]);
		copy_file(from, to);
		copy_file(wal_from, wal_to);
		kill(child, SIGCONT);
		check_copy();
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	hear(ends[0]);
	use_store("jobs.db");
	check_copy();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_sqlite_disk");
	TCase *tests = tcase_create("store_sqlite_disk");

	tcase_add_checked_fixture(tests, begin_store, end_store);
	tcase_set_timeout(tests, 120);
	suite_add_tcase(suite, tests);
	tcase_add_test(tests, one_sync_a_durable_batch);
	tcase_add_test(tests, the_log_does_not_grow_with_readers);
	tcase_add_test(tests, the_log_is_as_long_as_it_will_be);
	tcase_add_loop_test(tests, the_log_is_cut_when_nobody_writes, 0, 2);
	tcase_add_test(tests, the_log_does_not_grow_without_time);
	tcase_add_test(tests, a_file_that_went_away_is_told);
	tcase_add_test(tests, a_large_log_is_cut_when_nothing_happens);
	tcase_add_test(tests, a_full_disk_loses_nothing);
	tcase_add_test(tests, nothing_acknowledged_is_lost);
	return run_suite(suite);
}
