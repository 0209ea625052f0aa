/*
 * test_vars_kill.c - variable segments: writers that are killed after any single instruction or at random moments, and
 * readers that do not wait for them.
 */
#include <sched.h>
#include <sys/ptrace.h>

#include "vars_support.h"

/* ---- killed after any instruction ------------------------------------------------------------- */

#define STEP_NAMES 6
#define STEP_SIZE  1024
#define TARGET     2

/* What is done to the target; the length of its value afterwards, -1 if it is removed. */
struct deed {
	const char *what;
	int64_t name;
	int length;
	bool smooth;  /* at no time there is damage but of this variable */
	bool repairs; /* the deed is the repair of a segment that was left half-way */
};

static const struct deed deeds[] = {
    {"a value of the same chunk, other length", TARGET, 29, true, false},
    {"a larger value", TARGET, 100, false, false},
    {"a smaller value", TARGET, 2, false, false},
    {"a removal", TARGET, -1, false, false},
    {"a removal of the first", 0, -1, false, false},
    {"a removal of the last", STEP_NAMES - 1, -1, false, false},
    {"a larger value for the last", STEP_NAMES - 1, 60, false, false},
    {"a new variable", STEP_NAMES, 20, true, false},
    {"a repair", TARGET, -1, false, true},
};

/*
 * The first and the last chunk are as large as the target's: what is left of the last one behind a new end looks whole,
 * and who reads on where the target was finds a chunk there.
 */
static unsigned step_length(int64_t name)
{
	static const unsigned lengths[STEP_NAMES + 1] = {28, 20, 30, 46, 59, 31, 20};

	return lengths[name];
}

struct stepping {
	const struct deed *deed;
	struct ym_vars vars;    /* the one that is changed */
	struct ym_vars scratch; /* a copy that is looked at and repaired */
	bool asks;              /* the reader only asks whether the target is there */
};

static void do_deed(void *arg)
{
	struct stepping *stepping = arg;
	const struct deed *deed = stepping->deed;
	char bytes[512];
	size_t length = checked_value(bytes, deed->name, (unsigned)deed->length & 0xff);

	ck_assert_int_eq(ptrace(PTRACE_TRACEME, 0, NULL, NULL), 0);
	raise(SIGSTOP);
	if (deed->repairs)
		_exit(ym_vars_repair(&stepping->vars, NULL, NULL) == 0 ? 0 : 1);
	if (deed->length < 0)
		_exit(ym_vars_remove(&stepping->vars, deed->name, NULL));
	_exit(ym_vars_put_raw(&stepping->vars, deed->name, bytes, length, NULL) == 0 ? 0 : 1);
}

/* Is variable `name` as it was, or (the one that is changed) as it will be, or missing? True if it is there. */
static bool look_at(const struct stepping *stepping, int64_t name)
{
	const struct deed *deed = stepping->deed;
	char before[512], after[512];
	const char *is = get(&stepping->scratch, name);

	checked_value(before, name, step_length(name));
	if (name != deed->name) {
		ck_assert_msg(is, "%s: variable %d is lost", deed->what, (int)name);
		ck_assert_str_eq(is, before);
		return true;
	}
	checked_value(after, name, (unsigned)deed->length & 0xff);
	ck_assert_msg(!is || strcmp(is, before) == 0 || strcmp(is, after) == 0, "%s: half a value: %s", deed->what, is);
	return is != NULL;
}

