/* test_mirror.c - items and the segment that shows them. */
#include "../../runtime/mirror.h"
#include "vars_support.h"

#define SIZE 65536

static struct mirror mirror;
static struct ym_vars vars;
static uint64_t dropped_ids[256];
static size_t ndropped;

static void dropped(void *arg, struct mirror_item *item)
{
	ck_assert_ptr_eq(arg, &mirror);
	dropped_ids[ndropped++] = item->id;
	mirror_free(item);
}

static void begin(size_t size)
{
	begin_vars();
	attach(&vars, size);
	ASSERT_OK(mirror_open(&mirror, dropped, &mirror, &err));
	mirror_begin(&mirror, size - sizeof(struct ym_vars_head_sh));
	ndropped = 0;
}

static void begin_large(void)
{
	begin(SIZE);
}

static void end(void)
{
	struct mirror_item *item;

	for (int rank = 0; rank < MIRROR_RANKS; rank++)
		while ((item = mirror_oldest(&mirror, (enum mirror_rank)rank))) {
			mirror_drop(&mirror, item);
			mirror_free(item);
		}
	mirror_close(&mirror);
	remove_segment(&vars);
	end_test();
}

/* A value that says whose it is, of `length` bytes in all. */
static const char *value(uint64_t id, unsigned version, size_t length)
{
	static char text[4096];
	size_t used = (size_t)snprintf(text, sizeof(text), "i:%llu%03u;", (unsigned long long)id, version);

	ck_assert_uint_le(used, length);
	memset(text + used, ' ', length - used);
	text[length] = '\0';
	return text;
}

static struct mirror_item *add(uint64_t id, int64_t tag, enum mirror_rank rank, size_t length)
{
	const int64_t keys[MIRROR_KEYS] = {-(int64_t)id, tag};
	struct mirror_item *item = calloc(1, sizeof(*item));

	ck_assert_ptr_nonnull(item);
	item->id = id;
	item->rank = rank;
	if (!mirror_add(&mirror, item, keys, length)) {
		free(item);
		return NULL;
	}
	ck_assert(mirror_put(&mirror, item, value(id, 0, length), length));
	return item;
}

static void write_all(void)
{
	int result;

	err = (struct ym_err){0};
	result = mirror_write(&mirror, &vars, YM_NEVER, &err);
	ck_assert_msg(result == 0, "write: %d %s", result, err.text);
	ck_assert(mirror_is_written(&mirror));
}

static void shows(int64_t name, uint64_t id, unsigned version)
{
	char expected[32];
	const char *is = get(&vars, name);

	snprintf(expected, sizeof(expected), "i:%llu%03u;", (unsigned long long)id, version);
	ck_assert_msg(is && strncmp(is, expected, strlen(expected)) == 0, "variable %lld is %s, not %s",
	              (long long)name, is ? is : "missing", expected);
}

static size_t variables(void)
{
	struct ym_vars_stat stat;

	ASSERT_OK(ym_vars_stat(&vars, &stat, &err));
	return stat.variables;
}

START_TEST(written_once)
{
	struct mirror_item *item = add(1, 100, MIRROR_RUNNING, 64);

	ck_assert(!mirror_is_written(&mirror));
	write_all();
	shows(-1, 1, 0);
	shows(100, 1, 0);
	/* The same value is no change; what a script has put there stays. */
	ck_assert(mirror_put(&mirror, item, value(1, 0, 64), 64));
	ck_assert(mirror_is_written(&mirror));
	put(&vars, 100, "N;");
	write_all();
	ck_assert_str_eq(get(&vars, 100), "N;");
	ck_assert(mirror_put(&mirror, item, value(1, 1, 64), 64));
	write_all();
	shows(100, 1, 1);
	mirror_drop(&mirror, item);
	mirror_free(item);
	write_all();
	ck_assert_uint_eq(variables(), 0);
}
END_TEST

