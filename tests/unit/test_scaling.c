/*
 * test_scaling.c - how many workers a pool should have: decisions with their reasons, and what must hold for all of them.
 */
#include "../../runtime/scaling.h"
#include "support.h"

#define SECOND UINT64_C(1000000000)

static char reason[SCALING_REASON_MAX];

/* A pool of 2..10 with a window of 1..3 idle workers; now: 4 workers, 2 idle, nothing to do. */
static const struct scaling calm = {
    .least = 2,
    .most = 10,
    .min_spare = 1,
    .max_spare = 3,
    .step = 4,
    .cooldown_ns = 10 * SECOND,
    .idle_timeout_ns = 30 * SECOND,
    .now = 1000 * SECOND,
    .wanted = 4,
    .idle = 2,
};

/* 0..8, on demand; now there is nobody. */
static const struct scaling on_demand = {
    .most = 8, .step = 4, .cooldown_ns = 10 * SECOND, .idle_timeout_ns = 30 * SECOND, .now = 1000 * SECOND};

static void assert_decides(const struct scaling *scaling, unsigned wanted, const char *why)
{
	unsigned is = scaling_decide(scaling, reason);

	ck_assert_msg(is == wanted, "%u, not %u: %s", is, wanted, reason);
	ck_assert_str_eq(reason, why);
}

START_TEST(test_calm)
{
	struct scaling pool = calm;

	snprintf(reason, sizeof(reason), "left from before");
	assert_decides(&pool, 4, "");
	/* Work for those that wait for it, or come. */
	pool.waiting = 2;
	assert_decides(&pool, 4, "");
	pool.waiting = 5;
	pool.starting = 3;
	assert_decides(&pool, 4, "");
}
END_TEST

START_TEST(test_jobs)
{
	struct scaling pool = calm;

	pool.idle = 0;
	pool.waiting = 1;
	assert_decides(&pool, 5, "1 job waiting and no worker free");
	pool.waiting = 3;
	assert_decides(&pool, 7, "3 jobs waiting and no worker free");
	/* Those that are idle or come are counted on. */
	pool.idle = 1;
	pool.starting = 1;
	assert_decides(&pool, 5, "3 jobs waiting and no worker free");
	/* A step at once, whatever comes. */
	pool.waiting = UINT64_MAX;
	assert_decides(&pool, 8, "18446744073709551615 jobs waiting and no worker free");
	/* No more than there may be. */
	pool.wanted = 9;
	assert_decides(&pool, 10, "18446744073709551615 jobs waiting and no worker free");
	pool.wanted = 10;
	assert_decides(&pool, 10, "");
	/* To grow, nobody waits for the cooldown. */
	pool.wanted = 4;
	pool.changed = pool.now;
	ck_assert_uint_eq(scaling_decide(&pool, reason), 8);
}
END_TEST

START_TEST(test_spares)
{
	struct scaling pool = calm;

	pool.min_spare = 3;
	assert_decides(&pool, 5, "only 2 idle, min_spare is 3");
	pool.starting = 1;
	assert_decides(&pool, 4, "");
	pool.min_spare = 4;
	assert_decides(&pool, 5, "only 3 idle, min_spare is 4");
	pool.min_spare = 3;
	pool.idle = 0;
	pool.starting = 0;
	assert_decides(&pool, 7, "only 0 idle, min_spare is 3");
	pool.step = 2;
	assert_decides(&pool, 6, "only 0 idle, min_spare is 3");
	/* The larger need says why. */
	pool.step = 10;
	pool.waiting = 2;
	assert_decides(&pool, 7, "only 0 idle, min_spare is 3");
	pool.waiting = 5;
	assert_decides(&pool, 9, "5 jobs waiting and no worker free");
	pool.waiting = 0;
	pool.wanted = 10;
	assert_decides(&pool, 10, "");
}
END_TEST

START_TEST(test_shrink)
{
	struct scaling pool = calm;

	pool.wanted = 10;
	pool.idle = 8;
	pool.idle_long = 8;
	assert_decides(&pool, 6, "8 idle, max_spare is 3");
	pool.step = 1;
	assert_decides(&pool, 9, "8 idle, max_spare is 3");
	pool.step = 20;
	assert_decides(&pool, 5, "8 idle, max_spare is 3");
	/* Only those that were idle for long. */
	pool.idle_long = 2;
	assert_decides(&pool, 8, "8 idle, max_spare is 3");
	pool.idle_long = 0;
	assert_decides(&pool, 10, "");
	/* max_spare of them stay. */
	pool.idle = pool.idle_long = 3;
	assert_decides(&pool, 10, "");
	pool.idle = pool.idle_long = 4;
	assert_decides(&pool, 9, "4 idle, max_spare is 3");
	/* Not below the least. */
	pool.idle = pool.idle_long = 9;
	pool.least = 8;
	assert_decides(&pool, 8, "9 idle, max_spare is 3");
	pool.wanted = 8;
	assert_decides(&pool, 8, "");
}
END_TEST

START_TEST(test_no_haste)
{
	struct scaling pool = calm;

	pool.wanted = 10;
	pool.idle = pool.idle_long = 8;
	/* Some come just now: they were wanted a moment ago. */
	pool.starting = 1;
	assert_decides(&pool, 10, "");
	pool.starting = 0;
	/* Jobs that some of the idle ones will take. */
	pool.waiting = 1;
	assert_decides(&pool, 10, "");
	pool.waiting = 0;
	/* The cooldown, from the last change on. */
	pool.changed = pool.now - 10 * SECOND + 1;
	assert_decides(&pool, 10, "");
	pool.changed = pool.now - 10 * SECOND;
	assert_decides(&pool, 6, "8 idle, max_spare is 3");
	/* Never changed: nothing to wait for, even just after the machine has started. */
	pool.now = 5 * SECOND;
	pool.changed = 0;
	assert_decides(&pool, 6, "8 idle, max_spare is 3");
}
END_TEST

