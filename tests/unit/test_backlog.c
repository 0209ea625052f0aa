/*
 * test_backlog.c - unfinished jobs outlive their generation, in a file.
 */
#include <sys/sem.h>

#include "../../ipc/guardian.h"
#include "yard.h"

static struct backlog_result result;
static int told;
static char last_told[PATH_MAX + 256];

static void tell(const char *text)
{
	told++;
	snprintf(last_told, sizeof(last_told), "%s", text);
}

static void load(unsigned loaded, unsigned unknown, unsigned full)
{
	backlog_load(&yard, &result, tell);
	ck_assert_uint_eq(result.loaded, loaded);
	ck_assert_uint_eq(result.unknown, unknown);
	ck_assert_uint_eq(result.full, full);
}

/* All processes end; the next generation comes up. */
static void next_generation(uint32_t slots)
{
	yard_close();
	assert_nothing_left();
	yard_open(slots);
	pool = add_pool("work");
}

static unsigned count_backlogs(void)
{
	unsigned n = 0;
	DIR *dir = opendir(directory);

	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		n += strncmp(entry->d_name, "backlog-", 8) == 0;
	closedir(dir);
	return n;
}

/* Path of the one file there is. */
static void backlog_path(char *path)
{
	DIR *dir = opendir(directory);

	path[0] = '\0';
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		if (strncmp(entry->d_name, "backlog-", 8) == 0)
			join_path(path, entry->d_name);
	closedir(dir);
	ck_assert(path[0]);
}

static struct job_ref find(uint64_t id)
{
	uint64_t word;
	int64_t slot = table_find(yard.table, id, &word);

	ck_assert_msg(slot >= 0, "job %ju is lost", (uintmax_t)id);
	return (struct job_ref){id, (uint32_t)slot, word_gen(word)};
}

/* ---- round trips ----------------------------------------------------------------------------- */

START_TEST(payloads_come_back)
{
	static const size_t sizes[] = {0, 1, 448, 449, 1 << 20};
	char *bytes = malloc(1 << 20);

	for (size_t i = 0; i < 1 << 20; i++)
		bytes[i] = (char)(i * 5 + i / 256);
	for (size_t i = 0; i < COUNT(sizes); i++)
		submit_request((struct job_request){.payload = bytes, .size = sizes[i]});
	next_generation(16);
	ck_assert_uint_eq(count_backlogs(), 1);
	load(COUNT(sizes), 0, 0);
	ck_assert_uint_eq(count_backlogs(), 0);
	ck_assert_int_eq(told, 0);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct job_ref ref = find(i + 1);
		size_t size;
		char *loaded = payload_load(directory, job_of(ref), ref.slot, &size, &err);

		ck_assert_ptr_nonnull(loaded);
		ck_assert_uint_eq(size, sizes[i]);
		ck_assert(memcmp(loaded, bytes, size) == 0);
		free(loaded);
		finish(ref, claim_this(ref), JOB_DONE);
	}
	free(bytes);
}
END_TEST

START_TEST(all_about_a_job_comes_back)
{
	struct job_ref plain, delayed, retried, crashed;

	plain = submit_request((struct job_request){.payload = "a", .size = 1, .tag = "mine", .keep = true});
	delayed = submit_request((struct job_request){.payload = "b", .size = 1, .delay_ms = 60000});
	finish(plain, claim_this(plain), JOB_DELAYED);
	set_due(plain, 1);
	atomic_store(&yard.table->pools[pool].attempts, 7);
	retried = submit("c");
	finish(retried, claim_this(retried), JOB_DELAYED);
	set_due(retried, 1);
	run_sweep();
	crashed = submit("d");
	claim_this(plain);
	claim_this(retried);
	dispatch_return(&yard, retried.slot, word_of(retried));
	claim_this(crashed);
	job_of(crashed)->crashes = 1;

	next_generation(16);
	load(4, 0, 0);
	plain = find(plain.id);
	ck_assert_int_eq(state_of(plain), JOB_READY);
	ck_assert_uint_eq(word_attempt(word_of(plain)), 2);
	ck_assert_uint_eq(word_flags(word_of(plain)) & JOB_KEEP, JOB_KEEP);
	ck_assert_str_eq(job_of(plain)->tag, "mine");
	ck_assert_uint_eq(job_of(plain)->attempts, 3);
	ck_assert_uint_eq(job_of(plain)->crashes, 1); /* it ran when everything ended */

	delayed = find(delayed.id);
	ck_assert_int_eq(state_of(delayed), JOB_DELAYED);
	ck_assert_uint_gt(job_of(delayed)->due, ym_now_ns() + UINT64_C(50000000000));
	ck_assert_uint_lt(job_of(delayed)->due, ym_now_ns() + UINT64_C(60000000000));

	retried = find(retried.id);
	ck_assert_uint_eq(word_attempt(word_of(retried)), 1);
	ck_assert_uint_eq(job_of(retried)->attempts, 7);
	ck_assert_uint_eq(job_of(retried)->crashes, 0);
	ck_assert_str_eq(job_of(retried)->tag, "");

	ck_assert_uint_eq(job_of(find(crashed.id))->crashes, 2);
	ck_assert_uint_eq(word_attempt(word_of(find(crashed.id))), 1);
}
END_TEST