/* If the process were killed now? */
static void look_at_all(struct stepping *stepping)
{
	struct ym_vars *scratch = &stepping->scratch;
	char storage[512];
	struct ym_buffer buffer;
	struct ym_vars_stat stat;
	unsigned present = 0;
	int missing;

	memcpy(scratch->head, stepping->vars.head, STEP_SIZE);
	ck_assert(!stepping->deed->smooth || scratch->head->free >= 0);
	/* Without a repair: right or an error. */
	for (int64_t name = 0; name <= STEP_NAMES && scratch->head->free >= 0; name++) {
		ym_buffer_init(&buffer, storage, sizeof(storage));
		missing = ym_vars_get_raw(scratch, name, &buffer, &err);
		if (missing == 0)
			ck_assert_msg(value_fits(storage, buffer.length, name), "%s: a wild value for %d: %.60s",
			              stepping->deed->what, (int)name, storage);
		if (stepping->deed->smooth && name != stepping->deed->name)
			ck_assert_msg(missing == (name == STEP_NAMES), "%s: %s", stepping->deed->what, err.text);
	}
	ASSERT_OK(ym_vars_repair(scratch, NULL, &err));
	for (int64_t name = 0; name <= STEP_NAMES; name++)
		present += name < STEP_NAMES || stepping->deed->name == name ? look_at(stepping, name) : 0;
	ASSERT_OK(ym_vars_stat(scratch, &stat, &err));
	ck_assert_uint_eq(stat.variables, present);
	ck_assert_uint_eq(stat.used + stat.free, STEP_SIZE);
	ck_assert_uint_eq(stat.total, STEP_SIZE);
}

/* Let the child make one instruction after the other, and look at each new state. Returns how many there were. */
static unsigned step_through(struct stepping *stepping, unsigned stop_after)
{
	pid_t child = spawn(do_deed, stepping);
	char before[STEP_SIZE];
	unsigned states = 0;
	int status;

	memcpy(before, stepping->vars.head, STEP_SIZE);
	for (;;) {
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		if (!WIFSTOPPED(status))
			break;
		if (memcmp(before, stepping->vars.head, STEP_SIZE) != 0) {
			memcpy(before, stepping->vars.head, STEP_SIZE);
			look_at_all(stepping);
			if (++states == stop_after) {
				kill_and_reap(child);
				return states;
			}
		}
		ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
	}
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: status 0x%x", stepping->deed->what,
	              (unsigned)status);
	return states;
}

static void set_up(struct stepping *stepping, const struct deed *deed)
{
	char bytes[512];

	stepping->deed = deed;
	ASSERT_OK(ym_vars_attach(&stepping->vars, IPC_PRIVATE, STEP_SIZE, 0600, 0, &err));
	ASSERT_OK(ym_vars_attach(&stepping->scratch, IPC_PRIVATE, STEP_SIZE, 0600, 0, &err));
	for (int64_t name = 0; name < STEP_NAMES; name++)
		ASSERT_OK(
		    ym_vars_put_raw(&stepping->vars, name, bytes, checked_value(bytes, name, step_length(name)), &err));
}

START_TEST(a_kill_costs_one_variable_at_most)
{
	const struct deed *deed = &deeds[_i];
	struct stepping stepping;
	unsigned states;

	if (!deed->repairs) {
		set_up(&stepping, deed);
		states = step_through(&stepping, UINT_MAX);
		ck_assert_uint_ge(states, 2);
		look_at_all(&stepping);
		ck_assert_int_eq(get(&stepping.vars, deed->name) != NULL, deed->length >= 0);
		remove_segment(&stepping.scratch);
		remove_segment(&stepping.vars);
		return;
	}
	/* A removal is killed after so many steps; then its repair is killed after any, and the rest is repaired. */
	for (unsigned after = 1;; after += 3) {
		struct deed removal = {"a removal", deed->name, -1, false, false};

		set_up(&stepping, &removal);
		states = step_through(&stepping, after);
		if (states == after) {
			stepping.deed = deed;
			step_through(&stepping, UINT_MAX);
			look_at_all(&stepping);
		}
		remove_segment(&stepping.scratch);
		remove_segment(&stepping.vars);
		if (states < after)
			break;
	}
}
END_TEST

