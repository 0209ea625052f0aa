/*
 * test_faults.c - every System V call of every operation fails once, with every errno that the manual gives for it.
 *
 * Whatever happens, the operation succeeds (it tried again) or says what is wrong, leaves no object behind that it made
 * itself, takes no unit and no message with it, and works when it is tried once more. EAGAIN of semtimedop() is no
 * failure but an answer; its tests are those of the deadlines.
 */
#include "../../ipc/group.h"
#include "../../ipc/queue.h"
#include "../../ipc/sem.h"
#include "../../ipc/vars.h"
#include "faults.h"

/* Exit codes of the child that runs an operation. */
enum { TRIED, NO_MORE_ERRNOS = 41, NO_MORE_CALLS = 42 };

static const struct {
	const char *call;
	int errnos[11]; /* until 0 */
} manual[] = {
    {"semget", {EACCES, EEXIST, EINVAL, ENOENT, ENOMEM, ENOSPC}},
    {"semtimedop", {E2BIG, EACCES, EFAULT, EFBIG, EIDRM, EINTR, EINVAL, ENOMEM, ERANGE}},
    {"semctl", {EACCES, EFAULT, EIDRM, EINVAL, EPERM, ERANGE}},
    {"shmget", {EACCES, EEXIST, EINVAL, ENFILE, ENOENT, ENOMEM, ENOSPC, EPERM}},
    {"shmat", {EACCES, EIDRM, EINVAL, ENOMEM}},
    {"shmdt", {EINVAL}},
    {"shmctl", {EACCES, EFAULT, EIDRM, EINVAL, ENOMEM, EOVERFLOW, EPERM}},
    {"msgget", {EACCES, EEXIST, ENOENT, ENOMEM, ENOSPC}},
    {"msgsnd", {EACCES, EAGAIN, EFAULT, EIDRM, EINTR, EINVAL, ENOMEM}},
    {"msgrcv", {E2BIG, EACCES, EFAULT, EIDRM, EINTR, EINVAL, ENOMSG, ENOSYS}},
    {"msgctl", {EACCES, EFAULT, EIDRM, EINVAL, EPERM}},
};

/* One operation. `verify` looks at what is left of it, tries it once more, and clears up. */
struct subject {
	const char *name;
	void (*prepare)(void);
	int (*run)(void);
	void (*verify)(int result);
	void (*afterwards)(void); /* in the parent, when the process is gone; may be NULL */
	int calls;                /* it makes at least so many */
};

static struct attempt {
	const struct subject *subject;
	int at;     /* the call that fails */
	int number; /* of the errno in its row */
} attempt;
static key_t key;
static int injected;

static int choose(const char *call)
{
	for (size_t i = 0; i < COUNT(manual); i++)
		if (strcmp(manual[i].call, call) == 0) {
			injected = manual[i].errnos[attempt.number];
			return injected;
		}
	ck_abort_msg("%s is not in the table", call);
}

static void run_attempt(void *arg)
{
	const struct subject *subject = attempt.subject;
	bool hit;
	int result;

	(void)arg;
	subject->prepare();
	err = (struct ym_err){0};
	arm_fault(attempt.at, 0);
	faults.choose = choose;
	result = subject->run();
	hit = fault_hit();
	arm_fault(0, 0);
	ck_assert_int_ge(result, -1);
	if (result < 0) {
		ck_assert_msg(err.class != YM_ERR_NONE && err.class != YM_ERR_BUG, "class %s", ym_err_word(err.class));
		ck_assert(err.text[0]);
	}
	subject->verify(result);
	/* A signal is no reason to fail, either. */
	if (injected == 0 || injected == EINTR)
		ck_assert_msg(result >= 0, "failed without a reason: %s", err.text);
	if (!hit)
		_exit(NO_MORE_CALLS);
	if (injected == 0)
		_exit(NO_MORE_ERRNOS);
}

static void sweep(const struct subject *subject)
{
	int status = 0, failed = 0;

	for (attempt = (struct attempt){.subject = subject, .at = 1};; attempt.number++) {
		key = fresh_key();
		status = reap(spawn(run_attempt, NULL));
		ck_assert_msg(WIFEXITED(status) &&
		                  (WEXITSTATUS(status) == TRIED || WEXITSTATUS(status) == NO_MORE_ERRNOS ||
		                   WEXITSTATUS(status) == NO_MORE_CALLS),
		              "%s: call %d, errno number %d: status 0x%x", subject->name, attempt.at, attempt.number,
		              (unsigned)status);
		if (subject->afterwards)
			subject->afterwards();
		ck_assert_msg(count_objects() == objects_before, "%s: call %d, errno number %d: %d objects are left",
		              subject->name, attempt.at, attempt.number, count_objects() - objects_before);
		if (WEXITSTATUS(status) == NO_MORE_CALLS)
			break;
		failed += WEXITSTATUS(status) == TRIED;
		if (WEXITSTATUS(status) == NO_MORE_ERRNOS) {
			attempt.at++;
			attempt.number = -1;
		}
	}
	ck_assert_msg(attempt.at > subject->calls && failed >= subject->calls, "%s made only %d calls", subject->name,
	              attempt.at - 1);
}

