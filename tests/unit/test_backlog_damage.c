/* test_backlog_damage.c - files of unfinished jobs that are cut off, overwritten, or read by somebody who is killed. */
#include "backlogs.h"

/* ---- damage ---------------------------------------------------------------------------------- */

static size_t read_backlog(char *path, char *bytes, size_t max)
{
	FILE *file;
	size_t size;

	backlog_path(path);
	file = fopen(path, "re");
	size = fread(bytes, 1, max, file);
	fclose(file);
	ck_assert_uint_lt(size, max);
	return size;
}

static void overwrite(const char *path, const char *bytes, size_t size)
{
	FILE *file = fopen(path, "we");

	ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
	ck_assert_int_eq(fclose(file), 0);
}

START_TEST(cut_off_anywhere)
{
	static char bytes[65536], left[65536];
	char path[PATH_MAX];
	size_t size, step = 7;

	submit("first");
	submit("second");
	next_generation(64);
	size = read_backlog(path, bytes, sizeof(bytes));
	for (size_t cut = 0; cut < size; cut += step) {
		unsigned whole = cut >= size / 2; /* the first of two records of about the same size */

		told = 0;
		overwrite(path, bytes, cut);
		backlog_load(&yard, 0, &result, tell);
		ck_assert_uint_le(result.loaded, whole);
		ck_assert_int_eq(told, 1);
		ASSERT_IN(path, last_told);
		ck_assert_uint_eq(count_backlogs(), 1);
		ck_assert_uint_eq(read_backlog(path, left, sizeof(left)), cut);
		/* What was taken in is not taken in a second time. */
		load(0, 0, 0);
		ck_assert_int_eq(told, 2);
		for (uint32_t slot = 0; slot < yard.table->slots; slot++)
			atomic_store(&yard.table->words[slot], 0);
	}
	unlink(path);
}
END_TEST

START_TEST(not_a_backlog_at_all)
{
	static char bytes[65536];
	char path[PATH_MAX];
	size_t size;

	submit("x");
	next_generation(16);
	size = read_backlog(path, bytes, sizeof(bytes));
	bytes[0] ^= 1;
	overwrite(path, bytes, size);
	load(0, 0, 0);
	ck_assert_int_eq(told, 1);
	unlink(path);
	/* Half written by somebody who was killed: never looked at. */
	write_file("backlog-0123456789abcdef.new", "half", 4);
	load(0, 0, 0);
	ck_assert_int_eq(told, 1);
}
END_TEST

/* Lengths, counts and names that make no sense: nothing worse than a job of nonsense comes in. */
START_TEST(overwritten_anywhere)
{
	static char bytes[65536], damaged[65536];
	char path[PATH_MAX];
	size_t size;

	submit("x");
	next_generation(16);
	size = read_backlog(path, bytes, sizeof(bytes));
	for (size_t at = 0; at + 8 <= size; at += 4) {
		memcpy(damaged, bytes, size);
		memset(damaged + at, 0xff, 8);
		overwrite(path, damaged, size);
		backlog_load(&yard, 0, &result, tell);
		ck_assert_uint_le(result.loaded + result.unknown + result.full, 1);
		for (uint32_t slot = 0; slot < yard.table->slots; slot++)
			atomic_store(&yard.table->words[slot], 0);
	}
	ck_assert_int_gt(told, 0);
	unlink(path);
}
END_TEST

/* One job that cannot be read must not cost all others. */
START_TEST(a_lost_payload_loses_one_job_only)
{
	char bytes[1000] = "long", path[PATH_MAX], name[64];
	struct job_request request = request_of("");
	struct job_ref ref;

	submit("a");
	request.payload = (struct payload_source){.data = bytes, .size = sizeof(bytes)};
	ref = submit_request(request);
	submit("c");
	snprintf(name, sizeof(name), "jobs/%u-%u.payload", ref.slot, ref.gen);
	join_path(path, name);
	ck_assert_int_eq(unlink(path), 0);
	next_generation(16);
	load(2, 0, 0);
	find(1);
	find(3);
}
END_TEST

/* ---- killed while loading -------------------------------------------------------------------- */

static void load_and_die(void *arg)
{
	struct instance mine;

	join_yard(&mine);
	arm_fault(*(int *)arg, 0);
	backlog_load(&mine, 0, &result, tell);
	ym_sys = faults.real;
	leave_yard(&mine);
}

/* Jobs of two pools, one of which is gone: each is there once in the end. */
START_TEST(a_load_that_is_interrupted)
{
	for (int at = 1; at <= 6; at++) {
		unsigned work = pool, n[6] = {0};
		uint64_t first;
		int status;

		pool = add_pool("other");
		first = submit("0").id;
		pool = work;
		for (int i = 1; i < 6; i++)
			submit("x");
		next_generation(32);
		/* So each of the five sends a token: at one of these it is killed, between entering and noting the job. */
		atomic_store(&pool_row()->sleeping, 100);
		status = reap(spawn(load_and_die, &at));
		ck_assert_int_eq(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, at <= 5);
		run_sweep();
		add_pool("other");
		backlog_load(&yard, 0, &result, tell);
		ck_assert_uint_eq(count_backlogs(), 0);
		for (uint32_t slot = 0; slot < yard.table->slots; slot++) {
			if (!job_state_over(word_state(atomic_load(&yard.table->words[slot]))))
				n[table_job(yard.table, slot)->id - first]++;
			atomic_store(&yard.table->words[slot], 0);
		}
		for (size_t i = 0; i < COUNT(n); i++)
			ck_assert_msg(n[i] == 1, "killed at call %d: job %zu is there %u times", at, i, n[i]);
		next_generation(16);
	}
	ck_assert_int_eq(told, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("backlog_damage");
	TCase *tcase;

	tcase = yard_case(suite, "backlog_damage", begin_yard);
	tcase_add_test(tcase, cut_off_anywhere);
	tcase_add_test(tcase, not_a_backlog_at_all);
	tcase_add_test(tcase, overwritten_anywhere);
	tcase_add_test(tcase, a_lost_payload_loses_one_job_only);
	tcase_add_test(tcase, a_load_that_is_interrupted);
	return run_suite(suite);
}