/* Until repair has come to its end, the segment says that it is damaged. */
START_TEST(a_killed_repair_is_seen)
{
	struct stepping stepping;
	struct deed deed = {"a repair", TARGET, -1, false, true};
	struct ym_vars_stat stat;
	struct ym_var last = {0}, var = {0};
	char before[STEP_SIZE];
	unsigned sound = 0, states = 0;
	int status;
	pid_t child;

	set_up(&stepping, &deed);
	while (ym_vars_next(&stepping.vars, &var, &err) == 0)
		last = var;
	/* A last chunk of no size, and in the second turn a value of no length. */
	if (_i)
		memset((char *)stepping.vars.head + 40 + 8, 0, 8);
	memset((char *)stepping.vars.head + last.at + 16, 0, 8);
	memcpy(before, stepping.vars.head, STEP_SIZE);
	child = spawn(do_deed, &stepping);
	while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
		if (memcmp(before, stepping.vars.head, STEP_SIZE) != 0) {
			memcpy(before, stepping.vars.head, STEP_SIZE);
			sound += ym_vars_stat(&stepping.vars, &stat, &err) == 0;
			states++;
		}
		ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
	}
	ck_assert_uint_ge(states, 3);
	ck_assert_uint_eq(sound, 1);
	ASSERT_OK(ym_vars_stat(&stepping.vars, &stat, &err));
	ck_assert_uint_eq(stat.variables, STEP_NAMES - (_i ? 2u : 1u));
	remove_segment(&stepping.scratch);
	remove_segment(&stepping.vars);
}
END_TEST

/* A short value of the same length changes at once. */
START_TEST(a_counter_is_old_or_new)
{
	struct ym_vars vars;
	int status;
	bool seen = false;
	pid_t child;

	attach(&vars, 0);
	put(&vars, 1, "i:11111;");
	child = fork();
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(ym_vars_put_raw(&vars, 1, "i:99999;", 8, NULL) == 0 ? 0 : 1);
	}
	while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
		const char *is = get(&vars, 1);

		seen |= strcmp(is, "i:99999;") == 0;
		ck_assert_str_eq(is, seen ? "i:99999;" : "i:11111;");
		ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
	}
	ck_assert(seen);
	remove_segment(&vars);
}
END_TEST

/* ---- a reader that is overtaken after any instruction ------------------------------------------ */

static void read_target(void *arg)
{
	const struct ym_vars *vars = &((struct stepping *)arg)->vars;
	char storage[512];
	struct ym_buffer buffer;
	int result;

	ym_buffer_init(&buffer, storage, sizeof(storage));
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	if (((struct stepping *)arg)->asks)
		result = ym_vars_has(vars, TARGET, NULL) == 1 ? 0 : 2;
	else
		result = ym_vars_get_raw(vars, TARGET, &buffer, NULL) == 0 ? 0 : 3;
	raise(SIGSTOP);
	if (buffer.length > 0 && !value_fits(storage, buffer.length, TARGET))
		result = 4;
	_exit(result);
}

/*
 * After so many instructions the first variable goes, so that the target and all the rest move. Returns how many
 * instructions were stepped.
 */
static unsigned overtake(struct stepping *stepping, unsigned after)
{
	pid_t child = spawn(read_target, stepping);
	unsigned stops = 0, step = 0;
	int status;

	for (;;) {
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert(WIFSTOPPED(status));
		stops += WSTOPSIG(status) == SIGSTOP;
		if (stops == 2 || step == after)
			break;
		step++;
		ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
	}
	ck_assert_int_eq(ym_vars_remove(&stepping->vars, 0, &err), 0);
	/* Without the tracer, the second SIGSTOP would stop it. */
	while (WIFSTOPPED(status)) {
		ck_assert_int_eq(ptrace(PTRACE_CONT, child, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
	}
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "overtaken after %u instructions: status 0x%x",
	              step, (unsigned)status);
	return step;
}

/* UINT_MAX: not at all, to count the instructions. */
static unsigned try_overtaking(bool asks, unsigned after)
{
	struct stepping stepping;
	unsigned steps_made;

	set_up(&stepping, &deeds[0]);
	stepping.asks = asks;
	steps_made = overtake(&stepping, after);
	remove_segment(&stepping.scratch);
	remove_segment(&stepping.vars);
	return steps_made;
}

START_TEST(a_reader_is_overtaken)
{
	unsigned all = try_overtaking(false, UINT_MAX);

	for (unsigned i = 0; i < 60; i++)
		try_overtaking(false, random_below(all));
	all = try_overtaking(true, UINT_MAX);
	for (unsigned after = 0; after < all; after += all / 256 + 1)
		try_overtaking(true, after);
}
END_TEST

/* ---- readers and writers at the same time ------------------------------------------------------ */

static void kill_writer(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	status = reap(pid);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "a writer ended by itself: 0x%x",
	              (unsigned)status);
}