/* A new value of the same size goes where the old one was. */
START_TEST(in_place)
{
	struct mirror_item *item = add(1, 100, MIRROR_RUNNING, 64);
	struct ym_var at = {0};
	size_t before;

	add(2, 200, MIRROR_RUNNING, 64);
	write_all();
	ck_assert_int_eq(ym_vars_next(&vars, &at, &err), 0);
	before = at.at;
	ck_assert_int_eq(at.key, -1);
	ck_assert(mirror_put(&mirror, item, value(1, 1, 64), 64));
	write_all();
	at = (struct ym_var){0};
	ck_assert_int_eq(ym_vars_next(&vars, &at, &err), 0);
	ck_assert_int_eq(at.key, -1);
	ck_assert_uint_eq(at.at, before);
	ck_assert(mirror_put(&mirror, item, value(1, 2, 128), 128));
	write_all();
	shows(-1, 1, 2);
	shows(200, 2, 0);
}
END_TEST

START_TEST(the_newest_has_the_key)
{
	struct mirror_item *second = add(2, 100, MIRROR_RUNNING, 64), *first = add(1, 100, MIRROR_RUNNING, 64), *third;

	write_all();
	shows(100, 2, 0);
	third = add(3, 100, MIRROR_RUNNING, 64);
	write_all();
	shows(100, 3, 0);
	ck_assert_uint_eq(variables(), 4);
	/* One that has not the key changes, and goes: nothing to see. */
	ck_assert(mirror_put(&mirror, second, value(2, 5, 64), 64));
	write_all();
	shows(100, 3, 0);
	shows(-2, 2, 5);
	mirror_drop(&mirror, second);
	mirror_free(second);
	mirror_drop(&mirror, third);
	mirror_free(third);
	write_all();
	shows(100, 1, 0);
	mirror_drop(&mirror, first);
	mirror_free(first);
	write_all();
	ck_assert_uint_eq(variables(), 0);
}
END_TEST

/* Before anything of it was written, the newest goes: the variable of the one before it is not to stay behind. */
START_TEST(an_heir_that_goes_first)
{
	struct mirror_item *first = add(1, 100, MIRROR_RUNNING, 64), *second;

	write_all();
	second = add(2, 100, MIRROR_RUNNING, 64);
	mirror_drop(&mirror, first);
	mirror_free(first);
	mirror_drop(&mirror, second);
	mirror_free(second);
	write_all();
	ck_assert_uint_eq(variables(), 0);
}
END_TEST

START_TEST(who_gives_way)
{
	/* With two keys each. */
	const size_t each = 2 * ym_vars_chunk_size(128);
	uint64_t id = 1;

	for (; mirror.room >= (int64_t)each; id++)
		ck_assert_ptr_nonnull(add(id, 1000 + (int64_t)id, id % 3 == 0 ? MIRROR_OVER : MIRROR_WAITING, 128));
	ck_assert_uint_eq(id - 1, (SIZE - sizeof(struct ym_vars_head_sh)) / each);
	ck_assert_uint_eq(ndropped, 0);
	write_all();
	/* First those that are over, the oldest first. */
	for (; mirror_oldest(&mirror, MIRROR_OVER); id++)
		ck_assert_ptr_nonnull(add(id, 1000 + (int64_t)id, MIRROR_WAITING, 128));
	ck_assert_uint_ge(ndropped, 20);
	for (size_t i = 0; i < ndropped; i++)
		ck_assert_uint_eq(dropped_ids[i], 3 * (i + 1));
	write_all();
	ck_assert_uint_eq(variables(), 2 * mirror.nitems);
	/* One that waits takes nobody's place then; one that runs does: that of who came last. */
	ndropped = 0;
	ck_assert(!mirror_has_room(&mirror, MIRROR_WAITING, 128));
	ck_assert_ptr_null(add(5000, 5000, MIRROR_WAITING, 128));
	ck_assert_uint_eq(ndropped, 0);
	ck_assert(mirror_has_room(&mirror, MIRROR_RUNNING, 128));
	ck_assert_ptr_nonnull(add(5001, 5001, MIRROR_RUNNING, 128));
	ck_assert_uint_eq(ndropped, 1);
	ck_assert_uint_eq(dropped_ids[0], id - 1);
	write_all();
	shows(5001, 5001, 0);
}
END_TEST

