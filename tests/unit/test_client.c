/* test_client.c - the client of C programs: open, submit, change. */
#include <fcntl.h>

#include "client_support.h"

/* ---- open ------------------------------------------------------------------------------------ */

START_TEST(opening_can_fail)
{
	struct ym_client *other = client;
	char path[PATH_MAX];

	join_path(path, "nothing");
	ASSERT_ERR(ym_client_open(&other, "unit", path, &err), YM_ERR_NOT_RUNNING);
	ck_assert_ptr_null(other);
	ASSERT_ERR(ym_client_open(&other, "unit", "somewhere", &err), YM_ERR_USAGE);
	ASSERT_IN("absolute", err.text);
	ASSERT_ERR(ym_client_open(&other, "a/b", NULL, &err), YM_ERR_USAGE);
	ck_assert_ptr_null(other);
	ck_assert_int_eq(ym_client_open(&other, "unit", path, NULL), -1);
	ASSERT_OK(ym_client_close(NULL, &err));
	ck_assert_int_eq(ym_group_usage(&yard.group), 2);
}
END_TEST

START_TEST(a_full_group_refuses)
{
	struct ym_client *others[200];
	size_t n = 0;

	while (n < COUNT(others) && ym_client_open(&others[n], "unit", directory, &err) == 0)
		n++;
	ck_assert_uint_eq(n, 198);
	ck_assert_int_eq(err.class, YM_ERR_FULL);
	while (n > 0)
		ASSERT_OK(ym_client_close(others[--n], &err));
}
END_TEST

START_TEST(the_default_is_main)
{
	struct ym_client *other;
	struct ym_err named;

	setenv("XDG_RUNTIME_DIR", directory, 1);
	ck_assert_int_eq(ym_client_open(&other, "main", NULL, &named), -1);
	ck_assert_int_eq(ym_client_open(&other, NULL, NULL, &err), -1);
	ck_assert_str_eq(err.text, named.text);
	ASSERT_IN("/main", err.text);
}
END_TEST

START_TEST(it_knows_whether_there_is_a_master)
{
	pid_t pid = -5;

	ASSERT_NOT(ym_client_master(client, &pid, &err));
	ck_assert_int_eq(pid, -5);
	ASSERT_OK(ym_group_lead(&yard.group, &pid, &err));
	ASSERT_OK(ym_client_master(client, &pid, &err));
	ck_assert_int_eq(pid, getpid());
	ASSERT_OK(ym_client_master(client, NULL, &err));
}
END_TEST

static void finish_starting(void *arg)
{
	(void)arg;
	await_step();
	atomic_store(&yard.board->instance.master_state, BOARD_MASTER_RUNNING);
}

static void *open_another(void *arg)
{
	struct ym_client *other = NULL;

	ck_assert_int_eq(ym_client_open(&other, "unit", directory, NULL), 0);
	*(uint32_t *)arg = atomic_load(&yard.board->instance.master_state);
	ck_assert_int_eq(ym_client_close(other, NULL), 0);
	return NULL;
}

START_TEST(a_starting_master_is_waited_for)
{
	uint32_t seen = BOARD_MASTER_NONE;
	pthread_t thread;
	pid_t pid, child;

	ASSERT_OK(ym_group_lead(&yard.group, &pid, &err));
	child = spawn(finish_starting, NULL);
	ck_assert_int_eq(pthread_create(&thread, NULL, open_another, &seen), 0);
	WAIT_UNTIL(ym_group_usage(&yard.group) == 3);
	tell_step();
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_eq(seen, BOARD_MASTER_RUNNING);
	reap_well(child);
}
END_TEST

/* ---- submit ---------------------------------------------------------------------------------- */

START_TEST(a_job_gets_what_was_asked_for)
{
	struct ym_submit job = job_like("payload");
	struct ym_job_info info;
	struct ym_job_ref ref;

	job.tag = "mine";
	job.unique = "key";
	job.priority = 2;
	job.delay_ms = 3600000;
	job.at_ms = INT64_C(4000000000000);
	job.timeout_ms = 1500;
	ref = put(job);
	ASSERT_OK(ym_client_look(client, &ref, &info, &err));
	ck_assert_int_eq(info.progress.state, YM_JOB_DELAYED);
	ck_assert_uint_eq(info.progress.attempt, 0);
	ck_assert_str_eq(info.pool, "work");
	ck_assert_str_eq(info.tag, "mine");
	ck_assert_str_eq(info.unique, "key");
	ck_assert_str_eq(info.error, "");
	ck_assert_uint_eq(info.priority, 2);
	ck_assert_uint_eq(info.attempts, 3);
	ck_assert_int_eq(info.at_ms, INT64_C(4000000000000));
	ck_assert_int_eq(info.timeout_ms, 1500);
	ck_assert_uint_eq(info.payload_size, 7);
	ck_assert_uint_gt(info.submitted, 0);
	ck_assert_uint_eq(info.started + info.finished, 0);
	ck_assert_uint_eq(word_flags(word_of(client_ref(&ref))), JOB_KEEP);
	ck_assert_uint_ge(job_of(client_ref(&ref))->due, info.submitted + UINT64_C(3600000000000));
}
END_TEST