/* Moves everything behind itself to and fro, for ever. */
static void move_others(void *arg)
{
	struct ym_vars *vars = arg;

	for (unsigned length = 20;; length = 70 - length)
		for (int64_t name = 0; name < 3; name++) {
			char bytes[512];

			if (ym_vars_put_raw(vars, name, bytes, checked_value(bytes, name, length), NULL) < 0)
				_exit(1);
		}
}

/* Nobody changes variables 10 and 11; they only move. A reader without a semaphore gets the right value or an error. */
START_TEST(readers_need_no_semaphore)
{
	struct ym_vars vars;
	struct ym_buffer buffer;
	char bytes[512], storage[512];
	unsigned good = 0, bad = 0;
	pid_t child;
	uint64_t moves = 0;
	int64_t end = 0;

	attach(&vars, 4000);
	for (int64_t name = 0; name < 3; name++)
		ASSERT_OK(ym_vars_put_raw(&vars, name, bytes, checked_value(bytes, name, 20), &err));
	for (int64_t name = 10; name < 12; name++)
		ASSERT_OK(ym_vars_put_raw(&vars, name, bytes, checked_value(bytes, name, 200), &err));
	child = spawn(move_others, &vars);
	for (uint64_t until = ym_deadline(PATIENCE_MS); moves < 1000 || good < 20000;) {
		int64_t name = 10 + random_below(2);
		int missing;

		ck_assert_uint_lt(ym_now_ns(), until);
		moves += vars.head->end != end;
		end = vars.head->end;
		ym_buffer_init(&buffer, storage, sizeof(storage));
		missing = ym_vars_get_raw(&vars, name, &buffer, &err);
		if (missing < 0) {
			/* The writer was put to sleep in the middle. */
			ck_assert_msg(err.class == YM_ERR_CORRUPT || err.class == YM_ERR_TIMEOUT, "%s", err.text);
			bad++;
			continue;
		}
		ck_assert_int_eq(missing, 0);
		ck_assert_msg(value_fits(storage, buffer.length, name), "a wild value: %.300s", storage);
		good++;
	}
	ck_assert_uint_lt(bad, good / 10);
	kill_writer(child);
	ASSERT_OK(ym_vars_repair(&vars, NULL, &err));
	ck_assert(value_fits(get(&vars, 10), strlen(get(&vars, 10)), 10));
	remove_segment(&vars);
}
END_TEST

/* ---- kills at random moments ------------------------------------------------------------------ */

#define KILLS 300
#define NAMES 60

/*
 * Under the semaphore, which the kernel gives back; anything, for ever. Killed at any moment, it must not be writing to
 * the test's runner: no assertions, an exit tells.
 */