/* ---- semaphores: two units, of which `other` has one where it is there ------------------------ */

static struct ym_sem sem, other;
static int id;

static void attach(struct ym_sem *to)
{
	ASSERT_OK(ym_sem_get(to, key, 2, 0600, ym_deadline(PATIENCE_MS), &err));
}

static void nothing(void)
{
}

static int run_sem_get(void)
{
	return ym_sem_get(&sem, key, 2, 0600, ym_deadline(PATIENCE_MS), &err);
}

static void assert_numbers(int value, int usage)
{
	int set = semget(key, 0, 0);

	ck_assert_int_eq(ym_sem_value(set, YM_SEM_VALUE), value);
	ck_assert_int_eq(ym_sem_value(set, YM_SEM_USAGE), usage);
	ck_assert_int_eq(ym_sem_value(set, YM_SEM_LOCK), 0);
}

static void verify_new_sem(int result)
{
	if (result < 0) {
		ck_assert_int_eq(sem.id, -1);
		ck_assert_int_eq(semget(key, 0, 0), -1);
		attach(&sem);
	}
	assert_numbers(2, 1);
	ASSERT_OK(ym_sem_remove(sem.id, &err));
}

static void prepare_other(void)
{
	attach(&other);
	ASSERT_OK(ym_sem_try(&other, &err));
}

static void verify_second_sem(int result)
{
	assert_numbers(1, result < 0 ? 1 : 2);
	ym_sem_close(&sem);
	attach(&sem);
	ASSERT_OK(ym_sem_try(&sem, &err));
	assert_numbers(0, 2);
	ASSERT_OK(ym_sem_remove(sem.id, &err));
}

static void prepare_sem(void)
{
	attach(&sem);
}

static void prepare_held(void)
{
	attach(&sem);
	ASSERT_OK(ym_sem_try(&sem, &err));
}

static int run_try(void)
{
	return ym_sem_try(&sem, &err);
}

static int run_acquire(void)
{
	return ym_sem_acquire(&sem, ym_deadline(PATIENCE_MS), &err);
}

static int run_release(void)
{
	return ym_sem_release(&sem, &err);
}

/* The handle knows what the kernel knows. */
static void verify_units(int result)
{
	(void)result;
	assert_numbers(2 - (int)sem.held, 1);
	if (sem.held)
		ASSERT_OK(ym_sem_release(&sem, &err));
	ASSERT_OK(ym_sem_acquire(&sem, ym_deadline(0), &err));
	ym_sem_close(&sem);
	assert_numbers(2, 0);
	ASSERT_OK(ym_sem_remove(semget(key, 0, 0), &err));
}

static int run_grow(void)
{
	return ym_sem_resize(&sem, 3, YM_NEVER, &err);
}

static void verify_grown(int result)
{
	assert_numbers(result < 0 ? 2 : 5, 1);
	ASSERT_OK(ym_sem_resize(&sem, -1, YM_NEVER, &err));
	ASSERT_OK(ym_sem_remove(sem.id, &err));
}

static int run_sem_stat(void)
{
	struct ym_sem_stat stat;
	int result = ym_sem_stat(sem.id, &stat, &err);

	if (result == 0)
		ck_assert(stat.value == 2 && stat.usage == 1 && stat.members == 3);
	return result;
}

static int run_find(void)
{
	return ym_sem_find(key, &id, &err);
}

static int run_close(void)
{
	ym_sem_close(&sem);
	return 0;
}

static void verify_closed(int result)
{
	(void)result;
	assert_numbers(2, 0);
	ASSERT_OK(ym_sem_remove(semget(key, 0, 0), &err));
}

static int run_sem_remove(void)
{
	return ym_sem_remove(sem.id, &err);
}

static int run_remove_unused(void)
{
	return ym_sem_remove_unused(sem.id, 1, &err);
}

/* "Gone already" may have been a lie. */
static void verify_removed(int result)
{
	if (semget(key, 0, 0) >= 0 && result < 0)
		assert_numbers(2, 1);
	ASSERT_OK(ym_sem_remove(sem.id, &err));
}