START_TEST(a_job_that_asks_for_nothing_is_as_the_pool_says)
{
	struct ym_submit job = YM_SUBMIT_INIT;
	struct ym_job_info info;
	struct ym_job_ref ref;

	atomic_store(&pool_row()->timeout_ms, 777);
	job.pool = "work";
	ref = put(job);
	ASSERT_OK(ym_client_look(client, &ref, &info, &err));
	ck_assert_int_eq(info.progress.state, YM_JOB_WAITING);
	ck_assert_uint_eq(info.priority, 5);
	ck_assert_int_eq(info.timeout_ms, 777);
	ck_assert_uint_eq(info.payload_size, 0);
	ck_assert_uint_eq(word_flags(word_of(client_ref(&ref))), 0);
}
END_TEST

static void assert_payload(struct ym_job_ref job, const char *expected, size_t size)
{
	struct payload payload;

	ASSERT_OK(payload_open(directory, job_of(client_ref(&job)), job.slot, &payload, &err));
	ck_assert_uint_eq(payload.size, size);
	ck_assert_mem_eq(payload.data, expected, size);
	payload_close(&payload);
}

START_TEST(payloads_come_from_memory_or_a_descriptor)
{
	static char bytes[5000];
	struct ym_submit job = job_like("");
	char path[PATH_MAX];

	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, "0123456789", 10);
	write_file("input", bytes, sizeof(bytes));
	join_path(path, "input");
	assert_payload(put_like("abc"), "abc", 3);
	job.payload = bytes;
	job.size = sizeof(bytes);
	job.fd = -1;
	assert_payload(put(job), bytes, sizeof(bytes));
	job.payload = NULL;
	job.size = 10;
	job.fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_payload(put(job), bytes, 10);
	job.size = 0;
	assert_payload(put(job), bytes + 10, sizeof(bytes) - 10);
	assert_payload(put(job), "", 0);
	close(job.fd);
	job.fd = -1;
	job.size = 12;
	assert_payload(put(job), "", 0);
}
END_TEST

static void assert_refused(struct ym_submit job, enum ym_err_class class, const char *part)
{
	struct ym_submitted submitted;
	uint64_t n = 0;

	ASSERT_ERR(ym_client_submit(client, &job, &submitted, &err), class);
	ASSERT_IN(part, err.text);
	ck_assert_int_eq(ym_client_submit(client, &job, &submitted, NULL), -1);
	for (uint32_t slot = 0; slot < yard.table->slots; slot++)
		n += word_state(atomic_load(&yard.table->words[slot])) != JOB_FREE;
	ck_assert_uint_eq(n, 0);
}

START_TEST(wrong_jobs_are_refused)
{
	static char large[PAYLOAD_MAX + 1];
	struct ym_submit job;

#define WITH(field, value, class, part)                                                                                \
	job = job_like("x");                                                                                           \
	job.field = value;                                                                                             \
	assert_refused(job, class, part)
	WITH(pool, "nowhere", YM_ERR_USAGE, "no pool \"nowhere\"");
	WITH(pool, NULL, YM_ERR_USAGE, "no pool");
	WITH(delay_ms, -1, YM_ERR_USAGE, "delay_ms -1");
	WITH(delay_ms, INT64_MAX, YM_ERR_USAGE, "century");
	WITH(timeout_ms, -2, YM_ERR_USAGE, "timeout_ms -2");
	WITH(timeout_ms, INT64_MAX, YM_ERR_USAGE, "century");
	WITH(priority, 10, YM_ERR_USAGE, "priority 10");
	WITH(priority, -2, YM_ERR_USAGE, "priority -2");
	WITH(tag, "123456789012345678901234567890123456789012345678", YM_ERR_USAGE, "tag");
	WITH(unique, "1234567890123456789012345678901234567890123456789012345678901234", YM_ERR_USAGE, "unique key");
#undef WITH
	job = job_like("x");
	job.payload = large;
	job.size = sizeof(large);
	assert_refused(job, YM_ERR_USAGE, "payload_max");
	atomic_store(&pool_row()->mode, POOL_DRAINING);
	assert_refused(job_like("x"), YM_ERR_NO, "drained");
}
END_TEST

