/* test_store_sqlite_upkeep.c - the driver store_sqlite: ticks, long bytes, lists. */
#include "sqlite_support.h"

/* ---- ticks ----------------------------------------------------------------------------------- */

static int woken;

static void wake(void *arg)
{
	(void)arg;
	woken++;
}

START_TEST(delayed_jobs_wait_when_it_is_time)
{
	struct store_job job = a_job(1, "mail", false);
	int64_t now = ym_unix_ms();

	store_sqlite.close(store);
	options.wake = wake;
	open_it();
	job.state = JOB_DELAYED;
	job.rank = 5;
	job.due_ms = now + 1000;
	submit_to(store, &job, NULL);
	job.id = 2;
	job.due_ms = now + 3000;
	submit_to(store, &job, NULL);
	/* A held one is the table's. */
	job.id = 3;
	job.held = true;
	job.due_ms = now;
	submit_to(store, &job, NULL);
	ck_assert_int_le(tick_at(now), now + 1000);
	ck_assert_uint_eq(tally("mail").delayed, 2);
	ck_assert_int_eq(woken, 0);
	ck_assert_int_le(tick_at(now + 1000), now + 3000);
	ck_assert_uint_eq(tally("mail").delayed, 1);
	ck_assert_uint_eq(tally("mail").waiting, 1);
	ck_assert_int_eq(woken, 1);
	ck_assert_int_eq(look(1).rank, 5);
	ck_assert_int_eq(look(3).state, JOB_DELAYED);
	assert_clean();
	ck_assert_uint_eq(fetch("mail", 5, 5, NULL).n, 1);
}
END_TEST

START_TEST(many_become_due_in_steps)
{
	struct store_submit submits[2500];
	struct store_batch batch = {.submits = submits, .nsubmits = COUNT(submits)};
	int64_t now = ym_unix_ms();

	for (size_t i = 0; i < COUNT(submits); i++) {
		submits[i] = (struct store_submit){.job = a_job(i + 1, "mail", false)};
		submits[i].job.state = JOB_DELAYED;
		submits[i].job.due_ms = now - 10;
	}
	ASSERT_OK(store_sqlite.write(store, &batch, &err));
	ck_assert_int_le(tick_at(now), now);
	ck_assert_uint_eq(tally("mail").waiting, 1000);
	tick_at(now);
	tick_at(now);
	ck_assert_uint_eq(tally("mail").waiting, 2500);
	assert_clean();
}
END_TEST

START_TEST(history_goes_in_steps)
{
	struct store_attempt attempt = {.number = 1, .end = STORY_FAILED};
	static char bytes[3000];
	int64_t now = ym_unix_ms(), then = now - 8 * DAY_MS;
	struct store_job job;
	int steps_taken = 0;
	int64_t at = now;

	for (uint64_t id = 1; id <= 1200; id++)
		submit(id, "mail", id % 4 != 0);
	for (uint64_t id = 1; id <= 1200; id++) {
		if (id % 4 == 0)
			continue;
		job = a_job(id, "mail", true);
		job.state = id % 4 == 1 ? JOB_FAILED : id % 4 == 2 ? JOB_DONE : JOB_BURIED;
		job.finished_ms = id % 8 < 4 ? then : now;
		job.result = (struct payload_source){.data = bytes, .size = id % 3 ? 0 : sizeof(bytes)};
		save_with((struct store_save){.job = job, .attempts = &attempt, .nattempts = id % 5 == 0});
	}
	for (; ask_number("SELECT count(*) FROM job") > 900; steps_taken++) {
		int64_t next = tick_at(at);

		ck_assert_int_lt(steps_taken, 1000);
		at = next > at ? next : at + 1;
	}
	/* Half of the failed and of the done; what is buried stays. */
	ck_assert_int_eq(ask_number("SELECT count(*) FROM job"), 900);
	ck_assert_int_eq(ask_number("SELECT count(*) FROM job WHERE state IN (8, 9) AND finished < 5"), 0);
	ck_assert_uint_eq(tally("mail").buried, 300);
	assert_clean();
	/* The walk begins anew: the others go when it is their time. */
	for (at += 8 * DAY_MS; ask_number("SELECT count(*) FROM job") > 600; steps_taken++) {
		int64_t next = tick_at(at);

		ck_assert_int_lt(steps_taken, 1000);
		at = next > at ? next : at + 1;
	}
	assert_clean();
}
END_TEST

/* ---- long bytes ------------------------------------------------------------------------------ */

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 31 + i / 977);
}

