/*
 * test_vars_damage.c - variable segments that somebody spoiled: every field, random bytes, and what repair makes of them.
 */
#include <sys/mman.h>

#include "vars_support.h"

#define SIZE 1000

/* Offsets of the three variables that make_three() puts. */
enum { FIRST = 40, SECOND = 80, THIRD = 128, END = 168 };

static void make_three(struct ym_vars *vars)
{
	attach(vars, SIZE);
	put(vars, 1, "i:11;");
	put(vars, 2, "s:9:\"123456789\";");
	put(vars, 3, "i:33;");
	ck_assert_int_eq(vars->head->end, END);
}

static void poke(const struct ym_vars *vars, size_t at, int64_t word)
{
	memcpy((char *)vars->head + at, &word, sizeof(word));
}

/* ---- every rule, for every operation ---------------------------------------------------------- */

#define OPERATION_MAP(X)                                                                                               \
	X(GET, ym_vars_get_raw(vars, name, &buffer, &err))                                                             \
	X(HAS, ym_vars_has(vars, name, &err))                                                                          \
	X(PUT_SAME, ym_vars_put_raw(vars, name, "i:44;", 5, &err))                                                     \
	X(PUT_OTHER, ym_vars_put_raw(vars, name, "s:20:\"12345678901234567890\";", 27, &err))                          \
	X(REMOVE, ym_vars_remove(vars, name, &err))                                                                    \
	X(NEXT, walk(vars))                                                                                            \
	X(STAT, ym_vars_stat(vars, &stat, &err))                                                                       \
	X(ATTACH, attach_again(vars))

enum operation {
#define X(name, call) OP_##name,
	OPERATION_MAP(X)
#undef X
	    OPERATIONS
};

static int walk(const struct ym_vars *vars)
{
	struct ym_var var = {0};
	size_t before = 0;
	int more;

	while ((more = ym_vars_next(vars, &var, &err)) == 0) {
		ck_assert_uint_gt(var.at, before);
		ck_assert_uint_le(var.at + var.chunk, vars->size);
		ck_assert_uint_le(var.length + 24, var.chunk);
		before = var.at;
	}
	return more < 0 ? -1 : 0;
}

static int attach_again(const struct ym_vars *vars)
{
	struct ym_vars other;
	int result = ym_vars_open(&other, vars->id, 0, &err);

	ym_vars_detach(&other);
	return result;
}

static int operate(enum operation operation, struct ym_vars *vars, int64_t name)
{
	char storage[4096];
	struct ym_buffer buffer;
	struct ym_vars_stat stat;

	err = (struct ym_err){0};
	ym_buffer_init(&buffer, storage, sizeof(storage));
	switch (operation) {
#define X(name, call)                                                                                                  \
	case OP_##name:                                                                                                \
		return call;
		OPERATION_MAP(X)
#undef X
	default:
		return 0;
	}
}

/* All operations on `name` must fail as CORRUPT with this text, and must not write. */
static void all_fail(struct ym_vars *vars, const char *says, int64_t name, unsigned operations)
{
	char before[SIZE];

	memcpy(before, vars->head, SIZE);
	for (unsigned operation = 0; operation < OPERATIONS; operation++) {
		if (!(operations & 1u << operation))
			continue;
		ck_assert_msg(operate(operation, vars, name) == -1, "operation %u works, though %s", operation, says);
		ck_assert_msg(err.class == YM_ERR_CORRUPT, "operation %u: %s", operation, err.text);
		ASSERT_IN(says, err.text);
		ASSERT_IN("shm repair", err.text);
		ck_assert_mem_eq(vars->head, before, SIZE);
	}
}

