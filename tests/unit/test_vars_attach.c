/*
 * test_vars_attach.c - variable segments: make, find, finish or refuse what is behind a key.
 */
#include "faults.h"
#include "vars_support.h"

static int segment_of_key(void)
{
	return shmget(key, 0, 0);
}

/* Somebody else's segment, attached. */
static char *foreign(size_t size, int *id)
{
	char *at;

	*id = shmget(key, size, IPC_CREAT | IPC_EXCL | 0600);
	ck_assert_int_ge(*id, 0);
	at = shmat(*id, NULL, 0);
	ck_assert_ptr_ne(at, (void *)-1);
	return at;
}

static void drop(char *at, int id)
{
	shmdt(at);
	ck_assert_int_eq(shmctl(id, IPC_RMID, NULL), 0);
}

/* ---- attach ---------------------------------------------------------------------------------- */

START_TEST(later_ones_get_it_as_it_is)
{
	struct ym_vars first, second;
	struct shmid_ds ds;

	ASSERT_OK(ym_vars_attach(&first, key, 0, 0640, 0, &err));
	ck_assert_int_eq(first.id, segment_of_key());
	ck_assert_uint_eq(first.size, 10000);
	ck_assert_int_eq(first.head->total, 10000);
	ck_assert_int_eq(first.head->free, 9960);
	ck_assert_int_eq(shmctl(first.id, IPC_STAT, &ds), 0);
	ck_assert_uint_eq(ds.shm_perm.mode & 0777, 0640);
	put(&first, 1, "i:1;");
	/* The size and the mode of later ones are ignored, even sizes that make no segment. */
	for (size_t size = 0; size < 20001; size += 20000) {
		ASSERT_OK(ym_vars_attach(&second, key, size, 0600, 0, &err));
		ck_assert(!second.created);
		ck_assert_int_eq(second.id, first.id);
		ck_assert_uint_eq(second.size, 10000);
		ck_assert_str_eq(get(&second, 1), "i:1;");
		ym_vars_detach(&second);
		ck_assert_ptr_null(second.head);
	}
	ASSERT_OK(ym_vars_attach(&second, key, 1, 0600, YM_VARS_EXISTING, &err));
	ym_vars_detach(&second);
	ASSERT_OK(ym_vars_open(&second, first.id, 0, &err));
	put(&second, 1, "i:2;");
	ck_assert_str_eq(get(&first, 1), "i:2;");
	ym_vars_detach(&second);
	ASSERT_ERR(ym_vars_open(&second, first.id, YM_VARS_NEW, &err), YM_ERR_USAGE);
	remove_segment(&first);
	ASSERT_ERR(ym_vars_open(&second, first.id, 0, &err), YM_ERR_GONE);
	ck_assert_int_eq(ym_vars_open(&second, -1, 0, NULL), -1);
}
END_TEST