static int file_of(size_t size)
{
	int fd = memfd_create("payload", MFD_CLOEXEC);
	uint8_t *bytes = malloc(size);

	for (size_t i = 0; i < size; i++)
		bytes[i] = byte_at(i);
	ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
	free(bytes);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void assert_bytes(const struct payload_source *source, size_t from, size_t size)
{
	uint8_t *bytes = malloc(size + 1);

	ck_assert_uint_eq(source->size, size);
	if (source->data)
		memcpy(bytes, source->data, size);
	else
		ck_assert_int_eq(read(source->fd, bytes, size + 1), (ssize_t)size);
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != byte_at(from + i))
			ck_abort_msg("byte %zu is wrong", i);
	free(bytes);
}

static size_t seen_size;

static int take_bytes(void *arg, const struct store_want *want, const struct store_job *job)
{
	(void)arg, (void)want;
	ck_assert_int_eq(!job->payload.data, job->payload.size > STORE_INLINE_MAX);
	assert_bytes(&job->payload, 0, seen_size);
	return 0;
}

START_TEST(long_bytes_come_back)
{
	static const size_t sizes[] = {
	    SQLITE_ROW_BYTES,   SQLITE_ROW_BYTES + 1,   STORE_INLINE_MAX, STORE_INLINE_MAX + 1,
	    SQLITE_CHUNK_BYTES, SQLITE_CHUNK_BYTES + 1, 3000000};
	struct store_want want = {.pool = "mail", .n = 1};
	struct store_batch fetch_it = {.wants = &want, .nwants = 1, .take = take_bytes};
	struct store_job job, found;
	char path[PATH_MAX];

	/* With and without a place for temporary files. */
	join_path(path, PAYLOAD_DIRECTORY);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		int fd = file_of(sizes[i]), result = file_of(sizes[i]);

		if (i == 4)
			mkdir(path, 0700);
		seen_size = sizes[i];
		job = a_job(i + 1, "mail", false);
		job.payload = (struct payload_source){.fd = fd, .size = i % 2 ? PAYLOAD_TO_END : sizes[i]};
		ck_assert_int_eq(submit_to(store, &job, NULL), STORE_OK);
		/* All can be written once more. */
		ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 0);
		ASSERT_OK(store_sqlite.write(store, &fetch_it, &err));
		ck_assert_uint_eq(want.taken, 1);
		lseek(result, 5, SEEK_SET);
		job.state = JOB_FAILED;
		job.result = (struct payload_source){.fd = result, .size = sizes[i] - 5};
		ck_assert(!save(&job).lost);
		ck_assert_int_eq(request(STORE_LOOK, job.id, &found), STORE_OK);
		assert_bytes(&found.payload, 0, sizes[i]);
		assert_bytes(&found.result, 5, sizes[i] - 5);
		store_job_free(&found);
		assert_clean();
		ck_assert_int_eq(request(i % 2 ? STORE_KICK : STORE_DELETE, job.id, NULL), STORE_OK);
		assert_clean();
		if (i % 2) {
			ck_assert_int_eq(request(STORE_LOOK, job.id, &found), STORE_OK);
			ck_assert_uint_eq(found.result.size, 0);
			assert_bytes(&found.payload, 0, sizes[i]);
			store_job_free(&found);
			fetch("mail", 1, 1, NULL);
			job.state = JOB_DONE;
			job.result.size = 0;
			save(&job);
			ck_assert_uint_eq(look(job.id).payload.size, 0);
		}
		ck_assert_int_eq(ask_number("SELECT count(*) FROM chunk"), 0);
		assert_clean();
		close(fd);
		close(result);
	}
}
END_TEST

START_TEST(bytes_that_do_not_fit_are_told)
{
	static const char *const damage[] = {
	    "UPDATE chunk SET data = zeroblob(70000)",
	    "UPDATE chunk SET data = zeroblob(10)",
	    "DELETE FROM chunk",
	};
	struct store_request asked = {.ask = STORE_LOOK, .id = 1};
	struct store_batch batch = {.requests = &asked, .nrequests = 1};
	struct store_job job = a_job(1, "mail", false);

	job.payload = (struct payload_source){.fd = file_of(2000), .size = 2000};
	submit_to(store, &job, NULL);
	for (size_t i = 0; i < COUNT(damage); i++) {
		run_sql(damage[i]);
		ASSERT_ERR(store_sqlite.write(store, &batch, &err), YM_ERR_CORRUPT);
		ASSERT_IN("2000 bytes", err.text);
	}
	close(job.payload.fd);
}
END_TEST