START_TEST(a_damaged_head_stops_everything)
{
	static const struct {
		size_t at;
		int64_t word;
		const char *says;
	} cases[] = {
	    {8, 0, "offset 8: the first chunk is said to be at 0, not at 40"},
	    {8, 39, "offset 8"},
	    {8, 41, "offset 8"},
	    {8, -1, "offset 8"},
	    {8, INT64_MIN, "offset 8"},
	    {16, 0, "offset 16: end is 0, outside 40..1000"},
	    {16, 39, "offset 16"},
	    {16, -1, "offset 16"},
	    {16, INT64_MIN, "offset 16"},
	    {16, SIZE + 1, "offset 16"},
	    {16, 1 << 30, "offset 16: end is 1073741824"},
	    {16, INT64_MAX, "offset 16"},
	    {24, -1, "offset 24: free is -1: a process that was changing the segment was killed"},
	    {24, INT64_MIN, "offset 24"},
	    {24, SIZE - END + 1, "offset 24: free is 833, but only 832 bytes are behind the end"},
	    {24, INT64_MAX, "offset 24"},
	    {32, 0, "offset 32: total is 0, outside 40..1000"},
	    {32, 39, "offset 32"},
	    {32, -1, "offset 32"},
	    {32, SIZE + 1, "offset 32: total is 1001"},
	    {32, 1 << 20, "offset 32"},
	    {32, END - 1, "offset 16: end is 168, outside 40..167"},
	    {32, SIZE - 1, "offset 24"},
	};
	struct ym_vars vars;
	int64_t saved;

	make_three(&vars);
	for (size_t i = 0; i < COUNT(cases); i++) {
		memcpy(&saved, (char *)vars.head + cases[i].at, sizeof(saved));
		poke(&vars, cases[i].at, cases[i].word);
		all_fail(&vars, cases[i].says, 1, (1u << OPERATIONS) - 1);
		all_fail(&vars, cases[i].says, 99, (1u << OPERATIONS) - 1);
		poke(&vars, cases[i].at, saved);
		ck_assert_int_eq(operate(OP_STAT, &vars, 0), 0);
	}
	vars.head->magic[3] = '-';
	all_fail(&vars, "offset 0: PHP's magic", 1, ((1u << OPERATIONS) - 1) & ~(1u << OP_ATTACH));
	remove_segment(&vars);
}
END_TEST

START_TEST(a_damaged_chunk_stops_what_comes_to_it)
{
	static const struct {
		size_t at;
		int64_t word;
		const char *says;
	} cases[] = {
	    {SECOND + 16, 0, "offset 80: the chunk of variable 2 is said to take 0 bytes, outside 32..88"},
	    {SECOND + 16, 31, "offset 80"},
	    {SECOND + 16, -1, "offset 80"},
	    {SECOND + 16, -48, "offset 80"},
	    {SECOND + 16, INT64_MIN, "offset 80"},
	    {SECOND + 16, INT64_MAX, "offset 80"},
	    {SECOND + 16, 89, "offset 80"},
	    {SECOND + 16, 87, "offset 167: 1 bytes are left"},
	    {SECOND + 16, 57, "offset 137: 31 bytes are left"},
	    {THIRD + 16, 39, "offset 167: 1 bytes are left before the end, too few for a chunk"},
	    {THIRD + 16, 41, "offset 128"},
	};
	const unsigned seekers = 1u << OP_GET | 1u << OP_HAS | 1u << OP_PUT_SAME | 1u << OP_PUT_OTHER | 1u << OP_REMOVE;
	struct ym_vars vars;
	int64_t saved;

	make_three(&vars);
	for (size_t i = 0; i < COUNT(cases); i++) {
		memcpy(&saved, (char *)vars.head + cases[i].at, sizeof(saved));
		poke(&vars, cases[i].at, cases[i].word);
		/* What is searched and is not before the damage; what sees everything. Attaching looks at the head only. */
		all_fail(&vars, cases[i].says, 99, seekers | 1u << OP_NEXT | 1u << OP_STAT);
		ck_assert_str_eq(get(&vars, 1), "i:11;");
		poke(&vars, cases[i].at, saved);
		ck_assert_str_eq(get(&vars, 3), "i:33;");
	}
	/* The variable whose own chunk is damaged is not got either. */
	poke(&vars, SECOND + 16, 1000);
	all_fail(&vars, "offset 80", 2, seekers);
	remove_segment(&vars);
}
END_TEST

START_TEST(a_damaged_value_can_be_replaced)
{
	static const struct {
		int64_t length;
		const char *says;
	} cases[] = {
	    {0, "offset 80: variable 2 has no value"},
	    {-1, "offset 80: the value of variable 2 is said to have -1 bytes in a chunk of 48"},
	    {25, "have 25 bytes"},
	    {INT64_MIN, "offset 80"},
	    {INT64_MAX, "offset 80"},
	};
	struct ym_vars vars;
	struct ym_var var;

	make_three(&vars);
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (unsigned how = OP_PUT_SAME; how <= OP_REMOVE; how++) {
			poke(&vars, SECOND + 8, cases[i].length);
			all_fail(&vars, cases[i].says, 2, 1u << OP_GET | 1u << OP_NEXT | 1u << OP_STAT);
			ck_assert_int_eq(ym_vars_has(&vars, 2, &err), 1);
			ck_assert_str_eq(get(&vars, 3), "i:33;");
			/* The walk says which one, and may go on. */
			var = (struct ym_var){0};
			ASSERT_OK(ym_vars_next(&vars, &var, &err));
			ASSERT_ERR(ym_vars_next(&vars, &var, &err), YM_ERR_CORRUPT);
			ck_assert_uint_eq(var.at, SECOND);
			ck_assert_int_eq(var.key, 2);
			ASSERT_OK(ym_vars_next(&vars, &var, &err));
			ck_assert_int_eq(var.key, 3);
			ck_assert_int_eq(operate(how, &vars, 2), 0);
			ck_assert_int_eq(operate(OP_STAT, &vars, 0), 0);
			remove_segment(&vars);
			make_three(&vars);
		}
	}
	/* The whole room of the chunk may be used. */
	poke(&vars, SECOND + 8, 24);
	ck_assert_mem_eq(get(&vars, 2), "s:9:\"123456789\";", 16);
	remove_segment(&vars);
}
END_TEST