START_TEST(what_a_caller_asks_for)
{
	struct ym_vars vars, other;

	ASSERT_ERR(ym_vars_attach(&vars, key, 0, 0600, YM_VARS_EXISTING, &err), YM_ERR_NO);
	ASSERT_IN("0x", err.text);
	ASSERT_ERR(ym_vars_attach(&vars, key, 0, 0600, YM_VARS_READONLY, &err), YM_ERR_NO);
	ASSERT_ERR(ym_vars_attach(&vars, key, 0, 0600, YM_VARS_EXISTING | YM_VARS_NEW, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_vars_attach(&vars, IPC_PRIVATE, 0, 0600, YM_VARS_EXISTING, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_vars_attach(&vars, key, SIZE_MAX / 4, 0600, 0, &err), YM_ERR_LIMIT);
	ck_assert_int_eq(ym_vars_attach(&vars, key, 0, 0600, YM_VARS_EXISTING, NULL), -1);
	ck_assert_int_eq(vars.id, -1);
	assert_nothing_left();
	ASSERT_OK(ym_vars_attach(&vars, key, 0, 0600, YM_VARS_NEW, &err));
	ASSERT_ERR(ym_vars_attach(&other, key, 0, 0600, YM_VARS_NEW, &err), YM_ERR_FOREIGN);
	ck_assert_int_eq(err.sys, EEXIST);
	ASSERT_OK(ym_vars_attach(&other, IPC_PRIVATE, 0, 0600, 0, &err));
	ck_assert_int_ne(other.id, vars.id);
	remove_segment(&other);
	remove_segment(&vars);
}
END_TEST

START_TEST(small_segments)
{
	struct ym_vars vars;
	struct ym_vars_stat stat;

	ASSERT_ERR(ym_vars_attach(&vars, key, 39, 0600, 0, &err), YM_ERR_USAGE);
	ASSERT_IN("at least 40", err.text);
	assert_nothing_left();
	for (size_t size = 40; size < 80; size += 13) {
		attach(&vars, size);
		ASSERT_ERR(ym_vars_put_raw(&vars, 1, "N;", 2, &err), YM_ERR_FULL);
		ASSERT_OK(ym_vars_stat(&vars, &stat, &err));
		ck_assert_uint_eq(stat.largest, 0);
		ck_assert_uint_eq(stat.free, size - 40);
		ck_assert_int_eq(ym_vars_has(&vars, 1, &err), 0);
		remove_segment(&vars);
	}
	attach(&vars, 80);
	put(&vars, 1, "N;");
	ck_assert_int_eq(vars.head->free, 0);
	ck_assert_str_eq(get(&vars, 1), "N;");
	remove_segment(&vars);
}
END_TEST

START_TEST(foreign_segments_are_not_touched)
{
	static const struct {
		const char *bytes;
		size_t length;
		const char *says;
	} cases[] = {
	    {"PHP_SN\0", 7, "PHP_SN"},       {"PHP_S\0\0", 7, "50 48 50 5f 53 00"}, {"PHP_SMX", 7, "PHP_SMX"},
	    {"php_sm\0", 7, "php_sm"},       {"\0\0\0\0\0\0\1", 7, "00 00 00 01"},  {"YARDSEG1", 8, "YARDSEG1"},
	    {"\0\0\0\0\0\0\0\0\1", 9, "00"},
	};
	char before[256], text[64];
	struct ym_vars vars;
	char *at;
	int id;

	for (size_t i = 0; i < COUNT(cases); i++) {
		at = foreign(sizeof(before), &id);
		memcpy(at, cases[i].bytes, cases[i].length);
		memcpy(before, at, sizeof(before));
		ASSERT_ERR(ym_vars_attach(&vars, key, 0, 0600, 0, &err), YM_ERR_FOREIGN);
		ck_assert_ptr_null(vars.head);
		ASSERT_IN(cases[i].says, err.text);
		snprintf(text, sizeof(text), "0x%x (id %d, 256 bytes)", (unsigned)key, id);
		ASSERT_IN(text, err.text);
		ck_assert_mem_eq(at, before, sizeof(before));
		ASSERT_OK(ym_vars_attach(&vars, key, 0, 0600, YM_VARS_DAMAGED, &err));
		ASSERT_ERR(ym_vars_repair(&vars, NULL, &err), YM_ERR_FOREIGN);
		ym_vars_detach(&vars);
		ck_assert_mem_eq(at, before, sizeof(before));
		drop(at, id);
	}
	/* A head of zeroes, but something behind it. */
	at = foreign(sizeof(before), &id);
	at[255] = 1;
	ASSERT_ERR(ym_vars_attach(&vars, key, 0, 0600, 0, &err), YM_ERR_FOREIGN);
	ck_assert_int_eq(at[0], 0);
	drop(at, id);
	/* Too small for a head. */
	at = foreign(39, &id);
	memcpy(at, "PHP_SM", 7);
	ASSERT_ERR(ym_vars_attach(&vars, key, 0, 0600, YM_VARS_DAMAGED, &err), YM_ERR_FOREIGN);
	ASSERT_IN("only 39 bytes", err.text);
	drop(at, id);
}
END_TEST

START_TEST(byte_7_of_the_magic_means_nothing)
{
	struct ym_vars vars;

	attach(&vars, 0);
	put(&vars, 1, "i:1;");
	vars.head->magic[7] = 'x';
	ym_vars_detach(&vars);
	attach(&vars, 0);
	ck_assert_str_eq(get(&vars, 1), "i:1;");
	ck_assert_int_eq(vars.head->magic[7], 'x');
	remove_segment(&vars);
}
END_TEST

START_TEST(segments_of_32_bits_are_recognised)
{
	static const struct {
		char magic[8];
		int32_t start, end, free, total;
		int32_t chunk[3];
		char value[12];
	} old = {"PHP_SM", 24, 48, 952, 1000, {1, 4, 24}, "i:1;"};
	struct ym_vars vars;
	int id;
	char *at = foreign(1000, &id);

	memcpy(at, &old, sizeof(old));
	ASSERT_ERR(ym_vars_attach(&vars, key, 0, 0600, 0, &err), YM_ERR_FOREIGN);
	ASSERT_IN("32-bit PHP", err.text);
	ck_assert_mem_eq(at, &old, sizeof(old));
	drop(at, id);
}
END_TEST

/* ---- segments that nobody has formatted ------------------------------------------------------- */

/* A creator was killed after any of its stores, in PHP's order or ours. */
static void finish(void *arg)
{
	const struct ym_vars_head_sh whole = {"PHP_SM", 40, 40, 360, 400};
	const unsigned done = *(unsigned *)arg;
	uint64_t before = ym_now_ns();
	struct ym_vars_head_sh *head;
	struct ym_vars vars;
	int id;

	key = fresh_key();
	head = (struct ym_vars_head_sh *)(void *)foreign(400, &id);
	if (done & 1)
		memcpy(head->magic, "PHP_SM", 7);
	head->start = done & 2 ? 40 : 0;
	head->end = done & 4 ? 40 : 0;
	head->free = done & 8 ? 360 : 0;
	head->total = done & 16 ? 400 : 0;
	ASSERT_OK(ym_vars_attach(&vars, key, 0, 0600, 0, &err));
	ck_assert_uint_ge(ym_now_ns() - before, 150000000);
	ck_assert(!vars.created);
	ck_assert_mem_eq(head, &whole, sizeof(whole));
	put(&vars, 1, "i:1;");
	ym_vars_detach(&vars);
	drop((char *)head, id);
}

START_TEST(unfinished_ones_are_finished)
{
	pid_t children[31];

	for (unsigned done = 0; done < COUNT(children); done++)
		children[done] = spawn(finish, &done);
	for (size_t i = 0; i < COUNT(children); i++)
		reap_well(children[i]);
}
END_TEST

START_TEST(a_reader_does_not_format)
{
	static const char zeroes[400];
	struct ym_vars vars;
	int id;
	char *at = foreign(400, &id);

	ASSERT_ERR(ym_vars_attach(&vars, key, 0, 0600, YM_VARS_READONLY, &err), YM_ERR_FOREIGN);
	ASSERT_IN("nobody formats it", err.text);
	ASSERT_OK(ym_vars_attach(&vars, key, 0, 0600, YM_VARS_DAMAGED, &err));
	ck_assert_mem_eq(at, zeroes, sizeof(zeroes));
	ym_vars_detach(&vars);
	drop(at, id);
}
END_TEST

static int stop_at_stat(int id, int cmd, struct shmid_ds *ds)
{
	if (cmd == IPC_STAT)
		raise(SIGSTOP);
	return shmctl(id, cmd, ds);
}

/* Makes the segment, but comes to formatting it only when it is continued. */
static void create_slowly(void *arg)
{
	struct ym_vars vars;

	(void)arg;
	ym_sys.shmctl = stop_at_stat;
	attach(&vars, 80);
	ck_assert(vars.created);
	ym_vars_detach(&vars);
}

START_TEST(a_slow_creator_spoils_nothing)
{
	struct ym_vars vars;
	pid_t child = spawn(create_slowly, NULL);
	char before[80];

	WAIT_UNTIL(process_state(child) == 'T');
	attach(&vars, 0);
	ck_assert(!vars.created);
	put(&vars, 5, "i:5;");
	memcpy(before, vars.head, sizeof(before));
	kill(child, SIGCONT);
	reap_well(child);
	ck_assert_str_eq(get(&vars, 5), "i:5;");
	ck_assert_mem_eq(vars.head, before, sizeof(before));
	remove_segment(&vars);
}
END_TEST

START_TEST(a_slow_creator_is_waited_for)
{
	struct ym_vars vars;
	pid_t child = spawn(create_slowly, NULL);
	uint64_t before = ym_now_ns();

	WAIT_UNTIL(process_state(child) == 'T');
	kill(child, SIGCONT);
	attach(&vars, 0);
	ck_assert_uint_lt(ym_now_ns() - before, 2000000000u);
	reap_well(child);
	ck_assert_uint_eq(vars.size, 80);
	remove_segment(&vars);
}
END_TEST

/* ---- races and failures of attach ------------------------------------------------------------- */

static int faster_id;

/* Somebody makes the segment between the search and the creation. */
static int outrun_shmget(key_t wanted, size_t size, int flags)
{
	struct ym_vars other;

	if (flags & IPC_EXCL) {
		ym_sys.shmget = shmget;
		attach(&other, 1000);
		put(&other, 1, "i:1;");
		faster_id = other.id;
		ym_vars_detach(&other);
	}
	return shmget(wanted, size, flags);
}

/* Somebody removes the segment between the search and the attach. */
static void *outrun_shmat(int id, const void *addr, int flags)
{
	ym_sys.shmat = shmat;
	shmctl(id, IPC_RMID, NULL);
	return shmat(id, addr, flags);
}

static void run_races(void *arg)
{
	struct ym_vars vars;

	(void)arg;
	ym_sys.shmget = outrun_shmget;
	attach(&vars, 0);
	ck_assert(!vars.created);
	ck_assert_int_eq(vars.id, faster_id);
	ck_assert_str_eq(get(&vars, 1), "i:1;");
	ym_vars_detach(&vars);
	ym_sys.shmat = outrun_shmat;
	attach(&vars, 2000);
	ck_assert(vars.created);
	ck_assert_int_ne(vars.id, faster_id);
	ck_assert_uint_eq(vars.size, 2000);
	remove_segment(&vars);
}

START_TEST(others_come_and_go_meanwhile)
{
	run_child(run_races, NULL);
}
END_TEST

static const int errnos[] = {EACCES, EEXIST, EFAULT, EIDRM, EINVAL, EMFILE, ENFILE, ENOENT, ENOMEM, ENOSPC, EPERM};

/* Every call of attaching fails once with everything: an error with a text, or success anyway; nothing is left. */
static void sweep(void *arg)
{
	const bool existing = *(bool *)arg;
	struct ym_vars vars, keeper;
	unsigned failures = 0;
	bool more = true;

	for (int at = 1; more; at++) {
		for (size_t i = 0; i < COUNT(errnos); i++) {
			int before = count_objects(), result;

			if (existing)
				attach(&keeper, 400);
			arm_fault(at, errnos[i]);
			err = (struct ym_err){0};
			result = ym_vars_attach(&vars, key, 400, 0600, 0, &err);
			more = fault_hit();
			ym_sys = faults.real;
			if (result < 0) {
				failures++;
				ck_assert_int_eq(result, -1);
				ck_assert_ptr_null(vars.head);
				ck_assert_int_eq(vars.id, -1);
				ck_assert_int_ne(err.class, YM_ERR_NONE);
				ASSERT_IN("0x", err.text);
			} else if (!existing) {
				ck_assert(vars.created);
				remove_segment(&vars);
			} else {
				ym_vars_detach(&vars);
			}
			if (existing)
				remove_segment(&keeper);
			ck_assert_int_eq(count_objects(), before);
		}
	}
	ck_assert_uint_ge(failures, 2 * COUNT(errnos));
}

START_TEST(every_call_of_attach_fails_once)
{
	for (int existing = 0; existing < 2; existing++) {
		bool yes = existing;

		run_child(sweep, &yes);
	}
}
END_TEST

static void failing_calls(void *arg)
{
	struct ym_vars vars;
	struct ym_vars_stat stat;

	(void)arg;
	attach(&vars, 400);
	put(&vars, 1, "i:1;");
	arm_fault(1, EACCES);
	ASSERT_ERR(ym_vars_stat(&vars, &stat, &err), YM_ERR_PERMISSION);
	arm_fault(1, EPERM);
	ASSERT_ERR(ym_vars_destroy(&vars, false, &err), YM_ERR_PERMISSION);
	/* Nothing is wiped that is not removed. */
	arm_fault(1, EACCES);
	ASSERT_ERR(ym_vars_destroy(&vars, true, &err), YM_ERR_PERMISSION);
	ck_assert_str_eq(get(&vars, 1), "i:1;");
	arm_fault(1, EIDRM);
	ASSERT_OK(ym_vars_destroy(&vars, false, &err));
	ym_sys = faults.real;
	remove_segment(&vars);
}

START_TEST(failures_of_other_calls)
{
	run_child(failing_calls, NULL);
}
END_TEST

/* ---- who may what ----------------------------------------------------------------------------- */

static void nobody_attaches(void *arg)
{
	struct ym_vars vars;

	(void)arg;
	become_nobody(NULL);
	ASSERT_ERR(ym_vars_attach(&vars, key, 0, 0600, 0, &err), YM_ERR_PERMISSION);
	ASSERT_OK(ym_vars_attach(&vars, key, 0, 0600, YM_VARS_READONLY, &err));
	ck_assert_str_eq(get(&vars, 1), "i:1;");
	ASSERT_ERR(ym_vars_destroy(&vars, false, &err), YM_ERR_PERMISSION);
	ym_vars_detach(&vars);
}

static void nobody_wipes(void *arg)
{
	struct ym_vars vars;

	(void)arg;
	become_nobody(NULL);
	ASSERT_OK(ym_vars_attach(&vars, key, 0, 0600, 0, &err));
	ASSERT_ERR(ym_vars_destroy(&vars, true, &err), YM_ERR_PERMISSION);
	ck_assert_str_eq(get(&vars, 1), "i:1;");
	ym_vars_detach(&vars);
}

START_TEST(other_users)
{
	struct ym_vars vars;
	struct shmid_ds ds;

	if (!have_nobody())
		return;
	ASSERT_OK(ym_vars_attach(&vars, key, 0, 0644, 0, &err));
	put(&vars, 1, "i:1;");
	run_child(nobody_attaches, NULL);
	ck_assert_int_eq(shmctl(vars.id, IPC_STAT, &ds), 0);
	ds.shm_perm.mode = 0666;
	ck_assert_int_eq(shmctl(vars.id, IPC_SET, &ds), 0);
	run_child(nobody_wipes, NULL);
	remove_segment(&vars);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vars_attach");
	TCase *tcase = tcase_create("vars_attach");

	tcase_add_checked_fixture(tcase, begin_vars, end_test);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, later_ones_get_it_as_it_is);
	tcase_add_test(tcase, what_a_caller_asks_for);
	tcase_add_test(tcase, small_segments);
	tcase_add_test(tcase, foreign_segments_are_not_touched);
	tcase_add_test(tcase, byte_7_of_the_magic_means_nothing);
	tcase_add_test(tcase, segments_of_32_bits_are_recognised);
	tcase_add_test(tcase, unfinished_ones_are_finished);
	tcase_add_test(tcase, a_reader_does_not_format);
	tcase_add_test(tcase, a_slow_creator_spoils_nothing);
	tcase_add_test(tcase, a_slow_creator_is_waited_for);
	tcase_add_test(tcase, others_come_and_go_meanwhile);
	tcase_add_test(tcase, every_call_of_attach_fails_once);
	tcase_add_test(tcase, failures_of_other_calls);
	tcase_add_test(tcase, other_users);
	return run_suite(suite);
}