START_TEST(what_is_over_stays_away)
{
	struct job_ref done = submit("a"), cancelled = submit("b"), stopping = submit("c");
	uint64_t word;

	finish(done, claim_this(done), JOB_DONE);
	ASSERT_OK(dispatch_cancel(&yard, cancelled, &err));
	claim_this(stopping);
	ASSERT_OK(dispatch_cancel(&yard, stopping, &err));
	ck_assert_int_ge(table_take(yard.table, 0, &word), 0);
	next_generation(16);
	ck_assert_uint_eq(count_backlogs(), 0);
	load(0, 0, 0);
}
END_TEST

/* Not to be run again, but not to be forgotten in silence either. */
START_TEST(the_last_attempt_was_cut_short)
{
	struct job_ref ref;

	atomic_store(&yard.table->pools[pool].attempts, 1);
	ref = submit("x");
	claim_this(ref);
	next_generation(16);
	load(1, 0, 0);
	ref = find(ref.id);
	ck_assert_int_eq(state_of(ref), JOB_FAILED);
	ASSERT_IN("last attempt", job_of(ref)->error);
	ck_assert_uint_eq(tokens(), 0);
}
END_TEST

START_TEST(the_order_stays)
{
	uint64_t last = 0;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 50; i++)
			submit("x");
		next_generation(8192);
		load((unsigned)(round + 1) * 50, 0, 0);
	}
	for (int i = 0; i < 150; i++) {
		uint32_t slot;

		claim(&yard, &slot);
		ck_assert_uint_eq(table_job(yard.table, slot)->id, ++last);
		atomic_store(&yard.table->words[slot], 0);
	}
}
END_TEST

START_TEST(ids_are_not_used_twice)
{
	struct job_ref ref = submit("x");

	finish(ref, claim_this(ref), JOB_DONE);
	ck_assert_uint_eq(submit("y").id, 2);
	next_generation(16);
	load(1, 0, 0);
	ck_assert_uint_eq(submit("z").id, 3);
	next_generation(16);
	ck_assert_uint_eq(submit("z").id, 4);
}
END_TEST

/* Killed one and all: the guardian, or the next one to join, writes the file. */
static void submit_and_die(void *arg)
{
	struct job_request request = {.pool = pool, .payload = "x", .size = 1};
	struct instance mine;
	struct job_ref ref;

	(void)arg;
	join_yard(&mine);
	for (int i = 0; i < 5; i++)
		ASSERT_OK(dispatch_submit(&mine, &request, &ref, &err));
	kill(getpid(), SIGKILL);
}

static void guard(void *arg)
{
	struct ym_group_spec spec = {.salvage = instance_salvage};

	ASSERT_OK(ym_group_guard(*(int *)arg, &spec, &err));
}

START_TEST(the_guardian_keeps_the_jobs)
{
	int set = yard.group.semid;
	pid_t guardian = spawn(guard, &set);

	reap(spawn(submit_and_die, NULL));
	/* Our own end, without the leave. */
	ck_assert_int_eq(ym_semop_until(set, (struct sembuf[]){{YM_GROUP_USAGE, -1, SEM_UNDO}}, 1, YM_NEVER), 0);
	reap_well(guardian);
	instance_leave(&yard, NULL, &err);
	assert_nothing_left();
	yard_open(16);
	pool = add_pool("work");
	load(5, 0, 0);
}
END_TEST

/* ---- jobs that cannot be taken in ------------------------------------------------------------ */