/* ---- repair ----------------------------------------------------------------------------------- */

START_TEST(repair)
{
	/* What is poked; which variables are left; what is lost. */
	static const struct {
		size_t at;
		int64_t word;
		unsigned kept;
		size_t lost;
	} cases[] = {
	    {24, 500, 7, 0},       /* as it comes from a kill between `free` and `end` of a put */
	    {24, INT64_MIN, 7, 0}, /* nothing was moved yet */
	    {24, -1, 7, 0},
	    {24, 833, 7, 0},
	    {8, 0, 7, 0},
	    {32, 0, 7, 0},
	    {32, 2000, 7, 0},
	    {32, END - 1, 7, 0},
	    {16, 0, 7, 0}, /* total - free says it */
	    {16, INT64_MAX, 7, 0},
	    {16, SIZE, 7, 0},
	    {16, END - 1, 7, 0},
	    {0, 0x5f5048, 7, 0}, /* the magic */
	    {SECOND + 16, 0, 1, END - SECOND},
	    {SECOND + 16, 89, 1, END - SECOND},
	    {SECOND + 16, -1, 1, END - SECOND},
	    {THIRD + 16, 48, 3, END - THIRD},
	    {SECOND + 8, 0, 5, 48},
	    {SECOND + 8, 25, 5, 48},
	    {FIRST + 8, -1, 6, 40},
	    {THIRD + 8, 1000, 3, 40},
	};
	struct ym_vars vars, again;
	struct ym_vars_stat stat;
	size_t lost;

	for (size_t i = 0; i < COUNT(cases); i++) {
		static const char *const values[] = {"i:11;", "s:9:\"123456789\";", "i:33;"};
		size_t used = 40;

		make_three(&vars);
		poke(&vars, cases[i].at, cases[i].word);
		ASSERT_OK(ym_vars_attach(&again, key, 0, 0600, YM_VARS_DAMAGED, &err));
		lost = 12345;
		ASSERT_OK(ym_vars_repair(&again, &lost, &err));
		ck_assert_msg(lost == cases[i].lost, "case %zu lost %zu", i, lost);
		for (unsigned name = 0; name < 3; name++) {
			if (cases[i].kept & 1u << name) {
				ck_assert_msg(get(&vars, name + 1), "case %zu lost variable %u", i, name + 1);
				ck_assert_str_eq(get(&vars, name + 1), values[name]);
				used += ym_vars_chunk_size(strlen(values[name]));
			} else {
				ck_assert_ptr_null(get(&vars, name + 1));
			}
		}
		ASSERT_OK(ym_vars_stat(&again, &stat, &err));
		ck_assert_uint_eq(stat.used, used);
		ck_assert_uint_eq(stat.total, SIZE);
		ck_assert_uint_eq(stat.free, SIZE - used);
		ym_vars_detach(&again);
		ASSERT_OK(ym_vars_attach(&again, key, 0, 0600, 0, &err));
		ym_vars_detach(&again);
		remove_segment(&vars);
	}
}
END_TEST

