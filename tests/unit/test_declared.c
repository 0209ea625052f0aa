/*
 * test_declared.c - groups as a program outside Yardmaster uses them: declared objects, the short way in, a guardian by
 * fork.
 */
#include <signal.h>
#include <sys/mman.h>

#include "../../ipc/group.h"
#include "../../ipc/key.h"
#include "../../ipc/procfs.h"
#include "../../ipc/queue.h"
#include "../../ipc/registry.h"
#include "support.h"

#define CAPACITY 8u
#define OBJECTS  6 /* the set, the registry, and one of each kind */

static const struct ym_group_object declared[] = {
    {.kind = YM_OBJECT_SEGMENT, .name = "progress", .size = 100, .version = 3},
    {.kind = YM_OBJECT_VARIABLES, .name = "data", .size = 1000},
    {.kind = YM_OBJECT_QUEUE, .name = "inbox", .mode = 0622},
    {.kind = YM_OBJECT_SEMAPHORE, .name = "limit", .size = 2},
};

static struct ym_group_spec spec_of(const struct ym_group_object *objects, unsigned n)
{
	return (struct ym_group_spec){
	    .directory = directory,
	    .role = "tester",
	    .capacity = CAPACITY,
	    .mode = 0600,
	    .patience_ms = PATIENCE_MS,
	    .objects = objects,
	    .nobjects = n,
	};
}

static void join(struct ym_group *group)
{
	struct ym_group_spec spec = spec_of(declared, COUNT(declared));

	ASSERT_OK(ym_group_join(group, &spec, &err));
}

static void leave(struct ym_group *group)
{
	ASSERT_OK(ym_group_leave(group, NULL, &err));
}

static key_t key_of(const char *name)
{
	char path[PATH_MAX];

	join_path(path, name);
	return ftok(path, 'y');
}

/* ---- declared objects ------------------------------------------------------------------------ */

START_TEST(every_kind_by_name_and_by_key)
{
	struct ym_queue_stat stat;
	struct ym_value value;
	struct ym_group group;
	struct ym_vars vars, same;
	struct ym_sem sem;
	size_t size;
	void *contents;
	int id, other;

	join(&group);
	ck_assert_int_eq(count_objects() - objects_before, OBJECTS);
	ASSERT_OK(ym_group_segment(&group, "progress", &contents, &size, &err));
	ck_assert_uint_eq(size, 100);
	for (size_t i = 0; i < size; i++)
		ck_assert_int_eq(((char *)contents)[i], 0);
	memset(contents, 'x', size);
	ym_group_unmap(contents);

	ASSERT_OK(ym_group_queue(&group, "inbox", &id, &err));
	ck_assert_int_eq(msgget(key_of("inbox"), 0), id);
	ASSERT_OK(ym_queue_stat(id, &stat, &err));
	ck_assert_uint_eq(stat.mode, 0622);

	ASSERT_OK(ym_group_sem(&group, "limit", &sem, &err));
	ck_assert_int_eq(semget(key_of("limit"), 0, 0), sem.id);
	ASSERT_OK(ym_sem_try(&sem, &err));
	ASSERT_OK(ym_sem_try(&sem, &err));
	ck_assert_int_eq(ym_sem_try(&sem, &err), 1);
	ym_sem_close(&sem);

	ASSERT_OK(ym_group_vars(&group, "data", 0, &vars, &err));
	value = ym_value_int(42);
	ASSERT_OK(ym_vars_put(&vars, 1, &value, &err));
	ASSERT_OK(ym_vars_attach(&same, key_of("data"), 0, 0600, YM_VARS_EXISTING, &err));
	ck_assert_int_eq(same.id, vars.id);
	ck_assert_uint_eq(same.size, 1000);
	ASSERT_OK(ym_vars_get(&same, 1, &value, &err));
	ck_assert_int_eq(value.integer, 42);
	ym_vars_detach(&same);
	ym_vars_detach(&vars);

	ck_assert(ym_object_behind(YM_OBJECT_SEGMENT, key_of("progress"), &other));
	leave(&group);
	assert_nothing_left();
}
END_TEST