START_TEST(jobs_of_an_unknown_pool_stay)
{
	unsigned work = pool, other = add_pool("other");

	submit("a");
	pool = other;
	submit("b");
	submit("c");
	pool = work;
	submit("d");
	next_generation(16);
	load(2, 2, 0);
	ck_assert_uint_eq(count_backlogs(), 1);
	ck_assert_str_eq((char *)job_of(find(1))->payload, "a");
	ck_assert_str_eq((char *)job_of(find(4))->payload, "d");
	load(0, 2, 0);
	other = add_pool("other");
	load(2, 0, 0);
	ck_assert_uint_eq(count_backlogs(), 0);
	ck_assert_uint_eq(job_of(find(2))->pool, other);
	ck_assert_str_eq((char *)job_of(find(3))->payload, "c");
	ck_assert_int_eq(told, 0);
}
END_TEST

START_TEST(a_table_that_is_too_small)
{
	for (int i = 0; i < 10; i++)
		submit("x");
	next_generation(4);
	load(4, 0, 6);
	ck_assert_uint_eq(count_backlogs(), 1);
	for (uint64_t id = 1; id <= 10; id++) {
		struct job_ref ref = {.slot = 0};
		uint64_t word = claim(&yard, &ref.slot);

		ref.gen = word_gen(word);
		ck_assert_uint_eq(job_of(ref)->id, id);
		finish(ref, word, JOB_DONE);
		backlog_load(&yard, &result, tell);
	}
	ck_assert_uint_eq(count_backlogs(), 0);
}
END_TEST

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
		backlog_load(&yard, &result, tell);
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
		backlog_load(&yard, &result, tell);
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
	struct job_ref ref;

	submit("a");
	ref = submit_request((struct job_request){.payload = bytes, .size = sizeof(bytes)});
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
	backlog_load(&mine, &result, tell);
	ASSERT_OK(instance_leave(&mine, NULL, &err));
}

/* Jobs of two pools, one of which is gone: none is lost, and at most one is there twice. */
START_TEST(a_load_that_is_interrupted)
{
	for (int at = 1; at <= 6; at++) {
		unsigned work = pool, n[6] = {0}, twice = 0;
		uint64_t first;
		int status;

		pool = add_pool("other");
		first = submit("0").id;
		pool = work;
		for (int i = 1; i < 6; i++)
			submit("x");
		next_generation(32);
		status = reap(spawn(load_and_die, &at));
		if (at <= 5)
			ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		run_sweep();
		add_pool("other");
		backlog_load(&yard, &result, tell);
		ck_assert_uint_eq(count_backlogs(), 0);
		for (uint32_t slot = 0; slot < yard.table->slots; slot++) {
			if (!job_state_over(word_state(atomic_load(&yard.table->words[slot]))))
				n[table_job(yard.table, slot)->id - first]++;
			atomic_store(&yard.table->words[slot], 0);
		}
		for (size_t i = 0; i < COUNT(n); i++) {
			ck_assert_msg(n[i] > 0, "killed at call %d: job %zu is lost", at, i);
			twice += n[i] - 1;
		}
		ck_assert_uint_le(twice, 1);
		next_generation(16);
	}
	ck_assert_int_eq(told, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("backlog");
	TCase *tcase = yard_case(suite, "backlog", begin_yard);

	tcase_add_test(tcase, payloads_come_back);
	tcase_add_test(tcase, all_about_a_job_comes_back);
	tcase_add_test(tcase, what_is_over_stays_away);
	tcase_add_test(tcase, the_last_attempt_was_cut_short);
	tcase_add_test(tcase, ids_are_not_used_twice);
	tcase_add_test(tcase, the_guardian_keeps_the_jobs);
	tcase_add_test(tcase, jobs_of_an_unknown_pool_stay);
	tcase_add_test(tcase, a_table_that_is_too_small);
	tcase_add_test(tcase, cut_off_anywhere);
	tcase_add_test(tcase, not_a_backlog_at_all);
	tcase_add_test(tcase, overwritten_anywhere);
	tcase_add_test(tcase, a_lost_payload_loses_one_job_only);
	tcase_add_test(tcase, a_load_that_is_interrupted);

	tcase = yard_case(suite, "many", begin_large_yard);
	tcase_add_test(tcase, the_order_stays);
	return run_suite(suite);
}