static const struct subject sem_subjects[] = {
    {"sem_get, new", nothing, run_sem_get, verify_new_sem, NULL, 6},
    {"sem_get, second", prepare_other, run_sem_get, verify_second_sem, NULL, 4},
    {"sem_try", prepare_sem, run_try, verify_units, NULL, 1},
    {"sem_acquire", prepare_sem, run_acquire, verify_units, NULL, 1},
    {"sem_release", prepare_held, run_release, verify_units, NULL, 1},
    {"sem_resize", prepare_sem, run_grow, verify_grown, NULL, 1},
    {"sem_stat", prepare_sem, run_sem_stat, verify_units, NULL, 6},
    {"sem_find", prepare_sem, run_find, verify_units, NULL, 1},
    {"sem_close", prepare_sem, run_close, verify_closed, NULL, 1},
    {"sem_close, holding", prepare_held, run_close, verify_closed, NULL, 1},
    {"sem_remove", prepare_sem, run_sem_remove, verify_removed, NULL, 1},
    {"sem_remove_unused", prepare_sem, run_remove_unused, verify_removed, NULL, 2},
};

START_TEST(semaphores)
{
	sweep(&sem_subjects[_i]);
}
END_TEST

/* ---- queues ---------------------------------------------------------------------------------- */

static struct ym_buffer got;
static long got_type;

static void remove_queue(void)
{
	ym_buffer_free(&got);
	ASSERT_OK(ym_queue_remove(msgget(key, 0), &err));
}

static int run_queue_get(void)
{
	return ym_queue_get(key, 0600, &id, &err);
}

static int run_queue_create(void)
{
	return ym_queue_create(key, 0600, &id, &err);
}

static void verify_new_queue(int result)
{
	if (result < 0) {
		ck_assert_int_eq(msgget(key, 0), -1);
		ASSERT_OK(ym_queue_get(key, 0600, &id, &err));
	}
	ck_assert_int_eq(msgget(key, 0), id);
	remove_queue();
}

static void prepare_queue(void)
{
	ASSERT_OK(ym_queue_create(key, 0600, &id, &err));
}

static int run_queue_open(void)
{
	return ym_queue_open(key, &id, &err);
}

static void verify_old_queue(int result)
{
	struct ym_queue_stat stat;

	(void)result;
	id = msgget(key, 0);
	ASSERT_OK(ym_queue_stat(id, &stat, &err));
	remove_queue();
}

static int run_send(void)
{
	struct {
		long type;
		char bytes[8];
	} message = {3, "i:12345"};

	return ym_queue_send(id, &message, 8, &err);
}

static int run_send_bytes(void)
{
	return ym_queue_send_bytes(id, 3, "i:12345;", 8, YM_NEVER, &err);
}

static int run_send_value(void)
{
	struct ym_value value = ym_value_int(12345);

	return ym_queue_send_value(id, 3, &value, false, ym_deadline(PATIENCE_MS), &err);
}

static void verify_sent(int result)
{
	struct ym_queue_stat stat;

	ASSERT_OK(ym_queue_stat(id, &stat, &err));
	ck_assert_uint_eq(stat.messages, result == 0);
	ASSERT_OK(ym_queue_send_bytes(id, 3, "x", 1, 0, &err));
	remove_queue();
}

static void prepare_message(void)
{
	prepare_queue();
	ASSERT_OK(ym_queue_send_bytes(id, 3, "i:12345;", 8, 0, &err));
}

static int run_receive(void)
{
	return ym_queue_receive(id, 0, 0, 0, YM_NEVER, &got, &got_type, &err);
}

static int run_receive_in_time(void)
{
	return ym_queue_receive(id, -5, 0, 0, ym_deadline(PATIENCE_MS), &got, &got_type, &err);
}

static int run_receive_value(void)
{
	struct ym_value value;
	int result = ym_queue_receive_value(id, 3, 0, 0, 0, &value, &got_type, &err);

	ck_assert_int_eq(value.type, result == 0 ? YM_TYPE_INT : YM_TYPE_NULL);
	return result;
}

/* It came, or it is still there. */
static void verify_received(int result)
{
	if (result == 0)
		ck_assert_int_eq(got_type, 3);
	ck_assert_int_eq(ym_queue_receive(id, 0, 0, 0, 0, &got, &got_type, &err), result == 0);
	remove_queue();
}

static int run_peek(void)
{
	return ym_queue_peek(id, 0, &got, &got_type, &err);
}