static void write_for_ever(void *arg)
{
	struct ym_vars *vars = arg;
	struct ym_sem sem;
	char bytes[512];
	int result = ym_sem_get(&sem, key, 1, 0600, ym_deadline(PATIENCE_MS), NULL);

	if (result == 0 && write(steps[1], "!", 1) != 1)
		result = -1;
	while (result == 0) {
		int64_t name = random_below(NAMES);

		if (ym_sem_acquire(&sem, ym_deadline(PATIENCE_MS), NULL) < 0)
			break;
		if (random_below(4) == 0)
			result = ym_vars_remove(vars, name, &err);
		else
			result =
			    ym_vars_put_raw(vars, name, bytes, checked_value(bytes, name, random_below(250)), &err);
		/* Another one was killed in the middle. */
		if (result < 0 && err.class == YM_ERR_CORRUPT)
			result = ym_vars_repair(vars, NULL, &err);
		else if (result > 0 || err.class == YM_ERR_FULL)
			result = 0;
		if (ym_sem_release(&sem, NULL) < 0)
			break;
	}
	_exit(1);
}

/* The variables that are there, all of them right; damage is told as damage. */
static unsigned check_all(struct ym_vars *vars, unsigned *damaged)
{
	char storage[512];
	struct ym_buffer buffer;
	unsigned present = 0;

	for (int64_t name = 0; name < NAMES; name++) {
		int missing;

		ym_buffer_init(&buffer, storage, sizeof(storage));
		missing = ym_vars_get_raw(vars, name, &buffer, &err);
		if (missing < 0) {
			ck_assert_msg(err.class == YM_ERR_CORRUPT, "%s", err.text);
			++*damaged;
			return 0;
		}
		ck_assert_msg(missing || value_fits(storage, buffer.length, name), "a wild value for %d: %.300s",
		              (int)name, storage);
		present += !missing;
	}
	return present;
}

START_TEST(kills_at_random_moments)
{
	struct ym_vars vars;
	struct ym_sem sem;
	pid_t children[2];
	unsigned damaged = 0, left, present;

	open_steps();
	attach(&vars, 8000);
	ASSERT_OK(ym_sem_get(&sem, key, 1, 0600, ym_deadline(PATIENCE_MS), &err));
	for (size_t i = 0; i < COUNT(children); i++)
		children[i] = spawn(write_for_ever, &vars);
	await_step();
	await_step();
	for (unsigned kills = 0; kills < KILLS; kills++) {
		pid_t *victim = &children[random_below(COUNT(children))];

		for (uint64_t until = ym_now_ns() + random_below(300000); ym_now_ns() < until;)
			sched_yield();
		kill_writer(*victim);
		ASSERT_OK(ym_sem_acquire(&sem, ym_deadline(PATIENCE_MS), &err));
		left = damaged;
		present = check_all(&vars, &damaged);
		if (damaged > left) {
			ASSERT_OK(ym_vars_repair(&vars, NULL, &err));
			present = check_all(&vars, &left);
			ck_assert_msg(left == damaged - 1, "repaired, but still %s", err.text);
		}
		ck_assert_uint_le(present, NAMES);
		ASSERT_OK(ym_sem_release(&sem, &err));
		*victim = spawn(write_for_ever, &vars);
		await_step();
	}
	for (size_t i = 0; i < COUNT(children); i++)
		kill_writer(children[i]);
	ASSERT_OK(ym_vars_repair(&vars, NULL, &err));
	ck_assert_uint_gt(check_all(&vars, &damaged), NAMES / 4);
	ck_assert_int_eq(ym_sys.semctl(sem.id, 0, IPC_RMID, (union ym_semun){0}), 0);
	ym_sem_close(&sem);
	remove_segment(&vars);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vars_kill");
	TCase *tcase = tcase_create("vars_kill");

	tcase_add_checked_fixture(tcase, begin_vars, end_test);
	tcase_set_timeout(tcase, 120);
	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, a_kill_costs_one_variable_at_most, 0, (int)COUNT(deeds));
	tcase_add_loop_test(tcase, a_killed_repair_is_seen, 0, 2);
	tcase_add_test(tcase, a_counter_is_old_or_new);
	tcase_add_test(tcase, a_reader_is_overtaken);
	tcase_add_test(tcase, readers_need_no_semaphore);
	tcase_add_test(tcase, kills_at_random_moments);
	return run_suite(suite);
}
