/* test_histogram.c - buckets, sums, percentiles. */
#include "../../runtime/histogram.h"
#include "support.h"

static struct histogram_sh times, others;
static struct histogram sum;

static void begin(void)
{
	begin_test();
	memset(&times, 0, sizeof(times));
	memset(&others, 0, sizeof(others));
	memset(&sum, 0, sizeof(sum));
}

START_TEST(every_value_is_in_its_bucket)
{
	static const int64_t around[] = {-1, 0, 1};

	for (unsigned bit = 4; bit < HISTOGRAM_OCTAVES; bit++)
		for (size_t i = 0; i < 3; i++) {
			uint64_t value = (UINT64_C(1) << bit) + (uint64_t)around[i];
			unsigned bucket = histogram_bucket(value);

			ck_assert_uint_le(histogram_floor(bucket), value);
			ck_assert_uint_gt(histogram_floor(bucket + 1), value);
			/* Known to an eighth. */
			ck_assert_uint_le((histogram_floor(bucket + 1) - histogram_floor(bucket)) * 8,
			                  histogram_floor(bucket) + 8);
		}
	for (uint64_t value = 0; value < 16; value++)
		ck_assert_uint_eq(histogram_floor(histogram_bucket(value)), value);
	ck_assert_uint_eq(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
	ck_assert_uint_eq(histogram_bucket(UINT64_C(1) << HISTOGRAM_OCTAVES), HISTOGRAM_BUCKETS - 1);
}
END_TEST

START_TEST(percentiles)
{
	/* 1 ms ... 1000 ms */
	for (uint64_t ms = 1; ms <= 1000; ms++)
		histogram_add(&times, ms * 1000000);
	histogram_sum(&sum, &times);
	ck_assert_uint_eq(sum.n, 1000);
	ck_assert_uint_eq(histogram_mean(&sum), 500500000);
	ck_assert_double_eq_tol((double)histogram_at(&sum, 0.5) / 1e6, 500, 500.0 / 8);
	ck_assert_double_eq_tol((double)histogram_at(&sum, 0.9) / 1e6, 900, 900.0 / 8);
	ck_assert_double_eq_tol((double)histogram_at(&sum, 0.99) / 1e6, 990, 990.0 / 8);
	ck_assert_double_eq_tol((double)histogram_at(&sum, 1) / 1e6, 1000, 1000.0 / 8);
	ck_assert_double_eq_tol((double)histogram_at(&sum, 0) / 1e6, 1, 1.0 / 8);
}
END_TEST

START_TEST(percentiles_of_a_few)
{
	histogram_add(&times, 3);
	histogram_add(&times, 7);
	histogram_sum(&sum, &times);
	ck_assert_uint_eq(histogram_at(&sum, 0), 3);
	ck_assert_uint_eq(histogram_at(&sum, 0.5), 3);
	ck_assert_uint_eq(histogram_at(&sum, 0.51), 7);
	ck_assert_uint_eq(histogram_at(&sum, 1), 7);
}
END_TEST

START_TEST(nothing_has_no_percentiles)
{
	histogram_sum(&sum, &times);
	ck_assert_uint_eq(histogram_at(&sum, 0.99), 0);
	ck_assert_uint_eq(histogram_mean(&sum), 0);
}
END_TEST

START_TEST(all_of_it_moves)
{
	histogram_add(&times, 100);
	histogram_add(&others, 100);
	histogram_add(&others, 5000);
	histogram_move(&times, &others);
	histogram_sum(&sum, &others);
	ck_assert_uint_eq(sum.n + sum.sum_ns, 0);
	histogram_sum(&sum, &times);
	ck_assert_uint_eq(sum.n, 3);
	ck_assert_uint_eq(sum.sum_ns, 5200);
	ck_assert_uint_eq(sum.counts[histogram_bucket(100)], 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("histogram");
	TCase *tcase = tcase_create("histogram");

	tcase_add_checked_fixture(tcase, begin, end_test);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, every_value_is_in_its_bucket);
	tcase_add_test(tcase, percentiles);
	tcase_add_test(tcase, percentiles_of_a_few);
	tcase_add_test(tcase, nothing_has_no_percentiles);
	tcase_add_test(tcase, all_of_it_moves);
	return run_suite(suite);
}