START_TEST(test_on_demand)
{
	struct scaling pool = on_demand;

	assert_decides(&pool, 0, "");
	/* The spare window is for others. */
	pool.min_spare = 2;
	pool.max_spare = 3;
	assert_decides(&pool, 0, "");
	pool.waiting = 1;
	assert_decides(&pool, 1, "1 job waiting and no worker free");
	pool.waiting = 100;
	assert_decides(&pool, 4, "100 jobs waiting and no worker free");
	pool.wanted = 7;
	assert_decides(&pool, 8, "100 jobs waiting and no worker free");
	/* All that were idle for long go at once, without a step. */
	pool.waiting = 0;
	pool.wanted = 8;
	pool.idle = 7;
	pool.idle_long = 6;
	assert_decides(&pool, 2, "6 idle for 30.0s");
	pool.idle = pool.idle_long = 8;
	assert_decides(&pool, 0, "8 idle for 30.0s");
	pool.changed = pool.now - SECOND;
	assert_decides(&pool, 8, "");
}
END_TEST

/* The size was changed from outside. */
START_TEST(test_bounds)
{
	struct scaling pool = calm;

	pool.wanted = 1;
	assert_decides(&pool, 2, "the pool has 2..10");
	pool.wanted = 11;
	pool.waiting = 100;
	assert_decides(&pool, 10, "the pool has 2..10");
	pool.least = pool.most = 6;
	assert_decides(&pool, 6, "the pool has 6..6");
	/* A fixed one stays as it is, whatever comes. */
	pool.wanted = 6;
	pool.idle = 0;
	assert_decides(&pool, 6, "");
	pool.waiting = 0;
	pool.idle = pool.idle_long = 6;
	pool.min_spare = pool.max_spare = 0;
	assert_decides(&pool, 6, "");
}
END_TEST

/* Small numbers mostly, as they meet each other's limits; now and then the largest there is. */
static unsigned any(void)
{
	return random_below(50) == 0 ? UINT_MAX : random_below(12);
}

static struct scaling any_pool(void)
{
	struct scaling pool = {
	    .least = random_below(8),
	    .min_spare = any(),
	    .max_spare = any(),
	    .step = 1 + random_below(6),
	    .cooldown_ns = random_below(3) * 5 * SECOND,
	    .idle_timeout_ns = random_below(60) * SECOND,
	    .now = 1000 * SECOND,
	    .starting = random_below(3) ? 0 : any(),
	    .idle = any(),
	    .idle_long = any(),
	    .waiting = random_below(2) ? 0 : any(),
	    .changed = random_below(3) ? 1000 * SECOND - random_below(20) * SECOND : 0,
	};

	pool.most = pool.least + random_below(12);
	pool.wanted = pool.least + random_below(pool.most - pool.least + 1);
	return pool;
}

START_TEST(test_always)
{
	unsigned grown = 0, shrunk = 0;

	for (int i = 0; i < 300000; i++) {
		struct scaling pool = any_pool();
		unsigned wanted = scaling_decide(&pool, reason);
		uint64_t coming = (uint64_t)pool.idle + pool.starting;

		ck_assert_uint_ge(wanted, pool.least);
		ck_assert_uint_le(wanted, pool.most);
		ck_assert_int_eq(reason[0] != '\0', wanted != pool.wanted);
		grown += wanted > pool.wanted;
		shrunk += wanted < pool.wanted;
		if (wanted > pool.wanted) {
			ck_assert_uint_le(wanted - pool.wanted, pool.step);
			ck_assert(pool.waiting > coming || (pool.least > 0 && coming < pool.min_spare));
		}
		if (wanted < pool.wanted) {
			ck_assert(pool.waiting == 0 && pool.starting == 0);
			ck_assert_uint_le(pool.wanted - wanted, pool.idle_long);
			ck_assert_uint_le(pool.wanted - wanted, pool.idle);
			ck_assert(pool.changed == 0 || pool.now - pool.changed >= pool.cooldown_ns);
			if (pool.least > 0) {
				ck_assert_uint_le(pool.wanted - wanted, pool.step);
				ck_assert_uint_ge(pool.idle - (pool.wanted - wanted), pool.max_spare);
			}
		}
		/* Jobs that nobody will take are never left when there may be more. */
		if (pool.waiting > coming && pool.wanted < pool.most)
			ck_assert_uint_gt(wanted, pool.wanted);
	}
	/* Else the rest would say nothing. */
	ck_assert_uint_gt(grown, 10000);
	ck_assert_uint_gt(shrunk, 1000);
}
END_TEST

/* From outside the bounds straight into them, with a reason that fits. */
START_TEST(test_always_back)
{
	for (int i = 0; i < 20000; i++) {
		struct scaling pool = any_pool();
		unsigned wanted;

		pool.wanted = any();
		wanted = scaling_decide(&pool, reason);
		ck_assert(wanted >= pool.least && wanted <= pool.most);
		ck_assert_uint_lt(strlen(reason), SCALING_REASON_MAX - 1);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scaling");
	TCase *tcase = add_case(suite, "decisions");

	tcase_add_test(tcase, test_calm);
	tcase_add_test(tcase, test_jobs);
	tcase_add_test(tcase, test_spares);
	tcase_add_test(tcase, test_shrink);
	tcase_add_test(tcase, test_no_haste);
	tcase_add_test(tcase, test_on_demand);
	tcase_add_test(tcase, test_bounds);
	tcase_add_test(tcase, test_always);
	tcase_add_test(tcase, test_always_back);
	return run_suite(suite);
}