START_TEST(a_file_that_is_too_short_is_told)
{
	struct store_submit submits[] = {{.job = a_job(1, "mail", false)}, {.job = a_job(2, "mail", false)}};
	struct store_batch batch = {.submits = submits, .nsubmits = 2};

	submits[1].job.payload = (struct payload_source){.fd = file_of(5000), .size = 6000};
	ASSERT_ERR(store_sqlite.write(store, &batch, &err), YM_ERR_CORRUPT);
	ASSERT_IN("end after 5000", err.text);
	/* Nothing of it is there. */
	ck_assert_uint_eq(tally("mail").waiting, 0);
	ck_assert_int_eq(ask_number("SELECT count(*) FROM job"), 0);
	submits[1].job.payload.size = 5000;
	ASSERT_OK(store_sqlite.write(store, &batch, &err));
	ck_assert_uint_eq(tally("mail").waiting, 2);
	assert_clean();
}
END_TEST

/* ---- lists ----------------------------------------------------------------------------------- */

START_TEST(lists_say_what_was_asked_for)
{
	const int64_t now = ym_unix_ms();
	struct listed got;

	for (uint64_t id = 1; id <= 3000; id++) {
		struct store_job job = a_job(id * 10, id % 2 ? "mail" : "disk", id % 5 == 0);

		job.state = id % 3 == 0 && !job.held ? JOB_FAILED : JOB_READY;
		job.level = (uint8_t)(id % 4);
		job.submitted_ms = now + (int64_t)id;
		strcpy(job.tag, id % 100 == 0 ? "hundred" : "");
		strcpy(job.unique, id == 77 ? "lucky" : "");
		strcpy(job.error, job.state == JOB_FAILED ? "Timed OUT at 100%" : "");
		submit_to(store, &job, NULL);
	}
	ck_assert_uint_eq(list((struct store_filter){.level = -1}).n, 3000);
	got = list((struct store_filter){.level = -1, .newest = true, .limit = 1500, .bytes = true});
	ck_assert_uint_eq(got.n, 1500);
	ck_assert_uint_eq(got.ids[0], 30000);
	got = list((struct store_filter){.level = -1, .after = 100, .limit = 2});
	ck_assert_uint_eq(got.n, 2);
	ck_assert_uint_eq(got.ids[0], 110);
	got = list((struct store_filter){.level = -1, .after = 100, .newest = true});
	ck_assert_uint_eq(got.n, 9);
	ck_assert_uint_eq(got.ids[0], 90);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .pool = "mail"}).n, 1500);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .pool = "none"}).n, 0);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .tag = "hundred"}).n, 30);
	got = list((struct store_filter){.level = -1, .unique = "lucky"});
	ck_assert_uint_eq(got.n, 1);
	ck_assert_uint_eq(got.ids[0], 770);
	ck_assert_uint_eq(list((struct store_filter){.level = 2}).n, 750);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .states = 1u << JOB_FAILED}).n, 800);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .states = 1u << JOB_READY}).n, 2200);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .states = 1u << JOB_FAILED | 1u << JOB_READY}).n,
	                  3000);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .error = "timed out"}).n, 800);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .error = "100%"}).n, 800);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .error = "1_0"}).n, 0);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .since_ms = now + 2991}).n, 10);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .until_ms = now + 10}).n, 10);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .id = 440}).n, 1);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .id = 441}).n, 0);
	got = (struct listed){.stop = 7};
	ASSERT_OK(store_sqlite.list(store, &(struct store_filter){.level = -1}, list_one, &got, &err));
	ck_assert_uint_eq(got.n, 7);
}
END_TEST

START_TEST(a_list_finds_ids_that_lie_far_apart)
{
	struct store_job job;

	for (uint64_t id = 1; id < UINT64_C(1) << 60; id *= 8) {
		job = a_job(id, "mail", false);
		submit_to(store, &job, NULL);
	}
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .pool = "mail"}).n, 20);
	ck_assert_uint_eq(list((struct store_filter){.level = -1, .newest = true}).n, 20);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_sqlite_upkeep");
	TCase *tests = tcase_create("store_sqlite_upkeep");

	tcase_add_checked_fixture(tests, begin_store, end_store);
	tcase_set_timeout(tests, 120);
	suite_add_tcase(suite, tests);
	tcase_add_test(tests, delayed_jobs_wait_when_it_is_time);
	tcase_add_test(tests, many_become_due_in_steps);
	tcase_add_test(tests, history_goes_in_steps);
	tcase_add_test(tests, long_bytes_come_back);
	tcase_add_test(tests, bytes_that_do_not_fit_are_told);
	tcase_add_test(tests, a_file_that_is_too_short_is_told);
	tcase_add_test(tests, lists_say_what_was_asked_for);
	tcase_add_test(tests, a_list_finds_ids_that_lie_far_apart);
	return run_suite(suite);
}