static void verify_peeked(int result)
{
	if (result == 0) {
		ck_assert_uint_eq(got.length, 8);
		ck_assert_int_eq(got_type, 3);
	}
	ASSERT_OK(ym_queue_receive(id, 0, 0, 0, 0, &got, &got_type, &err));
	remove_queue();
}

static int run_queue_stat(void)
{
	struct ym_queue_stat stat;

	return ym_queue_stat(id, &stat, &err);
}

static int run_set(void)
{
	return ym_queue_set(id, &(struct ym_queue_change){1000, -1, -1, -1}, &err);
}

static void verify_set(int result)
{
	struct ym_queue_stat stat;

	ASSERT_OK(ym_queue_stat(id, &stat, &err));
	ck_assert((result == 0) == (stat.capacity == 1000));
	remove_queue();
}

static int run_queue_remove(void)
{
	return ym_queue_remove(id, &err);
}

static void verify_queue_removed(int result)
{
	(void)result;
	ASSERT_OK(ym_queue_remove(id, &err));
}

static const struct subject queue_subjects[] = {
    {"queue_get, new", nothing, run_queue_get, verify_new_queue, NULL, 2},
    {"queue_get, old", prepare_queue, run_queue_get, verify_old_queue, NULL, 1},
    {"queue_create", nothing, run_queue_create, verify_new_queue, NULL, 1},
    {"queue_open", prepare_queue, run_queue_open, verify_old_queue, NULL, 1},
    {"queue_send", prepare_queue, run_send, verify_sent, NULL, 1},
    {"queue_send_bytes", prepare_queue, run_send_bytes, verify_sent, NULL, 1},
    {"queue_send_value", prepare_queue, run_send_value, verify_sent, NULL, 1},
    {"queue_receive", prepare_message, run_receive, verify_received, NULL, 1},
    {"queue_receive, in time", prepare_message, run_receive_in_time, verify_received, NULL, 1},
    {"queue_receive_value", prepare_message, run_receive_value, verify_received, NULL, 1},
    {"queue_peek", prepare_message, run_peek, verify_peeked, NULL, 1},
    {"queue_stat", prepare_queue, run_queue_stat, verify_old_queue, NULL, 1},
    {"queue_set", prepare_queue, run_set, verify_set, NULL, 2},
    {"queue_remove", prepare_queue, run_queue_remove, verify_queue_removed, NULL, 1},
};

START_TEST(queues)
{
	sweep(&queue_subjects[_i]);
}
END_TEST

/* ---- variable segments ----------------------------------------------------------------------- */

static struct ym_vars vars;

static int run_vars_attach(void)
{
	return ym_vars_attach(&vars, key, 1000, 0600, 0, &err);
}

static void put_and_destroy(void)
{
	struct ym_value value = ym_value_int(1);

	ASSERT_OK(ym_vars_put(&vars, 1, &value, &err));
	ASSERT_OK(ym_vars_destroy(&vars, false, &err));
	ym_vars_detach(&vars);
}

static void verify_new_vars(int result)
{
	if (result < 0) {
		ck_assert_int_eq(vars.id, -1);
		ck_assert_int_eq(shmget(key, 0, 0), -1);
		ASSERT_OK(run_vars_attach());
	}
	put_and_destroy();
}

static void prepare_vars(void)
{
	ASSERT_OK(run_vars_attach());
	ym_vars_detach(&vars);
}

static void verify_old_vars(int result)
{
	if (result < 0) {
		ck_assert_int_eq(vars.id, -1);
		ASSERT_OK(run_vars_attach());
		ck_assert(!vars.created);
	}
	put_and_destroy();
}

static const struct subject vars_subjects[] = {
    {"vars_attach, new", nothing, run_vars_attach, verify_new_vars, NULL, 3},
    {"vars_attach, old", prepare_vars, run_vars_attach, verify_old_vars, NULL, 3},
};

START_TEST(variables)
{
	sweep(&vars_subjects[_i]);
}
END_TEST

/* ---- groups ---------------------------------------------------------------------------------- */

static const struct ym_group_object objects[] = {
    {.kind = YM_OBJECT_SEGMENT, .name = "table", .size = 4096, .version = 1},
    {.kind = YM_OBJECT_QUEUE, .name = "queue"},
    {.kind = YM_OBJECT_SEMAPHORE, .name = "limit", .size = 2},
};

static struct ym_group group;

static int join(struct ym_group *to)
{
	struct ym_group_spec spec = {
	    .directory = directory,
	    .role = "test",
	    .capacity = 8,
	    .mode = 0600,
	    .patience_ms = 200,
	    .objects = objects,
	    .nobjects = COUNT(objects),
	};

	return ym_group_join(to, &spec, &err);
}