/* A script has taken the room: somebody goes, and what can be shown is shown. */
START_TEST(others_take_the_room)
{
	char large[SIZE / 2 + 64];

	memset(large, ' ', sizeof(large));
	memcpy(large, "N;", 2);
	for (uint64_t id = 1; mirror.room >= (int64_t)(2 * ym_vars_chunk_size(128)); id++)
		ck_assert_ptr_nonnull(add(id, 1000 + (int64_t)id, id % 2 ? MIRROR_OVER : MIRROR_RUNNING, 128));
	ASSERT_OK(ym_vars_put_raw(&vars, INT64_C(1) << 32, large, SIZE / 2, &err));
	write_all();
	ck_assert_uint_gt(ndropped, 10);
	for (size_t i = 0; i < ndropped; i++)
		if (dropped_ids[i] % 2 == 0)
			ck_assert_ptr_null(mirror_oldest(&mirror, MIRROR_OVER));
	ck_assert_int_eq(ym_vars_has(&vars, INT64_C(1) << 32, &err), 1);
	ck_assert_uint_eq(variables(), 1 + 2 * mirror.nitems);
	/* From then on the room is what there really is. */
	ck_assert_int_eq(mirror.room, vars.head->free);
	ASSERT_OK(ym_vars_remove(&vars, INT64_C(1) << 32, &err));
	ck_assert(mirror_put(&mirror, mirror_oldest(&mirror, MIRROR_RUNNING), value(7, 7, 128), 128));
	write_all();
	ck_assert_int_gt(mirror.room, SIZE / 2);
}
END_TEST

START_TEST(in_steps)
{
	int turns = 0, result;

	for (uint64_t id = 1; id <= 50; id++)
		add(id, 1000 + (int64_t)id, MIRROR_WAITING, 64);
	/* A deadline that has passed is no reason not to get on. */
	do {
		result = mirror_write(&mirror, &vars, 0, &err);
		ck_assert_int_ge(result, 0);
		turns++;
	} while (result == 1);
	ck_assert_uint_eq(variables(), 100);
	for (uint64_t id = 1; id <= 50; id++)
		shows(-(int64_t)id, id, 0);
	ck_assert_int_eq(turns, 100);
}
END_TEST

START_TEST(damage)
{
	struct mirror_item *item = add(1, 100, MIRROR_RUNNING, 64);
	size_t lost;

	put(&vars, INT64_C(1) << 32, "i:7;");
	write_all();
	/* A value of ours without an end: written anew. */
	((struct ym_chunk_sh *)(void *)((char *)vars.head + 40 + ym_vars_chunk_size(4)))->length = 100000;
	ck_assert(mirror_put(&mirror, item, value(1, 1, 64), 64));
	write_all();
	shows(-1, 1, 1);
	shows(100, 1, 1);
	/* Also one that has not changed, as soon as anything is written. */
	((struct ym_chunk_sh *)(void *)((char *)vars.head + 40 + ym_vars_chunk_size(4)))->length = 100000;
	add(2, 0, MIRROR_RUNNING, 64);
	write_all();
	shows(-1, 1, 1);
	/* A value of others: only a repair helps, and it says so. */
	((struct ym_chunk_sh *)(void *)((char *)vars.head + 40))->length = 100000;
	ck_assert(mirror_put(&mirror, item, value(1, 2, 64), 64));
	ck_assert_int_eq(mirror_write(&mirror, &vars, YM_NEVER, &err), -1);
	ck_assert_int_eq(err.class, YM_ERR_CORRUPT);
	ASSERT_OK(ym_vars_repair(&vars, &lost, &err));
	mirror_rewrite(&mirror);
	write_all();
	shows(100, 1, 2);
	/* The head. */
	vars.head->end = 7;
	ck_assert(mirror_put(&mirror, item, value(1, 3, 64), 64));
	ck_assert_int_eq(mirror_write(&mirror, &vars, YM_NEVER, &err), -1);
	ck_assert_int_eq(err.class, YM_ERR_CORRUPT);
	ASSERT_OK(ym_vars_repair(&vars, &lost, &err));
	mirror_rewrite(&mirror);
	write_all();
	shows(-1, 1, 3);
}
END_TEST

