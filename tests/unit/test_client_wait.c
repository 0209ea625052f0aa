/* test_client_wait.c - the client of C programs: wait for jobs, look at them. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "client_support.h"

/* ---- wait ------------------------------------------------------------------------------------ */

START_TEST(a_result_is_handed_over)
{
	struct ym_job_ref job = put_like("x"), failed;
	struct ym_job_result result;

	ASSERT_NOT(ym_client_wait(client, &job, 0, &result, &err));
	ASSERT_NOT(ym_client_wait(client, &job, 20, NULL, &err));
	end_job(job, STORY_DONE, "bytes", 5);
	ASSERT_OK(ym_client_wait(client, &job, 0, &result, &err));
	ck_assert_int_eq(result.state, YM_JOB_DONE);
	ck_assert_uint_eq(result.attempt, 1);
	ck_assert_uint_eq(result.size, 5);
	ck_assert_str_eq(result.data, "bytes");
	ck_assert_str_eq(result.error, "");
	ym_job_result_free(&result);
	ym_job_result_free(&result);
	failed = put_like("x");
	end_job(failed, STORY_FAILED, NULL, 0);
	ASSERT_OK(ym_client_wait(client, &failed, -1, &result, &err));
	ck_assert_int_eq(result.state, YM_JOB_FAILED);
	ck_assert_str_eq(result.error, "no luck");
	ck_assert_ptr_null(result.data);
	ym_job_result_free(&result);
}
END_TEST

/* A long one is a mapping, which stays when the job, its file and its slot are gone. */
START_TEST(a_long_result_outlives_its_job)
{
	static char bytes[100000];
	struct ym_job_ref job = put_like("x");
	struct ym_job_result result;

	memset(bytes, 'r', sizeof(bytes));
	end_job(job, STORY_DONE, bytes, sizeof(bytes));
	ASSERT_OK(ym_client_wait(client, &job, 0, &result, &err));
	ck_assert_uint_gt(result.mapped, 0);
	ASSERT_OK(ym_client_delete(client, &job, &err));
	ck_assert_uint_eq(count_files("jobs"), 0);
	ck_assert_uint_eq(result.size, sizeof(bytes));
	ck_assert_mem_eq(result.data, bytes, sizeof(bytes));
	ck_assert_int_eq(((const char *)result.data)[sizeof(bytes)], 0);
	ym_job_result_free(&result);
	ASSERT_ERR(ym_client_wait(client, &job, 0, &result, &err), YM_ERR_GONE);
}
END_TEST

START_TEST(a_result_without_its_file_is_an_error)
{
	static char bytes[100000];
	struct ym_job_ref job = put_like("x");
	struct ym_job_result result;
	char path[PATH_MAX];

	end_job(job, STORY_DONE, bytes, sizeof(bytes));
	snprintf(path, sizeof(path), "%s/jobs/%u-%u.result", directory, job.slot, job.gen);
	ck_assert_int_eq(unlink(path), 0);
	ASSERT_ERR(ym_client_wait(client, &job, 0, &result, &err), YM_ERR_USAGE);
	ASSERT_IN(path, err.text);
	ck_assert_ptr_null(result.data);
}
END_TEST

START_TEST(a_waiter_wakes_when_its_job_is_over)
{
	struct waiting one = {.n = 1, .timeout_ms = -1}, all = {.n = 3, .timeout_ms = -1};
	uint64_t start;

	for (size_t i = 0; i < 3; i++)
		all.jobs[i] = put_like("x");
	one.jobs[0] = all.jobs[1];
	start_waiting(&one);
	start_waiting(&all);
	end_job(all.jobs[0], STORY_DONE, NULL, 0);
	start = ym_now_ns();
	end_job(all.jobs[1], STORY_FAILED, NULL, 0);
	ck_assert_int_eq(end_waiting(&one), 0);
	/* Woken, not found when it looked. */
	ck_assert_uint_lt(ym_now_ns() - start, 800000000);
	ck_assert_int_eq(pthread_tryjoin_np(all.thread, NULL), EBUSY);
	end_job(all.jobs[2], STORY_DONE, NULL, 0);
	ck_assert_int_eq(end_waiting(&all), 0);
}
END_TEST