static void find_and_change(void *arg)
{
	struct ym_group group;
	void *contents;

	(void)arg;
	join(&group);
	ASSERT_OK(ym_group_segment(&group, "progress", &contents, NULL, &err));
	ck_assert_str_eq(contents, "parent");
	memcpy(contents, "child", 6);
	ym_group_unmap(contents);
	leave(&group);
}

START_TEST(participants_share_them)
{
	struct ym_group group;
	void *contents;

	join(&group);
	ASSERT_OK(ym_group_segment(&group, "progress", &contents, NULL, &err));
	memcpy(contents, "parent", 7);
	run_child(find_and_change, NULL);
	ck_assert_str_eq(contents, "child");
	ym_group_unmap(contents);
	leave(&group);
}
END_TEST

START_TEST(names_and_kinds_are_checked)
{
	struct ym_group group;
	void *contents;
	int id;

	join(&group);
	ASSERT_ERR(ym_group_queue(&group, "outbox", &id, &err), YM_ERR_USAGE);
	ASSERT_IN("outbox", err.text);
	ASSERT_ERR(ym_group_queue(&group, "limit", &id, &err), YM_ERR_USAGE);
	ASSERT_ERR(ym_group_segment(&group, "data", &contents, NULL, &err), YM_ERR_USAGE);
	leave(&group);
}
END_TEST

START_TEST(declarations_that_cannot_be)
{
	static const struct ym_group_object bad[][2] = {
	    {{.kind = YM_OBJECT_QUEUE, .name = "a/b"}, {.kind = YM_OBJECT_QUEUE, .name = "x"}},
	    {{.kind = YM_OBJECT_QUEUE, .name = ""}, {.kind = YM_OBJECT_QUEUE, .name = "x"}},
	    {{.kind = YM_OBJECT_QUEUE, .name = "members"}, {.kind = YM_OBJECT_QUEUE, .name = "x"}},
	    {{.kind = YM_OBJECT_QUEUE, .name = ".lock"}, {.kind = YM_OBJECT_QUEUE, .name = "x"}},
	    {{.kind = YM_OBJECT_QUEUE, .name = "x"}, {.kind = YM_OBJECT_SEMAPHORE, .name = "x"}},
	    {{.kind = YM_OBJECT_QUEUE, .name = "x"}, {.kind = YM_OBJECT_SEMAPHORE, .name = "y", .size = 40000}},
	    {{.kind = YM_OBJECT_QUEUE, .name = "x"},
	     {.kind = YM_OBJECT_SEGMENT, .name = "longer-than-fifteen", .size = 10}},
	    {{.kind = YM_OBJECT_QUEUE, .name = "x"}, {.kind = YM_OBJECT_VARIABLES, .name = "y", .size = 8}},
	    {{.kind = YM_OBJECT_QUEUE, .name = "x"}, {.kind = YM_OBJECT_SEGMENT, .name = "y", .size = SIZE_MAX}},
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct ym_group_spec spec = spec_of(bad[i], 2);
		struct ym_group group;

		ASSERT_ERR(ym_group_join(&group, &spec, &err), YM_ERR_USAGE);
		assert_nothing_left();
	}
}
END_TEST

START_TEST(odd_but_possible)
{
	struct ym_group_spec spec = spec_of(declared, COUNT(declared));
	struct ym_group group;

	spec.role = NULL;
	spec.patience_ms = 0;
	ASSERT_OK(ym_group_join(&group, &spec, &err));
	leave(&group);
	spec.patience_ms = INT64_MAX;
	ASSERT_OK(ym_group_join(&group, &spec, &err));
	leave(&group);
	spec.mode = 0400;
	ASSERT_ERR(ym_group_join(&group, &spec, &err), YM_ERR_USAGE);
	ck_assert_int_eq(group.semid, -1);
}
END_TEST

START_TEST(removed_by_hand)
{
	struct ym_group group;
	struct ym_sem sem;
	int id;

	join(&group);
	ASSERT_OK(ym_group_queue(&group, "inbox", &id, &err));
	ASSERT_OK(ym_queue_remove(id, &err));
	ASSERT_ERR(ym_group_queue(&group, "inbox", &id, &err), YM_ERR_GONE);
	ASSERT_OK(ym_group_sem(&group, "limit", &sem, &err));
	ASSERT_OK(ym_sem_remove(sem.id, &err));
	ym_sem_close(&sem);
	ASSERT_ERR(ym_group_sem(&group, "limit", &sem, &err), YM_ERR_GONE);
	leave(&group);
}
END_TEST