START_TEST(repair_without_any_end)
{
	struct ym_vars vars;
	size_t lost;

	make_three(&vars);
	/* Stale bytes behind the end; neither `end` nor `free` says where that was. */
	memcpy((char *)vars.head + 500, "old", 3);
	poke(&vars, 16, -5);
	poke(&vars, 24, SIZE);
	ASSERT_OK(ym_vars_repair(&vars, &lost, &err));
	ck_assert_uint_eq(lost, 503 - END);
	ck_assert_str_eq(get(&vars, 3), "i:33;");
	ck_assert_int_eq(vars.head->end, END);
	/* A sound one stays as it is. */
	ASSERT_OK(ym_vars_repair(&vars, &lost, &err));
	ck_assert_uint_eq(lost, 0);
	ck_assert_int_eq(vars.head->end, END);
	ASSERT_OK(ym_vars_repair(&vars, NULL, NULL));
	/* No chunk is so small that this could be a journal. */
	poke(&vars, 24, -SECOND);
	poke(&vars, 32, 31);
	ASSERT_OK(ym_vars_repair(&vars, &lost, &err));
	ck_assert_uint_eq(lost, 0);
	ck_assert_str_eq(get(&vars, 2), "s:9:\"123456789\";");
	ck_assert_str_eq(get(&vars, 3), "i:33;");
	remove_segment(&vars);
}
END_TEST

/* Attached as damaged, everything that is whole can be seen. */
START_TEST(a_walk_through_damage)
{
	static const struct {
		size_t at;
		int64_t word;
		unsigned seen;
		size_t damage; /* 0: none */
	} cases[] = {
	    {0, 0, 3, 0},
	    {8, 7, 3, 0},
	    {24, -1, 3, 0},
	    {24, 9999, 3, 0},
	    {32, 9999, 3, 0},
	    {16, 9999, 3, 0},
	    {16, 140, 2, THIRD},
	    {SECOND + 16, 1, 1, SECOND},
	    {SECOND + 8, -1, 1, SECOND},
	};
	struct ym_vars vars, damaged;
	struct ym_var var;
	unsigned seen;
	int more;

	for (size_t i = 0; i < COUNT(cases); i++) {
		make_three(&vars);
		poke(&vars, cases[i].at, cases[i].word);
		ASSERT_OK(ym_vars_attach(&damaged, key, 0, 0600, YM_VARS_DAMAGED | YM_VARS_READONLY, &err));
		var = (struct ym_var){0};
		for (seen = 0; (more = ym_vars_next(&damaged, &var, &err)) == 0; seen++)
			;
		ck_assert_uint_eq(seen, cases[i].seen);
		ck_assert_int_eq(more, cases[i].damage ? -1 : 1);
		if (cases[i].damage)
			ck_assert_uint_eq(var.at, cases[i].damage);
		ym_vars_detach(&damaged);
		remove_segment(&vars);
	}
}
END_TEST

/* ---- what looks like damage for a moment ------------------------------------------------------- */

/* What happens while the code under test sleeps. */
static struct {
	const struct ym_vars *vars;
	size_t at;
	int64_t word;
	unsigned naps;
	bool hurry; /* do not sleep at all */
} meanwhile;

/* Instead of the C library's. */
int nanosleep(const struct timespec *time, struct timespec *left)
{
	if (meanwhile.vars && ++meanwhile.naps == 1)
		poke(meanwhile.vars, meanwhile.at, meanwhile.word);
	return meanwhile.hurry ? 0 : clock_nanosleep(CLOCK_MONOTONIC, 0, time, left);
}

START_TEST(others_are_given_time_to_finish)
{
	static const struct {
		size_t at;
		int64_t word;
		unsigned operations;
	} cases[] = {
	    {24, YM_VARS_BUSY, (1u << OPERATIONS) - 1}, /* chunks are being moved */
	    {24, -80, (1u << OPERATIONS) - 1},
	    {24, SIZE - END + 40, (1u << OPERATIONS) - 1}, /* PHP sets `free` before `end` */
	    {16, END + 40, (1u << OPERATIONS) - 1},
	    {FIRST + 16, 0, (1u << OP_NEXT) - 1},                          /* PHP moves chunks */
	    {SECOND + 8, 0, 1u << OP_GET | 1u << OP_NEXT | 1u << OP_STAT}, /* a value is being put in place */
	};
	struct ym_vars vars;
	uint64_t before;
	int64_t saved;

	for (size_t i = 0; i < COUNT(cases); i++) {
		for (unsigned operation = 0; operation < OPERATIONS; operation++) {
			if (!(cases[i].operations & 1u << operation))
				continue;
			make_three(&vars);
			memcpy(&saved, (char *)vars.head + cases[i].at, sizeof(saved));
			poke(&vars, cases[i].at, cases[i].word);
			meanwhile.vars = &vars;
			meanwhile.at = cases[i].at;
			meanwhile.word = saved;
			meanwhile.naps = 0;
			ck_assert_msg(operate(operation, &vars, 2) == (operation == OP_HAS),
			              "case %zu, operation %u: %s", i, operation, err.text);
			ck_assert_uint_ge(meanwhile.naps, 1);
			meanwhile.vars = NULL;
			remove_segment(&vars);
		}
	}
	/* Not for ever. */
	make_three(&vars);
	poke(&vars, 24, YM_VARS_BUSY);
	before = ym_now_ns();
	ck_assert_int_eq(operate(OP_GET, &vars, 1), -1);
	ck_assert_uint_ge(ym_now_ns() - before, 10000000);
	remove_segment(&vars);
}
END_TEST