START_TEST(a_unique_key_gives_the_job_that_has_it)
{
	struct ym_job_ref first = put_unique("key");
	struct ym_submit job = job_like("again");
	struct ym_submitted submitted;

	job.unique = "key";
	ASSERT_NOT(ym_client_submit(client, &job, &submitted, &err));
	ck_assert(submitted.existed);
	ck_assert_mem_eq(&submitted.job, &first, sizeof(first));
	end_job(first, STORY_DONE, NULL, 0);
	ASSERT_OK(ym_client_submit(client, &job, &submitted, &err));
	ck_assert_uint_ne(submitted.job.id, first.id);
}
END_TEST

/* More than go together, with duplicates in between. */
START_TEST(many_jobs_keep_their_order)
{
	struct ym_submit jobs[200];
	struct ym_submitted submitted[200];
	struct ym_job_ref first = put_unique("key"), again;

	for (size_t i = 0; i < COUNT(jobs); i++) {
		jobs[i] = job_like("one of many");
		jobs[i].unique = i % 70 == 69 ? "key" : i % 70 == 50 ? "other" : NULL;
	}
	ck_assert_uint_eq(ym_client_submit_many(client, jobs, COUNT(jobs), submitted, &err), COUNT(jobs));
	again = submitted[50].job;
	for (size_t i = 0; i < COUNT(jobs); i++) {
		ck_assert_msg(submitted[i].existed == (i % 70 == 69 || i == 120 || i == 190), "job %zu", i);
		if (submitted[i].existed)
			ck_assert_mem_eq(&submitted[i].job, i % 70 == 69 ? &first : &again, sizeof(first));
	}
	end_job(first, STORY_DONE, NULL, 0);
	for (size_t i = 0; i < COUNT(jobs); i++)
		if (!submitted[i].existed)
			end_job(submitted[i].job, STORY_DONE, NULL, 0);
}
END_TEST

/* The same below the client, which hands over fewer at once. */
START_TEST(the_runtime_tells_which_existed)
{
	struct job_request requests[150];
	struct job_ref refs[150];
	bool existed[150];

	for (size_t i = 0; i < COUNT(requests); i++) {
		requests[i] = request_of("one of many");
		requests[i].unique = i % 70 == 3 ? "key" : NULL;
	}
	ck_assert_uint_eq(submit_jobs(&yard, requests, COUNT(requests), refs, existed, &err), COUNT(requests));
	for (size_t i = 0; i < COUNT(requests); i++)
		ck_assert_msg(existed[i] == (i == 73 || i == 143), "job %zu", i);
	ck_assert_uint_eq(refs[73].id, refs[3].id);
}
END_TEST

START_TEST(many_jobs_stop_at_the_first_refused)
{
	static const size_t bad[] = {0, 1, 63, 64, 100, 199};
	struct ym_submit jobs[200];
	struct ym_submitted submitted[200];

	for (size_t at = 0; at < COUNT(bad); at++) {
		for (size_t i = 0; i < COUNT(jobs); i++)
			jobs[i] = job_like("one of many");
		jobs[bad[at]].pool = "nowhere";
		err = (struct ym_err){0};
		ck_assert_uint_eq(ym_client_submit_many(client, jobs, COUNT(jobs), submitted, &err), bad[at]);
		ck_assert_int_eq(err.class, YM_ERR_USAGE);
		ASSERT_IN("nowhere", err.text);
		for (size_t i = 0; i < bad[at]; i++) {
			end_job(submitted[i].job, STORY_DONE, NULL, 0);
			ASSERT_OK(ym_client_delete(client, &submitted[i].job, &err));
		}
	}
	ck_assert_uint_eq(ym_client_submit_many(client, jobs, 0, submitted, &err), 0);
}
END_TEST

START_TEST(a_full_table_is_waited_for_as_long_as_asked)
{
	struct ym_submit jobs[300];
	struct ym_submitted submitted[300];
	uint64_t start;

	for (size_t i = 0; i < COUNT(jobs); i++)
		jobs[i] = job_like("one of many");
	ck_assert_uint_eq(ym_client_submit_many(client, jobs, COUNT(jobs), submitted, &err), 256);
	ck_assert_int_eq(err.class, YM_ERR_FULL);
	jobs[0].patience_ms = 50;
	start = ym_now_ns();
	ASSERT_ERR(ym_client_submit(client, jobs, submitted, &err), YM_ERR_FULL);
	ck_assert_uint_ge(ym_now_ns(), start + 50000000);
}
END_TEST