START_TEST(all_ends_with_its_time)
{
	struct ym_job_ref jobs[3];

	for (size_t i = 0; i < 3; i++)
		jobs[i] = put_like("x");
	end_job(jobs[0], STORY_DONE, NULL, 0);
	end_job(jobs[1], STORY_DONE, NULL, 0);
	ASSERT_NOT(ym_client_wait_all(client, jobs, 3, 30, &err));
	ASSERT_OK(ym_client_wait_all(client, jobs, 2, 0, &err));
	ASSERT_OK(ym_client_wait_all(client, jobs, 0, 0, &err));
	end_job(jobs[2], STORY_DONE, NULL, 0);
	ASSERT_OK(ym_client_delete(client, &jobs[1], &err));
	ASSERT_OK(ym_client_wait_all(client, jobs, 3, 0, NULL));
}
END_TEST

START_TEST(any_wakes_with_the_first)
{
	struct waiting any = {.n = 128, .any = true, .timeout_ms = -1};
	struct job_ref last;
	uint64_t word, start;

	for (size_t i = 0; i < any.n; i++)
		any.jobs[i] = put_like("x");
	start_waiting(&any);
	/* Taken in the order of their submission: the last one ends first. */
	for (size_t i = 0; i < any.n; i++)
		ck_assert(try_claim(&last, &word));
	ck_assert_uint_eq(last.id, any.jobs[127].id);
	start = ym_now_ns();
	finish(last, word, STORY_DONE);
	ck_assert_int_eq(end_waiting(&any), 0);
	ck_assert_uint_eq(any.which, 127);
	ck_assert_uint_lt(ym_now_ns() - start, 800000000);
}
END_TEST