/* ---- random damage ---------------------------------------------------------------------------- */

#define GUARDED_SIZE 4096

/* With nothing mapped before and behind: one byte too far is a SIGSEGV. */
static void *guarded_shmat(int id, const void *addr, int flags)
{
	char *room = mmap(NULL, 3 * GUARDED_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)addr;
	return shmat(id, room + GUARDED_SIZE, flags | SHM_REMAP);
}

static void fill(struct ym_vars *vars)
{
	char bytes[512];

	for (int64_t name = 0; name < 12; name++)
		ASSERT_OK(ym_vars_put_raw(vars, name, bytes, checked_value(bytes, name, random_below(300)), &err));
}

static int64_t strange_word(void)
{
	static const int64_t words[] = {0,         1,    -1,   31,   32,        33,      40,        INT64_MAX,
	                                INT64_MIN, 4096, 4095, 4097, INT32_MAX, 1 << 16, INT32_MIN, UINT32_MAX};

	return random_below(2) ? words[random_below(COUNT(words))] : (int64_t)random_below(5000) - 200;
}

static void spoil(const struct ym_vars *vars)
{
	struct ym_var var = {0};
	unsigned skip = random_below(13);

	switch (random_below(4)) {
	case 0: /* a field of the head */
		poke(vars, 8 + 8 * random_below(4), strange_word());
		break;
	case 1: /* a field of a chunk */
		while (skip-- > 0 && ym_vars_next(vars, &var, NULL) == 0)
			;
		poke(vars, (var.at ? var.at : 40) + 8 * random_below(3), strange_word());
		break;
	case 2: /* anything anywhere */
		for (unsigned i = 1 + random_below(16); i > 0; i--)
			((char *)vars->head)[random_below(GUARDED_SIZE)] = (char)random_below(256);
		break;
	default: /* a journal of chunks that were being moved */
		poke(vars, 24, -(int64_t)random_below(4200));
		poke(vars, 32, random_below(4200));
	}
	/* Those that say that somebody is at it are waited for: not too many of them. */
	if (vars->head->free < 0 && random_below(60))
		vars->head->free = random_below(5000);
}

static void survive(void *arg)
{
	static char pristine[GUARDED_SIZE];
	struct ym_vars vars;

	(void)arg;
	meanwhile.hurry = true;
	ym_sys.shmat = guarded_shmat;
	attach(&vars, GUARDED_SIZE);
	fill(&vars);
	memcpy(pristine, vars.head, GUARDED_SIZE);
	for (int round = 0; round < 20000; round++) {
		for (unsigned spoilt = 1 + random_below(2); spoilt > 0; spoilt--)
			spoil(&vars);
		for (unsigned count = 2; count > 0; count--) {
			int64_t name = random_below(13);
			int result = operate(random_below(OP_ATTACH), &vars, name);

			ck_assert_msg(result == 0 || result == 1 || (result == -1 && err.text[0]), "%d", result);
		}
		if (vars.head->start == 40) {
			ASSERT_OK(ym_vars_repair(&vars, NULL, &err));
			ck_assert_msg(operate(OP_STAT, &vars, 0) == 0, "still damaged: %s", err.text);
		}
		memcpy(vars.head, pristine, GUARDED_SIZE);
	}
	remove_segment(&vars);
}

START_TEST(random_damage)
{
	run_child(survive, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vars_damage");
	TCase *tcase = tcase_create("vars_damage");

	tcase_add_checked_fixture(tcase, begin_vars, end_test);
	tcase_set_timeout(tcase, 120);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, a_damaged_head_stops_everything);
	tcase_add_test(tcase, a_damaged_chunk_stops_what_comes_to_it);
	tcase_add_test(tcase, a_damaged_value_can_be_replaced);
	tcase_add_test(tcase, repair);
	tcase_add_test(tcase, repair_without_any_end);
	tcase_add_test(tcase, a_walk_through_damage);
	tcase_add_test(tcase, others_are_given_time_to_finish);
	tcase_add_test(tcase, random_damage);
	return run_suite(suite);
}