/* ---- change ---------------------------------------------------------------------------------- */

START_TEST(a_waiting_job_can_be_changed)
{
	struct ym_job_ref job = put_like("x");

	ASSERT_NOT(ym_client_kick(client, &job, &err));
	ASSERT_OK(ym_client_bury(client, &job, &err));
	assert_state(job, YM_JOB_BURIED);
	ASSERT_OK(ym_client_wait(client, &job, 0, NULL, &err));
	ASSERT_NOT(ym_client_bury(client, &job, &err));
	ASSERT_OK(ym_client_kick(client, &job, &err));
	assert_state(job, YM_JOB_WAITING);
	ASSERT_OK(ym_client_cancel(client, &job, &err));
	assert_state(job, YM_JOB_CANCELLED);
	ASSERT_NOT(ym_client_cancel(client, &job, &err));
	ASSERT_OK(ym_client_delete(client, &job, &err));
	ASSERT_ERR(ym_client_delete(client, &job, &err), YM_ERR_GONE);
}
END_TEST

START_TEST(a_running_job_is_asked_to_stop)
{
	struct ym_job_ref job = put_like("x");
	uint64_t word = claim_this(client_ref(&job));

	ASSERT_NOT(ym_client_delete(client, &job, &err));
	ASSERT_NOT(ym_client_bury(client, &job, &err));
	ASSERT_NOT(ym_client_kick(client, &job, &err));
	ASSERT_OK(ym_client_cancel(client, &job, &err));
	ck_assert(word_flags(word_of(client_ref(&job))) & JOB_CANCEL);
	finish(client_ref(&job), word, STORY_CANCELLED);
	assert_state(job, YM_JOB_CANCELLED);
}
END_TEST

START_TEST(a_kick_respects_the_unique_key)
{
	struct ym_job_ref job = put_unique("key");

	ASSERT_OK(ym_client_cancel(client, &job, &err));
	put_unique("key");
	ASSERT_ERR(ym_client_kick(client, &job, &err), YM_ERR_NO);
}
END_TEST

START_TEST(a_forgotten_result_makes_room)
{
	struct ym_job_ref job = put_like("x");

	end_job(job, STORY_DONE, "bytes", 5);
	ck_assert(word_flags(word_of(client_ref(&job))) & JOB_KEEP);
	ASSERT_OK(ym_client_forget(client, &job, &err));
	ck_assert(!(word_flags(word_of(client_ref(&job))) & JOB_KEEP));
	ASSERT_OK(ym_client_forget(client, &job, &err));
}
END_TEST

START_TEST(names_of_other_jobs_are_told)
{
	struct ym_job_ref job = put_like("x"), wrong;
	size_t which;

	wrong = job;
	wrong.gen--;
	assert_unknown(wrong, YM_ERR_GONE);
	/* As after a new start of the instance: the same slot and generation by chance. */
	wrong = job;
	wrong.id++;
	assert_unknown(wrong, YM_ERR_GONE);
	wrong = job;
	wrong.slot = 256;
	assert_unknown(wrong, YM_ERR_USAGE);
	ASSERT_ERR(ym_client_wait_all(client, &wrong, 1, 0, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_client_wait_any(client, &wrong, 1, 0, &which, &err), YM_ERR_USAGE);
	assert_unknown((struct ym_job_ref){0}, YM_ERR_USAGE);
	ASSERT_OK(ym_client_delete(client, &job, &err));
	assert_unknown(job, YM_ERR_GONE);
	assert_state(put_like("x"), YM_JOB_WAITING);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client");

	ADD("open", opening_can_fail, a_full_group_refuses, the_default_is_main, it_knows_whether_there_is_a_master,
	    a_starting_master_is_waited_for);
	ADD("submit", a_job_gets_what_was_asked_for, a_job_that_asks_for_nothing_is_as_the_pool_says,
	    payloads_come_from_memory_or_a_descriptor, wrong_jobs_are_refused, a_unique_key_gives_the_job_that_has_it,
	    many_jobs_keep_their_order, the_runtime_tells_which_existed, many_jobs_stop_at_the_first_refused,
	    a_full_table_is_waited_for_as_long_as_asked);
	ADD("change", a_waiting_job_can_be_changed, a_running_job_is_asked_to_stop, a_kick_respects_the_unique_key,
	    a_forgotten_result_makes_room, names_of_other_jobs_are_told);
	return run_suite(suite);
}