START_TEST(any_knows_its_limits)
{
	struct ym_job_ref jobs[YM_WAIT_ANY_MAX + 1];
	size_t which;

	for (size_t i = 0; i < COUNT(jobs); i++)
		jobs[i] = put_like("x");
	ASSERT_ERR(ym_client_wait_any(client, jobs, COUNT(jobs), 0, &which, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_client_wait_any(client, jobs, 0, 0, &which, &err), YM_ERR_USAGE);
	ASSERT_NOT(ym_client_wait_any(client, jobs, 128, 0, &which, &err));
	ASSERT_NOT(ym_client_wait_any(client, jobs, 128, 30, &which, &err));
	ASSERT_NOT(ym_client_wait_any(client, jobs, 1, 30, &which, &err));
	ASSERT_OK(ym_client_delete(client, &jobs[77], &err));
	ASSERT_OK(ym_client_wait_any(client, jobs, 128, -1, &which, &err));
	ck_assert_uint_eq(which, 77);
}
END_TEST

/* A kernel before 5.16, as far as futex_waitv() goes. */
static void live_in_the_past(void)
{
	struct sock_filter filter[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 449, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {COUNT(filter), filter};

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(any_says_that_the_kernel_is_too_old)
{
	struct ym_job_ref jobs[2] = {put_like("x"), put_like("x")};
	size_t which;

	live_in_the_past();
	ASSERT_ERR(ym_client_wait_any(client, jobs, 2, 1000, &which, &err), YM_ERR_SYSTEM);
	ASSERT_IN("5.16", err.text);
	ASSERT_NOT(ym_client_wait_any(client, jobs, 1, 30, &which, &err));
	ASSERT_NOT(ym_client_wait_all(client, jobs, 2, 30, &err));
}
END_TEST

/* ---- look ------------------------------------------------------------------------------------ */

/* As worker number `row`, with a participant slot of 0 as everything in this process. */
static void show_work(unsigned row, struct ym_job_ref job, unsigned attempt, uint64_t done, const char *note)
{
	struct board_worker_sh *sh = &yard.board->workers[row];
	struct board_work work = {.job = job.id, .pid = getpid(), .slot = 0, .attempt = (uint16_t)attempt};
	struct board_progress progress = {.job = job.id, .done = done, .total = 100, .updated = 5, .unit = "rows"};

	snprintf(progress.note, sizeof(progress.note), "%s", note);
	atomic_store(&sh->used, 1);
	board_publish(&sh->work, &sh->work_version, &work);
	board_publish(&sh->progress, &sh->progress_version, &progress);
}

START_TEST(progress_comes_from_the_board)
{
	struct ym_job_ref job = put_like("x");
	struct ym_job_progress progress;
	struct job_report report = {.end = STORY_DONE, .done = 100, .total = 100, .unit = "rows"};
	enum job_state became;
	uint64_t word;

	show_work(1, job, 1, 10, "too early");
	ck_assert_uint_eq(progress_of(job).done, 0);
	assert_state(job, YM_JOB_WAITING);
	word = claim_this(client_ref(&job));
	/* What a killed worker has left there of an earlier attempt is not this one's. */
	show_work(1, job, 0, 10, "an earlier attempt");
	progress = progress_of(job);
	ck_assert_int_eq(progress.state, YM_JOB_RUNNING);
	ck_assert_uint_eq(progress.attempt, 1);
	ck_assert_uint_eq(progress.done + progress.total + progress.updated, 0);
	for (unsigned row = 2; row < 4; row++) {
		show_work(row, job, 1, 40 + row, "this one");
		progress = progress_of(job);
		ck_assert_uint_eq(progress.done, 40 + row);
		ck_assert_uint_eq(progress.total, 100);
		ck_assert_uint_eq(progress.updated, 5);
		ck_assert_str_eq(progress.unit, "rows");
		ck_assert_str_eq(progress.note, "this one");
		/* Remembered where; another worker in its row is noticed. */
		ck_assert_uint_eq(client->rows[0], row + 1);
		show_work(row, (struct ym_job_ref){.id = 999999}, 1, 1, "another job");
		ck_assert_uint_eq(progress_of(job).done, 0);
	}
	/* The worker has this job, but has shown no progress of it yet. */
	show_work(2, job, 1, 60, "this one");
	board_publish(&yard.board->workers[2].progress, &yard.board->workers[2].progress_version,
	              &(struct board_progress){.job = 999999, .done = 7});
	ck_assert_uint_eq(progress_of(job).done, 0);
	ck_assert(dispatch_finish(&yard, job.slot, word, &report, &became));
	progress = progress_of(job);
	ck_assert_int_eq(progress.state, YM_JOB_DONE);
	ck_assert_uint_eq(progress.done, 100);
	ck_assert_str_eq(progress.unit, "rows");
	ck_assert_str_eq(progress.note, "");
}
END_TEST

/* In a child that the kernel kills at its first system call but read, write and exit. */
static void poll_in_silence(void *arg)
{
	struct ym_job_ref *job = arg;
	struct ym_job_progress progress;
	struct ym_client *mine;
	uint64_t sum = 0;

	if (ym_client_open(&mine, "unit", directory, NULL) < 0 || ym_client_progress(mine, job, &progress, NULL) < 0)
		_exit(1);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	for (int i = 0; i < 1000; i++) {
		if (ym_client_progress(mine, job, &progress, NULL) < 0)
			syscall(SYS_exit, 2);
		sum += progress.done;
	}
	syscall(SYS_exit, sum == 42000 ? 0 : 3);
}

START_TEST(progress_needs_no_system_call)
{
	struct ym_job_ref job = put_like("x");

	claim_this(client_ref(&job));
	show_work(3, job, 1, 42, "steady");
	run_child(poll_in_silence, &job);
	run_sweep();
}
END_TEST

START_TEST(a_job_is_found_by_its_id)
{
	struct ym_job_ref jobs[20], found;

	for (size_t i = 0; i < COUNT(jobs); i++)
		jobs[i] = put_like("x");
	for (size_t i = 0; i < COUNT(jobs); i++) {
		ASSERT_OK(ym_client_find(client, jobs[i].id, &found, &err));
		ck_assert_mem_eq(&found, &jobs[i], sizeof(found));
	}
	ASSERT_NOT(ym_client_find(client, jobs[19].id + 1, &found, &err));
}
END_TEST

START_TEST(a_look_tells_how_it_went)
{
	struct ym_job_ref job = put_like("x");
	struct ym_job_info info;

	end_job(job, STORY_RETRY, NULL, 0);
	ASSERT_OK(ym_client_look(client, &job, &info, &err));
	ck_assert_int_eq(info.progress.state, YM_JOB_DELAYED);
	ck_assert_uint_eq(info.progress.attempt, 1);
	ck_assert_str_eq(info.error, "no luck");
	ck_assert_uint_gt(info.started, 0);
	ck_assert_uint_eq(info.finished, 0);
	ASSERT_OK(ym_client_kick(client, &job, &err));
	end_job(job, STORY_DONE, "12345", 5);
	ASSERT_OK(ym_client_look(client, &job, &info, &err));
	ck_assert_int_eq(info.progress.state, YM_JOB_DONE);
	ck_assert_uint_eq(info.progress.attempt, 2);
	ck_assert_uint_eq(info.result_size, 5);
	ck_assert_uint_ge(info.finished, info.started);
}
END_TEST

START_TEST(the_pools_are_listed)
{
	struct ym_pool_info pools[3];
	size_t n;

	add_pool("other");
	for (unsigned i = 0; i < 2; i++) {
		struct board_pool_sh *row = &yard.board->pools[i];

		snprintf(row->name, sizeof(row->name), "%s", yard.table->pools[i].name);
		atomic_store(&row->actual, 3 + i);
		atomic_store(&row->wanted, 5);
		atomic_store(&row->waiting, 10);
		atomic_store(&row->running, 20);
		atomic_store(&row->delayed, 30);
		atomic_store(&row->buried, 40);
		atomic_store(&row->used, 1);
	}
	atomic_store(&yard.table->pools[1].mode, POOL_PAUSED);
	ASSERT_OK(ym_client_pools(client, pools, 3, &n, &err));
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(pools[0].name, "work");
	ck_assert(!pools[0].paused && !pools[0].draining && pools[1].paused && !pools[1].draining);
	ck_assert_str_eq(pools[1].name, "other");
	ck_assert_uint_eq(pools[1].workers, 4);
	ck_assert_uint_eq(pools[1].wanted, 5);
	ck_assert_uint_eq(pools[1].waiting, 10);
	ck_assert_uint_eq(pools[1].running, 20);
	ck_assert_uint_eq(pools[1].delayed, 30);
	ck_assert_uint_eq(pools[1].buried, 40);
	pools[1].workers = 0;
	ASSERT_OK(ym_client_pools(client, pools, 1, &n, &err));
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(pools[1].workers, 0);
}
END_TEST

START_TEST(states_have_words)
{
	static const char *const words[] = {"waiting", "delayed", "running", "buried", "done", "failed", "cancelled"};

	for (unsigned state = 0; state < COUNT(words); state++) {
		ck_assert_str_eq(ym_job_state_word((enum ym_job_state)state), words[state]);
		ck_assert_int_eq(ym_job_over((enum ym_job_state)state), state >= 3);
	}
	ck_assert_str_eq(ym_job_state_word((enum ym_job_state)COUNT(words)), "?");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client_wait");

	ADD("wait", a_result_is_handed_over, a_long_result_outlives_its_job, a_result_without_its_file_is_an_error,
	    a_waiter_wakes_when_its_job_is_over, all_ends_with_its_time, any_wakes_with_the_first, any_knows_its_limits,
	    any_says_that_the_kernel_is_too_old);
	ADD("look", progress_comes_from_the_board, progress_needs_no_system_call, a_job_is_found_by_its_id,
	    a_look_tells_how_it_went, the_pools_are_listed, states_have_words);
	return run_suite(suite);
}