START_TEST(another_segment)
{
	add(1, 100, MIRROR_RUNNING, 64);
	add(2, 100, MIRROR_OVER, 64);
	write_all();
	remove_segment(&vars);
	attach(&vars, SIZE);
	mirror_begin(&mirror, SIZE - sizeof(struct ym_vars_head_sh));
	write_all();
	shows(-1, 1, 0);
	shows(100, 2, 0);
	ck_assert_uint_eq(variables(), 3);
}
END_TEST

/* What the segment shows under a key is what the newest item with it says; nothing else is there. */
static size_t check_key(struct mirror_item *const *items, size_t n, int64_t name)
{
	const struct mirror_item *newest = NULL;
	const char *is = get(&vars, name);

	for (size_t i = 0; i < n; i++)
		for (int k = 0; items[i] && k < MIRROR_KEYS; k++)
			if (items[i]->vars[k].key == name && (!newest || items[i]->id > newest->id))
				newest = items[i];
	ck_assert_ptr_eq(mirror_find(&mirror, name), newest);
	ck_assert_msg(!newest == !is, "variable %lld", (long long)name);
	if (!newest)
		return 0;
	ck_assert_uint_eq(strlen(is), newest->length);
	ck_assert_int_eq(memcmp(is, newest->bytes, newest->length), 0);
	return 1;
}

#define ITEMS 64
#define TAGS  5

static void change(struct mirror_item **items, unsigned *seed)
{
	unsigned at = (unsigned)rand_r(seed) % ITEMS, what = (unsigned)rand_r(seed) % 8;
	size_t length = 64 + 64 * (what % 3);

	if (!items[at]) {
		items[at] = add(at + 1, what ? 1 + at % TAGS : 0, what % 2 ? MIRROR_OVER : MIRROR_RUNNING, 64);
	} else if (what == 0) {
		mirror_drop(&mirror, items[at]);
		mirror_free(items[at]);
		items[at] = NULL;
	} else if (what == 1) {
		mirror_rank(&mirror, items[at], (enum mirror_rank)((unsigned)rand_r(seed) % MIRROR_RANKS));
	} else {
		ck_assert(mirror_put(&mirror, items[at], value(at + 1, what, length), length));
	}
}

/* Anything in any order, and each time the segment shows what it should, and nothing else. */
START_TEST(by_chance)
{
	struct mirror_item *items[ITEMS] = {0};
	unsigned seed = (unsigned)_i;

	for (int step = 0; step < 3000; step++) {
		size_t expected = 0;

		change(items, &seed);
		if (rand_r(&seed) % 4)
			continue;
		if (rand_r(&seed) % 8 == 0)
			mirror_rewrite(&mirror);
		write_all();
		ck_assert_uint_eq(ndropped, 0);
		for (int64_t name = -ITEMS; name <= TAGS; name++)
			if (name != 0)
				expected += check_key(items, ITEMS, name);
		ck_assert_uint_eq(variables(), expected);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mirror");
	TCase *tcase = tcase_create("mirror");

	tcase_add_checked_fixture(tcase, begin_large, end);
	tcase_add_test(tcase, written_once);
	tcase_add_test(tcase, in_place);
	tcase_add_test(tcase, the_newest_has_the_key);
	tcase_add_test(tcase, an_heir_that_goes_first);
	tcase_add_test(tcase, who_gives_way);
	tcase_add_test(tcase, others_take_the_room);
	tcase_add_test(tcase, in_steps);
	tcase_add_test(tcase, damage);
	tcase_add_test(tcase, another_segment);
	tcase_add_loop_test(tcase, by_chance, 0, 10);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