START_TEST(another_declaration)
{
	static const struct ym_group_object newer[] = {
	    {.kind = YM_OBJECT_SEGMENT, .name = "progress", .size = 100, .version = 4},
	    {.kind = YM_OBJECT_QUEUE, .name = "outbox"},
	    {.kind = YM_OBJECT_QUEUE, .name = "limit"},
	};
	struct ym_group_spec spec = spec_of(newer, COUNT(newer));
	struct ym_group group, second;
	void *contents;
	int id;

	join(&group);
	ASSERT_OK(ym_group_join(&second, &spec, &err));
	ASSERT_ERR(ym_group_segment(&second, "progress", &contents, NULL, &err), YM_ERR_CORRUPT);
	ASSERT_ERR(ym_group_queue(&second, "outbox", &id, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_group_queue(&second, "limit", &id, &err), YM_ERR_GONE);
	leave(&second);
	leave(&group);
}
END_TEST

/* ---- the short way in ------------------------------------------------------------------------ */

START_TEST(listed_when_it_needs_the_registry)
{
	struct ym_group group, second;
	struct ym_member_sh *member;
	int id;

	join(&group);
	join(&second);
	ck_assert_ptr_null(second.reg);
	ck_assert_uint_ne(second.slot, group.slot);
	ck_assert(ym_group_alive(&group, second.slot));
	member = &group.reg->members[second.slot];
	ck_assert_str_eq(member->role, "");
	ASSERT_OK(ym_group_queue(&second, "inbox", &id, &err));
	ck_assert_str_eq(member->role, "tester");
	ck_assert_int_eq(atomic_load(&member->pid), getpid());
	leave(&second);
	ck_assert(!ym_group_alive(&group, second.slot));
	leave(&group);
}
END_TEST

START_TEST(as_many_as_there_are_slots)
{
	struct ym_group groups[CAPACITY], more;
	struct ym_group_spec spec = spec_of(declared, COUNT(declared));
	bool taken[CAPACITY] = {false};

	for (unsigned i = 0; i < CAPACITY; i++) {
		join(&groups[i]);
		ck_assert(!taken[groups[i].slot]);
		taken[groups[i].slot] = true;
	}
	ASSERT_ERR(ym_group_join(&more, &spec, &err), YM_ERR_FULL);
	for (unsigned i = 0; i < CAPACITY; i++)
		leave(&groups[i]);
}
END_TEST

START_TEST(the_last_may_never_have_needed_it)
{
	struct ym_group group, second;

	join(&group);
	join(&second);
	leave(&group);
	ck_assert_ptr_null(second.reg);
	leave(&second);
	assert_nothing_left();
}
END_TEST

START_TEST(a_registry_removed_by_hand)
{
	struct ym_group_spec spec = spec_of(NULL, 0);
	struct ym_group group, second;

	ASSERT_OK(ym_group_join(&group, &spec, &err));
	ASSERT_OK(ym_group_join(&second, &spec, &err));
	ck_assert_int_eq(shmctl(group.regid, IPC_RMID, NULL), 0);
	ASSERT_ERR(ym_group_registry(&second, &err), YM_ERR_GONE);
	leave(&group);
	leave(&second);
	assert_nothing_left();
}
END_TEST

/* ---- a guardian by fork ---------------------------------------------------------------------- */

static struct guardian_of {
	_Atomic pid_t pid;
} * told;

static void begin_guarded(void)
{
	begin_test();
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(told != MAP_FAILED);
	open_steps();
}

static void join_guarded_and_sleep(void *arg)
{
	struct ym_group group;

	(void)arg;
	signal(SIGTERM, SIG_IGN);
	join(&group);
	ASSERT_OK(ym_group_guardian(&group, &err));
	atomic_store(&told->pid, atomic_load(&group.reg->guardian));
	tell_step();
	sleep_for_ever();
}

static bool ended(pid_t pid)
{
	return ym_process_started(pid) == 0;
}

START_TEST(it_removes_what_the_killed_leave)
{
	pid_t first = spawn(join_guarded_and_sleep, NULL), second, guardian;

	await_step();
	guardian = atomic_load(&told->pid);
	second = spawn(join_guarded_and_sleep, NULL);
	await_step();
	ck_assert_int_eq(atomic_load(&told->pid), guardian);
	kill_and_reap(first);
	ck_assert_int_eq(count_objects() - objects_before, OBJECTS);
	kill_and_reap(second);
	WAIT_UNTIL(count_objects() == objects_before);
	WAIT_UNTIL(ended(guardian));
}
END_TEST

START_TEST(it_ends_with_an_orderly_end)
{
	struct ym_group group;
	pid_t guardian;

	join(&group);
	ASSERT_OK(ym_group_guardian(&group, &err));
	guardian = atomic_load(&group.reg->guardian);
	ck_assert_int_gt(guardian, 0);
	ck_assert_int_ne(guardian, getpid());
	leave(&group);
	assert_nothing_left();
	WAIT_UNTIL(ended(guardian));
}
END_TEST

START_TEST(it_is_replaced_when_it_was_killed)
{
	pid_t child = spawn(join_guarded_and_sleep, NULL), first, second;

	await_step();
	first = atomic_load(&told->pid);
	/* SIGTERM: it does not ignore what its program ignores. */
	ck_assert_int_eq(kill(first, SIGTERM), 0);
	WAIT_UNTIL(ended(first));
	kill_and_reap(child);
	ck_assert_int_eq(count_objects() - objects_before, OBJECTS);
	child = spawn(join_guarded_and_sleep, NULL);
	await_step();
	second = atomic_load(&told->pid);
	ck_assert_int_ne(second, first);
	kill_and_reap(child);
	WAIT_UNTIL(count_objects() == objects_before);
	WAIT_UNTIL(ended(second));
}
END_TEST

static void guard_without_stdio(void *arg)
{
	struct ym_group group;

	(void)arg;
	join(&group);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		close(fd);
	if (ym_group_guardian(&group, &err) < 0 || ym_group_leave(&group, NULL, &err) < 0)
		_exit(1);
	_exit(0);
}

START_TEST(it_needs_no_standard_descriptors)
{
	run_child(guard_without_stdio, NULL);
	assert_nothing_left();
}
END_TEST

START_TEST(it_keeps_nothing_of_the_program)
{
	pid_t child;
	int ends[2];
	char letter;

	ck_assert_int_eq(pipe(ends), 0);
	child = spawn(join_guarded_and_sleep, NULL);
	await_step();
	close(ends[1]);
	/* Stopped: only the guardian could still hold the pipe open. */
	kill_and_reap(child);
	ck_assert_int_eq(read(ends[0], &letter, 1), 0);
	WAIT_UNTIL(count_objects() == objects_before);
	WAIT_UNTIL(ended(atomic_load(&told->pid)));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("declared");
	TCase *tcase = add_case(suite, "objects");

	tcase_add_test(tcase, every_kind_by_name_and_by_key);
	tcase_add_test(tcase, participants_share_them);
	tcase_add_test(tcase, names_and_kinds_are_checked);
	tcase_add_test(tcase, declarations_that_cannot_be);
	tcase_add_test(tcase, odd_but_possible);
	tcase_add_test(tcase, removed_by_hand);
	tcase_add_test(tcase, another_declaration);

	tcase = add_case(suite, "the short way in");
	tcase_add_test(tcase, listed_when_it_needs_the_registry);
	tcase_add_test(tcase, as_many_as_there_are_slots);
	tcase_add_test(tcase, the_last_may_never_have_needed_it);
	tcase_add_test(tcase, a_registry_removed_by_hand);

	tcase = tcase_create("guardian");
	tcase_add_checked_fixture(tcase, begin_guarded, end_test);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, it_removes_what_the_killed_leave);
	tcase_add_test(tcase, it_ends_with_an_orderly_end);
	tcase_add_test(tcase, it_is_replaced_when_it_was_killed);
	tcase_add_test(tcase, it_needs_no_standard_descriptors);
	tcase_add_test(tcase, it_keeps_nothing_of_the_program);
	return run_suite(suite);
}