static int run_join(void)
{
	return join(&group);
}

/* A LOCK that could not be given back is free again when the process ends; until then not even it can leave. */
static void verify_joined(int result)
{
	if (result < 0)
		ck_assert_int_eq(group.semid, -1);
	else if (ym_group_leave(&group, NULL, &err) < 0 && group.semid >= 0)
		ck_assert_int_eq(err.class, YM_ERR_TIMEOUT);
}

static void prepare_member(void)
{
	ASSERT_OK(join(&group));
}

static int run_leave(void)
{
	return ym_group_leave(&group, NULL, &err);
}

static void verify_left(int result)
{
	/* Who could not leave is still inside, and can. */
	if (result < 0 && group.semid >= 0)
		ASSERT_OK(ym_group_leave(&group, NULL, &err));
	ck_assert_int_eq(group.semid, -1);
}

static int run_objects(void)
{
	struct ym_sem limit;
	size_t size;
	void *contents;
	int queue;

	if (ym_group_segment(&group, "table", &contents, &size, &err) < 0)
		return -1;
	ym_group_unmap(contents);
	if (ym_group_queue(&group, "queue", &queue, &err) < 0 || ym_group_sem(&group, "limit", &limit, &err) < 0)
		return -1;
	ym_sem_close(&limit);
	return 0;
}

static void verify_objects(int result)
{
	(void)result;
	ASSERT_OK(run_objects());
	verify_joined(0);
}

/* An object whose removal was refused by a fault stays behind, and nobody knows it any more. */
static void remove_refused(void)
{
	static const char *const kinds[] = {"shm", "msg", "sem"};

	for (size_t kind = 0; kind < COUNT(kinds); kind++) {
		char path[64], line[512];
		FILE *file;
		int left;

		snprintf(path, sizeof(path), "/proc/sysvipc/%s", kinds[kind]);
		file = fopen(path, "re");
		ck_assert_ptr_nonnull(file);
		while (fgets(line, sizeof(line), file)) {
			if (sscanf(line, "%*d %d", &left) != 1)
				continue;
			if (kind == 0)
				shmctl(left, IPC_RMID, NULL);
			else if (kind == 1)
				msgctl(left, IPC_RMID, NULL);
			else
				semctl(left, 0, IPC_RMID);
		}
		fclose(file);
	}
}

/* Whatever the process left: the next one joins, and its leave clears it up. */
static void recover(void)
{
	struct ym_group next;
	bool last;

	ASSERT_OK(join(&next));
	ASSERT_OK(ym_group_leave(&next, &last, &err));
	ck_assert(last);
}

static void recover_all_but_one(void)
{
	ck_assert_int_eq(objects_before, 0);
	recover();
	ck_assert_int_le(count_objects(), 1);
	remove_refused();
}

static const struct subject group_subjects[] = {
    {"group_join", nothing, run_join, verify_joined, recover, 20},
    {"group_leave", prepare_member, run_leave, verify_left, recover_all_but_one, 8},
    {"group objects", prepare_member, run_objects, verify_objects, recover, 8},
};

START_TEST(groups)
{
	sweep(&group_subjects[_i]);
}
END_TEST

/* The second participant: the first one is always well afterwards. */
START_TEST(a_second_participant)
{
	static const struct subject subjects[] = {
	    {"group_join, second", nothing, run_join, verify_joined, NULL, 3},
	    {"group_leave, second", prepare_member, run_leave, verify_left, NULL, 1},
	};
	struct ym_group first;
	bool dead[8];
	int before = objects_before;

	ASSERT_OK(join(&first));
	objects_before = count_objects();
	for (size_t i = 0; i < COUNT(subjects); i++) {
		sweep(&subjects[i]);
		ck_assert_int_eq(ym_group_usage(&first), 1);
		ck_assert_int_ge(ym_group_dead(&first, dead, &err), 0);
		for (unsigned slot = 0; slot < COUNT(dead); slot++)
			if (dead[slot])
				ym_group_bury(&first, slot);
	}
	objects_before = before;
	ASSERT_OK(ym_group_leave(&first, NULL, &err));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("faults");
	TCase *tcase = add_case(suite, "faults");

	tcase_add_loop_test(tcase, semaphores, 0, COUNT(sem_subjects));
	tcase_add_loop_test(tcase, queues, 0, COUNT(queue_subjects));
	tcase_add_loop_test(tcase, variables, 0, COUNT(vars_subjects));
	tcase_add_loop_test(tcase, groups, 0, COUNT(group_subjects));
	tcase_add_test(tcase, a_second_participant);
	return run_suite(suite);
}
